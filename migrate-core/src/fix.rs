//! What can be repaired of a migrations directory without touching a script: names, metadata, a version that two branches
//! took, and the lock file.

mod lock;
mod renumber;

use std::collections::BTreeMap;
use std::fmt;

use crate::metadata;
use crate::migration::METADATA;
use crate::name::{self, LOCK, MigrationName, Reading};
use crate::version::SchemaVersion;

pub use self::lock::{Recorded, relocked};

/// A directory beside the lock file, as it is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Its name.
    pub name: String,
    /// The text of its `metadata.json`, or of the file that is probably meant to be that.
    pub metadata: Option<String>,
    /// The names of its files.
    pub files: Vec<String>,
}

/// A change to the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A directory gets its right name.
    RenameDirectory {
        /// The name that it has.
        from: String,
        /// The name that it is to have.
        to: String,
        /// Whether it gets another version, because another migration has its own.
        renumbers: bool,
    },
    /// A file of a migration gets its right name.
    RenameFile {
        /// The directory, by its right name.
        directory: String,
        /// The name that it has.
        from: String,
        /// The name that it is to have.
        to: String,
    },
    /// `metadata.json` is written anew, or for the first time.
    WriteMetadata {
        /// The directory, by its right name.
        directory: String,
        /// The text.
        text: String,
    },
}

/// Something that a person has to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The directory.
    pub directory: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// What can be repaired, in the order in which it is to be done, and what cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// The changes.
    pub actions: Vec<Action>,
    /// The rest.
    pub left: Vec<Left>,
}

/// A migration on its way to its right name.
struct Migration<'a> {
    folder: &'a Folder,
    /// Its name once the directory's is spelt right.
    spelt: MigrationName,
    /// Its name in the end.
    name: MigrationName,
}

/// Finds what can be repaired. `renumber` names the directory that gives way where the lock file does not tell which one
/// was released.
///
/// ```
/// use migrate_core::fix::{self, Folder, Recorded};
///
/// let metadata = Some(r#"{"version": "1.0.0", "name": "users"}"#.to_owned());
/// let folder = Folder { name: "v1.0_users".to_owned(), metadata, files: vec!["up.sql".to_owned()] };
/// let repairs = fix::repairs(&[folder], &Recorded::default(), None);
/// assert_eq!(repairs.actions[0].to_string(), "rename v1.0_users to v1.0.0_users");
/// ```
#[must_use]
pub fn repairs(folders: &[Folder], recorded: &Recorded, renumber: Option<&str>) -> Repairs {
    let mut repairs = Repairs::default();
    let mut migrations: Vec<Migration<'_>> = Vec::new();
    for folder in folders {
        match meant(folder) {
            Meant::Other => {}
            Meant::Unclear => repairs.left.push(Left {
                directory: folder.name.clone(),
                message: format!("`{}` holds files of a migration, and does not say which one", folder.name),
                help: "rename it to `vMAJOR.MINOR.PATCH_name`".to_owned(),
            }),
            Meant::Migration(name) => {
                let directory = directory(&name);
                if directory != folder.name && folders.iter().any(|other| other.name == directory) {
                    repairs.left.push(Left {
                        directory: folder.name.clone(),
                        message: format!(
                            "`{}` is probably meant to be `{directory}`, which is there already",
                            folder.name
                        ),
                        help: "keep one of them".to_owned(),
                    });
                    continue;
                }
                migrations.push(Migration { folder, spelt: name.clone(), name });
            }
        }
    }
    migrations.sort_by(|a, b| (a.name.version, &a.name.name).cmp(&(b.name.version, &b.name.name)));
    renumber::resolve(&mut migrations, recorded, renumber, &mut repairs.left);
    let moved: BTreeMap<SchemaVersion, SchemaVersion> = migrations
        .iter()
        .filter(|it| it.name.version != it.spelt.version)
        .map(|it| (it.spelt.version, it.name.version))
        .collect();
    // From the highest: what moves up finds its place free.
    for migration in migrations.iter().rev() {
        let (from, to) = (&migration.folder.name, directory(&migration.name));
        if *from != to {
            let renumbers = migration.name != migration.spelt;
            repairs.actions.push(Action::RenameDirectory { from: from.clone(), to, renumbers });
        }
    }
    for migration in &migrations {
        files(migration, &mut repairs);
        text(migration, &moved, &mut repairs);
    }
    repairs
}

enum Meant {
    Migration(MigrationName),
    Unclear,
    Other,
}

fn meant(folder: &Folder) -> Meant {
    match name::directory(&folder.name) {
        Reading::Known(name) => Meant::Migration(name),
        Reading::NearMiss(error) => match error.suggestion.as_deref().map(name::directory) {
            // A placeholder: nothing of the name is left.
            Some(Reading::Known(it)) if it.name == "name" => from_metadata(folder),
            Some(Reading::Known(it)) => Meant::Migration(it),
            _ => from_metadata(folder),
        },
        Reading::Other if is_hidden(&folder.name) || !holds_migration(folder) => Meant::Other,
        Reading::Other => from_metadata(folder),
    }
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || name.ends_with('~')
}

