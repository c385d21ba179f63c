//! `plan`: the steps that `up` or `goto` would take, and their scripts.

use migrate_core::migration::Role;
use migrate_runtime::{Direction, Origin, Step, Target};

use super::goto::towards;
use super::run::{failure, intention};
use super::stored;
use crate::args::PlanArgs;
use crate::config::{self, Session};
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{Document, Planned, PlannedStep};
use crate::output::{Printer, count, place};

pub(super) fn plan(args: &PlanArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let target = match (args.to, args.steps) {
        (Some(version), _) => towards(version, session)?,
        (None, Some(steps)) => Target::UpBy(steps as usize),
        (None, None) => Target::Latest,
    };
    let report = session.migrator.plan(&mut session.database, target).wait();
    let report = report.map_err(|error| failure(error, target))?;
    let scripts = if args.sql { stored::scripts(&report.plan, session)? } else { Vec::new() };
    let stored = |step: &Step| {
        let script = scripts.iter().find(|script| script.version == step.version);
        script.filter(|_| step.origin == Origin::Ledger).map(|script| script.sql.clone())
    };
    let planned = report.plan.steps.iter().map(|step| {
        let planned = planned(step, args.sql, session);
        PlannedStep { sql: planned.sql.or_else(|| stored(step)), ..planned }
    });
    let steps: Vec<PlannedStep> = planned.collect();
    let outcome = if steps.is_empty() { "nothing_to_do" } else { "planned" };
    let document = Planned { outcome, steps };
    printer.answer(&Document::new(&document), || {
        if document.steps.is_empty() {
            return format!("nothing to do: {}", place(report.assessment.database_version));
        }
        let steps = report.plan.steps.iter().zip(&document.steps);
        if args.sql {
            return steps.map(|(_, step)| script(step)).collect::<Vec<_>>().join("\n");
        }
        let mut lines: Vec<String> = steps.map(|(step, planned)| line(step, planned)).collect();
        lines.push(format!("{}; {}", count(lines.len(), "step"), next(target)));
        lines.join("\n")
    });
    Ok(Exit::Done)
}

fn planned(step: &Step, with_sql: bool, session: &Session) -> PlannedStep {
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
        sql: script.filter(|_| with_sql).map(|script| script.sql.to_string()),
    }
}

fn line(step: &Step, planned: &PlannedStep) -> String {
    let mut line = intention(step);
    match &planned.path {
        Some(path) => line.push_str(&format!("  {path}")),
        None => line.push_str("  by the script in the ledger"),
    }
    if planned.transaction == Some(false) {
        line.push_str(", outside a transaction");
    }
    if let Some(finished) = step.resume_after {
        line.push_str(&format!(", resumed after {}", count(finished as usize, "statement")));
    }
    line
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
