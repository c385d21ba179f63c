//! What the engine asks of a database. A backend speaks to one database and makes no decisions.

#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use migrate_core::health::{Expected, Found};
use migrate_core::instances::{Intent, RunningInstance};
use migrate_core::ledger::{Snapshot, Status, Summary};
use migrate_core::migration::{Dialect, Migration, Role, Script};
use migrate_core::plan::{Direction, Step};
use migrate_core::registry::Registry;
use migrate_core::rollback::{ChangeKind, Past, PastChange, PastRun};
#[cfg(feature = "postgres")]
use migrate_core::sql::Statement;
use migrate_core::sql::{self, Segment};
use migrate_core::version::SchemaVersion;
use semver::Version;

#[cfg(feature = "backup")]
use crate::backup::{Copied, Measure, Order, Restoration, Survey};
use crate::database::AnyDatabase;
use crate::error::{DatabaseError, Error, ErrorKind, Location};
use crate::identity::Identity;
use crate::observer::Progress;
use crate::options::Tables;
use crate::report::HistoryRow;
use crate::stop::Stop;

/// One database, reached for one operation.
///
/// All futures are `Send`; SQLite's are always ready at the first poll.
pub trait Backend: Send {
    /// Which dialect it speaks.
    const DIALECT: Dialect;

    /// Whether steps that are executed keep everybody else from writing, heartbeats included.
    const STEPS_KEEP_WRITERS_OUT: bool;

    /// Reads everything in one round trip. Writes nothing, creates nothing, locks nothing.
    fn read(&mut self) -> impl Future<Output = Result<Snapshot, Error>> + Send;

    /// Reads one row that may show already that nothing is to be done, in one round trip. Writes nothing. `None` when there
    /// are no tables or they cannot be summed up: only [`read`](Self::read) says why.
    fn summary(&mut self) -> impl Future<Output = Option<Summary>> + Send;

    /// Reads the stored scripts of some versions.
    fn stored(&mut self, versions: &[SchemaVersion]) -> impl Future<Output = Result<Vec<Stored>, Error>> + Send;

    /// Reads the newest `limit` rows of the history, newest first.
    fn history(&mut self, limit: u32) -> impl Future<Output = Result<Vec<HistoryRow>, Error>> + Send;

    /// Tries once to take the run lock, creating our tables if need be, and reads what the database then holds. It is
    /// only taken while the last run is still `seen`, so that a plan made from what was read then still stands. The row
    /// that opens the run in the history, with its plan, commits together with the lock.
    fn acquire(
        &mut self,
        run: &Run,
        seen: Fence,
    ) -> impl Future<Output = Result<(Option<Fence>, Snapshot), Error>> + Send;

    /// Brings our tables to the format of this version. Asked under the lock, before anything is executed.
    fn upgrade(&mut self, fence: Fence, lock_timeout: Duration) -> impl Future<Output = Result<(), Error>> + Send;

    /// Gives a role the rights on our tables that the application needs, as far as it lacks them. Asked under the lock. A
    /// database without roles has nothing to do.
    fn grant(&mut self, fence: Fence, role: &str) -> impl Future<Output = Result<(), Error>> + Send;

