//! Users, managers and reports (`entra.md` 2).

mod find;

use serde::{Deserialize, Serialize};

use super::Call;
use super::answer::{Failure, directory_answer, directory_json, to_json};
use super::path::UserKey;
use super::permissions;
use super::query::{Options, names, next_link, read_token, write_token};
use super::user::{
    DEFAULT_PROPERTIES, ExpandedManager, Expansions, Property, Shown, UserView, manager_of, selection,
};
use crate::sandbox::exchange::Response;
use crate::sandbox::world::directory::{Directory, DirectoryUser};
use find::{Cursor, UserQuery};

/// A collection as JSON.
#[derive(Serialize)]
pub(super) struct Collection<'a, T> {
    #[serde(rename = "@odata.context")]
    pub(super) context: &'a str,
    #[serde(rename = "@odata.count", skip_serializing_if = "Option::is_none")]
    pub(super) count: Option<usize>,
    #[serde(rename = "@odata.nextLink", skip_serializing_if = "Option::is_none")]
    pub(super) next_link: Option<String>,
    #[serde(rename = "@odata.deltaLink", skip_serializing_if = "Option::is_none")]
    pub(super) delta_link: Option<String>,
    pub(super) value: &'a [T],
}

impl<'a, T> Collection<'a, T> {
    pub(super) fn new(context: &'a str, value: &'a [T]) -> Self {
        Self {
            context,
            count: None,
            next_link: None,
            delta_link: None,
            value,
        }
    }
}

/// Where the next page of a list begins.
#[derive(Serialize, Deserialize)]
pub(super) struct From {
    pub(super) from: u32,
}

