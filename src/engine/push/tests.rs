//! Stories about one person's push. Whatever happens in them, after every single call to the target it is checked
//! that nobody lost a picture.

mod aims;
mod copies;
mod crashes;
mod deleting;
mod displaying;
mod looks;
mod mending;
mod model;
mod order;
mod others;
mod points;
mod preparing;
mod profiles;
mod removals;
mod setbacks;
mod settling;
mod storing;
mod strays;
mod thumbnails;
mod tidying;
mod trouble;
mod turns;
mod unanswered;
mod whatever_fails;

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::connector::ErrorKind;
use crate::domain::ids::{SourceId, TargetId};
use crate::domain::photo::{Column, Place, Sha256, StoredPicture};
use crate::domain::plan::{Change, Limits, PLAN_SCHEMA, Plan, Step};
use crate::domain::run::{Outcome, PersonRef, RunEvent};
use crate::engine::fakes::{PersonBuilder, Watched, When, World, person, picture};
use crate::engine::{Engine, RunControl, RunReport};
use crate::store::journal::{Answer, StepRecord, WriteKind};
use crate::store::{Access, Store, StorePaths};

const PROFILE: Place = Place::LIVE_PROFILE;
const USER: Place = Place::SYS_USER;
const NO_LIMITS: Limits = Limits::NONE;

/// Ada, her records, and an engine that pushes her picture.
struct Scene {
    world: World,
    target: Arc<Watched>,
    paths: StorePaths,
    store: Option<Arc<Store>>,
    folder: tempfile::TempDir,
}

/// How Ada's push ended.
struct Told {
    outcome: Outcome,
    detail: String,
    report: RunReport,
}

impl Scene {
    fn of(ada: PersonBuilder) -> Self {
        Self::writing(ada, &[PROFILE, USER])
    }

    fn writing(ada: PersonBuilder, places: &[Place]) -> Self {
        let world = World::with([ada]);
        let folder = tempfile::tempdir().expect("a folder");
        let paths = StorePaths {
            state_dir: folder.path().join("state"),
            cache_dir: folder.path().join("cache"),
            profile: "default".into(),
        };
        let mut scene = Self {
            target: Arc::new(Watched::new(&world).writing(places)),
            world,
            paths,
            store: None,
            folder,
        };
        scene.start();
        scene
    }

    /// The same target with another manner.
    fn with_target(mut self, target: Watched) -> Self {
        self.target = Arc::new(target);
        self
    }

    /// The program starts.
    fn start(&mut self) {
        let store = Store::open(&self.paths, Access::Write).expect("nobody else has it");
        self.store = Some(Arc::new(store));
    }

    fn store(&self) -> &Arc<Store> {
        self.store.as_ref().expect("started")
    }

    fn engine(&self) -> Engine {
        let target = Arc::clone(&self.target);
        self.world
            .engine_to(target, self.store(), |_| {})
            .with_account("sync.account")
            .impatient()
    }

    fn plan(&self, change: Change) -> Plan {
        Plan {
            schema: PLAN_SCHEMA.into(),
            profile: "default".into(),
            made_at: self.world.now(),
            complete: true,
            in_scope: None,
            push_suspicious: false,
            steps: vec![Step {
                person: ada(),
                change,
                expected: self.world.chain("ada").stamp(),
                photo: None,
                upload: None,
                replaces: None,
                reason: "because".into(),
            }],
            skips: vec![],
        }
    }

    async fn push(&self) -> Told {
        self.carry_out(self.plan(Change::Replace)).await
    }

    async fn carry_out(&self, plan: Plan) -> Told {
        self.carry_out_by(&self.engine(), plan).await
    }

    async fn carry_out_by(&self, engine: &Engine, plan: Plan) -> Told {
        let (events, mut received) = mpsc::channel(64);
        let report = engine
            .apply(plan, &NO_LIMITS, &RunControl::new(), events)
            .await
            .expect("begun");
        let mut told = None;
        while let Some(event) = received.recv().await {
            if let RunEvent::Step { outcome, detail, .. } = event {
                assert!(told.is_none(), "one ending per person");
                told = Some((outcome, detail));
            }
        }
        let (outcome, detail) = told.expect("everybody is told of");
        assert!(report.summary.adds_up());
        assert_eq!(self.target.broken_promises(), Vec::<String>::new());
        Told {
            outcome,
            detail,
            report,
        }
    }

