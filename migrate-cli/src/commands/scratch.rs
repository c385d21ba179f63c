//! `validate --shadow-url`: whether a set runs, asked of a database that is made for it and gone afterwards.

use std::sync::Arc;

use migrate_core::diagnostic::{Code, Diagnostic, SourceFile};
use migrate_core::migration::Dialect;
use migrate_runtime::{Error as RuntimeError, ErrorKind, Migrator, Registry, Role, ScratchDatabase, Script, Target};

use crate::error::Error;

/// What a scratch database says of a set.
pub(super) struct Trial {
    /// Where the scratch database was made, without a password.
    pub(super) server: String,
    pub(super) dialect: Dialect,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Runs the whole set up, down as far as there is a way back, and up again; stops at the first script that fails.
pub(super) fn run(registry: &Arc<Registry>, url: &str) -> Result<Trial, Error> {
    let dialect = ScratchDatabase::dialect_of(url)?;
    let mut scratch = ScratchDatabase::create(url)?;
    let server = scratch.to_string();
    let migrator = Migrator::new(Arc::clone(registry));
    let steps = [
        (Target::Latest, Code::ScratchUp),
        (Target::DownAll, Code::ScratchDown),
        (Target::Latest, Code::ScratchUpAgain),
    ];
    let failed = steps.into_iter().find_map(|(target, code)| match scratch.run(&migrator, target) {
        Ok(_) => None,
        // There is a migration without a way back; `missing-down` has its say on that.
        Err(error) if code == Code::ScratchDown && error.kind() == ErrorKind::Plan => None,
        Err(error) => Some((code, error)),
    });
    let removed = scratch.remove();
    // When the server is lost, that is what to tell, and not that the scratch database could not be removed either.
    let diagnostic = failed.map(|(code, error)| diagnostic(code, registry, dialect, error)).transpose()?;
    removed?;
    Ok(Trial { server, dialect, diagnostics: diagnostic.into_iter().collect() })
}

/// A failure of a script as a problem of its file; any other is one of the server.
fn diagnostic(
    code: Code,
    registry: &Registry,
    dialect: Dialect,
    error: RuntimeError,
) -> Result<Diagnostic, RuntimeError> {
    let (Some(version), Some(location)) = (error.migration(), error.location()) else {
        return Err(error);
    };
    let Some(migration) = registry.find(version) else {
        return Err(error);
    };
    let of_role = |role| migration.script(role, dialect);
    let is_it = |script: &&Script| registry.path(migration, &script.file_name()) == location.path;
    let Some(script) = Role::ALL.into_iter().filter_map(of_role).find(is_it) else {
        return Err(error);
    };
    let file = SourceFile { path: &location.path, text: &script.sql };
    let place = (location.line, location.column);
    let text = error.to_string();
    let message = text.strip_prefix(&format!("{location}: ")).unwrap_or(&text);
    let diagnostic = Diagnostic::on_scratch(code, file, dialect, place, message);
    let hint = error.database().and_then(|database| database.hint.as_deref());
    let help = diagnostic.help.clone().zip(hint).map(|(help, hint)| format!("{help}; the database's hint: {hint}"));
    Ok(match help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    })
}
