//! Passwords in SQL, which no message may show.
//!
//! No grammar tells where all of them are: what is shown may be cut off, nested in strings, of either dialect, or no SQL at
//! all. So whatever may be one is found by the words in front of it, and hidden: too much is better than one password.

mod content;
mod plain;
mod walk;

use std::cell::Cell;
use std::ops::Range;

use super::Problem;
use super::token::{self, Token, TokenKind};
use crate::migration::Dialect;
use content::Content;
use walk::Walk;

/// How deep strings in strings are read. What lies deeper is hidden as a whole.
const DEEPEST: usize = 5;

/// How far behind a word a text is read that does not lex.
const REACH: usize = 1024;

/// How many bytes are read for each byte of a text, and at least. Then what was not read is hidden: quotes in quotes, none of
/// which ends, would take for ever.
const EFFORT: (usize, usize) = (32, 1 << 20);

/// What stands for a secret where nothing depends on its length.
const HIDDEN: &str = "***";

/// Secrets of fewer characters are hidden in messages only where they are a word by themselves.
const SHORT: usize = 4;

/// The ends of words that name a password.
const PASSWORDS: [&str; 5] = ["password", "passwd", "passphrase", "pwd", "secret"];

/// The parts of a text of SQL that no message may show.
#[derive(Debug)]
pub struct Secrets<'a> {
    text: &'a str,
    /// In order, and apart from each other.
    hidden: Vec<Range<usize>>,
    /// As they are written and as they are meant, the longest first.
    values: Vec<String>,
}

/// A part of a text to hide, and what it means.
struct Secret {
    range: Range<usize>,
    value: String,
}

impl<'a> Secrets<'a> {
    /// Finds those of a script, a statement, or the beginning of one.
    #[must_use]
    pub fn of(text: &'a str) -> Self {
        Self::from(text, in_either(text))
    }

    fn from(text: &'a str, found: Vec<Secret>) -> Self {
        let mut values: Vec<String> = Vec::new();
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for Secret { range, value } in found {
            values.push(text[range.clone()].to_owned());
            values.push(value);
            ranges.push(range);
        }
        values.retain(|value| !value.trim().is_empty() && value != HIDDEN);
        values.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        values.dedup();
        ranges.sort_by_key(|range| (range.start, range.end));
        let mut hidden: Vec<Range<usize>> = Vec::new();
        for range in ranges.into_iter().filter(|range| !range.is_empty()) {
            match hidden.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => hidden.push(range),
            }
        }
        Self { text, hidden, values }
    }

    /// The text with `***` for each secret.
    #[must_use]
    pub fn redacted(&self) -> String {
        let mut shown = String::with_capacity(self.text.len());
        let mut from = 0;
        for range in &self.hidden {
            shown.push_str(&self.text[from..range.start]);
            shown.push_str(HIDDEN);
            from = range.end;
        }
        shown + &self.text[from..]
    }

    /// A part of the text with `*` for each character of a secret, so that what is behind it stays in its column.
    #[must_use]
    pub fn masked(&self, part: Range<usize>) -> String {
        let mut hidden = &self.hidden[self.hidden.partition_point(|range| range.end <= part.start)..];
        let mut shown = String::with_capacity(part.len());
        for (at, character) in self.text[part.clone()].char_indices() {
            let at = part.start + at;
            while hidden.first().is_some_and(|range| range.end <= at) {
                hidden = &hidden[1..];
            }
            let is_hidden = hidden.first().is_some_and(|range| range.contains(&at));
            shown.push(if is_hidden { '*' } else { character });
        }
        shown
    }

    /// What a database or a parser says of the text, without what it quotes of the secrets.
    #[must_use]
    pub fn hidden_in(&self, message: &str) -> String {
        let mut found = in_either(message);
        found.extend(plain::secrets(message, false));
        let mut shown = Secrets::from(message, found).redacted();
        for value in &self.values {
            shown = without(&shown, value);
        }
        shown
    }
}

