//! The documents of `--json`, as `docs/json.md` describes them: keys may be added, never changed.

use std::path::Path;

use migrate_core::diagnostic::{Diagnostic, Severity};
use migrate_runtime::{
    Assessment, Change, Entry, FreedLock, HistoryRow, LockHolder, Outcome, Phase, Plan, Reason, Report, Step,
    StepOutcome, StepReport, Target,
};
use serde::Serialize;

use crate::commands;
use crate::error::Error;

/// The format of every document.
const FORMAT: u32 = 1;

/// Any document: its format, then what the command has to say.
#[derive(Debug, Serialize)]
pub(crate) struct Document<T> {
    format: u32,
    #[serde(flatten)]
    body: T,
}

impl<T> Document<T> {
    pub(crate) const fn new(body: T) -> Self {
        Self { format: FORMAT, body }
    }
}

/// `check`.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    verdict: &'static str,
    exit_code: u8,
    runtime_version: Option<String>,
    database_version: Option<String>,
    pending: Vec<String>,
    reasons: Vec<Finding>,
    source: Option<String>,
}

impl Check {
    /// `source` is the directory that the program was found equal to.
    pub(crate) fn new(assessment: &Assessment, source: Option<&Path>) -> Self {
        Self {
            verdict: assessment.verdict.as_str(),
            exit_code: assessment.verdict.exit_code(),
            runtime_version: assessment.runtime_version.as_ref().map(ToString::to_string),
            database_version: assessment.database_version.map(|version| version.to_string()),
            pending: assessment.pending().map(|entry| entry.version.to_string()).collect(),
            reasons: findings(assessment),
            source: source.map(|directory| directory.display().to_string()),
        }
    }
}

/// A reason for a verdict.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    code: &'static str,
    version: Option<String>,
    message: String,
    help: Option<String>,
}

impl From<&Reason> for Finding {
    fn from(reason: &Reason) -> Self {
        Self {
            code: reason.code.as_str(),
            version: reason.version.map(|version| version.to_string()),
            message: reason.message.clone(),
            help: reason.remedy.clone(),
        }
    }
}

/// `status`.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    database_version: Option<String>,
    verdict: &'static str,
    migrations: Vec<Migration>,
}

#[derive(Debug, Serialize)]
struct Migration {
    version: String,
    name: String,
    state: &'static str,
    applied_at: Option<String>,
    execution_time_ms: Option<u64>,
    runtime_version: Option<String>,
    checksum: String,
    description: Option<String>,
}

impl From<&Assessment> for Status {
    fn from(assessment: &Assessment) -> Self {
        Self {
            database_version: assessment.database_version.map(|version| version.to_string()),
            verdict: assessment.verdict.as_str(),
            migrations: assessment.migrations.iter().map(Migration::from).collect(),
        }
    }
}

impl From<&Entry> for Migration {
    fn from(entry: &Entry) -> Self {
        let row = entry.row.as_ref();
        Self {
            version: entry.version.to_string(),
            name: entry.name.clone(),
            state: entry.state.as_str(),
            applied_at: row.map(|row| row.applied_at.clone()),
            execution_time_ms: row.map(|row| row.execution_time_ms),
            runtime_version: row.and_then(|row| row.runtime_version.clone()),
            checksum: entry.checksum.clone(),
            description: entry.description.clone(),
        }
    }
}

/// `up`, `down`, `redo`.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    outcome: &'static str,
    steps: Vec<RunStep>,
    error: Option<Failure>,
    run: Option<i64>,
    ends_with: Option<String>,
    remaining: Vec<Remaining>,
}

/// A migration that is pending after a run.
#[derive(Debug, Serialize)]
struct Remaining {
    version: String,
    name: String,
    phase: Option<&'static str>,
}

impl From<&Entry> for Remaining {
    fn from(entry: &Entry) -> Self {
        Self { version: entry.version.to_string(), name: entry.name.clone(), phase: entry.phase.map(Phase::as_str) }
    }
}

#[derive(Debug, Serialize)]
struct RunStep {
    version: String,
    direction: &'static str,
    outcome: &'static str,
    execution_time_ms: Option<u64>,
    name: String,
}

impl Run {
    pub(crate) fn done(report: &Report, target: Target) -> Self {
        if report.outcome == Outcome::DryRun {
            return Self::planned(&report.plan);
        }
        Self {
            outcome: outcome(report.outcome),
            steps: report.steps.iter().map(RunStep::from).collect(),
            error: None,
            run: report.run,
            ends_with: None,
            remaining: if target.is_up() { report.remaining().map(Remaining::from).collect() } else { Vec::new() },
        }
    }

