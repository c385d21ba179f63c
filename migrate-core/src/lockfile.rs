//! `migrations.lock`: what was released, one line a migration, each line chained to those above it.
//!
//! Two branches that both add a migration change the same place of this file and meet as a merge conflict; an edit of a
//! released migration shows in review; a file whose lines were merged without a conflict has a broken chain.
//!
//! ```text
//! # migrations.lock: written by `migrate lock`, checked at every build. Do not edit; commit it.
//! # format 1
//! 1.0.0 initial_schema metadata.json=<checksum> up.sql=<checksum> chain=<checksum>
//! ```
//!
//! A migration that `migrate new` wrote is a draft, with the word `draft` in place of checksums: it may be edited until
//! `migrate lock` records what it holds.
//!
//! A line's chain value is the SHA-256 of the 32 bytes of the value before it (zeros at first) and of the line's text up
//! to the space before `chain=`.

use std::ops::Range;

use crate::checksum::Checksum;
use crate::diagnostic::{Code, Diagnostic, SourceFile};
use crate::digest::{DRAFT, START};
use crate::name::LOCK;

pub use crate::digest::{Entry, digest};

const HEADER: &str = "# migrations.lock: written by `migrate lock`, checked at every build. Do not edit; commit it.";
const FORMAT: &str = "# format 1";
const REWRITE: &str = "run `migrate lock`";
const UNRELEASED: &str = "only if this migration was not released yet, run `migrate lock`";

/// The whole lock file for a set of migrations, lowest version first.
#[must_use]
pub fn render(entries: &[Entry]) -> String {
    let mut text = format!("{HEADER}\n{FORMAT}\n");
    let mut chain = START;
    for entry in entries {
        let line = entry.line();
        chain = chain.chain(&line);
        text.push_str(&format!("{line} chain={chain}\n"));
    }
    text
}

/// A line of a lock file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it records.
    pub entry: Entry,
    /// The chain value at its end.
    pub chain: Checksum,
    /// The bytes of the version and name.
    pub span: Range<usize>,
    /// The bytes of each file's name and checksum.
    pub file_spans: Vec<Range<usize>>,
}

/// Reads a lock file.
///
/// # Errors
///
/// Merge-conflict markers, a format other than 1, lines that are no entries, and lines that do not follow from those
/// above them.
pub fn parse(file: SourceFile<'_>) -> Result<Vec<Line>, Vec<Diagnostic>> {
    let mut lines = Vec::new();
    let mut found = Vec::new();
    let mut has_format = false;
    for (span, text) in text_lines(file.text) {
        if is_conflict(text) {
            let message = format!("`{LOCK}` holds an unresolved merge conflict");
            let help = "keep the migrations of both sides, give the later one a higher version, and run `migrate lock`";
            return Err(vec![Diagnostic::at(Code::LockConflict, file, span, message).help(help)]);
        }
        if text.starts_with("# format ") {
            has_format = true;
            if text != FORMAT {
                let message = format!("`{}` is not known, expected `format 1`", &text[2..]);
                let help = "the file is from another version of migrate: use that one";
                return Err(vec![Diagnostic::at(Code::LockFormat, file, span, message).help(help)]);
            }
        }
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        match parse_line(text, span.start) {
            Some(line) => lines.push(line),
            None => {
                let message = "expected a version, a name, checksums of files and `chain=`";
                found.push(Diagnostic::at(Code::LockLine, file, span, message).help(REWRITE));
            }
        }
    }
    if !has_format && found.is_empty() {
        let message = format!("`{LOCK}` has no line `{FORMAT}`");
        found.push(Diagnostic::whole(Code::LockFormat, file.path, message).help(REWRITE));
    }
    if found.is_empty() {
        found.extend(broken_link(file, &lines));
    }
    if found.is_empty() { Ok(lines) } else { Err(found) }
}

/// What a line records, whatever stands above it; `None` for one that is no entry.
#[cfg(feature = "authoring")]
pub(crate) fn entry_of_line(line: &str) -> Option<Entry> {
    parse_line(line.trim_end_matches('\r'), 0).map(|line| line.entry)
}

