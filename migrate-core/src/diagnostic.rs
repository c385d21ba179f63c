//! Problems with a migrations directory: what, where, and what to do about it.
//!
//! They are collected, never returned one at a time, and the macro and the command line show the same values.

mod code;
mod scratch;

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Level, Origin, Renderer, Snippet};

use crate::sql::Secrets;
pub use code::{Code, Severity, Topic};

/// One problem with a migrations directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Which problem it is.
    pub code: Code,
    /// The file or directory: the migrations directory as it was given, and the path below it.
    pub path: String,
    /// Whether the path is that of a directory, which has no lines: then it is shown alone.
    pub is_directory: bool,
    /// The line, from 1; 1 when the problem is with the whole file or directory.
    pub line: usize,
    /// The column in characters, from 1; 1 when the problem is with the whole file or directory.
    pub column: usize,
    /// What is wrong: one sentence in lower case.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The line it is about; `None` when the problem is with the whole file or directory.
    pub excerpt: Option<Excerpt>,
}

/// The line of a file that a diagnostic is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, without its end, and with `*` for each character of a password.
    pub text: String,
    /// The bytes of the line that are meant.
    pub span: Range<usize>,
}

impl Diagnostic {
    /// A problem with a whole file, shown at its beginning.
    #[must_use]
    pub fn whole(code: Code, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: code.severity(),
            code,
            path: path.into(),
            is_directory: false,
            line: 1,
            column: 1,
            message: message.into(),
            help: None,
            excerpt: None,
        }
    }

    /// A problem with a directory, or with the lack of one.
    #[must_use]
    pub fn directory(code: Code, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { is_directory: true, ..Self::whole(code, path, message) }
    }

    /// A problem with a part of a file, given as bytes of its text.
    #[must_use]
    pub fn at(code: Code, file: SourceFile<'_>, span: Range<usize>, message: impl Into<String>) -> Self {
        let secrets = Secrets::of(file.text);
        let place = file.place(span);
        // A `*` may be shorter than what it stands for.
        let start = secrets.masked(place.line_start..place.meant.start).len();
        let span = start..start + secrets.masked(place.meant).len();
        Self {
            line: place.line,
            column: place.column,
            excerpt: Some(Excerpt { text: secrets.masked(place.line_start..place.line_end), span }),
            ..Self::whole(code, file.path, secrets.hidden_in(&message.into()))
        }
    }

    /// The same problem, with what to do about it.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The problem as rustc would show it, without colours and without the leading `error: `.
    #[must_use]
    pub fn render(&self) -> String {
        let place: Element<'_> = match &self.excerpt {
            None if self.is_directory => Origin::path(&self.path).into(),
            None => Origin::path(&self.path).line(self.line).char_column(self.column).into(),
            Some(excerpt) => Snippet::source(&excerpt.text)
                .path(&self.path)
                .line_start(self.line)
                .annotation(AnnotationKind::Primary.span(excerpt.span.clone()))
                .into(),
        };
        let help = self.help.as_deref().map(|help| Level::HELP.message(help));
        let group = Level::ERROR.no_name().primary_title(&self.message).element(place).elements(help);
        Renderer::plain().render(&[group])
    }
}

/// One line: `path:line:column: message`, for a directory `path: message`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, is_directory, line, column, message, .. } = self;
        if *is_directory { write!(f, "{path}: {message}") } else { write!(f, "{path}:{line}:{column}: {message}") }
    }
}

impl std::error::Error for Diagnostic {}

/// By path, then by place.
impl Ord for Diagnostic {
    fn cmp(&self, other: &Self) -> Ordering {
        fn key(it: &Diagnostic) -> (&str, usize, usize, Code, &str, Option<&str>) {
            let Diagnostic { path, line, column, code, message, help, .. } = it;
            (path, *line, *column, *code, message, help.as_deref())
        }
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Diagnostic {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A file that was read, as diagnostics name it.
#[derive(Clone, Copy, Debug)]
pub struct SourceFile<'a> {
    /// The path in messages.
    pub path: &'a str,
    /// The text, without a byte-order mark.
    pub text: &'a str,
}

struct Place {
    line: usize,
    column: usize,
    /// Where the line begins, and where it ends without its line end.
    line_start: usize,
    line_end: usize,
    /// What of the line is meant.
    meant: Range<usize>,
}

impl SourceFile<'_> {
    /// The line and the column of a byte of the text, both from 1, columns in characters.
    #[must_use]
    pub fn line_and_column(self, at: usize) -> (usize, usize) {
        let place = self.place(at..at);
        (place.line, place.column)
    }

    fn place(self, span: Range<usize>) -> Place {
        let start = self.text.floor_char_boundary(span.start);
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let rest = &self.text[line_start..];
        let text = rest.split('\n').next().unwrap_or_default();
        let text = text.strip_suffix('\r').unwrap_or(text);
        // Only the first line of a longer span is shown; a caret stands at the end of the line for what is missing there.
        let in_line = |at: usize| line_start + text.floor_char_boundary(at.saturating_sub(line_start));
        let (from, to) = (in_line(start), in_line(span.end));
        Place {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            line_start,
            line_end: line_start + text.len(),
            meant: from..to.max(from),
        }
    }
}

/// The candidate that was probably meant, if one is close.
#[must_use]
pub fn did_you_mean<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // What follows is compiled once, not for each kind of list.
    closest(&given.to_lowercase(), &mut candidates.into_iter())
}

