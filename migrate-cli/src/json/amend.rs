//! `baseline`, `force` and `repair`.

use migrate_runtime::{Change, Report};
use serde::Serialize;

use super::run::outcome;

/// `baseline`, `force`, `repair`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Amended {
    #[cfg_attr(test, schemars(extend("enum" = ["done", "nothing_to_do", "dry_run"])))]
    outcome: &'static str,
    changes: Vec<Amendment>,
    run: Option<i64>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Amendment {
    version: String,
    name: String,
    #[cfg_attr(test, schemars(extend("enum" = ["record_applied", "record_baseline", "complete", "accept", "forget"])))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Repairs {
    repairs: Vec<Repair>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
