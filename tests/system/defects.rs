//! A panic of the program is a failure of the command, never a verdict, and leaves nothing that stops the next run.

use std::process::Command;

use system_tests::field::Migrate;
use system_tests::program_with;
use testkit::postgres::Server;
use testkit::process::run;

#[test]
fn a_panic_in_the_midst_of_a_run_is_no_verdict() {
    let program = program_with("system-tests", "migrate-failpoints", &["failpoints"]);
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let database = Server::shared().database();
    let migrate = Migrate::new(&[("1.0.0", "users", "CREATE TABLE users (id integer)", "DROP TABLE users", "")]);
    for url in [format!("sqlite:{}", folder.path().join("app.db").display()), database.url()] {
        let mut command = Command::new(&program);
        command.arg("up").arg("--dir").arg(migrate.directory.path());
        command.env("DATABASE_URL", &url).env("MIGRATION_FAILPOINT_PANIC", "1");
        let ended = run(&mut command);
        assert_eq!(ended.code, 70, "{}", ended.stderr);
        assert!(ended.stdout.is_empty(), "{}", ended.stdout);
        for part in ["panicked at", "error: this program has a defect: a test asked for it", "`migrate status`"] {
            assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
        }
        let ended = run(command.arg("--json"));
        assert_eq!(ended.code, 70, "{}", ended.stderr);
        let document = r#"{"format":1,"outcome":"failed","steps":[],"error":{"kind":"defect","#;
        assert!(ended.stdout.starts_with(document) && ended.stdout.ends_with("}\n"), "{}", ended.stdout);

        migrate.succeed(&url, &["up"]);
        let history = migrate.succeed(&url, &["history", "--json"]);
        assert!(history.contains(r#""outcome":"interrupted""#), "{history}");
    }
}
