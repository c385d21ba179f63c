//! Errors.

use serde::Serialize;

use super::instances::Instance;
use super::set::{Problem, problems};
use super::verdict::{Finding, findings};
use crate::commands;
use crate::error::{Error, kind};

/// Any command that failed before it had an answer.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Failed {
    error: Failure,
}

impl From<&Error> for Failed {
    fn from(error: &Error) -> Self {
        Self { error: Failure::from(error) }
    }
}

/// An error.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Failure {
    /// One of those that `docs/json.md` lists; more may be added.
    kind: &'static str,
    message: String,
    help: Option<String>,
    migration: Option<String>,
    location: Option<Location>,
    statement: Option<String>,
    code: Option<String>,
    detail: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<Finding>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    instances: Vec<Instance>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diagnostics: Vec<Problem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    differences: Option<Differences>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blockers: Vec<Blocker>,
}

/// What differs between a program and a directory.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Differences {
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<String>,
}

impl From<&commands::Differences> for Differences {
    fn from(differences: &commands::Differences) -> Self {
        let commands::Differences { added, removed, changed } = differences;
        Self { added: added.clone(), removed: removed.clone(), changed: changed.clone() }
    }
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Location {
    path: String,
    line: usize,
    column: usize,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let failure = match error {
            Error::Runtime { error, .. } => Self::from(&**error),
            Error::Stale { differences, .. } => Self { differences: Some(differences.into()), ..Self::default() },
            Error::Directory(diagnostics) => Self { diagnostics: problems(diagnostics), ..Self::default() },
            Error::Plain { .. } => Self::default(),
        };
        Self { kind: error.kind(), message: error.message(), help: error.help().map(str::to_owned), ..failure }
    }
}

impl From<&migrate_runtime::Error> for Failure {
    fn from(error: &migrate_runtime::Error) -> Self {
        Self {
            kind: kind(error.kind()),
            message: error.to_string(),
            help: error.help().map(str::to_owned),
            migration: error.migration().map(|version| version.to_string()),
            location: error.location().map(Location::from),
            statement: error.statement().map(str::to_owned),
            code: error.database().and_then(|database| database.code.clone()),
            detail: error.database().and_then(|database| database.detail.clone()),
            instances: error.instances().iter().map(Instance::from).collect(),
            reasons: error.assessment().map(|it| findings(&it.reasons)).unwrap_or_default(),
            blockers: error.blockers().iter().map(Blocker::from).collect(),
            ..Self::default()
        }
    }
}

/// A session that holds a lock which a step waited for.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Blocker {
    process: i32,
    application: String,
    state: String,
    transaction_seconds: Option<u64>,
    query: Option<String>,
}

impl From<&migrate_runtime::Blocker> for Blocker {
    fn from(blocker: &migrate_runtime::Blocker) -> Self {
        Self {
            process: blocker.process,
            application: blocker.application.clone(),
            state: blocker.state.clone(),
            transaction_seconds: blocker.transaction_seconds,
            query: blocker.query.clone(),
        }
    }
}

impl From<&migrate_runtime::Location> for Location {
    fn from(location: &migrate_runtime::Location) -> Self {
        Self { path: location.path.clone(), line: location.line, column: location.column }
    }
}
