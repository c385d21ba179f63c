//! Health checks around a run: which there are, and what follows from what a database says.
//!
//! Nothing here asks anything. A backend finds out ([`Found`]), and [`conclude`] says whether that is well.

mod check;

use std::collections::BTreeSet;
use std::fmt;

use crate::compat::{Assessment, Reason, ReasonCode, Verdict};
use crate::ledger::Snapshot;
use crate::migration::{Dialect, Migration, ObjectKind, Role};
use crate::plan::{Direction, Origin, Step};
use crate::registry::Registry;
use crate::size;
use crate::sql::{self, StrongLock};
use crate::version::SchemaVersion;

pub use self::check::{Check, CheckState, Moment, Severity};

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckResult {
    /// Which check.
    pub check: Check,
    /// How bad a failure is.
    pub severity: Severity,
    /// How it ended.
    pub state: CheckState,
    /// What was found, as a sentence.
    pub message: String,
    /// What to do about it, for a failure.
    pub help: Option<String>,
    /// How often it was tried.
    pub tries: u32,
    /// How long it took with all its tries, in milliseconds. Checks that were answered by one message share its time.
    pub execution_time_ms: u64,
}

impl CheckResult {
    /// Whether it failed and is of severity error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.state == CheckState::Failed && self.severity == Severity::Error
    }
}

impl fmt::Display for CheckResult {
    /// One line, such as `integrity: the file is sound`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.message)
    }
}

/// What a backend found out for a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// What is wrong, an entry each; none is well.
    Problems(Vec<String>),
    /// Bytes of a disk.
    Space {
        /// That this user may still write.
        free: u64,
        /// That the database takes.
        used: u64,
    },
    /// It cannot be found out, and why.
    Unknown(String),
}

/// What follows from a finding, before it is known how long it took to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// How the check ended.
    pub state: CheckState,
    /// How bad a failure is.
    pub severity: Severity,
    /// What was found, as a sentence.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// What follows from what was found.
#[must_use]
pub fn conclude(check: Check, found: Found) -> Conclusion {
    let of = |state, message| Conclusion {
        state,
        severity: check.severity(),
        message,
        help: (state == CheckState::Failed).then(|| check.remedy().to_owned()),
    };
    match found {
        Found::Unknown(why) => of(CheckState::NotChecked, why),
        Found::Problems(problems) if problems.is_empty() => of(CheckState::Passed, check.well().to_owned()),
        Found::Problems(problems) => of(CheckState::Failed, enumerated(&problems)),
        Found::Space { free, used } => {
            let message = format!("{} free, and the database takes {}", size::show(free), size::show(used));
            // A rebuild of the largest table, or VACUUM, writes the database once more.
            of(if free < used { CheckState::Failed } else { CheckState::Passed }, message)
        }
    }
}

/// Whether the ledger is in order, as the verdict on it tells: nothing changed, out of order or interrupted, and nothing that
/// this program does not know. What is merely pending is in order, and so is what steps that are to be done deal with.
#[must_use]
pub fn ledger_stands(assessment: &Assessment, steps: &[Step]) -> Conclusion {
    let planned: BTreeSet<SchemaVersion> = steps.iter().map(|step| step.version).collect();
    let left_alone = |reason: &&Reason| reason.version.is_none_or(|version| !planned.contains(&version));
    let wrong = |code: ReasonCode| code.verdict() == Verdict::Incompatible || code == ReasonCode::Interrupted;
    let odd = |code: ReasonCode| matches!(code, ReasonCode::Unknown | ReasonCode::ChangedInComments);
    let sentences = |chosen: &dyn Fn(ReasonCode) -> bool| -> Vec<String> {
        let chosen = assessment.reasons.iter().filter(left_alone).filter(|reason| chosen(reason.code));
        chosen.map(|reason| reason.message.clone()).collect()
    };
    let (errors, warnings) = (sentences(&wrong), sentences(&odd));
    let severity = if errors.is_empty() { Severity::Warning } else { Severity::Error };
    let problems = if errors.is_empty() { warnings } else { errors };
    if problems.is_empty() {
        let pending = assessment.pending().count();
        let applied = assessment.migrations.iter().filter(|entry| entry.row.is_some()).count();
        return Conclusion {
            state: CheckState::Passed,
            severity: Severity::Error,
            message: format!("{applied} applied, {pending} pending"),
            help: None,
        };
    }
    let worst = assessment.reasons.iter().filter(left_alone).find(|reason| wrong(reason.code));
    let remedy = worst.and_then(|reason| reason.remedy.clone());
    Conclusion {
        state: CheckState::Failed,
        severity,
        message: enumerated(&problems),
        help: Some(remedy.unwrap_or_else(|| "look at it with `migrate check` and `migrate repair`".to_owned())),
    }
}

