//! The teller: draws what happens and lets it happen.

use super::super::*;
use super::admins::Admin;
use super::small::{PEOPLE, PICTURES, Small};
use crate::engine::fakes::Dice;

/// What befalls a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Nothing,
    /// The service asks to slow down for longer than we wait.
    Throttled,
    /// An answer of 5xx, and nothing was done.
    Refused,
    /// It was done, and the answer says that it was not known whether.
    DoneButSaysNo,
    /// From now on nothing works.
    Down,
    /// The program is killed.
    Killed,
    /// The person sets another picture in ServiceNow in the middle of it.
    EditedMeanwhile,
    /// Another administrator pushes the same person at the same time.
    Rival,
}

impl Trouble {
    const ALL: [Self; 8] = [
        Self::Nothing,
        Self::Throttled,
        Self::Refused,
        Self::DoneButSaysNo,
        Self::Down,
        Self::Killed,
        Self::EditedMeanwhile,
        Self::Rival,
    ];
}

/// One event of a story.
#[derive(Clone, Copy, Debug)]
enum Event {
    PhotoEdited(usize, u8),
    PhotoDeleted(usize),
    AvatarEdited(usize, Place, u8),
    AvatarDeleted(usize),
    Push(usize, usize, Trouble),
    Remove(usize, usize),
    Undo(usize, usize),
    Restart(usize),
}

/// A story under way.
pub(super) struct Story {
    pub(super) seed: u64,
    pub(super) dice: Dice,
    pub(super) world: World,
    pub(super) admins: [Admin; 2],
    pub(super) small: Small,
    /// How many events there have been.
    pub(super) number: u64,
    told: Vec<String>,
}

impl Story {
    /// A story at its beginning.
    pub(super) fn of(seed: u64) -> Self {
        let mut dice = Dice::of(seed, "story", 0);
        let world = World::with([]);
        for name in PEOPLE {
            let mut somebody = person(name);
            if dice.below(4) > 0 {
                somebody = somebody.photo(picture(dice.below(PICTURES) as u8));
            }
            let has_profile = dice.below(4) > 0;
            somebody = somebody.profiles(usize::from(has_profile));
            for _ in 0..dice.below(3) {
                let place = if has_profile && dice.below(2) == 0 {
                    PROFILE
                } else {
                    USER
                };
                somebody = somebody.stored(place, picture(dice.below(PICTURES) as u8));
            }
            if has_profile && dice.below(4) == 0 {
                somebody = somebody.column(PROFILE, "gone");
            }
            world.add(somebody);
        }
        let small = Small::of(&world);
        Self {
            seed,
            dice,
            small,
            admins: [Admin::new(), Admin::new()],
            world,
            number: 0,
            told: Vec::new(),
        }
    }

    fn draw(&mut self) -> Event {
        let dice = &mut self.dice;
        let who = dice.below(PEOPLE.len() as u64) as usize;
        let admin = dice.below(2) as usize;
        let seed = dice.below(PICTURES) as u8;
        match dice.below(16) {
            0 | 1 => Event::PhotoEdited(who, seed),
            2 => Event::PhotoDeleted(who),
            3 => Event::AvatarEdited(who, if dice.below(2) == 0 { PROFILE } else { USER }, seed),
            4 => Event::AvatarDeleted(who),
            5 => Event::Remove(admin, who),
            6 | 7 => Event::Undo(admin, who),
            8 => Event::Restart(admin),
            _ => {
                let trouble = Trouble::ALL[dice.below(Trouble::ALL.len() as u64) as usize];
                Event::Push(admin, who, trouble)
            }
        }
    }

    /// Lets so many events happen, and brings everything to its end.
    pub(super) async fn tell(&mut self, events: u64) {
        for _ in 0..events {
            let event = self.draw();
            self.number += 1;
            self.note(format!("{event:?}"));
            self.world.a_minute_later();
            let others: Vec<_> = PEOPLE.map(|name| self.world.chain(name)).into();
            let concerned = self.happen(event).await;
            for (who, before) in others.into_iter().enumerate() {
                if concerned.contains(&who) {
                    self.note(format!(
                        "  {} {}",
                        PEOPLE[who],
                        self.small.portrait(&self.world, who)
                    ));
                } else {
                    let now = self.world.chain(PEOPLE[who]);
                    self.assert(now == before, format!("{} was touched", PEOPLE[who]));
                }
            }
        }
        self.end().await;
    }

