//! Backups of PostgreSQL databases, by the real pg_dump, pg_restore and psql.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use migrate_runtime::backup::{
    Backup, BackupDirectory, BackupFormat, BackupOptions, BackupPolicy, Contents, RestoreOptions, VerifyOptions,
};
use migrate_runtime::{Error, ErrorKind, Migrator, Outcome, RunBackup};
use testkit::postgres::Server;

use crate::bench::{Bench, PostgresServer, migrator};

const TABLES: [(&str, &str, &str, &str); 2] = [
    (
        "1.0.0",
        "users",
        "CREATE TYPE mood AS ENUM ('glad', 'sad');
         CREATE TABLE users (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, mood mood);
         CREATE VIEW names AS SELECT name FROM users;
         CREATE FUNCTION double(n integer) RETURNS integer LANGUAGE sql AS 'SELECT n * 2';
         CREATE SCHEMA other; CREATE TABLE other.things (id integer REFERENCES users);
         CREATE TABLE odd (kind varchar(9) CHECK (kind IN ('a', 'b')), n integer DEFAULT 1 + 1);
         CREATE INDEX few ON odd (kind) WHERE kind IN ('a', 'b');
         CREATE VIEW odds AS SELECT n FROM odd WHERE kind IN ('a', 'b')",
        "DROP SCHEMA other CASCADE; DROP TABLE odd CASCADE; DROP VIEW names; DROP TABLE users; DROP TYPE mood; DROP FUNCTION double",
    ),
    ("1.1.0", "names", "CREATE INDEX by_name ON users (name)", "DROP INDEX by_name"),
];

/// A database with a directory for its backups.
struct Bed {
    bench: PostgresServer,
    directory: tempfile::TempDir,
}

impl Bed {
    fn new() -> Self {
        let bed = Self { bench: PostgresServer::new(), directory: tempfile::tempdir().unwrap() };
        bed.migrator().up(&mut bed.bench.open()).wait().unwrap();
        bed.bench.sql(
            "INSERT INTO users (name, mood) VALUES ('a', 'glad'), ('b', 'sad'); INSERT INTO other.things VALUES (1)",
        );
        bed
    }

    fn options(&self) -> BackupOptions {
        BackupOptions {
            directory: Some(self.directory.path().join("backups")),
            tools: Some(tools()),
            ..Default::default()
        }
    }

    fn migrator(&self) -> Migrator {
        migrator(&TABLES).backup(self.options())
    }

    fn create(&self) -> Backup {
        self.migrator().create_backup(&mut self.bench.open(), Contents::Full).wait().unwrap()
    }

    fn restore(&self, id: &str, options: RestoreOptions) -> Result<migrate_runtime::Restored, Error> {
        self.migrator().restore_backup(&mut self.bench.open(), id, options).wait()
    }

    fn rows(&self) -> Vec<String> {
        self.bench.sql("SELECT id, name, mood FROM users ORDER BY id; SELECT * FROM other.things")
    }

    fn backups(&self) -> Vec<Backup> {
        BackupDirectory::new(self.directory.path().join("backups")).list().unwrap().backups
    }
}

/// Where the client programs of the server are.
fn tools() -> PathBuf {
    let program = Server::shared().tool("pg_dump").get_program().to_owned();
    Path::new(&program).parent().unwrap().to_owned()
}

