//! What the measured programs share: their command line, and how a set of migrations gets into them.

pub mod embed;

use std::env;

/// What a program is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Everything that is not applied yet.
    Up,
    /// The last migration back.
    Last,
    /// Everything back.
    Down,
    /// Which migrations are applied; writes nothing, so that nothing is measured but the finding out.
    Status,
    /// For the limits: connects and asks one question.
    Query,
    /// For the limits: the last migration alone.
    One,
    /// For the limits: all migrations in one message, each a transaction.
    Batch,
    /// For the limits: all migrations in one message and one transaction.
    Grouped,
}

/// What a program was called with: `PROGRAM VERB DATABASE`.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// What to do.
    pub verb: Verb,
    /// The path of a SQLite file, or the URL of a PostgreSQL database.
    pub database: String,
}

impl Arguments {
    /// Those of this process.
    ///
    /// # Errors
    ///
    /// Anything else than a verb and a database.
    pub fn of_this_process() -> Result<Self, String> {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let [verb, database] = arguments.as_slice() else {
            return Err("usage: PROGRAM up|last|down|status|query|one|batch|grouped DATABASE".to_owned());
        };
        let verb = match verb.as_str() {
            "up" => Verb::Up,
            "last" => Verb::Last,
            "down" => Verb::Down,
            "status" => Verb::Status,
            "query" => Verb::Query,
            "one" => Verb::One,
            "batch" => Verb::Batch,
            "grouped" => Verb::Grouped,
            other => return Err(format!("`{other}` is no verb")),
        };
        Ok(Self { verb, database: database.clone() })
    }

    /// Whether the database is a URL of PostgreSQL.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        self.database.starts_with("postgres://")
    }
}

/// The error of a verb that a tool does not have.
///
/// # Errors
///
/// Always.
pub fn not_available<T>(verb: Verb) -> Result<T, Box<dyn std::error::Error>> {
    Err(format!("this tool has no {verb:?}").into())
}
