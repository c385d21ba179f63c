//! The SQL of our tables on PostgreSQL.
//!
//! Text literals are always `E''` strings, since a script may switch `standard_conforming_strings`; every name is
//! qualified, since a script may switch `search_path`. Which statement takes which lock is said where it matters.

use std::time::Duration;

use migrate_core::checksum::{ALGORITHM, Checksum};
use migrate_core::ledger::{FORMAT, LedgerRow, LockHolder, OLDEST_READER, Snapshot, State, Status, Summary};
use migrate_core::migration::Dialect;
use migrate_core::plan::Step;
use migrate_core::rollback::Past;
use migrate_core::version::SchemaVersion;

use super::message::{Message, Row};
use super::{BEGIN, session};
use crate::backend::{
    Fence, HistoryEntry, Run, Stored, Took, Work, identifier, ledger_error, past_change, past_run, void,
};
use crate::database::postgres::Token;
use crate::error::Error;
use crate::options::{DEFAULT_LEASE, Tables};
use crate::report::HistoryRow;

/// What our own guards write into the text that is no number; see [`Names::prove`].
pub(super) const FENCE_LOST: &str = "migrate: the fence is gone at ";
pub(super) const PREDECESSOR_MISSING: &str = "migrate: the step before is missing at ";
pub(super) const VERIFICATION_FAILED: &str = "migrate: not true at ";
pub(super) const NO_PRIVILEGE: &str = "migrate: a privilege on history or state is missing at ";
pub(super) const ROW_GONE: &str = "migrate: the ledger row is gone at ";
pub(super) const ROW_NOT_WRITTEN: &str = "migrate: the ledger row was not written at ";
pub(super) const TEMPORARY_LEFT: &str = "migrate: temporary objects are left at ";

/// Lets reads fail, for the rest of the transaction, from which row security would hide rows: what is left of a ledger would be
/// taken for the whole. Not for scripts, which may rely on policies.
pub(super) const EVERY_ROW: &str = "SELECT pg_catalog.set_config('row_security', 'off', true)";

/// A time stamp as RFC 3339 in UTC.
pub(super) fn rfc3339(column: &str) -> String {
    format!("pg_catalog.to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')")
}

/// Our tables, and what is known of them so far.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) plain: [String; 4],
    /// The schema they are in or would be created in; unknown until the first read unless an option names it.
    pub(super) schema: Option<String>,
    configured: Option<String>,
    /// Whether those are there that have always been.
    pub(super) present: bool,
    /// Whether the table of instances is there; with it came the column `intended_removal`.
    pub(super) has_instances: bool,
    /// How long the lock is ours without renewal.
    pub(super) lease: Duration,
    /// Names this run, in the lock and among the settings of a session that was begun for it.
    token: Token,
}

impl Names {
    pub(super) fn new(tables: &Tables, token: Token) -> Self {
        Self {
            plain: Tables::SUFFIXES.map(|suffix| tables.name(suffix)),
            schema: tables.schema.clone(),
            configured: tables.schema.clone(),
            present: false,
            has_instances: false,
            lease: DEFAULT_LEASE,
            token,
        }
    }

