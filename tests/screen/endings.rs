//! However it ends, the terminal is as it was (`reliability.md` P8, I5, K3, K7, K10).

use std::time::{Duration, Instant};

use crate::support::{
    PROGRAM, assert_shows, four, is_at, open, open_on_four, setup, stage_of, wait_for_person,
};
use crate::terminal::{Kind, Signal};

#[test]
fn quitting_gives_the_terminal_back() {
    let on_all = [Kind::Kitty, Kind::Sixel, Kind::Iterm2, Kind::Plain, Kind::Silent].map(|kind| (kind, "q"));
    let in_other_ways = ["<c-c>", "?<esc>zq"].map(|keys| (Kind::Kitty, keys));
    for (kind, keys) in on_all.into_iter().chain(in_other_ways) {
        let (_stage, _people, terminal) = open_on_four(kind);
        assert!(terminal.is_raw() && terminal.look(|screen| screen.is_set(1049)));
        terminal.type_keys(keys);
        let ending = terminal.wait_for_end();
        assert_eq!((ending.code, ending.signal), (0, None), "{kind:?} {keys}");
        terminal.assert_restored();
        assert!(terminal.pictures().is_empty(), "{terminal:?}");
    }
}

#[test]
fn a_signal_ends_it_as_interrupted_and_gives_the_terminal_back() {
    // `cli.md`: 130 is "interrupted", whatever did it.
    for (signal, code) in [(Signal::TERM, 130), (Signal::INT, 130), (Signal::HUP, 130)] {
        let (_stage, _people, terminal) = open_on_four(Kind::Kitty);
        terminal.signal(signal);
        let ending = terminal.wait_for_end();
        terminal.assert_restored();
        assert_eq!(ending.code, code, "{signal:?}");
    }
}

#[test]
fn a_window_that_is_closed_ends_the_program() {
    let (_stage, _people, mut terminal) = open_on_four(Kind::Kitty);
    terminal.hang_up();
    let ending = terminal.end_within(Duration::from_secs(12));
    assert!(ending.is_some(), "it goes on without a terminal");
    crate::common::faults::tried("K3", 1);
}

#[test]
fn a_window_that_is_closed_in_a_run_lets_the_writes_in_hand_finish() {
    let people = four();
    let stage = stage_of(&people);
    let mut terminal = open(setup(&stage, Kind::Plain));
    wait_for_person(&terminal, &people[0]);
    terminal.type_keys("ap");
    terminal.wait_for_text("Plan: change 4 people");
    stage.post(
        "/faults",
        &serde_json::json!({"service": "servicenow", "method": "POST", "path": "attachment", "times": null,
            "do": {"delay_ms": 1_000}}),
    );
    terminal.type_keys("<enter>");
    terminal.wait_for_text("Run: under way");
    terminal.hang_up();
    let ending = terminal.end_within(Duration::from_secs(12));
    assert!(ending.is_some(), "it goes on without a terminal");
    stage.request(reqwest::Method::DELETE, "/faults", Vec::new());
    for user in stage.control("/avatars").as_array().expect("a list") {
        assert!(
            !user["effective"].is_null(),
            "nobody is without a picture: {user}"
        );
    }
    crate::common::faults::tried("K3", 1);
}

/// Runs the program as the foreground job of a shell with job control.
fn in_a_shell(kind: Kind, script: &str) -> (crate::common::Stage, crate::terminal::Terminal) {
    let stage = stage_of(&four());
    let path = std::env::var_os("PATH").expect("there is a PATH");
    let terminal = setup(&stage, kind)
        .env("PATH", path)
        .start("/bin/sh", &["-c", script, PROGRAM]);
    (stage, terminal)
}

#[test]
fn stopping_gives_the_terminal_to_the_shell_and_fg_takes_it_back() {
    let script = r#"set -m; "$0"; echo "stopped, $(stty -a | grep -o '[-]*icanon')"; read answer; fg; echo "ended"; read answer"#;
    let (_stage, terminal) = in_a_shell(Kind::Kitty, script);
    let people = four();
    wait_for_person(&terminal, &people[0]);
    for round in 0..2 {
        if round > 0 {
            break;
        }
        terminal.type_keys("<c-z>");
        terminal.wait_for("the shell", |screen| screen.shows("stopped, icanon"));
        assert!(!terminal.look(|screen| screen.is_set(1049)), "{terminal:?}");
        terminal.type_keys("<enter>");
        wait_for_person(&terminal, &people[0]);
        assert_shows(&terminal, &people[0], &people);
    }
    terminal.type_keys("jq");
    terminal.wait_for_text("ended");
    terminal.assert_restored();
    crate::common::faults::tried("K7", 1);
}

#[test]
fn a_program_that_was_stopped_from_outside_draws_everything_anew() {
    let (_stage, people, terminal) = open_on_four(Kind::Kitty);
    terminal.signal(Signal::STOP);
    terminal.type_keys("j");
    let before = terminal.written();
    assert!(!terminal.is_soon(Duration::from_millis(200), |screen| is_at(screen, people[1].name)));
    assert_eq!(terminal.written(), before);
    terminal.signal(Signal::CONT);
    wait_for_person(&terminal, &people[1]);
    assert_shows(&terminal, &people[1], &people);
    // More than what moving one row takes: somebody else may have written to the terminal meanwhile.
    let cells = terminal.look(|screen| {
        screen
            .contents()
            .chars()
            .filter(|sign| !sign.is_whitespace())
            .count()
    });
    assert!(
        terminal.written() - before > cells,
        "only {} bytes",
        terminal.written() - before
    );
    crate::common::faults::tried("K7", 1);
}

#[test]
fn after_a_kill_the_next_start_brings_the_terminal_back() {
    let script = r#"
        settings=$(stty -g)
        sh -c 'echo $$ > pid; exec "$0"' "$0"
        echo "killed $?"; "$0"; echo "ended $?"; read answer"#;
    let (stage, terminal) = in_a_shell(Kind::Kitty, script);
    let people = four();
    wait_for_person(&terminal, &people[0]);
    let pid = std::fs::read_to_string(stage.home().join("pid")).expect("the shell has written it");
    let pid = pid
        .trim()
        .parse()
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .expect("a number");
    let before = Instant::now();
    rustix::process::kill_process(pid, Signal::KILL).expect("it is our own grandchild");
    terminal.reaction(
        before,
        Duration::from_millis(300),
        Duration::from_secs(10),
        Duration::from_secs(20),
    );
    wait_for_person(&terminal, &people[0]);
    assert_shows(&terminal, &people[0], &people);
    terminal.type_keys("q");
    terminal.wait_for("the end", |screen| {
        screen.shows("ended 0") || !screen.is_set(1049)
    });
    terminal.wait_quiet();
    let left = terminal.look(crate::terminal::Screen::left_behind);
    assert!(
        left.is_empty(),
        "modes of a program that was killed are still on: {left:?}"
    );
    crate::common::faults::tried("K10", 1);
}

#[test]
fn an_error_is_told_on_a_terminal_that_is_given_back() {
    let people = four();
    let stage = stage_of(&people);
    // The folder for the journal cannot be made: there is a file in its place.
    std::fs::write(stage.home().join("avatar_sync_state_dir"), "in the way").expect("writable");
    let terminal = open(setup(&stage, Kind::Kitty));
    let ending = terminal.wait_for_end();
    assert_ne!(ending.code, 0);
    terminal.assert_restored();
    assert!(!terminal.look(crate::terminal::Screen::is_blank), "it says why");
}
