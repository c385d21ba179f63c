//! A script, read once for everything that is asked of it.

use super::classify::{self, Words};
use super::token::Token;
use super::{EnumValueUse, Segment, SqlError, Statement, enums, segment, split};
use crate::migration::Dialect;

/// A script as its tokens and statements.
///
/// Reading it is most of the work: whoever asks more than one thing of a script reads it once.
#[derive(Debug)]
pub struct Script<'a> {
    sql: &'a str,
    tokens: Vec<Token>,
    statements: Vec<Statement>,
}

impl<'a> Script<'a> {
    /// Cuts a script into statements.
    ///
    /// # Errors
    ///
    /// Those of [`statements`](super::statements).
    pub fn read(sql: &'a str, dialect: Dialect) -> Result<Self, SqlError> {
        let cut = split::split(sql, dialect)?;
        let mut statements = Vec::with_capacity(cut.statements.len());
        for range in cut.statements {
            let tokens = &cut.tokens[range];
            statements.push(Statement {
                start: tokens[0].start,
                end: tokens[tokens.len() - 1].end,
                kind: classify::classify(Words { sql, tokens }, dialect),
            });
        }
        Ok(Self { sql, tokens: cut.tokens, statements })
    }

    /// Its statements, in order. Empty ones, as in `;;`, are none.
    #[must_use]
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Its statements alone.
    #[must_use]
    pub fn into_statements(self) -> Vec<Statement> {
        self.statements
    }

    /// What it is run as outside a transaction.
    ///
    /// # Errors
    ///
    /// Those of [`segments`](super::segments) that are not those of [`Script::read`].
    pub fn segments(&self) -> Result<Vec<Segment>, SqlError> {
        segment::in_script(self)
    }

    /// The same as [`pragma_outside_transaction`](super::pragma_outside_transaction) of a statement of this script.
    #[must_use]
    pub fn pragma_outside_transaction(&self, statement: &Statement) -> Option<&'static str> {
        classify::pragma_outside_transaction(self.words(statement))
    }

    /// The timeout that a statement of PostgreSQL sets by `SET` or `set_config`: `lock_timeout` or `statement_timeout`.
    #[must_use]
    pub fn timeout_set(&self, statement: &Statement) -> Option<&'static str> {
        classify::timeout_set(self.words(statement))
    }

    /// Whether it can only be meant for SQLite, by a word that no other database has.
    #[must_use]
    pub fn is_only_for_sqlite(&self) -> bool {
        self.statements.iter().any(|statement| classify::is_only_for_sqlite(self.words(statement)))
    }

    /// The texts of PostgreSQL that equal an enum value added before them, among statements of this script that run in one
    /// transaction: the first of each value.
    ///
    /// The bodies of functions in quotes are not looked into: what they say is not run when they are created.
    #[must_use]
    pub fn enum_value_uses(&self, statements: &[Statement]) -> Vec<EnumValueUse> {
        enums::uses(self, statements)
    }

    /// The tokens of one of its statements.
    pub(super) fn words(&self, statement: &Statement) -> Words<'_> {
        let first = self.tokens.partition_point(|token| token.start < statement.start);
        let count = self.tokens[first..].partition_point(|token| token.end <= statement.end);
        Words { sql: self.sql, tokens: &self.tokens[first..first + count] }
    }
}
