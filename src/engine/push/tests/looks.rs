//! What a look at the target means for a push; the pure part, case by case.

use super::*;
use crate::domain::comparison::SourceContent;
use crate::domain::ids::PictureId;
use crate::domain::photo::{PictureForm, Scan};
use crate::engine::push::aim::{Learned, Wanted, aims};
use crate::engine::push::observation::{Look, Settled, Shown, look, settled, shown};
use crate::engine::push::{Photo, PlaceWork, Work};

pub(super) fn wanted() -> Wanted {
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

pub(super) fn world_of(ada: PersonBuilder) -> World {
    World::with([ada])
}

fn with_old_pictures() -> World {
    world_of(ada_with_photo().stored(PROFILE, old()).stored(USER, old()))
}

pub(super) const BOTH: [Place; 2] = [PROFILE, USER];

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
        world.clear("ada", place);
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

#[test]
fn ours_is_known_by_its_id_where_listings_state_no_hashes() {
    let world = with_old_pictures();
    let mut work = stored(&world, &BOTH);
    world.alter_all(|row| row.sha256 = None);
    assert_eq!(look(&mut work, &world.chain("ada")), Look::Ready);

    let world = world_of(ada_with_photo().profiles(1));
    let mut work = finished(&world, &[PROFILE]);
    world.alter_all(|row| row.sha256 = None);
    assert_eq!(judged(&world, &work), Settled::Good);

    // The one that counts is somebody else's.
    let ours = work.places[0].picture.clone().expect("stored");
    let theirs = world.store_at("ada", PROFILE, new());
    work.places[0].picture = Some(theirs);
    world.point_column("ada", PROFILE, work.places[0].picture.as_ref());
    assert_eq!(work.places[0].uploaded, [ours]);
    assert_eq!(look(&mut work, &world.chain("ada")), Look::Ready);
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

    let of_the_other_record = with_old_pictures();
    let mut work = stored(&of_the_other_record, &BOTH);
    let row = of_the_other_record.store_at("ada", USER, new());
    of_the_other_record.point_column("ada", PROFILE, Some(&row));
    assert_eq!(look(&mut work, &of_the_other_record.chain("ada")), Look::Ready);
    of_the_other_record.alter_newest(|row| row.form = PictureForm::Plain);
    of_the_other_record.alter_newest(|row| row.bytes += 1);
    assert!(matches!(
        look(&mut work, &of_the_other_record.chain("ada")),
        Look::Foreign(_)
    ));

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
