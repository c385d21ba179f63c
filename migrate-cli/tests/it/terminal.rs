//! Questions on a terminal. `script` of util-linux gives the program one.

use std::process::Command;

use testkit::process::{Output, run_with_input};

use crate::support::{Project, USERS_AND_POSTS};

fn at_a_terminal(project: &Project, line: &str, answer: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_migrate");
    let line = format!("'{program}' {line} --database-url sqlite:app.db --color never");
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(project.path(""));
    run_with_input(&mut script, answer)
}

#[test]
fn down_shows_what_it_would_do_and_asks() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up");
    let refused = at_a_terminal(&project, "down --all", "n\n");
    assert_eq!(refused.code, 70, "{refused:?}");
    for part in ["to undo: 1.1.0 posts", "to undo: 1.0.0 users", "2 steps on sqlite:app.db? [y/N]", "not confirmed"] {
        assert!(refused.stdout.contains(part), "{part}: {refused:?}");
    }
    assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 2);

    let confirmed = at_a_terminal(&project, "down", "y\n");
    assert_eq!(confirmed.code, 0, "{confirmed:?}");
    assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 1);
}

#[test]
fn changes_of_the_ledger_are_shown_and_asked_for() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up --to 1.0.0");
    let line = "force 1.1.0 --applied --reason x";
    let refused = at_a_terminal(&project, line, "n\n");
    assert_eq!(refused.code, 70, "{refused:?}");
    for part in
        ["to record 1.1.0 posts as applied", "1 change of the ledger of sqlite:app.db", "[y/N]", "not confirmed"]
    {
        assert!(refused.stdout.contains(part), "{part}: {refused:?}");
    }
    assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 1);
    assert_eq!(at_a_terminal(&project, line, "y\n").code, 0);
    assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 2);

    project.leave_a_ghost();
    let refused = at_a_terminal(&project, "lock release", "\n");
    assert_eq!(refused.code, 70, "{refused:?}");
    assert!(refused.stdout.contains("to free: the run lock of ghost on host gone"), "{refused:?}");
    assert_eq!(at_a_terminal(&project, "lock release", "y\n").code, 0);
    assert_eq!(project.value("SELECT count(lock_owner) FROM schema_migrations_v2_state"), 0);
}
