//! The store on PostgreSQL: one connection, made again when it was lost.

use tokio::sync::{Mutex, MutexGuard};
use tokio_postgres::{Client, Config, NoTls, Row};

use super::StoreError;
use crate::model::{Deposit, LARGEST_BALANCE, NewUser, Receipt, User, Wallet};
use crate::{console, users};

// The lock keeps the user from being deleted before the wallet refers to it.
const LOCK_USER: &str = "SELECT 1 FROM users WHERE id = $1 FOR KEY SHARE";
const CREDIT_WALLET: &str = "INSERT INTO wallets (user_id, currency, balance_minor) VALUES ($1, $2, $3)
    ON CONFLICT (user_id, currency) DO UPDATE SET balance_minor = wallets.balance_minor + excluded.balance_minor
    RETURNING id, balance_minor";
const INSERT_TRANSACTION: &str = "INSERT INTO transactions (wallet_id, amount_minor) VALUES ($1, $2) RETURNING id";
const INSERT_EVENT: &str = "INSERT INTO outbox (topic, payload) VALUES ('deposit', $1)";

pub(crate) struct PostgresStore {
    config: Config,
    client: Mutex<Client>,
}

impl PostgresStore {
    pub(super) async fn connect(url: &str) -> Result<Self, StoreError> {
        let config: Config = url.parse()?;
        let client = Mutex::new(connect(&config).await?);
        Ok(Self { config, client })
    }

    pub(super) async fn create_user(&self, user: NewUser) -> Result<i64, StoreError> {
        let client = self.client().await?;
        let row = client.query_opt(users::POSTGRES_INSERT, &[&user.email, &user.name]).await?;
        row.map(|row| row.get(0)).ok_or(StoreError::EmailTaken)
    }

    pub(super) async fn user(&self, id: i64) -> Result<User, StoreError> {
        let rows = self.client().await?.query(users::POSTGRES_SELECT, &[&id]).await?;
        let first = rows.first().ok_or(StoreError::NoSuchUser)?;
        let (email, name) = (first.get(0), first.get(1));
        // A user without wallets is one row whose wallet is null.
        let wallet = |row: &Row| Some(Wallet { currency: row.get::<_, Option<String>>(2)?, balance_minor: row.get(3) });
        let wallets = rows.iter().filter_map(wallet).collect();
        Ok(User { id, email, name, wallets })
    }

    pub(super) async fn deposit(&self, user_id: i64, deposit: Deposit) -> Result<Receipt, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        if transaction.query_opt(LOCK_USER, &[&user_id]).await?.is_none() {
            return Err(StoreError::NoSuchUser);
        }
        let amount = deposit.amount_minor;
        let wallet = transaction.query_one(CREDIT_WALLET, &[&user_id, &deposit.currency, &amount]).await?;
        let (wallet_id, balance_minor): (i64, i64) = (wallet.get(0), wallet.get(1));
        if balance_minor > LARGEST_BALANCE {
            return Err(StoreError::BalanceTooLarge);
        }
        let transaction_id = transaction.query_one(INSERT_TRANSACTION, &[&wallet_id, &amount]).await?.get(0);
        transaction.execute(INSERT_EVENT, &[&deposit.event(user_id)]).await?;
        transaction.commit().await?;
        Ok(Receipt { transaction_id, balance_minor })
    }

    async fn client(&self) -> Result<MutexGuard<'_, Client>, StoreError> {
        let mut client = self.client.lock().await;
        if client.is_closed() {
            *client = connect(&self.config).await?;
        }
        Ok(client)
    }
}

async fn connect(config: &Config) -> Result<Client, StoreError> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            console::complain(format_args!("the connection to PostgreSQL ended: {}", StoreError::from(error)));
        }
    });
    Ok(client)
}
