//! SQLite: everything in one transaction.

use std::error::Error;

use bench_common::{Arguments, Verb, not_available};
use rusqlite::Connection;

use crate::{QUESTION, SCRIPTS};

pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut connection = Connection::open(&arguments.database)?;
    match arguments.verb {
        Verb::Up => one_transaction(&mut connection, SCRIPTS.0.iter())?,
        Verb::Down => one_transaction(&mut connection, SCRIPTS.1.iter().rev())?,
        Verb::Last => one_transaction(&mut connection, SCRIPTS.1.last().into_iter())?,
        Verb::One => one_transaction(&mut connection, SCRIPTS.0.last().into_iter())?,
        Verb::Query => drop(connection.query_row(QUESTION, (), |row| row.get::<_, i64>(0))?),
        Verb::Status | Verb::Batch | Verb::Grouped => not_available(arguments.verb)?,
    }
    Ok(())
}

fn one_transaction<'s>(
    connection: &mut Connection,
    scripts: impl Iterator<Item = &'s &'static str>,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for script in scripts {
        transaction.execute_batch(script)?;
    }
    transaction.commit()
}
