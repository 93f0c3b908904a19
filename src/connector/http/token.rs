//! Signing in: tokens that are fetched once for everybody who waits, and passwords that are not tried again and again.

use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderValue;
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::call::Failure;
use super::secret::Secret;
use crate::connector::ErrorKind;

/// A sign-in request that was refused is not repeated for this long (`entra.md` 5.8).
const REFUSED_FOR: Duration = Duration::from_mins(1);
/// From this life time on, a token is renewed at half of it.
const LONG_LIFE: Duration = Duration::from_hours(2);
/// How long a token is taken to live at least, whatever its answer says, and at most: one that has run out on arrival
/// would be asked for again and again without a request ever being sent, and no clock can hold any number of seconds.
const LIFE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_hours(8784));
/// A renewal ahead of time that failed is tried again after this, while the old token still serves.
const RENEW_AGAIN: Duration = Duration::from_secs(30);
/// Wrong passwords lock accounts: this many tries, no more (`reliability.md` D5).
const PASSWORD_TRIES: u32 = 2;

/// A token as it was issued.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token.
    pub value: Secret,
    /// How long it lives, counted from when the answer arrived: clocks need not agree.
    pub lifetime: Duration,
}

/// Where tokens come from: one request to a token endpoint.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// Asks for a new token.
    async fn fetch(&self) -> Result<Token, Failure>;
}

/// Keeps one token, renews it ahead of time and fetches it once for everybody who waits.
pub struct TokenCache {
    source: Box<dyn TokenSource>,
    /// How long before its end a token is renewed.
    margin: Duration,
    /// Refusals in a row after which the source is not asked again; `None`: asked again after a minute.
    tries: Option<u32>,
    state: Mutex<State>,
    flight: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    generation: u64,
    refused: Option<(Instant, Failure)>,
    refusals: u32,
}

#[derive(Clone)]
struct Held {
    value: Secret,
    header: HeaderValue,
    generation: u64,
    renew_at: Instant,
    ends_at: Instant,
}

/// What goes into the `Authorization` header, and which sign-in it stems from.
#[derive(Clone, Debug)]
pub(super) struct Bearer {
    pub header: HeaderValue,
    pub generation: u64,
}

impl TokenCache {
    /// A cache that renews `margin` before a token's end: 5 minutes for Entra, 60 s for ServiceNow.
    pub fn new(source: impl TokenSource + 'static, margin: Duration) -> Arc<Self> {
        Arc::new(Self::build(source, margin, None))
    }

    /// The same for sources that send a person's password, which is tried twice and no more.
    pub fn for_password(source: impl TokenSource + 'static, margin: Duration) -> Arc<Self> {
        Arc::new(Self::build(source, margin, Some(PASSWORD_TRIES)))
    }

    fn build(source: impl TokenSource + 'static, margin: Duration, tries: Option<u32>) -> Self {
        Self {
            source: Box::new(source),
            margin,
            tries,
            state: Mutex::default(),
            flight: tokio::sync::Mutex::default(),
        }
    }

    /// The current token, for diagnostics: which rights it carries.
    pub async fn token(&self) -> Result<Secret, Failure> {
        Ok(self.held().await?.value)
    }

    /// Forgets the token, because rights have changed: they show only in a new one.
    pub fn forget(&self) {
        self.state.lock().held = None;
    }

    /// The current token as a header.
    pub(super) async fn bearer(&self) -> Result<Bearer, Failure> {
        let held = self.held().await?;
        Ok(Bearer {
            header: held.header,
            generation: held.generation,
        })
    }

    /// True if a token of this generation is still the one to use.
    pub(super) fn is_current(&self, generation: u64) -> bool {
        let state = self.state.lock();
        state
            .held
            .as_ref()
            .is_some_and(|held| held.generation == generation && Instant::now() < held.ends_at)
    }

    /// The service refused a token of this generation. Whoever says so first drops it; for the others it is gone.
    pub(super) fn invalidate(&self, generation: u64) {
        let mut state = self.state.lock();
        if state
            .held
            .as_ref()
            .is_some_and(|held| held.generation == generation)
        {
            state.held = None;
        }
    }

    async fn held(&self) -> Result<Held, Failure> {
        match self.look() {
            Look::Fresh(held) => return Ok(held),
            // Somebody renews it already: what we have still serves.
            Look::Ageing(held) if self.flight.try_lock().is_err() => return Ok(held),
            Look::Ageing(_) | Look::Missing => {}
        }
        let _flight = self.flight.lock().await;
        // Whoever waited finds the work done.
        let old = match self.look() {
            Look::Fresh(held) => return Ok(held),
            Look::Ageing(held) => Some(held),
            Look::Missing => None,
        };
        if let Some(refusal) = self.remembered_refusal() {
            return old.ok_or(refusal);
        }
        match self.source.fetch().await {
            Ok(token) => self.keep(token),
            Err(failure) => {
                self.remember(&failure);
                let old = old.ok_or(failure)?;
                tracing::warn!(
                    "the sign-in could not be renewed ahead of time; the current one still serves"
                );
                let mut state = self.state.lock();
                if let Some(held) = &mut state.held {
                    held.renew_at = Instant::now() + RENEW_AGAIN;
                }
                Ok(old)
            }
        }
    }

