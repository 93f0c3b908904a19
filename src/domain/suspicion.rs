//! The wrong-face guard: photos that are probably not the person's own.
//!
//! One picture used by several people, two people's pictures swapped, logos, blank pictures. None of it can be told from
//! one person alone, so the guard looks at everybody whose pictures have been seen. It accuses nobody: what it finds is a
//! detail of the verdict, and a push of it waits until somebody has confirmed it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::ids::SourceId;
use super::picture::Fingerprint;

/// Hash bits that may differ in two uses of one picture. Fewer than for telling one person's two sides apart
/// ([`SAME_PICTURE_BITS`](super::picture::SAME_PICTURE_BITS)), because here everybody is compared with everybody.
const BITS: u32 = 3;
/// Steps of sixteen that the mean colour of a field may be apart. Renditions of one picture are at most one step apart;
/// different people before the same wall, whose hashes agree by chance, are further apart in some field.
const COLOUR_STEPS: u8 = 1;
/// A quarter of the hash that more different pictures share than these says nothing about any of them.
const TELLING: usize = 256;
/// Pictures with no more shades than these are drawings: a mark or initials on a ground. Portraits on a plain ground
/// have seven or more for the most part, but in thousands of drawn ones there is one with three.
const FEW_SHADES: u8 = 2;
/// Of a picture that many use only so many are looked at by name.
const NAMED: usize = 8;

/// What the guard keeps of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Face {
    bits: u64,
    /// Mean colours of the sixteen fields, two channels a byte: the upper halves are enough.
    colours: [u8; Self::COLOURS],
    shades: u8,
}

impl Face {
    const COLOURS: usize = 24;
    const SIZE: usize = 1 + 8 + Self::COLOURS;

    /// What matters of a fingerprint.
    pub fn of(fingerprint: &Fingerprint) -> Self {
        let mut colours = [0; Self::COLOURS];
        let (pairs, _) = fingerprint.colours.as_flattened().as_chunks();
        for (two, [one, other]) in colours.iter_mut().zip(pairs) {
            *two = one & 0xf0 | other >> 4;
        }
        Self {
            bits: fingerprint.bits,
            colours,
            shades: fingerprint.shades,
        }
    }

    /// What can be told from this picture alone.
    pub fn suspicion(&self) -> Option<Suspicion> {
        match self.shades {
            0..=1 => Some(Suspicion::Blank),
            2..=FEW_SHADES => Some(Suspicion::Drawing),
            _ => None,
        }
    }

