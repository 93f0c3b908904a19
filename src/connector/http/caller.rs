//! Sends calls: signs them, waits for their turn, repeats what may be repeated, and says what came of them.

use std::sync::Arc;
use std::time::Duration;

use ::http::header::{ACCEPT, AUTHORIZATION, COOKIE, SET_COOKIE};
use ::http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::call::{Answer, Call, Failure, Inside, Repeat};
use super::classify::{Class, Expect, Trouble, Troubles, classify};
use super::lane::{Admission, Lane, Permit, Settlement, Shut};
use super::log::{Ending, RequestLog, RequestRecord};
use super::origin::{Address, Origin};
use super::repeats::Repeats;
use super::session::{Jar, Jars};
use super::token::{BasicLogin, Proof, TokenCache};
use super::wait;
use super::wire::{Fault, FaultKind, Outgoing, Transport, Wire};
use crate::connector::{ErrorKind, LaneState};

/// The most time one operation may take in flight, in back-off and behind an open circuit; pauses the service asks
/// for and waits for a place are not counted (`reliability.md` 3).
const OPERATION: Duration = Duration::from_mins(10);

/// Sends calls to one service through one lane. Clones share everything.
#[derive(Clone)]
pub struct Caller {
    system: &'static str,
    origin: Origin,
    lane: Arc<Lane>,
    wire: Arc<dyn Wire>,
    log: RequestLog,
    login: Login,
    sessions: Option<Arc<Sessions>>,
    attempt_id: Option<HeaderName>,
    repeats: Arc<Repeats>,
}

/// How requests are signed.
#[derive(Clone)]
enum Login {
    Nobody,
    Token(Arc<TokenCache>),
    Basic(Arc<BasicLogin>),
}

/// Session cookies, as long as they belong to the current sign-in.
#[derive(Default)]
struct Sessions {
    jars: Jars,
    generation: Mutex<u64>,
}

/// What one attempt is signed with.
struct Signature {
    header: Option<HeaderValue>,
    login: SignedBy,
}

/// Who learns from the answer whether the signature was a good one.
enum SignedBy {
    Nobody,
    /// A token of this generation.
    Token(Arc<TokenCache>, u64),
    /// A password, with the proof if this is the request that tries it.
    Basic(Arc<BasicLogin>, Proof),
}

/// How one attempt went.
enum Went {
    Answered(Class, Answer),
    Lost(Fault),
}

/// What is to be done after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Sign in anew and send it once more.
    SignIn,
    /// Send it once more after this time, besides any pause of the lane.
    Again(Duration),
    /// Give up.
    Fail,
    /// Give up; nobody knows whether it was carried out.
    Unknown,
}

impl Caller {
    /// A caller that sends no credentials: for a token endpoint.
    pub fn new(system: &'static str, transport: &Transport, origin: Origin, lane: Arc<Lane>) -> Self {
        Self {
            system,
            origin,
            lane,
            wire: Arc::clone(&transport.wire),
            log: transport.log().clone(),
            login: Login::Nobody,
            sessions: None,
            attempt_id: None,
            repeats: Arc::default(),
        }
    }

    /// Signs every request with a token.
    #[must_use]
    pub fn with_token(mut self, tokens: Arc<TokenCache>) -> Self {
        self.login = Login::Token(tokens);
        self
    }

    /// Signs every request with a user name and password.
    #[must_use]
    pub fn with_basic(mut self, login: Arc<BasicLogin>) -> Self {
        self.login = Login::Basic(login);
        self
    }

    /// Keeps session cookies, a jar for each request in flight.
    #[must_use]
    pub fn with_sessions(mut self) -> Self {
        self.sessions = Some(Arc::default());
        self
    }

    /// Sends a fresh id with every attempt in this header: `client-request-id`.
    #[must_use]
    pub fn with_attempt_id(mut self, header: HeaderName) -> Self {
        self.attempt_id = Some(header);
        self
    }