/// Compares a lock file with what the directory holds; differences are added to `found`. Those of files that
/// `is_unread` says could not be read are none: their paths begin with the directory of the migration.
pub fn compare(file: SourceFile<'_>, entries: &[Entry], is_unread: &dyn Fn(&str) -> bool, found: &mut Vec<Diagnostic>) {
    let lines = match parse(file) {
        Ok(lines) => lines,
        Err(problems) => return found.extend(problems),
    };
    for line in &lines {
        let Entry { version, name, .. } = &line.entry;
        match entries.iter().find(|entry| entry.version == *version) {
            Some(entry) if entry.name == *name && line.entry.is_draft() => {
                let message = format!("`v{version}_{name}` is a draft: what it holds is not locked yet");
                let help = format!("{REWRITE} once it is written, before it is committed");
                found.push(at(Code::LockDraft, file, line.span.clone(), message).help(help));
            }
            Some(entry) if entry.name == *name => compare_entry(file, line, entry, is_unread, found),
            Some(entry) => {
                let message = format!("migration {version} is named `{}`, and was locked as `{name}`", entry.name);
                let help = format!("give it its name back; {UNRELEASED}");
                let code = Code::LockRenamed;
                found.push(at(code, file, line.span.clone(), message).help(help));
            }
            None => {
                let message = format!("`v{version}_{name}` was locked and is no longer there");
                let help = format!("bring it back; {UNRELEASED}");
                let code = Code::LockRemoved;
                found.push(at(code, file, line.span.clone(), message).help(help));
            }
        }
    }
    for Entry { version, name, .. } in entries {
        if !lines.iter().any(|line| line.entry.version == *version) {
            let message = format!("`v{version}_{name}` is not in `{LOCK}`");
            let above = lines.iter().rev().find(|line| line.entry.version < *version);
            let diagnostic = match above {
                Some(above) => at(Code::LockMissing, file, above.span.clone(), message)
                    .help(format!("{REWRITE}: it belongs below this line")),
                None => Diagnostic::whole(Code::LockMissing, file.path, message).help(REWRITE),
            };
            found.push(diagnostic);
        }
    }
}

/// Whether a difference is one of what was locked: writing the file anew releases the migration as it is now.
#[must_use]
pub const fn is_of_the_locked(code: Code) -> bool {
    matches!(
        code,
        Code::LockRenamed | Code::LockRemoved | Code::LockFileEdited | Code::LockFileRemoved | Code::LockFileAdded
    )
}

/// A problem with a part of the file. The line itself says nothing to a person: it is mostly checksums.
fn at(code: Code, file: SourceFile<'_>, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
    Diagnostic { excerpt: None, ..Diagnostic::at(code, file, span, message) }
}

fn compare_entry(
    file: SourceFile<'_>,
    line: &Line,
    entry: &Entry,
    is_unread: &dyn Fn(&str) -> bool,
    found: &mut Vec<Diagnostic>,
) {
    let path = |name: &str| format!("v{}_{}/{name}", entry.version, entry.name);
    let current = |name: &str| entry.files.iter().find(|(file, _)| file == name);
    for ((name, locked), span) in line.entry.files.iter().zip(&line.file_spans) {
        let (code, problem) = match current(name) {
            None => (Code::LockFileRemoved, "was locked and is no longer there"),
            Some((_, checksum)) if checksum != locked => (Code::LockFileEdited, "was changed after it was locked"),
            Some(_) => continue,
        };
        if is_unread(&path(name)) {
            continue;
        }
        let message = format!("`{}` {problem}", path(name));
        let help = format!("put the released file back, and write a new migration for the change; {UNRELEASED}");
        found.push(at(code, file, span.clone(), message).help(help));
    }
    for (name, _) in &entry.files {
        if !line.entry.files.iter().any(|(locked, _)| locked == name) {
            let message = format!("`{}` was added after its migration was locked", path(name));
            let code = Code::LockFileAdded;
            let help = format!("take the file out, and write a new migration with it; {UNRELEASED}");
            found.push(at(code, file, line.span.clone(), message).help(help));
        }
    }
}

