//! From the arguments to a checked registry.

use std::env;
use std::path::{Path, PathBuf};

use migrate_core::diagnostic::Diagnostic;
use migrate_core::migration::Fixtures;
use migrate_core::registry::Registry;
use migrate_core::source::{self, LoadOptions};
use proc_macro::Span;
use syn::Error;

use crate::input::Input;
use crate::report;

/// What is embedded.
pub(crate) struct Embedded {
    /// The set.
    pub(crate) registry: Registry,
    /// The rows for its tests, if they were asked for.
    pub(crate) fixtures: Vec<Fixtures>,
    /// What is worth a look.
    pub(crate) warnings: Vec<Diagnostic>,
    /// The directory, absolute.
    pub(crate) directory: PathBuf,
    /// Every file that was read.
    pub(crate) files: Vec<PathBuf>,
}

/// Reads the directory that the arguments name; with `fixtures`, also the rows for tests.
pub(crate) fn load(input: &Input, fixtures: bool) -> syn::Result<Embedded> {
    let base = base(input)?;
    let directory = base.join(&input.directory);
    let options = LoadOptions {
        dialects: input.dialect.into_iter().collect(),
        runtime_version: input.runtime_version.clone().or_else(|| cargo("CARGO_PKG_VERSION")),
        name: cargo("CARGO_PKG_NAME"),
        fixtures,
        ..LoadOptions::new(shown(input, &base))
    };
    let loaded = source::load(&directory, &options);
    let files = loaded.files().to_vec();
    let fixtures = loaded.fixtures().to_vec();
    match loaded.into_registry() {
        Ok((registry, warnings)) => Ok(Embedded { registry, fixtures, warnings, directory, files }),
        Err(diagnostics) => Err(report::errors(&diagnostics, input.span)),
    }
}

/// What the directory is relative to. A rust-analyzer that expands the macro knows no source file; there it is the package.
fn base(input: &Input) -> syn::Result<PathBuf> {
    let file = input.relative_to_file.then(|| Span::call_site().local_file()).flatten();
    let absolute = file.and_then(|file| std::path::absolute(file).ok());
    if let Some(parent) = absolute.as_deref().and_then(Path::parent) {
        return Ok(parent.to_owned());
    }
    match cargo("CARGO_MANIFEST_DIR") {
        Some(package) => Ok(package.into()),
        None => {
            let message = "`CARGO_MANIFEST_DIR` is not set, so that the directory cannot be found: build with cargo";
            Err(Error::new(input.span, message))
        }
    }
}

/// The directory in messages: relative to the package, as everything is that the compiler and the command line name.
fn shown(input: &Input, base: &Path) -> String {
    let below = cargo("CARGO_MANIFEST_DIR").and_then(|package| base.strip_prefix(package).ok().map(Path::to_owned));
    // A file outside the package is included by a path; then nothing is better than what was typed.
    let below = below.unwrap_or_default().join(&input.directory);
    below.to_str().map_or_else(|| input.directory.clone(), str::to_owned)
}

/// What cargo says of the package being compiled; a change of it always rebuilds.
fn cargo(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.is_empty())
}
