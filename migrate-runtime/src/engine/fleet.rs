//! Running programs in the way of what is no step: of a backup that is put back, of a ledger that is amended.

use std::time::{Duration, Instant};

use migrate_core::instances::{Demand, Intent, RunningInstance};
use migrate_core::ledger::{LedgerRow, Snapshot};
use semver::Version;

use crate::backend::{Backend, Fence};
use crate::error::{Error, ErrorKind};
use crate::options::Settings;

/// The pause between two looks at who is running.
const PAUSE: Duration = Duration::from_millis(200);

/// What running programs have to be or to do without.
#[derive(Debug)]
pub(super) struct Wanted {
    /// By what, for the message.
    what: String,
    demands: Vec<Demand>,
}

impl Wanted {
    /// By a backup that takes the place of what is there: programs that hold what is applied now and is not in it would miss
    /// that, and older programs may not survive what is in it and not applied now.
    #[cfg(feature = "backup")]
    pub(super) fn by_backup(backup: &crate::backup::Backup, now: &Snapshot) -> Self {
        let head: Option<migrate_core::version::SchemaVersion> =
            backup.ledger_head.as_ref().and_then(|head| head.parse().ok());
        let removed = now.rows.iter().map(|row| row.version).find(|version| head.is_none_or(|head| *version > head));
        let floor = backup.ledger_floor.as_ref().and_then(|floor| Version::parse(floor).ok());
        let raised = floor.filter(|floor| raises(floor, now));
        let demands = removed.map(Demand::Without).into_iter().chain(raised.map(Demand::Floor)).collect();
        Self { what: format!("restoring the backup {}", backup.id), demands }
    }

    /// By minimums that are recorded without a step.
    pub(super) fn by_minimums(what: String, minimums: impl Iterator<Item = Version>, now: &Snapshot) -> Self {
        let highest = minimums.max_by(Version::cmp_precedence).filter(|floor| raises(floor, now));
        Self { what, demands: highest.map(Demand::Floor).into_iter().collect() }
    }

    /// Who is in the way, and why.
    fn find(&self, live: &[RunningInstance]) -> Option<Error> {
        self.demands.iter().find_map(|demand| {
            let instances: Vec<_> = live.iter().filter(|instance| !demand.is_met_by(instance)).cloned().collect();
            let first = instances.first()?;
            let (what, programs) = (&self.what, programs(instances.len()));
            let message = match demand {
                Demand::Without(version) => {
                    format!("{what} takes away migration {version}, which {programs} running needs: {first}")
                }
                Demand::Floor(floor) => {
                    format!("{what} needs version {floor} or newer of this program, and {programs} running is older: {first}")
                }
                Demand::Nothing => return None,
            };
            Some(Error::new(ErrorKind::BlockedByInstances, message).with_instances(instances).with_help(
                "end these programs (`migrate instances` lists them), wait for them with `--wait-for-fleet`, or go on all \
                 the same with `--ignore-instances`",
            ))
        })
    }
}

/// Waits for running programs, under the run lock.
pub(super) struct Fleet<'a> {
    pub(super) settings: &'a Settings,
    pub(super) fence: Fence,
}

impl Fleet<'_> {
    /// Returns when nobody is in the way any more. What is wanted is committed before it looks, so that whoever comes later
    /// is refused, until the run gives its lock back. Says who was ignored.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BlockedByInstances`]: somebody still is in the way after the time that the options allow.
    pub(super) async fn wait_for<B: Backend>(&self, backend: &mut B, wanted: &Wanted) -> Result<Option<String>, Error> {
        if wanted.demands.is_empty() {
            return Ok(None);
        }
        let intent = Intent::of(&wanted.demands);
        let since = Instant::now();
        loop {
            let mut live = backend.intend(self.fence, &intent).await?;
            live.retain(|instance| instance.is_live(Duration::ZERO));
            let Some(blocked) = wanted.find(&live) else {
                return Ok(None);
            };
            if self.settings.ignore_instances {
                return Ok(Some(blocked.to_string()));
            }
            let waits = self.settings.wait_for_fleet.is_some_and(|bound| since.elapsed() + PAUSE <= bound);
            if !waits || self.settings.stop.is_asked() {
                return Err(blocked);
            }
            backend.sleep(PAUSE).await?;
        }
    }
}

/// The oldest version of the program that works with what the ledger holds.
pub(super) fn floor(now: &Snapshot) -> Option<Version> {
    now.rows.iter().filter_map(LedgerRow::min_runtime_version).max_by(Version::cmp_precedence)
}

/// Whether a minimum is above those of the ledger.
fn raises(minimum: &Version, now: &Snapshot) -> bool {
    floor(now).is_none_or(|floor| minimum.cmp_precedence(&floor).is_gt())
}

fn programs(count: usize) -> String {
    if count == 1 { "1 program that is".to_owned() } else { format!("each of {count} programs that are") }
}
