//! A user as JSON: its properties, and which of them a request sees (`entra.md` 2.1, 2.3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::answer::Failure;
use super::filter::{Class, Value};
use crate::sandbox::world::directory::{Directory, DirectoryUser, Mailbox, UserField};

macro_rules! properties {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $class:expr;)*) => {
        /// A property of a user.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Property {
            $($(#[$doc])* $name,)*
        }

        impl Property {
            /// The name on the wire.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// Finds a property by name, whatever its case.
            pub(super) fn find(name: &str) -> Option<Self> {
                $(if name.eq_ignore_ascii_case($text) {
                    return Some(Self::$name);
                })*
                None
            }

            /// What `$filter` can do with it.
            pub(super) fn class(self) -> Class {
                match self {
                    $(Self::$name => $class,)*
                }
            }
        }
    };
}

const TEXT: Class = Class::Text { is_address: false };
const ADDRESS: Class = Class::Text { is_address: true };

properties! {
    Id = "id", Class::Exact;
    BusinessPhones = "businessPhones", Class::Texts;
    DisplayName = "displayName", TEXT;
    GivenName = "givenName", TEXT;
    JobTitle = "jobTitle", TEXT;
    Mail = "mail", ADDRESS;
    MobilePhone = "mobilePhone", Class::LimitedText;
    OfficeLocation = "officeLocation", Class::LimitedText;
    PreferredLanguage = "preferredLanguage", TEXT;
    Surname = "surname", Class::LimitedText;
    UserPrincipalName = "userPrincipalName", ADDRESS;
    AccountEnabled = "accountEnabled", Class::Exact;
    UserType = "userType", Class::Exact;
    Department = "department", TEXT;
    EmployeeId = "employeeId", TEXT;
    EmployeeType = "employeeType", TEXT;
    CompanyName = "companyName", TEXT;
    MailNickname = "mailNickname", TEXT;
    ProxyAddresses = "proxyAddresses", Class::Texts;
    OtherMails = "otherMails", Class::Texts;
    CreatedDateTime = "createdDateTime", Class::Time;
    DeletedDateTime = "deletedDateTime", Class::Unfilterable;
    ExternalUserState = "externalUserState", Class::Exact;
    OnPremisesSamAccountName = "onPremisesSamAccountName", TEXT;
    OnPremisesImmutableId = "onPremisesImmutableId", Class::Exact;
    OnPremisesSyncEnabled = "onPremisesSyncEnabled", Class::Exact;
    OnPremisesDomainName = "onPremisesDomainName", Class::Unfilterable;
    OnPremisesUserPrincipalName = "onPremisesUserPrincipalName", Class::Unfilterable;
    OnPremisesDistinguishedName = "onPremisesDistinguishedName", Class::Unfilterable;
    City = "city", TEXT;
    State = "state", TEXT;
    Country = "country", TEXT;
    StreetAddress = "streetAddress", TEXT;
    PostalCode = "postalCode", TEXT;
    UsageLocation = "usageLocation", TEXT;
    FaxNumber = "faxNumber", TEXT;
    ImAddresses = "imAddresses", Class::Texts;
    AgeGroup = "ageGroup", Class::Exact;
    CreationType = "creationType", Class::Exact;
    EmployeeHireDate = "employeeHireDate", Class::Time;
    SecurityIdentifier = "securityIdentifier", Class::Unfilterable;
    ShowInAddressList = "showInAddressList", Class::Unfilterable;
}

/// What a request without `$select` gets.
pub(super) const DEFAULT_PROPERTIES: &[Property] = &[
    Property::BusinessPhones,
    Property::DisplayName,
    Property::GivenName,
    Property::JobTitle,
    Property::Mail,
    Property::MobilePhone,
    Property::OfficeLocation,
    Property::PreferredLanguage,
    Property::Surname,
    Property::UserPrincipalName,
    Property::Id,
];

/// Properties that exist only on a single user, not in a collection (501).
const SINGLE_ONLY: &[&str] = &[
    "aboutMe",
    "birthday",
    "hireDate",
    "interests",
    "mailboxSettings",
    "mySite",
    "pastProjects",
    "preferredName",
    "responsibilities",
    "schools",
    "skills",
];

/// Navigation properties: silently left out of the objects when selected.
const NAVIGATION: &[&str] = &[
    "photo",
    "photos",
    "manager",
    "directReports",
    "memberOf",
    "transitiveMemberOf",
    "assignedLicenses",
    "assignedPlans",
    "licenseDetails",
    "registeredDevices",
];

