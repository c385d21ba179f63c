//! The documents of `--json`, as `docs/json.md` describes them: keys may be added, never changed.

mod amend;
mod failure;
mod health;
mod history;
mod instances;
mod rollback;
mod run;
mod run_lock;
mod set;
mod shell;
mod standing;
mod verdict;

use serde::Serialize;

pub(crate) use amend::{Amended, Repairs};
pub(crate) use failure::Failed;
pub(crate) use health::Health;
pub(crate) use history::History;
pub(crate) use instances::Instances;
pub(crate) use rollback::Rollback;
pub(crate) use run::{Planned, PlannedStep, Run};
pub(crate) use run_lock::{LockRelease, RunLock};
pub(crate) use set::{Doctor, Graph, Init, List, Listed, Lock, New, Node, Symptom, Validate, problems};
pub(crate) use shell::{Config, ShownSetting, Text};
pub(crate) use standing::{Pending, Status, Version};
pub(crate) use verdict::{Check, Compatibility, Compatible, Minimum};

/// The format of every document.
const FORMAT: u32 = 1;

/// Any document: its format, then what the command has to say.
#[derive(Debug, Serialize)]
pub(crate) struct Document<T> {
    format: u32,
    #[serde(flatten)]
    body: T,
}

impl<T> Document<T> {
    pub(crate) const fn new(body: T) -> Self {
        Self { format: FORMAT, body }
    }
}
