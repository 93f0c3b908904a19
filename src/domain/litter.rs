//! What lies around in the target that nobody sees, and how it goes without anybody seeing a difference
//! (`servicenow.md` 1.2 to 1.7, 9.3).
//!
//! The rules look at one person's chain and decide about all of it at once: what each record shows stays or is stored
//! again in the platform's own form, and whatever is not shown then may go. A rule that cannot be sure leaves things
//! as they are and says so.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::comparison::Content;
use super::ids::{PictureId, RecordId, TargetId};
use super::photo::{
    AvatarChain, AvatarRecord, Column, Finding, PictureForm, Place, Scan, Sha256, StoredPicture,
};
use super::picture::PictureProblem;
use super::tidying::{Names, StoredForm, Write, chain_after};

/// Pictures of fewer bytes are looked at before anything is said of them: error messages and single pixels are small.
const SUSPICIOUS_BYTES: u64 = 2_048;

/// So many pictures whose records seem gone are believed whatever their share.
const PLAUSIBLE_STRAYS: u64 = 100;

/// What is known of the bytes of pictures.
pub type Looked = HashMap<PictureId, Content>;

/// A kind of litter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LitterKind {
    /// One image field holds several pictures; one is shown.
    DuplicateImage,
    /// A picture of an image field whose record is gone.
    OrphanImage,
    /// A picture column names a picture that is gone.
    DanglingColumn,
    /// A picture stored as an ordinary attachment, as the well-known article does, that nothing names.
    WrongForm,
    /// The same, but a column names it, so people see it.
    NamedWrongForm,
    /// Something that is no picture stored as one: an error message, a single pixel, nothing.
    NoPicture,
    /// A person has more than one profile record.
    ExtraProfile,
    /// A small rendition of a picture that is gone.
    OrphanThumbnail,
    /// A table name with the prefix of image fields twice.
    DoublePrefix,
}

impl LitterKind {
    /// Every kind, in the order in which reports list them.
    pub const ALL: [Self; 9] = [
        Self::DuplicateImage,
        Self::OrphanImage,
        Self::DanglingColumn,
        Self::WrongForm,
        Self::NamedWrongForm,
        Self::NoPicture,
        Self::ExtraProfile,
        Self::OrphanThumbnail,
        Self::DoublePrefix,
    ];

    /// The words people read, for several of them.
    pub fn words(self) -> &'static str {
        match self {
            Self::DuplicateImage => "duplicate pictures",
            Self::OrphanImage => "pictures whose record is gone",
            Self::DanglingColumn => "columns that name nothing",
            Self::WrongForm => "attachments that nothing names",
            Self::NamedWrongForm => "avatars in the wrong form",
            Self::NoPicture => "stored errors and pixels",
            Self::ExtraProfile => "extra profiles",
            Self::OrphanThumbnail => "thumbnails of nothing",
            Self::DoublePrefix => "doubled table prefixes",
        }
    }
}

/// What becomes of a piece of litter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is removed.
    Removed,
    /// Its bytes are stored in the platform's form, columns follow, and then it is removed.
    Replaced,
    /// The column is cleared.
    Cleared,
    /// The column is set to the picture that its record shows anyway.
    SetRight,
    /// It stays; somebody has to decide.
    Left,
}

/// A piece of litter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Litter {
    /// Which kind.
    pub kind: LitterKind,
    /// At which place.
    pub place: Place,
    /// At which record.
    pub record: RecordId,
    /// Which picture, if it is one.
    pub picture: Option<PictureId>,
    /// What it takes up in the target.
    pub bytes: u64,
    /// What becomes of it.
    pub fate: Fate,
    /// Why, in one sentence.
    pub why: String,
}

/// What an administrator may ask for beyond the usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleaningOptions {
    /// Also removes what is shown although it is no picture; the person shows the next picture there is, or none.
    pub unreadable: bool,
}

/// What is to be done for one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tidying {
    /// What was found.
    pub litter: Vec<Litter>,
    /// What to write; empty if everything is left.
    pub writes: Vec<Write>,
    /// SHA-256 of what is displayed afterwards.
    pub shows: Option<Sha256>,
    /// Why everything is left, if it is.
    pub left: Option<String>,
}

