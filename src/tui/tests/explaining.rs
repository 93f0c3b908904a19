//! The person screen: why a picture is what it is, where it is stored, and who works with whom; and comparing a pair.

use super::kit::*;
use crate::domain::comparison::Verdict;
use crate::tui::message::{Effect, Message, Subject};
use crate::tui::screens::zoom::Comparison;
use crate::tui::state::{Screen, State};
use crate::tui::update::update;

/// The cast, drawn, with the cursor on Adele.
fn cast() -> State {
    let mut state = screen_of(&CAST);
    draws(&mut state);
    let effects = press(&mut state, "j k");
    serve(&mut state, effects);
    state
}

fn is_asked_for(effects: &[Effect], name: &str) -> bool {
    told(effects).contains(&format!("explain {}", id(name)))
}

#[test]
fn enter_asks_at_once_and_shows_what_the_list_knows_meanwhile() {
    let mut state = cast();
    let effects = press(&mut state, "enter");
    assert!(is_asked_for(&effects, "Adele Vance"));
    let text = frame(&mut state, 120, 40);
    for words in ["Adele Vance", "different pictures", "asking both sides"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    press(&mut state, "enter");
    assert_eq!(state.screen, Screen::People, "the same key goes back");
}

#[test]
fn the_five_steps_the_chain_and_the_colleagues_are_told() {
    let mut state = cast();
    let effects = press(&mut state, "enter");
    serve(&mut state, effects);
    let text = frame(&mut state, 200, 90);
    for words in [
        "1 Found in Entra ID",
        "2 Photo in Entra ID",
        "3 Matched in ServiceNow",
        "4 The chain in ServiceNow",
        "5 What a push would do",
        "next",
        "avatar-sync",
        "live_profile, wins",
        "sys_user",
        "people see this",
        "Works with",
        "Alex Wilber",
        "Diego Siciliani",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn an_answer_for_somebody_already_left_is_dropped() {
    let mut state = cast();
    press(&mut state, "enter");
    let earlier = explained(&state, "Adele Vance", Verdict::Differs);
    press(&mut state, "right");
    update(&mut state, earlier);
    let text = frame(&mut state, 120, 40);
    assert!(
        text.contains("Alex Wilber") && !text.contains("1 Found in Entra ID"),
        "{text}"
    );
    let moves = state.pictures.moves;
    let effects = update(&mut state, Message::Rested(moves));
    assert!(is_asked_for(&effects, "Alex Wilber"), "once the cursor rests");
}

#[test]
fn pictures_of_the_links_are_fetched_once_and_only_where_pictures_are_drawn() {
    let mut state = cast();
    press(&mut state, "enter");
    let message = explained(&state, "Adele Vance", Verdict::Differs);
    let effects = update(&mut state, message);
    assert!(
        told(&effects).contains(&"fetch 1 pictures".to_owned()),
        "{:?}",
        told(&effects)
    );
    let again = explained(&state, "Adele Vance", Verdict::Differs);
    assert!(told(&update(&mut state, again)).is_empty());

    let mut words = screen_of(&CAST);
    press(&mut words, "enter");
    let message = explained(&words, "Adele Vance", Verdict::Differs);
    assert!(told(&update(&mut words, message)).is_empty());
}

#[test]
fn one_key_leads_to_the_manager_or_a_report_whatever_is_filtered() {
    let mut state = cast();
    let effects = press(&mut state, "/ adele enter enter");
    serve(&mut state, effects);
    let effects = press(&mut state, "m");
    assert_eq!(
        (current(&state).as_str(), state.screen),
        ("Alex Wilber", Screen::Person)
    );
    assert!(is_asked_for(&effects, "Alex Wilber"));
    serve(&mut state, effects);
    press(&mut state, "1");
    assert_eq!(current(&state), "Diego Siciliani");
}

#[test]
fn a_colleague_who_is_not_there_is_said_and_nothing_moves() {
    let mut state = cast();
    let effects = press(&mut state, "enter");
    press(&mut state, "m");
    assert!(notice(&state).contains("not known yet"));
    serve(&mut state, effects);
    press(&mut state, "7");
    assert_eq!(notice(&state), "there is no such direct report");
    press(&mut state, "2");
    assert!(
        notice(&state).contains("not among the people listed"),
        "{}",
        notice(&state)
    );
    assert_eq!(current(&state), "Adele Vance");
}

#[test]
fn what_cannot_be_explained_says_why_and_can_be_tried_again() {
    let mut state = cast();
    press(&mut state, "enter");
    let question = state.person.question();
    let refused = Err(trouble("ServiceNow: could not read avatars", Some("try again")));
    update(
        &mut state,
        Message::Explained {
            question,
            result: refused,
        },
    );
    assert!(frame(&mut state, 120, 40).contains("could not read avatars"));
    assert!(is_asked_for(&press(&mut state, "r"), "Adele Vance"));
}

#[test]
fn what_was_found_out_a_while_ago_or_before_a_push_is_asked_for_again() {
    let mut state = cast();
    let effects = press(&mut state, "enter");
    serve(&mut state, effects);
    assert!(
        !is_asked_for(&press(&mut state, "esc enter"), "Adele Vance"),
        "known"
    );
    state.now += jiff::SignedDuration::from_mins(2);
    let effects = press(&mut state, "esc enter");
    assert!(is_asked_for(&effects, "Adele Vance"), "old");
    serve(&mut state, effects);
    press(&mut state, "p");
    planned(&mut state, plan_of(&[("Adele Vance", Verdict::Differs)]));
    press(&mut state, "enter");
    started(&mut state, 1);
    step(&mut state, "Adele Vance", crate::domain::run::Outcome::Updated);
    let effects = press(&mut state, "esc enter");
    assert!(is_asked_for(&effects, "Adele Vance"), "pushed");
}

#[test]
fn it_scrolls_to_its_end_and_no_further() {
    let mut state = cast();
    resize(&mut state, 80, 24);
    let effects = press(&mut state, "enter");
    serve(&mut state, effects);
    let top = frame(&mut state, 80, 24);
    assert!(top.contains("more below"), "{top}");
    press(&mut state, "end");
    let end = frame(&mut state, 80, 24);
    assert!(end.contains("the end") && end.contains("Elsewhere"), "{end}");
    press(&mut state, "down down pagedown");
    assert_eq!(frame(&mut state, 80, 24), end);
    press(&mut state, "up");
    assert_ne!(frame(&mut state, 80, 24), end);
    press(&mut state, "home");
    assert_eq!(frame(&mut state, 80, 24), top);
}

#[test]
fn a_mark_and_a_push_mean_the_person_on_the_screen() {
    let mut state = cast();
    press(&mut state, "enter space");
    assert_eq!(
        (marked(&state), current(&state).as_str()),
        (vec!["Adele Vance".to_owned()], "Adele Vance")
    );
    let effects = press(&mut state, "p");
    assert!(told(&effects).contains(&"plan adele".to_owned()));
}

// Comparing a pair.

#[test]
fn blink_shows_both_in_one_place_and_alternates_by_key_alone() {
    let mut state = cast();
    press(&mut state, "b");
    assert_eq!(state.comparison, Comparison::Blink { target: false });
    let before = frame(&mut state, 120, 40);
    assert!(before.contains("Blink: Entra ID"), "{before}");
    pass(&mut state, 60);
    assert_eq!(frame(&mut state, 120, 40), before, "nothing changes by itself");
    press(&mut state, "b");
    assert!(frame(&mut state, 120, 40).contains("Blink: ServiceNow"));
    press(&mut state, "b");
    assert_eq!(frame(&mut state, 120, 40), before);
}

#[test]
fn a_difference_is_made_of_both_pictures_and_told_in_words() {
    let mut state = cast();
    let effects = press(&mut state, "d");
    let of_two = effects.iter().find_map(|effect| match effect {
        Effect::Paint { key, bytes, .. } if matches!(key.subject, Subject::Difference(..)) => {
            Some(bytes.len())
        }
        _ => None,
    });
    assert_eq!(of_two, Some(2));
    serve(&mut state, effects);
    let text = frame(&mut state, 120, 40);
    assert!(text.contains("4 % alike, 31 of 64 bits apart"), "{text}");
}

#[test]
fn without_two_pictures_there_is_no_difference() {
    let mut state = cast();
    let effects = press(&mut state, "j d");
    serve(&mut state, effects);
    assert!(frame(&mut state, 120, 40).contains("there are not two pictures"));
}

#[test]
fn circles_are_asked_for_on_both_sides() {
    let mut state = cast();
    let effects = press(&mut state, "c");
    let circles = effects.iter().filter(
        |effect| matches!(effect, Effect::Paint { key, .. } if matches!(key.subject, Subject::Circles(_))),
    );
    assert_eq!(circles.count(), 2);
}

#[test]
fn comparing_goes_back_to_where_it_came_from() {
    let mut state = cast();
    for (keys, from) in [
        ("", Screen::People),
        ("g", Screen::Sheet),
        ("enter", Screen::Person),
    ] {
        press(&mut state, keys);
        assert_eq!(state.screen, from);
        press(&mut state, "z b d c j k esc");
        assert_eq!(state.screen, from);
    }
}
