//! The people of a listing in the order of a column.

use std::cmp::Ordering;

use super::{Address, Listing, NONE, Row};
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
                |row| prefix(Address::of(self.entry(row).raw_name())),
                |one, other| {
                    let [one, other] = [one, other].map(|row| self.entry(row).raw_name());
                    compare(Address::of(one), Address::of(other))
                },
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
        let place = |row: Row| places.get(row.position()).copied().unwrap_or(row.0);
        self.sorted(
            |row| address(row).map_or(u128::MAX, prefix),
            |one, other| {
                let by_address = match (address(one), address(other)) {
                    (Some(one), Some(other)) => compare(one, other),
                    (one, other) => one.is_none().cmp(&other.is_none()),
                };
                by_address.then_with(|| place(one).cmp(&place(other)))
            },
        )
    }

    /// Sorts by the beginnings of texts, and looks at the rest only where those are equal.
    fn sorted(&self, prefix: impl Fn(Row) -> u128, compare: impl Fn(Row, Row) -> Ordering) -> Vec<Row> {
        let mut keys: Vec<(u128, Row)> = self.rows().map(|row| (prefix(row), row)).collect();
        keys.sort_unstable_by(|(key, row), (other_key, other_row)| {
            key.cmp(other_key)
                .then_with(|| compare(*row, *other_row))
                .then(row.cmp(other_row))
        });
        keys.into_iter().map(|(_, row)| row).collect()
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

impl<'a> Address<'a> {
    /// A text that is no address.
    fn of(local: &'a str) -> Self {
        Self { local, domain: None }
    }

    fn is_ascii(self) -> bool {
        self.local.is_ascii() && self.domain.is_none_or(str::is_ascii)
    }

    /// The bytes of the whole.
    fn bytes(self) -> impl Iterator<Item = u8> + use<'a> {
        let domain = self.domain.map(|domain| b"@".iter().chain(domain.as_bytes()));
        self.local.bytes().chain(domain.into_iter().flatten().copied())
    }

    fn folded(self) -> String {
        folded(&self.whole())
    }
}

/// The first sixteen bytes of the folded text, as a number that is ordered like them.
fn prefix(text: Address<'_>) -> u128 {
    let mut first = [0; 16];
    let mut fill = |bytes: &mut dyn Iterator<Item = u8>| {
        for (place, byte) in first.iter_mut().zip(bytes) {
            *place = byte;
        }
    };
    if text.is_ascii() {
        fill(&mut text.bytes().map(|byte| byte.to_ascii_lowercase()));
    } else {
        fill(&mut text.folded().bytes());
    }
    u128::from_be_bytes(first)
}

/// The order of two texts, folded.
fn compare(one: Address<'_>, other: Address<'_>) -> Ordering {
    if one.is_ascii() && other.is_ascii() {
        let [one, other] = [one, other].map(|text| text.bytes().map(|byte| byte.to_ascii_lowercase()));
        one.cmp(other)
    } else {
        one.folded().cmp(&other.folded())
    }
}
