//! Files that only their owner can read, and that are there as a whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::StoreError;

/// Creates a folder and its parents, for the owner alone.
///
/// # Errors
///
/// If that is not possible.
pub fn create_folder(path: &Path) -> Result<(), StoreError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(path)
        .map_err(StoreError::files("create the folder", path))?;
    // An existing folder keeps its rights otherwise.
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .map_err(StoreError::files("protect the folder", path))?;
    Ok(())
}

/// Opens for reading and writing, for the owner alone, and creates it if it is missing.
pub(super) fn open_private(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(StoreError::files("open", path))?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .map_err(StoreError::files("protect", path))?;
    Ok(file)
}

/// Puts a file into place as a whole: written beside it, synced, renamed, and the rename synced.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    write_whole_with(path, |file| file.write_all(content))
}

/// Like [`write_whole`], with a content that is made while it is written.
pub(super) fn write_whole_with(
    path: &Path,
    fill: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> Result<(), StoreError> {
    let mut partial = PartialFile::create(path)?;
    fill(partial.file_mut()).map_err(StoreError::files("write", path))?;
    partial.finish()
}

/// A file in the making: it is beside the one that it will be, for the owner alone, and gone again unless it is finished.
#[derive(Debug)]
pub struct PartialFile {
    path: PathBuf,
    temporary: PathBuf,
    /// `None` once it is closed.
    file: Option<File>,
}

impl PartialFile {
    /// Begins what will be at `path`.
    ///
    /// # Errors
    ///
    /// If nothing can be created in its folder.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        let (temporary, file) = create_temporary(path)?;
        Ok(Self {
            path: path.to_owned(),
            temporary,
            file: Some(file),
        })
    }

    /// Puts it into place, instead of what is there: synced, renamed, and the rename synced.
    ///
    /// # Errors
    ///
    /// If that is not possible; then nothing is left but what was there before.
    pub fn finish(mut self) -> Result<(), StoreError> {
        let synced = self.file_mut().sync_all();
        // Windows renames no file that is open.
        self.file = None;
        synced
            .and_then(|()| fs::rename(&self.temporary, &self.path))
            .map_err(StoreError::files("write", &self.path))?;
        match self.path.parent() {
            Some(folder) if folder.as_os_str().is_empty() => sync_folder(Path::new(".")),
            Some(folder) => sync_folder(folder),
            None => Ok(()),
        }
    }

    fn file_mut(&mut self) -> &mut File {
        self.file.as_mut().expect("it is closed only when it is finished")
    }
}

impl Write for PartialFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file_mut().flush()
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        self.file = None;
        // Not there any more if it was put into place. The error that matters is another one; in a profile's folders
        // a file left behind is cleared by the next start.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Removes a file; false if it was not there.
pub(super) fn remove(path: &Path) -> Result<bool, StoreError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::files("remove", path)(error)),
    }
}

/// What is in a folder; nothing if it is not there.
pub(super) fn list(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    match fs::read_dir(folder) {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<std::io::Result<_>>()
            .map_err(StoreError::files("list", folder)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(StoreError::files("list", folder)(error)),
    }
}

const TEMPORARY: &str = ".partial-";

/// A new file beside `path`, never one that is there: links in a shared folder lead nowhere.
fn create_temporary(path: &Path) -> Result<(PathBuf, File), StoreError> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let name = format!("{TEMPORARY}{}-{number}", std::process::id());
    let temporary = path.with_file_name(name);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(&temporary) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            // Left behind by a dead process that had our number.
            fs::remove_file(&temporary).map_err(StoreError::files("remove", &temporary))?;
            let file = options
                .open(&temporary)
                .map_err(StoreError::files("create", &temporary))?;
            Ok((temporary, file))
        }
        opened => {
            let file = opened.map_err(StoreError::files("create", &temporary))?;
            Ok((temporary, file))
        }
    }
}

/// True for the name of a file that [`write_whole`] was interrupted at.
pub(super) fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY)
}

/// Makes a rename in this folder survive a power cut. Windows offers no such call and does it by itself.
#[cfg(unix)]
pub(super) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(StoreError::files("sync the folder", folder))
}

/// Makes a rename in this folder survive a power cut. Windows offers no such call and does it by itself.
#[cfg(not(unix))]
pub(super) fn sync_folder(_folder: &Path) -> Result<(), StoreError> {
    Ok(())
}
