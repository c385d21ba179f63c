//! Health checks around a run: how they are asked for, and what they came to.

use std::time::Duration;

use migrate_core::health::{CheckResult, CheckState};

/// How long a check may take unless told otherwise.
pub const DEFAULT_HEALTH_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a check is tried again unless told otherwise.
pub const DEFAULT_HEALTH_RETRIES: u32 = 2;

/// How long a transaction of somebody else may be open before a check speaks of it, unless told otherwise.
pub const DEFAULT_LONG_TRANSACTION: Duration = Duration::from_secs(60);

/// Which checks are made around a run that has something to do. A run that has nothing to do makes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HealthChecks {
    /// None.
    Off,
    /// Those that cost next to nothing: on PostgreSQL one message before the first step and one after the last.
    #[default]
    Basic,
    /// All of them, one by one. Some read the whole database.
    Full,
}

/// What a run does about a check of severity error that fails after its last step. The steps are committed in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum OnUnhealthy {
    /// It ends without an error, and [`Outcome::Unhealthy`](crate::Outcome::Unhealthy) says so.
    #[default]
    Warn,
    /// It ends with an error of the kind [`Unhealthy`](crate::ErrorKind::Unhealthy).
    Fail,
    /// It ends with such an error, and the backup from before the run is put back: as after a step that could not be rolled
    /// back only where the program states that it is alone
    #[cfg_attr(feature = "backup", doc = "([`BackupOptions::exclusive`](crate::backup::BackupOptions::exclusive)).")]
    #[cfg_attr(not(feature = "backup"), doc = "(feature `backup`).")]
    Restore,
}

/// What the health checks of a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Under the run lock, before the first step.
    pub before: Vec<CheckResult>,
    /// After the last step, before the run lock is given back.
    pub after: Vec<CheckResult>,
}

impl Health {
    /// Every check that failed, warnings included.
    pub fn failed(&self) -> impl Iterator<Item = &CheckResult> {
        self.before.iter().chain(&self.after).filter(|result| result.state == CheckState::Failed)
    }
}

/// How checks are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HealthOptions {
    pub(crate) checks: HealthChecks,
    pub(crate) timeout: Duration,
    pub(crate) retries: u32,
    pub(crate) on_unhealthy: OnUnhealthy,
    /// How long a transaction of somebody else may be open before a check speaks of it.
    pub(crate) long_transaction: Duration,
}

impl Default for HealthOptions {
    fn default() -> Self {
        Self {
            checks: HealthChecks::default(),
            timeout: DEFAULT_HEALTH_TIMEOUT,
            retries: DEFAULT_HEALTH_RETRIES,
            on_unhealthy: OnUnhealthy::default(),
            long_transaction: DEFAULT_LONG_TRANSACTION,
        }
    }
}
