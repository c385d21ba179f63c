//! `goto`: brings the database to exactly a version, up or down.

use migrate_runtime::{SchemaVersion, Target};

use super::confirm;
use super::run::{Aim, Request, run};
use crate::args::GotoArgs;
use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Printer;

/// Which way it goes is known once the database is read; the way down is confirmed.
pub(super) fn goto(args: &GotoArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let target = towards(args.version, session)?;
    let confirmation = if matches!(target, Target::DownTo(_)) {
        if !args.dry_run {
            let help = "look at the steps with `--dry-run`, then confirm them with `--yes`";
            confirm::check("`goto` may destroy data", &args.confirmation, session.protected, help, printer)?;
        }
        Some(&args.confirmation)
    } else {
        None
    };
    run(&Request { aim: Aim::Reach(target), dry_run: args.dry_run, fleet: args.fleet, confirmation }, session, printer)
}

/// Down if anything above the version is applied, else up.
pub(super) fn towards(version: SchemaVersion, session: &mut Session) -> Result<Target, Error> {
    let assessment = session.migrator.check(&mut session.database).wait()?;
    let above = assessment.migrations.iter().any(|entry| entry.row.is_some() && entry.version > version);
    Ok(if above { Target::DownTo(version) } else { Target::UpTo(version) })
}
