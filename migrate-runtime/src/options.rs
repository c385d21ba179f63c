//! Everything that a run can be told, with its defaults.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use migrate_core::plan::Plan;
use semver::Version;

use crate::error::{Error, ErrorKind};
use crate::health::HealthOptions;
use crate::identity::Identity;
use crate::observer::Observer;
use crate::stop::Stop;

/// The default name of the ledger; the other tables' names begin with it.
pub const DEFAULT_TABLE: &str = "schema_migrations_v2";

/// How long a statement waits for a lock on PostgreSQL unless told otherwise.
pub const DEFAULT_LOCK_TIMEOUT: Duration = Duration::from_secs(2);

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
    pub(crate) lock_timeout: Duration,
    pub(crate) statement_timeout: Option<Duration>,
    pub(crate) max_retries: u32,
    pub(crate) retry_delay: Duration,
    pub(crate) blocker_queries: bool,
    pub(crate) identity: Identity,
    /// The plan that was confirmed, if one was.
    pub(crate) expected: Option<Plan>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) stop: Stop,
    pub(crate) health: HealthOptions,
    /// How long ago a run may have begun that is rolled back.
    pub(crate) rollback_window: Duration,
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
            lock_timeout: DEFAULT_LOCK_TIMEOUT,
            statement_timeout: None,
            max_retries: DEFAULT_MAX_RETRIES,
            retry_delay: DEFAULT_RETRY_DELAY,
            blocker_queries: false,
            identity: Identity::of_this_process(),
            expected: None,
            observer: None,
            stop: Stop::new(),
            health: HealthOptions::default(),
            rollback_window: DEFAULT_ROLLBACK_WINDOW,
        }
    }
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
