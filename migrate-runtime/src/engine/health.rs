//! Health checks: around the steps of a run, and all of them by themselves.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use migrate_core::compat::{self, Assessment};
use migrate_core::fingerprint::Fingerprint;
use migrate_core::health::{self, Check, CheckResult, CheckState, Conclusion, Found, Moment, Severity};
use migrate_core::ledger::{LedgerRow, Snapshot, Status};
use migrate_core::migration::{Dialect, Role};
use migrate_core::plan::{Direction, Origin, Step, Target, plan};
use migrate_core::registry::Registry;
use migrate_core::version::SchemaVersion;

use super::steps::{Ended, Lock};
use super::{Decision, Migrate, rules, with_changed_scripts, work};
use crate::backend::{Backend, Fence, Question, Raised, Run, Work, lock_lost};
use crate::call::Operation;
use crate::error::{Error, ErrorKind};
use crate::health::{Health, HealthChecks};
use crate::migrator::SharedRegistry;
use crate::observer::Event;
use crate::options::{Settings, Tables};

impl Migrate {
    /// Executes a plan between the checks before it and those after it.
    pub(super) async fn execute_between_checks<B: Backend>(
        &self,
        backend: &mut B,
        run: &mut Run,
        fence: Fence,
        decision: &Decision,
    ) -> Ended {
        let mut fence = fence;
        let subject = Subject { assessment: &decision.assessment, steps: &decision.plan.steps };
        let began = Instant::now();
        let before = match self.checked(backend, run, &mut fence, &subject, Moment::Before).await {
            Ok(before) => before,
            Err((error, lock)) => return ended_early(error, lock, Health::default()),
        };
        if let Some(failed) = before.iter().find(|result| result.is_error()) {
            let error = stopped_by(failed);
            return ended_early(error, Lock::Held(fence), Health { before, after: Vec::new() });
        }
        let kept_out = if backend.reads_keep_writers_out() { began.elapsed() } else { Duration::ZERO };
        let mut ended = self.execute(backend, run, fence, &decision.plan, &decision.demands, kept_out).await;
        ended.health.before = before;
        if let (None, Lock::Held(mut fence)) = (&ended.error, ended.lock) {
            // A run that was deferred did less than it set out to do.
            let steps = &decision.plan.steps[..ended.steps.len()];
            let subject = Subject { assessment: &decision.assessment, steps };
            match self.checked(backend, run, &mut fence, &subject, Moment::After).await {
                Ok(after) => {
                    ended.health.after = after;
                    ended.lock = Lock::Held(fence);
                }
                Err((error, lock)) => (ended.error, ended.lock) = (Some(error), lock),
            }
            #[cfg(feature = "backup")]
            self.restore_unhealthy(backend, run, &mut ended).await;
        }
        ended
    }

    /// Makes the checks of a moment; over a new connection when the old one is lost meanwhile.
    async fn checked<B: Backend>(
        &self,
        backend: &mut B,
        run: &Run,
        fence: &mut Fence,
        subject: &Subject<'_>,
        moment: Moment,
    ) -> Result<Vec<CheckResult>, (Error, Lock)> {
        if self.settings.health.checks == HealthChecks::Off {
            return Ok(Vec::new());
        }
        let examination = Examination { registry: &self.registry, settings: &self.settings };
        let mut losses = 0;
        loop {
            let error = match examination.around(backend, subject, moment).await {
                Ok(results) => {
                    let failed = results.iter().filter(|result| result.state == CheckState::Failed);
                    failed.for_each(|result| self.tell(&Event::CheckFailed(result)));
                    return Ok(results);
                }
                Err(error) => error,
            };
            if !error.is_connection_lost() || losses == self.settings.max_retries {
                return Err((error, Lock::Held(*fence)));
            }
            losses += 1;
            match self.recover(backend, run, *fence, error).await {
                Ok(Raised::Ours { fence: raised, .. }) => *fence = raised,
                Ok(_) => return Err((lock_lost(*fence), Lock::Overtaken)),
                Err(error) => return Err((error, Lock::OutOfReach)),
            }
        }
    }
}

/// Makes every check there is.
#[derive(Debug)]
pub(crate) struct CheckHealth {
    pub(crate) registry: SharedRegistry,
    pub(crate) settings: Settings,
}

