//! What kind a statement is, by its words.

use super::token::{Token, TokenKind};
use super::{Answer, Bare, Kind};
use crate::migration::Dialect;

/// Functions of PostgreSQL that leave something in the session.
const SESSION_FUNCTIONS: [&str; 6] = [
    "SET_CONFIG",
    "SETSEED",
    "PG_ADVISORY_LOCK",
    "PG_ADVISORY_LOCK_SHARED",
    "PG_TRY_ADVISORY_LOCK",
    "PG_TRY_ADVISORY_LOCK_SHARED",
];

/// Pragmas that cannot be set inside a transaction. Measured with SQLite 3.40: `foreign_keys` and `journal_mode` keep
/// their value without an error, `synchronous` is an error; `temp_store` is on the list because SQLite documents that it cannot be changed while a
/// temporary table is in use.
const SET_OUTSIDE: [&str; 4] = ["foreign_keys", "journal_mode", "synchronous", "temp_store"];

/// What the engine sets on PostgreSQL before every script, from options and `metadata.json`.
const TIMEOUTS: [&str; 2] = ["lock_timeout", "statement_timeout"];

/// The tokens of one statement, asked by position.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    pub(super) sql: &'a str,
    pub(super) tokens: &'a [Token],
}

impl Words<'_> {
    /// Whether the token at a place is this keyword, given in upper case.
    ///
    /// This and what follows is asked so often that it shows in the build of a large set, where nothing is optimised: the
    /// lengths are compared first, and loops are written out.
    pub(super) fn is(self, index: usize, keyword: &str) -> bool {
        if index >= self.tokens.len() {
            return false;
        }
        let token = &self.tokens[index];
        token.end - token.start == keyword.len()
            && matches!(token.kind, TokenKind::Word)
            && token.text(self.sql).eq_ignore_ascii_case(keyword)
    }

    pub(super) fn is_any(self, index: usize, keywords: &[&str]) -> bool {
        let mut next = 0;
        while next < keywords.len() {
            if self.is(index, keywords[next]) {
                return true;
            }
            next += 1;
        }
        false
    }

    /// Whether the tokens from a place on are these keywords.
    pub(super) fn are(self, index: usize, keywords: &[&str]) -> bool {
        let mut next = 0;
        while next < keywords.len() {
            if !self.is(index + next, keywords[next]) {
                return false;
            }
            next += 1;
        }
        true
    }

    /// Whether the token at a place is a name, quoted or not, of this spelling.
    pub(super) fn is_name(self, index: usize, name: &str) -> bool {
        if index >= self.tokens.len() {
            return false;
        }
        let token = &self.tokens[index];
        let length = token.end - token.start;
        match token.kind {
            TokenKind::Word => length == name.len() && token.text(self.sql).eq_ignore_ascii_case(name),
            TokenKind::Name if length == name.len() + 2 => {
                token.text(self.sql).get(1..length - 1).is_some_and(|inside| inside.eq_ignore_ascii_case(name))
            }
            _ => false,
        }
    }

    pub(super) fn is_symbol(self, index: usize, symbol: &str) -> bool {
        self.tokens.get(index).is_some_and(|token| {
            matches!(token.kind, TokenKind::Symbol | TokenKind::Open | TokenKind::Close)
                && token.text(self.sql) == symbol
        })
    }

    pub(super) fn kind(self, index: usize) -> Option<TokenKind> {
        self.tokens.get(index).map(|token| token.kind)
    }

    /// The places outside parentheses and brackets.
    pub(super) fn top_level(self) -> impl Iterator<Item = usize> {
        let mut depth = 0_usize;
        self.tokens.iter().enumerate().filter_map(move |(index, token)| {
            match token.kind {
                TokenKind::Open => depth += 1,
                TokenKind::Close => depth = depth.saturating_sub(1),
                _ => return (depth == 0).then_some(index),
            }
            None
        })
    }
}

pub(super) fn classify(words: Words<'_>, dialect: Dialect) -> Kind {
    if let Some(kind) = transaction_control(words, dialect) {
        return kind;
    }
    match dialect {
        Dialect::Postgres => postgres(words),
        Dialect::Sqlite => sqlite(words),
    }
}

