//! Whichever call fails, and from whichever entry on the journal takes nothing more: nobody is without a picture or with
//! one that nobody chose, and the next start leaves nothing over.

use futures::future::BoxFuture;

use super::mending::{before_look, hide};
use super::tidying::{ada_of_the_article, ada_with_duplicates};
use super::*;
use crate::domain::run::StopReason;
use crate::domain::tidying::TidyPlan;

/// What is carried out.
enum Deed {
    Push(Plan),
    Tidy(TidyPlan),
}

/// Something that goes well, or that meets trouble of its own, before anything else fails.
struct Story {
    scene: fn() -> Scene,
    deed: for<'a> fn(&'a Scene) -> BoxFuture<'a, Deed>,
    trouble: fn(&Scene),
    /// What may be displayed beside what is displayed before; `None` if nothing is to be displayed in the end.
    allowed: Option<&'static [u8]>,
}

pub(super) const CALLS: [&str; 13] = [
    "target.chains",
    "target.column",
    "target.create_record",
    "target.displayed",
    "target.download",
    "target.lookup",
    "target.named",
    "target.remove",
    "target.set_column",
    "target.store_as",
    "target.stray",
    "target.upload",
    "target.withdraw_record",
];

/// Entries of the journal that belong to writes and copies.
const ENTRIES: &str = "(SELECT count(*) + count(answer) FROM writes) + (SELECT count(*) FROM kept)";

impl Story {
    async fn begun(&self) -> (Scene, Deed) {
        let scene = (self.scene)();
        let deed = (self.deed)(&scene).await;
        if let Some(allowed) = self.allowed {
            let allowed: Vec<Bytes> = allowed.iter().map(|seed| picture(*seed)).collect();
            scene.target.promise_a_picture("ada", &allowed);
        }
        (self.trouble)(&scene);
        (scene, deed)
    }

    async fn told(&self) {
        self.whichever_call_fails().await;
        self.wherever_the_journal_is_full().await;
    }

    async fn whichever_call_fails(&self) {
        let calls = |scene: &Scene| CALLS.map(|call| scene.world.calls(call));
        let (scene, deed) = self.begun().await;
        let before = calls(&scene);
        scene.carry_out_deed(deed).await;
        let made = calls(&scene);
        for (call, (before, made)) in CALLS.into_iter().zip(before.into_iter().zip(made)) {
            for nth in 1..=made - before {
                let (scene, deed) = self.begun().await;
                scene.world.fail(call, nth, ErrorKind::Unavailable);
                let told = scene.carry_out_deed(deed).await;
                let at = format!("{call} {nth}: {:?} {}", told.outcome, told.detail);
                scene.world.heal();
                scene.is_settled_by_the_next_start(&at).await;
            }
        }
    }

    async fn wherever_the_journal_is_full(&self) {
        let (scene, deed) = self.begun().await;
        let other = rusqlite::Connection::open(scene.paths.journal()).expect("opens");
        let entries = |connection: &rusqlite::Connection| -> i64 {
            let count = format!("SELECT {ENTRIES}");
            connection
                .query_row(&count, [], |row| row.get(0))
                .expect("readable")
        };
        let before = entries(&other);
        scene.carry_out_deed(deed).await;
        for room in before..entries(&other) {
            let (scene, deed) = self.begun().await;
            let other = rusqlite::Connection::open(scene.paths.journal()).expect("opens");
            for (name, event) in [
                ("full_1", "INSERT ON writes"),
                ("full_2", "UPDATE ON writes"),
                ("full_3", "INSERT ON kept"),
            ] {
                let full = format!(
                    "CREATE TRIGGER {name} BEFORE {event} WHEN {ENTRIES} >= {room} \
                     BEGIN SELECT RAISE(FAIL, 'disk is full'); END"
                );
                other
                    .execute_batch(&full)
                    .expect("nothing fits in once it is full");
            }
            let told = scene.carry_out_deed(deed).await;
            let at = format!("room for {room}: {:?} {}", told.outcome, told.detail);
            assert!(
                matches!(told.report.stopped, Some(StopReason::Storage(_))),
                "{at}: {:?}",
                told.report.stopped
            );
            other
                .execute_batch("DROP TRIGGER full_1; DROP TRIGGER full_2; DROP TRIGGER full_3")
                .expect("room again");
            scene.world.heal();
            scene.is_settled_by_the_next_start(&at).await;
        }
    }
}

