//! What both services hold, and the rules by which they hold it.

use super::people::{Photo, Row};
use super::*;

pub(super) struct State {
    pub(super) now: Timestamp,
    pub(super) page: usize,
    pub(super) sources: Vec<(SourcePerson, Photo)>,
    pub(super) groups: HashMap<String, Vec<SourceId>>,
    pub(super) targets: Vec<TargetPerson>,
    pub(super) hidden: u64,
    pub(super) records: Vec<Record>,
    pub(super) attachments: Vec<Attachment>,
    /// Records that are gone and have left pictures behind.
    pub(super) graves: Vec<(Place, RecordId)>,
    pub(super) next_id: u64,
    pub(super) upload_limit: u64,
    pub(super) calls: HashMap<&'static str, u64>,
    pub(super) faults: Vec<Fault>,
    pub(super) in_flight: usize,
    pub(super) most_in_flight: usize,
}

pub(super) struct Record {
    pub(super) place: Place,
    pub(super) id: RecordId,
    pub(super) owner: TargetId,
    pub(super) column: Column,
}

pub(super) struct Attachment {
    pub(super) row: StoredPicture,
    pub(super) bytes: Bytes,
    pub(super) record: RecordId,
}

pub(super) struct Fault {
    pub(super) call: &'static str,
    /// Which call of this name fails, counted from 1; 0 is every call.
    pub(super) nth: u64,
    pub(super) kind: ErrorKind,
    /// The call has its effect, only the answer is lost.
    pub(super) after_effect: bool,
}

impl State {
    pub(super) fn called(&self, call: &str) -> u64 {
        self.calls.get(call).copied().unwrap_or_default()
    }

    pub(super) fn fault(&self, call: &'static str, after_effect: bool) -> Result<(), ConnectorError> {
        let number = self.called(call);
        match self.faults.iter().find(|fault| {
            fault.call == call
                && fault.after_effect == after_effect
                && (fault.nth == 0 || fault.nth == number)
        }) {
            Some(fault) => Err(ConnectorError {
                system: if call.starts_with("source") {
                    "Entra ID"
                } else {
                    "ServiceNow"
                },
                operation: format!("do {call}"),
                kind: fault.kind.clone(),
                hint: Some("see the manual".into()),
                source: None,
            }),
            None => Ok(()),
        }
    }

    pub(super) fn store(&mut self, record: RecordId, row: Row) -> PictureId {
        self.next_id += 1;
        let id = PictureId::new(format!("picture-{}", self.next_id));
        self.attachments.push(Attachment {
            row: StoredPicture {
                id: id.clone(),
                form: row.form,
                file_name: "photo".into(),
                sha256: row.stated_hash.then(|| Sha256::of(&row.bytes)),
                bytes: row.bytes.len() as u64,
                content_type: "image/jpeg".into(),
                scan: row.scan,
                // No two at the same moment: which of them is older would be anybody's guess.
                created_at: Some(self.now + SignedDuration::from_millis(self.next_id as i64)),
                created_by: Some("admin".into()),
            },
            bytes: row.bytes,
            record,
        });
        id
    }

    /// Profiles come before the person's own record, the oldest first.
    pub(super) fn create_record(&mut self, owner: &TargetId, place: Place) -> RecordId {
        self.next_id += 1;
        let id = RecordId::new(format!("{owner}-profile-{}", self.next_id));
        let own = self
            .records
            .iter()
            .position(|record| &record.owner == owner && record.place == Place::SYS_USER);
        self.records.insert(
            own.unwrap_or(0),
            Record {
                place,
                id: id.clone(),
                owner: owner.clone(),
                column: Column::Empty,
            },
        );
        id
    }

    pub(super) fn point(&mut self, record: &RecordId, place: Place, picture: Option<&PictureId>) {
        for found in &mut self.records {
            if &found.id == record && found.place == place {
                found.column = picture.cloned().map_or(Column::Empty, Column::Names);
            }
        }
    }

