//! Executing the steps of a plan: in order, with retries, and outside a transaction segment by segment.

use std::time::{Duration, Instant};

use migrate_core::instances::Demand;
use migrate_core::ledger::LedgerRow;
use migrate_core::plan::{Direction, Plan, Step};
use migrate_core::sql::{Segment, SegmentKind};

use super::gate::{Blocked, Gate};
use super::{Migrate, plan_error, retry_pause, work};
use crate::backend::{Backend, Fence, Place, Raised, Run, Work, lock_lost};
use crate::error::{DatabaseError, Error, ErrorKind};
use crate::health::Health;
use crate::observer::{Event, Progress};
use crate::report::{RunBackup, StepOutcome, StepReport};

/// How often the connection may be lost while the same step is under way, and the step is sent again. A statement that takes
/// the server down with it would do so each time, and with it every other session.
const LOSSES: u32 = 2;

/// The steps that were done, and why there are no more.
pub(super) struct Ended {
    pub(super) steps: Vec<StepReport>,
    pub(super) error: Option<Error>,
    /// Who was in the way, if somebody was.
    pub(super) blocked: Option<Blocked>,
    pub(super) lock: Lock,
    pub(super) health: Health,
    /// What became of the backup before them.
    pub(super) backup: Option<RunBackup>,
}

/// What became of the run lock.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    /// It is held, and this proves it.
    Held(Fence),
    /// Another run took this one's place while its connection was lost.
    Overtaken,
    /// The database cannot be reached any more.
    OutOfReach,
}

/// A plan that is being executed.
pub(super) struct Walk<'a> {
    pub(super) works: &'a [Work<'a>],
    /// What each step demands of running programs.
    pub(super) demands: &'a [Demand],
    /// The first step before which it has to be looked whether running programs are in the way.
    pub(super) open_until: usize,
    /// For how long heartbeats were kept from the database so far, or steps were being executed.
    pub(super) at_work: Duration,
    /// How far each step has come that runs outside a transaction.
    reached: Vec<Reached>,
    pub(super) steps: Vec<StepReport>,
    pub(super) fence: Fence,
    /// How often the next step was tried in vain.
    tries: u32,
    /// How often the connection was lost meanwhile.
    losses: u32,
}

/// How far a step outside a transaction has come, as the ledger says.
#[derive(Clone, Copy)]
struct Reached {
    /// How many of its segments are finished; `None` as long as the ledger says nothing of the step.
    finished: Option<u32>,
    /// Whether the segment behind them was begun, and nobody saw how it ended.
    uncertain: bool,
    /// Whether the ledger still has to take over the script, which was changed behind what is done.
    changed: bool,
}

impl<'a> Walk<'a> {
    fn new(works: &'a [Work<'a>], demands: &'a [Demand], fence: Fence) -> Self {
        let open_until = demands.iter().position(|demand| *demand != Demand::Nothing).unwrap_or(works.len());
        let reached = works.iter().map(|work| &work.step);
        let reached = reached.map(|step| Reached {
            finished: step.resume_after,
            uncertain: step.uncertain,
            changed: step.script_changed,
        });
        let (reached, steps, at_work) = (reached.collect(), Vec::with_capacity(works.len()), Duration::ZERO);
        Self { works, demands, open_until, at_work, reached, steps, fence, tries: 0, losses: 0 }
    }

    /// The walk itself, which ends.
    #[cfg(feature = "backup")]
    fn take(&mut self) -> Self {
        let (works, demands, fence) = (self.works, self.demands, self.fence);
        std::mem::replace(self, Walk::new(works, demands, fence))
    }

    /// The step to be done next.
    fn next(&self) -> Option<&'a Work<'a>> {
        self.works.get(self.steps.len())
    }

    fn end(self, error: Option<Error>, lock: Lock) -> Ended {
        Ended { steps: self.steps, error, blocked: None, lock, health: Health::default(), backup: None }
    }
}

