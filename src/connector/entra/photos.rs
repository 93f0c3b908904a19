//! Photos: their stamps through `$batch`, their bytes by size (`entra.md` 1, 3, 8).

use std::collections::HashMap;
use std::time::Duration;

use ::http::header::{CONTENT_TYPE, DATE, ETAG, RETRY_AFTER};
use ::http::{HeaderMap, HeaderValue};
use base64::Engine;
use futures::stream::{self, BoxStream, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};

use super::outcome::{Asked, PhotoOutcome, photo_outcome};
use super::people::person_id;
use super::{EntraSource, PhotoSize, SYSTEM, priority_value, throttle_priority};
use crate::connector::http::{Answer, Call, Expect, Failure, Inside, Reason, Repeat, back_off, retry_after};
use crate::connector::{ConnectorError, ErrorKind, FetchedPhoto, PeopleToAsk, Priority};
use crate::domain::ids::SourceId;
use crate::domain::photo::{PhotoStamp, SourcePhoto};
use crate::domain::text::clean;

/// Requests in one batch: the service's maximum (`entra.md` 3.1).
const BATCH: usize = 20;
/// Items of a batch that the service works on at once, whatever mailboxes they concern (`entra.md` 3.1).
const AT_ONCE: usize = 4;
/// Photos that are all refused before it counts as a missing right (`entra.md` 1.6).
const REFUSALS: usize = 20;
/// The largest photo accepted, in bytes (`reliability.md` F3).
const PHOTO_CAP: u64 = 20 * 1024 * 1024;
/// Less is no photo (`entra.md` 1.4).
const PHOTO_FLOOR: usize = 64;

/// The right that photos need.
pub(super) const PHOTO_RIGHT: &str =
    "the Microsoft Graph application permission ProfilePhoto.Read.All with admin consent";

type Stamp = (SourceId, SourcePhoto);

/// One person of a batch that has no answer yet.
#[derive(Clone)]
struct Pending {
    id: SourceId,
    attempts: u32,
}

/// What came of one item of a batch.
enum Item {
    Known(SourcePhoto),
    /// Nobody knows whether the person or only the photo is missing.
    Ambiguous(String),
    /// Worth another try, so often in all; the outcome explains it if it stays so.
    Again(u32, PhotoOutcome, Value),
    /// The right is missing, for this person or for all.
    NotAllowed(String),
    /// The token was refused inside a batch whose envelope was accepted.
    SignIn(Value),
}

/// What is known about whether photos may be read at all, over one sweep.
#[derive(Default)]
struct Permission {
    refused: usize,
    read: bool,
}