    fn qualified(&self, index: usize) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", identifier(schema), identifier(&self.plain[index])),
            None => identifier(&self.plain[index]),
        }
    }

    fn ledger(&self) -> String {
        self.qualified(0)
    }

    pub(super) fn history_table(&self) -> String {
        self.qualified(1)
    }

    pub(super) fn state(&self) -> String {
        self.qualified(2)
    }

    pub(super) fn instances(&self) -> String {
        self.qualified(3)
    }

    /// Our tables, for messages.
    pub(super) fn listed(&self) -> String {
        let schema = self.schema.as_ref().map(|schema| format!("{schema}.")).unwrap_or_default();
        self.plain.each_ref().map(|name| format!("`{schema}{name}`")).join(", ")
    }

    /// What to do when row security hides rows of our tables.
    pub(super) fn show(&self) -> String {
        format!(
            "of our tables every row must be seen, and no policy tells that it shows every row: switch row security off for {} (`ALTER TABLE … DISABLE ROW LEVEL SECURITY`), or give this role BYPASSRLS",
            self.listed()
        )
    }

    /// What to do when one of our tables is gone.
    pub(super) fn put_back(&self) -> String {
        format!("a table of ours is gone: there must be {}; find out who took it away, and put it back", self.listed())
    }

    /// One message: which of our tables are there, then state and ledger. While the schema is not known the message
    /// narrows `search_path`, for itself only, to the schema that `current_schema()` names: with a longer path an
    /// unqualified name could find another tenant's tables.
    pub(super) fn read(&self) -> Message<'static> {
        let wanted = match &self.configured {
            Some(schema) => literal(schema),
            None => "pg_catalog.current_schema()".to_owned(),
        };
        let names = self.plain.each_ref().map(|name| literal(name)).join(", ");
        let catalogue = format!(
            "SELECT n.nspname, (SELECT pg_catalog.string_agg(c.relkind::text || c.relname::text, E'\\n') FROM pg_catalog.pg_class c
                 WHERE c.relnamespace = n.oid AND c.relname IN ({names}))
             FROM (SELECT {wanted} AS name) w LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = w.name"
        );
        let narrow = format!(
            "{EVERY_ROW}, pg_catalog.set_config('search_path',
                 coalesce(pg_catalog.quote_ident({wanted}) || ', pg_temp', 'pg_temp'), true)"
        );
        Message::of(&[&catalogue, &narrow, &self.select_state(), &self.select_ledger()])
    }

    /// State and ledger in one row. Few functions and no order, since a new session looks up each function, operator and
    /// table in the catalogue first, which takes it longer than to add up a thousand rows. While the schema is not known
    /// the message narrows `search_path` as [`read`](Self::read) does; an odd schema is an error here.
    pub(super) fn summarise(&self) -> Message<'static> {
        let names = Self { schema: self.configured.clone(), ..self.clone() };
        let narrow = format!(
            "{EVERY_ROW}, pg_catalog.set_config('search_path',
                 pg_catalog.format('%I, pg_temp', pg_catalog.current_schema()), true)"
        );
        // There is one row of state.
        let summary = format!(
            "SELECT oldest_reader, registry_name, checksum_algorithm, {} FROM {}",
            names.fingerprint(),
            names.state(),
        );
        Message::of(&[if self.configured.is_some() { EVERY_ROW } else { &narrow }, &summary])
    }

    pub(super) fn parse_summary(&self, row: &Row) -> Result<Summary, Error> {
        let fingerprint = self.parse_fingerprint(row, 3)?;
        let row = Fields { row, table: &self.plain[2] };
        Ok(Summary {
            oldest_reader: row.number(0)?,
            registry_name: row.optional(1),
            checksum_algorithm: row.text(2)?,
            fingerprint,
        })
    }

    /// The expression for the ledger's fingerprint, which is that of `migrate_core::fingerprint`.
    pub(super) fn fingerprint(&self) -> String {
        let values = [
            "coalesce(min_runtime_version, '')",
            "version",
            "checksum",
            "pg_catalog.replace(status, 'baseline', 'applied')",
        ];
        let hash = |seed, value: &&str| format!("pg_catalog.hashtextextended({value}, {seed})");
        let hash = values.iter().fold("0".to_owned(), hash);
        format!("(SELECT pg_catalog.sum({hash}) FROM {})", self.ledger())
    }

    pub(super) fn parse_fingerprint(&self, row: &Row, column: usize) -> Result<u64, Error> {
        let row = Fields { row, table: &self.plain[0] };
        // The server adds up without bounds, from signed numbers; there is no sum of no rows.
        let sum: i128 = if row.optional(column).is_some() { row.number(column)? } else { 0 };
        Ok(sum as u64)
    }

    /// Learns from the catalogue's row; says whether our tables are there.
    pub(super) fn found(&mut self, row: &Row) -> Result<bool, Error> {
        self.schema = row.get(0).map(str::to_owned);
        let found: Vec<&str> = row.get(1).unwrap_or_default().split('\n').filter(|name| !name.is_empty()).collect();
        let kind = |name: &String| {
            found.iter().find(|found| found.get(1..) == Some(name)).map(|found| found.starts_with(['r', 'p']))
        };
        let [always @ .., instances] = &self.plain;
        self.present = always.iter().any(|name| kind(name).is_some());
        self.has_instances = kind(instances).is_some();
        for name in always.iter().filter(|_| self.present).chain([instances]) {
            match kind(name) {
                Some(true) => {}
                Some(false) => return Err(ledger_error(name, "it is no table")),
                None if name == instances => {}
                None => return Err(ledger_error(name, "it is missing while the others are there")),
            }
        }
        Ok(self.present)
    }

    pub(super) fn select_state(&self) -> String {
        format!(
            "SELECT format, oldest_reader, registry_name, checksum_algorithm, fence, lock_owner, lock_host,
                    lock_process, {acquired}, NOT ({gone}), {expires}, lock_backend FROM {state} WHERE id = 1",
            acquired = rfc3339("lock_acquired_at"),
            expires = rfc3339("lock_expires_at"),
            gone = self.gone(),
            state = self.state(),
        )
    }

    pub(super) fn select_ledger(&self) -> String {
        format!(
            "SELECT version, name, checksum, {applied}, runtime_version, execution_time_ms, status,
                    min_runtime_version, progress, attempted, down_sql IS NOT NULL FROM {ledger}",
            applied = rfc3339("applied_at"),
            ledger = self.ledger(),
        )
    }

    /// State and ledger from the rows of their two statements. Each row is given up when it has been read: of a large ledger
    /// there is never a second copy.
    pub(super) fn snapshot(&self, rows: &mut [Vec<Row>]) -> Result<Snapshot, Error> {
        let row = rows[0].first().ok_or_else(|| ledger_error(&self.plain[2], "its one row is missing"))?;
        let state = self.parse_state(row)?;
        if state.oldest_reader > FORMAT {
            return Ok(Snapshot { state: Some(state), rows: Vec::new() });
        }
        let rows = std::mem::take(&mut rows[1]).into_iter();
        let mut rows = rows.map(|row| self.parse_ledger_row(&row)).collect::<Result<Vec<_>, _>>()?;
        rows.sort_unstable_by_key(|row| row.version);
        Ok(Snapshot { state: Some(state), rows })
    }

    fn parse_state(&self, row: &Row) -> Result<State, Error> {
        let row = Fields { row, table: &self.plain[2] };
        let lock = match row.optional(5) {
            None => None,
            Some(owner) => Some(LockHolder {
                owner,
                host: row.text(6)?,
                process: row.number(7)?,
                acquired_at: row.text(8)?,
                expires_at: row.optional(10),
                backend: row.optional(11).and_then(|process| process.parse().ok()),
                live: row.truth(9)?,
            }),
        };
        Ok(State {
            format: row.number(0)?,
            oldest_reader: row.number(1)?,
            registry_name: row.optional(2),
            checksum_algorithm: row.text(3)?,
            fence: row.number(4)?,
            lock,
        })
    }

    fn parse_ledger_row(&self, row: &Row) -> Result<LedgerRow, Error> {
        let row = Fields { row, table: &self.plain[0] };
        Ok(LedgerRow {
            version: row.number(0)?,
            name: row.text(1)?,
            checksum: row.text(2)?,
            applied_at: row.text(3)?,
            runtime_version: row.optional(4),
            execution_time_ms: row.number(5)?,
            status: row.number(6)?,
            min_runtime_version: row.optional(7),
            progress: row.number(8)?,
            attempted: row.number(9)?,
            up_sql: None,
            has_down: row.truth(10)?,
        })
    }

    /// Selects the scripts that the ledger keeps of some migrations.
    pub(super) fn stored(&self, versions: &[SchemaVersion]) -> Message<'static> {
        let versions: Vec<String> = versions.iter().map(|version| literal(&version.to_string())).collect();
        Message::of(&[&format!(
            // Tables of an older format have no such column, and reading upgrades nothing.
            "SELECT version, up_sql, down_sql, transactional, foreign_keys_off,
                    pg_catalog.to_jsonb(stored) ->> 'down_checksum'
             FROM {} stored WHERE version IN ({})",
            self.ledger(),
            versions.join(", ")
        )])
    }

    pub(super) fn parse_stored(&self, row: &Row) -> Result<Stored, Error> {
        let row = Fields { row, table: &self.plain[0] };
        Ok(Stored {
            version: row.number(0)?,
            up_sql: row.optional(1),
            down_sql: row.optional(2),
            transactional: row.truth(3)?,
            foreign_keys_off: row.truth(4)?,
            down_checksum: row.optional(5),
        })
    }

    /// Selects the newest rows of the history.
    pub(super) fn history(&self, limit: u32) -> Message<'static> {
        let rows = format!(
            "SELECT id, run, operation, version, outcome, error, execution_time_ms, runtime_version, registry_digest,
                    actor, host, process, {recorded}, plan FROM {history} ORDER BY id DESC LIMIT {limit}",
            recorded = rfc3339("recorded_at"),
            history = self.history_table(),
        );
        Message::of(&[EVERY_ROW, &rows])
    }

    /// Selects the runs of the past, and what they changed.
    pub(super) fn past(&self) -> Message<'static> {
        let history = self.history_table();
        Message::of(&[
            EVERY_ROW,
            &format!(
                "SELECT run, (extract(epoch FROM pg_catalog.clock_timestamp() - recorded_at) * 1000)::bigint FROM {history}
                 WHERE operation = 'run' AND outcome = 'started' ORDER BY id"
            ),
            &format!(
                "SELECT id, run, version, operation FROM {history} WHERE version IS NOT NULL AND outcome = 'succeeded'
                 ORDER BY id"
            ),
            &format!(
                "SELECT id, coalesce(plan, '') FROM {history} WHERE operation = 'restore' AND outcome = 'succeeded'
                 ORDER BY id"
            ),
        ])
    }

    pub(super) fn parse_past(&self, rows: &[Vec<Row>]) -> Result<Past, Error> {
        let table = &*self.plain[1];
        let [_, runs, changes, restores] = rows else {
            return Err(ledger_error(table, "the server gave fewer answers than questions"));
        };
        let mut past = Past::default();
        for row in runs {
            let row = Fields { row, table };
            past.runs.push(past_run(row.number(0)?, row.number(1)?));
        }
        let restore = |row| {
            let row = Fields { row, table };
            Ok((row.number(0)?, row.text(1)?))
        };
        let void = void(&restores.iter().map(restore).collect::<Result<Vec<_>, Error>>()?);
        for row in changes {
            let row = Fields { row, table };
            let id: i64 = row.number(0)?;
            if !void.iter().any(|range| range.contains(&id)) {
                past.changes.extend(past_change(table, row.number(1)?, &row.text(2)?, &row.text(3)?)?);
            }
        }
        Ok(past)
    }

    pub(super) fn parse_history(&self, row: &Row) -> Result<HistoryRow, Error> {
        let row = Fields { row, table: &self.plain[1] };
        Ok(HistoryRow {
            id: row.number(0)?,
            run: row.number(1)?,
            operation: row.text(2)?,
            version: row.optional(3),
            outcome: row.text(4)?,
            error: row.optional(5),
            execution_time_ms: row.optional(6).map(|_| row.number(6)).transpose()?,
            runtime_version: row.optional(7),
            registry_digest: row.text(8)?,
            actor: row.text(9)?,
            host: row.text(10)?,
            process: row.number(11)?,
            recorded_at: row.text(12)?,
            plan: row.optional(13),
        })
    }

    /// Creates our tables, or adds what came later. IF NOT EXISTS does not make this safe against another process that does the same: one of
    /// the two may fail with a unique violation of the catalogue, and tries again.
    pub(super) fn create(&self, schema: &str) -> Message<'static> {
        let names = Self { schema: Some(schema.to_owned()), ..self.clone() };
        let (ledger, history, state) = (names.ledger(), names.history_table(), names.state());
        if self.present {
            return Message::of(&[
                "BEGIN",
                "SELECT pg_catalog.set_config('lock_timeout', '2s', true)",
                &format!("ALTER TABLE {state} ADD COLUMN IF NOT EXISTS intended_removal text"),
                &names.create_instances(),
                "COMMIT",
            ]);
        }
        Message::of(&[
            "BEGIN",
            &format!(
                "CREATE TABLE IF NOT EXISTS {ledger} (
                    version text NOT NULL PRIMARY KEY,
                    name text NOT NULL,
                    checksum text NOT NULL,
                    applied_at timestamptz NOT NULL,
                    runtime_version text,
                    execution_time_ms bigint NOT NULL,
                    status text NOT NULL CHECK (status IN ('applied', 'applying', 'reverting', 'baseline')),
                    min_runtime_version text,
                    dependencies text NOT NULL,
                    kind text NOT NULL,
                    up_sql text NOT NULL,
                    down_sql text,
                    registry_digest text NOT NULL,
                    transactional boolean NOT NULL,
                    foreign_keys_off boolean NOT NULL,
                    progress integer NOT NULL DEFAULT 0,
                    attempted integer NOT NULL DEFAULT 0,
                    down_checksum text
                )"
            ),
            &format!(
                "CREATE TABLE IF NOT EXISTS {history} (
                    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                    run bigint NOT NULL,
                    operation text NOT NULL,
                    version text,
                    outcome text NOT NULL,
                    error text,
                    execution_time_ms bigint,
                    runtime_version text,
                    registry_digest text NOT NULL,
                    actor text NOT NULL,
                    host text NOT NULL,
                    process bigint NOT NULL,
                    recorded_at timestamptz NOT NULL,
                    plan text
                )"
            ),
            // The fence is unique so that changing it takes a lock that conflicts with FOR KEY SHARE.
            &format!(
                "CREATE TABLE IF NOT EXISTS {state} (
                    id smallint NOT NULL PRIMARY KEY CHECK (id = 1),
                    format integer NOT NULL,
                    oldest_reader integer NOT NULL,
                    registry_name text,
                    checksum_algorithm text NOT NULL,
                    intended_floor text,
                    intended_removal text,
                    fence bigint NOT NULL UNIQUE,
                    lock_owner text,
                    lock_host text,
                    lock_process bigint,
                    lock_backend integer,
                    lock_token text,
                    lock_acquired_at timestamptz,
                    lock_expires_at timestamptz
                )"
            ),
            &format!(
                "INSERT INTO {state} (id, format, oldest_reader, checksum_algorithm, fence)
                 VALUES (1, {FORMAT}, {OLDEST_READER}, {}, 0) ON CONFLICT DO NOTHING",
                literal(ALGORITHM)
            ),
            &names.create_instances(),
            "COMMIT",
        ])
    }

    /// Adds what tables of an older format lack. Only readers can be in the way, for as long as a statement waits for a lock.
    pub(super) fn upgrade(&self, fence: Fence, lock_timeout: Duration) -> Message<'static> {
        Message::of(&[
            BEGIN,
            &set_lock_timeout(lock_timeout),
            &self.prove(fence),
            &format!("ALTER TABLE {} ADD COLUMN IF NOT EXISTS down_checksum text", self.ledger()),
            &format!("UPDATE {} SET format = {FORMAT} WHERE format < {FORMAT}", self.state()),
            "COMMIT",
        ])
    }

    /// Selects the names of those of our tables on which a role lacks a right that the application needs.
    pub(super) fn lacks_rights(&self, role: &str) -> Message<'static> {
        let schema = literal(self.schema.as_deref().unwrap_or_default());
        let lacking = self.plain.iter().enumerate().map(|(index, name)| {
            let held = rights(index)
                .split(", ")
                .map(|right| format!("pg_catalog.has_table_privilege({}, c.oid, {})", literal(role), literal(right)));
            let held = held.collect::<Vec<_>>().join(" AND ");
            format!("(c.relname = {} AND NOT ({held}))", literal(name))
        });
        Message::of(&[&format!(
            "SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = {schema} AND ({})",
            lacking.collect::<Vec<_>>().join(" OR ")
        )])
    }

    /// Grants a role what it lacks on some of our tables.
    pub(super) fn grant(&self, fence: Fence, lacking: &[&str], role: &str) -> Message<'static> {
        let mut message = Message::of(&[BEGIN, &self.prove(fence)]);
        for index in (0..self.plain.len()).filter(|index| lacking.contains(&self.plain[*index].as_str())) {
            message.push(&format!("GRANT {} ON {} TO {}", rights(index), self.qualified(index), identifier(role)));
        }
        message.push("COMMIT");
        message
    }

    /// Reads what the session is and its settings, takes the lock if a condition on the state row holds, and reads state and
    /// ledger. Never waits: a state row that somebody else works on is skipped.
    pub(super) fn take_lock(&self, free: &str, run: &Run, seen: Fence) -> Message<'static> {
        let (state, history) = (self.state(), self.history_table());
        let entry = HistoryEntry { plan: Some(&run.plan), ..HistoryEntry::of_run("started") };
        let take = format!(
            "WITH free AS (
                 SELECT id FROM {state} WHERE id = 1 AND fence = {seen} AND ({free}) FOR UPDATE SKIP LOCKED
             ), taken AS (
                 UPDATE {state} SET fence = fence + 1, lock_owner = {owner}, lock_host = {host},
                     lock_process = {process}, lock_backend = {backend}, lock_token = {token},
                     lock_acquired_at = pg_catalog.clock_timestamp(),
                     lock_expires_at = pg_catalog.clock_timestamp() + interval '{lease} milliseconds',
                     intended_floor = NULL, intended_removal = NULL, registry_name = coalesce(registry_name, {registry})
                 WHERE id IN (SELECT id FROM free) RETURNING fence
             ), interrupted AS (
                 INSERT INTO {history} (run, operation, outcome, runtime_version, registry_digest, actor, host, process,
                                        recorded_at)
                 SELECT run, 'run', 'interrupted', runtime_version, registry_digest, actor, host, process,
                        pg_catalog.clock_timestamp()
                 FROM {history} started
                 WHERE EXISTS (SELECT FROM taken) AND operation = 'run' AND outcome = 'started' AND NOT EXISTS (
                     SELECT FROM {history} ended WHERE ended.run = started.run
                     AND ended.operation = 'run' AND ended.outcome <> 'started')
             ), started AS (
                 INSERT INTO {history} ({HISTORY_COLUMNS}) SELECT {values} FROM taken
             )
             SELECT fence FROM taken",
            backend = self.backend(),
            token = literal(self.token.as_str()),
            owner = literal(&run.identity.actor),
            host = literal(&run.identity.host),
            process = run.identity.process,
            lease = self.lease.as_millis(),
            registry = optional_literal(run.registry_name.as_deref()),
            values = history_values(run, "taken.fence", "NULL", &entry),
        );
        Message::of(&[
            session::NOTICE_A_DEAD_CLIENT,
            &self.session(),
            &session::query(),
            EVERY_ROW,
            &take,
            &self.select_state(),
            &self.select_ledger(),
        ])
    }

    /// Selects whether the session was begun for us, and the process id of its backend.
    fn session(&self) -> String {
        format!("SELECT {} IS TRUE, pg_catalog.pg_backend_pid()", self.is_ours())
    }

    /// Whether the session was begun for us: then nothing stands between us and the server that could lend it to others.
    fn is_ours(&self) -> String {
        format!("pg_catalog.current_setting('{}', true) = {}", Token::SETTING, literal(self.token.as_str()))
    }

    /// Our backend's process id, for others to see whether it is gone; NULL where a pooler lends backends.
    fn backend(&self) -> String {
        format!("CASE WHEN {} THEN pg_catalog.pg_backend_pid() END", self.is_ours())
    }

    /// Whether the holder of the lock is gone, or is this run itself: it took the lock over a connection that was lost
    /// before it could be told. Also true when nobody holds the lock.
    ///
    /// A backend counts as gone only when its process id is absent, which every role may see; the other columns may be
    /// hidden. A lock of this very session was left by a run on a borrowed client that was dropped half way. On a standby
    /// no backend of the primary can be seen, so there only the lease counts.
    fn gone(&self) -> String {
        format!(
            "(lock_owner IS NULL OR lock_expires_at < pg_catalog.clock_timestamp() OR lock_token = {token}
             OR lock_backend = pg_catalog.pg_backend_pid()
             OR (lock_backend IS NOT NULL AND NOT pg_catalog.pg_is_in_recovery()
                 AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.pid = lock_backend))) IS TRUE",
            token = literal(self.token.as_str())
        )
    }

    /// Whether the lock may be taken. One whose holder is gone only while the advisory lock is free, too: its backend may
    /// still execute a statement that no fence can stop. The advisory lock is then held until the message ends.
    pub(super) fn free(&self) -> String {
        format!(
            "lock_owner IS NULL OR (({}) AND pg_catalog.pg_try_advisory_xact_lock({}))",
            self.gone(),
            self.advisory_key()
        )
    }

    /// The key of the advisory lock that a session holds while it executes what no fence can stop.
    fn advisory_key(&self) -> String {
        format!("pg_catalog.hashtextextended({}, 0)", literal(&self.state()))
    }

    /// Takes the advisory lock for the session, if it is free. One that the session holds is not taken again: it would have to
    /// be given back as often.
    pub(super) fn take_advisory_lock(&self) -> String {
        format!(
            "SELECT CASE WHEN EXISTS (
                 SELECT FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database
                 WHERE d.datname = pg_catalog.current_database() AND l.pid = pg_catalog.pg_backend_pid() AND l.granted
                 AND l.locktype = 'advisory' AND l.mode = 'ExclusiveLock' AND l.objsubid = 1
                 AND ((l.classid::bigint << 32) | l.objid::bigint) = {key})
             THEN true ELSE pg_catalog.pg_try_advisory_lock({key}) END",
            key = self.advisory_key()
        )
    }

    /// Gives it back.
    pub(super) fn give_advisory_lock_back(&self) -> String {
        format!("SELECT pg_catalog.pg_advisory_unlock({})", self.advisory_key())
    }

    /// Gives a run a new fence after its connection was lost, and reads what it left: the session, its settings, the new
    /// fence, how the run ended if it did, what it did, state and ledger.
    ///
    /// The row is skipped as long as the old connection works on a step, which holds it until its transaction ends. What
    /// that connection begins later fails at the old fence.
    pub(super) fn raise(&self, run: &Run) -> Message<'static> {
        let (state, history, id) = (self.state(), self.history_table(), run.id);
        let raise = format!(
            "WITH ours AS (
                 SELECT id FROM {state} WHERE id = 1 AND lock_owner IS NOT NULL AND lock_token = {token}
                 FOR UPDATE SKIP LOCKED
             )
             UPDATE {state} SET fence = fence + 1, lock_backend = {backend},
                 lock_expires_at = pg_catalog.clock_timestamp() + interval '{lease} milliseconds'
             WHERE id IN (SELECT id FROM ours) RETURNING fence",
            token = literal(self.token.as_str()),
            backend = self.backend(),
            lease = self.lease.as_millis(),
        );
        let held = format!(
            "SELECT lock_owner IS NOT NULL AND lock_token IS NOT DISTINCT FROM {token} FROM {state} WHERE id = 1",
            token = literal(self.token.as_str()),
        );
        let ended = format!(
            "SELECT outcome FROM {history} WHERE run = {id} AND operation = 'run' AND outcome <> 'started' ORDER BY id"
        );
        let done = format!(
            "SELECT execution_time_ms FROM {history} WHERE run = {id} AND outcome = 'succeeded'
             AND version IS NOT NULL ORDER BY id"
        );
        Message::of(&[
            // What is read behind the raise must not be older than it.
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
            session::NOTICE_A_DEAD_CLIENT,
            &self.session(),
            &session::query(),
            EVERY_ROW,
            &raise,
            &held,
            &ended,
            &done,
            &self.select_state(),
            &self.select_ledger(),
        ])
    }

    pub(super) fn parse_milliseconds(&self, row: &Row) -> Result<Duration, Error> {
        Fields { row, table: &self.plain[1] }.number(0).map(Duration::from_millis)
    }

    pub(super) fn parse_fence(&self, row: &Row) -> Result<Fence, Error> {
        Fields { row, table: &self.plain[2] }.number(0)
    }

    /// Prolongs the lease. The column is no key, so this passes the row lock of a step that is under way.
    pub(super) fn renew(&self, fence: Fence) -> String {
        format!(
            "UPDATE {state} SET lock_expires_at = pg_catalog.clock_timestamp() + interval '{lease} milliseconds'
             WHERE id IN (SELECT id FROM {state} WHERE id = 1 AND fence = {fence} FOR NO KEY UPDATE SKIP LOCKED)",
            state = self.state(),
            lease = self.lease.as_millis(),
        )
    }

    /// Proves, or raises: the fence is still ours, held by a row lock until the transaction ends.
    pub(super) fn prove(&self, fence: Fence) -> String {
        format!("SELECT {}", self.proof(fence))
    }

    /// The expression that does. The error is a cast of a text that says why; a constant one would be evaluated ahead of
    /// time.
    pub(super) fn proof(&self, fence: Fence) -> String {
        format!(
            "CASE WHEN (SELECT pg_catalog.count(*) FROM (SELECT 1 FROM {} WHERE id = 1 AND fence = {fence}
                 AND lock_owner IS NOT NULL FOR KEY SHARE) f) = 1
             THEN 1 ELSE (E'{FENCE_LOST}' || pg_catalog.clock_timestamp())::int END",
            self.state()
        )
    }

    /// The expression that raises unless the migration of a version is in effect, or is not; nothing is asked of none.
    pub(super) fn proof_of_step(&self, version: &str, in_effect: &str) -> String {
        format!(
            "CASE WHEN {version} IS NULL OR EXISTS (
                 SELECT FROM {} WHERE version = {version} AND status IN ('applied', 'baseline')) = {in_effect}
             THEN 1 ELSE (E'{PREDECESSOR_MISSING}' || pg_catalog.clock_timestamp())::int END",
            self.ledger()
        )
    }

    /// Gives the lock back, if it is still ours.
    pub(super) fn give_lock_back(&self, fence: Fence) -> String {
        format!(
            "UPDATE {} SET lock_owner = NULL, lock_host = NULL, lock_process = NULL, lock_backend = NULL,
                    lock_token = NULL, lock_acquired_at = NULL, lock_expires_at = NULL, intended_floor = NULL,
                    intended_removal = NULL
             WHERE id = 1 AND fence = {fence}",
            self.state()
        )
    }

    /// Adds a row to the history.
    pub(super) fn add_history(&self, run: &Run, entry: &HistoryEntry<'_>) -> String {
        let version = entry.version.map(|version| version.to_string());
        let version = optional_literal(version.as_deref());
        format!(
            "INSERT INTO {} ({HISTORY_COLUMNS}) VALUES ({}) RETURNING execution_time_ms",
            self.history_table(),
            history_values(run, &run.id.to_string(), &version, entry)
        )
    }

    /// Adds a row to the ledger, and one to the history of the same migration, whose version is given as an expression.
    pub(super) fn record(&self, run: &Run, version: &str, ledger_row: &str, entry: &HistoryEntry<'_>) -> String {
        format!(
            "WITH recorded AS ({ledger_row} RETURNING 1)
             INSERT INTO {} ({HISTORY_COLUMNS}) SELECT {} WHERE {} = 1 RETURNING execution_time_ms",
            self.history_table(),
            history_values(run, &run.id.to_string(), version, entry),
            one_of("recorded", ROW_NOT_WRITTEN),
        )
    }

    /// What writes our tables as a run does, for a transaction that is rolled back. The row is nobody's, and the state row, which
    /// runs wait for, is left alone.
    pub(super) fn try_writing(&self) -> Vec<String> {
        let (ledger, history, state) = (self.ledger(), self.history_table(), self.state());
        let trial = "E'health ' || pg_catalog.pg_backend_pid()";
        let privileges = format!(
            "SELECT CASE WHEN pg_catalog.has_table_privilege({history}, 'INSERT')
                 AND pg_catalog.has_table_privilege({state}, 'UPDATE')
             THEN 1 ELSE (E'{NO_PRIVILEGE}' || pg_catalog.clock_timestamp())::int END",
            history = literal(&history),
            state = literal(&state),
        );
        vec![
            format!(
                "INSERT INTO {ledger} (version, name, checksum, applied_at, execution_time_ms, status, dependencies, kind,
                                       up_sql, registry_digest, transactional, foreign_keys_off)
                 VALUES ({trial}, '', '', pg_catalog.clock_timestamp(), 0, 'applied', '[]', 'sql', '', '', true, false)"
            ),
            format!("UPDATE {ledger} SET progress = 1 WHERE version = {trial}"),
            format!("DELETE FROM {ledger} WHERE version = {trial}"),
            privileges,
        ]
    }

    /// Creates a table in the schema of our tables, for a transaction that is rolled back.
    pub(super) fn try_creating(&self) -> Option<String> {
        let schema = self.schema.as_deref()?;
        let name = format!("{}_health", self.plain[0]);
        Some(format!("CREATE TABLE {}.{} ()", identifier(schema), identifier(&name)))
    }

    /// Adds the ledger row of a migration.
    pub(super) fn insert(&self, run: &Run, work: &Work<'_>, status: Status) -> String {
        let row = self.insert_row(run, status, &literal(&work.step.version.to_string()), &recorded(run, work));
        exactly_one(&row, ROW_NOT_WRITTEN)
    }

    /// A ledger row: its version and the values of [`RECORDED`] are given as expressions.
    pub(super) fn insert_row<V: AsRef<str>>(&self, run: &Run, status: Status, version: &str, values: &[V]) -> String {
        let values: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
        format!(
            "INSERT INTO {ledger} (version, applied_at, runtime_version, execution_time_ms, status, kind, {columns})
             VALUES ({version}, pg_catalog.clock_timestamp(), {runtime}, {SO_FAR}, {status}, 'sql', {values})",
            ledger = self.ledger(),
            columns = RECORDED.join(", "),
            runtime = optional_literal(run.runtime_version.as_deref()),
            status = literal(status.as_str()),
            values = values.join(", "),
        )
    }

    /// Takes over what the registry records of a migration.
    pub(super) fn accept(&self, run: &Run, work: &Work<'_>) -> String {
        let values = recorded(run, work);
        let set: Vec<String> =
            RECORDED.iter().zip(values).map(|(column, value)| format!("{column} = {value}")).collect();
        self.update(work.step, &set.join(", "))
    }

    /// Removes the ledger row of a migration that was undone.
    pub(super) fn delete(&self, step: &Step) -> String {
        exactly_one(
            &format!("DELETE FROM {} WHERE version = {}", self.ledger(), literal(&step.version.to_string())),
            ROW_GONE,
        )
    }

    /// Marks a migration whose down script runs outside a transaction, and keeps the script: it is the one to resume.
    pub(super) fn mark_reverting(&self, work: &Work<'_>) -> String {
        let set = format!(
            "status = 'reverting', progress = 0, attempted = 0, down_sql = {}, down_checksum = {}",
            literal(&work.script.sql),
            literal(&Checksum::of(&work.script.sql).to_string())
        );
        self.update(work.step, &set)
    }

    /// Takes that mark back.
    pub(super) fn mark_applied(&self, step: &Step) -> String {
        self.update(step, "status = 'applied', progress = 0, attempted = 0")
    }

    /// Records how many segments are finished.
    pub(super) fn progress(&self, step: &Step, progress: u32) -> String {
        self.update(step, &format!("progress = {progress}, attempted = 0"))
    }

    /// Fails unless so many segments are recorded as finished, and no other was begun.
    pub(super) fn stands_at(&self, step: &Step, progress: u32) -> String {
        exactly_one(
            &format!(
                "UPDATE {} SET progress = {progress} WHERE version = {} AND progress = {progress} AND attempted = 0",
                self.ledger(),
                literal(&step.version.to_string())
            ),
            ROW_GONE,
        )
    }

    /// Records that a segment begins that no transaction holds together; 0 takes that back.
    pub(super) fn attempt(&self, step: &Step, number: u32) -> String {
        self.update(step, &format!("attempted = {number}"))
    }

    /// Records that a migration that ran outside a transaction is complete.
    pub(super) fn complete(&self, step: &Step, duration: Duration) -> String {
        let set = format!(
            "status = 'applied', progress = 0, attempted = 0, applied_at = pg_catalog.clock_timestamp(), execution_time_ms = {}",
            duration.as_millis()
        );
        self.update(step, &set)
    }

    fn update(&self, step: &Step, set: &str) -> String {
        let version = literal(&step.version.to_string());
        exactly_one(&format!("UPDATE {} SET {set} WHERE version = {version}", self.ledger()), ROW_GONE)
    }
}

