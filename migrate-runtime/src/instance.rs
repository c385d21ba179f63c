//! The handle of a program that registered: its heartbeat, and its leave.

use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::call::{Call, Operation};
use crate::database::{AnyDatabase, Database};
use crate::engine::{Beat, Leave, Registration};
use crate::error::{Error, ErrorKind};
use crate::identity;

/// How long dropping an instance may wait for its row to be removed.
const FAREWELL: Duration = Duration::from_secs(2);

/// How [`Migrator::register_instance_with`](crate::Migrator::register_instance_with) behaves. Fields may be added: build it
/// with `..Default::default()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceOptions {
    /// How often the program says that it is alive; each pause is up to a fifth shorter. Default: 10 s.
    pub heartbeat: Duration,
    /// For how long it counts as alive after it last said so, by the database's clock. Default: 45 s.
    pub expiry: Duration,
    /// Whether a thread of ours keeps the row alive. Default: yes. Else [`Instance::beat`] has to be called.
    pub keep_alive: bool,
}

impl Default for InstanceOptions {
    fn default() -> Self {
        Self { heartbeat: Duration::from_secs(10), expiry: Duration::from_secs(45), keep_alive: true }
    }
}

impl InstanceOptions {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.heartbeat.is_zero() || self.expiry <= self.heartbeat {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("an instance that expires after {:?} cannot beat every {:?}", self.expiry, self.heartbeat),
            )
            .with_help("let it expire after several heartbeats"));
        }
        Ok(())
    }
}

/// A program that registered as running, as long as this lives.
///
/// A thread of ours keeps its row alive, over a connection that it opens for each heartbeat: for a [`Postgres`], a
/// [`Sqlite`], and a borrowed connection to a file. A borrowed client has to be lent for each heartbeat
/// ([`beat`](Self::beat)), and so has a connection to a database in memory; a program that has a pool can do the same.
///
/// When it is dropped, that thread removes the row, which is waited for, up to two seconds. [`leave`](Self::leave) removes it in
/// any case and says whether that worked. A row that is not removed expires.
///
/// [`Postgres`]: crate::Postgres
/// [`Sqlite`]: crate::Sqlite
pub struct Instance {
    registration: Registration,
    health: Health,
    keeper: Option<Keeper>,
}

impl Instance {
    pub(crate) fn new(
        registration: Registration,
        connector: Option<AnyDatabase>,
        options: &InstanceOptions,
    ) -> Result<Self, Error> {
        let health = Health::new(options.expiry);
        let keeper = match connector.filter(|_| options.keep_alive) {
            Some(database) => Some(Keeper::start(database, &registration, options, &health)?),
            None => None,
        };
        Ok(Self { registration, health, keeper })
    }

    /// What names its row.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.registration.row.id
    }

    /// Why the program may not count as alive; `None` while all is well. A readiness probe should ask: a run that is about to
    /// break this program does not wait for it any more once its row has expired.
    ///
    /// It is why the last heartbeat of our thread failed, or that none has succeeded for as long as a row lasts: the thread
    /// is held up or gone, or nobody calls [`beat`](Self::beat).
    ///
    /// [`Incompatible`](crate::ErrorKind::Incompatible) is the one to act on: the program was cut off from the database for
    /// so long that its row expired, and meanwhile the schema became one that it cannot serve, or a run is about to make it
    /// one and may not wait for this program any more.
    #[must_use]
    pub fn failure(&self) -> Option<Arc<Error>> {
        self.health.get()
    }

    /// One heartbeat over a connection of your own. Where no thread of ours does it, call it every ten seconds or so.
    ///
    /// A row that has expired meanwhile is registered anew.
    ///
    /// # Errors
    ///
    /// As [`Migrator::register_instance`](crate::Migrator::register_instance).
    pub fn beat<'d, D: Database>(&self, database: &'d mut D) -> Call<'d, D, impl Operation<Output = ()> + use<D>> {
        Call::new(database, Beat { registration: self.registration.clone(), health: self.health.clone() })
    }

    /// Ends the heartbeat and removes the row.
    ///
    /// # Errors
    ///
    /// [`Unreachable`](crate::ErrorKind::Unreachable), [`Database`](crate::ErrorKind::Database). The row then expires.
    pub fn leave<'d, D: Database>(mut self, database: &'d mut D) -> Call<'d, D, impl Operation<Output = ()> + use<D>> {
        if let Some(keeper) = self.keeper.take() {
            keeper.end();
        }
        Call::new(database, Leave { registration: self.registration.clone() })
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// How the heartbeats go.
#[derive(Clone, Debug)]
pub(crate) struct Health(Arc<Mutex<Beats>>);

