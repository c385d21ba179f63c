//! What `up`, `down` and `redo` share: asking, running, telling of progress, and the closing line.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use migrate_core::size::show;
use migrate_runtime::{
    AnyDatabase, CheckResult, Direction, Entry, Error as RuntimeError, ErrorKind, Event, MigrationState, Migrator,
    Outcome, Phase, Plan, Progress, Report, RunBackup, SchemaVersion, Step, StepOutcome, StepReport, Strategy, Target,
};

use super::{confirm, stored};
use crate::args::{Confirmation, FleetArgs};
use crate::config::Session;
use crate::defect;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document, Happening};
use crate::output::{Printer, count, duration, place};
use crate::signals;
use crate::time;

/// What is to be run.
pub(super) struct Request<'a> {
    pub(super) aim: Aim,
    pub(super) dry_run: bool,
    pub(super) fleet: FleetArgs,
    /// What was typed to confirm it; `None` for what needs no confirmation.
    pub(super) confirmation: Option<&'a Confirmation>,
}

/// What a run is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Aim {
    /// Reach a target.
    Reach(Target),
    /// Take back what one run applied.
    RollBack(i64, Strategy),
}

impl Aim {
    fn plan(self, migrator: &Migrator, database: &mut AnyDatabase) -> Result<Report, Error> {
        let planned = match self {
            Self::Reach(target) => migrator.plan(database, target).wait(),
            Self::RollBack(run, strategy) => migrator.plan_rollback(database, run, strategy).wait(),
        };
        planned.map_err(|error| self.failure(error))
    }

    fn run(self, migrator: &Migrator, database: &mut AnyDatabase) -> Result<Report, Error> {
        let report = match self {
            Self::Reach(target) => migrator.run(database, target).wait(),
            Self::RollBack(run, strategy) => migrator.roll_back(database, run, strategy).wait(),
        };
        report.map_err(|error| self.failure(error))
    }

    fn failure(self, error: RuntimeError) -> Error {
        match self {
            Self::Reach(target) => failure(error, target),
            Self::RollBack(..) => error.into(),
        }
    }
}

pub(super) fn run(request: &Request<'_>, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let mut migrator = request.fleet.applied_to(observed(session.migrator.clone(), printer));
    if let Some(confirmation) = request.confirmation.filter(|_| !request.dry_run) {
        confirm::check_name(confirmation, session)?;
        let planned = request.aim.plan(&session.migrator, &mut session.database)?;
        let scripts = stored::scripts(&planned.plan, session)?;
        let asks = confirm::is_due(confirmation, session.protected);
        if !scripts.is_empty() {
            let shown = stored::shown(&scripts, &planned.plan);
            if asks { printer.aside(&shown) } else { printer.note(&shown) }
        }
        if asks {
            ask(&planned, session, printer)?;
        }
        if asks || !scripts.is_empty() {
            migrator = migrator.expecting(planned.plan).expecting_stored(scripts);
        }
    }
    let database = &mut session.database;
    let report = match request.dry_run {
        true => request.aim.plan(&migrator, database)?,
        false => {
            let _watched = printer.watch();
            request.aim.run(&migrator.stop(signals::stop(printer)), database)?
        }
    };
    if request.dry_run {
        let scripts = stored::scripts(&report.plan, session)?;
        if !scripts.is_empty() {
            printer.note(&stored::shown(&scripts, &report.plan));
        }
    }
    let unhealthy = report.health.after.iter().filter(|result| result.is_error());
    unhealthy.for_each(|result| warn_of(result, printer));
    let up = matches!(request.aim, Aim::Reach(target) if target.is_up());
    printer.answer(&Document::new(json::Run::done(&report, up)), || closing(&report));
    if report.outcome == Outcome::Done && !up {
        printer.next(match request.aim {
            Aim::Reach(Target::Redo) => "`migrate status`",
            _ => "`migrate status`; or `migrate up`, which applies it again",
        });
    }
    if matches!(request.aim, Aim::Reach(Target::Phase(_))) && !request.dry_run {
        report.remaining().next().into_iter().for_each(|first| printer.line(&remaining(&report, first)));
    }
    if let Some(error) = report.plan.ends_with.as_ref().filter(|_| request.dry_run) {
        printer.warning(&format!("then it would end: {error}"));
    }
    Ok(Exit::Done)
}

/// A migrator that tells of its progress.
pub(super) fn observed(migrator: Migrator, printer: &Printer) -> Migrator {
    let progress = printer.clone();
    let left = Mutex::new(VecDeque::new());
    migrator.observer(move |event: &Event<'_>| {
        defect::failpoint();
        progress.event(|| Happening::of(event));
        draw(event, &progress, &mut left.lock().unwrap_or_else(PoisonError::into_inner));
        tell(event, &progress);
    })
}

/// Shows what would be done, and asks.
fn ask(planned: &Report, session: &Session, printer: &Printer) -> Result<(), Error> {
    let steps = &planned.plan.steps;
    if steps.is_empty() {
        return Ok(());
    }
    for step in steps {
        printer.aside(&intention(step));
    }
    confirm::ask(&format!("{} on {}?", count(steps.len(), "step"), session.database), session, printer)
}

/// A version that `--to` names and nobody knows is a typing mistake.
pub(super) fn failure(error: RuntimeError, target: Target) -> Error {
    let (Target::UpTo(version) | Target::DownTo(version)) = target else {
        return error.into();
    };
    // No other failure of a plan is about the target itself.
    if error.kind() == ErrorKind::Plan && error.migration() == Some(version) {
        return Error::Runtime { error: Box::new(error), exit: Exit::Usage, help: None };
    }
    error.into()
}

