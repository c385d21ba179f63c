//! Segments of a step that does not run as one transaction.

use migrate_core::sql::{Segment, SegmentKind};

use super::message::{Message, collect, start};
use super::{PostgresBackend, tables};
use crate::backend::{Fence, Place, Work};
use crate::error::Error;

/// Why a segment did not run in a transaction of its own.
pub(super) enum Refused {
    /// Its statement cannot run inside one, which only the server could know.
    Transaction(Error),
    /// Something else.
    Otherwise(Error),
}

impl PostgresBackend<'_> {
    /// Runs statements that set session state.
    pub(super) async fn run_in_session(&self, fence: Fence, work: &Work<'_>, segment: &Segment) -> Result<(), Error> {
        let mut message = Message::default();
        message.bare(&work.script, segment.statements.clone());
        self.run_step(fence, work, &message).await.map(drop)
    }

    /// Runs a segment and records it as finished, both or neither.
    pub(super) async fn run_in_transaction(
        &mut self,
        fence: Fence,
        work: &Work<'_>,
        segment: &Segment,
        place: Place,
    ) -> Result<(), Refused> {
        let mut message = self.open(fence, work);
        message.push(tables::SCRIPTS_ROLE);
        message.script(&work.script, segment.statements.clone());
        message.push(&tables::own_role(self.session.role()));
        message.push(&self.names.progress(work.step, place.number));
        self.commit(&mut message, fence);
        let replies = start(self.client(), &message).await;
        let outcome = self.watch_for(collect(replies, &message), work, work.lock_budget(), &mut |_| ()).await;
        let refuses = outcome.error.as_ref().is_some_and(|error| error.refuses_transaction());
        let alone = segment.kind == SegmentKind::Transactional;
        message.check(fence, work, outcome).map(drop).map_err(|error| match refuses && alone {
            true => Refused::Transaction(error),
            false => Refused::Otherwise(error),
        })
    }
}
