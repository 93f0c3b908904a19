//! Stories about clearing litter away and about taking runs back. The same checker watches: at every instant the
//! picture is displayed that somebody chose, and no column names a picture that is gone.

use super::*;
use crate::domain::litter::{CleaningOptions, Fate, LitterKind};
use crate::domain::photo::PictureForm;
use crate::domain::tidying::TidyPlan;
use crate::engine::{Ignore, UndoError};
use tokio_util::sync::CancellationToken;

impl Scene {
    pub(super) async fn litter(&self, options: CleaningOptions) -> TidyPlan {
        self.engine()
            .cleaning_plan(&[], options, &Ignore, &CancellationToken::new())
            .await
            .expect("the target can be listed")
    }

    pub(super) async fn cleaning(&self) -> TidyPlan {
        self.litter(CleaningOptions::default()).await
    }

    pub(super) async fn tidy(&self, plan: TidyPlan) -> Told {
        let (events, mut received) = mpsc::channel(64);
        let report = self
            .engine()
            .tidy(plan, &NO_LIMITS, &RunControl::new(), events)
            .await
            .expect("begun");
        assert!(report.summary.adds_up());
        let mut told = None;
        while let Some(event) = received.recv().await {
            if let RunEvent::Step { outcome, detail, .. } = event {
                assert!(told.is_none(), "one ending per person");
                told = Some((outcome, detail));
            }
        }
        let (outcome, detail) = told.expect("somebody is told of");
        Told {
            outcome,
            detail,
            report,
        }
    }

    pub(super) async fn clean(&self) -> Told {
        self.tidy(self.cleaning().await).await
    }

    pub(super) async fn undo(&self, what: &str) -> Told {
        let plan = self.engine().undo_plan(what).await.expect("something to undo");
        self.tidy(plan).await
    }

    /// Everything that is stored for Ada, whatever the rows' ids: place, form, bytes, and whether its own column names
    /// it.
    pub(super) fn inventory(&self) -> Vec<(Place, PictureForm, Option<Sha256>, Vec<Place>)> {
        let chain = self.world.chain("ada");
        let mut rows: Vec<_> = chain
            .records
            .iter()
            .flat_map(|record| record.pictures.iter().map(move |row| (record.place, row)))
            .map(|(place, row)| {
                let naming = chain
                    .records
                    .iter()
                    .filter(|record| record.column == Column::Names(row.id.clone()))
                    .map(|record| record.place)
                    .collect();
                (place, row.form, row.sha256, naming)
            })
            .collect();
        rows.sort_by_key(|(place, form, hash, _)| (*place, *form == PictureForm::Plain, *hash));
        rows
    }

    pub(super) fn assert_promises(&self) {
        assert_eq!(self.target.broken_promises(), Vec::<String>::new());
    }
}

