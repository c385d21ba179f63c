//! A column gets another name, or another type under another name, while old and new programs run side by side.

use super::identifier::{self, Column, Table};
use super::{Draft, TemplateError};
use crate::migration::{Dialect, Phase, Role};

/// Expand, backfill, and, for later, contract.
pub(super) fn rename_column(
    old: &Column,
    new: &str,
    kind: Option<&str>,
    dialects: &[Dialect],
) -> Result<Vec<Draft>, TemplateError> {
    let (table, old_name) = (old.table.name(), old.name());
    let change = Rename {
        table: &old.table,
        old: old.sql(),
        new: identifier::of(new)?,
        kind: kind.unwrap_or("text"),
        trigger: format!("{table}_{new}"),
    };
    if old_name == new {
        return Err(TemplateError {
            message: format!("`{new}` is the name that the column has"),
            help: "name the new column".to_owned(),
        });
    }
    let expand = Draft::new(&format!("add_{table}_{new}"), format!("{table}.{new} beside {table}.{old_name}"))
        .script_of(Role::Up, dialects, |dialect| change.expand(dialect, kind.is_none()))
        .script_of(Role::Down, dialects, |dialect| change.undo_expand(dialect));
    let backfill =
        Draft::new(&format!("fill_{table}_{new}"), format!("{table}.{new} takes the values of {table}.{old_name}"))
            .script(Role::Up, change.backfill())
            .script(Role::Down, change.undo_backfill())
            .script(Role::Verify, change.verify());
    let contract = Draft::new(&format!("drop_{table}_{old_name}"), format!("{table}.{old_name} goes"))
        .script_of(Role::Up, dialects, |dialect| change.contract(dialect))
        .script_of(Role::Down, dialects, |dialect| change.undo_contract(dialect))
        .script(Role::Verify, change.verify_contract());
    Ok(vec![
        Draft { phase: Some(Phase::Expand), ..expand },
        Draft { phase: Some(Phase::Expand), depends_on: vec![0], ..backfill },
        Draft { phase: Some(Phase::Contract), depends_on: vec![0, 1], is_for_later: true, ..contract },
    ])
}

struct Rename<'a> {
    table: &'a Table,
    old: String,
    new: String,
    kind: &'a str,
    /// What the names of the triggers begin with.
    trigger: String,
}