    /// The service's name in sentences.
    pub fn system(&self) -> &'static str {
        self.system
    }

    /// Where this caller's requests go; makes the addresses for its calls.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// An address within the origin.
    pub fn address(&self, segments: &[&str], query: &[(&str, &str)]) -> Address {
        self.origin.address(segments, query)
    }

    /// How the lane is doing.
    pub fn lane_state(&self) -> LaneState {
        self.lane.state()
    }

    /// Carries out a call and returns its successful answer.
    pub async fn send(&self, call: Call) -> Result<Answer, Failure> {
        if !self.origin.holds(&call.address) {
            let words = Fault::new(
                FaultKind::Settings,
                format!("the address does not belong to {}", self.origin),
            );
            return Err(Failure::because(
                self.system,
                call.operation,
                ErrorKind::Configuration,
                words,
            ));
        }
        let mut troubles = Troubles::default();
        let mut sent = 0;
        let mut signed_anew = false;
        let mut is_retry = call.is_retry || self.repeats.holds(&call);
        let mut spent = Duration::ZERO;
        loop {
            let signature = self.sign(&call).await?;
            let admission = Admission {
                priority: call.priority,
                weight: call.at_once,
                is_retry,
                patience: OPERATION.saturating_sub(spent),
            };
            let permit = match self.lane.admit(admission).await {
                Ok(permit) => permit,
                Err(shut) => return Err(self.shut_out(&call, shut)),
            };
            spent += permit.waited_for_circuit();
            if signature.login.is_stale() {
                // The token ran out while the lane was paused.
                permit.unsent();
                continue;
            }
            let started = Instant::now();
            let is_probe = permit.is_probe();
            sent += 1;
            let went = self.attempt(&call, signature, permit, sent).await;
            spent += started.elapsed();
            let trouble = went.trouble();
            self.repeats.note(&call, trouble.is_some());
            if let Went::Answered(Class::Success, answer) = went {
                return Ok(answer);
            }
            if let Some(trouble) = trouble {
                // What the circuit's probe finds out about the service is not this request's fault.
                if !(is_probe && went.is_the_services_fault()) {
                    troubles.meet(trouble);
                }
            }
            let may_sign_in = matches!(self.login, Login::Token(_)) && !signed_anew;
            match went.next(call.repeat, &troubles, may_sign_in) {
                Next::SignIn => {
                    // Waiting for a token is no load on this service, so the budget is not asked.
                    signed_anew = true;
                }
                Next::Again(pause) if spent < OPERATION => {
                    is_retry = true;
                    spent += pause;
                    sleep(pause).await;
                }
                next => {
                    let mut failure = self.fail(&call, went, next == Next::Unknown);
                    failure.gave_up = matches!(next, Next::Again(_));
                    return Err(failure);
                }
            }
        }
    }

    async fn sign(&self, call: &Call) -> Result<Signature, Failure> {
        match &self.login {
            Login::Nobody => Ok(Signature {
                header: None,
                login: SignedBy::Nobody,
            }),
            Login::Token(tokens) => {
                let bearer = tokens.bearer().await.map_err(|sign_in| {
                    let (kind, hint) = (sign_in.kind.clone(), sign_in.hint.clone());
                    let gave_up = sign_in.gave_up;
                    let mut failure = Failure::because(self.system, call.operation.clone(), kind, sign_in);
                    failure.hint = hint;
                    failure.gave_up = gave_up;
                    failure
                })?;
                if let Some(sessions) = &self.sessions {
                    sessions.belong_to(bearer.generation);
                }
                Ok(Signature {
                    header: Some(bearer.header),
                    login: SignedBy::Token(Arc::clone(tokens), bearer.generation),
                })
            }
            Login::Basic(login) => {
                let (header, proof) = login.header().await.map_err(|refused| {
                    Failure::because(
                        self.system,
                        call.operation.clone(),
                        ErrorKind::SignInRejected,
                        refused,
                    )
                })?;
                Ok(Signature {
                    header: Some(header),
                    login: SignedBy::Basic(Arc::clone(login), proof),
                })
            }
        }
    }

    /// Sends the request once and tells everybody concerned how it went.
    async fn attempt(&self, call: &Call, signature: Signature, permit: Permit, number: u32) -> Went {
        let jar = self.sessions.as_ref().map(|sessions| sessions.jars.lend());
        let outgoing = self.outgoing(call, &signature, jar.as_ref());
        let at = Timestamp::now();
        let outcome = self.wire.exchange(outgoing).await;
        let took = permit.sent().elapsed();
        let went = match outcome {
            Ok(mut answer) => {
                let class = classify(answer.status, &answer.headers, &answer.body, call.expect);
                self.keep_session(jar, &answer, class);
                answer.headers.remove(SET_COOKIE);
                Went::Answered(class, answer)
            }
            // The session of a request without an answer may still be busy with it: its jar is dropped.
            Err(fault) => Went::Lost(fault),
        };
        self.log
            .record(went.record(call, self.lane.name(), at, number, took));
        let (settlement, headers) = went.settlement(call);
        permit.settle(settlement, headers);
        if let Went::Answered(class, _) = went {
            signature.login.learn(class);
        }
        went
    }

    fn outgoing(&self, call: &Call, signature: &Signature, jar: Option<&Jar>) -> Outgoing {
        let mut headers = call.headers.clone();
        if call.expect == Expect::Json && !headers.contains_key(ACCEPT) {
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        }
        if let Some(authorization) = &signature.header {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if let Some(cookies) = jar.and_then(Jar::header) {
            headers.insert(COOKIE, cookies);
        }
        if let Some(name) = &self.attempt_id {
            let id = uuid::Uuid::new_v4().to_string();
            let id = HeaderValue::from_str(&id).expect("hexadecimal digits and dashes");
            headers.insert(name.clone(), id);
        }
        Outgoing {
            method: call.method.clone(),
            address: call.address.clone(),
            headers,
            body: call.body.clone(),
            body_cap: call.body_cap,
            no_progress: call.no_progress,
            total: call.total,
        }
    }

    fn keep_session(&self, jar: Option<Jar>, answer: &Answer, class: Class) {
        let (Some(sessions), Some(mut jar)) = (&self.sessions, jar) else {
            return;
        };
        // A session that was refused, or is busy with somebody else's request, is not used again.
        if !matches!(class, Class::Unauthorized | Class::NotDone) {
            jar.store(&answer.headers);
            sessions.jars.give_back(jar);
        }
    }

    fn fail(&self, call: &Call, went: Went, is_unknown: bool) -> Failure {
        let operation = call.operation.clone();
        let known = |kind| {
            if is_unknown {
                ErrorKind::OutcomeUnknown
            } else {
                kind
            }
        };
        match went {
            Went::Lost(fault) => {
                let hint = fault.kind.hint();
                let kind = known(fault.kind.kind());
                let mut failure = Failure::because(self.system, operation, kind, fault);
                if let Some(hint) = hint {
                    failure.hint = Some(hint.to_owned());
                }
                failure
            }
            Went::Answered(class, answer) => {
                let kind = known(class.kind(&answer.headers, &answer.body, call.needs.as_deref()));
                let words = answer.words().saying(class.complaint());
                let mut failure = Failure::because(self.system, operation, kind, words);
                failure.class = Some(class);
                failure.answer = Some(answer);
                failure
            }
        }
    }

    fn shut_out(&self, call: &Call, shut: Shut) -> Failure {
        let kind = match shut {
            Shut::CircuitOpen(_) => ErrorKind::Unavailable,
            Shut::PauseTooLong(_) => ErrorKind::PauseTooLong,
        };
        let mut failure = Failure::because(self.system, call.operation.clone(), kind, shut);
        failure.gave_up = true;
        failure
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Caller({} at {})", self.system, self.origin)
    }
}

