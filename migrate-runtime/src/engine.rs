//! The one engine: reads, judges, takes the lock, executes a plan, releases, reports.
//!
//! It serves both databases, the async and the blocking API, and the command line. It holds no SQL; what is done and in
//! which order is the plan's matter, and how, the backend's.

mod amend;
#[cfg(feature = "backup")]
mod backup;
#[cfg(feature = "backup")]
mod before_run;
mod deferred;
mod fleet;
mod gate;
mod health;
mod instances;
mod locking;
mod matrix;
#[cfg(feature = "backup")]
mod put_back;
mod recovery;
#[cfg(feature = "backup")]
mod restore;
mod rollback;
#[cfg(feature = "backup")]
mod run_backup;
mod run_lock;
mod steps;
mod stored;
mod work;

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use migrate_core::amend::{Amendment, amend};
use migrate_core::compat::{self, Assessment, Reason, ReasonCode, Rules, Verdict};
use migrate_core::instances::{Demand, demands};
use migrate_core::ledger::{LockHolder, Snapshot};
use migrate_core::migration::Role;
use migrate_core::plan::{Plan, PlanError, Target, downgrade, plan};
use migrate_core::registry::Registry;
use migrate_core::rollback::Strategy;

pub(crate) use self::amend::ReadRepairs;
#[cfg(feature = "backup")]
pub(crate) use self::backup::{CreateBackup, PruneBackups};
pub(crate) use self::deferred::FinishDeferred;
pub(crate) use self::health::CheckHealth;
pub(crate) use self::instances::{Beat, Leave, ReadInstances, Register, Registration};
use self::locking::Locked;
pub(crate) use self::matrix::ReadMatrix;
#[cfg(feature = "backup")]
pub(crate) use self::restore::{FindRunSnapshot, RestoreBackup, Which};
pub(crate) use self::rollback::CanRollBack;
pub use self::run_lock::LockRelease;
pub(crate) use self::run_lock::{ReadLock, ReleaseLock};
use self::steps::{Ended, Lock};
pub(crate) use self::stored::ReadStored;
use crate::backend::{Backend, Fence, Run, RunEnd};
use crate::call::Operation;
use crate::error::{Error, ErrorKind};
use crate::health::{Health, OnUnhealthy};
use crate::migrator::SharedRegistry;
use crate::observer::Event;
use crate::options::{Settings, Tables, unexpected};
use crate::report::{HistoryRow, Outcome, Report, StepOutcome, StepReport};
use crate::stale;

/// The longest pause before another try.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long a run that waits may not hear that it is to stop.
const LONGEST_DEAF: Duration = Duration::from_millis(50);

/// Reads a database and judges it.
#[derive(Debug)]
pub(crate) struct Inspect<T> {
    pub(crate) registry: SharedRegistry,
    pub(crate) settings: Settings,
    /// What to make of it.
    pub(crate) answer: fn(Assessment) -> T,
}

impl<T: Send + 'static> Operation for Inspect<T> {
    type Output = T;

    fn tables(&self) -> Tables {
        self.settings.tables.clone()
    }

    async fn run<B: Backend>(self, backend: &mut B) -> Result<T, Error> {
        let snapshot = backend.read().await?;
        let snapshot = with_changed_scripts(backend, &self.registry, snapshot).await?;
        let rules = rules(&self.settings);
        Ok((self.answer)(compat::judge(&self.registry, &snapshot, B::DIALECT, &rules)))
    }
}

/// Reads the history.
#[derive(Debug)]
pub(crate) struct ReadHistory {
    pub(crate) settings: Settings,
    pub(crate) limit: u32,
}

impl Operation for ReadHistory {
    type Output = Vec<HistoryRow>;

    fn tables(&self) -> Tables {
        self.settings.tables.clone()
    }

    async fn run<B: Backend>(self, backend: &mut B) -> Result<Vec<HistoryRow>, Error> {
        backend.history(self.limit).await
    }
}

/// Brings a database to a goal.
#[derive(Clone, Debug)]
pub(crate) struct Migrate {
    pub(crate) registry: SharedRegistry,
    pub(crate) settings: Settings,
    pub(crate) goal: Goal,
    pub(crate) mode: Mode,
    /// Whether most often nothing is to be done, and the caller does not care about each migration then.
    pub(crate) at_start: bool,
}

/// What a run is for.
#[derive(Clone, Debug)]
pub(crate) enum Goal {
    /// Run scripts until the target is reached.
    Reach(Target),
    /// Take back what one run applied.
    RollBack(i64, Strategy),
    /// Change what the ledger says.
    Amend(Amendment),
}

