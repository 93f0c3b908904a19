//! Long random stories, told twice: to the engine and to a small model that knows nothing of rows, columns and
//! journals, only which picture people see. After every event both must agree; at every call nobody may be without a
//! picture; and in the end everything is in order, whatever happened on the way (`reliability.md` 6).
//!
//! A story that fails prints its seed; put it into [`ONCE_FAILED`].

mod admins;
mod small;

use self::admins::{Admin, Came};
use self::small::{PEOPLE, PICTURES, Small};
use super::*;
use crate::engine::fakes::{Gate, dangling};
use crate::sandbox::random::Random;

/// Stories that once did not end well.
const ONCE_FAILED: [u64; 0] = [];

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

/// What befalls a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
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

struct Story {
    seed: u64,
    random: Random,
    world: World,
    admins: [Admin; 2],
    small: Small,
    told: Vec<Event>,
}

impl Story {
    fn of(seed: u64) -> Self {
        let mut random = Random::stream(seed, "story", 0);
        let world = World::with([]);
        for name in PEOPLE {
            let mut somebody = person(name);
            if random.below(4) > 0 {
                somebody = somebody.photo(picture(random.below(PICTURES) as u8));
            }
            let has_profile = random.below(4) > 0;
            somebody = somebody.profiles(usize::from(has_profile));
            for _ in 0..random.below(3) {
                let place = if has_profile && random.below(2) == 0 {
                    PROFILE
                } else {
                    USER
                };
                somebody = somebody.stored(place, picture(random.below(PICTURES) as u8));
            }
            if has_profile && random.below(4) == 0 {
                somebody = somebody.column(PROFILE, "gone");
            }
            world.add(somebody);
        }
        let small = Small::of(&world);
        Self {
            seed,
            random,
            small,
            admins: [Admin::new(), Admin::new()],
            world,
            told: Vec::new(),
        }
    }

    fn draw(&mut self) -> Event {
        let random = &mut self.random;
        let who = random.below(PEOPLE.len() as u64) as usize;
        let admin = random.below(2) as usize;
        let seed = random.below(PICTURES) as u8;
        match random.below(16) {
            0 | 1 => Event::PhotoEdited(who, seed),
            2 => Event::PhotoDeleted(who),
            3 => Event::AvatarEdited(who, if random.below(2) == 0 { PROFILE } else { USER }, seed),
            4 => Event::AvatarDeleted(who),
            5 => Event::Remove(admin, who),
            6 | 7 => Event::Undo(admin, who),
            8 => Event::Restart(admin),
            _ => {
                let trouble = Trouble::ALL[random.below(Trouble::ALL.len() as u64) as usize];
                Event::Push(admin, who, trouble)
            }
        }
    }

