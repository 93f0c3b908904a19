//! What somebody is looking for in a listing.

use std::ops::Range;

use super::entry::split_address;
use crate::domain::filter::{Field, FilterError, Term, Wanted, folded, terms};

/// A filter in the language of [`crate::domain::filter`] whose bare words are looked for fuzzily.
///
/// A bare word is found where its letters stand in this order: in the name, in the department, or in an address before
/// its `@`. Behind the `@` it has to stand letter for letter and have three of them, because nearly everybody has the
/// same letters there. A word with an `@` in it looks for its two halves on both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pub(super) terms: Vec<Term>,
}

impl Query {
    /// Reads a query of at most [`crate::domain::filter::FILTER_LIMIT`] characters.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        terms(text).map(|terms| Self { terms })
    }

    /// True if everybody is a hit.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// True if every hit of this query is a hit of the `earlier` one too, in any listing, so that only those need be
    /// searched. False may only mean that it is not easy to tell.
    pub fn narrows(&self, earlier: &Self) -> bool {
        earlier
            .terms
            .iter()
            .all(|earlier| self.terms.iter().any(|term| implies(term, earlier)))
    }

    /// The bare words that have to be found.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().filter_map(|term| match &term.wanted {
            Wanted::Anywhere(word) if !term.is_negated => Some(word.as_str()),
            _ => None,
        })
    }

    /// The parts of a field's text, as it is shown, that were looked for: byte ranges in ascending order that begin and
    /// end at whole characters and neither touch nor overlap.
    pub fn highlights(&self, field: Field, text: &str) -> Vec<Range<usize>> {
        if self.is_empty() {
            return Vec::new();
        }
        let letters = Letters::of(text);
        let mut found = vec![false; letters.folded.len()];
        for term in self.terms.iter().filter(|term| !term.is_negated) {
            match &term.wanted {
                Wanted::Anywhere(word) => letters.mark_word(&mut found, field, text, word),
                Wanted::In(wanted, part) if *wanted == field => {
                    letters.mark_whole(&mut found, 0..letters.folded.len(), &letters_of(part));
                }
                Wanted::In(..) | Wanted::Status(_) => {}
            }
        }
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for ((_, place), _) in letters.folded.iter().zip(found).filter(|(_, found)| *found) {
            match ranges.last_mut() {
                Some(last) if place.start <= last.end => last.end = last.end.max(place.end),
                _ => ranges.push(place.clone()),
            }
        }
        ranges
    }
}

/// True if whoever passes `term` passes `earlier`.
fn implies(term: &Term, earlier: &Term) -> bool {
    // To exclude is the other way round: the shorter text excludes more.
    let (strong, weak) = match (term.is_negated, earlier.is_negated) {
        (false, false) => (&term.wanted, &earlier.wanted),
        (true, true) => (&earlier.wanted, &term.wanted),
        _ => return false,
    };
    match (strong, weak) {
        (Wanted::Status(some), Wanted::Status(all)) => some.are_within(all),
        // To exclude is to look for the letters as they stand.
        (Wanted::Anywhere(longer), Wanted::Anywhere(shorter)) if term.is_negated => {
            longer.contains(shorter.as_str())
        }
        (Wanted::Anywhere(longer), Wanted::Anywhere(shorter)) => {
            longer.contains(shorter.as_str()) && implies_in_addresses(longer, shorter)
        }
        (Wanted::In(field, longer), Wanted::In(same, shorter)) => {
            field == same && longer.contains(shorter.as_str())
        }
        _ => false,
    }
}

/// True if an address in which one word is found has the other too.
fn implies_in_addresses(longer: &str, shorter: &str) -> bool {
    match (split_word(longer), split_word(shorter)) {
        ((local, Some(domain)), (other_local, Some(other_domain))) => {
            local.contains(other_local) && domain.contains(other_domain)
        }
        ((local, Some(domain)), (word, None)) => {
            local.contains(word) || (is_for_domains(word) && domain.contains(word))
        }
        // A longer word is looked for in domains where a short one is not.
        ((longer, None), (shorter, None)) => is_for_domains(shorter) || !is_for_domains(longer),
        ((_, None), (_, Some(_))) => false,
    }
}

