//! The grammar of SQLite, from SQLite's own description of it.
//!
//! Of what the parser finds only syntax errors count. It also checks some of the meaning, and there it is not SQLite.

use std::ops::Range;

use sqlite3_parser::lexer::sql::{Error, Parser};
use sqlite3_parser::{Bump, FallibleIterator};

/// A place where the grammar of SQLite does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// The word or symbol that does not fit, in bytes of the statement; empty at its end when something is missing there.
    pub span: Range<usize>,
    /// What is wrong, in SQLite's words.
    pub message: String,
}

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
