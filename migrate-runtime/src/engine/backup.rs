//! Taking backups: when somebody asks, and before the first step of a run.

use migrate_core::plan::{Direction, Plan};
use migrate_core::size;

use super::Migrate;
use super::restore::{Restoring, verify_options};
use super::steps::{Ended, Lock};
use crate::backend::{Backend, Fence, Run, Work};
use crate::backup::{
    Backup, BackupDirectory, BackupOptions, BackupPolicy, BackupReason, Contents, Measure, Order, new_id, verify,
};
use crate::call::Operation;
use crate::error::{Error, ErrorKind};
use crate::migrator::SharedRegistry;
use crate::observer::Event;
use crate::options::{Settings, Tables};
use crate::report::RunBackup;

/// Takes a backup because somebody asks for it.
#[derive(Debug)]
pub(crate) struct CreateBackup {
    pub(crate) registry: SharedRegistry,
    pub(crate) settings: Settings,
    pub(crate) contents: Contents,
}

impl Operation for CreateBackup {
    type Output = Backup;

    fn tables(&self) -> Tables {
        self.settings.tables.clone()
    }

    async fn run<B: Backend>(self, backend: &mut B) -> Result<Backup, Error> {
        let measure = backend.measure().await?;
        if measure.size == 0 {
            return Err(Error::new(
                ErrorKind::Backup,
                format!("there is nothing to back up at `{}`", measure.location),
            )
            .with_help("check the database's URL"));
        }
        let taking =
            Taking { registry: &self.registry, settings: &self.settings, reason: BackupReason::Asked, run: None };
        taking.take(backend, self.contents, &measure).await
    }
}

/// What is the same for every backup that an operation takes.
pub(super) struct Taking<'a> {
    pub(super) registry: &'a SharedRegistry,
    pub(super) settings: &'a Settings,
    pub(super) reason: BackupReason,
    pub(super) run: Option<i64>,
}

