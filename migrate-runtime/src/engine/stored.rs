//! The down scripts that the ledger keeps: reading them, and refusing a damaged one.

use migrate_core::checksum::Checksum;
use migrate_core::version::SchemaVersion;

use crate::backend::{Backend, Stored, ledger_error};
use crate::call::Operation;
use crate::error::Error;
use crate::options::{Settings, Tables};
use crate::report::StoredScript;

/// Reads stored down scripts.
#[derive(Debug)]
pub(crate) struct ReadStored {
    pub(crate) settings: Settings,
    pub(crate) versions: Vec<SchemaVersion>,
}

impl Operation for ReadStored {
    type Output = Vec<StoredScript>;

    fn tables(&self) -> Tables {
        self.settings.tables.clone()
    }

    async fn run<B: Backend>(self, backend: &mut B) -> Result<Vec<StoredScript>, Error> {
        // The first read finds out where our tables are, and whether.
        let snapshot = backend.read().await?;
        let wanted = self.versions.iter().copied().filter(|version| snapshot.find(*version).is_some());
        let wanted: Vec<SchemaVersion> = wanted.collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let mut scripts = Vec::new();
        for row in backend.stored(&wanted).await? {
            scripts.extend(undamaged(&self.settings.tables.table, &row)?);
        }
        scripts.sort_by_key(|script| std::cmp::Reverse(script.version));
        Ok(scripts)
    }
}

/// The down script of a row, if it stores one.
///
/// # Errors
///
/// The script is not the one that was stored.
pub(super) fn undamaged(table: &str, row: &Stored) -> Result<Option<StoredScript>, Error> {
    let Some(sql) = &row.down_sql else {
        return Ok(None);
    };
    let (version, found) = (row.version, Checksum::of(sql).to_string());
    if let Some(recorded) = row.down_checksum.as_ref().filter(|recorded| **recorded != found) {
        let problem = format!(
            "the down script of migration {version} is not the one that was stored with it: \
             its checksum is {found}, and {recorded} was recorded"
        );
        return Err(ledger_error(table, &problem).with_migration(version).with_help(format!(
            "nothing was run; undo it with a program that holds migration {version}, whose own script counts then, or put the \
             stored script (`down_sql` of its row) back from a backup"
        )));
    }
    Ok(Some(StoredScript { version, sql: sql.clone() }))
}
