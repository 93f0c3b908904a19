//! What is around the people: help, palette, menus, log, colours; and that whatever begins also ends.

use crossterm::event::KeyCode;

use super::kit::*;
use crate::connector::http::{Ending, RequestRecord};
use crate::domain::comparison::Verdict;
use crate::tui::dialogs::Dialog;
use crate::tui::intent::{Context, ENTRIES, Intent};
use crate::tui::keymap::{Key, Keymap};
use crate::tui::message::{Effect, Message};
use crate::tui::state::{Screen, State};
use crate::tui::theme::Palette;
use crate::tui::update::update;

/// The screens on which keys have a meaning, each in a state in which somebody may be.
fn places() -> Vec<State> {
    let people = screen_of(&CAST);
    let mut plan = screen_of(&CAST);
    press(&mut plan, "p");
    planned(&mut plan, plan_of(&[("Adele Vance", Verdict::Differs)]));
    let mut run = running(&CAST, plan_of(&[("Adele Vance", Verdict::Differs)]));
    started(&mut run, 1);
    let mut log = screen_of(&CAST);
    press(&mut log, "@");
    vec![people, plan, run, log]
}

/// What a state shows and asks for, to compare two ways to the same action.
fn told_and_shown(mut state: State, effects: &[Effect]) -> (Vec<String>, String) {
    (told(effects), frame(&mut state, 120, 40))
}

#[test]
fn the_palette_does_what_the_key_does_for_every_action_that_has_a_meaning_here() {
    for number in 0..places().len() {
        for entry in ENTRIES {
            let mut by_key = places().remove(number);
            let here = by_key.context();
            if entry.context != Context::Everywhere && entry.context != here {
                continue;
            }
            let effects = press(&mut by_key, entry.keys[0]);
            let expected = told_and_shown(by_key, &effects);

            let mut by_name = places().remove(number);
            press(&mut by_name, ":");
            type_in(&mut by_name, entry.words);
            let effects = press(&mut by_name, "enter");
            let done = told_and_shown(by_name, &effects);
            assert_eq!(done, expected, "{} in {here:?}", entry.code);
        }
    }
}

#[test]
fn the_palette_finds_an_action_by_parts_of_its_name_and_by_its_command() {
    for (typed, intent) in [
        ("full", Intent::FullRun),
        ("avatar-sync sync", Intent::FullRun),
        ("range mark", Intent::MarkRange),
        ("quit", Intent::Quit),
    ] {
        let mut state = screen_of(&CAST);
        press(&mut state, ":");
        type_in(&mut state, typed);
        let Some(Dialog::Palette(palette)) = &state.dialog else {
            panic!("the palette");
        };
        assert_eq!(palette.entries(Context::People)[0].intent, intent, "{typed}");
    }
}

#[test]
fn the_palette_is_left_with_escape_and_chooses_with_arrows() {
    let mut state = screen_of(&CAST);
    press(&mut state, ": down down up");
    assert!(matches!(&state.dialog, Some(Dialog::Palette(palette)) if palette.chosen == 1));
    press(&mut state, "esc");
    assert!(state.dialog.is_none());
    press(&mut state, ":");
    type_in(&mut state, "no such action");
    assert!(
        frame(&mut state, 80, 24).contains("no action"),
        "{}",
        frame(&mut state, 80, 24)
    );
    assert!(told(&press(&mut state, "enter")).is_empty());
}

#[test]
fn help_lists_every_key_that_is_bound() {
    let mut state = screen_of(&CAST);
    press(&mut state, "?");
    let text = frame(&mut state, 120, 100);
    for entry in ENTRIES.iter().filter(|entry| !entry.intent.is_spoken_for()) {
        assert!(text.contains(entry.words), "{}", entry.words);
        for key in entry.keys {
            let key = Key::parse(key).expect("a key").shown(false);
            assert!(text.contains(&key), "{key} of {}", entry.code);
        }
    }
}

