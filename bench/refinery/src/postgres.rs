//! On PostgreSQL, through tokio-postgres.

use std::error::Error;

use bench_common::{Arguments, Verb, not_available};
use tokio_postgres::NoTls;

use crate::embedded::migrations::runner;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut client, connection) = tokio_postgres::connect(&arguments.database, NoTls).await?;
        let connection = tokio::spawn(connection);
        match arguments.verb {
            Verb::Up => drop(runner().run_async(&mut client).await?),
            Verb::Last => client.batch_execute(&crate::last()).await?,
            Verb::Status => {
                let applied = runner().get_applied_migrations_async(&mut client).await?;
                drop(std::hint::black_box(applied));
            }
            Verb::Down | Verb::Query | Verb::One | Verb::Batch | Verb::Grouped => not_available(arguments.verb)?,
        }
        drop(client);
        connection.await??;
        Ok(())
    })
}
