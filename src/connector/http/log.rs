//! The last requests, for the screen that shows the traffic: no secrets, no bodies, no personal query values.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ::http::Method;
use jiff::Timestamp;
use parking_lot::Mutex;

/// Requests remembered.
const REMEMBERED: usize = 500;

/// One attempt of a request.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    /// When it went out.
    pub at: Timestamp,
    /// Its lane.
    pub lane: &'static str,
    /// Method.
    pub method: Method,
    /// Path with its ids; never the query.
    pub path: String,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// How it ended.
    pub ending: Ending,
    /// From sending to the last byte.
    pub took: Duration,
    /// Bytes of the answer's body, expanded.
    pub bytes: u64,
    /// The id by which the service's support finds it.
    pub request_id: Option<String>,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The service answered with this status.
    Status(u16),
    /// No whole answer came; in words.
    Lost(String),
}

/// The last requests of all services, newest last. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct RequestLog(Arc<Mutex<VecDeque<RequestRecord>>>);

impl RequestLog {
    /// Remembers an attempt and writes it to the log.
    pub(super) fn record(&self, record: RequestRecord) {
        tracing::debug!(
            lane = record.lane,
            method = %record.method,
            path = record.path,
            attempt = record.attempt,
            ending = ?record.ending,
            ms = record.took.as_millis() as u64,
            bytes = record.bytes,
            request_id = record.request_id,
            "request"
        );
        let mut records = self.0.lock();
        if records.len() >= REMEMBERED {
            records.pop_front();
        }
        records.push_back(record);
    }

    /// The last requests, oldest first.
    pub fn recent(&self) -> Vec<RequestRecord> {
        self.0.lock().iter().cloned().collect()
    }
}
