//! Command lines that clap refuses, `--help` and `--version`.

mod verb;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory};

use crate::args::{Color, EmbeddedCommand, OutputOptions};
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{Document, Failed, Run};
use crate::output::{Output, Printer};
use crate::program;

/// Prints what clap says of a command line that it did not accept, and gives the exit code for it: 64, or 0 when help or
/// a version was asked for. clap's own exit code, 2, would read as "incompatible". With `--json` or `--events` on the command
/// line of this process, programs get a document as well.
#[must_use]
pub fn usage(error: &clap::Error) -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // The first word is a command of the program, which has its own.
    let command = EmbeddedCommand::command();
    let ours = if is_first_word(error, &arguments) { None } else { Some(&command) };
    tell(error, &arguments, &command, ours, program::of(&arguments))
}

/// The same for a command line that is not the process's own; `command` is what it was read by.
pub(crate) fn report(
    error: &clap::Error,
    arguments: &[OsString],
    command: &Command,
    program: Option<String>,
) -> ExitCode {
    tell(error, arguments, command, Some(command), program)
}

/// `ours`: the command whose verbs were probably meant by one that is none.
fn tell(
    error: &clap::Error,
    arguments: &[OsString],
    command: &Command,
    ours: Option<&Command>,
    program: Option<String>,
) -> ExitCode {
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let json = error.use_stderr() && (has("--json") || has("--events"));
    let options = OutputOptions { json, events: false, quiet: false, verbose: false, color: Color::Auto };
    let printer = Output::standard().program(program).with(options);
    if !error.use_stderr() {
        printer.line(error.render().ansi().to_string().trim_end());
        return printer.close(Exit::Done).into();
    }
    let better = with_better_suggestions(error, command, ours);
    let error = better.as_ref().unwrap_or(error);
    document(error, verb::runs(command, arguments), &printer);
    let text = error.render().ansi().to_string();
    printer.aside(if is_help(error) { text } else { without_passwords(&text) }.trim_end());
    printer.close(Exit::Usage).into()
}

/// Whether it is the help of a command that needs another word, which holds nothing that was typed.
fn is_help(error: &clap::Error) -> bool {
    error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
}

fn is_first_word(error: &clap::Error, arguments: &[OsString]) -> bool {
    let typed = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(typed)) => typed,
        _ => return false,
    };
    arguments.get(1).is_some_and(|first| first == typed.as_str())
}

/// The same error with the verb that was probably meant: other tools' words for ours, else the most similar one first.
fn with_better_suggestions(error: &clap::Error, command: &Command, ours: Option<&Command>) -> Option<clap::Error> {
    let typed = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(typed)) => typed,
        _ => return None,
    };
    let translated = ours.and_then(|ours| verb::translated(typed, ours));
    let suggested = match (translated, error.get(ContextKind::SuggestedSubcommand)) {
        (Some(ours), _) => vec![ours.to_owned()],
        // clap has the most similar one last.
        (None, Some(ContextValue::Strings(similar))) => similar.iter().rev().cloned().collect(),
        (None, _) => return None,
    };
    let mut better = clap::Error::new(error.kind()).with_cmd(command);
    for (kind, value) in error.context() {
        better.insert(kind, value.clone());
    }
    better.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(suggested));
    Some(better)
}

fn document(error: &clap::Error, runs: bool, printer: &Printer) {
    let text = without_passwords(&error.render().to_string());
    // The first paragraph is the error, the rest explains the usage.
    let message = match is_help(error) {
        true => "the command is not complete",
        false => text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: "),
    };
    let help = suggested(error).map(|meant| format!("did you mean `{meant}`?"));
    let error = Error::usage(message.trim(), help.unwrap_or_else(|| "for more information, try `--help`".to_owned()));
    if runs {
        printer.document(&Document::new(Run::failed(&error)));
    } else {
        printer.document(&Document::new(Failed::from(&error)));
    }
}

/// What was probably meant, the most similar first.
fn suggested(error: &clap::Error) -> Option<&str> {
    let kinds = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    kinds.into_iter().find_map(|kind| match error.get(kind)? {
        ContextValue::String(meant) => Some(meant.as_str()),
        ContextValue::Strings(similar) => similar.first().map(String::as_str),
        _ => None,
    })
}

/// clap repeats arguments that it does not understand, and one of them may be a database URL. Which part of it is a
/// password depends on the kind of database, so all of it is left out.
fn without_passwords(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + "://".len());
        let end = url.find(|end: char| end.is_whitespace() || end.is_control()).unwrap_or(url.len());
        let (url, after) = url.split_at(end);
        safe.push_str(before);
        safe.push_str("...");
        // clap's own quotation mark; one inside the URL is part of it.
        safe.push_str(if url.ends_with('\'') { "'" } else { "" });
        rest = after;
    }
    safe + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_cut_to_their_scheme() {
        for (text, expected) in [
            ("unexpected 'postgres://u:s'ecret@h/d' found", "unexpected 'postgres://...' found"),
            ("\x1b[33mpostgres://u:p@h/d\x1b[0m and more", "\x1b[33mpostgres://...\x1b[0m and more"),
            ("no URL", "no URL"),
            ("two a://b and c://d?password=e", "two a://... and c://..."),
        ] {
            assert_eq!(without_passwords(text), expected);
        }
    }
}
