//! The page: whose avatar may go, the face that would, how far it has come and why; or how removals are switched on.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use unicode_width::UnicodeWidthStr;

use super::{Entry, Question, Stage, key, reference};
use crate::domain::brake::removal::Decision;
use crate::domain::run::PersonRef;
use crate::domain::text::clean;
use crate::engine::Removals;
use crate::graphics::Placements;
use crate::report::text::{avatars, number};
use crate::tui::intent::Intent;
use crate::tui::layout;
use crate::tui::looked::{Side, SideView};
use crate::tui::pen::{Pen, wrap, wrap_within};
use crate::tui::screens::people::view::pane;
use crate::tui::state::State;
use crate::tui::theme::Palette;
use crate::tui::view::{centred, framed, moment, scroll_bar};

/// Draws the screen.
pub fn draw(state: &State, buffer: &mut Buffer, placements: &mut Placements, body: Rect) {
    match &state.removals.known {
        None => {
            let inner = framed(state, buffer, body, "Removals");
            centred(state, buffer, inner, "reading what is known");
        }
        Some(Err(trouble)) => {
            let inner = framed(state, buffer, body, "Removals");
            let text = format!("What is known cannot be read: {}", clean(&trouble.sentences()));
            centred(state, buffer, inner, &text);
        }
        Some(Ok(known)) if state.removals.count(None) == 0 => nobody(state, buffer, body, known),
        Some(Ok(known)) => {
            let areas = layout::people(state.size);
            tabs(state, buffer, areas.tabs, known);
            table(state, buffer, areas.table);
            panes(state, buffer, placements, [areas.source, areas.target]);
            facts(state, buffer, areas.why, known);
        }
    }
}

/// Why the page is empty: how removals are switched on, or what has to happen before anybody is listed.
fn nobody(state: &State, buffer: &mut Buffer, body: Rect, known: &Removals) {
    let theme = state.theme;
    let title = if known.is_on {
        "Removals: nobody's avatar may go"
    } else {
        "Removals: switched off"
    };
    let inner = framed(state, buffer, body, title);
    let inner = Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    };
    let first = if known.is_on {
        "Nobody has an avatar in ServiceNow and no photo in Entra ID, so nothing may go. Removals are on:"
    } else {
        "No avatar is removed because a photo is gone. Whoever has one in ServiceNow alone keeps it. In the configuration \
         file or the environment this switches removals on:"
    };
    let settings = settings(known);
    let last = "Whoever loses their photo is listed here then, with what has been seen. A run that nobody confirms asks \
                here before a face goes; the plan of a run shows it and asks by itself. A copy is kept, and an undo brings \
                it back.";
    let width = usize::from(inner.width);
    let mut lines: Vec<(String, Style)> = Vec::new();
    lines.extend(wrap(first, width).into_iter().map(|line| (line, theme.text())));
    lines.push((String::new(), theme.text()));
    let widest = |of: fn(&Setting) -> usize| settings.iter().map(of).max().unwrap_or(0);
    let (name, value) = (
        widest(|setting| setting.name.width()),
        widest(|setting| setting.value.width()),
    );
    let figures = lines.len();
    for setting in &settings {
        let text = format!("  {:<name$} = {:<value$}", setting.name, setting.value);
        lines.push((text, theme.strong()));
    }
    lines.push((String::new(), theme.text()));
    lines.extend(wrap(last, width).into_iter().map(|line| (line, theme.quiet())));
    let top = u16::from(usize::from(inner.height) > lines.len());
    for (line, (text, style)) in lines.into_iter().enumerate() {
        let mut pen = Pen::new(buffer, theme, inner, top + line as u16);
        pen.write(&text, style);
        // Half a sentence says nothing.
        if let Some(setting) = line
            .checked_sub(figures)
            .and_then(|setting| settings.get(setting))
            && pen.room() >= setting.words.width() + 3
        {
            pen.skip(3).write(setting.words, theme.quiet());
        }
    }
}

/// A setting that matters, with what it is or should be.
struct Setting {
    name: &'static str,
    value: String,
    words: &'static str,
}

/// The settings that matter.
fn settings(known: &Removals) -> [Setting; 4] {
    let setting = |name, value: String, words| Setting { name, value, words };
    let (approval, means) = if known.needs_approval {
        ("\"required\"", "a run nobody confirms asks here first")
    } else {
        ("\"automatic\"", "nobody is asked")
    };
    [
        setting(
            "policy.mirror_removals",
            "true".into(),
            "the avatar goes when the photo has gone",
        ),
        setting(
            "policy.absence_scans",
            known.rule.scans.max(2).to_string(),
            "complete scans that miss the photo",
        ),
        setting(
            "policy.absence_hours",
            known.rule.apart.as_hours().to_string(),
            "from the first of them to the last",
        ),
        setting("policy.removal_approval", approval.into(), means),
    ]
}

