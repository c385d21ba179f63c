//! Putting a backup back, under the run lock.

use std::time::{Duration, Instant, SystemTime};

use semver::Version;

use super::backup::{Taking, directory};
use super::{fence_of, lock_busy, stopped_waiting};
use crate::backend::{Backend, Fence, HistoryEntry, Run, RunEnd};
use crate::backup::{
    Backup, BackupFormat, BackupReason, Contents, Extracted, Restoration, RestoreOptions, VerifyOptions, age_of,
    differences, verify,
};
use crate::call::Operation;
use crate::error::{Error, ErrorKind};
use crate::migrator::SharedRegistry;
use crate::options::{Settings, Tables};
use crate::report::{Outcome, Restored, RunSnapshot, SnapshotObstacle};

/// The pause between two attempts to take the lock.
const PAUSE: Duration = Duration::from_millis(100);

/// How many rows of the history are read to see what came after a run.
const HISTORY: u32 = 100_000;

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
        let backup = self.find(backend).await?;
        let measure = backend.measure().await?;
        check_purpose(&backup, &measure.location, B::DIALECT, &self.options)?;
        let (_, extracted) = verify(&backup, &verify_options(&self.settings))?;
        if self.options.dry_run {
            return Ok(Restored { outcome: Outcome::DryRun, backup, kept: None, run: None });
        }
        let run = Run {
            id: 0,
            identity: self.settings.identity.clone(),
            runtime_version: self.settings.runtime_version.as_ref().map(Version::to_string),
            registry_digest: self.registry.digest().to_string(),
            registry_name: None,
            plan: format!("restore the backup {}", backup.id),
            lease: self.settings.lease,
        };
        let fence = self.lock(backend, &run).await?;
        let mut run = Run { id: fence, ..run };
        match self.restore(backend, &backup, extracted.as_ref(), &run, fence).await {
            Ok(done) => {
                run.id = done.fence;
                backend.release(&run, done.fence, RunEnd { outcome: "succeeded", error: None }).await?;
                Ok(Restored { outcome: Outcome::Done, kept: done.kept, run: Some(done.fence), backup })
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
                directory(&options, &backend.measure().await?)?.find(id)
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
        fence: Fence,
    ) -> Result<Done, Error> {
        if let Which::BeforeRun { .. } = self.which {
            self.find(backend).await?;
        }
        let restoring = Restoring {
            registry: &self.registry,
            settings: &self.settings,
            backup,
            extracted,
            force: self.options.force,
            of_this_run: false,
        };
        restoring.restore(backend, run, fence).await
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
    /// Whether the run that puts it back has taken it itself.
    pub(super) of_this_run: bool,
}

/// A backup was put back.
pub(super) struct Done {
    /// What proves the lock from now on; it is also the number of the run.
    pub(super) fence: Fence,
    /// The backup of what was there before.
    pub(super) kept: Option<Backup>,
}

impl Restoring<'_> {
    /// Keeps what is there now, puts the backup back, and compares the result with the manifest.
    pub(super) async fn restore<B: Backend>(&self, backend: &mut B, run: &Run, fence: Fence) -> Result<Done, Error> {
        let backup = self.backup;
        let measure = backend.measure().await?;
        let taking = Taking {
            registry: self.registry,
            settings: self.settings,
            reason: BackupReason::BeforeRestore,
            run: Some(run.id),
        };
        let kept = match measure.empty {
            true => None,
            false => Some(
                taking
                    .take(backend, Contents::Full, &measure)
                    .await
                    .map_err(|error| error.noting("the present state could not be kept, so nothing was changed"))?,
            ),
        };
        let state = kept.as_ref().map_or_else(
            || "there was nothing but our tables before".to_owned(),
            |kept| format!("the state before is kept as {}", kept.id),
        );
        let plan = format!("restore the backup {} of {}; {state}", backup.id, backup.created_at);
        let restoration = Restoration {
            backup,
            extracted: self.extracted,
            entry: HistoryEntry { operation: "restore", plan: Some(&plan), ..HistoryEntry::of_run("succeeded") },
            tools: self.settings.backup.as_ref().and_then(|options| options.tools.as_deref()),
            force: self.force,
            of_this_run: self.of_this_run,
            stop: &self.settings.stop,
        };
        let fence = backend.copy_in(run, fence, &restoration).await?;
        let found = differences(&backup.survey(), &backend.survey().await?);
        if let Some(first) = found.first() {
            let message =
                format!("the backup {} was put back, and something else was written since: {first}", backup.id);
            let help =
                kept.as_ref().map_or_else(String::new, |kept| format!("the state before is kept as {}", kept.id));
            // What was restored stays; others write already, which is no reason to take it away from them.
            return Err(Error::new(ErrorKind::Backup, message).with_help(help));
        }
        Ok(Done { fence, kept })
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
    let options = settings.backup.clone().unwrap_or_default();
    let measure = backend.measure().await?;
    let backups = directory(&options, &measure)?.list()?.backups;
    let backup = backups.into_iter().find(|backup| {
        let before = backup.reason == BackupReason::BeforeRun && backup.run == Some(run);
        before && backup.contents == Contents::Full && backup.database == measure.location
    });
    let mut obstacles = Vec::new();
    match &backup {
        None => obstacles.push(SnapshotObstacle::NoBackup { run }),
        Some(backup) if age_of(backup, SystemTime::now()) > window => {
            obstacles.push(SnapshotObstacle::TooOld { backup: backup.id.clone(), window });
        }
        Some(_) => {}
    }
    let mut newer: Vec<i64> = backend
        .history(HISTORY)
        .await?
        .iter()
        .filter(|row| row.run > run && row.operation != "run" && row.operation != "unlock")
        .map(|row| row.run)
        .collect();
    newer.sort_unstable();
    newer.dedup();
    if !newer.is_empty() {
        obstacles.push(SnapshotObstacle::NewerRuns { runs: newer });
    }
    Ok(RunSnapshot { backup, obstacles })
}
