//! Everything the screen knows. Changed by `update` alone, drawn by `view` alone.

use std::collections::{HashMap, HashSet, VecDeque};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::layout::Size;

use super::dialogs::Dialog;
use super::faces::Faces;
use super::intent::Context;
use super::keymap::Keymap;
use super::message::{Effect, ScanNews, Trouble, Unfinished};
use super::pictures::Pictures;
use super::screens::history::HistoryScreen;
use super::screens::log::LogScreen;
use super::screens::past::PastScreen;
use super::screens::people::People;
use super::screens::person::PersonScreen;
use super::screens::plan::PlanScreen;
use super::screens::removals::RemovalsScreen;
use super::screens::run::RunScreen;
use super::screens::sheet::Sheet;
use super::screens::tidy::TidyScreen;
use super::screens::zoom::Comparison;
use super::theme::Theme;
use crate::connector::LaneState;
use crate::domain::brake::parking::Parked;
use crate::domain::brake::quarantine::Quarantine;
use crate::domain::ids::SourceId;
use crate::domain::plan::Limits;
use crate::graphics::Canvas;

/// What does not change while the screen is open.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The profile in force.
    pub profile: String,
    /// The tenant.
    pub tenant: String,
    /// The instance.
    pub instance: String,
    /// The profile writes to production.
    pub is_production: bool,
    /// Nothing may be written.
    pub is_readonly: bool,
    /// The administrator's limits.
    pub limits: Limits,
    /// The beginning of the address of a person's record in the target; the id follows.
    pub target_record: String,
    /// The same in the source.
    pub source_record: String,
    /// Facts for the about page: what, and its value.
    pub facts: Vec<(String, String)>,
}

/// Which screen is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// The people, with both pictures.
    People,
    /// The people, as pairs of pictures.
    Sheet,
    /// Why one person's picture is what it is.
    Person,
    /// Both pictures, as large as the screen, or compared in another way.
    Zoom,
    /// A plan that is being made, or waits for an answer.
    Plan,
    /// A cleaning or an undo that is being planned, or waits for an answer.
    Tidy,
    /// A run, under way or over.
    Run,
    /// The runs of the past.
    History,
    /// The people of a run of the past.
    Past,
    /// Avatars that may go because the photo is gone.
    Removals,
    /// The requests made.
    Log,
}

/// A sentence at the bottom, until something else is said or a key is pressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The sentence.
    pub text: String,
    /// How it is meant.
    pub tone: Tone,
}

/// How a sentence is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It worked, or is good to know.
    Calm,
    /// It did not work.
    Bad,
}

/// What the scan is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScanState {
    /// Nothing.
    Idle,
    /// Under way.
    Scanning(Option<ScanNews>),
    /// Somebody has stopped it; its end is waited for.
    Stopping,
    /// It did not work.
    Failed(Trouble),
}

/// What comparing behind the screen is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparing {
    /// Nothing.
    Idle,
    /// Under way.
    Under {
        /// People compared so far.
        done: u64,
        /// Of how many.
        total: u64,
    },
}

/// Everything the screen knows.
#[derive(Debug)]
pub struct State {
    /// What does not change.
    pub setting: Setting,
    /// Colours and signs.
    pub theme: Theme,
    /// Which key means what.
    pub keymap: Keymap,
    /// The time of the message being worked on.
    pub now: Timestamp,
    /// The time zone in which times are shown.
    pub zone: TimeZone,
    /// The window, in cells.
    pub size: Size,
    /// Which screen is open.
    pub screen: Screen,
    /// Where the requests lead back to.
    pub before_log: Screen,
    /// How the people are listed: [`Screen::People`] or [`Screen::Sheet`]. Other screens lead back to it.
    pub list: Screen,
    /// Where the large pictures lead back to.
    pub before_zoom: Screen,
    /// Where the plan of a cleaning or an undo leads back to.
    pub before_tidy: Screen,
    /// How the large pictures are compared.
    pub comparison: Comparison,
    /// How large the pictures of the contact sheet are.
    pub sheet: Sheet,
    /// The person whose picture is explained.
    pub person: PersonScreen,
    /// What lies over it.
    pub dialog: Option<Dialog>,
    /// The people.
    pub people: People,
    /// Both sides' pictures.
    pub pictures: Pictures,
    /// The move of the cursor after which it has rested.
    pub rested: u64,
    /// Who was pushed while somebody looked at them: what that look brings is no longer so.
    pub outdated: HashSet<SourceId>,
    /// How they are drawn, and why so.
    pub canvas: Canvas,
    /// See [`State::canvas`].
    pub canvas_why: String,
    /// The scan.
    pub scan: ScanState,
    /// Comparing behind the screen.
    pub comparing: Comparing,
    /// What went wrong in the last scan.
    pub problems: Vec<String>,
    /// How the traffic is doing.
    pub lanes: Vec<LaneState>,
    /// The plan.
    pub plan: PlanScreen,
    /// The cleaning or undo that is being planned or waits for an answer.
    pub tidy: TidyScreen,
    /// The runs of the past.
    pub history: HistoryScreen,
    /// The people of one of them.
    pub past: PastScreen,
    /// Avatars that may go because the photo is gone.
    pub removals: RemovalsScreen,
    /// Faces of the past, and of now beside them.
    pub faces: Faces,
    /// The run.
    pub run: RunScreen,
    /// The quarantine, if the profile is in one: scheduled runs wait.
    pub quarantine: Option<Quarantine>,
    /// Whom runs pass over for a while because they keep failing.
    pub parked: HashMap<SourceId, Parked>,
    /// A run that was cut short and has left something to do, if there is one.
    pub unfinished: Option<Box<Unfinished>>,
    /// The requests.
    pub log: LogScreen,
    /// What is said at the bottom.
    pub notice: Option<Notice>,
    /// Numbers questions, so that late answers are told from the one that is waited for.
    pub questions: u64,
    /// Leaving waits for the writes in hand.
    pub stops_run_at_end: bool,
}

