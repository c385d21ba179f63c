//! Databases whose operations fail when a test wants it, to see what the engine makes of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use migrate_core::health::Found;
use migrate_core::instances::{Intent, RunningInstance};
use migrate_core::ledger::{Snapshot, Summary};
use migrate_core::migration::Dialect;
use migrate_core::plan::Step;
use migrate_core::rollback::Past;
use migrate_core::sql::Segment;
use migrate_core::version::SchemaVersion;

use crate::backend::{
    Backend, Edit, Fence, HistoryEntry, InstanceRow, Observation, Place, Question, Raised, Registered, Run, RunEnd,
    Stored, Work,
};
#[cfg(feature = "backup")]
use crate::backup::{Copied, Measure, Order, Restoration, Survey};
use crate::call::Operation;
use crate::database::{AnyDatabase, Database};
use crate::error::{Error, ErrorKind};
use crate::observer::Progress;
use crate::options::Tables;
use crate::report::HistoryRow;

/// Which of the engine's requests to a database fails, and how. Each step of a run of steps is a request of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The number of the request, from 1.
    pub at: usize,
    /// Whether it fails before or after its effect.
    pub moment: Moment,
    /// Whether all further requests fail too, as they do when the process is gone.
    pub lasting: bool,
    /// As what the failure counts.
    pub kind: Kind,
}

/// As what a failure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One that ends the run.
    Plain,
    /// One that passes, such as a lock timeout.
    Passing,
    /// A lost connection.
    Lost,
}

/// When a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before it has taken effect.
    Before,
    /// After it has taken effect: what was lost is the answer.
    After,
}

/// A database with a fault, or without one, which then only counts.
#[derive(Debug)]
pub struct Faulty<D> {
    database: D,
    fault: Option<Fault>,
    requests: Arc<AtomicUsize>,
}

impl<D> Faulty<D> {
    /// A database that fails once, or from then on.
    pub fn new(database: D, fault: Option<Fault>) -> Self {
        Self { database, fault, requests: Arc::default() }
    }

    /// How many requests the engine has made.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    fn wrap<O>(&self, operation: O) -> FaultyOperation<O> {
        FaultyOperation { operation, faults: Faults { fault: self.fault, requests: Arc::clone(&self.requests) } }
    }
}

impl<D: Database> Database for Faulty<D> {
    async fn call<O: Operation>(&mut self, operation: O) -> Result<O::Output, Error> {
        let operation = self.wrap(operation);
        self.database.call(operation).await
    }

    fn call_blocking<O: Operation>(&mut self, operation: O) -> Result<O::Output, Error> {
        let operation = self.wrap(operation);
        self.database.call_blocking(operation)
    }
}

struct FaultyOperation<O> {
    operation: O,
    faults: Faults,
}

impl<O: Operation> Operation for FaultyOperation<O> {
    type Output = O::Output;

    fn tables(&self) -> Tables {
        self.operation.tables()
    }

    async fn run<B: Backend>(self, backend: &mut B) -> Result<O::Output, Error> {
        self.operation.run(&mut FaultBackend { inner: backend, faults: self.faults }).await
    }
}

struct Faults {
    fault: Option<Fault>,
    requests: Arc<AtomicUsize>,
}

impl Faults {
    /// Counts a request, and fails it if it must not take effect.
    fn before(&self, what: impl fmt::Display) -> Result<(), Error> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        self.strike(Moment::Before, number, what)
    }

    /// Fails the request that was counted last if its answer must be lost.
    fn after(&self, what: impl fmt::Display) -> Result<(), Error> {
        self.strike(Moment::After, self.requests.load(Ordering::Relaxed), what)
    }

    fn strike(&self, moment: Moment, number: usize, what: impl fmt::Display) -> Result<(), Error> {
        let strikes = |fault: &Fault| {
            let first = number == fault.at && moment == fault.moment;
            first || (fault.lasting && number > fault.at)
        };
        match self.fault.filter(strikes) {
            None => Ok(()),
            Some(fault) => {
                let message = format!("request {number} ({what}) was made to fail");
                Err(Error::new(ErrorKind::Database, message)
                    .with_retryable(fault.kind == Kind::Passing)
                    .with_connection_lost(fault.kind == Kind::Lost))
            }
        }
    }
}

struct FaultBackend<'b, B> {
    inner: &'b mut B,
    faults: Faults,
}

