//! The right face beside the right name, whole and undistorted, whatever happens around it
//! (`terminal-images.md` 4 and 8).

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use avatar_sync::sandbox::SandboxOptions;

use crate::common::Stage;
use crate::support::{
    assert_is, assert_shows, four, is_at, open, open_on_four, pair, pane, setup, stage_of, stretched,
    wait_for_person,
};
use crate::terminal::{How, Kind, LIMIT, QUIET, Screen, Terminal};

const DRAWING: [(Kind, How); 5] = [
    (Kind::Kitty, How::Kitty),
    // It shows a box for every placeholder.
    (Kind::OldKitty, How::Kitty),
    (Kind::Sixel, How::Sixel),
    (Kind::Iterm2, How::Iterm2),
    (Kind::Plain, How::Blocks),
];

#[track_caller]
fn assert_drawn(terminal: &Terminal, how: How) {
    for picture in terminal.pictures() {
        assert_eq!(picture.how, how, "{terminal:?}");
    }
}

#[test]
fn the_faces_follow_the_cursor() {
    for (kind, how) in DRAWING {
        let (_stage, people, terminal) = open_on_four(kind);
        assert_drawn(&terminal, how);
        assert_shows(&terminal, &people[0], &people);
        for person in &people[1..] {
            terminal.type_keys("j");
            wait_for_person(&terminal, person);
            assert_shows(&terminal, person, &people);
        }
        terminal.type_keys("<home>");
        wait_for_person(&terminal, &people[0]);
        assert_shows(&terminal, &people[0], &people);
    }
}

#[test]
fn moving_fast_ends_at_the_right_faces_and_loses_no_key() {
    for kind in [Kind::Kitty, Kind::Sixel] {
        let (_stage, people, terminal) = open_on_four(kind);
        for _ in 0..20 {
            terminal.type_keys("jjjkkk");
        }
        terminal.type_keys("jj");
        wait_for_person(&terminal, &people[2]);
        assert_shows(&terminal, &people[2], &people);
    }
}

#[test]
fn a_dialog_over_the_faces_leaves_no_trace() {
    for (kind, _) in DRAWING {
        let (_stage, people, terminal) = open_on_four(kind);
        terminal.type_keys("?");
        terminal.wait_for_text("Keys");
        terminal.wait_quiet();
        for picture in terminal.pictures() {
            assert_eq!(picture.missing, 0, "half a face below the dialog: {terminal:?}");
        }
        assert_eq!(terminal.look(Screen::boxes), 0, "{terminal:?}");
        terminal.type_keys("<esc>");
        terminal.wait_for_no_text("type to find one");
        wait_for_person(&terminal, &people[0]);
        assert_shows(&terminal, &people[0], &people);
    }
}

#[test]
fn another_size_of_the_window_places_the_faces_anew() {
    for (kind, _) in DRAWING {
        let (_stage, people, terminal) = open_on_four(kind);
        for (columns, rows) in [(90, 28), (200, 60), (100, 30)] {
            let resized = terminal.resize(columns, rows);
            terminal.reaction(resized, QUIET, LIMIT, LIMIT);
            wait_for_person(&terminal, &people[0]);
            assert_shows(&terminal, &people[0], &people);
        }
    }
}

#[test]
fn a_pair_fills_the_screen_and_goes_back() {
    for (kind, _) in DRAWING {
        let (_stage, people, terminal) = open_on_four(kind);
        let small = pair(&terminal)[0].area;
        terminal.type_keys("z");
        terminal.wait_for("two large pictures", |screen| {
            let pictures = screen.pictures();
            pictures.len() == 2 && pictures.iter().all(|picture| picture.area.rows > small.rows)
        });
        terminal.wait_quiet();
        let pictures = pair(&terminal);
        assert_is(&pictures[0], &people[0].source, &terminal);
        assert_is(&pictures[1], &people[0].target, &terminal);
        terminal.type_keys("<esc>");
        wait_for_person(&terminal, &people[0]);
        assert_shows(&terminal, &people[0], &people);
    }
}

#[test]
fn pictures_keep_off_the_right_column_and_the_lowest_row_of_their_panes() {
    for kind in [Kind::Kitty, Kind::Sixel] {
        let (_stage, people, terminal) = open_on_four(kind);
        for (number, person) in people.iter().enumerate() {
            if number > 0 {
                terminal.type_keys("j");
            }
            wait_for_person(&terminal, person);
            for (picture, title) in pair(&terminal).iter().zip(["Entra ID", "ServiceNow"]) {
                let pane = terminal.look(|screen| pane(screen, title));
                let (right, lower) = (
                    picture.area.column + picture.area.columns,
                    picture.area.row + picture.area.rows,
                );
                assert!(right < pane.column + pane.columns, "{picture:?} in {pane:?}");
                assert!(lower < pane.row + pane.rows, "{picture:?} in {pane:?}");
            }
        }
    }
}

