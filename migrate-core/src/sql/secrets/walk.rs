//! Tokens one after another, and what a string would mean there.

use super::{Content, Reading, Secret, Token, TokenKind, names_secret, plain};

/// What a string means at a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Nothing that matters.
    Text,
    /// The secret of the name in front of it.
    Named { quoted: bool },
    /// The secret that is assigned to a name, compared with one, or goes on with another string.
    Value { names: bool },
    /// The secret behind a string that is its name, if a comma or a sign lies between.
    Key,
    /// The secret behind a string that breaks off, if it is joined to that.
    Joined,
}

/// The columns of an `INSERT` that hold secrets.
struct Row {
    columns: Vec<usize>,
    /// In how many parentheses its values stand.
    depth: usize,
    /// Whether there are several, each in parentheses of its own.
    is_list: bool,
    item: usize,
}

pub(super) struct Walk<'a> {
    sql: &'a str,
    tokens: Vec<&'a Token>,
    reading: Reading<'a>,
    parentheses: usize,
    next: Next,
    /// In how many parentheses, or more, every string is a secret.
    all: Option<usize>,
    /// In how many parentheses the column was named whose default is a secret.
    column: Option<usize>,
    is_identified: bool,
    /// The places of secrets in the list that was read last, and how many items that has.
    listed: Vec<usize>,
    items: usize,
    row: Option<Row>,
    found: Vec<Secret>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(sql: &'a str, tokens: &'a [Token], reading: Reading<'a>) -> Self {
        let mut walk = Self {
            sql,
            tokens: Vec::with_capacity(tokens.len()),
            reading,
            parentheses: 0,
            next: Next::Text,
            all: None,
            column: None,
            is_identified: false,
            listed: Vec::new(),
            items: 0,
            row: None,
            found: Vec::new(),
        };
        for token in tokens {
            match token.kind {
                TokenKind::Space => {}
                TokenKind::Comment => walk.found.extend(Content::of(sql, token).secrets(reading)),
                _ => walk.tokens.push(token),
            }
        }
        walk
    }

    pub(super) fn secrets(mut self) -> Vec<Secret> {
        for index in 0..self.tokens.len() {
            let token = self.tokens[index];
            match token.kind {
                TokenKind::Text | TokenKind::Continuation => self.string(index),
                TokenKind::Value if token.text(self.sql).contains('\'') => self.string(index),
                TokenKind::Name => self.name(index),
                TokenKind::Word => self.word(index),
                TokenKind::Symbol => self.symbol(token.text(self.sql)),
                TokenKind::Open => self.open(),
                TokenKind::Close => self.close(),
                TokenKind::Semicolon => {
                    (self.all, self.column, self.row, self.is_identified) = (None, None, None, false);
                    (self.parentheses, self.items, self.next) = (0, 0, Next::Text);
                    self.listed.clear();
                }
                _ => self.next = Next::Text,
            }
        }
        self.found
    }

    /// The text of a token that may not be there.
    fn at(&self, index: Option<usize>) -> &'a str {
        index.and_then(|index| self.tokens.get(index)).map_or("", |token| token.text(self.sql))
    }

    fn hide(&mut self, content: Content) {
        self.found.push(content.whole());
        // The words of a connection string are quoted by the library that does not understand it.
        let words = content.text.split_whitespace().filter(|word| !word.contains('='));
        self.found.extend(words.map(|word| Secret { value: word.to_owned(), ..content.whole() }));
        self.found.extend(content.secrets(self.reading));
        self.next = Next::Value { names: false };
    }

    fn string(&mut self, index: usize) {
        let content = Content::of(self.sql, self.tokens[index]);
        let in_row =
            self.row.as_ref().is_some_and(|row| self.parentheses >= row.depth && row.columns.contains(&row.item));
        let is_continued = self.next == Next::Joined && self.tokens[index].kind == TokenKind::Continuation;
        let is_value = matches!(self.next, Next::Named { .. } | Next::Value { .. });
        // What a function is given whose name is that of a secret.
        if matches!(self.next, Next::Named { .. }) && self.at(index.checked_sub(1)) == "(" {
            self.all = self.all.or(Some(self.parentheses));
        }
        if in_row || is_continued || is_value || self.all.is_some() {
            self.hide(content);
            return;
        }
        self.next = match content.text.as_str() {
            text if plain::is_key(text) => Next::Key,
            text if plain::is_open(text) => Next::Joined,
            text => {
                if plain::has_place(text) {
                    self.all = Some(self.parentheses);
                }
                Next::Text
            }
        };
        self.found.extend(content.secrets(self.reading));
    }

    /// A quoted name, which some take for a string.
    fn name(&mut self, index: usize) {
        let content = Content::of(self.sql, self.tokens[index]);
        let may_be_string = matches!(self.next, Next::Named { quoted: false } | Next::Value { names: true });
        if may_be_string && self.at(Some(index + 1)) != "." {
            self.hide(content);
        } else if names_secret(&content.text) {
            self.named(true);
        } else {
            self.next = Next::Text;
            self.found.extend(content.secrets(self.reading));
        }
    }

    fn named(&mut self, quoted: bool) {
        self.next = Next::Named { quoted };
        self.column = Some(self.parentheses);
        if self.parentheses > 0 {
            self.listed.push(self.items);
        }
    }

    fn word(&mut self, index: usize) {
        let word = self.at(Some(index));
        let is = |words: &[&str]| words.iter().any(|it| it.eq_ignore_ascii_case(word));
        let awaits = matches!(self.next, Next::Named { .. } | Next::Value { .. });
        let is_cast = self.at(index.checked_sub(1)) == "::";
        let is_called = matches!(self.at(Some(index + 1)), "(" | "[" | ".");
        self.end_row(word);
        if names_secret(word) {
            self.named(false);
        } else if is(&["BY"]) && self.is_identified {
            self.next = Next::Named { quoted: false };
        } else if awaits && is(&["TO", "LIKE", "ILIKE", "IN", "NOT"])
            || is(&["DEFAULT"]) && self.column == Some(self.parentheses)
        {
            self.next = Next::Value { names: false };
        } else if !(is_cast || is_called && matches!(self.next, Next::Value { .. })) {
            self.next = Next::Text;
        }
        self.is_identified |= is(&["IDENTIFIED"]);
        if !self.listed.is_empty() && is(&["VALUES", "SELECT"]) {
            let is_list = is(&["VALUES"]);
            let depth = self.parentheses + usize::from(is_list);
            self.row = Some(Row { columns: std::mem::take(&mut self.listed), depth, is_list, item: 0 });
        }
    }

    /// What is behind the values of an `INSERT` is none.
    fn end_row(&mut self, word: &str) {
        let parentheses = self.parentheses;
        let ends = |row: &mut Row| {
            if row.is_list {
                parentheses < row.depth
            } else {
                parentheses <= row.depth && word.eq_ignore_ascii_case("FROM")
            }
        };
        if self.row.as_mut().is_some_and(ends) {
            self.row = None;
        }
    }

    fn symbol(&mut self, symbol: &str) {
        let is_sign = |it: char| matches!(it, '=' | '<' | '>' | '!' | ':' | '~' | '|');
        self.next = match (symbol, self.next) {
            (",", next) => {
                self.comma();
                if next == Next::Key { Next::Value { names: false } } else { Next::Text }
            }
            (".", Next::Value { .. }) => Next::Value { names: false },
            ("::", next) => next,
            ("|" | "||", Next::Joined) => Next::Value { names: false },
            (_, Next::Text | Next::Joined) => Next::Text,
            (":", _) => Next::Value { names: true },
            (_, next) if symbol.chars().all(is_sign) => {
                Next::Value { names: matches!(next, Next::Named { quoted: false } | Next::Value { names: true }) }
            }
            _ => Next::Text,
        };
    }

    fn comma(&mut self) {
        self.items += 1;
        if self.column == Some(self.parentheses) {
            self.column = None;
        }
        if let Some(row) = &mut self.row
            && self.parentheses == row.depth
        {
            row.item += 1;
        }
    }

    fn open(&mut self) {
        self.parentheses += 1;
        (self.items, self.listed) = (0, Vec::new());
        if let Some(row) = &mut self.row
            && row.is_list
            && self.parentheses == row.depth
        {
            row.item = 0;
        }
        match self.next {
            Next::Value { .. } => self.all = self.all.or(Some(self.parentheses)),
            Next::Named { .. } => {}
            _ => self.next = Next::Text,
        }
    }

    fn close(&mut self) {
        self.parentheses = self.parentheses.saturating_sub(1);
        if self.all.is_some_and(|depth| self.parentheses < depth) {
            self.all = None;
            self.next = Next::Value { names: false };
        } else if !matches!(self.next, Next::Named { .. }) {
            self.next = Next::Text;
        }
    }
}
