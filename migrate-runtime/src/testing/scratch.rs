//! What a check asks of a database that only it uses.

use migrate_core::plan::Target;

use crate::error::Error;
use crate::migrator::Migrator;
use crate::report::Report;

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
