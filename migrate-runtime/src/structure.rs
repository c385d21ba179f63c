//! What a database is made of, as text that can be compared.

#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

use std::fmt;

use crate::database::AnyDatabase;
use crate::error::Error;

/// The structure of a database: an entry for each part, in the order of their texts.
///
/// White space, comments, quotes, the case of names on SQLite, the order of columns, and where in `CREATE TABLE` a
/// constraint stands make no difference; our own tables are left out.
///
/// - SQLite: tables with their columns, primary, foreign and unique keys, checks, collations and generated columns;
///   indexes, views and triggers. The names of constraints are no part of it. Needs SQLite 3.37 or newer.
/// - PostgreSQL: schemas, extensions, types, tables, columns, constraints, indexes, sequences, views, functions,
///   triggers, rules and policies, all by their full names. Owners, grants and comments are no part of it.
///
/// It is made for comparison: no database can be built of it.
///
/// ```
/// use migrate_runtime::{Migrator, Registry, ScratchDatabase, Target, embed_migrations};
///
/// static MIGRATIONS: Registry = embed_migrations!("tests/migrations");
///
/// let mut scratch = ScratchDatabase::create("sqlite::memory:")?;
/// scratch.run(&Migrator::new(&MIGRATIONS), Target::Latest)?;
/// assert!(scratch.structure()?.to_string().contains("table users\n"));
/// # Ok::<(), migrate_runtime::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure(Vec<String>);

impl Structure {
    pub(crate) fn new(mut entries: Vec<String>) -> Self {
        entries.sort_unstable();
        Self(entries)
    }

    /// Reads it from a database; `ledger` is the name of the ledger table. A SQLite file that is not there holds nothing.
    ///
    /// It blocks. One read-only transaction, no lock that keeps others from writing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unreachable`](crate::ErrorKind::Unreachable), and [`ErrorKind::Database`](crate::ErrorKind::Database)
    /// for what the database refuses.
    #[cfg_attr(not(any(feature = "sqlite", feature = "postgres")), expect(unused_variables, reason = "there is none"))]
    pub fn read(database: &AnyDatabase, ledger: &str) -> Result<Self, Error> {
        match database {
            #[cfg(feature = "sqlite")]
            AnyDatabase::Sqlite(database) => sqlite::of_file(database.path(), ledger).map(Self::new),
            #[cfg(feature = "postgres")]
            AnyDatabase::Postgres(database) => postgres::structure(database, ledger).map(Self::new),
            #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
            _ => Ok(Self(Vec::new())),
        }
    }

    /// The parts, each perhaps of several lines.
    #[must_use]
    pub fn entries(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Structure {
    /// An entry a line; its further lines are indented.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|entry| writeln!(f, "{}", entry.trim_end().replace('\n', "\n    ")))
    }
}
