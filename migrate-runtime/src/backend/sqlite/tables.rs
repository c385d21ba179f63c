//! The SQL of our tables on SQLite. Every name is qualified with `main`, so that no temporary table can stand before it.

use std::time::Duration;

use migrate_core::checksum::{ALGORITHM, Checksum};
use migrate_core::fingerprint::Fingerprint;
use migrate_core::ledger::{FORMAT, LedgerRow, LockHolder, OLDEST_READER, Snapshot, State, Status, Summary};
use migrate_core::migration::Dialect;
use migrate_core::plan::Step;
use migrate_core::rollback::Past;
use migrate_core::version::SchemaVersion;
use rusqlite::types::{FromSql, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::script::plain_error;
use crate::backend::{
    Fence, HistoryEntry, Run, Stored, Took, Work, identifier, ledger_error, past_change, past_run, row_not_written,
    void,
};
use crate::error::{Error, ErrorKind};
use crate::options::Tables;
use crate::report::HistoryRow;

/// The database's clock, as RFC 3339 in UTC.
pub(super) const NOW: &str = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";

/// Our tables: plain names for looking them up, quoted ones for using them.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) plain: [String; 4],
    ledger: String,
    pub(super) history: String,
    pub(super) state: String,
    pub(super) instances: String,
}

/// Which of our tables are there.
pub(super) struct Found {
    /// Those that have always been: all of them, or none.
    pub(super) ledger: bool,
    /// The table of instances; with it came the column `intended_removal`.
    pub(super) instances: bool,
}

impl Names {
    pub(super) fn new(tables: &Tables) -> Self {
        // SQLite's schemas are attached databases; ours is always the main one.
        let plain = Tables::SUFFIXES.map(|suffix| tables.name(suffix));
        let [ledger, history, state, instances] = plain.each_ref().map(|name| format!("main.{}", identifier(name)));
        Self { plain, ledger, history, state, instances }
    }

    /// Which of our tables are there. Only some of those that have always been is damage. Names are compared as SQLite does.
    pub(super) fn found(&self, connection: &Connection) -> Result<Found, Error> {
        let sql = "SELECT lower(name), type FROM main.sqlite_master WHERE type IN ('table', 'view')
                   AND name COLLATE NOCASE IN (?1, ?2, ?3, ?4)";
        let [ledger, history, state, instances] = &self.plain;
        let found = rows(connection, sql, &[ledger, history, state, instances], pair::<String, String>);
        let found = found.map_err(|error| plain_error("the database could not be read", &error))?;
        let kind = |name: &String| {
            let found = found.iter().find(|(found, _)| *found == name.to_ascii_lowercase());
            found.map(|(_, kind)| &**kind)
        };
        let [always @ .., instances] = &self.plain;
        let ledger = always.iter().any(|name| kind(name).is_some());
        for name in always.iter().filter(|_| ledger).chain([instances]) {
            match kind(name) {
                Some("table") => {}
                Some(_) => return Err(ledger_error(name, "it is a view")),
                None if name == instances => {}
                None => return Err(ledger_error(name, "it is missing while the others are there")),
            }
        }
        Ok(Found { ledger, instances: ledger && kind(instances).is_some() })
    }

    /// Creates our tables when they are not there, and adds what came later. Runs under the write lock, so nobody else does
    /// the same.
    pub(super) fn create(&self, connection: &Connection) -> Result<(), Error> {
        let failed = |error: rusqlite::Error| plain_error("the ledger could not be created", &error);
        let found = self.found(connection)?;
        if !found.ledger {
            connection.execute_batch(&self.create_ledger()).map_err(failed)?;
        }
        connection.execute_batch(&self.create_index()).map_err(failed)?;
        if found.instances {
            return Ok(());
        }
        if found.ledger && !self.has_intended_removal(connection).map_err(failed)? {
            let add = format!("ALTER TABLE {} ADD COLUMN intended_removal TEXT", self.state);
            connection.execute_batch(&add).map_err(failed)?;
        }
        connection.execute_batch(&self.create_instances()).map_err(failed)
    }