impl Rename<'_> {
    fn expand(&self, dialect: Dialect, is_guess: bool) -> String {
        let Self { table, old, new, kind, .. } = self;
        let guess =
            if is_guess { format!("-- The type was not given: make it that of {old}.\n") } else { String::new() };
        format!(
            "-- Step 1 of 3. Programs that know only {old} go on: triggers keep both columns the same.
-- The next release of the program reads and writes {new}.{}
{guess}ALTER TABLE {table} ADD COLUMN {new} {kind};
{}",
            match dialect {
                Dialect::Sqlite => format!(
                    " Where {old} is NOT NULL without a default,\n-- it writes both columns until step 3: SQLite checks that before a trigger can act."
                ),
                Dialect::Postgres => String::new(),
            },
            self.create_triggers(dialect)
        )
    }

    fn undo_expand(&self, dialect: Dialect) -> String {
        let Self { table, new, .. } = self;
        format!("{}ALTER TABLE {table} DROP COLUMN {new};\n", self.drop_triggers(dialect))
    }

    fn backfill(&self) -> String {
        let Self { table, old, new, .. } = self;
        format!(
            "-- Step 2 of 3. The rows that nobody has written since step 1.
-- Every row that is changed stays locked until the end. Where there are many, do it in parts, by ranges of the key: a
-- migration each, or \"transaction\": false in metadata.json.
UPDATE {table} SET {new} = {old} WHERE {new} IS DISTINCT FROM {old};
"
        )
    }

    fn undo_backfill(&self) -> String {
        let Self { old, new, .. } = self;
        format!("-- Nothing is lost: {old} has every value, and {new} goes with step 1.\nSELECT 1;\n")
    }

    fn verify(&self) -> String {
        let Self { table, old, new, .. } = self;
        format!("SELECT count(*) = 0 FROM {table} WHERE {new} IS DISTINCT FROM {old};\n")
    }

    fn contract(&self, dialect: Dialect) -> String {
        let Self { table, old, new, .. } = self;
        let not_null = match dialect {
            Dialect::Sqlite => {
                "-- An index, constraint, view or trigger that names it has to go before it.\n".to_owned()
            }
            Dialect::Postgres => format!(
                "-- Where {old} was NOT NULL: ALTER TABLE {table} ALTER COLUMN {new} SET NOT NULL; (it reads every row)\n"
            ),
        };
        format!(
            "-- Step 3 of 3. Programs that name {old} fail from here on: \"min_runtime_version\" in metadata.json keeps them away.
{not_null}{}ALTER TABLE {table} DROP COLUMN {old};
",
            self.drop_triggers(dialect)
        )
    }

    fn undo_contract(&self, dialect: Dialect) -> String {
        let Self { table, old, new, kind, .. } = self;
        format!(
            "-- Its constraints and indexes do not come back by themselves.
ALTER TABLE {table} ADD COLUMN {old} {kind};
UPDATE {table} SET {old} = {new};
{}",
            self.create_triggers(dialect)
        )
    }

    fn verify_contract(&self) -> String {
        let Self { table, old, new, .. } = self;
        format!(
            "-- `migrate health` asks the newest verify script again, and that of step 2 names {old}.
SELECT NOT EXISTS (SELECT {new} FROM {table} LIMIT 0);
"
        )
    }

    fn create_triggers(&self, dialect: Dialect) -> String {
        let Self { table, old, new, trigger, .. } = self;
        let name = |what: &str| sibling(table, &format!("{trigger}_{what}"));
        match dialect {
            Dialect::Sqlite => format!(
                "CREATE TRIGGER {} AFTER INSERT ON {table} WHEN NEW.{new} IS NOT NEW.{old}
BEGIN
    UPDATE {table} SET {new} = coalesce(NEW.{new}, NEW.{old}), {old} = coalesce(NEW.{new}, NEW.{old})
    WHERE rowid = NEW.rowid;
END;
CREATE TRIGGER {} AFTER UPDATE OF {old} ON {table} WHEN NEW.{old} IS NOT OLD.{old} AND NEW.{new} IS OLD.{new}
BEGIN
    UPDATE {table} SET {new} = NEW.{old} WHERE rowid = NEW.rowid;
END;
CREATE TRIGGER {} AFTER UPDATE OF {new} ON {table} WHEN NEW.{new} IS NOT OLD.{new} AND NEW.{old} IS NOT NEW.{new}
BEGIN
    UPDATE {table} SET {old} = NEW.{new} WHERE rowid = NEW.rowid;
END;
",
                name("insert"),
                name("old"),
                name("new"),
            ),
            Dialect::Postgres => {
                let function = name("same");
                format!(
                    "CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.{new} := coalesce(NEW.{new}, NEW.{old});
        NEW.{old} := NEW.{new};
    ELSIF NEW.{new} IS DISTINCT FROM OLD.{new} THEN
        NEW.{old} := NEW.{new};
    ELSE
        NEW.{new} := NEW.{old};
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER {} BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {function}();
",
                    short(trigger)
                )
            }
        }
    }

    fn drop_triggers(&self, dialect: Dialect) -> String {
        let Self { table, trigger, .. } = self;
        let name = |what: &str| sibling(table, &format!("{trigger}_{what}"));
        match dialect {
            Dialect::Sqlite => ["insert", "old", "new"].map(|what| format!("DROP TRIGGER {};\n", name(what))).concat(),
            Dialect::Postgres => {
                format!("DROP TRIGGER {} ON {table};\nDROP FUNCTION {}();\n", short(trigger), name("same"))
            }
        }
    }
}

/// The name of an object in the table's schema.
fn sibling(table: &Table, name: &str) -> Table {
    table.sibling(name).expect("it is made of names and underscores")
}

/// A trigger has its table's schema.
fn short(trigger: &str) -> String {
    identifier::of(&format!("{trigger}_same")).expect("it is made of names and underscores")
}
