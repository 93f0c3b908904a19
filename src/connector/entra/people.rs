//! People and groups: pages, look-ups, rows (`entra.md` 2 and 4).

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use ::http::{HeaderName, HeaderValue};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{EntraSource, SYSTEM};
use crate::connector::http::{Address, Answer, Call, Failure, Reason};
use crate::connector::{ConnectorError, ErrorKind, Priority, SourceLookup};
use crate::domain::ids::SourceId;
use crate::domain::person::{AccountKind, SourcePerson};
use crate::domain::text::{RemoteText, clean};

/// People asked for a page: the service's maximum.
const PAGE: &str = "999";
/// Pages followed at most: ten million people.
const PAGES: usize = 10_000;
/// Values of one `in` filter: the service's maximum.
const IN_LIST: usize = 15;
/// How long a list may stand still, and how long it may take in all (`entra.md` 7.2).
const LIST_STANDS_STILL: Duration = Duration::from_mins(1);
const LIST_TAKES: Duration = Duration::from_secs(100);
/// Look-up requests in flight; the lane decides how many really go.
const LOOKUPS: usize = 4;

/// Exactly what a [`SourcePerson`] needs.
const FULL: &str =
    "id,userPrincipalName,displayName,mail,employeeId,department,jobTitle,userType,accountEnabled";
/// What `User.ReadBasic.All` shows (`entra.md` 1.10).
const BASIC: &str = "id,userPrincipalName,displayName,mail";

/// The right that listing needs.
pub(super) const LIST_RIGHT: &str =
    "the Microsoft Graph application permission User.Read.All (or User.ReadBasic.All) with admin consent";
/// The right that groups need.
const GROUP_RIGHT: &str =
    "the Microsoft Graph application permission GroupMember.Read.All with admin consent";

/// One page of a collection, its rows still unread: one bad row must not take the others with it.
#[derive(Deserialize)]
struct Page {
    value: Vec<Box<RawValue>>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

/// A listing that follows links page by page.
struct Listing {
    /// Where the next page is, once a page was read.
    next: Option<Address>,
    seen: HashSet<[u8; 32]>,
    /// The number of the page that comes next, from 1.
    page: usize,
    operation: &'static str,
    needs: &'static str,
    /// Whether the service must be asked for eventual consistency, on every page.
    advanced: bool,
}

impl Listing {
    fn new(first: &Address, operation: &'static str, needs: &'static str, advanced: bool) -> Self {
        Self {
            seen: HashSet::from([first.fingerprint()]),
            next: None,
            page: 1,
            operation,
            needs,
            advanced,
        }
    }

    fn call(&self, address: Address, priority: Priority) -> Call {
        let call = Call::get(address, self.operation)
            .needs(self.needs)
            .priority(priority)
            .header(super::throttle_priority(), super::priority_value(priority))
            .within(LIST_STANDS_STILL, LIST_TAKES);
        if self.advanced { advanced(call) } else { call }
    }

    /// Reads a page and notes where the next one is.
    fn read(&mut self, source: &EntraSource, answer: &Answer) -> Result<Vec<Box<RawValue>>, Failure> {
        let broken = |reason: String| {
            let reason = Reason(reason);
            Failure::because(SYSTEM, self.operation, ErrorKind::UnexpectedAnswer, reason)
        };
        let page: Page = parse(answer)
            .map_err(|error| broken(format!("page {}: {}", self.page, clean(&error.to_string()))))?;
        self.next = match page.next {
            None => None,
            Some(link) => {
                let address = source.directory.origin().accept_link(&link).map_err(|foreign| {
                    Failure::because(SYSTEM, self.operation, ErrorKind::UnexpectedAnswer, foreign)
                })?;
                if !self.seen.insert(address.fingerprint()) {
                    return Err(broken(format!(
                        "page {} links back to a page that was read already",
                        self.page
                    )));
                }
                if self.page >= PAGES {
                    return Err(broken(format!("more than {PAGES} pages")));
                }
                Some(address)
            }
        };
        self.page += 1;
        Ok(page.value)
    }
}

/// Reads JSON whose text may hold broken UTF-8 somewhere.
fn parse<T: for<'de> Deserialize<'de>>(answer: &Answer) -> Result<T, serde_json::Error> {
    match std::str::from_utf8(answer.text()) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_str(&String::from_utf8_lossy(answer.text())),
    }
}

