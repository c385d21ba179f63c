//! SQLite changes little of a table in place: the rest by a new table that takes the old one's rows and name.

use super::Draft;
use super::identifier::{self, Table};
use crate::migration::{Dialect, Role};

/// A table as SQLite describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDefinition {
    /// Its name.
    pub table: Table,
    /// The statement that makes it.
    pub sql: String,
    /// The columns that take values, so not the generated ones.
    pub columns: Vec<String>,
    /// What goes with it or stands in the way of its new name, in the order in which it was made.
    pub dependents: Vec<Dependent>,
}

/// An index or trigger of a table, or a view or trigger that mentions it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependent {
    /// `index`, `trigger` or `view`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The statement that makes it.
    pub sql: String,
    /// Whether it goes with the table; others have to be dropped first.
    pub is_of_table: bool,
}

/// A migration that rebuilds a table as it is, to be edited.
#[must_use]
pub fn sqlite_rebuild(definition: &TableDefinition, dialects: &[Dialect]) -> Draft {
    let name = definition.table.name();
    let up = "-- Change the definition below, and the columns that are copied where they differ. The rest is as SQLite wants it:
-- with foreign keys off (\"foreign_keys\": \"off\" in metadata.json), DROP TABLE leaves the rows alone that refer to it.
";
    let down = "-- The definition from before, and the columns that it has.\n";
    let statements = statements(definition);
    let script = |intro: &'static str| {
        let statements = &statements;
        move |dialect| match dialect {
            Dialect::Sqlite => format!("{intro}{statements}"),
            Dialect::Postgres => {
                format!("-- PostgreSQL changes a table in place: ALTER TABLE {} ...\nSELECT 1;\n", definition.table)
            }
        }
    };
    let draft = Draft::new(&format!("rebuild_{name}"), format!("Table {name} is rebuilt"))
        .script_of(Role::Up, dialects, script(up))
        .script_of(Role::Down, dialects, script(down));
    Draft { foreign_keys_off: true, ..draft }
}

fn statements(definition: &TableDefinition) -> String {
    let TableDefinition { table, sql, columns, dependents } = definition;
    let copy = identifier::of(&format!("{}_new", table.name())).expect("the table has a name like that");
    let columns: Vec<String> = columns.iter().map(|column| any(column)).collect();
    let columns = columns.join(", ");
    let mut text = String::new();
    for Dependent { kind, name, .. } in dependents.iter().rev().filter(|it| !it.is_of_table) {
        text.push_str(&format!("DROP {} {};\n", kind.to_uppercase(), any(name)));
    }
    text.push_str(&format!(
        "CREATE TABLE {copy} {};
INSERT INTO {copy} ({columns}) SELECT {columns} FROM {table};
DROP TABLE {table};
ALTER TABLE {copy} RENAME TO {table};
",
        body(sql)
    ));
    for dependent in dependents {
        text.push_str(&format!("{};\n", dependent.sql.trim_end()));
    }
    text
}

/// A name that is in the database, whatever it is made of.
fn any(name: &str) -> String {
    identifier::of(name).unwrap_or_else(|_| format!("\"{}\"", name.replace('"', "\"\"")))
}

/// What stands behind the name in a `CREATE TABLE` that SQLite has kept, which normalises what stands before it.
fn body(sql: &str) -> &str {
    let rest = sql.trim_start();
    let rest = rest.get("CREATE TABLE ".len()..).unwrap_or(rest).trim_start();
    let closing = match rest.chars().next() {
        Some('"') => '"',
        Some('`') => '`',
        Some('\'') => '\'',
        Some('[') => ']',
        _ => {
            let end = rest.find(|it: char| it.is_whitespace() || it == '(').unwrap_or(rest.len());
            return rest[end..].trim_start();
        }
    };
    let mut at = 1;
    while let Some(end) = rest[at..].find(closing) {
        at += end + 1;
        // A doubled quotation mark is part of the name.
        if closing == ']' || !rest[at..].starts_with(closing) {
            break;
        }
        at += 1;
    }
    rest[at..].trim_start()
}

#[cfg(test)]
mod tests {
    use super::body;

    #[test]
    fn the_name_is_cut_off() {
        for sql in [
            "CREATE TABLE users (id)",
            "CREATE TABLE users(id)",
            "CREATE TABLE \"us(\"\"ers\" (id)",
            "CREATE TABLE [users] (id)",
            "CREATE TABLE `users`\n(id)",
        ] {
            assert_eq!(body(sql), "(id)", "{sql}");
        }
    }
}
