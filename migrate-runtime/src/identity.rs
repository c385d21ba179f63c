//! Who runs: recorded in the lock and in every history row.

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
