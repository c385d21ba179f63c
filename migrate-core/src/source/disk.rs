//! Reading: directories to names, files to text.

use std::fs;
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use super::{Folder, Found};
use crate::checksum::decode;
use crate::diagnostic::{Code, Diagnostic, SourceFile, did_you_mean};
use crate::metadata;
use crate::migration::{Dialect, Script};
use crate::name::{self, METADATA, MigrationFile, MigrationName, NameError, Reading};

/// From how many entries on a second thread is worth its while.
const MANY: usize = 100;

/// Reads everything below the migrations directory that is ours.
pub(super) fn read(directory: &Path, shown: &str, fixtures: bool, found: &mut Found) -> Vec<Folder> {
    let entries = match list(directory) {
        Ok(entries) => entries,
        Err(error) => {
            let diagnostic = match error.kind() {
                io::ErrorKind::NotFound => {
                    let message = format!("directory `{shown}` does not exist");
                    let help = match similar_directory(directory) {
                        Some(name) => format!("did you mean `{name}`? or create it with `migrate new`"),
                        None => "create it and its first migration with `migrate new`, or correct the path".to_owned(),
                    };
                    Diagnostic::directory(Code::MissingDirectory, shown, message).help(help)
                }
                io::ErrorKind::NotADirectory => {
                    let message = format!("`{shown}` is not a directory");
                    let help = "give the directory that the migrations lie in";
                    Diagnostic::whole(Code::NotADirectory, shown, message).help(help)
                }
                _ => unreadable(shown, true, &error),
            };
            found.diagnostics.push(diagnostic);
            return Vec::new();
        }
    };
    let before = found.diagnostics.len();
    let folders = on_two_threads(&entries, found, &|entries, found| {
        entries.iter().filter_map(|entry| one(entry, shown, fixtures, found)).collect()
    });
    if folders.is_empty() && found.diagnostics.len() == before {
        let message = format!("`{shown}` holds no migration");
        let help = "add one with `migrate new`: a directory such as `v1.0.0_initial_schema`";
        found.diagnostics.push(Diagnostic::directory(Code::NoMigrations, shown, message).help(help));
    }
    folders
}

/// Reads a half on a thread of its own: in a macro, where nothing is optimised, a large set takes a while.
fn on_two_threads(
    entries: &[DirectoryEntry],
    found: &mut Found,
    read: &(dyn Fn(&[DirectoryEntry], &mut Found) -> Vec<Folder> + Sync),
) -> Vec<Folder> {
    if entries.len() < MANY {
        return read(entries, found);
    }
    let (first, second) = entries.split_at(entries.len() / 2);
    let read_second = || {
        let mut found = Found::default();
        (read(second, &mut found), found)
    };
    let (mut folders, (more, found_more)) = thread::scope(|scope| {
        // Where no more threads are to be had, this one reads both.
        let spawned = thread::Builder::new().spawn_scoped(scope, read_second);
        let first = read(first, found);
        let second = match spawned {
            Ok(spawned) => spawned.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(_) => read_second(),
        };
        (first, second)
    });
    folders.extend(more);
    found.append(found_more);
    folders
}

/// Reads what an entry of the migrations directory is; gives back the folder of a migration.
fn one(entry: &DirectoryEntry, shown: &str, fixtures: bool, found: &mut Found) -> Option<Folder> {
    let path = format!("{shown}/{}", entry.name);
    if !entry.is_directory {
        root_file(entry, &path, found);
        return None;
    }
    match name::directory(&entry.name) {
        Reading::Known(name) => return Some(folder(&entry.path, name, path, fixtures, found)),
        Reading::NearMiss(error) => misnamed(&path, entry, &error, found),
        Reading::Other if holds_migration(entry) => {
            let problem = "holds files of a migration and is not named like one";
            let error = NameError { code: Code::MisnamedMigration, problem, suggestion: None };
            misnamed(&path, entry, &error, found);
        }
        Reading::Other => {}
    }
    None
}

