//! `migration_tests!`: a module with one test for each migration, one of all of them, and one of what was compiled in.
//!
//! It is an item: a `#[test]` inside an expression would never run.

use migrate_core::migration::Dialect;
use migrate_core::registry::Registry;
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Error, Token};

use crate::input::{self, Input, Own};
use crate::{expand, load};

/// The arguments that only this macro has.
#[derive(Default)]
struct Arguments {
    database: Option<Database>,
    /// The name of the module.
    name: Option<Ident>,
}

enum Database {
    Sqlite,
    /// The expression that gives the URL of the server.
    Postgres(TokenStream),
}

impl Own for Arguments {
    const NAMES: &'static str = "`sqlite`, `postgres = URL`, `name = ...`";

    fn read(&mut self, name: &Ident, stream: ParseStream<'_>, input: &mut Input) -> syn::Result<bool> {
        let database = match name.to_string().as_str() {
            "sqlite" => Database::Sqlite,
            "postgres" => {
                if stream.parse::<Option<Token![=]>>()?.is_none() {
                    let help =
                        "`postgres` needs the URL of a server: `postgres = \"postgres://...\"`, or any expression";
                    return Err(Error::new(name.span(), help));
                }
                Database::Postgres(expression(stream)?)
            }
            "name" => {
                stream.parse::<Token![=]>()?;
                self.name = Some(stream.call(Ident::parse_any)?);
                return Ok(true);
            }
            _ => return Ok(false),
        };
        if self.database.is_some() {
            let message = "the tests run on one database: write `migration_tests!` once for each, with `name = ...`";
            input.wrong(Error::new(name.span(), message));
        }
        input.dialect = Some(match database {
            Database::Sqlite => Dialect::Sqlite,
            Database::Postgres(_) => Dialect::Postgres,
        });
        self.database = Some(database);
        Ok(true)
    }
}

/// An expression, up to the next argument. It is not parsed: the compiler says what is wrong with it.
fn expression(stream: ParseStream<'_>) -> syn::Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !stream.is_empty() && !ends_here(stream) {
        tokens.extend([stream.parse::<TokenTree>()?]);
    }
    if tokens.is_empty() { Err(stream.error("expected an expression that gives a URL")) } else { Ok(tokens) }
}

/// Whether the next comma is one between arguments, not one between type parameters.
fn ends_here(stream: ParseStream<'_>) -> bool {
    let ahead = stream.fork();
    if ahead.parse::<Option<Token![,]>>().is_ok_and(|comma| comma.is_none()) {
        return false;
    }
    if ahead.is_empty() {
        return true;
    }
    let is_sqlite = ahead.fork().call(Ident::parse_any).is_ok_and(|name| name == "sqlite");
    is_sqlite || ahead.peek(Ident::peek_any) && ahead.peek2(Token![=])
}

pub(crate) fn expand(tokens: TokenStream) -> syn::Result<TokenStream> {
    let mut arguments = Arguments::default();
    let (input, errors) = input::parse(tokens, &mut arguments);
    if let Some(error) = errors {
        return Err(error);
    }
    let runtime = &input.runtime;
    let server = match arguments.database {
        Some(Database::Sqlite) => quote!(#runtime::testing::Server::Sqlite),
        // The names in the expression are those of the place where the macro is called.
        Some(Database::Postgres(url)) => quote! {{
            use super::*;
            #runtime::testing::Server::Postgres(::core::convert::Into::into(#url))
        }},
        None => {
            let message = "say which database the tests run on: `sqlite`, or `postgres = URL`";
            return Err(Error::new(input.span, message));
        }
    };
    let embedded = load::load(&input, true)?;
    let name = arguments.name.unwrap_or_else(|| Ident::new("migrations", Span::call_site()));
    let registry = expand::registry(&input, &embedded);
    let fixtures = expand::fixtures(&input, &embedded);
    let count = fixtures.len();
    let tests = tests(&input, &embedded.registry);
    let directory = expand::path(&input, &embedded.directory)?;
    Ok(quote! {
        #[cfg(test)]
        mod #name {
            static __REGISTRY: #runtime::__private::Registry = #registry;
            static __FIXTURES: [#runtime::testing::Fixtures; #count] = [#(#fixtures),*];

            fn __set() -> #runtime::testing::TestSet {
                #runtime::testing::TestSet::new(&__REGISTRY).fixtures(&__FIXTURES[..])
            }

            fn __server() -> #runtime::testing::Server {
                #server
            }

            #tests

            #[test]
            fn is_what_the_directory_holds() -> ::core::result::Result<(), #runtime::testing::Failure> {
                #runtime::testing::check_content(&__set(), #directory)
            }
        }
    })
}

fn tests(input: &Input, registry: &Registry) -> TokenStream {
    let runtime = &input.runtime;
    let result = quote!(::core::result::Result<(), #runtime::testing::Failure>);
    let each = registry.migrations().iter().map(|migration| {
        let name = format_ident!("{}", migration.directory_name().replace('.', "_"));
        let version = expand::version(input, migration.version());
        quote! {
            #[test]
            fn #name() -> #result {
                #runtime::testing::check_migration(&__set(), &__server(), #version)
            }
        }
    });
    quote! {
        #(#each)*

        #[test]
        fn from_empty_to_head() -> #result {
            #runtime::testing::check_from_empty_to_head(&__set(), &__server())
        }
    }
}
