//! A tidying, carried out: the same run, brakes, journal and events as a push.

use tokio::sync::mpsc;

use super::Engine;
use super::apply::{ApplyError, RunControl, RunReport, TakesTurn};
use super::push::{Ended, Pushing, Turn};
use crate::domain::plan::Limits;
use crate::domain::run::{PersonRef, RunEvent};
use crate::domain::tidying::{Purpose, TIDY_SCHEMA, Task, TidyKind, TidyPlan, TidyStep};
use crate::store::journal::{Planned, RunKind, StepToPlan};

struct Part {
    step: TidyStep,
    kind: TidyKind,
}

impl TakesTurn for Part {
    fn person(&self) -> &PersonRef {
        &self.step.person
    }

    fn planned(&self) -> StepToPlan<'_> {
        StepToPlan {
            person: &self.step.person,
            task: Task::Tidy(self.kind),
            expected: &self.step.expected,
        }
    }

    async fn take(&self, pushing: &Pushing, _earlier: Option<Ended>, turn: Turn) -> Ended {
        // A further turn is given only where the earlier one has written nothing.
        pushing.tidy_step(&self.step, self.kind, turn).await
    }
}

impl Engine {
    /// Carries out a plan of [`Engine::cleaning_plan`] or [`Engine::undo_plan`]. Every person of it gets exactly one
    /// [`RunEvent::Step`], and the summary adds up however the run ends. Nobody needs to listen to the events; a full
    /// channel slows the run down.
    ///
    /// # Errors
    ///
    /// Only if nothing was begun. What stops a run on its way is in the report.
    pub async fn tidy(
        &self,
        plan: TidyPlan,
        limits: &Limits,
        control: &RunControl,
        events: mpsc::Sender<RunEvent>,
    ) -> Result<RunReport, ApplyError> {
        self.check_origin(&plan.schema, TIDY_SCHEMA, &plan.profile)?;
        plan.check(limits)?;
        self.recover_watched(control, &events).await?;
        let kind = plan.purpose.kind();
        let control = match &plan.purpose {
            Purpose::Clean => control.clone().of_kind(RunKind::Clean),
            Purpose::Undo(run) => control.clone().of_kind(RunKind::Undo).undoing(run.clone()),
            Purpose::UndoLast => control.clone().of_kind(RunKind::Undo),
        };
        let steps = plan.steps.len() as u64;
        let emptied = plan.steps.iter().filter(|step| step.shows.is_none()).count() as u64;
        let planned = match kind {
            TidyKind::Clean => Planned {
                selected: plan.selected(),
                repair: steps,
                ..Planned::default()
            },
            TidyKind::Undo => Planned {
                selected: plan.selected(),
                replace: steps - emptied,
                remove: emptied,
                ..Planned::default()
            },
        };
        let left = plan
            .left
            .into_iter()
            .map(|left| (left.person, Ended::new(left.outcome, left.reason)))
            .collect();
        let parts = plan.steps.into_iter().map(|step| Part { step, kind }).collect();
        self.run(planned, left, parts, None, &control, events).await
    }
}
