//! The matrix for release notes.

use super::Grid;

/// Labels and verdicts hold nothing that Markdown takes for its own.
pub(super) fn markdown(grid: &Grid) -> String {
    let line = |first: &str, rest: &mut dyn Iterator<Item = String>| {
        format!("| {first} | {} |", rest.collect::<Vec<_>>().join(" | "))
    };
    let mut lines = vec![
        line("schema", &mut grid.columns.iter().map(|column| format!("program {column}"))),
        format!("|---|{}", "---|".repeat(grid.columns.len())),
    ];
    for row in &grid.rows {
        lines.push(line(&row.label, &mut row.cells.iter().map(|cell| cell.verdict.to_string())));
    }
    lines.join("\n")
}
