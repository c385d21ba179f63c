//! The server from outside: processes, HTTP, exit codes, on both databases.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod database;
mod http;
mod migrations;
mod server;

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;

use migrate_runtime::{AnyDatabase, Event, Migrator, Registry, embed_migrations};
use serde_json::{Value, json};
use testkit::process::{Output, run};

use crate::database::Database;
use crate::http::Answer;
use crate::server::{Server, program};

const UP_TO_DATE: &str = "schema is up to date at 1.7.0";

/// A row that a newer server would leave: unknown to this one, and not for it.
const FROM_THE_FUTURE: &str = "INSERT INTO schema_migrations_v2
    (version, name, checksum, applied_at, runtime_version, execution_time_ms, status, min_runtime_version, dependencies,
     kind, up_sql, registry_digest, transactional, foreign_keys_off)
    SELECT '9.0.0', 'from_the_future', checksum, applied_at, '99.0.0', 1, status, '99.0.0', dependencies,
     kind, up_sql, registry_digest, transactional, foreign_keys_off FROM schema_migrations_v2 WHERE version = '1.7.0'";

/// Makes a test on each database of a function that takes one.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite { $(#[test] fn $name() { super::$name(&crate::Database::sqlite()); })* }
        mod postgres { $(#[test] fn $name() { super::$name(&crate::Database::postgres()); })* }
    };
}

on_both!(
    migrates_at_the_first_start_only,
    starts_several_at_once,
    keeps_users_and_deposits,
    books_deposits_that_come_together,
    refuses_wrong_requests,
    tells_whether_it_is_ready,
    a_start_does_not_wait_for_ever,
    is_ready_while_another_program_writes,
    refuses_a_database_of_a_newer_program,
    ends_in_order_when_told,
    has_the_migrate_commands,
    keeps_what_refers_to_users_on_the_way_down_and_up,
);

fn migrates_at_the_first_start_only(database: &Database) {
    let first = Server::start(&database.url());
    let (steps, last) = first.lines.split_at(8);
    for (index, step) in steps.iter().enumerate() {
        assert!(step.starts_with(&format!("applied 1.{index}.0 ")) && step.ends_with(" ms)"), "{step}");
    }
    assert_eq!(last, ["schema was brought to 1.7.0"]);
    drop(first);
    assert_eq!(Server::start(&database.url()).lines, [UP_TO_DATE]);
}

fn starts_several_at_once(database: &Database) {
    let url = database.url();
    let start = || Server::start(&url);
    let servers = thread::scope(|scope| [(); 3].map(|()| scope.spawn(start)).map(|it| it.join().unwrap()));
    let applied: usize =
        servers.iter().map(|server| server.lines.iter().filter(|line| line.starts_with("applied ")).count()).sum();
    assert_eq!(applied, 8);
    for server in &servers {
        assert_eq!(server.get("/ready").status, 200);
    }
}

fn keeps_users_and_deposits(database: &Database) {
    let server = Server::start(&database.url());
    let created = server.post("/users", r#"{"email": "ada@example.org", "name": "Ada"}"#);
    assert_eq!(created, Answer { status: 201, body: json!({"id": 1}) });
    let fresh = json!({"id": 1, "email": "ada@example.org", "name": "Ada", "wallets": []});
    assert_eq!(server.get("/users/1"), Answer { status: 200, body: fresh });

    for (amount, currency, balance, number) in [(1250, "EUR", 1250, 1), (1, "USD", 1, 2), (50, "EUR", 1300, 3)] {
        let body = json!({"amount_minor": amount, "currency": currency}).to_string();
        let receipt = json!({"transaction_id": number, "balance_minor": balance});
        assert_eq!(server.post("/users/1/deposits", &body), Answer { status: 201, body: receipt });
    }
    drop(server);

    let wallets = Server::start(&database.url()).get("/users/1").body["wallets"].take();
    assert_eq!(wallets, json!([{"currency": "EUR", "balance_minor": 1300}, {"currency": "USD", "balance_minor": 1}]));
    assert_eq!(database.number("SELECT count(*) FROM transactions"), 3);
    assert_eq!(database.number("SELECT count(*) FROM outbox WHERE topic = 'deposit' AND sent_at IS NULL"), 3);
}

fn books_deposits_that_come_together(database: &Database) {
    let server = Server::start(&database.url());
    server.post("/users", r#"{"email": "ada@example.org", "name": "Ada"}"#);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| server.post("/users/1/deposits", r#"{"amount_minor": 5, "currency": "EUR"}"#));
        }
    });
    assert_eq!(server.get("/users/1").body["wallets"][0]["balance_minor"], 40);
    assert_eq!(database.number("SELECT CAST(sum(amount_minor) AS BIGINT) FROM transactions"), 40);
}

