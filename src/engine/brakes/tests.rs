//! Stories over many runs: who is parked, what slows the profile down, whose avatar may go.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::connector::ErrorKind;
use crate::domain::brake::removal::{Decision, Word};
use crate::domain::comparison::Verdict;
use crate::domain::ids::SourceId;
use crate::domain::photo::Place;
use crate::domain::plan::{Change, Limits, Plan, Policy};
use crate::domain::run::{Outcome, StopReason};
use crate::engine::fakes::{World, person, picture};
use crate::engine::scan::Ignore;
use crate::engine::{Depth, Engine, RunControl, RunReport};
use crate::store::journal::RunKind;
use crate::store::{Access, Store, StorePaths};
use crate::tried;

/// A world and an engine that lives through many runs.
struct Scene {
    world: World,
    engine: Engine,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn new(world: World) -> Self {
        let folder = crate::store::quick_folder();
        let paths = StorePaths {
            state_dir: folder.path().join("state"),
            cache_dir: folder.path().join("cache"),
            profile: "default".into(),
        };
        let store = Arc::new(Store::open(&paths, Access::Write).expect("opens"));
        let engine = world.engine_on(&store, |settings| {
            settings.policy = Policy {
                mirror_removals: true,
                ..Policy::default()
            };
        });
        Self {
            world,
            engine,
            _folder: folder,
        }
    }

    /// The plan of a run through everybody.
    async fn plan(&self) -> Plan {
        let engine = &self.engine;
        let cancel = CancellationToken::new();
        let (scanned, candidates) = engine
            .scan_into(Depth::Settled, engine.candidates(), &Ignore, &cancel)
            .await
            .expect("a scan");
        let listed = scanned.listed;
        let suspicions = listed.listing.suspicions();
        engine
            .plan_for(candidates, listed.scanned_at, listed.complete, &suspicions)
            .await
    }

    async fn carry_out(&self, plan: Plan, kind: RunKind) -> RunReport {
        let (events, mut received) = mpsc::channel(64);
        let control = RunControl::new().of_kind(kind);
        let listening = async { while received.recv().await.is_some() {} };
        let running = self.engine.apply(plan, &Limits::NONE, &control, events);
        let (report, ()) = tokio::join!(running, listening);
        report.expect("begun")
    }

    /// A scheduled run: nobody confirms it.
    async fn sync(&self) -> RunReport {
        let (plan, staging) = self
            .engine
            .hold_back_removals(self.plan().await)
            .await
            .expect("readable");
        self.engine.stage(staging).await.expect("kept");
        self.carry_out(plan, RunKind::Sync).await
    }

    async fn push(&self, name: &str) -> Plan {
        let names = [format!("{name}@x.example")];
        let scan = self
            .engine
            .scan_people(&names, Depth::Settled)
            .await
            .expect("found");
        self.engine.plan(&scan).await
    }

    async fn parked(&self) -> Vec<String> {
        let parked = self.engine.parked().await.expect("readable");
        parked
            .iter()
            .map(|parked| parked.person.name.raw().to_owned())
            .collect()
    }

    async fn is_quarantined(&self) -> bool {
        self.engine.quarantine().await.expect("readable").is_some()
    }

    /// Says the same about everything that waits.
    async fn decide(&self, decision: Decision) -> usize {
        let staged = self.engine.staged_removals().await.expect("readable");
        let standing = self.engine.store.standing();
        standing.decide(staged, decision).await.expect("kept")
    }

    fn approval(&self) -> Decision {
        Decision::Approved {
            at: self.world.now(),
            by: "eve".into(),
        }
    }
}

fn why_skipped(plan: &Plan, name: &str) -> String {
    let skip = plan.skips.iter().find(|skip| skip.person.name.raw() == name);
    let skip = skip.unwrap_or_else(|| panic!("{name} is not skipped: {:?}", plan.steps));
    skip.reason.clone()
}