    fn look(&self) -> Look {
        let now = Instant::now();
        match &self.state.lock().held {
            Some(held) if now < held.renew_at.min(held.ends_at) => Look::Fresh(held.clone()),
            Some(held) if now < held.ends_at => Look::Ageing(held.clone()),
            _ => Look::Missing,
        }
    }

    fn remembered_refusal(&self) -> Option<Failure> {
        let state = self.state.lock();
        let (when, failure) = state.refused.as_ref()?;
        let used_up = self.tries.is_some_and(|tries| state.refusals >= tries);
        (used_up || when.elapsed() < REFUSED_FOR).then(|| failure.clone())
    }

    fn remember(&self, failure: &Failure) {
        let is_refusal = matches!(
            failure.kind,
            ErrorKind::SignInRejected
                | ErrorKind::NotAllowed { .. }
                | ErrorKind::NotFound
                | ErrorKind::Refused
                | ErrorKind::Configuration
        );
        if is_refusal {
            let mut state = self.state.lock();
            state.refusals += 1;
            state.refused = Some((Instant::now(), failure.clone()));
        }
    }

    fn keep(&self, token: Token) -> Result<Held, Failure> {
        let Some(header) = token.value.bearer() else {
            let reason = super::call::Reason("the token holds characters that no header may hold".into());
            return Err(Failure::because(
                "the sign-in service",
                "sign in",
                ErrorKind::UnexpectedAnswer,
                reason,
            ));
        };
        let now = Instant::now();
        let lifetime = token.lifetime.clamp(LIFE.0, LIFE.1);
        let mut state = self.state.lock();
        state.generation += 1;
        state.refused = None;
        state.refusals = 0;
        let held = Held {
            value: token.value,
            header,
            generation: state.generation,
            renew_at: now + renew_after(lifetime, self.margin),
            ends_at: now + lifetime,
        };
        state.held = Some(held.clone());
        Ok(held)
    }
}

enum Look {
    /// Use it.
    Fresh(Held),
    /// It serves, but should be renewed.
    Ageing(Held),
    /// There is none.
    Missing,
}

/// How long after its arrival a token is renewed: `margin` before its end, at half of a long or a very short life.
fn renew_after(lifetime: Duration, margin: Duration) -> Duration {
    if lifetime >= LONG_LIFE {
        lifetime / 2
    } else {
        lifetime.saturating_sub(margin).max(lifetime / 2)
    }
}

impl std::fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenCache")
    }
}

/// A user name and password sent with every request.
///
/// Until a request succeeded, one at a time tries them, and two refusals in a row are the last: a third wrong password
/// may lock the account.
#[derive(Debug)]
pub struct BasicLogin {
    header: HeaderValue,
    state: Mutex<BasicState>,
    proof: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct BasicState {
    proven: bool,
    refusals: u32,
}

/// Held by the request that tries the password first.
pub(super) type Proof = Option<OwnedMutexGuard<()>>;

/// The password was refused as often as it is safe to try.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the user name or password was refused {PASSWORD_TRIES} times; a further try could lock the account")]
pub(super) struct PasswordRefused;

impl BasicLogin {
    /// Takes a user name and password; `None` if they cannot be sent.
    pub fn new(user: &str, password: &Secret) -> Option<Arc<Self>> {
        Some(Arc::new(Self {
            header: password.basic(user)?,
            state: Mutex::default(),
            proof: Arc::default(),
        }))
    }

    pub(super) async fn header(&self) -> Result<(HeaderValue, Proof), PasswordRefused> {
        if self.check()? {
            return Ok((self.header.clone(), None));
        }
        let guard = Arc::clone(&self.proof).lock_owned().await;
        let proof = if self.check()? { None } else { Some(guard) };
        Ok((self.header.clone(), proof))
    }

    /// True if the password is known to be right.
    fn check(&self) -> Result<bool, PasswordRefused> {
        let state = self.state.lock();
        if state.refusals >= PASSWORD_TRIES {
            return Err(PasswordRefused);
        }
        Ok(state.proven)
    }

    /// The service let us in, or did not.
    pub(super) fn answered(&self, let_in: bool) {
        let mut state = self.state.lock();
        state.proven = let_in;
        state.refusals = if let_in { 0 } else { state.refusals + 1 };
    }
}

#[cfg(test)]
mod tests;
