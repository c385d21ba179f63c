//! From the steps of a plan to what a backend executes: scripts, paths, timeouts, ledger columns.

use std::borrow::Cow;
use std::collections::BTreeMap;

use migrate_core::migration::{Dialect, Role};
use migrate_core::plan::{Direction, Origin, Step};
use migrate_core::registry::Registry;
use migrate_core::version::SchemaVersion;

use super::stored;
use crate::backend::{Backend, File, Source, Stored, Work, ledger_error};
use crate::error::Error;
use crate::options::Settings;

/// Gathers what the steps need, fetching stored scripts from the ledger where a step uses one.
pub(super) async fn prepare<'a, B: Backend>(
    backend: &mut B,
    registry: &'a Registry,
    settings: &'a Settings,
    steps: &'a [Step],
) -> Result<Vec<Work<'a>>, Error> {
    let from_ledger: Vec<SchemaVersion> =
        steps.iter().filter(|step| step.origin == Origin::Ledger).map(|step| step.version).collect();
    let mut stored = BTreeMap::new();
    if !from_ledger.is_empty() {
        stored.extend(backend.stored(&from_ledger).await?.into_iter().map(|row| (row.version, row)));
    }
    let mut works: Vec<Work<'a>> = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        let after = index.checked_sub(1).map(|before| &steps[before]);
        let work = match step.origin {
            Origin::Registry => of_registry(registry, settings, step, B::DIALECT),
            Origin::Ledger => match stored.remove(&step.version) {
                Some(row) => of_ledger(settings, step, &row)?,
                None => None,
            },
        };
        let missing = || ledger_error(&settings.tables.table, &format!("the script of {} is gone", step.version));
        works.push(Work { after, ..work.ok_or_else(missing)? });
    }
    Ok(works)
}

pub(super) fn of_registry<'a>(
    registry: &'a Registry,
    settings: &'a Settings,
    step: &'a Step,
    dialect: Dialect,
) -> Option<Work<'a>> {
    let migration = registry.find(step.version)?;
    let file = |role| {
        let script = migration.script(role, dialect)?;
        Some(File { source: Source::Registry(registry, migration, script), sql: Cow::Borrowed(&*script.sql) })
    };
    let (script, verify, recorded) = match step.direction {
        Direction::Up => (file(Role::Up)?, file(Role::Verify), Some(migration)),
        Direction::Down => (file(Role::Down)?, None, None),
    };
    Some(Work {
        step,
        script,
        verify,
        migration: recorded,
        // What was begun statement by statement is finished so, whatever its metadata says by now.
        transactional: migration.transaction() && step.resume_after.is_none(),
        foreign_keys_off: migration.foreign_keys_off(),
        lock_timeout: migration.lock_timeout().unwrap_or(settings.lock_timeout),
        statement_timeout: migration.statement_timeout().or(settings.statement_timeout),
        blocker_queries: settings.blocker_queries,
        stop: &settings.stop,
        after: None,
    })
}

fn of_ledger<'a>(settings: &'a Settings, step: &'a Step, row: &Stored) -> Result<Option<Work<'a>>, Error> {
    let Some(script) = stored::undamaged(&settings.tables.table, row)? else {
        return Ok(None);
    };
    settings.as_shown(&script)?;
    Ok(Some(Work {
        step,
        script: File { source: Source::Ledger(step.version), sql: Cow::Owned(script.sql) },
        verify: None,
        migration: None,
        transactional: row.transactional && step.resume_after.is_none(),
        foreign_keys_off: row.foreign_keys_off,
        lock_timeout: settings.lock_timeout,
        statement_timeout: settings.statement_timeout,
        blocker_queries: settings.blocker_queries,
        stop: &settings.stop,
        after: None,
    }))
}
