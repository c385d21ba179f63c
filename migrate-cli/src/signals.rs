//! SIGINT and SIGTERM: a run of migrations stops cleanly.

use std::sync::atomic::{AtomicBool, Ordering};

use migrate_runtime::Stop;

use crate::output::Printer;

/// Whether the process is ours, and with it what signals do.
static OURS: AtomicBool = AtomicBool::new(false);

/// Says that the process exists for the command line alone.
pub(crate) fn are_ours() {
    OURS.store(true, Ordering::Relaxed);
}

/// What stops a run that begins now. Until then a signal ends the process, as it does while a question is asked.
pub(crate) fn stop(printer: &Printer) -> Stop {
    let stop = Stop::new();
    if OURS.load(Ordering::Relaxed) {
        on_signals(stop.clone(), printer.clone());
    }
    stop
}

/// SIGINT asks to stop, a second one and SIGTERM insist.
#[cfg(unix)]
fn on_signals(stop: Stop, printer: Printer) {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let mut signals = match Signals::new([SIGINT, SIGTERM]) {
        Ok(signals) => signals,
        Err(error) => {
            printer
                .warning(&format!("signals cannot be handled ({error}): they end the process in the midst of a step"));
            return;
        }
    };
    // It waits for signals until the process ends.
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if signal == SIGINT && !stop.is_asked() {
                stop.after_this_step();
                printer.note("stopping after the step under way; interrupt again to cancel its statement");
            } else {
                stop.now();
                printer.note("stopping now: the statement under way is cancelled");
            }
        }
    });
}

#[cfg(not(unix))]
fn on_signals(_: Stop, _: Printer) {}
