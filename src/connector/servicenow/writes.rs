//! What changes an instance, and the bytes of pictures (`servicenow.md` 1.4, 1.7, 2.7, 3).

use ::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use ::http::{Method, StatusCode};
use bytes::Bytes;
use serde_json::json;
use std::time::Duration;

use super::SYSTEM;
use super::client::Client;
use super::failure::{Nonsense, bad_row, unreadable};
use super::rows::{BadRow, Envelope, IMAGE_LIVE_PROFILE, IMAGE_SYS_USER, Row};
use super::settings::WriteMode;
use crate::connector::http::{Answer, Call, Expect, Failure, Repeat};
use crate::connector::{ErrorKind, Priority};
use crate::domain::ids::{PictureId, RecordId, TargetId};
use crate::domain::person::TargetPerson;
use crate::domain::photo::{Column, PictureForm, Place, StoredPicture};
use crate::domain::tidying::StoredForm;

/// The largest stored picture that is downloaded, in bytes (`reliability.md` F3).
const DOWNLOAD_LIMIT: u64 = 20 * 1024 * 1024;

/// How often a request that the instance dropped (202) is sent in all, and the wait before the second time.
const DROPPED_ATTEMPTS: u32 = 6;
const DROPPED_WAIT: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 1_000 });

const JSON: HeaderValue = HeaderValue::from_static("application/json");

const PROFILE_CREATE_NEEDS: &str =
    "a role that may create live_profile records and write their name, type, table, document and photo";
const PROFILE_DELETE_NEEDS: &str = "a role that may delete live_profile records";
const UPLOAD_NEEDS: &str = "a role that may create sys_attachment rows where table_name is ZZ_YYsys_user or \
                            ZZ_YYlive_profile, and read and write the record's photo";
const DELETE_NEEDS: &str =
    "a role that may delete sys_attachment rows where table_name is ZZ_YYsys_user or ZZ_YYlive_profile";
const DOWNLOAD_NEEDS: &str = "a role with read access to the attachment and its record (a file that did not pass the \
                              virus scan is refused as well)";

/// Where an attachment goes.
struct Spot<'a> {
    record: &'a RecordId,
    place: Place,
    table: &'a str,
    file_name: &'a str,
}

impl Client {
    /// Creates a person's profile.
    pub(super) async fn create_profile(&self, person: &TargetPerson) -> Result<RecordId, Failure> {
        let operation = format!("create the live profile of {}", person.id);
        let address = self.caller().address(
            &["api", "now", "table", "live_profile"],
            &[
                ("sysparm_fields", "sys_id"),
                ("sysparm_exclude_reference_link", "true"),
            ],
        );
        let body = json!({
            "table": "sys_user",
            "type": "user",
            "document": person.id.as_str(),
            "name": person.name.raw(),
        });
        let call = Call::post(address, operation.as_str())
            .json(&body)
            .needs(PROFILE_CREATE_NEEDS);
        let answer = self.send(call).await?;
        written(&answer, &operation, |row| Ok(RecordId::new(row.sys_id()?)))
    }

