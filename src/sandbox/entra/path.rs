//! Which resource a path names (`entra.md` 1.1, 1.8, 2 to 5).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::answer::Failure;

/// Everything the Microsoft side serves.
#[derive(Debug)]
pub(super) enum Endpoint<'a> {
    /// The identity platform.
    Login(LoginEndpoint<'a>),
    /// Graph, below its version.
    Graph {
        /// `v1.0` or `beta`, which answer alike.
        version: &'static str,
        /// What is below, not yet understood.
        rest: &'a str,
    },
    /// The instance metadata service of a virtual machine.
    ManagedIdentity,
    /// Nothing.
    Unknown,
}

/// The identity platform's endpoints.
#[derive(Debug)]
pub(super) enum LoginEndpoint<'a> {
    Token { tenant: Cow<'a, str> },
    DeviceCode { tenant: Cow<'a, str> },
    OpenIdConfiguration { tenant: Cow<'a, str> },
    Keys { tenant: Cow<'a, str> },
    InstanceDiscovery,
}

impl<'a> Endpoint<'a> {
    pub(super) fn parse(path: &'a str) -> Self {
        let rest = path.strip_prefix('/').unwrap_or(path);
        let (first, below) = rest.split_once('/').unwrap_or((rest, ""));
        match first {
            "v1.0" => {
                return Self::Graph {
                    version: "v1.0",
                    rest: below,
                };
            }
            "beta" => {
                return Self::Graph {
                    version: "beta",
                    rest: below,
                };
            }
            _ => {}
        }
        let tenant = decode(first);
        Self::Login(match below {
            "identity/oauth2/token" if first == "metadata" => return Self::ManagedIdentity,
            "discovery/instance" if first == "common" => LoginEndpoint::InstanceDiscovery,
            "oauth2/v2.0/token" => LoginEndpoint::Token { tenant },
            "oauth2/v2.0/devicecode" => LoginEndpoint::DeviceCode { tenant },
            "v2.0/.well-known/openid-configuration" => LoginEndpoint::OpenIdConfiguration { tenant },
            "discovery/v2.0/keys" => LoginEndpoint::Keys { tenant },
            _ => return Self::Unknown,
        })
    }
}

/// A resource of Graph.
#[derive(Debug)]
pub(super) enum Resource<'a> {
    Users,
    UserCount,
    UserDelta,
    User(UserKey<'a>, UserPart<'a>),
    Groups,
    GroupCount,
    Group(Cow<'a, str>, GroupPart<'a>),
    Applications,
    Application(ApplicationKey<'a>, ApplicationPart),
    Organization,
    Batch,
}

/// How a user is named.
#[derive(Debug)]
pub(super) enum UserKey<'a> {
    /// The signed-in user.
    Me,
    /// Object id or sign-in name.
    Key {
        /// Decoded once.
        key: Cow<'a, str>,
        /// It was sent with a raw `+`, which the photo service does not understand (P9).
        has_raw_plus: bool,
    },
}

#[derive(Debug)]
pub(super) enum UserPart<'a> {
    Itself,
    Photo(PhotoPart<'a>),
    Manager,
    DirectReports { count: bool },
}

/// `None` as the size is the largest one.
#[derive(Debug)]
pub(super) enum PhotoPart<'a> {
    Metadata(Option<Cow<'a, str>>),
    Value(Option<Cow<'a, str>>),
    Sizes,
}

#[derive(Debug)]
pub(super) enum GroupPart<'a> {
    Itself,
    Members {
        transitive: bool,
        cast: Option<MemberType>,
        count: bool,
    },
    Photo(PhotoPart<'a>),
}

/// What members are cast to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MemberType {
    User,
    Group,
}

/// How an enterprise application is named.
#[derive(Debug)]
pub(super) enum ApplicationKey<'a> {
    /// Object id of the service principal.
    Id(Cow<'a, str>),
    /// `appId='…'`.
    AppId(Cow<'a, str>),
}

#[derive(Debug)]
pub(super) enum ApplicationPart {
    Itself,
    AssignedTo,
}

impl<'a> Resource<'a> {
    /// Reads a path below `/v1.0`, percent-encoding intact.
    pub(super) fn parse(rest: &'a str) -> Result<Self, Failure> {
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let mut raw = rest.split('/');
        let head = decode(raw.next().unwrap_or_default());
        let (collection, key) = match split_key(&head) {
            Some((collection, key)) => (collection, Some(key)),
            None => (head.as_ref(), None),
        };
        match collection {
            "users" => {
                let (key, has_raw_plus) = match key {
                    Some(key) => (Cow::Owned(unquote(key)?), head_has_plus(rest)),
                    None => match raw.next() {
                        None => return Ok(Self::Users),
                        Some(segment) => {
                            let key = decode(segment);
                            match key.as_ref() {
                                "$count" => return end(&mut raw, Self::UserCount),
                                "delta" | "delta()" | "microsoft.graph.delta" | "microsoft.graph.delta()" => {
                                    return end(&mut raw, Self::UserDelta);
                                }
                                _ if key.starts_with('$') => return Err(invalid_segment(&key, "users")),
                                _ => (key, segment.contains('+')),
                            }
                        }
                    },
                };
                let part = user_part(&mut raw)?;
                Ok(Self::User(UserKey::Key { key, has_raw_plus }, part))
            }
            "me" if key.is_none() => Ok(Self::User(UserKey::Me, user_part(&mut raw)?)),
            "groups" => {
                let key = match key {
                    Some(key) => Cow::Owned(unquote(key)?),
                    None => match raw.next() {
                        None => return Ok(Self::Groups),
                        Some("$count" | "%24count") => return end(&mut raw, Self::GroupCount),
                        Some(segment) => decode(segment),
                    },
                };
                Ok(Self::Group(key, group_part(&mut raw)?))
            }
            "servicePrincipals" => {
                let key = match key {
                    Some(key) => match key.strip_prefix("appId=") {
                        Some(app_id) => ApplicationKey::AppId(unquote(app_id)?.into()),
                        None => ApplicationKey::Id(unquote(key)?.into()),
                    },
                    None => match raw.next() {
                        None => return Ok(Self::Applications),
                        Some(segment) => ApplicationKey::Id(decode(segment)),
                    },
                };
                let part = match raw.next() {
                    None => ApplicationPart::Itself,
                    Some("appRoleAssignedTo") => ApplicationPart::AssignedTo,
                    Some(segment) => return Err(unknown_segment(segment)),
                };
                end(&mut raw, Self::Application(key, part))
            }
            "organization" if key.is_none() => end(&mut raw, Self::Organization),
            "$batch" if key.is_none() => end(&mut raw, Self::Batch),
            _ => Err(unknown_segment(&head)),
        }
    }

    /// The path with keys replaced, for request counts.
    pub(super) fn route(&self) -> String {
        let photo = |part: &PhotoPart<'_>| match part {
            PhotoPart::Metadata(None) => "/photo",
            PhotoPart::Metadata(Some(_)) => "/photos/{size}",
            PhotoPart::Value(None) => "/photo/$value",
            PhotoPart::Value(Some(_)) => "/photos/{size}/$value",
            PhotoPart::Sizes => "/photos",
        };
        match self {
            Self::Users => "/users".to_owned(),
            Self::UserCount => "/users/$count".to_owned(),
            Self::UserDelta => "/users/delta".to_owned(),
            Self::User(key, part) => {
                let user = match key {
                    UserKey::Me => "/me",
                    UserKey::Key { .. } => "/users/{id}",
                };
                let part = match part {
                    UserPart::Itself => "",
                    UserPart::Photo(part) => photo(part),
                    UserPart::Manager => "/manager",
                    UserPart::DirectReports { count: false } => "/directReports",
                    UserPart::DirectReports { count: true } => "/directReports/$count",
                };
                format!("{user}{part}")
            }
            Self::Groups => "/groups".to_owned(),
            Self::GroupCount => "/groups/$count".to_owned(),
            Self::Group(_, part) => match part {
                GroupPart::Itself => "/groups/{id}".to_owned(),
                GroupPart::Photo(part) => format!("/groups/{{id}}{}", photo(part)),
                GroupPart::Members {
                    transitive,
                    cast,
                    count,
                } => {
                    let members = if *transitive {
                        "transitiveMembers"
                    } else {
                        "members"
                    };
                    let cast = match cast {
                        None => "",
                        Some(MemberType::User) => "/microsoft.graph.user",
                        Some(MemberType::Group) => "/microsoft.graph.group",
                    };
                    let count = if *count { "/$count" } else { "" };
                    format!("/groups/{{id}}/{members}{cast}{count}")
                }
            },
            Self::Applications => "/servicePrincipals".to_owned(),
            Self::Application(_, ApplicationPart::Itself) => "/servicePrincipals/{id}".to_owned(),
            Self::Application(_, ApplicationPart::AssignedTo) => {
                "/servicePrincipals/{id}/appRoleAssignedTo".to_owned()
            }
            Self::Organization => "/organization".to_owned(),
            Self::Batch => "/$batch".to_owned(),
        }
    }
}

type Segments<'a> = std::str::Split<'a, char>;

fn user_part<'a>(raw: &mut Segments<'a>) -> Result<UserPart<'a>, Failure> {
    let part = match raw.next() {
        None => return Ok(UserPart::Itself),
        Some("manager") => UserPart::Manager,
        Some("directReports") => match raw.next() {
            None => UserPart::DirectReports { count: false },
            Some("$count" | "%24count") => UserPart::DirectReports { count: true },
            Some(segment) => return Err(unknown_segment(segment)),
        },
        Some(segment) => UserPart::Photo(photo_part(segment, raw)?),
    };
    end(raw, part)
}

