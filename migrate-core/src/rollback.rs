//! Rolling back exactly one run: whether that can be done, how, and why not.

use std::fmt;
use std::time::Duration;

use semver::VersionReq;

use crate::ledger::{LedgerRow, Snapshot, Status};
use crate::migration::{Dialect, Migration};
use crate::plan::{Plan, PlanError, Planner};
use crate::registry::Registry;
use crate::version::SchemaVersion;

/// A way to roll back a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// The down scripts of what the run applied, last one first.
    Undo,
}

impl Strategy {
    /// Every strategy, the recommended one first.
    pub const ALL: &'static [Self] = &[Self::Undo];

    /// The word used in commands and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Undo => "undo",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the history tells of earlier runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Every run, oldest first.
    pub runs: Vec<PastRun>,
    /// What took effect, oldest first.
    pub changes: Vec<PastChange>,
}

/// A run of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastRun {
    /// Its number.
    pub run: i64,
    /// How long ago it began, by the database's clock.
    pub age: Duration,
}

/// A migration that a run of the past applied, undid or amended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastChange {
    /// The number of the run.
    pub run: i64,
    /// The migration.
    pub version: SchemaVersion,
    /// What was done.
    pub kind: ChangeKind,
}

/// What was done to a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// It was applied by its script.
    Up,
    /// It was undone by its script.
    Down,
    /// Somebody said how it stands, without running anything.
    Amended,
}

/// Why a run cannot be rolled back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// The history has no such run.
    UnknownRun {
        /// The number asked for.
        run: i64,
    },
    /// The run applied nothing.
    AppliedNothing {
        /// The run.
        run: i64,
    },
    /// The run also undid something, which no down script brings back.
    UndidSomething {
        /// The run.
        run: i64,
        /// What it undid.
        version: SchemaVersion,
    },
    /// Nothing of it is applied any more.
    NothingLeft {
        /// The run.
        run: i64,
    },
    /// A newer run stands on top of it.
    NewerRun {
        /// The newer run.
        run: i64,
        /// A migration that it applied.
        version: SchemaVersion,
    },
    /// A migration that stays depends on one that would go.
    Needed {
        /// What would go.
        version: SchemaVersion,
        /// What depends on it.
        by: SchemaVersion,
    },
    /// A migration was interrupted, or cannot be undone.
    Migration(PlanError),
    /// It is longer ago than is allowed.
    TooOld {
        /// How long ago it began.
        age: Duration,
        /// How long ago it may be.
        window: Duration,
    },
}

impl Obstacle {
    /// The word used in JSON.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::UnknownRun { .. } => "unknown_run",
            Self::AppliedNothing { .. } => "applied_nothing",
            Self::UndidSomething { .. } => "undid_something",
            Self::NothingLeft { .. } => "nothing_left",
            Self::NewerRun { .. } => "newer_run",
            Self::Needed { .. } => "needed",
            Self::Migration(PlanError::Interrupted { .. }) => "interrupted",
            Self::Migration(_) => "irreversible",
            Self::TooOld { .. } => "too_old",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::UnknownRun { .. } | Self::AppliedNothing { .. } => {
                "`migrate history` has the runs and what they did".to_owned()
            }
            Self::UndidSomething { .. } => "go to a version instead, with `migrate goto VERSION`".to_owned(),
            Self::NothingLeft { .. } => "nothing is to be done".to_owned(),
            Self::NewerRun { run, .. } => {
                format!(
                    "roll that one back first (`migrate rollback --run {run}`), or undo both with `migrate down --to VERSION`"
                )
            }
            Self::Needed { by, .. } => format!("undo {by} first, with `migrate down`"),
            Self::Migration(error) => error.help(),
            Self::TooOld { .. } => {
                "allow it by a longer `rollback_window` (ROLLBACK_WINDOW), or use `migrate down`".to_owned()
            }
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownRun { run } => write!(f, "the history has no run {run}"),
            Self::AppliedNothing { run } => write!(f, "run {run} applied nothing"),
            Self::UndidSomething { run, version } => {
                write!(f, "run {run} undid {version}, which no down script brings back")
            }
            Self::NothingLeft { run } => write!(f, "nothing that run {run} applied is applied any more"),
            Self::NewerRun { run, version } => {
                write!(f, "the newer run {run} stands on top of it: it applied {version}")
            }
            Self::Needed { version, by } => write!(f, "migration {by}, which stays, depends on {version}"),
            Self::Migration(error) => error.fmt(f),
            Self::TooOld { age, window } => {
                write!(f, "it was {} ago, and no more than {} is allowed", rounded(*age), rounded(*window))
            }
        }
    }
}

/// Whether a strategy can roll back a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The strategy.
    pub strategy: Strategy,
    /// What it would do; empty where it can do nothing.
    pub plan: Plan,
    /// Every reason why it cannot be used; none if it can.
    pub obstacles: Vec<Obstacle>,
}

/// The newest run of which something is still applied.
#[must_use]
pub fn newest(snapshot: &Snapshot, past: &Past) -> Option<i64> {
    let standing = snapshot.rows.iter().filter_map(|row| past.last_change(row.version));
    standing.filter(|change| change.kind == ChangeKind::Up).map(|change| change.run).max()
}

