//! A plan that is being made, or waits for an answer: who, what, with faces, before anything is written.

pub mod view;

use std::collections::{BTreeMap, HashSet};

use crossterm::event::KeyCode;
use jiff::{SignedDuration, Timestamp};

use crate::domain::ids::SourceId;
use crate::domain::plan::{Change, Plan, Step};
use crate::domain::run::{Outcome, PersonRef};
use crate::report::text::{number, people as people_words};
use crate::store::journal::RunKind;
use crate::tui::intent::Intent;
use crate::tui::keymap::Key;
use crate::tui::message::{CutShort, Effect, ScanNews, Trouble, Undo, Unfinished, Who};
use crate::tui::screens::tidy;
use crate::tui::sight::{ask_around, paint_around, show};
use crate::tui::state::{Effects, Screen, State};
use crate::tui::view::moment;

/// Digits of the largest number that is typed.
const DIGITS: usize = 9;

/// The plan screen: a small machine.
#[derive(Debug, Default)]
pub enum PlanScreen {
    /// There is none.
    #[default]
    Nothing,
    /// It is being made.
    Making {
        /// The question's number.
        question: u64,
        /// For whom.
        who: Who,
        /// Photos that are probably not the person's own are pushed too: somebody has confirmed them.
        is_confirmed: bool,
        /// How far it is.
        news: Option<ScanNews>,
        /// The plan that has waited too long, if it is made again for that.
        instead_of: Option<Box<Plan>>,
    },
    /// It waits for an answer.
    Ready(Box<Proposal>),
    /// It cannot be made, or not be carried out.
    Refused(Trouble),
}

/// A plan with what the screen says about it.
#[derive(Debug)]
pub struct Proposal {
    /// The plan.
    pub plan: Plan,
    /// For whom it was made.
    pub who: Who,
    /// Reasons for doing nothing, with how many people each has; the most frequent first.
    pub skips: Vec<(String, u64)>,
    /// The names of those whose photo is probably not their own, and who wait for a confirmation.
    pub held_back: Vec<String>,
    /// Such photos are in the plan, because somebody at this screen has confirmed them.
    pub is_confirmed: bool,
    /// The number that has to be typed, if it is a large one.
    pub wanted: Option<u64>,
    /// What has been typed so far.
    pub typed: String,
    /// The first step on the list of faces.
    pub offset: usize,
    /// Why it may not be carried out, if it may not.
    pub obstacle: Option<String>,
    /// It was made again, because it had waited too long.
    pub again: Option<Again>,
}

/// A plan that had waited too long was made again (`reliability.md` N3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// For how long the one before had waited.
    pub waited: SignedDuration,
    /// People who are not in it any more.
    pub dropped: u64,
    /// People who were not in it before.
    pub joined: u64,
}

impl Again {
    /// A plan is accepted as it stands for so long; what is older is looked at once more.
    const FRESH: SignedDuration = SignedDuration::from_mins(15);

    /// True if a plan of this moment has waited too long by now.
    pub fn is_due(made_at: Timestamp, now: Timestamp) -> bool {
        now.duration_since(made_at) > Self::FRESH
    }

    /// What has become of a plan of this moment: `old` and `new` are the people of both.
    pub fn new(made_at: Timestamp, now: Timestamp, old: &[SourceId], new: &[SourceId]) -> Self {
        let missing = |from: &[SourceId], others: &[SourceId]| {
            let others: HashSet<&SourceId> = others.iter().collect();
            from.iter().filter(|person| !others.contains(person)).count() as u64
        };
        Self {
            waited: now.duration_since(made_at),
            dropped: missing(old, new),
            joined: missing(new, old),
        }
    }

    /// "Planned 17 minutes ago: looked again; 3 people dropped out."
    pub fn sentence(&self) -> String {
        let minutes = self.waited.as_mins();
        let when = match minutes {
            ..120 => format!("{minutes} minutes"),
            _ => format!("{} hours", minutes / 60),
        };
        let what = match (self.dropped, self.joined) {
            (0, 0) => "nobody dropped out".to_owned(),
            (dropped, 0) => format!("{} dropped out", people_words(dropped)),
            (0, joined) => format!("{} came in", people_words(joined)),
            (dropped, joined) => {
                format!(
                    "{} dropped out, {} came in",
                    people_words(dropped),
                    number(joined)
                )
            }
        };
        format!("Planned {when} ago: looked again; {what}.")
    }
}

