//! What differs, and what was tried on scratch databases.

use serde::Serialize;

/// `diff`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Diff {
    pub(crate) outcome: &'static str,
    pub(crate) comparisons: Vec<Comparison>,
}

/// Two sets of migrations, by the names of their directories.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Comparison {
    pub(crate) left: &'static str,
    pub(crate) right: &'static str,
    pub(crate) only_left: Vec<String>,
    pub(crate) only_right: Vec<String>,
    pub(crate) changed: Vec<ChangedScript>,
}

/// A script that is not the same on both sides.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ChangedScript {
    pub(crate) migration: String,
    pub(crate) file: String,
    pub(crate) diff: Option<String>,
}

/// `schema dump`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SchemaDump {
    pub(crate) outcome: &'static str,
    pub(crate) path: Option<String>,
    pub(crate) schema: String,
}

/// `schema diff`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SchemaDiff {
    pub(crate) outcome: &'static str,
    pub(crate) expected: String,
    pub(crate) missing: Vec<String>,
    pub(crate) unexpected: Vec<String>,
    pub(crate) diff: String,
}

/// `test`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Tested {
    pub(crate) outcome: &'static str,
    pub(crate) database: &'static str,
    pub(crate) migrations: Vec<TestedMigration>,
    pub(crate) from_empty_to_head: Option<TestedMigration>,
}

/// What a round trip has brought up.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct TestedMigration {
    pub(crate) version: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) outcome: &'static str,
    pub(crate) reversible: bool,
    pub(crate) failure: Option<String>,
}
