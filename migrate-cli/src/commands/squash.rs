//! `squash`: everything up to a version becomes one migration, proven to be equal in effect before a file is touched.

mod disk;
mod proof;
mod rows;

use std::path::Path;
use std::sync::Arc;

use migrate_core::migration::Dialect;
use migrate_core::name::{self, Reading};
use migrate_core::source::{self, LoadOptions, Loaded};
use migrate_core::squash::{Request, SquashError, Squashed, squash as squashed};
use migrate_runtime::{Registry, ScratchDatabase};

use self::disk::Stage;
use self::proof::{Difference, Outcome, Proof, Proven};
use super::lock;
use super::schema::scratch_url;
use crate::args::SquashArgs;
use crate::config;
use crate::configuration::ConnectionOptions;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::{Printer, check_answerable, count};

pub(super) fn squash(
    args: &SquashArgs,
    directory: &Path,
    connection: &ConnectionOptions,
    printer: &Printer,
) -> Result<Exit, Error> {
    let name = checked_name(args)?;
    let loaded = config::load(directory, true);
    let dialects = loaded.dialects().to_vec();
    let (registry, _) = loaded.into_registry().map_err(Error::Directory)?;
    let registry = Arc::new(registry);
    let metadata = disk::metadata(directory, &registry)?;
    let request = Request {
        registry: &registry,
        metadata: &metadata,
        dialects: &dialects,
        to: args.to,
        name,
        irreversible: None,
    };
    let mut squashed_set = squashed(&request).map_err(|error| refusal(&error))?;
    let urls = scratch_urls(&squashed_set, &registry, &dialects, connection)?;
    let mut staged = Staged::new(directory, &registry, &squashed_set, &dialects)?;
    let mut proven = Vec::new();
    let mut index = 0;
    while let Some(url) = urls.get(index) {
        let proof = Proof { before: &registry, after: &staged.registry, to: args.to, url };
        match proof.make(squashed_set.irreversible.is_none())? {
            Outcome::Equal(equal) => proven.push(equal),
            Outcome::Different(difference) => return Err(different(&difference, printer)),
            Outcome::NoWayBack(problem) => {
                // As it is: what does not run today is not made to run, and does not hold up the rest.
                printer.warning(&format!("the down scripts do not run, and are left out: {problem}"));
                let reason = "the down scripts of what was squashed did not run";
                squashed_set =
                    squashed(&Request { irreversible: Some(reason), ..request }).map_err(|error| refusal(&error))?;
                // One stage at a time: they have the same place.
                drop(staged);
                staged = Staged::new(directory, &registry, &squashed_set, &dialects)?;
                proven.clear();
                index = 0;
                continue;
            }
        }
        index += 1;
    }
    let left_behind = disk::left_behind(directory, &squashed_set);
    let document = document(args, directory, &squashed_set, &proven, left_behind);
    if !args.dry_run && !args.yes {
        confirm(&document, directory, printer)?;
    }
    if !args.dry_run {
        let lock = lock::of_successor(directory, staged.loaded.lock_entries())?;
        staged.stage.put(directory, &squashed_set, lock.as_deref())?;
    }
    tell(&document, args.dry_run, printer);
    Ok(Exit::Done)
}

/// The set as it would be, read like any other.
struct Staged {
    stage: Stage,
    loaded: Loaded,
    registry: Arc<Registry>,
}

impl Staged {
    fn new(directory: &Path, before: &Registry, squashed: &Squashed, dialects: &[Dialect]) -> Result<Self, Error> {
        let stage = Stage::new(directory, before, squashed)?;
        let shown = directory.display().to_string();
        let options = LoadOptions { dialects: dialects.to_vec(), check_lock: false, ..LoadOptions::new(shown) };
        let loaded = source::load(stage.path(), &options);
        // Its problems are shown where its files would be.
        let (registry, _) = loaded.clone().into_registry().map_err(Error::Directory)?;
        Ok(Self { stage, loaded, registry: Arc::new(registry) })
    }
}

fn checked_name(args: &SquashArgs) -> Result<&str, Error> {
    let directory = format!("v{}_{}", args.to, args.name);
    if matches!(name::directory(&directory), Reading::Known(_)) {
        return Ok(&args.name);
    }
    let message = format!("`{}` is not a name: expected lower-case letters, digits and `_`", args.name);
    Err(Error::usage(message, "name it with `--name`, such as `--name initial_schema`"))
}

fn refusal(error: &SquashError) -> Error {
    match error {
        SquashError::NotTransactional { .. } => Error::directory(error.to_string(), error.help()),
        _ => Error::usage(error.to_string(), error.help()),
    }
}

