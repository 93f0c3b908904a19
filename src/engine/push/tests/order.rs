//! The order of a push (`reliability.md` 2) as it is seen from outside: what reaches the journal, the vault and the
//! target, one after the other, held against rules that know nothing of how a push is written. That the rules forbid what
//! they are there to forbid, `order/forbidden.rs` tries.

mod forbidden;
mod recorder;
mod rules;

use std::time::Duration;

use self::recorder::Recorder;
use self::rules::{Broken, Effect, Goal, broken};
use super::*;
use crate::connector::AvatarTarget;
use crate::domain::photo::Scan;

/// Where it begins; Ada always has a new photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    NoProfile,
    NoPicture,
    OldPictures,
    DifferentOldPictures,
    SeveralOldPictures,
    DanglingColumn,
    Article,
    HalfDone,
    NoStatedHash,
    OneRecord,
}

impl Start {
    const ALL: [Self; 10] = [
        Self::NoProfile,
        Self::NoPicture,
        Self::OldPictures,
        Self::DifferentOldPictures,
        Self::SeveralOldPictures,
        Self::DanglingColumn,
        Self::Article,
        Self::HalfDone,
        Self::NoStatedHash,
        Self::OneRecord,
    ];

    fn scene(self, columns: Columns) -> Scene {
        let ada = ada_with_photo();
        let mut scene = match self {
            Self::NoProfile => Scene::of(ada.profiles(0).stored(USER, old())),
            Self::NoPicture => Scene::of(ada),
            Self::OldPictures => Scene::of(ada.stored(PROFILE, old()).stored(USER, old())),
            Self::DifferentOldPictures => Scene::of(ada.stored(PROFILE, old()).stored(USER, picture(3))),
            Self::SeveralOldPictures => Scene::of(
                ada.stored(PROFILE, old())
                    .stored(PROFILE, picture(3))
                    .stored(PROFILE, picture(4))
                    .stored(USER, old()),
            ),
            Self::DanglingColumn => Scene::of(ada.stored(USER, old()).column(PROFILE, "gone")),
            Self::Article => ada_as_in_the_article(),
            Self::HalfDone => Scene::of(ada.stored(PROFILE, new()).stored(USER, old())),
            Self::NoStatedHash => Scene::of(
                ada.stored(PROFILE, old())
                    .without_hash()
                    .stored(USER, new())
                    .without_hash(),
            ),
            Self::OneRecord => Scene::writing(ada.stored(USER, old()), &[USER]),
        };
        if columns == Columns::Named {
            let places = if self == Self::OneRecord {
                vec![USER]
            } else {
                vec![PROFILE, USER]
            };
            let target = Watched::new(&scene.world).writing(&places);
            scene.target = Arc::new(target.naming_columns());
        }
        scene
    }
}

/// What the write mode wants of the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Columns {
    /// They follow where they name something, as the platform wants it.
    Follow,
    /// Every one names its picture, as in the article.
    Named,
}

/// A push and what was seen of it.
struct Seen {
    told: Told,
    trace: Vec<Effect>,
}

impl Seen {
    fn broken(&self, photo: &Bytes) -> Vec<Broken> {
        broken(&self.trace, Goal::Picture(Sha256::of(photo)))
    }
}

impl Scene {
    async fn seen(&self, change: Change) -> Seen {
        let pictures = [old(), picture(3), picture(4)].map(|picture| Sha256::of(&picture));
        let disk = Store::open(&self.paths, Access::Read).expect("a reader is let in");
        let recorder = Recorder::beside(&self.world, &self.target, disk, self.store(), pictures.to_vec());
        let recorder = Arc::new(recorder);
        let target: Arc<dyn AvatarTarget> = Arc::clone(&recorder) as Arc<dyn AvatarTarget>;
        let mut engine = self.world.engine_to(target, self.store(), |_| {}).impatient();
        // Writing everything down takes its time.
        engine.pace.scan_limit = Duration::from_mins(1);
        let told = self.carry_out_by(&engine, self.plan(change)).await;
        Seen {
            told,
            trace: recorder.trace().await,
        }
    }
}

fn every_start() -> impl Iterator<Item = (Start, Columns)> {
    let both = |start| [(start, Columns::Follow), (start, Columns::Named)];
    Start::ALL.into_iter().flat_map(both)
}

#[tokio::test]
async fn from_every_start_the_steps_come_in_their_order() {
    for (start, columns) in every_start() {
        let scene = start.scene(columns);
        scene.target.promise("ada", &[new()]);
        let seen = scene.seen(Change::Replace).await;
        assert_eq!(
            seen.told.outcome,
            Outcome::Updated,
            "{start:?}: {}",
            seen.told.detail
        );
        assert_eq!(
            seen.broken(&new()),
            vec![],
            "{start:?} {columns:?}: {:#?}",
            seen.trace
        );
        assert_eq!(scene.world.shown("ada"), Some(new()), "{start:?} {columns:?}");
        assert!(
            matches!(
                seen.trace.last(),
                Some(Effect::Ended {
                    is_settled: true,
                    is_seen: true,
                    ..
                })
            ),
            "{start:?} {columns:?}: {:?}",
            seen.trace.last()
        );
    }
}

