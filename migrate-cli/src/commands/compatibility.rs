//! `compatibility`: which versions of the program work with which versions of the schema.

mod markdown;
mod svg;
mod text;

use migrate_runtime::{Assessment, Cell, Matrix, Program, Verdict};

use crate::args::{CompatibilityArgs, MatrixFormat};
use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::Printer;

pub(super) fn compatibility(args: &CompatibilityArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let matrix = session.migrator.compatibility(&mut session.database, &args.program).wait()?;
    printer.answer(&Document::new(json::Compatibility::from(&matrix)), || match args.format {
        MatrixFormat::Text => text::text(&matrix),
        MatrixFormat::Markdown => markdown::markdown(&Grid::of(&matrix)),
        MatrixFormat::Svg => svg::svg(&Grid::of(&matrix)),
    });
    Ok(Exit::Done)
}

/// The matrix as people see it: neighbouring schemas of which all programs say the same are one row, and the database as it is
/// comes last.
struct Grid {
    columns: Vec<String>,
    rows: Vec<Row>,
}

struct Row {
    label: String,
    cells: Vec<Shown>,
}

/// A verdict, and why.
#[derive(PartialEq, Eq)]
struct Shown {
    verdict: Verdict,
    why: Vec<String>,
}

impl Grid {
    fn of(matrix: &Matrix) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        let mut first = None;
        for schema in &matrix.schemas {
            let cells: Vec<Shown> = schema.cells.iter().map(Shown::from).collect();
            let same = |row: &&mut Row| row.cells.iter().map(|it| it.verdict).eq(cells.iter().map(|it| it.verdict));
            if let (Some(first), Some(row)) = (first, rows.last_mut().filter(same)) {
                *row = Row { label: format!("{first} to {}", schema.version), cells };
            } else {
                first = Some(schema.version);
                rows.push(Row { label: schema.version.to_string(), cells });
            }
        }
        let at = matrix.own.database_version.map_or_else(|| "empty".to_owned(), |version| version.to_string());
        let cells = matrix.database.iter().map(Shown::from).collect();
        rows.push(Row { label: format!("database ({at})"), cells });
        Self { columns: matrix.programs.iter().map(column).collect(), rows }
    }
}

impl From<&Cell> for Shown {
    fn from(cell: &Cell) -> Self {
        Self { verdict: cell.verdict, why: why(cell.verdict, &cell.reasons) }
    }
}

impl From<&Assessment> for Shown {
    fn from(assessment: &Assessment) -> Self {
        Self { verdict: assessment.verdict, why: why(assessment.verdict, &assessment.reasons) }
    }
}

/// What the verdict rests on.
fn why(verdict: Verdict, reasons: &[migrate_runtime::Reason]) -> Vec<String> {
    let worst = reasons.iter().filter(|reason| reason.code.verdict() == verdict && verdict != Verdict::Compatible);
    worst.map(|reason| reason.message.clone()).collect()
}

fn column(program: &Program) -> String {
    match &program.version {
        Some(version) if program.own => format!("{version} (this)"),
        Some(version) => version.to_string(),
        None => "any".to_owned(),
    }
}

#[cfg(test)]
mod tests;