/// The pictures whose bytes decide something: what is no picture, and hashes that the target does not state.
///
/// Few people have any: those with small or odd pictures, and those with several in one field.
pub fn to_look_at(person: &TargetId, chain: &AvatarChain) -> Vec<PictureId> {
    let mut wanted: Vec<PictureId> = Vec::new();
    let is_littered = has_litter(person, chain);
    for record in &chain.records {
        let has_duplicates = record.image_rows().count() > 1;
        let shown = shown_by(chain, record);
        for row in &record.pictures {
            let is_shown = shown == Some(&row.id);
            let matters = row.form == PictureForm::ImageField
                || is_shown
                || is_named(chain, &row.id)
                || is_of_article(row, person);
            let is_suspicious = row.bytes < SUSPICIOUS_BYTES || !row.can_be_served();
            let decides =
                is_suspicious || (has_duplicates && is_shown) || (is_littered && row.sha256.is_none());
            if matters && decides && row.scan != Scan::Quarantined && !wanted.contains(&row.id) {
                wanted.push(row.id.clone());
            }
        }
    }
    wanted
}

/// True if the chain shows litter without anybody looking at bytes.
fn has_litter(person: &TargetId, chain: &AvatarChain) -> bool {
    chain.has(Finding::DanglingColumn)
        || chain.has(Finding::DuplicateImage)
        || chain.has(Finding::DuplicateProfile)
        || chain
            .records
            .iter()
            .flat_map(|record| &record.pictures)
            .any(|row| {
                row.form == PictureForm::Plain && (is_named(chain, &row.id) || is_of_article(row, person))
            })
}

/// Decides about one person. `looked` is what is known of the bytes of pictures; see [`to_look_at`].
///
/// `None` if there is no litter.
pub fn tidying(
    person: &TargetId,
    chain: &AvatarChain,
    looked: &Looked,
    options: CleaningOptions,
) -> Option<Tidying> {
    let mut room = Room {
        person,
        chain,
        looked,
        options,
        litter: Vec::new(),
        stored: Vec::new(),
        columns: Vec::new(),
        doomed: Vec::new(),
    };
    for record in &chain.records {
        room.tidy_record(record);
    }
    room.tidy_plain();
    room.report_profiles();
    room.finish()
}

/// One person's chain while it is decided about.
struct Room<'a> {
    person: &'a TargetId,
    chain: &'a AvatarChain,
    looked: &'a Looked,
    options: CleaningOptions,
    litter: Vec<Litter>,
    stored: Vec<Write>,
    columns: Vec<Write>,
    doomed: Vec<PictureId>,
}

/// How an ordinary attachment becomes a picture of the image field.
enum Converted {
    /// This row of the field holds its bytes already.
    Held(PictureId),
    /// Its bytes are stored.
    Stored,
    /// Nothing can be done.
    Impossible,
}

