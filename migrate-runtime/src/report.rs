//! What a run did.

#[cfg(feature = "backup")]
use std::fmt;
use std::path::PathBuf;
#[cfg(feature = "backup")]
use std::time::Duration;

use migrate_core::compat::{Assessment, Entry};
use migrate_core::instances::RunningInstance;
use migrate_core::ledger::LockHolder;
use migrate_core::plan::{Direction, Plan, Step};
use migrate_core::rollback::{Answer, Strategy};
use migrate_core::version::SchemaVersion;

#[cfg(feature = "backup")]
use crate::backup::Backup;
use crate::health::Health;

/// What a run did, or would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// The number of the run in the history; `None` when nothing had to be done, and for a dry run.
    pub run: Option<i64>,
    /// The verdict on which it acted. After [`auto_migrate`](crate::Migrator::auto_migrate) it may list no migrations:
    /// where a summary of the ledger shows that all are applied, nobody looks at each.
    pub assessment: Assessment,
    /// What it set out to do.
    pub plan: Plan,
    /// What it did, in order. The last one of a failed run is the one that failed; a run
    /// that was stopped between two steps has none.
    pub steps: Vec<StepReport>,
    /// What the health checks around it came to.
    pub health: Health,
    /// The running programs that the first step left would break. Empty unless the run ended for their sake.
    pub blocked_by: Vec<RunningInstance>,
    /// What became of the backup before it; `None` when none was asked for.
    pub backup: Option<RunBackup>,
}

/// What became of the backup before a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunBackup {
    /// It was taken.
    Taken {
        /// Its id, for `migrate restore`.
        id: String,
        /// Its file.
        file: PathBuf,
        /// The size of the file in bytes.
        size: u64,
        /// What is unusual about it.
        remark: Option<String>,
        /// Whether it was put back, because a step failed that could not be rolled back.
        restored: bool,
    },
    /// None was taken, since the run goes on with a half-done step; this is the one from before that step was begun.
    Earlier {
        /// Its id, for `migrate restore`.
        id: String,
        /// Its file.
        file: PathBuf,
        /// The size of the file in bytes.
        size: u64,
        /// The run before which it was taken.
        run: i64,
        /// Whether it was put back, because a step failed that could not be rolled back.
        restored: bool,
    },
    /// It was not taken, or not kept.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// What came of putting a backup back.
#[cfg(feature = "backup")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// `Done` or `DryRun`.
    pub outcome: Outcome,
    /// What was put back.
    pub backup: Backup,
    /// The backup of what was there before; `None` if there was nothing, and for a dry run.
    pub kept: Option<Backup>,
    /// The number under which the history has it.
    pub run: Option<i64>,
}

/// Whether the state before a run can be put back.
#[cfg(feature = "backup")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSnapshot {
    /// The full backup that was taken before the run.
    pub backup: Option<Backup>,
    /// Every reason why it cannot be put back; none if it can.
    pub obstacles: Vec<SnapshotObstacle>,
}

/// Why the state before a run cannot be put back.
#[cfg(feature = "backup")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotObstacle {
    /// No full backup of this database was taken before the run.
    NoBackup {
        /// The run.
        run: i64,
    },
    /// The backup is older than is allowed.
    TooOld {
        /// The backup's id.
        backup: String,
        /// How old it may be.
        window: Duration,
    },
    /// Later runs have changed the database, which would be lost.
    NewerRuns {
        /// Their numbers, lowest first.
        runs: Vec<i64>,
    },
}

#[cfg(feature = "backup")]
impl SnapshotObstacle {
    /// The word used in JSON.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NoBackup { .. } => "no_backup",
            Self::TooOld { .. } => "too_old",
            Self::NewerRuns { .. } => "newer_run",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::NoBackup { .. } => "`migrate backup list` shows what there is".to_owned(),
            Self::TooOld { backup, .. } => {
                format!(
                    "allow it by a longer `rollback_window` (ROLLBACK_WINDOW), or put it back with `migrate restore {backup}`"
                )
            }
            Self::NewerRuns { .. } => {
                "roll those back first, or put any backup back with `migrate restore ID`".to_owned()
            }
        }
    }
}

#[cfg(feature = "backup")]
impl fmt::Display for SnapshotObstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBackup { run } => write!(f, "there is no backup from before run {run}"),
            Self::TooOld { backup, window } => {
                write!(f, "the backup {backup} is older than {}", humantime::format_duration(*window))
            }
            Self::NewerRuns { runs } => {
                let runs: Vec<String> = runs.iter().map(i64::to_string).collect();
                write!(f, "newer runs have changed the database: {}", runs.join(", "))
            }
        }
    }
}

