//! Somebody wants a push. Nothing is written before the plan has been shown and accepted.

use super::kit::*;
use crate::domain::comparison::Verdict;
use crate::domain::plan::Limits;
use crate::tui::keymap::Keymap;
use crate::tui::layout;
use crate::tui::message::{Effect, Message, ScanNews};
use crate::tui::screens::plan::PlanScreen;
use crate::tui::screens::run::Phase;
use crate::tui::state::{Screen, Setting, State};
use crate::tui::update::update;

fn asked(keys: &str) -> State {
    let mut state = screen_of(&CAST);
    press(&mut state, keys);
    state
}

fn two() -> crate::domain::plan::Plan {
    plan_of(&[
        ("Adele Vance", Verdict::Differs),
        ("Alex Wilber", Verdict::Missing),
        ("Lee Gu", Verdict::InSync),
    ])
}

#[test]
fn push_asks_before_it_writes() {
    let mut state = screen_of(&CAST);
    assert_eq!(
        told(&press(&mut state, "space space p")),
        ["wait a breath", "wait a breath", "plan adele, alex"]
    );
    assert_eq!(state.screen, Screen::Plan);
    assert!(told(&planned(&mut state, two())).is_empty());
    assert!(!state.run.is_under_way(), "the plan waits for an answer");
    assert_eq!(told(&press(&mut state, "enter")), ["apply to adele, alex"]);
    assert_eq!(state.screen, Screen::Run);
    assert_eq!(state.run.phase, Phase::Starting);
}

#[test]
fn without_marks_the_person_under_the_cursor_is_pushed() {
    let mut state = screen_of(&CAST);
    let effects = press(&mut state, "j p");
    assert_eq!(told(&effects).last().map(String::as_str), Some("plan alex"));
}

#[test]
fn marked_people_are_pushed_even_while_a_filter_hides_them() {
    let mut state = screen_of(&CAST);
    press(&mut state, "space /");
    type_in(&mut state, "lee");
    press(&mut state, "enter");
    assert_eq!(told(&press(&mut state, "p")), ["plan adele"]);
}

#[test]
fn a_full_run_plans_for_everybody_and_asks_too() {
    let mut state = screen_of(&CAST);
    assert_eq!(told(&press(&mut state, "S")), ["plan everybody"]);
    planned(&mut state, two());
    assert!(!state.run.is_known());
    assert!(frame(&mut state, 120, 40).contains("change 2 people"));
}

#[test]
fn a_key_that_comes_before_the_plan_is_there_neither_accepts_nor_drops_it() {
    let mut state = asked("p");
    assert!(told(&press(&mut state, "enter y")).is_empty());
    assert!(state.plan.is_being_made());
    planned(&mut state, two());
    assert!(matches!(state.plan, PlanScreen::Ready(_)));
}

#[test]
fn escape_goes_back_and_changes_nothing() {
    let mut state = asked("p");
    planned(&mut state, two());
    assert!(told(&press(&mut state, "esc")).is_empty());
    assert_eq!(state.screen, Screen::People);
    assert!(!state.run.is_known());
}

#[test]
fn escape_stops_a_plan_that_is_being_made_and_its_answer_is_dropped() {
    let mut state = asked("p");
    assert_eq!(told(&press(&mut state, "esc")), ["drop the plan"]);
    planned(&mut state, two());
    assert_eq!(state.screen, Screen::People);
    assert!(matches!(state.plan, PlanScreen::Nothing));
}

#[test]
fn the_answer_to_an_older_question_is_not_taken_for_the_one_waited_for() {
    let mut state = asked("p");
    let older = state.questions;
    press(&mut state, "esc S");
    let result = Ok(Box::new(two()));
    update(
        &mut state,
        Message::Planned {
            question: older,
            result,
        },
    );
    assert!(state.plan.is_being_made());
    let news = ScanNews {
        what: "matched",
        done: 7,
        total: None,
    };
    update(
        &mut state,
        Message::Planning {
            question: older,
            news,
        },
    );
    assert!(!frame(&mut state, 120, 40).contains("matched 7"));
}