/// What a statement answers with.
pub(super) fn answer(words: Words<'_>) -> Answer {
    let into = || words.top_level().any(|index| words.is(index, "INTO"));
    let returning = || words.top_level().any(|index| words.is(index, "RETURNING"));
    let opens = words.kind(0) == Some(TokenKind::Open);
    if opens || words.is_any(0, &["SELECT", "WITH", "VALUES", "TABLE"]) {
        return if into() { Answer::Nothing } else { Answer::Query };
    }
    // A procedure gives a row if it has parameters that go out.
    let speaks = words.is_any(0, &["SHOW", "EXPLAIN", "FETCH", "EXECUTE", "CALL"]);
    let changes = words.is_any(0, &["INSERT", "UPDATE", "DELETE", "MERGE"]);
    if speaks || changes && returning() { Answer::Rows } else { Answer::Nothing }
}

/// Whether it is `PREPARE TRANSACTION`, `COMMIT PREPARED` or `ROLLBACK PREPARED`, given that it is transaction control.
pub(super) fn is_two_phase(words: Words<'_>) -> bool {
    words.is(0, "PREPARE") || words.is_any(0, &["COMMIT", "ROLLBACK"]) && words.is(1, "PREPARED")
}

/// Whether it ends in `AND CHAIN`, given that it ends a transaction.
pub(super) fn is_chain(words: Words<'_>) -> bool {
    (1..=2).any(|index| words.are(index, &["AND", "CHAIN"]))
}

fn transaction_control(words: Words<'_>, dialect: Dialect) -> Option<Kind> {
    let postgres = dialect == Dialect::Postgres;
    let to = if words.is_any(1, &["TRANSACTION", "WORK"]) { 2 } else { 1 };
    if words.is(0, "BEGIN") || postgres && words.are(0, &["START", "TRANSACTION"]) {
        return Some(Kind::Begin);
    }
    // `PREPARE transaction AS …` names a prepared statement so.
    let prepares = words.are(0, &["PREPARE", "TRANSACTION"]) && words.kind(2) == Some(TokenKind::Text);
    let two_phase = prepares || words.is_any(0, &["COMMIT", "ROLLBACK"]) && words.is(1, "PREPARED");
    let rolls_back = words.is(0, "ROLLBACK") || postgres && words.is(0, "ABORT");
    if words.is_any(0, &["SAVEPOINT", "RELEASE"]) || postgres && two_phase || rolls_back && words.is(to, "TO") {
        return Some(Kind::Savepoint);
    }
    if rolls_back {
        return Some(Kind::Rollback);
    }
    words.is_any(0, &["COMMIT", "END"]).then_some(Kind::Commit)
}

fn postgres(words: Words<'_>) -> Kind {
    if let Some(bare) = postgres_bare(words) {
        return Kind::Bare(bare);
    }
    let session = words.is_any(0, &["RESET", "DISCARD", "LOAD", "PREPARE", "DEALLOCATE", "LISTEN", "UNLISTEN"])
        || sets_for_session(words)
        || creates_temporary(words)
        // Only a cursor WITH HOLD outlives its transaction.
        || words.is(0, "DECLARE") && words.top_level().any(|index| words.are(index, &["WITH", "HOLD"]));
    if session {
        return Kind::Session;
    }
    let opening = words.tokens.iter().take_while(|token| token.kind == TokenKind::Open).count();
    let query = Words { tokens: &words.tokens[opening..], ..words };
    if !is_query(query, &["SELECT", "VALUES", "TABLE"]) {
        return Kind::Other;
    }
    if calls_any(words, &SESSION_FUNCTIONS) {
        return Kind::Session;
    }
    match select_into(query) {
        None => Kind::Query,
        // A table called `temp` may be meant; then its name is followed by a clause or by nothing.
        Some(into) if words_name_temporary(query, into + 1) => Kind::Session,
        Some(_) => Kind::Other,
    }
}

