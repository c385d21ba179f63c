//! Backups that are damaged, missing, or not meant for the database; disks that are full, rights that are missing.

use std::io::{Seek, SeekFrom, Write};
use std::time::{Duration, SystemTime};

use migrate_runtime::backup::{
    Backup, BackupDirectory, BackupOptions, Contents, RestoreOptions, Retention, VerifyOptions,
};
use migrate_runtime::{Error, ErrorKind, Migrator};
use testkit::disk::SmallDisk;

use super::{TABLES, contents, create, directory, open, prepared};
use crate::bench::{Bench, SqliteFile, migrator};

/// Damages a backup, and checks that restoring it is refused and loses nothing.
#[track_caller]
fn refused(damage: impl FnOnce(&Backup), kind: ErrorKind, expected: &str) -> Error {
    let bench = SqliteFile::new();
    let migrator = prepared(&bench);
    let backup = create(&bench, &migrator);
    damage(&backup);
    let before = (contents(&bench), bench.history());
    let error = migrator.restore_backup(&mut bench.open(), &backup.id, RestoreOptions::default()).wait().unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(expected), "{error}");
    assert!(error.help().is_some());
    assert_eq!((contents(&bench), bench.history()), before, "nothing was changed");
    error
}

#[test]
fn a_changed_byte() {
    let change = |backup: &Backup| {
        let mut file = std::fs::OpenOptions::new().write(true).open(backup.path()).unwrap();
        file.seek(SeekFrom::Start(backup.size / 2)).unwrap();
        file.write_all(b"\xff\x00\xff\x00\xff").unwrap();
    };
    refused(change, ErrorKind::Backup, "is damaged: its checksum is not the one in the manifest");
}

#[test]
fn a_file_that_is_cut_off() {
    let cut = |backup: &Backup| {
        std::fs::OpenOptions::new().write(true).open(backup.path()).unwrap().set_len(backup.size - 7).unwrap();
    };
    refused(cut, ErrorKind::Backup, "bytes and should have");
}

#[test]
fn a_file_that_is_gone() {
    refused(|backup| std::fs::remove_file(backup.path()).unwrap(), ErrorKind::Backup, "its file is missing");
}

#[test]
fn a_manifest_that_is_none() {
    let change = |backup: &Backup| std::fs::write(backup.manifest_path(), "{\"format\": 1, \"id\"").unwrap();
    refused(change, ErrorKind::Backup, "is no manifest of a backup");
    let change = |backup: &Backup| std::fs::write(backup.manifest_path(), "{\"format\": 9}").unwrap();
    refused(change, ErrorKind::Backup, "it has format 9, and this program reads 1");
}

#[test]
fn a_manifest_that_leads_elsewhere() {
    let change = |backup: &Backup| {
        let text = std::fs::read_to_string(backup.manifest_path()).unwrap();
        std::fs::write(backup.manifest_path(), text.replace(&backup.file, "../../etc/passwd")).unwrap();
    };
    refused(change, ErrorKind::Backup, "its file is `../../etc/passwd`");
}

#[test]
fn no_such_backup() {
    let remove = |backup: &Backup| {
        std::fs::remove_file(backup.path()).unwrap();
        std::fs::remove_file(backup.manifest_path()).unwrap();
    };
    let error = refused(remove, ErrorKind::Usage, "there is no backup `");
    assert!(error.help().unwrap().contains("migrate backup list"));
}

#[test]
fn a_backup_of_another_database() {
    let other = SqliteFile::new();
    let backup = create(&other, &prepared(&other));
    let bench = SqliteFile::new();
    let options = BackupOptions { directory: Some(backup.directory.clone()), ..Default::default() };
    let migrator = prepared(&bench).backup(options);
    bench.sql("DELETE FROM users WHERE id = 1");
    let error = migrator.restore_backup(&mut bench.open(), &backup.id, RestoreOptions::default()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains(" is of `sqlite:"), "{error}");
    assert_eq!(contents(&bench).len(), 2);
    let meant = RestoreOptions { from_other: true, ..Default::default() };
    migrator.restore_backup(&mut bench.open(), &backup.id, meant).wait().unwrap();
    assert_eq!(contents(&bench).len(), 3);
}

/// Damages the database itself.
pub(super) fn damage_the_index(bench: &SqliteFile) {
    bench.sql("INSERT INTO users (name) SELECT hex(randomblob(500)) FROM pragma_function_list LIMIT 60");
    let page: u64 = bench.sql("SELECT rootpage FROM sqlite_master WHERE name = 'by_name'")[0].parse().unwrap();
    let mut file = std::fs::OpenOptions::new().write(true).open(bench.path()).unwrap();
    file.seek(SeekFrom::Start((page - 1) * 4096 + 12)).unwrap();
    file.write_all(&[0xff; 40]).unwrap();
}

#[test]
fn a_copy_that_sqlite_finds_damaged() {
    let bench = SqliteFile::new();
    let options = BackupOptions { compress: false, ..Default::default() };
    let migrator = prepared(&bench).backup(options);
    // The damage is in the database itself, so the checksum is right.
    damage_the_index(&bench);
    let backup = create(&bench, &migrator);
    let error = backup.verify(&VerifyOptions::default()).unwrap_err().to_string();
    assert!(error.contains("integrity_check says: "), "{error}");
}

