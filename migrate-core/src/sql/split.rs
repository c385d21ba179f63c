//! Where statements end.

use std::ops::Range;

use super::classify::Words;
use super::token::{self, Token, TokenKind};
use super::{Problem, SqlError};
use crate::migration::Dialect;

/// A script's tokens, and which of them belong to which statement.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) tokens: Vec<Token>,
    /// Ranges of tokens; never empty, without the semicolon that ends the statement.
    pub(super) statements: Vec<Range<usize>>,
}

/// Cuts a script where the database ends its statements.
pub(super) fn split(sql: &str, dialect: Dialect) -> Result<Cut, SqlError> {
    let lexed = token::lex(sql, dialect);
    let tokens = lexed.tokens;
    let mut splitter = Splitter::new(sql, &tokens, dialect);
    let mut statements = Vec::new();
    for index in 0..tokens.len() {
        if let Some(statement) = splitter.take(index)? {
            statements.push(statement);
        }
    }
    // What follows the place where lexing stopped is unknown, so the end of the last statement says nothing.
    if let Some(error) = lexed.error {
        return Err(error);
    }
    statements.extend(splitter.finish()?);
    Ok(Cut { tokens, statements })
}

struct Splitter<'a> {
    sql: &'a str,
    tokens: &'a [Token],
    dialect: Dialect,
    /// The first token of the statement at hand.
    first: usize,
    /// The parentheses and brackets that are open, as indexes of tokens.
    open: Vec<usize>,
    body: Body,
}

/// The part of a statement that holds semicolons of its own: the body of a SQL-standard function (PostgreSQL) or of a
/// trigger (SQLite).
///
/// In both grammars every statement of a body ends with a semicolon, and no statement in it begins with `END`. So the
/// `END` that closes a body is the one behind a semicolon, and those of `CASE` and the columns called `end` are not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    None,
    Open,
    Closed,
}

impl<'a> Splitter<'a> {
    const fn new(sql: &'a str, tokens: &'a [Token], dialect: Dialect) -> Self {
        Self { sql, tokens, dialect, first: 0, open: Vec::new(), body: Body::None }
    }

    /// Takes the next token; gives the statement that it ends.
    fn take(&mut self, index: usize) -> Result<Option<Range<usize>>, SqlError> {
        match self.tokens[index].kind {
            TokenKind::Open => self.open.push(index),
            TokenKind::Close => self.close(index)?,
            TokenKind::Backslash => return Err(self.psql_command(index)),
            TokenKind::Word if self.open.is_empty() => self.word(index),
            TokenKind::Semicolon if self.ends_statement() => return self.end(index),
            _ if self.body == Body::Closed && self.dialect == Dialect::Sqlite => self.body = Body::Open,
            _ => {}
        }
        Ok(None)
    }

    /// Ends the last statement, which may lack its semicolon.
    fn finish(mut self) -> Result<Option<Range<usize>>, SqlError> {
        self.end(self.tokens.len())
    }

    /// Whether a semicolon here ends the statement.
    fn ends_statement(&self) -> bool {
        if self.body == Body::Open {
            return false;
        }
        // A rule of PostgreSQL has its statements in parentheses: `DO ALSO (INSERT …; DELETE …)`. SQLite reads on to the end of
        // parentheses only where they hold the arguments of a virtual table's module, in which every token may stand.
        let is_inside = match self.dialect {
            _ if self.open.is_empty() => false,
            Dialect::Postgres => true,
            Dialect::Sqlite => creates_virtual_table(Words { sql: self.sql, tokens: &self.tokens[self.first..] }),
        };
        !is_inside
    }

    fn end(&mut self, end: usize) -> Result<Option<Range<usize>>, SqlError> {
        let statement = self.first..end;
        self.first = end + 1;
        let tokens = &self.tokens[statement.clone()];
        let Some(first) = tokens.first() else {
            return Ok(None);
        };
        if let Some(&open) = self.open.first() {
            return Err(self.unbalanced(open));
        }
        if self.body == Body::Open {
            let end = token::end_of_line(self.sql, first.start);
            return Err(SqlError { offset: first.start, end, problem: Problem::UnterminatedBody });
        }
        self.body = Body::None;
        if self.dialect == Dialect::Postgres {
            self.refuse_copy_through_client(tokens)?;
        }
        Ok(Some(statement))
    }