impl<'a> Room<'a> {
    /// What one record shows, in which form, and what else its image field holds.
    fn tidy_record(&mut self, record: &'a AvatarRecord) {
        let is_dangling = self.is_dangling(record);
        let mut shown = shown_by(self.chain, record).and_then(|id| self.chain.picture(id));
        let mut column_is_settled = false;
        if let Some(row) = shown
            && let Some(problem) = self.no_picture(row)
        {
            if !self.options.unreadable {
                let why = format!(
                    "it is shown although it {problem}; a push replaces it, and `clean --unreadable` removes it"
                );
                if record.picture(&row.id).is_some() {
                    self.report(LitterKind::NoPicture, record, Some(row), Fate::Left, why);
                }
                return;
            }
            let next = record
                .image_rows()
                .find(|other| other.id != row.id && self.no_picture(other).is_none());
            if column_names(record) == Some(&row.id) {
                self.set_column(
                    record,
                    next.map_or(Names::Nothing, |next| Names::Picture(next.id.clone())),
                );
                column_is_settled = true;
            }
            let why = format!("it is shown although it {problem}");
            if record.picture(&row.id).is_some() {
                self.report(LitterKind::NoPicture, record, Some(row), Fate::Removed, why);
            }
            self.doom(row);
            shown = next;
        }
        if is_dangling {
            let (names, fate, why) = match shown {
                Some(row) => (
                    Names::Picture(row.id.clone()),
                    Fate::SetRight,
                    "the column names a picture that is gone; it is set to the one that is shown",
                ),
                None => (
                    Names::Nothing,
                    Fate::Cleared,
                    "the column names a picture that is gone",
                ),
            };
            self.set_column(record, names);
            self.report(LitterKind::DanglingColumn, record, None, fate, why.to_owned());
            column_is_settled = true;
        }
        let keeper = match shown {
            None => None,
            Some(row) if row.form == PictureForm::ImageField => {
                record.picture(&row.id).map(|row| row.id.clone())
            }
            Some(_) if column_is_settled => None,
            Some(row) => match self.convert(record, row) {
                Converted::Held(keeper) => Some(keeper),
                Converted::Stored => None,
                Converted::Impossible => return,
            },
        };
        // A record whose column names a picture of another one keeps its own as they are.
        let shows_its_own = shown.is_some_and(|row| keeper.is_some() || row.form == PictureForm::Plain);
        if !shows_its_own {
            return;
        }
        for row in record.image_rows() {
            if Some(&row.id) == keeper.as_ref() || self.doomed.contains(&row.id) {
                continue;
            }
            if is_named(self.chain, &row.id) {
                continue;
            }
            let (kind, why) = match self.no_picture(row) {
                Some(problem) => (LitterKind::NoPicture, format!("it {problem}, and nobody sees it")),
                None => (
                    LitterKind::DuplicateImage,
                    format!("the image field of {} shows another one", record.place),
                ),
            };
            if can_go(row) {
                self.report(kind, record, Some(row), Fate::Removed, why);
                self.doom(row);
            } else {
                self.report(kind, record, Some(row), Fate::Left, cannot_be_kept(row));
            }
        }
    }

    /// An ordinary attachment that a record shows becomes a picture of its image field.
    fn convert(&mut self, record: &AvatarRecord, row: &StoredPicture) -> Converted {
        let Some(sha256) = self.hash_of(row).filter(|_| can_go(row)) else {
            let why = cannot_be_kept(row);
            self.report(LitterKind::NamedWrongForm, record, Some(row), Fate::Left, why);
            return Converted::Impossible;
        };
        let same = record.image_rows().find(|other| {
            other.bytes == row.bytes && self.hash_of(other) == Some(sha256) && other.can_be_served()
        });
        if let Some(same) = same {
            self.set_column(record, Names::Picture(same.id.clone()));
        } else {
            self.stored.push(Write::Store {
                place: record.place,
                record: record.id.clone(),
                copy_of: row.id.clone(),
                sha256,
                bytes: row.bytes,
                form: StoredForm::image_field(row.content_type.clone()),
            });
            self.set_column(record, Names::CopyOf(row.id.clone()));
        }
        same.map_or(Converted::Stored, |same| Converted::Held(same.id.clone()))
    }

    /// Ordinary attachments: those that are stored anew, and those that the article left behind.
    fn tidy_plain(&mut self) {
        for record in &self.chain.records {
            for row in &record.pictures {
                if row.form != PictureForm::Plain || self.doomed.contains(&row.id) {
                    continue;
                }
                let naming: Vec<&AvatarRecord> = self
                    .chain
                    .records
                    .iter()
                    .filter(|naming| column_names(naming) == Some(&row.id))
                    .collect();
                let is_set_elsewhere = |naming: &&AvatarRecord| {
                    self.columns
                        .iter()
                        .any(|write| matches!(write, Write::SetColumn { record, .. } if record == &naming.id))
                };
                if naming.is_empty() {
                    if !is_of_article(row, self.person) {
                        continue;
                    }
                    let (kind, why) = match self.no_picture(row) {
                        Some(problem) => (
                            LitterKind::NoPicture,
                            format!("it {problem}, and nothing names it"),
                        ),
                        None => (
                            LitterKind::WrongForm,
                            "an ordinary attachment that nothing names is nobody's avatar".to_owned(),
                        ),
                    };
                    if can_go(row) {
                        self.report(kind, record, Some(row), Fate::Removed, why);
                        self.doom(row);
                    } else {
                        self.report(kind, record, Some(row), Fate::Left, cannot_be_kept(row));
                    }
                } else if naming.iter().all(is_set_elsewhere) && can_go(row) {
                    let why =
                        "an ordinary attachment is shown; the same bytes are stored as the platform stores \
                               pictures"
                            .to_owned();
                    self.report(LitterKind::NamedWrongForm, record, Some(row), Fate::Replaced, why);
                    self.doom(row);
                }
            }
        }
    }

