//! Questions and bars on a terminal. `script` of util-linux gives the program one.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use testkit::postgres::Server;
use testkit::process::{Output, run, run_with_input};

use crate::support::{Project, USERS_AND_POSTS};

fn at_a_terminal(project: &Project, line: &str, answer: &str) -> Output {
    run_with_input(&mut terminal(project, line), answer)
}

fn terminal(project: &Project, line: &str) -> Command {
    let program = env!("CARGO_BIN_EXE_migrate");
    let line = format!("'{program}' {line} --database-url sqlite:app.db --color never");
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(project.path("")).env("TZ", "UTC");
    script
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
fn stored_scripts_are_shown_before_the_question() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up");
    project.remove("migrations_v2/v1.1.0_posts");
    let refused = at_a_terminal(&project, "down", "n\n");
    assert_eq!(refused.code, 70, "{refused:?}");
    let at = |text: &str| refused.stdout.find(text).unwrap_or_else(|| panic!("{text}: {refused:?}"));
    assert!(at("DROP TABLE posts;") < at("to undo: 1.1.0 posts"));
    assert!(at("to undo: 1.1.0 posts") < at("1 step on sqlite:app.db? [y/N]"));
    assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 2);
    assert_eq!(at_a_terminal(&project, "down", "y\n").code, 0);
    assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 1);
}

#[test]
fn a_protected_database_asks_for_its_name() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up");
    project.write("migrate.toml", "protected = true\n");
    let refused = at_a_terminal(&project, "down --yes", "y\n");
    assert_eq!(refused.code, 70, "{refused:?}");
    assert!(refused.stdout.contains("type its name, `app.db`, to go on:"), "{refused:?}");
    assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 2);

    let confirmed = at_a_terminal(&project, "down", "app.db\n");
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

/// Everything else that asks: what it says before, and that a no changes nothing while a yes does it.
#[test]
fn what_changes_something_asks() {
    let migrated: &[&str] = &["up"];
    let edited: &[&str] = &["up", "edit"];
    let saved: &[&str] = &["up", "backup create", "DELETE FROM users WHERE name = 'ann'"];
    for (before, line, question) in [
        (migrated, "goto 1.0.0", "to undo: 1.1.0 posts"),
        (migrated, "redo", "to undo: 1.1.0 posts"),
        (migrated, "reset", "2 steps on sqlite:app.db? [y/N]"),
        (migrated, "rollback --run 1", "2 steps on sqlite:app.db? [y/N]"),
        (migrated, "rollback --run 1 --strategy snapshot", "replace everything in sqlite:app.db? [y/N]"),
        (&[], "baseline 1.1.0", "2 changes of the ledger of sqlite:app.db"),
        (edited, "repair 1.0.0", "1 change of the ledger of sqlite:app.db"),
        (saved, "restore latest", "replace everything in sqlite:app.db? [y/N]"),
        (saved, "backup restore latest", "replace everything in sqlite:app.db? [y/N]"),
    ] {
        let project = Project::new(USERS_AND_POSTS);
        // There is something to save before the first run.
        project.sqlite().execute_batch("CREATE TABLE mine (id INTEGER)").unwrap();
        for step in before {
            match *step {
                "edit" => project.write("migrations_v2/v1.0.0_users/up.sql", "CREATE TABLE users (id INTEGER);\n"),
                "up" => {
                    let output = testkit::process::run(project.command("up").env_remove("BACKUP_ENABLED"));
                    assert_eq!(output.code, 0, "{output:?}");
                    project.sqlite().execute_batch("INSERT INTO users (name) VALUES ('ann')").unwrap();
                }
                sql if sql.starts_with("DELETE") => project.sqlite().execute_batch(sql).unwrap(),
                line => project.done(line),
            }
        }
        let state = || std::fs::read(project.path("app.db")).unwrap();
        let found = state();
        let refused = at_a_terminal(&project, line, "n\n");
        assert_eq!(refused.code, 70, "{line}: {refused:?}");
        for part in [question, "not confirmed; nothing was changed"] {
            assert!(refused.stdout.contains(part), "{line}: {part}: {refused:?}");
        }
        assert!(state() == found, "{line}: a no has changed the database");

        let confirmed = at_a_terminal(&project, line, "y\n");
        assert_eq!(confirmed.code, 0, "{line}: {confirmed:?}");
        assert!(confirmed.stdout.contains(question) && state() != found, "{line}: {confirmed:?}");
    }
}

/// A yes is not enough where the database is protected, for any of them.
#[test]
fn a_protected_database_asks_for_its_name_before_any_change() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up");
    project.done("backup create");
    project.write("migrate.toml", "protected = true\n");
    for line in ["goto 1.0.0", "redo", "reset", "rollback --run 1", "restore latest", "backup restore latest"] {
        let refused = at_a_terminal(&project, &format!("{line} --yes"), "y\n");
        assert_eq!(refused.code, 70, "{line}: {refused:?}");
        assert!(refused.stdout.contains("type its name, `app.db`, to go on:"), "{line}: {refused:?}");
    }
    assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 2);
    assert_eq!(at_a_terminal(&project, "reset", "app.db\n").code, 0);
    assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 0);
}

