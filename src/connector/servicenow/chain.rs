//! From rows to avatar chains, and which picture wins (`servicenow.md` 1.2, 1.6, 1.7, 9.3).

use std::collections::{BTreeSet, HashMap, HashSet};

use super::rows::{Attachment, Home, Profile};
use super::settings::WriteMode;
use crate::domain::ids::{PictureId, RecordId, TargetId};
use crate::domain::photo::{AvatarChain, AvatarRecord, Column, Finding, Place, Scan, Served, StoredPicture};

/// The attachments that were read, by the record they are stored at.
#[derive(Debug, Default)]
pub(super) struct Attachments {
    stored: HashMap<(Place, RecordId), Vec<Attachment>>,
    known: HashSet<PictureId>,
}

impl Attachments {
    /// Adds a row. One that is stored at neither kind of record is remembered as existing, for columns that name it.
    pub(super) fn add(&mut self, attachment: Attachment) {
        let is_new = self.known.insert(attachment.picture.id.clone());
        if let (true, Some(place)) = (is_new, attachment.stored_at) {
            self.stored
                .entry((place, attachment.record.clone()))
                .or_default()
                .push(attachment);
        }
    }

    /// Remembers only that a row exists, wherever it is stored.
    pub(super) fn add_existing(&mut self, id: PictureId) {
        self.known.insert(id);
    }

    /// True if a row with this id was seen.
    pub(super) fn contains(&self, id: &PictureId) -> bool {
        self.known.contains(id)
    }

    /// What is stored at a record, oldest first; each record's rows can be taken once.
    fn take(&mut self, place: Place, record: &RecordId) -> Vec<Attachment> {
        let mut rows = self.stored.remove(&(place, record.clone())).unwrap_or_default();
        rows.sort_by(|a, b| {
            let key = |row: &Attachment| (row.picture.created_at.is_none(), row.picture.created_at);
            key(a).cmp(&key(b)).then_with(|| a.picture.id.cmp(&b.picture.id))
        });
        rows
    }
}

/// Puts one person's chain together. `column` is the `photo` column of the user record.
pub(super) fn assemble(
    user: &TargetId,
    column: Column,
    mut profiles: Vec<Profile>,
    attachments: &mut Attachments,
) -> AvatarChain {
    profiles.sort_by(|a, b| {
        let key = |profile: &Profile| (profile.created_at.is_none(), profile.created_at);
        key(a).cmp(&key(b)).then_with(|| a.id.cmp(&b.id))
    });
    let profile_count = profiles.len();
    let heads = profiles
        .into_iter()
        .map(|profile| (Place::LIVE_PROFILE, profile.id, profile.column))
        .chain([(Place::SYS_USER, RecordId::new(user.as_str()), column)]);
    let stored: Vec<_> = heads
        .map(|(place, id, column)| {
            let rows = attachments.take(place, &id);
            (place, id, column, rows)
        })
        .collect();
    let named: HashSet<PictureId> = stored
        .iter()
        .filter_map(|(_, _, column, _)| match column {
            Column::Names(id) => Some(id.clone()),
            Column::Unreadable | Column::Empty => None,
        })
        .collect();

    let mut records = Vec::with_capacity(stored.len());
    let mut candidates = Vec::with_capacity(stored.len());
    for (place, id, column, rows) in stored {
        candidates.push(candidate(place, &column, &rows, attachments));
        let pictures = rows
            .into_iter()
            .filter(|row| row.home != Home::Elsewhere || named.contains(&row.picture.id))
            .map(|row| row.picture)
            .collect();
        records.push(AvatarRecord {
            place,
            id,
            column,
            pictures,
        });
    }
    let served = records.iter().zip(&candidates).find_map(|(record, candidate)| {
        candidate.as_ref().map(|picture| Served {
            place: record.place,
            record: record.id.clone(),
            picture: picture.clone(),
        })
    });
    let mut chain = AvatarChain {
        records,
        served,
        findings: Vec::new(),
    };
    chain.findings = findings(&chain, &candidates, profile_count, attachments);
    chain
}

/// The picture of one record: the one its column names if that exists, else the oldest row of the image field.
fn candidate(
    place: Place,
    column: &Column,
    rows: &[Attachment],
    attachments: &Attachments,
) -> Option<PictureId> {
    if let Column::Names(id) = column
        && attachments.contains(id)
    {
        return Some(id.clone());
    }
    rows.iter()
        .find(|row| row.home == Home::Image(place))
        .map(|row| row.picture.id.clone())
}