fn tab_words(state: &State, tab: Option<Stage>) -> String {
    let name = tab.map_or("all", Stage::words);
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let name: String = first.into_iter().chain(letters).collect();
    format!("{name} {}", number(state.removals.count(tab) as u64))
}

fn tabs(state: &State, buffer: &mut Buffer, area: Rect, known: &Removals) {
    let theme = state.theme;
    let mut pen = Pen::new(buffer, theme, area, 0);
    pen.skip(1);
    if !known.is_on {
        pen.write(
            "Removals are off (policy.mirror_removals): nothing of this goes.",
            theme.warning(),
        );
        return;
    }
    for tab in state.removals.tabs() {
        let style = if tab == state.removals.only && state.removals.question.is_none() {
            theme.accent().add_modifier(Modifier::UNDERLINED)
        } else {
            theme.text()
        };
        let words = tab_words(state, tab);
        if pen.room() < words.width() {
            pen.write(theme.sign("…", "~"), theme.quiet());
            break;
        }
        pen.write(&words, style).skip(2);
    }
}

fn stage_sign(state: &State, stage: Stage) -> (&'static str, Style) {
    let theme = state.theme;
    match stage {
        Stage::Waiting => ("?", theme.warning()),
        Stage::Approved => (theme.sign("−", "-"), theme.bad()),
        Stage::Kept => (theme.sign("✓", "="), theme.good()),
        Stage::Due => ("!", theme.warning()),
        Stage::Collecting => (theme.sign("·", "."), theme.quiet()),
    }
}

fn title(state: &State) -> String {
    let screen = &state.removals;
    match &screen.question {
        Some(question) => format!("{} would go", avatars(question.removals.len() as u64)),
        None => format!("Removals {}", number(screen.rows.len() as u64)),
    }
}

fn table(state: &State, buffer: &mut Buffer, area: Rect) {
    let theme = state.theme;
    let screen = &state.removals;
    let inner = framed(state, buffer, area, &title(state));
    if screen.rows.is_empty() {
        let words = match screen.only {
            Some(stage) => format!("nobody is {}", stage.words()),
            None => "nobody".to_owned(),
        };
        centred(state, buffer, inner, &words);
    }
    for line in 0..inner.height {
        let row = screen.offset + usize::from(line);
        let Some(entry) = screen.entry(row) else { break };
        let place = Rect {
            y: inner.y + line,
            height: 1,
            ..inner
        };
        let is_here = row == screen.cursor;
        if is_here {
            buffer.set_style(place, theme.cursor());
        }
        let mut pen = Pen::new(buffer, theme, place, 0);
        pen.write(if is_here { theme.sign("▌", ">") } else { " " }, theme.accent());
        if screen.marks.contains(&entry.person) {
            pen.write(theme.sign("●", "*"), theme.marked());
        } else if screen.staged(entry).is_some() {
            pen.write(theme.sign("○", "."), theme.quiet());
        } else {
            pen.skip(1);
        }
        pen.skip(1);
        self::row(state, pen, place, entry);
        if is_here && matches!(theme.palette, Palette::Sixteen | Palette::Plain) {
            buffer.set_style(place, theme.cursor());
        }
    }
    scroll_bar(
        state,
        buffer,
        area,
        (screen.offset, screen.height, screen.rows.len()),
    );
}

fn row(state: &State, mut pen: Pen<'_>, place: Rect, entry: &Entry) {
    const STAGE: usize = 10;
    const SEEN: usize = 15;
    let theme = state.theme;
    let (sign, style) = stage_sign(state, entry.stage);
    let name = reference(state, entry).map_or_else(String::new, |person| person.name.shown().into_owned());
    let room = usize::from(place.width).saturating_sub(3);
    if room < STAGE + 5 + 12 {
        pen.write(sign, style).skip(1).write(&name, theme.text());
        return;
    }
    let with_seen = room >= STAGE + 5 + SEEN + 2 + 16;
    let taken = STAGE + 5 + if with_seen { SEEN + 2 } else { 0 };
    pen.cell(&name, room - taken, theme.text()).skip(2);
    if with_seen {
        let times = theme.sign("×", "x");
        let seen = match entry.evidence {
            Some(seen) => format!("{} {times}{}", day(state, seen.first), seen.scans),
            None => String::new(),
        };
        pen.cell(&seen, SEEN, theme.quiet()).skip(2);
    }
    pen.write(sign, style).skip(1).write(entry.stage.words(), style);
}

