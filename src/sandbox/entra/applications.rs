//! Enterprise applications, who is assigned to them, and the organization (`entra.md` 4).

use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::Call;
use super::answer::{Failure, directory_json, to_json};
use super::filter::{Class, Value, parse};
use super::path::ApplicationKey;
use super::permissions;
use super::query::{Options, read_token};
use super::users::{Collection, From};
use crate::sandbox::exchange::Response;
use crate::sandbox::world::directory::{Directory, EnterpriseApplication, RoleAssignment};

const PROPERTIES: &[(&str, Class)] = &[
    ("id", Class::Exact),
    ("accountEnabled", Class::Exact),
    ("appDisplayName", Class::Text { is_address: false }),
    ("appId", Class::Exact),
    ("appRoleAssignmentRequired", Class::Unfilterable),
    ("appRoles", Class::Unfilterable),
    ("displayName", Class::Text { is_address: false }),
    ("servicePrincipalType", Class::Exact),
];

/// When every assignment was made: which one it was matters to nobody.
const ASSIGNED: Timestamp = Timestamp::constant(1_577_836_800, 0);

fn find_property(name: &str) -> Option<&'static str> {
    PROPERTIES
        .iter()
        .map(|(known, _)| *known)
        .find(|known| known.eq_ignore_ascii_case(name))
}

fn class_of(property: &'static str) -> Class {
    PROPERTIES
        .iter()
        .find(|(name, _)| *name == property)
        .map_or(Class::Unfilterable, |(_, class)| *class)
}

fn value<'a>(application: &'a EnterpriseApplication, property: &str) -> Value<'a> {
    match property {
        "id" => Value::text(application.id.to_string()),
        "accountEnabled" => Value::Bool(true),
        "appId" => Value::text(application.app_id.to_string()),
        "displayName" | "appDisplayName" => Value::text(&*application.name),
        "servicePrincipalType" => Value::text("Application"),
        "appRoleAssignmentRequired" => Value::Bool(!application.assignments.is_empty()),
        _ => Value::Null,
    }
}

fn application_json(application: &EnterpriseApplication, select: &[&'static str]) -> Map<String, Json> {
    let roles = || {
        application
            .roles
            .iter()
            .map(|role| {
                json!({
                    "allowedMemberTypes": ["Application"],
                    "description": role.name,
                    "displayName": role.name,
                    "id": role.id.to_string(),
                    "isEnabled": true,
                    "origin": "Application",
                    "value": role.value,
                })
            })
            .collect::<Vec<_>>()
    };
    select
        .iter()
        .map(|property| {
            let value = match *property {
                "appRoles" => json!(roles()),
                property => json!(value(application, property)),
            };
            ((*property).to_owned(), value)
        })
        .collect()
}

fn selected(select: &[String]) -> Result<Vec<&'static str>, Failure> {
    if select.is_empty() {
        return Ok(PROPERTIES.iter().map(|(name, _)| *name).collect());
    }
    select
        .iter()
        .map(|name| {
            find_property(name).ok_or_else(|| {
                Failure::bad_request(format!(
                    "Parsing OData Select and Expand failed: Could not find a property named '{name}' on type \
                     'microsoft.graph.servicePrincipal'."
                ))
            })
        })
        .collect()
}

