//! The last scan in few words, for a screen that is there at once.
//!
//! A flat file, because hundreds of thousands of rows have to be read in a moment: a header, a table of the texts
//! that repeat, then row after row, then a checksum. What cannot be read does not exist.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::{StoreError, files};
use crate::domain::comparison::Verdict;
use crate::domain::ids::{SourceId, TargetId};
use crate::domain::photo::Sha256;
use crate::domain::run::PersonRef;
use crate::domain::text::RemoteText;

/// Names the format; another one is not read.
const MAGIC: &[u8; 16] = b"avatar-sync/1\n\0\0";

/// Everybody, as the last scan judged them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// When the scan was finished.
    pub scanned_at: Timestamp,
    /// False if a listing was cut short.
    pub complete: bool,
    /// One row per person, in the source's order.
    pub rows: Vec<SnapshotRow>,
}

/// One person in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotRow {
    /// Who.
    pub person: PersonRef,
    /// The state.
    pub verdict: Verdict,
    /// Why; rows with the same reason share it.
    pub reason: Arc<str>,
}

impl Snapshot {
    pub(super) fn save(&self, path: &Path) -> Result<(), StoreError> {
        if let Some(folder) = path.parent() {
            files::create_folder(folder)?;
        }
        files::write_whole(path, &self.encode())
    }

    /// `None` if there is none, or none that can be read: the next scan writes a new one.
    pub(super) fn load(path: &Path) -> Result<Option<Self>, StoreError> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self::decode(&bytes).ok()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::files("read", path)(error)),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let mut reasons: Vec<&str> = Vec::new();
        for row in &self.rows {
            numbers.entry(&row.reason).or_insert_with(|| {
                reasons.push(&row.reason);
                reasons.len() as u32 - 1
            });
        }
        let mut bytes = Vec::with_capacity(64 + self.rows.len() * 160);
        bytes.extend(MAGIC);
        put_text(&mut bytes, Some(&self.scanned_at.to_string()));
        bytes.push(u8::from(self.complete));
        put_number(&mut bytes, reasons.len() as u32);
        for reason in reasons {
            put_text(&mut bytes, Some(reason));
        }
        put_number(&mut bytes, self.rows.len() as u32);
        for row in &self.rows {
            let person = &row.person;
            put_text(&mut bytes, Some(person.name.raw()));
            put_text(&mut bytes, Some(person.upn.raw()));
            put_text(&mut bytes, person.mail.as_ref().map(RemoteText::raw));
            put_text(&mut bytes, Some(person.source.as_str()));
            put_text(&mut bytes, person.target.as_ref().map(TargetId::as_str));
            put_text(&mut bytes, person.user_name.as_ref().map(RemoteText::raw));
            let verdict = Verdict::ALL.iter().position(|verdict| *verdict == row.verdict);
            bytes.push(verdict.expect("all of them are in ALL") as u8);
            put_number(&mut bytes, numbers[&*row.reason]);
        }
        let checksum = Sha256::of(&bytes);
        bytes.extend(checksum.as_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let (content, checksum) = bytes.split_last_chunk::<32>().ok_or(Damaged)?;
        if Sha256::of(content).as_bytes() != checksum {
            return Err(Damaged);
        }
        let mut rest = content.strip_prefix(MAGIC).ok_or(Damaged)?;
        let scanned_at = take_text(&mut rest)?.parse().map_err(|_| Damaged)?;
        let complete = take_byte(&mut rest)? == 1;
        let mut reasons: Vec<Arc<str>> = Vec::new();
        for _ in 0..take_number(&mut rest)? {
            reasons.push(take_text(&mut rest)?.into());
        }
        let count = take_number(&mut rest)? as usize;
        // A row has 29 bytes at least; a count that promises more is not believed.
        let mut rows = Vec::with_capacity(count.min(rest.len() / 29));
        for _ in 0..count {
            let person = PersonRef {
                name: RemoteText::new(take_text(&mut rest)?),
                upn: RemoteText::new(take_text(&mut rest)?),
                mail: take_optional(&mut rest)?.map(RemoteText::new),
                source: SourceId::new(take_text(&mut rest)?),
                target: take_optional(&mut rest)?.map(TargetId::new),
                user_name: take_optional(&mut rest)?.map(RemoteText::new),
            };
            let verdict = usize::from(take_byte(&mut rest)?);
            let reason = take_number(&mut rest)? as usize;
            rows.push(SnapshotRow {
                person,
                verdict: *Verdict::ALL.get(verdict).ok_or(Damaged)?,
                reason: Arc::clone(reasons.get(reason).ok_or(Damaged)?),
            });
        }
        if !rest.is_empty() {
            return Err(Damaged);
        }
        Ok(Self {
            scanned_at,
            complete,
            rows,
        })
    }
}

