//! Rows of two databases, compared but for values that are new at every run, such as `now()`.

use std::collections::{BTreeMap, BTreeSet};

/// A column of a table.
type Column = (String, String);

/// The columns whose values differ between two runs of the same scripts.
pub(super) fn unsteady(first: &[String], second: &[String]) -> BTreeSet<Column> {
    let (first, second) = (columns(first), columns(second));
    let all: BTreeSet<&Column> = first.keys().chain(second.keys()).collect();
    all.into_iter().filter(|column| first.get(*column) != second.get(*column)).cloned().collect()
}

/// The rows without the values of these columns, in order.
pub(super) fn without(rows: &[String], unsteady: &BTreeSet<Column>) -> Vec<String> {
    let masked = rows.iter().map(|row| {
        let (table, values) = parts(row);
        let values = values.into_iter().map(|(column, value)| {
            let is_unsteady = unsteady.contains(&(table.to_owned(), column.to_owned()));
            format!("{column}={}", if is_unsteady { "?" } else { value })
        });
        format!("{table}: {}", values.collect::<Vec<_>>().join(", "))
    });
    let mut masked: Vec<String> = masked.collect();
    masked.sort_unstable();
    masked
}

/// The values of each column, in order.
fn columns(rows: &[String]) -> BTreeMap<Column, Vec<&str>> {
    let mut columns: BTreeMap<Column, Vec<&str>> = BTreeMap::new();
    for row in rows {
        let (table, values) = parts(row);
        for (column, value) in values {
            columns.entry((table.to_owned(), column.to_owned())).or_default().push(value);
        }
    }
    columns.values_mut().for_each(|values| values.sort_unstable());
    columns
}

/// `table: column=value, column='it''s, too'`, taken apart.
fn parts(row: &str) -> (&str, Vec<(&str, &str)>) {
    let (table, mut rest) = row.split_once(": ").unwrap_or((row, ""));
    let mut values = Vec::new();
    while let Some((column, behind)) = rest.split_once('=') {
        let end = end_of(behind);
        values.push((column, &behind[..end]));
        rest = behind[end..].strip_prefix(", ").unwrap_or_default();
    }
    (table, values)
}

/// Where a value ends: behind its last quote, which is doubled inside of it, or before a comma.
fn end_of(text: &str) -> usize {
    let Some(open) = text.find('\'').filter(|at| !text[..*at].contains(',')) else {
        return text.find(',').unwrap_or(text.len());
    };
    let mut quotes = text[open + 1..].match_indices('\'').map(|(at, _)| open + 1 + at).peekable();
    while let Some(at) = quotes.next() {
        if quotes.next_if_eq(&(at + 1)).is_none() {
            // SQLite writes texts with a NUL byte in parentheses.
            return at + 1 + text[at + 1..].find(',').unwrap_or(text.len() - at - 1);
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&str]) -> Vec<String> {
        rows.iter().map(|row| (*row).to_owned()).collect()
    }

    #[test]
    fn a_row_is_taken_apart() {
        for (row, expected) in [
            ("users: id=1, name='a'", vec![("id", "1"), ("name", "'a'")]),
            ("users: name='it''s, x=1', z=NULL", vec![("name", "'it''s, x=1'"), ("z", "NULL")]),
            (
                "users: a='', b=X'00', c=E'\\\\', d=1.5",
                vec![("a", "''"), ("b", "X'00'"), ("c", "E'\\\\'"), ("d", "1.5")],
            ),
            ("users: a='''', b=''''''", vec![("a", "''''"), ("b", "''''''")]),
            ("users: ", vec![]),
        ] {
            assert_eq!(parts(row), ("users", expected), "{row}");
        }
    }

    #[test]
    fn what_is_new_at_every_run_is_left_out() {
        let first = rows(&["t: id=1, made='2026-01-01'", "t: id=2, made='2026-01-01'", "u: id=1"]);
        let second = rows(&["t: id=1, made='2026-01-02'", "t: id=2, made='2026-01-02'", "u: id=1"]);
        let unsteady = unsteady(&first, &second);
        assert_eq!(unsteady, BTreeSet::from([("t".to_owned(), "made".to_owned())]));
        assert_eq!(without(&first, &unsteady), without(&second, &unsteady));
        assert_ne!(without(&first, &unsteady), without(&second[1..], &unsteady));
        assert_eq!(without(&first, &unsteady)[0], "t: id=1, made=?");
    }
}