#[test]
fn squash_shows_what_it_would_do_and_asks() {
    let project = Project::new(USERS_AND_POSTS);
    let refused = at_a_terminal(&project, "squash --to 1.1.0", "n\n");
    assert_eq!(refused.code, 70, "{refused:?}");
    for part in ["to remove: v1.0.0_users", "2 migrations in migrations_v2 become one? [y/N]", "not confirmed"] {
        assert!(refused.stdout.contains(part), "{part}: {refused:?}");
    }
    assert!(project.path("migrations_v2/v1.0.0_users").exists());
    assert_eq!(at_a_terminal(&project, "squash --to 1.1.0", "y\n").code, 0);
    assert!(!project.path("migrations_v2/v1.0.0_users").exists());
}

#[test]
fn an_answer_is_to_what_was_shown() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up");
    for line in ["down", "force 1.1.0 --not-applied --reason x"] {
        let mut asking = terminal(&project, line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut shown = Vec::new();
        let mut stdout = asking.stdout.take().unwrap();
        while !String::from_utf8_lossy(&shown).contains("[y/N]") {
            let mut byte = [0];
            stdout.read_exact(&mut byte).unwrap();
            shown.push(byte[0]);
        }
        project.done("down --yes");
        asking.stdin.take().unwrap().write_all(b"y\n").unwrap();
        stdout.read_to_end(&mut shown).unwrap();
        assert_eq!(asking.wait().unwrap().code(), Some(70));
        let shown = String::from_utf8_lossy(&shown);
        assert!(shown.contains("the database has changed, and with it what was confirmed"), "{shown}");
        assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 1, "{line}");
        project.done("up");
    }
}

/// Three migrations, the second of which takes its time; a fourth one fails.
fn slow() -> Project {
    let project = Project::new(USERS_AND_POSTS).with_database(Server::shared().database());
    project.write("migrations_v2/v1.1.0_posts/up.sql", "SELECT pg_sleep(1.5);\n");
    project.write("migrations_v2/v1.1.0_posts/down.sql", "SELECT 1;\n");
    project.write("migrations_v2/v1.2.0_last/metadata.json", r#"{"version": "1.2.0", "name": "last"}"#);
    project.write("migrations_v2/v1.2.0_last/up.sql", "SELECT 1;\n");
    project.write("migrations_v2/v1.2.0_last/down.sql", "SELECT 1;\n");
    project.write("migrations_v2/v1.3.0_bad/metadata.json", r#"{"version": "1.3.0", "name": "bad"}"#);
    project.write("migrations_v2/v1.3.0_bad/up.sql", "SELECT pg_sleep(0.7);\nSELECT nothing;\n");
    project.write("migrations_v2/v1.3.0_bad/down.sql", "SELECT 1;\n");
    project
}

/// What the program writes to a terminal, with all that moves the cursor.
fn drawn(project: &Project, line: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_migrate");
    let line = format!("'{program}' {line} --database-url '{}'", project.url());
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(project.path("")).stdin(Stdio::null());
    run(script.env("TERM", "xterm").env_remove("NO_COLOR"))
}

/// What is left on the screen: lines that were cleared or written over are gone.
fn screen(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let last = line.trim_end_matches('\r').rsplit("\u{1b}[2K").next().unwrap_or_default();
        last.rsplit('\r').next().unwrap_or_default().to_owned()
    };
    text.trim_end().split('\n').map(line).collect()
}

#[test]
fn a_bar_shows_how_far_a_run_has_come_and_goes_away() {
    let project = slow();
    let up = drawn(&project, "up --to 1.2.0 --color never");
    assert_eq!(up.code, 0, "{up:?}");
    // Seconds that have passed stand in between.
    let bar = up.stdout.split("[========>               ] 1/3 ").nth(1).unwrap_or_default();
    assert!(bar.split_once(' ').is_some_and(|(_, title)| title.starts_with("1.1.0 posts")), "{up:?}");
    assert!(!up.stdout.contains("\u{1b}[36m"), "{up:?}");
    let left = screen(&up.stdout);
    assert_eq!(left.len(), 4, "{left:?}");
    for (line, begins) in left.iter().zip(["applied 1.0.0", "applied 1.1.0", "applied 1.2.0", "done: 3 migrations"]) {
        assert!(line.starts_with(begins), "{left:?}");
    }

    let failed = drawn(&project, "up");
    assert_eq!(failed.code, 70, "{failed:?}");
    assert!(failed.stdout.contains("\u{1b}[36m"), "{failed:?}");
    assert!(failed.stdout.contains("] 0/1 "), "{failed:?}");
    let left = screen(&failed.stdout);
    assert!(left[0].contains("error") && left[0].contains("migration 1.3.0 `bad` failed"), "{left:?}");
}

#[test]
fn no_bar_where_nobody_wants_it() {
    for (option, code) in [("--quiet", 0), ("--json", 0), ("--events", 0)] {
        let project = slow();
        let up = drawn(&project, &format!("up --to 1.2.0 {option}"));
        assert_eq!(up.code, code, "{up:?}");
        assert!(!up.stdout.contains('\u{1b}') && !up.stdout.contains("1/3"), "{option}: {up:?}");
    }
}
