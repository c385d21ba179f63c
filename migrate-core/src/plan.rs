//! The plan: which steps, in which order, lead from a snapshot to a target.

mod downgrade;

use std::fmt;

use crate::amend::Change;
use crate::interrupted::Interruption;
use crate::ledger::{LedgerRow, Snapshot, Status};
use crate::migration::{Dialect, Migration, Phase, Role};
use crate::registry::Registry;
use crate::replaced::{Coverage, coverage};
use crate::version::SchemaVersion;

pub use self::downgrade::downgrade;

/// Where a run is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Target {
    /// Apply everything that is pending.
    Latest,
    /// Apply what is pending up to and including a version.
    UpTo(SchemaVersion),
    /// Apply the next so many pending migrations.
    UpBy(usize),
    /// Apply what is pending, in order, as long as it belongs to a phase: up to the first step that contracts, which old
    /// programs would not survive; or, for [`Phase::Contract`], up to the first that does not.
    Phase(Phase),
    /// Undo what is applied above a version, which itself stays.
    DownTo(SchemaVersion),
    /// Undo the last so many applied migrations.
    DownBy(usize),
    /// Undo everything, as far as there is a way back.
    DownAll,
    /// Undo the last applied migration and apply it again.
    Redo,
}

impl Target {
    /// Whether it only ever applies migrations.
    #[must_use]
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Latest | Self::UpTo(_) | Self::UpBy(_) | Self::Phase(_))
    }

    /// Whether it names a state, so that going for it twice is the same as going for it once.
    #[must_use]
    pub const fn is_absolute(self) -> bool {
        matches!(self, Self::Latest | Self::UpTo(_) | Self::DownTo(_) | Self::DownAll)
    }
}

/// Whether a step applies or undoes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Applies a migration.
    Up,
    /// Undoes it.
    Down,
}

impl Direction {
    /// The word used in output and history.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where the script of a step comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The registry.
    Registry,
    /// The ledger, which keeps the down script of every applied migration.
    Ledger,
}

/// One migration to apply or undo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The version of the migration.
    pub version: SchemaVersion,
    /// Its name.
    pub name: String,
    /// Whether it is applied or undone.
    pub direction: Direction,
    /// Where its script comes from.
    pub origin: Origin,
    /// How many segments of a non-transactional script an earlier run finished; `None` starts afresh.
    pub resume_after: Option<u32>,
    /// Whether the segment after these was begun outside any transaction and nobody saw how it ended.
    pub uncertain: bool,
    /// Whether the script differs from the one that an earlier run began, behind what that did: the ledger takes it over before
    /// this run goes on.
    pub script_changed: bool,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.direction, self.version, self.name)
    }
}

/// Ordered steps towards a target, or changes of the ledger that run no script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What is done, in this order.
    pub steps: Vec<Step>,
    /// Why the plan ends short of its target; the run fails with it after its steps. Only [`Target::DownAll`] does this.
    pub ends_with: Option<PlanError>,
    /// What is changed in the ledger without running anything. Only an amendment has such, and it has no steps.
    pub changes: Vec<Change>,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.ends_with.is_none() && self.changes.is_empty()
    }
}

impl fmt::Display for Plan {
    /// One step or change a line, such as `up 1.2.0 add_index`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.steps.iter().map(|step| step as &dyn fmt::Display);
        let lines = steps.chain(self.changes.iter().map(|change| change as &dyn fmt::Display));
        lines.enumerate().try_for_each(|(index, line)| {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{line}")
        })
    }
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// The target is a version that neither the registry nor the ledger holds.
    UnknownTarget {
        /// The version asked for.
        version: SchemaVersion,
        /// The highest version there is, to be helpful.
        head: Option<SchemaVersion>,
    },
    /// A migration has no down script.
    NoWayBack {
        /// The migration.
        version: SchemaVersion,
        /// Its name.
        name: String,
        /// The reason it gives for being irreversible.
        reason: Option<String>,
    },
    /// A migration was applied before it was squashed into another one, so that it cannot be applied again by itself.
    Replaced {
        /// The migration.
        version: SchemaVersion,
        /// Its name.
        name: String,
    },
    /// A migration was interrupted and stands in the way.
    Interrupted {
        /// The migration.
        version: SchemaVersion,
        /// Its name.
        name: String,
        /// What can be done about it.
        ways: String,
    },
}

