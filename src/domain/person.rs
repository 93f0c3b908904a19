//! People, as each side knows them.

use serde::{Deserialize, Serialize};

use super::ids::{SourceId, TargetId};
use super::photo::Column;
use super::text::RemoteText;

/// What kind of account a person has in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// An account of this tenant.
    Member,
    /// An invited account of another tenant.
    Guest,
    /// The source did not say (the property is optional, `entra.md` 2.3).
    Unspecified,
}

/// A person as the source knows them (`entra.md` 2.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePerson {
    /// The only key used after the listing.
    pub id: SourceId,
    /// Display name.
    pub name: RemoteText,
    /// Sign-in name: `userPrincipalName`.
    pub principal: RemoteText,
    /// Primary e-mail address; it may differ from the sign-in name.
    pub mail: Option<RemoteText>,
    /// Employee number as the directory holds it.
    pub employee_id: Option<RemoteText>,
    /// Department, for filtering and the screen.
    pub department: Option<RemoteText>,
    /// Job title, for the screen.
    pub job_title: Option<RemoteText>,
    /// Member, guest or unspecified.
    pub kind: AccountKind,
    /// Whether sign-in is enabled; `None` when the rights granted do not show it (`entra.md` 1.10).
    pub enabled: Option<bool>,
}

/// A person as the target knows them (`servicenow.md` 8, sweep 1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetPerson {
    /// The only key used after the listing.
    pub id: TargetId,
    /// Display name.
    pub name: RemoteText,
    /// Sign-in name: `user_name`.
    pub user_name: RemoteText,
    /// E-mail address.
    pub mail: Option<RemoteText>,
    /// Employee number.
    pub employee_number: Option<RemoteText>,
    /// The source's id of this person, where the target keeps it (`correlation_id` unless configured otherwise).
    pub source_key: Option<RemoteText>,
    /// Whether the account is active; `None` when not readable.
    pub active: Option<bool>,
    /// Whether the account is locked out; `None` when not readable.
    pub locked_out: Option<bool>,
    /// The picture column of the person's own record, read in the same sweep.
    pub column: Column,
}
