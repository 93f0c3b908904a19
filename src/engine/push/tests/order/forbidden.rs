//! The rules held against every order that they are there to forbid: a push that went well is told in that order, and
//! the rule must refuse it.

use std::collections::HashSet;

use super::rules::{Effect, Goal, Reply, Rule, Write, broken};
use super::*;
use crate::connector::Naming;
use crate::domain::ids::{PictureId, RecordId};
use crate::domain::photo::AvatarChain;

/// A push that went well, to be told in another order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tale {
    /// A profile is created, both pictures are stored, both columns set, the old picture deleted.
    Whole,
    /// Two old pictures make way, and no column is touched.
    WithoutColumns,
    /// Several old pictures at one record.
    Several,
    /// The answer to the first picture was lost.
    LostAnswer,
    /// The avatar is taken away.
    Removal,
}

impl Tale {
    const ALL: [Self; 5] = [
        Self::Whole,
        Self::WithoutColumns,
        Self::Several,
        Self::LostAnswer,
        Self::Removal,
    ];

    fn goal(self) -> Goal {
        match self {
            Self::Removal => Goal::Nothing,
            _ => Goal::Picture(Sha256::of(&new())),
        }
    }

    async fn trace(self) -> Vec<Effect> {
        let (scene, change) = match self {
            Self::Whole => (Start::NoProfile.scene(Columns::Named), Change::Replace),
            Self::WithoutColumns => (Start::OldPictures.scene(Columns::Follow), Change::Replace),
            Self::Several => (Start::SeveralOldPictures.scene(Columns::Named), Change::Replace),
            Self::LostAnswer => {
                let scene = Start::OldPictures.scene(Columns::Follow);
                scene.world.lose_answer("target.upload", 1);
                (scene, Change::Replace)
            }
            Self::Removal => {
                let scene = Start::Article.scene(Columns::Follow);
                scene.world.set_photo("ada", None);
                (scene, Change::Remove)
            }
        };
        let seen = scene.seen(change).await;
        assert_eq!(
            broken(&seen.trace, self.goal()),
            vec![],
            "{self:?}: {:#?}",
            seen.trace
        );
        seen.trace
    }
}

/// An order that must not be, and the rule that refuses it.
struct Forbidden {
    what: &'static str,
    tale: Tale,
    rule: Rule,
    change: fn(&mut Trace),
}

/// What was seen, to be put in another order.
struct Trace(Vec<Effect>);

impl Trace {
    fn find(&self, from: usize, is: impl Fn(&Effect) -> bool) -> usize {
        let found = self.0[from..].iter().position(is);
        from + found.expect("it happened")
    }

    fn first(&self, is: impl Fn(&Effect) -> bool) -> usize {
        self.find(0, is)
    }

    fn last(&self, is: impl Fn(&Effect) -> bool) -> usize {
        self.0.iter().rposition(is).expect("it happened")
    }

    fn forget(&mut self, is: impl Fn(&Effect) -> bool) {
        let before = self.0.len();
        self.0.retain(|effect| !is(effect));
        assert!(self.0.len() < before, "it happened");
    }

    fn put(&mut self, at: usize, effects: impl IntoIterator<Item = Effect>) {
        self.0.splice(at..at, effects);
    }

    fn shift(&mut self, from: usize, to: usize) {
        let effect = self.0.remove(from);
        self.0.insert(to, effect);
    }

