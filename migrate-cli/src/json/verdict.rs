//! `check` and `compatibility`.

use std::path::Path;

use migrate_runtime::{Assessment, Cell, Matrix, Program, Reason};
use serde::Serialize;

use super::run_lock::Holder;

/// `check`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Check {
    #[cfg_attr(test, schemars(extend("enum" = ["compatible", "needs_migration", "incompatible"])))]
    verdict: &'static str,
    #[cfg_attr(test, schemars(extend("enum" = [0, 1, 2])))]
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
            reasons: findings(&assessment.reasons),
            source: source.map(|directory| directory.display().to_string()),
            migrating: assessment.migrating.as_ref().map(Holder::from),
        }
    }
}

/// A reason for a verdict.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Finding {
    /// One of those that `docs/verdict.md` lists; more may be added.
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Compatibility {
    database_version: Option<String>,
    runtime_version: Option<String>,
    minimums: Vec<Minimum>,
    versions: Vec<Compatible>,
    schemas: Vec<Schema>,
}

/// A migration that asks for a minimum version of the program.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Minimum {
    version: String,
    name: String,
    #[cfg_attr(test, schemars(extend("enum" = ["applied", "pending", "changed", "unknown", "interrupted", "baseline", "replaced"])))]
    state: &'static str,
    min_runtime_version: String,
}

/// What a version of the program would find.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Compatible {
    runtime_version: Option<String>,
    #[cfg_attr(test, schemars(extend("enum" = ["compatible", "needs_migration", "incompatible"])))]
    verdict: &'static str,
    reasons: Vec<Finding>,
}

/// A schema, and what each version of the program would find in it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Schema {
    version: String,
    programs: Vec<Compatible>,
}

impl From<&Matrix> for Compatibility {
    fn from(matrix: &Matrix) -> Self {
        let minimum = |minimum: &migrate_runtime::Minimum| Minimum {
            version: minimum.version.to_string(),
            name: minimum.name.clone(),
            state: minimum.state.as_str(),
            min_runtime_version: minimum.min_runtime_version.clone(),
        };
        let schema = |schema: &migrate_runtime::Schema| Schema {
            version: schema.version.to_string(),
            programs: matrix.programs.iter().zip(&schema.cells).map(Compatible::from).collect(),
        };
        Self {
            database_version: matrix.own.database_version.map(|version| version.to_string()),
            runtime_version: matrix.own.runtime_version.as_ref().map(ToString::to_string),
            minimums: matrix.minimums.iter().map(minimum).collect(),
            versions: matrix.database.iter().map(Compatible::from).collect(),
            schemas: matrix.schemas.iter().map(schema).collect(),
        }
    }
}

impl From<&Assessment> for Compatible {
    fn from(assessment: &Assessment) -> Self {
        Self {
            runtime_version: assessment.runtime_version.as_ref().map(ToString::to_string),
            verdict: assessment.verdict.as_str(),
            reasons: findings(&assessment.reasons),
        }
    }
}

impl From<(&Program, &Cell)> for Compatible {
    fn from((program, cell): (&Program, &Cell)) -> Self {
        Self {
            runtime_version: program.version.as_ref().map(ToString::to_string),
            verdict: cell.verdict.as_str(),
            reasons: findings(&cell.reasons),
        }
    }
}

pub(super) fn findings(reasons: &[Reason]) -> Vec<Finding> {
    reasons.iter().map(Finding::from).collect()
}
