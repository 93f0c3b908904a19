//! Throttling as the services model it (`entra.md` 7.1, 7.2; `reliability.md` 7).
//!
//! Every limit has a scope. When one is exceeded, its scope pauses: until the pause is over, everything in it is
//! refused. A client that comes back early starts the wait anew and is counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::Serialize;

use super::answer::Failure;
use super::settings::{EntraSettings, OutlookConcurrency};

/// Concurrent requests that Outlook allows, in a mailbox or altogether.
const OUTLOOK_CONCURRENCY: u32 = 4;
/// How long a client has to wait after it was over the concurrency limit, in milliseconds.
const CONCURRENCY_WAIT_MS: i64 = 1_000;
const DIRECTORY_WINDOW_MS: i64 = 10_000;
const MAILBOX_WINDOW_MS: i64 = 600_000;

/// What throttling has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ThrottleCounters {
    /// Requests and batch items refused with 429.
    pub refused: u64,
    /// Of those, the ones that came although the client had been told to wait.
    pub early: u64,
}

/// What a request is counted against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cost {
    /// Directory resource units.
    Directory(u32),
    /// One request to a mailbox, named by the user's sequence number.
    Mailbox(u32),
}

/// Which limit was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Global,
    Directory,
    MailboxConcurrency,
    MailboxRequests,
}

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Throttled {
    limit: Limit,
    retry_after_s: i64,
}

impl Throttled {
    /// The answer: E43 or E44.
    pub(super) fn into_failure(self, application: &str, tenant: &str) -> Failure {
        let failure = match self.limit {
            Limit::Directory => Failure::too_many_requests()
                .with_header(
                    "x-ms-throttle-scope",
                    format!("Tenant_Application/ReadWrite/{application}/{tenant}"),
                )
                .with_header("x-ms-throttle-information", "ResourceUnitLimitExceeded"),
            Limit::Global => Failure::too_many_requests(),
            Limit::MailboxConcurrency => Failure::new(
                429,
                "ApplicationThrottled",
                "Application is over its MailboxConcurrency limit.",
            ),
            Limit::MailboxRequests => Failure::new(
                429,
                "ApplicationThrottled",
                "Application is over its request limit for this mailbox.",
            ),
        };
        failure.with_header("retry-after", self.retry_after_s.to_string())
    }
}

/// What a limit of the tenant allows in this moment.
#[derive(Clone, Copy)]
pub(super) struct Quota {
    directory_units: u32,
    mailbox_requests: u32,
    global_requests: u32,
    concurrency: OutlookConcurrency,
    batch_parallel: u32,
    grace_ms: i64,
}

impl Quota {
    /// The quota of a tenant with so many users (`entra.md` 7.1).
    pub(super) fn new(settings: &EntraSettings, users: usize) -> Self {
        let by_size = match users {
            0..50 => 3_500,
            50..=500 => 5_000,
            _ => 8_000,
        };
        Self {
            directory_units: settings.directory_units.unwrap_or(by_size),
            mailbox_requests: settings.mailbox_requests,
            global_requests: settings.global_requests,
            concurrency: settings.outlook_concurrency,
            batch_parallel: settings.batch_parallel.max(1),
            grace_ms: i64::from(settings.early_grace_ms),
        }
    }
}

/// The state of all limits.
#[derive(Default)]
pub(super) struct Limits {
    state: Mutex<State>,
    refused: AtomicU64,
    early: AtomicU64,
}

#[derive(Default)]
struct State {
    global: Window,
    directory: Window,
    mailbox_window_start: i64,
    mailbox_requests: HashMap<u32, u32>,
    in_flight: u32,
    in_flight_by_mailbox: HashMap<u32, u32>,
    pauses: HashMap<Scope, Pause>,
}

/// What pauses together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Scope {
    Global,
    Directory,
    AllMailboxes,
    Mailbox(u32),
}

#[derive(Clone, Copy)]
struct Pause {
    limit: Limit,
    started: i64,
    until: i64,
    wait: i64,
}

/// A fixed window in which something is counted.
#[derive(Default)]
struct Window {
    start: i64,
    used: u32,
}

impl Window {
    /// Counts; on refusal, says for how long.
    fn count(&mut self, cost: u32, limit: u32, length: i64, now: i64) -> Result<(), i64> {
        if now >= self.start + length || now < self.start {
            *self = Self { start: now, used: 0 };
        }
        if self.used.saturating_add(cost) > limit {
            return Err(self.start + length - now);
        }
        self.used += cost;
        Ok(())
    }
}