#[tokio::test]
async fn whichever_call_fails_the_steps_come_in_their_order() {
    let writes = ["create_record", "upload", "set_column", "remove"];
    for (start, columns) in every_start() {
        let calls = {
            let scene = start.scene(columns);
            scene.push().await;
            scene.target.calls()
        };
        for (position, call) in calls.iter().enumerate() {
            let nth = calls[..=position].iter().filter(|made| *made == call).count() as u64;
            let name: &'static str = format!("target.{call}").leak();
            let scene = start.scene(columns);
            scene.target.promise("ada", &[new()]);
            let trouble = match position % 3 {
                0 if writes.contains(call) => {
                    scene.world.lose_answer(name, nth);
                    "its answer is lost"
                }
                1 if writes.contains(call) => {
                    scene.world.fail(name, nth, ErrorKind::OutcomeUnknown);
                    "nobody knows whether it arrived"
                }
                _ => {
                    scene.world.fail(name, nth, ErrorKind::Unavailable);
                    "it fails"
                }
            };
            let at = format!("{start:?}, {columns:?}, call {position} ({call}): {trouble}");
            let seen = scene.seen(Change::Replace).await;
            assert_eq!(seen.broken(&new()), vec![], "{at}: {:#?}", seen.trace);
        }
    }
}

#[tokio::test]
async fn whenever_somebody_else_acts_the_steps_come_in_their_order() {
    for start in [Start::OldPictures, Start::Article, Start::NoProfile] {
        let calls = {
            let scene = start.scene(Columns::Named);
            scene.push().await;
            scene.target.calls().len()
        };
        for call in 1..=calls {
            for names_it in [false, true] {
                let scene = start.scene(Columns::Named);
                scene.target.promise_a_picture("ada", &[new(), picture(3)]);
                scene.target.at_call(call, move |world| {
                    let theirs = world.store_at("ada", USER, picture(3));
                    if names_it {
                        world.point_column("ada", USER, Some(&theirs));
                    }
                });
                let seen = scene.seen(Change::Replace).await;
                let at = format!("{start:?}, call {call}, names it: {names_it}");
                assert_eq!(seen.broken(&new()), vec![], "{at}: {:#?}", seen.trace);
                let theirs = Some(Sha256::of(&picture(3)));
                assert!(scene.hashes(USER).contains(&theirs), "{at}: it stays");
            }
        }
    }
}

#[tokio::test]
async fn a_picture_that_is_scanned_altered_or_undone_is_proved_before_anything_is_built_on_it() {
    let scanned = Start::OldPictures.scene(Columns::Named);
    scanned.target.on(When::After, "upload", 0, |world| {
        world.alter_newest(|row| row.scan = Scan::Pending);
    });
    scanned.target.on(When::Before, "chains", 4, |world| {
        world.alter_all(|row| row.scan = Scan::Available);
    });
    let altered = Start::OldPictures.scene(Columns::Named);
    altered.target.on(When::After, "upload", 1, |world| {
        world.alter_newest(|row| row.sha256 = Some(Sha256::of(b"something else")));
    });
    let unstated = Start::OldPictures.scene(Columns::Named);
    unstated.target.on(When::After, "upload", 0, |world| {
        world.alter_newest(|row| row.sha256 = None);
    });
    let undone = Start::OldPictures.scene(Columns::Follow);
    undone.target.on(When::After, "remove", 2, |world| {
        world.clear("ada", PROFILE);
        world.store_at("ada", PROFILE, old());
    });
    for (what, scene) in [
        ("scanned", scanned),
        ("altered", altered),
        ("unstated", unstated),
        ("undone", undone),
    ] {
        let seen = scene.seen(Change::Replace).await;
        assert_eq!(
            seen.told.outcome,
            Outcome::Updated,
            "{what}: {}",
            seen.told.detail
        );
        assert_eq!(seen.broken(&new()), vec![], "{what}: {:#?}", seen.trace);
    }
}

#[tokio::test]
async fn an_avatar_is_taken_away_in_the_same_order() {
    for start in [Start::OldPictures, Start::SeveralOldPictures, Start::Article] {
        let calls = {
            let scene = start.scene(Columns::Follow);
            scene.world.set_photo("ada", None);
            let seen = scene.seen(Change::Remove).await;
            assert_eq!(seen.told.outcome, Outcome::Removed, "{}", seen.told.detail);
            assert_eq!(
                broken(&seen.trace, Goal::Nothing),
                vec![],
                "{start:?}: {:#?}",
                seen.trace
            );
            scene.target.calls()
        };
        for (position, call) in calls.iter().enumerate() {
            let scene = start.scene(Columns::Follow);
            scene.world.set_photo("ada", None);
            let nth = calls[..=position].iter().filter(|made| *made == call).count() as u64;
            let name: &'static str = format!("target.{call}").leak();
            scene.world.fail(name, nth, ErrorKind::Unavailable);
            let seen = scene.seen(Change::Remove).await;
            assert_eq!(
                broken(&seen.trace, Goal::Nothing),
                vec![],
                "{start:?}, call {position} ({call}): {:#?}",
                seen.trace
            );
        }
    }
}
