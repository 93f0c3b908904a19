//! Keys as a terminal sends them.

/// The bytes of keys written as text: `jj<down>q`, `<c-c>`, `<esc>`, `<a-x>`, `<lt>` for `<`.
///
/// `application_cursor`: the program has asked for the other form of the arrow keys.
pub fn bytes(keys: &str, application_cursor: bool) -> Vec<u8> {
    let mut all = Vec::new();
    let mut rest = keys;
    while let Some(first) = rest.chars().next() {
        let named = rest
            .strip_prefix('<')
            .and_then(|inside| inside.split_once('>'))
            .filter(|(name, _)| !name.is_empty());
        if let Some((name, after)) = named {
            all.extend(named_key(name, application_cursor));
            rest = after;
        } else {
            all.extend(first.to_string().bytes());
            rest = &rest[first.len_utf8()..];
        }
    }
    all
}

fn named_key(name: &str, application_cursor: bool) -> Vec<u8> {
    let arrow = |last: char| {
        let introducer = if application_cursor { 'O' } else { '[' };
        format!("\x1b{introducer}{last}").into_bytes()
    };
    let text: &str = match name {
        "up" => return arrow('A'),
        "down" => return arrow('B'),
        "right" => return arrow('C'),
        "left" => return arrow('D'),
        "home" => return arrow('H'),
        "end" => return arrow('F'),
        "pgup" => "\x1b[5~",
        "pgdn" => "\x1b[6~",
        "ins" => "\x1b[2~",
        "del" => "\x1b[3~",
        "tab" => "\t",
        "s-tab" => "\x1b[Z",
        "enter" => "\r",
        "esc" => "\x1b",
        "space" => " ",
        "bs" => "\x7f",
        "lt" => "<",
        "f1" => "\x1bOP",
        "f5" => "\x1b[15~",
        _ => {
            let (modifier, letter) = name
                .split_once('-')
                .unwrap_or_else(|| panic!("no key is called <{name}>"));
            return match (modifier, letter.as_bytes()) {
                ("c", [letter]) => vec![letter.to_ascii_uppercase() & 0x1f],
                ("a", letter) => [b"\x1b", letter].concat(),
                _ => panic!("no key is called <{name}>"),
            };
        }
    };
    text.as_bytes().to_vec()
}

/// What the mouse does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mouse {
    /// The left button goes down.
    Press,
    /// The left button goes up.
    Release,
    /// It moves with no button down.
    Move,
    /// The wheel turns towards the top.
    WheelUp,
    /// The wheel turns towards the bottom.
    WheelDown,
}

impl Mouse {
    /// The report in the SGR form, which is the only one this terminal knows. Cells count from 0.
    pub fn bytes(self, column: u16, row: u16) -> Vec<u8> {
        let (button, last) = match self {
            Self::Press => (0, 'M'),
            Self::Release => (0, 'm'),
            Self::Move => (35, 'M'),
            Self::WheelUp => (64, 'M'),
            Self::WheelDown => (65, 'M'),
        };
        format!("\x1b[<{button};{};{}{last}", column + 1, row + 1).into_bytes()
    }
}
