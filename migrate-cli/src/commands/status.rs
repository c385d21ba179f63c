//! `status`: where every migration stands.

use migrate_runtime::{Assessment, Entry, ReasonCode, Verdict};

use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::{GREEN, Printer, RED, YELLOW, count, painted_column, place, table, to_the_second};

pub(super) fn status(session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let assessment = session.migrator.check(&mut session.database).wait()?;
    printer.answer(&Document::new(json::Status::from(&assessment)), || {
        let rows = assessment.migrations.iter().map(row);
        let table = table(&["version", "name", "state", "applied at", "ms"], &[4], rows);
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
        applied.map(|row| to_the_second(&row.applied_at)).unwrap_or_default(),
        applied.map(|row| row.execution_time_ms.to_string()).unwrap_or_default(),
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
    let pending = assessment.pending().count();
    match assessment.verdict {
        Verdict::Compatible => format!("{place}, up to date"),
        Verdict::NeedsMigration if in_progress(assessment) => {
            format!("{place}, {} pending; another run is at work", count(pending, "migration"))
        }
        Verdict::NeedsMigration => format!("{place}, {} pending; next: `migrate up`", count(pending, "migration")),
        Verdict::Incompatible => format!("{place}, incompatible; next: `migrate check` says why"),
    }
}

fn in_progress(assessment: &Assessment) -> bool {
    assessment.reasons.iter().any(|reason| reason.code == ReasonCode::InProgress)
}
