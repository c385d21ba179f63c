//! What `baseline`, `force` and `repair` share: asking, changing the ledger, and the closing line.

use migrate_runtime::{Amendment, Outcome, Plan, Report};

use super::confirm;
use super::run::observed;
use crate::args::{Consent, FleetArgs};
use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::{Printer, count, place};

pub(super) fn check(verb: &str, consent: &Consent, protected: bool, printer: &Printer) -> Result<(), Error> {
    check_consent(&format!("`{verb}` changes what counts as applied"), consent, protected, printer)
}

/// Fails where a change is to be confirmed and nobody can. `why` is the reason for asking.
pub(super) fn check_consent(why: &str, consent: &Consent, protected: bool, printer: &Printer) -> Result<(), Error> {
    if consent.dry_run {
        return Ok(());
    }
    let help = "look at it with `--dry-run`, then confirm it with `--yes`";
    confirm::check(why, &consent.confirmation, protected, help, printer)
}

pub(super) fn amend(
    verb: &str,
    amendment: Amendment,
    fleet: FleetArgs,
    consent: &Consent,
    session: &mut Session,
    printer: &Printer,
) -> Result<Exit, Error> {
    let mut migrator = fleet.applied_to(observed(session.migrator.clone(), printer));
    if !consent.dry_run {
        confirm::check_name(&consent.confirmation, session)?;
        if confirm::is_due(&consent.confirmation, session.protected) {
            let planned = migrator.plan_amendment(&mut session.database, amendment.clone()).wait()?;
            if !planned.plan.is_empty() {
                check(verb, consent, session.protected, printer)?;
                printer.aside(&intentions(&planned.plan));
                let changes = count(planned.plan.changes.len(), "change");
                let question = format!("{changes} of the ledger of {}, no script is run?", session.database);
                confirm::ask(&question, session, printer)?;
            }
            migrator = migrator.expecting(planned.plan);
        }
    }
    let database = &mut session.database;
    let report = if consent.dry_run {
        migrator.plan_amendment(database, amendment).wait()?
    } else {
        migrator.amend(database, amendment).wait()?
    };
    printer.answer(&Document::new(json::Amended::from(&report)), || closing(&report));
    if report.outcome == Outcome::Done {
        printer.next("`migrate status`");
    }
    Ok(Exit::Done)
}

fn intentions(plan: &Plan) -> String {
    plan.changes.iter().map(|change| format!("to {change}")).collect::<Vec<_>>().join("\n")
}

fn closing(report: &Report) -> String {
    let changes = count(report.plan.changes.len(), "change");
    match report.outcome {
        Outcome::DryRun => format!("{}\ndry run: {changes}, nothing was changed", intentions(&report.plan)),
        Outcome::NothingToDo => {
            format!("nothing to do: the ledger says so already; {}", place(report.assessment.database_version))
        }
        _ => format!("{}\ndone: {changes} of the ledger, no script was run", report.plan),
    }
}