/// What the application needs on one of our tables: reading for its verdict, and keeping a row among those of the running
/// instances.
fn rights(index: usize) -> &'static str {
    match Tables::SUFFIXES[index] {
        "_instances" => "SELECT, INSERT, UPDATE, DELETE",
        _ => "SELECT",
    }
}

/// The columns of a ledger row that the registry gives.
pub(super) const RECORDED: [&str; 10] = [
    "name",
    "checksum",
    "min_runtime_version",
    "dependencies",
    "up_sql",
    "down_sql",
    "down_checksum",
    "registry_digest",
    "transactional",
    "foreign_keys_off",
];

/// The values of these columns, as expressions.
pub(super) fn recorded(run: &Run, work: &Work<'_>) -> [String; RECORDED.len()] {
    let record = work.record(Dialect::Postgres);
    [
        literal(&work.step.name),
        literal(&record.checksum),
        optional_literal(record.min_runtime_version.as_deref()),
        literal(&record.dependencies),
        literal(record.up_sql),
        optional_literal(record.down_sql),
        optional_literal(record.down_checksum.as_deref()),
        literal(&run.registry_digest),
        record.transactional.to_string(),
        record.foreign_keys_off.to_string(),
    ]
}

/// A change of the ledger that raises an error unless it changes one row: triggers and rules can keep one out without.
fn exactly_one(change: &str, mark: &str) -> String {
    format!("WITH changed AS ({change} RETURNING 1) SELECT {}", one_of("changed", mark))
}