    /// What is summed up at a start, without the scripts between which it lies in the table.
    fn create_index(&self) -> String {
        format!(
            "CREATE INDEX IF NOT EXISTS main.{} ON {} (version, checksum, min_runtime_version, status)",
            identifier(&format!("{}_summary", self.plain[0])),
            identifier(&self.plain[0]),
        )
    }

    /// Whether the column is there that came with the table of instances, which somebody may have removed.
    fn has_intended_removal(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let sql = "SELECT 1 FROM pragma_table_info(?1, 'main') WHERE name = 'intended_removal'";
        connection.prepare(sql)?.exists([&self.plain[2]])
    }

    fn create_ledger(&self) -> String {
        let Self { ledger, history, state, .. } = self;
        format!(
            "CREATE TABLE {ledger} (
                version TEXT NOT NULL PRIMARY KEY,
                name TEXT NOT NULL,
                checksum TEXT NOT NULL,
                applied_at TEXT NOT NULL,
                runtime_version TEXT,
                execution_time_ms INTEGER NOT NULL,
                status TEXT NOT NULL CHECK (status IN ('applied', 'applying', 'reverting', 'baseline')),
                min_runtime_version TEXT,
                dependencies TEXT NOT NULL,
                kind TEXT NOT NULL,
                up_sql TEXT NOT NULL,
                down_sql TEXT,
                registry_digest TEXT NOT NULL,
                transactional INTEGER NOT NULL,
                foreign_keys_off INTEGER NOT NULL,
                progress INTEGER NOT NULL DEFAULT 0,
                down_checksum TEXT
            );
            CREATE TABLE {history} (
                id INTEGER PRIMARY KEY,
                run INTEGER NOT NULL,
                operation TEXT NOT NULL,
                version TEXT,
                outcome TEXT NOT NULL,
                error TEXT,
                execution_time_ms INTEGER,
                runtime_version TEXT,
                registry_digest TEXT NOT NULL,
                actor TEXT NOT NULL,
                host TEXT NOT NULL,
                process INTEGER NOT NULL,
                recorded_at TEXT NOT NULL,
                plan TEXT
            );
            CREATE TABLE {state} (
                id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
                format INTEGER NOT NULL,
                oldest_reader INTEGER NOT NULL,
                registry_name TEXT,
                checksum_algorithm TEXT NOT NULL,
                intended_floor TEXT,
                intended_removal TEXT,
                fence INTEGER NOT NULL UNIQUE,
                lock_owner TEXT,
                lock_host TEXT,
                lock_process INTEGER,
                lock_acquired_at TEXT,
                lock_expires_at TEXT
            );
            INSERT INTO {state} (id, format, oldest_reader, checksum_algorithm, fence)
                VALUES (1, {FORMAT}, {OLDEST_READER}, '{ALGORITHM}', 0);"
        )
    }

    /// Writes the state row without changing it.
    pub(super) fn touch(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute(&format!("UPDATE {} SET fence = fence WHERE id = 1", self.state), []).map(drop)
    }

    /// Adds what tables of an older format lack.
    pub(super) fn upgrade(&self, connection: &Connection) -> Result<(), Error> {
        let failed = |error: rusqlite::Error| plain_error("the ledger could not be upgraded", &error);
        if !self.has_down_checksum(connection).map_err(failed)? {
            let add = format!("ALTER TABLE {} ADD COLUMN down_checksum TEXT", self.ledger);
            connection.execute_batch(&add).map_err(failed)?;
        }
        let note = format!("UPDATE {} SET format = {FORMAT} WHERE format < {FORMAT}", self.state);
        connection.execute(&note, []).map(|_| ()).map_err(failed)
    }

    fn has_down_checksum(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let sql = "SELECT 1 FROM pragma_table_info(?1, 'main') WHERE name = 'down_checksum'";
        connection.prepare(sql)?.exists([&self.plain[0]])
    }

    /// State and ledger; the holder of a lock is taken to be alive.
    pub(super) fn snapshot(&self, connection: &Connection) -> Result<Snapshot, Error> {
        if !self.found(connection)?.ledger {
            return Ok(Snapshot::default());
        }
        let failed = |error: rusqlite::Error| plain_error("the ledger could not be read", &error);
        let state = connection
            .prepare(&format!(
                "SELECT format, oldest_reader, registry_name, checksum_algorithm, fence, lock_owner, lock_host,
                        lock_process, lock_acquired_at FROM {} WHERE id = 1",
                self.state
            ))
            .and_then(|mut statement| statement.query_row([], state).optional())
            .map_err(failed)?
            .ok_or_else(|| ledger_error(&self.plain[2], "its one row is missing"))?;
        if state.oldest_reader > FORMAT {
            return Ok(Snapshot { state: Some(state), rows: Vec::new() });
        }
        let sql = format!(
            "SELECT version, name, checksum, applied_at, runtime_version, execution_time_ms, status,
                    min_runtime_version, progress, down_sql IS NOT NULL FROM {}",
            self.ledger
        );
        let read = rows(connection, &sql, &[], ledger_row);
        let mut rows = Vec::new();
        for (version, status, row) in read.map_err(failed)? {
            let damaged = |problem: String| ledger_error(&self.plain[0], &problem);
            let version = version.parse().map_err(|error| damaged(format!("`{version}` is no version: {error}")))?;
            let status = status.parse().map_err(|error| damaged(format!("`{status}` is no status: {error}")))?;
            rows.push(LedgerRow { version, status, ..row });
        }
        rows.sort_by_key(|row| row.version);
        Ok(Snapshot { state: Some(state), rows })
    }

    /// State and ledger summed up by one statement, which sees one state of the database. `None` without a state row. Where
    /// our tables are missing it does not compile.
    pub(super) fn summary(&self, connection: &Connection) -> rusqlite::Result<Option<Summary>> {
        let sql = format!(
            "SELECT s.oldest_reader, s.registry_name, s.checksum_algorithm,
                    l.version, l.checksum, l.min_runtime_version, l.status
             FROM {} AS s LEFT JOIN {} AS l WHERE s.id = 1",
            self.state, self.ledger
        );
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        let mut summary = None;
        let mut fingerprint = Fingerprint::default();
        while let Some(row) = rows.next()? {
            if summary.is_none() {
                summary = Some(Summary {
                    oldest_reader: row.get(0)?,
                    registry_name: row.get(1)?,
                    checksum_algorithm: row.get(2)?,
                    fingerprint: 0,
                });
            }
            if let ValueRef::Null = row.get_ref(3)? {
                break;
            }
            let text = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str()?);
            fingerprint.add(text(3)?, text(4)?, row.get_ref(5)?.as_str_or_null()?, text(6)?);
        }
        Ok(summary.map(|summary| Summary { fingerprint: fingerprint.value(), ..summary }))
    }

    /// The scripts that the ledger keeps of a migration.
    pub(super) fn stored(&self, connection: &Connection, version: SchemaVersion) -> Result<Stored, Error> {
        let failed = |error: rusqlite::Error| plain_error("the stored scripts could not be read", &error);
        // Reading upgrades nothing.
        let checksum = if self.has_down_checksum(connection).map_err(failed)? { "down_checksum" } else { "NULL" };
        let sql = format!(
            "SELECT up_sql, down_sql, transactional, foreign_keys_off, {checksum} FROM {} WHERE version = ?1",
            self.ledger
        );
        let row = |row: &Row<'_>| {
            Ok(Stored {
                version,
                up_sql: row.get(0)?,
                down_sql: row.get(1)?,
                transactional: row.get(2)?,
                foreign_keys_off: row.get(3)?,
                down_checksum: row.get(4)?,
            })
        };
        connection.query_row(&sql, [version.to_string()], row).map_err(failed)
    }

    /// The newest rows of the history, newest first.
    pub(super) fn history(&self, connection: &Connection, limit: u32) -> Result<Vec<HistoryRow>, Error> {
        if !self.found(connection)?.ledger {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT id, run, operation, version, outcome, error, execution_time_ms, runtime_version, registry_digest,
                    actor, host, process, recorded_at, plan FROM {} ORDER BY id DESC LIMIT ?1",
            self.history
        );
        let read = rows(connection, &sql, &[&limit], history_row);
        read.map_err(|error| plain_error("the history could not be read", &error))
    }

    /// The runs of the past, and what they changed.
    pub(super) fn past(&self, connection: &Connection) -> Result<Past, Error> {
        let failed = |error: rusqlite::Error| plain_error("the history could not be read", &error);
        let runs = format!(
            "SELECT run, CAST((julianday('now') - julianday(recorded_at)) * 86400000 AS INTEGER) FROM {}
             WHERE operation = 'run' AND outcome = 'started' ORDER BY id",
            self.history
        );
        let changes = format!(
            "SELECT id, run, version, operation FROM {} WHERE version IS NOT NULL AND outcome = 'succeeded' ORDER BY id",
            self.history
        );
        let restores = format!(
            "SELECT id, coalesce(plan, '') FROM {} WHERE operation = 'restore' AND outcome = 'succeeded' ORDER BY id",
            self.history
        );
        let restores: Vec<(i64, String)> = rows(connection, &restores, &[], pair).map_err(failed)?;
        let void = void(&restores);
        let runs = rows(connection, &runs, &[], |row| Ok(past_run(row.get(0)?, row.get(1)?)));
        let mut past = Past { runs: runs.map_err(failed)?, changes: Vec::new() };
        let change = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        let changes: Vec<(i64, i64, String, String)> = rows(connection, &changes, &[], change).map_err(failed)?;
        for (id, run, version, operation) in changes {
            if void.iter().any(|range| range.contains(&id)) {
                continue;
            }
            past.changes.extend(past_change(&self.plain[1], run, &version, &operation)?);
        }
        Ok(past)
    }

    /// The fence of the run that holds the lock.
    pub(super) fn fence(&self, connection: &Connection) -> Result<Option<Fence>, Error> {
        connection
            .prepare(&format!("SELECT fence FROM {} WHERE id = 1 AND lock_owner IS NOT NULL", self.state))
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)).optional())
            .map_err(|error| plain_error("the lock could not be checked", &error))
    }

    /// Takes the lock, closes runs that never ended, and opens this one.
    pub(super) fn take_lock(&self, connection: &Connection, run: &Run) -> Result<Fence, Error> {
        let Self { history, state, .. } = self;
        let take = || -> rusqlite::Result<Fence> {
            let fence = connection.query_row(
                &format!(
                    "UPDATE {state} SET fence = fence + 1, lock_owner = ?1, lock_host = ?2, lock_process = ?3,
                            lock_acquired_at = {NOW}, intended_floor = NULL, intended_removal = NULL,
                            registry_name = coalesce(registry_name, ?4)
                     WHERE id = 1 RETURNING fence"
                ),
                params![run.identity.actor, run.identity.host, run.identity.process, run.registry_name],
                |row| row.get(0),
            )?;
            connection.execute(
                &format!(
                    "INSERT INTO {history} (run, operation, outcome, runtime_version, registry_digest, actor, host,
                                            process, recorded_at)
                     SELECT run, 'run', 'interrupted', runtime_version, registry_digest, actor, host, process, {NOW}
                     FROM {history} AS started
                     WHERE operation = 'run' AND outcome = 'started' AND NOT EXISTS (
                         SELECT 1 FROM {history} AS ended WHERE ended.run = started.run
                         AND ended.operation = 'run' AND ended.outcome <> 'started')"
                ),
                [],
            )?;
            Ok(fence)
        };
        let fence = take().map_err(|error| plain_error("the lock could not be taken", &error))?;
        let entry = HistoryEntry { plan: Some(&run.plan), ..HistoryEntry::of_run("started") };
        self.add_history(connection, &Run { id: fence, ..run.clone() }, &entry)?;
        Ok(fence)
    }

    /// Gives the lock back, if it is still ours.
    pub(super) fn give_lock_back(&self, connection: &Connection, fence: Fence) -> Result<(), Error> {
        let sql = format!(
            "UPDATE {} SET lock_owner = NULL, lock_host = NULL, lock_process = NULL, lock_acquired_at = NULL,
                    intended_floor = NULL, intended_removal = NULL
             WHERE id = 1 AND fence = ?1",
            self.state
        );
        let changed = connection.execute(&sql, [fence]);
        changed.map(|_| ()).map_err(|error| plain_error("the lock could not be given back", &error))
    }

    /// How long each step of a run took, in the order in which they took effect.
    pub(super) fn done(&self, connection: &Connection, run: &Run) -> Result<Vec<Duration>, Error> {
        let sql = format!(
            "SELECT execution_time_ms FROM {} WHERE run = ?1 AND outcome = 'succeeded' AND version IS NOT NULL
             ORDER BY id",
            self.history
        );
        let duration = |row: &Row<'_>| Ok(Duration::from_millis(row.get::<_, i64>(0)?.try_into().unwrap_or(0)));
        let read = rows(connection, &sql, &[&run.id], duration);
        read.map_err(|error| plain_error("the history could not be read", &error))
    }

    /// Adds a row to the history.
    pub(super) fn add_history(
        &self,
        connection: &Connection,
        run: &Run,
        entry: &HistoryEntry<'_>,
    ) -> Result<(), Error> {
        let sql = format!(
            "INSERT INTO {} (run, operation, version, outcome, error, execution_time_ms, runtime_version,
                             registry_digest, actor, host, process, recorded_at, plan)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, {NOW}, ?12)",
            self.history
        );
        let took = match entry.took {
            Took::Measured(duration) => Some(milliseconds(duration)),
            _ => None,
        };
        let add = || -> rusqlite::Result<usize> {
            connection.prepare(&sql)?.execute(params![
                run.id,
                entry.operation,
                entry.version.map(|version| version.to_string()),
                entry.outcome,
                entry.error,
                took,
                run.runtime_version,
                run.registry_digest,
                run.identity.actor,
                run.identity.host,
                run.identity.process,
                entry.plan,
            ])
        };
        match (add().map_err(|error| plain_error("the history could not be written", &error))?, entry.version) {
            (1, _) => Ok(()),
            (_, Some(version)) => Err(row_not_written(version)),
            (_, None) => Err(run_not_written()),
        }
    }

    /// Adds the ledger row of a migration.
    pub(super) fn insert(
        &self,
        connection: &Connection,
        run: &Run,
        work: &Work<'_>,
        status: Status,
        duration: Duration,
    ) -> Result<(), Error> {
        let record = work.record(Dialect::Sqlite);
        let sql = format!(
            "INSERT INTO {} (version, name, checksum, applied_at, runtime_version, execution_time_ms, status,
                             min_runtime_version, dependencies, kind, up_sql, down_sql, registry_digest,
                             transactional, foreign_keys_off, down_checksum)
             VALUES (?1, ?2, ?3, {NOW}, ?4, ?5, ?6, ?7, ?8, 'sql', ?9, ?10, ?11, ?12, ?13, ?14)",
            self.ledger
        );
        let insert = || -> rusqlite::Result<usize> {
            connection.prepare(&sql)?.execute(params![
                work.step.version.to_string(),
                work.step.name,
                record.checksum,
                run.runtime_version,
                milliseconds(duration),
                status.as_str(),
                record.min_runtime_version,
                record.dependencies,
                record.up_sql,
                record.down_sql,
                run.registry_digest,
                record.transactional,
                record.foreign_keys_off,
                record.down_checksum,
            ])
        };
        match insert().map_err(|error| plain_error("the ledger row could not be written", &error))? {
            1 => Ok(()),
            _ => Err(row_not_written(work.step.version)),
        }
    }

    /// Takes over what the registry records of a migration.
    pub(super) fn accept(&self, connection: &Connection, run: &Run, work: &Work<'_>) -> Result<(), Error> {
        let record = work.record(Dialect::Sqlite);
        let sql = format!(
            "UPDATE {} SET name = ?2, checksum = ?3, min_runtime_version = ?4, dependencies = ?5, up_sql = ?6,
                    down_sql = ?7, registry_digest = ?8, transactional = ?9, foreign_keys_off = ?10,
                    down_checksum = ?11
             WHERE version = ?1",
            self.ledger
        );
        let values: [&dyn rusqlite::ToSql; 10] = [
            &work.step.name,
            &record.checksum,
            &record.min_runtime_version,
            &record.dependencies,
            &record.up_sql,
            &record.down_sql,
            &run.registry_digest,
            &record.transactional,
            &record.foreign_keys_off,
            &record.down_checksum,
        ];
        self.change(connection, work.step, &sql, &values)
    }

    /// Removes the ledger row of a migration that was undone.
    pub(super) fn delete(&self, connection: &Connection, step: &Step) -> Result<(), Error> {
        self.change(connection, step, &format!("DELETE FROM {} WHERE version = ?1", self.ledger), &[])
    }

    /// Marks a migration whose down script runs outside a transaction, and keeps the script: it is the one to resume.
    pub(super) fn mark_reverting(&self, connection: &Connection, work: &Work<'_>) -> Result<(), Error> {
        let sql = format!(
            "UPDATE {} SET status = 'reverting', progress = 0, down_sql = ?2, down_checksum = ?3 WHERE version = ?1",
            self.ledger
        );
        let checksum = Checksum::of(&work.script.sql).to_string();
        self.change(connection, work.step, &sql, &[&work.script.sql, &checksum])
    }

    /// Takes that mark back.
    pub(super) fn mark_applied(&self, connection: &Connection, step: &Step) -> Result<(), Error> {
        let sql = format!("UPDATE {} SET status = 'applied', progress = 0 WHERE version = ?1", self.ledger);
        self.change(connection, step, &sql, &[])
    }

    /// Records how many segments are finished.
    pub(super) fn progress(&self, connection: &Connection, step: &Step, progress: u32) -> Result<(), Error> {
        let sql = format!("UPDATE {} SET progress = ?2 WHERE version = ?1", self.ledger);
        self.change(connection, step, &sql, &[&progress])
    }

    /// Fails unless so many segments are recorded as finished.
    pub(super) fn stands_at(&self, connection: &Connection, step: &Step, progress: u32) -> Result<(), Error> {
        let sql = format!("UPDATE {} SET progress = ?2 WHERE version = ?1 AND progress = ?2", self.ledger);
        self.change(connection, step, &sql, &[&progress])
    }

    /// Records that a migration that ran outside a transaction is complete.
    pub(super) fn complete(&self, connection: &Connection, step: &Step, duration: Duration) -> Result<(), Error> {
        let sql = format!(
            "UPDATE {} SET status = 'applied', progress = 0, execution_time_ms = ?2, applied_at = {NOW}
             WHERE version = ?1",
            self.ledger
        );
        self.change(connection, step, &sql, &[&milliseconds(duration)])
    }

    /// Changes exactly one ledger row.
    fn change(
        &self,
        connection: &Connection,
        step: &Step,
        sql: &str,
        more: &[&dyn rusqlite::ToSql],
    ) -> Result<(), Error> {
        let version = step.version.to_string();
        let mut values: Vec<&dyn rusqlite::ToSql> = vec![&version];
        values.extend_from_slice(more);
        let changed = connection
            .prepare(sql)
            .and_then(|mut statement| statement.execute(&values[..]))
            .map_err(|error| plain_error("the ledger row could not be written", &error))?;
        if changed == 1 {
            return Ok(());
        }
        Err(ledger_error(&self.plain[0], &format!("the row of {version} is gone")).with_migration(step.version))
    }
}

