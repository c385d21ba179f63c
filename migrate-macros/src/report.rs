//! Diagnostics as the compiler's own messages.

use migrate_core::diagnostic::{Diagnostic, Severity};
use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::Error;

use crate::input::combine;

/// One compile error for each error among the diagnostics.
pub(crate) fn errors(diagnostics: &[Diagnostic], span: Span) -> Error {
    let mut errors = None;
    for diagnostic in diagnostics {
        if diagnostic.severity == Severity::Error {
            combine(&mut errors, Error::new(span, diagnostic.render()));
        }
    }
    errors.unwrap_or_else(|| Error::new(span, "the migrations cannot be used"))
}

/// One compiler warning for each diagnostic. The stable compiler warns of a macro's findings in one way only: by the use
/// of something deprecated.
pub(crate) fn warnings(diagnostics: &[Diagnostic], span: Span) -> TokenStream {
    let warnings = diagnostics.iter().map(|diagnostic| {
        let note = format!("\n{}", diagnostic.render());
        quote_spanned! {span=>
            const _: () = {
                #[deprecated(note = #note)]
                const MIGRATIONS_WARNING: () = ();
                MIGRATIONS_WARNING
            };
        }
    });
    warnings.collect()
}

#[cfg(test)]
mod tests {
    use migrate_core::diagnostic::{Code, SourceFile};

    use super::*;

    #[test]
    fn a_compile_error_shows_no_password() {
        let text = "CREATE ROLE x LOGIN PASSWORD 'geheim'; COMMIT;";
        let file = SourceFile { path: "m/v1.0.0_x/up.sql", text };
        let diagnostic = Diagnostic::at(Code::NotInTransaction, file, 39..45, "`COMMIT` in a transaction");
        let error = errors(&[diagnostic], Span::call_site()).to_string();
        assert!(error.contains("1 | CREATE ROLE x LOGIN PASSWORD '******'; COMMIT;"), "{error}");
    }
}
