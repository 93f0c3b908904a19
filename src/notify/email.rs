//! E-mail over SMTP. Addresses are parsed and header values encoded by the mail library, so that nothing that came from
//! outside can begin a header (`reliability.md` L7).

use std::fmt;
use std::path::PathBuf;

use lettre::message::header::{ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use super::{Notice, NotifyError, TIME_LIMIT, Undelivered, message};
use crate::config::values::NotifyValues;
use crate::connector::http::Secret;
use crate::domain::text::clean;

/// Sends notices to a few addresses.
pub(super) struct Mailer {
    from: Mailbox,
    to: Vec<Mailbox>,
    host: String,
    port: u16,
    encryption: Encryption,
    account: Option<(String, Secret)>,
    ca_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encryption {
    /// Asked for in the clear, and nothing is sent without it.
    StartTls,
    /// From the first byte.
    Implicit,
    /// None: to this machine alone.
    None,
}

impl Mailer {
    /// Reads the settings; `None` if nobody is to get mail.
    pub(super) fn new(values: &NotifyValues) -> Result<Option<Self>, NotifyError> {
        if values.email_to.is_empty() {
            return Ok(None);
        }
        let missing = |key| NotifyError::Missing {
            key,
            wanted: "e-mail",
        };
        let to = values
            .email_to
            .iter()
            .map(|text| mailbox("notify.email_to", text))
            .collect::<Result<Vec<_>, _>>()?;
        let from = values
            .email_from
            .as_deref()
            .ok_or_else(|| missing("notify.email_from"))?;
        let host = values
            .smtp_host
            .clone()
            .ok_or_else(|| missing("notify.smtp_host"))?;
        let encryption = match values.smtp_tls.as_str() {
            "implicit" => Encryption::Implicit,
            "none" => Encryption::None,
            _ => Encryption::StartTls,
        };
        if encryption == Encryption::None && !is_this_machine(&host) {
            return Err(NotifyError::PlainMail(clean(&host).into_owned()));
        }
        let account = match (&values.smtp_username, &values.smtp_password) {
            (Some(user), Some(password)) => Some((user.clone(), password.clone())),
            (Some(_), None) => return Err(missing("notify.smtp_password")),
            (None, _) => None,
        };
        let usual_port = match encryption {
            Encryption::StartTls => 587,
            Encryption::Implicit => 465,
            Encryption::None => 25,
        };
        Ok(Some(Self {
            from: mailbox("notify.email_from", from)?,
            to,
            host,
            port: values.smtp_port.unwrap_or(usual_port),
            encryption,
            account,
            ca_file: values.ca_file.clone(),
        }))
    }

    /// Sends a notice; what the server answered.
    pub(super) async fn send(&self, notice: &Notice) -> Result<String, Undelivered> {
        let message = self.message(notice).map_err(|words| Undelivered {
            words,
            may_pass: false,
        })?;
        let transport = self.transport().map_err(|words| Undelivered {
            words,
            may_pass: false,
        })?;
        match transport.send(message).await {
            Ok(response) => {
                let words = response.message().collect::<Vec<_>>().join(" ");
                Ok(clean(&format!("{} {words}", response.code())).into_owned())
            }
            Err(error) => Err(Undelivered {
                words: clean(&chain(&error)).into_owned(),
                may_pass: !(error.is_permanent() || error.is_client() || error.is_tls()),
            }),
        }
    }

    /// The whole e-mail.
    pub(super) fn message(&self, notice: &Notice) -> Result<Message, String> {
        let domain = self.from.email.domain();
        let id = format!("<{}@{domain}>", uuid::Uuid::new_v4());
        let mut builder = Message::builder()
            .from(self.from.clone())
            .subject(message::title(notice))
            .message_id(Some(id))
            .header(MIME_VERSION_1_0)
            .header(ContentType::TEXT_PLAIN)
            // Nobody's absence note is to answer it.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        builder
            .body(message::body(notice))
            .map_err(|error| clean(&error.to_string()).into_owned())
    }

    fn transport(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
        let tls = match self.encryption {
            Encryption::None => Tls::None,
            Encryption::StartTls => Tls::Required(self.trust()?),
            Encryption::Implicit => Tls::Wrapper(self.trust()?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.host)
            .port(self.port)
            .tls(tls)
            .timeout(Some(TIME_LIMIT))
            .hello_name(our_name());
        if let Some((user, password)) = &self.account {
            builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
        }
        Ok(builder.build())
    }

    fn trust(&self) -> Result<TlsParameters, String> {
        let mut builder = TlsParameters::builder(self.host.clone());
        if let Some(path) = &self.ca_file {
            let text = std::fs::read(path)
                .map_err(|error| format!("the certificate file {}: {error}", path.display()))?;
            let certificate = Certificate::from_pem(&text)
                .map_err(|error| format!("the certificate file {}: {}", path.display(), chain(&error)))?;
            builder = builder.add_root_certificate(certificate);
        }
        builder.build_rustls().map_err(|error| chain(&error))
    }
}

impl fmt::Display for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = self.to.len();
        let plural = if addresses == 1 { "" } else { "es" };
        write!(
            f,
            "e-mail to {addresses} address{plural} by {}:{}",
            clean(&self.host),
            self.port
        )
    }
}

/// An address, with or without a name: `Avatars <avatars@contoso.com>`.
fn mailbox(key: &'static str, text: &str) -> Result<Mailbox, NotifyError> {
    text.trim().parse().map_err(|_| NotifyError::Address {
        key,
        text: clean(text).into_owned(),
    })
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// How we greet the server: with this machine's name where it can be one.
fn our_name() -> ClientId {
    let name = crate::store::host_name();
    let is_a_name = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    if is_a_name {
        ClientId::Domain(name)
    } else {
        ClientId::default()
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let more = deeper.to_string();
        if !words.contains(&more) {
            words.push_str(": ");
            words.push_str(&more);
        }
        cause = deeper.source();
    }
    words
}
