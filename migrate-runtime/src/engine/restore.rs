//! Putting a backup back, under the run lock.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use super::backup::{Taking, directory};
use super::before_run::{HISTORY, backup_before, unfinished};
use super::fence_of;
use super::fleet::{Fleet, Wanted};
use super::locking::{lock_busy, new_run, stopped_waiting};
use crate::backend::{Backend, Fence, HistoryEntry, Run, RunEnd};
use crate::backup::{
    Backup, BackupFormat, BackupReason, Contents, Extracted, Measure, Restoration, RestoreOptions, VerifyOptions,
    age_of, differences, verify,
};
use crate::call::Operation;
use crate::error::{Error, ErrorKind};
use crate::migrator::SharedRegistry;
use crate::options::{Settings, Tables};
use crate::report::{Outcome, Restored, RunSnapshot, SnapshotObstacle};

/// The pause between two attempts to take the lock.
const PAUSE: Duration = Duration::from_millis(100);

/// Which backup is put back.
#[derive(Clone, Debug)]
pub(crate) enum Which {
    /// The one with an id.
    Id(String),
    /// The one that was taken before a run.
    BeforeRun { run: i64 },
}

/// Puts a backup back.
#[derive(Debug)]
pub(crate) struct RestoreBackup {
    pub(crate) registry: SharedRegistry,
    pub(crate) settings: Settings,
    pub(crate) which: Which,
    pub(crate) options: RestoreOptions,
}

/// Finds out whether the state before a run can be put back.
#[derive(Debug)]
pub(crate) struct FindRunSnapshot {
    pub(crate) settings: Settings,
    pub(crate) run: i64,
}

impl Operation for FindRunSnapshot {
    type Output = RunSnapshot;

    fn tables(&self) -> Tables {
        self.settings.tables.clone()
    }

    async fn run<B: Backend>(self, backend: &mut B) -> Result<RunSnapshot, Error> {
        snapshot_before(backend, &self.settings, self.run).await
    }
}

impl Operation for RestoreBackup {
    type Output = Restored;

    fn tables(&self) -> Tables {
        self.settings.tables.clone()
    }

    async fn run<B: Backend>(self, backend: &mut B) -> Result<Restored, Error> {
        self.settings.check_lease()?;
        // In which schema the ledger is, is known from then on.
        backend.read().await?;
        let backup = self.find(backend).await?;
        let measure = backend.measure().await?;
        check_purpose(&backup, &measure.location, B::DIALECT, &self.options)?;
        self.check_ledger(&backup, &backend.located())?;
        let (_, extracted) = verify(&backup, &verify_options(&self.settings))?;
        if self.options.dry_run {
            return Ok(Restored { outcome: Outcome::DryRun, backup, kept: None, run: None });
        }
        let plan = format!("restore the backup {}", backup.id);
        // The database keeps the name of the set that it has, or gets that of the backup.
        let run = Run { registry_name: None, ..new_run(&self.settings, &self.registry, plan) };
        let mut fence = self.lock(backend, &run).await?;
        let run = Run { id: fence, ..run };
        let ended = self.restore(backend, &backup, extracted.as_ref(), &run, &mut fence).await;
        // What was put back has another fence, and the run its number, also where something is wrong afterwards.
        let run = Run { id: fence, ..run };
        match ended {
            Ok(kept) => {
                backend.release(&run, fence, RunEnd { outcome: "succeeded", error: None }).await?;
                Ok(Restored { outcome: Outcome::Done, kept, run: Some(fence), backup })
            }
            Err(error) => {
                let text = error.to_string();
                let end = RunEnd { outcome: "failed", error: Some(&text) };
                let released = backend.release(&run, fence, end).await;
                Err(error.and_also("the lock could not be given back", released))
            }
        }
    }
}

impl RestoreBackup {
    async fn find<B: Backend>(&self, backend: &mut B) -> Result<Backup, Error> {
        match &self.which {
            Which::Id(id) => {
                let options = self.settings.backup.clone().unwrap_or_default();
                let (measure, tables) = (backend.measure().await?, backend.located());
                let whose = format!(", full and of `{}`,", measure.location);
                let fits = |it: &Backup| it.contents == Contents::Full && it.is_of(&measure.location, &tables);
                directory(&options, &measure)?.find_where(id, &whose, fits)
            }
            Which::BeforeRun { run } => {
                let found = snapshot_before(backend, &self.settings, *run).await?;
                match (found.backup, found.obstacles.first()) {
                    (Some(backup), None) => Ok(backup),
                    (_, first) => {
                        let why: Vec<String> = found.obstacles.iter().map(SnapshotObstacle::to_string).collect();
                        let message = format!("the state before run {run} cannot be put back: {}", why.join("; "));
                        let help = first.map(SnapshotObstacle::help).unwrap_or_default();
                        Err(Error::new(ErrorKind::Plan, message).with_help(help))
                    }
                }
            }
        }
    }

