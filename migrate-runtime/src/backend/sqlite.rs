//! SQLite, through rusqlite.
//!
//! Every future here is ready at its first poll: the work is done where it is called. The run lock is a lock on a file
//! beside the database, which the operating system gives back when its holder dies, and a fence number in the state row,
//! which every transaction of a run checks after `BEGIN IMMEDIATE`.

mod file_lock;
mod health;
mod instances;
#[cfg(feature = "backup")]
mod restored;
mod script;
mod session;
mod tables;
mod transactional;

use std::path::{Path, PathBuf};
use std::time::Duration;

use migrate_core::health::Found;
use migrate_core::instances::{Intent, RunningInstance};
use migrate_core::ledger::{Snapshot, Status, Summary};
use migrate_core::migration::Dialect;
use migrate_core::plan::{Direction, Step};
use migrate_core::rollback::Past;
use migrate_core::sql::{Segment, SegmentKind};
use migrate_core::version::SchemaVersion;
use rusqlite::{Connection, OpenFlags};

use self::file_lock::FileLock;
use self::script::is_busy;
pub(crate) use self::script::plain_error;
use self::session::Session;
use self::tables::Names;
use crate::backend::{
    Backend, Edit, Fence, HistoryEntry, InstanceRow, Observation, Place, Question, Raised, Registered, Run, RunEnd,
    Stored, Took, Work, goes_on_changed, lock_lost,
};
#[cfg(feature = "backup")]
use crate::backup::{self, Copied, Measure, Order, Restoration, Survey};
use crate::database::{AnyDatabase, Sqlite};
use crate::error::{Error, ErrorKind};
use crate::observer::Progress;
use crate::options::Tables;
use crate::report::HistoryRow;
use crate::stop::Stop;

/// How long SQLite itself waits for another connection's lock before it reports the file as busy.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

enum Link<'c> {
    /// The file may not exist yet.
    Closed,
    Owned(Connection),
    Borrowed(&'c mut Connection),
}

pub(crate) struct SqliteBackend<'c> {
    /// Where the database is; `None` for one in memory.
    path: Option<PathBuf>,
    link: Link<'c>,
    tables: Tables,
    names: Names,
    lock: Option<FileLock>,
    /// What scripts may change in the connection, as it was when the run began.
    session: Session,
    /// Asked for when whoever awaited the run no longer does.
    cancelled: Stop,
    /// Keeps others from writing until a backup is put back.
    #[cfg(feature = "backup")]
    alone: Option<Alone>,
}

/// A state of the database that nobody changes.
#[cfg(feature = "backup")]
struct Alone {
    /// In a transaction that writes nothing. It is not the run's: SQLite does not overwrite a database through a
    /// connection that has one open.
    _connection: Connection,
    /// What changes for the run's connection when another one has written.
    version: i64,
}

impl<'c> SqliteBackend<'c> {
    /// The database of a file; the last one tells that nobody awaits the run any more.
    pub(crate) fn of_file(path: &Path, tables: &Tables, cancelled: Stop) -> Self {
        Self {
            path: Some(path.to_owned()),
            link: Link::Closed,
            tables: tables.clone(),
            names: Names::new(tables),
            lock: None,
            session: Session::default(),
            cancelled,
            #[cfg(feature = "backup")]
            alone: None,
        }
    }

    /// The database of a connection that the application keeps.
    pub(crate) fn of_connection(connection: &'c mut Connection, tables: &Tables) -> Self {
        let path = connection.path().filter(|path| !path.is_empty()).map(PathBuf::from);
        Self {
            path,
            link: Link::Borrowed(connection),
            tables: tables.clone(),
            names: Names::new(tables),
            lock: None,
            session: Session::default(),
            cancelled: Stop::new(),
            #[cfg(feature = "backup")]
            alone: None,
        }
    }

    /// The connection for reading; `None` when there is no database yet. Where its folder is missing no run could make it, so
    /// that the path is wrong.
    fn reader(&mut self) -> Result<Option<&Connection>, Error> {
        if let (Link::Closed, Some(path)) = (&self.link, &self.path) {
            let exists = path.try_exists().map_err(|error| unreachable_file(path, &error.to_string()))?;
            if !exists {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                return match folder.filter(|folder| !folder.is_dir()) {
                    Some(folder) => Err(unreachable_file(path, &format!("there is no folder `{}`", folder.display()))),
                    None => Ok(None),
                };
            }
        }
        self.open(OpenFlags::empty()).map(Some)
    }

