//! What no other transcript has: each verb where the database, the directory, the configuration or the command line is wrong,
//! and what is left of the main paths.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use crate::schemas;
use crate::support::{Project, Shown, USERS_AND_POSTS, snapshot};

/// One transcript of several command lines.
fn all(project: &Project, lines: &[&str]) -> String {
    lines.iter().map(|line| project.migrate(line).to_string()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_server_that_does_not_answer() {
    // Bound and dropped: nobody listens there.
    let port =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr()).expect("a port is free").port();
    let project = Project::new(USERS_AND_POSTS).with_url(format!("postgres://app:geheim@127.0.0.1:{port}/shop"));
    let lines = [
        "status",
        "pending",
        "plan",
        "history",
        "version",
        "compatibility",
        "instances",
        "lock show",
        "lock release --yes",
        "goto 1.0.0",
        "down --yes",
        "redo --yes",
        "baseline 1.0.0 --yes",
        "force 1.0.0 --applied --reason x --yes",
        "repair",
        "schema dump",
        "doctor",
    ];
    let shown = all(&project, &lines);
    assert!(!shown.contains("geheim"), "{shown}");
    snapshot!(shown);
}

#[test]
fn a_directory_with_an_error() {
    let project = Project::new(USERS_AND_POSTS);
    project.write("migrations_v2/v1.1.0_posts/metadata.json", "{\"version\": \"1.1.0\", \"nam\": \"posts\"}\n");
    let lines = [
        "list",
        "graph",
        "pending",
        "plan",
        "compatibility",
        "history",
        "version",
        "goto 1.0.0",
        "lock",
        "new more",
        "doctor",
    ];
    snapshot!(all(&project, &lines));
    assert!(!project.path("app.db").exists(), "the database was touched");
}

#[test]
fn a_configuration_that_cannot_be_read() {
    let project = Project::new(USERS_AND_POSTS);
    project.write("migrate.toml", "wait_lock = \"soon\"\n");
    snapshot!(all(&project, &["config show", "config show --json", "init", "list", "version"]));
}

#[test]
fn where_nothing_can_be_written() {
    let project = Project::new(USERS_AND_POSTS);
    project.write("file", "");
    snapshot!(all(&project, &["init --dir file/migrations", "new more --dir file", "lock --dir file"]));
}

#[test]
fn what_was_typed_wrongly() {
    let project = Project::new(USERS_AND_POSTS);
    let lines = [
        "version 1.0.0",
        "up --to 1.1",
        "goto 1.5.0",
        "graph --format png",
        "history --limit x",
        "lock show --yes",
        "man nosuch",
        "completions tcsh",
        "instances 1",
    ];
    snapshot!(all(&project, &lines));
}

#[test]
fn backups_and_what_becomes_of_them() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up");
    snapshot!(
        project.migrate("backup create"),
        project.migrate("backup list"),
        project.migrate("backup verify latest"),
        project.migrate("backup restore latest --yes"),
        project.migrate("restore latest --dry-run"),
        project.migrate("backup prune --dry-run"),
    );
    let lines = ["backup verify nosuch", "backup restore nosuch --yes", "restore latest", "backup prune"];
    snapshot!(all(&project, &lines));
    project.write("file", "");
    snapshot!(all(
        &project,
        &["backup create --backup-path file", "backup list --backup-path file", "backup prune --backup-path file"]
    ));
}

#[test]
fn waiting_for_what_is_there() {
    let project = Project::new(USERS_AND_POSTS);
    snapshot!(
        project.migrate("wait"),
        project.migrate("up --quiet"),
        project.migrate("wait --until compatible"),
        project.migrate("wait --until compatible --json"),
    );
}

#[test]
fn pages_and_completions() {
    let project = Project::new(USERS_AND_POSTS);
    // What follows is clap's affair.
    let beginning = |line: &str, lines: usize| {
        let mut shown = project.migrate(line);
        shown.output.stdout = shown.output.stdout.split_inclusive('\n').take(lines).collect();
        shown
    };
    snapshot!(beginning("man version", 5), beginning("completions fish", 1));
}

/// At least one transcript in which it goes well, and one in which it does not.
#[test]
fn every_verb_has_its_transcripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots");
    let mut ends: BTreeMap<&str, BTreeSet<bool>> = schemas::verbs().map(|verb| (verb, BTreeSet::new())).collect();
    for entry in fs::read_dir(folder).expect("the snapshots are in the repository") {
        let text =
            fs::read_to_string(entry.expect("a directory can be read to its end").path()).expect("they are text");
        for command in text.split("\n$ migrate ").skip(1) {
            let (line, rest) = command.split_once('\n').expect("a command has an end");
            let words: Vec<&str> = line.split_whitespace().collect();
            if let Some(verb) = schemas::verb(&words) {
                ends.entry(verb).or_default().insert(rest.starts_with("[exit 0]"));
            }
        }
    }
    let lacking: Vec<_> = ends.iter().filter(|(_, ends)| ends.len() < 2).collect();
    assert!(
        lacking.is_empty(),
        "a transcript is missing in which it goes well (true) or does not (false): {lacking:?}"
    );
}

#[test]
fn status_fits_80_columns() {
    let name = "a_name_that_is_as_long_as_names_of_migrations_sometimes_become_in_the_end";
    let files = format!(
        "\n--- v1.0.0_{name}/metadata.json\n{{\"version\": \"1.0.0\", \"name\": \"{name}\"}}\n\
         --- v1.0.0_{name}/up.sql\nCREATE TABLE a (id INTEGER);\n--- v1.0.0_{name}/down.sql\nDROP TABLE a;\n"
    );
    let project = Project::new(&files);
    project.done("up");
    let Shown { output, .. } = project.migrate("status");
    assert!(output.stdout.lines().all(|line| line.chars().count() <= 80), "{}", output.stdout);
}
