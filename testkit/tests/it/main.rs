//! The program `testkit-postgres`, as a test script uses it.

use std::path::Path;
use std::process::Command;

use testkit::postgres::{BASE_VARIABLE, Server};
use testkit::process::{Output, run};

fn testkit_postgres(arguments: &[&str]) -> Output {
    run(Command::new(env!("CARGO_BIN_EXE_testkit-postgres")).args(arguments))
}

#[test]
fn command_sees_the_server_and_its_code_is_returned() {
    let psql = Server::shared().tool("psql");
    let script = format!(
        "echo \"${BASE_VARIABLE}\"; '{}' -XqAt -d \"${BASE_VARIABLE} dbname=postgres\" -c 'SELECT 42'; exit 7",
        psql.get_program().display()
    );
    let output = testkit_postgres(&["sh", "-c", &script]);
    assert_eq!(output.code, 7, "{}", output.stderr);
    let (base, answer) = output.stdout.split_once('\n').unwrap();
    assert_eq!(answer, "42\n");
    assert_eq!(output.stderr, format!("{BASE_VARIABLE}='{base}'\n"));
    let folder = base.split(' ').next().unwrap().strip_prefix("host=").unwrap();
    assert!(folder.starts_with("/tmp/"));
    assert!(!Path::new(folder).exists());
}

#[test]
fn command_that_dies_or_does_not_exist() {
    assert_eq!(testkit_postgres(&["sh", "-c", "kill -9 $$"]).code, 137);
    assert_eq!(testkit_postgres(&["/no/such/program"]).code, 127);
    assert_eq!(testkit_postgres(&[]).code, 64);
}
