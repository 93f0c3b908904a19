//! Pictures of the screen, for whoever reviews a change. Review them with `cargo insta review`, or read the difference.

use std::fmt::Write as _;

use super::kit::*;
use crate::connector::http::{Ending, RequestRecord};
use crate::domain::comparison::Verdict;
use crate::domain::plan::Limits;
use crate::domain::run::{Outcome, StopReason};
use crate::tui::keymap::Keymap;
use crate::tui::message::{Message, ScanNews};
use crate::tui::state::{Setting, State};
use crate::tui::theme::Palette;
use crate::tui::update::{start_scan, update};

const SMALL: (u16, u16) = (80, 24);
const USUAL: (u16, u16) = (120, 40);
const LARGE: (u16, u16) = (200, 60);

/// The frames of one scene in windows of these sizes.
fn scene(state: &mut State, sizes: &[(u16, u16)]) -> String {
    let mut scene = String::new();
    for (width, height) in sizes {
        let frame = frame(state, *width, *height);
        writeln!(scene, "{width} x {height}\n{frame}\n").expect("a string takes everything");
    }
    scene
}

/// Somebody on the first row, everything seen.
fn with_looks(mut state: State) -> State {
    let effects = press(&mut state, "j k");
    serve(&mut state, effects);
    state
}

fn people() -> State {
    let mut state = with_looks(screen_of(&CAST));
    state.lanes = vec![lane("directory"), lane("photos"), lane("ServiceNow")];
    // Nothing goes on any more.
    update(&mut state, Message::ComparingEnded(Ok(())));
    state
}

fn small_plan() -> State {
    let mut state = people();
    press(&mut state, "S");
    let plan: Vec<(&str, Verdict)> = CAST.iter().map(|(name, _, verdict)| (*name, *verdict)).collect();
    planned(&mut state, plan_of(&plan));
    state
}

fn under_way() -> State {
    let mut state = running(&CAST, large_plan(40));
    state.lanes = vec![
        lane("sign-in"),
        lane("directory"),
        lane("photos"),
        throttled_lane("ServiceNow", 12),
    ];
    started(&mut state, 40);
    left_alone(&mut state, Outcome::Unchanged, 1_204);
    for number in 1..=12 {
        pass(&mut state, 2);
        let outcome = match number {
            4 => Outcome::Failed,
            7 => Outcome::ChangedMeanwhile,
            _ => Outcome::Updated,
        };
        step(&mut state, &format!("P{number:04} Person"), outcome);
    }
    state
}

#[test]
fn people_with_looks() {
    insta::assert_snapshot!(scene(&mut people(), &[(60, 14), SMALL, USUAL, LARGE]));
}

#[test]
fn people_of_every_verdict_and_what_a_push_would_do() {
    let mut scenes = String::new();
    for number in 1..CAST.len() {
        let mut state = people();
        let effects = press(&mut state, &"j ".repeat(number));
        serve(&mut state, effects);
        let frame = frame(&mut state, 120, 24);
        let lines: Vec<&str> = frame.lines().collect();
        // The upper half differs in captions alone.
        scenes.push_str(&lines[10..].join("\n"));
        scenes.push('\n');
    }
    insta::assert_snapshot!(scenes);
}

#[test]
fn people_before_anybody_is_there() {
    let mut state = screen();
    let mut scenes = scene(&mut state, &[SMALL]);
    start_scan(&mut state);
    scenes += &scene(&mut state, &[SMALL]);
    let failed = trouble(
        "Entra ID: could not sign in: AADSTS7000215: invalid client secret",
        Some("store a new secret and run avatar-sync check"),
    );
    update(&mut state, Message::Scanned(Err(failed)));
    scenes += &scene(&mut state, &[SMALL]);
    insta::assert_snapshot!(scenes);
}

#[test]
fn people_filling() {
    let mut state = screen();
    start_scan(&mut state);
    let names = CAST.map(|(name, ..)| name);
    update(&mut state, page(&names));
    let news = ScanNews {
        what: "listing people in Entra ID",
        done: 5_994,
        total: None,
    };
    update(&mut state, Message::Scanning(news));
    insta::assert_snapshot!(scene(&mut state, &[SMALL, USUAL]));
}

