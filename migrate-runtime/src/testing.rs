//! Tests of a set of migrations on scratch databases: what [`migration_tests!`](crate::migration_tests) expands to
//! calls of.
//!
//! Each check makes a database of its own and removes it. Everything blocks.
//!
//! # What is compared
//!
//! The structure, as [`Structure`] has it, and the rows: every value of every ordinary table, as text. Our own tables are
//! left out.
//!
//! # Examples
//!
//! ```
//! use migrate_runtime::testing::{Server, TestSet, check_all};
//! use migrate_runtime::{Registry, embed_migrations};
//!
//! static MIGRATIONS: Registry = embed_migrations!("tests/migrations");
//!
//! check_all(&TestSet::new(&MIGRATIONS), &Server::Sqlite)?;
//! # Ok::<(), migrate_runtime::testing::Failure>(())
//! ```

mod failure;
mod scratch;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

pub use migrate_core::migration::Fixtures;
use migrate_core::migration::{Dialect, Migration, Role};
use migrate_core::plan::Target;
use migrate_core::stale;
use migrate_core::version::SchemaVersion;

use crate::error::Error;
use crate::migrator::{Migrator, SharedRegistry};
#[cfg(feature = "postgres")]
use crate::scratch::PostgresScratch;
#[cfg(feature = "sqlite")]
use crate::scratch::SqliteScratch;
use crate::structure::Structure;

pub use self::failure::Failure;
use self::scratch::Scratch;

/// The migrations under test, and the rows that are inserted between them.
#[derive(Clone, Debug)]
pub struct TestSet {
    registry: SharedRegistry,
    fixtures: Cow<'static, [Fixtures]>,
}

impl TestSet {
    /// The migrations of a registry, without rows.
    pub fn new(registry: impl Into<SharedRegistry>) -> Self {
        Self { registry: registry.into(), fixtures: Cow::Borrowed(&[]) }
    }

    /// Rows, each to be inserted after the migration of its version; lowest version first.
    #[must_use]
    pub fn fixtures(mut self, fixtures: impl Into<Cow<'static, [Fixtures]>>) -> Self {
        self.fixtures = fixtures.into();
        self
    }
}

/// Where scratch databases are made.
#[derive(Clone)]
#[non_exhaustive]
pub enum Server {
    /// In memory, with foreign keys enforced.
    #[cfg(feature = "sqlite")]
    Sqlite,
    /// On the PostgreSQL server of this URL, by `CREATE DATABASE`; the database that the URL names stays as it is.
    #[cfg(feature = "postgres")]
    Postgres(String),
}

impl Server {
    /// The dialect of its databases.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite => Dialect::Sqlite,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    fn scratch(&self) -> Result<Box<dyn Scratch>, Error> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite => Ok(Box::new(SqliteScratch::create()?)),
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => Ok(Box::new(PostgresScratch::create(url)?)),
        }
    }
}

impl fmt::Debug for Server {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.dialect()).finish()
    }
}

/// Checks that the set is what a directory holds: cargo goes by modification times, and where these lie (after `rsync -a`,
/// `cp -p`, or a container's `COPY` over an older build) it compiles nothing again.
///
/// # Errors
///
/// Another digest than that of the directory, with the command that builds again; a directory that cannot be read.
pub fn check_content(set: &TestSet, directory: &str) -> Result<(), Failure> {
    match stale::compare(&set.registry, directory) {
        Ok(None) => Ok(()),
        Ok(Some(stale)) => Err(Failure::stale(&stale)),
        Err(error) => Err(Failure::unreadable(directory, &error)),
    }
}

/// Checks one migration: up from the version before it, down, and up again.
///
/// The lower migrations and their fixtures are there first. After down, the schema and all rows must be what they were
/// before up; after the second up, the schema must be what it was after the first. Then the migration's own fixtures are
/// inserted, so that what is wrong with them shows here. A migration without a down script only goes up.
///
/// # Errors
///
/// A script or verification that fails, a schema or rows that differ: the failure names the migration and shows a
/// unified diff. A database that cannot be made; a version that is not in the set.
pub fn check_migration(set: &TestSet, server: &Server, version: SchemaVersion) -> Result<(), Failure> {
    let Some(migration) = set.registry.find(version) else {
        return Err(Failure::new(&format!("v{version}"), server, "the set has no such migration"));
    };
    let mut bench = Bench::new(set, server, migration.directory_name())?;
    let lower = set.registry.migrations().iter().map(Migration::version).take_while(|it| *it < version);
    bench.up_with_fixtures(lower.last())?;

    let before = bench.state()?;
    bench.run("up", Target::UpTo(version))?;
    if has_down(migration, server) {
        let up = bench.state()?;
        bench.run("down", Target::DownBy(1))?;
        let down = bench.state()?;
        bench.compare("schema", ("before up", &before.schema), ("after down", &down.schema))?;
        bench
            .compare("rows", ("before up", &before.rows), ("after down", &down.rows))
            .map_err(|failure| failure.note(lost_by_up(&before.rows, &up)))?;
        bench.run("up again", Target::UpTo(version))?;
        let again = bench.state()?;
        bench.compare("schema", ("after up", &up.schema), ("after up again", &again.schema))?;
    }
    bench.insert_fixtures_of(version)
}

