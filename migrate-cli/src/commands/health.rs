//! `health`: every health check, and whether all is well.

use migrate_runtime::{Check, CheckResult, CheckState, Error as RuntimeError, ErrorKind, Severity};

use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::{GREEN, Printer, RED, YELLOW, count, in_color};

pub(super) fn health(session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let (results, exit) = match session.migrator.health(&mut session.database).wait() {
        Ok(results) if results.iter().any(CheckResult::is_error) => (results, Exit::Failed),
        Ok(results) => (results, Exit::Done),
        Err(error) if error.kind() == ErrorKind::Unreachable => (vec![unreachable(&error)], Exit::Unreachable),
        Err(error) => return Err(error.into()),
    };
    printer.answer(&Document::new(json::Health::new(&results)), || text(&results));
    Ok(exit)
}

/// Where nothing answers, nothing else can be checked.
fn unreachable(error: &RuntimeError) -> CheckResult {
    let check = Check::Connectivity;
    CheckResult {
        check,
        severity: check.severity(),
        state: CheckState::Failed,
        message: error.to_string(),
        help: error.help().map(str::to_owned),
        tries: 1,
        execution_time_ms: 0,
    }
}

fn text(results: &[CheckResult]) -> String {
    let mut lines = Vec::new();
    for result in results {
        let word = word(result);
        let painted = color(word).map_or_else(|| word.to_owned(), |color| in_color(color, word));
        lines.push(format!("{painted}{:1$} {result}", "", 12_usize.saturating_sub(word.len())));
        let help = result.help.iter().filter(|_| result.state == CheckState::Failed);
        lines.extend(help.map(|help| format!("{:13}{help}", "")));
    }
    let number = |wanted: &str| results.iter().filter(|result| word(result) == wanted).count();
    lines.push(format!(
        "{} passed, {}, {}, {} not checked",
        number("passed"),
        count(number("error"), "error"),
        count(number("warning"), "warning"),
        number("not checked")
    ));
    lines.join("\n")
}

fn color(word: &str) -> Option<&'static str> {
    match word {
        "passed" => Some(GREEN),
        "warning" => Some(YELLOW),
        "error" => Some(RED),
        _ => None,
    }
}

/// A failure is called by how bad it is.
pub(super) const fn word(result: &CheckResult) -> &'static str {
    match (result.state, result.severity) {
        (CheckState::Passed, _) => "passed",
        (CheckState::NotChecked, _) => "not checked",
        (CheckState::Failed, Severity::Warning) => "warning",
        (CheckState::Failed, Severity::Error) => "error",
    }
}
