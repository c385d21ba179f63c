//! What a lock file records, also where it was merged badly, and how it is written anew.

use crate::lockfile::{self, Entry};

/// What a lock file records, as far as it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    entries: Vec<Entry>,
    /// The two sides of an unresolved merge conflict.
    sides: [Vec<Entry>; 2],
}

impl Recorded {
    /// Reads a text, whatever state it is in: lines that are no entries are passed over.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut recorded = Self::default();
        let mut side = None;
        for line in text.lines() {
            match line.get(..7) {
                Some("<<<<<<<") => side = Some(0),
                // The common ancestor, if it is shown, released nothing that the sides did not.
                Some("|||||||") => side = None,
                Some("=======") => side = Some(1),
                Some(">>>>>>>") => side = None,
                _ => {}
            }
            let Some(entry) = lockfile::entry_of_line(line) else {
                continue;
            };
            if let Some(side) = side {
                let sides: &mut [Vec<Entry>; 2] = &mut recorded.sides;
                sides[side].push(entry.clone());
            }
            recorded.entries.push(entry);
        }
        recorded
    }

    /// Whether a migration is recorded, on both sides if there are two.
    pub(super) fn is_released(&self, name: &crate::name::MigrationName) -> bool {
        let is_it = |entry: &Entry| entry.version == name.version && entry.name == name.name;
        self.entries.iter().any(is_it) && (self.side(name).is_none() || !self.has_sides())
    }

    /// Which side alone records a migration.
    pub(super) fn side(&self, name: &crate::name::MigrationName) -> Option<usize> {
        let has = |side: &[Entry]| side.iter().any(|it| it.version == name.version && it.name == name.name);
        match self.sides.each_ref().map(|side| has(side)) {
            [true, false] => Some(0),
            [false, true] => Some(1),
            _ => None,
        }
    }

    fn has_sides(&self) -> bool {
        self.sides.iter().any(|side| !side.is_empty())
    }
}

/// The lock file for a directory whose names were repaired: what was recorded stays as it was recorded, so that an edit of a
/// released script goes on being one; what is new is added. `touched` says of a migration that its metadata was written anew;
/// `renamed` says of a recorded one that it is gone because it has another name now. A draft stays one.
#[must_use]
pub fn relocked(
    recorded: &Recorded,
    current: &[Entry],
    touched: impl Fn(&Entry) -> bool,
    renamed: impl Fn(&Entry) -> bool,
) -> String {
    let same = |a: &Entry, b: &Entry| a.version == b.version && a.name == b.name;
    let mut entries: Vec<Entry> = Vec::new();
    for entry in current {
        let candidates: Vec<&Entry> = recorded.entries.iter().filter(|it| same(it, entry)).collect();
        let kept = candidates.iter().find(|it| **it == entry).or(candidates.first());
        let mut kept = kept.map_or_else(|| entry.clone(), |it| (*it).clone());
        if touched(entry) && !kept.is_draft() {
            // A script that was edited after it was locked stays reported.
            let metadata = |it: &Entry| it.files.iter().find(|(file, _)| file == crate::migration::METADATA).cloned();
            kept.files.retain(|(file, _)| file != crate::migration::METADATA);
            kept.files.splice(0..0, metadata(entry));
        }
        entries.push(kept);
    }
    for entry in &recorded.entries {
        let is_known = entries.iter().any(|it| it.version == entry.version);
        if !is_known && !renamed(entry) {
            entries.push(entry.clone());
        }
    }
    entries.sort_by_key(|entry| entry.version);
    lockfile::render(&entries)
}
