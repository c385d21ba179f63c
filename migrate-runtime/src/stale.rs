//! What a debug build says when it holds other migrations than the directory from which it was compiled.

use std::io::{self, Write};
use std::sync::Once;

use migrate_core::registry::Registry;
use migrate_core::stale;

use crate::observer::{Event, Observer};

/// Compares, and tells the observer, or standard error where there is none. A release does not know its directory, so
/// that it reads nothing.
pub(crate) fn tell(registry: &Registry, observer: Option<&dyn Observer>) {
    let Some(stale) = stale::find(registry) else {
        return;
    };
    if let Some(observer) = observer {
        return observer.event(&Event::Stale(&stale));
    }
    // A program may run many times, a test suite above all; it was compiled once.
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        let _ = writeln!(io::stderr().lock(), "warning: {stale}: {}", stale.help);
    });
}
