//! What a check asks of a database that only it uses.

use migrate_core::plan::Target;

#[cfg(feature = "sqlite")]
use crate::backend::sqlite::plain_error;
use crate::error::Error;
use crate::migrator::Migrator;
use crate::report::Report;
#[cfg(feature = "postgres")]
use crate::scratch::PostgresScratch;
#[cfg(feature = "sqlite")]
use crate::scratch::SqliteScratch;

/// A database of its own, gone with the value.
pub(super) trait Scratch {
    /// Runs the engine on it.
    fn run(&mut self, migrator: &Migrator, target: Target) -> Result<Report, Error>;

    /// Runs the statements of a script.
    fn execute(&mut self, sql: &str) -> Result<(), Error>;

    /// Its structure, an entry for each part, in any order.
    fn schema(&mut self) -> Result<Vec<String>, Error>;

    /// Its rows as `table: values`, in any order.
    fn rows(&mut self) -> Result<Vec<String>, Error>;
}

#[cfg(feature = "sqlite")]
impl Scratch for SqliteScratch {
    fn run(&mut self, migrator: &Migrator, target: Target) -> Result<Report, Error> {
        Self::run(self, migrator, target)
    }

    fn execute(&mut self, sql: &str) -> Result<(), Error> {
        self.connection().execute_batch(sql).map_err(|error| plain_error("a statement was refused", &error))
    }

    fn schema(&mut self) -> Result<Vec<String>, Error> {
        Self::structure(self)
    }

    fn rows(&mut self) -> Result<Vec<String>, Error> {
        Self::rows(self)
    }
}

#[cfg(feature = "postgres")]
impl Scratch for PostgresScratch {
    fn run(&mut self, migrator: &Migrator, target: Target) -> Result<Report, Error> {
        Self::run(self, migrator, target)
    }

    fn execute(&mut self, sql: &str) -> Result<(), Error> {
        self.database().ask("a statement was refused", sql).map(drop)
    }

    fn schema(&mut self) -> Result<Vec<String>, Error> {
        Self::structure(self)
    }

    fn rows(&mut self) -> Result<Vec<String>, Error> {
        Self::rows(self)
    }
}
