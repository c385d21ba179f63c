//! What a squashed migration stands for: the migrations that it replaces, and whether a ledger holds them.
//!
//! `migrate squash` makes one migration of everything up to a version. A database that applied the former ones has their rows
//! and not the new one's; all of them together, unchanged, count as it.

use crate::checksum::Checksum;
use crate::ledger::{LedgerRow, Snapshot};
use crate::migration::{Dialect, Migration, Role};
use crate::version::SchemaVersion;

/// A migration that another one replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Its version.
    pub version: SchemaVersion,
    /// Its name.
    pub name: String,
    /// The checksum of its up script for each dialect, in the order of [`Dialect::ALL`]; `None` where it had none.
    pub checksums: [Option<Checksum>; 2],
    /// The oldest program that worked with it, if it said so.
    pub min_runtime_version: Option<String>,
}

impl Replaced {
    /// What is to be remembered of a migration that goes.
    #[must_use]
    pub fn of(migration: &Migration) -> Self {
        let checksum = |dialect| migration.script(Role::Up, dialect).map(|script| script.checksum);
        Self {
            version: migration.version(),
            name: migration.name().to_owned(),
            checksums: Dialect::ALL.map(checksum),
            min_runtime_version: migration.min_runtime_version().map(|version| version.to_string()),
        }
    }

    /// The checksum of its up script.
    #[must_use]
    pub fn checksum(&self, dialect: Dialect) -> Option<Checksum> {
        self.checksums[dialect as usize]
    }

    /// Whether a row is its own, whatever its status.
    fn is(&self, row: &LedgerRow, dialect: Dialect) -> bool {
        self.version == row.version && self.checksum(dialect).is_some_and(|it| it.to_string() == row.checksum)
    }
}

/// The rows of replaced migrations in a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Coverage {
    /// There are none, or what replaces them is there itself.
    None,
    /// All of them are there, unchanged and complete; the versions, lowest first.
    Whole(Vec<SchemaVersion>),
    /// Some are not there, or not as they were.
    Part(Part),
}

/// Why rows do not stand for the migration that replaces theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// The rows that are as they were.
    pub(crate) held: Vec<SchemaVersion>,
    /// Not in the ledger.
    pub(crate) lacking: Vec<SchemaVersion>,
    /// In the ledger with another script.
    pub(crate) changed: Vec<SchemaVersion>,
    /// Half way.
    pub(crate) unfinished: Vec<SchemaVersion>,
}

impl Part {
    /// Whether a version is one of those that are in the ledger.
    pub(crate) fn has_row(&self, version: SchemaVersion) -> bool {
        [&self.held, &self.changed, &self.unfinished].into_iter().any(|versions| versions.contains(&version))
    }

    fn is_whole(&self) -> bool {
        self.lacking.is_empty() && self.changed.is_empty() && self.unfinished.is_empty()
    }
}

/// How much of what a migration replaces a ledger holds.
pub(crate) fn coverage(migration: &Migration, snapshot: &Snapshot, dialect: Dialect) -> Coverage {
    let generations = migration.replaces();
    let version = migration.version();
    let own = snapshot.find(version);
    let up = migration.script(Role::Up, dialect);
    if own.is_some_and(|row| up.is_some_and(|script| script.checksum.to_string() == row.checksum)) {
        return Coverage::None;
    }
    let parts: Vec<Part> = generations.iter().map(|generation| part(generation, snapshot, dialect)).collect();
    if let Some(whole) = parts.iter().find(|part| part.is_whole() && !part.held.is_empty()) {
        return Coverage::Whole(whole.held.clone());
    }
    // A row of its own version alone, with a script that nobody remembers, is its own, changed.
    let is_old = |part: &Part| {
        let lower = [&part.held, &part.changed, &part.unfinished];
        let mut lower = lower.into_iter().flatten().filter(|other| **other != version);
        lower.next().is_some() || part.held.contains(&version) || part.unfinished.contains(&version)
    };
    if !parts.iter().any(is_old) {
        return Coverage::None;
    }
    // What fits best explains best; of two that fit alike the newer one.
    let best = parts.into_iter().rev().max_by_key(|part| part.held.len());
    best.map_or(Coverage::None, Coverage::Part)
}

fn part(generation: &[Replaced], snapshot: &Snapshot, dialect: Dialect) -> Part {
    let mut part = Part::default();
    for replaced in generation {
        let list = match snapshot.find(replaced.version) {
            None => &mut part.lacking,
            Some(row) if !replaced.is(row, dialect) => &mut part.changed,
            Some(row) if !row.status.is_complete() => &mut part.unfinished,
            Some(_) => &mut part.held,
        };
        list.push(replaced.version);
    }
    part
}

/// Generations as one text, a line for each migration and an empty one between generations: constant data for the macro.
#[cfg(feature = "source")]
pub(crate) fn text(generations: &[Vec<Replaced>]) -> Option<crate::migration::Text> {
    let line = |it: &Replaced| {
        let [sqlite, postgres] =
            it.checksums.map(|checksum| checksum.map_or_else(|| "-".to_owned(), |it| it.to_string()));
        let minimum = it.min_runtime_version.as_deref().unwrap_or("-");
        format!("{} {} {sqlite} {postgres} {minimum}\n", it.version, it.name)
    };
    let generations: Vec<String> = generations.iter().map(|generation| generation.iter().map(line).collect()).collect();
    (!generations.is_empty()).then(|| generations.join("\n").into())
}

/// The generations of such a text.
pub(crate) fn generations(text: &str) -> Vec<Vec<Replaced>> {
    text.split("\n\n").map(|generation| generation.lines().filter_map(read).collect()).collect()
}

fn read(line: &str) -> Option<Replaced> {
    let mut words = line.split(' ');
    let (version, name) = (words.next()?.parse().ok()?, words.next()?.to_owned());
    let checksums = [words.next()?, words.next()?].map(|word| word.parse().ok());
    let min_runtime_version = words.next().filter(|word| *word != "-").map(str::to_owned);
    Some(Replaced { version, name, checksums, min_runtime_version })
}

#[cfg(test)]
mod tests;
