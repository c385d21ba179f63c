//! The tables.

use std::fmt::Write;
use std::{fs, io};

use super::data::{Data, Key};
use crate::Bench;
use crate::programs::{Database, LIMIT, OURS, PROGRAMS};

/// What stands where nothing was measured or nothing can be.
const NOTHING: &str = "-";

pub(crate) fn sections(data: &Data, bench: &Bench) -> io::Result<String> {
    let sections = [
        how_to_read().to_owned(),
        sqlite(data),
        postgres(data),
        crowds(data),
        compile(data),
        memory(data),
        versions(bench)?,
    ];
    Ok(sections.join("\n"))
}

fn how_to_read() -> &'static str {
    "### How to read the tables

Each migration creates a table and an index, alters the table, and inserts a row. All have a way back, where the tool knows one; of
ours every second one has a verification, too. Every program does what its documentation shows, with its set embedded, in a release
build. `limit` runs the same SQL with nothing around it: no history, no checksums, no lock. On SQLite it runs everything in one
transaction, on PostgreSQL a message and a transaction for each migration. Of a start with nothing to do, the limit is connecting and one
question to a ledger (`SELECT count(*)`).

Wall time is that of a whole process, from before it starts until it has ended: the median of all rounds. In brackets stands how
many times that of the limit it is: the median of the ratios within a round. In each round the programs run in another order. CPU time and
memory (the highest resident set) are those of the process, not of the server. Durability is the database's own: `fsync`,
`synchronous_commit` and `full_page_writes` are on, SQLite's journal is a rollback journal, and its files are synchronised as
`synchronous = FULL` does, which is counted.
"
}

fn sqlite(data: &Data) -> String {
    let usual = data.usual("sqlite");
    let each = |what: &str| format!("{what}, {}", words(usual));
    let mut text = String::from("### SQLite\n\nA new file, everything applied:\n\n");
    text += &table(
        &["", "100", "1,000", "10,000", &each("CPU"), &each("memory"), &each("commits"), &each("waits for the disk")],
        Database::Sqlite,
        |name| {
            let key = |size| Key::new(name, "sqlite", "fresh", size);
            let mut cells: Vec<String> =
                [100, 1000, 10_000].map(|size| timed(data, key(size), Key { program: LIMIT, ..key(size) })).to_vec();
            cells.push(show(data.median(key(usual), "cpu"), milliseconds));
            cells.push(show(data.median(key(usual), "memory"), megabytes));
            cells.push(show(data.median(key(usual), "commits"), count));
            cells.push(show(data.median(key(usual), "syncs"), count));
            cells
        },
    );
    text += "\n![A new SQLite file](plots/sqlite-fresh.svg)\n\n";
    text += &others(data, Database::Sqlite);
    text += "\nCommits:\n\n";
    text += &table(&["", "start", "one pending"], Database::Sqlite, |name| {
        ["start", "one"]
            .map(|operation| show(data.median(Key::new(name, "sqlite", operation, usual), "commits"), count))
            .to_vec()
    });
    text
}

fn postgres(data: &Data) -> String {
    let usual = data.usual("postgres");
    let each = |what: &str| format!("{what}, {}", words(usual));
    let mut text = String::from(
        "### PostgreSQL

A new database, everything applied. With a delay, a round trip takes so much longer: half on the way there, half on the way back, for
everything that is under way at once. `batch` and `grouped` are limits, too: everything in one message, with a transaction for each
migration, or one for all. A *wait* is a time when the server had nothing left to do until the client spoke.

",
    );
    let head = ["", "100", "1,000", "10,000"].map(str::to_owned).into_iter();
    let head = head.chain(["1 ms", "10 ms", "CPU", "memory", "round trips"].map(each));
    let head: Vec<String> = head.chain(["waits, 100", "waits, 1,000"].map(str::to_owned)).collect();
    row(&mut text, &head);
    text += &line(head.len());
    let mut rows: Vec<(&str, &str, &str)> = vec![(LIMIT, LIMIT, "fresh")];
    rows.extend(["batch", "grouped"].map(|name| (name, LIMIT, name)));
    rows.extend(PROGRAMS.iter().filter(|it| it.postgres && it.name != LIMIT).map(|it| (it.name, it.name, "fresh")));
    for (label, program, operation) in rows {
        let key = |size, delay| Key { delay, ..Key::new(program, "postgres", operation, size) };
        let cell = |size, delay| {
            let limit = Key { delay, ..Key::new(LIMIT, "postgres", "fresh", size) };
            timed(data, key(size, delay), limit)
        };
        let mut cells = vec![label.to_owned()];
        cells.extend([100, 1000, 10_000].map(|size| cell(size, 0)));
        cells.extend([1, 10].map(|delay| cell(usual, delay)));
        cells.push(show(data.median(key(usual, 0), "cpu"), milliseconds));
        cells.push(show(data.median(key(usual, 0), "memory"), megabytes));
        cells.push(show(data.median(key(usual, 0), "round_trips"), count));
        cells.extend([100, 1000].map(|size| show(data.median(key(size, 0), "waits"), count)));
        row(&mut text, &cells);
    }
    text += "\n![A new PostgreSQL database](plots/postgres-fresh.svg)\n\n";
    text += &others(data, Database::Postgres);
    text += "\nThe same through a network of 10 ms:\n\n";
    text += &table(&["", "start", "status", "one pending"], Database::Postgres, |name| {
        ["start", "status", "one"]
            .map(|operation| {
                let key = Key { delay: 10, ..Key::new(name, "postgres", operation, usual) };
                timed(data, key, Key { program: LIMIT, ..key })
            })
            .to_vec()
    });
    text += "\nRound trips after connecting:\n\n";
    text += &table(&["", "start", "status", "one pending", "down"], Database::Postgres, |name| {
        ["start", "status", "one", "down"]
            .map(|operation| show(data.median(Key::new(name, "postgres", operation, usual), "round_trips"), count))
            .to_vec()
    });
    text
}

