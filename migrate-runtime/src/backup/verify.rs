//! Looking whether a backup could be restored.

use std::path::PathBuf;

use super::archive::{self, Extracted};
use super::manifest::{Backup, BackupFormat, Survey};
use crate::error::Error;

/// How a backup is verified. Fields may be added: build it with `..Default::default()`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyOptions {
    /// Restore it into a scratch database, and compare structure and numbers of rows with the manifest. Default: no.
    pub deep: bool,
    /// The directory of `pg_restore` and `psql`. Default: they are looked for in `PATH`.
    pub tools: Option<PathBuf>,
    /// The PostgreSQL server on which a scratch database may be made, such as `postgres://user@host/postgres`.
    pub scratch_url: Option<String>,
}

/// What was found of a backup that can be restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// What was checked, in words.
    pub checks: Vec<String>,
    /// What is not as it should be, and was so in the database already.
    pub warnings: Vec<String>,
}

impl Backup {
    /// Opens what was written: checksum, and that the database's own tools read it. On SQLite `integrity_check` and
    /// `foreign_key_check` of a copy; on PostgreSQL `pg_restore --list`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Backup`](crate::ErrorKind::Backup): the backup is damaged, a tool is missing or too old;
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration): a deep look at a PostgreSQL backup without a server
    /// for it, a backup of a kind of database that is not compiled in.
    pub fn verify(&self, options: &VerifyOptions) -> Result<Verification, Error> {
        verify(self, options).map(|(verification, _)| verification)
    }
}

/// The same; also gives the contents of a SQLite backup, of which a copy was made to look at.
pub(crate) fn verify(
    backup: &Backup,
    #[cfg_attr(not(any(feature = "sqlite", feature = "postgres")), expect(unused_variables, reason = "no database"))]
    options: &VerifyOptions,
) -> Result<(Verification, Option<Extracted>), Error> {
    archive::check(backup)?;
    let mut verification = Verification { checks: vec!["the checksum is right".to_owned()], warnings: Vec::new() };
    match backup.file_format {
        #[cfg(feature = "sqlite")]
        BackupFormat::Sqlite => {
            let extracted = archive::extract(backup)?;
            super::sqlite::verify(backup, &extracted, options.deep, &mut verification)?;
            Ok((verification, Some(extracted)))
        }
        #[cfg(feature = "postgres")]
        BackupFormat::PgDump => {
            super::postgres::verify(backup, options, &mut verification)?;
            Ok((verification, None))
        }
        BackupFormat::Sql => {
            let mut contents = archive::open(backup)?;
            let read = std::io::copy(&mut contents, &mut std::io::sink());
            read.map_err(|error| archive::damaged(backup, &error.to_string()))?;
            verification.checks.push("it can be read to its end".to_owned());
            Ok((verification, None))
        }
        #[cfg(not(all(feature = "sqlite", feature = "postgres")))]
        _ => Err(Error::new(
            crate::error::ErrorKind::Configuration,
            format!("the backup {} is of a kind of database that this program is built without", backup.id),
        )
        .with_help("build it with the features `sqlite` and `postgres` of migrate-runtime")),
    }
}

/// What a deep look has found, in words.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) fn restored_alike(tables: usize) -> String {
    let tables = match tables {
        1 => "1 table".to_owned(),
        count => format!("{count} tables"),
    };
    format!("restored into a scratch database, structure and rows of {tables} are those of the manifest")
}

/// In what a database differs from what it should be.
pub(crate) fn differences(expected: &Survey, found: &Survey) -> Vec<String> {
    let mut differences = Vec::new();
    if expected.fingerprint != found.fingerprint {
        differences.push("its structure is not the one in the manifest".to_owned());
    }
    let names = expected.rows.keys().chain(found.rows.keys().filter(|name| !expected.rows.contains_key(*name)));
    for name in names {
        let count = |survey: &Survey| survey.rows.get(name).map_or_else(|| "no table".to_owned(), u64::to_string);
        let (expected, found) = (count(expected), count(found));
        if expected != found {
            differences.push(format!("`{name}` has {found} rows and should have {expected}"));
        }
    }
    differences
}

#[cfg(all(test, any(feature = "sqlite", feature = "postgres")))]
mod tests {
    use super::*;

    #[test]
    fn one_table_is_not_several() {
        assert!(restored_alike(1).contains(" of 1 table are "), "{}", restored_alike(1));
        assert!(restored_alike(2).contains(" of 2 tables are "), "{}", restored_alike(2));
    }
}
