//! What embedding costs whoever compiles: time, crates, and the size of the program.
//!
//! The programs here do nothing but embed a set and count it. Each tool's has the dependencies, features and lock file of its
//! measured program, with the SQLite backend alone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use crate::measure::{self, Cost};
use crate::programs::{Database, LIMIT, Program, succeed};
use crate::results::{Record, Results};
use crate::sets;
use crate::{Bench, progress};

/// Sets that are embedded; 0 is a program that does not embed.
const SIZES: [usize; 3] = [0, 100, 1000];

pub(crate) fn run(bench: &Bench) -> io::Result<()> {
    let mut results = Results::begin(&bench.results, "compile")?;
    for program in &bench.programs {
        let package = Package::write(bench, *program)?;
        results.add(&package.record("dependencies", 0, 0).value("crates", package.crates()?))?;
        // CPU times vary little.
        let colds = if program.is_peer() { 1 } else { 2 };
        for round in 1..=colds {
            progress(&format!("compiling everything for {}, round {round}", program.name));
            results.add(&package.record("cold", 0, round).cost(&package.cold()?))?;
        }
        if program.name == LIMIT {
            continue;
        }
        for release in [false, true] {
            incremental(bench, &mut results, &package, release)?;
        }
    }
    Ok(())
}

/// The same small change of `main.rs`, again and again, without a set and with each.
fn incremental(bench: &Bench, results: &mut Results, package: &Package<'_>, release: bool) -> io::Result<()> {
    let operation = if release { "release" } else { "debug" };
    // A release build of one of the macros takes more than a minute.
    let rounds = if release { 3.min(bench.effort.builds) } else { bench.effort.builds };
    let mut slow = BTreeSet::new();
    // Compiles the dependencies, which take longer than what counts as slow below.
    package.edit(0, 0)?;
    succeed(&mut package.cargo("build", release))?;
    for round in 0..=rounds {
        for size in SIZES {
            if slow.contains(&size) {
                continue;
            }
            progress(&format!("compiling {} with {size} migrations, {operation}, round {round}", package.program.name));
            package.edit(size, round)?;
            let cost = measure::once(&package.cargo("build", release))?;
            if cost.wall > 20_000.0 {
                slow.insert(size);
            }
            // The first one warms up.
            if round > 0 || slow.contains(&size) {
                results.add(&package.record(operation, size, round).cost(&cost))?;
            }
            if release && (round == 0) {
                let binary = fs::metadata(package.binary(release))?.len();
                let sql = sets::bytes(package.program.layout, size);
                let record = package.record("size", size, round).value("binary", number(binary));
                results.add(&record.value("sql", number(u64::try_from(sql).unwrap_or(u64::MAX))))?;
            }
        }
    }
    Ok(())
}

/// A package that embeds.
struct Package<'b> {
    bench: &'b Bench,
    program: Program,
    folder: PathBuf,
}

impl<'b> Package<'b> {
    fn write(bench: &'b Bench, program: Program) -> io::Result<Self> {
        let folder = bench.work.join("compile").join(program.name);
        fs::create_dir_all(folder.join("src"))?;
        let original = bench.root.join("bench").join(program.name);
        let manifest = fs::read_to_string(original.join("Cargo.toml"))?;
        fs::write(folder.join("Cargo.toml"), self::manifest(&manifest, &bench.root))?;
        fs::copy(original.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        let package = Self { bench, program, folder };
        package.edit(0, 0)?;
        // Writes the lock file without what the measured program alone needs.
        succeed(package.bench.cargo(&package.folder).args(["update", "--workspace", "--offline", "--quiet"]))?;
        Ok(package)
    }

    /// A program that is not the one of the round before.
    fn edit(&self, size: usize, round: usize) -> io::Result<()> {
        let embed = if size == 0 {
            "fn count() -> usize { 0 }".to_owned()
        } else {
            let set = sets::write(&self.bench.work, self.program.layout, size)?;
            let name = set.file_name().unwrap_or_default();
            (self.program.embed)(&format!("../../sets/{}", name.display()))
        };
        fs::write(
            self.folder.join("src/main.rs"),
            format!("{embed}\nfn main() {{ println!(\"{round} {{}}\", count()); }}\n"),
        )
    }

    fn cargo(&self, verb: &str, release: bool) -> Command {
        // The process in between passes no environment on its own.
        let mut cargo = Command::new("env");
        cargo.arg("-C").arg(&self.folder).args(["-u", "RUSTFLAGS", "-u", "CARGO_INCREMENTAL"]);
        cargo.arg(format!("CARGO_TARGET_DIR={}", self.target().display()));
        cargo.args(["cargo", verb, "--quiet", "--offline"]);
        cargo.args(["--features", Database::Sqlite.name()]);
        if release {
            cargo.arg("--release");
        }
        cargo
    }

    /// A debug build into an empty folder, one job after the other, so that the CPU time is that of the work.
    fn cold(&self) -> io::Result<Cost> {
        self.edit(0, 0)?;
        if self.target().exists() {
            fs::remove_dir_all(self.target())?;
        }
        let mut cargo = self.cargo("build", false);
        measure::once(cargo.args(["--jobs", "1"]))
    }

    /// The crates that are compiled, this package among them.
    fn crates(&self) -> io::Result<f64> {
        let mut cargo = self.cargo("tree", false);
        let listed = succeed(cargo.args(["--edges", "normal,build", "--prefix", "none", "--format", "{p}"]))?;
        // What was shown before is marked.
        let crates: BTreeSet<&str> = listed.lines().map(|line| line.trim_end_matches(" (*)")).collect();
        Ok(number(u64::try_from(crates.len()).unwrap_or(u64::MAX)))
    }

    fn target(&self) -> PathBuf {
        self.folder.join("target")
    }

    fn binary(&self, release: bool) -> PathBuf {
        let folder = if release { "release" } else { "debug" };
        self.target().join(folder).join(format!("bench-{}", self.program.name.replace('_', "-")))
    }

    fn record(&self, operation: &str, size: usize, round: usize) -> Record {
        Record {
            program: self.program.name.to_owned(),
            operation: operation.to_owned(),
            size,
            round,
            processes: 1,
            ..Record::default()
        }
    }
}

/// The manifest of a measured program, for another place, without the dependencies that only measuring needs.
fn manifest(original: &str, root: &Path) -> String {
    let root = root.display().to_string();
    let mut lines: Vec<String> = Vec::new();
    for line in original.lines() {
        if line.starts_with("bench-common") || line == "[build-dependencies]" || line == "publish = false" {
            continue;
        }
        lines.push(line.replace("../../", &format!("{root}/")));
    }
    // Ours lies beside the program, all others come from a registry, of which cargo compiles nothing incrementally: so whoever
    // depends on it has it, too.
    lines.join("\n") + "\n[profile.dev.package.\"*\"]\nincremental = false\n"
}

fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
