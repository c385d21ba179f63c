//! `init`, `plan`, `list`, `pending`, `goto`, `wait`, `graph`, `completions`, `man`.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;

use migrate_runtime::{Event, Migrator, Sqlite};
use serde_json::json;
use testkit::migrations::Directory;
use testkit::postgres::Server;
use testkit::process;

use crate::events::Watched;
use crate::support::{Project, Shown, USERS_AND_POSTS, check_keys, snapshot};

/// A third migration, which depends on what fits and runs outside a transaction.
const INDEX: &str = r#"
--- v1.2.0_index/metadata.json
{"version": "1.2.0", "name": "index", "transaction": false, "dependencies": ["1.0.0", ">=1.0, <2"]}
--- v1.2.0_index/up.sql
CREATE INDEX posts_by_author ON posts (author);
--- v1.2.0_index/down.sql
DROP INDEX posts_by_author;
"#;

/// The keys of a step of a plan.
const STEP: [&str; 8] =
    ["version", "name", "direction", "transaction", "path", "last_execution_time_ms", "locks", "sql"];

fn three() -> Project {
    Project::new(&format!("{USERS_AND_POSTS}{INDEX}"))
}

#[test]
fn from_an_empty_folder_at_the_first_try() {
    let folder = Directory::new("");
    let run = |line: &str| {
        let mut command = Project::new("").without_url().command(line);
        Shown::new(line, process::run(command.current_dir(folder.path())))
    };
    let shown = ["init", "new add_users", "up", "status"].map(run);
    for (shown, next) in shown.iter().zip(["migrate new", "migrate up", "migrate status", "up to date"]) {
        assert_eq!(shown.output.code, 0, "{shown}");
        assert!(shown.output.stdout.contains(next), "{next}: {shown}");
    }
    let [init, new, up, status] = shown;
    snapshot!(init, new, up, status);
}

#[test]
fn init_overwrites_nothing() {
    let project = Project::new(USERS_AND_POSTS).without_url();
    project.write("migrate.toml", "dir = 'migrations_v2'\n");
    project.write(".gitignore", "target\n.env\n");
    snapshot!(project.migrate("init"), project.migrate("init --quiet"));
    assert_eq!(std::fs::read_to_string(project.path("migrate.toml")).unwrap(), "dir = 'migrations_v2'\n");
    assert_eq!(std::fs::read_to_string(project.path(".gitignore")).unwrap(), "target\n.env\n");
    project.remove("migrate.toml");
    let document = project.document("init --dir db/sets", 0, &["format", "outcome", "written", "kept"]);
    assert_eq!(document["written"], json!(["db/sets", "migrate.toml"]));
    assert_eq!(document["kept"], json!([".gitignore"]));
    assert_eq!(project.document("init", 0, &["format", "outcome", "written", "kept"])["outcome"], "unchanged");
    snapshot!(project.migrate("config show"));
}

#[test]
fn init_writes_the_database_that_is_named() {
    let config = |url: &str| {
        let project = Project::new("").without_url();
        let shown = project.migrate(&format!("init --database-url {url}"));
        let file = std::fs::read_to_string(project.path("migrate.toml")).unwrap_or_default();
        let profiles = file.split_once("[profiles.dev]").map(|(_, profiles)| profiles.to_owned()).unwrap_or_default();
        format!("{shown}{profiles}")
    };
    snapshot!(
        config("postgres://app@localhost/shop"),
        config("postgres://app:secret@localhost/shop"),
        config("mysql://localhost/shop"),
    );
    let project = Project::new("").without_url();
    project.write("migrate.toml", "");
    snapshot!(project.migrate("init --database-url sqlite:shop.db"));
}

#[test]
fn a_plan_shows_and_changes_nothing() {
    let project = three();
    snapshot!(project.migrate("plan"), project.migrate("plan --to 1.0.0 --sql"), project.migrate("pending"));
    assert!(!project.path("app.db").exists());
    project.done("up");
    snapshot!(
        project.migrate("plan"),
        project.migrate("plan --to 1.0.0"),
        project.migrate("plan --to 1.7.0"),
        project.migrate("plan --to 1.7"),
        project.migrate("pending"),
    );
    // What is shown is what runs: SQLite takes the whole of it.
    let sql = three().migrate("plan --sql").output.stdout;
    rusqlite::Connection::open_in_memory().unwrap().execute_batch(&sql).unwrap();
}