#[test]
fn people_filtered() {
    let mut state = people();
    press(&mut state, "/");
    type_in(&mut state, "wil");
    let mut scenes = scene(&mut state, &[SMALL]);
    press(&mut state, "enter");
    scenes += &scene(&mut state, &[SMALL]);
    press(&mut state, "/");
    type_in(&mut state, " status:mising");
    scenes += &scene(&mut state, &[SMALL]);
    press(&mut state, "ctrl-u");
    type_in(&mut state, "qqq");
    scenes += &scene(&mut state, &[SMALL]);
    insta::assert_snapshot!(scenes);
}

#[test]
fn people_marked_and_a_range() {
    let mut state = people();
    press(&mut state, "space space j j v j j");
    insta::assert_snapshot!(scene(&mut state, &[SMALL, USUAL]));
}

#[test]
fn people_while_a_scan_and_a_comparison_go_on_in_a_company_with_long_names() {
    let setting = Setting {
        profile: "production-europe".into(),
        tenant: "3f2504e0-4f89-41d3-9a0c-0305e82c3301".into(),
        instance: "contoso-manufacturing-production.service-now.com".into(),
        is_production: true,
        is_readonly: true,
        ..setting()
    };
    let mut state = screen_with(setting, Keymap::default());
    scanned(&mut state, listing(&CAST));
    state.lanes = vec![
        lane("directory"),
        lane("photos"),
        throttled_lane("ServiceNow", 312),
    ];
    let mut scenes = scene(&mut state, &[SMALL, USUAL, LARGE]);
    press(&mut state, "R");
    let news = ScanNews {
        what: "listing people in ServiceNow",
        done: 112_000,
        total: Some(300_000),
    };
    update(&mut state, Message::Scanning(news));
    scenes += &scene(&mut state, &[SMALL, USUAL, LARGE]);
    // The header is all that this is about.
    let mut lines = scenes.lines();
    let mut headers = String::new();
    while let Some(line) = lines.next() {
        if line.contains(" x ") {
            let header = lines.next().unwrap_or_default();
            writeln!(headers, "{line}\n{header}").expect("a string takes everything");
        }
    }
    insta::assert_snapshot!(headers);
}

#[test]
fn zoomed() {
    let mut state = people();
    press(&mut state, "z");
    insta::assert_snapshot!(scene(&mut state, &[SMALL, USUAL]));
}

#[test]
fn plan_that_holds_suspicious_photos_back() {
    let plan: Vec<(&str, Verdict)> = CAST.iter().map(|(name, _, verdict)| (*name, *verdict)).collect();
    let mut state = people();
    press(&mut state, "S");
    planned(&mut state, suspicious_plan(&plan, &["Alex Wilber"], false));
    let mut scenes = scene(&mut state, &[SMALL, USUAL]);
    press(&mut state, "w");
    planned(&mut state, suspicious_plan(&plan, &["Alex Wilber"], true));
    scenes.push_str(&scene(&mut state, &[SMALL]));
    insta::assert_snapshot!(scenes);
}

#[test]
fn cleaning() {
    let mut state = people();
    press(&mut state, "C");
    let mut scenes = scene(&mut state, &[SMALL]);
    tidying_planned(&mut state, littered(30));
    scenes.push_str(&scene(&mut state, &[SMALL, USUAL]));
    insta::assert_snapshot!(scenes);
}

#[test]
fn cleaning_with_nothing_to_do() {
    let mut state = people();
    press(&mut state, "C");
    tidying_planned(&mut state, littered(0));
    insta::assert_snapshot!(scene(&mut state, &[SMALL]));
}

#[test]
fn plan_being_made() {
    let mut state = people();
    press(&mut state, "S");
    let question = state.questions;
    let news = ScanNews {
        what: "comparing pictures",
        done: 40,
        total: Some(310),
    };
    update(&mut state, Message::Planning { question, news });
    insta::assert_snapshot!(scene(&mut state, &[SMALL]));
}

#[test]
fn plan_of_a_few() {
    insta::assert_snapshot!(scene(&mut small_plan(), &[SMALL, USUAL, LARGE]));
}

