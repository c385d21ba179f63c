//! What was to be reached, and whether it was.

use super::data::{Data, Key};
use super::tables::{added, bytes_each, line, megabytes, milliseconds, row};
use crate::programs::{LIMIT, OURS};

/// A figure that may be at most so high.
struct Target {
    what: String,
    measured: Option<f64>,
    most: f64,
    show: fn(f64) -> String,
    /// What else is to be known of it.
    remark: String,
}

pub(crate) fn section(data: &Data) -> String {
    let mut text = String::from("### Targets\n\n| | target | measured | | |\n");
    text += &line(5);
    for target in all(data) {
        let verdict = match target.measured {
            Some(measured) if measured <= target.most => "met",
            Some(_) => "**missed**",
            None => "not measured",
        };
        let measured = target.measured.map_or(String::new(), target.show);
        let most = format!("at most {}", (target.show)(target.most));
        row(&mut text, &[target.what, most, measured, verdict.to_owned(), target.remark]);
    }
    text
}

fn all(data: &Data) -> Vec<Target> {
    let mut targets = vec![fresh(data, "sqlite", "1. SQLite, 1,000 fresh, times the limit", "fresh", 0, 1.25)];
    targets.push(fresh(data, "postgres", "2. PostgreSQL, 1,000 fresh, times the limit", "fresh", 0, 1.05));
    targets.push(fresh(data, "postgres", "2. with 10 ms, times everything in one message", "batch", 10, 1.2));
    targets.push(waits(data));
    targets.extend(starts(data));
    targets.extend(memory(data));
    targets.extend(compile(data));
    targets.extend(["sqlite", "postgres"].into_iter().flat_map(|database| crowd(data, database)));
    targets
}

fn ratio(number: f64) -> String {
    format!("{number:.2}")
}

fn whole(number: f64) -> String {
    format!("{number:.0}")
}

/// `, of the least times RATIO`.
fn of_the_least(data: &Data, key: Key<'_>, limit: Key<'_>) -> String {
    let least = |value| data.least_ratio(key, limit, value);
    match (least("wall"), least("cpu")) {
        (Some(wall), Some(cpu)) => format!("of the least times {wall:.2}, of the CPU times {cpu:.2}"),
        _ => String::new(),
    }
}

fn fresh(data: &Data, database: &str, what: &str, limit: &str, delay: u64, most: f64) -> Target {
    let key = Key { delay, ..Key::new(OURS, database, "fresh", 1000) };
    let limit = Key { program: LIMIT, operation: limit, ..key };
    Target {
        what: what.to_owned(),
        measured: data.ratio(key, limit, "wall"),
        most,
        show: ratio,
        remark: of_the_least(data, key, limit),
    }
}

/// The larger set must not wait more often.
fn waits(data: &Data) -> Target {
    let of = |size| data.median(Key::new(OURS, "postgres", "fresh", size), "waits");
    Target {
        what: "2. waits of 1,000 fresh, less those of 100".to_owned(),
        measured: of(1000).zip(of(100)).map(|(more, less)| more - less),
        most: 0.0,
        show: whole,
        remark: of(1000).map_or(String::new(), |waits| format!("{waits:.0} of 1,000")),
    }
}

fn starts(data: &Data) -> Vec<Target> {
    let mut targets = vec![Target {
        what: "3. PostgreSQL, nothing to do: round trips".to_owned(),
        measured: data.median(Key::new(OURS, "postgres", "start", 1000), "round_trips"),
        most: 1.0,
        show: whole,
        remark: String::new(),
    }];
    for (name, database) in [("PostgreSQL", "postgres"), ("SQLite", "sqlite")] {
        for size in [1000, 10_000] {
            let key = Key::new(OURS, database, "start", size);
            let limit = Key { program: LIMIT, ..key };
            let size = if size == 1000 { "1,000" } else { "10,000" };
            targets.push(Target {
                what: format!("3. {name}, nothing to do, {size} applied, times connecting and one question"),
                measured: data.ratio(key, limit, "wall"),
                most: 1.1,
                show: ratio,
                remark: of_the_least(data, key, limit),
            });
        }
    }
    targets
}

fn memory(data: &Data) -> Vec<Target> {
    let mut targets = Vec::new();
    for (name, database) in [("PostgreSQL", "postgres"), ("SQLite", "sqlite")] {
        let of = |program| data.median(Key::new(program, database, "fresh", 10_000), "memory");
        targets.push(Target {
            what: format!("4. {name}, 10,000 fresh: memory above that of the limit"),
            measured: of(OURS).zip(of(LIMIT)).map(|(ours, limit)| ours - limit),
            most: 20.0,
            show: megabytes,
            remark: String::new(),
        });
        targets.push(Target {
            what: format!("4. {name}, 10,000 fresh: memory"),
            measured: of(OURS),
            most: 50.0,
            show: megabytes,
            remark: "a run with a backup: see above".to_owned(),
        });
    }
    targets
}

fn compile(data: &Data) -> Vec<Target> {
    let more = |program| {
        let of = |size| data.least(Key::build(program, "release", size), "wall");
        Some(of(1000)? - of(100)?)
    };
    let cold = Key::build(OURS, "cold", 0);
    let cpu = added(data, OURS, "debug", 1000, "cpu");
    vec![
        Target {
            what: "5. added to a debug build after an edit by embedding 1,000".to_owned(),
            measured: added(data, OURS, "debug", 1000, "wall"),
            most: 200.0,
            show: milliseconds,
            remark: cpu.map_or(String::new(), |cpu| format!("CPU {}", milliseconds(cpu))),
        },
        Target {
            what: "5. release build: 1,000 over 100, against diesel's".to_owned(),
            measured: more(OURS),
            most: more("diesel").unwrap_or_default(),
            show: milliseconds,
            remark: String::new(),
        },
        Target {
            what: "5. bytes of program for each migration beyond its SQL".to_owned(),
            measured: bytes_each(data, OURS),
            most: 300.0,
            show: whole,
            remark: String::new(),
        },
        Target {
            what: "5. cold build for SQLite, CPU time, times rusqlite's".to_owned(),
            measured: data.least_ratio(cold, Key { program: LIMIT, ..cold }, "cpu"),
            most: 1.5,
            show: ratio,
            remark: String::new(),
        },
        Target {
            what: "5. crates".to_owned(),
            measured: data.median(Key::build(OURS, "dependencies", 0), "crates"),
            most: 66.0,
            show: whole,
            remark: String::new(),
        },
    ]
}

fn crowd(data: &Data, database: &str) -> Vec<Target> {
    let key = Key { processes: 8, ..Key::new(OURS, database, "crowd", data.usual(database)) };
    let failed = data.sum(key, "failed");
    let one = Key { processes: 1, ..key };
    vec![
        Target {
            what: format!("6. eight processes at once, {database}: failed"),
            measured: failed.map(|(failed, _)| failed),
            most: 0.0,
            show: whole,
            remark: failed.map_or(String::new(), |(_, rounds)| format!("of {}", rounds * 8)),
        },
        Target {
            what: format!("6. eight processes at once, {database}: wall time, times one process"),
            measured: data.ratio(key, one, "wall"),
            most: 1.3,
            show: ratio,
            remark: of_the_least(data, key, one),
        },
    ]
}
