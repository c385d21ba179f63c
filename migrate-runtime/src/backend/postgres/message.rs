//! A message of several statements: built, sent, and, when it fails, traced back to the script.

use std::ops::Range;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use migrate_core::plan::Step;
use migrate_core::sql::{self, Answer, Statement};
use tokio_postgres::error::{DbError, ErrorPosition, Severity, SqlState};
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryStream};

use super::statements::PREFIX;
use super::tables::{FENCE_LOST, PREDECESSOR_MISSING, ROW_GONE, VERIFICATION_FAILED};
use super::watch::Seen;
use crate::backend::{Failure, Fence, File, RUN_AGAIN, Work, lock_lost, step_error, verification_error};
use crate::error::{DatabaseError, Error, ErrorKind};

/// Statements that are sent together, with what is known of where they come from.
#[derive(Debug, Default)]
pub(super) struct Message<'w> {
    text: String,
    /// How many statements the text holds; the server completes them one by one.
    count: usize,
    /// Which of them execute something prepared: the server points into the text that prepared it.
    executes: Vec<usize>,
    script: Option<Part<'w>>,
    verify: Option<Part<'w>>,
}

/// Statements of a script inside a message.
#[derive(Debug)]
struct Part<'w> {
    file: &'w File<'w>,
    statements: Vec<Statement>,
    /// How many statements come before the first of these.
    first: usize,
    /// Where each statement stands in the message.
    places: Vec<Range<usize>>,
}

impl<'w> Message<'w> {
    /// A message of our own statements.
    pub(super) fn of(statements: &[&str]) -> Self {
        let mut message = Self::default();
        statements.iter().for_each(|statement| message.push(statement));
        message
    }

    /// The statements, for a program that sends them itself.
    #[cfg(feature = "backup")]
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Adds one statement of ours.
    pub(super) fn push(&mut self, statement: &str) {
        if statement.starts_with("EXECUTE ") {
            self.executes.push(self.count);
        }
        self.text.push_str(statement);
        self.text.push_str(";\n");
        self.count += 1;
    }

    /// Adds statements of a script in a savepoint. Releasing it proves that the script left our transaction standing.
    pub(super) fn script(&mut self, file: &'w File<'w>, statements: Vec<Statement>) {
        self.push("SAVEPOINT migrate_step");
        self.add_script(file, statements);
        // A script may end in a comment without a line end, or without a semicolon.
        self.text.push_str("\n;\n");
        self.push("RELEASE SAVEPOINT migrate_step");
    }

    /// Makes statements of a script the whole message: what cannot run inside a transaction must stand alone.
    pub(super) fn bare(&mut self, file: &'w File<'w>, statements: Vec<Statement>) {
        self.add_script(file, statements);
    }

