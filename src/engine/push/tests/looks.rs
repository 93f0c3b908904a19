//! What a look at the target means for a push; the pure part, case by case.

use std::collections::HashMap;

use super::*;
use crate::domain::comparison::SourceContent;
use crate::domain::ids::{PictureId, RecordId};
use crate::domain::photo::{AvatarChain, PictureForm, Scan};
use crate::domain::picture::examine;
use crate::engine::push::aim::{self, Learned, Wanted, Write, aims, is_reached};
use crate::engine::push::guard::Guard;
use crate::engine::push::observation::{Look, Settled, Shown, look, settled, shown};
use crate::engine::push::settling::stored_by;
use crate::engine::push::{Photo, PlaceWork, Work};

fn wanted() -> Wanted {
    Wanted {
        sha256: Sha256::of(&new()),
        bytes: new().len() as u64,
    }
}

/// Ada's push after S3.
fn prepared(world: &World, places: &[Place]) -> Work {
    let before = world.chain("ada");
    let photo = Photo {
        bytes: new(),
        content_type: "image/jpeg",
        wanted: wanted(),
        etag: None,
        content: SourceContent::UNSEEN,
    };
    let aims = aims(&before, places, wanted(), &Learned::new());
    let target = TargetId::new("ada-sys");
    let mut work = Work::new(&ada(), Change::Replace, target, before, photo);
    work.places = aims.into_iter().map(PlaceWork::new).collect();
    work
}

/// The same after S5.
fn stored(world: &World, places: &[Place]) -> Work {
    let mut work = prepared(world, places);
    for place in &mut work.places {
        if place.picture.is_none() {
            let row = world.store_at("ada", place.place, new());
            place.uploaded.push(row.clone());
            place.picture = Some(row);
        }
    }
    work
}

/// The same after S9.
fn finished(world: &World, places: &[Place]) -> Work {
    let work = stored(world, places);
    for row in work.places.iter().flat_map(|place| &place.superseded) {
        world.delete_row(&row.id);
    }
    work
}

fn world_of(ada: PersonBuilder) -> World {
    World::with([ada])
}

fn with_old_pictures() -> World {
    world_of(ada_with_photo().stored(PROFILE, old()).stored(USER, old()))
}

const BOTH: [Place; 2] = [PROFILE, USER];

fn displayed(world: &World) -> Option<PictureId> {
    world.chain("ada").served.map(|served| served.picture)
}

fn judged(world: &World, work: &Work) -> Settled {
    settled(work, &world.chain("ada"), displayed(world).as_ref())
}

fn undone(what: &str) -> Settled {
    Settled::Undone(what.into())
}

#[test]
fn one_wanted_row_at_each_place_that_is_displayed_is_good() {
    let world = with_old_pictures();
    let work = finished(&world, &BOTH);
    assert_eq!(judged(&world, &work), Settled::Good);
}

#[test]
fn a_row_with_the_wanted_bytes_is_as_good_as_ours() {
    let world = with_old_pictures();
    let work = finished(&world, &BOTH);
    for place in BOTH {
        for row in world.rows("ada", place) {
            world.delete_row(&row.id);
        }
        world.store_at("ada", place, new());
    }
    assert_eq!(judged(&world, &work), Settled::Good);
}

#[test]
fn what_was_reported_as_left_or_spared_does_not_count() {
    for is_left in [true, false] {
        let world = with_old_pictures();
        let mut work = stored(&world, &BOTH);
        let old_rows: Vec<PictureId> = work
            .places
            .iter()
            .flat_map(|place| place.superseded.iter().map(|row| row.id.clone()))
            .collect();
        for place in BOTH {
            let ours = world.rows("ada", place).remove(1).id;
            world.point_column("ada", place, Some(&ours));
        }
        assert_eq!(
            judged(&world, &work),
            undone("live_profile holds another picture beside it")
        );
        if is_left {
            work.left = old_rows;
        } else {
            work.spared = old_rows;
        }
        assert_eq!(judged(&world, &work), Settled::Good);
    }
}

#[test]
fn an_ordinary_attachment_that_the_target_answered_with_is_good_where_its_column_names_it() {
    let world = world_of(ada_with_photo().stored(USER, new()).plain());
    let mut work = prepared(&world, &[USER]);
    let row = world.rows("ada", USER).remove(0).id;
    world.point_column("ada", USER, Some(&row));
    work.places[0].picture = Some(row);
    assert_eq!(judged(&world, &work), Settled::Good);
}

