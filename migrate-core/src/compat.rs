//! The verdict: can this program work with this database?
//!
//! A pure function of a registry, a snapshot and a runtime version. Every finding is a [`Reason`] with a stable code, and
//! the verdict is what the worst of them says.

mod code;
pub mod matrix;

use std::fmt;

use semver::Version;

use crate::checksum;
use crate::interrupted::{Interruption, Resumption};
use crate::ledger::{FORMAT, LedgerRow, LockHolder, Snapshot, Status, Summary};
use crate::migration::{Dialect, Migration, Phase, Role};
use crate::registry::Registry;
use crate::replaced::{Coverage, Part, coverage};
use crate::sql;
use crate::version::SchemaVersion;

pub use self::code::ReasonCode;

/// Judges a database.
///
/// # Examples
///
/// ```
/// use migrate_core::{checksum::Checksum, compat, ledger::Snapshot, migration::Dialect, registry::Registry};
///
/// let registry = Registry::from_parts(None, "migrations_v2".into(), None, Checksum::of(""), vec![].into());
/// let assessment = compat::judge(&registry, &Snapshot::default(), Dialect::Sqlite, &compat::Rules::default());
/// assert_eq!(assessment.verdict, compat::Verdict::Compatible);
/// ```
#[must_use]
pub fn judge(registry: &Registry, snapshot: &Snapshot, dialect: Dialect, rules: &Rules) -> Assessment {
    judge_holding(registry, registry.migrations(), snapshot, dialect, rules)
}

/// The same for a program that holds only some of the registry's migrations.
fn judge_holding(
    registry: &Registry,
    held: &[Migration],
    snapshot: &Snapshot,
    dialect: Dialect,
    rules: &Rules,
) -> Assessment {
    // Only the first migration of a set replaces others.
    let coverage = held.first().map_or(Coverage::None, |first| coverage(first, snapshot, dialect));
    let mut judge = Judge { registry, held, snapshot, dialect, rules, coverage, reasons: Vec::new() };
    judge.tables();
    let migrations = judge.migrations();
    let mut reasons = judge.reasons;
    // They are kept as long as a run lasts, and there may be one for each migration.
    reasons.shrink_to_fit();
    let verdict = reasons.iter().map(|reason| reason.code.verdict()).max().unwrap_or(Verdict::Compatible);
    Assessment {
        verdict,
        runtime_version: rules.runtime_version.clone(),
        database_version: snapshot.database_version(),
        migrations,
        reasons,
        migrating: snapshot.live_lock().cloned(),
    }
}

/// Whether a summary shows already that the database is [compatible](Verdict::Compatible) and nothing is pending. If not, it
/// may be so all the same: only [`judge`] knows.
#[must_use]
pub fn is_current(registry: &Registry, summary: &Summary, dialect: Dialect, rules: &Rules) -> bool {
    let readable = summary.oldest_reader <= FORMAT && summary.checksum_algorithm == checksum::ALGORITHM;
    let foreign = summary.registry_name.as_deref().zip(registry.name()).is_some_and(|(theirs, ours)| theirs != ours);
    let same = registry.fingerprints(dialect).contains(&summary.fingerprint);
    readable && !foreign && same && meets_its_own_minimums(registry, rules)
}

/// Whether the program is new enough for what the registry holds. With the registry's own version it always is.
fn meets_its_own_minimums(registry: &Registry, rules: &Rules) -> bool {
    let Some(ours) = rules.runtime_version.as_ref() else {
        return true;
    };
    if registry.runtime_version().as_ref() == Some(ours) {
        return true;
    }
    let migrations = registry.migrations();
    let meets = |minimum: Version| ours.cmp_precedence(&minimum).is_ge();
    // Of what the first one replaces, too: it may be what is applied.
    let replaced = migrations.first().map(Migration::replaces).unwrap_or_default();
    let mut replaced = replaced.iter().flatten().filter_map(|it| it.min_runtime_version.as_deref());
    migrations.iter().filter_map(Migration::min_runtime_version).all(meets)
        && replaced.all(|minimum| Version::parse(minimum).is_ok_and(meets))
}

