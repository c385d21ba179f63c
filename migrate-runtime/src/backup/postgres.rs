//! Copies of PostgreSQL databases, made and put back by the server's own client programs.

mod one_transaction;
mod script;
mod survey;
mod tools;

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};

use super::archive::{self, Writer, damaged};
use super::manifest::{Backup, BackupFormat, Contents};
use super::order::{Copied, Order};
use super::verify::{Verification, VerifyOptions, differences, restored_alike};
use crate::backend::postgres::plain_error;
use crate::database::Postgres;
use crate::database::postgres::Token;
use crate::error::{Error, ErrorKind};
use crate::options::Tables;
use crate::scratch::PostgresScratch;
use crate::stop::Stop;

pub(crate) use self::script::{Restore, others};
pub(crate) use self::survey::survey;
use self::tools::Tools;

/// Where backups are unless the options say it: beside a server there is no place that is known.
pub(crate) const DIRECTORY: &str = "migrate-backups";

/// How often a program that works is looked at.
const PAUSE: Duration = Duration::from_millis(50);

/// How long `pg_dump` waits for the lock of a table that somebody changes, in milliseconds.
const LOCK_WAIT: &str = "10000";

/// Where a database is, without a password: the same through a pooler and around it.
pub(crate) fn location(database: &Postgres) -> String {
    database.direct().as_ref().unwrap_or(database).to_string()
}

/// Dumps a database as ordered. A transaction of our own holds the snapshot that `pg_dump` sees, and says how many rows it
/// has; both have ended when this returns.
pub(crate) async fn copy_out(database: &Postgres, order: &Order<'_>, tables: &Tables) -> Result<Copied, Error> {
    let tools = Tools::new(order.tools);
    let mut connected = database.connect(&Token::new()).await?;
    let driver = connected.driver();
    let client = &connected.client;
    let failed = |error: tokio_postgres::Error| plain_error("the database could not be read", &error);
    let server = tools::server_version(client).await?;
    let dump_version = tools.check("pg_dump", server.major)?;
    tools.check("pg_restore", server.major)?;
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(failed)?;
    let row = survey::rows(client, "SELECT pg_catalog.pg_export_snapshot()").await?;
    let snapshot = row.first().and_then(|row| row.first()).cloned().unwrap_or_default();
    let survey = survey(client, tables, order.contents == Contents::Full).await?;
    let mut command = tools.command("pg_dump", database);
    command.arg("--no-password").arg(format!("--snapshot={snapshot}")).arg(format!("--lock-wait-timeout={LOCK_WAIT}"));
    let format = match order.contents {
        Contents::Full => {
            command.args(["--format=custom", "--compress=0"]);
            BackupFormat::PgDump
        }
        Contents::Schema => {
            command.args(["--format=plain", "--schema-only"]);
            BackupFormat::Sql
        }
    };
    let writer = Writer::create(order.directory.path(), order.stem, order.compress)?;
    let written = run_dump(command, writer, order.stop).await?;
    if format == BackupFormat::PgDump {
        list(order.tools, written.open(order.compress)?)
            .map_err(|error| error.noting("what `pg_dump` wrote cannot be restored"))?;
    }
    client.batch_execute("ROLLBACK").await.map_err(failed)?;
    drop(connected);
    if let Some(driver) = driver {
        drop(driver.await);
    }
    let database_version = format!("PostgreSQL {}", server.text);
    Ok(Copied { written, format, survey, database_version, dump_version: Some(dump_version), damage: None })
}

