//! What backups are taken, where, and for how long they are kept.

use std::path::PathBuf;
use std::time::Duration;

/// Up to which size a database is backed up before a run: 1 GiB.
pub const DEFAULT_MAX_BACKUP_SIZE: u64 = 1 << 30;

/// For how long backups are kept: 30 days, and no more than 10 of a database.
pub const DEFAULT_RETENTION: Retention =
    Retention { age: Some(Duration::from_secs(30 * 24 * 60 * 60)), count: Some(10) };

/// How backups are taken before runs. Fields may be added: build it with `..Default::default()`.
///
/// ```
/// use migrate_runtime::backup::{BackupOptions, BackupPolicy};
///
/// let options = BackupOptions { policy: Some(BackupPolicy::Full), ..Default::default() };
/// assert!(options.compress && options.before_down);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupOptions {
    /// What is backed up before the first step of a run. Default: everything on SQLite, nothing on PostgreSQL.
    pub policy: Option<BackupPolicy>,
    /// Where backups are kept. Default: a directory beside a SQLite file, its name with `.backups` behind it;
    /// `migrate-backups` in the working directory for PostgreSQL.
    pub directory: Option<PathBuf>,
    /// Whether they are compressed with zstd. Default: yes.
    pub compress: bool,
    /// Above how many bytes a database is backed up before a run only if the run has a step outside a transaction, which
    /// could not be rolled back. Default: 1 GiB.
    pub max_size: u64,
    /// Whether also a run that undoes migrations is backed up. Default: yes.
    pub before_down: bool,
    /// Which backups are removed after a new one was taken.
    pub retention: Retention,
    /// The directory of `pg_dump`, `pg_restore` and `psql`. Default: they are looked for in `PATH`.
    pub tools: Option<PathBuf>,
    /// Whether the backup is put back when a step outside a transaction fails half way. A run without
    /// [`exclusive`](Self::exclusive) is refused then. Default: no.
    pub restore_on_failure: bool,
    /// States that nothing but this run writes to the database meanwhile: whatever else was written since the backup would
    /// be lost. Default: no.
    pub exclusive: bool,
}

impl Default for BackupOptions {
    fn default() -> Self {
        Self {
            policy: None,
            directory: None,
            compress: true,
            max_size: DEFAULT_MAX_BACKUP_SIZE,
            before_down: true,
            retention: DEFAULT_RETENTION,
            tools: None,
            restore_on_failure: false,
            exclusive: false,
        }
    }
}

/// What is backed up before a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackupPolicy {
    /// Nothing.
    Never,
    /// The structure, as SQL to look at. It cannot be restored.
    Schema,
    /// Everything.
    Full,
}

/// For how long backups are kept. The newest good one of a database stays whatever this says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Older ones are removed; `None` is no bound.
    pub age: Option<Duration>,
    /// More than so many of a database are removed, oldest first; `None` is no bound.
    pub count: Option<u32>,
}

/// How a backup is put back. Fields may be added: build it with `..Default::default()`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// On PostgreSQL, end the sessions of others instead of refusing. Default: no.
    pub force: bool,
    /// Take a backup of another database. Default: no.
    pub from_other: bool,
    /// Say what would be done, and change nothing. Default: no.
    pub dry_run: bool,
}