#[test]
fn goto_goes_both_ways_and_asks_on_the_way_down() {
    let project = three();
    snapshot!(
        project.migrate("goto 1.1.0"),
        project.migrate("goto 1.1.0"),
        project.migrate("goto 1.2.0 --dry-run"),
        project.migrate("goto 1.2.0"),
        project.migrate("goto 1.0.0"),
        project.migrate("goto 1.0.0 --dry-run"),
        project.migrate("goto 1.0.0 --yes"),
        project.migrate("goto 1.5.0"),
        project.migrate("goto 1.0"),
        project.migrate("goto 1.0 --json"),
    );
    assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 1);
    project.write("migrate.toml", "protected = true\n");
    // Going up destroys nothing.
    project.done("goto 1.2.0");
    assert_eq!(project.migrate("goto 1.0.0 --yes").output.code, 64);
    assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 3);
    project.done("goto 1.0.0 --confirm app.db");
    assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 1);
}

#[test]
fn the_set_needs_no_database() {
    let project = three().without_url();
    snapshot!(
        project.migrate("list"),
        project.migrate("graph"),
        project.migrate("graph --format dot"),
        project.migrate("graph --format mermaid"),
    );
    let document = project.document("list", 0, &["format", "digest", "migrations"]);
    let keys = ["version", "name", "description", "dependencies", "min_runtime_version", "transaction", "scripts"];
    check_keys(&document["migrations"][2], &keys);
    let document = project.document("graph", 0, &["format", "migrations"]);
    assert_eq!(
        document["migrations"][2],
        json!({"version": "1.2.0", "name": "index", "depends_on": ["1.0.0", "1.1.0"]})
    );
    project.write("migrations_v2/v1.1.0_posts/metadata.json", "{");
    assert_eq!(project.document("list", 65, &["format", "error"])["error"]["kind"], "directory");
}

#[test]
fn documents() {
    let project = three();
    let document = project.document("plan --sql", 0, &["format", "outcome", "steps"]);
    check_keys(&document["steps"][0], &STEP);
    assert_eq!(document["steps"][2]["transaction"], json!(false));
    assert_eq!(document["steps"][1]["path"], "migrations_v2/v1.1.0_posts/up.sql");
    let document = project.document("pending", 0, &["format", "database_version", "migrations"]);
    assert_eq!(document["migrations"][0]["state"], "pending");
    project.done("up");
    assert_eq!(project.document("plan", 0, &["format", "outcome", "steps"])["outcome"], "nothing_to_do");
    assert!(project.document("man up", 0, &["format", "text"])["text"].as_str().unwrap().contains(".TH"));
    project.document("completions bash", 0, &["format", "text"]);
}

#[test]
fn wait_for_a_server_that_never_comes() {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let project = three().with_url(format!("postgres://app:geheim@127.0.0.1:{port}/shop"));
    snapshot!(project.migrate("wait --timeout 3s"), project.migrate("wait --timeout 0s --json"));
    // What waiting does not mend is no reason to wait.
    assert_eq!(project.with_url("mysql://host/db").migrate("wait --timeout 1h").output.code, 78);
}

#[test]
fn wait_for_a_server_that_comes_back() {
    let server = Server::start();
    let database = server.database();
    let project = three().with_url(database.url());
    server.kill9();
    let mut waiting =
        project.command("wait --timeout 10m").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It says that it waits, so it has tried once.
    let mut stderr = std::io::BufReader::new(waiting.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stderr, &mut line).unwrap();
    assert!(line.starts_with("waiting: cannot connect to"), "{line}");
    server.restart();
    let output = waiting.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "the database answers: no migration is applied\n");
}

#[test]
fn wait_until_another_run_is_done() {
    let project = three();
    snapshot!(project.migrate("wait --until compatible --timeout 300ms"));
    let mut waiting = project
        .command("wait --until compatible --timeout 10m")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = std::io::BufReader::new(waiting.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stderr, &mut line).unwrap();
    assert_eq!(line, "waiting for another run: no migration is applied\n");
    project.done("up");
    assert_eq!(waiting.wait().unwrap().code(), Some(0));
}

#[test]
fn wait_until_no_run_is_at_work() {
    let project = three();
    snapshot!(project.migrate("wait --until idle --timeout 0s"));
    assert!(!project.path("app.db").exists(), "looking made a database");
    let options = migrate_core::source::LoadOptions::new("migrations_v2");
    let loaded = migrate_core::source::load(&project.path("migrations_v2"), &options);
    let (registry, _) = loaded.into_registry().expect("the directory has no errors");
    let (started, is_started) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let may_go_on = std::sync::Mutex::new(may_go_on);
    let run = Migrator::new(std::sync::Arc::new(registry)).actor("tester").observer(move |event: &Event<'_>| {
        if let Event::Started(_) = event {
            started.send(()).unwrap();
            let _ = may_go_on.lock().unwrap().recv();
        }
    });
    let mut database = Sqlite::file(project.path("app.db"));
    std::thread::scope(|scope| {
        let run = scope.spawn(move || run.up(&mut database).wait().unwrap());
        is_started.recv().unwrap();
        snapshot!(project.migrate("wait --until idle --timeout 0s"));
        project.document("wait --until idle --timeout 0s", 75, &["format", "error"]);
        let mut watched = Watched::start(&project, "wait --until idle --timeout 10m");
        let event = watched.until("waiting");
        assert!(
            event["message"].as_str().is_some_and(|it| it.starts_with("waiting: another run is at work")),
            "{event}"
        );
        assert_eq!((&event["holder"]["owner"], &event["holder"]["alive"]), (&json!("tester"), &json!(true)));
        let mut command = project.command("wait --until idle --timeout 10m");
        let mut waiting = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = std::io::BufReader::new(waiting.stderr.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut stderr, &mut line).unwrap();
        assert!(line.starts_with("waiting: another run is at work: "), "{line}");
        drop(go_on);
        run.join().unwrap();
        assert_eq!(waiting.wait().unwrap().code(), Some(0));
        let (code, document) = watched.end();
        assert_eq!((code, &document["holder"]), (Some(0), &json!(null)));
    });
    project.leave_a_ghost();
    project.document("wait --until idle --timeout 0s", 0, &["format", "holder"]);
}

