//! What holds for every frame: no control character in a cell, straight columns, no picture under a dialog, keys that
//! are the ones of the table.

use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Modifier;
use unicode_normalization::char::is_combining_mark;
use unicode_width::UnicodeWidthStr;

use super::kit::*;
use crate::connector::http::{Ending, RequestRecord};
use crate::domain::brake::removal::Decision;
use crate::domain::comparison::Verdict;
use crate::domain::ids::RunId;
use crate::domain::run::{Outcome, StopReason};
use crate::engine::PastFace;
use crate::store::journal::RunKind;
use crate::tui::faces::FaceKey;
use crate::tui::intent::{ENTRIES, Intent};
use crate::tui::keymap::Keymap;
use crate::tui::layout;
use crate::tui::message::Message;
use crate::tui::state::State;
use crate::tui::theme::Palette;
use crate::tui::update::update;

/// Names that somebody has made to harm, or that are simply unusual.
const HOSTILE: [&str; 20] = [
    "\u{1b}[2J\u{1b}[31mAda",
    "\u{1b}]52;c;cm0gLXJmIH4=\u{7}Ada",
    "\u{1b}]8;;http://evil.example\u{1b}\\click\u{1b}]8;;\u{1b}\\",
    "\u{1b}Pq#0;2;0;0;0~-\u{1b}\\",
    "\u{1b}_Ga=T,f=24;AAAA\u{1b}\\",
    "\u{9b}31mAda\u{9d}0;title\u{9c}",
    "Ada\r\nInjected line\tand tab\u{0}\u{7f}",
    "\u{202e}ecnaV eledA",
    "\u{2066}\u{2067}isolated\u{2069}",
    "Z\u{200b}e\u{200d}r\u{feff}o width\u{2060}",
    "\u{e0041}\u{e0042}tags and private \u{e000}\u{f8ff}",
    "a\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}\u{308} eight marks",
    "山田太郎 Yamada Tarō",
    "김민준",
    "👩‍👩‍👧‍👦 family 👍🏽",
    "محمد عبد الله",
    "Ａｄｅｌｅ　Ｖａｎｃｅ",
    "\u{2d53e}\u{16f7f} a vowel sign beside a wide letter",
    "\u{c95}\u{cc6}\u{cc2}\u{cd5} two of them",
    "½ ambiguous ·…—“”",
];

fn many_marks() -> String {
    format!("Zalgo{}", "\u{334}".repeat(500))
}

/// No cell holds anything that a terminal would take for a command, and none is wider than a letter and its marks: some
/// scripts' vowel signs take a column of their own beside the letter they belong to.
fn check(buffer: &Buffer) {
    for position in buffer.area.positions() {
        let symbol = buffer[position].symbol();
        for letter in symbol.chars() {
            let is_command = letter.is_control()
                || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
                || matches!(letter, '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{10ffff}');
            assert!(!is_command, "{letter:?} at {position:?}:\n{}", text_of(buffer));
        }
        let marks = symbol.chars().filter(|letter| is_combining_mark(*letter)).count();
        assert!(symbol.width() <= 2 + marks, "{symbol:?} at {position:?}");
        assert!(symbol.chars().count() <= 6, "{symbol:?} at {position:?}");
    }
}

/// The right frame of the table is in its column on every line.
fn check_columns(state: &State, buffer: &Buffer) {
    let table = layout::people(state.size).table;
    for y in table.y + 1..table.bottom() - 1 {
        for x in [table.x, table.right() - 1] {
            let symbol = buffer[(x, y)].symbol();
            assert!(
                matches!(symbol, "│" | "█"),
                "{symbol:?} at {x}, {y}:\n{}",
                text_of(buffer)
            );
        }
    }
    // On the terminal a line is as wide as the cells say, whatever the letters are.
    for y in buffer.area.rows() {
        let mut x = 0;
        while x < buffer.area.width {
            x += (buffer[(x, y.y)].symbol().width() as u16).max(1);
        }
        assert_eq!(x, buffer.area.width, "line {}", y.y);
    }
}

