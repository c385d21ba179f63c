//! `--events`: what happens meanwhile, a line each.

use std::time::Duration;

use migrate_runtime::{Event, Step};
use serde::Serialize;

use super::amend::Amendment;
use super::backup::BeforeRun;
use super::failure::Failure;
use super::health::Checked;
use super::instances::Instance;
use super::run::RunStep;
use super::run_lock::Holder;

/// A line of `--events`, before the document that ends them.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Line {
    /// Since the command began.
    elapsed_ms: u64,
    #[serde(flatten)]
    happening: Happening,
}

impl Line {
    pub(crate) fn new(elapsed: Duration, happening: Happening) -> Self {
        Self { elapsed_ms: elapsed.as_millis().try_into().unwrap_or(u64::MAX), happening }
    }
}

/// Something that happened.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Happening {
    /// A debug build holds other migrations than the directory from which it was compiled.
    Stale { message: String, help: String },
    /// Something has to pass before it can go on: another run, others who keep the database busy, running programs, what a lost connection had sent, or, for
    /// `wait`, that the database does not answer.
    Waiting {
        message: String,
        /// Of the run lock, if that is what is waited for.
        holder: Option<Holder>,
        /// The running programs that the next step would break, if these are what is waited for.
        instances: Vec<Instance>,
    },
    /// The run lock is taken, and this is what will be done.
    Started { steps: Vec<PlannedStep>, changes: Vec<Amendment> },
    /// A health check failed, before the first step or after the last one.
    CheckFailed(Checked),
    /// The backup before the first step is complete.
    BackedUp { backup: BeforeRun },
    /// A step outside a transaction begins; the others are told when they are done.
    StepStarted(PlannedStep),
    /// A step is done and committed, or has failed.
    StepEnded(RunStep),
    /// How far a long statement has come, in the server's words and units.
    Progress {
        version: String,
        name: String,
        phase: String,
        done: u64,
        /// 0 when the server does not know.
        total: u64,
    },
    /// A step failed in a way that may pass, and is tried again.
    Retrying {
        #[serde(flatten)]
        step: PlannedStep,
        error: Box<Failure>,
    },
}

impl Happening {
    /// What is told of an event; nothing of one that this version does not know.
    pub(crate) fn of(event: &Event<'_>) -> Option<Self> {
        Some(match event {
            Event::Stale(stale) => Self::Stale { message: stale.to_string(), help: stale.help.clone() },
            Event::Waiting(holder) => Self::Waiting {
                message: format!("waiting for another run: {holder}"),
                holder: Some(Holder::from(*holder)),
                instances: Vec::new(),
            },
            Event::WaitingForInstances { step, instances } => Self::Waiting {
                message: format!("{} {} waits for running programs", step.version, step.name),
                holder: None,
                instances: instances.iter().map(Instance::from).collect(),
            },
            Event::WaitingForDatabase(error) => Self::Waiting {
                message: format!("waiting for others who keep the database busy: {error}"),
                holder: None,
                instances: Vec::new(),
            },
            Event::WaitingForOldConnection => Self::Waiting {
                message: "waiting for the server, which still executes what a lost connection had sent".to_owned(),
                holder: None,
                instances: Vec::new(),
            },
            Event::Started(plan) => Self::Started {
                steps: plan.steps.iter().map(PlannedStep::from).collect(),
                changes: plan.changes.iter().map(Amendment::from).collect(),
            },
            Event::CheckFailed(result) => Self::CheckFailed(Checked::from(*result)),
            Event::BackedUp(backup) => Self::BackedUp { backup: BeforeRun::from(*backup) },
            Event::StepStarted(step) => Self::StepStarted(PlannedStep::from(*step)),
            Event::StepEnded(step) => Self::StepEnded(RunStep::from(*step)),
            Event::Progress { step, progress } => Self::Progress {
                version: step.version.to_string(),
                name: step.name.clone(),
                phase: progress.phase.clone(),
                done: progress.done,
                total: progress.total,
            },
            Event::Retrying { step, error } => {
                Self::Retrying { step: PlannedStep::from(*step), error: Box::new(Failure::from(*error)) }
            }
            _ => return None,
        })
    }
}

/// A step that is not done yet.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PlannedStep {
    version: String,
    name: String,
    #[cfg_attr(test, schemars(extend("enum" = ["up", "down"])))]
    direction: &'static str,
}

impl From<&Step> for PlannedStep {
    fn from(step: &Step) -> Self {
        Self { version: step.version.to_string(), name: step.name.clone(), direction: step.direction.as_str() }
    }
}
