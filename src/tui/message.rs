//! What happens to the screen, and what it wants done: plain values, so that a story is a list of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use crossterm::event::MouseEvent;
use jiff::Timestamp;
use ratatui::layout::Size;

use super::faces::{FaceKey, FaceQuestion};
use super::keymap::Key;
use super::looked::{PersonLook, SideView};
use super::paged::{Slice, Wanted};
use super::screens::person::{Fetch, PictureKey};
use crate::connector::LaneState;
use crate::connector::http::RequestRecord;
use crate::domain::anatomy::Colleagues;
use crate::domain::brake::parking::Parked;
use crate::domain::brake::quarantine::Quarantine;
use crate::domain::brake::removal::{StagedRemoval, Word};
use crate::domain::comparison::Verdict;
use crate::domain::explanation::Explanation;
use crate::domain::ids::{RunId, SourceId, TargetId};
use crate::domain::listing::{Listed, Listing, Row};
use crate::domain::person::SourcePerson;
use crate::domain::photo::Sha256;
use crate::domain::plan::Plan;
use crate::domain::run::{Outcome, PersonRef, StopReason, Summary};
use crate::domain::suspicion::{Faces, Gallery};
use crate::domain::tidying::TidyPlan;
use crate::engine::{PastFace, Removals};
use crate::graphics::{Canvas, Drawable};
use crate::report::text::number;
use crate::store::journal::{PastRun, PastStep, PeopleCursor, PeopleFilter, RunCursor, RunKind};

