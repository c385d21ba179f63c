//! A SQLite database in memory.

use migrate_core::plan::Target;
use rusqlite::Connection;

use crate::backend::sqlite::plain_error;
use crate::database::BorrowedConnection;
use crate::error::Error;
use crate::migrator::Migrator;
use crate::report::Report;

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

    #[cfg(feature = "testing")]
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }
}