/// The first one of those that are closest, if they are close enough.
fn closest<'a>(given: &str, candidates: &mut dyn Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(given, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 5)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A list for a sentence: `` `a`, `b` and `c` ``.
pub(crate) fn listed<T: AsRef<str>>(items: &[T]) -> String {
    let mut list = String::new();
    for (index, item) in items.iter().enumerate() {
        match index {
            0 => {}
            _ if index + 1 == items.len() => list.push_str(" and "),
            _ => list.push_str(", "),
        }
        for part in ["`", item.as_ref(), "`"] {
            list.push_str(part);
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, part: &str, expect: &str) {
        let start = text.find(part).unwrap();
        let file = SourceFile { path: "m/v1.0.0_a/metadata.json", text };
        let span = start..start + part.len();
        let diagnostic = Diagnostic::at(Code::UnknownKey, file, span, "unknown key `descripton`");
        let rendered = diagnostic.help("did you mean `description`?").render();
        assert_eq!(rendered, expect.trim_start_matches('\n'));
    }

    #[test]
    fn shows_the_line_and_what_is_meant() {
        check(
            "{\r\n  \"name\": 1,\r\n  \"é\": 1, \"descripton\": \"Ünïcode\"\r\n}\r\n",
            "\"descripton\"",
            r#"
unknown key `descripton`
 --> m/v1.0.0_a/metadata.json:3:11
  |
3 |   "é": 1, "descripton": "Ünïcode"
  |           ^^^^^^^^^^^^
  |
  = help: did you mean `description`?"#,
        );
    }

    #[test]
    fn points_behind_the_end_of_a_file() {
        let file = SourceFile { path: "up.sql", text: "SELECT 'a\n" };
        let diagnostic = Diagnostic::at(Code::UnterminatedString, file, 10..10, "the text ends too early");
        assert_eq!(diagnostic.to_string(), "up.sql:2:1: the text ends too early");
        assert_eq!(diagnostic.excerpt.as_ref().map(|it| it.span.clone()), Some(0..0));
        assert!(diagnostic.render().contains("up.sql:2:1"));
        let file = SourceFile { path: "up.sql", text: "" };
        assert!(Diagnostic::at(Code::UnterminatedString, file, 0..0, "empty").render().contains("up.sql:1:1"));
    }

    #[test]
    fn shows_no_password() {
        let text = "SELECT 1;\r\nALTER ROLE x PASSWORD 'geheím'; COMMIT;\r\n";
        let start = text.find("COMMIT").unwrap();
        let file = SourceFile { path: "up.sql", text };
        let diagnostic = Diagnostic::at(Code::NotInTransaction, file, start..start + 6, "near `'geheím'`: refused");
        let expect = r"
near `'***'`: refused
 --> up.sql:2:33
  |
2 | ALTER ROLE x PASSWORD '******'; COMMIT;
  |                                 ^^^^^^";
        assert_eq!(diagnostic.render(), expect.trim_start_matches('\n'));
    }

    #[test]
    fn lists_words_as_a_sentence_does() {
        assert_eq!(listed::<&str>(&[]), "");
        assert_eq!(listed(&["a"]), "`a`");
        assert_eq!(listed(&["a", "b"]), "`a` and `b`");
        assert_eq!(listed(&["a", "b", "c"]), "`a`, `b` and `c`");
    }

    #[test]
    fn shows_the_beginning_of_a_file_and_the_path_of_a_directory() {
        let diagnostic = Diagnostic::whole(Code::EmptyScript, "up.sql", "`up.sql` holds no statement");
        assert_eq!(diagnostic.render(), "`up.sql` holds no statement\n--> up.sql:1:1");
        assert_eq!(diagnostic.to_string(), "up.sql:1:1: `up.sql` holds no statement");
        let diagnostic = Diagnostic::directory(Code::NoMigrations, "m", "`m` holds no migration");
        assert_eq!(diagnostic.render(), "`m` holds no migration\n--> m");
        assert_eq!(diagnostic.to_string(), "m: `m` holds no migration");
    }
}
