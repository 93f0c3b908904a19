//! Somebody looks back: which runs there were, what they did to whom, and which faces came and went.

use super::kit::*;
use crate::domain::comparison::Verdict;
use crate::domain::run::Outcome;
use crate::engine::PastFace;
use crate::store::journal::{RunCursor, RunKind};
use crate::tui::faces::FaceKey;
use crate::tui::message::{Effect, Message};
use crate::tui::paged::{PAGE, Slice, Wanted};
use crate::tui::state::{Screen, State};
use crate::tui::update::update;

/// The list of runs, read.
fn looking_back() -> State {
    let mut state = screen_of(&CAST);
    press(&mut state, "H");
    runs_read(&mut state, week());
    state
}

/// The fifth run of the week, whose four people have been read.
fn opened() -> State {
    let mut state = looking_back();
    assert_eq!(
        told(&press(&mut state, "j j j j enter")),
        ["read page 0 of run 20260227-120500-1f2e"]
    );
    let run = week().remove(4);
    let people = vec![
        past_step(&run, "Adele Vance", Outcome::Updated),
        past_step(&run, "Alex Wilber", Outcome::Updated),
        past_step(&run, "Lee Gu", Outcome::Failed),
        past_step(&run, "Megan Bowen", Outcome::ChangedMeanwhile),
    ];
    let effects = people_read(&mut state, people);
    serve(&mut state, effects);
    state
}

#[test]
fn the_history_is_read_when_it_is_opened_and_shows_who_did_what_when() {
    let mut state = screen_of(&CAST);
    assert_eq!(told(&press(&mut state, "H")), ["read page 0 of the runs"]);
    assert!(frame(&mut state, 120, 40).contains("reading the journal"));
    runs_read(&mut state, week());
    let text = frame(&mut state, 120, 40);
    for words in [
        "History: 6 runs",
        "2026-03-02 13:05",
        "ada@workbench",
        "3 updated",
        "ended early: 310 updated, 60 failed",
        "unfinished: 41 updated, 2 not settled, 45 not reached",
        "taken back: 2 updated, 1 changed meanwhile, 1 failed",
        "as avatar.integration in ServiceNow",
        "took 1 min 14 s",
    ] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
}

#[test]
fn below_the_list_stands_why_a_run_ended_early_or_has_no_end() {
    let mut state = looking_back();
    press(&mut state, "j");
    assert!(frame(&mut state, 80, 24).contains("a brake stopped the run: 50 of the last 100 people failed"));
    press(&mut state, "j");
    assert!(frame(&mut state, 80, 24).contains("It has no end: it was interrupted"));
}

#[test]
fn the_run_at_this_screen_is_under_way_and_not_unfinished() {
    let mut state = running(&CAST, large_plan(4));
    started(&mut state, 4);
    press(&mut state, "H");
    let mut run = past_run(0, RunKind::Push, &[]);
    run.record.id = state.run.id.clone().expect("it has begun");
    run.record.finished = None;
    run.record.summary = None;
    runs_read(&mut state, vec![run]);
    let text = frame(&mut state, 120, 40);
    assert!(
        text.contains("under way") && !text.contains("unfinished"),
        "{text}"
    );
}

#[test]
fn a_long_history_is_read_page_by_page_as_somebody_goes_down() {
    let mut state = screen_of(&CAST);
    let Some(Effect::ReadRuns(at)) = press(&mut state, "H").pop() else {
        panic!("the runs are read")
    };
    let rows = (0..PAGE as i64)
        .map(|hour| past_run(hour, RunKind::Sync, &[(Outcome::Updated, 1)]))
        .collect();
    let result = Ok(Slice {
        rows,
        next: Some(RunCursor::known(100)),
    });
    let effects = update(&mut state, Message::Runs { at, result });
    assert!(effects.is_empty(), "one page is more than fits");
    assert!(frame(&mut state, 120, 40).contains("History: 100 runs and more"));
    assert_eq!(
        told(&press(&mut state, "pagedown pagedown pagedown")),
        ["read page 1 of the runs"]
    );
}

