//! Names that a script drops or renames.

use super::classify::Words;
use super::statements;
use super::token::{self, TokenKind};
use crate::migration::Dialect;

/// Every name that stands in a statement which drops something, or renames it or moves it elsewhere: in lower case, without
/// quotes, each part of a qualified one for itself. More than what is removed, never less, as far as statements tell.
#[must_use]
pub fn removed_names(sql: &str, dialect: Dialect) -> Vec<String> {
    let mut names = Vec::new();
    for statement in statements(sql, dialect).unwrap_or_default() {
        let text = statement.text(sql);
        let begins = |word: &str| text.get(..word.len()).is_some_and(|first| first.eq_ignore_ascii_case(word));
        if !begins("DROP") && !begins("ALTER") {
            continue;
        }
        let lexed = token::lex(text, dialect);
        let words = Words { sql: text, tokens: &lexed.tokens };
        let moves = (1..lexed.tokens.len()).any(|at| words.is(at, "RENAME") || words.are(at, &["SET", "SCHEMA"]));
        if !words.is(0, "DROP") && !moves {
            continue;
        }
        for token in &lexed.tokens {
            let text = token.text(text);
            match token.kind {
                TokenKind::Word => names.push(text.to_ascii_lowercase()),
                TokenKind::Name => names.push(text.get(1..text.len() - 1).unwrap_or_default().to_ascii_lowercase()),
                _ => {}
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sql: &str, name: &str, expect: bool) {
        let names = removed_names(sql, Dialect::Postgres);
        assert_eq!(names.iter().any(|it| it == name), expect, "{sql}: {names:?}");
    }

    #[test]
    fn finds_what_is_dropped_renamed_or_moved() {
        check("DROP TABLE IF EXISTS a, App.\"Users\"", "users", true);
        check("drop view v", "v", true);
        check("ALTER TABLE users RENAME TO people", "users", true);
        check("ALTER TABLE users SET SCHEMA old", "users", true);
        check("CREATE TABLE t (id int); DROP SCHEMA app CASCADE", "app", true);
    }

    #[test]
    fn leaves_the_rest() {
        check("ALTER TABLE users ADD COLUMN x text", "users", false);
        check("CREATE INDEX i ON users (x); -- DROP TABLE users", "users", false);
        check("INSERT INTO log VALUES ('DROP TABLE users')", "users", false);
        check("not 'closed", "users", false);
    }
}
