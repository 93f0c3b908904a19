//! The hands of other administrators and of rules of the instance, and what is seen by whoever looks in.

use super::people::Row;
use super::state::Attachment;
use super::*;

/// The hands of other administrators and of rules of the instance.
impl World {
    /// The column of somebody's record names this picture from now on.
    pub(crate) fn point_column(&self, name: &str, place: Place, picture: Option<&PictureId>) {
        let owner = TargetId::new(format!("{name}-sys"));
        let mut state = self.0.lock();
        let record = state
            .records
            .iter_mut()
            .find(|record| record.owner == owner && record.place == place)
            .expect("a column needs its record");
        record.column = picture.cloned().map_or(Column::Empty, Column::Names);
    }

    /// Another administrator stores a picture and has its record's column name it.
    pub(crate) fn choose(&self, name: &str, place: Place, bytes: Bytes) -> PictureId {
        let chosen = self.store_at(name, place, bytes);
        self.point_column(name, place, Some(&chosen));
        chosen
    }

    /// Somebody opens a profile.
    pub(crate) fn create_profile(&self, name: &str) {
        let owner = TargetId::new(format!("{name}-sys"));
        self.0.lock().create_record(&owner, Place::LIVE_PROFILE);
    }

    /// The same, and of several profiles it is the one that counts.
    pub(crate) fn create_profile_before(&self, name: &str) {
        let owner = TargetId::new(format!("{name}-sys"));
        let mut state = self.0.lock();
        let id = state.create_record(&owner, Place::LIVE_PROFILE);
        let at = state.records.iter().position(|record| record.id == id);
        let record = state.records.remove(at.expect("just created"));
        state.records.insert(0, record);
    }

    /// Everything stored at a place, oldest first.
    pub(crate) fn rows(&self, name: &str, place: Place) -> Vec<StoredPicture> {
        let chain = self.chain(name);
        let records = chain.records.into_iter().filter(|record| record.place == place);
        records.flat_map(|record| record.pictures).collect()
    }

    /// Changes the newest row.
    pub(crate) fn alter_newest(&self, change: impl FnOnce(&mut StoredPicture)) {
        let mut state = self.0.lock();
        change(&mut state.attachments.last_mut().expect("something is stored").row);
    }

    /// Changes every row.
    pub(crate) fn alter_all(&self, mut change: impl FnMut(&mut StoredPicture)) {
        for attachment in &mut self.0.lock().attachments {
            change(&mut attachment.row);
        }
    }

    /// Deletes a row.
    pub(crate) fn delete_row(&self, picture: &PictureId) {
        self.0
            .lock()
            .attachments
            .retain(|attachment| &attachment.row.id != picture);
    }

    /// Everything that is stored at a place is deleted.
    pub(crate) fn clear(&self, name: &str, place: Place) {
        for row in self.rows(name, place) {
            self.delete_row(&row.id);
        }
    }

    /// Somebody's last record of this kind is deleted, with everything that is stored there.
    pub(crate) fn delete_last_record(&self, name: &str, place: Place) {
        let owner = TargetId::new(format!("{name}-sys"));
        let mut state = self.0.lock();
        let mut of_place = state.records.iter();
        let at = of_place.rposition(|record| record.owner == owner && record.place == place);
        let gone = state.records.remove(at.expect("a record of this kind")).id;
        state.attachments.retain(|attachment| attachment.record != gone);
    }

    /// Somebody's record is deleted, but the pictures stored there stay behind. Answers which record that was.
    pub(crate) fn bury(&self, name: &str, place: Place) -> RecordId {
        let owner = TargetId::new(format!("{name}-sys"));
        let mut state = self.0.lock();
        let mut records = state.records.iter();
        let at = records.position(|record| record.owner == owner && record.place == place);
        let gone = state.records.remove(at.expect("a record of this kind")).id;
        state.graves.push((place, gone.clone()));
        gone
    }

    /// Something is stored at a record that is gone.
    pub(crate) fn store_at_grave(&self, record: &RecordId, bytes: Bytes) {
        self.0.lock().store(record.clone(), Row::image(bytes));
    }

    /// The platform makes a thumbnail of the first picture at a place; it shows these bytes. It is stored at the picture
    /// as if that were a record (`servicenow.md` 1.2).
    pub(crate) fn make_thumbnail(&self, name: &str, place: Place, bytes: Bytes) -> PictureId {
        let of = self.rows(name, place).remove(0).id;
        self.0.lock().store(RecordId::new(of.as_str()), Row::image(bytes))
    }

