//! What happened to users, in order, for delta queries (`entra.md` 2.4).

use std::collections::VecDeque;

use uuid::Uuid;

/// More changes than this are forgotten, oldest first; a delta token from before is then too old.
const MOST_CHANGES: usize = 1_000_000;

/// Something that happened to a user. That one was added is told by its sequence number instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The user's object id.
    pub user: Uuid,
    /// What happened.
    pub kind: ChangeKind,
}

/// What happened to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// A property changed.
    Updated(UserField),
    /// The photo was set or removed.
    Photo,
    /// Deleted, restorable.
    Deleted,
    /// Deleted for good.
    Purged,
}

/// A property of which changes are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserField {
    /// `displayName` and what is made of it.
    DisplayName,
    /// `userPrincipalName` and what is made of it.
    Principal,
    /// `mail` and what is made of it.
    Mail,
    /// `accountEnabled`.
    Enabled,
    /// `jobTitle`.
    JobTitle,
    /// `department`.
    Department,
    /// `employeeId`.
    EmployeeId,
    /// `manager`.
    Manager,
}

/// The last changes.
#[derive(Clone, Debug, Default)]
pub(super) struct ChangeLog {
    /// How many changes were forgotten.
    forgotten: u64,
    changes: VecDeque<Change>,
}

impl ChangeLog {
    pub(super) fn push(&mut self, user: Uuid, kind: ChangeKind) {
        if self.changes.len() == MOST_CHANGES {
            self.changes.pop_front();
            self.forgotten += 1;
        }
        self.changes.push_back(Change { user, kind });
    }

    /// The place of the next change.
    pub(super) fn end(&self) -> u64 {
        self.forgotten + self.changes.len() as u64
    }

    /// The changes of `from..to`; `None` if the first of them are forgotten or the place is not of this log.
    pub(super) fn between(&self, from: u64, to: u64) -> Option<impl Iterator<Item = &Change>> {
        let from = usize::try_from(from.checked_sub(self.forgotten)?).ok()?;
        let to = usize::try_from(to.checked_sub(self.forgotten)?).ok()?;
        (from <= to && to <= self.changes.len()).then(|| self.changes.range(from..to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_changes_are_forgotten_and_whoever_asks_for_them_is_told() {
        let mut log = ChangeLog::default();
        for _ in 0..MOST_CHANGES + 5 {
            log.push(Uuid::nil(), ChangeKind::Photo);
        }
        let end = log.end();
        assert_eq!(end, MOST_CHANGES as u64 + 5);
        assert!(log.between(4, end).is_none());
        assert_eq!(log.between(5, end).map(Iterator::count), Some(MOST_CHANGES));
        assert_eq!(log.between(end, end).map(Iterator::count), Some(0));
        assert!(log.between(end, end + 1).is_none(), "a place of another log");
    }
}
