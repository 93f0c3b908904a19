//! Whole stories about looking: what a scan says, what it asks for, and what a plan makes of it.

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::fakes::{Bench, World, cut_off, heavy_picture, person, picture, picture_again, placeholder};
use super::scan::{Ignore, ScanEvent};
use super::{Depth, Engine, EngineError, FindError, Scan, SidePicture, Standing};
use crate::connector::{ErrorKind, ProbeResult, Speaker};
use crate::domain::comparison::Verdict;
use crate::domain::ids::{SourceId, TargetId};
use crate::domain::pairing::{Ambiguity, MatchRule};
use crate::domain::photo::Place;
use crate::domain::plan::{Change, Plan, Policy};
use crate::domain::run::Outcome;
use crate::domain::scope::OptOut;

async fn scan(engine: &Engine, depth: Depth) -> Scan {
    engine
        .scan(depth, &Ignore, &CancellationToken::new())
        .await
        .expect("a scan")
}

fn verdicts(scan: &Scan) -> Vec<(&str, Verdict)> {
    scan.people
        .iter()
        .map(|state| (state.source.name.raw(), state.judgement.verdict))
        .collect()
}

fn verdict(scan: &Scan, name: &str) -> Verdict {
    state(scan, name).judgement.verdict
}

fn state<'a>(scan: &'a Scan, name: &str) -> &'a super::PersonState {
    scan.people
        .iter()
        .find(|state| state.source.name.raw() == name)
        .expect("listed")
}

fn steps(plan: &Plan) -> Vec<(&str, Change)> {
    plan.steps
        .iter()
        .map(|step| (step.person.name.raw(), step.change))
        .collect()
}

fn skipped<'a>(plan: &'a Plan, name: &str) -> &'a crate::domain::plan::Skip {
    plan.skips
        .iter()
        .find(|skip| skip.person.name.raw() == name)
        .expect("skipped")
}

#[tokio::test]
async fn every_verdict_arises_from_its_cause() {
    let world = World::with([
        person("in sync").photo(picture(1)).avatar(picture(1)),
        person("re-encoded").photo(picture(1)).avatar(picture_again(1)),
        person("differs").photo(picture(1)).avatar(picture(2)),
        person("missing").photo(picture(1)),
        person("only in target").avatar(picture(1)),
        person("placeholder").photo(placeholder()).avatar(picture(1)),
        person("neither"),
        person("pixel").photo(placeholder()),
        person("cut off").photo(cut_off(1)),
        person("dangling")
            .photo(picture(1))
            .column(Place::LIVE_PROFILE, "gone"),
        person("twice")
            .photo(picture(1))
            .avatar(picture(1))
            .avatar(picture(2)),
        person("damaged there").photo(picture(1)).avatar(cut_off(2)),
        person("no hash")
            .photo(picture(1))
            .avatar(picture(1))
            .without_hash(),
        person("no version")
            .photo(picture(1))
            .without_etag()
            .avatar(picture(1)),
        person("attached").photo(picture(1)).avatar(picture(1)).plain(),
        person("infected")
            .photo(picture(1))
            .avatar(picture(1))
            .quarantined(),
        person("alone").photo(picture(1)).only_in_source(),
        person("guest").photo(picture(1)).guest(),
        person("hybrid").unreadable_photo("the mailbox is not in Exchange Online"),
    ]);
    let engine = world.engine();
    let scan = scan(&engine, Depth::Deep).await;
    assert_eq!(
        verdicts(&scan),
        [
            ("in sync", Verdict::InSync),
            ("re-encoded", Verdict::SamePicture),
            ("differs", Verdict::Differs),
            ("missing", Verdict::Missing),
            ("only in target", Verdict::OnlyInTarget),
            ("placeholder", Verdict::OnlyInTarget),
            ("neither", Verdict::Neither),
            ("pixel", Verdict::Neither),
            ("cut off", Verdict::Broken),
            ("dangling", Verdict::Broken),
            ("twice", Verdict::Broken),
            ("damaged there", Verdict::Broken),
            ("no hash", Verdict::InSync),
            ("no version", Verdict::InSync),
            ("attached", Verdict::Missing),
            ("infected", Verdict::Broken),
            ("alone", Verdict::Unmatched),
            ("guest", Verdict::Excluded),
            ("hybrid", Verdict::Error),
        ]
    );
    assert!(scan.complete);
    assert_eq!(scan.problems, Vec::<String>::new());
}

#[tokio::test]
async fn a_shallow_scan_downloads_nothing_and_leaves_the_unseen_undecided() {
    let world = World::with([
        person("ada").photo(picture(1)).avatar(picture(1)),
        person("bob").photo(picture(2)),
        person("cleo").avatar(picture(3)),
    ]);
    let engine = world.engine();
    let scan = scan(&engine, Depth::Stamps).await;
    assert_eq!(
        verdicts(&scan),
        [
            ("ada", Verdict::Undecided),
            ("bob", Verdict::Missing),
            ("cleo", Verdict::OnlyInTarget)
        ]
    );
    assert_eq!(world.calls("source.photo") + world.calls("target.download"), 0);
}

#[tokio::test]
async fn for_a_run_a_missing_avatar_is_not_downloaded_twice() {
    let world = World::with([person("ada").photo(picture(1))]);
    let engine = world.engine();
    assert_eq!(
        verdict(&scan(&engine, Depth::Settled).await, "ada"),
        Verdict::Missing
    );
    assert_eq!(world.calls("source.photo"), 0);
    scan(&engine, Depth::Deep).await;
    assert_eq!(world.calls("source.photo"), 1);
}

