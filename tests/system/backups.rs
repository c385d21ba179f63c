//! A process that takes or restores a backup is killed: the database is as it was, or as it should be, and never in between.

use std::path::Path;

use system_tests::field::{sqlite, until};
use system_tests::sweep::child::Child;
use testkit::migrations::Directory;
use testkit::postgres::Server;
use testkit::random::Random;

/// How many places of a process are tried, spread over all of them.
const PLACES: usize = 10;

/// A migration that makes a table with rows of one generation; the rows take more than one step of a copy.
fn migrations(rows: &str) -> Directory {
    Directory::simple(&[(
        "1.0.0",
        "rows",
        &format!(
            "CREATE TABLE rows (id integer PRIMARY KEY, generation integer, body text);
        INSERT INTO rows {rows}"
        ),
        "",
    )])
}

/// A database whose rows all have one generation: 1 in the backup, another one since.
struct Scene {
    set: Directory,
    folder: tempfile::TempDir,
    url: String,
    variables: Vec<(&'static str, String)>,
}

impl Scene {
    fn child(&self, line: &[&str], stopping: bool) -> Child {
        let backups = self.folder.path().to_str().expect("a temporary directory has a plain name");
        let arguments = [line, &["--quiet", "--backup-path", backups]].concat();
        Child::of(&arguments, stopping, self.set.path(), &self.url, &self.variables)
    }

    #[track_caller]
    fn succeed(&self, line: &[&str]) {
        let end = self.child(line, false).end();
        assert_eq!(end.code, Some(0), "{line:?}: {}", end.stderr);
    }

    /// After one more backup and a prune there is one with its manifest: what killed processes left is gone.
    #[track_caller]
    fn assert_prunes_to_one(&self) {
        let before = self.backups().len();
        self.succeed(&["backup", "create"]);
        assert_eq!(self.backups().len(), before + 1);
        self.succeed(&["backup", "prune", "--keep", "1"]);
        let left = std::fs::read_dir(self.folder.path()).expect("the folder can be read");
        let left: Vec<_> = left.map(|entry| entry.expect("the folder can be read").file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }

    /// Kills a command at places spread over all that it goes through, also after times that are drawn, and last where its
    /// effect is there: at the last place that is called so.
    fn strike(&self, line: &[&str], effect: &str, mut before: impl FnMut(), mut check: impl FnMut(&str)) {
        before();
        let (mut points, mut effects) = (0, 0);
        let mut child = self.child(line, true);
        while let Some(point) = child.next_point() {
            points += 1;
            effects += usize::from(point.starts_with(effect));
            child.go_on();
        }
        // A dump is the work of another program, so there are few places of our own; the drawn times strike in it, too.
        assert!(points >= 5, "{line:?} goes through {points} places only");
        let mut random = Random::new(7);
        for place in 0..PLACES {
            before();
            let number = place * (points - 1) / (PLACES - 1);
            let mut child = self.child(line, true);
            let point = child.pass(number).unwrap_or_else(|| panic!("{line:?} ended before place {number}"));
            child.kill();
            check(&format!("{line:?} at place {number} of {points}: {point}"));
            before();
            let child = self.child(line, false);
            let after = std::time::Duration::from_millis((random.fraction() * 400.0) as u64);
            // Not to wait for anything: the time itself is what is drawn.
            std::thread::sleep(after);
            child.kill();
            check(&format!("{line:?} after {after:?}"));
        }
        before();
        let mut child = self.child(line, true);
        while effects > 0 {
            let point = child.next_point().unwrap_or_else(|| panic!("{line:?} ended before `{effect}`"));
            effects -= usize::from(point.starts_with(effect));
            if effects > 0 {
                child.go_on();
            }
        }
        child.kill();
        check(&format!("{line:?} at the last `{effect}`"));
    }

    /// The ids of the backups; each of them can be restored.
    fn backups(&self) -> Vec<String> {
        let mut ids = Vec::new();
        for entry in std::fs::read_dir(self.folder.path()).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
                let id = name.rsplitn(3, '-').take(2).collect::<Vec<_>>();
                ids.push(format!("{}-{}", id[1], id[0]));
            }
        }
        for id in &ids {
            self.succeed(&["backup", "verify", id]);
        }
        ids.sort();
        ids
    }
}

