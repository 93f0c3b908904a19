//! Query options and page tokens (`entra.md` 2.1, 2.2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer::{Failure, to_json};
use crate::sandbox::exchange::Request;

/// Most objects on a page.
const MOST_ON_PAGE: u32 = 999;

/// The system query options of a request.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// Names as sent, without repetitions; empty is the default selection.
    pub(super) select: Vec<String>,
    /// 1 to 999.
    pub(super) top: Option<u32>,
    pub(super) filter: Option<String>,
    pub(super) search: Option<String>,
    pub(super) order_by: Option<String>,
    pub(super) expand: Option<String>,
    /// `$count=true` was sent.
    pub(super) count: bool,
    pub(super) skip_token: Option<String>,
    pub(super) delta_token: Option<String>,
    /// `ConsistencyLevel: eventual` was sent.
    pub(super) is_eventual: bool,
}

impl Options {
    pub(super) fn parse(request: &Request) -> Result<Self, Failure> {
        let mut options = Self {
            is_eventual: request
                .header("consistencylevel")
                .is_some_and(|level| level.eq_ignore_ascii_case("eventual")),
            ..Self::default()
        };
        let mut seen = Vec::new();
        for (name, value) in url::form_urlencoded::parse(request.query.as_bytes()) {
            let Some(name) = known_option(&name)? else {
                continue;
            };
            if seen.contains(&name) {
                return Err(Failure::bad_request(format!(
                    "Query option '${name}' was specified more than once, but it must be specified at most once."
                )));
            }
            seen.push(name);
            let text = Some(value.trim().to_owned()).filter(|text| !text.is_empty());
            match name {
                "select" => options.select = names(value.as_ref()),
                "top" => options.top = Some(page_size(value.as_ref())?),
                "filter" => options.filter = text,
                "search" => options.search = text,
                "orderby" => options.order_by = text,
                "expand" => options.expand = text,
                "count" => options.count = value.eq_ignore_ascii_case("true"),
                "skiptoken" => options.skip_token = text,
                "deltatoken" => options.delta_token = Some(value.into_owned()),
                "skip" => {
                    return Err(Failure::new(
                        400,
                        "Request_BadRequest",
                        "'$skip' is not supported by the service.",
                    ));
                }
                _ => {}
            }
        }
        Ok(options)
    }

    /// The header and the parameter that advanced queries need are both there.
    pub(super) fn is_advanced(&self) -> bool {
        self.is_eventual && self.count
    }
}

/// The option's name without `$`; `None` for a parameter that is none of OData's.
fn known_option(name: &str) -> Result<Option<&'static str>, Failure> {
    const KNOWN: &[&str] = &[
        "select",
        "top",
        "filter",
        "search",
        "orderby",
        "expand",
        "count",
        "skiptoken",
        "deltatoken",
        "skip",
        "format",
    ];
    let bare = name.strip_prefix('$').unwrap_or(name);
    let known = KNOWN.iter().find(|known| known.eq_ignore_ascii_case(bare));
    match known {
        Some(known) => Ok(Some(known)),
        None if name.starts_with('$') => Err(Failure::bad_request(format!(
            "The query parameter '{name}' is not supported."
        ))),
        None => Ok(None),
    }
}

/// The names of a comma-separated list, each once.
pub(super) fn names(list: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

fn page_size(value: &str) -> Result<u32, Failure> {
    value
        .parse()
        .ok()
        .filter(|size| (1..=MOST_ON_PAGE).contains(size))
        .ok_or_else(|| {
            Failure::unsupported_query(format!(
                "Invalid page size specified: '{value}'. Must be between 1 and {MOST_ON_PAGE} inclusive."
            ))
        })
}

/// Page tokens begin like the directory's own.
const TOKEN_MARK: &[u8] = b"DSpt\x02\x00\x01\x00";

/// Writes a page or delta token.
pub(super) fn write_token(state: &impl Serialize) -> String {
    let mut token = TOKEN_MARK.to_vec();
    token.extend(to_json(state));
    URL_SAFE_NO_PAD.encode(token)
}

/// Reads a page or delta token back.
pub(super) fn read_token<T: DeserializeOwned>(token: &str) -> Result<T, Failure> {
    URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|token| serde_json::from_slice(token.strip_prefix(TOKEN_MARK)?).ok())
        .ok_or_else(|| {
            Failure::new(
                400,
                "Request_BadRequest",
                "The page token in the request is not valid.",
            )
        })
}

/// The address of the next page: this request with another `$skiptoken`.
pub(super) fn next_link(request: &Request, token: &str) -> String {
    let is_old_token = |parameter: &str| {
        let name = parameter.split('=').next().unwrap_or_default();
        let name = name
            .strip_prefix('$')
            .or_else(|| name.strip_prefix("%24"))
            .unwrap_or(name);
        name.eq_ignore_ascii_case("skiptoken")
    };
    let mut link = format!("{}{}?", request.base, request.path);
    for parameter in request.query.split('&') {
        if !parameter.is_empty() && !is_old_token(parameter) {
            link.push_str(parameter);
            link.push('&');
        }
    }
    link.push_str("$skiptoken=");
    link.push_str(token);
    link
}
