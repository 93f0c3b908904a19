//! The two seams to the outside: where photos come from and where avatars go.
//!
//! A connector hides sign-in, paging, retries, pauses and a service's quirks behind [`PhotoSource`] or
//! [`AvatarTarget`]. It knows its service, `domain` and [`http`]; not another connector, the engine or the store.
//! Cancelling any method by dropping its future is safe; a write whose future is dropped has an unknown outcome.

pub mod entra;
pub mod http;
pub mod servicenow;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use crate::domain::anatomy::{Anatomy, Colleagues, PhotoDetails};
use crate::domain::ids::{PictureId, RecordId, SourceId, TargetId};
use crate::domain::person::{SourcePerson, TargetPerson};
use crate::domain::photo::{
    AvatarChain, AvatarRecord, Column, PictureForm, Place, SourcePhoto, StoredPicture,
};
use crate::domain::tidying::StoredForm;

/// Where photos come from.
#[async_trait]
pub trait PhotoSource: Send + Sync {
    /// The service's name in sentences: "Entra ID".
    fn name(&self) -> &'static str;

    /// Everybody, page by page. The stream ends after the last page or after the first error; an error means that
    /// the listing is incomplete.
    fn people(&self) -> BoxStream<'_, Result<Vec<SourcePerson>, ConnectorError>>;

    /// The people for whom any of `wanted` holds, each once, in no particular order.
    async fn lookup(&self, wanted: &[SourceLookup]) -> Result<Vec<SourcePerson>, ConnectorError>;

    /// Ids of the people in a group, named by id or display name; nested groups are flattened.
    async fn group_members(&self, group: &str) -> Result<Vec<SourceId>, ConnectorError>;

    /// The cheap stamps of many people's photos, each person once, in the order in which answers arrive. A failure
    /// that concerns one person is a [`SourcePhoto::Unreadable`]; the stream ends early, with an error, only when
    /// going on is pointless. `people` are taken when their turn comes, so that they need not be in memory at once.
    fn stamps<'a>(
        &'a self,
        people: PeopleToAsk<'a>,
        priority: Priority,
    ) -> BoxStream<'a, Result<(SourceId, SourcePhoto), ConnectorError>>;

    /// The bytes of one photo in the configured size, or the largest there is when that size does not exist.
    /// `None` when the source says that there is none. The bytes are unchecked.
    async fn photo(
        &self,
        person: &SourceId,
        priority: Priority,
    ) -> Result<Option<FetchedPhoto>, ConnectorError>;

    /// What there is to know about one photo beyond its stamp: where it is kept, the sizes there are. An absence is an
    /// answer, not an error. A source that knows no more need not say more.
    async fn photo_details(
        &self,
        person: &SourceId,
        priority: Priority,
    ) -> Result<PhotoDetails, ConnectorError> {
        let _ = (person, priority);
        Ok(PhotoDetails::default())
    }

    /// Manager and direct reports of one person; nobody is normal, and all that a source without such a thing knows.
    async fn colleagues(&self, person: &SourceId, priority: Priority) -> Result<Colleagues, ConnectorError> {
        let _ = (person, priority);
        Ok(Colleagues::default())
    }

    /// Names what [`PhotoSource::photo`] fetches ("360x360"), so that remembered hashes are not compared across sizes.
    fn photo_size(&self) -> String;

    /// Harmless probes of connection, sign-in and every right, in order; the first failure may end the list.
    async fn check(&self) -> Vec<Probe>;

    /// How the traffic to this service is doing right now.
    fn lanes(&self) -> Vec<LaneState>;
}

/// Where avatars go.
#[async_trait]
pub trait AvatarTarget: Send + Sync {
    /// The service's name in sentences: "ServiceNow".
    fn name(&self) -> &'static str;

    /// Everybody in scope, page by page. The stream ends after the last page or after the first error.
    fn people(&self) -> BoxStream<'_, Result<Vec<TargetPerson>, ConnectorError>>;

    /// How many people in scope the target itself counts; fewer listed means that rows are hidden by access rules.
    async fn count(&self) -> Result<u64, ConnectorError>;

    /// The people for whom any of `wanted` holds, whether in scope or not, each once.
    async fn lookup(&self, wanted: &[TargetLookup]) -> Result<Vec<TargetPerson>, ConnectorError>;

