//! Squashing: everything up to a version becomes one migration.
//!
//! Its script is all the former ones, one behind the other, so that nothing has to be understood of them; what it does is compared
//! with what they did on a real database before anything is written (`migrate squash`). [`squash`] says which files there
//! are to be, and touches none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::diagnostic::{Code, SourceFile, Topic};
use crate::metadata::{self, rewritten};
use crate::migration::{Dialect, METADATA, Migration, Role, file_name};
use crate::name::MigrationName;
use crate::registry::Registry;
use crate::replaced::Replaced;
use crate::sql;
use crate::version::SchemaVersion;

/// What is to become one migration.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The set.
    pub registry: &'a Registry,
    /// The text of each `metadata.json`.
    pub metadata: &'a BTreeMap<SchemaVersion, String>,
    /// The databases that the set is for.
    pub dialects: &'a [Dialect],
    /// The last version that goes into it, and its own.
    pub to: SchemaVersion,
    /// Its name.
    pub name: &'a str,
    /// Why there is no way back, where the down scripts are known not to work; they are left out then.
    pub irreversible: Option<&'a str>,
}

/// The files of the set once it is squashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Squashed {
    /// The directory of the new migration.
    pub directory: String,
    /// Its files with their texts, `metadata.json` first.
    pub files: Vec<(String, String)>,
    /// The directories of what it replaces, lowest version first.
    pub replaced: Vec<String>,
    /// The `metadata.json` of later migrations that depended on one of those, by their directories.
    pub rewritten: Vec<(String, String)>,
    /// Why it cannot be taken back, if it cannot.
    pub irreversible: Option<String>,
}

/// Why a set cannot be squashed so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SquashError {
    /// The set does not hold the version.
    UnknownVersion {
        /// The version asked for.
        version: SchemaVersion,
    },
    /// There is one migration up to the version already.
    NothingToSquash {
        /// The version asked for.
        version: SchemaVersion,
    },
    /// Migrations run outside a transaction, and a squashed one runs in one.
    NotTransactional {
        /// The directories of these migrations.
        migrations: Vec<String>,
        /// The highest version up to which there is something to squash.
        below: Option<SchemaVersion>,
    },
}

impl SquashError {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::UnknownVersion { .. } => "`migrate list` shows what there is".to_owned(),
            Self::NothingToSquash { .. } => "name a higher version".to_owned(),
            Self::NotTransactional { below: Some(below), .. } => {
                format!("squash what is below: `migrate squash --to {below}`")
            }
            Self::NotTransactional { below: None, .. } => "nothing that could be squashed is below it".to_owned(),
        }
    }
}

impl fmt::Display for SquashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownVersion { version } => write!(f, "there is no migration {version}"),
            Self::NothingToSquash { version } => {
                write!(f, "there is nothing to squash: up to {version} there is one migration")
            }
            Self::NotTransactional { migrations, .. } => {
                write!(f, "what runs outside a transaction cannot be squashed: {}", migrations.join(", "))
            }
        }
    }
}

impl std::error::Error for SquashError {}

