//! Harmless proofs of connection, sign-in and every right to read (`servicenow.md` 7, `reliability.md` G8).
//!
//! Nothing is written: whether the account may upload and delete shows with the first push, one person at a time.

use super::client::{Client, Subject};
use super::failure::{is_query_refused, is_table_missing};
use super::query::{Filter, TableRead};
use super::reads::{attachment_subject, image_filter, people_subject, profile_filter, profile_subject};
use super::rows::{IMAGE_LIVE_PROFILE, IMAGE_SYS_USER, Row};
use super::settings::{ServiceNowSettings, WriteMode};
use crate::connector::http::Failure;
use crate::connector::{ErrorKind, Priority, Probe, ProbeResult};
use crate::domain::text::clean;

/// What a sample of rows shows.
struct Sample {
    rows: usize,
    shown: Vec<bool>,
    /// `table_name` and the like, for the checks that need a value.
    first: Option<String>,
}

/// Runs all probes; those that cannot succeed any more are left out.
pub(super) async fn run(client: &Client, settings: &ServiceNowSettings) -> Vec<Probe> {
    let mut probes = Vec::new();
    let people = people(client, settings).await;
    let goes_on = !matches!(
        &people.result,
        ProbeResult::Failed {
            kind: ErrorKind::SignInRejected
                | ErrorKind::WrongSpeaker(_)
                | ErrorKind::Unavailable
                | ErrorKind::Throttled
                | ErrorKind::PauseTooLong
                | ErrorKind::Configuration,
            ..
        }
    );
    if goes_on {
        probes.push(Probe {
            what: format!("reach {} and sign in", settings.origin),
            result: ProbeResult::Passed("the instance answered with data".to_owned()),
        });
    }
    probes.push(people);
    if goes_on {
        probes.push(profiles(client, settings).await);
        probes.push(pictures(client).await);
        probes.push(paging(client, settings).await);
        probes.push(properties(client, settings).await);
    }
    probes
}

/// People in scope, with their picture columns and the key column.
async fn people(client: &Client, settings: &ServiceNowSettings) -> Probe {
    let what = "read people (sys_user)".to_owned();
    let scope = match Filter::scope(&settings.scope) {
        Ok(scope) => scope,
        Err(error) => {
            let result = ProbeResult::Failed {
                kind: ErrorKind::Configuration,
                seen: error.to_string(),
                hint: "correct the scope in the configuration".to_owned(),
            };
            return Probe { what, result };
        }
    };
    let mut subject = people_subject(settings, scope.columns());
    subject.fields.push_str(",avatar");
    let columns: Vec<String> = subject.fields.split(',').map(str::to_owned).collect();
    let sample = match sample(client, &subject, scope.plain(), &columns).await {
        Ok(sample) => sample,
        Err(failure) => return failed(what, failure),
    };
    if sample.rows == 0 {
        let result = ProbeResult::Warning {
            seen: format!("nobody is in scope ({})", clean(&settings.scope)),
            hint: "correct the scope, or let the account's role read sys_user: rows it may not read are left out"
                .to_owned(),
        };
        return Probe { what, result };
    }
    let hidden: Vec<&str> = columns
        .iter()
        .zip(&sample.shown)
        .filter(|(_, shown)| !**shown)
        .map(|(column, _)| column.as_str())
        .collect();
    let is_vital = |column: &str| {
        matches!(column, "sys_id" | "photo" | "avatar") || scope.columns().iter().any(|used| used == column)
    };
    let vital: Vec<&str> = hidden.iter().copied().filter(|column| is_vital(column)).collect();
    let result = if !vital.is_empty() {
        let list = vital.join(", ");
        ProbeResult::Failed {
            kind: ErrorKind::NotAllowed {
                needs: format!("read access to sys_user columns {list}"),
            },
            seen: format!("the rows come without {list}"),
            hint: format!(
                "give the account's role read access rules for {list} on sys_user, or correct a column name in the \
                 scope"
            ),
        }
    } else if !hidden.is_empty() {
        let list = hidden.join(", ");
        ProbeResult::Warning {
            seen: format!("the rows come without {list}"),
            hint: format!(
                "people cannot be matched by these columns; give the account's role read access rules for {list} on \
                 sys_user, or correct the name of the object id column"
            ),
        }
    } else {
        ProbeResult::Passed("photo, avatar and all key columns are readable".to_owned())
    };
    Probe { what, result }
}

