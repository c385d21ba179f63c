//! What can be typed, rightly and wrongly.

use std::io::Read;
use std::process::Stdio;

use testkit::process;

use crate::schemas;
use crate::support::{Project, Shown, USERS_AND_POSTS, snapshot};

#[test]
fn typing_mistakes_are_no_verdict() {
    let project = Project::new(USERS_AND_POSTS);
    for line in [
        "",
        "chek",
        "check --jsn",
        "up --to 1.0",
        "up --to 1.0.0 --steps 1",
        "up --steps 0",
        "down --all --steps 1",
        "check --wait-lock soon",
        "check --quiet --verbose",
        "new",
        "new x --major --patch",
        "--runtime-version 1 check",
        "force",
        "force 1.0 --applied --reason x",
        "force 1.0.0 --applied",
        "force 1.0.0 --applied --reason=",
        "force 1.0.0 --applied --not-applied --reason x",
        "repair 1.0.0 --all",
        "repair --all --applied",
        "repair --applied",
        "baseline",
        "lock --check show",
        "lock sho",
    ] {
        let shown = project.migrate(line);
        assert_eq!(shown.output.code, 64, "{shown}");
        assert!(shown.output.stdout.is_empty() && !shown.output.stderr.is_empty(), "{shown}");
    }
    snapshot!(project.migrate("chek"), project.migrate("check --jsn"), project.migrate("up --json --to 1.0"));
}

#[test]
fn a_url_in_the_wrong_place_keeps_its_password() {
    let project = Project::new(USERS_AND_POSTS);
    snapshot!(
        project.migrate("up postgres://app:geheim@host/shop"),
        project.migrate("up --json postgres://app:gehe'im@host/shop"),
    );
}

#[test]
fn help_and_version() {
    let project = Project::new(USERS_AND_POSTS).with_url("postgres://app:geheim@host/shop");
    snapshot!(project.migrate("-h"), project.migrate("--version"), project.migrate("down --help"));
    for verb in schemas::verbs() {
        let shown = project.migrate(&format!("{verb} --help"));
        assert!(shown.output.code == 0 && shown.output.stdout.contains("Example"), "{shown}");
        assert!(!shown.output.stdout.contains("geheim"), "{shown}");
    }
}

#[test]
fn options_before_and_after_the_verb() {
    let project = Project::new(USERS_AND_POSTS).without_url();
    project.done("--database-url sqlite:a.db up --quiet");
    project.done("--quiet up --database-url sqlite:b.db");
    assert!(project.path("a.db").exists() && project.path("b.db").exists());
}

#[test]
fn flags_win_over_the_environment() {
    let project = Project::new(USERS_AND_POSTS);
    let mut command = project.command("up --dir migrations_v2 --database-url sqlite:flag.db");
    let output = process::run(command.env("MIGRATION_DIR", "nowhere"));
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(project.path("flag.db").exists() && !project.path("app.db").exists());
}

#[test]
fn colour_only_where_it_is_wanted() {
    let project = Project::new(USERS_AND_POSTS).without_url();
    let colourful = |shown: &Shown| shown.output.stderr.contains('\x1b');
    assert!(colourful(&project.migrate("up --color always")));
    assert!(!colourful(&project.migrate("up")));
    assert!(!colourful(&project.migrate("up --color never")));
    let mut command = project.command("up");
    let output = process::run(command.env("NO_COLOR", "1").env("CLICOLOR_FORCE", "1"));
    assert!(!output.stderr.contains('\x1b'));
}

#[test]
fn a_broken_pipe_is_success() {
    let project = Project::new(USERS_AND_POSTS);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = project.command("up").stdout(writer).stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), &*stderr), (Some(0), ""));
    assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 2);
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let project = Project::new(USERS_AND_POSTS);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = project.command("status").stdout(full).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(70));
}