    /// The people in scope for whom any of `wanted` holds, each once: what [`AvatarTarget::people`] would list of them.
    ///
    /// A target without a scope of its own need not tell the two apart.
    async fn lookup_in_scope(&self, wanted: &[TargetLookup]) -> Result<Vec<TargetPerson>, ConnectorError> {
        self.lookup(wanted).await
    }

    /// Reads the avatar chains of everybody in `people` by sweeping the tables: cost grows with rows, not with people.
    async fn sweep_chains(&self, people: SweptPeople<'_>) -> Result<Box<dyn SweptChains>, ConnectorError>;

    /// Fresh avatar chains of a few people, nothing remembered; reads of callers that wait at the same time share
    /// requests. A person who is gone is missing from the answer.
    async fn chains(
        &self,
        people: &[TargetId],
        priority: Priority,
    ) -> Result<Vec<(TargetId, AvatarChain)>, ConnectorError>;

    /// Which picture the target itself says it displays for these people (`sys_user.avatar`); shared like
    /// [`AvatarTarget::chains`]. `None` in an entry: no picture.
    async fn displayed(
        &self,
        people: &[TargetId],
    ) -> Result<Vec<(TargetId, Option<PictureId>)>, ConnectorError>;

    /// Everything that is stored for one person, read afresh, for explaining; `None` when there is no such person. What
    /// an access rule hides is missing in the answer. A target that keeps no more than chains need not say more.
    async fn anatomy(
        &self,
        person: &TargetId,
        priority: Priority,
    ) -> Result<Option<Anatomy>, ConnectorError> {
        let people = std::slice::from_ref(person);
        let (chains, displayed) = futures::try_join!(self.chains(people, priority), self.displayed(people))?;
        let displayed = displayed.into_iter().next().map(|(_, picture)| picture);
        Ok(chains
            .into_iter()
            .next()
            .map(|(_, chain)| Anatomy::of_chain(chain, displayed)))
    }

    /// The bytes of a stored picture, unchecked; `None` when it is gone.
    async fn download(
        &self,
        picture: &PictureId,
        priority: Priority,
    ) -> Result<Option<Bytes>, ConnectorError>;

    /// The places that this target's write mode writes, in the order of writing, given what the person has now.
    fn places_to_write(&self, chain: &AvatarChain) -> Vec<Place>;

    /// Creates the record of `place` for a person who has none. Not safe to repeat: on
    /// [`ErrorKind::OutcomeUnknown`] read the chain again.
    async fn create_record(&self, person: &TargetPerson, place: Place) -> Result<RecordId, ConnectorError>;

    /// Stores a new picture at a record. Not safe to repeat: on [`ErrorKind::OutcomeUnknown`] read the chain again.
    async fn upload(
        &self,
        record: &RecordId,
        place: Place,
        photo: Bytes,
        content_type: &str,
    ) -> Result<StoredPicture, ConnectorError>;

    /// What the write mode wants the column of this record to be once `new` is stored there; `None`: leave it alone.
    fn column_to_set(&self, place: Place, column: &Column, new: &PictureId) -> Option<PictureId>;

    /// Reads the picture column of a record.
    async fn column(&self, record: &RecordId, place: Place) -> Result<Column, ConnectorError>;

    /// Sets the picture column of a record, or clears it, and answers what it holds afterwards.
    async fn set_column(
        &self,
        record: &RecordId,
        place: Place,
        picture: Option<&PictureId>,
    ) -> Result<Column, ConnectorError>;

    /// Deletes a record that this account has created a moment ago and that holds nothing. Already gone is success.
    async fn withdraw_record(&self, record: &RecordId, place: Place) -> Result<(), ConnectorError> {
        Err(ConnectorError {
            system: self.name(),
            operation: format!("delete {place} {record}"),
            kind: ErrorKind::Refused,
            hint: None,
            source: None,
        })
    }

    /// Removes a stored picture. Already gone is success.
    async fn remove(&self, picture: &PictureId) -> Result<(), ConnectorError>;

    /// Stores a copy of a picture in the form in which it was stored before: its name and type are not ours. Not safe
    /// to repeat: on [`ErrorKind::OutcomeUnknown`] read the chain again.
    async fn store_as(
        &self,
        record: &RecordId,
        place: Place,
        picture: Bytes,
        form: &StoredForm,
    ) -> Result<StoredPicture, ConnectorError> {
        match form.form {
            PictureForm::ImageField => self.upload(record, place, picture, form.content_type.raw()).await,
            PictureForm::Plain => Err(ConnectorError {
                system: self.name(),
                operation: format!("store an ordinary attachment at {place} {record}"),
                kind: ErrorKind::Refused,
                hint: None,
                source: None,
            }),
        }
    }

    /// Pictures whose record is gone, page by page, in no particular order; those of one record may come on several
    /// pages. Only what the target itself says is gone counts, not what this account does not see. The stream ends
    /// after the last page or after the first error. A target whose pictures go with their records has none.
    fn strays(&self) -> BoxStream<'_, Result<Vec<Stray>, ConnectorError>> {
        stream::empty().boxed()
    }

