//! Databases, as connectors: what is needed to reach one, not a connection.

#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::fmt;

use crate::call::Operation;
use crate::error::{Error, ErrorKind};

#[cfg(feature = "postgres")]
pub use postgres::{BorrowedClient, Postgres};
#[cfg(feature = "sqlite")]
pub use sqlite::{BorrowedConnection, Sqlite};

/// A database that migrations can run on: [`Sqlite`], [`Postgres`], either by URL as [`AnyDatabase`], or a connection of
/// your own as [`BorrowedConnection`] or [`BorrowedClient`].
pub trait Database: Send {
    /// Runs an operation in an async program.
    #[doc(hidden)]
    fn call<O: Operation>(&mut self, operation: O) -> impl Future<Output = Result<O::Output, Error>> + Send;

    /// Runs an operation on the calling thread.
    #[doc(hidden)]
    fn call_blocking<O: Operation>(&mut self, operation: O) -> Result<O::Output, Error>;
}

/// A database whose kind is decided at run time, by its URL.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AnyDatabase {
    /// A SQLite file.
    #[cfg(feature = "sqlite")]
    Sqlite(Sqlite),
    /// A PostgreSQL database.
    #[cfg(feature = "postgres")]
    Postgres(Box<Postgres>),
}

impl AnyDatabase {
    /// The database of a URL: `sqlite:app.db`, `sqlite:///var/lib/app.db`, `postgres://user@host/name`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`]: `mysql://…` (another kind of database), `app.db` (no scheme), a kind whose feature
    /// is not compiled in, `sqlite::memory:` (every connection to it would be a new database; use
    /// [`BorrowedConnection`]), or what PostgreSQL's driver refuses.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        match url.split_once(':').map(|(scheme, _)| scheme) {
            #[cfg(feature = "sqlite")]
            Some("sqlite") => Sqlite::from_url(url).map(Self::Sqlite),
            #[cfg(feature = "postgres")]
            Some("postgres" | "postgresql") => Postgres::from_url(url).map(|it| Self::Postgres(Box::new(it))),
            #[cfg(not(feature = "sqlite"))]
            Some("sqlite") => Err(not_compiled_in("SQLite", "sqlite")),
            #[cfg(not(feature = "postgres"))]
            Some("postgres" | "postgresql") => Err(not_compiled_in("PostgreSQL", "postgres")),
            // The URL may hold a password, so only its scheme is shown.
            Some(scheme) if !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                Err(Error::new(ErrorKind::Configuration, format!("`{scheme}:` is no known kind of database"))
                    .with_help("use `sqlite:app.db` or `postgres://user@host/name`"))
            }
            _ => {
                Err(Error::new(ErrorKind::Configuration, "the database URL does not say which kind of database it is")
                    .with_help("use `sqlite:app.db` or `postgres://user@host/name`"))
            }
        }
    }
}

impl AnyDatabase {
    /// The name of the database, as somebody types it to say which one is meant: PostgreSQL's own name for it, or the
    /// name of SQLite's file without its directory.
    ///
    /// ```
    /// # #[cfg(all(feature = "sqlite", feature = "postgres"))] {
    /// use migrate_runtime::AnyDatabase;
    ///
    /// assert_eq!(AnyDatabase::from_url("sqlite:/var/lib/app.db")?.name(), "app.db");
    /// assert_eq!(AnyDatabase::from_url("postgres://app@db.example/shop")?.name(), "shop");
    /// # }
    /// # Ok::<(), migrate_runtime::Error>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(database) => {
                database.path().file_name().unwrap_or(database.path().as_os_str()).to_string_lossy().into_owned()
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => database.name().to_owned(),
            #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
            _ => String::new(),
        }
    }

    /// How to reach the same PostgreSQL database around a connection pooler: reading then goes through
    /// the pooler, and a run that has something to do goes around it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`]: there are no poolers for SQLite; and what [`from_url`](Self::from_url) refuses.
    #[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "only PostgreSQL has another way"))]
    pub fn direct_url(self, url: &str) -> Result<Self, Error> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => database.direct_url(url).map(|it| Self::Postgres(Box::new(it))),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => {
                Err(Error::new(ErrorKind::Configuration, "a direct URL is given, and SQLite has no connection poolers")
                    .with_help("leave it out"))
            }
        }
    }
}

impl AnyDatabase {
    /// Runs an operation on the calling thread, which is given up when it takes longer than this. SQLite's own waiting has
    /// bounds that are shorter.
    #[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "only a server may not answer"))]
    pub(crate) fn call_within<O: Operation>(
        &mut self,
        operation: O,
        bound: std::time::Duration,
    ) -> Result<O::Output, Error> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => database.call_within(operation, bound),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(database) => database.call_blocking(operation),
            #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
            _ => {
                drop(operation);
                unreachable!("there is no value of this type")
            }
        }
    }
}

impl Database for AnyDatabase {
    async fn call<O: Operation>(&mut self, operation: O) -> Result<O::Output, Error> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(database) => database.call(operation).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => database.call(operation).await,
            #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
            _ => unreachable!("there is no value of this type: {}", std::any::type_name_of_val(&operation)),
        }
    }

    fn call_blocking<O: Operation>(&mut self, operation: O) -> Result<O::Output, Error> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(database) => database.call_blocking(operation),
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => database.call_blocking(operation),
            #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
            _ => unreachable!("there is no value of this type: {}", std::any::type_name_of_val(&operation)),
        }
    }
}

impl fmt::Display for AnyDatabase {
    /// The URL without a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(database) => fmt::Display::fmt(database, f),
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => fmt::Display::fmt(database, f),
            #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
            _ => f.write_str("no database"),
        }
    }
}

#[cfg(not(all(feature = "sqlite", feature = "postgres")))]
fn not_compiled_in(database: &str, feature: &str) -> Error {
    Error::new(ErrorKind::Configuration, format!("this program is built without {database}"))
        .with_help(format!("build it with the feature `{feature}` of migrate-runtime"))
}
