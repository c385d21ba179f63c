//! Names of directories and files, and what was probably meant by one that is nearly right.

use crate::diagnostic::{Code, did_you_mean};
use crate::migration::{Dialect, Role, file_name};
use crate::version::SchemaVersion;

pub use crate::migration::METADATA;

/// The file beside the migrations that records what was released.
pub const LOCK: &str = "migrations.lock";

/// What the down script of an empty template says at the end of its one line.
pub(crate) const PLACEHOLDER: &str = "Remove this file if there is no way back.";

/// The file with rows for the tests of the set, which no command inserts.
pub const FIXTURES: &str = "fixtures.sql";

/// What a name in a directory is taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading<T> {
    /// A name of ours.
    Known(T),
    /// A name that looks like one of ours and is not; to leave it out silently would be a trap.
    NearMiss(NameError),
    /// None of our business.
    Other,
}

/// Why a name that looks like one of ours is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameError {
    /// Which problem it is.
    pub code: Code,
    /// What is wrong: the end of a sentence that begins with the name.
    pub problem: &'static str,
    /// The name that was probably meant.
    pub suggestion: Option<String>,
}

/// The version and name of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationName {
    /// The version.
    pub version: SchemaVersion,
    /// The name: lower-case letters, digits and underscores.
    pub name: String,
}

/// A file of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationFile {
    /// `metadata.json`.
    Metadata,
    /// `up.sql`, `down.postgres.sql` and the like.
    Script(Role, Option<Dialect>),
    /// `fixtures.sql`.
    Fixtures,
}

/// Reads the name of a directory beside the lock file, such as `v1.2.0_add_index`.
#[must_use]
pub fn directory(text: &str) -> Reading<MigrationName> {
    if let Some(name) = exact(text) {
        return Reading::Known(name);
    }
    if is_ignored(text) {
        return Reading::Other;
    }
    match Loose::parse(text) {
        None => Reading::Other,
        Some(loose) => Reading::NearMiss(NameError {
            code: Code::MisnamedMigration,
            problem: "is not named `vMAJOR.MINOR.PATCH_name`, with a name of lower-case letters, digits and `_`",
            suggestion: loose.directory(),
        }),
    }
}

/// Reads the name of a file beside the lock file; `Known` is the lock file.
#[must_use]
pub fn root_file(text: &str) -> Reading<()> {
    if text == LOCK {
        return Reading::Known(());
    }
    if is_ignored(text) {
        return Reading::Other;
    }
    let lower = text.to_lowercase();
    if did_you_mean(&lower, [LOCK]).is_some() {
        return Reading::NearMiss(NameError {
            code: Code::MisnamedLock,
            problem: "is not the name of the lock file",
            suggestion: Some(LOCK.to_owned()),
        });
    }
    let is_sql = lower.ends_with(".sql");
    match Loose::parse(text) {
        Some(loose) => Reading::NearMiss(NameError {
            code: Code::FlatMigration,
            problem: "is a file, and a migration is a directory",
            suggestion: loose.directory().map(|directory| format!("{directory}/{}", script_of_flat_file(&lower))),
        }),
        None if is_sql || lower.ends_with(".json") => Reading::NearMiss(NameError {
            code: Code::StrayFile,
            problem: "belongs to no migration",
            suggestion: is_sql.then(|| "vMAJOR.MINOR.PATCH_name/up.sql".to_owned()),
        }),
        None => Reading::Other,
    }
}

/// Reads the name of a file of a migration.
#[must_use]
pub fn migration_file(text: &str) -> Reading<MigrationFile> {
    for (name, file) in known_files() {
        if text == name {
            return Reading::Known(file);
        }
    }
    if is_ignored(text) {
        return Reading::Other;
    }
    let suggestion = meant_file(text);
    let lower = text.to_lowercase();
    if suggestion.is_none() && !lower.ends_with(".sql") && !lower.ends_with(".json") {
        return Reading::Other;
    }
    Reading::NearMiss(NameError { code: Code::MisnamedFile, problem: "is not a file of a migration", suggestion })
}

/// Whether a text can name a migration.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let legal = |byte: u8| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !text.is_empty() && text.bytes().all(legal)
}