    /// The connection for writing; creates the database when there is none.
    fn writer(&mut self) -> Result<&Connection, Error> {
        self.open(OpenFlags::SQLITE_OPEN_CREATE)
    }

    fn open(&mut self, create: OpenFlags) -> Result<&Connection, Error> {
        if let (Link::Closed, Some(path)) = (&self.link, &self.path) {
            self.link = Link::Owned(open_file(path, create)?);
        }
        Ok(self.connection())
    }

    fn connection(&self) -> &Connection {
        match &self.link {
            Link::Owned(connection) => connection,
            Link::Borrowed(connection) => connection,
            Link::Closed => unreachable!("a run opens the database before it uses it"),
        }
    }

    /// Takes the run lock with the lock of the file, or without it from a holder that is alive.
    async fn acquire_with(
        &mut self,
        lock: Option<FileLock>,
        run: &Run,
        seen: Fence,
    ) -> Result<(Option<Fence>, Snapshot), Error> {
        let names = self.names.clone();
        let connection = self.writer()?;
        if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
            // Where we have no lock on a file, it may be another run.
            if is_busy(&error) && lock.is_none() {
                return Ok((None, self.read().await?));
            }
            return Err(plain_error("the database cannot be written", &error));
        }
        let taken = take_lock(connection, &names, run, seen);
        let (fence, snapshot) = match taken {
            Ok((Some(fence), snapshot)) => (fence, snapshot),
            other => {
                roll_back(connection)?;
                return other;
            }
        };
        self.session = Session::capture(connection)?;
        self.lock = lock;
        Ok((Some(fence), snapshot))
    }

    /// Fails when nobody awaits the run any more.
    fn goes_on(&self) -> Result<(), Error> {
        if self.cancelled.is_asked() {
            return Err(Error::new(ErrorKind::Cancelled, "the run was cancelled; what was committed before stays"));
        }
        Ok(())
    }

    /// Runs `body` in a transaction of its own, after proving that the run still holds its lock.
    fn transaction<T>(&self, fence: Fence, body: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        session::writable(self.connection(), |connection, _| {
            in_write_transaction(connection, |connection| {
                self.prove(connection, fence)?;
                body(connection)
            })
        })
    }

    /// Runs a segment and records it as finished, both or neither. For the script a connection that it has made read-only
    /// stays so.
    fn segment_in_transaction(
        &self,
        fence: Fence,
        work: &Work<'_>,
        segment: &Segment,
        record: impl FnOnce(&Connection) -> Result<(), Error>,
    ) -> Result<(), Error> {
        session::writable(self.connection(), |connection, read_only| {
            in_write_transaction(connection, |connection| {
                self.prove(connection, fence)?;
                session::set_read_only(connection, read_only)?;
                script::run_segment(connection, work, segment)?;
                if connection.is_autocommit() {
                    return Err(script::transaction_ended(work));
                }
                session::set_read_only(connection, false)?;
                record(connection)
            })
        })
    }

    fn begin_fenced(&self, fence: Fence) -> Result<(), Error> {
        let connection = self.connection();
        begin_immediate(connection)?;
        self.prove(connection, fence)
    }

    fn prove(&self, connection: &Connection, fence: Fence) -> Result<(), Error> {
        if self.names.fence(connection)? == Some(fence) { Ok(()) } else { Err(lock_lost(fence)) }
    }
}