impl EntraSource {
    /// The stamps of many people's photos, as answers arrive.
    pub(super) fn read_stamps<'a>(
        &'a self,
        mut people: PeopleToAsk<'a>,
        priority: Priority,
    ) -> BoxStream<'a, Result<Stamp, ConnectorError>> {
        let chunks = std::iter::from_fn(move || {
            let chunk: Vec<SourceId> = people.by_ref().take(BATCH).collect();
            (!chunk.is_empty()).then_some(chunk)
        });
        let batches = stream::iter(chunks)
            .map(move |chunk| self.read_chunk(chunk, priority))
            .buffer_unordered(self.batches_in_flight)
            .boxed();
        let state = (batches, Permission::default(), Vec::new().into_iter());
        stream::try_unfold(
            Some(state),
            |state: Option<(BoxStream<'a, _>, Permission, std::vec::IntoIter<Stamp>)>| async move {
                let Some((mut batches, mut permission, mut ready)) = state else {
                    return Ok(None);
                };
                loop {
                    if let Some(stamp) = ready.next() {
                        return Ok(Some((stamp, Some((batches, permission, ready)))));
                    }
                    let Some(chunk) = batches.next().await else {
                        return Ok(None);
                    };
                    let chunk: Chunk = chunk?;
                    permission.read |= chunk.refused < chunk.stamps.len();
                    permission.refused += chunk.refused;
                    if !permission.read && permission.refused >= REFUSALS {
                        return Err(not_allowed(&chunk.stamps).into());
                    }
                    ready = chunk.stamps.into_iter();
                }
            },
        )
        .boxed()
    }

    /// Reads one chunk until everybody in it has an answer, repeating only what has none.
    async fn read_chunk(&self, people: Vec<SourceId>, priority: Priority) -> Result<Chunk, Failure> {
        let mut chunk = Chunk {
            stamps: Vec::with_capacity(people.len()),
            refused: 0,
        };
        let mut pending: Vec<Pending> = Vec::with_capacity(people.len());
        for id in people {
            // Whatever is no GUID would be part of an address (`reliability.md` L9).
            if person_id(id.as_str()).is_some() {
                pending.push(Pending { id, attempts: 0 });
            } else {
                let reason = SourcePhoto::Unreadable("this is no object id of Entra ID".to_owned());
                chunk.stamps.push((id, reason));
            }
        }
        let mut signed_anew = false;
        while !pending.is_empty() {
            let is_retry = pending.iter().any(|one| one.attempts > 0);
            let items = self.send_batch(&pending, priority, is_retry).await?;
            let mut again = Vec::new();
            let mut pause = 0;
            let mut refused_sign_in = false;
            for (mut one, item) in pending.into_iter().zip(items) {
                one.attempts += 1;
                match item {
                    Item::Known(photo) => {
                        self.note_size(&one.id, &photo);
                        chunk.stamps.push((one.id, photo));
                    }
                    Item::Ambiguous(reason) => {
                        let photo = self.settle_ambiguity(&one.id, reason, priority).await?;
                        chunk.stamps.push((one.id, photo));
                    }
                    Item::Again(most, _, _) if one.attempts < most => {
                        pause = pause.max(one.attempts);
                        again.push(one);
                    }
                    Item::Again(_, outcome, body) => {
                        let photo = SourcePhoto::Unreadable(outcome.reason(&body));
                        chunk.stamps.push((one.id, photo));
                    }
                    Item::NotAllowed(reason) => {
                        chunk.refused += 1;
                        chunk.stamps.push((one.id, SourcePhoto::Unreadable(reason)));
                    }
                    Item::SignIn(_) if !signed_anew => {
                        self.tokens.forget();
                        refused_sign_in = true;
                        again.push(one);
                    }
                    Item::SignIn(body) => {
                        let reason = Reason(PhotoOutcome::SignIn.reason(&body));
                        let kind = ErrorKind::SignInRejected;
                        return Err(Failure::because(SYSTEM, "read photo stamps", kind, reason));
                    }
                }
            }
            signed_anew |= refused_sign_in;
            if pause > 0 {
                // A pause that the service named is the lane's; this is for what it did not name.
                tokio::time::sleep(back_off(pause)).await;
            }
            pending = again;
        }
        Ok(chunk)
    }

    /// Sends one batch and returns what came of each, in the order of `people`. A batch that fails as a whole is
    /// halved, down to single requests, so that one poisoned item fails alone (`entra.md` 3.1).
    async fn send_batch(
        &self,
        people: &[Pending],
        priority: Priority,
        is_retry: bool,
    ) -> Result<Vec<Item>, Failure> {
        let mut items = Vec::with_capacity(people.len());
        let mut parts = vec![people];
        while let Some(part) = parts.pop() {
            match self
                .send_part(part, priority, is_retry || part.len() < people.len())
                .await
            {
                Ok(found) => items.extend(found),
                Err(failure) if !is_about_the_batch(&failure) => return Err(failure),
                Err(failure) if part.len() == 1 => {
                    tracing::warn!(person = %part[0].id, "reading the photo stamp fails for good");
                    let reason = format!("Entra ID could not answer: {}", failure.cause);
                    items.push(Item::Known(SourcePhoto::Unreadable(clean(&reason).into_owned())));
                }
                Err(_) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.push(second);
                    parts.push(first);
                }
            }
        }
        Ok(items)
    }

    async fn send_part(
        &self,
        people: &[Pending],
        priority: Priority,
        is_retry: bool,
    ) -> Result<Vec<Item>, Failure> {
        let requests: Vec<Value> = people
            .iter()
            .enumerate()
            .map(|(number, one)| {
                json!({
                    "id": number.to_string(),
                    "method": "GET",
                    "url": format!("/users/{}/photo", one.id),
                })
            })
            .collect();
        let address = self.photos.address(&["v1.0", "$batch"], &[]);
        let mut call = Call::post(address, "read photo stamps")
            .repeat(Repeat::Safe)
            .priority(priority)
            .needs(PHOTO_RIGHT)
            .header(throttle_priority(), priority_value(priority))
            .carrying(people.len().min(AT_ONCE), look_inside)
            .json(&json!({ "requests": requests }));
        if is_retry {
            call = call.as_retry();
        }
        let answer = self.photos.send(call).await?;
        items_of(&answer, people.len())
            .map_err(|error| Failure::unreadable(SYSTEM, "read photo stamps", &error))
    }

    /// A 404 that means "no photo" or "no such person": the directory knows which (`entra.md` 1.6, rule 4). That the
    /// person exists does not prove that there is no photo, so nothing is removed because of it.
    async fn settle_ambiguity(
        &self,
        person: &SourceId,
        reason: String,
        priority: Priority,
    ) -> Result<SourcePhoto, Failure> {
        let exists = self.exists(person, priority).await?;
        let reason = if exists {
            reason
        } else {
            PhotoOutcome::UserNotFound.reason(&Value::Null)
        };
        Ok(SourcePhoto::Unreadable(reason))
    }

    async fn exists(&self, person: &SourceId, priority: Priority) -> Result<bool, Failure> {
        let address = self
            .directory
            .address(&["v1.0", "users", person.as_str()], &[("$select", "id")]);
        let call = Call::get(address, format!("look up {person}"))
            .priority(priority)
            .header(throttle_priority(), priority_value(priority))
            .needs(super::people::LIST_RIGHT);
        match self.directory.send(call).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.kind == ErrorKind::NotFound => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Remembers whose photo is smaller than what we ask for, to save the request that would say so.
    fn note_size(&self, person: &SourceId, photo: &SourcePhoto) {
        let (PhotoSize::Pixels(pixels), SourcePhoto::Present(stamp)) = (self.size, photo) else {
            return;
        };
        let mut small = self.small.lock();
        // Recordings without sizes say nothing.
        if (1..u32::from(pixels)).contains(&stamp.width.max(stamp.height)) {
            small.insert(key(person));
        } else {
            small.remove(&key(person));
        }
    }

    /// The bytes of one photo.
    pub(super) async fn fetch_photo(
        &self,
        person: &SourceId,
        priority: Priority,
    ) -> Result<Option<FetchedPhoto>, ConnectorError> {
        let operation = format!("read the photo of {person}");
        if person_id(person.as_str()).is_none() {
            let reason = Reason("this is no object id of Entra ID".into());
            return Err(Failure::because(SYSTEM, operation, ErrorKind::Configuration, reason).into());
        }
        if let PhotoSize::Pixels(pixels) = self.size
            && !self.small.lock().contains(&key(person))
        {
            let size = format!("{pixels}x{pixels}");
            let path = ["v1.0", "users", person.as_str(), "photos", &size, "$value"];
            let call = self.photo_call(&path, &operation, priority);
            match self.photos.send(call).await {
                Ok(answer) => return Ok(checked(answer, &operation)?),
                Err(failure) => match judged(&failure, Asked::OneSize) {
                    // Larger ones may be missing while a smaller one is there (`entra.md` 1.2).
                    PhotoOutcome::NoPhoto | PhotoOutcome::NoSuchSize => {}
                    outcome => return Ok(self.failed(person, failure, outcome, priority).await?),
                },
            }
        }
        let path = ["v1.0", "users", person.as_str(), "photo", "$value"];
        let call = self.photo_call(&path, &operation, priority);
        match self.photos.send(call).await {
            Ok(answer) => {
                if matches!(self.size, PhotoSize::Pixels(_)) {
                    self.small.lock().insert(key(person));
                }
                Ok(checked(answer, &operation)?)
            }
            Err(failure) => {
                let outcome = judged(&failure, Asked::Largest);
                Ok(self.failed(person, failure, outcome, priority).await?)
            }
        }
    }

    fn photo_call(&self, path: &[&str], operation: &str, priority: Priority) -> Call {
        Call::get(self.photos.address(path, &[]), operation)
            .priority(priority)
            .expect(Expect::Bytes)
            .needs(PHOTO_RIGHT)
            .at_most(PHOTO_CAP)
            .within(Duration::from_secs(20), Duration::from_mins(1))
            .header(throttle_priority(), priority_value(priority))
    }

    async fn failed(
        &self,
        person: &SourceId,
        mut failure: Failure,
        outcome: PhotoOutcome,
        priority: Priority,
    ) -> Result<Option<FetchedPhoto>, Failure> {
        let is_page = failure.status().is_some_and(|status| status.is_success())
            && matches!(failure.kind, ErrorKind::WrongSpeaker(_));
        if is_page {
            // If somebody else answered in Graph's place, they answer this as well, and end the run. Otherwise it is this
            // person's photo that is no picture (`reliability.md` F2).
            self.exists(person, priority).await?;
            failure.kind = ErrorKind::UnexpectedAnswer;
            failure.hint = Some("what is stored as the photo is no picture but a page".to_owned());
            return Err(failure);
        }
        match outcome {
            PhotoOutcome::NoPhoto => return Ok(None),
            PhotoOutcome::UserNotFound => {
                failure.kind = ErrorKind::NotFound;
                failure.hint = Some("the person is no longer in Entra ID; scan again".to_owned());
            }
            PhotoOutcome::Ambiguous if !self.exists(person, priority).await? => {
                failure.kind = ErrorKind::NotFound;
                failure.hint = Some("the person is no longer in Entra ID; scan again".to_owned());
            }
            PhotoOutcome::Ambiguous => {
                // Absence that is not proven must not look like absence.
                failure.kind = ErrorKind::UnexpectedAnswer;
                failure.hint = Some(outcome.reason(&Value::Null));
            }
            PhotoOutcome::StoreUnreachable => {
                failure.kind = ErrorKind::Refused;
                failure.hint =
                    Some("the mailbox is not in Exchange Online, so Graph cannot serve its photo".to_owned());
            }
            _ => {}
        }
        Err(failure)
    }
}

