//! What need not be asked again: which photo had which stamp and hash, what a picture's bytes looked like.
//!
//! Nothing here is needed for safety. If the cache cannot be used the memory lives in RAM, which the store's notes
//! say once (`reliability.md` J7); everything works, with more requests.

mod encoding;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};
use tokio::sync::{mpsc, oneshot};

use super::database::{self, Schema};
use super::{StoreError, files};
use crate::domain::comparison::{Content, SourceContent};
use crate::domain::ids::{PictureId, SourceId};
use crate::domain::photo::Sha256;
use crate::domain::picture::PREPARE_VERSION;
use crate::domain::suspicion::Suspicions;

const SCHEMA: Schema = Schema {
    name: "the cache",
    migrations: &["
        -- What a source photo's stamp stands for. The size is part of the key because another size is another file,
        -- the version of the preparing rules because they decide what would be uploaded.
        CREATE TABLE photos (
            source TEXT NOT NULL, size TEXT NOT NULL, prepare_version INTEGER NOT NULL,
            etag TEXT, content BLOB NOT NULL, prepared BLOB,
            PRIMARY KEY (source, size, prepare_version)) STRICT, WITHOUT ROWID;
        -- What bytes look like, whoever they belong to.
        CREATE TABLE contents (sha256 BLOB PRIMARY KEY, content BLOB NOT NULL) STRICT, WITHOUT ROWID;
        -- Contents of stored pictures whose hash the target does not state.
        CREATE TABLE pictures (picture TEXT PRIMARY KEY, sha256 BLOB NOT NULL, content BLOB NOT NULL)
            STRICT, WITHOUT ROWID;
        -- Since when a person has been seen without a photo.
        CREATE TABLE absences (source TEXT PRIMARY KEY, first TEXT NOT NULL, last TEXT NOT NULL) STRICT, WITHOUT ROWID;
    ", "
        -- Whose photo the last scan of everybody found to be probably not their own, and why.
        CREATE TABLE suspicions (source TEXT PRIMARY KEY, sentence TEXT NOT NULL) STRICT, WITHOUT ROWID;
    ", "
        -- Evidence must not get lost with a cache; it is in the state folder now.
        DROP TABLE IF EXISTS absences;
    "],
    is_durable: false,
    self_test: |connection| {
        for table in ["photos", "contents", "pictures", "suspicions"] {
            connection
                .query_row(&format!("SELECT * FROM {table} LIMIT 1"), [], |_| Ok(()))
                .optional()?;
        }
        Ok(())
    },
};

/// What is remembered of one person's photo in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedPhoto {
    /// The version the source named for these bytes; `None` if it named none, and then the bytes must be looked at
    /// again.
    pub etag: Option<String>,
    /// What the bytes were, and the hash of what would be uploaded.
    pub content: SourceContent,
}

/// A stored picture for which the target states no hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnhashedPicture {
    /// Its hash, computed from its bytes.
    pub sha256: Sha256,
    /// What the bytes are.
    pub content: Content,
}

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A handle to the memory; clones share one thread. The last to be dropped waits until the database is closed.
#[derive(Clone)]
pub struct Memory {
    worker: Arc<Worker>,
}

struct Worker {
    /// Goes first: without it the thread does what is left, and ends.
    jobs: mpsc::Sender<Job>,
    _thread: Thread,
}

/// The thread that has the database. Whoever drops it waits for its end.
struct Thread(Option<JoinHandle<()>>);

impl Drop for Thread {
    fn drop(&mut self) {
        // A panic there has been answered with `Closed` to everybody who asked since.
        drop(self.0.take().map(JoinHandle::join));
    }
}

/// Its name in the cache folder.
pub(super) const FILE: &str = "memory.sqlite";

/// The hash of the picture that a row of this content is about.
pub(super) fn hash_in(content: &[u8]) -> Option<Sha256> {
    match encoding::decode(content) {
        Some(Content::Sound(facts)) => Some(facts.sha256),
        _ => None,
    }
}

/// One person's photo.
const PHOTO: &str = "SELECT etag, content, prepared FROM photos
                     WHERE source = ?1 AND size = ?2 AND prepare_version = ?3";

/// How many questions may wait for the thread.
const QUEUE: usize = 64;