impl Property {
    /// `User.ReadBasic.All` is enough to see it.
    pub(super) fn is_basic(self) -> bool {
        matches!(
            self,
            Self::Id
                | Self::DisplayName
                | Self::GivenName
                | Self::Surname
                | Self::Mail
                | Self::UserPrincipalName
        )
    }

    /// True if a change to the field may change this property.
    pub(super) fn follows(self, field: UserField) -> bool {
        match field {
            UserField::DisplayName => {
                matches!(self, Self::DisplayName | Self::GivenName | Self::Surname)
            }
            UserField::Principal => matches!(
                self,
                Self::UserPrincipalName
                    | Self::MailNickname
                    | Self::ProxyAddresses
                    | Self::OnPremisesSamAccountName
                    | Self::OnPremisesUserPrincipalName
            ),
            UserField::Mail => matches!(self, Self::Mail | Self::ProxyAddresses | Self::OtherMails),
            UserField::Enabled => self == Self::AccountEnabled,
            UserField::JobTitle => self == Self::JobTitle,
            UserField::Department => self == Self::Department,
            UserField::EmployeeId => self == Self::EmployeeId,
            UserField::Manager => false,
        }
    }

    /// The value that a user has.
    pub(super) fn value(self, user: &DirectoryUser) -> Value<'_> {
        let is_synced = user.mailbox == Mailbox::OnPremises;
        let only_synced = |value: Value<'static>| if is_synced { value } else { Value::Null };
        match self {
            Self::Id => Value::text(user.id.to_string()),
            Self::DisplayName => Value::text(&*user.display_name),
            Self::GivenName => Value::optional(names_of(user).map(|(given, _)| given)),
            Self::Surname => Value::optional(names_of(user).map(|(_, surname)| surname)),
            Self::JobTitle => Value::optional(user.job_title.as_deref()),
            Self::Mail => Value::optional(user.mail.as_deref()),
            Self::UserPrincipalName => Value::text(&*user.principal),
            Self::AccountEnabled => Value::Bool(user.enabled),
            Self::UserType => Value::text(if user.guest { "Guest" } else { "Member" }),
            Self::Department => Value::optional(user.department.as_deref()),
            Self::EmployeeId => Value::optional(user.employee_id.as_deref()),
            Self::MailNickname => Value::text(nickname_of(user)),
            Self::ProxyAddresses => Value::Texts(user.proxy_addresses().collect()),
            Self::OtherMails => {
                let mail = user.mail.iter().filter(|_| user.guest);
                Value::Texts(mail.map(ToString::to_string).collect())
            }
            Self::CreatedDateTime => Value::Time(user.created()),
            Self::ExternalUserState if user.guest => Value::text("Accepted"),
            Self::CreationType if user.guest => Value::text("Invitation"),
            Self::OnPremisesSyncEnabled => only_synced(Value::Bool(true)),
            Self::OnPremisesSamAccountName => only_synced(Value::text(nickname_of(user).to_owned())),
            Self::OnPremisesUserPrincipalName => only_synced(Value::text(user.principal.to_string())),
            Self::OnPremisesImmutableId => only_synced(Value::text(STANDARD.encode(user.id.as_bytes()))),
            Self::OnPremisesDomainName => {
                let domain = user.principal.rsplit('@').next().unwrap_or_default();
                only_synced(Value::text(domain.to_owned()))
            }
            Self::BusinessPhones | Self::ImAddresses => Value::Texts(Vec::new()),
            Self::MobilePhone
            | Self::OfficeLocation
            | Self::PreferredLanguage
            | Self::EmployeeType
            | Self::CompanyName
            | Self::DeletedDateTime
            | Self::ExternalUserState
            | Self::CreationType
            | Self::OnPremisesDistinguishedName
            | Self::City
            | Self::State
            | Self::Country
            | Self::StreetAddress
            | Self::PostalCode
            | Self::UsageLocation
            | Self::FaxNumber
            | Self::AgeGroup
            | Self::EmployeeHireDate
            | Self::SecurityIdentifier
            | Self::ShowInAddressList => Value::Null,
        }
    }
}

/// Given name and surname, where the display name is made of words that can be taken for them.
fn names_of(user: &DirectoryUser) -> Option<(&str, &str)> {
    let (given, surname) = user.display_name.trim().split_once(' ')?;
    Some((given, surname.trim_start())).filter(|(_, surname)| !surname.is_empty())
}

fn nickname_of(user: &DirectoryUser) -> &str {
    user.principal
        .rsplit_once('@')
        .map_or(&*user.principal, |(local, _)| local)
}

/// Where users are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Alone,
    InCollection,
}

