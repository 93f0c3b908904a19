//! A photo is gone and the avatar may go: the page says who, whose face, since when and how far it is, and takes
//! somebody's word for it.

use std::fmt::Write as _;

use super::kit::*;
use crate::domain::brake::removal::{Decision, StagedRemoval};
use crate::domain::comparison::Verdict;
use crate::domain::plan::Limits;
use crate::engine::{PastFace, Removals};
use crate::tui::faces::FaceKey;
use crate::tui::keymap::Keymap;
use crate::tui::message::Message;
use crate::tui::screens::removals::Stage;
use crate::tui::state::{Screen, Setting, State};
use crate::tui::theme::Palette;
use crate::tui::update::update;

/// Three whose photo is gone, among two who are well.
const FIVE: [Few<'static>; 5] = [
    ("Adele Vance", "Marketing", Verdict::InSync),
    ("Grady Archie", "R&D", Verdict::OnlyInTarget),
    ("Henrietta Mueller", "Sales", Verdict::OnlyInTarget),
    ("Lidia Holloway", "Legal", Verdict::OnlyInTarget),
    ("Megan Bowen", "Marketing", Verdict::InSync),
];

fn approved() -> Decision {
    Decision::Approved {
        at: now(),
        by: "ada".into(),
    }
}

fn kept() -> Decision {
    Decision::Rejected {
        at: now(),
        by: "ada".into(),
    }
}

/// Grady waits, Henrietta is approved, for Lidia evidence is collected.
fn three() -> Removals {
    removals(
        vec![
            staged("Grady Archie", Decision::Waiting),
            staged("Henrietta Mueller", approved()),
        ],
        &[("Lidia Holloway", sightings(7, 1))],
    )
}

fn page_of(known: Removals) -> State {
    let mut state = screen_of(&FIVE);
    update(&mut state, Message::ComparingEnded(Ok(())));
    press(&mut state, "X");
    let effects = removals_read(&mut state, known);
    serve(&mut state, effects);
    state
}

fn waiting(count: usize) -> Vec<StagedRemoval> {
    (1..=count)
        .map(|number| staged(&format!("P{number:04} Person"), Decision::Waiting))
        .collect()
}

/// The names on the list, with their stages.
fn listed(state: &State) -> Vec<(String, Stage)> {
    let screen = &state.removals;
    (0..screen.rows.len())
        .filter_map(|row| screen.entry(row))
        .map(|entry| (entry.person.to_string(), entry.stage))
        .collect()
}

fn scene(state: &mut State, sizes: &[(u16, u16)]) -> String {
    let mut scene = String::new();
    for (width, height) in sizes {
        let frame = frame(state, *width, *height);
        writeln!(scene, "{width} x {height}\n{frame}\n").expect("a string takes everything");
    }
    scene
}

#[test]
fn it_is_read_when_the_page_is_opened() {
    let mut state = screen_of(&FIVE);
    assert_eq!(told(&press(&mut state, "X")), ["read the removals"]);
    assert_eq!(state.screen, Screen::Removals);
    assert!(frame(&mut state, 80, 24).contains("reading what is known"));
    update(
        &mut state,
        Message::Removals(Err(trouble("the disk is gone", None))),
    );
    let text = frame(&mut state, 80, 24);
    assert!(
        text.contains("What is known cannot be read: the disk is gone."),
        "{text}"
    );
}

#[test]
fn a_page_of_three_people_at_three_stages() {
    let mut state = page_of(three());
    assert_eq!(
        listed(&state),
        [
            ("grady".to_owned(), Stage::Waiting),
            ("henrietta".to_owned(), Stage::Approved),
            ("lidia".to_owned(), Stage::Collecting),
        ]
    );
    let mut scenes = scene(&mut state, &[(60, 14), (80, 24), (120, 40)]);
    let effects = press(&mut state, "j");
    serve(&mut state, effects);
    scenes += &scene(&mut state, &[(80, 24)]);
    let effects = press(&mut state, "j");
    serve(&mut state, effects);
    scenes += &scene(&mut state, &[(120, 40)]);
    insta::assert_snapshot!(scenes);
}

