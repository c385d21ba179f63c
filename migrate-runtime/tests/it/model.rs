//! Random migrations, random commands, random faults: the database must be where a small model says.
//!
//! `MODEL_CASES=N` multiplies the number of cases, `MODEL_SEED=N` runs the one case of a seed that a failure names.

pub(crate) mod spec;
pub(crate) mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::Duration;

use migrate_runtime::faults::{Fault, Faulty, Moment};
use migrate_runtime::{BorrowedConnection, Error, Migrator, Report};
use testkit::random::Random;

use self::spec::Spec;
use self::state::{Command, Execution, Goal, Row, State};
use crate::bench::{Bench, PostgresServer, SqliteFile, SqliteWal, of, registry_at};

#[test]
fn in_memory() {
    cases("SQLite in memory", 150, |random| case(random, &mut Memory::default()));
}

#[test]
fn on_a_rollback_journal() {
    cases("SQLite with a rollback journal", 15, |random| case(random, &mut SqliteFile::new()));
}

#[test]
fn on_a_wal() {
    cases("SQLite in WAL mode", 15, |random| case(random, &mut SqliteWal::new()));
}

#[test]
fn on_postgres() {
    cases("PostgreSQL", 6, |random| case(random, &mut PostgresServer::new()));
}

/// Runs cases with seeds of their own and tells how many commands they took.
fn cases(place: &str, count: usize, mut case: impl FnMut(&mut Random) -> usize) {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<usize>().expect("a number"));
    let seeds = match number("MODEL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..1 + count * number("MODEL_CASES").unwrap_or(1),
    };
    let total = seeds.len();
    let mut commands = 0;
    for seed in seeds {
        let named = Named { place, seed };
        commands += case(&mut Random::new(u64::try_from(seed).expect("a usize fits")));
        drop(named);
    }
    tell(&format!("{place}: {total} cases, {commands} commands; failures: 0"));
}

/// Names the seed when a case fails.
struct Named<'a> {
    place: &'a str,
    seed: usize,
}

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tell(&format!("{}: this was MODEL_SEED={}", self.place, self.seed));
        }
    }
}

