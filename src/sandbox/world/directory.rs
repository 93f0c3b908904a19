//! The Entra side of the world: users, groups, photos and the rules that concern them (`entra.md` 1 to 4).
//!
//! Texts that repeat (departments, titles) are shared `Arc<str>`, so that 300,000 people stay small; whatever can be
//! derived from a user's other properties (`proxyAddresses`, `givenName`, …) is not kept.
//!
//! Every user has a *sequence number*, given when it is added and never given again. Paging goes by it, so a
//! listing that others change meanwhile neither repeats nor loses anybody who was there throughout.

mod changes;
mod index;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::picture::Picture;
use changes::ChangeLog;
pub use changes::{Change, ChangeKind, UserField};
use index::{Index, hash_id, hash_name, same_name};

/// A directory user (`entra.md` 2.3).
#[derive(Clone, Debug)]
pub struct DirectoryUser {
    /// Object id.
    pub id: Uuid,
    /// `displayName`.
    pub display_name: Box<str>,
    /// `userPrincipalName`.
    pub principal: Box<str>,
    /// `mail`; null in some tenants for some people.
    pub mail: Option<Box<str>>,
    /// `accountEnabled`.
    pub enabled: bool,
    /// `userType` is `Guest`, otherwise `Member`.
    pub guest: bool,
    /// `jobTitle`.
    pub job_title: Option<Arc<str>>,
    /// `department`.
    pub department: Option<Arc<str>>,
    /// `employeeId`.
    pub employee_id: Option<Box<str>>,
    /// Object id of the manager.
    pub manager: Option<Uuid>,
    /// Where photos of this user are kept, which decides the shape of the answers.
    pub mailbox: Mailbox,
    /// The photo, in its largest size.
    pub photo: Option<DirectoryPhoto>,
}

impl DirectoryUser {
    /// `createdDateTime`: some second of the nine years from 2015, the same one for the same object id.
    pub fn created(&self) -> Timestamp {
        const NINE_YEARS_S: u64 = 9 * 365 * 86_400;
        let first = Timestamp::constant(1_420_070_400, 0);
        let seconds = i64::try_from(hash_id(self.id) % NINE_YEARS_S).expect("nine years of seconds fit");
        first
            .checked_add(SignedDuration::from_secs(seconds))
            .unwrap_or(first)
    }

    /// `proxyAddresses`: the mail address as the primary one, the sign-in name as an alias where it differs (guests
    /// cannot receive mail at theirs).
    pub fn proxy_addresses(&self) -> impl Iterator<Item = String> + '_ {
        let primary = self.mail.as_ref().map(|mail| format!("SMTP:{mail}"));
        let is_alias = self
            .mail
            .as_ref()
            .is_some_and(|mail| !same_name(mail, &self.principal));
        let alias = (is_alias && !self.guest).then(|| format!("smtp:{}", self.principal));
        primary.into_iter().chain(alias)
    }
}

/// Where a user's photo is kept (`entra.md` 1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mailbox {
    /// Exchange Online: all HD sizes up to the original.
    ExchangeOnline,
    /// No mailbox: the directory store, any dimension, served as `image/Jpeg`.
    None,
    /// On-premises mailbox: no photo through Graph.
    OnPremises,
}

/// A photo with its version.
#[derive(Clone, Debug)]
pub struct DirectoryPhoto {
    /// The original, in its largest size.
    pub picture: Picture,
    /// Goes up with every change; the ETag is made of it and the user's id.
    pub version: u32,
}

/// A group (`entra.md` 4).
#[derive(Clone, Debug)]
pub struct DirectoryGroup {
    /// Object id.
    pub id: Uuid,
    /// `displayName`.
    pub name: Box<str>,
    /// Direct members: users.
    pub users: Vec<Uuid>,
    /// Direct members: groups.
    pub groups: Vec<Uuid>,
}

/// An enterprise application of the tenant: a service principal (`entra.md` 4).
#[derive(Clone, Debug)]
pub struct EnterpriseApplication {
    /// Object id of the service principal.
    pub id: Uuid,
    /// `appId`.
    pub app_id: Uuid,
    /// `displayName`.
    pub name: Box<str>,
    /// `appRoles`.
    pub roles: Vec<ApplicationRole>,
    /// `appRoleAssignedTo`.
    pub assignments: Vec<RoleAssignment>,
}

