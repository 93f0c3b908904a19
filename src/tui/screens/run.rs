//! A run: progress, rate, time left, what the services' throttles say, outcomes as they come, and the summary.

pub mod view;

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::comparison::Verdict;
use crate::domain::ids::{RunId, SourceId};
use crate::domain::listing::Marks;
use crate::domain::run::{Outcome, Summary};
use crate::domain::tidying::TidyKind;
use crate::report::text::{number, people as people_words};
use crate::tui::dialogs::Dialog;
use crate::tui::intent::Intent;
use crate::tui::message::{Effect, RunEnd, RunNews, Settling, StepDone, Trouble, Who};
use crate::tui::screens::people::Tab;
use crate::tui::screens::plan::Again;
use crate::tui::screens::{history, past, removals};
use crate::tui::sight::{fit, moved, outdate, show};
use crate::tui::state::{Effects, Screen, State, push_bounded};
use crate::tui::update::{compare_few, keep};

/// Outcomes kept for scrolling back.
const OUTCOMES: usize = 2_000;
/// Failures kept, each with its cause; the journal has all of them.
const FAILURES: usize = 10_000;
/// The rate is that of so much time.
const RATE_WINDOW: Duration = Duration::from_secs(30);

/// Where the run is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// There is none.
    #[default]
    Nothing,
    /// None was asked for; what an interrupted one has left is settled.
    Settling,
    /// It was asked for; what an interrupted run has left is settled first.
    Starting,
    /// Under way.
    Running,
    /// Nobody new gets a turn.
    Paused,
    /// The writes in hand are brought to an end.
    Stopping,
    /// Over.
    Over(RunEnd),
    /// It could not begin; nothing was written.
    Refused(Trouble),
}

/// The run, as the screen sees it.
#[derive(Debug, Default)]
pub struct RunScreen {
    /// Where it is.
    pub phase: Phase,
    /// Its id, once it has one.
    pub id: Option<RunId>,
    /// For whom it was asked for.
    pub who: Option<Who>,
    /// It is a tidying of this kind: a cleaning changes nobody's picture, an undo brings the one of before back.
    pub tidying: Option<TidyKind>,
    /// Since when it is paused, if it is.
    pub paused_at: Option<Timestamp>,
    /// When it was asked for.
    pub began: Option<Timestamp>,
    /// How far it has been looked after what an interrupted run has left; `None` once the run has begun, and where
    /// nothing was left.
    pub settling: Option<Settling>,
    /// Steps it has to make.
    pub steps: u64,
    /// Steps made.
    pub done: u64,
    /// Everybody counted so far.
    pub counted: Summary,
    /// The last outcomes, oldest first.
    pub outcomes: VecDeque<StepDone>,
    /// Who failed.
    pub failures: Vec<SourceId>,
    /// How far the list is scrolled back from its end.
    pub back: usize,
    /// Steps done at moments of the last half minute.
    pace: VecDeque<(Timestamp, u64)>,
}

impl RunScreen {
    /// A run was asked for.
    pub fn begin(&mut self, steps: u64, who: Who, now: Timestamp) {
        *self = Self {
            phase: Phase::Starting,
            who: Some(who),
            began: Some(now),
            steps,
            ..Self::default()
        };
        self.pace.push_back((now, 0));
    }

    /// A cleaning or an undo was asked for.
    pub fn begin_tidying(&mut self, kind: TidyKind, steps: u64, now: Timestamp) {
        self.begin(steps, Who::Everybody, now);
        self.tidying = Some(kind);
    }

    /// True if there is one, under way or over.
    pub fn is_known(&self) -> bool {
        self.phase != Phase::Nothing
    }

    /// True until it is over.
    pub fn is_under_way(&self) -> bool {
        matches!(
            self.phase,
            Phase::Settling | Phase::Starting | Phase::Running | Phase::Paused | Phase::Stopping
        )
    }

    /// True while what an interrupted run has left is settled and no run is to follow.
    pub fn is_settling_alone(&self) -> bool {
        self.is_under_way() && self.who.is_none() && self.settling.is_some()
    }

    /// People done, and of how many: of the run, or of the settling before it.
    pub fn figures(&self) -> (u64, u64) {
        match self.settling {
            Some(settling) => (settling.done, settling.total),
            None => (self.done, self.steps),
        }
    }