impl PlanError {
    /// The migration that it is about.
    #[must_use]
    pub const fn version(&self) -> SchemaVersion {
        match self {
            Self::UnknownTarget { version, .. }
            | Self::NoWayBack { version, .. }
            | Self::Replaced { version, .. }
            | Self::Interrupted { version, .. } => *version,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::UnknownTarget { head: Some(head), .. } => {
                format!("the highest version is {head}; `migrate status` lists them all")
            }
            Self::UnknownTarget { head: None, .. } => "there are no migrations".to_owned(),
            Self::NoWayBack { version, .. } => format!("write a down script for migration {version}"),
            Self::Replaced { .. } => "use the program or checkout from before they were squashed".to_owned(),
            Self::Interrupted { ways, .. } => ways.clone(),
        }
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTarget { version, .. } => write!(f, "there is no migration {version}"),
            Self::NoWayBack { version, name, reason: None } => {
                write!(f, "migration {version} `{name}` has no down script")
            }
            Self::NoWayBack { version, name, reason: Some(reason) } => {
                write!(f, "migration {version} `{name}` is irreversible: {reason}")
            }
            Self::Replaced { version, name } => {
                write!(
                    f,
                    "migration {version} `{name}` was squashed since it was applied, and this set does not hold it"
                )
            }
            Self::Interrupted { version, name, .. } => {
                write!(f, "migration {version} `{name}` was interrupted half way")
            }
        }
    }
}

impl std::error::Error for PlanError {}

/// Plans the way to a target. Whether the database may be touched at all is [`judge`](crate::compat::judge)'s matter.
///
/// # Errors
///
/// A target that nobody knows, a migration without a way back between here and the target ([`Target::DownAll`] instead
/// plans as far as it can), an interrupted migration above the target of a `down`.
pub fn plan(registry: &Registry, snapshot: &Snapshot, dialect: Dialect, target: Target) -> Result<Plan, PlanError> {
    let planner = Planner { registry, snapshot, dialect };
    match target {
        Target::Latest => Ok(planner.up(&|_, _| true)),
        Target::UpTo(version) => {
            planner.exists(version)?;
            Ok(planner.up(&|_, migration| migration.version() <= version))
        }
        Target::UpBy(count) => Ok(planner.up(&|planned, _| planned < count)),
        Target::Phase(phase) => {
            let contracts = |migration: &Migration| migration.phase() == Some(Phase::Contract);
            Ok(planner.up(&|_, migration| contracts(migration) == (phase == Phase::Contract)))
        }
        Target::DownTo(version) => {
            planner.exists(version)?;
            planner.down(&|_, row| row.version > version)
        }
        Target::DownBy(count) => planner.down(&|planned, _| planned < count),
        Target::DownAll => planner.down_as_far_as_possible(),
        Target::Redo => planner.redo(),
    }
}

/// Makes steps of migrations and rows.
pub(crate) struct Planner<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) dialect: Dialect,
}