    /// What was done before the error is part of the document.
    pub(crate) fn failed(error: &Error) -> Self {
        let report = match error {
            Error::Runtime { error, .. } => error.report(),
            _ => None,
        };
        Self {
            outcome: "failed",
            steps: report.map(|report| report.steps.iter().map(RunStep::from).collect()).unwrap_or_default(),
            error: Some(Failure::from(error)),
            run: report.and_then(|report| report.run),
            ends_with: None,
            remaining: Vec::new(),
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

/// `baseline`, `force`, `repair`.
#[derive(Debug, Serialize)]
pub(crate) struct Amended {
    outcome: &'static str,
    changes: Vec<Amendment>,
    run: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Amendment {
    version: String,
    name: String,
    change: &'static str,
}

impl From<&Report> for Amended {
    fn from(report: &Report) -> Self {
        let changes = report.plan.changes.iter().map(Amendment::from).collect();
        Self { outcome: outcome(report.outcome), changes, run: report.run }
    }
}

impl From<&Change> for Amendment {
    fn from(change: &Change) -> Self {
        Self { version: change.version.to_string(), name: change.name.clone(), change: change.action.as_str() }
    }
}

/// `repair` without arguments.
#[derive(Debug, Serialize)]
pub(crate) struct Repairs {
    repairs: Vec<Repair>,
}

#[derive(Debug, Serialize)]
struct Repair {
    version: Option<String>,
    problem: String,
    commands: Vec<String>,
    safe: bool,
}

impl From<&[migrate_runtime::Repair]> for Repairs {
    fn from(repairs: &[migrate_runtime::Repair]) -> Self {
        Self { repairs: repairs.iter().map(Repair::from).collect() }
    }
}

impl From<&migrate_runtime::Repair> for Repair {
    fn from(repair: &migrate_runtime::Repair) -> Self {
        Self {
            version: repair.version.map(|version| version.to_string()),
            problem: repair.problem.clone(),
            commands: repair.commands.clone(),
            safe: repair.safe,
        }
    }
}

/// `lock show`.
#[derive(Debug, Serialize)]
pub(crate) struct RunLock {
    holder: Option<Holder>,
}

impl From<Option<&LockHolder>> for RunLock {
    fn from(holder: Option<&LockHolder>) -> Self {
        Self { holder: holder.map(Holder::from) }
    }
}

/// Who holds the run lock.
#[derive(Debug, Serialize)]
struct Holder {
    owner: String,
    host: String,
    process: u32,
    acquired_at: String,
    expires_at: Option<String>,
    alive: bool,
}

impl From<&LockHolder> for Holder {
    fn from(holder: &LockHolder) -> Self {
        Self {
            owner: holder.owner.clone(),
            host: holder.host.clone(),
            process: holder.process,
            acquired_at: holder.acquired_at.clone(),
            expires_at: holder.expires_at.clone(),
            alive: holder.live,
        }
    }
}

/// `lock release`.
#[derive(Debug, Serialize)]
pub(crate) struct LockRelease {
    outcome: &'static str,
    holder: Option<Holder>,
    run: Option<i64>,
}

impl From<&FreedLock> for LockRelease {
    fn from(freed: &FreedLock) -> Self {
        let holder = freed.holder.as_ref().map(Holder::from);
        Self { outcome: outcome(freed.outcome), holder, run: freed.run }
    }
}

/// The word for how a run ended.
const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::NothingToDo => "nothing_to_do",
        Outcome::DryRun => "dry_run",
        Outcome::Refused => "refused",
        _ => "failed",
    }
}

/// `compatibility`.
#[derive(Debug, Serialize)]
pub(crate) struct Compatibility {
    pub(crate) database_version: Option<String>,
    pub(crate) runtime_version: Option<String>,
    pub(crate) minimums: Vec<Minimum>,
    pub(crate) versions: Vec<Compatible>,
}

/// A migration that asks for a minimum version of the program.
#[derive(Debug, Serialize)]
pub(crate) struct Minimum {
    pub(crate) version: String,
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) min_runtime_version: String,
}

/// What a version of the program would find.
#[derive(Debug, Serialize)]
pub(crate) struct Compatible {
    pub(crate) runtime_version: Option<String>,
    pub(crate) verdict: &'static str,
    pub(crate) reasons: Vec<Finding>,
}

impl From<&Assessment> for Compatible {
    fn from(assessment: &Assessment) -> Self {
        Self {
            runtime_version: assessment.runtime_version.as_ref().map(ToString::to_string),
            verdict: assessment.verdict.as_str(),
            reasons: findings(assessment),
        }
    }
}

/// `history`.
#[derive(Debug, Serialize)]
pub(crate) struct History {
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    id: i64,
    run: i64,
    operation: String,
    version: Option<String>,
    outcome: String,
    error: Option<String>,
    execution_time_ms: Option<u64>,
    runtime_version: Option<String>,
    registry_digest: String,
    actor: String,
    host: String,
    process: u32,
    recorded_at: String,
    plan: Option<Vec<String>>,
}

impl From<&[HistoryRow]> for History {
    fn from(rows: &[HistoryRow]) -> Self {
        Self { rows: rows.iter().map(Row::from).collect() }
    }
}

impl From<&HistoryRow> for Row {
    fn from(row: &HistoryRow) -> Self {
        Self {
            id: row.id,
            run: row.run,
            operation: row.operation.clone(),
            version: row.version.clone(),
            outcome: row.outcome.clone(),
            error: row.error.clone(),
            execution_time_ms: row.execution_time_ms,
            runtime_version: row.runtime_version.clone(),
            registry_digest: row.registry_digest.clone(),
            actor: row.actor.clone(),
            host: row.host.clone(),
            process: row.process,
            recorded_at: row.recorded_at.clone(),
            plan: row.plan.as_ref().map(|plan| plan.lines().map(str::to_owned).collect()),
        }
    }
}

/// `version`.
#[derive(Debug, Serialize)]
pub(crate) struct Version {
    pub(crate) database_version: Option<String>,
    pub(crate) registry_version: Option<String>,
    pub(crate) runtime_version: Option<String>,
}

/// `validate`.
#[derive(Debug, Serialize)]
pub(crate) struct Validate {
    pub(crate) outcome: &'static str,
    pub(crate) errors: usize,
    pub(crate) warnings: usize,
    pub(crate) migrations: usize,
    pub(crate) digest: Option<String>,
    pub(crate) diagnostics: Vec<Problem>,
    pub(crate) shadow: Option<String>,
}

/// A problem of a migrations directory.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    severity: &'static str,
    code: &'static str,
    path: String,
    line: usize,
    column: usize,
    message: String,
    help: Option<String>,
}