/// Whether the ledger says after a run what the run did: what its steps applied is there with the registry's checksum, what
/// they undid is not.
#[must_use]
pub fn ledger_holds(registry: &Registry, snapshot: &Snapshot, dialect: Dialect, steps: &[Step]) -> Found {
    let mut problems = Vec::new();
    // The last step of a version says what became of it.
    let mut seen = BTreeSet::new();
    for step in steps.iter().rev().filter(|step| seen.insert(step.version)) {
        let version = step.version;
        let row = snapshot.find(version);
        let problem = match (step.direction, row) {
            (Direction::Up, None) => Some(format!("the row of {version} is gone")),
            (Direction::Up, Some(row)) if !row.status.is_complete() => Some(format!("{version} is `{}`", row.status)),
            (Direction::Up, Some(row)) => {
                let script = registry.find(version).and_then(|migration| migration.script(Role::Up, dialect));
                let same = script.is_none_or(|script| script.checksum.to_string() == row.checksum);
                (!same).then(|| format!("the checksum of {version} is not that of the script that was run"))
            }
            (Direction::Down, Some(_)) => Some(format!("the row of {version} is still there")),
            (Direction::Down, None) => None,
        };
        problems.extend(problem);
    }
    problems.reverse();
    Found::Problems(problems)
}

/// An object that must exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name, with its schema if the metadata says it.
    pub name: String,
    /// The migration that says so.
    pub version: SchemaVersion,
}

impl Expected {
    /// Its schema, if the metadata says it, and its name.
    #[must_use]
    pub fn parts(&self) -> (Option<&str>, &str) {
        self.name.rsplit_once('.').map_or((None, &*self.name), |(schema, name)| (Some(schema), name))
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`, expected by {}, does not exist", self.kind, self.name, self.version)
    }
}

/// The objects that the applied migrations of the registry say must exist, lowest version first. What a later applied
/// migration drops or renames is not expected any more.
#[must_use]
pub fn expected(registry: &Registry, snapshot: &Snapshot, dialect: Dialect) -> Vec<Expected> {
    let applied =
        |migration: &&Migration| snapshot.find(migration.version()).is_some_and(|row| row.status.is_complete());
    let mut expected: Vec<Expected> = Vec::new();
    for migration in registry.migrations().iter().filter(applied) {
        if !expected.is_empty()
            && let Some(script) = migration.script(Role::Up, dialect)
        {
            let gone = sql::removed_names(&script.sql, dialect);
            expected.retain(|object| !object.name.split('.').any(|part| gone.contains(&part.to_ascii_lowercase())));
        }
        expected.extend(migration.expects().map(|(kind, name)| Expected {
            kind,
            name: name.to_owned(),
            version: migration.version(),
        }));
    }
    expected
}

/// The tables of PostgreSQL that steps of the registry alter, drop, or make indexes and the like on, as their scripts name them.
/// Scripts that switch role or search path are left out: whose rights count there, and which table is meant, only the server knows.
#[must_use]
pub fn changed_tables(registry: &Registry, steps: &[Step]) -> Vec<String> {
    let mut tables: Vec<String> = Vec::new();
    for step in steps.iter().filter(|step| step.origin == Origin::Registry) {
        let role = if step.direction == Direction::Up { Role::Up } else { Role::Down };
        let script = registry.find(step.version).and_then(|migration| migration.script(role, Dialect::Postgres));
        let Some(script) = script else { continue };
        let text = script.sql.to_ascii_lowercase();
        if ["role", "authorization", "search_path"].iter().any(|word| text.contains(word)) {
            continue;
        }
        let statements = sql::statements(&script.sql, Dialect::Postgres).unwrap_or_default();
        let changes = |lock: &StrongLock| {
            let first = text[lock.start..].split_ascii_whitespace().next();
            matches!(first, Some("alter" | "drop" | "create"))
        };
        tables.extend(sql::strong_locks(&script.sql, &statements).into_iter().filter(changes).map(|lock| lock.table));
    }
    tables.sort_unstable();
    tables.dedup();
    tables
}

/// The newest applied migration that has a verify script.
#[must_use]
pub fn newest_verify<'r>(registry: &'r Registry, snapshot: &Snapshot, dialect: Dialect) -> Option<&'r Migration> {
    registry.migrations().iter().rev().find(|migration| {
        let is_applied = snapshot.find(migration.version()).is_some_and(|row| row.status.is_complete());
        is_applied && migration.script(Role::Verify, dialect).is_some()
    })
}

/// The first few problems, and how many more there are.
fn enumerated(problems: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = problems.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    match problems.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

#[cfg(test)]
mod health_md;
#[cfg(test)]
mod tests;