fn postgres_bare(words: Words<'_>) -> Option<Bare> {
    let changes = words.is_any(0, &["CREATE", "DROP"]);
    let index = if words.is(1, "UNIQUE") { 2 } else { 1 };
    if changes && words.are(index, &["INDEX", "CONCURRENTLY"]) {
        return Some(Bare::ConcurrentIndex);
    }
    if words.is(0, "REINDEX") {
        return reindex(words);
    }
    if words.is(0, "VACUUM") {
        return Some(Bare::Vacuum);
    }
    if words.are(0, &["ALTER", "SYSTEM"]) {
        return Some(Bare::AlterSystem);
    }
    let moves = words.are(0, &["ALTER", "DATABASE"]) && words.are(3, &["SET", "TABLESPACE"]);
    if moves || changes && words.is(1, "DATABASE") {
        return Some(Bare::Database);
    }
    if changes && words.is(1, "TABLESPACE") {
        return Some(Bare::Tablespace);
    }
    if words.is(1, "SUBSCRIPTION") {
        return uses_publisher(words).then_some(Bare::Subscription);
    }
    if words.is(0, "CLUSTER") {
        // `CLUSTER`, `CLUSTER VERBOSE`, and since version 17 `CLUSTER (VERBOSE)`.
        let table = words.top_level().skip(1).any(|index| !words.is(index, "VERBOSE"));
        return (!table).then_some(Bare::Cluster);
    }
    if words.are(0, &["ALTER", "TABLE"]) {
        let mut places = words.top_level();
        let detaches = places.any(|index| words.are(index, &["DETACH", "PARTITION"]));
        return (detaches && places.any(|index| words.is(index, "CONCURRENTLY"))).then_some(Bare::DetachPartition);
    }
    words.are(0, &["DISCARD", "ALL"]).then_some(Bare::DiscardAll)
}

/// `REINDEX [(option, …)] {INDEX | TABLE | SCHEMA | DATABASE | SYSTEM} [CONCURRENTLY] [name]`
pub(super) fn reindex(words: Words<'_>) -> Option<Bare> {
    let object = words.top_level().nth(1)?;
    if words.is(object + 1, "CONCURRENTLY") || option(words, "CONCURRENTLY") == Some(true) {
        return Some(Bare::ConcurrentIndex);
    }
    words.is_any(object, &["SCHEMA", "DATABASE", "SYSTEM"]).then_some(Bare::Reindex)
}

/// The value of a boolean option in a list in parentheses; `None` when it is not there.
fn option(words: Words<'_>, name: &str) -> Option<bool> {
    let place = (1..words.tokens.len())
        .find(|&index| words.is(index, name) && (words.is_symbol(index - 1, "(") || words.is_symbol(index - 1, ",")))?;
    let value = if words.is_symbol(place + 1, "=") { place + 2 } else { place + 1 };
    let value = words.tokens.get(value)?.text(words.sql).trim_matches(['\'', '"']);
    Some(!["0", "off", "false", "no", "f", "n"].iter().any(|off| value.eq_ignore_ascii_case(off)))
}

/// Whether it makes or drops a slot, or asks the publisher for its tables.
fn uses_publisher(words: Words<'_>) -> bool {
    if words.is(0, "CREATE") {
        return ["CONNECT", "CREATE_SLOT"].iter().all(|name| option(words, name) != Some(false));
    }
    if words.is(0, "DROP") {
        // One without a slot could be dropped in a transaction; only the catalogue knows.
        return true;
    }
    let publications = words.is(4, "PUBLICATION");
    let switches = words.is(3, "SET") && ["FAILOVER", "TWO_PHASE"].iter().any(|name| option(words, name).is_some());
    words.is(0, "ALTER")
        && (words.is(3, "REFRESH") || switches || publications && option(words, "REFRESH") != Some(false))
}

/// `SET` that outlives the transaction. A custom setting may be called `local.x`.
fn sets_for_session(words: Words<'_>) -> bool {
    let for_transaction = words.is_any(1, &["LOCAL", "TRANSACTION", "CONSTRAINTS"]) && !words.is_symbol(2, ".");
    words.is(0, "SET") && !for_transaction
}

/// `CREATE TEMP …`, or with a name in the schema of temporary objects.
fn creates_temporary(words: Words<'_>) -> bool {
    if !words.is(0, "CREATE") {
        return false;
    }
    let mut index = if words.are(1, &["OR", "REPLACE"]) { 3 } else { 1 };
    if words.is_any(index, &["LOCAL", "GLOBAL"]) {
        index += 1;
    }
    words.is_any(index, &["TEMP", "TEMPORARY"]) || named_in(words, &["pg_temp"])
}

/// Whether the head of a statement names an object of one of these schemas.
fn named_in(words: Words<'_>, schemas: &[&str]) -> bool {
    (1..words.tokens.len())
        .take_while(|&index| !words.is(index, "AS") && words.kind(index) != Some(TokenKind::Open))
        .any(|index| words.is_symbol(index + 1, ".") && schemas.iter().any(|schema| words.is_name(index, schema)))
}