impl Backend for SqliteBackend<'_> {
    const DIALECT: Dialect = Dialect::Sqlite;
    const STEPS_KEEP_WRITERS_OUT: bool = true;

    async fn read(&mut self) -> Result<Snapshot, Error> {
        let path = self.path.clone();
        let names = self.names.clone();
        let Some(connection) = self.reader()? else {
            return Ok(Snapshot::default());
        };
        let read = tables::in_read_transaction(connection, |connection| names.snapshot(connection));
        let mut snapshot = read.map_err(|error| match (&path, error.kind(), error.database()) {
            // A script that changes more than fits into memory locks readers out before its commit.
            (Some(path), ErrorKind::Database, Some(database)) if error.is_retryable() && FileLock::is_held(path) => {
                Error::new(ErrorKind::LockBusy, "a run is writing the database, which cannot be read meanwhile")
                    .with_database(database.clone())
                    .with_retryable(true)
                    .with_help("try again when the run has ended; in WAL mode reading goes on meanwhile")
            }
            (Some(path), ErrorKind::Unreachable, Some(database)) => unreachable_file(path, &database.to_string())
                .with_help("check the path: the file exists and cannot be read as a database"),
            _ => error,
        })?;
        if let Some(lock) = snapshot.state.as_mut().and_then(|state| state.lock.as_mut()) {
            lock.live = path.is_some_and(|path| FileLock::is_held(&path));
        }
        Ok(snapshot)
    }

    async fn summary(&mut self) -> Option<Summary> {
        let names = self.names.clone();
        let connection = self.reader().ok()??;
        names.summary(connection).ok()?
    }

    async fn stored(&mut self, versions: &[SchemaVersion]) -> Result<Vec<Stored>, Error> {
        let names = self.names.clone();
        match self.reader()? {
            Some(connection) => versions.iter().map(|version| names.stored(connection, *version)).collect(),
            None => Ok(Vec::new()),
        }
    }

    async fn history(&mut self, limit: u32) -> Result<Vec<HistoryRow>, Error> {
        let names = self.names.clone();
        match self.reader()? {
            Some(connection) => tables::in_read_transaction(connection, |connection| names.history(connection, limit)),
            None => Ok(Vec::new()),
        }
    }

    async fn acquire(&mut self, run: &Run, seen: Fence) -> Result<(Option<Fence>, Snapshot), Error> {
        match &self.path {
            Some(path) => match FileLock::try_take(path)? {
                Some(lock) => self.acquire_with(Some(lock), run, seen).await,
                None => Ok((None, self.read().await?)),
            },
            None => self.acquire_with(None, run, seen).await,
        }
    }

    async fn upgrade(&mut self, fence: Fence, _lock_timeout: Duration) -> Result<(), Error> {
        self.transaction(fence, |connection| self.names.upgrade(connection))
    }

    async fn grant(&mut self, _fence: Fence, _role: &str) -> Result<(), Error> {
        Ok(())
    }

    async fn apply(
        &mut self,
        run: &Run,
        fence: Fence,
        works: &[Work<'_>],
        done: &mut (dyn FnMut(usize, Duration) + Send),
    ) -> Result<(), Error> {
        self.run_transactional(run, fence, works, done)
    }

    /// Foreign keys are off around one transaction. Statements with a commit each could not be checked together, and with
    /// enforcement on, a rebuild would delete the rows that refer to its table.
    fn accepts(&self, work: &Work<'_>) -> Result<(), Error> {
        if work.transactional || !work.foreign_keys_off {
            return Ok(());
        }
        let (version, name) = (work.step.version, &work.step.name);
        let message = format!(
            "migration {version} `{name}` runs outside a transaction and asks for foreign keys to be off, which only holds around one"
        );
        let help = if work.step.resume_after.is_some() {
            format!(
                "it was begun outside a transaction: finish or undo it by hand, then say so with `migrate force {version}`"
            )
        } else {
            "remove `\"transaction\": false`, or write `PRAGMA foreign_keys = OFF` into the script instead of `foreign_keys`; one that is stored in the ledger is undone by hand, then recorded with `migrate force`".to_owned()
        };
        Err(Error::new(ErrorKind::Configuration, message)
            .with_migration(version)
            .with_location(work.script.location(0))
            .with_help(help))
    }

    async fn begin(&mut self, run: &Run, fence: Fence, work: &Work<'_>) -> Result<(), Error> {
        self.session.detach(self.connection())?;
        self.transaction(fence, |connection| {
            match work.step.direction {
                Direction::Up => self.names.insert(connection, run, work, Status::Applying, Duration::ZERO)?,
                Direction::Down => self.names.mark_reverting(connection, work)?,
            }
            self.names.add_history(connection, run, &HistoryEntry::of_step(work.step, "started"))
        })
    }

    async fn adopt(&mut self, run: &Run, fence: Fence, work: &Work<'_>) -> Result<(), Error> {
        self.transaction(fence, |connection| {
            self.names.accept(connection, run, work)?;
            let changed = goes_on_changed(work.step);
            self.names.add_history(connection, run, &HistoryEntry::resumed(work.step, &changed))
        })
    }

    async fn abandon(&mut self, fence: Fence, step: &Step, finished: u32) -> Result<(), Error> {
        self.transaction(fence, |connection| {
            // Changes nothing, and fails unless the row says so.
            self.names.stands_at(connection, step, finished)?;
            match step.direction {
                Direction::Up => self.names.delete(connection, step),
                Direction::Down => self.names.mark_applied(connection, step),
            }
        })
    }

    async fn segment(
        &mut self,
        fence: Fence,
        work: &Work<'_>,
        segment: &Segment,
        place: Option<Place>,
        _tell: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), Error> {
        let connection = self.connection();
        let record = |connection: &Connection| match place {
            Some(Place { number, .. }) => self.names.progress(connection, work.step, number),
            None => Ok(()),
        };
        match segment.kind {
            SegmentKind::Transactional | SegmentKind::Group => {
                self.segment_in_transaction(fence, work, segment, record)
            }
            _ => {
                script::run_bare_segment(connection, work, segment, BUSY_TIMEOUT)?;
                if place.is_some() { self.transaction(fence, record) } else { Ok(()) }
            }
        }
    }

    async fn finish(&mut self, run: &Run, fence: Fence, work: &Work<'_>, duration: Duration) -> Result<(), Error> {
        self.transaction(fence, |connection| {
            if let Some(verify) = &work.verify {
                script::verify(connection, work, verify)?;
                self.session.restore_after(connection, &verify.sql)?;
            }
            match work.step.direction {
                Direction::Up => self.names.complete(connection, work.step, duration)?,
                Direction::Down => self.names.delete(connection, work.step)?,
            }
            self.names.add_history(connection, run, &HistoryEntry::done(work.step, Took::Measured(duration)))
        })
    }

    async fn restore_session(&mut self) -> Result<(), Error> {
        roll_back(self.connection())?;
        self.session.restore(self.connection())
    }

    async fn failed(&mut self, run: &Run, fence: Fence, step: &Step, error: &Error) -> Result<(), Error> {
        let text = error.to_string();
        let entry = HistoryEntry { error: Some(&text), ..HistoryEntry::of_step(step, "failed") };
        self.transaction(fence, |connection| self.names.add_history(connection, run, &entry))
    }

    async fn release(&mut self, run: &Run, fence: Fence, end: RunEnd<'_>) -> Result<(), Error> {
        #[cfg(feature = "backup")]
        drop(self.alone.take());
        let entry = HistoryEntry { error: end.error, ..HistoryEntry::of_run(end.outcome) };
        let released = self.transaction(fence, |connection| {
            self.names.add_history(connection, run, &entry)?;
            self.names.give_lock_back(connection, fence)
        });
        if released.as_ref().err().is_none_or(|error| !error.is_retryable()) {
            self.lock = None;
        }
        released.and_then(|()| self.session.detach(self.connection()))
    }

    async fn reconnect(&mut self) -> Result<(), Error> {
        Ok(())
    }

    async fn raise(&mut self, run: &Run, fence: Fence) -> Result<Raised, Error> {
        let names = &self.names;
        tables::in_read_transaction(self.connection(), |connection| {
            if names.fence(connection)? != Some(fence) {
                return Ok(Raised::Overtaken);
            }
            let done = names.done(connection, run)?;
            Ok(Raised::Ours { fence, done, snapshot: Box::new(names.snapshot(connection)?) })
        })
    }

    async fn instances(&mut self) -> Result<Registered, Error> {
        let names = self.names.clone();
        match self.reader()? {
            Some(connection) => tables::in_read_transaction(connection, |connection| names.registered(connection)),
            None => Ok(Registered::default()),
        }
    }

    async fn intend(&mut self, fence: Fence, intent: &Intent) -> Result<Vec<RunningInstance>, Error> {
        self.transaction(fence, |connection| {
            if self.names.intent(connection)? != *intent {
                self.names.set_intent(connection, intent)?;
            }
            self.names.running(connection)
        })
    }

    async fn register(&mut self, row: &InstanceRow) -> Result<(Snapshot, Intent), Error> {
        let names = self.names.clone();
        in_write_transaction(self.writer()?, |connection| {
            names.create(connection)?;
            names.add_instance(connection, row)?;
            Ok((names.snapshot(connection)?, names.intent(connection)?))
        })
    }

    async fn beat(&mut self, row: &InstanceRow) -> Result<bool, Error> {
        let (path, names) = (self.path.clone(), self.names.clone());
        match (self.reader()?, path) {
            (Some(connection), _) => in_write_transaction(connection, |connection| {
                Ok(names.found(connection)?.instances && names.prolong_instance(connection, row)?)
            }),
            (None, path) => Err(unreachable_file(&path.unwrap_or_default(), "it is gone")),
        }
    }

    async fn leave(&mut self, row: &InstanceRow) -> Result<(), Error> {
        let names = self.names.clone();
        match self.reader()? {
            Some(connection) => in_write_transaction(connection, |connection| {
                if names.found(connection)?.instances { names.remove_instance(connection, row) } else { Ok(()) }
            }),
            None => Ok(()),
        }
    }

    fn connector(&self) -> Option<AnyDatabase> {
        self.path.as_ref().map(|path| AnyDatabase::Sqlite(Sqlite::file(path)))
    }

    fn located(&self) -> Tables {
        self.tables.clone()
    }

    async fn sleep(&mut self, duration: Duration) -> Result<(), Error> {
        self.goes_on()?;
        std::thread::sleep(duration);
        self.goes_on()
    }

    async fn amend(
        &mut self,
        run: &Run,
        fence: Fence,
        edits: &[Edit<'_>],
        entries: &[HistoryEntry<'_>],
    ) -> Result<(), Error> {
        self.transaction(fence, |connection| {
            for edit in edits {
                match edit {
                    Edit::Insert(work, status) => self.names.insert(connection, run, work, *status, Duration::ZERO)?,
                    Edit::Accept(work) => self.names.accept(connection, run, work)?,
                    Edit::Complete(step) => self.names.complete(connection, step, Duration::ZERO)?,
                    Edit::Forget(step) => self.names.delete(connection, step)?,
                    Edit::Reached(step, segments) => self.names.progress(connection, step, *segments)?,
                }
            }
            entries.iter().try_for_each(|entry| self.names.add_history(connection, run, entry))
        })
    }

    async fn past(&mut self) -> Result<Past, Error> {
        let names = self.names.clone();
        match self.reader()? {
            Some(connection) => tables::in_read_transaction(connection, |connection| names.past(connection)),
            None => Ok(Past::default()),
        }
    }

    async fn observe(&mut self, questions: &[Question], ledger: bool, bound: Duration) -> Result<Observation, Error> {
        self.answer(questions, ledger, bound)
    }

    async fn try_writing(&mut self, _bound: Duration) -> Result<Found, Error> {
        self.write_and_roll_back()
    }

    async fn verify_again(&mut self, work: &Work<'_>, bound: Duration) -> Result<Found, Error> {
        self.verify_read_only(work, bound)
    }

    async fn seize(&mut self, run: &Run, seen: Fence) -> Result<(Option<Fence>, Snapshot), Error> {
        let lock = self.path.as_deref().map(FileLock::try_take).transpose()?.flatten();
        self.acquire_with(lock, run, seen).await
    }

    #[cfg(feature = "backup")]
    async fn measure(&mut self) -> Result<Measure, Error> {
        let tables = self.tables.clone();
        let (empty, size) = match self.reader()? {
            Some(connection) => backup::sqlite::measure(connection, &tables)?,
            None => (true, 0),
        };
        Ok(backup::sqlite::place(self.path.as_deref(), empty, size))
    }

    fn reads_keep_writers_out(&self) -> bool {
        let mode = |connection: &Connection| connection.pragma_query_value(None, "journal_mode", |row| row.get(0));
        match &self.link {
            Link::Closed => true,
            Link::Owned(_) | Link::Borrowed(_) => {
                mode(self.connection()).is_ok_and(|mode: String| !mode.eq_ignore_ascii_case("wal"))
            }
        }
    }

    #[cfg(feature = "backup")]
    async fn refuse_others(&mut self, _send_away: bool) -> Result<(), Error> {
        Ok(())
    }

    #[cfg(feature = "backup")]
    async fn keep_writers_out(&mut self, fence: Fence) -> Result<(), Error> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let connection = open_file(path, OpenFlags::empty())?;
        connection
            .busy_timeout(backup::sqlite::LONGEST_WAIT)
            .and_then(|()| connection.execute_batch("BEGIN IMMEDIATE"))
            .map_err(|error| backup::sqlite::held_by_others("the database could not be overwritten", &error))?;
        self.prove(self.connection(), fence)?;
        let version = backup::sqlite::data_version(self.connection())?;
        self.alone = Some(Alone { _connection: connection, version });
        Ok(())
    }

    #[cfg(feature = "backup")]
    async fn copy_out(&mut self, order: &Order<'_>) -> Result<Copied, Error> {
        self.goes_on()?;
        // A connection of its own: the run's may hold what a script has set.
        match (&self.link, &self.path) {
            (Link::Closed | Link::Owned(_), Some(path)) => {
                backup::sqlite::copy_out(&open_file(path, OpenFlags::empty())?, order, &self.tables)
            }
            _ => backup::sqlite::copy_out(self.connection(), order, &self.tables),
        }
    }

    #[cfg(feature = "backup")]
    async fn copy_in(&mut self, run: &Run, fence: Fence, restoration: &Restoration<'_>) -> Result<Fence, Error> {
        let copy = restoration.extracted.expect("the contents of a SQLite backup are extracted to be verified").path();
        let copy = open_file(copy, OpenFlags::empty())?;
        if self.names.fence(self.connection())? != Some(fence) {
            return Err(lock_lost(fence));
        }
        let raised = self.names.continue_in(&copy, self.connection(), run, restoration)?;
        #[cfg(feature = "failpoints")]
        crate::failpoint::reach(format_args!("restore: the copy is ready"));
        let version = self.alone.take().map(|alone| alone.version);
        let database = match &mut self.link {
            Link::Owned(connection) => connection,
            Link::Borrowed(connection) => connection,
            Link::Closed => unreachable!("a run opens the database before it uses it"),
        };
        backup::sqlite::copy_in(&copy, database, version, restoration.stop)?;
        Ok(raised)
    }

    #[cfg(feature = "backup")]
    async fn survey(&mut self) -> Result<Survey, Error> {
        let tables = self.tables.clone();
        match self.reader()? {
            Some(connection) => backup::sqlite::survey(connection, &tables),
            None => Ok(Survey::default()),
        }
    }
}

/// Opens a database file for reading and writing.
fn open_file(path: &Path, create: OpenFlags) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
    let opened = Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        #[cfg(feature = "failpoints")]
        let connection = crate::failpoint::around_statements(connection)?;
        Ok(connection)
    });
    opened.map_err(|error| {
        let database = script::database_error(&error);
        unreachable_file(path, &database.to_string())
    })
}

