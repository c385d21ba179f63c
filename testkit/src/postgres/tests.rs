use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::database::statements;
use super::*;
use crate::process::run;

#[test]
fn shared_server_and_its_settings() {
    let database = Server::shared().database();
    for (name, value) in [
        ("fsync", "off"),
        ("autovacuum", "off"),
        ("timezone", "UTC"),
        ("max_connections", "300"),
        ("max_locks_per_transaction", "512"),
        ("server_encoding", "UTF8"),
        ("client_encoding", "UTF8"),
        ("listen_addresses", "127.0.0.1"),
    ] {
        assert_eq!(database.psql(&format!("SHOW {name}")), value, "{name}");
    }
    assert_eq!(database.psql("SELECT datcollate FROM pg_database WHERE datname = current_database()"), "C.UTF-8");
}

#[test]
fn all_ways_to_connect() {
    let server = Server::shared();
    let database = server.database();
    let port = server.port();
    assert_eq!(database.url(), format!("postgres://postgres@127.0.0.1:{port}/{}", database.name()));
    for target in [database.url(), database.socket_url(), database.conninfo()] {
        let sql = "SELECT current_database(), inet_server_addr() IS NULL";
        let output = run(server.tool("psql").args(["-XqAt", "-c", sql, "-d", &target]));
        let local = target != database.url();
        let expected = format!("{}|{}\n", database.name(), if local { "t" } else { "f" });
        assert_eq!((output.code, output.stdout), (0, expected), "{target}: {}", output.stderr);
    }
}

#[test]
fn scripts_and_their_failures() {
    let database = Server::shared().database();
    assert_eq!(database.psql("CREATE TABLE t (a int, b text);\nINSERT INTO t VALUES (1, 'ü'), (2, NULL);"), "");
    assert_eq!(database.psql("SELECT a, b FROM t ORDER BY a"), "1|ü\n2|");
    let error = database.try_psql("INSERT INTO t VALUES (3);\nSELECT 1/0;\nINSERT INTO t VALUES (4)").unwrap_err();
    assert!(error.contains("psql:<stdin>:2: ERROR:  division by zero"), "{error}");
    assert_eq!(database.psql("SELECT max(a) FROM t"), "3");
}

#[test]
fn dump_is_the_same_every_time() {
    let (one, two) = (Server::shared().database(), Server::shared().database());
    for database in [&one, &two] {
        database.psql("CREATE TABLE t (a int PRIMARY KEY)");
    }
    assert_eq!(one.dump(), two.dump());
    assert!(one.dump().contains("CREATE TABLE public.t ("));
    assert!(!one.dump().contains("Dumped") && !one.dump().contains("restrict"));
}

