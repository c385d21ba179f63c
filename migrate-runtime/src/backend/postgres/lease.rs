//! Renewing the lock's lease from a second connection while a run goes on.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::database::postgres::{Connected, Postgres, Token};

/// The task that renews; ends when dropped. A run shorter than the first pause never opens the second connection.
#[derive(Debug)]
pub(super) struct Renewal(JoinHandle<()>);

impl Renewal {
    pub(super) fn start(database: Postgres, lease: Duration, statement: String) -> Self {
        Self(tokio::spawn(async move {
            let mut connection = None;
            loop {
                tokio::time::sleep(lease / 3).await;
                // A renewal that fails or hangs is tried again on a new connection; if none succeeds the lease ends,
                // another run may take over, and this one stops at its fence.
                let renewed = tokio::time::timeout(lease / 3, renew(&database, connection.take(), &statement)).await;
                connection = renewed.ok().flatten();
            }
        }))
    }
}

/// Renews the lease once, and gives the connection that it was renewed over.
async fn renew(database: &Postgres, connection: Option<Connected>, statement: &str) -> Option<Connected> {
    let connection = match connection {
        Some(connection) => connection,
        None => database.connect(&Token::new()).await.ok()?,
    };
    connection.client.batch_execute(statement).await.ok()?;
    Some(connection)
}

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.abort();
    }
}
