//! People come in: from the last scan, page by page, from a new scan; and pictures are compared behind the screen.

use super::kit::*;
use crate::domain::comparison::Verdict;
use crate::domain::suspicion::{Faces, Gallery};
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
        faces: Faces::default(),
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
        gallery: Gallery::default(),
    };
    update(&mut state, Message::Scanned(Ok(Box::new(scanned))));
    assert!(notice(&state).contains("the group \"Staff\" is empty (and 1 more)"));
    press(&mut state, "ctrl-a");
    assert!(frame(&mut state, 120, 40).contains("7 avatars could not be read"));
}

/// A picture of this many shades.
fn face(shades: u8) -> Faces {
    Faces {
        source: Some(crate::domain::suspicion::Face::of(
            &crate::domain::picture::Fingerprint {
                bits: u64::from(shades),
                colours: [[shades; 3]; 16],
                shades,
            },
        )),
        target: None,
    }
}

/// Judges like the machine behind the screen.
fn judge(state: &mut State, effects: Vec<Effect>) -> Vec<Effect> {
    for effect in effects {
        if let Effect::Judge {
            question,
            listing,
            gallery,
            seen,
        } = effect
        {
            let gallery = std::sync::Arc::new(gallery.with(&seen));
            let suspicions = listing.judged(&gallery);
            return update(
                state,
                Message::Judged {
                    question,
                    gallery,
                    suspicions,
                },
            );
        }
    }
    panic!("nobody was judged")
}

#[test]
fn what_was_compared_after_a_scan_is_suspected_as_soon_as_comparing_ends() {
    let mut state = screen_of(&CAST);
    let suspicion = |state: &State, name: &str| {
        let listing = &state.people.listing;
        let row = listing.find(&id(name)).expect("listed");
        listing.entry(row).suspicion().map(str::to_owned)
    };
    let blank = Compared {
        faces: face(1),
        ..compared("Pradeep Gupta", Verdict::Differs)
    };
    let colourful = Compared {
        faces: face(9),
        ..compared("Adele Vance", Verdict::Differs)
    };
    update(&mut state, Message::Compared(vec![blank, colourful]));
    assert_eq!(suspicion(&state, "Pradeep Gupta"), None);
    let effects = update(&mut state, Message::ComparingEnded(Ok(())));
    assert_eq!(told(&effects), ["judge everybody's photos again, 2 seen since"]);
    state.notice = None;
    let effects = judge(&mut state, effects);
    assert_eq!(
        told(&effects),
        ["keep 10 people"],
        "the next plan of a few people knows it"
    );
    assert_eq!(
        suspicion(&state, "Pradeep Gupta").as_deref(),
        Some("the photo is blank")
    );
    assert_eq!(suspicion(&state, "Adele Vance"), None);
    assert_eq!(
        notice(&state),
        "1 more photo is probably not the person's own; ! shows them"
    );
    // What was seen once is remembered the next time.
    let other = Compared {
        faces: face(1),
        ..compared("Lee Gu", Verdict::Differs)
    };
    update(&mut state, Message::Compared(vec![other]));
    let effects = update(&mut state, Message::ComparingEnded(Ok(())));
    judge(&mut state, effects);
    assert!(suspicion(&state, "Pradeep Gupta").is_some() && suspicion(&state, "Lee Gu").is_some());
}

#[test]
fn a_judgement_on_people_of_an_earlier_scan_is_dropped() {
    let mut state = screen_of(&CAST);
    let blank = Compared {
        faces: face(1),
        ..compared("Pradeep Gupta", Verdict::Differs)
    };
    update(&mut state, Message::Compared(vec![blank]));
    let effects = update(&mut state, Message::ComparingEnded(Ok(())));
    scanned(&mut state, listing(&CAST[..3]));
    assert!(judge(&mut state, effects).is_empty());
    assert_eq!(state.people.listing.suspicious(), 0);
}
