//! The register sweep: while a run applies what an older program does not survive, such a program starts, at every failpoint of
//! the run.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::channel;
use std::time::Duration;

use migrate_runtime::{ErrorKind, InstanceOptions};
use testkit::migrations::Directory;

use super::child::{Child, Verb};
use super::ground::{Arena, Ground};
use crate::running::Program;

/// How long a run stands still for a program that wants to start: it may hold what the program waits for.
const STANDSTILL: Duration = Duration::from_millis(500);

/// How often a run must have looked before it is believed that it waits.
const LOOKS: usize = 3;

/// What became of the programs.
#[derive(Debug, Default)]
pub struct Starts(BTreeMap<Start, usize>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Start {
    /// It started and the run waited for it.
    WaitedFor,
    /// It was refused because of what the run intended.
    RefusedByIntent,
    /// It was refused because of what the run had done.
    RefusedByLedger,
}

impl Starts {
    fn add(&mut self, start: Start) {
        *self.0.entry(start).or_default() += 1;
    }

    /// Whether some were waited for, some refused because of the intent, and some because of the ledger.
    #[must_use]
    pub fn are_of_every_kind(&self) -> bool {
        self.0.len() == 3
    }
}

impl fmt::Display for Starts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |start| self.0.get(&start).copied().unwrap_or(0);
        write!(
            f,
            "{} programs started, {} were waited for, {} refused by what was intended, {} by what was done; broken: 0",
            self.0.values().sum::<usize>(),
            number(Start::WaitedFor),
            number(Start::RefusedByIntent),
            number(Start::RefusedByLedger)
        )
    }
}

/// A program of version 1.0.0 starts at every `stride`-th failpoint of a run that needs 2.0.0, with the step that contracts in
/// a transaction or outside of one.
///
/// # Panics
///
/// When a program is admitted and broken all the same, refused for another reason, or the run fails.
#[must_use]
pub fn at_failpoints(arena: Arena, transactional: bool, stride: usize) -> Starts {
    let course = Course::new(arena, transactional);
    let mut starts = Starts::default();
    let points = course.failpoints();
    for number in (0..points).step_by(stride) {
        starts.add(course.start_at(number));
    }
    starts
}

struct Course {
    arena: Arena,
    /// What the older program holds.
    older: Directory,
    newer: Directory,
}

impl Course {
    fn new(arena: Arena, transactional: bool) -> Self {
        let users = ("1.0.0", "users", "CREATE TABLE users (id INTEGER)", "DROP TABLE users");
        let notes = ("1.1.0", "notes", "CREATE TABLE notes (id INTEGER)", "DROP TABLE notes");
        let contract = ("2.0.0", "contract", "DROP TABLE users; CREATE TABLE people (id INTEGER)", "");
        let newer = Directory::simple(&[users, notes, contract]);
        let metadata = format!(
            "{{\"version\": \"2.0.0\", \"name\": \"contract\", \"min_runtime_version\": \"2.0.0\", \"transaction\": {transactional}}}"
        );
        newer.write("v2.0.0_contract/metadata.json", metadata);
        Self { arena, older: Directory::simple(&[users]), newer }
    }

    /// A database that the older program has made.
    fn ground(&self) -> Ground {
        let ground = Ground::new(self.arena);
        let end = Child::running(Verb::Up, self.older.path(), &ground.url()).end();
        assert_eq!(end.code, Some(0), "{}", end.stderr);
        ground
    }

    fn run(&self, ground: &Ground) -> Child {
        Child::stopping_with(&["--wait-for-fleet", "10m"], Verb::Up, self.newer.path(), &ground.url())
    }

    /// How many failpoints an undisturbed run goes through.
    fn failpoints(&self) -> usize {
        let ground = self.ground();
        let mut child = self.run(&ground);
        let mut points = 0;
        while child.next_point().is_some() {
            points += 1;
            child.go_on();
        }
        points
    }

    fn start_at(&self, number: usize) -> Start {
        let ground = self.ground();
        let url = ground.url();
        let mut child = self.run(&ground);
        let point = child.pass(number);
        let context = format!("{:?}: a program starts at failpoint {number} ({point:?})", self.arena);
        let options = InstanceOptions { keep_alive: false, ..InstanceOptions::default() };
        let mut program = Program::new(self.older.path(), "1.0.0", &url);
        std::thread::scope(|scope| {
            let (tell, told) = channel();
            let program = &mut program;
            scope.spawn(move || {
                let registered = program.register(options);
                let _ = tell.send((program, registered));
            });
            let mut registered = told.recv_timeout(STANDSTILL).ok();
            while registered.is_none() && child.to_next_point().is_some() {
                registered = told.try_recv().ok();
            }
            let (program, registered) = match registered {
                Some(registered) => registered,
                None => told.recv().expect("a program starts or is refused"),
            };
            match registered {
                Ok(instance) => {
                    let mut looks = 0;
                    while looks < LOOKS {
                        assert!(!is_contracted(&ground), "a program that was admitted was broken: {context}");
                        let point = child.to_next_point().unwrap_or_else(|| panic!("the run did not wait: {context}"));
                        looks += usize::from(point.starts_with("after:") && point.contains("registry_head"));
                    }
                    assert!(!is_contracted(&ground), "a program that was admitted was broken: {context}");
                    // The run may hold what the program waits for.
                    scope.spawn(move || program.leave(instance));
                    self.finish(child, &ground, &context);
                    Start::WaitedFor
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Incompatible, "{context}: {error}");
                    self.finish(child, &ground, &context);
                    match error.to_string().contains("a run is about to apply") {
                        true => Start::RefusedByIntent,
                        false => Start::RefusedByLedger,
                    }
                }
            }
        })
    }

    fn finish(&self, child: Child, ground: &Ground, context: &str) {
        let end = child.end();
        assert_eq!(end.code, Some(0), "{context}: {}", end.stderr);
        let contents = ground.contents();
        let ledger: Vec<_> =
            contents.ledger.iter().flatten().map(|(version, status, _)| (&**version, &**status)).collect();
        let all = [("1.0.0", "applied"), ("1.1.0", "applied"), ("2.0.0", "applied")];
        assert_eq!(ledger, all, "{context}");
    }
}

/// Whether the older program's table is gone, or the newer one is there.
fn is_contracted(ground: &Ground) -> bool {
    !ground.has_table("users") || ground.has_table("people")
}