#[test]
fn whoever_shows_boxes_nothing_or_ghosts_gets_half_blocks() {
    let people = four();
    let stage = stage_of(&people);
    let terminals = [
        ("Konsole", setup(&stage, Kind::Sixel).named("Konsole 22.12.3")),
        (
            "VS Code without pictures",
            setup(&stage, Kind::Plain).env("TERM_PROGRAM", "vscode"),
        ),
        (
            "tmux in an unknown terminal",
            setup(&stage, Kind::Kitty).in_tmux(),
        ),
        ("nobody", setup(&stage, Kind::Silent)),
        ("nonsense", setup(&stage, Kind::Nonsense)),
    ];
    for (name, setup) in terminals {
        let terminal = open(setup);
        wait_for_person(&terminal, &people[0]);
        for picture in terminal.pictures() {
            assert_eq!(picture.how, How::Blocks, "{name}: {terminal:?}");
        }
        assert_shows(&terminal, &people[0], &people);
    }
}

#[test]
fn tmux_in_kitty_shows_real_pictures() {
    let people = four();
    let stage = stage_of(&people);
    // A tmux that knows one thing: which terminal it is in.
    let folder = stage.home().join("bin");
    std::fs::create_dir_all(&folder).expect("writable");
    let script = folder.join("tmux");
    std::fs::write(&script, "#!/bin/sh\necho 'kitty(0.41.1)'\n").expect("writable");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    let terminal = open(setup(&stage, Kind::Kitty).in_tmux().env("PATH", &folder));
    wait_for_person(&terminal, &people[0]);
    assert_drawn(&terminal, How::Kitty);
    assert_shows(&terminal, &people[0], &people);
    terminal.type_keys("q");
    terminal.wait_for_end();
    terminal.assert_restored();
}

#[test]
fn without_pictures_the_screen_has_the_same_words() {
    let people = four();
    let stage = stage_of(&people);
    let terminal = setup(&stage, Kind::Kitty).start(crate::support::PROGRAM, &["--no-images"]);
    terminal.wait_for("Ada and why", |screen| {
        is_at(screen, "Ada Byron") && screen.shows("180x180 PNG") && screen.shows("different pictures")
    });
    terminal.wait_quiet();
    assert!(terminal.pictures().is_empty(), "{terminal:?}");
}

#[test]
fn a_photo_that_has_been_pushed_is_on_both_sides() {
    let (stage, people, terminal) = open_on_four(Kind::Kitty);
    terminal.type_keys("p");
    terminal.wait_for_text("Plan: change 1 person");
    terminal.type_keys("<enter>");
    terminal.wait_for_text("Run: over");
    assert!(!stage.writes().is_empty());
    terminal.type_keys("<esc>");
    terminal.wait_for("Ada in sync", |screen| is_at(screen, "in sync"));
    wait_for_person(&terminal, &people[0]);
    let pictures = pair(&terminal);
    assert_is(&pictures[0], &people[0].source, &terminal);
    assert_is(&pictures[1], &people[0].source, &terminal);
}

/// All faces of the contact sheet, in the order of the lines: Entra's above ServiceNow's.
fn assert_sheet(terminal: &Terminal, people: &[crate::support::Person]) {
    let mut pictures = terminal.pictures();
    assert_eq!(pictures.len(), 2 * people.len(), "{terminal:?}");
    pictures.sort_by_key(|picture| picture.area.row);
    for line in pictures.chunks_mut(people.len()) {
        line.sort_by_key(|picture| picture.area.column);
    }
    let (above, below) = pictures.split_at(people.len());
    for (pair, person) in above.iter().zip(below).zip(people) {
        let pair = [pair.0, pair.1];
        assert_eq!(pair[0].missing + pair[1].missing, 0, "{terminal:?}");
        let (source, target) = (
            crate::terminal::pixels::difference(&pair[0].pixels, &person.source),
            crate::terminal::pixels::difference(&pair[1].pixels, &person.target),
        );
        assert!(
            source < 14.0 && target < 14.0,
            "{}: {source} {target}\n{terminal:?}",
            person.name
        );
    }
    assert_eq!(terminal.look(Screen::boxes), 0, "{terminal:?}");
}