impl Memory {
    pub(super) fn open(folder: &Path, notes: &mut Vec<String>) -> Self {
        let opened =
            files::create_folder(folder).and_then(|()| database::open(&folder.join(FILE), &SCHEMA, notes));
        let mut connection = opened.unwrap_or_else(|error| {
            notes.push(format!(
                "going on without the cache, with more requests: {}",
                error.sentence()
            ));
            database::in_memory(&SCHEMA).expect("a database in memory needs nothing but memory")
        });
        connection.set_prepared_statement_cache_capacity(32);
        let (jobs, mut waiting) = mpsc::channel::<Job>(QUEUE);
        let thread = std::thread::Builder::new()
            .name("memory".into())
            .spawn(move || {
                while let Some(job) = waiting.blocking_recv() {
                    job(&mut connection);
                }
            })
            .expect("the operating system starts a thread");
        let worker = Worker {
            jobs,
            _thread: Thread(Some(thread)),
        };
        Self {
            worker: Arc::new(worker),
        }
    }

    /// What is remembered about these people's photos of this size, as the rules of today would prepare them; whoever is
    /// not remembered is missing.
    pub async fn photos(
        &self,
        size: &str,
        wanted: Vec<SourceId>,
    ) -> Result<HashMap<SourceId, RememberedPhoto>, StoreError> {
        let size = size.to_owned();
        self.run("read the cache", move |connection| {
            let mut statement = connection.prepare_cached(PHOTO)?;
            let mut found = HashMap::new();
            for person in wanted {
                let remembered = statement
                    .query_row((person.as_str(), &size, PREPARE_VERSION), |row| photo(row, 0))
                    .optional()?;
                found.extend(remembered.map(|remembered| (person, remembered)));
            }
            Ok(found)
        })
        .await
    }

    /// What is remembered about one person's photo.
    pub async fn photo(&self, size: &str, person: &SourceId) -> Result<Option<RememberedPhoto>, StoreError> {
        let key = (person.as_str().to_owned(), size.to_owned(), PREPARE_VERSION);
        self.run("read the cache", move |connection| {
            connection
                .prepare_cached(PHOTO)?
                .query_row(key, |row| photo(row, 0))
                .optional()
        })
        .await
    }

