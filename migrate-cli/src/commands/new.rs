//! `new`: the files of a new migration, or of several that belong together.

mod definition;
mod held;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use migrate_core::migration::{METADATA, Phase};
use migrate_core::name::{self, LOCK, MigrationName, Reading};
use migrate_core::template::{Draft, Table, Template, TemplateError, sqlite_rebuild};
use migrate_runtime::{Dialect, SchemaVersion};
use serde::Serialize;

use super::lock;
use crate::args::{NewArgs, TemplateKind};
use crate::config;
use crate::configuration::ConnectionOptions;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::Printer;

/// The first of a directory.
const FIRST: SchemaVersion = SchemaVersion::new(1, 0, 0);

/// The directory of what must not be applied yet. It is not named like a migration, so nothing reads it.
const LATER: &str = "later";

pub(super) fn new(
    args: &NewArgs,
    directory: &Path,
    connection: &ConnectionOptions,
    printer: &Printer,
) -> Result<Exit, Error> {
    if let Some(from) = &args.from {
        return held::take(args, from, directory, printer);
    }
    let mut drafts = drafts(args, directory, connection, printer)?;
    adjust(&mut drafts, args)?;
    let existing = existing(directory)?;
    let versions = versions(args, &existing, drafts.iter().filter(|draft| !draft.is_for_later).count())?;
    check_version(args, versions[0], &existing, printer)?;
    let mut created = json::New::of(versions[0], &drafts[0].name);
    for (index, draft) in drafts.iter().enumerate() {
        let version = versions.get(index).copied();
        let folder = match version {
            Some(version) => directory.join(format!("v{version}_{}", draft.name)),
            None => directory.join(LATER).join(&draft.name),
        };
        let metadata = metadata(draft, version, &versions, args);
        let files = write(&folder, &metadata, &draft.scripts).map_err(|error| cannot_write(&folder, &error))?;
        files.iter().for_each(|file| printer.line(&format!("created {}", file.display())));
        if let Some(version) = version {
            lock::add(directory, version)?;
        }
        created.add(version, &draft.name, &folder, &files);
    }
    let next = next(args, directory, &drafts);
    printer.answer(&Document::new(created), || format!("wrote {}; next: {next}", directory.join(LOCK).display()));
    Ok(Exit::Done)
}

impl json::New {
    fn of(version: SchemaVersion, name: &str) -> Self {
        Self {
            outcome: "created",
            version: version.to_string(),
            name: name.to_owned(),
            files: Vec::new(),
            migrations: Vec::new(),
        }
    }

    fn add(&mut self, version: Option<SchemaVersion>, name: &str, folder: &Path, files: &[PathBuf]) {
        self.files.extend(files.iter().map(|file| file.display().to_string()));
        let version = version.map(|version| version.to_string());
        let path = folder.display().to_string();
        self.migrations.push(json::NewMigration { version, name: name.to_owned(), path });
    }
}

fn next(args: &NewArgs, directory: &Path, drafts: &[Draft]) -> String {
    let work = match (args.template, reads_stdin(args)) {
        (TemplateKind::Empty, false) => "write the scripts",
        (TemplateKind::Empty, true) => "write down.sql, or say in metadata.json why it is \"irreversible\"",
        _ => "read the scripts",
    };
    let now = format!("{work}, then `migrate up`; before you commit: `migrate lock`");
    let Some(later) = drafts.iter().find(|draft| draft.is_for_later) else {
        return now;
    };
    let held = directory.join(LATER).join(&later.name);
    format!(
        "{now}\nonce every program in use does without the old column, VERSION being the oldest of them: `migrate new --from {} --min-runtime-version VERSION`",
        held.display()
    )
}

/// What is to be written.
fn drafts(
    args: &NewArgs,
    directory: &Path,
    connection: &ConnectionOptions,
    printer: &Printer,
) -> Result<Vec<Draft>, Error> {
    let words: Vec<&str> = args.words.iter().map(String::as_str).filter(|word| *word != "-").collect();
    let dialects = dialects(args, directory, connection);
    let template = match args.template {
        TemplateKind::Empty => {
            one_name(&words)?;
            Template::Empty
        }
        TemplateKind::Table => Template::Table,
        TemplateKind::Column => Template::Column,
        TemplateKind::IndexConcurrently => Template::IndexConcurrently,
        TemplateKind::EnumValue => Template::EnumValue,
        TemplateKind::ExpandContract => Template::ExpandContract,
        TemplateKind::Data => Template::Data,
        TemplateKind::SqliteRebuild => {
            let &[table] = words.as_slice() else {
                return Err(Error::usage("`sqlite-rebuild` takes a table", "type `--template sqlite-rebuild TABLE`"));
            };
            let definition = definition::of(&Table::parse(table)?, directory, printer)?;
            return Ok(vec![sqlite_rebuild(&definition, &dialects)]);
        }
    };
    let mut drafts = template.drafts(&words, &dialects)?;
    if reads_stdin(args) {
        drafts[0].scripts = vec![("up.sql".to_owned(), standard_input()?)];
    }
    Ok(drafts)
}

/// A migration has one name.
fn one_name(words: &[&str]) -> Result<(), Error> {
    match words {
        [] => Ok(()),
        [name] => check_name(name),
        [first, ..] => Err(Error::usage(
            format!("a migration has one name, and {} are given", words.len()),
            match name::to_name(&words.join("_")) {
                Some(name) => format!("did you mean `migrate new {name}`? what follows a template is for `--template`"),
                None => format!("did you mean `migrate new {first}`?"),
            },
        )),
    }
}

