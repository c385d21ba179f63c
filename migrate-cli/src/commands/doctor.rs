//! `doctor`: everything that looks wrong, each with what to do about it. The checks of `health` are among it.

use std::path::Path;

use migrate_core::diagnostic::{Diagnostic, Severity};
use migrate_core::name::LOCK;
use migrate_runtime::{AnyDatabase, Assessment, Check, CheckResult, CheckState, Reason, ReasonCode, Repair, Verdict};

use super::health;
use crate::config::{self, Session};
use crate::configuration::{Configuration, ConnectionOptions};
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{Doctor, Document, Symptom};
use crate::output::{Printer, RED, YELLOW, count, in_color, place};

/// `directory` is where the migrations are read from; a program that embeds them has none.
pub(super) fn doctor(
    configuration: &Configuration,
    connection: &ConnectionOptions,
    directory: Option<&Path>,
    open: impl FnOnce(AnyDatabase) -> Result<Session, Error>,
    printer: &Printer,
) -> Exit {
    let warnings = configuration.warnings.iter();
    let mut symptoms: Vec<Symptom> =
        warnings.map(|warning| symptom("warning", "configuration", warning, None)).collect();
    let sound = directory.is_none_or(|directory| examine_directory(directory, connection, &mut symptoms));
    let stands = examine_database(connection, sound, open, &mut symptoms);
    let healthy = symptoms.iter().all(|symptom| symptom.severity != "error");
    let document = Doctor { outcome: if healthy { "healthy" } else { "unhealthy" }, symptoms };
    printer.answer(&Document::new(&document), || text(&document.symptoms, stands.as_deref()));
    if healthy { Exit::Done } else { Exit::Failed }
}

/// Whether the set is one that a database can be judged by.
fn examine_directory(directory: &Path, connection: &ConnectionOptions, symptoms: &mut Vec<Symptom>) -> bool {
    let loaded = config::load_to_validate(directory, connection, None);
    symptoms.extend(loaded.diagnostics().iter().map(of_diagnostic));
    if directory.is_dir() && !directory.join(LOCK).exists() {
        let message = format!("{} has no {LOCK}: an edit of a released migration is not noticed", directory.display());
        symptoms.push(symptom("warning", "directory", &message, Some("run `migrate lock`")));
    }
    !loaded.diagnostics().iter().any(|it| it.severity == Severity::Error && config::is_of_the_set(it))
}

/// Gives where the database stands, or why that is not known; `None` when a symptom says so.
fn examine_database(
    connection: &ConnectionOptions,
    sound: bool,
    open: impl FnOnce(AnyDatabase) -> Result<Session, Error>,
    symptoms: &mut Vec<Symptom>,
) -> Option<String> {
    let database = match config::database(connection) {
        Ok(database) => database,
        Err(error) => {
            symptoms.push(of_error(&error));
            return None;
        }
    };
    if !sound {
        // Without a sound set there is nothing to judge the database by.
        return Some("the database is looked at when the directory has no errors".to_owned());
    }
    let examined = open(database).and_then(|mut session| {
        let assessment = session.migrator.check(&mut session.database).wait()?;
        let repairs = session.migrator.repairs(&mut session.database).wait()?;
        Ok((assessment, repairs, session.migrator.health(&mut session.database).wait()?))
    });
    match examined {
        Ok((assessment, repairs, checks)) => {
            symptoms.extend(of_assessment(&assessment));
            symptoms.extend(of_repairs(&repairs, &assessment));
            symptoms.extend(of_checks(&checks));
            Some(place(assessment.database_version))
        }
        Err(error) => {
            symptoms.push(of_error(&error));
            None
        }
    }
}

/// What is pending is no illness.
fn of_assessment(assessment: &Assessment) -> impl Iterator<Item = Symptom> {
    assessment.reasons.iter().filter_map(|reason| {
        let severity = severity(reason)?;
        Some(symptom(severity, "database", &reason.message, reason.remedy.as_deref()))
    })
}

/// How bad a finding is; `None` for what is as it should be, or has no remedy.
fn severity(reason: &Reason) -> Option<&'static str> {
    match (reason.code, reason.code.verdict()) {
        (_, Verdict::Incompatible) => Some("error"),
        (ReasonCode::Pending | ReasonCode::InProgress, _) => None,
        _ => reason.remedy.as_ref().map(|_| "warning"),
    }
}

/// What `repair` shows beside what the verdict rests on: changes of comments, rows of others, the lock of a dead run.
fn of_repairs(repairs: &[Repair], assessment: &Assessment) -> impl Iterator<Item = Symptom> {
    let told = |repair: &&Repair| {
        let is_it = |reason: &&Reason| reason.version == repair.version && severity(reason).is_some();
        repair.version.is_some() && assessment.reasons.iter().any(|reason| is_it(&reason))
    };
    repairs.iter().filter(move |repair| !told(repair)).map(|repair| {
        let commands: Vec<String> = repair.commands.iter().map(|command| format!("`{command}`")).collect();
        let help = format!("run {}", commands.join(" or "));
        symptom("warning", "database", repair.problem.trim_end_matches(':'), Some(&help))
    })
}

/// What `health` finds, but for the ledger, of which the verdict says more.
fn of_checks(checks: &[CheckResult]) -> impl Iterator<Item = Symptom> {
    let failed = checks.iter().filter(|it| it.state == CheckState::Failed && it.check != Check::Ledger);
    failed.map(|it| symptom(health::word(it), "database", &it.message, it.help.as_deref()))
}

fn of_diagnostic(diagnostic: &Diagnostic) -> Symptom {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    symptom(severity, "directory", &diagnostic.to_string(), diagnostic.help.as_deref())
}

fn of_error(error: &Error) -> Symptom {
    let about = if error.exit() == Exit::Configuration { "configuration" } else { "database" };
    symptom("error", about, &error.message(), error.help())
}

fn symptom(severity: &'static str, about: &'static str, message: &str, help: Option<&str>) -> Symptom {
    Symptom { severity, about, message: message.to_owned(), help: help.map(str::to_owned) }
}

fn text(symptoms: &[Symptom], stands: Option<&str>) -> String {
    let mut lines = Vec::new();
    for Symptom { severity, about, message, help } in symptoms {
        let color = if *severity == "error" { RED } else { YELLOW };
        lines.push(format!("{}: {about}: {message}", in_color(color, severity)));
        lines.extend(help.iter().map(|help| format!("  {help}")));
    }
    let number = |severity| symptoms.iter().filter(|symptom| symptom.severity == severity).count();
    let found = format!("{}, {}", count(number("error"), "error"), count(number("warning"), "warning"));
    lines.push(match stands {
        Some(stands) => format!("{found}; {stands}"),
        None => found,
    });
    lines.join("\n")
}
