//! `history`: what was done to the database, newest first.

use migrate_runtime::HistoryRow;

use crate::args::HistoryArgs;
use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::{GREEN, Printer, RED, duration, painted_column, table};
use crate::time::local;

pub(super) fn history(args: &HistoryArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let rows = session.migrator.history(&mut session.database, args.limit).wait()?;
    printer.answer(&Document::new(json::History::from(&*rows)), || text(&rows));
    Ok(Exit::Done)
}

fn text(rows: &[HistoryRow]) -> String {
    if rows.is_empty() {
        return "nothing was done yet".to_owned();
    }
    let table = table(&["when", "run", "what", "outcome", "took", "by"], &[1, 4], rows.iter().map(cells));
    let mut parts = vec![painted_column(&table, "outcome", color)];
    parts.extend(rows.iter().filter_map(note));
    let mut errors: Vec<String> = rows.iter().filter_map(error).collect();
    // A failed step and the run that it ended have the same error.
    errors.dedup();
    parts.extend(errors);
    parts.join("\n\n")
}

fn cells(row: &HistoryRow) -> Vec<String> {
    let what = match &row.version {
        Some(version) => format!("{} {version}", row.operation),
        None => row.operation.clone(),
    };
    vec![
        local(&row.recorded_at),
        row.run.to_string(),
        what,
        row.outcome.clone(),
        row.execution_time_ms.map(duration).unwrap_or_default(),
        row.actor.clone(),
    ]
}

/// How it ended; what has begun only says nothing yet.
fn color(outcome: &str) -> Option<&'static str> {
    match outcome {
        "succeeded" => Some(GREEN),
        "failed" | "interrupted" | "cancelled" => Some(RED),
        _ => None,
    }
}

/// What was changed without a script, and why. The plan of a run is shown by its steps.
fn note(row: &HistoryRow) -> Option<String> {
    let lines: Vec<&str> = row.plan.as_ref().filter(|_| row.operation != "run")?.lines().collect();
    Some(format!("run {}: {}", row.run, lines.join("; ")))
}

fn error(row: &HistoryRow) -> Option<String> {
    row.error.as_ref().map(|error| format!("run {}: {error}", row.run))
}
