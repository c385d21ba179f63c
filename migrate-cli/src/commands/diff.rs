//! `diff`: the migrations of a directory or program, what was applied to the database, and what differs.

use std::path::Path;

use migrate_core::migration::Role;
use migrate_runtime::{AnyDatabase, Dialect, Entry, Migration, MigrationState, ReasonCode, Registry, Script};

use super::text_diff::unified;
use crate::args::{DiffArgs, EmbeddedDiffArgs, Need};
use crate::config::{self, Session};
use crate::configuration::ConnectionOptions;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, ChangedScript, Comparison, Document};
use crate::output::Printer;

/// A directory with the ledger.
pub(super) fn with_ledger(
    args: &DiffArgs,
    open: impl FnOnce() -> Result<Session, Error>,
    printer: &Printer,
) -> Result<Exit, Error> {
    let comparison = ledger("directory", &mut open()?)?;
    Ok(end(args, vec![comparison], printer))
}

/// A program with a directory, if one is named, and with the ledger, unless no database is.
pub(super) fn embedded(
    args: &EmbeddedDiffArgs,
    registry: &Registry,
    connection: &ConnectionOptions,
    session: impl FnOnce(AnyDatabase) -> Result<Session, Error>,
    printer: &Printer,
) -> Result<Exit, Error> {
    let mut comparisons = Vec::new();
    if let Some(directory) = &args.source {
        comparisons.push(sets(registry, directory, printer)?);
    }
    if connection.database_url.is_some() || args.source.is_none() {
        comparisons.push(ledger("program", &mut session(config::database(connection)?)?)?);
    }
    Ok(end(&args.diff, comparisons, printer))
}

fn sets(registry: &Registry, directory: &Path, printer: &Printer) -> Result<Comparison, Error> {
    let source = config::registry_for_any(directory, Need::Judge, printer)?;
    let mut comparison = Comparison::between("program", "directory");
    let same =
        |set: &'_ Registry, it: &Migration| set.find(it.version()).is_some_and(|other| other.name() == it.name());
    let without = |these: &Registry, those: &Registry| {
        these.migrations().iter().filter(|it| !same(those, it)).map(Migration::directory_name).collect()
    };
    comparison.only_left = without(registry, &source);
    comparison.only_right = without(&source, registry);
    for ours in registry.migrations().iter().filter(|it| same(&source, it)) {
        let Some(theirs) = source.find(ours.version()) else { continue };
        let before = comparison.changed.len();
        scripts(ours, theirs, &mut comparison.changed);
        if comparison.changed.len() == before && ours != theirs {
            comparison.changed.push(ChangedScript {
                migration: ours.directory_name(),
                file: "metadata.json".to_owned(),
                diff: None,
            });
        }
    }
    Ok(comparison)
}

fn scripts(ours: &Migration, theirs: &Migration, changed: &mut Vec<ChangedScript>) {
    let text = |migration: &Migration, file: &str| {
        let is_it = |script: &&Script| script.file_name() == file;
        migration.scripts().iter().find(is_it).map_or(String::new(), |script| script.sql.to_string())
    };
    let mut files: Vec<String> =
        ours.scripts().iter().chain(theirs.scripts()).map(|script| script.file_name()).collect();
    files.sort_unstable();
    files.dedup();
    for file in files {
        let diff = unified(("program", &text(ours, &file)), ("directory", &text(theirs, &file)));
        if !diff.is_empty() {
            changed.push(ChangedScript { migration: ours.directory_name(), file, diff: Some(diff) });
        }
    }
}

fn ledger(left: &'static str, session: &mut Session) -> Result<Comparison, Error> {
    let assessment = session.migrator.check(&mut session.database).wait()?;
    let dialect = config::dialect(&session.database);
    let mut comparison = Comparison::between(left, "database");
    // Its own script was never applied, and those that it replaces are not here to be compared.
    let stands_for_others = |entry: &Entry| {
        let mut reasons = assessment.reasons.iter();
        reasons.any(|it| it.code == ReasonCode::Replaced && it.version == Some(entry.version))
    };
    for entry in &assessment.migrations {
        if entry.state == MigrationState::Replaced || stands_for_others(entry) {
            continue;
        }
        let title = || format!("v{}_{}", entry.version, entry.name);
        match (entry.known, &entry.row) {
            (true, None) => comparison.only_left.push(title()),
            (false, Some(_)) => comparison.only_right.push(title()),
            _ => comparison.changed.extend(applied(left, entry, session.migrator.registry(), dialect)),
        }
    }
    Ok(comparison)
}

/// How an up script differs from the one that was applied.
fn applied(left: &str, entry: &Entry, registry: &Registry, dialect: Dialect) -> Option<ChangedScript> {
    let row = entry.row.as_ref().filter(|row| row.checksum != entry.checksum)?;
    let migration = registry.find(entry.version)?;
    let script = migration.script(Role::Up, dialect)?;
    // A row that was recorded without running has none.
    let diff = row.up_sql.as_deref().map(|applied| unified((left, &script.sql), ("database", applied)));
    Some(ChangedScript { migration: migration.directory_name(), file: script.file_name(), diff })
}

/// Tells of a program that was found equal to a directory.
pub(super) fn equal(printer: &Printer) -> Exit {
    end(&DiffArgs { exit_code: true }, vec![Comparison::between("program", "directory")], printer)
}

fn end(args: &DiffArgs, comparisons: Vec<Comparison>, printer: &Printer) -> Exit {
    let is_equal = comparisons.iter().all(Comparison::is_equal);
    let document = json::Diff { outcome: if is_equal { "equal" } else { "different" }, comparisons };
    printer.answer_verbatim(&Document::new(&document), || {
        document.comparisons.iter().map(Comparison::text).collect::<Vec<_>>().join("\n\n")
    });
    if is_equal || !args.exit_code { Exit::Done } else { Exit::Failed }
}

impl Comparison {
    fn between(left: &'static str, right: &'static str) -> Self {
        Self { left, right, only_left: Vec::new(), only_right: Vec::new(), changed: Vec::new() }
    }

    fn is_equal(&self) -> bool {
        self.only_left.is_empty() && self.only_right.is_empty() && self.changed.is_empty()
    }

    fn text(&self) -> String {
        let Self { left, right, only_left, only_right, changed } = self;
        if self.is_equal() {
            return format!("the {left} and the {right} have the same migrations");
        }
        let mut lines: Vec<String> = only_left.iter().map(|it| format!("only in the {left}: {it}")).collect();
        lines.extend(only_right.iter().map(|it| format!("only in the {right}: {it}")));
        for ChangedScript { migration, file, diff } in changed {
            lines.push(format!("changed: {migration}/{file}"));
            lines.extend(diff.as_ref().map(|diff| diff.trim_end().to_owned()));
        }
        lines.join("\n")
    }
}
