//! What a new migration begins with: the files of the templates of `migrate new`.
//!
//! Every template writes scripts that run as they are, with comments that say what to look at before they do.

mod expand_contract;
mod identifier;
mod rebuild;

use std::fmt;

use crate::migration::{Dialect, Phase, Role, file_name};
use crate::name::{PLACEHOLDER, to_name};

pub use self::identifier::{Column, Table};
pub use self::rebuild::{Dependent, TableDefinition, sqlite_rebuild};

/// A template whose files follow from its arguments alone; [`sqlite_rebuild`] also needs the table's definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template {
    /// Scripts with a comment.
    Empty,
    /// A new table.
    Table,
    /// A new column.
    Column,
    /// An index that is built while others write.
    IndexConcurrently,
    /// A new value of an enum type.
    EnumValue,
    /// A change in three steps, so that old and new programs work at every moment.
    ExpandContract,
    /// A change of rows.
    Data,
}

/// A migration to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its name.
    pub name: String,
    /// One line.
    pub description: Option<String>,
    /// Which phase of a change in steps it is.
    pub phase: Option<Phase>,
    /// Whether it runs in one transaction.
    pub transaction: bool,
    /// Whether SQLite's foreign keys are switched off around it.
    pub foreign_keys_off: bool,
    /// Why it cannot be taken back.
    pub irreversible: Option<String>,
    /// Which of the drafts before it it depends on, by index.
    pub depends_on: Vec<usize>,
    /// Whether it must not be applied together with those before it, but after a release.
    pub is_for_later: bool,
    /// The names and texts of its scripts.
    pub scripts: Vec<(String, String)>,
}

/// Why no migration can be drafted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// What is wrong.
    pub message: String,
    /// What to type.
    pub help: String,
}

impl Template {
    /// The arguments, as `--help` shows them.
    #[must_use]
    pub const fn arguments(self) -> &'static str {
        match self {
            Self::Empty => "NAME",
            Self::Table => "TABLE [COLUMN:TYPE]...",
            Self::Column => "TABLE.COLUMN TYPE",
            Self::IndexConcurrently => "TABLE COLUMN...",
            Self::EnumValue => "TYPE VALUE",
            Self::ExpandContract => "rename-column TABLE.COLUMN NEW_COLUMN [TYPE]",
            Self::Data => "TABLE.COLUMN EXPRESSION",
        }
    }

    /// The migrations that a template makes of its arguments, for sets that are for these databases.
    ///
    /// # Errors
    ///
    /// Arguments that do not fit, and a template that means nothing to any of the databases.
    ///
    /// ```
    /// use migrate_core::migration::Dialect;
    /// use migrate_core::template::Template;
    ///
    /// let drafts = Template::Column.drafts(&["users.age", "integer"], &Dialect::ALL)?;
    /// assert_eq!(drafts[0].name, "add_users_age");
    /// assert_eq!(drafts[0].scripts[0].0, "up.sql");
    /// # Ok::<(), migrate_core::template::TemplateError>(())
    /// ```
    pub fn drafts(self, words: &[&str], dialects: &[Dialect]) -> Result<Vec<Draft>, TemplateError> {
        let one = |draft: Draft| Ok(vec![draft]);
        match (self, words) {
            (Self::Empty, [name]) => one(empty(name)),
            (Self::Table, [table, columns @ ..]) => one(new_table(&Table::parse(table)?, columns, dialects)?),
            (Self::Column, [column, kind]) => one(new_column(&Column::parse(column)?, sql(kind)?)),
            (Self::IndexConcurrently, [table, columns @ ..]) if !columns.is_empty() => {
                one(index(&Table::parse(table)?, columns, dialects)?)
            }
            (Self::EnumValue, [kind, value]) => one(enum_value(&Table::parse(kind)?, value, dialects)?),
            (Self::ExpandContract, ["rename-column", column, new, kind @ ..]) if kind.len() < 2 => {
                let kind = kind.first().map(|kind| sql(kind)).transpose()?;
                expand_contract::rename_column(&Column::parse(column)?, new, kind, dialects)
            }
            (Self::Data, [column, expression]) => one(data(&Column::parse(column)?, sql(expression)?)),
            _ => Err(TemplateError {
                message: "these are not the arguments of the template".to_owned(),
                help: format!("type `{}`", self.arguments()),
            }),
        }
    }
}