pub(super) fn error_body() -> Bytes {
    Bytes::from_static(br#"{"error":{"code":"ImageNotFound","message":"The photo wasn't found."}}"#)
}

pub(super) fn kinds(plan: &TidyPlan) -> Vec<(LitterKind, Fate)> {
    let of_steps = plan.steps.iter().flat_map(|step| &step.litter);
    let left = plan.left.iter().flat_map(|left| &left.litter);
    of_steps
        .chain(left)
        .map(|litter| (litter.kind, litter.fate))
        .collect()
}

/// As the well-known article leaves somebody: an ordinary attachment that both columns name.
pub(super) fn ada_of_the_article() -> PersonBuilder {
    person("ada")
        .stored(PROFILE, old())
        .plain()
        .column(PROFILE, "picture-1")
        .column(USER, "picture-1")
}

/// What several months of the article leave: the picture of now, those of before, and an error message.
pub(super) fn ada_after_months() -> PersonBuilder {
    ada_of_the_article()
        .stored(PROFILE, picture(5))
        .plain()
        .stored(PROFILE, error_body())
        .plain()
        .stored(PROFILE, picture(6))
        .stored(USER, picture(7))
        .stored(USER, error_body())
}

pub(super) fn ada_with_duplicates() -> PersonBuilder {
    person("ada")
        .stored(PROFILE, old())
        .stored(PROFILE, picture(5))
        .stored(USER, picture(6))
        .stored(USER, picture(7))
        .column(USER, "gone")
}

#[tokio::test]
async fn an_attachment_that_people_see_is_stored_in_the_platforms_form_before_it_goes() {
    let scene = Scene::of(ada_of_the_article());
    scene.target.promise("ada", &[]);
    let plan = scene.cleaning().await;
    assert_eq!(kinds(&plan), [(LitterKind::NamedWrongForm, Fate::Replaced)]);
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    scene.assert_promises();
    scene.assert_in_order(&old());
    for place in [PROFILE, USER] {
        let rows = scene.world.rows("ada", place);
        assert!(
            rows.iter().all(|row| row.form == PictureForm::ImageField),
            "{rows:?}"
        );
        assert_eq!(scene.column(place), Column::Names(rows[0].id.clone()));
    }
    assert!(scene.kept(&old()).await);
    assert_eq!(scene.cleaning().await.selected(), 0, "nothing is left to do");
}

#[tokio::test]
async fn of_several_pictures_in_a_field_the_one_that_is_shown_stays() {
    let scene = Scene::of(ada_with_duplicates());
    scene.target.promise("ada", &[]);
    let told = scene.clean().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    scene.assert_promises();
    assert_eq!(scene.hashes(PROFILE), [Some(Sha256::of(&old()))]);
    assert_eq!(scene.hashes(USER), [Some(Sha256::of(&picture(6)))]);
    let shown = scene.world.rows("ada", USER)[0].id.clone();
    assert_eq!(
        scene.column(USER),
        Column::Names(shown),
        "set right, not only cleared"
    );
    for gone in [5, 7] {
        assert!(scene.kept(&picture(gone)).await);
    }
}

#[tokio::test]
async fn months_of_the_article_leave_exactly_what_people_see() {
    let scene = Scene::of(ada_after_months());
    scene.target.promise("ada", &[]);
    let before = scene.inventory();
    let told = scene.clean().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    scene.assert_promises();
    scene.assert_in_order(&old());
    assert!(scene.kept(&error_body()).await, "junk is kept, too");
    assert_eq!(scene.cleaning().await.selected(), 0);

    let told = scene.undo(told.report.run.as_str()).await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    scene.assert_promises();
    assert_eq!(scene.inventory(), before, "everything is back where it was");
}

#[tokio::test]
async fn an_error_message_that_is_displayed_goes_only_when_asked_for() {
    let broken = || {
        person("ada")
            .stored(PROFILE, error_body())
            .stored(PROFILE, picture(5))
            .stored(USER, old())
    };
    let scene = Scene::of(broken());
    let plan = scene.cleaning().await;
    assert_eq!(plan.steps, []);
    assert_eq!(kinds(&plan), [(LitterKind::NoPicture, Fate::Left)]);

    let scene = Scene::of(broken());
    let told = scene
        .tidy(scene.litter(CleaningOptions { unreadable: true }).await)
        .await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert_eq!(
        scene.world.shown("ada"),
        Some(picture(5)),
        "the next picture there is"
    );
    assert!(scene.kept(&error_body()).await);
    scene.undo(told.report.run.as_str()).await;
    assert!(scene.hashes(PROFILE).contains(&Some(Sha256::of(&error_body()))));
}

#[tokio::test]
async fn what_somebody_attached_to_a_record_is_nobodys_litter() {
    let scene = Scene::of(
        person("ada")
            .stored(PROFILE, old())
            .stored(USER, picture(5))
            .plain(),
    );
    scene
        .world
        .alter_newest(|row| row.file_name = "badge application.png".into());
    assert_eq!(scene.cleaning().await.selected(), 0);
}

#[tokio::test]
async fn extra_profiles_are_told_of_and_left() {
    let scene = Scene::of(person("ada").profiles(2).stored(PROFILE, old()));
    let plan = scene.cleaning().await;
    assert_eq!(kinds(&plan), [(LitterKind::ExtraProfile, Fate::Left)]);
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Skipped);
    assert_eq!(scene.target.writes(), 0);
}

