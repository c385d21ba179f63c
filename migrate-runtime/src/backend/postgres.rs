//! PostgreSQL, through tokio-postgres.
//!
//! Everything goes over the simple query protocol: a whole step is one message, and nothing depends on prepared
//! statements. The run lock is a lease in the state row; every transaction of a run takes a row lock on the fence number
//! that lets the lease's renewal pass and blocks a take-over.

mod lease;
mod message;
#[cfg(feature = "testing")]
mod scratch;
mod tables;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use migrate_core::ledger::{Snapshot, Status};
use migrate_core::migration::Dialect;
use migrate_core::plan::{Direction, Step};
use migrate_core::sql::{Segment, SegmentKind};
use migrate_core::version::SchemaVersion;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, NoTls};

use self::lease::Renewal;
use self::message::{Message, MessageError, Outcome, collect, send, start};
use self::tables::Names;
use crate::backend::{Backend, Fence, HistoryEntry, Run, RunEnd, Stored, Took, Work, ledger_error};
use crate::call::Operation;
use crate::database::Database;
use crate::error::{Error, ErrorKind};
use crate::options::Tables;
use crate::report::HistoryRow;

/// How many steps are under way at once: enough to hide the network, few enough to stop soon.
const WINDOW: usize = 16;

/// How long connecting may take, unless the URL says it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A PostgreSQL database.
///
/// ```
/// use migrate_runtime::Postgres;
///
/// let database = Postgres::from_url("postgres://app:secret@db.example/shop")?;
/// assert_eq!(database.to_string(), "postgres://app@db.example:5432/shop");
/// # Ok::<(), migrate_runtime::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Postgres {
    config: Config,
}

impl Postgres {
    /// The database of a URL such as `postgres://user:password@host:5432/name`, with the parameters that
    /// tokio-postgres knows.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`]: an unknown parameter, a port that is no number, `sslmode=require` or stricter
    /// (connections are not encrypted yet).
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            // The driver's words name the parameter, never its value; the URL itself may hold a password.
            Error::new(ErrorKind::Configuration, format!("the PostgreSQL URL cannot be used: {}", causes(&error)))
                .with_help("use `postgres://user:password@host:5432/name`")
        })?;
        Self::from_config(config)
    }

    /// The database of a configuration of tokio-postgres.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`]: `sslmode=require`, since connections are not encrypted yet.
    pub fn from_config(mut config: Config) -> Result<Self, Error> {
        if config.get_ssl_mode() == tokio_postgres::config::SslMode::Require {
            return Err(Error::new(
                ErrorKind::Configuration,
                "`sslmode=require` is asked for, and TLS is not supported",
            )
            .with_help("use `sslmode=prefer` on a network that you trust"));
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_application_name().is_none() {
            config.application_name("migrate");
        }
        Ok(Self { config })
    }

    /// Connects; the task that drives the connection ends with the client.
    async fn connect(&self) -> Result<(Client, JoinHandle<Result<(), tokio_postgres::Error>>), Error> {
        let (client, connection) = self.config.connect(NoTls).await.map_err(|error| {
            let unreachable = Error::new(ErrorKind::Unreachable, format!("cannot connect to {self}"));
            match message::database_error(&error) {
                Some(database) => unreachable.with_database(database),
                None => Error::new(ErrorKind::Unreachable, format!("cannot connect to {self}: {}", causes(&error))),
            }
            .with_help("check that the server runs, and host, port, user, password and database name")
        })?;
        Ok((client, tokio::spawn(connection)))
    }
}

impl fmt::Display for Postgres {
    /// The URL without its password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use tokio_postgres::config::Host;
        let user = self.config.get_user().unwrap_or("");
        let at = if user.is_empty() { "" } else { "@" };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            #[cfg(unix)]
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "localhost".to_owned(),
        };
        write!(f, "postgres://{user}{at}{host}:{port}/{}", self.config.get_dbname().unwrap_or(user))
    }
}

impl Database for Postgres {
    async fn call<O: Operation>(&mut self, operation: O) -> Result<O::Output, Error> {
        let (client, connection) = self.connect().await?;
        let tables = operation.tables();
        let mut backend = PostgresBackend::new(Link::Owned(client), Some(self.clone()), &tables);
        let result = operation.run(&mut backend).await;
        drop(backend);
        // The connection says goodbye to the server; that it may fail to changes nothing.
        drop(connection.await);
        result
    }

    fn call_blocking<O: Operation>(&mut self, operation: O) -> Result<O::Output, Error> {
        block_on(self.call(operation))
    }
}

