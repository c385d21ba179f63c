//! What can be wrong with a script before any database sees it, in words.

use std::fmt;
#[cfg(any(feature = "sqlite-syntax", feature = "postgres-syntax"))]
use std::ops::Range;

use super::Bare;

/// A script cannot be cut into statements, or not into segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// The first byte of the place that is wrong.
    pub offset: usize,
    /// The byte after it. For something that never ends, the end of the line in which it begins.
    pub end: usize,
    /// What is wrong.
    pub problem: Problem,
}

impl SqlError {
    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        self.problem.help()
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl std::error::Error for SqlError {}

/// A place where the grammar of a database does not go on.
#[cfg(any(feature = "sqlite-syntax", feature = "postgres-syntax"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// The word or symbol that does not fit, in bytes of the statement; empty at its end when something is missing there.
    pub span: Range<usize>,
    /// What is wrong, in the parser's words.
    pub message: String,
}

/// What is wrong with a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A string without its closing quote.
    UnterminatedString,
    /// A quoted name without its closing quote.
    UnterminatedIdentifier,
    /// A `/*` without its `*/` (PostgreSQL; SQLite reads on to the end).
    UnterminatedComment,
    /// A `$tag$` without its partner.
    UnterminatedDollarQuote,
    /// A `BEGIN ATOMIC`, or a trigger of SQLite, without its `END`.
    UnterminatedBody,
    /// A parenthesis or bracket without its partner.
    UnbalancedParenthesis,
    /// A backslash command of psql.
    PsqlCommand,
    /// `COPY … FROM stdin`.
    CopyFromStdin,
    /// `COPY … TO stdout`.
    CopyToStdout,
    /// A NUL byte.
    NulByte,
    /// `BEGIN` that no `COMMIT` follows.
    BeginWithoutCommit,
    /// `BEGIN` between `BEGIN` and `COMMIT`.
    NestedBegin,
    /// `COMMIT` without `BEGIN`.
    CommitWithoutBegin,
    /// `ROLLBACK`, which would leave the migration half done and recorded as done.
    Rollback,
    /// `COMMIT AND CHAIN`.
    Chain,
    /// A savepoint outside `BEGIN … COMMIT`.
    SavepointOutsideGroup,
    /// `PREPARE TRANSACTION`, `COMMIT PREPARED`, `ROLLBACK PREPARED`.
    TwoPhase,
    /// Between `BEGIN` and `COMMIT`, a statement that cannot run in a transaction.
    BareInGroup(Bare),
}

impl Problem {
    /// What to do about it.
    #[must_use]
    pub const fn help(self) -> &'static str {
        match self {
            Self::UnterminatedString => "close it with a single quote; a quote inside is written twice",
            Self::UnterminatedIdentifier => "close the quoted name",
            Self::UnterminatedComment => "close it with `*/`; comments nest, so every `/*` needs its own",
            Self::UnterminatedDollarQuote => "close it with the same tag it was opened with, in the same case",
            Self::UnterminatedBody => "end every statement of the body with `;`, and the body with `END`",
            Self::UnbalancedParenthesis => "give every parenthesis and bracket its partner before the statement ends",
            Self::PsqlCommand => "remove it: scripts are sent to the server, which knows no commands of psql",
            Self::CopyFromStdin => "write the rows as INSERT; `pg_dump --inserts` does",
            Self::CopyToStdout => "remove it: nobody would receive the rows",
            Self::NulByte => "remove it, or save the file as UTF-8",
            Self::BeginWithoutCommit => "add COMMIT behind the last statement of the group",
            Self::NestedBegin => "remove it, or COMMIT the group before",
            Self::CommitWithoutBegin => "add BEGIN in front of the group, or remove the COMMIT",
            Self::Rollback => "remove it: a migration is undone by its down script",
            Self::Chain => "write COMMIT, and BEGIN for the next group",
            Self::SavepointOutsideGroup => "put it between BEGIN and COMMIT, with the statements it guards",
            Self::TwoPhase => "write COMMIT: a migration does not leave a transaction prepared",
            Self::BareInGroup(_) => "move it in front of BEGIN or behind COMMIT",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnterminatedString => "a string is not closed",
            Self::UnterminatedIdentifier => "a quoted name is not closed",
            Self::UnterminatedComment => "a comment is not closed",
            Self::UnterminatedDollarQuote => "a dollar-quoted string is not closed",
            Self::UnterminatedBody => "the body of this statement is not closed by `END`",
            Self::UnbalancedParenthesis => "a parenthesis or bracket has no partner",
            Self::PsqlCommand => "a backslash command works in psql only",
            Self::CopyFromStdin => "`COPY ... FROM stdin` cannot run in a migration",
            Self::CopyToStdout => "`COPY ... TO stdout` cannot run in a migration",
            Self::NulByte => "the script holds a NUL byte",
            Self::BeginWithoutCommit => "`BEGIN` has no `COMMIT`",
            Self::NestedBegin => "`BEGIN` inside a transaction that the script has begun",
            Self::CommitWithoutBegin => "`COMMIT` has no `BEGIN`",
            Self::Rollback => "`ROLLBACK` in a migration would take back what is then recorded as done",
            Self::Chain => "`AND CHAIN` begins a transaction that is not seen to begin",
            Self::SavepointOutsideGroup => "a savepoint outside `BEGIN ... COMMIT` guards nothing",
            Self::TwoPhase => "two-phase commit cannot run in a migration",
            Self::BareInGroup(bare) => {
                return write!(f, "`{bare}` cannot run inside a transaction");
            }
        })
    }
}
