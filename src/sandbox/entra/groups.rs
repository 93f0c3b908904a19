//! Groups and their members (`entra.md` 4).

use std::collections::HashSet;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::Call;
use super::answer::{Failure, directory_json, to_json};
use super::filter::{Class, Expression, Value, parse};
use super::path::MemberType;
use super::permissions;
use super::query::{Options, next_link, read_token, write_token};
use super::user::{Property, Shown, UserView, selection};
use super::users::{Collection, From};
use crate::sandbox::exchange::Response;
use crate::sandbox::world::directory::{Directory, DirectoryGroup};

/// Properties of a group, with what `$filter` can do with them.
const PROPERTIES: &[(&str, Class)] = &[
    ("id", Class::Exact),
    ("createdDateTime", Class::Unfilterable),
    ("description", Class::Unfilterable),
    ("displayName", Class::Text { is_address: false }),
    ("groupTypes", Class::Texts),
    ("mail", Class::Text { is_address: true }),
    ("mailEnabled", Class::Exact),
    ("mailNickname", Class::Text { is_address: false }),
    ("securityEnabled", Class::Exact),
    ("visibility", Class::Unfilterable),
];

fn value<'a>(group: &'a DirectoryGroup, property: &str) -> Value<'a> {
    match property {
        "id" => Value::text(group.id.to_string()),
        "displayName" => Value::text(&*group.name),
        "groupTypes" => Value::Texts(Vec::new()),
        "mailEnabled" => Value::Bool(false),
        "securityEnabled" => Value::Bool(true),
        "mailNickname" => Value::text(
            group
                .name
                .chars()
                .filter(|char| !char.is_whitespace())
                .collect::<String>(),
        ),
        _ => Value::Null,
    }
}

/// A group as JSON.
fn group_json(group: &DirectoryGroup, select: &[&'static str], is_typed: bool) -> Json {
    let mut object = Map::new();
    if is_typed {
        object.insert("@odata.type".to_owned(), json!("#microsoft.graph.group"));
    }
    for property in select {
        object.insert((*property).to_owned(), json!(value(group, property)));
    }
    Json::Object(object)
}

/// The properties that a `$select` names.
fn group_selection(select: &[String]) -> Result<Vec<&'static str>, Failure> {
    if select.is_empty() {
        return Ok(PROPERTIES.iter().map(|(name, _)| *name).collect());
    }
    select
        .iter()
        .map(|name| find_property(name).ok_or_else(|| unknown_property(name)))
        .collect()
}

fn find_property(name: &str) -> Option<&'static str> {
    PROPERTIES
        .iter()
        .map(|(known, _)| *known)
        .find(|known| known.eq_ignore_ascii_case(name))
}

fn unknown_property(name: &str) -> Failure {
    Failure::bad_request(format!(
        "Parsing OData Select and Expand failed: Could not find a property named '{name}' on type \
         'microsoft.graph.group'."
    ))
}

fn class_of(property: &'static str) -> Class {
    PROPERTIES
        .iter()
        .find(|(name, _)| *name == property)
        .map_or(Class::Unfilterable, |(_, class)| *class)
}

/// A member as JSON: a user or a group.
enum Member<'a> {
    User(UserView<'a>),
    Group(Json),
}

impl Serialize for Member<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::User(view) => view.serialize(serializer),
            Self::Group(group) => group.serialize(serializer),
        }
    }
}

