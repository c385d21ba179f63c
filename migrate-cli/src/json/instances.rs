//! Running programs.

use std::time::Duration;

use migrate_runtime::RunningInstance;
use serde::Serialize;

/// `instances`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Instances {
    instances: Vec<Instance>,
}

impl From<&[RunningInstance]> for Instances {
    fn from(instances: &[RunningInstance]) -> Self {
        Self { instances: instances.iter().map(Instance::from).collect() }
    }
}

/// A program that registered.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Instance {
    id: String,
    runtime_version: String,
    registry_head: Option<String>,
    registry_digest: String,
    host: String,
    process: u32,
    started_at: String,
    last_seen_at: String,
    alive: bool,
}

impl From<&RunningInstance> for Instance {
    fn from(instance: &RunningInstance) -> Self {
        Self {
            id: instance.id.clone(),
            runtime_version: instance.runtime_version.clone(),
            registry_head: instance.registry_head.map(|version| version.to_string()),
            registry_digest: instance.registry_digest.clone(),
            host: instance.host.clone(),
            process: instance.process,
            started_at: instance.started_at.clone(),
            last_seen_at: instance.last_seen_at.clone(),
            alive: instance.is_live(Duration::ZERO),
        }
    }
}
