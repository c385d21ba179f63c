//! Programs that register as running.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use migrate_core::source::{LoadOptions, load};
use migrate_runtime::{AnyDatabase, Error, Instance, InstanceOptions, Migrator, Version};

use crate::program;

/// A program that is part of this process: what it holds, its version, and its database.
#[derive(Debug)]
pub struct Program {
    migrator: Migrator,
    database: AnyDatabase,
}

impl Program {
    /// A program of a version that holds the migrations of a directory.
    ///
    /// # Panics
    ///
    /// When the directory has problems, or version or URL are none.
    #[must_use]
    pub fn new(directory: &Path, version: &str, url: &str) -> Self {
        let loaded = load(directory, &LoadOptions::new("migrations_v2"));
        let (registry, _) = loaded.into_registry().expect("the migrations of a test are sound");
        let version = Version::parse(version).expect("the version of a test is one");
        let migrator = Migrator::new(Arc::new(registry)).runtime_version(version);
        Self { migrator, database: AnyDatabase::from_url(url).expect("the URL of a test is one") }
    }

    /// Registers it.
    ///
    /// # Errors
    ///
    /// Those of [`Migrator::register_instance`].
    pub fn register(&mut self, options: InstanceOptions) -> Result<Instance, Error> {
        self.migrator.register_instance_with(&mut self.database, options).wait()
    }

    /// Lets it leave.
    ///
    /// # Panics
    ///
    /// When its row cannot be removed.
    pub fn leave(&mut self, instance: Instance) {
        instance.leave(&mut self.database).wait().expect("the row can be removed");
    }
}

/// A process that registers, says `registered` or why not on standard error, and then runs until it is killed. It beats five
/// times a second and expires after two.
#[must_use]
pub fn process(directory: &Path, version: &str, url: &str) -> Command {
    let mut command = Command::new(program("system-tests", "running-program"));
    command.arg(directory).args([version, url]);
    command
}
