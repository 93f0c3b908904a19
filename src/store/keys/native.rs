//! The secret store that comes with the operating system: the keychain on macOS, the Credential Manager on Windows,
//! the Secret Service of the desktop session (GNOME Keyring, KWallet, KeePassXC) elsewhere.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use zeroize::Zeroizing;

use super::{SecretStore, SecretStoreError};

/// What entries are filed under.
const SERVICE: &str = "avatar-sync";

/// The secret store of this system. Nothing is asked of it yet.
pub fn native() -> Arc<dyn SecretStore> {
    Arc::new(Native)
}

struct Native;

impl SecretStore for Native {
    fn name(&self) -> &'static str {
        platform::NAME
    }

    fn read(&self, entry: &str) -> Result<Option<Zeroizing<Vec<u8>>>, SecretStoreError> {
        let entry = entry.to_owned();
        patiently(platform::PATIENCE, move || platform::read(&entry))
    }

    fn write(&self, entry: &str, secret: &[u8]) -> Result<(), SecretStoreError> {
        let (entry, secret) = (entry.to_owned(), Zeroizing::new(secret.to_vec()));
        patiently(platform::PATIENCE, move || platform::write(&entry, &secret))
    }

    fn remove(&self, entry: &str) -> Result<bool, SecretStoreError> {
        let entry = entry.to_owned();
        patiently(platform::PATIENCE, move || platform::remove(&entry))
    }
}

