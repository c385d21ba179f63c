//! The validated, ordered set of migrations that a program carries or a directory holds.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::checksum::Checksum;
use crate::embedded::Tables;
use crate::fingerprint::Fingerprint;
use crate::ledger::Status;
use crate::migration::{Dialect, Migration, Role, Text};
use crate::version::SchemaVersion;

/// A checked set of migrations in semver order, with a digest that names exactly this set.
///
/// `embed_migrations!` gives one as constant data; reading a directory gives one at run time.
#[derive(Clone, Debug)]
pub struct Registry {
    name: Option<Text>,
    directory: Text,
    runtime_version: Option<Text>,
    digest: Checksum,
    compiled_from: Option<&'static str>,
    // Invariant: sorted by version, no two alike, every dependency met by a lower one.
    migrations: Migrations,
}

#[derive(Clone, Debug)]
enum Migrations {
    Given(Cow<'static, [Migration]>),
    Embedded { tables: &'static Tables, fingerprints: [Option<u64>; 2], read: OnceLock<Vec<Migration>> },
}

impl Registry {
    /// Puts a checked registry together.
    #[doc(hidden)]
    #[must_use]
    pub const fn from_parts(
        name: Option<Text>,
        directory: Text,
        runtime_version: Option<Text>,
        digest: Checksum,
        migrations: Cow<'static, [Migration]>,
    ) -> Self {
        let migrations = Migrations::Given(migrations);
        Self { name, directory, runtime_version, digest, compiled_from: None, migrations }
    }

    /// A registry that is part of the program, with its [`fingerprint`](Self::fingerprint) for each dialect.
    #[doc(hidden)]
    #[must_use]
    pub const fn embedded(
        name: Option<Text>,
        directory: Text,
        runtime_version: Option<Text>,
        digest: Checksum,
        tables: &'static Tables,
        fingerprints: [Option<u64>; 2],
    ) -> Self {
        let migrations = Migrations::Embedded { tables, fingerprints, read: OnceLock::new() };
        Self { name, directory, runtime_version, digest, compiled_from: None, migrations }
    }

    /// Notes where on the developer's disk it was read when the program was compiled.
    #[doc(hidden)]
    #[must_use]
    pub const fn compiled_from(mut self, directory: Option<&'static str>) -> Self {
        self.compiled_from = directory;
        self
    }

    /// The absolute path of the directory that was compiled in. Only in a debug build: a release holds no path of the
    /// machine that built it.
    #[doc(hidden)]
    #[must_use]
    pub const fn source(&self) -> Option<&'static str> {
        self.compiled_from
    }

    /// The program it belongs to: the embedding crate's name. `None` for a directory, which belongs to no program.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The directory it was read from, as it was given; messages name files below it.
    #[must_use]
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// The version of the embedding crate. `None` for a directory.
    #[must_use]
    pub fn runtime_version(&self) -> Option<semver::Version> {
        self.runtime_version
            .as_deref()
            .map(|text| semver::Version::parse(text).expect("the macro embeds a checked runtime version"))
    }

    /// The fingerprint of the set: a chained SHA-256 over all entries, the last value in `migrations.lock`.
    #[must_use]
    pub const fn digest(&self) -> Checksum {
        self.digest
    }

    /// The migrations, lowest version first.
    #[must_use]
    pub fn migrations(&self) -> &[Migration] {
        match &self.migrations {
            Migrations::Given(migrations) => migrations,
            Migrations::Embedded { tables, read, .. } => read.get_or_init(|| tables.read()),
        }
    }

    /// The migration of a version.
    #[must_use]
    pub fn find(&self, version: SchemaVersion) -> Option<&Migration> {
        let migrations = self.migrations();
        let at = migrations.binary_search_by_key(&version, Migration::version);
        at.ok().map(|index| &migrations[index])
    }

    /// The highest version of the set; `None` when it is empty.
    #[must_use]
    pub fn head(&self) -> Option<SchemaVersion> {
        match &self.migrations {
            Migrations::Given(migrations) => migrations.last().map(Migration::version),
            Migrations::Embedded { tables, .. } => tables.head(),
        }
    }

    /// The [`Fingerprint`] of a ledger in which exactly this set is applied; `None` when a migration has no up script for the
    /// dialect, so that it cannot be. A constant of an embedded registry.
    #[must_use]
    pub fn fingerprint(&self, dialect: Dialect) -> Option<u64> {
        if let Migrations::Embedded { fingerprints, .. } = &self.migrations {
            return fingerprints[dialect as usize];
        }
        let mut fingerprint = Fingerprint::default();
        for migration in self.migrations() {
            let checksum = migration.script(Role::Up, dialect)?.checksum.to_string();
            let minimum = migration.min_runtime_version().map(|version| version.to_string());
            let version = migration.version().to_string();
            fingerprint.add(&version, &checksum, minimum.as_deref(), Status::Applied.as_str());
        }
        Some(fingerprint.value())
    }

    /// The path of a file of a migration, for messages: `migrations_v2/v1.0.0_users/up.sql`.
    #[must_use]
    pub fn path(&self, migration: &Migration, file: &str) -> String {
        let directory = self.directory.trim_end_matches('/');
        format!("{directory}/{}/{file}", migration.directory_name())
    }
}

impl PartialEq for Registry {
    fn eq(&self, other: &Self) -> bool {
        let parts = |it: &Self| (it.name.clone(), it.directory.clone(), it.runtime_version.clone(), it.compiled_from);
        self.digest == other.digest && parts(self) == parts(other) && self.migrations() == other.migrations()
    }
}

impl Eq for Registry {}
