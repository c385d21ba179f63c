//! What concerns the migrations and no database, or more than the database: `validate`, `list`, `graph`, `lock`, `new`, `fix`, `squash`, `init` and `doctor`.

use migrate_core::diagnostic::{Diagnostic, Severity};
use migrate_core::fix::Left;
use serde::Serialize;

/// `validate`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Validate {
    #[cfg_attr(test, schemars(extend("enum" = ["valid", "invalid"])))]
    pub(crate) outcome: &'static str,
    pub(crate) errors: usize,
    pub(crate) warnings: usize,
    pub(crate) migrations: usize,
    pub(crate) digest: Option<String>,
    pub(crate) diagnostics: Vec<Problem>,
    pub(crate) shadow: Option<String>,
}

/// A problem of a migrations directory.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Problem {
    #[cfg_attr(test, schemars(extend("enum" = ["error", "warning"])))]
    severity: &'static str,
    /// One of those that `docs/diagnostics.md` lists; more may be added.
    code: &'static str,
    path: String,
    line: usize,
    column: usize,
    message: String,
    help: Option<String>,
}

/// `list`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct List {
    pub(crate) digest: String,
    pub(crate) migrations: Vec<Listed>,
}

/// A migration of the set.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Listed {
    pub(crate) version: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) dependencies: Vec<String>,
    pub(crate) min_runtime_version: Option<String>,
    pub(crate) transaction: bool,
    pub(crate) scripts: Vec<String>,
}

/// `graph`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Graph {
    pub(crate) migrations: Vec<Node>,
}

/// A migration and what it depends on.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Node {
    pub(crate) version: String,
    pub(crate) name: String,
    pub(crate) depends_on: Vec<String>,
}

/// `doctor`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Doctor {
    #[cfg_attr(test, schemars(extend("enum" = ["healthy", "unhealthy"])))]
    pub(crate) outcome: &'static str,
    pub(crate) symptoms: Vec<Symptom>,
}

/// Something that looks wrong.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Symptom {
    #[cfg_attr(test, schemars(extend("enum" = ["error", "warning"])))]
    pub(crate) severity: &'static str,
    #[cfg_attr(test, schemars(extend("enum" = ["configuration", "directory", "database"])))]
    pub(crate) about: &'static str,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// `init`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Init {
    #[cfg_attr(test, schemars(extend("enum" = ["written", "unchanged"])))]
    pub(crate) outcome: &'static str,
    pub(crate) written: Vec<String>,
    pub(crate) kept: Vec<String>,
}

/// `lock`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Lock {
    #[cfg_attr(test, schemars(extend("enum" = ["written", "unchanged", "current"])))]
    pub(crate) outcome: &'static str,
    pub(crate) path: String,
    /// What was locked otherwise, a sentence for each file or migration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) relocked: Vec<String>,
}

/// `new`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct New {
    #[cfg_attr(test, schemars(extend("enum" = ["created"])))]
    pub(crate) outcome: &'static str,
    pub(crate) version: String,
    pub(crate) name: String,
    pub(crate) files: Vec<String>,
    pub(crate) migrations: Vec<NewMigration>,
}

/// A migration that was written; one that is kept for later has no version yet.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct NewMigration {
    pub(crate) version: Option<String>,
    pub(crate) name: String,
    pub(crate) path: String,
}

/// `fix`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Fixed {
    pub(crate) outcome: &'static str,
    pub(crate) actions: Vec<String>,
    pub(crate) left: Vec<LeftOver>,
    pub(crate) errors: usize,
}

/// `squash`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Squashed {
    #[cfg_attr(test, schemars(extend("enum" = ["squashed", "dry_run"])))]
    pub(crate) outcome: &'static str,
    pub(crate) version: String,
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) files: Vec<String>,
    pub(crate) replaced: Vec<String>,
    pub(crate) rewritten: Vec<String>,
    pub(crate) left_behind: Vec<String>,
    pub(crate) irreversible: Option<String>,
    pub(crate) proven: Vec<ProvenOn>,
}

/// A database on which both sets leave the same.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ProvenOn {
    pub(crate) database: &'static str,
    pub(crate) not_compared: Vec<String>,
}

/// What a person has to decide.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct LeftOver {
    pub(crate) directory: String,
    pub(crate) message: String,
    pub(crate) help: String,
}

impl From<Left> for LeftOver {
    fn from(left: Left) -> Self {
        Self { directory: left.directory, message: left.message, help: left.help }
    }
}

pub(crate) fn problems(diagnostics: &[Diagnostic]) -> Vec<Problem> {
    diagnostics.iter().map(Problem::from).collect()
}

impl From<&Diagnostic> for Problem {
    fn from(diagnostic: &Diagnostic) -> Self {
        Self {
            severity: match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            code: diagnostic.code.as_str(),
            path: diagnostic.path.clone(),
            line: diagnostic.line,
            column: diagnostic.column,
            message: diagnostic.message.clone(),
            help: diagnostic.help.clone(),
        }
    }
}