/// Something that happened.
#[derive(Debug)]
pub enum Message {
    /// A key was pressed.
    Key(Key),
    /// Text was pasted.
    Paste(String),
    /// The mouse did something.
    Mouse(MouseEvent),
    /// The window has another size, in cells.
    Resized(Size),
    /// What this terminal can draw is known.
    Canvas {
        /// How pictures are drawn.
        canvas: Canvas,
        /// Why so, in one sentence.
        why: String,
    },
    /// The last scan was read from disk, if there is one.
    Snapshot(Option<Box<Listed>>),
    /// A scan goes on.
    Scanning(ScanNews),
    /// A page of people, for a table that has nothing to show yet.
    Page(Vec<SourcePerson>),
    /// A scan is over.
    Scanned(Result<Box<Scanned>, Trouble>),
    /// People were compared behind the screen.
    Compared(Vec<Compared>),
    /// Comparing behind the screen is over.
    ComparingEnded(Result<(), Trouble>),
    /// Everybody's photos were judged again, now that more of them have been seen.
    Judged {
        /// The question's number.
        question: u64,
        /// All pictures that have been seen so far.
        gallery: Arc<Gallery>,
        /// Whose photo is probably not their own, and why.
        suspicions: Vec<(Row, String)>,
    },
    /// The cursor has rested for a moment since this many moves.
    Rested(u64),
    /// Somebody was looked at.
    Looked {
        /// Who.
        person: SourceId,
        /// What was seen.
        result: Result<Box<PersonLook>, Trouble>,
    },
    /// Why somebody's picture is what it is.
    Explained {
        /// The question's number; answers to older ones are dropped.
        question: u64,
        /// Why.
        result: Result<Box<Explanation>, Trouble>,
    },
    /// Who works with somebody.
    Colleagues {
        /// The question's number, that of the explanation.
        question: u64,
        /// Who.
        result: Result<Box<Colleagues>, Trouble>,
    },
    /// A picture of a link or of a colleague.
    Fetched {
        /// Which.
        key: PictureKey,
        /// What is to be seen.
        picture: SideView,
    },
    /// A picture is ready to be drawn.
    Painted {
        /// Which.
        key: PaintKey,
        /// The picture, or why it cannot be drawn; `None` if the work was dropped for newer work.
        result: Option<Result<Arc<Drawable>, String>>,
    },
    /// A plan is being made, of a push or of a cleaning.
    Planning {
        /// The question's number.
        question: u64,
        /// How far it is.
        news: ScanNews,
    },
    /// A plan was made.
    Planned {
        /// The question's number; answers to older ones are dropped.
        question: u64,
        /// The plan.
        result: Result<Box<Plan>, Trouble>,
    },
    /// A cleaning or an undo was planned.
    TidyingPlanned {
        /// The question's number; answers to older ones are dropped.
        question: u64,
        /// The plan.
        result: Result<Box<TidyPlan>, Trouble>,
    },
    /// Some of the runs of the past were read.
    Runs {
        /// Which.
        at: Wanted<RunCursor>,
        /// The runs.
        result: Result<Slice<PastRun, RunCursor>, Trouble>,
    },
    /// Some of the people of a run of the past were read.
    RunPeople {
        /// Which.
        at: Wanted<PeopleCursor>,
        /// The people.
        result: Result<Slice<PastStep, PeopleCursor>, Trouble>,
    },
    /// A face of the past, or one beside it, is there.
    Face {
        /// Which.
        key: FaceKey,
        /// What is to be seen.
        face: PastFace,
        /// What it is, in a few words.
        words: &'static str,
    },
    /// What slows the profile down: at the start, and after each run.
    Standing {
        /// The quarantine, if the profile is in one.
        quarantine: Option<Quarantine>,
        /// Whom runs pass over for a while.
        parked: Vec<Parked>,
        /// How many removals wait for somebody's word.
        waiting: u64,
    },
    /// What there is to know of avatars that may go because the photo is gone.
    Removals(Result<Box<Removals>, Trouble>),
    /// Whether a run was cut short and has left something to do; at the start, and after each run.
    Unfinished {
        /// People whose push had begun and was brought to an end a moment ago.
        settled: u64,
        /// The newest such run.
        left: Option<Box<Unfinished>>,
    },
    /// News of the run under way, all since the last ones; also of the settling of what an interrupted one has left.
    Run(RunNews),
    /// What an interrupted run had left is settled, without a run after it; or it is not, and why.
    SettlingEnded(Result<(), Trouble>),
    /// The run is over, or could not begin.
    RunEnded(Result<RunEnd, Trouble>),
    /// How the traffic is doing.
    Lanes(Vec<LaneState>),
    /// The last requests.
    Requests(Vec<RequestRecord>),
    /// Something was done at the edge: copied, opened.
    Said(String),
    /// Something could not be done.
    Trouble(Trouble),
    /// A signal asked the program to end.
    Terminate,
    /// Time has passed while something on the screen depends on it.
    Tick,
}

/// Something that did not work, in words fit for showing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What, and why.
    pub what: String,
    /// What to do next, where we know.
    pub hint: Option<String>,
}

impl Trouble {
    /// What, and what to do, as sentences.
    pub fn sentences(&self) -> String {
        let mut text = self.what.trim_end_matches('.').to_owned();
        if let Some(hint) = &self.hint {
            let mut letters = hint.chars();
            let first: String = letters
                .next()
                .map(|letter| letter.to_uppercase().collect())
                .unwrap_or_default();
            text.push_str(". ");
            text.push_str(&first);
            text.push_str(letters.as_str().trim_end_matches('.'));
        }
        text.push('.');
        text
    }
}

/// How far a scan is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanNews {
    /// What goes on: "listing people in Entra ID".
    pub what: &'static str,
    /// How many so far.
    pub done: u64,
    /// Of how many, where that is known.
    pub total: Option<u64>,
}

impl ScanNews {
    /// "7,992", or "40 of 310".
    pub fn figures(&self) -> String {
        match self.total {
            Some(total) => format!("{} of {}", number(self.done), number(total)),
            None => number(self.done),
        }
    }
}

/// What a scan has brought.
#[derive(Debug)]
pub struct Scanned {
    /// Everybody.
    pub listed: Listed,
    /// What went wrong on the way, in words.
    pub problems: Vec<String>,
    /// The pictures that were seen, in the order of the listing.
    pub gallery: Gallery,
}

