//! What one photo's metadata tells beyond its stamp: sizes, store, the shape of the answer (`entra.md` 1.2 to 1.6).

use serde_json::Value;

use super::outcome::{Asked, PhotoOutcome, error_code, photo_outcome};
use super::people::person_id;
use super::photos::PHOTO_RIGHT;
use super::{EntraSource, PHOTO_SIZES, SYSTEM, priority_value, throttle_priority};
use crate::connector::http::{Call, Failure, Reason};
use crate::connector::{ErrorKind, Priority};
use crate::domain::anatomy::{PhotoDetails, PhotoStore};
use crate::domain::ids::SourceId;
use crate::domain::text::clean;

/// More sizes than this are not listed; there are nine.
const SIZES: usize = 32;

impl EntraSource {
    /// Asks for the list of sizes.
    pub(super) async fn read_details(
        &self,
        person: &SourceId,
        priority: Priority,
    ) -> Result<PhotoDetails, Failure> {
        let operation = format!("read the photo sizes of {person}");
        if person_id(person.as_str()).is_none() {
            let reason = Reason("this is no object id of Entra ID".into());
            return Err(Failure::because(
                SYSTEM,
                operation,
                ErrorKind::Configuration,
                reason,
            ));
        }
        let path = ["v1.0", "users", person.as_str(), "photos"];
        let call = Call::get(self.photos.address(&path, &[]), operation)
            .priority(priority)
            .needs(PHOTO_RIGHT)
            .header(throttle_priority(), priority_value(priority));
        match self.photos.send(call).await {
            Ok(answer) => {
                let body: Value = answer
                    .json()
                    .map_err(|error| Failure::unreadable(SYSTEM, "read the photo sizes", &error))?;
                Ok(details_of(&body))
            }
            Err(failure) => {
                let Some(answer) = &failure.answer else {
                    return Err(failure);
                };
                let body = answer.json().unwrap_or(Value::Null);
                match photo_outcome(answer.status.as_u16(), &body, Asked::Largest) {
                    PhotoOutcome::NoPhoto
                    | PhotoOutcome::NoSuchSize
                    | PhotoOutcome::StoreUnreachable
                    | PhotoOutcome::Ambiguous
                    | PhotoOutcome::UserNotFound => {
                        let code = error_code(&body).unwrap_or_else(|| "without a body".to_owned());
                        let status = answer.status.as_u16();
                        Ok(PhotoDetails {
                            answer: Some(clean(&format!("{status} {code}")).into_owned()),
                            ..PhotoDetails::default()
                        })
                    }
                    _ => Err(failure),
                }
            }
        }
    }
}

/// Reads the list of sizes, or the one entry of a service that answers with the photo itself.
fn details_of(body: &Value) -> PhotoDetails {
    let entries: Vec<&Value> = match body.get("value").and_then(Value::as_array) {
        Some(entries) => entries.iter().take(SIZES).collect(),
        None => vec![body],
    };
    let mut sizes: Vec<(u32, u32)> = entries.iter().filter_map(|entry| size_of(entry)).collect();
    sizes.sort_unstable();
    sizes.dedup();
    if sizes == [(1, 1)] {
        return PhotoDetails {
            answer: Some("a picture of one pixel, which means \"no photo\"".to_owned()),
            is_placeholder: true,
            ..PhotoDetails::default()
        };
    }
    PhotoDetails {
        store: store_of(&sizes),
        answer: entries.first().map(|entry| generation_of(entry).to_owned()),
        is_placeholder: false,
        sizes,
    }
}

fn size_of(entry: &Value) -> Option<(u32, u32)> {
    let pixels = |name: &str| entry.get(name)?.as_u64()?.try_into().ok();
    if let (Some(width), Some(height)) = (pixels("width"), pixels("height")) {
        return Some((width, height));
    }
    let id = entry.get("id")?.as_str()?.to_ascii_lowercase();
    let (width, height) = id.split_once('x')?;
    Some((width.parse().ok()?, height.parse().ok()?))
}

/// Microsoft 365 serves its well-known squares up to the original; the directory keeps one picture of any size
/// (`entra.md` 1.2, 1.5).
fn store_of(sizes: &[(u32, u32)]) -> Option<PhotoStore> {
    let is_known = |(width, height): &(u32, u32)| {
        width == height && PHOTO_SIZES.iter().any(|known| u32::from(*known) == *width)
    };
    match sizes {
        [] => None,
        [one] if is_known(one) => None,
        [_] => Some(PhotoStore::Directory),
        several => (several.iter().filter(|size| is_known(size)).count() >= 2).then_some(PhotoStore::Mailbox),
    }
}

/// Which generation of the service answered (`entra.md` 1.3).
fn generation_of(entry: &Value) -> &'static str {
    match entry.get("@odata.mediaEtag").and_then(Value::as_str) {
        None | Some("") => "metadata without an ETag: only the bytes can tell a change",
        Some(etag) if etag.starts_with("W/") => "metadata as of today, with a weak ETag",
        Some(_) => "metadata of the older shape, with a strong ETag",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn listed(sizes: &[(u32, u32)]) -> PhotoDetails {
        let value: Vec<Value> = sizes
            .iter()
            .map(|(width, height)| {
                json!({"id": format!("{width}x{height}"), "width": width, "height": height,
                       "@odata.mediaEtag": "W/\"1\""})
            })
            .collect();
        details_of(&json!({ "value": value }))
    }

    #[test]
    fn well_known_squares_come_from_the_mailbox_and_one_odd_size_from_the_directory() {
        for (sizes, store) in [
            (vec![(48, 48), (64, 64), (96, 96)], Some(PhotoStore::Mailbox)),
            (vec![(48, 48), (120, 120), (256, 256)], Some(PhotoStore::Mailbox)),
            (vec![(100, 133)], Some(PhotoStore::Directory)),
            (vec![(48, 48)], None),
            (vec![], None),
        ] {
            assert_eq!(listed(&sizes).store, store, "{sizes:?}");
        }
    }

    #[test]
    fn sizes_are_read_from_numbers_or_from_names_of_either_case() {
        let body = json!({"value": [{"id": "240X240"}, {"id": "48x48", "width": 48, "height": 48}, {"id": "default"}]});
        assert_eq!(details_of(&body).sizes, [(48, 48), (240, 240)]);
    }

    #[test]
    fn one_pixel_is_a_placeholder() {
        let body = json!({"id": "1x1", "width": 1, "height": 1, "@odata.mediaEtag": ""});
        assert!(details_of(&body).is_placeholder);
    }
}
