//! Tells administrators how a run went, by e-mail and by webhook.
//!
//! A notification never holds a person's name unless that is configured, never changes how a run ends, and is bounded
//! in time and size. The same trouble is told once and then at widening intervals ([`Told`]).
//!
//! ```text
//! Notice   ─ what happened: numbers, a sentence, what to type next
//! message  ─ a notice in words, the same for every channel
//! email    ─ SMTP, encrypted unless the server is on this machine
//! webhook  ─ plain JSON, a Teams workflow's card, Slack blocks
//! Told     ─ what was told when
//! ```

mod email;
mod message;
mod told;
mod webhook;

use std::time::Duration;

use jiff::Timestamp;

use crate::config::values::NotifyValues;
use crate::domain::ids::RunId;
use crate::domain::run::Summary;

pub use told::{Told, ToldError};

/// The most time one attempt to tell somebody may take, connecting included.
pub const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Attempts, if the first one fails in a way that may pass.
const ATTEMPTS: u32 = 2;
/// The most people that are named.
pub const NAMED: usize = 20;

/// What a notification is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Occasion {
    /// A run failed, or people failed in it.
    Failure,
    /// A brake stopped a run.
    Brake,
    /// Too many runs failed; the profile waits for somebody to look at it.
    Quarantine,
    /// The first good run after a bad one.
    Recovery,
    /// Removals wait for an approval.
    ApprovalWanted,
    /// Somebody tries if notifications arrive.
    Test,
}

impl Occasion {
    /// The stable code: in JSON, and as a word of `notify.on`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Brake => "brake",
            Self::Quarantine => "quarantine",
            Self::Recovery => "recovery",
            Self::ApprovalWanted => "approval",
            Self::Test => "test",
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub occasion: Occasion,
    /// The profile.
    pub profile: String,
    /// This machine.
    pub host: String,
    /// When.
    pub at: Timestamp,
    /// The run, if one was begun.
    pub run: Option<RunId>,
    /// How it ended (`cli.md`, Exit codes).
    pub exit_code: u8,
    /// In words. Words that look like addresses are hidden unless names are wanted.
    pub sentence: String,
    /// The numbers of the run.
    pub summary: Option<Summary>,
    /// The command that helps next.
    pub next_command: String,
    /// When the next run begins, if it is known.
    pub next_run: Option<Timestamp>,
    /// Bad runs in a row, this one included.
    pub in_a_row: u32,
    /// The people concerned; told only if that is configured, and at most [`NAMED`].
    pub people: Vec<String>,
}

/// What came of telling one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Which: `e-mail to 2 addresses`, `webhook at hooks.slack.com`.
    pub channel: String,
    /// What was answered, or why it was not told.
    pub result: Result<String, String>,
}

/// Settings that name nobody who can be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    /// Not an e-mail address.
    #[error("{key}: {text:?} is not an e-mail address")]
    Address {
        /// The setting.
        key: &'static str,
        /// What it holds.
        text: String,
    },
    /// Something else is needed with what is there.
    #[error("{key} is needed for {wanted}")]
    Missing {
        /// The setting.
        key: &'static str,
        /// What for.
        wanted: &'static str,
    },
    /// A mail server elsewhere without encryption.
    #[error("notify.smtp_tls: mail to {0} would not be encrypted; that is accepted for this machine alone")]
    PlainMail(String),
    /// Not an address that may be posted to. It is not shown: whoever knows it can post.
    #[error(
        "notify.webhook_url is not an address that can be posted to; it begins with https://, or http:// for this machine alone"
    )]
    Webhook,
}

/// Tells whoever is configured.
pub struct Notifier {
    on: Vec<String>,
    names: bool,
    email: Option<email::Mailer>,
    webhook: Option<webhook::Webhook>,
}

impl Notifier {
    /// Reads the settings; `None` if nobody is to be told. Nothing is sent.
    ///
    /// # Errors
    ///
    /// If somebody is to be told and cannot be.
    pub fn new(values: &NotifyValues) -> Result<Option<Self>, NotifyError> {
        let email = email::Mailer::new(values)?;
        let webhook = webhook::Webhook::new(values)?;
        if email.is_none() && webhook.is_none() {
            return Ok(None);
        }
        Ok(Some(Self {
            on: values.on.clone(),
            names: values.names,
            email,
            webhook,
        }))
    }

    /// True if this is to be told.
    pub fn wants(&self, occasion: Occasion) -> bool {
        occasion == Occasion::Test || self.on.iter().any(|word| word == occasion.code())
    }

    /// True if people may be named.
    pub fn names_people(&self) -> bool {
        self.names
    }

    /// Tells every channel, side by side; takes [`TIME_LIMIT`] twice and two seconds at most.
    pub async fn tell(&self, notice: &Notice) -> Vec<Delivery> {
        let notice = &message::within_bounds(notice, self.names);
        let email = async {
            match &self.email {
                Some(mailer) => Some(Delivery {
                    channel: mailer.to_string(),
                    result: twice(async || mailer.send(notice).await).await,
                }),
                None => None,
            }
        };
        let webhook = async {
            match &self.webhook {
                Some(webhook) => Some(Delivery {
                    channel: webhook.to_string(),
                    result: twice(async || webhook.send(notice).await).await,
                }),
                None => None,
            }
        };
        let (email, webhook) = tokio::join!(email, webhook);
        email.into_iter().chain(webhook).collect()
    }
}

/// A sentence without the addresses of people, whoever has put them there.
pub fn impersonal(sentence: &str) -> String {
    message::without_addresses(sentence)
}

/// Why somebody was not told.
struct Undelivered {
    words: String,
    /// It may go better in a moment.
    may_pass: bool,
}

/// Tries again once, after a short while, where that may help. A message that arrives twice does no harm.
async fn twice(send: impl AsyncFn() -> Result<String, Undelivered>) -> Result<String, String> {
    let mut attempt = 1;
    loop {
        let sent = tokio::time::timeout(TIME_LIMIT, send()).await;
        let failed = match sent {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(failed)) => failed,
            Err(_) => Undelivered {
                words: format!("no answer within {} s", TIME_LIMIT.as_secs()),
                may_pass: true,
            },
        };
        if attempt == ATTEMPTS || !failed.may_pass {
            return Err(failed.words);
        }
        attempt += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[cfg(test)]
mod tests;
