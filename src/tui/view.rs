//! State → frame. Plain functions: what is drawn depends on the state alone.

use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Rect};
use ratatui::style::Style;
use ratatui::widgets::{Block, Borders, Clear, Paragraph, Widget, Wrap};
use unicode_normalization::char::is_combining_mark;
use unicode_width::UnicodeWidthStr;

use super::dialogs::{self, Dialog};
use super::intent::{Context, Intent};
use super::layout;
use super::pen::{self, Pen};
use super::screens::people::Origin;
use super::screens::run::Phase;
use super::screens::{history, log, past, people, person, plan, removals, run, sheet, tidy, zoom};
use super::state::{Comparing, ScanState, Screen, State, Tone};
use super::theme::Theme;
use crate::connector::{LaneState, PauseReason};
use crate::domain::text::{SHOWN_LIMIT, clean};
use crate::graphics::Placements;
use crate::report::text::{number, people as people_words};

/// Draws everything. Pictures that the terminal draws outside of cells are put on the list of `placements`.
pub fn view(state: &State, buffer: &mut Buffer, placements: &mut Placements) {
    let size = buffer.area.as_size();
    if layout::is_too_small(size) {
        too_small(state, buffer);
        return;
    }
    let (head, body, foot) = layout::frame(size);
    header(state, buffer, head);
    match state.screen {
        Screen::People => people::view::draw(state, buffer, placements),
        Screen::Sheet => sheet::view::draw(state, buffer, placements),
        Screen::Person => person::view::draw(state, buffer, placements),
        Screen::Zoom => zoom::draw(state, buffer, placements),
        Screen::Plan => plan::view::draw(state, buffer, placements, body),
        Screen::Tidy => tidy::view::draw(state, buffer, placements, body),
        Screen::Run => run::view::draw(state, buffer, body),
        Screen::History => history::view::draw(state, buffer, body),
        Screen::Past => past::view::draw(state, buffer, placements),
        Screen::Removals => removals::view::draw(state, buffer, placements, body),
        Screen::Log => log::view::draw(state, buffer, body),
    }
    footer(state, buffer, foot);
    match &state.dialog {
        None => {}
        Some(Dialog::Help(help)) => dialogs::help::draw(help, state, buffer),
        Some(Dialog::Palette(palette)) => dialogs::palette::draw(palette, state, buffer),
        Some(Dialog::Copy(menu)) => dialogs::menu::draw(menu, state, buffer),
        Some(Dialog::About) => dialogs::about::draw(state, buffer),
        Some(Dialog::Quit) => dialogs::quit::draw(state, buffer),
    }
}

fn too_small(state: &State, buffer: &mut Buffer) {
    let least = layout::LEAST;
    let more = match (&state.dialog, state.run.is_under_way()) {
        (Some(Dialog::Quit), _) => dialogs::quit::in_one_line(),
        (_, true) => "The run goes on.".to_owned(),
        (_, false) => String::new(),
    };
    let text = format!(
        "Please enlarge the window to {}x{} or more. {more}",
        least.width, least.height
    );
    Paragraph::new(text)
        .wrap(Wrap { trim: true })
        .render(buffer.area, buffer);
}

/// A frame with a title; what is inside it is blank.
pub fn framed(state: &State, buffer: &mut Buffer, area: Rect, title: &str) -> Rect {
    let theme = state.theme;
    Clear.render(area, buffer);
    Block::new()
        .borders(Borders::ALL)
        .border_set(theme.border())
        .border_style(theme.frame())
        .title(format!(" {title} "))
        .title_style(theme.strong().fg(ratatui::style::Color::Reset))
        .render(area, buffer);
    layout::inside(area)
}

/// Text in the middle of an area.
pub fn centred(state: &State, buffer: &mut Buffer, area: Rect, text: &str) {
    let style = state.theme.quiet();
    let lines = pen::wrap(text, usize::from(area.width.saturating_sub(2)));
    let height = lines.len() as u16;
    let top = area.height.saturating_sub(height) / 2;
    let place = Rect {
        y: area.y + top,
        height: area.height - top,
        ..area
    };
    Paragraph::new(lines.join("\n"))
        .alignment(Alignment::Center)
        .style(style)
        .render(place, buffer);
}

