//! Tables that a script of PostgreSQL locks against writers, or against everybody, until its transaction ends.
//!
//! Only what a statement names is counted. A table that a foreign key refers to is locked as well, and so is that of an
//! index which is dropped; the first cannot be split off, the second only the catalogue knows.

use super::classify::Words;
use super::enums::name;
use super::token::{self, TokenKind};
use super::{Kind, Statement};
use crate::migration::Dialect;

/// The modes of `LOCK TABLE` that let others write.
const WEAK_MODES: [&[&str]; 4] =
    [&["ACCESS", "SHARE"], &["ROW", "SHARE"], &["ROW", "EXCLUSIVE"], &["SHARE", "UPDATE", "EXCLUSIVE"]];

/// A table that a statement locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrongLock {
    /// The table, as the statement names it, without quotes.
    pub table: String,
    /// The first byte of the statement.
    pub start: usize,
    /// The byte after it.
    pub end: usize,
}

/// A name with or without a schema, as the catalogue has it.
type Name = Vec<String>;

/// The tables that were there before and get locked so that nobody can write to them, or read them, until the transaction
/// of these statements ends: the first statement for each table.
#[must_use]
pub fn strong_locks(sql: &str, statements: &[Statement]) -> Vec<StrongLock> {
    // Tables of this transaction's own: nobody else sees them.
    let mut own: Vec<Name> = Vec::new();
    let mut locked: Vec<(Name, StrongLock)> = Vec::new();
    for statement in statements.iter().filter(|it| matches!(it.kind, Kind::Other | Kind::Session)) {
        let text = statement.text(sql);
        let lexed = token::lex(text, Dialect::Postgres);
        let words = Words { sql: text, tokens: &lexed.tokens };
        own.extend(created(words));
        for table in locked_tables(words) {
            let is_known = own.iter().chain(locked.iter().map(|(name, _)| name)).any(|it| is_same(it, &table));
            if !is_known {
                let lock = StrongLock { table: table.join("."), start: statement.start, end: statement.end };
                locked.push((table, lock));
            }
        }
        // Whatever the table was, under its new name it is no further one.
        own.extend(renamed(words));
    }
    locked.into_iter().map(|(_, lock)| lock).collect()
}

