//! What pipelines use: the examples of `docs/ci.md`, the script behind `action.yml`, the hooks.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::process::{Output, run};

use crate::support::{Project, USERS_AND_POSTS};

const PAGE: &str = include_str!("../../../docs/ci.md");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A command in a project, which finds `migrate` where it looks for programs.
fn in_project(project: &Project, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    // The variables of the program's own tests.
    let ours = project.command("");
    let mut command = Command::new(program);
    for (name, value) in ours.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let program = Path::new(env!("CARGO_BIN_EXE_migrate"));
    let others = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(program.parent().expect("a program is in a folder").to_owned());
    let path = std::env::join_paths(folders.chain(std::env::split_paths(&others))).expect("folders have no colon");
    command.env("PATH", path).current_dir(project.path("")).args(arguments);
    command
}

fn blocks(language: &str) -> impl Iterator<Item = &'static str> {
    let open = format!("```{language}\n");
    let mut rest = PAGE;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&open)?;
        let (block, after) = after.split_once("\n```").expect("a block is closed");
        rest = after;
        Some(block)
    })
}

#[test]
fn the_examples_in_shell_run() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("lock");
    let mut said = String::new();
    for block in blocks("sh") {
        let output = run(&mut in_project(&project, "bash", &["-euo", "pipefail", "-c", block]));
        assert_eq!(output.code, 0, "{block}\n{output:?}");
        said.push_str(&output.stdout);
    }
    // What the examples are there to show.
    for part in
        ["CREATE TABLE users", "applied 1.1.0 posts", "compatible", "up to date", r#""outcome":"nothing_to_do""#]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// Every line of YAML that calls `migrate` is one that it understands.
#[test]
fn the_examples_in_yaml_are_understood() {
    let project = Project::new(USERS_AND_POSTS);
    let lines = blocks("yaml").flat_map(str::lines);
    let calls: Vec<&str> =
        lines.filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("migrate ")).collect();
    assert!(calls.len() >= 5, "{calls:?}");
    for call in calls {
        let shown = project.migrate(&format!("{call} --help"));
        assert_eq!(shown.output.code, 0, "{shown}");
    }
}

#[test]
fn the_hooks_call_what_there_is() {
    let hooks = std::fs::read_to_string(root().join(".pre-commit-hooks.yaml")).unwrap();
    let entries: Vec<&str> = hooks.lines().filter_map(|line| line.trim().strip_prefix("entry: migrate ")).collect();
    assert_eq!(entries, ["validate", "lock --check"]);
    let project = Project::new(USERS_AND_POSTS);
    project.done("lock");
    entries.iter().for_each(|entry| project.done(entry));
    for id in hooks.lines().filter_map(|line| line.strip_prefix("- id: ")) {
        assert!(PAGE.contains(&format!("- id: {id}\n")), "docs/ci.md does not show the hook {id}");
    }
    project.write("migrations_v2/v1.1.0_posts/up.sql", "CREATE TABLE posts (id INTEGER PRIMARY KEY);\n");
    assert!(entries.iter().all(|entry| project.migrate(entry).output.code == 65));
}

/// Runs `scripts/pull-request report`: how it ends, and what it writes.
fn report(project: &Project) -> (Output, String) {
    let script = root().join("scripts/pull-request");
    let output = run(&mut in_project(project, script, &["report", "report.md"]));
    let text = std::fs::read_to_string(project.path("report.md")).expect("a report is written whatever is found");
    (output, text)
}

#[test]
fn a_report_of_a_pull_request() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("lock");
    project.done("up --to 1.0.0");
    let (output, text) = report(&project);
    assert_eq!(output.code, 0, "{output:?}\n{text}");
    for part in ["`migrate validate`", "`migrate lock --check`", "needs migration", "CREATE TABLE posts"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("CREATE TABLE users"), "{text}");
    assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 1, "a report changes nothing");

    let (output, text) = report(&Project::new(USERS_AND_POSTS).without_url());
    assert_eq!(output.code, 0, "{output:?}\n{text}");
    assert!(!text.contains("migrate check") && !text.contains("--check"), "{text}");

    project.write("migrations_v2/v1.0.0_users/up.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY);\n");
    project.done("lock");
    let (output, text) = report(&project);
    assert_eq!(output.code, 2, "{output:?}\n{text}");
    assert!(text.contains("incompatible"), "{text}");

    project.write("migrations_v2/v1.1.0_posts/metadata.json", "{");
    let (output, text) = report(&project);
    assert_eq!(output.code, 65, "{output:?}\n{text}");
    assert!(text.contains("metadata.json:1:"), "{text}");
}

/// GitHub's program is not here: one stands in for it that writes down how it is called.
#[test]
fn a_comment_takes_the_place_of_the_last_one() {
    let project = Project::new(USERS_AND_POSTS);
    project.write("gh/gh", "#!/bin/sh\nprintf '%s\\n' \"$*\" >>calls\ncase \"$*\" in *--jq*) cat found ;; esac\n");
    std::fs::set_permissions(project.path("gh/gh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let script = root().join("scripts/pull-request");
    let comment = |found: &str| {
        project.write("found", found);
        project.write("calls", "");
        let mut command = in_project(&project, &script, &["comment", "report.md"]);
        let path = format!("{}:{}", project.path("gh").display(), std::env::var("PATH").unwrap());
        command.env("PATH", path).env("GITHUB_REPOSITORY", "owner/shop").env("PULL_REQUEST", "7");
        let output = run(&mut command);
        assert_eq!(output.code, 0, "{output:?}");
        std::fs::read_to_string(project.path("calls")).unwrap()
    };
    let first = comment("");
    assert!(first.contains("--method POST repos/owner/shop/issues/7/comments --field body=@report.md"), "{first}");
    let second = comment("41\n42\n");
    assert!(second.contains("--method PATCH repos/owner/shop/issues/comments/41 --field body=@report.md"), "{second}");
}

#[test]
fn the_action_calls_the_script_as_it_is() {
    let action = std::fs::read_to_string(root().join("action.yml")).unwrap();
    for part in [
        "scripts/pull-request\" report",
        "scripts/pull-request\" comment",
        "--path \"$GITHUB_ACTION_PATH/migrate-cli\"",
    ] {
        assert!(action.contains(part), "{part}");
    }
    for variable in ["MIGRATE", "MIGRATION_DIR", "DATABASE_URL", "GH_TOKEN", "PULL_REQUEST"] {
        assert!(action.contains(&format!("        {variable}: ")), "{variable}");
    }
}
