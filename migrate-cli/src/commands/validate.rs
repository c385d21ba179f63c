//! `validate`: every problem of a migrations directory.

use std::path::Path;
use std::sync::Arc;

use migrate_core::diagnostic::{Code, Diagnostic, Severity};
use migrate_core::migration::Dialect;
use migrate_runtime::ScratchDatabase;

use super::scratch;
use crate::args::DatabaseUrl;
use crate::config;
use crate::configuration::Configuration;
use crate::error::Error;
use crate::error::{number_of, print_diagnostics};
use crate::exit::Exit;
use crate::json::{self, Document, problems};
use crate::output::{Printer, count};

pub(super) fn validate(directory: &Path, configuration: &Configuration, printer: &Printer) -> Result<Exit, Error> {
    let connection = configuration.connection();
    let shadow = connection.shadow_url.as_ref().map(DatabaseUrl::reveal);
    let dialect = shadow.map(ScratchDatabase::dialect_of).transpose()?;
    let loaded = config::load_to_validate(directory, &connection, dialect);
    let migrations = loaded.lock_entries().len();
    let (registry, mut diagnostics) = match loaded.into_registry() {
        Err(diagnostics) => {
            if shadow.is_some() {
                printer.note("the scratch database was not asked: a set with errors is not run");
            }
            return Ok(invalid(diagnostics, migrations, None, printer));
        }
        Ok(loaded) => loaded,
    };
    let registry = Arc::new(registry);
    let mut server = None;
    if let Some(url) = shadow {
        let trial = scratch::run(&registry, url)?;
        // Where a server was asked, what a parser guesses is of no interest.
        diagnostics.retain(|it| it.code != Code::PostgresSyntax || trial.dialect != Dialect::Postgres);
        diagnostics.extend(trial.diagnostics);
        diagnostics.sort();
        server = Some(trial.server);
    }
    if number_of(Severity::Error, &diagnostics) > 0 {
        return Ok(invalid(diagnostics, migrations, server, printer));
    }
    print_diagnostics(&diagnostics, printer);
    let ran = server.as_ref().map(|server| format!(", tried on {server}")).unwrap_or_default();
    let digest = Some(registry.digest().to_string());
    let document = json::Validate { digest, ..document("valid", &diagnostics, migrations, server) };
    printer.answer(&Document::new(document), || {
        format!("{} valid, {}{ran}", count(migrations, "migration"), count(diagnostics.len(), "warning"))
    });
    let is_draft = diagnostics.iter().any(|it| it.code == Code::LockDraft);
    printer.next(if is_draft { "`migrate up`; before you commit, `migrate lock`" } else { "`migrate plan`" });
    Ok(Exit::Done)
}

fn invalid(diagnostics: Vec<Diagnostic>, migrations: usize, server: Option<String>, printer: &Printer) -> Exit {
    printer.document(&Document::new(document("invalid", &diagnostics, migrations, server)));
    Error::Directory(diagnostics).print(printer);
    Exit::Directory
}

fn document(
    outcome: &'static str,
    diagnostics: &[Diagnostic],
    migrations: usize,
    shadow: Option<String>,
) -> json::Validate {
    json::Validate {
        outcome,
        errors: number_of(Severity::Error, diagnostics),
        warnings: number_of(Severity::Warning, diagnostics),
        migrations,
        digest: None,
        diagnostics: problems(diagnostics),
        shadow,
    }
}