#[test]
fn plan_with_room_for_faces() {
    let mut state = people();
    draws(&mut state);
    press(&mut state, "S");
    let plan: Vec<(&str, Verdict)> = CAST.iter().map(|(name, _, verdict)| (*name, *verdict)).collect();
    planned(&mut state, plan_of(&plan));
    insta::assert_snapshot!(scene(&mut state, &[SMALL, USUAL]));
}

#[test]
fn plan_that_wants_its_number() {
    let mut state = screen();
    scanned(&mut state, crowd(3_000, Verdict::Missing));
    press(&mut state, "S");
    planned(&mut state, large_plan(1_204));
    press(&mut state, "1 2");
    insta::assert_snapshot!(scene(&mut state, &[SMALL, USUAL]));
}

#[test]
fn plan_with_nothing_to_do() {
    let mut state = people();
    press(&mut state, "p");
    planned(&mut state, plan_of(&[("Lee Gu", Verdict::InSync)]));
    insta::assert_snapshot!(scene(&mut state, &[SMALL]));
}

#[test]
fn plan_refused() {
    let limits = Limits {
        max_changes: Some(100),
        ..Limits::NONE
    };
    let mut state = screen_with(Setting { limits, ..setting() }, Keymap::default());
    scanned(&mut state, crowd(3_000, Verdict::Missing));
    press(&mut state, "S");
    planned(&mut state, large_plan(1_204));
    let mut scenes = scene(&mut state, &[SMALL]);
    press(&mut state, "esc S");
    let question = state.questions;
    let refused = trouble(
        "ServiceNow: could not read avatars: the integration user lacks read access to live_profile",
        Some("grant the role named in avatar-sync check"),
    );
    update(
        &mut state,
        Message::Planned {
            question,
            result: Err(refused),
        },
    );
    scenes += &scene(&mut state, &[SMALL]);
    insta::assert_snapshot!(scenes);
}

#[test]
fn run_starting() {
    insta::assert_snapshot!(scene(&mut running(&CAST, large_plan(40)), &[SMALL]));
}

#[test]
fn run_with_a_lane_that_waits() {
    insta::assert_snapshot!(scene(&mut under_way(), &[SMALL, USUAL, LARGE]));
}

#[test]
fn run_paused() {
    let mut state = under_way();
    press(&mut state, "space");
    insta::assert_snapshot!(scene(&mut state, &[SMALL]));
}

#[test]
fn run_over_with_failures() {
    let mut state = under_way();
    ended(&mut state, None);
    insta::assert_snapshot!(scene(&mut state, &[SMALL, USUAL]));
}

#[test]
fn run_ended_early() {
    let mut state = under_way();
    let brake = "12 of the last 20 pushes failed; 8 of 40 people were not reached";
    ended(&mut state, Some(StopReason::Brake(brake.into())));
    insta::assert_snapshot!(scene(&mut state, &[SMALL]));
}

#[test]
fn run_seen_from_the_people() {
    let mut state = under_way();
    press(&mut state, "esc");
    insta::assert_snapshot!(scene(&mut state, &[SMALL]));
}

#[test]
fn quit_question() {
    let mut state = under_way();
    press(&mut state, "q");
    insta::assert_snapshot!(scene(&mut state, &[SMALL, (50, 10)]));
}

#[test]
fn log_of_requests() {
    let mut state = people();
    press(&mut state, "@");
    let request = |number: i64, ending: Ending, path: &str| RequestRecord {
        at: now() + jiff::SignedDuration::from_millis(number * 137),
        lane: if number % 2 == 0 { "photos" } else { "ServiceNow" },
        method: if number % 5 == 0 {
            http::Method::POST
        } else {
            http::Method::GET
        },
        path: path.into(),
        attempt: 1 + u32::from(number == 3),
        ending,
        took: std::time::Duration::from_millis(40 + number as u64),
        bytes: 20_600,
        request_id: Some("b1946ac9-2e9e".into()),
    };
    let photo = "/v1.0/users/3f2504e0-4f89-41d3-9a0c-0305e82c3301/photos/360x360/$value";
    let requests = vec![
        request(0, Ending::Status(200), photo),
        request(1, Ending::Status(503), "/api/now/table/live_profile"),
        request(2, Ending::Status(404), photo),
        request(3, Ending::Status(200), "/api/now/table/live_profile"),
        request(4, Ending::Status(429), photo),
        request(
            5,
            Ending::Lost("the connection was reset".into()),
            "/api/now/attachment/file",
        ),
    ];
    update(&mut state, Message::Requests(requests));
    insta::assert_snapshot!(scene(&mut state, &[SMALL, USUAL]));
}

