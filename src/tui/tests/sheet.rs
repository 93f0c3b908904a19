//! The contact sheet: pairs of pictures in a grid, worked with the keys of the table.

use ratatui::layout::Size;

use super::kit::*;
use crate::domain::comparison::Verdict;
use crate::tui::message::{Effect, Message};
use crate::tui::screens::sheet::grid;
use crate::tui::state::{Screen, State};
use crate::tui::update::update;

/// A crowd on the contact sheet, in a terminal that draws.
fn sheet_of(count: usize) -> State {
    let mut state = screen();
    scanned(&mut state, crowd(count, Verdict::Differs));
    draws(&mut state);
    press(&mut state, "g");
    state
}

fn rest(state: &mut State) -> Vec<Effect> {
    let moves = state.pictures.moves;
    update(state, Message::Rested(moves))
}

/// How many people each look asks for.
fn looks(effects: &[Effect]) -> Vec<usize> {
    let looks = effects.iter().filter_map(|effect| match effect {
        Effect::Look(people) => Some(people.len()),
        _ => None,
    });
    looks.collect()
}

fn paints(effects: &[Effect]) -> usize {
    let is_paint = |effect: &&Effect| matches!(effect, Effect::Paint { .. });
    effects.iter().filter(is_paint).count()
}

#[test]
fn a_key_opens_it_at_the_same_person_and_the_same_key_goes_back() {
    let mut state = screen_of(&CAST);
    press(&mut state, "j j j g");
    assert_eq!(
        (state.screen, current(&state).as_str()),
        (Screen::Sheet, "Grady Archie")
    );
    press(&mut state, "right g");
    assert_eq!(
        (state.screen, current(&state).as_str()),
        (Screen::People, "Isaiah Langer")
    );
}

#[test]
fn arrows_walk_through_the_grid_and_stay_in_it() {
    let mut state = sheet_of(500);
    let columns = state.people.columns;
    assert!(columns > 2);
    press(&mut state, "down right");
    assert_eq!(state.people.cursor, columns + 1);
    press(&mut state, "up up h h h");
    assert_eq!(state.people.cursor, 0);
    press(&mut state, "end");
    assert_eq!(state.people.cursor, 499);
    press(&mut state, "down");
    assert_eq!(state.people.cursor, 499, "there is nothing below the last line");
    press(&mut state, "home");
    assert_eq!((state.people.cursor, state.people.offset), (0, 0));
}

#[test]
fn a_page_is_what_fits_and_the_cursor_keeps_its_column() {
    let mut state = sheet_of(500);
    let height = state.people.height;
    press(&mut state, "l pagedown");
    assert_eq!(state.people.cursor, height + 1);
    assert_eq!(state.people.offset % state.people.columns, 0);
    press(&mut state, "pageup");
    assert_eq!(state.people.cursor, 1);
}

#[test]
fn marks_ranges_tabs_and_filters_are_those_of_the_table() {
    let mut state = screen_of(&CAST);
    press(&mut state, "g space space l v l l v");
    assert_eq!(
        marked(&state),
        [
            "Adele Vance",
            "Alex Wilber",
            "Grady Archie",
            "Isaiah Langer",
            "Joni Sherman"
        ]
    );
    press(&mut state, "*");
    assert_eq!(marked(&state).len(), 5);
    press(&mut state, "A");
    assert!(marked(&state).is_empty());
    press(&mut state, "/ adele enter");
    assert_eq!(
        (state.screen, shown(&state)),
        (Screen::Sheet, vec!["Adele Vance".to_owned()])
    );
    press(&mut state, "esc tab");
    assert_eq!(shown(&state), ["Adele Vance"], "those who differ");
    press(&mut state, "g");
    assert_eq!(shown(&state), ["Adele Vance"], "and so does the table");
}

#[test]
fn a_push_comes_back_to_the_sheet() {
    let mut state = screen_of(&CAST);
    let effects = press(&mut state, "g space p");
    assert!(told(&effects).contains(&"plan adele".to_owned()));
    press(&mut state, "esc");
    assert_eq!(state.screen, Screen::Sheet);
    press(&mut state, "z esc");
    assert_eq!(state.screen, Screen::Sheet);
}

#[test]
fn people_in_sight_are_looked_at_together_when_the_cursor_rests() {
    let mut state = screen();
    resize(&mut state, 120, 40);
    scanned(&mut state, crowd(500, Verdict::Missing));
    draws(&mut state);
    let effects = press(&mut state, "g");
    assert!(told(&effects).contains(&"wait a breath".to_owned()));
    let asked = looks(&rest(&mut state));
    let fit = state.people.height;
    assert!(asked.iter().sum::<usize>() >= fit, "{asked:?} of {fit}");
    assert!(asked.iter().all(|together| *together <= 20), "{asked:?}");
    assert!(asked.len() <= 3, "they share requests: {asked:?}");
}

#[test]
fn the_next_screenful_is_there_before_somebody_turns_to_it() {
    let mut state = screen();
    scanned(&mut state, crowd(500, Verdict::Differs));
    draws(&mut state);
    let effects = press(&mut state, "g");
    serve(&mut state, effects);
    let effects = press(&mut state, "pagedown");
    assert_eq!(paints(&effects), 0, "all of it has been made");
    let frame = frame(&mut state, 120, 40);
    assert!(!frame.contains('…'), "{frame}");
}

