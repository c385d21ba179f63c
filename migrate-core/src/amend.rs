//! Amendments: changes of the ledger that run no script. A migration is forced to count as applied or not, a row is
//! repaired, or what is there already is recorded as a baseline.
//!
//! [`amend`] says which rows change, [`repairs`] what could be repaired and by which command.

use std::fmt;

use crate::compat::{Assessment, Entry, MigrationState, ReasonCode};
use crate::ledger::{LedgerRow, Snapshot};
use crate::migration::{Dialect, Role};
use crate::registry::Registry;
use crate::version::SchemaVersion;

/// What the ledger is to be made to say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Amendment {
    /// One migration counts as applied, or as not applied.
    Force {
        /// The migration.
        version: SchemaVersion,
        /// `None`: the database counts as being at this version. That is clear only where one migration was interrupted,
        /// and it, or the one before it, is the version.
        standing: Option<Standing>,
        /// Why; recorded in the history.
        reason: String,
    },
    /// Rows that do not fit the registry are brought in line, each as its state asks for: a changed script is accepted,
    /// an interrupted migration settled, a row forgotten that the registry does not hold.
    Repair {
        /// The migrations.
        versions: Vec<SchemaVersion>,
        /// How the interrupted ones among them stand. Nobody can tell but whoever looked at the database.
        standing: Option<Standing>,
    },
    /// The statement at which an interrupted migration stands, and of which nothing can tell whether it took effect, did or
    /// did not: the next run goes on behind it, or with it.
    Settle {
        /// The migration.
        version: SchemaVersion,
        /// How the statement stands.
        statement: Standing,
    },
    /// Every repair that cannot be wrong: scripts that differ in comments or white space only are accepted.
    RepairWhatIsSafe,
    /// Everything up to and including a version is recorded as applied without running.
    Baseline {
        /// The last version that the database holds already.
        version: SchemaVersion,
    },
}

/// How a migration or a statement stands, said by a person. This enum is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It is in effect.
    Applied,
    /// It is not.
    NotApplied,
}

impl Amendment {
    /// The word used in the history.
    #[must_use]
    pub const fn operation(&self) -> &'static str {
        match self {
            Self::Force { .. } => "force",
            Self::Repair { .. } | Self::Settle { .. } | Self::RepairWhatIsSafe => "repair",
            Self::Baseline { .. } => "baseline",
        }
    }

    /// Why, if a reason was given.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Force { reason, .. } => Some(reason),
            _ => None,
        }
    }
}

/// A change of one ledger row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The version of the migration.
    pub version: SchemaVersion,
    /// Its name.
    pub name: String,
    /// What happens to its row.
    pub action: Action,
}

/// What happens to a ledger row. This enum is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// It is added, with checksum and scripts of the registry, as `applied`.
    RecordApplied,
    /// It is added, with checksum and scripts of the registry, as `baseline`.
    RecordBaseline,
    /// It was interrupted and becomes `applied`, with checksum and scripts of the registry if that holds the migration.
    Complete,
    /// It takes checksum and scripts of the registry and stays what it is.
    Accept,
    /// It is removed.
    Forget,
    /// It is removed, since the migration of this version, which replaces it, is recorded in its place.
    Supersede(SchemaVersion),
    /// Its uncertain part, which has this number, counts as finished.
    FinishPart(u32),
    /// Its uncertain part, which has this number, counts as not begun.
    RepeatPart(u32),
}

impl Action {
    /// The word used in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RecordApplied => "record_applied",
            Self::RecordBaseline => "record_baseline",
            Self::Complete => "complete",
            Self::Accept => "accept",
            Self::Forget => "forget",
            Self::Supersede(_) => "supersede",
            Self::FinishPart(_) => "finish_part",
            Self::RepeatPart(_) => "repeat_part",
        }
    }
}

impl fmt::Display for Change {
    /// What to do, such as `record 1.2.0 add_index as applied`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, name, action } = self;
        match action {
            Action::RecordApplied => write!(f, "record {version} {name} as applied"),
            Action::RecordBaseline => write!(f, "record {version} {name} as baseline"),
            Action::Complete => write!(f, "record {version} {name}, which was interrupted, as applied"),
            Action::Accept => write!(f, "accept the changed script of {version} {name}"),
            Action::Forget => write!(f, "forget {version} {name}: it counts as not applied"),
            Action::Supersede(by) => write!(f, "remove the row of {version} {name}, which {by} replaces"),
            Action::FinishPart(part) => write!(f, "go on with {version} {name} behind its part {part}"),
            Action::RepeatPart(part) => write!(f, "go on with {version} {name} with its part {part}"),
        }
    }
}

