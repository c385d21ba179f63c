//! Renewing the lock's lease from a second connection while a run goes on.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::database::postgres::{Postgres, Token};

/// How long a lease lasts without renewal.
pub(super) const LEASE: Duration = Duration::from_secs(30);

/// The task that renews; ends when dropped. A run shorter than the first pause never opens the second connection.
#[derive(Debug)]
pub(super) struct Renewal(JoinHandle<()>);

impl Renewal {
    pub(super) fn start(database: Postgres, statement: String) -> Self {
        Self(tokio::spawn(async move {
            loop {
                tokio::time::sleep(LEASE / 3).await;
                // A renewal that fails is tried again on a new connection; if none succeeds the lease ends, another
                // run may take over, and this one stops at its fence.
                if let Ok(connected) = database.connect(&Token::new()).await {
                    while connected.client.batch_execute(&statement).await.is_ok() {
                        tokio::time::sleep(LEASE / 3).await;
                    }
                }
            }
        }))
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.abort();
    }
}