#[test]
fn a_disk_without_room_is_seen_before() {
    let disk = SmallDisk::mount(1 << 20).expect("this test mounts a small disk, which needs root");
    let bench = SqliteFile::new();
    let migrator = prepared(&bench);
    bench.sql(
        "INSERT INTO users (name) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)
        SELECT hex(randomblob(500)) FROM n",
    );
    let path = disk.path().join("backups");
    let migrator = migrator.backup(BackupOptions { directory: Some(path.clone()), ..Default::default() });
    let before = bench.history();
    let error = migrator.create_backup(&mut bench.open(), Contents::Full).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backup);
    assert!(error.to_string().contains("a backup may need"), "{error}");
    assert!(error.help().unwrap().contains("make room"), "{:?}", error.help());
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
    assert_eq!(bench.history(), before);
    // A run stops before its first step.
    let error = with_more(&path).up(&mut bench.open()).wait().unwrap_err();
    assert!(error.to_string().contains("the backup before the run failed, so nothing was changed"), "{error}");
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
}

#[test]
fn without_compression_the_room_for_two_copies_is_asked_for_too() {
    let disk = SmallDisk::mount(1 << 20).expect("this test mounts a small disk, which needs root");
    let bench = SqliteFile::new();
    let path = disk.path().join("backups");
    let migrator =
        prepared(&bench).backup(BackupOptions { directory: Some(path.clone()), compress: false, ..Default::default() });
    // One copy fits, and another one does not.
    bench.sql(
        "INSERT INTO users (name) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
        SELECT hex(randomblob(500)) FROM n",
    );
    let error = migrator.create_backup(&mut bench.open(), Contents::Full).wait().unwrap_err();
    assert!(error.to_string().contains("a backup may need"), "{error}");
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
}

#[test]
fn a_directory_that_may_not_be_written() {
    let bench = SqliteFile::new();
    let migrator = prepared(&bench);
    // A file stands where the directory should be: root may write everywhere else.
    let path = bench.path().with_file_name("file");
    std::fs::write(&path, "").unwrap();
    let migrator = migrator.backup(BackupOptions { directory: Some(path.clone()), ..Default::default() });
    let error = migrator.create_backup(&mut bench.open(), Contents::Full).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backup);
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
}

#[test]
fn the_only_good_backup_is_not_pruned() {
    let bench = SqliteFile::new();
    let migrator = prepared(&bench);
    let backups = [create(&bench, &migrator), create(&bench, &migrator)];
    let newest = directory(&bench).list().unwrap().backups.remove(0);
    std::fs::write(newest.path(), "damaged").unwrap();
    let good = backups.iter().find(|backup| backup.id != newest.id).unwrap();
    let none = Retention { age: Some(Duration::ZERO), count: Some(0) };
    let pruned = directory(&bench).prune(none, true).unwrap();
    assert_eq!(pruned.backups.iter().map(|backup| &backup.id).collect::<Vec<_>>(), [&newest.id]);
    assert!(newest.path().exists(), "a dry run removes nothing");
    // What a killed process leaves.
    let left = good.directory.join("app.db-20200101T000000Z-00000000.partial");
    std::fs::write(&left, "").unwrap();
    assert_eq!(directory(&bench).prune(none, false).unwrap().leftovers, [left]);
    let rest = directory(&bench).list().unwrap().backups;
    assert_eq!(rest.iter().map(|backup| &backup.id).collect::<Vec<_>>(), [&good.id]);
    assert_eq!(std::fs::read_dir(&good.directory).unwrap().count(), 2);
    migrator.restore_backup(&mut open(&bench), &good.id, RestoreOptions::default()).wait().unwrap();
}

/// Removes everything that may go, and gives the names of what is left.
fn prune_all(backup: &Backup) -> Vec<String> {
    let none = Retention { age: Some(Duration::ZERO), count: Some(0) };
    BackupDirectory::new(&backup.directory).prune(none, false).unwrap();
    let left = std::fs::read_dir(&backup.directory).unwrap();
    let mut left: Vec<String> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    left
}

/// Makes a file look as if nobody had touched it for long.
fn age(path: &std::path::Path) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(48 * 3600)).unwrap();
}

#[test]
fn a_backup_whose_manifest_cannot_be_read_is_not_pruned() {
    for text in ["{\"format\": 9}", "{\"format\": 1, \"id\""] {
        let bench = SqliteFile::new();
        let backup = create(&bench, &prepared(&bench));
        std::fs::write(backup.manifest_path(), text).unwrap();
        age(&backup.path());
        let expected = [format!("app.db-{}.json", backup.id), format!("app.db-{}.sqlite.zst", backup.id)];
        assert_eq!(prune_all(&backup), expected, "{text}");
    }
}

#[test]
fn what_sqlite_leaves_beside_an_unfinished_file_is_pruned() {
    let bench = SqliteFile::new();
    let backup = create(&bench, &prepared(&bench));
    let unfinished = backup.directory.join("app.db-20200101T000000000Z-00000000-copy.partial");
    std::fs::write(&unfinished, "").unwrap();
    for suffix in ["-journal", "-wal", "-shm"] {
        std::fs::write(format!("{}{suffix}", unfinished.display()), "").unwrap();
    }
    let of_another = backup.directory.join("app.db-20200101T000000000Z-00000001-copy.partial-journal");
    std::fs::write(&of_another, "").unwrap();
    age(&of_another);
    assert_eq!(prune_all(&backup).len(), 2, "the backup and its manifest");
}

fn with_more(path: &std::path::Path) -> Migrator {
    let more = [TABLES[0], TABLES[1], ("1.2.0", "more", "CREATE TABLE more (id INTEGER)", "")];
    migrator(&more).backup(BackupOptions { directory: Some(path.to_owned()), ..Default::default() })
}