    fn add_script(&mut self, file: &'w File<'w>, statements: Vec<Statement>) {
        let range = match (statements.first(), statements.last()) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => 0..0,
        };
        let moved = |offset: usize| offset - range.start + self.text.len();
        let places = statements.iter().map(|statement| moved(statement.start)..moved(statement.end)).collect();
        self.text.push_str(&file.sql[range]);
        let first = self.count;
        self.count += statements.len();
        self.script = Some(Part { file, statements, first, places });
    }

    /// Adds a verify script: each query becomes an expression that fails unless it is one true value.
    ///
    /// # Errors
    ///
    /// A statement that gives rows and is no query: its answer could not be looked at before the commit.
    pub(super) fn verify(&mut self, step: &Step, file: &'w File<'w>, statements: Vec<Statement>) -> Result<(), Error> {
        let first = self.count;
        let mut places = Vec::new();
        for statement in &statements {
            let text = statement.text(&file.sql);
            let (before, after) = match sql::answer(text) {
                // The text of the failure is not constant, so that it is not evaluated ahead of time.
                Answer::Query => (
                    "SELECT CASE WHEN (",
                    format!(
                        "\n) IS TRUE THEN 1 ELSE (E'{VERIFICATION_FAILED}' || pg_catalog.clock_timestamp())::int END"
                    ),
                ),
                Answer::Nothing => ("", "\n".to_owned()),
                Answer::Rows => {
                    let found = "the statement gives rows and is no query";
                    return Err(verification_error(step, file, statement.start..statement.end, found));
                }
            };
            // The server may also point at what stands around the statement: it has too many columns, for example.
            let start = self.text.len();
            self.push(&format!("{before}{text}{after}"));
            places.push(start..self.text.len());
        }
        self.verify = Some(Part { file, statements, first, places });
        Ok(())
    }

    /// What a step's message gave, or its failure in words.
    pub(super) fn check(&self, fence: Fence, work: &Work<'_>, mut outcome: Outcome) -> Result<Outcome, Error> {
        match outcome.error.take() {
            None => Ok(outcome),
            Some(error) => Err(self.step_error(fence, work, error)),
        }
    }

    fn step_error(&self, fence: Fence, work: &Work<'_>, mut error: MessageError) -> Error {
        let blockers = std::mem::take(&mut error.seen.blockers);
        let unseen = error.waited_too_long() && blockers.is_empty();
        self.unblocked_step_error(fence, work, error).with_blockers(blockers).with_blocked_unseen(unseen)
    }

    fn unblocked_step_error(&self, fence: Fence, work: &Work<'_>, error: MessageError) -> Error {
        if error.is_ours(FENCE_LOST) {
            return lock_lost(fence).with_migration(work.step.version);
        }
        if error.is_ours(PREDECESSOR_MISSING) {
            return Error::new(ErrorKind::Ledger, format!("the step before {} did not take effect", work.step.version))
                .with_migration(work.step.version);
        }
        if error.is_ours(ROW_GONE) {
            return Error::new(ErrorKind::Ledger, format!("the ledger row of {} is gone", work.step.version))
                .with_migration(work.step.version)
                .with_help("nothing of this step was kept; see who changed the ledger, then run again");
        }
        let position = error.position.filter(|_| !self.executes.contains(&error.completed));
        let byte = position.map(|character| sql::offset_of_character(&self.text, character));
        let unverified = self.verify.as_ref().filter(|_| !error.is_stopped());
        if let Some((part, statement, _)) = unverified.and_then(|part| part.find(byte, error.completed)) {
            let found = match &error.database {
                _ if error.is_ours(VERIFICATION_FAILED) => {
                    "the query did not give one row with a true value".to_owned()
                }
                Some(database) => database.to_string(),
                None => error.text.clone(),
            };
            return verification_error(work.step, part.file, statement.start..statement.end, &found);
        }
        let Some(part) = &self.script else {
            return error.plain(&format!("migration {} could not be recorded", work.step.version));
        };
        let Some((part, statement, offset)) = part.find(byte, error.completed) else {
            return error.outside(work, part.first + part.statements.len());
        };
        let failure = Failure {
            retryable: error.is_retryable(),
            connection_lost: error.is_connection_lost(),
            kind: error.kind(ErrorKind::Migration),
            offset,
            statement: Some(statement.start..statement.end),
            database: error.into_database(),
        };
        step_error(work, part.file, failure)
    }
}

impl<'w> Part<'w> {
    /// The statement that failed: the one that the server points into, else the one that was under way when so many
    /// statements of the message were complete. With it, the offset in the file that the server points at.
    fn find(&self, byte: Option<usize>, completed: usize) -> Option<(&Self, &Statement, Option<usize>)> {
        let with_place = || self.statements.iter().zip(&self.places);
        if let Some(byte) = byte {
            // A statement that ends too early is reported at what comes after it: our own semicolon.
            let pointed = with_place().rev().find(|(_, place)| (place.start..=place.end + 1).contains(&byte));
            return pointed.map(|(statement, place)| {
                let within = (byte - place.start).min(place.end - place.start);
                (self, statement, Some(statement.start + within))
            });
        }
        let number = completed.checked_sub(self.first)?;
        self.statements.get(number).map(|statement| (self, statement, None))
    }
}

/// A row of text values.
pub(super) type Row = tokio_postgres::SimpleQueryRow;

/// What a message gave: the rows of each completed statement, and the error that ended it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) rows: Vec<Vec<Row>>,
    pub(super) error: Option<MessageError>,
}

impl Outcome {
    /// The execution time that the last row-giving statement returned.
    pub(super) fn milliseconds(&self) -> Duration {
        let last = self.rows.iter().rev().find_map(|rows| rows.first());
        let text = last.and_then(|row| row.get(0)).unwrap_or_default();
        Duration::from_millis(text.parse().unwrap_or(0))
    }
}

/// Sends a message and collects what it gives.
pub(super) async fn send(client: &Client, message: &Message<'_>) -> Outcome {
    collect(start(client, message).await, message).await
}

/// What the server answers to a message that is on its way.
pub(super) type Replies = Result<SimpleQueryStream, tokio_postgres::Error>;

/// Sends a message without waiting for its answer, so that several can be under way at once.
pub(super) async fn start(client: &Client, message: &Message<'_>) -> Replies {
    #[cfg(feature = "failpoints")]
    crate::failpoint::reach(format_args!("before: {}", message.text));
    client.simple_query_raw(&message.text).await
}