/// What a run may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Execute the plan; an incompatible database is an error.
    Execute,
    /// Execute the plan; an incompatible database is left alone without an error.
    ExecuteUnlessIncompatible,
    /// Make the plan only.
    DryRun,
}

impl Operation for Migrate {
    type Output = Report;

    fn tables(&self) -> Tables {
        self.settings.tables.clone()
    }

    async fn run<B: Backend>(self, backend: &mut B) -> Result<Report, Error> {
        self.settings.check_lease()?;
        #[cfg(feature = "backup")]
        if !matches!(self.goal, Goal::Amend(_)) {
            self.settings.check_backup()?;
        }
        if self.mode != Mode::DryRun {
            stale::tell(&self.registry, self.settings.observer.as_deref());
        }
        if let Some(report) = self.nothing_to_do(backend).await {
            return Ok(report);
        }
        let mut earlier = Vec::new();
        let mut overtaken = 0;
        loop {
            let snapshot = self.read_patiently(backend, Instant::now()).await?;
            let decision = self.decide(backend, snapshot).await?;
            if let Some(report) = self.needs_no_lock(&decision)? {
                return Ok(report.after(earlier));
            }
            if let Some(report) = self.deferred_already(backend, &decision).await? {
                return Ok(report.after(earlier));
            }
            match self.lock(backend, decision).await? {
                Locked::NotNeeded(report) => return Ok(report.after(earlier)),
                Locked::Ours(mut run, fence, decision) => {
                    self.tell(&Event::Started(&decision.plan));
                    let ended = match &self.goal {
                        Goal::Reach(_) | Goal::RollBack(..) => {
                            self.execute_between_checks(backend, &mut run, fence, &decision).await
                        }
                        Goal::Amend(amendment) => self.amend(backend, &run, fence, amendment, &decision.plan).await,
                    };
                    // Somebody else goes on with the work. What is left of it then is found by reading again, unless
                    // the target counts from where this run began.
                    let is_overtaken = ended.lock == Lock::Overtaken;
                    let absolute = matches!(self.goal, Goal::Reach(target) if target.is_absolute());
                    let wanted = absolute && !self.settings.stop.is_asked();
                    let again = is_overtaken && wanted && overtaken < self.settings.max_retries;
                    if !again {
                        return self.close(backend, &run, *decision, ended, earlier).await;
                    }
                    overtaken += 1;
                    earlier.extend(ended.steps.into_iter().filter(|step| step.outcome == StepOutcome::Done));
                }
            }
        }
    }
}

/// What to do about a snapshot.
#[derive(Clone)]
struct Decision {
    assessment: Assessment,
    /// Whether the verdict forbids the goal, and nothing is to be done about that.
    refused: bool,
    plan: Plan,
    /// What each step of the plan demands of running programs.
    demands: Vec<Demand>,
    /// The last run before the plan was made.
    seen: Fence,
    /// Who held the lock then.
    holder: Option<LockHolder>,
}

impl Decision {
    /// The report of a run that was none.
    fn report(self, outcome: Outcome) -> Report {
        Report {
            outcome,
            run: None,
            assessment: self.assessment,
            plan: self.plan,
            steps: Vec::new(),
            health: Health::default(),
            blocked_by: Vec::new(),
            backup: None,
        }
    }
}

impl Migrate {
    /// The report of a start that finds everything applied, by a summary of the ledger alone.
    async fn nothing_to_do<B: Backend>(&self, backend: &mut B) -> Option<Report> {
        let agreed = self.settings.expected.as_ref().is_none_or(Plan::is_empty);
        if !self.at_start || !agreed {
            return None;
        }
        let summary = backend.summary().await?;
        let rules = rules(&self.settings);
        compat::is_current(&self.registry, &summary, B::DIALECT, &rules).then(|| {
            let assessment = Assessment::current(&self.registry, rules.runtime_version);
            let (plan, demands, seen, holder) = (Plan::default(), Vec::new(), 0, None);
            Decision { assessment, refused: false, plan, demands, seen, holder }.report(Outcome::NothingToDo)
        })
    }

