//! The people screen: tabs, table, two pictures, why.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::{Order, Origin, Tab};
use crate::domain::filter::Field;
use crate::domain::listing::{Column, Entry};
use crate::graphics::Placements;
use crate::report::text::number;
use crate::tui::layout;
use crate::tui::looked::{PersonLook, Side, SideView};
use crate::tui::pen::{Pen, wrap_within};
use crate::tui::pictures::{Looked, Painted};
use crate::tui::state::{ScanState, State};
use crate::tui::theme::Palette;
use crate::tui::view::{centred, framed};

/// Draws the screen.
pub fn draw(state: &State, buffer: &mut Buffer, placements: &mut Placements) {
    let areas = layout::people(state.size);
    tabs(state, buffer, areas.tabs);
    table(state, buffer, areas.table);
    let person = state.people.current().map(|row| state.people.listing.entry(row));
    let looked = person
        .as_ref()
        .and_then(|entry| state.pictures.look(&entry.source()));
    for (area, title, is_source) in [
        (areas.source, "Entra ID", true),
        (areas.target, "ServiceNow", false),
    ] {
        let side = match looked {
            Some(Looked::Ready(look)) => Some(if is_source { &look.source } else { &look.target }),
            _ => None,
        };
        let inner = framed(state, buffer, area, title);
        match (side, looked, &person) {
            (Some(side), _, _) => pane(state, buffer, placements, layout::picture(area), inner, side),
            (None, Some(Looked::Failed(why)), _) => centred(state, buffer, inner, why),
            (None, _, Some(_)) if state.people.origin == Origin::Pages => {
                centred(state, buffer, inner, "once everybody is listed");
            }
            (None, _, Some(_)) => centred(state, buffer, inner, "loading"),
            (None, _, None) => {}
        }
    }
    why(state, buffer, areas.why, person.as_ref(), looked);
}

/// One side: its picture, or why there is none, and the caption.
pub fn pane(
    state: &State,
    buffer: &mut Buffer,
    placements: &mut Placements,
    place: Rect,
    inner: Rect,
    side: &Side,
) {
    let theme = state.theme;
    let lines = layout::caption_lines(inner);
    let caption_top = inner.height.saturating_sub(lines);
    for (line, text) in side.caption.iter().take(usize::from(lines)).enumerate() {
        let style = if line == 0 { theme.text() } else { theme.quiet() };
        let is_tight = text.width() >= usize::from(inner.width);
        Pen::new(buffer, theme, inner, caption_top + line as u16)
            .skip(usize::from(!is_tight))
            .write(text, style);
    }
    let room = Rect {
        height: caption_top,
        ..inner
    };
    picture(state, buffer, placements, place, room, side);
}

/// A picture in its place, or words in the whole room: why there is none, or none yet.
pub fn picture(
    state: &State,
    buffer: &mut Buffer,
    placements: &mut Placements,
    place: Rect,
    room: Rect,
    side: &Side,
) {
    match &side.picture {
        SideView::Absent => centred(state, buffer, room, "no picture"),
        SideView::Explained(why) => centred(state, buffer, room, why),
        SideView::Picture { .. } if state.canvas.protocol().is_none() => {
            centred(state, buffer, room, "a picture (not drawn here)");
        }
        SideView::Picture { .. } => match state.pictures.painted(side) {
            Some(Painted::Ready(drawable)) if state.shows_pictures() => {
                placements.put_in_the_middle(drawable, place, buffer);
            }
            Some(Painted::Failed(why)) => centred(state, buffer, room, why),
            Some(Painted::Ready(_)) => {}
            Some(Painted::Loading) | None => centred(state, buffer, room, "loading"),
        },
    }
}

/// The words on a tab, shorter where there is little room.
fn tab_words(state: &State, tab: Tab) -> String {
    let count = number(u64::from(tab.count(&state.people.listing)));
    format!("{} {count}", tab.words())
}

