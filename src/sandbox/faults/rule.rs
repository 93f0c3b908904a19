//! One fault rule: when it applies and what it does, read from JSON.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use parking_lot::Mutex;
use regex::Regex;
use serde_json::Value;

use super::pages::Page;
use crate::sandbox::control::fields::{FieldError, Fields};
use crate::sandbox::exchange::Response;

const RULE: &str = "a fault rule";
const EFFECT: &str = "`do` of a fault rule";

/// A rule of `sandbox.md`, Control.
#[derive(Debug)]
pub struct Rule {
    /// Goes up with every rule added; the key of `DELETE /faults/{id}`.
    pub id: u64,
    /// What it does.
    pub effect: Effect,
    pub(super) source: Value,
    pub(super) batch_item: bool,
    service: Option<&'static str>,
    method: Option<Method>,
    path: Option<Regex>,
    query: Option<Regex>,
    skip: u64,
    times: Option<u64>,
    probability: f64,
    seen: AtomicU64,
    acted: AtomicU64,
    complaint: Mutex<Option<String>>,
}

/// What a rule does to a request.
#[derive(Clone, Debug)]
pub struct Effect {
    /// How long the request waits first.
    pub delay: Duration,
    /// What happens then.
    pub action: Action,
    /// Something that happens in the world just before the request is carried out, as if somebody else did it.
    pub meanwhile: Option<Meanwhile>,
}

/// What happens to a request, besides waiting.
#[derive(Clone, Debug)]
pub enum Action {
    /// Nothing: only the delay.
    Pass,
    /// This answer instead of the service's own; the request is carried out first if `carried_out`.
    Answer {
        /// The answer.
        response: Response,
        /// "Did it but answered 504".
        carried_out: bool,
    },
    /// 401 in the service's own words for a token that has run out; nothing carried out.
    ExpiredToken,
    /// The connection closes without an answer, and nothing was carried out.
    DropBefore,
    /// The request is carried out, and the connection closes without an answer.
    DropAfter,
    /// The connection closes in the middle of the body.
    DropInBody,
    /// The connection is reset after this many bytes of the answer, head included.
    ResetAfter(usize),
    /// The body is cut to this many bytes; the framing is right.
    Truncate(usize),
    /// The answer, head included, arrives at this many bytes a second.
    Trickle(NonZeroU32),
    /// `Content-Length` differs from the body by this much.
    WrongLength(i64),
    /// The body begins again and again and never ends.
    Endless,
    /// The request is carried out twice; the second answer is given.
    Duplicate,
    /// The answer's links lead to this origin.
    ForeignLink(String),
    /// An uploaded file is accepted and then quarantined (`servicenow.md` E48).
    Quarantine,
    /// An uploaded file is accepted, but something else is kept.
    Keep(Kept),
}

/// What is kept instead of an uploaded file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The first half of the file.
    Half,
    /// A transparent GIF of one pixel.
    Pixel,
}

/// A request to the control address that is carried out on the way.
#[derive(Clone, Debug)]
pub struct Meanwhile {
    /// Method.
    pub method: Method,
    /// Path and query: `/servicenow/users/ada/avatar?on=sys_user`.
    pub target: String,
    /// Body.
    pub body: Bytes,
}

impl Rule {
    /// Reads a rule.
    pub(super) fn parse(id: u64, text: &[u8]) -> Result<Self, FieldError> {
        let source = serde_json::from_slice(text).unwrap_or(Value::Null);
        let mut fields = Fields::parse(RULE, text)?;
        let service = fields.word("service", &[("entra", "entra"), ("servicenow", "servicenow")])?;
        let method = match fields.text("method")? {
            None => None,
            Some(name) => Some(parse_method(&name)?),
        };
        let path = pattern(&mut fields, "path")?;
        let query = pattern(&mut fields, "query")?;
        let skip = fields.whole("skip", 0, i64::MAX)?.unwrap_or(0);
        let times = fields.whole("times", 0, i64::MAX)?;
        let probability = fields.number("probability", 0.0, 1.0)?.unwrap_or(1.0);
        let batch_item = fields.flag("batch_item")?;
        let effect = fields.any("do");
        fields.finish()?;
        let Some(effect) = effect else {
            return Err(FieldError::new(format_args!(
                "{RULE} needs `do`: what happens to the request."
            )));
        };
        let effect = Effect::parse(effect)?;
        if batch_item && effect.item_answer("entra").is_none() {
            return Err(FieldError::new(format_args!(
                "{EFFECT} with `batch_item` can only be an answer (`status`, `html`, `expired_token`), because an \
                 item has no connection of its own."
            )));
        }
        Ok(Self {
            id,
            effect,
            source,
            batch_item,
            service,
            method,
            path,
            query,
            skip: skip.unsigned_abs(),
            times: times.map(i64::unsigned_abs),
            probability,
            seen: AtomicU64::new(0),
            acted: AtomicU64::new(0),
            complaint: Mutex::new(None),
        })
    }

