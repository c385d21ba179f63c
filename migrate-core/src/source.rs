//! A migrations directory, read and checked: the same for the macro at compile time and the command line at run time.
//!
//! [`load`] never stops at the first problem. This module is the only one that touches a disk.

mod deploy;
mod disk;
mod script;
mod set;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::checksum::Checksum;
use crate::diagnostic::{Code, Diagnostic, Severity, SourceFile};
use crate::lockfile::{self, Entry};
use crate::metadata::Metadata;
use crate::migration::{Dialect, Fixtures, Migration, Script, Settings, Text};
use crate::name::{LOCK, METADATA, MigrationName};
use crate::registry::Registry;
use crate::version::SchemaVersion;

/// How a directory is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// The path of the directory in messages and in the registry.
    pub shown_as: String,
    /// The databases that the set is for, each of which must be able to run all of it.
    ///
    /// Empty: those that have an up script for every migration. Where no file name says which these are, a plain script
    /// is taken for any database that it reads as; what is wrong for only one of them may then mean that it is for the
    /// other.
    pub dialects: Vec<Dialect>,
    /// The version of the program that embeds the set; no migration may need a newer one.
    pub runtime_version: Option<String>,
    /// The name of the program that embeds the set.
    pub name: Option<String>,
    /// Whether `migrations.lock` is compared with the directory; `migrate lock`, which writes it, does without.
    pub check_lock: bool,
    /// Whether each `fixtures.sql` is read and checked; what only runs migrations does without.
    pub fixtures: bool,
    /// Whether what is worth a look is told as well, as `migrate validate` does, and the databases that the set is known to
    /// run on whatever its file names say.
    pub advice: Option<Vec<Dialect>>,
}

impl LoadOptions {
    /// A directory that belongs to no program, read for whatever databases it is for.
    #[must_use]
    pub fn new(shown_as: impl Into<String>) -> Self {
        Self {
            shown_as: shown_as.into(),
            dialects: Vec::new(),
            runtime_version: None,
            name: None,
            check_lock: true,
            fixtures: false,
            advice: None,
        }
    }
}

/// What [`load`] found.
#[derive(Clone, Debug)]
pub struct Loaded {
    // Good only while there is no error among the diagnostics that matters; `into_registry_unless` is the one way out.
    registry: Registry,
    diagnostics: Vec<Diagnostic>,
    dialects: Vec<Dialect>,
    files: Vec<PathBuf>,
    entries: Vec<Entry>,
    fixtures: Vec<Fixtures>,
}

impl Loaded {
    /// The registry and the warnings.
    ///
    /// # Errors
    ///
    /// All diagnostics, warnings included, if one of them is an error.
    pub fn into_registry(self) -> Result<(Registry, Vec<Diagnostic>), Vec<Diagnostic>> {
        self.into_registry_unless(|_| true)
    }

    /// The same where only some errors matter: those of `migrations.lock` say nothing of what the migrations are, and no
    /// migration at all is a set as well.
    ///
    /// # Errors
    ///
    /// All diagnostics, if one of them is an error that matters.
    pub fn into_registry_unless(
        self,
        matters: impl Fn(&Diagnostic) -> bool,
    ) -> Result<(Registry, Vec<Diagnostic>), Vec<Diagnostic>> {
        if self.diagnostics.iter().any(|it| it.severity == Severity::Error && matters(it)) {
            return Err(self.diagnostics);
        }
        Ok((self.registry, self.diagnostics))
    }

    /// The path of the directory in messages.
    #[must_use]
    pub fn shown_as(&self) -> &str {
        self.registry.directory()
    }

