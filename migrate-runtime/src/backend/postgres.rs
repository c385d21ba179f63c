//! PostgreSQL, through tokio-postgres.
//!
//! Everything goes over the simple query protocol: a whole step is one message, and nothing depends on the driver's prepared
//! statements. The run lock is a lease in the state row; every transaction of a run takes a row lock on the fence number
//! that lets the lease's renewal pass and blocks a take-over.

mod bare;
mod health;
mod instances;
mod lease;
mod message;
#[cfg(feature = "backup")]
mod restored;
mod segment;
mod session;
mod statements;
mod tables;
mod transactional;
mod watch;

use std::time::Duration;

use migrate_core::health::Found;
use migrate_core::instances::{Intent, RunningInstance};
use migrate_core::ledger::{Snapshot, Status, Summary};
use migrate_core::migration::Dialect;
use migrate_core::plan::{Direction, Step};
use migrate_core::rollback::Past;
use migrate_core::sql::{Kind, Segment, SegmentKind, Statement};
use migrate_core::version::SchemaVersion;
use tokio_postgres::Client;

pub(crate) use self::message::database_error;
#[cfg(any(feature = "testing", feature = "backup"))]
pub(crate) use self::tables::literal;

use self::lease::Renewal;
use self::message::{Message, MessageError, Outcome, collect, send, start};
use self::segment::Refused;
use self::session::Session;
use self::tables::Names;
use self::watch::{Seen, Watch, Watched};
use crate::backend::{
    Backend, Edit, Fence, HistoryEntry, InstanceRow, Observation, Place, Question, Raised, Registered, Run, RunEnd,
    Stored, Took, Work, goes_on_changed, ledger_error, mentions,
};
#[cfg(feature = "backup")]
use crate::backup::{self, Copied, Measure, Order, Restoration, Survey};
use crate::database::AnyDatabase;
use crate::database::postgres::{Connected, Postgres, Token};
use crate::error::{Error, ErrorKind};
use crate::observer::Progress;
use crate::options::Tables;
use crate::report::HistoryRow;

/// Begins a transaction that writes, whatever the default is.
const BEGIN: &str = "BEGIN READ WRITE";

enum Link<'c> {
    Owned(Connected),
    Borrowed(&'c mut Client),
}

pub(crate) struct PostgresBackend<'c> {
    link: Link<'c>,
    /// How to make more connections; `None` in the reduced mode.
    database: Option<Postgres>,
    token: Token,
    names: Names,
    #[cfg(feature = "backup")]
    tables: Tables,
    /// What the session is, and what scripts may change in it, as it was when the run began.
    session: Session,
    /// The lock, as long as it is held.
    held: Option<Fence>,
    renewal: Option<Renewal>,
    holds_advisory_lock: bool,
    watch: Watch,
}

impl<'c> PostgresBackend<'c> {
    /// The database behind a connection of our own, whose session may carry the token; and how to make another one.
    pub(crate) fn of_connection(connected: Connected, token: Token, database: Postgres, tables: &Tables) -> Self {
        Self::new(Link::Owned(connected), token, Some(database), tables)
    }

    /// The database behind a client that the application keeps.
    pub(crate) fn of_borrowed(client: &'c mut Client, tables: &Tables) -> Self {
        Self::new(Link::Borrowed(client), Token::new(), None, tables)
    }

    fn new(link: Link<'c>, token: Token, database: Option<Postgres>, tables: &Tables) -> Self {
        let names = Names::new(tables, token.clone());
        Self {
            link,
            database,
            token,
            names,
            #[cfg(feature = "backup")]
            tables: tables.clone(),
            session: Session::default(),
            held: None,
            renewal: None,
            holds_advisory_lock: false,
            watch: Watch::default(),
        }
    }

    /// Ends the connections of our own.
    pub(crate) async fn disconnect(mut self) {
        std::mem::take(&mut self.watch).close().await;
        let driver = match &mut self.link {
            Link::Owned(connected) => connected.driver(),
            Link::Borrowed(_) => None,
        };
        drop(self);
        if let Some(driver) = driver {
            drop(driver.await);
        }
    }

    fn client(&self) -> &Client {
        match &self.link {
            Link::Owned(connected) => &connected.client,
            Link::Borrowed(client) => client,
        }
    }