    /// `servicenow.md` 9.3: profiles first, in each record the column before the rows, the oldest row first.
    pub(super) fn chain(&self, person: &TargetId) -> AvatarChain {
        let records: Vec<AvatarRecord> = self
            .records
            .iter()
            .filter(|record| &record.owner == person)
            .map(|record| AvatarRecord {
                place: record.place,
                id: record.id.clone(),
                column: record.column.clone(),
                pictures: self
                    .attachments
                    .iter()
                    .filter(|attachment| attachment.record == record.id)
                    .map(|attachment| attachment.row.clone())
                    .collect(),
            })
            .collect();
        let served_of = |record: &AvatarRecord| {
            let named = match &record.column {
                Column::Names(id) => self.attachments.iter().find(|found| &found.row.id == id),
                Column::Unreadable | Column::Empty => None,
            };
            let picture = match named {
                Some(found) => found.row.id.clone(),
                None => record.image_rows().next()?.id.clone(),
            };
            Some(Served {
                place: record.place,
                record: record.id.clone(),
                picture,
            })
        };
        let mut chain = AvatarChain {
            served: records.iter().find_map(served_of),
            findings: Vec::new(),
            records,
        };
        chain.findings = findings(&chain);
        chain
    }

    /// What is stored at a record that is gone.
    pub(super) fn stray(&self, place: Place, record: &RecordId) -> Option<Stray> {
        let is_grave = self.graves.iter().any(|grave| *grave == (place, record.clone()));
        let at_it = self
            .attachments
            .iter()
            .filter(|attachment| is_grave && &attachment.record == record);
        let pictures: Vec<StoredPicture> = at_it.map(|attachment| attachment.row.clone()).collect();
        (!pictures.is_empty()).then(|| Stray {
            place,
            record: record.clone(),
            pictures,
            is_odd: false,
        })
    }

    pub(super) fn source_page(&self, page: usize) -> Vec<SourcePerson> {
        let people = self.sources.iter().map(|(person, _)| person.clone());
        people.skip(page * self.page).take(self.page).collect()
    }

    pub(super) fn target_page(&self, page: usize) -> Vec<TargetPerson> {
        let people = self.targets.iter().filter(|target| is_in_scope(target)).cloned();
        people.skip(page * self.page).take(self.page).collect()
    }
}

pub(super) fn is_in_scope(person: &TargetPerson) -> bool {
    person.active != Some(false)
}

pub(super) fn findings(chain: &AvatarChain) -> Vec<Finding> {
    let all = || chain.records.iter().flat_map(|record| &record.pictures);
    let profiles = chain
        .records
        .iter()
        .filter(|record| record.place == Place::LIVE_PROFILE)
        .count();
    let first_hash = |place| {
        chain
            .record(place)
            .and_then(|record| record.image_rows().next())
            .map(|row| row.sha256)
    };
    let split = match (first_hash(Place::LIVE_PROFILE), first_hash(Place::SYS_USER)) {
        (Some(profile), Some(user)) => profile != user,
        _ => false,
    };
    let dangling = chain
        .records
        .iter()
        .any(|record| matches!(&record.column, Column::Names(id) if chain.picture(id).is_none()));
    let duplicate = chain.records.iter().any(|record| record.image_rows().count() > 1);
    [
        (Finding::DanglingColumn, dangling),
        (Finding::DuplicateImage, duplicate),
        (Finding::DuplicateProfile, profiles > 1),
        (Finding::NoProfile, profiles == 0),
        (Finding::Split, split),
        (
            Finding::Unprefixed,
            all().any(|row| row.form == PictureForm::Plain),
        ),
        (
            Finding::Quarantined,
            all().any(|row| row.scan == Scan::Quarantined),
        ),
        (Finding::NoHash, all().any(|row| row.sha256.is_none())),
    ]
    .into_iter()
    .filter_map(|(finding, holds)| holds.then_some(finding))
    .collect()
}
