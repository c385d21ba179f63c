//! What runs and plans say.

use migrate_runtime::{Entry, Outcome, Phase, Plan, Report, Step, StepOutcome, StepReport};
use serde::Serialize;

use super::backup::BeforeRun;
use super::failure::Failure;
use super::health::Around;
use crate::error::Error;

/// `up`, `down`, `redo`, `reset`, `goto`, `rollback`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Run {
    #[cfg_attr(test, schemars(extend("enum" = ["done", "nothing_to_do", "failed", "dry_run", "unhealthy"])))]
    outcome: &'static str,
    steps: Vec<RunStep>,
    error: Option<Failure>,
    run: Option<i64>,
    ends_with: Option<String>,
    remaining: Vec<Remaining>,
    health: Option<Around>,
    backup: Option<BeforeRun>,
}

/// A migration that is pending after a run.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Remaining {
    version: String,
    name: String,
    #[cfg_attr(test, schemars(extend("enum" = ["expand", "contract", null])))]
    phase: Option<&'static str>,
}

impl From<&Entry> for Remaining {
    fn from(entry: &Entry) -> Self {
        Self { version: entry.version.to_string(), name: entry.name.clone(), phase: entry.phase.map(Phase::as_str) }
    }
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RunStep {
    version: String,
    #[cfg_attr(test, schemars(extend("enum" = ["up", "down"])))]
    direction: &'static str,
    #[cfg_attr(test, schemars(extend("enum" = ["done", "failed", "planned"])))]
    outcome: &'static str,
    execution_time_ms: Option<u64>,
    name: String,
}

impl Run {
    /// `up`: whether it was to apply, so that what is left pending belongs to the answer.
    pub(crate) fn done(report: &Report, up: bool) -> Self {
        if report.outcome == Outcome::DryRun {
            return Self::planned(&report.plan);
        }
        Self {
            outcome: outcome(report.outcome),
            steps: report.steps.iter().map(RunStep::from).collect(),
            error: None,
            run: report.run,
            ends_with: None,
            remaining: if up { report.remaining().map(Remaining::from).collect() } else { Vec::new() },
            health: Around::of(&report.health),
            backup: report.backup.as_ref().map(BeforeRun::from),
        }
    }

    /// What was done before the error is part of the document.
    pub(crate) fn failed(error: &Error) -> Self {
        let report = match error {
            Error::Runtime { error, .. } => error.report(),
            _ => None,
        };
        Self {
            outcome: match report {
                Some(report) if report.outcome == Outcome::Unhealthy => outcome(Outcome::Unhealthy),
                _ => "failed",
            },
            steps: report.map(|report| report.steps.iter().map(RunStep::from).collect()).unwrap_or_default(),
            error: Some(Failure::from(error)),
            run: report.and_then(|report| report.run),
            ends_with: None,
            remaining: Vec::new(),
            health: report.and_then(|report| Around::of(&report.health)),
            backup: report.and_then(|report| report.backup.as_ref()).map(BeforeRun::from),
        }
    }

    fn planned(plan: &Plan) -> Self {
        let steps = plan.steps.iter().map(RunStep::from).collect();
        Self {
            outcome: "dry_run",
            steps,
            error: None,
            run: None,
            ends_with: plan.ends_with.as_ref().map(ToString::to_string),
            remaining: Vec::new(),
            health: None,
            backup: None,
        }
    }
}

impl From<&StepReport> for RunStep {
    fn from(step: &StepReport) -> Self {
        let outcome = match step.outcome {
            StepOutcome::Done => "done",
            _ => "failed",
        };
        Self {
            version: step.version.to_string(),
            direction: step.direction.as_str(),
            outcome,
            execution_time_ms: Some(step.execution_time_ms),
            name: step.name.clone(),
        }
    }
}

impl From<&Step> for RunStep {
    fn from(step: &Step) -> Self {
        Self {
            version: step.version.to_string(),
            direction: step.direction.as_str(),
            outcome: "planned",
            execution_time_ms: None,
            name: step.name.clone(),
        }
    }
}

/// The word for how a run ended.
pub(super) const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::NothingToDo => "nothing_to_do",
        Outcome::DryRun => "dry_run",
        Outcome::Deferred => "deferred",
        Outcome::Refused => "refused",
        Outcome::Unhealthy => "unhealthy",
        _ => "failed",
    }
}

/// `plan`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Planned {
    #[cfg_attr(test, schemars(extend("enum" = ["planned", "nothing_to_do"])))]
    pub(crate) outcome: &'static str,
    pub(crate) steps: Vec<PlannedStep>,
}

/// A step that would be done.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PlannedStep {
    pub(crate) version: String,
    pub(crate) name: String,
    #[cfg_attr(test, schemars(extend("enum" = ["up", "down"])))]
    pub(crate) direction: &'static str,
    pub(crate) transaction: Option<bool>,
    pub(crate) path: Option<String>,
    pub(crate) last_execution_time_ms: Option<u64>,
    pub(crate) locks: Vec<String>,
    pub(crate) sql: Option<String>,
}