    /// No shades, no picture.
    fn to_bytes(face: Option<Self>) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        if let Some(face) = face {
            bytes[0] = face.shades.max(1);
            bytes[1..9].copy_from_slice(&face.bits.to_le_bytes());
            bytes[9..].copy_from_slice(&face.colours);
        }
        bytes
    }

    fn from_bytes(bytes: [u8; Self::SIZE]) -> Option<Self> {
        let (shades, rest) = bytes.split_first()?;
        let (bits, colours) = rest.split_first_chunk()?;
        (*shades > 0).then_some(Self {
            bits: u64::from_le_bytes(*bits),
            colours: *colours.first_chunk()?,
            shades: *shades,
        })
    }

    fn is_like(&self, other: &Self) -> bool {
        let is_near = |one: u8, other: u8| one.abs_diff(other) <= COLOUR_STEPS;
        (self.bits ^ other.bits).count_ones() <= BITS
            && self
                .colours
                .iter()
                .zip(other.colours)
                .all(|(one, other)| is_near(one >> 4, other >> 4) && is_near(one & 15, other & 15))
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
    /// The same with the others' positions counted in another way.
    fn renumbered(self, position: impl Fn(usize) -> usize) -> Self {
        match self {
            Self::Blank | Self::Drawing => self,
            Self::Swapped { with } => Self::Swapped { with: position(with) },
            Self::Shared { others, one } => Self::Shared {
                others,
                one: position(one),
            },
            Self::ShownForAnother { whom } => Self::ShownForAnother { whom: position(whom) },
        }
    }

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
    pub fn sentence<'a>(self, name: impl Fn(usize) -> Cow<'a, str>) -> String {
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

/// How a plan and a run say that a photo waits.
pub fn held_back(suspicion: &str) -> String {
    format!("suspicious: {suspicion}; not pushed without a confirmation")
}

/// Whose photo is probably not their own, and why in one sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suspicions(HashMap<SourceId, Box<str>>);

impl Suspicions {
    /// Adds somebody; what is known already stays.
    pub fn add(&mut self, person: SourceId, sentence: &str) {
        self.0.entry(person).or_insert_with(|| sentence.into());
    }

    /// Why this person's photo is probably not their own.
    pub fn of(&self, person: &SourceId) -> Option<&str> {
        self.0.get(person).map(|sentence| &**sentence)
    }

    /// Everybody who is suspected, and why, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&SourceId, &str)> {
        self.0.iter().map(|(person, sentence)| (person, &**sentence))
    }

    /// How many people are suspected.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if nobody is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Everybody's pictures, in as little memory as they need: 70 bytes for each person of whom one is known.
#[derive(Clone, Debug, Default)]
pub struct Gallery {
    /// How many people have been added.
    everybody: u32,
    /// Positions of those of whom a picture is known, in order.
    people: Vec<u32>,
    /// Their pictures.
    faces: Vec<[u8; 2 * Face::SIZE]>,
}

impl Gallery {
    /// Adds the next person.
    pub fn push(&mut self, faces: Faces) {
        let position = self.everybody;
        self.everybody += 1;
        if faces == Faces::default() {
            return;
        }
        self.people.push(position);
        let mut bytes = [0; 2 * Face::SIZE];
        let (source, target) = bytes.split_at_mut(Face::SIZE);
        source.copy_from_slice(&Face::to_bytes(faces.source));
        target.copy_from_slice(&Face::to_bytes(faces.target));
        self.faces.push(bytes);
    }

    /// The same people in another order: `order` names, for each position to come, the one of now.
    #[must_use]
    pub fn arranged(self, order: impl ExactSizeIterator<Item = usize>) -> Self {
        let mut to_come = vec![NONE; self.everybody as usize];
        for (position, now) in order.enumerate() {
            if let Some(place) = to_come.get_mut(now) {
                *place = position as u32;
            }
        }
        let mut known: Vec<(u32, usize)> = self
            .people
            .iter()
            .enumerate()
            .map(|(known, now)| (to_come[*now as usize], known))
            .filter(|(position, _)| *position != NONE)
            .collect();
        known.sort_unstable();
        Self {
            everybody: self.everybody,
            faces: known.iter().map(|(_, known)| self.faces[*known]).collect(),
            people: known.into_iter().map(|(position, _)| position).collect(),
        }
    }

    /// The same with what has been seen of some people since, by position. A side that was not seen again stays as it
    /// is; people who were not added stay unknown.
    #[must_use]
    pub fn with(&self, seen: &BTreeMap<u32, Faces>) -> Self {
        let mut both = Self {
            everybody: self.everybody,
            ..Self::default()
        };
        let mut known = self.people.iter().zip(&self.faces).peekable();
        for (position, faces) in seen.iter().filter(|(position, _)| **position < self.everybody) {
            while let Some((person, bytes)) = known.next_if(|(person, _)| *person < position) {
                both.people.push(*person);
                both.faces.push(*bytes);
            }
            let before = known.next_if(|(person, _)| *person == position);
            let mut bytes = before.map_or([0; 2 * Face::SIZE], |(_, bytes)| *bytes);
            let (source, target) = bytes.split_at_mut(Face::SIZE);
            for (place, face) in [(source, faces.source), (target, faces.target)] {
                if face.is_some() {
                    place.copy_from_slice(&Face::to_bytes(face));
                }
            }
            if before.is_some() || *faces != Faces::default() {
                both.people.push(*position);
                both.faces.push(bytes);
            }
        }
        for (person, bytes) in known {
            both.people.push(*person);
            both.faces.push(*bytes);
        }
        both
    }

    /// A picture's hash, which is all that sorting needs; nonsense where there is no picture.
    fn bits(&self, at: Use) -> u64 {
        let start = at.side() * Face::SIZE + 1;
        let bytes = self.faces[at.person()][start..].first_chunk();
        u64::from_le_bytes(*bytes.expect("eight bytes behind the shades"))
    }

    fn has_face(&self, at: Use) -> bool {
        self.faces[at.person()][at.side() * Face::SIZE] > 0
    }

    fn face(&self, at: Use) -> Option<Face> {
        let bytes = self.faces[at.person()].as_chunks().0;
        Face::from_bytes(bytes[at.side()])
    }

    /// Everybody whose photo is probably not their own; positions in order, each at most once.
    ///
    /// `name` gives a person's folded name: two accounts of one name are one person, who may well use one photo twice.
    /// Time grows with people, not with pairs.
    pub fn suspicions<'a>(&self, name: impl Fn(usize) -> Cow<'a, str>) -> Vec<(usize, Suspicion)> {
        let pictures = Pictures::of(self);
        // Positions among those of whom a picture is known, and among everybody.
        let position = |person: usize| self.people[person] as usize;
        let name = |person: usize| name(position(person));
        let found = (0..self.faces.len()).filter_map(|person| {
            let face = self.face(Use::source(person))?;
            let suspicion = face
                .suspicion()
                .or_else(|| pictures.swapped(person))
                .or_else(|| pictures.used_by_others(person, &name))?;
            Some((position(person), suspicion.renumbered(position)))
        });
        found.collect()
    }
}

