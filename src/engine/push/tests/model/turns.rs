//! What somebody does to a picture, and what has to be true afterwards.

use super::super::*;
use super::admins::{self, Came, TakenBack, contents};
use super::small::{PEOPLE, PICTURES, Undone, Wrote};
use super::story::{Story, Trouble};
use crate::domain::photo::AvatarChain;
use crate::engine::fakes::{Dice, Gate, dangling};

/// What may fail; the writes first.
const CALLS: [&str; 8] = [
    "target.create_record",
    "target.upload",
    "target.set_column",
    "target.remove",
    "target.chains",
    "target.displayed",
    "target.download",
    "source.photo",
];

/// How somebody's records were before something was done to them.
pub(super) struct Found {
    chain: AvatarChain,
    shown: Option<u8>,
}

impl Story {
    /// The person chooses another picture in ServiceNow: whatever is in the record's field makes way.
    pub(super) fn edit_avatar(&mut self, who: usize, place: Place, seed: u8) {
        admins::edit(&self.world, PEOPLE[who], place, seed);
        let shown = self.small.seen(&self.world, who);
        self.small.edited(who, shown);
    }

    pub(super) async fn push_in(&mut self, admin: usize, who: usize, trouble: Trouble) {
        let photo = self.small.people[who].photo;
        let found = self.found(who);
        let call = CALLS[self.dice.below(CALLS.len() as u64) as usize];
        let nth = 1 + self.dice.below(2);
        let write = CALLS[self.dice.below(4) as usize];
        match trouble {
            Trouble::Throttled => self.world.fail(call, nth, ErrorKind::Throttled),
            Trouble::Refused => self.world.fail(call, nth, ErrorKind::Unavailable),
            Trouble::DoneButSaysNo => self.world.lose_answer(write, nth),
            _ => {}
        }
        let came = if trouble == Trouble::Down {
            let from = 1 + self.dice.below(14) as usize;
            let down = |world: &World| {
                for call in CALLS {
                    world.fail(call, 0, ErrorKind::Unavailable);
                }
            };
            self.admins[admin]
                .push_while(&self.world, who, photo, &[], (from, down))
                .await
        } else {
            self.admins[admin].push(&self.world, who, photo).await
        };
        self.world.heal();
        self.settle(admin, who, &found, photo, &came).await;
        if trouble == Trouble::Nothing {
            let is_expected = match photo {
                Some(_) => matches!(came.outcome, Outcome::Updated | Outcome::Unchanged),
                None => came.outcome == Outcome::NoPhoto && came.writes == 0,
            };
            self.assert(is_expected, format!("{came:?}"));
        }
    }

    /// What must be true after a push that nobody else disturbed.
    async fn settle(&mut self, admin: usize, who: usize, found: &Found, photo: Option<u8>, came: &Came) {
        let shown = self.small.seen(&self.world, who);
        self.note(format!("  {came:?}"));
        match came.outcome {
            Outcome::Updated => self.assert(shown == photo, format!("{came:?}, {shown:?} is shown")),
            Outcome::Unchanged => {
                self.assert(came.writes == 0 && shown == photo, format!("{came:?}"));
            }
            outcome => {
                self.assert(
                    shown == found.shown || shown == photo,
                    format!("{came:?}, {shown:?} is shown"),
                );
                self.assert(
                    outcome != Outcome::ChangedMeanwhile,
                    format!("nobody else was there: {came:?}"),
                );
            }
        }
        if came.writes > 0 {
            self.wrote(admin, who, found, false).await;
        }
        self.agree(who);
    }

    /// How somebody's records are, before anything is done to them.
    pub(super) fn found(&self, who: usize) -> Found {
        Found {
            chain: self.world.chain(PEOPLE[who]),
            shown: self.small.people[who].avatar,
        }
    }

    /// A run of this administrator has written.
    pub(super) async fn wrote(&mut self, admin: usize, who: usize, found: &Found, is_mixed: bool) {
        let found = contents(&found.chain);
        let left = contents(&self.world.chain(PEOPLE[who]));
        let wrote = Wrote {
            shown: self.small.seen(&self.world, who),
            is_as_found: left == found,
            is_mixed,
            is_unsettled: self.admins[admin].unfinished().await.contains(&who),
        };
        self.small.wrote(admin, who, wrote);
        if wrote.is_unsettled {
            self.admins[admin].breaks_off(who, found, left);
        } else if !wrote.is_as_found {
            self.admins[admin].leaves(who, left);
        }
    }

