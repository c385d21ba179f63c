//! What the compiler says of each mistake.
//!
//! Mistakes in arguments, and several at once: `tests/ui/<theme>/<mistake>.rs`, the directory of migrations beside it, and
//! the messages in `<mistake>.stderr`, which `TRYBUILD=overwrite cargo test --test ui` writes anew. And one of every
//! diagnostic: the examples that `docs/diagnostics.md` is made of.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use migrate_core::diagnostic::{Code, Severity};
use migrate_core::source::{LoadOptions, load};
use testkit::diagnostics::{Example, examples};

/// The stable compiler warns of a macro's findings by the use of something deprecated.
const DENY: &str = "#![deny(deprecated)]";

#[test]
fn every_mistake_is_a_compile_error_that_says_what_to_do() {
    trybuild::TestCases::new().compile_fail("tests/ui/*/*.rs");
}

/// All errors in one crate, for the compiler shows every error of one build; and all warnings in another.
#[test]
fn the_compiler_says_what_the_documentation_shows() {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("diagnostics");
    if root.exists() {
        fs::remove_dir_all(&root).unwrap();
    }
    fs::create_dir_all(&root).unwrap();
    let tests = trybuild::TestCases::new();
    for severity in [Severity::Error, Severity::Warning] {
        tests.compile_fail(write_crate(&root, severity).unwrap());
    }
}

/// Writes a crate that embeds all examples of a severity, and what the compiler has to say.
fn write_crate(root: &Path, severity: Severity) -> Result<PathBuf, Box<dyn Error>> {
    let file = root.join(format!("{severity}s.rs"));
    // Every line that is pointed at has a number of two digits.
    let mut source = format!("{DENY}\nuse migrate_runtime::{{Registry, embed_migrations}};\n\n\n\n\n\n\n\n");
    let mut expected = String::new();
    let is_wanted = |example: &&Example| {
        Code::from_word(example.code).is_some_and(|code| code.severity() == severity && !code.is_for_validate())
    };
    for (example, number) in examples().iter().filter(is_wanted).zip(10..) {
        example.write(&root.join(example.code));
        let Example { code, arguments, .. } = example;
        let comma = if arguments.is_empty() { "" } else { ", " };
        let head = format!("static E{number}: Registry = embed_migrations!(");
        let line = format!("{head}\"{code}\", relative_to = \"file\"{comma}{arguments});");
        let (column, carets) = (head.len() + 1, "^".repeat(code.len() + 2));
        for message in messages(example, root) {
            let title = match severity {
                Severity::Error => message,
                Severity::Warning => {
                    format!("use of deprecated constant `E{number}::_::MIGRATIONS_WARNING`:\n       {message}")
                }
            };
            writeln!(expected, "error: {title}\n  --> {}:{number}:{column}\n   |", file.display())?;
            writeln!(expected, "{number} | {line}\n   | {carets:>width$}\n", width = head.len() + carets.len())?;
        }
        if severity == Severity::Warning && number == 10 {
            expected.truncate(expected.trim_end().len());
            let place = format!(" --> {}:1:9\n  |\n1 | {DENY}\n  |         ^^^^^^^^^^", file.display());
            writeln!(expected, "\n   |\nnote: the lint level is defined here\n{place}\n")?;
        }
        writeln!(source, "{line}")?;
    }
    source.push_str("\nfn main() {}\n");
    fs::write(&file, source)?;
    fs::write(file.with_extension("stderr"), format!("{}\n", expected.trim_end()))?;
    Ok(file)
}

/// The rendered diagnostics, as the compiler indents them.
fn messages(example: &Example, root: &Path) -> Vec<String> {
    let dialect = example.argument("dialect").and_then(|word| word.parse().ok());
    let options = LoadOptions {
        dialects: dialect.into_iter().collect(),
        runtime_version: example.argument("runtime_version").map(str::to_owned),
        ..LoadOptions::new(example.code)
    };
    let loaded = load(&root.join(example.code), &options);
    loaded.diagnostics().iter().map(|it| it.render().replace('\n', "\n       ")).collect()
}
