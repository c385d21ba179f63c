//! Which version of the program works with which version of the schema.

use std::collections::BTreeMap;

use semver::Version;

use super::{Assessment, MigrationState, Reason, Rules, Verdict, judge, judge_holding};
use crate::ledger::{LedgerRow, Snapshot, Status};
use crate::migration::{Dialect, Migration, Role};
use crate::registry::Registry;
use crate::version::SchemaVersion;

/// Judges the database, and every schema that it has had or may come to, for every version of the program at which the
/// answer may change: each minimum that a migration asks for, the version of the program at hand, and `further` ones.
///
/// The program at hand holds the whole registry. What another version holds is not recorded anywhere; it is taken to hold the
/// migrations below the first one that asks for more than this version, which is the most that it can be compiled with.
///
/// # Examples
///
/// ```
/// use migrate_core::compat::{Rules, matrix::matrix};
/// use migrate_core::{checksum::Checksum, ledger::Snapshot, migration::Dialect, registry::Registry};
///
/// let registry = Registry::from_parts(None, "migrations_v2".into(), None, Checksum::of(""), vec![].into());
/// let further = ["1.4.0".parse()?, "1.3.0".parse()?];
/// let matrix = matrix(&registry, &Snapshot::default(), Dialect::Sqlite, &Rules::default(), &further);
/// let programs: Vec<String> = matrix.programs.iter().map(|program| program.version.as_ref().unwrap().to_string()).collect();
/// assert_eq!(programs, ["1.3.0", "1.4.0"]);
/// # Ok::<(), semver::Error>(())
/// ```
#[must_use]
pub fn matrix(
    registry: &Registry,
    snapshot: &Snapshot,
    dialect: Dialect,
    rules: &Rules,
    further: &[Version],
) -> Matrix {
    let own = judge(registry, snapshot, dialect, rules);
    let minimums = minimums(registry, &own);
    let programs = programs(registry, rules, &minimums, further);
    let assess = |program: &Program, schema: &Snapshot| {
        let rules = Rules { runtime_version: program.version.clone(), ..rules.clone() };
        judge_holding(registry, &registry.migrations()[..program.holds], schema, dialect, &rules)
    };
    let database = programs.iter().map(|program| assess(program, snapshot)).collect();
    let schemas = schemas(registry, snapshot, dialect).map(|(version, schema)| Schema {
        version,
        cells: programs.iter().map(|program| Cell::of(assess(program, &schema))).collect(),
    });
    let schemas = schemas.collect();
    Matrix { own, minimums, programs, database, schemas }
}

/// Schemas and programs, and what comes of each pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// What the program at hand finds in the database.
    pub own: Assessment,
    /// Every migration that asks for a minimum, lowest version first: the applied ones as the ledger says it, the others as
    /// the registry does.
    pub minimums: Vec<Minimum>,
    /// The columns, lowest version first. Never empty: when nothing names a version, there is one program without.
    pub programs: Vec<Program>,
    /// What each program finds in the database as it is.
    pub database: Vec<Assessment>,
    /// The rows: a schema for each version that registry or ledger know, lowest first.
    pub schemas: Vec<Schema>,
}

/// A migration that asks for a minimum version of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minimum {
    /// The version of the migration.
    pub version: SchemaVersion,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: MigrationState,
    /// What it asks for.
    pub min_runtime_version: String,
}

/// A version of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its version; `None` when none is given and no migration asks for one.
    pub version: Option<Version>,
    /// Whether it is the program at hand.
    pub own: bool,
    /// How many of the registry's migrations it is taken to hold, from the lowest.
    pub holds: usize,
}

/// A schema: everything up to a version is applied, nothing above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The version.
    pub version: SchemaVersion,
    /// What each program would find in it.
    pub cells: Vec<Cell>,
}

/// What one program would find in one schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Whether they work together.
    pub verdict: Verdict,
    /// Why: of all findings of a kind the one about the lowest version.
    pub reasons: Vec<Reason>,
}