    /// Sends a message of our own and gives its rows, statement by statement.
    async fn ask(&self, what: &str, message: Message<'_>) -> Result<Vec<Vec<message::Row>>, Error> {
        match send(self.client(), &message).await {
            Outcome { rows, error: None, .. } => Ok(rows),
            Outcome { error: Some(error), .. } => Err(self.helped(error, |error| error.plain(what))),
        }
    }

    /// Puts a failure of a message of our own into words, with what to do about our tables if they are the cause.
    fn helped(&self, error: MessageError, words: impl FnOnce(MessageError) -> Error) -> Error {
        let help = match &error {
            error if error.misses(&self.names) => self.names.put_back(),
            error if error.is_row_security() => self.names.show(),
            _ => return words(error),
        };
        words(error).with_help(help)
    }

    /// Creates those of our tables that are missing, unless another process does so at this moment.
    async fn create(&mut self) -> Result<Created, Error> {
        if self.names.present && self.names.has_instances {
            return Ok(Created::Here);
        }
        let Some(schema) = self.names.schema.clone() else {
            return Err(Error::new(ErrorKind::Configuration, "there is no schema to create the ledger in")
                .with_help("create the schema, name an existing one with the `schema` option, or mend `search_path`"));
        };
        let outcome = send(self.client(), &self.names.create(&schema)).await;
        let Some(error) = outcome.error else {
            (self.names.present, self.names.has_instances) = (true, true);
            return Ok(Created::Here);
        };
        self.roll_back().await?;
        if error.is_raced() { Ok(Created::Elsewhere) } else { Err(error.plain("the ledger could not be created")) }
    }

    async fn roll_back(&self) -> Result<(), Error> {
        let ended = self.client().batch_execute("ROLLBACK").await;
        ended.map_err(|error| MessageError::new(&error, 0).plain("the transaction could not be rolled back"))
    }

    /// Sends a message that is a transaction of our own, and gives its rows. A failure leaves no transaction behind.
    async fn ask_in_transaction(
        &self,
        message: Message<'_>,
        failed: impl FnOnce(MessageError) -> Error,
    ) -> Result<Vec<Vec<message::Row>>, Error> {
        let Outcome { rows, error, .. } = send(self.client(), &message).await;
        let Some(error) = error else {
            return Ok(rows);
        };
        let lost = error.is_connection_lost();
        let error = self.helped(error, failed);
        if lost { Err(error) } else { Err(error.and_also("and the transaction stays open", self.roll_back().await)) }
    }

    /// Takes up a session in which the lock is held by now.
    fn begin_session(&mut self, fence: Fence, session: Session) {
        self.session = session;
        self.held = Some(fence);
        self.holds_advisory_lock = false;
        self.renew(fence);
    }

    /// Keeps the lease of the lock alive from another connection.
    fn renew(&mut self, fence: Fence) {
        self.renewal =
            self.database.clone().map(|database| Renewal::start(database, self.names.lease, self.names.renew(fence)));
    }

    /// Leaves the pooler, if there is one and a way around it: a run needs a session of its own.
    async fn leave_pooler(&mut self) -> Result<(), Error> {
        let Some(direct) = self.database.as_ref().and_then(Postgres::direct) else {
            return Ok(());
        };
        let pooled = std::mem::replace(&mut self.link, Link::Owned(direct.connect(&self.token).await?));
        if let Link::Owned(pooled) = pooled {
            pooled.close().await;
        }
        self.database = Some(direct);
        self.read().await.map(drop)
    }

    /// What to watch while a step is executed: only possible in a session of our own, whose process id stays.
    fn watched<'a>(&'a self, work: &Work<'a>, budget: Option<Duration>) -> Option<Watched<'a>> {
        let database = self.database.as_ref().filter(|_| self.session.direct)?;
        let (process, queries, stop) = (self.session.process, work.blocker_queries, work.stop);
        Some(Watched { database, process, budget, queries, stop, recalled: false })
    }

