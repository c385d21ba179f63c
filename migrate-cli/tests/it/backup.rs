//! `backup`, `restore`, and backups before runs.

use serde_json::Value;

use crate::support::{Project, USERS_AND_POSTS};

/// With one migration applied and a row.
fn project() -> Project {
    let project = Project::new(USERS_AND_POSTS);
    with_backups(&project, "up --to 1.0.0");
    project.sqlite().execute_batch("INSERT INTO users (name) VALUES ('a')").expect("a row can be added");
    project
}

/// Runs a line with backups before runs, which the other tests go without.
fn with_backups(project: &Project, line: &str) -> testkit::process::Output {
    let mut command = project.command(line);
    command.env_remove("BACKUP_ENABLED");
    testkit::process::run(&mut command)
}

fn json(project: &Project, line: &str) -> Value {
    let output = with_backups(project, line);
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", output.stdout, output.stderr))
}

#[test]
fn there_and_back() {
    let project = project();
    let created = json(&project, "backup create --json");
    let id = created["backup"]["id"].as_str().unwrap();
    assert_eq!(created["backup"]["contents"], "full");
    assert_eq!(created["backup"]["ledger_head"], "1.0.0");
    assert!(std::fs::exists(created["backup"]["path"].as_str().unwrap()).unwrap());
    let listed = json(&project, "backup list --json");
    assert_eq!(listed["backups"][0]["id"], id);
    let text = with_backups(&project, "backup list").stdout;
    let lines: Vec<Vec<&str>> =
        text.lines().map(|line| line.split("  ").filter(|it| !it.is_empty()).collect()).collect();
    assert_eq!(lines[0].iter().map(|it| it.trim()).collect::<Vec<_>>(), ["id", "contents", "size", "at", "why", "of"]);
    assert_eq!((lines[1][0], lines[1][1].trim(), lines[1][3].trim()), (id, "full", "1.0.0"), "{text}");
    let verified = json(&project, "backup verify latest --deep --json");
    assert_eq!(verified["checks"].as_array().unwrap().len(), 4);
    project.sqlite().execute_batch("DELETE FROM users").unwrap();
    let dry = with_backups(&project, "restore latest --dry-run");
    assert!(dry.stdout.ends_with("dry run: it can be restored, nothing was changed\n"), "{}{}", dry.stdout, dry.stderr);
    assert_eq!(project.value("SELECT count(*) FROM users"), 0);
    let restored = json(&project, &format!("restore {id} --yes --json"));
    assert_eq!((&restored["outcome"], &restored["run"]), (&"done".into(), &2.into()));
    assert_eq!(project.value("SELECT count(*) FROM users"), 1);
    let kept = restored["kept"]["id"].as_str().unwrap();
    let output = with_backups(&project, &format!("backup restore {kept} --yes"));
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.stdout.contains("what was there before is kept as "), "{}", output.stdout);
    assert_eq!(project.value("SELECT count(*) FROM users"), 0);
    let history = with_backups(&project, "history").stdout;
    assert_eq!(history.matches("  restore  ").count(), 2, "{history}");
}

#[test]
fn a_run_says_which_backup_it_took() {
    let project = project();
    let quiet = with_backups(&project, "up --quiet");
    assert_eq!((quiet.code, &*quiet.stderr), (0, ""));
    let told = with_backups(&project, "down --yes");
    let line = told.stderr.lines().find(|line| line.starts_with("backed up as ")).unwrap_or_default();
    assert!(line.contains(" KiB): ") && line.contains("app.db.backups"), "{told:?}");
}

#[test]
fn before_a_run() {
    let project = project();
    let run = json(&project, "up --json");
    assert_eq!(run["backup"]["outcome"], "taken");
    let listed = with_backups(&project, "backup list").stdout;
    assert!(listed.contains(run["backup"]["id"].as_str().unwrap()) && listed.contains("before run 2"), "{listed}");
    let off = json(&project, "down --yes --json --backup-type never");
    assert_eq!(off["backup"], Value::Null);
    let elsewhere = json(&project, "up --json --backup-path elsewhere");
    assert!(elsewhere["backup"]["path"].as_str().unwrap().starts_with("elsewhere/app.db-"), "{elsewhere}");
    let mut small = project.command("down --yes --json");
    small.env_remove("BACKUP_ENABLED").env("BACKUP_MAX_SIZE", "1KiB");
    let small: Value = serde_json::from_str(&testkit::process::run(&mut small).stdout).unwrap();
    assert_eq!(small["backup"]["outcome"], "skipped");
    let fresh = Project::new(USERS_AND_POSTS);
    let first = json(&fresh, "up --json");
    assert_eq!(first["backup"]["reason"], "the database was empty");
}