    /// The rows at a place by their content's hash.
    fn hashes(&self, place: Place) -> Vec<Option<Sha256>> {
        let rows = self.world.rows("ada", place);
        rows.into_iter().map(|row| row.sha256).collect()
    }

    fn column(&self, place: Place) -> Column {
        let chain = self.world.chain("ada");
        chain.record(place).expect("there").column.clone()
    }

    /// Ada sees this picture, every record holds it once, and nothing else.
    fn assert_in_order(&self, photo: &Bytes) {
        assert_eq!(self.world.shown("ada").as_ref(), Some(photo));
        for place in [PROFILE, USER] {
            assert_eq!(self.hashes(place), [Some(Sha256::of(photo))], "{place}");
            if let Column::Names(named) = self.column(place) {
                let rows = self.world.rows("ada", place);
                assert!(
                    rows.iter().any(|row| row.id == named),
                    "{place} names a row of its own"
                );
            }
        }
    }

    /// How often the target was called so.
    fn count(&self, call: &str) -> usize {
        self.target.calls().iter().filter(|made| **made == call).count()
    }

    /// What the journal says of how it ended.
    async fn last_step(&self, told: &Told) -> StepRecord {
        let steps = self.store().journal().steps(&told.report.run).await;
        steps.expect("readable").pop().expect("Ada's")
    }

    async fn kept(&self, picture: &Bytes) -> bool {
        self.store()
            .vault()
            .holds(&Sha256::of(picture))
            .await
            .expect("readable")
    }

    async fn nobody_is_unfinished(&self) {
        let unfinished = self.store().journal().unfinished().await.expect("readable");
        assert_eq!(unfinished, vec![]);
    }
}

fn ada() -> PersonRef {
    PersonRef {
        name: "ada".into(),
        upn: "ada@x.example".into(),
        mail: Some("ada@x.example".into()),
        source: SourceId::new("ada-id"),
        target: Some(TargetId::new("ada-sys")),
        user_name: Some("ada@x.example".into()),
    }
}

fn new() -> Bytes {
    picture(1)
}

fn old() -> Bytes {
    picture(2)
}

/// Ada with a new photo.
fn ada_with_photo() -> PersonBuilder {
    person("ada").photo(new())
}

/// Ada with a new photo and the same old picture at both records.
fn ada_with_old_picture() -> PersonBuilder {
    ada_with_photo().stored(PROFILE, old()).stored(USER, old())
}

fn without_a_profile() -> Scene {
    Scene::of(ada_with_photo().stored(USER, old()).profiles(0))
}

fn not_allowed() -> ErrorKind {
    ErrorKind::NotAllowed {
        needs: "a role that may delete".into(),
    }
}

/// As the well-known article leaves it: one ordinary attachment, named by both columns.
fn ada_as_in_the_article() -> Scene {
    let scene = Scene::of(ada_with_photo().stored(PROFILE, old()).plain());
    let article = scene.world.rows("ada", PROFILE).remove(0).id;
    scene.world.point_column("ada", PROFILE, Some(&article));
    scene.world.point_column("ada", USER, Some(&article));
    scene
}

#[tokio::test]
async fn somebody_without_a_picture_gets_it_at_both_records_and_no_column_is_touched() {
    let scene = Scene::of(ada_with_photo());
    scene.target.promise("ada", &[new()]);
    let told = scene.carry_out(scene.plan(Change::Add)).await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert_eq!(told.detail, "stored at live_profile and sys_user");
    scene.assert_in_order(&new());
    assert_eq!(scene.column(PROFILE), Column::Empty);
    assert_eq!(scene.target.writes(), 2);
}

#[tokio::test]
async fn an_old_picture_is_kept_then_replaced_with_five_requests_of_its_own() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new()]);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    scene.assert_in_order(&new());
    assert!(scene.kept(&old()).await);
    let calls = scene.target.calls();
    let own: Vec<_> = calls
        .iter()
        .filter(|call| !["chains", "displayed"].contains(call))
        .collect();
    assert_eq!(
        own,
        [&"download", &"upload", &"upload", &"remove", &"remove"],
        "{calls:?}"
    );
}