impl Scene {
    async fn carry_out_deed(&self, deed: Deed) -> Told {
        match deed {
            Deed::Push(plan) => self.carry_out(plan).await,
            Deed::Tidy(plan) => self.tidy(plan).await,
        }
    }

    pub(super) async fn is_settled_by_the_next_start(&self, at: &str) {
        let settled = self.engine().recover().await;
        assert!(settled.is_ok(), "{at}: {settled:?}");
        let unfinished = self.store().journal().unfinished().await.expect("readable");
        assert_eq!(unfinished, vec![], "{at}");
        assert_eq!(self.target.broken_promises(), Vec::<String>::new(), "{at}");
    }
}

fn replacing(scene: &Scene) -> BoxFuture<'_, Deed> {
    Box::pin(async { Deed::Push(scene.plan(Change::Replace)) })
}

fn repairing(scene: &Scene) -> BoxFuture<'_, Deed> {
    Box::pin(async { Deed::Push(scene.plan(Change::Repair)) })
}

fn removing(scene: &Scene) -> BoxFuture<'_, Deed> {
    Box::pin(async { Deed::Push(scene.plan(Change::Remove)) })
}

fn cleaning(scene: &Scene) -> BoxFuture<'_, Deed> {
    Box::pin(async { Deed::Tidy(scene.cleaning().await) })
}

/// What is undone is a push.
fn undoing(scene: &Scene) -> BoxFuture<'_, Deed> {
    Box::pin(async {
        let pushed = scene.push().await;
        let plan = scene.engine().undo_plan(pushed.report.run.as_str()).await;
        Deed::Tidy(plan.expect("something to undo"))
    })
}

/// What is undone is a cleaning.
fn bringing_litter_back(scene: &Scene) -> BoxFuture<'_, Deed> {
    Box::pin(async {
        let cleaned = scene.clean().await;
        let plan = scene.engine().undo_plan(cleaned.report.run.as_str()).await;
        Deed::Tidy(plan.expect("something to undo"))
    })
}

fn old_picture() -> Scene {
    Scene::of(ada_with_old_picture())
}

fn article() -> Scene {
    Scene::of(ada_of_the_article())
}

fn duplicates() -> Scene {
    Scene::of(ada_with_duplicates())
}

#[tokio::test]
async fn of_a_push_that_moves_columns() {
    let story = Story {
        scene: ada_as_in_the_article,
        deed: replacing,
        trouble: |_| {},
        allowed: Some(&[1]),
    };
    story.told().await;
}

#[tokio::test]
async fn of_a_push_whose_answers_are_lost() {
    let story = Story {
        scene: || {
            Scene::of(
                ada_with_photo()
                    .stored(USER, old())
                    .column(USER, "gone")
                    .profiles(0),
            )
        },
        deed: replacing,
        trouble: |scene| {
            for call in ["create_record", "upload", "set_column", "remove"] {
                scene.world.lose_answer(format!("target.{call}").leak(), 1);
            }
        },
        allowed: Some(&[1]),
    };
    story.told().await;
}

#[tokio::test]
async fn of_a_push_whose_writes_do_not_arrive_at_once() {
    let story = Story {
        scene: || {
            Scene::of(
                ada_with_photo()
                    .stored(USER, old())
                    .column(USER, "gone")
                    .profiles(0),
            )
        },
        deed: replacing,
        trouble: |scene| {
            for call in ["create_record", "upload", "set_column", "remove"] {
                scene
                    .world
                    .fail(format!("target.{call}").leak(), 1, ErrorKind::OutcomeUnknown);
            }
        },
        allowed: Some(&[1]),
    };
    story.told().await;
}

