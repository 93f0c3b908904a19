//! What the search reads: the texts of everybody, folded once.

use super::columns::{Interned, part};
use super::order::fold_into;
use super::{Likeness, Listing, Text};
use crate::domain::filter::folded;
use crate::domain::text::SHOWN_LIMIT;

/// The texts of everybody, folded. What is not shown of a text for its length is not searched either.
#[derive(Clone, Debug, Default)]
pub(super) struct SearchKeys {
    text: String,
    keys: Vec<Key>,
    /// The letters that occur in each person's texts: most people are ruled out by them alone.
    pub(super) letters: Vec<u64>,
    pub(super) departments: Vec<Box<str>>,
    pub(super) domains: Vec<Box<str>>,
}

impl SearchKeys {
    /// The keys of everybody in a listing.
    pub(super) fn of(listing: &Listing) -> Self {
        let mut keys = Self::default();
        keys.text.reserve(listing.text.len());
        keys.keys.reserve_exact(listing.len());
        keys.letters.reserve_exact(listing.len());
        keys.extend(listing);
        keys.text.shrink_to_fit();
        keys
    }

    /// Takes in whoever has come since.
    pub(super) fn extend(&mut self, listing: &Listing) {
        let new = |interned: &Interned, known: usize| -> Vec<Box<str>> {
            interned
                .iter()
                .skip(known)
                .map(|text| folded(shown(text)).into())
                .collect()
        };
        self.departments
            .extend(new(&listing.departments, self.departments.len()));
        self.domains.extend(new(&listing.domains, self.domains.len()));
        for row in listing.rows().skip(self.keys.len()) {
            let start = self.text.len();
            let mut put = |text: &str| {
                let from = self.text.len();
                fold_into(&mut self.text, shown(text));
                from..self.text.len()
            };
            let name = put(listing.text(row, Text::Name));
            let principal = put(listing.text(row, Text::Principal));
            let mail = put(listing.text(row, Text::Mail));
            let (likeness, _) = Likeness::unpair(listing.likenesses[row.position()]);
            let has_own_mail =
                likeness == Likeness::Own && self.text[mail.clone()] != self.text[principal.clone()];
            if !has_own_mail {
                self.text.truncate(mail.start);
            }
            let key = match u32::try_from(start) {
                // Three texts of 256 characters, none of which folds to more than 40 bytes.
                Ok(start) if u32::try_from(self.text.len()).is_ok() => Key {
                    start,
                    ends: [name.end, principal.end, self.text.len()].map(|end| (end - start as usize) as u16),
                    has_own_mail,
                },
                // Beyond four thousand million bytes nobody is found.
                _ => {
                    self.text.truncate(start);
                    Key::default()
                }
            };
            self.keys.push(key);
            self.letters.push(letters_in(&self.text[start..]));
        }
    }

    pub(super) fn texts(&self, position: usize) -> Texts<'_> {
        let Key {
            start,
            ends: [name, principal, mail],
            has_own_mail,
        } = self.keys[position];
        let text = |from: u16, to: u16| {
            part(&self.text, start + u32::from(from), start + u32::from(to)).unwrap_or_default()
        };
        Texts {
            name: text(0, name),
            principal: text(name, principal),
            own_mail: has_own_mail.then(|| text(principal, mail)),
        }
    }

    pub(super) fn size(&self) -> usize {
        let repeated = self.departments.iter().chain(&self.domains);
        self.text.capacity()
            + self.keys.capacity() * size_of::<Key>()
            + self.letters.capacity() * size_of::<u64>()
            + repeated
                .map(|text| text.len() + size_of::<Box<str>>())
                .sum::<usize>()
    }
}

/// Where the texts of a person end, from `start` on.
#[derive(Clone, Copy, Debug, Default)]
struct Key {
    start: u32,
    ends: [u16; 3],
    has_own_mail: bool,
}

/// What is searched of one person fuzzily, besides department and domains.
#[derive(Clone, Copy)]
pub(super) struct Texts<'a> {
    pub name: &'a str,
    /// The sign-in name before the `@`.
    pub principal: &'a str,
    /// The mail address before the `@`, where that is another one.
    pub own_mail: Option<&'a str>,
}

impl<'a> Texts<'a> {
    /// The mail address before the `@`, of somebody who has one.
    pub(super) fn mail(&self) -> &'a str {
        self.own_mail.unwrap_or(self.principal)
    }
}

/// A set of the bytes in a text, in which some bytes share a place: a text that contains another one, or its letters,
/// has all that the other one has.
pub(super) fn letters_in(text: &str) -> u64 {
    const PLACES: [u64; 256] = {
        let mut places = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            places[byte] = 1
                << match byte as u8 {
                    letter @ b'a'..=b'z' => letter - b'a',
                    digit @ b'0'..=b'9' => 26 + digit - b'0',
                    other => 36 + other % 28,
                };
            byte += 1;
        }
        places
    };
    text.bytes()
        .fold(0, |letters, byte| letters | PLACES[usize::from(byte)])
}

/// The part of a text that is shown.
fn shown(text: &str) -> &str {
    if text.len() <= SHOWN_LIMIT {
        return text;
    }
    let end = text
        .char_indices()
        .nth(SHOWN_LIMIT)
        .map_or(text.len(), |(end, _)| end);
    &text[..end]
}