/// Where every tab begins and ends: the one in front is always in sight.
fn tab_places(state: &State, area: Rect) -> Vec<(Tab, u16, u16)> {
    let tabs = state.people.tabs();
    let gap = if area.width >= 100 { 3 } else { 2 };
    let widths: Vec<u16> = tabs
        .iter()
        .map(|tab| tab_words(state, *tab).width() as u16)
        .collect();
    let front = tabs.iter().position(|tab| *tab == state.people.tab).unwrap_or(0);
    let length =
        |from: usize, to: usize| -> u16 { widths[from..=to].iter().map(|width| width + gap).sum::<u16>() };
    let mut first = 0;
    while first < front && length(first, front) + 3 > area.width {
        first += 1;
    }
    let mut x = area.x + 1;
    let mut places = Vec::new();
    let last = widths.len() - 1;
    for (position, (tab, width)) in tabs.into_iter().zip(&widths).enumerate().skip(first) {
        // The sign for those that find no room takes two columns.
        let room = area.right() - if position == last { 0 } else { 2 };
        if x + width > room {
            break;
        }
        places.push((tab, x, x + width));
        x += width + gap;
    }
    places
}

/// The tabs.
pub fn tabs(state: &State, buffer: &mut Buffer, area: Rect) {
    let theme = state.theme;
    let places = tab_places(state, area);
    let more = theme.sign("…", "~");
    let all = state.people.tabs();
    if places.first().map(|(tab, ..)| tab) != all.first() {
        buffer.set_string(area.x, area.y, more, theme.quiet());
    }
    if let Some((tab, _, to)) = places.last()
        && Some(tab) != all.last()
    {
        buffer.set_string(to + 1, area.y, more, theme.quiet());
    }
    for (tab, from, to) in places {
        let style = if tab == state.people.tab {
            theme.accent().add_modifier(ratatui::style::Modifier::UNDERLINED)
        } else if tab.count(&state.people.listing) == 0 {
            theme.quiet()
        } else {
            theme.text()
        };
        buffer.set_stringn(from, area.y, tab_words(state, tab), usize::from(to - from), style);
    }
}

/// The tab at a column of the screen.
pub fn tab_at(state: &State, area: Rect, x: u16) -> Option<Tab> {
    tab_places(state, area)
        .into_iter()
        .find(|(_, from, to)| (*from..*to).contains(&x))
        .map(|(tab, _, _)| tab)
}

/// Columns of the table: which, and how wide.
fn columns(width: u16) -> Vec<(Column, usize)> {
    // Cursor, mark and a blank stand before them; two blanks between.
    let room = usize::from(width).saturating_sub(4);
    const VERDICT: usize = 14;
    let text = room.saturating_sub(VERDICT + 2);
    match text {
        // The sign alone; the word stands beside the person under the cursor.
        0..=11 => vec![(Column::Name, room.saturating_sub(3)), (Column::Verdict, 1)],
        12..=27 => vec![(Column::Name, text), (Column::Verdict, VERDICT)],
        28..=59 => {
            let department = (text * 38 / 100).min(18);
            vec![
                (Column::Name, text - department - 2),
                (Column::Department, department),
                (Column::Verdict, VERDICT),
            ]
        }
        60..=99 => {
            let (department, principal) = (text * 24 / 100, text * 38 / 100);
            vec![
                (Column::Name, text - department - principal - 4),
                (Column::Department, department),
                (Column::Principal, principal),
                (Column::Verdict, VERDICT),
            ]
        }
        _ => {
            let (department, principal, mail) = (text * 18 / 100, text * 28 / 100, text * 28 / 100);
            vec![
                (Column::Name, text - department - principal - mail - 6),
                (Column::Department, department),
                (Column::Principal, principal),
                (Column::Mail, mail),
                (Column::Verdict, VERDICT),
            ]
        }
    }
}

