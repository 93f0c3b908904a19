//! A listing as bytes: its columns one after the other, as they are in memory.
//!
//! Whoever stores them adds what tells a damaged file from a sound one. What is read here is not trusted for it: every
//! number that leads somewhere is checked before it is followed, so that no bytes at all can do more than make
//! [`Listing::read`] fail, and sizes are compared with what there is to read before memory is set aside.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use super::columns::{Ids, Interned, NONE, Numbers, part};
use super::{Counts, Likeness, Listing, Span};
use crate::domain::comparison::Verdict;

/// Why no listing could be read.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// The bytes could not be read.
    #[error("cannot read")]
    Read(#[source] io::Error),
    /// The bytes are no listing.
    #[error("damaged")]
    Damaged,
}

impl From<io::Error> for BlockError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged,
            _ => Self::Read(error),
        }
    }
}

impl Listing {
    /// Writes everybody. Nothing is copied on the way.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&[u8::from(self.is_by_name)])?;
        number(out, self.len())?;
        text(out, &self.text)?;
        out.write_all(self.spans.as_flattened())?;
        for ids in [&self.sources, &self.targets] {
            text(out, &ids.text)?;
            out.write_all(&ids.forms)?;
            out.write_all(ids.values.as_flattened())?;
        }
        out.write_all(&self.likenesses)?;
        out.write_all(&self.verdicts)?;
        for column in [
            &self.principal_domains,
            &self.mail_domains,
            &self.person_departments,
            &self.person_reasons,
        ] {
            out.write_all(column.0.as_flattened())?;
        }
        for interned in [&self.domains, &self.departments, &self.reasons] {
            text(out, &interned.text)?;
            number(out, interned.len())?;
            out.write_all(interned.ends.0.as_flattened())?;
        }
        number(out, self.suspicions.len())?;
        for (position, sentence) in &self.suspicions {
            out.write_all(&position.to_le_bytes())?;
            text(out, sentence)?;
        }
        Ok(())
    }

    /// Reads what [`Listing::write`] wrote, and nothing beyond. `size` is how many bytes there are at most: no more
    /// than that is ever set aside.
    pub fn read(input: &mut dyn Read, size: u64) -> Result<Self, BlockError> {
        let mut input = Input { input, left: size };
        let is_by_name = match input.array()? {
            [0] => false,
            [1] => true,
            _ => return Err(BlockError::Damaged),
        };
        let people = input.number()?;
        if people == NONE {
            return Err(BlockError::Damaged);
        }
        let text = input.text()?;
        let spans = input.column(people)?;
        let [sources, targets] = [false, true].map(|may_lack| -> Result<Ids, BlockError> {
            let text = input.text()?;
            let forms = input.bytes(people)?;
            let values = input.column(people)?;
            Ids::stored(values, forms, text, may_lack).ok_or(BlockError::Damaged)
        });
        let likenesses = input.bytes(people)?;
        let verdicts = input.bytes(people)?;
        let mut numbers = || input.column(people).map(Numbers);
        let (principal_domains, mail_domains, person_departments, person_reasons) =
            (numbers()?, numbers()?, numbers()?, numbers()?);
        let mut interned = || -> Result<Interned, BlockError> {
            let text = input.text()?;
            let count = input.number()?;
            let ends = Numbers(input.column(count)?);
            Interned::stored(text, ends).ok_or(BlockError::Damaged)
        };
        let (domains, departments, reasons) = (interned()?, interned()?, interned()?);
        let mut suspicions = BTreeMap::new();
        for _ in 0..input.number()? {
            let position = input.number()?;
            let sentence = input.text()?.into_boxed_str();
            if position >= people || suspicions.insert(position, sentence).is_some() {
                return Err(BlockError::Damaged);
            }
        }
        let mut listing = Self {
            text,
            spans,
            sources: sources?,
            targets: targets?,
            likenesses,
            principal_domains,
            mail_domains,
            domains,
            person_departments,
            departments,
            verdicts,
            person_reasons,
            reasons,
            suspicions,
            is_by_name,
            ..Self::default()
        };
        listing.check().ok_or(BlockError::Damaged)?;
        Ok(listing)
    }

    /// Checks what the columns say of each other, and counts the verdicts; `None` if something does not fit.
    fn check(&mut self) -> Option<()> {
        let mut used = 0;
        for bytes in &self.spans {
            let Span { start, ends } = Span::from_bytes(*bytes);
            let mut from = start;
            for end in ends {
                let to = start.checked_add(u32::from(end))?;
                part(&self.text, from, to)?;
                from = to;
            }
            used += usize::from(ends[3]);
        }
        // Spans that overlap use more than there is, and leave nothing unused.
        self.unused = self.text.len().saturating_sub(used);
        for (column, interned) in [
            (&self.principal_domains, &self.domains),
            (&self.mail_domains, &self.domains),
            (&self.person_departments, &self.departments),
            (&self.person_reasons, &self.reasons),
        ] {
            let count = interned.len() as u32;
            if !column.iter().all(|number| number < count || number == NONE) {
                return None;
            }
        }
        let all = Likeness::pair(Likeness::Own, Likeness::Own);
        if self.likenesses.iter().any(|likeness| likeness & !all != 0) {
            return None;
        }
        let mut counts = [0; Verdict::ALL.len()];
        for verdict in &self.verdicts {
            *counts.get_mut(usize::from(*verdict))? += 1;
        }
        self.counts = Counts(counts);
        Some(())
    }
}

fn number(out: &mut dyn Write, number: usize) -> io::Result<()> {
    // No column is longer than a row number can say, and no text than a position in it.
    out.write_all(&(number as u32).to_le_bytes())
}

fn text(out: &mut dyn Write, text: &str) -> io::Result<()> {
    number(out, text.len())?;
    out.write_all(text.as_bytes())
}

/// What is read from, and how much of it is left.
struct Input<'a> {
    input: &'a mut dyn Read,
    left: u64,
}

impl Input<'_> {
    /// Fails rather than set aside memory for more than can come.
    fn claim(&mut self, count: u32, size: usize) -> Result<usize, BlockError> {
        let bytes = u64::from(count) * size as u64;
        self.left = self.left.checked_sub(bytes).ok_or(BlockError::Damaged)?;
        Ok(count as usize)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BlockError> {
        self.claim(1, N)?;
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u32, BlockError> {
        self.array().map(u32::from_le_bytes)
    }

    fn bytes(&mut self, count: u32) -> Result<Vec<u8>, BlockError> {
        let mut bytes = vec![0; self.claim(count, 1)?];
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn column<const N: usize>(&mut self, count: u32) -> Result<Vec<[u8; N]>, BlockError> {
        let mut column = vec![[0; N]; self.claim(count, N)?];
        self.input.read_exact(column.as_flattened_mut())?;
        Ok(column)
    }

    fn text(&mut self) -> Result<String, BlockError> {
        let length = self.number()?;
        String::from_utf8(self.bytes(length)?).map_err(|_| BlockError::Damaged)
    }
}
