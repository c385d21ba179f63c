//! Everything that a run can be told, with its defaults.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use migrate_core::plan::Plan;
use semver::Version;

#[cfg(feature = "backup")]
use crate::backup::BackupOptions;
use crate::error::{Error, ErrorKind};
use crate::health::HealthOptions;
use crate::identity::Identity;
use crate::observer::Observer;
use crate::report::StoredScript;
use crate::stop::Stop;

/// The default name of the ledger; the other tables' names begin with it.
pub const DEFAULT_TABLE: &str = "schema_migrations_v2";

/// How long a statement waits for a lock on PostgreSQL unless told otherwise.
pub const DEFAULT_LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the run lock stays a run's on PostgreSQL after its last sign of life, unless told otherwise.
pub const DEFAULT_LEASE: Duration = Duration::from_secs(30);

/// What the lease may be: a renewal every third of it must have the time to arrive, and a dead holder without a backend of its
/// own, behind a pooler for example, is waited for as long as it lasts.
pub(crate) const LEASES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60 * 60);

/// How many times a step is tried again after a failure that may pass.
pub const DEFAULT_MAX_RETRIES: u32 = 10;

/// The first pause between two tries; it doubles each time, up to ten seconds.
pub const DEFAULT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// How long ago a run may have begun that is rolled back, unless told otherwise.
pub const DEFAULT_ROLLBACK_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// The settings of one operation.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) tables: Tables,
    pub(crate) runtime_version: Option<Version>,
    pub(crate) allow_out_of_order: bool,
    pub(crate) wait_lock: Option<Duration>,
    /// How long to wait for running programs that a step would break.
    pub(crate) wait_for_fleet: Option<Duration>,
    /// Whether to take such a step all the same.
    pub(crate) ignore_instances: bool,
    /// Whether to leave such a step, and what comes after it, for later.
    pub(crate) defer_breaking: bool,
    /// How long the run lock stays a run's after its last sign of life, where it is a lease.
    pub(crate) lease: Duration,
    pub(crate) lock_timeout: Duration,
    pub(crate) statement_timeout: Option<Duration>,
    pub(crate) max_retries: u32,
    pub(crate) retry_delay: Duration,
    pub(crate) blocker_queries: bool,
    pub(crate) identity: Identity,
    /// The plan that was confirmed, if one was.
    pub(crate) expected: Option<Plan>,
    /// The stored scripts that were shown to whoever confirmed it, if they were.
    pub(crate) shown: Option<Vec<StoredScript>>,
    /// Whether what a newer program applied may be undone to make the database this program's own.
    pub(crate) allow_downgrade: bool,
    /// The database role of the application, if it is another than the one that migrates.
    pub(crate) application_role: Option<String>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) stop: Stop,
    pub(crate) health: HealthOptions,
    /// How long ago a run may have begun that is rolled back.
    pub(crate) rollback_window: Duration,
    /// Whether and how runs are backed up.
    #[cfg(feature = "backup")]
    pub(crate) backup: Option<BackupOptions>,
}

impl Settings {
    pub(crate) fn new(runtime_version: Option<Version>) -> Self {
        Self {
            tables: Tables { schema: None, table: DEFAULT_TABLE.to_owned() },
            runtime_version,
            allow_out_of_order: false,
            wait_lock: None,
            wait_for_fleet: None,
            ignore_instances: false,
            defer_breaking: false,
            lease: DEFAULT_LEASE,
            lock_timeout: DEFAULT_LOCK_TIMEOUT,
            statement_timeout: None,
            max_retries: DEFAULT_MAX_RETRIES,
            retry_delay: DEFAULT_RETRY_DELAY,
            blocker_queries: false,
            identity: Identity::of_this_process(),
            expected: None,
            shown: None,
            allow_downgrade: false,
            application_role: None,
            observer: None,
            stop: Stop::new(),
            health: HealthOptions::default(),
            rollback_window: DEFAULT_ROLLBACK_WINDOW,
            #[cfg(feature = "backup")]
            backup: None,
        }
    }
}

impl Settings {
    /// Refuses a lease that is too short to be renewed in time, or too long to be waited for.
    pub(crate) fn check_lease(&self) -> Result<(), Error> {
        if LEASES.contains(&self.lease) {
            return Ok(());
        }
        let (least, most) = (LEASES.start(), LEASES.end());
        let message = format!("a lease of {:?} is outside of {least:?} to {most:?}", self.lease);
        Err(Error::new(ErrorKind::Configuration, message).with_help("30s is the default"))
    }

    /// Refuses to promise what no run would do.
    #[cfg(feature = "backup")]
    pub(crate) fn check_backup(&self) -> Result<(), Error> {
        match &self.backup {
            Some(BackupOptions { restore_on_failure: true, exclusive: false, .. }) => {
                let message = "`restore_on_failure` needs `exclusive`, which is not set";
                let help = "if nothing else writes to the database during a run, say so with `exclusive` (`--exclusive`, or BACKUP_EXCLUSIVE=true); if not, leave `restore_on_failure` out";
                Err(Error::new(ErrorKind::Configuration, message).with_help(help))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a stored script that is not among those that somebody saw.
    pub(crate) fn as_shown(&self, script: &StoredScript) -> Result<(), Error> {
        match &self.shown {
            Some(shown) if !shown.contains(script) => Err(unexpected()),
            _ => Ok(()),
        }
    }
}

/// The error of a run that would do something else than what was confirmed.
pub(crate) fn unexpected() -> Error {
    Error::new(ErrorKind::Plan, "the database has changed, and with it what was confirmed; nothing was changed")
        .with_help("run the command again to see what it would do now")
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("tables", &self.tables).finish_non_exhaustive()
    }
}

/// The names of our tables.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct Tables {
    pub schema: Option<String>,
    pub table: String,
}

impl Tables {
    /// Every suffix that our tables' names have after the ledger's; the ledger's own is empty. The last table came later:
    /// where it is missing it is made by the next run that changes something.
    pub(crate) const SUFFIXES: [&str; 4] = ["", "_history", "_state", "_instances"];

    /// The name of a table, without its schema.
    pub(crate) fn name(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.table)
    }

    /// Whether a table is one of ours, as SQLite compares names.
    #[cfg(all(feature = "backup", feature = "sqlite"))]
    pub(crate) fn holds(&self, table: &str) -> bool {
        self.all().iter().any(|name| name.eq_ignore_ascii_case(table))
    }

    /// The names of all tables that are ours.
    #[cfg(feature = "backup")]
    pub(crate) fn all(&self) -> [String; 4] {
        Self::SUFFIXES.map(|suffix| self.name(suffix))
    }

    /// Refuses names that no database could hold.
    pub(crate) fn check(&self) -> Result<(), Error> {
        // PostgreSQL cuts names after 63 bytes without a word; the longest suffix we may ever add has 10.
        let bad = |name: &str, longest| name.is_empty() || name.len() > longest || name.contains('\0');
        if bad(&self.table, 53) {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("`{}` cannot be the name of the ledger table", self.table),
            )
            .with_help("use a name of 1 to 53 bytes"));
        }
        if self.schema.as_deref().is_some_and(|schema| bad(schema, 63)) {
            return Err(Error::new(ErrorKind::Configuration, "the schema's name is empty or too long")
                .with_help("use a name of 1 to 63 bytes"));
        }
        Ok(())
    }
}
