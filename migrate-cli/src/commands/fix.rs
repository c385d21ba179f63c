//! `fix`: repairs what can be repaired of a migrations directory without touching a script.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use migrate_core::diagnostic::Severity;
use migrate_core::fix::{self, Action, Folder, Left, Recorded, Repairs};
use migrate_core::lockfile::Entry;
use migrate_core::name::{self, LOCK, METADATA, Reading};

use crate::args::FixArgs;
use crate::config;
use crate::error::{Error, number_of};
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::{Printer, check_answerable, count};

pub(super) fn fix(args: &FixArgs, directory: &Path, printer: &Printer) -> Result<Exit, Error> {
    let folders = read(directory)?;
    if let Some(asked) = args.renumber.as_ref().filter(|asked| folders.iter().all(|it| it.name != **asked)) {
        return Err(Error::usage(
            format!("there is no `{asked}` in {}", directory.display()),
            "name the directory of one of two migrations of one version, such as `--renumber v1.2.0_tags`",
        ));
    }
    let lock = read_lock(directory)?;
    let recorded = lock.as_deref().map(Recorded::of).unwrap_or_default();
    let repairs = fix::repairs(&folders, &recorded, args.renumber.as_deref());
    let rewrites_lock = lock.is_some_and(|text| lock_is_stale(&text, &recorded, &repairs, directory));
    let mut actions: Vec<String> = repairs.actions.iter().map(ToString::to_string).collect();
    actions.extend(rewrites_lock.then(|| format!("write {LOCK}")));
    if actions.is_empty() {
        return Ok(end("nothing_to_do", actions, repairs.left, directory, printer));
    }
    if args.dry_run {
        return Ok(end("dry_run", actions, repairs.left, directory, printer));
    }
    if !args.yes {
        check_answerable(
            "`fix` renames and writes files",
            "look at it with `--dry-run`, then confirm it with `--yes`",
            printer,
        )?;
        actions.iter().for_each(|action| printer.aside(&format!("to {action}")));
        if !printer.confirm(&format!("{} in {}?", count(actions.len(), "change"), directory.display())) {
            return Err(Error::failed("not confirmed; nothing was changed"));
        }
    }
    for action in &repairs.actions {
        carry_out(action, directory).map_err(|error| Error::failed(format!("cannot {action}: {error}")))?;
        printer.line(&format!("done: {action}"));
    }
    if rewrites_lock {
        let text = new_lock(&recorded, &repairs, directory);
        fs::write(directory.join(LOCK), text)
            .map_err(|error| Error::failed(format!("cannot write {LOCK}: {error}")))?;
        printer.line(&format!("done: write {LOCK}"));
    }
    for action in &repairs.actions {
        if let Action::RenameDirectory { from, to, renumbers: true } = action {
            printer.note(&format!(
                "a database where {from} was applied has it under that version: undo it there by the set from before, then apply {to}"
            ));
        }
    }
    Ok(end("done", actions, repairs.left, directory, printer))
}

/// What is left is an error of the directory, whatever was done.
fn end(outcome: &'static str, actions: Vec<String>, left: Vec<Left>, directory: &Path, printer: &Printer) -> Exit {
    let changes = outcome == "dry_run";
    let errors =
        if changes { left.len() } else { number_of(Severity::Error, config::load(directory, true).diagnostics()) };
    let left: Vec<json::LeftOver> = left.into_iter().map(json::LeftOver::from).collect();
    let document = json::Fixed { outcome, actions, left, errors };
    printer.answer(&Document::new(&document), || {
        let mut lines: Vec<String> = if changes { document.actions.clone() } else { Vec::new() };
        lines.push(match outcome {
            "dry_run" => format!("dry run: {}, nothing was changed", count(document.actions.len(), "change")),
            "done" => format!("{} made", count(document.actions.len(), "change")),
            _ => "nothing to repair".to_owned(),
        });
        lines.join("\n")
    });
    for left in &document.left {
        printer.error(&left.message, &[], Some(&left.help));
    }
    if errors == 0 {
        if outcome == "done" {
            printer.next("`migrate validate`");
        }
        return Exit::Done;
    }
    if !changes {
        printer.note(&format!("the directory has {}; `migrate validate` tells", count(errors, "error")));
    }
    Exit::Directory
}

fn read(directory: &Path) -> Result<Vec<Folder>, Error> {
    let unreadable = |error: io::Error| {
        Error::directory(
            format!("cannot read {}: {error}", directory.display()),
            "name the migrations directory with `--dir`",
        )
    };
    let mut folders = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
            continue;
        };
        if !entry.path().is_dir() {
            continue;
        }
        let mut files = Vec::new();
        for file in fs::read_dir(entry.path()).map_err(unreadable)? {
            files.extend(file.map_err(unreadable)?.file_name().to_str().map(str::to_owned));
        }
        files.sort_unstable();
        let means_metadata = |file: &&String| match name::migration_file(file) {
            Reading::NearMiss(error) => error.suggestion.as_deref() == Some(METADATA),
            _ => file.as_str() == METADATA,
        };
        let file = files.iter().find(|file| *file == METADATA).or_else(|| files.iter().find(means_metadata));
        let metadata = file.map(|file| fs::read_to_string(entry.path().join(file))).transpose().map_err(unreadable)?;
        folders.push(Folder { name, metadata, files });
    }
    folders.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(folders)
}

fn read_lock(directory: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(directory.join(LOCK)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::failed(format!("cannot read {LOCK}: {error}"))),
    }
}

fn lock_is_stale(text: &str, recorded: &Recorded, repairs: &Repairs, directory: &Path) -> bool {
    // Names and metadata are in it.
    let moves = repairs.actions.iter().any(|action| !matches!(action, Action::RenameFile { .. }));
    // Two migrations of one version cannot both be recorded; that is to be decided first.
    let undecided = !repairs.left.is_empty() && !moves;
    moves || (!undecided && new_lock(recorded, repairs, directory) != text.replace("\r\n", "\n"))
}

/// As the directory is now.
fn new_lock(recorded: &Recorded, repairs: &Repairs, directory: &Path) -> String {
    let title = |entry: &Entry| format!("v{}_{}", entry.version, entry.name);
    let written = repairs.actions.iter().filter_map(|action| match action {
        Action::WriteMetadata { directory, .. } => Some(directory.as_str()),
        _ => None,
    });
    let written: BTreeSet<&str> = written.collect();
    let gone = repairs.actions.iter().filter_map(|action| match action {
        Action::RenameDirectory { from, .. } => Some(from.as_str()),
        _ => None,
    });
    let gone: BTreeSet<&str> = gone.collect();
    let loaded = config::load(directory, false);
    fix::relocked(
        recorded,
        loaded.lock_entries(),
        |entry| written.contains(title(entry).as_str()),
        |entry| gone.contains(title(entry).as_str()),
    )
}

fn carry_out(action: &Action, directory: &Path) -> io::Result<()> {
    let rename = |from: &Path, to: &Path| {
        // Renaming overwrites; nothing of anybody's is to go. A name that differs in case only may be the same file.
        if to.exists() && from.canonicalize()? != to.canonicalize()? {
            return Err(io::Error::from(ErrorKind::AlreadyExists));
        }
        fs::rename(from, to)
    };
    match action {
        Action::RenameDirectory { from, to, .. } => rename(&directory.join(from), &directory.join(to)),
        Action::RenameFile { directory: folder, from, to } => {
            let folder = directory.join(folder);
            rename(&folder.join(from), &folder.join(to))
        }
        Action::WriteMetadata { directory: folder, text } => fs::write(directory.join(folder).join(METADATA), text),
    }
}
