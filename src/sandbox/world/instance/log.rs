//! Every write that was carried out, oldest first, as the control address shows it (`sandbox.md`, Control).

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::SysId;

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// A row is new.
    Insert,
    /// Columns of a row changed.
    Update,
    /// A row is gone.
    Delete,
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogEntry {
    /// Counts from 1; never repeats.
    pub seq: u64,
    /// Sandbox time.
    pub time: Timestamp,
    /// What happened.
    pub op: Operation,
    /// Table of the row.
    pub table: &'static str,
    /// The row.
    #[serde(serialize_with = "id_as_text")]
    pub sys_id: SysId,
    /// Columns that were written, with their new values; of a deleted attachment, what identified it.
    #[serde(serialize_with = "pairs_as_object")]
    pub fields: Box<[(&'static str, Box<str>)]>,
    /// Who wrote.
    pub by: Box<str>,
}

fn id_as_text<S: Serializer>(id: &SysId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

fn pairs_as_object<S: Serializer>(
    pairs: &[(&'static str, Box<str>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(pairs.len()))?;
    for (name, value) in pairs {
        map.serialize_entry(name, value)?;
    }
    map.end()
}

/// The newest writes, at most [`WriteLog::CAPACITY`].
#[derive(Clone, Debug, Default)]
pub(super) struct WriteLog {
    entries: VecDeque<LogEntry>,
    last: u64,
}

impl WriteLog {
    /// Entries kept; older ones are dropped.
    pub(super) const CAPACITY: usize = 2_000_000;

    pub(super) fn record(
        &mut self,
        time: Timestamp,
        op: Operation,
        table: &'static str,
        sys_id: SysId,
        fields: Vec<(&'static str, Box<str>)>,
        by: &str,
    ) {
        if self.entries.len() == Self::CAPACITY {
            self.entries.pop_front();
        }
        self.last += 1;
        self.entries.push_back(LogEntry {
            seq: self.last,
            time,
            op,
            table,
            sys_id,
            fields: fields.into_boxed_slice(),
            by: by.into(),
        });
    }

    /// Up to `limit` entries after `seq`.
    pub(super) fn after(&self, seq: u64, limit: usize) -> Vec<LogEntry> {
        let start = self.entries.partition_point(|entry| entry.seq <= seq);
        self.entries.range(start..).take(limit).cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