    /// Steps a second over the last half minute; `None` before there is anything to go by.
    pub fn rate(&self, now: Timestamp) -> Option<f64> {
        let (since, done) = self.pace.front()?;
        let seconds = now.duration_since(*since).as_secs_f64();
        let made = self.done.saturating_sub(*done);
        (seconds >= 1.0 && made > 0).then(|| made as f64 / seconds)
    }

    /// How long the rest takes at the rate of the last half minute; `None` where nobody can say.
    pub fn time_left(&self, now: Timestamp) -> Option<Duration> {
        if self.phase != Phase::Running {
            return None;
        }
        let left = self.steps.saturating_sub(self.done);
        let seconds = left as f64 / self.rate(now)?;
        (seconds < 1e7).then(|| Duration::from_secs_f64(seconds))
    }

    fn note_pace(&mut self, now: Timestamp) {
        self.pace.push_back((now, self.done));
        while self
            .pace
            .get(1)
            .is_some_and(|(at, _)| now.duration_since(*at).as_secs_f64() > RATE_WINDOW.as_secs_f64())
        {
            self.pace.pop_front();
        }
    }
}

/// News of the run: numbers, outcomes, and the rows of those who were pushed.
pub fn news(state: &mut State, news: RunNews) -> Effects {
    let here = state.people.current_person().map(|person| person.source);
    let mut is_of_here = false;
    if let Some(settling) = news.settling {
        settle(state, settling);
    }
    for person in news.settled {
        is_of_here |= here.as_ref() == Some(&person.person.source);
        outdate(state, &person.person.source);
        push_bounded(&mut state.run.outcomes, person, OUTCOMES);
    }
    let run = &mut state.run;
    if let Some(started) = news.started {
        run.settling = None;
        run.id = Some(started.run);
        run.steps = started.steps;
        if run.phase == Phase::Starting {
            run.phase = Phase::Running;
        }
    }
    run.counted.add(&news.counted);
    run.done += news.steps.len() as u64;
    let tidying = run.tidying;
    for step in news.steps {
        is_of_here |= here.as_ref() == Some(&step.person.source);
        let verdict = match (step.outcome, tidying) {
            (_, Some(TidyKind::Clean)) => None,
            // What was there before may differ from the photo or not; the run's end brings it to light.
            (Outcome::Updated | Outcome::Removed, Some(TidyKind::Undo)) => Some((
                Verdict::Undecided,
                "taken back and verified; not compared again yet",
            )),
            (Outcome::Updated, None) => Some((Verdict::InSync, "pushed and verified")),
            (Outcome::Removed, None) => Some((Verdict::Neither, "removed and verified")),
            _ => None,
        };
        if let Some((verdict, reason)) = verdict {
            state.people.set(&step.person.source, verdict, reason);
            state.people.unmark(&step.person.source);
        }
        outdate(state, &step.person.source);
        let run = &mut state.run;
        if step.outcome == Outcome::Failed && run.failures.len() < FAILURES {
            run.failures.push(step.person.source.clone());
        }
        push_bounded(&mut run.outcomes, step, OUTCOMES);
    }
    state.run.note_pace(state.now);
    // Only whoever looks on has to be shown anew; the others wait until somebody comes to them.
    if is_of_here && state.screen != Screen::Run {
        return moved(state);
    }
    Vec::new()
}

/// What an interrupted run has left is being settled: before a run, or when the program was started.
fn settle(state: &mut State, settling: Settling) {
    let run = &mut state.run;
    run.settling = Some(settling);
    if run.phase == Phase::Nothing {
        run.phase = Phase::Settling;
        run.began = Some(state.now);
        let key = state.keymap.key(Intent::ShowRun, state.theme.is_ascii);
        let shows = if key.is_empty() {
            String::new()
        } else {
            format!("; {key} shows it")
        };
        state.say(format!(
            "settling what an interrupted run has left: {}{shows}",
            people_words(settling.total)
        ));
    }
}

/// What an interrupted run had left is settled, or it is not; no run follows.
pub fn settled(state: &mut State, result: Result<(), Trouble>) -> Effects {
    let mut effects = Vec::new();
    if state.run.is_settling_alone() {
        state.run = RunScreen::default();
        if matches!(state.dialog, Some(Dialog::Quit)) {
            state.dialog = None;
        }
        if state.screen == Screen::Run {
            effects = show(state, state.list);
        }
        effects.extend(moved(state));
        effects.extend(history::outdate(state));
        effects.extend(past::outdate(state));
    }
    if let Err(trouble) = result {
        state.complain(&trouble);
    }
    effects
}

