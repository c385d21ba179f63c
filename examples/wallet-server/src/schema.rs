//! Brings the database to the version that this server needs, and keeps it from being taken away while the server runs.

use std::sync::Arc;

use migrate_runtime::{
    AnyDatabase, AutoMigrateOptions, Error, Event, Instance, Migrator, Outcome, Report, StepOutcome, Stop,
};
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::{MIGRATIONS, console};

/// The schema, for as long as this server serves: nobody takes a step that would break it before it has left.
pub(crate) struct Schema {
    instance: Arc<Instance>,
    deferred: Option<Deferred>,
}

/// Steps that older servers would not survive, and that wait until these are gone.
struct Deferred {
    task: JoinHandle<()>,
    stop: Stop,
}

impl Schema {
    /// Applies what is pending, or refuses; says on standard output what was done.
    ///
    /// A server that needs no migration does not wait. One that does waits for another server that migrates, but not for
    /// ever: whoever started it should hear of it. What would break an older server that still runs is done when that has
    /// left.
    pub(crate) async fn bring_up_to_date(config: &Config) -> Result<Self, Error> {
        let mut database = AnyDatabase::from_url(&config.database_url)?;
        let stop = Stop::new();
        let migrator = Migrator::new(&MIGRATIONS).wait_lock(config.wait).observer(tell).stop(stop.clone());
        let options = AutoMigrateOptions { defer_breaking: true, ..AutoMigrateOptions::default() };
        let report = migrator.auto_migrate_with(&mut database, options).await?;
        console::say(summary(&report));
        let instance = migrator.register_instance(&mut database).await?;
        let deferred = (report.outcome == Outcome::Deferred)
            .then(|| Deferred { task: tokio::spawn(finish_deferred(migrator, database)), stop });
        Ok(Self { instance: Arc::new(instance), deferred })
    }

    /// What keeps this server registered as running: its readiness depends on that.
    pub(crate) fn instance(&self) -> Arc<Instance> {
        self.instance.clone()
    }

    /// Ends what is still waiting; the next start finishes it.
    pub(crate) async fn let_go(self) {
        if let Some(Deferred { task, stop }) = self.deferred {
            stop.after_this_step();
            if let Err(error) = task.await {
                console::complain(format_args!("the deferred migrations: {error}"));
            }
        }
    }
}

async fn finish_deferred(migrator: Migrator, mut database: AnyDatabase) {
    match migrator.finish_deferred(&mut database).await {
        Ok(report) => console::say(summary(&report)),
        // The server goes on: it works with the schema as it is.
        Err(error) => console::complain(format_args!("the deferred migrations: {error}")),
    }
}

fn summary(report: &Report) -> String {
    let version = match report.steps.last() {
        Some(step) => Some(step.version),
        None => report.assessment.database_version,
    };
    let version = version.map_or_else(|| "no version".to_owned(), |version| version.to_string());
    match report.outcome {
        Outcome::NothingToDo => format!("schema is up to date at {version}"),
        Outcome::Deferred => format!("schema is at {version}; the rest waits until older servers are gone"),
        _ => format!("schema was brought to {version}"),
    }
}

/// A line as each step is done, not when all are: somebody may be waiting for the server to come up.
fn tell(event: &Event<'_>) {
    match event {
        Event::Stale(stale) => console::complain(format_args!("warning: {stale}: {}", stale.help)),
        Event::Waiting(holder) => console::complain(format_args!("waiting for the run of {holder}")),
        Event::StepEnded(step) if step.outcome == StepOutcome::Done => {
            console::say(format_args!("applied {} {} ({} ms)", step.version, step.name, step.execution_time_ms));
        }
        Event::Retrying { step, error } => {
            console::complain(format_args!("trying {} {} again: {error}", step.version, step.name));
        }
        _ => {}
    }
}
