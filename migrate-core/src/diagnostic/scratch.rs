//! What a database says of a script that it runs on a scratch database.

use super::{Code, Diagnostic, SourceFile};
use crate::migration::Dialect;
use crate::sql;

impl Diagnostic {
    /// A failure on a scratch database: [`Code::ScratchUp`], [`Code::ScratchDown`] or [`Code::ScratchUpAgain`], at a line and
    /// column of the script, both from 1. The help names the statement.
    #[must_use]
    pub fn on_scratch(
        code: Code,
        file: SourceFile<'_>,
        dialect: Dialect,
        (line, column): (usize, usize),
        message: impl Into<String>,
    ) -> Self {
        let span = sql::span_at(file.text, dialect, line, column);
        let statements = sql::statements(file.text, dialect).unwrap_or_default();
        let statement = statements.iter().find(|statement| (statement.start..=statement.end).contains(&span.start));
        let statement = match statement {
            Some(statement) => format!("`{}`", sql::excerpt(statement.text(file.text))),
            None => "it".to_owned(),
        };
        let help = match code {
            Code::ScratchDown => format!(
                "correct {statement}; if there is no way back, remove the script and say why: `\"irreversible\": \"...\"` in metadata.json"
            ),
            Code::ScratchUpAgain => format!("let the down script take back what {statement} does"),
            _ => format!("correct {statement}"),
        };
        Self::at(code, file, span, message).help(help)
    }
}
