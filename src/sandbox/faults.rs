//! Fault rules: what goes wrong, when, and how often (`sandbox.md`, Control; `reliability.md` 7).
//!
//! A rule is a JSON object. The conditions are all optional: `service` (`entra` or `servicenow`), `method`, `path` and
//! `query` (regular expressions over the path as sent and the query as sent), `skip` (the first matches pass), `times`
//! (how often it acts; `null`: always), `probability` (drawn from the sandbox's seed), and `batch_item` (it concerns
//! items inside a batch, matched by their full path `/v1.0/…`, not whole requests). Rules are tried in the order in
//! which they were added and the first that acts ends the search; one that skips, or whose dice say no, does not act.
//!
//! `do` holds one of the following. `delay_ms` may stand alone or beside any of them, and so may `meanwhile`.
//!
//! | Key | Effect |
//! |---|---|
//! | `status`, with `headers`, `body` or `body_base64` | that answer, nothing carried out; with `carried_out: true` the request is carried out first |
//! | `html`: `login`, `hibernating`, `maintenance` | that page with status 200, or with `status` |
//! | `redirect`: URL | 302, or `status`, to that place |
//! | `expired_token` | 401 as for a token that has run out |
//! | `drop`: `before`, `after`, `mid_body` | the connection closes: nothing carried out; carried out but not answered; half of the body sent |
//! | `reset_after_bytes`: n | TCP reset after n bytes of the answer, head included |
//! | `truncate_body`: n | the body is cut after n bytes, framing intact; `empty: true` is the same with 0 |
//! | `wrong_length`: n | `Content-Length` is n too large, or with a negative n too small |
//! | `trickle`: n | the answer arrives at n bytes a second, head included |
//! | `endless` | the body starts over and over and never ends |
//! | `duplicate` | carried out twice, answered once |
//! | `foreign_link`: origin | links in the answer lead to that origin |
//! | `quarantine` | an upload is accepted, then its attachment becomes `not_available` |
//! | `keep`: `half`, `pixel` | an upload is accepted, but half of it, or a one-pixel GIF, is kept |
//! | `meanwhile`: `{"method","path","body"}` | a request to the control address that is carried out just before: somebody else changes the same thing |

mod batch;
mod pages;
mod rule;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use http::Method;
use parking_lot::RwLock;
use serde_json::Value;

pub use pages::Page;
pub use rule::{Action, Effect, Kept, Meanwhile, Rule};

use super::control::fields::FieldError;
use super::exchange::Response;

/// The most rules there can be at a time.
const MOST_RULES: usize = 1_000;

/// The rules in force. Shared by both services and the control address.
#[derive(Debug)]
pub struct FaultRules {
    seed: u64,
    next_id: AtomicU64,
    /// Whether there is any rule: without one, a request costs one atomic read.
    armed: AtomicBool,
    rules: RwLock<Vec<Arc<Rule>>>,
}

impl FaultRules {
    /// No rules yet; the seed decides what `probability` draws.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            next_id: AtomicU64::new(1),
            armed: AtomicBool::new(false),
            rules: RwLock::default(),
        }
    }

    /// Adds a rule, behind all others, and gives its id.
    pub fn add(&self, rule: &[u8]) -> Result<u64, FieldError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let rule = Rule::parse(id, rule)?;
        let mut rules = self.rules.write();
        if rules.len() >= MOST_RULES {
            return Err(FieldError::new(format_args!(
                "There are {MOST_RULES} fault rules already; remove some first."
            )));
        }
        rules.push(Arc::new(rule));
        self.armed.store(true, Ordering::Release);
        Ok(id)
    }

    /// Removes all rules.
    pub fn clear(&self) {
        let mut rules = self.rules.write();
        rules.clear();
        self.armed.store(false, Ordering::Release);
    }

    /// Removes one rule; false if there is no such rule.
    pub fn remove(&self, id: u64) -> bool {
        let mut rules = self.rules.write();
        let before = rules.len();
        rules.retain(|rule| rule.id != id);
        self.armed.store(!rules.is_empty(), Ordering::Release);
        rules.len() < before
    }

    /// The rules in order, as they were sent, each with how often it matched and acted.
    pub fn list(&self) -> Vec<Value> {
        self.rules.read().iter().map(|rule| rule.describe()).collect()
    }

    /// The rule that acts on a request, if any.
    pub fn decide(&self, service: &str, method: &Method, path: &str, query: &str) -> Option<Arc<Rule>> {
        self.first(false, service, method, path, query)
    }

    /// What a rule answers to an item of a batch instead of the service; `path` is the item's full path
    /// (`/v1.0/users/…/photo`), without query. The server asks once for every item, before the service sees the batch.
    pub fn for_batch_item(&self, service: &str, method: &Method, path: &str) -> Option<Response> {
        let rule = self.first(true, service, method, path, "")?;
        rule.effect.item_answer(service)
    }

    fn is_armed(&self) -> bool {
        self.armed.load(Ordering::Acquire)
    }

    fn first(
        &self,
        batch_item: bool,
        service: &str,
        method: &Method,
        path: &str,
        query: &str,
    ) -> Option<Arc<Rule>> {
        if !self.is_armed() {
            return None;
        }
        let rules = self.rules.read();
        let acting = rules.iter().find(|rule| {
            rule.batch_item == batch_item
                && rule.matches(service, method, path, query)
                && rule.takes(|ordinal| unit(self.seed ^ rule.id.rotate_left(32), ordinal))
        });
        acting.cloned()
    }
}

/// The answer to a token that has run out, in the service's words (`entra.md` 5.9, `servicenow.md` 5.3).
pub(crate) fn expired_token(service: &str) -> Response {
    if service == "entra" {
        let body = serde_json::json!({"error": {
            "code": "InvalidAuthenticationToken",
            "message": "Lifetime validation failed, the token is expired.",
        }});
        Response::json(401, "application/json", &body).with_header("www-authenticate", "Bearer realm=\"\"")
    } else {
        let body = serde_json::json!({
            "error": {"message": "User Not Authenticated", "detail": "Required to provide Auth information"},
            "status": "failure",
        });
        Response::json(401, "application/json;charset=UTF-8", &body)
            .with_header("www-authenticate", "BASIC realm=\"Service-now\"")
    }
}

/// The `ordinal`-th number of a seed's sequence, in [0, 1): the same for the same arguments, on every machine.
pub(crate) fn unit(seed: u64, ordinal: u64) -> f64 {
    // SplitMix64, whose outputs are well spread even for neighbouring seeds.
    let mut state = seed.wrapping_add(ordinal.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((state ^ (state >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests;
