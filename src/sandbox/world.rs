//! The state of the practice tenant and instance: plain data with rules, no HTTP.

pub mod directory;
pub mod files;
pub mod generate;
pub mod instance;
pub mod picture;

use std::sync::Arc;

use parking_lot::RwLock;

use super::clock::Clock;
use directory::Directory;
use instance::Instance;

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
}

/// What a client signs in with; printed in the sandbox's first line (`sandbox.md`).
#[derive(Clone, Debug, PartialEq, Eq)]
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
