//! The matrix on a terminal, between the minimums that it rests on and what is to be said of the database.

use migrate_runtime::{Assessment, Matrix, Minimum, Verdict};

use super::Grid;
use crate::output::{painted, table};

pub(super) fn text(matrix: &Matrix) -> String {
    [minimums(&matrix.minimums), grid(&Grid::of(matrix)), database(matrix)].join("\n\n")
}

fn minimums(minimums: &[Minimum]) -> String {
    if minimums.is_empty() {
        return "no migration asks for a minimum version of the program".to_owned();
    }
    let rows = minimums.iter().map(|minimum| {
        let Minimum { version, name, state, min_runtime_version } = minimum;
        vec![version.to_string(), name.clone(), state.to_string(), min_runtime_version.clone()]
    });
    table(&["version", "name", "state", "needs program"], &[], rows)
}

/// Words are coloured after they are aligned; a cell is never broken into lines, however many programs there are.
fn grid(grid: &Grid) -> String {
    let widest = |words: &mut dyn Iterator<Item = usize>| words.max().unwrap_or(0);
    let label = widest(&mut grid.rows.iter().map(|row| row.label.len()).chain(["schema".len()]));
    let width = |column: usize| {
        let cells = grid.rows.iter().map(|row| row.cells[column].verdict.to_string().len());
        widest(&mut cells.chain([grid.columns[column].len()]))
    };
    let widths: Vec<usize> = (0..grid.columns.len()).map(width).collect();
    let mut lines = vec![format!("{:label$}", "schema")];
    for (column, width) in grid.columns.iter().zip(&widths) {
        lines[0].push_str(&format!("  {column:width$}"));
    }
    for row in &grid.rows {
        let mut line = format!("{:label$}", row.label);
        for (cell, width) in row.cells.iter().zip(&widths) {
            let word = cell.verdict.to_string();
            line.push_str(&format!("  {}{:2$}", painted(cell.verdict, &word), "", width - word.len()));
        }
        lines.push(line);
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

fn database(matrix: &Matrix) -> String {
    let rows = matrix.database.iter().map(|assessment| {
        let program = assessment.runtime_version.as_ref().map_or_else(|| "any".to_owned(), ToString::to_string);
        vec![program, assessment.verdict.to_string(), why(assessment)]
    });
    table(&["program", "the database is", "why"], &[], rows)
}

fn why(assessment: &Assessment) -> String {
    match assessment.verdict {
        Verdict::NeedsMigration => {
            let pending: Vec<String> = assessment.pending().map(|entry| entry.version.to_string()).collect();
            format!("pending: {}", pending.join(", "))
        }
        verdict => super::why(verdict, &assessment.reasons).join("\n"),
    }
}