/// How far down a list is, on the right side of its frame: the first row in sight, how many are, and how many there are.
pub fn scroll_bar(state: &State, buffer: &mut Buffer, frame: Rect, rows: (usize, usize, usize)) {
    let (offset, height, total) = rows;
    let inner = layout::inside(frame);
    let lines = usize::from(inner.height);
    if total <= height || lines == 0 {
        return;
    }
    let line = (offset * (lines - 1)) / total.saturating_sub(height).max(1);
    buffer.set_string(
        frame.right() - 1,
        inner.y + line.min(lines - 1) as u16,
        state.theme.sign("█", "#"),
        state.theme.quiet(),
    );
}

/// What of the header's left side is left out when there is little room, the least important first.
const HEADER_STEPS: usize = 7;

/// Name, profile and sides at the left; what goes on at the right, which is never left out.
fn header(state: &State, buffer: &mut Buffer, area: Rect) {
    let theme = state.theme;
    let width = usize::from(area.width);
    let length = |parts: &[(String, Style)]| parts.iter().map(|(text, _)| text.width()).sum::<usize>();
    let lefts: Vec<Vec<(String, Style)>> = (0..HEADER_STEPS).map(|step| header_left(state, step)).collect();
    let rights = what_goes_on(state);
    // Fewer words at the right before the instance goes, then before the pauses go.
    let right = [3, 5, HEADER_STEPS - 1]
        .into_iter()
        .flat_map(|step| rights.iter().map(move |right| (step, right)))
        .find(|(step, right)| length(&lefts[*step]) + right.width() + 3 <= width)
        .map(|(_, right)| right)
        .or(rights.last())
        .map_or("", String::as_str);
    let room = width.saturating_sub(right.width() + 3);
    let left = lefts.iter().find(|left| length(left) <= room).or(lefts.last());
    let before = Rect {
        width: area.width.saturating_sub(right.width() as u16 + 2),
        ..area
    };
    let mut pen = Pen::new(buffer, theme, before, 0);
    for (text, style) in left.into_iter().flatten() {
        pen.write(text, *style);
    }
    Pen::new(buffer, theme, area, 0).right(&format!("{right} "), theme.quiet());
}

/// The left side of the header with so many steps of leaving out; profile, production and read-only always stay.
fn header_left(state: &State, step: usize) -> Vec<(String, Style)> {
    let theme = state.theme;
    let setting = &state.setting;
    let mut parts: Vec<(String, Style)> = Vec::new();
    if step < 5 {
        parts.push((" avatar-sync".into(), theme.accent()));
    }
    parts.push((" ".into(), theme.text()));
    if setting.is_production {
        parts.push((format!(" {} PRODUCTION ", setting.profile), theme.production()));
    } else {
        parts.push((format!("[{}]", setting.profile), theme.strong()));
    }
    if setting.is_readonly {
        parts.push((" read-only".into(), theme.warning()));
    }
    if state.quarantine.is_some() {
        parts.push((" quarantine".into(), theme.bad()));
    }
    let (tenant, instance) = (
        short_tenant(&setting.tenant, theme),
        short_host(&setting.instance),
    );
    let arrow = theme.sign("→", "->");
    let cut = |text: &str, most: usize| pen::cut(text, most, theme.is_ascii).into_owned();
    match step {
        0 | 1 => parts.push((format!("  {tenant} {arrow} {instance}"), theme.text())),
        2 => parts.push((
            format!("  {} {arrow} {}", cut(&tenant, 14), cut(instance, 14)),
            theme.text(),
        )),
        3 => parts.push((format!("  {}", cut(instance, 14)), theme.text())),
        _ => {}
    }
    for (name, lanes) in sides(&state.lanes) {
        let (sign, style) = health(state, &lanes);
        parts.push(("  ".into(), theme.text()));
        if step == 0 {
            parts.push((format!("{name} "), theme.quiet()));
        }
        parts.push((sign.into(), style));
        if step < 6
            && let Some(wait) = longest_pause(&lanes)
        {
            parts.push((format!(" {wait}"), theme.warning()));
        }
    }
    parts
}

