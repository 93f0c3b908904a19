//! What happened → what changes, and what is to be done. Plain functions: no clock, no disk, no network.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyModifiers};

use super::dialogs::menu::CopyMenu;
use super::dialogs::{Answer, Dialog, help, menu, palette};
use super::intent::{Context, Intent};
use super::keymap::Key;
use super::layout;
use super::message::{Effect, Message, Release, Scanned, Trouble, Who};
use super::mouse;
use super::pictures::Looked;
use super::screens::people::{Origin, QUERY_LIMIT};
use super::screens::tidy::TidyScreen;
use super::screens::{history, past, person, plan, removals, run, sheet, tidy, zoom};
use super::sight::{ask_around, ask_in_sight, fit, looked, moved, paint_around, show};
use super::state::{Comparing, Effects, ScanState, Screen, State};
use crate::domain::brake::parking::Parked;
use crate::domain::brake::quarantine::Quarantine;
use crate::domain::comparison::Verdict;
use crate::domain::listing::Row;
use crate::domain::suspicion::Gallery;
use crate::report::text::{number, people as people_words};

/// More undecided people than this are compared when somebody asks for it: it costs two downloads a person.
const COMPARED_UNASKED: u32 = 1_000;

/// Works one message into the state and says what is to be done outside.
pub fn update(state: &mut State, message: Message) -> Effects {
    match message {
        Message::Key(key) => on_key(state, key),
        Message::Paste(text) => on_paste(state, &text),
        Message::Mouse(event) => mouse::update(state, event),
        Message::Resized(size) => {
            state.size = size;
            fit(state);
            let mut effects = vec![Effect::Redraw];
            effects.extend(paint_around(state));
            // A larger window may have room for more of them.
            match state.screen {
                Screen::Plan | Screen::Sheet => effects.extend(ask_in_sight(state)),
                Screen::Tidy => effects.extend(tidy::show_faces(state)),
                Screen::History => effects.extend(history::read(state)),
                Screen::Past => effects.extend(past::follow(state)),
                Screen::Removals => effects.extend(removals::follow(state)),
                _ => {}
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
                state.people.see(&compared.person, compared.faces);
            }
            Vec::new()
        }
        Message::ComparingEnded(result) => {
            state.comparing = Comparing::Idle;
            if let Err(trouble) = result {
                state.complain(&trouble);
            }
            judge(state)
        }
        Message::Judged {
            question,
            gallery,
            suspicions,
        } => judged(state, question, gallery, suspicions),
        Message::Rested(moves) if moves == state.pictures.moves => {
            state.rested = moves;
            let mut effects = ask_around(state);
            if state.screen == Screen::Person {
                effects.extend(person::ask(state));
            }
            if state.screen == Screen::Past {
                effects.extend(past::ask(state));
            }
            if state.screen == Screen::Removals {
                effects.extend(removals::ask(state));
            }
            effects
        }
        Message::Rested(_) => Vec::new(),
        Message::Looked { person, result } => looked(state, person, result),
        Message::Explained { question, result } => person::explained(state, question, result),
        Message::Colleagues { question, result } => person::colleagues(state, question, result),
        Message::Fetched { key, picture } => person::fetched(state, key, picture),
        Message::Painted { key, result } => {
            state.pictures.painted_is(key, result);
            if state.pictures.has_room_again() {
                return paint_around(state);
            }
            Vec::new()
        }
        Message::Planning { question, news } => {
            match state.tidy {
                TidyScreen::Making { .. } => tidy::progress(state, question, news),
                _ => plan::progress(state, question, news),
            }
            Vec::new()
        }
        Message::TidyingPlanned { question, result } => tidy::planned(state, question, result),
        Message::Planned { question, result } => plan::planned(state, question, result),
        Message::Runs { at, result } => history::runs(state, &at, result),
        Message::RunPeople { at, result } => past::people(state, &at, result),
        Message::Face { key, face, words } => past::face(state, key, face, words),
        Message::Standing {
            quarantine,
            parked,
            waiting,
        } => {
            standing(state, quarantine, parked);
            state.removals.waiting = waiting;
            Vec::new()
        }
        Message::Removals(result) => removals::read(state, result),
        Message::Unfinished { settled, left } => plan::unfinished(state, settled, left),
        Message::Run(news) => run::news(state, news),
        Message::SettlingEnded(result) => run::settled(state, result),
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
    if state.shows_list() && state.people.is_typing && is_visible {
        return on_filter_key(state, key);
    }
    if state.screen == Screen::Past && state.past.is_typing && is_visible {
        return past::typed(state, key);
    }
    if state.screen == Screen::Plan && state.plan.takes(key) && is_visible {
        return plan::typed(state, key);
    }
    if state.screen == Screen::Tidy && state.tidy.takes(key) && is_visible {
        return tidy::typed(state, key);
    }
    if state.screen == Screen::Removals && state.removals.takes(key) && is_visible {
        return removals::typed(state, key);
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
        KeyCode::Up => people.step_lines(-1),
        KeyCode::Down => people.step_lines(1),
        KeyCode::PageUp => people.page(false),
        KeyCode::PageDown => people.page(true),
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
    let is_filter = state.shows_list() && state.people.is_typing;
    match &mut state.dialog {
        Some(Dialog::Help(help)) => help.add(&line),
        Some(Dialog::Palette(palette)) => palette.add(&line),
        Some(_) => {}
        None if state.screen == Screen::Past && state.past.is_typing => return past::pasted(state, &line),
        None if is_filter => {
            let text = format!("{}{line}", state.people.text);
            state.people.set_text(text);
            return moved(state);
        }
        None => {}
    }
    Vec::new()
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
        (Intent::Log, _) => {
            state.before_log = state.screen;
            state.log.follow();
            let mut effects = show(state, Screen::Log);
            effects.push(Effect::ReadRequests);
            effects
        }
        (Intent::History | Intent::Back, Screen::History) => show(state, state.list),
        (Intent::History, _) => history::open(state),
        (Intent::Removals, Screen::Removals) if state.removals.question.is_none() => show(state, state.list),
        (Intent::Removals, screen) if screen != Screen::Removals => removals::open(state),
        (Intent::ShowRun, _) => {
            if state.run.is_known() {
                let mut effects = plan::drop_it(state);
                effects.extend(tidy::drop_it(state));
                effects.extend(show(state, Screen::Run));
                effects
            } else {
                state.say("no run yet in this session");
                Vec::new()
            }
        }
        (Intent::Zoom | Intent::Blink | Intent::Difference | Intent::Circles, screen)
            if state.context() == Context::People =>
        {
            zoom::open(state, intent, screen)
        }
        (Intent::Back, Screen::Zoom) => zoom::leave(state),
        (Intent::Sheet | Intent::Larger | Intent::Smaller, screen) if screen == state.list => {
            sheet::perform(state, intent)
        }
        (_, Screen::Plan) => plan::perform(state, intent),
        (_, Screen::Tidy) => tidy::perform(state, intent),
        (_, Screen::Run) => run::perform(state, intent),
        (_, Screen::History) => history::perform(state, intent),
        (_, Screen::Past) => past::perform(state, intent),
        (_, Screen::Removals) => removals::perform(state, intent),
        (_, Screen::Log) => {
            state.log.perform(intent);
            Vec::new()
        }
        (Intent::Details, Screen::People | Screen::Sheet | Screen::Zoom) => person::open(state),
        (_, Screen::Person) => person::perform(state, intent).unwrap_or_else(|| on_people(state, intent)),
        (_, Screen::People | Screen::Sheet | Screen::Zoom) => on_people(state, intent),
    }
}

fn on_people(state: &mut State, intent: Intent) -> Effects {
    let is_sheet = state.list == Screen::Sheet;
    let people = &mut state.people;
    match intent {
        // Large pictures are looked through one by one.
        Intent::Up if state.screen == Screen::Zoom => people.step(-1),
        Intent::Down if state.screen == Screen::Zoom => people.step(1),
        Intent::Up => people.step_lines(-1),
        Intent::Down => people.step_lines(1),
        Intent::PageUp => people.page(false),
        Intent::PageDown => people.page(true),
        Intent::Left if is_sheet || state.screen == Screen::Zoom => people.step(-1),
        Intent::Right if is_sheet || state.screen == Screen::Zoom => people.step(1),
        Intent::Left => people.turn_tab(false),
        Intent::Right => people.turn_tab(true),
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
            return show(state, state.list);
        }
        Intent::Back => people.step_back(),
        Intent::Push => return plan_for(state, false),
        Intent::FullRun => return plan_for(state, true),
        Intent::Clean => {
            return if plan::is_run_in_the_way(state) {
                Vec::new()
            } else {
                tidy::clean_up(state)
            };
        }
        Intent::Undo => return tidy::undo_chosen(state),
        Intent::Resume => return plan::resume_newest(state),
        Intent::Release => return release(state),
        Intent::Suspicious => people.show_suspicious(),
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

/// What slows the profile down is known; a quarantine is said once, and stays in the header.
fn standing(state: &mut State, quarantine: Option<Quarantine>, parked: Vec<Parked>) {
    if let Some(new) = quarantine.as_ref().filter(|_| state.quarantine != quarantine) {
        let key = state.keymap.key(Intent::Release, state.theme.is_ascii);
        state.complain(&Trouble {
            what: new.sentence(),
            hint: (!key.is_empty()).then(|| format!("{key} ends it once the cause is mended")),
        });
    }
    state.quarantine = quarantine;
    state.parked = parked
        .into_iter()
        .map(|parked| (parked.person.source.clone(), parked))
        .collect();
}

/// Releases whoever is parked of the marked people, or the one under the cursor; if nobody is, ends the quarantine.
fn release(state: &mut State) -> Effects {
    if state.setting.is_readonly {
        state.say("read-only: nobody is released");
        return Vec::new();
    }
    let mut chosen = state.people.chosen();
    chosen.retain(|person| state.parked.contains_key(person));
    if !chosen.is_empty() {
        return vec![Effect::Release(Release::People(chosen))];
    }
    if state.quarantine.is_some() {
        return vec![Effect::Release(Release::Quarantine)];
    }
    state.say("nobody here is parked, and the profile is not in quarantine");
    Vec::new()
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

/// What the table shows, for the next start.
pub fn keep(state: &State) -> Effects {
    state.people.kept().map(Effect::Keep).into_iter().collect()
}

/// Begins a plan, unless a run is under way.
fn plan_for(state: &mut State, everybody: bool) -> Effects {
    if plan::is_run_in_the_way(state) {
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
    // They would lie around beside those that the scan sees.
    state.people.keep_faces(None);
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
            let Scanned {
                listed,
                problems,
                gallery,
            } = *scanned;
            let origin = Origin::Scan(listed.scanned_at);
            state.people.replace(listed, origin);
            state.people.keep_faces(Some(gallery));
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
            effects.extend(removals::outdate(state));
            let undecided = state.people.listing.counts().of(Verdict::Undecided);
            if undecided <= COMPARED_UNASKED {
                effects.extend(compare_few(state));
            } else if state.notice.is_none() {
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

/// What was compared may have brought to light whose photo is not their own: everybody is judged again, and then kept.
fn judge(state: &mut State) -> Effects {
    state.questions += 1;
    match state.people.judge(state.questions) {
        Some(effect) => vec![effect],
        None => keep(state),
    }
}

fn judged(
    state: &mut State,
    question: u64,
    gallery: Arc<Gallery>,
    suspicions: Vec<(Row, String)>,
) -> Effects {
    let before = state.people.listing.suspicious();
    if !state.people.judged(question, gallery, suspicions) {
        return Vec::new();
    }
    let found = state.people.listing.suspicious().saturating_sub(before);
    if found > 0 && state.notice.is_none() {
        let key = state.keymap.key(Intent::Suspicious, state.theme.is_ascii);
        let one = if found == 1 { "photo is" } else { "photos are" };
        state.say(format!(
            "{} more {one} probably not the person's own; {key} shows them",
            number(found.into())
        ));
    }
    keep(state)
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

/// Begins comparing whoever is undecided, if it is few enough to do so unasked and nobody is compared already.
pub fn compare_few(state: &mut State) -> Effects {
    let undecided = state.people.listing.counts().of(Verdict::Undecided);
    if (1..=COMPARED_UNASKED).contains(&undecided)
        && state.comparing == Comparing::Idle
        && !state.is_scanning()
    {
        return compare(state);
    }
    Vec::new()
}

/// Begins comparing whoever is undecided, or stops it.
fn compare(state: &mut State) -> Effects {
    if let Comparing::Under { .. } = state.comparing {
        state.comparing = Comparing::Idle;
        state.say("stopped comparing; rows are still compared as you come to them");
        let mut effects = vec![Effect::StopComparing];
        state.questions += 1;
        effects.extend(state.people.judge(state.questions));
        return effects;
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