/// An expression that is 1 if a query has one row, and else raises the error of this mark.
fn one_of(query: &str, mark: &str) -> String {
    format!(
        "CASE WHEN (SELECT pg_catalog.count(*) FROM {query}) = 1
             THEN 1 ELSE (E'{mark}' || pg_catalog.clock_timestamp())::int END"
    )
}

/// The time since the server received the message, in milliseconds.
const SO_FAR: &str = "(extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.statement_timestamp()) \
                      * 1000)::bigint";

pub(super) const HISTORY_COLUMNS: &str = "run, operation, version, outcome, error, execution_time_ms, runtime_version, \
                               registry_digest, actor, host, process, recorded_at, plan";

/// The values of these columns, as expressions; the fence and the version are given as such.
pub(super) fn history_values(run: &Run, fence: &str, version: &str, entry: &HistoryEntry<'_>) -> String {
    let took = match entry.took {
        Took::Unknown => "NULL".to_owned(),
        Took::SinceMessage => SO_FAR.to_owned(),
        Took::Measured(duration) => duration.as_millis().to_string(),
    };
    let values = [
        fence.to_owned(),
        literal(entry.operation),
        version.to_owned(),
        literal(entry.outcome),
        optional_literal(entry.error),
        took,
        optional_literal(run.runtime_version.as_deref()),
        literal(&run.registry_digest),
        literal(&run.identity.actor),
        literal(&run.identity.host),
        run.identity.process.to_string(),
        "pg_catalog.clock_timestamp()".to_owned(),
        optional_literal(entry.plan),
    ];
    values.join(", ")
}

