//! Microsoft Entra ID as a source of photos, through Microsoft Graph v1.0 (`entra.md`).
//!
//! People come in pages of 999, their photos' stamps through `$batch` at 20 a request, and bytes one by one, by object
//! id. Three lanes, because the services behind them throttle apart: sign-in, directory and photos.

mod check;
mod colleagues;
mod details;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod outcome;
mod people;
mod photos;
mod sign_in;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ::http::{HeaderName, HeaderValue};
use async_trait::async_trait;
use futures::stream::BoxStream;
use parking_lot::Mutex;

use self::sign_in::ClientSecret;
use super::http::{Caller, Failure, Lane, LaneSettings, Origin, Reason, Secret, TokenCache, Transport};
use super::{
    ConnectorError, ErrorKind, FetchedPhoto, LaneState, PeopleToAsk, PhotoSource, Priority, Probe,
    SourceLookup,
};
use crate::domain::anatomy::{Colleagues, PhotoDetails};
use crate::domain::ids::SourceId;
use crate::domain::person::SourcePerson;
use crate::domain::photo::SourcePhoto;
use crate::domain::text::clean;

/// The service's name in sentences.
const SYSTEM: &str = "Entra ID";

/// How long before its end a token is renewed (`reliability.md` D2).
const RENEW: Duration = Duration::from_mins(5);

/// The Graph hosts of the clouds (`entra.md` 6). Their tokens are asked for by their own name.
const GRAPH_HOSTS: [&str; 4] = [
    "graph.microsoft.com",
    "graph.microsoft.us",
    "dod-graph.microsoft.us",
    "microsoftgraph.chinacloudapi.cn",
];

/// The squares Microsoft 365 serves (`entra.md` 1.2).
pub const PHOTO_SIZES: [u16; 9] = [48, 64, 96, 120, 240, 360, 432, 504, 648];

/// Which photo is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhotoSize {
    /// A square of so many pixels, one of [`PHOTO_SIZES`]; the largest there is where that does not exist.
    Pixels(u16),
    /// The largest there is.
    Largest,
}

impl Default for PhotoSize {
    /// 360 pixels: sharp on dense screens, a tenth of the largest one's bytes.
    fn default() -> Self {
        Self::Pixels(360)
    }
}

/// How many requests of a lane may be in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concurrency {
    /// At the start.
    pub start: usize,
    /// At most, ever.
    pub cap: usize,
}

/// Everything the connector needs to know.
#[derive(Clone, Debug)]
pub struct EntraSettings {
    /// The log-in service: `https://login.microsoftonline.com`, or that of another cloud.
    pub login: Origin,
    /// Microsoft Graph: `https://graph.microsoft.com`, or that of another cloud.
    pub graph: Origin,
    /// Directory id or a verified domain.
    pub tenant: String,
    /// The application's client id.
    pub client_id: String,
    /// The client secret's value.
    pub secret: Secret,
    /// What the token is for; `None`: the Graph host followed by `/.default`, the global one for a host that is
    /// not Microsoft's.
    pub scope: Option<String>,
    /// Which photo is fetched.
    pub photo_size: PhotoSize,
    /// An OData filter for the listing of people; `None`: everybody.
    pub filter: Option<String>,
    /// The directory lane.
    pub directory: Concurrency,
    /// The photo lane. A batch takes four places, because the service works on four of its items at once.
    pub photos: Concurrency,
}

impl EntraSettings {
    /// Settings with the usual values for everything that has one (`reliability.md` 3).
    pub fn new(
        login: Origin,
        graph: Origin,
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        secret: Secret,
    ) -> Self {
        Self {
            login,
            graph,
            tenant: tenant.into(),
            client_id: client_id.into(),
            secret,
            scope: None,
            photo_size: PhotoSize::default(),
            filter: None,
            directory: Concurrency { start: 2, cap: 2 },
            photos: Concurrency { start: 4, cap: 16 },
        }
    }

    /// The first setting that cannot work, in words.
    fn mistake(&self) -> Option<String> {
        let is_name = |text: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|character| character.is_ascii_alphanumeric() || "-._".contains(character))
        };
        if !is_name(&self.tenant) || self.tenant.starts_with('.') {
            return Some(format!(
                "the tenant \"{}\" is neither a directory id nor a domain",
                clean(&self.tenant)
            ));
        }
        if people::person_id(&self.client_id).is_none() {
            return Some(format!(
                "the client id \"{}\" is not a GUID like 00000000-0000-0000-0000-000000000000",
                clean(&self.client_id)
            ));
        }
        if self.secret.is_blank() {
            return Some("the client secret is empty".to_owned());
        }
        match self.photo_size {
            PhotoSize::Pixels(pixels) if !PHOTO_SIZES.contains(&pixels) => Some(format!(
                "there are no photos of {pixels} pixels; choose one of {PHOTO_SIZES:?}"
            )),
            _ => None,
        }
    }

    fn scope(&self) -> String {
        self.scope.clone().unwrap_or_else(|| {
            let host = GRAPH_HOSTS
                .into_iter()
                .find(|known| self.graph.host().eq_ignore_ascii_case(known))
                .unwrap_or(GRAPH_HOSTS[0]);
            format!("https://{host}/.default")
        })
    }
}