    fn report_profiles(&mut self) {
        let profiles = self
            .chain
            .records
            .iter()
            .filter(|record| record.place == Place::LIVE_PROFILE);
        for extra in profiles.skip(1) {
            let why = "deleting a profile takes its feed data along, so somebody has to decide".to_owned();
            self.litter.push(Litter {
                kind: LitterKind::ExtraProfile,
                place: extra.place,
                record: extra.id.clone(),
                picture: None,
                bytes: 0,
                fate: Fate::Left,
                why,
            });
        }
    }

    fn finish(self) -> Option<Tidying> {
        if self.litter.is_empty() {
            return None;
        }
        let removes = self.doomed.iter().filter_map(|id| {
            let record = self
                .chain
                .records
                .iter()
                .find(|record| record.picture(id).is_some())?;
            Some(Write::Remove {
                place: record.place,
                record: record.id.clone(),
                picture: id.clone(),
                bytes: record.picture(id)?.bytes,
            })
        });
        let writes: Vec<Write> = self
            .stored
            .iter()
            .chain(&self.columns)
            .cloned()
            .chain(removes)
            .collect();
        let now = self.shown_hash(self.chain);
        let after = chain_after(self.chain, &writes);
        let shows = self.shown_hash(&after);
        let left = if writes.is_empty() {
            Some("nothing of it can be mended here".to_owned())
        } else if self
            .chain
            .records
            .iter()
            .any(|record| record.column == Column::Unreadable)
        {
            Some("a picture column cannot be read, so it is not known what it names".to_owned())
        } else if self.chain.served.is_some() && now.is_none() {
            Some("what is displayed cannot be told from its bytes or is stored elsewhere".to_owned())
        } else if shows != now && !self.options.unreadable {
            Some("another picture would be displayed".to_owned())
        } else {
            None
        };
        let is_left = left.is_some();
        let mut litter = self.litter;
        if is_left {
            for litter in &mut litter {
                litter.fate = Fate::Left;
            }
        }
        Some(Tidying {
            litter,
            writes: if is_left { Vec::new() } else { writes },
            shows,
            left,
        })
    }

    fn shown_hash(&self, chain: &AvatarChain) -> Option<Sha256> {
        chain.served_picture().and_then(|row| self.hash_of(row))
    }

    fn hash_of(&self, row: &StoredPicture) -> Option<Sha256> {
        row.sha256.or_else(|| match self.looked.get(&row.id) {
            Some(Content::Sound(facts)) => Some(facts.sha256),
            _ => None,
        })
    }

    /// Why a picture is none, in words that follow "it".
    fn no_picture(&self, row: &StoredPicture) -> Option<&'a PictureProblem> {
        match self.looked.get(&row.id) {
            Some(Content::Unsound(
                problem @ (PictureProblem::Empty
                | PictureProblem::NotAPicture { .. }
                | PictureProblem::Placeholder),
            )) => Some(problem),
            _ => None,
        }
    }

    /// True if the column names a picture that is nowhere.
    fn is_dangling(&self, record: &AvatarRecord) -> bool {
        let served = self.chain.served.as_ref().map(|served| &served.picture);
        self.chain.has(Finding::DanglingColumn)
            && column_names(record)
                .is_some_and(|named| self.chain.picture(named).is_none() && served != Some(named))
    }

    fn doom(&mut self, row: &StoredPicture) {
        if !self.doomed.contains(&row.id) {
            self.doomed.push(row.id.clone());
        }
    }

    fn set_column(&mut self, record: &AvatarRecord, names: Names) {
        self.columns.push(Write::SetColumn {
            place: record.place,
            record: record.id.clone(),
            names,
        });
    }

    fn report(
        &mut self,
        kind: LitterKind,
        record: &AvatarRecord,
        row: Option<&StoredPicture>,
        fate: Fate,
        why: String,
    ) {
        self.litter.push(Litter {
            kind,
            place: record.place,
            record: record.id.clone(),
            picture: row.map(|row| row.id.clone()),
            bytes: row.map_or(0, |row| row.bytes),
            fate,
            why,
        });
    }
}

/// True if a copy can be kept.
fn can_go(row: &StoredPicture) -> bool {
    row.scan != Scan::Quarantined
}