impl Call<'_> {
    /// `GET /users`.
    pub(super) fn list_users(&self) -> Result<Response, Failure> {
        permissions::USERS.check(self.grant, None)?;
        let options = Options::parse(self.request)?;
        let is_limited = self.is_limited(None);
        let selection = selection(&options.select, Shown::InCollection)?;
        let expansions = self.expansions(&options, Shown::InCollection, None)?;
        let query = UserQuery::read(&options)?;
        if is_limited && !query.is_basic() {
            return Err(Failure::denied());
        }
        let cursor: Option<Cursor> = options.skip_token.as_deref().map(read_token).transpose()?;
        let directory = self.service.world.directory.read();
        let page = query.page(&directory, cursor.as_ref(), self.page_size(&options));
        let is_counted = options.is_advanced() && cursor.is_none();
        let context = self.users_context(&options.select);
        let views: Vec<UserView<'_>> = page
            .users
            .iter()
            .map(|user| UserView {
                user,
                selection: &selection,
                is_limited,
                context: None,
                is_typed: false,
                expand: expansions.as_ref().map(|expansions| (&*directory, expansions)),
            })
            .collect();
        let body = to_json(&Collection {
            count: is_counted.then(|| query.count(&directory)),
            next_link: page.next.map(|next| next_link(self.request, &write_token(&next))),
            ..Collection::new(&context, &views)
        });
        Ok(directory_json(body, self.units()))
    }

    /// `GET /users/$count`.
    pub(super) fn count_users(&self) -> Result<Response, Failure> {
        permissions::USERS.check(self.grant, None)?;
        let options = self.count_options()?;
        let query = UserQuery::read(&options)?;
        if self.is_limited(None) && !query.is_basic() {
            return Err(Failure::denied());
        }
        let count = query.count(&self.service.world.directory.read());
        Ok(self.count_answer(count))
    }

    /// `GET /users/{id}`.
    pub(super) fn get_user(&self, key: &UserKey<'_>) -> Result<Response, Failure> {
        let directory = self.service.world.directory.read();
        let found = self.find_user(&directory, key);
        let owner = self.owner(&found);
        permissions::USERS.check(self.grant, owner.as_deref())?;
        let (_, user) = found?;
        let options = Options::parse(self.request)?;
        let selection = selection(&options.select, Shown::Alone)?;
        let expansions = self.expansions(&options, Shown::Alone, owner.as_deref())?;
        let context = format!("{}/$entity", self.users_context(&options.select));
        let body = to_json(&UserView {
            user,
            selection: &selection,
            is_limited: self.is_limited(owner.as_deref()),
            context: Some(&context),
            is_typed: false,
            expand: expansions.as_ref().map(|expansions| (&*directory, expansions)),
        });
        Ok(directory_json(body, self.units()))
    }

    /// `GET /users/{id}/manager`.
    pub(super) fn get_manager(&self, key: &UserKey<'_>) -> Result<Response, Failure> {
        permissions::MANAGER.check(self.grant, None)?;
        let directory = self.service.world.directory.read();
        let (_, user) = self.find_user(&directory, key)?;
        let manager = manager_of(&directory, user).ok_or_else(|| Failure::not_found("manager"))?;
        let options = Options::parse(self.request)?;
        let selection = selection(&options.select, Shown::Alone)?;
        let context = self.context("directoryObjects/$entity");
        let body = to_json(&UserView {
            user: manager,
            selection: &selection,
            is_limited: false,
            context: Some(&context),
            is_typed: true,
            expand: None,
        });
        Ok(directory_json(body, self.units()))
    }

    /// `GET /users/{id}/directReports`.
    pub(super) fn list_direct_reports(&self, key: &UserKey<'_>) -> Result<Response, Failure> {
        let directory = self.service.world.directory.read();
        let found = self.find_user(&directory, key);
        permissions::DIRECT_REPORTS.check(self.grant, self.owner(&found).as_deref())?;
        let (_, user) = found?;
        let options = Options::parse(self.request)?;
        let selection = selection(&options.select, Shown::InCollection)?;
        let from = options
            .skip_token
            .as_deref()
            .map(read_token::<From>)
            .transpose()?;
        let first = from.as_ref().map_or(0, |from| from.from);
        let size = self.page_size(&options);
        let mut reports: Vec<(u32, &DirectoryUser)> = directory
            .reports_of(user.id)
            .skip_while(|(sequence, _)| *sequence < first)
            .take(size + 1)
            .collect();
        let next = (reports.len() > size).then(|| From {
            from: reports[size].0,
        });
        reports.truncate(size);
        let views: Vec<UserView<'_>> = reports
            .iter()
            .map(|(_, user)| UserView {
                user,
                selection: &selection,
                is_limited: false,
                context: None,
                is_typed: true,
                expand: None,
            })
            .collect();
        let is_counted = options.is_advanced() && from.is_none();
        let context = self.context("directoryObjects");
        let body = to_json(&Collection {
            count: is_counted.then(|| directory.reports_of(user.id).count()),
            next_link: next.map(|next| next_link(self.request, &write_token(&next))),
            ..Collection::new(&context, &views)
        });
        Ok(directory_json(body, self.units()))
    }

    /// `GET /users/{id}/directReports/$count`.
    pub(super) fn count_direct_reports(&self, key: &UserKey<'_>) -> Result<Response, Failure> {
        let directory = self.service.world.directory.read();
        let found = self.find_user(&directory, key);
        permissions::DIRECT_REPORTS.check(self.grant, self.owner(&found).as_deref())?;
        let (_, user) = found?;
        self.count_options()?;
        Ok(self.count_answer(directory.reports_of(user.id).count()))
    }

    /// The user of a key, with the sequence number.
    pub(super) fn find_user<'d>(
        &self,
        directory: &'d Directory,
        key: &UserKey<'_>,
    ) -> Result<(u32, &'d DirectoryUser), Failure> {
        let key = match key {
            UserKey::Key { key, .. } => key.as_ref(),
            UserKey::Me => self.grant.user.as_deref().ok_or_else(|| {
                Failure::bad_request("/me request is only valid with delegated authentication flow.")
            })?,
        };
        directory
            .sequence_of(key)
            .and_then(|sequence| Some((sequence, directory.at(sequence)?)))
            .ok_or_else(|| Failure::not_found(key))
    }

    /// The object id of a user who was found, if permissions depend on it.
    pub(super) fn owner(&self, found: &Result<(u32, &DirectoryUser), Failure>) -> Option<String> {
        self.grant.user.as_ref()?;
        found.as_ref().ok().map(|(_, user)| user.id.to_string())
    }

    /// True if the caller may see basic properties only.
    pub(super) fn is_limited(&self, owner: Option<&str>) -> bool {
        permissions::ALL_USER_PROPERTIES.check(self.grant, owner).is_err()
    }

    /// Objects on a page.
    pub(super) fn page_size(&self, options: &Options) -> usize {
        options
            .top
            .unwrap_or(self.settings.list_default_page)
            .clamp(1, 999) as usize
    }

    /// The options of a `/$count`, which is an advanced query by itself.
    pub(super) fn count_options(&self) -> Result<Options, Failure> {
        let options = Options::parse(self.request)?;
        if !options.is_eventual {
            return Err(Failure::new(
                400,
                "Request_BadRequest",
                "$count is not currently supported.",
            ));
        }
        Ok(Options {
            count: true,
            ..options
        })
    }

    pub(super) fn count_answer(&self, count: usize) -> Response {
        directory_answer("text/plain", count.to_string(), self.units())
    }

    fn users_context(&self, select: &[String]) -> String {
        if select.is_empty() {
            self.context("users")
        } else {
            self.context(&format!("users({})", select.join(",")))
        }
    }

    /// What `$expand` asks for (`entra.md` 2.5).
    fn expansions(
        &self,
        options: &Options,
        shown: Shown,
        owner: Option<&str>,
    ) -> Result<Option<Expansions>, Failure> {
        let Some(expand) = &options.expand else {
            return Ok(None);
        };
        if options.search.is_some() {
            return Err(Failure::unsupported_query(
                "$expand is not supported together with $search.",
            ));
        }
        let (name, nested) = match expand.split_once('(') {
            Some((name, nested)) => {
                let nested = nested.strip_suffix(')').ok_or_else(|| {
                    Failure::bad_request("Parsing OData Select and Expand failed: Syntax error.")
                })?;
                (name.trim(), nested)
            }
            None => (expand.trim(), ""),
        };
        let mut select = DEFAULT_PROPERTIES.to_vec();
        let mut levels = None;
        for option in nested
            .split(';')
            .map(str::trim)
            .filter(|option| !option.is_empty())
        {
            match option.split_once('=') {
                Some(("$select", list)) => select = selection(&names(list), Shown::InCollection)?,
                Some(("$levels", count)) => levels = Some(expanded_levels(count)?),
                _ => {
                    return Err(Failure::bad_request(format!(
                        "Parsing OData Select and Expand failed: '{option}' is not supported here."
                    )));
                }
            }
        }
        match name {
            "manager" => {
                permissions::MANAGER.check(self.grant, owner)?;
                if levels.is_some() && shown == Shown::InCollection {
                    return Err(Failure::unsupported_query(
                        "Transitive manager's list is only supported on a single user, send the $expand request on \
                         /users/{id} endpoint",
                    ));
                }
                if levels.is_some() && !options.is_advanced() {
                    return Err(Failure::unsupported_query("Unsupported Query."));
                }
                Ok(Some(Expansions {
                    manager: Some(ExpandedManager {
                        select,
                        levels: levels.unwrap_or(1),
                    }),
                    direct_reports: None,
                }))
            }
            "directReports" if levels.is_none() => {
                permissions::DIRECT_REPORTS.check(self.grant, owner)?;
                Ok(Some(Expansions {
                    manager: None,
                    direct_reports: Some(select),
                }))
            }
            _ if name.contains(',') => Err(Failure::bad_request(
                "The maximum number of navigation properties that can be expanded in a request is 1.",
            )),
            _ => Err(Failure::bad_request(format!(
                "Parsing OData Select and Expand failed: Could not find a property named '{name}' on type \
                 'microsoft.graph.user'."
            ))),
        }
    }
}

/// `$levels`: `max` or 1 to 1000. No chain of command is longer than this, and one that bites its own tail ends.
fn expanded_levels(count: &str) -> Result<usize, Failure> {
    const LONGEST_CHAIN: usize = 40;
    if count.eq_ignore_ascii_case("max") {
        return Ok(LONGEST_CHAIN);
    }
    count
        .parse::<usize>()
        .ok()
        .filter(|levels| (1..=1000).contains(levels))
        .map(|levels| levels.min(LONGEST_CHAIN))
        .ok_or_else(|| Failure::bad_request("Parsing OData Select and Expand failed: invalid $levels."))
}

/// Properties by which users can be ordered without an advanced query.
const ORDERED: &[Property] = &[Property::DisplayName, Property::UserPrincipalName];
