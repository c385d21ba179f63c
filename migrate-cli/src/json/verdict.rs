//! `check` and `compatibility`.

use std::path::Path;

use migrate_runtime::{Assessment, Reason};
use serde::Serialize;

use super::run_lock::Holder;

/// `check`.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    verdict: &'static str,
    exit_code: u8,
    runtime_version: Option<String>,
    database_version: Option<String>,
    pending: Vec<String>,
    reasons: Vec<Finding>,
    source: Option<String>,
    migrating: Option<Holder>,
}

impl Check {
    /// `source` is the directory that the program was found equal to.
    pub(crate) fn new(assessment: &Assessment, source: Option<&Path>) -> Self {
        Self {
            verdict: assessment.verdict.as_str(),
            exit_code: assessment.verdict.exit_code(),
            runtime_version: assessment.runtime_version.as_ref().map(ToString::to_string),
            database_version: assessment.database_version.map(|version| version.to_string()),
            pending: assessment.pending().map(|entry| entry.version.to_string()).collect(),
            reasons: findings(assessment),
            source: source.map(|directory| directory.display().to_string()),
            migrating: assessment.migrating.as_ref().map(Holder::from),
        }
    }
}

/// A reason for a verdict.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    code: &'static str,
    version: Option<String>,
    message: String,
    help: Option<String>,
}

impl From<&Reason> for Finding {
    fn from(reason: &Reason) -> Self {
        Self {
            code: reason.code.as_str(),
            version: reason.version.map(|version| version.to_string()),
            message: reason.message.clone(),
            help: reason.remedy.clone(),
        }
    }
}

/// `compatibility`.
#[derive(Debug, Serialize)]
pub(crate) struct Compatibility {
    pub(crate) database_version: Option<String>,
    pub(crate) runtime_version: Option<String>,
    pub(crate) minimums: Vec<Minimum>,
    pub(crate) versions: Vec<Compatible>,
}

/// A migration that asks for a minimum version of the program.
#[derive(Debug, Serialize)]
pub(crate) struct Minimum {
    pub(crate) version: String,
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) min_runtime_version: String,
}

/// What a version of the program would find.
#[derive(Debug, Serialize)]
pub(crate) struct Compatible {
    pub(crate) runtime_version: Option<String>,
    pub(crate) verdict: &'static str,
    pub(crate) reasons: Vec<Finding>,
}

impl From<&Assessment> for Compatible {
    fn from(assessment: &Assessment) -> Self {
        Self {
            runtime_version: assessment.runtime_version.as_ref().map(ToString::to_string),
            verdict: assessment.verdict.as_str(),
            reasons: findings(assessment),
        }
    }
}

pub(super) fn findings(assessment: &Assessment) -> Vec<Finding> {
    assessment.reasons.iter().map(Finding::from).collect()
}