/// Says which files make the set with everything up to a version in one migration.
///
/// # Errors
///
/// A version that the set does not hold, or below which there is nothing; a migration that runs outside a transaction.
///
/// # Examples
///
/// ```
/// use std::borrow::Cow;
/// use std::collections::BTreeMap;
///
/// use migrate_core::checksum::Checksum;
/// use migrate_core::migration::{Dialect, Migration, Role, Script, Settings};
/// use migrate_core::registry::Registry;
/// use migrate_core::squash::{Request, squash};
///
/// let migration = |version: &str, name: &'static str, up: &str| {
///     let scripts = Cow::Owned(vec![Script::new(Role::Up, None, up.to_owned())]);
///     Migration::from_parts(version.parse().unwrap(), name.into(), Settings::DEFAULT, Cow::Owned(vec![]), scripts)
/// };
/// let set = vec![
///     migration("1.0.0", "users", "CREATE TABLE users (id INTEGER);\n"),
///     migration("1.1.0", "posts", "CREATE TABLE posts (id INTEGER)"),
/// ];
/// let registry = Registry::from_parts(None, "migrations_v2".into(), None, Checksum::of(""), set.into());
/// let squashed = squash(&Request {
///     registry: &registry,
///     metadata: &BTreeMap::new(),
///     dialects: &Dialect::ALL,
///     to: "1.1.0".parse()?,
///     name: "schema",
///     irreversible: None,
/// })
/// .unwrap();
/// assert_eq!(squashed.directory, "v1.1.0_schema");
/// assert_eq!(squashed.replaced, ["v1.0.0_users", "v1.1.0_posts"]);
/// let up = "-- 1.0.0 users\nCREATE TABLE users (id INTEGER);\n\n-- 1.1.0 posts\nCREATE TABLE posts (id INTEGER);\n";
/// assert_eq!(squashed.files[1], ("up.sql".to_owned(), up.to_owned()));
/// # Ok::<(), migrate_core::version::VersionError>(())
/// ```
pub fn squash(request: &Request<'_>) -> Result<Squashed, SquashError> {
    let Request { registry, to, .. } = *request;
    let migrations = registry.migrations();
    let end = migrations.partition_point(|migration| migration.version() <= to);
    let (replaced, rest) = migrations.split_at(end);
    if replaced.last().map(Migration::version) != Some(to) {
        return Err(SquashError::UnknownVersion { version: to });
    }
    if replaced.len() < 2 {
        return Err(SquashError::NothingToSquash { version: to });
    }
    let outside: Vec<&Migration> = replaced.iter().filter(|migration| !migration.transaction()).collect();
    if let Some(first) = outside.first() {
        let below = replaced.partition_point(|migration| migration.version() < first.version());
        let below = replaced[..below].last().filter(|_| below > 1).map(Migration::version);
        let migrations = outside.iter().map(|migration| migration.directory_name()).collect();
        return Err(SquashError::NotTransactional { migrations, below });
    }
    let squasher = Squasher { request, replaced };
    let irreversible = squasher.irreversible();
    let mut files = vec![(METADATA.to_owned(), squasher.metadata(irreversible.as_deref()))];
    files.extend(squasher.scripts(Role::Up));
    if irreversible.is_none() {
        files.extend(squasher.scripts(Role::Down));
    }
    // What was verified last still holds; what was verified before may not.
    let verify =
        replaced.iter().rev().take(1).flat_map(Migration::scripts).filter(|script| script.role == Role::Verify);
    files.extend(verify.map(|script| (script.file_name(), script.sql.to_string())));
    Ok(Squashed {
        directory: format!("v{to}_{}", request.name),
        files,
        replaced: replaced.iter().map(Migration::directory_name).collect(),
        rewritten: rest.iter().filter_map(|migration| squasher.rewritten(migration, rest)).collect(),
        irreversible,
    })
}

struct Squasher<'a> {
    request: &'a Request<'a>,
    replaced: &'a [Migration],
}

