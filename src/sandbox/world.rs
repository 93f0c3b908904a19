//! The state of the practice tenant and instance: plain data with rules, no HTTP.
//!
//! [`World::invent`] makes one up from a seed, [`World::load`] reads one from files.

pub mod article;
pub mod directory;
pub mod files;
pub mod generate;
pub mod instance;
pub mod kinds;
mod names;
pub mod picture;

use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;

use super::clock::Clock;
use directory::Directory;
use generate::Plantings;
use instance::Instance;
use kinds::Planted;

/// Everything a sandbox serves. Cloning shares it.
#[derive(Clone)]
pub struct World {
    /// Sandbox time.
    pub clock: Arc<Clock>,
    /// The Entra side.
    pub directory: Arc<RwLock<Directory>>,
    /// The ServiceNow side.
    pub instance: Arc<RwLock<Instance>>,
    /// Names and secrets a client needs.
    pub credentials: Arc<Credentials>,
    plantings: Arc<Plantings>,
}

impl World {
    /// A world of these two sides, at the present time.
    pub fn new(directory: Directory, instance: Instance, credentials: Credentials) -> Self {
        Self {
            clock: Arc::default(),
            directory: Arc::new(RwLock::new(directory)),
            instance: Arc::new(RwLock::new(instance)),
            credentials: Arc::new(credentials),
            plantings: Arc::default(),
        }
    }

    /// Every invented person with their kind, in the order of the directory; nobody in a world from files. The names
    /// are those of this moment; the kinds are those that were planted, whatever has been changed since.
    pub fn planted(&self) -> impl Iterator<Item = Planted> + use<> {
        let people = self
            .plantings
            .people(&self.directory.read(), &self.instance.read());
        people.into_iter()
    }
}

/// What a client signs in with; printed in the sandbox's first line (`sandbox.md`).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Directory (tenant) id, a GUID.
    pub tenant_id: String,
    /// Application id, a GUID.
    pub client_id: String,
    /// Application secret.
    pub client_secret: String,
    /// ServiceNow account.
    pub servicenow_username: String,
    /// Its password.
    pub servicenow_password: String,
    /// ServiceNow OAuth client.
    pub servicenow_client_id: String,
    /// Its secret.
    pub servicenow_client_secret: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("tenant_id", &self.tenant_id)
            .field("client_id", &self.client_id)
            .field("servicenow_username", &self.servicenow_username)
            .field("servicenow_client_id", &self.servicenow_client_id)
            .finish_non_exhaustive()
    }
}