/// Everything but the first run.
fn others(data: &Data, database: Database) -> String {
    let usual = data.usual(database.name());
    let mut text = format!("With {} applied, or all but one:\n\n", words(usual));
    let head = [
        "",
        "start, nothing to do",
        "CPU",
        "memory",
        "start, 10,000",
        "CPU, 10,000",
        "status",
        "one pending",
        "all down",
    ];
    text += &table(&head, database, |name| {
        let key = |operation, size| Key::new(name, database.name(), operation, size);
        let cell = |operation, size| timed(data, key(operation, size), Key { program: LIMIT, ..key(operation, size) });
        vec![
            cell("start", usual),
            show(data.median(key("start", usual), "cpu"), milliseconds),
            show(data.median(key("start", usual), "memory"), megabytes),
            cell("start", 10_000),
            show(data.median(key("start", 10_000), "cpu"), milliseconds),
            cell("status", usual),
            cell("one", usual),
            cell("down", usual),
        ]
    });
    let _ = write!(text, "\n![Starts with nothing to do](plots/{}-start.svg)\n", database.name());
    text
}

fn crowds(data: &Data) -> String {
    let mut text = String::from(
        "### Eight processes at once\n\nOn the same new database. Failed are those of all rounds; wall time is until the last one has ended.\n\n\
         | | SQLite: failed | wall, times one process | PostgreSQL: failed | wall, times one process |\n",
    );
    text += &line(5);
    for program in PROGRAMS.iter().filter(|program| program.name != LIMIT) {
        let mut cells = vec![program.name.to_owned()];
        for database in ["sqlite", "postgres"] {
            let size = data.usual(database);
            let key = Key { processes: 8, ..Key::new(program.name, database, "crowd", size) };
            cells.push(
                data.sum(key, "failed")
                    .map_or(NOTHING.to_owned(), |(failed, rounds)| format!("{failed:.0} of {}", rounds * 8)),
            );
            cells.push(show(data.ratio(key, Key { processes: 1, ..key }, "wall"), |ratio| format!("{ratio:.2}")));
        }
        row(&mut text, &cells);
    }
    text
}

fn compile(data: &Data) -> String {
    let mut text = String::from(
        "### What it costs to compile

Programs that do nothing but embed a set, for SQLite alone. *Cold* is the CPU time of a debug build with everything it depends on, one job;
`limit` is rusqlite. The times of debug and release builds are what embedding adds to a build after an edit of `main.rs`, against the
same program without: the difference of the least times. The size is what each migration adds to the stripped release program, less the
bytes of its scripts.

| | crates | cold | debug, 100 | debug, 1,000 | CPU, 1,000 | release, 100 | release, 1,000 | bytes for each migration |\n",
    );
    text += &line(9);
    for program in PROGRAMS {
        let limit = Key::build(LIMIT, "cold", 0);
        let cold = Key::build(program.name, "cold", 0);
        let ratio = show(data.least_ratio(cold, limit, "cpu"), |ratio| format!(" ({ratio:.2})"));
        row(
            &mut text,
            &[
                program.name.to_owned(),
                show(data.median(Key::build(program.name, "dependencies", 0), "crates"), count),
                data.least(cold, "cpu").map_or(NOTHING.to_owned(), |cost| milliseconds(cost) + &ratio),
                show(added(data, program.name, "debug", 100, "wall"), milliseconds),
                show(added(data, program.name, "debug", 1000, "wall"), milliseconds),
                show(added(data, program.name, "debug", 1000, "cpu"), milliseconds),
                show(added(data, program.name, "release", 100, "wall"), milliseconds),
                show(added(data, program.name, "release", 1000, "wall"), milliseconds),
                show(bytes_each(data, program.name), |bytes| format!("{bytes:.0}")),
            ],
        );
    }
    text += "\n![What embedding adds to a build](plots/compile.svg)\n";
    text
}

