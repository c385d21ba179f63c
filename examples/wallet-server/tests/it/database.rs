//! A fresh database of either kind, and a second way into it beside the server.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

use rusqlite::Connection;
use tempfile::TempDir;
use testkit::postgres;

pub(crate) enum Database {
    Sqlite(TempDir),
    Postgres(postgres::Database),
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub(crate) fn postgres() -> Self {
        Self::Postgres(postgres::Server::shared().database())
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(directory) => format!("sqlite:{}", directory.path().join("wallet.db").display()),
            Self::Postgres(database) => database.url(),
        }
    }

    /// Runs statements that give no rows.
    pub(crate) fn execute(&self, sql: &str) {
        match self {
            Self::Sqlite(directory) => open(directory).execute_batch(sql).unwrap(),
            Self::Postgres(database) => assert_eq!(database.psql(sql), ""),
        }
    }

    /// The one number that a query gives.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        match self {
            Self::Sqlite(directory) => open(directory).query_row(sql, [], |row| row.get(0)).unwrap(),
            Self::Postgres(database) => database.psql(sql).parse().unwrap(),
        }
    }

    /// Begins a transaction that writes to the state row, as a run does, and leaves it open until this is dropped.
    pub(crate) fn writer(&self) -> Writer {
        const WRITE: &str = "UPDATE schema_migrations_v2_state SET fence = fence;";
        match self {
            Self::Sqlite(directory) => {
                let connection = open(directory);
                connection.execute_batch(&format!("BEGIN IMMEDIATE; {WRITE}")).unwrap();
                Writer::Sqlite { _connection: connection }
            }
            Self::Postgres(database) => {
                let mut psql = postgres::Server::shared().tool("psql");
                psql.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-d"]).arg(database.conninfo());
                let mut psql = psql.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
                let stdin = psql.stdin.as_mut().unwrap();
                writeln!(stdin, "BEGIN; {WRITE} SELECT 'written';").unwrap();
                let mut line = String::new();
                BufReader::new(psql.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
                assert_eq!(line, "written\n");
                Writer::Postgres(psql)
            }
        }
    }
}

/// An open transaction, rolled back on drop.
pub(crate) enum Writer {
    Sqlite { _connection: Connection },
    Postgres(Child),
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Self::Postgres(psql) = self {
            drop(psql.stdin.take());
            let _ = psql.wait();
        }
    }
}

fn open(directory: &TempDir) -> Connection {
    Connection::open(directory.path().join("wallet.db")).unwrap()
}