fn photo_part<'a>(segment: &'a str, raw: &mut Segments<'a>) -> Result<PhotoPart<'a>, Failure> {
    let head = decode(segment);
    let mut size = match (head.as_ref(), split_key(&head)) {
        ("photo" | "photos", _) => None,
        (_, Some(("photos", key))) => Some(Cow::Owned(unquote(key)?)),
        _ => return Err(unknown_segment(segment)),
    };
    let mut next = raw.next();
    if let Some(segment) = next
        && size.is_none()
        && !matches!(segment, "$value" | "%24value")
    {
        size = Some(decode(segment));
        next = raw.next();
    }
    let is_default = |size: &Cow<'_, str>| size.eq_ignore_ascii_case("default");
    let part = match next {
        None if head == "photos" && size.is_none() => PhotoPart::Sizes,
        None => PhotoPart::Metadata(size.filter(|size| !is_default(size))),
        Some("$value" | "%24value") => PhotoPart::Value(size.filter(|size| !is_default(size))),
        Some(segment) => return Err(unknown_segment(segment)),
    };
    end(raw, part)
}

fn group_part<'a>(raw: &mut Segments<'a>) -> Result<GroupPart<'a>, Failure> {
    let transitive = match raw.next() {
        None => return Ok(GroupPart::Itself),
        Some("members") => false,
        Some("transitiveMembers") => true,
        Some(segment) => {
            let part = GroupPart::Photo(photo_part(segment, raw)?);
            return end(raw, part);
        }
    };
    let mut next = raw.next();
    let cast = match next {
        Some("microsoft.graph.user") => Some(MemberType::User),
        Some("microsoft.graph.group") => Some(MemberType::Group),
        _ => None,
    };
    if cast.is_some() {
        next = raw.next();
    }
    let count = match next {
        None => false,
        Some("$count" | "%24count") => true,
        Some(segment) => return Err(unknown_segment(segment)),
    };
    let part = GroupPart::Members {
        transitive,
        cast,
        count,
    };
    end(raw, part)
}

