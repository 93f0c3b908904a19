//! What happened → what changes, and what is to be done. Plain functions: no clock, no disk, no network.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::dialogs::menu::CopyMenu;
use super::dialogs::{Answer, Dialog, help, menu, palette};
use super::intent::Intent;
use super::keymap::Key;
use super::layout;
use super::looked::PersonLook;
use super::message::{Effect, Message, Scanned, Trouble, Who};
use super::pictures::Looked;
use super::screens::people::{Origin, QUERY_LIMIT};
use super::screens::{plan, run};
use super::state::{Comparing, Effects, ScanState, Screen, State};
use crate::domain::comparison::Verdict;
use crate::domain::ids::SourceId;
use crate::domain::run::PersonRef;
use crate::report::text::people as people_words;

/// How many people above and below the cursor are looked at ahead.
const NEIGHBOURS: usize = 2;
/// More undecided people than this are compared when somebody asks for it: it costs two downloads a person.
const COMPARED_UNASKED: u32 = 1_000;

/// Works one message into the state and says what is to be done outside.
pub fn update(state: &mut State, message: Message) -> Effects {
    match message {
        Message::Key(key) => on_key(state, key),
        Message::Paste(text) => on_paste(state, &text),
        Message::Mouse(event) => on_mouse(state, event),
        Message::Resized(size) => {
            state.size = size;
            fit(state);
            let mut effects = vec![Effect::Redraw];
            effects.extend(paint_around(state));
            // A larger window may have room for more of them.
            if state.screen == Screen::Plan {
                effects.extend(ask_around(state));
            }
            effects
        }
        Message::Canvas { canvas, why } => {
            state.canvas = canvas;
            state.canvas_why = why;
            state.pictures.redraw_all();
            fit(state);
            paint_around(state)
        }
        Message::Snapshot(snapshot) => {
            let mut effects = Vec::new();
            // A scan that was faster knows better; its first pages do not.
            if matches!(state.people.origin, Origin::Nothing | Origin::Pages)
                && let Some(listed) = snapshot
            {
                let origin = Origin::Snapshot(listed.scanned_at);
                state.people.replace(*listed, origin);
                effects = moved(state);
                effects.push(Effect::PrepareSearch(Arc::clone(&state.people.listing)));
            }
            // Only now is it known whether the table needs the pages of a scan to show anybody.
            if state.scan == ScanState::Idle && !matches!(state.people.origin, Origin::Scan(_)) {
                effects.extend(start_scan(state));
            }
            effects
        }
        Message::Page(people) => {
            if matches!(state.people.origin, Origin::Nothing | Origin::Pages) {
                state.people.append(&people);
            }
            Vec::new()
        }
        Message::Scanning(news) => {
            if let ScanState::Scanning(known) = &mut state.scan {
                *known = Some(news);
            }
            Vec::new()
        }
        Message::Scanned(result) => scanned(state, result),
        Message::Compared(people) => {
            if let Comparing::Under { done, .. } = &mut state.comparing {
                *done += people.len() as u64;
            }
            for compared in people {
                state
                    .people
                    .settle(&compared.person, compared.verdict, &compared.reason);
            }
            Vec::new()
        }
        Message::ComparingEnded(result) => {
            state.comparing = Comparing::Idle;
            if let Err(trouble) = result {
                state.complain(&trouble);
            }
            keep(state)
        }
        Message::Rested(moves) if moves == state.pictures.moves => {
            state.rested = moves;
            ask_around(state)
        }
        Message::Rested(_) => Vec::new(),
        Message::Looked { person, result } => looked(state, person, result),
        Message::Painted { key, result } => {
            state.pictures.painted_is(key, result);
            Vec::new()
        }
        Message::Planning { question, news } => {
            plan::progress(state, question, news);
            Vec::new()
        }
        Message::Planned { question, result } => plan::planned(state, question, result),
        Message::Run(news) => run::news(state, news),
        Message::RunEnded(result) => run::ended(state, result),
        Message::Lanes(lanes) => {
            state.lanes = lanes;
            Vec::new()
        }
        Message::Requests(records) => {
            state.log.replace(records);
            Vec::new()
        }
        Message::Said(text) => {
            state.say(text);
            Vec::new()
        }
        Message::Trouble(trouble) => {
            state.complain(&trouble);
            Vec::new()
        }
        Message::Terminate => {
            state.stops_run_at_end = true;
            if state.run.is_under_way() {
                return vec![Effect::CancelRun, Effect::Quit];
            }
            vec![Effect::Quit]
        }
        Message::Tick => {
            if state.screen == Screen::Log {
                return vec![Effect::ReadRequests];
            }
            Vec::new()
        }
    }
}