#[test]
fn an_empty_page_says_how_removals_are_switched_on() {
    let mut off = page_of(Removals {
        is_on: false,
        ..removals(Vec::new(), &[])
    });
    let mut scenes = scene(&mut off, &[(60, 14), (80, 24), (120, 40)]);
    let mut on = page_of(removals(Vec::new(), &[]));
    scenes += &scene(&mut on, &[(80, 24)]);
    insta::assert_snapshot!(scenes);
}

#[test]
fn without_unicode_and_colours_every_stage_has_a_sign_and_a_word() {
    let mut known = three();
    known.staged.push(staged("Megan Bowen", kept()));
    let mut state = page_of(known);
    state.theme.is_ascii = true;
    state.theme.palette = Palette::Plain;
    let text = frame(&mut state, 80, 24);
    for (name, words) in [
        ("Grady Archie", "? waiting"),
        ("Henrietta Mueller", "- approved"),
        ("Megan Bowen", "= kept"),
        ("Lidia Holloway", ". collecting"),
    ] {
        let line = text.lines().find(|line| line.contains(name)).expect("a row");
        assert!(line.contains(words), "{line}");
    }
    assert!(text.is_ascii(), "{text}");
}

#[test]
fn one_avatar_is_approved_after_a_question_that_names_the_person() {
    let mut state = page_of(three());
    assert!(told(&press(&mut state, "p")).is_empty(), "asked first");
    let text = frame(&mut state, 80, 24);
    assert!(
        text.contains("1 avatar would go") && text.contains("Grady Archie?"),
        "{text}"
    );
    assert_eq!(
        told(&press(&mut state, "enter")),
        ["approve the removal of grady"]
    );
    let mut known = three();
    known.staged[0].decision = approved();
    removals_read(&mut state, known);
    assert_eq!(listed(&state)[0], ("grady".to_owned(), Stage::Approved));
}

#[test]
fn esc_at_the_question_approves_nothing_and_leads_back_to_the_row() {
    let mut state = page_of(three());
    press(&mut state, "j j k k p");
    assert!(told(&press(&mut state, "esc")).is_empty());
    assert!(state.removals.question.is_none());
    assert_eq!((state.screen, state.removals.cursor), (Screen::Removals, 0));
    assert_eq!(listed(&state).len(), 3);
}

#[test]
fn several_are_approved_by_typing_how_many_and_the_list_shows_whose_faces_go() {
    let mut known = removals(waiting(4), &[]);
    known.staged.push(staged("Zoe Kept", kept()));
    let mut state = page_of(known);
    press(&mut state, "space space j space p");
    let asked: Vec<String> = listed(&state).into_iter().map(|(name, _)| name).collect();
    assert_eq!(asked, ["p0001", "p0002", "p0004"]);
    let text = frame(&mut state, 120, 40);
    assert!(
        text.contains("3 avatars would go") && text.contains("Type 3 and press ↵"),
        "{text}"
    );
    assert!(told(&press(&mut state, "enter y")).is_empty());
    assert_eq!(notice(&state), "several faces would go: type 3, then accept");
    assert!(
        told(&press(&mut state, "4 enter")).is_empty(),
        "another number is a no"
    );
    let effects = told(&press(&mut state, "backspace 3 enter"));
    assert_eq!(effects[0], "approve the removal of p0001, p0002, p0004");
    assert!(state.removals.marks.is_empty());
}

#[test]
fn an_approval_of_more_than_the_limit_allows_says_so_at_the_question() {
    let setting = Setting {
        limits: Limits {
            max_removals: Some(2),
            ..Limits::NONE
        },
        ..setting()
    };
    let mut state = screen_with(setting, Keymap::default());
    scanned(&mut state, listing(&FIVE));
    press(&mut state, "X");
    let mut known = removals(waiting(2), &[]);
    known.staged.push(staged("Henrietta Mueller", approved()));
    removals_read(&mut state, known);
    let words = "limits.max_removals (2) stops the";
    press(&mut state, "p");
    assert!(
        !frame(&mut state, 120, 40).contains(words),
        "two are within the limit"
    );
    press(&mut state, "esc a p");
    let text = frame(&mut state, 120, 40);
    assert!(
        text.contains("That makes 3 approved") && text.contains(words),
        "{text}"
    );
}