impl Migrate {
    /// Executes a plan, as far as its steps succeed; before that takes the backup that the options ask for. Checks before
    /// have kept heartbeats from the database for so long.
    pub(super) async fn execute<B: Backend>(
        &self,
        backend: &mut B,
        run: &mut Run,
        fence: Fence,
        plan: &Plan,
        demands: &[Demand],
        kept_out: Duration,
    ) -> Ended {
        let nothing_done = |error| Walk::new(&[], &[], fence).end(Some(error), Lock::Held(fence));
        let works = match work::prepare(backend, &self.registry, &self.settings, &plan.steps).await {
            Ok(works) => works,
            Err(error) => return nothing_done(error),
        };
        if let Some(error) = works.iter().find_map(|work| backend.accepts(work).err()) {
            return nothing_done(error);
        }
        let mut walk = Walk::new(&works, demands, fence);
        walk.at_work = kept_out;
        #[cfg(feature = "backup")]
        {
            // Who has to wait waits first: what is written meanwhile is in the backup.
            if self.settings.backup.is_some()
                && let Err(ended) = self.gate_first(backend, run, &mut walk).await
            {
                return ended;
            }
            let began = Instant::now();
            let before = match self.settings.stop.is_asked() {
                true => Ok(None),
                false => self.back_up(backend, run, plan, &works).await,
            };
            let before = match before {
                Ok(before) => before,
                Err(error) => {
                    let lock = Lock::Held(walk.fence);
                    return walk.end(Some(error), lock);
                }
            };
            if backend.reads_keep_writers_out() {
                walk.at_work += began.elapsed();
            }
            let mut ended = self.execute_works(backend, run, plan, walk).await;
            if let Some(before) = before {
                ended.backup = Some(before.report.clone());
                self.recover_from_backup(backend, run, &before, &mut ended).await;
                self.settle_backup(backend, run, &before, &mut ended).await;
            }
            ended
        }
        #[cfg(not(feature = "backup"))]
        self.execute_works(backend, run, plan, walk).await
    }

    /// Passes the gate of a first step that running programs may not survive. It is looked at again before the step.
    #[cfg(feature = "backup")]
    async fn gate_first<B: Backend>(&self, backend: &mut B, run: &Run, walk: &mut Walk<'_>) -> Result<(), Ended> {
        let Some(work) = walk.next().filter(|_| walk.open_until == 0) else {
            return Ok(());
        };
        let began = Instant::now();
        loop {
            if self.settings.stop.is_asked() {
                return Ok(());
            }
            let error = match self.gate(backend, run, walk).await {
                // What was ignored was recorded, once.
                Ok(Gate::Open) if self.settings.ignore_instances => return Ok(()),
                Ok(Gate::Open) => {
                    walk.open_until = 0;
                    return Ok(());
                }
                Ok(Gate::Stopped) => return Ok(()),
                Ok(Gate::Blocked(blocked)) => return Err(self.blocked(walk.take(), blocked)),
                Err(error) => error,
            };
            if let Err((error, lock)) = self.after_failure(backend, run, walk, error).await {
                return Err(self.failed(walk.take(), work.step, (error, lock), began));
            }
            walk.tries += 1;
        }
    }

    async fn execute_works<B: Backend>(&self, backend: &mut B, run: &Run, plan: &Plan, mut walk: Walk<'_>) -> Ended {
        while let Some(work) = walk.next() {
            if self.settings.stop.is_asked() {
                let error = stopped_before(work.step).noting(&committed(walk.steps.len()));
                let lock = Lock::Held(walk.fence);
                return walk.end(Some(error), lock);
            }
            let began = Instant::now();
            let before = walk.steps.len();
            let advanced = match self.gate(backend, run, &mut walk).await {
                Ok(Gate::Open) => {
                    let at_work = Instant::now();
                    let advanced = self.advance(backend, run, &mut walk).await;
                    walk.at_work += at_work.elapsed();
                    advanced
                }
                Ok(Gate::Stopped) => continue,
                Ok(Gate::Blocked(blocked)) => return self.blocked(walk, blocked),
                Err(error) => Err(error),
            };
            if walk.steps.len() > before {
                (walk.tries, walk.losses) = (0, 0);
            }
            let Err(error) = advanced else {
                continue;
            };
            let Err((error, lock)) = self.after_failure(backend, run, &mut walk, error).await else {
                walk.tries += 1;
                continue;
            };
            let step = walk.next().unwrap_or(work).step;
            return self.failed(walk, step, (error, lock), began);
        }
        let lock = Lock::Held(walk.fence);
        walk.end(plan.ends_with.as_ref().map(plan_error), lock)
    }