#[tokio::test]
async fn a_picture_that_another_records_column_names_stays() {
    let scene = Scene::of(ada_with_duplicates());
    // The second picture of Ada's profile.
    scene.world.add(person("bob").column(USER, "picture-2"));
    let plan = scene.cleaning().await;
    assert_eq!(plan.steps, []);
    assert!(
        plan.left[0].reason.contains("another record"),
        "{}",
        plan.left[0].reason
    );
}

#[tokio::test]
async fn what_changed_after_the_plan_is_left_alone() {
    let scene = Scene::of(ada_with_duplicates());
    let plan = scene.cleaning().await;
    scene.world.store_at("ada", PROFILE, picture(9));
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.target.writes(), 0);
}

#[tokio::test]
async fn without_a_copy_nothing_goes() {
    let scene = Scene::of(ada_with_duplicates());
    let plan = scene.cleaning().await;
    scene.world.fail("target.download", 0, ErrorKind::Unavailable);
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert_eq!(scene.target.writes(), 0);
}

#[tokio::test]
async fn a_rule_that_takes_the_shown_picture_along_makes_everything_be_put_back() {
    let scene = Scene::of(person("ada").stored(PROFILE, old()).stored(PROFILE, picture(5)));
    let mut is_done = false;
    scene.target.on(When::After, "remove", 0, move |world| {
        if !std::mem::replace(&mut is_done, true) {
            world.clear("ada", PROFILE);
        }
    });
    let told = scene.clean().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert_eq!(
        scene.hashes(PROFILE),
        [Some(Sha256::of(&picture(5)))],
        "what this program removed is there again"
    );
}

/// Kills at every call, starts again, and looks.
async fn cleaning_survives(ada: fn() -> PersonBuilder) {
    let calls = {
        let scene = Scene::of(ada());
        let plan = scene.cleaning().await;
        scene.target.die_at(0, When::Before);
        scene.tidy(plan).await;
        scene.target.calls().len()
    };
    for call in 1..=calls {
        for when in [When::Before, When::After] {
            let mut scene = Scene::of(ada());
            let at = format!("{when:?} call {call}");
            scene.target.promise("ada", &[]);
            let plan = scene.cleaning().await;
            scene.target.die_at(call, when);
            let engine = scene.engine();
            scene.dies_while(&engine, plan).await;
            drop(engine);
            scene.restart().await;
            scene.target.live();
            scene
                .engine()
                .recover()
                .await
                .unwrap_or_else(|error| panic!("{at}: {error:?}"));
            scene.nobody_is_unfinished().await;
            let plan = scene.cleaning().await;
            if !plan.steps.is_empty() {
                let told = scene.tidy(plan).await;
                assert_eq!(told.outcome, Outcome::Updated, "{at}: {}", told.detail);
            }
            assert_eq!(scene.cleaning().await.selected(), 0, "{at}");
            assert_eq!(scene.world.shown("ada"), Some(old()), "{at}");
            assert_eq!(scene.world.rows("ada", PROFILE).len(), 1, "{at}");
            assert_eq!(scene.target.broken_promises(), Vec::<String>::new(), "{at}");
        }
    }
}

impl Scene {
    pub(super) async fn dies_while(&self, engine: &Engine, plan: TidyPlan) {
        let (events, _received) = mpsc::channel(64);
        let control = RunControl::new();
        tokio::select! {
            report = engine.tidy(plan, &NO_LIMITS, &control, events) => panic!("lived: {report:?}"),
            () = self.target.death() => {}
        }
    }
}