    pub(super) fn matches(&self, service: &str, method: &Method, path: &str, query: &str) -> bool {
        self.service.is_none_or(|wanted| wanted == service)
            && self.method.as_ref().is_none_or(|wanted| wanted == method)
            && self.path.as_ref().is_none_or(|pattern| pattern.is_match(path))
            && self.query.as_ref().is_none_or(|pattern| pattern.is_match(query))
    }

    /// Counts a matching request and says whether the rule acts on it.
    pub(super) fn takes(&self, chance: impl FnOnce(u64) -> f64) -> bool {
        let ordinal = self.seen.fetch_add(1, Ordering::Relaxed);
        if ordinal < self.skip || (self.probability < 1.0 && chance(ordinal) >= self.probability) {
            return false;
        }
        let allowed = |acted: u64| self.times.is_none_or(|times| acted < times).then_some(acted + 1);
        self.acted
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, allowed)
            .is_ok()
    }

    /// Notes why the rule could not do what it says; `GET /faults` shows the latest.
    pub(crate) fn complain(&self, sentence: impl Into<String>) {
        *self.complaint.lock() = Some(sentence.into());
    }

    /// The rule as it was sent, with its id and how often it has matched and acted.
    pub(super) fn describe(&self) -> Value {
        serde_json::json!({
            "id": self.id,
            "matched": self.seen.load(Ordering::Relaxed),
            "acted": self.acted.load(Ordering::Relaxed),
            "complaint": *self.complaint.lock(),
            "rule": self.source,
        })
    }
}

impl Effect {
    fn parse(value: Value) -> Result<Self, FieldError> {
        let mut fields = Fields::from_value(EFFECT, value)?;
        let delay = fields.whole("delay_ms", 0, 3_600_000)?;
        let meanwhile = fields.any("meanwhile").map(Meanwhile::parse).transpose()?;
        let mut actions = Vec::new();
        if let Some(answer) = parse_answer(&mut fields)? {
            actions.push(answer);
        }
        if fields.flag("expired_token")? {
            actions.push(Action::ExpiredToken);
        }
        actions.extend(
            fields
                .word(
                    "drop",
                    &[
                        ("before", &Action::DropBefore),
                        ("after", &Action::DropAfter),
                        ("mid_body", &Action::DropInBody),
                    ],
                )?
                .cloned(),
        );
        actions.extend(size(&mut fields, "reset_after_bytes")?.map(Action::ResetAfter));
        actions.extend(size(&mut fields, "truncate_body")?.map(Action::Truncate));
        if fields.flag("empty")? {
            actions.push(Action::Truncate(0));
        }
        let rate = fields.whole("trickle", 1, 1_000_000_000)?;
        actions.extend(
            rate.and_then(|rate| NonZeroU32::new(u32::try_from(rate).ok()?))
                .map(Action::Trickle),
        );
        let difference = fields.whole("wrong_length", -1_000_000_000, 1_000_000_000)?;
        actions.extend(difference.map(Action::WrongLength));
        if fields.flag("endless")? {
            actions.push(Action::Endless);
        }
        if fields.flag("duplicate")? {
            actions.push(Action::Duplicate);
        }
        actions.extend(fields.text("foreign_link")?.map(Action::ForeignLink));
        if fields.flag("quarantine")? {
            actions.push(Action::Quarantine);
        }
        let kept = fields.word("keep", &[("half", Kept::Half), ("pixel", Kept::Pixel)])?;
        actions.extend(kept.map(Action::Keep));
        fields.finish()?;

        if actions.len() > 1 {
            return Err(FieldError::new(format_args!(
                "{EFFECT} asks for {} things at once; only `delay_ms` and `meanwhile` go together with another.",
                actions.len()
            )));
        }
        if actions.is_empty() && delay.is_none() && meanwhile.is_none() {
            return Err(FieldError::new(format_args!(
                "{EFFECT} is empty: nothing would happen."
            )));
        }
        Ok(Self {
            delay: Duration::from_millis(delay.unwrap_or(0).unsigned_abs()),
            action: actions.pop().unwrap_or(Action::Pass),
            meanwhile,
        })
    }

    /// The answer an item of a batch gets, where the effect is an answer.
    pub(super) fn item_answer(&self, service: &str) -> Option<Response> {
        match &self.action {
            Action::Answer { response, .. } => Some(response.clone()),
            Action::ExpiredToken => Some(super::expired_token(service)),
            _ => None,
        }
    }
}

