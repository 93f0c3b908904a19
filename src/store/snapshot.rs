//! The last scan, for a screen that is there at once.
//!
//! A flat file, because hundreds of thousands of people have to be read in a moment: a header, the listing as it is in
//! memory, a checksum. The checksum finds damage and is no protection; [`Listing::read`] trusts nothing. What cannot
//! be read does not exist.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use crc32fast::Hasher;
use jiff::Timestamp;

use super::{StoreError, StorePaths, files};
use crate::domain::listing::{BlockError, Listed, Listing};

/// Names the format; another one is not read.
const MAGIC: &[u8; 16] = b"avatar-sync/3\n\0\0";

/// Loads the last scan, if there is one that can be read. Needs nothing of the store to be open, so that a screen can
/// be painted before anything else. Blocks for some tens of milliseconds.
pub fn load(paths: &StorePaths) -> Result<Option<Listed>, StoreError> {
    load_from(&paths.snapshot())
}

/// Keeps a listing for the next start, replacing the one before. Blocks until it is on disk.
pub fn save(paths: &StorePaths, listed: &Listed) -> Result<(), StoreError> {
    save_to(&paths.snapshot(), listed)
}

pub(super) fn load_from(path: &Path) -> Result<Option<Listed>, StoreError> {
    let loaded = match File::open(path) {
        Ok(file) => decode_file(&file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(BlockError::Read(error)),
    };
    match loaded {
        Ok(listed) => Ok(Some(listed)),
        // The next scan writes a new one.
        Err(BlockError::Damaged) => Ok(None),
        Err(BlockError::Read(error)) => Err(StoreError::files("read", path)(error)),
    }
}

pub(super) fn save_to(path: &Path, listed: &Listed) -> Result<(), StoreError> {
    if let Some(folder) = path.parent() {
        files::create_folder(folder)?;
    }
    files::write_whole_with(path, |file| {
        let mut out = BufWriter::new(file);
        encode(listed, &mut out)?;
        out.flush()
    })
}

fn encode(listed: &Listed, out: &mut dyn Write) -> io::Result<()> {
    let mut out = Checked {
        inner: out,
        checksum: Hasher::new(),
    };
    out.write_all(MAGIC)?;
    out.write_all(&listed.scanned_at.as_second().to_le_bytes())?;
    out.write_all(&listed.scanned_at.subsec_nanosecond().to_le_bytes())?;
    out.write_all(&[u8::from(listed.complete)])?;
    listed.listing.write(&mut out)?;
    let checksum = out.checksum.finalize();
    out.inner.write_all(&checksum.to_le_bytes())
}

fn decode_file(file: &File) -> Result<Listed, BlockError> {
    let size = file.metadata()?.len();
    decode(&mut BufReader::new(file), size)
}

fn decode(input: &mut dyn Read, size: u64) -> Result<Listed, BlockError> {
    let mut input = Checked {
        inner: input,
        checksum: Hasher::new(),
    };
    if input.array()? != *MAGIC {
        return Err(BlockError::Damaged);
    }
    let seconds = i64::from_le_bytes(input.array()?);
    let nanoseconds = i32::from_le_bytes(input.array()?);
    let scanned_at = Timestamp::new(seconds, nanoseconds).map_err(|_| BlockError::Damaged)?;
    let complete = match input.array()? {
        [0] => false,
        [1] => true,
        _ => return Err(BlockError::Damaged),
    };
    let listing = Listing::read(&mut input, size)?;
    let checksum = input.checksum.clone().finalize();
    let is_sound = u32::from_le_bytes(input.array()?) == checksum;
    // Nothing may follow.
    let is_over = input.inner.read(&mut [0])? == 0;
    if is_sound && is_over {
        Ok(Listed {
            scanned_at,
            complete,
            listing,
        })
    } else {
        Err(BlockError::Damaged)
    }
}

/// Makes the checksum of all that passes.
struct Checked<T> {
    inner: T,
    checksum: Hasher,
}

impl Write for Checked<&mut dyn Write> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.checksum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Read for Checked<&mut dyn Read> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.checksum.update(&bytes[..read]);
        Ok(read)
    }
}

