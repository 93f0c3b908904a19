//! Pictures whose record is gone, and who names which picture (`servicenow.md` 1.1, 1.2, 1.7 `orphan_image`).
//!
//! Not seeing a record is no proof that it is gone: access rules hide rows, and the instance counts them all the same
//! (2.5). A record counts as gone when it is neither listed nor counted.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};

use super::client::{Client, Subject};
use super::failure::is_query_refused;
use super::query::{CHUNK_START, Filter, any_of, is_sys_id};
use super::reads::attachment_subject;
use super::rows::{Attachment, IMAGE_LIVE_PROFILE, IMAGE_SYS_USER, Row};
use super::sweep::Sweep;
use crate::connector::http::Failure;
use crate::connector::{ConnectorError, Priority, Stray};
use crate::domain::ids::RecordId;
use crate::domain::photo::{PictureForm, Place, StoredPicture};

const RECORD_NEEDS: &str = "a role with read access to sys_user, live_profile and sys_attachment";

/// What is listed, one after the other.
const SWEEPS: [Wanted; 3] = [Wanted::Images, Wanted::Thumbnails, Wanted::Odd];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// Rows of the image fields.
    Images,
    /// Small renditions.
    Thumbnails,
    /// Rows with the prefix of image fields twice.
    Odd,
}

impl Wanted {
    fn filter(self) -> Filter {
        let query = match self {
            Self::Images => format!("table_nameIN{IMAGE_SYS_USER},{IMAGE_LIVE_PROFILE}"),
            Self::Thumbnails => "table_name=sys_attachment^file_nameSTARTSWITHthumb_".to_owned(),
            Self::Odd => "table_nameSTARTSWITHZZ_YYZZ_YY".to_owned(),
        };
        Filter::fixed(&query, &[])
    }

    /// The place of a row, if it is one of those wanted. An instance may answer more than it was asked for.
    fn place_of(self, table: &str, file_name: &str) -> Option<Place> {
        match (self, table) {
            (Self::Images, IMAGE_LIVE_PROFILE) => Some(Place::LIVE_PROFILE),
            (Self::Images, IMAGE_SYS_USER) => Some(Place::SYS_USER),
            (Self::Thumbnails, "sys_attachment") if file_name.starts_with("thumb_") => Some(Place::THUMBNAIL),
            (Self::Odd, _) => match table.strip_prefix("ZZ_YYZZ_YY")?.trim_start_matches("ZZ_YY") {
                "live_profile" => Some(Place::LIVE_PROFILE),
                "sys_user" => Some(Place::SYS_USER),
                _ => None,
            },
            _ => None,
        }
    }

    fn parse(self, row: &Row<'_>) -> Result<Option<(Place, Attachment)>, super::rows::BadRow> {
        let place = self.place_of(row.required("table_name")?, row.required("file_name")?);
        let Some(place) = place.filter(|_| is_sys_id(row.get("table_sys_id").unwrap_or_default())) else {
            return Ok(None);
        };
        Ok(Some((place, row.attachment()?)))
    }
}

/// Everything that has no record, page by page.
pub(super) fn strays(client: &Arc<Client>) -> BoxStream<'_, Result<Vec<Stray>, ConnectorError>> {
    stream::iter(SWEEPS)
        .flat_map(move |wanted| {
            let sweep = Sweep::new(client, subject(), wanted.filter(), Priority::Background);
            stream::try_unfold((sweep, false), move |(mut sweep, is_over)| async move {
                if is_over {
                    return Ok(None);
                }
                let page = match sweep.next_page(&|row: &Row<'_>| wanted.parse(row)).await {
                    // Only worth a report; not every instance lets us ask how a table's name begins.
                    Err(failure) if wanted == Wanted::Odd && is_query_refused(&failure) => None,
                    page => page?,
                };
                match page {
                    Some(rows) => Ok(Some((strays_among(client, wanted, rows).await?, (sweep, false)))),
                    None => Ok(Some((Vec::new(), (sweep, true)))),
                }
            })
        })
        .boxed()
}

async fn strays_among(
    client: &Client,
    wanted: Wanted,
    rows: Vec<(Place, Attachment)>,
) -> Result<Vec<Stray>, ConnectorError> {
    let mut by_record: BTreeMap<(Place, RecordId), Vec<StoredPicture>> = BTreeMap::new();
    for (place, row) in rows {
        by_record
            .entry((place, row.record.clone()))
            .or_default()
            .push(in_its_form(place, row));
    }
    let mut gone = HashSet::new();
    if wanted != Wanted::Odd {
        for place in [Place::LIVE_PROFILE, Place::SYS_USER, Place::THUMBNAIL] {
            let records: Vec<RecordId> = by_record
                .keys()
                .filter(|(at, _)| *at == place)
                .map(|(_, record)| record.clone())
                .collect();
            let missing = gone_among(client, place, records).await?;
            gone.extend(missing.into_iter().map(|record| (place, record)));
        }
    }
    Ok(by_record
        .into_iter()
        .filter(|(key, _)| wanted == Wanted::Odd || gone.contains(key))
        .map(|((place, record), pictures)| Stray {
            place,
            record,
            pictures,
            is_odd: wanted == Wanted::Odd,
        })
        .collect())
}

