//! Scripts as the databases read them: cut into statements, told apart, and put into the order in which they run.
//!
//! A script is cut by tokens, not by grammar, at the places where the server itself ends a statement; what the server
//! accepts is therefore cut as the server does, also when its grammar is newer than this crate. What a token cutter
//! cannot see is left to the database: a `CALL` or `DO` that commits inside, and `CLUSTER` or `REINDEX` of a partitioned
//! table, count as [`Kind::Other`] although PostgreSQL refuses them in a transaction. Strings are read with
//! `standard_conforming_strings` on, the default.
//!
//! ```
//! use migrate_core::migration::Dialect;
//! use migrate_core::sql::{self, Kind};
//!
//! let script = "CREATE TABLE t (a text DEFAULT ';'); -- one\nSELECT 1";
//! let statements = sql::statements(script, Dialect::Postgres)?;
//! assert_eq!(statements.len(), 2);
//! assert_eq!(statements[0].text(script), "CREATE TABLE t (a text DEFAULT ';')");
//! assert_eq!(statements[1].kind, Kind::Query);
//! # Ok::<(), migrate_core::sql::SqlError>(())
//! ```

mod classify;
mod effect;
mod enums;
#[cfg(feature = "sqlite-syntax")]
mod grammar;
mod locks;
#[cfg(feature = "postgres-syntax")]
mod postgres_grammar;
mod problem;
mod removed;
mod script;
mod secrets;
mod segment;
mod split;
mod text;
mod token;

pub use effect::{Effect, ObjectClass, Reindexed, effect};
pub use enums::EnumValueUse;
#[cfg(feature = "sqlite-syntax")]
pub use grammar::sqlite_syntax_error;
pub use locks::{StrongLock, strong_locks};
#[cfg(feature = "postgres-syntax")]
pub use postgres_grammar::postgres_syntax_error;
#[cfg(any(feature = "sqlite-syntax", feature = "postgres-syntax"))]
pub use problem::SyntaxError;
pub use problem::{Problem, SqlError};
pub use removed::removed_names;
pub use script::Script;
pub use secrets::Secrets;
pub use segment::{Segment, SegmentKind, segments};
pub use text::{excerpt, line_column, offset_of_character};

use std::fmt;
use std::ops::Range;

use crate::migration::Dialect;
use classify::Words;
use token::TokenKind;

/// A statement's place in its script, and what kind it is.
///
/// The place goes from the first byte of its first token to the end of its last, so without the `;` that ends it and
/// without white space or comments around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its first byte.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
    /// What it does to the transaction and the session.
    pub kind: Kind,
}

impl Statement {
    /// The statement itself, cut from its script.
    #[must_use]
    pub fn text<'a>(&self, sql: &'a str) -> &'a str {
        &sql[self.start..self.end]
    }
}

/// What a statement does to the transaction and the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// `BEGIN`, `START TRANSACTION`.
    Begin,
    /// `COMMIT`, `END`, also with `AND CHAIN`.
    Commit,
    /// `ROLLBACK`, `ABORT`; not `ROLLBACK TO`.
    Rollback,
    /// The rest of transaction control: `SAVEPOINT`, `RELEASE`, `ROLLBACK TO`, and the two-phase `PREPARE TRANSACTION`,
    /// `COMMIT PREPARED`, `ROLLBACK PREPARED`.
    Savepoint,
    /// It cannot run inside a transaction.
    Bare(Bare),
    /// It sets session state, which a new connection lacks: replayed on resume.
    Session,
    /// It returns rows: `SELECT`, `WITH … SELECT`, `VALUES`, `TABLE`, or one of these in parentheses. A query that calls a
    /// function which sets session state (`set_config`) is [`Kind::Session`], one with `INTO` makes a table.
    Query,
    /// Anything else: it runs in a transaction and leaves nothing in the session.
    Other,
}

impl Kind {
    /// Whether it begins, ends or divides a transaction: nothing that a transactional migration may do.
    #[must_use]
    pub const fn is_transaction_control(self) -> bool {
        matches!(self, Self::Begin | Self::Commit | Self::Rollback | Self::Savepoint)
    }
}

/// The statements that cannot run inside a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bare {
    /// `CREATE INDEX`, `DROP INDEX` or `REINDEX` with `CONCURRENTLY`.
    ConcurrentIndex,
    /// `REINDEX` of a schema, a database or the system catalogues.
    Reindex,
    /// `VACUUM`, in both dialects.
    Vacuum,
    /// `ALTER SYSTEM`.
    AlterSystem,
    /// `CREATE DATABASE`, `DROP DATABASE`, `ALTER DATABASE … SET TABLESPACE`.
    Database,
    /// `CREATE TABLESPACE`, `DROP TABLESPACE`.
    Tablespace,
    /// `CREATE`, `DROP` or `ALTER SUBSCRIPTION` where it talks to the publisher about a slot or its tables.
    Subscription,
    /// `CLUSTER` of all tables.
    Cluster,
    /// `ALTER TABLE … DETACH PARTITION … CONCURRENTLY`.
    DetachPartition,
    /// `DISCARD ALL`.
    DiscardAll,
}