    /// Whether the set cannot be used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        let is_error = |it: &Diagnostic| it.severity == Severity::Error;
        self.diagnostics.iter().any(is_error)
    }

    /// Everything that was found, sorted by path and line.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// The databases that the set is for, and was checked for.
    #[must_use]
    pub fn dialects(&self) -> &[Dialect] {
        &self.dialects
    }

    /// Every file that was read: if one changes, so may the registry.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The rows for tests, lowest version first; none unless [`LoadOptions::fixtures`] asks for them.
    #[must_use]
    pub fn fixtures(&self) -> &[Fixtures] {
        &self.fixtures
    }

    /// What the lock file has to record, lowest version first.
    #[must_use]
    pub fn lock_entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The lock file that `migrate lock` writes. Only for a directory without errors, those of its lock file aside.
    #[must_use]
    pub fn lock_text(&self) -> String {
        lockfile::render(&self.entries)
    }
}

/// Reads and checks a migrations directory.
#[must_use]
pub fn load(directory: &Path, options: &LoadOptions) -> Loaded {
    let shown = match options.shown_as.trim_end_matches('/') {
        "" => &options.shown_as,
        trimmed => trimmed,
    };
    let mut found = Found::default();
    let mut folders = disk::read(directory, shown, options.fixtures, &mut found);
    folders.sort_by(|a, b| {
        let key = |it: &Folder| (it.name.version, it.name.name.clone());
        key(a).cmp(&key(b))
    });

    set::check_versions(&folders, &mut found.diagnostics);
    set::check_dependencies(&folders, &found.meant, &mut found.diagnostics);
    set::check_replaces(&folders, &mut found.diagnostics);
    set::check_runtime(&folders, shown, options, &mut found.diagnostics);
    let silenced = deploy::check(&folders, options, &mut found.diagnostics);
    let candidates = set::dialects(&folders, shown, options, &mut found.diagnostics);
    let dialects = script::check(&folders, &candidates, options, silenced, &mut found.diagnostics);
    set::check_way_back(&folders, &dialects, &mut found.diagnostics);

    let entries: Vec<Entry> = folders.iter().map(Folder::entry).collect();
    // While a migration is misnamed, the lock file would only repeat that it is missing.
    let compare_lock = options.check_lock && found.meant.is_empty();
    if let Some(text) = found.lock.as_deref().filter(|_| compare_lock) {
        let path = format!("{shown}/{LOCK}");
        let file = SourceFile { path: &path, text };
        let unread = found.unread();
        let is_unread = |file: &str| {
            let path = format!("{shown}/{file}");
            let directory = path.rsplit_once('/').map(|(directory, _)| directory).unwrap_or_default();
            unread.contains(&path) || unread.contains(directory)
        };
        lockfile::compare(file, &entries, &is_unread, &mut found.diagnostics);
    }
    let fixtures = folders.iter_mut().filter_map(Folder::take_fixtures).collect();
    found.drop_consequences();
    found.diagnostics.sort();
    found.diagnostics.dedup();
    Loaded {
        registry: Registry::from_parts(
            options.name.clone().map(Cow::Owned),
            Cow::Owned(shown.to_owned()),
            options.runtime_version.clone().map(Cow::Owned),
            lockfile::digest(&entries),
            folders.into_iter().map(Folder::into_migration).collect(),
        ),
        diagnostics: found.diagnostics,
        dialects,
        files: found.files,
        entries,
        fixtures,
    }
}

/// What reading has brought up so far, beside the migrations.
#[derive(Debug, Default)]
struct Found {
    diagnostics: Vec<Diagnostic>,
    files: Vec<PathBuf>,
    lock: Option<String>,
    /// The versions that misnamed migrations probably have.
    meant: Vec<SchemaVersion>,
}

impl Found {
    /// Adds what was found behind this.
    fn append(&mut self, more: Self) {
        let Self { diagnostics, files, lock, meant } = more;
        self.diagnostics.extend(diagnostics);
        self.files.extend(files);
        self.lock = lock.or_else(|| self.lock.take());
        self.meant.extend(meant);
    }

