//! SIGINT and SIGTERM: the run ends cleanly, and a plain second run reaches the goal.

use std::path::PathBuf;

use system_tests::field::{Migrate, Running, WAITING_FOR_ADVISORY_LOCK, sqlite, until};
use testkit::postgres::{Database, Server};
use testkit::process::Output;

/// Where a run is stopped, and a table `hold` there that makes its second step endless.
enum Place {
    Postgres(Database),
    Sqlite { folder: tempfile::TempDir },
}

/// What the second step does that is no longer endless once `hold` is empty.
const POSTGRES: &str = "SELECT pg_sleep(3600) FROM hold;";
const SQLITE: &str =
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE EXISTS (SELECT * FROM hold))
    SELECT count(*) FROM n;";

impl Place {
    fn all() -> [Self; 3] {
        let file = |mode: &str| {
            let folder = tempfile::tempdir().expect("a temporary directory can be made");
            let place = Self::Sqlite { folder };
            sqlite(&place.path(), &format!("PRAGMA journal_mode = {mode}"));
            place
        };
        let places = [Self::Postgres(Server::shared().database()), file("DELETE"), file("WAL")];
        places.iter().for_each(|place| place.change("CREATE TABLE hold AS SELECT 1 AS one"));
        places
    }

    fn url(&self) -> String {
        match self {
            Self::Postgres(database) => database.url(),
            Self::Sqlite { .. } => format!("sqlite:{}", self.path().display()),
        }
    }

    fn path(&self) -> PathBuf {
        match self {
            Self::Postgres(_) => unreachable!("it is no file"),
            Self::Sqlite { folder } => folder.path().join("app.db"),
        }
    }

    /// Migrations of which the second one is endless as long as something is in `hold`.
    fn migrate(&self) -> Migrate {
        let long = format!("{} CREATE TABLE long (id integer); INSERT INTO long VALUES (1)", self.endless());
        Self::migrations(&long, "")
    }

    /// The same, outside a transaction and with a statement before the endless one.
    fn migrate_outside_a_transaction(&self) -> Migrate {
        let long = format!("CREATE TABLE long (id integer); {} INSERT INTO long VALUES (1)", self.endless());
        Self::migrations(&long, ", \"transaction\": false")
    }

    fn endless(&self) -> &'static str {
        if matches!(self, Self::Postgres(_)) { POSTGRES } else { SQLITE }
    }

    fn migrations(long: &str, more: &str) -> Migrate {
        Migrate::new(&[
            ("1.0.0", "first", "CREATE TABLE first (id integer)", "", ""),
            ("1.1.0", "long", long, "", more),
            ("1.2.0", "last", "CREATE TABLE last (id integer)", "", ""),
        ])
    }

    fn change(&self, sql: &str) {
        match self {
            Self::Postgres(database) => drop(database.psql(sql)),
            Self::Sqlite { .. } => {
                let connection = rusqlite::Connection::open(self.path()).expect("the file opens");
                connection.execute_batch(sql).expect("the table can be changed");
            }
        }
    }

    fn value(&self, sql: &str) -> String {
        match self {
            Self::Postgres(database) => database.psql(sql),
            Self::Sqlite { .. } => sqlite(&self.path(), sql),
        }
    }

    /// Starts `migrate up` and waits until it executes its endless statement, which comes after so many that are recorded.
    /// On SQLite it has then begun the transaction.
    fn start(&self, migrate: &Migrate, recorded: u32) -> Running {
        migrate.succeed(&self.url(), &["up", "--to", "1.0.0"]);
        let mut run = migrate.start(&self.url(), &["up", "--verbose"]);
        // It says so under the lock.
        run.until_it_says("to apply: 1.2.0");
        let progress = "SELECT coalesce(max(progress), 0) FROM schema_migrations_v2 WHERE version = '1.1.0'";
        until("what comes before", || self.value(progress) == recorded.to_string());
        until("the endless statement", || match self {
            Self::Postgres(database) => {
                let sleeps = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event = 'PgSleep'";
                database.psql(sleeps) == "1"
            }
            Self::Sqlite { .. } => {
                let other = rusqlite::Connection::open(self.path()).expect("the file opens");
                other.busy_timeout(std::time::Duration::ZERO).expect("a time-out can be set");
                other.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_err()
            }
        });
        run
    }

    fn applied(&self) -> String {
        self.value("SELECT count(*) FROM schema_migrations_v2 WHERE status = 'applied'")
    }

    /// The stopped run gave its lock back, and said in the history that it ended; the next one applies the rest once.
    fn assert_goes_on(&self, migrate: &Migrate, output: &Output) {
        assert_eq!(output.code, 70, "{}{}", output.stdout, output.stderr);
        assert!(output.stderr.contains("error: "), "{}", output.stderr);
        let held = "SELECT count(*) FROM schema_migrations_v2_state WHERE lock_owner IS NOT NULL";
        assert_eq!(self.value(held), "0");
        assert_eq!(self.value("SELECT outcome FROM schema_migrations_v2_history ORDER BY id DESC LIMIT 1"), "failed");
        self.change("DELETE FROM hold");
        migrate.succeed(&self.url(), &["up"]);
        assert_eq!(self.applied(), "3");
        assert_eq!(self.value("SELECT count(*) FROM long"), "1");
        assert_eq!(self.value("SELECT count(*) FROM first") + &self.value("SELECT count(*) FROM last"), "00");
        let twice = "SELECT count(*) FROM (SELECT version FROM schema_migrations_v2_history
            WHERE operation = 'up' AND outcome = 'succeeded' GROUP BY version HAVING count(*) > 1) twice";
        assert_eq!(self.value(twice), "0");
        let interrupted = "SELECT count(*) FROM schema_migrations_v2_history WHERE outcome = 'interrupted'";
        assert_eq!(self.value(interrupted), "0");
    }
}

