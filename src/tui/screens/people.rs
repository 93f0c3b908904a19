//! The people: a virtual table over everybody, with tabs, filter, order and marks.

mod table;
pub mod view;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::comparison::Verdict;
use crate::domain::filter::FilterError;
use crate::domain::ids::SourceId;
use crate::domain::listing::{Column, Listed, Listing, Marks, Query, Row};
use crate::domain::person::SourcePerson;
use crate::domain::run::PersonRef;
use crate::domain::suspicion::{Faces, Gallery};
use crate::tui::message::{Effect, Kept};

/// The longest filter (`reliability.md` K8), in characters.
pub const QUERY_LIMIT: usize = 1_024;

/// A tab: some verdicts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tab {
    /// Everybody.
    All,
    /// Different pictures.
    Differs,
    /// A photo there, none here.
    Missing,
    /// An avatar here, no photo there.
    OnlyInTarget,
    /// Damaged, or not readable.
    Broken,
    /// Nobody to push to, or several.
    Unmatched,
    /// All is well.
    InSync,
    /// Neither side has one.
    Neither,
    /// Not compared yet.
    Undecided,
    /// Out of scope.
    Excluded,
}

impl Tab {
    /// All tabs, in the order in which they stand.
    pub const ALL: [Self; 10] = [
        Self::All,
        Self::Differs,
        Self::Missing,
        Self::OnlyInTarget,
        Self::Broken,
        Self::Unmatched,
        Self::InSync,
        Self::Neither,
        Self::Undecided,
        Self::Excluded,
    ];

    /// The word on it.
    pub fn words(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Differs => "Differs",
            Self::Missing => "Missing",
            Self::OnlyInTarget => "Only in SN",
            Self::Broken => "Broken",
            Self::Unmatched => "Unmatched",
            Self::InSync => "In sync",
            Self::Neither => "No photo",
            Self::Undecided => "Undecided",
            Self::Excluded => "Excluded",
        }
    }

    /// The verdicts on it; empty for everybody.
    pub fn verdicts(self) -> &'static [Verdict] {
        match self {
            Self::All => &[],
            Self::Differs => &[Verdict::Differs],
            Self::Missing => &[Verdict::Missing],
            Self::OnlyInTarget => &[Verdict::OnlyInTarget],
            Self::Broken => &[Verdict::Broken, Verdict::Error],
            Self::Unmatched => &[Verdict::Unmatched, Verdict::Ambiguous],
            Self::InSync => &[Verdict::InSync, Verdict::SamePicture],
            Self::Neither => &[Verdict::Neither],
            Self::Undecided => &[Verdict::Undecided],
            Self::Excluded => &[Verdict::Excluded],
        }
    }

    /// How many people are on it.
    pub fn count(self, listing: &Listing) -> u32 {
        match self {
            Self::All => listing.len() as u32,
            tab => tab
                .verdicts()
                .iter()
                .map(|verdict| listing.counts().of(*verdict))
                .sum(),
        }
    }
}

/// The order of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By name; the best match first while a filter ranks.
    Usual,
    /// By a column somebody has chosen.
    By(Column),
}

/// Where the table's people come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// There are none yet.
    Nothing,
    /// Pages of a scan under way.
    Pages,
    /// The last scan, read from disk.
    Snapshot(Timestamp),
    /// A scan of this session.
    Scan(Timestamp),
}