    /// The paths of what could not be read: that it is not what was locked says nothing more.
    fn unread(&self) -> BTreeSet<String> {
        let is_cause = |it: &&Diagnostic| is_unread(it) || it.code == Code::InvalidJson;
        self.diagnostics.iter().filter(is_cause).map(|it| it.path.clone()).collect()
    }

    /// Removes what was found in the empty text that stands for a file that could not be read.
    fn drop_consequences(&mut self) {
        let unread: BTreeSet<String> =
            self.diagnostics.iter().filter(|it| is_unread(it)).map(|it| it.path.clone()).collect();
        let is_of_text = |it: &Diagnostic| it.excerpt.is_some() || it.code == Code::EmptyScript;
        self.diagnostics.retain(|it| is_unread(it) || !is_of_text(it) || !unread.contains(&it.path));
    }
}

/// Whether a file or directory could not be read.
const fn is_unread(diagnostic: &Diagnostic) -> bool {
    matches!(diagnostic.code, Code::NotUtf8 | Code::Utf16 | Code::Unreadable)
}

/// The directory of one migration.
#[derive(Debug)]
struct Folder {
    name: MigrationName,
    /// The path in messages.
    shown: String,
    /// The text of `metadata.json`.
    metadata_text: Option<String>,
    /// What it says, if it could be read.
    metadata: Option<Metadata>,
    /// In the order of roles, the plain one of a role first.
    scripts: Vec<Script>,
    /// The text of `fixtures.sql`, if it was asked for.
    fixtures: Option<String>,
}

impl Folder {
    /// The name of the directory.
    fn title(&self) -> String {
        format!("v{}_{}", self.name.version, self.name.name)
    }

    fn path(&self, file: &str) -> String {
        format!("{}/{file}", self.shown)
    }

    /// A problem with the migration as a whole, at a file that an editor can open: its metadata, else its first script,
    /// and the directory only where it holds neither.
    fn whole(&self, code: Code, message: String) -> Diagnostic {
        let file = match &self.metadata_text {
            Some(_) => Some(METADATA.to_owned()),
            None => self.scripts.first().map(Script::file_name),
        };
        match file {
            Some(file) => Diagnostic::whole(code, self.path(&file), message),
            None => Diagnostic::directory(code, &self.shown, message),
        }
    }

    /// Whether a file saved under a nearly right name was reported that begins like this one when corrected: what it
    /// stands for is not missing as well.
    fn has_misnamed(&self, file: &str, found: &[Diagnostic]) -> bool {
        let (path, meant) = (self.path(""), format!("did you mean `{file}"));
        found.iter().any(|it| {
            let help = it.help.as_deref().unwrap_or_default();
            it.code == Code::MisnamedFile && it.path.starts_with(&path) && help.starts_with(&meant)
        })
    }

    /// What the lock file records of it.
    fn entry(&self) -> Entry {
        let metadata = self.metadata_text.iter().map(|text| (METADATA.to_owned(), Checksum::of(text)));
        let scripts = self.scripts.iter().map(|script| (script.file_name(), script.checksum));
        Entry { version: self.name.version, name: self.name.name.clone(), files: metadata.chain(scripts).collect() }
    }

    fn take_fixtures(&mut self) -> Option<Fixtures> {
        let sql = self.fixtures.take()?;
        Some(Fixtures { version: self.name.version, sql: sql.into() })
    }

    fn into_migration(self) -> Migration {
        let (settings, dependencies) = match self.metadata {
            None => (Settings::DEFAULT, Vec::new()),
            Some(metadata) => (metadata.settings, metadata.dependencies),
        };
        let dependencies: Vec<Text> = dependencies.into_iter().map(|it| it.text.into()).collect();
        Migration::from_parts(
            self.name.version,
            self.name.name.into(),
            settings,
            dependencies.into(),
            self.scripts.into(),
        )
    }
}

#[cfg(test)]
mod diagnostics_md;
#[cfg(test)]
mod tests;
