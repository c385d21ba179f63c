//! What the environment says.

use std::env::{self, VarError};
use std::time::Duration;

use crate::failure::Failure;

/// The settings of the server. No `Debug`: the URL may hold a password.
pub(crate) struct Config {
    /// `DATABASE_URL`: `sqlite:PATH` or `postgres://...`.
    pub(crate) database_url: String,
    /// `LISTEN`: the address to serve on. Port 0 takes a free one.
    pub(crate) listen: String,
    /// `WAIT_SECONDS`: how long the start waits for another server that migrates.
    pub(crate) wait: Duration,
}

impl Config {
    pub(crate) fn from_environment() -> Result<Self, Failure> {
        Ok(Self {
            database_url: variable("DATABASE_URL", "sqlite:wallet.db")?,
            listen: variable("LISTEN", "127.0.0.1:8080")?,
            wait: seconds("WAIT_SECONDS", "300")?,
        })
    }
}

fn seconds(name: &'static str, default: &str) -> Result<Duration, Failure> {
    let number = variable(name, default)?.parse().map_err(|_| Failure::Number(name))?;
    Ok(Duration::from_secs(number))
}

fn variable(name: &'static str, default: &str) -> Result<String, Failure> {
    match env::var(name) {
        Ok(value) => Ok(value),
        Err(VarError::NotPresent) => Ok(default.to_owned()),
        Err(VarError::NotUnicode(_)) => Err(Failure::Variable(name)),
    }
}
