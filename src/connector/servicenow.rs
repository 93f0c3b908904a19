//! ServiceNow as a target of avatars (`servicenow.md`).
//!
//! A person's avatar is a row of `sys_attachment` that belongs to the `photo` field of their `live_profile` or
//! `sys_user` record. Reading goes through the Table API: whole tables page by page, or many people a request, shared by
//! everybody who waits. Writing follows the platform's own form of image fields.

mod chain;
mod client;
mod failure;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod instance;
mod probes;
mod query;
mod reads;
mod rows;
mod settings;
mod shared;
mod sign_in;
mod strays;
mod sweep;
mod swept;
mod writes;

pub use instance::{InstanceNameError, instance_origin};
pub use query::ScopeError;
pub use settings::{ServiceNowAuth, ServiceNowSettings, WriteMode};

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use self::client::Client;
use self::failure::Nonsense;
use self::query::Filter;
use self::reads::Reads;
use super::http::{Caller, Failure, Lane, LaneSettings, Transport};
use super::{
    AvatarTarget, ConnectorError, ErrorKind, LaneState, Naming, Priority, Probe, Stray, SweptChains,
    SweptPeople, TargetLookup,
};
use crate::domain::anatomy::Anatomy;
use crate::domain::ids::{PictureId, RecordId, TargetId};
use crate::domain::person::TargetPerson;
use crate::domain::photo::{AvatarChain, Column, Place, StoredPicture};
use crate::domain::tidying::StoredForm;

/// The service's name in sentences.
const SYSTEM: &str = "ServiceNow";

/// One ServiceNow instance.
pub struct ServiceNowTarget {
    settings: ServiceNowSettings,
    client: Arc<Client>,
    reads: Reads,
}

impl ServiceNowTarget {
    /// Prepares everything and sends nothing. Fails if the settings cannot work.
    pub fn new(settings: ServiceNowSettings, transport: &Transport) -> Result<Self, ConnectorError> {
        let misconfigured = |operation: &str, reason: Nonsense| {
            ConnectorError::from(Failure::because(
                SYSTEM,
                operation,
                ErrorKind::Configuration,
                reason,
            ))
        };
        let scope = Filter::scope(&settings.scope)
            .map_err(|error| misconfigured("use the configured scope", Nonsense(error.to_string())))?;
        if let Some(column) = &settings.source_key_column
            && !query::is_column(column)
        {
            let reason = Nonsense(format!("{column:?} is not the name of a column"));
            return Err(misconfigured("use the configured object id column", reason));
        }
        let lane = Lane::new(LaneSettings {
            name: SYSTEM,
            start: settings.lane_start,
            cap: settings.lane_cap,
        });
        let caller = Caller::new(SYSTEM, transport, settings.origin.clone(), lane);
        let caller = sign_in::signed(caller, &settings.auth).ok_or_else(|| {
            let reason = "user name or password holds characters that cannot be sent";
            misconfigured("prepare the sign-in", Nonsense(reason.to_owned()))
        })?;
        let caller = if settings.session_cookies {
            caller.with_sessions()
        } else {
            caller
        };
        let client = Arc::new(Client::new(caller, &settings));
        let profiles_optional = settings.write_mode == WriteMode::SysUser;
        let reads = Reads::new(&client, &settings, scope, profiles_optional);
        Ok(Self {
            settings,
            client,
            reads,
        })
    }
}

impl std::fmt::Debug for ServiceNowTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServiceNowTarget({})", self.settings.origin)
    }
}

