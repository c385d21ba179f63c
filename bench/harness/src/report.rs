//! Writes what came out into docs/performance.md, between two marks, with plots beside it.

mod data;
mod plot;
mod plots;
mod tables;
mod targets;

use std::fs;
use std::io;
use std::process::Command;

use self::data::Data;
use crate::programs::succeed;
use crate::{Bench, postgres, progress, results};

const BEGIN: &str = "<!-- scripts/bench writes from here -->";
const END: &str = "<!-- scripts/bench writes to here -->";

pub(crate) fn write(bench: &Bench) -> io::Result<()> {
    let mut records = Vec::new();
    for part in ["sqlite", "postgres", "compile", "large"] {
        records.extend(results::read(&bench.results, part)?);
    }
    let data = Data::new(records);
    let plots = bench.root.join("docs/plots");
    fs::create_dir_all(&plots)?;
    for (name, svg) in plots::all(&data) {
        fs::write(plots.join(name), svg)?;
    }

    let path = bench.root.join("docs/performance.md");
    let document = fs::read_to_string(&path)?;
    let section = [heading(bench)?, targets::section(&data), tables::sections(&data, bench)?].join("\n");
    let section = format!("{BEGIN}\n\n{}\n{END}\n", section.trim_end());
    let document = match (document.find(BEGIN), document.find(END)) {
        (Some(begin), Some(end)) if begin < end => {
            let rest = &document[end + END.len()..];
            format!("{}{section}{}", &document[..begin], rest.strip_prefix('\n').unwrap_or(rest))
        }
        _ => format!("{}\n{section}", document),
    };
    fs::write(&path, document)?;
    progress(&format!("wrote {}", path.display()));
    Ok(())
}

fn heading(bench: &Bench) -> io::Result<String> {
    let day = succeed(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let rust = succeed(Command::new("rustc").arg("--version"))?;
    let postgres = fs::read_to_string(bench.results.join(postgres::VERSION)).unwrap_or_default();
    let commit = succeed(Command::new("git").args(["rev-parse", "--short", "HEAD"]).current_dir(&bench.root))?;
    let load = fs::read_to_string("/proc/loadavg")?;
    let load = load.split_whitespace().next().unwrap_or_default();
    let cores = std::thread::available_parallelism()?;
    Ok(format!(
        "## Against the limit, and against other tools\n\n\
         `scripts/bench`, {}, commit {}, {cores} cores, {}, PostgreSQL {}. \
         What else the machine had to do shows in the load when this was written: {load}.\n",
        day.trim(),
        commit.trim(),
        rust.trim(),
        postgres.trim(),
    ))
}
