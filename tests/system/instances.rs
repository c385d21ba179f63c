//! Programs that run while the schema changes below them: processes that register, are killed, and run under other clocks.

use std::process::Command;

use system_tests::Arena;
use system_tests::field::{Migrate, Running, until};
use system_tests::running::process;
use system_tests::sweep::ground::Ground;
use testkit::process::run;

const USERS: (&str, &str, &str, &str, &str) =
    ("1.0.0", "users", "CREATE TABLE users (id INTEGER)", "DROP TABLE users", "");

/// The older program's migrations, and those of one that needs 2.0.0.
fn programs() -> (Migrate, Migrate) {
    let contract = ("2.0.0", "contract", "DROP TABLE users", "", ", \"min_runtime_version\": \"2.0.0\"");
    (Migrate::new(&[USERS]), Migrate::new(&[USERS, contract]))
}

/// A program of version 1.0.0 that has registered.
fn running(older: &Migrate, url: &str) -> Running {
    let mut program = Running::start(&mut process(older.directory.path(), "1.0.0", url));
    program.until_it_says("registered");
    program
}

#[test]
fn a_run_goes_on_when_the_program_that_it_waits_for_is_killed() {
    let (older, newer) = programs();
    for arena in Arena::ALL {
        let ground = Ground::new(arena);
        let url = ground.url();
        older.succeed(&url, &["up"]);
        let program = running(&older, &url);
        assert_eq!(newer.run(&url, &["up"]).code, 75);
        let mut waiting = newer.start(&url, &["up", "--wait-for-fleet", "10m"]);
        waiting.until_it_says("2.0.0 contract waits for running programs: version 1.0.0 on host");
        program.signal("KILL");
        let _ = program.end();
        let output = waiting.end();
        assert_eq!(output.code, 0, "{arena:?}: {}", output.stderr);
        assert!(!ground.has_table("users"));
        let refused = Running::start(&mut process(older.directory.path(), "1.0.0", &url)).end();
        assert_eq!(refused.code, 2, "{arena:?}: {}", refused.stderr);
    }
}

#[test]
fn a_killed_run_keeps_no_program_from_starting() {
    let (older, newer) = programs();
    for arena in Arena::ALL {
        let ground = Ground::new(arena);
        let url = ground.url();
        older.succeed(&url, &["up"]);
        let program = running(&older, &url);
        let mut waiting = newer.start(&url, &["up", "--wait-for-fleet", "10m"]);
        waiting.until_it_says("waits for running programs");
        let refused = Running::start(&mut process(older.directory.path(), "1.0.0", &url)).end();
        assert_eq!(refused.code, 2, "{arena:?}: {}", refused.stderr);
        assert!(refused.stderr.contains("a run is about to apply what needs version 2.0.0"), "{}", refused.stderr);
        waiting.signal("KILL");
        let _ = waiting.end();
        // The server may need a moment to see that the run is gone.
        until("a program to start", || {
            let mut another = Running::start(&mut process(older.directory.path(), "1.0.0", &url));
            let registered = another.says_before_its_end("registered");
            if registered {
                another.signal("KILL");
            }
            let _ = another.end();
            registered
        });
        program.signal("KILL");
        let _ = program.end();
    }
}

#[test]
fn whether_a_program_lives_is_a_matter_of_the_databases_clock() {
    let (older, newer) = programs();
    let ground = Ground::new(Arena::Postgres);
    let url = ground.url();
    older.succeed(&url, &["up"]);
    // Not below `faketime`, which would be killed in place of the program.
    let library = run(Command::new("faketime").args(["-f", "+0", "printenv", "LD_PRELOAD"])).stdout;
    let under = |offset: &str, mut command: Command| {
        command.env("LD_PRELOAD", library.trim()).env("FAKETIME", offset);
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
        command
    };
    for offset in ["-3650d", "+3650d"] {
        let mut program = Running::start(&mut under(offset, process(older.directory.path(), "1.0.0", &url)));
        program.until_it_says("registered");
        for other in ["-3650d", "+0", "+3650d"] {
            let output = run(&mut under(other, newer.command(&url, &["up"])));
            assert_eq!(output.code, 75, "a program under {offset}, a run under {other}: {}", output.stderr);
        }
        program.signal("KILL");
        let _ = program.end();
        let dead = "SELECT count(*) FROM schema_migrations_v2_instances WHERE expires_at > clock_timestamp()";
        until("the killed program to expire", || ground.postgres().psql(dead) == "0");
    }
    newer.succeed(&url, &["up"]);
}
