//! What a program costs. A process in between runs it, so that the highest memory of its children is that of the program:
//! the kernel tells only the highest of all.

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde::{Deserialize, Serialize};

/// The first argument by which this program knows that it is the process in between.
pub(crate) const MEASURE: &str = "--measure";

/// What one run of a program, or several at once, cost.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Cost {
    /// From before the first was started until all had ended, in milliseconds.
    pub(crate) wall: f64,
    /// Of all of them, in user and kernel, in milliseconds.
    pub(crate) cpu: f64,
    /// The highest resident set of any of them, in megabytes of a million bytes.
    pub(crate) memory: f64,
    /// How many ended with a failure.
    pub(crate) failed: usize,
    /// What they said on standard error, of the first one that failed.
    pub(crate) complaint: String,
}

/// Waits until the disk has everything: what others have written is not to be waited for by the next one.
pub(crate) fn settle() {
    nix::unistd::sync();
}

/// Runs a program so many times at once.
pub(crate) fn run(processes: usize, program: &Command) -> io::Result<Cost> {
    // Also finds this program when it has been compiled again meanwhile.
    let mut between = Command::new("/proc/self/exe");
    between.arg(MEASURE).arg(processes.to_string()).arg(program.get_program()).args(program.get_args());
    let output = testkit::process::run(&mut between);
    serde_json::from_str(&output.stdout).map_err(|error| io::Error::other(format!("{error}: {}", output.stderr)))
}

/// As [`run`], of one process that must succeed.
pub(crate) fn once(program: &Command) -> io::Result<Cost> {
    let cost = run(1, program)?;
    if cost.failed > 0 {
        return Err(io::Error::other(format!("{program:?} failed: {}", cost.complaint)));
    }
    Ok(cost)
}

/// The process in between: `COUNT PROGRAM ARGUMENT...`.
pub(crate) fn between(arguments: &[String]) -> io::Result<()> {
    let [count, program, arguments @ ..] = arguments else {
        return Err(io::Error::other("usage: --measure COUNT PROGRAM ARGUMENT..."));
    };
    let count: usize = count.parse().map_err(io::Error::other)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());

    let began = Instant::now();
    let children = (0..count).map(|_| command.spawn()).collect::<io::Result<Vec<_>>>()?;
    // Each is read by a thread of its own: one that waited for its reader would let the others wait for its lock.
    let outputs = std::thread::scope(|scope| {
        let waits: Vec<_> = children.into_iter().map(|child| scope.spawn(|| child.wait_with_output())).collect();
        waits.into_iter().map(|wait| wait.join().expect("waiting does not panic")).collect::<io::Result<Vec<_>>>()
    })?;
    let wall = began.elapsed().as_secs_f64() * 1e3;

    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let complaints = outputs.iter().filter(|output| !output.status.success());
    let complaint = complaints.clone().next().map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
    let cost = Cost {
        wall,
        cpu: cpu(&usage),
        memory: kibibytes(usage.max_rss()) * 1.024 / 1e3,
        failed: complaints.count(),
        complaint: complaint.unwrap_or_default(),
    };
    serde_json::to_writer(io::stdout(), &cost)?;
    io::stdout().flush()
}

fn cpu(usage: &Usage) -> f64 {
    let microseconds = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    kibibytes(microseconds) / 1e3
}

/// A count of the kernel as a number to reckon with.
fn kibibytes(count: i64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
