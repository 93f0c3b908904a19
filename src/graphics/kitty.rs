//! The sequences of the kitty graphics protocol.
//!
//! A picture is sent once, under a number, and then shown and hidden by that number for a few bytes. Every command asks
//! the terminal not to reply: replies would arrive as keys.

use std::fmt::Write as _;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ratatui::layout::{Rect, Size};

/// Characters of Base64 in one command, at most; the protocol's own limit.
const CHUNK: usize = 4_096;
/// What stands for a cell of a picture in text.
const PLACEHOLDER: char = '\u{10EEEE}';
/// Combining characters that number the rows of placeholders; the beginning of the protocol's table.
const ROWS: [char; 64] = [
    '\u{305}', '\u{30D}', '\u{30E}', '\u{310}', '\u{312}', '\u{33D}', '\u{33E}', '\u{33F}', '\u{346}',
    '\u{34A}', '\u{34B}', '\u{34C}', '\u{350}', '\u{351}', '\u{352}', '\u{357}', '\u{35B}', '\u{363}',
    '\u{364}', '\u{365}', '\u{366}', '\u{367}', '\u{368}', '\u{369}', '\u{36A}', '\u{36B}', '\u{36C}',
    '\u{36D}', '\u{36E}', '\u{36F}', '\u{483}', '\u{484}', '\u{485}', '\u{486}', '\u{487}', '\u{592}',
    '\u{593}', '\u{594}', '\u{595}', '\u{597}', '\u{598}', '\u{599}', '\u{59C}', '\u{59D}', '\u{59E}',
    '\u{59F}', '\u{5A0}', '\u{5A1}', '\u{5A8}', '\u{5A9}', '\u{5AB}', '\u{5AC}', '\u{5AF}', '\u{5C4}',
    '\u{610}', '\u{611}', '\u{612}', '\u{613}', '\u{614}', '\u{615}', '\u{616}', '\u{617}', '\u{657}',
    '\u{658}',
];
/// The most rows that a picture of placeholders can have.
pub(super) const MOST_ROWS: u16 = ROWS.len() as u16;

/// A picture ready to be sent.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) id: u32,
    commands: String,
    /// Where the commands begin and end: through tmux each travels by itself.
    ranges: Vec<Range<usize>>,
}

/// Commands that store this PNG under a number, without showing it.
pub(super) fn upload(id: u32, png: &[u8]) -> Upload {
    let payload = STANDARD.encode(png);
    let mut commands = String::with_capacity(payload.len() + payload.len() / 128 + 64);
    let mut ranges = Vec::new();
    let mut rest = payload.as_str();
    loop {
        let start = commands.len();
        let (chunk, after) = rest.split_at(rest.len().min(CHUNK));
        let keys = if start == 0 {
            format!("a=t,f=100,i={id},q=2,")
        } else {
            "q=2,".to_owned()
        };
        let more = u8::from(!after.is_empty());
        command(&mut commands, format_args!("{keys}m={more};{chunk}"));
        ranges.push(start..commands.len());
        if after.is_empty() {
            break;
        }
        rest = after;
    }
    Upload { id, commands, ranges }
}

impl Upload {
    pub(super) fn cost(&self) -> usize {
        self.commands.len() + self.ranges.len() * size_of::<Range<usize>>()
    }

    /// The commands as the terminal takes them, or wrapped for tmux.
    pub(super) fn write(&self, through_tmux: bool, out: &mut String) {
        if through_tmux {
            for range in &self.ranges {
                wrap_for_tmux(&self.commands[range.clone()], out);
            }
        } else {
            out.push_str(&self.commands);
        }
    }
}

/// Shows a stored picture at the cursor, over this many cells, and leaves the cursor where it is.
pub(super) fn place(id: u32, placement: u32, size: Size, out: &mut String) {
    let Size { width, height } = size;
    command(
        out,
        format_args!("a=p,i={id},p={placement},c={width},r={height},C=1,q=2"),
    );
}

/// Takes one placement off the screen; the terminal keeps the picture.
pub(super) fn hide(id: u32, placement: u32, out: &mut String) {
    command(out, format_args!("a=d,d=i,i={id},p={placement},q=2"));
}

/// Removes a picture with all its placements from the terminal's memory.
pub(super) fn delete(id: u32, through_tmux: bool, out: &mut String) {
    let mut deletion = String::new();
    command(&mut deletion, format_args!("a=d,d=I,i={id},q=2"));
    if through_tmux {
        wrap_for_tmux(&deletion, out);
    } else {
        out.push_str(&deletion);
    }
}

