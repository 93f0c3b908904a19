//! What a fresh look at the target means for a push that has stored its pictures. Pure.

use crate::domain::ids::PictureId;
use crate::domain::photo::{AvatarChain, AvatarRecord, Column, PictureForm, Scan, StoredPicture};

use super::aim::{hash_of, is_named};
use super::{PlaceWork, Work};

/// What to do after a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Go on.
    Ready,
    /// The virus scan is not through.
    Wait,
    /// Ours did not pass it.
    Quarantined,
    /// Somebody else wrote; what, in words.
    Foreign(String),
    /// Ours is gone again, from this place.
    Lost(String),
}

/// Looks, and settles which row counts at each place: ours, or one with the same bytes that somebody stored at the
/// same moment (another administrator's run, a rule that copies). All who look at the same rows choose the same one.
pub(super) fn look(work: &mut Work, chain: &AvatarChain) -> Look {
    let mut is_waiting = false;
    for position in 0..work.places.len() {
        let place = work.places[position].place;
        let record = work.places[position]
            .record
            .as_ref()
            .and_then(|id| chain.records.iter().find(|record| &record.id == id));
        let Some(record) = record else {
            return Look::Lost(place.to_string());
        };
        let Some(row) = chosen(work, position, record) else {
            return Look::Lost(place.to_string());
        };
        match row.scan {
            Scan::Pending => is_waiting = true,
            Scan::Quarantined => return Look::Quarantined,
            Scan::Available | Scan::NotScanned => {}
        }
        work.places[position].picture = Some(row.id.clone());
    }
    if let Some(foreign) = foreign_change(work, chain) {
        return Look::Foreign(foreign);
    }
    if is_waiting { Look::Wait } else { Look::Ready }
}

fn chosen<'a>(work: &Work, position: usize, record: &'a AvatarRecord) -> Option<&'a StoredPicture> {
    let place = &work.places[position];
    let is_superseded = |id: &PictureId| place.superseded.iter().any(|row| &row.id == id);
    let is_candidate = |row: &&StoredPicture| {
        Some(&row.id) == place.picture.as_ref()
            || (!is_superseded(&row.id)
                && row.form == PictureForm::ImageField
                && work.photo.wanted.is(row, &work.learned))
    };
    let candidates: Vec<&StoredPicture> = record.pictures.iter().filter(is_candidate).collect();
    let named = candidates
        .iter()
        .find(|row| matches!(&record.column, Column::Names(named) if named == &row.id));
    named
        .or_else(|| {
            candidates
                .iter()
                .min_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)))
        })
        .copied()
}

/// What somebody else put there since the push began, if it is another picture.
fn foreign_change(work: &Work, chain: &AvatarChain) -> Option<String> {
    for record in &chain.records {
        for row in &record.pictures {
            let is_avatar = row.form == PictureForm::ImageField || is_named(chain, &row.id);
            if is_avatar && !is_known(work, row) {
                return Some(format!(
                    "another picture was stored at {} meanwhile",
                    record.place
                ));
            }
        }
        let before = work
            .before
            .records
            .iter()
            .find(|known| known.id == record.id)
            .map(|known| &known.column);
        if let Column::Names(named) = &record.column
            && before != Some(&record.column)
            && !is_ours(work, named)
            && chain
                .picture(named)
                .is_none_or(|row| !work.photo.wanted.is(row, &work.learned))
        {
            return Some(format!("the photo column of {} was set meanwhile", record.place));
        }
    }
    None
}

fn is_known(work: &Work, row: &StoredPicture) -> bool {
    work.before.picture(&row.id).is_some()
        || is_ours(work, &row.id)
        || work.photo.wanted.is(row, &work.learned)
}

/// True for a row that this push stored or chose to keep.
pub(super) fn is_ours(work: &Work, id: &PictureId) -> bool {
    work.places
        .iter()
        .any(|place| place.picture.as_ref() == Some(id) || place.uploaded.contains(id))
}

/// Where the displayed picture comes from, seen from a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// It is the wanted one.
    Wanted,
    /// At this place an older row is found before ours, as platforms do that look for the oldest one.
    Older {
        /// Position of the place among those written.
        position: usize,
        /// True if another written record holds a picture that was there before: should ours, against expectation,
        /// not be found once the older row is gone, that one is displayed and nobody is without a picture.
        has_net: bool,
    },
    /// Something else that was there before, or nothing.
    Other,
    /// A picture that was not there when the target was last read.
    Unknown,
}

