//! The pictures that were replaced, kept so that nothing is ever lost (`reliability.md` P1, S3).
//!
//! Files are named by the SHA-256 of their content and never overwritten. Whose picture it was and when is in the
//! journal.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::lock::Lock;
use super::{StoreError, files, in_background};
use crate::domain::photo::Sha256;

/// A folder of pictures by content.
#[derive(Clone)]
pub struct Vault {
    folder: PathBuf,
    /// Held while anybody may write; `None` if nobody here may.
    lock: Option<Arc<Lock>>,
}

/// How much the vault holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VaultSize {
    /// Pictures.
    pub pictures: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Vault {
    pub(super) fn open(folder: PathBuf, lock: Option<Arc<Lock>>) -> Result<Self, StoreError> {
        if lock.is_some() {
            files::create_folder(&folder)?;
        }
        Ok(Self { folder, lock })
    }

    /// Keeps a picture and answers its name. It is on the disk when this returns.
    pub async fn keep(&self, picture: Bytes) -> Result<Sha256, StoreError> {
        if self.lock.is_none() {
            return Err(StoreError::ReadOnly);
        }
        let vault = self.clone();
        in_background(move || vault.keep_now(&picture)).await
    }

    fn keep_now(&self, picture: &[u8]) -> Result<Sha256, StoreError> {
        let sha256 = Sha256::of(picture);
        let path = self.path(&sha256);
        match read_sound(&path, &sha256) {
            Ok(Some(_)) => return Ok(sha256),
            Ok(None) => {}
            Err(StoreError::DamagedCopy(_)) => {
                let aside = path.with_extension("damaged");
                std::fs::rename(&path, &aside).map_err(StoreError::files("move aside", &path))?;
            }
            Err(error) => return Err(error),
        }
        let shelf = path.parent().expect("built with a parent");
        if !shelf.is_dir() {
            files::create_folder(shelf)?;
            files::sync_folder(&self.folder)?;
        }
        files::write_whole(&path, picture)?;
        Ok(sha256)
    }

    /// True if a sound copy of this picture is kept.
    pub async fn holds(&self, sha256: &Sha256) -> Result<bool, StoreError> {
        match self.get(sha256).await {
            Ok(found) => Ok(found.is_some()),
            Err(StoreError::DamagedCopy(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A picture's bytes, checked against its name; `None` if it is not kept.
    ///
    /// # Errors
    ///
    /// [`StoreError::DamagedCopy`] if the file is not what it was.
    pub async fn get(&self, sha256: &Sha256) -> Result<Option<Bytes>, StoreError> {
        let (path, sha256) = (self.path(sha256), *sha256);
        in_background(move || read_sound(&path, &sha256)).await
    }

    /// How much it holds.
    pub async fn size(&self) -> Result<VaultSize, StoreError> {
        let folder = self.folder.clone();
        in_background(move || measure(&folder)).await
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, sha256: &Sha256) -> PathBuf {
        let name = sha256.to_string();
        self.folder.join(&name[..2]).join(name)
    }
}

fn read_sound(path: &Path, sha256: &Sha256) -> Result<Option<Bytes>, StoreError> {
    match std::fs::read(path) {
        Ok(bytes) if Sha256::of(&bytes) == *sha256 => Ok(Some(bytes.into())),
        Ok(_) => Err(StoreError::DamagedCopy(*sha256)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::files("read", path)(error)),
    }
}

fn measure(folder: &Path) -> Result<VaultSize, StoreError> {
    let mut size = VaultSize::default();
    for shelf in list(folder)? {
        if !shelf.is_dir() {
            continue;
        }
        for file in list(&shelf)? {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let is_picture = !files::is_temporary(&name) && file.extension().is_none();
            if is_picture {
                let metadata = file.metadata().map_err(StoreError::files("read", &file))?;
                size.pictures += 1;
                size.bytes += metadata.len();
            }
        }
    }
    Ok(size)
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<std::io::Result<_>>()
            .map_err(StoreError::files("list", folder)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(StoreError::files("list", folder)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault() -> (tempfile::TempDir, Vault) {
        let folder = tempfile::tempdir().expect("a folder");
        let (lock, _) = Lock::take(folder.path(), false).expect("free");
        let vault = Vault::open(folder.path().join("vault"), Some(Arc::new(lock))).expect("opens");
        (folder, vault)
    }

    #[tokio::test]
    async fn what_is_kept_can_be_read_again_and_is_kept_once() {
        let (_folder, vault) = vault();
        let name = vault.keep(Bytes::from_static(b"a face")).await.expect("kept");
        assert_eq!(name, Sha256::of(b"a face"));
        assert_eq!(
            vault.keep(Bytes::from_static(b"a face")).await.expect("kept"),
            name
        );
        assert!(vault.holds(&name).await.expect("readable"));
        assert_eq!(
            vault.get(&name).await.expect("readable").as_deref(),
            Some(&b"a face"[..])
        );
        let size = vault.size().await.expect("readable");
        assert_eq!(
            size,
            VaultSize {
                pictures: 1,
                bytes: 6
            }
        );
        assert_eq!(vault.get(&Sha256::of(b"other")).await.expect("readable"), None);
    }

    #[tokio::test]
    async fn a_damaged_copy_is_never_handed_out_and_keeping_it_again_mends_it() {
        let (_folder, vault) = vault();
        let name = vault.keep(Bytes::from_static(b"a face")).await.expect("kept");
        std::fs::write(vault.path(&name), b"a fact").expect("writable");
        assert!(matches!(vault.get(&name).await, Err(StoreError::DamagedCopy(_))));
        assert!(!vault.holds(&name).await.expect("readable"));
        vault
            .keep(Bytes::from_static(b"a face"))
            .await
            .expect("kept again");
        assert!(vault.holds(&name).await.expect("readable"));
    }

    #[tokio::test]
    async fn without_the_lock_nothing_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(folder.path().join("vault"), None).expect("opens");
        assert!(matches!(
            vault.keep(Bytes::from_static(b"a face")).await,
            Err(StoreError::ReadOnly)
        ));
        assert_eq!(vault.size().await.expect("empty"), VaultSize::default());
    }
}