#[async_trait]
impl AvatarTarget for ServiceNowTarget {
    fn name(&self) -> &'static str {
        SYSTEM
    }

    fn people(&self) -> BoxStream<'_, Result<Vec<TargetPerson>, ConnectorError>> {
        self.reads.people()
    }

    async fn count(&self) -> Result<u64, ConnectorError> {
        Ok(self.reads.count().await?)
    }

    async fn lookup(&self, wanted: &[TargetLookup]) -> Result<Vec<TargetPerson>, ConnectorError> {
        Ok(self.reads.lookup(wanted).await?)
    }

    async fn lookup_in_scope(&self, wanted: &[TargetLookup]) -> Result<Vec<TargetPerson>, ConnectorError> {
        Ok(self.reads.lookup_in_scope(wanted).await?)
    }

    async fn sweep_chains(&self, people: SweptPeople<'_>) -> Result<Box<dyn SweptChains>, ConnectorError> {
        Ok(self.reads.sweep_chains(people).await?)
    }

    async fn chains(
        &self,
        people: &[TargetId],
        priority: Priority,
    ) -> Result<Vec<(TargetId, AvatarChain)>, ConnectorError> {
        Ok(self.reads.chains(people, priority).await?)
    }

    async fn displayed(
        &self,
        people: &[TargetId],
    ) -> Result<Vec<(TargetId, Option<PictureId>)>, ConnectorError> {
        Ok(self.reads.displayed(people).await?)
    }

    async fn anatomy(
        &self,
        person: &TargetId,
        priority: Priority,
    ) -> Result<Option<Anatomy>, ConnectorError> {
        Ok(self.reads.anatomy(person, priority).await?)
    }

    async fn download(
        &self,
        picture: &PictureId,
        priority: Priority,
    ) -> Result<Option<Bytes>, ConnectorError> {
        Ok(self.client.download(picture, priority).await?)
    }

    fn places_to_write(&self, chain: &AvatarChain) -> Vec<Place> {
        chain::places_to_write(self.settings.write_mode, self.settings.create_live_profile, chain)
    }

    async fn create_record(&self, person: &TargetPerson, place: Place) -> Result<RecordId, ConnectorError> {
        if place == Place::LIVE_PROFILE {
            return Ok(self.client.create_profile(person).await?);
        }
        let reason = Nonsense(format!(
            "records of {place} are people, which are not created here"
        ));
        let operation = format!("create a record in {place}");
        Err(Failure::because(SYSTEM, operation, ErrorKind::Refused, reason).into())
    }

    async fn upload(
        &self,
        record: &RecordId,
        place: Place,
        photo: Bytes,
        content_type: &str,
    ) -> Result<StoredPicture, ConnectorError> {
        let limit = self.settings.upload_limit;
        if photo.len() as u64 > limit {
            let reason = Nonsense(format!(
                "the picture has {} bytes, the limit is {limit}",
                photo.len()
            ));
            let operation = format!("store a picture at {place} {record}");
            return Err(Failure::because(SYSTEM, operation, ErrorKind::TooLarge { limit }, reason).into());
        }
        let mode = self.settings.write_mode;
        Ok(self
            .client
            .upload(record, place, photo, content_type, mode)
            .await?)
    }

    fn column_to_set(&self, _place: Place, column: &Column, new: &PictureId) -> Option<PictureId> {
        chain::column_to_set(self.settings.write_mode, column, new)
    }

    async fn column(&self, record: &RecordId, place: Place) -> Result<Column, ConnectorError> {
        if let Some(column) = self.reads.column(place, record).await? {
            return Ok(column);
        }
        let reason = Nonsense("the record is gone, or an access rule hides it from this account".to_owned());
        let operation = format!("read the picture column of {place} {record}");
        Err(Failure::because(SYSTEM, operation, ErrorKind::NotFound, reason).into())
    }

    async fn set_column(
        &self,
        record: &RecordId,
        place: Place,
        picture: Option<&PictureId>,
    ) -> Result<Column, ConnectorError> {
        Ok(self.client.set_column(record, place, picture).await?)
    }

    async fn withdraw_record(&self, record: &RecordId, place: Place) -> Result<(), ConnectorError> {
        if place == Place::LIVE_PROFILE {
            return Ok(self.client.delete_profile(record).await?);
        }
        let reason = Nonsense(format!(
            "records of {place} are people, which are not deleted here"
        ));
        let operation = format!("delete a record in {place}");
        Err(Failure::because(SYSTEM, operation, ErrorKind::Refused, reason).into())
    }

    async fn remove(&self, picture: &PictureId) -> Result<(), ConnectorError> {
        Ok(self.client.remove(picture).await?)
    }

    async fn store_as(
        &self,
        record: &RecordId,
        place: Place,
        picture: Bytes,
        form: &StoredForm,
    ) -> Result<StoredPicture, ConnectorError> {
        Ok(self.client.store_as(record, place, picture, form).await?)
    }

    fn strays(&self) -> BoxStream<'_, Result<Vec<Stray>, ConnectorError>> {
        strays::strays(&self.client)
    }

    async fn stray(&self, place: Place, record: &RecordId) -> Result<Option<Stray>, ConnectorError> {
        Ok(strays::stray(&self.client, place, record).await?)
    }

    async fn named(&self, pictures: &[PictureId]) -> Result<Vec<Naming>, ConnectorError> {
        Ok(self.reads.named(pictures).await?)
    }

    fn upload_limit(&self) -> u64 {
        self.settings.upload_limit
    }

    async fn check(&self) -> Vec<Probe> {
        probes::run(&self.client, &self.settings).await
    }

    fn lanes(&self) -> Vec<LaneState> {
        vec![self.client.caller().lane_state()]
    }
}

#[cfg(test)]
mod tests;