/// A person in sixteen bytes, for sets of many.
fn key(person: &SourceId) -> u128 {
    uuid::Uuid::try_parse(person.as_str()).map_or(0, |id| id.as_u128())
}

/// What came of one chunk.
struct Chunk {
    stamps: Vec<Stamp>,
    /// How many of them are unreadable for want of a right.
    refused: usize,
}

/// The diagnosis when nobody's photo may be read.
fn not_allowed(stamps: &[Stamp]) -> Failure {
    let words = stamps
        .iter()
        .find_map(|(_, photo)| match photo {
            SourcePhoto::Unreadable(reason) => Some(reason.clone()),
            _ => None,
        })
        .unwrap_or_default();
    let kind = ErrorKind::NotAllowed {
        needs: PHOTO_RIGHT.to_owned(),
    };
    Failure::because(SYSTEM, "read anybody's photo", kind, Reason(words))
}

/// True if a smaller batch, or none, may fare better: the failure is not about us or the whole service.
fn is_about_the_batch(failure: &Failure) -> bool {
    let about_us = failure.kind.stops_run() || matches!(failure.kind, ErrorKind::NotAllowed { .. });
    !about_us && !failure.gave_up
}

/// The outcome of a failed request for bytes.
fn judged(failure: &Failure, asked: Asked) -> PhotoOutcome {
    let Some(answer) = &failure.answer else {
        return PhotoOutcome::Transient;
    };
    let body = answer.json().unwrap_or(Value::Null);
    photo_outcome(answer.status.as_u16(), &body, asked)
}