/// Takes the role that the run began with for the rest of the transaction, and remembers the script's own.
pub(super) fn own_role(role: &str) -> String {
    format!(
        "SELECT pg_catalog.set_config('migrate.role', pg_catalog.current_setting('role'), true),
                pg_catalog.set_config('role', {}, true)",
        literal(role)
    )
}

/// Takes the script's role again.
pub(super) const SCRIPTS_ROLE: &str =
    "SELECT pg_catalog.set_config('role', pg_catalog.current_setting('migrate.role'), true)";

/// How long statements wait for a lock, for the transaction only.
fn set_lock_timeout(timeout: Duration) -> String {
    format!("SELECT pg_catalog.set_config('lock_timeout', '{}ms', true)", timeout.as_millis())
}

/// Sets the timeouts of a step, for the transaction only.
pub(super) fn select_timeouts(work: &Work<'_>) -> String {
    let [lock, statement] = timeouts(work);
    format!(
        "SELECT pg_catalog.set_config('lock_timeout', {lock}, true), pg_catalog.set_config('statement_timeout', {statement}, true)"
    )
}

/// How long a step's statements wait for a lock, and how long one may take, as literals; 0 is without end.
pub(super) fn timeouts(work: &Work<'_>) -> [String; 2] {
    let statement = work.statement_timeout.map_or(0, |timeout| timeout.as_millis());
    [format!("'{}ms'", work.lock_timeout.as_millis()), format!("'{statement}ms'")]
}

/// The text values of a row, read with errors that name the table.
pub(super) struct Fields<'a> {
    pub(super) row: &'a Row,
    pub(super) table: &'a str,
}

impl Fields<'_> {
    pub(super) fn optional(&self, column: usize) -> Option<String> {
        // A value that is not UTF-8 can only come from a session with another client encoding.
        self.row.try_get(column).ok().flatten().map(str::to_owned)
    }

    pub(super) fn text(&self, column: usize) -> Result<String, Error> {
        self.optional(column).ok_or_else(|| ledger_error(self.table, &format!("its column {column} is NULL")))
    }

    pub(super) fn number<T: std::str::FromStr>(&self, column: usize) -> Result<T, Error> {
        let text = self.text(column)?;
        let name = self.row.columns().get(column).map_or("?", |column| column.name());
        text.parse().map_err(|_| ledger_error(self.table, &format!("`{text}` cannot stand in its column `{name}`")))
    }

    fn truth(&self, column: usize) -> Result<bool, Error> {
        Ok(self.text(column)? == "t")
    }
}

/// A text literal that means the same under every setting.
pub(crate) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

pub(super) fn optional_literal(text: Option<&str>) -> String {
    text.map_or_else(|| "NULL".to_owned(), literal)
}