    /// Takes the run lock if a condition on the state row holds.
    async fn acquire_if(&mut self, free: &str, run: &Run, seen: Fence) -> Result<(Option<Fence>, Snapshot), Error> {
        if let Created::Elsewhere = self.create().await? {
            return Ok((None, self.read().await?));
        }
        self.names.lease = run.lease;
        let mut rows = self.ask("the lock could not be taken", self.names.take_lock(free, run, seen)).await?;
        let [_, session, settings, _, taken, rest @ ..] = &mut rows[..] else {
            return Err(too_few_answers());
        };
        let fence = taken.first().map(|row| self.names.parse_fence(row)).transpose()?;
        let snapshot = self.names.snapshot(rest)?;
        if let Some(fence) = fence {
            self.begin_session(fence, Session::new(session, settings, self.database.is_none()));
        }
        Ok((fence, snapshot))
    }

    /// Begins a transaction that proves the fence.
    fn open<'w>(&self, fence: Fence, work: &Work<'_>) -> Message<'w> {
        let mut message = Message::default();
        // A script outside a transaction may have made read-only transactions the default, or taken another role.
        message.push(BEGIN);
        message.push(&tables::own_role(self.session.role()));
        message.push(&tables::select_timeouts(work));
        message.push(&self.names.prove(fence));
        message
    }

    /// Ends a transaction of the run. Where no second connection can renew the lease, each transaction does so at its end.
    fn commit(&self, message: &mut Message<'_>, fence: Fence) {
        message.records_in(&self.names);
        if self.database.is_none() {
            message.push(&self.names.renew(fence));
        }
        message.push("COMMIT");
    }

    /// Runs a message that belongs to a step.
    async fn run_step(&self, fence: Fence, work: &Work<'_>, message: &Message<'_>) -> Result<Outcome, Error> {
        message.check(fence, work, send(self.client(), message).await)
    }

    /// Runs a message that belongs to a step and may take long.
    async fn run_watched(
        &mut self,
        fence: Fence,
        work: &Work<'_>,
        message: &Message<'_>,
        budget: Option<Duration>,
        tell: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Outcome, Error> {
        let replies = start(self.client(), message).await;
        let outcome = self.watch_for(collect(replies, message), work, budget, tell).await;
        message.check(fence, work, outcome)
    }

    /// Waits for the outcome of a message, and notes what a second connection sees meanwhile.
    async fn watch_for(
        &mut self,
        outcome: impl Future<Output = Outcome>,
        work: &Work<'_>,
        budget: Option<Duration>,
        tell: &mut (dyn FnMut(Progress) + Send),
    ) -> Outcome {
        self.watch_or_recall(false, outcome, work, budget, tell).await
    }

    /// The same; what was recalled is cancelled as soon as it is watched.
    async fn watch_or_recall(
        &mut self,
        recalled: bool,
        outcome: impl Future<Output = Outcome>,
        work: &Work<'_>,
        budget: Option<Duration>,
        tell: &mut (dyn FnMut(Progress) + Send),
    ) -> Outcome {
        let mut watch = std::mem::take(&mut self.watch);
        let watched = self.watched(work, budget).map(|watched| Watched { recalled, ..watched });
        let (mut outcome, seen) = watch.during(outcome, watched, tell).await;
        self.watch = watch;
        if let Some(error) = &mut outcome.error {
            error.seen = Seen { stopped: recalled || work.stop.is_now(), ..seen };
        }
        outcome
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

fn too_few_answers() -> Error {
    ledger_error("pg_class", "the server gave fewer answers than questions")
}

/// Whether a statement leaves something in the session that restoring the settings does not undo: in a pooler's connection
/// somebody else would find it.
fn outlasts(statement: &str) -> bool {
    let first = statement.split(|character: char| !character.is_ascii_alphabetic()).next().unwrap_or_default();
    let sets = ["SET", "RESET"].iter().any(|word| first.eq_ignore_ascii_case(word));
    let calls = ["SELECT", "WITH", ""].iter().any(|word| first.eq_ignore_ascii_case(word));
    sets_custom(statement) || !(sets || calls && mentions(statement, "set_config"))
}

/// Whether a statement sets something like `app.tenant`, which no catalogue lists.
fn sets_custom(statement: &str) -> bool {
    let mut words = statement.split([' ', '\t', '\r', '\n', '=']).filter(|word| !word.is_empty());
    if words.next().is_some_and(|word| word.eq_ignore_ascii_case("SET")) {
        return words.find(|word| !word.eq_ignore_ascii_case("SESSION")).is_some_and(|name| name.contains('.'));
    }
    let lower = statement.to_ascii_lowercase();
    let mut calls = lower.split("set_config").skip(1);
    calls.any(|call| call.split('\'').nth(1).is_some_and(|name| name.contains('.')))
}

enum Created {
    Here,
    Elsewhere,
}

impl Backend for PostgresBackend<'_> {
    const DIALECT: Dialect = Dialect::Postgres;
    const STEPS_KEEP_WRITERS_OUT: bool = false;

    async fn read(&mut self) -> Result<Snapshot, Error> {
        let Outcome { mut rows, error, .. } = send(self.client(), &self.names.read()).await;
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
            return Err(self.helped(error, |error| error.plain("the ledger could not be read")));
        }
        self.names.snapshot(&mut rows[2..])
    }

    async fn summary(&mut self) -> Option<Summary> {
        let Outcome { rows, error: None, .. } = send(self.client(), &self.names.summarise()).await else {
            return None;
        };
        self.names.parse_summary(rows.last()?.first()?).ok()
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
        rows.last().into_iter().flatten().map(|row| self.names.parse_history(row)).collect()
    }

    async fn acquire(&mut self, run: &Run, seen: Fence) -> Result<(Option<Fence>, Snapshot), Error> {
        self.leave_pooler().await?;
        let free = self.names.free();
        self.acquire_if(&free, run, seen).await
    }

    async fn upgrade(&mut self, fence: Fence, lock_timeout: Duration) -> Result<(), Error> {
        self.ask("the ledger could not be upgraded", self.names.upgrade(fence, lock_timeout)).await.map(drop)
    }

    async fn grant(&mut self, fence: Fence, role: &str) -> Result<(), Error> {
        let what = format!("the rights of the role `{role}` could not be granted");
        let help = "create the role, or correct the setting `application_role`; only the owner of the tables may grant rights on them";
        let helped = |error: Error| error.with_help(help);
        let lacking = self.ask(&what, self.names.lacks_rights(role)).await.map_err(helped)?;
        let lacking: Vec<&str> = lacking.iter().flatten().filter_map(|row| row.get(0)).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        self.ask(&what, self.names.grant(fence, &lacking, role)).await.map(drop).map_err(helped)
    }

    async fn apply(
        &mut self,
        run: &Run,
        fence: Fence,
        works: &[Work<'_>],
        done: &mut (dyn FnMut(usize, Duration) + Send),
    ) -> Result<(), Error> {
        self.run_transactional(run, fence, works, done).await
    }

    /// A statement that cannot run in a transaction cannot prove the fence either: it needs a session of its own, which holds
    /// an advisory lock meanwhile, and a second connection, which renews the lease. What lasts in a session needs one, too.
    fn accepts(&self, work: &Work<'_>) -> Result<(), Error> {
        if self.session.direct {
            return Ok(());
        }
        if !self.session.reads_standard_strings() {
            let message = "scripts cannot be read in a session where `standard_conforming_strings` is off";
            return Err(Error::new(ErrorKind::Configuration, message).with_help(
                "turn it on in the session, or for the database: ALTER DATABASE … SET standard_conforming_strings = on",
            ));
        }
        let borrowed = self.database.is_none();
        let refused = |statement: &Statement| match statement.kind {
            Kind::Bare(_) => true,
            Kind::Session if borrowed => false,
            Kind::Session => !work.transactional || outlasts(statement.text(&work.script.sql)),
            _ => false,
        };
        let Some(statement) = work.script.statements(Dialect::Postgres)?.into_iter().find(refused) else {
            return Ok(());
        };
        let version = work.step.version;
        let error = if borrowed {
            Error::new(ErrorKind::Configuration, format!("migration {version} cannot run on a borrowed client"))
                .with_help("migrate with `Postgres::from_url`, which keeps the run lock alive from a second connection")
        } else {
            Error::new(ErrorKind::Configuration, format!("migration {version} cannot run through a connection pooler"))
                .with_help(
                    "give the server's own address beside the pooler's (`--direct-url`, or `direct_url` of the connector); \
                     a setting of your own can also be set for the transaction alone (SET LOCAL)",
                )
        };
        Err(error.with_migration(version).with_location(work.script.location(statement.start)))
    }

    async fn begin(&mut self, run: &Run, fence: Fence, work: &Work<'_>) -> Result<(), Error> {
        let mut message = self.open(fence, work);
        match work.step.direction {
            Direction::Up => message.push(&self.names.insert(run, work, Status::Applying)),
            Direction::Down => message.push(&self.names.mark_reverting(work)),
        }
        message.push(&self.names.add_history(run, &HistoryEntry::of_step(work.step, "started")));
        self.commit(&mut message, fence);
        self.run_step(fence, work, &message).await.map(drop)
    }

    async fn adopt(&mut self, run: &Run, fence: Fence, work: &Work<'_>) -> Result<(), Error> {
        let mut message = self.open(fence, work);
        message.push(&self.names.accept(run, work));
        let changed = goes_on_changed(work.step);
        message.push(&self.names.add_history(run, &HistoryEntry::resumed(work.step, &changed)));
        self.commit(&mut message, fence);
        self.run_step(fence, work, &message).await.map(drop)
    }

    async fn abandon(&mut self, fence: Fence, step: &Step, finished: u32) -> Result<(), Error> {
        let undo = match step.direction {
            Direction::Up => self.names.delete(step),
            Direction::Down => self.names.mark_applied(step),
        };
        let stands = self.names.stands_at(step, finished);
        let message = Message::of(&["BEGIN", &self.names.prove(fence), &stands, &undo, "COMMIT"]);
        self.ask("the ledger row could not be put back", message).await.map(drop)
    }

    async fn segment(
        &mut self,
        fence: Fence,
        work: &Work<'_>,
        segment: &Segment,
        place: Option<Place>,
        tell: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), Error> {
        let Some(place) = place else {
            return self.run_in_session(fence, work, segment).await;
        };
        match segment.kind {
            SegmentKind::Session => self.run_in_session(fence, work, segment).await?,
            SegmentKind::Bare(_) => self.run_bare(fence, work, segment, place, tell).await?,
            // One that was begun bare before is known not to run in a transaction.
            _ if place.uncertain => self.run_bare(fence, work, segment, place, tell).await?,
            _ => match self.run_in_transaction(fence, work, segment, place).await {
                Err(Refused::Transaction(error)) if self.session.direct => {
                    drop(error);
                    // What the script set before in the session holds for this statement, too.
                    self.ask("the transaction could not be rolled back", Message::of(&["ROLLBACK"])).await?;
                    self.run_bare(fence, work, segment, place, tell).await?;
                }
                Err(Refused::Transaction(error) | Refused::Otherwise(error)) => return Err(error),
                Ok(()) => return Ok(()),
            },
        }
        let mut message = self.open(fence, work);
        message.push(&self.names.progress(work.step, place.number));
        self.commit(&mut message, fence);
        self.run_step(fence, work, &message).await.map(drop)
    }

    async fn finish(&mut self, run: &Run, fence: Fence, work: &Work<'_>, duration: Duration) -> Result<(), Error> {
        let mut message = self.open(fence, work);
        if let Some(verify) = &work.verify {
            message.verify(work.step, verify, verify.statements(Dialect::Postgres)?)?;
            self.session.restore_after(&mut message, &self.session.restore_settings(None), &verify.sql);
        }
        message.push(&match work.step.direction {
            Direction::Up => self.names.complete(work.step, duration),
            Direction::Down => self.names.delete(work.step),
        });
        let entry = HistoryEntry::done(work.step, Took::Measured(duration));
        message.push(&self.names.add_history(run, &entry));
        self.commit(&mut message, fence);
        self.run_watched(fence, work, &message, work.lock_budget(), &mut |_| ()).await.map(drop)
    }

    async fn reconnect(&mut self) -> Result<(), Error> {
        let Some(database) = &self.database else {
            return Err(Error::new(ErrorKind::Configuration, "a borrowed client cannot be connected again")
                .with_help("migrate with `Postgres::from_url`, which connects again by itself"));
        };
        self.link = Link::Owned(database.connect(&self.token).await?);
        Ok(())
    }

    async fn raise(&mut self, run: &Run, _fence: Fence) -> Result<Raised, Error> {
        self.names.lease = run.lease;
        let mut rows = self.ask("the lock could not be renewed", self.names.raise(run)).await?;
        let [_, _, session, settings, _, raised, held, ended, done, rest @ ..] = &mut rows[..] else {
            return Err(too_few_answers());
        };
        let Some(raised) = raised.first() else {
            let held = held.first().and_then(|row| row.get(0)) == Some("t");
            let ended = ended.first().and_then(|row| row.get(0));
            return Ok(match ended {
                _ if held => Raised::NotYet,
                None | Some("interrupted") => Raised::Overtaken,
                Some(_) => Raised::Ended,
            });
        };
        let fence = self.names.parse_fence(raised)?;
        let done = done.iter().map(|row| self.names.parse_milliseconds(row)).collect::<Result<_, _>>()?;
        let snapshot = self.names.snapshot(rest)?;
        self.begin_session(fence, Session::new(session, settings, self.database.is_none()));
        Ok(Raised::Ours { fence, done, snapshot: Box::new(snapshot) })
    }

    async fn restore_session(&mut self) -> Result<(), Error> {
        self.ask("the connection's settings could not be restored", self.session.restore()).await.map(drop)
    }

    async fn failed(&mut self, run: &Run, _fence: Fence, step: &Step, error: &Error) -> Result<(), Error> {
        let text = error.to_string();
        let entry = HistoryEntry { error: Some(&text), ..HistoryEntry::of_step(step, "failed") };
        let message = Message::of(&[&self.names.add_history(run, &entry)]);
        self.ask("the history could not be written", message).await.map(drop)
    }

    async fn release(&mut self, run: &Run, fence: Fence, end: RunEnd<'_>) -> Result<(), Error> {
        self.renewal = None;
        let entry = HistoryEntry { error: end.error, ..HistoryEntry::of_run(end.outcome) };
        // Whoever took the lock away has ended this run in the history already.
        let (prove, close) = (self.names.prove(fence), self.names.add_history(run, &entry));
        let give_back = self.names.give_lock_back(fence);
        let mut message = Message::of(&[BEGIN, &prove, &close, &give_back, "COMMIT"]);
        if self.holds_advisory_lock {
            message.push(&self.names.give_advisory_lock_back());
        }
        let failed = |error: MessageError| error.of_ledger(fence, "the lock could not be given back");
        self.ask_in_transaction(message, failed).await?;
        self.holds_advisory_lock = false;
        self.held = None;
        Ok(())
    }

    async fn instances(&mut self) -> Result<Registered, Error> {
        self.read().await?;
        if !(self.names.present && self.names.has_instances) {
            return Ok(Registered::default());
        }
        let rows = self.ask("the instances could not be read", self.names.registered()).await?;
        let [_, intent, instances] = &rows[..] else {
            return Err(too_few_answers());
        };
        let instances = instances.iter().map(|row| self.names.parse_instance(row)).collect::<Result<_, _>>()?;
        Ok(Registered { intent: self.names.parse_intent(intent)?, instances })
    }

    async fn intend(&mut self, fence: Fence, intent: &Intent) -> Result<Vec<RunningInstance>, Error> {
        let failed = |error: MessageError| error.of_ledger(fence, "what the run intends could not be recorded");
        let rows = self.ask_in_transaction(self.names.intend(fence, intent), failed).await?;
        let Some(instances) = rows.iter().nth_back(1) else {
            return Err(too_few_answers());
        };
        instances.iter().map(|row| self.names.parse_instance(row)).collect()
    }

    async fn register(&mut self, row: &InstanceRow) -> Result<(Snapshot, Intent), Error> {
        while let Created::Elsewhere = self.create().await? {
            self.read().await?;
        }
        let failed = |error: MessageError| error.plain("the program could not be registered");
        let mut rows = self.ask_in_transaction(self.names.register(row), failed).await?;
        let first = rows.len().checked_sub(4);
        let Some((_, [snapshot @ .., intent, _commit])) = first.map(|at| rows.split_at_mut(at)) else {
            return Err(too_few_answers());
        };
        Ok((self.names.snapshot(snapshot)?, self.names.parse_intent(intent)?))
    }

    async fn beat(&mut self, row: &InstanceRow) -> Result<bool, Error> {
        let mut undefined = false;
        let failed = |error: MessageError| {
            undefined = error.is_undefined_table();
            error.plain("the heartbeat could not be written")
        };
        match self.ask_in_transaction(self.names.prolong_instance(row), failed).await {
            Ok(rows) => Ok(rows.iter().nth_back(1).is_some_and(|rows| !rows.is_empty())),
            Err(_) if undefined => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn leave(&mut self, row: &InstanceRow) -> Result<(), Error> {
        match send(self.client(), &self.names.remove_instance(row)).await.error {
            Some(error) if !error.is_undefined_table() => {
                Err(error.plain("the row of the instance could not be removed"))
            }
            _ => Ok(()),
        }
    }

    fn connector(&self) -> Option<AnyDatabase> {
        self.database.clone().map(|database| AnyDatabase::Postgres(Box::new(database)))
    }

    fn located(&self) -> Tables {
        Tables { schema: self.names.schema.clone(), table: self.names.plain[0].clone() }
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
        let mut message = Message::of(&[BEGIN, &self.names.prove(fence)]);
        for edit in edits {
            message.push(&match edit {
                Edit::Insert(work, status) => self.names.insert(run, work, *status),
                Edit::Accept(work) => self.names.accept(run, work),
                Edit::Complete(step) => self.names.complete(step, Duration::ZERO),
                Edit::Forget(step) => self.names.delete(step),
                Edit::Reached(step, segments) => self.names.progress(step, *segments),
            });
        }
        for entry in entries {
            message.push(&self.names.add_history(run, entry));
        }
        message.push("COMMIT");
        match send(self.client(), &message).await.error {
            None => Ok(()),
            Some(error) => Err(error.of_ledger(fence, "the ledger could not be changed")),
        }
    }

    async fn past(&mut self) -> Result<Past, Error> {
        let rows = self.ask("the history could not be read", self.names.past()).await?;
        self.names.parse_past(&rows)
    }

    async fn observe(&mut self, questions: &[Question], ledger: bool, bound: Duration) -> Result<Observation, Error> {
        self.answer(questions, ledger, bound).await
    }

    async fn try_writing(&mut self, bound: Duration) -> Result<Found, Error> {
        self.write_and_roll_back(bound).await
    }

    async fn verify_again(&mut self, work: &Work<'_>, bound: Duration) -> Result<Found, Error> {
        self.verify_read_only(work, bound).await
    }

    async fn seize(&mut self, run: &Run, seen: Fence) -> Result<(Option<Fence>, Snapshot), Error> {
        self.leave_pooler().await?;
        self.acquire_if("true", run, seen).await
    }

    #[cfg(feature = "backup")]
    async fn measure(&mut self) -> Result<Measure, Error> {
        self.measure_database().await
    }

    fn reads_keep_writers_out(&self) -> bool {
        false
    }

    #[cfg(feature = "backup")]
    async fn refuse_others(&mut self, send_away: bool) -> Result<(), Error> {
        // They would be back before the restore begins, which sends them away.
        if send_away { Ok(()) } else { self.look_for_others().await }
    }

    #[cfg(feature = "backup")]
    async fn keep_writers_out(&mut self, _fence: Fence) -> Result<(), Error> {
        // Whoever connects is seen before anything is replaced.
        Ok(())
    }

    #[cfg(feature = "backup")]
    async fn copy_out(&mut self, order: &Order<'_>) -> Result<Copied, Error> {
        backup::postgres::copy_out(&self.connector()?, order, &self.tables).await
    }

    #[cfg(feature = "backup")]
    async fn copy_in(&mut self, run: &Run, fence: Fence, restoration: &Restoration<'_>) -> Result<Fence, Error> {
        self.put_back(run, fence, restoration).await
    }

    #[cfg(feature = "backup")]
    async fn survey(&mut self) -> Result<Survey, Error> {
        backup::postgres::survey(self.client(), &self.tables, true).await
    }
}

/// A failure outside a script.
#[cfg(any(feature = "testing", feature = "backup"))]
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