/// The table and what has been done to it.
#[derive(Debug)]
pub struct People {
    /// Everybody. Shared while something reads it behind the screen; changed in place otherwise.
    pub listing: Arc<Listing>,
    /// Where they come from.
    pub origin: Origin,
    /// False if a listing was cut short.
    pub complete: bool,
    /// The tab in front.
    pub tab: Tab,
    /// The order.
    pub order: Order,
    /// Turned round.
    pub is_reversed: bool,
    /// The filter as typed.
    pub text: String,
    /// Somebody is typing it.
    pub is_typing: bool,
    /// What is wrong with it.
    pub text_error: Option<FilterError>,
    query: Query,
    /// The rows the table shows, in order.
    pub rows: Vec<Row>,
    /// The row under the cursor, as a position in `rows`.
    pub cursor: usize,
    /// The first row on the screen; a multiple of `columns`.
    pub offset: usize,
    /// Rows that fit on the screen; set by the layout, a multiple of `columns`.
    pub height: usize,
    /// People beside each other on one line: one in the table, several on the contact sheet.
    pub columns: usize,
    /// Who is marked.
    pub marks: Marks,
    /// Where a range of marks began.
    pub anchor: Option<usize>,
    /// The table shows those who were marked, and nobody else.
    pub is_of_marked: bool,
    /// Orders worked out so far; they last as long as the listing.
    orders: HashMap<Column, Arc<[Row]>>,
    /// The pictures that the last scan has seen; none while a scan is under way.
    gallery: Option<Arc<Gallery>>,
    /// Those that were seen since, by row, until everybody is judged again.
    seen: BTreeMap<u32, Faces>,
    /// The question for a new judgement, if one is waited for.
    judging: Option<u64>,
    /// What the last search was for, and what it found in order of row: a longer query searches there.
    searched: Option<(Query, Tab, Vec<Row>)>,
}

impl Default for People {
    fn default() -> Self {
        Self {
            listing: Arc::default(),
            origin: Origin::Nothing,
            complete: true,
            tab: Tab::All,
            order: Order::Usual,
            is_reversed: false,
            text: String::new(),
            is_typing: false,
            text_error: None,
            query: Query::default(),
            rows: Vec::new(),
            cursor: 0,
            offset: 0,
            height: 1,
            columns: 1,
            marks: Marks::default(),
            anchor: None,
            is_of_marked: false,
            orders: HashMap::new(),
            gallery: None,
            seen: BTreeMap::new(),
            judging: None,
            searched: None,
        }
    }
}

impl People {
    /// The row under the cursor.
    pub fn current(&self) -> Option<Row> {
        self.rows.get(self.cursor).copied()
    }

    /// The person under the cursor.
    pub fn current_person(&self) -> Option<PersonRef> {
        self.current().map(|row| self.listing.entry(row).reference())
    }

    /// What is to be kept for the next start: everybody, if everybody was listed in one scan.
    pub fn kept(&self) -> Option<Kept> {
        match self.origin {
            Origin::Nothing | Origin::Pages => None,
            Origin::Snapshot(scanned_at) | Origin::Scan(scanned_at) => Some(Kept {
                scanned_at,
                complete: self.complete,
                listing: Arc::clone(&self.listing),
            }),
        }
    }

    /// The filter in force.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The people around the cursor, the nearest first, without the one under it.
    pub fn neighbours(&self, distance: usize) -> Vec<PersonRef> {
        let mut people = Vec::new();
        for step in 1..=distance {
            for position in [self.cursor.checked_add(step), self.cursor.checked_sub(step)] {
                if let Some(row) = position.and_then(|position| self.rows.get(position)) {
                    people.push(self.listing.entry(*row).reference());
                }
            }
        }
        people
    }

    /// The people on the screen, in order.
    pub fn on_screen(&self) -> &[Row] {
        self.window(self.offset)
    }

    /// The people of the screenful below, and of the one above.
    pub fn next_to_screen(&self) -> impl Iterator<Item = Row> {
        let below = self.window(self.offset + self.height);
        let above = if self.offset == 0 {
            &[]
        } else {
            let from = self.offset.saturating_sub(self.height);
            &self.rows[from.min(self.rows.len())..self.offset.min(self.rows.len())]
        };
        below.iter().chain(above).copied()
    }

    fn window(&self, from: usize) -> &[Row] {
        let from = from.min(self.rows.len());
        &self.rows[from..(from + self.height).min(self.rows.len())]
    }

    /// The pictures that the scan has seen, for judging again once more of them have been seen; `None` when another scan
    /// begins.
    pub fn keep_faces(&mut self, gallery: Option<Gallery>) {
        self.gallery = gallery.map(Arc::new);
        self.seen.clear();
        self.judging = None;
    }

    /// Pictures of somebody were seen.
    pub fn see(&mut self, person: &SourceId, faces: Faces) {
        if let Some(row) = self.listing.find(person)
            && self.gallery.is_some()
            && faces != Faces::default()
        {
            self.seen.insert(row.0, faces);
        }
    }

