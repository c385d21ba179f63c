//! Reading a database to judge it for every version of the program that matters.

use std::time::Duration;

use migrate_core::compat::matrix::{Matrix, matrix};
use semver::Version;

use super::{rules, with_changed_scripts};
use crate::backend::Backend;
use crate::call::Operation;
use crate::error::Error;
use crate::migrator::SharedRegistry;
use crate::options::{Settings, Tables};

/// Reads a database and judges it, and every schema it may have, for many programs.
#[derive(Debug)]
pub(crate) struct ReadMatrix {
    pub(crate) registry: SharedRegistry,
    pub(crate) settings: Settings,
    /// Versions of the program beside those that migrations ask for and those that run.
    pub(crate) further: Vec<Version>,
}

impl Operation for ReadMatrix {
    type Output = Matrix;

    fn tables(&self) -> Tables {
        self.settings.tables.clone()
    }

    async fn run<B: Backend>(self, backend: &mut B) -> Result<Matrix, Error> {
        let registered = backend.instances().await?.instances.into_iter();
        let live = registered.filter(|instance| instance.is_live(Duration::ZERO));
        let running = live.filter_map(|instance| Version::parse(&instance.runtime_version).ok());
        let further: Vec<Version> = self.further.into_iter().chain(running).collect();
        let snapshot = backend.read().await?;
        let snapshot = with_changed_scripts(backend, &self.registry, snapshot).await?;
        Ok(matrix(&self.registry, &snapshot, B::DIALECT, &rules(&self.settings), &further))
    }
}
