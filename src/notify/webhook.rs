//! A JSON message by HTTPS: plain, as a card for a Teams workflow, or as Slack blocks.
//!
//! Texts go into elements that know no markup (`TextRun` in a card, `plain_text` in a block), so that what a service
//! said can neither become a link nor call everybody in the channel.

use std::fmt;

use ::http::header::{ACCEPT, CONTENT_TYPE};
use ::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{Notice, NotifyError, TIME_LIMIT, Undelivered, message};
use crate::config::values::NotifyValues;
use crate::connector::http::{Address, Origin, Transport, TransportSettings};
use crate::domain::text::clean;

/// The most bytes of an answer that are read.
const ANSWER: u64 = 64 * 1024;
/// The longest heading of a Slack message, in characters.
const SLACK_HEADER: usize = 150;

/// Posts notices to one address.
pub(super) struct Webhook {
    kind: Kind,
    host: String,
    address: Address,
    transport: Transport,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Generic,
    Teams,
    Slack,
}

impl Webhook {
    /// Reads the settings; `None` if there is no address.
    pub(super) fn new(values: &NotifyValues) -> Result<Option<Self>, NotifyError> {
        let Some(url) = &values.webhook_url else {
            return Ok(None);
        };
        let url = url.expose().trim();
        let origin = Origin::parse(url).map_err(|_| NotifyError::Webhook)?;
        let address = origin.accept_link(url).map_err(|_| NotifyError::Webhook)?;
        Ok(Some(Self {
            kind: match values.webhook_kind.as_str() {
                "teams" => Kind::Teams,
                "slack" => Kind::Slack,
                _ => Kind::Generic,
            },
            host: clean(origin.host()).into_owned(),
            address,
            transport: Transport::new(TransportSettings {
                ca_file: values.ca_file.clone(),
                connections: 1,
                ..TransportSettings::default()
            }),
        }))
    }

    /// Posts a notice; what was answered.
    pub(super) async fn send(&self, notice: &Notice) -> Result<String, Undelivered> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        let body = Bytes::from(shape(self.kind, notice).to_string());
        let answer = self
            .transport
            .post(self.address.clone(), headers, body, ANSWER, TIME_LIMIT)
            .await
            .map_err(|error| Undelivered {
                words: error.to_string(),
                may_pass: error.may_pass,
            })?;
        let text = String::from_utf8_lossy(&answer.body);
        let words = clean(text.lines().next().unwrap_or_default().trim()).into_owned();
        let status = answer.status;
        let said = format!("{status} {words}").trim_end().to_owned();
        if status.is_success() {
            return Ok(said);
        }
        let said = if status.is_redirection() {
            format!("{status}: it leads elsewhere, which is not followed")
        } else {
            said
        };
        Err(Undelivered {
            words: said,
            may_pass: status.is_server_error() || status.as_u16() == 429,
        })
    }
}

impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "webhook at {}", self.host)
    }
}

/// The message as the receiver understands it.
pub(super) fn shape(kind: Kind, notice: &Notice) -> Value {
    match kind {
        Kind::Generic => generic(notice),
        Kind::Teams => teams(notice),
        Kind::Slack => slack(notice),
    }
}

fn generic(notice: &Notice) -> Value {
    let mut value = json!({
        "schema": "avatar-sync/notice/1",
        "occasion": notice.occasion.code(),
        "title": message::title(notice),
        "sentence": notice.sentence,
        "profile": notice.profile,
        "host": notice.host,
        "at": notice.at,
        "run": notice.run.as_ref().map(crate::domain::ids::RunId::as_str),
        "exit_code": notice.exit_code,
        "summary": notice.summary,
        "failures_in_a_row": notice.in_a_row,
        "next_command": notice.next_command,
        "next_run": notice.next_run,
    });
    if !notice.people.is_empty() {
        value["people"] = json!(notice.people);
    }
    value
}

/// A message with one Adaptive Card, which a workflow "when a Teams webhook request is received" posts to its channel.
fn teams(notice: &Notice) -> Value {
    let run = |text: &str, more: Value| {
        let mut run = json!({"type": "TextRun", "text": text});
        for (key, value) in more.as_object().into_iter().flatten() {
            run[key] = value.clone();
        }
        run
    };
    let block = |inlines: Vec<Value>| json!({"type": "RichTextBlock", "inlines": inlines});
    let heading = run(
        &message::title(notice),
        json!({"weight": "Bolder", "size": "Medium"}),
    );
    let mut body = vec![
        block(vec![heading]),
        block(vec![run(&notice.sentence, Value::Null)]),
    ];
    for (label, value) in message::facts(notice) {
        body.push(block(vec![
            run(&format!("{label}: "), json!({"weight": "Bolder"})),
            run(&value, Value::Null),
        ]));
    }
    body.push(block(vec![
        run("Type next: ", json!({"weight": "Bolder"})),
        run(&notice.next_command, json!({"fontType": "Monospace"})),
    ]));
    for person in &notice.people {
        body.push(block(vec![run(person, Value::Null)]));
    }
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": body,
                "msteams": {"width": "Full"},
            },
        }],
    })
}

fn slack(notice: &Notice) -> Value {
    let plain = |text: String| json!({"type": "plain_text", "text": text, "emoji": false});
    let title = message::title(notice);
    let heading: String = title.chars().take(SLACK_HEADER).collect();
    let fields: Vec<Value> = message::facts(notice)
        .into_iter()
        .map(|(label, value)| plain(format!("{label}\n{value}")))
        .collect();
    let mut blocks = vec![
        json!({"type": "header", "text": plain(heading)}),
        json!({"type": "section", "text": plain(notice.sentence.clone())}),
        json!({"type": "section", "fields": fields}),
        json!({"type": "section", "text": plain(format!("Type next:\n{}", notice.next_command))}),
    ];
    if !notice.people.is_empty() {
        blocks.push(json!({"type": "section", "text": plain(bounded(&notice.people.join("\n")))}));
    }
    json!({
        // What a notification on a phone shows; here markup is read, so its three signs are written out.
        "text": title.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
        "blocks": blocks,
    })
}

/// A Slack text has 3,000 characters at most.
fn bounded(text: &str) -> String {
    text.chars().take(2_900).collect()
}
