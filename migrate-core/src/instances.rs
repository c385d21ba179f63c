//! Running programs, and what a run may not do to the schema while they are alive.
//!
//! A program that registers has a row in the table of instances and keeps it alive by heartbeats. A step that raises the
//! floor above such a program's version, or that undoes what its registry holds, would break it: that step *demands*
//! something of every instance. What the steps of a run demand together is its *intent*, which stands in the state row
//! before the run looks at the instances, so that a program that comes later is judged by it.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use semver::Version;

use crate::compat::{Reason, ReasonCode};
use crate::ledger::{LedgerRow, Snapshot};
use crate::plan::{Direction, Plan, Step};
use crate::registry::Registry;
use crate::version::SchemaVersion;

/// A program that registered, as its row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningInstance {
    /// Names this row, unlike any other.
    pub id: String,
    /// The program's version.
    pub runtime_version: String,
    /// The highest migration that it holds; `None` when it holds none.
    pub registry_head: Option<SchemaVersion>,
    /// The digest of its registry.
    pub registry_digest: String,
    /// The host it runs on.
    pub host: String,
    /// Its process id on that host.
    pub process: u32,
    /// Since when: RFC 3339, UTC, the database's clock.
    pub started_at: String,
    /// Its last heartbeat: RFC 3339, UTC, the database's clock.
    pub last_seen_at: String,
    /// How long until it counts as gone, in milliseconds by the database's clock at the time of reading; negative when it
    /// does by now.
    pub expires_in_ms: i64,
}

impl RunningInstance {
    /// Whether it counts as alive, so much later than its row says: heartbeats may have been kept from the database for
    /// so long.
    #[must_use]
    pub fn is_live(&self, later: Duration) -> bool {
        self.expires_in_ms.saturating_add(i64::try_from(later.as_millis()).unwrap_or(i64::MAX)) > 0
    }
}

impl fmt::Display for RunningInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runtime_version, host, process, started_at, last_seen_at, .. } = self;
        write!(
            f,
            "version {runtime_version} on host {host}, process {process}, since {started_at}, last seen {last_seen_at}"
        )
    }
}

/// What a step demands of every running program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Nothing.
    Nothing,
    /// To be of this version or newer.
    Floor(Version),
    /// To do without this migration and everything above it.
    Without(SchemaVersion),
}

impl Demand {
    /// Whether a program meets it. A version that cannot be read may be any, so it does not.
    #[must_use]
    pub fn is_met_by(&self, instance: &RunningInstance) -> bool {
        match self {
            Self::Nothing => true,
            Self::Floor(floor) => {
                Version::parse(&instance.runtime_version).is_ok_and(|version| version.cmp_precedence(floor).is_ge())
            }
            Self::Without(removed) => instance.registry_head.is_none_or(|head| head < *removed),
        }
    }
}

/// What each step of a plan demands.
///
/// A step that goes on with an interrupted one demands nothing, unless its migration was changed and asks for more: its
/// minimum is in the ledger since it was begun. Neither does a minimum that what stays applied asks for anyway.
///
/// # Examples
///
/// ```
/// use migrate_core::{checksum::Checksum, instances, ledger::Snapshot, plan::Plan, registry::Registry};
///
/// let registry = Registry::from_parts(None, "migrations_v2".into(), None, Checksum::of(""), vec![].into());
/// assert!(instances::demands(&registry, &Snapshot::default(), &Plan::default()).is_empty());
/// ```
#[must_use]
pub fn demands(registry: &Registry, snapshot: &Snapshot, plan: &Plan) -> Vec<Demand> {
    let changed: BTreeSet<SchemaVersion> = plan.steps.iter().map(|step| step.version).collect();
    let stays = |version| !changed.contains(&version);
    let minimums = snapshot.rows.iter().filter(|row| stays(row.version)).filter_map(|row| row.min_runtime_version());
    let mut floor = minimums.max_by(Version::cmp_precedence);
    let mut demand = |step: &Step| {
        if step.resume_after.is_some() && !step.script_changed {
            return Demand::Nothing;
        }
        if step.direction == Direction::Down {
            return Demand::Without(step.version);
        }
        let minimum = registry.find(step.version).and_then(|migration| migration.min_runtime_version());
        let begun = snapshot.find(step.version).filter(|_| step.resume_after.is_some());
        let begun = begun.and_then(LedgerRow::min_runtime_version);
        let raises = |minimum: &Version| floor.iter().chain(&begun).all(|floor| minimum.cmp_precedence(floor).is_gt());
        let Some(minimum) = minimum.filter(raises) else {
            return Demand::Nothing;
        };
        floor = Some(minimum.clone());
        Demand::Floor(minimum)
    };
    plan.steps.iter().map(&mut demand).collect()
}