/// The first line that does not follow from the one above it; the lines below it cannot be judged.
fn broken_link(file: SourceFile<'_>, lines: &[Line]) -> Option<Diagnostic> {
    let mut previous: Option<&Line> = None;
    for line in lines {
        let version = line.entry.version;
        let (code, problem) = match previous {
            Some(above) if above.entry.version >= version => {
                (Code::LockOrder, format!("`{version}` stands below `{}`", above.entry.version))
            }
            _ if previous.map_or(START, |above| above.chain).chain(&line.entry.line()) != line.chain => {
                (Code::LockChain, format!("the line of `{version}` does not follow from those above it"))
            }
            _ => {
                previous = Some(line);
                continue;
            }
        };
        let help = "the file was edited or merged by hand: check that no two branches meant the same version, then run `migrate lock`";
        return Some(at(code, file, line.span.clone(), problem).help(help));
    }
    None
}

fn parse_line(text: &str, offset: usize) -> Option<Line> {
    let mut words = text.split(' ');
    let version = words.next()?;
    let name = words.next()?;
    let mut at = version.len() + 1 + name.len();
    let mut line = Line {
        entry: Entry { version: version.parse().ok()?, name: name.to_owned(), files: Vec::new() },
        chain: START,
        span: offset..offset + at,
        file_spans: Vec::new(),
    };
    let is_draft = text[at..].starts_with(&format!(" {DRAFT} "));
    if is_draft {
        at += 1 + DRAFT.len();
        words.next();
    }
    while let Some(word) = words.next() {
        let (file, checksum) = word.split_once('=')?;
        let checksum = checksum.parse().ok()?;
        if file == "chain" {
            line.chain = checksum;
            return (words.next().is_none() && line.entry.is_draft() == is_draft).then_some(line);
        }
        let start = offset + at + 1;
        at += 1 + word.len();
        line.entry.files.push((file.to_owned(), checksum));
        line.file_spans.push(start..offset + at);
    }
    None
}

/// The lines of a text without their ends, and where they stand.
fn text_lines(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut start = 0;
    text.split('\n').map(move |line| {
        let at = start;
        start += line.len() + 1;
        let line = line.strip_suffix('\r').unwrap_or(line);
        (at..at + line.len(), line)
    })
}

