//! Steps that are one transaction each: sent ahead of the answers, so that the network is waited for once and not at each.

use std::collections::VecDeque;
use std::time::Duration;

use migrate_core::migration::Dialect;

use super::message::{Message, MessageError, Replies, collect, start};
use super::statements::Statements;
use super::{BEGIN, PostgresBackend, tables};
use crate::backend::{Fence, Run, Work};
use crate::error::Error;

/// How many steps are under way at once: enough to hide the network, few enough to stop soon.
const WINDOW: usize = 16;

/// A step that is under way.
struct Sent<'w> {
    index: usize,
    message: Result<(Replies, Message<'w>), Error>,
}

/// Why the steps behind the last finished one were not done.
enum Halt {
    /// Our statements are no longer prepared.
    Unprepared,
    /// A step that began behind a request to stop was cancelled.
    Recalled,
    Failed(Error),
}

impl PostgresBackend<'_> {
    /// Does the steps in order, and ends at the first that fails.
    pub(super) async fn run_transactional(
        &mut self,
        run: &Run,
        fence: Fence,
        works: &[Work<'_>],
        done: &mut (dyn FnMut(usize, Duration) + Send),
    ) -> Result<(), Error> {
        let mut finished = 0;
        let mut prepared = self.session.direct;
        loop {
            let first = finished;
            let mut passed = |index, duration| {
                finished = first + index + 1;
                done(first + index, duration);
            };
            match self.pipeline(run, fence, &works[first..], prepared, &mut passed).await {
                Ok(()) => return Ok(()),
                Err(Halt::Failed(error)) => return Err(error),
                Err(Halt::Recalled) => return self.roll_back().await,
                // A function that a script calls may deallocate what it does not know of. The next try needs nothing prepared.
                Err(Halt::Unprepared) => {
                    self.roll_back().await?;
                    prepared = false;
                }
            }
        }
    }

    async fn pipeline(
        &mut self,
        run: &Run,
        fence: Fence,
        works: &[Work<'_>],
        prepared: bool,
        done: &mut (dyn FnMut(usize, Duration) + Send),
    ) -> Result<(), Halt> {
        let mut under_way = VecDeque::new();
        let mut waiting = works.iter().enumerate().peekable();
        let mut is_prepared = false;
        loop {
            while under_way.len() < WINDOW
                && let Some((index, work)) = waiting.next_if(|(_, work)| !work.stop.is_asked())
            {
                let executes = prepared && !self.deallocates(work);
                let statements = Statements::new(&self.names, &self.session, run, fence, executes);
                if executes && !is_prepared {
                    // If it fails, nothing is prepared, and that is found out.
                    drop(start(self.client(), &statements.preparation(work)).await);
                }
                is_prepared = executes;
                let message = match self.step_message(fence, work, &statements) {
                    Ok(message) => Ok((start(self.client(), &message).await, message)),
                    Err(error) => Err(error),
                };
                under_way.push_back(Sent { index, message });
            }
            let Some(Sent { index, message }) = under_way.pop_front() else {
                return Ok(());
            };
            // Steps behind a failed one are refused by the server: its transaction is aborted, or their guard fails.
            let (replies, message) = message.map_err(Halt::Failed)?;
            let work = &works[index];
            // It is on its way, but the server begins it only now.
            let recalled = work.stop.is_asked();
            // Each wait is bounded by the server, the sum of a step's waits by watching it: readers queue behind every one.
            let answer = collect(replies, &message);
            let outcome = self.watch_or_recall(recalled, answer, work, work.lock_budget(), &mut |_| ()).await;
            if prepared && message.is_unprepared(&outcome) {
                return Err(Halt::Unprepared);
            }
            if recalled && outcome.error.as_ref().is_some_and(MessageError::is_stopped) {
                return Err(Halt::Recalled);
            }
            done(index, message.check(fence, work, outcome).map_err(Halt::Failed)?.milliseconds());
        }
    }

    /// The message of a step.
    fn step_message<'w>(
        &self,
        fence: Fence,
        work: &'w Work<'_>,
        statements: &Statements<'_>,
    ) -> Result<Message<'w>, Error> {
        let mut message = Message::default();
        message.push(BEGIN);
        message.push(&tables::select_timeouts(work));
        message.push(&statements.begin(work));
        if self.deallocates(work) {
            // The script may give our names to statements of its own.
            message.push("DEALLOCATE ALL");
        }
        message.script(&work.script, work.script.statements(Dialect::Postgres)?);
        self.session.restore_after(&mut message, &statements.restore(work), &work.script.sql);
        if let Some(verify) = &work.verify {
            message.verify(work.step, verify, verify.statements(Dialect::Postgres)?)?;
            self.session.restore_after(&mut message, &statements.restore(work), &verify.sql);
        }
        statements.record(&mut message, work);
        self.commit(&mut message, fence);
        Ok(message)
    }

    /// Whether nothing is prepared behind a step.
    fn deallocates(&self, work: &Work<'_>) -> bool {
        [Some(&work.script), work.verify.as_ref()]
            .into_iter()
            .flatten()
            .any(|file| self.session.deallocates_after(&file.sql))
    }
}
