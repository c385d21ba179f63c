//! Which plots there are.

use super::data::{Data, Key};
use super::plot::{Bar, Chart, Group};
use super::tables::{added, milliseconds};
use crate::programs::{LIMIT, PROGRAMS};

/// File names and their content. What was not measured has no bar.
pub(crate) fn all(data: &Data) -> Vec<(String, String)> {
    let mut plots = vec![("sqlite-fresh.svg".to_owned(), sqlite_fresh(data).svg())];
    plots.push(("postgres-fresh.svg".to_owned(), postgres_fresh(data).svg()));
    for (name, database) in [("SQLite", "sqlite"), ("PostgreSQL", "postgres")] {
        plots.push((format!("{database}-start.svg"), start(data, name, database).svg()));
    }
    plots.push(("compile.svg".to_owned(), compile(data).svg()));
    plots
}

fn sqlite_fresh(data: &Data) -> Chart {
    let groups = PROGRAMS.iter().map(|program| {
        let bars = [(100, "100 migrations"), (1000, "1,000 migrations")].into_iter().filter_map(|(size, series)| {
            let key = Key::new(program.name, "sqlite", "fresh", size);
            let ratio = data.ratio(key, Key { program: LIMIT, ..key }, "wall")?;
            Some(Bar { series, value: ratio, label: format!("{ratio:.2}") })
        });
        Group { name: program.name.to_owned(), bars: bars.collect() }
    });
    Chart { title: "A new SQLite file: wall time, times the limit", groups: groups.collect(), logarithmic: false }
}

fn postgres_fresh(data: &Data) -> Chart {
    let limits = [("limit", LIMIT, "fresh"), ("batch", LIMIT, "batch")];
    let others = PROGRAMS.iter().filter(|program| program.postgres && program.name != LIMIT);
    let rows = limits.into_iter().chain(others.map(|program| (program.name, program.name, "fresh")));
    let groups = rows.map(|(label, program, operation)| {
        let series = [(0, "no delay"), (1, "1 ms"), (10, "10 ms")];
        let bars = series.into_iter().filter_map(|(delay, series)| {
            let key = Key { delay, ..Key::new(program, "postgres", operation, data.usual("postgres")) };
            let wall = data.median(key, "wall")?;
            Some(Bar { series, value: wall, label: milliseconds(wall) })
        });
        Group { name: label.to_owned(), bars: bars.collect() }
    });
    Chart { title: "A new PostgreSQL database: wall time (logarithmic)", groups: groups.collect(), logarithmic: true }
}

fn start(data: &Data, name: &'static str, database: &str) -> Chart {
    let usual = data.usual(database);
    let applied = if usual == 1000 { "1,000 applied" } else { "100 applied" };
    let groups = PROGRAMS.iter().map(|program| {
        let bars = [(usual, applied), (10_000, "10,000 applied")].into_iter().filter_map(|(size, series)| {
            let wall = data.median(Key::new(program.name, database, "start", size), "wall")?;
            Some(Bar { series, value: wall, label: milliseconds(wall) })
        });
        Group { name: program.name.to_owned(), bars: bars.collect() }
    });
    let title = if name == "SQLite" {
        "SQLite, nothing to do: wall time of a start"
    } else {
        "PostgreSQL, nothing to do: wall time of a start"
    };
    Chart { title, groups: groups.collect(), logarithmic: false }
}

fn compile(data: &Data) -> Chart {
    let groups = PROGRAMS.iter().filter(|program| program.name != LIMIT).map(|program| {
        let bars = [("debug", "debug"), ("release", "release")].into_iter().filter_map(|(operation, series)| {
            let added = added(data, program.name, operation, 1000, "wall")?;
            Some(Bar { series, value: added, label: milliseconds(added) })
        });
        Group { name: program.name.to_owned(), bars: bars.collect() }
    });
    Chart {
        title: "What embedding 1,000 migrations adds to a build after an edit (logarithmic)",
        groups: groups.collect(),
        logarithmic: true,
    }
}
