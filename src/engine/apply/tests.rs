use std::sync::Arc;

use super::*;
use crate::connector::ErrorKind;
use crate::domain::comparison::Verdict;
use crate::domain::ids::{SourceId, TargetId};
use crate::domain::photo::Place;
use crate::domain::plan::Skip;
use crate::engine::Depth;
use crate::engine::fakes::{Watched, When, World, cut_off, person, picture};
use crate::engine::scan::Ignore;
use crate::store::{Access, Store, StorePaths};

const NO_LIMITS: Limits = Limits::NONE;

/// A world of people with a photo and no avatar, and a run over them.
struct Scene {
    world: World,
    target: Arc<Watched>,
    engine: Engine,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn of(people: usize) -> Self {
        Self::on(World::with(
            (0..people).map(|number| person(&name(number)).photo(picture(number as u8))),
        ))
    }

    fn on(world: World) -> Self {
        let folder = crate::store::quick_folder();
        let paths = StorePaths {
            state_dir: folder.path().join("state"),
            cache_dir: folder.path().join("cache"),
            profile: "default".into(),
        };
        let store = Arc::new(Store::open(&paths, Access::Write).expect("opens"));
        let target = Arc::new(Watched::new(&world));
        let to = Arc::clone(&target);
        Self {
            engine: world.engine_to(to, &store, |settings| settings.pushes_in_flight = 2),
            world,
            target,
            _folder: folder,
        }
    }

    fn plan(&self, people: usize) -> Plan {
        let step = |number| Step {
            person: reference(&name(number)),
            change: Change::Add,
            expected: self.world.chain(&name(number)).stamp(),
            photo: None,
            upload: None,
            replaces: None,
            reason: "because".into(),
        };
        Plan {
            schema: PLAN_SCHEMA.into(),
            profile: "default".into(),
            made_at: self.world.now(),
            complete: true,
            in_scope: None,
            push_suspicious: false,
            steps: (0..people).map(step).collect(),
            skips: vec![],
        }
    }

    async fn run(&self, plan: Plan, control: &RunControl) -> (RunReport, Vec<RunEvent>) {
        let (events, mut received) = mpsc::channel(4);
        let listening = async {
            let mut heard = Vec::new();
            while let Some(event) = received.recv().await {
                heard.push(event);
            }
            heard
        };
        let selected = plan.selected();
        let running = self.engine.apply(plan, &NO_LIMITS, control, events);
        let (report, heard) = tokio::join!(running, listening);
        let report = report.expect("begun");
        let mut told: Vec<&str> = heard
            .iter()
            .filter_map(|event| match event {
                RunEvent::Step { person, .. } => Some(person.upn.raw()),
                _ => None,
            })
            .collect();
        assert_eq!(told.len() as u64, selected, "everybody is told of");
        told.sort_unstable();
        told.dedup();
        assert_eq!(told.len() as u64, selected, "everybody is told of once");
        assert_eq!(report.summary.selected, selected);
        assert!(report.summary.adds_up());
        assert!(matches!(heard.first(), Some(RunEvent::Started { .. })));
        assert!(matches!(
            heard.last(),
            Some(RunEvent::Finished { summary, .. }) if *summary == report.summary
        ));
        (report, heard)
    }
}

fn name(number: usize) -> String {
    format!("person{number}")
}

fn reference(name: &str) -> PersonRef {
    PersonRef {
        name: name.into(),
        upn: format!("{name}@x.example").into(),
        mail: None,
        source: SourceId::new(format!("{name}-id")),
        target: Some(TargetId::new(format!("{name}-sys"))),
        user_name: None,
    }
}

