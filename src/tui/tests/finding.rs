//! Somebody looks for people: moving, tabs, sorting, filtering, with keys and with the mouse.

use crossterm::event::MouseEventKind;

use super::kit::*;
use crate::domain::comparison::Verdict;
use crate::tui::layout;
use crate::tui::message::Message;
use crate::tui::screens::people::{QUERY_LIMIT, Tab};
use crate::tui::state::Screen;
use crate::tui::update::update;

#[test]
fn arrows_and_letters_move_the_cursor_and_stop_at_both_ends() {
    let mut state = screen_of(&CAST);
    assert_eq!(current(&state), "Adele Vance");
    press(&mut state, "j down");
    assert_eq!(current(&state), "Diego Siciliani");
    press(&mut state, "k up up up");
    assert_eq!(current(&state), "Adele Vance");
    press(&mut state, "G");
    assert_eq!(current(&state), "Pradeep Gupta");
    press(&mut state, "j");
    assert_eq!(current(&state), "Pradeep Gupta");
    press(&mut state, "home");
    assert_eq!(current(&state), "Adele Vance");
}

#[test]
fn a_page_is_what_the_window_shows() {
    let mut state = screen();
    scanned(&mut state, crowd(200, Verdict::Missing));
    resize(&mut state, 80, 24);
    press(&mut state, "pagedown");
    assert_eq!(state.people.cursor, state.people.height);
    press(&mut state, "ctrl-b");
    assert_eq!(state.people.cursor, 0);
}

#[test]
fn after_a_resize_the_cursor_is_still_in_sight() {
    let mut state = screen();
    scanned(&mut state, crowd(200, Verdict::Missing));
    press(&mut state, "G");
    resize(&mut state, 80, 16);
    assert!(frame(&mut state, 80, 16).contains("P0200 Person"));
}

#[test]
fn a_tab_shows_its_verdicts_and_leads_on_to_the_next() {
    let mut state = screen_of(&CAST);
    press(&mut state, "tab");
    assert_eq!(state.people.tab, Tab::Differs);
    assert_eq!(shown(&state), ["Adele Vance"]);
    press(&mut state, "l");
    assert_eq!(shown(&state), ["Alex Wilber"]);
    press(&mut state, "backtab h");
    assert_eq!(shown(&state).len(), CAST.len());
}

#[test]
fn the_cursor_goes_along_to_a_tab_that_has_its_person() {
    let mut state = screen_of(&CAST);
    press(&mut state, "G");
    state.people.open_tab(Tab::InSync);
    press(&mut state, "G");
    assert_eq!(current(&state), "Megan Bowen");
    state.people.open_tab(Tab::All);
    assert_eq!(current(&state), "Megan Bowen");
}

#[test]
fn tabs_count_as_verdicts_come_in() {
    let mut state = screen_of(&CAST);
    let counts = |state: &crate::tui::state::State| {
        [Tab::InSync, Tab::Undecided, Tab::All].map(|tab| tab.count(&state.people.listing))
    };
    assert_eq!(counts(&state), [3, 1, 10]);
    looked(&mut state, "Pradeep Gupta", Verdict::InSync);
    assert_eq!(counts(&state), [4, 0, 10]);
}

#[test]
fn a_picture_that_did_not_come_changes_no_verdict_that_is_known() {
    let mut state = screen_of(&CAST);
    for (name, known, now) in [
        ("Megan Bowen", Verdict::SamePicture, Verdict::SamePicture),
        ("Pradeep Gupta", Verdict::Undecided, Verdict::Error),
    ] {
        assert_eq!(verdict(&state, name), known);
        looked_in_part(&mut state, name);
        assert_eq!(verdict(&state, name), now, "{name}");
    }
}

#[test]
fn a_verdict_that_comes_in_moves_no_row_under_the_cursor() {
    let mut state = screen_of(&CAST);
    state.people.open_tab(Tab::Undecided);
    looked(&mut state, "Pradeep Gupta", Verdict::InSync);
    assert_eq!(shown(&state), ["Pradeep Gupta"]);
    assert_eq!(verdict(&state, "Pradeep Gupta"), Verdict::InSync);
}

