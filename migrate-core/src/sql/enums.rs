//! Enum values of PostgreSQL that are used in the transaction that adds them, which the server refuses (55P04).
//!
//! Not refused when the value was there before. When the type is new in the same transaction, version 15 refuses and others
//! may not.

use super::classify::Words;
use super::token::TokenKind;
use super::{Kind, Script, Statement, text};

/// A text that equals an enum value added before it in the same transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnumValueUse {
    /// The text, quotes included.
    pub start: usize,
    /// The byte after it.
    pub end: usize,
    /// The name of the enum, as `ALTER TYPE` gives it.
    pub enumeration: String,
    /// Whether the text is surely meant as that value, and surely refused; else it may be meant for a column of text.
    pub is_certain: bool,
}

struct Added {
    enumeration: Vec<String>,
    /// With its quotes.
    value: String,
    /// Whether every version of the server refuses it, wherever its type's name means the same.
    is_refused: bool,
}

/// See [`Script::enum_value_uses`].
pub(super) fn uses(script: &Script<'_>, statements: &[Statement]) -> Vec<EnumValueUse> {
    let mut created: Vec<Vec<String>> = Vec::new();
    let mut added: Vec<Added> = Vec::new();
    let mut uses = Vec::new();
    for statement in statements {
        let words = script.words(statement);
        if words.is(0, "CREATE") && words.is_any(1, &["TYPE", "DOMAIN"]) {
            let (name, _) = name(words, 2);
            added.retain(|it| it.enumeration != name);
            created.push(name);
        } else if words.are(0, &["ALTER", "TYPE"]) {
            let is_old = |it: &Added| !created.contains(&it.enumeration);
            added.extend(added_value(words).map(|it| Added { is_refused: it.is_refused && is_old(&it), ..it }));
        } else if statement.kind == Kind::Session || words.is(0, "SET") {
            // The search path may be another one from here on.
            added.iter_mut().for_each(|it| it.is_refused = false);
        } else if !words.is(0, "COMMENT") {
            added.retain(|value| match place(words, value) {
                None => true,
                Some((index, is_certain)) => {
                    let token = words.tokens[index];
                    uses.push(EnumValueUse {
                        start: token.start,
                        end: token.end,
                        enumeration: value.enumeration.join("."),
                        is_certain,
                    });
                    false
                }
            });
        }
    }
    uses
}

/// `ALTER TYPE name ADD VALUE [IF NOT EXISTS] 'value'`
fn added_value(words: Words<'_>) -> Option<Added> {
    let (enumeration, next) = name(words, 2);
    if !words.are(next, &["ADD", "VALUE"]) {
        return None;
    }
    let is_new = !words.is(next + 2, "IF");
    let value = words.tokens.get(if is_new { next + 2 } else { next + 5 })?;
    let is_text = value.kind == TokenKind::Text;
    is_text.then(|| Added { enumeration, value: value.text(words.sql).to_owned(), is_refused: is_new })
}

/// The token that is the value, and whether it is surely meant; a sure one is preferred.
fn place(words: Words<'_>, added: &Added) -> Option<(usize, bool)> {
    let is_value = |index: &usize| {
        let token = words.tokens[*index];
        token.kind == TokenKind::Text && text::same_lines(token.text(words.sql), &added.value)
    };
    let is_cast = |index: &usize| {
        let names_type = |at: usize| {
            let (given, end) = name(words, at);
            // A list of them is another type.
            given == added.enumeration && !words.is_symbol(end, "[")
        };
        let by_operator = words.is_symbol(index + 1, "::") && names_type(index + 2);
        let by_function = *index >= 2
            && words.is(index - 2, "CAST")
            && words.is_symbol(index - 1, "(")
            && words.is(index + 1, "AS")
            && names_type(index + 2);
        by_operator || by_function
    };
    let mut places = (0..words.tokens.len()).filter(is_value);
    let first = places.next()?;
    let sure = std::iter::once(first).chain(places).find(is_cast);
    Some((sure.unwrap_or(first), sure.is_some() && added.is_refused))
}

/// The parts of the name at a place, as the catalogue has them, and the place behind it.
pub(super) fn name(words: Words<'_>, mut index: usize) -> (Vec<String>, usize) {
    let mut parts = Vec::new();
    while let Some(token) = words.tokens.get(index) {
        let text = token.text(words.sql);
        match token.kind {
            TokenKind::Word => parts.push(text.to_ascii_lowercase()),
            TokenKind::Name => parts.push(text.get(1..text.len() - 1).unwrap_or_default().replace("\"\"", "\"")),
            _ => break,
        }
        index += 1;
        if !words.is_symbol(index, ".") {
            break;
        }
        index += 1;
    }
    (parts, index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::Dialect;

    /// `expect` is the text in question and whether it is certain, for each use.
    #[track_caller]
    fn check(sql: &str, expect: &[(&str, bool)]) {
        let script = Script::read(sql, Dialect::Postgres).unwrap();
        let uses = script.enum_value_uses(script.statements());
        let found: Vec<(&str, bool)> = uses.iter().map(|it| (&sql[it.start..it.end], it.is_certain)).collect();
        assert_eq!(found, expect, "{sql}");
    }

    #[test]
    fn finds_values_that_are_used_where_they_are_added() {
        const ADD: &str = "ALTER TYPE mood ADD VALUE 'fine'; ";
        let after = |sql: &str, expect: &[(&str, bool)]| check(&format!("{ADD}{sql}"), expect);
        after("SELECT 'fine'::mood", &[("'fine'", true)]);
        after("SELECT CAST('fine' AS \"mood\")", &[("'fine'", true)]);
        after("SELECT 'fine', 'fine'::mood; SELECT 'fine'::mood", &[("'fine'", true)]);
        after("INSERT INTO t VALUES ('fine')", &[("'fine'", false)]);
        after("SELECT 'fine'::text", &[("'fine'", false)]);
        after("SELECT 'fine'::other.mood", &[("'fine'", false)]);
        after("SELECT 'good'::mood; SELECT fine", &[]);
        after("ALTER TYPE mood ADD VALUE 'best' AFTER 'fine'; COMMENT ON TYPE mood IS 'fine'", &[]);
        after("DO $$ BEGIN PERFORM 'fine'::mood; END $$", &[]);
    }

    #[test]
    fn is_not_certain_where_a_server_may_accept() {
        check("SELECT 'fine'::mood; ALTER TYPE mood ADD VALUE 'fine'", &[]);
        check(
            "CREATE TYPE mood AS ENUM ('good'); ALTER TYPE mood ADD VALUE 'fine'; SELECT 'fine'::mood",
            &[("'fine'", false)],
        );
        check("ALTER TYPE a.mood ADD VALUE IF NOT EXISTS 'x'; SELECT 'x'::a.mood", &[("'x'", false)]);
        check("ALTER TYPE mood ADD VALUE 'x'; SET search_path = b; SELECT 'x'::mood", &[("'x'", false)]);
        let renewed = "DROP TYPE mood; CREATE TYPE mood AS ENUM ('x'); SELECT 'x'::mood";
        check(&format!("ALTER TYPE mood ADD VALUE 'x'; {renewed}"), &[]);
        check("ALTER TYPE a.mood ADD ATTRIBUTE x text; SELECT 'x'", &[]);
    }
}
