//! A long list of which only some pages are held: what is in sight is read, what is far away is forgotten. Pages are
//! found by where the one before has ended, so the list is as long as somebody has looked.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;

use super::intent::Intent;

/// Rows of a page.
pub const PAGE: usize = 100;
/// Pages held.
const PAGES: usize = 12;

/// A list of rows `T` that is read page by page, with a cursor. `C` is a place between two pages.
#[derive(Debug)]
pub struct Paged<T, C> {
    /// Tells answers that are waited for from older ones.
    question: u64,
    /// Where each page begins that is known to exist; the first one at the beginning.
    starts: Vec<Option<C>>,
    /// Rows that are known to exist.
    known: usize,
    /// False as long as there may be more.
    is_whole: bool,
    /// Pages by number; `None`: asked for.
    pages: LruCache<usize, Option<Arc<[T]>>>,
    /// The row under the cursor.
    pub cursor: usize,
    /// The first row on the screen.
    pub offset: usize,
    /// Rows that fit on the screen; set by the layout.
    pub height: usize,
    /// Somebody wants the last row, wherever it is.
    seeks_end: bool,
    /// Why it cannot be read, if it cannot.
    pub failure: Option<String>,
}

/// A page that is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted<C> {
    /// The question it belongs to.
    pub question: u64,
    /// Which page; each has [`PAGE`] rows.
    pub page: usize,
    /// Where it begins; `None` for the beginning.
    pub after: Option<C>,
}

/// A page that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice<T, C> {
    /// The page's rows.
    pub rows: Vec<T>,
    /// Where the next page begins; `None` if this is the last one.
    pub next: Option<C>,
}

impl<T, C> Default for Paged<T, C> {
    fn default() -> Self {
        Self {
            question: 0,
            starts: vec![None],
            known: 0,
            is_whole: false,
            pages: LruCache::new(NonZeroUsize::new(PAGES).expect("not zero")),
            cursor: 0,
            offset: 0,
            height: 1,
            seeks_end: false,
            failure: None,
        }
    }
}

impl<T, C: Clone> Paged<T, C> {
    /// Everything has to be read anew, from the first row on.
    pub fn restart(&mut self, question: u64) {
        *self = Self {
            question,
            height: self.height,
            ..Self::default()
        };
    }

    /// Rows that are known to exist; [`Paged::is_whole`] tells whether there may be more.
    pub fn known(&self) -> usize {
        self.known
    }

    /// True once the end has been read.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// A row, if its page is held.
    pub fn get(&self, row: usize) -> Option<&T> {
        match self.pages.peek(&(row / PAGE)) {
            Some(Some(page)) => page.get(row % PAGE),
            Some(None) | None => None,
        }
    }

    /// The row under the cursor.
    pub fn current(&self) -> Option<&T> {
        self.get(self.cursor)
    }

    /// The rows on the screen: position, and the row itself where its page is held.
    pub fn on_screen(&self) -> impl Iterator<Item = (usize, Option<&T>)> {
        let end = (self.offset + self.height).min(self.known);
        (self.offset..end).map(|row| (row, self.get(row)))
    }

    /// Which pages are in sight, or may be next, and not asked for; they count as asked for from now on.
    pub fn wanted(&mut self) -> Vec<Wanted<C>> {
        if self.failure.is_some() {
            return Vec::new();
        }
        let last = self.starts.len() - 1;
        let from = (self.offset / PAGE).min(last);
        let to = if self.seeks_end {
            last
        } else {
            ((self.offset + 2 * self.height) / PAGE).min(last)
        };
        // What is between here and an end that is sought has been read once, and is not wanted again.
        let near = from..=to.min(from + 1);
        let mut wanted = Vec::new();
        for page in near.chain(std::iter::once(to)) {
            // What is in sight is what was used last.
            if self.pages.get(&page).is_none() {
                self.pages.put(page, None);
                wanted.push(Wanted {
                    question: self.question,
                    page,
                    after: self.starts[page].clone(),
                });
            }
        }
        wanted
    }

    /// A page is there; false if nobody waits for it any more.
    pub fn put(&mut self, at: &Wanted<C>, slice: Slice<T, C>) -> bool {
        if at.question != self.question {
            return false;
        }
        let end = at.page * PAGE + slice.rows.len();
        self.known = self.known.max(end);
        self.pages.put(at.page, Some(slice.rows.into()));
        if at.page + 1 == self.starts.len() {
            if slice.next.is_some() {
                self.starts.push(slice.next);
            } else {
                self.is_whole = true;
                self.known = end;
            }
        }
        let row = if self.seeks_end { usize::MAX } else { self.cursor };
        self.seeks_end &= !self.is_whole;
        self.go_to(row);
        true
    }

