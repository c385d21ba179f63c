//! `check`: the verdict, as exit code, text or document.

use migrate_runtime::{Assessment, MigrationHealth, Reason};

use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::Printer;

pub(super) fn check(session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let assessment = session.migrator.check(&mut session.database).wait()?;
    printer.answer(&Document::new(json::Check::from(&assessment)), || text(&assessment));
    Ok(Exit::of_verdict(assessment.verdict))
}

fn text(assessment: &Assessment) -> String {
    let mut lines = vec![MigrationHealth::of(assessment).message];
    lines.extend(assessment.reasons.iter().map(line));
    lines.join("\n")
}

fn line(reason: &Reason) -> String {
    let remedy = reason.remedy.as_ref().map(|remedy| format!("; {remedy}")).unwrap_or_default();
    format!("  {}: {}{remedy}", reason.code.verdict(), reason.message)
}