/// Takes the lock inside the open transaction and commits it; leaves the transaction open when it is not taken. Whoever
/// is in the lock row is gone: it would hold the lock on the file.
fn take_lock(
    connection: &Connection,
    names: &Names,
    run: &Run,
    seen: Fence,
) -> Result<(Option<Fence>, Snapshot), Error> {
    names.create(connection)?;
    let snapshot = names.snapshot(connection)?;
    if snapshot.state.as_ref().is_none_or(|state| state.fence != seen) {
        return Ok((None, snapshot));
    }
    let fence = names.take_lock(connection, run)?;
    connection.execute_batch("COMMIT").map_err(|error| plain_error("the lock could not be taken", &error))?;
    Ok((Some(fence), snapshot))
}

fn begin_immediate(connection: &Connection) -> Result<(), Error> {
    connection
        .execute_batch("BEGIN IMMEDIATE")
        .map_err(|error| plain_error("the database could not be locked for writing", &error))
}

/// Runs `body` in a transaction that nobody else writes in meanwhile.
fn in_write_transaction<T>(
    connection: &Connection,
    body: impl FnOnce(&Connection) -> Result<T, Error>,
) -> Result<T, Error> {
    let result = begin_immediate(connection).and_then(|()| body(connection)).and_then(|value| {
        connection.execute_batch("COMMIT").map_err(|error| plain_error("the commit failed", &error))?;
        Ok(value)
    });
    if result.is_err() {
        roll_back(connection)?;
    }
    result
}

/// Ends a transaction that is still open; after many errors SQLite has already ended it.
fn roll_back(connection: &Connection) -> Result<(), Error> {
    if connection.is_autocommit() {
        return Ok(());
    }
    connection
        .execute_batch("ROLLBACK")
        .map_err(|error| plain_error("the transaction could not be rolled back", &error))
}

/// A connection for reading a file beside the engine; `None` when there is no file.
#[cfg(any(feature = "testing", feature = "backup"))]
pub(crate) fn open_to_read(path: &Path) -> Result<Option<Connection>, Error> {
    let unused = Tables { schema: None, table: String::new() };
    let mut backend = SqliteBackend::of_file(path, &unused, Stop::new());
    if backend.reader()?.is_none() {
        return Ok(None);
    }
    match backend.link {
        Link::Owned(connection) => Ok(Some(connection)),
        Link::Closed | Link::Borrowed(_) => unreachable!("the reader of a file has opened it"),
    }
}

fn unreachable_file(path: &Path, reason: &str) -> Error {
    Error::new(ErrorKind::Unreachable, format!("cannot open the database file `{}`: {reason}", path.display()))
        .with_help("check that the directory exists and that this user may read and write it")
}
