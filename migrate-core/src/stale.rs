//! Whether a program was compiled from what its migrations directory holds now.
//!
//! Cargo goes by modification times, and these lie: after `rsync -a`, `cp -p` or a container's `COPY` over an older build
//! a program may hold other migrations than the directory, and nothing builds it again. This compares the content. It
//! needs no more than the digest, so it parses nothing, and programs that embed compile it without the feature `source`.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use crate::checksum::{Checksum, decode};
use crate::digest::{Entry, digest};
use crate::migration::file_names;
use crate::registry::Registry;

/// A program holds other migrations than the directory from which it was compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stale {
    /// The directory, absolute.
    pub directory: String,
    /// The digest of what the program holds.
    pub embedded: Checksum,
    /// The digest of what the directory holds.
    pub on_disk: Checksum,
    /// How to build the program again.
    pub help: String,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this program was compiled from other migrations than `{}` holds now", self.directory)
    }
}

/// Compares a registry with the directory from which it was compiled, if this is known and still there: a debug build on
/// the machine that built it. Reads every script; blocks.
#[must_use]
pub fn find(registry: &Registry) -> Option<Stale> {
    compare(registry, registry.source()?).ok()?
}

/// Compares a registry with a directory, which it should have been compiled from. Reads every script; blocks.
///
/// # Errors
///
/// A directory or file that cannot be read, because the directory is not there for example.
pub fn compare(registry: &Registry, directory: &str) -> io::Result<Option<Stale>> {
    let on_disk = on_disk(Path::new(directory))?;
    let embedded = registry.digest();
    let stale = || Stale { directory: directory.to_owned(), embedded, on_disk, help: rebuild(registry) };
    Ok((on_disk != embedded).then(stale))
}

/// What makes cargo build the program again that a registry belongs to, whatever time stamps say.
#[must_use]
pub fn rebuild(registry: &Registry) -> String {
    let package = registry.name().unwrap_or("PACKAGE");
    format!("run `cargo clean -p {package}` (where there is a build.rs, `touch build.rs` will do) and build again")
}

/// The digest of a directory as it stands, valid or not: for a valid one that of its registry.
fn on_disk(directory: &Path) -> io::Result<Checksum> {
    let mut entries = Vec::new();
    #[expect(clippy::disallowed_methods, reason = "this is where the content of a directory is compared")]
    let listing = fs::read_dir(directory)?;
    for entry in listing {
        let entry = entry?;
        if let Some(migration) = migration(&entry.file_name().to_string_lossy()) {
            entries.push(Entry { files: files(&entry.path())?, ..migration });
        }
    }
    entries.sort_by(|a, b| (a.version, &a.name).cmp(&(b.version, &b.name)));
    Ok(digest(&entries))
}

/// A migration without its files, from the name of its directory.
fn migration(directory: &str) -> Option<Entry> {
    let (version, name) = directory.strip_prefix('v')?.split_once('_')?;
    Some(Entry { version: version.parse().ok()?, name: name.to_owned(), files: Vec::new() })
}

fn files(directory: &Path) -> io::Result<Vec<(String, Checksum)>> {
    let mut files = Vec::new();
    for name in file_names() {
        #[expect(clippy::disallowed_methods, reason = "this is where the content of a directory is compared")]
        match fs::read(directory.join(&name)) {
            Ok(bytes) => files.push((name, checksum(&bytes))),
            // A file in a migration's place has no files: no registry says so.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(files)
}

/// What is not UTF-8 is in no registry; any text in its place tells the difference.
fn checksum(bytes: &[u8]) -> Checksum {
    decode(bytes).map_or_else(|_| Checksum::of(&String::from_utf8_lossy(bytes)), Checksum::of)
}
