//! Reads a world from `DIR/world.json` (`sandbox.md`, "A world from files").
//!
//! Paths are relative to DIR and must stay inside it. A key that is not known is an error that names it, its place and
//! the nearest key that is. Ids that are not given are made from names, so that the same file always gives the same
//! world. Beyond the keys shown in `sandbox.md` these may be given:
//!
//! | Where | Key | Means |
//! |---|---|---|
//! | `entra.users[]` | `mailbox` | `exchange_online` (default), `none` or `on_premises` |
//! | `entra.groups[]` | `displayName`, `id`, `members` (UPNs), `groups` (names) | a group |
//! | `servicenow.users[]` | `employee_number`, `correlation_id`, `title` | columns of `sys_user`, empty by default |
//! | `servicenow.users[]` | `locked_out` | false by default |
//! | `avatars[]` | `profile` | which of several live profiles, from 1 (default) |
//! | `avatars[]` | `column` | true: the record's `photo` column names the picture (`image_field` only; false by default) |
//! | `avatars[]` | `content_type` | as stored; by default what the bytes say |
//! | `avatars[]` | `hash` | false: a row from before hashes were stored |
//! | `avatars[]` | `state` | `available` (default), `pending`, `not_available`, or empty for never scanned |
//!
//! Avatars are stored one minute after the other, in the order in which they are written down. A `dangling` one needs
//! no `file`; if there is one it must exist.

mod object;
mod people;

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::directory::Directory;
use super::instance::Instance;
use super::picture::Picture;
use super::{Credentials, World};
use object::{Object, Place};

/// The most bytes of `world.json`, and of one picture file.
const WORLD_BYTES: u64 = 64 * 1024 * 1024;
const PICTURE_BYTES: u64 = 32 * 1024 * 1024;

/// Why a world could not be read: what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// `world.json` or a picture is not there or cannot be read.
    #[error(
        "{place}: {path} cannot be read: {reason}. Paths are relative to the folder that holds world.json"
    )]
    Unreadable {
        /// Where it is named.
        place: String,
        /// As written in the file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// A file is larger than the sandbox takes.
    #[error("{place}: {path} is larger than {limit} bytes; use a smaller file")]
    TooLarge {
        /// Where it is named.
        place: String,
        /// As written in the file.
        path: String,
        /// Bytes.
        limit: u64,
    },
    /// A path that leads out of the folder.
    #[error(
        "{place}: {path} leads out of the world's folder; put the file inside it and name it relative to the folder"
    )]
    Outside {
        /// Where it is named.
        place: String,
        /// As written in the file.
        path: String,
    },
    /// `world.json` is not JSON.
    #[error("world.json is not JSON: {reason}")]
    NotJson {
        /// What is wrong, with line and column.
        reason: String,
    },
    /// A key nobody knows.
    #[error("{place}: unknown key {key:?}; {hint}")]
    UnknownKey {
        /// Where it stands.
        place: String,
        /// The key.
        key: String,
        /// The nearest known key, or all of them.
        hint: String,
    },
    /// A value is missing, of the wrong type or not one of those allowed.
    #[error("{place}: {problem}")]
    Value {
        /// Where it stands, or should.
        place: String,
        /// What is wrong and what is expected.
        problem: String,
    },
}

impl World {
    /// Reads `world.json` in a folder, with the pictures it names.
    pub fn load(dir: &Path) -> Result<Self, WorldError> {
        let folder = Folder::open(dir)?;
        let text = folder.read(&Place::root(), "world.json", WORLD_BYTES)?;
        let json = serde_json::from_slice(&text).map_err(|error| WorldError::NotJson {
            reason: error.to_string(),
        })?;
        let mut root = Object::new(Place::root(), json)?;
        let mut directory = Directory::default();
        if let Some(mut entra) = root.object("entra")? {
            people::read_entra(&mut entra, &folder, &mut directory)?;
            entra.finish()?;
        }
        let mut instance = Instance::default();
        if let Some(mut servicenow) = root.object("servicenow")? {
            people::read_servicenow(&mut servicenow, &folder, &mut instance)?;
            servicenow.finish()?;
        }
        root.finish()?;
        Ok(Self::new(directory, instance, Credentials::invent(1)))
    }
}

/// The folder of a world, which no path leaves.
struct Folder {
    root: PathBuf,
}

impl Folder {
    fn open(dir: &Path) -> Result<Self, WorldError> {
        let unreadable = |reason: String| WorldError::Unreadable {
            place: "world".to_owned(),
            path: dir.display().to_string(),
            reason,
        };
        let root = fs::canonicalize(dir).map_err(|error| unreadable(error.to_string()))?;
        if root.is_dir() {
            Ok(Self { root })
        } else {
            Err(unreadable("it is not a folder".to_owned()))
        }
    }

    fn read(&self, place: &Place, path: &str, limit: u64) -> Result<Vec<u8>, WorldError> {
        let outside = || WorldError::Outside {
            place: place.to_string(),
            path: path.to_owned(),
        };
        let unreadable = |error: std::io::Error| WorldError::Unreadable {
            place: place.to_string(),
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let inside = Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !inside || path.is_empty() {
            return Err(outside());
        }
        // A link may still lead out.
        let real = fs::canonicalize(self.root.join(path)).map_err(unreadable)?;
        if !real.starts_with(&self.root) {
            return Err(outside());
        }
        if fs::metadata(&real).map_err(unreadable)?.len() > limit {
            return Err(WorldError::TooLarge {
                place: place.to_string(),
                path: path.to_owned(),
                limit,
            });
        }
        fs::read(real).map_err(unreadable)
    }

    fn picture(&self, place: &Place, path: &str) -> Result<Picture, WorldError> {
        self.read(place, path, PICTURE_BYTES).map(Picture::from_bytes)
    }
}

#[cfg(test)]
mod tests;
