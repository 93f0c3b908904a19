//! A lane: requests that share limits and pauses (`reliability.md` 3).
//!
//! Every request asks its lane for a [`Permit`]. The lane grants it when no pause is running, the circuit is whole,
//! a place is free and, for a retry, the budget allows it: people who wait first, then background work, each in the
//! order of asking. What came of the request is told when the permit is settled, in the same step that frees the
//! place, so nothing slips out between an answer that says "wait" and the pause.

mod budget;
mod circuit;
mod pace;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderMap;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use self::budget::Budget;
use self::circuit::{Circuit, Gate};
use self::pace::Pace;
use super::wait;
use crate::connector::{LaneState, PauseReason, Priority};

/// The longest pause that is waited for (`reliability.md` 3); a longer one ends the run, which can be resumed.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);

/// How a lane starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneSettings {
    /// "sign-in", "directory", "photos", "ServiceNow".
    pub name: &'static str,
    /// Requests in flight at the start.
    pub start: usize,
    /// Requests in flight at most, ever.
    pub cap: usize,
}

/// The gate that the requests of one lane pass.
pub struct Lane {
    name: &'static str,
    state: Mutex<State>,
}

struct State {
    pace: Pace,
    budget: Budget,
    circuit: Circuit,
    /// No request before this time.
    paused_until: Option<Instant>,
    /// Requests on the wire, and the places they take.
    on_wire: usize,
    in_flight: usize,
    /// Who waits, in the order in which they go.
    queue: BTreeMap<Ticket, Arc<Waiter>>,
    /// The waiter that was last told to watch the clock for all.
    watch: Option<Ticket>,
    next: u64,
    rule: Option<RuleCount>,
    requests: u64,
    retries: u64,
    throttled: u64,
}

type Ticket = (Reverse<Priority>, u64);

struct Waiter {
    weight: usize,
    is_retry: bool,
    granted: Mutex<Option<Grant>>,
    wake: Notify,
}

#[derive(Clone, Copy)]
struct Grant {
    weight: usize,
    sent: Instant,
    is_probe: bool,
    is_retry: bool,
}

/// Our own requests under the hourly rule the service names.
struct RuleCount {
    rule: String,
    reset: u64,
    used: u64,
}

/// What is asked of a lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admission {
    /// Whose turn it is when several wait.
    pub priority: Priority,
    /// Places the request takes: what the service works on at once for it. More than the limit: it goes alone.
    pub weight: usize,
    /// Whether it repeats an earlier one, for the budget.
    pub is_retry: bool,
    /// How long an open circuit is waited for.
    pub patience: Duration,
}

/// Why a lane does not admit a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Shut {
    /// The circuit stayed open for as long as we wait.
    #[error("the service has not recovered for {} s", .0.as_secs())]
    CircuitOpen(Duration),
    /// The service asked for a longer pause than we wait.
    #[error("the service asked for a pause of {} h", .0.as_secs() / 3600)]
    PauseTooLong(Duration),
}

/// What came of a request, told to its lane.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settlement {
    /// Answers without a refusal or failure; a batch carries several.
    pub clean: u32,
    /// The service said "slow down", here or for items inside.
    pub throttled: bool,
    /// How long it asked to wait.
    pub wait: Option<Duration>,
    /// The service was in trouble or could not be reached.
    pub failed: bool,
}

/// Permission to have one request on the wire. Dropping it unsettled frees the place and tells nothing.
pub(super) struct Permit {
    lane: Arc<Lane>,
    grant: Grant,
    /// How long the circuit was open while the request waited.
    open: Duration,
    settled: bool,
}

impl Lane {
    /// A lane with nothing on it yet.
    pub fn new(settings: LaneSettings) -> Arc<Self> {
        Arc::new(Self {
            name: settings.name,
            state: Mutex::new(State {
                pace: Pace::new(settings.start, settings.cap),
                budget: Budget::new(Instant::now()),
                circuit: Circuit::new(),
                paused_until: None,
                on_wire: 0,
                in_flight: 0,
                queue: BTreeMap::new(),
                watch: None,
                next: 0,
                rule: None,
                requests: 0,
                retries: 0,
                throttled: 0,
            }),
        })
    }

    /// The lane's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How the lane is doing right now.
    pub fn state(&self) -> LaneState {
        let now = Instant::now();
        let state = self.state.lock();
        let asked = state.pause_left(now).map(|left| (left, PauseReason::Throttled));
        let broken = state
            .circuit
            .is_open()
            .then(|| (state.circuit.left(now), PauseReason::CircuitOpen));
        LaneState {
            name: self.name,
            in_flight: state.on_wire,
            limit: state.pace.limit(),
            waiting: state.queue.len(),
            paused: asked.into_iter().chain(broken).max_by_key(|(left, _)| *left),
            requests: state.requests,
            retries: state.retries,
            throttled: state.throttled,
        }
    }

