//! Names of tables and columns, as they are typed and as SQL has them.

use std::fmt;

use super::TemplateError;

/// A table, or another object that has a name of its own, perhaps in a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    schema: Option<String>,
    name: String,
}

impl Table {
    /// Reads `TABLE` or `SCHEMA.TABLE`.
    ///
    /// # Errors
    ///
    /// Parts that are not of letters, digits and underscores.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let (schema, name) = match text.rsplit_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (None, text),
        };
        for part in [schema, Some(name)].into_iter().flatten() {
            of(part)?;
        }
        Ok(Self { schema: schema.map(str::to_owned), name: name.to_owned() })
    }

    /// Its name without the schema.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Another object of the same schema.
    pub(super) fn sibling(&self, name: &str) -> Result<Self, TemplateError> {
        of(name)?;
        Ok(Self { schema: self.schema.clone(), name: name.to_owned() })
    }
}

impl fmt::Display for Table {
    /// As SQL has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{}.", quoted(schema))?;
        }
        f.write_str(&quoted(&self.name))
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its table.
    pub table: Table,
    name: String,
}

impl Column {
    /// Reads `TABLE.COLUMN` or `SCHEMA.TABLE.COLUMN`.
    ///
    /// # Errors
    ///
    /// A text without a point, and parts that are not of letters, digits and underscores.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let Some((table, name)) = text.rsplit_once('.') else {
            return Err(TemplateError {
                message: format!("`{text}` does not name a table and its column"),
                help: "write `TABLE.COLUMN`, such as `users.email`".to_owned(),
            });
        };
        of(name)?;
        Ok(Self { table: Table::parse(table)?, name: name.to_owned() })
    }

    /// Its name, as it was typed.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its name, as SQL has it.
    #[must_use]
    pub fn sql(&self) -> String {
        quoted(&self.name)
    }
}

/// A name as SQL has it.
pub(super) fn of(name: &str) -> Result<String, TemplateError> {
    let legal = |it: char| it.is_alphanumeric() || it == '_';
    if name.is_empty() || !name.chars().all(legal) {
        return Err(TemplateError {
            message: format!("`{name}` is not a name of letters, digits and `_`"),
            help: "name it as it is in the database, without quotation marks".to_owned(),
        });
    }
    Ok(quoted(name))
}

/// In quotation marks where it would mean something else without.
fn quoted(name: &str) -> String {
    let plain = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_';
    let starts_well = name.starts_with(|it: char| it.is_ascii_lowercase() || it == '_');
    if starts_well && name.chars().all(plain) && !RESERVED.split_ascii_whitespace().any(|word| word == name) {
        return name.to_owned();
    }
    format!("\"{name}\"")
}

/// What one of the databases does not take for a name.
const RESERVED: &str = "
    add all alter analyse analyze and any array as asc asymmetric authorization autoincrement between binary both by
    case cast check collate collation column commit concurrently constraint create cross current_catalog current_date
    current_role current_schema current_time current_timestamp current_user default deferrable delete desc distinct do
    drop else end escape except exists false fetch for foreign freeze from full grant group having ilike in index
    initially inner insert intersect into is isnull join lateral leading left like limit localtime localtimestamp
    natural not nothing notnull null offset on only or order outer overlaps placing primary references returning right
    select session_user set similar some symmetric system_user table tablesample then to trailing transaction true
    union unique update user using values variadic verbose when where window with";
