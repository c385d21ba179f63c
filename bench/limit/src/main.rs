//! Runs the same SQL with nothing around it: what no tool can be faster than.

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::error::Error;

use bench_common::Arguments;

/// The scripts up and down, in the order of the versions.
static SCRIPTS: (&[&str], &[&str]) = include!(concat!(env!("OUT_DIR"), "/embed.rs"));

/// What a start asks for at least: how much of the ledger is there. It is asked of the ledger that `ours` has written.
const QUESTION: &str = "SELECT count(*) FROM schema_migrations_v2";

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
