//! Which users a list request wants, and in which order (`entra.md` 2.2).

use serde::{Deserialize, Serialize};

use super::super::answer::Failure;
use super::super::filter::{Class, Expression, Literal, Operator, Value, parse, starts_with};
use super::super::query::Options;
use super::super::user::Property;
use super::ORDERED;
use crate::sandbox::world::directory::{Directory, DirectoryUser};

/// Filter, search and order of a list.
pub(super) struct UserQuery {
    filter: Option<Expression<Property>>,
    search: Option<Search>,
    order: Option<Order>,
}

struct Order {
    property: Property,
    is_descending: bool,
}

/// Clauses of which all of one group have to match.
struct Search {
    groups: Vec<Vec<(Property, String)>>,
}

/// Where a page begins.
#[derive(Serialize, Deserialize)]
pub(super) struct Cursor {
    /// The first user's sequence number.
    from: u32,
    /// The first user's place in the order, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// A page, and where the next one begins.
pub(super) struct Page<'d> {
    pub(super) users: Vec<&'d DirectoryUser>,
    pub(super) next: Option<Cursor>,
}

impl UserQuery {
    pub(super) fn read(options: &Options) -> Result<Self, Failure> {
        let filter = options
            .filter
            .as_deref()
            .map(|filter| parse(filter, Property::find))
            .transpose()?;
        if let Some(filter) = &filter {
            filter.check(&Property::class, options.is_advanced())?;
        }
        let search = options.search.as_deref().map(Search::read).transpose()?;
        if search.is_some() && !options.is_eventual {
            return Err(Failure::unsupported_query(
                "Request with $search query parameter only works through MSGraph with a special request header: \
                 'ConsistencyLevel: eventual'",
            ));
        }
        let order = options.order_by.as_deref().map(Order::read).transpose()?;
        if let Some(order) = &order {
            let needs_advanced = filter.is_some() || !ORDERED.contains(&order.property);
            if needs_advanced && !options.is_advanced() {
                return Err(Failure::unsupported_query(
                    "Sorting not supported for current query.",
                ));
            }
        }
        Ok(Self {
            filter,
            search,
            order,
        })
    }

    /// True if it looks at basic properties only.
    pub(super) fn is_basic(&self) -> bool {
        let filtered = self.filter.iter().flat_map(Expression::properties);
        let searched = self
            .search
            .iter()
            .flat_map(|search| search.groups.iter().flatten().map(|(property, _)| *property));
        let ordered = self.order.iter().map(|order| order.property);
        filtered.chain(searched).chain(ordered).all(Property::is_basic)
    }

    /// How many users there are.
    pub(super) fn count(&self, directory: &Directory) -> usize {
        if self.filter.is_none() && self.search.is_none() {
            return directory.users().len();
        }
        self.candidates(directory, 0).count()
    }

    /// A page.
    pub(super) fn page<'d>(
        &self,
        directory: &'d Directory,
        cursor: Option<&Cursor>,
        size: usize,
    ) -> Page<'d> {
        let from = cursor.map_or(0, |cursor| cursor.from);
        if let Some(order) = &self.order {
            let key = cursor.and_then(|cursor| cursor.key.as_deref());
            return self.ordered_page(directory, order, key.map(|key| (key, from)), size);
        }
        let mut users = Vec::with_capacity(size);
        for (sequence, user) in self.candidates(directory, from) {
            if users.len() == size {
                let next = Some(Cursor {
                    from: sequence,
                    key: None,
                });
                return Page { users, next };
            }
            users.push(user);
        }
        Page { users, next: None }
    }

    fn ordered_page<'d>(
        &self,
        directory: &'d Directory,
        order: &Order,
        from: Option<(&str, u32)>,
        size: usize,
    ) -> Page<'d> {
        let is_before = |left: &(String, u32), right: &(String, u32)| {
            let ordering = left.0.cmp(&right.0);
            let ordering = if order.is_descending {
                ordering.reverse()
            } else {
                ordering
            };
            ordering.then(left.1.cmp(&right.1))
        };
        let first = from.map(|(key, sequence)| (key.to_owned(), sequence));
        let mut keys: Vec<(String, u32)> = self
            .candidates(directory, 0)
            .map(|(sequence, user)| (order_key(&order.property.value(user)), sequence))
            .filter(|key| first.as_ref().is_none_or(|first| is_before(key, first).is_ge()))
            .collect();
        if keys.len() > size + 1 {
            keys.select_nth_unstable_by(size, is_before);
            keys.truncate(size + 1);
        }
        keys.sort_unstable_by(is_before);
        let next = (keys.len() > size).then(|| keys.swap_remove(size));
        Page {
            users: keys
                .iter()
                .filter_map(|(_, sequence)| directory.at(*sequence))
                .collect(),
            next: next.map(|(key, from)| Cursor { from, key: Some(key) }),
        }
    }

    /// Users from a sequence number on who match.
    fn candidates<'q, 'd: 'q>(
        &'q self,
        directory: &'d Directory,
        from: u32,
    ) -> Box<dyn Iterator<Item = (u32, &'d DirectoryUser)> + 'q> {
        let is_match = |(_, user): &(u32, &DirectoryUser)| self.matches(user);
        match self.filter.as_ref().and_then(keys) {
            Some(keys) => {
                let mut sequences: Vec<u32> =
                    keys.iter().filter_map(|key| directory.sequence_of(key)).collect();
                sequences.sort_unstable();
                sequences.dedup();
                let users = sequences
                    .into_iter()
                    .filter(move |sequence| *sequence >= from)
                    .filter_map(move |sequence| Some((sequence, directory.at(sequence)?)));
                Box::new(users.filter(is_match))
            }
            None => Box::new(directory.users_from(from).filter(is_match)),
        }
    }

    fn matches(&self, user: &DirectoryUser) -> bool {
        let is_filtered =
            |filter: &Expression<Property>| filter.matches(&|property: Property| property.value(user));
        self.filter.as_ref().is_none_or(is_filtered)
            && self.search.as_ref().is_none_or(|search| search.matches(user))
    }
}