#[test]
fn help_and_footer_show_keys_as_they_are_remapped() {
    let keymap = Keymap::with([("push", vec!["f5"]), ("theme", vec![])]).expect("fits");
    let mut state = screen_with(setting(), keymap);
    scanned(&mut state, listing(&CAST));
    assert!(footer(&mut state).contains("F5 push"), "{}", footer(&mut state));
    press(&mut state, "?");
    type_in(&mut state, "push the marked");
    let text = frame(&mut state, 120, 40);
    assert!(text.contains("F5"), "{text}");
    press(&mut state, "esc esc");
    assert!(told(&press(&mut state, "p")).is_empty());
    assert_eq!(told(&press(&mut state, "f5")), ["plan adele"]);
}

#[test]
fn help_is_filtered_by_typing_and_scrolls() {
    let mut state = screen_of(&CAST);
    press(&mut state, "?");
    type_in(&mut state, "zzz");
    assert!(frame(&mut state, 80, 24).contains("no key does that"));
    press(&mut state, "esc");
    assert!(matches!(&state.dialog, Some(Dialog::Help(help)) if help.filter.is_empty()));
    press(
        &mut state,
        "pagedown pagedown pagedown pagedown pagedown pagedown pagedown pagedown pagedown pagedown",
    );
    assert!(
        frame(&mut state, 80, 24).contains("end the program"),
        "{}",
        frame(&mut state, 80, 24)
    );
    // From beyond the end one step up is one line.
    press(&mut state, "up");
    let scrolled = frame(&mut state, 80, 24);
    press(&mut state, "down");
    assert_ne!(scrolled, frame(&mut state, 80, 24));
    press(&mut state, "esc");
    assert!(state.dialog.is_none());
}

#[test]
fn something_about_a_person_is_copied_with_one_letter() {
    for (letter, text) in [
        ("n", "Adele Vance"),
        ("u", "adele.vance@contoso.com"),
        ("m", "adele.vance@contoso.com"),
        ("e", "adele"),
        ("s", "sys-adele"),
        (
            "l",
            "https://dev12345.service-now.com/sys_user.do?sys_id=sys-adele",
        ),
        ("c", "avatar-sync show adele.vance@contoso.com"),
        ("p", "avatar-sync push adele.vance@contoso.com"),
    ] {
        let mut state = screen_of(&CAST);
        press(&mut state, "y");
        assert_eq!(told(&press(&mut state, letter)), [format!("copy {text}")]);
        assert!(state.dialog.is_none());
    }
}

#[test]
fn the_verdict_is_copied_with_its_reason_once_somebody_was_looked_at() {
    let mut state = screen_of(&CAST);
    looked(&mut state, "Adele Vance", Verdict::Differs);
    press(&mut state, "y");
    let copied = format!(
        "copy Adele Vance <adele.vance@contoso.com>: differs: {}",
        reason(Verdict::Differs)
    );
    assert_eq!(told(&press(&mut state, "w")), [copied]);
}

#[test]
fn in_the_copy_menu_arrows_choose_and_any_other_key_leaves() {
    let mut state = screen_of(&CAST);
    press(&mut state, "y down");
    assert_eq!(
        told(&press(&mut state, "enter")),
        ["copy adele.vance@contoso.com"]
    );
    press(&mut state, "y");
    assert!(told(&press(&mut state, "esc")).is_empty());
    assert!(state.dialog.is_none());
}

#[test]
fn a_command_that_is_copied_is_quoted_where_a_shell_would_read_it_otherwise() {
    let mut state = screen_of(&[("Conan O'Brien", "Sales", Verdict::Missing)]);
    press(&mut state, "y");
    assert_eq!(
        told(&press(&mut state, "c")),
        ["copy avatar-sync show 'conan.o'\\''brien@contoso.com'"]
    );
}

