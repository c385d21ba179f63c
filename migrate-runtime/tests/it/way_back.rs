//! Undoing what another program applied, by the scripts in the ledger; and tables of an older format.

use migrate_core::ledger::{FORMAT, OLDEST_READER};
use migrate_runtime::{AutoMigrateOptions, ErrorKind, Migrator, Outcome, StoredScript, Verdict, Version};

use crate::bench::{Bench, PostgresServer, SqliteFile, SqliteWal, migrator, of, registry};
use crate::conformance::{NOTES, TAGS, USERS, conformance, version};

conformance! {
    what_is_stored_has_its_checksum
    a_damaged_stored_script_is_refused_before_anything_is_run
    a_stored_script_that_nobody_saw_is_refused
    stored_scripts_are_read_without_the_migration
    tables_of_the_first_format_are_read_as_they_are_and_upgraded_by_a_run
    an_older_program_undoes_what_forbids_it_if_that_is_allowed
    without_a_way_back_nothing_is_undone
    only_what_a_newer_program_applied_is_undone
    what_is_pending_below_is_applied_afterwards
}

const OLD: &str = r#"
--- v1.0.0_users/metadata.json
{"version": "1.0.0", "name": "users"}
--- v1.0.0_users/up.sql
CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT)
--- v1.0.0_users/down.sql
DROP TABLE users
"#;

const MIDDLE: &str = r#"
--- v1.1.0_notes/metadata.json
{"version": "1.1.0", "name": "notes"}
--- v1.1.0_notes/up.sql
CREATE TABLE notes (id INTEGER PRIMARY KEY)
--- v1.1.0_notes/down.sql
DROP TABLE notes
"#;

/// The first of these shuts programs before 2.0.0 out.
const NEW: &str = r#"
--- v2.0.0_split/metadata.json
{"version": "2.0.0", "name": "split", "min_runtime_version": "2.0.0"}
--- v2.0.0_split/up.sql
CREATE TABLE split (id INTEGER)
--- v2.0.0_split/down.sql
DROP TABLE split
--- v2.1.0_more/metadata.json
{"version": "2.1.0", "name": "more"}
--- v2.1.0_more/up.sql
CREATE TABLE more (id INTEGER)
--- v2.1.0_more/down.sql
DROP TABLE more
"#;

/// A second version of the program with these migrations.
fn newer(parts: &[&str]) -> Migrator {
    of(registry(&parts.concat())).runtime_version(Version::new(2, 0, 0))
}

fn downgrading() -> AutoMigrateOptions {
    AutoMigrateOptions { allow_downgrade: true, ..AutoMigrateOptions::default() }
}

fn what_is_stored_has_its_checksum(bench: &impl Bench) {
    migrator(&[USERS, ("1.1.0", "notes", "CREATE TABLE notes (id INTEGER)", "")]).up(&mut bench.open()).wait().unwrap();
    // What `sha256sum down.sql` prints.
    let expected = migrate_core::checksum::Checksum::of("DROP TABLE users").to_string();
    let stored = bench.sql("SELECT coalesce(down_checksum, 'none') FROM schema_migrations_v2 ORDER BY version");
    assert_eq!(stored, [&*expected, "none"]);
}

fn a_damaged_stored_script_is_refused_before_anything_is_run(bench: &impl Bench) {
    migrator(&[USERS, NOTES, TAGS]).up(&mut bench.open()).wait().unwrap();
    bench.sql("UPDATE schema_migrations_v2 SET down_sql = 'DROP TABLE users' WHERE version = '1.1.0'");
    let older = migrator(&[USERS]);
    let error = older.down_to(&mut bench.open(), version("1.0.0")).wait().unwrap_err();
    assert_eq!((error.kind(), error.migration()), (ErrorKind::Ledger, Some(version("1.1.0"))));
    assert!(error.to_string().contains("the down script of migration 1.1.0 is not the one that was stored"), "{error}");
    assert!(error.help().unwrap().starts_with("nothing was run; "), "{error:?}");
    // 1.2.0 is above it, and would have been undone first.
    assert_eq!(bench.tables(), ["notes", "tags", "users"]);
    assert_eq!(bench.ledger().len(), 3);
    assert_eq!(bench.lock_owner(), [""; 0]);
    let read = older.stored_scripts(&mut bench.open(), &[version("1.1.0")]).wait().unwrap_err();
    assert_eq!(read.kind(), ErrorKind::Ledger);
    // Whoever holds the migration does not need what is stored.
    migrator(&[USERS, NOTES, TAGS]).down_to(&mut bench.open(), version("1.0.0")).wait().unwrap();
    assert_eq!(bench.tables(), ["users"]);
}

fn a_stored_script_that_nobody_saw_is_refused(bench: &impl Bench) {
    migrator(&[USERS, NOTES]).up(&mut bench.open()).wait().unwrap();
    let older = migrator(&[USERS]);
    let seen = older.stored_scripts(&mut bench.open(), &[version("1.1.0")]).wait().unwrap();
    bench.sql(
        "UPDATE schema_migrations_v2 SET down_sql = 'DROP TABLE users', down_checksum = NULL WHERE version = '1.1.0'",
    );
    let error = older.clone().expecting_stored(seen).down(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Plan);
    assert!(error.to_string().contains("nothing was changed"), "{error}");
    assert_eq!(bench.tables(), ["notes", "users"]);
    let seen = older.stored_scripts(&mut bench.open(), &[version("1.1.0")]).wait().unwrap();
    older.expecting_stored(seen).down(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.tables(), ["notes"]);
}

