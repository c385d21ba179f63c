//! PostgreSQL, through tokio-postgres.
//!
//! Everything goes over the simple query protocol: a whole step is one message, and nothing depends on prepared
//! statements. The run lock is a lease in the state row; every transaction of a run takes a row lock on the fence number
//! that lets the lease's renewal pass and blocks a take-over.

mod lease;
mod message;
mod session;
mod tables;

use std::collections::VecDeque;
use std::time::Duration;

use migrate_core::ledger::{Snapshot, Status};
use migrate_core::migration::Dialect;
use migrate_core::plan::{Direction, Step};
use migrate_core::sql::{Segment, SegmentKind};
use migrate_core::version::SchemaVersion;
use tokio_postgres::Client;

pub(crate) use self::message::database_error;

use self::lease::Renewal;
use self::message::{Message, MessageError, Outcome, collect, send, start};
use self::session::Session;
use self::tables::Names;
use crate::backend::{Backend, Edit, Fence, HistoryEntry, Run, RunEnd, Stored, Took, Work, ledger_error};
use crate::database::Postgres;
use crate::error::{Error, ErrorKind};
use crate::options::Tables;
use crate::report::HistoryRow;

/// How many steps are under way at once: enough to hide the network, few enough to stop soon.
const WINDOW: usize = 16;

enum Link<'c> {
    Owned(Client),
    Borrowed(&'c mut Client),
}

pub(crate) struct PostgresBackend<'c> {
    link: Link<'c>,
    /// How to make a second connection; `None` in the reduced mode.
    connector: Option<Postgres>,
    names: Names,
    /// What scripts may change in the session, as it was when the run began.
    session: Session,
    /// The lock, as long as it is held.
    held: Option<Fence>,
    renewal: Option<Renewal>,
}

impl<'c> PostgresBackend<'c> {
    /// The database behind a connection of our own, and how to make another one.
    pub(crate) fn of_client(client: Client, connector: Postgres, tables: &Tables) -> Self {
        Self::new(Link::Owned(client), Some(connector), tables)
    }

    /// The database behind a client that the application keeps.
    pub(crate) fn of_borrowed(client: &'c mut Client, tables: &Tables) -> Self {
        Self::new(Link::Borrowed(client), None, tables)
    }

    fn new(link: Link<'c>, connector: Option<Postgres>, tables: &Tables) -> Self {
        Self { link, connector, names: Names::new(tables), session: Session::default(), held: None, renewal: None }
    }

    fn client(&self) -> &Client {
        match &self.link {
            Link::Owned(client) => client,
            Link::Borrowed(client) => client,
        }
    }

    /// Sends a message of our own and gives its rows, statement by statement.
    async fn ask(&self, what: &str, message: Message<'_>) -> Result<Vec<Vec<message::Row>>, Error> {
        match send(self.client(), &message).await {
            Outcome { rows, error: None, .. } => Ok(rows),
            Outcome { error: Some(error), .. } => Err(error.plain(what)),
        }
    }

    /// Creates our tables, unless another process does so at this moment.
    async fn create(&mut self) -> Result<Created, Error> {
        let Some(schema) = self.names.schema.clone() else {
            return Err(Error::new(ErrorKind::Configuration, "there is no schema to create the ledger in")
                .with_help("create the schema, name an existing one with the `schema` option, or mend `search_path`"));
        };
        let outcome = send(self.client(), &self.names.create(&schema)).await;
        let Some(error) = outcome.error else {
            return Ok(Created::Here);
        };
        self.client()
            .batch_execute("ROLLBACK")
            .await
            .map_err(|error| MessageError::new(&error, 0).plain("rollback"))?;
        if error.is_raced() { Ok(Created::Elsewhere) } else { Err(error.plain("the ledger could not be created")) }
    }

