//! Semaphores and hourly rate rules (`servicenow.md` 6.1, 6.2).

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use serde_json::json;

use super::errors::JSON;
use super::settings::{RateRule, RuleSubject, Throttle};
use crate::sandbox::exchange::Response;

/// Seconds of the window.
const HOUR: i64 = 3_600;

/// Counts of the rate rules, by rule and user.
#[derive(Debug, Default)]
pub struct RateWindows {
    windows: HashMap<(String, String), Window>,
    /// Requests that were refused by a rule.
    pub refused: u64,
    /// Requests that came before the `Retry-After` they had been given was over.
    pub early: u64,
}

#[derive(Debug, Default)]
struct Window {
    /// The hour, in hours since 1970.
    hour: i64,
    used: u32,
    /// Seconds since 1970 until when everything is refused, and the wait that was announced.
    blocked: Option<(i64, i64)>,
}

/// What a rule says to a request, for the headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    limit: u32,
    resets: i64,
    rule: String,
    retry_after: Option<i64>,
}

/// A request as rate rules see it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Account.
    pub user: &'a str,
    /// Its roles.
    pub roles: &'a BTreeSet<String>,
    /// `table`, `attachment`, `batch`, `stats`.
    pub api: &'a str,
    /// Method.
    pub method: &'a str,
}

/// The rule for a request: one for this user before one for a role before one for all, and among equals the lowest.
pub fn rule_for<'a>(throttle: &'a Throttle, subject: &Subject<'_>) -> Option<&'a RateRule> {
    let concerns = |rule: &&RateRule| {
        rule.api.as_deref().is_none_or(|api| api == subject.api)
            && rule
                .method
                .as_deref()
                .is_none_or(|method| method == subject.method)
    };
    let rank = |rule: &RateRule| match &rule.applies_to {
        RuleSubject::User(user) => (user == subject.user).then_some(0),
        RuleSubject::Role(role) => subject.roles.contains(role).then_some(1),
        RuleSubject::All => Some(2),
    };
    throttle
        .rate_rules
        .iter()
        .filter(concerns)
        .filter_map(|rule| rank(rule).map(|rank| ((rank, rule.limit), rule)))
        .min_by_key(|(key, _)| *key)
        .map(|(_, rule)| rule)
}

impl RateWindows {
    /// Counts a request against a rule.
    pub fn count(&mut self, rule: &RateRule, user: &str, now: Timestamp, restarts: bool) -> Verdict {
        let now = now.as_second();
        let window = self
            .windows
            .entry((rule.id.clone(), user.to_owned()))
            .or_default();
        let hour = now.div_euclid(HOUR);
        let hour_ends = (hour + 1) * HOUR;
        let mut verdict = Verdict {
            limit: rule.limit,
            resets: hour_ends,
            rule: rule.id.clone(),
            retry_after: None,
        };
        if let Some((until, wait)) = window.blocked {
            if now < until {
                self.refused += 1;
                self.early += 1;
                let until = if restarts { now + wait } else { until };
                window.blocked = Some((until, wait));
                verdict.resets = until;
                verdict.retry_after = Some(until - now);
                return verdict;
            }
            *window = Window::default();
        }
        if window.hour != hour {
            *window = Window {
                hour,
                ..Window::default()
            };
        }
        if window.used >= rule.limit {
            self.refused += 1;
            window.blocked = Some((hour_ends, hour_ends - now));
            verdict.retry_after = Some(hour_ends - now);
            return verdict;
        }
        window.used += 1;
        verdict
    }

    /// What the headers of an answer show of a rule that let the request pass.
    pub fn shown(rule: &RateRule, now: Timestamp) -> Verdict {
        Verdict {
            limit: rule.limit,
            resets: (now.as_second().div_euclid(HOUR) + 1) * HOUR,
            rule: rule.id.clone(),
            retry_after: None,
        }
    }

    /// Forgets all counts; rules may have changed.
    pub fn clear(&mut self) {
        self.windows.clear();
    }
}

impl Verdict {
    /// The refusal, if it is one (E30).
    pub fn refusal(&self, api: &str) -> Option<Response> {
        let retry_after = self.retry_after?;
        let name = match api {
            "table" => "Table API",
            "attachment" => "Attachment API",
            "batch" => "Batch API",
            "stats" => "Aggregate API",
            _ => "REST API",
        };
        let detail = format!(
            "Rate limit of {} requests per hour for {name} exceeded",
            self.limit
        );
        let body =
            json!({"error": {"message": "Rate limit exceeded", "detail": detail}, "status": "failure"});
        let response = Response::json(429, JSON, &body).with_header("retry-after", &retry_after.to_string());
        Some(self.mark(response))
    }

    /// Adds the headers that show the rule (E31).
    pub fn mark(&self, response: Response) -> Response {
        response
            .with_header("x-ratelimit-limit", &self.limit.to_string())
            .with_header("x-ratelimit-reset", &self.resets.to_string())
            .with_header("x-ratelimit-rule", &self.rule)
    }
}