#[tokio::test]
async fn what_was_seen_once_is_not_downloaded_again() {
    let world = World::with([
        person("ada").photo(picture(1)).avatar(picture(1)),
        person("bob").photo(picture(2)).avatar(picture(3)),
        person("cleo").photo(picture(4)).avatar(picture(5)).without_hash(),
        person("dora").photo(cut_off(6)),
        person("eve").photo(placeholder()),
    ]);
    let engine = world.engine();
    let first = scan(&engine, Depth::Deep).await;
    world.reset_calls();
    for depth in [Depth::Deep, Depth::Stamps] {
        let again = scan(&engine, depth).await;
        assert_eq!(verdicts(&again), verdicts(&first));
    }
    assert_eq!(world.calls("source.photo") + world.calls("target.download"), 0);
}

#[tokio::test]
async fn a_photo_is_downloaded_again_when_its_version_moves_or_has_no_name() {
    let world = World::with([person("ada").photo(picture(1)).avatar(picture(1))]);
    let engine = world.engine();
    scan(&engine, Depth::Settled).await;

    let version = |etag| {
        world.set_etag("ada", etag);
        world.reset_calls();
    };
    version(Some("\"other\""));
    scan(&engine, Depth::Settled).await;
    assert_eq!(world.calls("source.photo"), 1, "another version");

    version(Some("W/\"other\""));
    assert_eq!(
        verdict(&scan(&engine, Depth::Stamps).await, "ada"),
        Verdict::InSync
    );
    scan(&engine, Depth::Settled).await;
    assert_eq!(world.calls("source.photo"), 0, "the same version, marked weak");

    version(None);
    assert_eq!(
        verdict(&scan(&engine, Depth::Stamps).await, "ada"),
        Verdict::Undecided
    );
    for _ in 0..2 {
        assert_eq!(
            verdict(&scan(&engine, Depth::Settled).await, "ada"),
            Verdict::InSync
        );
    }
    assert_eq!(world.calls("source.photo"), 2, "no version: the bytes each time");
}

#[tokio::test]
async fn a_photo_in_a_form_that_the_target_does_not_take_is_compared_as_it_would_be_uploaded() {
    let photo = heavy_picture(1);
    let world = World::with([person("ada").photo(photo.clone())]);
    world.upload_limit(photo.len() as u64 - 1);
    let engine = world.engine();
    let before = scan(&engine, Depth::Deep).await;
    let upload = state(&before, "ada")
        .content
        .prepared
        .expect("too large as it is");
    assert_ne!(upload, crate::domain::photo::Sha256::of(&photo));

    // Another limit is another upload: what is remembered for one is not taken for the other.
    world.upload_limit(1 << 20);
    world.reset_calls();
    let after = scan(&engine, Depth::Deep).await;
    assert_eq!(state(&after, "ada").content.prepared, None);
    assert_eq!(world.calls("source.photo"), 1);
}

#[tokio::test]
async fn a_scan_without_a_change_costs_pages_stamps_and_one_sweep() {
    let people: Vec<_> = (1..=40)
        .map(|seed| {
            person(&format!("p{seed}"))
                .photo(picture(seed))
                .avatar(picture(seed))
        })
        .collect();
    let world = World::with(people);
    world.page_size(10);
    let engine = world.engine();
    scan(&engine, Depth::Settled).await;
    world.reset_calls();
    let again = scan(&engine, Depth::Settled).await;
    assert!(verdicts(&again).iter().all(|(_, v)| *v == Verdict::InSync));
    for (call, times) in [
        ("source.people", 5),
        ("target.people", 5),
        ("target.count", 1),
        ("source.stamps", 40),
        ("target.sweep_chains", 1),
        ("source.group_members", 0),
        ("source.lookup", 0),
        ("target.lookup", 0),
        ("target.chains", 0),
        ("target.displayed", 0),
        ("source.photo", 0),
        ("target.download", 0),
    ] {
        assert_eq!(world.calls(call), times, "{call}");
    }
}

#[tokio::test]
async fn stamps_are_asked_for_people_in_scope_who_are_paired_and_for_nobody_else() {
    let world = World::with([
        person("ada").photo(picture(1)),
        person("guest").photo(picture(2)).guest(),
        person("alone").photo(picture(3)).only_in_source(),
    ]);
    let engine = world.engine();
    scan(&engine, Depth::Deep).await;
    assert_eq!(world.calls("source.stamps"), 1);
}

#[tokio::test]
async fn a_listing_that_breaks_off_makes_the_scan_incomplete_and_says_so() {
    let world = World::with([
        person("ada").photo(picture(1)),
        person("bob").photo(picture(2)),
        person("cleo").photo(picture(3)),
    ]);
    let engine = world.engine();
    world.fail("source.people", 2, ErrorKind::Unavailable);
    let scan = scan(&engine, Depth::Settled).await;
    assert!(!scan.complete);
    assert_eq!(
        verdicts(&scan),
        [("ada", Verdict::Missing), ("bob", Verdict::Missing)]
    );
    assert_eq!(scan.problems.len(), 1);
    assert!(
        scan.problems[0].starts_with("the listing of Entra ID was cut short after 2 people"),
        "{:?}",
        scan.problems
    );
    crate::tried("E6", 1);
}

