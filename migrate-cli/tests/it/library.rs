//! The same verbs over a registry that is part of a program.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::Parser;
use migrate_cli::{Exit, MigrateCommand, Output};
use migrate_core::source::{self, LoadOptions};
use migrate_runtime::Registry;
use serde_json::{Value, json};

use crate::schemas;
use crate::support::{Project, USERS_AND_POSTS};

#[derive(Parser)]
enum App {
    /// Look after the database.
    Migrate(MigrateCommand),
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A static registry, as `embed_migrations!` gives it.
fn registry(project: &Project) -> &'static Registry {
    let options = LoadOptions {
        name: Some("app".to_owned()),
        runtime_version: Some("1.2.3".to_owned()),
        ..LoadOptions::new("migrations_v2")
    };
    let loaded = source::load(&project.path("migrations_v2"), &options);
    let (registry, _) = loaded.into_registry().expect("the directory has no errors");
    Box::leak(Box::new(registry))
}

fn run(project: &Project, registry: &'static Registry, verb: &[&str]) -> (Exit, String) {
    run_on(&format!("sqlite:{}", project.path("app.db").display()), registry, verb)
}

/// An empty URL is none.
fn run_on(url: &str, registry: &'static Registry, verb: &[&str]) -> (Exit, String) {
    let line = ["app", "migrate"].iter().chain(verb).copied().chain(["--database-url", url]);
    let App::Migrate(command) = App::try_parse_from(line).unwrap_or_else(|error| panic!("{error}"));
    let stdout = Buffer::default();
    let exit = command.execute_to(registry, Output::new(stdout.clone(), Buffer::default()));
    let text = String::from_utf8_lossy(&stdout.bytes()).into_owned();
    schemas::check(verb, &text, exit.code().into());
    (exit, text)
}

