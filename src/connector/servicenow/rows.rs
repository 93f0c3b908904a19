//! What the tables answer, read with care (`servicenow.md` 1.3, 1.4, 2.6, 3.2).
//!
//! The service sends every value as text; an absent key means *not readable* and `""` means *empty*, and the two are
//! never mixed up here. References come as text or as an object with a `value`.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::query::is_sys_id;
use crate::domain::ids::{PictureId, RecordId, TargetId};
use crate::domain::person::TargetPerson;
use crate::domain::photo::{Column, PictureForm, Place, Scan, Sha256, StoredPicture};
use crate::domain::text::RemoteText;

/// Most columns a row may have; we ask for a dozen.
const COLUMN_LIMIT: usize = 256;

/// `{"result": …}`.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Envelope<T> {
    /// What was asked for.
    pub(super) result: T,
}

/// One row, borrowed from the answer.
#[derive(Debug)]
pub(super) struct Row<'a> {
    cells: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl Row<'_> {
    /// A column's value; `None` if it was not sent, so not readable.
    pub(super) fn get(&self, column: &str) -> Option<&str> {
        self.cells
            .iter()
            .find(|(name, _)| name == column)
            .map(|(_, value)| value.as_ref())
    }

    /// The row's key.
    pub(super) fn sys_id(&self) -> Result<&str, BadRow> {
        let value = self.required("sys_id")?;
        if is_sys_id(value) {
            Ok(value)
        } else {
            Err(BadRow::NotAnId {
                value: crate::domain::text::clean(value).into_owned(),
            })
        }
    }

    /// A column that must have been sent.
    pub(super) fn required(&self, column: &str) -> Result<&str, BadRow> {
        self.get(column).ok_or_else(|| BadRow::Missing {
            column: column.to_owned(),
        })
    }

    /// A text column for which empty means nothing.
    pub(super) fn text(&self, column: &str) -> Option<RemoteText> {
        self.get(column).and_then(RemoteText::non_empty)
    }

    fn truth(&self, column: &str) -> Option<bool> {
        match self.get(column)? {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }

    /// A moment, if readable.
    pub(super) fn time(&self, column: &str) -> Option<Timestamp> {
        self.get(column).and_then(parse_time)
    }

    /// A picture column.
    pub(super) fn column(&self, column: &str) -> Column {
        self.get(column).map_or(Column::Unreadable, parse_column)
    }

    /// A row of `sys_user`; `source_key` is the column that keeps the source's id, if any.
    pub(super) fn person(&self, source_key: Option<&str>) -> Result<TargetPerson, BadRow> {
        Ok(TargetPerson {
            id: TargetId::new(self.sys_id()?),
            name: RemoteText::new(self.get("name").unwrap_or_default()),
            user_name: RemoteText::new(self.get("user_name").unwrap_or_default()),
            mail: self.text("email"),
            employee_number: self.text("employee_number"),
            source_key: source_key.and_then(|column| self.text(column)),
            active: self.truth("active"),
            locked_out: self.truth("locked_out"),
            column: self.column("photo"),
        })
    }

    /// A row of `live_profile`; `None` if it belongs to no record.
    pub(super) fn profile(&self) -> Result<Option<Profile>, BadRow> {
        let document = self.required("document")?;
        if !is_sys_id(document) {
            return Ok(None);
        }
        Ok(Some(Profile {
            id: RecordId::new(self.sys_id()?),
            user: TargetId::new(document),
            column: self.column("photo"),
            created_at: self.time("sys_created_on"),
        }))
    }

    /// A row of `sys_attachment`.
    pub(super) fn attachment(&self) -> Result<Attachment, BadRow> {
        let table = self.required("table_name")?;
        let record = self.required("table_sys_id")?;
        let file_name = self.required("file_name")?;
        let content_type = self.get("content_type").unwrap_or_default();
        let home = match table {
            IMAGE_LIVE_PROFILE if is_photo(file_name) => Home::Image(Place::LIVE_PROFILE),
            IMAGE_SYS_USER if is_photo(file_name) => Home::Image(Place::SYS_USER),
            "live_profile" if is_image(content_type) || is_script_name(file_name) => {
                Home::Plain(Place::LIVE_PROFILE)
            }
            "sys_user" if is_image(content_type) || is_script_name(file_name) => Home::Plain(Place::SYS_USER),
            _ => Home::Elsewhere,
        };
        let (stored_at, form) = match table {
            IMAGE_LIVE_PROFILE => (Some(Place::LIVE_PROFILE), PictureForm::ImageField),
            IMAGE_SYS_USER => (Some(Place::SYS_USER), PictureForm::ImageField),
            "live_profile" => (Some(Place::LIVE_PROFILE), PictureForm::Plain),
            "sys_user" => (Some(Place::SYS_USER), PictureForm::Plain),
            _ => (None, PictureForm::Plain),
        };
        Ok(Attachment {
            home,
            stored_at,
            record: RecordId::new(record),
            picture: StoredPicture {
                id: PictureId::new(self.sys_id()?),
                form,
                file_name: RemoteText::new(file_name),
                sha256: self.get("hash").and_then(Sha256::from_hex),
                bytes: self
                    .get("size_bytes")
                    .and_then(|text| text.parse().ok())
                    .unwrap_or_default(),
                content_type: RemoteText::new(content_type),
                scan: self.get("state").map_or(Scan::NotScanned, parse_scan),
                created_at: self.time("sys_created_on"),
                created_by: self.text("sys_created_by"),
            },
        })
    }
}

