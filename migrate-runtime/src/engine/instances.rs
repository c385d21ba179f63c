//! Registering as a running program: the row, the judgement, heartbeats, and who else is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use migrate_core::compat::{self, Assessment, Verdict};
use migrate_core::instances::{Intent, RunningInstance};
use migrate_core::ledger::Snapshot;

use super::{LockRelease, ReleaseLock, incompatible, retry_pause, rules, with_changed_scripts};
use crate::backend::{Backend, InstanceRow};
use crate::call::Operation;
use crate::error::{Error, ErrorKind};
use crate::identity;
use crate::instance::{Health, Instance, InstanceOptions};
use crate::migrator::SharedRegistry;
use crate::options::{Settings, Tables};

/// A program that is registered, or is to be.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    pub(crate) registry: SharedRegistry,
    pub(crate) settings: Settings,
    pub(crate) row: InstanceRow,
    /// Whether the last judgement went against the program, while it keeps its row: it is then judged at each heartbeat.
    in_doubt: Arc<AtomicBool>,
}

/// What brings a program to register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occasion {
    /// It starts, and has nothing to lose.
    Start,
    /// It runs, and its row has expired.
    Return,
}

impl Registration {
    /// # Errors
    ///
    /// Without a version of the program there is nothing to judge by.
    fn new(registry: SharedRegistry, settings: Settings, options: &InstanceOptions) -> Result<Self, Error> {
        options.check()?;
        let Some(runtime_version) = settings.runtime_version.clone() else {
            return Err(Error::new(ErrorKind::Configuration, "a program without a version cannot be registered")
                .with_help("say it with `Migrator::runtime_version`"));
        };
        let row = InstanceRow {
            id: identity::random_name(),
            runtime_version,
            registry_head: registry.head(),
            registry_digest: registry.digest().to_string(),
            host: settings.identity.host.clone(),
            process: settings.identity.process,
            expiry: options.expiry,
        };
        Ok(Self { registry, settings, row, in_doubt: Arc::default() })
    }

    /// Writes the row, unless the program must not work with the database.
    async fn register<B: Backend>(&self, backend: &mut B, occasion: Occasion) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            match self.try_to_register(backend, occasion).await {
                Err(error) if error.is_retryable() && tries < self.settings.max_retries => {
                    backend.sleep(retry_pause(&self.settings, tries)).await?;
                    tries += 1;
                }
                registered => return registered,
            }
        }
    }

    async fn try_to_register<B: Backend>(&self, backend: &mut B, occasion: Occasion) -> Result<(), Error> {
        // Who is refused by what can be read leaves no row behind that a run would wait for.
        let snapshot = backend.read().await?;
        let migrating = snapshot.live_lock().is_some();
        let mut assessment = self.judge(backend, snapshot).await?;
        let intent = backend.instances().await?.intent;
        match self.refusal(&mut assessment, &intent) {
            Some(Refusal::ByIntent) if !migrating => self.free_dead_lock(backend, assessment).await?,
            // The run may still wait, and then has to see a program that is there.
            Some(Refusal::ByIntent) if occasion == Occasion::Return => {}
            Some(_) => return Err(incompatible(assessment)),
            None => {}
        }
        let (snapshot, intent) = backend.register(&self.row).await?;
        let mut assessment = self.judge(backend, snapshot).await?;
        let refusal = self.refusal(&mut assessment, &intent);
        self.in_doubt.store(refusal.is_some(), Ordering::Relaxed);
        match refusal {
            None => Ok(()),
            Some(Refusal::ByIntent) if occasion == Occasion::Return => Err(incompatible(assessment)),
            Some(_) => {
                let left = backend.leave(&self.row).await;
                Err(incompatible(assessment).and_also("and its row stays until it expires", left))
            }
        }
    }

    async fn judge<B: Backend>(&self, backend: &mut B, snapshot: Snapshot) -> Result<Assessment, Error> {
        let snapshot = with_changed_scripts(backend, &self.registry, snapshot).await?;
        Ok(compat::judge(&self.registry, &snapshot, B::DIALECT, &rules(&self.settings)))
    }

    /// Why the program may not start: because of what is applied, or of what a run is about to do.
    fn refusal(&self, assessment: &mut Assessment, intent: &Intent) -> Option<Refusal> {
        if assessment.verdict == Verdict::Incompatible {
            return Some(Refusal::ByLedger);
        }
        let reason = intent.refuses(&self.row.runtime_version, self.row.registry_head)?;
        assessment.find(reason);
        Some(Refusal::ByIntent)
    }

    /// Takes the lock from a run that is gone and gives it back, which withdraws what it intended. Its fence is raised with
    /// that, so should it still live, it takes no further step.
    async fn free_dead_lock<B: Backend>(&self, backend: &mut B, refused: Assessment) -> Result<(), Error> {
        let (registry, settings) = (self.registry.clone(), self.settings.clone());
        let freed = ReleaseLock { registry, settings, options: LockRelease::default() }.run(backend).await;
        match freed {
            Err(error) if matches!(error.kind(), ErrorKind::LockBusy | ErrorKind::ReadOnly | ErrorKind::Plan) => {
                let error = incompatible(refused).and_also("and the lock of that run cannot be freed", Err(error));
                Err(error.with_help("if that run is gone for good, free its lock with `migrate lock release`"))
            }
            freed => freed.map(drop),
        }
    }
}

