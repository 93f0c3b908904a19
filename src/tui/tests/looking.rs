//! Pictures and facts follow the cursor: asked for when it rests, filed under their own person, few at a time.

use super::kit::*;
use crate::domain::comparison::Verdict;
use crate::domain::run::Outcome;
use crate::tui::message::{Effect, Message};
use crate::tui::pictures::{Looked, Painted};
use crate::tui::state::State;
use crate::tui::update::update;

fn rest(state: &mut State) -> Vec<Effect> {
    let moves = state.pictures.moves;
    update(state, Message::Rested(moves))
}

fn is_ready(state: &State, name: &str) -> bool {
    matches!(state.pictures.look(&id(name)), Some(Looked::Ready(_)))
}

fn looks(effects: &[Effect]) -> usize {
    effects
        .iter()
        .map(|effect| match effect {
            Effect::Look(people) => people.len(),
            _ => 0,
        })
        .sum()
}

#[test]
fn opening_a_row_waits_a_breath_before_anybody_is_asked() {
    let mut state = screen_of(&CAST);
    assert_eq!(told(&press(&mut state, "j")), ["wait a breath"]);
    let effects = rest(&mut state);
    assert_eq!(
        told(&effects),
        ["look at alex", "look at diego, adele, grady"],
        "whoever is under the cursor does not wait for the neighbours"
    );
}

#[test]
fn holding_a_key_starts_no_looks() {
    let mut state = screen();
    scanned(&mut state, crowd(500, Verdict::Missing));
    let mut asked = 0;
    for _ in 0..100 {
        asked += looks(&press(&mut state, "j"));
        // A rest that began some rows ago counts for nothing.
        let earlier = state.pictures.moves - 1;
        asked += looks(&update(&mut state, Message::Rested(earlier)));
    }
    assert_eq!(asked, 0);
    assert!(looks(&rest(&mut state)) > 0);
}

#[test]
fn answers_that_come_while_a_key_is_held_start_no_looks_either() {
    let mut state = screen();
    scanned(&mut state, crowd(500, Verdict::Missing));
    rest(&mut state);
    let mut asked = 0;
    for number in 1..=3 {
        asked += looks(&press(&mut state, "pagedown"));
        asked += looks(&looked(
            &mut state,
            &format!("P{number:04} Person"),
            Verdict::Missing,
        ));
    }
    assert_eq!(asked, 0);
}

#[test]
fn a_look_of_a_row_already_left_is_filed_under_its_own_person() {
    let mut state = screen_of(&CAST);
    rest(&mut state);
    press(&mut state, "G");
    looked(&mut state, "Adele Vance", Verdict::Differs);
    assert!(is_ready(&state, "Adele Vance"));
    assert!(state.pictures.look(&id("Pradeep Gupta")).is_none());
    let text = frame(&mut state, 120, 40);
    assert!(!text.contains("96x96"), "nothing of it is shown here: {text}");
    press(&mut state, "home");
    assert!(frame(&mut state, 120, 40).contains("96x96"));
}

#[test]
fn what_is_known_is_not_asked_for_again() {
    let mut state = screen_of(&CAST);
    let effects = press(&mut state, "j");
    serve(&mut state, effects);
    assert!(told(&press(&mut state, "k")).is_empty() || looks(&rest(&mut state)) == 0);
    let text = frame(&mut state, 120, 40);
    assert!(!text.contains("loading"), "{text}");
}

#[test]
fn a_service_that_hangs_does_not_gather_looks() {
    let mut state = screen();
    scanned(&mut state, crowd(500, Verdict::Missing));
    let mut asked = 0;
    for _ in 0..50 {
        press(&mut state, "pagedown");
        asked += looks(&rest(&mut state));
        asked += looks(&press(&mut state, "r"));
    }
    assert!(asked <= 12, "{asked} looks are under way");
    // Once it answers, whoever is under the cursor has a turn.
    let effects = looked(&mut state, "P0001 Person", Verdict::Missing);
    let answered = looks(&effects);
    press(&mut state, "home");
    rest(&mut state);
    let effects = looked(&mut state, "P0002 Person", Verdict::Missing);
    assert!(answered + looks(&effects) <= 2);
}

#[test]
fn somebody_who_found_no_room_is_asked_for_when_there_is_some() {
    let mut state = screen();
    scanned(&mut state, crowd(500, Verdict::Missing));
    for _ in 0..20 {
        press(&mut state, "pagedown");
        rest(&mut state);
    }
    let here = current(&state);
    assert!(state.pictures.look(&id(&here)).is_none(), "no room for {here}");
    let first = format!("P{:04} Person", state.people.height + 1);
    let effects = looked(&mut state, &first, Verdict::Missing);
    assert_eq!(told(&effects), [format!("look at {}", id(&here))]);
}

#[test]
fn a_look_settles_the_verdict_in_the_table() {
    let mut state = screen_of(&CAST);
    looked(&mut state, "Pradeep Gupta", Verdict::Differs);
    assert_eq!(verdict(&state, "Pradeep Gupta"), Verdict::Differs);
}

#[test]
fn a_look_that_fails_says_why_in_both_panes_and_can_be_tried_again() {
    let mut state = screen_of(&CAST);
    rest(&mut state);
    let result = Err(trouble("ServiceNow: could not read avatars", Some("try again")));
    update(
        &mut state,
        Message::Looked {
            person: id("Adele Vance"),
            result,
        },
    );
    assert!(frame(&mut state, 160, 40).contains("could not read"));
    assert_eq!(told(&press(&mut state, "r"))[0], "look at adele");
}

