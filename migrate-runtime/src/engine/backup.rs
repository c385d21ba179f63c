//! Taking backups, and removing old ones.

use migrate_core::ledger::{LedgerRow, Snapshot};

use super::before_run::{began_at, unfinished};
use super::fleet::floor;
use crate::backend::Backend;
use crate::backup::{
    Backup, BackupDirectory, BackupOptions, BackupReason, Contents, Measure, Order, Pruned, Retention, new_id,
};
use crate::call::Operation;
use crate::error::{Error, ErrorKind};
use crate::migrator::SharedRegistry;
use crate::options::{Settings, Tables};

/// In how many rows of the history the beginning of a run is looked for that has just begun.
const HISTORY_OF_THIS_RUN: u32 = 100;

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

/// Removes old backups.
#[derive(Debug)]
pub(crate) struct PruneBackups {
    pub(crate) settings: Settings,
    pub(crate) retention: Retention,
    pub(crate) dry_run: bool,
}

impl Operation for PruneBackups {
    type Output = Pruned;

    fn tables(&self) -> Tables {
        self.settings.tables.clone()
    }

    async fn run<B: Backend>(self, backend: &mut B) -> Result<Pruned, Error> {
        let unfinished = unfinished(backend).await?;
        let measure = backend.measure().await?;
        let tables = backend.located();
        let options = self.settings.backup.clone().unwrap_or_default();
        // What a half-done migration is gone back from is needed however old it is.
        let is_needed = |backup: &Backup| {
            let run = backup.run.filter(|_| backup.reason == BackupReason::BeforeRun);
            run.is_some_and(|run| unfinished.contains(&run)) && backup.is_of(&measure.location, &tables)
        };
        directory(&options, &measure)?.prune_among(self.retention, self.dry_run, |_| true, is_needed)
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
        directory.prepare(if contents == Contents::Schema { 0 } else { measure.room })?;
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
        let snapshot = backend.read().await?;
        let run_began_at = match self.run {
            Some(run) => began_at(&backend.history(HISTORY_OF_THIS_RUN).await?, run),
            None => None,
        };
        let copied = backend.copy_out(&order).await?;
        if let (Some(damage), BackupReason::BeforeRun) = (&copied.damage, self.reason) {
            return Err(damaged(damage));
        }
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
            run_began_at,
            ledger_table: self.settings.tables.table.clone(),
            ledger_schema: backend.located().schema,
            ledger_head: head(&snapshot).map(|row| row.version.to_string()),
            ledger_floor: floor(&snapshot).map(|floor| floor.to_string()),
            registry_digest: self.registry.digest().to_string(),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            database_version: copied.database_version,
            dump_version: copied.dump_version,
            schema_fingerprint: copied.survey.fingerprint,
            rows: copied.survey.rows,
            foreign_key_violations: copied.survey.foreign_key_violations,
            damage: copied.damage,
            directory: std::path::PathBuf::new(),
        };
        directory.keep(copied.written, backup)
    }
}

pub(super) fn directory(options: &BackupOptions, measure: &Measure) -> Result<BackupDirectory, Error> {
    let path = options.directory.as_ref().or(measure.directory.as_ref());
    path.map(BackupDirectory::new).ok_or_else(|| {
        Error::new(ErrorKind::Configuration, "there is no directory for backups of a database in memory")
            .with_help("name one (`BackupOptions::directory`)")
    })
}

/// The highest migration that is applied.
fn head(snapshot: &Snapshot) -> Option<&LedgerRow> {
    snapshot.rows.iter().rfind(|row| row.status.is_complete())
}

fn damaged(damage: &str) -> Error {
    Error::new(ErrorKind::Backup, format!("the database is damaged: {damage}")).with_help(
        "keep a copy of it with `migrate backup create`, then put a backup back with `migrate restore`, or mend it \
         (`REINDEX`, sqlite3's `.recover`); `--backup-type never` migrates it as it is",
    )
}

/// The name of a database with what has a meaning in paths, or to a shell, replaced.
fn file_name(name: &str) -> String {
    let plain = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => character,
        _ => '_',
    };
    name.chars().map(plain).take(100).collect()
}