#[test]
fn a_plan_says_how_long_a_step_took_and_what_it_locks() {
    let project = three();
    project.done("up");
    project.done("down --yes");
    snapshot!(project.migrate("plan"));
    let document = project.document("plan", 0, &["format", "outcome", "steps"]);
    assert!(document["steps"][0]["last_execution_time_ms"].is_u64(), "{document}");
    assert_eq!(document["steps"][0]["locks"], json!([]));
    let database = Server::shared().database();
    let project = three().with_url(database.url());
    project.write("migrations_v2/v1.3.0_more/metadata.json", r#"{"version": "1.3.0", "name": "more"}"#);
    project.write("migrations_v2/v1.3.0_more/up.sql", "ALTER TABLE users ADD COLUMN more TEXT;\nDROP TABLE posts;\n");
    snapshot!(project.migrate("plan"));
}

#[test]
fn a_picture_of_the_graph() {
    let project = three().without_url();
    let svg = project.migrate("graph --format svg").output.stdout;
    assert_eq!(svg.matches("<rect").count(), 3);
    assert_eq!(svg.matches("<path").count(), 2);
    snapshot!(svg);
}

#[test]
fn the_doctor_says_what_is_wrong() {
    let project = Project::new(USERS_AND_POSTS);
    snapshot!(project.migrate("doctor"));
    assert!(!project.path("app.db").exists(), "looking made a database");
    project.done("lock");
    project.done("up");
    snapshot!(project.migrate("doctor"));
    project.write("migrations_v2/v1.0.0_users/up.sql", "CREATE TABLE users (id INTEGER);\n");
    project.done("lock");
    project.remove("migrations_v2/v1.1.0_posts/down.sql");
    snapshot!(project.migrate("doctor"));
    let document = project.document("doctor", 70, &["format", "outcome", "symptoms"]);
    assert_eq!(document["outcome"], "unhealthy");
    check_keys(&document["symptoms"][0], &["severity", "about", "message", "help"]);
    project.done("lock");
    let document = project.document("doctor", 70, &["format", "outcome", "symptoms"]);
    let changed = document["symptoms"].as_array().unwrap().iter().find(|it| it["about"] == "database");
    assert_eq!(changed.expect("the database is incompatible")["severity"], "error");
    snapshot!(project.without_url().migrate("doctor"));
}

#[test]
fn the_doctor_says_what_repair_would() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("lock");
    project.done("up");
    project.leave_a_ghost();
    project.write(
        "migrations_v2/v1.0.0_users/up.sql",
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL); -- people\n",
    );
    project.remove("migrations_v2/v1.1.0_posts");
    project.done("lock");
    snapshot!(project.migrate("doctor"), project.migrate("repair"));
}

#[test]
fn completions_and_manual_pages() {
    let project = three();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let shown = project.migrate(&format!("completions {shell}"));
        assert!(shown.output.code == 0 && shown.output.stdout.contains("allow-out-of-order"), "{shown}");
    }
    // bash itself reads them.
    let script = project.migrate("completions bash").output.stdout;
    let mut bash = std::process::Command::new("bash");
    let checked = process::run_with_input(bash.args(["-n"]), &script);
    assert_eq!((checked.code, &*checked.stderr), (0, ""));
    let page = project.migrate("man");
    assert!(page.output.code == 0 && page.output.stdout.contains(".TH migrate 1"), "{page}");
    let page = project.migrate("man goto");
    assert!(page.output.stdout.contains(".TH migrate-goto 1"), "{page}");
    let page = project.migrate("man lock show");
    assert!(page.output.stdout.contains(".TH migrate-lock-show 1"), "{page}");
    assert_eq!(project.migrate("man lock nosuch").output.code, 64);
    project.write("migrate.toml", "broken");
    project.done("completions fish");
    assert_eq!(project.migrate("man nosuch").output.code, 64);
    assert_eq!(project.migrate("completions tcsh").output.code, 64);
}