impl Squasher<'_> {
    /// Why there is no way back: the first reason that one of them has.
    fn irreversible(&self) -> Option<String> {
        if let Some(reason) = self.request.irreversible {
            return Some(reason.to_owned());
        }
        self.replaced.iter().rev().find_map(|migration| {
            let title = format!("{} {}", migration.version(), migration.name());
            let lacks = |dialect: &Dialect| migration.script(Role::Down, *dialect).is_none();
            match migration.irreversible() {
                Some(reason) => Some(format!("{title}: {reason}")),
                None if self.request.dialects.iter().any(lacks) => Some(format!("{title} has no down script")),
                None => None,
            }
        })
    }

    /// One script for every database where each of them has one, else one for each.
    fn scripts(&self, role: Role) -> Vec<(String, String)> {
        let mut all = self.replaced.iter().flat_map(Migration::scripts).filter(|script| script.role == role);
        if all.all(|script| script.dialect.is_none()) {
            return vec![(file_name(role, None), self.joined(role, self.request.dialects))];
        }
        let dialects = self.request.dialects.iter();
        dialects.map(|dialect| (file_name(role, Some(*dialect)), self.joined(role, &[*dialect]))).collect()
    }

    /// Scripts of a role one behind the other, each under its name: the way up from the lowest, the way down from the highest.
    fn joined(&self, role: Role, dialects: &[Dialect]) -> String {
        let dialect = dialects.first().copied().unwrap_or(Dialect::Sqlite);
        let part = |migration: &Migration| {
            let sql = migration.script(role, dialect).map(|script| &*script.sql).unwrap_or_default();
            let mut sql = sql.to_owned();
            for dialect in dialects {
                terminate(&mut sql, *dialect);
            }
            format!("-- {} {}\n{}\n", migration.version(), migration.name(), sql.trim_end())
        };
        let mut parts: Vec<String> = self.replaced.iter().map(part).collect();
        if role == Role::Down {
            parts.reverse();
        }
        parts.join("\n")
    }

    fn metadata(&self, irreversible: Option<&str>) -> String {
        let Request { to, name, .. } = self.request;
        let mut lines = vec![("version", quoted(&to.to_string())), ("name", quoted(name))];
        lines.push(("description", quoted(&format!("Everything up to {to}, squashed"))));
        let minimums = self.replaced.iter().filter_map(Migration::min_runtime_version);
        if let Some(minimum) = minimums.max_by(semver::Version::cmp_precedence) {
            lines.push(("min_runtime_version", quoted(&minimum.to_string())));
        }
        lines.extend(irreversible.map(|reason| ("irreversible", quoted(reason))));
        lines.extend(self.expects().map(|expects| ("expects", expects)));
        if self.replaced.iter().any(Migration::foreign_keys_off) {
            lines.push(("foreign_keys", quoted("off")));
        }
        let allow: Vec<String> =
            self.allow().iter().map(|(code, reason)| format!("    \"{code}\": {}", quoted(reason))).collect();
        if !allow.is_empty() {
            lines.push(("allow", format!("{{\n{}\n  }}", allow.join(",\n"))));
        }
        lines.push(("replaces", list(&self.generations(), 1)));
        let lines: Vec<String> = lines.into_iter().map(|(key, value)| format!("  \"{key}\": {value}")).collect();
        format!("{{\n{}\n}}\n", lines.join(",\n"))
    }

    /// What the last one expects: it holds as ever.
    fn expects(&self) -> Option<String> {
        let mut kinds: Vec<(&str, Vec<String>)> = Vec::new();
        for (kind, name) in self.replaced.last()?.expects() {
            match kinds.iter_mut().find(|(plural, _)| *plural == kind.plural()) {
                Some((_, names)) => names.push(quoted(name)),
                None => kinds.push((kind.plural(), vec![quoted(name)])),
            }
        }
        let lists: Vec<String> =
            kinds.iter().map(|(plural, names)| format!("\"{plural}\": [{}]", names.join(", "))).collect();
        (!lists.is_empty()).then(|| format!("{{{}}}", lists.join(", ")))
    }

    /// What is silenced of their SQL stays silenced. The first reason of each stays.
    fn allow(&self) -> BTreeMap<Code, String> {
        let mut allow = BTreeMap::new();
        for migration in self.replaced {
            let Some(text) = self.request.metadata.get(&migration.version()) else {
                continue;
            };
            let name = MigrationName { version: migration.version(), name: migration.name().to_owned() };
            let read = metadata::parse(SourceFile { path: METADATA, text }, &name, &mut Vec::new());
            for (code, allowed) in read.into_iter().flat_map(|metadata| metadata.allow) {
                if code.topic() == Topic::Sql {
                    allow.entry(code).or_insert(allowed.reason);
                }
            }
        }
        allow
    }

    /// What it stands for; when the first of them was squashed itself, also what that one stood for.
    fn generations(&self) -> Vec<Vec<Replaced>> {
        let direct: Vec<Replaced> = self.replaced.iter().map(Replaced::of).collect();
        let older = self.replaced.first().map(Migration::replaces).unwrap_or_default();
        let rest = &direct[1..];
        let older: Vec<Vec<Replaced>> =
            older.into_iter().map(|generation| [generation, rest.to_vec()].concat()).collect();
        [vec![direct], older].concat()
    }

    /// The metadata of a later migration that depends on something that goes.
    fn rewritten(&self, migration: &Migration, rest: &[Migration]) -> Option<(String, String)> {
        let to = self.request.to;
        let lower = rest.iter().map(Migration::version).filter(|version| *version < migration.version());
        let left: BTreeSet<SchemaVersion> = lower.chain([to]).collect();
        let mut dependencies: Vec<String> = Vec::new();
        for dependency in migration.dependencies() {
            let requirement = metadata::requirement(dependency).ok();
            let is_met = requirement.is_none_or(|it| left.iter().any(|version| it.matches(&version.to_semver())));
            let text = if is_met { dependency.to_string() } else { to.to_string() };
            if !dependencies.contains(&text) {
                dependencies.push(text);
            }
        }
        if dependencies == migration.dependencies() {
            return None;
        }
        let quoted: Vec<String> = dependencies.iter().map(|text| quoted(text)).collect();
        let text = self.request.metadata.get(&migration.version())?;
        let text = rewritten(text, &[("dependencies", &format!("[{}]", quoted.join(", ")))])?;
        Some((migration.directory_name(), text))
    }
}

