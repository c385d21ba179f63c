//! PostgreSQL's tokens: squawk's lexer, with what it leaves to a parser put right.
//!
//! Two things are: operators of several characters come as one token, and a string that continues an `E'…'` string on
//! the next line is read with backslash escapes, as the server reads it (a `\'` there would otherwise end the string
//! early, and a `;` behind it would cut the statement).

use squawk_lexer::{LiteralKind, TokenKind as Squawk};

use super::{DIGITS, Token, TokenKind, WHITE, WORD, run};
use crate::sql::Problem;

/// The tokens, and where and why the last one does not end.
///
/// What `plain` knows is left to it; squawk has the rest.
pub(super) fn lex(
    sql: &str,
    plain: impl Fn(&[u8]) -> Option<(TokenKind, usize)>,
) -> (Vec<Token>, Option<(usize, Problem)>) {
    let mut tokens = Vec::new();
    let mut chain = Chain::None;
    let mut position = 0;
    while position < sql.len() {
        let start = position;
        if let Some((kind, length)) = plain(&sql.as_bytes()[start..]) {
            position += length;
            chain = match kind {
                TokenKind::Space => chain.after(Squawk::Whitespace, &sql[start..position]),
                _ => Chain::None,
            };
            tokens.push(Token { kind, start, end: position });
            continue;
        }
        let rest = &sql[start..];
        // Squawk skips a byte-order mark in front of what it is given; to the server it is a letter.
        if rest.starts_with(squawk_lexer::BOM) {
            position += rest.find(ends_word).unwrap_or(rest.len());
            tokens.push(Token { kind: TokenKind::Word, start, end: position });
            chain = Chain::None;
            continue;
        }
        let Some(squawk) = squawk_lexer::tokenize(rest).next().filter(|it| it.kind != Squawk::Eof && it.len > 0) else {
            break;
        };
        position += squawk.len as usize;
        if squawk.kind == Squawk::Unknown && rest.starts_with('\\') {
            tokens.push(Token { kind: TokenKind::Backslash, start, end: position });
            chain = Chain::None;
            continue;
        }
        let continues = chain.continues() && rest.starts_with('\'');
        if continues && chain.escapes() {
            let Some(end) = end_of_escaped(sql, start) else {
                return (tokens, Some((start, Problem::UnterminatedString)));
            };
            tokens.push(Token { kind: TokenKind::Continuation, start, end });
            chain = Chain::String { escapes: true, line_ended: false };
            position = end;
            continue;
        }
        if let Some(problem) = unterminated(squawk.kind) {
            return (tokens, Some((start, problem)));
        }
        let kind = if continues { TokenKind::Continuation } else { kind(squawk.kind) };
        chain = chain.after(squawk.kind, &sql[start..position]);
        tokens.push(Token { kind, start, end: position });
    }
    (join_operators(sql, tokens), None)
}

/// The first token, if it is one of those that most of a script consists of, by squawk's rules: squawk reads character by
/// character through closures, which shows in every build where the macro is not optimised.
pub(super) fn plain(rest: &[u8]) -> Option<(TokenKind, usize)> {
    let &first = rest.first()?;
    match first {
        b' ' | b'\t'..=b'\r' => Some((TokenKind::Space, run(rest, 1, &WHITE))),
        b',' => Some((TokenKind::Symbol, 1)),
        b';' => Some((TokenKind::Semicolon, 1)),
        b'(' => Some((TokenKind::Open, 1)),
        b')' => Some((TokenKind::Close, 1)),
        b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
            let end = run(rest, 1, &WORD);
            // A letter in front of a quote or of `&"` may belong to what is quoted.
            let is_prefix = end == 1 && end < rest.len() && matches!(rest[end], b'\'' | b'&');
            if is_prefix { None } else { Some((TokenKind::Word, end)) }
        }
        b'0'..=b'9' => {
            let end = run(rest, 1, &DIGITS);
            let is_whole = end == rest.len() || matches!(rest[end], b' ' | b'\n' | b',' | b')' | b';');
            if is_whole { Some((TokenKind::Value, end)) } else { None }
        }
        _ => None,
    }
}

fn ends_word(character: char) -> bool {
    character.is_ascii() && !character.is_ascii_alphanumeric() && !matches!(character, '_' | '$')
}

/// Whether a string literal may go on: white space with a line end, and line comments, may stand between its parts.
#[derive(Clone, Copy)]
enum Chain {
    None,
    String { escapes: bool, line_ended: bool },
}

impl Chain {
    const fn continues(self) -> bool {
        matches!(self, Self::String { line_ended: true, .. })
    }

    const fn escapes(self) -> bool {
        matches!(self, Self::String { escapes: true, .. })
    }