#[test]
fn there_and_back() {
    let bed = Bed::new();
    // The casts of a check over `varchar` differ after each dump, whoever takes it.
    let schema = || -> String {
        bed.bench.database.dump().split_inclusive('\n').filter(|line| !line.contains("::text = ANY (")).collect()
    };
    let (rows, dump) = (bed.rows(), schema());
    let backup = bed.create();
    assert_eq!(backup.file_format, BackupFormat::PgDump);
    assert_eq!(backup.rows.values().copied().collect::<Vec<_>>(), [1, 0, 2]);
    bed.bench.sql("DELETE FROM other.things; DELETE FROM users WHERE id = 1; CREATE TABLE since (id integer);
        CREATE TYPE later AS (a integer); CREATE DOMAIN small AS integer; CREATE SCHEMA newer; CREATE TABLE newer.t (id integer);
        CREATE FUNCTION later() RETURNS integer LANGUAGE sql AS 'SELECT 1'; SELECT lo_create(4711);
        CREATE PUBLICATION everything FOR ALL TABLES; CREATE COLLATION c FROM \"C\"; CREATE MATERIALIZED VIEW m AS SELECT 1");
    bed.migrator().down(&mut bed.bench.open()).wait().unwrap();
    let restored = bed.restore(&backup.id, RestoreOptions::default()).unwrap();
    assert_eq!(restored.outcome, Outcome::Done);
    assert_eq!(bed.rows(), rows);
    assert_eq!(schema(), dump);
    assert_eq!(bed.bench.sql("SELECT count(*) FROM pg_largeobject_metadata"), ["0"]);
    assert_eq!(bed.bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
    assert!(bed.bench.lock_owner().is_empty());
    assert_eq!(
        bed.bench.history()[4..],
        [
            "run||started",
            "down|1.1.0|succeeded",
            "run||succeeded",
            "run||started",
            "restore||succeeded",
            "run||succeeded"
        ]
    );
    // What comes next works, the numbers of rows included.
    bed.bench.sql("INSERT INTO users (name) VALUES ('c')");
    assert_eq!(bed.bench.sql("SELECT id FROM users WHERE name = 'c'"), ["3"]);
    bed.migrator().down(&mut bed.bench.open()).wait().unwrap();
    let kept = restored.kept.unwrap();
    bed.restore(&kept.id, RestoreOptions::default()).unwrap();
    assert_eq!(bed.bench.sql("SELECT count(*) FROM pg_largeobject_metadata"), ["1"]);
    assert_eq!(bed.bench.sql("SELECT later()"), ["1"]);
    assert_eq!(bed.bench.sql("SELECT id FROM users"), ["2"]);
}

#[test]
fn it_is_verified_by_listing_and_deeply() {
    let bed = Bed::new();
    let mut backup = bed.create();
    let options = VerifyOptions { tools: Some(tools()), ..Default::default() };
    assert_eq!(backup.verify(&options).unwrap().checks.len(), 2);
    let error = backup.verify(&VerifyOptions { deep: true, ..options.clone() }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let url = bed.bench.url();
    let deep = VerifyOptions { deep: true, scratch_url: Some(url), ..options };
    assert_eq!(backup.verify(&deep).unwrap().checks.len(), 3);
    *backup.rows.get_mut("public.users").unwrap() = 7;
    let error = backup.verify(&deep).unwrap_err().to_string();
    assert!(error.contains("`public.users` has 2 rows and should have 7"), "{error}");
}

#[test]
fn a_restored_dump_that_is_not_the_one_of_the_manifest_is_not_committed() {
    let bed = Bed::new();
    let backup = bed.create();
    bed.bench.sql("INSERT INTO users (name) VALUES ('since')");
    let text = std::fs::read_to_string(backup.manifest_path()).unwrap();
    std::fs::write(backup.manifest_path(), text.replace("\"public.users\": 2", "\"public.users\": 9")).unwrap();
    let before = bed.rows();
    let error = bed.restore(&backup.id, RestoreOptions::default()).unwrap_err();
    assert!(error.to_string().contains("2 rows of public.users were restored, and the manifest has 9"), "{error}");
    assert_eq!(bed.rows(), before);
    assert!(bed.bench.lock_owner().is_empty());
    assert_eq!(bed.bench.history().last().unwrap(), "run||failed");
}

#[test]
fn others_are_not_disturbed_unless_forced() {
    let bed = Bed::new();
    let backup = bed.create();
    bed.bench.sql("DELETE FROM other.things");
    let mut session = Server::shared().session(&bed.bench.url());
    assert_eq!(session.run("SELECT count(*) FROM users"), "2");
    let error = bed.restore(&backup.id, RestoreOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockBusy);
    assert!(
        error.to_string().contains("others are connected to the database, and nothing was changed: process "),
        "{error}"
    );
    assert!(error.help().unwrap().contains("--force"));
    assert_eq!(bed.bench.sql("SELECT count(*) FROM other.things"), ["0"]);
    assert_eq!(session.run("SELECT count(*) FROM users"), "2");
    bed.restore(&backup.id, RestoreOptions { force: true, ..Default::default() }).unwrap();
    assert_eq!(bed.bench.sql("SELECT count(*) FROM other.things"), ["1"]);
}

#[test]
fn under_a_steady_write_load() {
    let bed = Bed::new();
    bed.bench.sql("CREATE TABLE one (n bigint); CREATE TABLE two (n bigint)");
    let stop = AtomicBool::new(false);
    let mut session = Server::shared().session(&bed.bench.url());
    let (tell, told) = std::sync::mpsc::channel();
    let backups: Vec<Backup> = std::thread::scope(|scope| {
        let stop = &stop;
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                session.run("BEGIN; INSERT INTO one VALUES (1); INSERT INTO two VALUES (1); COMMIT");
                let _ = tell.send(());
            }
        });
        let backups = (0..3).map(|_| {
            while told.try_recv().is_ok() {}
            told.recv().unwrap();
            bed.create()
        });
        let backups = backups.collect();
        stop.store(true, Ordering::Relaxed);
        backups
    });
    let deep = VerifyOptions { deep: true, tools: Some(tools()), scratch_url: Some(bed.bench.url()) };
    for backup in &backups {
        assert_eq!(backup.rows["public.one"], backup.rows["public.two"]);
        backup.verify(&deep).unwrap();
    }
    assert!(backups[0].rows["public.one"] < backups[2].rows["public.one"]);
    let restored = bed.restore(&backups[1].id, RestoreOptions { force: true, ..Default::default() });
    restored.unwrap();
    assert_eq!(bed.bench.sql("SELECT count(*) FROM one"), [backups[1].rows["public.one"].to_string()]);
}

