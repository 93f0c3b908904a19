//! The last change to some people, or to one person of a run, taken back.

use std::collections::{HashMap, HashSet};

use super::{CHUNK, UndoError, has_effect};
use crate::domain::ids::{RunId, SourceId, TargetId};
use crate::domain::text::clean;
use crate::domain::tidying::{Purpose, TIDY_SCHEMA, TidyPlan};
use crate::engine::Engine;
use crate::store::journal::StepRecord;

impl Engine {
    /// What would take back what a run did for one person. Nothing is written.
    ///
    /// # Errors
    ///
    /// If there is no such run or it did nothing for this person, if it is not settled, or if the journal or the target
    /// cannot be read.
    pub async fn undo_plan_of_person(&self, run: &RunId, person: &SourceId) -> Result<TidyPlan, UndoError> {
        let journal = self.store.journal();
        let unknown = || UndoError::Unknown(clean(person.as_str()).into_owned());
        let record = journal.run(run).await?.ok_or_else(unknown)?;
        if self.unsettled().await?.contains(&(run.clone(), person.clone())) {
            return Err(UndoError::UnderWay(run.clone()));
        }
        let steps = journal.steps(run).await?;
        let step = steps.into_iter().find(|step| step.person.source == *person);
        self.plan_undo(&record, vec![step.ok_or_else(unknown)?]).await
    }

    /// What would take back the last change to each of these people, whichever run it was. Nothing is written. For
    /// whom nothing was changed from here there is nothing to do, which is a sentence of the plan.
    ///
    /// # Errors
    ///
    /// If the last change is not settled yet, or if the journal or the target cannot be read.
    pub async fn undo_plan_of_people(&self, people: &[TargetId]) -> Result<TidyPlan, UndoError> {
        let mut plan = TidyPlan {
            schema: TIDY_SCHEMA.into(),
            profile: self.settings.profile.clone(),
            made_at: self.now(),
            purpose: Purpose::UndoLast,
            people: people.len() as u64,
            steps: Vec::new(),
            left: Vec::new(),
            problems: Vec::new(),
        };
        let mut runs: Vec<RunId> = Vec::new();
        let mut of_run: HashMap<RunId, Vec<StepRecord>> = HashMap::new();
        let mut unchanged = 0;
        let unsettled = self.unsettled().await?;
        for chunk in people.chunks(CHUNK) {
            for changes in self.store.journal().changes_of(chunk.to_vec()).await? {
                match self.last_with_effect(changes).await? {
                    Some(step) => {
                        if unsettled.contains(&(step.run.clone(), step.person.source.clone())) {
                            return Err(UndoError::UnderWay(step.run));
                        }
                        if !of_run.contains_key(&step.run) {
                            runs.push(step.run.clone());
                        }
                        of_run.entry(step.run.clone()).or_default().push(step);
                    }
                    None => unchanged += 1,
                }
            }
        }
        for id in runs {
            let steps = of_run.remove(&id).unwrap_or_default();
            let run = self.store.journal().run(&id).await?;
            let run = run.ok_or_else(|| UndoError::Unknown(clean(id.as_str()).into_owned()))?;
            let part = self.plan_undo(&run, steps).await?;
            plan.steps.extend(part.steps);
            plan.left.extend(part.left);
            plan.problems.extend(part.problems);
        }
        if unchanged > 0 {
            plan.problems.push(match people.len() {
                1 => "nothing was changed from here for this person".to_owned(),
                all => format!("nothing was changed from here for {unchanged} of {all} people"),
            });
        }
        Ok(plan)
    }

    async fn last_with_effect(&self, changes: Vec<StepRecord>) -> Result<Option<StepRecord>, UndoError> {
        for step in changes {
            let sources = vec![step.person.source.clone()];
            let deeds = self.store.journal().deeds(&step.run, sources).await?;
            if deeds.iter().any(has_effect) {
                return Ok(Some(step));
            }
        }
        Ok(None)
    }

    /// Whose part of which run is not settled: nobody knows yet what it has left, so it cannot be taken back.
    async fn unsettled(&self) -> Result<HashSet<(RunId, SourceId)>, UndoError> {
        let unfinished = self.store.journal().unfinished().await?;
        let each = unfinished.into_iter().map(|left| (left.run, left.person.source));
        Ok(each.collect())
    }
}