    /// Deletes a profile; one that is gone already is fine.
    pub(super) async fn delete_profile(&self, profile: &RecordId) -> Result<(), Failure> {
        let address = self
            .caller()
            .address(&["api", "now", "table", "live_profile", profile.as_str()], &[]);
        let call = Call::new(
            Method::DELETE,
            address,
            format!("delete the live profile {profile}"),
        )
        .header(ACCEPT, JSON)
        .header(CONTENT_TYPE, JSON)
        .expect(Expect::Nothing)
        .needs(PROFILE_DELETE_NEEDS);
        match self.send_until_done(call).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.kind == ErrorKind::NotFound => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Stores a picture at a record.
    pub(super) async fn upload(
        &self,
        record: &RecordId,
        place: Place,
        photo: Bytes,
        content_type: &str,
        mode: WriteMode,
    ) -> Result<StoredPicture, Failure> {
        let operation = format!("store a picture at {place} {record}");
        let media_type = uploadable(content_type).ok_or_else(|| {
            let nonsense = Nonsense("only jpeg, png, gif, bmp and webp pictures are stored".to_owned());
            Failure::because(SYSTEM, operation.as_str(), ErrorKind::Refused, nonsense)
        })?;
        let (table, file_name) = match (mode, place) {
            (WriteMode::SeedArticle, _) => {
                let user = self.user_of(record, place).await?;
                let extension = media_type.strip_prefix("image/").unwrap_or_default();
                let extension = if extension == "jpeg" { "jpg" } else { extension };
                (place.0, format!("{user}_photo.{extension}"))
            }
            (_, Place::LIVE_PROFILE) => (IMAGE_LIVE_PROFILE, "photo".to_owned()),
            _ => (IMAGE_SYS_USER, "photo".to_owned()),
        };
        self.attach(
            Spot {
                record,
                place,
                table,
                file_name: &file_name,
            },
            photo,
            HeaderValue::from_static(media_type),
            operation,
        )
        .await
    }

    /// Stores a picture under the name and type that it had before, whatever they are.
    pub(super) async fn store_as(
        &self,
        record: &RecordId,
        place: Place,
        picture: Bytes,
        form: &StoredForm,
    ) -> Result<StoredPicture, Failure> {
        let operation = format!("store a picture again at {place} {record}");
        let table = match (form.form, place) {
            (PictureForm::ImageField, Place::LIVE_PROFILE) => IMAGE_LIVE_PROFILE,
            (PictureForm::ImageField, Place::SYS_USER) => IMAGE_SYS_USER,
            _ => place.0,
        };
        // A type that cannot be sent cannot have come from the service either.
        let media_type = HeaderValue::from_str(form.content_type.raw())
            .ok()
            .filter(|value| !value.is_empty())
            .unwrap_or(HeaderValue::from_static("application/octet-stream"));
        self.attach(
            Spot {
                record,
                place,
                table,
                file_name: form.file_name.raw(),
            },
            picture,
            media_type,
            operation,
        )
        .await
    }

    async fn attach(
        &self,
        spot: Spot<'_>,
        photo: Bytes,
        media_type: HeaderValue,
        operation: String,
    ) -> Result<StoredPicture, Failure> {
        let Spot {
            record,
            place,
            table,
            file_name,
        } = spot;
        let address = self.caller().address(
            &["api", "now", "attachment", "file"],
            &[
                ("table_name", table),
                ("table_sys_id", record.as_str()),
                ("file_name", file_name),
            ],
        );
        let size = photo.len() as u64;
        let call = Call::post(address, operation.as_str())
            .body(media_type, photo)
            .needs(UPLOAD_NEEDS);
        let answer = self.send(call).await.map_err(|mut failure| {
            if let ErrorKind::TooLarge { limit } = &mut failure.kind {
                // The instance did not say where its limit is; it is below this.
                if *limit == 0 {
                    *limit = size.saturating_sub(1);
                }
            }
            failure
        })?;
        let stored = written(&answer, &operation, |row| {
            let stored = row.attachment()?;
            let is_home = stored.record == *record && stored.stored_at == Some(place);
            Ok(is_home.then_some(stored.picture))
        })?;
        stored.ok_or_else(|| {
            let nonsense = Nonsense(format!("the picture was not stored at {table} {record}"));
            Failure::because(SYSTEM, operation, ErrorKind::OutcomeUnknown, nonsense)
        })
    }

    /// Whose record this is: the article names files after the user.
    async fn user_of(&self, record: &RecordId, place: Place) -> Result<TargetId, Failure> {
        if place != Place::LIVE_PROFILE {
            return Ok(TargetId::new(record.as_str()));
        }
        let operation = format!("read live_profile {record}");
        let address = self.caller().address(
            &["api", "now", "table", "live_profile", record.as_str()],
            &[
                ("sysparm_fields", "sys_id,document"),
                ("sysparm_exclude_reference_link", "true"),
            ],
        );
        let answer = self.send(Call::get(address, operation.as_str())).await?;
        let user = single(&answer, &operation, |row| {
            Ok(row.profile()?.map(|profile| profile.user))
        })?;
        user.ok_or_else(|| {
            let nonsense = Nonsense("the profile belongs to nobody".to_owned());
            Failure::because(SYSTEM, operation, ErrorKind::UnexpectedAnswer, nonsense)
        })
    }

    /// Sets or clears the picture column of a record.
    pub(super) async fn set_column(
        &self,
        record: &RecordId,
        place: Place,
        picture: Option<&PictureId>,
    ) -> Result<Column, Failure> {
        let operation = format!("set the picture of {place} {record}");
        let address = self.caller().address(
            &["api", "now", "table", place.0, record.as_str()],
            &[
                ("sysparm_fields", "sys_id,photo"),
                ("sysparm_exclude_reference_link", "true"),
            ],
        );
        let needs = if place == Place::LIVE_PROFILE {
            "a role that may write live_profile.photo"
        } else {
            "a role that may write sys_user.photo"
        };
        let value = picture.map_or("", PictureId::as_str);
        let call = Call::new(Method::PATCH, address, operation.as_str())
            .json(&json!({ "photo": value }))
            .repeat(Repeat::Safe)
            .needs(needs);
        let answer = self.send(call).await?;
        single(&answer, &operation, |row| Ok(row.column("photo")))
    }

    /// Deletes a stored picture; one that is gone already is fine.
    pub(super) async fn remove(&self, picture: &PictureId) -> Result<(), Failure> {
        let address = self
            .caller()
            .address(&["api", "now", "attachment", picture.as_str()], &[]);
        let call = Call::new(Method::DELETE, address, format!("delete the picture {picture}"))
            .header(ACCEPT, JSON)
            .header(CONTENT_TYPE, JSON)
            .expect(Expect::Nothing)
            .needs(DELETE_NEEDS);
        match self.send_until_done(call).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.kind == ErrorKind::NotFound => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// The bytes of a stored picture; `None` if it is gone.
    pub(super) async fn download(
        &self,
        picture: &PictureId,
        priority: Priority,
    ) -> Result<Option<Bytes>, Failure> {
        let operation = format!("download the picture {picture}");
        let address = self
            .caller()
            .address(&["api", "now", "attachment", picture.as_str(), "file"], &[]);
        let call = Call::get(address, operation.as_str())
            .header(ACCEPT, HeaderValue::from_static("*/*"))
            .expect(Expect::Bytes)
            .priority(priority)
            .at_most(DOWNLOAD_LIMIT)
            .needs(DOWNLOAD_NEEDS);
        match self.send_until_done(call).await {
            Ok(answer) if is_envelope(&answer) => Err(Failure::answered(
                SYSTEM,
                operation,
                ErrorKind::UnexpectedAnswer,
                answer,
            )),
            Ok(answer) => Ok(Some(answer.body)),
            Err(failure) if failure.kind == ErrorKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Sends a call that is safe to repeat until it was carried out: an instance whose session is busy answers 202
    /// and does nothing (`servicenow.md` 5.5).
    async fn send_until_done(&self, call: Call) -> Result<Answer, Failure> {
        let mut wait = DROPPED_WAIT;
        for _ in 1..DROPPED_ATTEMPTS {
            let answer = self.send(call.clone()).await?;
            if answer.status != StatusCode::ACCEPTED {
                return Ok(answer);
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        let answer = self.send(call).await?;
        if answer.status == StatusCode::ACCEPTED {
            return Err(Failure::answered(
                SYSTEM,
                "get a request carried out",
                ErrorKind::Unavailable,
                answer,
            ));
        }
        Ok(answer)
    }
}

/// The media type of a picture that may be stored, spelt as the platform does. SVG is left out: it can hold scripts.
fn uploadable(content_type: &str) -> Option<&'static str> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    ["image/jpeg", "image/png", "image/gif", "image/bmp", "image/webp"]
        .into_iter()
        .find(|known| essence.eq_ignore_ascii_case(known))
        .or_else(|| {
            ["image/jpg", "image/pjpeg"]
                .iter()
                .any(|alias| essence.eq_ignore_ascii_case(alias))
                .then_some("image/jpeg")
        })
}

/// The one record of an answer.
fn single<T>(
    answer: &Answer,
    operation: &str,
    parse: impl Fn(&Row<'_>) -> Result<T, BadRow>,
) -> Result<T, Failure> {
    let envelope: Envelope<Row<'_>> = match serde_json::from_slice(answer.text()) {
        Ok(envelope) => envelope,
        Err(error) => return Err(unreadable(operation, answer.clone(), &error)),
    };
    parse(&envelope.result).map_err(|row| bad_row("the record", operation, row))
}

/// The record that a write created. If the answer does not show it, nobody knows what was created.
fn written<T>(
    answer: &Answer,
    operation: &str,
    parse: impl Fn(&Row<'_>) -> Result<T, BadRow>,
) -> Result<T, Failure> {
    single(answer, operation, parse).map_err(|mut failure| {
        if failure.kind != ErrorKind::Refused {
            failure.kind = ErrorKind::OutcomeUnknown;
        }
        failure
    })
}

/// True if the service's JSON came in place of a picture.
fn is_envelope(answer: &Answer) -> bool {
    let claims_json = answer
        .header("content-type")
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/json"));
    claims_json && matches!(answer.text().first(), Some(b'{'))
}