fn root_file(entry: &DirectoryEntry, path: &str, found: &mut Found) {
    match name::root_file(&entry.name) {
        Reading::Known(()) => found.lock = read_text(&entry.path, path, found),
        Reading::NearMiss(error) => misnamed(path, entry, &error, found),
        Reading::Other => {}
    }
}

fn folder(directory: &Path, name: MigrationName, shown: String, fixtures: bool, found: &mut Found) -> Folder {
    let mut folder = Folder { name, shown, metadata_text: None, metadata: None, scripts: Vec::new(), fixtures: None };
    let entries = match list(directory) {
        Ok(entries) => entries,
        Err(error) => {
            found.diagnostics.push(unreadable(&folder.shown, true, &error));
            return folder;
        }
    };
    let mut has_metadata = false;
    for entry in &entries {
        let path = folder.path(&entry.name);
        match name::migration_file(&entry.name) {
            Reading::Known(MigrationFile::Metadata) => {
                has_metadata = true;
                let Some(text) = read_text(&entry.path, &path, found) else {
                    continue;
                };
                let file = SourceFile { path: &path, text: &text };
                folder.metadata = metadata::parse(file, &folder.name, &mut found.diagnostics);
                folder.metadata_text = Some(text);
            }
            Reading::Known(MigrationFile::Script(role, dialect)) => {
                // A script that cannot be read is reported once, and is not missing as well.
                let text = read_text(&entry.path, &path, found);
                let script = Script::new(role, dialect, text.unwrap_or_default());
                folder.scripts.push(script);
            }
            Reading::Known(MigrationFile::Fixtures) if fixtures => {
                folder.fixtures = read_text(&entry.path, &path, found);
            }
            Reading::Known(MigrationFile::Fixtures) => {}
            Reading::NearMiss(_) | Reading::Other if entry.is_directory => nested(entry, &path, found),
            Reading::NearMiss(error) => misnamed(&path, entry, &error, found),
            Reading::Other => {}
        }
    }
    folder.scripts.sort_by_key(|script| (script.role, script.dialect));
    if !has_metadata && !folder.has_misnamed(METADATA, &found.diagnostics) {
        found.diagnostics.push(missing_metadata(&folder));
    }
    folder
}

fn missing_metadata(folder: &Folder) -> Diagnostic {
    let MigrationName { version, name } = &folder.name;
    let message = format!("`{}` has no `{METADATA}`", folder.title());
    let help = format!(r#"add it; the least is `{{"version": "{version}", "name": "{name}"}}`"#);
    folder.whole(Code::MissingMetadata, message).help(help)
}

fn nested(entry: &DirectoryEntry, path: &str, found: &mut Found) {
    if matches!(name::directory(&entry.name), Reading::Other) && !holds_migration(entry) {
        return;
    }
    let problem = "looks like a migration inside a migration";
    let error = NameError { code: Code::NestedMigration, problem, suggestion: None };
    misnamed(path, entry, &error, found);
}

fn misnamed(path: &str, entry: &DirectoryEntry, error: &NameError, found: &mut Found) {
    if let Some(Reading::Known(meant)) = error.suggestion.as_deref().map(|it| {
        let directory = it.split('/').next().unwrap_or_default();
        name::directory(directory)
    }) {
        found.meant.push(meant.version);
    }
    let help = match &error.suggestion {
        Some(suggestion) => format!("did you mean `{suggestion}`?"),
        None if error.code == Code::MisnamedFile => {
            let known = "`metadata.json`, `up.sql`, `down.sql`, `verify.sql` (or `up.sqlite.sql`, `up.postgres.sql` and so on) and `fixtures.sql`";
            format!("the files of a migration are {known}; keep others elsewhere")
        }
        None => "a migration is a directory named like `v1.0.0_add_users`; keep others elsewhere".to_owned(),
    };
    let message = format!("`{}` {}", entry.name, error.problem);
    let of = if entry.is_directory { Diagnostic::directory } else { Diagnostic::whole };
    found.diagnostics.push(of(error.code, path.to_owned(), message).help(help));
}

/// The text of a file, its path noted; `None` after a report.
fn read_text(path: &Path, shown: &str, found: &mut Found) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "this is where core reads files")]
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let is_directory = error.kind() == io::ErrorKind::IsADirectory;
            found.diagnostics.push(unreadable(shown, is_directory, &error));
            return None;
        }
    };
    found.files.push(path.to_owned());
    match decode(&bytes) {
        Ok(text) => Some(text.to_owned()),
        Err(error) => {
            let diagnostic = not_utf8(&bytes, error.valid_up_to(), shown);
            found.diagnostics.push(diagnostic);
            None
        }
    }
}