fn tell(event: &Event<'_>, printer: &Printer) {
    match event {
        Event::Stale(stale) => printer.warning(&format!("{stale}: {}", stale.help)),
        Event::Waiting(holder) => printer.note(&format!("waiting for another run: {}", time::holder(holder))),
        Event::WaitingForInstances { step, instances } => {
            let who: Vec<String> = instances.iter().map(ToString::to_string).collect();
            printer.note(&format!("{} {} waits for running programs: {}", step.version, step.name, who.join("; ")));
        }
        Event::WaitingForDatabase(error) => {
            printer.note(&format!("waiting for others who keep the database busy: {error}"));
        }
        Event::WaitingForOldConnection => {
            printer.note("waiting for the server, which still executes what a lost connection had sent");
        }
        Event::Started(plan) => {
            plan.steps.iter().for_each(|step| printer.detail(&intention(step)));
            plan.changes.iter().for_each(|change| printer.detail(&format!("to {change}")));
        }
        // One of severity error is told when the run has ended, or ends it.
        Event::CheckFailed(result) if !result.is_error() => warn_of(result, printer),
        Event::BackedUp(RunBackup::Taken { id, file, size, remark, .. }) => {
            printer.note(&format!("backed up as {id} ({}): {}", show(*size), file.display()));
            remark.iter().for_each(|remark| printer.note(&format!("backed up as {id}: {remark}")));
        }
        Event::BackedUp(RunBackup::Earlier { id, run, .. }) => {
            printer.detail(&format!("{id} is the backup from before run {run}, whose step is half done"));
        }
        Event::StepStarted(step) => {
            printer.note(&format!("running {} {} outside a transaction", step.version, step.name));
        }
        Event::StepEnded(step) if step.outcome == StepOutcome::Done => printer.line(&done(step)),
        Event::Retrying { step, error } => {
            printer.note(&format!("trying {} {} again: {error}", step.version, step.name));
        }
        Event::Progress { step, progress } => {
            printer.progress(&format!("{} {}: {}", step.version, step.name, so_far(progress)));
        }
        _ => {}
    }
}

/// What the bar shows, where there is one. `left` are the steps that are not done yet.
fn draw(event: &Event<'_>, printer: &Printer, left: &mut VecDeque<String>) {
    let Some(bar) = printer.bar() else {
        return;
    };
    let title = |step: &Step| format!("{} {}", step.version, step.name);
    match event {
        Event::Waiting(_) => bar.say("waiting for another run".to_owned()),
        Event::WaitingForInstances { step, .. } => bar.say(format!("{} waits for running programs", title(step))),
        Event::WaitingForOldConnection => bar.say("waiting for the server".to_owned()),
        Event::Started(plan) => {
            *left = plan.steps.iter().map(title).collect();
            bar.start(left.len(), left.front().cloned().unwrap_or_default());
        }
        Event::StepStarted(step) | Event::Retrying { step, .. } => bar.say(title(step)),
        Event::StepEnded(step) if step.outcome == StepOutcome::Done => {
            left.pop_front();
            bar.advance(left.front().map_or_else(|| "finishing".to_owned(), String::clone));
        }
        _ => {}
    }
}

fn warn_of(result: &CheckResult, printer: &Printer) {
    let help = result.help.iter().map(|help| format!(": {help}")).collect::<String>();
    printer.warning(&format!("check {result}{help}"));
}

/// In tenths, so that it can be told without end on a slow terminal.
fn so_far(progress: &Progress) -> String {
    match (progress.done * 10).checked_div(progress.total) {
        Some(tenths) => format!("{}, {} %", progress.phase, tenths.min(10) * 10),
        None => progress.phase.clone(),
    }
}

pub(super) fn intention(step: &Step) -> String {
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
    format!("{verb} {} {} ({})", step.version, step.name, duration(step.execution_time_ms))
}

fn closing(report: &Report) -> String {
    match report.outcome {
        Outcome::DryRun => planned(&report.plan),
        Outcome::NothingToDo => format!("nothing to do: {}", place(report.assessment.database_version)),
        outcome => {
            let changes = [(Direction::Up, "applied"), (Direction::Down, "undone")].map(|(direction, word)| {
                let number = report.steps.iter().filter(|step| step.direction == direction).count();
                (number > 0).then(|| format!("{} {word}", count(number, "migration")))
            });
            let changes: Vec<String> = changes.into_iter().flatten().collect();
            let but = if outcome == Outcome::Unhealthy { ", but unhealthy" } else { "" };
            let done = format!("done{but}: {}; {}", changes.join(", "), place(version_after(report)));
            // Whoever migrates a database for the first time may not know what else there is.
            let first = report.assessment.database_version.is_none();
            if first { format!("{done}; next: `migrate status`") } else { done }
        }
    }
}

/// What a phase left pending, and why.
fn remaining(report: &Report, first: &Entry) -> String {
    let names: Vec<String> = report.remaining().map(|entry| format!("{} {}", entry.version, entry.name)).collect();
    let Entry { version, .. } = first;
    let why = match first.phase {
        Some(Phase::Contract) => {
            format!("{version} contracts: once no older program is left, `migrate up --phase contract`")
        }
        _ => format!("{version} does not contract: `migrate up --phase expand`"),
    };
    format!("still pending: {}\n{why}", names.join(", "))
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
