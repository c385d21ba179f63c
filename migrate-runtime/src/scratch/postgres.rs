//! A database made on a PostgreSQL server.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};

use migrate_core::plan::Target;

use crate::backend::identifier;
use crate::database::Postgres;
use crate::error::{Error, ErrorKind};
use crate::migrator::Migrator;
use crate::options::DEFAULT_TABLE;
use crate::report::Report;
use crate::structure;

/// A database that is dropped, with everybody in it, when this is.
pub(crate) struct PostgresScratch {
    server: Postgres,
    database: Postgres,
    name: String,
    removed: bool,
}

impl PostgresScratch {
    pub(crate) fn create(url: &str) -> Result<Self, Error> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let server = Postgres::from_url(url)?;
        let counter = COUNTER.fetch_add(1, Ordering::Relaxed);
        // The hasher's seed is random: processes on other machines may share our number.
        let random = RandomState::new().hash_one(counter);
        let name = format!("migrate_scratch_{}_{counter}_{random:016x}", std::process::id());
        let created = server.ask("the scratch database could not be created", &format!("CREATE DATABASE {name}"));
        created.map_err(|error| match error.kind() {
            ErrorKind::ReadOnly => {
                let role = server.user().map_or_else(|| "...".to_owned(), identifier);
                error.with_help(format!("name a role that may create databases, or run `ALTER ROLE {role} CREATEDB`"))
            }
            _ => error,
        })?;
        Ok(Self { database: server.sibling(&name), server, name, removed: false })
    }

    pub(crate) fn run(&mut self, migrator: &Migrator, target: Target) -> Result<Report, Error> {
        migrator.run(&mut self.database, target).wait()
    }

    pub(crate) fn structure(&self) -> Result<Vec<String>, Error> {
        structure::postgres::structure(&self.database, DEFAULT_TABLE)
    }

    pub(crate) fn rows(&self) -> Result<Vec<String>, Error> {
        structure::postgres::rows(&self.database, DEFAULT_TABLE)
    }

    pub(crate) fn query(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, Error> {
        self.database.ask_rows("a query was refused", sql)
    }

    pub(crate) fn database(&self) -> &Postgres {
        &self.database
    }

    pub(crate) fn remove(mut self) -> Result<(), Error> {
        self.drop_database()
    }

    fn drop_database(&mut self) -> Result<(), Error> {
        self.removed = true;
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let dropped = self.server.ask("the scratch database could not be dropped", &sql);
        dropped.map(drop).map_err(|error| error.with_help(format!("drop it by hand: `{sql}`")))
    }
}

impl Drop for PostgresScratch {
    fn drop(&mut self) {
        if !self.removed {
            // The server may be gone already, and the database with it.
            let _ = self.drop_database();
        }
    }
}

impl fmt::Display for PostgresScratch {
    /// The URL of the server, without a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server.fmt(f)
    }
}
