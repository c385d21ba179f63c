//! Brings the database to the version that this server needs.

use migrate_runtime::{AnyDatabase, Error, Event, Migrator, Outcome, StepOutcome};

use crate::config::Config;
use crate::{MIGRATIONS, console};

/// Applies what is pending, or refuses; says on standard output what was done.
///
/// A server that needs no migration does not wait. One that does waits for another server that migrates, but not for ever:
/// whoever started it should hear of it.
pub(crate) async fn bring_up_to_date(config: &Config) -> Result<(), Error> {
    let mut database = AnyDatabase::from_url(&config.database_url)?;
    let migrator = Migrator::new(&MIGRATIONS).wait_lock(config.wait).observer(tell);
    let report = migrator.auto_migrate(&mut database).await?;
    let version = match report.steps.last() {
        Some(step) => Some(step.version),
        None => report.assessment.database_version,
    };
    let version = version.map_or_else(|| "no version".to_owned(), |version| version.to_string());
    console::say(match report.outcome {
        Outcome::NothingToDo => format!("schema is up to date at {version}"),
        _ => format!("schema was brought to {version}"),
    });
    Ok(())
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