#[tokio::test]
async fn everybody_gets_their_picture_and_the_next_scan_downloads_nothing() {
    let scene = Scene::of(12);
    let mut plan = scene.plan(12);
    plan.skips.push(Skip {
        person: reference("eve"),
        verdict: Verdict::Excluded,
        outcome: Outcome::Skipped,
        reason: "opted out".into(),
        is_held_back: false,
    });
    let (report, _) = scene.run(plan, &RunControl::new()).await;
    assert_eq!((report.summary.updated, report.summary.skipped), (12, 1));
    assert_eq!(report.stopped, None);
    for number in 0..12 {
        assert_eq!(scene.world.shown(&name(number)), Some(picture(number as u8)));
    }
    scene.world.reset_calls();
    let cancel = CancellationToken::new();
    let scan = scene
        .engine
        .scan(Depth::Settled, &Ignore, &cancel)
        .await
        .expect("a scan");
    assert!(
        scan.people
            .iter()
            .all(|state| state.judgement.verdict == Verdict::InSync)
    );
    assert_eq!(scene.world.calls("source.photo"), 0);
    assert_eq!(scene.engine.plan(&scan).await.steps, vec![]);
}

#[tokio::test]
async fn a_photo_that_cannot_be_pushed_is_not_fetched_again() {
    let scene = Scene::of(1);
    scene.world.set_photo(&name(0), Some(cut_off(0)));
    let (report, _) = scene.run(scene.plan(1), &RunControl::new()).await;
    assert_eq!((report.summary.skipped, report.summary.failed), (1, 0));
    scene.world.reset_calls();
    let cancel = CancellationToken::new();
    scene
        .engine
        .scan(Depth::Deep, &Ignore, &cancel)
        .await
        .expect("a scan");
    assert_eq!(scene.world.calls("source.photo"), 0);
}

#[tokio::test]
async fn no_more_people_are_pushed_at_once_than_the_setting_says() {
    let scene = Scene::of(10);
    scene.run(scene.plan(10), &RunControl::new()).await;
    assert!(
        scene.world.most_in_flight() <= 2,
        "{}",
        scene.world.most_in_flight()
    );
}

#[tokio::test]
async fn cancelling_finishes_the_people_under_way_and_skips_the_rest() {
    let scene = Scene::of(30);
    let control = RunControl::new();
    let stop = control.clone();
    scene.target.on(When::After, "upload", 5, move |_| stop.cancel());
    let (report, events) = scene.run(scene.plan(30), &control).await;
    assert_eq!(report.stopped, Some(StopReason::Cancelled));
    assert_eq!(report.summary.failed, 0);
    assert!(
        report.summary.updated >= 2 && report.summary.skipped > 0,
        "{:?}",
        report.summary
    );
    for event in events {
        if let RunEvent::Step {
            person,
            outcome,
            detail,
            ..
        } = event
        {
            let shown = scene.world.shown(person.name.raw()).is_some();
            assert_eq!(shown, outcome == Outcome::Updated, "{detail}");
        }
    }
}

#[tokio::test]
async fn a_paused_run_goes_on_when_it_is_told_to() {
    let scene = Scene::of(6);
    let control = RunControl::new();
    control.pause();
    let plan = scene.plan(6);
    let running = scene.run(plan, &control);
    let steering = async {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert!(control.is_paused());
        assert_eq!(scene.target.writes(), 0);
        control.resume();
    };
    let ((report, _), ()) = tokio::join!(running, steering);
    assert_eq!(report.summary.updated, 6);
}