    /// The end of a run before a step that running programs would not survive.
    fn blocked(&self, walk: Walk<'_>, blocked: Blocked) -> Ended {
        let error = (!self.settings.defer_breaking).then(|| blocked.error());
        let lock = Lock::Held(walk.fence);
        Ended { blocked: Some(blocked), ..walk.end(error, lock) }
    }

    /// The end of a run whose step failed for good.
    fn failed(&self, mut walk: Walk<'_>, step: &Step, (error, lock): (Error, Lock), began: Instant) -> Ended {
        let error = match error.kind() {
            ErrorKind::Cancelled => error.noting(&committed(walk.steps.len())),
            _ => error,
        };
        let failed = report_of(step, StepOutcome::Failed, began.elapsed());
        self.tell(&Event::StepEnded(&failed));
        walk.steps.push(failed);
        walk.end(Some(error), lock)
    }

    /// Finds out what a failure left, records it, and waits if the step is to be tried again.
    ///
    /// # Errors
    ///
    /// The failure, when it is not to be tried again.
    async fn after_failure<B: Backend>(
        &self,
        backend: &mut B,
        run: &Run,
        walk: &mut Walk<'_>,
        error: Error,
    ) -> Result<(), (Error, Lock)> {
        let Some(work) = walk.next() else {
            return Err((error, Lock::Held(walk.fence)));
        };
        if error.is_connection_lost() {
            return self.after_lost_connection(backend, run, walk, error).await;
        }
        let recorded = self.record_failure(backend, run, walk.fence, work.step, &error).await;
        let lost = recorded.as_ref().is_err_and(Error::is_connection_lost);
        // A database that is too busy to record the failure may be free at the next try.
        let passes = error.is_retryable() && recorded.as_ref().err().is_none_or(Error::is_retryable);
        let error = error.and_also("the failure could not be recorded", recorded);
        if lost {
            return self.after_lost_connection(backend, run, walk, error).await;
        }
        if !passes || walk.tries >= self.settings.max_retries {
            return Err((error, Lock::Held(walk.fence)));
        }
        if self.settings.stop.is_asked() {
            return Ok(());
        }
        self.tell(&Event::Retrying { step: work.step, error: &error });
        let slept = self.pause(backend, retry_pause(&self.settings, walk.tries)).await;
        slept.map_err(|cancelled| (cancelled, Lock::Held(walk.fence)))
    }

