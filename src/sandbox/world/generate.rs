//! Invents a tenant and an instance from a seed (`sandbox.md`, "Invented people"; `entra.md` 9.3).
//!
//! Everything about a person comes from random streams of their own, named by purpose and position, so that the same
//! seed gives the same tenant byte for byte, whatever is added to the generator elsewhere. No clock is read: the tenant
//! was last touched at 1 October 2025.

mod company;
mod instance_rows;
mod person;

use std::collections::HashMap;
use std::sync::{Arc, mpsc};

use uuid::Uuid;

use super::directory::{Directory, DirectoryGroup};
use super::instance::{Instance, SysId};
use super::kinds::{Case, KINDS, Kind, Planted, sorted};
use super::{Credentials, World};
use crate::sandbox::portraits::{FACES, Portrait};
use crate::sandbox::random::Random;
use instance_rows::{Rows, Shared};

/// The moment the invented tenant ends at, in seconds since 1970: 1 October 2025, 08:00 UTC.
pub(super) const EPOCH: i64 = 1_759_305_600;

/// How many people are handed over to the tables at a time.
const BATCH: usize = 512;

/// Which kind each invented person is of, one byte a person.
#[derive(Debug, Default)]
pub(super) struct Plantings {
    seed: u64,
    kinds: Box<[u8]>,
    /// Whose pictures have to do with whose, by position.
    others: HashMap<usize, usize>,
}

impl Plantings {
    fn new(people: usize, seed: u64) -> Self {
        let mut kinds = sorted(people);
        let random = &mut Random::stream(seed, "order", 0);
        for last in (1..kinds.len()).rev() {
            let other = random.below(last as u64 + 1) as usize;
            kinds.swap(last, other);
        }
        Self {
            seed,
            others: others(&kinds),
            kinds: kinds.into(),
        }
    }

    /// Whose picture comes into this person's story too.
    fn other(&self, position: usize) -> Option<usize> {
        self.others.get(&position).copied()
    }

    fn kind(&self, position: usize) -> &'static Kind {
        &KINDS[usize::from(self.kinds[position])]
    }

    /// Everyone as they are now, in the order of the directory.
    pub(super) fn people(&self, directory: &Directory, instance: &Instance) -> Vec<Planted> {
        directory
            .users()
            .iter()
            .take(self.kinds.len())
            .enumerate()
            .map(|(position, user)| Planted {
                kind: self.kind(position),
                principal: user.principal.to_string(),
                user_name: instance
                    .user(sys_id(self.seed, "sys_user", position))
                    .map(|row| row.user_name.to_string()),
            })
            .collect()
    }
}

/// Pairs of people whose pictures have to do with each other.
fn others(kinds: &[u8]) -> HashMap<usize, usize> {
    let of = |case: Case| -> Vec<usize> {
        let is_of = |kind: u8| KINDS[usize::from(kind)].case == case;
        (0..kinds.len())
            .filter(|position| is_of(kinds[*position]))
            .collect()
    };
    let mut others = HashMap::new();
    for pair in of(Case::SwappedPhotos).as_chunks().0 {
        let [one, other] = *pair;
        others.extend([(one, other), (other, one)]);
    }
    for pair in of(Case::SharedPhoto).as_chunks().0 {
        let [owner, user] = *pair;
        others.insert(user, owner);
    }
    others.extend(of(Case::ShowsAnother).into_iter().zip(of(Case::ShownForAnother)));
    others
}

/// How invented people are drawn. Few faces in small pictures are drawn and decoded in a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// How many different faces there are, at most [`FACES`]. People who share one have files of their own all the same.
    pub faces: u16,
    /// Widths are divided by this: 1 gives the sizes that photos have in real tenants.
    pub shrink: u16,
}

impl Default for Drawn {
    fn default() -> Self {
        Self {
            faces: FACES,
            shrink: 1,
        }
    }
}

impl Drawn {
    /// The narrowest a photo gets by being shrunk, in pixels.
    const NARROWEST: u16 = 48;

    /// This usual width in pixels, as it is drawn.
    fn width(self, usual: u16) -> u16 {
        (usual / self.shrink.max(1)).max(Self::NARROWEST.min(usual))
    }
}

impl World {
    /// Invents a tenant of so many people and the ServiceNow instance that goes with it. The same number and seed give
    /// the same world byte for byte; what the people are like is in [`KINDS`].
    pub fn invent(users: usize, seed: u64) -> Self {
        Self::invent_drawn(users, seed, Drawn::default())
    }

    /// The same people, drawn in another way.
    pub fn invent_drawn(users: usize, seed: u64, drawn: Drawn) -> Self {
        let plantings = Plantings::new(users, seed);
        let shared = Shared::new(seed);
        let mut inventor = Inventor::new(seed, drawn, &shared);
        // Filling the tables takes as long as inventing the people, so it is done beside it.
        let instance = std::thread::scope(|scope| {
            let (send, receive) = mpsc::sync_channel::<Vec<Rows<'_>>>(4);
            let filling = scope.spawn(|| {
                let mut instance = Instance::default();
                receive
                    .into_iter()
                    .flatten()
                    .for_each(|rows| rows.put(&mut instance));
                instance
            });
            for batch in 0..users.div_ceil(BATCH) {
                let people = batch * BATCH..users.min((batch + 1) * BATCH);
                let rows = people
                    .filter_map(|position| {
                        let (kind, other) = (plantings.kind(position), plantings.other(position));
                        inventor.add(position, kind.case, other)
                    })
                    .collect();
                if send.send(rows).is_err() {
                    break;
                }
            }
            drop(send);
            filling.join()
        });
        let mut instance = instance.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        shared.put_service_accounts(&mut instance);
        let Inventor {
            mut directory,
            departments,
            opted_out,
            ..
        } = inventor;
        company::add_groups(&mut directory, seed, departments, opted_out);
        let mut world = Self::new(directory, instance, Credentials::invent(seed));
        world.plantings = Arc::new(plantings);
        world
    }
}