#[test]
fn typing_filters_at_every_letter_and_goes_to_the_best_match() {
    let mut state = screen_of(&CAST);
    press(&mut state, "G /");
    type_in(&mut state, "wil");
    assert_eq!(shown(&state), ["Alex Wilber", "Nestor Wilke"]);
    assert_eq!(state.people.cursor, 0);
    type_in(&mut state, "k");
    assert_eq!(shown(&state), ["Nestor Wilke"]);
    press(&mut state, "backspace enter");
    assert_eq!(shown(&state).len(), 2);
    press(&mut state, "j");
    assert_eq!(current(&state), "Nestor Wilke");
}

#[test]
fn filters_ask_for_status_and_department_and_negate() {
    let mut state = screen_of(&CAST);
    press(&mut state, "/");
    type_in(&mut state, "status:missing,broken");
    assert_eq!(shown(&state), ["Alex Wilber", "Isaiah Langer"]);
    press(&mut state, "ctrl-u");
    type_in(&mut state, "dept:marketing !vance");
    assert_eq!(shown(&state), ["Megan Bowen"]);
}

#[test]
fn a_filter_applies_within_the_tab_that_is_open() {
    let mut state = screen_of(&CAST);
    press(&mut state, "tab tab /");
    type_in(&mut state, "e");
    assert_eq!(shown(&state), ["Alex Wilber"]);
    press(&mut state, "enter");
    state.people.open_tab(Tab::All);
    assert!(shown(&state).len() > 1);
}

#[test]
fn escape_clears_the_filter_and_stays_with_the_person_found() {
    let mut state = screen_of(&CAST);
    press(&mut state, "/");
    type_in(&mut state, "megan");
    press(&mut state, "esc");
    assert!(!state.people.is_typing);
    assert_eq!(shown(&state).len(), CAST.len());
    assert_eq!(current(&state), "Megan Bowen");
    // And so it does later, when the filter has been accepted.
    press(&mut state, "/");
    type_in(&mut state, "lee");
    press(&mut state, "enter");
    assert_eq!(current(&state), "Lee Gu");
    press(&mut state, "esc");
    assert_eq!(shown(&state).len(), CAST.len());
    assert_eq!(current(&state), "Lee Gu");
}

#[test]
fn a_filter_that_cannot_be_understood_says_so_and_leaves_the_rows_alone() {
    let mut state = screen_of(&CAST);
    press(&mut state, "/");
    type_in(&mut state, "lee");
    press(&mut state, "ctrl-u");
    type_in(&mut state, "status:mising");
    assert_eq!(shown(&state).len(), CAST.len());
    assert!(footer(&mut state).contains("there is no status \"mising\""));
    // Enter does not pretend that it is in force.
    press(&mut state, "enter");
    assert!(state.people.is_typing);
    press(&mut state, "backspace backspace backspace backspace");
    type_in(&mut state, "ssing");
    press(&mut state, "enter");
    assert_eq!(shown(&state), ["Alex Wilber"]);
}

#[test]
fn keys_are_letters_while_a_filter_is_typed() {
    let mut state = screen_of(&CAST);
    press(&mut state, "/");
    let effects = type_in(&mut state, "pqSa");
    assert!(told(&effects).iter().all(|effect| effect == "wait a breath"));
    assert_eq!(state.people.text, "pqSa");
    assert_eq!(state.screen, Screen::People);
    press(&mut state, "space");
    assert_eq!(state.people.text, "pqSa ");
    press(&mut state, "ctrl-w");
    assert_eq!(state.people.text, "");
    press(&mut state, "backspace");
    assert!(!state.people.is_typing, "an empty filter is left with backspace");
}

#[test]
fn arrows_move_while_a_filter_is_typed() {
    let mut state = screen_of(&CAST);
    press(&mut state, "/");
    type_in(&mut state, "wil");
    press(&mut state, "down");
    assert_eq!(current(&state), "Nestor Wilke");
    assert!(state.people.is_typing);
}

