//! The vault's folder: 256 shelves by the first two digits of a name, so that no folder becomes too long.

use std::path::{Path, PathBuf};

use crate::domain::photo::Sha256;
use crate::store::keys::VaultKey;
use crate::store::{StoreError, files};

const SEALED: &str = "sealed";
const DAMAGED: &str = "damaged";

/// Where pictures stand.
#[derive(Clone)]
pub(super) struct Shelves {
    folder: PathBuf,
}

/// What a file on a shelf is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shelved {
    /// A picture as it is, by its hash.
    Plain(Sha256),
    /// A sealed picture, by its keyed name.
    Sealed(Sha256),
    /// A copy that was found damaged, or a file that was never finished.
    Remains,
}

impl Shelved {
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        if files::is_temporary(name) {
            return Some(Self::Remains);
        }
        let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
        let digits = Sha256::from_hex(stem)?;
        match extension {
            "" => Some(Self::Plain(digits)),
            SEALED => Some(Self::Sealed(digits)),
            DAMAGED => Some(Self::Remains),
            _ => None,
        }
    }
}

impl Shelves {
    pub(super) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a picture stands as it is.
    pub(super) fn plain(&self, sha256: &Sha256) -> PathBuf {
        let name = sha256.to_string();
        self.folder.join(&name[..2]).join(name)
    }

    /// Where a picture stands sealed.
    pub(super) fn sealed(&self, key: &VaultKey, sha256: &Sha256) -> PathBuf {
        self.plain(&key.name_of(sha256)).with_extension(SEALED)
    }

    /// Puts a file onto its shelf. It is on the disk when this returns.
    pub(super) fn put(&self, path: &Path, content: &[u8]) -> Result<(), StoreError> {
        let shelf = path.parent().expect("built with a parent");
        if !shelf.is_dir() {
            files::create_folder(shelf)?;
            files::sync_folder(&self.folder)?;
        }
        files::write_whole(path, content)
    }

    /// Shows every file of ours to `look` until it has found what it looks for. Begins at another shelf each time, so
    /// that whoever stops early gets round in the end.
    pub(super) fn find<T>(
        &self,
        mut look: impl FnMut(&Path, Shelved) -> Result<Option<T>, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut shelves = files::list(&self.folder)?;
        if !shelves.is_empty() {
            let start = usize::from(uuid::Uuid::new_v4().as_bytes()[0]) % shelves.len();
            shelves.rotate_left(start);
        }
        for shelf in shelves.iter().filter(|shelf| shelf.is_dir()) {
            for path in files::list(shelf)? {
                let Some(shelved) = Shelved::of(&path) else {
                    continue;
                };
                if let Some(found) = look(&path, shelved)? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }
}

/// Where a damaged copy is put.
pub(super) fn aside(path: &Path) -> PathBuf {
    path.with_extension(DAMAGED)
}
