//! Lines for the operator: progress on standard output, trouble on standard error.

use std::fmt::Display;
use std::io::{self, Write};

/// Says what the server does. A reader that went away is no reason to stop serving.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Says what went wrong.
pub(crate) fn complain(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