    /// A statement that cannot run in a transaction cannot prove the fence either. On a connection of our own the lease
    /// is renewed meanwhile; a borrowed client has nobody to renew it.
    fn refuse_bare_statements_when_borrowed(&self, work: &Work<'_>) -> Result<(), Error> {
        let segments = work.script.segments(Dialect::Postgres)?;
        let bare = segments.iter().find(|segment| matches!(segment.kind, SegmentKind::Bare(_)));
        match bare {
            Some(segment) if self.connector.is_none() => Err(Error::new(
                ErrorKind::Configuration,
                format!("migration {} cannot run on a borrowed client", work.step.version),
            )
            .with_migration(work.step.version)
            .with_location(work.script.location(segment.start))
            .with_help("migrate with `Postgres::from_url`, which keeps the run lock alive from a second connection")),
            _ => Ok(()),
        }
    }

    /// Takes the run lock if a condition on the state row holds.
    async fn acquire_if(&mut self, free: &str, run: &Run, seen: Fence) -> Result<(Option<Fence>, Snapshot), Error> {
        if !self.names.present {
            match self.create().await? {
                Created::Here => self.names.present = true,
                Created::Elsewhere => return Ok((None, self.read().await?)),
            }
        }
        let rows = self.ask("the lock could not be taken", self.names.take_lock(free, run, seen)).await?;
        let fence = rows[1].first().map(|row| self.names.parse_fence(row)).transpose()?;
        let snapshot = self.names.snapshot(&rows[2..])?;
        if let Some(fence) = fence {
            self.session = Session::new(&rows[0], self.connector.is_some());
            self.held = Some(fence);
            self.renewal = self.connector.clone().map(|connector| Renewal::start(connector, self.names.renew(fence)));
        }
        Ok((fence, snapshot))
    }

    /// The message of a transactional step.
    fn step_message<'w>(&self, run: &Run, fence: Fence, work: &'w Work<'_>) -> Result<Message<'w>, Error> {
        let mut message = self.open(fence, work, work.after);
        let statements = work.script.statements(Dialect::Postgres)?;
        message.script(&work.script, statements);
        self.session.restore_after(&mut message, &work.script.sql);
        message.push(&tables::set_timeouts(work));
        self.close(message, run, fence, work, None)
    }

    /// Begins a transaction that proves the fence and that the step before took effect.
    fn open<'w>(&self, fence: Fence, work: &Work<'_>, after: Option<&Step>) -> Message<'w> {
        let mut message = Message::default();
        // A script outside a transaction may have made read-only transactions the default, or taken another role.
        message.push("BEGIN READ WRITE");
        if !work.transactional {
            message.push(&tables::own_role(self.session.role()));
        }
        message.push(&tables::set_timeouts(work));
        message.push(&self.names.prove(fence, after));
        message
    }

    /// Verifies, records and commits.
    fn close<'w>(
        &self,
        mut message: Message<'w>,
        run: &Run,
        fence: Fence,
        work: &'w Work<'_>,
        duration: Option<Duration>,
    ) -> Result<Message<'w>, Error> {
        if let Some(verify) = &work.verify {
            message.verify(work.step, verify, verify.statements(Dialect::Postgres)?)?;
            self.session.restore_after(&mut message, &verify.sql);
        }
        let entry = HistoryEntry::done(work.step, duration.map_or(Took::SinceMessage, Took::Measured));
        match (work.step.direction, duration) {
            (Direction::Up, None) => message.push(&self.names.insert(run, work, Status::Applied)),
            (Direction::Up, Some(duration)) => message.push(&self.names.complete(work.step, duration)),
            (Direction::Down, _) => message.push(&self.names.delete(work.step)),
        }
        message.push(&self.names.add_history(run, fence, &entry));
        message.push("COMMIT");
        Ok(message)
    }

    /// Runs a message that belongs to a step.
    async fn run_step(&self, fence: Fence, work: &Work<'_>, message: &Message<'_>) -> Result<Outcome, Error> {
        message.check(fence, work, send(self.client(), message).await)
    }
}

