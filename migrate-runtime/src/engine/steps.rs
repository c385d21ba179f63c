//! Executing the steps of a plan: in order, with retries, and outside a transaction segment by segment.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use migrate_core::plan::{Plan, Step};
use migrate_core::sql::{Segment, SegmentKind};

use super::{Migrate, plan_error, work};
use crate::backend::{Backend, Fence, Run, Work};
use crate::error::Error;
use crate::observer::Event;
use crate::report::{StepOutcome, StepReport};

/// The steps that were done, and why there are no more.
pub(super) struct Ended {
    pub(super) steps: Vec<StepReport>,
    pub(super) error: Option<Error>,
}

impl Migrate {
    /// Executes a plan, as far as its steps succeed.
    pub(super) async fn execute<B: Backend>(&self, backend: &mut B, run: &Run, fence: Fence, plan: &Plan) -> Ended {
        let mut ended = Ended { steps: Vec::new(), error: None };
        let steps = &plan.steps;
        let works = match work::prepare(backend, &self.registry, &self.settings, steps).await {
            Ok(works) => works,
            Err(error) => return Ended { error: Some(error), ..ended },
        };
        let mut reached: Vec<Option<u32>> = steps.iter().map(|step| step.resume_after).collect();
        let mut tries = 0;
        while ended.steps.len() < works.len() {
            let before = ended.steps.len();
            let began = Instant::now();
            let advanced = self.advance(backend, run, fence, &works[before..], &mut reached[before], &mut ended.steps);
            let Err(error) = advanced.await else {
                tries = 0;
                continue;
            };
            if ended.steps.len() > before {
                tries = 0;
            }
            let step = works[ended.steps.len()].step;
            let recorded = self.record_failure(backend, run, fence, step, &error).await;
            // A database that is too busy to record the failure may be free at the next try.
            let passes = error.is_retryable() && recorded.as_ref().err().is_none_or(Error::is_retryable);
            let retry = passes && tries < self.settings.max_retries;
            let error = error.and_also("the failure could not be recorded", recorded);
            if retry {
                self.tell(&Event::Retrying { step, error: &error });
                let Err(cancelled) = backend.sleep(self.retry_pause(tries)).await else {
                    tries += 1;
                    continue;
                };
                ended.error = Some(cancelled);
                return ended;
            }
            let failed = report_of(step, StepOutcome::Failed, began.elapsed());
            self.tell(&Event::StepEnded(&failed));
            ended.steps.push(failed);
            ended.error = Some(error);
            return ended;
        }
        ended.error = plan.ends_with.as_ref().map(plan_error);
        ended
    }

    /// Does the next step that runs outside a transaction, or all transactional ones up to it.
    async fn advance<B: Backend>(
        &self,
        backend: &mut B,
        run: &Run,
        fence: Fence,
        works: &[Work<'_>],
        reached: &mut Option<u32>,
        done: &mut Vec<StepReport>,
    ) -> Result<(), Error> {
        let mut ended = |step: &Step, duration| {
            let report = report_of(step, StepOutcome::Done, duration);
            self.tell(&Event::StepEnded(&report));
            done.push(report);
        };
        let transactional = works.iter().take_while(|work| work.transactional).count();
        if transactional > 0 {
            let works = &works[..transactional];
            return backend.apply(run, fence, works, &mut |index, duration| ended(works[index].step, duration)).await;
        }
        let work = &works[0];
        self.tell(&Event::StepStarted(work.step));
        let duration = statement_by_statement(backend, run, fence, work, reached).await?;
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

    pub(super) fn retry_pause(&self, tries: u32) -> Duration {
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(self.settings.retry_delay)
            .with_max_delay(Duration::from_secs(10))
            .with_jitter()
            .without_max_times()
            .build();
        pauses.nth(tries as usize).unwrap_or(self.settings.retry_delay)
    }
}

/// Executes a step outside a transaction: each segment with its progress, then the verification and the final row.
///
/// `reached` says how many segments an earlier run or an earlier try finished, and is kept up to date; `None` as long as
/// the ledger says nothing of the step.
async fn statement_by_statement<B: Backend>(
    backend: &mut B,
    run: &Run,
    fence: Fence,
    work: &Work<'_>,
    reached: &mut Option<u32>,
) -> Result<Duration, Error> {
    let began = Instant::now();
    let segments = work.script.segments(B::DIALECT)?;
    let finished = reached.unwrap_or(0);
    let mut untouched = reached.is_none();
    if untouched {
        backend.begin(run, fence, work).await?;
        *reached = Some(0);
    }
    for (number, segment) in (1..).zip(&segments) {
        if number <= finished {
            replay(backend, fence, work, segment).await?;
            continue;
        }
        // A statement that runs bare may leave something behind even when it fails, an invalid index for example.
        untouched &= !matches!(segment.kind, SegmentKind::Bare(_));
        if let Err(error) = backend.segment(fence, work, segment, Some(number)).await {
            if !untouched {
                return Err(error);
            }
            *reached = None;
            return Err(abandon(backend, fence, work.step, error).await);
        }
        *reached = Some(number);
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
        backend.segment(fence, work, &again, None).await?;
    }
    Ok(())
}

/// Takes the beginning of a step back that failed before anything of it took effect.
async fn abandon<B: Backend>(backend: &mut B, fence: Fence, step: &Step, error: Error) -> Error {
    let taken_back = match backend.restore_session().await {
        Ok(()) => backend.abandon(fence, step).await,
        failed => failed,
    };
    error.and_also("and its row stays marked as interrupted", taken_back)
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
