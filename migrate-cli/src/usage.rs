//! Command lines that clap refuses, `--help` and `--version`.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::args::{Color, OutputOptions};
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
    report(error, &arguments, program::of(&arguments))
}

/// The same for a command line that is not the process's own.
pub(crate) fn report(error: &clap::Error, arguments: &[OsString], program: Option<String>) -> ExitCode {
    let has = |words: &[&str]| arguments.iter().any(|argument| words.iter().any(|word| argument == word));
    let json = error.use_stderr() && has(&["--json", "--events"]);
    let options = OutputOptions { json, events: false, quiet: false, verbose: false, color: Color::Auto };
    let printer = Output::standard().program(program).with(options);
    let text = error.render().ansi().to_string();
    if !error.use_stderr() {
        printer.line(text.trim_end());
        return printer.close(Exit::Done).into();
    }
    document(error, has(&["up", "down", "redo", "goto"]), &printer);
    printer.aside(without_passwords(&text).trim_end());
    printer.close(Exit::Usage).into()
}

fn document(error: &clap::Error, runs: bool, printer: &Printer) {
    let text = without_passwords(&error.render().to_string());
    // The first paragraph is the error, the rest explains the usage.
    let message = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    let error = Error::usage(message.trim(), "for more information, try `--help`");
    if runs {
        printer.document(&Document::new(Run::failed(&error)));
    } else {
        printer.document(&Document::new(Failed::from(&error)));
    }
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