    /// Remembers photos of this size, as the rules of today would prepare them.
    pub async fn remember_photos(
        &self,
        size: &str,
        photos: Vec<(SourceId, RememberedPhoto)>,
    ) -> Result<(), StoreError> {
        let size = size.to_owned();
        self.run("write the cache", move |connection| {
            let transaction = connection.transaction()?;
            {
                let mut statement = transaction.prepare_cached(
                    "INSERT OR REPLACE INTO photos (source, size, prepare_version, etag, content, prepared)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?;
                for (person, photo) in &photos {
                    let prepared = photo.content.prepared.as_ref().map(Sha256::as_bytes);
                    let content = encoding::encode(&photo.content.original);
                    statement.execute((
                        person.as_str(),
                        &size,
                        PREPARE_VERSION,
                        &photo.etag,
                        content,
                        prepared,
                    ))?;
                }
            }
            transaction.commit()
        })
        .await
    }

    /// What is remembered about bytes, by their hash; those that are not remembered are missing.
    pub async fn contents(&self, wanted: Vec<Sha256>) -> Result<HashMap<Sha256, Content>, StoreError> {
        self.run("read the cache", move |connection| {
            let mut statement =
                connection.prepare_cached("SELECT content FROM contents WHERE sha256 = ?1")?;
            let mut found = HashMap::new();
            for sha256 in wanted {
                let content = statement
                    .query_row([sha256.as_bytes()], |row| content(row, 0))
                    .optional()?;
                found.extend(content.map(|content| (sha256, content)));
            }
            Ok(found)
        })
        .await
    }

    /// Remembers what bytes are.
    pub async fn remember_contents(&self, contents: Vec<(Sha256, Content)>) -> Result<(), StoreError> {
        self.run("write the cache", move |connection| {
            let transaction = connection.transaction()?;
            {
                let mut statement = transaction
                    .prepare_cached("INSERT OR REPLACE INTO contents (sha256, content) VALUES (?1, ?2)")?;
                for (sha256, content) in &contents {
                    statement.execute((sha256.as_bytes(), encoding::encode(content)))?;
                }
            }
            transaction.commit()
        })
        .await
    }

    /// What is remembered about stored pictures without a hash of their own; a stored picture never changes.
    pub async fn unhashed_pictures(
        &self,
        wanted: Vec<PictureId>,
    ) -> Result<HashMap<PictureId, UnhashedPicture>, StoreError> {
        self.run("read the cache", move |connection| {
            let mut statement =
                connection.prepare_cached("SELECT sha256, content FROM pictures WHERE picture = ?1")?;
            let mut found = HashMap::new();
            for picture in wanted {
                let remembered = statement
                    .query_row([picture.as_str()], |row| {
                        Ok(UnhashedPicture {
                            sha256: hash(row, 0)?,
                            content: content(row, 1)?,
                        })
                    })
                    .optional()?;
                found.extend(remembered.map(|remembered| (picture, remembered)));
            }
            Ok(found)
        })
        .await
    }

    /// Remembers stored pictures without a hash of their own.
    pub async fn remember_unhashed_pictures(
        &self,
        pictures: Vec<(PictureId, UnhashedPicture)>,
    ) -> Result<(), StoreError> {
        self.run("write the cache", move |connection| {
            let transaction = connection.transaction()?;
            {
                let mut statement = transaction.prepare_cached(
                    "INSERT OR REPLACE INTO pictures (picture, sha256, content) VALUES (?1, ?2, ?3)",
                )?;
                for (id, picture) in &pictures {
                    let content = encoding::encode(&picture.content);
                    statement.execute((id.as_str(), picture.sha256.as_bytes(), content))?;
                }
            }
            transaction.commit()
        })
        .await
    }

    /// Remembers whose photo is probably not their own, and nobody else.
    pub async fn remember_suspicions(&self, suspicions: Suspicions) -> Result<(), StoreError> {
        self.run("write the cache", move |connection| {
            let transaction = connection.transaction()?;
            {
                transaction.execute("DELETE FROM suspicions", ())?;
                let mut add = transaction
                    .prepare_cached("INSERT OR REPLACE INTO suspicions (source, sentence) VALUES (?1, ?2)")?;
                for (person, sentence) in suspicions.iter() {
                    add.execute((person.as_str(), sentence))?;
                }
            }
            transaction.commit()
        })
        .await
    }

    /// Whose photo among these people is probably not their own, and why.
    pub async fn suspicions(&self, wanted: Vec<SourceId>) -> Result<Suspicions, StoreError> {
        self.run("read the cache", move |connection| {
            let mut statement =
                connection.prepare_cached("SELECT sentence FROM suspicions WHERE source = ?1")?;
            let mut found = Suspicions::default();
            for person in wanted {
                let sentence: Option<String> = statement
                    .query_row([person.as_str()], |row| row.get(0))
                    .optional()?;
                if let Some(sentence) = sentence {
                    found.add(person, &sentence);
                }
            }
            Ok(found)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Whoever asked may have gone meanwhile.
            drop(answer.send(work(connection)));
        });
        self.worker.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answered
            .await
            .map_err(|_| StoreError::Closed)?
            .map_err(StoreError::database(operation))
    }
}

fn photo(row: &Row<'_>, start: usize) -> rusqlite::Result<RememberedPhoto> {
    let has_prepared = !matches!(row.get_ref(start + 2)?, rusqlite::types::ValueRef::Null);
    Ok(RememberedPhoto {
        etag: row.get(start)?,
        content: SourceContent {
            original: content(row, start + 1)?,
            prepared: has_prepared.then(|| hash(row, start + 2)).transpose()?,
        },
    })
}

fn content(row: &Row<'_>, column: usize) -> rusqlite::Result<Content> {
    // What cannot be read is as good as never seen.
    Ok(encoding::decode(row.get_ref(column)?.as_blob()?).unwrap_or(Content::Unseen))
}

fn hash(row: &Row<'_>, column: usize) -> rusqlite::Result<Sha256> {
    let digest = row.get_ref(column)?.as_blob()?.try_into();
    digest
        .map(Sha256::from_bytes)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::picture::{Fingerprint, PictureFacts, PictureFormat, PictureProblem};

    fn memory() -> (tempfile::TempDir, Memory) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut notes = Vec::new();
        let memory = Memory::open(folder.path(), &mut notes);
        assert!(notes.is_empty(), "{notes:?}");
        (folder, memory)
    }

