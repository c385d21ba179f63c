//! `lock show` and `lock release`: who holds the run lock, and freeing it.

use migrate_runtime::{Dialect, FreedLock, LockHolder, LockRelease, Outcome};

use super::amend::check_consent;
use super::confirm;
use crate::args::{Consent, ReleaseArgs, RunLockVerb};
use crate::config::{Session, dialect};
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::Printer;
use crate::time::{self, local};

pub(super) fn run_lock(
    verb: &RunLockVerb,
    open: impl FnOnce() -> Result<Session, Error>,
    printer: &Printer,
) -> Result<Exit, Error> {
    match verb {
        RunLockVerb::Show => show(&mut open()?, printer),
        RunLockVerb::Release(args) => release(args, &mut open()?, printer),
    }
}

fn show(session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let holder = session.migrator.lock_holder(&mut session.database).wait()?;
    printer.answer(&Document::new(json::RunLock::from(holder.as_ref())), || match &holder {
        None => "the run lock is free".to_owned(),
        Some(holder) => text(holder),
    });
    Ok(Exit::Done)
}

fn text(holder: &LockHolder) -> String {
    let mut lines = vec![format!("the run lock is held by {}", holder.owner)];
    lines.push(format!("  host     {}", holder.host));
    lines.push(format!("  process  {}", holder.process));
    lines.push(format!("  since    {}", local(&holder.acquired_at)));
    lines.extend(holder.expires_at.as_ref().map(|time| format!("  lease    until {}", local(time))));
    lines.push(if holder.live {
        "  alive    yes".to_owned()
    } else {
        "  alive    no; the next run takes the lock over, or free it with `migrate lock release`".to_owned()
    });
    lines.join("\n")
}

fn release(args: &ReleaseArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let Consent { dry_run, confirmation } = &args.consent;
    let dialect = dialect(&session.database);
    let mut options = LockRelease { force: args.force, dry_run: true, expected: None };
    if !dry_run {
        confirm::check_name(confirmation, session)?;
        if confirm::is_due(confirmation, session.protected) {
            let planned = session.migrator.release_lock(&mut session.database, options.clone()).wait()?;
            let Some(holder) = &planned.holder else {
                return answer(&planned, dialect, printer);
            };
            check_consent("`lock release` may stop a run", &args.consent, session.protected, printer)?;
            printer.aside(&intention(holder, dialect));
            confirm::ask(&format!("free the run lock of {}?", session.database), session, printer)?;
            options.expected = planned.holder;
        }
    }
    options.dry_run = *dry_run;
    let freed = session.migrator.release_lock(&mut session.database, options).wait()?;
    answer(&freed, dialect, printer)
}

fn answer(freed: &FreedLock, dialect: Dialect, printer: &Printer) -> Result<Exit, Error> {
    printer.answer(&Document::new(json::LockRelease::from(freed)), || closing(freed, dialect));
    Ok(Exit::Done)
}

fn intention(holder: &LockHolder, dialect: Dialect) -> String {
    format!("to free: the run lock of {holder}{}", consequence(holder, dialect))
}

fn closing(freed: &FreedLock, dialect: Dialect) -> String {
    match (&freed.holder, freed.outcome) {
        (None, _) => "nothing to do: the run lock is free".to_owned(),
        (Some(holder), Outcome::DryRun) => format!("{}\ndry run: nothing was changed", intention(holder, dialect)),
        (Some(holder), _) => format!("freed the run lock of {}{}", time::holder(holder), consequence(holder, dialect)),
    }
}

/// What becomes of a holder that is alive, as further lines.
fn consequence(holder: &LockHolder, dialect: Dialect) -> &'static str {
    match dialect {
        _ if !holder.live => "",
        Dialect::Sqlite => {
            "\nits run is alive and stops with an error before its next change; what it has committed stays\
             \nother runs wait until its process lets go of the lock file beside the database"
        }
        Dialect::Postgres => {
            "\nits run is alive and stops with an error before its next change; what it has committed stays"
        }
    }
}