#[test]
fn the_contact_sheet_shows_every_pair_and_a_dialog_over_it_leaves_no_trace() {
    // Half blocks above half blocks are one picture to whoever sees cells alone.
    for (kind, how) in DRAWING.into_iter().filter(|(_, how)| *how != How::Blocks) {
        let (_stage, people, terminal) = open_on_four(kind);
        terminal.type_keys("g");
        let is_there = |screen: &Screen| screen.shows("Contact sheet 4") && screen.pictures().len() == 8;
        terminal.wait_for("four pairs", is_there);
        terminal.wait_quiet();
        assert_drawn(&terminal, how);
        assert_sheet(&terminal, &people);
        terminal.type_keys("?");
        terminal.wait_for_text("Keys: type");
        terminal.wait_quiet();
        for picture in terminal.pictures() {
            assert_eq!(picture.missing, 0, "half a face below the dialog: {terminal:?}");
        }
        terminal.type_keys("<esc>");
        terminal.wait_for("four pairs again", is_there);
        terminal.wait_quiet();
        assert_sheet(&terminal, &people);
        terminal.resize(100, 30);
        terminal.wait_for("four pairs in a smaller window", is_there);
        terminal.wait_quiet();
        assert_sheet(&terminal, &people);
        terminal.type_keys("ll<space>/bob<enter>");
        terminal.wait_for_text("1 marked");
        terminal.type_keys("<esc>g");
        terminal.wait_for("the table with one pair", |screen| {
            screen.shows("People 4") && screen.pictures().len() == 2
        });
    }
}

#[test]
fn the_person_screen_explains_the_chain_with_the_picture_at_each_link() {
    for kind in [Kind::Kitty, Kind::Sixel, Kind::Plain] {
        let (_stage, people, terminal) = open_on_four(kind);
        terminal.type_keys("<enter>");
        terminal.wait_for("the steps and both pictures", |screen| {
            screen.shows("1 Found in Entra ID")
                && screen.shows("live_profile, wins")
                && screen.shows("people see this")
                && screen.shows("no manager")
                && screen.pictures().len() == 2
        });
        terminal.wait_quiet();
        let mut pictures = terminal.pictures();
        pictures.sort_by_key(|picture| picture.area.row);
        for (picture, right) in pictures.iter().zip([&people[0].source, &people[0].target]) {
            let far = crate::terminal::pixels::difference(&picture.pixels, right);
            assert!(far < 14.0 && picture.missing == 0, "{far} {terminal:?}");
        }
        terminal.type_keys("d");
        terminal.wait_for("a map between both", |screen| {
            screen.shows("Difference") && screen.pictures().len() == 3
        });
        terminal.type_keys("b");
        terminal.wait_for("one picture", |screen| {
            screen.shows("Blink: Entra ID") && screen.pictures().len() == 1
        });
        terminal.type_keys("b");
        terminal.wait_for_text("Blink: ServiceNow");
        terminal.type_keys("<esc><esc>");
        wait_for_person(&terminal, &people[0]);
        assert_shows(&terminal, &people[0], &people);
    }
}

#[test]
fn a_screenful_of_forty_cached_pairs_is_drawn_in_a_tenth_of_a_second() {
    let stage = Stage::with(&SandboxOptions {
        users: 200,
        is_throttled: false,
        ..SandboxOptions::default()
    });
    let terminal = open(setup(&stage, Kind::Kitty));
    terminal.wait_for_text("scanned");
    terminal.type_keys("g");
    terminal.wait_for("most of forty pairs", |screen| screen.pictures().len() >= 50);
    let quiet = Duration::from_millis(1_500);
    let settle = || terminal.reaction(Instant::now(), quiet, quiet, Duration::from_secs(30));
    settle();
    // Once there and back: the first time the pictures travel, the second time the terminal has them.
    for key in ["<pgdn>", "<pgup>", "<pgdn>"] {
        let bytes = || terminal.look(|screen| screen.picture_bytes);
        let before = bytes();
        let sent = terminal.type_keys(key);
        let reaction = terminal.reaction(sent, Duration::from_millis(300), LIMIT, LIMIT);
        let sent_bytes = bytes() - before;
        let pictures = terminal.pictures().len();
        let took = reaction.last.expect("another page is drawn");
        println!(
            "{key}: {pictures} pictures in {took:?}, {} bytes, {sent_bytes} of them pictures",
            reaction.bytes
        );
        assert!(pictures >= 50, "{pictures} pictures\n{terminal:?}");
        assert!(
            took < stretched(Duration::from_millis(100)),
            "{key} took {took:?}"
        );
        settle();
    }
}
