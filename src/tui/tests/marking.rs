//! Somebody marks people, and the marks stay with them.

use super::kit::*;
use crate::domain::comparison::Verdict;
use crate::tui::screens::people::Tab;

#[test]
fn space_marks_and_goes_on_and_a_second_time_unmarks() {
    let mut state = screen_of(&CAST);
    press(&mut state, "space space");
    assert_eq!(marked(&state), ["Adele Vance", "Alex Wilber"]);
    assert_eq!(current(&state), "Diego Siciliani");
    press(&mut state, "k space");
    assert_eq!(marked(&state), ["Adele Vance"]);
}

#[test]
fn how_many_are_marked_is_always_in_sight() {
    let mut state = screen_of(&CAST);
    press(&mut state, "space space /");
    type_in(&mut state, "lee");
    assert!(footer(&mut state).contains("2 marked"), "{}", footer(&mut state));
    press(&mut state, "enter");
    assert!(footer(&mut state).contains("2 marked"));
    press(&mut state, "tab");
    assert!(footer(&mut state).contains("2 marked"));
}

#[test]
fn marks_survive_filtering_sorting_and_other_tabs() {
    let mut state = screen_of(&CAST);
    press(&mut state, "space j space");
    let expected = ["Adele Vance", "Diego Siciliani"];
    press(&mut state, "/");
    type_in(&mut state, "lee");
    assert_eq!(marked(&state), expected);
    press(&mut state, "esc s s i tab");
    assert_eq!(marked(&state), expected);
}

#[test]
fn marks_and_cursor_stay_with_their_people_when_another_scan_arrives() {
    let mut state = screen_of(&CAST);
    press(&mut state, "space j space j j");
    assert_eq!(current(&state), "Joni Sherman");
    let mut people = vec![
        ("Aaron Early", "Sales", Verdict::Missing),
        ("Bea Between", "Sales", Verdict::Missing),
    ];
    // Diego has left the company.
    people.extend(CAST.into_iter().filter(|(name, ..)| !name.starts_with("Diego")));
    scanned(&mut state, listing(&people));
    assert_eq!(marked(&state), ["Adele Vance"]);
    assert_eq!(current(&state), "Joni Sherman");
}

#[test]
fn a_range_is_marked_from_where_it_began_to_where_it_ends() {
    let mut state = screen_of(&CAST);
    press(&mut state, "j v j j v");
    assert_eq!(marked(&state), ["Alex Wilber", "Diego Siciliani", "Grady Archie"]);
    // Upwards too, and in addition to what is marked.
    press(&mut state, "G v k v");
    assert_eq!(marked(&state).len(), 5);
}

#[test]
fn escape_drops_a_range_before_it_clears_a_filter() {
    let mut state = screen_of(&CAST);
    press(&mut state, "/");
    type_in(&mut state, "e");
    press(&mut state, "enter v j esc");
    assert!(marked(&state).is_empty());
    assert_eq!(state.people.text, "e");
    assert_eq!(state.people.anchor, None);
    press(&mut state, "esc");
    assert_eq!(state.people.text, "");
}

#[test]
fn all_that_are_shown_are_marked_and_nobody_else() {
    let mut state = screen_of(&CAST);
    press(&mut state, "/");
    type_in(&mut state, "dept:sales");
    press(&mut state, "enter a esc");
    assert_eq!(marked(&state), ["Alex Wilber", "Isaiah Langer"]);
    press(&mut state, "A");
    assert!(marked(&state).is_empty());
}

#[test]
fn inverting_turns_round_what_is_shown_and_leaves_the_others_alone() {
    let mut state = screen_of(&CAST);
    press(&mut state, "space G space");
    state.people.open_tab(Tab::InSync);
    press(&mut state, "*");
    assert_eq!(
        marked(&state),
        [
            "Adele Vance",
            "Diego Siciliani",
            "Lee Gu",
            "Megan Bowen",
            "Pradeep Gupta"
        ]
    );
    press(&mut state, "*");
    assert_eq!(marked(&state), ["Adele Vance", "Pradeep Gupta"]);
}
