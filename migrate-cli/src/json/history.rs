//! `history`.

use migrate_runtime::HistoryRow;
use serde::Serialize;

/// `history`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct History {
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Row {
    id: i64,
    run: i64,
    operation: String,
    version: Option<String>,
    outcome: String,
    error: Option<String>,
    execution_time_ms: Option<u64>,
    runtime_version: Option<String>,
    registry_digest: String,
    actor: String,
    host: String,
    process: u32,
    recorded_at: String,
    plan: Option<Vec<String>>,
}

impl From<&[HistoryRow]> for History {
    fn from(rows: &[HistoryRow]) -> Self {
        Self { rows: rows.iter().map(Row::from).collect() }
    }
}

impl From<&HistoryRow> for Row {
    fn from(row: &HistoryRow) -> Self {
        Self {
            id: row.id,
            run: row.run,
            operation: row.operation.clone(),
            version: row.version.clone(),
            outcome: row.outcome.clone(),
            error: row.error.clone(),
            execution_time_ms: row.execution_time_ms,
            runtime_version: row.runtime_version.clone(),
            registry_digest: row.registry_digest.clone(),
            actor: row.actor.clone(),
            host: row.host.clone(),
            process: row.process,
            recorded_at: row.recorded_at.clone(),
            plan: row.plan.as_ref().map(|plan| plan.lines().map(str::to_owned).collect()),
        }
    }
}