#[test]
fn a_record_is_opened_where_there_is_one() {
    let mut state = screen_of(&CAST);
    assert_eq!(
        told(&press(&mut state, "o")),
        ["open https://dev12345.service-now.com/sys_user.do?sys_id=sys-adele"]
    );
    press(&mut state, "/");
    type_in(&mut state, "joni");
    press(&mut state, "enter");
    assert_eq!(
        told(&press(&mut state, "o")),
        ["open https://entra.example/users/joni"],
        "nobody in ServiceNow"
    );
}

fn request(path: &str, status: u16, at: jiff::Timestamp) -> RequestRecord {
    RequestRecord {
        at,
        lane: "photos",
        method: http::Method::GET,
        path: path.into(),
        attempt: 1,
        ending: Ending::Status(status),
        took: std::time::Duration::from_millis(42),
        bytes: 20_600,
        request_id: Some("b1946ac9".into()),
    }
}

#[test]
fn the_log_shows_the_requests_and_goes_on_while_something_happens() {
    let mut state = screen_of(&CAST);
    assert_eq!(told(&press(&mut state, "@")), ["read the requests"]);
    let requests = vec![request("/v1.0/users/1/photo/$value", 200, now())];
    update(&mut state, Message::Requests(requests));
    let text = frame(&mut state, 120, 40);
    assert!(
        text.contains("GET") && text.contains("/v1.0/users/1/photo/$value"),
        "{text}"
    );
    assert_eq!(told(&update(&mut state, Message::Tick)), ["read the requests"]);
    press(&mut state, "esc");
    assert_eq!(state.screen, Screen::People);
    assert!(update(&mut state, Message::Tick).is_empty());
}

#[test]
fn whoever_has_scrolled_back_in_the_log_stays_where_they_are() {
    let at = |second: i64| now() + jiff::SignedDuration::from_secs(second);
    let requests = |count: i64| {
        (0..count)
            .map(|number| request(&format!("/r/{number:03}"), 200, at(number)))
            .collect::<Vec<_>>()
    };
    let mut state = screen_of(&CAST);
    press(&mut state, "@");
    update(&mut state, Message::Requests(requests(100)));
    press(&mut state, "up up");
    let before = frame(&mut state, 80, 24);
    assert!(before.contains("/r/097") && !before.contains("/r/098"));
    update(&mut state, Message::Requests(requests(110)));
    let text = frame(&mut state, 80, 24);
    assert!(text.contains("/r/097") && !text.contains("/r/098"), "{text}");
    press(&mut state, "G");
    assert!(frame(&mut state, 80, 24).contains("/r/109"));
}

#[test]
fn colours_change_with_a_key_and_say_their_name() {
    let mut state = screen_of(&CAST);
    let mut seen = Vec::new();
    for _ in Palette::ALL {
        press(&mut state, "t");
        seen.push(notice(&state).to_owned());
    }
    assert_eq!(
        seen,
        [
            "colours: light",
            "colours: sixteen",
            "colours: plain",
            "colours: dark"
        ]
    );
}

#[test]
fn what_is_said_goes_with_the_next_key() {
    let mut state = screen_of(&CAST);
    update(&mut state, Message::Said("copied Adele Vance".into()));
    assert!(footer(&mut state).contains("copied Adele Vance"));
    press(&mut state, "j");
    assert!(!footer(&mut state).contains("copied"));
}

#[test]
fn zooming_shows_one_pair_and_moves_through_the_people() {
    let mut state = screen_of(&CAST);
    press(&mut state, "z j");
    assert_eq!(state.screen, Screen::Zoom);
    assert!(frame(&mut state, 120, 40).contains("Alex Wilber"));
    press(&mut state, "space");
    assert_eq!(marked(&state), ["Alex Wilber"]);
    press(&mut state, "esc");
    assert_eq!(state.screen, Screen::People);
    assert_eq!(current(&state), "Diego Siciliani");
}

#[test]
fn redraw_and_suspend_are_left_to_the_terminal() {
    let mut state = screen_of(&CAST);
    assert_eq!(told(&press(&mut state, "ctrl-l")), ["redraw"]);
    assert_eq!(told(&press(&mut state, "ctrl-z")), ["suspend"]);
    assert_eq!(told(&resize(&mut state, 90, 30)), ["redraw"]);
}

