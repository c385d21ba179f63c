//! `plan`: the steps that `up` or `goto` would take, and their scripts.

use migrate_core::migration::Role;
use migrate_core::sql::strong_locks;
use migrate_runtime::{Dialect, Direction, HistoryRow, Origin, Step, Target};

use super::goto::towards;
use super::run::{failure, intention};
use super::stored;
use crate::args::PlanArgs;
use crate::config::{self, Session};
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{Document, Planned, PlannedStep};
use crate::output::{Printer, aligned, count, duration, place};

/// How many rows of the history are looked at for how long a step took; what is further back says little.
const HISTORY: u32 = 1000;

pub(super) fn plan(args: &PlanArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let target = match (args.to, args.steps) {
        (Some(version), _) => towards(version, session)?,
        (None, Some(steps)) => Target::UpBy(steps as usize),
        (None, None) => Target::Latest,
    };
    let report = session.migrator.plan(&mut session.database, target).wait();
    let report = report.map_err(|error| failure(error, target))?;
    let history = match report.plan.steps.is_empty() {
        true => Vec::new(),
        false => session.migrator.history(&mut session.database, HISTORY).wait()?,
    };
    let scripts = if args.sql { stored::scripts(&report.plan, session)? } else { Vec::new() };
    let stored = |step: &Step| {
        let script = scripts.iter().find(|script| script.version == step.version);
        script.filter(|_| step.origin == Origin::Ledger).map(|script| script.sql.clone())
    };
    let planned = report.plan.steps.iter().map(|step| {
        let planned = planned(step, args.sql, session, &history);
        PlannedStep { sql: planned.sql.or_else(|| stored(step)), ..planned }
    });
    let steps: Vec<PlannedStep> = planned.collect();
    let outcome = if steps.is_empty() { "nothing_to_do" } else { "planned" };
    let document = Planned { outcome, steps };
    if args.sql && !document.steps.is_empty() {
        printer.answer_verbatim(&Document::new(&document), || {
            document.steps.iter().map(script).collect::<Vec<_>>().join("\n")
        });
        return Ok(Exit::Done);
    }
    printer.answer(&Document::new(&document), || {
        if document.steps.is_empty() {
            return format!("nothing to do: {}", place(report.assessment.database_version));
        }
        let steps = report.plan.steps.iter().zip(&document.steps);
        let rows: Vec<Vec<String>> = steps.map(|(step, planned)| row(step, planned)).collect();
        format!("{}\n{}; {}", aligned(&rows), count(rows.len(), "step"), next(target))
    });
    Ok(Exit::Done)
}

fn planned(step: &Step, with_sql: bool, session: &Session, history: &[HistoryRow]) -> PlannedStep {
    let registry = session.migrator.registry();
    let migration = registry.find(step.version).filter(|_| step.origin == Origin::Registry);
    let role = match step.direction {
        Direction::Up => Role::Up,
        Direction::Down => Role::Down,
    };
    let script = migration.and_then(|migration| migration.script(role, config::dialect(&session.database)));
    PlannedStep {
        version: step.version.to_string(),
        name: step.name.clone(),
        direction: step.direction.as_str(),
        transaction: migration.map(|migration| migration.transaction()),
        path: migration.zip(script).map(|(migration, script)| registry.path(migration, &script.file_name())),
        last_execution_time_ms: last_time(step, history),
        locks: script.map(|script| locks(&script.sql, config::dialect(&session.database))).unwrap_or_default(),
        sql: script.filter(|_| with_sql).map(|script| script.sql.to_string()),
    }
}

/// How long the same step took when it was last done here.
fn last_time(step: &Step, history: &[HistoryRow]) -> Option<u64> {
    let version = step.version.to_string();
    let is_it = |row: &&HistoryRow| {
        row.version.as_ref() == Some(&version) && row.operation == step.direction.as_str() && row.outcome == "succeeded"
    };
    history.iter().find(is_it).and_then(|row| row.execution_time_ms)
}

/// The tables that nobody else can write to meanwhile. On SQLite that is true of all of them in any case.
fn locks(sql: &str, dialect: Dialect) -> Vec<String> {
    match migrate_core::sql::statements(sql, dialect) {
        Ok(statements) if dialect == Dialect::Postgres => {
            let mut tables: Vec<String> = strong_locks(sql, &statements).into_iter().map(|lock| lock.table).collect();
            tables.sort_unstable();
            tables
        }
        _ => Vec::new(),
    }
}

fn row(step: &Step, planned: &PlannedStep) -> Vec<String> {
    let mut remarks = Vec::new();
    if planned.transaction == Some(false) {
        remarks.push("outside a transaction".to_owned());
    }
    if !planned.locks.is_empty() {
        remarks.push(format!("locks {}", planned.locks.join(", ")));
    }
    if let Some(ms) = planned.last_execution_time_ms {
        remarks.push(format!("took {} last time", duration(ms)));
    }
    if let Some(finished) = step.resume_after {
        remarks.push(format!("resumed after {}", count(finished as usize, "statement")));
    }
    let path = planned.path.clone().unwrap_or_else(|| "by the script in the ledger".to_owned());
    vec![intention(step), path, remarks.join(", ")]
}

/// A script under a comment that says whose it is, ended so that the next one begins on a line of its own.
fn script(step: &PlannedStep) -> String {
    let PlannedStep { version, name, direction, .. } = step;
    let path = step.path.as_deref().unwrap_or("the script in the ledger");
    let sql = stored::harmless(step.sql.as_deref().unwrap_or_default());
    format!("-- {direction} {version} {name}: {path}\n{sql}\n")
}

fn next(target: Target) -> String {
    match target {
        Target::DownTo(version) | Target::UpTo(version) => format!("next: `migrate goto {version}`"),
        Target::UpBy(steps) => format!("next: `migrate up {steps}`"),
        _ => "next: `migrate up`".to_owned(),
    }
}
