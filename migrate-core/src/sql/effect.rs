//! What a statement that runs outside a transaction leaves in the catalogue: enough to find out, after a crash, whether
//! it took effect.

use super::classify::{self, Words};
use super::token::TokenKind;
use super::{Bare, split};
use crate::migration::Dialect;

/// What a statement of PostgreSQL that runs outside a transaction leaves behind.
///
/// Names of relations are as the script spells them, with their quotes and their schema, as `to_regclass` takes them;
/// names of other objects are as the catalogue holds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// `CREATE INDEX CONCURRENTLY name ON table`: a valid index.
    Index {
        /// The index, without a schema: it is in its table's.
        name: String,
        /// The table.
        table: String,
    },
    /// `DROP INDEX CONCURRENTLY a`: no such index.
    NoIndex {
        /// The indexes.
        names: Vec<String>,
    },
    /// `CREATE DATABASE`, `DROP DATABASE` and the like: such an object, or none.
    Object {
        /// What it is.
        class: ObjectClass,
        /// Its name.
        name: String,
        /// Whether it is there afterwards.
        exists: bool,
    },
    /// `ALTER TABLE … DETACH PARTITION partition CONCURRENTLY`: no partition.
    Detached {
        /// The table.
        table: String,
        /// What was its partition.
        partition: String,
    },
    /// `REINDEX … CONCURRENTLY`: running it once more does no harm, but an interrupted one leaves invalid copies behind.
    Reindexed(Reindexed),
    /// Running it once more does no harm: `VACUUM`, `REINDEX`, `ALTER SYSTEM`.
    Repeatable,
    /// Nothing that can be asked for: a procedure that commits, an index whose name the server chose.
    Untold,
}

/// Whose indexes are built anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reindexed {
    /// This index, spelled as in the script.
    Index(String),
    /// Those of a table, spelled as in the script.
    Table(String),
    /// Those of a schema, as the catalogue holds its name.
    Schema(String),
    /// All of the database.
    Database,
}

/// The classes of objects that belong to no schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectClass {
    /// A database.
    Database,
    /// A tablespace.
    Tablespace,
    /// A subscription.
    Subscription,
}

/// What one statement leaves behind.
///
/// ```
/// use migrate_core::sql::{Effect, effect};
///
/// let statement = "CREATE INDEX CONCURRENTLY IF NOT EXISTS \"By Name\" ON shop.users (name)";
/// let expected = Effect::Index { name: "By Name".to_owned(), table: "shop.users".to_owned() };
/// assert_eq!(effect(statement), expected);
/// ```
#[must_use]
pub fn effect(statement: &str) -> Effect {
    let Ok(script) = split::split(statement, Dialect::Postgres) else {
        return Effect::Untold;
    };
    let Some(range) = script.statements.first() else {
        return Effect::Untold;
    };
    let words = Words { sql: statement, tokens: &script.tokens[range.clone()] };
    of_words(words).unwrap_or(Effect::Untold)
}

fn of_words(words: Words<'_>) -> Option<Effect> {
    let creates = words.is(0, "CREATE");
    let index = if words.is(1, "UNIQUE") { 2 } else { 1 };
    if creates && words.are(index, &["INDEX", "CONCURRENTLY"]) {
        return created_index(words, index + 2);
    }
    if words.are(0, &["DROP", "INDEX", "CONCURRENTLY"]) {
        return dropped_indexes(words);
    }
    if words.are(0, &["ALTER", "TABLE"]) {
        return detached(words);
    }
    if words.is(0, "REINDEX") && classify::reindex(words) == Some(Bare::ConcurrentIndex) {
        return reindexed(words);
    }
    if words.is_any(0, &["VACUUM", "REINDEX", "CLUSTER", "DISCARD"]) || words.are(0, &["ALTER", "SYSTEM"]) {
        return Some(Effect::Repeatable);
    }
    let classes = [
        ("DATABASE", ObjectClass::Database),
        ("TABLESPACE", ObjectClass::Tablespace),
        ("SUBSCRIPTION", ObjectClass::Subscription),
    ];
    let class = classes.into_iter().find(|(word, _)| words.is(1, word)).map(|(_, class)| class)?;
    if words.is(0, "ALTER") {
        return Some(Effect::Repeatable);
    }
    let place = if words.are(2, &["IF", "EXISTS"]) { 4 } else { 2 };
    let (name, _) = identifier(words, place)?;
    Some(Effect::Object { class, name, exists: creates })
}

/// `[IF NOT EXISTS] [name] ON [ONLY] table …`, from a place on.
fn created_index(words: Words<'_>, place: usize) -> Option<Effect> {
    let place = if words.are(place, &["IF", "NOT", "EXISTS"]) { place + 3 } else { place };
    if words.is(place, "ON") {
        return None;
    }
    let (name, place) = identifier(words, place)?;
    let place = if words.are(place, &["ON", "ONLY"]) { place + 2 } else { place + 1 };
    let (table, _) = relation(words, place)?;
    Some(Effect::Index { name, table })
}

/// `DROP INDEX CONCURRENTLY [IF EXISTS] a [, b] [CASCADE | RESTRICT]`
fn dropped_indexes(words: Words<'_>) -> Option<Effect> {
    let mut place = if words.are(3, &["IF", "EXISTS"]) { 5 } else { 3 };
    let mut names = Vec::new();
    loop {
        let (name, next) = relation(words, place)?;
        names.push(name);
        if !words.is_symbol(next, ",") {
            return Some(Effect::NoIndex { names });
        }
        place = next + 1;
    }
}

