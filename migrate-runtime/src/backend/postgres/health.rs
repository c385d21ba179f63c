//! What health checks ask of a PostgreSQL database: the catalogue and the statistics, which every role may read. What other roles
//! do is hidden from most roles; what is hidden is not found.

use std::time::Duration;

use migrate_core::health::{Expected, Found};
use migrate_core::migration::{Dialect, ObjectKind};

use super::message::{Message, MessageError, Row, send};
use super::tables::literal;
use super::{BEGIN, PostgresBackend};
use crate::backend::{Observation, Question, Work, identifier, ledger_error};
use crate::error::{Blocker, Error};

impl PostgresBackend<'_> {
    pub(super) async fn answer(
        &mut self,
        questions: &[Question],
        ledger: bool,
        bound: Duration,
    ) -> Result<Observation, Error> {
        let mut message = read_only(bound);
        let first = 2;
        let queries: Vec<Option<String>> = questions.iter().map(query).collect();
        queries.iter().flatten().for_each(|query| message.push(query));
        if ledger {
            message.push(&format!("SELECT {}", self.names.fingerprint()));
        }
        message.push("COMMIT");
        let rows = self.ask_in_transaction(message, |error| error.plain("the database could not be examined")).await?;
        let mut answers = rows[first..].iter();
        let mut found = Vec::new();
        for (question, query) in questions.iter().zip(&queries) {
            let missing = || ledger_error("pg_class", "the server gave fewer answers than questions");
            found.push(match query {
                None => Found::Unknown(unknown(question).to_owned()),
                Some(_) => Found::Problems(problems(question, answers.next().ok_or_else(missing)?)),
            });
        }
        let fingerprint = answers.next().filter(|_| ledger).and_then(|rows| rows.first());
        let fingerprint = fingerprint.map(|row| self.names.parse_fingerprint(row, 0)).transpose()?;
        Ok(Observation { found, fingerprint })
    }

    pub(super) async fn write_and_roll_back(&mut self, bound: Duration) -> Result<Found, Error> {
        let mut message = begin(BEGIN, bound);
        if self.names.present {
            self.names.try_writing().iter().for_each(|statement| message.push(statement));
        } else if let Some(create) = self.names.try_creating() {
            message.push(&create);
        } else {
            return Ok(Found::Problems(vec!["there is no schema to create the ledger in".to_owned()]));
        }
        message.push("ROLLBACK");
        tried(self.ask_in_transaction(message, |error| error.plain("our tables cannot be written")).await)
    }

    pub(super) async fn verify_read_only(&mut self, work: &Work<'_>, bound: Duration) -> Result<Found, Error> {
        let Some(verify) = &work.verify else {
            return Ok(Found::Problems(Vec::new()));
        };
        let mut message = read_only(bound);
        message.verify(work.step, verify, verify.statements(Dialect::Postgres)?)?;
        message.push("ROLLBACK");
        let mut outcome = send(self.client(), &message).await;
        if outcome.error.as_ref().is_some_and(MessageError::is_read_only) {
            self.roll_back().await?;
            return Ok(Found::Unknown(format!("the verify script of {} writes", work.step.version)));
        }
        if let Some(error) = outcome.error.take_if(|error| error.is_cancelled()) {
            self.roll_back().await?;
            return Err(error.plain("the verify script was cancelled"));
        }
        match message.check(0, work, outcome) {
            Ok(_) => Ok(Found::Problems(Vec::new())),
            Err(error) if error.is_connection_lost() => Err(error),
            Err(error) => {
                self.roll_back().await?;
                if error.is_retryable() { Err(error) } else { Ok(Found::Problems(vec![error.to_string()])) }
            }
        }
    }
}

/// What came of a try: what the server refuses is a finding.
fn tried<T>(tried: Result<T, Error>) -> Result<Found, Error> {
    match tried {
        Ok(_) => Ok(Found::Problems(Vec::new())),
        Err(error) if error.is_connection_lost() || error.is_retryable() || error.is_out_of_time() => Err(error),
        Err(error) => Ok(Found::Problems(vec![error.to_string()])),
    }
}

/// Begins a transaction that cannot change anything.
fn read_only(bound: Duration) -> Message<'static> {
    begin("BEGIN READ ONLY", bound)
}

fn begin(begin: &str, bound: Duration) -> Message<'static> {
    let bound = bound.as_millis();
    Message::of(&[
        begin,
        &format!(
            "SELECT pg_catalog.set_config('statement_timeout', '{bound}ms', true),
                    pg_catalog.set_config('lock_timeout', '{bound}ms', true)"
        ),
    ])
}

