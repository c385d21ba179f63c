//! What a script may leave in the connection that would change what later scripts do: pragmas, temporary objects,
//! attached databases.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension};

use super::script::plain_error;
use super::tables::{pair, rows};
use crate::backend::{identifier, mentions};
use crate::error::Error;

/// The pragmas that a script can change for the connection, and that tell their value.
const PRAGMAS: [&str; 29] = [
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
    "fullfsync",
    "checkpoint_fullfsync",
    "cell_size_check",
    "max_page_count",
    "journal_size_limit",
    "wal_autocheckpoint",
    "mmap_size",
    "analysis_limit",
    "threads",
    "count_changes",
    "full_column_names",
    "short_column_names",
    "empty_result_callbacks",
];

/// The journal modes that end with the connection. `wal` and its opposite stay with the file: a script may want that.
const PASSING_JOURNAL_MODES: [&str; 4] = ["truncate", "persist", "memory", "off"];

/// The state of a connection when a run began.
#[derive(Debug, Default)]
pub(super) struct Session {
    pragmas: Vec<(&'static str, Value)>,
    journal_mode: String,
    /// What the pragma `case_sensitive_like` says, which cannot be asked.
    like_is_case_sensitive: bool,
    temporary: Vec<(String, String)>,
    attached: Vec<String>,
}

impl Session {
    pub(super) fn capture(connection: &Connection) -> Result<Self, Error> {
        let capture = || -> rusqlite::Result<Self> {
            let mut pragmas = Vec::new();
            for name in PRAGMAS {
                // A library built without some part has no value for its pragma.
                pragmas.extend(pragma(connection, name)?.map(|value| (name, value)));
            }
            Ok(Self {
                pragmas,
                journal_mode: journal_mode(connection)?,
                like_is_case_sensitive: like_is_case_sensitive(connection)?,
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
            self.restore_journal_mode(connection)?;
            self.drop_temporary(connection)
        };
        restore().map_err(|error| plain_error("the connection's settings could not be restored", &error))?;
        self.detach(connection)
    }

    /// Detaches what was attached since the run began, outside a transaction: inside one that used it SQLite refuses.
    pub(super) fn detach(&self, connection: &Connection) -> Result<(), Error> {
        let detach = || -> rusqlite::Result<()> {
            for name in attached(connection)?.into_iter().filter(|name| !self.attached.contains(name)) {
                connection.execute_batch(&format!("DETACH {}", identifier(&name)))?;
            }
            Ok(())
        };
        detach().map_err(|error| plain_error("a database that a script attached could not be detached", &error))
    }

    fn restore_pragmas(&self, connection: &Connection) -> rusqlite::Result<()> {
        for (name, wanted) in &self.pragmas {
            if pragma(connection, name)?.is_some_and(|value| value != *wanted) {
                // Some pragmas answer with their new value, so this is a query.
                let text = match wanted {
                    Value::Text(text) => text.clone(),
                    Value::Integer(number) => number.to_string(),
                    _ => continue,
                };
                connection.prepare(&format!("PRAGMA {name} = {text}"))?.query([])?.next()?;
            }
        }
        if like_is_case_sensitive(connection)? != self.like_is_case_sensitive {
            connection.pragma_update(None, "case_sensitive_like", self.like_is_case_sensitive)?;
        }
        Ok(())
    }

    fn restore_journal_mode(&self, connection: &Connection) -> rusqlite::Result<()> {
        let now = journal_mode(connection)?;
        if now == self.journal_mode || !PASSING_JOURNAL_MODES.contains(&&*now) {
            return Ok(());
        }
        // Whoever leaves WAL leaves it for good; what follows is then the mode that every new connection has.
        let wanted = if self.journal_mode == "wal" { "delete" } else { &self.journal_mode };
        connection.prepare(&format!("PRAGMA main.journal_mode = {wanted}"))?.query([])?.next()?;
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

/// Runs `body` on a connection that may be written, and tells it whether a script has made it read-only
/// (`PRAGMA query_only`), which it is again afterwards.
pub(super) fn writable<T>(
    connection: &Connection,
    body: impl FnOnce(&Connection, bool) -> Result<T, Error>,
) -> Result<T, Error> {
    let read_only = pragma(connection, "query_only").map_err(|error| switch_error(&error))? == Some(Value::Integer(1));
    set_read_only(connection, false)?;
    let result = body(connection, read_only);
    let again = if read_only { set_read_only(connection, true) } else { Ok(()) };
    match result {
        Ok(value) => again.map(|()| value),
        Err(error) => Err(error.and_also("and the connection stays writable", again)),
    }
}

pub(super) fn set_read_only(connection: &Connection, read_only: bool) -> Result<(), Error> {
    connection.pragma_update(None, "query_only", read_only).map_err(|error| switch_error(&error))
}

fn switch_error(error: &rusqlite::Error) -> Error {
    plain_error("`query_only` could not be switched", error)
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<Option<Value>> {
    connection.pragma_query_value(None, name, |row| row.get(0)).optional()
}

fn journal_mode(connection: &Connection) -> rusqlite::Result<String> {
    connection.query_row("PRAGMA main.journal_mode", [], |row| row.get(0))
}

fn like_is_case_sensitive(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT NOT ('a' LIKE 'A')", [], |row| row.get(0))
}

/// The temporary objects, those that hang on others first: newer ones may refer to older ones, and the tables that a virtual
/// table keeps its data in go with it.
fn temporary(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    rows(
        connection,
        "SELECT type, name FROM temp.sqlite_master WHERE type <> 'index' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
             ORDER BY CASE WHEN type = 'trigger' THEN 1 WHEN type = 'view' THEN 2 WHEN sql LIKE 'CREATE VIRTUAL %' THEN 3
                 ELSE 4 END, rowid DESC",
        &[],
        pair,
    )
}

fn attached(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    Ok(databases(connection)?.into_iter().filter(|name| name != "main" && name != "temp").collect())
}

/// The main database, the temporary one if there is one, and those that are attached.
pub(super) fn databases(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    rows(connection, "PRAGMA database_list", &[], |row| row.get(1))
}