/// Which run, and everything that the answer depends on.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The migrations of the program.
    pub registry: &'a Registry,
    /// What the database holds.
    pub snapshot: &'a Snapshot,
    /// Which kind of database it is.
    pub dialect: Dialect,
    /// What the history tells.
    pub past: &'a Past,
    /// The run.
    pub run: i64,
    /// How long ago it may have begun.
    pub window: Duration,
}

/// Whether a strategy can roll back a run, and how.
#[must_use]
pub fn answer(strategy: Strategy, question: &Question<'_>) -> Answer {
    match strategy {
        Strategy::Undo => undo(question),
    }
}

/// By the down scripts of its migrations. A migration belongs to the run that applied it last. What the run applied and
/// somebody undid meanwhile is no matter, so that a rollback which stopped half way goes on.
fn undo(question: &Question<'_>) -> Answer {
    let Question { registry, snapshot, dialect, past, run, window } = *question;
    let mut answer = Answer { strategy: Strategy::Undo, plan: Plan::default(), obstacles: Vec::new() };
    let Some(known) = past.runs.iter().find(|it| it.run == run) else {
        answer.obstacles.push(Obstacle::UnknownRun { run });
        return answer;
    };
    let of_run = |kind: ChangeKind| past.changes.iter().filter(move |it| it.run == run && it.kind == kind);
    if of_run(ChangeKind::Up).next().is_none() {
        answer.obstacles.push(Obstacle::AppliedNothing { run });
        return answer;
    }
    let rows: Vec<&LedgerRow> = of_run(ChangeKind::Up)
        .rev()
        .filter_map(|change| snapshot.find(change.version).filter(|_| past.last_change(change.version) == Some(change)))
        .collect();
    if rows.is_empty() {
        answer.obstacles.push(Obstacle::NothingLeft { run });
        return answer;
    }
    let goes = |version: SchemaVersion| rows.iter().any(|row| row.version == version);
    answer.obstacles.extend(
        of_run(ChangeKind::Down).take(1).map(|change| Obstacle::UndidSomething { run, version: change.version }),
    );
    answer.obstacles.extend(newer_runs(snapshot, past, run));
    // What was interrupted must be settled first, unless it is the rollback itself.
    let half_way = |row: &&LedgerRow| match row.status {
        Status::Applying => true,
        Status::Reverting => !goes(row.version),
        Status::Applied | Status::Baseline => false,
    };
    let planner = Planner { registry, snapshot, dialect };
    let interrupted = |row: &LedgerRow| Obstacle::Migration(planner.interrupted(row));
    answer.obstacles.extend(snapshot.rows.iter().filter(half_way).map(interrupted));
    for row in &rows {
        match planner.undo(row) {
            Ok(step) => answer.plan.steps.push(step),
            Err(PlanError::Interrupted { .. }) => {}
            Err(error) => answer.obstacles.push(Obstacle::Migration(error)),
        }
    }
    let stays = |migration: &&Migration| snapshot.find(migration.version()).is_some() && !goes(migration.version());
    for migration in registry.migrations().iter().filter(stays) {
        answer.obstacles.extend(needed_by(migration, snapshot, &goes));
    }
    if known.age > window {
        answer.obstacles.push(Obstacle::TooOld { age: known.age, window });
    }
    if !answer.obstacles.is_empty() {
        answer.plan = Plan::default();
    }
    answer
}

impl Past {
    /// What was done to a migration last.
    fn last_change(&self, version: SchemaVersion) -> Option<&PastChange> {
        self.changes.iter().rev().find(|change| change.version == version)
    }
}

/// Later runs of which something is still in effect, each with one migration.
fn newer_runs(snapshot: &Snapshot, past: &Past, run: i64) -> Vec<Obstacle> {
    let mut newer: Vec<(i64, SchemaVersion)> = snapshot
        .rows
        .iter()
        .filter_map(|row| past.last_change(row.version))
        .filter(|change| change.run > run)
        .map(|change| (change.run, change.version))
        .collect();
    newer.sort_unstable_by(|one, other| other.cmp(one));
    newer.dedup_by_key(|(run, _)| *run);
    newer.into_iter().map(|(run, version)| Obstacle::NewerRun { run, version }).collect()
}

/// What a migration that stays depends on and would lose.
fn needed_by(migration: &Migration, snapshot: &Snapshot, goes: &impl Fn(SchemaVersion) -> bool) -> Option<Obstacle> {
    let by = migration.version();
    migration.dependencies().iter().find_map(|dependency| {
        let meets = |row: &&LedgerRow| match dependency.parse::<SchemaVersion>() {
            Ok(version) => version == row.version,
            Err(_) => VersionReq::parse(dependency).is_ok_and(|wanted| wanted.matches(&row.version.to_semver())),
        };
        let (lost, kept): (Vec<_>, Vec<_>) = snapshot.rows.iter().filter(meets).partition(|row| goes(row.version));
        let lost = lost.first().filter(|_| kept.is_empty())?;
        Some(Obstacle::Needed { version: lost.version, by })
    })
}

/// A duration as people say it.
fn rounded(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests;
