//! What has to be true of a person's records in the end, and what that means for each of them. Pure.

use std::collections::HashMap;

use crate::domain::ids::{PictureId, RecordId};
use crate::domain::photo::{AvatarChain, AvatarRecord, Column, PictureForm, Place, Sha256, StoredPicture};

/// The bytes that are to be displayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Wanted {
    /// Their hash.
    pub(in crate::engine) sha256: Sha256,
    /// How many.
    pub(in crate::engine) bytes: u64,
}

/// Hashes of rows for which the target states none, learnt from their bytes.
pub(in crate::engine) type Learned = HashMap<PictureId, Sha256>;

/// A row's hash, stated or learnt.
pub(super) fn hash_of(row: &StoredPicture, learned: &Learned) -> Option<Sha256> {
    row.sha256.or_else(|| learned.get(&row.id).copied())
}

impl Wanted {
    /// True if a row holds these bytes and can be shown.
    pub(super) fn is(&self, row: &StoredPicture, learned: &Learned) -> bool {
        row.bytes == self.bytes && hash_of(row, learned) == Some(self.sha256) && row.can_be_served()
    }
}

/// What is to be done at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct PlaceAim {
    /// The place.
    pub(super) place: Place,
    /// Its record; `None` if it has to be created.
    pub(super) record: Option<RecordId>,
    /// A row that holds the wanted bytes already, so that nothing is uploaded.
    pub(super) picture: Option<PictureId>,
    /// Rows that the new one supersedes.
    pub(super) superseded: Vec<StoredPicture>,
}

/// What a push of `wanted` has to do at these places.
pub(in crate::engine) fn aims(
    chain: &AvatarChain,
    places: &[Place],
    wanted: Wanted,
    learned: &Learned,
) -> Vec<PlaceAim> {
    places
        .iter()
        .map(|place| match chain.record(*place) {
            None => PlaceAim {
                place: *place,
                record: None,
                picture: None,
                superseded: Vec::new(),
            },
            Some(record) => {
                let picture = already_there(chain, record, wanted, learned);
                PlaceAim {
                    place: *place,
                    record: Some(record.id.clone()),
                    superseded: avatars_of(chain, record)
                        .filter(|row| Some(&row.id) != picture.as_ref())
                        .cloned()
                        .collect(),
                    picture,
                }
            }
        })
        .collect()
}

/// The rows of a record that are somebody's avatar: every image row, and an ordinary attachment as long as a column
/// names it (`servicenow.md` 1.6).
pub(super) fn avatars_of<'a>(
    chain: &'a AvatarChain,
    record: &'a AvatarRecord,
) -> impl Iterator<Item = &'a StoredPicture> {
    record
        .pictures
        .iter()
        .filter(|row| row.form == PictureForm::ImageField || is_named(chain, &row.id))
}

/// True if any column of the person names this picture.
pub(in crate::engine) fn is_named(chain: &AvatarChain, picture: &PictureId) -> bool {
    chain
        .records
        .iter()
        .any(|record| matches!(&record.column, Column::Names(named) if named == picture))
}

/// The row to keep when there is one with these bytes: the one its column names, the displayed one, or the oldest.
fn already_there(
    chain: &AvatarChain,
    record: &AvatarRecord,
    wanted: Wanted,
    learned: &Learned,
) -> Option<PictureId> {
    let named = |row: &StoredPicture| matches!(&record.column, Column::Names(named) if named == &row.id);
    let displayed = chain.served.as_ref().map(|served| &served.picture);
    let fits: Vec<&StoredPicture> = record
        .pictures
        .iter()
        .filter(|row| wanted.is(row, learned) && (row.form == PictureForm::ImageField || named(row)))
        .collect();
    fits.iter()
        .find(|row| named(row))
        .or_else(|| fits.iter().find(|row| Some(&row.id) == displayed))
        .or_else(|| fits.first())
        .map(|row| row.id.clone())
}