impl PlanScreen {
    /// True while somebody waits for it.
    pub fn is_being_made(&self) -> bool {
        matches!(self, Self::Making { .. })
    }

    /// True if this key is part of the number that has to be typed.
    pub fn takes(&self, key: Key) -> bool {
        let Self::Ready(proposal) = self else { return false };
        proposal.wanted.is_some()
            && proposal.obstacle.is_none()
            && (key.typed().is_some_and(|letter| letter.is_ascii_digit()) || key.code == KeyCode::Backspace)
    }
}

impl Proposal {
    fn new(plan: Plan, who: Who, everybody: u64, obstacle: Option<String>) -> Self {
        let mut skips: BTreeMap<String, u64> = BTreeMap::new();
        let mut held_back = Vec::new();
        for skip in &plan.skips {
            if skip.is_held_back {
                held_back.push(skip.person.name.shown().into_owned());
                continue;
            }
            let reason = crate::domain::text::clean(&skip.reason);
            let verdict = skip.verdict.words();
            let words = if skip.outcome == Outcome::ChangedMeanwhile {
                format!("{}: {reason}", skip.outcome.words())
            } else if reason.starts_with(verdict) {
                reason.into_owned()
            } else {
                format!("{verdict}: {reason}")
            };
            *skips.entry(words).or_default() += 1;
        }
        let mut skips: Vec<(String, u64)> = skips.into_iter().collect();
        skips.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        // Whoever goes on although a brake has stopped the run has looked at why.
        let is_braked = matches!(&who, Who::Rest(CutShort { brake: Some(_), .. }));
        let wanted = plan.number_to_type(everybody);
        let steps = plan.steps.len() as u64;
        Self {
            wanted: wanted.or((is_braked && steps > 0).then_some(steps)),
            plan,
            who,
            skips,
            held_back,
            is_confirmed: false,
            typed: String::new(),
            offset: 0,
            obstacle,
            again: None,
        }
    }

    /// True if the answer may be yes now.
    pub fn may_be_accepted(&self) -> bool {
        self.obstacle.is_none()
            && !self.plan.steps.is_empty()
            && self.wanted.is_none_or(|wanted| self.typed.parse() == Ok(wanted))
    }

    /// The steps as they are shown: the faces that would vanish come before all others.
    pub fn in_order(&self) -> impl Iterator<Item = &Step> {
        let of = |vanishes: bool| {
            let steps = self.plan.steps.iter();
            steps.filter(move |step| (step.change == Change::Remove) == vanishes)
        };
        of(true).chain(of(false))
    }