async fn profiles(client: &Client, settings: &ServiceNowSettings) -> Probe {
    let what = "read profiles (live_profile)".to_owned();
    let subject = profile_subject();
    let columns = ["sys_id", "document", "photo"].map(str::to_owned);
    let sample = match sample(client, &subject, profile_filter().plain(), &columns).await {
        Ok(sample) => sample,
        Err(failure) if is_table_missing(&failure) => {
            let result = if settings.write_mode == WriteMode::SysUser {
                ProbeResult::Warning {
                    seen: "the instance has no table live_profile".to_owned(),
                    hint: "nothing to do: the write mode sys-user does not need it".to_owned(),
                }
            } else {
                ProbeResult::Failed {
                    kind: ErrorKind::Refused,
                    seen: "the instance has no table live_profile".to_owned(),
                    hint: "activate Live Feed (com.glideapp.live_common), or choose the write mode sys-user"
                        .to_owned(),
                }
            };
            return Probe { what, result };
        }
        Err(failure) => return failed(what, failure),
    };
    let result = verdict(
        &sample,
        &columns,
        "live_profile",
        "nobody has a profile that this account may read",
    );
    Probe { what, result }
}

async fn pictures(client: &Client) -> Probe {
    let what = "read stored pictures (sys_attachment)".to_owned();
    let subject = attachment_subject();
    let columns = [
        "sys_id",
        "table_name",
        "table_sys_id",
        "file_name",
        "hash",
        "state",
        "size_bytes",
        "content_type",
        "sys_created_on",
    ]
    .map(str::to_owned);
    let query = image_filter().plain();
    let result = match sample_with(client, &subject, query, &columns, Some("table_name")).await {
        Err(failure) => return failed(what, failure),
        Ok(sample) => match sample.first.as_deref() {
            Some(table) if ![IMAGE_SYS_USER, IMAGE_LIVE_PROFILE].contains(&table) => ProbeResult::Failed {
                kind: ErrorKind::UnexpectedAnswer,
                seen: format!(
                    "asked for pictures of image fields, got a row of {}",
                    clean(table)
                ),
                hint: "the instance ignores conditions of the query; check its query rules on sys_attachment"
                    .to_owned(),
            },
            _ => verdict(
                &sample,
                &columns,
                "sys_attachment",
                "there is no picture that this account may read",
            ),
        },
    };
    Probe { what, result }
}

/// Whether the instance lets us compare and sort by the key.
async fn paging(client: &Client, settings: &ServiceNowSettings) -> Probe {
    let what = "page through the tables by sys_id".to_owned();
    let scope = Filter::scope(&settings.scope).unwrap_or_else(|_| Filter::fixed("", &[]));
    let listings = [
        (people_subject(settings, &[]), scope),
        (profile_subject(), profile_filter()),
        (attachment_subject(), image_filter()),
    ];
    for (subject, filter) in listings {
        match sample(client, &subject, filter.after(Some("0")), &[]).await {
            Ok(_) => {}
            Err(failure) if is_query_refused(&failure) => {
                let result = ProbeResult::Warning {
                    seen: format!(
                        "the instance does not let the account compare or sort {} by sys_id",
                        subject.table
                    ),
                    hint: format!(
                        "allow the account's role the query_range rule on {}.sys_id; until then pages go by offset, \
                         which is slower and may miss rows that come and go meanwhile",
                        subject.table
                    ),
                };
                return Probe { what, result };
            }
            // What is missing here was named by the probe of the table itself.
            Err(failure) if is_table_missing(&failure) => {}
            Err(failure) => return failed(what, failure),
        }
    }
    Probe {
        what,
        result: ProbeResult::Passed("sorting and comparing by key is allowed".to_owned()),
    }
}

