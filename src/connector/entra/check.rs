//! Harmless probes of connection, sign-in and every right, in order (`entra.md` 10.1, step 8).

use futures::StreamExt;
use serde_json::Value;

use super::EntraSource;
use super::people::{LIST_RIGHT, person_id};
use super::photos::PHOTO_RIGHT;
use super::sign_in::{explained, roles};
use crate::connector::http::{Call, Failure};
use crate::connector::{ConnectorError, ErrorKind, Priority, Probe, ProbeResult};
use crate::domain::ids::SourceId;
use crate::domain::photo::SourcePhoto;
use crate::domain::text::clean;

/// People whose photos are tried.
const TRIED: &str = "5";

/// Rights that let an application list people with everything we show.
const LIST_ALL: [&str; 2] = ["User.Read.All", "Directory.Read.All"];
/// Rights that let it read photos for certain. The permission map also lists `User.Read.All`, but tenants differ
/// (`entra.md` 1.10).
const PHOTOS: [&str; 2] = ["ProfilePhoto.Read.All", "ProfilePhoto.ReadWrite.All"];
/// Rights that one of our features uses.
const USED: [&str; 5] = [
    "User.Read.All",
    "User.ReadBasic.All",
    "ProfilePhoto.Read.All",
    "GroupMember.Read.All",
    "Application.Read.All",
];

impl EntraSource {
    /// All probes; the first failure that makes the rest pointless ends the list.
    pub(super) async fn probe(&self) -> Vec<Probe> {
        let mut probes = Vec::new();
        for step in [Step::Tenant, Step::SignIn, Step::Rights, Step::People] {
            let probe = self.step(step).await;
            let failed = matches!(probe.result, ProbeResult::Failed { .. });
            probes.push(probe);
            if failed {
                return probes;
            }
        }
        probes
    }

    async fn step(&self, step: Step) -> Probe {
        let (what, result) = match step {
            Step::Tenant => ("find the tenant", self.probe_tenant().await),
            Step::SignIn => ("sign in to Entra ID", self.probe_sign_in().await),
            Step::Rights => ("see which rights are granted", self.probe_rights().await),
            Step::People => ("list people and read their photos", self.probe_people().await),
        };
        Probe {
            what: what.to_owned(),
            result: result.unwrap_or_else(|failure| failed(failure.into())),
        }
    }

    async fn probe_tenant(&self) -> Result<ProbeResult, Failure> {
        let path = [&self.tenant, "v2.0", ".well-known", "openid-configuration"];
        let address = self.login.address(&path, &[]);
        let call = Call::get(address, "find the tenant")
            .priority(Priority::Foreground)
            .at_most(256 * 1024);
        let answer = self.login.send(call).await.map_err(explained)?;
        let issuer = answer
            .json::<Value>()
            .ok()
            .and_then(|body| body["issuer"].as_str().map(|issuer| clean(issuer).into_owned()));
        Ok(ProbeResult::Passed(issuer.map_or_else(
            || format!("{} answers for {}", self.login.origin(), self.tenant),
            |issuer| format!("its tokens come from {issuer}"),
        )))
    }

    async fn probe_sign_in(&self) -> Result<ProbeResult, Failure> {
        // Rights that were granted a minute ago show only in a new token.
        self.tokens.forget();
        self.tokens.token().await?;
        Ok(ProbeResult::Passed(
            "the client id and secret were accepted".to_owned(),
        ))
    }

    async fn probe_rights(&self) -> Result<ProbeResult, Failure> {
        let token = self.tokens.token().await?;
        Ok(judge_rights(roles(&token).as_deref()))
    }

    async fn probe_people(&self) -> Result<ProbeResult, Failure> {
        let address = self
            .directory
            .address(&["v1.0", "users"], &[("$top", TRIED), ("$select", "id")]);
        let call = Call::get(address, "list people")
            .priority(Priority::Foreground)
            .needs(LIST_RIGHT);
        let answer = self.directory.send(call).await?;
        let body: Value = answer
            .json()
            .map_err(|error| Failure::unreadable(super::SYSTEM, "list people", &error))?;
        let people: Vec<SourceId> = body["value"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|row| person_id(row["id"].as_str()?))
            .collect();
        if people.is_empty() {
            return Ok(ProbeResult::Warning {
                seen: "the directory lists nobody".to_owned(),
                hint: "check the tenant, and that the application may read people".to_owned(),
            });
        }
        let (mut present, mut absent, mut unreadable) = (0, 0, Vec::new());
        let mut stamps = self.read_stamps(Box::new(people.into_iter()), Priority::Foreground);
        while let Some(stamp) = stamps.next().await {
            match stamp {
                Ok((_, SourcePhoto::Present(_))) => present += 1,
                Ok((_, SourcePhoto::Absent)) => absent += 1,
                Ok((_, SourcePhoto::Unreadable(reason) | SourcePhoto::OutOfReach(reason))) => {
                    unreadable.push(reason);
                }
                Ok((_, SourcePhoto::Unknown)) => {}
                Err(error) => return Ok(failed(error)),
            }
        }
        let seen = format!(
            "of {} people tried, {present} have a photo and {absent} have none",
            present + absent + unreadable.len()
        );
        Ok(match unreadable.into_iter().next() {
            None => ProbeResult::Passed(seen),
            Some(reason) if present + absent > 0 => ProbeResult::Warning {
                seen: format!("{seen}; at least one could not be read: {reason}"),
                hint: "people like this are reported as unreadable and left alone".to_owned(),
            },
            Some(reason) => ProbeResult::Failed {
                kind: ErrorKind::NotAllowed {
                    needs: PHOTO_RIGHT.to_owned(),
                },
                seen: reason,
                hint: format!("grant {PHOTO_RIGHT}"),
            },
        })
    }
}