/// The column at a column of the screen; `inner` is the inside of the table's frame.
pub fn column_at(inner: Rect, x: u16) -> Option<Column> {
    let mut from = inner.x + 4;
    for (column, width) in columns(inner.width) {
        let to = from + width as u16 + 2;
        if (from..to).contains(&x) {
            return Some(column);
        }
        from = to;
    }
    None
}

fn heading(column: Column) -> &'static str {
    match column {
        Column::Name => "Name",
        Column::Department => "Department",
        Column::Principal => "Sign-in",
        Column::Mail => "E-mail",
        Column::Verdict => "Status",
    }
}

fn table(state: &State, buffer: &mut Buffer, area: Rect) {
    let theme = state.theme;
    let people = &state.people;
    let title = if people.is_of_marked {
        format!(
            "People {}: those who were marked",
            number(people.rows.len() as u64)
        )
    } else if people.text.is_empty() || people.is_typing {
        format!("People {}", number(people.rows.len() as u64))
    } else {
        let query = crate::domain::text::clean(&people.text).into_owned();
        format!("People {} /{query}", number(people.rows.len() as u64))
    };
    let inner = framed(state, buffer, area, &title);
    let columns = columns(inner.width);
    let mut pen = Pen::new(buffer, theme, inner, 0);
    pen.skip(4);
    for (column, width) in &columns {
        let is_chosen = people.order == Order::By(*column)
            || (*column == Column::Name && people.order == Order::Usual && people.query().is_empty());
        let sign = match (is_chosen, people.is_reversed) {
            (false, _) => "",
            (true, false) => theme.sign(" ▲", " ^"),
            (true, true) => theme.sign(" ▼", " v"),
        };
        let heading = if *width == 1 { "" } else { heading(*column) };
        pen.cell(&format!("{heading}{sign}"), *width, theme.quiet())
            .skip(2);
    }
    if people.rows.is_empty() {
        let rest = Rect {
            y: inner.y + 1,
            height: inner.height.saturating_sub(1),
            ..inner
        };
        centred(state, buffer, rest, &nobody(state));
        return;
    }
    let range = people
        .anchor
        .map(|anchor| anchor.min(people.cursor)..=anchor.max(people.cursor));
    for line in 0..inner.height.saturating_sub(1) {
        let position = people.offset + usize::from(line);
        let Some(row) = people.rows.get(position) else {
            break;
        };
        let entry = people.listing.entry(*row);
        let is_here = position == people.cursor;
        let in_range = range.as_ref().is_some_and(|range| range.contains(&position));
        let place = Rect {
            y: inner.y + 1 + line,
            height: 1,
            ..inner
        };
        if is_here {
            buffer.set_style(place, theme.cursor());
        }
        let mut pen = Pen::new(buffer, theme, place, 0);
        pen.write(if is_here { theme.sign("▌", ">") } else { " " }, theme.accent());
        if people.marks.is_marked(*row) {
            pen.write(theme.sign("●", "*"), theme.marked());
        } else if in_range {
            pen.write(theme.sign("◌", "+"), theme.marked());
        } else {
            pen.write(theme.sign("○", "."), theme.quiet());
        }
        pen.skip(1);
        // A sign of its own, since the colours of verdicts are taken.
        let is_suspicious = entry.suspicion().is_some();
        pen.write(if is_suspicious { "!" } else { " " }, theme.warning());
        for (column, width) in &columns {
            let start = pen.column();
            cell(state, &mut pen, &entry, *column, *width);
            let used = pen.column() - start;
            pen.skip(width.saturating_sub(usize::from(used)) + 2);
        }
        if is_here && matches!(theme.palette, Palette::Sixteen | Palette::Plain) {
            buffer.set_style(place, theme.cursor());
        }
    }
    scroll_bar(state, buffer, area);
}

/// How far down the list is, on the right frame.
pub fn scroll_bar(state: &State, buffer: &mut Buffer, area: Rect) {
    let people = &state.people;
    let columns = people.columns.max(1);
    let whole = people.rows.len().div_ceil(columns) * columns;
    crate::tui::view::scroll_bar(state, buffer, area, (people.offset, people.height, whole));
}

