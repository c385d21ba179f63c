//! The registry as one expression of constant data.
//!
//! Lists are statics inside the expression's block: a list of values that have drop glue is not promoted to one by
//! itself.

use std::path::Path;
use std::time::Duration;

use migrate_core::migration::{Dialect, Migration, Role, Script};
use migrate_core::registry::Registry;
use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};
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
        let mut lists = TokenStream::new();
        let mut migrations = Vec::new();
        for (index, migration) in registry.migrations().iter().enumerate() {
            migrations.push(self.migration(index, migration, &mut lists)?);
        }
        let count = migrations.len();
        let name = self.option_text(registry.name());
        let directory = registry.directory();
        let version = registry.runtime_version().map(|version| version.to_string());
        let version = self.option_text(version.as_deref());
        let digest = Literal::byte_string(registry.digest().as_bytes());
        let source = self.path(&self.embedded.directory)?;
        Ok(quote! {{
            #tracking
            #warnings
            #lists
            static __MIGRATIONS: [#private::Migration; #count] = [#(#migrations),*];
            #private::Registry::from_parts(
                #name,
                #private::Cow::Borrowed(#directory),
                #version,
                #private::Checksum::from_bytes(*#digest),
                #private::Cow::Borrowed(&__MIGRATIONS),
            )
            // Decided where the program is compiled: a release holds no path of the machine that built it.
            .compiled_from(if ::core::cfg!(debug_assertions) {
                #private::Option::Some(#source)
            } else {
                #private::Option::None
            })
        }})
    }

    /// Makes every file and variable that was read a reason to rebuild.
    fn tracking(&self) -> syn::Result<TokenStream> {
        let files: Vec<&str> = self.embedded.files.iter().map(|file| self.path(file)).collect::<syn::Result<_>>()?;
        let variables = &self.input.variables;
        let private = &self.private;
        Ok(quote! {
            const _: &[&[u8]] = &[#(::core::include_bytes!(#files)),*];
            const _: &[#private::Option<&str>] = &[#(::core::option_env!(#variables)),*];
        })
    }

    fn migration(&self, index: usize, migration: &Migration, lists: &mut TokenStream) -> syn::Result<TokenStream> {
        let private = &self.private;
        let directory = self.embedded.directory.join(migration.directory_name());
        let scripts: Vec<TokenStream> =
            migration.scripts().iter().map(|script| self.script(&directory, script)).collect::<syn::Result<_>>()?;
        let dependencies = migration.dependencies();
        let (script_count, dependency_count) = (scripts.len(), dependencies.len());
        let script_list = format_ident!("__SCRIPTS_{index}");
        let dependency_list = format_ident!("__DEPENDENCIES_{index}");
        lists.extend(quote! {
            static #script_list: [#private::Script; #script_count] = [#(#scripts),*];
            static #dependency_list: [#private::Cow<'static, str>; #dependency_count] =
                [#(#private::Cow::Borrowed(#dependencies)),*];
        });
        let version = migration.version();
        let (major, minor, patch) = (version.major, version.minor, version.patch);
        let name = migration.name();
        let settings = self.settings(migration);
        Ok(quote! {
            #private::Migration::from_parts(
                #private::SchemaVersion::new(#major, #minor, #patch),
                #private::Cow::Borrowed(#name),
                #settings,
                #private::Cow::Borrowed(&#dependency_list),
                #private::Cow::Borrowed(&#script_list),
            )
        })
    }

    fn script(&self, directory: &Path, script: &Script) -> syn::Result<TokenStream> {
        let private = &self.private;
        let role = match script.role {
            Role::Up => quote!(Up),
            Role::Down => quote!(Down),
            Role::Verify => quote!(Verify),
        };
        let dialect = match script.dialect {
            None => quote!(None),
            Some(Dialect::Sqlite) => quote!(Some(#private::Dialect::Sqlite)),
            Some(Dialect::Postgres) => quote!(Some(#private::Dialect::Postgres)),
        };
        let file = directory.join(script.file_name());
        let sql = if self.embedded.with_byte_order_mark.contains(&file) {
            let text: &str = &script.sql;
            quote!(#text)
        } else {
            let path = self.path(&file)?;
            quote!(::core::include_str!(#path))
        };
        let checksum = Literal::byte_string(script.checksum.as_bytes());
        Ok(quote! {
            #private::Script::embedded(
                #private::Role::#role,
                #private::Option::#dialect,
                #sql,
                #checksum,
            )
        })
    }

    fn settings(&self, migration: &Migration) -> TokenStream {
        let private = &self.private;
        let minimum = migration.min_runtime_version().map(|version| version.to_string());
        let description = self.option_text(migration.description());
        let min_runtime_version = self.option_text(minimum.as_deref());
        let irreversible = self.option_text(migration.irreversible());
        let transaction = migration.transaction();
        let foreign_keys_off = migration.foreign_keys_off();
        let lock_timeout = self.option_duration(migration.lock_timeout());
        let statement_timeout = self.option_duration(migration.statement_timeout());
        quote! {
            #private::Settings {
                description: #description,
                min_runtime_version: #min_runtime_version,
                irreversible: #irreversible,
                transaction: #transaction,
                foreign_keys_off: #foreign_keys_off,
                lock_timeout: #lock_timeout,
                statement_timeout: #statement_timeout,
            }
        }
    }

    fn option_text(&self, text: Option<&str>) -> TokenStream {
        let private = &self.private;
        match text {
            None => quote!(#private::Option::None),
            Some(text) => quote!(#private::Option::Some(#private::Cow::Borrowed(#text))),
        }
    }

    fn option_duration(&self, duration: Option<Duration>) -> TokenStream {
        let private = &self.private;
        let Some(duration) = duration else {
            return quote!(#private::Option::None);
        };
        let (seconds, nanoseconds) = (duration.as_secs(), duration.subsec_nanos());
        quote!(#private::Option::Some(#private::Duration::new(#seconds, #nanoseconds)))
    }

    fn path<'b>(&self, path: &'b Path) -> syn::Result<&'b str> {
        path.to_str().ok_or_else(|| {
            let shown = path.display();
            let message = format!("path `{shown}` is not UTF-8 and cannot be included");
            Error::new(self.input.span, message)
        })
    }
}
