//! Delta queries over users (`entra.md` 2.4).

use std::collections::{BTreeMap, HashSet};

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use super::Call;
use super::answer::{Failure, directory_json, to_json};
use super::filter::{Expression, Literal, Operator, parse};
use super::permissions;
use super::query::{Options, read_token, write_token};
use super::settings::DeltaExpired;
use super::user::{Property, Shown, UserView, selection};
use super::users::Collection;
use crate::sandbox::exchange::Response;
use crate::sandbox::world::directory::{ChangeKind, Directory, DirectoryUser, UserField};

/// Lifetime of tokens, in seconds.
const TOKEN_LIFETIME_S: i64 = 7 * 86_400;
/// Ids in a filter.
const MOST_IDS: usize = 50;

/// What a delta or skip token holds: the options of the first request, and how far the client is.
#[derive(Clone, Serialize, Deserialize)]
struct State {
    /// When the token was made, in seconds since 1970.
    at: i64,
    /// `$select` of the first request; empty is the default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    select: Vec<String>,
    /// `id eq …` of the first request; empty is everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ids: Vec<String>,
    round: Round,
}

/// One pass through the users.
#[derive(Clone, Serialize, Deserialize)]
enum Round {
    /// Everybody from sequence number `from` on, and below `end`; changes since `log` are the next round's.
    All { from: u32, end: u32, log: u64 },
    /// Changes from `log` to `log_end` and users added from `added` to `added_end`; `done` of them were told.
    Changes {
        log: u64,
        log_end: u64,
        added: u32,
        added_end: u32,
        done: usize,
    },
    /// Nothing yet: where the next round begins.
    Next { log: u64, added: u32 },
}

/// An object of a delta answer.
enum Item<'a> {
    User(DeltaUser<'a>),
    Removed { id: Uuid, reason: &'static str },
}

struct DeltaUser<'a> {
    view: UserView<'a>,
    /// `manager` was selected.
    manager: bool,
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Removed { id, reason } => {
                #[derive(Serialize)]
                struct Removed {
                    reason: &'static str,
                }
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("id", &id.to_string())?;
                map.serialize_entry("@removed", &Removed { reason })?;
                map.end()
            }
            Self::User(user) => user.serialize(serializer),
        }
    }
}

impl Serialize for DeltaUser<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct WithManager<'a> {
            #[serde(flatten)]
            view: UserView<'a>,
            #[serde(rename = "manager@delta")]
            manager: [Reference; 1],
        }
        #[derive(Serialize)]
        struct Reference {
            #[serde(rename = "@odata.type")]
            kind: &'static str,
            id: String,
        }
        match self.view.user.manager.filter(|_| self.manager) {
            None => self.view.serialize(serializer),
            Some(manager) => WithManager {
                view: self.view,
                manager: [Reference {
                    kind: "#microsoft.graph.user",
                    id: manager.to_string(),
                }],
            }
            .serialize(serializer),
        }
    }
}