fn on_key(state: &mut State, key: Key) -> Effects {
    if let Some(dialog) = state.dialog.take() {
        return on_dialog_key(state, dialog, key);
    }
    let is_visible = !layout::is_too_small(state.size);
    if state.screen == Screen::People && state.people.is_typing && is_visible {
        return on_filter_key(state, key);
    }
    if state.screen == Screen::Plan && state.plan.takes(key) && is_visible {
        return plan::typed(state, key);
    }
    state.notice = None;
    match state.keymap.intent(key, state.context()) {
        // Nobody decides on what they cannot see.
        Some(intent) if !is_visible => match intent {
            Intent::Quit | Intent::Suspend | Intent::Redraw => perform(state, intent),
            _ => Vec::new(),
        },
        Some(intent) => perform(state, intent),
        None => Vec::new(),
    }
}

fn on_dialog_key(state: &mut State, mut dialog: Dialog, key: Key) -> Effects {
    // However keys are mapped: Escape closes, and Control-C always leads out.
    let answer = match &mut dialog {
        Dialog::Help(help) => help::key(help, state, key),
        Dialog::Palette(palette) => palette::key(palette, state, key),
        Dialog::Copy(menu) => menu::key(menu, key),
        Dialog::About => Answer::Closes,
        Dialog::Quit => return on_quit_key(state, key),
    };
    match answer {
        Answer::Stays => {
            state.dialog = Some(dialog);
            Vec::new()
        }
        Answer::Closes => paint_around(state),
        Answer::Does(intent) => {
            let mut effects = paint_around(state);
            effects.extend(perform(state, intent));
            effects
        }
        Answer::Copies(text) => {
            let mut effects = paint_around(state);
            effects.push(Effect::Copy(text));
            effects
        }
    }
}

/// Wait, stop after the writes in hand, or stop now. Whoever presses Control-C again means it.
fn on_quit_key(state: &mut State, key: Key) -> Effects {
    match key.typed() {
        _ if key.typed() == Some('s') || is_interrupt(key) => {
            state.stops_run_at_end = true;
            vec![Effect::CancelRun, Effect::Quit]
        }
        Some('n') => vec![Effect::Quit],
        _ if key.code == KeyCode::Esc || key.typed() == Some('w') => paint_around(state),
        _ => {
            state.dialog = Some(Dialog::Quit);
            Vec::new()
        }
    }
}

fn is_interrupt(key: Key) -> bool {
    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL)
}

fn on_filter_key(state: &mut State, key: Key) -> Effects {
    let people = &mut state.people;
    match key.code {
        KeyCode::Esc => {
            people.is_typing = false;
            people.set_text(String::new());
        }
        // One that cannot be understood is not in force, and does not look as if it were.
        KeyCode::Enter => people.is_typing = people.text_error.is_some(),
        KeyCode::Up => people.step(-1),
        KeyCode::Down => people.step(1),
        KeyCode::PageUp => people.step(-(people.height as isize)),
        KeyCode::PageDown => people.step(people.height as isize),
        KeyCode::Backspace => {
            let mut text = people.text.clone();
            if text.pop().is_none() {
                people.is_typing = false;
            }
            people.set_text(text);
        }
        KeyCode::Char(letter) => match key.typed() {
            Some(letter) => {
                let mut text = people.text.clone();
                text.push(letter);
                people.set_text(text);
            }
            None if letter == 'u' => people.set_text(String::new()),
            None if letter == 'w' => {
                let text = people.text.trim_end();
                let kept = text.rfind(' ').map_or("", |space| &text[..=space]).to_owned();
                people.set_text(kept);
            }
            None if letter == 'c' => {
                people.is_typing = false;
                people.set_text(String::new());
            }
            None => {}
        },
        _ => {}
    }
    moved(state)
}