/// Where it is proven. Scripts that differ between databases are proven on each; one script for all on those that are named, by the
/// database that is used or the one for scratch databases.
fn scratch_urls(
    squashed: &Squashed,
    registry: &Registry,
    dialects: &[Dialect],
    connection: &ConnectionOptions,
) -> Result<Vec<String>, Error> {
    let used = config::database(connection).ok().map(|database| config::dialect(&database));
    let is_for_all = squashed.files.iter().any(|(file, _)| file == "up.sql");
    let mut wanted = dialects.to_vec();
    if is_for_all {
        let shadow = connection.shadow_url.as_ref();
        let shadow = shadow.map(|url| ScratchDatabase::dialect_of(url.reveal())).transpose()?;
        let named: Vec<Dialect> =
            dialects.iter().copied().filter(|it| Some(*it) == shadow || Some(*it) == used).collect();
        wanted = if named.is_empty() { dialects.iter().copied().take(1).collect() } else { named };
    }
    // SQLite's are made in memory, whatever server is named for PostgreSQL's.
    let memory = ConnectionOptions { shadow_url: None, ..connection.clone() };
    let url = |dialect| {
        scratch_url(dialect, if dialect == Dialect::Sqlite { &memory } else { connection }).map_err(|error| {
            if Some(dialect) == used { error } else { for_another(error, dialect, squashed, registry) }
        })
    };
    wanted.into_iter().map(url).collect()
}

/// Says why a kind of database is asked for that is not the one that is used: the scripts are for it as well.
fn for_another(error: Error, dialect: Dialect, squashed: &Squashed, registry: &Registry) -> Error {
    let replaced = || registry.migrations().iter().filter(|it| squashed.replaced.contains(&it.directory_name()));
    let script_for = |wanted: Dialect| {
        replaced().find_map(|migration| {
            let script = migration.scripts().iter().find(|script| script.dialect == Some(wanted))?;
            Some(format!("{}/{}", migration.directory_name(), script.file_name()))
        })
    };
    let (why, instead) = if let Some(script) = script_for(dialect) {
        (format!("the set has scripts for {dialect} as well, such as {script}"), "remove them".to_owned())
    } else if let Some(script) = Dialect::ALL.into_iter().find_map(script_for) {
        (
            format!("the set is for {dialect} as well, since the plain scripts are, beside {script}"),
            "let the names of its scripts name no database".to_owned(),
        )
    } else {
        return error;
    };
    Error::configuration(
        format!("{}: {why}", error.message()),
        format!(
            "{}; if the set is not for {dialect}, {instead} and run `migrate lock`",
            error.help().unwrap_or_default()
        ),
    )
}

fn different(difference: &Difference, printer: &Printer) -> Error {
    printer.aside(difference.diff.trim_end());
    Error::failed(format!(
        "the squashed migration is not equal to what it would replace: {} differ; nothing was changed",
        difference.what
    ))
}

fn document(
    args: &SquashArgs,
    directory: &Path,
    squashed: &Squashed,
    proven: &[Proven],
    left_behind: Vec<String>,
) -> json::Squashed {
    let path = |name: &str| directory.join(name).display().to_string();
    json::Squashed {
        outcome: if args.dry_run { "dry_run" } else { "squashed" },
        version: args.to.to_string(),
        name: args.name.clone(),
        path: path(&squashed.directory),
        files: squashed.files.iter().map(|(file, _)| format!("{}/{file}", path(&squashed.directory))).collect(),
        replaced: squashed.replaced.clone(),
        rewritten: squashed.rewritten.iter().map(|(name, _)| format!("{}/metadata.json", path(name))).collect(),
        left_behind,
        irreversible: squashed.irreversible.clone(),
        proven: proven
            .iter()
            .map(|it| json::ProvenOn { database: it.dialect.as_str(), not_compared: it.not_compared.clone() })
            .collect(),
    }
}

fn confirm(document: &json::Squashed, directory: &Path, printer: &Printer) -> Result<(), Error> {
    check_answerable(
        "`squash` removes the migrations that it replaces",
        "look at it with `--dry-run`, then confirm it with `--yes`",
        printer,
    )?;
    lines(document).iter().for_each(|line| printer.aside(line));
    let question = format!("{} in {} become one?", count(document.replaced.len(), "migration"), directory.display());
    if printer.confirm(&question) {
        return Ok(());
    }
    Err(Error::failed("not confirmed; nothing was changed"))
}

fn tell(document: &json::Squashed, dry_run: bool, printer: &Printer) {
    for proven in &document.proven {
        if !proven.not_compared.is_empty() {
            let columns = proven.not_compared.join(", ");
            printer.note(&format!("not compared on {}, since every run makes them anew: {columns}", proven.database));
        }
    }
    if let Some(reason) = &document.irreversible {
        printer.note(&format!("the new migration cannot be undone: {reason}"));
    }
    printer.answer(&Document::new(document), || {
        let databases: Vec<&str> = document.proven.iter().map(|it| it.database).collect();
        let proven = format!("schema and rows are the same on {}", databases.join(" and "));
        if dry_run {
            let lines = lines(document).join("\n");
            return format!("{lines}\ndry run: {proven}; nothing was changed");
        }
        let number = count(document.replaced.len(), "migration");
        format!(
            "{number} squashed into {}: {proven}\ndatabases that have them go on as they are; see `migrate repair` there",
            document.path
        )
    });
}

fn lines(document: &json::Squashed) -> Vec<String> {
    let mut lines: Vec<String> = document.files.iter().map(|file| format!("to write: {file}")).collect();
    lines.extend(document.rewritten.iter().map(|file| format!("to rewrite: {file}")));
    lines.extend(document.replaced.iter().map(|name| format!("to remove: {name}")));
    lines.extend(document.left_behind.iter().map(|name| format!("not taken over: {name}")));
    lines
}