fn refuses_wrong_requests(database: &Database) {
    let server = Server::start(&database.url());
    server.post("/users", r#"{"email": "ada@example.org", "name": "Ada"}"#);
    let most = r#"{"amount_minor": 1000000000000000, "currency": "EUR"}"#;
    assert_eq!(server.post("/users/1/deposits", most).status, 201);

    let one = r#"{"amount_minor": 1, "currency": "EUR"}"#;
    #[rustfmt::skip]
    let rows = [
        ("POST", "/users", "{", 400, "invalid_body"),
        ("POST", "/users", r#"{"email": "a@b"}"#, 422, "invalid_body"),
        ("POST", "/users", r#"{"email": "nobody", "name": "N"}"#, 422, "invalid_input"),
        ("POST", "/users", r#"{"email": "ada@example.org", "name": "Again"}"#, 409, "email_taken"),
        ("POST", "/users/1/deposits", r#"{"amount_minor": 0, "currency": "EUR"}"#, 422, "invalid_input"),
        ("POST", "/users/1/deposits", r#"{"amount_minor": 1.5, "currency": "EUR"}"#, 422, "invalid_body"),
        ("POST", "/users/1/deposits", r#"{"amount_minor": 1, "currency": "euro"}"#, 422, "invalid_input"),
        ("POST", "/users/1/deposits", one, 422, "balance_too_large"),
        ("POST", "/users/7/deposits", one, 404, "no_such_user"),
        ("GET", "/users/7", "", 404, "no_such_user"),
        ("GET", "/users/ada", "", 400, "invalid_path"),
        ("GET", "/nothing", "", 404, "no_route"),
        ("DELETE", "/users/1", "", 405, "wrong_method"),
    ];
    for (method, path, body, status, code) in rows {
        let answer = server.request(method, path, body);
        assert_eq!((answer.status, &answer.body["error"]["code"]), (status, &json!(code)), "{method} {path} {body}");
        assert!(answer.body["error"]["message"].is_string());
    }
    assert_eq!(database.number("SELECT count(*) FROM transactions"), 1);
    assert_eq!(database.number("SELECT count(*) FROM outbox"), 1);
}

fn tells_whether_it_is_ready(database: &Database) {
    let server = Server::start(&database.url());
    assert_eq!(server.get("/live"), Answer { status: 200, body: Value::Null });
    let ready = json!({
        "verdict": "compatible", "database_version": "1.7.0", "runtime_version": env!("CARGO_PKG_VERSION"),
        "migrating": false, "reasons": []
    });
    assert_eq!(server.get("/ready"), Answer { status: 200, body: ready });

    database.execute("DELETE FROM schema_migrations_v2 WHERE version = '1.7.0'");
    let behind = server.get("/ready");
    assert_eq!((behind.status, &behind.body["verdict"]), (503, &json!("needs_migration")));
    assert_eq!(behind.body["reasons"][0]["code"], "pending");
    assert_eq!(behind.body["reasons"][0]["version"], "1.7.0");
    assert_eq!(server.get("/live").status, 200);
}

fn a_start_does_not_wait_for_ever(database: &Database) {
    let server = Server::start(&database.url());
    // The server needs what this undoes.
    let down = |more: &[&str]| run(program(&database.url()).args(["migrate", "down", "--yes"]).args(more)).code;
    assert_eq!((down(&[]), down(&["--ignore-instances"])), (75, 0));
    while_a_run_is_at_work(database, || {
        let ready = server.get("/ready");
        assert_eq!((ready.status, &ready.body["migrating"]), (503, &json!(true)));
        let Output { code, stderr, .. } = run(program(&database.url()).env("WAIT_SECONDS", "1"));
        assert_eq!(code, 75, "{stderr}");
        let waits = "waiting for the run of somebody on host";
        assert!(stderr.contains(waits) && stderr.contains("gave up after 1s"), "{stderr}");
    });
    let ready = server.get("/ready");
    assert_eq!((ready.status, &ready.body["migrating"]), (200, &json!(false)));
    assert_eq!(Server::start(&database.url()).lines, [UP_TO_DATE]);
}

/// Runs `body` while a run holds the lock and has not begun its first step.
fn while_a_run_is_at_work(database: &Database, body: impl FnOnce()) {
    static MIGRATIONS: Registry = embed_migrations!("../../migrations_v2");
    let (began, begins) = channel();
    let (go_on, goes_on) = channel::<()>();
    let goes_on = Mutex::new(goes_on);
    let migrator = Migrator::new(&MIGRATIONS).actor("somebody").observer(move |event: &Event<'_>| {
        if let Event::Started(_) = event {
            began.send(()).unwrap();
            // Ends also when the test fails and drops its end.
            let _ = goes_on.lock().unwrap().recv();
        }
    });
    let mut database = AnyDatabase::from_url(&database.url()).unwrap();
    thread::scope(|scope| {
        let run = scope.spawn(move || migrator.up(&mut database).wait().unwrap());
        begins.recv().unwrap();
        body();
        drop(go_on);
        assert_eq!(run.join().unwrap().steps.len(), 1);
    });
}

fn is_ready_while_another_program_writes(database: &Database) {
    let server = Server::start(&database.url());
    let writer = database.writer();
    assert_eq!(server.get("/ready").status, 200);
    drop(writer);
}

fn refuses_a_database_of_a_newer_program(database: &Database) {
    let server = Server::start(&database.url());
    database.execute(FROM_THE_FUTURE);
    let answer = server.get("/ready");
    assert_eq!((answer.status, &answer.body["verdict"]), (503, &json!("incompatible")));
    let reasons = answer.body["reasons"].as_array().unwrap();
    assert!(reasons.iter().any(|reason| reason["code"] == "needs_newer_runtime"), "{reasons:?}");

    let Output { code, stdout, stderr } = run(&mut program(&database.url()));
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.contains("99.0.0") && stderr.contains("\nhint: "), "{stderr}");
}

fn ends_in_order_when_told(database: &Database) {
    for signal in ["-TERM", "-INT"] {
        assert_eq!(Server::start(&database.url()).stop(signal), (Some(0), "stopped\n".to_owned()));
    }
}

fn has_the_migrate_commands(database: &Database) {
    let migrate = |verb: &str| run(program(&database.url()).args(["migrate", verb]));
    let check = migrate("check");
    assert_eq!(check.code, 1);
    assert!(check.stdout.contains("`wallet-server migrate up`"), "{}", check.stdout);
    let help = run(program(&database.url()).args(["migrate", "up", "--help"]));
    assert!(help.stdout.contains("\n  wallet-server migrate up --to 1.2.0"), "{}", help.stdout);
    assert_eq!(migrate("up").code, 0);
    assert_eq!(migrate("check").code, 0);
    assert_eq!(Server::start(&database.url()).lines, [UP_TO_DATE]);
    let Output { code, stdout, .. } = migrate("status");
    assert_eq!(code, 0);
    assert!(stdout.contains("transactions_by_wallet"), "{stdout}");
}

fn keeps_what_refers_to_users_on_the_way_down_and_up(database: &Database) {
    let server = Server::start(&database.url());
    server.post("/users", r#"{"email": "ada@example.org", "name": "Ada"}"#);
    server.post("/users/1/deposits", r#"{"amount_minor": 7, "currency": "EUR"}"#);
    drop(server);
    database.execute("INSERT INTO user_preferences (user_id, name, value) VALUES (1, 'theme', 'dark')");

    // Back to before 1.5.0, which fills the balances, and 1.6.0, which builds the table of users anew on SQLite.
    // The server was killed, and counts as running for a while.
    let line = ["migrate", "down", "--to", "1.4.0", "--yes", "--ignore-instances"];
    let down = run(program(&database.url()).args(line));
    assert_eq!(down.code, 0, "{}", down.stderr);
    let rest = Server::start(&database.url());
    assert_eq!(rest.lines.len(), 4, "{:?}", rest.lines);
    assert_eq!(rest.get("/users/1").body["wallets"], json!([{"currency": "EUR", "balance_minor": 7}]));
    assert_eq!(database.number("SELECT count(*) FROM user_preferences WHERE user_id = 1"), 1);
}

#[test]
fn tells_an_unreachable_database_from_a_wrong_command_line() {
    for (url, code) in
        [("postgres://nobody@127.0.0.1:1/nothing", 69), ("sqlite:/no/such/directory/wallet.db", 69), ("wallet.db", 78)]
    {
        let output = run(&mut program(url));
        assert_eq!(output.code, code, "{url}: {}", output.stderr);
        assert!(output.stderr.starts_with("error: "), "{}", output.stderr);
    }
    assert_eq!(run(program("sqlite:unused.db").arg("srve")).code, 64);
    assert_eq!(run(program("sqlite:unused.db").arg("--help")).code, 0);
}
