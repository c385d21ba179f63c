//! From what was typed to what a command works with.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use migrate_core::diagnostic::{Code, Diagnostic, Severity, Topic};
use migrate_core::lockfile;
use migrate_core::migration::Dialect;
use migrate_core::name::LOCK;
use migrate_core::source::{self, LoadOptions, Loaded};
use migrate_runtime::backup::BackupOptions;
use migrate_runtime::{AnyDatabase, Migrator, Registry, SharedRegistry};

use crate::args::Need;
use crate::configuration::ConnectionOptions;
use crate::error::{Error, number_of};
use crate::output::{Printer, count};

/// What the verbs need that work on a database: a connector, and a migrator with every option set.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) database: AnyDatabase,
    pub(crate) migrator: Migrator,
    /// Whether the database's name is needed before data may be destroyed.
    pub(crate) protected: bool,
    /// How backups are taken, and where they are.
    pub(crate) backup: BackupOptions,
}

impl Session {
    pub(crate) fn new(
        database: AnyDatabase,
        registry: impl Into<SharedRegistry>,
        options: &ConnectionOptions,
        printer: &Printer,
    ) -> Self {
        let session = Self {
            database,
            migrator: migrator(registry.into(), options),
            protected: options.protected,
            backup: options.backup.clone(),
        };
        let registry = session.migrator.registry();
        printer.detail(&format!("database: {}", session.database));
        printer.detail(&format!("registry: {}, digest {}", registry.directory(), registry.digest()));
        session
    }
}

/// The database of the URL that was given.
pub(crate) fn database(options: &ConnectionOptions) -> Result<AnyDatabase, Error> {
    let Some(url) = &options.database_url else {
        let file = if options.reads_files { "; or in migrate.toml, which `migrate init` writes" } else { "" };
        return Err(Error::configuration(
            "no database is given",
            format!(
                "name it with `--database-url`, or in the environment variable DATABASE_URL, as in `sqlite:app.db` or `postgres://user@host/name`{file}"
            ),
        ));
    };
    let named_by = |source: &str, error: &migrate_runtime::Error| {
        Error::configuration(format!("{source}: {error}"), error.help().unwrap_or("mend the URL").to_owned())
    };
    let database =
        AnyDatabase::from_url(url.reveal()).map_err(|error| named_by(&options.database_url_source, &error))?;
    match &options.direct_url {
        Some((url, source)) => database.direct_url(url.reveal()).map_err(|error| named_by(source, &error)),
        None => Ok(database),
    }
}

/// The registry of a migrations directory, as good as a verb needs it; what is worth knowing of it is printed.
pub(crate) fn registry(
    directory: &Path,
    database: &AnyDatabase,
    need: Need,
    printer: &Printer,
) -> Result<Arc<Registry>, Error> {
    let options = LoadOptions { dialects: vec![dialect(database)], ..load_options(directory) };
    registry_of(source::load(directory, &options), need, printer).map(Arc::new)
}

/// The registry of a migrations directory whose problems are told elsewhere.
pub(crate) fn registry_to_examine(directory: &Path, database: &AnyDatabase) -> Result<Arc<Registry>, Error> {
    let options = LoadOptions { dialects: vec![dialect(database)], check_lock: false, ..load_options(directory) };
    let loaded = source::load(directory, &options).into_registry_unless(is_of_the_set);
    loaded.map(|(registry, _)| Arc::new(registry)).map_err(Error::Directory)
}

/// Whether a problem leaves open what the migrations are. One of the lock file does not, and none yet is a set as well.
pub(crate) fn is_of_the_set(diagnostic: &Diagnostic) -> bool {
    diagnostic.code != Code::NoMigrations && diagnostic.code.topic() != Topic::Lock
}

/// The registry of a migrations directory, whatever database it is for.
pub(crate) fn registry_for_any(directory: &Path, need: Need, printer: &Printer) -> Result<Registry, Error> {
    registry_of(load(directory, true), need, printer)
}

fn registry_of(loaded: Loaded, need: Need, printer: &Printer) -> Result<Registry, Error> {
    if need == Need::Sound || !loaded.has_errors() {
        let (registry, warnings) = loaded.into_registry().map_err(Error::Directory)?;
        if need != Need::Nothing {
            print_warnings(&warnings, printer);
        }
        return Ok(registry);
    }
    let shown = loaded.shown_as().to_owned();
    let aside = |what: &str| printer.warning(&format!("{what}; `migrate validate` tells"));
    match loaded.into_registry_unless(is_of_the_set) {
        Ok((registry, found)) => {
            if found.iter().any(|it| it.severity == Severity::Error && it.code.topic() == Topic::Lock) {
                aside(&format!("{shown} does not fit its {LOCK}"));
            }
            Ok(registry)
        }
        Err(found) if need == Need::Nothing => {
            // A database can be looked at from anywhere.
            if !found.iter().any(|it| it.code == Code::MissingDirectory) {
                let errors = count(number_of(Severity::Error, &found), "error");
                aside(&format!("{shown} has {errors} and is left alone"));
            }
            Ok(Registry::from_parts(None, Cow::Owned(shown), None, lockfile::digest(&[]), Cow::Borrowed(&[])))
        }
        Err(found) => Err(Error::Directory(found)),
    }
}