/// True if every place holds the wanted picture alone, its column is as `column_to_set` wants it, and one of them is
/// displayed: nothing is left to do.
pub(in crate::engine) fn is_reached(
    chain: &AvatarChain,
    aims: &[PlaceAim],
    column_to_set: impl Fn(Place, &Column, &PictureId) -> Option<PictureId>,
) -> bool {
    let displayed = chain.served.as_ref().map(|served| &served.picture);
    let is_done = |aim: &PlaceAim| {
        aim.superseded.is_empty()
            && aim.picture.as_ref().is_some_and(|picture| {
                chain
                    .record(aim.place)
                    .is_some_and(|record| column_to_set(aim.place, &record.column, picture).is_none())
            })
    };
    aims.iter().all(is_done) && aims.iter().any(|aim| aim.picture.as_ref() == displayed)
}

/// One write that reaching an aim takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Write {
    /// The record is created.
    Create(Place),
    /// The photo is stored.
    Store(Place),
    /// No write: this row is kept.
    Keep(Place, PictureId),
    /// The column is pointed at the row that counts.
    SetColumn(Place),
    /// The column is cleared.
    ClearColumn(Place),
    /// A superseded row is deleted.
    Delete(Place, StoredPicture),
}

/// The writes that reaching these aims takes, in the order of a push; for telling, not for doing.
pub(in crate::engine) fn writes(
    chain: &AvatarChain,
    aims: &[PlaceAim],
    column_to_set: impl Fn(Place, &Column, &PictureId) -> Option<PictureId>,
) -> Vec<Write> {
    // The id of a row that is not there yet is nobody's.
    let stored = PictureId::new("");
    let mut writes = Vec::new();
    let created = aims.iter().filter(|aim| aim.record.is_none());
    writes.extend(created.map(|aim| Write::Create(aim.place)));
    writes.extend(aims.iter().map(|aim| match &aim.picture {
        Some(picture) => Write::Keep(aim.place, picture.clone()),
        None => Write::Store(aim.place),
    }));
    writes.extend(aims.iter().filter_map(|aim| {
        let empty = Column::Empty;
        let column = chain.record(aim.place).map_or(&empty, |record| &record.column);
        let picture = aim.picture.as_ref().unwrap_or(&stored);
        column_to_set(aim.place, column, picture).map(|_| Write::SetColumn(aim.place))
    }));
    for aim in aims {
        let superseded = aim.superseded.iter().cloned();
        writes.extend(superseded.map(|row| Write::Delete(aim.place, row)));
    }
    writes
}

/// The writes that removing somebody's avatar takes, in their order; for telling, not for doing.
pub(in crate::engine) fn removals(chain: &AvatarChain, places: &[Place]) -> Vec<Write> {
    let records = || places.iter().filter_map(|place| chain.record(*place));
    let cleared = records().filter(|record| matches!(record.column, Column::Names(_)));
    let mut writes: Vec<Write> = cleared.map(|record| Write::ClearColumn(record.place)).collect();
    for record in records() {
        let rows = avatars_of(chain, record).cloned();
        writes.extend(rows.map(|row| Write::Delete(record.place, row)));
    }
    writes
}

/// The place whose picture is displayed and goes on being displayed whatever is written, because the write mode does
/// not write there.
pub(super) fn overshadowing(chain: &AvatarChain, aims: &[PlaceAim]) -> Option<Place> {
    let served = chain.served.as_ref()?;
    let is_written = aims.iter().any(|aim| aim.place == served.place);
    let comes_first = aims
        .iter()
        .all(|aim| match (&aim.record, position(chain, &served.record)) {
            (Some(record), Some(served)) => position(chain, record).is_some_and(|ours| ours > served),
            _ => false,
        });
    (!is_written && comes_first).then_some(served.place)
}

fn position(chain: &AvatarChain, record: &RecordId) -> Option<usize> {
    chain.records.iter().position(|candidate| &candidate.id == record)
}