#[test]
fn looking_again_at_somebody_who_is_being_looked_at_asks_nobody() {
    let mut state = screen_of(&CAST);
    rest(&mut state);
    assert_eq!(looks(&press(&mut state, "r r r")), 0);
}

#[test]
fn a_look_from_before_a_push_does_not_hide_what_the_push_has_done() {
    let mut state = running(&CAST, plan_of(&[("Adele Vance", Verdict::Differs)]));
    press(&mut state, "esc");
    rest(&mut state);
    started(&mut state, 1);
    step(&mut state, "Adele Vance", Outcome::Updated);
    assert_eq!(looks(&rest(&mut state)), 0, "there is one under way");
    // It was on its way all the time.
    let effects = looked(&mut state, "Adele Vance", Verdict::Differs);
    assert_eq!(verdict(&state, "Adele Vance"), Verdict::InSync);
    assert!(!is_ready(&state, "Adele Vance"));
    assert_eq!(told(&effects), ["look at adele"], "somebody is looking on");
    looked(&mut state, "Adele Vance", Verdict::InSync);
    assert!(is_ready(&state, "Adele Vance"));
}

#[test]
fn after_a_push_the_row_is_looked_at_again() {
    let mut state = screen_of(&CAST);
    let effects = rest(&mut state);
    serve(&mut state, effects);
    press(&mut state, "p");
    planned(&mut state, plan_of(&[("Adele Vance", Verdict::Differs)]));
    press(&mut state, "enter esc");
    started(&mut state, 1);
    let effects = step(&mut state, "Adele Vance", Outcome::Updated);
    assert_eq!(told(&effects), ["wait a breath"]);
    assert_eq!(told(&rest(&mut state)), ["look at adele"]);
}

#[test]
fn news_of_others_do_not_keep_the_row_under_the_cursor_waiting() {
    let mut state = running(&CAST, plan_of(&[("Adele Vance", Verdict::Differs)]));
    started(&mut state, 3);
    press(&mut state, "esc home");
    let moves = state.pictures.moves;
    step(&mut state, "Nestor Wilke", Outcome::Failed);
    left_alone(&mut state, Outcome::Unchanged, 3);
    let effects = update(&mut state, Message::Rested(moves));
    assert_eq!(told(&effects)[0], "look at adele");
}

#[test]
fn pictures_are_asked_for_in_the_size_in_which_they_are_drawn() {
    let mut state = screen_of(&CAST);
    draws(&mut state);
    let effects = looked(&mut state, "Adele Vance", Verdict::Differs);
    let area = crate::tui::layout::picture(crate::tui::layout::people(state.size).source);
    let keys: Vec<(u16, u16)> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Paint { key, .. } => Some(key.within),
            _ => None,
        })
        .collect();
    assert_eq!(keys, [(area.width, area.height); 2], "one a side");
}

#[test]
fn without_a_way_to_draw_no_picture_is_made_ready() {
    let mut state = screen_of(&CAST);
    let effects = looked(&mut state, "Adele Vance", Verdict::Differs);
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Paint { .. }))
    );
    assert!(frame(&mut state, 120, 40).contains("not drawn here"));
}

#[test]
fn a_picture_made_for_a_terminal_of_other_cells_is_dropped() {
    let mut state = screen_of(&CAST);
    draws(&mut state);
    let effects = looked(&mut state, "Adele Vance", Verdict::Differs);
    let key = effects
        .iter()
        .find_map(|effect| match effect {
            Effect::Paint { key, .. } => Some(*key),
            _ => None,
        })
        .expect("a picture is wanted");
    draws(&mut state);
    let drawable = state
        .canvas
        .encode(
            &image::DynamicImage::new_rgb8(8, 8),
            ratatui::layout::Size::new(4, 2),
        )
        .expect("a small picture");
    update(
        &mut state,
        Message::Painted {
            key,
            result: Some(Ok(drawable.into())),
        },
    );
    let Some(Looked::Ready(look)) = state.pictures.look(&id("Adele Vance")) else {
        panic!("looked at");
    };
    assert!(matches!(
        state.pictures.painted(&look.source),
        Some(Painted::Loading)
    ));
}

#[test]
fn a_picture_that_was_dropped_for_newer_work_is_asked_for_again() {
    let mut state = screen_of(&CAST);
    draws(&mut state);
    let effects = looked(&mut state, "Adele Vance", Verdict::Differs);
    for effect in effects {
        if let Effect::Paint { key, .. } = effect {
            update(&mut state, Message::Painted { key, result: None });
        }
    }
    let again = press(&mut state, "j k");
    let painted = again
        .iter()
        .filter(|effect| matches!(effect, Effect::Paint { .. }))
        .count();
    assert_eq!(painted, 2);
}

#[test]
fn a_picture_that_cannot_be_drawn_says_why() {
    let mut state = screen_of(&CAST);
    resize(&mut state, 200, 60);
    draws(&mut state);
    let effects = looked(&mut state, "Adele Vance", Verdict::Differs);
    for effect in effects {
        if let Effect::Paint { key, .. } = effect {
            let result = Some(Err("the picture ends in the middle".into()));
            update(&mut state, Message::Painted { key, result });
        }
    }
    assert!(frame(&mut state, 200, 60).contains("the picture ends in the middle"));
}