/// A photo's bytes, unless they are surely none (`entra.md` 1.4); `None` for the 1x1 picture of P6.
fn checked(answer: Answer, operation: &str) -> Result<Option<FetchedPhoto>, Failure> {
    let bytes = &answer.body;
    if is_one_pixel(bytes) {
        return Ok(None);
    }
    let is_text = matches!(answer.text().first(), Some(b'{' | b'[' | b'<'));
    if bytes.len() < PHOTO_FLOOR || is_text {
        let reason = Reason(format!("{} bytes that are no picture", bytes.len()));
        let kind = ErrorKind::UnexpectedAnswer;
        return Err(Failure::because(SYSTEM, operation, kind, reason));
    }
    let text = |name| answer.headers.get(name).and_then(|value| value.to_str().ok());
    Ok(Some(FetchedPhoto {
        etag: text(ETAG).filter(|etag| !etag.is_empty()).map(str::to_owned),
        content_type: clean(text(CONTENT_TYPE).unwrap_or_default()).into_owned(),
        bytes: answer.body,
    }))
}

/// The placeholder of old answers: a GIF of one pixel.
fn is_one_pixel(bytes: &[u8]) -> bool {
    bytes.starts_with(b"GIF8") && bytes.get(6..10) == Some(&[1, 0, 1, 0])
}