#[tokio::test]
async fn nobody_is_called_unmatched_when_the_targets_listing_broke_off() {
    let world = World::with([
        person("ada").photo(picture(1)),
        person("bob").photo(picture(2)),
        person("cleo").photo(picture(3)),
    ]);
    let engine = world.engine();
    world.fail("target.people", 2, ErrorKind::Unavailable);
    let scan = scan(&engine, Depth::Deep).await;
    assert!(!scan.complete);
    assert_eq!(
        verdicts(&scan),
        [
            ("ada", Verdict::Missing),
            ("bob", Verdict::Missing),
            ("cleo", Verdict::Undecided)
        ]
    );
    let plan = engine.plan(&scan).await;
    assert_eq!(steps(&plan), [("ada", Change::Add), ("bob", Change::Add)]);
    crate::tried("E6", 1);
}

#[tokio::test]
async fn a_scan_fails_when_a_side_refuses_or_lists_nobody() {
    let refusals = [
        ("source.people", 1, ErrorKind::SignInRejected, true),
        ("target.people", 2, ErrorKind::SignInRejected, true),
        (
            "target.people",
            2,
            ErrorKind::NotAllowed { needs: "itil".into() },
            true,
        ),
        ("target.people", 1, ErrorKind::Unavailable, false),
        (
            "source.people",
            2,
            ErrorKind::WrongSpeaker(Speaker::LogInPage),
            false,
        ),
        (
            "source.stamps",
            1,
            ErrorKind::NotAllowed {
                needs: "ProfilePhoto.Read.All".into(),
            },
            true,
        ),
        (
            "target.sweep_chains",
            1,
            ErrorKind::WrongSpeaker(Speaker::Hibernating),
            false,
        ),
    ];
    for (call, nth, kind, is_access) in refusals {
        let world = World::with([person("ada").photo(picture(1)), person("bob"), person("cleo")]);
        let engine = world.engine();
        world.fail(call, nth, kind.clone());
        let result = engine.scan(Depth::Deep, &Ignore, &CancellationToken::new()).await;
        let error = result.expect_err(call);
        assert_eq!(error.kind(), Some(&kind), "{call}");
        assert_eq!(error.is_access(), is_access, "{call}");
        assert_eq!(error.hint(), Some("see the manual"), "{call}");
    }
}

#[tokio::test]
async fn when_the_sweep_of_avatars_fails_nobody_is_called_missing() {
    let world = World::with([person("ada").photo(picture(1)), person("bob").only_in_source()]);
    let engine = world.engine();
    world.fail("target.sweep_chains", 1, ErrorKind::Unavailable);
    let scan = scan(&engine, Depth::Deep).await;
    assert_eq!(
        verdicts(&scan),
        [("ada", Verdict::Error), ("bob", Verdict::Unmatched)]
    );
    assert!(!scan.complete);
    let plan = engine.plan(&scan).await;
    assert_eq!(skipped(&plan, "ada").outcome, Outcome::Failed);
}

#[tokio::test]
async fn people_whose_stamps_did_not_come_are_errors_and_the_others_are_judged() {
    let world = World::with([
        person("ada").photo(picture(1)),
        person("bob").photo(picture(2)),
        person("cleo").avatar(picture(3)),
    ]);
    let engine = world.engine();
    world.fail("source.stamps", 2, ErrorKind::Throttled);
    let scan = scan(&engine, Depth::Stamps).await;
    assert_eq!(
        verdicts(&scan),
        [
            ("ada", Verdict::Missing),
            ("bob", Verdict::Error),
            ("cleo", Verdict::Error)
        ]
    );
    assert!(
        scan.problems[0].contains("2 people could not be asked"),
        "{:?}",
        scan.problems
    );
}

#[tokio::test]
async fn a_picture_that_cannot_be_downloaded_concerns_one_person() {
    let world = World::with([
        person("ada").photo(picture(1)).avatar(picture(2)),
        person("bob").photo(picture(3)).avatar(picture(3)),
    ]);
    let engine = world.engine();
    // Once more at the end, in vain.
    for nth in [1, 2] {
        world.fail("target.download", nth, ErrorKind::Unavailable);
    }
    let scan = scan(&engine, Depth::Settled).await;
    assert_eq!(
        verdicts(&scan),
        [("ada", Verdict::Error), ("bob", Verdict::InSync)]
    );
    assert_eq!(world.calls("target.download"), 2);
}

#[tokio::test]
async fn whoever_trouble_kept_from_being_seen_is_looked_at_once_more_if_others_were() {
    for call in ["source.photo", "target.download"] {
        let world = World::with([
            person("ada").photo(picture(1)).avatar(picture(2)),
            person("bob").photo(picture(3)).avatar(picture(3)),
        ]);
        let engine = world.engine();
        world.fail(call, 1, ErrorKind::Throttled);
        let scan = scan(&engine, Depth::Settled).await;
        assert_eq!(
            verdicts(&scan),
            [("ada", Verdict::Differs), ("bob", Verdict::InSync)],
            "{call}"
        );
    }
    let world = World::with((0..9).map(|seed| {
        person(&format!("p{seed}"))
            .photo(picture(seed))
            .avatar(picture(20))
    }));
    let engine = world.engine();
    world.fail("source.photo", 0, ErrorKind::Unavailable);
    let scan = scan(&engine, Depth::Settled).await;
    assert!(
        verdicts(&scan)
            .iter()
            .all(|(_, verdict)| *verdict == Verdict::Error)
    );
    assert_eq!(
        world.calls("source.photo"),
        9,
        "what keeps everybody from being seen is no bad luck"
    );
}

