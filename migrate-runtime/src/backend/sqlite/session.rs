//! What a script may leave in the connection that would change what later scripts do: pragmas, temporary objects,
//! attached databases.

use rusqlite::Connection;
use rusqlite::types::Value;

use super::script::plain_error;
use crate::backend::{identifier, mentions};
use crate::error::Error;

/// The pragmas that a script can change for the connection. `case_sensitive_like` is not among them: it cannot be read.
const PRAGMAS: [&str; 16] = [
    "foreign_keys",
    "legacy_alter_table",
    "recursive_triggers",
    "ignore_check_constraints",
    "reverse_unordered_selects",
    "query_only",
    "writable_schema",
    "trusted_schema",
    "automatic_index",
    "read_uncommitted",
    "secure_delete",
    "cache_size",
    "busy_timeout",
    "synchronous",
    "temp_store",
    "locking_mode",
];

/// The state of a connection when a run began.
#[derive(Debug, Default)]
pub(super) struct Session {
    pragmas: Vec<(&'static str, Value)>,
    temporary: Vec<(String, String)>,
    attached: Vec<String>,
}

impl Session {
    pub(super) fn capture(connection: &Connection) -> Result<Self, Error> {
        let capture = || -> rusqlite::Result<Self> {
            let pragmas = PRAGMAS.into_iter().map(|name| Ok((name, pragma(connection, name)?)));
            Ok(Self {
                pragmas: pragmas.collect::<rusqlite::Result<_>>()?,
                temporary: temporary(connection)?,
                attached: attached(connection)?,
            })
        };
        capture().map_err(|error| plain_error("the connection's settings could not be read", &error))
    }

    /// Undoes what a script left, inside the transaction in which it ran. What the script does not speak of costs
    /// nothing.
    pub(super) fn restore_after(&self, connection: &Connection, script: &str) -> Result<(), Error> {
        let restore = || -> rusqlite::Result<()> {
            if mentions(script, "pragma") {
                self.restore_pragmas(connection)?;
            }
            if mentions(script, "temp") {
                self.drop_temporary(connection)?;
            }
            Ok(())
        };
        restore().map_err(|error| plain_error("the connection's settings could not be restored", &error))
    }

    /// Undoes everything, outside a transaction.
    pub(super) fn restore(&self, connection: &Connection) -> Result<(), Error> {
        let restore = || -> rusqlite::Result<()> {
            self.restore_pragmas(connection)?;
            self.drop_temporary(connection)?;
            for name in attached(connection)?.into_iter().filter(|name| !self.attached.contains(name)) {
                connection.execute_batch(&format!("DETACH {}", identifier(&name)))?;
            }
            Ok(())
        };
        restore().map_err(|error| plain_error("the connection's settings could not be restored", &error))
    }

    fn restore_pragmas(&self, connection: &Connection) -> rusqlite::Result<()> {
        for (name, wanted) in &self.pragmas {
            if pragma(connection, name)? != *wanted {
                // Some pragmas answer with their new value, so this is a query.
                let text = match wanted {
                    Value::Text(text) => text.clone(),
                    Value::Integer(number) => number.to_string(),
                    _ => continue,
                };
                connection.prepare(&format!("PRAGMA {name} = {text}"))?.query([])?.next()?;
            }
        }
        Ok(())
    }

    fn drop_temporary(&self, connection: &Connection) -> rusqlite::Result<()> {
        for (kind, name) in temporary(connection)? {
            if !self.temporary.contains(&(kind.clone(), name.clone())) {
                connection.execute_batch(&format!("DROP {kind} IF EXISTS temp.{}", identifier(&name)))?;
            }
        }
        Ok(())
    }
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<Value> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// The temporary objects, those that hang on others first.
fn temporary(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    connection
        .prepare(
            "SELECT type, name FROM temp.sqlite_master WHERE type <> 'index' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
             ORDER BY CASE type WHEN 'trigger' THEN 1 WHEN 'view' THEN 2 ELSE 3 END",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

fn attached(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let names: Vec<String> = connection
        .prepare("PRAGMA database_list")?
        .query_map([], |row| row.get(1))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(names.into_iter().filter(|name| name != "main" && name != "temp").collect())
}
