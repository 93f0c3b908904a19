//! Requests on the wire: TLS, time limits, size limits. One request in, one whole answer or one fault out.

use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::http::{HeaderMap, Method};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use tokio::time::timeout;

use super::call::Answer;
use super::log::RequestLog;
use super::origin::Address;
use crate::connector::{ErrorKind, Speaker};
use crate::domain::text::clean;

/// Time to reach a service.
const CONNECT: Duration = Duration::from_secs(10);
/// Idle connections are dropped before ServiceNow's 20 s are over (`servicenow.md` 5.5).
const IDLE: Duration = Duration::from_secs(15);
/// The slowest upload that still counts as progress, in bytes a second.
const SLOWEST_UPLOAD: u64 = 32 * 1024;

/// How requests leave this machine.
#[derive(Clone, Debug, Default)]
pub struct TransportSettings {
    /// A file of PEM certificates that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// A proxy for everything but this machine; the environment's proxy variables are not read.
    pub proxy: Option<url::Url>,
    /// The most requests in flight to one service, for the size of the pool of connections.
    pub connections: usize,
}

/// The way to the wire that all services share. Clones share connections and the [`RequestLog`].
#[derive(Clone)]
pub struct Transport {
    pub(super) wire: Arc<dyn Wire>,
    log: RequestLog,
}

impl Transport {
    /// Prepares the transport. Certificates are read when the first encrypted request goes out.
    pub fn new(settings: TransportSettings) -> Self {
        Self {
            wire: Arc::new(Network {
                settings,
                encrypted: OnceLock::new(),
                local: OnceLock::new(),
            }),
            log: RequestLog::default(),
        }
    }

    /// The last requests of all services.
    pub fn log(&self) -> &RequestLog {
        &self.log
    }

    /// Posts one message to an address that is no service of ours: no sign-in, no lane, no second try. The answer is
    /// whatever it is, up to `body_cap` bytes; it takes `total` at most, connecting included.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`] if no whole answer came.
    pub async fn post(
        &self,
        address: Address,
        headers: HeaderMap,
        body: Bytes,
        body_cap: u64,
        total: Duration,
    ) -> Result<Answer, NoAnswer> {
        let sending = self.wire.exchange(Outgoing {
            method: Method::POST,
            address,
            headers,
            body,
            body_cap,
            no_progress: total,
            total,
        });
        let late = || {
            Fault::new(
                FaultKind::TimedOut,
                format!("not finished after {} s", total.as_secs()),
            )
        };
        timeout(total, sending)
            .await
            .unwrap_or_else(|_| Err(late()))
            .map_err(|fault| NoAnswer {
                may_pass: fault.kind.may_pass(),
                words: fault.words,
            })
    }

    /// A transport whose requests end in something else than the network: a practice world in memory, a script.
    pub fn over(wire: Arc<dyn Wire>) -> Self {
        Self {
            wire,
            log: RequestLog::default(),
        }
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transport")
    }
}

/// A message that got no whole answer, in words that name no more than the machine.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{words}")]
pub struct NoAnswer {
    words: String,
    /// True if it may go better next time.
    pub may_pass: bool,
}

/// One attempt of a request, ready to go. It carries secrets, so it shows itself nowhere.
pub struct Outgoing {
    /// Method.
    pub method: Method,
    /// Where it goes.
    pub address: Address,
    /// Everything that is sent along, the authorization included.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// Bytes of an answer, expanded, that are accepted.
    pub body_cap: u64,
    /// Without a byte for this long, it is given up.
    pub no_progress: Duration,
    /// After this long, it is given up in any case.
    pub total: Duration,
}

/// Something that carries requests: the network, a practice world in memory, or a script.
#[async_trait]
pub trait Wire: Send + Sync {
    /// Sends one request and brings its whole answer, or says why there is none.
    async fn exchange(&self, request: Outgoing) -> Result<Answer, Fault>;
}

/// Why no whole answer came.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{words}")]
pub struct Fault {
    /// What that says about the request.
    pub kind: FaultKind,
    /// What happened, in words, cleaned; no address with its query.
    words: String,
}