/// What finds the problems, a row each; `None` where a server does not tell.
fn query(question: &Question) -> Option<String> {
    const HERE: &str = "(SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())";
    const SESSION: &str = "a.pid, a.application_name, a.state,
         floor(extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start))::bigint";
    let older = |bound: &Duration| {
        format!(
            "a.xact_start < pg_catalog.clock_timestamp() - interval '{} milliseconds' AND a.pid <> pg_catalog.pg_backend_pid()
             AND a.backend_type = 'client backend'",
            bound.as_millis()
        )
    };
    // They hold a lock on every table until they end, however young they are. Their name is shown to every role.
    const DUMPS: &str = "a.application_name IN ('pg_dump', 'pg_dumpall')";
    let query = match question {
        Question::DiskSpace | Question::Integrity | Question::ForeignKeys => return None,
        Question::InvalidIndexes => "SELECT pg_catalog.format('`%I.%I`', n.nspname, c.relname)
             FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE NOT i.indisvalid AND c.relkind = 'i' AND c.relpersistence <> 't' AND NOT EXISTS (
                 SELECT FROM pg_catalog.pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid
                 OR (p.index_relid IS NULL AND p.datname = pg_catalog.current_database()))
             ORDER BY 1"
            .to_owned(),
        Question::PreparedTransactions => "SELECT pg_catalog.format('%L of %s, since %s', p.gid, p.owner,
                 pg_catalog.to_char(p.prepared AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'))
             FROM pg_catalog.pg_prepared_xacts p WHERE p.database = pg_catalog.current_database() ORDER BY p.prepared"
            .to_owned(),
        Question::LongTransactions(bound) => format!(
            "SELECT {SESSION} FROM pg_catalog.pg_stat_activity a
             WHERE a.datname = pg_catalog.current_database() AND ({} OR {DUMPS}) ORDER BY a.xact_start",
            older(bound)
        ),
        Question::Blockers(bound) => format!(
            "SELECT {SESSION}, (SELECT pg_catalog.string_agg(DISTINCT '`' || c.relname || '`', ', ')
                 FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                 WHERE l.pid = a.pid AND l.granted AND l.locktype = 'relation' AND l.database = {HERE}
                 AND c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema'))
             FROM pg_catalog.pg_stat_activity a
             WHERE a.datname = pg_catalog.current_database() AND {} ORDER BY a.xact_start",
            older(bound)
        ),
        Question::ReplicationSlots => "SELECT pg_catalog.format('%L (%s)', s.slot_name, s.slot_type)
             FROM pg_catalog.pg_replication_slots s WHERE NOT s.active AND NOT s.temporary
             AND (s.database IS NULL OR s.database = pg_catalog.current_database()) ORDER BY 1"
            .to_owned(),
        Question::Ownership(tables) => {
            let names: Vec<String> = tables.iter().map(|table| format!("({})", literal(&quoted(table)))).collect();
            let none = "SELECT NULL::text WHERE false".to_owned();
            let tables = if names.is_empty() { none } else { format!("VALUES {}", names.join(", ")) };
            format!(
                "SELECT pg_catalog.format('nothing may be created in the schema `%I`', pg_catalog.current_schema())
                 WHERE NOT pg_catalog.has_schema_privilege(pg_catalog.current_schema(), 'CREATE')
                 UNION ALL
                 SELECT pg_catalog.format('`%I` belongs to %I', c.relname, pg_catalog.pg_get_userbyid(c.relowner))
                 FROM ({tables}) t(name) JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(t.name)
                 WHERE NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')"
            )
        }
        Question::Missing(expected) => missing(expected),
        Question::Constraints => "SELECT pg_catalog.format('`%I` on `%s`', c.conname, c.conrelid::pg_catalog.regclass)
             FROM pg_catalog.pg_constraint c WHERE NOT c.convalidated AND c.contype IN ('c', 'f', 'n') ORDER BY 1"
            .to_owned(),
    };
    Some(query)
}

/// Selects the places of the expected objects that do not exist. Names are compared without case, as scripts mostly write them;
/// one without a schema is looked for where a script would find it.
fn missing(expected: &[Expected]) -> String {
    if expected.is_empty() {
        return "SELECT 0 WHERE false".to_owned();
    }
    let row = |(place, object): (usize, &Expected)| {
        let kinds = match object.kind {
            ObjectKind::Table => "'r', 'p', 'f'",
            ObjectKind::View => "'v', 'm'",
            ObjectKind::Index => "'i', 'I'",
        };
        let (schema, name) = object.parts();
        let schema = schema.map_or_else(|| "NULL".to_owned(), literal);
        format!("({place}, {}, {schema}, ARRAY[{kinds}])", literal(name))
    };
    let rows: Vec<String> = expected.iter().enumerate().map(row).collect();
    format!(
        "SELECT v.place FROM (VALUES {}) v(place, name, schema, kinds)
         WHERE NOT EXISTS (
             SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE lower(c.relname) = lower(v.name) AND c.relkind::text = ANY (v.kinds)
             AND CASE WHEN v.schema IS NULL THEN pg_catalog.pg_table_is_visible(c.oid)
                 ELSE lower(n.nspname) = lower(v.schema) END)
         ORDER BY 1",
        rows.join(", ")
    )
}

/// The rows of a query as problems.
fn problems(question: &Question, rows: &[Row]) -> Vec<String> {
    let text = |row: &Row, column: usize| row.get(column).unwrap_or_default().to_owned();
    match question {
        Question::Missing(expected) => {
            let place = |row: &Row| expected.get(text(row, 0).parse::<usize>().ok()?).map(Expected::to_string);
            rows.iter().filter_map(place).collect()
        }
        Question::LongTransactions(_) => rows.iter().map(|row| session(row).to_string()).collect(),
        Question::Blockers(_) => {
            let holds = |row: &Row| Some(format!("{} holds {}", session(row), row.get(4)?));
            rows.iter().filter_map(holds).collect()
        }
        _ => rows.iter().map(|row| text(row, 0)).collect(),
    }
}

fn session(row: &Row) -> Blocker {
    let text = |column: usize| row.get(column).unwrap_or_default();
    Blocker {
        process: text(0).parse().unwrap_or_default(),
        application: text(1).to_owned(),
        state: text(2).to_owned(),
        transaction_seconds: text(3).parse().ok(),
        query: None,
    }
}

/// Why a server gives no answer.
fn unknown(question: &Question) -> &'static str {
    match question {
        Question::DiskSpace => "a PostgreSQL server does not tell how much room its disk has: watch it where it runs",
        _ => "PostgreSQL has no such thing",
    }
}

/// A name with or without a schema, quoted part by part.
fn quoted(name: &str) -> String {
    name.split('.').map(identifier).collect::<Vec<_>>().join(".")
}
