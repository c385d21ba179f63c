//! Progress, told while a run goes on.

use migrate_core::health::CheckResult;
use migrate_core::instances::RunningInstance;
use migrate_core::ledger::LockHolder;
use migrate_core::plan::{Plan, Step};
use migrate_core::stale::Stale;

use crate::report::{RunBackup, StepReport};

/// Something that happened during a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// In a debug build: the migrations on disk are others than those compiled in. Without an observer, standard error
    /// says so, once.
    Stale(&'a Stale),
    /// Another run holds the lock; this one waits for it. Told once per holder.
    Waiting(&'a LockHolder),
    /// The next step would break these running programs; the run waits until they are gone. Told again when others are.
    WaitingForInstances {
        /// The step.
        step: &'a Step,
        /// Whom it waits for.
        instances: &'a [RunningInstance],
    },
    /// The run lock is free, and cannot be taken for this reason: somebody else keeps the database busy. The run waits as long
    /// as it would try a step again. Told once.
    WaitingForDatabase(&'a crate::Error),
    /// The connection was lost and made anew, and the server still executes what the old one had sent; the run waits for its
    /// end. Told once.
    WaitingForOldConnection,
    /// The lock is taken, and this is what will be done.
    Started(&'a Plan),
    /// A health check failed, before the first step or after the last one.
    CheckFailed(&'a CheckResult),
    /// The backup before the first step was taken.
    BackedUp(&'a RunBackup),
    /// A step outside a transaction begins; the others are told when they are done.
    StepStarted(&'a Step),
    /// A step is done and committed, or has failed.
    StepEnded(&'a StepReport),
    /// A step failed in a way that may pass, and is tried again.
    Retrying {
        /// The step.
        step: &'a Step,
        /// Why.
        error: &'a crate::Error,
    },
    /// How far a long statement has come that runs outside a transaction: the build of an index, where the server tells.
    Progress {
        /// The step.
        step: &'a Step,
        /// How far it is.
        progress: &'a Progress,
    },
}

/// How far a long statement has come, in the server's words and units.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What it does at the moment, such as `building index: scanning table`.
    pub phase: String,
    /// How many blocks or tuples are done in this phase.
    pub done: u64,
    /// Of how many; 0 when the server does not know.
    pub total: u64,
}

/// Receives the events of a run.
pub trait Observer: Send + Sync {
    /// Called in the run's own thread or task; it must not block.
    fn event(&self, event: &Event<'_>);
}

impl<F: Fn(&Event<'_>) + Send + Sync> Observer for F {
    fn event(&self, event: &Event<'_>) {
        self(event);
    }
}
