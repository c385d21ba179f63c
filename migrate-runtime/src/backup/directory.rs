//! A directory of backups: finding, listing, checking and removing them. No database is needed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::archive::{self, PARTIAL, Partial, Written};
use super::manifest::{Backup, BackupFormat, manifest_name};
use super::options::Retention;
use super::{file_error, retention};
use crate::database::AnyDatabase;
use crate::error::{Error, ErrorKind};

/// How old a file must be that has no manifest, to count as what a killed process left.
const FORGOTTEN: Duration = Duration::from_secs(24 * 60 * 60);

/// A directory that holds backups.
///
/// ```no_run
/// use migrate_runtime::backup::BackupDirectory;
///
/// let backups = BackupDirectory::new("/var/backups/app").list()?;
/// for backup in &backups.backups {
///     println!("{} of {} at {}", backup.id, backup.database, backup.created_at);
/// }
/// # Ok::<(), migrate_runtime::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupDirectory {
    path: PathBuf,
}

/// What a directory holds.
#[derive(Debug, Default)]
pub struct Listing {
    /// The backups, newest first.
    pub backups: Vec<Backup>,
    /// Manifests that cannot be read.
    pub unreadable: Vec<Unreadable>,
}

/// A manifest that cannot be read.
#[derive(Debug)]
pub struct Unreadable {
    /// Its path.
    pub path: PathBuf,
    /// Why.
    pub error: Error,
}

/// What was removed, or would be.
#[derive(Debug, Default)]
pub struct Pruned {
    /// Backups beyond the retention.
    pub backups: Vec<Backup>,
    /// What killed processes left.
    pub leftovers: Vec<PathBuf>,
}

impl BackupDirectory {
    /// A directory, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where the backups of a database are unless the options say it.
    #[must_use]
    pub fn default_of(database: &AnyDatabase) -> Self {
        match database {
            #[cfg(feature = "sqlite")]
            AnyDatabase::Sqlite(database) => {
                let place = super::sqlite::place(Some(database.path()), true, 0);
                Self::new(place.directory.unwrap_or_default())
            }
            #[cfg(feature = "postgres")]
            AnyDatabase::Postgres(_) => Self::new(super::postgres::DIRECTORY),
            #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
            _ => Self::new(""),
        }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything that is in it. A directory that is not there is empty.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Backup`]: the directory cannot be read.
    pub fn list(&self) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        for path in self.files()? {
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match Backup::read(&path) {
                Ok(backup) => listing.backups.push(backup),
                Err(error) => listing.unreadable.push(Unreadable { path, error }),
            }
        }
        listing.backups.sort_by(|one, other| other.id.cmp(&one.id));
        Ok(listing)
    }

    /// The backup with an id, or with the only id that begins so; `latest` is the newest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`]: there is none, or there are several. [`ErrorKind::Backup`]: its manifest cannot be read.
    pub fn find(&self, id: &str) -> Result<Backup, Error> {
        let Listing { backups, unreadable } = self.list()?;
        let here = self.path.display();
        if id == "latest" {
            return backups.into_iter().next().ok_or_else(|| {
                Error::new(ErrorKind::Usage, format!("there is no backup in `{here}`")).with_help(
                    "name the directory of the backups (`--backup-path`), or take one with `migrate backup create`",
                )
            });
        }
        let mut found: Vec<Backup> =
            backups.into_iter().filter(|backup| !id.is_empty() && backup.id.starts_with(id)).collect();
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => match unreadable.into_iter().find(|it| it.path.to_string_lossy().contains(id) && !id.is_empty()) {
                Some(damaged) => Err(damaged.error),
                None => Err(Error::new(ErrorKind::Usage, format!("there is no backup `{id}` in `{here}`"))
                    .with_help("`migrate backup list` shows the ids; name another directory with `--backup-path`")),
            },
            _ => Err(Error::new(ErrorKind::Usage, format!("the ids of {} backups begin with `{id}`", found.len()))
                .with_help("`migrate backup list` shows the whole ids")),
        }
    }

    /// Removes the backups of each database that are beyond the retention, and what killed processes left. The newest
    /// good full backup of a database stays in any case.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Backup`]: the directory cannot be read, or a file cannot be removed.
    pub fn prune(&self, retention: Retention, dry_run: bool) -> Result<Pruned, Error> {
        self.prune_of(None, retention, dry_run)
    }

    /// The same for the backups of one database.
    pub(crate) fn prune_of(
        &self,
        database: Option<&str>,
        retention: Retention,
        dry_run: bool,
    ) -> Result<Pruned, Error> {
        let now = SystemTime::now();
        let Listing { backups, .. } = self.list()?;
        let mut by_database: BTreeMap<&str, Vec<&Backup>> = BTreeMap::new();
        for backup in backups.iter().filter(|backup| database.is_none_or(|name| name == backup.database)) {
            by_database.entry(&backup.database).or_default().push(backup);
        }
        let is_good = |backup: &Backup| archive::check(backup).is_ok();
        let removed = by_database.values().flat_map(|backups| retention::to_remove(backups, retention, now, is_good));
        let pruned = Pruned { backups: removed.cloned().collect(), leftovers: self.leftovers(&backups, now)? };
        if !dry_run {
            // A manifest that is gone first leaves a file that counts as forgotten, and never a backup without its file.
            let manifests = pruned.backups.iter().flat_map(|backup| [backup.manifest_path(), backup.path()]);
            for path in manifests.chain(pruned.leftovers.iter().cloned()) {
                remove(&path)?;
            }
        }
        Ok(pruned)
    }

    /// Makes the directory and sees whether there is room.
    pub(crate) fn prepare(&self, size: u64) -> Result<(), Error> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.path).map_err(|error| file_error("cannot make the directory", &self.path, error))?;
        check_room(&self.path, size)
    }

    /// Gives a copy its name, with its manifest beside it.
    pub(crate) fn keep(&self, written: Written, mut backup: Backup) -> Result<Backup, Error> {
        backup.directory.clone_from(&self.path);
        let manifest = Partial::create(&self.path, &manifest_name(&backup.file))?;
        let failed = |error| file_error("cannot write", manifest.path(), error);
        manifest.file().write_all(backup.to_json().as_bytes()).map_err(failed)?;
        manifest.file().sync_all().map_err(failed)?;
        let path = written.partial.keep(&backup.file)?;
        #[cfg(feature = "failpoints")]
        crate::failpoint::reach(format_args!("backup: the file has its name, the manifest not yet"));
        if let Err(error) = manifest.keep(&manifest_name(&backup.file)) {
            let _ = fs::remove_file(path);
            return Err(error);
        }
        sync_directory(&self.path)?;
        Ok(backup)
    }

    fn files(&self) -> Result<Vec<PathBuf>, Error> {
        let failed = |error| file_error("cannot read the directory", &self.path, error);
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
    }

    /// Unfinished files that nobody writes any more, and files of ours without a manifest.
    fn leftovers(&self, backups: &[Backup], now: SystemTime) -> Result<Vec<PathBuf>, Error> {
        let is_old = |path: &Path| {
            let changed = fs::metadata(path).and_then(|metadata| metadata.modified());
            changed.is_ok_and(|changed| now.duration_since(changed).unwrap_or_default() > FORGOTTEN)
        };
        let is_free = |path: &Path| File::open(path).is_ok_and(|file| file.try_lock().is_ok());
        let has_manifest = |path: &Path| backups.iter().any(|backup| backup.path() == path);
        // The manifest is begun before the file has its name, and locked as long as its writer lives.
        let is_abandoned = |path: &Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let manifest = path.with_file_name(format!("{}.{PARTIAL}", manifest_name(&name)));
            if manifest.exists() { is_free(&manifest) } else { is_old(path) }
        };
        let left = |path: &PathBuf| match path.extension().and_then(|extension| extension.to_str()) {
            Some(PARTIAL) => is_free(path),
            _ => is_ours(path) && !has_manifest(path) && is_abandoned(path),
        };
        Ok(self.files()?.into_iter().filter(left).collect())
    }
}

