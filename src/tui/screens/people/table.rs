//! Moving, marking, sorting and filtering: what the keys do to the table.

use std::sync::Arc;

use super::{Order, People, QUERY_LIMIT, Tab};
use crate::domain::ids::SourceId;
use crate::domain::listing::{Column, Query, Row};

impl People {
    /// Works out which rows are shown and in which order. The cursor goes to `keep` if that person is shown, else it
    /// stays where it is.
    pub fn arrange(&mut self, keep: Option<&SourceId>) {
        let verdicts = self.tab.verdicts();
        let mut rows = if self.query.is_empty() {
            let order = self.ordered(self.column());
            if verdicts.is_empty() {
                order.to_vec()
            } else {
                order
                    .iter()
                    .copied()
                    .filter(|row| verdicts.contains(&self.listing.verdict(*row)))
                    .collect()
            }
        } else {
            self.found()
        };
        if self.is_reversed {
            rows.reverse();
        }
        self.rows = rows;
        self.anchor = None;
        self.is_of_marked = false;
        let kept = keep
            .and_then(|person| self.listing.find(person))
            .and_then(|row| self.rows.iter().position(|shown| *shown == row));
        self.go_to(kept.unwrap_or(self.cursor));
    }

    fn column(&self) -> Column {
        match self.order {
            Order::Usual => Column::Name,
            Order::By(column) => column,
        }
    }

    fn ordered(&mut self, column: Column) -> Arc<[Row]> {
        let listing = &self.listing;
        Arc::clone(
            self.orders
                .entry(column)
                .or_insert_with(|| listing.order(column).into()),
        )
    }

    /// The rows that the filter lets through, best first or by the chosen column.
    fn found(&mut self) -> Vec<Row> {
        let within = self
            .searched
            .as_ref()
            .filter(|(earlier, tab, _)| *tab == self.tab && self.query.narrows(earlier))
            .map(|(_, _, rows)| rows.as_slice());
        let mut hits = self.listing.search(&self.query, within);
        let verdicts = self.tab.verdicts();
        if !verdicts.is_empty() {
            hits.retain(|hit| verdicts.contains(&self.listing.verdict(hit.row)));
        }
        hits.sort_unstable_by_key(|hit| hit.row);
        self.searched = Some((
            self.query.clone(),
            self.tab,
            hits.iter().map(|hit| hit.row).collect(),
        ));
        match self.order {
            Order::Usual => {
                // Rows are in order of names, so equal ranks stay so.
                hits.sort_by_key(|hit| std::cmp::Reverse(hit.score));
                hits.into_iter().map(|hit| hit.row).collect()
            }
            Order::By(column) => {
                let mut is_hit = vec![false; self.listing.len()];
                for hit in &hits {
                    is_hit[hit.row.0 as usize] = true;
                }
                self.ordered(column)
                    .iter()
                    .copied()
                    .filter(|row| is_hit[row.0 as usize])
                    .collect()
            }
        }
    }

    /// Puts the cursor on a row, or as near as there are rows, and keeps it on the screen.
    pub fn go_to(&mut self, position: usize) {
        self.cursor = position.min(self.rows.len().saturating_sub(1));
        self.keep_in_sight();
    }

    /// Moves the window over the rows so that the cursor is in it.
    pub fn keep_in_sight(&mut self) {
        let columns = self.columns.max(1);
        let (lines, line) = (self.lines(), self.cursor / columns);
        let mut first = self.offset / columns;
        if line < first {
            first = line;
        } else if line >= first + lines {
            first = line + 1 - lines;
        }
        self.offset = first.min(self.last_first_line()) * columns;
    }

    /// Lines that fit on the screen.
    fn lines(&self) -> usize {
        (self.height / self.columns.max(1)).max(1)
    }

    /// The first line on the screen when the last one is on it.
    fn last_first_line(&self) -> usize {
        let lines = self.rows.len().div_ceil(self.columns.max(1));
        lines.saturating_sub(self.lines())
    }

    /// Moves the cursor by so many lines, straight up or down; stays where there is none.
    pub fn step_lines(&mut self, by: isize) {
        let columns = self.columns.max(1);
        let (line, column) = (self.cursor / columns, self.cursor % columns);
        let last = self.rows.len().saturating_sub(1);
        let wanted = line.saturating_add_signed(by).min(last / columns);
        self.go_to((wanted * columns + column).min(last));
    }

    /// Moves the cursor by a screenful, up or down.
    pub fn page(&mut self, forward: bool) {
        let lines = self.lines() as isize;
        self.step_lines(if forward { lines } else { -lines });
    }

    /// Moves the cursor; negative is up.
    pub fn step(&mut self, by: isize) {
        self.go_to(self.cursor.saturating_add_signed(by));
    }

    /// Moves the window by lines without the cursor, as a mouse wheel does; the cursor follows if it would be out of sight.
    pub fn scroll(&mut self, by: isize) {
        let columns = self.columns.max(1);
        let first = (self.offset / columns).saturating_add_signed(by);
        let first = first.min(self.last_first_line());
        self.offset = first * columns;
        let line = (self.cursor / columns).clamp(first, first + self.lines() - 1);
        self.cursor = (line * columns + self.cursor % columns).min(self.rows.len().saturating_sub(1));
    }

