//! What may come before what in a push (`reliability.md` 2), as a pure function over what happened. It knows nothing of
//! how a push is written: whatever does the steps in another order is refused here.

use std::collections::{HashMap, HashSet};

use crate::connector::Naming;
use crate::domain::ids::{PictureId, RecordId};
use crate::domain::photo::{AvatarChain, AvatarRecord, Column, Place, Scan, Sha256, StoredPicture};
use crate::domain::run::Outcome;

/// A write to the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// A record is created.
    Create(Place),
    /// A picture is stored at a record.
    Store(RecordId),
    /// A column is set, or cleared.
    Point(RecordId, Option<PictureId>),
    /// A row is deleted.
    Remove(PictureId),
    /// A record is deleted.
    Withdraw(RecordId),
}

/// What the target said to a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The new record.
    Created(RecordId),
    /// The new row.
    Stored(StoredPicture),
    /// What the column holds now.
    Holds(Column),
    /// It is gone.
    Gone,
    /// Nothing was done.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// One thing that happened, in the order in which somebody beside the program would have seen it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// The person's records were read.
    Looked(AvatarChain),
    /// The target said what it displays.
    Displayed(Option<PictureId>),
    /// The target said whose columns name these pictures.
    Named(Vec<PictureId>, Vec<Naming>),
    /// A column was read.
    ColumnRead(RecordId, Column),
    /// The bytes of a stored picture were read: their hash.
    BytesRead(PictureId, Option<Sha256>),
    /// The photo was fetched from the source.
    Fetched,
    /// The journal says that the person's turn has come.
    Begun,
    /// The vault holds bytes with this hash.
    Copied(Sha256),
    /// The journal says that these bytes are a copy of this row.
    Kept(PictureId, Sha256),
    /// The journal announces a write.
    Announced(i64, Write),
    /// The request is sent.
    Sent(Write),
    /// Its answer is there, or will never be.
    Answered(Reply),
    /// The journal says of an announced write whether it was done.
    Noted(i64, bool),
    /// The journal says how it ended.
    Ended {
        outcome: Outcome,
        /// Nothing is left to settle.
        is_settled: bool,
        /// It says how the target was left.
        is_seen: bool,
    },
}

/// What the person is to have in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// The picture with this hash.
    Picture(Sha256),
    /// None.
    Nothing,
}

/// The rules of the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Rule {
    /// S1: the target is read before anything else.
    LooksFirst,
    /// S2: the photo is at hand before anything is written.
    FetchesFirst,
    /// S3: whatever will be deleted is in the vault, and the journal says so, before anything is written.
    CopiesFirst,
    /// S4: records are created, after one more look, before anything is stored.
    CreatesFirst,
    /// S5: everything is stored before a column or something old is touched.
    StoresBeforeTouching,
    /// S6: what was stored is proved before anything is built on it.
    Proves,
    /// S7: a column that does not hold what it was set to ends the push.
    BelievesWhatIsRead,
    /// S8: what is displayed is asked for before anything old is deleted, and after each time it may have changed.
    AsksWhatIsDisplayed,
    /// S9: only what was seen at S1 or is our own is deleted, unless a column names it.
    DeletesOnlyItsOwn,
    /// S9: a record keeps the wanted picture, and of several old ones the youngest goes first.
    LeavesNoGap,
    /// A write is announced before it is sent, once for each time.
    Announces,
    /// How a write went is noted after its answer and before the next write.
    NotesAnswers,
    /// A write whose outcome is unknown is looked up before anything else is written.
    LooksUp,
    /// After the last write rules of the instance get their time; then it is looked at and asked.
    LooksAgain,
    /// S10: the end is noted once a turn, and after it nothing is written. A turn that left something, or failed, may be
    /// followed by another, which begins with a look of its own.
    EndsLast,
}

impl Rule {
    pub(super) const ALL: [Self; 15] = [
        Self::LooksFirst,
        Self::FetchesFirst,
        Self::CopiesFirst,
        Self::CreatesFirst,
        Self::StoresBeforeTouching,
        Self::Proves,
        Self::BelievesWhatIsRead,
        Self::AsksWhatIsDisplayed,
        Self::DeletesOnlyItsOwn,
        Self::LeavesNoGap,
        Self::Announces,
        Self::NotesAnswers,
        Self::LooksUp,
        Self::LooksAgain,
        Self::EndsLast,
    ];
}

