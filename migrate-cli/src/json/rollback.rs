//! `rollback --can`.

use migrate_runtime::{Answer, Obstacle, RollbackAnswers, Strategy};
use serde::Serialize;

use super::run::RunStep;

/// Whether a run can be rolled back.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Rollback {
    run: Option<i64>,
    #[cfg_attr(test, schemars(extend("enum" = ["undo", null])))]
    recommended: Option<&'static str>,
    strategies: Vec<Way>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Way {
    #[cfg_attr(test, schemars(extend("enum" = ["undo"])))]
    strategy: &'static str,
    possible: bool,
    steps: Vec<RunStep>,
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
    pub(crate) fn new(answers: &RollbackAnswers) -> Self {
        Self {
            run: answers.run,
            recommended: answers.recommended().map(Strategy::as_str),
            strategies: answers.answers.iter().map(Way::from).collect(),
        }
    }
}

impl From<&Answer> for Way {
    fn from(answer: &Answer) -> Self {
        Self {
            strategy: answer.strategy.as_str(),
            possible: answer.obstacles.is_empty(),
            steps: answer.plan.steps.iter().map(RunStep::from).collect(),
            reasons: answer.obstacles.iter().map(InTheWay::from).collect(),
        }
    }
}

impl From<&Obstacle> for InTheWay {
    fn from(obstacle: &Obstacle) -> Self {
        Self { code: obstacle.as_str(), message: obstacle.to_string(), help: obstacle.help() }
    }
}
