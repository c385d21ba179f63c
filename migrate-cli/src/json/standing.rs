//! `status`, `pending` and `version`: where migrations stand.

use migrate_runtime::{Assessment, Entry};
use serde::Serialize;

/// `status`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Status {
    database_version: Option<String>,
    #[cfg_attr(test, schemars(extend("enum" = ["compatible", "needs_migration", "incompatible"])))]
    verdict: &'static str,
    migrations: Vec<Migration>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Migration {
    version: String,
    name: String,
    #[cfg_attr(test, schemars(extend("enum" = ["applied", "pending", "changed", "unknown", "interrupted", "baseline", "replaced"])))]
    state: &'static str,
    applied_at: Option<String>,
    execution_time_ms: Option<u64>,
    runtime_version: Option<String>,
    checksum: String,
    description: Option<String>,
}

impl From<&Assessment> for Status {
    fn from(assessment: &Assessment) -> Self {
        Self {
            database_version: assessment.database_version.map(|version| version.to_string()),
            verdict: assessment.verdict.as_str(),
            migrations: assessment.migrations.iter().map(Migration::from).collect(),
        }
    }
}

impl From<&Entry> for Migration {
    fn from(entry: &Entry) -> Self {
        let row = entry.row.as_ref();
        Self {
            version: entry.version.to_string(),
            name: entry.name.clone(),
            state: entry.state.as_str(),
            applied_at: row.map(|row| row.applied_at.clone()),
            execution_time_ms: row.map(|row| row.execution_time_ms),
            runtime_version: row.and_then(|row| row.runtime_version.clone()),
            checksum: entry.checksum.clone(),
            description: entry.description.clone(),
        }
    }
}

/// `version`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Version {
    pub(crate) database_version: Option<String>,
    pub(crate) registry_version: Option<String>,
    pub(crate) runtime_version: Option<String>,
}

/// `pending`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Pending {
    database_version: Option<String>,
    migrations: Vec<Migration>,
}

impl From<&Assessment> for Pending {
    fn from(assessment: &Assessment) -> Self {
        Self {
            database_version: assessment.database_version.map(|version| version.to_string()),
            migrations: assessment.pending().map(Migration::from).collect(),
        }
    }
}
