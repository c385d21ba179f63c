//! Our own statements of a transactional step. In a session that was begun for the run they are prepared once: the server
//! takes longer to read and plan them than to execute them. In any other session they are written out each time.

use migrate_core::ledger::Status;
use migrate_core::plan::Direction;

use super::message::Message;
use super::session::Session;
use super::tables::{self, Names, RECORDED, literal, optional_literal, recorded};
use crate::backend::{Fence, HistoryEntry, Run, Took, Work};

/// The names under which they are prepared begin so.
pub(super) const PREFIX: &str = "migrate_";

const BEGIN: &str = "migrate_begin";
const RESTORE: &str = "migrate_restore";
const RECORD: &str = "migrate_record";

/// The statements of one run in one session.
pub(super) struct Statements<'a> {
    names: &'a Names,
    session: &'a Session,
    run: &'a Run,
    fence: Fence,
    prepared: bool,
}

impl<'a> Statements<'a> {
    pub(super) fn new(names: &'a Names, session: &'a Session, run: &'a Run, fence: Fence, prepared: bool) -> Self {
        Self { names, session, run, fence, prepared }
    }

    /// The message that prepares them. It stands alone: the server keeps the whole text of the message in which something is
    /// prepared, and logs it with each message that executes it.
    pub(super) fn preparation(&self, work: &Work<'_>) -> Message<'static> {
        let places: [String; RECORDED.len() + 1] = std::array::from_fn(|index| format!("${}", index + 1));
        let begin = format!("PREPARE {BEGIN}(text, boolean) AS {}", self.begin_with(["$1", "$2"]));
        let restore = format!("PREPARE {RESTORE}(text, text) AS {}", self.restore_with(["$1", "$2"]));
        let record = format!(
            "PREPARE {RECORD}(text, {}, boolean, boolean) AS {}",
            ["text"; RECORDED.len() - 2].join(", "),
            self.record_with(places.each_ref().map(String::as_str))
        );
        // Preparing waits for whoever has locked our tables.
        Message::of(&[&tables::select_timeouts(work), "DEALLOCATE ALL", &begin, &restore, &record])
    }

    /// Proves that the lock is ours and that the step before took effect.
    pub(super) fn begin(&self, work: &Work<'_>) -> String {
        let version = optional_literal(work.after.map(|step| step.version.to_string()).as_deref());
        let in_effect = work.after.is_none_or(|step| step.direction == Direction::Up).to_string();
        self.call(BEGIN, [&version, &in_effect], |values| self.begin_with(values))
    }

    /// Puts back what a script of a step may have set, but for the timeouts, which the rest of the step has, too.
    pub(super) fn restore(&self, work: &Work<'_>) -> String {
        let [lock, statement] = tables::timeouts(work);
        self.call(RESTORE, [&lock, &statement], |values| self.restore_with(values))
    }

    /// Adds what records a step in ledger and history. The last row that it gives begins with the time the step took.
    pub(super) fn record(&self, message: &mut Message<'_>, work: &Work<'_>) {
        if work.step.direction == Direction::Down {
            message.push(&self.names.delete(work.step));
            return message.push(&self.names.add_history(self.run, &HistoryEntry::done(work.step, Took::SinceMessage)));
        }
        let version = literal(&work.step.version.to_string());
        let recorded = recorded(self.run, work);
        let mut values = [version.as_str(); RECORDED.len() + 1];
        values[1..].iter_mut().zip(&recorded).for_each(|(value, recorded)| *value = recorded);
        message.push(&self.call(RECORD, values, |values| self.record_with(values)));
    }

    fn call<const N: usize>(&self, name: &str, values: [&str; N], write: impl Fn([&str; N]) -> String) -> String {
        if self.prepared { format!("EXECUTE {name}({})", values.join(", ")) } else { write(values) }
    }

    fn begin_with(&self, [version, in_effect]: [&str; 2]) -> String {
        let step = self.names.proof_of_step(version, in_effect);
        format!("SELECT {}, {step}", self.names.proof(self.fence))
    }

    fn restore_with(&self, timeouts: [&str; 2]) -> String {
        self.session.restore_settings(Some(timeouts))
    }

    fn record_with(&self, [version, recorded @ ..]: [&str; RECORDED.len() + 1]) -> String {
        let entry = HistoryEntry {
            operation: Direction::Up.as_str(),
            took: Took::SinceMessage,
            ..HistoryEntry::of_run("succeeded")
        };
        let row = self.names.insert_row(self.run, Status::Applied, version, &recorded);
        self.names.record(self.run, version, &row, &entry)
    }
}
