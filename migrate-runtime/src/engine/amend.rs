//! Amending the ledger: the changes that core decided on, in one transaction with their history rows.

use migrate_core::amend::{Action, AmendError, Amendment, Change, Repair, repairs};
use migrate_core::compat;
use migrate_core::ledger::Status;
use migrate_core::plan::{Direction, Origin, Plan, Step};

use super::fleet::{Fleet, Wanted};
use super::steps::{Ended, Lock};
use super::{Migrate, retry_pause, rules, with_changed_scripts, work};
use crate::backend::{Backend, Edit, Fence, HistoryEntry, Run, Work};
use crate::call::Operation;
use crate::error::{Error, ErrorKind};
use crate::health::Health;
use crate::migrator::SharedRegistry;
use crate::options::{Settings, Tables};

/// Reads what could be repaired.
#[derive(Debug)]
pub(crate) struct ReadRepairs {
    pub(crate) registry: SharedRegistry,
    pub(crate) settings: Settings,
}

impl Operation for ReadRepairs {
    type Output = Vec<Repair>;

    fn tables(&self) -> Tables {
        self.settings.tables.clone()
    }

    async fn run<B: Backend>(self, backend: &mut B) -> Result<Vec<Repair>, Error> {
        let snapshot = backend.read().await?;
        let snapshot = with_changed_scripts(backend, &self.registry, snapshot).await?;
        let assessment = compat::judge(&self.registry, &snapshot, B::DIALECT, &rules(&self.settings));
        Ok(repairs(&snapshot, &assessment))
    }
}

impl Migrate {
    /// Makes the changes of a plan, all of them or none.
    pub(super) async fn amend<B: Backend>(
        &self,
        backend: &mut B,
        run: &Run,
        fence: Fence,
        amendment: &Amendment,
        plan: &Plan,
    ) -> Ended {
        let changes = &plan.changes;
        let steps: Vec<Step> = changes.iter().map(step).collect();
        let works: Vec<Option<Work<'_>>> =
            steps.iter().map(|step| work::of_registry(&self.registry, &self.settings, step, B::DIALECT)).collect();
        let notes: Vec<String> = changes.iter().map(|change| note(amendment, change)).collect();
        let mut edits = Vec::new();
        let mut entries = Vec::new();
        for (index, change) in changes.iter().enumerate() {
            edits.extend(edits_of(change.action, &steps[index], works[index].as_ref()));
            entries.push(HistoryEntry {
                operation: amendment.operation(),
                version: Some(change.version),
                plan: Some(&notes[index]),
                ..HistoryEntry::of_run("succeeded")
            });
        }
        let note;
        let amended = match self.wait_for_older(backend, fence, amendment, plan).await {
            Ok(ignored) => {
                // Without a version: rows that have one say where migrations stand.
                note = ignored.map(|ignored| format!("go on all the same: {ignored}"));
                entries.extend(note.as_ref().map(|note| HistoryEntry {
                    operation: "ignore_instances",
                    plan: Some(note),
                    ..HistoryEntry::of_run("succeeded")
                }));
                self.amend_with_retries(backend, run, fence, &edits, &entries).await
            }
            Err(error) => Err(error),
        };
        Ended {
            steps: Vec::new(),
            error: amended.err(),
            blocked: None,
            lock: Lock::Held(fence),
            health: Health::default(),
            backup: None,
        }
    }

    /// What is recorded as applied raises the floor as a step does: it waits for older programs that are running.
    async fn wait_for_older<B: Backend>(
        &self,
        backend: &mut B,
        fence: Fence,
        amendment: &Amendment,
        plan: &Plan,
    ) -> Result<Option<String>, Error> {
        let is_recorded = |action| matches!(action, Action::RecordApplied | Action::RecordBaseline | Action::Accept);
        let recorded = plan.changes.iter().filter(|change| is_recorded(change.action));
        let minimums = recorded.filter_map(|change| self.registry.find(change.version)?.min_runtime_version());
        let what = format!("`{}`", amendment.operation());
        let wanted = Wanted::by_minimums(what, minimums, &backend.read().await?);
        Fleet { settings: &self.settings, fence }.wait_for(backend, &wanted).await
    }

    async fn amend_with_retries<B: Backend>(
        &self,
        backend: &mut B,
        run: &Run,
        fence: Fence,
        edits: &[Edit<'_>],
        entries: &[HistoryEntry<'_>],
    ) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            let Err(error) = backend.amend(run, fence, edits, entries).await else {
                return Ok(());
            };
            let restored = backend.restore_session().await;
            if !error.is_retryable() || restored.is_err() || tries == self.settings.max_retries {
                return Err(error.and_also("and the transaction could not be ended", restored));
            }
            backend.sleep(retry_pause(&self.settings, tries)).await?;
            tries += 1;
        }
    }
}

/// What a change means for the ledger's table. Without work the registry does not hold the migration; then it can only be
/// completed or forgotten.
fn edits_of<'a>(action: Action, step: &'a Step, work: Option<&'a Work<'a>>) -> Vec<Edit<'a>> {
    let record = |edit: fn(&'a Work<'a>) -> Edit<'a>| work.map(edit).into_iter();
    match action {
        Action::RecordApplied => record(|work| Edit::Insert(work, Status::Applied)).collect(),
        Action::RecordBaseline => record(|work| Edit::Insert(work, Status::Baseline)).collect(),
        Action::Accept => record(Edit::Accept).collect(),
        Action::Complete => record(Edit::Accept).chain([Edit::Complete(step)]).collect(),
        Action::Forget | Action::Supersede(_) => vec![Edit::Forget(step)],
        Action::FinishPart(part) => vec![Edit::Reached(step, part)],
        Action::RepeatPart(part) => vec![Edit::Reached(step, part - 1)],
    }
}

/// The migration of a change, as the backends name it.
fn step(change: &Change) -> Step {
    let Change { version, name, .. } = change;
    let (direction, origin) = (Direction::Up, Origin::Registry);
    let (resume_after, uncertain, script_changed) = (None, false, false);
    Step { version: *version, name: name.clone(), direction, origin, resume_after, uncertain, script_changed }
}

fn note(amendment: &Amendment, change: &Change) -> String {
    match amendment.reason() {
        Some(reason) => format!("{change}\nreason: {reason}"),
        None => change.to_string(),
    }
}

pub(super) fn amend_error(error: &AmendError) -> Error {
    let kind = if error.is_wrong_use() { ErrorKind::Usage } else { ErrorKind::Plan };
    Error::new(kind, error.to_string()).with_migration(error.version()).with_help(error.help())
}