fn removed(plan: &Plan) -> Vec<&str> {
    let removals = plan.steps.iter().filter(|step| step.change == Change::Remove);
    removals.map(|step| step.person.name.raw()).collect()
}

/// Ada cannot be stored; Bob can.
fn ada_fails() -> Scene {
    let scene = Scene::new(World::with([person("ada").photo(picture(1)), person("bob")]));
    scene.world.fail("target.upload", 0, ErrorKind::Refused);
    scene
}

#[tokio::test]
async fn who_fails_in_three_runs_is_parked_for_a_day_then_for_two_and_is_forgotten_once_it_works() {
    let scene = ada_fails();
    for _ in 0..3 {
        assert_eq!(scene.parked().await, Vec::<String>::new());
        assert_eq!(scene.sync().await.summary.failed, 1);
        scene.world.later(1);
    }
    assert_eq!(scene.parked().await, ["ada"]);
    let report = scene.sync().await;
    assert_eq!((report.summary.failed, report.summary.skipped), (0, 1));
    let plan = scene.plan().await;
    let why = why_skipped(&plan, "ada");
    assert!(
        why.contains("3 runs") && why.contains("tried again after"),
        "{why}"
    );
    // A day after the last failure she is tried again, and then not for two.
    scene.world.later(23);
    assert_eq!(scene.sync().await.summary.failed, 1);
    scene.world.later(47);
    assert_eq!(scene.sync().await.summary.failed, 0);
    scene.world.later(1);
    scene.world.heal();
    assert_eq!(scene.sync().await.summary.updated, 1);
    let failing = scene.engine.store.standing().failing().await.expect("readable");
    assert!(failing.is_empty());
}

#[tokio::test]
async fn a_new_photo_or_a_new_avatar_is_tried_at_once() {
    for change in [
        (|world: &World| world.set_photo("ada", Some(picture(9)))) as fn(&World),
        |world| drop(world.store_at("ada", Place::SYS_USER, picture(8))),
    ] {
        let scene = ada_fails();
        for _ in 0..3 {
            scene.sync().await;
        }
        assert_eq!(scene.plan().await.steps.len(), 0);
        change(&scene.world);
        assert_eq!(scene.plan().await.steps.len(), 1);
    }
}

#[tokio::test]
async fn whoever_is_named_is_tried_anyway() {
    let scene = ada_fails();
    for _ in 0..3 {
        scene.sync().await;
    }
    assert_eq!(scene.plan().await.steps.len(), 0);
    assert_eq!(scene.push("ada").await.steps.len(), 1);
    let released = scene.engine.store.standing();
    released
        .release(vec![SourceId::new("ada-id")])
        .await
        .expect("kept");
    assert_eq!(scene.plan().await.steps.len(), 1);
}

#[tokio::test]
async fn a_network_that_is_down_parks_nobody() {
    let scene = Scene::new(World::with([person("ada").photo(picture(1)), person("bob")]));
    scene.world.fail("target.upload", 0, ErrorKind::Unavailable);
    for _ in 0..6 {
        assert_eq!(scene.sync().await.summary.failed, 1);
    }
    assert_eq!(scene.parked().await, Vec::<String>::new());
    assert!(
        !scene.is_quarantined().await,
        "one person of two is no failing run"
    );
}

#[tokio::test]
async fn a_run_that_a_brake_stopped_parks_nobody_and_three_of_them_slow_the_profile_down() {
    let people = (0..80).map(|number| person(&format!("p{number}")).photo(picture(number)));
    let scene = Scene::new(World::with(people));
    scene.world.fail("target.upload", 0, ErrorKind::Refused);
    for run in 1..=3 {
        assert!(!scene.is_quarantined().await, "{run}");
        let report = scene.sync().await;
        let Some(StopReason::Brake(why)) = &report.stopped else {
            panic!("{report:?}")
        };
        assert!(why.contains("people failed"), "{why}");
        assert!(
            report.summary.skipped > 0,
            "nobody new was begun: {:?}",
            report.summary
        );
    }
    assert_eq!(scene.parked().await, Vec::<String>::new());
    let quarantine = scene.engine.quarantine().await.expect("readable");
    let quarantine = quarantine.expect("three in a row");
    assert!(!scene.engine.is_allowed_by(&quarantine));
    scene.world.later(1);
    assert!(scene.engine.is_allowed_by(&quarantine));
    scene.world.heal();
    assert_eq!(scene.sync().await.summary.updated, 80);
    assert!(!scene.is_quarantined().await, "one run that succeeds ends it");
}