#[test]
fn while_it_is_asked_one_looks_through_the_faces_that_would_go_and_nothing_else_is_done() {
    let mut state = page_of(removals(waiting(3), &[]));
    press(&mut state, "a p");
    assert_eq!(told(&press(&mut state, "j")), ["wait a breath"]);
    let moves = state.pictures.moves;
    assert_eq!(
        told(&update(&mut state, Message::Rested(moves))),
        ["fetch p0002 now"]
    );
    for key in ["n", "u", "X", "space", "A", "tab"] {
        assert!(told(&press(&mut state, key)).is_empty(), "{key}");
    }
    assert!(state.removals.question.is_some());
    assert_eq!(state.removals.marks.len(), 3);
}

#[test]
fn keeping_and_taking_back_are_not_asked() {
    let mut state = page_of(three());
    assert_eq!(told(&press(&mut state, "n")), ["keep the avatar of grady"]);
    press(&mut state, "u");
    assert_eq!(notice(&state), "nothing was said about it yet");
    assert_eq!(
        told(&press(&mut state, "j u")).last().map(String::as_str),
        Some("take back what was said about henrietta")
    );
    press(&mut state, "p");
    assert_eq!(notice(&state), "approved already");
}

#[test]
fn of_the_marked_only_those_are_decided_of_whom_it_is_news() {
    let mut state = page_of(three());
    press(&mut state, "a");
    assert!(footer(&mut state).contains("2 marked"), "{}", footer(&mut state));
    assert_eq!(
        told(&press(&mut state, "u")),
        ["take back what was said about henrietta"]
    );
    assert_eq!(
        told(&press(&mut state, "p enter")),
        ["approve the removal of grady"]
    );
}

#[test]
fn while_evidence_is_collected_there_is_nothing_to_mark_or_to_approve() {
    let mut state = page_of(removals(
        Vec::new(),
        &[
            ("Grady Archie", sightings(30, 2)),
            ("Lidia Holloway", sightings(7, 1)),
        ],
    ));
    assert_eq!(
        listed(&state),
        [
            ("grady".to_owned(), Stage::Due),
            ("lidia".to_owned(), Stage::Collecting)
        ]
    );
    press(&mut state, "p");
    assert!(notice(&state).contains("the next run that nobody confirms stages it"));
    for key in ["p", "n", "u", "space"] {
        press(&mut state, "end");
        assert!(told(&press(&mut state, key)).is_empty());
        assert_eq!(
            notice(&state),
            "nothing to approve yet: evidence is still collected"
        );
    }
    press(&mut state, "a");
    assert!(state.removals.marks.is_empty());
}

#[test]
fn whoever_has_a_photo_again_or_no_avatar_any_more_is_not_listed() {
    let state = page_of(removals(
        Vec::new(),
        &[
            ("Adele Vance", sightings(7, 1)),
            ("Lidia Holloway", sightings(7, 1)),
        ],
    ));
    assert_eq!(listed(&state), [("lidia".to_owned(), Stage::Collecting)]);
}

#[test]
fn tabs_show_one_stage_and_marks_survive_them() {
    let mut state = page_of(three());
    press(&mut state, "space");
    press(&mut state, "tab tab");
    assert_eq!(listed(&state), [("henrietta".to_owned(), Stage::Approved)]);
    press(&mut state, "backtab backtab");
    assert_eq!(listed(&state).len(), 3);
    assert_eq!(state.removals.marks.len(), 1);
}

