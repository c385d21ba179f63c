//! SQLite's tokens, by the rules of its own tokenizer.

use super::{DIGITS, Token, TokenKind, WHITE, WORD, run};
use crate::sql::Problem;

/// The tokens, and where and why the last one does not end.
pub(super) fn lex(sql: &str) -> (Vec<Token>, Option<(usize, Problem)>) {
    let mut tokens = Vec::new();
    let mut start = 0;
    while start < sql.len() {
        let (kind, length) = match next(&sql.as_bytes()[start..]) {
            Ok(found) => found,
            Err(problem) => return (tokens, Some((start, problem))),
        };
        let end = start + length;
        tokens.push(Token { kind, start, end });
        start = end;
    }
    (tokens, None)
}

/// The kind and length of the token that `rest` begins with.
fn next(rest: &[u8]) -> Result<(TokenKind, usize), Problem> {
    let at = |index: usize| rest.get(index).copied().unwrap_or_default();
    Ok(match at(0) {
        // A vertical tab is white space behind other white space only.
        b' ' | b'\t' | b'\n' | b'\x0c' | b'\r' => (TokenKind::Space, run(rest, 1, &WHITE)),
        0xef if rest.starts_with("\u{feff}".as_bytes()) => (TokenKind::Space, 3),
        b'-' if at(1) == b'-' => (TokenKind::Comment, position(rest, 2, b'\n').unwrap_or(rest.len())),
        // At the very end of a script `/*` is a slash and a star.
        b'/' if at(1) == b'*' && rest.len() > 2 => (TokenKind::Comment, block_comment(rest)),
        b'\'' => (TokenKind::Text, quoted(rest, Problem::UnterminatedString)?),
        b'"' | b'`' => (TokenKind::Name, quoted(rest, Problem::UnterminatedIdentifier)?),
        b'[' => match position(rest, 1, b']') {
            Some(end) => (TokenKind::Name, end + 1),
            None => return Err(Problem::UnterminatedIdentifier),
        },
        // Whatever is between the quotes belongs to the token, and no quote is doubled: bad digits are refused later.
        b'x' | b'X' if at(1) == b'\'' => match position(rest, 2, b'\'') {
            Some(end) => (TokenKind::Value, end + 1),
            None => return Err(Problem::UnterminatedString),
        },
        b'0'..=b'9' => (TokenKind::Value, number(rest)),
        b'.' if at(1).is_ascii_digit() => (TokenKind::Value, number(rest)),
        b'?' => (TokenKind::Value, run(rest, 1, &DIGITS)),
        b'$' | b'@' | b'#' | b':' => (TokenKind::Value, variable(rest)),
        byte if WORD[byte as usize] => (TokenKind::Word, run(rest, 1, &WORD)),
        b';' => (TokenKind::Semicolon, 1),
        b'(' => (TokenKind::Open, 1),
        b')' => (TokenKind::Close, 1),
        _ => (TokenKind::Symbol, symbol(rest)),
    })
}

fn position(rest: &[u8], from: usize, wanted: u8) -> Option<usize> {
    rest[from..].iter().position(|&byte| byte == wanted).map(|index| from + index)
}

/// A comment that nothing ends runs to the end of the script.
fn block_comment(rest: &[u8]) -> usize {
    rest[2..].windows(2).position(|pair| pair == b"*/").map_or(rest.len(), |index| index + 4)
}

/// The length up to the closing quote; a doubled quote is a quote inside.
fn quoted(rest: &[u8], problem: Problem) -> Result<usize, Problem> {
    let mut from = 1;
    while let Some(index) = position(rest, from, rest[0]) {
        if rest.get(index + 1) != Some(&rest[0]) {
            return Ok(index + 1);
        }
        from = index + 2;
    }
    Err(problem)
}

/// Digits, a fraction, an exponent with its sign, and trailing letters (hexadecimal digits, or junk).
fn number(rest: &[u8]) -> usize {
    let digits = |from| run(rest, from, &DIGITS);
    if rest[0] == b'0' && matches!(rest.get(1), Some(b'x' | b'X')) {
        return run(rest, 2, &WORD);
    }
    let mut end = digits(0);
    if rest.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    if matches!(rest.get(end), Some(b'e' | b'E')) && matches!(rest.get(end + 1), Some(b'+' | b'-')) {
        let exponent = digits(end + 2);
        if exponent > end + 2 {
            end = exponent;
        }
    }
    run(rest, end, &WORD)
}

/// `$name`, `@name`, `:name`, also with `::` inside and a suffix in parentheses, which may hold a semicolon.
fn variable(rest: &[u8]) -> usize {
    let mut end = 1;
    let mut named = false;
    loop {
        match rest.get(end) {
            Some(&byte) if WORD[byte as usize] => {
                named = true;
                end += 1;
            }
            Some(b'(') if named => {
                let is_end = |byte: &u8| *byte == b')' || WHITE[*byte as usize];
                let length = rest[end + 1..].iter().position(is_end);
                let inside = length.map_or(rest.len(), |length| end + 1 + length);
                return if rest.get(inside) == Some(&b')') { inside + 1 } else { inside };
            }
            Some(b':') if rest.get(end + 1) == Some(&b':') => end += 2,
            _ => return end,
        }
    }
}

fn symbol(rest: &[u8]) -> usize {
    const LONG: [&[u8]; 10] = [b"->>", b"->", b"==", b"<=", b"<>", b"<<", b">=", b">>", b"!=", b"||"];
    LONG.iter().find(|symbol| rest.starts_with(symbol)).map_or(1, |symbol| symbol.len())
}