#[tokio::test]
async fn different_old_pictures_are_both_kept() {
    let scene = Scene::of(ada_with_photo().stored(PROFILE, old()).stored(USER, picture(3)));
    // Between the two deletions the older picture of the user record must not come up.
    scene.target.promise("ada", &[new()]);
    assert_eq!(scene.push().await.outcome, Outcome::Updated);
    scene.assert_in_order(&new());
    assert!(scene.kept(&old()).await && scene.kept(&picture(3)).await);
}

#[tokio::test]
async fn a_second_push_of_the_same_photo_writes_nothing() {
    let scene = Scene::of(ada_with_old_picture());
    scene.push().await;
    let writes = scene.target.writes();
    let again = scene.push().await;
    assert_eq!(again.outcome, Outcome::Unchanged);
    assert_eq!(scene.target.writes(), writes);
}

#[tokio::test]
async fn a_missing_profile_is_created() {
    let scene = Scene::of(ada_with_photo().stored(USER, old()).profiles(0));
    scene.target.promise("ada", &[new()]);
    assert_eq!(scene.push().await.outcome, Outcome::Updated);
    scene.assert_in_order(&new());
}

#[tokio::test]
async fn a_column_that_names_nothing_is_repaired() {
    let scene = Scene::of(ada_with_photo().stored(USER, old()).column(PROFILE, "gone"));
    scene.target.promise("ada", &[new()]);
    assert_eq!(
        scene.carry_out(scene.plan(Change::Repair)).await.outcome,
        Outcome::Updated
    );
    scene.assert_in_order(&new());
    assert!(matches!(scene.column(PROFILE), Column::Names(id) if id.as_str() != "gone"));
}

#[tokio::test]
async fn a_picture_stored_as_in_the_article_makes_way_without_a_moment_of_dangling() {
    let scene = ada_as_in_the_article();
    scene.target.promise("ada", &[new()]);
    assert_eq!(scene.push().await.outcome, Outcome::Updated);
    scene.assert_in_order(&new());
    assert!(scene.kept(&old()).await);
}

#[tokio::test]
async fn an_ordinary_attachment_that_no_column_names_is_left_alone() {
    let scene = Scene::of(ada_with_photo().stored(PROFILE, old()).plain());
    assert_eq!(scene.push().await.outcome, Outcome::Updated);
    assert_eq!(
        scene.hashes(PROFILE),
        [Some(Sha256::of(&old())), Some(Sha256::of(&new()))]
    );
}

#[tokio::test]
async fn a_row_with_the_photo_is_kept_and_the_others_deleted_without_an_upload() {
    let ada = ada_with_photo()
        .stored(PROFILE, old())
        .stored(PROFILE, new())
        .stored(PROFILE, picture(3))
        .stored(USER, new());
    let scene = Scene::of(ada);
    scene.target.promise("ada", &[new()]);
    assert_eq!(
        scene.carry_out(scene.plan(Change::Repair)).await.outcome,
        Outcome::Updated
    );
    scene.assert_in_order(&new());
    assert!(!scene.target.calls().contains(&"upload"));
    assert!(scene.kept(&old()).await && scene.kept(&picture(3)).await);
}

#[tokio::test]
async fn rows_without_a_stated_hash_are_read_instead_of_stored_again() {
    let ada = ada_with_photo()
        .stored(PROFILE, new())
        .without_hash()
        .stored(USER, new())
        .without_hash();
    let scene = Scene::of(ada);
    assert_eq!(scene.push().await.outcome, Outcome::Unchanged);
    assert_eq!(scene.target.writes(), 0);
}

#[tokio::test]
async fn a_single_record_gets_its_column_set_before_its_only_picture_goes() {
    let scene = Scene::writing(ada_with_photo().stored(USER, old()), &[USER]);
    scene.target.promise("ada", &[new()]);
    assert_eq!(scene.push().await.outcome, Outcome::Updated);
    assert_eq!(scene.world.shown("ada"), Some(new()));
    let calls = scene.target.calls();
    let position = |wanted| calls.iter().position(|call| *call == wanted);
    assert!(position("set_column") < position("remove"), "{calls:?}");
}

#[tokio::test]
async fn a_picture_where_the_write_mode_does_not_write_is_not_fought() {
    let scene = Scene::writing(ada_with_photo().stored(PROFILE, old()), &[USER]);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Skipped);
    assert!(told.detail.contains("live_profile"), "{}", told.detail);
    assert_eq!(scene.target.writes(), 0);
}