    /// Waits for permission to send one request.
    pub(super) async fn admit(self: &Arc<Self>, admission: Admission) -> Result<Permit, Shut> {
        let waiter = Arc::new(Waiter {
            weight: admission.weight.max(1),
            is_retry: admission.is_retry,
            granted: Mutex::new(None),
            wake: Notify::new(),
        });
        let (queued, open_at_start) = {
            let mut state = self.state.lock();
            let ticket = (Reverse(admission.priority), state.next);
            state.next += 1;
            state.queue.insert(ticket, Arc::clone(&waiter));
            let open = state.circuit.open_time(Instant::now());
            let queued = Queued {
                lane: self,
                ticket,
                waiter,
            };
            (queued, open)
        };
        loop {
            let alarm = {
                let now = Instant::now();
                let mut state = self.state.lock();
                state.dispatch(now);
                let waited = state.circuit.open_time(now).saturating_sub(open_at_start);
                if let Some(grant) = queued.waiter.granted.lock().take() {
                    return Ok(Permit {
                        lane: Arc::clone(self),
                        grant,
                        open: waited,
                        settled: false,
                    });
                }
                if let Some(left) = state.pause_left(now).filter(|left| *left > LONGEST_PAUSE) {
                    return Err(Shut::PauseTooLong(left));
                }
                let patience = admission.patience.saturating_sub(waited);
                if patience.is_zero() && state.circuit.is_open() {
                    return Err(Shut::CircuitOpen(waited));
                }
                let own = state.circuit.is_open().then(|| now + patience);
                let shared = (state.watch == Some(queued.ticket))
                    .then(|| state.next_change(now))
                    .flatten();
                [own, shared].into_iter().flatten().min()
            };
            tokio::select! {
                () = queued.waiter.wake.notified() => {}
                () = sleep_until(alarm.unwrap_or_else(Instant::now)), if alarm.is_some() => {}
            }
        }
    }
}

impl State {
    fn pause_left(&self, now: Instant) -> Option<Duration> {
        let left = self.paused_until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Grants whatever can be granted now, and makes sure that somebody watches the clock for the rest.
    fn dispatch(&mut self, now: Instant) {
        while let Some((waiter, is_probe)) = self.take_next(now) {
            self.requests += 1;
            self.retries += u64::from(waiter.is_retry);
            self.budget.spend(waiter.is_retry, now);
            self.on_wire += 1;
            self.in_flight += waiter.weight;
            if is_probe {
                self.circuit.probe();
            }
            *waiter.granted.lock() = Some(Grant {
                weight: waiter.weight,
                sent: now,
                is_probe,
                is_retry: waiter.is_retry,
            });
            waiter.wake.notify_one();
        }
        let first = self.queue.first_key_value();
        let watch = first.map(|(ticket, _)| *ticket);
        if self.watch != watch {
            self.watch = watch;
            if let Some((_, waiter)) = first {
                waiter.wake.notify_one();
            }
        }
    }

    /// Takes out of the queue who may go now, and says whether as the circuit's probe.
    fn take_next(&mut self, now: Instant) -> Option<(Arc<Waiter>, bool)> {
        if self.queue.is_empty() || self.pause_left(now).is_some() {
            return None;
        }
        let is_probe = match self.circuit.gate(now) {
            Gate::Open => false,
            Gate::OneProbe => true,
            Gate::ShutUntil(_) | Gate::ProbeOut => return None,
        };
        let retries_go = self.budget.allows_retry(now);
        // Only the budget lets somebody overtake: a retry that must wait holds up nobody, while a heavy request that
        // was passed by lighter ones for want of places would never go.
        let (ticket, waiter) = self
            .queue
            .iter()
            .find(|(_, waiter)| retries_go || !waiter.is_retry)?;
        let fits = self.in_flight == 0 || self.in_flight + waiter.weight <= self.pace.limit();
        let ticket = fits.then_some(*ticket)?;
        Some((self.queue.remove(&ticket)?, is_probe))
    }

    /// When something changes without anybody's doing.
    fn next_change(&mut self, now: Instant) -> Option<Instant> {
        if let Some(left) = self.pause_left(now) {
            return Some(now + left);
        }
        if let Gate::ShutUntil(until) = self.circuit.gate(now) {
            return Some(until);
        }
        (!self.budget.allows_retry(now)).then(|| self.budget.next_change(now))
    }

    fn pause_for(&mut self, wait: Duration, now: Instant) {
        let until = now + wait::with_jitter(wait);
        self.paused_until = Some(self.paused_until.map_or(until, |known| known.max(until)));
    }

    /// Everybody looks at the clock again: the circuit has opened.
    fn wake_all(&self) {
        for waiter in self.queue.values() {
            waiter.wake.notify_one();
        }
    }

    /// Counts our requests under the hourly rule and pauses when it is used up, before the service has to refuse.
    fn count_rule(&mut self, headers: &HeaderMap, now: Instant) {
        let Some(seen) = wait::rate_rule(headers) else {
            return;
        };
        let used = match &mut self.rule {
            Some(known) if known.rule == seen.rule && known.reset == seen.reset => {
                known.used += 1;
                known.used
            }
            other => {
                *other = Some(RuleCount {
                    rule: seen.rule,
                    reset: seen.reset,
                    used: 1,
                });
                1
            }
        };
        if used + self.on_wire as u64 >= seen.limit {
            self.pause_for(seen.left, now);
            // Whoever waits for a place does not watch the clock; after the last answer nobody else would.
            self.wake_all();
        }
    }
}

impl Permit {
    /// When the lane granted it.
    pub fn sent(&self) -> Instant {
        self.grant.sent
    }