/// The contact sheet with some marks.
fn contact_sheet(draws_pictures: bool) -> State {
    let mut state = people();
    if draws_pictures {
        draws(&mut state);
    }
    let effects = press(&mut state, "g space l v l");
    serve(&mut state, effects);
    state
}

#[test]
fn contact_sheet_with_pictures() {
    let mut scenes = String::new();
    for (width, height) in [SMALL, USUAL] {
        let mut state = contact_sheet(true);
        let effects = resize(&mut state, width, height);
        serve(&mut state, effects);
        scenes += &scene(&mut state, &[(width, height)]);
    }
    insta::assert_snapshot!(scenes);
}

#[test]
fn contact_sheet_in_words() {
    insta::assert_snapshot!(scene(&mut contact_sheet(false), &[(60, 14), SMALL, USUAL]));
}

/// A screen that these keys lead to, with everything there, in windows of both sizes.
fn served(keys: &str, then: &str, draws_pictures: bool) -> String {
    let mut scenes = String::new();
    for (width, height) in [SMALL, USUAL] {
        let mut state = people();
        if draws_pictures {
            draws(&mut state);
        }
        resize(&mut state, width, height);
        for keys in [keys, then] {
            let effects = press(&mut state, keys);
            serve(&mut state, effects);
        }
        scenes += &scene(&mut state, &[(width, height)]);
    }
    scenes
}

#[test]
fn person_from_the_top() {
    insta::assert_snapshot!(served("enter", "", true));
}

#[test]
fn person_scrolled_to_the_x_ray() {
    let mut scenes = served("enter", "pagedown pagedown", true);
    scenes += &served("enter", "end", true);
    insta::assert_snapshot!(scenes);
}

#[test]
fn person_of_a_broken_chain_in_words() {
    let mut scenes = served("end up up up up up enter", "", false);
    scenes += &served("end up up up up up enter", "end", false);
    insta::assert_snapshot!(scenes);
}

#[test]
fn blink() {
    let mut scenes = served("b", "", true);
    scenes += &served("b", "b", true);
    insta::assert_snapshot!(scenes);
}

#[test]
fn difference() {
    insta::assert_snapshot!(served("d", "", true));
}

#[test]
fn circles() {
    insta::assert_snapshot!(served("c", "", true));
}

#[test]
fn help_page() {
    let mut state = people();
    press(&mut state, "?");
    let mut scenes = scene(&mut state, &[SMALL, USUAL, (120, 60)]);
    type_in(&mut state, "mark");
    scenes += &scene(&mut state, &[SMALL]);
    insta::assert_snapshot!(scenes);
}

#[test]
fn palette() {
    let mut state = people();
    press(&mut state, ":");
    let mut scenes = scene(&mut state, &[SMALL]);
    type_in(&mut state, "scan");
    scenes += &scene(&mut state, &[SMALL]);
    insta::assert_snapshot!(scenes);
}

#[test]
fn copy_menu() {
    let mut state = people();
    press(&mut state, "y down");
    insta::assert_snapshot!(scene(&mut state, &[SMALL]));
}

