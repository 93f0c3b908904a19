//! The model: which picture everybody sees, and which one would come back. It knows nothing of rows, columns and
//! journals; whether the records are still as a run has left them it is told.

use std::collections::HashSet;

use crate::engine::fakes::{World, picture};

/// Who takes part.
pub(super) const PEOPLE: [&str; 3] = ["ada", "bob", "cleo"];
/// How many pictures there are.
pub(super) const PICTURES: u64 = 6;

/// The last thing that one administrator did to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Nothing was ever changed.
    Nothing,
    /// This picture made way, or there was none.
    Replaced(Option<u8>),
    /// Somebody else had a hand in it while it was under way.
    Mixed,
}

/// What an undo has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undone {
    /// There is nothing to take back.
    Nothing,
    /// Somebody has changed it since: it stays, and the reason is told.
    Left,
    /// This one is back.
    Back(Option<u8>),
    /// It stays and the reason is told, or a picture of some time before is back.
    Open,
}

/// A run that came to no settled end.
#[derive(Clone, Copy, Debug)]
struct Begun {
    before: Option<u8>,
    known: Known,
    is_mixed: bool,
    /// The person has chosen a picture since.
    was_edited: bool,
}

/// How a run has left a person.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wrote {
    /// What is displayed now.
    pub(super) shown: Option<u8>,
    /// True if everything is as it was found.
    pub(super) is_as_found: bool,
    /// True if somebody else wrote at the same time.
    pub(super) is_mixed: bool,
    /// True if it has to be settled by the next start.
    pub(super) is_unsettled: bool,
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
    begun: [Option<Begun>; 2],
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
            let position = pictures.iter().position(|known| *known == bytes);
            position.map(|position| position as u8)
        };
        let people = PEOPLE.iter().map(|name| {
            let avatar = number(world.shown(name));
            Person {
                photo: number(world.photo_of(name)),
                avatar,
                ever: [avatar].into(),
                known: [Known::Nothing; 2],
                begun: [None; 2],
            }
        });
        Self {
            people: people.collect(),
            pictures,
        }
    }

    /// The number of the picture that is displayed.
    pub(super) fn seen(&self, world: &World, who: usize) -> Option<u8> {
        let shown = world.shown(PEOPLE[who])?;
        let known = self.pictures.iter().position(|picture| *picture == shown);
        Some(known.expect("a picture of this story") as u8)
    }

    /// How somebody's records are, for whoever reads the message of a failed story.
    pub(super) fn portrait(&self, world: &World, who: usize) -> String {
        world.portrait(PEOPLE[who], |bytes| {
            let number = self.pictures.iter().position(|known| known == bytes);
            number.map_or_else(|| "?".to_owned(), |number| number.to_string())
        })
    }

    /// Somebody has chosen another picture in the target, or none.
    pub(super) fn edited(&mut self, who: usize, avatar: Option<u8>) {
        let person = &mut self.people[who];
        person.see(avatar);
        for begun in person.begun.iter_mut().flatten() {
            begun.was_edited = true;
        }
    }

    /// A run has written. Whatever it was and wherever it broke off: what it has left is taken back by an undo, unless
    /// it has left everything as it was.
    pub(super) fn wrote(&mut self, admin: usize, who: usize, wrote: Wrote) {
        let person = &mut self.people[who];
        let begun = Begun {
            before: person.avatar,
            known: person.known[admin],
            is_mixed: wrote.is_mixed,
            was_edited: false,
        };
        person.ended(admin, begun, wrote);
    }

    /// An interrupted run is settled.
    pub(super) fn settled(&mut self, admin: usize, who: usize, wrote: Wrote) {
        let person = &mut self.people[who];
        let begun = person.begun[admin].take().expect("it was interrupted");
        let is_mixed = wrote.is_mixed || begun.is_mixed;
        person.ended(admin, begun, Wrote { is_mixed, ..wrote });
    }

    /// True if the person has chosen a picture since this administrator's run was interrupted.
    pub(super) fn was_edited_since(&self, admin: usize, who: usize) -> bool {
        self.people[who].begun[admin].is_some_and(|begun| begun.was_edited)
    }

    /// What taking back the last change has to do, if everything is as that has left it, or not.
    pub(super) fn undo(&self, admin: usize, who: usize, is_as_left: bool) -> Undone {
        match self.people[who].known[admin] {
            Known::Nothing => Undone::Nothing,
            Known::Mixed => Undone::Open,
            Known::Replaced(_) if !is_as_left => Undone::Left,
            Known::Replaced(before) => Undone::Back(before),
        }
    }
}

impl Person {
    fn ended(&mut self, admin: usize, begun: Begun, wrote: Wrote) {
        self.known[admin] = if wrote.is_mixed {
            Known::Mixed
        } else if wrote.is_as_found {
            begun.known
        } else {
            Known::Replaced(begun.before)
        };
        self.begun[admin] = wrote.is_unsettled.then_some(begun);
        self.see(wrote.shown);
    }

    fn see(&mut self, avatar: Option<u8>) {
        self.avatar = avatar;
        self.ever.insert(avatar);
    }
}