/// What the verdict depends on beside registry and database.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The version of the program. `None`, as for a plain directory: the floor is not judged.
    pub runtime_version: Option<Version>,
    /// Whether a pending migration may have a lower version than an applied one. Default: no.
    pub allow_out_of_order: bool,
}

/// Whether a program may work with a database. Ordered from best to worst.
///
/// This enum is complete: there will be no fourth verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Everything the registry holds is applied unchanged, and the program is new enough.
    Compatible,
    /// The same, but migrations are pending and may be applied.
    NeedsMigration,
    /// The program must not touch this database.
    Incompatible,
}

impl Verdict {
    /// The exit code that stands for it: 0, 1 or 2.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Compatible => 0,
            Self::NeedsMigration => 1,
            Self::Incompatible => 2,
        }
    }

    /// The word used in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compatible => "compatible",
            Self::NeedsMigration => "needs_migration",
            Self::Incompatible => "incompatible",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Compatible => "compatible",
            Self::NeedsMigration => "needs migration",
            Self::Incompatible => "incompatible",
        })
    }
}

/// A verdict with everything it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// The worst of all findings.
    pub verdict: Verdict,
    /// The version of the program, if it was judged.
    pub runtime_version: Option<Version>,
    /// The highest version that is wholly applied.
    pub database_version: Option<SchemaVersion>,
    /// Every migration that the registry or the ledger knows, lowest version first.
    pub migrations: Vec<Entry>,
    /// Every finding, in the order of versions; for one version, what it asks of the program comes first.
    pub reasons: Vec<Reason>,
    /// The run that is at work in the database at this moment, if there is one.
    pub migrating: Option<LockHolder>,
}

impl Assessment {
    /// The assessment of a database that [is current](is_current). It lists no migrations, since nobody looked at each.
    #[must_use]
    pub fn current(registry: &Registry, runtime_version: Option<Version>) -> Self {
        Self {
            verdict: Verdict::Compatible,
            runtime_version,
            database_version: registry.head(),
            migrations: Vec::new(),
            migrating: None,
            reasons: Vec::new(),
        }
    }

    /// Adds a finding, which may make the verdict worse.
    pub fn find(&mut self, reason: Reason) {
        self.verdict = self.verdict.max(reason.code.verdict());
        self.reasons.push(reason);
    }

    /// The versions that an `up` would still apply or finish, lowest first.
    pub fn pending(&self) -> impl Iterator<Item = &Entry> {
        let open = |entry: &&Entry| {
            entry.known && matches!(entry.state, MigrationState::Pending | MigrationState::Interrupted)
        };
        self.migrations.iter().filter(open)
    }
}

/// One migration as registry and ledger see it together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its version.
    pub version: SchemaVersion,
    /// Its name: the registry's, or the ledger's when the registry does not know it.
    pub name: String,
    /// One line for people.
    pub description: Option<String>,
    /// Whether the registry holds it.
    pub known: bool,
    /// Its part in a change that takes two steps, if the registry knows it and it has one.
    pub phase: Option<Phase>,
    /// Where it stands.
    pub state: MigrationState,
    /// Its row in the ledger.
    pub row: Option<Box<LedgerRow>>,
    /// The checksum of the registry's up script, or else the ledger's.
    pub checksum: String,
}

/// Where a migration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MigrationState {
    /// Applied, and unchanged since (comments and white space aside).
    Applied,
    /// In the registry, not in the database yet.
    Pending,
    /// Applied, but its script differs from the registry's in substance.
    Changed,
    /// Applied, but not in the registry.
    Unknown,
    /// A non-transactional migration that stopped half way.
    Interrupted,
    /// Recorded as applied without running.
    Baseline,
    /// Applied, and since then squashed into another migration of the registry, which stands for it.
    Replaced,
}

impl MigrationState {
    /// The word used in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::Changed => "changed",
            Self::Unknown => "unknown",
            Self::Interrupted => "interrupted",
            Self::Baseline => "baseline",
            Self::Replaced => "replaced",
        }
    }
}

