//! Copies of SQLite databases: making, surveying, verifying.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use rusqlite::backup::{Backup as Copy, StepResult};
use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};

use super::archive::{Extracted, Partial, Writer, damaged, hexadecimal};
use super::directory::random;
use super::manifest::{Backup, BackupFormat, Contents, Survey};
use super::order::{Copied, Measure, Order};
use super::verify::{Verification, differences, restored_alike};
use crate::backend::identifier;
use crate::backend::sqlite::plain_error;
use crate::error::{Error, ErrorKind};
use crate::options::Tables;
use crate::stop::Stop;

/// How many pages are copied before it is looked whether the run is to stop.
const PAGES: i32 = 1024;

/// How long others may hold the database while it is to be read or overwritten.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How long to wait before trying again meanwhile.
const PAUSE: Duration = Duration::from_millis(20);

/// What has a meaning in the name of a file that is written as a URI.
const SPECIAL: &AsciiSet = &CONTROLS.add(b'?').add(b'#').add(b'%');

/// Copies the database of a connection into files as ordered. It sees one state of the database throughout, whatever
/// others write meanwhile.
pub(crate) fn copy_out(source: &Connection, order: &Order<'_>, tables: &Tables) -> Result<Copied, Error> {
    let directory = order.directory.path();
    let mut damage = None;
    let (written, format, survey) = match order.contents {
        Contents::Schema => {
            let text = in_read_transaction(source, || schema_as_sql(source))?;
            let mut writer = Writer::create(directory, order.stem, order.compress)?;
            writer.write_from(&mut text.as_bytes(), "the structure")?;
            let survey = Survey { fingerprint: fingerprint(source, tables)?, ..Survey::default() };
            (writer.finish()?, BackupFormat::Sql, survey)
        }
        Contents::Full => {
            let raw = Partial::create(directory, &format!("{}-copy", order.stem))?;
            in_read_transaction(source, || copy_into_file(source, raw.path(), order.stop))?;
            #[cfg(feature = "failpoints")]
            crate::failpoint::reach(format_args!("backup: the copy is complete"));
            let copy = open_unchanging(raw.path())?;
            damage = damage_of(&copy);
            let survey = match survey(&copy, tables) {
                // What is damaged may not be countable; it can be kept all the same.
                Err(_) if damage.is_some() => Survey::default(),
                survey => survey?,
            };
            drop(copy);
            let mut writer = Writer::create(directory, order.stem, order.compress)?;
            let mut file =
                File::open(raw.path()).map_err(|error| super::file_error("cannot read", raw.path(), error))?;
            writer.write_from(&mut file, "the copy of the database")?;
            (writer.finish()?, BackupFormat::Sqlite, survey)
        }
    };
    let database_version = format!("SQLite {}", rusqlite::version());
    Ok(Copied { written, format, survey, database_version, dump_version: None, damage })
}

/// Overwrites the database of a connection with a copy. The file stays the same one, so that connections that others have
/// open see what was restored; it all commits at once. With the version of the database that was kept it fails when
/// somebody has written since.
pub(crate) fn copy_in(
    source: &Connection,
    target: &mut Connection,
    kept: Option<i64>,
    stop: &Stop,
) -> Result<(), Error> {
    const WHAT: &str = "the database could not be overwritten";
    let page_size = |connection: &Connection| {
        let size = connection.pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0));
        size.map_err(|error| plain_error("the database could not be read", &error))
    };
    let mode = target.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0));
    let mode = mode.map_err(|error| plain_error("the database could not be read", &error))?;
    let (old, new) = (page_size(target)?, page_size(source)?);
    if mode == "wal" && old != new {
        let message =
            format!("the backup has pages of {new} bytes and the database of {old}, which its WAL cannot change");
        return Err(Error::new(ErrorKind::Backup, message).with_help(
            "run `PRAGMA journal_mode = DELETE` on the database while nobody uses it, then the same command again",
        ));
    }
    let since = Instant::now();
    loop {
        // SQLite takes its lock with the first pages only. Between this look and that nothing of ours happens, and
        // whoever is faster is seen at the next look.
        if kept.is_some_and(|kept| data_version(target).is_ok_and(|now| now != kept)) {
            return Err(written_since());
        }
        let copy = Copy::new(source, target).map_err(|error| plain_error(WHAT, &error))?;
        match copy.step(1).map_err(|error| plain_error(WHAT, &error).with_retryable(false))? {
            StepResult::Done => return Ok(()),
            StepResult::More => return pages(&copy, WHAT, stop),
            _ if stop.is_asked() => return Err(stopped(WHAT)),
            _ if since.elapsed() > LONGEST_WAIT => return Err(held_too_long(WHAT)),
            _ => {}
        }
        drop(copy);
        std::thread::sleep(PAUSE);
    }
}

