//! `check`: the verdict, as exit code, text or document.

use std::path::Path;

use migrate_runtime::{Assessment, Registry, Verdict};

use super::{diff, source};
use crate::args::CheckArgs;
use crate::config::Session;
use crate::configuration::ConnectionOptions;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::{Printer, painted, place};

/// The verdict on a database; `source` is the directory that the registry was found equal to.
pub(super) fn check(session: &mut Session, source: Option<&Path>, printer: &Printer) -> Result<Exit, Error> {
    let assessment = session.migrator.check(&mut session.database).wait()?;
    printer.answer(&Document::new(json::Check::new(&assessment, source)), || text(&assessment));
    Ok(Exit::of_verdict(assessment.verdict))
}

/// The verdict for a program's own registry, which has to be that of the directory if one is given. Where images are built
/// there is no database, and the comparison is all.
pub(super) fn check_embedded(
    args: &CheckArgs,
    registry: &Registry,
    connection: &ConnectionOptions,
    open: impl FnOnce() -> Result<Session, Error>,
    printer: &Printer,
) -> Result<Exit, Error> {
    if let (Some(directory), None) = (&args.source, &connection.database_url) {
        source::compare(registry, directory, None, printer)?;
        printer.note("no database is given, so there is no verdict");
        return Ok(diff::equal(printer));
    }
    let mut session = open()?;
    if let Some(directory) = &args.source {
        source::compare(registry, directory, Some(&session.database), printer)?;
    }
    check(&mut session, args.source.as_deref(), printer)
}

fn text(assessment: &Assessment) -> String {
    let verdict = |verdict: Verdict| painted(verdict, &verdict.to_string());
    let mut lines = vec![format!("{}: {}", verdict(assessment.verdict), place(assessment.database_version))];
    let mut reasons = assessment.reasons.iter().peekable();
    while let Some(reason) = reasons.next() {
        lines.push(format!("  {}: {}", verdict(reason.code.verdict()), reason.message));
        // What mends several in a row is said once.
        if reasons.peek().is_none_or(|next| next.remedy != reason.remedy) {
            lines.extend(reason.remedy.as_ref().map(|remedy| format!("    {remedy}")));
        }
    }
    lines.join("\n")
}