#[tokio::test]
async fn runs_that_fail_before_they_begin_count_too_and_a_few_people_pushed_by_name_do_not() {
    let scene = Scene::new(World::with([person("ada").photo(picture(1))]));
    for _ in 0..2 {
        let after = scene.engine.run_failed("sign-in was refused".into()).await;
        assert_eq!(after.expect("kept"), None);
    }
    let plan = scene.push("ada").await;
    scene.carry_out(plan, RunKind::Push).await;
    let after = scene.engine.run_failed("sign-in was refused".into()).await;
    let quarantine = after.expect("kept").expect("three in a row");
    assert!(quarantine.sentence().contains("sign-in was refused"));
}

#[tokio::test]
async fn the_share_of_changes_is_asked_once_a_run_has_gone_through_everybody() {
    let people = (0..3).map(|number| person(&format!("p{number}")).photo(picture(number)));
    let scene = Scene::new(World::with(people));
    let limits = Limits {
        max_change_share: Some(50),
        ..Limits::NONE
    };
    let in_force = async || scene.engine.limits_in_force(limits).await.expect("readable");
    assert_eq!(in_force().await, Limits::NONE);
    let plan = scene.plan().await;
    assert_eq!(plan.in_scope, Some(3));
    // A few people pushed by name are not everybody, and neither is a run that was cut short.
    let ada = scene.push("p0").await;
    assert_eq!(ada.in_scope, None);
    scene.carry_out(ada, RunKind::Push).await;
    assert_eq!(in_force().await, Limits::NONE);
    scene.carry_out(plan, RunKind::Sync).await;
    assert_eq!(in_force().await, limits);
}

/// Ada and Bob have lost their photos two days ago, which was seen then.
async fn two_without_a_photo() -> Scene {
    let scene = Scene::new(World::with([
        person("ada").avatar(picture(1)),
        person("bob").avatar(picture(2)),
        person("cleo").photo(picture(3)).avatar(picture(3)),
    ]));
    assert_eq!(removed(&scene.plan().await), Vec::<&str>::new());
    scene.world.later(48);
    scene
}

#[tokio::test]
async fn nobody_loses_an_avatar_before_somebody_has_approved_it() {
    let scene = two_without_a_photo().await;
    for _ in 0..2 {
        let report = scene.sync().await;
        assert_eq!((report.summary.removed, report.summary.skipped), (0, 2));
    }
    let staged = scene.engine.staged_removals().await.expect("readable");
    assert_eq!(staged.len(), 2);
    assert!(
        staged[0].sentence().contains("complete scans"),
        "{}",
        staged[0].sentence()
    );
    assert_eq!(scene.decide(scene.approval()).await, 2);
    assert_eq!(scene.sync().await.summary.removed, 2);
    assert_eq!(scene.world.shown("ada"), None);
    assert_eq!(scene.engine.staged_removals().await.expect("readable"), vec![]);
    tried("F10", 3);
}