/// Every screen and dialog with this name on it wherever a name can be.
fn everywhere(name: &str) {
    let people = [
        (name, name, Verdict::Differs),
        ("Zoe Last", "Sales", Verdict::Missing),
    ];
    let person = [(name, Verdict::Differs)];
    let mut state = screen_of(&people);
    let effects = press(&mut state, "j k");
    serve(&mut state, effects);
    for (width, height) in [(60, 14), (80, 24), (120, 40), (200, 50)] {
        for keys in [
            "g",
            "esc enter",
            "esc d",
            "esc b b",
            "esc esc y",
            "esc z",
            "esc / a enter",
            "esc ?",
            "esc :",
            "esc ctrl-a",
            "esc",
        ] {
            press(&mut state, keys);
            let buffer = cells(&mut state, width, height);
            check(&buffer);
            if state.dialog.is_none() && state.screen == crate::tui::state::Screen::People {
                check_columns(&state, &buffer);
            }
        }
    }
    past(&mut state, name);
    removals_of(&mut state, name);
    press(&mut state, "S");
    planned(&mut state, plan_of(&person));
    check(&cells(&mut state, 80, 24));
    press(&mut state, "enter");
    started(&mut state, 1);
    step(&mut state, name, Outcome::Failed);
    check(&cells(&mut state, 80, 24));
    press(&mut state, "@");
    let request = RequestRecord {
        at: now(),
        lane: "photos",
        method: http::Method::GET,
        path: name.into(),
        attempt: 1,
        ending: Ending::Lost(name.into()),
        took: std::time::Duration::from_millis(4),
        bytes: 4,
        request_id: Some(name.into()),
    };
    update(&mut state, Message::Requests(vec![request]));
    check(&cells(&mut state, 80, 24));
    // Whatever the engine says may quote a service.
    update(&mut state, Message::Trouble(trouble(name, Some(name))));
    update(&mut state, Message::Said(format!("opened {name}")));
    check(&cells(&mut state, 80, 24));
}

/// The screens that look back, with this name in the journal and wherever else it can be.
fn past(state: &mut State, name: &str) {
    let mut run = past_run(1, RunKind::Push, &[(Outcome::Updated, 1), (Outcome::Failed, 1)]);
    let actor = &mut run.record.start.actor;
    (actor.os_user, actor.host, actor.account) = (name.into(), name.into(), name.into());
    run.record.id = RunId::new(name);
    run.record.start.undoes = Some(RunId::new(name));
    run.record.stopped = Some(StopReason::Brake(name.into()));
    for (width, height) in [(60, 14), (80, 24), (120, 40), (200, 60)] {
        press(state, "H");
        runs_read(state, vec![run.clone()]);
        check(&cells(state, width, height));
        press(state, "enter");
        let mut past = past_step(&run, name, Outcome::Failed);
        past.step.detail = name.into();
        past.step.hint = Some(name.into());
        let effects = people_read(state, vec![past]);
        check(&cells(state, width, height));
        let moves = state.pictures.moves;
        update(state, Message::Rested(moves));
        let key = FaceKey::Before(RunId::new(name), id(name));
        let face = PastFace::Failed(name.into());
        update(
            state,
            Message::Face {
                key,
                face,
                words: "before this run",
            },
        );
        check(&cells(state, width, height));
        drop(effects);
        press(state, "u");
        let mut plan = undo_of(name, &[name], &[name]);
        plan.problems = vec![name.into()];
        plan.steps[0].reason = name.into();
        plan.left[0].reason = name.into();
        tidying_planned(state, plan);
        check(&cells(state, width, height));
        press(state, "esc /");
        update(state, Message::Paste(name.into()));
        check(&cells(state, width, height));
        press(state, "enter");
        check(&cells(state, width, height));
        press(state, "esc esc esc");
    }
}