fn cannot_be_kept(row: &StoredPicture) -> String {
    match row.scan {
        Scan::Quarantined => "it is quarantined by the virus scan, so no copy can be kept".to_owned(),
        _ => "its bytes could not be read, so no copy can be kept".to_owned(),
    }
}

fn column_names(record: &AvatarRecord) -> Option<&PictureId> {
    match &record.column {
        Column::Names(id) => Some(id),
        Column::Empty | Column::Unreadable => None,
    }
}

/// True if any column of the person names this picture.
pub fn is_named(chain: &AvatarChain, picture: &PictureId) -> bool {
    chain
        .records
        .iter()
        .any(|record| column_names(record) == Some(picture))
}

/// The picture that a record shows: the one its column names if it is there, else the oldest of its image field.
pub fn shown_by<'a>(chain: &'a AvatarChain, record: &'a AvatarRecord) -> Option<&'a PictureId> {
    let served = chain.served.as_ref().map(|served| &served.picture);
    column_names(record)
        .filter(|named| chain.picture(named).is_some() || served == Some(named))
        .or_else(|| record.image_rows().next().map(|row| &row.id))
}

/// True if an ordinary attachment is named as scripts name the pictures they store: `<user>_photo.jpg`, as the
/// well-known article does, or like the image field. Anything else under a paperclip belongs to somebody.
fn is_of_article(row: &StoredPicture, person: &TargetId) -> bool {
    if row.form != PictureForm::Plain {
        return false;
    }
    let name = row.file_name.raw().trim().to_ascii_lowercase();
    let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
    name == "photo" || stem == format!("{}_photo", person.as_str().to_ascii_lowercase())
}