#[test]
fn of_many_thousands_only_those_near_the_screen_are_ever_asked_for() {
    let mut state = sheet_of(5_000);
    let mut asked = 0;
    for _ in 0..200 {
        let effects = press(&mut state, "pagedown");
        asked += looks(&effects).iter().sum::<usize>();
    }
    assert_eq!(asked, 0, "whoever only passes by wants nothing");
    for _ in 0..20 {
        asked += looks(&rest(&mut state)).iter().sum::<usize>();
        press(&mut state, "pageup");
    }
    assert!(
        (1..=60).contains(&asked),
        "a service that hangs gathers no looks: {asked}"
    );
}

#[test]
fn pictures_are_made_in_the_size_of_the_cells_and_for_the_first_one_first() {
    let mut state = screen();
    scanned(&mut state, crowd(500, Verdict::Differs));
    draws(&mut state);
    press(&mut state, "g");
    let expected = grid(&state).picture;
    for number in 1..=3 {
        looked(&mut state, &format!("P{number:04} Person"), Verdict::Differs);
    }
    let effects = draws(&mut state);
    let keys: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Paint { key, .. } => Some(*key),
            _ => None,
        })
        .collect();
    assert_eq!(keys.len(), 6);
    assert!(keys.iter().all(|key| Size::from(key.within) == expected));
    // What is asked for last is made first.
    let first = crate::domain::photo::Sha256::of(&picture("P0001 Person"));
    assert_eq!(keys[5].subject, crate::tui::message::Subject::Picture(first));
}

#[test]
fn scrolling_drops_what_nobody_waits_for_any_more() {
    let mut state = sheet_of(500);
    for number in 1..=3 {
        looked(&mut state, &format!("P{number:04} Person"), Verdict::Differs);
    }
    let effects = press(&mut state, "pagedown pagedown");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::DropPaints)));
    let effects = press(&mut state, "home");
    assert_eq!(
        paints(&effects),
        6,
        "and it is asked for again when it is in sight again"
    );
}

#[test]
fn a_person_whose_bytes_were_let_go_is_still_drawn_and_looked_at_again_when_enlarged() {
    let mut state = screen();
    scanned(&mut state, crowd(500, Verdict::Differs));
    draws(&mut state);
    let effects = press(&mut state, "g");
    serve(&mut state, effects);
    let large = vec![7_u8; 13 << 20];
    let mut look = look("P0002 Person", Verdict::Differs);
    look.source = crate::engine::SidePicture::Bytes(large.into());
    let look = crate::tui::looked::PersonLook::of(&look, state.now);
    let same = look.clone();
    for (name, look) in [("P0002 Person", look), ("P0003 Person", same)] {
        update(
            &mut state,
            Message::Looked {
                person: id(name),
                result: Ok(Box::new(look)),
            },
        );
    }
    let before = frame(&mut state, 120, 40);
    assert!(before.contains("P0001"), "{before}");
    let effects = press(&mut state, "z");
    assert_eq!(
        looks(&effects),
        [1],
        "only its words were kept: {:?}",
        told(&effects)
    );
}

#[test]
fn larger_and_smaller_pictures_change_how_many_fit() {
    let mut state = sheet_of(500);
    let usual = state.people.height;
    press(&mut state, "+");
    assert!(state.people.height < usual);
    press(&mut state, "- -");
    assert!(state.people.height > usual);
    for _ in 0..20 {
        press(&mut state, "+");
    }
    assert_eq!(grid(&state).lines, 1);
    assert!(state.people.height >= 1);
}

#[test]
fn the_mouse_chooses_marks_and_scrolls() {
    use crossterm::event::MouseEventKind;
    let mut state = sheet_of(500);
    let grid = grid(&state);
    let second = grid.cell(grid.columns + 1);
    click(&mut state, second.x + 3, second.y + 1);
    assert_eq!(state.people.cursor, state.people.columns + 1);
    assert!(marked(&state).is_empty());
    let name = grid.parts(second).name;
    click(&mut state, second.x, name.y);
    assert_eq!(marked(&state).len(), 1);
    mouse(&mut state, MouseEventKind::ScrollDown, 5, 5);
    assert_eq!(state.people.offset, state.people.columns);
    mouse(&mut state, MouseEventKind::ScrollUp, 5, 5);
    assert_eq!(state.people.offset, 0);
    // Beside the last pair there is nobody.
    click(&mut state, 119, 20);
    assert_eq!(state.people.cursor, state.people.columns + 1);
}

#[test]
fn a_person_who_cannot_be_read_says_so_and_is_asked_for_again_by_the_next_rest() {
    let mut state = sheet_of(5);
    let result = || Err(trouble("ServiceNow: could not read avatars", None));
    rest(&mut state);
    for number in 1..=5 {
        let person = id(&format!("P{number:04} Person"));
        update(
            &mut state,
            Message::Looked {
                person,
                result: result(),
            },
        );
    }
    assert!(frame(&mut state, 120, 40).contains("readable"));
    press(&mut state, "l");
    assert_eq!(looks(&rest(&mut state)), [5]);
}
