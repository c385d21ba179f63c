//! `--events`: lines of JSON while something goes on, and the document as the last one.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::{Value, json};
use testkit::postgres::Server;

use crate::schemas;
use crate::support::{BROKEN, Project, USERS_AND_POSTS, check_keys};

/// A third migration, which runs outside a transaction.
const INDEX: &str = r#"
--- v1.2.0_index/metadata.json
{"version": "1.2.0", "name": "index", "transaction": false}
--- v1.2.0_index/up.sql
CREATE INDEX posts_by_author ON posts (author);
--- v1.2.0_index/up.postgres.sql
CREATE INDEX CONCURRENTLY posts_by_author ON posts (author);
--- v1.2.0_index/down.sql
DROP INDEX posts_by_author;
"#;

/// A third migration that needs a lock on a table.
const COLUMN: &str = r#"
--- v1.2.0_column/metadata.json
{"version": "1.2.0", "name": "column"}
--- v1.2.0_column/up.sql
ALTER TABLE posts ADD COLUMN title text;
--- v1.2.0_column/down.sql
ALTER TABLE posts DROP COLUMN title;
"#;

/// Runs it to its end: the events, and the document.
#[track_caller]
fn events(project: &Project, line: &str, code: i32) -> (Vec<Value>, Value) {
    let shown = project.migrate(&format!("{line} --events"));
    assert_eq!(shown.output.code, code, "{shown}");
    let parsed = shown.output.stdout.lines().map(|line| serde_json::from_str(line).expect("a line is JSON"));
    let mut lines: Vec<Value> = parsed.collect();
    let document = lines.pop().expect("there is a document");
    assert_eq!(document["event"], json!(null), "{shown}");
    (lines, document)
}

/// The word of each event, and the version that it is about.
fn words(events: &[Value]) -> Vec<String> {
    let word = |event: &Value| {
        let [word, version] = ["event", "version"].map(|key| event[key].as_str().unwrap_or_default().to_owned());
        format!("{word} {version}").trim_end().to_owned()
    };
    events.iter().map(word).collect()
}

