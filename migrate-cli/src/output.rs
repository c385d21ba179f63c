//! Where everything is printed.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anstream::{AutoStream, ColorChoice};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use migrate_runtime::{SchemaVersion, Verdict};
use serde::Serialize;

use crate::args::{Color, OutputOptions};
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{Document, Happening, Line};

type Stream = Box<dyn Write + Send>;

/// The two streams that a command writes to: data to one, everything else to the other.
pub struct Output {
    stdout: Stream,
    stderr: Stream,
    /// What `--color auto` means for each.
    colors: [ColorChoice; 2],
    /// Whether somebody can answer a question.
    interactive: bool,
}

impl Output {
    /// The streams of this process. Questions are asked when standard input and standard error are a terminal.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            colors: [AutoStream::choice(&io::stdout()), AutoStream::choice(&io::stderr())],
            interactive: io::stdin().is_terminal() && io::stderr().is_terminal(),
            stdout: Box::new(io::stdout()),
            stderr: Box::new(io::stderr()),
        }
    }

    /// Streams of your own, without colour unless it is asked for, and with nobody to answer a question.
    #[must_use]
    pub fn new(stdout: impl Write + Send + 'static, stderr: impl Write + Send + 'static) -> Self {
        Self { stdout: Box::new(stdout), stderr: Box::new(stderr), colors: [ColorChoice::Never; 2], interactive: false }
    }

    pub(crate) fn with(self, options: OutputOptions) -> Printer {
        let [stdout, stderr] = self.colors.map(|auto| match options.color {
            Color::Auto => auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        });
        let streams = Streams {
            stdout: AutoStream::new(self.stdout, stdout),
            stderr: AutoStream::new(self.stderr, stderr),
            failure: None,
            progress: String::new(),
        };
        // The last line of `--events` is the document of `--json`.
        let options = OutputOptions { json: options.json || options.events, ..options };
        let streams = Arc::new(Mutex::new(streams));
        Printer { streams, options, interactive: self.interactive, began: Instant::now() }
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("interactive", &self.interactive).finish_non_exhaustive()
    }
}

/// An output that knows what was asked for: JSON, quiet, verbose, colour.
#[derive(Clone)]
pub(crate) struct Printer {
    // Shared with the observer of a run.
    streams: Arc<Mutex<Streams>>,
    options: OutputOptions,
    interactive: bool,
    began: Instant,
}

struct Streams {
    stdout: AutoStream<Stream>,
    stderr: AutoStream<Stream>,
    /// Why standard output takes no more.
    failure: Option<io::Error>,
    /// What was last said of progress.
    progress: String,
}

impl Printer {
    /// The answer of a command: a document for programs, or text for people.
    pub(crate) fn answer(&self, document: &impl Serialize, text: impl FnOnce() -> String) {
        if self.options.json {
            self.document(document);
        } else {
            self.line(&text());
        }
    }

    /// One line of data for people.
    pub(crate) fn line(&self, text: &str) {
        if !self.options.json && !self.options.quiet {
            self.data(text);
        }
    }

    /// The document for programs. Also with `--quiet`: it was asked for by name.
    pub(crate) fn document(&self, document: &impl Serialize) {
        if self.options.json {
            self.json(document);
        }
    }

    /// A line of `--events`.
    pub(crate) fn event(&self, happening: impl FnOnce() -> Option<Happening>) {
        if !self.options.events {
            return;
        }
        if let Some(happening) = happening() {
            self.json(&Document::new(Line::new(self.began.elapsed(), happening)));
        }
    }

    /// How far something has come that takes long: for people who watch, and only when it has changed.
    pub(crate) fn progress(&self, text: &str) {
        if !self.interactive || std::mem::replace(&mut self.streams().progress, text.to_owned()) == text {
            return;
        }
        self.note(text);
    }

    /// Something worth knowing that is not the answer.
    pub(crate) fn note(&self, text: &str) {
        if !self.options.quiet {
            self.aside(text);
        }
    }

    /// Something for whoever asked for more.
    pub(crate) fn detail(&self, text: &str) {
        if self.options.verbose {
            self.aside(text);
        }
    }

    /// A warning, whose first word the text does not hold.
    pub(crate) fn warning(&self, text: &str) {
        self.note(&format!("{YELLOW}warning{RESET}: {text}"));
    }

    /// An error with what belongs to it and what to do about it. Never silenced.
    pub(crate) fn error(&self, message: &str, further: &[String], help: Option<&str>) {
        let mut text = format!("{RED}error{RESET}: {message}");
        for line in further {
            text.push_str("\n  ");
            text.push_str(line);
        }
        if let Some(help) = help {
            text.push_str(&format!("\n\n{CYAN}hint{RESET}: {help}"));
        }
        self.aside(&text);
    }