/// The page of removals, with this name wherever one can be.
fn removals_of(state: &mut State, name: &str) {
    let approved = Decision::Approved {
        at: now(),
        by: name.into(),
    };
    for (width, height) in [(60, 14), (80, 24), (120, 40), (200, 60)] {
        press(state, "X");
        removals_read(state, removals(vec![staged(name, Decision::Waiting)], &[]));
        check(&cells(state, width, height));
        press(state, "p");
        check(&cells(state, width, height));
        press(state, "esc");
        removals_read(state, removals(vec![staged(name, approved.clone())], &[]));
        check(&cells(state, width, height));
        update(state, Message::Removals(Err(trouble(name, Some(name)))));
        check(&cells(state, width, height));
        press(state, "esc");
    }
}

#[test]
fn hostile_names_reach_no_cell_and_bend_no_column() {
    for name in HOSTILE {
        everywhere(name);
    }
    everywhere(&many_marks());
    everywhere(&"W".repeat(5_000));
    everywhere("");
    crate::tried("L1", HOSTILE.len() + 3);
}

#[test]
fn direction_overrides_are_shown_as_marks() {
    let mut state = screen_of(&[("\u{202e}ecnaV", "Sales", Verdict::Missing)]);
    let text = frame(&mut state, 80, 24);
    assert!(text.contains("·ecnaV"), "{text}");
    crate::tried("L2", 1);
}

#[test]
fn at_most_four_combining_marks_share_a_cell() {
    let name = many_marks();
    let mut state = screen_of(&[(name.as_str(), "Sales", Verdict::Missing)]);
    let buffer = cells(&mut state, 80, 24);
    let most = buffer.content().iter().map(|cell| cell.symbol().chars().count());
    assert_eq!(most.max(), Some(5), "a letter and four marks");
    crate::tried("L2", 1);
}

