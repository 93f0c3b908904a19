//! Which permission each operation needs (`entra.md` 1.10).

use super::answer::Failure;
use super::token::Grant;

/// The permissions of which one is enough.
pub(super) struct Needs {
    application: &'static [&'static str],
    delegated: &'static [&'static str],
    /// Enough for the signed-in user's own data.
    own: &'static [&'static str],
    refusal: Refusal,
}

/// Who says no.
#[derive(Clone, Copy)]
enum Refusal {
    /// The directory: P18.
    Directory,
    /// The photo service: P17.
    Mailbox,
}

impl Needs {
    /// Lets a caller through or refuses with 403; `owner` is the object id of the user concerned, if it is one.
    pub(super) fn check(&self, grant: &Grant, owner: Option<&str>) -> Result<(), Failure> {
        let is_allowed = match &grant.user {
            None => grant.has_any(self.application),
            Some(user) => {
                let is_own = owner.is_some_and(|owner| owner.eq_ignore_ascii_case(user));
                grant.has_any(self.delegated) || is_own && grant.has_any(self.own)
            }
        };
        if is_allowed {
            return Ok(());
        }
        Err(match self.refusal {
            Refusal::Directory => Failure::denied(),
            Refusal::Mailbox => access_denied(),
        })
    }
}

/// 403 `ErrorAccessDenied` (P17).
pub(super) fn access_denied() -> Failure {
    Failure::new(
        403,
        "ErrorAccessDenied",
        "Access is denied. Check credentials and try again.",
    )
}

pub(super) const USER_PHOTO: Needs = Needs {
    application: &[
        "ProfilePhoto.Read.All",
        "ProfilePhoto.ReadWrite.All",
        "User.Read.All",
        "User.ReadBasic.All",
    ],
    delegated: &[
        "ProfilePhoto.Read.All",
        "ProfilePhoto.ReadWrite.All",
        "User.ReadBasic.All",
    ],
    own: &["User.Read"],
    refusal: Refusal::Mailbox,
};

pub(super) const USER_PHOTO_WRITE: Needs = Needs {
    application: &["ProfilePhoto.ReadWrite.All"],
    delegated: &["ProfilePhoto.ReadWrite.All"],
    own: &["User.ReadWrite"],
    refusal: Refusal::Mailbox,
};

pub(super) const GROUP_PHOTO: Needs = Needs {
    application: &[
        "ProfilePhoto.Read.All",
        "ProfilePhoto.ReadWrite.All",
        "Group.Read.All",
    ],
    delegated: &[
        "ProfilePhoto.Read.All",
        "ProfilePhoto.ReadWrite.All",
        "Group.Read.All",
    ],
    own: &[],
    refusal: Refusal::Mailbox,
};

pub(super) const USERS: Needs = Needs {
    application: &["User.ReadBasic.All", "User.Read.All", "Directory.Read.All"],
    delegated: &["User.ReadBasic.All", "User.Read.All", "Directory.Read.All"],
    own: &["User.Read"],
    refusal: Refusal::Directory,
};

/// Everything beyond names, e-mail and id.
pub(super) const ALL_USER_PROPERTIES: Needs = Needs {
    application: &["User.Read.All", "Directory.Read.All"],
    delegated: &["User.Read.All", "Directory.Read.All"],
    own: &["User.Read"],
    refusal: Refusal::Directory,
};

pub(super) const USER_DELTA: Needs = Needs {
    application: &["User.Read.All", "Directory.Read.All"],
    delegated: &["User.Read.All", "Directory.Read.All"],
    own: &[],
    refusal: Refusal::Directory,
};

pub(super) const MANAGER: Needs = Needs {
    application: &["User.Read.All", "Directory.Read.All"],
    delegated: &["User.Read.All", "Directory.Read.All"],
    own: &[],
    refusal: Refusal::Directory,
};

pub(super) const DIRECT_REPORTS: Needs = Needs {
    application: &["User.Read.All", "Directory.Read.All"],
    delegated: &["User.Read.All", "Directory.Read.All"],
    own: &["User.Read"],
    refusal: Refusal::Directory,
};

pub(super) const GROUPS: Needs = Needs {
    application: &[
        "GroupMember.ReadBasic.All",
        "GroupMember.Read.All",
        "Group.Read.All",
        "Directory.Read.All",
    ],
    delegated: &[
        "GroupMember.ReadBasic.All",
        "GroupMember.Read.All",
        "Group.Read.All",
        "Directory.Read.All",
    ],
    own: &[],
    refusal: Refusal::Directory,
};

pub(super) const APPLICATIONS: Needs = Needs {
    application: &["Application.Read.All", "Directory.Read.All"],
    delegated: &["Application.Read.All", "Directory.Read.All"],
    own: &[],
    refusal: Refusal::Directory,
};

pub(super) const ORGANIZATION: Needs = Needs {
    application: &["Organization.Read.All", "User.Read.All", "Directory.Read.All"],
    delegated: &[
        "User.Read",
        "User.Read.All",
        "Organization.Read.All",
        "Directory.Read.All",
    ],
    own: &[],
    refusal: Refusal::Directory,
};

/// Application permissions of Graph with their role ids, as its service principal lists them.
pub(super) const GRAPH_ROLES: &[(&str, &str)] = &[
    ("ProfilePhoto.Read.All", "e24d31aa-e1ab-4c80-85fe-23018690335d"),
    ("User.Read.All", "df021288-bdef-4463-88db-98f22de89214"),
    ("User.ReadBasic.All", "97235f07-e226-4f63-ace3-39588e11d3a1"),
    ("GroupMember.Read.All", "98830695-27a2-44f7-8c18-0c3ebc9698f6"),
    ("Application.Read.All", "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30"),
    ("Directory.Read.All", "7ab1d382-f21e-4acd-a863-ba3e13f7da61"),
];
