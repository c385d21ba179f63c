//! One migration: a version, a name, and its scripts.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::checksum::Checksum;
use crate::replaced::{self, Replaced};
use crate::version::SchemaVersion;

/// The file that describes a migration.
pub const METADATA: &str = "metadata.json";

/// Text that is either embedded in the program or was read at run time.
pub type Text = Cow<'static, str>;

/// The SQL dialect of a script and of the database it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// SQLite; files named `up.sqlite.sql` and the like.
    Sqlite,
    /// PostgreSQL; files named `up.postgres.sql` and the like.
    Postgres,
}

impl Dialect {
    /// Every dialect, in the order in which they are reported.
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    /// The word used in file names.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Self, UnknownDialect> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == text).ok_or(UnknownDialect)
    }
}

/// A text names no [`Dialect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownDialect;

impl fmt::Display for UnknownDialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a dialect is `sqlite` or `postgres`")
    }
}

impl std::error::Error for UnknownDialect {}

/// What a script is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Applies the migration.
    Up,
    /// Takes it back.
    Down,
    /// Proves, inside the migration's transaction, that it did what it should.
    Verify,
}

impl Role {
    /// Every role, in the order in which files are listed.
    pub const ALL: [Self; 3] = [Self::Up, Self::Down, Self::Verify];

    /// The word used in file names.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Verify => "verify",
        }
    }
}

/// The part of a migration in a change that takes two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Adds what the new program needs, so that old and new programs both work.
    Expand,
    /// Removes what only the old program needed.
    Contract,
}

impl Phase {
    /// The word used in `metadata.json`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expand => "expand",
            Self::Contract => "contract",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The kind of an object that a migration says must exist afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A table; on PostgreSQL also a partitioned or foreign one.
    Table,
    /// A view; on PostgreSQL also a materialized one.
    View,
    /// An index.
    Index,
}

impl ObjectKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Table, Self::View, Self::Index];

    /// The word for one of them.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
            Self::Index => "index",
        }
    }

    /// The word used in `metadata.json`.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Table => "tables",
            Self::View => "views",
            Self::Index => "indexes",
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Expected objects as one text, a line each: constant data for the macro. Names have no line ends.
#[cfg(feature = "source")]
pub(crate) fn expects_text(expected: &[(ObjectKind, String)]) -> Option<Text> {
    let lines: Vec<String> = expected.iter().map(|(kind, name)| format!("{kind} {name}")).collect();
    (!lines.is_empty()).then(|| Cow::Owned(lines.join("\n")))
}

/// One SQL file of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// What it is for.
    pub role: Role,
    /// The dialect in its file name; `None` for a plain `up.sql`.
    pub dialect: Option<Dialect>,
    /// The text, as it is sent to the database.
    pub sql: Text,
    /// The checksum of the text.
    pub checksum: Checksum,
}

impl Script {
    /// A script read at run time.
    #[must_use]
    pub fn new(role: Role, dialect: Option<Dialect>, sql: String) -> Self {
        Self { role, dialect, checksum: Checksum::of(&sql), sql: Cow::Owned(sql) }
    }

    /// A script embedded in the program.
    #[doc(hidden)]
    #[must_use]
    pub const fn embedded(role: Role, dialect: Option<Dialect>, sql: &'static str, checksum: Checksum) -> Self {
        Self { role, dialect, sql: Cow::Borrowed(sql), checksum }
    }

    /// The name of its file, such as `up.sqlite.sql`.
    #[must_use]
    pub fn file_name(&self) -> String {
        file_name(self.role, self.dialect)
    }
}

/// The names of all files that make a migration what it is, in the order of the digest.
pub(crate) fn file_names() -> impl Iterator<Item = String> {
    let dialects = [None, Some(Dialect::Sqlite), Some(Dialect::Postgres)];
    let scripts = Role::ALL.into_iter().flat_map(move |role| dialects.map(|dialect| file_name(role, dialect)));
    [METADATA.to_owned()].into_iter().chain(scripts)
}

/// The name of the file of a role and dialect, such as `down.sql` or `up.postgres.sql`.
#[must_use]
pub fn file_name(role: Role, dialect: Option<Dialect>) -> String {
    match dialect {
        None => format!("{}.sql", role.as_str()),
        Some(dialect) => format!("{}.{dialect}.sql", role.as_str()),
    }
}

/// The rows of a migration's `fixtures.sql`, which only the tests of the set insert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixtures {
    /// The version of the migration after which they are inserted.
    pub version: SchemaVersion,
    /// The text, as it is sent to the database.
    pub sql: Text,
}

/// One migration of a registry.
///
/// Only two ways lead to one: `embed_migrations!`, and reading a directory; both check it first. The fields are read
/// through methods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    version: SchemaVersion,
    name: Text,
    settings: Settings,
    dependencies: Cow<'static, [Text]>,
    scripts: Cow<'static, [Script]>,
}

/// What `metadata.json` says beyond version, name and dependencies, as far as running a migration needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct Settings {
    pub description: Option<Text>,
    pub min_runtime_version: Option<Text>,
    pub irreversible: Option<Text>,
    /// See [`expects_text`].
    pub expects: Option<Text>,
    /// See [`replaced::text`](crate::replaced).
    pub replaces: Option<Text>,
    pub phase: Option<Phase>,
    pub transaction: bool,
    pub foreign_keys_off: bool,
    pub lock_timeout: Option<Duration>,
    pub statement_timeout: Option<Duration>,
}

