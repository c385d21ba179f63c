//! `lock`: writes `migrations.lock`, or compares it with the directory.

use std::fs;
use std::io;
use std::path::Path;

use migrate_core::diagnostic::SourceFile;
use migrate_core::lockfile::{self, Entry};
use migrate_core::name::LOCK;
use migrate_core::source::Loaded;
use migrate_runtime::{ErrorKind, SchemaVersion};

use crate::args::LockArgs;
use crate::config;
use crate::error::{Error, print_diagnostics};
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::Printer;

pub(super) fn lock(args: &LockArgs, directory: &Path, printer: &Printer) -> Result<Exit, Error> {
    let path = directory.join(LOCK);
    let shown = path.display();
    let mut relocked = Vec::new();
    let (outcome, sentence) = if args.check {
        compare(directory)?;
        ("current", format!("{shown} is up to date"))
    } else {
        let loaded = without_errors(config::load(directory, false))?;
        print_diagnostics(loaded.diagnostics(), printer);
        let text = loaded.lock_text();
        let before = read(directory)?;
        if before.as_deref() == Some(text.as_bytes()) {
            ("unchanged", format!("{shown} was up to date already"))
        } else {
            let before = before.unwrap_or_default();
            relocked = edits(directory, &String::from_utf8_lossy(&before), loaded.lock_entries(), printer);
            write(directory, &text)?;
            ("written", format!("wrote {shown}"))
        }
    };
    let document = json::Lock { outcome, path: shown.to_string(), relocked };
    printer.answer(&Document::new(&document), || {
        let relocked = document.relocked.iter().map(|what| format!("re-locked: {what}"));
        relocked.chain([sentence]).collect::<Vec<_>>().join("\n")
    });
    if !document.relocked.is_empty() {
        printer.warning(
            "a database that applied it as it was locked before may refuse this set: put back what was released",
        );
    }
    if outcome == "written" {
        printer.next("`migrate up`");
    }
    Ok(Exit::Done)
}

/// What was locked otherwise than it is now, which nothing would tell once the file is written anew.
fn edits(directory: &Path, before: &str, entries: &[Entry], printer: &Printer) -> Vec<String> {
    if before.is_empty() {
        return Vec::new();
    }
    let path = directory.join(LOCK).display().to_string();
    let file = SourceFile { path: &path, text: before };
    if let Err(problems) = lockfile::parse(file) {
        let why = problems.first().map(|problem| problem.message.as_str()).unwrap_or_default();
        printer.warning(&format!("{why}: what it recorded is forgotten, which `migrate fix` would have kept"));
        return Vec::new();
    }
    let mut found = Vec::new();
    lockfile::compare(file, entries, &|_| false, &mut found);
    found.retain(|it| lockfile::is_of_the_locked(it.code));
    found.into_iter().map(|it| it.message).collect()
}

/// Adds one migration to the lock file, as a draft that may still be edited, and leaves the other lines as they are: an edit
/// of a released migration does not pass because a new one comes.
pub(super) fn add(directory: &Path, version: SchemaVersion) -> Result<(), Error> {
    let loaded = config::load(directory, false);
    let is_new = |entry: &&Entry| entry.version == version;
    let added: Vec<Entry> = loaded.lock_entries().iter().filter(is_new).map(Entry::to_draft).collect();
    let recorded = match recorded(directory)? {
        None => without_errors(loaded)?.lock_entries().to_vec(),
        Some(recorded) => recorded,
    };
    let mut entries: Vec<Entry> = recorded.into_iter().filter(|it| !is_new(&it)).chain(added).collect();
    entries.sort_by_key(|entry| entry.version);
    write(directory, &lockfile::render(&entries))
}

/// The lock file of a set that takes the place of the directory's, in which drafts stay drafts; `None` where there is none.
pub(super) fn of_successor(directory: &Path, entries: &[Entry]) -> Result<Option<String>, Error> {
    let Some(recorded) = recorded(directory)? else {
        return Ok(None);
    };
    let is_draft = |entry: &Entry| recorded.contains(&entry.to_draft());
    let entry = |entry: &Entry| if is_draft(entry) { entry.to_draft() } else { entry.clone() };
    Ok(Some(lockfile::render(&entries.iter().map(entry).collect::<Vec<_>>())))
}

/// What the lock file records, if there is one.
fn recorded(directory: &Path) -> Result<Option<Vec<Entry>>, Error> {
    let Some(text) = read(directory)? else {
        return Ok(None);
    };
    let path = directory.join(LOCK).display().to_string();
    let text = String::from_utf8_lossy(&text);
    let lines = lockfile::parse(SourceFile { path: &path, text: &text }).map_err(Error::Directory)?;
    Ok(Some(lines.into_iter().map(|line| line.entry).collect()))
}

/// A failed script that is recorded has to be recorded again once it is mended, or the next run refuses it.
pub(super) fn remind(error: Error, directory: &Path) -> Error {
    match error {
        Error::Runtime { error, exit, help: None }
            if error.kind() == ErrorKind::Migration && is_locked(error.migration(), directory) =>
        {
            let help =
                error.help().map(|help| format!("{help}; run `migrate lock` before that: {LOCK} records the script"));
            Error::Runtime { error, exit, help }
        }
        other => other,
    }
}

fn is_locked(version: Option<SchemaVersion>, directory: &Path) -> bool {
    let is_it = |entry: &Entry| Some(entry.version) == version && !entry.is_draft();
    recorded(directory).is_ok_and(|recorded| recorded.is_some_and(|recorded| recorded.iter().any(is_it)))
}

fn compare(directory: &Path) -> Result<(), Error> {
    let text = without_errors(config::load(directory, true))?.lock_text();
    if read(directory)?.as_deref() == Some(text.as_bytes()) {
        return Ok(());
    }
    let path = directory.join(LOCK);
    Err(Error::directory(format!("{} is not up to date", path.display()), "run `migrate lock`"))
}

fn without_errors(loaded: Loaded) -> Result<Loaded, Error> {
    if loaded.has_errors() {
        return Err(Error::Directory(loaded.diagnostics().to_vec()));
    }
    Ok(loaded)
}

fn write(directory: &Path, text: &str) -> Result<(), Error> {
    let path = directory.join(LOCK);
    fs::write(&path, text).map_err(|error| Error::failed(format!("cannot write {}: {error}", path.display())))
}

fn read(directory: &Path) -> Result<Option<Vec<u8>>, Error> {
    let path = directory.join(LOCK);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::failed(format!("cannot read {}: {error}", path.display()))),
    }
}