fn not_utf8(bytes: &[u8], at: usize, shown: &str) -> Diagnostic {
    let (code, help) = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => (Code::Utf16, "it looks like UTF-16: save it as UTF-8"),
        _ => (Code::NotUtf8, "save it as UTF-8"),
    };
    let byte = bytes.get(at).copied().unwrap_or_default();
    let valid = String::from_utf8_lossy(&bytes[..at]);
    let valid = valid.strip_prefix('\u{feff}').unwrap_or(&valid);
    // Shown up to the byte in question: what follows it has no characters to point at.
    let file = SourceFile { path: shown, text: valid };
    let message = format!("byte 0x{byte:02x} is not UTF-8");
    Diagnostic::at(code, file, valid.len()..valid.len(), message).help(help)
}

fn unreadable(shown: &str, is_directory: bool, error: &io::Error) -> Diagnostic {
    let message = format!("cannot read `{shown}`: {error}");
    let help = match error.kind() {
        io::ErrorKind::IsADirectory => "it is a directory, and a file of this name belongs here",
        io::ErrorKind::NotFound => "it is a link to something that is not there: mend or remove it",
        _ => "make it readable for the user who builds",
    };
    let of = if is_directory { Diagnostic::directory } else { Diagnostic::whole };
    of(Code::Unreadable, shown.to_owned(), message).help(help)
}

/// An entry of a directory; symbolic links are followed.
struct DirectoryEntry {
    name: String,
    path: PathBuf,
    is_directory: bool,
}

fn list(directory: &Path) -> io::Result<Vec<DirectoryEntry>> {
    let mut entries = Vec::new();
    #[expect(clippy::disallowed_methods, reason = "this is where core reads directories")]
    let listing = fs::read_dir(directory)?;
    for entry in listing {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        entries.push(DirectoryEntry {
            name: entry.file_name().to_string_lossy().into_owned(),
            // Only a link has to be asked about: for the others, listing the directory has said it.
            is_directory: if kind.is_symlink() { path.is_dir() } else { kind.is_dir() },
            path,
        });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// A directory beside a missing one whose name is almost the same.
fn similar_directory(missing: &Path) -> Option<String> {
    let wanted = missing.file_name()?.to_str()?;
    let parent = missing.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = list(parent).ok()?;
    let names = beside.iter().filter(|entry| entry.is_directory).map(|entry| &*entry.name);
    did_you_mean(wanted, names).map(str::to_owned)
}

/// Whether a directory under a strange name holds what only a migration does.
fn holds_migration(entry: &DirectoryEntry) -> bool {
    if entry.name.starts_with('.') {
        return false;
    }
    let is_ours = |file: &str| {
        let dialects = [None, Some(Dialect::Sqlite), Some(Dialect::Postgres)];
        let up = |dialect| crate::migration::file_name(crate::migration::Role::Up, dialect);
        file == METADATA || dialects.into_iter().any(|dialect| file == up(dialect))
    };
    list(&entry.path).is_ok_and(|files| files.iter().any(|file| is_ours(&file.name)))
}
