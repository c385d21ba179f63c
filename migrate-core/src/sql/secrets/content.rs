//! What quotes and comments hold.

use super::{DEEPEST, Reading, Secret, Token, TokenKind, in_sql, may_hold, plain};

/// What a token holds between its quotes, and where it stands.
pub(super) struct Content {
    /// Without the doubling and the escapes of its quotes.
    pub(super) text: String,
    /// The byte at which each byte of the text stands, and where the text ends.
    places: Vec<usize>,
    is_dollar_quoted: bool,
}

impl Content {
    pub(super) fn of(sql: &str, token: &Token) -> Self {
        let whole = token.text(sql);
        let (start, end, quote) = inside(whole, token.kind);
        let is_dollar_quoted = token.kind == TokenKind::Text && quote.is_none();
        let has_escapes = whole.starts_with(['E', 'e']) && quote == Some('\'');
        let (mut text, mut places) = (String::new(), Vec::new());
        let mut characters = whole[start..end].char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            let mut meant = character;
            if Some(character) == quote {
                characters.next_if(|(_, next)| Some(*next) == quote);
            } else if has_escapes && character == '\\' {
                meant = match characters.next() {
                    Some((_, 'n' | 'r' | 't')) => ' ',
                    Some((_, escaped)) => escaped,
                    None => character,
                };
            }
            text.push(meant);
            places.extend(std::iter::repeat_n(token.start + start + at, meant.len_utf8()));
        }
        places.push(token.start + end);
        Self { text, places, is_dollar_quoted }
    }

    /// All of it, as one secret.
    pub(super) fn whole(&self) -> Secret {
        Secret { range: self.places[0]..self.places[self.places.len() - 1], value: self.text.clone() }
    }

    /// What of it is secret: it may be SQL, a connection string, or anything else.
    pub(super) fn secrets(self, within: Reading<'_>) -> Vec<Secret> {
        if !may_hold(&self.text) {
            return Vec::new();
        }
        if within.depth == DEEPEST || within.left.get() == 0 {
            return vec![self.whole()];
        }
        let mut found = in_sql(&self.text, Reading { depth: within.depth + 1, ..within });
        found.extend(plain::secrets(&self.text, self.is_dollar_quoted));
        for secret in &mut found {
            secret.range = self.places[secret.range.start]..self.places[secret.range.end];
        }
        found
    }
}

/// Where what a token holds begins and ends, and the quote that is doubled in it. A quote that is missing is none.
fn inside(whole: &str, kind: TokenKind) -> (usize, usize, Option<char>) {
    if kind == TokenKind::Comment {
        return (whole.len() - whole.trim_start_matches(['-', '/', '*']).len(), whole.len(), None);
    }
    if let Some(tag) = whole.strip_prefix('$') {
        let start = tag.find('$').map_or(whole.len(), |end| end + 2);
        let is_closed = whole.len() >= 2 * start && whole.ends_with(&whole[..start]);
        return (start, if is_closed { whole.len() - start } else { whole.len() }, None);
    }
    let Some(open) = whole.find(['\'', '"', '`', '[']) else {
        return (0, whole.len(), None);
    };
    let start = open + 1;
    let quote = match &whole[open..start] {
        "[" => ']',
        "'" => '\'',
        "`" => '`',
        _ => '"',
    };
    let is_closed = whole.len() > start && whole.ends_with(quote);
    (start, if is_closed { whole.len() - 1 } else { whole.len() }, Some(quote))
}