    async fn tell(&mut self, events: u64) {
        for _ in 0..events {
            let event = self.draw();
            self.told.push(event);
            let others: Vec<_> = PEOPLE.map(|name| self.world.chain(name)).into();
            let concerned = self.happen(event).await;
            for (who, before) in others.into_iter().enumerate() {
                if !concerned.contains(&who) {
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
                let came = self.admins[admin]
                    .carry_out(&self.world, who, Change::Remove, &[], None)
                    .await;
                let person = &self.small.people[who];
                let expected = if person.photo.is_some() {
                    Outcome::Skipped
                } else {
                    Outcome::Removed
                };
                self.assert(came.outcome == expected, format!("{came:?}"));
                if came.outcome == Outcome::Removed && came.writes > 0 {
                    self.small.changed_by(admin, who, None);
                }
                self.agree(who);
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
                self.recover(admin).await
            }
        }
    }

    /// The person chooses another picture in ServiceNow: whatever is in the record's field makes way.
    fn edit_avatar(&mut self, who: usize, place: Place, seed: u8) {
        admins::edit(&self.world, PEOPLE[who], place, seed);
        let shown = self.small.seen(&self.world, who);
        self.small.edited(who, shown);
    }

    async fn push_in(&mut self, admin: usize, who: usize, trouble: Trouble) {
        let photo = self.small.people[who].photo;
        let before = self.small.people[who].avatar;
        let call = CALLS[self.random.below(CALLS.len() as u64) as usize];
        let nth = 1 + self.random.below(2);
        let write = CALLS[self.random.below(4) as usize];
        match trouble {
            Trouble::Throttled => self.world.fail(call, nth, ErrorKind::Throttled),
            Trouble::Refused => self.world.fail(call, nth, ErrorKind::Unavailable),
            Trouble::DoneButSaysNo => self.world.lose_answer(write, nth),
            _ => {}
        }
        let came = if trouble == Trouble::Down {
            let from = 1 + self.random.below(14) as usize;
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
        self.settle(admin, who, before, photo, &came);
        if trouble == Trouble::Nothing {
            let is_expected = match photo {
                Some(_) => matches!(came.outcome, Outcome::Updated | Outcome::Unchanged),
                None => came.outcome == Outcome::NoPhoto && came.writes == 0,
            };
            self.assert(is_expected, format!("{came:?}"));
        }
    }

    /// What must be true after a push that nobody else disturbed.
    fn settle(&mut self, admin: usize, who: usize, before: Option<u8>, photo: Option<u8>, came: &Came) {
        let shown = self.small.seen(&self.world, who);
        match came.outcome {
            Outcome::Updated => {
                self.small.changed_by(admin, who, photo);
                self.agree(who);
            }
            Outcome::Unchanged => {
                self.assert(came.writes == 0 && shown == photo, format!("{came:?}"));
                self.agree(who);
            }
            _ => {
                self.assert(
                    shown == before || shown == photo,
                    format!("{came:?}, {shown:?} is shown"),
                );
                self.assert(
                    came.outcome != Outcome::ChangedMeanwhile,
                    format!("nobody else was there: {came:?}"),
                );
                if came.writes > 0 {
                    self.small.half_done(admin, who, shown);
                }
            }
        }
    }

    async fn push_and_die(&mut self, admin: usize, who: usize) {
        let photo = self.small.people[who].photo;
        let call = 1 + self.random.below(16) as usize;
        let when = if self.random.below(2) == 0 {
            When::Before
        } else {
            When::After
        };
        let died = self.admins[admin]
            .push_until(&self.world, who, photo, (call, when))
            .await;
        let before = self.small.people[who].avatar;
        if let Some(came) = died {
            self.settle(admin, who, before, photo, &came);
        } else {
            let shown = self.small.seen(&self.world, who);
            self.assert(
                shown == before || shown == photo,
                format!("killed, {shown:?} is shown"),
            );
            self.small.half_done(admin, who, shown);
        }
    }

    async fn push_and_edit(&mut self, admin: usize, who: usize) {
        let photo = self.small.people[who].photo;
        let seed = self.random.below(PICTURES) as u8;
        let place = if self.random.below(2) == 0 { PROFILE } else { USER };
        let call = 1 + self.random.below(12) as usize;
        let was_dangling = dangling(&self.world.chain(PEOPLE[who]));
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
        let before = self.small.people[who].avatar;
        let now_dangling = dangling(&self.world.chain(PEOPLE[who]));
        self.assert(
            now_dangling.is_subset(&was_dangling),
            format!("{came:?}, {now_dangling:?} are gone"),
        );
        self.assert(
            [before, photo, Some(seed)].contains(&shown),
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
            self.small.half_done(admin, who, shown);
        } else {
            self.settle(admin, who, before, photo, &came);
        }
    }

    async fn push_both(&mut self, admin: usize, who: usize) {
        let photo = self.small.people[who].photo;
        let gate = Gate::new(Random::stream(self.seed, "gate", self.told.len() as u64));
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
                self.small.half_done(admin, who, shown);
                self.small.half_done(1 - admin, who, shown);
            }
        }
    }

