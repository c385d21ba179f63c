//! A defect of the program itself: a panic ends a command as a failure, never as a verdict.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};

use crate::commands;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Printer;

/// Does a command. `runs` is whether it answers with the document of a run.
///
/// What it holds is given back while the stack unwinds. Where it was is told by the process's panic hook.
pub(crate) fn guard(runs: bool, printer: &Printer, command: impl FnOnce() -> Exit) -> Exit {
    // Nothing of what the command had is used again but the printer, which holds whole lines only.
    panic::catch_unwind(AssertUnwindSafe(command)).unwrap_or_else(|payload| {
        let error = Error::defect(said(&*payload));
        commands::refuse(&error, runs, printer)
    })
}

fn said(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("it says no more")
}

/// Panics where a test asks for it.
#[cfg(feature = "failpoints")]
pub(crate) fn failpoint() {
    assert!(std::env::var_os("MIGRATION_FAILPOINT_PANIC").is_none(), "a test asked for it");
}

#[cfg(not(feature = "failpoints"))]
pub(crate) const fn failpoint() {}