/// `ZZ_YY` plus the table: where the platform keeps the pictures of image fields.
pub(super) const IMAGE_LIVE_PROFILE: &str = "ZZ_YYlive_profile";
/// See [`IMAGE_LIVE_PROFILE`].
pub(super) const IMAGE_SYS_USER: &str = "ZZ_YYsys_user";

/// A row of `live_profile` that belongs to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) id: RecordId,
    pub(super) user: TargetId,
    pub(super) column: Column,
    pub(super) created_at: Option<Timestamp>,
}

/// Where an attachment is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// It is the picture of the record's `photo` field.
    Image(Place),
    /// It is an image under the record's paperclip.
    Plain(Place),
    /// At another record, another field, or not an image.
    Elsewhere,
}

/// A row of `sys_attachment`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attachment {
    pub(super) home: Home,
    /// The place at whose record it is stored, whatever its name and type: an avatar if a column names it.
    pub(super) stored_at: Option<Place>,
    pub(super) record: RecordId,
    pub(super) picture: StoredPicture,
}

/// The image field's rows are named after the field; old releases wrote "Photo".
fn is_photo(file_name: &str) -> bool {
    file_name.eq_ignore_ascii_case("photo")
}

/// `<user>_photo.jpg`: what the well-known article's script stores, whatever type it claims (`servicenow.md` 1.6).
fn is_script_name(file_name: &str) -> bool {
    let stem = file_name.rsplit_once('.').map_or("", |(stem, _)| stem);
    stem.strip_suffix("_photo")
        .is_some_and(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn is_image(content_type: &str) -> bool {
    content_type
        .get(..6)
        .is_some_and(|start| start.eq_ignore_ascii_case("image/"))
}

/// Reads a picture column: empty, an id, or an id with the suffix of a picture address (`<id>.iix?t=small`).
pub(super) fn parse_column(value: &str) -> Column {
    let value = value.trim();
    if value.is_empty() {
        return Column::Empty;
    }
    let id = match value.split_once(".iix") {
        Some((id, rest)) if rest.is_empty() || rest.starts_with('?') => id.trim_start_matches('/'),
        _ => value,
    };
    if is_sys_id(id) {
        Column::Names(PictureId::new(id))
    } else {
        // Something we cannot name is not an absence.
        Column::Unreadable
    }
}

fn parse_scan(state: &str) -> Scan {
    match state {
        "pending" => Scan::Pending,
        "available" | "available_conditionally" => Scan::Available,
        "not_available" => Scan::Quarantined,
        _ => Scan::NotScanned,
    }
}

/// `YYYY-MM-DD HH:MM:SS` in UTC.
fn parse_time(text: &str) -> Option<Timestamp> {
    let moment: DateTime = text.parse().ok()?;
    Some(moment.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// A row that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadRow {
    #[error("a row comes without {column}, which this account may not read")]
    Missing { column: String },
    #[error("a row has {value:?} as sys_id, which is not a record id")]
    NotAnId { value: String },
    #[error("a row comes that was not asked for: {0}")]
    NotAsked(String),
}

impl<'de: 'a, 'a> Deserialize<'de> for Row<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Cells;

        impl<'de> Visitor<'de> for Cells {
            type Value = Row<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row<'de>, A::Error> {
                let mut cells: Vec<(Cow<'de, str>, Cow<'de, str>)> = Vec::with_capacity(12);
                while let Some(Text(column)) = map.next_key::<Text<'de>>()? {
                    if cells.len() == COLUMN_LIMIT {
                        return Err(de::Error::custom("a row has too many columns"));
                    }
                    if cells.iter().any(|(name, _)| *name == column) {
                        return Err(de::Error::custom("a row has a column twice"));
                    }
                    // A null is nothing we can rely on: treated like a column that was not sent.
                    if let Some(Text(value)) = map.next_value::<Option<Text<'de>>>()? {
                        cells.push((column, value));
                    }
                }
                Ok(Row { cells })
            }
        }

        deserializer.deserialize_map(Cells)
    }
}