/// System properties that stand in the way of uploads.
async fn properties(client: &Client, settings: &ServiceNowSettings) -> Probe {
    let what = "look for system properties that stop uploads".to_owned();
    let subject = Subject {
        table: "sys_properties",
        fields: "name,value".to_owned(),
        operation: "read system properties",
        needs: "read access to sys_properties",
    };
    let read = TableRead {
        table: subject.table,
        fields: &subject.fields,
        query: "nameINglide.attachment.extensions,com.glide.attachment.max_size,\
                glide.security.file.mime_type.validation"
            .to_owned(),
        limit: 10,
        offset: 0,
        counted: false,
    };
    let parse = |row: &Row<'_>| {
        let cell = |name| row.get(name).unwrap_or_default().trim().to_owned();
        Ok(Some((cell("name"), cell("value"))))
    };
    let invisible = "not visible to this account, which is fine; defaults are assumed";
    let properties = match client.page(&subject, &read, Priority::Foreground, &parse).await {
        Ok(page) => page.rows,
        Err(failure) if failure.kind.stops_run() => return failed(what, failure),
        Err(_) => Vec::new(),
    };
    if properties.is_empty() {
        return Probe {
            what,
            result: ProbeResult::Passed(invisible.to_owned()),
        };
    }
    let value_of = |name: &str| {
        properties
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    };
    let writes_image_fields = settings.write_mode != WriteMode::SeedArticle;
    let mut seen = Vec::new();
    if let Some(extensions) = value_of("glide.attachment.extensions").filter(|_| writes_image_fields) {
        seen.push(format!(
            "glide.attachment.extensions is \"{}\"",
            clean(extensions)
        ));
    }
    if value_of("glide.security.file.mime_type.validation") == Some("true") && writes_image_fields {
        seen.push("glide.security.file.mime_type.validation is on".to_owned());
    }
    let max_size = value_of("com.glide.attachment.max_size").and_then(|text| text.parse::<u64>().ok());
    if let Some(megabytes) = max_size.filter(|size| size.saturating_mul(1024 * 1024) < settings.upload_limit)
    {
        seen.push(format!(
            "com.glide.attachment.max_size is {megabytes} MB, below the upload limit"
        ));
    }
    let result = if seen.is_empty() {
        ProbeResult::Passed("none".to_owned())
    } else {
        ProbeResult::Warning {
            seen: seen.join("; "),
            hint: "pictures of image fields are stored as \"photo\", without an extension: leave the extension list \
                   empty or tolerant, and keep the size above the upload limit"
                .to_owned(),
        }
    };
    Probe { what, result }
}

async fn sample(
    client: &Client,
    subject: &Subject,
    query: String,
    columns: &[String],
) -> Result<Sample, Failure> {
    sample_with(client, subject, query, columns, None).await
}

async fn sample_with(
    client: &Client,
    subject: &Subject,
    query: String,
    columns: &[String],
    value_of: Option<&str>,
) -> Result<Sample, Failure> {
    let read = TableRead {
        table: subject.table,
        fields: &subject.fields,
        query,
        limit: 5,
        offset: 0,
        counted: false,
    };
    let parse = |row: &Row<'_>| {
        let shown: Vec<bool> = columns.iter().map(|column| row.get(column).is_some()).collect();
        let value = value_of.and_then(|column| row.get(column)).map(str::to_owned);
        Ok(Some((shown, value)))
    };
    let page = client.page(subject, &read, Priority::Foreground, &parse).await?;
    let mut sample = Sample {
        rows: page.rows.len(),
        shown: vec![false; columns.len()],
        first: None,
    };
    for (shown, value) in page.rows {
        for (any, this) in sample.shown.iter_mut().zip(shown) {
            *any |= this;
        }
        sample.first = sample.first.or(value);
    }
    Ok(sample)
}

/// All columns must show; no rows at all prove nothing.
fn verdict(sample: &Sample, columns: &[String], table: &str, nothing: &str) -> ProbeResult {
    if sample.rows == 0 {
        return ProbeResult::Warning {
            seen: nothing.to_owned(),
            hint: format!("fine if there is none yet; otherwise let the account's role read {table}"),
        };
    }
    let hidden: Vec<&str> = columns
        .iter()
        .zip(&sample.shown)
        .filter(|(_, shown)| !**shown)
        .map(|(column, _)| column.as_str())
        .collect();
    if hidden.is_empty() {
        return ProbeResult::Passed("all columns are readable".to_owned());
    }
    let list = hidden.join(", ");
    ProbeResult::Failed {
        kind: ErrorKind::NotAllowed {
            needs: format!("read access to {table} columns {list}"),
        },
        seen: format!("the rows come without {list}"),
        hint: format!("give the account's role read access rules for {list} on {table}"),
    }
}

fn failed(what: String, failure: Failure) -> Probe {
    let seen = format!("could not {}: {}", failure.operation, failure.cause);
    Probe {
        what,
        result: ProbeResult::Failed {
            seen,
            hint: failure
                .hint
                .clone()
                .unwrap_or_else(|| "see the service's own words above".to_owned()),
            kind: failure.kind.clone(),
        },
    }
}
