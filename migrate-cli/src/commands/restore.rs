//! `restore`: puts a backup back.

use migrate_runtime::backup::RestoreOptions;
use migrate_runtime::{Outcome, Restored};

use super::amend::check_consent;
use super::backup::line;
use super::confirm;
use super::run::observed;
use crate::args::{Confirmation, FleetArgs, RestoreArgs};
use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::Printer;
use crate::signals;

pub(super) fn check(args: &RestoreArgs, protected: bool, printer: &Printer) -> Result<(), Error> {
    check_consent("`restore` replaces everything in the database", &args.consent, protected, printer)
}

pub(super) fn restore(args: &RestoreArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let options = RestoreOptions { force: args.force, from_other: args.from_other, dry_run: args.consent.dry_run };
    put_back(&Which::Id(&args.id), &options, (args.fleet, &args.consent.confirmation), session, printer)
}

/// Which backup is put back.
pub(super) enum Which<'a> {
    /// The one with an id, or `latest`.
    Id(&'a str),
    /// The one that was taken before a run, if nothing speaks against it.
    BeforeRun(i64),
}

/// Puts a backup back, after it was shown and confirmed.
pub(super) fn put_back(
    which: &Which<'_>,
    options: &RestoreOptions,
    (fleet, confirmation): (FleetArgs, &Confirmation),
    session: &mut Session,
    printer: &Printer,
) -> Result<Exit, Error> {
    let migrator = fleet.applied_to(observed(session.migrator.clone(), printer));
    let migrator = if options.dry_run { migrator } else { migrator.stop(signals::stop(printer)) };
    let put_back = |which: &Which<'_>, options: RestoreOptions, session: &mut Session| match which {
        Which::Id(id) => migrator.restore_backup(&mut session.database, id, options).wait(),
        Which::BeforeRun(run) => migrator.restore_run_snapshot(&mut session.database, *run, options).wait(),
    };
    let mut restored = None;
    if !options.dry_run {
        confirm::check_name(confirmation, session)?;
        if confirm::is_due(confirmation, session.protected) {
            let planned = put_back(which, RestoreOptions { dry_run: true, ..options.clone() }, session)?;
            printer.aside(&format!("to restore: {}", line(&planned.backup)));
            confirm::ask(&format!("replace everything in {}?", session.database), session, printer)?;
            // What was shown, also where a newer one would be `latest` by now. There is one only from before a run.
            let shown = match which {
                Which::Id(_) => Which::Id(&planned.backup.id),
                Which::BeforeRun(run) => Which::BeforeRun(*run),
            };
            restored = Some(put_back(&shown, options.clone(), session)?);
        }
    }
    let restored = match restored {
        Some(restored) => restored,
        None => put_back(which, options.clone(), session)?,
    };
    printer.answer(&Document::new(json::RestoredBackup::from(&restored)), || closing(&restored));
    if restored.outcome != Outcome::DryRun {
        printer.next("`migrate status`");
    }
    Ok(Exit::Done)
}

fn closing(restored: &Restored) -> String {
    let Restored { backup, kept, .. } = restored;
    if restored.outcome == Outcome::DryRun {
        return format!("to restore: {}\ndry run: it can be restored, nothing was changed", line(backup));
    }
    let before = match kept {
        Some(kept) => format!("what was there before is kept as {}", kept.id),
        None => "there was nothing to keep before".to_owned(),
    };
    format!("restored {}\n{before}", line(backup))
}
