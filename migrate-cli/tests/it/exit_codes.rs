//! Every way to end, and a command that ends so.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use migrate_cli::Exit;
use testkit::postgres::Server;

use crate::support::{BROKEN, Project, USERS_AND_POSTS};

fn project() -> Project {
    Project::new(USERS_AND_POSTS)
}

fn applied() -> Project {
    let project = project();
    project.done("up");
    project
}

fn changed() -> Project {
    let project = applied();
    project.write("migrations_v2/v1.1.0_posts/up.sql", "CREATE TABLE posts (id INTEGER PRIMARY KEY);\n");
    project
}

fn without_an_answer() -> Project {
    // Bound and dropped: nobody listens there.
    let port =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr()).expect("a port is free").port();
    project().with_url(format!("postgres://app@127.0.0.1:{port}/shop"))
}

fn with_an_error() -> Project {
    let project = project();
    project.write("migrations_v2/v1.1.0_posts/metadata.json", "{");
    project
}

/// A run on another host, whose lease has not ended, holds the lock.
fn locked() -> Project {
    let project = project().with_database(Server::shared().database());
    project.done("up --to 1.0.0");
    project.psql(
        "UPDATE schema_migrations_v2_state SET lock_owner = 'other', lock_host = 'elsewhere', lock_process = 1,
            lock_acquired_at = now(), lock_expires_at = now() + interval '1 hour'",
    );
    project
}

/// A project, a command in it, and how it ends.
type Case = (fn() -> Project, &'static str, Exit);

const CASES: [Case; 28] = [
    (project, "up", Exit::Done),
    (project, "status", Exit::Done),
    (project, "--help", Exit::Done),
    (project, "--version", Exit::Done),
    (applied, "check", Exit::Done),
    (project, "check", Exit::NeedsMigration),
    (project, "wait --until compatible --timeout 0s", Exit::NeedsMigration),
    (changed, "check", Exit::Incompatible),
    (changed, "up", Exit::Incompatible),
    (changed, "status", Exit::Done),
    (project, "", Exit::Usage),
    (project, "chek", Exit::Usage),
    (applied, "down", Exit::Usage),
    (applied, "up --to 9.0.0", Exit::Usage),
    (applied, "down --yes --confirm other", Exit::Usage),
    (with_an_error, "validate", Exit::Directory),
    (with_an_error, "check", Exit::Directory),
    (project, "lock --check", Exit::Directory),
    (without_an_answer, "check", Exit::Unreachable),
    (without_an_answer, "up", Exit::Unreachable),
    (|| project().with_url("sqlite:nowhere/app.db"), "up", Exit::Unreachable),
    (|| Project::new(&format!("{USERS_AND_POSTS}{BROKEN}")), "up", Exit::Failed),
    (changed, "doctor", Exit::Failed),
    (locked, "up --wait-lock 50ms", Exit::LockBusy),
    (locked, "lock release --yes", Exit::LockBusy),
    (|| project().without_url(), "check", Exit::Configuration),
    (|| project().with_url("mysql://host/shop"), "check", Exit::Configuration),
    (project, "check --profile nosuch", Exit::Configuration),
];

#[test]
fn every_exit_code_and_a_command_that_ends_so() {
    for (project, line, exit) in CASES {
        let project = project();
        let asked_for_json = format!("{line} --json");
        for line in [line, &asked_for_json] {
            let shown = project.migrate(line);
            assert_eq!(shown.output.code, i32::from(exit.code()), "{shown}");
        }
    }
    let shown: BTreeSet<Exit> = CASES.iter().map(|(_, _, exit)| *exit).collect();
    assert_eq!(shown, BTreeSet::from(Exit::ALL.map(|(exit, _)| exit)));
}

/// Outside a run a signal ends the process, which a shell says as 130 or 143. What it does in a run is a test of the whole.
#[test]
fn signals_outside_a_run() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let project = project();
        let mut command = project.command("wait --until compatible --timeout 10m");
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut said = String::new();
        let stderr = child.stderr.take().expect("its standard error is a pipe");
        BufReader::new(stderr).read_line(&mut said).expect("a pipe can be read");
        assert!(said.starts_with("waiting"), "{said}");
        let kill = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(kill.expect("kill can be run").success());
        let status = child.wait().expect("the program is ours");
        assert_eq!(status.signal().map(|signal| 128 + signal), Some(code), "{status}");
    }
}
