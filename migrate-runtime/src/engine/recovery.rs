//! Going on after the connection to the database was lost.

use std::time::Duration;

use migrate_core::ledger::Snapshot;

use super::{Migrate, retry_pause};
use crate::backend::{Backend, Fence, Raised, Run};
use crate::error::{Error, ErrorKind};
use crate::observer::Event;

/// How long to wait before asking again whether the old connection's work has ended.
const OLD_CONNECTION: Duration = Duration::from_millis(50);

impl Migrate {
    /// Reads the database, over a new connection each time that it is lost, as often as a step may be tried.
    pub(super) async fn read<B: Backend>(&self, backend: &mut B) -> Result<Snapshot, Error> {
        let mut losses = 0;
        loop {
            match backend.read().await {
                Err(error) if error.is_connection_lost() && losses < self.settings.max_retries => {
                    losses += 1;
                    self.reconnect(backend, error).await?;
                }
                read => return read,
            }
        }
    }

    /// Connects again, with growing pauses, as often as a step may be tried.
    pub(super) async fn reconnect<B: Backend>(&self, backend: &mut B, lost: Error) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            // Also a run that stops tries once: it has a lock to give back.
            if tries == self.settings.max_retries || (tries > 0 && self.settings.stop.is_now()) {
                return Err(lost);
            }
            backend.sleep(retry_pause(&self.settings, tries)).await?;
            match backend.reconnect().await {
                Err(error) if error.kind() == ErrorKind::Unreachable => tries += 1,
                Err(error) => return Err(lost.and_also("and it could not be made again", Err(error))),
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Connects again and waits for what the old connection may still have under way, so that what the ledger then says
    /// stays true.
    pub(super) async fn recover<B: Backend>(
        &self,
        backend: &mut B,
        run: &Run,
        fence: Fence,
        lost: Error,
    ) -> Result<Raised, Error> {
        self.reconnect(backend, lost).await?;
        let (mut tries, mut busy) = (0, 0);
        let mut told = false;
        loop {
            match backend.raise(run, fence).await {
                Ok(Raised::NotYet) if self.settings.stop.is_now() => return Err(still_under_way()),
                Ok(Raised::NotYet) => {
                    if !told {
                        self.tell(&Event::WaitingForOldConnection);
                        told = true;
                    }
                    backend.sleep(OLD_CONNECTION).await?;
                }
                // Also a run that stops tries once: it has a lock to give back.
                Err(error) if error.is_retryable() && busy < self.settings.max_retries => {
                    if self.settings.stop.is_now() && busy > 0 {
                        return Err(error);
                    }
                    if busy == 0 {
                        self.tell(&Event::WaitingForDatabase(&error));
                    }
                    backend.sleep(retry_pause(&self.settings, busy)).await?;
                    busy += 1;
                }
                Err(error) if error.is_connection_lost() && tries < self.settings.max_retries => {
                    tries += 1;
                    self.reconnect(backend, error).await?;
                }
                raised => return raised,
            }
        }
    }
}

fn still_under_way() -> Error {
    Error::new(
        ErrorKind::Cancelled,
        "the run was stopped while the server still executes what a lost connection had sent",
    )
    .with_help("`migrate up` waits for it and goes on from what it leaves")
}