/// One person compared behind the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Who.
    pub person: SourceId,
    /// The verdict.
    pub verdict: Verdict,
    /// Its reason.
    pub reason: String,
    /// The pictures that were seen.
    pub faces: Faces,
}

/// What is to be drawn, by SHA-256 of the bytes as a service sent them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A picture.
    Picture(Sha256),
    /// Where two pictures differ.
    Difference(Sha256, Sha256),
    /// A picture as people will see it: small and round.
    Circles(Sha256),
}

/// One thing to draw, in one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PaintKey {
    /// What.
    pub subject: Subject,
    /// The cells it may take.
    pub within: (u16, u16),
    /// Changes when the terminal's cells do.
    pub generation: u32,
}

/// What a run has done since the last news.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunNews {
    /// How far it has been looked after what an interrupted run has left.
    pub settling: Option<Settling>,
    /// Whom that was, in order.
    pub settled: Vec<StepDone>,
    /// The beginning, if it began.
    pub started: Option<RunStarted>,
    /// People counted by outcome.
    pub counted: Summary,
    /// People who were pushed, or for whom it did not work, in order.
    pub steps: Vec<StepDone>,
}

/// How far it has been looked after what an interrupted run has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settling {
    /// People looked after.
    pub done: u64,
    /// Of how many.
    pub total: u64,
}

/// How a run began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStarted {
    /// Its id.
    pub run: RunId,
    /// When.
    pub at: Timestamp,
    /// People it was asked to look at.
    pub selected: u64,
    /// Pushes and removals among them.
    pub steps: u64,
}

/// One step of a run, or of the settling before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepDone {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub person: PersonRef,
    /// How it ended.
    pub outcome: Outcome,
    /// What was done, or why not.
    pub detail: String,
    /// What to do about a failure.
    pub hint: Option<String>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// When.
    pub at: Timestamp,
    /// The numbers; they add up.
    pub summary: Summary,
    /// Why it ended early, if it did.
    pub stopped: Option<StopReason>,
    /// What went wrong beside the people.
    pub problems: Vec<String>,
}