    /// Puts it back under the lock, unless another run came in between what was found and the lock.
    async fn restore<B: Backend>(
        &self,
        backend: &mut B,
        backup: &Backup,
        extracted: Option<&Extracted>,
        run: &Run,
        fence: &mut Fence,
    ) -> Result<Option<Backup>, Error> {
        if let Which::BeforeRun { .. } = self.which {
            self.find(backend).await?;
        }
        let restoring = Restoring {
            registry: &self.registry,
            settings: &self.settings,
            backup,
            extracted,
            force: self.options.force,
            exclusive: false,
            of_this_run: false,
        };
        restoring.restore(backend, run, fence).await
    }

    /// Refuses a backup that was taken through another ledger of the same database: its lock would not be held, and its own
    /// tables would count as the application's.
    fn check_ledger(&self, backup: &Backup, tables: &Tables) -> Result<(), Error> {
        if self.options.from_other || backup.is_of(&backup.database, tables) {
            return Ok(());
        }
        let name = |schema: &Option<String>, table: &str| match schema {
            Some(schema) => format!("{schema}.{table}"),
            None => table.to_owned(),
        };
        let message = format!(
            "the backup {} was taken with the ledger `{}`, and this is `{}`",
            backup.id,
            name(&backup.ledger_schema, &backup.ledger_table),
            name(&tables.schema, &tables.table),
        );
        Err(Error::new(ErrorKind::Usage, message).with_help("name that ledger (`--table`, `--schema`)"))
    }

    async fn lock<B: Backend>(&self, backend: &mut B, run: &Run) -> Result<Fence, Error> {
        let since = Instant::now();
        let mut snapshot = backend.read().await?;
        loop {
            if self.settings.stop.is_asked() {
                return Err(stopped_waiting());
            }
            match backend.acquire(run, fence_of(&snapshot)).await {
                Ok((Some(fence), _)) => return Ok(fence),
                Ok((None, now)) => snapshot = now,
                Err(error) if error.is_retryable() => {}
                Err(error) => return Err(error),
            }
            if let Some(bound) = self.settings.wait_lock.filter(|bound| since.elapsed() + PAUSE > *bound) {
                return Err(lock_busy(snapshot.state.as_ref().and_then(|state| state.lock.as_ref()), bound));
            }
            backend.sleep(PAUSE).await?;
        }
    }
}

/// What is put back, by whom.
pub(super) struct Restoring<'a> {
    pub(super) registry: &'a SharedRegistry,
    pub(super) settings: &'a Settings,
    pub(super) backup: &'a Backup,
    /// Its contents, once it was verified.
    pub(super) extracted: Option<&'a Extracted>,
    pub(super) force: bool,
    /// Whether nobody else uses the database, says the program.
    pub(super) exclusive: bool,
    /// Whether the run that puts it back has taken it itself.
    pub(super) of_this_run: bool,
}