/// What a run is about to do that running programs may not survive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intent {
    /// The minimum that its steps will ask for.
    pub floor: Option<String>,
    /// The lowest version that it will undo.
    pub removal: Option<SchemaVersion>,
}

impl Intent {
    /// Everything that the steps of a run demand.
    #[must_use]
    pub fn of(demands: &[Demand]) -> Self {
        let floors = demands.iter().filter_map(|demand| match demand {
            Demand::Floor(floor) => Some(floor),
            _ => None,
        });
        let removals = demands.iter().filter_map(|demand| match demand {
            Demand::Without(version) => Some(*version),
            _ => None,
        });
        Self {
            floor: floors.max_by(|one, other| one.cmp_precedence(other)).map(ToString::to_string),
            removal: removals.min(),
        }
    }

    /// Why a program may not start while it stands; `None` when it may.
    #[must_use]
    pub fn refuses(&self, runtime_version: &Version, registry_head: Option<SchemaVersion>) -> Option<Reason> {
        let meets =
            |floor: &String| Version::parse(floor).is_ok_and(|floor| runtime_version.cmp_precedence(&floor).is_ge());
        let found = |version, message| {
            let code = ReasonCode::Intended;
            Some(Reason { code, version, message, remedy: code.remedy().map(str::to_owned) })
        };
        if let Some(floor) = self.floor.as_ref().filter(|floor| !meets(floor)) {
            let message = format!(
                "a run is about to apply what needs version {floor} or newer of this program, and this is {runtime_version}"
            );
            return found(None, message);
        }
        match self.removal.filter(|removal| registry_head >= Some(*removal)) {
            Some(removal) => found(
                Some(removal),
                format!("a run is about to undo migration {removal} or what is above it, which this program needs"),
            ),
            None => None,
        }
    }
}

/// The finding that a step waits for running programs.
///
/// ```
/// use migrate_core::compat::ReasonCode;
/// use migrate_core::instances::{Demand, blocked};
/// use migrate_core::plan::{Direction, Origin, Step};
///
/// let (version, name) = ("2.0.0".parse()?, "drop_name".to_owned());
/// let (direction, origin) = (Direction::Up, Origin::Registry);
/// let (resume_after, uncertain, script_changed) = (None, false, false);
/// let step = Step { version, name, direction, origin, resume_after, uncertain, script_changed };
/// let reason = blocked(&step, &Demand::Floor(version.to_semver()), 2);
/// assert_eq!(reason.code, ReasonCode::BlockedByInstances);
/// assert_eq!(
///     reason.message,
///     "migration 2.0.0 `drop_name` needs version 2.0.0 or newer of this program, and 2 older ones are running"
/// );
/// # Ok::<(), migrate_core::version::VersionError>(())
/// ```
#[must_use]
pub fn blocked(step: &Step, demand: &Demand, number: usize) -> Reason {
    let Step { version, name, .. } = step;
    let are = if number == 1 { "one is" } else { "ones are" };
    let message = match demand {
        Demand::Floor(floor) => format!(
            "migration {version} `{name}` needs version {floor} or newer of this program, and {number} older {are} running"
        ),
        Demand::Without(_) | Demand::Nothing => {
            let need = if number == 1 { "program that needs it is" } else { "programs that need it are" };
            format!("migration {version} `{name}` cannot be undone while {number} {need} running")
        }
    };
    let code = ReasonCode::BlockedByInstances;
    Reason { code, version: Some(*version), message, remedy: code.remedy().map(str::to_owned) }
}

#[cfg(test)]
mod tests;