#[test]
fn of_more_than_fit_one_is_always_in_sight_and_all_can_be_marked() {
    let mut state = page_of(removals(waiting(60), &[]));
    resize(&mut state, 80, 24);
    for (keys, name) in [
        ("pagedown", "P0020"),
        ("end", "P0060"),
        ("k", "P0059"),
        ("home", "P0001"),
    ] {
        press(&mut state, keys);
        let text = frame(&mut state, 80, 24);
        assert!(
            text.lines().any(|line| line.contains('▌') && line.contains(name)),
            "{keys}\n{text}"
        );
    }
    press(&mut state, "a");
    assert_eq!(state.removals.marks.len(), 60);
    press(&mut state, "*");
    assert!(state.removals.marks.is_empty());
    press(&mut state, "a A");
    assert!(state.removals.marks.is_empty());
    press(&mut state, "a end p");
    insta::assert_snapshot!(frame(&mut state, 80, 24));
}

#[test]
fn the_face_that_would_go_is_asked_for_once_the_cursor_rests() {
    let mut state = screen_of(&FIVE);
    press(&mut state, "X");
    assert_eq!(told(&removals_read(&mut state, three())), ["wait a breath"]);
    let moves = state.pictures.moves;
    assert_eq!(
        told(&update(&mut state, Message::Rested(moves))),
        ["fetch grady now"]
    );
    assert!(frame(&mut state, 120, 40).contains("loading"));
    let face = Message::Face {
        key: FaceKey::Now(id("Grady Archie")),
        face: PastFace::Failed("ServiceNow answered 500".into()),
        words: "displayed now",
    };
    update(&mut state, face);
    let text = frame(&mut state, 120, 40);
    assert!(
        text.contains("ServiceNow answered 500") && text.contains("GA"),
        "{text}"
    );
}

#[test]
fn read_only_decides_nothing() {
    let setting = Setting {
        is_readonly: true,
        ..setting()
    };
    let mut state = screen_with(setting, Keymap::default());
    scanned(&mut state, listing(&FIVE));
    press(&mut state, "X");
    removals_read(&mut state, three());
    for key in ["p", "n", "u"] {
        assert!(told(&press(&mut state, key)).is_empty());
        assert_eq!(notice(&state), "read-only: nothing is decided");
    }
    press(&mut state, "j");
    assert!(!footer(&mut state).contains("approve"), "{}", footer(&mut state));
}

#[test]
fn where_removals_were_switched_off_again_what_is_staged_is_said_to_stay() {
    let mut state = page_of(Removals {
        is_on: false,
        ..three()
    });
    let text = frame(&mut state, 80, 24);
    assert!(
        text.contains("Removals are off (policy.mirror_removals)"),
        "{text}"
    );
}

#[test]
fn it_is_read_anew_after_a_scan_and_after_a_run() {
    let mut state = page_of(three());
    let effects = told(&scanned(&mut state, listing(&FIVE)));
    assert!(effects.contains(&"read the removals".to_owned()), "{effects:?}");
    press(&mut state, "esc");
    let effects = told(&scanned(&mut state, listing(&FIVE)));
    assert!(!effects.contains(&"read the removals".to_owned()), "{effects:?}");
}

#[test]
fn enter_leads_to_the_person_in_the_table_and_the_page_is_left_as_it_was_opened() {
    let mut state = page_of(three());
    press(&mut state, "j j enter");
    assert_eq!(
        (state.screen, current(&state)),
        (Screen::People, "Lidia Holloway".into())
    );
    press(&mut state, "X");
    assert_eq!(state.screen, Screen::Removals);
    press(&mut state, "X");
    assert_eq!(state.screen, Screen::People);
    press(&mut state, "X esc");
    assert_eq!(state.screen, Screen::People);
}

#[test]
fn the_list_of_people_says_with_a_key_that_something_waits() {
    let mut state = screen_of(&FIVE);
    state.notice = None;
    assert!(!footer(&mut state).contains("removals"), "{}", footer(&mut state));
    let message = Message::Standing {
        quarantine: None,
        parked: Vec::new(),
        waiting: 3,
    };
    update(&mut state, message);
    resize(&mut state, 120, 40);
    assert!(
        footer(&mut state).contains("X removals"),
        "{}",
        footer(&mut state)
    );
}