    /// Marks or unmarks the row under the cursor.
    pub fn toggle_mark(&mut self) {
        if let Some(row) = self.current() {
            self.marks.toggle(row);
        }
    }

    /// Begins a range, or marks everybody from where it began to here.
    pub fn range(&mut self) {
        match self.anchor.take() {
            None => self.anchor = Some(self.cursor),
            Some(anchor) => {
                let (from, to) = (anchor.min(self.cursor), anchor.max(self.cursor));
                if let Some(rows) = self.rows.get(from..=to.min(self.rows.len().saturating_sub(1))) {
                    self.marks.mark_all(rows);
                }
            }
        }
    }

    /// Marks everybody the table shows.
    pub fn mark_shown(&mut self) {
        self.marks.mark_all(&self.rows);
    }

    /// Turns the marks of everybody the table shows round.
    pub fn invert_marks(&mut self) {
        self.marks.invert(&self.rows);
    }

    /// Brings another tab to the front: the next one, or the one before, that has people.
    pub fn turn_tab(&mut self, forward: bool) {
        let tabs: Vec<Tab> = self.tabs();
        let position = tabs.iter().position(|tab| *tab == self.tab).unwrap_or(0);
        let position = if forward {
            (position + 1) % tabs.len()
        } else {
            (position + tabs.len() - 1) % tabs.len()
        };
        self.open_tab(tabs[position]);
    }

    /// Brings this tab to the front.
    pub fn open_tab(&mut self, tab: Tab) {
        if self.tab != tab {
            let here = self.current().map(|row| self.listing.entry(row).source());
            self.tab = tab;
            self.cursor = 0;
            self.offset = 0;
            self.searched = None;
            self.arrange(here.as_ref());
        }
    }

    /// The tabs on show: those of DESIGN always, the others while they have people.
    pub fn tabs(&self) -> Vec<Tab> {
        Tab::ALL
            .into_iter()
            .filter(|tab| {
                *tab == self.tab
                    || !matches!(tab, Tab::Neither | Tab::Undecided | Tab::Excluded)
                    || tab.count(&self.listing) > 0
            })
            .collect()
    }

    /// Another filter. What cannot be understood leaves the rows as they are and says so.
    pub fn set_text(&mut self, text: String) {
        let text: String = text.chars().take(QUERY_LIMIT).collect();
        self.text = text;
        match Query::parse(&self.text) {
            Ok(query) => {
                self.text_error = None;
                if query != self.query {
                    let here = self.current().map(|row| self.listing.entry(row).source());
                    self.query = query;
                    // Typing shows the best match; clearing the filter leads back to the person.
                    let keep = self.query.is_empty().then_some(here).flatten();
                    if keep.is_none() {
                        self.cursor = 0;
                        self.offset = 0;
                    }
                    self.arrange(keep.as_ref());
                }
            }
            Err(error) => self.text_error = Some(error),
        }
    }

    /// Sorts by the next column; after the last one, the usual order.
    pub fn sort_by_next(&mut self) {
        let next = match self.order {
            Order::Usual => Order::By(Column::Name),
            Order::By(column) => {
                let position = Column::ALL.iter().position(|known| *known == column).unwrap_or(0);
                Column::ALL
                    .get(position + 1)
                    .map_or(Order::Usual, |column| Order::By(*column))
            }
        };
        self.sort(next, false);
    }

    /// Sorts by a column; the same one again turns the order round.
    pub fn sort_by(&mut self, column: Column) {
        let again = self.order == Order::By(column);
        self.sort(Order::By(column), again && !self.is_reversed);
    }

    /// Turns the order round.
    pub fn reverse(&mut self) {
        self.sort(self.order, !self.is_reversed);
    }

    fn sort(&mut self, order: Order, is_reversed: bool) {
        let here = self.current().map(|row| self.listing.entry(row).source());
        self.order = order;
        self.is_reversed = is_reversed;
        self.arrange(here.as_ref());
    }
}

impl People {
    /// Shows those who are marked, and nobody else, until the filter, the order or the tab changes.
    pub fn show_marked(&mut self) {
        self.rows = self.marks.iter().collect();
        self.anchor = None;
        self.is_of_marked = true;
        self.offset = 0;
        self.go_to(0);
    }

    /// Shows whoever has a photo that is probably not their own; everybody again if they are shown already.
    pub fn show_suspicious(&mut self) {
        const FILTER: &str = "status:suspicious";
        if self.text == FILTER {
            self.set_text(String::new());
        } else {
            self.open_tab(Tab::All);
            self.set_text(FILTER.to_owned());
        }
    }

    /// Steps back once: a range that was begun is dropped, or else everybody of the tab is shown again.
    pub fn step_back(&mut self) {
        if self.anchor.take().is_some() {
            return;
        }
        if self.is_of_marked {
            let here = self.current().map(|row| self.listing.entry(row).source());
            self.arrange(here.as_ref());
        }
        if !self.text.is_empty() {
            self.set_text(String::new());
        }
    }
}