impl fmt::Display for MigrationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What kind of finding; stable.
    pub code: ReasonCode,
    /// The migration concerned, if it is one.
    pub version: Option<SchemaVersion>,
    /// A sentence for people.
    pub message: String,
    /// What to do about it, with the command; `None` when nothing is to be done.
    pub remedy: Option<String>,
}

struct Judge<'a> {
    registry: &'a Registry,
    /// The migrations that the program holds, lowest version first.
    held: &'a [Migration],
    snapshot: &'a Snapshot,
    dialect: Dialect,
    rules: &'a Rules,
    /// What the ledger holds of what the first migration replaces.
    coverage: Coverage,
    reasons: Vec<Reason>,
}

impl Judge<'_> {
    fn find(&mut self, code: ReasonCode, version: Option<SchemaVersion>, message: String) {
        let remedy = code.remedy().map(|remedy| match version {
            Some(version) => remedy.replace("VERSION", &version.to_string()),
            None => remedy.to_owned(),
        });
        self.reasons.push(Reason { code, version, message, remedy });
    }

    /// Findings about our tables as a whole.
    fn tables(&mut self) {
        let Some(state) = &self.snapshot.state else {
            return;
        };
        if state.oldest_reader > FORMAT || state.checksum_algorithm != checksum::ALGORITHM {
            self.find(
                ReasonCode::NewerFormat,
                None,
                format!(
                    "the ledger has format {} with checksums by `{}`; this program reads up to format {FORMAT} with `{}`",
                    state.format,
                    state.checksum_algorithm,
                    checksum::ALGORITHM
                ),
            );
        }
        if let (Some(theirs), Some(ours)) = (&state.registry_name, self.registry.name())
            && theirs != ours
        {
            self.find(
                ReasonCode::OtherRegistry,
                None,
                format!("the ledger belongs to `{theirs}`, and this program is `{ours}`"),
            );
        }
    }

    /// Walks registry and ledger side by side, lowest version first.
    fn migrations(&mut self) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(self.held.len().max(self.snapshot.rows.len()));
        let mut known = self.held.iter().peekable();
        let mut rows = self.snapshot.rows.iter().peekable();
        loop {
            let order = match (known.peek(), rows.peek()) {
                (None, None) => return entries,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(migration), Some(row)) => migration.version().cmp(&row.version),
            };
            let migration = if order.is_le() { known.next() } else { None };
            let row = if order.is_ge() { rows.next() } else { None };
            entries.push(self.entry(migration, row));
        }
    }

    fn entry(&mut self, migration: Option<&Migration>, row: Option<&LedgerRow>) -> Entry {
        if let Some(row) = row {
            self.floor(row);
        }
        let covered = match (migration, row) {
            (Some(migration), _) => self.covered(migration, row),
            (None, Some(row)) => self.is_replaced(row).then_some(MigrationState::Replaced),
            (None, None) => None,
        };
        let state = match (migration, row) {
            _ if covered.is_some() => covered.unwrap_or(MigrationState::Replaced),
            (Some(migration), None) => self.pending(migration),
            (Some(migration), Some(row)) => self.known(migration, row),
            (None, Some(row)) => self.unknown(row),
            (None, None) => unreachable!("one of the two lists gave an entry"),
        };
        let script = migration.and_then(|migration| migration.script(Role::Up, self.dialect));
        Entry {
            version: migration
                .map(Migration::version)
                .or(row.map(|row| row.version))
                .unwrap_or(SchemaVersion::new(0, 0, 0)),
            name: migration.map(Migration::name).or(row.map(|row| &*row.name)).unwrap_or_default().to_owned(),
            description: migration.and_then(Migration::description).map(str::to_owned),
            known: migration.is_some(),
            phase: migration.and_then(Migration::phase),
            state,
            row: row.cloned().map(Box::new),
            checksum: script
                .map(|script| script.checksum.to_string())
                .or(row.map(|row| row.checksum.clone()))
                .unwrap_or_default(),
        }
    }

    /// Whether a row is of a migration that the first one replaces, and is judged with it.
    fn is_replaced(&self, row: &LedgerRow) -> bool {
        match &self.coverage {
            Coverage::None => false,
            Coverage::Whole(versions) => versions.contains(&row.version),
            Coverage::Part(part) => part.has_row(row.version),
        }
    }

    /// Where a migration stands for which the rows of others stand; `None` when none do.
    fn covered(&mut self, migration: &Migration, row: Option<&LedgerRow>) -> Option<MigrationState> {
        let version = migration.version();
        if self.held.first().map(Migration::version) != Some(version) {
            return None;
        }
        let is_complete = row.is_some_and(|row| row.status.is_complete());
        let (code, message, state) = match &self.coverage {
            Coverage::None => return None,
            Coverage::Whole(versions) => {
                let replaced = span_of(versions);
                let message = format!("migration {version} replaces {replaced}, which the ledger holds in its place");
                (ReasonCode::Replaced, message, MigrationState::Applied)
            }
            Coverage::Part(part) if self.lock_is_live() && !part.unfinished.is_empty() && !is_complete => {
                let message = format!("what migration {version} replaces is being worked on by another run");
                (ReasonCode::InProgress, message, MigrationState::Pending)
            }
            Coverage::Part(part) => {
                let message = format!("migration {version} replaces others, and {}", problem_of(part));
                let state = if row.is_some() { MigrationState::Changed } else { MigrationState::Pending };
                (ReasonCode::ReplacedInPart, message, state)
            }
        };
        self.find(code, Some(version), message);
        if code == ReasonCode::ReplacedInPart
            && let Some(reason) = self.reasons.last_mut()
        {
            reason.remedy = reason.remedy.take().map(|remedy| remedy.replace("VERSION", &version.to_string()));
        }
        Some(state)
    }

    fn pending(&mut self, migration: &Migration) -> MigrationState {
        let version = migration.version();
        let head = self.snapshot.database_version();
        if migration.script(Role::Up, self.dialect).is_none() {
            self.find(
                ReasonCode::NoScript,
                Some(version),
                format!("migration {version} has no up script for {}", self.dialect),
            );
        }
        match head {
            Some(head) if version < head && !self.rules.allow_out_of_order => self.find(
                ReasonCode::OutOfOrder,
                Some(version),
                format!("migration {version} is not applied, but the higher version {head} is"),
            ),
            _ => self.find(ReasonCode::Pending, Some(version), format!("migration {version} is not applied yet")),
        }
        MigrationState::Pending
    }

    fn known(&mut self, migration: &Migration, row: &LedgerRow) -> MigrationState {
        let version = row.version;
        if !row.status.is_complete() {
            return self.incomplete(migration, row);
        }
        let script = migration.script(Role::Up, self.dialect);
        let same = script.is_some_and(|script| script.checksum.to_string() == row.checksum);
        let same_substance = same
            || match (script, &row.up_sql) {
                (Some(script), Some(applied)) => sql::same_substance(&script.sql, applied, self.dialect),
                _ => false,
            };
        let complete = if row.status == Status::Baseline { MigrationState::Baseline } else { MigrationState::Applied };
        if same {
            return complete;
        }
        if !same_substance {
            self.changed(migration, row);
            return MigrationState::Changed;
        }
        self.find(
            ReasonCode::ChangedInComments,
            Some(version),
            format!("comments or white space of migration {version} differ from what was applied"),
        );
        complete
    }

    fn changed(&mut self, migration: &Migration, row: &LedgerRow) {
        let (version, ours, theirs) = (row.version, migration.name(), &*row.name);
        if ours == theirs {
            let message = format!("the script of migration {version} was changed after it was applied");
            return self.find(ReasonCode::Changed, Some(version), message);
        }
        let message = format!("migration {version} was applied as `{theirs}`, and is another one here, `{ours}`");
        self.find(ReasonCode::Changed, Some(version), message);
        if let Some(remedy) = self.reasons.last_mut().and_then(|reason| reason.remedy.as_mut()) {
            remedy
                .insert_str(0, "see whether this is the database of another program, and name the right one; if not, ");
        }
    }

    fn incomplete(&mut self, migration: &Migration, row: &LedgerRow) -> MigrationState {
        let version = row.version;
        if self.lock_is_live() {
            self.find(
                ReasonCode::InProgress,
                Some(version),
                format!("migration {version} is being worked on by another run"),
            );
            return MigrationState::Pending;
        }
        let interruption = Interruption::of(row, Some(migration), self.dialect);
        match interruption.resumption {
            Resumption::Same | Resumption::ChangedBehind => {
                self.find(ReasonCode::Interrupted, Some(version), interruption.message());
            }
            Resumption::ChangedWithin(_) | Resumption::Unknown => self.interrupted_for_good(row, &interruption),
        }
        MigrationState::Interrupted
    }

    fn interrupted_for_good(&mut self, row: &LedgerRow, interruption: &Interruption<'_>) {
        self.reasons.push(Reason {
            code: ReasonCode::InterruptedForGood,
            version: Some(row.version),
            message: interruption.message(),
            remedy: Some(interruption.ways()),
        });
    }

    fn unknown(&mut self, row: &LedgerRow) -> MigrationState {
        let version = row.version;
        if !row.status.is_complete() {
            if self.lock_is_live() {
                // Nothing is known of it but its floor, which is judged like any other.
                let message = format!("migration {version} of another version of this program is being worked on");
                self.find(ReasonCode::Unknown, Some(version), message);
                return MigrationState::Unknown;
            }
            self.interrupted_for_good(row, &Interruption::of(row, None, self.dialect));
            return MigrationState::Interrupted;
        }
        let major = self.held.last().map_or(0, |migration| migration.version().major);
        if row.min_runtime_version.is_none() && version.major > major {
            self.find(
                ReasonCode::UnknownMajor,
                Some(version),
                format!("migration {version} was applied by a newer program, has a higher major version, and records no minimum"),
            );
        } else {
            self.find(
                ReasonCode::Unknown,
                Some(version),
                format!("migration {version} was applied by another version of this program"),
            );
        }
        MigrationState::Unknown
    }

    fn floor(&mut self, row: &LedgerRow) {
        let (Some(ours), Some(theirs)) = (&self.rules.runtime_version, &row.min_runtime_version) else {
            return;
        };
        // A minimum that cannot be read may be anything, so it counts as too high.
        let meets = Version::parse(theirs).is_ok_and(|floor| ours.cmp_precedence(&floor).is_ge());
        if !meets {
            self.find(
                ReasonCode::NeedsNewerRuntime,
                Some(row.version),
                format!(
                    "migration {} needs version {theirs} or newer of this program, and this is {ours}",
                    row.version
                ),
            );
        }
    }

    fn lock_is_live(&self) -> bool {
        self.snapshot.live_lock().is_some()
    }
}

/// `1.0.0`, `1.0.0 and 1.1.0`, `1.0.0 to 1.4.0`.
fn span_of(versions: &[SchemaVersion]) -> String {
    match versions {
        [] => String::new(),
        [one] => one.to_string(),
        [first, second] => format!("{first} and {second}"),
        [first, .., last] => format!("{first} to {last}"),
    }
}

/// Why the rows of replaced migrations do not stand for the new one.
fn problem_of(part: &Part) -> String {
    let parts = [
        (&part.lacking, "is not applied", "are not applied"),
        (&part.changed, "was applied with another script", "were applied with other scripts"),
        (&part.unfinished, "was interrupted", "were interrupted"),
    ];
    let parts = parts.into_iter().filter(|(versions, ..)| !versions.is_empty()).map(|(versions, one, many)| {
        let listed: Vec<String> = versions.iter().map(ToString::to_string).collect();
        format!("{} {}", listed.join(", "), if versions.len() == 1 { one } else { many })
    });
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod verdict_md;