/// Whether so many pictures without a record can be believed beside so many that have one. An account that cannot see
/// records sees pictures without records.
pub fn are_strays_plausible(strays: u64, others: u64) -> bool {
    strays <= PLAUSIBLE_STRAYS || strays <= others
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: Place = Place::LIVE_PROFILE;
    const USER: Place = Place::SYS_USER;

    fn ada() -> TargetId {
        TargetId::new("ada")
    }

    fn row(id: &str, form: PictureForm, content: &str) -> StoredPicture {
        StoredPicture {
            id: PictureId::new(id),
            form,
            file_name: match form {
                PictureForm::ImageField => "photo".into(),
                PictureForm::Plain => "ada_photo.jpg".into(),
            },
            sha256: Some(Sha256::of(content.as_bytes())),
            bytes: 10_000,
            content_type: "image/jpeg".into(),
            scan: Scan::Available,
            created_at: None,
            created_by: None,
        }
    }

    fn image(id: &str) -> StoredPicture {
        row(id, PictureForm::ImageField, id)
    }

    fn plain(id: &str) -> StoredPicture {
        row(id, PictureForm::Plain, id)
    }

    fn record(place: Place, column: Option<&str>, pictures: Vec<StoredPicture>) -> AvatarRecord {
        AvatarRecord {
            place,
            id: RecordId::new(place.0),
            column: column.map_or(Column::Empty, |id| Column::Names(PictureId::new(id))),
            pictures,
        }
    }

    fn chain(records: Vec<AvatarRecord>, findings: &[Finding]) -> AvatarChain {
        let mut chain = AvatarChain {
            records,
            served: None,
            findings: findings.to_vec(),
        };
        chain.served = chain_after(&chain, &[]).served;
        chain
    }

    fn decided(chain: &AvatarChain, looked: &Looked) -> Option<Tidying> {
        tidying(&ada(), chain, looked, CleaningOptions::default())
    }

    fn removed(tidying: &Tidying) -> Vec<&str> {
        let removes = tidying.writes.iter().filter_map(|write| match write {
            Write::Remove { picture, .. } => Some(picture.as_str()),
            _ => None,
        });
        removes.collect()
    }

    fn no_picture() -> Content {
        Content::Unsound(PictureProblem::NotAPicture {
            looks_like: "JSON".into(),
        })
    }

    #[test]
    fn a_chain_in_order_has_no_litter() {
        let chain = chain(
            vec![
                record(PROFILE, Some("a"), vec![image("a")]),
                record(USER, None, vec![image("b")]),
            ],
            &[],
        );
        assert_eq!(decided(&chain, &Looked::new()), None);
        assert_eq!(to_look_at(&ada(), &chain), []);
    }

    #[test]
    fn what_the_column_names_is_shown_and_not_the_oldest() {
        let chain = chain(
            vec![record(
                PROFILE,
                Some("b"),
                vec![image("a"), image("b"), image("c")],
            )],
            &[Finding::DuplicateImage],
        );
        let tidying = decided(&chain, &Looked::new()).expect("litter");
        assert_eq!(removed(&tidying), ["a", "c"]);
        assert_eq!(tidying.shows, Some(Sha256::of(b"b")));
    }

    #[test]
    fn a_good_picture_is_never_removed_beside_an_error_message_that_is_shown() {
        let chain = chain(
            vec![record(PROFILE, None, vec![image("error"), image("good")])],
            &[Finding::DuplicateImage],
        );
        assert_eq!(to_look_at(&ada(), &chain), [PictureId::new("error")]);
        let looked = Looked::from([(PictureId::new("error"), no_picture())]);
        let left = decided(&chain, &looked).expect("litter");
        assert_eq!(left.writes, []);
        let options = CleaningOptions { unreadable: true };
        let cleared = tidying(&ada(), &chain, &looked, options).expect("litter");
        assert_eq!(removed(&cleared), ["error"]);
        assert_eq!(cleared.shows, Some(Sha256::of(b"good")));
    }

    #[test]
    fn bytes_that_the_field_holds_already_are_not_stored_twice() {
        let same = row("there", PictureForm::ImageField, "p");
        let chain = chain(
            vec![record(PROFILE, Some("p"), vec![plain("p"), same])],
            &[Finding::Unprefixed],
        );
        let tidying = decided(&chain, &Looked::new()).expect("litter");
        assert_eq!(removed(&tidying), ["p"]);
        assert!(
            tidying.writes.contains(&Write::SetColumn {
                place: PROFILE,
                record: RecordId::new(PROFILE.0),
                names: Names::Picture(PictureId::new("there")),
            }),
            "{tidying:?}"
        );
        assert!(
            !tidying
                .writes
                .iter()
                .any(|write| matches!(write, Write::Store { .. }))
        );
    }

    #[test]
    fn nothing_goes_when_it_is_not_known_what_a_column_names() {
        let mut hidden = record(USER, None, vec![]);
        hidden.column = Column::Unreadable;
        let chain = chain(
            vec![record(PROFILE, None, vec![image("a"), image("b")]), hidden],
            &[Finding::DuplicateImage],
        );
        let tidying = decided(&chain, &Looked::new()).expect("litter");
        assert_eq!(tidying.writes, []);
        assert!(tidying.left.is_some_and(|why| why.contains("column")));
    }

    #[test]
    fn what_no_copy_can_be_kept_of_stays() {
        let quarantined = StoredPicture {
            scan: Scan::Quarantined,
            ..image("b")
        };
        let chain = chain(
            vec![record(PROFILE, None, vec![image("a"), quarantined])],
            &[Finding::DuplicateImage],
        );
        let tidying = decided(&chain, &Looked::new()).expect("litter");
        assert_eq!(removed(&tidying), Vec::<&str>::new());
        assert_eq!(tidying.litter[0].fate, Fate::Left);
    }

    #[test]
    fn other_peoples_attachments_are_not_the_scripts() {
        for (file_name, is_litter) in [
            ("ada_photo.jpg", true),
            ("ADA_photo.gif", true),
            ("photo", true),
            ("bob_photo.jpg", false),
            ("my photo.jpg", false),
            ("photo.jpg", false),
            ("contract.png", false),
        ] {
            let attachment = StoredPicture {
                file_name: file_name.into(),
                ..plain("p")
            };
            let chain = chain(
                vec![record(PROFILE, None, vec![image("a"), attachment])],
                &[Finding::Unprefixed],
            );
            assert_eq!(
                decided(&chain, &Looked::new()).is_some(),
                is_litter,
                "{file_name}"
            );
        }
    }

    #[test]
    fn an_account_that_sees_no_records_finds_no_strays() {
        assert!(are_strays_plausible(100, 0));
        assert!(are_strays_plausible(5_000, 90_000));
        assert!(!are_strays_plausible(5_000, 4_000));
    }
}