/// Collects what a message gives.
pub(super) async fn collect(replies: Replies, message: &Message<'_>) -> Outcome {
    let mut outcome = Outcome { rows: Vec::new(), error: None };
    let stream = match replies {
        Ok(stream) => stream,
        Err(error) => {
            outcome.error = Some(MessageError::new(&error, 0));
            return outcome;
        }
    };
    let script = message.script.as_ref().map_or(0..0, |part| part.first..part.first + part.statements.len());
    let mut stream = pin!(stream);
    let mut rows = Vec::new();
    while let Some(item) = stream.next().await {
        match item {
            // What a script selects is of no interest, and may be large.
            Ok(SimpleQueryMessage::Row(row)) if !script.contains(&outcome.rows.len()) => rows.push(row),
            Ok(SimpleQueryMessage::CommandComplete(_)) => outcome.rows.push(std::mem::take(&mut rows)),
            Ok(_) => {}
            Err(error) => {
                outcome.error = Some(MessageError::new(&error, outcome.rows.len()));
                break;
            }
        }
    }
    #[cfg(feature = "failpoints")]
    crate::failpoint::reach(format_args!("after: {}", message.text));
    outcome
}

/// Why a message failed, and after how many completed statements.
#[derive(Debug)]
pub(super) struct MessageError {
    /// What a second connection saw meanwhile.
    pub(super) seen: Seen,
    completed: usize,
    database: Option<DatabaseError>,
    state: Option<SqlState>,
    /// The 0-based character of the message that the server points at.
    position: Option<usize>,
    text: String,
    lost: bool,
}

impl MessageError {
    pub(super) fn new(error: &tokio_postgres::Error, completed: usize) -> Self {
        let position = error.as_db_error().and_then(DbError::position).and_then(|position| match position {
            ErrorPosition::Original(character) => (*character as usize).checked_sub(1),
            ErrorPosition::Internal { .. } => None,
        });
        Self {
            seen: Seen::default(),
            completed,
            database: database_error(error),
            state: error.code().cloned(),
            position,
            lost: is_connection_lost(error),
            text: super::causes(error),
        }
    }

    /// Whether the same attempt may succeed later: lock timeout, deadlock, serialization failure, or cancelled by ourselves
    /// because it waited too long for locks in all.
    fn is_retryable(&self) -> bool {
        let passing =
            [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE];
        let cancelled = self.seen.over_budget && self.state.as_ref() == Some(&SqlState::QUERY_CANCELED);
        cancelled || self.state.as_ref().is_some_and(|state| passing.contains(state))
    }

    /// Whether it waited for locks for longer than it may.
    fn waited_too_long(&self) -> bool {
        self.seen.over_budget || self.state == Some(SqlState::LOCK_NOT_AVAILABLE)
    }

    /// Whether it was cancelled because the run is to stop now.
    fn is_stopped(&self) -> bool {
        self.seen.stopped && self.state.as_ref() == Some(&SqlState::QUERY_CANCELED)
    }

    /// The kind of error it makes, if nothing that is known of it makes it another.
    fn kind(&self, otherwise: ErrorKind) -> ErrorKind {
        match (self.lost, self.is_stopped()) {
            (true, _) => ErrorKind::Database,
            (false, true) => ErrorKind::Cancelled,
            (false, false) => otherwise,
        }
    }

    /// Whether it would write in a transaction that may not.
    pub(super) fn is_read_only(&self) -> bool {
        self.state == Some(SqlState::READ_ONLY_SQL_TRANSACTION)
    }

    /// Whether it was cancelled, by a timeout or by somebody.
    pub(super) fn is_cancelled(&self) -> bool {
        self.state == Some(SqlState::QUERY_CANCELED)
    }

    /// Whether the connection is gone with it.
    pub(super) fn is_connection_lost(&self) -> bool {
        self.lost
    }

    /// Whether the statement turned out not to run inside a transaction: a procedure that commits, for example.
    pub(super) fn refuses_transaction(&self) -> bool {
        let refusals = [SqlState::ACTIVE_SQL_TRANSACTION, SqlState::INVALID_TRANSACTION_TERMINATION];
        self.state.as_ref().is_some_and(|state| refusals.contains(state))
    }

    /// Whether another process created the same table at the same moment.
    pub(super) fn is_raced(&self) -> bool {
        let raced = [
            SqlState::UNIQUE_VIOLATION,
            SqlState::DUPLICATE_TABLE,
            SqlState::DUPLICATE_OBJECT,
            SqlState::T_R_DEADLOCK_DETECTED,
        ];
        self.state.as_ref().is_some_and(|state| raced.contains(state))
    }

    pub(super) fn is_undefined_table(&self) -> bool {
        self.state == Some(SqlState::UNDEFINED_TABLE)
    }

