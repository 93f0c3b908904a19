//! Reads of tables: single pages, and the rows of many keys in few requests (`servicenow.md` 2.9, 8).

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;

use super::SYSTEM;
use super::failure::{
    Nonsense, SignIn, asked_too_much, bad_row, explain, is_target_too_long, may_be_one_rows_fault, unreadable,
};
use super::query::{CHUNK_FLOOR, CHUNK_START, Filter, TARGET_LIMIT, TableRead};
use super::rows::{BadRow, Envelope, Row};
use super::settings::ServiceNowSettings;
use super::sweep::Sweep;
use crate::connector::http::{Answer, Call, Caller, Failure};
use crate::connector::{ErrorKind, Priority};

/// Rows asked for when reading by key; more rows than this for one chunk make it split.
const KEYED_LIMIT: usize = 1_000;

/// A page that comes faster than this, queueing included, may be followed by a larger one (`servicenow.md` 2.4).
const QUICK: Duration = Duration::from_millis(500);

/// What is read: a table, its columns, and how to say so.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    /// The table.
    pub(super) table: &'static str,
    /// Columns, separated by commas.
    pub(super) fields: String,
    /// Completes "could not …".
    pub(super) operation: &'static str,
    /// The right that a refusal asks for.
    pub(super) needs: &'static str,
}

/// One page of rows, and how many rows matched if that was asked.
pub(super) struct Page<T> {
    pub(super) rows: Vec<T>,
    pub(super) total: Option<u64>,
}

/// Reads a row; `None` leaves it out.
pub(super) type Parse<'a, T> = dyn Fn(&Row<'_>) -> Result<Option<T>, BadRow> + Sync + 'a;

/// Builds the filter for some keys.
pub(super) type Query<'a, K> = dyn Fn(&[K]) -> Filter + Sync + 'a;

/// Some of the keys asked, and the rows that match any of them.
pub(super) type Piece<K, T> = (Vec<K>, Result<Vec<T>, Failure>);

/// A page size that adapts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageSize {
    rows: usize,
    ceiling: usize,
    quick: u32,
}

impl PageSize {
    fn new(rows: usize) -> Self {
        Self {
            rows: rows.clamp(ServiceNowSettings::PAGE_FLOOR, ServiceNowSettings::PAGE_CAP),
            ceiling: ServiceNowSettings::PAGE_CAP,
            quick: 0,
        }
    }

    /// The instance gave up: half as many, and never that many again. False if there is nothing left to halve.
    fn shrink(&mut self) -> bool {
        if self.rows <= ServiceNowSettings::PAGE_FLOOR {
            return false;
        }
        self.rows = (self.rows / 2).max(ServiceNowSettings::PAGE_FLOOR);
        self.ceiling = self.rows;
        self.quick = 0;
        true
    }

    /// A full page came quickly; the second in a row makes pages larger.
    fn came(&mut self, took: Duration) {
        self.quick = if took < QUICK { self.quick + 1 } else { 0 };
        if self.quick == 2 {
            self.rows = (self.rows * 2).min(self.ceiling);
            self.quick = 0;
        }
    }
}

/// The rows of a page, still unread.
pub(super) fn read_rows(answer: &Answer) -> Result<Envelope<Vec<Row<'_>>>, serde_json::Error> {
    serde_json::from_slice(answer.text())
}

/// Sends requests to one instance.
pub(super) struct Client {
    caller: Caller,
    sign_in: SignIn,
    page_start: usize,
    pages: Mutex<HashMap<&'static str, PageSize>>,
    /// Most keys in one request; lowered when an edge complains about the length.
    chunk: AtomicUsize,
    /// How many chunks are asked for at once; the lane decides how many are sent.
    abreast: usize,
}

impl Client {
    pub(super) fn new(caller: Caller, settings: &ServiceNowSettings) -> Self {
        Self {
            caller,
            sign_in: SignIn::from(&settings.auth),
            page_start: settings.page_size,
            pages: Mutex::default(),
            chunk: AtomicUsize::new(CHUNK_START),
            abreast: settings.lane_cap.max(1),
        }
    }

    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Sends a call; a failure says what it means for whoever administers the instance.
    pub(super) async fn send(&self, call: Call) -> Result<Answer, Failure> {
        self.caller
            .send(call)
            .await
            .map_err(|failure| explain(failure, self.sign_in))
    }