    pub(super) async fn push_and_die(&mut self, admin: usize, who: usize) {
        let photo = self.small.people[who].photo;
        let found = self.found(who);
        let call = 1 + self.dice.below(16) as usize;
        let when = if self.dice.below(2) == 0 {
            When::Before
        } else {
            When::After
        };
        let died = self.admins[admin]
            .push_until(&self.world, who, photo, (call, when))
            .await;
        if let Some(came) = died {
            self.settle(admin, who, &found, photo, &came).await;
        } else {
            let shown = self.small.seen(&self.world, who);
            self.assert(
                shown == found.shown || shown == photo,
                format!("killed, {shown:?} is shown"),
            );
            self.wrote(admin, who, &found, false).await;
        }
    }

    pub(super) async fn push_and_edit(&mut self, admin: usize, who: usize) {
        let photo = self.small.people[who].photo;
        let seed = self.dice.below(PICTURES) as u8;
        let place = if self.dice.below(2) == 0 { PROFILE } else { USER };
        let call = 1 + self.dice.below(12) as usize;
        let found = self.found(who);
        let was_dangling = dangling(&found.chain);
        let came = self.admins[admin]
            .push_while(
                &self.world,
                who,
                photo,
                &[seed],
                (call, move |world: &World| {
                    admins::edit(world, PEOPLE[who], place, seed);
                }),
            )
            .await;
        let shown = self.small.seen(&self.world, who);
        let now_dangling = dangling(&self.world.chain(PEOPLE[who]));
        self.assert(
            now_dangling.is_subset(&was_dangling),
            format!("{came:?}, {now_dangling:?} are gone"),
        );
        self.assert(
            [found.shown, photo, Some(seed)].contains(&shown),
            format!("{came:?}, {shown:?} is shown"),
        );
        if came.was_disturbed {
            // Theirs is there, or a copy of it is kept (`reliability.md` H5).
            let theirs = Sha256::of(&picture(seed));
            let is_there = [PROFILE, USER]
                .iter()
                .any(|place| admins::holds(&self.world, PEOPLE[who], *place, theirs));
            let is_kept = self.admins[admin].keeps(theirs).await;
            self.assert(is_there || is_kept, format!("{seed} is lost: {came:?}"));
            self.small.edited(who, shown);
            if came.writes > 0 {
                self.wrote(admin, who, &found, true).await;
            }
        } else {
            self.settle(admin, who, &found, photo, &came).await;
        }
    }

    pub(super) async fn push_both(&mut self, admin: usize, who: usize) {
        let photo = self.small.people[who].photo;
        let found = self.found(who);
        let gate = Gate::new(Dice::of(self.seed, "gate", self.number));
        let (first, second) = {
            let [one, other] = &mut self.admins;
            let (mine, theirs) = if admin == 0 { (one, other) } else { (other, one) };
            futures::future::join(
                mine.carry_out(
                    &self.world,
                    who,
                    Change::Replace,
                    &photo.into_iter().collect::<Vec<_>>(),
                    Some((gate.clone(), 0)),
                ),
                theirs.carry_out(
                    &self.world,
                    who,
                    Change::Replace,
                    &photo.into_iter().collect::<Vec<_>>(),
                    Some((gate.clone(), 1)),
                ),
            )
            .await
        };
        let shown = self.small.seen(&self.world, who);
        let calls = gate.log();
        match photo {
            None => self.agree(who),
            Some(photo) => {
                self.assert(
                    shown == Some(photo),
                    format!("{first:?} {second:?}: {shown:?}\n{calls}"),
                );
                for came in [&first, &second] {
                    let is_fine = matches!(
                        came.outcome,
                        Outcome::Updated | Outcome::Unchanged | Outcome::ChangedMeanwhile
                    );
                    self.assert(is_fine, format!("{came:?}\n{calls}"));
                }
                self.assert(
                    ![&first, &second]
                        .iter()
                        .all(|came| came.outcome == Outcome::ChangedMeanwhile),
                    format!("neither has brought it: {first:?} {second:?}\n{calls}"),
                );
                let records = self.world.chain(PEOPLE[who]).records.len();
                self.assert(
                    records == 2,
                    format!("{records} records: {first:?} {second:?}\n{calls}"),
                );
                for place in [PROFILE, USER] {
                    let rows = self.world.rows(PEOPLE[who], place).len();
                    self.assert(
                        rows == 1,
                        format!("{place} holds {rows}: {first:?} {second:?}\n{calls}"),
                    );
                }
                for (admin, came) in [(admin, &first), (1 - admin, &second)] {
                    if came.writes > 0 {
                        self.wrote(admin, who, &found, true).await;
                    }
                }
                self.agree(who);
            }
        }
    }

