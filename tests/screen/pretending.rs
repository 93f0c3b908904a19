//! The pretend terminal itself: with programs that every system has, and with sequences as real programs write them.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use icy_sixel::SixelImage;
use image::{DynamicImage, Rgba, RgbaImage};

use crate::terminal::pixels::difference;
use crate::terminal::stream::Splitter;
use crate::terminal::{Area, CellSize, Geometry, How, Kind, Manner, Screen, Setup, Signal, Terminal};

fn shell(kind: Kind, script: &str) -> Terminal {
    Setup::new(kind)
        .size(60, 12)
        .env("PATH", std::env::var("PATH").expect("there is a PATH"))
        .start("/bin/sh", &["-c", script])
}

/// A shell that asks, and shows so many bytes of the answer in a readable form.
fn asking(kind: Kind, question: &str, bytes: usize) -> Terminal {
    shell(
        kind,
        &format!("stty -icanon -echo; printf '{question}'; head -c {bytes} | cat -v; echo .; sleep 60"),
    )
}

#[test]
fn keys_reach_the_program_and_its_words_the_screen() {
    let terminal = shell(Kind::Plain, "echo ready; read word; echo got $word");
    terminal.wait_for_text("ready");
    terminal.type_keys("hello<enter>");
    terminal.wait_for_text("got hello");
    let ending = terminal.wait_for_end();
    assert_eq!((ending.code, ending.signal), (0, None));
    terminal.assert_restored();
}

#[test]
fn every_kind_answers_in_its_own_way() {
    for (kind, question, answer) in [
        (Kind::Kitty, r"\033[c", "^[[?62;c."),
        (Kind::Sixel, r"\033[c", "^[[?62;4;22c."),
        (Kind::Plain, r"\033[c", "^[[?1;2c."),
        (Kind::Kitty, r"\033[>q", "^[P>|kitty(0.41.1)^[\\."),
        (Kind::OldKitty, r"\033[>q", "^[P>|kitty(0.26.5)^[\\."),
        (
            Kind::Kitty,
            r"\033_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\033\\",
            "^[_Gi=31;OK^[\\.",
        ),
        (Kind::Sixel, r"\033[16t", "^[[6;20;10t."),
        (Kind::Sixel, r"\033[14t", "^[[4;240;600t."),
        (Kind::Plain, r"ab\033[6n", "ab^[[1;3R."),
        (Kind::Plain, r"\033[5n", "^[[0n."),
        (Kind::Plain, r"\033]11;?\033\\", "^[]11;rgb:1212/1212/1212^[\\."),
        (Kind::Kitty, r"\033[?u", "^[[?0u."),
        (Kind::Nonsense, r"\033[c", "^[[?;;99999999999;c."),
    ] {
        let shown = answer.trim_start_matches("ab").trim_end_matches('.');
        let bytes = shown.replace("^[", "e").len();
        asking(kind, question, bytes).wait_for_text(answer);
    }
}

#[test]
fn a_silent_one_says_nothing_and_a_late_one_says_it_late() {
    let silent = asking(Kind::Silent, r"\033[c\033[5n\033[>q", 1);
    assert!(!silent.is_soon(Duration::from_millis(300), |screen| screen.shows(".")));
    let delay = Duration::from_millis(300);
    let late = asking(Kind::Late(delay), r"\033[5n", 4);
    late.wait_for_text("^[[0n.");
    assert!(late.started().elapsed() >= delay);
}

#[test]
fn what_a_program_leaves_behind_is_known() {
    let terminal = shell(
        Kind::Kitty,
        r"stty raw; printf '\033[?1049h\033[?25l\033[?1000h\033[>1u\033[31m'",
    );
    terminal.wait_for_end();
    let left = terminal.left_behind();
    for word in [
        "alternate",
        "cursor",
        "mouse",
        "keyboard",
        "colours",
        "settings of the line",
    ] {
        assert!(left.iter().any(|what| what.contains(word)), "{word}: {left:?}");
    }
}

