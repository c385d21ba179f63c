//! The kill sweep: a process is killed with SIGKILL at every failpoint and at random times, and its connection to the
//! server is ended at every failpoint.

use std::time::Instant;

use testkit::migrations::Directory;
use testkit::random::Random;

use super::Counts;
use super::child::{Child, Verb};
use super::ground::{Arena, Contents, Ground, terminate_backends};
use super::set::{self, Migration};

/// What strikes a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// SIGKILL to the process.
    Kill,
    /// `pg_terminate_backend` to all its connections.
    Terminate,
}

/// The migrations of an arena with what an undisturbed run leaves.
#[derive(Debug)]
pub struct Course {
    /// Where.
    pub arena: Arena,
    /// What.
    pub set: Vec<Migration>,
    directory: Directory,
    /// After everything was applied.
    pub up: Contents,
    /// After everything was undone again.
    pub down: Contents,
}

impl Course {
    /// Runs the migrations undisturbed.
    ///
    /// # Panics
    ///
    /// When they fail.
    #[must_use]
    pub fn new(arena: Arena) -> Self {
        let set = set::migrations(arena);
        let directory = set::directory(&set);
        let ground = Ground::new(arena);
        let run = |verb| {
            let end = Child::running(verb, directory.path(), &ground.url()).end();
            assert_eq!(end.code, Some(0), "{}", end.stderr);
            ground.assert_consistent(&set, "undisturbed");
            ground.contents()
        };
        let (up, down) = (run(Verb::Up), run(Verb::Down));
        Self { arena, set, directory, up, down }
    }

    /// Starts a run through another address of the same database.
    #[must_use]
    pub fn start_at(&self, verb: Verb, url: &str) -> Child {
        Child::running(verb, self.directory.path(), url)
    }

    /// How many failpoints an undisturbed run of each verb goes through.
    #[must_use]
    pub fn failpoints(&self) -> [usize; 2] {
        let ground = Ground::new(self.arena);
        [Verb::Up, Verb::Down].map(|verb| {
            let mut child = self.stopping(verb, &ground);
            let mut points = 0;
            while child.next_point().is_some() {
                points += 1;
                child.go_on();
            }
            points
        })
    }

    /// After a run was stopped: notes the state that it left, if `look` says so, and makes a second run reach the goal.
    ///
    /// # Panics
    ///
    /// When ledger, schema, data and history disagree, or the second run fails.
    pub fn finish(&self, verb: Verb, ground: &Ground, look: bool, context: &str) -> Option<String> {
        let state = look.then(|| ground.assert_consistent(&self.set, context));
        let end = Child::running(verb, self.directory.path(), &ground.url()).end();
        assert_eq!(end.code, Some(0), "{context}: {}", end.stderr);
        let goal = if verb == Verb::Up { &self.up } else { &self.down };
        ground.assert_goal(&self.set, goal, context);
        state
    }

    /// Every state of the ledger that a run goes through when each migration, and each part of the one outside a
    /// transaction, is committed by itself.
    #[must_use]
    pub fn states(&self) -> Vec<String> {
        let mut states = vec!["no ledger".to_owned(), "empty".to_owned()];
        let mut before = String::new();
        for migration in &self.set {
            let with = |text: &str| if before.is_empty() { text.to_owned() } else { format!("{before}, {text}") };
            if !migration.transactional {
                for progress in 0..=migration.parts.len() {
                    for status in ["applying", "reverting"] {
                        states.push(with(&format!("{} {status} after {progress}", migration.version)));
                    }
                }
            }
            before = with(migration.version);
            states.push(before.clone());
        }
        states
    }

    fn stopping(&self, verb: Verb, ground: &Ground) -> Child {
        Child::stopping(verb, self.directory.path(), &ground.url())
    }
}

/// Strikes a run at every `stride`-th failpoint, up and then down on the same database.
///
/// # Panics
///
/// When a second run does not reach the goal, or ledger, schema, data and history disagree.
#[must_use]
pub fn at_failpoints(course: &Course, blow: Blow, stride: usize) -> Counts {
    let mut counts = Counts::default();
    let points = course.failpoints();
    for number in (0..points[0].max(points[1])).step_by(stride) {
        let ground = Ground::new(course.arena);
        for (verb, last) in [Verb::Up, Verb::Down].into_iter().zip(points) {
            let mut child = course.stopping(verb, &ground);
            let Some(point) = child.pass(number.min(last - 1)) else {
                panic!("{:?}: {verb:?} has fewer failpoints than before", course.arena);
            };
            let context = format!("{:?} {blow:?} {verb:?} at failpoint {number} ({point})", course.arena);
            let well = strike(blow, child, &ground);
            // Every second run is begun at once: what was stopped may still be committing.
            let state = course.finish(verb, &ground, stride > 1 || number.is_multiple_of(2), &context);
            counts.add(well, state);
        }
    }
    counts
}

/// Strikes a run after a time that is drawn anew each round, within what an undisturbed run takes.
///
/// # Panics
///
/// As [`at_failpoints`].
#[must_use]
pub fn at_random(course: &Course, blow: Blow, rounds: usize, seed: u64) -> Counts {
    let mut counts = Counts::default();
    let mut random = Random::new(seed);
    let since = Instant::now();
    let ground = Ground::new(course.arena);
    let _ = Child::running(Verb::Up, course.directory.path(), &ground.url()).end();
    let longest = since.elapsed();
    for round in 0..rounds {
        let ground = Ground::new(course.arena);
        for verb in [Verb::Up, Verb::Down] {
            let child = Child::running(verb, course.directory.path(), &ground.url());
            // Not to wait for anything: the time itself is what is drawn.
            let after = longest.mul_f64(random.fraction());
            std::thread::sleep(after);
            let well = strike(blow, child, &ground);
            let context = format!("{:?} {blow:?} {verb:?} after {after:?} (seed {seed}, round {round})", course.arena);
            let state = course.finish(verb, &ground, round.is_multiple_of(2), &context);
            counts.add(well, state);
        }
    }
    counts
}

/// Strikes a run where it is, and says whether it ended well all the same.
fn strike(blow: Blow, child: Child, ground: &Ground) -> bool {
    match blow {
        Blow::Kill => {
            child.kill();
            false
        }
        Blow::Terminate => {
            terminate_backends(ground.postgres().name());
            child.end().code == Some(0)
        }
    }
}
