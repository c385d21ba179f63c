//! `instances`: the programs that registered as running.

use std::time::Duration;

use migrate_runtime::RunningInstance;

use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::{Printer, aligned};
use crate::time::local;

pub(super) fn instances(session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let instances = session.migrator.instances(&mut session.database).wait()?;
    printer.answer(&Document::new(json::Instances::from(&*instances)), || text(&instances));
    Ok(Exit::Done)
}

fn text(instances: &[RunningInstance]) -> String {
    if instances.is_empty() {
        return "no program has registered as running".to_owned();
    }
    let header = ["program", "host", "process", "since", "last seen"].map(str::to_owned).to_vec();
    aligned(&[vec![header], instances.iter().map(cells).collect()].concat())
}

fn cells(instance: &RunningInstance) -> Vec<String> {
    let is_live = instance.is_live(Duration::ZERO);
    vec![
        instance.runtime_version.clone(),
        instance.host.clone(),
        instance.process.to_string(),
        local(&instance.started_at),
        local(&instance.last_seen_at),
        if is_live { String::new() } else { "expired".to_owned() },
    ]
}
