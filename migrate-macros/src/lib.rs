//! The macro `embed_migrations!`; use it through `migrate-runtime`, where its documentation is.
//!
//! Input is read (`input`), the directory is checked by `migrate-core` (`load`), and the registry becomes constant
//! data (`expand`); what is wrong becomes compiler messages (`report`). No decision is made here.

mod expand;
mod input;
mod load;
mod report;

use proc_macro::TokenStream;

/// Embeds a directory of migrations as a registry: see the re-export in `migrate-runtime`.
#[proc_macro]
pub fn embed_migrations(input: TokenStream) -> TokenStream {
    let (input, mut errors) = input::parse(input.into());
    let registry = match errors.take() {
        Some(error) => Err(error),
        None => load::load(&input),
    };
    match registry {
        Ok(embedded) => expand::registry(&input, &embedded).into(),
        Err(error) => expand::fallback(&input, &error).into(),
    }
}