#[tokio::test]
async fn a_photo_that_is_too_large_for_the_target_is_stored_smaller() {
    let photo = crate::engine::fakes::heavy_picture(1);
    let scene = Scene::of(person("ada").photo(photo.clone()));
    let limit = photo.len() as u64 / 2;
    scene
        .world
        .fail("target.upload", 1, ErrorKind::TooLarge { limit });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    let shown = scene.world.shown("ada").expect("a picture");
    assert!((shown.len() as u64) <= limit, "{} bytes", shown.len());
    crate::tried("F8", 1);
}

#[tokio::test]
async fn without_a_usable_photo_nothing_is_written() {
    for (photo, outcome) in [
        (None, Outcome::NoPhoto),
        (Some(crate::engine::fakes::placeholder()), Outcome::NoPhoto),
        (Some(crate::engine::fakes::cut_off(1)), Outcome::Skipped),
    ] {
        let scene = Scene::of(ada_with_old_picture());
        scene.world.set_photo("ada", photo);
        let told = scene.push().await;
        assert_eq!(told.outcome, outcome, "{}", told.detail);
        assert_eq!(scene.target.writes(), 0);
    }
}

#[tokio::test]
async fn the_journal_tells_who_wrote_what_in_which_order() {
    let scene = Scene::of(ada_with_photo().stored(PROFILE, old()).stored(USER, picture(3)));
    let before: Vec<StoredPicture> = [PROFILE, USER]
        .into_iter()
        .flat_map(|place| scene.world.rows("ada", place))
        .collect();
    let told = scene.push().await;
    let journal = scene.store().journal();
    let run = journal
        .run(&told.report.run)
        .await
        .expect("readable")
        .expect("there");
    assert_eq!(run.start.actor.account, "sync.account");
    assert_eq!(run.summary, Some(told.report.summary));
    let writes = journal.writes(&told.report.run).await.expect("readable");
    let kinds: Vec<_> = writes
        .iter()
        .map(|write| (write.intent.kind, write.intent.place))
        .collect();
    assert_eq!(
        kinds,
        [
            (WriteKind::Upload, PROFILE),
            (WriteKind::Upload, USER),
            (WriteKind::Remove, PROFILE),
            (WriteKind::Remove, USER),
        ]
    );
    assert!(
        writes
            .iter()
            .all(|write| matches!(write.answer, Some((Answer::Done(_), _))))
    );
    assert_eq!(writes[0].intent.sha256, Some(Sha256::of(&new())));
    assert_eq!(writes[0].intent.old_picture.as_ref(), Some(&before[0].id));
    let made = scene.world.rows("ada", PROFILE).remove(0).id;
    assert_eq!(writes[0].uploaded(), Some(made));
    let kept = journal
        .kept_pictures(&TargetId::new("ada-sys"))
        .await
        .expect("readable");
    assert_eq!(kept.len(), 2);
    assert_eq!(kept.iter().filter(|kept| kept.was_displayed).count(), 1);
    let steps = journal.steps(&told.report.run).await.expect("readable");
    assert_eq!(steps[0].outcome, Outcome::Updated);
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn an_avatar_is_removed_columns_first_and_a_copy_is_kept() {
    let scene = ada_as_in_the_article();
    scene.world.store_at("ada", USER, picture(3));
    scene.world.set_photo("ada", None);
    let told = scene.carry_out(scene.plan(Change::Remove)).await;
    assert_eq!(told.outcome, Outcome::Removed, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), None);
    assert_eq!(scene.column(PROFILE), Column::Empty);
    assert!(scene.hashes(PROFILE).is_empty() && scene.hashes(USER).is_empty());
    assert!(scene.kept(&old()).await && scene.kept(&picture(3)).await);
    let calls = scene.target.calls();
    let last_column = calls.iter().rposition(|call| *call == "set_column");
    let first_row = calls.iter().position(|call| *call == "remove");
    assert!(last_column < first_row, "{calls:?}");
}

#[tokio::test]
async fn an_avatar_is_not_removed_once_there_is_a_photo_again() {
    let scene = Scene::of(ada_with_old_picture());
    let told = scene.carry_out(scene.plan(Change::Remove)).await;
    assert_eq!(told.outcome, Outcome::Skipped);
    assert_eq!(scene.target.writes(), 0);
    crate::tried("F10", 1);
}
