//! The validated, ordered set of migrations that a program carries or a directory holds.

use std::borrow::Cow;

use crate::checksum::Checksum;
use crate::migration::{Migration, Text};
use crate::version::SchemaVersion;

/// A checked set of migrations in semver order, with a digest that names exactly this set.
///
/// `embed_migrations!` gives one as constant data; reading a directory gives one at run time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    name: Option<Text>,
    directory: Text,
    runtime_version: Option<Text>,
    digest: Checksum,
    compiled_from: Option<&'static str>,
    // Invariant: sorted by version, no two alike, every dependency met by a lower one.
    migrations: Cow<'static, [Migration]>,
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
        &self.migrations
    }

    /// The migration of a version.
    #[must_use]
    pub fn find(&self, version: SchemaVersion) -> Option<&Migration> {
        let at = self.migrations.binary_search_by_key(&version, Migration::version);
        at.ok().map(|index| &self.migrations[index])
    }

    /// The highest version of the set; `None` when it is empty.
    #[must_use]
    pub fn head(&self) -> Option<SchemaVersion> {
        self.migrations.last().map(Migration::version)
    }

    /// The path of a file of a migration, for messages: `migrations_v2/v1.0.0_users/up.sql`.
    #[must_use]
    pub fn path(&self, migration: &Migration, file: &str) -> String {
        let directory = self.directory.trim_end_matches('/');
        format!("{directory}/{}/{file}", migration.directory_name())
    }
}
