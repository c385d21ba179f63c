//! `health`, and what the checks around a run came to.

use migrate_runtime::CheckResult;
use serde::Serialize;

/// `health`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Health {
    #[cfg_attr(test, schemars(extend("enum" = ["healthy", "unhealthy"])))]
    outcome: &'static str,
    checks: Vec<Checked>,
}

impl Health {
    pub(crate) fn new(results: &[CheckResult]) -> Self {
        let unhealthy = results.iter().any(CheckResult::is_error);
        Self { outcome: if unhealthy { "unhealthy" } else { "healthy" }, checks: checked(results) }
    }
}

/// The checks around a run.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Around {
    before: Vec<Checked>,
    after: Vec<Checked>,
}

impl Around {
    /// `None` when no check was made.
    pub(super) fn of(health: &migrate_runtime::Health) -> Option<Self> {
        let (before, after) = (checked(&health.before), checked(&health.after));
        (!before.is_empty() || !after.is_empty()).then_some(Self { before, after })
    }
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Checked {
    check: &'static str,
    #[cfg_attr(test, schemars(extend("enum" = ["passed", "failed", "not_checked"])))]
    state: &'static str,
    #[cfg_attr(test, schemars(extend("enum" = ["warning", "error"])))]
    severity: &'static str,
    message: String,
    help: Option<String>,
    tries: u32,
    execution_time_ms: u64,
}

impl From<&CheckResult> for Checked {
    fn from(result: &CheckResult) -> Self {
        Self {
            check: result.check.as_str(),
            state: result.state.as_str(),
            severity: result.severity.as_str(),
            message: result.message.clone(),
            help: result.help.clone(),
            tries: result.tries,
            execution_time_ms: result.execution_time_ms,
        }
    }
}

fn checked(results: &[CheckResult]) -> Vec<Checked> {
    results.iter().map(Checked::from).collect()
}