/// Bytes that are no snapshot.
#[derive(Debug, PartialEq, Eq)]
struct Damaged;

/// Stands for "no text".
const NOTHING: u32 = u32::MAX;

fn put_number(bytes: &mut Vec<u8>, number: u32) {
    bytes.extend(number.to_le_bytes());
}

fn put_text(bytes: &mut Vec<u8>, text: Option<&str>) {
    let Some(text) = text else {
        return put_number(bytes, NOTHING);
    };
    put_number(bytes, text.len() as u32);
    bytes.extend(text.as_bytes());
}

fn take_byte(rest: &mut &[u8]) -> Result<u8, Damaged> {
    let (byte, tail) = rest.split_first().ok_or(Damaged)?;
    *rest = tail;
    Ok(*byte)
}

fn take_number(rest: &mut &[u8]) -> Result<u32, Damaged> {
    let (number, tail) = rest.split_first_chunk().ok_or(Damaged)?;
    *rest = tail;
    Ok(u32::from_le_bytes(*number))
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Result<&'a str, Damaged> {
    take_optional(rest)?.ok_or(Damaged)
}

fn take_optional<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a str>, Damaged> {
    let length = take_number(rest)?;
    if length == NOTHING {
        return Ok(None);
    }
    let (text, tail) = rest.split_at_checked(length as usize).ok_or(Damaged)?;
    *rest = tail;
    std::str::from_utf8(text).map(Some).map_err(|_| Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(people: u32) -> Snapshot {
        let reasons: [Arc<str>; 2] = ["ServiceNow shows no avatar".into(), "opted out: ünïcode".into()];
        Snapshot {
            scanned_at: "2026-03-02T10:00:00.5Z".parse().expect("a time"),
            complete: true,
            rows: (0..people)
                .map(|number| SnapshotRow {
                    person: PersonRef {
                        name: format!("Ada {number}").into(),
                        upn: format!("ada{number}@x.example").into(),
                        mail: (number % 2 == 0).then(|| "".into()),
                        source: SourceId::new(number.to_string()),
                        target: (number % 3 == 0).then(|| TargetId::new("a")),
                        user_name: None,
                    },
                    verdict: Verdict::ALL[number as usize % Verdict::ALL.len()],
                    reason: Arc::clone(&reasons[number as usize % 2]),
                })
                .collect(),
        }
    }

    #[test]
    fn what_is_saved_is_loaded_and_the_newest_wins() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("cache").join("last-scan");
        assert_eq!(Snapshot::load(&path).expect("no file is no error"), None);
        for people in [30, 0, 7] {
            snapshot(people).save(&path).expect("saved");
            assert_eq!(Snapshot::load(&path).expect("loaded"), Some(snapshot(people)));
        }
    }

    #[test]
    fn a_damaged_file_is_no_snapshot() {
        let sound = snapshot(3).encode();
        for position in 0..sound.len() {
            let mut bytes = sound.clone();
            bytes[position] ^= 1;
            assert_eq!(Snapshot::decode(&bytes), Err(Damaged), "byte {position}");
            assert_eq!(
                Snapshot::decode(&sound[..position]),
                Err(Damaged),
                "cut at {position}"
            );
        }
    }
}
