//! Which rows are marked.

use super::{Listing, Row};

/// A set of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// One bit a row; no zeros at the end.
    words: Vec<u64>,
    count: usize,
}

impl Marks {
    /// How many rows are marked.
    pub fn count(&self) -> usize {
        self.count
    }

    /// True if none is.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// True if this row is marked.
    pub fn is_marked(&self, row: Row) -> bool {
        let (word, bit) = place(row);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Marks a row. True if it was not.
    pub fn mark(&mut self, row: Row) -> bool {
        let (word, bit) = place(row);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.count += usize::from(is_new);
        is_new
    }

    /// Unmarks a row. True if it was marked.
    pub fn unmark(&mut self, row: Row) -> bool {
        let was_marked = self.is_marked(row);
        if was_marked {
            let (word, bit) = place(row);
            self.words[word] &= !bit;
            self.count -= 1;
            while self.words.last() == Some(&0) {
                self.words.pop();
            }
        }
        was_marked
    }

    /// Marks an unmarked row and unmarks a marked one.
    pub fn toggle(&mut self, row: Row) {
        if !self.unmark(row) {
            self.mark(row);
        }
    }

    /// Marks all of these.
    pub fn mark_all(&mut self, rows: &[Row]) {
        for row in rows {
            self.mark(*row);
        }
    }

    /// Unmarks all of these.
    pub fn unmark_all(&mut self, rows: &[Row]) {
        for row in rows {
            self.unmark(*row);
        }
    }

    /// Toggles each of these, and no other. A row that is named twice stays as it was.
    pub fn invert(&mut self, rows: &[Row]) {
        for row in rows {
            self.toggle(*row);
        }
    }

    /// Unmarks everybody.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The marked rows, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = Row> {
        (0..).zip(&self.words).flat_map(|(place, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(Row(place * u64::BITS + bit))
            })
        })
    }

    /// The same people in another listing; who is not in it is no longer marked.
    #[must_use]
    pub fn remap(&self, old: &Listing, new: &Listing) -> Self {
        self.iter().filter_map(|row| new.find_same(old, row)).collect()
    }
}

impl FromIterator<Row> for Marks {
    fn from_iter<I: IntoIterator<Item = Row>>(rows: I) -> Self {
        let mut marks = Self::default();
        for row in rows {
            marks.mark(row);
        }
        marks
    }
}

fn place(row: Row) -> (usize, u64) {
    ((row.0 / u64::BITS) as usize, 1 << (row.0 % u64::BITS))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::tests::people;
    use super::*;

    #[derive(Clone, Debug)]
    enum Change {
        Mark(Row),
        Unmark(Row),
        Toggle(Row),
        MarkAll(Vec<Row>),
        UnmarkAll(Vec<Row>),
        Invert(Vec<Row>),
        Clear,
    }

    fn change() -> impl Strategy<Value = Change> {
        let row = || (0_u32..200).prop_map(Row);
        let rows = || proptest::collection::vec((0_u32..200).prop_map(Row), 0..20);
        prop_oneof![
            4 => row().prop_map(Change::Mark),
            4 => row().prop_map(Change::Unmark),
            4 => row().prop_map(Change::Toggle),
            2 => rows().prop_map(Change::MarkAll),
            2 => rows().prop_map(Change::UnmarkAll),
            2 => rows().prop_map(Change::Invert),
            1 => Just(Change::Clear),
        ]
    }

    fn toggle(set: &mut BTreeSet<Row>, row: Row) {
        if !set.remove(&row) {
            set.insert(row);
        }
    }

    proptest! {
        #[test]
        fn marks_are_a_set_that_knows_its_size(changes in proptest::collection::vec(change(), 0..40)) {
            let mut marks = Marks::default();
            let mut set = BTreeSet::new();
            for change in changes {
                match change {
                    Change::Mark(row) => prop_assert_eq!(marks.mark(row), set.insert(row)),
                    Change::Unmark(row) => prop_assert_eq!(marks.unmark(row), set.remove(&row)),
                    Change::Toggle(row) => {
                        marks.toggle(row);
                        toggle(&mut set, row);
                    }
                    Change::MarkAll(rows) => {
                        marks.mark_all(&rows);
                        set.extend(rows);
                    }
                    Change::UnmarkAll(rows) => {
                        marks.unmark_all(&rows);
                        set.retain(|row| !rows.contains(row));
                    }
                    Change::Invert(rows) => {
                        marks.invert(&rows);
                        for row in rows {
                            toggle(&mut set, row);
                        }
                    }
                    Change::Clear => {
                        marks.clear();
                        set.clear();
                    }
                }
                prop_assert_eq!(marks.count(), set.len());
                prop_assert!(marks.iter().eq(set.iter().copied()));
                prop_assert!((0..210).map(Row).all(|row| marks.is_marked(row) == set.contains(&row)));
                prop_assert_eq!(&marks, &set.iter().copied().collect::<Marks>());
            }
        }
    }

    #[test]
    fn marks_follow_their_people_into_another_listing() {
        let old = people(["Ada", "Bob", "Cid"]);
        let new = people(["Aaron", "Cid", "Dora", "Ada"]);
        let marks: Marks = ["Ada", "Bob"].into_iter().map(|name| named(&old, name)).collect();
        let marked: Vec<Row> = marks.remap(&old, &new).iter().collect();
        assert_eq!(marked, [named(&new, "Ada")]);
    }

    fn named(listing: &Listing, name: &str) -> Row {
        let rows = (0..listing.len() as u32).map(Row);
        rows.into_iter()
            .find(|row| listing.entry(*row).name() == name)
            .expect("listed")
    }
}