    /// Executes transactional steps in order and tells of each once it is committed. Stops at the first failure, which
    /// leaves nothing of its step behind. Once the run is asked to stop it begins no more of them, which is no failure.
    fn apply(
        &mut self,
        run: &Run,
        fence: Fence,
        works: &[Work<'_>],
        done: &mut (dyn FnMut(usize, Duration) + Send),
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Whether a step can be executed over the connection at all. Asked under the lock, before anything is executed.
    ///
    /// # Errors
    ///
    /// What is missing.
    fn accepts(&self, work: &Work<'_>) -> Result<(), Error>;

    /// Records that a non-transactional step begins: its ledger row becomes `applying` or `reverting`.
    fn begin(&mut self, run: &Run, fence: Fence, work: &Work<'_>) -> impl Future<Output = Result<(), Error>> + Send;

    /// Records that a non-transactional step goes on with a script that was changed behind what is done: its ledger row, which
    /// stays as far as it is, takes over what the registry records of the migration.
    fn adopt(&mut self, run: &Run, fence: Fence, work: &Work<'_>) -> impl Future<Output = Result<(), Error>> + Send;

    /// Takes the beginning of a non-transactional step back, when nothing of it took effect: no more of its segments is
    /// recorded than `finished`, which set session state only.
    fn abandon(&mut self, fence: Fence, step: &Step, finished: u32) -> impl Future<Output = Result<(), Error>> + Send;

    /// Executes one segment of a non-transactional step and records that it is finished; without a place it is replayed
    /// and nothing is recorded. Tells how far a long statement has come, where the server says so.
    fn segment(
        &mut self,
        fence: Fence,
        work: &Work<'_>,
        segment: &Segment,
        place: Option<Place>,
        tell: &mut (dyn FnMut(Progress) + Send),
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Verifies a non-transactional step and records that it is complete.
    fn finish(
        &mut self,
        run: &Run,
        fence: Fence,
        work: &Work<'_>,
        duration: Duration,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Undoes what a script may have changed in the session, after a step that ran outside a transaction or failed.
    fn restore_session(&mut self) -> impl Future<Output = Result<(), Error>> + Send;

    /// Records a failed attempt in the history.
    fn failed(
        &mut self,
        run: &Run,
        fence: Fence,
        step: &Step,
        error: &Error,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Closes the run in the history and gives the lock back.
    fn release(&mut self, run: &Run, fence: Fence, end: RunEnd<'_>) -> impl Future<Output = Result<(), Error>> + Send;

    /// Connects again after the connection was lost. Tries once.
    fn reconnect(&mut self) -> impl Future<Output = Result<(), Error>> + Send;

    /// After [`reconnect`](Self::reconnect): gives the run a new fence, so that nothing that the old connection may still
    /// have under way can commit later, and reads what it left. Tries once.
    fn raise(&mut self, run: &Run, fence: Fence) -> impl Future<Output = Result<Raised, Error>> + Send;

    /// Reads what the run at work intends, and who is registered. Writes nothing.
    fn instances(&mut self) -> impl Future<Output = Result<Registered, Error>> + Send;

    /// Commits what the run intends, while nobody else registers, and reads who is registered then. Proves the fence, and
    /// prolongs the lease where there is one.
    fn intend(
        &mut self,
        fence: Fence,
        intent: &Intent,
    ) -> impl Future<Output = Result<Vec<RunningInstance>, Error>> + Send;

    /// Writes the row of an instance, creating our tables if need be, and reads what it is to be judged by, all while no
    /// run can change what it intends. Comes after [`read`](Self::read).
    fn register(&mut self, row: &InstanceRow) -> impl Future<Output = Result<(Snapshot, Intent), Error>> + Send;

    /// Prolongs the row of an instance. False when it has expired or is gone.
    fn beat(&mut self, row: &InstanceRow) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Removes the row of an instance.
    fn leave(&mut self, row: &InstanceRow) -> impl Future<Output = Result<(), Error>> + Send;

    /// How to reach the same database again, if that is known.
    fn connector(&self) -> Option<AnyDatabase>;

    /// Our tables, with their schema as far as it is known by now.
    fn located(&self) -> Tables;

    /// Waits without holding a transaction. Fails when the run is no longer wanted.
    fn sleep(&mut self, duration: Duration) -> impl Future<Output = Result<(), Error>> + Send;

    /// Edits ledger rows without running anything and adds history rows, all in one transaction that proves the fence.
    fn amend(
        &mut self,
        run: &Run,
        fence: Fence,
        edits: &[Edit<'_>],
        entries: &[HistoryEntry<'_>],
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Reads from the history which runs there were and what they changed. Only asked where our tables are there.
    fn past(&mut self) -> impl Future<Output = Result<Past, Error>> + Send;

    /// Finds out what checks ask, in the order of the questions, without changing anything, and with them the ledger's
    /// fingerprint if it is wanted. In one round trip.
    fn observe(
        &mut self,
        questions: &[Question],
        ledger: bool,
        bound: Duration,
    ) -> impl Future<Output = Result<Observation, Error>> + Send;

    /// Tries to write our tables, or to create one where there are none, in a transaction that is rolled back.
    fn try_writing(&mut self, bound: Duration) -> impl Future<Output = Result<Found, Error>> + Send;

    /// Runs the verify script of a step again, in a transaction that may not write.
    fn verify_again(&mut self, work: &Work<'_>, bound: Duration) -> impl Future<Output = Result<Found, Error>> + Send;

    /// [`acquire`](Self::acquire) also from a holder that is alive, which then fails at its fence. Not while a
    /// transaction of the holder's is under way: what it has proved stays true until its end.
    fn seize(
        &mut self,
        run: &Run,
        seen: Fence,
    ) -> impl Future<Output = Result<(Option<Fence>, Snapshot), Error>> + Send;

    /// How large the database is, and where its backups belong.
    #[cfg(feature = "backup")]
    fn measure(&mut self) -> impl Future<Output = Result<Measure, Error>> + Send;

    /// Whether a long reading keeps others from writing, heartbeats included.
    fn reads_keep_writers_out(&self) -> bool;

    /// Fails while others are connected to a database that is to be replaced, unless they are to be sent away; where it is
    /// replaced under their connections, nobody is in the way.
    #[cfg(feature = "backup")]
    fn refuse_others(&mut self, send_away: bool) -> impl Future<Output = Result<(), Error>> + Send;

    /// From here on until [`copy_in`](Self::copy_in) nobody else writes, where that can be had: what they wrote would be
    /// in no copy.
    #[cfg(feature = "backup")]
    fn keep_writers_out(&mut self, fence: Fence) -> impl Future<Output = Result<(), Error>> + Send;

    /// Copies one state of the database into a file. Holds nothing in the database any more when it returns.
    #[cfg(feature = "backup")]
    fn copy_out(&mut self, order: &Order<'_>) -> impl Future<Output = Result<Copied, Error>> + Send;

    /// Puts a backup back: all at once, or not at all. The lock stays the run's, under a fence that is higher than any in
    /// the backup; the history keeps what was added to it since, and gets the row that records this. What lives only as long
    /// as a program runs is not put back.
    #[cfg(feature = "backup")]
    fn copy_in(
        &mut self,
        run: &Run,
        fence: Fence,
        restoration: &Restoration<'_>,
    ) -> impl Future<Output = Result<Fence, Error>> + Send;

    /// What can be compared with the manifest of a backup.
    #[cfg(feature = "backup")]
    fn survey(&mut self) -> impl Future<Output = Result<Survey, Error>> + Send;
}

/// What proves that a run holds the lock. It begins as the run's number, and rises when a connection is lost. Unique per
/// ledger.
pub(crate) type Fence = i64;

/// Where a segment stands in its script.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The number of the segment, from 1.
    pub number: u32,
    /// Whether it was begun before, and nobody saw how it ended.
    pub uncertain: bool,
}

/// What became of a run whose connection was lost.
#[derive(Debug)]
pub enum Raised {
    /// It goes on under this fence.
    Ours {
        fence: Fence,
        /// How long each of its steps took that took effect, in the order of its plan.
        done: Vec<Duration>,
        snapshot: Box<Snapshot>,
    },
    /// The old connection still has something under way.
    NotYet,
    /// Another run has taken its place.
    Overtaken,
    /// It had ended before the connection was lost.
    Ended,
}

/// What a check asks of a database, as far as it can be asked together with others.
#[derive(Clone, Debug)]
pub enum Question {
    /// How much room the disk has.
    DiskSpace,
    /// What is wrong with the file.
    Integrity,
    /// Which indexes are invalid.
    InvalidIndexes,
    /// Which transactions are prepared.
    PreparedTransactions,
    /// Who has had a transaction open for longer than this.
    LongTransactions(Duration),
    /// Who has held a table in a transaction for longer than this.
    Blockers(Duration),
    /// Which replication slots nobody reads.
    ReplicationSlots,
    /// Which of these tables belong to somebody else, and whether something may be created beside them.
    Ownership(Vec<String>),
    /// Which of these do not exist.
    Missing(Vec<Expected>),
    /// Which rows refer to missing ones.
    ForeignKeys,
    /// Which constraints are not validated.
    Constraints,
}

/// What was found out.
#[derive(Debug, Default)]
pub struct Observation {
    /// For each question.
    pub found: Vec<Found>,
    /// The [`Fingerprint`](migrate_core::fingerprint::Fingerprint) of the ledger, if it was wanted and there is one.
    pub fingerprint: Option<u64>,
}

/// A run of the past, from the rows of a query: its number, and how many milliseconds ago it began.
pub(crate) fn past_run(run: i64, age_ms: i64) -> PastRun {
    PastRun { run, age: Duration::from_millis(age_ms.try_into().unwrap_or(0)) }
}

/// What took effect in the past, from a row of the history; `None` for what changes nothing of where migrations stand.
pub(crate) fn past_change(table: &str, run: i64, version: &str, operation: &str) -> Result<Option<PastChange>, Error> {
    let kind = match operation {
        "up" => ChangeKind::Up,
        "down" => ChangeKind::Down,
        "force" | "baseline" => ChangeKind::Amended,
        _ => return Ok(None),
    };
    let damaged = |error| ledger_error(table, &format!("`{version}` is no version: {error}"));
    Ok(Some(PastChange { run, version: version.parse().map_err(damaged)?, kind }))
}

/// Behind the plan of a restore: the number of the newest row of the history that the backup holds. What was recorded
/// between that and the restore tells of what is not there any more.
pub(crate) const STANDS: &str = "; the history stands up to row ";

/// Which rows of the history tell of what a restore took away, from the rows that record restores, oldest first: their
/// numbers and plans.
pub(crate) fn void(restores: &[(i64, String)]) -> Vec<Range<i64>> {
    let mut void: Vec<Range<i64>> = Vec::new();
    for (id, plan) in restores.iter().rev() {
        let stands = plan.rsplit_once(STANDS).and_then(|(_, row)| row.parse::<i64>().ok());
        // A restore that was itself taken away takes nothing away.
        if let Some(stands) = stands.filter(|_| !void.iter().any(|range| range.contains(id))) {
            void.push(stands + 1..*id);
        }
    }
    void
}

/// What is the same for all rows that a run writes.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its number in the history; 0 until it has the lock.
    pub id: i64,
    pub identity: Identity,
    pub runtime_version: Option<String>,
    pub registry_digest: String,
    pub registry_name: Option<String>,
    pub plan: String,
    /// How long the lock is the run's without renewal, where it is a lease.
    pub lease: Duration,
}

/// How a run ended, for the history.
#[derive(Clone, Copy, Debug)]
pub struct RunEnd<'a> {
    pub outcome: &'static str,
    pub error: Option<&'a str>,
}

/// An edit of one ledger row that no script stands behind.
#[derive(Clone, Copy, Debug)]
pub enum Edit<'a> {
    /// Add the row of a migration, with this status.
    Insert(&'a Work<'a>, Status),
    /// Take over what the registry records of a migration; status and times stay.
    Accept(&'a Work<'a>),
    /// The row is complete from now on.
    Complete(&'a Step),
    /// Remove the row.
    Forget(&'a Step),
    /// So many segments are finished, and no other is under way.
    Reached(&'a Step, u32),
}

/// What a history row says beyond who writes it.
#[derive(Clone, Copy, Debug)]
pub struct HistoryEntry<'a> {
    pub operation: &'static str,
    pub version: Option<SchemaVersion>,
    pub outcome: &'a str,
    pub took: Took,
    pub error: Option<&'a str>,
    pub plan: Option<&'a str>,
}

/// How long something took.
#[derive(Clone, Copy, Debug)]
pub enum Took {
    /// It takes no time, or none is known.
    Unknown,
    /// So long as this.
    Measured(Duration),
    /// The server computes it, from the arrival of the message that it is recorded with.
    #[cfg(feature = "postgres")]
    SinceMessage,
}

impl<'a> HistoryEntry<'a> {
    pub(crate) fn of_run(outcome: &'a str) -> Self {
        Self { operation: "run", version: None, outcome, took: Took::Unknown, error: None, plan: None }
    }

    pub(crate) fn of_step(step: &Step, outcome: &'a str) -> Self {
        Self { operation: step.direction.as_str(), version: Some(step.version), ..Self::of_run(outcome) }
    }

    /// A step that goes on with a changed script.
    pub(crate) fn resumed(step: &Step, changed: &'a str) -> Self {
        Self { plan: Some(changed), ..Self::of_step(step, "resumed") }
    }

    pub(crate) fn done(step: &Step, took: Took) -> Self {
        Self { took, ..Self::of_step(step, "succeeded") }
    }
}

/// The row of an instance, as the program itself knows it.
#[derive(Clone, Debug)]
pub struct InstanceRow {
    pub id: String,
    pub runtime_version: Version,
    pub registry_head: Option<SchemaVersion>,
    pub registry_digest: String,
    pub host: String,
    pub process: u32,
    /// For how long it counts as alive after a heartbeat.
    pub expiry: Duration,
}

/// What is known of running programs.
#[derive(Clone, Debug, Default)]
pub struct Registered {
    /// What the run at work intends.
    pub intent: Intent,
    pub instances: Vec<RunningInstance>,
}

/// What the ledger keeps of an applied migration's scripts.
#[derive(Clone, Debug)]
pub struct Stored {
    pub version: SchemaVersion,
    pub up_sql: Option<String>,
    pub down_sql: Option<String>,
    /// What the down script's checksum was when it was stored; `None` where a program stored it that did not compute it.
    pub down_checksum: Option<String>,
    pub transactional: bool,
    pub foreign_keys_off: bool,
}

/// One step with everything that a backend needs to execute and record it.
#[derive(Debug)]
pub struct Work<'a> {
    pub step: &'a Step,
    /// The script to run.
    pub script: File<'a>,
    /// The verify script, for a step up.
    pub verify: Option<File<'a>>,
    /// The migration as the registry has it, for a step up.
    pub migration: Option<&'a Migration>,
    /// Whether it is one transaction.
    pub transactional: bool,
    pub foreign_keys_off: bool,
    pub lock_timeout: Duration,
    pub statement_timeout: Option<Duration>,
    /// Whether a report of who blocks a step may show the blocker's query.
    pub blocker_queries: bool,
    /// What may stop the run meanwhile.
    pub stop: &'a Stop,
    /// The step before it in the run, which must have taken effect when this one begins.
    pub after: Option<&'a Step>,
}

impl Work<'_> {
    /// How long its statements may wait for locks in all: readers queue behind every wait. The server bounds each by the
    /// same number, unless the script changes that; zero bounds nothing.
    #[cfg(feature = "postgres")]
    pub(crate) fn lock_budget(&self) -> Option<Duration> {
        Some(self.lock_timeout).filter(|timeout| !timeout.is_zero())
    }

    /// The down script that the ledger keeps of the migration, for a step up.
    #[cfg(feature = "postgres")]
    pub(crate) fn stored_down(&self) -> Option<File<'_>> {
        let Source::Registry(registry, migration, _) = self.script.source else {
            return None;
        };
        let down = self.migration.and_then(|_| migration.script(Role::Down, Dialect::Postgres))?;
        Some(File { source: Source::Registry(registry, migration, down), sql: Cow::Borrowed(&down.sql) })
    }

    /// What the ledger keeps of the migration, for a step up.
    pub(crate) fn record(&self, dialect: Dialect) -> Record<'_> {
        let migration = self.migration.expect("a step up carries its migration");
        let up = migration.script(Role::Up, dialect).expect("a step up runs its script");
        let down = migration.script(Role::Down, dialect);
        // Requirements hold digits, letters and operators only, so they need no escaping in JSON.
        let dependencies: Vec<String> = migration.dependencies().iter().map(|it| format!("\"{it}\"")).collect();
        Record {
            checksum: up.checksum.to_string(),
            min_runtime_version: migration.min_runtime_version().map(|version| version.to_string()),
            dependencies: format!("[{}]", dependencies.join(",")),
            up_sql: &up.sql,
            down_sql: down.map(|script| &*script.sql),
            down_checksum: down.map(|script| script.checksum.to_string()),
            transactional: migration.transaction(),
            foreign_keys_off: migration.foreign_keys_off(),
        }
    }
}

/// The columns of a ledger row that come from the registry.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub checksum: String,
    pub min_runtime_version: Option<String>,
    pub dependencies: String,
    pub up_sql: &'a str,
    pub down_sql: Option<&'a str>,
    pub down_checksum: Option<String>,
    pub transactional: bool,
    pub foreign_keys_off: bool,
}

/// A script, and where it comes from.
#[derive(Debug)]
pub struct File<'a> {
    pub source: Source<'a>,
    pub sql: Cow<'a, str>,
}

/// Where a script comes from. Displayed as messages speak of it.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    Registry(&'a Registry, &'a Migration, &'a Script),
    Ledger(SchemaVersion),
}

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(registry, migration, script) => f.write_str(&registry.path(migration, &script.file_name())),
            Self::Ledger(version) => write!(f, "{version} (stored in the ledger)"),
        }
    }
}

impl File<'_> {
    /// The statements of the script. SQLite finds them itself.
    #[cfg(feature = "postgres")]
    pub(crate) fn statements(&self, dialect: Dialect) -> Result<Vec<Statement>, Error> {
        sql::statements(&self.sql, dialect).map_err(|error| self.lex_error(&error))
    }

    /// The segments of the script, when it runs outside a transaction.
    pub(crate) fn segments(&self, dialect: Dialect) -> Result<Vec<Segment>, Error> {
        sql::segments(&self.sql, dialect).map_err(|error| self.lex_error(&error))
    }

    /// Where an offset of the script is.
    pub(crate) fn location(&self, offset: usize) -> Location {
        let (line, column) = sql::line_column(&self.sql, offset);
        Location { path: self.source.to_string(), line, column }
    }

    fn lex_error(&self, error: &sql::SqlError) -> Error {
        Error::new(ErrorKind::Migration, error.problem.to_string()).with_location(self.location(error.offset))
    }
}

/// Why a statement failed, before it is put into words.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What the database said.
    pub database: DatabaseError,
    /// Where in the script the database points, if it does.
    pub offset: Option<usize>,
    /// The statement, as a range of the script.
    pub statement: Option<Range<usize>>,
    /// Whether the same attempt may succeed later.
    pub retryable: bool,
    /// Whether the connection is gone.
    pub connection_lost: bool,
    /// The kind of error it makes.
    pub kind: ErrorKind,
}

