//! `new`: the files of a new migration.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use migrate_core::name::{self, LOCK, METADATA, MigrationName, Reading};
use migrate_runtime::SchemaVersion;
use serde::Serialize;

use super::lock;
use crate::args::NewArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::Printer;

/// The first of a directory.
const FIRST: SchemaVersion = SchemaVersion::new(1, 0, 0);

pub(super) fn new(args: &NewArgs, directory: &Path, printer: &Printer) -> Result<Exit, Error> {
    check_name(&args.name)?;
    let existing = existing(directory)?;
    let version = version(args, &existing)?;
    if existing.iter().any(|other| *other > version) {
        printer.warning(&format!(
            "{version} is below a migration that is there already: where that one is applied, `up` refuses this one"
        ));
    }
    let is_major = existing.iter().filter(|other| **other < version).max().is_some_and(|it| it.major < version.major);
    if is_major && args.min_runtime_version.is_none() {
        return Err(Error::usage(
            format!(
                "{version} has a higher major version than the one before it, and asks for no minimum version of the program"
            ),
            "name the oldest program that still works with `--min-runtime-version`, or leave `--major` out",
        ));
    }
    let folder = directory.join(format!("v{version}_{}", args.name));
    let files = write(&folder, args, version)
        .map_err(|error| Error::failed(format!("cannot write {}: {error}", folder.display())))?;
    for file in &files {
        printer.line(&format!("created {}", file.display()));
    }
    lock::add(directory, version)?;
    let document = json::New {
        outcome: "created",
        version: version.to_string(),
        name: args.name.clone(),
        files: files.iter().map(|file| file.display().to_string()).collect(),
    };
    printer.answer(&Document::new(document), || {
        format!(
            "wrote {}; next: write the scripts, then `migrate lock` and `migrate up`",
            directory.join(LOCK).display()
        )
    });
    Ok(Exit::Done)
}

fn check_name(text: &str) -> Result<(), Error> {
    if name::is_name(text) {
        return Ok(());
    }
    let help = name::to_name(text)
        .map_or_else(|| "choose a name such as `add_index`".to_owned(), |name| format!("did you mean `{name}`?"));
    Err(Error::usage(format!("`{text}` is not a name of lower-case letters, digits and `_`"), help))
}

/// The versions that are there. Only names count: a new migration is welcome also where an old one has problems.
fn existing(directory: &Path) -> Result<Vec<SchemaVersion>, Error> {
    let unreadable = |error: io::Error| {
        Error::directory(
            format!("cannot read {}: {error}", directory.display()),
            "name the migrations directory with `--dir`",
        )
    };
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    let mut versions = Vec::new();
    for entry in entries {
        let name = entry.map_err(unreadable)?.file_name();
        if let Some(Reading::Known(MigrationName { version, .. })) = name.to_str().map(name::directory) {
            versions.push(version);
        }
    }
    Ok(versions)
}

fn version(args: &NewArgs, existing: &[SchemaVersion]) -> Result<SchemaVersion, Error> {
    if let Some(version) = args.version {
        if existing.contains(&version) {
            return Err(Error::usage(
                format!("there is a migration {version} already"),
                "leave `--version` out, and the next one is taken",
            ));
        }
        return Ok(version);
    }
    let Some(&SchemaVersion { major, minor, patch }) = existing.iter().max() else {
        return Ok(FIRST);
    };
    let next = if args.major {
        major.checked_add(1).map(|major| SchemaVersion::new(major, 0, 0))
    } else if args.patch {
        patch.checked_add(1).map(|patch| SchemaVersion::new(major, minor, patch))
    } else {
        minor.checked_add(1).map(|minor| SchemaVersion::new(major, minor, 0))
    };
    next.ok_or_else(|| Error::usage("there is no higher number for a version", "name it with `--version`"))
}

#[derive(Serialize)]
struct Metadata<'a> {
    version: String,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_runtime_version: Option<String>,
}

fn write(folder: &Path, args: &NewArgs, version: SchemaVersion) -> io::Result<Vec<PathBuf>> {
    let metadata = Metadata {
        version: version.to_string(),
        name: &args.name,
        description: args.description.as_deref(),
        min_runtime_version: args.min_runtime_version.as_ref().map(ToString::to_string),
    };
    let metadata = serde_json::to_string_pretty(&metadata).expect("texts under fixed keys can be written as JSON");
    let files = [
        (METADATA, format!("{metadata}\n")),
        ("up.sql", format!("-- Applies {}.\n", args.name)),
        ("down.sql", format!("-- Takes {} back. Remove this file if there is no way back.\n", args.name)),
    ];
    if let Some(directory) = folder.parent() {
        fs::create_dir_all(directory)?;
    }
    // Fails when it exists: nothing is ever overwritten.
    fs::create_dir(folder)?;
    let write = |(file, text): (&str, String)| {
        let path = folder.join(file);
        fs::write(&path, text).map(|()| path)
    };
    files.into_iter().map(write).collect()
}
