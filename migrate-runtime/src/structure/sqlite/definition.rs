//! What SQLite keeps only in the text of a definition.

use migrate_core::migration::Dialect;
use migrate_core::sql;

/// A text without white space, comments, quotes of names and case, strings aside. So `ALTER TABLE ... RENAME`, which
/// quotes the new name wherever it stands, changes nothing else.
pub(super) fn plain(text: &str) -> String {
    words(text).join(" ")
}

/// The clauses of `CREATE TABLE` that no pragma shows: checks, collations, generated values, `AUTOINCREMENT`,
/// `DEFERRABLE` and `ON CONFLICT`.
pub(super) fn clauses(create_table: &str) -> Vec<String> {
    let is_quoted: Vec<bool> =
        sql::tokens(create_table, Dialect::Sqlite).iter().map(|it| unquoted(it).is_some()).collect();
    let words = words(create_table);
    let Some(open) = words.iter().position(|word| word == "(") else {
        return Vec::new();
    };
    let mut clauses = Vec::new();
    let mut start = open + 1;
    while start < words.len() {
        let end = definition_end(&words, start);
        let is_constraint = !is_quoted[start]
            && ["constraint", "primary", "unique", "check", "foreign"].contains(&words[start].as_str());
        let column = (!is_constraint).then(|| words[start].as_str());
        let from = if is_constraint { start } else { start + 1 };
        of_definition(column, &words[from..end], &mut clauses);
        if words.get(end).is_none_or(|word| word == ")") {
            break;
        }
        start = end + 1;
    }
    clauses
}

/// The clauses of one column or one constraint.
fn of_definition(column: Option<&str>, words: &[String], clauses: &mut Vec<String>) {
    let of = column.map(|column| format!("column {column}: ")).unwrap_or_default();
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let mut at = 0;
    while at < words.len() {
        let group = if word(at + 1) == "(" { group_end(words, at + 1) } else { at + 1 };
        let end = match word(at) {
            // A check says the same of its table wherever it stands.
            "check" if group > at + 1 => {
                clauses.push(words[at..group].join(" "));
                group
            }
            "as" if group > at + 1 => {
                clauses.push(format!("{of}{}", words[at..group].join(" ")));
                group
            }
            "(" => group_end(words, at),
            "autoincrement" => {
                clauses.push(format!("{of}autoincrement"));
                at + 1
            }
            "collate" => {
                clauses.push(format!("{of}collate {}", word(at + 1)));
                at + 2
            }
            "on" if word(at + 1) == "conflict" => {
                clauses.push(format!("{of}{} on conflict {}", words[..at].join(" "), word(at + 2)));
                at + 3
            }
            "deferrable" if word(at + 1) == "initially" && word(at + 2) == "deferred" => {
                let not = if at > 0 && word(at - 1) == "not" { "not " } else { "" };
                clauses.push(format!("{of}{not}deferrable initially deferred"));
                at + 3
            }
            _ => at + 1,
        };
        at = end;
    }
}

/// Where the definition that begins at `start` ends: at its comma, or at the parenthesis after the last one.
fn definition_end(words: &[String], start: usize) -> usize {
    let mut at = start;
    while at < words.len() && words[at] != "," && words[at] != ")" {
        at = if words[at] == "(" { group_end(words, at) } else { at + 1 };
    }
    at
}

/// The place after the parenthesis that closes the one at `open`.
fn group_end(words: &[String], open: usize) -> usize {
    let mut depth = 0;
    for (at, word) in words.iter().enumerate().skip(open) {
        match word.as_str() {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    words.len()
}

fn words(text: &str) -> Vec<String> {
    let tokens = sql::tokens(text, Dialect::Sqlite);
    let word = |token: &str| match unquoted(token) {
        _ if token.starts_with('\'') => token.to_owned(),
        Some(name) => name.to_lowercase(),
        None => token.to_lowercase(),
    };
    tokens.into_iter().map(word).collect()
}

/// What is between the quotes of a quoted name.
fn unquoted(token: &str) -> Option<&str> {
    let quotes = [('"', '"'), ('`', '`'), ('[', ']')];
    quotes.into_iter().find_map(|(open, close)| token.strip_prefix(open)?.strip_suffix(close))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_made_plain() {
        assert_eq!(plain("\"Users\"  [By] `x` -- note\n 'It''s'"), "users by x 'It''s'");
    }

    #[test]
    fn clauses_that_no_pragma_shows() {
        let check = |sql: &str, expect: &[&str]| assert_eq!(clauses(sql), expect, "{sql}");
        check("CREATE TABLE t (a, b TEXT DEFAULT (',' || ')'), PRIMARY KEY (a, b))", &[]);
        check("CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT)", &["column a: autoincrement"]);
        check("CREATE TABLE t (\"check\" TEXT COLLATE NOCASE)", &["column check: collate nocase"]);
        check("CREATE TABLE t (a CHECK (a <> ',('), CHECK(a>1))", &["check ( a <> ',(' )", "check ( a > 1 )"]);
        check("CREATE TABLE t (a, b AS (a + 1) STORED)", &["column b: as ( a + 1 )"]);
        check("CREATE TABLE t (a, UNIQUE (a) ON CONFLICT IGNORE)", &["unique ( a ) on conflict ignore"]);
        check(
            "CREATE TABLE t (a REFERENCES p DEFERRABLE INITIALLY DEFERRED)",
            &["column a: deferrable initially deferred"],
        );
        // Where a check stands is no matter; ADD COLUMN writes after the constraints.
        assert_eq!(
            clauses("CREATE TABLE t (a CHECK (a > 1))"),
            clauses("CREATE TABLE \"t\" (a, CHECK (\"a\" > 1), b INT)")
        );
    }
}