#[tokio::test]
async fn killed_while_an_attachment_is_stored_anew() {
    cleaning_survives(ada_of_the_article).await;
}

#[tokio::test]
async fn killed_while_duplicates_are_cleared_away() {
    cleaning_survives(ada_with_duplicates).await;
}

#[tokio::test]
async fn killed_while_the_litter_of_months_is_cleared_away() {
    cleaning_survives(ada_after_months).await;
}

#[tokio::test]
async fn an_answer_that_is_lost_is_looked_up() {
    for call in ["target.store_as", "target.set_column", "target.remove"] {
        for nth in [1, 2] {
            let scene = Scene::of(ada_of_the_article());
            scene.target.promise("ada", &[]);
            let plan = scene.cleaning().await;
            scene.world.lose_answer(call, nth);
            let told = scene.tidy(plan).await;
            assert_eq!(told.outcome, Outcome::Updated, "{call} {nth}: {}", told.detail);
            scene.assert_promises();
            scene.assert_in_order(&old());
        }
    }
}

#[tokio::test]
async fn a_push_is_taken_back_and_the_taking_back_too() {
    let scene = Scene::of(ada_with_old_picture());
    let before = scene.inventory();
    let pushed = scene.push().await;
    assert_eq!(pushed.outcome, Outcome::Updated);
    let after = scene.inventory();
    scene.target.promise("ada", &[old(), new()]);

    let undone = scene.undo(pushed.report.run.as_str()).await;
    assert_eq!(undone.outcome, Outcome::Updated, "{}", undone.detail);
    assert_eq!(scene.world.shown("ada"), Some(old()));
    assert_eq!(scene.inventory(), before);

    let again = scene.undo(undone.report.run.as_str()).await;
    assert_eq!(again.outcome, Outcome::Updated, "{}", again.detail);
    assert_eq!(scene.world.shown("ada"), Some(new()));
    assert_eq!(scene.inventory(), after);
    scene.assert_promises();
    crate::tried("N4", 2);
}

#[tokio::test]
async fn a_first_picture_is_taken_back_to_none() {
    for profiles in [0, 1] {
        let scene = Scene::of(ada_with_photo().profiles(profiles));
        let pushed = scene.carry_out(scene.plan(Change::Add)).await;
        assert_eq!(pushed.outcome, Outcome::Updated);
        let undone = scene.undo("ADA@x.example").await;
        assert_eq!(undone.outcome, Outcome::Removed, "{}", undone.detail);
        assert_eq!(scene.world.shown("ada"), None);
        assert_eq!(scene.inventory(), []);
        assert!(scene.kept(&new()).await);
    }
}

#[tokio::test]
async fn of_a_first_picture_that_is_taken_back_what_is_displayed_goes_last() {
    let scene = Scene::of(ada_with_photo());
    scene.carry_out(scene.plan(Change::Add)).await;
    let shown = scene.world.rows("ada", PROFILE).remove(0).id;
    let undone = scene.undo("ADA@x.example").await;
    let writes = scene.store().journal().writes(&undone.report.run).await;
    let removed: Vec<_> = writes
        .expect("readable")
        .into_iter()
        .filter(|write| write.intent.kind == WriteKind::Remove)
        .map(|write| write.intent.picture)
        .collect();
    assert_eq!(removed.len(), 2);
    assert_eq!(removed[1], Some(shown));
}

#[tokio::test]
async fn a_removed_avatar_comes_back() {
    let scene = Scene::of(
        person("ada")
            .stored(PROFILE, old())
            .stored(USER, old())
            .column(PROFILE, "picture-1"),
    );
    let before = scene.inventory();
    let removed = scene.carry_out(scene.plan(Change::Remove)).await;
    assert_eq!(removed.outcome, Outcome::Removed, "{}", removed.detail);
    let undone = scene.undo("ada-sys").await;
    assert_eq!(undone.outcome, Outcome::Updated, "{}", undone.detail);
    assert_eq!(scene.inventory(), before);
}

