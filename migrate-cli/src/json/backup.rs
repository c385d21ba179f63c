//! `backup` and `restore`.

use std::collections::BTreeMap;

use migrate_runtime::backup::{Backup, Listing, Pruned, Verification};
use migrate_runtime::{Restored, RunBackup};
use serde::Serialize;

use super::run::outcome;

/// A backup: the manifest, and where the file is.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Shown {
    path: String,
    id: String,
    created_at: String,
    database: String,
    contents: &'static str,
    file_format: &'static str,
    compressed: bool,
    file: String,
    size: u64,
    uncompressed_size: u64,
    sha256: String,
    reason: &'static str,
    run: Option<i64>,
    run_began_at: Option<String>,
    ledger_table: String,
    ledger_schema: Option<String>,
    ledger_head: Option<String>,
    ledger_floor: Option<String>,
    registry_digest: String,
    tool_version: String,
    database_version: String,
    dump_version: Option<String>,
    schema_fingerprint: String,
    rows: BTreeMap<String, u64>,
    foreign_key_violations: u64,
    damage: Option<String>,
}

impl From<&Backup> for Shown {
    fn from(backup: &Backup) -> Self {
        let path = backup.path().display().to_string();
        let backup = backup.clone();
        Self {
            path,
            id: backup.id,
            created_at: backup.created_at,
            database: backup.database,
            contents: backup.contents.as_str(),
            file_format: backup.file_format.as_str(),
            compressed: backup.compressed,
            file: backup.file,
            size: backup.size,
            uncompressed_size: backup.uncompressed_size,
            sha256: backup.sha256,
            reason: backup.reason.as_str(),
            run: backup.run,
            run_began_at: backup.run_began_at,
            ledger_table: backup.ledger_table,
            ledger_schema: backup.ledger_schema,
            ledger_head: backup.ledger_head,
            ledger_floor: backup.ledger_floor,
            registry_digest: backup.registry_digest,
            tool_version: backup.tool_version,
            database_version: backup.database_version,
            dump_version: backup.dump_version,
            schema_fingerprint: backup.schema_fingerprint,
            rows: backup.rows,
            foreign_key_violations: backup.foreign_key_violations,
            damage: backup.damage,
        }
    }
}

/// `backup create`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct OneBackup {
    backup: Shown,
}

impl From<&Backup> for OneBackup {
    fn from(backup: &Backup) -> Self {
        Self { backup: backup.into() }
    }
}

/// `backup list`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Backups {
    backups: Vec<Shown>,
    unreadable: Vec<Unreadable>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Unreadable {
    path: String,
    message: String,
}

impl From<&Listing> for Backups {
    fn from(listing: &Listing) -> Self {
        let unreadable = listing.unreadable.iter();
        Self {
            backups: listing.backups.iter().map(Shown::from).collect(),
            unreadable: unreadable
                .map(|it| Unreadable { path: it.path.display().to_string(), message: it.error.to_string() })
                .collect(),
        }
    }
}

/// `backup verify`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Verified {
    backup: Shown,
    checks: Vec<String>,
    warnings: Vec<String>,
}

impl Verified {
    pub(crate) fn new(backup: &Backup, verification: &Verification) -> Self {
        let Verification { checks, warnings, .. } = verification.clone();
        Self { backup: backup.into(), checks, warnings }
    }
}

/// `backup prune`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PrunedBackups {
    outcome: &'static str,
    backups: Vec<Shown>,
    leftovers: Vec<String>,
}

impl PrunedBackups {
    pub(crate) fn new(pruned: &Pruned, dry_run: bool) -> Self {
        Self {
            outcome: if dry_run { "dry_run" } else { "done" },
            backups: pruned.backups.iter().map(Shown::from).collect(),
            leftovers: pruned.leftovers.iter().map(|path| path.display().to_string()).collect(),
        }
    }
}

/// `restore`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RestoredBackup {
    outcome: &'static str,
    backup: Shown,
    kept: Option<Shown>,
    run: Option<i64>,
}

impl From<&Restored> for RestoredBackup {
    fn from(restored: &Restored) -> Self {
        Self {
            outcome: outcome(restored.outcome),
            backup: (&restored.backup).into(),
            kept: restored.kept.as_ref().map(Shown::from),
            run: restored.run,
        }
    }
}

/// The backup before a run.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct BeforeRun {
    outcome: &'static str,
    id: Option<String>,
    path: Option<String>,
    size: Option<u64>,
    /// Before which run it was taken, where that is an earlier one.
    run: Option<i64>,
    reason: Option<String>,
}

impl From<&RunBackup> for BeforeRun {
    fn from(backup: &RunBackup) -> Self {
        match backup {
            RunBackup::Taken { id, file, size, remark, restored } => Self {
                outcome: if *restored { "restored" } else { "taken" },
                id: Some(id.clone()),
                path: Some(file.display().to_string()),
                size: Some(*size),
                run: None,
                reason: remark.clone(),
            },
            RunBackup::Earlier { id, file, size, run, restored } => Self {
                outcome: if *restored { "restored" } else { "earlier" },
                id: Some(id.clone()),
                path: Some(file.display().to_string()),
                size: Some(*size),
                run: Some(*run),
                reason: None,
            },
            RunBackup::Skipped { reason } => {
                Self { outcome: "skipped", id: None, path: None, size: None, run: None, reason: Some(reason.clone()) }
            }
            _ => Self { outcome: "other", id: None, path: None, size: None, run: None, reason: None },
        }
    }
}