    fn sound(seed: u32) -> Content {
        Content::Sound(PictureFacts {
            sha256: Sha256::of(&seed.to_le_bytes()),
            bytes: u64::from(seed),
            format: PictureFormat::Jpeg,
            width: 360,
            height: 360,
            fingerprint: Fingerprint {
                bits: u64::from(seed),
                colours: [[seed as u8; 3]; 16],
                shades: seed as u8,
            },
        })
    }

    fn remembered(etag: &str, original: Content) -> RememberedPhoto {
        RememberedPhoto {
            etag: Some(etag.into()),
            content: SourceContent {
                original,
                prepared: None,
            },
        }
    }

    fn ada() -> SourceId {
        SourceId::new("ada")
    }

    #[tokio::test]
    async fn of_suspicions_the_last_scan_alone_counts() {
        let (_folder, memory) = memory();
        let (ada, ben) = (ada(), SourceId::new("ben"));
        let of = |person: &SourceId| {
            let mut suspicions = Suspicions::default();
            suspicions.add(person.clone(), "the photo is blank");
            suspicions
        };
        memory.remember_suspicions(of(&ada)).await.expect("written");
        memory.remember_suspicions(of(&ben)).await.expect("written");
        let found = memory.suspicions(vec![ada.clone(), ben.clone()]).await;
        let found = found.expect("read");
        assert_eq!(
            (found.of(&ada), found.of(&ben)),
            (None, Some("the photo is blank"))
        );
    }

    #[tokio::test]
    async fn photos_are_remembered_by_person_and_size() {
        let (_folder, memory) = memory();
        let photo = remembered("1", sound(1));
        let photos = vec![(ada(), photo.clone())];
        memory.remember_photos("360x360", photos).await.expect("written");
        assert_eq!(memory.photo("360x360", &ada()).await.expect("read"), Some(photo));
        assert_eq!(memory.photo("96x96", &ada()).await.expect("read"), None);
        let newer = remembered("2", Content::Unsound(PictureProblem::Truncated));
        let photos = vec![(ada(), newer.clone())];
        memory.remember_photos("360x360", photos).await.expect("written");
        let both = vec![ada(), SourceId::new("bob")];
        let found = memory.photos("360x360", both).await.expect("read");
        assert_eq!(found, HashMap::from([(ada(), newer)]));
    }

    #[tokio::test]
    async fn contents_and_pictures_without_a_hash_are_remembered() {
        let (_folder, memory) = memory();
        let (known, unknown) = (Sha256::of(b"1"), Sha256::of(b"2"));
        memory
            .remember_contents(vec![(known, sound(1))])
            .await
            .expect("written");
        let found = memory.contents(vec![known, unknown]).await.expect("read");
        assert_eq!(found, HashMap::from([(known, sound(1))]));
        let picture = UnhashedPicture {
            sha256: known,
            content: sound(1),
        };
        let id = PictureId::new("p1");
        memory
            .remember_unhashed_pictures(vec![(id.clone(), picture.clone())])
            .await
            .expect("written");
        let found = memory
            .unhashed_pictures(vec![id.clone(), PictureId::new("p2")])
            .await
            .expect("read");
        assert_eq!(found, HashMap::from([(id, picture)]));
    }

    #[tokio::test]
    async fn a_cache_that_cannot_be_written_costs_one_note() {
        let folder = tempfile::tempdir().expect("a folder");
        let blocked = folder.path().join("a-file");
        std::fs::write(&blocked, "in the way").expect("written");
        let mut notes = Vec::new();
        let memory = Memory::open(&blocked, &mut notes);
        assert_eq!(notes.len(), 1);
        memory
            .remember_contents(vec![(Sha256::of(b"1"), sound(1))])
            .await
            .expect("in RAM");
    }

    #[tokio::test]
    async fn three_hundred_thousand_photos_are_a_matter_of_moments() {
        let (_folder, memory) = memory();
        let photos: Vec<_> = (0..300_000)
            .map(|number| {
                (
                    SourceId::new(format!("{number:036}")),
                    remembered("\"etag\"", sound(number)),
                )
            })
            .collect();
        let people = photos.iter().map(|(person, _)| person.clone()).collect();
        memory.remember_photos("360x360", photos).await.expect("written");
        let all = memory.photos("360x360", people).await.expect("read");
        assert_eq!(all.len(), 300_000);
        assert_eq!(
            all[&SourceId::new(format!("{:036}", 77))],
            remembered("\"etag\"", sound(77))
        );
    }
}