    /// Reads one page.
    pub(super) async fn page<T>(
        &self,
        subject: &Subject,
        read: &TableRead<'_>,
        priority: Priority,
        parse: &Parse<'_, T>,
    ) -> Result<Page<T>, Failure> {
        let call = Call::get(read.address(self.caller.origin()), subject.operation)
            .needs(subject.needs)
            .priority(priority);
        let answer = self.send(call).await?;
        let total = answer
            .header("x-total-count")
            .filter(|_| read.counted)
            .and_then(|text| text.trim().parse().ok());
        let envelope = match read_rows(&answer) {
            Ok(envelope) => envelope,
            Err(error) => return Err(unreadable(subject.operation, answer.clone(), &error)),
        };
        let rows = envelope
            .result
            .iter()
            .filter_map(|row| parse(row).transpose())
            .collect::<Result<_, _>>()
            .map_err(|row| bad_row(subject.table, subject.operation, row))?;
        Ok(Page { rows, total })
    }

    /// How many rows a query matches, as the instance counts them.
    pub(super) async fn count(&self, subject: &Subject, query: String) -> Result<u64, Failure> {
        let read = TableRead {
            table: subject.table,
            fields: "sys_id",
            query,
            limit: 1,
            offset: 0,
            counted: true,
        };
        let page = self
            .page(subject, &read, Priority::Background, &|_: &Row<'_>| {
                Ok(None::<()>)
            })
            .await?;
        page.total.ok_or_else(|| {
            let nonsense = Nonsense("the answer does not say how many rows there are (X-Total-Count)".into());
            Failure::because(SYSTEM, subject.operation, ErrorKind::UnexpectedAnswer, nonsense)
        })
    }

    /// The page size for a table right now.
    pub(super) fn page_rows(&self, table: &'static str) -> usize {
        self.with_pages(table, |size| size.rows)
    }

    /// Asks for less from now on; false if that is impossible.
    pub(super) fn shrink_pages(&self, table: &'static str) -> bool {
        let shrunk = self.with_pages(table, PageSize::shrink);
        if shrunk {
            tracing::info!(
                table,
                rows = self.page_rows(table),
                "the instance gave up: smaller pages"
            );
        }
        shrunk
    }

    /// A full page came.
    pub(super) fn page_came(&self, table: &'static str, took: Duration) {
        self.with_pages(table, |size| size.came(took));
    }

    fn with_pages<R>(&self, table: &'static str, act: impl FnOnce(&mut PageSize) -> R) -> R {
        let mut pages = self.pages.lock();
        act(pages
            .entry(table)
            .or_insert_with(|| PageSize::new(self.page_start)))
    }

    /// Reads the rows of many keys: as many a request as fit, chunks side by side.
    ///
    /// A chunk that is too long for an edge, matches too many rows or hits the instance's quota is split. One that
    /// fails for a reason that may lie in a single row is split to find it, so that it takes nobody along; when both
    /// halves fail, it is not the row.
    pub(super) async fn by_keys<K, T>(
        &self,
        subject: &Subject,
        keys: Vec<K>,
        priority: Priority,
        query: &Query<'_, K>,
        parse: &Parse<'_, T>,
    ) -> Vec<Piece<K, T>>
    where
        K: Clone + Send + Sync + 'static,
        T: Send + 'static,
    {
        let keyed = Keyed {
            client: self,
            subject,
            priority,
            query,
            parse,
        };
        let mut chunks = Vec::new();
        let mut rest = keys.as_slice();
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(keyed.fitting(rest));
            chunks.push(chunk.to_vec());
            rest = after;
        }
        futures::stream::iter(chunks)
            .map(|chunk| keyed.read(chunk))
            .buffer_unordered(self.abreast)
            .concat()
            .await
    }

    fn chunk_limit(&self) -> usize {
        self.chunk.load(Ordering::Relaxed)
    }

    /// Fewer keys a request from now on; false if that is impossible.
    fn shrink_chunks(&self, tried: usize) -> bool {
        if tried <= CHUNK_FLOOR {
            return false;
        }
        let limit = (tried / 2).max(CHUNK_FLOOR);
        self.chunk.fetch_min(limit, Ordering::Relaxed);
        true
    }
}