/// What became of a user since the last round.
enum News {
    /// New or restored: everything is told.
    Whole,
    /// These fields changed.
    Fields(Vec<UserField>),
    Removed(&'static str),
}

impl Call<'_> {
    /// `GET /users/delta`.
    pub(super) fn users_delta(&self) -> Result<Response, Failure> {
        permissions::USER_DELTA.check(self.grant, None)?;
        let options = Options::parse(self.request)?;
        let directory = self.service.world.directory.read();
        let state = self.state(&options, &directory)?;
        let is_minimal = self
            .request
            .header("prefer")
            .is_some_and(|prefer| prefer.to_ascii_lowercase().contains("return=minimal"));

        let selects_manager = state
            .select
            .iter()
            .any(|name| name.eq_ignore_ascii_case("manager"));
        let mut properties = selection(&state.select, Shown::InCollection)?;
        if !properties.contains(&Property::Id) {
            properties.push(Property::Id);
        }
        let scope = Scope {
            properties: &properties,
            manager: selects_manager,
            photo: self.settings.photo_in_delta,
            ids: state
                .ids
                .iter()
                .filter_map(|id| Uuid::try_parse(id).ok())
                .collect(),
        };
        let size = (self.settings.delta_page as usize).max(1);

        // Selections of minimal answers live as long as the page.
        let mut minimal = Vec::new();
        let mut told: Vec<(Told<'_>, Option<usize>)> = Vec::new();
        let next = match state.round {
            Round::All { from, end, log } => {
                let mut users = directory
                    .users_from(from)
                    .take_while(|(sequence, _)| *sequence < end)
                    .filter(|(_, user)| scope.includes(user.id));
                told.extend(
                    users
                        .by_ref()
                        .take(size)
                        .map(|(_, user)| (Told::User(user), None)),
                );
                match users.next() {
                    Some((from, _)) => Round::All { from, end, log },
                    None => Round::Next { log, added: end },
                }
            }
            Round::Changes {
                log,
                log_end,
                added,
                added_end,
                done,
            } => {
                let news = news(&directory, &scope, (log, log_end), (added, added_end))
                    .ok_or_else(|| self.sync_state_gone())?;
                for (id, news) in news.iter().skip(done).take(size) {
                    let user = directory
                        .sequence_of_id(*id)
                        .and_then(|sequence| directory.at(sequence));
                    match (news, user) {
                        (News::Removed(reason), _) => told.push((Told::Removed(*id, reason), None)),
                        (News::Fields(fields), Some(user)) if is_minimal => {
                            minimal.push(changed_properties(&properties, fields));
                            told.push((Told::User(user), Some(minimal.len() - 1)));
                        }
                        (News::Whole | News::Fields(_), Some(user)) => told.push((Told::User(user), None)),
                        (News::Whole | News::Fields(_), None) => {}
                    }
                }
                let done = done + size;
                if done < news.len() {
                    Round::Changes {
                        log,
                        log_end,
                        added,
                        added_end,
                        done,
                    }
                } else {
                    Round::Next {
                        log: log_end,
                        added: added_end,
                    }
                }
            }
            Round::Next { log, added } => Round::Next { log, added },
        };
        let items: Vec<Item<'_>> = told
            .into_iter()
            .map(|(told, selection)| match told {
                Told::Removed(id, reason) => Item::Removed { id, reason },
                Told::User(user) => Item::User(DeltaUser {
                    view: UserView {
                        user,
                        selection: selection.map_or(&properties, |index| &minimal[index]),
                        is_limited: false,
                        context: None,
                        is_typed: false,
                        expand: None,
                    },
                    manager: selects_manager,
                }),
            })
            .collect();
        let is_last = matches!(next, Round::Next { .. });
        let token = write_token(&State {
            at: self.now.as_second(),
            round: next,
            ..state.clone()
        });
        let link = |name: &str| format!("{}{}?${name}={token}", self.request.base, self.request.path);
        let context = if state.select.is_empty() {
            self.context("users")
        } else {
            self.context(&format!("users({})", state.select.join(",")))
        };
        let body = to_json(&Collection {
            next_link: (!is_last).then(|| link("skiptoken")),
            delta_link: is_last.then(|| link("deltatoken")),
            ..Collection::new(&context, &items)
        });
        Ok(directory_json(body, self.units()))
    }

    /// The round that a request is part of.
    fn state(&self, options: &Options, directory: &Directory) -> Result<State, Failure> {
        let (log, added) = (directory.change_count(), directory.next_sequence());
        if let Some(token) = &options.skip_token {
            let state: State = read_token(token)?;
            return self.check_age(state);
        }
        match options.delta_token.as_deref() {
            Some("latest") => {
                let first = self.first_state(options, directory)?;
                Ok(State {
                    round: Round::Next { log, added },
                    ..first
                })
            }
            None | Some("") => self.first_state(options, directory),
            Some(token) => {
                let state = self.check_age(read_token(token)?)?;
                let Round::Next {
                    log: last_log,
                    added: last_added,
                } = state.round
                else {
                    return Err(Failure::new(
                        400,
                        "Request_BadRequest",
                        "The delta token in the request is not valid.",
                    ));
                };
                Ok(State {
                    round: Round::Changes {
                        log: last_log,
                        log_end: log,
                        added: last_added,
                        added_end: added,
                        done: 0,
                    },
                    ..state
                })
            }
        }
    }

    /// A first request: options are allowed only here.
    fn first_state(&self, options: &Options, directory: &Directory) -> Result<State, Failure> {
        let refused = [
            ("$top", options.top.is_some()),
            ("$orderby", options.order_by.is_some()),
            ("$search", options.search.is_some()),
        ];
        if let Some((name, _)) = refused.iter().find(|(_, is_there)| *is_there) {
            return Err(Failure::unsupported_query(format!(
                "{name} is not supported for change tracking queries."
            )));
        }
        let ids = options
            .filter
            .as_deref()
            .map(ids_of)
            .transpose()?
            .unwrap_or_default();
        Ok(State {
            at: self.now.as_second(),
            select: options.select.clone(),
            ids,
            round: Round::All {
                from: 0,
                end: directory.next_sequence(),
                log: directory.change_count(),
            },
        })
    }

    fn check_age(&self, state: State) -> Result<State, Failure> {
        if state.at + TOKEN_LIFETIME_S < self.now.as_second() {
            return Err(self.sync_state_gone());
        }
        Ok(state)
    }

    /// E35.
    fn sync_state_gone(&self) -> Failure {
        let text =
            "The sync state generation is not found; it may have expired. Start again without a token.";
        match self.settings.delta_expired {
            DeltaExpired::BadRequest => Failure::new(400, "SyncStateNotFound", text),
            DeltaExpired::Gone => Failure::new(410, "SyncStateNotFound", text).with_header(
                "location",
                format!("{}/{}/users/delta?$deltatoken=", self.request.base, self.version),
            ),
        }
    }
}

enum Told<'a> {
    User(&'a DirectoryUser),
    Removed(Uuid, &'static str),
}

/// What a client wants to hear about.
struct Scope<'a> {
    properties: &'a [Property],
    manager: bool,
    photo: bool,
    ids: HashSet<Uuid>,
}

impl Scope<'_> {
    fn includes(&self, user: Uuid) -> bool {
        self.ids.is_empty() || self.ids.contains(&user)
    }