/// A picture's use: whose, and on which side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Use(u32);

impl Use {
    fn source(person: usize) -> Self {
        Self(2 * person as u32)
    }

    fn target(person: usize) -> Self {
        Self(2 * person as u32 + 1)
    }

    fn person(self) -> usize {
        self.0 as usize / 2
    }

    fn side(self) -> usize {
        self.0 as usize % 2
    }
}

/// No picture.
const NONE: u32 = u32::MAX;

/// Who uses which picture. Uses of pictures that are alike have one picture's number.
struct Pictures {
    /// By use.
    numbers: Vec<u32>,
    /// All uses, one picture after the other, sources first.
    uses: Vec<Use>,
    /// Where each picture's uses begin, and the last one's end.
    starts: Vec<u32>,
}

impl Pictures {
    fn of(gallery: &Gallery) -> Self {
        let mut uses: Vec<Use> = (0..2 * gallery.faces.len() as u32)
            .map(Use)
            .filter(|at| gallery.has_face(*at))
            .collect();
        let face = |at: Use| gallery.face(at).expect("only uses of pictures are kept");
        uses.sort_unstable_by_key(|at| (gallery.bits(*at), at.0));

        let mut numbers = vec![NONE; 2 * gallery.faces.len()];
        // One use of each picture, in the order of the pictures' numbers.
        let mut examples: Vec<Use> = Vec::new();
        for same_bits in uses.chunk_by(|one, other| gallery.bits(*one) == gallery.bits(*other)) {
            let first = examples.len();
            for at in same_bits {
                let known = examples[first..]
                    .iter()
                    .take(TELLING)
                    .position(|example| face(*example).is_like(&face(*at)));
                let number = known.map_or(examples.len(), |known| first + known);
                if number == examples.len() {
                    examples.push(*at);
                }
                numbers[at.0 as usize] = number as u32;
            }
        }
        let leaders = joined(&examples, gallery);
        for number in numbers.iter_mut().filter(|number| **number != NONE) {
            *number = leaders[*number as usize];
        }

        uses.sort_unstable_by_key(|at| (numbers[at.0 as usize], at.side(), at.person()));
        let mut starts = vec![0; examples.len() + 1];
        for at in &uses {
            starts[numbers[at.0 as usize] as usize + 1] += 1;
        }
        for picture in 1..starts.len() {
            starts[picture] += starts[picture - 1];
        }
        Self {
            numbers,
            uses,
            starts,
        }
    }

