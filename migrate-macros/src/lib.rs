//! The macros of `migrate-runtime`; use them through that crate, where their documentation is.
//!
//! Input is read (`input`), the directory is checked by `migrate-core` (`load`), and the registry becomes constant
//! data (`expand`), for `migration_tests!` with a test for each migration (`tests_macro`); what is wrong becomes compiler
//! messages (`report`). No decision is made here.

mod expand;
mod input;
mod load;
mod report;
mod tests_macro;

use proc_macro::TokenStream;

/// Embeds a directory of migrations as a registry: see the re-export in `migrate-runtime`.
#[proc_macro]
pub fn embed_migrations(input: TokenStream) -> TokenStream {
    let (input, mut errors) = input::parse(input.into(), &mut input::Embed);
    let registry = match errors.take() {
        Some(error) => Err(error),
        None => load::load(&input, false),
    };
    match registry {
        Ok(embedded) => expand::registry(&input, &embedded).into(),
        Err(error) => expand::fallback(&input, &error).into(),
    }
}

/// Makes a test of each migration of a directory: see the re-export in `migrate-runtime`.
#[proc_macro]
pub fn migration_tests(input: TokenStream) -> TokenStream {
    tests_macro::expand(input.into()).unwrap_or_else(|error| error.to_compile_error()).into()
}
