//! The wrong-face guard: photos that are probably not the person's own.
//!
//! One picture used by several people, two people's pictures swapped, logos, blank pictures. None of it can be told from
//! one person alone, so the guard looks at everybody whose pictures have been seen. It accuses nobody: what it finds is a
//! detail of the verdict, and a push of it waits until somebody has confirmed it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::picture::Fingerprint;

/// Hash bits that may differ in two uses of one picture. Fewer than for telling one person's two sides apart
/// ([`SAME_PICTURE_BITS`](super::picture::SAME_PICTURE_BITS)), because here everybody is compared with everybody.
const BITS: u32 = 3;
/// How far the mean colours of a quarter may be apart, of 255, averaged.
const COLOUR: u32 = 8;
/// A quarter of the hash that more different pictures share than these says nothing about any of them.
const TELLING: usize = 256;
/// Pictures with no more shades than these are drawings; the commonest portraits on plain ground have seven or more.
const FEW_SHADES: u8 = 3;
/// Of a picture that many use only so many are looked at by name.
const NAMED: usize = 8;

/// What the guard keeps of a picture, 24 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Face {
    bits: u64,
    /// Mean colours of the four quarters.
    quarters: [[u8; 3]; 4],
    shades: u8,
}

impl Face {
    /// What matters of a fingerprint.
    pub fn of(fingerprint: &Fingerprint) -> Self {
        let quarter = |index: usize| {
            let (row, column) = (index / 2 * 2, index % 2 * 2);
            let fields = [(0, 0), (0, 1), (1, 0), (1, 1)]
                .map(|(y, x)| fingerprint.colours[(row + y) * 4 + column + x]);
            std::array::from_fn(|part| {
                (fields.iter().map(|field| u16::from(field[part])).sum::<u16>() / 4) as u8
            })
        };
        Self {
            bits: fingerprint.bits,
            quarters: std::array::from_fn(quarter),
            shades: fingerprint.shades,
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        let apart: u32 = self
            .quarters
            .iter()
            .flatten()
            .zip(other.quarters.iter().flatten())
            .map(|(one, other)| u32::from(one.abs_diff(*other)))
            .sum();
        (self.bits ^ other.bits).count_ones() <= BITS && apart / 12 <= COLOUR
    }
}

/// What is known of one person's pictures; `None` for one that is not there or that nobody has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faces {
    /// The source's photo.
    pub source: Option<Face>,
    /// What the target displays.
    pub target: Option<Face>,
}

/// Why a photo is probably not the person's own. Others are named by their position among those who were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// One colour, and nothing on it.
    Blank,
    /// Hardly any colours.
    Drawing,
    /// Each of two people is shown in the target with the photo that the source has of the other one.
    Swapped {
        /// The other one.
        with: usize,
    },
    /// The source has the same photo of other people.
    Shared {
        /// How many others.
        others: usize,
        /// One of them.
        one: usize,
    },
    /// The target shows this photo for somebody else, of whom the source has another one.
    ShownForAnother {
        /// For whom.
        whom: usize,
    },
}

impl Suspicion {
    /// The stable code in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::Blank => "blank",
            Self::Drawing => "drawing",
            Self::Swapped { .. } => "swapped",
            Self::Shared { .. } => "shared",
            Self::ShownForAnother { .. } => "shown_for_another",
        }
    }

    /// The suspicion in one sentence without a full stop; `name` gives the cleaned name of a position.
    pub fn sentence<'a>(self, name: impl Fn(usize) -> std::borrow::Cow<'a, str>) -> String {
        match self {
            Self::Blank => "the photo is blank".into(),
            Self::Drawing => {
                "the photo has hardly any colours: a logo, initials or a placeholder, rather than a face"
                    .into()
            }
            Self::Swapped { with } => format!(
                "swapped with {}: each is shown with the photo that Entra ID has of the other",
                name(with)
            ),
            Self::Shared { others: 1, one } => format!("the same photo as {}", name(one)),
            Self::Shared { others, one } => {
                format!(
                    "the same photo as {} and {} more: a logo or a placeholder?",
                    name(one),
                    others - 1
                )
            }
            Self::ShownForAnother { whom } => format!("ServiceNow shows this photo for {}", name(whom)),
        }
    }
}

/// Looks at everybody; positions in order, each at most once.
///
/// `name` gives a person's folded name: two accounts of one name are one person, who may well use one photo twice.
/// Time grows with people, not with pairs.
pub fn suspicions<'a>(
    people: &[Faces],
    name: impl Fn(usize) -> std::borrow::Cow<'a, str>,
) -> Vec<(usize, Suspicion)> {
    let pictures = Pictures::of(people);
    let found = people.iter().enumerate().filter_map(|(person, faces)| {
        let face = faces.source?;
        let suspicion = if face.shades <= 1 {
            Suspicion::Blank
        } else if face.shades <= FEW_SHADES {
            Suspicion::Drawing
        } else {
            pictures
                .swapped(person)
                .or_else(|| pictures.used_by_others(person, &name))?
        };
        Some((person, suspicion))
    });
    found.collect()
}

/// Who uses which picture on which side. A picture is the number of a group of uses that are alike.
struct Pictures {
    sources: Vec<Option<u32>>,
    targets: Vec<Option<u32>>,
    users: Vec<Users>,
}

#[derive(Default)]
struct Users {
    sources: Vec<u32>,
    targets: Vec<u32>,
}

