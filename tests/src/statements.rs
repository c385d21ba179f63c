//! Scripts cut into statements by us and by the databases.

use std::fmt;
use std::pin::pin;

use futures_util::StreamExt;
use migrate_core::migration::Dialect;
use migrate_core::sql;
use rusqlite::Connection;
use rusqlite::fallible_iterator::FallibleIterator;
use tokio::runtime::Runtime;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// What was compared, and where we and a database do not agree.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many scripts were compared.
    pub files: usize,
    /// How many statements we found in them.
    pub statements: usize,
    /// A sentence for each script on which we differ.
    pub differences: Vec<String>,
}

impl Tally {
    fn add(&mut self, title: &str, statements: usize, difference: Option<String>) {
        self.files += 1;
        self.statements += statements;
        self.differences.extend(difference.map(|difference| format!("{title}: {difference}")));
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files, statements, differences } = self;
        write!(f, "{files} files, {statements} statements, {} differences", differences.len())?;
        differences.iter().try_for_each(|difference| write!(f, "\n  {difference}"))
    }
}

/// A connection to a PostgreSQL server, asked what it makes of scripts.
pub struct PostgresServer {
    runtime: Runtime,
    client: Client,
}

impl PostgresServer {
    /// Connects.
    ///
    /// # Panics
    ///
    /// When the server cannot be reached.
    #[must_use]
    pub fn connect(url: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        let (client, connection) =
            runtime.block_on(tokio_postgres::connect(url, NoTls)).expect("the server can be reached");
        runtime.spawn(connection);
        Self { runtime, client }
    }

    /// Compares where a script is cut, without running it.
    ///
    /// In a failed transaction the server parses what it is to prepare, counts its statements, and refuses. Each of our
    /// statements must be one of its own, and the whole script none, one or several as we say; a script has one parse only,
    /// so the server then cuts it where we do.
    ///
    /// # Panics
    ///
    /// When the connection is lost.
    pub fn compare_parsed(&self, title: &str, script: &str, tally: &mut Tally) {
        let statements = match sql::statements(script, Dialect::Postgres) {
            Ok(statements) => statements,
            Err(error) => {
                let (line, column) = sql::line_column(script, error.offset);
                return tally.add(title, 0, Some(format!("{line}:{column}: {error}")));
            }
        };
        self.fail_transaction();
        let expected = match statements.len() {
            0 => Parsed::None,
            1 => Parsed::One,
            _ => Parsed::Several,
        };
        let found = self.parse(script);
        let mut difference = (found != expected).then(|| format!("the whole script is {found:?}, not {expected:?}"));
        for statement in &statements {
            let text = statement.text(script);
            let found = self.parse(text);
            if found != Parsed::One && difference.is_none() {
                let (line, column) = sql::line_column(script, statement.start);
                difference = Some(format!("{line}:{column}: `{}` is {found:?}", sql::excerpt(text)));
            }
        }
        self.roll_back();
        tally.add(title, statements.len(), difference);
    }

    /// Runs a script as one message and compares how many statements the server completes. One that fails is counted up to
    /// there; the message tells.
    ///
    /// # Errors
    ///
    /// What the server said of the statement that failed, which is not a difference.
    pub fn compare_completed(&self, title: &str, script: &str, tally: &mut Tally) -> Result<(), String> {
        let (completed, failure) = self.runtime.block_on(self.completions(script));
        if let Some(failure) = failure {
            return Err(format!("{title}: {failure}"));
        }
        let found = sql::statements(script, Dialect::Postgres).map(|statements| statements.len());
        let difference =
            (found != Ok(completed)).then(|| format!("the server completed {completed}, we find {found:?}"));
        tally.add(title, found.unwrap_or_default(), difference);
        Ok(())
    }

