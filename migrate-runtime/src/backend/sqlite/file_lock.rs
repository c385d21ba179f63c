//! A lock on a file beside the database. The operating system gives it back when the process dies, however it dies,
//! which a process id in a table cannot promise: ids repeat, and differ between containers.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind};

/// The lock of one database file; given back when dropped.
#[derive(Debug)]
pub(super) struct FileLock {
    /// Closing the file gives the lock back.
    _file: File,
}

impl FileLock {
    /// Takes the lock if nobody holds it. The file stays behind when the lock is given back: removing it could take
    /// it from under another process that has just opened it.
    pub(super) fn try_take(database: &Path) -> Result<Option<Self>, Error> {
        let path = lock_path(database);
        let failed = |error: std::io::Error| {
            let (kind, help) = match error.kind() {
                std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                    (ErrorKind::ReadOnly, "make the directory of the database writable for this user")
                }
                std::io::ErrorKind::StorageFull => (
                    ErrorKind::Database,
                    "make room on the disk that holds the database, then run the same command again",
                ),
                _ => (ErrorKind::Unreachable, "check that the directory exists and that this user may write it"),
            };
            Error::new(kind, format!("cannot open the lock file `{}`: {error}", path.display()))
                .with_help(help)
                .with_source(error)
        };
        // A file that another user created may be readable only, which suffices for locking it.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .or_else(|error| File::open(&path).map_err(|_| error))
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Whether somebody holds the lock. Used by readers, and only when the lock row says that a run is under way.
    pub(super) fn is_held(database: &Path) -> bool {
        File::open(lock_path(database))
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

/// The path of the lock file: beside the database itself, whichever links lead to it.
fn lock_path(database: &Path) -> PathBuf {
    let real = std::fs::canonicalize(database).ok().or_else(|| {
        let name = database.file_name()?;
        let parent = database.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(std::fs::canonicalize(parent).ok()?.join(name))
    });
    let mut name = real.unwrap_or_else(|| database.to_owned()).into_os_string();
    name.push(".migrate-lock");
    PathBuf::from(name)
}
