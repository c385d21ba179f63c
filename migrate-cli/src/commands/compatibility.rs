//! `compatibility`: which versions of the program work with the database.

use std::collections::BTreeSet;

use migrate_runtime::{Assessment, Registry, Verdict, Version};

use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Compatible, Document, Minimum};
use crate::output::{Printer, table};

pub(super) fn compatibility(session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let Session { database, migrator, .. } = session;
    let ours = migrator.check(database).wait()?;
    let minimums = minimums(migrator.registry(), &ours);
    let mut assessments = Vec::new();
    for version in versions(&minimums, &ours) {
        assessments.push(migrator.check_compatibility(database, version).wait()?);
    }
    if assessments.is_empty() {
        // Nothing names a version, so every version finds the same.
        assessments.push(ours.clone());
    }
    let document = json::Compatibility {
        database_version: ours.database_version.map(|version| version.to_string()),
        runtime_version: ours.runtime_version.as_ref().map(ToString::to_string),
        versions: assessments.iter().map(Compatible::from).collect(),
        minimums,
    };
    printer.answer(&Document::new(&document), || text(&document, &assessments));
    Ok(Exit::Done)
}

/// Every migration that asks for a minimum: the applied ones as the ledger says it, the others as the registry does.
fn minimums(registry: &Registry, assessment: &Assessment) -> Vec<Minimum> {
    let minimum = |entry: &migrate_runtime::Entry| match &entry.row {
        Some(row) => row.min_runtime_version.clone(),
        None => registry.find(entry.version)?.min_runtime_version().map(|version| version.to_string()),
    };
    let asking = assessment.migrations.iter().filter_map(|entry| {
        Some(Minimum {
            version: entry.version.to_string(),
            name: entry.name.clone(),
            state: entry.state.as_str(),
            min_runtime_version: minimum(entry)?,
        })
    });
    asking.collect()
}

/// The versions at which the answer may change, and the one that was given.
fn versions(minimums: &[Minimum], assessment: &Assessment) -> BTreeSet<Version> {
    // A minimum that cannot be read is among the reasons of every version.
    let asked = minimums.iter().filter_map(|minimum| Version::parse(&minimum.min_runtime_version).ok());
    asked.chain(assessment.runtime_version.clone()).collect()
}

fn text(document: &json::Compatibility, assessments: &[Assessment]) -> String {
    let mut parts = Vec::new();
    if document.minimums.is_empty() {
        parts.push("no migration asks for a minimum version of the program".to_owned());
    } else {
        let rows = document.minimums.iter().map(|minimum| {
            let state = minimum.state.to_owned();
            vec![minimum.version.clone(), minimum.name.clone(), state, minimum.min_runtime_version.clone()]
        });
        parts.push(table(&["version", "name", "state", "needs program"], &[], rows));
    }
    let rows = assessments.iter().map(|assessment| {
        let program = assessment.runtime_version.as_ref().map_or_else(|| "any".to_owned(), ToString::to_string);
        vec![program, assessment.verdict.to_string(), why(assessment)]
    });
    parts.push(table(&["program", "verdict", "why"], &[], rows));
    parts.join("\n\n")
}

fn why(assessment: &Assessment) -> String {
    let worst = assessment.reasons.iter().filter(|reason| reason.code.verdict() == assessment.verdict);
    match assessment.verdict {
        Verdict::Compatible => String::new(),
        Verdict::NeedsMigration => {
            let pending: Vec<String> = assessment.pending().map(|entry| entry.version.to_string()).collect();
            format!("pending: {}", pending.join(", "))
        }
        Verdict::Incompatible => worst.map(|reason| &*reason.message).collect::<Vec<_>>().join("\n"),
    }
}
