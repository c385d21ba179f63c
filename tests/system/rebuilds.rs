//! Whether a program is ever built from old migrations without anybody saying so: what cargo does after each kind of change,
//! and what the comparison of contents says where cargo does nothing.
//!
//! Every case is a package of one workspace, so that two runs of cargo serve all of them.

use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use migrate_core::name::LOCK;
use migrate_core::source::{LoadOptions, Loaded, load};
use system_tests::root;
use testkit::process::run;

/// What is done to the migrations of a built program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Edit,
    Add,
    Delete,
    Rename,
}

/// How a program is set up, and what happens to it.
#[derive(Clone, Copy, Debug)]
struct Case {
    change: Change,
    lock: bool,
    helper: bool,
    /// The files and folders come with time stamps of long ago, as `rsync -a` and `cp -p` bring them.
    old: bool,
}

/// What becomes of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Cargo compiled the program again.
    Rebuilt,
    /// Cargo did nothing, and the program says that it is stale.
    Reported,
    /// Nobody noticed.
    Silent,
}

/// What a program says of itself.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    digest: String,
    stale: bool,
}

const CHANGES: [Change; 4] = [Change::Edit, Change::Add, Change::Delete, Change::Rename];

/// The columns of the table: lock file, build helper, old time stamps.
const COLUMNS: [(bool, bool, bool); 8] = [
    (false, false, false),
    (true, false, false),
    (false, true, false),
    (true, true, false),
    (false, false, true),
    (true, false, true),
    (false, true, true),
    (true, true, true),
];

#[rustfmt::skip]
const EXPECTED: [[Outcome; 8]; 4] = {
    use Outcome::{Rebuilt as B, Reported as R};
    [
        // new time stamps                  old time stamps
        // none  lock  helper both          none  lock  helper both
        [  B,    B,    B,     B,            R,    R,    R,     R ], // edit
        [  R,    B,    B,     B,            R,    R,    R,     R ], // add
        [  B,    B,    B,     B,            B,    B,    B,     B ], // delete
        [  B,    B,    B,     B,            B,    B,    B,     B ], // rename
    ]
};

impl Case {
    fn all() -> impl Iterator<Item = Self> {
        let of = |change| COLUMNS.map(|(lock, helper, old)| Self { change, lock, helper, old });
        CHANGES.into_iter().flat_map(of)
    }

    fn package(self) -> String {
        let word = |is, word| if is { word } else { "" };
        let change = format!("{:?}", self.change).to_lowercase();
        format!("{change}{}{}{}", word(self.lock, "-lock"), word(self.helper, "-helper"), word(self.old, "-old"))
    }

    fn change(self, workspace: &Workspace) {
        let migrations = workspace.migrations(self);
        match self.change {
            Change::Edit => {
                write(&migrations.join("v1.1.0_notes/up.sql"), "CREATE TABLE notes (id INTEGER, text TEXT);\n")
            }
            Change::Add => migration(&migrations, "1.2.0", "tags"),
            Change::Delete => fs::remove_dir_all(migrations.join("v1.1.0_notes")).expect("the migration is there"),
            Change::Rename => {
                fs::rename(migrations.join("v1.1.0_notes"), migrations.join("v1.1.0_memos"))
                    .expect("it can be renamed");
                migration(&migrations, "1.1.0", "memos");
            }
        }
        if self.lock {
            lock(&migrations);
        }
        if self.old {
            age(&migrations);
        }
    }
}

/// A cargo workspace with a program for each case.
struct Workspace {
    root: PathBuf,
}