    /// All that is stored at this record, read afresh, if the record is gone. `None` if it is not, or nothing is there.
    async fn stray(&self, _place: Place, _record: &RecordId) -> Result<Option<Stray>, ConnectorError> {
        Ok(None)
    }

    /// The picture columns of any records, whoever's they are, that name any of `pictures`.
    async fn named(&self, _pictures: &[PictureId]) -> Result<Vec<Naming>, ConnectorError> {
        Ok(Vec::new())
    }

    /// The largest picture in bytes that may be uploaded.
    fn upload_limit(&self) -> u64;

    /// Harmless probes of connection, sign-in and every right, in order; the first failure may end the list.
    async fn check(&self) -> Vec<Probe>;

    /// How the traffic to this service is doing right now.
    fn lanes(&self) -> Vec<LaneState>;
}

/// People whose stamps are wanted, one after the other.
pub type PeopleToAsk<'a> = Box<dyn Iterator<Item = SourceId> + Send + 'a>;

/// People whose chains are wanted, each once, with what the picture column of their own record held when they were
/// listed.
pub type SweptPeople<'a> = Box<dyn Iterator<Item = (TargetId, Column)> + Send + 'a>;

/// The avatar chains that a sweep has brought, kept in few bytes and put together one at a time.
pub trait SweptChains: Send + Sync {
    /// The chain of one of the people of the sweep. `None`: the target no longer knows the person.
    fn chain(&self, person: &TargetPerson) -> Option<AvatarChain>;
}

/// A picture column that names a picture.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Naming {
    /// The picture that is named.
    pub picture: PictureId,
    /// The place of the record whose column it is.
    pub place: Place,
    /// The record whose column it is.
    pub record: RecordId,
}

/// Pictures whose record is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// The place of the record; [`Place::THUMBNAIL`] for renditions of pictures that are gone.
    pub place: Place,
    /// The record that is gone.
    pub record: RecordId,
    /// What is stored there.
    pub pictures: Vec<StoredPicture>,
    /// True if they are stored in a way that no version of the platform does (`servicenow.md` 1.1, double prefix):
    /// worth a report and nothing else.
    pub is_odd: bool,
}

impl Stray {
    /// As a chain, so that its state has a stamp like that of a person.
    pub fn chain(&self) -> AvatarChain {
        let mut pictures = self.pictures.clone();
        pictures.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        AvatarChain {
            records: vec![AvatarRecord {
                place: self.place,
                id: self.record.clone(),
                column: Column::Empty,
                pictures,
            }],
            served: None,
            findings: Vec::new(),
        }
    }
}

/// Whose request goes first when both wait. Nobody goes through a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A sweep nobody looks at.
    Background,
    /// Somebody waits for it.
    Foreground,
}

/// A way to find people in the source. Comparison folds case (`entra.md` 1.8, 2.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SourceLookup {
    /// By object id.
    Id(String),
    /// By sign-in name.
    Principal(String),
    /// By primary e-mail.
    Mail(String),
    /// By employee number.
    EmployeeId(String),
}

/// A way to find people in the target. Comparison folds case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TargetLookup {
    /// By the target's own id.
    Id(String),
    /// By sign-in name.
    UserName(String),
    /// By e-mail.
    Mail(String),
    /// By employee number.
    EmployeeNumber(String),
    /// By the source's id as the target keeps it.
    SourceKey(String),
}

