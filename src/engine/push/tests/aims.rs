//! What a push has to do at each place; the pure part, case by case.

use std::collections::HashMap;

use super::looks::{BOTH, wanted, world_of};
use super::*;
use crate::domain::ids::PictureId;
use crate::domain::photo::AvatarChain;
use crate::engine::push::aim::{self, Learned, Write, aims, is_reached};

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
