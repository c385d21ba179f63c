//! The registry as one expression of constant data.
//!
//! Migrations are literals that are read back at run time, which cost the compiler less than expressions
//! (`migrate_core::embedded`).

use std::path::Path;

use migrate_core::embedded::Encoded;
use migrate_core::migration::{Dialect, Fixtures};
use migrate_core::registry::Registry;
use migrate_core::version::SchemaVersion;
use proc_macro2::{Literal, TokenStream};
use quote::quote;
use syn::Error;

use crate::input::Input;
use crate::load::Embedded;
use crate::report;

/// The embedded registry.
pub(crate) fn registry(input: &Input, embedded: &Embedded) -> TokenStream {
    match Expansion::new(input, embedded).tokens() {
        Ok(tokens) => tokens,
        Err(error) => fallback(input, &error),
    }
}

/// The rows for tests, as the elements of an array.
pub(crate) fn fixtures(input: &Input, embedded: &Embedded) -> Vec<TokenStream> {
    let runtime = &input.runtime;
    let element = |found: &Fixtures| {
        let (version, sql) = (version(input, found.version), &*found.sql);
        quote! {
            #runtime::testing::Fixtures { version: #version, sql: #runtime::__private::Cow::Borrowed(#sql) }
        }
    };
    embedded.fixtures.iter().map(element).collect()
}

/// A version as an expression.
pub(crate) fn version(input: &Input, version: SchemaVersion) -> TokenStream {
    let runtime = &input.runtime;
    let SchemaVersion { major, minor, patch, .. } = version;
    quote!(#runtime::__private::SchemaVersion::new(#major, #minor, #patch))
}

/// A path as a literal.
pub(crate) fn path<'a>(input: &Input, path: &'a Path) -> syn::Result<&'a str> {
    path.to_str().ok_or_else(|| {
        let shown = path.display();
        let message = format!("path `{shown}` is not UTF-8 and cannot be included");
        Error::new(input.span, message)
    })
}

/// What is wrong, and an empty registry, so that one mistake gives one message.
pub(crate) fn fallback(input: &Input, error: &Error) -> TokenStream {
    let runtime = &input.runtime;
    let errors = error.to_compile_error();
    quote! {{
        #errors
        #runtime::__private::Registry::from_parts(
            #runtime::__private::Option::None,
            #runtime::__private::Cow::Borrowed(""),
            #runtime::__private::Option::None,
            #runtime::__private::Checksum::from_bytes([0; 32]),
            #runtime::__private::Cow::Borrowed(&[]),
        )
    }}
}

struct Expansion<'a> {
    input: &'a Input,
    embedded: &'a Embedded,
    /// The path of the module that everything is named through.
    private: TokenStream,
}

impl<'a> Expansion<'a> {
    fn new(input: &'a Input, embedded: &'a Embedded) -> Self {
        let runtime = &input.runtime;
        Self { input, embedded, private: quote!(#runtime::__private) }
    }

    fn tokens(&self) -> syn::Result<TokenStream> {
        let private = &self.private;
        let registry: &Registry = &self.embedded.registry;
        let tracking = self.tracking()?;
        let warnings = report::warnings(&self.embedded.warnings, self.input.span);
        let name = self.option_text(registry.name());
        let directory = registry.directory();
        let version = registry.runtime_version().map(|version| version.to_string());
        let version = self.option_text(version.as_deref());
        let digest = Literal::byte_string(registry.digest().as_bytes());
        let source = path(self.input, &self.embedded.directory)?;

        let encoded = Encoded::new(registry.migrations())
            .ok_or_else(|| Error::new(self.input.span, "a text of the migrations is longer than 4 GiB"))?;
        let texts = &encoded.texts;
        let [migrations, dependencies, scripts] =
            [&encoded.migrations, &encoded.dependencies, &encoded.scripts].map(|table| Literal::byte_string(table));
        let fingerprints = Dialect::ALL.map(|dialect| {
            let fingerprints = registry.fingerprints(dialect);
            quote!(&[#(#fingerprints),*])
        });
        Ok(quote! {{
            #tracking
            #warnings
            static __TABLES: #private::embedded::Tables =
                #private::embedded::Tables::new(&[#(#texts),*], #migrations, #dependencies, #scripts);
            #private::Registry::embedded(
                #name,
                #private::Cow::Borrowed(#directory),
                #version,
                #private::Checksum::from_bytes(*#digest),
                &__TABLES,
                [#(#fingerprints),*],
            )
            // Decided where the program is compiled: a release holds no path of the machine that built it.
            .compiled_from(if ::core::cfg!(debug_assertions) {
                #private::Option::Some(#source)
            } else {
                #private::Option::None
            })
        }})
    }

    /// Makes every file and variable that was read a reason to rebuild. The texts become one constant that nobody uses:
    /// an expression for each file would be an expression to check.
    fn tracking(&self) -> syn::Result<TokenStream> {
        let files: Vec<&str> =
            self.embedded.files.iter().map(|file| path(self.input, file)).collect::<syn::Result<_>>()?;
        let variables = &self.input.variables;
        let private = &self.private;
        Ok(quote! {
            const _: &#private::str = ::core::concat!(#(::core::include_str!(#files)),*);
            const _: &[#private::Option<&#private::str>] = &[#(::core::option_env!(#variables)),*];
        })
    }

    fn option_text(&self, text: Option<&str>) -> TokenStream {
        let private = &self.private;
        match text {
            None => quote!(#private::Option::None),
            Some(text) => quote!(#private::Option::Some(#private::Cow::Borrowed(#text))),
        }
    }
}