    /// Connects again, and goes on from what the ledger says then: a commit whose answer was lost may have taken effect.
    async fn after_lost_connection<B: Backend>(
        &self,
        backend: &mut B,
        run: &Run,
        walk: &mut Walk<'_>,
        lost: Error,
    ) -> Result<(), (Error, Lock)> {
        let (text, location) = (lost.to_string(), lost.location().cloned());
        let in_our_words = || DatabaseError { message: text.clone(), ..DatabaseError::default() };
        let database = lost.database().cloned().unwrap_or_else(in_our_words);
        let (done, snapshot) = match self.recover(backend, run, walk.fence, lost).await {
            Ok(Raised::Ours { fence, done, snapshot }) => {
                walk.fence = fence;
                (done, snapshot)
            }
            Ok(_) => return Err((lock_lost(walk.fence), Lock::Overtaken)),
            Err(error) => return Err((error, Lock::OutOfReach)),
        };
        for (work, duration) in walk.works.iter().zip(done).skip(walk.steps.len()) {
            let report = report_of(work.step, StepOutcome::Done, duration);
            self.tell(&Event::StepEnded(&report));
            walk.steps.push(report);
            (walk.tries, walk.losses) = (0, 0);
        }
        let Some(work) = walk.next() else {
            return Ok(());
        };
        let row = snapshot.find(work.step.version).filter(|row| !row.status.is_complete());
        let reached = &mut walk.reached[walk.steps.len()];
        reached.finished = row.map(|row| row.progress);
        reached.uncertain = row.is_some_and(LedgerRow::is_uncertain);
        let lost = Error::new(ErrorKind::Database, text);
        let recorded = backend.failed(run, walk.fence, work.step, &lost).await;
        if walk.losses >= LOSSES.min(self.settings.max_retries) {
            let error = lost_each_time(work.step, walk.losses + 1)
                .and_also("the failure could not be recorded", recorded)
                .with_database(database);
            let error = match location {
                Some(location) => error.with_location(location),
                None => error,
            };
            return Err((error, Lock::Held(walk.fence)));
        }
        let lost = lost.and_also("the failure could not be recorded", recorded);
        walk.losses += 1;
        self.tell(&Event::Retrying { step: work.step, error: &lost });
        let slept = self.pause(backend, retry_pause(&self.settings, walk.tries)).await;
        slept.map_err(|cancelled| (cancelled, Lock::Held(walk.fence)))
    }

    /// Does the next step that runs outside a transaction, or all transactional ones up to it.
    async fn advance<B: Backend>(&self, backend: &mut B, run: &Run, walk: &mut Walk<'_>) -> Result<(), Error> {
        let before = walk.steps.len();
        let works = &walk.works[before..walk.open_until];
        let mut ended = |step: &Step, duration| {
            let report = report_of(step, StepOutcome::Done, duration);
            self.tell(&Event::StepEnded(&report));
            walk.steps.push(report);
        };
        let transactional = works.iter().take_while(|work| work.transactional).count();
        if transactional > 0 {
            let works = &works[..transactional];
            let mut done = |index: usize, duration| ended(works[index].step, duration);
            return backend.apply(run, walk.fence, works, &mut done).await;
        }
        let work = &works[0];
        self.tell(&Event::StepStarted(work.step));
        let mut tell = |progress: Progress| self.tell(&Event::Progress { step: work.step, progress: &progress });
        let reached = &mut walk.reached[before];
        let duration = statement_by_statement(backend, run, walk.fence, work, reached, &mut tell).await?;
        ended(work.step, duration);
        Ok(())
    }

    async fn record_failure<B: Backend>(
        &self,
        backend: &mut B,
        run: &Run,
        fence: Fence,
        step: &Step,
        error: &Error,
    ) -> Result<(), Error> {
        backend.restore_session().await?;
        backend.failed(run, fence, step, error).await
    }
}

