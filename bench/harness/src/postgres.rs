//! What is measured on a private PostgreSQL server, directly and through networks that take their time.

use std::mem::ManuallyDrop;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;
use std::{fs, io};

use testkit::postgres::{Database as Scratch, Server};
use testkit::proxy::Proxy;

use crate::measure::{self, Cost};
use crate::programs::{Database, LIMIT, OURS, Program};
use crate::results::{Record, Results};
use crate::{Bench, delay, progress, sqlite};

const DATABASE: Database = Database::Postgres;

/// The file among the results that says which server it was.
pub(crate) const VERSION: &str = "postgres.version";

/// How often what takes milliseconds is repeated within a round.
const REPEATS: usize = 10;

pub(crate) fn run(bench: &Bench) -> io::Result<()> {
    let mut results = Results::begin(&bench.results, DATABASE.name())?;
    sqlite::refuse_memory(&std::env::temp_dir())?;
    let server = server();
    fs::write(bench.results.join(VERSION), server.psql("SHOW server_version"))?;
    // Whatever drops tables comes last: see `Round::database`.
    let mut applied = Vec::new();
    for &size in &bench.effort.sizes {
        for &delay in &bench.effort.delays {
            let port = port(&server, delay)?;
            for round in 1..=bench.effort.rounds {
                for program in bench.shuffled(DATABASE, size) {
                    // Thousands of round trips of 10 ms need no second look.
                    if size >= 1000 && delay > 0 && program.is_peer() && round > 1 {
                        continue;
                    }
                    progress(&format!("PostgreSQL, {size} migrations, {delay} ms, round {round}: {}", program.name));
                    let round = Round { bench, server: &server, program, size, delay, round, port };
                    let database = round.run(&mut results)?;
                    if program.down && delay == 0 {
                        applied.push((round, database));
                    }
                }
            }
        }
    }
    for round in 1..=bench.effort.crowds {
        for program in bench.shuffled(DATABASE, bench.effort.crowd_size) {
            progress(&format!("PostgreSQL, 8 processes at once, round {round}: {}", program.name));
            let port = server.port();
            Round { bench, server: &server, program, size: bench.effort.crowd_size, delay: 0, round, port }
                .crowd(&mut results)?;
        }
    }
    for (round, database) in applied {
        progress(&format!(
            "PostgreSQL, {} migrations, down, round {}: {}",
            round.size, round.round, round.program.name
        ));
        let cost = measure::once(&round.command(round.program, "down", &database, round.port))?;
        results.add(&round.record("down").cost(&cost))?;
    }
    for &size in &bench.effort.sizes {
        for program in bench.shuffled(DATABASE, size) {
            // Steps are sent ahead, so how often the server ran out of them also depends on who got a core in time.
            let times = if program.name == OURS { 5 } else { 1 };
            for round in 1..=times {
                progress(&format!("PostgreSQL, counting, {size} migrations: {}, {round}", program.name));
                let port = server.port();
                Round { bench, server: &server, program, size, delay: 0, round, port }.count(&mut results)?;
            }
        }
    }
    Ok(())
}

/// One round with a set.
pub(crate) fn once(bench: &Bench, results: &mut Results, size: usize) -> io::Result<()> {
    let server = server();
    for program in bench.shuffled(DATABASE, size) {
        progress(&format!("PostgreSQL, {size} migrations: {}", program.name));
        Round { bench, server: &server, program, size, delay: 0, round: 1, port: server.port() }.run(results)?;
    }
    Ok(())
}

/// A server as PostgreSQL is by itself, but for what would come by at moments of its own; those of the tests are less careful.
fn server() -> Server {
    let server = Server::start_with(&[("fsync", "on"), ("autovacuum", "off"), ("max_locks_per_transaction", "8192")]);
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        assert_eq!(server.psql(&format!("SHOW {setting}")), "on", "{setting} is off");
    }
    server
}

fn port(server: &Server, delay: u64) -> io::Result<u16> {
    if delay == 0 {
        return Ok(server.port());
    }
    delay::proxy(SocketAddr::from((Ipv4Addr::LOCALHOST, server.port())), Duration::from_millis(delay))
}