#[derive(Clone, Copy)]
enum Step {
    Tenant,
    SignIn,
    Rights,
    People,
}

/// A failed probe from an error: its deepest words and its hint.
fn failed(error: ConnectorError) -> ProbeResult {
    let mut seen = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(deeper) = cause {
        seen = deeper.to_string();
        cause = deeper.source();
    }
    ProbeResult::Failed {
        hint: error
            .hint
            .unwrap_or_else(|| "see the log for the whole answer".to_owned()),
        kind: error.kind,
        seen,
    }
}

/// What the granted rights are good for: too few, too many, or just right (`reliability.md` 8.4).
fn judge_rights(granted: Option<&[String]>) -> ProbeResult {
    let Some(granted) = granted else {
        return ProbeResult::Warning {
            seen: "the token does not show its rights".to_owned(),
            hint: "the next probes show whether they suffice".to_owned(),
        };
    };
    let has = |names: &[&str]| granted.iter().any(|right| names.contains(&right.as_str()));
    let shown = if granted.is_empty() {
        "none".to_owned()
    } else {
        clean(&granted.join(", ")).into_owned()
    };
    let seen = format!("granted: {shown}");
    let may_list = has(&LIST_ALL) || has(&["User.ReadBasic.All"]);
    let may_see_photos = has(&PHOTOS) || has(&["User.Read.All", "User.ReadBasic.All"]);
    if !may_list || !may_see_photos {
        let needs = match (may_list, may_see_photos) {
            (false, true) => LIST_RIGHT.to_owned(),
            (true, false) => PHOTO_RIGHT.to_owned(),
            _ => {
                "User.Read.All and ProfilePhoto.Read.All as application permissions of Microsoft Graph, with \
                  admin consent"
                    .to_owned()
            }
        };
        return ProbeResult::Failed {
            hint: format!(
                "in Entra admin center, App registrations > API permissions, add {needs}; then press \"Grant \
                 admin consent\" and run the check again"
            ),
            kind: ErrorKind::NotAllowed { needs },
            seen,
        };
    }
    let mut notes = Vec::new();
    if !has(&PHOTOS) {
        notes.push(
            "add ProfilePhoto.Read.All: some tenants serve no photos without it, though it is not needed in all"
                .to_owned(),
        );
    }
    if !has(&LIST_ALL) {
        notes.push(
            "without User.Read.All, account status, user type, employee numbers and departments stay unknown"
                .to_owned(),
        );
    }
    let unused: Vec<&str> = granted
        .iter()
        .map(String::as_str)
        .filter(|right| !USED.contains(right))
        .collect();
    if !unused.is_empty() {
        notes.push(format!(
            "more is granted than is needed; remove {}",
            clean(&unused.join(", "))
        ));
    }
    if notes.is_empty() {
        ProbeResult::Passed(seen)
    } else {
        ProbeResult::Warning {
            seen,
            hint: notes.join("; "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(granted: &[&str]) -> ProbeResult {
        let granted: Vec<String> = granted.iter().map(|&right| right.to_owned()).collect();
        judge_rights(Some(&granted))
    }

    fn hint(result: &ProbeResult) -> &str {
        match result {
            ProbeResult::Passed(_) => "",
            ProbeResult::Warning { hint, .. } | ProbeResult::Failed { hint, .. } => hint,
        }
    }

    #[test]
    fn the_recommended_rights_pass() {
        assert!(matches!(
            judge(&["User.Read.All", "ProfilePhoto.Read.All", "GroupMember.Read.All"]),
            ProbeResult::Passed(_)
        ));
    }

    #[test]
    fn missing_rights_are_named() {
        let nothing = judge(&[]);
        assert!(matches!(nothing, ProbeResult::Failed { .. }));
        assert!(hint(&nothing).contains("User.Read.All") && hint(&nothing).contains("ProfilePhoto.Read.All"));
        let no_list = judge(&["ProfilePhoto.Read.All"]);
        assert!(matches!(no_list, ProbeResult::Failed { .. }) && hint(&no_list).contains("User.Read.All"));
        let no_photos = judge(&["Directory.Read.All"]);
        assert!(hint(&no_photos).contains("ProfilePhoto.Read.All"));
    }

    #[test]
    fn what_is_lost_and_what_is_too_much_is_said() {
        let strict = judge(&["User.ReadBasic.All", "ProfilePhoto.Read.All"]);
        assert!(matches!(strict, ProbeResult::Warning { .. }) && hint(&strict).contains("employee numbers"));
        let much = judge(&[
            "User.Read.All",
            "ProfilePhoto.Read.All",
            "User.ReadWrite.All",
            "Directory.Read.All",
        ]);
        assert!(
            hint(&much).contains("remove User.ReadWrite.All, Directory.Read.All"),
            "{}",
            hint(&much)
        );
        let implied = judge(&["User.Read.All"]);
        assert!(hint(&implied).contains("add ProfilePhoto.Read.All"));
    }
}