/// What grows while people are invented one after the other.
struct Inventor<'a> {
    seed: u64,
    drawn: Drawn,
    directory: Directory,
    /// Object ids in order, for managers.
    ids: Vec<Uuid>,
    /// How often a sign-in name was given out.
    taken: HashMap<Box<str>, u32>,
    /// Members of each department.
    departments: Vec<Vec<Uuid>>,
    opted_out: Vec<Uuid>,
    /// How many people of a kind there were so far.
    turns: HashMap<Case, usize>,
    texts: company::Texts,
    shared: &'a Shared,
}

impl<'a> Inventor<'a> {
    fn new(seed: u64, drawn: Drawn, shared: &'a Shared) -> Self {
        Self {
            seed,
            drawn,
            directory: Directory::default(),
            ids: Vec::new(),
            taken: HashMap::new(),
            departments: vec![Vec::new(); company::DEPARTMENTS.len()],
            opted_out: Vec::new(),
            turns: HashMap::new(),
            texts: company::Texts::new(),
            shared,
        }
    }

    /// A sign-in name nobody has yet: the name, or the name and a number.
    fn unique(&mut self, name: String) -> String {
        let times = self.taken.entry(name.as_str().into()).or_insert(0);
        *times += 1;
        if *times == 1 {
            name
        } else {
            format!("{name}{times}")
        }
    }
}

/// A stream for one person and one purpose.
fn stream(seed: u64, purpose: &str, position: usize) -> Random {
    Random::stream(seed, purpose, position as u64)
}

/// A GUID of version 4.
pub(super) fn guid(random: &mut Random) -> Uuid {
    uuid::Builder::from_random_bytes(random.next_u128().to_be_bytes()).into_uuid()
}

/// The key of a row: always the same for one seed, purpose and position.
pub(super) fn sys_id(seed: u64, purpose: &str, position: usize) -> SysId {
    SysId(stream(seed, purpose, position).next_u128())
}

/// How many faces the special people of a large tenant share: each face is drawn in many ways for them.
const SHARED_FACES: usize = 512;

/// The face of a person. Two neighbours are one woman and one man, either first; everyone has a face of their own as
/// long as there are enough, and another seed shows the same faces in another order. Beyond that faces repeat, and
/// people whose files are unusual share fewer, so that the hashes of all pictures never take many drawings.
fn portrait(seed: u64, drawn: Drawn, position: usize, case: Case) -> Portrait {
    let swapped = stream(seed, "pair", position / 2).percent(50);
    let paired = position ^ usize::from(swapped);
    let number = if position < usize::from(FACES) || case == Case::Ordinary {
        paired
    } else {
        paired % SHARED_FACES
    };
    let mut shuffle = stream(seed, "faces", 0);
    let factor = shuffle.below(u64::from(FACES)) as usize | 1;
    let start = shuffle.below(u64::from(FACES)) as usize & !1;
    let face = (number % usize::from(drawn.faces.max(1)) * factor + start) % usize::from(FACES);
    let person = (position as u32)
        .wrapping_mul(0x9e37_79b1)
        .wrapping_add(crate::sandbox::random::scramble(seed) as u32);
    Portrait::new(person, face as u16).with_width(drawn.width(360))
}

impl Credentials {
    /// Credentials of a practice tenant; they open nothing else.
    pub(super) fn invent(seed: u64) -> Self {
        let random = &mut stream(seed, "credentials", 0);
        let mut text = |length: usize, letters: &[u8]| -> String {
            (0..length).map(|_| char::from(random.pick(letters))).collect()
        };
        const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
        const MORE: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789~_-.";
        const HEX: &[u8] = b"0123456789abcdef";
        let client_secret = format!("{}8Q~{}", text(3, LETTERS), text(34, MORE));
        let servicenow_password = text(20, LETTERS);
        let servicenow_client_id = text(32, HEX);
        let servicenow_client_secret = text(32, LETTERS);
        Self {
            tenant_id: guid(random).to_string(),
            client_id: guid(random).to_string(),
            client_secret,
            servicenow_username: "svc.avatar.sync".to_owned(),
            servicenow_password,
            servicenow_client_id,
            servicenow_client_secret,
        }
    }
}

/// A group of the directory with a key of its own.
fn group(seed: u64, name: &str, users: Vec<Uuid>, groups: Vec<Uuid>) -> DirectoryGroup {
    DirectoryGroup {
        id: guid(&mut Random::stream(seed, name, 0)),
        name: name.into(),
        users,
        groups,
    }
}

#[cfg(test)]
mod tests;
