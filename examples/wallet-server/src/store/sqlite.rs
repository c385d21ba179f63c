//! The store on SQLite: one connection, used on blocking threads.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row, TransactionBehavior, params};
use tokio::task::spawn_blocking;

use super::StoreError;
use crate::model::{Deposit, LARGEST_BALANCE, NewUser, Receipt, User, Wallet};
use crate::users;

const SELECT_WALLETS: &str = "SELECT currency, balance_minor FROM wallets WHERE user_id = ?1 ORDER BY currency";
const CREDIT_WALLET: &str = "INSERT INTO wallets (user_id, currency, balance_minor) VALUES (?1, ?2, ?3)
    ON CONFLICT (user_id, currency) DO UPDATE SET balance_minor = balance_minor + excluded.balance_minor
    RETURNING id, balance_minor";
const INSERT_TRANSACTION: &str = "INSERT INTO transactions (wallet_id, amount_minor) VALUES (?1, ?2) RETURNING id";
const INSERT_EVENT: &str = "INSERT INTO outbox (topic, payload) VALUES ('deposit', ?1)";

/// How long to wait for other programs that use the file.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct SqliteStore {
    connection: Arc<Mutex<Connection>>,
}

impl SqliteStore {
    /// Opens a file that is there already: the migrations made it.
    pub(super) async fn open(path: &Path) -> Result<Self, StoreError> {
        let path = path.to_owned();
        let connection = spawn_blocking(move || open(path)).await.map_err(StoreError::database)??;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    pub(super) async fn create_user(&self, user: NewUser) -> Result<i64, StoreError> {
        self.with(move |connection| {
            let id =
                connection.query_row(users::SQLITE_INSERT, [user.email, user.name], |row| row.get(0)).optional()?;
            id.ok_or(StoreError::EmailTaken)
        })
        .await
    }

    pub(super) async fn user(&self, id: i64) -> Result<User, StoreError> {
        self.with(move |connection| read_user(connection, id)).await
    }

    pub(super) async fn deposit(&self, user_id: i64, deposit: Deposit) -> Result<Receipt, StoreError> {
        self.with(move |connection| book(connection, user_id, &deposit)).await
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = Arc::clone(&self.connection);
        // A panic while it was held rolled its transaction back, so the connection is still good.
        let work = move || work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner));
        spawn_blocking(work).await.map_err(StoreError::database)?
    }
}

fn open(path: PathBuf) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    use_write_ahead_log(&connection)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// The log belongs to the file, so the first server of all switches it on. SQLite does not apply the busy timeout to the
/// switch: with other servers starting at the same time it fails at once, and has to be tried again.
fn use_write_ahead_log(connection: &Connection) -> rusqlite::Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < end => {
                thread::sleep(Duration::from_millis(10));
            }
            result => return result,
        }
    }
}

fn read_user(connection: &mut Connection, id: i64) -> Result<User, StoreError> {
    // One transaction, so that both reads see the same moment.
    let transaction = connection.transaction()?;
    let user = transaction.query_row(users::SQLITE_SELECT, [id], read_name).optional()?;
    let (email, name) = user.ok_or(StoreError::NoSuchUser)?;
    let wallets = transaction
        .prepare(SELECT_WALLETS)?
        .query_map([id], |row| Ok(Wallet { currency: row.get(0)?, balance_minor: row.get(1)? }))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(User { id, email, name, wallets })
}

fn read_name(row: &Row<'_>) -> rusqlite::Result<(String, String)> {
    Ok((row.get("email")?, users::sqlite_name(row)?))
}

fn book(connection: &mut Connection, user_id: i64, deposit: &Deposit) -> Result<Receipt, StoreError> {
    // Immediate: a transaction that reads first and writes later can fail at once instead of waiting for its turn.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Asked beforehand, because the insert below gives its row before SQLite checks the foreign key.
    if !transaction.prepare(users::SQLITE_SELECT)?.exists([user_id])? {
        return Err(StoreError::NoSuchUser);
    }
    let credit = params![user_id, deposit.currency, deposit.amount_minor];
    let (wallet_id, balance_minor): (i64, i64) =
        transaction.query_row(CREDIT_WALLET, credit, |row| Ok((row.get(0)?, row.get(1)?)))?;
    if balance_minor > LARGEST_BALANCE {
        return Err(StoreError::BalanceTooLarge);
    }
    let transaction_id =
        transaction.query_row(INSERT_TRANSACTION, [wallet_id, deposit.amount_minor], |row| row.get(0))?;
    transaction.execute(INSERT_EVENT, [deposit.event(user_id)])?;
    transaction.commit()?;
    Ok(Receipt { transaction_id, balance_minor })
}
