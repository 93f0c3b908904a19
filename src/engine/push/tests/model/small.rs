//! The model: which picture everybody sees, and which one would come back.

use std::collections::HashSet;

use crate::engine::fakes::{World, picture};

/// Who takes part.
pub(super) const PEOPLE: [&str; 3] = ["ada", "bob", "cleo"];
/// How many pictures there are.
pub(super) const PICTURES: u64 = 6;

/// What one administrator's journal knows of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Nothing was ever changed.
    Nothing,
    /// The last run brought a picture in place of this one.
    Replaced(Option<u8>),
    /// The last run came to no clear end, or somebody else had a hand in it.
    Unclear,
}

/// What an undo does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undone {
    /// There is nothing to take back.
    Nothing,
    /// Somebody has changed it since: it stays.
    Left,
    /// This one is back.
    Back(Option<u8>),
    /// The model does not know; a picture that was there at some time.
    Anything,
}

/// A person.
#[derive(Clone, Debug)]
pub(super) struct Person {
    /// In the source.
    pub(super) photo: Option<u8>,
    /// What is displayed.
    pub(super) avatar: Option<u8>,
    /// Everything that was ever displayed.
    pub(super) ever: HashSet<Option<u8>>,
    known: [Known; 2],
    /// Changed by somebody else since this administrator's last run.
    is_stale: [bool; 2],
    /// Chosen by the person since this administrator's run was interrupted.
    was_edited: [bool; 2],
}

/// Everybody.
pub(super) struct Small {
    pub(super) people: Vec<Person>,
    pictures: Vec<bytes::Bytes>,
}

impl Small {
    /// The model of a world at its beginning.
    pub(super) fn of(world: &World) -> Self {
        let pictures: Vec<_> = (0..PICTURES as u8).map(picture).collect();
        let number = |bytes: Option<bytes::Bytes>| {
            let bytes = bytes?;
            pictures
                .iter()
                .position(|known| *known == bytes)
                .map(|at| at as u8)
        };
        let people = PEOPLE
            .iter()
            .map(|name| {
                let avatar = number(world.shown(name));
                Person {
                    photo: number(world.photo_of(name)),
                    avatar,
                    ever: [avatar].into(),
                    known: [Known::Nothing; 2],
                    is_stale: [false; 2],
                    was_edited: [false; 2],
                }
            })
            .collect();
        Self { people, pictures }
    }

    /// The number of the picture that is displayed.
    pub(super) fn seen(&self, world: &World, who: usize) -> Option<u8> {
        let shown = world.shown(PEOPLE[who])?;
        let known = self.pictures.iter().position(|picture| *picture == shown);
        Some(known.expect("a picture of this story") as u8)
    }

    /// Somebody has chosen another picture in the target, or none.
    pub(super) fn edited(&mut self, who: usize, avatar: Option<u8>) {
        let person = &mut self.people[who];
        person.see(avatar);
        person.is_stale = [true; 2];
        person.was_edited = [true; 2];
    }

    /// A run has come to its end.
    pub(super) fn changed_by(&mut self, admin: usize, who: usize, avatar: Option<u8>) {
        let person = &mut self.people[who];
        person.known[admin] = Known::Replaced(person.avatar);
        person.is_stale = [true; 2];
        person.is_stale[admin] = false;
        person.was_edited[admin] = false;
        person.see(avatar);
    }

    /// A run has come to no clear end.
    pub(super) fn half_done(&mut self, admin: usize, who: usize, shown: Option<u8>) {
        let person = &mut self.people[who];
        person.known[admin] = Known::Unclear;
        if person.known[1 - admin] != Known::Nothing {
            person.known[1 - admin] = Known::Unclear;
        }
        person.was_edited[admin] = false;
        person.see(shown);
    }

    /// True if the person has chosen a picture since this administrator's run was interrupted.
    pub(super) fn was_edited_since(&self, admin: usize, who: usize) -> bool {
        self.people[who].was_edited[admin]
    }

    /// An interrupted run is settled.
    pub(super) fn settled(&mut self, admin: usize, who: usize) {
        self.people[who].was_edited[admin] = false;
    }

    /// What taking back the last run does, and its effect.
    pub(super) fn undone(&mut self, admin: usize, who: usize) -> Undone {
        let person = &mut self.people[who];
        match person.known[admin] {
            Known::Nothing => Undone::Nothing,
            Known::Unclear => Undone::Anything,
            Known::Replaced(_) if person.is_stale[admin] => Undone::Left,
            Known::Replaced(before) => {
                person.known[admin] = Known::Replaced(person.avatar);
                person.is_stale[1 - admin] = true;
                person.see(before);
                Undone::Back(before)
            }
        }
    }
}

impl Person {
    fn see(&mut self, avatar: Option<u8>) {
        self.avatar = avatar;
        self.ever.insert(avatar);
    }
}
