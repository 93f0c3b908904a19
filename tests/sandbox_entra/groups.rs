//! Groups, assignments and the organization: `entra.md` 4.

use avatar_sync::sandbox::world::directory::{
    ApplicationRole, DirectoryGroup, EnterpriseApplication, RoleAssignment,
};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Answered, CLIENT, TENANT, Tenant, id_of, people, person};

fn group(name: &str, users: &[&str], groups: &[&str]) -> DirectoryGroup {
    DirectoryGroup {
        id: id_of(name),
        name: name.into(),
        users: users.iter().map(|name| id_of(name)).collect(),
        groups: groups.iter().map(|name| id_of(name)).collect(),
    }
}

fn tenant_with_groups() -> Tenant {
    let tenant = Tenant::with([person("ada"), person("bob"), person("cyd")]);
    let mut directory = tenant.world.directory.write();
    for group in [
        group("Everyone", &["ada"], &["Engineers"]),
        // The nested group names the outer one: a circle.
        group("Engineers", &["bob", "ada"], &["Everyone", "Interns"]),
        group("Interns", &["cyd"], &[]),
    ] {
        directory.groups.insert(group.id, group);
    }
    drop(directory);
    tenant
}

fn members(tenant: &Tenant, url: &str) -> Vec<String> {
    let answer = tenant.get_eventual(&format!("/v1.0/groups/{}/{url}", id_of("Everyone")));
    let mut names = answer.column("displayName");
    names.sort();
    names
}

#[test]
fn groups_are_found_by_name() {
    let tenant = tenant_with_groups();
    assert_eq!(
        tenant
            .get("/v1.0/groups?$select=id,displayName&$top=999")
            .values()
            .len(),
        3
    );
    let found = tenant.get("/v1.0/groups?$filter=startswith(displayName,'int')");
    assert_eq!(found.column("displayName"), ["Interns"]);
    assert_eq!(found.values()[0]["securityEnabled"], true);
    let one = tenant.get(&format!("/v1.0/groups/{}?$select=displayName", id_of("Interns")));
    assert_eq!(one.json()["displayName"], "Interns");
    assert_eq!(tenant.get(&format!("/v1.0/groups/{}", id_of("ada"))).status, 404);
    assert_eq!(tenant.get("/v1.0/groups/everyone").status, 400);
    assert_eq!(tenant.get_eventual("/v1.0/groups/$count").body, "3");
}

#[test]
fn members_are_direct_ones_of_any_type() {
    let tenant = tenant_with_groups();
    let answer = tenant.get(&format!("/v1.0/groups/{}/members", id_of("Everyone")));
    let types = answer.column("@odata.type");
    assert_eq!(types, ["#microsoft.graph.user", "#microsoft.graph.group"]);
    assert_eq!(members(&tenant, "members"), ["Engineers", "ada"]);
    assert_eq!(answer.header("x-ms-resource-unit"), "3");
}

#[test]
fn transitive_members_are_flat_and_each_once() {
    let tenant = tenant_with_groups();
    assert_eq!(
        members(&tenant, "transitiveMembers"),
        ["Engineers", "Interns", "ada", "bob", "cyd"]
    );
    let users = "transitiveMembers/microsoft.graph.user?$select=id,displayName&$count=true";
    assert_eq!(members(&tenant, users), ["ada", "bob", "cyd"]);
    let url = format!("/v1.0/groups/{}/{users}", id_of("Everyone"));
    assert_eq!(tenant.get(&url).status, 400, "a cast is an advanced query");
    assert_eq!(tenant.get_eventual(&url).json()["@odata.count"], 3);
    let count = format!("/v1.0/groups/{}/transitiveMembers/$count", id_of("Everyone"));
    assert_eq!(tenant.get_eventual(&count).body, "5");
}

#[test]
fn members_come_in_pages() {
    let tenant = Tenant::with(people(25));
    let big = DirectoryGroup {
        id: id_of("Big"),
        name: "Big".into(),
        users: (0..25).map(|number| id_of(&format!("person{number}"))).collect(),
        groups: Vec::new(),
    };
    tenant.world.directory.write().groups.insert(big.id, big);
    let mut names = Vec::new();
    let mut next = Some(format!("/v1.0/groups/{}/members?$top=10", id_of("Big")));
    while let Some(url) = next {
        let page = tenant.get(&url);
        names.extend(page.column("displayName"));
        next = page.link("@odata.nextLink");
    }
    assert_eq!(names.len(), 25);
}