/// The properties that a `$select` names; empty is the default selection.
pub(super) fn selection(select: &[String], shown: Shown) -> Result<Vec<Property>, Failure> {
    if select.is_empty() {
        return Ok(DEFAULT_PROPERTIES.to_vec());
    }
    let mut properties = Vec::with_capacity(select.len());
    for name in select {
        if name == "*" {
            properties.extend(DEFAULT_PROPERTIES);
        } else if let Some(property) = Property::find(name) {
            properties.push(property);
        } else if SINGLE_ONLY.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            if shown == Shown::InCollection {
                return Err(Failure::new(
                    501,
                    "NotImplemented",
                    "This operation target is not yet supported.",
                ));
            }
        } else if !NAVIGATION.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(Failure::bad_request(format!(
                "Parsing OData Select and Expand failed: Could not find a property named '{name}' on type \
                 'microsoft.graph.user'."
            )));
        }
    }
    // A selection of nothing but navigation properties still has the key (E28).
    if !properties.contains(&Property::Id) && properties.is_empty() {
        properties.push(Property::Id);
    }
    Ok(properties)
}

/// `manager` in an `$expand`.
#[derive(Clone, Debug)]
pub(super) struct ExpandedManager {
    pub(super) select: Vec<Property>,
    /// How far up.
    pub(super) levels: usize,
}

/// A user as JSON.
#[derive(Clone, Copy)]
pub(super) struct UserView<'a> {
    pub(super) user: &'a DirectoryUser,
    pub(super) selection: &'a [Property],
    /// Only basic properties have values.
    pub(super) is_limited: bool,
    /// `@odata.context`, for a user alone.
    pub(super) context: Option<&'a str>,
    /// `@odata.type` is told.
    pub(super) is_typed: bool,
    /// Expansions, with the directory to look into.
    pub(super) expand: Option<(&'a Directory, &'a Expansions)>,
}

/// What a request expands.
#[derive(Clone, Debug, Default)]
pub(super) struct Expansions {
    pub(super) manager: Option<ExpandedManager>,
    pub(super) direct_reports: Option<Vec<Property>>,
}

/// Objects that an expansion shows at most.
const MOST_EXPANDED: usize = 20;

impl Serialize for UserView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(context) = self.context {
            map.serialize_entry("@odata.context", context)?;
        }
        if self.is_typed {
            map.serialize_entry("@odata.type", "#microsoft.graph.user")?;
        }
        for property in self.selection {
            if *property == Property::Id {
                // By far the most frequent one, and the only one that needs no allocation to be written.
                let mut buffer = Uuid::encode_buffer();
                map.serialize_entry("id", &*self.user.id.hyphenated().encode_lower(&mut buffer))?;
            } else if self.is_limited && !property.is_basic() {
                map.serialize_entry(property.name(), &())?;
            } else {
                map.serialize_entry(property.name(), &property.value(self.user))?;
            }
        }
        if let Some((directory, expansions)) = self.expand {
            if let Some(expanded) = &expansions.manager
                && let Some(manager) = manager_of(directory, self.user)
            {
                let view = ManagerView {
                    directory,
                    user: manager,
                    expanded,
                    above: expanded.levels.saturating_sub(1),
                };
                map.serialize_entry("manager", &view)?;
            }
            if let Some(selection) = &expansions.direct_reports {
                let reports: Vec<UserView<'_>> = directory
                    .reports_of(self.user.id)
                    .take(MOST_EXPANDED)
                    .map(|(_, user)| UserView {
                        user,
                        selection,
                        is_limited: false,
                        context: None,
                        is_typed: true,
                        expand: None,
                    })
                    .collect();
                map.serialize_entry("directReports", &reports)?;
            }
        }
        map.end()
    }
}

/// A user's manager, if set and still there.
pub(super) fn manager_of<'a>(directory: &'a Directory, user: &DirectoryUser) -> Option<&'a DirectoryUser> {
    directory.at(directory.sequence_of_id(user.manager?)?)
}

/// A manager with those above.
struct ManagerView<'a> {
    directory: &'a Directory,
    user: &'a DirectoryUser,
    expanded: &'a ExpandedManager,
    above: usize,
}

impl Serialize for ManagerView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("@odata.type", "#microsoft.graph.user")?;
        for property in &self.expanded.select {
            map.serialize_entry(property.name(), &property.value(self.user))?;
        }
        if self.above > 0
            && let Some(manager) = manager_of(self.directory, self.user)
        {
            let view = ManagerView {
                user: manager,
                above: self.above - 1,
                ..*self
            };
            map.serialize_entry("manager", &view)?;
        }
        map.end()
    }
}