#[test]
fn what_undoes_a_push_is_named() {
    let nothing = with_old_pictures();
    let work = finished(&nothing, &BOTH);
    for place in BOTH {
        for row in nothing.rows("ada", place) {
            nothing.delete_row(&row.id);
        }
    }
    assert_eq!(judged(&nothing, &work), undone("no picture is displayed"));

    let again = with_old_pictures();
    let work = stored(&again, &BOTH);
    assert_eq!(
        judged(&again, &work),
        undone("the old picture is displayed again")
    );

    let copied_back = with_old_pictures();
    let work = finished(&copied_back, &BOTH);
    let row = copied_back.store_at("ada", PROFILE, old());
    copied_back.point_column("ada", PROFILE, Some(&row));
    assert_eq!(
        judged(&copied_back, &work),
        undone("the old picture is displayed again")
    );

    let no_record = with_old_pictures();
    let work = finished(&no_record, &BOTH);
    no_record.delete_last_record("ada", PROFILE);
    assert_eq!(
        judged(&no_record, &work),
        undone("the record of live_profile is gone")
    );

    let dangling = with_old_pictures();
    let work = finished(&dangling, &BOTH);
    dangling.point_column("ada", USER, Some(&PictureId::new("gone")));
    assert_eq!(
        judged(&dangling, &work),
        undone("the photo column of sys_user names nothing")
    );

    let no_row = with_old_pictures();
    let work = finished(&no_row, &BOTH);
    no_row.delete_row(&no_row.rows("ada", USER)[0].id);
    assert_eq!(judged(&no_row, &work), undone("the picture at sys_user is gone"));

    let twice = with_old_pictures();
    let work = finished(&twice, &BOTH);
    twice.store_at("ada", USER, new());
    assert_eq!(
        judged(&twice, &work),
        Settled::Twice("sys_user holds the picture twice".into()),
        "another program may just have stored the same"
    );
}

#[test]
fn what_somebody_else_put_there_is_foreign() {
    let displayed = with_old_pictures();
    let work = finished(&displayed, &BOTH);
    let theirs = displayed.store_at("ada", PROFILE, picture(3));
    displayed.point_column("ada", PROFILE, Some(&theirs));
    assert_eq!(judged(&displayed, &work), Settled::Foreign);

    let beside = with_old_pictures();
    let work = finished(&beside, &BOTH);
    beside.store_at("ada", USER, picture(3));
    assert_eq!(judged(&beside, &work), Settled::Foreign);

    let unlisted = with_old_pictures();
    let work = finished(&unlisted, &BOTH);
    let nobodys = PictureId::new("not listed");
    assert_eq!(
        settled(&work, &unlisted.chain("ada"), Some(&nobodys)),
        Settled::Foreign
    );
}

#[test]
fn of_two_records_of_a_moment_ours_is_one_too_many_only_where_the_other_is_displayed() {
    let world = world_of(ada_with_photo().stored(USER, old()));
    let mut work = finished(&world, &BOTH);
    work.places[0].is_created = true;
    assert_eq!(judged(&world, &work), Settled::Good);
    world.create_profile_before("ada");
    assert_eq!(judged(&world, &work), Settled::Good, "the other one is empty");
    world.store_at("ada", PROFILE, new());
    assert_eq!(judged(&world, &work), Settled::Doubled(0));
    work.places[0].is_created = false;
    assert_eq!(judged(&world, &work), Settled::Good, "ours was there before");
    // What is displayed at another place says nothing about this one.
    let world = world_of(ada_with_photo().stored(USER, old()));
    let mut work = finished(&world, &BOTH);
    work.places[1].is_created = true;
    assert_eq!(judged(&world, &work), Settled::Good);
}

#[test]
fn it_goes_on_once_every_place_holds_a_row_that_is_through_the_scan() {
    let world = with_old_pictures();
    let mut work = stored(&world, &BOTH);
    for (scan, expected) in [
        (Scan::Pending, Look::Wait),
        (Scan::Quarantined, Look::Quarantined),
        (Scan::NotScanned, Look::Ready),
        (Scan::Available, Look::Ready),
    ] {
        world.alter_newest(|row| row.scan = scan);
        assert_eq!(look(&mut work, &world.chain("ada")), expected, "{scan:?}");
    }
    let of_user = world.rows("ada", USER).remove(1).id;
    assert_eq!(work.places[1].picture.as_ref(), Some(&of_user));
}