    /// The picture of before, or a plain reason why not (`reliability.md` N4).
    pub(super) async fn undo(&mut self, admin: usize, who: usize) {
        let found = self.found(who);
        let is_as_left = self.admins[admin].is_as_left(who, &contents(&found.chain));
        let came = self.admins[admin].undo(&self.world, who).await;
        let shown = self.small.seen(&self.world, who);
        self.note(format!("  {came:?}"));
        match (self.small.undo(admin, who, is_as_left), &came) {
            (Undone::Nothing | Undone::Open, TakenBack::Nothing)
            | (Undone::Left, TakenBack::Left(Outcome::ChangedMeanwhile, _))
            | (Undone::Open, TakenBack::Left(..)) => {}
            // A column that named nothing does not name nothing again.
            (Undone::Back(before), TakenBack::Left(Outcome::Skipped, _)) if before == shown => {}
            (Undone::Back(before), TakenBack::Done(done)) => {
                let is_back = match before {
                    Some(_) => done.outcome == Outcome::Updated,
                    None => done.outcome == Outcome::Removed,
                };
                self.assert(
                    is_back && shown == before,
                    format!("{done:?}: {shown:?} is shown, {before:?} was"),
                );
            }
            (Undone::Open, TakenBack::Done(done)) => {
                let is_known = self.small.people[who].ever.contains(&shown);
                self.assert(is_known, format!("{done:?}: {shown:?} is shown"));
            }
            (expected, came) => {
                self.assert(false, format!("{}: {came:?}, not {expected:?}", PEOPLE[who]));
            }
        }
        if let TakenBack::Done(done) = came
            && done.writes > 0
        {
            self.wrote(admin, who, &found, false).await;
        }
        self.agree(who);
    }

    /// A picture goes because the photo has gone.
    pub(super) async fn remove(&mut self, admin: usize, who: usize) {
        let found = self.found(who);
        let came = self.admins[admin]
            .carry_out(&self.world, who, Change::Remove, &[], None)
            .await;
        let photo = self.small.people[who].photo;
        let expected = match photo {
            Some(_) => Outcome::Skipped,
            None => Outcome::Removed,
        };
        self.assert(came.outcome == expected, format!("{came:?}"));
        if came.writes > 0 {
            self.wrote(admin, who, &found, false).await;
        }
        let expected = if came.outcome == Outcome::Removed {
            None
        } else {
            found.shown
        };
        let shown = self.small.seen(&self.world, who);
        self.assert(shown == expected, format!("{came:?}: {shown:?} is shown"));
    }

    /// The program starts: what was interrupted is settled. Answers whose it was.
    pub(super) async fn recover(&mut self, admin: usize) -> Vec<usize> {
        let before: Vec<_> = PEOPLE.map(|name| self.world.chain(name)).into();
        let settled = self.admins[admin].recover(&self.world).await;
        for who in &settled {
            let shown = self.small.seen(&self.world, *who);
            let person = self.small.people[*who].clone();
            self.assert(
                shown == person.avatar || (shown == person.photo && shown.is_some()),
                format!("recovered: {shown:?}, before {:?}", person.avatar),
            );
            if self.small.was_edited_since(admin, *who) {
                self.assert(
                    shown == person.avatar,
                    format!("what was chosen since was overwritten with {shown:?}"),
                );
            }
            let now = contents(&self.world.chain(PEOPLE[*who]));
            let (found, left) = self.admins[admin].broke_off(*who);
            let wrote = Wrote {
                shown,
                is_as_found: now == found,
                is_mixed: left != contents(&before[*who]),
                is_unsettled: false,
            };
            self.small.settled(admin, *who, wrote);
            if !wrote.is_as_found {
                self.admins[admin].leaves(*who, now);
            }
        }
        settled
    }
}