impl Call<'_> {
    /// `GET /servicePrincipals`.
    pub(super) fn list_applications(&self) -> Result<Response, Failure> {
        permissions::APPLICATIONS.check(self.grant, None)?;
        let options = Options::parse(self.request)?;
        let select = selected(&options.select)?;
        let filter = options
            .filter
            .as_deref()
            .map(|filter| parse(filter, find_property))
            .transpose()?;
        if let Some(filter) = &filter {
            filter.check(&class_of, options.is_advanced())?;
        }
        let from = options
            .skip_token
            .as_deref()
            .map(read_token::<From>)
            .transpose()?;
        let first = from.map_or(0, |from| from.from as usize);
        let size = self.page_size(&options);
        let directory = self.service.world.directory.read();
        let applications: Vec<&EnterpriseApplication> = directory
            .applications
            .values()
            .filter(|application| {
                let value_of = |property: &'static str| value(application, property);
                filter.as_ref().is_none_or(|filter| filter.matches(&value_of))
            })
            .collect();
        let page: Vec<Map<String, Json>> = applications
            .iter()
            .skip(first)
            .take(size)
            .map(|application| application_json(application, &select))
            .collect();
        let context = self.collection_context("servicePrincipals", &options.select);
        let body = to_json(&Collection {
            next_link: self.next_page(first + size, applications.len()),
            ..Collection::new(&context, &page)
        });
        Ok(directory_json(body, self.units()))
    }

    /// `GET /servicePrincipals/{id}`.
    pub(super) fn get_application(&self, key: &ApplicationKey<'_>) -> Result<Response, Failure> {
        permissions::APPLICATIONS.check(self.grant, None)?;
        let options = Options::parse(self.request)?;
        let select = selected(&options.select)?;
        let directory = self.service.world.directory.read();
        let application = find_application(&directory, key)?;
        let context = format!(
            "{}/$entity",
            self.collection_context("servicePrincipals", &options.select)
        );
        let mut body = Map::from_iter([("@odata.context".to_owned(), json!(context))]);
        body.extend(application_json(application, &select));
        Ok(directory_json(to_json(&body), self.units()))
    }

    /// `GET /servicePrincipals/{id}/appRoleAssignedTo` (E49).
    pub(super) fn list_assignments(&self, key: &ApplicationKey<'_>) -> Result<Response, Failure> {
        permissions::APPLICATIONS.check(self.grant, None)?;
        let options = Options::parse(self.request)?;
        let from = options
            .skip_token
            .as_deref()
            .map(read_token::<From>)
            .transpose()?;
        let first = from.map_or(0, |from| from.from as usize);
        let size = self.page_size(&options);
        let directory = self.service.world.directory.read();
        let application = find_application(&directory, key)?;
        let assignments = &application.assignments;
        let page: Vec<Json> = assignments
            .iter()
            .skip(first)
            .take(size)
            .map(|assignment| assignment_json(&directory, application, assignment))
            .collect();
        let context = self.context("appRoleAssignments");
        let body = to_json(&Collection {
            next_link: self.next_page(first + size, assignments.len()),
            ..Collection::new(&context, &page)
        });
        Ok(directory_json(body, self.units()))
    }

    /// `GET /organization`.
    pub(super) fn get_organization(&self) -> Result<Response, Failure> {
        permissions::ORGANIZATION.check(self.grant, None)?;
        Options::parse(self.request)?;
        let directory = self.service.world.directory.read();
        let domains: Vec<Json> = directory
            .domains()
            .enumerate()
            .map(|(place, name)| {
                json!({
                    "capabilities": "Email, OfficeCommunicationsOnline",
                    "isDefault": place == 0,
                    "isInitial": place == 0,
                    "name": name,
                    "type": "Managed",
                })
            })
            .collect();
        let name = directory
            .domains()
            .next()
            .and_then(|domain| domain.split('.').next())
            .map_or_else(|| "Sandbox".to_owned(), capitalised);
        let organization = json!({
            "id": self.service.world.credentials.tenant_id,
            "displayName": name,
            "tenantType": "AAD",
            "countryLetterCode": "NL",
            "verifiedDomains": domains,
        });
        let context = self.context("organization");
        let body = to_json(&Collection::new(&context, &[organization]));
        Ok(directory_json(body, self.units()))
    }
}

fn find_application<'d>(
    directory: &'d Directory,
    key: &ApplicationKey<'_>,
) -> Result<&'d EnterpriseApplication, Failure> {
    let (ApplicationKey::Id(text) | ApplicationKey::AppId(text)) = key;
    let id = Uuid::try_parse(text).map_err(|_| {
        Failure::new(
            400,
            "Request_BadRequest",
            format!("Invalid object identifier '{text}'."),
        )
    })?;
    let found = match key {
        ApplicationKey::Id(_) => directory.applications.get(&id),
        ApplicationKey::AppId(_) => directory
            .applications
            .values()
            .find(|application| application.app_id == id),
    };
    found.ok_or_else(|| Failure::not_found(text))
}

fn assignment_json(
    directory: &Directory,
    application: &EnterpriseApplication,
    assignment: &RoleAssignment,
) -> Json {
    let user = directory
        .sequence_of_id(assignment.principal)
        .and_then(|sequence| directory.at(sequence));
    let (kind, name) = if let Some(user) = user {
        ("User", Some(&user.display_name))
    } else if let Some(group) = directory.groups.get(&assignment.principal) {
        ("Group", Some(&group.name))
    } else {
        let principal = directory.applications.get(&assignment.principal);
        ("ServicePrincipal", principal.map(|application| &application.name))
    };
    // The key of an assignment is made of its ends, as the service's own opaque ids are.
    let (principal, role) = (assignment.principal.as_u128(), assignment.role.as_u128());
    let id = Uuid::from_u128(principal ^ role.rotate_left(64) ^ application.id.as_u128());
    json!({
        "id": super::query::write_token(&id.to_string()),
        "deletedDateTime": null,
        "appRoleId": assignment.role.to_string(),
        "createdDateTime": ASSIGNED.to_string(),
        "principalDisplayName": name,
        "principalId": assignment.principal.to_string(),
        "principalType": kind,
        "resourceDisplayName": application.name,
        "resourceId": application.id.to_string(),
    })
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}