/// One program in one round.
struct Round<'b> {
    bench: &'b Bench,
    server: &'b Server,
    program: Program,
    size: usize,
    delay: u64,
    round: usize,
    /// Where the server is reached.
    port: u16,
}

impl Round<'_> {
    /// Everything but the way down, for which it leaves a database in which everything is applied.
    fn run(&self, results: &mut Results) -> io::Result<ManuallyDrop<Scratch>> {
        let database = self.database();
        let run = |verb: &str| measure::once(&self.command(self.program, verb, &database, self.port));
        let keep =
            |results: &mut Results, operation: &str, cost: &Cost| results.add(&self.record(operation).cost(cost));

        keep(results, "fresh", &run("up")?)?;
        if self.program.name == LIMIT {
            for (operation, verb) in [("batch", "batch"), ("grouped", "grouped")] {
                let database = self.database();
                keep(results, operation, &measure::once(&self.command(self.program, verb, &database, self.port))?)?;
            }
        } else {
            for _ in 0..REPEATS {
                keep(results, "start", &run("up")?)?;
                // The limit asks of the ledger that we have written, in turn with us.
                if self.program.name == OURS {
                    let limit = self.bench.program(LIMIT);
                    let cost = measure::once(&self.command(limit, "query", &database, self.port))?;
                    results.add(&Record { program: LIMIT.to_owned(), ..self.record("start") }.cost(&cost))?;
                }
                keep(results, "status", &run("status")?)?;
            }
        }
        let one = if self.program.name == LIMIT { "one" } else { "up" };
        for _ in 0..3 {
            run("last")?;
            keep(results, "one", &run(one)?)?;
        }
        Ok(database)
    }

    /// How often it waits for the server. Nothing is timed: the proxy reads every message.
    fn count(&self, results: &mut Results) -> io::Result<()> {
        let (database, proxy) = (self.server.database(), Proxy::to(self.server));
        let one = if self.program.name == LIMIT { "one" } else { "up" };
        let operations: &[(&str, &str)] = if self.program.name == LIMIT {
            &[("fresh", "up"), ("", "last"), ("one", one)]
        } else {
            &[("fresh", "up"), ("start", "up"), ("status", "status"), ("", "last"), ("one", one), ("down", "down")]
        };
        for (operation, verb) in operations {
            if *verb == "down" && !self.program.down {
                continue;
            }
            proxy.reset();
            measure::once(&self.command(self.program, verb, &database, proxy.port()))?;
            if !operation.is_empty() {
                let record = self.record(operation).value("round_trips", count(proxy.round_trips()));
                results.add(&record.value("waits", count(proxy.waits())))?;
            }
        }
        Ok(())
    }

    /// Eight processes that bring the same new database up to date, and one alone.
    fn crowd(&self, results: &mut Results) -> io::Result<()> {
        if self.program.name == LIMIT {
            return Ok(());
        }
        for processes in [1, 8] {
            let database = self.database();
            let cost = measure::run(processes, &self.command(self.program, "up", &database, self.port))?;
            results.add(&Record { processes, ..self.record("crowd") }.cost(&cost))?;
        }
        Ok(())
    }

    /// An empty one, with a disk that has nothing else to do. It stays until the server is gone: for minutes after files are
    /// removed, ext4 looks at each of their inodes whenever it creates another file, and the next program would pay for it.
    fn database(&self) -> ManuallyDrop<Scratch> {
        let database = ManuallyDrop::new(self.server.database());
        measure::settle();
        database
    }

    fn record(&self, operation: &str) -> Record {
        Record {
            program: self.program.name.to_owned(),
            database: DATABASE.name().to_owned(),
            operation: operation.to_owned(),
            size: self.size,
            delay: self.delay,
            round: self.round,
            processes: 1,
            ..Record::default()
        }
    }

    fn command(&self, program: Program, verb: &str, database: &Scratch, port: u16) -> Command {
        let mut command = Command::new(program.binary(self.bench, DATABASE, self.size));
        // Without this, two of the drivers would ask for encryption first, which the server does not have.
        command.arg(verb).arg(format!("{}?sslmode=disable", database.url_at("127.0.0.1", port)));
        command
    }
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