impl Bare {
    /// Its words, for messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConcurrentIndex => "INDEX CONCURRENTLY",
            Self::Reindex => "REINDEX",
            Self::Vacuum => "VACUUM",
            Self::AlterSystem => "ALTER SYSTEM",
            Self::Database => "DATABASE",
            Self::Tablespace => "TABLESPACE",
            Self::Subscription => "SUBSCRIPTION",
            Self::Cluster => "CLUSTER",
            Self::DetachPartition => "DETACH PARTITION CONCURRENTLY",
            Self::DiscardAll => "DISCARD ALL",
        }
    }
}

impl fmt::Display for Bare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a statement answers with, as far as its words tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It is a query, and can stand in parentheses as a part of another one.
    Query,
    /// It may give rows and is no query: `SHOW`, `EXPLAIN`, `FETCH`, `EXECUTE`, `CALL`, `INSERT … RETURNING`.
    Rows,
    /// It gives no rows.
    Nothing,
}

/// What one statement answers with on PostgreSQL.
#[must_use]
pub fn answer(statement: &str) -> Answer {
    let Ok(script) = Script::read(statement, Dialect::Postgres) else {
        return Answer::Nothing;
    };
    script.statements().first().map_or(Answer::Nothing, |first| classify::answer(script.words(first)))
}

/// The statements of a script, in order. Empty ones, as in `;;`, are none.
///
/// # Errors
///
/// The first place where the script does not lex to a closed state (`'abc`, `$$ …`, a trigger without `END`, `(` without
/// `)`), holds a NUL byte, or holds what only psql understands (`\connect`, `COPY … FROM stdin`).
pub fn statements(sql: &str, dialect: Dialect) -> Result<Vec<Statement>, SqlError> {
    Script::read(sql, dialect).map(Script::into_statements)
}

/// What a database means that names a place in a script: the statement that begins there, else the word or sign there.
///
/// Line and column count from 1, as in [`line_column`]. At the end of the script, or in one that does not lex, the range is
/// empty.
#[must_use]
pub fn span_at(sql: &str, dialect: Dialect, line: usize, column: usize) -> Range<usize> {
    let offset = text::offset_of_place(sql, line, column);
    let statements = statements(sql, dialect).unwrap_or_default();
    if let Some(statement) = statements.iter().find(|statement| statement.start == offset) {
        return statement.start..statement.end;
    }
    let lexed = token::lex(sql, dialect);
    let token = lexed.tokens.iter().find(|token| (token.start..token.end).contains(&offset));
    offset..token.map_or(offset, |token| token.end)
}

/// The pragma that a SQLite statement sets or runs, if that has no effect, or fails, inside a transaction: `foreign_keys`
/// and `journal_mode` are silently ignored there, the others are errors.
///
/// Asking for the value of one is no matter, so `PRAGMA foreign_keys` is `None` and `PRAGMA foreign_keys = OFF` is not.
#[must_use]
pub fn pragma_outside_transaction(statement: &str) -> Option<&'static str> {
    // A statement begins with its first token, so that most need not be lexed for this.
    let begins = statement.get(.."PRAGMA".len())?;
    if !begins.eq_ignore_ascii_case("PRAGMA") {
        return None;
    }
    let lexed = token::lex(statement, Dialect::Sqlite);
    classify::pragma_outside_transaction(Words { sql: statement, tokens: &lexed.tokens })
}

/// Whether two scripts differ in comments and white space only.
///
/// Tokens are compared as written, without folding case; only CR LF inside strings equals LF, as in the checksum. A
/// script that does not lex has the substance of none but itself.
#[must_use]
pub fn same_substance(a: &str, b: &str, dialect: Dialect) -> bool {
    if a == b {
        return true;
    }
    let (left, right) = (token::lex(a, dialect), token::lex(b, dialect));
    left.error.is_none()
        && right.error.is_none()
        && left.tokens.len() == right.tokens.len()
        && left
            .tokens
            .iter()
            .zip(&right.tokens)
            .all(|(left, right)| left.kind == right.kind && text::same_lines(left.text(a), right.text(b)))
}

/// The words, names, values and signs of a text, without white space and comments; what does not lex ends it.
#[must_use]
pub fn tokens(sql: &str, dialect: Dialect) -> Vec<&str> {
    token::lex(sql, dialect).tokens.iter().map(|token| token.text(sql)).collect()
}

/// Whether a script holds no statement at all: nothing, or comments and semicolons only.
#[must_use]
pub fn is_empty(sql: &str, dialect: Dialect) -> bool {
    let lexed = token::lex(sql, dialect);
    lexed.error.is_none() && lexed.tokens.iter().all(|token| token.kind == TokenKind::Semicolon)
}

#[cfg(test)]
mod tests;
