//! Migrates by refinery, with its defaults: a transaction for each migration.

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::error::Error;

use bench_common::Arguments;

/// What the macro makes is public.
mod embedded {
    include!(concat!(env!("OUT_DIR"), "/embed.rs"));
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::of_this_process()?;
    #[cfg(feature = "postgres")]
    if arguments.is_postgres() {
        return postgres::run(&arguments);
    }
    #[cfg(feature = "sqlite")]
    if !arguments.is_postgres() {
        return sqlite::run(&arguments);
    }
    Err("built without this database".into())
}

/// The statements that take the last migration back by hand: refinery has no way back.
fn last() -> String {
    let migrations = embedded::migrations::runner();
    let number = migrations.get_migrations().len();
    format!("DROP TABLE table_{number}; DELETE FROM refinery_schema_history WHERE version = {number};")
}
