//! `check`: the verdict, as exit code, text or document.

use migrate_runtime::Assessment;

use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::{Printer, place};

pub(super) fn check(session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let assessment = session.migrator.check(&mut session.database).wait()?;
    printer.answer(&Document::new(json::Check::from(&assessment)), || text(&assessment));
    Ok(Exit::of_verdict(assessment.verdict))
}

fn text(assessment: &Assessment) -> String {
    let mut lines = vec![format!("{}: {}", assessment.verdict, place(assessment.database_version))];
    for reason in &assessment.reasons {
        lines.push(format!("  {}: {}", reason.code.verdict(), reason.message));
        lines.extend(reason.remedy.as_ref().map(|remedy| format!("    {remedy}")));
    }
    lines.join("\n")
}