/// `plan`.
#[derive(Debug, Serialize)]
pub(crate) struct Planned {
    pub(crate) outcome: &'static str,
    pub(crate) steps: Vec<PlannedStep>,
}

/// A step that would be done.
#[derive(Debug, Serialize)]
pub(crate) struct PlannedStep {
    pub(crate) version: String,
    pub(crate) name: String,
    pub(crate) direction: &'static str,
    pub(crate) transaction: Option<bool>,
    pub(crate) path: Option<String>,
    pub(crate) sql: Option<String>,
}

/// `list`.
#[derive(Debug, Serialize)]
pub(crate) struct List {
    pub(crate) digest: String,
    pub(crate) migrations: Vec<Listed>,
}

/// A migration of the set.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    pub(crate) version: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) dependencies: Vec<String>,
    pub(crate) min_runtime_version: Option<String>,
    pub(crate) transaction: bool,
    pub(crate) scripts: Vec<String>,
}

/// `pending`.
#[derive(Debug, Serialize)]
pub(crate) struct Pending {
    database_version: Option<String>,
    migrations: Vec<Migration>,
}

impl From<&Assessment> for Pending {
    fn from(assessment: &Assessment) -> Self {
        Self {
            database_version: assessment.database_version.map(|version| version.to_string()),
            migrations: assessment.pending().map(Migration::from).collect(),
        }
    }
}

/// `graph`.
#[derive(Debug, Serialize)]
pub(crate) struct Graph {
    pub(crate) migrations: Vec<Node>,
}

/// A migration and what it depends on.
#[derive(Debug, Serialize)]
pub(crate) struct Node {
    pub(crate) version: String,
    pub(crate) name: String,
    pub(crate) depends_on: Vec<String>,
}

/// `doctor`.
#[derive(Debug, Serialize)]
pub(crate) struct Doctor {
    pub(crate) outcome: &'static str,
    pub(crate) symptoms: Vec<Symptom>,
}