/// Why the list is empty.
pub fn nobody(state: &State) -> String {
    let people = &state.people;
    if people.listing.is_empty() {
        return match (&state.scan, people.origin) {
            (ScanState::Failed(trouble), _) => trouble.sentences(),
            (ScanState::Scanning(_) | ScanState::Stopping, _) => "asking both sides for their people".into(),
            (ScanState::Idle, Origin::Nothing) => "reading the last scan".into(),
            (ScanState::Idle, _) => "nobody is in scope".into(),
        };
    }
    if people.text.is_empty() {
        format!("nobody: {}", people.tab.words().to_lowercase())
    } else {
        "nobody matches the filter; esc clears it".into()
    }
}

/// One cell, with the letters that the filter has found.
fn cell(state: &State, pen: &mut Pen<'_>, entry: &Entry<'_>, column: Column, width: usize) {
    let theme = state.theme;
    let (text, field) = match column {
        Column::Verdict => {
            let verdict = entry.verdict();
            let mut words = theme.symbol(verdict).to_string();
            if width > 1 {
                words = format!("{words} {}", short_words(verdict));
            }
            pen.write_within(&words, width, theme.verdict(verdict));
            return;
        }
        Column::Name => (Some(entry.name()), Field::Name),
        Column::Department => (entry.department(), Field::Department),
        Column::Principal => (Some(entry.principal()), Field::Principal),
        Column::Mail => (entry.mail(), Field::Mail),
    };
    let Some(text) = text else { return };
    let plain = if column == Column::Name {
        theme.text()
    } else {
        theme.quiet()
    };
    let found = if state.people.query().is_empty() {
        Vec::new()
    } else {
        state.people.query().highlights(field, &text)
    };
    if found.is_empty() {
        pen.write_within(&text, width, plain);
        return;
    }
    let shown = crate::tui::pen::cut(&text, width, theme.is_ascii);
    for (part, is_found) in parts(&shown, &found) {
        let style: Style = if is_found { theme.found() } else { plain };
        pen.write(part, style);
    }
}

/// Splits text at the ranges found; ranges that reach beyond it are cut.
fn parts<'a>(text: &'a str, found: &[std::ops::Range<usize>]) -> Vec<(&'a str, bool)> {
    let mut parts = Vec::new();
    let mut from = 0;
    for range in found {
        let end = range.end.min(text.len());
        if range.start >= end || !text.is_char_boundary(range.start) || !text.is_char_boundary(end) {
            continue;
        }
        if range.start > from {
            parts.push((&text[from..range.start], false));
        }
        parts.push((&text[range.start..end], true));
        from = end;
    }
    if from < text.len() {
        parts.push((&text[from..], false));
    }
    parts
}

/// A verdict's words where there are few columns.
pub fn short_words(verdict: crate::domain::comparison::Verdict) -> &'static str {
    match verdict {
        crate::domain::comparison::Verdict::OnlyInTarget => "only in SN",
        verdict => verdict.words(),
    }
}

fn why(state: &State, buffer: &mut Buffer, area: Rect, person: Option<&Entry<'_>>, looked: Option<&Looked>) {
    let inner = framed(state, buffer, area, "Why");
    let Some(entry) = person else { return };
    let inner = Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    };
    facts(state, buffer, inner, entry, looked);
}