fn scans(scans: u32) -> String {
    if scans == 1 {
        "1 scan".into()
    } else {
        format!("{} scans", number(scans.into()))
    }
}

/// The time today, the day before.
fn since(state: &State, at: jiff::Timestamp) -> String {
    let zone = &state.zone;
    let (then, now) = (at.to_zoned(zone.clone()), state.now.to_zoned(zone.clone()));
    if then.date() == now.date() {
        then.strftime("%H:%M").to_string()
    } else {
        day(state, at)
    }
}

fn day(state: &State, at: jiff::Timestamp) -> String {
    at.to_zoned(state.zone.clone()).strftime("%Y-%m-%d").to_string()
}

/// The face that would go, and what takes its place.
fn panes(state: &State, buffer: &mut Buffer, placements: &mut Placements, areas: [Rect; 2]) {
    let [now, after] = areas;
    let person = state.removals.current().and_then(|entry| reference(state, entry));
    let inner = framed(state, buffer, now, "Now");
    if let (Some(person), Some(key)) = (&person, key(state)) {
        match state.faces.get(&key) {
            // Words say more than that there is a picture.
            Some(Side {
                picture: SideView::Picture { .. },
                caption,
            }) if state.canvas.protocol().is_none() => {
                let words = format!("{} (a picture, not drawn here)", initials(person));
                let side = Side {
                    picture: SideView::Explained(words),
                    caption: caption.clone(),
                };
                pane(state, buffer, placements, layout::picture(now), inner, &side);
            }
            Some(side) => pane(state, buffer, placements, layout::picture(now), inner, side),
            None => centred(state, buffer, inner, "loading"),
        }
    }
    let inner = framed(state, buffer, after, "After");
    if let Some(person) = &person {
        let side = Side {
            picture: SideView::Explained(initials(person)),
            caption: vec!["initials".into()],
        };
        pane(state, buffer, placements, layout::picture(after), inner, &side);
    }
}

/// What people see where there is no picture: the first letters of the first and the last part of a name.
fn initials(person: &PersonRef) -> String {
    let name = person.name.shown();
    let mut parts = name.split_whitespace().filter_map(|part| {
        let first = part.chars().find(|letter| letter.is_alphanumeric())?;
        Some(first.to_uppercase().collect::<String>())
    });
    let first = parts.next();
    let initials: String = first.into_iter().chain(parts.next_back()).collect();
    if initials.is_empty() { "?".into() } else { initials }
}

/// Below the faces: the question, or what is known of the person under the cursor.
fn facts(state: &State, buffer: &mut Buffer, area: Rect, known: &Removals) {
    let theme = state.theme;
    let screen = &state.removals;
    let title = match (&screen.question, screen.current()) {
        (Some(_), _) => "Approve?",
        (None, Some(_)) => "Why",
        (None, None) => "",
    };
    let inner = framed(state, buffer, area, title);
    let inner = Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    };
    let parts = match (&screen.question, screen.current()) {
        (Some(question), _) => asked(state, question),
        (None, Some(entry)) => told(state, known, entry, usize::from(inner.width)),
        (None, None) => return,
    };
    let width = usize::from(inner.width);
    let mut line = 0;
    for (text, style) in parts {
        let room = usize::from(inner.height.saturating_sub(line));
        if room == 0 {
            break;
        }
        for part in wrap_within(&text, width, room, theme.is_ascii) {
            Pen::new(buffer, theme, inner, line).write(&part, style);
            line += 1;
        }
    }
}

/// The question.
fn asked(state: &State, question: &Question) -> Vec<(String, Style)> {
    let theme = state.theme;
    let key = |intent: Intent| state.keymap.key(intent, theme.is_ascii);
    let (accept, back) = (key(Intent::Accept), key(Intent::Back));
    let count = question.removals.len() as u64;
    let whose = match question.removals.as_slice() {
        [one] => format!("the avatar of {}", one.person.name.shown()),
        _ => avatars(count),
    };
    let what = match question.wanted {
        Some(wanted) => format!(
            "Let the next run remove {whose}? Type {wanted} and press {accept} to do it: {}{}",
            question.typed,
            theme.sign("▏", "_")
        ),
        None => format!("Let the next run remove {whose}? {accept} does it, {back} goes back."),
    };
    let style = match (question.wanted, question.may_be_accepted()) {
        (None, _) => theme.strong(),
        (Some(_), true) => theme.good(),
        (Some(_), false) => theme.warning(),
    };
    let mut parts = vec![(what, style)];
    // Whoever stays within a limit here need not learn of it from the next run.
    let all = count + state.removals.count(Some(Stage::Approved)) as u64;
    if let Some(limit) = state.setting.limits.max_removals.filter(|limit| all > *limit) {
        let text = format!(
            "That makes {} approved; limits.max_removals ({}) stops the next run.",
            number(all),
            number(limit)
        );
        parts.push((text, theme.warning()));
    }
    let instead = question.wanted.map(|_| format!(" {back} goes back."));
    let text = format!(
        "Whoever was changed until then stays. A copy is kept on this computer; an undo brings it back.{}",
        instead.unwrap_or_default()
    );
    parts.push((text, theme.quiet()));
    parts
}