/// Why the ledger cannot be amended so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AmendError {
    /// Neither the registry nor the ledger holds the version.
    UnknownVersion {
        /// The version asked for.
        version: SchemaVersion,
        /// The versions beside it that are like it: they differ in one number, and not in the first.
        near: Vec<SchemaVersion>,
        /// The highest version that there is.
        highest: Option<SchemaVersion>,
    },
    /// It is not clear which row `force` without a standing is to change.
    Unclear {
        /// The version asked for.
        version: SchemaVersion,
    },
    /// A migration was interrupted, and it was not said how it stands.
    Unsaid {
        /// The migration.
        version: SchemaVersion,
    },
    /// It was said how an interrupted migration stands, and this one was not interrupted.
    NotInterrupted {
        /// The migration.
        version: SchemaVersion,
    },
    /// It was said how a statement stands, and the ledger holds none of which that is not known.
    NothingUncertain {
        /// The migration.
        version: SchemaVersion,
    },
    /// The registry has no up script for this kind of database that could be recorded.
    NoScript {
        /// The migration.
        version: SchemaVersion,
    },
    /// The row of a migration that the registry does not hold has a down script, so the migration can be undone.
    CanBeUndone {
        /// The migration.
        version: SchemaVersion,
        /// The applied version below it.
        below: Option<SchemaVersion>,
    },
    /// What is in the ledger is not the beginning of the registry, so a baseline would hide what is wrong.
    NotABeginning {
        /// The first migration that does not fit.
        version: SchemaVersion,
        /// How it does not fit, as the end of a sentence.
        problem: &'static str,
    },
}

impl AmendError {
    /// The migration that it is about.
    #[must_use]
    pub const fn version(&self) -> SchemaVersion {
        match self {
            Self::UnknownVersion { version, .. }
            | Self::Unclear { version }
            | Self::Unsaid { version }
            | Self::NotInterrupted { version }
            | Self::NothingUncertain { version }
            | Self::NoScript { version }
            | Self::CanBeUndone { version, .. }
            | Self::NotABeginning { version, .. } => *version,
        }
    }

    /// Whether the amendment cannot be meant as it was said, whatever is in the database.
    #[must_use]
    pub const fn is_wrong_use(&self) -> bool {
        matches!(
            self,
            Self::UnknownVersion { .. }
                | Self::Unclear { .. }
                | Self::Unsaid { .. }
                | Self::NotInterrupted { .. }
                | Self::NothingUncertain { .. }
        )
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::UnknownVersion { near, highest, .. } => match (&near[..], highest) {
                ([], None) => "there are no migrations".to_owned(),
                ([], Some(highest)) => format!("the highest version is {highest}; `migrate status` lists them all"),
                ([one], _) => format!("did you mean {one}? `migrate status` lists them all"),
                ([first, second, ..], _) => {
                    format!("did you mean {first} or {second}? `migrate status` lists them all")
                }
            },
            Self::Unclear { version } => {
                format!(
                    "say how it stands: `migrate force {version} --applied --reason TEXT`, or `--not-applied` in its place"
                )
            }
            Self::Unsaid { version } => format!(
                "look at the database, then say how it stands: `migrate repair {version} --applied` or `migrate repair {version} --not-applied`"
            ),
            Self::NotInterrupted { version } => format!(
                "to change its standing all the same: `migrate force {version} --applied --reason TEXT`, or `--not-applied` in its place"
            ),
            Self::NothingUncertain { .. } => "`migrate repair` shows what could be repaired".to_owned(),
            Self::NoScript { .. } => "add an `up.sql`, or one for this kind of database".to_owned(),
            Self::CanBeUndone { version, below } => {
                let undo = below.map_or_else(|| "--all".to_owned(), |below| format!("--to {below}"));
                format!(
                    "undo it and all above it with `migrate down {undo}`; to forget it and keep what it made: `migrate force {version} --not-applied --reason TEXT`"
                )
            }
            Self::NotABeginning { .. } => {
                "`migrate status` shows where each migration stands; `migrate force` changes the standing of one"
                    .to_owned()
            }
        }
    }
}

