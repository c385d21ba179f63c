//! Raw results: a line of JSON for each run, in a file for each part, so that parts can be repeated by themselves.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::measure::Cost;

/// What was measured under which circumstances.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Record {
    pub(crate) program: String,
    pub(crate) database: String,
    pub(crate) operation: String,
    /// How many migrations.
    pub(crate) size: usize,
    /// How much longer the network makes a round trip, in milliseconds.
    pub(crate) delay: u64,
    pub(crate) round: usize,
    /// How many processes at once.
    pub(crate) processes: usize,
    pub(crate) values: BTreeMap<String, f64>,
}

impl Record {
    pub(crate) fn value(mut self, name: &str, value: f64) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }

    pub(crate) fn cost(self, cost: &Cost) -> Self {
        let failed = f64::from(u32::try_from(cost.failed).unwrap_or(u32::MAX));
        self.value("wall", cost.wall).value("cpu", cost.cpu).value("memory", cost.memory).value("failed", failed)
    }
}

/// The results of a part, as they come.
#[derive(Debug)]
pub(crate) struct Results {
    file: File,
}

impl Results {
    /// Begins the file of a part anew.
    pub(crate) fn begin(folder: &Path, part: &str) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { file: File::create(folder.join(format!("{part}.jsonl")))? })
    }

    pub(crate) fn add(&mut self, record: &Record) -> io::Result<()> {
        let line = serde_json::to_string(record)?;
        writeln!(self.file, "{line}")
    }
}

/// What a part has left; nothing if it was never run.
pub(crate) fn read(folder: &Path, part: &str) -> io::Result<Vec<Record>> {
    let path = folder.join(format!("{part}.jsonl"));
    if !path.exists() {
        return Ok(Vec::new());
    }
    fs::read_to_string(path)?.lines().map(|line| serde_json::from_str(line).map_err(io::Error::other)).collect()
}