#[test]
fn before_a_run_only_when_it_is_asked_for() {
    let bed = Bed::new();
    assert_eq!(bed.migrator().down(&mut bed.bench.open()).wait().unwrap().backup, None);
    let full = BackupOptions { policy: Some(BackupPolicy::Full), ..bed.options() };
    let report = migrator(&TABLES).backup(full).up(&mut bed.bench.open()).wait().unwrap();
    let Some(RunBackup::Taken { id, .. }) = report.backup else { panic!("{:?}", report.backup) };
    assert_eq!(bed.backups()[0].id, id);
    assert_eq!(bed.backups()[0].run, report.run);
    let schema = BackupOptions { policy: Some(BackupPolicy::Schema), ..bed.options() };
    migrator(&TABLES).backup(schema).down(&mut bed.bench.open()).wait().unwrap();
    assert!(bed.backups()[0].file.ends_with(".sql.zst"));
    bed.restore(&id, RestoreOptions::default()).unwrap();
    assert_eq!(bed.bench.ledger(), ["1.0.0|applied"]);
}

/// Client programs that say what a test wants.
fn fake(name: &str, script: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for tool in ["pg_dump", "pg_restore", "psql"] {
        let path = directory.path().join(tool);
        let real = tools().join(tool);
        let text = if tool == name { script.to_owned() } else { format!("exec {} \"$@\"", real.display()) };
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    directory
}

#[track_caller]
fn refused(bed: &Bed, tools: &Path, expected: &str) {
    let full = BackupOptions { policy: Some(BackupPolicy::Full), tools: Some(tools.to_owned()), ..bed.options() };
    let before = bed.bench.ledger();
    let error = migrator(&TABLES).backup(full.clone()).down(&mut bed.bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backup, "{error}");
    assert!(error.to_string().contains(expected), "{error}");
    assert!(error.to_string().contains("nothing was changed"), "{error}");
    assert_eq!(bed.bench.ledger(), before);
    assert!(bed.bench.lock_owner().is_empty());
    assert!(bed.backups().is_empty());
    let left = std::fs::read_dir(bed.directory.path().join("backups")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "no file is left");
}

#[test]
fn client_programs_that_are_missing_or_too_old_or_fail() {
    let bed = Bed::new();
    let nowhere = tempfile::tempdir().unwrap();
    refused(&bed, nowhere.path(), "`pg_dump` is not there");
    let old = fake("pg_dump", "echo 'pg_dump (PostgreSQL) 9.6.24'");
    refused(&bed, old.path(), "`pg_dump` has version 9.6.24, and the server ");
    let real = tools().join("pg_dump");
    let failing = format!(
        "if [ \"$1\" = --version ]; then exec {} --version; fi\nhead -c 100000 /dev/zero; echo broken >&2; exit 1",
        real.display()
    );
    refused(&bed, fake("pg_dump", &failing).path(), "pg_dump says: broken");
}

#[test]
fn a_translation_that_ends_early_commits_nothing() {
    let bed = Bed::new();
    let backup = bed.create();
    bed.bench.sql("DELETE FROM other.things");
    let real = tools().join("pg_restore");
    let early = format!(
        "for a; do [ $a = --file=- ] && {{ {r} \"$@\" | head -c 3000; exit 1; }}; done; exec {r} \"$@\"",
        r = real.display()
    );
    let tools = fake("pg_restore", &early);
    let options = BackupOptions { tools: Some(tools.path().to_owned()), ..bed.options() };
    let migrator = migrator(&TABLES).backup(options);
    let error =
        migrator.restore_backup(&mut bed.bench.open(), &backup.id, RestoreOptions::default()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backup, "{error}");
    assert_eq!(bed.bench.sql("SELECT count(*) FROM other.things"), ["0"]);
    assert_eq!(bed.bench.sql("SELECT count(*) FROM users"), ["2"]);
}

#[test]
fn a_role_without_rights() {
    let bed = Bed::new();
    let role = format!("reader_{}", bed.bench.database.name());
    bed.bench.sql(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'hidden-word'; GRANT CREATE ON SCHEMA public TO {role};
         GRANT SELECT ON schema_migrations_v2, schema_migrations_v2_state TO {role}"
    ));
    let mut database = migrate_runtime::Postgres::from_url(&bed.bench.database.url_as(&role, "hidden-word")).unwrap();
    let error = bed.migrator().create_backup(&mut database, Contents::Full).wait().unwrap_err();
    assert!(error.to_string().contains("permission denied"), "{error}");
    assert!(!format!("{error:?}").contains("hidden-word"));
    assert!(bed.backups().is_empty());
    bed.bench.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn a_password_is_in_no_argument() {
    let bed = Bed::new();
    let told = bed.directory.path().join("told");
    let real = tools().join("pg_dump");
    let tell = format!("echo \"$@\" >> {}\nexec {} \"$@\"", told.display(), real.display());
    let tools = fake("pg_dump", &tell);
    let options = BackupOptions { tools: Some(tools.path().to_owned()), ..bed.options() };
    let mut database =
        migrate_runtime::Postgres::from_url(&bed.bench.database.url_as("postgres", "hidden-word")).unwrap();
    let backup = migrator(&TABLES).backup(options).create_backup(&mut database, Contents::Full).wait().unwrap();
    let arguments = std::fs::read_to_string(told).unwrap();
    assert!(arguments.contains("--format=custom") && !arguments.contains("hidden-word"), "{arguments}");
    assert!(!std::fs::read_to_string(backup.manifest_path()).unwrap().contains("hidden-word"));
}

#[test]
fn a_dump_that_pg_restore_cannot_read_is_no_backup() {
    let bed = Bed::new();
    let real = tools().join("pg_dump");
    let garbage =
        format!("if [ \"$1\" = --version ]; then exec {} --version; fi\necho this is no dump", real.display());
    refused(&bed, fake("pg_dump", &garbage).path(), "pg_restore says: ");
}

#[test]
fn others_are_refused_before_the_present_state_is_kept() {
    let bed = Bed::new();
    let backup = bed.create();
    let _session = Server::shared().session(&bed.bench.url());
    bed.restore(&backup.id, RestoreOptions::default()).unwrap_err();
    assert_eq!(bed.backups().len(), 1);
}

#[test]
fn the_names_in_a_manifest_are_not_executed() {
    let bed = Bed::new();
    let backup = bed.create();
    let text = std::fs::read_to_string(backup.manifest_path()).unwrap();
    let injected = "public.users; CREATE TABLE owned (id integer); SELECT count(*) FROM public.users";
    std::fs::write(backup.manifest_path(), text.replace("\"public.users\"", &format!("\"{injected}\""))).unwrap();
    let error = bed.restore(&backup.id, RestoreOptions::default()).unwrap_err();
    assert!(error.to_string().contains("of the manifest was not restored"), "{error}");
    assert!(!bed.bench.tables().contains(&"owned".to_owned()));
}

#[test]
fn programs_that_run_stay_registered_and_are_asked() {
    let bed = Bed::new();
    let backup = bed.create();
    let more = ("1.2.0", "more", "CREATE TABLE more (id integer)", "DROP TABLE more");
    let newer = migrator(&[TABLES[0], TABLES[1], more]).backup(bed.options());
    newer.up(&mut bed.bench.open()).wait().unwrap();
    let options = migrate_runtime::InstanceOptions { keep_alive: false, ..Default::default() };
    let _older = bed.migrator().register_instance_with(&mut bed.bench.open(), options.clone()).wait().unwrap();
    let needs = newer.register_instance_with(&mut bed.bench.open(), options).wait().unwrap();
    let error = bed.restore(&backup.id, RestoreOptions::default()).unwrap_err();
    assert_eq!((error.kind(), error.instances().len()), (ErrorKind::BlockedByInstances, 1), "{error}");
    assert_eq!(bed.backups().len(), 1, "nothing was kept for nothing");
    needs.leave(&mut bed.bench.open()).wait().unwrap();
    bed.restore(&backup.id, RestoreOptions::default()).unwrap();
    assert_eq!(bed.bench.sql("SELECT count(*) FROM schema_migrations_v2_instances"), ["1"]);
    assert_eq!(bed.bench.ledger().len(), 2);
}

#[test]
fn a_rollback_after_a_restore_judges_by_what_was_restored() {
    let bed = Bed::new();
    let backup = bed.create();
    bed.migrator().down(&mut bed.bench.open()).wait().unwrap();
    bed.migrator().up(&mut bed.bench.open()).wait().unwrap();
    bed.restore(&backup.id, RestoreOptions::default()).unwrap();
    let answers = bed.migrator().can_roll_back(&mut bed.bench.open(), None).wait().unwrap();
    assert_eq!((answers.run, &answers.answers[0].obstacles[..]), (Some(1), &[][..]));
}

#[test]
fn a_pg_dump_that_is_killed_leaves_nothing() {
    let bed = Bed::new();
    let real = tools().join("pg_dump");
    let real = real.display();
    for bytes in [0, 100, 5_000, 10_000_000] {
        let killed = format!(
            "if [ \"$1\" = --version ]; then exec {real} --version; fi\n{real} \"$@\" | head -c {bytes}; kill -9 $$"
        );
        refused(&bed, fake("pg_dump", &killed).path(), "signal: 9");
    }
}

#[test]
fn a_disk_that_fills_up_half_way() {
    let disk = testkit::disk::SmallDisk::mount(32 << 20).expect("this test mounts a small disk, which needs root");
    let bed = Bed::new();
    let real = tools().join("pg_dump");
    // More than the database has, as the text of its rows may be.
    let much =
        format!("if [ \"$1\" = --version ]; then exec {} --version; fi\nhead -c 60000000 /dev/urandom", real.display());
    let fake = fake("pg_dump", &much);
    let options = BackupOptions {
        directory: Some(disk.path().join("backups")),
        tools: Some(fake.path().to_owned()),
        policy: Some(BackupPolicy::Full),
        ..Default::default()
    };
    let error = migrator(&TABLES).backup(options).down(&mut bed.bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backup);
    assert!(error.to_string().contains("cannot write"), "{error}");
    assert!(error.help().unwrap().contains("make room on the disk"), "{:?}", error.help());
    assert_eq!(std::fs::read_dir(disk.path().join("backups")).unwrap().count(), 0);
    assert_eq!(bed.bench.ledger().len(), 2);
}
