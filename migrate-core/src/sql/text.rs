//! Places in a text, and excerpts of it, for messages.

use super::Secrets;

/// The most characters that [`excerpt`] gives.
const EXCERPT: usize = 120;

/// The line and the column of a byte offset, both from 1; the column counts characters. LF and CR LF end lines.
///
/// An offset beyond the text is taken as its end, one inside a character as its beginning.
#[must_use]
pub fn line_column(sql: &str, offset: usize) -> (usize, usize) {
    let before = &sql[..sql.floor_char_boundary(offset)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

/// The byte offset of a line and column, both from 1: the inverse of [`line_column`]. A place beyond the text is at its end.
pub(super) fn offset_of_place(sql: &str, line: usize, column: usize) -> usize {
    let start: usize = sql.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    start + offset_of_character(&sql[start..], column.saturating_sub(1))
}

/// The byte offset of a character, both from 0: PostgreSQL counts positions in characters (from 1).
///
/// A character beyond the text is at its end.
#[must_use]
pub fn offset_of_character(sql: &str, character: usize) -> usize {
    sql.char_indices().nth(character).map_or(sql.len(), |(offset, _)| offset)
}

/// A statement on one line for messages: white space and control characters folded to single spaces, at most 120
/// characters, the last of them `…` when something was cut off. [`Secrets`] are hidden.
#[must_use]
pub fn excerpt(statement: &str) -> String {
    let statement = Secrets::of(statement).redacted();
    let mut words = statement
        .split(|character: char| character.is_whitespace() || character.is_control())
        .filter(|word| !word.is_empty());
    let mut line = String::new();
    let mut length = 0;
    while let Some(word) = words.next() {
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        for character in word.chars() {
            line.push(character);
            length += 1;
            if length > EXCERPT {
                return cut(&line);
            }
        }
        if length == EXCERPT && words.next().is_some() {
            return cut(&line);
        }
    }
    line
}

/// The line up to where the `…` fits.
fn cut(line: &str) -> String {
    let mut short: String = line.chars().take(EXCERPT - 1).collect();
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}

/// Whether two texts are equal once every CR LF is an LF.
pub(super) fn same_lines(a: &str, b: &str) -> bool {
    let lines = |text: &'_ str| text.replace("\r\n", "\n");
    a == b || a.contains('\n') && b.contains('\n') && lines(a) == lines(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_place(sql: &str, place: &str, expected: (usize, usize)) {
        let offset = sql.find(place).unwrap();
        assert_eq!(line_column(sql, offset), expected);
        assert_eq!(offset_of_place(sql, expected.0, expected.1), offset);
    }

    #[test]
    fn excerpts_show_no_password() {
        let check = |statement: &str, expect: &str| assert_eq!(excerpt(statement), expect);
        check("CREATE ROLE a PASSWORD 'hunter2' LOGIN", "CREATE ROLE a PASSWORD '***' LOGIN");
        check("ALTER ROLE a password\n  E'it''s' VALID", "ALTER ROLE a password E'***' VALID");
        check("ALTER ROLE a PASSWORD 'cut", "ALTER ROLE a PASSWORD '***");
        let long = format!("ALTER ROLE a {} PASSWORD '{}' LOGIN", "x".repeat(80), "y".repeat(200));
        check(&long, &format!("ALTER ROLE a {} PASSWORD '***' LOGIN", "x".repeat(80)));
        check("SELECT password FROM users", "SELECT password FROM users");
    }

    #[test]
    fn lines_and_columns_count_from_one() {
        check_place("abc", "a", (1, 1));
        check_place("ab\ncd", "d", (2, 2));
        check_place("ab\r\ncd", "d", (2, 2));
        check_place("a\rb", "b", (1, 3));
        check_place("\n\n\n", "\n", (1, 1));
        check_place("-- ü\nüüx", "x", (2, 3));
        assert_eq!(line_column("ab\n", 3), (2, 1));
        assert_eq!(line_column("ab", 99), (1, 3));
        assert_eq!(line_column("ü", 1), (1, 1));
        assert_eq!(line_column("", 0), (1, 1));
        assert_eq!(offset_of_place("ab\n", 9, 9), 3);
    }

    #[test]
    fn characters_are_counted_as_postgres_does() {
        assert_eq!(offset_of_character("üüx", 2), 4);
        assert_eq!(offset_of_character("üüx", 0), 0);
        assert_eq!(offset_of_character("üüx", 9), 5);
    }

    #[track_caller]
    fn check_excerpt(statement: &str, expected: &str) {
        let line = excerpt(statement);
        assert_eq!(line, expected);
        assert!(line.chars().count() <= EXCERPT);
    }

    #[test]
    fn excerpts_fit_on_a_line() {
        check_excerpt("", "");
        check_excerpt(" a\r\n\t b \u{1b}[1m", "a b [1m");
        check_excerpt(&"ü".repeat(120), &"ü".repeat(120));
        check_excerpt(&format!("{}\n\n", "x".repeat(120)), &"x".repeat(120));
        check_excerpt(&format!("{} y", "x".repeat(120)), &format!("{}…", "x".repeat(119)));
        check_excerpt(&"ü".repeat(121), &format!("{}…", "ü".repeat(119)));
        check_excerpt(&format!("{} yy", "x".repeat(118)), &format!("{}…", "x".repeat(118)));
        check_excerpt(&format!("{} y", "x".repeat(118)), &format!("{} y", "x".repeat(118)));
    }

    #[test]
    fn line_ends_of_both_kinds_are_the_same() {
        assert!(same_lines("a\r\nb\n", "a\nb\r\n"));
        assert!(!same_lines("a\rb", "a\nb"));
        assert!(!same_lines("a\n", "a"));
    }
}
