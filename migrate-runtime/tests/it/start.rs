//! What a start with nothing to do costs, and what it sees all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use migrate_runtime::{AutoMigrateOptions, BorrowedConnection, ErrorKind, Migrator, Outcome, Postgres, Verdict};
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use testkit::postgres::Server;
use testkit::proxy::{Fate, Proxy};

use crate::bench::{Bench, PostgresServer, SqliteFile, SqliteWal, migrator};
use crate::conformance::{NOTES, TAGS, USERS, conformance};

conformance! {
    what_was_done_to_the_ledger_by_hand_is_seen
    a_start_with_nothing_to_do_lists_no_migrations
}

fn what_was_done_to_the_ledger_by_hand_is_seen(bench: &impl Bench) {
    let migrator = migrator(&[USERS, NOTES, TAGS]);
    let start = || migrator.auto_migrate(&mut bench.open()).wait();
    start().unwrap();
    assert_eq!(start().unwrap().outcome, Outcome::NothingToDo);

    bench.sql("DROP TABLE notes; DELETE FROM schema_migrations_v2 WHERE version = '1.1.0'");
    assert_eq!(start().unwrap_err().kind(), ErrorKind::Incompatible, "a hole below 1.2.0");
    bench.sql("DROP TABLE tags; DELETE FROM schema_migrations_v2 WHERE version = '1.2.0'");
    assert_eq!(start().unwrap().steps.len(), 2);

    let checksum = bench.sql("SELECT checksum FROM schema_migrations_v2 WHERE version = '1.0.0'").remove(0);
    let set = |column: &str, value: &str| {
        bench.sql(&format!("UPDATE schema_migrations_v2 SET {column} = {value} WHERE version = '1.0.0'"));
    };
    for (column, wrong, right) in [
        ("checksum", "'edited'", &*format!("'{checksum}'")),
        ("checksum", &*format!("replace('{checksum}', '{}', 'g')", &checksum[..1]), &*format!("'{checksum}'")),
        ("status", "'reverting'", "'applied'"),
        ("min_runtime_version", "'9.0.0'", "NULL"),
        ("version", "'0.9.0'", "'1.0.0'"),
    ] {
        let version = if column == "version" { wrong } else { "'1.0.0'" };
        set(column, wrong);
        let dry_run = AutoMigrateOptions { dry_run: true, ..AutoMigrateOptions::default() };
        let found = migrator.auto_migrate_with(&mut bench.open(), dry_run).wait();
        let unseen = found.is_ok_and(|report| report.assessment.reasons.is_empty());
        assert!(!unseen, "{column} = {wrong}");
        bench.sql(&format!("UPDATE schema_migrations_v2 SET {column} = {right} WHERE version = {version}"));
        assert_eq!(start().unwrap().outcome, Outcome::NothingToDo, "{column} = {right}");
    }

    bench.sql("UPDATE schema_migrations_v2_state SET checksum_algorithm = 'md5'");
    assert_eq!(start().unwrap_err().kind(), ErrorKind::Incompatible);
}

fn a_start_with_nothing_to_do_lists_no_migrations(bench: &impl Bench) {
    let migrator = migrator(&[USERS, NOTES]);
    migrator.up(&mut bench.open()).wait().unwrap();
    let assessment = migrator.auto_migrate(&mut bench.open()).wait().unwrap().assessment;
    assert_eq!(assessment.verdict, Verdict::Compatible);
    assert_eq!(assessment.database_version, migrator.registry().head());
    assert!(assessment.migrations.is_empty());
    // Who asks for them gets them.
    assert_eq!(migrator.up(&mut bench.open()).wait().unwrap().assessment.migrations.len(), 2);
}

/// A set of so many migrations, applied.
fn applied(bench: &impl Bench, count: usize) -> Migrator {
    let texts: Vec<_> = (1..=count)
        .map(|number| (format!("1.{number}.0"), format!("t{number}"), format!("CREATE TABLE t{number} (id INTEGER)")))
        .collect();
    let migrations: Vec<_> = texts.iter().map(|(version, name, up)| (&**version, &**name, &**up, "")).collect();
    let migrator = migrator(&migrations);
    migrator.up(&mut bench.open()).wait().unwrap();
    migrator
}

#[test]
fn postgres_answers_with_as_many_rows_for_a_hundred_migrations_as_for_one() {
    let rows = |count: usize| {
        let bench = PostgresServer::new();
        let migrator = applied(&bench, count);
        let (proxy, rows) = (Proxy::to(Server::shared()), Arc::<AtomicUsize>::default());
        let seen = Arc::clone(&rows);
        proxy.watch(move |passing| {
            seen.fetch_add(usize::from(!passing.from_client && passing.kind == 'D'), Ordering::SeqCst);
            Fate::Pass
        });
        let mut database = Postgres::from_url(&proxy.url_for(&bench.database)).unwrap();
        assert_eq!(migrator.auto_migrate(&mut database).wait().unwrap().outcome, Outcome::NothingToDo);
        assert_eq!((proxy.round_trips(), proxy.messages('Q')), (1, 1));
        rows.load(Ordering::SeqCst)
    };
    assert_eq!(rows(100), rows(1));
}

#[test]
fn sqlite_executes_one_statement() {
    static STATEMENTS: AtomicUsize = AtomicUsize::new(0);
    let bench = SqliteFile::new();
    let migrator = applied(&bench, 3);
    let mut connection = bench.connection();
    let count = |_: TraceEvent<'_>| {
        STATEMENTS.fetch_add(1, Ordering::SeqCst);
    };
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(count)).unwrap();
    let mut database = BorrowedConnection::new(&mut connection);
    assert_eq!(migrator.auto_migrate(&mut database).wait().unwrap().outcome, Outcome::NothingToDo);
    assert_eq!(STATEMENTS.load(Ordering::SeqCst), 1);
}