    /// Asks for a new judgement on everybody's photos, if any picture was seen since the last one.
    pub fn judge(&mut self, question: u64) -> Option<Effect> {
        let gallery = self.gallery.as_ref().filter(|_| !self.seen.is_empty())?;
        self.judging = Some(question);
        Some(Effect::Judge {
            question,
            listing: Arc::clone(&self.listing),
            gallery: Arc::clone(gallery),
            seen: std::mem::take(&mut self.seen),
        })
    }

    /// The new judgement; false if it is on other people.
    pub fn judged(&mut self, question: u64, gallery: Arc<Gallery>, suspicions: Vec<(Row, String)>) -> bool {
        if self.judging != Some(question) {
            return false;
        }
        self.judging = None;
        self.gallery = Some(gallery);
        self.searched = None;
        Arc::make_mut(&mut self.listing).set_suspicions(suspicions);
        true
    }

    /// Another listing takes the place of this one; cursor and marks stay with their people.
    pub fn replace(&mut self, listed: Listed, origin: Origin) {
        self.keep_faces(None);
        // Who came first in a listing under way is nobody that somebody has chosen.
        let is_chosen = self.origin != Origin::Pages || self.cursor > 0;
        let here = self.current().filter(|_| is_chosen);
        let here = here.map(|row| self.listing.entry(row).source());
        let marks = self.marks.remap(&self.listing, &listed.listing);
        self.listing = Arc::new(listed.listing);
        self.complete = listed.complete;
        self.origin = origin;
        self.marks = marks;
        self.anchor = None;
        self.orders.clear();
        self.searched = None;
        self.arrange(here.as_ref());
    }

    /// A page of people for a table that is still being filled.
    pub fn append(&mut self, people: &[SourcePerson]) {
        let first = self.listing.len() as u32;
        Arc::make_mut(&mut self.listing).append(people);
        self.origin = Origin::Pages;
        self.orders.clear();
        self.searched = None;
        let shows_everybody = self.tab == Tab::All && self.query.is_empty();
        if shows_everybody && self.order == Order::Usual && !self.is_reversed {
            // They come as they are listed: sorting every page anew would cost more than it helps.
            self.rows.extend((first..self.listing.len() as u32).map(Row));
            return;
        }
        let here = self.current().map(|row| self.listing.entry(row).source());
        self.arrange(here.as_ref().filter(|_| self.cursor > 0));
    }

    /// Another verdict for somebody. The rows stay where they are until the next arrangement, so that nothing moves
    /// under the cursor.
    pub fn set(&mut self, person: &SourceId, verdict: Verdict, reason: &str) -> bool {
        let Some(row) = self.listing.find(person) else {
            return false;
        };
        if self.listing.verdict(row) == verdict && self.listing.entry(row).reason() == reason {
            return false;
        }
        Arc::make_mut(&mut self.listing).set(row, verdict, reason);
        self.orders.remove(&Column::Verdict);
        self.searched = None;
        true
    }

    /// The verdict of comparing that somebody began a while ago; what has become known meanwhile is newer.
    pub fn settle(&mut self, person: &SourceId, verdict: Verdict, reason: &str) {
        let row = self.listing.find(person);
        if row.is_some_and(|row| self.listing.verdict(row) == Verdict::Undecided) {
            self.set(person, verdict, reason);
        }
    }

    /// The people who are marked, in order of row; the one under the cursor if nobody is.
    pub fn chosen(&self) -> Vec<SourceId> {
        if self.marks.count() > 0 {
            return self
                .marks
                .iter()
                .map(|row| self.listing.entry(row).source())
                .collect();
        }
        self.current()
            .map(|row| self.listing.entry(row).source())
            .into_iter()
            .collect()
    }

    /// Somebody is no longer marked.
    pub fn unmark(&mut self, person: &SourceId) {
        if let Some(row) = self.listing.find(person) {
            self.marks.unmark(row);
        }
    }

    /// Everybody whose pictures nobody has compared yet, in the order of the table.
    pub fn undecided(&self) -> Vec<PersonRef> {
        (0..self.listing.len() as u32)
            .map(Row)
            .filter(|row| self.listing.verdict(*row) == Verdict::Undecided)
            .map(|row| self.listing.entry(row).reference())
            .collect()
    }
}
