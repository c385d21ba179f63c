//! The fingerprint of a set: what of each migration counts, and the chain over all of them.

use crate::checksum::Checksum;
use crate::version::SchemaVersion;

/// The value before the first link of the chain.
pub(crate) const START: Checksum = Checksum::from_bytes([0; 32]);

/// What stands in the place of the checksums of a migration that is still being written.
pub(crate) const DRAFT: &str = "draft";

/// One migration, as the digest and the lock file know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its version.
    pub version: SchemaVersion,
    /// Its name.
    pub name: String,
    /// Its files and their checksums: the metadata, then the scripts in the order of roles. In a lock file, none: a draft.
    pub files: Vec<(String, Checksum)>,
}

impl Entry {
    /// The same migration while it is still being written: that it is there is recorded, and what it holds is not.
    #[must_use]
    pub fn to_draft(&self) -> Self {
        Self { version: self.version, name: self.name.clone(), files: Vec::new() }
    }

    /// Whether what it holds is not recorded yet.
    #[must_use]
    pub const fn is_draft(&self) -> bool {
        self.files.is_empty()
    }

    /// What is chained.
    pub(crate) fn line(&self) -> String {
        let mut line = format!("{} {}", self.version, self.name);
        for (file, checksum) in &self.files {
            line.push_str(&format!(" {file}={checksum}"));
        }
        if self.is_draft() {
            line.push(' ');
            line.push_str(DRAFT);
        }
        line
    }
}

/// The fingerprint of a set, lowest version first; 32 zero bytes for an empty one.
#[must_use]
pub fn digest(entries: &[Entry]) -> Checksum {
    entries.iter().fold(START, |chain, entry| chain.chain(&entry.line()))
}
