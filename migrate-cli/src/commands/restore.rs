//! `restore`: puts a backup back.

use migrate_runtime::backup::RestoreOptions;
use migrate_runtime::{Outcome, Restored};

use super::amend::check_consent;
use super::backup::line;
use super::confirm;
use super::run::observed;
use crate::args::RestoreArgs;
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
    let options = RestoreOptions { force: args.force, from_other: args.from_other, dry_run: true };
    let migrator = observed(session.migrator.clone(), printer);
    let mut id = args.id.clone();
    if !args.consent.dry_run {
        confirm::check_name(&args.consent.confirmation, session)?;
        if confirm::is_due(&args.consent.confirmation, session.protected) {
            let planned = migrator.restore_backup(&mut session.database, &id, options.clone()).wait()?;
            printer.aside(&format!("to restore: {}", line(&planned.backup)));
            confirm::ask(&format!("replace everything in {}?", session.database), session, printer)?;
            // What was shown, also where a newer one would be `latest` by now.
            id = planned.backup.id;
        }
    }
    let options = RestoreOptions { dry_run: args.consent.dry_run, ..options };
    let migrator = if args.consent.dry_run { migrator } else { migrator.stop(signals::stop(printer)) };
    let restored = migrator.restore_backup(&mut session.database, &id, options).wait()?;
    printer.answer(&Document::new(json::RestoredBackup::from(&restored)), || closing(&restored));
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
