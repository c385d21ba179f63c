//! Migrates by migrate-runtime, as its README says.

use std::error::Error;

use bench_common::{Arguments, Verb, not_available};
use migrate_runtime::{AnyDatabase, Migrator, Registry};

static MIGRATIONS: Registry = include!(concat!(env!("OUT_DIR"), "/embed.rs"));

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::of_this_process()?;
    let url =
        if arguments.is_postgres() { arguments.database.clone() } else { format!("sqlite:{}", arguments.database) };
    let mut database = AnyDatabase::from_url(&url)?;
    let migrator = Migrator::new(&MIGRATIONS);
    match arguments.verb {
        Verb::Up => drop(migrator.auto_migrate(&mut database).wait()?),
        Verb::Last => drop(migrator.down(&mut database).wait()?),
        Verb::Down => drop(migrator.reset(&mut database).wait()?),
        Verb::Status => drop(std::hint::black_box(migrator.status(&mut database).wait()?)),
        Verb::Query | Verb::One | Verb::Batch | Verb::Grouped => not_available(arguments.verb)?,
    }
    Ok(())
}
