//! What `up`, `down` and `redo` share: asking, running, telling of progress, and the closing line.

use std::collections::BTreeSet;

use migrate_runtime::{
    Direction, Error as RuntimeError, ErrorKind, Event, MigrationState, Outcome, Plan, Report, SchemaVersion, Step,
    StepOutcome, StepReport, Target,
};

use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::{Printer, count, place};
use crate::signals;

/// What is to be run.
pub(super) struct Request {
    pub(super) target: Target,
    pub(super) dry_run: bool,
    /// Whether the steps are to be shown and confirmed first.
    pub(super) ask: bool,
}

pub(super) fn run(request: &Request, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let Session { database, migrator } = session;
    let failed = |error| failure(error, request.target);
    if request.ask && !request.dry_run {
        let planned = migrator.plan(database, request.target).wait().map_err(failed)?;
        confirm(&planned, &database.to_string(), printer)?;
    }
    let progress = printer.clone();
    let migrator = migrator.clone().observer(move |event: &Event<'_>| tell(event, &progress));
    let report = if request.dry_run {
        migrator.plan(database, request.target).wait()
    } else {
        migrator.stop(signals::stop(printer)).run(database, request.target).wait()
    };
    let report = report.map_err(failed)?;
    printer.answer(&Document::new(json::Run::done(&report)), || closing(&report));
    if let Some(error) = report.plan.ends_with.as_ref().filter(|_| request.dry_run) {
        printer.warning(&format!("then it would end: {error}"));
    }
    Ok(Exit::Done)
}

/// Shows what would be done, and asks.
fn confirm(planned: &Report, database: &str, printer: &Printer) -> Result<(), Error> {
    let steps = &planned.plan.steps;
    if steps.is_empty() {
        return Ok(());
    }
    for step in steps {
        printer.aside(&intention(step));
    }
    if printer.confirm(&format!("{} on {database}?", count(steps.len(), "step"))) {
        return Ok(());
    }
    Err(Error::failed("not confirmed; nothing was changed"))
}

/// A version that `--to` names and nobody knows is a typing mistake.
fn failure(error: RuntimeError, target: Target) -> Error {
    let (Target::UpTo(version) | Target::DownTo(version)) = target else {
        return error.into();
    };
    // No other failure of a plan is about the target itself.
    if error.kind() == ErrorKind::Plan && error.migration() == Some(version) {
        return Error::Runtime { error: Box::new(error), exit: Exit::Usage };
    }
    error.into()
}

fn tell(event: &Event<'_>, printer: &Printer) {
    match event {
        Event::Stale(stale) => printer.warning(&format!("{stale}: {}", stale.help)),
        Event::Waiting(holder) => printer.note(&format!("waiting for another run: {holder}")),
        Event::Started(plan) => plan.steps.iter().for_each(|step| printer.detail(&intention(step))),
        Event::StepStarted(step) => {
            printer.note(&format!("running {} {} outside a transaction", step.version, step.name));
        }
        Event::StepEnded(step) if step.outcome == StepOutcome::Done => printer.line(&done(step)),
        Event::Retrying { step, error } => {
            printer.note(&format!("trying {} {} again: {error}", step.version, step.name));
        }
        _ => {}
    }
}

fn intention(step: &Step) -> String {
    let verb = match step.direction {
        Direction::Up => "apply",
        Direction::Down => "undo",
    };
    format!("to {verb}: {} {}", step.version, step.name)
}

fn done(step: &StepReport) -> String {
    let verb = match step.direction {
        Direction::Up => "applied",
        Direction::Down => "undone",
    };
    format!("{verb} {} {} ({} ms)", step.version, step.name, step.execution_time_ms)
}

fn closing(report: &Report) -> String {
    match report.outcome {
        Outcome::DryRun => planned(&report.plan),
        Outcome::NothingToDo => format!("nothing to do: {}", place(report.assessment.database_version)),
        _ => {
            let changes = [(Direction::Up, "applied"), (Direction::Down, "undone")].map(|(direction, word)| {
                let number = report.steps.iter().filter(|step| step.direction == direction).count();
                (number > 0).then(|| format!("{} {word}", count(number, "migration")))
            });
            let changes: Vec<String> = changes.into_iter().flatten().collect();
            format!("done: {}; {}", changes.join(", "), place(version_after(report)))
        }
    }
}

fn planned(plan: &Plan) -> String {
    let mut lines: Vec<String> = plan.steps.iter().map(intention).collect();
    lines.push(format!("dry run: {}, nothing was changed", count(plan.steps.len(), "step")));
    lines.join("\n")
}

fn version_after(report: &Report) -> Option<SchemaVersion> {
    let complete = |state| !matches!(state, MigrationState::Pending | MigrationState::Interrupted);
    let entries = report.assessment.migrations.iter().filter(|entry| complete(entry.state));
    let mut applied: BTreeSet<SchemaVersion> = entries.map(|entry| entry.version).collect();
    for step in &report.steps {
        match step.direction {
            Direction::Up => applied.insert(step.version),
            Direction::Down => applied.remove(&step.version),
        };
    }
    applied.last().copied()
}