/// Runs a script that puts a dump back, in one transaction: `psql` reads what comes before, then what `pg_restore` makes of
/// the dump, then what comes after it with the commit. A process that dies on the way never sends the commit.
pub(crate) async fn run_restore(
    database: &Postgres,
    backup: &Backup,
    restore: Restore,
    tools: Option<&Path>,
    stop: &Stop,
) -> Result<(), Error> {
    let tools = Tools::new(tools);
    let contents = archive::open(backup)?;
    let mut pg_restore = tools.command("pg_restore", database);
    pg_restore.arg("--file=-").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut psql = tools.command("psql", database);
    psql.args(["--no-psqlrc", "--no-password", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null"]);
    psql.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut pg_restore = Running::start(pg_restore, "pg_restore")?;
    let mut psql = Running::start(psql, "psql")?;
    let mut dump = pg_restore.child.stdin.take().expect("the standard input was asked to be a pipe");
    let mut script = pg_restore.child.stdout.take().expect("the standard output was asked to be a pipe");
    let mut input = psql.child.stdin.take().expect("the standard input was asked to be a pipe");
    let feeding = spawn_blocking(move || feed(contents, &mut dump));
    let translating = spawn_blocking(move || -> (std::io::Result<()>, ChildStdin) {
        let told = input.write_all(restore.before.as_bytes());
        let told = told.and_then(|()| one_transaction::copy(&mut script, &mut input));
        (told, input)
    });
    let (translated, mut input) = wait_for(translating, stop).await?;
    let fed = wait_for(feeding, stop).await?;
    let whole = pg_restore.end("the backup could not be read").await;
    if let (Ok(()), Ok(()), Ok(())) = (&translated, &fed, &whole) {
        #[cfg(feature = "failpoints")]
        crate::failpoint::reach(format_args!("restore: everything is sent but the commit"));
        let after = restore.after;
        let told = spawn_blocking(move || input.write_all(after.as_bytes()).and_then(|()| input.flush()));
        // When this fails psql has ended, and says why.
        let _ = wait_for(told, stop).await?;
    } else {
        drop(input);
    }
    // What psql says comes first: the others fail when it ends.
    psql.end("the database could not be restored, and nothing was changed").await?;
    #[cfg(feature = "failpoints")]
    crate::failpoint::reach(format_args!("restore: it is committed"));
    whole?;
    fed.and(translated).map_err(|error| damaged(backup, &error.to_string()))
}

/// Checks that a dump can be read; with `deep` restores it into a scratch database.
pub(super) fn verify(backup: &Backup, options: &VerifyOptions, verification: &mut Verification) -> Result<(), Error> {
    let tools = Tools::new(options.tools.as_deref());
    tools.check("pg_restore", major_of(backup))?;
    tools.check("psql", 0)?;
    list(options.tools.as_deref(), archive::open(backup)?).map_err(|error| damaged(backup, &error.to_string()))?;
    verification.checks.push("pg_restore can list it".to_owned());
    if options.deep {
        verify_deeply(backup, options, verification)?;
    }
    Ok(())
}

fn verify_deeply(backup: &Backup, options: &VerifyOptions, verification: &mut Verification) -> Result<(), Error> {
    let Some(url) = &options.scratch_url else {
        return Err(Error::new(
            ErrorKind::Configuration,
            "a deep look at a PostgreSQL backup needs a server for a scratch database",
        )
        .with_help("name one with `--scratch-url postgres://user@host/postgres`"));
    };
    let scratch = PostgresScratch::create(url)?;
    let database = scratch.database().clone();
    let tables = Tables { schema: None, table: backup.ledger_table.clone() };
    let tools = options.tools.clone();
    let expected = backup.clone();
    let found = crate::database::postgres::block_on(async move {
        let restore = Restore { before: "BEGIN;\n".to_owned(), after: "COMMIT;\n".to_owned() };
        run_restore(&database, &expected, restore, tools.as_deref(), &Stop::new()).await?;
        let connected = database.connect(&Token::new()).await?;
        let found = survey(&connected.client, &tables, true).await;
        connected.close().await;
        found
    });
    let removed = scratch.remove();
    if let Some(first) = differences(&backup.survey(), &found?).first() {
        return Err(damaged(backup, first));
    }
    removed?;
    verification.checks.push(restored_alike(backup.rows.len()));
    Ok(())
}

/// Checks that `pg_restore` reads a dump. Its list stands before the rows, so it may not wait for the end; that the rest is
/// there says the checksum.
fn list(tools: Option<&Path>, contents: Box<dyn Read + Send>) -> Result<(), Error> {
    let mut list = Tools::new(tools).plain("pg_restore");
    list.arg("--list").stdin(Stdio::piped()).stdout(Stdio::null());
    let mut running = Running::start(list, "pg_restore")?;
    let mut dump = running.child.stdin.take().expect("the standard input was asked to be a pipe");
    let fed = feed(contents, &mut dump);
    drop(dump);
    running.end_blocking("`pg_restore --list` cannot read it")?;
    fed.map_err(|error| Error::new(ErrorKind::Backup, format!("it cannot be read: {error}")).with_source(error))
}

/// The major version of the server that a backup is of.
fn major_of(backup: &Backup) -> u32 {
    let number = backup.database_version.trim_start_matches("PostgreSQL ");
    number.split(|character: char| !character.is_ascii_digit()).next().and_then(|it| it.parse().ok()).unwrap_or(0)
}

/// Writes all of a backup's contents. A reader that has seen enough is no failure.
fn feed(mut contents: Box<dyn Read + Send>, reader: &mut ChildStdin) -> std::io::Result<()> {
    match std::io::copy(&mut contents, reader) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

async fn run_dump(mut command: Command, mut writer: Writer, stop: &Stop) -> Result<archive::Written, Error> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut dump = Running::start(command, "pg_dump")?;
    let mut output = dump.child.stdout.take().expect("the standard output was asked to be a pipe");
    let copying = spawn_blocking(move || {
        writer.write_from(&mut output, "what pg_dump writes")?;
        #[cfg(feature = "failpoints")]
        crate::failpoint::reach(format_args!("backup: the dump has ended"));
        writer.finish()
    });
    let written = wait_for(copying, stop).await?;
    match written {
        Ok(written) => dump.end("the database could not be dumped").await.map(|()| written),
        Err(error) => Err(error),
    }
}

/// Waits for work on a blocking thread, unless it is to stop.
async fn wait_for<T>(mut work: JoinHandle<T>, stop: &Stop) -> Result<T, Error> {
    loop {
        match tokio::time::timeout(PAUSE, &mut work).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => {
                    return Err(Error::new(ErrorKind::Cancelled, "the async runtime shut down").with_source(error));
                }
            },
            Err(_) if stop.is_asked() => {
                return Err(Error::new(ErrorKind::Cancelled, "it was stopped; nothing was changed")
                    .with_help("run the same command again"));
            }
            Err(_) => {}
        }
    }
}

