//! `repair`: shows what does not fit in the ledger, or mends it.

use migrate_runtime::{Amendment, Repair};

use super::amend;
use crate::args::RepairArgs;
use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::Printer;

pub(super) fn check(args: &RepairArgs, protected: bool, printer: &Printer) -> Result<(), Error> {
    if args.statement.is_some() && args.versions.len() > 1 {
        return Err(Error::usage(
            "`--statement` is about the statement of one migration, and several are given",
            "name the one, as in `migrate repair 1.2.0 --statement applied`; `migrate repair` shows which",
        ));
    }
    match amendment(args) {
        // Whether there is anything to confirm says the ledger.
        Some(Amendment::RepairWhatIsSafe) => Ok(()),
        Some(_) => amend::check("repair", &args.consent, protected, printer),
        None if args.standing.get().is_some() => Err(Error::usage(
            "`--applied` and `--not-applied` are about a migration, and none is given",
            "name it, as in `migrate repair 1.2.0 --applied`; `migrate repair` shows what could be repaired",
        )),
        None => Ok(()),
    }
}

pub(super) fn repair(args: &RepairArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    if let Some(amendment) = amendment(args) {
        return amend::amend("repair", amendment, args.fleet, &args.consent, session, printer);
    }
    let repairs = session.migrator.repairs(&mut session.database).wait()?;
    printer.answer(&Document::new(json::Repairs::from(&*repairs)), || text(&repairs));
    Ok(Exit::Done)
}

/// What is to be mended; `None`: nothing is, only looked at.
fn amendment(args: &RepairArgs) -> Option<Amendment> {
    if args.all {
        return Some(Amendment::RepairWhatIsSafe);
    }
    if let (Some(statement), [version]) = (args.statement, &args.versions[..]) {
        return Some(Amendment::Settle { version: *version, statement: statement.into() });
    }
    let versions = args.versions.clone();
    (!versions.is_empty()).then(|| Amendment::Repair { versions, standing: args.standing.get() })
}

fn text(repairs: &[Repair]) -> String {
    if repairs.is_empty() {
        return "nothing to repair".to_owned();
    }
    let mut lines = Vec::new();
    for repair in repairs {
        lines.push(repair.problem.clone());
        lines.extend(repair.commands.iter().map(|command| format!("  {command}")));
    }
    if repairs.iter().any(|repair| repair.safe) {
        lines.push("what differs in comments only, all at once\n  migrate repair --all".to_owned());
    }
    lines.join("\n")
}
