//! Which runs left something half done, and the backups from before them.

use std::collections::{BTreeMap, BTreeSet};

use migrate_core::ledger::Status;

use super::backup::directory;
use crate::backend::Backend;
use crate::backup::{Backup, BackupReason, Contents};
use crate::error::Error;
use crate::options::Settings;
use crate::report::HistoryRow;

/// How many rows of the history are read to see what runs did.
pub(super) const HISTORY: u32 = 100_000;

/// When a run began, by the database's clock.
pub(super) fn began_at(history: &[HistoryRow], run: i64) -> Option<String> {
    let mut rows = history.iter();
    let began = rows.find(|row| row.run == run && row.operation == "run" && row.outcome == "started");
    began.map(|row| row.recorded_at.clone())
}

/// The runs that began what is neither finished nor taken back.
pub(super) async fn unfinished<B: Backend>(backend: &mut B) -> Result<BTreeSet<i64>, Error> {
    let snapshot = backend.read().await?;
    let rows = snapshot.rows.iter().filter(|row| !row.status.is_complete());
    let mut open: BTreeMap<String, &str> = rows
        .map(|row| (row.version.to_string(), if row.status == Status::Reverting { "down" } else { "up" }))
        .collect();
    let mut runs = BTreeSet::new();
    if open.is_empty() {
        return Ok(runs);
    }
    // The newest first: what was begun before that was taken back.
    for row in backend.history(HISTORY).await?.iter().filter(|row| row.outcome == "started") {
        let Some(version) = row.version.as_ref().filter(|version| open.get(*version) == Some(&&*row.operation)) else {
            continue;
        };
        open.remove(version);
        runs.insert(row.run);
    }
    Ok(runs)
}

/// The full backup that was taken before a run of this ledger. A database of the same name, or a file at the same place,
/// may have had a run of the same number that began at another time.
pub(super) async fn backup_before<B: Backend>(
    backend: &mut B,
    settings: &Settings,
    history: &[HistoryRow],
    run: i64,
) -> Result<Option<Backup>, Error> {
    let measure = backend.measure().await?;
    let tables = backend.located();
    let began = began_at(history, run);
    let options = settings.backup.clone().unwrap_or_default();
    let backups = directory(&options, &measure)?.list()?.backups;
    let is_it = |backup: &Backup| {
        let before = backup.reason == BackupReason::BeforeRun && backup.run == Some(run);
        let same = began.is_some() && backup.run_began_at == began && backup.is_of(&measure.location, &tables);
        before && same && backup.contents == Contents::Full
    };
    Ok(backups.into_iter().find(is_it))
}