fn on_paste(state: &mut State, text: &str) -> Effects {
    let line: String = text
        .chars()
        .filter(|letter| !letter.is_control())
        .take(QUERY_LIMIT)
        .collect();
    match &mut state.dialog {
        Some(Dialog::Help(help)) => help.add(&line),
        Some(Dialog::Palette(palette)) => palette.add(&line),
        Some(_) => {}
        None if state.screen == Screen::People && state.people.is_typing => {
            let text = format!("{}{line}", state.people.text);
            state.people.set_text(text);
            return moved(state);
        }
        None => {}
    }
    Vec::new()
}

fn on_mouse(state: &mut State, event: MouseEvent) -> Effects {
    if state.dialog.is_some() || layout::is_too_small(state.size) {
        return Vec::new();
    }
    if state.screen != Screen::People {
        return match event.kind {
            MouseEventKind::ScrollUp => perform(state, Intent::Up),
            MouseEventKind::ScrollDown => perform(state, Intent::Down),
            _ => Vec::new(),
        };
    }
    let areas = layout::people(state.size);
    let at = Position {
        x: event.column,
        y: event.row,
    };
    match event.kind {
        MouseEventKind::ScrollUp => state.people.scroll(-3),
        MouseEventKind::ScrollDown => state.people.scroll(3),
        MouseEventKind::Down(MouseButton::Left) if areas.tabs.contains(at) => {
            match super::screens::people::view::tab_at(state, areas.tabs, at.x) {
                Some(tab) => state.people.open_tab(tab),
                None => return Vec::new(),
            }
        }
        MouseEventKind::Down(MouseButton::Left) if areas.table.contains(at) => {
            let inner = layout::inside(areas.table);
            if at.y == inner.y {
                match super::screens::people::view::column_at(inner, at.x) {
                    Some(column) => state.people.sort_by(column),
                    None => return Vec::new(),
                }
            } else if inner.contains(at) {
                let position = state.people.offset + usize::from(at.y - inner.y - 1);
                if position < state.people.rows.len() {
                    state.people.go_to(position);
                    // The sign at the left is a box to tick.
                    if at.x < inner.x + 3 {
                        state.people.toggle_mark();
                    }
                }
            }
        }
        _ => return Vec::new(),
    }
    moved(state)
}

/// Does what somebody wants.
pub fn perform(state: &mut State, intent: Intent) -> Effects {
    match (intent, state.screen) {
        (Intent::Quit, _) => quit(state),
        (Intent::Help, _) => open(state, Dialog::Help(help::Help::default())),
        (Intent::Palette, _) => open(state, Dialog::Palette(palette::Palette::default())),
        (Intent::About, _) => open(state, Dialog::About),
        (Intent::Redraw, _) => vec![Effect::Redraw],
        (Intent::Suspend, _) => vec![Effect::Suspend],
        (Intent::Theme, _) => {
            state.theme.palette = state.theme.palette.next();
            state.say(format!("colours: {}", state.theme.palette.code()));
            Vec::new()
        }
        (Intent::Log | Intent::Back, Screen::Log) => show(state, state.before_log),
        (Intent::Back, Screen::Zoom) => show(state, Screen::People),
        (Intent::Log, _) => {
            state.before_log = state.screen;
            state.log.follow();
            let mut effects = show(state, Screen::Log);
            effects.push(Effect::ReadRequests);
            effects
        }
        (Intent::ShowRun, _) => {
            if state.run.is_known() {
                let mut effects = plan::drop_it(state);
                effects.extend(show(state, Screen::Run));
                effects
            } else {
                state.say("no run yet in this session");
                Vec::new()
            }
        }
        (Intent::Zoom, Screen::Zoom) => show(state, Screen::People),
        (_, Screen::Plan) => plan::perform(state, intent),
        (_, Screen::Run) => run::perform(state, intent),
        (_, Screen::Log) => {
            state.log.perform(intent);
            Vec::new()
        }
        (_, Screen::People | Screen::Zoom) => on_people(state, intent),
    }
}