/// Everything odd about a chain, in the order of [`Finding`].
fn findings(
    chain: &AvatarChain,
    candidates: &[Option<PictureId>],
    profile_count: usize,
    attachments: &Attachments,
) -> Vec<Finding> {
    let mut found = BTreeSet::new();
    match profile_count {
        0 => _ = found.insert(Finding::NoProfile),
        1 => {}
        _ => _ = found.insert(Finding::DuplicateProfile),
    }
    let mut named = HashSet::new();
    for record in &chain.records {
        if let Column::Names(id) = &record.column {
            if !attachments.contains(id) {
                found.insert(Finding::DanglingColumn);
            } else if !named.insert(id) {
                found.insert(Finding::SharedPicture);
            }
        }
        if record.image_rows().count() > 1 {
            found.insert(Finding::DuplicateImage);
        }
        if record.image_rows().count() < record.pictures.len() {
            found.insert(Finding::Unprefixed);
        }
    }
    // Pictures that are, or could become, what is displayed; other paperclip images are nobody's avatar.
    let relevant = chain.records.iter().flat_map(|record| {
        let is_named = |picture: &&StoredPicture| candidates.iter().flatten().any(|id| *id == picture.id);
        record.image_rows().chain(record.pictures.iter().filter(is_named))
    });
    for picture in relevant {
        if !is_showable(picture.content_type.raw()) {
            found.insert(Finding::BadType);
        }
        match picture.scan {
            Scan::Pending => _ = found.insert(Finding::NotScanned),
            Scan::Quarantined => _ = found.insert(Finding::Quarantined),
            Scan::NotScanned | Scan::Available => {}
        }
        if picture.sha256.is_none() {
            found.insert(Finding::NoHash);
        }
    }
    if is_split(chain, candidates) {
        found.insert(Finding::Split);
    }
    found.into_iter().collect()
}

/// True if the profile's picture and the user's picture are known to differ.
fn is_split(chain: &AvatarChain, candidates: &[Option<PictureId>]) -> bool {
    let picture_at = |place| {
        chain
            .records
            .iter()
            .zip(candidates)
            .filter(|(record, _)| record.place == place)
            .find_map(|(_, candidate)| candidate.as_ref())
            .and_then(|id| chain.picture(id))
    };
    let (Some(profile), Some(user)) = (picture_at(Place::LIVE_PROFILE), picture_at(Place::SYS_USER)) else {
        return false;
    };
    if profile.id == user.id {
        return false;
    }
    match (profile.sha256, user.sha256) {
        (Some(a), Some(b)) => a != b,
        _ => profile.bytes != user.bytes,
    }
}

/// The types an image field displays (`servicenow.md` 3.4).
fn is_showable(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    ["image/jpeg", "image/jpg", "image/pjpeg", "image/png", "image/gif"]
        .iter()
        .any(|showable| essence.eq_ignore_ascii_case(showable))
}

/// The places a write mode writes for a person with this chain, in the order of writing (`servicenow.md` 1.7).
pub(super) fn places_to_write(mode: WriteMode, create_live_profile: bool, chain: &AvatarChain) -> Vec<Place> {
    let profile =
        (create_live_profile || chain.record(Place::LIVE_PROFILE).is_some()).then_some(Place::LIVE_PROFILE);
    match mode {
        // The article lets both columns name one attachment, so that whoever deletes it breaks both; here each record
        // gets an attachment of its own.
        WriteMode::Both | WriteMode::SeedArticle => profile.into_iter().chain([Place::SYS_USER]).collect(),
        WriteMode::LiveProfile => profile.into_iter().collect(),
        WriteMode::SysUser => vec![Place::SYS_USER],
        WriteMode::Effective => {
            vec![
                chain
                    .served
                    .as_ref()
                    .map_or(Place::SYS_USER, |served| served.place),
            ]
        }
    }
}