    /// Takes a write out: announced, sent, answered, noted.
    fn take(&mut self, nth: usize, is: fn(&Write) -> bool) -> Vec<Effect> {
        let of = |effects: &[Effect], which: fn(&Effect) -> Option<&Write>| {
            let mut found = effects
                .iter()
                .enumerate()
                .filter(|(_, effect)| which(effect).is_some_and(is));
            found.nth(nth).expect("it happened").0
        };
        let announced = of(&self.0, |effect| match effect {
            Effect::Announced(_, write) => Some(write),
            _ => None,
        });
        let sent = of(&self.0, |effect| match effect {
            Effect::Sent(write) => Some(write),
            _ => None,
        });
        let answered = self.find(sent, |effect| matches!(effect, Effect::Answered(_)));
        let Effect::Announced(id, _) = self.0[announced] else {
            unreachable!("just found")
        };
        let noted = self.first(|effect| matches!(effect, Effect::Noted(noted, _) if *noted == id));
        let mut places = [announced, sent, answered, noted];
        let write = places.map(|at| self.0[at].clone()).to_vec();
        places.sort_unstable();
        for at in places.into_iter().rev() {
            self.0.remove(at);
        }
        write
    }

    fn after_last_store(&self) -> usize {
        let sent = self.last(|effect| matches!(effect, Effect::Sent(Write::Store(_))));
        self.find(sent, |effect| matches!(effect, Effect::Answered(_))) + 1
    }

    fn first_removal(&self) -> usize {
        self.first(|effect| matches!(effect, Effect::Announced(_, Write::Remove(_))))
    }

    /// Changes what a look has seen.
    fn alter_look(&mut self, at: usize, change: impl Fn(&mut AvatarChain)) {
        let Effect::Looked(chain) = &mut self.0[at] else {
            unreachable!("a look")
        };
        change(chain);
    }
}

fn creates(write: &Write) -> bool {
    matches!(write, Write::Create(_))
}

fn stores(write: &Write) -> bool {
    matches!(write, Write::Store(_))
}

fn points(write: &Write) -> bool {
    matches!(write, Write::Point(..))
}

fn removes(write: &Write) -> bool {
    matches!(write, Write::Remove(_))
}

fn is_look(effect: &Effect) -> bool {
    matches!(effect, Effect::Looked(_))
}

fn is_question(effect: &Effect) -> bool {
    matches!(effect, Effect::Displayed(_))
}

fn is_note(effect: &Effect) -> bool {
    matches!(effect, Effect::Noted(..))
}

fn is_announcement(effect: &Effect) -> bool {
    matches!(effect, Effect::Announced(..))
}

fn is_sending(effect: &Effect) -> bool {
    matches!(effect, Effect::Sent(_))
}

fn is_end(effect: &Effect) -> bool {
    matches!(effect, Effect::Ended { .. })
}