fn sqlite_scene(mode: &str) -> (Scene, std::path::PathBuf, tempfile::TempDir) {
    let home = tempfile::tempdir().expect("a temporary directory can be made");
    let path = home.path().join("app.db");
    let rows = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3200)
        SELECT i, 1, hex(randomblob(700)) FROM n";
    sqlite(&path, &format!("PRAGMA journal_mode = {mode}"));
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let url = format!("sqlite:{}", path.display());
    let scene = Scene { set: migrations(rows), folder, url, variables: Vec::new() };
    scene.succeed(&["up"]);
    (scene, path, home)
}

/// The generation of the rows, all of which must be there.
#[track_caller]
fn generation(path: &Path, context: &str) -> String {
    assert_eq!(sqlite(path, "PRAGMA integrity_check"), "ok", "{context}");
    sqlite(path, "SELECT group_concat(DISTINCT generation) || ' in ' || count(*) FROM rows")
}

#[test]
fn killed_while_a_backup_of_sqlite_is_taken() {
    for mode in ["DELETE", "WAL"] {
        let (scene, path, _home) = sqlite_scene(mode);
        scene.strike(
            &["backup", "create"],
            "backup: the file has its name",
            || (),
            |context| {
                assert_eq!(generation(&path, context), "1 in 3200", "{context}");
            },
        );
        assert!(!scene.backups().is_empty());
        scene.assert_prunes_to_one();
    }
}

#[test]
fn killed_while_a_backup_of_sqlite_is_restored() {
    for mode in ["DELETE", "WAL"] {
        let (scene, path, _home) = sqlite_scene(mode);
        scene.succeed(&["backup", "create"]);
        let id = scene.backups().remove(0);
        let mut seen = std::collections::BTreeSet::new();
        let restore = ["restore", &*id, "--yes"];
        let change = || {
            let connection = rusqlite::Connection::open(&path).expect("the file opens");
            connection.execute("UPDATE rows SET generation = 2", []).expect("the rows can be changed");
        };
        scene.strike(&restore, "copied pages: 0 left", change, |context| {
            let found = generation(&path, context);
            assert!(["1 in 3200", "2 in 3200"].contains(&&*found), "{context}: {found}");
            seen.insert(found);
            scene.succeed(&restore);
            assert_eq!(generation(&path, context), "1 in 3200", "{context}");
            let owner = "SELECT count(*) FROM schema_migrations_v2_state WHERE lock_owner IS NOT NULL";
            assert_eq!(sqlite(&path, owner), "0", "{context}");
        });
        assert_eq!(seen.len(), 2, "{mode}: both states were seen: {seen:?}");
    }
}

#[test]
fn killed_while_a_backup_of_postgres_is_restored() {
    let database = Server::shared().database();
    let scene = postgres_scene(&database);
    scene.succeed(&["backup", "create"]);
    let id = scene.backups().remove(0);
    let restore = ["restore", &*id, "--yes"];
    let alone = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_type = 'client backend'";
    let generation =
        || database.psql("SELECT string_agg(DISTINCT generation::text, ',') || ' in ' || count(*) FROM rows");
    let mut seen = std::collections::BTreeSet::new();
    scene.strike(
        &restore,
        "restore: it is committed",
        || drop(database.psql("UPDATE rows SET generation = 2")),
        |context| {
            // What the killed process had begun notices that it is alone.
            until("the programs of the killed process to end", || database.psql(alone) == "0");
            let found = generation();
            assert!(["1 in 3000", "2 in 3000"].contains(&&*found), "{context}: {found}");
            seen.insert(found);
            scene.succeed(&restore);
            assert_eq!(generation(), "1 in 3000", "{context}");
        },
    );
    assert_eq!(seen.len(), 2, "both states were seen: {seen:?}");
}