/// Tells where the displayed picture comes from.
pub(super) fn shown(work: &Work, chain: &AvatarChain, displayed: Option<&PictureId>) -> Shown {
    let Some(id) = displayed else {
        return Shown::Other;
    };
    if work.places.iter().any(|place| place.picture.as_ref() == Some(id)) {
        return Shown::Wanted;
    }
    let Some(row) = chain.picture(id) else {
        return Shown::Unknown;
    };
    if work.photo.wanted.is(row, &work.learned) {
        return Shown::Wanted;
    }
    let older_at = work.places.iter().position(|place| {
        let is_bare = place
            .record
            .as_ref()
            .and_then(|id| chain.records.iter().find(|record| &record.id == id))
            .is_some_and(|record| record.column == Column::Empty);
        is_bare
            && row.form == PictureForm::ImageField
            && place.superseded.iter().any(|superseded| &superseded.id == id)
    });
    match older_at {
        Some(position) => Shown::Older {
            position,
            has_net: work.places.iter().enumerate().any(|(other, place)| {
                other != position
                    && place.superseded.iter().any(|row| {
                        row.form == PictureForm::ImageField
                            && row.can_be_served()
                            && chain.picture(&row.id).is_some()
                    })
            }),
        },
        None => Shown::Other,
    }
}

/// How things stand some time after the last write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// As they should.
    Good,
    /// Something has undone part of it; what, in words.
    Undone(String),
    /// The wanted picture lies at a record more than once, and is displayed; where, in words. Another program has stored it
    /// at the same moment, or a rule of the instance copies it.
    Twice(String),
    /// Another program has created the same record at the same moment, and that one counts: ours, at this position among
    /// the places written, is one too many.
    Doubled(usize),
    /// Somebody else has put another picture there; it stays.
    Foreign,
}

/// Judges how things stand. Rows that could not be deleted, or must not be, have been reported.
pub(super) fn settled(work: &Work, chain: &AvatarChain, displayed: Option<&PictureId>) -> Settled {
    let Some(shown) = displayed else {
        return Settled::Undone("no picture is displayed".into());
    };
    let row = chain.picture(shown);
    let is_wanted = is_ours(work, shown) || row.is_some_and(|row| work.photo.wanted.is(row, &work.learned));
    if !is_wanted {
        let hash = row.and_then(|row| hash_of(row, &work.learned));
        let was_there = work.before.picture(shown).is_some()
            || hash.is_some_and(|hash| {
                let mut rows = work.before.records.iter().flat_map(|record| &record.pictures);
                rows.any(|row| hash_of(row, &work.learned) == Some(hash))
            });
        return if was_there {
            Settled::Undone("the old picture is displayed again".into())
        } else {
            Settled::Foreign
        };
    }
    // Which of two records counts, the target tells by what it displays; both programs are told the same.
    let holder = chain
        .records
        .iter()
        .find(|record| record.picture(shown).is_some());
    let is_doubled = |place: &PlaceWork| {
        place.is_created
            && holder.is_some_and(|holder| {
                holder.place == place.place && Some(&holder.id) != place.record.as_ref()
            })
    };
    if let Some(position) = work.places.iter().position(is_doubled) {
        return Settled::Doubled(position);
    }
    let mut twice = None;
    for place in &work.places {
        let record = place
            .record
            .as_ref()
            .and_then(|id| chain.records.iter().find(|record| &record.id == id));
        let Some(record) = record else {
            return Settled::Undone(format!("the record of {} is gone", place.place));
        };
        if let Column::Names(named) = &record.column
            && chain.picture(named).is_none()
        {
            return Settled::Undone(format!("the photo column of {} names nothing", place.place));
        }
        let rows = record
            .image_rows()
            .filter(|row| !work.left.contains(&row.id) && !work.spared.contains(&row.id));
        let (good, odd): (Vec<_>, Vec<_>) = rows.partition(|row| {
            place.picture.as_ref() == Some(&row.id) || work.photo.wanted.is(row, &work.learned)
        });
        if odd.iter().any(|row| work.before.picture(&row.id).is_none()) {
            return Settled::Foreign;
        }
        let is_plain = place
            .picture
            .as_ref()
            .and_then(|id| record.picture(id))
            .is_some_and(|row| row.form == PictureForm::Plain);
        match (good.len(), odd.len()) {
            (1, 0) => {}
            (0, 0) if is_plain => {}
            (0, _) => return Settled::Undone(format!("the picture at {} is gone", place.place)),
            (_, 0) => twice = Some(format!("{} holds the picture twice", place.place)),
            _ => return Settled::Undone(format!("{} holds another picture beside it", place.place)),
        }
    }
    twice.map_or(Settled::Good, Settled::Twice)
}
