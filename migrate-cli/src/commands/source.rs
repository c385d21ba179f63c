//! `check --source`: whether a program holds the migrations of a directory, by content.

use std::path::Path;
use std::sync::Arc;

use migrate_core::stale;
use migrate_runtime::{AnyDatabase, Migration, Registry};

use crate::args::Need;
use crate::config;
use crate::error::Error;
use crate::output::Printer;

/// What differs between a program and a directory, by the names of the migrations' directories.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    /// In the directory, not in the program.
    pub(crate) added: Vec<String>,
    /// In the program, not in the directory.
    pub(crate) removed: Vec<String>,
    /// In both, with other scripts or other metadata.
    pub(crate) changed: Vec<String>,
}

/// Fails unless the registry is that of the directory, which is read for the database, if there is one.
pub(super) fn compare(
    registry: &Registry,
    directory: &Path,
    database: Option<&AnyDatabase>,
    printer: &Printer,
) -> Result<(), Error> {
    let source = match database {
        Some(database) => config::registry(directory, database, Need::Sound, printer)?,
        None => Arc::new(config::registry_for_any(directory, Need::Sound, printer)?),
    };
    if source.digest() == registry.digest() {
        printer.detail(&format!("this program holds the migrations of {}", directory.display()));
        return Ok(());
    }
    Err(Error::Stale {
        directory: directory.display().to_string(),
        differences: Differences::between(registry, &source),
        help: stale::rebuild(registry),
    })
}

impl Differences {
    fn between(registry: &Registry, source: &Registry) -> Self {
        let only = |these: &Registry, those: &Registry| {
            let lacks = |it: &&Migration| same(those, it).is_none();
            these.migrations().iter().filter(lacks).map(Migration::directory_name).collect()
        };
        let differs = |it: &&Migration| same(source, it).is_some_and(|other| other != *it);
        Self {
            added: only(source, registry),
            removed: only(registry, source),
            changed: registry.migrations().iter().filter(differs).map(Migration::directory_name).collect(),
        }
    }

    /// One line for each kind of difference.
    pub(crate) fn lines(&self) -> Vec<String> {
        let kinds = [
            ("only in the directory", &self.added),
            ("only in the program", &self.removed),
            ("changed", &self.changed),
        ];
        let lines: Vec<String> = kinds
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(kind, names)| format!("{kind}: {}", names.join(", ")))
            .collect();
        if lines.is_empty() {
            // A program does not keep the text of metadata.json, only what it says.
            return vec!["only texts of metadata.json, not what they say".to_owned()];
        }
        lines
    }
}

/// The migration of the same version and name.
fn same<'a>(registry: &'a Registry, migration: &Migration) -> Option<&'a Migration> {
    registry.find(migration.version()).filter(|other| other.name() == migration.name())
}
