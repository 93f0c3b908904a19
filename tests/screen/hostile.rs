//! Names as an attacker or a careless import writes them (`reliability.md` L1 to L3).

use std::collections::BTreeSet;

use serde_json::json;
use unicode_normalization::char::is_combining_mark;

use crate::common::Stage;
use crate::support::{open, setup, world};
use crate::terminal::stream::{Kind as StringKind, Piece, Splitter};
use crate::terminal::{Kind, Screen, Terminal};

/// Names that would move the cursor, colour the screen, copy to the clipboard, ring, hide or turn round.
fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "\u{1b}[2J\u{1b}[1;1Hcleared",
        "\u{1b}[31mred\u{1b}[0m",
        "\u{1b}]52;c;aGFjaw==\u{7}copied",
        "\u{1b}]8;;http://evil.example\u{1b}\\link\u{1b}]8;;\u{1b}\\",
        "\u{1b}]0;title\u{7}titled",
        "\u{1b}P+q544e\u{1b}\\asked",
        "\u{1b}_Ga=T,f=24,s=1,v=1;AAAA\u{1b}\\drawn",
        "\u{1b}c reset",
        "\u{9b}31m eight bit",
        "\u{9d}52;c;aGFjaw==\u{9c} eight bit",
        "bell\u{7}\u{7}",
        "back\u{8}\u{8}\u{8}space",
        "carriage\rreturn",
        "line\nfeed\u{b}\u{c}",
        "tab\tulator",
        "del\u{7f}ete",
        "nul\u{0}l",
        "shift\u{e}in\u{f}out",
        "evil \u{202e}gpj.exe",
        "iso \u{2066}late\u{2069}",
        "zero\u{200b}\u{200d}\u{2060}\u{feff}width",
        "tag\u{e0041}\u{e0042}ged",
        "private \u{e000}\u{f8ff}",
        "placeholder \u{10eeee}\u{305}\u{305}",
        "line\u{2028}para\u{2029}graph",
        "soft\u{ad}hyphen",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} family",
        "田中 太郎",
        "ﾊﾝｶｸ 半角",
        "مُحَمَّد بن سَلْمَان",
        "ambiguous ±§¶",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push(format!("zalgo a{}", "\u{301}".repeat(500)));
    names.push("x".repeat(500));
    // Every control character by itself.
    names.extend(
        (0_u32..0x20)
            .chain(0x7f..0xa0)
            .filter_map(char::from_u32)
            .map(|sign| format!("c{sign}c")),
    );
    names
}

fn hostile_stage() -> Stage {
    let (mut entra, mut servicenow) = (Vec::new(), Vec::new());
    for (number, name) in names().iter().enumerate() {
        let address = format!("p{number}@contoso.example");
        entra.push(
            json!({"displayName": name, "userPrincipalName": address, "mail": address,
            "department": name, "jobTitle": name}),
        );
        servicenow.push(json!({"user_name": address, "email": address, "name": name, "live_profiles": 1}));
    }
    Stage::of_files(&world(&entra, &servicenow), &[])
}

/// What a program of ours has reason to write; everything else came from somebody's name.
fn is_ours(piece: Piece<'_>) -> bool {
    match piece {
        Piece::Text(text) => text.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f),
        Piece::Escape(_) | Piece::Broken(_) => false,
        Piece::Csi(csi) => {
            let is_moving_or_colouring = csi.private.is_none() && b"HmABCDGJKX".contains(&csi.last);
            let is_mode = csi.is("?", "", 'h') || csi.is("?", "", 'l');
            let is_question = csi.is(">", "", 'q')
                || csi.is("", "", 'c')
                || csi.is("", "", 'n')
                || csi.is("", "", 't')
                || csi.is("?", "$", 'p');
            is_moving_or_colouring || is_mode || is_question
        }
        Piece::String(StringKind::Osc, body) => matches!(body, b"10;?" | b"11;?"),
        // The graphics query, before anything of anybody is known.
        Piece::String(StringKind::Apc, body) => body.starts_with(b"Gi=") && body.ends_with(b"AAAA"),
        Piece::String(..) => false,
    }
}

/// Every sequence and every sign in the output that must not be there.
fn strange(terminal: &Terminal) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut text = Vec::new();
    Splitter::default().feed(&terminal.output(), &mut |piece| {
        if !is_ours(piece) {
            found.insert(format!("{piece:?}").chars().take(200).collect());
        }
        if let Piece::Text(bytes) = piece {
            text.extend_from_slice(bytes);
        }
    });
    let text = String::from_utf8(text).expect("the screen writes UTF-8");
    let mut marks = 0;
    for sign in text.chars() {
        let is_unseen = matches!(sign,
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..);
        if is_unseen {
            found.insert(format!("{:?}", sign.escape_unicode().to_string()));
        }
        marks = if is_combining_mark(sign) { marks + 1 } else { 0 };
        if marks > 4 {
            found.insert(format!("{marks} combining marks on one sign"));
        }
    }
    found
}