/// Closes the last statement, so that another one may follow.
fn terminate(sql: &mut String, dialect: Dialect) {
    let count = |text: &str| sql::statements(text, dialect).map(|statements| statements.len());
    let Ok(statements) = sql::statements(sql, dialect) else {
        return;
    };
    let Some(last) = statements.last() else {
        return;
    };
    if count(&format!("{sql}\nSELECT 1")) != Ok(statements.len() + 1) {
        sql.insert(last.end, ';');
    }
}

/// A list of entries, the first of which may have such a list itself.
fn list(generations: &[Vec<Replaced>], depth: usize) -> String {
    let Some((direct, older)) = generations.split_first() else {
        return "[]".to_owned();
    };
    let gap = "  ".repeat(depth + 1);
    // Behind what the first one stood for come the others again.
    let rest = direct.len().saturating_sub(1);
    let older: Vec<Vec<Replaced>> =
        older.iter().map(|generation| generation[..generation.len().saturating_sub(rest)].to_vec()).collect();
    let entries = direct.iter().enumerate().map(|(index, it)| {
        let nested = (index == 0 && !older.is_empty()).then(|| format!(", \"replaces\": {}", list(&older, depth + 1)));
        let minimum = it.min_runtime_version.as_ref().map(|it| format!(", \"min_runtime_version\": {}", quoted(it)));
        format!(
            "{gap}{{\"version\": {}, \"name\": {}, \"checksum\": {}{}{}}}",
            quoted(&it.version.to_string()),
            quoted(&it.name),
            checksum(it),
            minimum.unwrap_or_default(),
            nested.unwrap_or_default()
        )
    });
    format!("[\n{}\n{}]", entries.collect::<Vec<_>>().join(",\n"), "  ".repeat(depth))
}

fn checksum(replaced: &Replaced) -> String {
    match replaced.checksums {
        [Some(one), Some(other)] if one == other => quoted(&one.to_string()),
        checksums => {
            let each = Dialect::ALL.into_iter().zip(checksums);
            let each = each.filter_map(|(dialect, it)| Some(format!("\"{dialect}\": {}", quoted(&it?.to_string()))));
            format!("{{{}}}", each.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A text that holds no control characters, as JSON.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests;
