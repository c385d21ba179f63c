//! What a SQLite database holds.
//!
//! The pragmas tell most of a table's structure; the text of `CREATE TABLE` is asked for the rest (`definition`).

mod definition;

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use self::definition::{clauses, plain};
use crate::backend::identifier;
use crate::backend::sqlite::{open_to_read, plain_error};
use crate::error::Error;

/// The structure of a file, which has none while it is not there.
pub(crate) fn of_file(path: &Path, ledger: &str) -> Result<Vec<String>, Error> {
    let Some(mut connection) = open_to_read(path)? else {
        return Ok(Vec::new());
    };
    let mut read = || {
        let transaction = connection.transaction()?;
        structure(&transaction, ledger)
    };
    read().map_err(|error| plain_error("the structure could not be read", &error))
}

/// The rows of a query, as text.
pub(crate) fn query(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<Vec<Option<String>>>> {
    let text = |value: ValueRef<'_>| match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
    };
    each(connection, sql, [], |row| (0..row.as_ref().column_count()).map(|at| row.get_ref(at).map(text)).collect())
}

struct Table {
    name: String,
    is_virtual: bool,
    without_rowid: bool,
    strict: bool,
}

/// The structure, an entry for each part, in any order, without the tables whose names begin with `ledger`.
pub(crate) fn structure(connection: &Connection, ledger: &str) -> rusqlite::Result<Vec<String>> {
    let mut entries = Vec::new();
    for table in tables(connection, ledger)? {
        let title = format!("table {}", plain(&table.name));
        let sql: String = connection.query_row(
            "SELECT sql FROM main.sqlite_master WHERE type = 'table' AND name = ?1",
            [&table.name],
            |row| row.get(0),
        )?;
        if table.is_virtual {
            entries.push(format!("{title}: {}", plain(&sql)));
            continue;
        }
        let without_rowid = if table.without_rowid { ", without rowid" } else { "" };
        let strict = if table.strict { ", strict" } else { "" };
        entries.push(format!("{title}{without_rowid}{strict}"));
        let mut parts = columns(connection, &table.name)?;
        parts.extend(foreign_keys(connection, &table.name)?);
        parts.extend(indexes(connection, &table.name)?);
        parts.extend(clauses(&sql));
        entries.extend(parts.iter().map(|part| format!("{title} {part}")));
    }
    let sql = "SELECT type, name, sql FROM main.sqlite_master WHERE type IN ('view', 'trigger')";
    let others = each(connection, sql, [], |row| {
        let (kind, name, sql): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(format!("{kind} {}: {}", plain(&name), plain(&sql)))
    })?;
    entries.extend(others);
    Ok(entries)
}

/// The tables that are the user's own; what a virtual table keeps in shadow tables is its own affair.
fn tables(connection: &Connection, ledger: &str) -> rusqlite::Result<Vec<Table>> {
    let sql = "SELECT name, type, wr, strict FROM pragma_table_list
        WHERE schema = 'main' AND type IN ('table', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut tables = each(connection, sql, [], |row| {
        let kind: String = row.get(1)?;
        let is_virtual = kind == "virtual";
        Ok(Table { name: row.get(0)?, is_virtual, without_rowid: row.get(2)?, strict: row.get(3)? })
    })?;
    tables.retain(|table| !table.name.starts_with(ledger));
    Ok(tables)
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1)";
    each(connection, sql, [table], |row| {
        let (name, kind): (String, String) = (row.get(0)?, row.get(1)?);
        let not_null = if row.get(2)? { " not null" } else { "" };
        let default: Option<String> = row.get(3)?;
        let default = default.map(|default| format!(" default {}", plain(&default))).unwrap_or_default();
        let key: u32 = row.get(4)?;
        let key = if key > 0 { format!(" primary key {key}") } else { String::new() };
        let generated = match row.get(5)? {
            2 => " generated virtual",
            3 => " generated stored",
            _ => "",
        };
        Ok(format!("column {}: {}{not_null}{default}{key}{generated}", plain(&name), plain(&kind)))
    })
}

fn foreign_keys(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    struct ForeignKey {
        from: Vec<String>,
        to: Vec<String>,
        parent: String,
        actions: String,
    }
    let mut keys: BTreeMap<i64, ForeignKey> = BTreeMap::new();
    let sql = "SELECT id, \"from\", \"to\", \"table\", on_update, on_delete FROM pragma_foreign_key_list(?1) ORDER BY id, seq";
    each(connection, sql, [table], |row| {
        let (from, to, parent): (String, Option<String>, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let (update, delete): (String, String) = (row.get(4)?, row.get(5)?);
        let key = keys.entry(row.get(0)?).or_insert_with(|| ForeignKey {
            from: Vec::new(),
            to: Vec::new(),
            parent: plain(&parent),
            actions: format!("on update {update} on delete {delete}").to_lowercase(),
        });
        key.from.push(from.to_lowercase());
        key.to.extend(to.map(|to| to.to_lowercase()));
        Ok(())
    })?;
    let key = |key: &ForeignKey| {
        let (from, to) = (key.from.join(", "), key.to.join(", "));
        format!("foreign key ({from}) references {} ({to}) {}", key.parent, key.actions)
    };
    Ok(keys.values().map(key).collect())
}

fn indexes(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT list.name, list.origin, master.sql
        FROM pragma_index_list(?1) AS list
        LEFT JOIN main.sqlite_master AS master ON master.type = 'index' AND master.name = list.name";
    let indexes = each(connection, sql, [table], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let mut entries = Vec::new();
    for (name, origin, sql) in indexes {
        let (name, origin, sql): (String, String, Option<String>) = (name, origin, sql);
        if let Some(sql) = sql {
            entries.push(format!("index {}: {}", plain(&name), plain(&sql)));
            continue;
        }
        let columns = "SELECT lower(name) || CASE WHEN desc THEN ' desc' ELSE '' END || ' collate ' || lower(coll)
            FROM pragma_index_xinfo(?1) WHERE key ORDER BY seqno";
        let columns: Vec<String> = each(connection, columns, [&name], |row| row.get(0))?;
        let kind = if origin == "pk" { "primary key" } else { "unique" };
        entries.push(format!("{kind} ({})", columns.join(", ")));
    }
    Ok(entries)
}

/// The rows as `table: values`, in any order, without those of the tables whose names begin with `ledger`.
pub(crate) fn rows(connection: &Connection, ledger: &str) -> rusqlite::Result<Vec<String>> {
    let mut rows = Vec::new();
    for table in tables(connection, ledger)?.iter().filter(|table| !table.is_virtual) {
        let sql = "SELECT name FROM pragma_table_xinfo(?1) WHERE hidden <> 1 ORDER BY name";
        let columns: Vec<String> = each(connection, sql, [&table.name], |row| row.get(0))?;
        let values: Vec<String> = columns.iter().map(|column| format!("quote({})", identifier(column))).collect();
        let sql = format!("SELECT {} FROM main.{}", values.join(", "), identifier(&table.name));
        rows.extend(each(connection, &sql, [], |row| {
            let mut values = Vec::new();
            for (index, column) in columns.iter().enumerate() {
                let value: String = row.get(index)?;
                values.push(format!("{column}={value}"));
            }
            Ok(format!("{}: {}", plain(&table.name), values.join(", ")))
        })?);
    }
    Ok(rows)
}

fn each<T, P: rusqlite::Params>(
    connection: &Connection,
    sql: &str,
    parameters: P,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare(sql)?.query_map(parameters, read)?.collect()
}