impl Workspace {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rebuilds");
        // What was compiled before stays, so that only the first run compiles the dependencies.
        let _ = fs::remove_dir_all(root.join("cases"));
        let workspace = Self { root };
        for case in Case::all() {
            workspace.add(case);
        }
        write(&workspace.root.join("Cargo.toml"), "[workspace]\nresolver = \"3\"\nmembers = [\"cases/*\"]\n");
        // The versions that are there, so that nothing has to be fetched.
        fs::copy(self::root().join("Cargo.lock"), workspace.root.join("Cargo.lock"))
            .expect("the lock file can be copied");
        workspace
    }

    fn package(&self, case: Case) -> PathBuf {
        self.root.join("cases").join(case.package())
    }

    fn migrations(&self, case: Case) -> PathBuf {
        self.package(case).join("migrations_v2")
    }

    /// A program that embeds two migrations.
    fn add(&self, case: Case) {
        let package = self.package(case);
        let path = |krate: &str| format!("{{ path = {:?} }}", root().join(krate));
        let (core, runtime) = (path("migrate-core"), path("migrate-runtime"));
        let mut manifest = format!(
            "[package]\nname = \"{}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\
             [dependencies]\nmigrate-core = {core}\nmigrate-runtime = {runtime}\n",
            case.package()
        );
        if case.helper {
            let _ = writeln!(manifest, "[build-dependencies]\nmigrate-build = {}", path("migrate-build"));
            write(&package.join("build.rs"), "fn main() { migrate_build::track(\"migrations_v2\"); }\n");
        }
        write(&package.join("Cargo.toml"), &manifest);
        write(
            &package.join("src/main.rs"),
            "static MIGRATIONS: migrate_runtime::Registry = migrate_runtime::embed_migrations!();\n\
             fn main() { println!(\"{} {}\", MIGRATIONS.digest(), migrate_core::stale::find(&MIGRATIONS).is_some()); }\n",
        );
        let migrations = self.migrations(case);
        migration(&migrations, "1.0.0", "users");
        migration(&migrations, "1.1.0", "notes");
        if case.lock {
            lock(&migrations);
        }
    }

    #[track_caller]
    fn cargo(&self, arguments: &[&str]) {
        let mut command = Command::new(env!("CARGO"));
        command.args(arguments).args(["--offline", "--quiet"]).current_dir(&self.root);
        let output = run(command.env("CARGO_TARGET_DIR", self.root.join("target")));
        assert_eq!(output.code, 0, "cargo {arguments:?}: {}", output.stderr);
    }

    fn program(&self, case: Case) -> PathBuf {
        self.root.join("target/debug").join(case.package())
    }

    fn ask(&self, case: Case) -> Said {
        let output = run(&mut Command::new(self.program(case)));
        let (digest, stale) = output.stdout.trim().split_once(' ').expect("the program prints two words");
        Said { digest: digest.to_owned(), stale: stale == "true" }
    }

    /// What a program says that was compiled from what is on disk.
    fn current(&self, case: Case) -> Said {
        let (registry, _) = loaded(&self.migrations(case)).into_registry().expect("every case leaves a valid set");
        Said { digest: registry.digest().to_string(), stale: false }
    }

    fn assert_current(&self, cases: impl Iterator<Item = Case>) {
        for case in cases {
            assert_eq!(self.ask(case), self.current(case), "{}", case.package());
        }
    }
}

fn loaded(migrations: &Path) -> Loaded {
    load(migrations, &LoadOptions { check_lock: false, ..LoadOptions::new("migrations_v2") })
}

fn lock(migrations: &Path) {
    write(&migrations.join(LOCK), &loaded(migrations).lock_text());
}

fn migration(migrations: &Path, version: &str, name: &str) {
    let folder = migrations.join(format!("v{version}_{name}"));
    write(&folder.join("metadata.json"), &format!("{{\"version\": \"{version}\", \"name\": \"{name}\"}}\n"));
    write(&folder.join("up.sql"), &format!("CREATE TABLE {name} (id INTEGER);\n"));
    write(&folder.join("down.sql"), &format!("DROP TABLE {name};\n"));
}