impl Operation for CheckHealth {
    type Output = Vec<CheckResult>;

    fn tables(&self) -> Tables {
        self.settings.tables.clone()
    }

    async fn run<B: Backend>(self, backend: &mut B) -> Result<Vec<CheckResult>, Error> {
        Examination { registry: &self.registry, settings: &self.settings }.everything(backend).await
    }
}

/// What checks need to know beside the database.
struct Examination<'a> {
    registry: &'a Registry,
    settings: &'a Settings,
}

/// How a check finds out what it has to.
enum Ask<'a> {
    Question(Question),
    Writing,
    Verifying(&'a Work<'a>),
}

impl Examination<'_> {
    /// The checks of a moment in a run. An error is a lost connection, or a run that is no longer wanted.
    async fn around<B: Backend>(
        &self,
        backend: &mut B,
        subject: &Subject<'_>,
        moment: Moment,
    ) -> Result<Vec<CheckResult>, Error> {
        let began = Instant::now();
        let full = self.settings.health.checks == HealthChecks::Full;
        let is_wanted = |check: &Check| {
            check.moments().contains(&moment) && check.dialects().contains(&B::DIALECT) && (full || check.is_basic())
        };
        let wanted: Vec<Check> = Check::ALL.iter().copied().filter(is_wanted).collect();
        let after = snapshot_after(subject.assessment, subject.steps);
        let asked: Vec<(Check, Question)> = wanted
            .iter()
            .filter_map(|check| Some((*check, self.question(*check, &after, subject.steps, B::DIALECT)?)))
            .collect();
        let ledger = moment == Moment::After;
        let (mut results, found) =
            if full { (Vec::new(), None) } else { self.at_once(backend, &asked, ledger).await? };
        if results.is_empty() {
            for (check, question) in asked {
                results.push(self.one(backend, check, &Ask::Question(question)).await?);
            }
        }
        let found = match found {
            None if ledger => backend.observe(&[], true, self.settings.health.timeout).await?.fingerprint,
            found => found,
        };
        let stands = if !ledger {
            // What forbids a run has refused it by now.
            Conclusion { severity: Severity::Warning, ..health::ledger_stands(subject.assessment, subject.steps) }
        } else if found == Some(self.fingerprint(&after, B::DIALECT)) {
            health::conclude(Check::Ledger, Found::Problems(Vec::new()))
        } else {
            let snapshot = backend.read().await?;
            let held = health::ledger_holds(self.registry, &snapshot, B::DIALECT, subject.steps);
            health::conclude(Check::Ledger, held)
        };
        results.push(result(Check::Ledger, stands, 1, began));
        results.push(result(Check::Connectivity, answers(), 1, began));
        if wanted.contains(&Check::WriteAccess) {
            results.push(self.one(backend, Check::WriteAccess, &Ask::Writing).await?);
        }
        if wanted.contains(&Check::Verification) {
            results.push(self.verification(backend, &after).await?);
        }
        results.sort_by_key(|result| result.check);
        Ok(results)
    }

    /// The fingerprint of a ledger in which these rows stand; one without a checksum has that of the registry.
    fn fingerprint(&self, ledger: &Snapshot, dialect: Dialect) -> u64 {
        let mut fingerprint = Fingerprint::default();
        for row in &ledger.rows {
            let version = row.version.to_string();
            let registered = self.registry.find(row.version).filter(|_| row.checksum.is_empty());
            let Some(migration) = registered else {
                fingerprint.add(&version, &row.checksum, row.min_runtime_version.as_deref(), row.status.as_str());
                continue;
            };
            let checksum = migration.script(Role::Up, dialect).map(|script| script.checksum.to_string());
            let minimum = migration.min_runtime_version().map(|version| version.to_string());
            let checksum = checksum.unwrap_or_default();
            fingerprint.add(&version, &checksum, minimum.as_deref(), row.status.as_str());
        }
        fingerprint.value()
    }

    /// Every check, one by one.
    async fn everything<B: Backend>(&self, backend: &mut B) -> Result<Vec<CheckResult>, Error> {
        let began = Instant::now();
        let read = match backend.read().await {
            Ok(snapshot) => with_changed_scripts(backend, self.registry, snapshot).await,
            Err(error) if error.kind() == ErrorKind::Unreachable => return Err(error),
            failed => failed,
        };
        let mut results = vec![result(Check::Connectivity, answers(), 1, began)];
        let snapshot = match read {
            Ok(snapshot) => {
                let assessment = compat::judge(self.registry, &snapshot, B::DIALECT, &rules(self.settings));
                results.push(result(Check::Ledger, health::ledger_stands(&assessment, &[]), 1, began));
                Some(snapshot)
            }
            Err(error) if error.is_connection_lost() => return Err(error),
            // A damaged file may have a ledger that cannot be read; the other checks say more of it.
            Err(error) => {
                results.push(result(Check::Ledger, failed(Check::Ledger, &error), 1, began));
                None
            }
        };
        let present = snapshot.clone().unwrap_or_default();
        let planned = plan(self.registry, &present, B::DIALECT, Target::Latest).unwrap_or_default();
        for check in Check::ALL.iter().copied().filter(|check| check.dialects().contains(&B::DIALECT)) {
            if let Some(question) = self.question(check, &present, &planned.steps, B::DIALECT) {
                results.push(self.one(backend, check, &Ask::Question(question)).await?);
            }
        }
        results.push(self.one(backend, Check::WriteAccess, &Ask::Writing).await?);
        results.push(self.verification(backend, &present).await?);
        results.sort_by_key(|result| result.check);
        Ok(results)
    }

    /// What a check asks of a ledger and of steps to be done; `None` if it is answered otherwise.
    fn question(&self, check: Check, ledger: &Snapshot, steps: &[Step], dialect: Dialect) -> Option<Question> {
        Some(match check {
            Check::DiskSpace => Question::DiskSpace,
            Check::Integrity => Question::Integrity,
            Check::InvalidIndexes => Question::InvalidIndexes,
            Check::PreparedTransactions => Question::PreparedTransactions,
            Check::LongTransactions => Question::LongTransactions(self.settings.health.long_transaction),
            Check::Blockers => Question::Blockers(self.settings.lock_timeout),
            Check::ReplicationSlots => Question::ReplicationSlots,
            Check::Ownership => Question::Ownership(health::changed_tables(self.registry, steps)),
            Check::ExpectedObjects => Question::Missing(health::expected(self.registry, ledger, dialect)),
            Check::ForeignKeys => Question::ForeignKeys,
            Check::Constraints => Question::Constraints,
            _ => return None,
        })
    }

    /// Asks everything at once; nothing when that fails, so that each can be asked by itself.
    async fn at_once<B: Backend>(
        &self,
        backend: &mut B,
        asked: &[(Check, Question)],
        ledger: bool,
    ) -> Result<(Vec<CheckResult>, Option<u64>), Error> {
        let began = Instant::now();
        let questions: Vec<Question> = asked.iter().map(|(_, question)| question.clone()).collect();
        match backend.observe(&questions, ledger, self.settings.health.timeout).await {
            Ok(observed) => {
                let conclude = |((check, _), found): (&(Check, Question), Found)| {
                    result(*check, health::conclude(*check, found), 1, began)
                };
                Ok((asked.iter().zip(observed.found).map(conclude).collect(), observed.fingerprint))
            }
            Err(error) if error.is_connection_lost() => Err(error),
            Err(_) => Ok((Vec::new(), None)),
        }
    }

    /// Makes one check, again if its failure may pass.
    async fn one<B: Backend>(&self, backend: &mut B, check: Check, ask: &Ask<'_>) -> Result<CheckResult, Error> {
        let began = Instant::now();
        let bound = self.settings.health.timeout;
        let mut tries = 0;
        loop {
            tries += 1;
            let found = match ask {
                Ask::Question(question) => {
                    let observed = backend.observe(std::slice::from_ref(question), false, bound).await;
                    observed.map(|mut observed| observed.found.pop().unwrap_or(Found::Problems(Vec::new())))
                }
                Ask::Writing => backend.try_writing(bound).await,
                Ask::Verifying(work) => backend.verify_again(work, bound).await,
            };
            let conclusion = match found {
                Ok(found) => health::conclude(check, found),
                Err(error) if error.is_connection_lost() => return Err(error),
                Err(error) if error.is_retryable() && tries <= self.settings.health.retries => {
                    backend.sleep(self.settings.retry_delay).await?;
                    continue;
                }
                Err(error) if error.is_out_of_time() => Conclusion {
                    state: CheckState::Failed,
                    severity: check.severity(),
                    message: format!("it did not end within {bound:?}"),
                    help: Some("allow it longer with `--health-timeout`, or see what holds it up".to_owned()),
                },
                Err(error) => failed(check, &error),
            };
            return Ok(result(check, conclusion, tries, began));
        }
    }

    /// Runs the newest verify script again.
    async fn verification<B: Backend>(&self, backend: &mut B, snapshot: &Snapshot) -> Result<CheckResult, Error> {
        let check = Check::Verification;
        let none = |why: &str| health::conclude(check, Found::Unknown(why.to_owned()));
        let Some(migration) = health::newest_verify(self.registry, snapshot, B::DIALECT) else {
            return Ok(result(check, none("no applied migration has a verify script"), 1, Instant::now()));
        };
        let step = Step {
            version: migration.version(),
            name: migration.name().to_owned(),
            direction: Direction::Up,
            origin: Origin::Registry,
            resume_after: None,
            uncertain: false,
            script_changed: false,
        };
        match work::of_registry(self.registry, self.settings, &step, B::DIALECT) {
            Some(work) => self.one(backend, check, &Ask::Verifying(&work)).await,
            None => Ok(result(check, none("its migration has no up script here"), 1, Instant::now())),
        }
    }
}

