//! `validate`: every problem of a migrations directory.

use std::path::Path;

use migrate_core::diagnostic::Severity;

use crate::config;
use crate::configuration::ConnectionOptions;
use crate::error::Error;
use crate::error::{number_of, print_diagnostics};
use crate::exit::Exit;
use crate::json::{self, Document, problems};
use crate::output::{Printer, count};

pub(super) fn validate(directory: &Path, options: &ConnectionOptions, printer: &Printer) -> Result<Exit, Error> {
    let loaded = config::load_with(directory, options);
    let diagnostics = loaded.diagnostics().to_vec();
    let document = json::Validate {
        outcome: if loaded.has_errors() { "invalid" } else { "valid" },
        errors: number_of(Severity::Error, &diagnostics),
        warnings: number_of(Severity::Warning, &diagnostics),
        migrations: loaded.lock_entries().len(),
        diagnostics: problems(&diagnostics),
        digest: None,
    };
    match loaded.into_registry() {
        Err(diagnostics) => {
            printer.document(&Document::new(document));
            Error::Directory(diagnostics).print(printer);
            Ok(Exit::Directory)
        }
        Ok((registry, warnings)) => {
            print_diagnostics(&warnings, printer);
            let document = json::Validate { digest: Some(registry.digest().to_string()), ..document };
            printer.answer(&Document::new(document), || {
                format!(
                    "{} valid, {}",
                    count(registry.migrations().len(), "migration"),
                    count(warnings.len(), "warning")
                )
            });
            Ok(Exit::Done)
        }
    }
}
