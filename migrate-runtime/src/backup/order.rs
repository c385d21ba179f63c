//! What the engine asks of a backend when it backs a database up or puts a backup back, and what it gets.

use std::path::{Path, PathBuf};

use super::archive::{Extracted, Written};
use super::directory::BackupDirectory;
use super::manifest::{Backup, BackupFormat, Contents, Survey};
use crate::backend::HistoryEntry;
use crate::stop::Stop;

/// A copy that is to be made.
#[derive(Debug)]
pub struct Order<'a> {
    pub(crate) contents: Contents,
    pub(crate) directory: &'a BackupDirectory,
    /// What the names of its files begin with.
    pub(crate) stem: &'a str,
    pub(crate) compress: bool,
    #[cfg_attr(
        all(feature = "sqlite", not(feature = "postgres")),
        expect(dead_code, reason = "only PostgreSQL needs it")
    )]
    pub(crate) tools: Option<&'a Path>,
    pub(crate) stop: &'a Stop,
}

/// A copy that was made.
#[derive(Debug)]
pub struct Copied {
    pub(crate) written: Written,
    pub(crate) format: BackupFormat,
    pub(crate) survey: Survey,
    pub(crate) database_version: String,
    pub(crate) dump_version: Option<String>,
    /// What is wrong with the database.
    pub(crate) damage: Option<String>,
}

/// What decides whether a backup is taken and where.
#[derive(Clone, Debug)]
pub struct Measure {
    /// In bytes, an upper bound for a copy that is not compressed.
    pub(crate) size: u64,
    /// How much room such a copy needs while it is made.
    pub(crate) room: u64,
    /// Whether there is nothing beside our own tables.
    pub(crate) empty: bool,
    /// The name of the database, for file names.
    pub(crate) name: String,
    /// Where it is, without a password.
    pub(crate) location: String,
    /// Where its backups are unless the options say it; `None` for a database in memory.
    pub(crate) directory: Option<PathBuf>,
}

/// A backup that is to be put back.
#[derive(Debug)]
pub struct Restoration<'a> {
    #[cfg_attr(
        all(feature = "sqlite", not(feature = "postgres")),
        expect(dead_code, reason = "only PostgreSQL needs it")
    )]
    pub(crate) backup: &'a Backup,
    /// Its contents as a file, where the backend needs one.
    #[cfg_attr(all(feature = "postgres", not(feature = "sqlite")), expect(dead_code, reason = "only SQLite needs it"))]
    pub(crate) extracted: Option<&'a Extracted>,
    /// The row that records it.
    pub(crate) entry: HistoryEntry<'a>,
    #[cfg_attr(
        all(feature = "sqlite", not(feature = "postgres")),
        expect(dead_code, reason = "only PostgreSQL needs it")
    )]
    pub(crate) tools: Option<&'a Path>,
    #[cfg_attr(
        all(feature = "sqlite", not(feature = "postgres")),
        expect(dead_code, reason = "only PostgreSQL needs it")
    )]
    pub(crate) force: bool,
    /// Whether it was taken by the run that puts it back, whose lock and beginning are in it then.
    pub(crate) of_this_run: bool,
    pub(crate) stop: &'a Stop,
}
