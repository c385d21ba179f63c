//! `pending`: what `up` would apply.

use migrate_runtime::Assessment;

use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::{Printer, count, place, table};

pub(super) fn pending(session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let assessment = session.migrator.check(&mut session.database).wait()?;
    printer.answer(&Document::new(json::Pending::from(&assessment)), || text(&assessment));
    Ok(Exit::Done)
}

fn text(assessment: &Assessment) -> String {
    let rows: Vec<Vec<String>> = assessment
        .pending()
        .map(|entry| {
            let description = entry.description.clone().unwrap_or_default();
            vec![entry.version.to_string(), entry.name.clone(), description]
        })
        .collect();
    let place = place(assessment.database_version);
    if rows.is_empty() {
        return format!("nothing is pending: {place}");
    }
    let number = rows.len();
    format!(
        "{}\n\n{place}, {} pending; next: `migrate up`",
        table(&["version", "name", "description"], &[], rows),
        count(number, "migration")
    )
}