fn is_conflict(line: &str) -> bool {
    ["<<<<<<<", "|||||||", "=======", ">>>>>>>"].iter().any(|marker| line.starts_with(marker))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{is_inside, mutated};
    use crate::version::SchemaVersion;

    fn entry(version: &str, name: &str, files: &[(&str, &str)]) -> Entry {
        let file = |(name, text): &(&str, &str)| ((*name).to_owned(), Checksum::of(text));
        Entry { version: version.parse().unwrap(), name: name.to_owned(), files: files.iter().map(file).collect() }
    }

    fn set() -> Vec<Entry> {
        vec![
            entry("1.0.0", "users", &[("metadata.json", "{}"), ("up.sql", "a"), ("down.sql", "b")]),
            entry("1.1.0", "posts", &[("metadata.json", "{}"), ("up.sql", "c")]),
        ]
    }

    /// Compares a lock file with [`set`]; `expect` is `line:column code` of each difference.
    #[track_caller]
    fn check(lock: &str, expect: &[&str]) {
        let mut found = Vec::new();
        let file = SourceFile { path: LOCK, text: lock };
        compare(file, &set(), &|_| false, &mut found);
        let found: Vec<String> = found.iter().map(|it| format!("{}:{} {}", it.line, it.column, it.code)).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn writes_a_chain_that_names_the_set() {
        let text = render(&set());
        let file = SourceFile { path: LOCK, text: &text };
        let lines = parse(file).unwrap();
        assert_eq!(lines.iter().map(|line| line.entry.clone()).collect::<Vec<_>>(), set());
        assert_eq!(lines[1].chain, digest(&set()));
        assert_eq!(digest(&[]).as_bytes(), &[0; 32]);
        let mut other = set();
        other[0].files[0].1 = Checksum::of("{ }");
        assert_ne!(digest(&other), digest(&set()));
    }

    #[test]
    fn accepts_what_it_wrote() {
        let text = render(&set());
        check(&text, &[]);
        check(&text.replace('\n', "\r\n"), &[]);
        check(text.trim_end(), &[]);
    }

    #[test]
    fn finds_every_difference() {
        let mut other = set();
        other[0].files[1].1 = Checksum::of("edited");
        other[0].files.push(("verify.sql".to_owned(), Checksum::of("v")));
        check(&render(&other), &["3:92 lock-file-edited", "3:238 lock-file-removed"]);
        check(&render(&set()[..1]), &["3:1 lock-missing"]);
        check(&render(&set()[1..]), &["1:1 lock-missing"]);
        let more = [set(), vec![entry("1.2.0", "tags", &[])]].concat();
        check(&render(&more), &["5:1 lock-removed"]);
        let renamed = [entry("1.0.0", "people", &[]), set().remove(1)];
        check(&render(&renamed), &["3:1 lock-renamed"]);
        let fewer = [entry("1.0.0", "users", &[("up.sql", "a")]), set().remove(1)];
        check(&render(&fewer), &["3:1 lock-file-added"; 2]);
    }

    #[test]
    fn what_a_draft_holds_is_not_compared() {
        let draft = [set().remove(0), entry("1.1.0", "posts", &[])];
        let text = render(&draft);
        assert!(text.contains("\n1.1.0 posts draft chain="), "{text}");
        check(&text, &["4:1 lock-draft"]);
        let renamed = [set().remove(0), entry("1.1.0", "notes", &[])];
        check(&render(&renamed), &["4:1 lock-renamed"]);
        check(&text.replace("posts draft", "draft draft"), &["4:1 lock-chain"]);
        check(&text.replace(" draft", ""), &["4:1 lock-line"]);
        let both = format!("draft up.sql={}", Checksum::of("c"));
        check(&text.replace("draft", &both), &["4:1 lock-line"]);
    }

    #[test]
    fn finds_lines_that_do_not_follow() {
        let text = render(&set());
        let lines: Vec<&str> = text.lines().collect();
        check(&[lines[0], lines[1], lines[3]].join("\n"), &["3:1 lock-chain"]);
        check(&[lines[0], lines[1], lines[2], lines[2]].join("\n"), &["4:1 lock-order"]);
        let swapped = [set().remove(1), set().remove(0)];
        check(&render(&swapped), &["4:1 lock-order"]);
        check(&text.replace("posts", "notes"), &["4:1 lock-chain"]);
    }

    #[test]
    fn finds_what_it_cannot_read() {
        let text = render(&set());
        check(&format!("{text}<<<<<<< HEAD\n"), &["5:1 lock-conflict"]);
        check(&text.replace("format 1", "format 2"), &["2:1 lock-format"]);
        check(&text.replace("# format 1\n", ""), &["1:1 lock-format"]);
        check(&format!("{text}1.2 x chain=1\n\n?"), &["5:1 lock-line", "7:1 lock-line"]);
        check("", &["1:1 lock-format"]);
    }

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let file = ("[a-z]{1,8}\\.(sql|json)", ".{0,8}").prop_map(|(name, text)| (name, Checksum::of(&text)));
        let files = prop::collection::vec(file, 0..4);
        let versions = prop::collection::btree_map((0_u64..9, 0_u64..9, any::<u64>()), ("[a-z0-9_]{1,9}", files), 0..5);
        versions.prop_map(|versions| {
            let entry = |((major, minor, patch), (name, files))| Entry {
                version: SchemaVersion::new(major, minor, patch),
                name,
                files,
            };
            versions.into_iter().map(entry).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn reads_back_what_it_wrote(entries in entries()) {
            let text = render(&entries);
            let lines = parse(SourceFile { path: LOCK, text: &text }).expect("what was rendered is a lock file");
            prop_assert_eq!(lines.last().map_or(START, |line| line.chain), digest(&entries));
            let read: Vec<Entry> = lines.into_iter().map(|line| line.entry).collect();
            prop_assert_eq!(read, entries);
        }

        #[test]
        fn every_text_is_read_or_refused_inside_of_it(
            text in prop_oneof!["[\\PC\n\r]{0,60}", mutated(render(&set()))],
        ) {
            let mut found = Vec::new();
            compare(SourceFile { path: LOCK, text: &text }, &set(), &|_| false, &mut found);
            for diagnostic in found {
                prop_assert!(is_inside(&diagnostic, &text), "{diagnostic:?} in {text:?}");
            }
        }
    }
}