impl Restoring<'_> {
    /// Keeps what is there now, puts the backup back, and compares the result with the manifest. Gives the backup of what was
    /// there before; the fence is from then on the one that was put back.
    pub(super) async fn restore<B: Backend>(
        &self,
        backend: &mut B,
        run: &Run,
        fence: &mut Fence,
    ) -> Result<Option<Backup>, Error> {
        let backup = self.backup;
        // Before hours are spent on keeping what is there.
        backend.refuse_others(self.force).await?;
        let ignored = self.wait_for_fleet(backend, *fence).await?;
        backend.keep_writers_out(*fence).await?;
        let measure = backend.measure().await?;
        let kept = self.keep(backend, run, &measure).await?;
        if !B::STEPS_KEEP_WRITERS_OUT {
            // Who was told by then that the run is coming may have come all the same.
            self.wait_for_fleet(backend, *fence).await?;
        }
        let state = kept.as_ref().map_or_else(
            || "there was nothing but our tables before".to_owned(),
            |kept| format!("the state before is kept as {}", kept.id),
        );
        let ignored = ignored.map_or_else(String::new, |ignored| format!("; go on all the same: {ignored}"));
        let plan = format!("restore the backup {} of {}; {state}{ignored}", backup.id, backup.created_at);
        let restoration = Restoration {
            backup,
            extracted: self.extracted,
            entry: HistoryEntry { operation: "restore", plan: Some(&plan), ..HistoryEntry::of_run("succeeded") },
            tools: self.settings.backup.as_ref().and_then(|options| options.tools.as_deref()),
            force: self.force,
            of_this_run: self.of_this_run,
            stop: &self.settings.stop,
        };
        *fence = backend.copy_in(run, *fence, &restoration).await?;
        let found = differences(&backup.survey(), &backend.survey().await?);
        if let (Some(first), None) = (found.first(), &backup.damage) {
            let message =
                format!("the backup {} was put back, and something else was written since: {first}", backup.id);
            let help =
                kept.as_ref().map_or_else(String::new, |kept| format!("the state before is kept as {}", kept.id));
            // What was restored stays; others write already, which is no reason to take it away from them.
            return Err(Error::new(ErrorKind::Backup, message).with_help(help));
        }
        Ok(kept)
    }

    /// Backs up what is there now; nothing where there is nothing.
    async fn keep<B: Backend>(&self, backend: &mut B, run: &Run, measure: &Measure) -> Result<Option<Backup>, Error> {
        if measure.empty {
            return Ok(None);
        }
        let taking = Taking {
            registry: self.registry,
            settings: self.settings,
            reason: BackupReason::BeforeRestore,
            run: Some(run.id),
        };
        let kept = taking.take(backend, Contents::Full, measure).await;
        kept.map(Some).map_err(|error| error.noting("the present state could not be kept, so nothing was changed"))
    }

    /// Waits for running programs that could not work with what is put back. Says who was ignored.
    async fn wait_for_fleet<B: Backend>(&self, backend: &mut B, fence: Fence) -> Result<Option<String>, Error> {
        if self.exclusive {
            return Ok(None);
        }
        let wanted = Wanted::by_backup(self.backup, &backend.read().await?);
        Fleet { settings: self.settings, fence }.wait_for(backend, &wanted).await
    }
}

/// Refuses a backup that cannot be meant for this database.
fn check_purpose(
    backup: &Backup,
    location: &str,
    dialect: migrate_core::migration::Dialect,
    options: &RestoreOptions,
) -> Result<(), Error> {
    use migrate_core::migration::Dialect;
    let refused = |message: String, help: &str| Err(Error::new(ErrorKind::Usage, message).with_help(help));
    if backup.contents != Contents::Full {
        let message = format!("the backup {} holds the structure only, and cannot be restored", backup.id);
        return refused(message, "`migrate backup list` shows which backups are full");
    }
    let fits = matches!(
        (backup.file_format, dialect),
        (BackupFormat::Sqlite, Dialect::Sqlite) | (BackupFormat::PgDump, Dialect::Postgres)
    );
    if !fits {
        let message = format!("the backup {} is of {}, another kind of database", backup.id, backup.database);
        return refused(message, "`migrate backup list` shows which database a backup is of");
    }
    if backup.database != location && !options.from_other {
        let message = format!("the backup {} is of `{}`, and this is `{location}`", backup.id, backup.database);
        return refused(message, "if that is meant, say `--from-other`");
    }
    Ok(())
}

pub(super) fn verify_options(settings: &Settings) -> VerifyOptions {
    VerifyOptions {
        tools: settings.backup.as_ref().and_then(|options| options.tools.clone()),
        ..VerifyOptions::default()
    }
}

/// The backup that was taken before a run, and what speaks against putting it back.
async fn snapshot_before<B: Backend>(backend: &mut B, settings: &Settings, run: i64) -> Result<RunSnapshot, Error> {
    let window = settings.rollback_window;
    let mut newer = unfinished(backend).await?;
    let history = backend.history(HISTORY).await?;
    let backup = backup_before(backend, settings, &history, run).await?;
    let mut obstacles = Vec::new();
    match &backup {
        None => obstacles.push(SnapshotObstacle::NoBackup { run }),
        Some(backup) if age_of(backup, SystemTime::now()) > window => {
            obstacles.push(SnapshotObstacle::TooOld { backup: backup.id.clone(), window });
        }
        Some(_) => {}
    }
    // What failed and left nothing behind is nothing that would be lost.
    let is_change = |operation: &str| !matches!(operation, "run" | "unlock" | "ignore_instances");
    let changes = history.iter().filter(|row| row.outcome == "succeeded" && is_change(&row.operation));
    newer.extend(changes.map(|row| row.run));
    let newer: BTreeSet<i64> = newer.into_iter().filter(|newer| *newer > run).collect();
    if !newer.is_empty() {
        obstacles.push(SnapshotObstacle::NewerRuns { runs: newer.into_iter().collect() });
    }
    Ok(RunSnapshot { backup, obstacles })
}
