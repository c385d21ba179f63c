//! Why the server did not start or stopped, and the exit code that says so.

use std::fmt;
use std::io;
use std::process::ExitCode;

use migrate_runtime::ErrorKind;

use crate::console;
use crate::store::StoreError;

pub(crate) enum Failure {
    /// The environment variable is not UTF-8.
    Variable(&'static str),
    /// The environment variable is no whole number.
    Number(&'static str),
    /// The database could not be brought up to date, or must not be touched.
    Schema(migrate_runtime::Error),
    /// The database could not be opened for serving.
    Store(StoreError),
    /// The address cannot be listened on.
    Listen(String, io::Error),
    /// The async runtime, the signal handlers or the server itself.
    System(io::Error),
}

impl Failure {
    /// Tells the operator, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        console::complain(format_args!("error: {self}"));
        if let Some(hint) = self.hint() {
            console::complain(format_args!("\nhint: {hint}"));
        }
        ExitCode::from(self.code())
    }

    fn code(&self) -> u8 {
        match self {
            Self::Schema(error) => match error.kind() {
                ErrorKind::Incompatible => 2,
                ErrorKind::Unreachable => 69,
                ErrorKind::LockBusy => 75,
                ErrorKind::Configuration => 78,
                _ => 70,
            },
            _ => 70,
        }
    }

    fn hint(&self) -> Option<&str> {
        match self {
            Self::Schema(error) => error.help(),
            Self::Listen(..) => Some("set LISTEN to a free address such as `127.0.0.1:8081`"),
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "the environment variable `{name}` is not UTF-8"),
            Self::Number(name) => write!(f, "the environment variable `{name}` is no whole number"),
            Self::Schema(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Listen(address, error) => write!(f, "cannot listen on `{address}`: {error}"),
            Self::System(error) => error.fmt(f),
        }
    }
}