    /// Compares what we say of the grammar with what the server does: a statement that it parses is not to be complained of.
    /// Those that it does not parse are left out.
    ///
    /// # Panics
    ///
    /// When the connection is lost.
    pub fn compare_grammar(&self, title: &str, script: &str, tally: &mut Tally) {
        let statements = sql::statements(script, Dialect::Postgres).unwrap_or_default();
        self.fail_transaction();
        let parsed: Vec<&str> = statements
            .iter()
            .map(|statement| statement.text(script))
            .filter(|text| self.parse(text) == Parsed::One)
            .collect();
        self.roll_back();
        let complaint = parsed.iter().find_map(|text| Some((text, sql::postgres_syntax_error(text)?)));
        let complaint = complaint.map(|(text, error)| format!("`{}`: {}", sql::excerpt(text), error.message));
        tally.add(title, parsed.len(), complaint);
    }

    /// The first column of the first row of a query.
    ///
    /// # Panics
    ///
    /// When the query fails or gives no row.
    #[must_use]
    pub fn value(&self, query: &str) -> String {
        let row = self.runtime.block_on(self.client.query_one(query, &[])).expect("the query gives one row");
        row.get(0)
    }

    async fn completions(&self, script: &str) -> (usize, Option<String>) {
        let stream = self.client.simple_query_raw(script).await.expect("a message can be sent");
        let mut stream = pin!(stream);
        let mut completed = 0;
        while let Some(message) = stream.next().await {
            match message {
                Ok(SimpleQueryMessage::CommandComplete(_)) => completed += 1,
                Ok(_) => {}
                Err(error) => return (completed, Some(message_of(&error))),
            }
        }
        // An empty message completes once, without a statement.
        let is_empty = sql::is_empty(script, Dialect::Postgres);
        (if is_empty { completed.saturating_sub(1) } else { completed }, None)
    }

    fn fail_transaction(&self) {
        let failed = self.runtime.block_on(self.client.batch_execute("BEGIN; SELECT 1 / 0"));
        failed.expect_err("dividing by zero fails");
    }

    fn roll_back(&self) {
        self.runtime.block_on(self.client.batch_execute("ROLLBACK")).expect("a transaction can be rolled back");
    }

    fn parse(&self, text: &str) -> Parsed {
        match self.runtime.block_on(self.client.prepare(text)) {
            // What ends a transaction is the one thing that a failed one accepts.
            Ok(_) if sql::is_empty(text, Dialect::Postgres) => Parsed::None,
            Ok(_) => Parsed::One,
            Err(error) => match error.code() {
                Some(&SqlState::IN_FAILED_SQL_TRANSACTION) => Parsed::One,
                Some(_) if message_of(&error).contains("multiple commands") => Parsed::Several,
                _ => Parsed::Refused(message_of(&error)),
            },
        }
    }
}

impl fmt::Debug for PostgresServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresServer").finish_non_exhaustive()
    }
}

/// What the server's parser makes of a text.
#[derive(Debug, PartialEq, Eq)]
enum Parsed {
    None,
    One,
    Several,
    Refused(String),
}

fn message_of(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}

/// Runs a script on SQLite and compares how many statements SQLite finds, by what it leaves of the text after each.
///
/// # Errors
///
/// What SQLite said of the statement that failed, which is not a difference.
pub fn compare_on_sqlite(
    connection: &Connection,
    title: &str,
    script: &str,
    tally: &mut Tally,
) -> Result<(), rusqlite::Error> {
    let mut batch = rusqlite::Batch::new(connection, script);
    let mut completed = 0;
    while let Some(mut statement) = batch.next()? {
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
        completed += 1;
    }
    let found = sql::statements(script, Dialect::Sqlite).map(|statements| statements.len());
    let difference = (found != Ok(completed)).then(|| format!("SQLite found {completed}, we find {found:?}"));
    tally.add(title, found.unwrap_or_default(), difference);
    Ok(())
}

/// A script of an extension as the server reads it: without the line that psql shall read, and with names in place of `@…@`.
#[must_use]
pub fn of_extension(script: &str) -> String {
    let lines: Vec<&str> = script.lines().map(|line| if line.starts_with("\\echo") { "" } else { line }).collect();
    lines.join("\n").replace("@extschema@", "public").replace("@extowner@", "postgres")
}