#[test]
fn the_size_is_told_and_so_is_a_new_one() {
    let terminal = shell(
        Kind::Plain,
        "stty size; trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done",
    );
    terminal.wait_for_text("12 60");
    terminal.wait_for_text("ready");
    terminal.resize(50, 10);
    terminal.wait_for_text("10 50");
}

#[test]
fn closing_the_window_hangs_the_program_up() {
    let mut terminal = shell(Kind::Plain, "echo ready; exec sleep 60");
    terminal.wait_for_text("ready");
    terminal.hang_up();
    let ending = terminal.wait_for_end();
    assert!(ending.signal.is_some_and(|signal| signal.contains("Hangup")));
}

#[test]
fn a_signal_ends_the_program() {
    let terminal = shell(Kind::Plain, "echo ready; exec sleep 60");
    terminal.wait_for_text("ready");
    terminal.signal(Signal::TERM);
    assert!(
        terminal
            .wait_for_end()
            .signal
            .is_some_and(|signal| signal.contains("Terminated"))
    );
}

#[test]
fn a_terminal_that_does_not_read_blocks_the_program() {
    let terminal = shell(Kind::Plain, "exec yes");
    terminal.wait_for_text("y");
    terminal.stop_reading();
    let mut before = terminal.written();
    let is_stuck = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        std::mem::replace(&mut before, terminal.written()) == terminal.written()
    });
    assert!(is_stuck);
    terminal.read_on();
    let sent = Instant::now();
    let reaction = terminal.reaction(
        sent,
        Duration::from_secs(1),
        Duration::from_secs(5),
        Duration::from_millis(50),
    );
    assert!(reaction.bytes > 0 && reaction.is_endless, "{reaction:?}");
}

// The screen alone.

struct Alone {
    screen: Screen,
    splitter: Splitter,
}

impl Alone {
    fn new(kind: Kind) -> Self {
        let manner = Manner {
            kind,
            name: None,
            is_light: false,
        };
        let window = Geometry {
            columns: 40,
            rows: 10,
            cell: CellSize::default(),
        };
        Self {
            screen: Screen::new(manner, window, true),
            splitter: Splitter::default(),
        }
    }

    fn write(&mut self, bytes: impl AsRef<[u8]>) -> String {
        let answers = self.screen.feed(&mut self.splitter, bytes.as_ref()).concat();
        String::from_utf8(answers).expect("text")
    }
}

fn photo(side: u32, tint: u8) -> RgbaImage {
    RgbaImage::from_fn(side, side, |x, y| {
        Rgba([(x * 255 / side) as u8, (y * 255 / side) as u8, tint, 255])
    })
}

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn area(column: u16, row: u16, columns: u16, rows: u16) -> Area {
    Area {
        row,
        column,
        rows,
        columns,
    }
}

/// Sends a picture in chunks, as a virtual placement or at the cursor.
fn kitty(id: u32, picture: &RgbaImage, more: &str) -> String {
    let payload = base64(picture.as_raw());
    let (width, height) = picture.dimensions();
    let chunks: Vec<&str> = payload
        .as_bytes()
        .chunks(4_096)
        .map(|chunk| std::str::from_utf8(chunk).expect("base64"))
        .collect();
    let mut all = String::new();
    for (index, chunk) in chunks.iter().enumerate() {
        let is_last = index + 1 == chunks.len();
        let keys = if index == 0 {
            format!("i={id},a=T,f=32,s={width},v={height},{more},")
        } else {
            String::new()
        };
        write!(all, "\x1b_Gq=2,{keys}m={};{chunk}\x1b\\", u8::from(!is_last)).expect("memory");
    }
    all
}

/// Placeholders for a picture of so many cells at a place; only the first of a row says where it belongs.
fn placeholders(id: u32, at: Area) -> String {
    let [_, red, green, blue] = id.to_be_bytes();
    let counters = ['\u{305}', '\u{30D}', '\u{30E}', '\u{310}', '\u{312}', '\u{33D}'];
    let mut all = format!("\x1b[38;2;{red};{green};{blue}m");
    for row in 0..at.rows {
        write!(all, "\x1b[{};{}H", at.row + row + 1, at.column + 1).expect("memory");
        for column in 0..at.columns {
            all.push('\u{10EEEE}');
            if column == 0 {
                all.extend([counters[usize::from(row)], counters[0], counters[0]]);
            }
        }
    }
    all + "\x1b[m"
}

