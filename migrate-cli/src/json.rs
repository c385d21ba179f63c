//! The documents of `--json`, as `docs/json.md` describes them: keys may be added, never changed.

mod amend;
mod backup;
mod compare;
mod event;
mod failure;
mod health;
mod history;
mod instances;
mod rollback;
mod run;
mod run_lock;
#[cfg(all(test, feature = "program"))]
mod schemas;
mod set;
mod shell;
mod standing;
mod verdict;

use serde::Serialize;

pub(crate) use amend::{Amended, Repairs};
pub(crate) use backup::{Backups, OneBackup, PrunedBackups, RestoredBackup, Verified};
pub(crate) use compare::{ChangedScript, Comparison, Diff, SchemaDiff, SchemaDump, Tested, TestedMigration};
pub(crate) use event::{Happening, Line};
pub(crate) use failure::Failed;
pub(crate) use health::Health;
pub(crate) use history::History;
pub(crate) use instances::Instances;
pub(crate) use rollback::{Rollback, SNAPSHOT};
pub(crate) use run::{Planned, PlannedStep, Run};
pub(crate) use run_lock::{Holder, LockRelease, RunLock};
#[cfg(all(test, feature = "program"))]
pub(crate) use schemas::schemas;
pub(crate) use set::{
    Doctor, Fixed, Graph, Init, LeftOver, List, Listed, Lock, New, NewMigration, Node, ProvenOn, Squashed, Symptom,
    Validate, problems,
};
pub(crate) use shell::{Config, ShownSetting, Text};
pub(crate) use standing::{Pending, Status, Version};
pub(crate) use verdict::{Check, Compatibility};

/// The format of every document.
const FORMAT: u32 = 1;

/// Any document: its format, then what the command has to say.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Document<T> {
    #[cfg_attr(test, schemars(extend("const" = 1)))]
    format: u32,
    #[serde(flatten)]
    body: T,
}

impl<T> Document<T> {
    pub(crate) const fn new(body: T) -> Self {
        Self { format: FORMAT, body }
    }
}