fn on_people(state: &mut State, intent: Intent) -> Effects {
    let page = state.people.height.max(1) as isize;
    let people = &mut state.people;
    match intent {
        Intent::Up => people.step(-1),
        Intent::Down => people.step(1),
        Intent::PageUp => people.step(-page),
        Intent::PageDown => people.step(page),
        Intent::First => people.go_to(0),
        Intent::Last => people.go_to(usize::MAX),
        Intent::NextTab => people.turn_tab(true),
        Intent::PreviousTab => people.turn_tab(false),
        Intent::Sort => people.sort_by_next(),
        Intent::Reverse => people.reverse(),
        Intent::Mark => {
            people.toggle_mark();
            people.step(1);
        }
        Intent::MarkRange => people.range(),
        Intent::MarkShown => people.mark_shown(),
        Intent::UnmarkAll => people.marks.clear(),
        Intent::InvertMarks => people.invert_marks(),
        Intent::Filter => {
            people.is_typing = true;
            return show(state, Screen::People);
        }
        Intent::Zoom => return show(state, Screen::Zoom),
        Intent::Back => people.step_back(),
        Intent::Push => return plan_for(state, false),
        Intent::FullRun => return plan_for(state, true),
        Intent::RefreshOne => {
            if let Some(person) = people.current_person() {
                // A look that is under way is as fresh as another one would be.
                if !matches!(state.pictures.look(&person.source), Some(Looked::Loading)) {
                    state.pictures.forget(&person.source);
                }
                return ask_around(state);
            }
        }
        Intent::RefreshAll => return start_scan(state),
        Intent::Compare => return compare(state),
        Intent::Stop => return stop(state),
        Intent::Copy => {
            return match copy_menu(state) {
                Some(menu) => open(state, Dialog::Copy(menu)),
                None => Vec::new(),
            };
        }
        Intent::Open => {
            return people
                .current_person()
                .map(|person| match person.target {
                    Some(id) => format!("{}{id}", state.setting.target_record),
                    None => format!("{}{}", state.setting.source_record, person.source),
                })
                .map(Effect::Open)
                .into_iter()
                .collect();
        }
        _ => return Vec::new(),
    }
    moved(state)
}

fn copy_menu(state: &State) -> Option<CopyMenu> {
    let person = state.people.current_person()?;
    let look = match state.pictures.look(&person.source) {
        Some(Looked::Ready(look)) => Some(look.as_ref()),
        _ => None,
    };
    Some(CopyMenu::of(&person, look, &state.setting))
}

fn quit(state: &mut State) -> Effects {
    if state.run.is_under_way() {
        return open(state, Dialog::Quit);
    }
    vec![Effect::Quit]
}

fn open(state: &mut State, dialog: Dialog) -> Effects {
    state.dialog = Some(dialog);
    Vec::new()
}

/// Brings a screen to the front.
pub fn show(state: &mut State, screen: Screen) -> Effects {
    state.screen = screen;
    fit(state);
    paint_around(state)
}

/// What the table shows, for the next start.
pub fn keep(state: &State) -> Effects {
    state.people.kept().map(Effect::Keep).into_iter().collect()
}

/// Begins a plan, unless nothing may be written or a run is under way.
fn plan_for(state: &mut State, everybody: bool) -> Effects {
    if state.run.is_under_way() {
        state.complain(&Trouble {
            what: "a run is under way".into(),
            hint: Some(format!(
                "watch it with {}",
                state.keymap.key(Intent::ShowRun, state.theme.is_ascii)
            )),
        });
        return Vec::new();
    }
    let who = if everybody {
        Who::Everybody
    } else {
        let chosen = state.people.chosen();
        if chosen.is_empty() {
            state.say("nobody is shown, so nobody can be pushed");
            return Vec::new();
        }
        Who::People(chosen)
    };
    plan::ask(state, who)
}