#[tokio::test]
async fn twenty_refusals_in_a_row_stop_the_run_and_name_the_right() {
    let scene = Scene::of(80);
    let needs = "the role avatar_writer".to_owned();
    scene
        .world
        .fail("target.upload", 0, ErrorKind::NotAllowed { needs });
    let (report, _) = scene.run(scene.plan(80), &RunControl::new()).await;
    match report.stopped {
        Some(StopReason::Refused {
            is_access: true,
            message,
        }) => {
            assert!(
                message.contains("avatar_writer") && message.contains("20"),
                "{message}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(
        report.summary.failed >= 20 && report.summary.skipped > 0,
        "{:?}",
        report.summary
    );
}

#[tokio::test]
async fn one_person_who_fails_does_not_stop_the_others() {
    let scene = Scene::of(8);
    scene.world.fail("target.upload", 1, ErrorKind::Refused);
    let (report, _) = scene.run(scene.plan(8), &RunControl::new()).await;
    assert_eq!((report.summary.failed, report.summary.updated), (1, 7));
    assert_eq!(report.stopped, None);
    assert_eq!(
        scene.world.calls("source.photo"),
        8,
        "what will never work is not tried again"
    );
}

#[tokio::test]
async fn trouble_that_passes_costs_nobody_their_picture() {
    let kinds = [
        ErrorKind::Unavailable,
        ErrorKind::Throttled,
        ErrorKind::OutcomeUnknown,
    ];
    let calls = [
        "target.chains",
        "source.photo",
        "target.upload",
        "target.displayed",
    ];
    for kind in kinds {
        for call in calls {
            let scene = Scene::of(6);
            // A write of which nobody knows how it went is looked up and sent three times.
            for nth in 3..6 {
                scene.world.fail(call, nth, kind.clone());
            }
            let (report, _) = scene.run(scene.plan(6), &RunControl::new()).await;
            assert_eq!(report.summary.updated, 6, "{call} {kind:?}: {:?}", report.summary);
            assert_eq!(report.stopped, None);
            for number in 0..6 {
                assert_eq!(scene.world.shown(&name(number)), Some(picture(number as u8)));
                let rows = scene.world.chain(&name(number)).records;
                assert!(
                    rows.iter().all(|record| record.pictures.len() == 1),
                    "{call} {kind:?}"
                );
            }
            let journal = scene.engine.store.journal();
            assert!(journal.unfinished().await.expect("read").is_empty());
            let steps = journal.steps(&report.run).await.expect("read");
            assert_eq!(steps.len(), 6, "each is written down once");
            assert!(steps.iter().all(|step| step.outcome == Outcome::Updated));
        }
    }
    crate::tried("B1", 12);
}

#[tokio::test]
async fn whoever_is_left_by_others_in_a_further_turn_has_a_third_one_and_no_more() {
    let scene = Scene::of(8);
    // The first two people fail, and one of them once more: the turn of the other shows that the service works.
    for nth in [1, 2, 9] {
        scene.world.fail("source.photo", nth, ErrorKind::Unavailable);
    }
    let (report, _) = scene.run(scene.plan(8), &RunControl::new()).await;
    assert_eq!((report.summary.updated, report.summary.failed), (8, 0));
    assert_eq!(scene.world.calls("source.photo"), 11);

    // Alone, a second turn that ends like the first is the last.
    let scene = Scene::of(8);
    for nth in [1, 9] {
        scene.world.fail("source.photo", nth, ErrorKind::Unavailable);
    }
    let (report, _) = scene.run(scene.plan(8), &RunControl::new()).await;
    assert_eq!((report.summary.updated, report.summary.failed), (7, 1));
    assert_eq!(scene.world.calls("source.photo"), 9);
}

#[tokio::test]
async fn what_fails_for_everybody_is_not_tried_again_in_the_same_run() {
    let scene = Scene::of(6);
    scene.world.fail("source.photo", 0, ErrorKind::Unavailable);
    let (report, _) = scene.run(scene.plan(6), &RunControl::new()).await;
    assert_eq!(report.summary.failed, 6);
    assert_eq!(scene.world.calls("source.photo"), 6);
}

#[tokio::test]
async fn a_cancelled_run_gives_nobody_a_further_turn() {
    let scene = Scene::of(8);
    scene.world.fail("source.photo", 1, ErrorKind::Unavailable);
    let control = RunControl::new();
    let stop = control.clone();
    // The last upload of everybody's first turn.
    scene.target.on(When::After, "upload", 14, move |_| stop.cancel());
    let (report, _) = scene.run(scene.plan(8), &control).await;
    assert_eq!(report.stopped, Some(StopReason::Cancelled));
    assert_eq!((report.summary.updated, report.summary.failed), (7, 1));
    assert_eq!(scene.world.calls("source.photo"), 8);
}

#[tokio::test]
async fn whoever_was_changed_between_two_turns_is_left_alone() {
    let scene = Scene::of(4);
    scene.world.fail("target.upload", 1, ErrorKind::Unavailable);
    let unlucky = Arc::new(parking_lot::Mutex::new(None));
    let chosen = Arc::clone(&unlucky);
    // While the others have their turn, somebody gives the one who waits another picture.
    scene.target.on(When::After, "upload", 6, move |world| {
        let without = (0..4).find(|number| world.shown(&name(*number)).is_none());
        let number = without.expect("one waits for a further turn");
        world.store_at(&name(number), Place::LIVE_PROFILE, picture(99));
        *chosen.lock() = Some(number);
    });
    let (report, _) = scene.run(scene.plan(4), &RunControl::new()).await;
    assert_eq!((report.summary.updated, report.summary.changed_meanwhile), (3, 1));
    let number = unlucky.lock().expect("there was one");
    assert_eq!(scene.world.shown(&name(number)), Some(picture(99)));
}

#[tokio::test]
async fn old_pictures_that_trouble_kept_from_going_go_in_a_further_turn() {
    let world = World::with((0..4).map(|number| {
        person(&name(number))
            .photo(picture(number as u8))
            .avatar(picture(100 + number as u8))
    }));
    let scene = Scene::on(world);
    for nth in 1..4 {
        scene.world.fail("target.remove", nth, ErrorKind::OutcomeUnknown);
    }
    let mut plan = scene.plan(4);
    plan.steps
        .iter_mut()
        .for_each(|step| step.change = Change::Replace);
    let (report, events) = scene.run(plan, &RunControl::new()).await;
    assert_eq!(report.summary.updated, 4, "{events:?}");
    for number in 0..4 {
        let records = scene.world.chain(&name(number)).records;
        assert!(
            records.iter().all(|record| record.pictures.len() <= 1),
            "{records:?}"
        );
        assert_eq!(scene.world.shown(&name(number)), Some(picture(number as u8)));
    }
    let unfinished = scene.engine.store.journal().unfinished().await.expect("read");
    assert_eq!(unfinished, vec![]);
    crate::tried("G5", 1);
}

#[tokio::test]
async fn one_person_who_is_refused_for_long_does_not_stop_the_others() {
    let scene = Scene::of(8);
    for nth in [1, 9] {
        scene.world.fail("source.photo", nth, ErrorKind::Throttled);
    }
    let (report, _) = scene.run(scene.plan(8), &RunControl::new()).await;
    assert_eq!((report.summary.updated, report.summary.failed), (7, 1));
    assert_eq!(report.stopped, None);
    crate::tried("A6", 1);
}

#[tokio::test]
async fn a_service_that_refuses_everybody_stops_the_run() {
    let scene = Scene::of(40);
    scene.world.fail("source.photo", 0, ErrorKind::Throttled);
    let (report, _) = scene.run(scene.plan(40), &RunControl::new()).await;
    assert!(
        matches!(
            &report.stopped,
            Some(StopReason::Refused { is_access: false, .. })
        ),
        "{:?}",
        report.stopped
    );
    assert!(
        report.summary.failed >= 5 && report.summary.skipped > 20,
        "{:?}",
        report.summary
    );
}

#[tokio::test]
async fn a_pause_that_is_too_long_stops_the_run_at_once() {
    let scene = Scene::of(40);
    scene.world.fail("target.chains", 1, ErrorKind::PauseTooLong);
    let (report, _) = scene.run(scene.plan(40), &RunControl::new()).await;
    assert!(
        matches!(
            &report.stopped,
            Some(StopReason::Refused { is_access: false, .. })
        ),
        "{:?}",
        report.stopped
    );
    assert!(report.summary.skipped > 30, "{:?}", report.summary);
}

#[tokio::test]
async fn the_failure_brake_ends_further_turns_but_not_a_run_in_which_most_got_through() {
    let (people, failing) = (210, 70);
    let scene = Scene::of(people);
    for position in 0..failing {
        scene
            .world
            .fail("source.photo", position * 3 + 1, ErrorKind::Unavailable);
    }
    // In the further turns nobody gets through.
    for nth in 0..failing {
        scene
            .world
            .fail("source.photo", people as u64 + nth + 1, ErrorKind::Unavailable);
    }
    let (report, _) = scene.run(scene.plan(people), &RunControl::new()).await;
    assert_eq!(report.stopped, None, "not a brake: a third of the people failed");
    assert_eq!((report.summary.updated, report.summary.failed), (140, 70));
    let asked = scene.world.calls("source.photo");
    assert!((260..280).contains(&asked), "{asked}");
}

#[tokio::test]
async fn a_panic_in_one_push_is_that_persons_failure_and_is_looked_at_by_the_next_start() {
    let scene = Scene::of(5);
    scene.target.on(When::Before, "displayed", 1, |_| panic!("a bug"));
    let (report, _) = scene.run(scene.plan(5), &RunControl::new()).await;
    assert_eq!((report.summary.failed, report.summary.updated), (1, 4));
    assert_eq!(scene.engine.recover().await.expect("settled").len(), 1);
    for number in 0..5 {
        assert!(scene.world.shown(&name(number)).is_some());
    }
    crate::tried("I3", 1);
}

#[tokio::test]
async fn plans_that_are_not_ours_or_go_too_far_are_refused_before_anything_is_written() {
    let scene = Scene::of(3);
    let refused = |plan: Plan, limits: Limits| {
        let (events, _) = mpsc::channel(4);
        let engine = &scene.engine;
        async move {
            engine
                .apply(plan, &limits, &RunControl::new(), events)
                .await
                .expect_err("refused")
        }
    };
    let other = Plan {
        profile: "other".into(),
        ..scene.plan(1)
    };
    assert!(matches!(
        refused(other, NO_LIMITS).await,
        ApplyError::OtherProfile { .. }
    ));
    let newer = Plan {
        schema: "avatar-sync/plan/9".into(),
        ..scene.plan(1)
    };
    assert!(matches!(
        refused(newer, NO_LIMITS).await,
        ApplyError::Schema { .. }
    ));
    let two = Limits {
        max_changes: Some(2),
        ..Limits::NONE
    };
    assert!(matches!(refused(scene.plan(3), two).await, ApplyError::Breach(_)));
    let mut removing = Plan {
        complete: false,
        ..scene.plan(1)
    };
    removing.steps[0].change = Change::Remove;
    assert!(matches!(
        refused(removing, NO_LIMITS).await,
        ApplyError::RemovesOnIncompleteListing
    ));
    assert_eq!(scene.target.writes(), 0);
}

/// `reliability.md` N3: a run goes on after an hour, and somebody has set another picture meanwhile.
#[tokio::test]
async fn whoever_was_changed_during_a_long_pause_drops_out() {
    let scene = Scene::of(6);
    let control = RunControl::new();
    control.pause();
    let plan = scene.plan(6);
    let running = scene.run(plan, &control);
    let pausing = async {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        scene.world.later(1);
        scene.world.store_at(&name(2), Place::LIVE_PROFILE, picture(99));
        control.resume();
    };
    let ((report, _), ()) = tokio::join!(running, pausing);
    assert_eq!((report.summary.updated, report.summary.changed_meanwhile), (5, 1));
    let rows = scene.world.chain(&name(2)).records;
    let rows: Vec<_> = rows.iter().flat_map(|record| &record.pictures).collect();
    assert_eq!(rows.len(), 1, "nothing was stored beside it");
    crate::tried("N3", 1);
}

/// What was sent to the target must have been announced on the disk before.
async fn announced(scene: &Scene) -> usize {
    let runs = scene.engine.store.journal().runs(10).await.expect("read");
    let mut announced = 0;
    for run in runs {
        let writes = scene.engine.store.journal().writes(&run.id).await.expect("read");
        announced += writes.len();
    }
    announced
}

#[tokio::test]
async fn without_room_on_the_disk_nothing_is_sent_and_with_room_again_the_run_goes_on() {
    const TIMES: usize = 10;
    let mut paused = 0;
    for page in 0..TIMES {
        let scene = Scene::of(30);
        let journal = scene.engine.store.journal().clone();
        let control = RunControl::new();
        let store = Arc::clone(&scene.engine.store);
        // Some pages after the third upload the disk is full.
        let full = journal.clone();
        let handle = tokio::runtime::Handle::current();
        scene.target.on(When::After, "upload", 3, move |_| {
            let full = full.clone();
            handle.spawn(async move { full.limit_pages(1 + page as u32).await });
        });
        let plan = scene.plan(30);
        let running = scene.run(plan, &control);
        let watching = async {
            let mut seen = false;
            for _ in 0..2_000 {
                if store.without_room().is_some() {
                    seen = true;
                    // Everything that was sent is written down; while there is no room nothing more is sent.
                    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
                    let writes = scene.target.writes();
                    assert!(writes <= announced(&scene).await, "{writes}");
                    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
                    assert_eq!(scene.target.writes(), writes, "nothing is sent meanwhile");
                    assert!(scene.engine.lanes().iter().any(|lane| lane.name == "disk"));
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
            journal.limit_pages(1_000_000).await;
            seen
        };
        let ((report, _), seen) = tokio::join!(running, watching);
        paused += usize::from(seen);
        assert_eq!(report.stopped, None);
        assert_eq!(report.summary.updated, 30, "{:?}", report.summary);
        assert_eq!(scene.engine.store.without_room(), None);
        let record = journal.run(&report.run).await.expect("read").expect("known");
        assert_eq!(
            record.summary,
            Some(report.summary),
            "nothing was lost on the way"
        );
        assert!(journal.outstanding().await.expect("read").is_empty());
    }
    assert!(paused >= TIMES / 2, "{paused} times there was no room");
    crate::tried("J1", paused);
}

#[tokio::test]
async fn a_run_that_waits_for_room_can_be_cancelled_and_the_next_start_settles_what_is_left() {
    let scene = Scene::of(20);
    let journal = scene.engine.store.journal().clone();
    let store = Arc::clone(&scene.engine.store);
    let control = RunControl::new();
    let full = journal.clone();
    let handle = tokio::runtime::Handle::current();
    scene.target.on(When::After, "upload", 3, move |_| {
        let full = full.clone();
        handle.spawn(async move { full.limit_pages(1).await });
    });
    let stop = control.clone();
    let running = scene.run(scene.plan(20), &control);
    let watching = async {
        let mut looks = 0;
        while store.without_room().is_none() {
            looks += 1;
            assert!(looks < 5_000, "there was room all the time");
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        stop.cancel();
    };
    let ((report, _), ()) = tokio::join!(running, watching);
    assert!(report.stopped.is_some());
    assert!(report.summary.adds_up());
    assert!(report.summary.skipped > 0, "{:?}", report.summary);

    // There is room again: what was in hand reaches the disk, or the next start looks at the target.
    journal.limit_pages(1_000_000).await;
    scene.engine.recover().await.expect("settled");
    assert!(journal.unfinished().await.expect("read").is_empty());
    let scan = scene
        .engine
        .scan(Depth::Settled, &Ignore, &CancellationToken::new())
        .await
        .expect("a scan");
    let plan = scene.engine.plan(&scan).await;
    let (again, _) = scene.run(plan, &RunControl::new()).await;
    assert_eq!(again.summary.failed, 0);
    for number in 0..20 {
        assert_eq!(scene.world.shown(&name(number)), Some(picture(number as u8)));
        let rows: usize = scene
            .world
            .chain(&name(number))
            .records
            .iter()
            .map(|record| record.pictures.len())
            .sum();
        assert!(rows <= 2, "{number}: one picture a record");
    }
    crate::tried("J2", 1);
}
