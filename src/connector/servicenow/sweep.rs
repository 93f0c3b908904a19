//! Listing a table whole (`servicenow.md` 2.4, 2.5).
//!
//! Rows come in key order, each page after the last key of the one before. The limit is applied before access rules,
//! so a short page, and even an empty one, may have rows behind it: the listing ends at an empty page of which the
//! instance says that nothing follows. Where the instance refuses to compare or sort by the key, pages go by offset.

use tokio::time::Instant;

use super::SYSTEM;
use super::client::{Client, Parse, Subject};
use super::failure::{Nonsense, asked_too_much, is_query_refused};
use super::query::{Filter, TableRead};
use super::rows::Row;
use crate::connector::http::Failure;
use crate::connector::{ErrorKind, Priority};
use crate::domain::packing::SeenIds;
use crate::domain::text::clean;

/// More rows than any instance has people, profiles and pictures.
const ROW_LIMIT: usize = 5_000_000;

/// A listing under way.
pub(super) struct Sweep<'a> {
    client: &'a Client,
    subject: Subject,
    filter: Filter,
    priority: Priority,
    order: Order,
    seen: SeenIds,
    /// Whether the filter's columns were looked for in the rows.
    is_checked: bool,
    is_over: bool,
}

/// How the pages follow each other.
#[derive(Clone, Debug)]
enum Order {
    /// By key.
    Key {
        /// The last key; `None` before the first page.
        last: Option<String>,
        /// Rows behind the last key that are all hidden.
        hidden: u64,
        /// Whether the next page, if empty, tells how many rows there are behind the last key.
        counted: bool,
        /// Whether short pages have so far been the end.
        short_means_end: bool,
    },
    /// By offset, in key order or (flagged unstable) in whatever order there is.
    Offset {
        is_ordered: bool,
        offset: u64,
        total: Option<u64>,
        /// Keys seen since paging by offset began; earlier pages come again.
        again: SeenIds,
    },
}

impl<'a> Sweep<'a> {
    /// A listing of the rows that `filter` wants. The filter's columns must show in the rows: a condition on a column
    /// that the instance does not know is dropped in silence (`servicenow.md` 2.3).
    pub(super) fn new(client: &'a Client, subject: Subject, filter: Filter, priority: Priority) -> Self {
        Self {
            client,
            subject,
            filter,
            priority,
            order: Order::Key {
                last: None,
                hidden: 0,
                counted: false,
                short_means_end: true,
            },
            seen: SeenIds::default(),
            is_checked: false,
            is_over: false,
        }
    }

    /// True if rows may be missing or late, because the instance allows no order.
    pub(super) fn is_unstable(&self) -> bool {
        matches!(
            self.order,
            Order::Offset {
                is_ordered: false,
                ..
            }
        )
    }

    /// The next rows, `None` after the last ones. Rows for which `parse` gives `None` are left out. After an error
    /// the listing is over.
    pub(super) async fn next_page<T>(&mut self, parse: &Parse<'_, T>) -> Result<Option<Vec<T>>, Failure> {
        while !self.is_over {
            match self.step(parse).await {
                Ok(rows) if rows.is_empty() => {}
                Ok(rows) => return Ok(Some(rows)),
                Err(failure) => {
                    self.is_over = true;
                    return Err(failure);
                }
            }
        }
        Ok(None)
    }

    /// One request; what it brought that is new.
    async fn step<T>(&mut self, parse: &Parse<'_, T>) -> Result<Vec<T>, Failure> {
        let table = self.subject.table;
        let limit = self.client.page_rows(table);
        let columns = self.filter.columns();
        let started = Instant::now();
        let outcome = self
            .client
            .page(&self.subject, &self.read(limit), self.priority, &|row: &Row<
                '_,
            >| {
                let shown = columns
                    .iter()
                    .map(|column| row.get(column).is_some())
                    .collect::<Vec<_>>();
                Ok(Some(Listed {
                    id: row.sys_id()?.to_owned(),
                    shown,
                    parsed: parse(row)?,
                }))
            })
            .await;
        let page = match outcome {
            Ok(page) => page,
            Err(failure) if asked_too_much(&failure) && self.client.shrink_pages(table) => {
                return Ok(Vec::new());
            }
            Err(failure) if is_query_refused(&failure) && self.fall_back() => return Ok(Vec::new()),
            Err(failure) => return Err(failure),
        };
        if page.rows.len() >= limit {
            self.client.page_came(table, started.elapsed());
        }
        self.check_columns(&page.rows)?;
        self.advance(limit, page.rows, page.total)
    }