/// A photo's bytes as the source served them, unchecked.
#[derive(Clone, Debug)]
pub struct FetchedPhoto {
    /// The bytes.
    pub bytes: Bytes,
    /// The version of these bytes, where the answer named one.
    pub etag: Option<String>,
    /// The media type claimed.
    pub content_type: String,
}

/// One line of a check: what was tried, and how it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What was tried, in words: "sign in to Entra ID".
    pub what: String,
    /// How it went.
    pub result: ProbeResult,
}

/// How a probe went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// It works; the text says what was seen.
    Passed(String),
    /// It works, but something deserves attention: more rights than needed, a feature that will be missing.
    Warning {
        /// What was seen.
        seen: String,
        /// What to do.
        hint: String,
    },
    /// It does not work.
    Failed {
        /// Which kind of failure, for the exit code.
        kind: ErrorKind,
        /// What was seen.
        seen: String,
        /// What to do: the missing permission by name and where to grant it.
        hint: String,
    },
}

/// The traffic of one lane: requests that share limits and pauses (`reliability.md` 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneState {
    /// "sign-in", "directory", "photos", "ServiceNow"; "disk" while there is no room on it.
    pub name: &'static str,
    /// Requests on the wire.
    pub in_flight: usize,
    /// How many may be on the wire at the moment.
    pub limit: usize,
    /// Requests that wait for a slot.
    pub waiting: usize,
    /// How long the lane still pauses, and why, if it does.
    pub paused: Option<(Duration, PauseReason)>,
    /// Requests sent so far, retries included.
    pub requests: u64,
    /// Retries among them.
    pub retries: u64,
    /// Answers that said "slow down".
    pub throttled: u64,
}

/// Why a lane pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseReason {
    /// The service asked for it.
    Throttled,
    /// Too many failures in a row; one probe follows.
    CircuitOpen,
    /// There is no room on this machine's disk to write down what would be sent.
    DiskFull,
}

/// A request that did not bring what was asked for.
///
/// Displays as "`system`: could not `operation`"; the cause and the service's own words are in the chain.
#[derive(Debug, thiserror::Error)]
#[error("{system}: could not {operation}")]
pub struct ConnectorError {
    /// The service's name in sentences.
    pub system: &'static str,
    /// What was tried, so that the sentence reads well: "read the photo of 3f9a…".
    pub operation: String,
    /// What it means.
    pub kind: ErrorKind,
    /// What to do next, where we know.
    pub hint: Option<String>,
    /// The service's cleaned words, its request id, or the transport's error.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What a failure means, whatever status or exception it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The credentials were refused. The run stops.
    SignInRejected,
    /// Signed in, but a right is missing.
    NotAllowed {
        /// The permission, role or rule that is needed.
        needs: String,
    },
    /// There is no such person, record or picture (or it is hidden from this account).
    NotFound,
    /// The service kept refusing this request with "slow down"; others may have got through.
    Throttled,
    /// The service asked for a pause that is longer than we wait. The run stops; it can be resumed.
    PauseTooLong,
    /// The service cannot be reached or answers with errors of its own.
    Unavailable,
    /// The request may or may not have been carried out; look before repeating it.
    OutcomeUnknown,
    /// Larger than the service or we accept.
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// Something that is not the service answered, or the instance is not in service: a log-in page, a
    /// hibernating instance, a proxy. The run stops.
    WrongSpeaker(
        /// What it looks like.
        Speaker,
    ),
    /// The service refused this request for good.
    Refused,
    /// The answer could not be understood.
    UnexpectedAnswer,
    /// The configuration cannot work: a bad address, an unknown size. The run does not start.
    Configuration,
}

/// Who answered instead of the service's API (`servicenow.md` 6.4, 6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// A developer instance that sleeps.
    Hibernating,
    /// An instance that is offline, patching or in maintenance.
    Maintenance,
    /// A log-in or single-sign-on page.
    LogInPage,
    /// A proxy or captive portal.
    Proxy,
    /// HTML we do not recognise.
    OtherHtml,
}

impl ErrorKind {
    /// True when no other person's request can succeed either, so a run stops.
    pub fn stops_run(&self) -> bool {
        matches!(
            self,
            Self::SignInRejected | Self::PauseTooLong | Self::WrongSpeaker(_) | Self::Configuration
        )
    }
}