/// A program that is killed when this is dropped.
struct Running {
    child: Child,
    name: &'static str,
    errors: Option<std::thread::JoinHandle<String>>,
}

impl Running {
    fn start(mut command: Command, name: &'static str) -> Result<Self, Error> {
        let mut child = command.stderr(Stdio::piped()).spawn().map_err(|error| tools::missing(name, &error))?;
        let mut stderr = child.stderr.take().expect("the standard error was asked to be a pipe");
        let errors = std::thread::spawn(move || {
            let mut text = Vec::new();
            // What cannot be read is missing from a message.
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).trim().to_owned()
        });
        Ok(Self { child, name, errors: Some(errors) })
    }

    /// Waits for its end, which is near.
    async fn end(mut self, what: &str) -> Result<(), Error> {
        loop {
            if self.child.try_wait().map_err(|error| tools::missing(self.name, &error))?.is_some() {
                return self.end_blocking(what);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn end_blocking(mut self, what: &str) -> Result<(), Error> {
        let status = self.child.wait().map_err(|error| tools::missing(self.name, &error))?;
        let said = self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default();
        if status.success() {
            return Ok(());
        }
        let said = if said.is_empty() { status.to_string() } else { said };
        Err(Error::new(ErrorKind::Backup, format!("{what}: {} says: {said}", self.name))
            .with_help("mend what it says, then run the same command again"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