/// One answer of a batch. Its body may be an object, a base64 string, null or missing.
#[derive(Deserialize)]
struct BatchItem {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    headers: Value,
    #[serde(default)]
    body: Value,
}

impl BatchItem {
    /// Reads what can be read of one element.
    fn of(value: Value) -> Option<Self> {
        serde_json::from_value(value).ok()
    }

    /// The place of the request it answers. Ids are compared without case, and numbers are as good as texts.
    fn place(&self) -> Option<usize> {
        match &self.id {
            Value::String(text) => text.trim().parse().ok(),
            Value::Number(number) => number.as_u64().map(|number| number as usize),
            _ => None,
        }
    }

    /// The item's body as JSON; a string is base64 around it.
    fn json(&self) -> Value {
        match &self.body {
            Value::String(text) => base64::engine::general_purpose::STANDARD
                .decode(text.trim())
                .ok()
                .and_then(|bytes| serde_json::from_slice(&bytes).ok())
                .unwrap_or(Value::Null),
            other => other.clone(),
        }
    }

    /// How long the item asks to wait.
    fn wait(&self, envelope: &HeaderMap) -> Option<Duration> {
        let named = self.headers.as_object()?;
        let (_, value) = named
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(RETRY_AFTER.as_str()))?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(&text).ok()?);
        if let Some(date) = envelope.get(DATE) {
            headers.insert(DATE, date.clone());
        }
        retry_after(&headers)
    }

    fn is_throttled(&self, envelope: &HeaderMap) -> bool {
        self.status == 429 || self.status == 503 && self.wait(envelope).is_some()
    }
}

#[derive(Deserialize)]
struct BatchAnswer {
    responses: Vec<Value>,
}

/// What a batch tells its lane: items that were refused count like refused requests (`entra.md` 3.1).
fn look_inside(answer: &Answer) -> Inside {
    let Ok(batch) = answer.json::<BatchAnswer>() else {
        return Inside::default();
    };
    let mut inside = Inside::default();
    for item in batch.responses.into_iter().filter_map(BatchItem::of) {
        if item.is_throttled(&answer.headers) {
            inside.throttled += 1;
            inside.wait = inside.wait.max(item.wait(&answer.headers));
        } else {
            inside.clean += 1;
        }
    }
    inside
}

/// Sorts the answers of a batch by request: missing ones are tried again, unknown and second ones ignored.
fn items_of(answer: &Answer, count: usize) -> Result<Vec<Item>, serde_json::Error> {
    let batch: BatchAnswer = answer.json()?;
    let mut found: HashMap<usize, BatchItem> = HashMap::with_capacity(count);
    for item in batch.responses {
        let Some(item) = BatchItem::of(item) else {
            tracing::warn!("an answer inside a batch could not be read");
            continue;
        };
        match item.place().filter(|place| *place < count) {
            None => tracing::warn!("a batch answers a request that was not in it"),
            Some(place) if found.contains_key(&place) => {
                tracing::warn!("a batch answers a request twice; the first answer counts");
            }
            Some(place) => {
                found.insert(place, item);
            }
        }
    }
    Ok((0..count)
        .map(|place| match found.remove(&place) {
            None => Item::Again(3, PhotoOutcome::Transient, Value::Null),
            Some(item) => item_of(&item, &answer.headers),
        })
        .collect())
}

