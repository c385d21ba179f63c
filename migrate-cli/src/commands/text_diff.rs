//! Two texts, side by side for people.

use similar::TextDiff;

/// A unified diff, each text under its name; empty when they are equal.
pub(super) fn unified((then, old): (&str, &str), (now, new): (&str, &str)) -> String {
    if old == new {
        return String::new();
    }
    TextDiff::from_lines(old, new).unified_diff().header(then, now).to_string()
}