/// Object ids and sign-in names of which a match must have one; `None` if the filter does not say.
fn keys(filter: &Expression<Property>) -> Option<Vec<&str>> {
    let is_key = |property: Property| matches!(property, Property::Id | Property::UserPrincipalName);
    match filter {
        Expression::Compare(property, Operator::Equal, Literal::Text(key)) if is_key(*property) => {
            Some(vec![key])
        }
        Expression::In(property, literals) if is_key(*property) => Some(
            literals
                .iter()
                .filter_map(|literal| match literal {
                    Literal::Text(key) => Some(&**key),
                    _ => None,
                })
                .collect(),
        ),
        Expression::Or(left, right) => {
            let mut all = keys(left)?;
            all.extend(keys(right)?);
            Some(all)
        }
        Expression::And(left, right) => keys(left).or_else(|| keys(right)),
        _ => None,
    }
}

fn order_key(value: &Value<'_>) -> String {
    match value {
        Value::Text(text) => text.to_lowercase(),
        Value::Time(time) => time.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Null | Value::Texts(_) => String::new(),
    }
}

impl Order {
    fn read(order_by: &str) -> Result<Self, Failure> {
        let mut words = order_by.split_whitespace();
        let name = words.next().unwrap_or_default();
        let is_descending = match words.next() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => return Err(Failure::bad_request("Syntax error in the $orderby clause.")),
        };
        if words.next().is_some() || name.contains(',') {
            return Err(Failure::unsupported_query(
                "Sorting by more than one property is not supported.",
            ));
        }
        let property = Property::find(name).ok_or_else(|| {
            Failure::bad_request(format!(
                "Could not find a property named '{name}' on type 'microsoft.graph.user'."
            ))
        })?;
        if matches!(property.class(), Class::Unfilterable | Class::Texts) {
            return Err(Failure::unsupported_query(
                "Sorting not supported for current query.",
            ));
        }
        Ok(Self {
            property,
            is_descending,
        })
    }
}

impl Search {
    /// `"displayName:da" OR "mail:da"`; `AND` binds closer than `OR`.
    fn read(search: &str) -> Result<Self, Failure> {
        let syntax = || Failure::bad_request(format!("Syntax error in the $search clause '{search}'."));
        let mut groups = vec![Vec::new()];
        let mut rest = search.trim();
        loop {
            let (clause, after) = rest
                .strip_prefix('"')
                .and_then(|rest| rest.split_once('"'))
                .ok_or_else(syntax)?;
            let (name, words) = clause.split_once(':').ok_or_else(syntax)?;
            let property = Property::find(name.trim())
                .filter(|property| is_searchable(*property))
                .ok_or_else(|| {
                    Failure::unsupported_query(format!("Searching is not supported for property '{name}'."))
                })?;
            if let Some(group) = groups.last_mut() {
                group.push((property, words.trim().to_owned()));
            }
            let after = after.trim_start();
            if after.is_empty() {
                return Ok(Self { groups });
            }
            rest = if let Some(next) = after.strip_prefix("AND ") {
                next.trim_start()
            } else if let Some(next) = after.strip_prefix("OR ") {
                groups.push(Vec::new());
                next.trim_start()
            } else {
                return Err(syntax());
            };
        }
    }

    fn matches(&self, user: &DirectoryUser) -> bool {
        let is_clause_met = |(property, wanted): &(Property, String)| match property.value(user) {
            // Names are searched word by word.
            Value::Text(name) if *property == Property::DisplayName => wanted
                .split_whitespace()
                .all(|wanted| words(&name).any(|word| starts_with(word, wanted))),
            Value::Text(text) => starts_with(&text, wanted),
            Value::Texts(texts) => texts.iter().any(|text| {
                let address = text.split_once(':').map_or(text.as_str(), |(_, address)| address);
                starts_with(address, wanted) || starts_with(text, wanted)
            }),
            Value::Null | Value::Bool(_) | Value::Time(_) => false,
        };
        self.groups.iter().any(|group| group.iter().all(is_clause_met))
    }
}

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|char: char| !char.is_alphanumeric())
        .filter(|word| !word.is_empty())
}

fn is_searchable(property: Property) -> bool {
    matches!(
        property,
        Property::DisplayName
            | Property::GivenName
            | Property::Surname
            | Property::Mail
            | Property::MailNickname
            | Property::UserPrincipalName
            | Property::ProxyAddresses
            | Property::OtherMails
    )
}