#[test]
fn from_wherever_somebody_is_escape_leads_back_to_the_people_and_control_c_out() {
    for dialog in ["", "?", ":", "ctrl-a"] {
        for mut state in places() {
            let is_running = state.run.is_under_way();
            press(&mut state, dialog);
            press(&mut state, "esc esc esc");
            assert!(state.dialog.is_none(), "{dialog:?}");
            assert_eq!(state.screen, Screen::People);
            press(&mut state, dialog);
            let mut effects = press(&mut state, "ctrl-c");
            for _ in 0..2 {
                if !told(&effects).contains(&"quit".to_owned()) {
                    effects = press(&mut state, "ctrl-c");
                }
            }
            assert!(
                told(&effects).contains(&"quit".to_owned()),
                "{dialog:?}, running: {is_running}"
            );
        }
    }
}

#[test]
fn any_keys_in_any_order_neither_panic_nor_write_without_a_plan_that_was_shown() {
    // Deterministic, and different in every place.
    let keys: Vec<Key> = ENTRIES
        .iter()
        .flat_map(|entry| entry.keys)
        .filter_map(|key| Key::parse(key))
        .chain(['1', 'w', 'é', '山'].map(Key::letter))
        .chain([KeyCode::Backspace, KeyCode::Delete, KeyCode::F(12)].map(Key::plain))
        .collect();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for mut state in places() {
        for _ in 0..3_000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let key = keys[(seed % keys.len() as u64) as usize];
            let had_plan = matches!(
                &state.plan,
                crate::tui::screens::plan::PlanScreen::Ready(proposal) if proposal.may_be_accepted()
            );
            let was_there = state.screen == Screen::Plan && state.dialog.is_none();
            let effects = update(&mut state, Message::Key(key));
            let applies = effects
                .iter()
                .any(|effect| matches!(effect, Effect::Apply { .. }));
            assert!(
                !applies || (had_plan && was_there),
                "{key:?} writes what nobody was shown"
            );
            if applies {
                ended(&mut state, None);
            }
            if state.plan.is_being_made() && seed & 1 == 0 {
                planned(&mut state, plan_of(&[("Adele Vance", Verdict::Differs)]));
            }
            if seed.is_multiple_of(64) {
                resize(&mut state, (seed >> 8) as u16 % 250, (seed >> 24) as u16 % 80);
                let (width, height) = (state.size.width, state.size.height);
                frame(&mut state, width, height);
            }
        }
    }
}

/// What an effect begins, and the messages that end it.
#[test]
fn every_effect_that_begins_something_has_its_end() {
    // A scan: ended by its result, good or bad; only then another one begins.
    let mut state = screen_of(&CAST[..9]);
    for result in [Err(trouble("no", None)), Err(trouble("again no", None))] {
        assert_eq!(told(&press(&mut state, "R")), ["scan"]);
        assert!(state.depends_on_time());
        update(&mut state, Message::Scanned(result));
        assert!(!state.depends_on_time(), "nothing waits for the clock any more");
    }
    // Comparing: ended by the news or by whoever stops it.
    let mut state = screen_of(&CAST);
    assert!(state.depends_on_time());
    update(&mut state, Message::ComparingEnded(Ok(())));
    assert!(!state.depends_on_time());
    // A plan: by its answer or by whoever leaves it.
    press(&mut state, "p");
    assert!(state.depends_on_time());
    planned(&mut state, plan_of(&[("Adele Vance", Verdict::Differs)]));
    assert!(!state.depends_on_time());
    // A run: by its end, or by the news that it could not begin.
    press(&mut state, "enter");
    assert!(state.depends_on_time());
    update(&mut state, Message::RunEnded(Err(trouble("locked", None))));
    assert!(!state.depends_on_time());
}