    fn close(&mut self, index: usize) -> Result<(), SqlError> {
        let text = |index: usize| self.tokens[index].text(self.sql);
        match self.open.last().map(|&open| text(open)) {
            Some("(") if text(index) == ")" => {}
            Some("[") if text(index) == "]" => {}
            _ => return Err(self.unbalanced(index)),
        }
        self.open.pop();
        Ok(())
    }

    /// Follows the bodies that hold semicolons.
    fn word(&mut self, index: usize) {
        let statement = Words { sql: self.sql, tokens: &self.tokens[self.first..=index] };
        let last = index - self.first;
        let begins = match self.dialect {
            Dialect::Sqlite => statement.is(last, "TRIGGER") && creates_trigger(statement),
            Dialect::Postgres => {
                statement.is(last, "ATOMIC")
                    && last > 0
                    && statement.is(last - 1, "BEGIN")
                    && creates_routine(statement)
            }
        };
        let behind_semicolon = index > self.first
            && (self.tokens[index - 1].kind == TokenKind::Semicolon
                // An empty body: the grammar asks for no statement in it.
                || self.dialect == Dialect::Postgres && statement.is(last - 1, "ATOMIC"));
        self.body = match self.body {
            Body::None if begins => Body::Open,
            Body::Open if behind_semicolon && statement.is(last, "END") => Body::Closed,
            Body::Closed if self.dialect == Dialect::Sqlite => Body::Open,
            body => body,
        };
    }

    fn unbalanced(&self, index: usize) -> SqlError {
        let token = self.tokens[index];
        SqlError { offset: token.start, end: token.end, problem: Problem::UnbalancedParenthesis }
    }

    fn psql_command(&self, index: usize) -> SqlError {
        let offset = self.tokens[index].start;
        SqlError { offset, end: token::end_of_line(self.sql, offset), problem: Problem::PsqlCommand }
    }

    fn refuse_copy_through_client(&self, tokens: &[Token]) -> Result<(), SqlError> {
        let words = Words { sql: self.sql, tokens };
        if !words.is(0, "COPY") {
            return Ok(());
        }
        for index in words.top_level() {
            let problem = if words.is(index, "FROM") && words.is(index + 1, "STDIN") {
                Problem::CopyFromStdin
            } else if words.is(index, "TO") && words.is(index + 1, "STDOUT") {
                Problem::CopyToStdout
            } else {
                continue;
            };
            return Err(SqlError { offset: tokens[0].start, end: tokens[index + 1].end, problem });
        }
        Ok(())
    }
}

/// `[EXPLAIN [QUERY PLAN]] CREATE [TEMP | TEMPORARY] TRIGGER`, and nothing more so far.
fn creates_trigger(words: Words<'_>) -> bool {
    let mut index = behind_explain(words);
    if !words.is(index, "CREATE") {
        return false;
    }
    index += 1;
    if words.is_any(index, &["TEMP", "TEMPORARY"]) {
        index += 1;
    }
    words.is(index, "TRIGGER") && index + 1 == words.tokens.len()
}

/// `[EXPLAIN [QUERY PLAN]] CREATE VIRTUAL TABLE`.
fn creates_virtual_table(words: Words<'_>) -> bool {
    words.are(behind_explain(words), &["CREATE", "VIRTUAL", "TABLE"])
}

/// The place behind SQLite's `[EXPLAIN [QUERY PLAN]]`.
fn behind_explain(words: Words<'_>) -> usize {
    match words.is(0, "EXPLAIN") {
        false => 0,
        true if words.are(1, &["QUERY", "PLAN"]) => 3,
        true => 1,
    }
}

/// `CREATE [OR REPLACE] {FUNCTION | PROCEDURE}`.
fn creates_routine(words: Words<'_>) -> bool {
    let index = if words.is(1, "OR") && words.is(2, "REPLACE") { 3 } else { 1 };
    words.is(0, "CREATE") && words.is_any(index, &["FUNCTION", "PROCEDURE"])
}
