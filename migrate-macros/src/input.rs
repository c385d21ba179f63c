//! The arguments of the macros, with their places kept.

use std::env;

use migrate_core::migration::Dialect;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Error, LitStr, Token, parenthesized};

/// The arguments of every macro.
const SHARED: &str = "`runtime_version = \"...\"`, `crate = \"...\"` and `relative_to = \"file\"`";

/// The arguments that one macro has beyond those that every macro has.
pub(crate) trait Own {
    /// Their names, for messages.
    const NAMES: &'static str;

    /// Reads what follows the name of one of them; `false` if the name is none.
    fn read(&mut self, name: &Ident, stream: ParseStream<'_>, input: &mut Input) -> syn::Result<bool>;
}

/// Those of `embed_migrations!`.
pub(crate) struct Embed;

impl Own for Embed {
    const NAMES: &'static str = "`dialect = \"...\"`";

    fn read(&mut self, name: &Ident, stream: ParseStream<'_>, input: &mut Input) -> syn::Result<bool> {
        if name != "dialect" {
            return Ok(false);
        }
        stream.parse::<Token![=]>()?;
        let (value, variable) = value(stream)?;
        input.variables.extend(variable);
        let text = value.value();
        match text.parse() {
            Ok(dialect) => input.dialect = Some(dialect),
            Err(error) => input.wrong(Error::new(value.span(), format!("unknown dialect `{text}`: {error}"))),
        }
        Ok(true)
    }
}

/// What was typed.
pub(crate) struct Input {
    /// The directory, as typed; `migrations_v2` when nothing was.
    pub(crate) directory: String,
    /// Where problems with the directory are shown.
    pub(crate) span: Span,
    /// The one database that the set is for.
    pub(crate) dialect: Option<Dialect>,
    /// The version of the program; the crate's own if absent.
    pub(crate) runtime_version: Option<String>,
    /// Environment variables that were read: a change of one has to rebuild.
    pub(crate) variables: Vec<String>,
    /// The path of the crate `migrate-runtime`.
    pub(crate) runtime: TokenStream,
    /// Whether the directory is relative to the source file instead of the package.
    pub(crate) relative_to_file: bool,
    /// What is wrong with the arguments.
    errors: Option<Error>,
}

impl Input {
    /// Notes something wrong; reading goes on.
    pub(crate) fn wrong(&mut self, error: Error) {
        combine(&mut self.errors, error);
    }
}

/// Reads the arguments; what is wrong with them comes beside what could be read.
pub(crate) fn parse<O: Own>(tokens: TokenStream, own: &mut O) -> (Input, Option<Error>) {
    let mut input = Input {
        directory: "migrations_v2".to_owned(),
        span: Span::call_site(),
        dialect: None,
        runtime_version: None,
        variables: Vec::new(),
        runtime: quote!(::migrate_runtime),
        relative_to_file: false,
        errors: None,
    };
    let result = (|stream: ParseStream<'_>| read(stream, &mut input, own)).parse2(tokens);
    if let Err(error) = result {
        input.wrong(error);
    }
    let errors = input.errors.take();
    (input, errors)
}

/// Adds an error to those found so far.
pub(crate) fn combine(errors: &mut Option<Error>, error: Error) {
    match errors {
        None => *errors = Some(error),
        Some(errors) => errors.combine(error),
    }
}

fn read<O: Own>(stream: ParseStream<'_>, input: &mut Input, own: &mut O) -> syn::Result<()> {
    if stream.peek(LitStr) {
        let directory: LitStr = stream.parse()?;
        input.directory = directory.value();
        input.span = directory.span();
        if !stream.is_empty() {
            stream.parse::<Token![,]>()?;
        }
    }
    let arguments = format!("{}, {SHARED}", O::NAMES);
    let mut seen: Vec<String> = Vec::new();
    while !stream.is_empty() {
        let expected = format!("expected the directory, in quotes, and then any of {arguments}");
        if !stream.peek(Ident::peek_any) {
            return Err(stream.error(expected));
        }
        let start = stream.fork();
        let name = stream.call(Ident::parse_any)?;
        if !own.read(&name, stream, input)? {
            if !stream.peek(Token![=]) {
                return Err(start.error(expected));
            }
            stream.parse::<Token![=]>()?;
            let (value, variable) = value(stream)?;
            input.variables.extend(variable);
            if let Err(error) = argument(input, &name, &value, &arguments) {
                input.wrong(error);
            }
        }
        if seen.contains(&name.to_string()) {
            input.wrong(Error::new(name.span(), format!("`{name}` is given twice")));
        }
        seen.push(name.to_string());
        if !stream.is_empty() {
            stream.parse::<Token![,]>()?;
        }
    }
    Ok(())
}

fn argument(input: &mut Input, name: &Ident, value: &LitStr, arguments: &str) -> syn::Result<()> {
    let text = value.value();
    match name.to_string().as_str() {
        "runtime_version" => input.runtime_version = Some(text),
        "crate" => input.runtime = crate_path(value)?,
        "relative_to" if text == "file" => input.relative_to_file = true,
        "relative_to" => {
            let message = format!("`relative_to` is `{text}`, expected `file`");
            return Err(Error::new(value.span(), message));
        }
        unknown => {
            let message = format!("unknown argument `{unknown}`, expected {arguments}");
            return Err(Error::new(name.span(), message));
        }
    }
    Ok(())
}

/// A string, or `env!("NAME")`; macros in arguments are not expanded before this one is, so the variable is read here.
fn value(stream: ParseStream<'_>) -> syn::Result<(LitStr, Option<String>)> {
    if stream.peek(LitStr) {
        return Ok((stream.parse()?, None));
    }
    let name = stream.call(Ident::parse_any);
    let is_env = name.is_ok_and(|name| name == "env") && stream.peek(Token![!]);
    if !is_env {
        return Err(stream.error("expected a string, or `env!(\"NAME\")`"));
    }
    stream.parse::<Token![!]>()?;
    let content;
    parenthesized!(content in stream);
    let variable: LitStr = content.parse()?;
    let name = variable.value();
    match env::var(&name) {
        Ok(text) => Ok((LitStr::new(&text, variable.span()), Some(name))),
        Err(error) => {
            let message = format!("environment variable `{name}`: {error}");
            Err(Error::new(variable.span(), message))
        }
    }
}

/// A path such as `my_crate::migrations` or `::renamed`.
fn crate_path(value: &LitStr) -> syn::Result<TokenStream> {
    let text = value.value();
    let span = value.span();
    let mut path = TokenStream::new();
    for (index, segment) in text.split("::").enumerate() {
        if index > 0 {
            path.extend(quote_spanned!(span=> ::));
        }
        if index == 0 && segment.is_empty() && text.len() > 2 {
            continue;
        }
        let ident = Ident::parse_any
            .parse_str(segment)
            .map_err(|_| Error::new(span, format!("`{text}` is not the path of a crate or module")))?;
        path.extend(quote!(#ident));
    }
    Ok(path)
}