/// A read by key under way.
struct Keyed<'a, K, T> {
    client: &'a Client,
    subject: &'a Subject,
    priority: Priority,
    query: &'a Query<'a, K>,
    parse: &'a Parse<'a, T>,
}

impl<K, T> Keyed<'_, K, T>
where
    K: Clone + Send + Sync + 'static,
    T: Send + 'static,
{
    fn table_read(&self, keys: &[K]) -> TableRead<'_> {
        TableRead {
            table: self.subject.table,
            fields: &self.subject.fields,
            query: (self.query)(keys).plain(),
            limit: KEYED_LIMIT,
            offset: 0,
            // The count tells whether the limit cut anything off; without it, only one more request would.
            counted: true,
        }
    }

    /// How many of the first keys fit into one request.
    fn fitting(&self, keys: &[K]) -> usize {
        let mut count = keys.len().min(self.client.chunk_limit());
        let origin = self.client.caller.origin();
        while count > 1 && self.table_read(&keys[..count]).address(origin).target_len() > TARGET_LIMIT {
            count -= count.div_ceil(8);
        }
        count.max(1)
    }

    fn read(&self, keys: Vec<K>) -> BoxFuture<'_, Vec<Piece<K, T>>> {
        async move {
            let failure = match self.attempt(&keys).await {
                Ok(rows) => return vec![(keys, Ok(rows))],
                Err(failure) => failure,
            };
            if keys.len() == 1 {
                return vec![(keys, Err(failure))];
            }
            let (first, second) = keys.split_at(keys.len() / 2);
            let is_too_long = is_target_too_long(&failure);
            if is_too_long && !self.client.shrink_chunks(keys.len()) {
                return vec![(keys, Err(failure))];
            }
            if is_too_long || asked_too_much(&failure) {
                let mut pieces = self.read(first.to_vec()).await;
                pieces.extend(self.read(second.to_vec()).await);
                return pieces;
            }
            if !may_be_one_rows_fault(&failure) {
                return vec![(keys, Err(failure))];
            }
            let (first, second) = (first.to_vec(), second.to_vec());
            match (self.attempt(&first).await, self.attempt(&second).await) {
                (Err(one), Ok(rows)) => self.narrow(first, one, second, rows).await,
                (Ok(rows), Err(one)) => self.narrow(second, one, first, rows).await,
                (one, two) => vec![(first, one), (second, two)],
            }
        }
        .boxed()
    }

    /// One half failed, the other did not: looks further into the one that did.
    async fn narrow(&self, failed: Vec<K>, failure: Failure, fine: Vec<K>, rows: Vec<T>) -> Vec<Piece<K, T>> {
        let mut pieces = if failed.len() == 1 {
            vec![(failed, Err(failure))]
        } else {
            self.read(failed).await
        };
        pieces.push((fine, Ok(rows)));
        pieces
    }

    /// Reads all rows of these keys in one request, or page by page if one key alone has too many.
    async fn attempt(&self, keys: &[K]) -> Result<Vec<T>, Failure> {
        let read = self.table_read(keys);
        let page = self
            .client
            .page(self.subject, &read, self.priority, self.parse)
            .await?;
        let is_whole = match page.total {
            Some(total) => total <= KEYED_LIMIT as u64,
            None => page.rows.len() < KEYED_LIMIT / 2,
        };
        if is_whole {
            return Ok(page.rows);
        }
        let mut sweep = Sweep::new(
            self.client,
            self.subject.clone(),
            (self.query)(keys),
            self.priority,
        );
        let mut rows = Vec::new();
        while let Some(page) = sweep.next_page(self.parse).await? {
            rows.extend(page);
        }
        Ok(rows)
    }
}
