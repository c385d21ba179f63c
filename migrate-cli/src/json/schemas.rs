//! A JSON Schema for every document, made of the types that are printed.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use super::{
    Amended, Backups, Check, Compatibility, Config, Diff, Doctor, Document, Failed, Fixed, Graph, Health, History,
    Init, Instances, Line, List, Lock, LockRelease, New, OneBackup, Pending, Planned, PrunedBackups, Repairs,
    RestoredBackup, Rollback, Run, RunLock, SchemaDiff, SchemaDump, Squashed, Status, Tested, Text, Validate, Verified,
    Version,
};

/// Each document, and the verbs that print it. A new one is a line here; its types derive `JsonSchema` in tests.
pub(crate) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        schema::<Amended>("amended", &["baseline", "force", "repair"]),
        schema::<OneBackup>("backup_create", &["backup create"]),
        schema::<Backups>("backup_list", &["backup list"]),
        schema::<PrunedBackups>("backup_prune", &["backup prune"]),
        schema::<Verified>("backup_verify", &["backup verify"]),
        schema::<Check>("check", &["check", "wait"]),
        schema::<Compatibility>("compatibility", &["compatibility"]),
        schema::<Config>("config", &["config show"]),
        schema::<Diff>("diff", &["check", "diff"]),
        schema::<Doctor>("doctor", &["doctor"]),
        schema::<Failed>("error", &[]),
        schema::<Line>("event", &[]),
        schema::<Fixed>("fix", &["fix"]),
        schema::<Graph>("graph", &["graph"]),
        schema::<Health>("health", &["health"]),
        schema::<History>("history", &["history"]),
        schema::<Init>("init", &["init"]),
        schema::<Instances>("instances", &["instances"]),
        schema::<List>("list", &["list"]),
        schema::<Lock>("lock", &["lock"]),
        schema::<RunLock>("lock_show", &["lock show", "wait"]),
        schema::<LockRelease>("lock_release", &["lock release"]),
        schema::<New>("new", &["new"]),
        schema::<Pending>("pending", &["pending"]),
        schema::<Planned>("plan", &["plan"]),
        schema::<Repairs>("repairs", &["repair"]),
        schema::<RestoredBackup>("restore", &["restore", "backup restore", "rollback"]),
        schema::<Rollback>("rollback", &["rollback"]),
        schema::<Run>("run", &["up", "down", "redo", "reset", "goto", "rollback"]),
        schema::<SchemaDiff>("schema_diff", &["schema diff"]),
        schema::<SchemaDump>("schema_dump", &["schema dump"]),
        schema::<Squashed>("squash", &["squash"]),
        schema::<Status>("status", &["status"]),
        schema::<Tested>("test", &["test"]),
        schema::<Text>("text", &["completions", "man"]),
        schema::<Validate>("validate", &["validate"]),
        schema::<Version>("version", &["version"]),
    ]
}

fn schema<T: JsonSchema>(name: &'static str, verbs: &[&str]) -> (&'static str, Value) {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.clone().into_generator().into_root_schema_for::<Document<T>>();
    let described = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("description".to_owned(), described.get("description").expect("documents are described").clone());
    // They are Rust's, such as `uint`.
    RecursiveTransform(|schema: &mut Schema| drop(schema.remove("format"))).transform(&mut schema);
    schema.insert("title".to_owned(), json!(name));
    // Not a keyword of JSON Schema: it says which commands print the document.
    schema.insert("verbs".to_owned(), json!(verbs));
    (name, schema.to_value())
}