/// Executes a step outside a transaction: each segment with its progress, then the verification and the final row.
///
/// `reached` says how far an earlier run or an earlier try came, and is kept up to date.
async fn statement_by_statement<B: Backend>(
    backend: &mut B,
    run: &Run,
    fence: Fence,
    work: &Work<'_>,
    reached: &mut Reached,
    tell: &mut (dyn FnMut(Progress) + Send),
) -> Result<Duration, Error> {
    let began = Instant::now();
    let segments = work.script.segments(B::DIALECT)?;
    let finished = reached.finished.unwrap_or(0);
    let mut untouched = reached.finished.is_none();
    if untouched {
        backend.begin(run, fence, work).await?;
        reached.finished = Some(0);
    } else if reached.changed {
        backend.adopt(run, fence, work).await?;
    }
    reached.changed = false;
    for (number, segment) in (1..).zip(&segments) {
        if number <= finished {
            replay(backend, fence, work, segment).await?;
            continue;
        }
        // A statement that runs bare may leave something behind even when it fails, an invalid index for example.
        untouched &= !matches!(segment.kind, SegmentKind::Bare(_));
        let place = Place { number, uncertain: reached.uncertain };
        let ran = match work.stop.is_asked() {
            true => Err(stopped_within(work.step, number, segments.len())),
            false => backend.segment(fence, work, segment, Some(place), tell).await,
        };
        if let Err(error) = ran {
            if !untouched || error.is_connection_lost() || error.is_half_done() {
                return Err(error);
            }
            reached.finished = None;
            return Err(abandon(backend, fence, work.step, number - 1, error).await);
        }
        *reached = Reached { finished: Some(number), uncertain: false, changed: false };
        untouched &= segment.kind == SegmentKind::Session;
    }
    let duration = began.elapsed();
    backend.restore_session().await?;
    backend.finish(run, fence, work, duration).await?;
    Ok(duration)
}

/// Sets again what a finished segment set in the session: a resumed run has another session.
async fn replay<B: Backend>(backend: &mut B, fence: Fence, work: &Work<'_>, segment: &Segment) -> Result<(), Error> {
    for statement in segment.replayed(&work.script.sql) {
        let (start, end) = (statement.start, statement.end);
        let again = Segment { start, end, kind: SegmentKind::Session, statements: vec![*statement] };
        backend.segment(fence, work, &again, None, &mut |_| ()).await?;
    }
    Ok(())
}

/// Takes the beginning of a step back that failed before anything of it took effect.
async fn abandon<B: Backend>(backend: &mut B, fence: Fence, step: &Step, finished: u32, error: Error) -> Error {
    let taken_back = match backend.restore_session().await {
        Ok(()) => backend.abandon(fence, step, finished).await,
        failed => failed,
    };
    error.and_also("and its row stays marked as interrupted", taken_back)
}

/// The end of a run that was asked to stop.
fn stopped_before(step: &Step) -> Error {
    let (what, help) = match step.direction {
        Direction::Up => ("", "`migrate up` goes on from there"),
        Direction::Down => ("undoing ", "`migrate status` shows where it stands; go on with `migrate down`"),
    };
    let message = format!("the run was stopped before {what}{} `{}`", step.version, step.name);
    Error::new(ErrorKind::Cancelled, message).with_help(help)
}

/// The end of a step outside a transaction that was asked to stop.
fn stopped_within(step: &Step, number: u32, of: usize) -> Error {
    let (what, again) = match step.direction {
        Direction::Up => ("migration", "up"),
        Direction::Down => ("undoing migration", "down"),
    };
    let message = format!("{what} {} `{}` was stopped before its part {number} of {of}", step.version, step.name);
    Error::new(ErrorKind::Cancelled, message)
        .with_migration(step.version)
        .with_help(format!("`migrate {again}` goes on with this part"))
}

/// The end of a step whose connection does not outlive it.
fn lost_each_time(step: &Step, losses: u32) -> Error {
    let message = match losses {
        1 => format!("the connection was lost while {} `{}` was under way", step.version, step.name),
        _ => format!("the connection was lost {losses} times while {} `{}` was under way", step.version, step.name),
    };
    Error::new(ErrorKind::Database, format!("{message}; it is not sent again"))
        .with_migration(step.version)
        .with_help("see in the server's log whether a statement of it ends the server; `migrate up` goes on from there")
}

fn committed(steps: usize) -> String {
    match steps {
        0 => "no step of this run was done".to_owned(),
        1 => "1 step before it is committed and stays".to_owned(),
        steps => format!("{steps} steps before it are committed and stay"),
    }
}

fn report_of(step: &Step, outcome: StepOutcome, duration: Duration) -> StepReport {
    StepReport {
        version: step.version,
        name: step.name.clone(),
        direction: step.direction,
        outcome,
        execution_time_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
    }
}