impl fmt::Display for AmendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownVersion { version, .. } => write!(f, "there is no migration {version}"),
            Self::Unclear { version } => {
                write!(
                    f,
                    "it is not clear what to change: this settles one interrupted migration at or above {version}"
                )
            }
            Self::Unsaid { version } => {
                write!(f, "migration {version} was interrupted, and nothing says whether it is applied")
            }
            Self::NotInterrupted { version } => write!(f, "migration {version} was not interrupted"),
            Self::NothingUncertain { version } => {
                write!(
                    f,
                    "migration {version} does not stand at a statement of which nothing tells whether it took effect"
                )
            }
            Self::NoScript { version } => write!(f, "migration {version} has no up script for this kind of database"),
            Self::CanBeUndone { version, .. } => {
                write!(f, "migration {version} is not in this set, but the ledger holds its down script")
            }
            Self::NotABeginning { version, problem } => {
                write!(f, "the ledger does not hold the beginning of this set: migration {version} {problem}")
            }
        }
    }
}

impl std::error::Error for AmendError {}

/// The changes that make the ledger say what it is to say, lowest version first; none when it says so already.
///
/// `assessment` is that of the same registry, snapshot and dialect.
///
/// # Errors
///
/// A version that nobody knows; an interrupted migration of which nobody said how it stands; a baseline over rows that
/// are not the beginning of the registry; and the other cases of [`AmendError`].
///
/// # Examples
///
/// ```
/// use migrate_core::amend::{AmendError, Amendment, amend};
/// use migrate_core::{checksum::Checksum, compat, ledger::Snapshot, migration::Dialect, registry::Registry};
///
/// let registry = Registry::from_parts(None, "migrations_v2".into(), None, Checksum::of(""), vec![].into());
/// let snapshot = Snapshot::default();
/// let assessment = compat::judge(&registry, &snapshot, Dialect::Sqlite, &compat::Rules::default());
/// let baseline = Amendment::Baseline { version: "1.0.0".parse()? };
/// let refused = amend(&registry, &snapshot, &assessment, Dialect::Sqlite, &baseline);
/// assert!(matches!(refused, Err(AmendError::UnknownVersion { .. })));
/// # Ok::<(), migrate_core::version::VersionError>(())
/// ```
pub fn amend(
    registry: &Registry,
    snapshot: &Snapshot,
    assessment: &Assessment,
    dialect: Dialect,
    amendment: &Amendment,
) -> Result<Vec<Change>, AmendError> {
    let amender = Amender { registry, snapshot, assessment, dialect };
    match amendment {
        Amendment::Force { version, standing: Some(standing), .. } => amender.force(*version, *standing),
        Amendment::Force { version, standing: None, .. } => amender.set(*version),
        Amendment::Repair { versions, standing } => {
            let mut versions = versions.clone();
            versions.sort_unstable();
            versions.dedup();
            let changes = versions.into_iter().map(|version| amender.repair(version, *standing));
            changes.filter_map(Result::transpose).collect()
        }
        Amendment::Settle { version, statement } => amender.settle(*version, *statement),
        Amendment::RepairWhatIsSafe => Ok(amender.accept_comments()),
        Amendment::Baseline { version } => amender.baseline(*version),
    }
}

/// Whether one may have been typed for the other: they differ in one number, and not in the first.
const fn is_like(one: SchemaVersion, other: SchemaVersion) -> bool {
    one.major == other.major && (one.minor == other.minor || one.patch == other.patch)
}

struct Amender<'a> {
    registry: &'a Registry,
    snapshot: &'a Snapshot,
    assessment: &'a Assessment,
    dialect: Dialect,
}