#[test]
fn an_answer_of_the_journal_that_nobody_waits_for_is_dropped() {
    let mut state = screen_of(&CAST);
    let late = press(&mut state, "H").pop();
    press(&mut state, "esc H");
    let Some(Effect::ReadRuns(at)) = late else {
        panic!("the runs are read")
    };
    let result = Ok(Slice {
        rows: week(),
        next: None,
    });
    update(&mut state, Message::Runs { at, result });
    assert!(frame(&mut state, 80, 24).contains("reading the journal"));
}

#[test]
fn a_journal_that_cannot_be_read_says_so() {
    let mut state = screen_of(&CAST);
    press(&mut state, "H");
    let at = Wanted {
        question: state.questions,
        page: 0,
        after: None,
    };
    let result = Err(trouble("cannot open the local data", None));
    update(&mut state, Message::Runs { at, result });
    let text = frame(&mut state, 80, 24);
    assert!(text.contains("The journal cannot be read: cannot open"), "{text}");
}

#[test]
fn a_run_opens_on_its_people_with_both_faces_once_the_cursor_rests() {
    let mut state = opened();
    assert_eq!(state.screen, Screen::Past);
    let text = frame(&mut state, 120, 40);
    for words in [
        "Push of 2026-02-27 12:05",
        "All 4",
        "Updated 2",
        "Changed meanwhile 1",
        "Failed 1",
        "Adele Vance",
        "Before",
        "After",
        "before this run",
        "set by this run",
        "live_profile and sys_user show the photo",
    ] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    // Holding a key asks for nobody; resting asks for one.
    let effects = press(&mut state, "j j");
    assert_eq!(told(&effects), ["wait a breath", "wait a breath"]);
    let moves = state.pictures.moves;
    assert!(update(&mut state, Message::Rested(moves - 1)).is_empty());
    let effects = update(&mut state, Message::Rested(moves));
    assert_eq!(told(&effects), ["fetch lee before, lee after"]);
}

#[test]
fn a_face_that_comes_late_stays_with_its_own_name() {
    let mut state = opened();
    let effects = press(&mut state, "j");
    let fetched = serve_until_faces(&mut state, effects);
    press(&mut state, "j");
    for key in fetched {
        let face = PastFace::Failed("this is Alex".into());
        update(
            &mut state,
            Message::Face {
                key,
                face,
                words: "before this run",
            },
        );
    }
    assert!(!frame(&mut state, 120, 40).contains("this is Alex"));
    press(&mut state, "k");
    assert!(frame(&mut state, 120, 40).contains("this is Alex"));
}

/// Lets the cursor rest; which faces are then asked for.
fn serve_until_faces(state: &mut State, effects: Vec<Effect>) -> Vec<FaceKey> {
    let mut keys = Vec::new();
    for effect in effects {
        if let Effect::Rest(moves) = effect {
            for effect in update(state, Message::Rested(moves)) {
                if let Effect::FetchFaces(wanted) = effect {
                    keys.extend(wanted.iter().flat_map(crate::tui::faces::FaceQuestion::keys));
                }
            }
        }
    }
    keys
}

#[test]
fn a_picture_that_is_not_kept_any_more_or_is_damaged_is_said_to_be_so() {
    let mut state = opened();
    let run = week().remove(4).record.id;
    for (face, words) in [
        (PastFace::NotKept, "picture is not kept"),
        (
            PastFace::Failed("the kept copy 1f2e is damaged".into()),
            "damaged",
        ),
        (PastFace::None, "no picture"),
    ] {
        state.faces.outdate(&id("Adele Vance"));
        state.faces = crate::tui::faces::Faces::default();
        let moves = state.pictures.moves;
        update(&mut state, Message::Rested(moves));
        let key = FaceKey::Before(run.clone(), id("Adele Vance"));
        update(
            &mut state,
            Message::Face {
                key,
                face,
                words: "before this run",
            },
        );
        let text = frame(&mut state, 120, 40);
        assert!(text.contains(words), "{words}:\n{text}");
    }
}