/// A tenant named by its id is told by the first eight digits.
fn short_tenant(tenant: &str, theme: Theme) -> String {
    let is_id = tenant.len() == 36
        && tenant
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if is_id {
        format!("{}{}", &tenant[..8], theme.sign("…", "~"))
    } else {
        tenant.to_owned()
    }
}

/// `dev12345.service-now.com` → `dev12345`.
fn short_host(host: &str) -> &str {
    host.strip_suffix(".service-now.com").unwrap_or(host)
}

/// The lanes of both sides: the target's is called after it.
fn sides(lanes: &[LaneState]) -> [(&'static str, Vec<&LaneState>); 2] {
    let (target, source) = lanes.iter().partition(|lane| lane.name == "ServiceNow");
    [("Entra", source), ("ServiceNow", target)]
}

fn health(state: &State, lanes: &[&LaneState]) -> (&'static str, Style) {
    let theme = state.theme;
    let circuit = |lane: &&&LaneState| matches!(lane.paused, Some((_, PauseReason::CircuitOpen)));
    if lanes.iter().any(|lane| circuit(&lane)) {
        (theme.sign("✗", "x"), theme.bad())
    } else if lanes.iter().any(|lane| lane.paused.is_some()) {
        (theme.sign("◐", "o"), theme.warning())
    } else if lanes.iter().any(|lane| lane.requests > 0) {
        (theme.sign("●", "*"), theme.good())
    } else {
        (theme.sign("○", "."), theme.quiet())
    }
}

fn longest_pause(lanes: &[&LaneState]) -> Option<String> {
    let longest = lanes
        .iter()
        .filter_map(|lane| lane.paused.map(|(left, _)| left))
        .max()?;
    Some(format!("waits {} s", longest.as_secs().max(1)))
}

/// What goes on, and how old what is shown is: in many words, in fewer, in the least.
fn what_goes_on(state: &State) -> Vec<String> {
    let total = people_words(state.people.listing.len() as u64);
    let dot = state.theme.sign(" · ", " - ");
    if state.run.is_under_way() && state.screen != Screen::Run {
        let run = &state.run;
        let word = match run.phase {
            Phase::Paused => "run paused at",
            _ if run.settling.is_some() => "settling",
            _ => "run",
        };
        let (done, steps) = run.figures();
        return vec![format!("{word} {} of {}", number(done), number(steps))];
    }
    let doing = match (&state.scan, &state.comparing) {
        (ScanState::Scanning(Some(news)), _) => Some((format!("{} ", news.what), news.figures())),
        (ScanState::Scanning(None), _) => Some((String::new(), "connecting".into())),
        (ScanState::Stopping, _) => Some((String::new(), "stopping the scan".into())),
        (_, Comparing::Under { done, total }) => {
            let figures = format!("{} of {}", number(*done), number(*total));
            Some(("comparing ".to_owned(), figures))
        }
        (ScanState::Failed(_), _) => Some((String::new(), "scan failed".into())),
        (ScanState::Idle, Comparing::Idle) => None,
    };
    let from = match state.people.origin {
        Origin::Nothing | Origin::Pages => None,
        Origin::Snapshot(at) => Some(format!("as of {}", moment(state, at))),
        Origin::Scan(at) => Some(format!("scanned {}", moment(state, at))),
    };
    let is_known = !state.people.listing.is_empty();
    let is_part = !state.people.complete || state.people.origin == Origin::Pages;
    match (doing, from) {
        (Some((what, figures)), _) => {
            let whole = format!("{what}{figures}");
            let mut words = Vec::new();
            if is_known {
                words.push(format!("{total}{dot}{whole}"));
            }
            let first = what
                .split_once(' ')
                .map(|(first, _)| format!("{first} {figures}"));
            words.push(whole);
            words.extend(first);
            words
        }
        (None, _) if state.people.origin == Origin::Nothing => vec!["starting".into()],
        (None, from) => {
            let part = (is_part && is_known).then(|| "incomplete".to_owned());
            let words =
                |parts: Vec<Option<String>>| parts.into_iter().flatten().collect::<Vec<_>>().join(dot);
            vec![
                words(vec![Some(total.clone()), part.clone(), from.clone()]),
                words(vec![part.clone(), from]),
                words(vec![part.or(Some(total))]),
            ]
        }
    }
}

/// The time today, the date before.
pub fn moment(state: &State, at: jiff::Timestamp) -> String {
    let zone = &state.zone;
    let (at, now) = (at.to_zoned(zone.clone()), state.now.to_zoned(zone.clone()));
    if at.date() == now.date() {
        at.strftime("%H:%M").to_string()
    } else {
        at.strftime("%Y-%m-%d %H:%M").to_string()
    }
}

fn footer(state: &State, buffer: &mut Buffer, area: Rect) {
    let theme = state.theme;
    let mut pen = Pen::new(buffer, theme, area, 0);
    pen.skip(1);
    let marked = state.people.marks.count() as u64;
    if marked > 0 && state.context() == Context::People {
        pen.write(&format!("{} marked  ", number(marked)), theme.marked());
    }
    let marked = state.removals.marks.len() as u64;
    if marked > 0 && state.context() == Context::Removals {
        pen.write(&format!("{} marked  ", number(marked)), theme.marked());
    }
    if state.shows_list() && state.people.is_typing {
        typing(state, pen);
        return;
    }
    if state.screen == Screen::Past && state.past.is_typing {
        let (text, found) = (&state.past.text, &state.past.people);
        let answer = match found.known() {
            _ if text.is_empty() => "a part of a name or sign-in name".to_owned(),
            0 if !found.is_whole() => "looking".to_owned(),
            known if found.is_whole() => format!("{} found", number(known as u64)),
            known => format!("{} found and more", number(known as u64)),
        };
        typed_text(theme, pen, text, &answer, theme.quiet());
        return;
    }
    if let Some(notice) = &state.notice {
        let style = match notice.tone {
            Tone::Calm => theme.good(),
            Tone::Bad => theme.bad(),
        };
        pen.write(&clean(&notice.text), style);
        return;
    }
    if state.people.anchor.is_some() && state.shows_list() {
        let key = |intent: Intent| state.keymap.key(intent, theme.is_ascii);
        pen.write("range: move, then ", theme.marked())
            .write(&key(Intent::MarkRange), theme.accent())
            .write(" marks it, ", theme.marked())
            .write(&key(Intent::Back), theme.accent())
            .write(" drops it", theme.marked());
        return;
    }
    let mut hints: Vec<(Intent, String, &'static str)> = hints(state)
        .into_iter()
        .map(|(intent, word)| (intent, state.keymap.key(intent, theme.is_ascii), word))
        .filter(|(_, key, _)| !key.is_empty())
        .collect();
    leave_out(&mut hints, pen.room());
    let length = length_of(&hints);
    let dot = theme.sign(" · ", " | ");
    let gaps = hints.len().saturating_sub(1);
    // Closer together before any is left out.
    let gap = if length + gaps * dot.width() <= pen.room() {
        dot
    } else {
        "  "
    };
    for (position, (_, key, word)) in hints.iter().enumerate() {
        let gap = if position == 0 { "" } else { gap };
        if pen.room() < gap.width() + key.width() + 1 + word.width() {
            break;
        }
        pen.write(gap, theme.quiet())
            .write(key, theme.accent())
            .write(" ", theme.text())
            .write(word, theme.text());
    }
}

fn length_of(hints: &[(Intent, String, &'static str)]) -> usize {
    let each = hints.iter().map(|(_, key, word)| key.width() + 1 + word.width());
    each.sum()
}

/// Leaves out the hints that can be missed best until the others find room; help is never left out.
fn leave_out(hints: &mut Vec<(Intent, String, &'static str)>, room: usize) {
    const MISSED_LEAST: [Intent; 13] = [
        Intent::Zoom,
        Intent::Report(1),
        Intent::Manager,
        Intent::Right,
        Intent::Quit,
        Intent::Palette,
        Intent::FullRun,
        Intent::Mark,
        Intent::Push,
        Intent::Down,
        Intent::Circles,
        Intent::NextTab,
        Intent::Follow,
    ];
    for intent in MISSED_LEAST {
        if length_of(hints) + 2 * hints.len().saturating_sub(1) <= room {
            return;
        }
        hints.retain(|(known, _, _)| *known != intent);
    }
}

/// The filter while it is typed, with its end in sight, and what it finds.
fn typing(state: &State, pen: Pen<'_>) {
    let theme = state.theme;
    let people = &state.people;
    let (answer, style) = match &people.text_error {
        Some(error) => (clean(&error.to_string()).into_owned(), theme.bad()),
        None if people.text.is_empty() => (
            "name, sign-in, mail, department; status:missing dept:sales !guest".into(),
            theme.quiet(),
        ),
        None => (
            format!("{} found", number(people.rows.len() as u64)),
            theme.quiet(),
        ),
    };
    typed_text(theme, pen, &people.text, &answer, style);
}

/// Text that is being typed, with its end in sight, and what there is to say of it.
fn typed_text(theme: Theme, mut pen: Pen<'_>, text: &str, answer: &str, style: Style) {
    // Half of the line is kept for the answer, if it needs that much.
    let kept = (answer.width() + 4).min(pen.room() / 2);
    let text = harmless(text);
    let text = pen::tail(&text, pen.room().saturating_sub(kept), theme.is_ascii);
    pen.write("/", theme.accent())
        .write(&text, theme.text())
        .write(theme.sign("▏", "_"), theme.accent())
        .skip(2)
        .write(answer, style);
}

/// What somebody has typed or pasted, as it may be shown, however long it is.
pub fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest
            .char_indices()
            .nth(SHOWN_LIMIT)
            .map_or(rest.len(), |(end, _)| end);
        shown.push_str(&clean(&rest[..end]));
        // Marks belong to the letter before them, which has as many as it may have.
        rest = rest[end..].trim_start_matches(is_combining_mark);
    }
    shown
}

/// What is worth a hint here and now.
fn hints(state: &State) -> Vec<(Intent, &'static str)> {
    let word = |intent: Intent| (intent, intent.entry().short);
    match state.screen {
        Screen::People | Screen::Sheet => {
            let mut hints = vec![word(Intent::Mark)];
            if state.setting.is_readonly {
                hints.push((Intent::Push, "plan"));
            } else {
                hints.extend([Intent::Push, Intent::FullRun].map(word));
            }
            hints.extend([Intent::Details, Intent::Zoom].map(word));
            hints.push(if state.screen == Screen::Sheet {
                (Intent::Sheet, "table")
            } else {
                word(Intent::Sheet)
            });
            hints.push(word(Intent::Filter));
            if state.unfinished.is_some() {
                hints.push(word(Intent::Resume));
            }
            if state.removals.waiting > 0 {
                hints.push(word(Intent::Removals));
            }
            if state.run.is_known() {
                hints.push((Intent::ShowRun, "run"));
            }
            hints.extend([Intent::Palette, Intent::Help, Intent::Quit].map(word));
            hints
        }
        Screen::Person => vec![
            (Intent::Down, "more"),
            (Intent::Right, "next person"),
            word(Intent::Zoom),
            word(Intent::Blink),
            word(Intent::Difference),
            word(Intent::Circles),
            word(Intent::Push),
            word(Intent::Manager),
            word(Intent::Report(1)),
            (Intent::Back, "back"),
            word(Intent::Help),
        ],
        Screen::Zoom => vec![
            (Intent::Down, "next"),
            word(Intent::Zoom),
            word(Intent::Blink),
            word(Intent::Difference),
            word(Intent::Circles),
            word(Intent::Mark),
            word(Intent::Push),
            (Intent::Back, "back"),
            word(Intent::Help),
        ],
        Screen::Plan => plan::view::hints(state),
        Screen::Tidy => tidy::view::hints(state),
        Screen::Run => run::view::hints(state),
        Screen::History => history::view::hints(state),
        Screen::Past => past::view::hints(state),
        Screen::Removals => removals::view::hints(state),
        Screen::Log => vec![
            (Intent::Up, "older"),
            (Intent::Down, "newer"),
            (Intent::Back, "back"),
        ],
    }
}