impl State {
    /// The beginning: nobody yet.
    pub fn new(setting: Setting, theme: Theme, keymap: Keymap, size: Size) -> Self {
        Self {
            setting,
            theme,
            keymap,
            now: Timestamp::UNIX_EPOCH,
            zone: TimeZone::UTC,
            size,
            screen: Screen::People,
            before_log: Screen::People,
            list: Screen::People,
            before_zoom: Screen::People,
            before_tidy: Screen::People,
            comparison: Comparison::Pair,
            sheet: Sheet::default(),
            person: PersonScreen::default(),
            dialog: None,
            people: People::default(),
            pictures: Pictures::new(),
            rested: 0,
            outdated: HashSet::new(),
            canvas: Canvas::words_alone(),
            canvas_why: "the terminal has not been asked yet".into(),
            scan: ScanState::Idle,
            comparing: Comparing::Idle,
            problems: Vec::new(),
            lanes: Vec::new(),
            plan: PlanScreen::default(),
            tidy: TidyScreen::default(),
            history: HistoryScreen::default(),
            past: PastScreen::default(),
            removals: RemovalsScreen::default(),
            faces: Faces::default(),
            run: RunScreen::default(),
            quarantine: None,
            parked: HashMap::new(),
            unfinished: None,
            log: LogScreen::default(),
            notice: None,
            questions: 0,
            stops_run_at_end: false,
        }
    }

    /// True if the people are listed on the screen, in one way or the other.
    pub fn shows_list(&self) -> bool {
        self.screen == self.list
    }

    /// Where keys are looked up.
    pub fn context(&self) -> Context {
        match self.screen {
            Screen::People | Screen::Sheet | Screen::Person | Screen::Zoom => Context::People,
            Screen::Plan | Screen::Tidy => Context::Plan,
            Screen::Run => Context::Run,
            Screen::History | Screen::Past => Context::History,
            Screen::Removals if self.removals.question.is_some() => Context::Plan,
            Screen::Removals => Context::Removals,
            Screen::Log => Context::Everywhere,
        }
    }

    /// Says something at the bottom.
    pub fn say(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice {
            text: text.into(),
            tone: Tone::Calm,
        });
    }

    /// Says at the bottom what went wrong.
    pub fn complain(&mut self, trouble: &Trouble) {
        let text = match &trouble.hint {
            Some(hint) => format!("{} ({hint})", trouble.what),
            None => trouble.what.clone(),
        };
        self.notice = Some(Notice {
            text,
            tone: Tone::Bad,
        });
    }

    /// True if something on the screen depends on the time: a run, a pause that runs down.
    pub fn depends_on_time(&self) -> bool {
        self.run.is_under_way()
            || self.is_scanning()
            || matches!(self.comparing, Comparing::Under { .. })
            || self.lanes.iter().any(|lane| lane.paused.is_some())
            || self.plan.is_being_made()
            || self.tidy.is_being_made()
    }

    /// True until a scan has ended.
    pub fn is_scanning(&self) -> bool {
        matches!(self.scan, ScanState::Scanning(_) | ScanState::Stopping)
    }

    /// True if pictures may be drawn in this frame: nothing lies over them.
    pub fn shows_pictures(&self) -> bool {
        self.dialog.is_none()
    }
}

/// Effects in the order in which they are to be done.
pub type Effects = Vec<Effect>;

/// The last of many, oldest first.
pub fn push_bounded<T>(list: &mut VecDeque<T>, item: T, limit: usize) {
    if list.len() >= limit {
        list.pop_front();
    }
    list.push_back(item);
}