fn tell(line: &str) {
    // When nobody reads it there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// One database, some migrations, and up to ten commands; says how many.
fn case(random: &mut Random, site: &mut impl Site) -> usize {
    let sqlite = site.is_sqlite();
    let spec = Spec::random(random, sqlite);
    let all = spec.migrations.len();
    let mut migrators = BTreeMap::new();
    prepare(&spec, site);
    let mut gates = BTreeSet::new();
    let mut state = State::default();
    let count = 1 + random.below(10);
    for _ in 0..count {
        if let Some(gate) = spec.gates().get(random.below(20))
            && gates.insert(gate.clone())
        {
            site.sql(&format!("CREATE TABLE {gate} (id INTEGER)"));
        }
        let known = if random.once_in(8) { 1 + random.below(all) } else { all };
        let command = Command { target: goal(random, all), known };
        let fault = random.once_in(3).then(|| Fault {
            at: 1 + random.below(25),
            moment: if random.once_in(2) { Moment::Before } else { Moment::After },
            lasting: true,
            passing: false,
        });
        let (path, expected) = Execution::of(&spec, &gates, &state, command);
        let migrator = migrators.entry(known).or_insert_with(|| migrator(&spec, known, sqlite));
        let result = site.run(migrator, command.target, fault);
        let (found, history) = found(&spec, site);
        let context = format!("{command:?} with {fault:?} from {state:#?}\nin {spec:#?}\ngave {result:#?}");
        match (&result, fault) {
            // A run that was stopped may have come anywhere on its way.
            (Err(_), Some(_)) => assert!(path.contains(&found), "{found:#?}\nis not on the way {path:#?}\n{context}"),
            _ => {
                let kind = result.as_ref().map(drop).map_err(Error::kind);
                assert_eq!(kind, expected, "{context}");
                assert_eq!(Some(&found), path.last(), "{context}");
            }
        }
        assert_eq!(history, applied(&found), "history and ledger: {context}");
        state = found;
    }
    count
}

fn goal(random: &mut Random, all: usize) -> Goal {
    match random.below(10) {
        0..4 => Goal::Up,
        4 => Goal::UpTo(random.below(all + 1)),
        5 => Goal::UpByOne,
        6 => Goal::Down,
        7 => Goal::DownTo(random.below(all + 1)),
        8 => Goal::Reset,
        _ => Goal::Redo,
    }
}

pub(crate) fn migrator(spec: &Spec, known: usize, sqlite: bool) -> Migrator {
    let directory = spec.directory(known, sqlite);
    of(registry_at(directory.path())).wait_lock(Duration::from_secs(20)).retry_delay(Duration::from_millis(1))
}

/// Makes the table of marks.
pub(crate) fn prepare(spec: &Spec, site: &mut impl Site) {
    let rows: String =
        spec.marks().iter().map(|mark| format!("INSERT INTO marks (what, number) VALUES ('{mark}', 0);")).collect();
    site.sql(&format!("CREATE TABLE marks (what TEXT PRIMARY KEY, number INTEGER NOT NULL); {rows}"));
}

/// What a database holds, and the versions that its history leaves applied.
pub(crate) fn found(spec: &Spec, site: &mut impl Site) -> (State, Vec<String>) {
    let mut state = State::default();
    let mut counts = BTreeMap::<String, i32>::new();
    for row in site.contents() {
        let fields: Vec<&str> = row.split('|').collect();
        match fields[..] {
            ["table", table] if table.starts_with("t_") => drop(state.tables.insert(table.to_owned())),
            ["table", _] => {}
            ["mark", mark, number] => drop(state.marks.insert(mark.to_owned(), number.parse().unwrap())),
            ["ledger", version, status, progress] => {
                let number = (0..spec.migrations.len()).find(|number| Spec::version(*number) == version).unwrap();
                let progress = progress.parse().unwrap();
                let row = match status {
                    "applying" => Row::Applying(progress),
                    "reverting" => Row::Reverting(progress),
                    _ => Row::Applied,
                };
                state.ledger.insert(number, row);
            }
            ["history", version, operation] => {
                let count = counts.entry(version.to_owned()).or_default();
                *count += if operation == "up" { 1 } else { -1 };
                assert!((0..=1).contains(count), "{version} went {operation} twice");
            }
            _ => panic!("`{row}` cannot be read"),
        }
    }
    let left_applied = counts.into_iter().filter(|(_, count)| *count == 1).map(|(version, _)| version);
    (state, left_applied.collect())
}

/// The versions whose up script is wholly recorded.
fn applied(state: &State) -> Vec<String> {
    let wholly = |row: &Row| !matches!(row, Row::Applying(_));
    state.ledger.iter().filter(|(_, row)| wholly(row)).map(|(number, _)| Spec::version(*number)).collect()
}

/// A database that commands are run on.
pub(crate) trait Site {
    fn is_sqlite(&self) -> bool {
        true
    }

    fn run(&mut self, migrator: &Migrator, goal: Goal, fault: Option<Fault>) -> Result<Report, Error>;

    /// Runs SQL beside us and gives the rows, columns joined by `|`.
    fn sql(&mut self, sql: &str) -> Vec<String>;

    /// Tables, marks, ledger and history, a row each.
    fn contents(&mut self) -> Vec<String>;
}

fn sqlite_contents(site: &mut impl Site) -> Vec<String> {
    let mut rows = site.sql("SELECT 'table', name FROM sqlite_master WHERE type = 'table'");
    rows.extend(site.sql(MARKS));
    if rows.iter().any(|row| row == "table|schema_migrations_v2") {
        rows.extend(site.sql(OURS));
    }
    rows
}

/// The marks that are not 0.
const MARKS: &str = "SELECT 'mark', what, number FROM marks WHERE number <> 0;\n";

/// Ledger and history.
const OURS: &str = "SELECT 'ledger', version, status, progress FROM schema_migrations_v2;
    SELECT 'history', version, operation FROM schema_migrations_v2_history
    WHERE operation IN ('up', 'down') AND outcome = 'succeeded' ORDER BY id;\n";

impl<B: Bench> Site for B {
    fn is_sqlite(&self) -> bool {
        self.url().starts_with("sqlite:")
    }

    fn run(&mut self, migrator: &Migrator, goal: Goal, fault: Option<Fault>) -> Result<Report, Error> {
        migrator.run(&mut Faulty::new(self.open(), fault), goal.target()).wait()
    }

    fn sql(&mut self, sql: &str) -> Vec<String> {
        Bench::sql(self, sql)
    }

    fn contents(&mut self) -> Vec<String> {
        if self.is_sqlite() {
            return sqlite_contents(self);
        }
        // One call of psql for all of it.
        Bench::sql(
            self,
            &format!(
                "SELECT 'table', tablename FROM pg_tables WHERE schemaname = 'public';\n{MARKS}
                 SELECT to_regclass('schema_migrations_v2') IS NOT NULL AS there \\gset\n\\if :there\n{OURS}\\endif\n"
            ),
        )
    }
}

/// A database in memory, lent for each command.
struct Memory(rusqlite::Connection);

impl Default for Memory {
    fn default() -> Self {
        Self(rusqlite::Connection::open_in_memory().unwrap())
    }
}

impl Site for Memory {
    fn run(&mut self, migrator: &Migrator, goal: Goal, fault: Option<Fault>) -> Result<Report, Error> {
        let result = migrator.run(&mut Faulty::new(BorrowedConnection::new(&mut self.0), fault), goal.target()).wait();
        assert!(self.0.is_autocommit(), "a transaction is left open");
        result
    }

    fn sql(&mut self, sql: &str) -> Vec<String> {
        crate::bench::rows(&self.0, sql)
    }

    fn contents(&mut self) -> Vec<String> {
        sqlite_contents(self)
    }
}