/// Makes each method one request.
macro_rules! requests {
    ($($(#[$attribute:meta])* fn $name:ident($($argument:ident: $type:ty),*) -> $output:ty;)*) => {
        $($(#[$attribute])* async fn $name(&mut self, $($argument: $type),*) -> Result<$output, Error> {
            self.faults.before(stringify!($name))?;
            let result = self.inner.$name($($argument),*).await;
            self.faults.after(stringify!($name)).and(result)
        })*
    };
}

impl<B: Backend> Backend for FaultBackend<'_, B> {
    const DIALECT: Dialect = B::DIALECT;
    const STEPS_KEEP_WRITERS_OUT: bool = B::STEPS_KEEP_WRITERS_OUT;

    requests! {
        fn read() -> Snapshot;
        fn stored(versions: &[SchemaVersion]) -> Vec<Stored>;
        fn history(limit: u32) -> Vec<HistoryRow>;
        fn acquire(run: &Run, seen: Fence) -> (Option<Fence>, Snapshot);
        fn upgrade(fence: Fence, lock_timeout: Duration) -> ();
        fn grant(fence: Fence, role: &str) -> ();
        fn begin(run: &Run, fence: Fence, work: &Work<'_>) -> ();
        fn adopt(run: &Run, fence: Fence, work: &Work<'_>) -> ();
        fn abandon(fence: Fence, step: &Step, finished: u32) -> ();
        fn segment(
            fence: Fence, work: &Work<'_>, segment: &Segment, place: Option<Place>,
            tell: &mut (dyn FnMut(Progress) + Send)
        ) -> ();
        fn finish(run: &Run, fence: Fence, work: &Work<'_>, duration: Duration) -> ();
        fn restore_session() -> ();
        fn failed(run: &Run, fence: Fence, step: &Step, error: &Error) -> ();
        fn release(run: &Run, fence: Fence, end: RunEnd<'_>) -> ();
        fn reconnect() -> ();
        fn raise(run: &Run, fence: Fence) -> Raised;
        fn sleep(duration: Duration) -> ();
        fn amend(run: &Run, fence: Fence, edits: &[Edit<'_>], entries: &[HistoryEntry<'_>]) -> ();
        fn seize(run: &Run, seen: Fence) -> (Option<Fence>, Snapshot);
        fn past() -> Past;
        fn observe(questions: &[Question], ledger: bool, bound: Duration) -> Observation;
        fn try_writing(bound: Duration) -> Found;
        fn verify_again(work: &Work<'_>, bound: Duration) -> Found;
        #[cfg(feature = "backup")]
        fn measure() -> Measure;
        #[cfg(feature = "backup")]
        fn refuse_others(send_away: bool) -> ();
        #[cfg(feature = "backup")]
        fn keep_writers_out(fence: Fence) -> ();
        #[cfg(feature = "backup")]
        fn copy_out(order: &Order<'_>) -> Copied;
        #[cfg(feature = "backup")]
        fn copy_in(run: &Run, fence: Fence, restoration: &Restoration<'_>) -> Fence;
        #[cfg(feature = "backup")]
        fn survey() -> Survey;
        fn instances() -> Registered;
        fn intend(fence: Fence, intent: &Intent) -> Vec<RunningInstance>;
        fn register(row: &InstanceRow) -> (Snapshot, Intent);
        fn beat(row: &InstanceRow) -> bool;
        fn leave(row: &InstanceRow) -> ();
    }

    fn connector(&self) -> Option<AnyDatabase> {
        self.inner.connector()
    }

    fn located(&self) -> Tables {
        self.inner.located()
    }

    fn reads_keep_writers_out(&self) -> bool {
        self.inner.reads_keep_writers_out()
    }

    async fn summary(&mut self) -> Option<Summary> {
        self.faults.before("summary").ok()?;
        let summary = self.inner.summary().await;
        self.faults.after("summary").ok()?;
        summary
    }

    fn accepts(&self, work: &Work<'_>) -> Result<(), Error> {
        self.inner.accepts(work)
    }

    /// Each step is a request. The steps before the one that fails are executed together and committed.
    async fn apply(
        &mut self,
        run: &Run,
        fence: Fence,
        works: &[Work<'_>],
        done: &mut (dyn FnMut(usize, Duration) + Send),
    ) -> Result<(), Error> {
        // How many steps take effect, and how many of these the engine is told of.
        let (mut kept, mut told) = (0, 0);
        let mut struck = Ok(());
        for work in works {
            struck = self.faults.before(work.step);
            kept += usize::from(struck.is_ok());
            struck = struck.and_then(|()| self.faults.after(work.step));
            if struck.is_err() {
                break;
            }
            told = kept;
        }
        let mut tell = |index, duration| {
            if index < told {
                done(index, duration);
            }
        };
        self.inner.apply(run, fence, &works[..kept], &mut tell).await.and(struck)
    }
}