/// What embedding so many migrations adds to a build after an edit.
pub(crate) fn added(data: &Data, program: &str, operation: &str, size: usize, value: &str) -> Option<f64> {
    let least = |size| data.least(Key::build(program, operation, size), value);
    Some(least(size)? - least(0)?)
}

/// What a migration adds to a program beyond its scripts, in bytes.
pub(crate) fn bytes_each(data: &Data, program: &str) -> Option<f64> {
    let of = |size, value| data.median(Key::build(program, "size", size), value);
    let binary = of(1000, "binary")? - of(100, "binary")?;
    Some((binary - (of(1000, "sql")? - of(100, "sql")?)) / 900.0)
}

fn memory(data: &Data) -> String {
    let mut text = String::from(
        "### Memory\n\nThe highest resident set of a run that applies everything.\n\n| | 100 | 1,000 | 10,000 |\n",
    );
    text += &line(4);
    for database in ["sqlite", "postgres"] {
        for program in [LIMIT, OURS] {
            let cells = [100, 1000, 10_000]
                .map(|size| show(data.median(Key::new(program, database, "fresh", size), "memory"), megabytes));
            row(&mut text, &[&[format!("{program}, {database}")], cells.as_slice()].concat());
        }
    }
    text
}

/// What the lock files say.
fn versions(bench: &Bench) -> io::Result<String> {
    let mut text = String::from("### Versions\n\n| | version | with |\n");
    text += &line(3);
    let drivers = ["libsqlite3-sys", "rusqlite", "tokio-postgres", "diesel_migrations"];
    for program in PROGRAMS {
        let lock = fs::read_to_string(bench.root.join("bench").join(program.name).join("Cargo.lock"))?;
        let version = |name: &str| {
            let rest = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?.1;
            rest.split_once('"').map(|(version, _)| version.to_owned())
        };
        let with = drivers
            .iter()
            .filter(|name| **name != program.package)
            .filter_map(|name| version(name).map(|version| format!("{name} {version}")));
        row(
            &mut text,
            &[
                program.name.to_owned(),
                format!("{} {}", program.package, version(program.package).unwrap_or_default()),
                with.collect::<Vec<_>>().join(", "),
            ],
        );
    }
    Ok(text)
}

fn table(head: &[&str], database: Database, cells: impl Fn(&str) -> Vec<String>) -> String {
    let mut text = String::new();
    row(&mut text, &head.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>());
    text += &line(head.len());
    for program in PROGRAMS.iter().filter(|program| program.supports(database)) {
        row(&mut text, &[&[program.name.to_owned()], cells(program.name).as_slice()].concat());
    }
    text
}

pub(crate) fn row(text: &mut String, cells: &[String]) {
    let cells = cells.iter().map(|cell| if cell.is_empty() { String::new() } else { format!(" {cell}") });
    let _ = writeln!(text, "|{} |", cells.collect::<Vec<_>>().join(" |"));
}

pub(crate) fn line(columns: usize) -> String {
    format!("|{}\n", "---|".repeat(columns))
}

/// A time, and how many times that of another.
fn timed(data: &Data, key: Key<'_>, limit: Key<'_>) -> String {
    let Some(wall) = data.median(key, "wall") else { return NOTHING.to_owned() };
    let is_limit = (key.program, key.operation) == (limit.program, limit.operation);
    match data.ratio(key, limit, "wall").filter(|_| !is_limit) {
        Some(ratio) => format!("{} ({ratio:.2})", milliseconds(wall)),
        None => milliseconds(wall),
    }
}

fn show(value: Option<f64>, format: impl Fn(f64) -> String) -> String {
    value.map_or(NOTHING.to_owned(), format)
}

pub(crate) fn milliseconds(time: f64) -> String {
    match time {
        ..10.0 => format!("{time:.1} ms"),
        ..1000.0 => format!("{time:.0} ms"),
        _ => format!("{:.2} s", time / 1e3),
    }
}

pub(crate) fn megabytes(size: f64) -> String {
    format!("{size:.1} MB")
}

fn words(size: usize) -> &'static str {
    if size == 1000 { "1,000" } else { "100" }
}

fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let head = digits.len() % 3;
    let groups = digits.as_bytes()[head..].chunks(3).map(String::from_utf8_lossy);
    let head = (head > 0).then(|| digits[..head].into());
    head.into_iter().chain(groups).collect::<Vec<_>>().join(",")
}