#[tokio::test]
async fn refused_downloads_in_a_row_are_a_missing_right() {
    let people: Vec<_> = (1..=30)
        .map(|seed| person(&format!("p{seed}")).photo(picture(seed)))
        .collect();
    let world = World::with(people);
    let engine = world.engine();
    let kind = ErrorKind::NotAllowed {
        needs: "ProfilePhoto.Read.All".into(),
    };
    world.fail("source.photo", 0, kind);
    let error = engine
        .scan(Depth::Deep, &Ignore, &CancellationToken::new())
        .await
        .expect_err("refused");
    assert!(error.is_access());
}

#[tokio::test]
async fn what_was_learnt_before_a_scan_ended_early_is_kept() {
    let people: Vec<_> = (1..=100)
        .map(|seed| person(&format!("p{seed}")).photo(picture(seed)))
        .collect();
    let world = World::with(people);
    let engine = world.engine();
    world.fail("source.photo", 90, ErrorKind::SignInRejected);
    let result = engine.scan(Depth::Deep, &Ignore, &CancellationToken::new()).await;
    assert!(result.is_err());
    let before = world.calls("source.photo");
    assert!((90..100).contains(&before), "{before}");
    world.heal();
    world.reset_calls();
    scan(&engine, Depth::Deep).await;
    // Whatever was under way is asked for again; what had come is not.
    let again = world.calls("source.photo");
    assert!(
        again <= 100 - 89 + super::settle::PEOPLE_IN_FLIGHT as u64,
        "{again}"
    );
}

#[tokio::test]
async fn a_scan_stops_when_told_to_and_keeps_what_it_learnt() {
    let people: Vec<_> = (1..=100)
        .map(|seed| person(&format!("p{seed}")).photo(picture(seed)))
        .collect();
    let world = World::with(people);
    let engine = world.engine();
    let cancel = CancellationToken::new();
    let stop = |event: ScanEvent<'_>| {
        if matches!(event, ScanEvent::Settling { done: 30, .. }) {
            cancel.cancel();
        }
    };
    let result = engine.scan(Depth::Deep, &stop, &cancel).await;
    assert!(matches!(result, Err(EngineError::Cancelled)), "{result:?}");
    world.reset_calls();
    scan(&engine, Depth::Deep).await;
    assert_eq!(world.calls("source.photo"), 70);
}

#[tokio::test]
async fn however_many_pictures_there_are_only_so_many_are_on_their_way() {
    let people: Vec<_> = (0..100)
        .map(|seed| {
            person(&format!("p{seed}"))
                .photo(picture(seed))
                .avatar(picture(seed + 1))
        })
        .collect();
    let world = World::with(people);
    world.page_size(100);
    let engine = world.engine();
    scan(&engine, Depth::Deep).await;
    let most = world.most_in_flight();
    assert!((2..=super::settle::PEOPLE_IN_FLIGHT).contains(&most), "{most}");
}

#[tokio::test]
async fn rivals_for_one_user_are_all_ambiguous_and_the_candidates_are_named() {
    let same_mail = |name: &str| {
        person(name)
            .photo(picture(1))
            .source_with(|source| source.mail = Some("shared@x.example".into()))
            .only_in_source()
    };
    let world = World::with([
        same_mail("ada"),
        same_mail("bob"),
        person("shared").only_in_target(),
        person("idle").only_in_target(),
    ]);
    let engine = world.engine();
    let scan = scan(&engine, Depth::Deep).await;
    assert_eq!(
        verdicts(&scan),
        [("ada", Verdict::Ambiguous), ("bob", Verdict::Ambiguous)]
    );
    let Standing::Ambiguous { candidates, .. } = &state(&scan, "ada").standing else {
        panic!("{:?}", state(&scan, "ada").standing);
    };
    assert_eq!(candidates[0].name.raw(), "shared");
    assert_eq!(scan.target_only, 1, "idle matches nobody");
}

#[tokio::test]
async fn users_that_access_rules_hide_are_counted_and_told() {
    let world = World::with([person("ada")]);
    world.hide(3);
    let engine = world.engine();
    let scan = scan(&engine, Depth::Stamps).await;
    assert!(
        scan.problems[0].contains("3 rows are hidden"),
        "{:?}",
        scan.problems
    );
    assert!(scan.complete);
}

#[tokio::test]
async fn groups_narrow_the_scope_and_an_unknown_one_ends_the_scan() {
    let world = World::with([
        person("ada").photo(picture(1)),
        person("bob").photo(picture(2)),
        person("cleo").photo(picture(3)),
    ]);
    world.group("staff", &["ada", "bob"]);
    world.group("board", &["bob"]);
    let engine = world.engine_with(|settings| {
        settings.include_groups = vec!["staff".into()];
        settings.exclude_groups = vec!["board".into()];
    });
    assert_eq!(
        verdicts(&scan(&engine, Depth::Stamps).await),
        [
            ("ada", Verdict::Missing),
            ("bob", Verdict::Excluded),
            ("cleo", Verdict::Excluded)
        ]
    );

    let engine = world.engine_with(|settings| settings.exclude_groups = vec!["bord".into()]);
    let error = engine
        .scan(Depth::Stamps, &Ignore, &CancellationToken::new())
        .await
        .expect_err("unknown");
    assert!(matches!(&error, EngineError::Group { group, .. } if group == "bord"));
    assert_eq!(error.kind(), Some(&ErrorKind::NotFound));
}