    /// How many people each change concerns, those with people.
    pub fn changes(&self) -> Vec<(Change, u64)> {
        [Change::Remove, Change::Add, Change::Replace, Change::Repair]
            .into_iter()
            .map(|change| (change, self.plan.count(change)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

/// Asks for a plan and shows that it is being made.
pub fn ask(state: &mut State, who: Who) -> Effects {
    make(state, who, false, None)
}

fn make(state: &mut State, who: Who, is_confirmed: bool, instead_of: Option<Box<Plan>>) -> Effects {
    state.questions += 1;
    let question = state.questions;
    state.plan = PlanScreen::Making {
        question,
        who: who.clone(),
        is_confirmed,
        news: None,
        instead_of,
    };
    let mut effects = show(state, Screen::Plan);
    effects.push(Effect::Plan {
        question,
        who,
        is_confirmed,
    });
    effects
}

/// How far the making is.
pub fn progress(state: &mut State, question: u64, news: ScanNews) {
    if let PlanScreen::Making {
        question: wanted,
        news: known,
        ..
    } = &mut state.plan
        && *wanted == question
    {
        *known = Some(news);
    }
}

/// The answer; one to a question that nobody waits for any more is dropped.
pub fn planned(state: &mut State, question: u64, result: Result<Box<Plan>, Trouble>) -> Effects {
    match &state.plan {
        PlanScreen::Making { question: wanted, .. } if *wanted == question => {}
        _ => return Vec::new(),
    }
    let PlanScreen::Making {
        who,
        is_confirmed,
        instead_of,
        ..
    } = std::mem::take(&mut state.plan)
    else {
        return Vec::new();
    };
    state.plan = match result {
        Ok(mut plan) => {
            let again = instead_of.map(|old| {
                plan.drop_changed_since(&old);
                let people = |plan: &Plan| -> Vec<SourceId> {
                    let steps = plan.steps.iter();
                    steps.map(|step| step.person.source.clone()).collect()
                };
                Again::new(old.made_at, state.now, &people(&old), &people(&plan))
            });
            let obstacle = if state.setting.is_readonly {
                Some("read-only: this is what a push would do".to_owned())
            } else {
                plan.check(&state.setting.limits)
                    .err()
                    .map(|breach| breach.to_string())
            };
            let everybody = state.people.listing.len() as u64;
            PlanScreen::Ready(Box::new(Proposal {
                is_confirmed,
                again,
                ..Proposal::new(*plan, who, everybody, obstacle)
            }))
        }
        Err(trouble) => PlanScreen::Refused(trouble),
    };
    show_faces(state)
}

/// Asks for the pictures that are in sight.
fn show_faces(state: &mut State) -> Effects {
    let mut effects = paint_around(state);
    effects.extend(ask_around(state));
    effects
}

/// Whose pictures the plan shows: the first ones of the list, as many as there is room for.
pub fn faces(state: &State) -> Vec<PersonRef> {
    let PlanScreen::Ready(proposal) = &state.plan else {
        return Vec::new();
    };
    let room = view::areas(state, proposal).pairs.len();
    let steps = proposal.in_order().skip(proposal.offset);
    steps.take(room).map(|step| step.person.clone()).collect()
}

/// A digit of the number that has to be typed.
pub fn typed(state: &mut State, key: Key) -> Effects {
    if let PlanScreen::Ready(proposal) = &mut state.plan {
        type_digit(&mut proposal.typed, key);
    }
    Vec::new()
}

/// Works a key into a number that is being typed: a digit, or one away.
pub(super) fn type_digit(typed: &mut String, key: Key) {
    match key.typed() {
        Some(digit) if typed.len() < DIGITS => typed.push(digit),
        Some(_) => {}
        None => {
            typed.pop();
        }
    }
}

/// How many lines further down a plan is shown; 0 for what does not move.
pub(super) fn lines_further(intent: Intent) -> isize {
    match intent {
        Intent::Down => 1,
        Intent::Up => -1,
        Intent::PageDown => 10,
        Intent::PageUp => -10,
        Intent::First => isize::MIN,
        Intent::Last => isize::MAX,
        _ => 0,
    }
}

/// What somebody wants of the plan.
pub fn perform(state: &mut State, intent: Intent) -> Effects {
    let by = lines_further(intent);
    match (intent, &mut state.plan) {
        (Intent::Accept, PlanScreen::Ready(proposal)) if proposal.may_be_accepted() => accept(state),
        (Intent::Accept, PlanScreen::Ready(proposal)) => {
            if let Some(wanted) = proposal.wanted.filter(|_| proposal.obstacle.is_none()) {
                state.say(format!("this is a large change: type {wanted}, then accept"));
                return Vec::new();
            }
            leave(state)
        }
        // A key that was faster than the plan decides nothing.
        (Intent::Accept, PlanScreen::Making { .. }) => Vec::new(),
        (Intent::Accept | Intent::Back, _) => leave(state),
        (Intent::PushSuspicious, PlanScreen::Ready(proposal)) => {
            if matches!(proposal.who, Who::Rest(_)) {
                state.say("what a run has left is pushed as it was planned; push these people by themselves");
                return Vec::new();
            }
            if proposal.held_back.is_empty() && !proposal.is_confirmed {
                state.say("no photo is held back");
                return Vec::new();
            }
            let (who, is_confirmed) = (proposal.who.clone(), proposal.is_confirmed);
            make(state, who, !is_confirmed, None)
        }
        (_, PlanScreen::Ready(proposal)) if by != 0 => {
            let last = proposal.plan.steps.len().saturating_sub(1);
            proposal.offset = proposal.offset.saturating_add_signed(by).min(last);
            show_faces(state)
        }
        _ => Vec::new(),
    }
}

fn accept(state: &mut State) -> Effects {
    let PlanScreen::Ready(proposal) = std::mem::take(&mut state.plan) else {
        return Vec::new();
    };
    if Again::is_due(proposal.plan.made_at, state.now) {
        let Proposal {
            plan,
            who,
            is_confirmed,
            ..
        } = *proposal;
        return make(state, who, is_confirmed, Some(Box::new(plan)));
    }
    let steps = proposal.plan.steps.len() as u64;
    state.run.begin(steps, proposal.who.clone(), state.now);
    let mut effects = show(state, Screen::Run);
    effects.push(Effect::Apply {
        plan: Box::new(proposal.plan),
        who: proposal.who,
    });
    effects
}

fn leave(state: &mut State) -> Effects {
    let mut effects = show(state, state.list);
    effects.extend(drop_it(state));
    effects
}

/// Goes on with a run that was cut short: plans what it has left to do.
pub fn resume(state: &mut State, run: CutShort) -> Effects {
    if is_run_in_the_way(state) {
        return Vec::new();
    }
    match run.kind {
        RunKind::Undo => tidy::undo(state, Undo::Rest(run.id)),
        // It is planned from what is there.
        RunKind::Clean => tidy::clean_up(state),
        RunKind::Push | RunKind::Sync | RunKind::Apply => make(state, Who::Rest(run), false, None),
    }
}

/// Goes on with the newest run that was cut short.
pub fn resume_newest(state: &mut State) -> Effects {
    if let Some(unfinished) = &state.unfinished {
        let run = unfinished.run.clone();
        resume(state, run)
    } else {
        state.say("no run was cut short");
        Vec::new()
    }
}

/// It is known whether a run was cut short.
pub fn unfinished(state: &mut State, settled: u64, left: Option<Box<Unfinished>>) -> Effects {
    let is_news = left.is_some() && left != state.unfinished;
    state.unfinished = left;
    let mut parts = Vec::new();
    if settled > 0 {
        parts.push(format!(
            "settled what an interrupted run had left: {}",
            people_words(settled)
        ));
    }
    if let Some(unfinished) = state.unfinished.as_ref().filter(|_| is_news) {
        let key = state.keymap.key(Intent::Resume, state.theme.is_ascii);
        let mut what = Vec::new();
        if unfinished.unsettled > 0 {
            what.push(format!("{} begun", number(unfinished.unsettled)));
        }
        if unfinished.left > 0 {
            what.push(format!("{} not reached", number(unfinished.left)));
        }
        parts.push(format!(
            "the run of {} was cut short, {}; {key} goes on with it",
            moment(state, unfinished.started),
            what.join(", ")
        ));
    }
    if !parts.is_empty() {
        state.say(parts.join("; "));
    }
    Vec::new()
}

/// Says so if a run is under way, beside which no other can be planned.
pub fn is_run_in_the_way(state: &mut State) -> bool {
    let is_under_way = state.run.is_under_way();
    if is_under_way {
        let what = if state.run.is_settling_alone() {
            "what an interrupted run has left is being settled"
        } else {
            "a run is under way"
        };
        state.complain(&Trouble {
            what: what.into(),
            hint: Some(format!(
                "watch it with {}",
                state.keymap.key(Intent::ShowRun, state.theme.is_ascii)
            )),
        });
    }
    is_under_way
}

/// Nobody wants the plan any more, if there is one.
pub fn drop_it(state: &mut State) -> Effects {
    let was_being_made = state.plan.is_being_made();
    state.plan = PlanScreen::Nothing;
    was_being_made.then_some(Effect::DropPlan).into_iter().collect()
}