/// Checks that an empty database gets to the highest version in one run, and from there down to the highest migration
/// without a down script, or to the beginning.
///
/// # Errors
///
/// A run that fails, or a schema at its end that is not the one that going up to there makes.
pub fn check_from_empty_to_head(set: &TestSet, server: &Server) -> Result<(), Failure> {
    let floor = set.registry.migrations().iter().rfind(|migration| !has_down(migration, server));
    let floor = floor.map(Migration::version);
    let (up, down) = match floor {
        Some(floor) => (Some(Target::UpTo(floor)), Target::DownTo(floor)),
        None => (None, Target::DownAll),
    };
    let title = || "from empty to head".to_owned();
    let mut fresh = Bench::new(set, server, title())?;
    if let Some(target) = up {
        fresh.run("up as far as there is no way back", target)?;
    }
    let mut bench = Bench::new(set, server, title())?;
    bench.run("up", Target::Latest)?;
    bench.run("down", down)?;
    let (fresh, down) = (fresh.state()?, bench.state()?);
    bench.compare("schema", ("on the way up", &fresh.schema), ("after down", &down.schema))
}

/// Checks every migration, lowest version first, and the way from empty to head.
///
/// # Errors
///
/// The first failure of [`check_migration`] and [`check_from_empty_to_head`].
pub fn check_all(set: &TestSet, server: &Server) -> Result<(), Failure> {
    let mut versions = set.registry.migrations().iter().map(Migration::version);
    versions.try_for_each(|version| check_migration(set, server, version))?;
    check_from_empty_to_head(set, server)
}

fn has_down(migration: &Migration, server: &Server) -> bool {
    migration.script(Role::Down, server.dialect()).is_some()
}

/// A scratch database, and what is done with it.
struct Bench<'a> {
    set: &'a TestSet,
    server: &'a Server,
    migrator: Migrator,
    scratch: Box<dyn Scratch>,
    /// What is under test.
    title: String,
}

/// What a scratch database holds, our tables aside.
struct State {
    schema: String,
    rows: String,
}

impl<'a> Bench<'a> {
    fn new(set: &'a TestSet, server: &'a Server, title: String) -> Result<Self, Failure> {
        let scratch = server.scratch().map_err(|error| Failure::of(&title, server, "no scratch database", &error))?;
        Ok(Self { set, server, migrator: Migrator::new(set.registry.clone()), scratch, title })
    }

    /// Everything up to a version, with the fixtures of each migration inserted before the next one runs.
    fn up_with_fixtures(&mut self, version: Option<SchemaVersion>) -> Result<(), Failure> {
        let Some(version) = version else { return Ok(()) };
        let set = self.set;
        for fixtures in set.fixtures.iter().filter(|fixtures| fixtures.version <= version) {
            self.run("up to the version before", Target::UpTo(fixtures.version))?;
            self.insert_fixtures_of(fixtures.version)?;
        }
        self.run("up to the version before", Target::UpTo(version))
    }

    fn run(&mut self, what: &str, target: Target) -> Result<(), Failure> {
        let result = self.scratch.run(&self.migrator, target);
        result.map(drop).map_err(|error| self.failed(what, &error))
    }

    fn insert_fixtures_of(&mut self, version: SchemaVersion) -> Result<(), Failure> {
        for fixtures in self.set.fixtures.iter().filter(|fixtures| fixtures.version == version) {
            if let Err(error) = self.scratch.execute(&fixtures.sql) {
                let migration = self.set.registry.find(version);
                let path = migration.map(|it| self.set.registry.path(it, "fixtures.sql"));
                return Err(self.failed(&path.unwrap_or_else(|| format!("the fixtures of {version}")), &error));
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<State, Failure> {
        let schema = self.scratch.schema().map_err(|error| self.failed("reading the schema", &error))?;
        let rows = self.scratch.rows().map_err(|error| self.failed("reading the rows", &error))?;
        // Rows are put in order and shown like parts of a structure.
        Ok(State { schema: Structure::new(schema).to_string(), rows: Structure::new(rows).to_string() })
    }

    fn compare(&self, what: &str, expected: (&str, &str), found: (&str, &str)) -> Result<(), Failure> {
        if expected.1 == found.1 {
            return Ok(());
        }
        Err(Failure::differs(&self.title, self.server, what, expected, found))
    }

    fn failed(&self, what: &str, error: &Error) -> Failure {
        Failure::of(&self.title, self.server, &format!("{what} failed"), error)
    }
}

/// A sentence on the tables that have fewer rows after up: without it the down script would get the blame.
fn lost_by_up(before: &str, up: &State) -> Option<String> {
    // A table that up renames or drops has not lost its rows to anything.
    let is_there = |table: &str| {
        let column = format!("table {table} column ");
        up.schema.lines().any(|line| line.starts_with(&column))
    };
    let (before, after) = (rows_by_table(before), rows_by_table(&up.rows));
    let lost = before.iter().filter_map(|(table, count)| {
        let left = after.get(table).copied().unwrap_or_default();
        (left < *count && is_there(table)).then(|| format!("`{table}` has {left} of {count} rows after up"))
    });
    let lost: Vec<String> = lost.collect();
    (!lost.is_empty()).then(|| lost.join("; "))
}

fn rows_by_table(rows: &str) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for line in rows.lines().filter(|line| !line.starts_with(' ')) {
        *counts.entry(line.split(": ").next().unwrap_or_default()).or_default() += 1;
    }
    counts
}