    /// Only selected properties trigger changes.
    fn is_interested_in(&self, field: UserField) -> bool {
        let is_manager = field == UserField::Manager && self.manager;
        is_manager || self.properties.iter().any(|property| property.follows(field))
    }
}

/// What happened to whom, each user once, the last one changed last; `None` if too much is forgotten.
fn news(
    directory: &Directory,
    scope: &Scope<'_>,
    log: (u64, u64),
    added: (u32, u32),
) -> Option<Vec<(Uuid, News)>> {
    let mut by_user: BTreeMap<Uuid, (u64, News)> = BTreeMap::new();
    let mut place = 0;
    for change in directory.changes(log.0, log.1)? {
        place += 1;
        if !scope.includes(change.user) {
            continue;
        }
        let entry = by_user.entry(change.user);
        match change.kind {
            ChangeKind::Deleted => {
                entry.insert_entry((place, News::Removed("changed")));
            }
            ChangeKind::Purged => {
                entry.insert_entry((place, News::Removed("deleted")));
            }
            ChangeKind::Photo if !scope.photo => {}
            ChangeKind::Updated(field) if !scope.is_interested_in(field) => {}
            ChangeKind::Photo | ChangeKind::Updated(_) => {
                let (last, news) = entry.or_insert((place, News::Fields(Vec::new())));
                *last = place;
                if let (News::Fields(fields), ChangeKind::Updated(field)) = (&mut *news, change.kind) {
                    fields.push(field);
                }
            }
        }
    }
    let new_users = directory
        .users_from(added.0)
        .take_while(|(sequence, _)| *sequence < added.1);
    for (sequence, user) in new_users.filter(|(_, user)| scope.includes(user.id)) {
        by_user.insert(user.id, (place + 1 + u64::from(sequence), News::Whole));
    }
    let mut news: Vec<(u64, Uuid, News)> = by_user
        .into_iter()
        .map(|(id, (place, news))| (place, id, news))
        .collect();
    news.sort_by_key(|(place, id, _)| (*place, *id));
    Some(news.into_iter().map(|(_, id, news)| (id, news)).collect())
}

/// `Prefer: return=minimal`: the changed properties and the key.
fn changed_properties(properties: &[Property], fields: &[UserField]) -> Vec<Property> {
    let is_told = |property: &Property| {
        *property == Property::Id || fields.iter().any(|field| property.follows(*field))
    };
    properties.iter().copied().filter(is_told).collect()
}

/// The ids of `id eq '…' or id eq '…'`, the only filter that change tracking knows.
fn ids_of(filter: &str) -> Result<Vec<String>, Failure> {
    fn collect(expression: &Expression<Property>, ids: &mut Vec<String>) -> Option<()> {
        match expression {
            Expression::Compare(Property::Id, Operator::Equal, Literal::Text(id)) => {
                ids.push(Uuid::try_parse(id).ok()?.to_string());
                Some(())
            }
            Expression::Or(left, right) => {
                collect(left, ids)?;
                collect(right, ids)
            }
            _ => None,
        }
    }
    let mut ids = Vec::new();
    collect(&parse(filter, Property::find)?, &mut ids)
        .filter(|()| ids.len() <= MOST_IDS)
        .ok_or_else(|| {
            Failure::unsupported_query(
                "Only up to 50 object ids can be used in $filter for change tracking queries.",
            )
        })?;
    Ok(ids)
}