/// The error of a row for a whole run that a trigger keeps out of the history.
fn run_not_written() -> Error {
    Error::new(
        ErrorKind::Ledger,
        "the run's row of the history was not written: a trigger or rule on the table keeps it out",
    )
    .with_help("remove what stands on the history's table, then run again")
}

/// Runs `body` on one consistent state of the database.
pub(super) fn in_read_transaction<T>(
    connection: &Connection,
    body: impl FnOnce(&Connection) -> Result<T, Error>,
) -> Result<T, Error> {
    let failed = |error: rusqlite::Error| plain_error("the database could not be read", &error);
    connection.execute_batch("BEGIN").map_err(failed)?;
    let result = body(connection);
    let ended = super::roll_back(connection);
    result.and_then(|value| ended.map(|()| value))
}

/// The rows of a query, each as `read` makes it.
pub(super) fn rows<T>(
    connection: &Connection,
    sql: &str,
    parameters: &[&dyn ToSql],
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut statement = connection.prepare(sql)?;
    let mut found = statement.query(parameters)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push(read(row)?);
    }
    Ok(rows)
}

/// The first two columns of a row.
pub(super) fn pair<A: FromSql, B: FromSql>(row: &Row<'_>) -> rusqlite::Result<(A, B)> {
    Ok((row.get(0)?, row.get(1)?))
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn state(row: &Row<'_>) -> rusqlite::Result<State> {
    let owner: Option<String> = row.get(5)?;
    let lock = match owner {
        None => None,
        Some(owner) => Some(LockHolder {
            owner,
            host: row.get(6)?,
            process: row.get(7)?,
            acquired_at: row.get(8)?,
            expires_at: None,
            backend: None,
            live: true,
        }),
    };
    Ok(State {
        format: row.get(0)?,
        oldest_reader: row.get(1)?,
        registry_name: row.get(2)?,
        checksum_algorithm: row.get(3)?,
        fence: row.get(4)?,
        lock,
    })
}

/// A ledger row whose version and status are still text.
fn ledger_row(row: &Row<'_>) -> rusqlite::Result<(String, String, LedgerRow)> {
    let entry = LedgerRow {
        version: SchemaVersion::new(0, 0, 0),
        name: row.get(1)?,
        checksum: row.get(2)?,
        applied_at: row.get(3)?,
        runtime_version: row.get(4)?,
        execution_time_ms: row.get::<_, i64>(5)?.try_into().unwrap_or(0),
        status: Status::Applied,
        min_runtime_version: row.get(7)?,
        progress: row.get(8)?,
        // What SQLite runs outside a transaction may all be run once more.
        attempted: 0,
        up_sql: None,
        has_down: row.get(9)?,
    };
    Ok((row.get(0)?, row.get(6)?, entry))
}

fn history_row(row: &Row<'_>) -> rusqlite::Result<HistoryRow> {
    Ok(HistoryRow {
        id: row.get(0)?,
        run: row.get(1)?,
        operation: row.get(2)?,
        version: row.get(3)?,
        outcome: row.get(4)?,
        error: row.get(5)?,
        execution_time_ms: row.get::<_, Option<i64>>(6)?.map(|ms| ms.try_into().unwrap_or(0)),
        runtime_version: row.get(7)?,
        registry_digest: row.get(8)?,
        actor: row.get(9)?,
        host: row.get(10)?,
        process: row.get(11)?,
        recorded_at: row.get(12)?,
        plan: row.get(13)?,
    })
}
