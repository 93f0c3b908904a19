//! The last change to some people, or to one person of a run, taken back.

use std::collections::{HashMap, HashSet};

use super::{CHUNK, UndoError};
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
            let deeds = self.deeds(&step.run, sources).await?;
            for deeds in &deeds {
                if self.has_changed_something(&step, deeds).await? {
                    return Ok(Some(step));
                }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::connector::Priority;
    use crate::domain::photo::Place;
    use crate::domain::plan::Limits;
    use crate::domain::run::{Outcome, Summary};
    use crate::engine::fakes::{World, person, picture};
    use crate::engine::{Depth, Ignore, PastFace, RunControl, RunReport};
    use crate::store::{Access, Store, StorePaths};

    /// Ada, Ben and Cleo have an avatar that differs from their photo, Dora has none, Eve is in sync.
    fn world() -> World {
        World::with([
            person("ada").photo(picture(1)).avatar(picture(11)),
            person("ben").photo(picture(2)).avatar(picture(12)),
            person("cleo").photo(picture(3)).avatar(picture(13)),
            person("dora").photo(picture(4)),
            person("eve").photo(picture(5)).avatar(picture(5)),
        ])
    }

    /// An engine that hardly waits, with a store of its own.
    struct Bench {
        engine: Engine,
        _folder: tempfile::TempDir,
    }

    fn bench(world: &World) -> Bench {
        let folder = crate::store::quick_folder();
        let paths = StorePaths {
            state_dir: folder.path().join("state"),
            cache_dir: folder.path().join("cache"),
            profile: "default".into(),
        };
        let store = Arc::new(Store::open(&paths, Access::Write).expect("opens"));
        Bench {
            engine: world.engine_on(&store, |_| {}),
            _folder: folder,
        }
    }

    fn target(name: &str) -> TargetId {
        TargetId::new(format!("{name}-sys"))
    }

    async fn push(engine: &Engine, people: &[&str]) -> RunReport {
        let ids: Vec<String> = people.iter().map(|name| format!("{name}-sys")).collect();
        let scan = engine.scan_people(&ids, Depth::Settled).await.expect("a scan");
        let plan = engine.plan(&scan).await;
        let (events, _listening) = mpsc::channel(1_000);
        let control = RunControl::new();
        engine
            .apply(plan, &Limits::NONE, &control, events)
            .await
            .expect("begun")
    }

    async fn carry_out(engine: &Engine, plan: TidyPlan) -> Summary {
        let (events, _listening) = mpsc::channel(1_000);
        let control = RunControl::new();
        let report = engine.tidy(plan, &Limits::NONE, &control, events).await;
        report.expect("begun").summary
    }

    #[tokio::test]
    async fn the_last_change_to_each_is_taken_back_whichever_run_it_was() {
        let world = world();
        let bench = bench(&world);
        push(&bench.engine, &["ada", "ben"]).await;
        push(&bench.engine, &["cleo", "dora"]).await;
        let wanted = ["ada", "cleo", "dora", "eve"].map(target);
        let plan = bench.engine.undo_plan_of_people(&wanted).await.expect("a plan");
        assert_eq!((plan.steps.len(), plan.left.len()), (3, 0));
        assert_eq!(plan.problems, ["nothing was changed from here for 1 of 4 people"]);
        assert_eq!(plan.removals(), 1, "Dora had no picture");
        let summary = carry_out(&bench.engine, plan).await;
        assert_eq!((summary.updated + summary.removed, summary.failed), (3, 0));
        for (name, shown) in [
            ("ada", Some(11)),
            ("ben", Some(2)),
            ("cleo", Some(13)),
            ("dora", None),
        ] {
            assert_eq!(world.shown(name), shown.map(picture), "{name}");
        }
        crate::tried("N4", 3);
    }

    #[tokio::test]
    async fn whoever_was_changed_since_is_left_as_they_are() {
        let world = world();
        let bench = bench(&world);
        push(&bench.engine, &["ada", "ben"]).await;
        world.later(1);
        world.store_at("ada", Place::LIVE_PROFILE, picture(77));
        let seen = world.chain("ada").stamp();
        let wanted = ["ada", "ben"].map(target);
        let plan = bench.engine.undo_plan_of_people(&wanted).await.expect("a plan");
        assert_eq!((plan.steps.len(), plan.left.len()), (1, 1));
        assert_eq!(plan.left[0].outcome, Outcome::ChangedMeanwhile);
        carry_out(&bench.engine, plan).await;
        assert_eq!(world.chain("ada").stamp(), seen);
        assert_eq!(world.shown("ben"), Some(picture(12)));
        crate::tried("N4", 1);
    }

    #[tokio::test]
    async fn of_a_run_one_person_alone_is_taken_back() {
        let world = world();
        let bench = bench(&world);
        let run = push(&bench.engine, &["ada", "ben"]).await.run;
        let ada = SourceId::new("ada-id");
        let plan = bench
            .engine
            .undo_plan_of_person(&run, &ada)
            .await
            .expect("a plan");
        assert_eq!(plan.purpose, Purpose::Undo(run.clone()));
        assert_eq!(plan.steps.len(), 1);
        carry_out(&bench.engine, plan).await;
        assert_eq!(world.shown("ada"), Some(picture(11)));
        assert_eq!(world.shown("ben"), Some(picture(2)));
        let nobody = bench
            .engine
            .undo_plan_of_person(&run, &SourceId::new("eve-id"))
            .await;
        assert!(matches!(nobody, Err(UndoError::Unknown(_))), "{nobody:?}");
    }

    #[tokio::test]
    async fn for_whom_nothing_was_changed_there_is_nothing_to_do() {
        let world = world();
        let bench = bench(&world);
        let plan = bench
            .engine
            .undo_plan_of_people(&[target("ada")])
            .await
            .expect("a plan");
        assert!(plan.steps.is_empty());
        assert_eq!(plan.problems, ["nothing was changed from here for this person"]);
    }

    #[tokio::test]
    async fn an_undo_shows_the_face_of_now_and_the_one_that_comes_back() {
        let world = world();
        let bench = bench(&world);
        push(&bench.engine, &["ada", "dora"]).await;
        let wanted = ["ada", "dora"].map(target);
        let plan = bench.engine.undo_plan_of_people(&wanted).await.expect("a plan");
        let step = |name: &str| {
            let id = target(name);
            let mut steps = plan.steps.iter();
            steps
                .find(|step| step.person.target.as_ref() == Some(&id))
                .expect("a step")
        };
        let faces = |name: &'static str| {
            let engine = &bench.engine;
            let step = step(name);
            async move {
                (
                    engine.face_now(&step.person, Priority::Foreground).await,
                    engine.face_again(step, Priority::Foreground).await,
                )
            }
        };
        let bytes = |seed| PastFace::Bytes(picture(seed));
        assert_eq!(faces("ada").await, (bytes(1), bytes(11)));
        assert_eq!(faces("dora").await, (bytes(4), PastFace::None));
    }

    #[tokio::test]
    async fn an_undo_of_the_last_changes_that_was_cut_short_goes_on_as_an_undo() {
        let world = world();
        let bench = bench(&world);
        let pushed = push(&bench.engine, &["ada", "ben", "cleo"]).await;
        assert_eq!(pushed.summary.updated, 3);
        let wanted = ["ada", "ben", "cleo"].map(target);
        let plan = bench.engine.undo_plan_of_people(&wanted).await.expect("a plan");
        let control = RunControl::new();
        control.cancel();
        let (events, _listening) = mpsc::channel(1_000);
        let stopped = bench
            .engine
            .tidy(plan, &Limits::NONE, &control, events)
            .await
            .expect("begun");
        let left = bench
            .engine
            .outstanding_of(stopped.run.as_str())
            .await
            .expect("known");
        assert_eq!(left.people.len(), 3);
        let cancel = CancellationToken::new();
        let resumed = bench
            .engine
            .resumption(&left, &Ignore, &cancel)
            .await
            .expect("a plan");
        let crate::engine::Resumption::Tidy(plan) = resumed else {
            panic!("their photos are not pushed again");
        };
        carry_out(&bench.engine, plan).await;
        for (name, seed) in [("ada", 11), ("ben", 12), ("cleo", 13)] {
            assert_eq!(world.shown(name), Some(picture(seed)), "{name}");
        }
    }
}