fn write(path: &Path, text: &str) {
    let folder = path.parent().expect("a file is in a folder");
    fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Gives everything below a path, and the path itself, a time stamp of long ago.
fn age(path: &Path) {
    if path.is_dir() {
        for entry in path.read_dir().expect("the directory can be read") {
            age(&entry.expect("the directory can be read").path());
        }
    }
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let file = File::open(path).expect("the file can be opened");
    file.set_modified(long_ago).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// The table of `docs/rebuilds.md`.
fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::from(
        "| change | lock file | build helper | new time stamps | old time stamps |\n|---|---|---|---|---|\n",
    );
    let word = |outcome| match outcome {
        Outcome::Rebuilt => "rebuilt",
        Outcome::Reported => "**reported**",
        Outcome::Silent => "SILENT",
    };
    for (change, row) in CHANGES.iter().zip(outcomes.chunks(COLUMNS.len())) {
        let (new, old) = row.split_at(COLUMNS.len() / 2);
        for (index, (lock, helper, _)) in COLUMNS.iter().take(new.len()).enumerate() {
            let change = format!("{change:?}").to_lowercase();
            let mark = |is: bool| if is { "yes" } else { "no" };
            let _ = writeln!(
                text,
                "| {change} | {} | {} | {} | {} |",
                mark(*lock),
                mark(*helper),
                word(new[index]),
                word(old[index])
            );
        }
    }
    text
}

#[test]
fn every_change_is_built_or_reported() {
    let workspace = Workspace::new();
    workspace.cargo(&["build"]);
    workspace.assert_current(Case::all());

    Case::all().for_each(|case| case.change(&workspace));
    workspace.cargo(&["build"]);
    let outcomes: Vec<Outcome> = Case::all()
        .map(|case| match workspace.ask(case) {
            said if said == workspace.current(case) => Outcome::Rebuilt,
            Said { stale: true, .. } => Outcome::Reported,
            Said { stale: false, .. } => Outcome::Silent,
        })
        .collect();
    let table = table(&outcomes);
    assert_eq!(outcomes, EXPECTED.concat(), "\n{table}");
    let document = fs::read_to_string(root().join("docs/rebuilds.md")).expect("docs/rebuilds.md is there");
    assert!(document.contains(&table), "docs/rebuilds.md has another table than\n{table}");

    // What the report advises helps.
    let reported =
        || Case::all().zip(&outcomes).filter(|(_, outcome)| **outcome == Outcome::Reported).map(|(case, _)| case);
    let packages: Vec<String> = reported().filter(|case| !case.helper).map(Case::package).collect();
    let clean = packages.iter().flat_map(|package| ["-p", package]);
    workspace.cargo(&["clean"].into_iter().chain(clean).collect::<Vec<_>>());
    for case in reported().filter(|case| case.helper) {
        let script = File::options().write(true).open(workspace.package(case).join("build.rs"));
        script.expect("there is a build script").set_modified(SystemTime::now()).expect("a file can be touched");
    }
    workspace.cargo(&["build"]);
    workspace.assert_current(reported());
    is_in_debug_builds_only(&workspace);
}

/// In a package of its own, whose tests are compiled with SQLite.
#[test]
fn the_generated_test_sees_what_time_stamps_hide() {
    let workspace = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated-test");
    let _ = fs::remove_dir_all(workspace.join("package"));
    let runtime = root().join("migrate-runtime");
    write(&workspace.join("Cargo.toml"), "[workspace]\nresolver = \"3\"\nmembers = [\"package\"]\n");
    fs::copy(root().join("Cargo.lock"), workspace.join("Cargo.lock")).expect("the lock file can be copied");
    let package = workspace.join("package");
    let manifest = format!(
        "[package]\nname = \"tested\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\
         [dev-dependencies]\nmigrate-runtime = {{ path = {runtime:?}, features = [\"testing\", \"sqlite-bundled\"] }}\n"
    );
    write(&package.join("Cargo.toml"), &manifest);
    write(&package.join("src/lib.rs"), "");
    write(&package.join("tests/migrations.rs"), "migrate_runtime::migration_tests!(\"migrations_v2\", sqlite);\n");
    let migrations = package.join("migrations_v2");
    migration(&migrations, "1.0.0", "users");
    let test = || {
        let mut command = Command::new(env!("CARGO"));
        command.args(["test", "--offline", "--quiet", "--test", "migrations"]).current_dir(&workspace);
        run(command.env("CARGO_TARGET_DIR", workspace.join("target")))
    };
    let output = test();
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);

    let write_up = |columns: &str| {
        write(&migrations.join("v1.0.0_users/up.sql"), &format!("CREATE TABLE users ({columns});\n"));
    };
    write_up("id INTEGER, name TEXT");
    age(&migrations);
    let output = test();
    assert_eq!(output.code, 101, "{}{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("migrations::is_what_the_directory_holds"), "{}", output.stdout);
    assert!(output.stdout.contains("test result: FAILED. 2 passed; 1 failed"), "{}", output.stdout);

    // With honest time stamps cargo compiles again.
    write_up("id INTEGER, name TEXT");
    let output = test();
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
}

/// A program compiled without debug assertions holds no path of the machine that built it.
fn is_in_debug_builds_only(workspace: &Workspace) {
    let case = Case { change: Change::Edit, lock: false, helper: false, old: false };
    let path = workspace.migrations(case).display().to_string();
    let holds_path = || {
        let program = fs::read(workspace.program(case)).expect("the program is there");
        program.windows(path.len()).any(|window| window == path.as_bytes())
    };
    assert!(holds_path());
    let package = case.package();
    let of = |setting: &str| format!("profile.dev.package.{package}.{setting}");
    let (assertions, debug) = (of("debug-assertions=false"), of("debug=false"));
    workspace.cargo(&["build", "-p", &package, "--config", &assertions, "--config", &debug]);
    assert!(!holds_path());
}
