//! The grammar of PostgreSQL, as squawk-syntax knows it.
//!
//! It is written by hand and may be behind the server's, so what it finds is advice and never an error. It keeps text that it
//! does not understand out of its tree, so nothing but its complaints is used.

use squawk_syntax::SourceFile;

use super::SyntaxError;
use super::classify::Words;
use super::token::{self, TokenKind};
use crate::migration::Dialect;

/// The deepest nesting that is followed: the parser calls itself for each level.
const DEEPEST: usize = 100;

/// Where a statement is probably not in the grammar of PostgreSQL.
#[must_use]
pub fn postgres_syntax_error(statement: &str) -> Option<SyntaxError> {
    let lexed = token::lex(statement, Dialect::Postgres);
    let words = Words { sql: statement, tokens: &lexed.tokens };
    if lexed.error.is_some() || is_unknown(words) || depth(words) > DEEPEST {
        return None;
    }
    let error = SourceFile::parse(statement).errors().into_iter().next()?;
    let start = statement.floor_char_boundary(error.range().start().into());
    // What is missing is reported behind the last word, at the white space or comment there.
    let at = lexed.tokens.iter().find(|token| token.end > start);
    let span = at.map_or(statement.len()..statement.len(), |token| token.start.max(start)..token.end);
    let message = match &statement[span.clone()] {
        "" => "the statement ends too early".to_owned(),
        near => format!("near `{near}`: syntax error"),
    };
    Some(SyntaxError { span, message })
}

/// Whether it is known that the parser does not know it: `CREATE [OR REPLACE] [TRUSTED] LANGUAGE`.
fn is_unknown(words: Words<'_>) -> bool {
    let after = if words.are(1, &["OR", "REPLACE"]) { 3 } else { 1 };
    words.is(0, "CREATE") && words.is_any(after, &["TRUSTED", "PROCEDURAL", "LANGUAGE"])
}

/// How deep parentheses, brackets and `CASE` are nested.
fn depth(words: Words<'_>) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for (index, token) in words.tokens.iter().enumerate() {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth = depth.saturating_sub(1),
            TokenKind::Word if words.is(index, "CASE") => depth += 1,
            TokenKind::Word if words.is(index, "END") => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::mutated;

    /// `expect` is what the error points at, and its message.
    #[track_caller]
    fn check(statement: &str, expect: Option<(&str, &str)>) {
        let error = postgres_syntax_error(statement);
        let found = error.as_ref().map(|it| (&statement[it.span.clone()], it.message.as_str()));
        assert_eq!(found, expect, "{statement}");
    }

    #[test]
    fn points_at_what_does_not_fit() {
        check("CREATE TABLE t (a integer GENERATED ALWAYS AS IDENTITY, b text[])", None);
        check("CREATE TABEL t (a integer)", Some(("CREATE", "near `CREATE`: syntax error")));
        check("SELECT 'ü', ü FORM t", Some(("t", "near `t`: syntax error")));
        check("CREATE TABLE t (a integer, )", Some((",", "near `,`: syntax error")));
        check("SELECT 1 +", Some(("", "the statement ends too early")));
        check("", None);
    }

    #[test]
    fn says_nothing_of_what_it_does_not_know() {
        check("CREATE OR REPLACE TRUSTED PROCEDURAL LANGUAGE p HANDLER h", None);
        check(&format!("SELECT {}1{}", "(".repeat(50_000), ")".repeat(50_000)), None);
        check(&format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(50_000), " END".repeat(50_000)), None);
        check("SELECT 'a", None);
    }

    const FUNCTION: &str = "CREATE FUNCTION ü(a integer) RETURNS integer LANGUAGE sql BEGIN ATOMIC\n  SELECT CASE WHEN a > 1 THEN $x$y$x$::text ELSE (SELECT max(b) FROM t) END;\n END";

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_text_is_read_or_complained_of_inside_of_it(text in prop_oneof!["[\\PC\\n]{0,60}", mutated(FUNCTION.to_owned())]) {
            if let Some(error) = postgres_syntax_error(&text) {
                prop_assert!(text.get(error.span).is_some());
            }
        }
    }
}