impl Amender<'_> {
    fn find(&self, version: SchemaVersion) -> Result<&Entry, AmendError> {
        let entries = &self.assessment.migrations;
        let at = entries.partition_point(|entry| entry.version < version);
        let found = entries.get(at).filter(|entry| entry.version == version);
        found.ok_or_else(|| {
            let beside = entries[at.saturating_sub(1)..entries.len().min(at + 1)].iter().map(|entry| entry.version);
            let near = beside.filter(|it| is_like(*it, version)).collect();
            AmendError::UnknownVersion { version, near, highest: entries.last().map(|entry| entry.version) }
        })
    }

    fn force(&self, version: SchemaVersion, standing: Standing) -> Result<Vec<Change>, AmendError> {
        let entry = self.find(version)?;
        let action = match (standing, &entry.row) {
            (Standing::Applied, None) => self.record(entry, Action::RecordApplied)?,
            (Standing::Applied, Some(row)) if row.status.is_complete() => return Ok(Vec::new()),
            (Standing::Applied, Some(_)) => Action::Complete,
            (Standing::NotApplied, Some(_)) => Action::Forget,
            (Standing::NotApplied, None) => return Ok(Vec::new()),
        };
        Ok(vec![change(entry, action)])
    }

    /// Settles the one interrupted migration so that the database is at a version.
    fn set(&self, version: SchemaVersion) -> Result<Vec<Change>, AmendError> {
        self.find(version)?;
        let head = self.snapshot.database_version();
        let interrupted: Vec<&LedgerRow> = self.snapshot.rows.iter().filter(|row| !row.status.is_complete()).collect();
        let standing = match interrupted[..] {
            [] if head == Some(version) => return Ok(Vec::new()),
            [row] if row.version == version && head < Some(version) => Standing::Applied,
            [row] if row.version > version && head == Some(version) => Standing::NotApplied,
            _ => return Err(AmendError::Unclear { version }),
        };
        self.force(interrupted[0].version, standing)
    }

    fn repair(&self, version: SchemaVersion, standing: Option<Standing>) -> Result<Option<Change>, AmendError> {
        let entry = self.find(version)?;
        let interrupted = entry.row.as_ref().is_some_and(|row| !row.status.is_complete());
        let action = match standing {
            None if interrupted => return Err(AmendError::Unsaid { version }),
            Some(_) if !interrupted => return Err(AmendError::NotInterrupted { version }),
            Some(Standing::Applied) => Action::Complete,
            Some(Standing::NotApplied) => Action::Forget,
            None if self.has(version, ReasonCode::Changed) => self.record(entry, Action::Accept)?,
            None if self.has(version, ReasonCode::ChangedInComments) => Action::Accept,
            // It is judged with the one that replaces it.
            None if entry.state == MigrationState::Replaced => return Ok(None),
            None => match &entry.row {
                Some(row) if !entry.known && row.has_down => {
                    return Err(AmendError::CanBeUndone { version, below: below(self.snapshot, version) });
                }
                Some(_) if !entry.known => Action::Forget,
                _ => return Ok(None),
            },
        };
        Ok(Some(change(entry, action)))
    }

    fn settle(&self, version: SchemaVersion, statement: Standing) -> Result<Vec<Change>, AmendError> {
        let entry = self.find(version)?;
        let uncertain = entry.row.as_ref().filter(|row| !row.status.is_complete() && row.is_uncertain());
        let part = uncertain.map(|row| row.attempted).ok_or(AmendError::NothingUncertain { version })?;
        let action = match statement {
            Standing::Applied => Action::FinishPart(part),
            Standing::NotApplied => Action::RepeatPart(part),
        };
        Ok(vec![change(entry, action)])
    }

    fn accept_comments(&self) -> Vec<Change> {
        let differ = self.assessment.migrations.iter();
        let differ = differ.filter(|entry| self.has(entry.version, ReasonCode::ChangedInComments));
        differ.map(|entry| change(entry, Action::Accept)).collect()
    }

    fn baseline(&self, version: SchemaVersion) -> Result<Vec<Change>, AmendError> {
        if self.registry.find(version).is_none() {
            self.find(version)?;
        }
        let mut changes = Vec::new();
        let mut missing = false;
        let superseded = self.superseded(version);
        for entry in &self.assessment.migrations {
            let misfit = |problem| Err(AmendError::NotABeginning { version: entry.version, problem });
            match &entry.row {
                Some(row) if !row.status.is_complete() => return misfit("was interrupted"),
                Some(row) if superseded => match entry.state {
                    MigrationState::Replaced => changes.push(change(entry, Action::Supersede(version))),
                    _ if entry.version == version => {
                        let name = row.name.clone();
                        changes.push(Change { version, name, action: Action::Supersede(version) });
                        changes.push(change(entry, self.record(entry, Action::RecordBaseline)?));
                    }
                    _ => {}
                },
                Some(_) if entry.state == MigrationState::Replaced => {
                    if self.in_part() {
                        return misfit("was squashed, and not all that was squashed with it is applied");
                    }
                }
                Some(_) if !entry.known => return misfit("is not in it"),
                Some(_) if entry.state == MigrationState::Changed => return misfit("was changed after it was applied"),
                Some(_) if missing => return misfit("is applied, and a lower one is not"),
                Some(_) => {}
                None => {
                    missing = true;
                    if entry.version <= version {
                        changes.push(change(entry, self.record(entry, Action::RecordBaseline)?));
                    }
                }
            }
        }
        Ok(changes)
    }

    /// Whether the version is that of a migration for which the rows of those stand that it replaces.
    fn superseded(&self, version: SchemaVersion) -> bool {
        self.has(version, ReasonCode::Replaced)
    }

    /// Whether some of the migrations that another one replaces are applied, and not all of them.
    fn in_part(&self) -> bool {
        self.assessment.reasons.iter().any(|reason| reason.code == ReasonCode::ReplacedInPart)
    }

    /// An action that records the registry's script, which must be there.
    fn record(&self, entry: &Entry, action: Action) -> Result<Action, AmendError> {
        let migration = self.registry.find(entry.version);
        let script = migration.and_then(|migration| migration.script(Role::Up, self.dialect));
        script.map(|_| action).ok_or(AmendError::NoScript { version: entry.version })
    }

    fn has(&self, version: SchemaVersion, code: ReasonCode) -> bool {
        self.assessment.reasons.iter().any(|reason| reason.version == Some(version) && reason.code == code)
    }
}