    fn picture(&self, at: Use) -> Option<u32> {
        Some(self.numbers[at.0 as usize]).filter(|number| *number != NONE)
    }

    /// Everybody who uses a picture: in the source, in the target.
    fn users(&self, picture: u32) -> (&[Use], &[Use]) {
        let picture = picture as usize;
        let users = &self.uses[self.starts[picture] as usize..self.starts[picture + 1] as usize];
        users.split_at(users.partition_point(|at| at.side() == 0))
    }

    fn swapped(&self, person: usize) -> Option<Suspicion> {
        let (source, target) = (
            self.picture(Use::source(person))?,
            self.picture(Use::target(person))?,
        );
        if source == target {
            return None;
        }
        let (_, wearers) = self.users(source);
        let with = wearers
            .iter()
            .take(NAMED)
            .map(|at| at.person())
            .find(|other| self.picture(Use::source(*other)) == Some(target))?;
        Some(Suspicion::Swapped { with })
    }

    fn used_by_others<'a>(&self, person: usize, name: &impl Fn(usize) -> Cow<'a, str>) -> Option<Suspicion> {
        let source = self.picture(Use::source(person))?;
        let (owners, wearers) = self.users(source);
        let own_name = name(person);
        let others = |users: &[Use]| -> Vec<usize> {
            users
                .iter()
                .take(NAMED)
                .map(|at| at.person())
                .filter(|other| *other != person && !is_one_person(&own_name, &name(*other)))
                .collect()
        };
        let also = others(owners);
        if let Some(one) = also.first() {
            return Some(Suspicion::Shared {
                // Whoever is not looked at by name counts as somebody else.
                others: also.len()
                    + owners
                        .iter()
                        .skip(NAMED)
                        .filter(|at| at.person() != person)
                        .count(),
                one: *one,
            });
        }
        if self.picture(Use::target(person)) == Some(source) {
            return None;
        }
        let whom = others(wearers).into_iter().find(|other| {
            self.picture(Use::source(*other))
                .is_some_and(|picture| picture != source)
        })?;
        Some(Suspicion::ShownForAnother { whom })
    }
}

/// "ann smith" and "ann smith (admin)" are one person's two accounts. Both names are folded.
pub fn is_one_person(one: &str, other: &str) -> bool {
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

/// Which picture stands for each of these: pictures whose hashes agree in a telling quarter, and nearly in the rest,
/// are one.
fn joined(examples: &[Use], gallery: &Gallery) -> Vec<u32> {
    let mut leaders: Vec<u32> = (0..examples.len() as u32).collect();
    let mut order = leaders.clone();
    for quarter in 0..4 {
        let part = |number: u32| (gallery.bits(examples[number as usize]) >> (16 * quarter)) as u16;
        order.sort_unstable_by_key(|number| part(*number));
        for alike in order.chunk_by(|one, other| part(*one) == part(*other)) {
            if alike.len() > TELLING {
                continue;
            }
            for (position, one) in alike.iter().enumerate() {
                let bits = gallery.bits(examples[*one as usize]);
                for other in &alike[position + 1..] {
                    let (at, other_at) = (examples[*one as usize], examples[*other as usize]);
                    let is_near = (bits ^ gallery.bits(other_at)).count_ones() <= BITS;
                    if is_near
                        && let (Some(face), Some(other_face)) = (gallery.face(at), gallery.face(other_at))
                        && face.is_like(&other_face)
                    {
                        join(&mut leaders, *one, *other);
                    }
                }
            }
        }
    }
    (0..leaders.len() as u32)
        .map(|number| led_by(&mut leaders, number))
        .collect()
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