/// What a run found, and what it is to do or has done.
struct Subject<'a> {
    assessment: &'a Assessment,
    steps: &'a [Step],
}

/// The ledger as it must be once steps are done, with what checks ask of it: of the rows that the steps write, which there are.
fn snapshot_after(assessment: &Assessment, steps: &[Step]) -> Snapshot {
    // The last step of a version says what becomes of it.
    let last: BTreeMap<SchemaVersion, Direction> = steps.iter().map(|step| (step.version, step.direction)).collect();
    let left = assessment.migrations.iter().filter_map(|entry| entry.row.as_deref());
    let left = left.filter(|row| !last.contains_key(&row.version)).cloned();
    let applied = last.iter().filter(|(_, direction)| **direction == Direction::Up).map(|(version, _)| LedgerRow {
        version: *version,
        name: String::new(),
        checksum: String::new(),
        applied_at: String::new(),
        runtime_version: None,
        execution_time_ms: 0,
        status: Status::Applied,
        min_runtime_version: None,
        progress: 0,
        attempted: 0,
        up_sql: None,
        has_down: false,
    });
    let mut rows = Vec::with_capacity(assessment.migrations.len());
    rows.extend(left.chain(applied));
    rows.sort_unstable_by_key(|row| row.version);
    Snapshot { state: None, rows }
}

