//! Making the copy of a backup ready to take the place of the database that it was taken of.

use rusqlite::{Connection, params};

use super::script::plain_error;
use super::tables::Names;
use crate::backend::{Fence, HistoryEntry, Run, STANDS};
use crate::backup::Restoration;
use crate::error::Error;

const INSTANCES: &str =
    "id, runtime_version, registry_head, registry_digest, host, process, started_at, last_seen_at, expires_at";

impl Names {
    /// Gives a copy the lock of the run that puts it back, the history of the database since, and the programs that run now. All of it gets into the
    /// database in the one commit that overwrites it.
    pub(super) fn continue_in(
        &self,
        copy: &Connection,
        database: &Connection,
        run: &Run,
        restoration: &Restoration<'_>,
    ) -> Result<Fence, Error> {
        let failed = |error: rusqlite::Error| plain_error("the copy of the backup could not be made ready", &error);
        copy.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
        self.create(copy)?;
        let number = |sql: String| copy.query_row(&sql, [], |row| row.get::<_, Fence>(0));
        let above = i64::from(!restoration.of_this_run);
        let fence = number(format!("SELECT max(fence + {above}, {}) FROM {}", run.id, self.state)).map_err(failed)?;
        let newest = number(format!("SELECT coalesce(max(id), 0) FROM {}", self.history)).map_err(failed)?;
        self.take_lock_over(copy, database, fence).map_err(failed)?;
        self.carry_history_over(copy, database, (run.id, fence), newest, restoration.of_this_run).map_err(failed)?;
        self.replace_instances(copy, database).map_err(failed)?;
        let plan = format!("{}{STANDS}{newest}", restoration.entry.plan.unwrap_or_default());
        let entry = HistoryEntry { plan: Some(&plan), ..restoration.entry };
        self.add_history(copy, &Run { id: fence, ..run.clone() }, &entry)?;
        copy.execute_batch("COMMIT").map_err(failed)?;
        Ok(fence)
    }

    /// The programs that were alive when the backup was taken are not alive any more; those that are registered now are.
    fn replace_instances(&self, copy: &Connection, database: &Connection) -> rusqlite::Result<()> {
        copy.execute_batch(&format!("DELETE FROM {}", self.instances))?;
        let mut rows = database.prepare(&format!("SELECT {INSTANCES} FROM {}", self.instances))?;
        let mut insert = copy.prepare(&format!(
            "INSERT INTO {} ({INSTANCES}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            self.instances
        ))?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..9 {
                insert.raw_bind_parameter(column + 1, row.get::<_, rusqlite::types::Value>(column)?)?;
            }
            insert.raw_execute()?;
        }
        Ok(())
    }

    /// What the lock of the backup says is gone, and what its holder intended: it ended long ago.
    fn take_lock_over(&self, copy: &Connection, database: &Connection, fence: Fence) -> rusqlite::Result<()> {
        let select =
            format!("SELECT lock_owner, lock_host, lock_process, lock_acquired_at FROM {} WHERE id = 1", self.state);
        let update = format!(
            "UPDATE {} SET fence = ?1, lock_owner = ?2, lock_host = ?3, lock_process = ?4, lock_acquired_at = ?5,
                    lock_expires_at = NULL, intended_floor = NULL, intended_removal = NULL WHERE id = 1",
            self.state
        );
        type Text = Option<String>;
        let (owner, host, process, since): (Text, Text, Option<i64>, Text) =
            database.query_row(&select, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        copy.execute(&update, params![fence, owner, host, process, since])?;
        Ok(())
    }

    /// Nothing that was recorded is lost: neither the runs since the backup, nor the one that puts it back.
    fn carry_history_over(
        &self,
        copy: &Connection,
        database: &Connection,
        (run, renumbered): (i64, Fence),
        newest: i64,
        has_begin: bool,
    ) -> rusqlite::Result<()> {
        const COLUMNS: &str = "operation, version, outcome, error, execution_time_ms, runtime_version, registry_digest,
            actor, host, process, recorded_at, plan";
        let history = &self.history;
        let mut rows = database.prepare(&format!(
            "SELECT run, {COLUMNS} FROM {history} WHERE id > ?1 OR (run = ?2 AND NOT ?3) ORDER BY id"
        ))?;
        let mut insert = copy.prepare(&format!(
            "INSERT INTO {history} (run, {COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
        ))?;
        let mut rows = rows.query(params![newest, run, has_begin])?;
        while let Some(row) = rows.next()? {
            for column in 1..13 {
                insert.raw_bind_parameter(column + 1, row.get::<_, rusqlite::types::Value>(column)?)?;
            }
            let of: i64 = row.get(0)?;
            insert.raw_bind_parameter(1, if of == run { renumbered } else { of })?;
            insert.raw_execute()?;
        }
        Ok(())
    }
}
