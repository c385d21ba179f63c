//! The SQL of running programs on SQLite: the table of instances, and what the run at work intends.

use migrate_core::instances::{Intent, RunningInstance};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::script::plain_error;
use super::tables::{NOW, Names, rows};
use crate::backend::{InstanceRow, Registered, ledger_error};
use crate::error::Error;

/// Rows that expired so long ago are removed by whoever registers. A row that expired just now may belong to a program whose
/// heartbeats a long step kept out.
const REMEMBERED: &str = "-1 day";

impl Names {
    /// What the table of instances is made by.
    pub(super) fn create_instances(&self) -> String {
        format!(
            "CREATE TABLE IF NOT EXISTS {} (
                id TEXT NOT NULL PRIMARY KEY,
                runtime_version TEXT NOT NULL,
                registry_head TEXT,
                registry_digest TEXT NOT NULL,
                host TEXT NOT NULL,
                process INTEGER NOT NULL,
                started_at TEXT NOT NULL,
                last_seen_at TEXT NOT NULL,
                expires_at TEXT NOT NULL
            );",
            self.instances
        )
    }

    /// What the run at work intends, and who is registered.
    pub(super) fn registered(&self, connection: &Connection) -> Result<Registered, Error> {
        if !self.found(connection)?.instances {
            return Ok(Registered::default());
        }
        Ok(Registered { intent: self.intent(connection)?, instances: self.running(connection)? })
    }

    /// What the run at work intends.
    pub(super) fn intent(&self, connection: &Connection) -> Result<Intent, Error> {
        let sql = format!("SELECT intended_floor, intended_removal FROM {} WHERE id = 1", self.state);
        let pair = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let read = connection.prepare(&sql).and_then(|mut statement| statement.query_row([], pair).optional());
        let read: Option<(Option<String>, Option<String>)> =
            read.map_err(|error| plain_error("what the run at work intends could not be read", &error))?;
        let (floor, removal) = read.unwrap_or_default();
        let damaged = |_| ledger_error(&self.plain[2], "its column intended_removal holds no version");
        Ok(Intent { floor, removal: removal.map(|version| version.parse().map_err(damaged)).transpose()? })
    }

    /// Writes what the run that holds the lock intends.
    pub(super) fn set_intent(&self, connection: &Connection, intent: &Intent) -> Result<(), Error> {
        let sql = format!("UPDATE {} SET intended_floor = ?1, intended_removal = ?2 WHERE id = 1", self.state);
        let removal = intent.removal.map(|version| version.to_string());
        let written = connection.execute(&sql, params![intent.floor, removal]);
        written.map(drop).map_err(|error| plain_error("what the run intends could not be written", &error))
    }

    /// Who is registered, oldest first.
    pub(super) fn running(&self, connection: &Connection) -> Result<Vec<RunningInstance>, Error> {
        let sql = format!(
            "SELECT id, runtime_version, registry_head, registry_digest, host, process, started_at, last_seen_at,
                    CAST(round((julianday(expires_at) - julianday('now')) * 86400000) AS INTEGER)
             FROM {} ORDER BY started_at, id",
            self.instances
        );
        let rows = rows(connection, &sql, &[], instance);
        let rows = rows.map_err(|error| plain_error("the instances could not be read", &error))?;
        let with_head = |(head, row): (Option<String>, RunningInstance)| {
            let damaged = |_| ledger_error(&self.plain[3], "its column registry_head holds no version");
            let registry_head = head.map(|version| version.parse().map_err(damaged)).transpose()?;
            Ok(RunningInstance { registry_head, ..row })
        };
        rows.into_iter().map(with_head).collect()
    }

    /// Adds the row of an instance, or makes it as good as new.
    pub(super) fn add_instance(&self, connection: &Connection, row: &InstanceRow) -> Result<(), Error> {
        let instances = &self.instances;
        let forget = format!("DELETE FROM {instances} WHERE julianday(expires_at) < julianday('now', '{REMEMBERED}')");
        let add = format!(
            "INSERT INTO {instances} (id, runtime_version, registry_head, registry_digest, host, process, started_at,
                                      last_seen_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, {NOW}, {NOW}, {expires})
             ON CONFLICT (id) DO UPDATE SET last_seen_at = excluded.last_seen_at, expires_at = excluded.expires_at",
            expires = expires("?7"),
        );
        let write = || -> rusqlite::Result<usize> {
            connection.execute(&forget, [])?;
            connection.execute(
                &add,
                params![
                    row.id,
                    row.runtime_version.to_string(),
                    row.registry_head.map(|version| version.to_string()),
                    row.registry_digest,
                    row.host,
                    row.process,
                    row.expiry.as_secs_f64(),
                ],
            )
        };
        write().map(drop).map_err(|error| plain_error("the program could not be registered", &error))
    }

    /// Prolongs the row of an instance that has not expired; says whether there was one.
    pub(super) fn prolong_instance(&self, connection: &Connection, row: &InstanceRow) -> Result<bool, Error> {
        let sql = format!(
            "UPDATE {} SET last_seen_at = {NOW}, expires_at = {}
             WHERE id = ?1 AND julianday(expires_at) > julianday('now')",
            self.instances,
            expires("?2"),
        );
        let changed = connection.execute(&sql, params![row.id, row.expiry.as_secs_f64()]);
        changed.map(|rows| rows == 1).map_err(|error| plain_error("the heartbeat could not be written", &error))
    }

    /// Removes the row of an instance.
    pub(super) fn remove_instance(&self, connection: &Connection, row: &InstanceRow) -> Result<(), Error> {
        let removed = connection.execute(&format!("DELETE FROM {} WHERE id = ?1", self.instances), [&row.id]);
        removed.map(drop).map_err(|error| plain_error("the row of the instance could not be removed", &error))
    }
}

/// The time so many seconds from now.
fn expires(seconds: &str) -> String {
    format!("strftime('%Y-%m-%dT%H:%M:%fZ', 'now', printf('+%.3f seconds', {seconds}))")
}

/// A row whose highest migration is still text.
fn instance(row: &Row<'_>) -> rusqlite::Result<(Option<String>, RunningInstance)> {
    let instance = RunningInstance {
        id: row.get(0)?,
        runtime_version: row.get(1)?,
        registry_head: None,
        registry_digest: row.get(3)?,
        host: row.get(4)?,
        process: row.get(5)?,
        started_at: row.get(6)?,
        last_seen_at: row.get(7)?,
        expires_in_ms: row.get(8)?,
    };
    Ok((row.get(2)?, instance))
}