/// What to do when the connection was lost for good.
pub(crate) const RUN_AGAIN: &str = "the connection was lost; what was committed is in the ledger, so run again";

/// What the history says of a step that goes on with a changed script.
pub(crate) fn goes_on_changed(step: &Step) -> String {
    let Step { version, name, .. } = step;
    match step.resume_after.unwrap_or(0) {
        0 => format!("begin {version} {name} anew with its changed script"),
        parts => format!("go on with {version} {name} behind its part {parts} with its changed script"),
    }
}

/// Puts a failure of a step's script into words.
pub(crate) fn step_error(work: &Work<'_>, file: &File<'_>, failure: Failure) -> Error {
    let step = work.step;
    let (what, again) = match step.direction {
        Direction::Up => ("migration", "up"),
        Direction::Down => ("undoing migration", "down"),
    };
    let stopped = failure.kind == ErrorKind::Cancelled;
    let help = if failure.connection_lost {
        RUN_AGAIN.to_owned()
    } else if work.transactional && stopped {
        format!("nothing of {} was kept; `migrate {again}` runs it again", step.version)
    } else if work.transactional {
        format!("nothing of {} was kept; mend its script, then run `migrate {again}` again", step.version)
    } else if stopped {
        format!("`migrate {again}` goes on with this statement; `migrate status` shows where {} stands", step.version)
    } else if step.direction == Direction::Up {
        format!(
            "`migrate up` goes on with this statement; if it is wrong, mend it in the script first, but change none of those \
             before it, which are done; `migrate status` shows where {} stands",
            step.version
        )
    } else {
        format!(
            "`migrate down` goes on with this statement, as the ledger keeps it; if it is wrong, do what is left by hand, then \
             say `migrate repair {} --not-applied`",
            step.version
        )
    };
    script_error(step, file, what, failure).with_help(help)
}

