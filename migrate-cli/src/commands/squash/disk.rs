//! The files of a squashed set: tried in a hidden directory beside the others, then put in their places.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use migrate_core::migration::METADATA;
use migrate_core::name::LOCK;
use migrate_core::registry::Registry;
use migrate_core::squash::Squashed;
use migrate_runtime::SchemaVersion;

use crate::error::Error;

/// The text of each `metadata.json`.
pub(super) fn metadata(directory: &Path, registry: &Registry) -> Result<BTreeMap<SchemaVersion, String>, Error> {
    let read = |migration: &migrate_runtime::Migration| {
        let path = directory.join(migration.directory_name()).join(METADATA);
        let text = fs::read_to_string(&path).map_err(|error| failed("read", &path, &error))?;
        Ok((migration.version(), text))
    };
    registry.migrations().iter().map(read).collect()
}

/// Files that go with the migrations and are not taken over.
pub(super) fn left_behind(directory: &Path, squashed: &Squashed) -> Vec<String> {
    let others = squashed.replaced.iter().flat_map(|folder| {
        let files = fs::read_dir(directory.join(folder)).into_iter().flatten().flatten();
        let names = files.filter_map(|file| file.file_name().into_string().ok());
        let is_other = |name: &String| name != METADATA && (!name.ends_with(".sql") || name == "fixtures.sql");
        names.filter(is_other).map(move |name| format!("{folder}/{name}")).collect::<Vec<_>>()
    });
    let mut others: Vec<String> = others.collect();
    others.sort();
    others
}

/// The set as it would be, removed when this is dropped.
pub(super) struct Stage {
    path: PathBuf,
}

impl Stage {
    /// Writes the new migration, and copies the others with what is new in them.
    pub(super) fn new(directory: &Path, registry: &Registry, squashed: &Squashed) -> Result<Self, Error> {
        let path = directory.join(format!(".squash-{}", std::process::id()));
        let stage = Self { path };
        let fill = || {
            let folder = stage.path.join(&squashed.directory);
            fs::create_dir_all(&folder)?;
            for (file, text) in &squashed.files {
                fs::write(folder.join(file), text)?;
            }
            let stays = |name: &String| !squashed.replaced.contains(name);
            for name in registry.migrations().iter().map(migrate_runtime::Migration::directory_name).filter(stays) {
                copy(&directory.join(&name), &stage.path.join(&name))?;
            }
            for (name, text) in &squashed.rewritten {
                fs::write(stage.path.join(name).join(METADATA), text)?;
            }
            Ok(())
        };
        fill().map_err(|error| failed("write", &stage.path, &error))?;
        Ok(stage)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the new migration in the place of the others, and rewrites what changes in those that stay. What fails on the way
    /// leaves the new files in the directory of the stage or in their places, and the old ones as far as they were not reached.
    pub(super) fn put(self, directory: &Path, squashed: &Squashed, lock: Option<&str>) -> Result<(), Error> {
        for name in &squashed.replaced {
            let folder = directory.join(name);
            fs::remove_dir_all(&folder).map_err(|error| half_way("remove", &folder, &error))?;
        }
        let folder = directory.join(&squashed.directory);
        fs::rename(self.path.join(&squashed.directory), &folder).map_err(|error| half_way("write", &folder, &error))?;
        for (name, text) in &squashed.rewritten {
            let path = directory.join(name).join(METADATA);
            fs::write(&path, text).map_err(|error| half_way("write", &path, &error))?;
        }
        if let Some(text) = lock {
            let path = directory.join(LOCK);
            fs::write(&path, text).map_err(|error| half_way("write", &path, &error))?;
        }
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Nothing reads a hidden directory; one that stays is in nobody's way.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Copies the files of a directory, not its sub-directories.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> Error {
    Error::failed(format!("cannot {verb} {}: {error}; nothing was changed", path.display()))
}

fn half_way(verb: &str, path: &Path, error: &io::Error) -> Error {
    Error::failed(format!(
        "cannot {verb} {}: {error}; a part of the files is changed: put them back from version control",
        path.display()
    ))
}
