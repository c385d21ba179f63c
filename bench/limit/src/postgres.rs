//! PostgreSQL: a message for each migration, each a transaction; or all of these transactions in one message.

use std::error::Error;

use bench_common::{Arguments, Verb, not_available};
use tokio_postgres::{Client, NoTls};

use crate::{QUESTION, SCRIPTS};

pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(&arguments.database, NoTls).await?;
        let connection = tokio::spawn(connection);
        match arguments.verb {
            Verb::Up => one_by_one(&client, SCRIPTS.0.iter()).await?,
            Verb::Down => one_by_one(&client, SCRIPTS.1.iter().rev()).await?,
            Verb::Last => one_by_one(&client, SCRIPTS.1.last().into_iter()).await?,
            Verb::Batch => {
                client.batch_execute(&SCRIPTS.0.iter().copied().map(transaction).collect::<String>()).await?
            }
            Verb::Grouped => client.batch_execute(&transaction(&SCRIPTS.0.concat())).await?,
            Verb::One => one_by_one(&client, SCRIPTS.0.last().into_iter()).await?,
            Verb::Query => drop(client.simple_query(QUESTION).await?),
            Verb::Status => not_available(arguments.verb)?,
        }
        drop(client);
        connection.await??;
        Ok(())
    })
}

async fn one_by_one<'s>(
    client: &Client,
    scripts: impl Iterator<Item = &'s &'static str>,
) -> Result<(), tokio_postgres::Error> {
    for script in scripts {
        client.batch_execute(&transaction(script)).await?;
    }
    Ok(())
}

fn transaction(script: &str) -> String {
    format!("BEGIN;\n{script}\nCOMMIT;\n")
}
