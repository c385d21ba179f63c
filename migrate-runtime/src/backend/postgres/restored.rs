//! Putting a backup back, and what becomes of our own tables meanwhile.

use std::time::{Duration, Instant};

use super::PostgresBackend;
use super::instances::COLUMNS as INSTANCE_COLUMNS;
use super::message::Message;
use super::tables::{HISTORY_COLUMNS, Names, history_values, literal};
use crate::backend::{Backend, Fence, Run, STANDS, identifier};
use crate::backup::{Measure, Restoration, postgres as dumps};
use crate::database::Postgres;
use crate::error::{Error, ErrorKind};

/// How long sessions that are about to end are waited for.
const LONGEST_GOODBYE: Duration = Duration::from_secs(2);

/// Which columns of the history are carried over; the run is renumbered.
const CARRIED: &str =
    "operation, version, outcome, error, execution_time_ms, runtime_version, registry_digest, actor, host,
    process, recorded_at, plan";

impl PostgresBackend<'_> {
    /// How to reach the database around a pooler, with programs that open connections of their own.
    pub(super) fn connector(&self) -> Result<Postgres, Error> {
        let database = self.database.as_ref().map(|database| database.direct().unwrap_or_else(|| database.clone()));
        database.ok_or_else(|| {
            Error::new(ErrorKind::Configuration, "a database behind a borrowed client cannot be backed up or restored")
                .with_help("use `Postgres::from_url`: pg_dump needs connections of its own")
        })
    }

    pub(super) async fn measure_database(&mut self) -> Result<Measure, Error> {
        let tables = self.tables.all();
        let ours: Vec<String> = tables.iter().map(|name| literal(name)).collect();
        let sql = format!(
            "SELECT pg_catalog.pg_database_size(pg_catalog.current_database()), pg_catalog.current_database(),
                 NOT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                     AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relname NOT IN ({ours})
                     AND NOT (c.relkind = 'S' AND EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class o
                         ON o.oid = d.refobjid WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
                         AND o.relname IN ({ours}))))",
            ours = ours.join(", ")
        );
        let answer = self.ask("the database could not be read", Message::of(&[&sql])).await?;
        let value = |column| answer.first().and_then(|rows| rows.first()?.get(column)).unwrap_or_default().to_owned();
        let name = value(1);
        let size = value(0).parse().unwrap_or_default();
        Ok(Measure {
            size,
            room: size,
            empty: value(2) == "t",
            location: self.database.as_ref().map_or_else(|| format!("postgres:{name}"), dumps::location),
            name,
            directory: Some(dumps::DIRECTORY.into()),
        })
    }

    pub(super) async fn put_back(
        &mut self,
        run: &Run,
        fence: Fence,
        restoration: &Restoration<'_>,
    ) -> Result<Fence, Error> {
        let database = self.connector()?;
        // It would count as one of the others. The lease outlasts the time until the transaction holds the lock's table.
        self.renewal = None;
        std::mem::take(&mut self.watch).close().await;
        let restored = async {
            self.send_others_away(restoration.force).await?;
            let (proof, keep) = (self.names.prove(fence), self.names.keep());
            let continue_ = self.names.continue_(run, restoration);
            let script = dumps::Restore::new(restoration.backup, &self.tables, &proof, &keep, &continue_);
            dumps::run_restore(&database, restoration.backup, script, restoration.tools, restoration.stop).await
        };
        let restored = restored.await;
        let fence = match restored {
            Ok(()) => self.read().await?.state.map_or(fence, |state| state.fence),
            Err(_) => fence,
        };
        let session = std::mem::take(&mut self.session);
        self.begin_session(fence, session);
        restored.map(|()| fence)
    }

    /// Refuses while others are connected.
    pub(super) async fn look_for_others(&mut self) -> Result<(), Error> {
        let fence = self.held;
        // It would count as one of the others.
        self.renewal = None;
        std::mem::take(&mut self.watch).close().await;
        let found = self.send_others_away(false).await;
        if let Some(fence) = fence {
            self.renew(fence);
        }
        found
    }

    /// Refuses while others are connected, or ends their sessions.
    async fn send_others_away(&mut self, force: bool) -> Result<(), Error> {
        let others = dumps::others(self.session.process);
        let since = Instant::now();
        loop {
            if force {
                let end = format!("SELECT pg_catalog.pg_terminate_backend(pid) {others}");
                self.ask("the sessions of others could not be ended", Message::of(&[&end])).await?;
            }
            let list = format!(
                "SELECT pid, coalesce(usename::text, ''), coalesce(application_name, '') {others} ORDER BY pid"
            );
            let rows = self.ask("the sessions could not be read", Message::of(&[&list])).await?;
            let rows = rows.into_iter().next().unwrap_or_default();
            if rows.is_empty() {
                return Ok(());
            }
            if since.elapsed() > LONGEST_GOODBYE {
                let names: Vec<String> = rows
                    .iter()
                    .map(|row| {
                        let value = |column| row.get(column).unwrap_or_default();
                        format!("process {} of `{}` (`{}`)", value(0), value(1), value(2))
                    })
                    .collect();
                let message =
                    format!("others are connected to the database, and nothing was changed: {}", names.join(", "));
                return Err(Error::new(ErrorKind::LockBusy, message)
                    .with_help("stop them, or run the same command with `--force`, which ends their sessions"));
            }
            self.sleep(Duration::from_millis(50)).await?;
        }
    }
}