/// Places of mailbox concurrency, given back when dropped.
pub(super) struct Places {
    limits: Arc<Limits>,
    mailboxes: Vec<u32>,
}

impl Drop for Places {
    fn drop(&mut self) {
        let mut state = self.limits.state.lock();
        for mailbox in &self.mailboxes {
            state.in_flight = state.in_flight.saturating_sub(1);
            if let Some(count) = state.in_flight_by_mailbox.get_mut(mailbox) {
                *count -= 1;
                if *count == 0 {
                    state.in_flight_by_mailbox.remove(mailbox);
                }
            }
        }
    }
}

impl Limits {
    /// Lets a request in, holding its place, or refuses it.
    pub(super) fn admit(self: &Arc<Self>, cost: Cost, quota: Quota, now: i64) -> Result<Places, Throttled> {
        let mut state = self.state.lock();
        let mut mailboxes = Vec::new();
        self.counted(state.charge(cost, quota, now).and_then(|()| {
            if let Cost::Mailbox(mailbox) = cost {
                state.enter(mailbox, quota, now)?;
                mailboxes.push(mailbox);
            }
            Ok(())
        }))?;
        drop(state);
        Ok(Places {
            limits: Arc::clone(self),
            mailboxes,
        })
    }

    /// Lets the items of a batch in one by one: the places they hold, and what became of each.
    ///
    /// A few run at a time, so the items of a mailbox hold at most so many places; those for which there is no
    /// place in any of its rounds are refused.
    pub(super) fn admit_batch(
        self: &Arc<Self>,
        costs: &[Option<Cost>],
        quota: Quota,
        now: i64,
    ) -> (Places, Vec<Result<(), Throttled>>) {
        let mut state = self.state.lock();
        let mut mailboxes = Vec::new();
        // How many items came before, and how many places they hold, by scope.
        let mut seen: HashMap<Scope, (u32, u32)> = HashMap::new();
        let mut admit = |cost: Cost| {
            state.charge(cost, quota, now)?;
            let Cost::Mailbox(mailbox) = cost else {
                return Ok(());
            };
            let scope = match quota.concurrency {
                OutlookConcurrency::PerMailbox4 => Scope::Mailbox(mailbox),
                OutlookConcurrency::PerApp4 | OutlookConcurrency::Off => Scope::AllMailboxes,
            };
            let (items, held) = seen.entry(scope).or_default();
            let slot = *items % quota.batch_parallel;
            *items += 1;
            if slot < *held {
                // Runs in a place that an earlier item has left.
                return Ok(());
            }
            state.enter(mailbox, quota, now)?;
            *held += 1;
            mailboxes.push(mailbox);
            Ok(())
        };
        let results = costs
            .iter()
            .map(|cost| self.counted(cost.map_or(Ok(()), &mut admit)))
            .collect();
        drop(state);
        let places = Places {
            limits: Arc::clone(self),
            mailboxes,
        };
        (places, results)
    }

    /// How much of the directory's units is used, if that is more than 80 % (E45).
    pub(super) fn directory_load(&self, quota: Quota, now: i64) -> Option<f64> {
        let state = self.state.lock();
        let is_current = now < state.directory.start + DIRECTORY_WINDOW_MS;
        let load = f64::from(state.directory.used) / f64::from(quota.directory_units.max(1));
        (is_current && load >= 0.8).then(|| load.min(1.8))
    }

    pub(super) fn counters(&self) -> ThrottleCounters {
        ThrottleCounters {
            refused: self.refused.load(Ordering::Relaxed),
            early: self.early.load(Ordering::Relaxed),
        }
    }

    /// Forgets all windows, pauses and counters; requests in flight stay.
    pub(super) fn reset(&self) {
        let mut state = self.state.lock();
        let kept = State {
            in_flight: state.in_flight,
            in_flight_by_mailbox: std::mem::take(&mut state.in_flight_by_mailbox),
            ..State::default()
        };
        *state = kept;
        self.refused.store(0, Ordering::Relaxed);
        self.early.store(0, Ordering::Relaxed);
    }

    fn counted(&self, result: Result<(), Refused>) -> Result<(), Throttled> {
        result.map_err(|refused| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            if refused.is_early {
                self.early.fetch_add(1, Ordering::Relaxed);
            }
            refused.throttled
        })
    }
}

struct Refused {
    throttled: Throttled,
    is_early: bool,
}