/// What a fault says about the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The service could not be reached: nothing was sent.
    NotSent,
    /// It stood still or took too long.
    TimedOut,
    /// The connection broke, or the answer was not whole.
    Broken,
    /// The answer is longer than accepted.
    TooLarge(u64),
    /// The service's certificate is not trusted. Nothing was sent.
    Untrusted,
    /// A proxy refused to let us through. Nothing was sent.
    Proxy,
    /// The settings cannot work. Nothing was sent.
    Settings,
}

impl Fault {
    /// A fault, with what happened in words; they are cleaned here.
    pub fn new(kind: FaultKind, words: impl AsRef<str>) -> Self {
        Self {
            kind,
            words: clean(words.as_ref()).into_owned(),
        }
    }

    /// Names the machine when it was the connection that failed (`reliability.md` C1).
    fn at(mut self, place: &str) -> Self {
        if matches!(
            self.kind,
            FaultKind::NotSent | FaultKind::Untrusted | FaultKind::Proxy
        ) {
            self.words = format!("{} ({place})", self.words);
        }
        self
    }

    fn of(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut chain = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(deeper) = cause {
            chain.push(deeper.to_string());
            cause = deeper.source();
        }
        // Each layer repeats the one below; the first says what, the last says why.
        let (what, why) = (chain[0].clone(), chain[chain.len() - 1].clone());
        let words = if what == why {
            what
        } else {
            format!("{what}: {why}")
        };
        let kind = if is_untrusted(&error) {
            FaultKind::Untrusted
        } else if error.is_connect() && chain.iter().any(|text| text.contains("proxy")) {
            FaultKind::Proxy
        } else if error.is_connect() {
            FaultKind::NotSent
        } else if error.is_builder() {
            FaultKind::Settings
        } else if error.is_timeout() {
            FaultKind::TimedOut
        } else {
            FaultKind::Broken
        };
        Self::new(kind, words)
    }
}

/// True if a certificate was refused, however deep in the error that is.
fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return matches!(tls, rustls::Error::InvalidCertificate(_));
    }
    // An input/output error does not count what it wraps among its sources.
    let wrapped = error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref);
    wrapped.is_some_and(|inner| is_untrusted(inner)) || error.source().is_some_and(is_untrusted)
}

impl FaultKind {
    /// True if nothing of the request left this machine.
    pub fn nothing_sent(self) -> bool {
        matches!(
            self,
            Self::NotSent | Self::Untrusted | Self::Proxy | Self::Settings
        )
    }

    /// True if it may go better next time.
    pub fn may_pass(self) -> bool {
        matches!(self, Self::NotSent | Self::TimedOut | Self::Broken)
    }

    /// What a request that ends so means.
    pub fn kind(self) -> ErrorKind {
        match self {
            Self::NotSent | Self::TimedOut | Self::Broken => ErrorKind::Unavailable,
            Self::TooLarge(limit) => ErrorKind::TooLarge { limit },
            Self::Proxy => ErrorKind::WrongSpeaker(Speaker::Proxy),
            Self::Untrusted | Self::Settings => ErrorKind::Configuration,
        }
    }

    /// What to do, where it differs from the usual.
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Self::Untrusted => Some(
                "the certificate is not trusted: check the address and this machine's clock; if a company's own \
                 certificate authority signs it, configure its file",
            ),
            Self::Settings => Some("check the certificate file and the proxy address in the configuration"),
            _ => None,
        }
    }
}

/// The real network.
struct Network {
    settings: TransportSettings,
    encrypted: OnceLock<Result<reqwest::Client, String>>,
    /// Plain HTTP to this machine: no certificates to read, never a proxy.
    local: OnceLock<Result<reqwest::Client, String>>,
}

impl Network {
    fn client(&self, address: &Address) -> Result<reqwest::Client, Fault> {
        let (slot, local) = if address.url().scheme() == "http" {
            (&self.local, true)
        } else {
            (&self.encrypted, false)
        };
        slot.get_or_init(|| self.build(local))
            .clone()
            .map_err(|words| Fault::new(FaultKind::Settings, words))
    }

