//! `docs/diagnostics.md` is made of the examples of `testkit`, and every example has the one mistake that it is for.

use std::fmt::Write;
use std::path::Path;

use testkit::diagnostics::{Example, examples};

use super::*;
use crate::diagnostic::Topic;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/diagnostics.md");

const INTRODUCTION: &str = r#"# Diagnostics

All that `migrate validate` and the compiler say of a migrations directory. An error stops the build; a warning does not.
Every problem of a directory is reported in one go. What is shown here is what `migrate validate` prints; the compiler adds
where the directory is embedded.

Each is shown at a line and column of a file that an editor can open. What concerns a migration as a whole is shown at the
beginning of its `metadata.json`, or of its first script where it has none; what concerns only a directory, with the
directory's path alone: there the compiler's own place, the path in the macro, is what to open.

Those about SQL and about rolling deploys can be silenced for one migration, by `"allow": {"CODE": "the reason"}` in its
`metadata.json`. That silences the check and nothing else: a script that cannot be cut into statements is still refused when it runs on PostgreSQL
or outside a transaction.

`sqlite-syntax` and `sqlite-syntax-in-down` are found by `migrate`, and by the compiler with the feature `check-sqlite`
of `migrate-runtime`.

`postgres-syntax` and `several-locks` are found by `migrate validate` alone, and those of the last section by
`migrate validate --shadow-url URL`, which runs the set on a scratch database.

This file is written by `UPDATE_DOCS=1 cargo test -p migrate-core diagnostics_md`.
"#;

fn load_example(example: &Example) -> Loaded {
    load_changed(example, |_| {})
}

/// All that `migrate validate` says of an example. What a server says of it stands in the example; that it does say so is
/// tested where there is a server.
fn said_of(example: &Example) -> Vec<Diagnostic> {
    let mut diagnostics = load_example(example).diagnostics().to_vec();
    if let Some((path, place, message)) = example.said() {
        let files = example.files();
        let (_, text) = files.iter().find(|(file, _)| *file == path).unwrap();
        let path = format!("migrations_v2/{path}");
        let file = SourceFile { path: &path, text };
        let code = Code::from_word(example.code).unwrap();
        diagnostics.push(Diagnostic::on_scratch(code, file, Dialect::Postgres, place, message));
    }
    diagnostics
}

/// The example, with a change made to it on disk.
fn load_changed(example: &Example, change: impl Fn(&Path)) -> Loaded {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("migrations_v2");
    example.write(&directory);
    change(&directory);
    let dialect = example.argument("dialect").map(|word| word.parse().unwrap());
    let options = LoadOptions {
        dialects: dialect.into_iter().collect(),
        runtime_version: example.argument("runtime_version").map(str::to_owned),
        advice: Some(Vec::new()),
        ..LoadOptions::new("migrations_v2")
    };
    load(&directory, &options)
}

#[test]
fn diagnostics_md_has_an_example_of_every_code() {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let mut shown: Vec<&str> = examples().iter().map(|example| example.code).collect();
    assert_eq!(shown.len(), codes.len(), "one example for each code");
    shown.sort_by_key(|word| codes.iter().position(|code| code == word));
    assert_eq!(shown, codes);
    for example in examples() {
        let (code, diagnostics) = (example.code, said_of(&example));
        assert!(!diagnostics.is_empty(), "the example of `{code}` has no mistake");
        for it in diagnostics {
            assert_eq!(it.code.as_str(), code, "the example of `{code}` has another mistake: {it}");
            assert!(it.help.is_some(), "`{code}` has no help");
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "an example is changed")]
fn every_diagnostic_of_sql_and_deploys_can_be_silenced() {
    let is_meant = |it: &Example| Code::from_word(it.code).is_some_and(Code::can_be_silenced);
    for example in examples().into_iter().filter(is_meant) {
        let said = said_of(&example);
        let folder = said[0].path.split('/').nth(1).unwrap();
        let loaded = load_changed(&example, |directory| {
            let path = directory.join(folder).join(METADATA);
            let text = std::fs::read_to_string(&path).unwrap();
            let allow = format!(r#", "allow": {{"{}": "known"}}}}"#, example.code);
            std::fs::write(&path, text.trim_end().trim_end_matches('}').to_owned() + &allow).unwrap();
        });
        assert_eq!(loaded.diagnostics(), [], "{}", example.code);
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the document is compared with what it is made of")]
fn diagnostics_md_is_current() {
    let document = document();
    if std::env::var("UPDATE_DOCS").is_ok() {
        std::fs::write(DOCUMENT, &document).unwrap();
    }
    let current = std::fs::read_to_string(Path::new(DOCUMENT)).unwrap_or_default();
    let command = "UPDATE_DOCS=1 cargo test -p migrate-core diagnostics_md";
    assert!(current == document, "docs/diagnostics.md is stale: run `{command}`");
}

fn document() -> String {
    let mut text = INTRODUCTION.to_owned();
    let mut topic = None;
    for code in Code::ALL {
        if topic != Some(code.topic()) {
            topic = Some(code.topic());
            let title = match code.topic() {
                Topic::Directory => "The directory",
                Topic::Metadata => "metadata.json",
                Topic::Set => "The set as a whole",
                Topic::Deploy => "Rolling deploys",
                Topic::Sql => "SQL",
                Topic::Lock => "migrations.lock",
                Topic::Scratch => "The scratch database",
            };
            write!(text, "\n## {title}\n").unwrap();
        }
        let examples = examples();
        let example = examples.iter().find(|it| it.code == code.as_str()).unwrap();
        write!(text, "\n### {code}\n\nA{}. {}\n", severity(*code), code.meaning()).unwrap();
        write!(text, "\n```text\n{}```\n", shown(example)).unwrap();
        let said = said_of(example);
        let said = said.iter().map(|it| format!("{}: {}\n", it.severity, it.render()));
        write!(text, "\n```text\n{}```\n", said.collect::<String>()).unwrap();
    }
    text
}

/// With the article's end.
fn severity(code: Code) -> &'static str {
    match code.severity() {
        Severity::Error => "n error",
        Severity::Warning => " warning",
    }
}

/// The files of an example, each behind its path.
fn shown(example: &Example) -> String {
    let mut text = String::new();
    if !example.arguments.is_empty() {
        writeln!(text, "embed_migrations!(\"migrations_v2\", {})\n", example.arguments).unwrap();
    }
    for (index, (path, content)) in example.files().iter().enumerate() {
        let gap = if index > 0 { "\n" } else { "" };
        let path = if *path == "." { String::new() } else { format!("/{path}") };
        write!(text, "{gap}migrations_v2{path}\n{}", indented(content)).unwrap();
    }
    if text.is_empty() { "(nothing)\n".to_owned() } else { text }
}

fn indented(content: &str) -> String {
    let line = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") };
    content.lines().map(line).collect()
}
