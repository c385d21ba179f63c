//! What health checks ask of a SQLite file.

use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use migrate_core::health::{Expected, Found};
use migrate_core::migration::ObjectKind;
use rusqlite::Connection;

use super::script::{self, plain_error};
use super::tables::{in_read_transaction, rows};
use super::{SqliteBackend, roll_back};
use crate::backend::{Observation, Question, Work};
use crate::error::{Error, ErrorKind};

/// How long to wait before the next interrupt: one that falls between two statements is lost.
const AGAIN: Duration = Duration::from_millis(10);

impl SqliteBackend<'_> {
    pub(super) fn answer(
        &mut self,
        questions: &[Question],
        ledger: bool,
        bound: Duration,
    ) -> Result<Observation, Error> {
        let (path, names) = (self.path.clone(), self.names.clone());
        let Some(connection) = self.reader()? else {
            let found =
                questions.iter().map(|question| answer(None, path.as_deref(), question)).collect::<Result<_, _>>();
            return Ok(Observation { found: found?, fingerprint: None });
        };
        let observe = || {
            in_read_transaction(connection, |connection| {
                let found = questions.iter().map(|question| answer(Some(connection), path.as_deref(), question));
                let found = found.collect::<Result<_, _>>()?;
                let summary = ledger.then(|| names.summary(connection)).transpose();
                let summary = summary.map_err(|error| plain_error("the ledger could not be read", &error))?.flatten();
                Ok(Observation { found, fingerprint: summary.map(|summary| summary.fingerprint) })
            })
        };
        let is_long = |question: &Question| matches!(question, Question::Integrity | Question::ForeignKeys);
        if questions.iter().any(is_long) { within(connection, bound, observe) } else { observe() }
    }

    pub(super) fn write_and_roll_back(&mut self) -> Result<Found, Error> {
        let names = self.names.clone();
        let Some(connection) = self.reader()? else {
            return Ok(Found::Unknown("there is no file yet; a run creates it".to_owned()));
        };
        let failed = |error: rusqlite::Error| plain_error("our tables cannot be written", &error);
        let begun = connection.execute_batch("BEGIN IMMEDIATE").map_err(failed);
        let written =
            begun.and_then(|()| names.create(connection)).and_then(|()| names.touch(connection).map_err(failed));
        roll_back(connection)?;
        match written {
            Ok(()) => Ok(Found::Problems(Vec::new())),
            Err(error) if error.is_retryable() => Ok(Found::Unknown("another connection is writing".to_owned())),
            Err(error) => Ok(Found::Problems(vec![error.to_string()])),
        }
    }

    pub(super) fn verify_read_only(&mut self, work: &Work<'_>, bound: Duration) -> Result<Found, Error> {
        let Some(verify) = &work.verify else {
            return Ok(Found::Problems(Vec::new()));
        };
        let Some(connection) = self.reader()? else {
            return Ok(Found::Unknown("there is no file yet".to_owned()));
        };
        let failed = |error: rusqlite::Error| plain_error("the connection could not be made read-only", &error);
        let before: bool = connection.pragma_query_value(None, "query_only", |row| row.get(0)).map_err(failed)?;
        connection.pragma_update(None, "query_only", true).map_err(failed)?;
        let verified = within(connection, bound, || {
            in_read_transaction(connection, |connection| script::verify(connection, work, verify))
        });
        connection.pragma_update(None, "query_only", before).map_err(failed)?;
        match verified {
            Ok(()) => Ok(Found::Problems(Vec::new())),
            Err(error) if error.kind() == ErrorKind::ReadOnly => {
                Ok(Found::Unknown(format!("the verify script of {} writes", work.step.version)))
            }
            Err(error) if error.kind() == ErrorKind::Cancelled || error.is_retryable() => Err(error),
            Err(error) => Ok(Found::Problems(vec![error.to_string()])),
        }
    }
}

/// Without a connection there is no file yet.
fn answer(connection: Option<&Connection>, path: Option<&Path>, question: &Question) -> Result<Found, Error> {
    if matches!(question, Question::DiskSpace) {
        return Ok(space(path));
    }
    let Some(connection) = connection else {
        return Ok(match question {
            Question::Missing(expected) => Found::Problems(expected.iter().map(Expected::to_string).collect()),
            _ => Found::Unknown("there is no file yet".to_owned()),
        });
    };
    let problems = match question {
        Question::Integrity => integrity(connection),
        Question::ForeignKeys => foreign_keys(connection),
        Question::Missing(expected) => missing(connection, expected),
        _ => return Ok(Found::Unknown("SQLite has no such thing".to_owned())),
    };
    problems.map(Found::Problems).map_err(|error| plain_error("the database could not be examined", &error))
}

fn integrity(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut problems: Vec<String> =
        rows(connection, "PRAGMA main.quick_check(10)", &[], |row| row.get(0)).or_else(|error| {
            match error.sqlite_error_code() {
                // A file that is damaged in this way cannot even be checked.
                Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                    Ok(vec![script::database_error(&error).to_string()])
                }
                _ => Err(error),
            }
        })?;
    problems.retain(|problem| problem != "ok");
    Ok(problems)
}

fn foreign_keys(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let violations = script::all_violations(connection)?;
    let sentence = |((table, parent), count): ((String, String), u32)| {
        let (rows, refer) = if count == 1 { ("row", "refers") } else { ("rows", "refer") };
        format!("{count} {rows} of `{table}` {refer} to missing rows of `{parent}`")
    };
    Ok(violations.into_iter().map(sentence).collect())
}

fn missing(connection: &Connection, expected: &[Expected]) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection
        .prepare("SELECT EXISTS (SELECT 1 FROM main.sqlite_master WHERE type = ?1 AND name = ?2 COLLATE NOCASE)")?;
    let mut missing = Vec::new();
    for object in expected {
        let kind = match object.kind {
            ObjectKind::Table => "table",
            ObjectKind::View => "view",
            ObjectKind::Index => "index",
        };
        // SQLite's only schemas are attached databases, and those are nobody's but the connection's.
        let (_, name) = object.parts();
        let there: bool = statement.query_row([kind, name], |row| row.get(0))?;
        if !there {
            missing.push(object.to_string());
        }
    }
    Ok(missing)
}

/// The room on the disk of a file, and how much the file takes with its write-ahead log.
fn space(path: Option<&Path>) -> Found {
    let Some(path) = path else {
        return Found::Unknown("a database in memory takes no disk".to_owned());
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    let size = |path: &Path| path.metadata().map_or(0, |file| file.len());
    let used = size(path) + size(Path::new(&wal));
    match free_space(folder) {
        Ok(free) => Found::Space { free, used },
        Err(why) => Found::Unknown(why),
    }
}

#[cfg(unix)]
fn free_space(folder: &Path) -> Result<u64, String> {
    let system = rustix::fs::statvfs(folder).map_err(|error| format!("the disk could not be asked: {error}"))?;
    Ok(system.f_bavail.saturating_mul(system.f_frsize))
}

#[cfg(not(unix))]
fn free_space(_folder: &Path) -> Result<u64, String> {
    Err("only known on Unix".to_owned())
}

/// Runs `body`, and interrupts what it executes when it takes longer than the bound.
fn within<T>(connection: &Connection, bound: Duration, body: impl FnOnce() -> T) -> T {
    let handle = connection.get_interrupt_handle();
    let (running, ended) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut wait = bound;
            while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                handle.interrupt();
                wait = AGAIN;
            }
        });
        let value = body();
        drop(running);
        value
    })
}
