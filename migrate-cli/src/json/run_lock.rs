//! `lock show` and `lock release`.

use migrate_runtime::{FreedLock, LockHolder};
use serde::Serialize;

use super::run::outcome;

/// `lock show`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RunLock {
    holder: Option<Holder>,
}

impl From<Option<&LockHolder>> for RunLock {
    fn from(holder: Option<&LockHolder>) -> Self {
        Self { holder: holder.map(Holder::from) }
    }
}

/// Who holds the run lock.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Holder {
    owner: String,
    host: String,
    process: u32,
    acquired_at: String,
    expires_at: Option<String>,
    alive: bool,
}

impl From<&LockHolder> for Holder {
    fn from(holder: &LockHolder) -> Self {
        Self {
            owner: holder.owner.clone(),
            host: holder.host.clone(),
            process: holder.process,
            acquired_at: holder.acquired_at.clone(),
            expires_at: holder.expires_at.clone(),
            alive: holder.live,
        }
    }
}

/// `lock release`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct LockRelease {
    #[cfg_attr(test, schemars(extend("enum" = ["done", "nothing_to_do", "dry_run"])))]
    outcome: &'static str,
    holder: Option<Holder>,
    run: Option<i64>,
}

impl From<&FreedLock> for LockRelease {
    fn from(freed: &FreedLock) -> Self {
        let holder = freed.holder.as_ref().map(Holder::from);
        Self { outcome: outcome(freed.outcome), holder, run: freed.run }
    }
}