fn holds_migration(folder: &Folder) -> bool {
    folder.files.iter().any(|file| file == METADATA || (file.starts_with("up.") && file.ends_with(".sql")))
}

fn from_metadata(folder: &Folder) -> Meant {
    let key = |key| folder.metadata.as_deref().and_then(|text| metadata::text_of(text, key));
    match (key("version").and_then(|it| it.parse().ok()), key("name").filter(|it| name::is_name(it))) {
        (Some(version), Some(name)) => Meant::Migration(MigrationName { version, name }),
        _ => Meant::Unclear,
    }
}

fn directory(name: &MigrationName) -> String {
    format!("v{}_{}", name.version, name.name)
}

/// The files that are nearly named right, unless the right one is there.
fn files(migration: &Migration<'_>, repairs: &mut Repairs) {
    let mut taken = migration.folder.files.clone();
    for file in &migration.folder.files {
        let Reading::NearMiss(error) = name::migration_file(file) else {
            continue;
        };
        let Some(to) = error.suggestion.filter(|to| matches!(name::migration_file(to), Reading::Known(_))) else {
            continue;
        };
        let directory = directory(&migration.name);
        if taken.contains(&to) {
            let message = format!("`{directory}/{file}` is probably meant to be `{to}`, which is there already");
            repairs.left.push(Left { directory, message, help: "keep one of them".to_owned() });
            continue;
        }
        repairs.actions.push(Action::RenameFile { directory, from: file.clone(), to: to.clone() });
        taken.push(to);
    }
}

/// The metadata says what the directory says, in JSON that every tool reads.
fn text(migration: &Migration<'_>, moved: &BTreeMap<SchemaVersion, SchemaVersion>, repairs: &mut Repairs) {
    let MigrationName { version, name } = &migration.name;
    let text = migration.folder.metadata.as_deref().unwrap_or("{}");
    let (version, name) = (version.to_string(), name.clone());
    let (quoted_version, quoted_name) = (format!("\"{version}\""), format!("\"{name}\""));
    let mut set = vec![("version", quoted_version.as_str()), ("name", quoted_name.as_str())];
    let dependencies = dependencies(migration, text, moved);
    set.extend(dependencies.as_deref().map(|list| ("dependencies", list)));
    let key = |key| metadata::text_of(text, key);
    let is_good = migration.folder.metadata.is_some()
        && metadata::is_strict(text)
        && key("version") == Some(version)
        && key("name") == Some(name)
        && dependencies.is_none();
    if is_good {
        return;
    }
    let directory = directory(&migration.name);
    match metadata::rewritten(text, &set) {
        Some(text) => repairs.actions.push(Action::WriteMetadata { directory, text }),
        None => {
            let message = format!("`{directory}/{METADATA}` is not JSON, and cannot be guessed");
            let help = "correct it where `migrate validate` points".to_owned();
            repairs.left.push(Left { directory, message, help });
        }
    }
}

/// The list with the new versions of what was renumbered along with this migration; `None` if it names none of them.
fn dependencies(
    migration: &Migration<'_>,
    text: &str,
    moved: &BTreeMap<SchemaVersion, SchemaVersion>,
) -> Option<String> {
    if migration.name == migration.spelt {
        return None;
    }
    let texts = metadata::texts_of(text, "dependencies")?;
    let renamed = |text: &String| {
        let to = text.parse().ok().and_then(|version: SchemaVersion| moved.get(&version));
        to.map_or_else(|| text.clone(), ToString::to_string)
    };
    let new: Vec<String> = texts.iter().map(renamed).collect();
    (new != texts).then(|| format!("[{}]", new.iter().map(|it| format!("\"{it}\"")).collect::<Vec<_>>().join(", ")))
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RenameDirectory { from, to, renumbers: false } => write!(f, "rename {from} to {to}"),
            Self::RenameDirectory { from, to, renumbers: true } => write!(f, "renumber {from} as {to}"),
            Self::RenameFile { directory, from, to } => write!(f, "rename {directory}/{from} to {to}"),
            Self::WriteMetadata { directory, .. } => write!(f, "write {directory}/{METADATA}"),
        }
    }
}

impl Left {
    fn collision(version: SchemaVersion, candidates: &[String], help: String) -> Self {
        let message = format!(
            "{} have the version {version}, and {LOCK} does not say which one was released",
            candidates.join(" and ")
        );
        Self { directory: candidates.first().cloned().unwrap_or_default(), message, help }
    }
}

#[cfg(test)]
mod tests;
