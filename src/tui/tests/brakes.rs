//! What slows the profile down is seen, and released.

use super::kit::*;
use crate::domain::brake::parking::Parked;
use crate::domain::brake::quarantine::Quarantine;
use crate::tui::message::Message;
use crate::tui::state::State;
use crate::tui::update::update;

fn slowed_down() -> State {
    let mut state = screen_of(&CAST);
    state.notice = None;
    let quarantine = Some(Quarantine {
        since: now(),
        failures: 3,
        last: now(),
        why: "sign-in was refused".into(),
        next: now() + jiff::SignedDuration::from_hours(2),
    });
    let parked = vec![Parked {
        person: person("Alex Wilber"),
        failures: 4,
        since: now(),
        last: now(),
        until: now() + jiff::SignedDuration::from_hours(24),
        why: "ServiceNow answered 500".into(),
    }];
    let waiting = 0;
    let message = Message::Standing {
        quarantine,
        parked,
        waiting,
    };
    update(&mut state, message);
    state
}

#[test]
fn a_quarantine_is_said_with_its_reason_and_stays_in_the_header_in_every_window() {
    let mut state = slowed_down();
    assert!(
        notice(&state).contains("3 runs in a row have failed"),
        "{}",
        notice(&state)
    );
    assert!(notice(&state).contains("E ends it"), "{}", notice(&state));
    press(&mut state, "j k");
    for (width, height) in [(60, 14), (80, 24), (120, 40), (200, 60)] {
        let text = frame(&mut state, width, height);
        let header = text.lines().next().unwrap_or_default();
        assert!(header.contains("quarantine"), "{header}");
    }
}

#[test]
fn whoever_is_parked_is_told_beside_their_pictures_and_released_with_a_key() {
    let mut state = slowed_down();
    press(&mut state, "j");
    let text = frame(&mut state, 120, 40);
    assert!(text.contains("parked: has failed in 4 runs"), "{text}");
    assert_eq!(told(&press(&mut state, "E")), ["release alex"]);
}

#[test]
fn without_anybody_parked_the_same_key_ends_the_quarantine() {
    let mut state = slowed_down();
    assert_eq!(told(&press(&mut state, "E")), ["release the quarantine"]);
    let message = Message::Standing {
        quarantine: None,
        parked: Vec::new(),
        waiting: 0,
    };
    update(&mut state, message);
    assert!(told(&press(&mut state, "E")).is_empty());
    assert!(!frame(&mut state, 120, 40).contains("quarantine 1"));
    assert!(notice(&state).contains("not in quarantine"));
}
