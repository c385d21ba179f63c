//! Databases that are made for one purpose and gone afterwards.

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::fmt;

use migrate_core::migration::Dialect;
use migrate_core::plan::Target;

use crate::error::{Error, ErrorKind};
use crate::migrator::Migrator;
use crate::report::Report;
use crate::structure::Structure;

#[cfg(feature = "postgres")]
pub(crate) use postgres::PostgresScratch;
#[cfg(feature = "sqlite")]
pub(crate) use sqlite::SqliteScratch;

/// An empty database of its own, to see whether a set of migrations runs.
///
/// It is removed when this is dropped, whatever happened in it; [`remove`](Self::remove) also tells when that fails. A
/// process that is killed cannot remove it: on PostgreSQL a database stays whose name begins with `migrate_scratch_`.
///
/// What scripts do to the whole server (roles, `ALTER SYSTEM`, other databases) is done to that server. Name one that is
/// there for tests.
///
/// ```
/// use migrate_runtime::{Migrator, Registry, ScratchDatabase, Target, embed_migrations};
///
/// static MIGRATIONS: Registry = embed_migrations!("tests/migrations");
///
/// let mut scratch = ScratchDatabase::create("sqlite::memory:")?;
/// let report = scratch.run(&Migrator::new(&MIGRATIONS), Target::Latest)?;
/// assert_eq!(report.steps.len(), MIGRATIONS.migrations().len());
/// scratch.remove()?;
/// # Ok::<(), migrate_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct ScratchDatabase(Kind);

enum Kind {
    #[cfg(feature = "sqlite")]
    Sqlite(Box<SqliteScratch>),
    #[cfg(feature = "postgres")]
    Postgres(Box<PostgresScratch>),
}

impl ScratchDatabase {
    /// Makes one: in memory for `sqlite::memory:`; by `CREATE DATABASE` on the server of a URL such as
    /// `postgres://user@host/postgres`, whose own database stays as it is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`]: any other URL, `sqlite:app.db` among them, and a database whose feature is not
    /// compiled in. [`ErrorKind::Unreachable`]: no server. [`ErrorKind::ReadOnly`]: a role that may not create databases.
    pub fn create(url: &str) -> Result<Self, Error> {
        match Self::dialect_of(url)? {
            #[cfg(feature = "sqlite")]
            Dialect::Sqlite => SqliteScratch::create().map(|it| Self(Kind::Sqlite(Box::new(it)))),
            #[cfg(feature = "postgres")]
            Dialect::Postgres => PostgresScratch::create(url).map(|it| Self(Kind::Postgres(Box::new(it)))),
            #[cfg(not(all(feature = "sqlite", feature = "postgres")))]
            other => Err(Error::new(ErrorKind::Configuration, format!("this program is built without {other}"))
                .with_help("build it with the feature of migrate-runtime for that database")),
        }
    }

    /// Which kind of database [`create`](Self::create) would make, without reaching for it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`]: a URL of which no scratch database can be made.
    pub fn dialect_of(url: &str) -> Result<Dialect, Error> {
        const FORMS: &str = "use `postgres://user@host/postgres`, or `sqlite::memory:`";
        // The URL may hold a password, so it is not shown.
        let wrong = |message: &str| Err(Error::new(ErrorKind::Configuration, message).with_help(FORMS));
        match url.split_once(':') {
            Some(("sqlite", ":memory:")) => Ok(Dialect::Sqlite),
            Some(("sqlite", _)) => wrong("a scratch database of SQLite is made in memory, and no file is touched"),
            Some(("postgres" | "postgresql", _)) => Ok(Dialect::Postgres),
            _ => wrong("the URL does not say where a scratch database can be made"),
        }
    }

    /// Runs migrations in it and waits for them.
    ///
    /// # Errors
    ///
    /// As [`Migrator::run`].
    pub fn run(&mut self, migrator: &Migrator, target: Target) -> Result<Report, Error> {
        match &mut self.0 {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(scratch) => scratch.run(migrator, target),
            #[cfg(feature = "postgres")]
            Kind::Postgres(scratch) => scratch.run(migrator, target),
            #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
            _ => unreachable!("there is no value of this type: {migrator:?}, {target:?}"),
        }
    }

    /// What it is made of, our own tables aside.
    ///
    /// # Errors
    ///
    /// As [`Structure::read`].
    pub fn structure(&self) -> Result<Structure, Error> {
        let entries = match &self.0 {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(scratch) => scratch.structure(),
            #[cfg(feature = "postgres")]
            Kind::Postgres(scratch) => scratch.structure(),
            #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
            _ => Ok(Vec::new()),
        };
        entries.map(Structure::new)
    }

    /// The rows of all its tables, our own aside: each as `table: column=value, ...`, in the order of these texts. Values are
    /// quoted as the database quotes them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unreachable`] and [`ErrorKind::Database`], with the database's words.
    pub fn rows(&self) -> Result<Vec<String>, Error> {
        let rows = match &self.0 {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(scratch) => scratch.rows(),
            #[cfg(feature = "postgres")]
            Kind::Postgres(scratch) => scratch.rows(),
            #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
            _ => Ok(Vec::new()),
        };
        rows.map(|mut rows| {
            rows.sort_unstable();
            rows
        })
    }

    /// The rows of a query, each value as text, `None` for NULL.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unreachable`] and [`ErrorKind::Database`], with the database's words.
    #[cfg_attr(not(any(feature = "sqlite", feature = "postgres")), expect(unused_variables, reason = "there is none"))]
    pub fn query(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, Error> {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(scratch) => scratch.query(sql),
            #[cfg(feature = "postgres")]
            Kind::Postgres(scratch) => scratch.query(sql),
            #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
            _ => Ok(Vec::new()),
        }
    }

    /// Removes it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unreachable`] and [`ErrorKind::Database`], with the command that removes it by hand.
    pub fn remove(self) -> Result<(), Error> {
        match self.0 {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(_) => Ok(()),
            #[cfg(feature = "postgres")]
            Kind::Postgres(scratch) => scratch.remove(),
        }
    }
}

impl fmt::Display for ScratchDatabase {
    /// Where it is, without a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(_) => f.write_str("sqlite::memory:"),
            #[cfg(feature = "postgres")]
            Kind::Postgres(scratch) => scratch.fmt(f),
            #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
            _ => f.write_str("no database"),
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => f.write_str("Sqlite"),
            #[cfg(feature = "postgres")]
            Self::Postgres(scratch) => write!(f, "Postgres({scratch})"),
            #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
            _ => f.write_str("nothing"),
        }
    }
}