    async fn undo(&mut self, admin: usize, who: usize) {
        let before = self.small.people[who].avatar;
        let came = self.admins[admin].undo(&self.world, who).await;
        let shown = self.small.seen(&self.world, who);
        let expected = self.small.undone(admin, who);
        match expected {
            small::Undone::Nothing => self.assert(came.is_none(), format!("{came:?}")),
            small::Undone::Left => {
                // Somebody may have brought back, by hand, exactly what the run has left.
                let is_left = came.as_ref().is_none_or(|came| came.writes == 0);
                let is_known = self.small.people[who].ever.contains(&shown);
                self.assert(is_left || is_known, format!("{came:?}: {shown:?}"));
                if !is_left {
                    self.small.half_done(admin, who, shown);
                }
                self.agree(who);
            }
            small::Undone::Back(_) => match came {
                Some(came) if came.writes > 0 => {
                    let is_back = matches!(came.outcome, Outcome::Updated | Outcome::Removed);
                    self.assert(is_back, format!("{came:?}"));
                    self.agree(who);
                }
                // Left alone is always right: not everything that a run has put in order can be told from its end.
                came => {
                    self.assert(shown == before, format!("{came:?}: {shown:?}"));
                    self.small.half_done(admin, who, shown);
                }
            },
            small::Undone::Anything => {
                let is_known = self.small.people[who].ever.contains(&shown);
                self.assert(is_known, format!("{came:?}: {shown:?}"));
                self.small.half_done(admin, who, shown);
            }
        }
    }

    /// The program starts: what was interrupted is settled.
    async fn recover(&mut self, admin: usize) -> Vec<usize> {
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
            self.small.half_done(admin, *who, shown);
            self.small.settled(admin, *who);
        }
        settled
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
            assert_eq!(admin.unfinished().await, 0, "{}", self.context());
        }
    }

    #[track_caller]
    fn agree(&self, who: usize) {
        let shown = self.small.seen(&self.world, who);
        let expected = self.small.people[who].avatar;
        self.assert(
            shown == expected,
            format!("{} sees {shown:?}, the model says {expected:?}", PEOPLE[who]),
        );
    }

    #[track_caller]
    fn assert(&self, holds: bool, what: String) {
        assert!(holds, "{}\n{what}", self.context());
        let broken: Vec<String> = self
            .admins
            .iter()
            .flat_map(|admin| admin.broken.clone())
            .collect();
        assert!(broken.is_empty(), "{}\n{broken:#?}", self.context());
    }

    fn context(&self) -> String {
        let told: Vec<String> = self.told.iter().map(|event| format!("{event:?}")).collect();
        format!("seed {}:\n  {}", self.seed, told.join("\n  "))
    }
}

/// Tells these stories; a story that fails does not keep the next one from being told.
async fn told(seeds: impl IntoIterator<Item = u64>, longest: u64) {
    let mut failed = Vec::new();
    for seed in seeds {
        let events = 1 + Random::stream(seed, "length", 0).below(longest);
        let story = tokio::spawn(async move { Story::of(seed).tell(events).await });
        if story.await.is_err() {
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "stories that did not end well: {failed:?}");
}

#[tokio::test]
async fn the_model_and_the_world_agree_after_every_event() {
    told(ONCE_FAILED.into_iter().chain(0..40), 12).await;
}

#[tokio::test]
#[ignore = "ten thousand stories of up to forty events: an hour; see docs/testing.md"]
async fn the_model_and_the_world_agree_in_ten_thousand_long_stories() {
    let number = |name: &str, usual: u64| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse().ok())
            .unwrap_or(usual)
    };
    let first = number("AVATAR_SYNC_TEST_SEED", 1_000_000);
    let stories = number("AVATAR_SYNC_TEST_STORIES", 10_000);
    told(first..first + stories, 40).await;
    println!("{stories} stories from seed {first}");
}