#[tokio::test]
async fn what_may_go_is_listed_with_its_evidence_from_the_first_sighting_to_somebodys_word() {
    let scene = Scene::new(World::with([
        person("ada").avatar(picture(1)),
        person("cleo").photo(picture(3)).avatar(picture(3)),
    ]));
    scene.plan().await;
    let known = scene.engine.removals().await.expect("readable");
    assert!(known.is_on && known.needs_approval && known.staged.is_empty());
    let seen: Vec<(&str, u32)> = known
        .seen
        .iter()
        .map(|(person, seen)| (person.as_str(), seen.scans))
        .collect();
    assert_eq!(seen, [("ada-id", 1)]);
    scene.world.later(48);
    scene.sync().await;
    let known = scene.engine.removals().await.expect("readable");
    assert!(known.seen.is_empty(), "whoever is staged is not listed twice");
    assert_eq!(known.staged[0].evidence.map(|seen| seen.scans), Some(2));
    assert_eq!(known.staged[0].decision, Decision::Waiting);

    // Approved, and taken back before the next run: the avatar stays, and waits again.
    let decided = scene
        .engine
        .decide_removals(known.staged.clone(), Word::Approve)
        .await;
    assert_eq!(decided.expect("kept"), 1);
    let approved = scene.engine.staged_removals().await.expect("readable");
    assert!(
        matches!(&approved[0].decision, Decision::Approved { at, .. } if *at == scene.world.now()),
        "{:?}",
        approved[0].decision
    );
    let decided = scene.engine.decide_removals(approved, Word::TakeBack).await;
    assert_eq!(decided.expect("kept"), 1);
    assert_eq!(scene.sync().await.summary.removed, 0);
    assert!(scene.world.shown("ada").is_some());
    tried("F10", 1);
}

#[tokio::test]
async fn what_was_staged_anew_since_it_was_shown_is_not_decided() {
    let scene = two_without_a_photo().await;
    scene.sync().await;
    let shown = scene.engine.removals().await.expect("readable").staged;
    scene.world.store_at("ada", Place::SYS_USER, picture(7));
    scene.sync().await;
    let decided = scene.engine.decide_removals(shown, Word::Approve).await;
    assert_eq!(decided.expect("kept"), 1, "bob alone");
    assert_eq!(scene.sync().await.summary.removed, 1);
    assert!(scene.world.shown("ada").is_some());
}

#[tokio::test]
async fn where_removals_are_off_nothing_is_collected_for_them() {
    let mut scene = two_without_a_photo().await;
    scene.engine.settings.policy.mirror_removals = false;
    let known = scene.engine.removals().await.expect("readable");
    assert!(!known.is_on && known.seen.is_empty() && known.staged.is_empty());
}

#[tokio::test]
async fn an_approval_lapses_when_the_avatar_changes() {
    let scene = two_without_a_photo().await;
    scene.sync().await;
    scene.decide(scene.approval()).await;
    scene.world.store_at("ada", Place::SYS_USER, picture(7));
    let report = scene.sync().await;
    assert_eq!((report.summary.removed, report.summary.skipped), (1, 1));
    assert!(scene.world.shown("ada").is_some());
    let staged = scene.engine.staged_removals().await.expect("readable");
    assert_eq!(staged.len(), 1);
    assert_eq!(staged[0].decision, Decision::Waiting, "she waits anew");
}

#[tokio::test]
async fn an_approval_lapses_when_the_photo_has_been_back_in_between() {
    let scene = two_without_a_photo().await;
    scene.sync().await;
    scene.decide(scene.approval()).await;
    scene.world.set_photo("ada", Some(picture(1)));
    scene.plan().await;
    scene.world.set_photo("ada", None);
    scene.plan().await;
    scene.world.later(48);
    assert_eq!(scene.sync().await.summary.removed, 1, "only Bob");
    assert!(scene.world.shown("ada").is_some());
}

#[tokio::test]
async fn a_rejected_removal_is_not_even_planned_until_something_changes() {
    let scene = two_without_a_photo().await;
    scene.sync().await;
    let rejected = Decision::Rejected {
        at: scene.world.now(),
        by: "eve".into(),
    };
    scene.decide(rejected).await;
    let plan = scene.plan().await;
    assert_eq!(removed(&plan), Vec::<&str>::new());
    assert!(why_skipped(&plan, "ada").contains("eve has rejected"));
    scene.sync().await;
    scene.world.store_at("ada", Place::SYS_USER, picture(7));
    assert_eq!(removed(&scene.plan().await), ["ada"]);
}