    /// What happens, and whose pictures it may concern.
    async fn happen(&mut self, event: Event) -> Vec<usize> {
        match event {
            Event::PhotoEdited(who, seed) => {
                self.world.set_photo(PEOPLE[who], Some(picture(seed)));
                self.small.people[who].photo = Some(seed);
                vec![who]
            }
            Event::PhotoDeleted(who) => {
                self.world.set_photo(PEOPLE[who], None);
                self.small.people[who].photo = None;
                vec![who]
            }
            Event::AvatarEdited(who, place, seed) => {
                self.edit_avatar(who, place, seed);
                vec![who]
            }
            Event::AvatarDeleted(who) => {
                let rows = [PROFILE, USER]
                    .map(|place| self.world.rows(PEOPLE[who], place))
                    .concat();
                for row in &rows {
                    self.world.delete_row(&row.id);
                }
                if !rows.is_empty() {
                    self.small.edited(who, None);
                }
                vec![who]
            }
            Event::Push(admin, who, trouble) => {
                let mut concerned = self.recover(admin).await;
                concerned.push(who);
                match trouble {
                    Trouble::Rival => {
                        concerned.extend(self.recover(1 - admin).await);
                        self.push_both(admin, who).await;
                    }
                    Trouble::Killed => self.push_and_die(admin, who).await,
                    Trouble::EditedMeanwhile => self.push_and_edit(admin, who).await,
                    _ => self.push_in(admin, who, trouble).await,
                }
                concerned
            }
            Event::Remove(admin, who) => {
                let mut concerned = self.recover(admin).await;
                concerned.push(who);
                self.remove(admin, who).await;
                concerned
            }
            Event::Undo(admin, who) => {
                let mut concerned = self.recover(admin).await;
                concerned.push(who);
                self.undo(admin, who).await;
                concerned
            }
            Event::Restart(admin) => {
                self.admins[admin].restart();
                self.set_clock(admin);
                self.recover(admin).await
            }
        }
    }

    /// Everybody is pushed once more, from both machines: all is in order, and nothing is left to do.
    async fn end(&mut self) {
        for admin in [0, 1] {
            self.admins[admin].restart();
            self.recover(admin).await;
        }
        for (who, name) in PEOPLE.into_iter().enumerate() {
            let Some(photo) = self.small.people[who].photo else {
                continue;
            };
            let came = self.admins[0].push(&self.world, who, Some(photo)).await;
            let is_in_order = matches!(came.outcome, Outcome::Updated | Outcome::Unchanged);
            self.assert(is_in_order, format!("{name}: {came:?}"));
            let again = self.admins[1].push(&self.world, who, Some(photo)).await;
            self.assert(
                again.outcome == Outcome::Unchanged && again.writes == 0,
                format!("{name}: {again:?}"),
            );
            self.assert(self.world.shown(name) == Some(picture(photo)), name.to_owned());
            for place in [PROFILE, USER] {
                let rows = self.world.rows(name, place);
                let is_alone = rows.len() == 1 && rows[0].sha256 == Some(Sha256::of(&picture(photo)));
                self.assert(is_alone, format!("{name}, {place}: {rows:?}"));
            }
        }
        for admin in &self.admins {
            assert!(admin.unfinished().await.is_empty(), "{}", self.context());
        }
    }

    /// Something for whoever reads the message of a failed story.
    pub(super) fn note(&mut self, line: String) {
        self.told.push(line);
    }

    /// The clock of a machine may be put back or forward by an hour.
    fn set_clock(&mut self, admin: usize) {
        let mut dice = Dice::of(self.seed, "clock", self.number);
        self.admins[admin].hours_ahead = dice.below(3) as i64 - 1;
    }

    #[track_caller]
    pub(super) fn agree(&self, who: usize) {
        let shown = self.small.seen(&self.world, who);
        let expected = self.small.people[who].avatar;
        self.assert(
            shown == expected,
            format!("{} sees {shown:?}, the model says {expected:?}", PEOPLE[who]),
        );
    }

    #[track_caller]
    pub(super) fn assert(&self, holds: bool, what: String) {
        assert!(holds, "{}\n{what}", self.context());
        let broken: Vec<String> = self
            .admins
            .iter()
            .flat_map(|admin| admin.broken.clone())
            .collect();
        assert!(broken.is_empty(), "{}\n{broken:#?}", self.context());
    }

    fn context(&self) -> String {
        format!("seed {}:\n  {}", self.seed, self.told.join("\n  "))
    }
}
