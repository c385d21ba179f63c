//! Migrates by rusqlite_migration, from an embedded directory.

use std::error::Error;

use bench_common::{Arguments, Verb, not_available};
use include_dir::Dir;
use rusqlite::Connection;
use rusqlite_migration::Migrations;

static DIRECTORY: Dir<'static> = include!(concat!(env!("OUT_DIR"), "/embed.rs"));

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::of_this_process()?;
    let migrations = Migrations::from_directory(&DIRECTORY)?;
    let mut connection = Connection::open(&arguments.database)?;
    match arguments.verb {
        Verb::Up => migrations.to_latest(&mut connection)?,
        Verb::Last => migrations.to_version(&mut connection, DIRECTORY.dirs().count().saturating_sub(1))?,
        Verb::Down => migrations.to_version(&mut connection, 0)?,
        Verb::Status => {
            std::hint::black_box((
                migrations.current_version(&connection)?,
                migrations.pending_migrations(&connection)?,
            ));
        }
        Verb::Query | Verb::One | Verb::Batch | Verb::Grouped => not_available(arguments.verb)?,
    }
    Ok(())
}