impl SignedBy {
    /// True if the token has run out, or was replaced, since it was taken.
    fn is_stale(&self) -> bool {
        match self {
            Self::Token(tokens, generation) => !tokens.is_current(*generation),
            Self::Nobody | Self::Basic(..) => false,
        }
    }

    /// What an answer says about the sign-in. Whoever waits for the proof goes on after that.
    fn learn(self, class: Class) {
        match (self, class) {
            (Self::Token(tokens, generation), Class::Unauthorized) => tokens.invalidate(generation),
            (Self::Basic(login, _proof), Class::Unauthorized) => login.answered(false),
            (Self::Basic(login, _proof), Class::Success | Class::Forbidden | Class::NotFound) => {
                login.answered(true);
            }
            _ => {}
        }
    }
}

impl Sessions {
    /// Sessions do not outlive the sign-in they were opened with (`servicenow.md` 5.5).
    fn belong_to(&self, generation: u64) {
        let mut known = self.generation.lock();
        if *known < generation {
            *known = generation;
            self.jars.clear();
        }
    }
}

impl Went {
    /// What kept the request from being done; `None` if it was done, or if another attempt would end the same.
    fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Answered(class, answer) => class.trouble(answer.status),
            Self::Lost(fault) => fault.kind.may_pass().then_some(Trouble::Lost),
        }
    }

    /// What to do after this. `troubles` are those that the request has met, with this one.
    fn next(&self, repeat: Repeat, troubles: &Troubles, may_sign_in: bool) -> Next {
        let (nothing_done, outcome_unknown) = match self {
            Self::Answered(Class::Unauthorized, _) if may_sign_in => return Next::SignIn,
            Self::Answered(class, _) => (class.nothing_done(), class.outcome_unknown()),
            Self::Lost(fault) => (fault.kind.nothing_sent(), !fault.kind.nothing_sent()),
        };
        let may_repeat = repeat == Repeat::Safe || nothing_done;
        match self.trouble() {
            Some(trouble) if may_repeat && troubles.leave_a_try(trouble) => Next::Again(match trouble {
                // The lane's pause is the wait.
                Trouble::Paused => Duration::ZERO,
                Trouble::Page => wait::back_off(1),
                _ => wait::back_off(troubles.all().max(1)),
            }),
            _ if repeat == Repeat::NotSafe && outcome_unknown => Next::Unknown,
            _ => Next::Fail,
        }
    }

    /// True if nothing about the request itself can be the reason.
    fn is_the_services_fault(&self) -> bool {
        match self {
            Self::Answered(class, answer) => {
                *class == Class::ServerError && matches!(answer.status.as_u16(), 502..=504)
            }
            Self::Lost(fault) => fault.kind.may_pass(),
        }
    }

    /// What the lane is told.
    fn settlement(&self, call: &Call) -> (Settlement, Option<&HeaderMap>) {
        match self {
            Self::Answered(class, answer) => {
                let inside = match (class, call.inspect) {
                    (Class::Success, Some(inspect)) => inspect(answer),
                    _ => Inside {
                        clean: 1,
                        ..Inside::default()
                    },
                };
                let asked = match class {
                    Class::Throttled(wait) => Some(*wait),
                    _ if inside.throttled > 0 => Some(inside.wait),
                    _ => None,
                };
                let settlement = Settlement {
                    clean: inside.clean,
                    throttled: asked.is_some(),
                    wait: asked.flatten(),
                    failed: class.is_failure(),
                };
                (settlement, Some(&answer.headers))
            }
            Self::Lost(fault) => {
                let settlement = Settlement {
                    failed: fault.kind.may_pass(),
                    ..Settlement::default()
                };
                (settlement, None)
            }
        }
    }

    fn record(
        &self,
        call: &Call,
        lane: &'static str,
        at: Timestamp,
        attempt: u32,
        took: Duration,
    ) -> RequestRecord {
        let (ending, bytes, request_id) = match self {
            Self::Answered(_, answer) => (
                Ending::Status(answer.status.as_u16()),
                answer.body.len() as u64,
                answer.request_id(),
            ),
            Self::Lost(fault) => (Ending::Lost(fault.to_string()), 0, None),
        };
        RequestRecord {
            at,
            lane,
            method: call.method.clone(),
            path: call.address.path().to_owned(),
            attempt,
            ending,
            took,
            bytes,
            request_id,
        }
    }
}

#[cfg(test)]
mod tests;