/// A command whose events are read while it runs.
pub(crate) struct Watched {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watched {
    pub(crate) fn start(project: &Project, line: &str) -> Self {
        let mut command = project.command(&format!("{line} --events"));
        command.stdout(Stdio::piped()).stderr(Stdio::null()).stdin(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
        Self { child, lines }
    }

    fn next(&mut self) -> Value {
        let line = self.lines.next().expect("the document comes after the event that is waited for");
        serde_json::from_str(&line.expect("a pipe can be read")).expect("a line is JSON")
    }

    /// The next event of this name.
    pub(crate) fn until(&mut self, name: &str) -> Value {
        loop {
            let event = self.next();
            assert_ne!(event["event"], json!(null), "no {name} before the end: {event}");
            schemas::check_event(&event);
            if event["event"] == name {
                return event;
            }
        }
    }

    /// The exit code and the document.
    pub(crate) fn end(mut self) -> (Option<i32>, Value) {
        let last = self.lines.by_ref().last().expect("there is a document").expect("a pipe can be read");
        let status = self.child.wait().expect("the program is ours");
        (status.code(), serde_json::from_str(&last).expect("a line is JSON"))
    }
}

#[test]
fn a_run_tells_its_steps() {
    let project = Project::new(&format!("{USERS_AND_POSTS}{INDEX}"));
    let (lines, document) = events(&project, "up", 0);
    let expected = ["started", "step_ended 1.0.0", "step_ended 1.1.0", "step_started 1.2.0", "step_ended 1.2.0"];
    assert_eq!(words(&lines), expected);
    assert_eq!(lines[0]["steps"][1], json!({"version": "1.1.0", "name": "posts", "direction": "up"}));
    check_keys(&lines[0], &["format", "elapsed_ms", "event", "steps", "changes"]);
    // The events say of a step what the document says.
    let mut step = lines[1].clone();
    for key in ["format", "elapsed_ms", "event"] {
        step.as_object_mut().unwrap().remove(key).unwrap_or_else(|| panic!("{key} is missing"));
    }
    assert_eq!((&step, &document["outcome"]), (&document["steps"][0], &json!("done")));
    let times: Vec<u64> = lines.iter().map(|line| line["elapsed_ms"].as_u64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");

    let (lines, document) = events(&project, "redo --yes --quiet", 0);
    assert_eq!(words(&lines).len(), 5, "{lines:?}");
    assert_eq!(document["outcome"], "done");
    let (lines, document) = events(&project, "up", 0);
    assert_eq!((lines.len(), &document["outcome"]), (0, &json!("nothing_to_do")));
    let (lines, _) = events(&project, "force 1.2.0 --not-applied --reason x --yes", 0);
    assert_eq!(words(&lines), ["started"]);
    assert_eq!(lines[0]["changes"], json!([{"version": "1.2.0", "name": "index", "change": "forget"}]));
}

#[test]
fn a_run_that_fails() {
    let project = Project::new(&format!("{USERS_AND_POSTS}{BROKEN}"));
    let (lines, document) = events(&project, "up", 70);
    assert_eq!(words(&lines), ["started", "step_ended 1.0.0", "step_ended 1.1.0", "step_ended 1.2.0"]);
    assert_eq!(lines[3]["outcome"], "failed");
    assert_eq!((&document["outcome"], &document["error"]["kind"]), (&json!("failed"), &json!("migration")));
}

#[test]
fn what_does_not_run_prints_its_document() {
    let project = Project::new(USERS_AND_POSTS);
    for (line, code) in
        [("status", 0), ("check", 1), ("up --to 1.0", 64), ("down", 64), ("chek", 64), ("list --json", 0)]
    {
        let (lines, document) = events(&project, line, code);
        assert_eq!((lines.len(), &document["format"]), (0, &json!(1)), "{line}");
    }
    let (lines, document) = events(&project, "wait --until compatible --timeout 300ms", 1);
    assert_eq!(words(&lines), ["waiting"]);
    assert_eq!((&lines[0]["holder"], &document["verdict"]), (&json!(null), &json!("needs_migration")));
}

#[test]
fn who_blocks_a_step_and_whom_others_wait_for() {
    let server = Server::shared();
    let database = server.database();
    let project = Project::new(&format!("{USERS_AND_POSTS}{COLUMN}")).with_url(database.url());
    project.done("up --to 1.1.0");
    let mut blocker = server.session(&database.url());
    blocker.run("BEGIN; SET application_name = 'shop'; SELECT * FROM posts");
    let mut run = Watched::start(&project, "up --lock-timeout 1s --max-retries 100");
    let event = run.until("retrying");
    check_keys(&event, &["format", "elapsed_ms", "event", "version", "name", "direction", "error"]);
    assert_eq!((&event["version"], &event["error"]["code"]), (&json!("1.2.0"), &json!("55P03")));
    let found = &event["error"]["blockers"][0];
    check_keys(found, &["process", "application", "state", "transaction_seconds", "query"]);
    assert_eq!((&found["application"], &found["state"]), (&json!("shop"), &json!("idle in transaction")));

    let (lines, document) = events(&project, "up --wait-lock 50ms", 75);
    assert_eq!((words(&lines), &document["error"]["kind"]), (vec!["waiting".to_owned()], &json!("lock_busy")));
    check_keys(&lines[0], &["format", "elapsed_ms", "event", "message", "holder", "instances"]);
    let holder = &lines[0]["holder"];
    check_keys(holder, &["owner", "host", "process", "acquired_at", "expires_at", "alive"]);
    assert_eq!((&holder["process"], &holder["alive"]), (&json!(run.child.id()), &json!(true)));

    blocker.run("COMMIT");
    let (code, document) = run.end();
    assert_eq!((code, &document["outcome"]), (Some(0), &json!("done")));
}

#[test]
fn how_far_an_index_is() {
    let server = Server::shared();
    let database = server.database();
    let project = Project::new(&format!("{USERS_AND_POSTS}{INDEX}")).with_url(database.url());
    project.done("up --to 1.1.0");
    // Keeps the build waiting.
    let mut writer = server.session(&database.url());
    writer.run("BEGIN; LOCK TABLE posts IN ROW EXCLUSIVE MODE");
    let mut run = Watched::start(&project, "up");
    run.until("step_started");
    let event = run.until("progress");
    check_keys(&event, &["format", "elapsed_ms", "event", "version", "name", "phase", "done", "total"]);
    assert_eq!((&event["version"], &event["name"]), (&json!("1.2.0"), &json!("index")));
    assert!(event["phase"].as_str().unwrap().contains("wait"), "{event}");
    writer.run("COMMIT");
    let (code, document) = run.end();
    assert_eq!((code, &document["outcome"]), (Some(0), &json!("done")));
}