/// The nearest text that can name a migration; `None` when nothing is left of it.
#[must_use]
pub fn to_name(text: &str) -> Option<String> {
    let mut name = String::new();
    let mut before = ' ';
    for character in text.chars() {
        // `AddUsers` is two words.
        if character.is_uppercase() && before.is_ascii_lowercase() {
            name.push('_');
        }
        before = character;
        let character = character.to_ascii_lowercase();
        if character.is_ascii_alphanumeric() {
            name.push(character);
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
    }
    let name = name.trim_end_matches('_');
    (!name.is_empty()).then(|| name.to_owned())
}

fn exact(text: &str) -> Option<MigrationName> {
    let (version, name) = text.strip_prefix('v')?.split_once('_')?;
    is_name(name).then_some(())?;
    Some(MigrationName { version: version.parse().ok()?, name: name.to_owned() })
}

/// Hidden files and the copies that editors leave.
fn is_ignored(text: &str) -> bool {
    text.starts_with('.') || text.ends_with('~')
}

fn known_files() -> impl Iterator<Item = (String, MigrationFile)> {
    let dialects = [None, Some(Dialect::Sqlite), Some(Dialect::Postgres)];
    let scripts = Role::ALL.into_iter().flat_map(move |role| {
        let file = move |dialect| (file_name(role, dialect), MigrationFile::Script(role, dialect));
        dialects.into_iter().map(file)
    });
    let others = [(METADATA.to_owned(), MigrationFile::Metadata), (FIXTURES.to_owned(), MigrationFile::Fixtures)];
    others.into_iter().chain(scripts)
}

/// The file that a name is a slip of, a synonym of, or a copy saved under a second ending of.
fn meant_file(text: &str) -> Option<String> {
    let lower = text.trim().to_lowercase();
    let lower = lower.strip_suffix(".txt").unwrap_or(&lower);
    let known: Vec<String> = known_files().map(|(name, _)| name).collect();
    if let Some(stem) = lower.strip_suffix(".sql") {
        let mut words = stem.split(['.', '_', '-']);
        let role = words.next().and_then(meant_role);
        let dialect = words.next().map(meant_dialect);
        match (role, dialect) {
            (Some(role), None) => return Some(file_name(role, None)),
            (Some(role), Some(Some(dialect))) => return Some(file_name(role, Some(dialect))),
            _ => {}
        }
    }
    if lower.split('.').next() == Some("metadata") {
        return Some(METADATA.to_owned());
    }
    did_you_mean(lower, known.iter().map(String::as_str)).map(str::to_owned)
}

fn meant_role(word: &str) -> Option<Role> {
    Some(match word {
        "up" | "upgrade" | "apply" | "migrate" | "migration" | "forward" => Role::Up,
        "down" | "downgrade" | "revert" | "rollback" | "undo" => Role::Down,
        "verify" | "check" | "test" => Role::Verify,
        _ => return None,
    })
}

fn meant_dialect(word: &str) -> Option<Dialect> {
    Some(match word {
        "postgres" | "postgresql" | "pgsql" | "psql" | "pg" => Dialect::Postgres,
        "sqlite" | "sqlite3" => Dialect::Sqlite,
        _ => return None,
    })
}

/// Where the content of `V1__init.sql` or `000001_init.up.sql` belongs.
fn script_of_flat_file(lower: &str) -> &'static str {
    if lower.ends_with(".down.sql") {
        return "down.sql";
    }
    "up.sql"
}

/// A name that begins like a version, read as generously as possible.
struct Loose<'a> {
    numbers: Vec<&'a str>,
    rest: &'a str,
}

