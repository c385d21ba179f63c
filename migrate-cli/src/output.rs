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
use crate::bar::{Bar, Shown};
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{Document, Happening, Line};
use crate::program;

type Stream = Box<dyn Write + Send>;

/// The two streams that a command writes to: data to one, everything else to the other.
pub struct Output {
    stdout: Stream,
    stderr: Stream,
    /// What `--color auto` means for each.
    colors: [ColorChoice; 2],
    /// Whether somebody can answer a question.
    interactive: bool,
    /// Whether somebody sees a bar on standard error.
    watched: bool,
    program: Option<String>,
}

impl Output {
    /// The streams of this process. Questions are asked when standard input and standard error are a terminal.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            colors: [AutoStream::choice(&io::stdout()), AutoStream::choice(&io::stderr())],
            interactive: io::stdin().is_terminal() && io::stderr().is_terminal(),
            watched: io::stderr().is_terminal(),
            stdout: Box::new(io::stdout()),
            stderr: Box::new(io::stderr()),
            program: None,
        }
    }

    /// Streams of your own, without colour unless it is asked for, and with nobody to answer a question.
    #[must_use]
    pub fn new(stdout: impl Write + Send + 'static, stderr: impl Write + Send + 'static) -> Self {
        Self {
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            colors: [ColorChoice::Never; 2],
            interactive: false,
            watched: false,
            program: None,
        }
    }

    /// What is typed before a verb, such as `wallet-server migrate`, for messages that say what to run next; `migrate` if it
    /// is not given.
    #[must_use]
    pub fn program(self, name: impl Into<Option<String>>) -> Self {
        Self { program: name.into(), ..self }
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
            bar: None,
        };
        // The last line of `--events` is the document of `--json`.
        let options = OutputOptions { json: options.json || options.events, ..options };
        let streams = Arc::new(Mutex::new(streams));
        let watched = self.watched && !options.quiet && !options.json;
        let colored = stderr != ColorChoice::Never;
        let Self { interactive, program, .. } = self;
        Printer { streams, options, interactive, watched, colored, program, began: Instant::now() }
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
    watched: bool,
    colored: bool,
    program: Option<String>,
    began: Instant,
}

struct Streams {
    stdout: AutoStream<Stream>,
    stderr: AutoStream<Stream>,
    /// Why standard output takes no more.
    failure: Option<io::Error>,
    /// What was last said of progress.
    progress: String,
    /// What is drawn below all that is printed.
    bar: Option<Bar>,
}

