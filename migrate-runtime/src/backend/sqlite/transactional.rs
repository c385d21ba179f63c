//! Steps that are one transaction each. They share commits: each waits for the disk several times.

use std::time::{Duration, Instant};

use migrate_core::ledger::Status;
use migrate_core::plan::Direction;
use rusqlite::Connection;

use super::script::{self, plain_error};
use super::{SqliteBackend, roll_back, session};
use crate::backend::{Fence, HistoryEntry, Run, Took, Work, identifier, mentions};
use crate::error::Error;

/// How long a commit may be shared: other writers wait no longer than this for their turn, a single long script aside.
const LONGEST_GROUP: Duration = Duration::from_millis(500);

/// How many rows a step changes in our tables: one of the ledger, one of the history.
const OWN_CHANGES: u64 = 2;

/// Stands in the declaration of every constraint that only the commit checks: `INITIALLY DEFERRED`.
const DEFERRED: &str = "initially";

/// How a group ended.
enum Group {
    /// So many works are committed; the next one failed, if there is a failure.
    Committed { durations: Vec<Duration>, failure: Option<Error> },
    /// The transaction ended under us or could not be committed: nothing of the group was kept.
    Lost(Error),
}

impl SqliteBackend<'_> {
    /// Does the steps in order, and ends at the first that fails.
    pub(super) fn run_transactional(
        &mut self,
        run: &Run,
        fence: Fence,
        works: &[Work<'_>],
        done: &mut (dyn FnMut(usize, Duration) + Send),
    ) -> Result<(), Error> {
        let mut next = 0;
        let mut one_by_one = false;
        while next < works.len() && !works[next].stop.is_asked() {
            self.goes_on()?;
            self.session.detach(self.connection())?;
            let rest = &works[next..];
            let alone = one_by_one || rest[0].foreign_keys_off;
            let before = rest.iter().take_while(|work| !work.foreign_keys_off && !lasts_until_the_commit(work)).count();
            let shared = before + usize::from(rest.get(before).is_some_and(|work| !work.foreign_keys_off));
            let group = &rest[..if alone { 1 } else { shared }];
            match self.group_with_foreign_keys(run, fence, group)? {
                Group::Committed { durations, failure } => {
                    for duration in durations {
                        done(next, duration);
                        next += 1;
                    }
                    if let Some(error) = failure {
                        return Err(error);
                    }
                }
                Group::Lost(error) if group.len() == 1 => return Err(error),
                // One of them ended the shared transaction: one commit each tells which, and keeps the others.
                Group::Lost(_) => one_by_one = true,
            }
        }
        Ok(())
    }

    /// Executes works with foreign-key enforcement as each of them asks for.
    fn group_with_foreign_keys(&self, run: &Run, fence: Fence, works: &[Work<'_>]) -> Result<Group, Error> {
        if !works[0].foreign_keys_off {
            return self.group(run, fence, works);
        }
        script::without_foreign_keys(self.connection(), || self.group(run, fence, works))
    }

    /// Executes works that share a commit.
    fn group(&self, run: &Run, fence: Fence, works: &[Work<'_>]) -> Result<Group, Error> {
        let connection = self.connection();
        let begun = self.begin_fenced(fence).and_then(|()| Ok(works.len() > 1 && declares_deferred(connection)?));
        let mut deferred = match begun {
            Ok(deferred) => deferred,
            Err(error) => {
                roll_back(connection)?;
                return Err(error);
            }
        };
        let began = Instant::now();
        let mut durations = Vec::new();
        let mut failure = None;
        for work in works {
            let changes = connection.total_changes();
            match self.step(run, work) {
                Ok(duration) => durations.push(duration),
                Err(error) if connection.is_autocommit() => return Ok(Group::Lost(error)),
                Err(error) => {
                    connection
                        .execute_batch("ROLLBACK TO migrate_step; RELEASE migrate_step")
                        .map_err(|error| plain_error("the step could not be rolled back", &error))?;
                    failure = Some(error);
                    break;
                }
            }
            deferred |= says(work, DEFERRED);
            // A violation that is left to the commit is this step's: a later one must not mend it.
            let may_violate = deferred && connection.total_changes() - changes > OWN_CHANGES;
            if may_violate || began.elapsed() > LONGEST_GROUP || work.stop.is_asked() {
                break;
            }
        }
        if let Err(error) = connection.execute_batch("COMMIT") {
            let error = script::commit_error(&works[durations.len().saturating_sub(1)], &error);
            roll_back(connection)?;
            return Ok(Group::Lost(failure.unwrap_or(error)));
        }
        Ok(Group::Committed { durations, failure })
    }

    /// Executes one transactional step inside the open transaction, in a savepoint of its own.
    fn step(&self, run: &Run, work: &Work<'_>) -> Result<Duration, Error> {
        let connection = self.connection();
        let plain = |error: rusqlite::Error| plain_error("the step could not be recorded", &error);
        connection.execute_batch("SAVEPOINT migrate_step").map_err(plain)?;
        let references = if work.foreign_keys_off { Some(script::references(connection, work)?) } else { None };
        let began = Instant::now();
        script::run(connection, work, &work.script)?;
        if connection.is_autocommit() {
            return Err(script::transaction_ended(work));
        }
        let duration = began.elapsed();
        if let Some(before) = references {
            script::no_new_violations(connection, work, &before)?;
        }
        self.session.restore_after(connection, &work.script.sql)?;
        if let Some(verify) = &work.verify {
            script::verify(connection, work, verify)?;
            self.session.restore_after(connection, &verify.sql)?;
        }
        self.record(run, work, duration)?;
        connection.execute_batch("RELEASE migrate_step").map_err(plain)?;
        Ok(duration)
    }

    /// Writes the ledger and history rows of a completed step.
    pub(super) fn record(&self, run: &Run, work: &Work<'_>, duration: Duration) -> Result<(), Error> {
        let connection = self.connection();
        match work.step.direction {
            Direction::Up => self.names.insert(connection, run, work, Status::Applied, duration)?,
            Direction::Down => self.names.delete(connection, work.step)?,
        }
        self.names.add_history(connection, run, &HistoryEntry::done(work.step, Took::Measured(duration)))
    }
}

/// Whether a step may leave something that only the commit ends: an attached database, which can be detached only behind
/// it, or constraints that are deferred until then, which it may rely on. It ends its group.
fn lasts_until_the_commit(work: &Work<'_>) -> bool {
    ["attach", "defer_foreign_keys"].iter().any(|word| says(work, word))
}

/// Whether one of a step's scripts holds a word.
fn says(work: &Work<'_>, word: &str) -> bool {
    mentions(&work.script.sql, word) || work.verify.as_ref().is_some_and(|verify| mentions(&verify.sql, word))
}

/// Whether a table may have a constraint that only the commit checks.
fn declares_deferred(connection: &Connection) -> Result<bool, Error> {
    let declares = |database: &String| {
        // `LIKE` looks at the case if the connection was told to.
        let sql = format!("SELECT 1 FROM {}.sqlite_master WHERE instr(lower(sql), ?1)", identifier(database));
        connection.prepare(&sql)?.exists([DEFERRED])
    };
    let any = || -> rusqlite::Result<bool> {
        for database in session::databases(connection)? {
            if declares(&database)? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    any().map_err(|error| plain_error("the constraints could not be read", &error))
}