impl<'a> Loose<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let mut rest = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let mut numbers = Vec::new();
        loop {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                break;
            }
            numbers.push(&rest[..digits]);
            rest = &rest[digits..];
            match rest.strip_prefix('.') {
                Some(after) if after.starts_with(|next: char| next.is_ascii_digit()) => rest = after,
                _ => break,
            }
        }
        // `3d_models` and `v8engine` begin with a number and not with a version.
        let ends = rest.chars().next().is_none_or(|next| !next.is_alphanumeric());
        (!numbers.is_empty() && ends).then_some(Self { numbers, rest })
    }

    fn directory(&self) -> Option<String> {
        let number = |at: usize| self.numbers.get(at).map_or(Ok(0), |digits| digits.parse());
        if self.numbers.len() > 3 {
            return None;
        }
        let version = SchemaVersion::new(number(0).ok()?, number(1).ok()?, number(2).ok()?);
        let mut rest = self.rest;
        for ending in [".sql", ".json", ".up", ".down"] {
            let cut = rest.len().saturating_sub(ending.len());
            match rest.get(cut..) {
                Some(end) if end.eq_ignore_ascii_case(ending) => rest = &rest[..cut],
                _ => {}
            }
        }
        let name = to_name(rest).unwrap_or_else(|| "name".to_owned());
        Some(format!("v{version}_{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEFT_ALONE: &str = "left alone";
    const NO_IDEA: &str = "no suggestion";

    #[track_caller]
    fn check<T>(reading: Reading<T>, expect: &str) {
        match reading {
            Reading::Known(_) => assert_eq!("known", expect),
            Reading::Other => assert_eq!(LEFT_ALONE, expect),
            Reading::NearMiss(error) => {
                assert_eq!(error.suggestion.as_deref().unwrap_or(NO_IDEA), expect);
            }
        }
    }

    #[test]
    fn reads_directories() {
        let name = MigrationName { version: SchemaVersion::new(1, 10, 0), name: "add_users_2".to_owned() };
        assert_eq!(directory("v1.10.0_add_users_2"), Reading::Known(name));
        check(directory("v1.2.0__users"), "known");
        check(directory("1.2.0_users"), "v1.2.0_users");
        check(directory("v1.2_users"), "v1.2.0_users");
        check(directory("v1_users"), "v1.0.0_users");
        check(directory("v1.2.0-users"), "v1.2.0_users");
        check(directory("v1.2.0.users"), "v1.2.0_users");
        check(directory("V1.2.0_Users"), "v1.2.0_users");
        check(directory("v1.2.0_Users"), "v1.2.0_users");
        check(directory("v01.2.0_users"), "v1.2.0_users");
        check(directory("v1.2.0"), "v1.2.0_name");
        check(directory("v1.2.0_"), "v1.2.0_name");
        check(directory("v1.2.0_é"), "v1.2.0_name");
        check(directory("v1.2.0_add users"), "v1.2.0_add_users");
        check(directory(" v1.2.0_users"), "v1.2.0_users");
        check(directory("v1.2.0-rc.1_users"), "v1.2.0_rc_1_users");
        check(directory("v1.2.0.4_users"), NO_IDEA);
        check(directory("v1.2.99999999999999999999_users"), NO_IDEA);
        check(directory("20240101_users"), "v20240101.0.0_users");
        for other in ["shared", ".git", "v", "views", "3d_models", ".v1.0.0_users", "v1.0.0_users~"] {
            check(directory(other), LEFT_ALONE);
        }
    }

    #[test]
    fn reads_files_beside_the_migrations() {
        check(root_file("migrations.lock"), "known");
        check(root_file("migration.lock"), "migrations.lock");
        check(root_file("Migrations.lock"), "migrations.lock");
        check(root_file("V1__init.sql"), "v1.0.0_init/up.sql");
        check(root_file("000001_init.up.sql"), "v1.0.0_init/up.sql");
        check(root_file("000001_init.down.sql"), "v1.0.0_init/down.sql");
        check(root_file("20240101_x.sql"), "v20240101.0.0_x/up.sql");
        check(root_file("v1.0.0_users"), "v1.0.0_users/up.sql");
        check(root_file("schema.SQL"), "vMAJOR.MINOR.PATCH_name/up.sql");
        check(root_file("metadata.json"), NO_IDEA);
        for other in ["README.md", ".gitkeep", ".v1.sql", "schema.sql~", "migrate.toml", "Cargo.lock"] {
            check(root_file(other), LEFT_ALONE);
        }
    }

    #[test]
    fn reads_files_of_a_migration() {
        for known in ["metadata.json", "fixtures.sql", "up.sql", "down.sqlite.sql", "verify.postgres.sql"] {
            check(migration_file(known), "known");
        }
        check(migration_file("metdata.json"), "metadata.json");
        check(migration_file("metadata.yaml"), "metadata.json");
        check(migration_file("Up.sql"), "up.sql");
        check(migration_file("upp.sql"), "up.sql");
        check(migration_file("up.sq"), "up.sql");
        check(migration_file("up.sql.txt"), "up.sql");
        check(migration_file("up_sqlite.sql"), "up.sqlite.sql");
        check(migration_file("up.postgresql.sql"), "up.postgres.sql");
        check(migration_file("up.pg.sql"), "up.postgres.sql");
        check(migration_file("up.sqlite3.sql"), "up.sqlite.sql");
        check(migration_file("rollback.sql"), "down.sql");
        check(migration_file("verfy.sql"), "verify.sql");
        check(migration_file("up.mysql.sql"), NO_IDEA);
        check(migration_file("indexes.sql"), NO_IDEA);
        check(migration_file("package.json"), NO_IDEA);
        for other in ["README.md", ".up.sql.swp", "up.sql~", "up.sql.orig", "notes"] {
            check(migration_file(other), LEFT_ALONE);
        }
    }

    #[test]
    fn makes_names() {
        assert_eq!(to_name("Add  Users!").as_deref(), Some("add_users"));
        assert_eq!(to_name("AddUsersV2").as_deref(), Some("add_users_v2"));
        assert_eq!(to_name("ADD USERS").as_deref(), Some("add_users"));
        assert_eq!(to_name("--"), None);
        assert!(is_name("add_users_2") && !is_name("") && !is_name("Users") && !is_name("a-b"));
    }
}
