//! What was probably meant.

use crate::support::{Project, USERS_AND_POSTS, snapshot};

#[test]
fn words_of_other_tools() {
    let project = Project::new(USERS_AND_POSTS);
    for (line, meant) in [
        ("apply", "up"),
        ("migrate", "up"),
        ("create", "new"),
        ("generate", "new"),
        ("info", "status"),
        ("revert", "down"),
        ("undo", "down"),
        ("drop", "reset"),
        ("stauts", "status"),
        ("--json stauts", "status"),
        ("rolback", "rollback"),
        ("config --json sho", "show"),
        ("lock --json shwo", "show"),
    ] {
        let shown = project.migrate(line);
        assert_eq!(shown.output.code, 64, "{shown}");
        let first = shown.output.stderr.lines().find(|line| line.contains("tip: "));
        assert!(first.is_some_and(|tip| tip.contains(&format!(": '{meant}'"))), "{shown}");
        if line.contains("--json") {
            assert_eq!(shown.document()["error"]["help"], format!("did you mean `{meant}`?"), "{shown}");
        }
    }
    let line = "lock --json show";
    assert_eq!(testkit::process::run(&mut project.command(line)).code, 0, "{line}");
}

#[test]
fn values() {
    let project = Project::new(USERS_AND_POSTS);
    for (line, part) in [
        ("up 1.0.0", "did you mean `--to 1.0.0`?"),
        ("up 1.1", "did you mean `--to 1.1.0`?"),
        ("down 1.0.0", "did you mean `--to 1.0.0`?"),
        ("down 0", "give 1 or more"),
        ("up --to 1.1", "did you mean `1.1.0`?"),
        ("up --runtime-version 1.1", "did you mean `1.1.0`?"),
        ("compatibility --program v1.1", "did you mean `1.1.0`?"),
        ("new x --min-runtime-version 2", "did you mean `2.0.0`?"),
        ("up --wait-lock 5", "say a unit, such as `5s`"),
        ("wait --timeout 90", "say a unit, such as `90s`"),
        ("new add users", "did you mean `migrate new add_users`?"),
        ("new AddUsers", "did you mean `add_users`?"),
        ("rollback", "`migrate rollback --can`"),
        ("rollback --yes", "`migrate rollback --can`"),
    ] {
        let shown = project.migrate(line);
        assert_eq!(shown.output.code, 64, "{shown}");
        assert!(shown.output.stderr.contains(part), "{part}: {shown}");
    }
}

#[test]
fn a_mistake_is_answered_by_the_document_of_its_verb() {
    let project = Project::new(USERS_AND_POSTS);
    let run = ["format", "outcome", "steps", "error", "run", "ends_with", "remaining", "health", "backup"];
    for line in
        ["up --nosuch", "down --all --to 1.0.0", "reset 1", "reset", "redo 1", "goto", "rollback", "rollback --x"]
    {
        assert_eq!(project.document(line, 64, &run)["outcome"], "failed", "{line}");
    }
    for line in ["new up --template nosuch", "status down", "rollback --can --nosuch", "reste"] {
        project.document(line, 64, &["format", "error"]);
    }
}

#[test]
fn help_that_nobody_asked_for_is_whole() {
    let project = Project::new(USERS_AND_POSTS);
    for line in ["", "config", "backup", "schema"] {
        let shown = project.migrate(line);
        assert_eq!(shown.output.code, 64, "{shown}");
        assert!(shown.output.stderr.contains("`postgres://user@host/name`"), "{shown}");
    }
    snapshot!(project.migrate("config --json"));
}

#[test]
fn other_mistakes() {
    let project = Project::new(USERS_AND_POSTS);
    snapshot!(
        project.migrate("stauts"),
        project.migrate("apply"),
        project.migrate("up 1.0.0"),
        project.migrate("down 0"),
        project.migrate("check --wait-lock 5"),
        project.migrate("rollback"),
        project.migrate("new a b"),
        project.migrate("lock show --check"),
    );
}