#[test]
fn ours_that_is_gone_again_is_lost_at_its_place() {
    let no_row = with_old_pictures();
    let mut work = stored(&no_row, &BOTH);
    no_row.delete_row(&no_row.rows("ada", USER)[1].id);
    assert_eq!(
        look(&mut work, &no_row.chain("ada")),
        Look::Lost("sys_user".into())
    );

    let no_record = with_old_pictures();
    let mut work = stored(&no_record, &BOTH);
    no_record.delete_last_record("ada", PROFILE);
    assert_eq!(
        look(&mut work, &no_record.chain("ada")),
        Look::Lost("live_profile".into())
    );
}

#[test]
fn of_rows_with_the_same_bytes_all_who_look_choose_the_same_one() {
    let world = world_of(ada_with_photo().stored(PROFILE, old()).profiles(1));
    let mut work = stored(&world, &[PROFILE]);
    let ours = work.places[0].picture.clone().expect("stored");
    let theirs = world.store_at("ada", PROFILE, new());
    look(&mut work, &world.chain("ada"));
    assert_eq!(
        work.places[0].picture,
        Some(ours.clone()),
        "of one second the lower id"
    );

    let mut work = stored_by_two(&world, &ours, &theirs);
    world.alter_newest(|row| {
        row.created_at = row.created_at.map(|at| at - jiff::SignedDuration::from_secs(1));
    });
    look(&mut work, &world.chain("ada"));
    assert_eq!(work.places[0].picture, Some(theirs.clone()), "the older one");

    let mut work = stored_by_two(&world, &theirs, &ours);
    world.point_column("ada", PROFILE, Some(&ours));
    look(&mut work, &world.chain("ada"));
    assert_eq!(
        work.places[0].picture,
        Some(ours),
        "the one that its column names"
    );
}

/// The same push, that has stored `ours` while somebody stored `theirs`.
fn stored_by_two(world: &World, ours: &PictureId, theirs: &PictureId) -> Work {
    let mut work = prepared(world, &[PROFILE]);
    for row in [ours, theirs] {
        for record in &mut work.before.records {
            record.pictures.retain(|known| &known.id != row);
        }
    }
    work.places[0]
        .superseded
        .retain(|row| &row.id != ours && &row.id != theirs);
    work.places[0].picture = Some(ours.clone());
    work.places[0].uploaded = vec![ours.clone()];
    work
}

#[test]
fn an_attachment_with_the_wanted_bytes_is_no_candidate_unless_it_is_the_one_kept() {
    let world = world_of(ada_with_photo().stored(PROFILE, new()).plain());
    let mut work = stored(&world, &[PROFILE]);
    let ours = work.places[0].picture.clone();
    look(&mut work, &world.chain("ada"));
    assert_eq!(work.places[0].picture, ours);
}