#[derive(Debug)]
struct Beats {
    /// Why the last one failed.
    failure: Option<Arc<Error>>,
    last_success: Instant,
    expiry: Duration,
    /// Whether the thread that should go on with them has ended.
    ended: bool,
}

impl Health {
    fn new(expiry: Duration) -> Self {
        Self(Arc::new(Mutex::new(Beats { failure: None, last_success: Instant::now(), expiry, ended: false })))
    }

    fn with<T>(&self, body: impl FnOnce(&mut Beats) -> T) -> T {
        body(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn get(&self) -> Option<Arc<Error>> {
        self.with(|beats| {
            let since = beats.last_success.elapsed();
            let what = match (&beats.failure, beats.ended) {
                (Some(failure), _) => return Some(failure.clone()),
                (None, true) => "the thread of the heartbeat has ended".to_owned(),
                (None, false) if since > beats.expiry => {
                    format!("no heartbeat has succeeded for {} s", since.as_secs())
                }
                (None, false) => return None,
            };
            let error = Error::new(ErrorKind::Unreachable, format!("{what}: the program counts as gone"));
            Some(Arc::new(error.with_help("see what holds it up, and start the program anew if it does not pass")))
        })
    }

    fn is_well(&self) -> bool {
        self.with(|beats| beats.failure.is_none())
    }

    /// Notes that a heartbeat succeeded that was begun at a time. The row lasts from then on, at least.
    pub(crate) fn succeeded(&self, begun: Instant) {
        self.with(|beats| (beats.failure, beats.last_success) = (None, beats.last_success.max(begun)));
    }

    fn failed(&self, failure: Error) {
        self.with(|beats| beats.failure = Some(Arc::new(failure)));
    }
}

/// Says that the thread has ended, also when it panics.
struct Ending(Health);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.with(|beats| beats.ended = true);
    }
}

/// The thread that keeps a row alive.
struct Keeper {
    /// What to do at the end: whether to remove the row.
    leave: Sender<bool>,
    /// Disconnected when the thread has ended. Shared, so that a program may ask from any thread how the heartbeats go.
    ended: Mutex<Receiver<()>>,
}

impl Keeper {
    fn start(
        mut database: AnyDatabase,
        registration: &Registration,
        options: &InstanceOptions,
        health: &Health,
    ) -> Result<Self, Error> {
        let InstanceOptions { heartbeat, expiry, .. } = *options;
        let (leave, told) = channel();
        let (end, ended) = channel::<()>();
        let (registration, health) = (registration.clone(), health.clone());
        let keep = move || {
            let _end = (end, Ending(health.clone()));
            // So that one that hangs can be tried again before the row expires.
            let bound = expiry / 3;
            loop {
                // One that failed is tried again soon, long before the row expires.
                let usual = if health.is_well() { heartbeat } else { heartbeat / 4 };
                match told.recv_timeout(usual.mul_f64(1.0 - 0.2 * identity::random_fraction())) {
                    Err(RecvTimeoutError::Timeout) => {
                        let beat = Beat { registration: registration.clone(), health: health.clone() };
                        if let Err(error) = database.call_within(beat, bound) {
                            health.failed(error);
                        }
                    }
                    Ok(false) => return,
                    Ok(true) | Err(RecvTimeoutError::Disconnected) => {
                        // Nobody is left to be told; a row that stays expires.
                        drop(database.call_within(Leave { registration }, bound));
                        return;
                    }
                }
            }
        };
        let started = std::thread::Builder::new().name("migrate-heartbeat".to_owned()).spawn(keep);
        started.map_err(|error| {
            Error::new(ErrorKind::Configuration, format!("the thread of the heartbeat could not be started: {error}"))
                .with_help("allow this process one more thread, or beat by yourself (`InstanceOptions::keep_alive`)")
        })?;
        Ok(Self { leave, ended: Mutex::new(ended) })
    }

    /// Ends the heartbeat and leaves the row alone.
    fn end(self) {
        // A thread that has ended hears nothing.
        let _ = self.leave.send(false);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if self.leave.send(true).is_ok() {
            let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
            let _ = ended.recv_timeout(FAREWELL);
        }
    }
}
