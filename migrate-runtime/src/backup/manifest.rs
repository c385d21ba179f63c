//! What is written beside a backup: whose it is, from when, and how to tell that it is whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::file_error;
use crate::error::{Error, ErrorKind};
use crate::options::Tables;

/// The format of the manifest that this program writes.
const MANIFEST_FORMAT: u32 = 1;

/// A backup, as the manifest beside it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Backup {
    /// The format of the manifest.
    pub format: u32,
    /// Its name, unlike any other; ids of later backups sort behind those of earlier ones.
    pub id: String,
    /// When it was begun: RFC 3339, UTC, by the clock of the machine that took it.
    pub created_at: String,
    /// Which database it is of, without a password.
    pub database: String,
    /// What is in it.
    pub contents: Contents,
    /// How the file is written.
    pub file_format: BackupFormat,
    /// Whether the file is compressed with zstd.
    pub compressed: bool,
    /// The name of the file, in the same directory.
    pub file: String,
    /// The size of the file in bytes.
    pub size: u64,
    /// Its size when it is not compressed.
    pub uncompressed_size: u64,
    /// The SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Why it was taken.
    pub reason: BackupReason,
    /// The run before whose first step it was taken, or that put another one back.
    pub run: Option<i64>,
    /// When that run began, by the database's clock: what tells it from a run of the same number of another ledger.
    #[serde(default)]
    pub run_began_at: Option<String>,
    /// The name of the ledger table.
    pub ledger_table: String,
    /// The schema of the ledger table, where databases have schemas.
    #[serde(default)]
    pub ledger_schema: Option<String>,
    /// The highest version that was applied.
    pub ledger_head: Option<String>,
    /// The oldest version of the program that works with what was applied.
    #[serde(default)]
    pub ledger_floor: Option<String>,
    /// The digest of the registry of the program that took it.
    pub registry_digest: String,
    /// The version of this crate.
    pub tool_version: String,
    /// The version of the database: `SQLite 3.51.3`, `PostgreSQL 15.14`.
    pub database_version: String,
    /// The version of `pg_dump`.
    pub dump_version: Option<String>,
    /// The fingerprint of the structure of the application's own tables.
    pub schema_fingerprint: String,
    /// How many rows each of the application's tables has; nothing for a backup of the structure.
    pub rows: BTreeMap<String, u64>,
    /// How many rows refer to missing ones. Only SQLite allows that.
    pub foreign_key_violations: u64,
    /// What was wrong with the database itself when it was copied. Such a backup never counts as a good one.
    #[serde(default)]
    pub damage: Option<String>,
    /// The directory that it was found in.
    #[serde(skip)]
    pub directory: PathBuf,
}

/// What is in a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Contents {
    /// The structure only.
    Schema,
    /// Everything.
    Full,
}

/// How the file of a backup is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BackupFormat {
    /// A SQLite database.
    Sqlite,
    /// The custom format of `pg_dump`.
    PgDump,
    /// SQL.
    Sql,
}

/// Why a backup was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BackupReason {
    /// Somebody asked for it.
    Asked,
    /// A run was about to begin.
    BeforeRun,
    /// Another backup was about to be put back.
    BeforeRestore,
}

/// What can be compared between a database and a backup of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    pub(crate) fingerprint: String,
    pub(crate) rows: BTreeMap<String, u64>,
    pub(crate) foreign_key_violations: u64,
}

impl Backup {
    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.join(&self.file)
    }

    /// The path of the manifest.
    #[must_use]
    pub fn manifest_path(&self) -> PathBuf {
        self.directory.join(manifest_name(&self.file))
    }

    pub(crate) const fn current_format() -> u32 {
        MANIFEST_FORMAT
    }

    pub(crate) fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a manifest holds text and numbers only");
        text.push('\n');
        text
    }

    /// Reads a manifest.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read(path).map_err(|error| file_error("cannot read the manifest", path, error))?;
        let wrong = |problem: String| {
            Error::new(ErrorKind::Backup, format!("`{}` is no manifest of a backup: {problem}", path.display()))
                .with_help("move the file elsewhere if it is none; a damaged manifest makes its backup unusable")
        };
        let value: serde_json::Value = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(format) if format > u64::from(MANIFEST_FORMAT) => {
                return Err(wrong(format!("it has format {format}, and this program reads {MANIFEST_FORMAT}"))
                    .with_help("use the program that took the backup, or a newer one"));
            }
            _ => {}
        }
        let mut backup: Self = serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
        // A name that leads elsewhere was not written by us.
        if Path::new(&backup.file).file_name().is_none_or(|name| name != &*backup.file) {
            return Err(wrong(format!("its file is `{}`", backup.file)));
        }
        backup.directory = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(backup)
    }

    /// Whether it is of a database, as seen through one ledger in it.
    pub(crate) fn is_of(&self, location: &str, tables: &Tables) -> bool {
        let schema = self.ledger_schema.is_none() || self.ledger_schema == tables.schema;
        self.database == location && self.ledger_table == tables.table && schema
    }

    /// The survey at the time of the backup.
    pub(crate) fn survey(&self) -> Survey {
        Survey {
            fingerprint: self.schema_fingerprint.clone(),
            rows: self.rows.clone(),
            foreign_key_violations: self.foreign_key_violations,
        }
    }
}

impl Contents {
    /// The word in the manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Full => "full",
        }
    }
}

impl BackupReason {
    /// The word in the manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::BeforeRun => "before_run",
            Self::BeforeRestore => "before_restore",
        }
    }
}

impl BackupFormat {
    /// The word in the manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::PgDump => "pg_dump",
            Self::Sql => "sql",
        }
    }

    /// What the name of a file ends with.
    pub(crate) const fn extension(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::PgDump => "dump",
            Self::Sql => "sql",
        }
    }
}

/// The name of the manifest of a file: the file's, up to its first ending.
pub(crate) fn manifest_name(file: &str) -> String {
    let stem = file.strip_suffix(".zst").unwrap_or(file);
    let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
    format!("{stem}.json")
}
