//! Measures migrate-runtime against the limit and against what people use today. See ../../README.md.

mod compile;
mod delay;
mod measure;
mod postgres;
mod programs;
mod report;
mod results;
mod sets;
mod sqlite;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::time::SystemTime;

use testkit::random::Random;

use crate::programs::{Database, PROGRAMS, Program};
use crate::results::Results;

const USAGE: &str =
    "usage: scripts/bench [PART...] [--quick] [--rounds N] [--sizes N[,N]] [--delays MS[,MS]] [--only PROGRAM[,PROGRAM...]]
parts, all of them unless named: build, sqlite, postgres, compile, large, report";

const PARTS: [&str; 6] = ["build", "sqlite", "postgres", "compile", "large", "report"];

/// Where everything is, and what is to be measured.
#[derive(Debug)]
pub(crate) struct Bench {
    /// The checkout.
    root: PathBuf,
    /// For what can be removed at any time.
    work: PathBuf,
    /// Where the programs are compiled.
    target: PathBuf,
    results: PathBuf,
    effort: Effort,
    programs: Vec<Program>,
    random: Mutex<Random>,
}

/// How much is measured.
#[derive(Debug)]
pub(crate) struct Effort {
    /// How many migrations the sets have.
    sizes: Vec<usize>,
    /// The set that is measured once and by itself, if any: it takes as long as all the others together.
    large: Option<usize>,
    /// How much longer networks make a round trip, in milliseconds; 0 is a connection without a proxy.
    delays: Vec<u64>,
    rounds: usize,
    /// How many rounds of eight processes at once.
    crowds: usize,
    /// The size of the set that eight processes bring up at once.
    crowd_size: usize,
    /// How many times something is compiled.
    builds: usize,
}

impl Effort {
    fn full() -> Self {
        Self {
            sizes: vec![100, 1000],
            large: Some(10_000),
            delays: vec![0, 1, 10],
            rounds: 3,
            crowds: 5,
            crowd_size: 1000,
            builds: 9,
        }
    }

    fn quick() -> Self {
        Self { sizes: vec![100], large: None, delays: vec![0, 1, 10], rounds: 2, crowds: 2, crowd_size: 100, builds: 3 }
    }
}

impl Bench {
    /// The programs that are measured with so many migrations, in another order each time: in a fixed one a program would
    /// pay for the writes of the one before it.
    pub(crate) fn shuffled(&self, database: Database, size: usize) -> Vec<Program> {
        let mut programs: Vec<Program> = self.programs(database, size).collect();
        let mut random = self.random.lock().expect("nobody panics with it");
        for last in (1..programs.len()).rev() {
            programs.swap(last, random.below(last + 1));
        }
        programs
    }

    pub(crate) fn programs(&self, database: Database, size: usize) -> impl Iterator<Item = Program> {
        self.programs.iter().copied().filter(move |program| program.supports(database) && program.holds(size))
    }

    /// One of the programs, whether it is to be measured or not.
    pub(crate) fn program(&self, name: &str) -> Program {
        PROGRAMS.into_iter().find(|program| program.name == name).expect("it is in the table")
    }

    /// Cargo in a folder, with nothing in its environment that changes what it does.
    pub(crate) fn cargo(&self, folder: &std::path::Path) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(folder).env("CARGO_TARGET_DIR", &self.target);
        for variable in ["RUSTFLAGS", "CARGO_INCREMENTAL", "CARGO_BUILD_TARGET"] {
            cargo.env_remove(variable);
        }
        cargo
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.split_first() {
        Some((first, rest)) if first == measure::MEASURE => measure::between(rest),
        _ => parse(&arguments).and_then(|(bench, parts)| parts.iter().try_for_each(|part| run(&bench, part))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: &[String]) -> io::Result<(Bench, Vec<String>)> {
    let usage = || io::Error::other(USAGE);
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).canonicalize()?;
    let (mut effort, mut programs, mut parts) = (Effort::full(), PROGRAMS.to_vec(), Vec::new());
    if arguments.iter().any(|argument| argument == "--quick") {
        effort = Effort::quick();
    }
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => {}
            "--rounds" => {
                let number = arguments.next().and_then(|number| number.parse().ok());
                effort.rounds = number.ok_or_else(usage)?;
            }
            "--sizes" => {
                let sizes = arguments.next().ok_or_else(usage)?.split(',').map(str::parse).collect::<Result<_, _>>();
                effort.sizes = sizes.map_err(io::Error::other)?;
            }
            "--delays" => {
                let delays = arguments.next().ok_or_else(usage)?.split(',').map(str::parse).collect::<Result<_, _>>();
                effort.delays = delays.map_err(io::Error::other)?;
            }
            "--only" => {
                let names: Vec<&str> = arguments.next().ok_or_else(usage)?.split(',').collect();
                programs.retain(|program| names.contains(&program.name));
            }
            part if PARTS.contains(&part) => parts.push(part.to_owned()),
            _ => return Err(usage()),
        }
    }
    if parts.is_empty() {
        parts = PARTS.map(str::to_owned).to_vec();
    }
    let seed = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    let bench = Bench {
        work: root.join("bench/work"),
        target: root.join("bench/target"),
        results: root.join("bench/results"),
        root,
        effort,
        programs,
        random: Mutex::new(Random::new(seed)),
    };
    Ok((bench, parts))
}

fn run(bench: &Bench, part: &str) -> io::Result<()> {
    match part {
        "build" => build(bench),
        "sqlite" => sqlite::run(bench),
        "postgres" => postgres::run(bench),
        "compile" => compile::run(bench),
        "large" => large(bench),
        _ => report::write(bench),
    }
}

fn build(bench: &Bench) -> io::Result<()> {
    for database in [Database::Sqlite, Database::Postgres] {
        for &size in bench.effort.sizes.iter().chain(&bench.effort.large) {
            for program in bench.programs(database, size) {
                program.build(bench, database, size)?;
            }
        }
    }
    Ok(())
}

/// The large set, between us and the limit.
fn large(bench: &Bench) -> io::Result<()> {
    let mut results = Results::begin(&bench.results, "large")?;
    if let Some(size) = bench.effort.large {
        sqlite::once(bench, &mut results, size)?;
        postgres::once(bench, &mut results, size)?;
    }
    Ok(())
}

/// A line for whoever waits.
pub(crate) fn progress(line: &str) {
    // When nobody reads it there is nobody to tell.
    let _ = writeln!(io::stderr(), "{line}");
}