/// A database of PostgreSQL, and where its client programs are.
fn postgres_scene(database: &testkit::postgres::Database) -> Scene {
    let rows = "SELECT i, 1, repeat(md5(i::text), 20) FROM generate_series(1, 3000) i";
    let program = std::path::PathBuf::from(Server::shared().tool("pg_dump").get_program());
    let tools = program.parent().expect("a program is in a directory").display().to_string();
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let scene = Scene { set: migrations(rows), folder, url: database.url(), variables: vec![("BACKUP_TOOLS", tools)] };
    scene.succeed(&["up"]);
    scene
}

#[test]
fn killed_while_a_backup_of_postgres_is_taken() {
    let database = Server::shared().database();
    let scene = postgres_scene(&database);
    let sum = "SELECT count(*) FROM rows WHERE generation = 1";
    scene.strike(
        &["backup", "create"],
        "backup: the file has its name",
        || (),
        |context| assert_eq!(database.psql(sum), "3000", "{context}"),
    );
    // Each that has a manifest can be restored.
    scene.assert_prunes_to_one();
}

#[test]
fn what_is_written_while_a_backup_of_sqlite_is_restored_is_not_lost() {
    for mode in ["DELETE", "WAL"] {
        let (scene, path, _home) = sqlite_scene(mode);
        scene.succeed(&["backup", "create"]);
        let id = scene.backups().remove(0);
        let mut child = scene.child(&["restore", &id, "--yes"], true);
        let writer = rusqlite::Connection::open(&path).expect("the file opens");
        writer.busy_timeout(std::time::Duration::ZERO).expect("a time can be set");
        let mut reached = Vec::new();
        while let Some(point) = child.next_point() {
            // From when the present state is kept until it is replaced: it would be in neither.
            if ["backup: the file has its name", "restore: the copy is ready"].iter().any(|it| point.starts_with(it)) {
                let written = writer.execute("UPDATE rows SET generation = 3", []);
                assert!(written.is_err(), "{mode}, at {point}: a row was written that is in no copy");
                reached.push(point);
            }
            child.go_on();
        }
        let end = child.end();
        assert_eq!((end.code, reached.len()), (Some(0), 2), "{mode}: {reached:?} {}", end.stderr);
        assert_eq!(generation(&path, mode), "1 in 3200");
    }
}

#[test]
fn a_disk_that_fills_up_while_a_backup_of_sqlite_is_taken() {
    let (scene, path, _home) = sqlite_scene("WAL");
    let disk = testkit::disk::SmallDisk::mount(32 << 20).expect("this test mounts a small disk, which needs root");
    let backups = disk.path().join("backups");
    let place = backups.to_str().expect("the disk has a plain name");
    let line = ["backup", "create", "--quiet", "--backup-path", place];
    let create = |stopping| Child::of(&line, stopping, scene.set.path(), &scene.url, &scene.variables);
    let names = || {
        let left = std::fs::read_dir(&backups).expect("the folder can be read");
        let mut left: Vec<_> = left.map(|entry| entry.expect("the folder can be read").file_name()).collect();
        left.sort();
        left
    };
    assert_eq!(create(false).end().code, Some(0));
    let before = names();
    for place in ["copied pages", "backup: the copy is complete"] {
        let mut child = create(true);
        let ballast = loop {
            let point = child.next_point().unwrap_or_else(|| panic!("it ended before `{place}`"));
            if point.starts_with(place) {
                break disk.fill(8 << 10);
            }
            child.go_on();
        };
        child.go_on();
        while child.next_point().is_some() {
            child.go_on();
        }
        let end = child.end();
        assert_eq!(end.code, Some(70), "{place}: {}", end.stderr);
        assert_eq!(names(), before, "{place}");
        drop(ballast);
    }
    assert_eq!(create(false).end().code, Some(0));
    assert_eq!(generation(&path, "at last"), "1 in 3200");
}
