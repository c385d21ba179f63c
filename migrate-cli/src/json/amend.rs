//! `baseline`, `force` and `repair`.

use migrate_runtime::{Change, Report};
use serde::Serialize;

use super::run::outcome;

/// `baseline`, `force`, `repair`.
#[derive(Debug, Serialize)]
pub(crate) struct Amended {
    outcome: &'static str,
    changes: Vec<Amendment>,
    run: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Amendment {
    version: String,
    name: String,
    change: &'static str,
}

impl From<&Report> for Amended {
    fn from(report: &Report) -> Self {
        let changes = report.plan.changes.iter().map(Amendment::from).collect();
        Self { outcome: outcome(report.outcome), changes, run: report.run }
    }
}

impl From<&Change> for Amendment {
    fn from(change: &Change) -> Self {
        Self { version: change.version.to_string(), name: change.name.clone(), change: change.action.as_str() }
    }
}

/// `repair` without arguments.
#[derive(Debug, Serialize)]
pub(crate) struct Repairs {
    repairs: Vec<Repair>,
}

#[derive(Debug, Serialize)]
struct Repair {
    version: Option<String>,
    problem: String,
    commands: Vec<String>,
    safe: bool,
}

impl From<&[migrate_runtime::Repair]> for Repairs {
    fn from(repairs: &[migrate_runtime::Repair]) -> Self {
        Self { repairs: repairs.iter().map(Repair::from).collect() }
    }
}

impl From<&migrate_runtime::Repair> for Repair {
    fn from(repair: &migrate_runtime::Repair) -> Self {
        Self {
            version: repair.version.map(|version| version.to_string()),
            problem: repair.problem.clone(),
            commands: repair.commands.clone(),
            safe: repair.safe,
        }
    }
}
