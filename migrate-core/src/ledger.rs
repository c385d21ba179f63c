//! What a database says of itself: ledger rows, the state row, and whether our tables are there.

use std::fmt;
use std::str::FromStr;

use semver::Version;

use crate::version::SchemaVersion;

/// The format of our tables that this version writes: since 2 the ledger has the checksums of stored down scripts.
pub const FORMAT: u32 = 2;

/// The oldest format whose programs read tables of [`FORMAT`]: columns are only added.
pub const OLDEST_READER: u32 = 1;

/// Everything one read of a database gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The state row; `None` when our tables are not there yet.
    pub state: Option<State>,
    /// The ledger, lowest version first.
    pub rows: Vec<LedgerRow>,
}

impl Snapshot {
    /// The row of a version.
    #[must_use]
    pub fn find(&self, version: SchemaVersion) -> Option<&LedgerRow> {
        let at = self.rows.binary_search_by_key(&version, |row| row.version);
        at.ok().map(|index| &self.rows[index])
    }

    /// Who holds the run lock and is alive, if anybody is.
    #[must_use]
    pub fn live_lock(&self) -> Option<&LockHolder> {
        self.state.as_ref().and_then(|state| state.lock.as_ref()).filter(|lock| lock.live)
    }

    /// The highest version that is wholly applied.
    #[must_use]
    pub fn database_version(&self) -> Option<SchemaVersion> {
        let applied = |row: &&LedgerRow| row.status.is_complete();
        self.rows.iter().rev().find(applied).map(|row| row.version)
    }
}

/// What is read of a database to learn whether nothing is to be done: one row, however long the ledger is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The oldest format whose programs can read the tables.
    pub oldest_reader: u32,
    /// The registry that the tables belong to, once a named one has run.
    pub registry_name: Option<String>,
    /// How the checksums in the ledger were computed.
    pub checksum_algorithm: String,
    /// The [`Fingerprint`](crate::fingerprint::Fingerprint) of the ledger.
    pub fingerprint: u64,
}

/// One row of the ledger: a migration that is applied, or half way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// The version of the migration.
    pub version: SchemaVersion,
    /// Its name when it was applied.
    pub name: String,
    /// The checksum of the up script that was run.
    pub checksum: String,
    /// When it was applied: RFC 3339, UTC, the database's clock.
    pub applied_at: String,
    /// The version of the binary that applied it, if it had one.
    pub runtime_version: Option<String>,
    /// How long its script took.
    pub execution_time_ms: u64,
    /// Whether it is complete.
    pub status: Status,
    /// The oldest binary that works with it; `None` when it asked for nothing.
    pub min_runtime_version: Option<String>,
    /// How many segments of a non-transactional migration are finished; 0 for a transactional one.
    pub progress: u32,
    /// The number of the segment behind them that was begun outside any transaction, when nobody saw how it ended; 0 for
    /// none.
    pub attempted: u32,
    /// The up script that was run. Only read when the checksum differs from the registry's.
    pub up_sql: Option<String>,
    /// Whether a down script is stored with it.
    pub has_down: bool,
}

impl LedgerRow {
    /// The oldest binary that works with it, if it says so in a way that can be read.
    #[must_use]
    pub fn min_runtime_version(&self) -> Option<Version> {
        self.min_runtime_version.as_deref().and_then(|version| Version::parse(version).ok())
    }

    /// Whether the segment after the finished ones was begun, and nobody saw how it ended.
    #[must_use]
    pub const fn is_uncertain(&self) -> bool {
        self.attempted > self.progress
    }
}

/// How far a ledger row has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Applied by its script.
    Applied,
    /// A non-transactional up script that is running or was interrupted.
    Applying,
    /// A non-transactional down script that is running or was interrupted.
    Reverting,
    /// Recorded as applied without running.
    Baseline,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Applied, Self::Applying, Self::Reverting, Self::Baseline];

    /// The word stored in the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Applying => "applying",
            Self::Reverting => "reverting",
            Self::Baseline => "baseline",
        }
    }

    /// Whether the migration is wholly in effect.
    #[must_use]
    pub const fn is_complete(self) -> bool {
        matches!(self, Self::Applied | Self::Baseline)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownStatus)
    }
}

/// A text is no [`Status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownStatus;

impl fmt::Display for UnknownStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status is `applied`, `applying`, `reverting` or `baseline`")
    }
}

impl std::error::Error for UnknownStatus {}

/// The one row of the state table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The format that the tables have.
    pub format: u32,
    /// The oldest format whose programs can read them.
    pub oldest_reader: u32,
    /// The registry that the tables belong to, once a named one has run.
    pub registry_name: Option<String>,
    /// How the checksums in the ledger were computed.
    pub checksum_algorithm: String,
    /// The number of the last run that took the lock.
    pub fence: i64,
    /// Who holds the run lock, if anybody does.
    pub lock: Option<LockHolder>,
}

/// Who holds the run lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockHolder {
    /// The user on whose behalf it runs.
    pub owner: String,
    /// The host it runs on.
    pub host: String,
    /// Its process id on that host.
    pub process: u32,
    /// Since when: RFC 3339, UTC, the database's clock.
    pub acquired_at: String,
    /// When its lease ends unless it is renewed: RFC 3339, UTC, the database's clock. `None` where there is no lease, as
    /// on SQLite.
    pub expires_at: Option<String>,
    /// The process id of its backend on PostgreSQL, where it is known.
    pub backend: Option<i32>,
    /// Whether it is alive, as far as the database or the operating system can tell.
    pub live: bool,
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { owner, host, process, acquired_at, .. } = self;
        write!(f, "{owner} on host {host}, process {process}, since {acquired_at}")
    }
}