#[test]
fn how_far_the_making_is_can_be_seen() {
    let mut state = asked("S");
    let question = state.questions;
    let news = ScanNews {
        what: "comparing pictures",
        done: 40,
        total: Some(310),
    };
    update(&mut state, Message::Planning { question, news });
    assert!(frame(&mut state, 120, 40).contains("comparing pictures 40 of 310"));
}

#[test]
fn a_plan_that_cannot_be_made_says_why_and_what_to_do() {
    let mut state = asked("p");
    let question = state.questions;
    let result = Err(trouble(
        "ServiceNow: could not sign in",
        Some("run avatar-sync check"),
    ));
    update(&mut state, Message::Planned { question, result });
    let text = frame(&mut state, 120, 40);
    assert!(
        text.contains("could not sign in") && text.contains("Run avatar-sync check."),
        "{text}"
    );
    press(&mut state, "enter");
    assert_eq!(state.screen, Screen::People);
}

#[test]
fn a_large_change_wants_its_number_typed_and_nothing_else_accepts_it() {
    let mut state = screen();
    scanned(&mut state, crowd(3_000, Verdict::Missing));
    press(&mut state, "S");
    planned(&mut state, large_plan(1_001));
    for attempt in [
        "enter",
        "y",
        "1 0 0 enter",
        "2 enter",
        "backspace backspace backspace backspace enter",
        "1 0 0 2 enter",
    ] {
        assert!(told(&press(&mut state, attempt)).is_empty(), "{attempt}");
        assert!(!state.run.is_known(), "{attempt}");
        assert!(notice(&state).contains("type 1001"), "{attempt}");
    }
    press(&mut state, "backspace 1");
    assert!(told(&press(&mut state, "enter"))[0].starts_with("apply to p0001, p0002"));
    assert_eq!(state.run.steps, 1_001);
    crate::tried("N1", 1);
}

#[test]
fn a_change_of_more_than_a_fifth_of_everybody_is_a_large_one() {
    for (everybody, steps, is_large) in [
        (300, 60, false),
        (300, 61, true),
        (40, 40, false),
        (5_000, 1_000, false),
    ] {
        let mut state = screen();
        scanned(&mut state, crowd(everybody, Verdict::Missing));
        press(&mut state, "S");
        planned(&mut state, large_plan(steps));
        press(&mut state, "enter");
        assert_eq!(!state.run.is_known(), is_large, "{steps} of {everybody}");
    }
    crate::tried("N1", 1);
}

#[test]
fn digits_are_nothing_special_where_no_number_is_wanted() {
    let mut state = asked("p");
    planned(&mut state, two());
    press(&mut state, "2");
    assert!(told(&press(&mut state, "enter"))[0].starts_with("apply"));
}

#[test]
fn a_plan_outside_its_limits_is_refused_with_the_figures() {
    let limits = Limits {
        max_changes: Some(1),
        ..Limits::NONE
    };
    let mut state = screen_with(Setting { limits, ..setting() }, Keymap::default());
    scanned(&mut state, listing(&CAST));
    press(&mut state, "S");
    planned(&mut state, two());
    let text = frame(&mut state, 120, 40);
    assert!(text.contains("the limit is 1"), "{text}");
    assert!(told(&press(&mut state, "enter")).is_empty());
    assert!(!state.run.is_known());
}

#[test]
fn read_only_shows_the_plan_and_never_applies_it() {
    let mut state = screen_with(
        Setting {
            is_readonly: true,
            ..setting()
        },
        Keymap::default(),
    );
    scanned(&mut state, crowd(3_000, Verdict::Missing));
    for plan in [two(), large_plan(1_500)] {
        press(&mut state, "S");
        planned(&mut state, plan);
        assert!(frame(&mut state, 120, 40).contains("read-only"));
        let effects = press(&mut state, "1 5 0 0 enter");
        assert!(
            told(&effects).iter().all(|effect| !effect.starts_with("apply")),
            "{effects:?}"
        );
        press(&mut state, "y esc");
        assert!(!state.run.is_known());
    }
}

