//! Migrates by sqlx, on one connection, as its documentation of `migrate!` says.

use std::error::Error;

use bench_common::{Arguments, Verb, not_available};
use sqlx::migrate::{Migrate, Migrator};
use sqlx::{Acquire, Connection};

static MIGRATIONS: Migrator = include!(concat!(env!("OUT_DIR"), "/embed.rs"));

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::of_this_process()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        #[cfg(feature = "postgres")]
        if arguments.is_postgres() {
            return run(sqlx::PgConnection::connect(&arguments.database).await?, arguments.verb).await;
        }
        #[cfg(feature = "sqlite")]
        if !arguments.is_postgres() {
            let options = sqlx::sqlite::SqliteConnectOptions::new();
            let options = options.filename(&arguments.database).create_if_missing(true);
            return run(sqlx::SqliteConnection::connect_with(&options).await?, arguments.verb).await;
        }
        Err("built without this database".into())
    })
}

async fn run<C>(mut connection: C, verb: Verb) -> Result<(), Box<dyn Error>>
where
    C: Connection + Migrate,
    for<'c> &'c mut C: Acquire<'c, Connection = &'c mut C>,
{
    match verb {
        Verb::Up => MIGRATIONS.run(&mut connection).await?,
        Verb::Last => {
            let versions: Vec<i64> = versions().collect();
            let target = versions.len().checked_sub(2).map_or(0, |index| versions[index]);
            MIGRATIONS.undo(&mut connection, target).await?;
        }
        Verb::Down => MIGRATIONS.undo(&mut connection, 0).await?,
        Verb::Status => {
            connection.ensure_migrations_table(&MIGRATIONS.table_name).await?;
            let applied = connection.list_applied_migrations(&MIGRATIONS.table_name).await?;
            std::hint::black_box(applied);
        }
        Verb::Query | Verb::One | Verb::Batch | Verb::Grouped => not_available(verb)?,
    }
    connection.close().await?;
    Ok(())
}

/// The versions of the set, in order, each once.
fn versions() -> impl Iterator<Item = i64> {
    MIGRATIONS.iter().filter(|it| it.migration_type.is_up_migration()).map(|it| it.version)
}
