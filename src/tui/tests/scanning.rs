//! People come in: from the last scan, page by page, from a new scan; and pictures are compared behind the screen.

use super::kit::*;
use crate::domain::comparison::Verdict;
use crate::tui::message::{Compared, Effect, Message, ScanNews, Scanned};
use crate::tui::screens::people::Origin;
use crate::tui::state::{Comparing, ScanState, State};
use crate::tui::update::{start_scan, update};

fn snapshot(state: &mut State, people: &[Few<'_>]) -> Vec<Effect> {
    update(state, Message::Snapshot(Some(Box::new(listed(listing(people))))))
}

fn news(done: u64) -> Message {
    Message::Scanning(ScanNews {
        what: "listing people in Entra ID",
        done,
        total: None,
    })
}

fn compared(name: &str, verdict: Verdict) -> Compared {
    Compared {
        person: id(name),
        verdict,
        reason: reason(verdict).into(),
    }
}

#[test]
fn the_last_scan_is_shown_at_once_and_the_new_one_takes_its_place() {
    let mut state = screen();
    assert_eq!(told(&start_scan(&mut state)), ["scan and show each page"]);
    snapshot(&mut state, &CAST[..4]);
    press(&mut state, "j j");
    assert_eq!(current(&state), "Diego Siciliani");
    update(&mut state, news(999));
    assert_eq!(shown(&state).len(), 4);
    scanned(&mut state, listing(&CAST));
    assert_eq!(shown(&state).len(), 10);
    assert_eq!(current(&state), "Diego Siciliani");
    assert_eq!(state.scan, ScanState::Idle);
}

#[test]
fn the_first_time_the_table_fills_page_by_page_and_the_cursor_stays_at_the_top() {
    let mut state = screen();
    start_scan(&mut state);
    update(&mut state, Message::Snapshot(None));
    update(&mut state, page(&["Megan Bowen", "Lee Gu"]));
    assert_eq!(shown(&state), ["Megan Bowen", "Lee Gu"]);
    update(&mut state, page(&["Adele Vance"]));
    assert_eq!(
        shown(&state),
        ["Megan Bowen", "Lee Gu", "Adele Vance"],
        "as they are listed"
    );
    scanned(&mut state, listing(&CAST));
    assert_eq!(current(&state), "Adele Vance");
}

#[test]
fn whoever_has_gone_to_somebody_while_the_table_fills_stays_there() {
    let mut state = screen();
    start_scan(&mut state);
    update(&mut state, page(&["Megan Bowen", "Lee Gu"]));
    assert!(
        told(&press(&mut state, "j")).is_empty(),
        "nobody is looked at before it is known who belongs together"
    );
    update(&mut state, page(&["Alex Wilber"]));
    assert_eq!(current(&state), "Lee Gu");
    scanned(&mut state, listing(&CAST));
    assert_eq!(current(&state), "Lee Gu");
}

#[test]
fn a_table_that_fills_can_be_filtered() {
    let mut state = screen();
    start_scan(&mut state);
    update(&mut state, page(&["Megan Bowen", "Lee Gu"]));
    press(&mut state, "/");
    type_in(&mut state, "wilb");
    update(&mut state, page(&["Alex Wilber", "Nestor Wilke"]));
    assert_eq!(shown(&state), ["Alex Wilber"]);
}

#[test]
fn everybody_of_the_last_scan_is_better_than_the_first_page_of_a_new_one() {
    let mut state = screen();
    start_scan(&mut state);
    update(&mut state, page(&["Lee Gu"]));
    snapshot(&mut state, &CAST);
    assert_eq!(shown(&state).len(), 10);
    // Pages that are still on their way add nothing to it.
    update(&mut state, page(&["Zoe New"]));
    assert_eq!(shown(&state).len(), 10);
}

#[test]
fn a_snapshot_that_is_read_after_the_scan_is_not_shown() {
    let mut state = screen_of(&CAST);
    snapshot(&mut state, &CAST[..2]);
    assert_eq!(shown(&state).len(), 10);
    assert!(matches!(state.people.origin, Origin::Scan(_)));
}

#[test]
fn whoever_is_undecided_after_a_scan_is_compared_behind_the_screen() {
    let mut state = screen();
    start_scan(&mut state);
    let effects = scanned(&mut state, listing(&CAST));
    assert!(
        told(&effects).contains(&"compare pradeep".to_owned()),
        "{effects:?}"
    );
    update(
        &mut state,
        Message::Compared(vec![compared("Pradeep Gupta", Verdict::InSync)]),
    );
    assert_eq!(verdict(&state, "Pradeep Gupta"), Verdict::InSync);
    let effects = update(&mut state, Message::ComparingEnded(Ok(())));
    assert_eq!(told(&effects), ["keep 10 people"]);
    assert_eq!(state.comparing, Comparing::Idle);
}

#[test]
fn comparing_can_be_stopped_and_goes_on_with_those_who_are_left() {
    let mut people = CAST.to_vec();
    people.push(("Quinn Last", "Sales", Verdict::Undecided));
    let mut state = screen_of(&people);
    update(
        &mut state,
        Message::Compared(vec![compared("Pradeep Gupta", Verdict::Differs)]),
    );
    assert_eq!(told(&press(&mut state, "D")), ["stop comparing"]);
    assert_eq!(state.comparing, Comparing::Idle);
    assert_eq!(told(&press(&mut state, "D")), ["compare quinn"]);
    update(
        &mut state,
        Message::Compared(vec![compared("Quinn Last", Verdict::Differs)]),
    );
    update(&mut state, Message::ComparingEnded(Ok(())));
    assert!(told(&press(&mut state, "D")).is_empty());
    assert_eq!(notice(&state), "everybody has been compared");
}

#[test]
fn another_scan_stops_comparing_and_begins_it_anew_when_it_ends() {
    let mut state = screen_of(&CAST);
    assert_eq!(told(&press(&mut state, "R")), ["stop comparing", "scan"]);
    let effects = scanned(&mut state, listing(&CAST));
    assert!(
        told(&effects).contains(&"compare pradeep".to_owned()),
        "{effects:?}"
    );
    assert!(matches!(state.comparing, Comparing::Under { done: 0, total: 1 }));
}

#[test]
fn an_old_comparison_does_not_replace_what_is_known_by_now() {
    let mut state = screen_of(&CAST);
    looked(&mut state, "Pradeep Gupta", Verdict::InSync);
    update(
        &mut state,
        Message::Compared(vec![compared("Pradeep Gupta", Verdict::Differs)]),
    );
    assert_eq!(verdict(&state, "Pradeep Gupta"), Verdict::InSync);
}

#[test]
fn comparing_that_breaks_off_says_why() {
    let mut state = screen_of(&CAST);
    let broken = trouble("ServiceNow: could not read avatars", Some("sign in again"));
    update(&mut state, Message::ComparingEnded(Err(broken)));
    assert!(notice(&state).contains("could not read avatars (sign in again)"));
    assert_eq!(state.comparing, Comparing::Idle);
}

#[test]
fn two_scans_never_run_at_once() {
    let mut state = screen();
    start_scan(&mut state);
    assert!(told(&press(&mut state, "R")).is_empty());
    assert!(notice(&state).contains("a scan is under way"));
}

#[test]
fn a_scan_can_be_stopped_and_what_was_shown_stays() {
    let mut state = screen_of(&CAST[..9]);
    press(&mut state, "R");
    assert_eq!(told(&press(&mut state, "x")), ["stop scanning"]);
    // Until it has really ended, no other one begins.
    assert!(told(&press(&mut state, "R")).is_empty());
    update(&mut state, Message::Scanned(Err(trouble("cancelled", None))));
    assert_eq!(state.scan, ScanState::Idle);
    assert_eq!(shown(&state).len(), 9);
    assert!(notice(&state).contains("stopped"), "{}", notice(&state));
    assert_eq!(told(&press(&mut state, "R")), ["scan"]);
}

#[test]
fn what_is_stopped_is_comparing_where_no_scan_is_under_way_and_else_nothing() {
    let mut state = screen_of(&CAST);
    assert_eq!(told(&press(&mut state, "x")), ["stop comparing"]);
    assert!(told(&press(&mut state, "x")).is_empty());
    assert_eq!(notice(&state), "nothing goes on behind the screen");
}

#[test]
fn a_scan_that_fails_says_why_and_leaves_the_table_alone() {
    let mut state = screen();
    start_scan(&mut state);
    snapshot(&mut state, &CAST);
    let failed = trouble("Entra ID: could not sign in", Some("check the client secret"));
    assert!(update(&mut state, Message::Scanned(Err(failed))).is_empty());
    assert_eq!(shown(&state).len(), 10);
    assert_eq!(
        notice(&state),
        "Entra ID: could not sign in (check the client secret)"
    );
    assert_eq!(told(&press(&mut state, "R")), ["scan"], "it can be tried again");
}

#[test]
fn with_nobody_to_show_the_table_says_why_the_scan_failed() {
    let mut state = screen();
    start_scan(&mut state);
    let failed = trouble("Entra ID: could not sign in", Some("check the client secret"));
    update(&mut state, Message::Scanned(Err(failed)));
    press(&mut state, "j");
    let text = frame(&mut state, 120, 40);
    assert!(text.contains("could not sign in"), "{text}");
}

#[test]
fn what_went_wrong_on_the_way_is_told_and_stays_on_the_about_page() {
    let mut state = screen();
    start_scan(&mut state);
    let scanned = Scanned {
        listed: listed(listing(&CAST)),
        problems: vec![
            "the group \"Staff\" is empty".into(),
            "7 avatars could not be read".into(),
        ],
    };
    update(&mut state, Message::Scanned(Ok(Box::new(scanned))));
    assert!(notice(&state).contains("the group \"Staff\" is empty (and 1 more)"));
    press(&mut state, "ctrl-a");
    assert!(frame(&mut state, 120, 40).contains("7 avatars could not be read"));
}
