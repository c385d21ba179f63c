//! Scripts as tokens, in one shape for both dialects.

mod postgres;
mod sqlite;

use super::{Problem, SqlError};
use crate::migration::Dialect;

/// What a token is, as far as cutting and classifying statements asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// White space.
    Space,
    /// A comment of either form.
    Comment,
    /// A keyword or an unquoted name.
    Word,
    /// A quoted name.
    Name,
    /// A string of any form.
    Text,
    /// A string that goes on with the one before it: `'a'` and `'b'` on two lines are one value in PostgreSQL.
    Continuation,
    /// A number, a blob, a parameter.
    Value,
    /// `;`
    Semicolon,
    /// `(`, and `[` in PostgreSQL.
    Open,
    /// `)`, and `]` in PostgreSQL.
    Close,
    /// A backslash outside strings in PostgreSQL, which only psql understands.
    Backslash,
    /// Operators, punctuation, and whatever the database will refuse.
    Symbol,
}

/// A part of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Token {
    /// White space or a comment.
    pub(super) const fn is_trivia(&self) -> bool {
        matches!(self.kind, TokenKind::Space | TokenKind::Comment)
    }

    pub(super) fn text<'a>(&self, sql: &'a str) -> &'a str {
        &sql[self.start..self.end]
    }
}

/// The tokens of a script, and what stopped the lexer if something did.
///
/// Tokens come without trivia. They are kept when there is an error, so that a problem further up (the data after
/// `COPY … FROM stdin` rarely lexes) can be reported instead.
#[derive(Debug, Default)]
pub(super) struct Lexed {
    pub(super) tokens: Vec<Token>,
    pub(super) error: Option<SqlError>,
}

pub(super) fn lex(sql: &str, dialect: Dialect) -> Lexed {
    // Both servers take a script as a C string: what follows a NUL byte would silently not run.
    if let Some(offset) = sql.find('\0') {
        return Lexed {
            tokens: Vec::new(),
            error: Some(SqlError { offset, end: offset + 1, problem: Problem::NulByte }),
        };
    }
    let (mut tokens, unterminated) = with_trivia(sql, dialect);
    tokens.retain(|token| !token.is_trivia());
    let error = unterminated.map(|(offset, problem)| SqlError { offset, end: end_of_line(sql, offset), problem });
    Lexed { tokens, error }
}

/// Every token, and where and why the last one does not end. A NUL byte may end them early.
pub(super) fn with_trivia(sql: &str, dialect: Dialect) -> (Vec<Token>, Option<(usize, Problem)>) {
    match dialect {
        Dialect::Postgres => postgres::lex(sql, postgres::plain),
        Dialect::Sqlite => sqlite::lex(sql),
    }
}

/// Bytes of words, in both dialects. All bytes of characters beyond ASCII are.
static WORD: [bool; 256] = bytes(&[(b'a', b'z'), (b'A', b'Z'), (b'0', b'9'), (b'_', b'_'), (b'$', b'$'), (0x80, 0xff)]);

/// Bytes of white space that has begun, in both dialects.
static WHITE: [bool; 256] = bytes(&[(b' ', b' '), (b'\t', b'\r')]);

static DIGITS: [bool; 256] = bytes(&[(b'0', b'9')]);

/// A set of bytes, as ranges of which both ends belong.
const fn bytes(ranges: &[(u8, u8)]) -> [bool; 256] {
    let mut set = [false; 256];
    let mut index = 0;
    while index < ranges.len() {
        let (mut byte, last) = (ranges[index].0 as usize, ranges[index].1 as usize);
        while byte <= last {
            set[byte] = true;
            byte += 1;
        }
        index += 1;
    }
    set
}

/// How far a token reaches whose further bytes, from `from` on, all belong to a set.
///
/// A table and a bare loop: the macro is not optimised, and there each call and closure for a byte shows in every build.
fn run(rest: &[u8], from: usize, set: &[bool; 256]) -> usize {
    let mut end = from;
    while end < rest.len() && set[rest[end] as usize] {
        end += 1;
    }
    end
}

/// Where the line of an offset ends, without its line end.
pub(super) fn end_of_line(sql: &str, offset: usize) -> usize {
    let rest = &sql[offset..];
    let line = rest.lines().next().unwrap_or(rest);
    offset + line.trim_end().len()
}

/// Every token including trivia; `None` when the script does not lex.
#[cfg(test)]
fn all(sql: &str, dialect: Dialect) -> Option<Vec<Token>> {
    let (tokens, unterminated) = with_trivia(sql, dialect);
    unterminated.is_none().then_some(tokens)
}

#[cfg(test)]
mod tests;