#[tokio::test]
async fn whoever_opted_out_is_left_alone_until_the_last_day() {
    let world = World::with([person("ada").photo(picture(1)), person("bob").photo(picture(2))]);
    let opt_out = |name: &str, until: Option<&str>| OptOut {
        person: format!("{name}@X.example"),
        reason: "asked".into(),
        until: until.map(|day| day.parse().expect("a day")),
    };
    let engine = world.engine_with(|settings| {
        settings.opt_outs = vec![opt_out("ada", None), opt_out("bob", Some("2026-01-01"))];
    });
    assert_eq!(
        verdicts(&scan(&engine, Depth::Stamps).await),
        [("ada", Verdict::Excluded), ("bob", Verdict::Missing)]
    );
}

#[tokio::test]
async fn a_scan_tells_what_it_gets_done() {
    let world = World::with([
        person("ada").photo(picture(1)).avatar(picture(2)),
        person("bob").only_in_source(),
        person("cleo").photo(picture(3)),
    ]);
    let engine = world.engine();
    let told = Mutex::new(Vec::new());
    let tell = |event: ScanEvent<'_>| {
        told.lock().push(match event {
            ScanEvent::SourcePage { people, listed } => format!("source {} {listed}", people.len()),
            ScanEvent::TargetPage { people, listed } => format!("target {} {listed}", people.len()),
            ScanEvent::Paired { paired, people } => format!("paired {paired} of {people}"),
            ScanEvent::Stamps { done, total } => format!("stamps {done} of {total}"),
            ScanEvent::Chains { people } => format!("chains {people}"),
            ScanEvent::Settling { done, total } => format!("settling {done} of {total}"),
            ScanEvent::Problem(problem) => format!("problem {problem}"),
        });
    };
    engine
        .scan(Depth::Settled, &tell, &CancellationToken::new())
        .await
        .expect("a scan");
    let mut told = told.into_inner();
    told.sort();
    assert_eq!(
        told,
        [
            "chains 2",
            "paired 2 of 3",
            "settling 0 of 1",
            "settling 1 of 1",
            "source 0 3",
            "source 1 3",
            "source 2 2",
            "stamps 2 of 2",
            "target 0 2",
            "target 2 2",
        ]
    );
}

#[tokio::test]
async fn people_are_found_by_any_of_their_names_without_listing_anybody() {
    const OBJECT_ID: &str = "3f9a0000-0000-4000-8000-000000000001";
    const SYS_ID: &str = "0123456789abcdef0123456789abcdef";
    let world = World::with([
        person("ada")
            .photo(picture(1))
            .source_with(|source| {
                source.id = SourceId::new(OBJECT_ID);
                source.mail = Some("ada.byron@x.example".into());
                source.employee_id = Some("77".into());
            })
            .target_with(|target| {
                target.id = TargetId::new(SYS_ID);
                target.user_name = "abyron".into();
                target.mail = None;
                target.employee_number = Some("77".into());
            }),
        person("bob"),
    ]);
    let engine = world.engine();
    for typed in [
        "ada@x.example",
        " ADA@X.EXAMPLE ",
        "ada.byron@x.example",
        OBJECT_ID,
        "abyron",
        SYS_ID,
    ] {
        let found = engine.find(typed).await.expect(typed);
        assert_eq!(found.person.name.raw(), "ada", "{typed}");
        assert!(
            matches!(
                found.standing,
                Standing::Paired {
                    rule: MatchRule::EmployeeNumber,
                    ..
                }
            ),
            "{typed}"
        );
    }
    assert_eq!(world.calls("source.people") + world.calls("target.people"), 0);
}

#[tokio::test]
async fn a_name_that_means_nobody_or_several_is_an_error_that_helps() {
    let shared = |name: &str| {
        person(name)
            .source_with(|source| source.mail = Some("office@x.example".into()))
            .target_with(|target| target.mail = None)
    };
    let world = World::with([
        shared("ada"),
        shared("bob"),
        person("robot")
            .only_in_target()
            .target_with(|target| target.user_name = "robot".into()),
    ]);
    let engine = world.engine();

    let nobody = engine.find("nemo@x.example").await.expect_err("nobody");
    assert_eq!(
        nobody.to_string(),
        "nobody is called \"nemo@x.example\"; looked for sign-in names and e-mail addresses in Entra ID and user \
         names and e-mail addresses in ServiceNow"
    );

    let several = engine.find("office@x.example").await.expect_err("several");
    let EngineError::Find(FindError::Ambiguous { candidates, .. }) = &several else {
        panic!("{several:?}");
    };
    let named: Vec<_> = candidates
        .iter()
        .map(|candidate| {
            (
                candidate.source.as_ref().map(SourceId::as_str),
                candidate.target.as_ref().map(TargetId::as_str),
            )
        })
        .collect();
    assert_eq!(
        named,
        [
            (Some("ada-id"), Some("ada-sys")),
            (Some("bob-id"), Some("bob-sys"))
        ]
    );
    assert_eq!(several.to_string(), "\"office@x.example\" may be any of 2 people");

    let robot = engine.find("robot").await.expect_err("only there");
    assert_eq!(
        robot.to_string(),
        "\"robot\" exists in ServiceNow, but nobody in Entra ID matches"
    );
}