    /// How long the circuit was open while the request waited.
    pub fn waited_for_circuit(&self) -> Duration {
        self.open
    }

    /// True if this request finds out whether the service is back.
    pub fn is_probe(&self) -> bool {
        self.grant.is_probe
    }

    /// Takes the request back before it was sent: it counts for nothing.
    pub fn unsent(mut self) {
        self.settled = true;
        let now = Instant::now();
        let mut state = self.lane.state.lock();
        state.requests -= 1;
        state.retries -= u64::from(self.grant.is_retry);
        self.free(&mut state);
        if self.grant.is_probe {
            state.circuit.probed(None, now);
        }
        state.dispatch(now);
    }

    /// Tells the lane what came of the request, and frees its place.
    pub fn settle(mut self, settlement: Settlement, headers: Option<&HeaderMap>) {
        self.settled = true;
        let now = Instant::now();
        let mut state = self.lane.state.lock();
        let in_flight = state.in_flight;
        let fully_used = !state.queue.is_empty() || in_flight >= state.pace.limit();
        self.free(&mut state);

        let ok = !settlement.failed;
        if self.grant.is_probe {
            state.circuit.probed(Some(ok), now);
            if !ok {
                state.wake_all();
            }
        } else if state.circuit.went(ok, now) {
            tracing::warn!(
                lane = self.lane.name,
                "too many failures: the lane waits and probes"
            );
            state.wake_all();
        }
        if settlement.throttled {
            state.throttled += 1;
            state.pace.refused(self.grant.sent, in_flight, now);
            if let Some(wait) = settlement.wait {
                tracing::info!(
                    lane = self.lane.name,
                    seconds = wait.as_secs_f64(),
                    "asked to wait"
                );
                state.pause_for(wait, now);
                state.wake_all();
            }
        } else if settlement.failed {
            state.pace.failed(self.grant.sent, now);
        } else if fully_used {
            state.pace.clean(settlement.clean);
        }
        if let Some(headers) = headers {
            if let Some(share) = wait::used_share(headers).filter(|share| *share >= 0.8) {
                state.pace.nearly_used_up(share, self.grant.sent, now);
            }
            state.count_rule(headers, now);
        }
        state.dispatch(now);
    }

    fn free(&self, state: &mut State) {
        state.on_wire -= 1;
        state.in_flight -= self.grant.weight;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let now = Instant::now();
        let mut state = self.lane.state.lock();
        self.free(&mut state);
        if self.grant.is_probe {
            state.circuit.probed(None, now);
        }
        state.dispatch(now);
    }
}

/// Leaves the queue when its future is dropped, and hands back what was granted meanwhile.
struct Queued<'a> {
    lane: &'a Arc<Lane>,
    ticket: Ticket,
    waiter: Arc<Waiter>,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        let granted = {
            let mut state = self.lane.state.lock();
            if state.queue.remove(&self.ticket).is_some() {
                state.dispatch(Instant::now());
            }
            self.waiter.granted.lock().take()
        };
        if let Some(grant) = granted {
            let permit = Permit {
                lane: Arc::clone(self.lane),
                grant,
                open: Duration::ZERO,
                settled: false,
            };
            permit.unsent();
        }
    }
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.state())
    }
}

#[cfg(test)]
mod tests;