/// Puts a failure of a step's verify script into words that is no answer: of such a script nothing has to be mended if it
/// was in somebody's way, or somebody in its.
#[cfg(feature = "postgres")]
pub(crate) fn verify_error(work: &Work<'_>, file: &File<'_>, failure: Failure) -> Error {
    let step = work.step;
    let help = if failure.connection_lost {
        RUN_AGAIN.to_owned()
    } else if failure.kind == ErrorKind::Migration && !failure.retryable {
        ONE_TRUE_ROW.to_owned()
    } else if work.transactional {
        format!("nothing of {} was kept; `migrate up` runs it again", step.version)
    } else {
        format!("`migrate up` verifies it again; `migrate status` shows where {} stands", step.version)
    };
    script_error(step, file, "verification of migration", failure).with_help(help)
}

fn script_error(step: &Step, file: &File<'_>, what: &str, failure: Failure) -> Error {
    let ended = if failure.kind == ErrorKind::Cancelled { "was stopped" } else { "failed" };
    let mut error = Error::new(failure.kind, format!("{what} {} `{}` {ended}", step.version, step.name))
        .with_migration(step.version)
        .with_retryable(failure.retryable)
        .with_connection_lost(failure.connection_lost)
        .with_database(failure.database.without(&sql::Secrets::of(&file.sql)));
    let start = failure.statement.as_ref().map(|range| range.start);
    if let Some(offset) = failure.offset.or(start) {
        error = error.with_location(file.location(offset));
    }
    if let Some(text) = failure.statement.and_then(|range| file.sql.get(range)) {
        error = error.with_statement(sql::excerpt(text));
    }
    error
}

