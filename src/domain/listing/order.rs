//! The people of a listing in the order of a column.

use super::{Address, Listing, NONE, Row, Text};
use crate::domain::comparison::Verdict;
use crate::domain::filter::folded;

/// What a list can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Column {
    /// Display name.
    Name,
    /// Department; who has none comes last.
    Department,
    /// Sign-in name in the source.
    Principal,
    /// E-mail address; who has none comes last.
    Mail,
    /// Verdict, in the order of [`Verdict::ALL`].
    Verdict,
}

impl Column {
    /// Every column, in the order in which a table shows them.
    pub const ALL: [Self; 5] = [
        Self::Name,
        Self::Department,
        Self::Principal,
        Self::Mail,
        Self::Verdict,
    ];
}

impl Listing {
    /// Everybody in ascending order of a column, case and accents folded. Who is equal there is in the order of
    /// names, and who is equal in that too in the order of rows.
    ///
    /// Costs next to nothing by name when a scan is complete, and some tens of milliseconds for a few hundred
    /// thousand people otherwise.
    pub fn order(&self, column: Column) -> Vec<Row> {
        match column {
            Column::Name if self.is_by_name => self.rows().collect(),
            Column::Name => self.sorted(
                |row, text| {
                    fold_into(text, self.text(row, Text::Name));
                    true
                },
                |row| row.0,
            ),
            Column::Principal => self.sorted_by_address(|row| Some(self.principal_parts(row))),
            Column::Mail => self.sorted_by_address(|row| self.mail_parts(row)),
            Column::Department => {
                let mut departments: Vec<(String, u32)> = (0..)
                    .zip(self.departments.iter())
                    .map(|(number, text)| (folded(text), number))
                    .collect();
                departments.sort_unstable();
                let mut ranks = vec![0; departments.len()];
                let mut rank = 0;
                for (position, (text, number)) in departments.iter().enumerate() {
                    rank += usize::from(position > 0 && departments[position - 1].0 != *text);
                    ranks[*number as usize] = rank;
                }
                let last = rank + 1;
                self.grouped(last + 1, |row| {
                    match self.person_departments.get(row.position()) {
                        NONE => last,
                        number => ranks[number as usize],
                    }
                })
            }
            Column::Verdict => self.grouped(Verdict::ALL.len(), |row| self.verdict(row) as usize),
        }
    }

    fn sorted_by_address<'a>(&'a self, address: impl Fn(Row) -> Option<Address<'a>>) -> Vec<Row> {
        // The place of each row in the order of names, where that is not the order of rows.
        let places: Vec<u32> = if self.is_by_name {
            Vec::new()
        } else {
            let mut places = vec![0; self.len()];
            for (place, row) in (0..).zip(self.order(Column::Name)) {
                places[row.position()] = place;
            }
            places
        };
        self.sorted(
            |row, text| {
                let address = address(row);
                if let Some(Address { local, domain }) = address {
                    fold_into(text, local);
                    if let Some(domain) = domain {
                        text.push('@');
                        fold_into(text, domain);
                    }
                }
                address.is_some()
            },
            |row| places.get(row.position()).copied().unwrap_or(row.0),
        )
    }

    /// Sorts by texts, which `write` adds to what it is given; rows for which it returns false come last. Equals are
    /// in the order of `place`, which is another number for each row.
    fn sorted(&self, write: impl Fn(Row, &mut String) -> bool, place: impl Fn(Row) -> u32) -> Vec<Row> {
        let mut text = String::with_capacity(self.text.len());
        let mut keys: Vec<SortKey> = Vec::with_capacity(self.len());
        for row in self.rows() {
            let start = text.len();
            let is_there = write(row, &mut text);
            let own = &text.as_bytes()[start..];
            keys.push(SortKey {
                // No text begins with the byte 255.
                prefix: if is_there { prefix(own) } else { u128::MAX },
                start,
                length: own.len() as u32,
                row,
            });
        }
        let whole = |key: &SortKey| &text.as_bytes()[key.start..key.start + key.length as usize];
        keys.sort_unstable_by(|key, other| {
            let by_text = key.prefix.cmp(&other.prefix);
            by_text
                .then_with(|| whole(key).cmp(whole(other)))
                .then_with(|| place(key.row).cmp(&place(other.row)))
        });
        keys.into_iter().map(|key| key.row).collect()
    }

    /// Puts everybody into groups, in the order of names within each.
    fn grouped(&self, groups: usize, group: impl Fn(Row) -> usize) -> Vec<Row> {
        let mut ends = vec![0; groups];
        for row in self.rows() {
            ends[group(row)] += 1;
        }
        let mut start = 0;
        for end in &mut ends {
            start += std::mem::replace(end, start);
        }
        let mut order = vec![Row(0); self.len()];
        for row in self.order(Column::Name) {
            let next = &mut ends[group(row)];
            order[*next] = row;
            *next += 1;
        }
        order
    }
}

/// What rows are sorted by: the beginning of a text as a number, because comparing numbers costs least, and where all of
/// it is.
struct SortKey {
    prefix: u128,
    start: usize,
    length: u32,
    row: Row,
}

/// The first sixteen bytes of a text, as a number that is ordered like them.
fn prefix(text: &[u8]) -> u128 {
    let mut first = [0; size_of::<u128>()];
    let length = text.len().min(first.len());
    first[..length].copy_from_slice(&text[..length]);
    u128::from_be_bytes(first)
}

/// Adds a text without case and accents.
pub(super) fn fold_into(all: &mut String, text: &str) {
    if text.is_ascii() {
        let start = all.len();
        all.push_str(text);
        all[start..].make_ascii_lowercase();
    } else {
        all.push_str(&folded(text));
    }
}