#[test]
fn with_nothing_to_change_there_is_nothing_to_accept() {
    let mut state = asked("p");
    planned(&mut state, plan_of(&[("Lee Gu", Verdict::InSync)]));
    assert!(frame(&mut state, 120, 40).contains("Nothing has to be done"));
    assert!(told(&press(&mut state, "enter")).is_empty());
    assert_eq!(state.screen, Screen::People);
    assert!(!state.run.is_known());
}

#[test]
fn who_is_left_out_and_why_is_told() {
    let mut state = asked("S");
    planned(
        &mut state,
        plan_of(&[
            ("Adele Vance", Verdict::Differs),
            ("Grady Archie", Verdict::OnlyInTarget),
            ("Joni Sherman", Verdict::Unmatched),
        ]),
    );
    let text = frame(&mut state, 160, 40);
    assert!(text.contains("2 are left alone"), "{text}");
    assert!(text.contains("unmatched"), "{text}");
}

#[test]
fn the_list_of_faces_scrolls_to_its_last_line() {
    let mut state = screen();
    scanned(&mut state, crowd(300, Verdict::Missing));
    press(&mut state, "S");
    planned(&mut state, large_plan(50));
    press(&mut state, "j j");
    assert!(!frame(&mut state, 80, 24).contains("P0002"));
    press(&mut state, "G");
    assert!(frame(&mut state, 80, 24).contains("P0050"));
    press(&mut state, "home");
    assert!(frame(&mut state, 80, 24).contains("P0001"));
}

#[test]
fn as_many_faces_as_there_is_room_for_are_looked_at_first_of_all_the_first() {
    let mut state = screen();
    scanned(&mut state, crowd(300, Verdict::Missing));
    draws(&mut state);
    press(&mut state, "S");
    let effects = planned(&mut state, large_plan(40));
    assert_eq!(told(&effects), ["look at p0001", "look at p0002, p0003, p0004"]);
    // Further down others come into sight.
    assert_eq!(told(&press(&mut state, "j")), ["look at p0005"]);
    assert_eq!(told(&press(&mut state, "k")), Vec::<String>::new());
}

#[test]
fn where_no_picture_can_be_drawn_a_plan_looks_at_nobody() {
    let mut state = asked("S");
    assert!(planned(&mut state, two()).is_empty());
    assert!(press(&mut state, "j").is_empty());
}

#[test]
fn faces_are_small_in_a_plan_and_as_large_as_before_after_it() {
    let within = |effects: &[Effect]| -> Vec<(u16, u16)> {
        let keys = effects.iter().filter_map(|effect| match effect {
            Effect::Paint { key, .. } => Some(key.within),
            _ => None,
        });
        keys.collect()
    };
    let mut state = screen_of(&CAST);
    draws(&mut state);
    let large = within(&looked(&mut state, "Adele Vance", Verdict::Differs))[0];
    press(&mut state, "S");
    let effects = planned(&mut state, two());
    let small = (layout::THUMBNAIL.width, layout::THUMBNAIL.height);
    assert_eq!(within(&effects), [small; 2]);
    press(&mut state, "esc");
    assert_eq!(state.pictures.within, large);
}

#[test]
fn nobody_is_pushed_while_a_run_is_under_way() {
    let mut state = running(&CAST, two());
    press(&mut state, "esc");
    for key in ["p", "S"] {
        assert!(told(&press(&mut state, key)).is_empty());
        assert!(
            notice(&state).contains("a run is under way (watch it with ctrl-r)"),
            "{}",
            notice(&state)
        );
    }
}

#[test]
fn with_nobody_shown_nobody_is_pushed() {
    let mut state = screen_of(&CAST);
    press(&mut state, "/");
    type_in(&mut state, "nobody-at-all");
    press(&mut state, "enter");
    assert!(told(&press(&mut state, "p")).is_empty());
    assert!(notice(&state).contains("nobody is shown"));
}

#[test]
fn the_requests_can_be_read_while_a_plan_waits_and_lead_back_to_it() {
    let mut state = asked("p");
    planned(&mut state, two());
    press(&mut state, "@ esc");
    assert_eq!(state.screen, Screen::Plan);
    assert!(told(&press(&mut state, "enter"))[0].starts_with("apply"));
}