#[test]
fn a_hostile_filter_is_shown_as_harmlessly_as_a_name() {
    let mut state = screen_of(&CAST);
    press(&mut state, "/");
    update(
        &mut state,
        Message::Paste("\u{202e}\u{200b}\u{e0041}status:a\u{200d}\u{2066}".into()),
    );
    check(&cells(&mut state, 80, 24));
    press(&mut state, "esc /");
    update(&mut state, Message::Paste("\u{202e}\u{200b}abc\u{200d}d".into()));
    press(&mut state, "enter");
    check(&cells(&mut state, 80, 24));
    for dialog in ["?", ":"] {
        press(&mut state, dialog);
        update(
            &mut state,
            Message::Paste("\u{202e}e\u{200d}r\u{200b}\u{e0041}".into()),
        );
        check(&cells(&mut state, 80, 24));
        press(&mut state, "esc esc");
    }
    crate::tried("L2", 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_a_name_is_made_of_the_columns_stay_straight(
        name in proptest::collection::vec(any::<char>(), 0..40),
        width in 60_u16..160,
        height in 14_u16..40,
    ) {
        let name: String = name.into_iter().collect();
        let mut state = screen_of(&[(name.as_str(), name.as_str(), Verdict::Differs), ("Zoe Last", "", Verdict::Missing)]);
        looked(&mut state, &name, Verdict::Differs);
        let buffer = cells(&mut state, width, height);
        check(&buffer);
        check_columns(&state, &buffer);
    }
}

#[test]
fn the_letters_that_the_filter_has_found_are_underlined_and_no_others() {
    let mut state = screen_of(&CAST);
    press(&mut state, "/");
    type_in(&mut state, "wil");
    let buffer = cells(&mut state, 80, 24);
    let table = layout::inside(layout::people(state.size).table);
    let found = |line: u16| {
        (table.x..table.right())
            .map(|x| &buffer[(x, table.y + 1 + line)])
            .filter(|cell| cell.modifier.contains(Modifier::UNDERLINED))
            .map(ratatui::buffer::Cell::symbol)
            .collect::<String>()
    };
    assert_eq!(found(0), "Wil", "{}", text_of(&buffer));
    assert_eq!(found(1), "Wil");
    assert_eq!(found(2), "");
}

#[test]
fn every_state_has_a_sign_and_a_word_besides_its_colour() {
    let verdicts = Verdict::ALL;
    let names: Vec<String> = (0..verdicts.len())
        .map(|number| format!("N{number:02} Person"))
        .collect();
    let people: Vec<Few<'_>> = names
        .iter()
        .zip(verdicts)
        .map(|(name, verdict)| (name.as_str(), "Sales", verdict))
        .collect();
    for is_ascii in [false, true] {
        let mut state = screen_of(&people);
        state.theme.is_ascii = is_ascii;
        let text = frame(&mut state, 80, 24);
        for (name, verdict) in names.iter().zip(verdicts) {
            let line = text
                .lines()
                .find(|line| line.contains(name.as_str()))
                .expect("a row");
            let word = crate::tui::screens::people::view::short_words(verdict);
            let sign = state.theme.symbol(verdict);
            assert!(line.contains(&format!("{sign} {word}")), "{line}");
        }
    }
}

#[test]
fn the_cursor_and_the_marks_are_seen_without_colour() {
    let mut state = screen_of(&CAST);
    state.theme.palette = Palette::Plain;
    press(&mut state, "space");
    let text = frame(&mut state, 80, 24);
    let line = |name: &str| {
        text.lines()
            .find(|line| line.contains(name))
            .expect("a row")
            .to_owned()
    };
    assert!(line("Adele").starts_with("│ ●"), "{text}");
    assert!(line("Alex").starts_with("│▌○"), "{text}");
}

/// Where half blocks are: the parts of a picture.
fn drawn(buffer: &Buffer) -> Vec<Position> {
    buffer
        .area
        .positions()
        .filter(|position| matches!(buffer[*position].symbol(), "▀" | "▄"))
        .collect()
}

fn with_pictures() -> State {
    let mut state = screen_of(&CAST);
    let mut effects = draws(&mut state);
    effects.extend(press(&mut state, "j k"));
    serve(&mut state, effects);
    state
}

#[test]
fn pictures_are_drawn_inside_their_panes() {
    let mut state = with_pictures();
    for (width, height) in [(60, 14), (80, 24), (120, 40), (200, 60), (300, 90)] {
        for keys in ["esc", "z"] {
            let mut effects = press(&mut state, keys);
            effects.extend(resize(&mut state, width, height));
            serve(&mut state, effects);
            let buffer = cells(&mut state, width, height);
            let (left, right) = if keys == "z" {
                let areas = layout::zoom(state.size);
                (
                    layout::zoomed_picture(areas.source),
                    layout::zoomed_picture(areas.target),
                )
            } else {
                let areas = layout::people(state.size);
                (layout::picture(areas.source), layout::picture(areas.target))
            };
            let drawn = drawn(&buffer);
            for place in [left, right] {
                assert!(
                    drawn.iter().any(|position| place.contains(*position)),
                    "{width}x{height} {keys}: a picture in {place:?}\n{}",
                    text_of(&buffer)
                );
            }
            for position in drawn {
                assert!(
                    left.contains(position) || right.contains(position),
                    "{position:?}"
                );
            }
        }
    }
}

#[test]
fn no_picture_is_drawn_while_a_dialog_lies_over_the_screen_and_all_come_back() {
    for screen in ["", "z"] {
        for dialog in ["?", ":", "y", "ctrl-a"] {
            let mut state = with_pictures();
            let effects = press(&mut state, screen);
            serve(&mut state, effects);
            let before = drawn(&cells(&mut state, 120, 40));
            assert!(!before.is_empty());
            press(&mut state, dialog);
            assert!(drawn(&cells(&mut state, 120, 40)).is_empty(), "{dialog}");
            press(&mut state, "esc");
            assert_eq!(drawn(&cells(&mut state, 120, 40)), before, "{dialog}");
        }
    }
}

#[test]
fn the_first_faces_of_a_plan_are_drawn_old_beside_new() {
    let mut state = with_pictures();
    let mut effects = press(&mut state, "S");
    effects.extend(planned(
        &mut state,
        plan_of(&[
            ("Adele Vance", Verdict::Differs),
            ("Megan Bowen", Verdict::Differs),
        ]),
    ));
    serve(&mut state, effects);
    let buffer = cells(&mut state, 120, 40);
    let crate::tui::screens::plan::PlanScreen::Ready(proposal) = &state.plan else {
        panic!("the plan");
    };
    let areas = crate::tui::screens::plan::view::areas(&state, proposal);
    let drawn = drawn(&buffer);
    for pair in &areas.pairs[..2] {
        for place in [pair.old, pair.new] {
            assert!(
                drawn.iter().any(|position| place.contains(*position)),
                "{place:?}\n{}",
                text_of(&buffer)
            );
        }
    }
    let is_in_a_pair = |position: &Position| {
        let mut pairs = areas.pairs.iter();
        pairs.any(|pair| pair.old.contains(*position) || pair.new.contains(*position))
    };
    assert!(drawn.iter().all(is_in_a_pair));
    press(&mut state, "?");
    assert!(self::drawn(&cells(&mut state, 120, 40)).is_empty());
}

#[test]
fn no_picture_of_somebody_else_stays_when_the_cursor_moves() {
    let mut state = with_pictures();
    press(&mut state, "G");
    assert!(
        drawn(&cells(&mut state, 120, 40)).is_empty(),
        "nobody has looked at the last one yet"
    );
}

#[test]
fn the_footer_speaks_of_keys_as_they_are_bound() {
    let changed: Vec<(&str, Vec<&str>)> = vec![
        ("mark", vec!["f2"]),
        ("push", vec!["f3"]),
        ("full_run", vec!["f4"]),
        ("zoom", vec!["f5"]),
        ("filter", vec!["f6"]),
        ("palette", vec!["f7"]),
        ("help", vec!["f8"]),
        ("quit", vec!["f9"]),
    ];
    let keymap = Keymap::with(changed).expect("fits");
    let mut state = screen_with(setting(), keymap);
    scanned(&mut state, listing(&CAST));
    update(&mut state, Message::ComparingEnded(Ok(())));
    let footer = footer(&mut state);
    for intent in [
        Intent::Mark,
        Intent::Push,
        Intent::FullRun,
        Intent::Zoom,
        Intent::Filter,
        Intent::Palette,
        Intent::Help,
        Intent::Quit,
    ] {
        let key = state.keymap.key(intent, false);
        let hint = format!("{key} {}", intent.entry().short);
        assert!(footer.contains(&hint), "{hint}: {footer}");
    }
    assert!(!footer.contains("space"), "{footer}");
}

/// The runs, the people of one of them, and the plan of an undo, with faces.
fn looking_back() -> Vec<State> {
    ["", "enter", "u"]
        .map(|keys| {
            let mut state = with_pictures();
            press(&mut state, "H");
            runs_read(&mut state, week());
            let mut effects = press(&mut state, keys);
            if keys == "enter" {
                let people = vec![past_step(&week()[0], "Adele Vance", Outcome::Updated)];
                effects.extend(people_read(&mut state, people));
            } else if keys == "u" {
                let plan = undo_of("20260302-130500-1f2e", &["Adele Vance"], &["Alex Wilber"]);
                effects.extend(tidying_planned(&mut state, plan));
            }
            serve(&mut state, effects);
            state
        })
        .into()
}

#[test]
fn both_faces_of_the_past_are_drawn_inside_their_panes_in_every_window() {
    for (width, height) in [(60, 14), (80, 24), (120, 40), (200, 60)] {
        let [_, mut past, mut undo] = <[State; 3]>::try_from(looking_back()).expect("three");
        let effects = resize(&mut past, width, height);
        serve(&mut past, effects);
        let buffer = cells(&mut past, width, height);
        let areas = layout::people(past.size);
        let places = [areas.source, areas.target].map(layout::picture);
        let drawn = drawn(&buffer);
        for place in places {
            assert!(
                drawn.iter().any(|position| place.contains(*position)),
                "{width}x{height} {place:?}\n{}",
                text_of(&buffer)
            );
        }
        let is_inside = |position: &Position| places.iter().any(|place| place.contains(*position));
        assert!(drawn.iter().all(is_inside));

        let effects = resize(&mut undo, width, height);
        serve(&mut undo, effects);
        let buffer = cells(&mut undo, width, height);
        let crate::tui::screens::tidy::TidyScreen::Ready(proposal) = &undo.tidy else {
            panic!("the plan");
        };
        let areas = crate::tui::screens::tidy::view::areas(&undo, proposal);
        if let Some(pair) = areas.pairs.first() {
            for place in [pair.old, pair.new] {
                assert!(
                    self::drawn(&buffer)
                        .iter()
                        .any(|position| place.contains(*position)),
                    "{width}x{height} {place:?}\n{}",
                    text_of(&buffer)
                );
            }
        }
        assert_eq!(areas.pairs.is_empty(), height < 24, "{width}x{height}");
    }
}

#[test]
fn what_the_footer_offers_has_a_meaning_where_it_stands() {
    let mut states = vec![screen_of(&CAST)];
    let mut zoom = screen_of(&CAST);
    press(&mut zoom, "z");
    states.push(zoom);
    for keys in ["g", "enter", "b", "d", "c"] {
        let mut other = screen_of(&CAST);
        press(&mut other, keys);
        states.push(other);
    }
    let mut plan = screen_of(&CAST);
    press(&mut plan, "p");
    planned(&mut plan, plan_of(&[("Adele Vance", Verdict::Differs)]));
    states.push(plan);
    let mut run = running(&CAST, plan_of(&[("Adele Vance", Verdict::Differs)]));
    started(&mut run, 1);
    states.push(run);
    states.extend(looking_back());
    for mut state in states {
        let here = state.context();
        state.notice = None;
        let footer = footer(&mut state);
        let offered = ENTRIES.iter().filter(|entry| {
            let key = state.keymap.key(entry.intent, false);
            !entry.short.is_empty() && footer.contains(&format!("{key} {}", entry.short))
        });
        for entry in offered {
            let key = crate::tui::keymap::Key::parse(entry.keys[0]).expect("a key");
            assert!(
                state.keymap.intent(key, here).is_some(),
                "{} in {here:?}: {footer}",
                entry.code
            );
        }
    }
}

#[test]
fn in_every_window_every_screen_can_be_drawn() {
    let mut states = vec![with_pictures(), screen()];
    for keys in ["g", "enter", "z", "b", "d", "c"] {
        let mut other = with_pictures();
        let effects = press(&mut other, keys);
        serve(&mut other, effects);
        states.push(other);
    }
    let mut plan = with_pictures();
    press(&mut plan, "S");
    planned(&mut plan, large_plan(300));
    states.push(plan);
    let mut run = running(&CAST, large_plan(30));
    started(&mut run, 30);
    for number in 0..50 {
        step(&mut run, &format!("P{number:04} Person"), Outcome::Failed);
    }
    states.push(run);
    states.extend(looking_back());
    for state in &mut states {
        for dialog in ["esc", "?", ":", "y", "ctrl-a"] {
            if dialog != "esc" || state.screen == crate::tui::state::Screen::People {
                press(state, dialog);
            }
            for (width, height) in [
                (1, 1),
                (1, 200),
                (59, 13),
                (60, 14),
                (61, 15),
                (79, 23),
                (100, 14),
                (60, 90),
                (500, 200),
            ] {
                let buffer = cells(state, width, height);
                assert_eq!(buffer.area, Rect::new(0, 0, width, height));
            }
            state.dialog = None;
        }
    }
}