#[test]
fn a_paste_of_a_megabyte_becomes_a_filter_of_1024_characters_without_line_breaks() {
    let mut state = screen_of(&CAST);
    press(&mut state, "/");
    let paste = "wil\r\n\u{1b}[2J".repeat(100_000);
    update(&mut state, Message::Paste(paste));
    assert_eq!(state.people.text.chars().count(), QUERY_LIMIT);
    assert!(!state.people.text.contains(char::is_control));
    type_in(&mut state, "x");
    update(&mut state, Message::Paste("more".into()));
    assert_eq!(state.people.text.chars().count(), QUERY_LIMIT);
}

#[test]
fn a_paste_outside_of_a_text_field_does_nothing() {
    let mut state = screen_of(&CAST);
    assert!(update(&mut state, Message::Paste("pqS\r".into())).is_empty());
    assert_eq!(state.screen, Screen::People);
    assert_eq!(state.people.text, "");
}

#[test]
fn pastes_go_into_help_and_palette_and_are_bounded_there_too() {
    for dialog in ["?", ":"] {
        let mut state = screen_of(&CAST);
        press(&mut state, dialog);
        for _ in 0..4 {
            update(&mut state, Message::Paste("mark".repeat(200)));
        }
        let length = match &state.dialog {
            Some(crate::tui::dialogs::Dialog::Help(help)) => help.filter.chars().count(),
            Some(crate::tui::dialogs::Dialog::Palette(palette)) => palette.filter.chars().count(),
            other => panic!("a text field: {other:?}"),
        };
        assert_eq!(length, QUERY_LIMIT);
    }
}

#[test]
fn sorting_goes_through_the_columns_and_back_to_the_usual_order() {
    let mut state = screen_of(&CAST);
    press(&mut state, "s s");
    let departments: Vec<String> = state
        .people
        .rows
        .iter()
        .filter_map(|row| state.people.listing.entry(*row).department())
        .map(std::borrow::Cow::into_owned)
        .collect();
    assert!(departments.is_sorted(), "{departments:?}");
    press(&mut state, "s s s");
    assert_eq!(shown(&state)[0], "Diego Siciliani", "in sync comes first");
    press(&mut state, "s");
    assert_eq!(shown(&state), CAST.map(|(name, ..)| name));
}

#[test]
fn the_cursor_stays_with_its_person_when_the_order_changes() {
    let mut state = screen_of(&CAST);
    press(&mut state, "j j s s");
    assert_eq!(current(&state), "Diego Siciliani");
    press(&mut state, "i");
    assert_eq!(current(&state), "Diego Siciliani");
    assert_eq!(shown(&state).len(), CAST.len());
}

#[test]
fn turning_the_order_round_shows_the_last_one_first() {
    let mut state = screen_of(&CAST);
    press(&mut state, "i");
    assert_eq!(shown(&state)[0], "Pradeep Gupta");
    press(&mut state, "i");
    assert_eq!(shown(&state)[0], "Adele Vance");
}

#[test]
fn a_click_goes_to_the_row_and_its_sign_is_a_box_to_tick() {
    let mut state = screen_of(&CAST);
    let table = layout::inside(layout::people(state.size).table);
    click(&mut state, table.x + 10, table.y + 1 + 4);
    assert_eq!(current(&state), "Isaiah Langer");
    assert!(marked(&state).is_empty());
    click(&mut state, table.x + 1, table.y + 1);
    assert_eq!(marked(&state), ["Adele Vance"]);
    click(&mut state, table.x + 1, table.y + 1);
    assert!(marked(&state).is_empty());
}

#[test]
fn a_click_below_the_last_row_or_on_a_picture_moves_nothing() {
    let mut state = screen_of(&CAST);
    let areas = layout::people(state.size);
    let table = layout::inside(areas.table);
    click(&mut state, table.x + 10, table.bottom() - 1);
    click(&mut state, areas.source.x + 2, areas.source.y + 2);
    click(&mut state, areas.footer.x + 2, areas.footer.y);
    assert_eq!(current(&state), "Adele Vance");
}

