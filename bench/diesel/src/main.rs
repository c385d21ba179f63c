//! Migrates by diesel, as the documentation of `embed_migrations!` says.

use std::error::Error;

use bench_common::{Arguments, Verb, not_available};
use diesel::Connection;
use diesel::migration::Migration;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};

const MIGRATIONS: EmbeddedMigrations = include!(concat!(env!("OUT_DIR"), "/embed.rs"));

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments = Arguments::of_this_process()?;
    #[cfg(feature = "postgres")]
    if arguments.is_postgres() {
        return run(diesel::PgConnection::establish(&arguments.database)?, arguments.verb);
    }
    #[cfg(feature = "sqlite")]
    if !arguments.is_postgres() {
        return run(diesel::SqliteConnection::establish(&arguments.database)?, arguments.verb);
    }
    Err("built without this database".into())
}

fn run<C>(mut connection: C, verb: Verb) -> Result<(), Box<dyn Error + Send + Sync>>
where
    C: Connection + MigrationHarness<C::Backend>,
    C::Backend: 'static,
{
    match verb {
        Verb::Up => drop(connection.run_pending_migrations(MIGRATIONS)?),
        Verb::Last => drop(connection.revert_last_migration(MIGRATIONS)?),
        Verb::Down => drop(connection.revert_all_migrations(MIGRATIONS)?),
        Verb::Status => {
            let applied = connection.applied_migrations()?;
            let pending: Vec<Box<dyn Migration<C::Backend>>> = connection.pending_migrations(MIGRATIONS)?;
            std::hint::black_box((applied.len(), pending.len()));
        }
        Verb::Query | Verb::One | Verb::Batch | Verb::Grouped => {
            not_available(verb).map_err(|error| error.to_string())?
        }
    }
    Ok(())
}