/// Whether the name of a file is one that we give: `NAME-20260131T101500123Z-0123abcd.sqlite.zst`.
fn is_ours(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".zst").unwrap_or(&name);
    let formats = [BackupFormat::Sqlite, BackupFormat::PgDump, BackupFormat::Sql];
    let stem = formats.iter().find_map(|format| name.strip_suffix(format.extension())?.strip_suffix('.'));
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = stem.and_then(|stem| {
        let (rest, random) = stem.rsplit_once('-')?;
        let (_, time) = rest.rsplit_once('-')?;
        let (day, time) = time.strip_suffix('Z')?.split_once('T')?;
        Some(digits(random, 8) && digits(day, 8) && digits(time, 9))
    });
    id.unwrap_or(false)
}

/// A new id, and the time in it as RFC 3339.
pub(crate) fn new_id() -> (String, String) {
    let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let plain: String = time.chars().filter(|character| !matches!(character, '-' | ':' | '.')).collect();
    (format!("{plain}-{:08x}", random()), time)
}

pub(crate) fn random() -> u32 {
    // Every `RandomState` has keys that differ from every other's.
    (RandomState::new().hash_one(0) & 0xffff_ffff) as u32
}

/// Refuses to begin what cannot fit onto the disk.
pub(crate) fn check_room(path: &Path, size: u64) -> Result<(), Error> {
    let free = fs4::available_space(path).map_err(|error| file_error("cannot read the free space of", path, error))?;
    if free >= size {
        return Ok(());
    }
    let message = format!("a backup may need {size} bytes, and the disk of `{}` has {free} left", path.display());
    Err(Error::new(ErrorKind::Backup, message)
        .with_help("make room on that disk, name another directory (`backup_path`), or remove old backups (`migrate backup prune`)"))
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(file_error("cannot remove", path, error)),
        _ => Ok(()),
    }
}

/// Makes new names in a directory last.
fn sync_directory(path: &Path) -> Result<(), Error> {
    #[cfg(unix)]
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| file_error("cannot write the directory", path, error))?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}