fn ended_early(error: Error, lock: Lock, health: Health) -> Ended {
    Ended { steps: Vec::new(), error: Some(error), blocked: None, lock, health, backup: None }
}

fn answers() -> Conclusion {
    health::conclude(Check::Connectivity, Found::Problems(Vec::new()))
}

fn failed(check: Check, error: &Error) -> Conclusion {
    health::conclude(check, Found::Problems(vec![error.to_string()]))
}

fn result(check: Check, conclusion: Conclusion, tries: u32, began: Instant) -> CheckResult {
    let Conclusion { state, severity, message, help } = conclusion;
    let execution_time_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    CheckResult { check, severity, state, message, help, tries, execution_time_ms }
}

/// Why a run ends before its first step.
fn stopped_by(failed: &CheckResult) -> Error {
    let message = format!("the run was stopped before its first step; check {failed}");
    let error = Error::new(ErrorKind::Unhealthy, message);
    match &failed.help {
        Some(help) => error.with_help(help.clone()),
        None => error,
    }
}

/// What a run says that left the database unhealthy; `None` if it did not.
pub(super) fn unhealthy(after: &[CheckResult]) -> Option<Error> {
    let failed: Vec<&CheckResult> = after.iter().filter(|result| result.is_error()).collect();
    let first = failed.first()?;
    let sentences: Vec<String> = failed.iter().map(|result| format!("check {result}")).collect();
    let error =
        Error::new(ErrorKind::Unhealthy, format!("every step is done and committed, but {}", sentences.join("; ")));
    Some(match &first.help {
        Some(help) => error.with_help(help.clone()),
        None => error,
    })
}