#[test]
fn dropped_database_is_gone_with_its_sessions() {
    let server = Server::shared();
    let database = server.database();
    let name = database.name().to_owned();
    let mut session = server.tool("psql");
    session.args(["-XqAt", "-d", &database.conninfo()]);
    let mut session = session
        .args(["-c", "SELECT 'here'", "-c", "SELECT pg_sleep(60)"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(session.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "here\n");
    drop(database);
    assert_eq!(server.psql(&format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'")), "0");
    assert!(!session.wait().unwrap().success());
}

#[test]
fn passwords_over_tcp() {
    let server = Server::start_with_passwords(&[]);
    server.role("o\"dd", "s'e/c ret");
    let database = server.database();
    let connect = |url: &str| run(server.tool("psql").args(["-XqAtw", "-c", "SELECT current_user", "-d", url]));
    assert_eq!(connect(&database.url_as("o\"dd", "s'e/c ret")).stdout, "o\"dd\n");
    let wrong = connect(&database.url_as("o\"dd", "wrong"));
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("password authentication failed"), "{}", wrong.stderr);
    assert_eq!(connect(&database.url()).code, 2);
}

#[test]
fn logged_statements_of_one_database() {
    let (database, other) = (Server::shared().database(), Server::shared().database());
    database.psql("SELECT 'before'");
    database.log_statements();
    other.log_statements();
    other.psql("SELECT 'other'");
    database.psql("SELECT\n\t'a|b';\nSELECT 2;\nDO $$BEGIN RAISE LOG 'statement:\n\tnot ours'; END$$");
    // The last one is a message of the server that looks like a statement: the text after `LOG:  ` is the caller's.
    assert_eq!(database.logged_messages()[..2], ["statement: SELECT\n\t'a|b';", "statement: SELECT 2;"]);
    assert!(other.logged_messages() == ["statement: SELECT 'other'"]);
}

#[test]
fn log_records() {
    let log = "\
|1|LOG:  starting
a|2|LOG:  statement: SELECT 1
b|3|LOG:  statement: SELECT 'b'
\t, 'more of b'
a|2|LOG:  execute <unnamed>: SELECT
\t\t$1
\t-- end
a|2|DETAIL:  parameters: $1 = '1'
\tstill the detail
a|2|ERROR:  statement: no
aa|4|LOG:  statement: SELECT 'aa'
a|2|LOG:  execute s0: COMMIT
";
    let expected = ["statement: SELECT 1", "execute <unnamed>: SELECT\n\t$1\n-- end", "execute s0: COMMIT"];
    assert_eq!(statements(log, "a"), expected);
}

#[test]
fn settings_of_its_own() {
    let server = Server::start_with(&[("log_statement", "all"), ("application_name", r"it's a \ b"), ("fsync", "on")]);
    let database = server.database();
    assert_eq!(database.psql("SHOW fsync"), "on");
    assert_eq!(database.logged_messages(), ["statement: SHOW fsync"]);
    assert!(server.log().contains("database system is ready to accept connections"));
    let value = "SELECT boot_val = '' AND reset_val <> '' FROM pg_settings WHERE name = 'application_name'";
    assert_eq!(server.psql(value), "t");
}

#[test]
#[should_panic(expected = "unrecognized configuration parameter \"no_such_setting\"")]
fn server_that_does_not_start_shows_its_log() {
    Server::start_with(&[("no_such_setting", "1")]);
}

#[test]
fn stopped_server_is_gone() {
    let server = Server::start();
    let (folder, pid) = (server.socket_folder().to_owned(), postmaster(&server));
    let database = server.database();
    server.stop();
    assert!(!folder.exists());
    assert!(!running(&pid));
    assert!(database.try_psql("SELECT 1").is_err());
}

#[test]
fn killed_server_recovers() {
    let server = Server::start();
    let database = server.database();
    database.psql("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    let pid = postmaster(&server);
    server.kill9();
    assert!(!running(&pid));
    assert!(database.try_psql("SELECT 1").is_err());
    server.restart();
    assert_eq!(database.psql("SELECT a FROM t"), "1");
    assert!(server.log().contains("database system was not properly shut down"));
    server.restart();
    assert_eq!(database.psql("SELECT a FROM t"), "1");
}

const MAY_DIE: &str = "TESTKIT_MAY_DIE";

/// The test process is this program once more, running the test below, which dies by SIGKILL while a program that it
/// started lives on.
#[test]
fn killed_test_process_leaves_nothing() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "postgres::tests::dies_by_sigkill", "--ignored", "--nocapture"])
        .env_remove(BASE_VARIABLE)
        .env(MAY_DIE, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut next = |key: &str| lines.find_map(|line| line.split_once(key).map(|(_, value)| value.to_owned())).unwrap();
    let folder = PathBuf::from(next("folder="));
    let (pid, grandchild) = (next("postmaster="), next("grandchild="));
    assert_eq!(child.wait().unwrap().code(), None, "it was killed");

    let start = Instant::now();
    while folder.exists() {
        assert!(start.elapsed() < Duration::from_secs(20), "the server outlives its process");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!running(&pid));
    assert!(running(&grandchild), "the grandchild ended first: nothing was shown");
    run(Command::new("kill").arg(grandchild));
}

#[test]
#[ignore = "run by `killed_test_process_leaves_nothing`, in a process of its own"]
#[expect(clippy::zombie_processes, reason = "the program must outlive this one")]
fn dies_by_sigkill() {
    // `--include-ignored` is not meant to kill the other tests.
    if std::env::var_os(MAY_DIE).is_none() {
        return;
    }
    let server = Server::shared();
    let grandchild = Command::new("sleep").arg("60").stdout(Stdio::null()).spawn().unwrap();
    let (folder, pid) = (server.socket_folder().display(), postmaster(server));
    let report = format!("\nfolder={folder}\npostmaster={pid}\ngrandchild={}\n", grandchild.id());
    std::io::Write::write_all(&mut std::io::stdout(), report.as_bytes()).unwrap();
    run(Command::new("kill").args(["-9", &std::process::id().to_string()]));
    panic!("still alive");
}

fn postmaster(server: &Server) -> String {
    let file = std::fs::read_to_string(server.socket_folder().join("data/postmaster.pid")).unwrap();
    file.lines().next().unwrap().to_owned()
}

/// Whether there is such a process; a zombie that nobody has collected yet is none.
fn running(pid: &str) -> bool {
    let output = run(Command::new("ps").args(["-o", "stat=", "-p", pid]));
    !output.stdout.trim().is_empty() && !output.stdout.starts_with('Z')
}