/// Something that looks wrong.
#[derive(Debug, Serialize)]
pub(crate) struct Symptom {
    pub(crate) severity: &'static str,
    pub(crate) about: &'static str,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// `init`.
#[derive(Debug, Serialize)]
pub(crate) struct Init {
    pub(crate) outcome: &'static str,
    pub(crate) written: Vec<String>,
    pub(crate) kept: Vec<String>,
}

/// `completions`, `man`.
#[derive(Debug, Serialize)]
pub(crate) struct Text {
    pub(crate) text: String,
}

/// `config show`.
#[derive(Debug, Serialize)]
pub(crate) struct Config {
    pub(crate) outcome: &'static str,
    pub(crate) settings: Vec<ShownSetting>,
}

/// A setting, without secrets.
#[derive(Debug, Serialize)]
pub(crate) struct ShownSetting {
    pub(crate) name: &'static str,
    pub(crate) value: Option<String>,
    pub(crate) default: Option<&'static str>,
    pub(crate) source: &'static str,
    pub(crate) place: Option<String>,
    pub(crate) profile: Option<String>,
}

/// `lock`.
#[derive(Debug, Serialize)]
pub(crate) struct Lock {
    pub(crate) outcome: &'static str,
    pub(crate) path: String,
}

/// `new`.
#[derive(Debug, Serialize)]
pub(crate) struct New {
    pub(crate) outcome: &'static str,
    pub(crate) version: String,
    pub(crate) name: String,
    pub(crate) files: Vec<String>,
}

/// Any command that failed before it had an answer.
#[derive(Debug, Serialize)]
pub(crate) struct Failed {
    error: Failure,
}

impl From<&Error> for Failed {
    fn from(error: &Error) -> Self {
        Self { error: Failure::from(error) }
    }
}

/// An error.
#[derive(Debug, Serialize)]
struct Failure {
    kind: &'static str,
    message: String,
    help: Option<String>,
    migration: Option<String>,
    location: Option<Location>,
    statement: Option<String>,
    code: Option<String>,
    detail: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<Finding>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diagnostics: Vec<Problem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    differences: Option<Differences>,
}

/// What differs between a program and a directory.
#[derive(Debug, Serialize)]
struct Differences {
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<String>,
}

impl From<&commands::Differences> for Differences {
    fn from(differences: &commands::Differences) -> Self {
        let commands::Differences { added, removed, changed } = differences;
        Self { added: added.clone(), removed: removed.clone(), changed: changed.clone() }
    }
}

#[derive(Debug, Serialize)]
struct Location {
    path: String,
    line: usize,
    column: usize,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let failure = Self {
            kind: error.kind(),
            message: error.message(),
            help: error.help().map(str::to_owned),
            migration: None,
            location: None,
            statement: None,
            code: None,
            detail: None,
            reasons: Vec::new(),
            diagnostics: Vec::new(),
            differences: None,
        };
        match error {
            Error::Plain { .. } => failure,
            Error::Stale { differences, .. } => Self { differences: Some(differences.into()), ..failure },
            Error::Directory(diagnostics) => Self { diagnostics: problems(diagnostics), ..failure },
            Error::Runtime { error, .. } => Self {
                migration: error.migration().map(|version| version.to_string()),
                location: error.location().map(Location::from),
                statement: error.statement().map(str::to_owned),
                code: error.database().and_then(|database| database.code.clone()),
                detail: error.database().and_then(|database| database.detail.clone()),
                reasons: error.assessment().map(findings).unwrap_or_default(),
                ..failure
            },
        }
    }
}

impl From<&migrate_runtime::Location> for Location {
    fn from(location: &migrate_runtime::Location) -> Self {
        Self { path: location.path.clone(), line: location.line, column: location.column }
    }
}

pub(crate) fn problems(diagnostics: &[Diagnostic]) -> Vec<Problem> {
    diagnostics.iter().map(Problem::from).collect()
}

impl From<&Diagnostic> for Problem {
    fn from(diagnostic: &Diagnostic) -> Self {
        Self {
            severity: match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            code: diagnostic.code.as_str(),
            path: diagnostic.path.clone(),
            line: diagnostic.line,
            column: diagnostic.column,
            message: diagnostic.message.clone(),
            help: diagnostic.help.clone(),
        }
    }
}

fn findings(assessment: &Assessment) -> Vec<Finding> {
    assessment.reasons.iter().map(Finding::from).collect()
}