fn item_of(item: &BatchItem, envelope: &HeaderMap) -> Item {
    let body = item.json();
    let outcome = photo_outcome(item.status, &body, Asked::Largest);
    match outcome {
        PhotoOutcome::Delivered => {
            metadata(&body).map_or(Item::Again(3, PhotoOutcome::Refused, Value::Null), Item::Known)
        }
        PhotoOutcome::NoPhoto | PhotoOutcome::NoSuchSize => Item::Known(SourcePhoto::Absent),
        PhotoOutcome::Ambiguous => Item::Ambiguous(outcome.reason(&body)),
        PhotoOutcome::Throttled => Item::Again(6, outcome, body),
        PhotoOutcome::Transient if matches!(item.status, 503 | 504) || item.is_throttled(envelope) => {
            Item::Again(6, outcome, body)
        }
        PhotoOutcome::Transient => Item::Again(3, outcome, body),
        PhotoOutcome::NotAllowed => Item::NotAllowed(outcome.reason(&body)),
        PhotoOutcome::SignIn => Item::SignIn(body),
        PhotoOutcome::StoreUnreachable => Item::Known(SourcePhoto::OutOfReach(outcome.reason(&body))),
        PhotoOutcome::UserNotFound | PhotoOutcome::Refused => {
            Item::Known(SourcePhoto::Unreadable(outcome.reason(&body)))
        }
    }
}

/// Reads a photo's metadata in every shape seen (`entra.md` 1.3). The 1x1 placeholder means that there is none (P6).
/// `None` if it is no metadata at all.
fn metadata(body: &Value) -> Option<SourcePhoto> {
    let body = body.as_object()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let pixels = |name: &str| {
        body.get(name)
            .and_then(Value::as_u64)
            .and_then(|pixels| u32::try_from(pixels).ok())
    };
    let etag = text("@odata.mediaEtag").filter(|etag| !etag.is_empty());
    let (width, height) = (pixels("width"), pixels("height"));
    if etag.is_none() && width.is_none() && text("id").is_none() {
        return None;
    }
    let named_one = text("id").is_some_and(|id| id.eq_ignore_ascii_case("1x1"));
    if named_one || width == Some(1) && height == Some(1) {
        return Some(SourcePhoto::Absent);
    }
    Some(SourcePhoto::Present(PhotoStamp {
        etag: etag.map(str::to_owned),
        width: width.unwrap_or(0),
        height: height.unwrap_or(0),
        content_type: clean(text("@odata.mediaContentType").unwrap_or_default()).into_owned(),
    }))
}

