//! The backup before the first step of a run, and what becomes of it.

use migrate_core::migration::Dialect;
use migrate_core::plan::{Direction, Plan};
use migrate_core::size;

use super::Migrate;
use super::backup::Taking;
use super::before_run::{HISTORY, backup_before, unfinished};
use super::steps::{Ended, Lock};
use crate::backend::{Backend, Run, Work};
use crate::backup::{Backup, BackupDirectory, BackupOptions, BackupPolicy, BackupReason, Contents, Measure};
use crate::error::Error;
use crate::observer::Event;
use crate::report::{RunBackup, StepOutcome};

/// What a run can go back to.
pub(super) struct Before {
    pub(super) report: RunBackup,
    pub(super) backup: Option<Backup>,
    /// Before which run it was taken: this one, or the one that began what this one goes on with.
    pub(super) run: i64,
}

impl Migrate {
    /// Takes the backup that the options ask for before the first step of a run. It is complete when this returns, so no
    /// step waits behind it.
    pub(super) async fn back_up<B: Backend>(
        &self,
        backend: &mut B,
        run: &Run,
        plan: &Plan,
        works: &[Work<'_>],
    ) -> Result<Option<Before>, Error> {
        let Some(options) = &self.settings.backup else {
            return Ok(None);
        };
        let up = plan.steps.iter().any(|step| step.direction == Direction::Up);
        if plan.steps.is_empty() || !(up || options.before_down) {
            return Ok(None);
        }
        let measure = backend.measure().await?;
        let Some(contents) = policy(options, &measure, B::DIALECT) else {
            return Ok(None);
        };
        if plan.steps.iter().any(|step| step.resume_after.is_some()) {
            return Ok(Some(self.earlier(backend).await));
        }
        if let Some(reason) = reason_to_skip(options, contents, &measure, works) {
            return Ok(Some(Before { report: RunBackup::Skipped { reason }, backup: None, run: run.id }));
        }
        let taking = Taking {
            registry: &self.registry,
            settings: &self.settings,
            reason: BackupReason::BeforeRun,
            run: Some(run.id),
        };
        let backup = taking
            .take(backend, contents, &measure)
            .await
            .map_err(|error| error.noting("the backup before the run failed, so nothing was changed"))?;
        let large = contents == Contents::Full && measure.size > options.max_size;
        let limit = size::show(options.max_size);
        let report = RunBackup::Taken {
            id: backup.id.clone(),
            file: backup.path(),
            size: backup.size,
            remark: large.then(|| format!("the database is larger than {limit}; a step could not be rolled back")),
            restored: false,
        };
        self.tell(&Event::BackedUp(&report));
        Ok(Some(Before { report, backup: Some(backup), run: run.id }))
    }

    /// What a run can go back to that goes on with a half-done step: a backup of that state would be of no use, and would
    /// push out the one from before it.
    async fn earlier<B: Backend>(&self, backend: &mut B) -> Before {
        let (run, why) = match self.find_earlier(backend).await {
            Ok((run, Some(backup))) => {
                let (id, file, size) = (backup.id.clone(), backup.path(), backup.size);
                let report = RunBackup::Earlier { id, file, size, run, restored: false };
                self.tell(&Event::BackedUp(&report));
                return Before { report, backup: Some(backup), run };
            }
            Ok((run, None)) => (run, format!("there is none from before run {run}, which began it")),
            // The run need not end because of this.
            Err(error) => (0, error.to_string()),
        };
        let reason = format!("the run goes on with a step that is half done, and {why}");
        Before { report: RunBackup::Skipped { reason }, backup: None, run }
    }

    async fn find_earlier<B: Backend>(&self, backend: &mut B) -> Result<(i64, Option<Backup>), Error> {
        let run = unfinished(backend).await?.first().copied().unwrap_or_default();
        let history = backend.history(HISTORY).await?;
        Ok((run, backup_before(backend, &self.settings, &history, run).await?))
    }

    /// Once the run has ended: one that changed something removes old backups, and one that changed nothing its own, which
    /// holds what the database holds. Where something is half done, all stay.
    pub(super) async fn settle_backup<B: Backend>(
        &self,
        backend: &mut B,
        run: &Run,
        before: &Before,
        ended: &mut Ended,
    ) {
        let own = before.backup.as_ref().filter(|_| before.run == run.id);
        let (Some(backup), Lock::Held(_)) = (own, ended.lock) else {
            return;
        };
        let settled = backend.read().await.is_ok_and(|it| it.rows.iter().all(|row| row.status.is_complete()));
        let Some(RunBackup::Taken { restored: false, remark, .. }) = &mut ended.backup else {
            return;
        };
        if !settled {
            return;
        }
        let changed = ended.steps.iter().any(|step| step.outcome == StepOutcome::Done);
        let removed = match changed {
            true => {
                let retention = self.settings.backup.clone().unwrap_or_default().retention;
                let ledger = |it: &Backup| (it.database.clone(), it.ledger_schema.clone(), it.ledger_table.clone());
                let is_alike = |other: &Backup| ledger(other) == ledger(backup);
                BackupDirectory::new(&backup.directory)
                    .prune_among(retention, false, is_alike, |it| it.id == backup.id)
                    .map(drop)
            }
            false => BackupDirectory::remove(backup),
        };
        match removed {
            Err(error) => {
                let error = format!("old backups could not be removed: {error}");
                *remark = Some(remark.take().map_or_else(|| error.clone(), |remark| format!("{remark}; {error}")));
            }
            Ok(()) if !changed => {
                let reason = "the run changed nothing, so the backup from before it was removed again".to_owned();
                ended.backup = Some(RunBackup::Skipped { reason });
            }
            Ok(()) => {}
        }
    }
}

/// What is backed up before runs; `None` for nothing.
fn policy(options: &BackupOptions, measure: &Measure, dialect: Dialect) -> Option<Contents> {
    let by_default = match dialect {
        Dialect::Sqlite if measure.directory.is_some() => BackupPolicy::Full,
        _ => BackupPolicy::Never,
    };
    match options.policy.unwrap_or(by_default) {
        BackupPolicy::Never => None,
        BackupPolicy::Schema => Some(Contents::Schema),
        BackupPolicy::Full => Some(Contents::Full),
    }
}

/// Why a run is not backed up that otherwise would be.
fn reason_to_skip(
    options: &BackupOptions,
    contents: Contents,
    measure: &Measure,
    works: &[Work<'_>],
) -> Option<String> {
    if measure.empty {
        return Some("the database was empty".to_owned());
    }
    let can_be_rolled_back = works.iter().all(|work| work.transactional);
    if contents == Contents::Full && measure.size > options.max_size && can_be_rolled_back {
        let (size, limit) = (size::show(measure.size), size::show(options.max_size));
        return Some(format!("the database has {size}, more than {limit}, and every step can be rolled back"));
    }
    None
}