impl Planner<'_> {
    fn exists(&self, version: SchemaVersion) -> Result<(), PlanError> {
        if self.registry.find(version).is_some() || self.snapshot.find(version).is_some() {
            return Ok(());
        }
        let applied = self.snapshot.rows.last().map(|row| row.version);
        Err(PlanError::UnknownTarget { version, head: self.registry.head().max(applied) })
    }

    /// The migration for which the rows of those stand that it replaces: it never runs over them.
    fn covered(&self) -> Option<SchemaVersion> {
        let first = self.registry.migrations().first()?;
        match coverage(first, self.snapshot, self.dialect) {
            Coverage::None => None,
            // Somebody is at work on them: whoever plans waits, and looks again.
            Coverage::Part(part) if !part.unfinished.is_empty() => None,
            Coverage::Whole(_) | Coverage::Part(_) => Some(first.version()),
        }
    }

    /// The open migrations, as long as `wanted` says so; it is told how many are planned before.
    fn up(&self, wanted: &dyn Fn(usize, &Migration) -> bool) -> Plan {
        let mut steps = Vec::new();
        let covered = self.covered();
        let open = |migration: &&Migration| {
            if covered == Some(migration.version()) {
                return false;
            }
            let row = self.snapshot.find(migration.version());
            row.is_none_or(|row| !row.status.is_complete())
        };
        let migrations = self.registry.migrations().iter().filter(open).enumerate();
        for (_, migration) in migrations.take_while(|(planned, migration)| wanted(*planned, migration)) {
            let row = self.snapshot.find(migration.version());
            let interrupted = |status| row.filter(|row| row.status == status);
            let resumed = |row: Option<&LedgerRow>, step| Step {
                resume_after: row.map(|row| row.progress),
                uncertain: row.is_some_and(LedgerRow::is_uncertain),
                ..step
            };
            if let Some(row) = interrupted(Status::Reverting) {
                // Half undone is neither applied nor pending: first finish undoing it, with the script that was begun.
                let down = step(migration, Direction::Down);
                steps.push(Step { origin: Origin::Ledger, ..resumed(Some(row), down) });
            }
            let row = interrupted(Status::Applying);
            let up = migration.script(Role::Up, self.dialect);
            let script_changed = row.zip(up).is_some_and(|(row, script)| script.checksum.to_string() != row.checksum);
            steps.push(Step { script_changed, ..resumed(row, step(migration, Direction::Up)) });
        }
        steps.shrink_to_fit();
        Plan { steps, ..Plan::default() }
    }

    /// The applied migrations from the top, as long as `wanted` says so; it is told how many are planned before.
    fn down(&self, wanted: &dyn Fn(usize, &LedgerRow) -> bool) -> Result<Plan, PlanError> {
        let rows = self.snapshot.rows.iter().rev().enumerate();
        let steps = rows
            .take_while(|(planned, row)| wanted(*planned, row))
            .map(|(_, row)| self.undo(row))
            .collect::<Result<_, _>>()?;
        Ok(Plan { steps, ..Plan::default() })
    }

    fn down_as_far_as_possible(&self) -> Result<Plan, PlanError> {
        let mut plan = Plan::default();
        for row in self.snapshot.rows.iter().rev() {
            match self.undo(row) {
                Ok(step) => plan.steps.push(step),
                Err(error) if plan.steps.is_empty() => return Err(error),
                Err(error) => {
                    plan.ends_with = Some(error);
                    break;
                }
            }
        }
        Ok(plan)
    }

    fn redo(&self) -> Result<Plan, PlanError> {
        let mut plan = self.down(&|planned, _| planned < 1)?;
        let Some(undone) = plan.steps.first() else {
            return Ok(plan);
        };
        let version = undone.version;
        let Some(migration) = self.registry.find(version) else {
            return Err(PlanError::UnknownTarget { version, head: self.registry.head() });
        };
        if self.covered() == Some(version) {
            return Err(PlanError::Replaced { version, name: undone.name.clone() });
        }
        plan.steps.push(step(migration, Direction::Up));
        Ok(plan)
    }

    /// The step that undoes a row: by the registry's down script if the registry holds what was applied, else by the
    /// one stored in the ledger.
    pub(crate) fn undo(&self, row: &LedgerRow) -> Result<Step, PlanError> {
        let (version, name) = (row.version, row.name.clone());
        match row.status {
            Status::Applying => return Err(self.interrupted(row)),
            Status::Reverting => {
                let (direction, origin) = (Direction::Down, Origin::Ledger);
                let (resume_after, uncertain) = (Some(row.progress), row.is_uncertain());
                return Ok(Step { version, name, direction, origin, resume_after, uncertain, script_changed: false });
            }
            Status::Applied | Status::Baseline => {}
        }
        let known = self.registry.find(version);
        let unchanged = known.filter(|migration| {
            let up = migration.script(Role::Up, self.dialect);
            up.is_some_and(|script| script.checksum.to_string() == row.checksum)
        });
        let has_down = |migration: &&Migration| migration.script(Role::Down, self.dialect).is_some();
        let origin = if unchanged.filter(has_down).is_some() {
            Origin::Registry
        } else if row.has_down {
            Origin::Ledger
        } else {
            let reason = known.and_then(Migration::irreversible).map(str::to_owned);
            return Err(PlanError::NoWayBack { version, name, reason });
        };
        let direction = Direction::Down;
        Ok(Step { version, name, direction, origin, resume_after: None, uncertain: false, script_changed: false })
    }

    /// The error of a row that is half way and stands in the way.
    pub(crate) fn interrupted(&self, row: &LedgerRow) -> PlanError {
        let ways = Interruption::of(row, self.registry.find(row.version), self.dialect).ways();
        PlanError::Interrupted { version: row.version, name: row.name.clone(), ways }
    }
}

fn step(migration: &Migration, direction: Direction) -> Step {
    Step {
        version: migration.version(),
        name: migration.name().to_owned(),
        direction,
        origin: Origin::Registry,
        resume_after: None,
        uncertain: false,
        script_changed: false,
    }
}

#[cfg(test)]
mod tests;
