//! Backups before runs, and putting them back.
//!
//! [`Migrator::backup`](crate::Migrator::backup) takes one before each run that has something to do;
//! [`Migrator::create_backup`](crate::Migrator::create_backup) and
//! [`Migrator::restore_backup`](crate::Migrator::restore_backup) do so when they are called. What is kept is looked after
//! with a [`BackupDirectory`], which needs no database. `docs/backup.md` says what others notice meanwhile.

mod archive;
mod directory;
mod manifest;
mod options;
mod order;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
mod retention;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
mod verify;

pub use self::directory::{BackupDirectory, Listing, Pruned, Unreadable};
pub use self::manifest::{Backup, BackupFormat, BackupReason, Contents};
pub use self::options::{
    BackupOptions, BackupPolicy, DEFAULT_MAX_BACKUP_SIZE, DEFAULT_RETENTION, RestoreOptions, Retention,
};
pub use self::verify::{Verification, VerifyOptions};

pub(crate) use self::archive::Extracted;
pub(crate) use self::directory::new_id;
pub(crate) use self::manifest::Survey;
pub(crate) use self::order::{Copied, Measure, Order, Restoration};
pub(crate) use self::retention::age_of;
pub(crate) use self::verify::{differences, verify};

use std::path::Path;

use crate::error::{Error, ErrorKind};

/// A failure of a file operation on a backup.
pub(crate) fn file_error(what: &str, path: &Path, error: std::io::Error) -> Error {
    let help = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded | std::io::ErrorKind::FileTooLarge => {
            "make room on the disk that holds the backups, or name another directory (`backup_path`)"
        }
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            "make the directory of the backups readable and writable for this user, or name another (`backup_path`)"
        }
        _ => "check the directory of the backups (`backup_path`)",
    };
    Error::new(ErrorKind::Backup, format!("{what} `{}`: {error}", path.display())).with_help(help).with_source(error)
}