/// A rule that was broken, and at which effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) rule: Rule,
    pub(super) at: usize,
}

/// Every rule that this order of effects breaks.
pub(super) fn broken(trace: &[Effect], goal: Goal) -> Vec<Broken> {
    let mut checker = Checker {
        trace,
        goal,
        at: 0,
        broken: Vec::new(),
        is_begun: false,
        end: End::NotYet,
        intents: Vec::new(),
        on_its_way: None,
        copied: HashSet::new(),
        kept: HashMap::new(),
        learned: HashMap::new(),
        elsewhere: HashMap::new(),
        pass: Pass::default(),
    };
    for (at, effect) in trace.iter().enumerate() {
        checker.at = at;
        checker.take(effect);
    }
    checker.at = trace.len();
    checker.require(Rule::EndsLast, checker.end != End::NotYet);
    checker.broken
}

/// What is displayed, as far as it was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Shown {
    #[default]
    NotAsked,
    Nothing,
    Picture(PictureId),
}

/// Whether the end was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    NotYet,
    /// Another turn may follow once it has looked.
    OfATurn {
        has_looked: bool,
    },
    ForGood,
}

struct Intent {
    id: i64,
    write: Write,
    is_sent: bool,
    reply: Option<Reply>,
    /// True once the target was read after an answer that never came.
    is_looked_up: bool,
    is_noted: bool,
}

/// From S1 on; a push begins anew with a smaller photo, or when a rule of the instance has undone it.
#[derive(Default)]
struct Pass {
    /// The target at S1.
    before: Option<AvatarChain>,
    /// The target as it must be by all that is known.
    now: Option<AvatarChain>,
    is_fetched: bool,
    has_written: bool,
    /// Something old is gone, or a column was set.
    has_touched: bool,
    created: HashSet<RecordId>,
    stored: Vec<PictureId>,
    /// The look since the last write of a picture or record.
    look: Option<AvatarChain>,
    /// What was displayed, asked since the last write.
    displayed: Shown,
    /// What was displayed, asked since anything but a deletion at this record was written.
    displayed_before_deleting: Option<(Option<PictureId>, Option<RecordId>)>,
    has_odd_column: bool,
}

struct Checker<'a> {
    trace: &'a [Effect],
    goal: Goal,
    at: usize,
    broken: Vec<Broken>,
    is_begun: bool,
    end: End,
    intents: Vec<Intent>,
    /// The intent whose answer is awaited.
    on_its_way: Option<usize>,
    copied: HashSet<Sha256>,
    kept: HashMap<PictureId, Sha256>,
    learned: HashMap<PictureId, Sha256>,
    /// Pictures that were asked about, and whether another person's record names them.
    elsewhere: HashMap<PictureId, bool>,
    pass: Pass,
}