/// A client of your own.
///
/// The reduced mode: the client must not be inside a transaction and nothing else may use it meanwhile; there is no
/// second connection, so the lock's lease is not renewed and a run between two steps may lose it after 30 seconds.
#[derive(Debug)]
pub struct BorrowedClient<'c> {
    client: &'c mut Client,
}

impl<'c> BorrowedClient<'c> {
    /// Borrows a client.
    pub fn new(client: &'c mut Client) -> Self {
        Self { client }
    }
}

impl Database for BorrowedClient<'_> {
    async fn call<O: Operation>(&mut self, operation: O) -> Result<O::Output, Error> {
        let tables = operation.tables();
        operation.run(&mut PostgresBackend::new(Link::Borrowed(self.client), None, &tables)).await
    }

    fn call_blocking<O: Operation>(&mut self, operation: O) -> Result<O::Output, Error> {
        block_on(self.call(operation))
    }
}

/// Runs a future to its end on a thread of its own, so that it also works inside an async runtime.
fn block_on<T: Send>(future: impl Future<Output = Result<T, Error>> + Send) -> Result<T, Error> {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let failed =
                |error| Error::new(ErrorKind::Unreachable, "no async runtime could be made").with_source(error);
            runtime.map_err(failed)?.block_on(future)
        });
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A driver error with its causes: its own words are often only "error connecting to server".
fn causes(error: &dyn std::error::Error) -> String {
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

enum Link<'c> {
    Owned(Client),
    Borrowed(&'c mut Client),
}

pub(crate) struct PostgresBackend<'c> {
    link: Link<'c>,
    /// How to make a second connection; `None` in the reduced mode.
    connector: Option<Postgres>,
    names: Names,
    /// The settings that scripts may change, as they were when the run began.
    session: Vec<(String, String)>,
    renewal: Option<Renewal>,
}

impl<'c> PostgresBackend<'c> {
    fn new(link: Link<'c>, connector: Option<Postgres>, tables: &Tables) -> Self {
        Self { link, connector, names: Names::new(tables), session: Vec::new(), renewal: None }
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

    /// The message of a transactional step.
    fn step_message<'w>(&self, run: &Run, fence: Fence, work: &'w Work<'_>) -> Result<Message<'w>, Error> {
        let mut message = self.open(fence, work, work.after);
        let statements = work.script.statements(Dialect::Postgres)?;
        message.script(&work.script, statements);
        self.restore_in(&mut message, work);
        self.close(message, run, fence, work, None)
    }

    /// Begins a transaction that proves the fence and that the step before took effect.
    fn open<'w>(&self, fence: Fence, work: &Work<'_>, after: Option<&Step>) -> Message<'w> {
        let mut message = Message::default();
        message.push("BEGIN");
        message.push(&tables::set_timeouts(work));
        message.push(&self.names.prove(fence, after));
        message
    }

    /// Undoes what the script may have set, and sets the step's timeouts again.
    fn restore_in(&self, message: &mut Message<'_>, work: &Work<'_>) {
        message.push(&tables::restore(&self.session));
        message.push(&tables::set_timeouts(work));
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
            message.verify(verify, verify.statements(Dialect::Postgres)?);
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
        if !self.names.present {
            match self.create().await? {
                Created::Here => self.names.present = true,
                Created::Elsewhere => return Ok((None, self.read().await?)),
            }
        }
        let rows = self.ask("the lock could not be taken", self.names.take_lock(run, seen)).await?;
        let fence = rows[1].first().map(|row| self.names.parse_fence(row)).transpose()?;
        let snapshot = self.names.snapshot(&rows[2..])?;
        if let Some(fence) = fence {
            self.session = tables::parse_session(&rows[0]);
            self.renewal = self.connector.clone().map(|connector| Renewal::start(connector, self.names.renew(fence)));
        }
        Ok((fence, snapshot))
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
        let mut message = self.open(fence, work, None);
        match work.step.direction {
            Direction::Up => message.push(&self.names.insert(run, work, Status::Applying)),
            Direction::Down => message.push(&self.names.mark_reverting(work.step)),
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
            let mut message = Message::default();
            message.bare(&work.script, segment.statements.clone());
            self.run_step(fence, work, &message).await?;
        }
        let Some(progress) = progress else {
            return Ok(());
        };
        let mut message = self.open(fence, work, None);
        if in_transaction {
            message.script(&work.script, segment.statements.clone());
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
        let message = Message::of(&["ROLLBACK", &tables::restore(&self.session)]);
        self.ask("the connection's settings could not be restored", message).await.map(drop)
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
        self.ask("the lock could not be given back", message).await.map(drop)
    }

    async fn sleep(&mut self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