/// Whether a statement gives rows: one of these verbs in front, or behind `WITH`.
fn is_query(words: Words<'_>, verbs: &[&str]) -> bool {
    if !words.is(0, "WITH") {
        return words.is_any(0, verbs);
    }
    // A common table may itself be called `insert`; then a comma or WITH comes before it. When the query is in
    // parentheses there is no verb to find.
    let verb = words.top_level().skip(1).find(|&index| {
        words.is_any(index, &["SELECT", "VALUES", "TABLE", "INSERT", "REPLACE", "UPDATE", "DELETE", "MERGE"])
            && !words.is_any(index - 1, &["WITH", "RECURSIVE", "BY", "SET", "USING"])
            && !words.is_symbol(index - 1, ",")
    });
    verb.is_none_or(|index| words.is_any(index, verbs))
}

fn calls_any(words: Words<'_>, functions: &[&str]) -> bool {
    (0..words.tokens.len())
        .any(|index| words.is_symbol(index + 1, "(") && functions.iter().any(|function| words.is_name(index, function)))
}

/// The place of the `INTO` of `SELECT … INTO`, which makes a table. As a column's name it needs AS or a dot before it.
fn select_into(words: Words<'_>) -> Option<usize> {
    words
        .top_level()
        .skip(1)
        .find(|&index| words.is(index, "INTO") && !words.is(index - 1, "AS") && !words.is_symbol(index - 1, "."))
}

fn words_name_temporary(words: Words<'_>, index: usize) -> bool {
    let index = if words.is_any(index, &["LOCAL", "GLOBAL"]) { index + 1 } else { index };
    let table = if words.is(index, "TABLE") { index + 1 } else { index };
    let in_schema = words.is_name(table, "pg_temp") && words.is_symbol(table + 1, ".");
    in_schema
        || words.is_any(index, &["TEMP", "TEMPORARY"])
            && matches!(words.kind(index + 1), Some(TokenKind::Word | TokenKind::Name))
            && !words.is_any(index + 1, &["FROM", "WHERE", "GROUP", "ORDER", "LIMIT", "UNION"])
}

fn sqlite(words: Words<'_>) -> Kind {
    if words.is(0, "VACUUM") {
        return Kind::Bare(Bare::Vacuum);
    }
    let temporary = words.is(0, "CREATE") && (words.is_any(1, &["TEMP", "TEMPORARY"]) || named_in(words, &["temp"]));
    if words.is_any(0, &["PRAGMA", "ATTACH", "DETACH"]) || temporary {
        return Kind::Session;
    }
    if !is_query(words, &["SELECT", "VALUES"]) {
        return Kind::Other;
    }
    if calls_any(words, &["LOAD_EXTENSION"]) { Kind::Session } else { Kind::Query }
}

/// See [`super::pragma_outside_transaction`].
pub(super) fn pragma_outside_transaction(words: Words<'_>) -> Option<&'static str> {
    if !words.is(0, "PRAGMA") {
        return None;
    }
    let name = if words.is_symbol(2, ".") { 3 } else { 1 };
    if words.is_name(name, "wal_checkpoint") {
        return Some("wal_checkpoint");
    }
    let sets = words.is_symbol(name + 1, "=") || words.is_symbol(name + 1, "(");
    SET_OUTSIDE.into_iter().find(|outside| sets && words.is_name(name, outside))
}

/// See [`super::Script::timeout_set`].
pub(super) fn timeout_set(words: Words<'_>) -> Option<&'static str> {
    if words.is(0, "SET") {
        let name = if words.is_any(1, &["LOCAL", "SESSION"]) { 2 } else { 1 };
        return TIMEOUTS.into_iter().find(|timeout| words.is_name(name, timeout));
    }
    let is_call = |index: usize| words.is_name(index, "set_config") && words.is_symbol(index + 1, "(");
    let name = (0..words.tokens.len()).find(|&index| is_call(index)).map(|index| index + 2)?;
    let given = words.tokens.get(name).filter(|token| token.kind == TokenKind::Text)?;
    let given = given.text(words.sql).trim_matches('\'');
    TIMEOUTS.into_iter().find(|timeout| given.eq_ignore_ascii_case(timeout))
}

/// See [`super::Script::is_only_for_sqlite`].
pub(super) fn is_only_for_sqlite(words: Words<'_>) -> bool {
    let makes_table = words.is(0, "CREATE");
    let is_ours = |index: usize| words.is(index, "AUTOINCREMENT") || words.are(index, &["WITHOUT", "ROWID"]);
    words.is(0, "PRAGMA") || makes_table && (0..words.tokens.len()).any(is_ours)
}