    /// Text on standard error, whatever was asked for.
    pub(crate) fn aside(&self, text: &str) {
        // Where nobody listens to errors, there is nobody to tell.
        let _ = writeln!(self.streams().stderr, "{text}");
    }

    pub(crate) fn verbose(&self) -> bool {
        self.options.verbose
    }

    /// Asks a question on the terminal; anything but a yes is a no.
    pub(crate) fn confirm(&self, question: &str) -> bool {
        self.ask(&format!("{question} [y/N] ")).is_some_and(|answer| is_yes(&answer))
    }

    /// Asks for a name on the terminal; any other is a no.
    pub(crate) fn confirm_by_name(&self, question: &str, name: &str) -> bool {
        let answer = self.ask(&format!("{question} It is protected: type its name, `{name}`, to go on: "));
        answer.is_some_and(|answer| !name.is_empty() && answer.trim() == name)
    }

    fn ask(&self, question: &str) -> Option<String> {
        let mut answer = String::new();
        {
            let mut streams = self.streams();
            let _ = write!(streams.stderr, "{question}");
            let _ = streams.stderr.flush();
        }
        io::stdin().lock().read_line(&mut answer).is_ok().then_some(answer)
    }

    /// How the process ends, given how the command did: an answer that could not be written is a failure, unless its
    /// reader went away.
    pub(crate) fn close(&self, exit: Exit) -> Exit {
        let mut streams = self.streams();
        if streams.failure.is_none()
            && let Err(error) = streams.stdout.flush()
        {
            streams.failure = Some(error);
        }
        let failure = streams.failure.take().filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
        drop(streams);
        match failure {
            Some(error) => {
                self.error(&format!("cannot write to standard output: {error}"), &[], None);
                Exit::Failed
            }
            None => exit,
        }
    }

    fn json(&self, document: &impl Serialize) {
        let text = serde_json::to_string(document).expect("the documents have text keys and no failing parts");
        self.data(&text);
    }

    fn data(&self, text: &str) {
        let mut streams = self.streams();
        if streams.failure.is_none()
            && let Err(error) = writeln!(streams.stdout, "{text}").and_then(|()| streams.stdout.flush())
        {
            streams.failure = Some(error);
        }
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fails where a question is due and nobody can answer it. `why` is the reason for asking.
pub(crate) fn check_answerable(why: &str, help: &str, printer: &Printer) -> Result<(), Error> {
    if printer.interactive {
        return Ok(());
    }
    Err(Error::usage(format!("{why}, and there is no terminal to ask at"), help))
}

/// A table for people, within 80 columns. The columns named in `right` are aligned to the right.
pub(crate) fn table(header: &[&str], right: &[usize], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(80)
        .set_header(header.to_vec())
        .add_rows(rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if right.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// Words in the colour of a verdict.
pub(crate) fn painted(verdict: Verdict, words: &str) -> String {
    let colour = match verdict {
        Verdict::Compatible => GREEN,
        Verdict::NeedsMigration => YELLOW,
        Verdict::Incompatible => RED,
    };
    format!("{colour}{words}{RESET}")
}

/// A time stamp as it is stored, without the fraction of the second: `2026-11-21T02:07:07Z`.
pub(crate) fn to_the_second(time: &str) -> String {
    let Some((seconds, rest)) = time.split_once('.') else {
        return time.to_owned();
    };
    format!("{seconds}{}", rest.trim_start_matches(|digit: char| digit.is_ascii_digit()))
}

/// Where a database stands.
pub(crate) fn place(version: Option<SchemaVersion>) -> String {
    version.map_or_else(|| "no migration is applied".to_owned(), |version| format!("the database is at {version}"))
}

/// `1 migration`, `2 migrations`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

fn is_yes(answer: &str) -> bool {
    ["y", "yes"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes))
}

// `AutoStream` takes them out where they are not wanted.
const GREEN: &str = "\x1b[1;32m";
const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const CYAN: &str = "\x1b[1;36m";
const RESET: &str = "\x1b[0m";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for (answer, expected) in [("y\n", true), (" YES \r\n", true), ("", false), ("\n", false), ("yellow\n", false)]
        {
            assert_eq!(is_yes(answer), expected, "{answer:?}");
        }
    }

    #[test]
    fn times_lose_their_fraction_only() {
        assert_eq!(to_the_second("2026-11-21T02:07:07.123456Z"), "2026-11-21T02:07:07Z");
        assert_eq!(to_the_second("2026-11-21T02:07:07.1+00:00"), "2026-11-21T02:07:07+00:00");
        assert_eq!(to_the_second("2026-11-21T02:07:07Z"), "2026-11-21T02:07:07Z");
    }
}