#[tokio::test]
async fn a_sign_in_name_means_its_owner_though_another_account_has_it_as_address() {
    let world = World::with([
        person("ada"),
        person("adm-ada")
            .source_with(|source| source.mail = Some("ada@x.example".into()))
            .only_in_source(),
    ]);
    let engine = world.engine();
    let found = engine.find("ada@x.example").await.expect("found");
    assert_eq!(found.person.name.raw(), "ada");
}

#[tokio::test]
async fn a_few_people_are_judged_as_a_full_scan_judges_them() {
    let mail = |name: &str, mail: &str| {
        let mail = mail.to_owned();
        person(name).source_with(move |source| source.mail = Some(mail.as_str().into()))
    };
    let world = World::with([
        person("ada").photo(picture(1)).avatar(picture(2)),
        person("alone").photo(picture(1)).only_in_source(),
        person("left").photo(picture(1)).inactive_in_target(),
        person("guest").photo(picture(1)).guest(),
        // Two claim one user by address.
        mail("rival one", "wanted@x.example").only_in_source(),
        mail("rival two", "wanted@x.example").only_in_source(),
        person("wanted").only_in_target(),
        // The second claims by address, but the first by sign-in name, which is stronger.
        person("owner").photo(picture(3)),
        mail("admin", "owner@x.example").only_in_source(),
        // Has the address of another's user, but a user of their own by a stronger rule.
        mail("elsewhere", "ada@x.example").photo(picture(4)),
    ]);
    let engine = world.engine();
    let full = scan(&engine, Depth::Settled).await;
    world.reset_calls();
    for expected in &full.people {
        let name = expected.source.principal.raw().to_owned();
        let few = engine
            .scan_people(&[name.clone(), name.to_uppercase()], Depth::Settled)
            .await
            .expect("found");
        assert_eq!(few.people.len(), 1, "{name}: named twice, looked at once");
        let state = &few.people[0];
        assert_eq!(state.source.id, expected.source.id, "{name}");
        assert_eq!(state.standing, expected.standing, "{name}");
        assert_eq!(state.judgement, expected.judgement, "{name}");
    }
    for call in ["source.people", "target.people", "target.sweep_chains"] {
        assert_eq!(world.calls(call), 0, "{call}");
    }
}

#[tokio::test]
async fn somebody_with_an_odd_address_spoils_no_look_up() {
    let world = World::with([
        person("ada").source_with(|source| source.mail = Some("a\nb@x.example".into())),
        person("bob"),
    ]);
    let engine = world.engine();
    let names = ["ada@x.example".to_owned(), "bob@x.example".to_owned()];
    let few = engine.scan_people(&names, Depth::Stamps).await.expect("found");
    assert_eq!(
        verdicts(&few),
        [("ada", Verdict::Neither), ("bob", Verdict::Neither)]
    );
}

/// What decides about a person, without the order in which candidates and rivals happen to be listed.
fn essence(standing: &Standing) -> String {
    match standing {
        Standing::Ambiguous { ambiguity, .. } => {
            let mut candidates = ambiguity.candidates().to_vec();
            candidates.sort();
            match ambiguity {
                Ambiguity::SeveralTargets { rule, .. } => format!("{rule:?} hits {candidates:?}"),
                Ambiguity::ClaimedTwice { rule, .. } => format!("{rule:?} claims {candidates:?} too"),
            }
        }
        other => format!("{other:?}"),
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 40, ..Default::default() })]

    /// However names collide, one person looked up stands where a full scan puts them.
    #[test]
    fn a_look_up_sees_every_ambiguity_that_a_full_scan_sees(
        sources in proptest::collection::vec((0..6_u8, 0..4_u8, 0..3_u8, proptest::bool::weighted(0.15)), 1..7),
        targets in proptest::collection::vec((0..6_u8, 0..4_u8, 0..3_u8, proptest::bool::weighted(0.15)), 0..7),
    ) {
        let object_id = |number: usize| format!("3f9a0000-0000-4000-8000-{number:012}");
        let sources = sources.into_iter().enumerate().map(|(number, (name, mail, employee, is_guest))| {
            let person = person(&format!("s{number}")).only_in_source().source_with(|source| {
                source.id = SourceId::new(object_id(number));
                source.principal = format!("n{name}@x.example").into();
                source.mail = Some(format!("m{mail}@x.example").into());
                source.employee_id = (employee > 0).then(|| employee.to_string().into());
            });
            if is_guest { person.guest() } else { person }
        });
        let targets = targets.into_iter().enumerate().map(|(number, (name, mail, employee, is_inactive))| {
            let person = person(&format!("t{number}")).only_in_target().target_with(|target| {
                target.user_name = format!("N{name}@x.example").into();
                target.mail = Some(format!("m{mail}@x.example").into());
                target.employee_number = (employee > 0).then(|| employee.to_string().into());
            });
            if is_inactive { person.inactive_in_target() } else { person }
        });
        let world = World::with(sources.chain(targets));
        // One store for all cases, because opening one means writing to the disk for good.
        static BENCH: std::sync::LazyLock<Bench> = std::sync::LazyLock::new(|| World::with([]).engine());
        let engine = world.engine_on(&BENCH.store, |_| {});
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let full = scan(&engine, Depth::Stamps).await;
            for expected in &full.people {
                let found = engine.find(expected.source.id.as_str()).await.expect("an id is unique");
                assert_eq!(found.person, expected.source);
                assert_eq!(essence(&found.standing), essence(&expected.standing));
            }
        });
    }
}

