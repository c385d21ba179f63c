//! `version`: the version of the database.

use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::Printer;

pub(super) fn version(session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let assessment = session.migrator.check(&mut session.database).wait()?;
    let version = assessment.database_version.map(|version| version.to_string());
    let document = json::Version {
        database_version: version.clone(),
        registry_version: session.migrator.registry().head().map(|version| version.to_string()),
        runtime_version: assessment.runtime_version.map(|version| version.to_string()),
    };
    printer.answer(&Document::new(document), || version.unwrap_or_else(|| "none".to_owned()));
    Ok(Exit::Done)
}