#[tokio::test]
async fn of_a_push_that_is_read_back_because_no_hash_is_stated() {
    let story = Story {
        scene: old_picture,
        deed: replacing,
        trouble: |scene| {
            scene.world.lose_answer("target.upload", 2);
            scene.target.on(When::After, "upload", 0, |world| {
                world.alter_newest(|row| row.sha256 = None);
            });
        },
        allowed: Some(&[1]),
    };
    story.told().await;
}

#[tokio::test]
async fn of_a_push_of_which_something_else_is_stored_first() {
    let story = Story {
        scene: old_picture,
        deed: replacing,
        trouble: |scene| {
            scene.target.on(When::After, "upload", 1, |world| {
                world.alter_newest(|row| row.bytes += 1);
            });
        },
        allowed: Some(&[1]),
    };
    story.told().await;
}

#[tokio::test]
async fn of_a_push_that_is_taken_back() {
    let story = Story {
        scene: ada_as_in_the_article,
        deed: replacing,
        trouble: |scene| scene.world.fail("target.set_column", 2, not_allowed()),
        allowed: Some(&[1]),
    };
    story.told().await;
}

#[tokio::test]
async fn of_a_push_that_is_refused_everything() {
    for call in ["create_record", "upload", "set_column", "remove"] {
        let refused: fn(&Scene) = match call {
            "create_record" => |scene| scene.world.fail("target.create_record", 1, not_allowed()),
            "upload" => |scene| scene.world.fail("target.upload", 1, not_allowed()),
            "set_column" => |scene| scene.world.fail("target.set_column", 1, not_allowed()),
            _ => |scene| scene.world.fail("target.remove", 1, not_allowed()),
        };
        let story = Story {
            scene: || {
                Scene::of(
                    ada_with_photo()
                        .stored(USER, old())
                        .column(USER, "gone")
                        .profiles(0),
                )
            },
            deed: replacing,
            trouble: refused,
            allowed: Some(&[1]),
        };
        story.wherever_the_journal_is_full().await;
    }
}

#[tokio::test]
async fn of_a_push_beside_which_somebody_stores_another_picture() {
    let story = Story {
        scene: old_picture,
        deed: replacing,
        trouble: |scene| {
            scene.target.on(When::After, "remove", 2, |world| {
                world.choose("ada", PROFILE, picture(3));
            });
        },
        allowed: Some(&[1, 3]),
    };
    story.told().await;
}

#[tokio::test]
async fn of_a_push_whose_profile_is_one_too_many() {
    let story = Story {
        scene: without_a_profile,
        deed: replacing,
        trouble: |scene| {
            scene.target.on(When::Before, "create_record", 1, |world| {
                world.create_profile("ada");
            });
        },
        allowed: Some(&[1]),
    };
    story.told().await;
}

#[tokio::test]
async fn of_a_push_whose_profile_turns_out_to_be_one_too_many_later() {
    let story = Story {
        scene: without_a_profile,
        deed: replacing,
        trouble: |scene| {
            scene.target.on(When::Before, "remove", 1, |world| {
                world.create_profile_before("ada");
                world.store_at("ada", PROFILE, new());
            });
        },
        allowed: Some(&[1]),
    };
    story.told().await;
}

#[tokio::test]
async fn of_a_repair_that_deletes_a_thumbnail() {
    let story = Story {
        scene: || {
            let scene = Scene::of(ada_with_photo().stored(PROFILE, new()).stored(USER, new()));
            scene.world.make_thumbnail("ada", PROFILE, old());
            scene
        },
        deed: repairing,
        trouble: |_| {},
        allowed: Some(&[]),
    };
    story.told().await;
}