#[test]
fn kitty_shows_a_picture_where_its_placeholders_are_and_only_there() {
    let mut alone = Alone::new(Kind::Kitty);
    let right = photo(60, 50);
    let place = area(4, 2, 6, 3);
    alone.write(kitty(0x12_3456, &right, "U=1"));
    assert!(alone.screen.pictures().is_empty(), "no placeholders yet");
    alone.write(placeholders(0x12_3456, place));
    let shown = alone.screen.pictures();
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!(
        (shown[0].how, shown[0].area, shown[0].missing),
        (How::Kitty, place, 0)
    );
    assert!(difference(&shown[0].pixels, &DynamicImage::ImageRgba8(right)) < 0.1);
    assert!(difference(&shown[0].pixels, &DynamicImage::ImageRgba8(photo(60, 200))) > 10.0);

    alone.write("\x1b[4;6Hxy");
    let shown = alone.screen.pictures();
    assert!(
        shown.iter().map(|picture| picture.missing).sum::<usize>() >= 2,
        "{shown:?}"
    );
    alone.write("\x1b[2J");
    assert!(alone.screen.pictures().is_empty());
    assert_eq!(alone.screen.boxes(), 0);
}

#[test]
fn placeholders_without_a_picture_are_boxes() {
    let mut alone = Alone::new(Kind::Kitty);
    alone.write(placeholders(7, area(0, 0, 4, 2)));
    assert_eq!(alone.screen.boxes(), 8);
    let mut old = Alone::new(Kind::OldKitty);
    old.write(kitty(7, &photo(40, 0), "U=1"));
    old.write(placeholders(7, area(0, 0, 4, 2)));
    assert_eq!((old.screen.boxes(), old.screen.pictures().len()), (8, 0));
}

#[test]
fn kitty_keeps_what_placeholders_show_until_it_is_deleted_by_name() {
    let mut alone = Alone::new(Kind::Kitty);
    alone.write("\x1b[?1049h");
    alone.write(kitty(7, &photo(40, 0), "U=1"));
    alone.write(placeholders(7, area(0, 0, 4, 2)));
    alone.write("\x1b_Gq=2,a=d,d=A\x1b\\");
    assert_eq!(alone.screen.pictures().len(), 1, "placeholders are spared");
    alone.write("\x1b_Gq=2,a=d,d=I,i=7\x1b\\");
    assert!(alone.screen.pictures().is_empty());
    alone.write("\x1b[?1049l");
    assert_eq!(alone.screen.left_behind(), Vec::<String>::new());
}

#[test]
fn kitty_forgets_what_nothing_shows_when_the_screen_is_cleared() {
    let mut alone = Alone::new(Kind::Kitty);
    alone.write("\x1b[?1049h");
    alone.write(kitty(1, &photo(40, 0), "c=4,r=2"));
    assert_eq!(
        alone.screen.left_behind().len(),
        2,
        "the alternate screen and an image"
    );
    alone.write("\x1b[2J");
    assert_eq!(alone.screen.left_behind().len(), 1);
}

#[test]
fn kitty_draws_at_the_cursor_and_scrolls_with_the_text() {
    let mut alone = Alone::new(Kind::Kitty);
    alone.write("\x1b[3;5H");
    alone.write(kitty(1, &photo(80, 0), "c=8,r=4"));
    assert_eq!(alone.screen.pictures()[0].area, area(4, 2, 8, 4));
    assert_eq!(alone.screen.cursor(), (5, 12));
    alone.write("\x1b[10;1H\n");
    assert_eq!(alone.screen.pictures()[0].area, area(4, 1, 8, 4));
}