impl Cell {
    /// A row for each version times as many findings would be too many.
    fn of(assessment: Assessment) -> Self {
        let mut reasons: Vec<Reason> = Vec::new();
        for reason in assessment.reasons {
            if reasons.iter().all(|first| first.code != reason.code) {
                reasons.push(reason);
            }
        }
        Self { verdict: assessment.verdict, reasons }
    }
}

fn minimums(registry: &Registry, own: &Assessment) -> Vec<Minimum> {
    let asking = own.migrations.iter().filter_map(|entry| {
        let min_runtime_version = match &entry.row {
            Some(row) => row.min_runtime_version.clone(),
            None => registry.find(entry.version)?.min_runtime_version().map(|version| version.to_string()),
        }?;
        let (version, name, state) = (entry.version, entry.name.clone(), entry.state);
        Some(Minimum { version, name, state, min_runtime_version })
    });
    asking.collect()
}

/// Versions that differ in build metadata only are one program: nothing tells them apart.
fn programs(registry: &Registry, rules: &Rules, minimums: &[Minimum], further: &[Version]) -> Vec<Program> {
    let own = rules.runtime_version.clone();
    let all = registry.migrations().len();
    // A minimum that cannot be read is among the reasons of every program.
    let asked = minimums.iter().filter_map(|minimum| Version::parse(&minimum.min_runtime_version).ok());
    // The first one of each precedence stays: the program's own.
    let mut versions: Vec<Version> = own.iter().cloned().chain(asked).chain(further.iter().cloned()).collect();
    versions.sort_by(Version::cmp_precedence);
    versions.dedup_by(|later, first| later.cmp_precedence(first).is_eq());
    if versions.is_empty() {
        return vec![Program { version: None, own: true, holds: all }];
    }
    let program = |version: Version| {
        let is_own = own.as_ref().is_some_and(|own| own.cmp_precedence(&version).is_eq());
        let holds = if is_own { all } else { most_held(registry, &version) };
        Program { version: Some(version), own: is_own, holds }
    };
    versions.into_iter().map(program).collect()
}

/// How many migrations a program of a version can be compiled with: a migration that asks for a newer one is refused.
fn most_held(registry: &Registry, version: &Version) -> usize {
    let admits = |migration: &Migration| {
        migration.min_runtime_version().is_none_or(|minimum| minimum.cmp_precedence(version).is_le())
    };
    registry.migrations().iter().take_while(|migration| admits(migration)).count()
}

/// Every schema, lowest version first. What is applied stands as the ledger has it, the rest as it would be recorded.
fn schemas(
    registry: &Registry,
    snapshot: &Snapshot,
    dialect: Dialect,
) -> impl Iterator<Item = (SchemaVersion, Snapshot)> {
    let recorded = registry.migrations().iter().map(|migration| row(migration, dialect));
    let applied = snapshot.rows.iter().map(|row| LedgerRow { status: Status::Applied, ..row.clone() });
    let rows: BTreeMap<SchemaVersion, LedgerRow> = recorded.chain(applied).map(|row| (row.version, row)).collect();
    let mut schema = Snapshot::default();
    rows.into_iter().map(move |(version, row)| {
        schema.rows.push(row);
        (version, schema.clone())
    })
}

/// The row that applying a migration would leave.
fn row(migration: &Migration, dialect: Dialect) -> LedgerRow {
    LedgerRow {
        version: migration.version(),
        name: migration.name().to_owned(),
        checksum: migration.script(Role::Up, dialect).map(|it| it.checksum.to_string()).unwrap_or_default(),
        applied_at: String::new(),
        runtime_version: None,
        execution_time_ms: 0,
        status: Status::Applied,
        min_runtime_version: migration.min_runtime_version().map(|version| version.to_string()),
        progress: 0,
        attempted: 0,
        up_sql: None,
        has_down: migration.script(Role::Down, dialect).is_some(),
    }
}

#[cfg(test)]
mod tests;