#[test]
fn sigterm_cancels_the_statement_under_way() {
    for place in Place::all() {
        let migrate = place.migrate();
        let run = place.start(&migrate, 0);
        run.signal("TERM");
        let output = run.end();
        assert!(output.stderr.contains("migration 1.1.0 `long` was stopped"), "{}", output.stderr);
        assert!(output.stderr.contains("`migrate up` runs it again"), "{}", output.stderr);
        assert_eq!(place.applied(), "1");
        place.assert_goes_on(&migrate, &output);
    }
}

#[test]
fn sigterm_cancels_a_statement_outside_a_transaction_and_keeps_what_was_done() {
    for place in Place::all() {
        let migrate = place.migrate_outside_a_transaction();
        let run = place.start(&migrate, 1);
        run.signal("TERM");
        let output = run.end();
        assert!(output.stderr.contains("`migrate up` goes on with this"), "{}", output.stderr);
        assert_eq!(place.applied(), "1");
        place.assert_goes_on(&migrate, &output);
    }
}

#[test]
fn a_second_sigint_cancels_the_statement_under_way() {
    for place in Place::all() {
        let migrate = place.migrate();
        let mut run = place.start(&migrate, 0);
        run.signal("INT");
        run.until_it_says("stopping after the step under way; interrupt again to cancel its statement");
        assert!(!run.has_ended());
        run.signal("INT");
        let output = run.end();
        assert!(output.stderr.contains("migration 1.1.0 `long` was stopped"), "{}", output.stderr);
        assert_eq!(place.applied(), "1");
        place.assert_goes_on(&migrate, &output);
    }
}

#[test]
fn sigint_stops_a_run_that_waits_for_the_lock() {
    for place in Place::all() {
        let migrate = place.migrate();
        let holder = place.start(&migrate, 0);
        let mut waiter = migrate.start(&place.url(), &["up"]);
        waiter.until_it_says("waiting for another run");
        waiter.signal("INT");
        let output = waiter.end();
        assert_eq!(output.code, 70, "{}", output.stderr);
        assert!(output.stderr.contains("nothing was changed"), "{}", output.stderr);
        holder.signal("TERM");
        let output = holder.end();
        assert_eq!(place.applied(), "1");
        place.assert_goes_on(&migrate, &output);
    }
}

#[test]
fn sigint_in_the_midst_of_many_steps_finishes_those_under_way() {
    const STEPS: usize = 40;
    const WAITING: usize = 5;
    let database = Server::shared().database();
    let mut gate = Server::shared().session(&database.url());
    gate.run("SELECT pg_advisory_lock(1)");
    let migrate = Migrate::of_steps(STEPS, WAITING);
    let mut run = migrate.start(&database.url(), &["up"]);
    until("a step to wait", || database.psql(WAITING_FOR_ADVISORY_LOCK) == "1");
    run.signal("INT");
    run.until_it_says("stopping after the step under way");
    gate.run("SELECT pg_advisory_unlock(1)");
    let output = run.end();
    assert_eq!(output.code, 70, "{}", output.stderr);
    let count = |sql: &str| database.psql(sql).parse::<usize>().expect("a count is a number");
    let applied = count("SELECT count(*) FROM schema_migrations_v2");
    assert!((WAITING..STEPS).contains(&applied), "{applied} steps were applied");
    let next = format!("the run was stopped before 1.{}.0", applied + 1);
    let stay = format!("({applied} steps before it are committed and stay)");
    assert!(output.stderr.contains(&next) && output.stderr.contains(&stay), "{}", output.stderr);
    let tables = "SELECT count(*) FROM pg_tables WHERE tablename ~ '^t[0-9]+$'";
    let succeeded =
        "SELECT count(*) FROM schema_migrations_v2_history WHERE operation = 'up' AND outcome = 'succeeded'";
    assert_eq!((count(tables), count(succeeded)), (applied, applied));
    assert_eq!(count("SELECT count(*) FROM schema_migrations_v2_state WHERE lock_owner IS NOT NULL"), 0);
    migrate.succeed(&database.url(), &["up"]);
    assert_eq!((count(tables), count(succeeded)), (STEPS, STEPS));
}
