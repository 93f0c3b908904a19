//! State → frame. Plain functions: what is drawn depends on the state alone.

use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Rect};
use ratatui::widgets::{Block, Borders, Clear, Paragraph, Widget, Wrap};

use super::dialogs::{self, Dialog};
use super::intent::Intent;
use super::layout;
use super::pen::Pen;
use super::screens::people::Origin;
use super::screens::run::Phase;
use super::screens::{log, people, plan, run, zoom};
use super::state::{Comparing, ScanState, Screen, State, Tone};
use crate::connector::{LaneState, PauseReason};
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
        Screen::Zoom => zoom::draw(state, buffer, placements),
        Screen::Plan => plan::view::draw(state, buffer, body),
        Screen::Run => run::view::draw(state, buffer, body),
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
        .title_style(theme.strong())
        .render(area, buffer);
    layout::inside(area)
}

/// Text in the middle of an area.
pub fn centred(state: &State, buffer: &mut Buffer, area: Rect, text: &str) {
    let style = state.theme.quiet();
    let lines = super::pen::wrap(text, usize::from(area.width.saturating_sub(2)));
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

fn header(state: &State, buffer: &mut Buffer, area: Rect) {
    let theme = state.theme;
    let setting = &state.setting;
    let mut pen = Pen::new(buffer, theme, area, 0);
    pen.write(" avatar-sync ", theme.accent());
    let profile = if setting.is_production {
        format!(" {} PRODUCTION ", setting.profile)
    } else {
        format!("[{}]", setting.profile)
    };
    pen.write(
        &profile,
        if setting.is_production {
            theme.production()
        } else {
            theme.strong()
        },
    );
    if setting.is_readonly {
        pen.write(" read-only", theme.warning());
    }
    let arrow = theme.sign("→", "->");
    pen.skip(2).write(
        &format!("{} {arrow} {}", setting.tenant, setting.instance),
        theme.text(),
    );
    let wide = area.width >= 100;
    for (name, lanes) in sides(&state.lanes) {
        let (sign, style) = health(state, &lanes);
        pen.skip(2);
        if wide {
            pen.write(&format!("{name} "), theme.quiet());
        }
        pen.write(sign, style);
        if let Some(wait) = longest_pause(&lanes) {
            pen.write(&format!(" {wait}"), theme.warning());
        }
    }
    pen.right(&format!("{} ", what_goes_on(state)), theme.quiet());
}

/// The lanes of both sides: the target's is called after it.
fn sides(lanes: &[LaneState]) -> [(&'static str, Vec<&LaneState>); 2] {
    let (target, source) = lanes.iter().partition(|lane| lane.name == "ServiceNow");
    [("Entra", source), ("ServiceNow", target)]
}

fn health(state: &State, lanes: &[&LaneState]) -> (&'static str, ratatui::style::Style) {
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

fn what_goes_on(state: &State) -> String {
    let total = people_words(state.people.listing.len() as u64);
    let dot = state.theme.sign(" · ", " - ");
    if state.run.is_under_way() && state.screen != Screen::Run {
        let run = &state.run;
        let word = if run.phase == Phase::Paused {
            "paused"
        } else {
            "run"
        };
        return format!("{word} {} of {}", number(run.done), number(run.steps));
    }
    let doing = match (&state.scan, &state.comparing) {
        (ScanState::Scanning(Some(news)), _) => Some(match news.total {
            Some(total) => format!("{} {} of {}", news.what, number(news.done), number(total)),
            None => format!("{} {}", news.what, number(news.done)),
        }),
        (ScanState::Scanning(None), _) => Some("connecting".into()),
        (ScanState::Stopping, _) => Some("stopping the scan".into()),
        (_, Comparing::Under { done, total }) => {
            Some(format!("comparing {} of {}", number(*done), number(*total)))
        }
        (ScanState::Failed(_), _) => Some("scan failed".into()),
        (ScanState::Idle, Comparing::Idle) => None,
    };
    let from = match state.people.origin {
        Origin::Nothing | Origin::Pages => None,
        Origin::Snapshot(at) => Some(format!("as of {}", moment(state, at))),
        Origin::Scan(at) => Some(format!("scanned {}", moment(state, at))),
    };
    let cut_short = (!state.people.complete).then(|| "incomplete".to_owned());
    match (doing, from) {
        (Some(doing), _) if state.people.listing.is_empty() => doing,
        (Some(doing), _) => format!("{total}{dot}{doing}"),
        (None, Some(from)) => [Some(total), cut_short, Some(from)]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(dot),
        (None, None) => total,
    }
}

/// The time today, the date before.
fn moment(state: &State, at: jiff::Timestamp) -> String {
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
    if state.screen == Screen::People && state.people.is_typing {
        pen.write("/", theme.accent())
            .write(&state.people.text, theme.text());
        pen.write(theme.sign("▏", "_"), theme.accent());
        match &state.people.text_error {
            Some(error) => pen.skip(2).write(&error.to_string(), theme.bad()),
            None if state.people.text.is_empty() => pen.skip(2).write(
                "name, sign-in, mail, department; status:missing dept:sales !guest",
                theme.quiet(),
            ),
            None => pen.skip(2).write(
                &format!("{} found", number(state.people.rows.len() as u64)),
                theme.quiet(),
            ),
        };
        return;
    }
    let marked = state.people.marks.count() as u64;
    if marked > 0 && state.screen == Screen::People {
        pen.write(&format!("{} marked  ", number(marked)), theme.marked());
    }
    if let Some(notice) = &state.notice {
        let style = match notice.tone {
            Tone::Calm => theme.good(),
            Tone::Bad => theme.bad(),
        };
        pen.write(&notice.text, style);
        return;
    }
    if state.people.anchor.is_some() && state.screen == Screen::People {
        pen.write("range: move, then ", theme.marked());
        pen.write(
            &state.keymap.key(Intent::MarkRange, theme.is_ascii),
            theme.accent(),
        );
        pen.write(" marks, esc drops it  ", theme.marked());
    }
    let dot = theme.sign(" · ", " | ");
    let mut is_first = true;
    for (intent, word) in hints(state) {
        let key = state.keymap.key(intent, theme.is_ascii);
        if key.is_empty() {
            continue;
        }
        let room = key.len() + word.len() + 5;
        if pen.room() < room {
            break;
        }
        if !is_first {
            pen.write(dot, theme.quiet());
        }
        is_first = false;
        pen.write(&key, theme.accent())
            .write(" ", theme.text())
            .write(word, theme.text());
    }
}

/// What is worth a hint here and now.
fn hints(state: &State) -> Vec<(Intent, &'static str)> {
    let word = |intent: Intent| (intent, intent.entry().short);
    match state.screen {
        Screen::People => {
            let mut hints = vec![word(Intent::Mark)];
            if !state.setting.is_readonly {
                hints.push(word(Intent::Push));
                hints.push(word(Intent::FullRun));
            } else {
                hints.push((Intent::Push, "plan"));
            }
            hints.extend([Intent::Zoom, Intent::Filter].map(word));
            if state.run.is_known() {
                hints.push((Intent::ShowRun, "run"));
            }
            hints.extend([Intent::Palette, Intent::Help, Intent::Quit].map(word));
            hints
        }
        Screen::Zoom => vec![
            (Intent::Up, "previous"),
            (Intent::Down, "next"),
            word(Intent::Mark),
            (Intent::Back, "back"),
            word(Intent::Help),
        ],
        Screen::Plan => plan::view::hints(state),
        Screen::Run => run::view::hints(state),
        Screen::Log => vec![
            (Intent::Up, "older"),
            (Intent::Down, "newer"),
            (Intent::Back, "back"),
        ],
    }
}