#[test]
fn about_page() {
    let mut state = people();
    state.canvas_why = "the terminal said that it is kitty(0.41.1), but pictures are switched off".into();
    press(&mut state, "ctrl-a");
    insta::assert_snapshot!(scene(&mut state, &[SMALL]).replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}

const ALL_SIZES: [(u16, u16); 4] = [(60, 14), SMALL, USUAL, LARGE];

/// The runs of a week, the cursor on this one.
fn history(row: usize) -> State {
    let mut state = people();
    press(&mut state, "H");
    runs_read(&mut state, week());
    press(&mut state, &"j ".repeat(row));
    state
}

/// The people of a run of the past, with both faces in words.
fn past() -> State {
    let mut state = history(4);
    press(&mut state, "enter");
    let run = week().remove(4);
    let people = [
        ("Adele Vance", Outcome::Updated),
        ("Alex Wilber", Outcome::Updated),
        ("Lee Gu", Outcome::Failed),
        ("Megan Bowen", Outcome::ChangedMeanwhile),
    ];
    let people = people.map(|(name, outcome)| past_step(&run, name, outcome));
    let effects = people_read(&mut state, people.into());
    serve(&mut state, effects);
    state
}

#[test]
fn history_of_a_week() {
    insta::assert_snapshot!(scene(&mut history(0), &ALL_SIZES));
}

#[test]
fn history_of_a_run_that_was_stopped_and_of_one_that_was_interrupted() {
    let mut scenes = scene(&mut history(1), &[SMALL]);
    scenes += &scene(&mut history(2), &[SMALL]);
    insta::assert_snapshot!(scenes);
}

#[test]
fn history_before_anything_was_written() {
    let mut state = people();
    press(&mut state, "H");
    runs_read(&mut state, Vec::new());
    insta::assert_snapshot!(scene(&mut state, &[SMALL]));
}

#[test]
fn past_run_with_faces() {
    let mut scenes = scene(&mut past(), &ALL_SIZES);
    let mut failed = past();
    let effects = press(&mut failed, "j j");
    serve(&mut failed, effects);
    scenes += &scene(&mut failed, &[SMALL]);
    insta::assert_snapshot!(scenes);
}

#[test]
fn past_run_in_ascii_and_while_a_name_is_typed() {
    let mut state = past();
    state.theme.is_ascii = true;
    let mut scenes = scene(&mut state, &[SMALL]);
    assert!(scenes.is_ascii(), "{scenes}");
    press(&mut state, "/");
    type_in(&mut state, "lee");
    scenes += &scene(&mut state, &[SMALL]);
    insta::assert_snapshot!(scenes);
}

#[test]
fn undo_of_a_run() {
    let mut scenes = String::new();
    for size in ALL_SIZES {
        let mut state = history(4);
        draws(&mut state);
        resize(&mut state, size.0, size.1);
        press(&mut state, "u");
        let plan = undo_of(
            "20260227-120500-1f2e",
            &["Adele Vance", "Diego Siciliani"],
            &["Alex Wilber"],
        );
        let effects = tidying_planned(&mut state, plan);
        serve(&mut state, effects);
        scenes += &scene(&mut state, &[size]);
    }
    insta::assert_snapshot!(scenes);
}

#[test]
fn undo_of_which_nothing_is_left() {
    let mut state = people();
    press(&mut state, "u");
    let mut plan = undo_of("20260227-120500-1f2e", &[], &["Alex Wilber"]);
    plan.problems = vec!["nothing was changed from here for 1 of 2 people".into()];
    tidying_planned(&mut state, plan);
    insta::assert_snapshot!(scene(&mut state, &[SMALL]));
}

#[test]
fn too_small() {
    insta::assert_snapshot!(scene(&mut people(), &[(59, 24), (80, 13), (20, 5), (1, 1)]));
}

#[test]
fn in_ascii() {
    let mut scenes = String::new();
    let mut person = people();
    let effects = press(&mut person, "enter");
    serve(&mut person, effects);
    press(&mut person, "end");
    for mut state in [people(), under_way(), small_plan(), contact_sheet(false), person] {
        state.theme.is_ascii = true;
        scenes += &scene(&mut state, &[SMALL]);
    }
    assert!(scenes.is_ascii(), "{scenes}");
    insta::assert_snapshot!(scenes);
}

#[test]
fn without_colours() {
    let mut state = people();
    press(&mut state, "space j v j");
    state.theme.palette = Palette::Plain;
    let buffer = cells(&mut state, 80, 24);
    for cell in buffer.content() {
        assert_eq!(cell.fg, ratatui::style::Color::Reset, "{cell:?}");
        assert_eq!(cell.bg, ratatui::style::Color::Reset, "{cell:?}");
    }
    insta::assert_snapshot!(text_of(&buffer));
}