/// A role that an application offers.
#[derive(Clone, Debug)]
pub struct ApplicationRole {
    /// `id`.
    pub id: Uuid,
    /// `displayName`.
    pub name: Box<str>,
    /// `value`; null for the `msiam_access` of gallery applications.
    pub value: Option<Box<str>>,
}

/// A role given to somebody.
#[derive(Clone, Debug)]
pub struct RoleAssignment {
    /// The user, group or service principal.
    pub principal: Uuid,
    /// `appRoleId`; all zeroes is *Default Access*.
    pub role: Uuid,
}

/// A change to one property of a user.
#[derive(Clone, Debug)]
pub enum UserChange {
    /// `displayName`.
    DisplayName(Box<str>),
    /// `userPrincipalName`: the person is renamed.
    Principal(Box<str>),
    /// `mail`.
    Mail(Option<Box<str>>),
    /// `accountEnabled`.
    Enabled(bool),
    /// `jobTitle`.
    JobTitle(Option<Arc<str>>),
    /// `department`.
    Department(Option<Arc<str>>),
    /// `employeeId`.
    EmployeeId(Option<Box<str>>),
    /// Object id of the manager.
    Manager(Option<Uuid>),
    /// The mailbox moved; no property tells.
    Mailbox(Mailbox),
}

/// Why a user could not be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// Nobody has this object id or sign-in name.
    #[error("there is no such user")]
    NoSuchUser,
    /// Somebody else has this sign-in name or object id.
    #[error("another user has this sign-in name or object id")]
    Taken,
}

/// Marks a sequence number whose user is gone.
const NOBODY: u32 = u32::MAX;

/// All users and groups of the tenant.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    users: Vec<DirectoryUser>,
    /// Sequence number by position in `users`.
    sequences: Vec<u32>,
    /// Position in `users` by sequence number.
    positions: Vec<u32>,
    by_id: Index,
    by_principal: Index,
    /// Sequence numbers of direct reports by manager.
    reports: HashMap<Uuid, Vec<u32>>,
    /// Soft-deleted users.
    deleted: BTreeMap<Uuid, DirectoryUser>,
    /// The last photo version of users whose photo was removed.
    removed_versions: HashMap<Uuid, u32>,
    domains: Vec<Box<str>>,
    changes: ChangeLog,
    /// Groups by id.
    pub groups: BTreeMap<Uuid, DirectoryGroup>,
    /// Enterprise applications by object id.
    pub applications: BTreeMap<Uuid, EnterpriseApplication>,
}

impl Directory {
    /// Adds a user. Object id and sign-in name (case folded) must be new, otherwise the user is given back.
    pub fn add(&mut self, user: DirectoryUser) -> Result<(), Box<DirectoryUser>> {
        if self.sequence_of_id(user.id).is_some() || self.sequence_of_name(&user.principal).is_some() {
            return Err(Box::new(user));
        }
        let sequence = u32::try_from(self.positions.len()).expect("fewer than four thousand million people");
        self.positions
            .push(u32::try_from(self.users.len()).expect("not more people than sequence numbers"));
        self.sequences.push(sequence);
        if let Some(manager) = user.manager {
            self.reports.entry(manager).or_default().push(sequence);
        }
        self.learn_domain(&user.principal);
        self.users.push(user);
        self.index(sequence);
        Ok(())
    }

    /// All users: in the order in which they were added, as long as none was deleted.
    pub fn users(&self) -> &[DirectoryUser] {
        &self.users
    }

    /// A user by object id or sign-in name, case folded (`entra.md` 1.8). `mail` is not a key.
    pub fn find(&self, key: &str) -> Option<&DirectoryUser> {
        self.at(self.sequence_of(key)?)
    }