/// True if a word is looked for behind the `@` of addresses although it has none itself.
pub(super) fn is_for_domains(word: &str) -> bool {
    word.chars().nth(2).is_some()
}

/// A word as it is looked for in an address: before the `@`, and behind it if the word has one.
pub(super) fn split_word(word: &str) -> (&str, Option<&str>) {
    match word.rsplit_once('@') {
        Some((local, domain)) => (local, Some(domain)),
        None => (word, None),
    }
}

fn letters_of(text: &str) -> Vec<char> {
    text.chars().collect()
}

/// The folded letters of a text, each with the part of the text it comes from.
struct Letters {
    folded: Vec<(char, Range<usize>)>,
}

impl Letters {
    fn of(text: &str) -> Self {
        let mut letters: Vec<(char, Range<usize>)> = Vec::with_capacity(text.len());
        for (start, character) in text.char_indices() {
            let place = start..start + character.len_utf8();
            let before = letters.len();
            if character.is_ascii() {
                letters.push((character.to_ascii_lowercase(), place));
                continue;
            }
            let parts = folded(character.encode_utf8(&mut [0; 4]));
            letters.extend(parts.chars().map(|part| (part, place.clone())));
            // A mark belongs to the letter it stands on.
            if letters.len() == before
                && let Some((_, last)) = letters.last_mut()
            {
                last.end = place.end;
            }
        }
        Self { folded: letters }
    }

    fn mark_word(&self, found: &mut [bool], field: Field, text: &str, word: &str) {
        let all = 0..self.folded.len();
        if let Field::Name | Field::Department = field {
            self.mark_letters(found, all, &letters_of(word));
            return;
        }
        let (local, domain) = split_address(text);
        let end = self.folded.partition_point(|(_, place)| place.end <= local.len());
        // Behind the `@`, if there is one.
        let rest = domain.map(|_| end + 1..self.folded.len());
        match (split_word(word), rest) {
            ((word, None), rest) => {
                if !self.mark_letters(found, 0..end, &letters_of(word))
                    && is_for_domains(word)
                    && let Some(rest) = rest
                {
                    self.mark_whole(found, rest, &letters_of(word));
                }
            }
            ((_, Some(_)), None) => {}
            ((local, Some(domain)), Some(rest)) => {
                let (local, domain) = (letters_of(local), letters_of(domain));
                if self.whole(rest.clone(), &domain).is_some() && self.mark_letters(found, 0..end, &local) {
                    found[end] = true;
                    self.mark_whole(found, rest, &domain);
                }
            }
        }
    }

    /// Marks the word where it stands letter for letter. True if it does.
    fn mark_whole(&self, found: &mut [bool], within: Range<usize>, word: &[char]) -> bool {
        let place = self.whole(within, word);
        if let Some(start) = place {
            found[start..start + word.len()].fill(true);
        }
        place.is_some()
    }

    /// Where the word stands letter for letter, rather at the beginning of a word than within one.
    fn whole(&self, within: Range<usize>, word: &[char]) -> Option<usize> {
        let is_here = |start: &usize| {
            let letters = self.folded[*start..].iter().map(|(letter, _)| letter);
            letters.take(word.len()).eq(word)
        };
        let starts = || within.start..(within.end + 1).saturating_sub(word.len()).max(within.start);
        let begins = |start: &usize| *start == within.start || !self.folded[*start - 1].0.is_alphanumeric();
        let first = starts().find(is_here)?;
        Some(
            (first..starts().end)
                .find(|start| begins(start) && is_here(start))
                .unwrap_or(first),
        )
    }

    /// Marks the letters of the word, as close together as is easily found. True if they are all there.
    fn mark_letters(&self, found: &mut [bool], within: Range<usize>, word: &[char]) -> bool {
        if self.mark_whole(found, within.clone(), word) {
            return true;
        }
        // The first place where they end, and from there backwards.
        let mut left = word.iter();
        let mut wanted = left.next();
        let Some(end) = within.clone().find(|place| {
            if Some(&self.folded[*place].0) == wanted {
                wanted = left.next();
            }
            wanted.is_none()
        }) else {
            return false;
        };
        let mut left = word.iter().rev().peekable();
        for place in (within.start..=end).rev() {
            if left.next_if(|letter| **letter == self.folded[place].0).is_some() {
                found[place] = true;
            }
        }
        true
    }
}
