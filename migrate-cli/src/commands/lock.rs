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
    let (outcome, sentence) = if args.check {
        compare(directory)?;
        ("current", format!("{shown} is up to date"))
    } else {
        let loaded = without_errors(config::load(directory, false))?;
        print_diagnostics(loaded.diagnostics(), printer);
        let text = loaded.lock_text();
        if read(directory)?.as_deref() == Some(text.as_bytes()) {
            ("unchanged", format!("{shown} was up to date already"))
        } else {
            write(directory, &text)?;
            ("written", format!("wrote {shown}"))
        }
    };
    let document = json::Lock { outcome, path: shown.to_string() };
    printer.answer(&Document::new(document), || sentence);
    if outcome == "written" {
        printer.next("`migrate up`");
    }
    Ok(Exit::Done)
}

/// Adds one migration to the lock file, as a draft that may still be edited, and leaves the other lines as they are: an edit
/// of a released migration does not pass because a new one comes.
pub(super) fn add(directory: &Path, version: SchemaVersion) -> Result<(), Error> {
    let loaded = config::load(directory, false);
    let is_new = |entry: &&Entry| entry.version == version;
    let added: Vec<Entry> = loaded.lock_entries().iter().filter(is_new).map(Entry::to_draft).collect();
    let recorded = match read(directory)? {
        None => without_errors(loaded)?.lock_entries().to_vec(),
        Some(text) => {
            let path = directory.join(LOCK).display().to_string();
            let text = String::from_utf8_lossy(&text);
            let lines = lockfile::parse(SourceFile { path: &path, text: &text }).map_err(Error::Directory)?;
            lines.into_iter().map(|line| line.entry).collect()
        }
    };
    let mut entries: Vec<Entry> = recorded.into_iter().filter(|it| !is_new(&it)).chain(added).collect();
    entries.sort_by_key(|entry| entry.version);
    write(directory, &lockfile::render(&entries))
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
    let Ok(Some(text)) = read(directory) else {
        return false;
    };
    let lines = lockfile::parse(SourceFile { path: LOCK, text: &String::from_utf8_lossy(&text) }).unwrap_or_default();
    lines.iter().any(|line| Some(line.entry.version) == version && !line.entry.is_draft())
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
