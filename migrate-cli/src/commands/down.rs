//! `down`: undoes the last applied migration, or more; `reset`, all of them.

use migrate_runtime::Target;

use super::confirm;
use super::run::{Aim, Request, run};
use crate::args::{DownArgs, ResetArgs};
use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Printer;

pub(super) fn check(args: &DownArgs, protected: bool, printer: &Printer) -> Result<(), Error> {
    if args.dry_run {
        return Ok(());
    }
    let help = "look at the steps with `--dry-run`, then confirm them with `--yes`";
    confirm::check("`down` may destroy data", &args.confirmation, protected, help, printer)
}

pub(super) fn down(args: &DownArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let target = match (args.to, args.steps.or(args.count)) {
        _ if args.all => Target::DownAll,
        (Some(version), _) => Target::DownTo(version),
        (None, steps) => Target::DownBy(steps.unwrap_or(1) as usize),
    };
    run(
        &Request {
            aim: Aim::Reach(target),
            dry_run: args.dry_run,
            fleet: args.fleet,
            confirmation: Some(&args.confirmation),
        },
        session,
        printer,
    )
}

pub(super) fn reset(args: &ResetArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    run(
        &Request {
            aim: Aim::Reach(Target::DownAll),
            dry_run: args.consent.dry_run,
            fleet: args.fleet,
            confirmation: Some(&args.consent.confirmation),
        },
        session,
        printer,
    )
}