/// `REINDEX [(option, …)] {INDEX | TABLE | SCHEMA | DATABASE | SYSTEM} [CONCURRENTLY] [name]`
fn reindexed(words: Words<'_>) -> Option<Effect> {
    let object = words.top_level().nth(1)?;
    let place = if words.is(object + 1, "CONCURRENTLY") { object + 2 } else { object + 1 };
    Some(Effect::Reindexed(if words.is(object, "INDEX") {
        Reindexed::Index(relation(words, place)?.0)
    } else if words.is(object, "TABLE") {
        Reindexed::Table(relation(words, place)?.0)
    } else if words.is(object, "SCHEMA") {
        Reindexed::Schema(identifier(words, place)?.0)
    } else {
        Reindexed::Database
    }))
}

/// `ALTER TABLE [IF EXISTS] [ONLY] table DETACH PARTITION partition CONCURRENTLY`
fn detached(words: Words<'_>) -> Option<Effect> {
    let place = if words.are(2, &["IF", "EXISTS"]) { 4 } else { 2 };
    let place = if words.is(place, "ONLY") { place + 1 } else { place };
    let (table, place) = relation(words, place)?;
    if !words.are(place, &["DETACH", "PARTITION"]) {
        return None;
    }
    let (partition, _) = relation(words, place + 2)?;
    Some(Effect::Detached { table, partition })
}

/// A name, perhaps behind a schema's, as it is spelled; and the place behind it.
fn relation(words: Words<'_>, place: usize) -> Option<(String, usize)> {
    let spelled = |place: usize| {
        identifier(words, place)?;
        Some(words.tokens[place].text(words.sql))
    };
    let first = spelled(place)?;
    if !words.is_symbol(place + 1, ".") {
        return Some((first.to_owned(), place + 1));
    }
    Some((format!("{first}.{}", spelled(place + 2)?), place + 3))
}

/// A name as the catalogue holds it, and the place behind it. A name with Unicode escapes is not understood.
fn identifier(words: Words<'_>, place: usize) -> Option<(String, usize)> {
    let token = words.tokens.get(place)?;
    let text = token.text(words.sql);
    let name = match token.kind {
        // PostgreSQL folds no other letters, at least not in UTF-8.
        TokenKind::Word => text.to_ascii_lowercase(),
        TokenKind::Name => text.strip_prefix('"')?.strip_suffix('"')?.replace("\"\"", "\""),
        _ => return None,
    };
    Some((name, place + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(statement: &str, expected: &Effect) {
        assert_eq!(&effect(statement), expected, "{statement}");
    }

    fn index(name: &str, table: &str) -> Effect {
        Effect::Index { name: name.to_owned(), table: table.to_owned() }
    }

    fn object(class: ObjectClass, name: &str, exists: bool) -> Effect {
        Effect::Object { class, name: name.to_owned(), exists }
    }

    #[test]
    fn indexes() {
        check("CREATE INDEX CONCURRENTLY By_Name ON users (name)", &index("by_name", "users"));
        check("create unique index concurrently if not exists \"I\" on only \"S\".t (a)", &index("I", "\"S\".t"));
        check("CREATE INDEX CONCURRENTLY \"a\"\"b\" ON /* here */ t (a)", &index("a\"b", "t"));
        check("CREATE INDEX CONCURRENTLY \u{c9}T\u{c9} ON t (a)", &index("\u{c9}t\u{c9}", "t"));
        check("CREATE INDEX CONCURRENTLY ON t (a)", &Effect::Untold);
        check("CREATE INDEX CONCURRENTLY U&\"d\\0061t\" ON t (a)", &Effect::Untold);
        let dropped = |names: &[&str]| Effect::NoIndex { names: names.iter().map(|&name| name.to_owned()).collect() };
        check("DROP INDEX CONCURRENTLY a", &dropped(&["a"]));
        check("DROP INDEX CONCURRENTLY IF EXISTS s.a, \"B\" CASCADE", &dropped(&["s.a", "\"B\""]));
    }

    #[test]
    fn objects() {
        check("CREATE DATABASE d OWNER x", &object(ObjectClass::Database, "d", true));
        check("DROP DATABASE IF EXISTS \"D\"", &object(ObjectClass::Database, "D", false));
        check("DROP TABLESPACE s", &object(ObjectClass::Tablespace, "s", false));
        check("CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p", &object(ObjectClass::Subscription, "s", true));
        check("ALTER DATABASE d SET TABLESPACE s", &Effect::Repeatable);
    }

    #[test]
    fn reindexing() {
        let check = |statement, what| check(statement, &Effect::Reindexed(what));
        check("REINDEX TABLE CONCURRENTLY t", Reindexed::Table("t".to_owned()));
        check("REINDEX (VERBOSE, CONCURRENTLY) TABLE \"S\".t", Reindexed::Table("\"S\".t".to_owned()));
        check("REINDEX (VERBOSE) INDEX CONCURRENTLY s.I", Reindexed::Index("s.I".to_owned()));
        check("REINDEX SCHEMA CONCURRENTLY \"S\"", Reindexed::Schema("S".to_owned()));
        check("REINDEX DATABASE CONCURRENTLY", Reindexed::Database);
    }

    #[test]
    fn the_rest() {
        let detached = Effect::Detached { table: "s.t".to_owned(), partition: "p".to_owned() };
        check("ALTER TABLE IF EXISTS ONLY s.t DETACH PARTITION p CONCURRENTLY", &detached);
        check("VACUUM t", &Effect::Repeatable);
        check("REINDEX TABLE t", &Effect::Repeatable);
        check("ALTER SYSTEM SET work_mem = '5MB'", &Effect::Repeatable);
        check("CALL p()", &Effect::Untold);
        check("", &Effect::Untold);
        check("'", &Effect::Untold);
    }
}