#[tokio::test]
async fn a_few_people_cost_a_few_requests() {
    let world = World::with((1..=50).map(|seed| person(&format!("p{seed}")).photo(picture(seed))));
    let engine = world.engine();
    let names: Vec<String> = (1..=5).map(|seed| format!("p{seed}@x.example")).collect();
    let few = engine.scan_people(&names, Depth::Stamps).await.expect("found");
    assert_eq!(few.people.len(), 5);
    assert_eq!(world.calls("source.stamps"), 5);
    let requests = ["source.lookup", "target.lookup", "target.chains"].map(|call| world.calls(call));
    assert_eq!(requests, [1, 2, 1]);
}

#[tokio::test]
async fn a_plan_has_a_step_for_what_a_push_would_mend_and_a_reason_for_the_rest() {
    let world = World::with([
        person("add").photo(picture(1)),
        person("replace").photo(picture(2)).avatar(picture(3)),
        person("repair")
            .photo(picture(4))
            .avatar(picture(4))
            .avatar(picture(5)),
        person("re-encoded").photo(picture(6)).avatar(picture_again(6)),
        person("two profiles")
            .photo(picture(7))
            .profiles(2)
            .avatar(picture(7))
            .stored(Place::SYS_USER, picture(7)),
        person("cut off").photo(cut_off(8)).avatar(picture(9)),
        person("gone").avatar(picture(10)),
    ]);
    let engine = world.engine();
    let scan = scan(&engine, Depth::Settled).await;
    let plan = engine.plan(&scan).await;
    assert_eq!(
        steps(&plan),
        [
            ("add", Change::Add),
            ("replace", Change::Replace),
            ("repair", Change::Repair)
        ]
    );
    for (name, outcome) in [
        ("re-encoded", Outcome::Unchanged),
        ("two profiles", Outcome::Unchanged),
        ("cut off", Outcome::Skipped),
        ("gone", Outcome::NoPhoto),
    ] {
        assert_eq!(skipped(&plan, name).outcome, outcome, "{name}");
    }
    assert_eq!(
        plan.steps[1].upload,
        state(&scan, "replace").content.upload_hash()
    );
    assert_eq!(
        plan.steps[1].replaces,
        Some(crate::domain::photo::Sha256::of(&picture(3)))
    );
    assert_eq!(plan.steps[1].expected, world.chain("replace").stamp());
}

fn mirroring(world: &World) -> Bench {
    world.engine_with(|settings| {
        settings.policy = Policy {
            mirror_removals: true,
            ..Policy::default()
        };
    })
}

async fn removals(engine: &Bench) -> Vec<String> {
    let scan = scan(engine, Depth::Settled).await;
    let plan = engine.plan(&scan).await;
    let removed = plan.steps.iter().filter(|step| step.change == Change::Remove);
    removed.map(|step| step.person.name.raw().to_owned()).collect()
}

#[tokio::test]
async fn an_avatar_is_removed_only_after_two_sightings_a_day_apart() {
    let world = World::with([person("ada").avatar(picture(1))]);
    let engine = mirroring(&world);
    assert!(removals(&engine).await.is_empty(), "seen once");
    assert!(removals(&engine).await.is_empty(), "seen twice at once");
    world.later(23);
    assert!(removals(&engine).await.is_empty(), "too soon");
    world.later(1);
    assert_eq!(removals(&engine).await, ["ada"]);
    crate::tried("F10", 1);
}

#[tokio::test]
async fn a_photo_seen_in_between_starts_the_count_again() {
    let world = World::with([person("ada").avatar(picture(1))]);
    let engine = mirroring(&world);
    assert!(removals(&engine).await.is_empty());
    world.later(30);
    world.set_photo("ada", Some(picture(1)));
    assert!(removals(&engine).await.is_empty());
    world.set_photo("ada", None);
    assert!(removals(&engine).await.is_empty());
    world.later(23);
    assert!(removals(&engine).await.is_empty());
    world.later(2);
    assert_eq!(removals(&engine).await, ["ada"]);
}

#[tokio::test]
async fn nothing_is_removed_after_an_incomplete_listing() {
    let world = World::with([person("ada").avatar(picture(1)), person("bob"), person("cleo")]);
    let engine = mirroring(&world);
    assert!(removals(&engine).await.is_empty());
    world.later(48);
    world.fail("source.people", 2, ErrorKind::Unavailable);
    assert!(removals(&engine).await.is_empty());
    crate::tried("E6", 1);
}

#[tokio::test]
async fn both_pictures_of_a_person_are_shown_and_a_failure_says_why() {
    let world = World::with([
        person("ada").photo(picture(1)).avatar(picture(2)),
        person("bob").photo(picture(3)),
    ]);
    let engine = world.engine();
    let scan = scan(&engine, Depth::Stamps).await;
    let ada = engine.pictures(state(&scan, "ada")).await;
    assert_eq!(ada.source, SidePicture::Bytes(picture(1)));
    assert_eq!(ada.target, SidePicture::Bytes(picture(2)));
    let bob = engine.pictures(state(&scan, "bob")).await;
    assert_eq!(bob.target, SidePicture::Absent);
    world.fail("source.photo", 0, ErrorKind::Unavailable);
    let ada = engine.pictures(state(&scan, "ada")).await;
    assert!(
        matches!(&ada.source, SidePicture::Failed(why) if why.contains("Entra ID")),
        "{ada:?}"
    );
}

