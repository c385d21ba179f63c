//! Passwords in texts that are no SQL: connection strings, URLs, settings.

use super::{PASSWORDS, Secret, names_password, names_secret};

/// `password = value`, with or without quotes, and `//user:secret@`.
///
/// In the body of a function, `password = crypt(...)` is SQL: what it calls is no password.
pub(super) fn secrets(text: &str, is_body: bool) -> Vec<Secret> {
    let mut found: Vec<Secret> = text
        .match_indices('=')
        .filter_map(|(at, _)| assigned(text, at, is_body))
        .map(|(start, end)| Secret { range: start..end, value: text[start..end].to_owned() })
        .collect();
    for (start, end) in text.match_indices("//").filter_map(|(at, _)| of_user(text, at + 2)) {
        // Whoever takes a part of it for a host or a port quotes that part.
        let parts = text[start..end].split(['/', '@', ':', '?', '#']).chain([&text[start..end]]);
        found.extend(parts.map(|part| Secret { range: start..end, value: part.to_owned() }));
    }
    found.retain(|secret| !secret.range.is_empty());
    found
}

/// Where the value of the `=` at a place begins and ends, if it is that of a password.
fn assigned(text: &str, at: usize, is_body: bool) -> Option<(usize, usize)> {
    let name = text[..at].trim_end();
    if !names_password(name) {
        return None;
    }
    let value = text[at + 1..].trim_start();
    let start = text.len() - value.len();
    if let Some(quoted) = value.strip_prefix('\'') {
        return Some((start + 1, start + 1 + end(quoted, |character| character == '\'')));
    }
    let called = value.trim_start_matches(|it: char| it.is_alphanumeric() || matches!(it, '_' | '.'));
    if is_body && name.len() < at && called.len() < value.len() && called.starts_with('(') {
        return None;
    }
    Some((start, start + end(value, char::is_whitespace)))
}

/// Where a value ends; a backslash takes the character behind it along.
fn end(value: &str, is_end: impl Fn(char) -> bool) -> usize {
    let mut characters = value.char_indices();
    while let Some((at, character)) = characters.next() {
        if is_end(character) {
            return at;
        }
        if character == '\\' {
            characters.next();
        }
    }
    value.len()
}

/// The secret of a URL whose user begins at a place. A secret may hold an `@`, so it goes up to the last one.
fn of_user(text: &str, start: usize) -> Option<(usize, usize)> {
    let rest = &text[start..];
    let rest = &rest[..rest.find(|it: char| it.is_whitespace() || matches!(it, '\'' | '"')).unwrap_or(rest.len())];
    let credentials = &rest[..rest.rfind('@')?];
    let colon = credentials.find(':')?;
    Some((start + colon + 1, start + credentials.len()))
}

/// Where the words begin that end in the name of a secret.
pub(super) fn names(text: &str) -> Vec<usize> {
    let lower = text.to_ascii_lowercase();
    let of = |name: &'static str| lower.match_indices(name).map(|(at, _)| at).collect::<Vec<_>>();
    let mut names: Vec<usize> =
        PASSWORDS.iter().chain(&["connection", "identified"]).flat_map(|name| of(name)).collect();
    names.sort_unstable();
    names
}

/// Whether a text breaks off where a secret would follow: what it is joined with is one.
pub(super) fn is_open(text: &str) -> bool {
    names_secret(text.trim_end_matches(|it: char| it.is_whitespace() || matches!(it, '=' | '\'' | '"' | ':')))
}

/// Whether a text is nothing but the name of a secret: a key, or a setting.
pub(super) fn is_key(text: &str) -> bool {
    names_secret(text) && text.chars().all(|it| it.is_alphanumeric() || matches!(it, '_' | '.' | '-'))
}

/// Whether a text has a place for a secret, as what `format` is given has.
pub(super) fn has_place(text: &str) -> bool {
    let is_space = |it: char| it.is_whitespace() || matches!(it, '=' | '\'' | '"' | ':');
    text.match_indices('%').any(|(at, _)| names_secret(text[..at].trim_end_matches(is_space)))
}