#[tokio::test]
async fn of_a_cleaning_that_stores_copies_whose_answers_are_lost() {
    let story = Story {
        scene: article,
        deed: cleaning,
        trouble: |scene| {
            for call in ["store_as", "set_column", "remove"] {
                scene.world.lose_answer(format!("target.{call}").leak(), 1);
            }
            scene.world.fail("target.store_as", 2, ErrorKind::OutcomeUnknown);
        },
        allowed: Some(&[]),
    };
    story.told().await;
}

#[tokio::test]
async fn of_a_cleaning_whose_copies_state_no_hash() {
    let story = Story {
        scene: article,
        deed: cleaning,
        trouble: |scene| {
            scene.world.lose_answer("target.store_as", 2);
            scene.target.on(When::After, "store_as", 0, |world| {
                world.alter_newest(|row| row.sha256 = None);
            });
        },
        allowed: Some(&[]),
    };
    story.told().await;
}

#[tokio::test]
async fn of_a_cleaning_that_is_taken_back() {
    let story = Story {
        scene: article,
        deed: cleaning,
        trouble: |scene| scene.world.fail("target.set_column", 2, not_allowed()),
        allowed: Some(&[]),
    };
    story.told().await;
}

#[tokio::test]
async fn of_a_cleaning_that_may_not_store_anything() {
    let story = Story {
        scene: article,
        deed: cleaning,
        trouble: |scene| scene.world.fail("target.store_as", 1, not_allowed()),
        allowed: Some(&[]),
    };
    story.wherever_the_journal_is_full().await;
}

#[tokio::test]
async fn of_a_cleaning_of_pictures_without_hashes() {
    let story = Story {
        scene: || {
            let scene = duplicates();
            scene.world.alter_all(|row| row.sha256 = None);
            scene
        },
        deed: cleaning,
        trouble: |_| {},
        allowed: Some(&[]),
    };
    story.told().await;
}

#[tokio::test]
async fn of_a_cleaning_after_which_a_rule_hides_the_picture() {
    let story = Story {
        scene: duplicates,
        deed: cleaning,
        trouble: |scene| before_look(scene, 1, hide),
        allowed: Some(&[6]),
    };
    story.told().await;
}

#[tokio::test]
async fn of_a_cleaning_that_is_put_back() {
    let story = Story {
        scene: duplicates,
        deed: cleaning,
        trouble: |scene| {
            for look in [1, 2] {
                before_look(scene, look, hide);
            }
        },
        allowed: Some(&[6]),
    };
    story.told().await;
}

#[tokio::test]
async fn of_a_cleaning_of_what_has_no_record() {
    let story = Story {
        scene: || {
            let scene = Scene::of(person("ada").stored(PROFILE, old()));
            scene.world.add(person("bob").stored(PROFILE, picture(5)));
            scene.world.bury("bob", PROFILE);
            scene
        },
        deed: cleaning,
        trouble: |_| {},
        allowed: Some(&[]),
    };
    story.told().await;
}

#[tokio::test]
async fn of_an_undo_of_a_push() {
    let story = Story {
        scene: ada_as_in_the_article,
        deed: undoing,
        trouble: |_| {},
        allowed: Some(&[2]),
    };
    story.told().await;
}

#[tokio::test]
async fn of_an_undo_of_a_cleaning() {
    let story = Story {
        scene: duplicates,
        deed: bringing_litter_back,
        trouble: |_| {},
        allowed: Some(&[]),
    };
    story.told().await;
}

#[tokio::test]
async fn of_the_removal_of_an_avatar() {
    let story = Story {
        scene: || {
            let scene = ada_as_in_the_article();
            scene.world.store_at("ada", USER, picture(3));
            scene.world.set_photo("ada", None);
            scene
        },
        deed: removing,
        trouble: |scene| scene.world.fail("target.remove", 1, ErrorKind::OutcomeUnknown),
        allowed: None,
    };
    story.told().await;
}

#[tokio::test]
async fn of_an_undo_of_a_first_picture() {
    let story = Story {
        scene: || Scene::of(ada_with_photo()),
        deed: undoing,
        trouble: |_| {},
        allowed: None,
    };
    story.told().await;
}
