//! Places at which a test stops this process: before and after each statement on SQLite, before and after each message on
//! PostgreSQL.
//!
//! When `MIGRATION_FAILPOINTS` is set, the process writes a line to its standard output at each place and goes on once it
//! has read a line from its standard input. Meanwhile the test may kill it, or its connection to the database.

use std::fmt::Arguments;
use std::io::{BufRead, Write};
use std::sync::{LazyLock, Mutex, PoisonError};

/// Held from the line that is written to the line that is read: one place at a time. `None` when no test is at work.
static TEST: LazyLock<Option<Mutex<()>>> =
    LazyLock::new(|| std::env::var_os("MIGRATION_FAILPOINTS").map(|_| Mutex::default()));

/// Tells the test that the process has come to a place, and waits for it.
pub(crate) fn reach(place: Arguments<'_>) {
    let Some(test) = &*TEST else {
        return;
    };
    let _one = test.lock().unwrap_or_else(PoisonError::into_inner);
    let place = place.to_string();
    let line: Vec<&str> = place.split_whitespace().collect();
    let told = writeln!(std::io::stdout().lock(), "failpoint {}", line.join(" "));
    let heard = told.and_then(|()| std::io::stdin().lock().read_line(&mut String::new()));
    heard.expect("the test that set MIGRATION_FAILPOINTS listens");
}

/// Makes each statement of a connection two places.
pub(crate) fn around_statements(mut connection: rusqlite::Connection) -> rusqlite::Result<rusqlite::Connection> {
    use rusqlite::trace::{TraceEvent, TraceEventCodes};
    if TEST.is_some() {
        let tell = |event: TraceEvent<'_>| match event {
            TraceEvent::Stmt(_, sql) => reach(format_args!("before: {sql}")),
            TraceEvent::Profile(statement, _) => reach(format_args!("after: {}", statement.sql())),
            _ => {}
        };
        let codes = TraceEventCodes::SQLITE_TRACE_STMT | TraceEventCodes::SQLITE_TRACE_PROFILE;
        connection.trace_v2(codes, Some(tell))?;
    }
    Ok(connection)
}