/// A value: text, a reference object, or (from odd scripted fields) a number or truth value.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value or a reference")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(if value { "true" } else { "false" })))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(value.to_string())))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(value.to_string())))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text<'de>, A::Error> {
                let mut value = None;
                while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
                    if key == "value" {
                        let Some(Text(text)) = map.next_value::<Option<Text<'de>>>()? else {
                            continue;
                        };
                        value = Some(text);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                value.map(Text).ok_or_else(|| de::Error::missing_field("value"))
            }
        }

        deserializer.deserialize_any(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: &str = "1f0c9a4b7d3e4256a8c1d2e3f4051627";
    const PROFILE: &str = "2a7be1c05f6d4b38960c1d7e8f902b3c";
    const IMAGE: &str = "3c58d2e1907f4a6bb2c4e6f8091a2b3d";

    fn row(json: &str) -> Row<'_> {
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
    }

    #[test]
    fn an_absent_column_is_unreadable_and_an_empty_one_is_empty() {
        let hidden = row(r#"{"sys_id":"1f0c9a4b7d3e4256a8c1d2e3f4051627"}"#)
            .person(None)
            .unwrap();
        assert_eq!(hidden.column, Column::Unreadable);
        assert_eq!(hidden.active, None);
        assert_eq!(hidden.mail, None);

        let empty =
            row(r#"{"sys_id":"1f0c9a4b7d3e4256a8c1d2e3f4051627","photo":"","email":"","active":"false"}"#)
                .person(None)
                .unwrap();
        assert_eq!(empty.column, Column::Empty);
        assert_eq!(empty.active, Some(false));
        assert_eq!(empty.mail, None);
    }

    #[test]
    fn a_photo_column_is_an_id_with_or_without_the_suffix_of_an_address() {
        let image = Column::Names(PictureId::new(IMAGE));
        let table = [
            (String::new(), Column::Empty),
            (IMAGE.to_owned(), image.clone()),
            (format!("{IMAGE}.iix"), image.clone()),
            (format!("{IMAGE}.iix?t=small"), image.clone()),
            (format!("/{IMAGE}.iix?t=small"), image),
            ("a^b".to_owned(), Column::Unreadable),
            ("https://elsewhere.example/x.png".to_owned(), Column::Unreadable),
        ];
        for (value, expected) in table {
            assert_eq!(parse_column(&value), expected, "{value:?}");
        }
    }

    #[test]
    fn times_are_utc_whatever_zone_anybody_lives_in() {
        // Half past two does not exist on the first of these nights in New York, and half past one is there twice in the
        // second; read as local time anywhere they would be an hour off.
        for (text, instant) in [
            ("2026-03-08 02:30:00", "2026-03-08T02:30:00Z"),
            ("2026-03-29 02:30:00", "2026-03-29T02:30:00Z"),
            ("2026-11-01 01:30:00", "2026-11-01T01:30:00Z"),
            ("2026-10-25 01:30:00", "2026-10-25T01:30:00Z"),
            ("1969-12-31 23:59:59", "1969-12-31T23:59:59Z"),
        ] {
            let json = format!(r#"{{"sys_id":"{ADA}","sys_updated_on":"{text}"}}"#);
            assert_eq!(
                row(&json).time("sys_updated_on"),
                Some(instant.parse().unwrap()),
                "{text}"
            );
        }
        let json = format!(r#"{{"sys_id":"{ADA}","sys_updated_on":"08.03.2026 02:30"}}"#);
        assert_eq!(
            row(&json).time("sys_updated_on"),
            None,
            "what a person would see is not guessed at"
        );
        crate::tried("D7", 5);
    }

    #[test]
    fn references_come_as_text_or_as_objects() {
        let shapes = [
            format!(r#""{ADA}""#),
            format!(r#"{{"link":"https://x.example/api/now/table/sys_user/{ADA}","value":"{ADA}"}}"#),
            format!(r#"{{"value":"{ADA}"}}"#),
            format!(r#"{{"display_value":"Ada Okafor","value":"{ADA}"}}"#),
        ];
        for shape in shapes {
            let json = format!(r#"{{"sys_id":"{PROFILE}","document":{shape},"photo":""}}"#);
            let profile = row(&json).profile().unwrap().unwrap();
            assert_eq!(profile.user.as_str(), ADA, "{shape}");
            assert_eq!(profile.id.as_str(), PROFILE);
        }
        let orphan = format!(r#"{{"sys_id":"{PROFILE}","document":""}}"#);
        assert_eq!(row(&orphan).profile().unwrap(), None);
    }

    #[test]
    fn the_column_with_the_sources_id_is_a_setting() {
        let json = format!(r#"{{"sys_id":"{ADA}","u_entra":"0a1b","correlation_id":"else"}}"#);
        let key = |column| row(&json).person(column).unwrap().source_key;
        assert_eq!(key(Some("u_entra")).unwrap().raw(), "0a1b");
        assert_eq!(key(Some("u_missing")), None);
        assert_eq!(key(None), None);
    }

    #[test]
    fn an_attachments_home_follows_from_table_name_file_name_and_type() {
        let table = [
            (
                "ZZ_YYlive_profile",
                "photo",
                "image/jpeg",
                Home::Image(Place::LIVE_PROFILE),
            ),
            (
                "ZZ_YYsys_user",
                "Photo",
                "image/png",
                Home::Image(Place::SYS_USER),
            ),
            ("ZZ_YYsys_user", "u_badge", "image/png", Home::Elsewhere),
            ("ZZ_YYZZ_YYsys_user", "photo", "image/png", Home::Elsewhere),
            (
                "live_profile",
                "x_photo.jpg",
                "IMAGE/JPEG",
                Home::Plain(Place::LIVE_PROFILE),
            ),
            ("sys_user", "scan.png", "image/png", Home::Plain(Place::SYS_USER)),
            ("sys_user", "cv.pdf", "application/pdf", Home::Elsewhere),
            ("sys_attachment", "thumb_x", "image/jpeg", Home::Elsewhere),
        ];
        for (table_name, file_name, content_type, home) in table {
            let json = format!(
                r#"{{"sys_id":"{IMAGE}","table_name":"{table_name}","table_sys_id":"{ADA}",
                    "file_name":"{file_name}","content_type":"{content_type}"}}"#
            );
            assert_eq!(
                row(&json).attachment().unwrap().home,
                home,
                "{table_name} {file_name}"
            );
        }
    }

    #[test]
    fn an_attachments_metadata_is_read_as_recorded() {
        let json = format!(
            r#"{{"average_image_color":"","chunk_size_bytes":"700000","compressed":"true","content_type":"image/jpeg",
            "file_name":"photo","hash":"{hash}","image_height":"","image_width":"","size_bytes":"15366",
            "size_compressed":"15242","state":"pending","sys_created_by":"svc.avatar.sync",
            "sys_created_on":"2026-03-18 13:41:48","sys_id":"{IMAGE}","sys_mod_count":"0","sys_tags":"",
            "table_name":"ZZ_YYlive_profile","table_sys_id":"{PROFILE}"}}"#,
            hash = Sha256::of(b"face"),
        );
        let attachment = row(&json).attachment().unwrap();
        assert_eq!(attachment.record.as_str(), PROFILE);
        let picture = attachment.picture;
        assert_eq!(picture.sha256, Some(Sha256::of(b"face")));
        assert_eq!(picture.bytes, 15_366);
        assert_eq!(picture.scan, Scan::Pending);
        assert_eq!(picture.created_at, Some("2026-03-18T13:41:48Z".parse().unwrap()));
        assert_eq!(picture.created_by.unwrap().raw(), "svc.avatar.sync");
    }

    #[test]
    fn scan_states_are_told_apart() {
        let table = [
            ("", Scan::NotScanned),
            ("pending", Scan::Pending),
            ("available", Scan::Available),
            ("available_conditionally", Scan::Available),
            ("not_available", Scan::Quarantined),
            ("something new", Scan::NotScanned),
        ];
        for (state, scan) in table {
            assert_eq!(parse_scan(state), scan, "{state:?}");
        }
    }

    #[test]
    fn rows_without_a_usable_key_are_refused_with_the_columns_name() {
        assert_eq!(
            row("{}").person(None),
            Err(BadRow::Missing {
                column: "sys_id".into()
            })
        );
        let odd = row(r#"{"sys_id":"a^ORactive=true"}"#).person(None).unwrap_err();
        assert!(odd.to_string().contains("sys_id"), "{odd}");
    }

    #[test]
    fn malformed_json_is_an_error_and_never_a_panic() {
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        let table = [
            r#"{"sys_id":"a","sys_id":"b"}"#.to_owned(),
            r#"{"photo":{"link":"x"}}"#.to_owned(),
            r#"{"photo":["x"]}"#.to_owned(),
            r#"["x"]"#.to_owned(),
            r#"{"sys_id":"a""#.to_owned(),
            format!(r#"{{"photo":{deep}}}"#),
        ];
        for json in table {
            assert!(serde_json::from_str::<Row<'_>>(&json).is_err(), "{json}");
        }
        let odd = row(r#"{"a":null,"b":true,"c":12,"d":"\u00e9"}"#);
        assert_eq!(
            (odd.get("a"), odd.get("b"), odd.get("c"), odd.get("d")),
            (None, Some("true"), Some("12"), Some("é"))
        );
        crate::tried("E11", 7);
    }
}