/// Every order that S1 to S10 forbid.
const FORBIDDEN: &[Forbidden] = &[
    Forbidden {
        what: "S1: the photo is fetched before the target is read",
        tale: Tale::WithoutColumns,
        rule: Rule::LooksFirst,
        change: |trace| {
            let fetched = trace.first(|effect| *effect == Effect::Fetched);
            trace.shift(fetched, 0);
        },
    },
    Forbidden {
        what: "S1: a write is sent before the target is read",
        tale: Tale::Removal,
        rule: Rule::LooksFirst,
        change: |trace| {
            let write = trace.take(0, points);
            trace.put(0, write);
        },
    },
    Forbidden {
        what: "S2: a record is created before the photo is at hand",
        tale: Tale::Whole,
        rule: Rule::FetchesFirst,
        change: |trace| {
            let fetched = trace.first(|effect| *effect == Effect::Fetched);
            let answered = trace.first(|effect| matches!(effect, Effect::Answered(_)));
            trace.shift(fetched, answered);
        },
    },
    Forbidden {
        what: "S3: no copy is kept",
        tale: Tale::WithoutColumns,
        rule: Rule::CopiesFirst,
        change: |trace| trace.forget(|effect| matches!(effect, Effect::Copied(_))),
    },
    Forbidden {
        what: "S3: the journal does not say whose picture the copy is",
        tale: Tale::WithoutColumns,
        rule: Rule::CopiesFirst,
        change: |trace| trace.forget(|effect| matches!(effect, Effect::Kept(..))),
    },
    Forbidden {
        what: "S3: the copy is kept after the first picture is stored",
        tale: Tale::WithoutColumns,
        rule: Rule::CopiesFirst,
        change: |trace| {
            let kept = trace.first(|effect| matches!(effect, Effect::Kept(..)));
            let stored = trace.after_last_store();
            trace.shift(kept, stored - 1);
        },
    },
    Forbidden {
        what: "S3: the copy is kept after the row was deleted",
        tale: Tale::WithoutColumns,
        rule: Rule::CopiesFirst,
        change: |trace| {
            let kept = trace.last(|effect| matches!(effect, Effect::Kept(..)));
            let end = trace.0.len() - 1;
            trace.shift(kept, end);
        },
    },
    Forbidden {
        what: "S3: what is copied are other bytes than the row's",
        tale: Tale::WithoutColumns,
        rule: Rule::CopiesFirst,
        change: |trace| {
            let kept = trace.first(|effect| matches!(effect, Effect::Kept(..)));
            if let Effect::Kept(_, sha256) = &mut trace.0[kept] {
                *sha256 = Sha256::of(&picture(9));
            }
            trace.put(kept, [Effect::Copied(Sha256::of(&picture(9)))]);
        },
    },
    Forbidden {
        what: "S3: an avatar is taken away and its copy kept afterwards",
        tale: Tale::Removal,
        rule: Rule::CopiesFirst,
        change: |trace| {
            let kept = trace.first(|effect| matches!(effect, Effect::Kept(..)));
            let end = trace.0.len() - 1;
            trace.shift(kept, end);
        },
    },
    Forbidden {
        what: "S4: a record is created after a picture was stored",
        tale: Tale::Whole,
        rule: Rule::CreatesFirst,
        change: |trace| {
            let write = trace.take(0, creates);
            let stored = trace.first(|effect| matches!(effect, Effect::Answered(Reply::Stored(_)))) + 1;
            trace.put(stored, write);
        },
    },
    Forbidden {
        what: "S4: a record is created without one more look",
        tale: Tale::Whole,
        rule: Rule::CreatesFirst,
        change: |trace| {
            let created =
                trace.first(|effect| matches!(effect, Effect::Announced(_, write) if creates(write)));
            let fetched = trace.first(|effect| *effect == Effect::Fetched);
            let look = trace.find(fetched, is_look);
            assert!(look < created);
            trace.0.remove(look);
        },
    },
    Forbidden {
        what: "S5: a column is set before the second picture is stored",
        tale: Tale::Whole,
        rule: Rule::StoresBeforeTouching,
        change: |trace| {
            let write = trace.take(1, stores);
            let pointed = trace.first(|effect| matches!(effect, Effect::Answered(Reply::Holds(_)))) + 1;
            trace.put(pointed, write);
        },
    },
    Forbidden {
        what: "S5: the first old picture is deleted before the second new one is stored",
        tale: Tale::WithoutColumns,
        rule: Rule::StoresBeforeTouching,
        change: |trace| {
            let write = trace.take(1, stores);
            let gone = trace.first(|effect| *effect == Effect::Answered(Reply::Gone)) + 1;
            trace.put(gone, write);
        },
    },
    Forbidden {
        what: "S5: the old picture is deleted before the new one is stored",
        tale: Tale::WithoutColumns,
        rule: Rule::LeavesNoGap,
        change: |trace| {
            let write = trace.take(0, removes);
            let first = trace.first(|effect| matches!(effect, Effect::Announced(_, write) if stores(write)));
            trace.put(first, write);
        },
    },
    Forbidden {
        what: "S6: the second picture is sent although the first was stored as something else",
        tale: Tale::WithoutColumns,
        rule: Rule::Proves,
        change: |trace| {
            let stored = trace.first(|effect| matches!(effect, Effect::Answered(Reply::Stored(_))));
            if let Effect::Answered(Reply::Stored(row)) = &mut trace.0[stored] {
                row.sha256 = Some(Sha256::of(b"something else"));
            }
        },
    },
    Forbidden {
        what: "S6: the second picture is sent although the first has no stated hash and was not read back",
        tale: Tale::WithoutColumns,
        rule: Rule::Proves,
        change: |trace| {
            let stored = trace.first(|effect| matches!(effect, Effect::Answered(Reply::Stored(_))));
            if let Effect::Answered(Reply::Stored(row)) = &mut trace.0[stored] {
                row.sha256 = None;
            }
        },
    },
    Forbidden {
        what: "S6: a column is set before it was looked at what was stored",
        tale: Tale::Whole,
        rule: Rule::Proves,
        change: |trace| {
            let stored = trace.after_last_store();
            let look = trace.find(stored, is_look);
            trace.0.remove(look);
        },
    },
    Forbidden {
        what: "S6: an old picture is deleted before it was looked at what was stored",
        tale: Tale::WithoutColumns,
        rule: Rule::Proves,
        change: |trace| {
            let stored = trace.after_last_store();
            let look = trace.find(stored, is_look);
            trace.0.remove(look);
        },
    },
    Forbidden {
        what: "S6: the virus scan is not waited for",
        tale: Tale::WithoutColumns,
        rule: Rule::Proves,
        change: |trace| {
            let look = trace.find(trace.after_last_store(), is_look);
            trace.alter_look(look, |chain| {
                let rows = chain.records.iter_mut().flat_map(|record| &mut record.pictures);
                for row in rows.filter(|row| row.sha256 == Some(Sha256::of(&new()))) {
                    row.scan = Scan::Pending;
                }
            });
        },
    },
    Forbidden {
        what: "S6: what was stored is gone at the next look",
        tale: Tale::Whole,
        rule: Rule::Proves,
        change: |trace| {
            let look = trace.find(trace.after_last_store(), is_look);
            trace.alter_look(look, |chain| {
                let record = chain.records.last_mut().expect("a record");
                record
                    .pictures
                    .retain(|row| row.sha256 != Some(Sha256::of(&new())));
            });
        },
    },
    Forbidden {
        what: "S7: a column names a picture that is gone",
        tale: Tale::Whole,
        rule: Rule::DeletesOnlyItsOwn,
        change: |trace| {
            let look = trace.find(trace.after_last_store(), is_look);
            trace.alter_look(look, |chain| {
                for record in &mut chain.records {
                    record.pictures.clear();
                }
            });
        },
    },
    Forbidden {
        what: "S7: a column holds something else than it was set to, and it goes on",
        tale: Tale::Whole,
        rule: Rule::BelievesWhatIsRead,
        change: |trace| {
            let held = trace.first(|effect| matches!(effect, Effect::Answered(Reply::Holds(_))));
            trace.0[held] = Effect::Answered(Reply::Holds(Column::Names(PictureId::new("a third one"))));
        },
    },
    Forbidden {
        what: "S7: a row is deleted while a column still names it",
        tale: Tale::Removal,
        rule: Rule::DeletesOnlyItsOwn,
        change: |trace| {
            let write = trace.take(0, removes);
            let first = trace.first(|effect| matches!(effect, Effect::Announced(_, write) if points(write)));
            trace.put(first, write);
        },
    },
    Forbidden {
        what: "S8: nobody asks what is displayed",
        tale: Tale::Whole,
        rule: Rule::AsksWhatIsDisplayed,
        change: |trace| {
            let removal = trace.first_removal();
            let before = trace.0.split_off(removal);
            trace.forget(is_question);
            trace.0.extend(before);
        },
    },
    Forbidden {
        what: "S8: it is asked before the columns are set, and not after",
        tale: Tale::Whole,
        rule: Rule::AsksWhatIsDisplayed,
        change: |trace| {
            let removal = trace.first_removal();
            let asked = trace.0[..removal].iter().rposition(is_question).expect("asked");
            let first = trace.first(|effect| matches!(effect, Effect::Announced(_, write) if points(write)));
            trace.shift(asked, first);
        },
    },
    Forbidden {
        what: "S8: something else is displayed, and the old picture deleted all the same",
        tale: Tale::Whole,
        rule: Rule::AsksWhatIsDisplayed,
        change: |trace| {
            let removal = trace.first_removal();
            let asked = trace.0[..removal].iter().rposition(is_question).expect("asked");
            trace.0[asked] = Effect::Displayed(Some(PictureId::new("somebody else's")));
        },
    },
    Forbidden {
        what: "S8: nothing is displayed, and the old picture deleted all the same",
        tale: Tale::WithoutColumns,
        rule: Rule::AsksWhatIsDisplayed,
        change: |trace| {
            let removal = trace.first_removal();
            let asked = trace.0[..removal].iter().rposition(is_question).expect("asked");
            trace.0[asked] = Effect::Displayed(None);
        },
    },
    Forbidden {
        what: "S8: nobody asks again before the second record's old picture goes",
        tale: Tale::WithoutColumns,
        rule: Rule::AsksWhatIsDisplayed,
        change: |trace| {
            let gone = trace.first(|effect| *effect == Effect::Answered(Reply::Gone));
            let asked = trace.find(gone, is_question);
            trace.0.remove(asked);
        },
    },
    Forbidden {
        what: "S9: an old picture is deleted before the columns are set",
        tale: Tale::Several,
        rule: Rule::AsksWhatIsDisplayed,
        change: |trace| {
            let write = trace.take(0, removes);
            let first = trace.first(|effect| matches!(effect, Effect::Announced(_, write) if points(write)));
            trace.put(first, write);
        },
    },
    Forbidden {
        what: "S9: of several old pictures the oldest goes first",
        tale: Tale::Several,
        rule: Rule::LeavesNoGap,
        change: |trace| {
            // The third deletion is that of the oldest row of the first record.
            let write = trace.take(2, removes);
            let first = trace.first_removal();
            trace.put(first, write);
        },
    },
    Forbidden {
        what: "S9: a row is deleted that was not there at S1",
        tale: Tale::WithoutColumns,
        rule: Rule::DeletesOnlyItsOwn,
        change: |trace| {
            let removal = trace.first_removal();
            let theirs = Write::Remove(PictureId::new("somebody else's"));
            trace.put(
                removal,
                [
                    Effect::Announced(1000, theirs.clone()),
                    Effect::Sent(theirs),
                    Effect::Answered(Reply::Gone),
                    Effect::Noted(1000, true),
                ],
            );
        },
    },
    Forbidden {
        what: "S9: a row is deleted that another person's record names",
        tale: Tale::WithoutColumns,
        rule: Rule::DeletesOnlyItsOwn,
        change: |trace| {
            let asked = trace.first(|effect| matches!(effect, Effect::Named(..)));
            if let Effect::Named(asked, naming) = &mut trace.0[asked] {
                *naming = vec![Naming {
                    picture: asked[0].clone(),
                    place: USER,
                    record: RecordId::new("bob-sys"),
                }];
            }
        },
    },
    Forbidden {
        what: "S9: nobody asks whether another person's record names the row",
        tale: Tale::WithoutColumns,
        rule: Rule::DeletesOnlyItsOwn,
        change: |trace| trace.forget(|effect| matches!(effect, Effect::Named(..))),
    },
    Forbidden {
        what: "S9: a record that somebody else created is deleted",
        tale: Tale::WithoutColumns,
        rule: Rule::DeletesOnlyItsOwn,
        change: |trace| {
            let removal = trace.first_removal();
            let theirs = Write::Withdraw(RecordId::new("somebody else's"));
            trace.put(
                removal,
                [
                    Effect::Announced(1000, theirs.clone()),
                    Effect::Sent(theirs),
                    Effect::Answered(Reply::Gone),
                    Effect::Noted(1000, true),
                ],
            );
        },
    },
    Forbidden {
        what: "S9: ours is taken back although it is the only picture left",
        tale: Tale::WithoutColumns,
        rule: Rule::LeavesNoGap,
        change: |trace| {
            let ours: Vec<PictureId> = trace
                .0
                .iter()
                .filter_map(|effect| match effect {
                    Effect::Answered(Reply::Stored(row)) => Some(row.id.clone()),
                    _ => None,
                })
                .collect();
            let end = trace.last(is_note) + 1;
            for (id, picture) in (1000..).zip(ours) {
                let write = Write::Remove(picture);
                trace.put(
                    end,
                    [
                        Effect::Announced(id, write.clone()),
                        Effect::Sent(write),
                        Effect::Answered(Reply::Gone),
                        Effect::Noted(id, true),
                    ],
                );
            }
        },
    },
    Forbidden {
        what: "settling: nobody looks again after the last write",
        tale: Tale::Whole,
        rule: Rule::LooksAgain,
        change: |trace| {
            let look = trace.last(is_look);
            trace.0.remove(look);
        },
    },
    Forbidden {
        what: "settling: nobody asks again after the last write",
        tale: Tale::Whole,
        rule: Rule::LooksAgain,
        change: |trace| {
            let asked = trace.last(is_question);
            trace.0.remove(asked);
        },
    },
    Forbidden {
        what: "settling: it is called a success although something else is displayed",
        tale: Tale::Whole,
        rule: Rule::LooksAgain,
        change: |trace| {
            let asked = trace.last(is_question);
            trace.0[asked] = Effect::Displayed(None);
        },
    },
    Forbidden {
        what: "settling: it is called removed although something is displayed",
        tale: Tale::Removal,
        rule: Rule::LooksAgain,
        change: |trace| {
            let asked = trace.last(is_question);
            trace.0[asked] = Effect::Displayed(Some(PictureId::new("another")));
        },
    },
    Forbidden {
        what: "S10: the end is noted before it was looked again",
        tale: Tale::Whole,
        rule: Rule::LooksAgain,
        change: |trace| {
            let end = trace.last(is_end);
            let noted = trace.last(is_note) + 1;
            trace.shift(end, noted);
        },
    },
    Forbidden {
        what: "S10: the end is noted before the old picture is deleted",
        tale: Tale::Whole,
        rule: Rule::EndsLast,
        change: |trace| {
            let end = trace.last(is_end);
            let removal = trace.first_removal();
            trace.shift(end, removal);
        },
    },
    Forbidden {
        what: "S10: the end is noted before anything is proved",
        tale: Tale::Whole,
        rule: Rule::EndsLast,
        change: |trace| {
            let end = trace.last(is_end);
            let stored = trace.after_last_store();
            trace.shift(end, stored);
        },
    },
    Forbidden {
        what: "S10: the end is never noted",
        tale: Tale::Whole,
        rule: Rule::EndsLast,
        change: |trace| trace.forget(is_end),
    },
    Forbidden {
        what: "S10: the end is noted twice",
        tale: Tale::Whole,
        rule: Rule::EndsLast,
        change: |trace| {
            let end = trace.0[trace.last(is_end)].clone();
            trace.0.push(end);
        },
    },
    Forbidden {
        what: "journal: the person's turn is not announced",
        tale: Tale::Whole,
        rule: Rule::Announces,
        change: |trace| trace.forget(|effect| *effect == Effect::Begun),
    },
    Forbidden {
        what: "journal: a write is announced after it is sent",
        tale: Tale::Whole,
        rule: Rule::Announces,
        change: |trace| {
            let announced = trace.last(is_announcement);
            let sent = trace.find(announced, is_sending);
            trace.shift(announced, sent);
        },
    },
    Forbidden {
        what: "journal: a write is announced after it is answered",
        tale: Tale::Whole,
        rule: Rule::Announces,
        change: |trace| {
            let announced = trace.first(is_announcement);
            let answered = trace.find(announced, |effect| matches!(effect, Effect::Answered(_)));
            trace.shift(announced, answered);
        },
    },
    Forbidden {
        what: "journal: another write is announced than is sent",
        tale: Tale::WithoutColumns,
        rule: Rule::Announces,
        change: |trace| {
            let announced = trace.first_removal();
            if let Effect::Announced(_, write) = &mut trace.0[announced] {
                *write = Write::Remove(PictureId::new("another"));
            }
        },
    },
    Forbidden {
        what: "journal: one announcement stands for two requests",
        tale: Tale::WithoutColumns,
        rule: Rule::Announces,
        change: |trace| {
            let sent = trace.last(is_sending);
            let again = [trace.0[sent].clone(), Effect::Answered(Reply::Gone)];
            let noted = trace.last(is_note) + 1;
            trace.put(noted, again);
        },
    },
    Forbidden {
        what: "journal: a write is noted as done before it is sent",
        tale: Tale::Whole,
        rule: Rule::NotesAnswers,
        change: |trace| {
            let noted = trace.last(is_note);
            let sent = trace.last(is_sending);
            trace.shift(noted, sent);
        },
    },
    Forbidden {
        what: "journal: a write is noted as done before it is answered",
        tale: Tale::Whole,
        rule: Rule::NotesAnswers,
        change: |trace| {
            let noted = trace.last(is_note);
            let sent = trace.last(is_sending);
            trace.shift(noted, sent + 1);
        },
    },
    Forbidden {
        what: "journal: how a write went is not noted before the next one is sent",
        tale: Tale::Whole,
        rule: Rule::NotesAnswers,
        change: |trace| {
            let noted = trace.first(is_note);
            let end = trace.0.len() - 2;
            trace.shift(noted, end);
        },
    },
    Forbidden {
        what: "journal: how the last write went is never noted, and nothing is said to be left",
        tale: Tale::Whole,
        rule: Rule::NotesAnswers,
        change: |trace| {
            let noted = trace.last(is_note);
            trace.0.remove(noted);
        },
    },
    Forbidden {
        what: "journal: a write that was done is noted as not done",
        tale: Tale::Whole,
        rule: Rule::NotesAnswers,
        change: |trace| {
            let noted = trace.first(is_note);
            if let Effect::Noted(_, is_done) = &mut trace.0[noted] {
                *is_done = false;
            }
        },
    },
    Forbidden {
        what: "journal: a write that was refused is noted as done",
        tale: Tale::WithoutColumns,
        rule: Rule::NotesAnswers,
        change: |trace| {
            let answered = trace.last(|effect| matches!(effect, Effect::Answered(_)));
            trace.0[answered] = Effect::Answered(Reply::Refused);
        },
    },
    Forbidden {
        what: "unknown outcome: the next write is sent without a look",
        tale: Tale::LostAnswer,
        rule: Rule::LooksUp,
        change: |trace| {
            let lost = trace.first(|effect| *effect == Effect::Answered(Reply::Unknown));
            let look = trace.find(lost, is_look);
            trace.0.remove(look);
        },
    },
    Forbidden {
        what: "unknown outcome: it is noted as done without a look",
        tale: Tale::LostAnswer,
        rule: Rule::NotesAnswers,
        change: |trace| {
            let lost = trace.first(|effect| *effect == Effect::Answered(Reply::Unknown));
            let noted = trace.find(lost, is_note);
            trace.shift(noted, lost + 1);
        },
    },
];

#[tokio::test]
async fn every_forbidden_order_is_refused_by_its_rule() {
    for tale in Tale::ALL {
        let trace = tale.trace().await;
        for forbidden in FORBIDDEN.iter().filter(|forbidden| forbidden.tale == tale) {
            let mut told = Trace(trace.clone());
            (forbidden.change)(&mut told);
            let broken = broken(&told.0, tale.goal());
            assert!(
                broken.iter().any(|broken| broken.rule == forbidden.rule),
                "{}: {broken:?} {:#?}",
                forbidden.what,
                told.0
            );
        }
    }
}

#[test]
fn every_rule_refuses_something() {
    let refusing: HashSet<Rule> = FORBIDDEN.iter().map(|forbidden| forbidden.rule).collect();
    for rule in Rule::ALL {
        assert!(refusing.contains(&rule), "{rule:?}");
    }
}