    /// Users from a sequence number on, in the order in which they were added.
    pub fn users_from(&self, sequence: u32) -> impl Iterator<Item = (u32, &DirectoryUser)> {
        let first = self.positions.get(sequence as usize..).unwrap_or_default();
        (sequence..)
            .zip(first)
            .filter(|(_, position)| **position != NOBODY)
            .map(|(sequence, position)| (sequence, &self.users[*position as usize]))
    }

    /// The user with a sequence number.
    pub fn at(&self, sequence: u32) -> Option<&DirectoryUser> {
        user_at(&self.users, &self.positions, sequence)
    }

    /// The sequence number of a user by object id or sign-in name.
    pub fn sequence_of(&self, key: &str) -> Option<u32> {
        if let Some(sequence) = Uuid::try_parse(key).ok().and_then(|id| self.sequence_of_id(id)) {
            return Some(sequence);
        }
        self.sequence_of_name(key)
    }

    /// The sequence number of a user by object id.
    pub fn sequence_of_id(&self, id: Uuid) -> Option<u32> {
        self.by_id.find(hash_id(id), |sequence| {
            self.at(sequence).is_some_and(|user| user.id == id)
        })
    }

    fn sequence_of_name(&self, principal: &str) -> Option<u32> {
        self.by_principal.find(hash_name(principal), |sequence| {
            self.at(sequence)
                .is_some_and(|user| same_name(&user.principal, principal))
        })
    }

    /// The sequence number that the next user will have.
    pub fn next_sequence(&self) -> u32 {
        u32::try_from(self.positions.len()).expect("fewer than four thousand million people")
    }

    /// Everybody whose manager is `manager`, with sequence numbers, in the order in which they were added.
    pub fn reports_of(&self, manager: Uuid) -> impl Iterator<Item = (u32, &DirectoryUser)> {
        self.reports
            .get(&manager)
            .into_iter()
            .flatten()
            .filter_map(|sequence| Some((*sequence, self.at(*sequence)?)))
    }