/// What a write mode wants a picture column to name once `new` is stored (`servicenow.md` 1.7, `photo_columns`).
pub(super) fn column_to_set(mode: WriteMode, column: &Column, new: &PictureId) -> Option<PictureId> {
    match column {
        Column::Names(current) if current == new => None,
        Column::Names(_) => Some(new.clone()),
        // An ordinary attachment is an avatar only while the column names it.
        Column::Empty | Column::Unreadable if mode == WriteMode::SeedArticle => Some(new.clone()),
        Column::Empty | Column::Unreadable => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::servicenow::rows::Row;

    const USER: &str = "user";

    /// What is stored for one person; each test names what matters.
    #[derive(Default)]
    struct Stored {
        user_column: &'static str,
        profiles: Vec<(&'static str, &'static str, &'static str)>,
        rows: Vec<String>,
    }

    impl Stored {
        fn column(mut self, value: &'static str) -> Self {
            self.user_column = value;
            self
        }

        /// A profile: id, second of creation, column.
        fn profile(mut self, id: &'static str, second: &'static str, column: &'static str) -> Self {
            self.profiles.push((id, second, column));
            self
        }

        /// An attachment: id, second of creation, table, record.
        fn row(self, id: &str, second: &str, table: &str, record: &str) -> Self {
            self.row_with(id, second, table, record, "")
        }

        /// The same with more columns, which win over the usual ones.
        fn row_with(mut self, id: &str, second: &str, table: &str, record: &str, more: &str) -> Self {
            let usual = [
                ("file_name", "photo".to_owned()),
                ("content_type", "image/jpeg".to_owned()),
                ("size_bytes", "100".to_owned()),
                ("hash", crate::domain::photo::Sha256::of(b"one face").to_string()),
                ("state", "available".to_owned()),
            ];
            let mut json = format!(
                r#""sys_id":"{id}","table_name":"{table}","table_sys_id":"{record}","sys_created_on":"2026-01-01 00:00:{second}""#
            );
            for (column, value) in usual {
                if !more.contains(&format!("\"{column}\"")) {
                    json += &[r#",""#, column, r#"":""#, &value, r#"""#].concat();
                }
            }
            if !more.is_empty() {
                json.push(',');
                json.push_str(more);
            }
            self.rows.push(format!("{{{json}}}"));
            self
        }

        fn chain(self) -> AvatarChain {
            let mut attachments = Attachments::default();
            for json in &self.rows {
                let row: Row<'_> = serde_json::from_str(json).expect("a row");
                attachments.add(row.attachment().expect("an attachment"));
            }
            let profiles = self
                .profiles
                .iter()
                .map(|(id, second, column)| Profile {
                    id: RecordId::new(*id),
                    user: TargetId::new(USER),
                    column: crate::connector::servicenow::rows::parse_column(column),
                    created_at: format!("2026-01-01T00:00:{second}Z").parse().ok(),
                })
                .collect();
            let column = crate::connector::servicenow::rows::parse_column(self.user_column);
            assemble(&TargetId::new(USER), column, profiles, &mut attachments)
        }
    }

    fn stored() -> Stored {
        Stored::default()
    }

    const PROFILE_IMAGE: &str = "ZZ_YYlive_profile";
    const USER_IMAGE: &str = "ZZ_YYsys_user";

    fn served(chain: &AvatarChain) -> Option<(&'static str, &str, &str)> {
        chain
            .served
            .as_ref()
            .map(|served| (served.place.0, served.record.as_str(), served.picture.as_str()))
    }

    #[test]
    fn the_displayed_picture_follows_the_platforms_precedence() {
        let from_profile = |picture| Some(("live_profile", "p1", picture));
        let from_user = |picture| Some(("sys_user", USER, picture));
        for (case, stored, expected) in [
            ("nothing at all", stored(), None),
            (
                "a profile without a picture",
                stored().profile("p1", "01", ""),
                None,
            ),
            (
                "the user's row, with an empty column",
                stored().row("u", "01", USER_IMAGE, USER),
                from_user("u"),
            ),
            (
                "the profile before the user",
                stored()
                    .profile("p1", "01", "")
                    .row("u", "01", USER_IMAGE, USER)
                    .row("l", "02", PROFILE_IMAGE, "p1"),
                from_profile("l"),
            ),
            (
                "the user when the profile has none",
                stored().profile("p1", "01", "").row("u", "01", USER_IMAGE, USER),
                from_user("u"),
            ),
            (
                "the oldest row until it is deleted",
                stored()
                    .profile("p1", "01", "")
                    .row("new", "09", PROFILE_IMAGE, "p1")
                    .row("old", "02", PROFILE_IMAGE, "p1"),
                from_profile("old"),
            ),
            (
                "the column before the oldest row",
                stored()
                    .profile("p1", "01", "new")
                    .row("old", "02", PROFILE_IMAGE, "p1")
                    .row("new", "09", PROFILE_IMAGE, "p1"),
                from_profile("new"),
            ),
            (
                "the rows when the column dangles",
                stored()
                    .profile("p1", "01", "gone")
                    .row("l", "02", PROFILE_IMAGE, "p1"),
                from_profile("l"),
            ),
            (
                "the user when the profile's column dangles and it has no row",
                stored()
                    .profile("p1", "01", "gone")
                    .row("u", "02", USER_IMAGE, USER),
                from_user("u"),
            ),
            (
                "the oldest of two profiles",
                stored()
                    .profile("p2", "05", "")
                    .profile("p1", "01", "")
                    .row("second", "01", PROFILE_IMAGE, "p2")
                    .row("first", "02", PROFILE_IMAGE, "p1"),
                from_profile("first"),
            ),
            (
                "the younger profile when the oldest has no picture",
                stored().profile("p2", "05", "").profile("p1", "01", "").row(
                    "second",
                    "01",
                    PROFILE_IMAGE,
                    "p2",
                ),
                Some(("live_profile", "p2", "second")),
            ),
            (
                "an ordinary attachment that the column names",
                stored().profile("p1", "01", "plain").row_with(
                    "plain",
                    "02",
                    "live_profile",
                    "p1",
                    r#""file_name":"user_photo.jpg""#,
                ),
                from_profile("plain"),
            ),
            (
                "never an ordinary attachment that no column names",
                stored()
                    .profile("p1", "01", "")
                    .row("plain", "02", "live_profile", "p1"),
                None,
            ),
            (
                "an old row called Photo",
                stored().row_with("u", "01", USER_IMAGE, USER, r#""file_name":"Photo""#),
                from_user("u"),
            ),
            (
                "never another field's row, junk or somebody else's",
                stored()
                    .row_with("badge", "01", USER_IMAGE, USER, r#""file_name":"u_badge""#)
                    .row("junk", "01", "ZZ_YYZZ_YYsys_user", USER)
                    .row("orphan", "01", USER_IMAGE, "somebody"),
                None,
            ),
            (
                "a quarantined picture all the same",
                stored().row_with("u", "01", USER_IMAGE, USER, r#""state":"not_available""#),
                from_user("u"),
            ),
        ] {
            assert_eq!(served(&stored.chain()), expected, "{case}");
        }
    }

    #[test]
    fn a_column_may_name_a_picture_stored_elsewhere() {
        let chain = stored().column("far").row("far", "01", "incident", "x").chain();
        assert_eq!(served(&chain), Some(("sys_user", USER, "far")));
        assert_eq!(
            chain.served_picture(),
            None,
            "it is not this record's to list or to remove"
        );
        assert!(!chain.has(Finding::DanglingColumn));
    }

    #[test]
    fn records_are_listed_as_the_platform_looks_at_them() {
        let chain = stored()
            .profile("p2", "05", "")
            .profile("p1", "01", "")
            .profile("p0", "05", "")
            .row("b", "03", PROFILE_IMAGE, "p1")
            .row("a", "03", PROFILE_IMAGE, "p1")
            .chain();
        let order: Vec<_> = chain.records.iter().map(|record| record.id.as_str()).collect();
        assert_eq!(order, ["p1", "p0", "p2", USER], "equal times go by id");
        let rows: Vec<_> = chain.records[0]
            .pictures
            .iter()
            .map(|row| row.id.as_str())
            .collect();
        assert_eq!(rows, ["a", "b"]);
    }

    #[test]
    fn findings_name_what_is_odd_and_nothing_else() {
        use Finding::{
            BadType, DanglingColumn, DuplicateImage, DuplicateProfile, NoHash, NoProfile, NotScanned,
            Quarantined, SharedPicture, Split, Unprefixed,
        };
        let other = crate::domain::photo::Sha256::of(b"another face");
        let other_hash = format!(r#""hash":"{other}""#);
        let both = || {
            stored()
                .profile("p1", "01", "")
                .row("l", "02", PROFILE_IMAGE, "p1")
        };
        for (case, stored, expected) in [
            ("healthy", both().row("u", "02", USER_IMAGE, USER), vec![]),
            ("no profile", stored(), vec![NoProfile]),
            (
                "two profiles",
                stored().profile("p1", "01", "").profile("p2", "02", ""),
                vec![DuplicateProfile],
            ),
            (
                "different faces",
                both().row_with("u", "02", USER_IMAGE, USER, &other_hash),
                vec![Split],
            ),
            (
                "different sizes, one hash unknown",
                both().row_with("u", "02", USER_IMAGE, USER, r#""hash":"","size_bytes":"99""#),
                vec![Split, NoHash],
            ),
            (
                "same size, one hash unknown: nothing is claimed",
                both().row_with("u", "02", USER_IMAGE, USER, r#""hash":"""#),
                vec![NoHash],
            ),
            (
                "two rows",
                both().row("l2", "03", PROFILE_IMAGE, "p1"),
                vec![DuplicateImage],
            ),
            (
                "a column that dangles",
                stored().column("gone").profile("p1", "01", ""),
                vec![DanglingColumn],
            ),
            (
                "two columns that dangle",
                stored().column("gone").profile("p1", "01", "gone"),
                vec![DanglingColumn],
            ),
            (
                "the article's way",
                stored()
                    .column("a")
                    .profile("p1", "01", "a")
                    .row("a", "02", "live_profile", "p1"),
                vec![Unprefixed, SharedPicture],
            ),
            (
                "an image under the paperclip, of whatever type",
                both().row_with(
                    "scan",
                    "03",
                    "sys_user",
                    USER,
                    r#""content_type":"image/tiff","hash":"""#,
                ),
                vec![Unprefixed],
            ),
            (
                "a type nobody can show",
                stored().profile("p1", "01", "").row_with(
                    "u",
                    "01",
                    USER_IMAGE,
                    USER,
                    r#""content_type":"text/html""#,
                ),
                vec![BadType],
            ),
            (
                "waiting for the scan",
                stored().profile("p1", "01", "").row_with(
                    "u",
                    "01",
                    USER_IMAGE,
                    USER,
                    r#""state":"pending""#,
                ),
                vec![NotScanned],
            ),
            (
                "quarantined",
                stored().profile("p1", "01", "").row_with(
                    "u",
                    "01",
                    USER_IMAGE,
                    USER,
                    r#""state":"not_available""#,
                ),
                vec![Quarantined],
            ),
        ] {
            assert_eq!(stored.chain().findings, expected, "{case}");
        }
    }

    #[test]
    fn the_write_mode_decides_which_places_are_written() {
        use WriteMode::{Both, Effective, LiveProfile, SeedArticle, SysUser};
        let nobody = || stored().chain();
        let profile = || stored().profile("p1", "01", "").chain();
        let user_wins = || {
            stored()
                .profile("p1", "01", "")
                .row("u", "01", USER_IMAGE, USER)
                .chain()
        };
        let profile_wins = || {
            stored()
                .profile("p1", "01", "")
                .row("l", "01", PROFILE_IMAGE, "p1")
                .chain()
        };
        let (live, user) = (Place::LIVE_PROFILE, Place::SYS_USER);
        for (mode, create, chain, expected) in [
            (Both, true, nobody(), vec![live, user]),
            (Both, false, nobody(), vec![user]),
            (Both, false, profile(), vec![live, user]),
            (LiveProfile, true, nobody(), vec![live]),
            (LiveProfile, false, nobody(), vec![]),
            (LiveProfile, false, user_wins(), vec![live]),
            (SysUser, true, profile_wins(), vec![user]),
            (Effective, true, nobody(), vec![user]),
            (Effective, true, profile(), vec![user]),
            (Effective, true, user_wins(), vec![user]),
            (Effective, true, profile_wins(), vec![live]),
            (SeedArticle, true, nobody(), vec![live, user]),
            (SeedArticle, false, nobody(), vec![user]),
        ] {
            assert_eq!(
                places_to_write(mode, create, &chain),
                expected,
                "{mode:?} {create} {chain:?}"
            );
        }
    }

    #[test]
    fn a_column_is_touched_only_when_it_is_stale() {
        let new = PictureId::new("new");
        let names = |id: &str| Column::Names(PictureId::new(id));
        for (mode, column, expected) in [
            (WriteMode::Both, Column::Empty, None),
            (WriteMode::Both, Column::Unreadable, None),
            (WriteMode::Both, names("new"), None),
            (WriteMode::Both, names("old"), Some("new")),
            (WriteMode::SysUser, names("gone"), Some("new")),
            (WriteMode::SeedArticle, Column::Empty, Some("new")),
            (WriteMode::SeedArticle, names("new"), None),
            (WriteMode::SeedArticle, names("old"), Some("new")),
        ] {
            let set = column_to_set(mode, &column, &new);
            assert_eq!(
                set.as_ref().map(PictureId::as_str),
                expected,
                "{mode:?} {column:?}"
            );
        }
    }
}