/// Asks on a thread of its own and does not wait for longer than it should take: a store that hangs keeps no run.
fn patiently<T: Send + 'static>(
    patience: Duration,
    ask: impl FnOnce() -> Result<T, SecretStoreError> + Send + 'static,
) -> Result<T, SecretStoreError> {
    let (answer, answered) = sync_channel(1);
    std::thread::Builder::new()
        .name("secret-store".into())
        .spawn(move || {
            // Whoever asked may have gone on without an answer.
            drop(answer.send(ask()));
        })
        .map_err(|error| SecretStoreError::Failed(error.to_string()))?;
    match answered.recv_timeout(patience) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => Err(SecretStoreError::Silent(patience)),
        Err(RecvTimeoutError::Disconnected) => Err(SecretStoreError::Failed("its client panicked".into())),
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
mod platform {
    use std::collections::HashMap;
    use std::time::Duration;

    use secret_service::{EncryptionType, Error, Item, SecretService};
    use zeroize::Zeroizing;

    use super::{SERVICE, SecretStoreError};

    pub(super) const NAME: &str = "the Secret Service of this session";

    /// It is on this machine and takes milliseconds. Dialogues are not waited for: a locked one is said to be locked.
    pub(super) const PATIENCE: Duration = Duration::from_secs(2);

    pub(super) fn read(entry: &str) -> Result<Option<Zeroizing<Vec<u8>>>, SecretStoreError> {
        ask(async |service| match find(&service, entry).await? {
            Some(item) => Ok(Some(Zeroizing::new(item.get_secret().await?))),
            None => Ok(None),
        })
    }

    pub(super) fn write(entry: &str, secret: &[u8]) -> Result<(), SecretStoreError> {
        ask(async |service| {
            let collection = service.get_default_collection().await?;
            if collection.is_locked().await? {
                return Err(Error::Locked);
            }
            let label = format!("{SERVICE}: {entry}");
            collection
                .create_item(&label, attributes(entry), secret, true, "text/plain")
                .await
                .map(drop)
        })
    }

    pub(super) fn remove(entry: &str) -> Result<bool, SecretStoreError> {
        ask(async |service| match find(&service, entry).await? {
            Some(item) => item.delete().await.map(|()| true),
            None => Ok(false),
        })
    }

    fn attributes(entry: &str) -> HashMap<&str, &str> {
        HashMap::from([("application", SERVICE), ("entry", entry)])
    }

    async fn find<'a>(service: &'a SecretService<'a>, entry: &str) -> Result<Option<Item<'a>>, Error> {
        let mut found = service.search_items(attributes(entry)).await?;
        if let Some(item) = found.unlocked.pop() {
            return Ok(Some(item));
        }
        if !found.locked.is_empty() {
            return Err(Error::Locked);
        }
        // Some services hide what is locked; then nobody knows that it is not there.
        match service.get_default_collection().await {
            Ok(collection) if collection.is_locked().await? => Err(Error::Locked),
            Ok(_) | Err(Error::NoResult) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn ask<T>(work: impl AsyncFnOnce(SecretService<'_>) -> Result<T, Error>) -> Result<T, SecretStoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| SecretStoreError::Failed(error.to_string()))?;
        let asked = runtime.block_on(async {
            tokio::time::timeout(PATIENCE, async {
                work(SecretService::connect(EncryptionType::Dh).await?).await
            })
            .await
        });
        // Nothing that hangs behind it is waited for.
        runtime.shutdown_background();
        match asked {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Error::Unavailable)) => Err(SecretStoreError::Missing),
            Ok(Err(Error::Locked | Error::Prompt)) => Err(SecretStoreError::Locked),
            Ok(Err(Error::NoResult)) => Err(SecretStoreError::Failed("it has no default collection".into())),
            Ok(Err(error)) => Err(SecretStoreError::Failed(error.to_string())),
            Err(_) => Err(SecretStoreError::Silent(PATIENCE)),
        }
    }
}

#[cfg(any(windows, target_os = "macos"))]
mod platform {
    use std::collections::HashMap;
    use std::time::Duration;

    use keyring_core::api::CredentialStoreApi as _;
    use keyring_core::{Entry, Error};
    use zeroize::Zeroizing;

    use super::{SERVICE, SecretStoreError};

    #[cfg(windows)]
    pub(super) const NAME: &str = "the Windows Credential Manager";
    #[cfg(target_os = "macos")]
    pub(super) const NAME: &str = "the macOS keychain";

    /// Windows answers at once. The keychain asks whether a new version of a program may read what an older one has
    /// kept; without a desktop it refuses at once.
    #[cfg(windows)]
    pub(super) const PATIENCE: Duration = Duration::from_secs(2);
    #[cfg(target_os = "macos")]
    pub(super) const PATIENCE: Duration = Duration::from_secs(30);

    pub(super) fn read(entry: &str) -> Result<Option<Zeroizing<Vec<u8>>>, SecretStoreError> {
        match find(entry)?.get_secret() {
            Ok(secret) => Ok(Some(Zeroizing::new(secret))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    pub(super) fn write(entry: &str, secret: &[u8]) -> Result<(), SecretStoreError> {
        find(entry)?.set_secret(secret).map_err(|error| failed(&error))
    }

    pub(super) fn remove(entry: &str) -> Result<bool, SecretStoreError> {
        match find(entry)?.delete_credential() {
            Ok(()) => Ok(true),
            Err(Error::NoEntry) => Ok(false),
            Err(error) => Err(failed(&error)),
        }
    }

    #[cfg(windows)]
    fn find(entry: &str) -> Result<Entry, SecretStoreError> {
        // It stays on this machine, as the pictures do.
        let modifiers = HashMap::from([("persistence", "Local")]);
        windows_native_keyring_store::Store::new()
            .and_then(|store| store.build(SERVICE, entry, Some(&modifiers)))
            .map_err(|error| failed(&error))
    }

    #[cfg(target_os = "macos")]
    fn find(entry: &str) -> Result<Entry, SecretStoreError> {
        apple_native_keyring_store::keychain::Store::new()
            .and_then(|store| store.build(SERVICE, entry, None::<&HashMap<&str, &str>>))
            .map_err(|error| failed(&error))
    }

    fn failed(error: &Error) -> SecretStoreError {
        match error {
            Error::NoStorageAccess(_) => SecretStoreError::Locked,
            // Some variants carry the secret's bytes; their sentences do not.
            error => SecretStoreError::Failed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_does_not_answer_is_not_waited_for() {
        let patience = Duration::from_millis(20);
        let (release, hanging) = std::sync::mpsc::channel::<()>();
        let answer = patiently(patience, move || {
            // Until the test is over.
            let _ = hanging.recv();
            Ok(())
        });
        assert_eq!(answer, Err(SecretStoreError::Silent(patience)));
        drop(release);
    }
}