/// All that is stored at one record, if that is gone.
pub(super) async fn stray(
    client: &Client,
    place: Place,
    record: &RecordId,
) -> Result<Option<Stray>, Failure> {
    if !is_sys_id(record.as_str()) || gone_among(client, place, vec![record.clone()]).await?.is_empty() {
        return Ok(None);
    }
    let wanted = if place == Place::THUMBNAIL {
        Wanted::Thumbnails
    } else {
        Wanted::Images
    };
    let filter = wanted.filter().and(&format!("table_sys_id={record}"));
    let mut sweep = Sweep::new(client, subject(), filter, Priority::Background);
    let mut pictures = Vec::new();
    while let Some(page) = sweep.next_page(&|row: &Row<'_>| wanted.parse(row)).await? {
        let rows = page
            .into_iter()
            .filter(|(at, row)| *at == place && row.record == *record);
        pictures.extend(rows.map(|(place, row)| in_its_form(place, row)));
    }
    Ok((!pictures.is_empty()).then(|| Stray {
        place,
        record: record.clone(),
        pictures,
        is_odd: false,
    }))
}

/// Those of `records` that are gone: neither listed nor counted.
async fn gone_among(client: &Client, place: Place, records: Vec<RecordId>) -> Result<Vec<RecordId>, Failure> {
    let subject = Subject {
        table: place.0,
        fields: "sys_id".to_owned(),
        operation: "look for records that are gone",
        needs: RECORD_NEEDS,
    };
    let mut unseen = Vec::new();
    let query = |keys: &[RecordId]| Filter::fixed(&any_of("sys_id", keys.iter().map(RecordId::as_str)), &[]);
    let parse = |row: &Row<'_>| Ok(Some(RecordId::new(row.sys_id()?)));
    for (keys, rows) in client
        .by_keys(&subject, records, Priority::Background, &query, &parse)
        .await
    {
        let seen: HashSet<RecordId> = rows?.into_iter().collect();
        unseen.extend(keys.into_iter().filter(|key| !seen.contains(key)));
    }
    let mut gone = Vec::new();
    let mut chunks: Vec<Vec<RecordId>> = unseen.chunks(CHUNK_START).map(<[_]>::to_vec).collect();
    while let Some(chunk) = chunks.pop() {
        match client.count(&subject, query(&chunk).plain()).await? {
            0 => gone.extend(chunk),
            // One of them is there and hidden.
            _ if chunk.len() == 1 => {}
            _ => {
                let (first, second) = chunk.split_at(chunk.len() / 2);
                chunks.extend([first.to_vec(), second.to_vec()]);
            }
        }
    }
    Ok(gone)
}

fn in_its_form(place: Place, row: Attachment) -> StoredPicture {
    StoredPicture {
        form: if place == Place::THUMBNAIL {
            PictureForm::Plain
        } else {
            PictureForm::ImageField
        },
        ..row.picture
    }
}

fn subject() -> Subject {
    Subject {
        operation: "look for pictures whose record is gone",
        ..attachment_subject()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_taken_for_what_its_table_and_name_say() {
        for (wanted, table, file_name, place) in [
            (
                Wanted::Images,
                "ZZ_YYlive_profile",
                "photo",
                Some(Place::LIVE_PROFILE),
            ),
            (Wanted::Images, "ZZ_YYsys_user", "photo", Some(Place::SYS_USER)),
            (Wanted::Images, "ZZ_YYsc_cat_item", "picture", None),
            (Wanted::Images, "sys_user", "photo", None),
            (
                Wanted::Thumbnails,
                "sys_attachment",
                "thumb_1",
                Some(Place::THUMBNAIL),
            ),
            (Wanted::Thumbnails, "sys_attachment", "notes.txt", None),
            (Wanted::Odd, "ZZ_YYZZ_YYsys_user", "photo", Some(Place::SYS_USER)),
            (Wanted::Odd, "ZZ_YYsys_user", "photo", None),
        ] {
            assert_eq!(wanted.place_of(table, file_name), place, "{table} {file_name}");
        }
    }
}