    async fn decide<B: Backend>(&self, backend: &mut B, snapshot: Snapshot) -> Result<Decision, Error> {
        let snapshot = with_changed_scripts(backend, &self.registry, snapshot).await?;
        let assessment = compat::judge(&self.registry, &snapshot, B::DIALECT, &rules(&self.settings));
        let (plan, refusal) = if self.refuses(&assessment) {
            self.way_back::<B>(&snapshot, &assessment)
        } else {
            (self.plan(backend, &snapshot, &assessment).await?, None)
        };
        let refused = refusal.is_some();
        if let Some(error) = refusal.filter(|_| self.mode != Mode::ExecuteUnlessIncompatible) {
            return Err(error);
        }
        self.as_expected(&plan)?;
        let demands = demands(&self.registry, &snapshot, &plan);
        let seen = fence_of(&snapshot);
        let holder = snapshot.state.and_then(|state| state.lock);
        Ok(Decision { assessment, refused, plan, demands, seen, holder })
    }

    async fn plan<B: Backend>(
        &self,
        backend: &mut B,
        snapshot: &Snapshot,
        assessment: &Assessment,
    ) -> Result<Plan, Error> {
        match &self.goal {
            Goal::Reach(target) => {
                plan(&self.registry, snapshot, B::DIALECT, *target).map_err(|error| plan_error(&error))
            }
            Goal::RollBack(run, strategy) => self.plan_rollback(backend, snapshot, *run, *strategy).await,
            Goal::Amend(amendment) => amend(&self.registry, snapshot, assessment, B::DIALECT, amendment)
                .map(|changes| Plan { changes, ..Plan::default() })
                .map_err(|error| amend::amend_error(&error)),
        }
    }

    /// What is to be done about a verdict that forbids the goal: undo what a newer program applied, if that is allowed and
    /// helps, or else refuse.
    fn way_back<B: Backend>(&self, snapshot: &Snapshot, assessment: &Assessment) -> (Plan, Option<Error>) {
        let rules = rules(&self.settings);
        let allowed = self.settings.allow_downgrade;
        let found = allowed.then(|| downgrade(&self.registry, snapshot, B::DIALECT, &rules, assessment)).flatten();
        match found {
            Some(Ok(plan)) => (plan, None),
            Some(Err(error)) => {
                let refusal = incompatible(assessment.clone());
                (Plan::default(), Some(refusal.noting(&format!("and there is no way back: {error}"))))
            }
            None => (Plan::default(), Some(incompatible(assessment.clone()))),
        }
    }

    /// Refuses a plan that is not the one somebody confirmed.
    fn as_expected(&self, plan: &Plan) -> Result<(), Error> {
        match &self.settings.expected {
            Some(expected) if self.mode != Mode::DryRun && expected != plan => Err(unexpected()),
            _ => Ok(()),
        }
    }

    /// Whether the verdict forbids the goal. Undoing and amending are the ways out of most incompatibilities, so only
    /// tables that are not ours or not readable forbid them.
    fn refuses(&self, assessment: &Assessment) -> bool {
        assessment.reasons.iter().any(|reason| {
            let up = matches!(self.goal, Goal::Reach(target) if target.is_up());
            is_foreign(reason) || (up && reason.code.verdict() == Verdict::Incompatible)
        })
    }

    fn needs_no_lock(&self, decision: &Decision) -> Result<Option<Report>, Error> {
        let outcome = if decision.refused {
            Outcome::Refused
        } else if decision.plan.is_empty() {
            Outcome::NothingToDo
        } else if self.mode == Mode::DryRun {
            Outcome::DryRun
        } else if let (true, Some(error)) = (decision.plan.steps.is_empty(), &decision.plan.ends_with) {
            return Err(plan_error(error));
        } else {
            return Ok(None);
        };
        Ok(Some(decision.clone().report(outcome)))
    }