/// What changes for a connection when another one has written.
pub(crate) fn data_version(connection: &Connection) -> Result<i64, Error> {
    let version = connection.pragma_query_value(None, "data_version", |row| row.get(0));
    version.map_err(|error| plain_error("the database could not be read", &error))
}

/// The failure to lock a database.
pub(crate) fn held_by_others(what: &str, error: &rusqlite::Error) -> Error {
    let error = plain_error(what, error);
    if error.is_retryable() { held_too_long(what) } else { error }
}

fn held_too_long(what: &str) -> Error {
    Error::new(ErrorKind::LockBusy, format!("{what}: others hold it for too long"))
        .with_help("end the transactions that others have open on it, then run the same command again")
}

fn stopped(what: &str) -> Error {
    Error::new(ErrorKind::Cancelled, format!("{what}: it was stopped"))
        .with_help("nothing was changed; run the same command again")
}

fn written_since() -> Error {
    let message = "others have written to the database since its present state was kept, and nothing was changed";
    Error::new(ErrorKind::LockBusy, message).with_help("run the same command again; stop whoever writes if it recurs")
}

/// Checks that a copy can be used; with `deep` also that it is what the manifest says.
pub(super) fn verify(
    backup: &Backup,
    copy: &Extracted,
    deep: bool,
    verification: &mut Verification,
) -> Result<(), Error> {
    let connection = open_unchanging(copy.path())?;
    if let Some(found) = damage_of(&connection) {
        return Err(damaged(backup, &found));
    }
    verification.checks.push("integrity_check finds nothing".to_owned());
    match foreign_key_violations(&connection).map_err(|error| damaged(backup, &error.to_string()))? {
        0 => verification.checks.push("foreign_key_check finds nothing".to_owned()),
        count if count > backup.foreign_key_violations => {
            return Err(damaged(backup, &format!("{count} rows refer to missing rows")));
        }
        count => verification.warnings.push(format!("{count} rows refer to missing rows, as they did in the database")),
    }
    if deep {
        let tables = Tables { schema: None, table: backup.ledger_table.clone() };
        // A file, since one in memory would be as large as the backup.
        let scratch = Partial::create(&backup.directory, &format!("{}-scratch-{:08x}", backup.id, random()))?;
        copy_into_file(&connection, scratch.path(), &Stop::new())?;
        let found = differences(&backup.survey(), &survey(&open_unchanging(scratch.path())?, &tables)?);
        if let Some(first) = found.first() {
            return Err(damaged(backup, first));
        }
        verification.checks.push(restored_alike(backup.rows.len()));
    }
    Ok(())
}

/// What is wrong with a database.
fn damage_of(connection: &Connection) -> Option<String> {
    match each::<String>(connection, "PRAGMA integrity_check(3)", |row| row.get(0)) {
        Ok(found) if found == ["ok"] => None,
        Ok(found) => Some(format!("integrity_check says: {}", found.join("; "))),
        Err(error) => Some(error.to_string()),
    }
}

/// Structure, numbers of rows, and rows that refer to missing ones, our own tables aside.
pub(crate) fn survey(connection: &Connection, tables: &Tables) -> Result<Survey, Error> {
    let names: Vec<String> = each(
        connection,
        "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
         AND sql NOT LIKE 'CREATE VIRTUAL %'",
        |row| row.get(0),
    )?;
    let mut rows = BTreeMap::new();
    for name in names.into_iter().filter(|name| !tables.holds(name)) {
        let sql = format!("SELECT count(*) FROM main.{}", identifier(&name));
        let count: i64 = connection
            .query_row(&sql, [], |row| row.get(0))
            .map_err(|error| plain_error(&format!("the rows of `{name}` could not be counted"), &error))?;
        rows.insert(name, u64::try_from(count).unwrap_or_default());
    }
    let foreign_key_violations = foreign_key_violations(connection)?;
    Ok(Survey { fingerprint: fingerprint(connection, tables)?, rows, foreign_key_violations })
}