impl Meanwhile {
    fn parse(value: Value) -> Result<Self, FieldError> {
        const WHAT: &str = "`meanwhile` of a fault rule";
        let mut fields = Fields::from_value(WHAT, value)?;
        let method = fields.text("method")?;
        let target = fields.text("path")?;
        let body = body(&mut fields)?;
        fields.finish()?;
        let (Some(method), Some(target)) = (method, target) else {
            return Err(FieldError::new(format_args!(
                "{WHAT} needs `method` and `path`, as of a request to the control address."
            )));
        };
        Ok(Self {
            method: parse_method(&method)?,
            target,
            body: body.unwrap_or_default(),
        })
    }
}

/// `status`, `headers`, `body` or `body_base64`, `html`, `redirect`, `carried_out`: the ways to give an answer.
fn parse_answer(fields: &mut Fields) -> Result<Option<Action>, FieldError> {
    let status = fields.whole("status", 200, 599)?;
    let status = status.and_then(|status| u16::try_from(status).ok());
    let page = fields.word("html", &Page::WORDS)?;
    let redirect = fields.text("redirect")?;
    let headers = fields.any("headers");
    let body = body(fields)?;
    let carried_out = fields.flag("carried_out")?;

    let mut response = match (page, &redirect, status) {
        (Some(_), Some(_), _) => {
            return Err(FieldError::new(format_args!(
                "{EFFECT} has both `html` and `redirect`; it can answer only one of them."
            )));
        }
        (Some(page), None, status) => page.response(status.unwrap_or(200)),
        (None, Some(target), status) => {
            Response::empty(status.unwrap_or(302)).with_header("location", target)
        }
        (None, None, Some(status)) => Response::empty(status),
        (None, None, None) => {
            if headers.is_some() || body.is_some() || carried_out {
                return Err(FieldError::new(format_args!(
                    "{EFFECT} has `headers`, `body` or `carried_out`, but no `status` to answer with."
                )));
            }
            return Ok(None);
        }
    };
    if let Some(headers) = headers {
        let Value::Object(headers) = headers else {
            return Err(FieldError::new(format_args!(
                "`headers` of {EFFECT} must be a JSON object."
            )));
        };
        for (name, value) in headers {
            set_header(&mut response, &name, &value)?;
        }
    }
    if let Some(body) = body {
        if !response.headers.contains_key(http::header::CONTENT_TYPE) {
            let is_json = matches!(body.first(), Some(b'{' | b'['));
            let kind = if is_json { "application/json" } else { "text/plain" };
            response
                .headers
                .insert(http::header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        response.body = body;
    }
    Ok(Some(Action::Answer {
        response,
        carried_out,
    }))
}

fn set_header(response: &mut Response, name: &str, value: &Value) -> Result<(), FieldError> {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match (HeaderName::try_from(name), HeaderValue::from_str(&text)) {
        (Ok(name), Ok(value)) => {
            response.headers.insert(name, value);
            Ok(())
        }
        _ => Err(FieldError::new(format_args!(
            "`headers` of {EFFECT} has `{name}`, which cannot be sent as a header."
        ))),
    }
}

/// `body` (a text, or JSON sent as JSON) or `body_base64`.
fn body(fields: &mut Fields) -> Result<Option<Bytes>, FieldError> {
    let plain = fields.any("body").map(|body| match body {
        Value::String(text) => Bytes::from(text),
        other => Bytes::from(other.to_string()),
    });
    let Some(encoded) = fields.text("body_base64")? else {
        return Ok(plain);
    };
    match BASE64.decode(encoded) {
        Ok(bytes) => Ok(Some(Bytes::from(bytes))),
        Err(error) => Err(FieldError::new(format_args!(
            "`body_base64` is not base64: {error}."
        ))),
    }
}

fn size(fields: &mut Fields, key: &'static str) -> Result<Option<usize>, FieldError> {
    let number = fields.whole(key, 0, 1_000_000_000)?;
    Ok(number.and_then(|number| usize::try_from(number).ok()))
}

fn pattern(fields: &mut Fields, key: &'static str) -> Result<Option<Regex>, FieldError> {
    let Some(text) = fields.text(key)? else {
        return Ok(None);
    };
    let complaint = |error| FieldError::new(format_args!("`{key}` is not a regular expression: {error}"));
    Regex::new(&text).map(Some).map_err(complaint)
}

fn parse_method(name: &str) -> Result<Method, FieldError> {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    if known.contains(&name) {
        Ok(Method::from_bytes(name.as_bytes()).expect("the known methods are valid"))
    } else {
        Err(FieldError::new(format_args!(
            "`method` is `{name}`, but it must be one of {}.",
            known.join(", ")
        )))
    }
}