/// The run is over, or could not begin.
pub fn ended(state: &mut State, result: Result<RunEnd, Trouble>) -> Effects {
    let who = state.run.who.take();
    state.run.phase = match result {
        Ok(end) => {
            // Whoever had no turn is still marked, so that another push goes on.
            if let (Some(Who::People(people)), None) = (who, &end.stopped) {
                for person in &people {
                    state.people.unmark(person);
                }
            }
            Phase::Over(end)
        }
        Err(trouble) => Phase::Refused(trouble),
    };
    if matches!(state.dialog, Some(Dialog::Quit)) {
        state.dialog = None;
    }
    let here = state.people.current_person().map(|person| person.source);
    state.people.arrange(here.as_ref());
    if state.screen != Screen::Run {
        tell_of_the_end(state);
    }
    let mut effects = keep(state);
    effects.extend(history::outdate(state));
    effects.extend(past::outdate(state));
    effects.extend(removals::outdate(state));
    effects.push(Effect::ReadUnfinished);
    if state.run.tidying == Some(TidyKind::Undo) {
        effects.extend(compare_few(state));
    }
    effects
}

/// Says at the bottom of another screen how the run ended.
fn tell_of_the_end(state: &mut State) {
    let key = state.keymap.key(Intent::ShowRun, state.theme.is_ascii);
    let hint = (!key.is_empty()).then(|| format!("{key} shows it"));
    let what = match &state.run.phase {
        Phase::Refused(trouble) => format!("the run could not begin: {}", trouble.what),
        Phase::Over(end) if end.stopped.is_some() => "the run ended early".to_owned(),
        Phase::Over(end) if end.summary.failed > 0 => {
            format!("the run is over; {} failed", number(end.summary.failed))
        }
        _ => {
            state.say("the run is over");
            return;
        }
    };
    state.complain(&Trouble { what, hint });
}

/// What somebody wants of the run.
pub fn perform(state: &mut State, intent: Intent) -> Effects {
    let run = &mut state.run;
    match intent {
        Intent::Pause => match run.phase {
            Phase::Running => {
                run.phase = Phase::Paused;
                run.paused_at = Some(state.now);
                vec![Effect::PauseRun]
            }
            Phase::Paused => {
                run.phase = Phase::Running;
                run.pace.clear();
                run.pace.push_back((state.now, run.done));
                let paused_at = run.paused_at.take();
                if let Some(since) = paused_at.filter(|since| Again::is_due(*since, state.now)) {
                    let minutes = state.now.duration_since(since).as_mins();
                    state.say(format!(
                        "paused for {minutes} minutes: everybody is looked at again, and whoever was changed meanwhile is left alone"
                    ));
                }
                vec![Effect::ResumeRun]
            }
            _ => Vec::new(),
        },
        Intent::CancelRun if run.is_under_way() && run.phase != Phase::Stopping => {
            run.phase = Phase::Stopping;
            vec![Effect::CancelRun]
        }
        Intent::ShowFailed => show_failed(state),
        Intent::Up => scroll(run, 1),
        Intent::Down => scroll(run, -1),
        Intent::PageUp => scroll(run, 10),
        Intent::PageDown => scroll(run, -10),
        Intent::First => scroll(run, isize::MAX),
        Intent::Last => scroll(run, isize::MIN),
        Intent::Back | Intent::Accept | Intent::Zoom => {
            let mut effects = show(state, state.list);
            effects.extend(moved(state));
            effects
        }
        _ => Vec::new(),
    }
}

fn scroll(run: &mut RunScreen, by: isize) -> Effects {
    run.back = run
        .back
        .saturating_add_signed(by)
        .min(run.outcomes.len().saturating_sub(1));
    Vec::new()
}

/// Leads to the people who failed: marked, so that another push is one key away.
fn show_failed(state: &mut State) -> Effects {
    if state.run.failures.is_empty() {
        state.say("nobody failed");
        return Vec::new();
    }
    let people = &mut state.people;
    people.set_text(String::new());
    people.open_tab(Tab::All);
    people.marks = Marks::default();
    let rows: Vec<_> = state
        .run
        .failures
        .iter()
        .filter_map(|person| people.listing.find(person))
        .collect();
    people.marks.mark_all(&rows);
    people.show_marked();
    state.screen = state.list;
    fit(state);
    state.say("these people failed; they are marked");
    moved(state)
}
