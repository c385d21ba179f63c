//! The matrix as a drawing: words in coloured boxes, each with its reasons as a tooltip.

use migrate_runtime::Verdict;

use super::Grid;

/// Sizes in pixels. A letter of the font is never wider than this.
const LETTER: usize = 8;
const PADDING: usize = 12;
const HEIGHT: usize = 30;

pub(super) fn svg(grid: &Grid) -> String {
    let width = |longest: usize| longest * LETTER + 2 * PADDING;
    let label = width(grid.rows.iter().map(|row| row.label.len()).max().unwrap_or(0));
    let words = Verdict::NeedsMigration.to_string().len();
    let cell = width(grid.columns.iter().map(String::len).max().unwrap_or(0).max(words));
    let (across, down) = (label + cell * grid.columns.len(), HEIGHT * (grid.rows.len() + 1));
    let mut lines = vec![
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{across}\" height=\"{down}\" viewBox=\"0 0 {across} {down}\" \
             role=\"img\" font-family=\"monospace\" font-size=\"13\">"
        ),
        "<title>Which version of the program works with which schema</title>".to_owned(),
        format!("<rect width=\"{across}\" height=\"{down}\" fill=\"#ffffff\"/>"),
        text(PADDING, 0, "schema"),
    ];
    for (index, column) in grid.columns.iter().enumerate() {
        lines.push(text(label + cell * index + PADDING, 0, column));
    }
    for (number, row) in (1..).zip(&grid.rows) {
        lines.push(text(PADDING, number, &row.label));
        for (index, shown) in row.cells.iter().enumerate() {
            let (x, y) = (label + cell * index, HEIGHT * number);
            let why = [vec![shown.verdict.to_string()], shown.why.clone()].concat().join("; ");
            lines.push(format!(
                "<g><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{cell}\" height=\"{HEIGHT}\" fill=\"{}\" \
                 stroke=\"#ffffff\"/>{}</g>",
                escaped(&why),
                colour(shown.verdict),
                text(x + PADDING, number, &shown.verdict.to_string()),
            ));
        }
    }
    lines.push("</svg>".to_owned());
    lines.join("\n")
}

fn text(x: usize, row: usize, words: &str) -> String {
    format!("<text x=\"{x}\" y=\"{}\" fill=\"#1f2328\">{}</text>", HEIGHT * row + 20, escaped(words))
}

/// Light enough for dark letters.
const fn colour(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Compatible => "#b7e4c7",
        Verdict::NeedsMigration => "#ffe8a3",
        Verdict::Incompatible => "#f5b7b1",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