fn end<T>(raw: &mut Segments<'_>, resource: T) -> Result<T, Failure> {
    match raw.next() {
        None => Ok(resource),
        Some(segment) => Err(unknown_segment(segment)),
    }
}

fn decode(segment: &str) -> Cow<'_, str> {
    percent_decode_str(segment).decode_utf8_lossy()
}

/// `users('key')` as (`users`, `'key'`).
fn split_key(segment: &str) -> Option<(&str, &str)> {
    segment.strip_suffix(')')?.split_once('(')
}

/// A string literal without its quotes; inner ones are doubled.
fn unquote(literal: &str) -> Result<String, Failure> {
    literal
        .strip_prefix('\'')
        .and_then(|literal| literal.strip_suffix('\''))
        .filter(|inner| !inner.replace("''", "").contains('\''))
        .map(|inner| inner.replace("''", "'"))
        .ok_or_else(|| Failure::bad_request("Bad Request - Error in query syntax."))
}

fn head_has_plus(rest: &str) -> bool {
    rest.split('/').next().is_some_and(|head| head.contains('+'))
}

fn unknown_segment(segment: &str) -> Failure {
    let segment = decode(segment);
    Failure::bad_request(format!("Resource not found for the segment '{segment}'."))
}

fn invalid_segment(segment: &str, collection: &str) -> Failure {
    Failure::bad_request(format!(
        "The request URI is not valid. The segment '{segment}' after the collection '{collection}' is not valid."
    ))
}