impl Report {
    /// The same, with the steps that were done before the run had to begin anew.
    pub(crate) fn after(mut self, mut earlier: Vec<StepReport>) -> Self {
        if !earlier.is_empty() && self.outcome == Outcome::NothingToDo {
            self.outcome = Outcome::Done;
        }
        earlier.append(&mut self.steps);
        self.steps = earlier;
        self
    }

    /// The first step of the plan that was not done.
    pub(crate) fn next_step(&self) -> Option<&Step> {
        let done = self.steps.iter().filter(|step| step.outcome == StepOutcome::Done).count();
        self.plan.steps.get(done)
    }

    /// What was pending and still is, lowest version first: what a run up was not asked for or did not come to.
    pub fn remaining(&self) -> impl Iterator<Item = &Entry> {
        let is_done = |entry: &Entry| {
            let done = |step: &StepReport| step.direction == Direction::Up && step.outcome == StepOutcome::Done;
            self.steps.iter().any(|step| done(step) && step.version == entry.version)
        };
        self.assessment.pending().filter(move |entry| !is_done(entry))
    }
}

/// Whether a run can be rolled back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollbackAnswers {
    /// The run; `None` when none was named and nothing is left to roll back.
    pub run: Option<i64>,
    /// What each strategy would do, or why it cannot, the recommended one first.
    pub answers: Vec<Answer>,
}

impl RollbackAnswers {
    /// The strategy to use, if there is one.
    #[must_use]
    pub fn recommended(&self) -> Option<Strategy> {
        self.answers.iter().find(|answer| answer.obstacles.is_empty()).map(|answer| answer.strategy)
    }
}

/// What came of freeing the run lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreedLock {
    /// `Done`; `NothingToDo` when nobody held it; or `DryRun`.
    pub outcome: Outcome,
    /// Who held it.
    pub holder: Option<LockHolder>,
    /// The number under which the history has it; the holder's own was lower.
    pub run: Option<i64>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Every step of the plan is done.
    Done,
    /// The plan was empty.
    NothingToDo,
    /// What running programs survive is done. The rest waits for them: [`Report::blocked_by`], [`Report::remaining`].
    Deferred,
    /// A dry run: the plan was made and not executed.
    DryRun,
    /// The database is incompatible and was left alone, without an error because the options say so.
    Refused,
    /// Every step of the plan is done and committed, and a health check of severity error failed afterwards.
    Unhealthy,
    /// A step failed, or the run was stopped. Only seen in the report that travels with an error.
    Failed,
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepReport {
    /// The version of the migration.
    pub version: SchemaVersion,
    /// Its name.
    pub name: String,
    /// Whether it was applied or undone.
    pub direction: Direction,
    /// Whether it succeeded.
    pub outcome: StepOutcome,
    /// How long its script took, in milliseconds, by the database's clock where it has one.
    pub execution_time_ms: u64,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum StepOutcome {
    /// It is done and committed.
    Done,
    /// It failed.
    Failed,
}

/// A down script as the ledger keeps it since its migration was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredScript {
    /// The version of the migration.
    pub version: SchemaVersion,
    /// The script.
    pub sql: String,
}

/// One row of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// Its number; rows are only ever added, so a higher number is later.
    pub id: i64,
    /// The run that it belongs to.
    pub run: i64,
    /// What was done: `run` for the run itself, `up` or `down` for a step, `force`, `repair` or `baseline` for a change of
    /// the ledger, `unlock` when the run lock was freed, `ignore_instances` when a step was taken that breaks running programs,
    /// `restore` when a backup was put back.
    pub operation: String,
    /// The version of the migration, if it is about one.
    pub version: Option<String>,
    /// `started`, `succeeded`, `failed`, `interrupted`, `deferred`, `nothing_to_do`, or `unhealthy` for a run that is done and left a health
    /// check failing.
    pub outcome: String,
    /// The error in full, for a failure.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub execution_time_ms: Option<u64>,
    /// The version of the program.
    pub runtime_version: Option<String>,
    /// The digest of its registry.
    pub registry_digest: String,
    /// On whose behalf.
    pub actor: String,
    /// On which host.
    pub host: String,
    /// In which process of that host.
    pub process: u32,
    /// When: RFC 3339, UTC, the database's clock.
    pub recorded_at: String,
    /// What the run set out to do, one step a line, for the first row of a run; what was changed and why, for a change of
    /// the ledger or the lock.
    pub plan: Option<String>,
}
