//! `schema dump` and `schema diff`: what a database is made of, and what it should be made of.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use migrate_runtime::{
    Assessment, DEFAULT_TABLE, Dialect, MigrationState, Migrator, ScratchDatabase, Structure, Target,
};

use super::text_diff::unified;
use crate::args::{DatabaseUrl, SchemaDiffArgs, SchemaDumpArgs, SchemaVerb};
use crate::config::{self, Session};
use crate::configuration::ConnectionOptions;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::{Printer, count};

pub(super) fn schema(
    verb: &SchemaVerb,
    connection: &ConnectionOptions,
    open: impl FnOnce() -> Result<Session, Error>,
    printer: &Printer,
) -> Result<Exit, Error> {
    match verb {
        SchemaVerb::Dump(args) => dump(args, connection, printer),
        SchemaVerb::Diff(args) => diff(args, connection, open, printer),
    }
}

fn dump(args: &SchemaDumpArgs, connection: &ConnectionOptions, printer: &Printer) -> Result<Exit, Error> {
    let database = config::database(connection)?;
    let text = Structure::read(&database, ledger(connection))?.to_string();
    let path = args.output.as_ref().map(|path| path.display().to_string());
    if let Some(path) = &args.output {
        fs::write(path, &text).map_err(|error| Error::failed(format!("cannot write {}: {error}", path.display())))?;
    }
    let document = json::SchemaDump { outcome: "dumped", path, schema: text };
    printer.answer_verbatim(&Document::new(&document), || match &document.path {
        Some(path) => format!("wrote {path}"),
        None => document.schema.trim_end().to_owned(),
    });
    Ok(Exit::Done)
}

fn diff(
    args: &SchemaDiffArgs,
    connection: &ConnectionOptions,
    open: impl FnOnce() -> Result<Session, Error>,
    printer: &Printer,
) -> Result<Exit, Error> {
    let (expected, text, database) = match &args.file {
        Some(path) => {
            let shown = path.display().to_string();
            let text = fs::read_to_string(path).map_err(|error| {
                Error::usage(
                    format!("cannot read {shown}: {error}"),
                    format!("write it with `migrate schema dump --output {shown}`"),
                )
            })?;
            (shown, text.replace("\r\n", "\n"), config::database(connection)?)
        }
        None => {
            let mut session = open()?;
            let text = replay(&mut session, connection, printer)?.to_string();
            ("migrations".to_owned(), text, session.database)
        }
    };
    let found = Structure::read(&database, ledger(connection))?.to_string();
    let (missing, unexpected) = (beyond(&text, &found), beyond(&found, &text));
    let is_equal = text == found;
    let document = json::SchemaDiff {
        outcome: if is_equal { "equal" } else { "different" },
        missing,
        unexpected,
        diff: unified((&expected, &text), ("database", &found)),
        expected,
    };
    printer.answer_verbatim(&Document::new(&document), || {
        if is_equal {
            return match &args.file {
                Some(_) => format!("the database is as {} has it", document.expected),
                None => "the database is as its migrations make it".to_owned(),
            };
        }
        let numbers = (count(document.missing.len(), "line"), count(document.unexpected.len(), "line"));
        format!(
            "{}\nmissing in the database: {}; there beyond {}: {}",
            document.diff.trim_end(),
            numbers.0,
            document.expected,
            numbers.1
        )
    });
    Ok(if is_equal || !args.exit_code { Exit::Done } else { Exit::Failed })
}

/// What the migrations make of an empty database that are applied to this one.
fn replay(session: &mut Session, connection: &ConnectionOptions, printer: &Printer) -> Result<Structure, Error> {
    let assessment = session.migrator.check(&mut session.database).wait()?;
    tell_of_doubt(&assessment, printer);
    let dialect = config::dialect(&session.database);
    let url = scratch_url(dialect, connection)?;
    let mut scratch = ScratchDatabase::create(&url)?;
    printer.detail(&format!("scratch database on {scratch}"));
    let known = assessment.migrations.iter().filter(|it| it.known && it.state != MigrationState::Pending);
    if let Some(last) = known.map(|it| it.version).max() {
        // Its own tables have the usual name there.
        let migrator = Migrator::new(Arc::new(session.migrator.registry().clone()));
        scratch.run(&migrator, Target::UpTo(last))?;
    }
    let structure = scratch.structure()?;
    scratch.remove()?;
    Ok(structure)
}

/// Where the replay is not exactly what was done here.
fn tell_of_doubt(assessment: &Assessment, printer: &Printer) {
    let last = assessment.database_version;
    for entry in &assessment.migrations {
        let why = match entry.state {
            MigrationState::Unknown => "is applied and not in this set",
            MigrationState::Changed => "was changed after it was applied",
            MigrationState::Interrupted => "was interrupted",
            MigrationState::Pending if Some(entry.version) < last => "is pending below an applied one, and is replayed",
            _ => continue,
        };
        printer.warning(&format!("{} {} {why}: what it makes may show as a difference", entry.version, entry.name));
    }
}

/// Where scratch databases of this kind are made.
pub(super) fn scratch_url(dialect: Dialect, connection: &ConnectionOptions) -> Result<String, Error> {
    const MEMORY: &str = "sqlite::memory:";
    match (&connection.shadow_url, dialect) {
        (None, Dialect::Sqlite) => Ok(MEMORY.to_owned()),
        (None, Dialect::Postgres) => Err(Error::configuration(
            "no server is named for the scratch database",
            "name one for tests with `--shadow-url postgres://user@host/postgres`, or in MIGRATION_SHADOW_URL",
        )),
        (Some(url), dialect) => {
            if ScratchDatabase::dialect_of(url.reveal())? == dialect {
                return Ok(DatabaseUrl::reveal(url).to_owned());
            }
            Err(Error::configuration(
                format!("the scratch database is not of the kind that is needed, {dialect}"),
                "name another with `--shadow-url`, or in MIGRATION_SHADOW_URL",
            ))
        }
    }
}

fn ledger(connection: &ConnectionOptions) -> &str {
    connection.table.as_deref().unwrap_or(DEFAULT_TABLE)
}

/// The lines of a text that another does not have.
fn beyond(text: &str, other: &str) -> Vec<String> {
    let other: BTreeSet<&str> = other.lines().collect();
    text.lines().filter(|line| !other.contains(line)).map(str::to_owned).collect()
}