/// Reads any bytes as the answer to a batch: every request gets exactly one answer, whatever came.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn fuzz_batch(bytes: &[u8]) {
    const ASKED: usize = 20;
    let answer = super::fuzzing::answer(bytes);
    let told = look_inside(&answer);
    assert!(
        told.wait.is_none_or(|wait| !wait.is_zero()),
        "a wait is never nothing"
    );
    if let Ok(items) = items_of(&answer, ASKED) {
        assert_eq!(items.len(), ASKED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &Value) -> Answer {
        Answer {
            status: ::http::StatusCode::OK,
            headers: HeaderMap::new(),
            body: body.to_string().into(),
        }
    }

    fn present(item: &Item) -> Option<&PhotoStamp> {
        match item {
            Item::Known(SourcePhoto::Present(stamp)) => Some(stamp),
            _ => None,
        }
    }

    #[test]
    fn metadata_of_every_era_is_understood() {
        let of = |body: Value| metadata(&body);
        let stamp = |etag: Option<&str>, side, content_type: &str| {
            Some(SourcePhoto::Present(PhotoStamp {
                etag: etag.map(str::to_owned),
                width: side,
                height: side,
                content_type: content_type.to_owned(),
            }))
        };
        assert_eq!(
            of(
                json!({"@odata.mediaContentType": "image/jpeg", "@odata.mediaEtag": "W/\"7c1f\"", "id": "default",
                "height": 256, "width": 256})
            ),
            stamp(Some("W/\"7c1f\""), 256, "image/jpeg")
        );
        assert_eq!(
            of(
                json!({"@odata.mediaContentType": "image/Jpeg", "@odata.mediaEtag": "\"BA09D118\"", "id": "240X240",
                "width": 240, "height": 240})
            ),
            stamp(Some("\"BA09D118\""), 240, "image/Jpeg")
        );
        assert_eq!(
            of(json!({"id": "default", "@odata.mediaEtag": ""})),
            stamp(None, 0, "")
        );
        for id in ["1x1", "1X1"] {
            let placeholder = json!({"@odata.mediaContentType": "image/gif", "@odata.mediaEtag": "", "id": id,
                "width": 1, "height": 1});
            assert_eq!(of(placeholder), Some(SourcePhoto::Absent));
        }
        assert_eq!(of(json!({"surprise": true})), None);
        assert_eq!(of(Value::Null), None);
    }

    #[test]
    fn batch_answers_are_matched_by_id_in_any_order_and_shape() {
        let wrapped = base64::engine::general_purpose::STANDARD
            .encode(json!({"id": "default", "@odata.mediaEtag": "\"b\""}).to_string());
        let body = json!({"responses": [
            {"id": "4", "status": 404, "body": null},
            {"id": "1", "status": 404, "body": {"error": {"code": "ImageNotFound"}}},
            {"id": "99", "status": 200, "body": {"id": "default", "@odata.mediaEtag": "\"x\""}},
            {"id": "0", "status": 200, "headers": {"Content-Type": "image/jpeg"},
             "body": {"id": "default", "@odata.mediaEtag": "\"a\"", "width": 9, "height": 9}},
            {"id": "0", "status": 404, "body": {"error": {"code": "ImageNotFound"}}},
            {"id": 2, "status": 200, "body": wrapped},
            {"id": "3", "status": 429, "headers": {"retry-after": 2}},
            "nonsense",
            {"id": "5", "status": 200, "body": "not base64"},
        ]});
        let items = items_of(&answer(&body), 7).expect("a batch");
        assert_eq!(
            present(&items[0]).and_then(|stamp| stamp.etag.as_deref()),
            Some("\"a\"")
        );
        assert!(matches!(items[1], Item::Known(SourcePhoto::Absent)));
        assert_eq!(
            present(&items[2]).and_then(|stamp| stamp.etag.as_deref()),
            Some("\"b\"")
        );
        assert!(matches!(items[3], Item::Again(6, PhotoOutcome::Throttled, _)));
        assert!(
            matches!(items[4], Item::Known(SourcePhoto::Absent)),
            "a body of null"
        );
        assert!(matches!(items[5], Item::Again(3, PhotoOutcome::Refused, _)));
        assert!(
            matches!(items[6], Item::Again(3, PhotoOutcome::Transient, _)),
            "missing"
        );
        crate::tried("A5", 9);
    }

    #[test]
    fn refused_items_pause_the_lane_for_the_longest_wait_among_them() {
        let body = json!({"responses": [
            {"id": "0", "status": 200, "body": {}},
            {"id": "1", "status": 429, "headers": {"Retry-After": "2"}},
            {"id": "2", "status": 429, "headers": {"RETRY-AFTER": "7.5"}},
            {"id": "3", "status": 429},
            {"id": "4", "status": 503, "headers": {"Retry-After": "1"}},
            {"id": "5", "status": 503},
        ]});
        assert_eq!(
            look_inside(&answer(&body)),
            Inside {
                clean: 2,
                throttled: 4,
                wait: Some(Duration::from_millis(7_500)),
            }
        );
    }

    #[test]
    fn what_is_no_picture_never_counts_as_one() {
        let body = |bytes: &[u8]| Answer {
            status: ::http::StatusCode::OK,
            headers: HeaderMap::new(),
            body: bytes::Bytes::copy_from_slice(bytes),
        };
        let long_json = format!("{{\"x\":\"{}\"}}", "y".repeat(100));
        let long_page = format!(" <html>{}</html>", "y".repeat(100));
        for bad in [
            &b""[..],
            b"\xff\xd8\xff",
            long_json.as_bytes(),
            long_page.as_bytes(),
        ] {
            let failure = checked(body(bad), "read the photo of x").expect_err("no picture");
            assert_eq!(failure.kind, ErrorKind::UnexpectedAnswer);
        }
        let mut dot = b"GIF89a\x01\x00\x01\x00".to_vec();
        dot.resize(100, 0);
        assert!(checked(body(&dot), "x").expect("understood").is_none());
        assert!(checked(body(&[0xff; 64]), "x").expect("plausible").is_some());
        crate::tried("F2", 5);
    }
}