    /// Everything that is stored for somebody, thumbnails too.
    pub(super) fn anatomy_of(&self, chain: AvatarChain) -> Anatomy {
        let displayed = chain.served.as_ref().map(|served| served.picture.clone());
        let state = self.0.lock();
        let of_chain = state.attachments.iter().filter_map(|attachment| {
            let of = PictureId::new(attachment.record.as_str());
            chain.picture(&of)?;
            let row = attachment.row.clone();
            Some(Thumbnail {
                id: row.id,
                of,
                file_name: row.file_name,
                bytes: row.bytes,
                sha256: row.sha256,
                created_at: row.created_at,
                created_by: row.created_by,
            })
        });
        let thumbnails = of_chain.collect();
        Anatomy {
            thumbnails,
            ..Anatomy::of_chain(chain, Some(displayed))
        }
    }

    /// The column of somebody's last profile names this picture from now on.
    pub(crate) fn point_last_profile(&self, name: &str, picture: &PictureId) {
        let owner = TargetId::new(format!("{name}-sys"));
        let mut state = self.0.lock();
        let mut profiles = state.records.iter_mut().rev();
        let last = profiles.find(|record| record.owner == owner && record.place == Place::LIVE_PROFILE);
        last.expect("a profile").column = Column::Names(picture.clone());
    }

    /// Somebody stores a picture in the last profile of a person.
    pub(crate) fn store_in_last_profile(&self, name: &str, bytes: Bytes) -> PictureId {
        let owner = TargetId::new(format!("{name}-sys"));
        let mut state = self.0.lock();
        let mut profiles = state.records.iter().rev();
        let last = profiles.find(|record| record.owner == owner && record.place == Place::LIVE_PROFILE);
        let record = last.expect("a profile").id.clone();
        state.store(record, Row::image(bytes))
    }

    /// Somebody is deleted in the target.
    pub(crate) fn leaves_target(&self, name: &str) {
        let id = TargetId::new(format!("{name}-sys"));
        self.0.lock().targets.retain(|target| target.id != id);
    }

    /// How many rows hold these bytes, wherever they are.
    pub(crate) fn copies_of(&self, bytes: &Bytes) -> usize {
        let state = self.0.lock();
        let attachments = state.attachments.iter();
        attachments.filter(|stored| stored.bytes == *bytes).count()
    }

    /// Every row there is, on one line.
    pub(super) fn inventory(&self) -> String {
        let state = self.0.lock();
        let row = |attachment: &Attachment| {
            let hash = Sha256::of(&attachment.bytes).to_string();
            format!("{}={}@{}", attachment.row.id, &hash[..4], attachment.record)
        };
        let rows: Vec<String> = state.attachments.iter().map(row).collect();
        rows.join(" ")
    }

    /// How somebody's records are, on one line, for whoever looks into a failure.
    pub(crate) fn portrait(&self, name: &str, label: impl Fn(&Bytes) -> String) -> String {
        let chain = self.chain(name);
        let served = chain.served.as_ref().map(|served| &served.picture);
        let row = |row: &StoredPicture| {
            let state = self.0.lock();
            let mut attachments = state.attachments.iter();
            let found = attachments.find(|attachment| attachment.row.id == row.id);
            let label = found.map_or_else(String::new, |found| label(&found.bytes));
            let shown = if served == Some(&row.id) { "*" } else { "" };
            format!("{label}({}){shown}", row.id)
        };
        let record = |record: &AvatarRecord| {
            let rows: Vec<String> = record.pictures.iter().map(row).collect();
            let column = match &record.column {
                Column::Names(id) => format!(" names {id}"),
                Column::Empty | Column::Unreadable => String::new(),
            };
            format!("{}[{}{column}]", record.id, rows.join(" "))
        };
        let records: Vec<String> = chain.records.iter().map(record).collect();
        records.join(" ")
    }

    pub(super) fn row_with(&self, record: &RecordId, bytes: &Bytes) -> Option<StoredPicture> {
        let state = self.0.lock();
        let mut found = state.attachments.iter();
        found
            .find(|attachment| attachment.record == *record && attachment.bytes == *bytes)
            .map(|attachment| attachment.row.clone())
    }

    pub(super) fn row(&self, picture: &PictureId) -> Option<StoredPicture> {
        let state = self.0.lock();
        let found = state
            .attachments
            .iter()
            .find(|attachment| &attachment.row.id == picture);
        found.map(|attachment| attachment.row.clone())
    }
}