impl Checked<&mut dyn Read> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], BlockError> {
        let mut bytes = [0; N];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod figures;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::comparison::Verdict;
    use crate::domain::ids::{SourceId, TargetId};
    use crate::domain::listing::Particulars;
    use crate::domain::run::PersonRef;

    fn listed(people: u32) -> Listed {
        let mut builder = Listing::builder(people as usize);
        for number in 0..people {
            builder.push(&Particulars {
                source: &SourceId::new(format!("00000000-0000-4000-8000-{number:012}")),
                name: &format!("Ada Ünïcode {number}").into(),
                principal: &format!("ada{number}@x.example").into(),
                mail: (number % 2 == 0).then_some(&"".into()),
                department: (number % 4 == 0).then_some(&"Sales".into()),
                target: (number % 3 == 0).then_some((&TargetId::new("a"), &"ada".into())),
                verdict: Verdict::ALL[number as usize % Verdict::ALL.len()],
                reason: ["ServiceNow shows no avatar", "opted out"][number as usize % 2],
            });
        }
        Listed {
            scanned_at: "2026-03-02T10:00:00.5Z".parse().expect("a time"),
            complete: true,
            listing: builder.finish(),
        }
    }

    type Person = (PersonRef, Option<String>, Verdict, String);

    fn seen(listed: &Listed) -> (Timestamp, bool, Vec<Person>) {
        let listing = &listed.listing;
        let people = listing.rows().map(|row| {
            let entry = listing.entry(row);
            let department = entry.department().map(std::borrow::Cow::into_owned);
            (
                entry.reference(),
                department,
                entry.verdict(),
                entry.reason().to_owned(),
            )
        });
        (listed.scanned_at, listed.complete, people.collect())
    }

    fn encoded(listed: &Listed) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(listed, &mut bytes).expect("memory takes everything");
        bytes
    }

    fn decoded(bytes: &[u8]) -> Result<Listed, BlockError> {
        decode(&mut &*bytes, bytes.len() as u64)
    }

    #[test]
    fn what_is_saved_is_loaded_and_the_newest_wins() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("cache").join("last-scan");
        assert!(load_from(&path).expect("no file is no error").is_none());
        for people in [30, 0, 7] {
            let saved = listed(people);
            save_to(&path, &saved).expect("saved");
            let loaded = load_from(&path).expect("readable").expect("there");
            assert_eq!(seen(&loaded), seen(&saved));
            assert_eq!(loaded.listing.counts(), saved.listing.counts());
        }
    }

    #[test]
    fn a_damaged_file_is_no_snapshot() {
        let sound = encoded(&listed(3));
        for position in 0..sound.len() {
            let mut bytes = sound.clone();
            bytes[position] ^= 1;
            assert!(
                matches!(decoded(&bytes), Err(BlockError::Damaged)),
                "byte {position}"
            );
            assert!(
                matches!(decoded(&sound[..position]), Err(BlockError::Damaged)),
                "cut at {position}"
            );
        }
        let mut longer = sound.clone();
        longer.push(0);
        assert!(matches!(decoded(&longer), Err(BlockError::Damaged)));
        assert!(decoded(&sound).is_ok());
    }

    #[test]
    fn a_file_made_to_harm_is_no_snapshot_or_one_that_can_be_shown() {
        let sound = encoded(&listed(3));
        let content = sound.len() - 4;
        for position in 0..content {
            for change in [1, 0x80, 0xff] {
                let mut bytes = sound.clone();
                bytes[position] ^= change;
                let checksum = crc32fast::hash(&bytes[..content]);
                bytes[content..].copy_from_slice(&checksum.to_le_bytes());
                if let Ok(listed) = decoded(&bytes) {
                    drop(seen(&listed));
                    listed.listing.order(crate::domain::listing::Column::Mail);
                    for row in listed.listing.rows() {
                        listed.listing.find(&listed.listing.entry(row).source());
                    }
                }
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_snapshot_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("last-scan");
        save_to(&path, &listed(1)).expect("saved");
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