    /// Whether it is the error that one of our own guards raises: a text that is no number and says why.
    fn is_ours(&self, mark: &str) -> bool {
        self.state == Some(SqlState::INVALID_TEXT_REPRESENTATION)
            && self.database.as_ref().is_some_and(|database| database.message.contains(mark))
    }

    /// Whether one of our statements is no longer prepared.
    pub(super) fn is_unprepared(&self) -> bool {
        self.state == Some(SqlState::INVALID_SQL_STATEMENT_NAME)
            && self.database.as_ref().is_some_and(|database| database.message.contains(PREFIX))
    }

    fn into_database(self) -> DatabaseError {
        if self.seen.over_budget {
            let message = "waited for locks for longer than the lock timeout in all, and was cancelled".to_owned();
            let code = self.state.map(|state| state.code().to_owned());
            return DatabaseError { message, code, ..DatabaseError::default() };
        }
        self.database.unwrap_or(DatabaseError { message: self.text, ..DatabaseError::default() })
    }

    /// A failure of a step that no statement of its script caused.
    fn outside(self, work: &Work<'_>, behind_script: usize) -> Error {
        let step = work.step;
        if self.state.as_ref().is_some_and(|state| state.code().starts_with("23")) {
            let failure = Failure {
                retryable: false,
                connection_lost: false,
                kind: ErrorKind::Migration,
                offset: Some(0),
                statement: None,
                database: self.into_database(),
            };
            return step_error(work, &work.script, failure);
        }
        let of_script = self.state.as_ref().is_some_and(|state| *state != SqlState::QUERY_CANCELED) && !self.lost;
        // Where the script holds statements that only the server saw, its end is further back.
        let released_nothing = [SqlState::NO_ACTIVE_SQL_TRANSACTION, SqlState::S_E_INVALID_SPECIFICATION];
        let is_gone = self.state.as_ref().is_some_and(|state| released_nothing.contains(state));
        if is_gone || self.completed == behind_script && of_script {
            return Error::new(
                ErrorKind::Migration,
                format!("migration {} `{}` ended the transaction that it runs in", step.version, step.name),
            )
            .with_migration(step.version)
            .with_location(work.script.location(0))
            .with_database(self.into_database().without(&sql::Secrets::of(&work.script.sql)))
            .with_help("set `\"transaction\": false` in its metadata.json, or leave transaction control to migrate");
        }
        self.plain(&format!("migration {} `{}` could not be run", step.version, step.name)).with_migration(step.version)
    }

    /// A failure of changing the ledger without any script.
    pub(super) fn of_ledger(self, fence: Fence, what: &str) -> Error {
        if self.is_ours(FENCE_LOST) {
            return lock_lost(fence);
        }
        if self.is_ours(ROW_GONE) {
            return Error::new(ErrorKind::Ledger, "a row of the ledger is gone")
                .with_help("nothing was changed; see who changed the ledger, then run again");
        }
        self.plain(what)
    }

    /// A failure outside a script.
    pub(super) fn plain(self, what: &str) -> Error {
        let state = self.state.as_ref();
        let denied = state == Some(&SqlState::INSUFFICIENT_PRIVILEGE);
        let read_only = denied || state == Some(&SqlState::READ_ONLY_SQL_TRANSACTION);
        let kind = if read_only { ErrorKind::ReadOnly } else { self.kind(ErrorKind::Database) };
        let (retryable, lost) = (self.is_retryable(), self.lost);
        let error = Error::new(kind, what)
            .with_retryable(retryable)
            .with_connection_lost(lost)
            .with_database(self.into_database());
        if denied {
            return error.with_help("grant the rights to this role, or migrate as the owner of the ledger's schema");
        }
        if read_only {
            return error.with_help("connect to the primary server, with a role that may write");
        }
        if lost {
            return error.with_help(RUN_AGAIN);
        }
        error
    }
}

/// Whether the connection is gone: the server ended it (its last words are fatal), or it ended without a word.
fn is_connection_lost(error: &tokio_postgres::Error) -> bool {
    match error.as_db_error() {
        None => true,
        Some(database) => {
            let fatal = matches!(database.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
            // Poolers report the loss of the server behind them in their own words, of this class. A server that is still
            // there names the place in its source: then a script speaks of another connection, a publisher's for example.
            fatal || database.code().code().starts_with("08") && database.routine().is_none()
        }
    }
}

/// What the server said, if it was the server.
pub(crate) fn database_error(error: &tokio_postgres::Error) -> Option<DatabaseError> {
    error.as_db_error().map(|error| DatabaseError {
        message: error.message().to_owned(),
        code: Some(error.code().code().to_owned()),
        detail: error.detail().map(str::to_owned),
        hint: error.hint().map(str::to_owned),
    })
}