#[test]
fn groups_need_their_own_permission() {
    let mut tenant = tenant_with_groups();
    let url = format!("/v1.0/groups/{}/members", id_of("Everyone"));
    tenant.with_roles(&["User.Read.All"]);
    assert_eq!(
        tenant.get(&url).failure(),
        (403, "Authorization_RequestDenied".to_owned())
    );
    // Without a permission for users, members are ids.
    tenant.with_roles(&["GroupMember.Read.All"]);
    assert_eq!(
        tenant.get(&url).values()[0],
        json!({"@odata.type": "#microsoft.graph.user", "id": id_of("ada").to_string()})
    );
}

#[test]
fn a_group_without_a_photo_has_none() {
    let tenant = tenant_with_groups();
    let photo = format!("/v1.0/groups/{}/photo", id_of("Everyone"));
    assert_eq!(tenant.get(&photo).failure(), (404, "ImageNotFound".to_owned()));
    let mut tenant = tenant;
    tenant.with_roles(&["User.Read.All"]);
    assert_eq!(
        tenant.get(&photo).failure(),
        (403, "ErrorAccessDenied".to_owned())
    );
}

#[test]
fn e49_assignments_name_users_groups_and_default_access() {
    let tenant = tenant_with_groups();
    let role = id_of("msiam_access");
    tenant.world.directory.write().applications.insert(
        id_of("ServiceNow"),
        EnterpriseApplication {
            id: id_of("ServiceNow"),
            app_id: id_of("ServiceNow app"),
            name: "ServiceNow".into(),
            roles: vec![ApplicationRole {
                id: role,
                name: "msiam_access".into(),
                value: None,
            }],
            assignments: vec![
                RoleAssignment {
                    principal: id_of("ada"),
                    role,
                },
                RoleAssignment {
                    principal: id_of("Interns"),
                    role,
                },
                RoleAssignment {
                    principal: id_of("bob"),
                    role: Uuid::nil(),
                },
            ],
        },
    );
    let found = tenant.get("/v1.0/servicePrincipals?$filter=displayName%20eq%20'ServiceNow'");
    assert_eq!(found.column("id"), [id_of("ServiceNow").to_string()]);
    assert_eq!(found.values()[0]["appRoles"][0]["value"], json!(null));
    let by_app_id = format!("/v1.0/servicePrincipals(appId='{}')", id_of("ServiceNow app"));
    assert_eq!(tenant.get(&by_app_id).json()["displayName"], "ServiceNow");

    let answer = tenant.get(&format!(
        "/v1.0/servicePrincipals/{}/appRoleAssignedTo",
        id_of("ServiceNow")
    ));
    assert_eq!(answer.column("principalType"), ["User", "Group", "User"]);
    assert_eq!(answer.column("principalDisplayName"), ["ada", "Interns", "bob"]);
    assert_eq!(
        answer.column("appRoleId")[2],
        "00000000-0000-0000-0000-000000000000"
    );
    let mut keys: Vec<String> = answer.values()[0]
        .as_object()
        .expect("an object")
        .keys()
        .cloned()
        .collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            "appRoleId",
            "createdDateTime",
            "deletedDateTime",
            "id",
            "principalDisplayName",
            "principalId",
            "principalType",
            "resourceDisplayName",
            "resourceId"
        ]
    );
}

#[test]
fn the_tenant_knows_graph_with_its_roles_and_this_application() {
    let tenant = Tenant::with(people(1));
    let graph = tenant
        .get("/v1.0/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')")
        .json();
    let roles = graph["appRoles"].as_array().expect("roles").clone();
    let photo = roles
        .iter()
        .find(|role| role["value"] == "ProfilePhoto.Read.All")
        .expect("the role");
    assert_eq!(photo["id"], "e24d31aa-e1ab-4c80-85fe-23018690335d");
    let own = tenant.get(&format!("/v1.0/servicePrincipals(appId='{CLIENT}')"));
    assert_eq!(own.status, 200);
}

#[test]
fn the_organization_is_the_tenant_with_its_domains() {
    let tenant = Tenant::with([person("ada"), person("bob@contoso.example")]);
    let organization = tenant.get("/v1.0/organization").values()[0].clone();
    assert_eq!(organization["id"], TENANT);
    assert_eq!(organization["displayName"], "Northwind");
    let domains: Vec<_> = organization["verifiedDomains"]
        .as_array()
        .expect("domains")
        .iter()
        .map(|domain| domain["name"].clone())
        .collect();
    assert_eq!(domains, ["northwind.example", "contoso.example"]);
}