impl Settings {
    /// What holds when `metadata.json` has the required keys only.
    pub const DEFAULT: Self = Self {
        description: None,
        min_runtime_version: None,
        irreversible: None,
        expects: None,
        replaces: None,
        phase: None,
        transaction: true,
        foreign_keys_off: false,
        lock_timeout: None,
        statement_timeout: None,
    };
}

impl Migration {
    /// Puts a checked migration together.
    #[doc(hidden)]
    #[must_use]
    pub const fn from_parts(
        version: SchemaVersion,
        name: Text,
        settings: Settings,
        dependencies: Cow<'static, [Text]>,
        scripts: Cow<'static, [Script]>,
    ) -> Self {
        Self { version, name, settings, dependencies, scripts }
    }

    /// Its version.
    #[must_use]
    pub const fn version(&self) -> SchemaVersion {
        self.version
    }

    /// Its name: lower-case letters, digits and underscores.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of its directory, such as `v1.2.0_add_index`.
    #[must_use]
    pub fn directory_name(&self) -> String {
        format!("v{}_{}", self.version, self.name)
    }

    /// One line for people.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.settings.description.as_deref()
    }

    /// The oldest binary that still works once this migration is applied; `None` leaves it as it was.
    #[must_use]
    pub fn min_runtime_version(&self) -> Option<semver::Version> {
        self.settings
            .min_runtime_version
            .as_deref()
            .map(|text| semver::Version::parse(text).expect("a registry is only made of checked versions"))
    }

    /// Why it cannot be taken back, if it says so.
    #[must_use]
    pub fn irreversible(&self) -> Option<&str> {
        self.settings.irreversible.as_deref()
    }

    /// The objects that must exist once it is applied.
    pub fn expects(&self) -> impl Iterator<Item = (ObjectKind, &str)> {
        let lines = self.settings.expects.as_deref().unwrap_or_default().lines();
        lines.filter_map(|line| {
            let (kind, name) = line.split_once(' ')?;
            Some((ObjectKind::ALL.into_iter().find(|it| it.as_str() == kind)?, name))
        })
    }

    #[cfg(feature = "source")]
    pub(crate) fn expects_text(&self) -> Option<&str> {
        self.settings.expects.as_deref()
    }

    /// The migrations that it stands for, lowest version first: those of the set that was squashed into it; then, where that
    /// set began with a squashed migration itself, the same with what that one had replaced; and so on. Empty for most.
    #[must_use]
    pub fn replaces(&self) -> Vec<Vec<Replaced>> {
        self.settings.replaces.as_deref().map(replaced::generations).unwrap_or_default()
    }

    #[cfg(feature = "source")]
    pub(crate) fn replaces_text(&self) -> Option<&str> {
        self.settings.replaces.as_deref()
    }

    /// Its part in a change that takes two steps, if it has one.
    #[must_use]
    pub const fn phase(&self) -> Option<Phase> {
        self.settings.phase
    }

    /// Whether it runs in one transaction (the default), or statement by statement outside one.
    #[must_use]
    pub const fn transaction(&self) -> bool {
        self.settings.transaction
    }

    /// Whether SQLite's foreign-key enforcement is switched off around it.
    #[must_use]
    pub const fn foreign_keys_off(&self) -> bool {
        self.settings.foreign_keys_off
    }

    /// How long its statements wait for locks on PostgreSQL, if not the default.
    #[must_use]
    pub const fn lock_timeout(&self) -> Option<Duration> {
        self.settings.lock_timeout
    }

    /// How long each of its statements may take on PostgreSQL, if not the default.
    #[must_use]
    pub const fn statement_timeout(&self) -> Option<Duration> {
        self.settings.statement_timeout
    }

    /// The migrations it needs, as `metadata.json` words them: versions or requirements.
    #[must_use]
    pub fn dependencies(&self) -> &[Text] {
        &self.dependencies
    }

    /// Every script, in the order of roles.
    #[must_use]
    pub fn scripts(&self) -> &[Script] {
        &self.scripts
    }

    /// The script in effect on a dialect: the dialect's own file wins over the plain one.
    #[must_use]
    pub fn script(&self, role: Role, dialect: Dialect) -> Option<&Script> {
        let of = |wanted| self.scripts.iter().find(|script| script.role == role && script.dialect == wanted);
        of(Some(dialect)).or_else(|| of(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialect_file_wins_over_the_plain_one() {
        let script = |dialect, sql: &str| Script::new(Role::Up, dialect, sql.to_owned());
        let migration = Migration::from_parts(
            SchemaVersion::new(1, 0, 0),
            "users".into(),
            Settings::DEFAULT,
            Cow::Owned(vec![]),
            Cow::Owned(vec![script(None, "plain"), script(Some(Dialect::Sqlite), "own")]),
        );
        let sql = |role, dialect| migration.script(role, dialect).map(|script| &*script.sql);
        assert_eq!(sql(Role::Up, Dialect::Sqlite), Some("own"));
        assert_eq!(sql(Role::Up, Dialect::Postgres), Some("plain"));
        assert_eq!(sql(Role::Down, Dialect::Postgres), None);
        assert_eq!(migration.scripts()[1].file_name(), "up.sqlite.sql");
        assert_eq!(migration.directory_name(), "v1.0.0_users");
    }

    #[test]
    fn dialects_are_named_as_in_file_names() {
        assert_eq!("postgres".parse(), Ok(Dialect::Postgres));
        assert_eq!("postgresql".parse::<Dialect>(), Err(UnknownDialect));
    }
}
