//! Running scripts on SQLite: statement by statement, so that a failure can be located.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use migrate_core::migration::Dialect;
use migrate_core::sql::Segment;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, ErrorCode, Statement};

use super::tables::rows;
use crate::backend::{Failure, File, Work, step_error, verification_error};
use crate::error::{DatabaseError, Error, ErrorKind};
use crate::stop::Window;

/// Runs a whole script. SQLite itself finds where each statement ends.
pub(super) fn run(connection: &Connection, work: &Work<'_>, file: &File<'_>) -> Result<(), Error> {
    each_statement(connection, work, file, 0, &file.sql, |statement, _| {
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        Ok(Ok(()))
    })
}

/// How long to pause before a statement is tried again for which SQLite does not wait by itself.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Runs a segment outside a transaction, waiting for other connections for so long. SQLite does not call its busy handler
/// where a file changes its journal mode: it reports the file as busy at once.
pub(super) fn run_bare_segment(
    connection: &Connection,
    work: &Work<'_>,
    segment: &Segment,
    patience: Duration,
) -> Result<(), Error> {
    let since = Instant::now();
    loop {
        match run_segment(connection, work, segment) {
            Err(error) if error.is_retryable() && since.elapsed() < patience => std::thread::sleep(BUSY_PAUSE),
            ended => return ended,
        }
    }
}

/// Runs the statements of a segment, without the `BEGIN` and `COMMIT` of the script's own groups.
pub(super) fn run_segment(connection: &Connection, work: &Work<'_>, segment: &Segment) -> Result<(), Error> {
    for statement in &segment.statements {
        let text = &work.script.sql[statement.start..statement.end];
        each_statement(connection, work, &work.script, statement.start, text, |statement, _| {
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
            Ok(Ok(()))
        })?;
    }
    Ok(())
}

/// Runs a verify script: each query must give one row with one column that holds 1.
pub(super) fn verify(connection: &Connection, work: &Work<'_>, file: &File<'_>) -> Result<(), Error> {
    each_statement(connection, work, file, 0, &file.sql, |statement, range| {
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        if columns == 0 {
            while rows.next()?.is_some() {}
            return Ok(Ok(()));
        }
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let value = match row.get_ref(0)? {
                ValueRef::Null => "NULL".to_owned(),
                ValueRef::Integer(number) => number.to_string(),
                ValueRef::Real(number) => number.to_string(),
                ValueRef::Text(text) => format!("'{}'", String::from_utf8_lossy(text)),
                ValueRef::Blob(_) => "a blob".to_owned(),
            };
            found.push(value);
        }
        let problem = match (columns, &found[..]) {
            (1, [one]) if one == "1" => return Ok(Ok(())),
            (1, [one]) => format!("the query gave {one} instead of 1"),
            (1, rows) => format!("the query gave {} rows instead of one", rows.len()),
            (columns, _) => format!("the query gave {columns} columns instead of one"),
        };
        Ok(Err(verification_error(work.step, file, range, &problem)))
    })
}

