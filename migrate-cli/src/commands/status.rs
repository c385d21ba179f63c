//! `status`: where every migration stands.

use migrate_runtime::{Assessment, Entry, MigrationState, ReasonCode, Verdict};

use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::{GREEN, Printer, RED, YELLOW, count, duration, painted_column, place, table};
use crate::time::local;

pub(super) fn status(session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let assessment = session.migrator.check(&mut session.database).wait()?;
    printer.answer(&Document::new(json::Status::from(&assessment)), || {
        if assessment.migrations.is_empty() {
            return "nothing yet: `migrate new NAME`".to_owned();
        }
        let rows = assessment.migrations.iter().map(row);
        let table = table(&["version", "name", "state", "applied at", "took"], &[4], rows);
        format!("{}\n\n{}", painted_column(&table, "state", color), summary(&assessment))
    });
    Ok(Exit::Done)
}

fn row(entry: &Entry) -> Vec<String> {
    let applied = entry.row.as_ref();
    vec![
        entry.version.to_string(),
        entry.name.clone(),
        entry.state.to_string(),
        applied.map(|row| local(&row.applied_at)).unwrap_or_default(),
        applied.map(|row| duration(row.execution_time_ms)).unwrap_or_default(),
    ]
}

/// Of a state: what is well, what is to be done, and what is wrong.
fn color(state: &str) -> Option<&'static str> {
    match state {
        "applied" | "baseline" => Some(GREEN),
        "pending" | "unknown" => Some(YELLOW),
        "changed" | "interrupted" => Some(RED),
        _ => None,
    }
}

fn summary(assessment: &Assessment) -> String {
    let place = place(assessment.database_version);
    let to_do = to_do(assessment);
    match assessment.verdict {
        Verdict::Compatible => format!("{place}, up to date"),
        Verdict::NeedsMigration if in_progress(assessment) => {
            format!("{place}, {to_do}; another run is at work")
        }
        Verdict::NeedsMigration => format!("{place}, {to_do}; next: `migrate up`"),
        Verdict::Incompatible => format!("{place}, incompatible; next: `migrate check` says why"),
    }
}

/// What `up` would do: what is interrupted, it resumes.
fn to_do(assessment: &Assessment) -> String {
    let number = |state| assessment.migrations.iter().filter(|entry| entry.state == state).count();
    let (interrupted, pending) = (number(MigrationState::Interrupted), number(MigrationState::Pending));
    match (interrupted, pending) {
        (0, _) => format!("{} pending", count(pending, "migration")),
        (_, 0) => format!("{} interrupted", count(interrupted, "migration")),
        _ => format!("{} interrupted, {pending} pending", count(interrupted, "migration")),
    }
}

fn in_progress(assessment: &Assessment) -> bool {
    assessment.reasons.iter().any(|reason| reason.code == ReasonCode::InProgress)
}
