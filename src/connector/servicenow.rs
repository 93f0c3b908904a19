//! ServiceNow as a target of avatars (`servicenow.md`).

mod chain;
mod instance;
mod query;
mod rows;
mod settings;
mod shared;

pub use instance::{InstanceNameError, instance_origin};
pub use query::ScopeError;
pub use settings::{ServiceNowAuth, ServiceNowSettings, WriteMode};