#[test]
fn tabs_show_those_who_ended_in_one_way() {
    let mut state = opened();
    let run = "20260227-120500-1f2e";
    assert_eq!(
        told(&press(&mut state, "tab")),
        [format!("read page 0 of run {run}, updated")]
    );
    assert_eq!(
        told(&press(&mut state, "tab tab")).last().map(String::as_str),
        Some(format!("read page 0 of run {run}, failed").as_str())
    );
    people_read(&mut state, vec![past_step(&week()[4], "Lee Gu", Outcome::Failed)]);
    let text = frame(&mut state, 120, 40);
    assert!(text.contains("push this person again later"), "{text}");
    press(&mut state, "tab");
    assert_eq!(state.past.only, None, "and round again");
}

#[test]
fn people_of_a_run_are_found_by_a_part_of_their_name() {
    let mut state = opened();
    press(&mut state, "/");
    let effects = type_in(&mut state, "lé");
    assert_eq!(
        told(&effects).last().map(String::as_str),
        Some("read page 0 of run 20260227-120500-1f2e, called lé")
    );
    people_read(&mut state, vec![past_step(&week()[4], "Lee Gu", Outcome::Failed)]);
    assert!(footer(&mut state).contains("1 found"));
    press(&mut state, "enter");
    assert!(frame(&mut state, 120, 40).contains("/lé"));
    assert_eq!(
        told(&press(&mut state, "esc")),
        ["read page 0 of run 20260227-120500-1f2e"]
    );
    assert_eq!(state.screen, Screen::Past);
}

#[test]
fn enter_leads_from_a_person_of_the_past_to_the_same_one_in_the_table() {
    let mut state = opened();
    press(&mut state, "esc esc");
    press(&mut state, "/");
    type_in(&mut state, "grady");
    press(&mut state, "enter");
    let mut state = {
        press(&mut state, "H");
        runs_read(&mut state, week());
        press(&mut state, "j j j j enter");
        let run = week().remove(4);
        people_read(&mut state, vec![past_step(&run, "Megan Bowen", Outcome::Updated)]);
        state
    };
    press(&mut state, "enter");
    assert_eq!(state.screen, Screen::People);
    assert_eq!(current(&state), "Megan Bowen");
}

#[test]
fn somebody_whom_the_last_scan_has_not_listed_is_said_to_be_gone() {
    let mut state = looking_back();
    press(&mut state, "enter");
    let run = week().remove(0);
    people_read(&mut state, vec![past_step(&run, "Zoe Left", Outcome::Updated)]);
    press(&mut state, "enter");
    assert_eq!(state.screen, Screen::Past);
    assert_eq!(notice(&state), "Zoe Left is not in the last scan");
}

#[test]
fn escape_leads_back_from_a_run_to_the_runs_and_from_there_to_the_people() {
    let mut state = opened();
    assert_eq!(told(&press(&mut state, "esc")), ["read page 0 of the runs"]);
    assert_eq!(state.screen, Screen::History);
    press(&mut state, "esc");
    assert_eq!(state.screen, Screen::People);
}

#[test]
fn a_run_that_ends_while_the_history_is_open_is_read_again() {
    let mut state = running(&CAST, plan_of(&[("Adele Vance", Verdict::Differs)]));
    started(&mut state, 1);
    press(&mut state, "H");
    runs_read(&mut state, week());
    step(&mut state, "Adele Vance", Outcome::Updated);
    let effects = told(&ended(&mut state, None));
    assert!(
        effects.contains(&"read page 0 of the runs".to_owned()),
        "{effects:?}"
    );
}

#[test]
fn a_plan_that_waited_is_dropped_when_somebody_turns_to_the_history() {
    let mut state = screen_of(&CAST);
    press(&mut state, "p");
    assert_eq!(
        told(&press(&mut state, "H")),
        ["drop the plan", "read page 0 of the runs"]
    );
}