/// Runs `body` on each statement of `text`, which begins at `start` in the file, and locates what fails.
fn each_statement(
    connection: &Connection,
    work: &Work<'_>,
    file: &File<'_>,
    start: usize,
    text: &str,
    mut body: impl FnMut(&mut Statement<'_>, std::ops::Range<usize>) -> rusqlite::Result<Result<(), Error>>,
) -> Result<(), Error> {
    let statements = migrate_core::sql::statements(text, Dialect::Sqlite).unwrap_or_default();
    let located = |number: usize, error: &rusqlite::Error| {
        let range = statements.get(number).map(|statement| start + statement.start..start + statement.end);
        (range, input_offset(text, error).map(|offset| start + offset))
    };
    let failed = |number: usize, error: rusqlite::Error| {
        let (statement, offset) = located(number, &error);
        let failure = Failure {
            database: database_error(&error),
            offset,
            statement,
            retryable: is_busy(&error),
            connection_lost: false,
            kind: kind(&error, ErrorKind::Migration),
        };
        with_remedy(step_error(work, file, failure), &error)
    };
    let _window = Window::open(work.stop, connection);
    let mut batch = Batch::new(connection, text);
    let mut number = 0;
    loop {
        let mut statement = match batch.next() {
            Ok(Some(statement)) => statement,
            Ok(None) => return Ok(()),
            Err(error) => return Err(failed(number, error)),
        };
        let range = || located(number, &rusqlite::Error::InvalidQuery).0.unwrap_or(start..start + text.len());
        match body(&mut statement, range()) {
            Ok(result) => result?,
            Err(error) => return Err(failed(number, error)),
        }
        number += 1;
    }
}

/// Where in `text` SQLite points. The error counts from the statement that it could not compile, which is the first of
/// the text that it carries.
fn input_offset(text: &str, error: &rusqlite::Error) -> Option<usize> {
    let rusqlite::Error::SqlInputError { sql, offset, .. } = error else {
        return None;
    };
    let within = usize::try_from(*offset).ok()?;
    Some(text.len().checked_sub(sql.len())? + within).filter(|offset| text.is_char_boundary(*offset))
}

/// Runs `body` with foreign-key enforcement off, and fails if it leaves a violation that was not there before.
/// Enforcement is back on whatever happens.
pub(super) fn without_foreign_keys<T>(
    connection: &Connection,
    body: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let failed = |error: rusqlite::Error| plain_error("foreign-key enforcement could not be switched", &error);
    let before: bool = connection.pragma_query_value(None, "foreign_keys", |row| row.get(0)).map_err(failed)?;
    connection.pragma_update(None, "foreign_keys", false).map_err(failed)?;
    let result = body();
    let restored = connection.pragma_update(None, "foreign_keys", before).map_err(failed);
    match (result, restored) {
        (Ok(value), restored) => restored.map(|()| value),
        (Err(error), restored) => Err(error.and_also("and foreign keys stay off", restored)),
    }
}

/// Rows that refer to missing ones, counted by table and referenced table.
pub(super) type Violations = BTreeMap<(String, String), u32>;

/// Every foreign-key violation of the database. A reference may spell its table otherwise than the table itself.
pub(super) fn all_violations(connection: &Connection) -> rusqlite::Result<Violations> {
    let sql = "SELECT found.\"table\", coalesce(main.sqlite_master.name, found.parent), found.count
               FROM (SELECT \"table\", parent, count(*) AS count FROM pragma_foreign_key_check GROUP BY 1, 2) AS found
               LEFT JOIN main.sqlite_master ON type = 'table' AND name = found.parent COLLATE NOCASE";
    let read = rows(connection, sql, &[], |row| Ok(((row.get(0)?, row.get(1)?), row.get::<_, u32>(2)?)))?;
    let mut found = Violations::new();
    for (pair, count) in read {
        *found.entry(pair).or_default() += count;
    }
    Ok(found)
}

/// How the tables refer to each other at one side of a step.
pub(super) struct References {
    violations: Violations,
    tables: Vec<String>,
}

impl References {
    fn violations(&self, pair: &(String, String)) -> u32 {
        self.violations.get(pair).copied().unwrap_or(0)
    }
}

/// How the tables refer to each other before or after a step.
pub(super) fn references(connection: &Connection, work: &Work<'_>) -> Result<References, Error> {
    let read = || -> rusqlite::Result<References> {
        let tables = "SELECT name FROM main.sqlite_master WHERE type = 'table'";
        Ok(References {
            violations: all_violations(connection)?,
            tables: rows(connection, tables, &[], |row| row.get(0))?,
        })
    };
    read().map_err(|error| {
        plain_error("foreign keys could not be checked", &error)
            .with_migration(work.step.version)
            .with_location(work.script.location(0))
    })
}

/// Fails if there are violations that were not there before. Rows are counted and not compared one by one: a rebuilt
/// table numbers its rows anew. A table of a new name may be one that had another, and has its violations then.
pub(super) fn no_new_violations(connection: &Connection, work: &Work<'_>, before: &References) -> Result<(), Error> {
    let after = references(connection, work)?;
    let may_be =
        |old: &String, new: &String| old == new || (after.tables.contains(new) && !before.tables.contains(new));
    let ended = |(pair, count): (_, &u32)| (pair, count.saturating_sub(after.violations(pair)));
    let mut ended: Vec<_> = before.violations.iter().map(ended).filter(|(_, fewer)| *fewer > 0).collect();
    for (pair, count) in &after.violations {
        let (table, parent) = pair;
        let mut more = count.saturating_sub(before.violations(pair));
        for ((old_table, old_parent), fewer) in &mut ended {
            if may_be(old_table, table) && may_be(old_parent, parent) {
                let moved = more.min(*fewer);
                more -= moved;
                *fewer -= moved;
            }
        }
        if more > 0 {
            let step = work.step;
            return Err(Error::new(
                ErrorKind::Migration,
                format!(
                    "migration {} `{}` would leave {more} more rows of `{table}` that refer to missing rows of `{parent}`",
                    step.version, step.name,
                ),
            )
            .with_migration(step.version)
            .with_location(work.script.location(0))
            .with_help("copy every row that others refer to, or give those that refer to it another one"));
        }
    }
    Ok(())
}

/// The error of a script that ended the transaction it ran in.
pub(super) fn transaction_ended(work: &Work<'_>) -> Error {
    let step = work.step;
    Error::new(
        ErrorKind::Migration,
        format!("migration {} `{}` ended the transaction that it runs in", step.version, step.name),
    )
    .with_migration(step.version)
    .with_location(work.script.location(0))
    .with_help("set `\"transaction\": false` in its metadata.json, or leave transaction control to migrate")
}

/// The error of a commit that failed: a violation that was deferred until then, for example.
pub(super) fn commit_error(work: &Work<'_>, error: &rusqlite::Error) -> Error {
    let failure = Failure {
        database: database_error(error),
        offset: Some(0),
        statement: None,
        retryable: is_busy(error),
        connection_lost: false,
        kind: kind(error, ErrorKind::Migration),
    };
    with_remedy(step_error(work, &work.script, failure), error)
}

/// A failure outside a script.
pub(crate) fn plain_error(what: &str, error: &rusqlite::Error) -> Error {
    let kind = kind(error, ErrorKind::Database);
    let plain = Error::new(kind, what).with_database(database_error(error)).with_retryable(is_busy(error));
    with_remedy(plain, error)
}

/// Where the machine is the cause and not the script, the help says so.
fn with_remedy(failed: Error, error: &rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::ReadOnly) => {
            failed.with_help("make the database file and its directory writable for this user")
        }
        Some(ErrorCode::DiskFull) => {
            failed.with_help("make room on the disk that holds the database, then run the same command again")
        }
        _ => failed,
    }
}

pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    // The last one: many connections began to read a WAL at the same moment, over and over.
    let busy = [ErrorCode::DatabaseBusy, ErrorCode::DatabaseLocked, ErrorCode::FileLockingProtocolFailed];
    error.sqlite_error_code().is_some_and(|code| busy.contains(&code))
}

fn kind(error: &rusqlite::Error, otherwise: ErrorKind) -> ErrorKind {
    match error.sqlite_error_code() {
        Some(ErrorCode::ReadOnly) => ErrorKind::ReadOnly,
        Some(ErrorCode::OperationInterrupted) => ErrorKind::Cancelled,
        Some(ErrorCode::CannotOpen | ErrorCode::NotADatabase) => ErrorKind::Unreachable,
        _ => otherwise,
    }
}

/// SQLite's own message and extended result code.
pub(super) fn database_error(error: &rusqlite::Error) -> DatabaseError {
    let (message, code) = match error {
        rusqlite::Error::SqliteFailure(failure, message) => {
            (message.clone().unwrap_or_else(|| failure.to_string()), Some(failure.extended_code))
        }
        rusqlite::Error::SqlInputError { error, msg, .. } => (msg.clone(), Some(error.extended_code)),
        other => (other.to_string(), None),
    };
    DatabaseError { message, code: code.map(|code| code.to_string()), detail: None, hint: None }
}