impl Checker<'_> {
    fn require(&mut self, rule: Rule, holds: bool) {
        if !holds {
            self.broken.push(Broken { rule, at: self.at });
        }
    }

    fn take(&mut self, effect: &Effect) {
        match effect {
            Effect::Looked(chain) => self.looked(chain),
            Effect::Displayed(shown) => {
                self.pass.displayed = shown.clone().map_or(Shown::Nothing, Shown::Picture);
                self.pass.displayed_before_deleting = Some((shown.clone(), None));
            }
            Effect::Named(asked, naming) => self.named(asked, naming),
            Effect::ColumnRead(record, column) => {
                self.learn_column(record, column);
                self.looked_up(|write| matches!(write, Write::Point(at, _) if at == record));
            }
            Effect::BytesRead(picture, sha256) => {
                if let Some(sha256) = sha256 {
                    self.learned.insert(picture.clone(), *sha256);
                }
            }
            Effect::Fetched => {
                self.require(Rule::LooksFirst, self.pass.now.is_some());
                if self.pass.is_fetched {
                    let now = self.pass.now.take();
                    self.pass = Pass {
                        before: now.clone(),
                        now,
                        ..Pass::default()
                    };
                }
                self.pass.is_fetched = true;
            }
            Effect::Begun => self.is_begun = true,
            Effect::Copied(sha256) => {
                self.copied.insert(*sha256);
            }
            Effect::Kept(picture, sha256) => {
                self.require(Rule::CopiesFirst, self.copied.contains(sha256));
                self.kept.insert(picture.clone(), *sha256);
            }
            Effect::Announced(id, write) => {
                if self.end == (End::OfATurn { has_looked: true }) {
                    self.end = End::NotYet;
                }
                self.require(Rule::LooksFirst, self.pass.before.is_some());
                self.require(Rule::Announces, self.is_begun);
                self.intents.push(Intent {
                    id: *id,
                    write: write.clone(),
                    is_sent: false,
                    reply: None,
                    is_looked_up: false,
                    is_noted: false,
                });
            }
            Effect::Sent(write) => self.sent(write),
            Effect::Answered(reply) => self.answered(reply),
            Effect::Noted(id, is_done) => self.noted(*id, *is_done),
            Effect::Ended {
                outcome,
                is_settled,
                is_seen,
            } => self.ended(*outcome, *is_settled, *is_seen),
        }
    }

    fn looked(&mut self, chain: &AvatarChain) {
        if let End::OfATurn { has_looked } = &mut self.end {
            *has_looked = true;
        }
        if self.pass.before.is_none() {
            self.pass.before = Some(chain.clone());
        }
        self.pass.now = Some(chain.clone());
        self.pass.look = Some(chain.clone());
        self.looked_up(|_| true);
    }

    fn learn_column(&mut self, record: &RecordId, column: &Column) {
        let records = self.pass.now.iter_mut().flat_map(|now| &mut now.records);
        for known in records.filter(|known| &known.id == record) {
            known.column = column.clone();
        }
    }

    fn looked_up(&mut self, is_told: impl Fn(&Write) -> bool) {
        for intent in &mut self.intents {
            intent.is_looked_up |= intent.reply == Some(Reply::Unknown) && is_told(&intent.write);
        }
    }

    fn named(&mut self, asked: &[PictureId], naming: &[Naming]) {
        let own: HashSet<&RecordId> = self
            .pass
            .now
            .iter()
            .flat_map(|chain| chain.records.iter().map(|record| &record.id))
            .collect();
        for picture in asked {
            let is_named = naming
                .iter()
                .any(|naming| &naming.picture == picture && !own.contains(&naming.record));
            self.elsewhere.insert(picture.clone(), is_named);
        }
    }

    fn sent(&mut self, write: &Write) {
        self.require(Rule::LooksFirst, self.pass.before.is_some());
        self.require(Rule::FetchesFirst, self.pass.is_fetched);
        self.require(Rule::EndsLast, self.end == End::NotYet);
        if !self.pass.has_written {
            let is_copied = self.goes_later().all(|picture| {
                let row = self.pass.before.as_ref().and_then(|chain| chain.picture(picture));
                row.is_none_or(|row| {
                    self.kept
                        .get(picture)
                        .is_some_and(|kept| row.sha256.is_none_or(|stated| stated == *kept))
                })
            });
            self.require(Rule::CopiesFirst, is_copied);
        }
        self.pass.has_written = true;
        let before: Vec<bool> = self
            .intents
            .iter()
            .filter(|intent| intent.is_sent)
            .map(|intent| intent.is_noted || intent.reply == Some(Reply::Unknown))
            .collect();
        self.require(Rule::NotesAnswers, before.into_iter().all(|is_noted| is_noted));
        let is_known = self.intents.iter().all(|intent| {
            intent.reply != Some(Reply::Unknown)
                || intent.is_looked_up
                || matches!(intent.write, Write::Remove(_))
        });
        self.require(Rule::LooksUp, is_known);
        match write {
            Write::Create(_) => self.creates(),
            Write::Store(record) => self.stores(record),
            Write::Point(_, Some(picture)) => self.points(picture),
            Write::Point(_, None) => self.pass.has_touched = true,
            Write::Remove(picture) => self.removes(picture),
            Write::Withdraw(record) => {
                self.require(Rule::DeletesOnlyItsOwn, self.pass.created.contains(record));
            }
        }
        let announced = self
            .intents
            .iter()
            .position(|intent| !intent.is_sent && &intent.write == write);
        self.require(Rule::Announces, announced.is_some());
        if let Some(announced) = announced {
            self.intents[announced].is_sent = true;
        }
        self.on_its_way = announced;
    }

    /// Rows that are deleted from here to the end of this pass.
    fn goes_later(&self) -> impl Iterator<Item = &PictureId> {
        self.trace[self.at..]
            .iter()
            .take_while(|effect| **effect != Effect::Fetched)
            .filter_map(|effect| match effect {
                Effect::Sent(Write::Remove(picture)) => Some(picture),
                _ => None,
            })
    }

    fn creates(&mut self) {
        let is_first = self.pass.stored.is_empty() && !self.pass.has_touched;
        let has_looked = self.pass.look.is_some();
        // The look of S1 may be minutes old.
        let is_fresh = self.trace[..self.at]
            .iter()
            .rev()
            .take_while(|effect| !matches!(effect, Effect::Answered(_) | Effect::Fetched))
            .any(|effect| matches!(effect, Effect::Looked(_)));
        self.require(Rule::CreatesFirst, is_first && has_looked && is_fresh);
    }

    fn stores(&mut self, record: &RecordId) {
        let is_there = self
            .pass
            .now
            .as_ref()
            .is_some_and(|chain| chain.records.iter().any(|known| &known.id == record));
        self.require(Rule::CreatesFirst, is_there);
        self.require(Rule::StoresBeforeTouching, !self.pass.has_touched);
        let is_proved = self.pass.stored.iter().all(|picture| self.is_as_sent(picture));
        self.require(Rule::Proves, is_proved);
    }

    fn points(&mut self, picture: &PictureId) {
        let is_there = self
            .pass
            .now
            .as_ref()
            .is_some_and(|chain| chain.picture(picture).is_some());
        self.require(Rule::DeletesOnlyItsOwn, is_there);
        if self.is_wanted(picture) {
            self.require(Rule::StoresBeforeTouching, !self.stores_later());
            self.require(Rule::Proves, self.is_all_proved());
        }
        self.pass.has_touched = true;
    }

    fn removes(&mut self, picture: &PictureId) {
        let Some(now) = self.pass.now.clone() else { return };
        let named = Column::Names(picture.clone());
        let is_named = now.records.iter().any(|record| record.column == named);
        self.require(Rule::DeletesOnlyItsOwn, !is_named);
        let before = self.pass.before.clone();
        let is_old = before
            .as_ref()
            .is_some_and(|before| before.picture(picture).is_some());
        let holder = now
            .records
            .iter()
            .find(|record| record.picture(picture).is_some());
        if !is_old {
            let is_ours = self.pass.stored.contains(picture) || self.came_of_no_answer(picture);
            self.require(Rule::DeletesOnlyItsOwn, is_ours);
            let had_one = before.is_some_and(|before| before.served.is_some());
            let others = now.records.iter().flat_map(AvatarRecord::image_rows);
            let plain = now.records.iter().any(|record| match &record.column {
                Column::Names(id) => id != picture && now.picture(id).is_some(),
                Column::Empty | Column::Unreadable => false,
            });
            let is_last = !plain && !others.into_iter().any(|row| &row.id != picture);
            self.require(Rule::LeavesNoGap, !had_one || !is_last);
            return;
        }
        self.require(
            Rule::DeletesOnlyItsOwn,
            self.elsewhere.get(picture) == Some(&false),
        );
        self.require(Rule::CopiesFirst, self.kept.contains_key(picture));
        self.require(Rule::BelievesWhatIsRead, !self.pass.has_odd_column);
        self.pass.has_touched = true;
        let Goal::Picture(_) = self.goal else { return };
        self.require(Rule::StoresBeforeTouching, !self.stores_later());
        self.require(Rule::Proves, self.is_all_proved());
        let (Some(holder), Some(before)) = (holder, before) else {
            return;
        };
        let keeps_ours = holder
            .pictures
            .iter()
            .any(|row| &row.id != picture && self.is_sound(row));
        let younger = before
            .records
            .iter()
            .find(|record| record.id == holder.id)
            .into_iter()
            .flat_map(|record| {
                record
                    .pictures
                    .iter()
                    .skip_while(|row| &row.id != picture)
                    .skip(1)
            });
        let goes_later: Vec<&PictureId> = self.goes_later().collect();
        let is_youngest = younger
            .filter(|row| now.picture(&row.id).is_some())
            .all(|row| !goes_later.contains(&&row.id));
        self.require(Rule::LeavesNoGap, keeps_ours && is_youngest);
        let has_asked = match &self.pass.displayed_before_deleting {
            Some((Some(shown), deleting)) if deleting.as_ref().is_none_or(|record| *record == holder.id) => {
                // Ours; or an older one that hides it, while another record's old picture catches whoever falls.
                self.is_wanted(shown)
                    || (holder.picture(shown).is_some()
                        || before
                            .picture(shown)
                            .is_some_and(|_| now.picture(shown).is_none()))
                        && holder.column == Column::Empty
                        && now.records.iter().any(|record| {
                            record.id != holder.id
                                && record.image_rows().any(|row| before.picture(&row.id).is_some())
                        })
            }
            Some((Some(shown), _)) => self.is_wanted(shown),
            _ => false,
        };
        self.require(Rule::AsksWhatIsDisplayed, has_asked);
        let shown = self
            .pass
            .displayed_before_deleting
            .take()
            .and_then(|(shown, _)| shown);
        self.pass.displayed_before_deleting = Some((shown, Some(holder.id.clone())));
    }

    fn answered(&mut self, reply: &Reply) {
        let Some(position) = self.on_its_way.take() else {
            self.require(Rule::Announces, false);
            return;
        };
        let write = self.intents[position].write.clone();
        self.intents[position].reply = Some(reply.clone());
        self.pass.displayed = Shown::NotAsked;
        match (&write, reply) {
            (Write::Create(place), Reply::Created(record)) => {
                self.pass.created.insert(record.clone());
                if let Some(now) = &mut self.pass.now {
                    now.records.push(AvatarRecord {
                        place: *place,
                        id: record.clone(),
                        column: Column::Empty,
                        pictures: Vec::new(),
                    });
                }
            }
            (Write::Store(record), Reply::Stored(row)) => {
                let is_new = self
                    .pass
                    .before
                    .as_ref()
                    .is_none_or(|before| before.picture(&row.id).is_none());
                if is_new {
                    self.pass.stored.push(row.id.clone());
                }
                let records = self.pass.now.iter_mut().flat_map(|now| &mut now.records);
                for known in records.filter(|known| &known.id == record) {
                    known.pictures.push(row.clone());
                }
            }
            (Write::Point(record, picture), Reply::Holds(column)) => {
                let wanted = picture.clone().map_or(Column::Empty, Column::Names);
                self.pass.has_odd_column |= *column != wanted;
                self.learn_column(record, column);
            }
            (Write::Remove(picture), Reply::Gone) => {
                let records = self.pass.now.iter_mut().flat_map(|now| &mut now.records);
                for known in records {
                    known.pictures.retain(|row| &row.id != picture);
                }
                self.pass.stored.retain(|stored| stored != picture);
            }
            _ => {}
        }
        if matches!(write, Write::Create(_) | Write::Store(_)) {
            self.pass.look = None;
        }
        if !matches!(write, Write::Remove(_)) {
            self.pass.displayed_before_deleting = None;
        }
    }

    fn noted(&mut self, id: i64, is_done: bool) {
        let position = self.intents.iter().position(|intent| intent.id == id);
        let is_right = position.is_some_and(|position| {
            let intent = &self.intents[position];
            let is_told = match &intent.reply {
                None => false,
                Some(Reply::Refused) => !is_done,
                Some(Reply::Unknown) => {
                    intent.is_looked_up || (matches!(intent.write, Write::Remove(_)) && !is_done)
                }
                Some(_) => is_done,
            };
            is_told && !intent.is_noted
        });
        self.require(Rule::NotesAnswers, is_right);
        let Some(position) = position else { return };
        let intent = &mut self.intents[position];
        intent.is_noted = true;
        // What the column holds was read when no answer came.
        if let (Write::Point(record, picture), Some(Reply::Unknown), true) =
            (&intent.write, &intent.reply, is_done)
        {
            let column = picture.clone().map_or(Column::Empty, Column::Names);
            let records = self.pass.now.iter_mut().flat_map(|now| &mut now.records);
            for known in records.filter(|known| &known.id == record) {
                known.column = column.clone();
            }
        }
    }

    fn ended(&mut self, outcome: Outcome, is_settled: bool, is_seen: bool) {
        self.require(Rule::EndsLast, self.end != End::ForGood);
        self.end = if outcome == Outcome::Failed || !is_settled {
            End::OfATurn { has_looked: false }
        } else {
            End::ForGood
        };
        let is_open = self.intents.iter().any(|intent| {
            let is_taken_back = intent.reply == Some(Reply::Unknown) && intent.is_looked_up;
            !intent.is_noted && !is_taken_back
        });
        self.require(Rule::NotesAnswers, !is_settled || !is_open);
        // A success whose last look failed says so, and says nothing of how the target was left.
        if !matches!(outcome, Outcome::Updated | Outcome::Removed) || !is_seen {
            return;
        }
        let since: Vec<&Effect> = self.trace[..self.at]
            .iter()
            .rev()
            .take_while(|effect| !matches!(effect, Effect::Answered(_)))
            .collect();
        let has_looked = since.iter().any(|effect| matches!(effect, Effect::Looked(_)));
        let shows = match (&self.pass.displayed, self.goal) {
            (Shown::Picture(shown), Goal::Picture(_)) => self.is_wanted(shown),
            (Shown::Nothing, Goal::Nothing) => true,
            _ => false,
        };
        self.require(Rule::LooksAgain, has_looked && shows);
    }

    fn stores_later(&self) -> bool {
        self.trace[self.at..]
            .iter()
            .take_while(|effect| **effect != Effect::Fetched)
            .any(|effect| matches!(effect, Effect::Sent(Write::Store(_) | Write::Create(_))))
    }

    fn hash(&self, row: &StoredPicture) -> Option<Sha256> {
        row.sha256.or_else(|| self.learned.get(&row.id).copied())
    }

    fn is_sound(&self, row: &StoredPicture) -> bool {
        let is_through = matches!(row.scan, Scan::Available | Scan::NotScanned);
        self.hash(row).map(Goal::Picture) == Some(self.goal) && row.can_be_served() && is_through
    }

    /// True for a row with the wanted bytes, as far as is known.
    fn is_wanted(&self, picture: &PictureId) -> bool {
        let row = self.pass.now.as_ref().and_then(|chain| chain.picture(picture));
        row.is_some_and(|row| self.hash(row).map(Goal::Picture) == Some(self.goal))
    }

    /// The part of S6 that the answer tells.
    fn is_as_sent(&self, picture: &PictureId) -> bool {
        self.is_wanted(picture)
    }

    /// S6: a look since the last write of a picture found each of them, whole and through the virus scan.
    fn is_all_proved(&self) -> bool {
        self.pass.look.as_ref().is_some_and(|look| {
            self.pass
                .stored
                .iter()
                .all(|picture| look.picture(picture).is_some_and(|row| self.is_sound(row)))
        })
    }

    /// A row with the wanted bytes at a record to which a picture was sent without an answer.
    fn came_of_no_answer(&self, picture: &PictureId) -> bool {
        let Some(now) = &self.pass.now else { return false };
        let holder = now
            .records
            .iter()
            .find(|record| record.picture(picture).is_some());
        self.is_wanted(picture)
            && self.intents.iter().any(|intent| {
                intent.reply == Some(Reply::Unknown)
                    && matches!(&intent.write, Write::Store(record) if Some(record) == holder.map(|holder| &holder.id))
            })
    }
}
