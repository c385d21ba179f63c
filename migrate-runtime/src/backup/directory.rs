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
        self.find_where(id, "", |_| true)
    }

    /// The same, where `latest` is the newest of a database.
    ///
    /// # Errors
    ///
    /// Those of [`find`](Self::find).
    pub fn find_of(&self, id: &str, database: &AnyDatabase) -> Result<Backup, Error> {
        let location = match database {
            #[cfg(feature = "sqlite")]
            AnyDatabase::Sqlite(database) => super::sqlite::place(Some(database.path()), true, 0).location,
            #[cfg(feature = "postgres")]
            AnyDatabase::Postgres(database) => super::postgres::location(database),
            #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
            _ => String::new(),
        };
        self.find_where(id, &format!(" of `{location}`"), |backup| backup.database == location)
    }

    /// The same, where `latest` is the newest that fits; `whose` says in an error what it would be of.
    pub(crate) fn find_where(&self, id: &str, whose: &str, fits: impl Fn(&Backup) -> bool) -> Result<Backup, Error> {
        let Listing { backups, unreadable } = self.list()?;
        let here = self.path.display();
        if id == "latest" {
            return backups.into_iter().find(fits).ok_or_else(|| {
                Error::new(ErrorKind::Usage, format!("there is no backup{whose} in `{here}`")).with_help(
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
    /// good full backup of a database stays in any case. What a half-done migration may need is only known to
    /// [`Migrator::prune_backups`](crate::Migrator::prune_backups).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Backup`]: the directory cannot be read, or a file cannot be removed.
    pub fn prune(&self, retention: Retention, dry_run: bool) -> Result<Pruned, Error> {
        self.prune_among(retention, dry_run, |_| true, |_| false)
    }

    /// The same among those that are `concerned`, without those that are `needed`.
    pub(crate) fn prune_among(
        &self,
        retention: Retention,
        dry_run: bool,
        is_concerned: impl Fn(&Backup) -> bool,
        is_needed: impl Fn(&Backup) -> bool,
    ) -> Result<Pruned, Error> {
        let now = SystemTime::now();
        let Listing { backups, .. } = self.list()?;
        let mut by_ledger: BTreeMap<_, Vec<&Backup>> = BTreeMap::new();
        for backup in backups.iter().filter(|backup| is_concerned(backup)) {
            let ledger = (&backup.database, &backup.ledger_schema, &backup.ledger_table);
            by_ledger.entry(ledger).or_default().push(backup);
        }
        let is_good = |backup: &Backup| backup.damage.is_none() && archive::check(backup).is_ok();
        let removed =
            by_ledger.values().flat_map(|backups| retention::to_remove(backups, retention, now, &is_needed, is_good));
        let pruned = Pruned { backups: removed.cloned().collect(), leftovers: self.leftovers(now)? };
        if !dry_run {
            pruned.backups.iter().try_for_each(Self::remove)?;
            pruned.leftovers.iter().try_for_each(|path| remove(path))?;
        }
        Ok(pruned)
    }

    /// Removes a backup. A manifest that is gone first leaves a file that counts as forgotten, and never a backup without
    /// its file.
    pub(crate) fn remove(backup: &Backup) -> Result<(), Error> {
        remove(&backup.manifest_path())?;
        remove(&backup.path())
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

    /// Unfinished files that nobody writes any more, and files of ours without a manifest. A manifest counts by its name:
    /// one that this program cannot read may be good for another.
    fn leftovers(&self, now: SystemTime) -> Result<Vec<PathBuf>, Error> {
        let files = self.files()?;
        let is_old = |path: &Path| {
            let changed = fs::metadata(path).and_then(|metadata| metadata.modified());
            changed.is_ok_and(|changed| now.duration_since(changed).unwrap_or_default() > FORGOTTEN)
        };
        let is_free = |path: &Path| File::open(path).is_ok_and(|file| file.try_lock().is_ok());
        let is_there = |path: PathBuf| files.contains(&path);
        let manifest = |path: &Path| path.with_file_name(manifest_name(&name_of(path)));
        // The manifest is begun before the file has its name, and locked as long as its writer lives.
        let is_abandoned = |path: &Path| {
            let begun = manifest(path).with_added_extension(PARTIAL);
            if is_there(begun.clone()) { is_free(&begun) } else { is_old(path) }
        };
        let left = |path: &&PathBuf| {
            if let Some(partial) = unfinished(path) {
                return if is_there(partial.clone()) { is_free(&partial) } else { is_old(path) };
            }
            is_ours(path) && !is_there(manifest(path)) && is_abandoned(path)
        };
        Ok(files.iter().filter(left).cloned().collect())
    }
}

/// The unfinished file that a file is or belongs to: SQLite keeps a journal or a WAL beside it.
fn unfinished(path: &Path) -> Option<PathBuf> {
    let name = name_of(path);
    let beside = ["-wal", "-shm", "-journal"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(&name);
    beside.strip_suffix(PARTIAL)?.strip_suffix('.')?;
    Some(path.with_file_name(beside))
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Whether the name of a file is one that we give: `NAME-20260131T101500123Z-0123abcd.sqlite.zst`.
fn is_ours(path: &Path) -> bool {
    let name = name_of(path);
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