/// Something to be done outside; the answer, if there is one, is a [`Message`].
#[derive(Debug)]
pub enum Effect {
    /// Scan both sides.
    Scan {
        /// Pages are wanted, because the table shows nobody yet.
        fill: bool,
    },
    /// Stop scanning.
    StopScan,
    /// Compare these people behind the screen, in this order.
    Compare(Vec<PersonRef>),
    /// Stop comparing.
    StopComparing,
    /// Judge everybody's photos again, with what has been seen since the scan.
    Judge {
        /// The question's number.
        question: u64,
        /// Everybody.
        listing: Arc<Listing>,
        /// The pictures that were seen by then.
        gallery: Arc<Gallery>,
        /// Those that were seen since, by row.
        seen: BTreeMap<u32, Faces>,
    },
    /// Say when the cursor has rested, with this number.
    Rest(u64),
    /// Look at these people, in this order of importance.
    Look(Vec<PersonRef>),
    /// Explain somebody's picture, and say who works with them. Whatever was asked before is not waited for any more.
    Explain {
        /// The question's number.
        question: u64,
        /// Who.
        person: PersonRef,
    },
    /// Fetch pictures of links and colleagues.
    Fetch(Vec<Fetch>),
    /// Make a picture ready to be drawn.
    Paint {
        /// Which, and how large.
        key: PaintKey,
        /// The bytes of its pictures as the service sent them: two for a difference, else one.
        bytes: Vec<Bytes>,
        /// Somebody waits for it; neighbours can wait.
        is_wanted_now: bool,
    },
    /// Nobody waits any more for pictures that are not begun.
    DropPaints,
    /// Make a plan.
    Plan {
        /// The number of the question.
        question: u64,
        /// For whom.
        who: Who,
        /// Photos that are probably not the person's own are pushed too: somebody has confirmed them.
        is_confirmed: bool,
    },
    /// Make a plan of a cleaning or of an undo.
    PlanTidying {
        /// The number of the question.
        question: u64,
        /// Which.
        tidying: Tidying,
    },
    /// Nobody waits for the plan any more, of whichever kind.
    DropPlan,
    /// Carry a cleaning or an undo out.
    Tidy {
        /// The plan.
        plan: Box<TidyPlan>,
        /// The run that it goes on with, if it goes on with one.
        continues: Option<RunId>,
    },
    /// Say what slows the profile down, and whether a run was cut short and has left something to do.
    ReadUnfinished,
    /// Read what there is to know of avatars that may go because the photo is gone.
    ReadRemovals,
    /// Say something about staged removals, as they were shown.
    Decide {
        /// Which.
        removals: Vec<StagedRemoval>,
        /// What is said.
        word: Word,
    },
    /// End the quarantine, or try these people again in the next run.
    Release(Release),
    /// Carry a plan out.
    Apply {
        /// The plan.
        plan: Box<Plan>,
        /// For whom it was made.
        who: Who,
    },
    /// Read some of the runs of the past.
    ReadRuns(Wanted<RunCursor>),
    /// Read some of the people of a run of the past.
    ReadRunPeople {
        /// Which.
        at: Wanted<PeopleCursor>,
        /// The run.
        run: RunId,
        /// Whom to list.
        filter: PeopleFilter,
    },
    /// Fetch faces of the past, and of now beside them.
    FetchFaces(Vec<FaceQuestion>),
    /// Pause the run.
    PauseRun,
    /// Go on with the run.
    ResumeRun,
    /// Stop the run after the writes in hand.
    CancelRun,
    /// Keep what the table shows for the next start.
    Keep(Kept),
    /// Make ready what the first letter of a filter would otherwise wait for.
    PrepareSearch(Arc<Listing>),
    /// Read the last requests.
    ReadRequests,
    /// Put text on the clipboard, through the terminal.
    Copy(String),
    /// Open an address in a browser, or say that there is none.
    Open(String),
    /// Draw everything anew.
    Redraw,
    /// Give the terminal back until the program is continued.
    Suspend,
    /// End the program.
    Quit,
}

/// What is kept for the next start.
#[derive(Clone, Debug)]
pub struct Kept {
    /// When the scan was finished.
    pub scanned_at: Timestamp,
    /// False if a listing was cut short.
    pub complete: bool,
    /// Everybody.
    pub listing: Arc<Listing>,
}

/// What is released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Release {
    /// The profile from its quarantine.
    Quarantine,
    /// These people, who are passed over because they keep failing.
    People(Vec<SourceId>),
}

/// What a plan of a tidying is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tidying {
    /// What nobody sees goes.
    Clean,
    /// What was changed is changed back.
    Undo(Undo),
}

/// What is taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// A whole run.
    Run(RunId),
    /// What a run did for one person.
    OfRun(RunId, SourceId),
    /// The last change to each of these people of the target.
    Last(Vec<TargetId>),
    /// What an undo that was cut short has not reached.
    Rest(RunId),
}

/// A run that was cut short and has left something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Which.
    pub run: CutShort,
    /// When it began.
    pub started: Timestamp,
    /// People whose push was begun and is not settled.
    pub unsettled: u64,
    /// People who were not reached, or who are to be tried again.
    pub left: u64,
    /// How many other runs were cut short.
    pub others: u64,
}

/// What there is to know of a run that was cut short to go on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutShort {
    /// Its id.
    pub id: RunId,
    /// What kind it was.
    pub kind: RunKind,
    /// What the brake said that stopped it, if one did.
    pub brake: Option<String>,
}

/// Whom a plan is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// These people.
    People(Vec<SourceId>),
    /// Everybody.
    Everybody,
    /// Those for whom a run that was cut short has left something to do.
    Rest(CutShort),
}