#[tokio::test]
async fn whoever_was_changed_since_is_not_overwritten() {
    let scene = Scene::of(ada_with_old_picture());
    let pushed = scene.push().await;
    scene.world.store_at("ada", PROFILE, picture(9));
    let writes = scene.target.writes();
    let told = scene.undo(pushed.report.run.as_str()).await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.target.writes(), writes);
    crate::tried("N4", 1);
}

#[tokio::test]
async fn a_second_undo_of_the_same_run_changes_nothing() {
    let scene = Scene::of(ada_with_old_picture());
    let pushed = scene.push().await;
    scene.undo(pushed.report.run.as_str()).await;
    let writes = scene.target.writes();
    let told = scene.undo(pushed.report.run.as_str()).await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.target.writes(), writes);
}

#[tokio::test]
async fn the_last_change_to_a_person_is_the_one_taken_back() {
    let scene = Scene::of(ada_with_old_picture());
    scene.push().await;
    scene.world.later(1);
    scene.world.set_photo("ada", Some(picture(4)));
    scene.push().await;
    assert_eq!(scene.world.shown("ada"), Some(picture(4)));
    scene.world.later(1);
    scene.undo("ada-id").await;
    assert_eq!(scene.world.shown("ada"), Some(new()));
}

#[tokio::test]
async fn nobody_and_no_run_of_that_name_is_an_error() {
    let scene = Scene::of(ada_with_old_picture());
    let refused = scene.engine().undo_plan("eve").await;
    assert!(matches!(refused, Err(UndoError::Unknown(_))), "{refused:?}");
}

/// Kills an undo at every call, starts again, and looks.
async fn undo_survives(ada: fn() -> PersonBuilder, change: Change, allowed: &[Bytes]) {
    let calls = {
        let scene = Scene::of(ada());
        let pushed = scene.carry_out(scene.plan(change)).await;
        let plan = scene
            .engine()
            .undo_plan(pushed.report.run.as_str())
            .await
            .expect("a plan");
        scene.target.die_at(0, When::Before);
        scene.tidy(plan).await;
        scene.target.calls().len()
    };
    for call in 1..=calls {
        for when in [When::Before, When::After] {
            let mut scene = Scene::of(ada());
            let at = format!("{when:?} call {call}");
            let before = scene.world.shown("ada");
            let pushed = scene.carry_out(scene.plan(change)).await;
            let run = pushed.report.run.clone();
            let pushed_inventory = scene.inventory();
            if before.is_some() {
                scene.target.promise("ada", allowed);
            }
            let plan = scene.engine().undo_plan(run.as_str()).await.expect("a plan");
            scene.target.die_at(call, when);
            let engine = scene.engine();
            scene.dies_while(&engine, plan).await;
            drop(engine);
            scene.restart().await;
            scene.target.live();
            scene
                .engine()
                .recover()
                .await
                .unwrap_or_else(|error| panic!("{at}: {error:?}"));
            scene.nobody_is_unfinished().await;
            if scene.inventory() == pushed_inventory {
                scene.undo(run.as_str()).await;
            }
            assert_eq!(scene.world.shown("ada"), before, "{at}");
            for place in [PROFILE, USER] {
                assert!(
                    scene.world.rows("ada", place).len() <= 1,
                    "{at}: nothing is left over"
                );
            }
            assert_eq!(scene.target.broken_promises(), Vec::<String>::new(), "{at}");
        }
    }
}

#[tokio::test]
async fn killed_while_a_replaced_picture_is_brought_back() {
    undo_survives(ada_with_old_picture, Change::Replace, &[old(), new()]).await;
}

#[tokio::test]
async fn killed_while_a_first_picture_is_taken_back() {
    undo_survives(ada_with_photo, Change::Add, &[new()]).await;
}
