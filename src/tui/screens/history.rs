//! The runs of the past, newest first: when, who, what came of it.

pub mod view;

use crate::domain::run::{Outcome, StopReason};
use crate::domain::text::clean;
use crate::report::text::number;
use crate::store::journal::{PastRun, RunCursor};
use crate::tui::intent::Intent;
use crate::tui::message::{CutShort, Effect, Trouble, Undo};
use crate::tui::paged::{Paged, Slice, Wanted};
use crate::tui::screens::{past, plan, tidy};
use crate::tui::sight::show;
use crate::tui::state::{Effects, Screen, State};

/// The list of runs.
#[derive(Debug, Default)]
pub struct HistoryScreen {
    /// The runs, newest first.
    pub runs: Paged<PastRun, RunCursor>,
}

/// How a run of the past stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It came to its end.
    Ended,
    /// It ended early, and says why.
    Stopped,
    /// It goes on at this screen.
    UnderWay,
    /// It has no end: it was interrupted, or goes on elsewhere.
    Unfinished,
}

/// How this run stands.
pub fn standing(state: &State, run: &PastRun) -> Standing {
    let run = &run.record;
    match (&run.finished, &run.stopped) {
        (Some(_), None) => Standing::Ended,
        (Some(_), Some(_)) => Standing::Stopped,
        (None, _) if state.run.is_under_way() && state.run.id.as_ref() == Some(&run.id) => Standing::UnderWay,
        (None, _) => Standing::Unfinished,
    }
}

/// Opens the list; it is read anew.
pub fn open(state: &mut State) -> Effects {
    let mut effects = plan::drop_it(state);
    effects.extend(tidy::drop_it(state));
    state.questions += 1;
    state.history.runs.restart(state.questions);
    effects.extend(show(state, Screen::History));
    effects.extend(read(state));
    effects
}

/// A run has begun or ended: what is listed is no longer so.
pub fn outdate(state: &mut State) -> Effects {
    state.questions += 1;
    state.history.runs.restart(state.questions);
    if state.screen == Screen::History {
        return read(state);
    }
    Vec::new()
}

/// Asks for the pages in sight.
pub fn read(state: &mut State) -> Effects {
    let wanted = state.history.runs.wanted();
    wanted.into_iter().map(Effect::ReadRuns).collect()
}

/// A page is there.
pub fn runs(
    state: &mut State,
    at: &Wanted<RunCursor>,
    result: Result<Slice<PastRun, RunCursor>, Trouble>,
) -> Effects {
    match result {
        Ok(slice) => {
            // The run that is open may have gone on since.
            if let Some(open) = &mut state.past.run
                && let Some(newer) = slice.rows.iter().find(|run| run.record.id == open.record.id)
            {
                open.clone_from(newer);
            }
            state.history.runs.put(at, slice);
        }
        Err(trouble) => state.history.runs.fail(at, trouble.sentences()),
    }
    if state.screen == Screen::History {
        return read(state);
    }
    Vec::new()
}

/// What somebody wants of the list.
pub fn perform(state: &mut State, intent: Intent) -> Effects {
    if state.history.runs.moves(intent) {
        return read(state);
    }
    match intent {
        Intent::Follow | Intent::Right => match state.history.runs.current() {
            Some(run) => {
                let run = run.clone();
                past::open(state, run)
            }
            None => Vec::new(),
        },
        Intent::Undo => {
            let Some(run) = state.history.runs.current() else {
                return Vec::new();
            };
            let run = run.record.id.clone();
            tidy::undo(state, Undo::Run(run))
        }
        Intent::Resume => {
            let Some(run) = state.history.runs.current() else {
                return Vec::new();
            };
            match standing(state, run) {
                Standing::Ended => {
                    state.say("this run came to its end");
                    Vec::new()
                }
                Standing::UnderWay | Standing::Stopped | Standing::Unfinished => {
                    let record = &run.record;
                    let run = CutShort {
                        id: record.id.clone(),
                        kind: record.start.kind,
                        brake: match &record.stopped {
                            Some(StopReason::Brake(why)) => Some(clean(why).into_owned()),
                            _ => None,
                        },
                    };
                    plan::resume(state, run)
                }
            }
        }
        Intent::Back => show(state, state.list),
        _ => Vec::new(),
    }
}

/// "3 updated, 1 failed"; of a run without an end what is known so far, and how many had no turn.
pub fn counts(run: &PastRun) -> String {
    let summary = run.record.summary.unwrap_or(run.endings);
    let mut counted: Vec<String> = Outcome::ALL
        .into_iter()
        .filter(|outcome| summary.of(*outcome) > 0)
        .map(|outcome| format!("{} {}", number(summary.of(outcome)), outcome.words()))
        .collect();
    if run.record.summary.is_none() {
        let left = [(run.unsettled, "not settled"), (run.not_reached(), "not reached")];
        let left = left.into_iter().filter(|(count, _)| *count > 0);
        counted.extend(left.map(|(count, words)| format!("{} {words}", number(count))));
    }
    if counted.is_empty() {
        "nobody".into()
    } else {
        counted.join(", ")
    }
}