impl Call<'_> {
    /// `GET /groups`.
    pub(super) fn list_groups(&self) -> Result<Response, Failure> {
        permissions::GROUPS.check(self.grant, None)?;
        let options = Options::parse(self.request)?;
        let select = group_selection(&options.select)?;
        let filter = GroupFilter::read(&options)?;
        let from = options
            .skip_token
            .as_deref()
            .map(read_token::<From>)
            .transpose()?;
        let first = from.as_ref().map_or(0, |from| from.from as usize);
        let size = self.page_size(&options);
        let directory = self.service.world.directory.read();
        let groups: Vec<&DirectoryGroup> = directory
            .groups
            .values()
            .filter(|group| filter.matches(group))
            .collect();
        let page: Vec<Json> = groups
            .iter()
            .skip(first)
            .take(size)
            .map(|group| group_json(group, &select, false))
            .collect();
        let context = self.collection_context("groups", &options.select);
        let is_counted = options.is_advanced() && from.is_none();
        let body = to_json(&Collection {
            count: is_counted.then_some(groups.len()),
            next_link: self.next_page(first + size, groups.len()),
            ..Collection::new(&context, &page)
        });
        Ok(directory_json(body, self.units()))
    }

    /// `GET /groups/$count`.
    pub(super) fn count_groups(&self) -> Result<Response, Failure> {
        permissions::GROUPS.check(self.grant, None)?;
        let filter = GroupFilter::read(&self.count_options()?)?;
        let directory = self.service.world.directory.read();
        let count = directory
            .groups
            .values()
            .filter(|group| filter.matches(group))
            .count();
        Ok(self.count_answer(count))
    }

    /// `GET /groups/{id}`.
    pub(super) fn get_group(&self, key: &str) -> Result<Response, Failure> {
        permissions::GROUPS.check(self.grant, None)?;
        let options = Options::parse(self.request)?;
        let select = group_selection(&options.select)?;
        let directory = self.service.world.directory.read();
        let group = find_group(&directory, key)?;
        let context = format!("{}/$entity", self.collection_context("groups", &options.select));
        let mut body = Map::from_iter([("@odata.context".to_owned(), json!(context))]);
        if let Json::Object(properties) = group_json(group, &select, false) {
            body.extend(properties);
        }
        Ok(directory_json(to_json(&body), self.units()))
    }

    /// `GET /groups/{id}/members` and `/transitiveMembers`, cast or not.
    pub(super) fn list_members(
        &self,
        key: &str,
        transitive: bool,
        cast: Option<MemberType>,
    ) -> Result<Response, Failure> {
        permissions::GROUPS.check(self.grant, None)?;
        let options = Options::parse(self.request)?;
        if cast.is_some() && !options.is_advanced() {
            return Err(Failure::new(
                400,
                "Request_UnsupportedQuery",
                "The specified cast needs 'ConsistencyLevel: eventual' and $count=true.",
            ));
        }
        let selected = selection(&known_to(&options.select, Property::find), Shown::InCollection)?;
        let group_selected = group_selection(&known_to(&options.select, find_property))?;
        let directory = self.service.world.directory.read();
        let group = find_group(&directory, key)?;
        let members = members_of(&directory, group, transitive, cast);
        let from = options
            .skip_token
            .as_deref()
            .map(read_token::<From>)
            .transpose()?;
        let first = from.as_ref().map_or(0, |from| from.from as usize);
        let size = self.page_size(&options);
        let is_limited = self.is_limited(None) && permissions::USERS.check(self.grant, None).is_ok();
        let has_no_user_permission = permissions::USERS.check(self.grant, None).is_err();
        let only_id = [Property::Id];
        let page: Vec<Member<'_>> = members
            .iter()
            .skip(first)
            .take(size)
            .filter_map(|id| {
                let user = directory
                    .sequence_of_id(*id)
                    .and_then(|sequence| directory.at(sequence));
                if let Some(user) = user {
                    // Without permission for users, members are ids and nothing else.
                    let selection: &[Property] = if has_no_user_permission {
                        &only_id
                    } else {
                        &selected
                    };
                    return Some(Member::User(UserView {
                        user,
                        selection,
                        is_limited,
                        context: None,
                        is_typed: cast.is_none(),
                        expand: None,
                    }));
                }
                let group = directory.groups.get(id)?;
                Some(Member::Group(group_json(group, &group_selected, cast.is_none())))
            })
            .collect();
        let kind = match cast {
            None => "directoryObjects",
            Some(MemberType::User) => "users",
            Some(MemberType::Group) => "groups",
        };
        let context = self.collection_context(kind, &options.select);
        let is_counted = options.is_advanced() && from.is_none();
        let body = to_json(&Collection {
            count: is_counted.then_some(members.len()),
            next_link: self.next_page(first + size, members.len()),
            ..Collection::new(&context, &page)
        });
        Ok(directory_json(body, self.units()))
    }

    /// `GET /groups/{id}/members/$count` and the like.
    pub(super) fn count_members(
        &self,
        key: &str,
        transitive: bool,
        cast: Option<MemberType>,
    ) -> Result<Response, Failure> {
        permissions::GROUPS.check(self.grant, None)?;
        self.count_options()?;
        let directory = self.service.world.directory.read();
        let group = find_group(&directory, key)?;
        Ok(self.count_answer(members_of(&directory, group, transitive, cast).len()))
    }

    /// The link to the page that begins at a place, if there is something.
    pub(super) fn next_page(&self, place: usize, total: usize) -> Option<String> {
        let from = u32::try_from(place).ok().filter(|_| place < total)?;
        Some(next_link(self.request, &write_token(&From { from })))
    }

    pub(super) fn collection_context(&self, collection: &str, select: &[String]) -> String {
        if select.is_empty() {
            self.context(collection)
        } else {
            self.context(&format!("{collection}({})", select.join(",")))
        }
    }
}