#[tokio::test]
async fn what_is_no_removal_any_more_waits_for_nobody() {
    let scene = two_without_a_photo().await;
    scene.sync().await;
    scene.world.set_photo("ada", Some(picture(1)));
    scene.sync().await;
    let staged = scene.engine.staged_removals().await.expect("readable");
    let names: Vec<&str> = staged.iter().map(|removal| removal.person.name.raw()).collect();
    assert_eq!(names, ["bob"]);
}

#[tokio::test]
async fn where_no_approval_is_asked_for_the_evidence_decides() {
    let scene = two_without_a_photo().await;
    let world = &scene.world;
    let automatic = world.engine_on(&scene.engine.store, |settings| {
        settings.policy.mirror_removals = true;
        settings.removals_need_approval = false;
    });
    let plan = scene.plan().await;
    assert_eq!(removed(&plan), ["ada", "bob"]);
    let (held, _) = automatic.hold_back_removals(plan).await.expect("readable");
    assert_eq!(removed(&held), ["ada", "bob"]);
}

#[tokio::test]
async fn only_complete_looks_at_everybody_are_evidence_of_an_absence() {
    let mut tries = 0;
    // What is seen a day after the first sighting, and whether that is enough.
    type Look = fn(&World);
    let looks: [(&str, Look, bool); 5] = [
        ("a complete scan", |_| {}, true),
        (
            "a listing that is cut short",
            |world| world.fail("source.people", 2, ErrorKind::Unavailable),
            false,
        ),
        (
            "a target listing that is cut short",
            |world| world.fail("target.people", 2, ErrorKind::Unavailable),
            false,
        ),
        (
            "stamps that are throttled",
            |world| world.fail("source.stamps", 0, ErrorKind::Throttled),
            false,
        ),
        (
            "chains that cannot be read",
            |world| {
                world.fail("target.sweep_chains", 0, ErrorKind::Unavailable);
                world.fail("target.chains", 0, ErrorKind::Unavailable);
            },
            false,
        ),
    ];
    for (what, look, is_enough) in looks {
        let scene = Scene::new(World::with([
            person("ada").avatar(picture(1)),
            person("bob"),
            person("cleo"),
            person("dora"),
        ]));
        assert!(scene.plan().await.complete);
        scene.world.later(24);
        look(&scene.world);
        let cancel = CancellationToken::new();
        // A scan that finds nothing to show is no scan; either way nothing may be counted.
        let scanned = scene.engine.scan(Depth::Settled, &Ignore, &cancel).await;
        if let Ok(scan) = scanned {
            assert_eq!(
                removed(&scene.engine.plan(&scan).await).len(),
                usize::from(is_enough),
                "{what}"
            );
        }
        scene.world.heal();
        let seen = scene.engine.store.standing().absences().await.expect("readable");
        let seen = seen[&SourceId::new("ada-id")];
        assert_eq!(seen.scans, 1 + u32::from(is_enough), "{what}");
        tries += 1;
    }
    tried("E6", tries);
}

#[tokio::test]
async fn an_answer_that_is_no_absence_neither_counts_nor_resets() {
    let scene = Scene::new(World::with([person("ada").avatar(picture(1)), person("bob")]));
    scene.plan().await;
    scene.world.later(24);
    // Somebody who is looked up by name is no scan of everybody.
    scene.push("ada").await;
    let absences = scene.engine.store.standing().absences().await.expect("readable");
    assert_eq!(absences[&SourceId::new("ada-id")].scans, 1);

    let unreadable = Scene::new(World::with([
        person("ada")
            .avatar(picture(1))
            .unreadable_photo("the mailbox is not licensed"),
        person("bob"),
    ]));
    let plan = unreadable.plan().await;
    assert_eq!(plan.skips[0].verdict, Verdict::Error);
    assert_eq!(plan.skips[0].outcome, Outcome::Failed);
    let absences = unreadable
        .engine
        .store
        .standing()
        .absences()
        .await
        .expect("readable");
    assert!(absences.is_empty(), "an error is no absence");
}