/// Who it is, what was seen, how far it has come, and what can be done.
fn told(state: &State, known: &Removals, entry: &Entry, width: usize) -> Vec<(String, Style)> {
    /// From so many columns on there is room for whole sentences.
    const WIDE: usize = 54;
    let theme = state.theme;
    let key = |intent: Intent| state.keymap.key(intent, theme.is_ascii);
    let mut parts = Vec::new();
    if let Some(person) = reference(state, entry) {
        let (name, upn) = (person.name.shown(), person.upn.shown());
        let both = format!("{name}  {upn}");
        let who = if both.width() <= width {
            both
        } else {
            name.into_owned()
        };
        parts.push((who, theme.strong()));
    }
    let (_, style) = stage_sign(state, entry.stage);
    let staged = state.removals.staged(entry);
    let stands = match (staged.map(|removal| &removal.decision), entry.stage) {
        (Some(Decision::Approved { at, by }), _) => {
            format!("approved by {}, {}", clean(by), since(state, *at))
        }
        (Some(Decision::Rejected { at, by }), _) => {
            format!("kept by {}, {}", clean(by), since(state, *at))
        }
        (Some(Decision::Waiting), _) => {
            let since = staged.map_or_else(String::new, |removal| since(state, removal.staged));
            format!("waiting for approval since {since}")
        }
        (None, Stage::Due) => "the evidence is complete".to_owned(),
        (None, _) => "evidence is collected".to_owned(),
    };
    parts.push((stands, style));
    parts.push(match entry.evidence {
        Some(seen) if width < WIDE => (
            format!(
                "no photo since {}, in {}",
                day(state, seen.first),
                scans(seen.scans)
            ),
            theme.text(),
        ),
        Some(seen) => (
            format!(
                "no photo in Entra ID since {}; seen missing in {}, last {}",
                moment(state, seen.first),
                scans(seen.scans),
                moment(state, seen.last)
            ),
            theme.text(),
        ),
        None => ("no photo in Entra ID".to_owned(), theme.text()),
    });
    let next = match entry.stage {
        Stage::Waiting => format!(
            "{} approves the removal, {} keeps it",
            key(Intent::Approve),
            key(Intent::Keep)
        ),
        Stage::Approved => format!(
            "the next run removes it if nothing has changed; {} takes that back",
            key(Intent::TakeBack)
        ),
        Stage::Kept => format!(
            "it stays until it or the photo changes; {} takes that back",
            key(Intent::TakeBack)
        ),
        Stage::Due if known.needs_approval => {
            "the next run that nobody confirms puts it here for approval".into()
        }
        Stage::Due => "the next run removes it: policy.removal_approval is automatic".into(),
        Stage::Collecting => format!(
            "it takes {} over {} hours{}",
            scans(known.rule.scans.max(2)),
            known.rule.apart.as_hours(),
            if known.needs_approval {
                ", and then approval"
            } else {
                ""
            }
        ),
    };
    parts.push((next, theme.quiet()));
    parts
}

/// Keys worth a hint.
pub fn hints(state: &State) -> Vec<(Intent, &'static str)> {
    let screen = &state.removals;
    if screen.question.is_some() {
        return vec![
            (Intent::Accept, "approve"),
            (Intent::Back, "back, approve nothing"),
            (Intent::Down, "the next face"),
            (Intent::Help, "help"),
        ];
    }
    let mut hints = Vec::new();
    if let Some(entry) = screen.current() {
        if !state.setting.is_readonly && screen.staged(entry).is_some() || !screen.marks.is_empty() {
            hints.extend([
                (Intent::Mark, "mark"),
                (Intent::Approve, "approve"),
                (Intent::Keep, "keep"),
                (Intent::TakeBack, "take back"),
            ]);
        }
        hints.extend([(Intent::NextTab, "stage"), (Intent::Follow, "in the table")]);
    }
    hints.extend([(Intent::Back, "back"), (Intent::Help, "help")]);
    hints
}