fn change(entry: &Entry, action: Action) -> Change {
    Change { version: entry.version, name: entry.name.clone(), action }
}

/// The applied version below another.
fn below(snapshot: &Snapshot, version: SchemaVersion) -> Option<SchemaVersion> {
    snapshot.rows.iter().rev().map(|row| row.version).find(|below| *below < version)
}

/// Something that can be repaired, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The migration, unless it is about the run lock.
    pub version: Option<SchemaVersion>,
    /// What is not as it should be.
    pub problem: String,
    /// The commands that mend it, each a way of its own.
    pub commands: Vec<String>,
    /// Whether [`Amendment::RepairWhatIsSafe`] mends it.
    pub safe: bool,
}

/// Everything that could be repaired, by version, with the commands to choose from.
#[must_use]
pub fn repairs(snapshot: &Snapshot, assessment: &Assessment) -> Vec<Repair> {
    let mut repairs = Vec::new();
    for reason in &assessment.reasons {
        let Some(version) = reason.version else {
            continue;
        };
        let repair = format!("migrate repair {version}");
        let uncertain = snapshot.find(version).is_some_and(LedgerRow::is_uncertain);
        let settle = |ways: [&str; 2]| ways.map(|way| format!("{repair} {way}"));
        let settle = match uncertain {
            true => {
                [settle(["--statement applied", "--statement not-applied"]), settle(["--applied", "--not-applied"])]
                    .concat()
            }
            false => settle(["--applied", "--not-applied"]).to_vec(),
        };
        let commands = match reason.code {
            ReasonCode::Changed | ReasonCode::ChangedInComments => vec![repair],
            ReasonCode::Interrupted => [vec!["migrate up".to_owned()], settle].concat(),
            ReasonCode::InterruptedForGood => settle,
            ReasonCode::Replaced => vec![format!("migrate baseline {version}")],
            // Another program may need it: most often nothing is wrong.
            ReasonCode::Unknown | ReasonCode::UnknownMajor => {
                let has_down = snapshot.find(version).is_some_and(|row| row.has_down);
                match below(snapshot, version) {
                    _ if !has_down => vec![repair],
                    Some(below) => vec![format!("migrate down --to {below}")],
                    None => vec!["migrate down --all".to_owned()],
                }
            }
            _ => continue,
        };
        let safe = reason.code == ReasonCode::ChangedInComments;
        let unknown = matches!(reason.code, ReasonCode::Unknown | ReasonCode::UnknownMajor);
        let condition = match reason.code {
            ReasonCode::Replaced => "; once no program from before is left:",
            _ if unknown => "; only if that one is gone for good:",
            _ => "",
        };
        let problem = format!("{}{condition}", reason.message);
        repairs.push(Repair { version: Some(version), problem, commands, safe });
    }
    let lock = snapshot.state.as_ref().and_then(|state| state.lock.as_ref());
    if let Some(holder) = lock.filter(|holder| !holder.live) {
        let problem = format!("the run lock holds the name of a run that is gone: {holder}");
        repairs.push(Repair { version: None, problem, commands: vec!["migrate lock release".to_owned()], safe: false });
    }
    repairs
}

#[cfg(test)]
mod tests;