#[test]
fn a_failure_half_way() {
    let project = project();
    project.write(
        "migrations_v2/v1.2.0_half/metadata.json",
        r#"{"version": "1.2.0", "name": "half", "transaction": false}"#,
    );
    project.write("migrations_v2/v1.2.0_half/up.sql", "DELETE FROM users; INSERT INTO nowhere VALUES (1);");
    let failed = with_backups(&project, "up");
    assert_eq!(failed.code, 70);
    let (_, command) = failed.stderr.split_once("`migrate restore ").unwrap_or_else(|| panic!("{}", failed.stderr));
    let (id, _) = command.split_once('`').unwrap();
    assert_eq!(project.value("SELECT count(*) FROM users"), 0);
    let restored = with_backups(&project, &format!("restore {id} --yes"));
    assert_eq!(restored.code, 0, "{}", restored.stderr);
    assert_eq!(project.value("SELECT count(*) FROM users"), 1);
    let refused = with_backups(&project, "up --restore-on-failure");
    assert_eq!(refused.code, 78, "{refused:?}");
    assert!(refused.stderr.contains("`restore_on_failure` needs `exclusive`"), "{refused:?}");
    assert!(refused.stderr.contains("`--exclusive`, or BACKUP_EXCLUSIVE=true"), "{refused:?}");
    let alone = json(&project, "up --restore-on-failure --exclusive --json");
    assert_eq!((&alone["outcome"], &alone["backup"]["outcome"]), (&"failed".into(), &"restored".into()));
    assert!(alone["error"]["message"].as_str().unwrap().contains("was put back"), "{alone}");
    assert_eq!(project.value("SELECT count(*) FROM users"), 1);
    assert_eq!(with_backups(&project, "status").code, 0);
}

#[test]
fn it_asks() {
    let project = project();
    with_backups(&project, "backup create");
    let output = with_backups(&project, "restore latest");
    assert_eq!(output.code, 64, "{}", output.stderr);
    assert!(output.stderr.contains("`restore` replaces everything in the database"), "{}", output.stderr);
    let mut protected = project.command("restore latest --yes");
    protected.env("MIGRATION_PROTECTED", "true");
    let output = testkit::process::run(&mut protected);
    assert_eq!(output.code, 64);
    assert!(output.stderr.contains("--confirm NAME"), "{}", output.stderr);
    let mut named = project.command("restore latest --confirm app.db");
    named.env("MIGRATION_PROTECTED", "true");
    assert_eq!(testkit::process::run(&mut named).code, 0);
}

#[test]
fn what_cannot_be() {
    let project = project();
    let output = with_backups(&project, "restore 2026 --yes");
    assert_eq!(output.code, 64);
    assert!(output.stderr.contains("there is no backup `2026` in `") && output.stderr.contains("migrate backup list"));
    let output = with_backups(&project, "backup list");
    assert!(output.stdout.starts_with("there are no backups in "), "{}", output.stdout);
    let output = with_backups(&project, "up --backup-type all");
    assert_eq!(output.code, 64);
    let mut wrong = project.command("up");
    wrong.env("BACKUP_MAX_SIZE", "much");
    let output = testkit::process::run(&mut wrong);
    assert_eq!(output.code, 78);
    assert!(
        output.stderr.contains("`much` cannot be `backup_max_size`: it is no size such as `500MiB`"),
        "{}",
        output.stderr
    );
    with_backups(&project, "backup create");
    let name = json(&project, "backup list --json")["backups"][0]["path"].as_str().unwrap().to_owned();
    std::fs::write(&name, "damaged").unwrap();
    let output = with_backups(&project, "backup verify");
    assert_eq!(output.code, 70);
    assert!(output.stderr.contains("is damaged: its file has 7 bytes and should have"), "{}", output.stderr);
}

#[test]
fn old_ones_go() {
    let project = project();
    for _ in 0..3 {
        with_backups(&project, "backup create");
    }
    let all = with_backups(&project, "backup prune --keep 0");
    assert!(all.stdout.ends_with("removed 0 backups and 0 unfinished files\n"), "{}", all.stdout);
    let dry = json(&project, "backup prune --keep 1 --dry-run --json");
    assert_eq!((&dry["outcome"], dry["backups"].as_array().unwrap().len()), (&"dry_run".into(), 2));
    let output = with_backups(&project, "backup prune --keep 1");
    assert!(output.stdout.ends_with("removed 2 backups and 0 unfinished files\n"), "{}", output.stdout);
    assert_eq!(json(&project, "backup list --json")["backups"].as_array().unwrap().len(), 1);
}