/// What refuses a program.
enum Refusal {
    /// What is applied.
    ByLedger,
    /// What a run is about to do.
    ByIntent,
}

/// Registers a program.
#[derive(Debug)]
pub(crate) struct Register {
    pub(crate) registry: SharedRegistry,
    pub(crate) settings: Settings,
    pub(crate) options: InstanceOptions,
}

impl Operation for Register {
    type Output = Instance;

    fn tables(&self) -> Tables {
        self.settings.tables.clone()
    }

    async fn run<B: Backend>(self, backend: &mut B) -> Result<Instance, Error> {
        let mut registration = Registration::new(self.registry, self.settings, &self.options)?;
        registration.register(backend, Occasion::Start).await?;
        // Another session may have another search path.
        registration.settings.tables = backend.located();
        Instance::new(registration, backend.connector(), &self.options)
    }
}

/// One heartbeat.
#[derive(Debug)]
pub(crate) struct Beat {
    pub(crate) registration: Registration,
    pub(crate) health: Health,
}

impl Operation for Beat {
    type Output = ();

    fn tables(&self) -> Tables {
        self.registration.settings.tables.clone()
    }

    async fn run<B: Backend>(self, backend: &mut B) -> Result<(), Error> {
        let begun = Instant::now();
        let in_doubt = self.registration.in_doubt.load(Ordering::Relaxed);
        if in_doubt || !backend.beat(&self.registration.row).await? {
            // Nobody may have waited for it meanwhile.
            self.registration.register(backend, Occasion::Return).await?;
        }
        self.health.succeeded(begun);
        Ok(())
    }
}

/// Removes the row of a program.
#[derive(Debug)]
pub(crate) struct Leave {
    pub(crate) registration: Registration,
}

impl Operation for Leave {
    type Output = ();

    fn tables(&self) -> Tables {
        self.registration.settings.tables.clone()
    }

    async fn run<B: Backend>(self, backend: &mut B) -> Result<(), Error> {
        let Registration { settings, row, .. } = &self.registration;
        let mut tries = 0;
        loop {
            match backend.leave(row).await {
                Err(error) if error.is_retryable() && tries < settings.max_retries => {
                    backend.sleep(retry_pause(settings, tries)).await?;
                    tries += 1;
                }
                left => return left,
            }
        }
    }
}

/// Reads who is registered.
#[derive(Debug)]
pub(crate) struct ReadInstances {
    pub(crate) settings: Settings,
}

impl Operation for ReadInstances {
    type Output = Vec<RunningInstance>;

    fn tables(&self) -> Tables {
        self.settings.tables.clone()
    }

    async fn run<B: Backend>(self, backend: &mut B) -> Result<Vec<RunningInstance>, Error> {
        Ok(backend.instances().await?.instances)
    }
}