/// `CREATE [TEMP | UNLOGGED | …] TABLE name`, and what else can be locked by the same statements.
fn created(words: Words<'_>) -> Option<Name> {
    if !words.is(0, "CREATE") {
        return None;
    }
    let kind = (1..words.tokens.len().min(6)).find(|&index| words.is_any(index, &["TABLE", "VIEW"]))?;
    let between =
        ["OR", "REPLACE", "GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "UNLOGGED", "FOREIGN", "MATERIALIZED", "RECURSIVE"];
    if !(1..kind).all(|index| words.is_any(index, &between)) {
        return None;
    }
    let index = if words.are(kind + 1, &["IF", "NOT", "EXISTS"]) { kind + 4 } else { kind + 1 };
    Some(name(words, index).0)
}

/// `ALTER TABLE name RENAME TO new`
fn renamed(words: Words<'_>) -> Option<Name> {
    let (_, next) = altered(words)?;
    words.are(next, &["RENAME", "TO"]).then(|| name(words, next + 2).0)
}

fn locked_tables(words: Words<'_>) -> Vec<Name> {
    if let Some((table, next)) = altered(words) {
        return if is_weak(words, next) { Vec::new() } else { vec![table] };
    }
    if words.are(0, &["DROP", "TABLE"]) {
        return names(words, 2);
    }
    if words.is(0, "TRUNCATE") {
        return names(words, if words.is(1, "TABLE") { 2 } else { 1 });
    }
    if words.is(0, "LOCK") {
        let mode = words.top_level().find(|&index| words.is(index, "IN"));
        let is_weak = mode.is_some_and(|index| {
            WEAK_MODES.iter().any(|mode| words.are(index + 1, mode) && words.is(index + 1 + mode.len(), "MODE"))
        });
        return if is_weak { Vec::new() } else { names(words, if words.is(1, "TABLE") { 2 } else { 1 }) };
    }
    attached_to(words).into_iter().collect()
}

/// `ALTER TABLE [IF EXISTS] [ONLY] name`, and the place behind it.
fn altered(words: Words<'_>) -> Option<(Name, usize)> {
    if !words.are(0, &["ALTER", "TABLE"]) || words.are(2, &["ALL", "IN"]) {
        return None;
    }
    let (table, next) = name(words, before_name(words, 2));
    Some((table, if words.is_symbol(next, "*") { next + 1 } else { next }))
}

/// Whether what `ALTER TABLE` does lets others read and write.
fn is_weak(words: Words<'_>, next: usize) -> bool {
    let is_only_one = !words.top_level().any(|index| words.is_symbol(index, ","));
    let column = if words.is(next + 1, "COLUMN") { next + 2 } else { next + 1 };
    let sets_statistics = words.is(next, "ALTER") && words.are(name(words, column).1, &["SET", "STATISTICS"]);
    let is_weak = words.are(next, &["VALIDATE", "CONSTRAINT"])
        || words.are(next, &["CLUSTER", "ON"])
        || words.are(next, &["ATTACH", "PARTITION"])
        || words.is_any(next, &["SET", "RESET"]) && words.is_symbol(next + 1, "(")
        || sets_statistics;
    is_only_one && is_weak
}

/// The table behind `ON` of an index, trigger, policy or rule.
fn attached_to(words: Words<'_>) -> Option<Name> {
    if !words.is_any(0, &["CREATE", "ALTER", "DROP"]) {
        return None;
    }
    let mut kind = if words.are(1, &["OR", "REPLACE"]) { 3 } else { 1 };
    if words.is_any(kind, &["UNIQUE", "CONSTRAINT"]) {
        kind += 1;
    }
    if words.is(kind, "RULE") && words.is(0, "CREATE") {
        let to = words.top_level().find(|&index| words.is(index, "TO"))?;
        return Some(name(words, to + 1).0);
    }
    // `DROP INDEX` and `ALTER INDEX` do not name the table.
    let names_table =
        words.is_any(kind, &["TRIGGER", "POLICY", "RULE"]) || words.is(kind, "INDEX") && words.is(0, "CREATE");
    let on = words.top_level().skip(kind).find(|&index| words.is(index, "ON")).filter(|_| names_table)?;
    Some(name(words, before_name(words, on + 1)).0)
}

/// Names separated by commas.
fn names(words: Words<'_>, mut index: usize) -> Vec<Name> {
    let mut names = Vec::new();
    loop {
        let (table, next) = name(words, before_name(words, index));
        if table.is_empty() {
            return names;
        }
        names.push(table);
        index = if words.is_symbol(next, "*") { next + 1 } else { next };
        if words.kind(index) != Some(TokenKind::Symbol) || !words.is_symbol(index, ",") {
            return names;
        }
        index += 1;
    }
}

/// The place behind `IF EXISTS` and `ONLY`.
fn before_name(words: Words<'_>, index: usize) -> usize {
    let index = if words.are(index, &["IF", "EXISTS"]) { index + 2 } else { index };
    if words.is(index, "ONLY") { index + 1 } else { index }
}

/// Whether two names may mean the same table: one without a schema fits any.
fn is_same(a: &Name, b: &Name) -> bool {
    a.iter().rev().zip(b.iter().rev()).all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expect` holds the tables.
    #[track_caller]
    fn check(sql: &str, expect: &[&str]) {
        let statements = crate::sql::statements(sql, Dialect::Postgres).unwrap();
        let locks = strong_locks(sql, &statements);
        let tables: Vec<&str> = locks.iter().map(|lock| lock.table.as_str()).collect();
        assert_eq!(tables, expect, "{sql}");
    }

    #[test]
    fn finds_what_is_locked() {
        check("ALTER TABLE IF EXISTS ONLY a.B * ADD COLUMN c integer", &["a.b"]);
        check("ALTER TABLE a ADD FOREIGN KEY (x) REFERENCES b; ALTER TABLE \"B\" RENAME x TO y", &["a", "B"]);
        check("CREATE UNIQUE INDEX IF NOT EXISTS i ON ONLY a (x); CREATE INDEX ON b (lower(x))", &["a", "b"]);
        check("CREATE OR REPLACE TRIGGER t BEFORE UPDATE OF x OR DELETE ON a EXECUTE FUNCTION f()", &["a"]);
        check("CREATE CONSTRAINT TRIGGER t AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION f()", &["a"]);
        check(
            "DROP TRIGGER IF EXISTS t ON a; DROP POLICY p ON b; CREATE RULE r AS ON UPDATE TO c DO NOTHING",
            &["a", "b", "c"],
        );
        check(
            "DROP TABLE IF EXISTS a, b.c CASCADE; TRUNCATE TABLE ONLY d, e RESTART IDENTITY",
            &["a", "b.c", "d", "e"],
        );
        check("LOCK TABLE a, b; LOCK c IN SHARE ROW EXCLUSIVE MODE", &["a", "b", "c"]);
    }

    #[test]
    fn leaves_out_what_lets_others_work() {
        check("ALTER TABLE a VALIDATE CONSTRAINT c; ALTER TABLE b ALTER COLUMN x SET STATISTICS 5", &[]);
        check("ALTER TABLE a SET (fillfactor = 70); LOCK TABLE b IN ROW EXCLUSIVE MODE", &[]);
        check("ALTER TABLE a VALIDATE CONSTRAINT c, DROP COLUMN d", &["a"]);
        check("INSERT INTO a VALUES (1); UPDATE b SET x = 1; DELETE FROM c; SELECT 1", &[]);
        check(
            "CREATE INDEX CONCURRENTLY i ON a (x); DROP INDEX j; COMMENT ON TABLE b IS 'x'; GRANT SELECT ON c TO d",
            &[],
        );
        check("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN TRUNCATE a; END $$", &[]);
    }

    #[test]
    fn leaves_out_what_the_script_makes() {
        check("CREATE TABLE IF NOT EXISTS s.a (x integer); CREATE INDEX ON a (x); ALTER TABLE s.a ADD y text", &[]);
        check(
            "CREATE TEMP TABLE a AS SELECT 1; DROP TABLE a; CREATE VIEW v AS SELECT 1; CREATE RULE r AS ON INSERT TO v DO NOTHING",
            &[],
        );
        check("ALTER TABLE a RENAME TO b; ALTER TABLE b ADD x text; CREATE INDEX ON public.b (x)", &["a"]);
        check(
            "CREATE TABLE new (x text); DROP TABLE old; ALTER TABLE new RENAME TO old; ALTER TABLE old ADD y text",
            &["old"],
        );
        check("ALTER TABLE s.a ADD x text; ALTER TABLE t.a ADD x text; ALTER TABLE a ADD y text", &["s.a", "t.a"]);
    }
}
