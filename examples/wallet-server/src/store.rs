//! Where users, wallets and transactions are kept, on either database.

mod postgres;
mod sqlite;

use std::error::Error;
use std::fmt;

use migrate_runtime::AnyDatabase;

use crate::model::{Deposit, NewUser, Receipt, User};
use postgres::PostgresStore;
use sqlite::SqliteStore;

pub(crate) enum Store {
    Sqlite(SqliteStore),
    Postgres(Box<PostgresStore>),
}

#[derive(Debug)]
pub(crate) enum StoreError {
    EmailTaken,
    NoSuchUser,
    BalanceTooLarge,
    /// Anything that is the database's fault, in its driver's words.
    Database(Box<dyn Error + Send + Sync>),
}

impl Store {
    /// Opens the database of a URL whose schema is up to date.
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        match AnyDatabase::from_url(url) {
            Ok(AnyDatabase::Sqlite(database)) => SqliteStore::open(database.path()).await.map(Self::Sqlite),
            _ => PostgresStore::connect(url).await.map(|store| Self::Postgres(Box::new(store))),
        }
    }

    /// Adds a user and gives its number.
    pub(crate) async fn create_user(&self, user: NewUser) -> Result<i64, StoreError> {
        match self {
            Self::Sqlite(store) => store.create_user(user).await,
            Self::Postgres(store) => store.create_user(user).await,
        }
    }

    /// A user with its wallets, ordered by currency.
    pub(crate) async fn user(&self, id: i64) -> Result<User, StoreError> {
        match self {
            Self::Sqlite(store) => store.user(id).await,
            Self::Postgres(store) => store.user(id).await,
        }
    }

    /// Books a deposit: wallet, transaction and outbox change together, or nothing does.
    pub(crate) async fn deposit(&self, user_id: i64, deposit: Deposit) -> Result<Receipt, StoreError> {
        match self {
            Self::Sqlite(store) => store.deposit(user_id, deposit).await,
            Self::Postgres(store) => store.deposit(user_id, deposit).await,
        }
    }
}

impl StoreError {
    fn database(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Database(Box::new(error))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmailTaken => f.write_str("the e-mail address is taken"),
            Self::NoSuchUser => f.write_str("there is no such user"),
            Self::BalanceTooLarge => f.write_str("the balance would be too large"),
            Self::Database(error) => {
                write!(f, "{error}")?;
                // tokio-postgres says `db error`, and the rest in its source.
                error.source().map_or(Ok(()), |source| write!(f, ": {source}"))
            }
        }
    }
}

impl Error for StoreError {}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::database(error)
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::database(error)
    }
}