/// Tells the terminal around tmux how many cells the picture is to cover wherever its placeholders stand.
pub(super) fn place_virtually(id: u32, size: Size, out: &mut String) {
    let Size { width, height } = size;
    let mut placement = String::new();
    command(
        &mut placement,
        format_args!("a=p,U=1,i={id},c={width},r={height},q=2"),
    );
    wrap_for_tmux(&placement, out);
}

/// Writes the characters that stand for the picture. The text colour names it; the first of a row says which row this
/// is, and the others follow from it.
pub(super) fn write_placeholders(id: u32, area: Rect, out: &mut String) {
    let [_, red, green, blue] = id.to_be_bytes();
    push(out, format_args!("\x1b[38;2;{red};{green};{blue}m"));
    for (row, mark) in (area.top()..area.bottom()).zip(ROWS) {
        move_to(area.left(), row, out);
        for column in 0..area.width {
            out.push(PLACEHOLDER);
            if column == 0 {
                out.extend([mark, ROWS[0]]);
            }
        }
    }
    out.push_str("\x1b[39m");
}

/// Moves the cursor; columns and rows count from 0.
pub(super) fn move_to(column: u16, row: u16, out: &mut String) {
    let (column, row) = (u32::from(column) + 1, u32::from(row) + 1);
    push(out, format_args!("\x1b[{row};{column}H"));
}

fn command(out: &mut String, body: std::fmt::Arguments<'_>) {
    push(out, format_args!("\x1b_G{body}\x1b\\"));
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes everything");
}

/// tmux hands on what comes in this sequence, with escapes doubled.
fn wrap_for_tmux(commands: &str, out: &mut String) {
    out.push_str("\x1bPtmux;");
    for character in commands.chars() {
        if character == '\x1b' {
            out.push(character);
        }
        out.push(character);
    }
    out.push_str("\x1b\\");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The commands' keys, and all payloads joined and decoded.
    fn received(commands: &str) -> (Vec<&str>, Vec<u8>) {
        let bodies = commands.split("\x1b_G").skip(1);
        let mut keys = Vec::new();
        let mut payload = String::new();
        for body in bodies {
            let body = body.strip_suffix("\x1b\\").expect("every command ends");
            let (of_this, chunk) = body.split_once(';').unwrap_or((body, ""));
            assert!(chunk.len() <= CHUNK);
            keys.push(of_this);
            payload.push_str(chunk);
        }
        (keys, STANDARD.decode(payload).expect("base 64"))
    }

    #[test]
    fn a_picture_arrives_in_chunks_and_whole() {
        let png: Vec<u8> = (0..8_000_u32).map(|byte| byte as u8).collect();
        let mut sent = String::new();
        upload(70_000, &png).write(false, &mut sent);
        let (keys, arrived) = received(&sent);
        assert_eq!(keys, ["a=t,f=100,i=70000,q=2,m=1", "q=2,m=1", "q=2,m=0"]);
        assert_eq!(arrived, png);
    }

    #[test]
    fn tmux_hands_on_exactly_what_the_terminal_would_have_got() {
        let upload = upload(70_000, &[7; 5_000]);
        let (mut plain, mut wrapped) = (String::new(), String::new());
        upload.write(false, &mut plain);
        upload.write(true, &mut wrapped);
        let handed_on: String = wrapped
            .split("\x1bPtmux;")
            .skip(1)
            .map(|one| {
                let one = one.strip_suffix("\x1b\\").expect("every wrapping ends");
                one.replace("\x1b\x1b", "\x1b")
            })
            .collect();
        assert_eq!(handed_on, plain);
    }

    #[test]
    fn placeholders_number_their_rows_and_name_the_picture_by_colour() {
        let mut text = String::new();
        write_placeholders(0x01_02_03, Rect::new(4, 2, 3, 2), &mut text);
        assert_eq!(
            text,
            "\x1b[38;2;1;2;3m\
             \x1b[3;5H\u{10EEEE}\u{305}\u{305}\u{10EEEE}\u{10EEEE}\
             \x1b[4;5H\u{10EEEE}\u{30D}\u{305}\u{10EEEE}\u{10EEEE}\
             \x1b[39m"
        );
    }
}