/// Goes everywhere a name is shown.
fn walk(terminal: &Terminal, people: usize) {
    for _ in 0..people {
        terminal.type_keys("j");
    }
    terminal.wait_quiet();
    terminal.type_keys("gz");
    terminal.wait_quiet();
    for _ in 0..people {
        terminal.type_keys("j");
    }
    terminal.wait_quiet();
    terminal.type_keys("<esc>y");
    terminal.wait_quiet();
    terminal.type_keys("<esc>/a");
    terminal.wait_quiet();
    terminal.type_keys("<esc>@");
    terminal.wait_quiet();
    terminal.type_keys("<esc>ap");
    terminal.wait_quiet();
    terminal.type_keys("<esc><esc>");
    terminal.wait_quiet();
}

#[test]
fn nothing_that_a_name_says_reaches_the_terminal_as_it_is() {
    let stage = hostile_stage();
    let people = names().len();
    let terminal = open(setup(&stage, Kind::Plain));
    terminal.wait_for("everybody", |screen| screen.shows(&format!("All {people} ")));
    walk(&terminal, people);
    assert!(terminal.runs());
    let found = strange(&terminal);
    assert!(found.is_empty(), "{found:#?}");
    terminal.look(|screen| {
        assert!(screen.copied.is_empty() && screen.titles.is_empty());
        assert!(screen.complaints.is_empty(), "{:?}", screen.complaints);
    });
    crate::common::faults::tried("L1", people);
}

#[test]
fn the_practice_people_with_odd_names_are_harmless_too() {
    let stage = Stage::crowd(200);
    let terminal = open(setup(&stage, Kind::Plain).env("COLORTERM", ""));
    terminal.wait_for("everybody", |screen| screen.shows("All 200 "));
    walk(&terminal, 60);
    let found = strange(&terminal);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_pasted_or_typed_escape_does_not_come_back() {
    let stage = hostile_stage();
    let terminal = open(setup(&stage, Kind::Plain));
    terminal.wait_for_text("All ");
    terminal.type_keys("/");
    terminal.wait_quiet();
    terminal.paste("\u{9b}31mpasted\u{202e}\u{200b}\u{10eeee}");
    terminal.wait_quiet();
    terminal.type_keys("<enter>");
    terminal.wait_quiet();
    let found = strange(&terminal);
    assert!(found.is_empty(), "{found:#?}");
}

/// The columns in which a row has an upright line of a frame.
fn lines_of(screen: &Screen, row: u16) -> Vec<u16> {
    let is_line = |column: &u16| {
        let cell = screen.cells().cell(row, *column);
        cell.is_some_and(|cell| matches!(cell.contents(), "│" | "█"))
    };
    (0..screen.window().columns).filter(is_line).collect()
}

#[test]
fn columns_stay_in_line_whatever_stands_in_them() {
    let stage = hostile_stage();
    let people = names().len();
    let terminal = open(setup(&stage, Kind::Plain).size(160, 30));
    terminal.wait_for("everybody", |screen| screen.shows(&format!("All {people} ")));
    terminal.wait_quiet();
    for _ in 0..=people / 20 {
        terminal.look(|screen| {
            let (top, left) = screen.find("┌ People").expect("the table");
            let bottom = (top + 1..screen.window().rows)
                .find(|row| {
                    screen
                        .cells()
                        .cell(*row, left)
                        .is_some_and(|cell| cell.contents() == "└")
                })
                .expect("its lower side");
            let right = lines_of(screen, top + 1)[1];
            for row in top + 1..bottom {
                let lines = lines_of(screen, row);
                assert!(
                    lines.contains(&left) && lines.contains(&right),
                    "row {row} has its lines at {lines:?}, not at {left} and {right}:\n{}",
                    screen.contents()
                );
            }
            // The status stands in one column for everybody.
            let (heading, status) = screen.find("Status").expect("the heading");
            for row in heading + 1..bottom {
                let cell = screen.cells().cell(row, status).expect("inside");
                assert!(!cell.is_wide_continuation(), "row {row}:\n{}", screen.contents());
            }
        });
        terminal.type_keys("<pgdn>");
        terminal.wait_quiet();
    }
    crate::common::faults::tried("L3", people);
}
