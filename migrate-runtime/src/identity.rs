//! Who runs: recorded in the lock and in every history row.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// The user, host and process that a run belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct Identity {
    pub actor: String,
    pub host: String,
    pub process: u32,
}

impl Identity {
    /// The operating system's words for this process.
    pub(crate) fn of_this_process() -> Self {
        let given = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        let user = ["MIGRATION_ACTOR", "USER", "LOGNAME", "USERNAME"].into_iter().find_map(given);
        Self {
            actor: user.unwrap_or_else(|| "unknown".to_owned()),
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            process: std::process::id(),
        }
    }
}

/// A name unlike any other, of 32 hexadecimal digits.
pub(crate) fn random_name() -> String {
    format!("{:016x}{:016x}", random(), random())
}

/// A number from 0 up to, but not including, 1.
pub(crate) fn random_fraction() -> f64 {
    f64::from((random() >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
}

fn random() -> u64 {
    // Every `RandomState` has keys that differ from every other's.
    RandomState::new().build_hasher().finish()
}
