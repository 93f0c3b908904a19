//! The Entra side of the world: users, groups, photos and the rules that concern them (`entra.md` 1 to 4).
//!
//! Texts that repeat (departments, titles) are shared `Arc<str>`, so that 300,000 people stay small.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::picture::Picture;

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

/// All users and groups of the tenant.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    users: Vec<DirectoryUser>,
    by_id: HashMap<Uuid, u32>,
    by_principal: HashMap<Box<str>, u32>,
    /// Groups by id.
    pub groups: BTreeMap<Uuid, DirectoryGroup>,
}

impl Directory {
    /// Adds a user. Object id and sign-in name (case folded) must be new, otherwise the user is given back.
    pub fn add(&mut self, user: DirectoryUser) -> Result<(), Box<DirectoryUser>> {
        let principal = user.principal.to_lowercase().into_boxed_str();
        if self.by_id.contains_key(&user.id) || self.by_principal.contains_key(&principal) {
            return Err(Box::new(user));
        }
        let index = u32::try_from(self.users.len()).expect("fewer than four thousand million people");
        self.by_id.insert(user.id, index);
        self.by_principal.insert(principal, index);
        self.users.push(user);
        Ok(())
    }

    /// All users in the order in which they were added.
    pub fn users(&self) -> &[DirectoryUser] {
        &self.users
    }

    /// A user by object id or sign-in name, case folded (`entra.md` 1.8). `mail` is not a key.
    pub fn find(&self, key: &str) -> Option<&DirectoryUser> {
        self.position(key).map(|index| &self.users[index])
    }

    /// Puts a new photo in place of the user's, or removes it; false if there is no such user.
    pub fn set_photo(&mut self, key: &str, picture: Option<Picture>) -> bool {
        let Some(index) = self.position(key) else {
            return false;
        };
        let photo = &mut self.users[index].photo;
        let version = photo.as_ref().map_or(1, |photo| photo.version + 1);
        *photo = picture.map(|picture| DirectoryPhoto { picture, version });
        true
    }

    fn position(&self, key: &str) -> Option<usize> {
        if let Some(index) = Uuid::try_parse(key).ok().and_then(|id| self.by_id.get(&id)) {
            return Some(*index as usize);
        }
        self.by_principal
            .get(key.to_lowercase().as_str())
            .map(|index| *index as usize)
    }
}