const ONE_TRUE_ROW: &str = "each query of a verify script must give exactly one row with one true value";

/// A verify script that did not say yes.
pub(crate) fn verification_error(step: &Step, file: &File<'_>, statement: Range<usize>, found: &str) -> Error {
    Error::new(
        ErrorKind::Migration,
        format!(
            "verification of migration {} `{}` failed: {}",
            step.version,
            step.name,
            sql::Secrets::of(&file.sql).hidden_in(found)
        ),
    )
    .with_migration(step.version)
    .with_location(file.location(statement.start))
    .with_statement(sql::excerpt(&file.sql[statement]))
    .with_help(ONE_TRUE_ROW)
}

/// A quoted identifier, the same in both dialects.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether a script holds a word, in whatever case and also as a part of another.
pub(crate) fn mentions(script: &str, word: &str) -> bool {
    script.as_bytes().windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

/// The error of a run whose lock is no longer its own.
pub(crate) fn lock_lost(fence: Fence) -> Error {
    Error::new(
        ErrorKind::LockLost,
        format!("the run lost its lock to another run and stopped: its fence {fence} is gone"),
    )
    .with_help("see what the other run did with `migrate history`, then run again")
}

/// The error of a ledger that cannot be read.
pub(crate) fn ledger_error(table: &str, problem: &str) -> Error {
    Error::new(ErrorKind::Ledger, format!("the table `{table}` is damaged: {problem}"))
        .with_help("restore the table from a backup; nothing was changed")
}

/// The error of a row for a migration in our tables that the database did not write, and said nothing.
pub(crate) fn row_not_written(version: SchemaVersion) -> Error {
    Error::new(
        ErrorKind::Ledger,
        format!("the ledger row of {version} was not written: a trigger or rule on the table keeps it out"),
    )
    .with_migration(version)
    .with_help("nothing of this step was kept; remove what stands on the ledger's table, then run again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_restore_took_away() {
        let restore = |id: i64, stands: i64| (id, format!("restore the backup x{STANDS}{stands}"));
        let rows = |restores: &[(i64, String)]| -> Vec<i64> { void(restores).into_iter().flatten().collect() };
        assert_eq!(rows(&[restore(11, 8)]), [9, 10]);
        assert_eq!(rows(&[restore(11, 8), restore(15, 12)]), [13, 14, 9, 10]);
        assert_eq!(rows(&[restore(11, 8), restore(13, 9)]), [10, 11, 12]);
        assert!(void(&[(11, "restore the backup x".to_owned())]).is_empty());
    }
}