/// A bar on standard error, as long as this lives.
pub(crate) struct Watched {
    printer: Printer,
    shown: Option<Shown>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.printer.streams().bar = None;
        drop(self.shown.take());
    }
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

    /// The same for text that is somebody else's, such as scripts.
    pub(crate) fn answer_verbatim(&self, document: &impl Serialize, text: impl FnOnce() -> String) {
        if self.options.json {
            self.document(document);
        } else if !self.options.quiet {
            self.data(&text());
        }
    }

    /// One line of data for people.
    pub(crate) fn line(&self, text: &str) {
        if !self.options.json && !self.options.quiet {
            self.data(&program::named(text, self.program.as_deref()));
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
        let bar = self.streams().bar.clone();
        match bar.filter(Bar::is_shown) {
            Some(bar) => bar.say(text.to_owned()),
            None => self.note(text),
        }
    }

    /// Shows a bar on a terminal, if it comes to last, until the value is dropped. What is printed meanwhile stands above it.
    pub(crate) fn watch(&self) -> Watched {
        let shown = self.watched.then(|| Shown::new(self.colored));
        self.streams().bar = shown.as_ref().map(Shown::bar);
        Watched { printer: self.clone(), shown }
    }

    /// The bar, where there is one.
    pub(crate) fn bar(&self) -> Option<Bar> {
        self.streams().bar.clone()
    }

    /// Something worth knowing that is not the answer.
    pub(crate) fn note(&self, text: &str) {
        if !self.options.quiet {
            self.aside(text);
        }
    }

    /// What people do next; programs know by themselves.
    pub(crate) fn next(&self, command: &str) {
        if !self.options.json {
            self.note(&format!("next: {command}"));
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
        let text = program::named(text, self.program.as_deref());
        // Where nobody listens to errors, there is nobody to tell.
        let mut streams = self.streams();
        let bar = streams.bar.clone();
        let _ = above(bar.as_ref(), || writeln!(streams.stderr, "{text}"));
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
        self.data(&program::named_in_document(&text, self.program.as_deref()));
    }

    fn data(&self, text: &str) {
        let mut streams = self.streams();
        let bar = streams.bar.clone();
        if streams.failure.is_some() {
            return;
        }
        let written = above(bar.as_ref(), || writeln!(streams.stdout, "{text}").and_then(|()| streams.stdout.flush()));
        if let Err(error) = written {
            streams.failure = Some(error);
        }
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Prints while the bar is away, if there is one.
fn above<T>(bar: Option<&Bar>, print: impl FnOnce() -> T) -> T {
    match bar {
        Some(bar) => bar.aside(print),
        None => print(),
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

/// A table with a coloured column, whose cells are one word each. The column is found by its header.
pub(crate) fn painted_column(table: &str, column: &str, color: impl Fn(&str) -> Option<&'static str>) -> String {
    let Some(start) = table.lines().next().and_then(|header| header.find(column)) else {
        return table.to_owned();
    };
    let paint = |line: &str| {
        let cell = line.get(start..).and_then(|rest| rest.split(' ').next()).filter(|cell| !cell.is_empty())?;
        let (color, end) = (color(cell)?, start + cell.len());
        Some(format!("{}{color}{cell}{RESET}{}", &line[..start], &line[end..]))
    };
    let lines: Vec<String> = table.lines().map(|line| paint(line).unwrap_or_else(|| line.to_owned())).collect();
    lines.join("\n")
}

/// Words in the colour of a verdict.
pub(crate) fn painted(verdict: Verdict, words: &str) -> String {
    let colour = match verdict {
        Verdict::Compatible => GREEN,
        Verdict::NeedsMigration => YELLOW,
        Verdict::Incompatible => RED,
    };
    in_color(colour, words)
}

/// Words in a colour.
pub(crate) fn in_color(color: &str, words: &str) -> String {
    format!("{color}{words}{RESET}")
}

/// Columns that are as wide as their widest cell, for what must not be cut to 80 columns, such as paths.
pub(crate) fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let cell =
        |(column, cell): (usize, &String)| format!("{cell:<width$}  ", width = width(column).unwrap_or_default());
    let line = |row: &Vec<String>| row.iter().enumerate().map(cell).collect::<String>().trim_end().to_owned();
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// `850 ms`, `12.4 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..60 => format!("{seconds}.{} s", milliseconds % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
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
pub(crate) const GREEN: &str = "\x1b[1;32m";
pub(crate) const RED: &str = "\x1b[1;31m";
pub(crate) const YELLOW: &str = "\x1b[1;33m";
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
    fn durations_are_readable() {
        for (milliseconds, expected) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1000, "1.0 s"),
            (59_999, "59.9 s"),
            (60_000, "1 min 0 s"),
            (3_599_999, "59 min 59 s"),
            (7_500_000, "2 h 5 min"),
        ] {
            assert_eq!(duration(milliseconds), expected);
        }
    }

    #[test]
    fn one_column_is_painted() {
        let color = |cell: &str| (cell == "pending").then_some("<");
        let table = "version  state    pending\n1.0.0    pending  pending\n1.1.0    applied\n1.2.0";
        let expected = format!("version  state    pending\n1.0.0    <pending{RESET}  pending\n1.1.0    applied\n1.2.0");
        assert_eq!(painted_column(table, "state", color), expected);
        assert_eq!(painted_column(table, "nosuch", color), table);
    }

    #[test]
    fn columns_are_as_wide_as_they_need_to_be() {
        let rows = [vec!["a".to_owned(), "é".to_owned(), "c".to_owned()], vec!["long".to_owned(), "b".to_owned()]];
        assert_eq!(aligned(&rows), "a     é  c\nlong  b");
    }
}
