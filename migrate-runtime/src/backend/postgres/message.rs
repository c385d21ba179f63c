//! A message of several statements: built, sent, and, when it fails, traced back to the script.

use std::borrow::Cow;
use std::ops::Range;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use migrate_core::plan::Step;
use migrate_core::sql::{self, Answer, Statement};
use tokio_postgres::error::{DbError, ErrorPosition, Severity, SqlState};
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryStream};

use super::statements::PREFIX;
use super::tables::{
    FENCE_LOST, Names, PREDECESSOR_MISSING, ROW_GONE, ROW_NOT_WRITTEN, TEMPORARY_LEFT, VERIFICATION_FAILED,
};
use super::watch::Seen;
use crate::backend::{
    Failure, Fence, File, RUN_AGAIN, Work, lock_lost, row_not_written, step_error, verification_error, verify_error,
};
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
    /// How many statements come before the one that has the script's deferred constraints checked.
    settles: Option<usize>,
    verify: Option<Part<'w>>,
    /// Our tables, where the message records a step in them.
    tables: Option<Names>,
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

    /// Says that the message records a step in our tables.
    pub(super) fn records_in(&mut self, tables: &Names) {
        self.tables = Some(tables.clone());
    }

    /// Adds statements of a script in a savepoint. Releasing it proves that the script left our transaction standing.
    pub(super) fn script(&mut self, file: &'w File<'w>, statements: Vec<Statement>) {
        self.push("SAVEPOINT migrate_step");
        self.add_script(file, statements);
        // A script may end in a comment without a line end, or without a semicolon.
        self.text.push_str("\n;\n");
        self.push("RELEASE SAVEPOINT migrate_step");
        // What a deferred trigger does belongs to the script: it is done before settings are put back and anything is verified.
        self.settles = Some(self.count);
        self.push("SET CONSTRAINTS ALL IMMEDIATE");
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
    /// A statement that may give rows and is no query: its answer could not be looked at before the commit.
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
                    let found = "the statement may give rows and is no query";
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

    /// Whether it failed since one of our statements is no longer prepared, or was prepared for tables that have changed since.
    pub(super) fn is_unprepared(&self, outcome: &Outcome) -> bool {
        let Some(error) = &outcome.error else {
            return false;
        };
        let changed = error.state == Some(SqlState::FEATURE_NOT_SUPPORTED);
        let gone = error.state == Some(SqlState::INVALID_SQL_STATEMENT_NAME)
            && error.database.as_ref().is_some_and(|database| database.message.contains(PREFIX));
        gone || changed && self.executes.contains(&error.completed)
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
        if error.is_ours(ROW_NOT_WRITTEN) {
            return row_not_written(work.step.version);
        }
        if error.is_ours(TEMPORARY_LEFT) {
            return temporary_left(work);
        }
        if error.is_ours(ROW_GONE) {
            return Error::new(ErrorKind::Ledger, format!("the ledger row of {} is gone", work.step.version))
                .with_migration(work.step.version)
                .with_help("nothing of this step was kept; see who changed the ledger, then run again");
        }
        let position = error.position.filter(|_| !self.executes.contains(&error.completed));
        let byte = position.map(|character| sql::offset_of_character(&self.text, character));
        if let Some((part, statement, _)) = self.verify.as_ref().and_then(|part| part.find(byte, error.completed)) {
            if error.is_ours(VERIFICATION_FAILED) {
                let found = "the query did not give one row with a true value";
                return verification_error(work.step, part.file, statement.start..statement.end, found);
            }
            return verify_error(work, part.file, error.into_failure(Some(statement)));
        }
        match self.script.as_ref().and_then(|part| part.find(byte, error.completed)) {
            Some((part, statement, offset)) => {
                step_error(work, part.file, Failure { offset, ..error.into_failure(Some(statement)) })
            }
            None => self.outside(work, error),
        }
    }

    /// A failure of a step that no statement of its scripts caused.
    fn outside(&self, work: &Work<'_>, error: MessageError) -> Error {
        let step = work.step;
        let fails = |kind, message: String| Error::new(kind, message).with_migration(step.version);
        if let Some((file, offset)) = error.unknown_character().and_then(|character| find_in_scripts(work, &character))
        {
            let failure = Failure { offset: Some(offset), ..error.into_failure(None) };
            return step_error(work, &file, failure).with_help(
                "the encoding of the database has no such character: leave it out of the scripts, comments included, or use a database in UTF8",
            );
        }
        let behind_script = self.script.as_ref().map(|part| part.first + part.statements.len());
        let is_behind = behind_script.is_some_and(|behind| error.completed > behind);
        if let Some(names) = &self.tables {
            if error.is_in_ledger(names) {
                let message = format!("the ledger already holds a row of {}", step.version);
                return fails(ErrorKind::Ledger, message).with_database(error.into_database()).with_help(
                    "somebody else wrote it while the run was at work, or a script did: find out who; `migrate status` shows what it says",
                );
            }
            if error.misses(names) && is_behind {
                let message =
                    format!("migration {} `{}` removed or renamed one of our tables", step.version, step.name);
                return fails(ErrorKind::Migration, message)
                    .with_location(work.script.location(0))
                    .with_database(error.into_database())
                    .with_help(format!("take that out of its script: there must be {}", names.listed()));
            }
            if error.misses(names) {
                let message = format!("migration {} could not be recorded", step.version);
                return error.plain(&message).with_migration(step.version).with_help(names.put_back());
            }
        }
        let Some(behind_script) = behind_script else {
            return error.plain(&format!("migration {} could not be recorded", step.version));
        };
        let is_deferred = self.settles == Some(error.completed) && !error.lost;
        if is_deferred || error.is_class("23") {
            let failure = Failure { offset: Some(0), ..error.into_failure(None) };
            return step_error(work, &work.script, failure);
        }
        let of_script = error.state.as_ref().is_some_and(|state| *state != SqlState::QUERY_CANCELED) && !error.lost;
        // Where the script holds statements that only the server saw, its end is further back.
        let released_nothing = [SqlState::NO_ACTIVE_SQL_TRANSACTION, SqlState::S_E_INVALID_SPECIFICATION];
        let is_gone = error.state.as_ref().is_some_and(|state| released_nothing.contains(state));
        if is_gone || error.completed == behind_script && of_script {
            let message = format!("migration {} `{}` ended the transaction that it runs in", step.version, step.name);
            return fails(ErrorKind::Migration, message)
                .with_location(work.script.location(0))
                .with_database(error.into_database().without(&sql::Secrets::of(&work.script.sql)))
                .with_help(
                    "set `\"transaction\": false` in its metadata.json, or leave transaction control to migrate",
                );
        }
        error
            .plain(&format!("migration {} `{}` could not be run", step.version, step.name))
            .with_migration(step.version)
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
    /// Whether row security would have hidden rows. The server's code for it is that of every missing right.
    row_security: bool,
    /// The schema and name of the table that it is about, if it is about one.
    table: Option<(String, String)>,
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
            row_security: error.as_db_error().and_then(DbError::routine) == Some("check_enable_rls"),
            table: error.as_db_error().and_then(|it| Some((it.schema()?.to_owned(), it.table()?.to_owned()))),
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

    /// Whether it was cancelled because the run is to stop.
    pub(super) fn is_stopped(&self) -> bool {
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

    fn is_class(&self, class: &str) -> bool {
        self.state.as_ref().is_some_and(|state| state.code().starts_with(class))
    }

    pub(super) fn is_row_security(&self) -> bool {
        self.row_security
    }

    /// Whether the ledger holds such a row already.
    fn is_in_ledger(&self, names: &Names) -> bool {
        let refusing = self.table.as_ref().map(|(schema, table)| (Some(schema), table));
        self.state == Some(SqlState::UNIQUE_VIOLATION) && refusing == Some((names.schema.as_ref(), &names.plain[0]))
    }

    /// Whether one of our tables is missing, or their schema. The names of all begin with that of the ledger.
    pub(super) fn misses(&self, names: &Names) -> bool {
        let says = |name: &str| self.database.as_ref().is_some_and(|database| database.message.contains(name));
        self.is_undefined_table() && says(&names.plain[0])
            || self.state == Some(SqlState::INVALID_SCHEMA_NAME) && names.schema.as_deref().is_some_and(says)
    }

    /// The character that the database's encoding does not have, if that is what is wrong. The server gives its bytes, in
    /// the same form in every language.
    fn unknown_character(&self) -> Option<String> {
        let database = self.database.as_ref().filter(|_| self.state == Some(SqlState::UNTRANSLATABLE_CHARACTER))?;
        let byte = |word: &str| u8::from_str_radix(word.strip_prefix("0x")?, 16).ok();
        String::from_utf8(database.message.split(' ').filter_map(byte).collect()).ok().filter(|it| !it.is_empty())
    }

    /// Whether it is the error that one of our own guards raises: a text that is no number and says why.
    fn is_ours(&self, mark: &str) -> bool {
        self.state == Some(SqlState::INVALID_TEXT_REPRESENTATION)
            && self.database.as_ref().is_some_and(|database| database.message.contains(mark))
    }

    fn into_database(self) -> DatabaseError {
        if self.seen.over_budget {
            let message = "waited for locks for longer than the lock timeout in all, and was cancelled".to_owned();
            let code = self.state.map(|state| state.code().to_owned());
            return DatabaseError { message, code, ..DatabaseError::default() };
        }
        self.database.unwrap_or(DatabaseError { message: self.text, ..DatabaseError::default() })
    }

    /// A failure of a script, in one of its statements if one is known.
    fn into_failure(self, statement: Option<&Statement>) -> Failure {
        Failure {
            retryable: self.is_retryable(),
            connection_lost: self.lost,
            kind: self.kind(ErrorKind::Migration),
            offset: None,
            statement: statement.map(|statement| statement.start..statement.end),
            database: self.into_database(),
        }
    }

    /// A failure of changing the ledger without any script.
    pub(super) fn of_ledger(self, fence: Fence, what: &str) -> Error {
        if self.is_ours(FENCE_LOST) {
            return lock_lost(fence);
        }
        if self.is_ours(ROW_NOT_WRITTEN) {
            return Error::new(
                ErrorKind::Ledger,
                "a row was not written: a trigger or rule on the ledger's table keeps it out",
            )
            .with_help("nothing was changed; remove what stands on the table, then run again");
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

/// The error of a step through a pooler, whose session somebody else is served by afterwards.
fn temporary_left(work: &Work<'_>) -> Error {
    let version = work.step.version;
    let message = format!("migration {version} leaves temporary objects in a session that the pooler lends to others");
    Error::new(ErrorKind::Migration, message).with_migration(version).with_location(work.script.location(0)).with_help(
        "nothing of this step was kept; drop them in the script, or give the server's own \
         address beside the pooler's (`--direct-url`, or `direct_url` of the connector)",
    )
}

/// Where a character stands first, in what a step executes and stores.
fn find_in_scripts<'a>(work: &'a Work<'_>, character: &str) -> Option<(File<'a>, usize)> {
    let executed = [Some(&work.script), work.verify.as_ref()].into_iter().flatten();
    let executed = executed.map(|file| File { source: file.source, sql: Cow::Borrowed(&file.sql) });
    executed.chain(work.stored_down()).find_map(|file| file.sql.find(character).map(|offset| (file, offset)))
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