#[test]
fn a_click_on_a_tab_opens_it() {
    let mut state = screen_of(&CAST);
    let tabs = layout::people(state.size).tabs;
    let text = frame(&mut state, 120, 40);
    let line = text.lines().nth(usize::from(tabs.y)).expect("the tabs");
    let column = line.find("Missing").expect("a tab") as u16;
    click(&mut state, column, tabs.y);
    assert_eq!(shown(&state), ["Alex Wilber"]);
    // Between two tabs there is none.
    click(&mut state, column - 1, tabs.y);
    assert_eq!(shown(&state), ["Alex Wilber"]);
}

#[test]
fn a_click_on_a_column_sorts_by_it_and_a_second_one_turns_it_round() {
    let mut state = screen_of(&CAST);
    let table = layout::inside(layout::people(state.size).table);
    let text = frame(&mut state, 120, 40);
    let line = text.lines().nth(usize::from(table.y)).expect("the column names");
    let column = line.chars().position(|letter| letter == 'S').expect("Status") as u16;
    click(&mut state, column, table.y);
    assert_eq!(shown(&state)[0], "Diego Siciliani");
    click(&mut state, column, table.y);
    assert_eq!(shown(&state)[0], "Pradeep Gupta");
}

#[test]
fn the_wheel_moves_the_window_and_takes_the_cursor_along_only_when_it_must() {
    let mut state = screen();
    scanned(&mut state, crowd(200, Verdict::Missing));
    press(&mut state, "j j j j");
    mouse(&mut state, MouseEventKind::ScrollDown, 5, 5);
    assert_eq!((state.people.offset, state.people.cursor), (3, 4));
    mouse(&mut state, MouseEventKind::ScrollDown, 5, 5);
    assert_eq!((state.people.offset, state.people.cursor), (6, 6));
    mouse(&mut state, MouseEventKind::ScrollUp, 5, 5);
    assert_eq!((state.people.offset, state.people.cursor), (3, 6));
}

#[test]
fn the_mouse_does_nothing_behind_a_dialog() {
    let mut state = screen_of(&CAST);
    press(&mut state, "?");
    let table = layout::inside(layout::people(state.size).table);
    assert!(click(&mut state, table.x + 1, table.y + 3).is_empty());
    assert!(mouse(&mut state, MouseEventKind::ScrollDown, 5, 5).is_empty());
    assert_eq!(current(&state), "Adele Vance");
    assert!(marked(&state).is_empty());
}

#[test]
fn with_nobody_there_every_key_is_harmless() {
    let mut state = screen();
    scanned(&mut state, listing(&[]));
    for entry in crate::tui::intent::ENTRIES {
        for key in entry.keys {
            press(&mut state, key);
            press(&mut state, "esc");
        }
    }
    assert_eq!(current(&state), "");
}

#[test]
fn suspicious_photos_have_a_sign_a_sentence_and_a_key_that_shows_them_alone() {
    let mut people = listing(&CAST);
    let row = people.find(&id("Alex Wilber")).expect("listed");
    people.set_suspicion(row, Some("the same photo as Lee Gu"));
    let mut state = screen();
    scanned(&mut state, people);
    press(&mut state, "!");
    assert_eq!(
        (current(&state), state.people.rows.len()),
        ("Alex Wilber".to_owned(), 1)
    );
    for is_ascii in [false, true] {
        state.theme.is_ascii = is_ascii;
        let text = frame(&mut state, 120, 40);
        assert!(text.contains("! suspicious: the same photo as Lee Gu"), "{text}");
        let line = text
            .lines()
            .find(|line| line.contains("Alex Wilber"))
            .expect("a row");
        assert!(line.contains(" !"), "{line}");
    }
    press(&mut state, "g");
    assert!(
        frame(&mut state, 120, 40).contains("!missing"),
        "the contact sheet too"
    );
    press(&mut state, "g !");
    assert_eq!(state.people.rows.len(), CAST.len());
}