fn stored_scripts_are_read_without_the_migration(bench: &impl Bench) {
    let older = migrator(&[USERS]);
    let wanted = ["1.0.0", "1.1.0", "1.2.0", "9.0.0"].map(version);
    assert_eq!(older.stored_scripts(&mut bench.open(), &wanted).wait().unwrap(), []);
    assert_eq!(bench.all_tables(), [""; 0]);
    let set = [USERS, ("1.1.0", "notes", "CREATE TABLE notes (id INTEGER)", ""), TAGS];
    migrator(&set).up(&mut bench.open()).wait().unwrap();
    let script = |version_text, sql: &str| StoredScript { version: version(version_text), sql: sql.to_owned() };
    let expected = [script("1.2.0", "DROP TABLE tags"), script("1.0.0", "DROP TABLE users")];
    assert_eq!(older.stored_scripts(&mut bench.open(), &wanted).wait().unwrap(), expected);
}

fn tables_of_the_first_format_are_read_as_they_are_and_upgraded_by_a_run(bench: &impl Bench) {
    migrator(&[USERS, NOTES]).up(&mut bench.open()).wait().unwrap();
    bench.sql("ALTER TABLE schema_migrations_v2 DROP COLUMN down_checksum");
    bench.sql("UPDATE schema_migrations_v2_state SET format = 1");
    let older = migrator(&[USERS]);
    // Reading changes nothing, and finds the scripts all the same.
    assert_eq!(older.stored_scripts(&mut bench.open(), &[version("1.1.0")]).wait().unwrap().len(), 1);
    assert_eq!(older.check(&mut bench.open()).wait().unwrap().verdict, Verdict::Compatible);
    assert_eq!(bench.sql("SELECT format FROM schema_migrations_v2_state"), ["1"]);
    // A script that was stored without a checksum is run as before.
    older.down(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.tables(), ["users"]);
    migrator(&[USERS, TAGS]).up(&mut bench.open()).wait().unwrap();
    assert_eq!(
        bench.sql("SELECT format, oldest_reader FROM schema_migrations_v2_state"),
        [format!("{FORMAT}|{OLDEST_READER}")]
    );
    let recorded = "SELECT version, down_checksum IS NOT NULL FROM schema_migrations_v2 ORDER BY version";
    let (no, yes) = if bench.url().starts_with("sqlite") { ("0", "1") } else { ("f", "t") };
    assert_eq!(bench.sql(recorded), [format!("1.0.0|{no}"), format!("1.2.0|{yes}")]);
}

fn an_older_program_undoes_what_forbids_it_if_that_is_allowed(bench: &impl Bench) {
    newer(&[OLD, MIDDLE, NEW]).up(&mut bench.open()).wait().unwrap();
    let older = migrator(&[USERS]);
    let refused = older.auto_migrate(&mut bench.open()).wait().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Incompatible);
    assert_eq!(bench.ledger().len(), 4);

    let dry = AutoMigrateOptions { dry_run: true, ..downgrading() };
    let planned = older.auto_migrate_with(&mut bench.open(), dry).wait().unwrap();
    assert_eq!(planned.plan.to_string(), "down 2.1.0 more\ndown 2.0.0 split");
    assert_eq!(bench.ledger().len(), 4);

    let report = older.auto_migrate_with(&mut bench.open(), downgrading()).wait().unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    // 1.1.0 is not known either, and no reason to undo it.
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
    assert_eq!(bench.tables(), ["notes", "users"]);
    let again = older.auto_migrate_with(&mut bench.open(), downgrading()).wait().unwrap();
    assert_eq!(again.outcome, Outcome::NothingToDo);
}

fn without_a_way_back_nothing_is_undone(bench: &impl Bench) {
    newer(&[OLD, MIDDLE, NEW]).up(&mut bench.open()).wait().unwrap();
    bench.sql("UPDATE schema_migrations_v2 SET down_sql = NULL WHERE version = '2.0.0'");
    let older = migrator(&[USERS]);
    let error = older.auto_migrate_with(&mut bench.open(), downgrading()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    assert!(error.to_string().contains("no way back: migration 2.0.0 `split` has no down script"), "{error}");
    assert_eq!(bench.ledger().len(), 4);
    let left = AutoMigrateOptions { fail_on_incompatible: false, ..downgrading() };
    assert_eq!(older.auto_migrate_with(&mut bench.open(), left).wait().unwrap().outcome, Outcome::Refused);
}

fn only_what_a_newer_program_applied_is_undone(bench: &impl Bench) {
    // A changed script, and an order that is not allowed, are not the work of a newer program.
    migrator(&[USERS, TAGS]).up(&mut bench.open()).wait().unwrap();
    for set in [&[("1.0.0", "users", "CREATE TABLE other (id INTEGER)", ""), TAGS][..], &[USERS, NOTES, TAGS]] {
        let error = migrator(set).auto_migrate_with(&mut bench.open(), downgrading()).wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Incompatible);
    }
    assert_eq!(bench.tables(), ["tags", "users"]);
}

fn what_is_pending_below_is_applied_afterwards(bench: &impl Bench) {
    newer(&[OLD, NEW]).up(&mut bench.open()).wait().unwrap();
    let older = migrator(&[USERS, NOTES]);
    let report = older.auto_migrate_with(&mut bench.open(), downgrading()).wait().unwrap();
    assert_eq!(report.plan.to_string(), "down 2.1.0 more\ndown 2.0.0 split\nup 1.1.0 notes");
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
}