/// Whether there is nothing beside our own tables, and how many bytes the database has.
pub(crate) fn measure(connection: &Connection, tables: &Tables) -> Result<(bool, u64), Error> {
    let names: Vec<String> = each(
        connection,
        "SELECT tbl_name FROM main.sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
        |row| row.get(0),
    )?;
    let sizes: Vec<i64> =
        each(connection, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size", |row| row.get(0))?;
    let size = sizes.first().and_then(|size| u64::try_from(*size).ok()).unwrap_or_default();
    Ok((names.iter().all(|name| tables.holds(name)), size))
}

/// Where a database is, and where its backups belong.
pub(crate) fn place(path: Option<&Path>, empty: bool, size: u64) -> Measure {
    // The copy is complete before it is written a second time, with its checksum and perhaps smaller.
    let room = size.saturating_mul(2);
    let Some(path) = path else {
        let (name, location) = ("memory".to_owned(), "sqlite::memory:".to_owned());
        return Measure { size, room, empty, name, location, directory: None };
    };
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut directory = path.clone().into_os_string();
    directory.push(".backups");
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let location = format!("sqlite:{}", path.display());
    Measure { size, room, empty, name, location, directory: Some(directory.into()) }
}

/// Opens a copy that nobody writes, without any of the files that SQLite puts beside a database.
fn open_unchanging(path: &Path) -> Result<Connection, Error> {
    let name = path.to_str().ok_or_else(|| {
        Error::new(ErrorKind::Backup, format!("the path of the backups is not UTF-8: `{}`", path.display()))
            .with_help("name another directory (`backup_path`)")
    })?;
    let uri = format!("file:{}?immutable=1", utf8_percent_encode(name, SPECIAL));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(uri, flags).map_err(|error| plain_error("the copy cannot be opened", &error))
}

fn copy_into_file(source: &Connection, path: &Path, stop: &Stop) -> Result<(), Error> {
    let failed = |error: rusqlite::Error| plain_error("the database could not be copied", &error);
    let mut target = Connection::open(path).map_err(failed)?;
    // A copy that is not complete is thrown away, so it needs no journal; it is synced as a whole.
    target.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF").map_err(failed)?;
    let copy = Copy::new(source, &mut target).map_err(failed)?;
    pages(&copy, "the database could not be copied", stop)
}

fn pages(copy: &Copy<'_, '_>, what: &str, stop: &Stop) -> Result<(), Error> {
    let since = Instant::now();
    loop {
        if stop.is_asked() {
            return Err(stopped(what));
        }
        let step = copy.step(PAGES).map_err(|error| plain_error(what, &error).with_retryable(false))?;
        #[cfg(feature = "failpoints")]
        crate::failpoint::reach(format_args!("copied pages: {} left", copy.progress().remaining));
        match step {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            _ if since.elapsed() < LONGEST_WAIT => std::thread::sleep(PAUSE),
            _ => return Err(held_too_long(what)),
        }
    }
}

/// Runs `body` while the connection sees one state of its database.
fn in_read_transaction<T>(connection: &Connection, body: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let failed = |error: rusqlite::Error| plain_error("the database could not be read", &error);
    let since = Instant::now();
    connection.execute_batch("BEGIN").map_err(failed)?;
    // Nothing is read before this, so a writer that commits at the moment is only waited for.
    while let Err(error) = connection.execute_batch("SELECT 1 FROM main.sqlite_master LIMIT 1").map_err(failed) {
        if !error.is_retryable() || since.elapsed() > LONGEST_WAIT {
            return Err(error.and_also(
                "and the transaction could not be ended",
                connection.execute_batch("ROLLBACK").map_err(failed),
            ));
        }
        std::thread::sleep(PAUSE);
    }
    let result = body();
    let ended = connection.execute_batch("ROLLBACK").map_err(failed);
    result.and_then(|value| ended.map(|()| value))
}

/// A hash over the statements that made the application's tables, indexes, views and triggers.
fn fingerprint(connection: &Connection, tables: &Tables) -> Result<String, Error> {
    let sql = "SELECT type, name, tbl_name, coalesce(sql, '') FROM main.sqlite_master
        WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' OR sql IS NOT NULL ORDER BY type, name";
    let objects: Vec<[String; 4]> =
        each(connection, sql, |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?;
    let mut digest = Sha256::new();
    for object in objects.iter().filter(|[_, name, table, _]| !tables.holds(table) && !name.starts_with("sqlite_")) {
        digest.update(object.join("\0"));
        digest.update("\n");
    }
    Ok(hexadecimal(&digest.finalize()))
}

/// Without the tables in which virtual tables keep their data: these make them themselves.
fn schema_as_sql(connection: &Connection) -> Result<String, Error> {
    let sql = "SELECT sql FROM main.sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
        AND tbl_name NOT IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow')
        ORDER BY rowid";
    let statements: Vec<String> = each(connection, sql, |row| row.get(0))?;
    Ok(statements.iter().map(|statement| format!("{statement};\n")).collect())
}

fn foreign_key_violations(connection: &Connection) -> Result<u64, Error> {
    let counts: Vec<i64> = each(connection, "SELECT count(*) FROM pragma_foreign_key_check", |row| row.get(0))?;
    Ok(counts.first().and_then(|count| u64::try_from(*count).ok()).unwrap_or_default())
}

fn each<T>(
    connection: &Connection,
    sql: &str,
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, Error> {
    let rows = || -> rusqlite::Result<Vec<T>> { connection.prepare(sql)?.query_map([], read)?.collect() };
    rows().map_err(|error| plain_error("the database could not be read", &error))
}
