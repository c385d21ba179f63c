//! The validated, ordered set of migrations that a program carries or a directory holds.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::checksum::Checksum;
use crate::embedded::Tables;
use crate::fingerprint::Fingerprint;
use crate::ledger::Status;
use crate::migration::{Dialect, Migration, Text};
use crate::replaced::Replaced;
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
    Embedded { tables: &'static Tables, fingerprints: [&'static [u64]; 2], read: OnceLock<Vec<Migration>> },
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

    /// A registry that is part of the program, with its [`fingerprints`](Self::fingerprints) for each dialect.
    #[doc(hidden)]
    #[must_use]
    pub const fn embedded(
        name: Option<Text>,
        directory: Text,
        runtime_version: Option<Text>,
        digest: Checksum,
        tables: &'static Tables,
        fingerprints: [&'static [u64]; 2],
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

    /// The [`Fingerprint`] of a ledger in which exactly this set is applied; then, where its first migration replaces others, that
    /// of one in which these are, in its place. Empty when a migration has no up script for the dialect, so that it cannot be
    /// applied. Constants of an embedded registry.
    #[must_use]
    pub fn fingerprints(&self, dialect: Dialect) -> Cow<'static, [u64]> {
        if let Migrations::Embedded { fingerprints, .. } = &self.migrations {
            return Cow::Borrowed(fingerprints[dialect as usize]);
        }
        let Some((first, rest)) = self.migrations().split_first() else {
            return Cow::Owned(vec![0]);
        };
        let of = |migrations: &[Replaced]| {
            let mut fingerprint = Fingerprint::default();
            for migration in migrations {
                let (version, checksum) = (migration.version.to_string(), migration.checksum(dialect)?.to_string());
                let minimum = migration.min_runtime_version.as_deref();
                fingerprint.add(&version, &checksum, minimum, Status::Applied.as_str());
            }
            Some(fingerprint.value())
        };
        let rest: Vec<Replaced> = rest.iter().map(Replaced::of).collect();
        let (Some(first_alone), Some(rest)) = (of(&[Replaced::of(first)]), of(&rest)) else {
            return Cow::Owned(Vec::new());
        };
        // It is a sum, so that parts of it can be exchanged.
        let replaced = first.replaces().into_iter().filter_map(|generation| of(&generation));
        Cow::Owned([first_alone].into_iter().chain(replaced).map(|beginning| rest.wrapping_add(beginning)).collect())
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