    /// Domains of the sign-in names, the first one being the tenant's default.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.domains.iter().map(AsRef::as_ref)
    }

    /// Puts a new photo in place of the user's, or removes it; false if there is no such user.
    pub fn set_photo(&mut self, key: &str, picture: Option<Picture>) -> bool {
        let Some(sequence) = self.sequence_of(key) else {
            return false;
        };
        let user = &mut self.users[self.positions[sequence as usize] as usize];
        let last = match &user.photo {
            Some(photo) => photo.version,
            None => self.removed_versions.get(&user.id).copied().unwrap_or_default(),
        };
        user.photo = picture.map(|picture| DirectoryPhoto {
            picture,
            version: last + 1,
        });
        match user.photo {
            Some(_) => self.removed_versions.remove(&user.id),
            None => self.removed_versions.insert(user.id, last),
        };
        let id = user.id;
        self.changes.push(id, ChangeKind::Photo);
        true
    }

    /// Changes one property of a user.
    pub fn change(&mut self, key: &str, change: UserChange) -> Result<(), DirectoryError> {
        let sequence = self.sequence_of(key).ok_or(DirectoryError::NoSuchUser)?;
        if let UserChange::Principal(principal) = &change {
            let owner = self.sequence_of_name(principal);
            if owner.is_some_and(|owner| owner != sequence) {
                return Err(DirectoryError::Taken);
            }
            self.learn_domain(principal);
        }
        let user = &mut self.users[self.positions[sequence as usize] as usize];
        let id = user.id;
        let field = match change {
            UserChange::DisplayName(name) => {
                user.display_name = name;
                UserField::DisplayName
            }
            UserChange::Principal(principal) => {
                user.principal = principal;
                // The entry under the old name stays behind: it no longer matches.
                self.index(sequence);
                UserField::Principal
            }
            UserChange::Mail(mail) => {
                user.mail = mail;
                UserField::Mail
            }
            UserChange::Enabled(enabled) => {
                user.enabled = enabled;
                UserField::Enabled
            }
            UserChange::JobTitle(title) => {
                user.job_title = title;
                UserField::JobTitle
            }
            UserChange::Department(department) => {
                user.department = department;
                UserField::Department
            }
            UserChange::EmployeeId(employee_id) => {
                user.employee_id = employee_id;
                UserField::EmployeeId
            }
            UserChange::Manager(manager) => {
                let old = std::mem::replace(&mut user.manager, manager);
                self.forget_report(old, sequence);
                if let Some(manager) = manager {
                    self.reports.entry(manager).or_default().push(sequence);
                }
                UserField::Manager
            }
            UserChange::Mailbox(mailbox) => {
                user.mailbox = mailbox;
                return Ok(());
            }
        };
        self.changes.push(id, ChangeKind::Updated(field));
        Ok(())
    }

    /// Deletes a user softly: it answers like one that never was, and can be restored.
    pub fn delete(&mut self, key: &str) -> Result<Uuid, DirectoryError> {
        let sequence = self.sequence_of(key).ok_or(DirectoryError::NoSuchUser)?;
        let position = self.positions[sequence as usize] as usize;
        self.positions[sequence as usize] = NOBODY;
        let user = self.users.swap_remove(position);
        self.sequences.swap_remove(position);
        if let Some(moved) = self.sequences.get(position) {
            self.positions[*moved as usize] = u32::try_from(position).expect("a position fits");
        }
        self.forget_report(user.manager, sequence);
        let id = user.id;
        self.deleted.insert(id, user);
        self.changes.push(id, ChangeKind::Deleted);
        Ok(id)
    }

    /// Brings a soft-deleted user back.
    pub fn restore(&mut self, id: Uuid) -> Result<(), DirectoryError> {
        let user = self.deleted.remove(&id).ok_or(DirectoryError::NoSuchUser)?;
        if let Err(user) = self.add(user) {
            self.deleted.insert(id, *user);
            return Err(DirectoryError::Taken);
        }
        Ok(())
    }

    /// Deletes a soft-deleted user for good.
    pub fn purge(&mut self, id: Uuid) -> Result<(), DirectoryError> {
        self.deleted.remove(&id).ok_or(DirectoryError::NoSuchUser)?;
        self.removed_versions.remove(&id);
        self.changes.push(id, ChangeKind::Purged);
        Ok(())
    }

    /// How many changes there have been: the place in the change log where the next one goes.
    pub fn change_count(&self) -> u64 {
        self.changes.end()
    }

    /// The changes from a place in the log to another, oldest first; `None` if some of them are forgotten.
    pub fn changes(&self, from: u64, to: u64) -> Option<impl Iterator<Item = &Change>> {
        self.changes.between(from, to)
    }

    /// Makes room for people who are about to be added.
    pub fn reserve(&mut self, people: usize) {
        self.users.reserve(people);
        self.sequences.reserve(people);
        self.positions.reserve(people);
    }

    fn index(&mut self, sequence: u32) {
        let (users, positions) = (&self.users, &self.positions);
        let user = user_at(users, positions, sequence).expect("indexed users are there");
        let id_hash = |sequence| user_at(users, positions, sequence).map(|user| hash_id(user.id));
        self.by_id.insert(hash_id(user.id), sequence, id_hash);
        let name_hash = |sequence| user_at(users, positions, sequence).map(|user| hash_name(&user.principal));
        self.by_principal
            .insert(hash_name(&user.principal), sequence, name_hash);
    }

    fn forget_report(&mut self, manager: Option<Uuid>, sequence: u32) {
        let Some(reports) = manager.and_then(|manager| self.reports.get_mut(&manager)) else {
            return;
        };
        reports.retain(|report| *report != sequence);
    }

    fn learn_domain(&mut self, principal: &str) {
        // More than any real tenant verifies; sign-in names of a world file may be anything.
        const MOST_DOMAINS: usize = 900;
        let Some((_, domain)) = principal.rsplit_once('@') else {
            return;
        };
        let is_known = self.domains.iter().any(|known| same_name(known, domain));
        if !is_known && !domain.is_empty() && self.domains.len() < MOST_DOMAINS {
            self.domains.push(domain.to_lowercase().into());
        }
    }
}

fn user_at<'a>(users: &'a [DirectoryUser], positions: &[u32], sequence: u32) -> Option<&'a DirectoryUser> {
    let position = *positions.get(sequence as usize)?;
    users.get(position as usize)
}
