//! `lock`: writes `migrations.lock`, or compares it with the directory.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use migrate_core::name::LOCK;
use migrate_core::source::Loaded;

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
        if write(directory, &loaded)? {
            ("written", format!("wrote {shown}"))
        } else {
            ("unchanged", format!("{shown} was up to date already"))
        }
    };
    let document = json::Lock { outcome, path: shown.to_string() };
    printer.answer(&Document::new(document), || sentence);
    Ok(Exit::Done)
}

/// Writes the lock file of a directory as it is now, if that has no errors.
pub(super) fn refresh(directory: &Path) -> Result<(), Error> {
    let loaded = without_errors(config::load(directory, false))?;
    write(directory, &loaded).map(drop)
}

/// Tells whether it had to.
fn write(directory: &Path, loaded: &Loaded) -> Result<bool, Error> {
    let text = loaded.lock_text();
    if read(directory)?.as_deref() == Some(text.as_bytes()) {
        return Ok(false);
    }
    let path = directory.join(LOCK);
    fs::write(&path, text).map_err(|error| Error::failed(format!("cannot write {}: {error}", path.display())))?;
    Ok(true)
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

fn read(directory: &Path) -> Result<Option<Vec<u8>>, Error> {
    let path = directory.join(LOCK);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::failed(format!("cannot read {}: {error}", path.display()))),
    }
}
