//! Before a step that running programs would not survive: tells those that come, looks for those that are there, and waits
//! for these, leaves the step for later, or goes on without them.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use migrate_core::compat::Reason;
use migrate_core::instances::{Demand, Intent, RunningInstance, blocked};
use migrate_core::plan::Step;

use super::Migrate;
use super::steps::Walk;
use crate::backend::{Backend, HistoryEntry, Run};
use crate::error::{Error, ErrorKind};
use crate::observer::Event;

/// Whether the next step may be taken.
pub(super) enum Gate {
    Open,
    /// The run was asked to stop while it waited.
    Stopped,
    Blocked(Blocked),
}

/// Why a step may not be taken.
#[derive(Clone, Debug)]
pub(super) struct Blocked {
    pub(super) reason: Reason,
    pub(super) instances: Vec<RunningInstance>,
}

impl Blocked {
    /// What `step` would break, among those that are alive; `None` when nothing.
    pub(super) fn find(step: &Step, demand: &Demand, live: &[RunningInstance]) -> Option<Self> {
        let instances: Vec<_> = live.iter().filter(|instance| !demand.is_met_by(instance)).cloned().collect();
        if instances.is_empty() {
            return None;
        }
        Some(Self { reason: blocked(step, demand, instances.len()), instances })
    }

    pub(super) fn error(&self) -> Error {
        let error = Error::new(ErrorKind::BlockedByInstances, &*self.reason.message);
        let error = match self.reason.version {
            Some(version) => error.with_migration(version),
            None => error,
        };
        error.with_instances(self.instances.clone()).with_help(self.reason.remedy.clone().unwrap_or_default())
    }
}

impl Migrate {
    /// Opens when no running program is in the way of the next step. What the run intends is committed before it looks,
    /// so that whoever comes later is refused, and stays until the run gives its lock back.
    pub(super) async fn gate<B: Backend>(
        &self,
        backend: &mut B,
        run: &Run,
        walk: &mut Walk<'_>,
    ) -> Result<Gate, Error> {
        let next = walk.steps.len();
        if next < walk.open_until {
            return Ok(Gate::Open);
        }
        let intent = Intent::of(walk.demands);
        let since = Instant::now();
        let mut told = Vec::new();
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(20))
            .with_max_delay(Duration::from_secs(1))
            .with_jitter()
            .without_max_times()
            .build();
        loop {
            // A program is not gone because this run has kept its heartbeats from the database.
            let later = if B::STEPS_KEEP_WRITERS_OUT { walk.at_work } else { Duration::ZERO };
            let mut live = backend.intend(walk.fence, &intent).await?;
            live.retain(|instance| instance.is_live(later));
            let each = || walk.works.iter().zip(walk.demands).enumerate().skip(next);
            let stop = each().find_map(|(index, (work, demand))| {
                Blocked::find(work.step, demand, &live).map(|blocked| (index, blocked))
            });
            let Some((index, blocked)) = stop else {
                walk.open_until = walk.works.len();
                return Ok(Gate::Open);
            };
            if index > next {
                walk.open_until = index;
                return Ok(Gate::Open);
            }
            if self.settings.ignore_instances {
                let all: Vec<_> = each()
                    .filter_map(|(_, (work, demand))| Blocked::find(work.step, demand, &live))
                    .map(|blocked| blocked.error().to_string())
                    .collect();
                self.record_ignored(backend, run, walk, &all.join("\n")).await?;
                walk.open_until = walk.works.len();
                return Ok(Gate::Open);
            }
            let pause = pauses.next().unwrap_or(Duration::from_secs(1));
            let bound = self.settings.wait_for_fleet.filter(|_| !self.settings.defer_breaking);
            if bound.is_none_or(|bound| since.elapsed() + pause > bound) {
                return Ok(Gate::Blocked(blocked));
            }
            self.tell_of(walk.works[next].step, &blocked.instances, &mut told);
            self.pause(backend, pause).await?;
            if self.settings.stop.is_asked() {
                return Ok(Gate::Stopped);
            }
        }
    }

    /// Tells whom the run waits for, when it is not the same as before.
    pub(super) fn tell_of(&self, step: &Step, instances: &[RunningInstance], told: &mut Vec<String>) {
        let ids: Vec<String> = instances.iter().map(|instance| instance.id.clone()).collect();
        if ids != *told {
            self.tell(&Event::WaitingForInstances { step, instances });
            *told = ids;
        }
    }

    async fn record_ignored<B: Backend>(
        &self,
        backend: &mut B,
        run: &Run,
        walk: &Walk<'_>,
        what: &str,
    ) -> Result<(), Error> {
        let note = format!("go on all the same: {what}");
        // Without a version: rows that have one count the steps that took effect.
        let entry =
            HistoryEntry { operation: "ignore_instances", plan: Some(&note), ..HistoryEntry::of_run("succeeded") };
        backend.amend(run, walk.fence, &[], &[entry]).await
    }
}