/// Begins a scan, unless one is under way.
pub fn start_scan(state: &mut State) -> Effects {
    if state.is_scanning() {
        let key = state.keymap.key(Intent::Stop, state.theme.is_ascii);
        state.say(match state.scan {
            ScanState::Stopping => "the scan is being stopped".to_owned(),
            _ if key.is_empty() => "a scan is under way".to_owned(),
            _ => format!("a scan is under way; {key} stops it"),
        });
        return Vec::new();
    }
    state.scan = ScanState::Scanning(None);
    let mut effects = Vec::new();
    if state.comparing != Comparing::Idle {
        state.comparing = Comparing::Idle;
        effects.push(Effect::StopComparing);
    }
    effects.push(Effect::Scan {
        fill: state.people.origin == Origin::Nothing,
    });
    effects
}

fn scanned(state: &mut State, result: Result<Box<Scanned>, Trouble>) -> Effects {
    match result {
        Err(_) if state.scan == ScanState::Stopping => {
            state.scan = ScanState::Idle;
            state.say("the scan was stopped; what is shown is from before");
            Vec::new()
        }
        Err(trouble) => {
            state.complain(&trouble);
            state.scan = ScanState::Failed(trouble);
            Vec::new()
        }
        Ok(scanned) => {
            state.scan = ScanState::Idle;
            let Scanned { listed, problems } = *scanned;
            let origin = Origin::Scan(listed.scanned_at);
            state.people.replace(listed, origin);
            state.pictures.forget_all();
            if let Some(problem) = problems.first() {
                state.complain(&Trouble {
                    what: problem.clone(),
                    hint: (problems.len() > 1).then(|| format!("and {} more", problems.len() - 1)),
                });
            }
            state.problems = problems;
            let mut effects = moved(state);
            effects.push(Effect::PrepareSearch(Arc::clone(&state.people.listing)));
            let undecided = state.people.listing.counts().of(Verdict::Undecided);
            if (1..=COMPARED_UNASKED).contains(&undecided) {
                effects.extend(compare(state));
            } else if undecided > 0 && state.notice.is_none() {
                state.say(format!(
                    "{} have not been compared yet: {} compares them all, rows are compared as you come to them",
                    people_words(undecided.into()),
                    state.keymap.key(Intent::Compare, state.theme.is_ascii)
                ));
            }
            effects
        }
    }
}

/// Stops what goes on behind the screen: the scan, or else the comparing.
fn stop(state: &mut State) -> Effects {
    match (&state.scan, &state.comparing) {
        (ScanState::Scanning(_), _) => {
            state.scan = ScanState::Stopping;
            vec![Effect::StopScan]
        }
        (_, Comparing::Under { .. }) => compare(state),
        _ => {
            state.say("nothing goes on behind the screen");
            Vec::new()
        }
    }
}

/// Begins comparing whoever is undecided, or stops it.
fn compare(state: &mut State) -> Effects {
    if let Comparing::Under { .. } = state.comparing {
        state.comparing = Comparing::Idle;
        state.say("stopped comparing; rows are still compared as you come to them");
        return vec![Effect::StopComparing];
    }
    let undecided = state.people.undecided();
    if undecided.is_empty() {
        state.say("everybody has been compared");
        return Vec::new();
    }
    state.comparing = Comparing::Under {
        done: 0,
        total: undecided.len() as u64,
    };
    vec![Effect::Compare(undecided)]
}