impl Draft {
    fn new(name: &str, description: impl Into<String>) -> Self {
        Self {
            name: to_name(name).unwrap_or_else(|| "change".to_owned()),
            description: Some(description.into()),
            phase: None,
            transaction: true,
            foreign_keys_off: false,
            irreversible: None,
            depends_on: Vec::new(),
            is_for_later: false,
            scripts: Vec::new(),
        }
    }

    /// Adds the same script for every database.
    fn script(mut self, role: Role, text: impl Into<String>) -> Self {
        self.scripts.push((file_name(role, None), text.into()));
        self
    }

    /// Adds a script in the words of each database. A set for one database has plain names.
    fn script_of(mut self, role: Role, dialects: &[Dialect], text: impl Fn(Dialect) -> String) -> Self {
        for dialect in dialects {
            let named = (dialects.len() > 1).then_some(*dialect);
            self.scripts.push((file_name(role, named), text(*dialect)));
        }
        self
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TemplateError {}

/// A piece of SQL that was typed. That it is SQL is for the database to say; that it is one piece is checked here.
fn sql(text: &str) -> Result<&str, TemplateError> {
    let is_piece = !text.trim().is_empty() && !text.contains([';', '\n']) && !text.contains("--");
    is_piece.then_some(text).ok_or_else(|| TemplateError {
        message: format!("`{text}` is not a type or expression of SQL"),
        help: "write one without `;` and comments, in quotation marks if it has spaces".to_owned(),
    })
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn empty(name: &str) -> Draft {
    let draft = Draft { description: None, ..Draft::new(name, "") };
    draft
        .script(Role::Up, format!("-- Applies {name}.\n"))
        .script(Role::Down, format!("-- Takes {name} back. {PLACEHOLDER}\n"))
}

fn new_table(table: &Table, columns: &[&str], dialects: &[Dialect]) -> Result<Draft, TemplateError> {
    let mut lines = String::new();
    for column in columns {
        let Some((name, kind)) = column.split_once(':') else {
            return Err(TemplateError {
                message: format!("`{column}` is not a column and its type"),
                help: "write it as `COLUMN:TYPE`, such as `email:text`".to_owned(),
            });
        };
        lines.push_str(&format!(",\n    {} {} NOT NULL", identifier::of(name)?, sql(kind)?));
    }
    let draft = Draft::new(&format!("create_{}", table.name()), format!("Table {}", table.name()));
    Ok(draft
        .script_of(Role::Up, dialects, |dialect| {
            let key = match dialect {
                Dialect::Sqlite => "INTEGER PRIMARY KEY",
                Dialect::Postgres => "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
            };
            format!("-- Leave NOT NULL out where a row may lack the value.\nCREATE TABLE {table} (\n    id {key}{lines}\n);\n")
        })
        .script(Role::Down, format!("DROP TABLE {table};\n")))
}

fn new_column(column: &Column, kind: &str) -> Draft {
    let Column { table, .. } = column;
    let sql = column.sql();
    let name = format!("add_{}_{}", table.name(), column.name());
    Draft::new(&name, format!("Column {}.{}", table.name(), column.name()))
        .script(
            Role::Up,
            format!(
                "-- Rows that are there have NULL. For NOT NULL add a constant DEFAULT, which rewrites no row.
ALTER TABLE {table} ADD COLUMN {sql} {kind};
"
            ),
        )
        .script(Role::Down, format!("ALTER TABLE {table} DROP COLUMN {sql};\n"))
}

fn index(table: &Table, columns: &[&str], dialects: &[Dialect]) -> Result<Draft, TemplateError> {
    let listed = columns.iter().map(|column| identifier::of(column)).collect::<Result<Vec<_>, _>>()?.join(", ");
    let stem = format!("{}_{}_index", table.name(), columns.join("_"));
    // PostgreSQL cuts longer names.
    let name: String = to_name(&stem).unwrap_or(stem).chars().take(63).collect();
    // An index is created in its table's schema, and dropped by its full name.
    let full = table.sibling(&name)?;
    let created = identifier::of(&name)?;
    let draft = Draft::new(&format!("index_{}_{}", table.name(), columns.join("_")), format!("Index {name}"));
    let draft = draft
        .script_of(Role::Up, dialects, |dialect| match dialect {
            Dialect::Sqlite => format!("CREATE INDEX {created} ON {table} ({listed});\n"),
            Dialect::Postgres => format!(
                "-- Others go on writing meanwhile. It cannot run in a transaction: \"transaction\": false in metadata.json.
-- An invalid index that a failed build left behind is rebuilt by the next `migrate up`.
CREATE INDEX CONCURRENTLY {created} ON {table} ({listed});
"
            ),
        })
        .script_of(Role::Down, dialects, |dialect| match dialect {
            Dialect::Sqlite => format!("DROP INDEX {full};\n"),
            Dialect::Postgres => format!("DROP INDEX CONCURRENTLY {full};\n"),
        });
    Ok(Draft { transaction: !dialects.contains(&Dialect::Postgres), ..draft })
}

fn enum_value(kind: &Table, value: &str, dialects: &[Dialect]) -> Result<Draft, TemplateError> {
    if !dialects.contains(&Dialect::Postgres) {
        return Err(TemplateError {
            message: "SQLite has no enum types".to_owned(),
            help: "to change a CHECK constraint use `--template sqlite-rebuild`".to_owned(),
        });
    }
    let label = literal(value);
    let draft =
        Draft::new(&format!("add_{}_{value}", kind.name()), format!("Value {value} of the enum type {}", kind.name()));
    let draft = draft.script_of(Role::Up, dialects, |dialect| match dialect {
        Dialect::Postgres => format!(
            "-- The value can be used once this migration is committed, so by later migrations and not by this one.
-- A program that does not know it may read it at once: release the program that does before a row has it.
ALTER TYPE {kind} ADD VALUE {label};
"
        ),
        Dialect::Sqlite => "\
-- SQLite has no enum types. Where a CHECK constraint lists the values, rebuild its table instead:
-- `migrate new --template sqlite-rebuild TABLE` shows how.
SELECT 1;
"
        .to_owned(),
    });
    Ok(Draft { irreversible: Some("PostgreSQL cannot take a value out of an enum type".to_owned()), ..draft })
}

fn data(column: &Column, expression: &str) -> Draft {
    let Column { table, .. } = column;
    let sql = column.sql();
    let name = format!("change_{}_{}", table.name(), column.name());
    let draft = Draft::new(&name, format!("Values of {}.{}", table.name(), column.name()))
        .script(
            Role::Up,
            format!(
                "-- Every row that is changed stays locked until the end, and the WHERE leaves the others alone. Where many rows
-- change, do it in parts, by ranges of the key: a migration each, or \"transaction\": false in metadata.json.
UPDATE {table} SET {sql} = {expression}
WHERE {sql} IS DISTINCT FROM ({expression});
"
            ),
        )
        .script(
            Role::Verify,
            format!(
                "-- Runs in the same transaction: unless it is true, nothing was changed.
-- `migrate health` asks again later: remove this file if rows that are written then may differ.
SELECT count(*) = 0 FROM {table} WHERE {sql} IS DISTINCT FROM ({expression});
"
            ),
        );
    Draft { irreversible: Some("the former values are not kept".to_owned()), ..draft }
}

#[cfg(test)]
mod tests;