/// A group by object id.
pub(super) fn find_group<'d>(directory: &'d Directory, key: &str) -> Result<&'d DirectoryGroup, Failure> {
    let id = Uuid::try_parse(key).map_err(|_| {
        Failure::new(
            400,
            "Request_BadRequest",
            format!("Invalid object identifier '{key}'."),
        )
    })?;
    directory.groups.get(&id).ok_or_else(|| Failure::not_found(key))
}

/// The selected names that one of the member types has; the others are the other type's.
fn known_to<T>(select: &[String], find: impl Fn(&str) -> Option<T>) -> Vec<String> {
    let known: Vec<String> = select
        .iter()
        .filter(|name| find(name).is_some())
        .cloned()
        .collect();
    if known.is_empty() && !select.is_empty() {
        vec!["id".to_owned()]
    } else {
        known
    }
}

/// Object ids of the members that are still there, each once.
fn members_of(
    directory: &Directory,
    group: &DirectoryGroup,
    transitive: bool,
    cast: Option<MemberType>,
) -> Vec<Uuid> {
    let mut members = Vec::new();
    let mut seen = HashSet::from([group.id]);
    let mut groups = vec![group];
    while let Some(group) = groups.pop() {
        for id in group.users.iter().filter(|_| cast != Some(MemberType::Group)) {
            if directory.sequence_of_id(*id).is_some() && seen.insert(*id) {
                members.push(*id);
            }
        }
        for nested in group.groups.iter().filter_map(|id| directory.groups.get(id)) {
            if seen.insert(nested.id) {
                if cast != Some(MemberType::User) {
                    members.push(nested.id);
                }
                if transitive {
                    groups.push(nested);
                }
            }
        }
    }
    members
}

/// Filter and search of a list of groups.
struct GroupFilter {
    filter: Option<Expression<&'static str>>,
    search: Option<String>,
}

impl GroupFilter {
    fn read(options: &Options) -> Result<Self, Failure> {
        let filter = options
            .filter
            .as_deref()
            .map(|filter| parse(filter, find_property))
            .transpose()?;
        if let Some(filter) = &filter {
            filter.check(&class_of, options.is_advanced())?;
        }
        let search = options.search.as_deref().map(|search| {
            if !options.is_eventual {
                return Err(Failure::unsupported_query(
                    "Request with $search query parameter only works through MSGraph with a special request header: \
                     'ConsistencyLevel: eventual'",
                ));
            }
            search
                .strip_prefix("\"displayName:")
                .and_then(|search| search.strip_suffix('"'))
                .map(str::to_lowercase)
                .ok_or_else(|| Failure::bad_request(format!("Syntax error in the $search clause '{search}'.")))
        });
        Ok(Self {
            filter,
            search: search.transpose()?,
        })
    }

    fn matches(&self, group: &DirectoryGroup) -> bool {
        let is_filtered = |filter: &Expression<&'static str>| {
            filter.matches(&|property: &'static str| value(group, property))
        };
        let is_found = |search: &String| {
            let name = group.name.to_lowercase();
            name.split(|char: char| !char.is_alphanumeric())
                .any(|word| word.starts_with(search.as_str()))
                || name.starts_with(search.as_str())
        };
        self.filter.as_ref().is_none_or(is_filtered) && self.search.as_ref().is_none_or(is_found)
    }
}