/// A run on a borrowed client that was dropped half way leaves neither an open transaction nor the lock behind: the
/// messages that clean up are sent here, and the connection delivers them before anything that comes after.
impl Drop for PostgresBackend<'_> {
    fn drop(&mut self) {
        if let (Link::Borrowed(client), Some(fence)) = (&self.link, self.held) {
            for message in [self.session.restore(), Message::of(&[&self.names.give_lock_back(fence)])] {
                let mut sending = std::pin::pin!(start(client, &message));
                // A message is on its way after the first poll.
                drop(sending.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())));
            }
        }
    }
}

enum Created {
    Here,
    Elsewhere,
}

impl Backend for PostgresBackend<'_> {
    const DIALECT: Dialect = Dialect::Postgres;

    async fn read(&mut self) -> Result<Snapshot, Error> {
        let Outcome { rows, error, .. } = send(self.client(), &self.names.read()).await;
        let Some(catalogue) = rows.first().and_then(|rows| rows.first()) else {
            return Err(match error {
                Some(error) => error.plain("the database could not be read"),
                None => ledger_error("pg_class", "the catalogue gave no answer"),
            });
        };
        // The catalogue says whether our tables are there. Only when it says no may the reads behind it fail.
        if !self.names.found(catalogue)? {
            return match error {
                Some(error) if !error.is_undefined_table() => Err(error.plain("the database could not be read")),
                _ => Ok(Snapshot::default()),
            };
        }
        if let Some(error) = error {
            return Err(error.plain("the ledger could not be read"));
        }
        self.names.snapshot(&rows[2..])
    }

    async fn stored(&mut self, versions: &[SchemaVersion]) -> Result<Vec<Stored>, Error> {
        let rows = self.ask("the stored scripts could not be read", self.names.stored(versions)).await?;
        rows.first().into_iter().flatten().map(|row| self.names.parse_stored(row)).collect()
    }

    async fn history(&mut self, limit: u32) -> Result<Vec<HistoryRow>, Error> {
        if self.read().await?.state.is_none() {
            return Ok(Vec::new());
        }
        let rows = self.ask("the history could not be read", self.names.history(limit)).await?;
        rows.first().into_iter().flatten().map(|row| self.names.parse_history(row)).collect()
    }

    async fn acquire(&mut self, run: &Run, seen: Fence) -> Result<(Option<Fence>, Snapshot), Error> {
        self.acquire_if(tables::FREE, run, seen).await
    }

    async fn apply(
        &mut self,
        run: &Run,
        fence: Fence,
        works: &[Work<'_>],
        done: &mut (dyn FnMut(usize, Duration) + Send),
    ) -> Result<(), Error> {
        let mut under_way = VecDeque::new();
        let mut waiting = works.iter().enumerate();
        loop {
            while under_way.len() < WINDOW
                && let Some((index, work)) = waiting.next()
            {
                let sent = match self.step_message(run, fence, work) {
                    Ok(message) => Ok((start(self.client(), &message).await, message)),
                    Err(error) => Err(error),
                };
                under_way.push_back((index, sent));
            }
            let Some((index, sent)) = under_way.pop_front() else {
                return Ok(());
            };
            // Steps behind a failed one are refused by the server: its transaction is aborted, or their guard fails.
            let (replies, message) = sent?;
            let outcome = message.check(fence, &works[index], collect(replies, &message).await)?;
            done(index, outcome.milliseconds());
        }
    }

    async fn begin(&mut self, run: &Run, fence: Fence, work: &Work<'_>) -> Result<(), Error> {
        self.refuse_bare_statements_when_borrowed(work)?;
        let mut message = self.open(fence, work, None);
        match work.step.direction {
            Direction::Up => message.push(&self.names.insert(run, work, Status::Applying)),
            Direction::Down => message.push(&self.names.mark_reverting(work)),
        }
        message.push(&self.names.add_history(run, fence, &HistoryEntry::of_step(work.step, "started")));
        message.push("COMMIT");
        self.run_step(fence, work, &message).await.map(drop)
    }

    async fn abandon(&mut self, fence: Fence, step: &Step) -> Result<(), Error> {
        let undo = match step.direction {
            Direction::Up => self.names.delete(step),
            Direction::Down => self.names.mark_applied(step),
        };
        let message = Message::of(&["BEGIN", &self.names.prove(fence, None), &undo, "COMMIT"]);
        self.ask("the ledger row could not be put back", message).await.map(drop)
    }

    async fn segment(
        &mut self,
        fence: Fence,
        work: &Work<'_>,
        segment: &Segment,
        progress: Option<u32>,
    ) -> Result<(), Error> {
        let in_transaction = matches!(segment.kind, SegmentKind::Transactional | SegmentKind::Group);
        if !in_transaction {
            if let Some(timeout) = tables::set_statement_timeout(work) {
                self.ask("the statement timeout could not be set", Message::of(&[&timeout])).await?;
            }
            let mut message = Message::default();
            message.bare(&work.script, segment.statements.clone());
            self.run_step(fence, work, &message).await?;
        }
        let Some(progress) = progress else {
            return Ok(());
        };
        let mut message = self.open(fence, work, None);
        if in_transaction {
            message.push(tables::SCRIPTS_ROLE);
            message.script(&work.script, segment.statements.clone());
            message.push(&tables::own_role(self.session.role()));
        }
        message.push(&self.names.progress(work.step, progress));
        message.push("COMMIT");
        self.run_step(fence, work, &message).await.map(drop)
    }

    async fn finish(&mut self, run: &Run, fence: Fence, work: &Work<'_>, duration: Duration) -> Result<(), Error> {
        let message = self.close(self.open(fence, work, None), run, fence, work, Some(duration))?;
        self.run_step(fence, work, &message).await.map(drop)
    }

    async fn restore_session(&mut self) -> Result<(), Error> {
        self.ask("the connection's settings could not be restored", self.session.restore()).await.map(drop)
    }

    async fn failed(&mut self, run: &Run, fence: Fence, step: &Step, error: &Error) -> Result<(), Error> {
        let text = error.to_string();
        let entry = HistoryEntry { error: Some(&text), ..HistoryEntry::of_step(step, "failed") };
        let message = Message::of(&[&self.names.add_history(run, fence, &entry)]);
        self.ask("the history could not be written", message).await.map(drop)
    }

    async fn release(&mut self, run: &Run, fence: Fence, end: RunEnd<'_>) -> Result<(), Error> {
        self.renewal = None;
        let entry = HistoryEntry { error: end.error, ..HistoryEntry::of_run(end.outcome) };
        let message = Message::of(&[&self.names.add_history(run, fence, &entry), &self.names.give_lock_back(fence)]);
        self.ask("the lock could not be given back", message).await?;
        self.held = None;
        Ok(())
    }

    async fn sleep(&mut self, duration: Duration) -> Result<(), Error> {
        tokio::time::sleep(duration).await;
        Ok(())
    }

    async fn amend(
        &mut self,
        run: &Run,
        fence: Fence,
        edits: &[Edit<'_>],
        entries: &[HistoryEntry<'_>],
    ) -> Result<(), Error> {
        let mut message = Message::of(&["BEGIN READ WRITE", &self.names.prove(fence, None)]);
        for edit in edits {
            message.push(&match edit {
                Edit::Insert(work, status) => self.names.insert(run, work, *status),
                Edit::Accept(work) => self.names.accept(run, work),
                Edit::Complete(step) => self.names.complete(step, Duration::ZERO),
                Edit::Forget(step) => self.names.delete(step),
            });
        }
        for entry in entries {
            message.push(&self.names.add_history(run, fence, entry));
        }
        message.push("COMMIT");
        match send(self.client(), &message).await.error {
            None => Ok(()),
            Some(error) => Err(error.of_ledger(fence, "the ledger could not be changed")),
        }
    }

    async fn seize(&mut self, run: &Run, seen: Fence) -> Result<(Option<Fence>, Snapshot), Error> {
        self.acquire_if("true", run, seen).await
    }
}

/// A failure outside a script.
pub(crate) fn plain_error(what: &str, error: &tokio_postgres::Error) -> Error {
    MessageError::new(error, 0).plain(what)
}

/// A driver error with its causes: its own words are often only "error connecting to server".
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}