#[test]
fn in_a_window_that_is_too_small_nothing_is_accepted_unseen() {
    let mut state = asked("p");
    planned(&mut state, two());
    resize(&mut state, 40, 10);
    assert!(told(&press(&mut state, "enter y")).is_empty());
    assert!(!state.run.is_known());
    resize(&mut state, 80, 24);
    assert!(told(&press(&mut state, "enter"))[0].starts_with("apply"));
}

const THREE: [(&str, Verdict); 3] = [
    ("Adele Vance", Verdict::Differs),
    ("Alex Wilber", Verdict::Missing),
    ("Lee Gu", Verdict::Missing),
];

#[test]
fn suspicious_photos_wait_and_the_plan_says_whose_and_how_to_put_them_in() {
    let mut state = asked("S");
    planned(
        &mut state,
        suspicious_plan(&THREE, &["Alex Wilber", "Lee Gu"], false),
    );
    for (width, height) in [(80, 24), (120, 40)] {
        let text = frame(&mut state, width, height);
        assert!(text.contains("change 1 person"), "{text}");
        assert!(text.contains("2 are held back"), "{text}");
        assert!(text.contains("Alex Wilber, Lee Gu. w puts them in."), "{text}");
    }
}

#[test]
fn one_key_plans_anew_with_suspicious_photos_and_the_same_one_without_them() {
    let mut state = asked("S");
    planned(&mut state, suspicious_plan(&THREE, &["Alex Wilber"], false));
    assert_eq!(
        told(&press(&mut state, "w")),
        ["plan everybody with suspicious photos"]
    );
    planned(&mut state, suspicious_plan(&THREE, &["Alex Wilber"], true));
    let text = frame(&mut state, 120, 40);
    assert!(text.contains("change 3 people"), "{text}");
    assert!(
        text.contains("Suspicious photos are in this plan, as you confirmed"),
        "{text}"
    );
    assert_eq!(told(&press(&mut state, "w")), ["plan everybody"]);
}

#[test]
fn whoever_goes_back_has_confirmed_nothing() {
    let mut state = asked("S");
    planned(&mut state, suspicious_plan(&THREE, &["Alex Wilber"], false));
    press(&mut state, "w");
    planned(&mut state, suspicious_plan(&THREE, &["Alex Wilber"], true));
    press(&mut state, "esc");
    assert_eq!(told(&press(&mut state, "S")), ["plan everybody"]);
}

#[test]
fn where_no_photo_is_held_back_there_is_nothing_to_confirm() {
    let mut state = asked("S");
    planned(&mut state, two());
    assert!(told(&press(&mut state, "w")).is_empty());
    assert!(matches!(state.plan, PlanScreen::Ready(_)));
    assert!(frame(&mut state, 120, 40).contains("no photo is held back"));
}

/// Two people would lose their avatar, and three get another one.
fn vanishing() -> crate::domain::plan::Plan {
    let people = [
        ("Adele Vance", Verdict::Differs),
        ("Alex Wilber", Verdict::Missing),
        ("Grady Archie", Verdict::OnlyInTarget),
        ("Isaiah Langer", Verdict::Broken),
        ("Zoe Last", Verdict::OnlyInTarget),
    ];
    let candidates = people.map(|(name, verdict)| candidate(name, verdict));
    let policy = crate::domain::plan::Policy {
        mirror_removals: true,
        ..crate::domain::plan::Policy::default()
    };
    crate::domain::plan::plan(candidates.into(), policy, "default", now(), true)
}

#[test]
fn faces_that_would_vanish_come_before_all_others() {
    let mut state = screen_of(&CAST);
    draws(&mut state);
    press(&mut state, "S");
    let effects = planned(&mut state, vanishing());
    let looks = told(&effects);
    assert!(looks[0].starts_with("look at grady"), "{looks:?}");
    let text = frame(&mut state, 120, 40);
    let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words}:\n{text}"));
    assert!(at("2 LOSE their picture") < at("1 gets a first picture"));
    assert!(at("Grady Archie") < at("Adele Vance"));
    assert!(at("Zoe Last") < at("Adele Vance"));
    assert!(!text.contains("in this order"), "that of the run is another one");
}
