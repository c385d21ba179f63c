//! On SQLite, through rusqlite.

use std::error::Error;

use bench_common::{Arguments, Verb, not_available};
use rusqlite::Connection;

use crate::embedded::migrations::runner;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut connection = Connection::open(&arguments.database)?;
    match arguments.verb {
        Verb::Up => drop(runner().run(&mut connection)?),
        Verb::Last => connection.execute_batch(&crate::last())?,
        Verb::Status => drop(std::hint::black_box(runner().get_applied_migrations(&mut connection)?)),
        Verb::Down | Verb::Query | Verb::One | Verb::Batch | Verb::Grouped => not_available(arguments.verb)?,
    }
    Ok(())
}