impl Names {
    /// Keeps lock, history and running programs in the transaction that replaces everything.
    pub(super) fn keep(&self) -> String {
        format!(
            "CREATE TEMPORARY TABLE migrate_kept_state ON COMMIT DROP AS SELECT * FROM {};\n\
             CREATE TEMPORARY TABLE migrate_kept_history ON COMMIT DROP AS SELECT * FROM {};\n\
             CREATE TEMPORARY TABLE migrate_kept_instances ON COMMIT DROP AS SELECT * FROM {};",
            self.state(),
            self.history_table(),
            self.instances(),
        )
    }

    /// Gives what was restored the lock of the run, the history since, and the programs that are registered now; of those
    /// that were when the backup was taken nobody is alive.
    pub(super) fn continue_(&self, run: &Run, restoration: &Restoration<'_>) -> String {
        let (above, begin) = match restoration.of_this_run {
            true => (0, String::new()),
            false => (1, format!(" OR run = {}", run.id)),
        };
        let (state, history, id) = (self.state(), self.history_table(), run.id);
        let fence = format!("(SELECT fence FROM {state} WHERE id = 1)");
        format!(
            "{create}
             UPDATE {state} s SET fence = greatest(s.fence + {above}, k.fence), lock_owner = k.lock_owner, lock_host = k.lock_host,
                 lock_process = k.lock_process, lock_backend = k.lock_backend, lock_token = k.lock_token,
                 lock_acquired_at = k.lock_acquired_at, intended_floor = NULL, intended_removal = NULL,
                 lock_expires_at = pg_catalog.clock_timestamp() + interval '{lease} milliseconds'
             FROM pg_temp.migrate_kept_state k WHERE s.id = 1;
             CREATE TEMPORARY TABLE migrate_newest ON COMMIT DROP AS SELECT coalesce(pg_catalog.max(id), 0) AS id FROM {history};
             INSERT INTO {history} (run, {CARRIED})
             SELECT CASE run WHEN {id} THEN {fence} ELSE run END, {CARRIED} FROM pg_temp.migrate_kept_history
             WHERE id > (SELECT id FROM pg_temp.migrate_newest){begin} ORDER BY id;
             INSERT INTO {history} ({columns}) VALUES ({values});
             UPDATE {history} SET plan = plan || {stands} || (SELECT id FROM pg_temp.migrate_newest)
             WHERE id = (SELECT pg_catalog.max(id) FROM {history});
             DELETE FROM {instances};
             INSERT INTO {instances} ({INSTANCE_COLUMNS}) SELECT {INSTANCE_COLUMNS} FROM pg_temp.migrate_kept_instances;",
            create = self.create_inside(),
            lease = self.lease.as_millis(),
            stands = literal(STANDS),
            columns = HISTORY_COLUMNS,
            values = history_values(run, &fence, "NULL", &restoration.entry),
            instances = self.instances(),
        )
    }

    /// Our tables as statements, for a backup that was taken before there were all of them.
    fn create_inside(&self) -> String {
        let schema = self.schema.as_deref().unwrap_or("public");
        let text = |present| {
            let mut names = self.clone();
            names.present = present;
            let create = names.create(schema);
            create.text().trim_start_matches("BEGIN;\n").trim_end_matches("COMMIT;\n").to_owned()
        };
        format!("CREATE SCHEMA IF NOT EXISTS {};\n{}{}", identifier(schema), text(false), text(true))
    }
}