fn advanced(call: Call) -> Call {
    call.header(
        HeaderName::from_static("consistencylevel"),
        HeaderValue::from_static("eventual"),
    )
}

impl EntraSource {
    /// Everybody, page by page.
    pub(super) fn list_people(&self) -> BoxStream<'_, Result<Vec<SourcePerson>, ConnectorError>> {
        enum State {
            Start,
            Going(Listing),
            Over,
        }
        stream::try_unfold(State::Start, move |state| async move {
            let (mut listing, answer) = match state {
                State::Start => self.first_page().await?,
                State::Going(mut listing) => {
                    let Some(address) = listing.next.take() else {
                        return Ok(None);
                    };
                    let call = listing.call(address, Priority::Background);
                    let answer = self.directory.send(call).await?;
                    (listing, answer)
                }
                State::Over => return Ok(None),
            };
            let page = listing.page;
            let rows = listing.read(self, &answer)?;
            let people = people_of(&rows, page)?;
            let next = if listing.next.is_some() {
                State::Going(listing)
            } else {
                State::Over
            };
            Ok(Some((people, next)))
        })
        .boxed()
    }

    /// The first page, with fewer columns if the rights granted do not allow all, and as an advanced query if the
    /// filter turns out to need one.
    async fn first_page(&self) -> Result<(Listing, Answer), Failure> {
        let filter = self.filter.as_deref();
        let mut is_advanced = filter.is_some_and(needs_advanced);
        loop {
            let columns = self.columns();
            let mut query = vec![("$select", columns), ("$top", PAGE)];
            query.extend(filter.map(|filter| ("$filter", filter)));
            if is_advanced {
                query.push(("$count", "true"));
            }
            let address = self.directory.address(&["v1.0", "users"], &query);
            let listing = Listing::new(&address, "list the people", LIST_RIGHT, is_advanced);
            match self
                .directory
                .send(listing.call(address, Priority::Background))
                .await
            {
                Ok(answer) => return Ok((listing, answer)),
                Err(failure) if self.may_ask_for_less(&failure, columns) => {}
                Err(failure) if filter.is_some() && !is_advanced && is_unsupported_query(&failure) => {
                    is_advanced = true;
                }
                Err(mut failure) if filter.is_some() && is_unsupported_query(&failure) => {
                    failure.kind = ErrorKind::Configuration;
                    let hint = "the configured Graph filter was not accepted; try it in Graph Explorer first";
                    return Err(failure.hint(hint));
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// The people for whom any of `wanted` holds.
    pub(super) async fn find_people(
        &self,
        wanted: &[SourceLookup],
    ) -> Result<Vec<SourcePerson>, ConnectorError> {
        let found: Vec<Vec<SourcePerson>> = stream::iter(filters(wanted))
            .map(|filter| async move { self.find_by(&filter).await })
            .buffer_unordered(LOOKUPS)
            .try_collect()
            .await?;
        let mut people: HashMap<SourceId, SourcePerson> = HashMap::new();
        for person in found.into_iter().flatten() {
            people.insert(person.id.clone(), person);
        }
        Ok(people.into_values().collect())
    }

    async fn find_by(&self, filter: &str) -> Result<Vec<SourcePerson>, Failure> {
        loop {
            let columns = self.columns();
            let query = [("$select", columns), ("$top", PAGE), ("$filter", filter)];
            let first = self.directory.address(&["v1.0", "users"], &query);
            let listing = Listing::new(&first, "look people up", LIST_RIGHT, false);
            match self.all_rows(listing, first, Priority::Foreground).await {
                Ok(rows) => return people_of(&rows, 1),
                Err(failure) if self.may_ask_for_less(&failure, columns) => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn all_rows(
        &self,
        mut listing: Listing,
        first: Address,
        priority: Priority,
    ) -> Result<Vec<Box<RawValue>>, Failure> {
        let mut rows = Vec::new();
        let mut next = Some(first);
        while let Some(address) = next {
            let answer = self.directory.send(listing.call(address, priority)).await?;
            rows.extend(listing.read(self, &answer)?);
            next = listing.next.take();
        }
        Ok(rows)
    }

    /// After a 403 with all columns: the basic ones may still be allowed. A refusal of those is final.
    fn may_ask_for_less(&self, failure: &Failure, asked: &str) -> bool {
        let worth_it = asked == FULL && matches!(failure.kind, ErrorKind::NotAllowed { .. });
        if worth_it && !self.basic_columns.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "not all properties of people may be read; going on without account status, employee \
                 number, department and title"
            );
        }
        worth_it
    }

    fn columns(&self) -> &'static str {
        if self.basic_columns.load(Ordering::Relaxed) {
            BASIC
        } else {
            FULL
        }
    }

    /// Ids of the people in a group, nested groups flattened.
    pub(super) async fn members_of(&self, group: &str) -> Result<Vec<SourceId>, ConnectorError> {
        let group = group.trim();
        let id = match person_id(group) {
            Some(id) => id.as_str().to_owned(),
            None => self.group_id(group).await?,
        };
        let first = self.directory.address(
            &["v1.0", "groups", &id, "transitiveMembers", "microsoft.graph.user"],
            &[("$select", "id"), ("$top", PAGE), ("$count", "true")],
        );
        let listing = Listing::new(&first, "list the members of a group", GROUP_RIGHT, true);
        let rows = self
            .all_rows(listing, first, Priority::Background)
            .await
            .map_err(|failure| {
                if failure.kind == ErrorKind::NotFound {
                    failure.hint(format!(
                        "there is no group {}; check the configuration",
                        clean(group)
                    ))
                } else {
                    failure
                }
            })?;
        let mut members = Vec::with_capacity(rows.len());
        for row in rows {
            // Leaving somebody out who should be excluded would be worse than not starting.
            let Some(id) = id_of(&row) else {
                let reason = Reason("a member without an id".into());
                let kind = ErrorKind::UnexpectedAnswer;
                return Err(Failure::because(SYSTEM, "list the members of a group", kind, reason).into());
            };
            members.push(id);
        }
        Ok(members)
    }

    /// The id of the only group with this display name.
    async fn group_id(&self, name: &str) -> Result<String, Failure> {
        let filter = format!("displayName eq {}", quoted(name));
        let first = self.directory.address(
            &["v1.0", "groups"],
            &[
                ("$filter", &filter),
                ("$select", "id,displayName"),
                ("$top", "20"),
            ],
        );
        let operation = "find a group by its name";
        let listing = Listing::new(&first, operation, GROUP_RIGHT, false);
        let rows = self.all_rows(listing, first, Priority::Background).await?;
        let ids: Vec<String> = rows
            .iter()
            .filter_map(|row| id_of(row))
            .map(|id| id.as_str().to_owned())
            .collect();
        let shown = clean(name);
        let wrong = |kind, words: String, hint: &str| {
            let reason = Reason(words);
            Err(Failure::because(SYSTEM, operation, kind, reason).hint(hint))
        };
        match &ids[..] {
            [id] => Ok(id.clone()),
            [] => wrong(
                ErrorKind::NotFound,
                format!("no group is called \"{shown}\""),
                "check the group's name in the configuration, or use its object id",
            ),
            several => wrong(
                ErrorKind::Configuration,
                format!(
                    "{} groups are called \"{shown}\": {}",
                    several.len(),
                    several[..several.len().min(5)].join(", ")
                ),
                "use the object id of the one that is meant",
            ),
        }
    }
}

/// The filters that find `wanted`, each within the service's limits.
fn filters(wanted: &[SourceLookup]) -> Vec<String> {
    let mut by_property: [(&str, Vec<String>); 4] = [
        ("id", Vec::new()),
        ("userPrincipalName", Vec::new()),
        ("mail", Vec::new()),
        ("employeeId", Vec::new()),
    ];
    let mut seen = HashSet::new();
    for lookup in wanted {
        let (place, value) = match lookup {
            SourceLookup::Id(id) => match person_id(id) {
                Some(id) => (0, id.as_str().to_owned()),
                // What is no GUID is nobody's id, and Graph refuses the whole filter.
                None => continue,
            },
            SourceLookup::Principal(name) => (1, name.clone()),
            SourceLookup::Mail(mail) => (2, mail.clone()),
            SourceLookup::EmployeeId(number) => (3, number.clone()),
        };
        // No stored value holds a control character, and an empty one would match half the directory.
        let usable = !value.trim().is_empty() && !value.contains(char::is_control);
        if usable && seen.insert((place, value.to_lowercase())) {
            by_property[place].1.push(quoted(&value));
        }
    }
    by_property
        .iter()
        .flat_map(|(property, values)| {
            values
                .chunks(IN_LIST)
                .map(move |chunk| format!("{property} in ({})", chunk.join(",")))
        })
        .collect()
}

/// A text as a literal of the filter language.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// True for filters that only work as advanced queries (`entra.md` 2.2).
fn needs_advanced(filter: &str) -> bool {
    let filter = format!(" {} ", filter.to_ascii_lowercase());
    [" ne ", " not ", " not(", "(not ", "(not(", "endswith(", "/$count"]
        .iter()
        .any(|word| filter.contains(word))
}

fn is_unsupported_query(failure: &Failure) -> bool {
    failure.status().is_some_and(|status| status == 400)
        && failure
            .answer
            .as_ref()
            .and_then(|answer| answer.json::<Value>().ok())
            .and_then(|body| super::outcome::error_code(&body))
            .is_some_and(|code| code.eq_ignore_ascii_case("Request_UnsupportedQuery"))
}

/// Reads the rows of a page. A row without an id is left out and named in the log; rows that show nothing but ids
/// mean that a right is missing (`entra.md` 1.10).
fn people_of(rows: &[Box<RawValue>], page: usize) -> Result<Vec<SourcePerson>, Failure> {
    let mut people = Vec::with_capacity(rows.len());
    let mut nameless = 0;
    for (number, row) in rows.iter().enumerate() {
        let Some(person) = person_of(row) else {
            tracing::warn!(
                page,
                row = number + 1,
                "a person without a usable id was left out"
            );
            continue;
        };
        nameless += usize::from(person.name.is_empty() && person.principal.is_empty());
        people.push(person);
    }
    if !people.is_empty() && nameless == people.len() {
        let reason = Reason(
            "people are listed without any property but their id, as to somebody who may not read them"
                .into(),
        );
        let kind = ErrorKind::NotAllowed {
            needs: LIST_RIGHT.to_owned(),
        };
        return Err(Failure::because(SYSTEM, "list the people", kind, reason));
    }
    Ok(people)
}

/// One row, property by property: a property of the wrong type counts as missing. `None` without a usable id.
fn person_of(row: &RawValue) -> Option<SourcePerson> {
    let row: Value = serde_json::from_str(row.get()).ok()?;
    let text = |name: &str| row.get(name).and_then(Value::as_str);
    let some = |name: &str| text(name).and_then(RemoteText::non_empty);
    let principal = RemoteText::from(text("userPrincipalName").unwrap_or_default());
    Some(SourcePerson {
        id: person_id(text("id")?)?,
        name: some("displayName").unwrap_or_else(|| principal.clone()),
        principal,
        mail: some("mail"),
        employee_id: some("employeeId"),
        department: some("department"),
        job_title: some("jobTitle"),
        kind: match text("userType") {
            Some(kind) if kind.eq_ignore_ascii_case("member") => AccountKind::Member,
            Some(kind) if kind.eq_ignore_ascii_case("guest") => AccountKind::Guest,
            _ => AccountKind::Unspecified,
        },
        enabled: row.get("accountEnabled").and_then(Value::as_bool),
    })
}

fn id_of(row: &RawValue) -> Option<SourceId> {
    let row: Value = serde_json::from_str(row.get()).ok()?;
    person_id(row.get("id")?.as_str()?)
}

/// An object id: a GUID with dashes, in lower case.
pub(super) fn person_id(text: &str) -> Option<SourceId> {
    let text = text.trim();
    if text.len() != 36 {
        return None;
    }
    let id = uuid::Uuid::try_parse(text).ok()?;
    Some(SourceId::new(id.hyphenated().to_string()))
}

/// Reads any bytes as a page; whoever is on it can be asked for, and a link leads to nobody else.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn fuzz_page(bytes: &[u8]) {
    use crate::connector::http::Origin;

    let origin = Origin::parse("https://graph.microsoft.com").expect("an origin");
    let Ok(page) = parse::<Page>(&super::fuzzing::answer(bytes)) else {
        return;
    };
    if let Some(Ok(address)) = page.next.map(|link| origin.accept_link(&link)) {
        assert!(origin.holds(&address), "{address:?}");
    }
    for person in people_of(&page.value, 1).unwrap_or_default() {
        assert!(super::fuzzing::is_object_id(&person.id), "{person:?}");
        assert!(!person.name.shown().contains(char::is_control));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).expect("valid JSON")
    }

    const ID: &str = "3f9a2c10-6d1e-4f0b-9a77-1b2c3d4e5f60";

    #[test]
    fn a_row_with_odd_properties_keeps_what_can_be_read() {
        let odd = format!(
            r#"{{"id":"{}","userPrincipalName":"ada@x.org","displayName":null,"mail":["?"],"employeeId":7,
                "userType":"GUEST","accountEnabled":"yes","unknown":{{"a":[1]}}}}"#,
            ID.to_uppercase()
        );
        let person = person_of(&row(&odd)).expect("readable");
        assert_eq!(person.id.as_str(), ID);
        assert_eq!(person.name.raw(), "ada@x.org");
        assert_eq!(
            (person.mail, person.employee_id, person.enabled),
            (None, None, None)
        );
        assert_eq!(person.kind, AccountKind::Guest);
        crate::tried("E11", 1);
    }

    #[test]
    fn one_bad_row_does_not_take_the_page_with_it() {
        let good = format!(r#"{{"id":"{ID}","displayName":"Ada"}}"#);
        let rows = [
            row("null"),
            row(r#"{"displayName":"no id"}"#),
            row(r#"{"id":"../../evil"}"#),
            row(&good),
            row("[]"),
        ];
        let people = people_of(&rows, 1).expect("readable");
        assert_eq!(people.len(), 1);
        assert_eq!(people[0].name.raw(), "Ada");
        crate::tried("E11", 4);
    }

    #[test]
    fn rows_with_nothing_but_ids_mean_a_missing_right() {
        let bare = format!(r##"{{"@odata.type":"#microsoft.graph.user","id":"{ID}","displayName":null}}"##);
        let failure = people_of(&[row(&bare), row(&bare)], 1).expect_err("a missing right");
        assert!(matches!(failure.kind, ErrorKind::NotAllowed { .. }));
        assert!(people_of(&[], 1).expect("an empty page is fine").is_empty());
    }

    #[test]
    fn lookups_become_filters_of_fifteen_with_quotes_doubled() {
        let mut wanted: Vec<SourceLookup> = (0..16)
            .map(|number| SourceLookup::Id(format!("00000000-0000-4000-8000-0000000000{number:02}")))
            .collect();
        wanted.push(SourceLookup::Id("not-a-guid' or 1 eq 1".into()));
        wanted.push(SourceLookup::Mail("o'hara@x.org".into()));
        wanted.push(SourceLookup::Mail("O'HARA@X.ORG".into()));
        wanted.push(SourceLookup::Mail(" ".into()));
        wanted.push(SourceLookup::Principal("a\u{0}b".into()));
        wanted.push(SourceLookup::EmployeeId("7".into()));
        let filters = filters(&wanted);
        assert_eq!(filters.len(), 4);
        assert_eq!(filters[0].matches('\'').count(), 30);
        assert_eq!(filters[1], "id in ('00000000-0000-4000-8000-000000000015')");
        assert_eq!(filters[2..], ["mail in ('o''hara@x.org')", "employeeId in ('7')"]);
    }

    #[test]
    fn only_filters_that_need_it_are_advanced_queries() {
        for (filter, expected) in [
            ("accountEnabled eq true and userType eq 'Member'", false),
            ("startswith(displayName,'a')", false),
            ("mail ne null", true),
            ("not(department eq 'x')", true),
            ("NOT startsWith(mail,'a')", true),
            ("accountEnabled eq true and (not(userType eq 'Guest'))", true),
            ("endsWith(mail,'@x.org')", true),
            ("assignedLicenses/$count eq 0", true),
        ] {
            assert_eq!(needs_advanced(filter), expected, "{filter}");
        }
    }
}