    fn build(&self, local: bool) -> Result<reqwest::Client, String> {
        // An error means that a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("avatar-sync/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .tls_version_min(reqwest::tls::Version::TLS_1_2)
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(self.settings.connections.max(8))
            .tcp_keepalive(Duration::from_secs(30))
            .tcp_nodelay(true);
        if local {
            builder = builder.tls_certs_only([]);
        } else {
            if let Some(path) = &self.settings.ca_file {
                builder = builder.tls_certs_merge(read_certificates(path)?);
            }
            if let Some(proxy) = &self.settings.proxy {
                let spared = reqwest::NoProxy::from_string("localhost,127.0.0.0/8,::1");
                let proxy =
                    reqwest::Proxy::all(proxy.clone()).map_err(|error| plain(&error.without_url()))?;
                builder = builder.proxy(proxy.no_proxy(spared));
            }
        }
        builder.build().map_err(|error| plain(&error))
    }
}

fn read_certificates(path: &std::path::Path) -> Result<Vec<reqwest::Certificate>, String> {
    let shown = path.display();
    let text = std::fs::read(path).map_err(|error| format!("the certificate file {shown}: {error}"))?;
    let certificates = reqwest::Certificate::from_pem_bundle(&text)
        .map_err(|error| format!("the certificate file {shown}: {}", plain(&error)))?;
    if certificates.is_empty() {
        return Err(format!("the certificate file {shown} holds no PEM certificate"));
    }
    Ok(certificates)
}

/// An error and its deepest cause, in one line.
fn plain(error: &dyn Error) -> String {
    let mut deepest = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    let (what, why) = (error.to_string(), deepest.to_string());
    if what == why {
        what
    } else {
        format!("{what}: {why}")
    }
}

#[async_trait]
impl Wire for Network {
    async fn exchange(&self, request: Outgoing) -> Result<Answer, Fault> {
        let client = self.client(&request.address)?;
        // Nobody tells how much of a body has left, so it is given the time a slow line needs for it.
        let upload = Duration::from_secs(request.body.len() as u64 / SLOWEST_UPLOAD);
        let (first, total) = (request.no_progress + upload, request.total + upload);
        let (no_progress, cap) = (request.no_progress, request.body_cap);
        let stalled = |limit: Duration| {
            Fault::new(
                FaultKind::TimedOut,
                format!("no answer for {} s", limit.as_secs()),
            )
        };
        let place = request.address.url().origin().ascii_serialization();
        let whole = async {
            let mut outgoing = reqwest::Request::new(request.method, request.address.url().clone());
            *outgoing.headers_mut() = request.headers;
            if !request.body.is_empty() {
                *outgoing.body_mut() = Some(request.body.into());
            }
            let sent = timeout(first, client.execute(outgoing)).await;
            let mut response = sent
                .map_err(|_| stalled(first))?
                .map_err(|error| Fault::of(error).at(&place))?;
            let too_large = || Fault::new(FaultKind::TooLarge(cap), format!("more than {cap} bytes"));
            if response.content_length().is_some_and(|length| length > cap) {
                return Err(too_large());
            }
            let mut body = BytesMut::new();
            loop {
                let part = timeout(no_progress, response.chunk()).await;
                match part.map_err(|_| stalled(no_progress))?.map_err(Fault::of)? {
                    Some(part) if body.len() as u64 + part.len() as u64 > cap => return Err(too_large()),
                    Some(part) => body.extend_from_slice(&part),
                    None => break,
                }
            }
            Ok(Answer {
                status: response.status(),
                headers: std::mem::take(response.headers_mut()),
                body: body.freeze(),
            })
        };
        timeout(total, whole).await.unwrap_or_else(|_| {
            Err(Fault::new(
                FaultKind::TimedOut,
                format!("not finished after {} s", total.as_secs()),
            ))
        })
    }
}

#[cfg(test)]
mod tests;
