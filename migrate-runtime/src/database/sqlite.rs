//! SQLite databases: a file, or a connection of the application's.

use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use rusqlite::Connection;

use super::Database;
use crate::backend::sqlite::SqliteBackend;
use crate::call::Operation;
use crate::error::{Error, ErrorKind};
use crate::stop::Stop;

/// A SQLite database file.
///
/// ```
/// use migrate_runtime::Sqlite;
///
/// let database = Sqlite::from_url("sqlite:app.db")?;
/// assert_eq!(database.to_string(), "sqlite:app.db");
/// # Ok::<(), migrate_runtime::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sqlite {
    path: PathBuf,
}

impl Sqlite {
    /// The database in a file. A run creates the file when it is missing; reading never does.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database of a URL: `sqlite:app.db` relative to the working directory, `sqlite:/var/lib/app.db` or
    /// `sqlite:///var/lib/app.db` absolute. `%20` and the like stand for characters, so that `%3F` is a `?` in a name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`]: another scheme, no path, `sqlite::memory:`, or parameters after a `?`.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let wrong = |message: &str| {
            Err(Error::new(ErrorKind::Configuration, message).with_help("name a file, as in `sqlite:app.db`"))
        };
        let Some(path) = url.strip_prefix("sqlite:") else {
            return wrong("a SQLite URL begins with `sqlite:`");
        };
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return wrong("the SQLite URL names no file");
        }
        if path == ":memory:" {
            return wrong(
                "an in-memory database is gone with its connection; name a file, or lend the connection from a program",
            );
        }
        if path.contains('?') {
            return wrong("a SQLite URL has no parameters");
        }
        match percent_encoding::percent_decode_str(path).decode_utf8() {
            Ok(path) if !path.contains('\0') => Ok(Self::file(&*path)),
            _ => wrong("the SQLite URL stands for no file name"),
        }
    }
}

impl fmt::Display for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sqlite:{}", self.path.display())
    }
}

impl Sqlite {
    fn run<O: Operation>(&self, operation: O, cancelled: Stop) -> Result<O::Output, Error> {
        let memory = self.path.as_os_str().is_empty() || self.path.as_os_str() == ":memory:";
        if memory {
            return Err(in_memory());
        }
        let tables = operation.tables();
        ready(operation.run(&mut SqliteBackend::of_file(&self.path, &tables, cancelled)))
    }
}

impl Database for Sqlite {
    async fn call<O: Operation>(&mut self, operation: O) -> Result<O::Output, Error> {
        #[cfg(feature = "tokio")]
        if tokio::runtime::Handle::try_current().is_ok() {
            let cancel = CancelOnDrop(Stop::new());
            let (database, cancelled) = (self.clone(), cancel.0.clone());
            let work = tokio::task::spawn_blocking(move || database.run(operation, cancelled));
            return match work.await {
                Ok(result) => result,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(error) => Err(Error::new(ErrorKind::Cancelled, "the async runtime shut down during the run")
                        .with_source(error)),
                },
            };
        }
        self.run(operation, Stop::new())
    }

    fn call_blocking<O: Operation>(&mut self, operation: O) -> Result<O::Output, Error> {
        self.run(operation, Stop::new())
    }
}

/// Tells the blocking thread that its work is no longer awaited: it stops before its next commit or wait.
#[cfg(feature = "tokio")]
struct CancelOnDrop(Stop);

#[cfg(feature = "tokio")]
impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.after_this_step();
    }
}

/// A SQLite connection of your own, in-memory databases included.
///
/// The reduced mode: the connection must not be inside a transaction, its settings (busy timeout, synchronous level)
/// stay as you made them, and in an async program the calling thread is blocked meanwhile. For a database in a file the
/// run lock works as it does for [`Sqlite`]; an in-memory database is yours alone and needs none.
#[derive(Debug)]
pub struct BorrowedConnection<'c> {
    connection: &'c mut Connection,
}

impl<'c> BorrowedConnection<'c> {
    /// Borrows a connection.
    pub fn new(connection: &'c mut Connection) -> Self {
        Self { connection }
    }
}

impl Database for BorrowedConnection<'_> {
    async fn call<O: Operation>(&mut self, operation: O) -> Result<O::Output, Error> {
        self.call_blocking(operation)
    }

    fn call_blocking<O: Operation>(&mut self, operation: O) -> Result<O::Output, Error> {
        if !self.connection.is_autocommit() {
            return Err(Error::new(ErrorKind::Configuration, "the borrowed connection is inside a transaction")
                .with_help("commit or roll back before migrating"));
        }
        if self.connection.path().is_none() {
            return Err(Error::new(ErrorKind::Configuration, "the file name of the borrowed connection is not UTF-8")
                .with_help("name the file instead (`Sqlite::file`), so that the run lock can be beside it"));
        }
        let tables = operation.tables();
        ready(operation.run(&mut SqliteBackend::of_connection(self.connection, &tables)))
    }
}

/// The result of a future that never waits.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("no future of the SQLite backend is ever pending"),
    }
}

fn in_memory() -> Error {
    Error::new(ErrorKind::Configuration, "a database in memory is gone with its connection")
        .with_help("name a file, as in `sqlite:app.db`; a program can lend its own connection instead")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_urls() {
        let path =
            |url: &str| Sqlite::from_url(url).map(|it| it.path().display().to_string()).map_err(|it| it.to_string());
        for (url, expected) in [
            ("sqlite:app.db", "app.db"),
            ("sqlite:../a b.db", "../a b.db"),
            ("sqlite:/var/lib/app.db", "/var/lib/app.db"),
            ("sqlite:///var/lib/app.db", "/var/lib/app.db"),
            ("sqlite:my%20app%3F.db", "my app?.db"),
            ("sqlite:100%.db", "100%.db"),
        ] {
            assert_eq!(path(url).as_deref(), Ok(expected));
        }
        for url in ["sqlite:", "sqlite::memory:", "sqlite:a?mode=ro", "sqlite:%FF", "sqlite:a%00b", "sqlit:a"] {
            assert!(path(url).is_err(), "{url}");
        }
    }
}
