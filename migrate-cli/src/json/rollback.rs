//! `rollback --can`.

use migrate_runtime::{Answer, Obstacle, RollbackAnswers, RunSnapshot, SnapshotObstacle};
use serde::Serialize;

use super::run::RunStep;

/// The strategy that puts the backup back which was taken before the run.
pub(crate) const SNAPSHOT: &str = "snapshot";

/// Whether a run can be rolled back.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Rollback {
    run: Option<i64>,
    #[cfg_attr(test, schemars(extend("enum" = ["undo", "snapshot", null])))]
    recommended: Option<&'static str>,
    strategies: Vec<Way>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Way {
    #[cfg_attr(test, schemars(extend("enum" = ["undo", "snapshot"])))]
    strategy: &'static str,
    possible: bool,
    steps: Vec<RunStep>,
    backup: Option<String>,
    reasons: Vec<InTheWay>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct InTheWay {
    code: &'static str,
    message: String,
    help: String,
}

impl Rollback {
    /// `snapshot` is there when a run is.
    pub(crate) fn new(
        answers: &RollbackAnswers,
        snapshot: Option<&RunSnapshot>,
        recommended: Option<&'static str>,
    ) -> Self {
        let ways = answers.answers.iter().map(Way::from).chain(snapshot.map(Way::from));
        Self { run: answers.run, recommended, strategies: ways.collect() }
    }
}

impl From<&Answer> for Way {
    fn from(answer: &Answer) -> Self {
        Self {
            strategy: answer.strategy.as_str(),
            possible: answer.obstacles.is_empty(),
            steps: answer.plan.steps.iter().map(RunStep::from).collect(),
            backup: None,
            reasons: answer.obstacles.iter().map(InTheWay::from).collect(),
        }
    }
}

impl From<&RunSnapshot> for Way {
    fn from(snapshot: &RunSnapshot) -> Self {
        Self {
            strategy: SNAPSHOT,
            possible: snapshot.obstacles.is_empty(),
            steps: Vec::new(),
            backup: snapshot.backup.as_ref().map(|backup| backup.id.clone()),
            reasons: snapshot.obstacles.iter().map(InTheWay::from).collect(),
        }
    }
}

impl From<&SnapshotObstacle> for InTheWay {
    fn from(obstacle: &SnapshotObstacle) -> Self {
        Self { code: obstacle.as_str(), message: obstacle.to_string(), help: obstacle.help() }
    }
}

impl From<&Obstacle> for InTheWay {
    fn from(obstacle: &Obstacle) -> Self {
        Self { code: obstacle.as_str(), message: obstacle.to_string(), help: obstacle.help() }
    }
}