impl Taking<'_> {
    pub(super) async fn take<B: Backend>(
        &self,
        backend: &mut B,
        contents: Contents,
        measure: &Measure,
    ) -> Result<Backup, Error> {
        let options = self.settings.backup.clone().unwrap_or_default();
        let directory = directory(&options, measure)?;
        let size = if contents == Contents::Schema { 0 } else { measure.size };
        // A copy of a SQLite file is complete before it is compressed.
        directory.prepare(if options.compress { size.saturating_mul(2) } else { size })?;
        let (id, created_at) = new_id();
        let stem = format!("{}-{id}", file_name(&measure.name));
        let order = Order {
            contents,
            directory: &directory,
            stem: &stem,
            compress: options.compress,
            tools: options.tools.as_deref(),
            stop: &self.settings.stop,
        };
        let head = backend.read().await?.rows.iter().rfind(|row| row.status.is_complete()).map(|row| row.version);
        let copied = backend.copy_out(&order).await?;
        let extension = copied.format.extension();
        let zst = if options.compress { ".zst" } else { "" };
        let backup = Backup {
            format: Backup::current_format(),
            id,
            created_at,
            database: measure.location.clone(),
            contents,
            file_format: copied.format,
            compressed: options.compress,
            file: format!("{stem}.{extension}{zst}"),
            size: copied.written.size,
            uncompressed_size: copied.written.uncompressed_size,
            sha256: copied.written.sha256.clone(),
            reason: self.reason,
            run: self.run,
            ledger_table: self.settings.tables.table.clone(),
            ledger_head: head.map(|version| version.to_string()),
            registry_digest: self.registry.digest().to_string(),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            database_version: copied.database_version,
            dump_version: copied.dump_version,
            schema_fingerprint: copied.survey.fingerprint,
            rows: copied.survey.rows,
            foreign_key_violations: copied.survey.foreign_key_violations,
            directory: std::path::PathBuf::new(),
        };
        directory.keep(copied.written, backup)
    }
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
    ) -> Result<Option<(RunBackup, Option<Backup>)>, Error> {
        let Some(options) = &self.settings.backup else {
            return Ok(None);
        };
        let up = plan.steps.iter().any(|step| step.direction == Direction::Up);
        if plan.steps.is_empty() || !(up || options.before_down) {
            return Ok(None);
        }
        let measure = backend.measure().await?;
        let contents = match decide(options, &measure, works, B::DIALECT) {
            Ok(contents) => contents,
            Err(None) => return Ok(None),
            Err(Some(reason)) => return Ok(Some((RunBackup::Skipped { reason }, None))),
        };
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
        let pruned = BackupDirectory::new(&backup.directory).prune_of(Some(&backup.database), options.retention, false);
        let large = contents == Contents::Full && measure.size > options.max_size;
        let remarks = [
            large.then(|| {
                format!("the database is larger than {}; a step could not be rolled back", size::show(options.max_size))
            }),
            // The run need not end because of this.
            pruned.err().map(|error| format!("old backups could not be removed: {error}")),
        ];
        let remarks: Vec<String> = remarks.into_iter().flatten().collect();
        let taken = RunBackup::Taken {
            id: backup.id.clone(),
            file: backup.path(),
            size: backup.size,
            remark: (!remarks.is_empty()).then(|| remarks.join("; ")),
            restored: false,
        };
        self.tell(&Event::BackedUp(&taken));
        Ok(Some((taken, Some(backup))))
    }

    /// After a failure that could not be rolled back: puts the backup back if the options say so, else says how to.
    pub(super) async fn recover_from_backup<B: Backend>(
        &self,
        backend: &mut B,
        run: &mut Run,
        mut ended: Ended,
        taken: Option<(RunBackup, Option<Backup>)>,
    ) -> Ended {
        let Some((report, backup)) = taken else {
            return ended;
        };
        ended.backup = Some(report);
        let (Lock::Held(fence), Some(backup)) = (ended.lock, backup.filter(|it| it.contents == Contents::Full)) else {
            return ended;
        };
        let Some(error) = ended.error.take() else {
            return ended;
        };
        let snapshot = backend.read().await;
        if snapshot.is_ok_and(|snapshot| snapshot.rows.iter().all(|row| row.status.is_complete())) {
            ended.error = Some(error);
            return ended;
        }
        let command = format!("`migrate restore {}` puts back the state before the run", backup.id);
        let options = self.settings.backup.clone().unwrap_or_default();
        // A run that was asked to stop has not failed: the next one goes on from there.
        let stopped = error.kind() == ErrorKind::Cancelled;
        if !(options.restore_on_failure && options.exclusive) || stopped {
            let help = error.help().map_or_else(|| command.clone(), |help| format!("{help}; or {command}"));
            ended.error = Some(error.with_help(help));
            return ended;
        }
        match self.put_back(backend, run, fence, &backup).await {
            Ok(raised) => {
                run.id = raised;
                ended.lock = Lock::Held(raised);
                if let Some(RunBackup::Taken { restored, .. }) = &mut ended.backup {
                    *restored = true;
                }
                let remark = format!("the backup {} was put back: the database is as it was before the run", backup.id);
                ended.error = Some(error.noting(&remark).with_help("mend the script, then run the same command again"));
            }
            Err(failed) => {
                ended.error = Some(error.and_also("the backup could not be put back", Err(failed)).with_help(command));
            }
        }
        ended
    }

    async fn put_back<B: Backend>(
        &self,
        backend: &mut B,
        run: &Run,
        fence: Fence,
        backup: &Backup,
    ) -> Result<Fence, Error> {
        let (_, extracted) = verify(backup, &verify_options(&self.settings))?;
        let restoring = Restoring {
            registry: &self.registry,
            settings: &self.settings,
            backup,
            extracted: extracted.as_ref(),
            force: false,
            of_this_run: true,
        };
        backend.restore_session().await?;
        restoring.restore(backend, run, fence).await.map(|restored| restored.fence)
    }
}

/// What is backed up before a run; otherwise why nothing is, unless nothing was asked for.
fn decide(
    options: &BackupOptions,
    measure: &Measure,
    works: &[Work<'_>],
    dialect: migrate_core::migration::Dialect,
) -> Result<Contents, Option<String>> {
    let by_default = match dialect {
        migrate_core::migration::Dialect::Sqlite if measure.directory.is_some() => BackupPolicy::Full,
        _ => BackupPolicy::Never,
    };
    let contents = match options.policy.unwrap_or(by_default) {
        BackupPolicy::Never => return Err(None),
        BackupPolicy::Schema => Contents::Schema,
        BackupPolicy::Full => Contents::Full,
    };
    if measure.empty {
        return Err(Some("the database was empty".to_owned()));
    }
    let can_be_rolled_back = works.iter().all(|work| work.transactional);
    if contents == Contents::Full && measure.size > options.max_size && can_be_rolled_back {
        let (size, limit) = (size::show(measure.size), size::show(options.max_size));
        return Err(Some(format!("the database has {size}, more than {limit}, and every step can be rolled back")));
    }
    Ok(contents)
}

pub(super) fn directory(options: &BackupOptions, measure: &Measure) -> Result<BackupDirectory, Error> {
    let path = options.directory.as_ref().or(measure.directory.as_ref());
    path.map(BackupDirectory::new).ok_or_else(|| {
        Error::new(ErrorKind::Configuration, "there is no directory for backups of a database in memory")
            .with_help("name one (`BackupOptions::directory`)")
    })
}

/// The name of a database with what has a meaning in paths, or to a shell, replaced.
fn file_name(name: &str) -> String {
    let plain = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => character,
        _ => '_',
    };
    name.chars().map(plain).take(100).collect()
}
