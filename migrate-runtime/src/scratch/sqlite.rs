//! A SQLite database in memory.

use migrate_core::plan::Target;
use rusqlite::Connection;

use crate::backend::sqlite::plain_error;
use crate::database::BorrowedConnection;
use crate::error::Error;
use crate::migrator::Migrator;
use crate::options::DEFAULT_TABLE;
use crate::report::Report;
use crate::structure;

pub(crate) struct SqliteScratch {
    connection: Connection,
}

impl SqliteScratch {
    pub(crate) fn create() -> Result<Self, Error> {
        let open = || {
            let connection = Connection::open_in_memory()?;
            // A program may enforce them, whatever the library's default is: a rebuild must work either way.
            connection.pragma_update(None, "foreign_keys", true)?;
            Ok(Self { connection })
        };
        open().map_err(|error| plain_error("no database in memory could be opened", &error))
    }

    pub(crate) fn run(&mut self, migrator: &Migrator, target: Target) -> Result<Report, Error> {
        migrator.run(&mut BorrowedConnection::new(&mut self.connection), target).wait()
    }

    pub(crate) fn structure(&self) -> Result<Vec<String>, Error> {
        let structure = structure::sqlite::structure(&self.connection, DEFAULT_TABLE);
        structure.map_err(|error| plain_error("a pragma was refused", &error))
    }

    pub(crate) fn rows(&self) -> Result<Vec<String>, Error> {
        structure::sqlite::rows(&self.connection, DEFAULT_TABLE)
            .map_err(|error| plain_error("a query was refused", &error))
    }

    pub(crate) fn query(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, Error> {
        structure::sqlite::query(&self.connection, sql).map_err(|error| plain_error("a query was refused", &error))
    }

    #[cfg(feature = "testing")]
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }
}