    fn after(self, kind: Squawk, text: &str) -> Self {
        match (kind, self) {
            (Squawk::Whitespace, Self::String { escapes, line_ended }) => {
                Self::String { escapes, line_ended: line_ended || text.contains(['\n', '\r']) }
            }
            (Squawk::LineComment, chain) => chain,
            (Squawk::Literal { kind: LiteralKind::EscStr { .. } }, _) => {
                Self::String { escapes: true, line_ended: false }
            }
            (
                Squawk::Literal {
                    kind:
                        LiteralKind::Str { .. }
                        | LiteralKind::NationalStr { .. }
                        | LiteralKind::ByteStr { .. }
                        | LiteralKind::BitStr { .. }
                        | LiteralKind::UnicodeEscStr { .. },
                },
                _,
            ) => Self::String { escapes: false, line_ended: false },
            _ => Self::None,
        }
    }
}

/// The end of a string with backslash escapes whose opening quote is at `start`.
fn end_of_escaped(sql: &str, start: usize) -> Option<usize> {
    let bytes = sql.as_bytes();
    let mut position = start + 1;
    loop {
        match bytes.get(position)? {
            // The escaped character may have several bytes; the rest of them are no quotes or backslashes.
            b'\\' => position += 2,
            b'\'' if bytes.get(position + 1) == Some(&b'\'') => position += 2,
            b'\'' => return Some(position + 1),
            _ => position += 1,
        }
    }
}

const fn unterminated(kind: Squawk) -> Option<Problem> {
    match kind {
        Squawk::BlockComment { terminated: false } => Some(Problem::UnterminatedComment),
        Squawk::QuotedIdent { terminated: false, .. } => Some(Problem::UnterminatedIdentifier),
        Squawk::Literal { kind } => match kind {
            LiteralKind::DollarQuotedString { terminated: false } => Some(Problem::UnterminatedDollarQuote),
            LiteralKind::Str { terminated: false }
            | LiteralKind::NationalStr { terminated: false }
            | LiteralKind::ByteStr { terminated: false }
            | LiteralKind::BitStr { terminated: false }
            | LiteralKind::UnicodeEscStr { terminated: false }
            | LiteralKind::EscStr { terminated: false } => Some(Problem::UnterminatedString),
            _ => None,
        },
        _ => None,
    }
}

const fn kind(kind: Squawk) -> TokenKind {
    match kind {
        Squawk::Whitespace => TokenKind::Space,
        Squawk::LineComment | Squawk::BlockComment { .. } => TokenKind::Comment,
        Squawk::Ident => TokenKind::Word,
        Squawk::QuotedIdent { .. } => TokenKind::Name,
        Squawk::Semi => TokenKind::Semicolon,
        Squawk::OpenParen | Squawk::OpenBracket => TokenKind::Open,
        Squawk::CloseParen | Squawk::CloseBracket => TokenKind::Close,
        Squawk::PositionalParam { .. } => TokenKind::Value,
        Squawk::Literal { kind } => match kind {
            LiteralKind::Int { .. } | LiteralKind::Numeric { .. } => TokenKind::Value,
            _ => TokenKind::Text,
        },
        _ => TokenKind::Symbol,
    }
}

/// Puts operator characters that touch together, so that `<=` differs from `< =`.
fn join_operators(sql: &str, tokens: Vec<Token>) -> Vec<Token> {
    let mut joined: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut tokens = tokens.into_iter().peekable();
    while let Some(first) = tokens.next() {
        let same_run = |token: &Token| token.kind == TokenKind::Symbol && class(sql, token) == class(sql, &first);
        if first.kind != TokenKind::Symbol || class(sql, &first) == Class::Single {
            joined.push(first);
            continue;
        }
        let mut run = first;
        while let Some(next) = tokens.next_if(|next| same_run(next)) {
            run.end = next.end;
        }
        if class(sql, &first) == Class::Colon {
            joined.push(run);
            continue;
        }
        let length = operator_length(run.text(sql));
        joined.push(Token { end: run.start + length, ..run });
        // A sign that belongs to the operand: `a=-1` is `=` and `-`.
        joined.extend((run.start + length..run.end).map(|start| Token {
            kind: TokenKind::Symbol,
            start,
            end: start + 1,
        }));
    }
    joined
}

#[derive(PartialEq, Eq)]
enum Class {
    Operator,
    Colon,
    Single,
}

fn class(sql: &str, token: &Token) -> Class {
    match sql.as_bytes()[token.start] {
        b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'+' | b'-' | b'*' | b'/' | b'%' | b'<'
        | b'>' | b'=' => Class::Operator,
        b':' => Class::Colon,
        _ => Class::Single,
    }
}

/// The server's rule: an operator ends in `+` or `-` only if it holds one of the characters that SQL's own have not.
fn operator_length(text: &str) -> usize {
    let special = ['~', '!', '@', '#', '%', '^', '&', '|', '`', '?'];
    if text.contains(special) {
        return text.len();
    }
    text.trim_end_matches(['+', '-']).len().max(1)
}
