//! Manager and direct reports (`entra.md` 2.5).

use serde::Deserialize;
use serde_json::value::RawValue;

use super::people::{LIST_RIGHT, person_id};
use super::{EntraSource, SYSTEM, priority_value, throttle_priority};
use crate::connector::http::{Call, Failure, Reason};
use crate::connector::{ErrorKind, Priority};
use crate::domain::anatomy::{Colleague, Colleagues};
use crate::domain::ids::SourceId;
use crate::domain::text::RemoteText;

/// Reports listed at most; a screen shows a handful.
const REPORTS: usize = 24;
/// What a [`Colleague`] needs.
const COLUMNS: &str = "id,displayName,userPrincipalName,mail,jobTitle";

#[derive(Deserialize)]
struct Collection {
    value: Vec<Box<RawValue>>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

/// A directory object: a user, or a contact, who has no photo here.
#[derive(Deserialize)]
struct Object {
    id: String,
    #[serde(rename = "@odata.type")]
    kind: Option<String>,
    #[serde(rename = "displayName")]
    name: Option<String>,
    #[serde(rename = "userPrincipalName")]
    principal: Option<String>,
    mail: Option<String>,
    #[serde(rename = "jobTitle")]
    title: Option<String>,
}

impl EntraSource {
    /// Both at once, one request each: whoever has hundreds of reports has them listed elsewhere.
    pub(super) async fn read_colleagues(
        &self,
        person: &SourceId,
        priority: Priority,
    ) -> Result<Colleagues, Failure> {
        if person_id(person.as_str()).is_none() {
            let reason = Reason("this is no object id of Entra ID".into());
            let operation = format!("read the manager of {person}");
            return Err(Failure::because(
                SYSTEM,
                operation,
                ErrorKind::Configuration,
                reason,
            ));
        }
        let (manager, (reports, has_more_reports)) = futures::try_join!(
            self.read_manager(person, priority),
            self.read_reports(person, priority)
        )?;
        Ok(Colleagues {
            manager,
            reports,
            has_more_reports,
        })
    }

    async fn read_manager(
        &self,
        person: &SourceId,
        priority: Priority,
    ) -> Result<Option<Colleague>, Failure> {
        let path = ["v1.0", "users", person.as_str(), "manager"];
        let address = self.directory.address(&path, &[("$select", COLUMNS)]);
        let operation = "read the manager";
        let call = Call::get(address, operation)
            .needs(LIST_RIGHT)
            .priority(priority)
            .header(throttle_priority(), priority_value(priority));
        match self.directory.send(call).await {
            Ok(answer) => {
                let row: Box<RawValue> = answer
                    .json()
                    .map_err(|error| Failure::unreadable(SYSTEM, operation, &error))?;
                Ok(colleague_of(&row))
            }
            // The person is known to exist, so it is the manager who does not.
            Err(failure) if failure.kind == ErrorKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn read_reports(
        &self,
        person: &SourceId,
        priority: Priority,
    ) -> Result<(Vec<Colleague>, bool), Failure> {
        let path = ["v1.0", "users", person.as_str(), "directReports"];
        let top = REPORTS.to_string();
        let address = self
            .directory
            .address(&path, &[("$select", COLUMNS), ("$top", &top)]);
        let operation = "read the direct reports";
        let call = Call::get(address, operation)
            .needs(LIST_RIGHT)
            .priority(priority)
            .header(throttle_priority(), priority_value(priority));
        match self.directory.send(call).await {
            Ok(answer) => {
                let page: Collection = answer
                    .json()
                    .map_err(|error| Failure::unreadable(SYSTEM, operation, &error))?;
                let has_more = page.next.is_some() || page.value.len() > REPORTS;
                let rows = page.value.iter().take(REPORTS);
                let mut reports: Vec<Colleague> = rows.filter_map(|row| colleague_of(row)).collect();
                reports.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
                Ok((reports, has_more))
            }
            // Gone a moment ago: nobody reports to them.
            Err(failure) if failure.kind == ErrorKind::NotFound => Ok((Vec::new(), false)),
            Err(failure) => Err(failure),
        }
    }
}

/// Reads one colleague; `None` for whatever is no user, or has no usable id.
fn colleague_of(row: &RawValue) -> Option<Colleague> {
    let object: Object = serde_json::from_str(row.get()).ok()?;
    let is_user = object.kind.as_deref().is_none_or(|kind| {
        kind.trim_start_matches('#')
            .eq_ignore_ascii_case("microsoft.graph.user")
    });
    let id = person_id(&object.id).filter(|_| is_user)?;
    Some(Colleague {
        id,
        name: RemoteText::new(object.name.unwrap_or_default()),
        principal: object.principal.and_then(RemoteText::non_empty),
        mail: object.mail.and_then(RemoteText::non_empty),
        job_title: object.title.and_then(RemoteText::non_empty),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contacts_and_rows_without_an_id_are_left_out() {
        let row = |json: &str| colleague_of(&RawValue::from_string(json.to_owned()).expect("JSON"));
        let id = "5c3a3d0a-7d7e-4a52-9a34-2f4d8b1f7e10";
        let user = row(&format!(
            r##"{{"@odata.type":"#microsoft.graph.user","id":"{id}","displayName":"Ada","mail":null}}"##
        ));
        assert_eq!(user.expect("a user").name, "Ada".into());
        let contact = format!(r##"{{"@odata.type":"#microsoft.graph.orgContact","id":"{id}"}}"##);
        assert_eq!(row(&contact), None);
        assert_eq!(row(r#"{"id":"../../me"}"#), None);
        assert_eq!(row("17"), None);
    }
}
