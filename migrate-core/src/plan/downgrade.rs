//! The way back from what a newer program applied.

use super::{Plan, PlanError, Planner};
use crate::compat::{Assessment, Rules, Verdict, judge};
use crate::ledger::Snapshot;
use crate::migration::Dialect;
use crate::registry::Registry;

/// Plans how an older program makes a database its own again: it undoes, by the scripts in the ledger, everything from the
/// lowest migration that forbids it, and then applies what is pending.
///
/// `None` when this is not what is wrong: the lowest such migration must be above all that the registry holds, and once it and
/// what is above it are gone, nothing may forbid the program any more.
///
/// # Errors
///
/// A migration without a way back, or one that was interrupted.
#[must_use]
pub fn downgrade(
    registry: &Registry,
    snapshot: &Snapshot,
    dialect: Dialect,
    rules: &Rules,
    assessment: &Assessment,
) -> Option<Result<Plan, PlanError>> {
    let forbidding = assessment.reasons.iter().filter(|reason| reason.code.verdict() == Verdict::Incompatible);
    let lowest =
        forbidding.filter_map(|reason| reason.version).filter(|version| Some(*version) > registry.head()).min()?;
    let rows = snapshot.rows.iter().filter(|row| row.version < lowest).cloned().collect();
    let rest = Snapshot { state: snapshot.state.clone(), rows };
    if judge(registry, &rest, dialect, rules).verdict == Verdict::Incompatible {
        return None;
    }
    let planner = |snapshot| Planner { registry, snapshot, dialect };
    let undone = planner(snapshot).down(&|_, row| row.version >= lowest);
    Some(undone.map(|mut plan| {
        plan.steps.extend(planner(&rest).up(&|_, _| true).steps);
        plan
    }))
}