impl State {
    /// Counts a request against every rate that concerns it.
    fn charge(&mut self, cost: Cost, quota: Quota, now: i64) -> Result<(), Refused> {
        self.check_pause(Scope::Global, quota, now)?;
        match cost {
            Cost::Directory(_) => self.check_pause(Scope::Directory, quota, now)?,
            Cost::Mailbox(mailbox) => {
                self.check_pause(Scope::AllMailboxes, quota, now)?;
                self.check_pause(Scope::Mailbox(mailbox), quota, now)?;
            }
        }
        self.global
            .count(1, quota.global_requests, DIRECTORY_WINDOW_MS, now)
            .map_err(|wait| self.pause(Scope::Global, Limit::Global, wait, now))?;
        match cost {
            Cost::Directory(units) => self
                .directory
                .count(units, quota.directory_units, DIRECTORY_WINDOW_MS, now)
                .map_err(|wait| self.pause(Scope::Directory, Limit::Directory, wait, now)),
            Cost::Mailbox(mailbox) => {
                let is_over = now >= self.mailbox_window_start + MAILBOX_WINDOW_MS;
                if is_over || now < self.mailbox_window_start {
                    self.mailbox_window_start = now;
                    self.mailbox_requests.clear();
                }
                let count = self.mailbox_requests.entry(mailbox).or_default();
                if *count >= quota.mailbox_requests {
                    let wait = self.mailbox_window_start + MAILBOX_WINDOW_MS - now;
                    return Err(self.pause(Scope::Mailbox(mailbox), Limit::MailboxRequests, wait, now));
                }
                *count += 1;
                Ok(())
            }
        }
    }

    /// Takes a place in a mailbox.
    fn enter(&mut self, mailbox: u32, quota: Quota, now: i64) -> Result<(), Refused> {
        let in_mailbox = self
            .in_flight_by_mailbox
            .get(&mailbox)
            .copied()
            .unwrap_or_default();
        let (scope, in_flight) = match quota.concurrency {
            OutlookConcurrency::PerMailbox4 => (Scope::Mailbox(mailbox), in_mailbox),
            OutlookConcurrency::PerApp4 => (Scope::AllMailboxes, self.in_flight),
            OutlookConcurrency::Off => (Scope::AllMailboxes, 0),
        };
        if in_flight >= OUTLOOK_CONCURRENCY {
            return Err(self.pause(scope, Limit::MailboxConcurrency, CONCURRENCY_WAIT_MS, now));
        }
        self.in_flight += 1;
        *self.in_flight_by_mailbox.entry(mailbox).or_default() += 1;
        Ok(())
    }

    fn check_pause(&mut self, scope: Scope, quota: Quota, now: i64) -> Result<(), Refused> {
        let Some(pause) = self.pauses.get_mut(&scope) else {
            return Ok(());
        };
        if now >= pause.until {
            // Whoever waited starts afresh.
            match pause.limit {
                Limit::Global => self.global = Window::default(),
                Limit::Directory => self.directory = Window::default(),
                Limit::MailboxRequests => {
                    if let Scope::Mailbox(mailbox) = scope {
                        self.mailbox_requests.remove(&mailbox);
                    }
                }
                Limit::MailboxConcurrency => {}
            }
            self.pauses.remove(&scope);
            return Ok(());
        }
        let is_early = now > pause.started + quota.grace_ms;
        if is_early {
            pause.until = now + pause.wait;
        }
        Err(Refused {
            throttled: Throttled {
                limit: pause.limit,
                retry_after_s: whole_seconds(pause.until - now),
            },
            is_early,
        })
    }

    fn pause(&mut self, scope: Scope, limit: Limit, wait: i64, now: i64) -> Refused {
        // Finished pauses are dropped when somebody asks; those that nobody asks for, here.
        const MOST_PAUSES: usize = 10_000;
        if self.pauses.len() >= MOST_PAUSES {
            self.pauses.retain(|_, pause| pause.until > now);
        }
        let retry_after_s = whole_seconds(wait);
        let wait = retry_after_s * 1_000;
        self.pauses.insert(
            scope,
            Pause {
                limit,
                started: now,
                until: now + wait,
                wait,
            },
        );
        Refused {
            throttled: Throttled { limit, retry_after_s },
            is_early: false,
        }
    }
}