#[test]
fn a_server_mounts_the_verbs() {
    let project = Project::new(USERS_AND_POSTS);
    let registry = registry(&project);
    assert_eq!(run(&project, registry, &["check"]).0, Exit::NeedsMigration);
    assert_eq!(run(&project, registry, &["up"]).0, Exit::Done);
    let (exit, document) = run(&project, registry, &["check", "--json"]);
    assert_eq!(exit, Exit::Done);
    assert!(document.contains(r#""runtime_version":"1.2.3""#), "{document}");
    assert_eq!(run(&project, registry, &["down"]).0, Exit::Usage);
    let (exit, shown) = run(&project, registry, &["lock", "show"]);
    assert_eq!((exit, &*shown), (Exit::Done, "the run lock is free\n"));
    assert_eq!(run(&project, registry, &["force", "1.1.0", "--not-applied", "--reason", "x", "--yes"]).0, Exit::Done);
    assert_eq!(run(&project, registry, &["check"]).0, Exit::NeedsMigration);
}

/// What a program's own check says of a directory: the exit, and the document.
#[track_caller]
fn check_source(project: &Project, registry: &'static Registry, expect: Exit) -> Value {
    let source = project.path("migrations_v2").display().to_string();
    let (exit, document) = run(project, registry, &["check", "--json", "--source", &source]);
    assert_eq!(exit, expect, "{document}");
    serde_json::from_str(&document).unwrap_or_else(|error| panic!("{error}: {document}"))
}

#[test]
fn a_program_is_compared_with_a_directory() {
    let project = Project::new(USERS_AND_POSTS);
    let registry = registry(&project);
    let document = check_source(&project, registry, Exit::NeedsMigration);
    assert_eq!(document["source"], project.path("migrations_v2").display().to_string());
    assert_eq!(document["verdict"], "needs_migration");

    let differences = || {
        let document = check_source(&project, registry, Exit::Failed);
        assert_eq!(document["error"]["kind"], "stale");
        let help = document["error"]["help"].as_str().unwrap_or_default();
        assert!(help.contains("`cargo clean -p app`"), "{help}");
        document["error"]["differences"].clone()
    };
    project.write(
        "migrations_v2/v1.0.0_users/metadata.json",
        r#"{"version":"1.0.0","name":"users","description":"Users of the service"}"#,
    );
    assert_eq!(differences(), json!({"added": [], "removed": [], "changed": []}));
    project.write("migrations_v2/v1.0.0_users/down.sql", "DROP TABLE IF EXISTS users;");
    project.write("migrations_v2/v1.2.0_tags/metadata.json", r#"{"version":"1.2.0","name":"tags","irreversible":"x"}"#);
    project.write("migrations_v2/v1.2.0_tags/up.sql", "CREATE TABLE tags (name TEXT);");
    project.remove("migrations_v2/v1.1.0_posts");
    let expected = json!({"added": ["v1.2.0_tags"], "removed": ["v1.1.0_posts"], "changed": ["v1.0.0_users"]});
    assert_eq!(differences(), expected);

    project.write("migrations_v2/v1.2.0_tags/metadata.json", "{");
    assert_eq!(check_source(&project, registry, Exit::Directory)["error"]["kind"], "directory");
    project.remove("migrations_v2");
    assert_eq!(check_source(&project, registry, Exit::Directory)["error"]["kind"], "directory");
}

#[test]
fn a_program_is_compared_with_a_directory_where_there_is_no_database() {
    let project = Project::new(USERS_AND_POSTS);
    let registry = registry(&project);
    let source = project.path("migrations_v2").display().to_string();
    let (exit, text) = run_on("", registry, &["check", "--source", &source]);
    assert_eq!((exit, &*text), (Exit::Done, "the program and the directory have the same migrations\n"));
    let (exit, document) = run_on("", registry, &["check", "--json", "--source", &source]);
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!((exit, &document["outcome"]), (Exit::Done, &json!("equal")));
    project.write("migrations_v2/v1.0.0_users/up.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY);\n");
    assert_eq!(run_on("", registry, &["check", "--source", &source]).0, Exit::Failed);
    assert_eq!(run_on("", registry, &["check"]).0, Exit::Configuration);
    project.remove("migrations_v2/v1.0.0_users/metadata.json");
    assert_eq!(run_on("", registry, &["check", "--source", &source]).0, Exit::Directory);
}

#[test]
fn the_verbs_of_a_directory_are_not_offered() {
    for verb in ["new", "lock", "validate"] {
        assert!(App::try_parse_from(["app", "migrate", verb]).is_err(), "{verb}");
    }
    assert!(App::try_parse_from(["app", "migrate", "check", "--dir", "x"]).is_err());
}

#[test]
fn help_of_the_mounted_command() {
    let error = App::try_parse_from(["app", "migrate", "--help"]).err().expect("help is an error of clap");
    // No snapshot: clap breaks the lines where the terminal of the test ends.
    let help = error.render().to_string();
    assert!(help.contains("Exit codes:") && help.contains("\n  check "), "{help}");
    assert!(!help.contains("\n  new ") && !help.contains("--dir "), "{help}");
    let error = App::try_parse_from(["app", "migrate", "config", "show", "--help"]).err().expect("as above");
    let help = error.render().to_string();
    assert!(help.contains("migrate config show") && !help.contains("--profile"), "{help}");
}

#[test]
fn a_program_that_is_nothing_else() {
    let project = Project::new(USERS_AND_POSTS);
    let registry = registry(&project);
    let url = format!("sqlite:{}", project.path("app.db").display());
    for (verb, code) in [("check", 1), ("chek", 64)] {
        let exit = migrate_cli::run(["app", verb, "--quiet", "--database-url", &url], registry);
        // Exit codes cannot be compared, but they can be shown.
        assert_eq!(format!("{exit:?}"), format!("{:?}", ExitCode::from(code)));
    }
}

#[test]
fn a_program_reads_no_files() {
    let project = Project::new(USERS_AND_POSTS);
    let error = App::try_parse_from(["app", "migrate", "check", "--profile", "dev"]).err().expect("it has no profiles");
    assert!(error.to_string().contains("--profile"), "{error}");
    let (exit, document) = run(&project, registry(&project), &["config", "show", "--json"]);
    assert_eq!(exit, Exit::Done);
    let document: Value = serde_json::from_str(&document).unwrap();
    let names: Vec<_> = document["settings"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
    assert!(names.contains(&json!("protected")) && !names.contains(&json!("dir")), "{names:?}");
    assert_eq!(document["settings"][0]["place"], "--database-url");
}

#[test]
fn a_program_says_what_differs() {
    let project = Project::new(USERS_AND_POSTS);
    let registry = registry(&project);
    assert_eq!(run(&project, registry, &["up"]).0, Exit::Done);
    let source = project.path("migrations_v2").display().to_string();
    let diff = ["diff", "--exit-code", "--source", &source];
    assert_eq!(run(&project, registry, &diff).0, Exit::Done);
    project.write("migrations_v2/v1.0.0_users/up.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY);\n");
    project.write(
        "migrations_v2/v1.1.0_posts/metadata.json",
        r#"{"version": "1.1.0", "name": "posts", "description": "x"}"#,
    );
    let (exit, text) = run(&project, registry, &diff);
    assert_eq!(exit, Exit::Failed);
    for expected in [
        "changed: v1.0.0_users/up.sql\n--- program\n+++ directory\n",
        "\n+CREATE TABLE users (id INTEGER PRIMARY KEY);\n",
        "\nchanged: v1.1.0_posts/metadata.json\n",
        "\n\nthe program and the database have the same migrations\n",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    assert_eq!(run(&project, registry, &["schema", "diff", "--exit-code"]).0, Exit::Done);
}

#[test]
fn what_to_run_next_is_named_as_it_is_typed() {
    let project = Project::new(USERS_AND_POSTS);
    let registry = registry(&project);
    let url = format!("sqlite:{}", project.path("app.db").display());
    let told = |verb: &[&str]| {
        let line = ["app", "migrate"].iter().chain(verb).copied().chain(["--database-url", &url]);
        let App::Migrate(command) = App::try_parse_from(line).unwrap_or_else(|error| panic!("{error}"));
        let stdout = Buffer::default();
        let output = Output::new(stdout.clone(), Buffer::default()).program("app migrate".to_owned());
        let _ = command.execute_to(registry, output);
        String::from_utf8_lossy(&stdout.bytes()).into_owned()
    };
    assert!(told(&["pending"]).contains("next: `app migrate up`"));
    let document: Value = serde_json::from_str(&told(&["check", "--json"])).unwrap();
    assert_eq!(document["reasons"][0]["help"], "run `app migrate up`");
}
