//! The grammar of SQLite, from SQLite's own description of it.
//!
//! Of what the parser finds only syntax errors count. It also checks some of the meaning, and there it is not SQLite.

use sqlite3_parser::lexer::sql::{Error, Parser};
use sqlite3_parser::{Bump, FallibleIterator};

use super::SyntaxError;

/// Where a statement is not in the grammar of SQLite.
#[must_use]
pub fn sqlite_syntax_error(statement: &str) -> Option<SyntaxError> {
    let bump = Bump::new();
    let mut parser = Parser::new(&bump, statement.as_bytes());
    let (problem, place) = loop {
        match parser.next() {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(Error::ParserError(problem, Some(place))) => break (problem.to_string(), place),
            Err(_) => return None,
        }
    };
    if problem == "unexpected end of input" {
        return Some(SyntaxError { span: statement.len()..statement.len(), message: "incomplete input".to_owned() });
    }
    let near = problem.strip_prefix("near \"")?.strip_suffix("\": syntax error")?;
    let line_start = statement.split_inclusive('\n').take(place.line - 1).map(str::len).sum::<usize>();
    let start = line_start + place.column - 1;
    // At the end of the input the parser names a `;` that it has added.
    let is_there = statement.get(start..).is_some_and(|rest| rest.starts_with(near));
    if !is_there {
        return Some(SyntaxError { span: statement.len()..statement.len(), message: "incomplete input".to_owned() });
    }
    Some(SyntaxError { span: start..start + near.len(), message: format!("near `{near}`: syntax error") })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::mutated;

    /// `expect` is what the error points at, and its message.
    #[track_caller]
    fn check(statement: &str, expect: Option<(&str, &str)>) {
        let error = sqlite_syntax_error(statement);
        let found = error.as_ref().map(|it| (&statement[it.span.clone()], it.message.as_str()));
        assert_eq!(found, expect, "{statement}");
    }

    #[test]
    fn points_at_what_does_not_fit() {
        check("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT) STRICT", None);
        check("CREATE TABEL t (a)", Some(("TABEL", "near `TABEL`: syntax error")));
        check("SELECT 'ü',\n ü FORM t", Some(("t", "near `t`: syntax error")));
        check("SELECT * FROM", Some(("", "incomplete input")));
        check("DROP TABLE", Some(("", "incomplete input")));
        check("UPDATE t SET a = 1 WHERE", Some(("", "incomplete input")));
        check("", None);
    }

    #[test]
    fn leaves_meaning_to_sqlite() {
        check("CREATE TABLE t (a, a)", None);
        check("CREATE TABLE t (a) SRTICT", None);
        check("SELECT x'0", None);
        check(&format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000)), None);
    }

    const TRIGGER: &str = "CREATE TRIGGER ü AFTER UPDATE OF b ON t WHEN new.a > 1 BEGIN\n  UPDATE u SET b = CASE WHEN old.a THEN 'x' ELSE 2 END;\n END";

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_text_is_read_or_refused_inside_of_it(text in prop_oneof!["[\\PC\\n]{0,60}", mutated(TRIGGER.to_owned())]) {
            if let Some(error) = sqlite_syntax_error(&text) {
                prop_assert!(text.get(error.span).is_some());
            }
        }
    }
}