/// `Retry-After` has whole seconds, and a client that waits them has waited long enough.
fn whole_seconds(milliseconds: i64) -> i64 {
    milliseconds.max(1).saturating_add(999) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(change: impl FnOnce(&mut EntraSettings)) -> Quota {
        let mut settings = EntraSettings::default();
        change(&mut settings);
        Quota::new(&settings, 1_000)
    }

    fn wait_of(result: Result<Places, Throttled>) -> i64 {
        result.err().expect("refused").retry_after_s
    }

    #[test]
    fn units_by_tenant_size_are_those_of_the_manual() {
        for (users, units) in [(49, 3_500), (50, 5_000), (500, 5_000), (501, 8_000)] {
            let quota = Quota::new(&EntraSettings::default(), users);
            assert_eq!(quota.directory_units, units, "{users} users");
        }
    }

    #[test]
    fn a_client_that_waits_as_told_is_let_in_and_one_that_does_not_waits_anew() {
        let limits = Arc::new(Limits::default());
        let quota = quota(|settings| settings.directory_units = Some(10));
        let one = Cost::Directory(10);
        assert!(limits.admit(one, quota, 0).is_ok());
        // The window ends at 10 s.
        assert_eq!(wait_of(limits.admit(one, quota, 6_500)), 4);
        // Under way when the refusal was given.
        assert_eq!(wait_of(limits.admit(one, quota, 6_600)), 4);
        assert_eq!(limits.counters(), ThrottleCounters { refused: 2, early: 0 });
        // Early: 4 s more from here.
        assert_eq!(wait_of(limits.admit(one, quota, 10_000)), 4);
        assert_eq!(limits.counters(), ThrottleCounters { refused: 3, early: 1 });
        assert_eq!(wait_of(limits.admit(one, quota, 13_999)), 4);
        assert!(limits.admit(one, quota, 18_000).is_ok());
    }

    #[test]
    fn a_pause_of_the_directory_is_none_of_the_photos() {
        let limits = Arc::new(Limits::default());
        let quota = quota(|settings| settings.directory_units = Some(1));
        assert!(limits.admit(Cost::Directory(2), quota, 0).is_err());
        assert!(limits.admit(Cost::Mailbox(7), quota, 0).is_ok());
    }

    #[test]
    fn a_mailbox_serves_four_at_a_time_and_others_meanwhile() {
        let limits = Arc::new(Limits::default());
        let quota = quota(|_| {});
        let held: Vec<_> = (0..4).map(|_| limits.admit(Cost::Mailbox(1), quota, 0)).collect();
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(wait_of(limits.admit(Cost::Mailbox(1), quota, 0)), 1);
        assert!(limits.admit(Cost::Mailbox(2), quota, 0).is_ok());
        drop(held);
        assert!(limits.admit(Cost::Mailbox(1), quota, 1_000).is_ok());
    }

    #[test]
    fn per_application_four_is_four_whatever_the_mailbox() {
        let limits = Arc::new(Limits::default());
        let quota = quota(|settings| settings.outlook_concurrency = OutlookConcurrency::PerApp4);
        let held: Vec<_> = (0..4)
            .map(|mailbox| limits.admit(Cost::Mailbox(mailbox), quota, 0))
            .collect();
        assert!(held.iter().all(Result::is_ok));
        assert!(limits.admit(Cost::Mailbox(9), quota, 0).is_err());
    }

    #[test]
    fn a_batch_runs_four_at_a_time_within_the_four_of_the_application() {
        let limits = Arc::new(Limits::default());
        let quota = quota(|settings| settings.outlook_concurrency = OutlookConcurrency::PerApp4);
        let costs: Vec<_> = (0..20).map(|mailbox| Some(Cost::Mailbox(mailbox))).collect();
        let (places, results) = limits.admit_batch(&costs, quota, 0);
        assert!(results.iter().all(Result::is_ok));
        // All four places are taken now.
        let (_, refused) = limits.admit_batch(&costs, quota, 0);
        assert!(refused.iter().all(Result::is_err));
        drop(places);
        assert!(
            limits
                .admit_batch(&costs, quota, 1_000)
                .1
                .iter()
                .all(Result::is_ok)
        );
    }

    #[test]
    fn ten_thousand_requests_a_mailbox_in_ten_minutes() {
        let limits = Arc::new(Limits::default());
        let quota = quota(|_| {});
        for _ in 0..10_000 {
            assert!(limits.admit(Cost::Mailbox(1), quota, 0).is_ok());
        }
        assert_eq!(wait_of(limits.admit(Cost::Mailbox(1), quota, 1_000)), 599);
    }

    #[test]
    fn the_load_shows_once_it_is_high() {
        let limits = Arc::new(Limits::default());
        let quota = quota(|settings| settings.directory_units = Some(100));
        assert!(limits.admit(Cost::Directory(79), quota, 0).is_ok());
        assert_eq!(limits.directory_load(quota, 0), None);
        assert!(limits.admit(Cost::Directory(6), quota, 0).is_ok());
        assert_eq!(limits.directory_load(quota, 0), Some(0.85));
    }
}