#[test]
fn a_picture_that_is_no_picture_is_complained_about() {
    let mut alone = Alone::new(Kind::Kitty);
    let answer = alone.write("\x1b_Ga=T,i=3,f=32,s=9,v=9;AAAA\x1b\\");
    assert!(answer.starts_with("\x1b_Gi=3;EINVAL"), "{answer:?}");
    assert_eq!(alone.screen.complaints.len(), 1);
}

#[test]
fn a_sixel_loses_the_cells_that_are_written_over() {
    let mut alone = Alone::new(Kind::Sixel);
    let right = photo(60, 50);
    let sixel = SixelImage::from_rgba(right.as_raw().clone(), 60, 60)
        .encode()
        .expect("encodes");
    alone.write(format!("\x1b[3;5H{sixel}"));
    let shown = alone.screen.pictures();
    assert_eq!(
        (shown[0].how, shown[0].area, shown[0].missing),
        (How::Sixel, area(4, 2, 6, 3), 0)
    );
    assert!(difference(&shown[0].pixels, &DynamicImage::ImageRgba8(right)) < 3.0);
    assert!(difference(&shown[0].pixels, &DynamicImage::ImageRgba8(photo(60, 200))) > 10.0);

    alone.write("\x1b[1;1Hbeside\x1b[3;1Hover here");
    assert_eq!(alone.screen.pictures()[0].missing, 5);
    alone.write("\x1b[4;7H\x1b[2X");
    assert_eq!(alone.screen.pictures()[0].missing, 7);
    alone.write("\x1b[10;1H\n\n\n\n");
    assert_eq!(alone.screen.pictures()[0].area, area(4, 0, 6, 1));
    alone.write("\x1b[2J");
    assert!(alone.screen.pictures().is_empty());
}

#[test]
fn an_inline_picture_has_the_size_that_was_asked_for() {
    let mut png = Vec::new();
    let right = DynamicImage::ImageRgba8(photo(60, 50));
    right
        .write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png)
        .expect("encodes");
    let payload = base64(&png);
    for (arguments, expected) in [
        ("inline=1", (6, 3)),
        ("inline=1;width=60px;height=60px", (6, 3)),
        ("inline=1;width=20;height=4", (8, 4)),
        ("inline=1;width=20;height=4;preserveAspectRatio=0", (20, 4)),
        ("inline=1;width=50%", (20, 10)),
    ] {
        let mut alone = Alone::new(Kind::Iterm2);
        alone.write(format!(
            "\x1b]1337;File={arguments};doNotMoveCursor=1:{payload}\x07"
        ));
        let shown = alone.screen.pictures();
        assert_eq!(
            (shown[0].area.columns, shown[0].area.rows),
            expected,
            "{arguments}"
        );
        assert!(difference(&shown[0].pixels, &right) < 0.1);
    }
}

#[test]
fn half_blocks_are_a_picture_too() {
    let mut alone = Alone::new(Kind::Plain);
    let right = photo(12, 50);
    let mut text = String::from("\x1b[1;1H\x1b[41m a highlighted row \x1b[m");
    for row in 0..6 {
        write!(text, "\x1b[{};5H", row + 3).expect("memory");
        for column in 0..12 {
            let [upper, lower] = [0, 1].map(|half| right.get_pixel(column, row * 2 + half).0);
            let [(r, g, b), (red, green, blue)] = [upper, lower].map(|[r, g, b, _]| (r, g, b));
            write!(text, "\x1b[38;2;{r};{g};{b}m\x1b[48;2;{red};{green};{blue}m▀").expect("memory");
        }
        text += "\x1b[m";
    }
    alone.write(text);
    let shown = alone.screen.pictures();
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!((shown[0].how, shown[0].area), (How::Blocks, area(4, 2, 12, 6)));
    assert!(difference(&shown[0].pixels, &DynamicImage::ImageRgba8(right)) < 1.0);
}

#[test]
fn what_is_copied_is_known() {
    let mut alone = Alone::new(Kind::Plain);
    alone.write(format!("\x1b]52;c;{}\x07", base64("avatar-sync push".as_bytes())));
    assert_eq!(alone.screen.copied, ["avatar-sync push"]);
}
