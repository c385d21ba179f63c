//! `lock`: writes `migrations.lock`, or compares it with the directory.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use migrate_core::diagnostic::SourceFile;
use migrate_core::lockfile::{self, Entry};
use migrate_core::name::LOCK;
use migrate_core::source::Loaded;
use migrate_runtime::SchemaVersion;

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
    Ok(Exit::Done)
}

/// Adds one migration to the lock file and leaves the other lines as they are: an edit of a released migration does not
/// pass because a new one comes.
pub(super) fn add(directory: &Path, version: SchemaVersion) -> Result<(), Error> {
    let loaded = config::load(directory, false);
    let Some(text) = read(directory)? else {
        return write(directory, &without_errors(loaded)?.lock_text());
    };
    let path = directory.join(LOCK).display().to_string();
    let text = String::from_utf8_lossy(&text);
    let lines = lockfile::parse(SourceFile { path: &path, text: &text }).map_err(Error::Directory)?;
    let recorded = lines.into_iter().map(|line| line.entry).filter(|entry| entry.version != version);
    let added = loaded.lock_entries().iter().filter(|entry| entry.version == version).cloned();
    let mut entries: Vec<Entry> = recorded.chain(added).collect();
    entries.sort_by_key(|entry| entry.version);
    write(directory, &lockfile::render(&entries))
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
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::failed(format!("cannot read {}: {error}", path.display()))),
    }
}