/// Microsoft Entra ID.
pub struct EntraSource {
    login: Caller,
    directory: Caller,
    photos: Caller,
    tokens: Arc<TokenCache>,
    tenant: String,
    filter: Option<String>,
    size: PhotoSize,
    /// How many batches wait for a place or are on the wire.
    batches_in_flight: usize,
    /// Set once the rights granted turn out to show basic properties only.
    basic_columns: AtomicBool,
    /// People whose photo is known to be smaller than the size asked for.
    small: Mutex<HashSet<u128>>,
}

impl EntraSource {
    /// Prepares the connector; nothing is sent yet. Fails with [`ErrorKind::Configuration`] if a setting cannot work.
    pub fn new(settings: EntraSettings, transport: &Transport) -> Result<Self, ConnectorError> {
        if let Some(mistake) = settings.mistake() {
            let kind = ErrorKind::Configuration;
            let failure = Failure::because(SYSTEM, "use the configuration", kind, Reason(mistake));
            return Err(failure.into());
        }
        let scope = settings.scope();
        let lane = |name, concurrency: Concurrency| {
            Lane::new(LaneSettings {
                name,
                start: concurrency.start,
                cap: concurrency.cap,
            })
        };
        let one = Concurrency { start: 1, cap: 1 };
        let login = Caller::new(SYSTEM, transport, settings.login, lane("sign-in", one))
            .with_attempt_id(HeaderName::from_static("client-request-id"));
        let source = ClientSecret {
            caller: login.clone(),
            tenant: settings.tenant.clone(),
            client_id: settings.client_id,
            secret: settings.secret,
            scope,
        };
        let tokens = TokenCache::new(source, RENEW);
        let graph = |lane| {
            Caller::new(SYSTEM, transport, settings.graph.clone(), lane)
                .with_token(Arc::clone(&tokens))
                .with_attempt_id(HeaderName::from_static("client-request-id"))
        };
        Ok(Self {
            directory: graph(lane("directory", settings.directory)),
            photos: graph(lane("photos", settings.photos)),
            login,
            tokens,
            tenant: settings.tenant,
            filter: settings.filter.filter(|filter| !filter.trim().is_empty()),
            size: settings.photo_size,
            // A few more than fit, so that one is ready whenever a place is free.
            batches_in_flight: settings.photos.cap.div_ceil(4) + 4,
            basic_columns: AtomicBool::new(false),
            small: Mutex::default(),
        })
    }
}

/// The header that tells Graph whose requests to throttle first (`entra.md` 7.2).
fn throttle_priority() -> HeaderName {
    HeaderName::from_static("x-ms-throttle-priority")
}

fn priority_value(priority: Priority) -> HeaderValue {
    HeaderValue::from_static(match priority {
        Priority::Background => "Low",
        Priority::Foreground => "High",
    })
}

#[async_trait]
impl PhotoSource for EntraSource {
    fn name(&self) -> &'static str {
        SYSTEM
    }

    fn people(&self) -> BoxStream<'_, Result<Vec<SourcePerson>, ConnectorError>> {
        self.list_people()
    }

    async fn lookup(&self, wanted: &[SourceLookup]) -> Result<Vec<SourcePerson>, ConnectorError> {
        self.find_people(wanted).await
    }

    async fn group_members(&self, group: &str) -> Result<Vec<SourceId>, ConnectorError> {
        self.members_of(group).await
    }

    fn stamps<'a>(
        &'a self,
        people: PeopleToAsk<'a>,
        priority: Priority,
    ) -> BoxStream<'a, Result<(SourceId, SourcePhoto), ConnectorError>> {
        self.read_stamps(people, priority)
    }

    async fn photo(
        &self,
        person: &SourceId,
        priority: Priority,
    ) -> Result<Option<FetchedPhoto>, ConnectorError> {
        self.fetch_photo(person, priority).await
    }

    async fn photo_details(
        &self,
        person: &SourceId,
        priority: Priority,
    ) -> Result<PhotoDetails, ConnectorError> {
        Ok(self.read_details(person, priority).await?)
    }

    async fn colleagues(&self, person: &SourceId, priority: Priority) -> Result<Colleagues, ConnectorError> {
        Ok(self.read_colleagues(person, priority).await?)
    }

    fn photo_size(&self) -> String {
        match self.size {
            PhotoSize::Pixels(pixels) => format!("{pixels}x{pixels}"),
            PhotoSize::Largest => "largest".to_owned(),
        }
    }

    async fn check(&self) -> Vec<Probe> {
        self.probe().await
    }

    fn lanes(&self) -> Vec<LaneState> {
        vec![
            self.login.lane_state(),
            self.directory.lane_state(),
            self.photos.lane_state(),
        ]
    }
}
