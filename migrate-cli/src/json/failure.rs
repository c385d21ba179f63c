//! Errors.

use serde::Serialize;

use super::instances::Instance;
use super::set::{Problem, problems};
use super::verdict::{Finding, findings};
use crate::commands;
use crate::error::Error;

/// Any command that failed before it had an answer.
#[derive(Debug, Serialize)]
pub(crate) struct Failed {
    error: Failure,
}

impl From<&Error> for Failed {
    fn from(error: &Error) -> Self {
        Self { error: Failure::from(error) }
    }
}

/// An error.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
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
}

/// What differs between a program and a directory.
#[derive(Debug, Serialize)]
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
struct Location {
    path: String,
    line: usize,
    column: usize,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let failure = Self {
            kind: error.kind(),
            message: error.message(),
            help: error.help().map(str::to_owned),
            migration: None,
            location: None,
            statement: None,
            code: None,
            detail: None,
            reasons: Vec::new(),
            instances: Vec::new(),
            diagnostics: Vec::new(),
            differences: None,
        };
        match error {
            Error::Plain { .. } => failure,
            Error::Stale { differences, .. } => Self { differences: Some(differences.into()), ..failure },
            Error::Directory(diagnostics) => Self { diagnostics: problems(diagnostics), ..failure },
            Error::Runtime { error, .. } => Self {
                migration: error.migration().map(|version| version.to_string()),
                location: error.location().map(Location::from),
                statement: error.statement().map(str::to_owned),
                code: error.database().and_then(|database| database.code.clone()),
                detail: error.database().and_then(|database| database.detail.clone()),
                instances: error.instances().iter().map(Instance::from).collect(),
                reasons: error.assessment().map(findings).unwrap_or_default(),
                ..failure
            },
        }
    }
}

impl From<&migrate_runtime::Location> for Location {
    fn from(location: &migrate_runtime::Location) -> Self {
        Self { path: location.path.clone(), line: location.line, column: location.column }
    }
}