    fn read(&self, limit: usize) -> TableRead<'_> {
        let (query, offset, counted) = match &self.order {
            Order::Key {
                last,
                hidden,
                counted,
                ..
            } => (self.filter.after(last.as_deref()), *hidden, *counted),
            Order::Offset {
                is_ordered,
                offset,
                total,
                ..
            } => {
                let query = if *is_ordered {
                    self.filter.ordered()
                } else {
                    self.filter.plain()
                };
                (query, *offset, total.is_none())
            }
        };
        TableRead {
            table: self.subject.table,
            fields: &self.subject.fields,
            query,
            limit,
            offset,
            counted,
        }
    }

    /// Takes a page in, moves on behind it, and decides whether it was the end.
    fn advance<T>(
        &mut self,
        limit: usize,
        rows: Vec<Listed<T>>,
        total: Option<u64>,
    ) -> Result<Vec<T>, Failure> {
        let count = rows.len();
        match &mut self.order {
            Order::Key {
                last,
                hidden,
                counted,
                short_means_end,
            } => {
                let Some(end) = rows.last() else {
                    if !*counted {
                        *counted = true;
                    } else if total.is_some_and(|total| total > *hidden + limit as u64) {
                        *hidden += limit as u64;
                    } else {
                        self.is_over = true;
                    }
                    return Ok(Vec::new());
                };
                *last = Some(end.id.clone());
                *hidden = 0;
                *short_means_end &= !*counted;
                *counted = *short_means_end && count < limit;
                let mut fresh = Vec::with_capacity(count);
                for row in rows {
                    if !self.seen.insert(&row.id) {
                        return Err(self.nonsense(format!("row {} was listed twice", clean(&row.id))));
                    }
                    fresh.extend(row.parsed);
                }
                self.check_size()?;
                Ok(fresh)
            }
            Order::Offset {
                offset,
                total: known,
                again,
                ..
            } => {
                *known = known.or(total);
                *offset += limit as u64;
                if count == 0 {
                    self.is_over = known.is_none_or(|total| *offset >= total);
                    return Ok(Vec::new());
                }
                let mut fresh = Vec::with_capacity(count);
                let mut repeated = 0;
                for row in rows {
                    if !again.insert(&row.id) {
                        repeated += 1;
                    } else if self.seen.insert(&row.id) {
                        fresh.extend(row.parsed);
                    }
                }
                // Pages overlap when rows come and go meanwhile; one that brings nothing new goes round in circles.
                if repeated == count {
                    return Err(self.nonsense("the same page was listed twice".to_owned()));
                }
                self.check_size()?;
                Ok(fresh)
            }
        }
    }

    /// The next way of paging that asks for fewer rights; false if there is none.
    fn fall_back(&mut self) -> bool {
        let is_ordered = match self.order {
            Order::Key { .. } => true,
            Order::Offset { is_ordered: true, .. } => false,
            Order::Offset {
                is_ordered: false, ..
            } => return false,
        };
        tracing::warn!(
            table = self.subject.table,
            is_ordered,
            "the instance refuses the query: paging by offset"
        );
        self.order = Order::Offset {
            is_ordered,
            offset: 0,
            total: None,
            again: SeenIds::default(),
        };
        true
    }

    /// Every column of the filter must show, or its condition may have been dropped.
    fn check_columns<T>(&mut self, rows: &[Listed<T>]) -> Result<(), Failure> {
        if self.is_checked || rows.is_empty() {
            return Ok(());
        }
        self.is_checked = true;
        let missing = self
            .filter
            .columns()
            .iter()
            .enumerate()
            .find(|(position, _)| rows.iter().all(|row| !row.shown[*position]));
        let Some((_, column)) = missing else {
            return Ok(());
        };
        let reason = Nonsense(format!(
            "the scope names column {column} of {}, which no row shows",
            self.subject.table
        ));
        Err(
            Failure::because(SYSTEM, self.subject.operation, ErrorKind::Configuration, reason).hint(
                "correct the column's name, or let the account read it: ServiceNow drops a condition on a column it \
                 does not know and answers with everybody",
            ),
        )
    }

    fn check_size(&self) -> Result<(), Failure> {
        if self.seen.len() > ROW_LIMIT {
            return Err(self.nonsense(format!("more than {ROW_LIMIT} rows were listed")));
        }
        Ok(())
    }

    fn nonsense(&self, words: String) -> Failure {
        Failure::because(
            SYSTEM,
            self.subject.operation,
            ErrorKind::UnexpectedAnswer,
            Nonsense(words),
        )
    }
}

/// A row of a page.
struct Listed<T> {
    id: String,
    /// Which columns of the filter it shows.
    shown: Vec<bool>,
    parsed: Option<T>,
}
