//! What a table of SQLite looks like after all migrations of the directory: they are run on a database in memory.

use std::path::Path;
use std::sync::Arc;

use migrate_core::source::{self, LoadOptions};
use migrate_core::template::{Dependent, Table, TableDefinition};
use migrate_runtime::{Dialect, Migrator, ScratchDatabase, Target};

use crate::error::Error;
use crate::output::Printer;

/// Tables, and the columns of each that take values.
const COLUMNS: &str = "SELECT m.name, x.name FROM sqlite_master AS m, pragma_table_xinfo(m.name) AS x
    WHERE m.type = 'table' AND x.hidden = 0 ORDER BY m.rowid, x.cid";

/// Everything that somebody wrote, in the order in which it was made.
const OBJECTS: &str = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid";

/// What SQLite says of an object.
struct Object {
    kind: String,
    name: String,
    table: String,
    sql: String,
}

pub(super) fn of(table: &Table, directory: &Path, printer: &Printer) -> Result<TableDefinition, Error> {
    let options = LoadOptions { dialects: vec![Dialect::Sqlite], ..LoadOptions::new(directory.display().to_string()) };
    let options = LoadOptions { check_lock: false, ..options };
    let (registry, _) = source::load(directory, &options).into_registry().map_err(Error::Directory)?;
    let mut scratch = ScratchDatabase::create("sqlite::memory:")?;
    printer.detail("the migrations are run on a SQLite database in memory");
    scratch.run(&Migrator::new(Arc::new(registry)), Target::Latest)?;
    let objects: Vec<Object> = scratch.query(OBJECTS)?.into_iter().filter_map(object).collect();
    let columns = scratch.query(COLUMNS)?;
    scratch.remove()?;
    let is_it = |name: &str| name.eq_ignore_ascii_case(table.name());
    let Some(found) = objects.iter().find(|object| object.kind == "table" && is_it(&object.name)) else {
        return Err(Error::usage(
            format!("the migrations make no table `{}` on SQLite", table.name()),
            "name a table that `up` makes",
        ));
    };
    let of_table = |row: Vec<Option<String>>| match <[Option<String>; 2]>::try_from(row) {
        Ok([Some(table), Some(column)]) => is_it(&table).then_some(column),
        _ => None,
    };
    Ok(TableDefinition {
        // Its name as it was written when it was made.
        table: Table::parse(&found.name).unwrap_or_else(|_| table.clone()),
        sql: found.sql.clone(),
        columns: columns.into_iter().filter_map(of_table).collect(),
        dependents: dependents(&table.name().to_lowercase(), &objects),
    })
}

fn object(row: Vec<Option<String>>) -> Option<Object> {
    match <[Option<String>; 4]>::try_from(row) {
        Ok([Some(kind), Some(name), Some(table), Some(sql)]) => Some(Object { kind, name, table, sql }),
        _ => None,
    }
}

/// What goes with the table, and what mentions it or something that does: SQLite refuses to rename a table while a view
/// or trigger names what is not there.
fn dependents(table: &str, objects: &[Object]) -> Vec<Dependent> {
    let mut mentioned = vec![table.to_owned()];
    let mut dependents = Vec::new();
    for Object { kind, name, table: of, sql } in objects.iter().filter(|object| object.kind != "table") {
        let is_of_table = kind != "view" && of.eq_ignore_ascii_case(table);
        let text = sql.to_lowercase();
        let words: Vec<&str> = text.split(|it: char| !it.is_alphanumeric() && it != '_').collect();
        let mentions = kind != "index" && mentioned.iter().any(|name| words.contains(&name.as_str()));
        if !is_of_table && !mentions {
            continue;
        }
        if kind == "view" {
            mentioned.push(name.to_lowercase());
        }
        dependents.push(Dependent { kind: kind.clone(), name: name.clone(), sql: sql.clone(), is_of_table });
    }
    dependents
}
