//! `docs/cli.md`, `docs/configuration.md` and `docs/schemas` are made of the definitions that the program itself uses.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

use clap::{Command, CommandFactory, Parser};

use crate::args::{DirectoryCommand, EmbeddedCommand};
use crate::exit::Exit;
use crate::json;
use crate::settings::{SETTINGS, Setting};

const UPDATE: &str = "UPDATE_DOCS=1 cargo test -p migrate-cli reference";

#[track_caller]
fn check(file: &str, current: &str) {
    let path = format!("{}/../docs/{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var("UPDATE_DOCS").is_ok() {
        fs::write(&path, current).expect("docs can be written");
    }
    let document = fs::read_to_string(&path).unwrap_or_default();
    assert!(current == document, "docs/{file} is stale: run `{UPDATE}`");
}

#[test]
fn configuration_md_is_current() {
    let mut text = format!(
        "# Configuration\n\nThis file is written by `{UPDATE}`.\n\n{}\n\n| setting | in `migrate.toml` | flag | environment | default |\n|---|---|---|---|---|\n",
        include_str!("reference/configuration.md").trim_end()
    );
    for setting in &SETTINGS {
        let Setting { name, variable, kind, help, .. } = setting;
        let flag = setting.flag.map(|flag| format!("`--{flag}`")).unwrap_or_default();
        let default = setting.default.unwrap_or("none");
        let only = if setting.program_only { "; only `migrate`" } else { "" };
        let kind = kind.description();
        writeln!(text, "| {help}{only} | `{name}`: {kind} | {flag} | `{variable}` | {default} |").unwrap();
    }
    check("configuration.md", &text);
}

#[test]
fn cli_md_is_current() {
    let mut command = DirectoryCommand::command().term_width(100);
    command.build();
    let mut text = format!(
        "# The command line\n\nThis file is written by `{UPDATE}`, from the definitions that `--help` shows.\n\n{}\n",
        include_str!("reference/cli.md").trim_end()
    );
    text.push_str("\n| exit code | |\n|---|---|\n");
    for (exit, words) in Exit::ALL {
        writeln!(text, "| {} | {words} |", exit.code()).unwrap();
    }
    let global = |command: &Command| {
        let options = command.get_arguments().filter(|argument| argument.is_global_set());
        options.map(|argument| argument.get_id().clone()).collect::<Vec<_>>()
    };
    let everywhere = global(&command);
    section(&mut text, &command, &everywhere, 2);
    check("cli.md", &text);
}

#[test]
fn schemas_are_current() {
    let schemas = json::schemas();
    for (name, schema) in &schemas {
        check(&format!("schemas/{name}.json"), &format!("{schema:#}\n"));
    }
    let explained = include_str!("../../docs/json.md");
    for (name, _) in &schemas {
        assert!(
            explained.contains(&format!("(schemas/{name}.json)")),
            "docs/json.md has no link to schemas/{name}.json"
        );
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/schemas");
    let present = fs::read_dir(folder).expect("docs/schemas is there").map(|entry| entry.expect("it can be read"));
    let present: BTreeSet<_> = present.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let expected: BTreeSet<_> = schemas.iter().map(|(name, _)| format!("{name}.json")).collect();
    assert_eq!(present, expected, "docs/schemas holds what migrate-cli/src/json/schemas.rs lists, and nothing else");
}

#[test]
fn every_verb_has_a_schema() {
    let schemas = json::schemas();
    let named = schemas.iter().flat_map(|(_, schema)| schema["verbs"].as_array().expect("it lists verbs"));
    let named: BTreeSet<&str> = named.map(|verb| verb.as_str().expect("verbs are texts")).collect();
    let mut command = DirectoryCommand::command();
    command.build();
    let mut verbs = BTreeSet::new();
    collect_verbs(&command, "", &mut verbs);
    let verbs: BTreeSet<&str> = verbs.iter().map(String::as_str).collect();
    assert_eq!(
        named, verbs,
        "each verb has its line in migrate-cli/src/json/schemas.rs, and `{UPDATE}` writes the file"
    );
}

/// The verbs below a command that can be typed as they are.
fn collect_verbs(command: &Command, before: &str, verbs: &mut BTreeSet<String>) {
    for child in command.get_subcommands().filter(|child| child.get_name() != "help") {
        let verb = format!("{before}{}", child.get_name());
        if !child.is_subcommand_required_set() {
            verbs.insert(verb.clone());
        }
        collect_verbs(child, &format!("{verb} "), verbs);
    }
}

/// The commands of a guide are lines of its console blocks, `migrate ...` or `app migrate ...`.
#[test]
fn every_command_of_the_guide_is_one() {
    let guide = read("docs/rolling-deploys.md");
    let commands: Vec<Vec<&str>> =
        guide.lines().filter_map(|line| line.trim().strip_prefix("$ ")).map(|line| line.split(' ').collect()).collect();
    assert!(commands.len() > 10, "{commands:?}");
    for words in commands {
        let parsed = match &words[..] {
            ["app", "migrate", rest @ ..] => EmbeddedCommand::try_parse_from([&["app"], rest].concat()).map(drop),
            _ => DirectoryCommand::try_parse_from(&words).map(drop),
        };
        parsed.unwrap_or_else(|error| panic!("{words:?}: {error}"));
    }
}

#[test]
fn every_test_that_the_guide_names_is_one() {
    let guide = read("docs/rolling-deploys.md");
    let tests = [
        "tests/system/deploys.rs",
        "migrate-cli/tests/it/sqlite.rs",
        "migrate-cli/tests/it/instances.rs",
        "migrate-cli/tests/it/terminal.rs",
        "migrate-cli/tests/it/way_back.rs",
        "migrate-runtime/tests/it/postgres.rs",
        "migrate-runtime/tests/it/way_back.rs",
        "examples/wallet-server/tests/it/main.rs",
    ];
    let tests = tests.map(read).concat();
    // A paragraph is one line or more, up to an empty one.
    let named = guide.split("\n\n").filter(|paragraph| paragraph.trim_start().starts_with("Test"));
    let names: Vec<&str> = named.flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2)).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        assert!(tests.contains(&format!("fn {name}(")), "there is no test `{name}`");
    }
}

fn read(file: &str) -> String {
    let path = format!("{}/../{file}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// One command with its own arguments; those that every command has stand in the first section only.
fn section(text: &mut String, command: &Command, everywhere: &[clap::Id], level: usize) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let mut shown = command.clone();
    if level > 2 {
        shown = shown.mut_args(|argument| {
            let hidden = everywhere.contains(argument.get_id()) || argument.get_id() == "help";
            argument.hide(hidden)
        });
    }
    // The exit codes stand above.
    let help = shown.term_width(100).render_help().to_string();
    let help = help.split("\nExit codes:").next().unwrap_or_default().trim_end();
    writeln!(text, "\n{} `{name}`\n\n```text\n{help}\n```", "#".repeat(level))
        .expect("a string takes all that is written");
    for child in command.get_subcommands().filter(|child| child.get_name() != "help") {
        section(text, child, everywhere, level + 1);
    }
}