#[tokio::test]
async fn a_picture_that_is_kept_is_not_downloaded_to_be_shown() {
    let world = World::with([person("ada").avatar(picture(2))]);
    let engine = world.engine();
    let scan = scan(&engine, Depth::Stamps).await;
    engine.store.vault().keep(picture(2)).await.expect("kept");
    let ada = engine.pictures(state(&scan, "ada")).await;
    assert_eq!(ada.target, SidePicture::Bytes(picture(2)));
    assert_eq!(world.calls("target.download"), 0);
}

#[tokio::test]
async fn a_check_covers_both_sides_groups_opt_outs_and_the_store() {
    let world = World::with([person("ada")]);
    world.group("staff", &["ada"]);
    world.group("empty", &[]);
    let engine = world.engine_with(|settings| {
        settings.include_groups = vec!["staff".into(), "empty".into()];
        settings.exclude_groups = vec!["bord".into()];
        settings.opt_outs = vec![OptOut {
            person: "bob@x.example".into(),
            reason: "asked".into(),
            until: Some("2026-01-01".parse().expect("a day")),
        }];
    });
    let probes = engine.check().await;
    let seen: Vec<(&str, &str)> = probes
        .iter()
        .map(|probe| {
            let result = match probe.result {
                ProbeResult::Passed(_) => "passed",
                ProbeResult::Warning { .. } => "warning",
                ProbeResult::Failed { .. } => "failed",
            };
            (probe.what.as_str(), result)
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("sign in to Entra ID", "passed"),
            ("sign in to ServiceNow", "passed"),
            ("read the members of group \"staff\" in Entra ID", "passed"),
            ("read the members of group \"empty\" in Entra ID", "warning"),
            ("read the members of group \"bord\" in Entra ID", "failed"),
            ("read the opt-out list", "warning"),
            ("keep journal and replaced pictures on this machine", "passed"),
        ]
    );
}

#[tokio::test]
async fn the_next_first_screen_shows_the_last_scan() {
    let world = World::with([person("ada").photo(picture(1)), person("bob")]);
    let engine = world.engine();
    let scan = scan(&engine, Depth::Stamps).await;
    let kept = engine
        .store
        .load_snapshot()
        .await
        .expect("readable")
        .expect("kept");
    assert_eq!(kept.scanned_at, scan.scanned_at);
    let rows: Vec<_> = kept.listing.rows().map(|row| kept.listing.entry(row)).collect();
    let rows: Vec<_> = rows.iter().map(|entry| (entry.name(), entry.verdict())).collect();
    let seen: Vec<_> = verdicts(&scan)
        .into_iter()
        .map(|(name, verdict)| (name.into(), verdict))
        .collect();
    assert_eq!(rows, seen);
}

#[test]
fn a_scan_can_run_on_any_thread() {
    fn is_send<T: Send>(_: T) {}
    let world = World::with([]);
    let engine = world.engine();
    is_send(engine.scan(Depth::Deep, &Ignore, &CancellationToken::new()));
    is_send(engine.scan_people(&[], Depth::Deep));
    is_send(engine.find(""));
}

#[tokio::test]
async fn faces_that_are_probably_somebody_elses_wait_for_a_confirmation() {
    let world = World::with([
        person("ada").photo(picture(1)).avatar(picture(2)),
        person("ben").photo(picture(2)).avatar(picture(1)),
        person("cleo").photo(picture(3)).avatar(picture(4)),
    ]);
    let engine = world.engine();
    let scan = scan(&engine, Depth::Settled).await;
    let plan = engine.plan(&scan).await;
    assert_eq!(plan.steps.len(), 1, "{:?}", plan.steps);
    assert_eq!(&*plan.steps[0].person.name.shown(), "cleo");
    for (name, other) in [("ada", "ben"), ("ben", "ada")] {
        let skip = skipped(&plan, name);
        assert!(skip.is_held_back, "{skip:?}");
        assert!(
            skip.reason.contains(&format!("swapped with {other}")),
            "{}",
            skip.reason
        );
    }
    // One of them alone is no less suspicious: the last scan of everybody is remembered.
    let alone = engine
        .scan_people(&["ada@x.example".to_owned()], Depth::Settled)
        .await
        .expect("found");
    assert_eq!(engine.plan(&alone).await.skips.len(), 1);
}

#[tokio::test]
async fn however_many_people_there_are_only_some_portions_of_them_are_there_in_full() {
    /// Counts who is there: from the making of their chain until nobody wants them any more.
    struct Passing {
        world: World,
        taken: u64,
        most: u64,
    }

    impl super::ScanSink for Passing {
        fn take(&mut self, position: u32, person: super::PersonState) {
            assert_eq!(u64::from(position), self.taken, "{:?}", person.source.name);
            self.most = self.most.max(self.world.calls("target.chain") - self.taken);
            self.taken += 1;
        }
    }

    let everybody = 6 * super::packed::PORTION;
    let world = World::with((0..everybody).map(|number| person(&format!("p{number}"))));
    world.page_size(everybody);
    let sink = Passing {
        world: world.clone(),
        taken: 0,
        most: 0,
    };
    let (scanned, passed) = world
        .engine()
        .scan_into(Depth::Stamps, sink, &Ignore, &CancellationToken::new())
        .await
        .expect("a scan");
    assert_eq!(passed.taken, everybody as u64);
    assert_eq!(scanned.listed.listing.len(), everybody);
    assert!(
        passed.most <= 2 * super::packed::PORTION as u64,
        "{}",
        passed.most
    );
}