#[test]
fn what_was_not_there_and_is_not_ours_is_somebody_elses() {
    let another = |world: &World| {
        world.store_at("ada", USER, picture(3));
    };
    let column = |world: &World| world.point_column("ada", USER, Some(&PictureId::new("elsewhere")));
    let named_attachment = |world: &World| {
        let row = world.store_at("ada", USER, picture(3));
        world.alter_newest(|row| row.form = PictureForm::Plain);
        world.point_column("ada", USER, Some(&row));
    };
    type Act<'a> = &'a dyn Fn(&World);
    let cases: [(&str, Act<'_>); 3] = [
        ("another picture was stored at sys_user meanwhile", &another),
        ("the photo column of sys_user was set meanwhile", &column),
        (
            "another picture was stored at sys_user meanwhile",
            &named_attachment,
        ),
    ];
    for (what, act) in cases {
        let world = with_old_pictures();
        let mut work = stored(&world, &BOTH);
        act(&world);
        assert_eq!(look(&mut work, &world.chain("ada")), Look::Foreign(what.into()));
    }
}

#[test]
fn a_column_that_was_so_before_or_names_the_wanted_bytes_is_nobodys_affair() {
    let before = world_of(ada_with_photo().stored(USER, old()).column(PROFILE, "gone"));
    let mut work = stored(&before, &BOTH);
    assert_eq!(look(&mut work, &before.chain("ada")), Look::Ready);

    let ours = with_old_pictures();
    let mut work = stored(&ours, &BOTH);
    ours.point_column("ada", USER, work.places[1].picture.as_ref());
    assert_eq!(look(&mut work, &ours.chain("ada")), Look::Ready);

    let same = with_old_pictures();
    let mut work = stored(&same, &BOTH);
    let row = same.store_at("ada", USER, new());
    same.point_column("ada", USER, Some(&row));
    assert_eq!(look(&mut work, &same.chain("ada")), Look::Ready);

    let attachment = with_old_pictures();
    let mut work = stored(&attachment, &BOTH);
    attachment.store_at("ada", USER, picture(3));
    attachment.alter_newest(|row| row.form = PictureForm::Plain);
    assert_eq!(
        look(&mut work, &attachment.chain("ada")),
        Look::Ready,
        "what somebody attaches to a record is no avatar"
    );
}

#[test]
fn an_older_row_hides_ours_only_in_a_record_whose_column_is_empty() {
    let world = with_old_pictures();
    let work = stored(&world, &BOTH);
    let older = Shown::Older {
        position: 0,
        has_net: true,
    };
    assert_eq!(
        shown(&work, &world.chain("ada"), displayed(&world).as_ref()),
        older
    );
    let old_row = world.rows("ada", PROFILE).remove(0).id;
    world.point_column("ada", PROFILE, Some(&old_row));
    assert_eq!(shown(&work, &world.chain("ada"), Some(&old_row)), Shown::Other);
}

#[test]
fn an_attachment_that_is_displayed_is_no_older_row() {
    let world = world_of(ada_with_photo().stored(PROFILE, old()).plain());
    let row = world.rows("ada", PROFILE).remove(0).id;
    world.point_column("ada", PROFILE, Some(&row));
    let work = stored(&world, &[PROFILE]);
    world.point_column("ada", PROFILE, None);
    assert_eq!(shown(&work, &world.chain("ada"), Some(&row)), Shown::Other);
}

#[test]
fn only_a_sound_old_picture_of_another_record_is_a_net() {
    let has_net =
        |world: &World, work: &Work| match shown(work, &world.chain("ada"), displayed(world).as_ref()) {
            Shown::Older { has_net, .. } => has_net,
            other => panic!("{other:?}"),
        };
    let sound = with_old_pictures();
    let work = stored(&sound, &BOTH);
    assert!(has_net(&sound, &work));
    sound.delete_row(&sound.rows("ada", USER)[0].id);
    assert!(!has_net(&sound, &work), "it is gone");

    let same_record = world_of(
        ada_with_photo()
            .stored(PROFILE, old())
            .stored(PROFILE, picture(3)),
    );
    let work = stored(&same_record, &BOTH);
    assert!(!has_net(&same_record, &work), "it is of the same record");

    let quarantined = world_of(
        ada_with_photo()
            .stored(PROFILE, old())
            .stored(USER, old())
            .quarantined(),
    );
    let work = stored(&quarantined, &BOTH);
    assert!(!has_net(&quarantined, &work), "nobody can see it");

    let attachment = world_of(
        ada_with_photo()
            .stored(PROFILE, old())
            .stored(USER, old())
            .plain(),
    );
    let row = attachment.rows("ada", USER).remove(0).id;
    attachment.point_column("ada", USER, Some(&row));
    let work = stored(&attachment, &BOTH);
    assert!(!has_net(&attachment, &work), "it is no image row");
}

#[test]
fn what_nobody_has_seen_is_unknown_and_nothing_is_something_else() {
    let world = with_old_pictures();
    let work = stored(&world, &BOTH);
    let chain = world.chain("ada");
    assert_eq!(shown(&work, &chain, None), Shown::Other);
    let unseen = PictureId::new("unseen");
    assert_eq!(shown(&work, &chain, Some(&unseen)), Shown::Unknown);
    assert_eq!(
        shown(&work, &chain, work.places[1].picture.as_ref()),
        Shown::Wanted
    );
    let same = world.store_at("ada", PROFILE, new());
    assert_eq!(shown(&work, &world.chain("ada"), Some(&same)), Shown::Wanted);
}

fn chain_of(ada: PersonBuilder) -> AvatarChain {
    world_of(ada).chain("ada")
}

#[test]
fn a_row_is_the_wanted_one_by_hash_size_and_scan() {
    let chain = chain_of(
        ada_with_photo()
            .stored(PROFILE, new())
            .stored(PROFILE, old())
            .stored(USER, new())
            .without_hash()
            .stored(USER, new())
            .quarantined(),
    );
    let rows = |at: usize| &chain.records[at].pictures;
    let nothing = Learned::new();
    let is_wanted = |row: &StoredPicture, learned: &Learned| wanted().is(row, learned);
    assert!(is_wanted(&rows(0)[0], &nothing));
    assert!(!is_wanted(&rows(0)[1], &nothing), "other bytes");
    assert!(!is_wanted(&rows(1)[0], &nothing), "nobody knows its hash");
    let learned: Learned = HashMap::from([(rows(1)[0].id.clone(), Sha256::of(&new()))]);
    assert!(is_wanted(&rows(1)[0], &learned), "learnt from its bytes");
    assert!(!is_wanted(&rows(1)[1], &nothing), "quarantined");
    let mut longer = rows(0)[0].clone();
    longer.bytes += 1;
    assert!(!is_wanted(&longer, &nothing), "another size");
}

#[test]
fn of_several_rows_with_the_photo_the_named_one_is_kept_then_the_displayed_then_the_oldest() {
    let kept = |world: &World| {
        let chain = world.chain("ada");
        aims(&chain, &[USER], wanted(), &Learned::new())[0]
            .picture
            .clone()
    };
    let world = world_of(
        ada_with_photo()
            .stored(USER, old())
            .stored(USER, new())
            .stored(USER, new()),
    );
    let rows = world.rows("ada", USER);
    assert_eq!(kept(&world), Some(rows[1].id.clone()), "the oldest");
    world.delete_last_record("ada", PROFILE);
    world.point_column("ada", USER, Some(&rows[2].id));
    assert_eq!(kept(&world), Some(rows[2].id.clone()), "the named one");
    let mut chain = world.chain("ada");
    chain.records[0].column = Column::Empty;
    let displayed = aims(&chain, &[USER], wanted(), &Learned::new())[0]
        .picture
        .clone();
    assert_eq!(displayed, Some(rows[2].id.clone()), "the displayed one");
}

#[test]
fn an_attachment_is_kept_only_where_its_own_column_names_it() {
    let world = world_of(ada_with_photo().stored(USER, new()).plain());
    let row = world.rows("ada", USER).remove(0).id;
    let kept = |world: &World| aims(&world.chain("ada"), &[USER], wanted(), &Learned::new())[0].clone();
    let aim = kept(&world);
    assert_eq!((aim.picture, aim.superseded), (None, vec![]));
    world.point_column("ada", USER, Some(&row));
    let aim = kept(&world);
    assert_eq!((aim.picture, aim.superseded), (Some(row.clone()), vec![]));
    world.point_column("ada", USER, None);
    world.point_column("ada", PROFILE, Some(&row));
    let aim = kept(&world);
    assert_eq!(aim.picture, None);
    assert_eq!(aim.superseded.len(), 1, "another column of Ada's names it");
}

#[test]
fn it_is_reached_when_every_place_holds_the_picture_alone_with_its_column_right_and_one_is_displayed() {
    let reached = |chain: &AvatarChain, places: &[Place], wants_columns: bool| {
        let aims = aims(chain, places, wanted(), &Learned::new());
        is_reached(chain, &aims, |_, column, picture| {
            let is_right = !wants_columns || *column == Column::Names(picture.clone());
            (!is_right).then(|| picture.clone())
        })
    };
    let whole = chain_of(ada_with_photo().stored(PROFILE, new()).stored(USER, new()));
    assert!(reached(&whole, &BOTH, false));
    assert!(!reached(&whole, &BOTH, true), "a column is to be set");
    assert!(!reached(&whole, &[], false), "nowhere is nothing");
    assert!(
        !reached(&whole, &[USER], false),
        "what is displayed is not written"
    );
    let half = chain_of(ada_with_photo().stored(PROFILE, new()));
    assert!(!reached(&half, &BOTH, false));
    let beside = chain_of(
        ada_with_photo()
            .stored(PROFILE, new())
            .stored(USER, new())
            .stored(USER, old()),
    );
    assert!(!reached(&beside, &BOTH, false));
}

#[test]
fn a_picture_hides_what_is_written_only_if_its_record_comes_first_and_is_not_written() {
    let overshadowing = |ada: PersonBuilder, places: &[Place]| {
        let chain = chain_of(ada);
        let aims = aims(&chain, places, wanted(), &Learned::new());
        aim::overshadowing(&chain, &aims)
    };
    let at_profile = || ada_with_photo().stored(PROFILE, old());
    assert_eq!(overshadowing(at_profile(), &[USER]), Some(PROFILE));
    assert_eq!(overshadowing(at_profile(), &BOTH), None);
    let at_user = || ada_with_photo().stored(USER, old());
    assert_eq!(overshadowing(at_user(), &[PROFILE]), None, "ours comes first");
    assert_eq!(overshadowing(at_user().profiles(0), &[PROFILE]), None);
    assert_eq!(
        overshadowing(ada_with_photo(), &[USER]),
        None,
        "nothing is displayed"
    );
}

#[test]
fn the_writes_of_a_push_are_told_in_its_order() {
    let chain = chain_of(ada_with_photo().profiles(0).stored(USER, old()));
    let aims = aims(&chain, &BOTH, wanted(), &Learned::new());
    let old_row = chain.record(USER).expect("there").pictures[0].clone();
    let everywhere = |_: Place, _: &Column, picture: &PictureId| Some(picture.clone());
    assert_eq!(
        aim::writes(&chain, &aims, everywhere),
        [
            Write::Create(PROFILE),
            Write::Store(PROFILE),
            Write::Store(USER),
            Write::SetColumn(PROFILE),
            Write::SetColumn(USER),
            Write::Delete(USER, old_row),
        ]
    );
    let chain = chain_of(ada_with_photo().stored(USER, new()));
    let aims = aim::aims(&chain, &[USER], wanted(), &Learned::new());
    let row = chain.record(USER).expect("there").pictures[0].id.clone();
    assert_eq!(
        aim::writes(&chain, &aims, |_, _, _| None),
        [Write::Keep(USER, row)]
    );
}

#[test]
fn the_writes_of_a_removal_are_told_columns_first() {
    let scene = ada_as_in_the_article();
    let chain = scene.world.chain("ada");
    let row = chain.record(PROFILE).expect("there").pictures[0].clone();
    assert_eq!(
        aim::removals(&chain, &BOTH),
        [
            Write::ClearColumn(PROFILE),
            Write::ClearColumn(USER),
            Write::Delete(PROFILE, row)
        ]
    );
    let chain = chain_of(ada_with_photo().stored(USER, old()));
    let row = chain.record(USER).expect("there").pictures[0].clone();
    assert_eq!(aim::removals(&chain, &BOTH), [Write::Delete(USER, row)]);
}

#[test]
fn a_photo_that_was_pushed_for_somebody_else_is_held_back_and_ones_own_is_not() {
    let bob = PersonRef {
        name: "bob".into(),
        source: SourceId::new("bob-id"),
        ..ada()
    };
    let facts = examine(&new()).expect("a picture");
    let guard = Guard::default();
    assert_eq!(guard.suspicion(&ada(), &facts), None);
    assert_eq!(guard.suspicion(&ada(), &facts), None, "her own");
    let why = guard.suspicion(&bob, &facts).expect("it is Ada's");
    assert!(why.contains("ada"), "{why}");
    let named = |person: PersonRef| PersonRef {
        name: "Ada Lovelace".into(),
        ..person
    };
    let (first_account, second_account) = (named(ada()), named(bob));
    let guard = Guard::default();
    assert_eq!(guard.suspicion(&first_account, &facts), None);
    assert_eq!(
        guard.suspicion(&second_account, &facts),
        None,
        "her other account"
    );
}

#[tokio::test]
async fn what_a_step_stored_is_told_by_its_answer_or_by_bytes_that_were_sent_without_one() {
    let scene = Scene::of(ada_with_old_picture());
    let told = scene.push().await;
    let journal = scene.store().journal();
    let mut writes = journal.writes(&told.report.run).await.expect("readable");
    let ours = |writes: &[crate::store::journal::WriteRecord]| {
        let mut ids: Vec<PictureId> = stored_by(writes, &[], &scene.world.chain("ada"))
            .into_iter()
            .collect();
        ids.sort_by_key(|id| id.as_str().to_owned());
        ids
    };
    let rows: Vec<PictureId> = BOTH
        .map(|place| scene.world.rows("ada", place).remove(0).id)
        .into();
    assert_eq!(ours(&writes), rows);
    for write in &mut writes {
        write.answer = None;
    }
    assert_eq!(ours(&writes), rows, "by record, size and hash");
    writes[0].intent.record = Some(RecordId::new("another"));
    assert_eq!(ours(&writes), [rows[1].clone()]);
    writes[1].intent.bytes = Some(1);
    assert_eq!(ours(&writes), Vec::<PictureId>::new());
    writes[1].intent.bytes = Some(new().len() as u64);
    writes[1].intent.sha256 = None;
    scene.world.alter_all(|row| row.sha256 = None);
    assert_eq!(ours(&writes), Vec::<PictureId>::new(), "no hash says nothing");
}