/// The message with `***` for each time that it holds a value.
fn without(message: &str, value: &str) -> String {
    let is_short = value.chars().count() < SHORT;
    let mut shown = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(at) = rest.find(value) {
        let (before, behind) = (&rest[..at], &rest[at + value.len()..]);
        let touches = before.ends_with(char::is_alphanumeric) || behind.starts_with(char::is_alphanumeric);
        shown.push_str(before);
        shown.push_str(if is_short && touches { value } else { HIDDEN });
        rest = behind;
    }
    shown + rest
}

/// Whether a word or a name is that of a password, or of what holds one.
fn names_secret(word: &str) -> bool {
    names_password(word) || ends_in(word, "connection")
}

fn names_password(word: &str) -> bool {
    PASSWORDS.iter().any(|end| ends_in(word, end))
}

fn ends_in(word: &str, end: &str) -> bool {
    let start = word.len().checked_sub(end.len());
    start.is_some_and(|start| word.as_bytes()[start..].eq_ignore_ascii_case(end.as_bytes()))
}

/// Whether a text is worth being read: most hold none of the words.
fn may_hold(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    PASSWORDS.iter().chain(&["connection", "identified"]).any(|word| text.contains(word))
        || text.contains("//") && text.contains('@')
}

/// How a text is read.
#[derive(Clone, Copy)]
struct Reading<'a> {
    dialect: Dialect,
    /// In how many strings it is.
    depth: usize,
    /// How many bytes may still be read.
    left: &'a Cell<usize>,
}

impl Reading<'_> {
    fn tokens(self, text: &str) -> (Vec<Token>, bool) {
        self.left.set(self.left.get().saturating_sub(text.len()));
        tokens(text, self.dialect)
    }
}

/// The secrets of a text by both dialects: nobody says of which it is, and a string in one may begin where it ends in the
/// other.
fn in_either(text: &str) -> Vec<Secret> {
    if !may_hold(text) {
        return Vec::new();
    }
    // A NUL byte would end the text for the lexer, and is white space to whoever reads it.
    let text = &text.replace('\0', " ");
    let of = |dialect| {
        let left = Cell::new(EFFORT.1.max(EFFORT.0.saturating_mul(text.len())));
        in_sql(text, Reading { dialect, depth: 0, left: &left })
    };
    Dialect::ALL.into_iter().flat_map(of).collect()
}

fn in_sql(text: &str, reading: Reading<'_>) -> Vec<Secret> {
    let (tokens, lexes) = reading.tokens(text);
    let mut found = Walk::new(text, &tokens, reading).secrets();
    if lexes && !is_torn(&tokens) {
        return found;
    }
    // A quote is missing or too much, so that what seems to be within strings may be outside of them.
    for start in plain::names(text) {
        if reading.left.get() == 0 {
            found.push(Secret { range: start..text.len(), value: String::new() });
            break;
        }
        let part = &text[start..text.floor_char_boundary(start + REACH)];
        let (tokens, _) = reading.tokens(part);
        found.extend(Walk::new(part, &tokens, reading).secrets().into_iter().map(|it| it.moved(start)));
    }
    found
}

/// Whether a string touches the word behind it, which nobody writes.
fn is_torn(tokens: &[Token]) -> bool {
    let is_text = |token: &Token| matches!(token.kind, TokenKind::Text | TokenKind::Continuation);
    tokens.windows(2).any(|pair| is_text(&pair[0]) && pair[1].kind == TokenKind::Word)
}

/// All tokens, and whether the text lexes. What does not end is a token up to the end.
fn tokens(text: &str, dialect: Dialect) -> (Vec<Token>, bool) {
    let (mut tokens, unterminated) = token::with_trivia(text, dialect);
    tokens.extend(unterminated.map(|(start, problem)| {
        let kind = match problem {
            Problem::UnterminatedComment => TokenKind::Comment,
            Problem::UnterminatedIdentifier => TokenKind::Name,
            _ => TokenKind::Text,
        };
        Token { kind, start, end: text.len() }
    }));
    (tokens, unterminated.is_none())
}

impl Secret {
    fn moved(self, by: usize) -> Self {
        Self { range: self.range.start + by..self.range.end + by, ..self }
    }
}

#[cfg(test)]
mod tests;