/// Somebody was looked at.
fn looked(state: &mut State, person: SourceId, result: Result<Box<PersonLook>, Trouble>) -> Effects {
    if state.outdated.remove(&person) {
        state.pictures.forget(&person);
    } else {
        let looked = match result {
            Ok(look) => {
                match &look.judgement {
                    Some((verdict, reason)) if look.is_whole => {
                        state.people.set(&person, *verdict, reason);
                    }
                    // A picture that did not come is no news about what a scan has found.
                    Some((verdict, reason)) => state.people.settle(&person, *verdict, reason),
                    None => {}
                }
                Looked::Ready((*look).into())
            }
            Err(trouble) => Looked::Failed(match trouble.hint {
                Some(hint) => format!("{}; {hint}", trouble.what),
                None => trouble.what,
            }),
        };
        state.pictures.looked(person, looked);
    }
    let mut effects = paint_around(state);
    // Whoever found no room before has some now; somebody who is only passing by wants none.
    if state.rested == state.pictures.moves || state.screen == Screen::Plan {
        effects.extend(ask_in_sight(state));
    }
    effects
}

/// What is known of somebody's pictures is no longer so.
pub fn outdate(state: &mut State, person: &SourceId) {
    if matches!(state.pictures.look(person), Some(Looked::Loading)) {
        state.outdated.insert(person.clone());
    } else {
        state.pictures.forget(person);
    }
}

/// The window or the screen has changed: how many rows and how large a picture now fit.
pub fn fit(state: &mut State) {
    if layout::is_too_small(state.size) {
        state.pictures.within = (0, 0);
        return;
    }
    let areas = layout::people(state.size);
    // The frame and the line of column names.
    state.people.height = usize::from(areas.table.height.saturating_sub(3));
    state.people.keep_in_sight();
    let picture = match state.screen {
        Screen::Zoom => layout::zoomed_picture(layout::zoom(state.size).source).as_size(),
        Screen::Plan => layout::THUMBNAIL,
        _ => layout::picture(areas.source).as_size(),
    };
    state.pictures.within = match state.canvas.protocol() {
        Some(_) => (picture.width, picture.height),
        None => (0, 0),
    };
}

/// The cursor may be on somebody else: what is known is drawn at once, what is not is asked for once it rests.
pub fn moved(state: &mut State) -> Effects {
    state.pictures.moves += 1;
    let mut effects = paint_around(state);
    let Some(person) = state.people.current_person() else {
        return effects;
    };
    // Who belongs together is not known before everybody is listed.
    if state.people.origin == Origin::Pages {
        return effects;
    }
    if state.pictures.is_worth_another_look(&person.source, state.now) || is_missing_neighbour(state) {
        effects.push(Effect::Rest(state.pictures.moves));
    }
    effects
}

fn is_missing_neighbour(state: &State) -> bool {
    let neighbours = state.people.neighbours(NEIGHBOURS);
    neighbours
        .iter()
        .any(|person| state.pictures.look(&person.source).is_none())
}

/// Whose pictures are in sight on the screen that is open, whoever is waited for first.
fn in_sight(state: &State) -> Vec<PersonRef> {
    match state.screen {
        Screen::Plan => plan::faces(state),
        _ => state.people.current_person().into_iter().collect(),
    }
}

/// Whose pictures may be in sight next.
fn nearly_in_sight(state: &State) -> Vec<PersonRef> {
    match state.screen {
        Screen::Plan => Vec::new(),
        _ => state.people.neighbours(NEIGHBOURS),
    }
}

/// Asks for whoever is in sight, and for the neighbours.
pub fn ask_around(state: &mut State) -> Effects {
    let mut people = in_sight(state);
    for person in &people {
        if state.pictures.is_worth_another_look(&person.source, state.now) {
            state.pictures.forget(&person.source);
        }
    }
    people.extend(nearly_in_sight(state));
    state.pictures.ask(people)
}

/// Asks for whoever is in sight, if nobody has.
fn ask_in_sight(state: &mut State) -> Effects {
    let people = in_sight(state);
    state.pictures.ask(people)
}

/// Asks for the drawables of whoever is in sight, and of the neighbours.
pub fn paint_around(state: &mut State) -> Effects {
    let mut effects = Vec::new();
    for person in in_sight(state) {
        effects.extend(state.pictures.paint(&person.source, true));
    }
    for neighbour in nearly_in_sight(state) {
        effects.extend(state.pictures.paint(&neighbour.source, false));
    }
    effects
}
