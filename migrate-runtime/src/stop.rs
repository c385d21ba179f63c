//! Asking a run to stop.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

#[cfg(feature = "sqlite")]
pub(crate) use self::interrupt::Window;

/// Asks the runs that it was given to ([`Migrator::stop`](crate::Migrator::stop)) to stop, from any thread. Clones ask the
/// same runs. What was asked stays asked.
///
/// A run that stops gives its lock back and ends with [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled); the report
/// travels with the error. What was committed stays, and the next run goes on from there.
///
/// # Examples
///
/// ```
/// use migrate_runtime::{BorrowedConnection, ErrorKind, Migrator, Registry, Stop, embed_migrations};
///
/// static MIGRATIONS: Registry = embed_migrations!("tests/migrations");
///
/// let stop = Stop::new();
/// let migrator = Migrator::new(&MIGRATIONS).stop(stop.clone());
/// stop.after_this_step();
/// let mut connection = rusqlite::Connection::open_in_memory()?;
/// let error = migrator.up(&mut BorrowedConnection::new(&mut connection)).wait().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Cancelled);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Stop(Arc<Asked>);

#[derive(Default)]
struct Asked {
    level: AtomicU8,
    #[cfg(feature = "sqlite")]
    interrupt: interrupt::Interrupt,
}

const AFTER_THIS_STEP: u8 = 1;
const NOW: u8 = 2;

impl Stop {
    /// A handle that has asked for nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No further step begins, and no wait goes on: neither for the run lock nor before another try. Of a migration that
    /// runs outside a transaction no further statement begins; its progress is kept.
    ///
    /// On PostgreSQL steps are sent ahead, up to 16 at once. Of those that the server has not begun yet, the first that takes
    /// longer than a quarter of a second is cancelled and rolled back, and none after it begins; shorter ones are done.
    /// Where statements cannot be cancelled ([`now`](Self::now) says where), what was sent is finished.
    pub fn after_this_step(&self) {
        self.0.level.fetch_max(AFTER_THIS_STEP, Ordering::SeqCst);
    }

    /// The same, and the statement that is being executed is cancelled: its transaction is rolled back.
    ///
    /// On PostgreSQL the request goes over a second connection. On a borrowed client, and through a pooler without a direct
    /// URL, there is none, and a server that takes no more connections refuses it: there the statement is waited for.
    pub fn now(&self) {
        self.0.level.store(NOW, Ordering::SeqCst);
        #[cfg(feature = "sqlite")]
        interrupt::Interrupt::strike(&self.0);
    }

    /// Whether it was asked for, in either way.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.level.load(Ordering::SeqCst) >= AFTER_THIS_STEP
    }

    /// Whether statements are to be cancelled.
    pub(crate) fn is_now(&self) -> bool {
        self.0.level.load(Ordering::SeqCst) == NOW
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop").field("is_asked", &self.is_asked()).field("is_now", &self.is_now()).finish()
    }
}

/// Interrupting SQLite, which knows of statements only: one that begins after the interrupt is not struck.
#[cfg(feature = "sqlite")]
mod interrupt {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
    use std::time::Duration;

    use rusqlite::{Connection, InterruptHandle};

    use super::{Asked, Stop};

    /// How long to wait before the next interrupt, as long as a script is still being executed.
    const AGAIN: Duration = Duration::from_millis(10);

    /// The connections that execute a script at the moment: several runs may share a handle.
    #[derive(Default)]
    pub(super) struct Interrupt(Mutex<Open>);

    #[derive(Default)]
    struct Open {
        windows: BTreeMap<u64, InterruptHandle>,
        opened: u64,
    }

    impl Interrupt {
        /// Interrupts the scripts that are being executed, again and again until they have ended: an interrupt between two
        /// statements is lost.
        pub(super) fn strike(asked: &Arc<Asked>) {
            if !asked.interrupt.all() {
                return;
            }
            let asked = Arc::clone(asked);
            std::thread::spawn(move || {
                while asked.interrupt.all() {
                    std::thread::sleep(AGAIN);
                }
            });
        }

        /// Interrupts every script that is being executed, and says whether there is one.
        fn all(&self) -> bool {
            let open = self.lock();
            open.windows.values().for_each(InterruptHandle::interrupt);
            !open.windows.is_empty()
        }

        fn lock(&self) -> MutexGuard<'_, Open> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// As long as it lives, its connection is interrupted when the run is to stop now. Statements of our own are executed
    /// outside it, so that what a stopped run has to put in order is not struck.
    pub(crate) struct Window<'s> {
        stop: &'s Stop,
        number: u64,
    }

    impl<'s> Window<'s> {
        pub(crate) fn open(stop: &'s Stop, connection: &Connection) -> Self {
            let mut open = stop.0.interrupt.lock();
            open.opened += 1;
            let number = open.opened;
            open.windows.insert(number, connection.get_interrupt_handle());
            drop(open);
            if stop.is_now() {
                Interrupt::strike(&stop.0);
            }
            Self { stop, number }
        }
    }

    impl Drop for Window<'_> {
        fn drop(&mut self) {
            self.stop.0.interrupt.lock().windows.remove(&self.number);
        }
    }
}
