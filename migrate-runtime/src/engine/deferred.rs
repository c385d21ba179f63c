//! Steps that were left for later because they would break running programs.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};

use super::gate::Blocked;
use super::{Decision, Migrate};
use crate::backend::Backend;
use crate::call::Operation;
use crate::error::Error;
use crate::options::Tables;
use crate::report::{Outcome, Report};

/// Applies what is left as soon as no running program is in the way. Nothing is held and nothing is intended while it
/// waits, so that programs of an older version may come and go.
#[derive(Debug)]
pub(crate) struct FinishDeferred {
    /// The run, which leaves for later what would break running programs.
    pub(crate) migrate: Migrate,
}

impl Operation for FinishDeferred {
    type Output = Report;

    fn tables(&self) -> Tables {
        self.migrate.tables()
    }

    async fn run<B: Backend>(self, backend: &mut B) -> Result<Report, Error> {
        let settings = &self.migrate.settings;
        let since = Instant::now();
        let mut told = Vec::new();
        let mut earlier = Vec::new();
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(5))
            .with_jitter()
            .without_max_times()
            .build();
        loop {
            let mut report = self.migrate.clone().run(backend).await?;
            let Some(next) = report.next_step().filter(|_| report.outcome == Outcome::Deferred).cloned() else {
                return Ok(report.after(earlier));
            };
            let pause = pauses.next().unwrap_or(Duration::from_secs(5));
            let waited_out = settings.wait_for_fleet.is_some_and(|bound| since.elapsed() + pause > bound);
            if waited_out || settings.stop.is_asked() {
                return Ok(report.after(earlier));
            }
            self.migrate.tell_of(&next, &report.blocked_by, &mut told);
            earlier.append(&mut report.steps);
            self.migrate.pause(backend, pause).await?;
        }
    }
}

impl Migrate {
    /// Whether nothing can be done before running programs are gone: then no lock is taken, and nobody is refused.
    pub(super) async fn deferred_already<B: Backend>(
        &self,
        backend: &mut B,
        decision: &Decision,
    ) -> Result<Option<Report>, Error> {
        let (Some(step), Some(demand)) = (decision.plan.steps.first(), decision.demands.first()) else {
            return Ok(None);
        };
        if !self.settings.defer_breaking {
            return Ok(None);
        }
        let mut live = backend.instances().await?.instances;
        live.retain(|instance| instance.is_live(Duration::ZERO));
        let blocked = Blocked::find(step, demand, &live);
        Ok(blocked.map(|blocked| decision.clone().report(Outcome::Deferred).blocked(blocked)))
    }
}

impl Report {
    /// The same, with who was in the way.
    pub(super) fn blocked(mut self, blocked: Blocked) -> Self {
        self.assessment.find(blocked.reason);
        self.blocked_by = blocked.instances;
        self
    }
}