    async fn close<B: Backend>(
        &self,
        backend: &mut B,
        run: &Run,
        decision: Decision,
        ended: Ended,
        earlier: Vec<StepReport>,
    ) -> Result<Report, Error> {
        let unhealthy = health::unhealthy(&ended.health.after);
        let text = ended.error.as_ref().or(unhealthy.as_ref()).map(ToString::to_string);
        let (outcome, word) = match (&ended.error, &ended.blocked, &unhealthy) {
            (Some(_), _, _) => (Outcome::Failed, "failed"),
            // What is left to be done says more of a run than what its checks found.
            (None, Some(_), _) => (Outcome::Deferred, "deferred"),
            (None, None, Some(_)) => (Outcome::Unhealthy, "unhealthy"),
            (None, None, None) => (Outcome::Done, "succeeded"),
        };
        let is_lost = ended.error.as_ref().is_some_and(|error| error.kind() == ErrorKind::LockLost);
        let fails = self.settings.health.on_unhealthy != OnUnhealthy::Warn;
        let error = ended.error.or(unhealthy.filter(|_| fails));
        let released = match ended.lock {
            Lock::Held(fence) if !is_lost => {
                self.release(backend, run, fence, RunEnd { outcome: word, error: text.as_deref() }).await
            }
            // Its successor has closed this run, or will when the lease has ended.
            Lock::Held(_) | Lock::Overtaken | Lock::OutOfReach => Ok(()),
        };
        let Ended { steps, health, backup, .. } = ended;
        let report = Report { run: Some(run.id), steps, health, backup, ..decision.report(outcome) };
        let report = match ended.blocked {
            Some(blocked) => report.blocked(blocked),
            None => report,
        };
        let report = report.after(earlier);
        match (error, released) {
            (None, Ok(())) => Ok(report),
            (None, Err(error)) => Err(error.with_report(report)),
            (Some(error), released) => {
                Err(error.and_also("the lock could not be given back", released).with_report(report))
            }
        }
    }

    /// Waits, but not on when the run is asked to stop.
    async fn pause<B: Backend>(&self, backend: &mut B, pause: Duration) -> Result<(), Error> {
        let since = Instant::now();
        while !self.settings.stop.is_asked() {
            let rest = pause.saturating_sub(since.elapsed());
            if rest.is_zero() {
                break;
            }
            backend.sleep(rest.min(LONGEST_DEAF)).await?;
        }
        Ok(())
    }

    fn tell(&self, event: &Event<'_>) {
        if let Some(observer) = &self.settings.observer {
            observer.event(event);
        }
    }
}

/// The pause before another try: longer each time, up to ten seconds.
fn retry_pause(settings: &Settings, tries: u32) -> Duration {
    let mut pauses = ExponentialBuilder::default()
        .with_min_delay(settings.retry_delay)
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times()
        .build();
    // What the jitter adds, it adds to the longest delay as well.
    pauses.nth(tries as usize).unwrap_or(settings.retry_delay).min(LONGEST_PAUSE)
}

/// Fetches the scripts of applied migrations whose checksum differs from the registry's, so that a difference in
/// comments can be told from one in substance, and one behind what is done from one in that; and of interrupted ones that the
/// registry does not hold, to say what of them is done.
async fn with_changed_scripts<B: Backend>(
    backend: &mut B,
    registry: &Registry,
    mut snapshot: Snapshot,
) -> Result<Snapshot, Error> {
    let changed: Vec<_> = snapshot
        .rows
        .iter()
        .filter(|row| {
            let script = registry.find(row.version).and_then(|migration| migration.script(Role::Up, B::DIALECT));
            script.map_or(!row.status.is_complete(), |script| script.checksum.to_string() != row.checksum)
        })
        .map(|row| row.version)
        .collect();
    if changed.is_empty() {
        return Ok(snapshot);
    }
    for stored in backend.stored(&changed).await? {
        if let Some(row) = snapshot.rows.iter_mut().find(|row| row.version == stored.version) {
            row.up_sql = stored.up_sql;
        }
    }
    Ok(snapshot)
}

fn fence_of(snapshot: &Snapshot) -> Fence {
    snapshot.state.as_ref().map_or(0, |state| state.fence)
}

fn rules(settings: &Settings) -> Rules {
    Rules { runtime_version: settings.runtime_version.clone(), allow_out_of_order: settings.allow_out_of_order }
}

fn incompatible(assessment: Assessment) -> Error {
    let worst = assessment.reasons.iter().filter(|reason| reason.code.verdict() == Verdict::Incompatible);
    let sentences: Vec<&str> = worst.clone().map(|reason| &*reason.message).collect();
    let message = format!("the database is incompatible with this program: {}", sentences.join("; "));
    let help = worst.filter_map(|reason| reason.remedy.clone()).next();
    let error = Error::new(ErrorKind::Incompatible, message);
    let error = match help {
        Some(help) => error.with_help(help),
        None => error,
    };
    error.with_assessment(assessment)
}

/// Whether a finding says that the tables are not ours or not readable.
fn is_foreign(reason: &Reason) -> bool {
    matches!(reason.code, ReasonCode::OtherRegistry | ReasonCode::NewerFormat)
}

fn plan_error(error: &PlanError) -> Error {
    Error::new(ErrorKind::Plan, error.to_string()).with_migration(error.version()).with_help(error.help())
}
