//! What is measured on SQLite files.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use crate::measure::{self, Cost};
use crate::programs::{Database, LIMIT, OURS, Program, succeed};
use crate::results::{Record, Results};
use crate::{Bench, progress};

const DATABASE: Database = Database::Sqlite;

/// How often what takes milliseconds is repeated within a round.
const REPEATS: usize = 10;

pub(crate) fn run(bench: &Bench) -> io::Result<()> {
    let mut results = Results::begin(&bench.results, DATABASE.name())?;
    refuse_memory(&bench.work)?;
    for &size in &bench.effort.sizes {
        for round in 1..=bench.effort.rounds {
            for program in bench.shuffled(DATABASE, size) {
                progress(&format!("SQLite, {size} migrations, round {round}: {}", program.name));
                round_of(bench, &mut results, program, size, round)?;
            }
        }
    }
    for &size in &bench.effort.sizes {
        for program in bench.shuffled(DATABASE, size) {
            progress(&format!("SQLite, counting, {size} migrations: {}", program.name));
            count(bench, &mut results, program, size)?;
        }
    }
    for round in 1..=bench.effort.crowds {
        for program in bench.shuffled(DATABASE, bench.effort.crowd_size) {
            progress(&format!("SQLite, 8 processes at once, round {round}: {}", program.name));
            crowd(bench, &mut results, program, round)?;
        }
    }
    Ok(())
}

/// One round with a set.
pub(crate) fn once(bench: &Bench, results: &mut Results, size: usize) -> io::Result<()> {
    for program in bench.shuffled(DATABASE, size) {
        progress(&format!("SQLite, {size} migrations: {}", program.name));
        round_of(bench, results, program, size, 1)?;
    }
    Ok(())
}

/// On a file system in memory nothing would be durable.
pub(crate) fn refuse_memory(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let kind = succeed(Command::new("stat").args(["-f", "-c", "%T"]).arg(folder))?;
    if kind.trim() == "tmpfs" {
        return Err(io::Error::other(format!("{} is in memory: set TMPDIR, or move the checkout", folder.display())));
    }
    Ok(())
}

fn round_of(bench: &Bench, results: &mut Results, program: Program, size: usize, round: usize) -> io::Result<()> {
    let file = fresh(bench, program.name)?;
    let run = |verb: &str| measure::once(&command(bench, program, size, verb, &file));
    let mut keep = |program: Program, operation: &str, cost: &Cost| {
        results.add(&record(program, operation, size, round).cost(cost))
    };

    keep(program, "fresh", &run("up")?)?;
    assert_journal(&file)?;
    if program.name != LIMIT {
        for _ in 0..REPEATS {
            keep(program, "start", &run("up")?)?;
            // The limit asks its one question of the ledger that we have written, in turn with us.
            if program.name == OURS {
                let limit = bench.program(LIMIT);
                keep(limit, "start", &measure::once(&command(bench, limit, size, "query", &file))?)?;
            }
            keep(program, "status", &run("status")?)?;
        }
    }
    let one = if program.name == LIMIT { "one" } else { "up" };
    for _ in 0..3 {
        run("last")?;
        keep(program, "one", &run(one)?)?;
    }
    if program.down && size < 10_000 {
        keep(program, "down", &run("down")?)?;
    }
    fs::remove_file(file)
}

/// How often it commits and waits for the disk.
fn count(bench: &Bench, results: &mut Results, program: Program, size: usize) -> io::Result<()> {
    let file = fresh(bench, program.name)?;
    let (commits, syncs) = counted(&command(bench, program, size, "up", &file), &file)?;
    // With `synchronous = FULL` and a rollback journal, SQLite waits for the journal twice, for its folder, and for the file;
    // with NORMAL only once for the journal. The first commit of an empty file has nothing to save.
    assert!(syncs >= 4.0 * (commits - 1.0), "{} does not commit as durably as SQLite by itself", program.name);
    results.add(&record(program, "fresh", size, 1).value("commits", commits).value("syncs", syncs))?;
    measure::once(&command(bench, program, size, "last", &file))?;
    let one = if program.name == LIMIT { "one" } else { "up" };
    let (commits, syncs) = counted(&command(bench, program, size, one, &file), &file)?;
    results.add(&record(program, "one", size, 1).value("commits", commits).value("syncs", syncs))?;
    if program.name != LIMIT {
        let (commits, syncs) = counted(&command(bench, program, size, "up", &file), &file)?;
        results.add(&record(program, "start", size, 1).value("commits", commits).value("syncs", syncs))?;
    }
    fs::remove_file(file)
}

/// Commits by SQLite's own count in the head of the file, and calls of the system that wait for the disk.
fn counted(program: &Command, file: &Path) -> io::Result<(f64, f64)> {
    let before = changes(file)?;
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-e", "trace=fsync,fdatasync", "-U", "calls,name"]);
    strace.arg(program.get_program()).args(program.get_args());
    let output = testkit::process::run(&mut strace);
    if output.code != 0 {
        return Err(io::Error::other(format!("{strace:?}: {}", output.stderr)));
    }
    let calls = output.stderr.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (calls, name) = (words.next()?.parse::<u32>().ok()?, words.next()?);
        ["fsync", "fdatasync"].contains(&name).then_some(calls)
    });
    Ok((f64::from(changes(file)? - before), f64::from(calls.sum::<u32>())))
}

/// The file change counter, which every transaction that writes raises by one as long as the journal is no WAL.
fn changes(file: &Path) -> io::Result<u32> {
    let Ok(content) = fs::read(file) else { return Ok(0) };
    Ok(content.get(24..28).map_or(0, |bytes| bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte))))
}

/// No program may have changed the journal mode, which is kept in the file: 1 is a rollback journal, 2 a WAL.
fn assert_journal(file: &Path) -> io::Result<()> {
    assert_eq!(fs::read(file)?.get(18..20), Some([1, 1].as_slice()), "the journal mode is not SQLite's own");
    Ok(())
}

/// Eight processes that bring the same new file up to date, and one alone.
fn crowd(bench: &Bench, results: &mut Results, program: Program, round: usize) -> io::Result<()> {
    if program.name == LIMIT {
        return Ok(());
    }
    let size = bench.effort.crowd_size;
    for processes in [1, 8] {
        let file = fresh(bench, program.name)?;
        let cost = measure::run(processes, &command(bench, program, size, "up", &file))?;
        let record = Record { processes, ..record(program, "crowd", size, round) };
        results.add(&record.cost(&cost))?;
        fs::remove_file(&file)?;
    }
    Ok(())
}

fn record(program: Program, operation: &str, size: usize, round: usize) -> Record {
    Record {
        program: program.name.to_owned(),
        database: DATABASE.name().to_owned(),
        operation: operation.to_owned(),
        size,
        round,
        processes: 1,
        ..Record::default()
    }
}

/// The name of a file that is not there, with a disk that has nothing else to do.
fn fresh(bench: &Bench, name: &str) -> io::Result<PathBuf> {
    let folder = bench.work.join("sqlite").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    measure::settle();
    Ok(folder.join("app.db"))
}

fn command(bench: &Bench, program: Program, size: usize, verb: &str, file: &Path) -> Command {
    let mut command = Command::new(program.binary(bench, DATABASE, size));
    command.arg(verb).arg(file);
    command
}