impl Pictures {
    fn of(people: &[Faces]) -> Self {
        let mut groups = Groups::default();
        let number = |groups: &mut Groups, face: Option<Face>| face.map(|face| groups.number(face));
        let mut sources: Vec<Option<u32>> = people
            .iter()
            .map(|faces| number(&mut groups, faces.source))
            .collect();
        let mut targets: Vec<Option<u32>> = people
            .iter()
            .map(|faces| number(&mut groups, faces.target))
            .collect();
        let of_group = groups.joined();
        let mut users: Vec<Users> = Vec::new();
        users.resize_with(of_group.len(), Users::default);
        for (side, list) in [(&mut sources, true), (&mut targets, false)] {
            for (person, picture) in side.iter_mut().enumerate() {
                let Some(picture) = picture else { continue };
                *picture = of_group[*picture as usize];
                let users = &mut users[*picture as usize];
                if list {
                    &mut users.sources
                } else {
                    &mut users.targets
                }
                .push(person as u32);
            }
        }
        Self {
            sources,
            targets,
            users,
        }
    }

    fn swapped(&self, person: usize) -> Option<Suspicion> {
        let (source, target) = (self.sources[person]?, self.targets[person]?);
        if source == target {
            return None;
        }
        let mut wearers = self.users[source as usize]
            .targets
            .iter()
            .take(NAMED)
            .map(|other| *other as usize);
        let with = wearers.find(|other| self.sources[*other] == Some(target))?;
        Some(Suspicion::Swapped { with })
    }

    fn used_by_others<'a>(
        &self,
        person: usize,
        name: &impl Fn(usize) -> std::borrow::Cow<'a, str>,
    ) -> Option<Suspicion> {
        let source = self.sources[person]?;
        let users = &self.users[source as usize];
        let own_name = name(person);
        let is_other = |other: &usize| *other != person && !is_one_person(&own_name, &name(*other));
        let as_positions =
            |list: &[u32]| -> Vec<usize> { list.iter().take(NAMED).map(|other| *other as usize).collect() };

        let others: Vec<usize> = as_positions(&users.sources)
            .into_iter()
            .filter(is_other)
            .collect();
        if let Some(one) = others.first() {
            let unnamed = users.sources.len().saturating_sub(NAMED);
            return Some(Suspicion::Shared {
                others: others.len() + unnamed,
                one: *one,
            });
        }
        if self.targets[person] == Some(source) {
            return None;
        }
        let whom = as_positions(&users.targets)
            .into_iter()
            .filter(is_other)
            .find(|other| self.sources[*other].is_some_and(|picture| picture != source))?;
        Some(Suspicion::ShownForAnother { whom })
    }
}

/// "Ann Smith" and "Ann Smith (Admin)" are one person's two accounts.
fn is_one_person(one: &str, other: &str) -> bool {
    let words = |name: &'_ str| -> Vec<String> {
        let mut words: Vec<String> = name
            .split(|sign: char| !sign.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        words.sort_unstable();
        words
    };
    let (one, other) = (words(one), words(other));
    let (fewer, more) = if one.len() <= other.len() {
        (&one, &other)
    } else {
        (&other, &one)
    };
    // A single word in common is a first name.
    fewer.len() >= 2 && fewer.iter().all(|word| more.contains(word))
}

/// Different pictures, each with a number, before those that are nearly alike are joined.
#[derive(Default)]
struct Groups {
    faces: Vec<Face>,
    /// The pictures of each hash.
    by_bits: HashMap<u64, Vec<u32>>,
}

impl Groups {
    fn number(&mut self, face: Face) -> u32 {
        let next = self.faces.len() as u32;
        let same_bits = match self.by_bits.entry(face.bits) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(room) => room.insert(Vec::with_capacity(1)),
        };
        if let Some(known) = same_bits
            .iter()
            .find(|known| self.faces[**known as usize].is_like(&face))
        {
            return *known;
        }
        if same_bits.len() < TELLING {
            same_bits.push(next);
        }
        self.faces.push(face);
        next
    }

    /// The group of each number: pictures whose hashes agree in a telling quarter, and nearly in the rest, are one.
    fn joined(self) -> Vec<u32> {
        let mut leader: Vec<u32> = (0..self.faces.len() as u32).collect();
        for quarter in 0..4 {
            let mut by_quarter: HashMap<u16, Vec<u32>> = HashMap::new();
            for (number, face) in self.faces.iter().enumerate() {
                by_quarter
                    .entry((face.bits >> (16 * quarter)) as u16)
                    .or_default()
                    .push(number as u32);
            }
            for alike in by_quarter
                .into_values()
                .filter(|alike| (2..=TELLING).contains(&alike.len()))
            {
                for (position, one) in alike.iter().enumerate() {
                    for other in &alike[position + 1..] {
                        if self.faces[*one as usize].is_like(&self.faces[*other as usize]) {
                            join(&mut leader, *one, *other);
                        }
                    }
                }
            }
        }
        (0..leader.len() as u32)
            .map(|number| led_by(&mut leader, number))
            .collect()
    }
}

fn join(leader: &mut [u32], one: u32, other: u32) {
    let (one, other) = (led_by(leader, one), led_by(leader, other));
    leader[one.max(other) as usize] = one.min(other);
}

fn led_by(leader: &mut [u32], mut number: u32) -> u32 {
    while leader[number as usize] != number {
        // Halves the way for whoever comes next.
        leader[number as usize] = leader[leader[number as usize] as usize];
        number = leader[number as usize];
    }
    number
}

#[cfg(test)]
mod tests;
