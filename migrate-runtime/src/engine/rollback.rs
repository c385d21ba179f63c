//! Rolling back a run: what the core makes of the history.

use migrate_core::compat;
use migrate_core::ledger::Snapshot;
use migrate_core::plan::Plan;
use migrate_core::rollback::{self, Obstacle, Past, Question, Strategy};

use super::{Migrate, incompatible, is_foreign, rules};
use crate::backend::Backend;
use crate::call::Operation;
use crate::error::{Error, ErrorKind};
use crate::migrator::SharedRegistry;
use crate::options::{Settings, Tables};
use crate::report::RollbackAnswers;

/// Finds out whether a run can be rolled back.
#[derive(Debug)]
pub(crate) struct CanRollBack {
    pub(crate) registry: SharedRegistry,
    pub(crate) settings: Settings,
    /// The newest one of which something is left, unless it is named.
    pub(crate) run: Option<i64>,
}

impl Operation for CanRollBack {
    type Output = RollbackAnswers;

    fn tables(&self) -> Tables {
        self.settings.tables.clone()
    }

    async fn run<B: Backend>(self, backend: &mut B) -> Result<RollbackAnswers, Error> {
        let snapshot = backend.read().await?;
        let assessment = compat::judge(&self.registry, &snapshot, B::DIALECT, &rules(&self.settings));
        if assessment.reasons.iter().any(is_foreign) {
            return Err(incompatible(assessment));
        }
        let past = past(backend, &snapshot).await?;
        let Some(run) = self.run.or_else(|| rollback::newest(&snapshot, &past)) else {
            return Ok(RollbackAnswers { run: None, answers: Vec::new() });
        };
        let window = self.settings.rollback_window;
        let question =
            Question { registry: &self.registry, snapshot: &snapshot, dialect: B::DIALECT, past: &past, run, window };
        let answers = Strategy::ALL.iter().map(|strategy| rollback::answer(*strategy, &question)).collect();
        Ok(RollbackAnswers { run: Some(run), answers })
    }
}

impl Migrate {
    /// The plan that rolls back a run. One of which nothing is left needs none.
    pub(super) async fn plan_rollback<B: Backend>(
        &self,
        backend: &mut B,
        snapshot: &Snapshot,
        run: i64,
        strategy: Strategy,
    ) -> Result<Plan, Error> {
        let past = past(backend, snapshot).await?;
        let window = self.settings.rollback_window;
        let question = Question { registry: &self.registry, snapshot, dialect: B::DIALECT, past: &past, run, window };
        let answer = rollback::answer(strategy, &question);
        match &answer.obstacles[..] {
            [] | [Obstacle::NothingLeft { .. }] => Ok(answer.plan),
            [first, ..] => {
                let sentences: Vec<String> = answer.obstacles.iter().map(Obstacle::to_string).collect();
                let message = format!("run {run} cannot be rolled back: {}", sentences.join("; "));
                Err(Error::new(ErrorKind::Plan, message).with_help(first.help()))
            }
        }
    }
}

async fn past<B: Backend>(backend: &mut B, snapshot: &Snapshot) -> Result<Past, Error> {
    if snapshot.state.is_some() { backend.past().await } else { Ok(Past::default()) }
}