fn reads_stdin(args: &NewArgs) -> bool {
    args.stdin || args.words.last().is_some_and(|word| word == "-")
}

fn standard_input() -> Result<String, Error> {
    let mut text = String::new();
    io::stdin()
        .lock()
        .read_to_string(&mut text)
        .map_err(|error| Error::failed(format!("cannot read standard input: {error}")))?;
    if text.trim().is_empty() {
        return Err(Error::usage("standard input holds no SQL", "pipe a script into it, or leave `--stdin` out"));
    }
    Ok(text)
}

/// The databases that the scripts are for: those of the set. Where it does not say, the one that is configured, or both.
fn dialects(args: &NewArgs, directory: &Path, connection: &ConnectionOptions) -> Vec<Dialect> {
    if let Some(dialect) = args.dialect {
        return dialect.dialects();
    }
    let loaded = config::load(directory, false);
    let has_scripts_for = |dialect: &Dialect| {
        let end = format!(".{dialect}.sql");
        loaded.lock_entries().iter().flat_map(|entry| &entry.files).any(|(file, _)| file.ends_with(&end))
    };
    let of_set = match loaded.dialects() {
        [] => &Dialect::ALL,
        dialects => dialects,
    };
    let configured = config::database(connection).ok().map(|database| config::dialect(&database));
    match configured.filter(|dialect| of_set.contains(dialect)) {
        Some(dialect) if !Dialect::ALL.iter().all(has_scripts_for) => vec![dialect],
        _ => of_set.to_vec(),
    }
}

/// What was typed wins over the template, where it is clear which migration is meant.
fn adjust(drafts: &mut [Draft], args: &NewArgs) -> Result<(), Error> {
    let given = args.name.is_some() || args.description.is_some() || args.min_runtime_version.is_some();
    let [draft] = drafts else {
        return match given {
            true => Err(Error::usage(
                "name, description and minimum are those of one migration, and this template writes several",
                "leave them out, and edit what was written",
            )),
            false => Ok(()),
        };
    };
    if let Some(name) = &args.name {
        check_name(name)?;
        draft.name.clone_from(name);
    }
    if args.description.is_some() {
        draft.description.clone_from(&args.description);
    }
    Ok(())
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

/// As many versions as are needed, the first as it was asked for, the others counted up from it.
fn versions(args: &NewArgs, existing: &[SchemaVersion], number: usize) -> Result<Vec<SchemaVersion>, Error> {
    let mut versions = vec![first_version(args, existing)?];
    let exhausted = || Error::usage("there is no higher number for a version", "name it with `--version`");
    while let (Some(SchemaVersion { major, minor, patch }), true) = (versions.last(), versions.len() < number) {
        let next = if args.patch {
            patch.checked_add(1).map(|patch| SchemaVersion::new(*major, *minor, patch))
        } else {
            minor.checked_add(1).map(|minor| SchemaVersion::new(*major, minor, 0))
        };
        versions.push(next.ok_or_else(exhausted)?);
    }
    match versions.iter().find(|version| existing.contains(version)) {
        Some(version) => Err(Error::usage(
            format!("there is a migration {version} already"),
            "leave `--version` out, and the next one is taken",
        )),
        None => Ok(versions),
    }
}

fn first_version(args: &NewArgs, existing: &[SchemaVersion]) -> Result<SchemaVersion, Error> {
    if let Some(version) = args.version {
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

fn check_version(
    args: &NewArgs,
    version: SchemaVersion,
    existing: &[SchemaVersion],
    printer: &Printer,
) -> Result<(), Error> {
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
    Ok(())
}

#[derive(Serialize)]
struct Metadata<'a> {
    /// Left out of what is kept for later: its version is the one that comes next then.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_runtime_version: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dependencies: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    foreign_keys: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    irreversible: Option<&'a str>,
}

fn metadata(draft: &Draft, version: Option<SchemaVersion>, versions: &[SchemaVersion], args: &NewArgs) -> String {
    let metadata = Metadata {
        version: version.map(|version| version.to_string()),
        name: &draft.name,
        description: draft.description.as_deref(),
        phase: draft.phase.map(Phase::as_str),
        min_runtime_version: args.min_runtime_version.as_ref().map(ToString::to_string),
        dependencies: draft.depends_on.iter().map(|index| versions[*index].to_string()).collect(),
        transaction: (!draft.transaction).then_some(false),
        foreign_keys: draft.foreign_keys_off.then_some("off"),
        irreversible: draft.irreversible.as_deref(),
    };
    let text = serde_json::to_string_pretty(&metadata).expect("texts under fixed keys can be written as JSON");
    format!("{text}\n")
}

fn write(folder: &Path, metadata: &str, scripts: &[(String, String)]) -> io::Result<Vec<PathBuf>> {
    if let Some(directory) = folder.parent() {
        fs::create_dir_all(directory)?;
    }
    // Fails when it exists: nothing is ever overwritten.
    fs::create_dir(folder)?;
    let scripts = scripts.iter().map(|(file, text)| (file.as_str(), text.as_str()));
    let write = |(file, text): (&str, &str)| {
        let path = folder.join(file);
        fs::write(&path, text).map(|()| path)
    };
    [(METADATA, metadata)].into_iter().chain(scripts).map(write).collect()
}

fn cannot_write(folder: &Path, error: &io::Error) -> Error {
    Error::failed(format!("cannot write {}: {error}", folder.display()))
}

impl From<TemplateError> for Error {
    fn from(error: TemplateError) -> Self {
        Self::usage(error.message, error.help)
    }
}