/// The verbs that work on a database are not about the directory: they only say where its warnings are shown. That a
/// migration is still a draft matters as soon as it is committed.
fn print_warnings(warnings: &[Diagnostic], printer: &Printer) {
    let (drafts, others): (Vec<&Diagnostic>, Vec<&Diagnostic>) =
        warnings.iter().partition(|it| it.code == Code::LockDraft);
    if !others.is_empty() {
        printer.note(&format!("the directory has {}; `migrate validate` tells", count(others.len(), "warning")));
    }
    if !drafts.is_empty() {
        let drafts = count(drafts.len(), "draft");
        printer.note(&format!("the directory has {drafts}; before you commit: `migrate lock`"));
    }
}

/// A migrations directory with all its problems, for whatever databases it is.
pub(crate) fn load(directory: &Path, check_lock: bool) -> Loaded {
    source::load(directory, &LoadOptions { check_lock, ..load_options(directory) })
}

/// The same with all that is worth a look, and also for the databases that are named: plain scripts that are not
/// in SQLite's grammar would else be taken for PostgreSQL's.
pub(crate) fn load_to_validate(directory: &Path, options: &ConnectionOptions, shadow: Option<Dialect>) -> Loaded {
    let mut given: Vec<Dialect> = database(options).ok().map(|database| dialect(&database)).into_iter().collect();
    given.extend(shadow);
    let runtime_version = options.runtime_version.as_ref().map(ToString::to_string);
    let with_advice =
        LoadOptions { advice: Some(given.clone()), fixtures: true, runtime_version, ..load_options(directory) };
    let loaded = source::load(directory, &with_advice);
    given.retain(|dialect| !loaded.dialects().contains(dialect));
    if given.is_empty() {
        return loaded;
    }
    let dialects = [loaded.dialects(), &given].concat();
    source::load(directory, &LoadOptions { dialects, ..with_advice })
}

/// How a directory is read whose migrations are tested on one kind of database.
#[cfg(all(feature = "program", any(feature = "sqlite", feature = "postgres")))]
pub(crate) fn options_to_test(directory: &Path, dialect: Dialect) -> LoadOptions {
    LoadOptions { dialects: vec![dialect], fixtures: true, ..load_options(directory) }
}

fn load_options(directory: &Path) -> LoadOptions {
    LoadOptions::new(directory.display().to_string())
}

pub(crate) fn dialect(database: &AnyDatabase) -> Dialect {
    match database {
        #[cfg(feature = "sqlite")]
        AnyDatabase::Sqlite(_) => Dialect::Sqlite,
        #[cfg(feature = "postgres")]
        AnyDatabase::Postgres(_) => Dialect::Postgres,
        _ => unreachable!("every kind of database that can be opened has its feature"),
    }
}

fn migrator(registry: SharedRegistry, options: &ConnectionOptions) -> Migrator {
    let mut migrator = Migrator::new(registry).allow_out_of_order(options.allow_out_of_order);
    migrator = migrator.backup(options.backup.clone());
    if let Some(version) = &options.runtime_version {
        migrator = migrator.runtime_version(version.clone());
    }
    if let Some(table) = &options.table {
        migrator = migrator.table(table);
    }
    if let Some(schema) = &options.schema {
        migrator = migrator.schema(schema);
    }
    if let Some(bound) = options.wait_lock {
        migrator = migrator.wait_lock(bound);
    }
    if let Some(lease) = options.lease {
        migrator = migrator.lease(lease);
    }
    if let Some(timeout) = options.lock_timeout {
        migrator = migrator.lock_timeout(timeout);
    }
    if let Some(timeout) = options.statement_timeout {
        migrator = migrator.statement_timeout(timeout);
    }
    if let Some(retries) = options.max_retries {
        migrator = migrator.max_retries(retries);
    }
    if let Some(delay) = options.retry_delay {
        migrator = migrator.retry_delay(delay);
    }
    if let Some(checks) = options.health_checks {
        migrator = migrator.health_checks(checks);
    }
    if let Some(timeout) = options.health_timeout {
        migrator = migrator.health_timeout(timeout);
    }
    if let Some(retries) = options.health_retries {
        migrator = migrator.health_retries(retries);
    }
    if let Some(action) = options.on_unhealthy {
        migrator = migrator.on_unhealthy(action);
    }
    if let Some(bound) = options.long_transaction {
        migrator = migrator.long_transaction(bound);
    }
    if let Some(window) = options.rollback_window {
        migrator = migrator.rollback_window(window);
    }
    if let Some(role) = &options.application_role {
        migrator = migrator.application_role(role);
    }
    if let Some(actor) = &options.actor {
        migrator = migrator.actor(actor);
    }
    migrator
}
