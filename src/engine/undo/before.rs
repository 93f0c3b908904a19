//! How somebody's records were before a step, worked out backwards from how they are now and what the journal tells was
//! written. If that does not lead to the very state that the step was decided on, somebody else has had a hand in it.

use std::collections::HashSet;

use super::super::push::stored_by;
use super::{columns_before, is_but_for_empty_records};
use crate::domain::ids::{PictureId, RecordId};
use crate::domain::photo::{AvatarChain, AvatarRecord, Column, StoredPicture};
use crate::domain::tidying::chain_after;
use crate::store::journal::{Deeds, WriteKind, WriteRecord};

/// The state that a step found, with what was displayed then; `None` if what is there now is not all of the step's own
/// making. Pure.
pub(super) fn as_it_was(deeds: &Deeds, chain: &AvatarChain) -> Option<AvatarChain> {
    let found = &deeds.writes.first()?.intent.expected;
    if !is_as_left(deeds, chain) {
        return None;
    }
    let mut before = chain.clone();
    before.findings.clear();
    let stored = stored_by(&deeds.writes, &deeds.kept, chain);
    for record in &mut before.records {
        record.pictures.retain(|row| !stored.contains(&row.id));
    }
    let removed = removed(deeds);
    for kept in &deeds.kept {
        if removed.contains(&kept.stored.id) && before.picture(&kept.stored.id).is_none() {
            put_back(record_of(&mut before, &kept.record)?, kept.stored.clone());
        }
    }
    for (_, id, column) in columns_before(deeds, WriteRecord::may_be_done) {
        record_of(&mut before, &id)?.column = column.map_or(Column::Empty, Column::Names);
    }
    is_but_for_empty_records(&before, found).then(|| chain_after(&before, &[]))
}

/// True if everything that the step stored and set is still so.
fn is_as_left(deeds: &Deeds, chain: &AvatarChain) -> bool {
    let removed = removed(deeds);
    let mut stored = deeds.writes.iter().filter_map(WriteRecord::uploaded);
    let set = columns_before(deeds, WriteRecord::may_be_done)
        .into_iter()
        .all(|(_, id, _)| {
            let last =
                done(deeds, WriteKind::SetColumn).rfind(|write| write.intent.record.as_ref() == Some(&id));
            let wanted = last.and_then(|write| write.intent.picture.clone());
            let record = chain.records.iter().find(|record| record.id == id);
            record.is_some_and(|record| record.column == wanted.map_or(Column::Empty, Column::Names))
        });
    set && stored.all(|picture| removed.contains(&picture) || chain.picture(&picture).is_some())
}

fn done(deeds: &Deeds, kind: WriteKind) -> impl DoubleEndedIterator<Item = &WriteRecord> {
    let writes = deeds.writes.iter();
    writes.filter(move |write| write.intent.kind == kind && write.may_be_done())
}

/// Everything that the step deleted, of others and of its own.
fn removed(deeds: &Deeds) -> HashSet<PictureId> {
    done(deeds, WriteKind::Remove)
        .filter_map(|write| write.intent.picture.clone())
        .collect()
}

fn record_of<'a>(chain: &'a mut AvatarChain, id: &RecordId) -> Option<&'a mut AvatarRecord> {
    chain.records.iter_mut().find(|record| &record.id == id)
}

/// Where it was: rows come in the order of their age (`servicenow.md` 9.3).
fn put_back(record: &mut AvatarRecord, row: StoredPicture) {
    let age = |row: &StoredPicture| (row.created_at.is_none(), row.created_at, row.id.clone());
    let position = record.pictures.iter().position(|known| age(known) > age(&row));
    let position = position.unwrap_or(record.pictures.len());
    record.pictures.insert(position, row);
}