    /// A page could not be read.
    pub fn fail(&mut self, at: &Wanted<C>, why: String) {
        if at.question == self.question {
            self.pages.pop(&at.page);
            self.failure = Some(why);
        }
    }

    fn go_to(&mut self, row: usize) {
        self.cursor = row.min(self.known.saturating_sub(1));
        self.keep_in_sight();
    }

    /// Moves the window over the rows so that the cursor is in it.
    pub fn keep_in_sight(&mut self) {
        let height = self.height.max(1);
        let last_first = self.known.saturating_sub(height);
        let first = self.cursor.saturating_sub(height - 1);
        self.offset = self.offset.clamp(first, self.cursor).min(last_first);
    }

    /// Moves the cursor; false for what does not move it.
    pub fn moves(&mut self, intent: Intent) -> bool {
        let page = self.height.max(1) as isize;
        let by = match intent {
            Intent::Up => -1,
            Intent::Down => 1,
            Intent::PageUp => -page,
            Intent::PageDown => page,
            Intent::First => isize::MIN,
            Intent::Last => isize::MAX,
            _ => return false,
        };
        self.seeks_end = intent == Intent::Last && !self.is_whole;
        self.go_to(self.cursor.saturating_add_signed(by));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of numbers with so many rows on the screen.
    fn list(height: usize) -> Paged<usize, usize> {
        Paged {
            height,
            ..Paged::default()
        }
    }

    /// Answers whatever is wanted of so many numbers, and what follows from it; which pages that were.
    fn answer(list: &mut Paged<usize, usize>, total: usize) -> Vec<usize> {
        let mut pages = Vec::new();
        loop {
            let wanted = list.wanted();
            if wanted.is_empty() {
                return pages;
            }
            for at in wanted {
                let from = at.after.unwrap_or(0);
                assert_eq!(
                    from,
                    at.page * PAGE,
                    "each page begins where the one before ended"
                );
                let end = total.min(from + PAGE);
                let slice = Slice {
                    rows: (from..end).collect(),
                    next: (end < total).then_some(end),
                };
                assert!(list.put(&at, slice));
                pages.push(at.page);
            }
        }
    }

    #[test]
    fn what_is_in_sight_is_read_once_and_little_else() {
        let mut list = list(20);
        assert_eq!(answer(&mut list, 100_000), [0]);
        assert_eq!((list.current(), list.is_whole()), (Some(&0), false));
        assert!(answer(&mut list, 100_000).is_empty());
        for _ in 0..4 {
            list.moves(Intent::PageDown);
        }
        assert_eq!(answer(&mut list, 100_000), [1]);
        assert_eq!(list.current(), Some(&80));
    }

    #[test]
    fn the_end_is_found_wherever_it_is_and_little_is_held() {
        let mut list = list(20);
        answer(&mut list, 5_050);
        list.moves(Intent::Last);
        answer(&mut list, 5_050);
        assert_eq!(list.current(), Some(&5_049));
        assert!(list.is_whole() && list.pages.len() <= PAGES);
        assert_eq!(list.on_screen().count(), 20);
        list.moves(Intent::First);
        assert_eq!(list.current(), None, "forgotten, and read again");
        assert_eq!(answer(&mut list, 5_050), [0]);
        assert_eq!(list.current(), Some(&0));
    }

    #[test]
    fn whoever_goes_elsewhere_does_not_seek_the_end_any_more() {
        let mut list = list(20);
        answer(&mut list, 5_000);
        list.moves(Intent::Last);
        list.moves(Intent::Up);
        answer(&mut list, 5_000);
        assert!(!list.is_whole());
        assert_eq!(list.current(), Some(&98));
    }

    #[test]
    fn an_answer_to_an_older_question_is_dropped() {
        let mut list = list(5);
        let at = list.wanted().remove(0);
        list.restart(7);
        let late = Slice {
            rows: vec![1],
            next: None,
        };
        assert!(!list.put(&at, late));
        list.fail(&at, "late".into());
        assert_eq!((list.known(), list.failure.as_deref()), (0, None));
    }

    #[test]
    fn an_empty_list_is_whole_and_has_no_row() {
        let mut list = list(5);
        answer(&mut list, 0);
        assert!(list.is_whole());
        assert!(list.moves(Intent::Down));
        assert_eq!((list.current(), list.cursor), (None, 0));
    }
}