/// Who somebody is, why the verdict is what it is, the chain, and what a push would do: as much as there is room for.
pub fn facts(state: &State, buffer: &mut Buffer, area: Rect, entry: &Entry<'_>, looked: Option<&Looked>) {
    let theme = state.theme;
    let look = match looked {
        Some(Looked::Ready(look)) => Some(look.as_ref()),
        _ => None,
    };
    let width = usize::from(area.width);
    let mut line = 0;
    if area.height >= 4 {
        let mut pen = Pen::new(buffer, theme, area, line);
        pen.write(&entry.name(), theme.strong());
        if let Some(department) = entry.department() {
            pen.write(", ", theme.text()).write(&department, theme.text());
        }
        let principal = entry.principal();
        if area.height >= 7 {
            line += 1;
            Pen::new(buffer, theme, area, line).write(&principal, theme.quiet());
        } else if principal.width() + 2 < pen.room() {
            pen.skip(2).write(&principal, theme.quiet());
        }
        line += 1;
    }
    let (verdict, reason) = (entry.verdict(), entry.reason());
    let reason = if reason.is_empty() {
        "not looked at yet".to_owned()
    } else {
        crate::domain::text::clean(reason).into_owned()
    };
    // Whoever looks at two pictures has to know first that one of them is probably somebody else's.
    if let Some(suspicion) = entry.suspicion() {
        let text = format!("! suspicious: {}", crate::domain::text::clean(suspicion));
        for part in wrap_within(&text, width, 2, theme.is_ascii) {
            Pen::new(buffer, theme, area, line).write(&part, theme.warning());
            line += 1;
        }
    }
    if let Some(parked) = state.parked.get(&entry.source()) {
        let text = crate::domain::text::clean(&parked.sentence()).into_owned();
        for part in wrap_within(&text, width, 3, theme.is_ascii) {
            Pen::new(buffer, theme, area, line).write(&part, theme.warning());
            line += 1;
        }
    }
    let word = format!("{} {}", theme.symbol(verdict), verdict.words());
    let below = match look {
        Some(look) => 1 + u16::from(!look.chain.is_empty()),
        None => 0,
    };
    let room = area.height.saturating_sub(line + below).max(1);
    let text = wrap_within(
        &format!("{word}: {reason}"),
        width,
        usize::from(room),
        theme.is_ascii,
    );
    for (position, part) in text.into_iter().enumerate() {
        let mut pen = Pen::new(buffer, theme, area, line);
        match part.strip_prefix(word.as_str()) {
            Some(rest) if position == 0 => pen.write(&word, theme.verdict(verdict)).write(rest, theme.text()),
            _ => pen.write(&part, theme.text()),
        };
        line += 1;
    }
    let Some(look) = look else { return };
    if !look.chain.is_empty() {
        chain(state, Pen::new(buffer, theme, area, line), look);
        line += 1;
    }
    Pen::new(buffer, theme, area, line)
        .write("push: ", theme.quiet())
        .write(&look.push, theme.text());
    line += 1;
    if let Some(similarity) = &look.similarity
        && !reason.contains(similarity.as_str())
    {
        Pen::new(buffer, theme, area, line)
            .write("pictures: ", theme.quiet())
            .write(similarity, theme.text());
    }
}

/// The chain, in the order in which the target looks at it; the link that wins has a sign of its own.
fn chain(state: &State, mut pen: Pen<'_>, look: &PersonLook) {
    let theme = state.theme;
    let arrow = theme.sign(" ▸ ", " > ");
    for (position, link) in look.chain.iter().enumerate() {
        if position > 0 {
            pen.write(arrow, theme.quiet());
        }
        let (sign, style) = match (link.wins, link.is_broken) {
            (_, true) => (theme.sign("✗ ", "x "), theme.bad()),
            (true, false) => (theme.sign("✓ ", "= "), theme.good()),
            (false, false) => ("", theme.quiet()),
        };
        pen.write(sign, style).write(link.place.0, style);
        if !link.words.is_empty() {
            pen.write(&format!(" ({})", link.words), theme.quiet());
        }
    }
    let served = look.chain.iter().find(|link| link.wins);
    let served = served.map_or("nothing", |link| link.place.0);
    // Said once more where there is room for it.
    let shows = " ▸ shows ".width();
    if pen.room() > shows + served.width() {
        pen.write(arrow, theme.quiet())
            .write("shows ", theme.quiet())
            .write(served, theme.strong());
    }
}
