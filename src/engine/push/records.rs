//! S4: records that are missing, and those of which there turn out to be two.
//!
//! Two programs that create a record at the same moment both get one. The one that the target finds first counts; the
//! other program takes its own back, as long as nobody uses it.

use super::aim::is_named;
use super::removal::no_photo;
use super::settling::stored_by;
use super::writes::{Subject, parts};
use super::{ATTEMPTS, Ended, Halt, Pushing, Work, changed, failed, in_words, target_of};
use crate::connector::{ErrorKind, TargetLookup};
use crate::domain::ids::RecordId;
use crate::domain::person::TargetPerson;
use crate::domain::photo::{AvatarRecord, Column, Place};
use crate::domain::run::Outcome;
use crate::store::journal::{Unfinished, WriteKind, WriteRecord};

impl Pushing {
    /// S4.
    pub(super) async fn create_record(&self, work: &mut Work, position: usize) -> Result<(), Halt> {
        let place = work.places[position].place;
        let (owner, chain) = futures::future::join(self.owner(work), self.chain(&work.target)).await;
        let (owner, chain) = (owner?, chain?);
        // Minutes may have passed since S1, in a pause of the lane; another program may have been here.
        if chain.record(place).is_some() {
            return Err(changed(format!(
                "a {place} record was created meanwhile; it stays"
            )));
        }
        for _ in 0..ATTEMPTS {
            let subject = Subject {
                kind: WriteKind::CreateRecord,
                place,
                record: None,
                picture: None,
                old_picture: None,
                sha256: None,
                bytes: None,
            };
            let intent = self.announce(work, subject).await?;
            match self.target.create_record(&owner, place).await {
                Ok(record) => {
                    self.done(work, intent, Some(record.as_str())).await?;
                    self.make_sure_it_is_the_only_one(work, place, &record).await?;
                    work.places[position].record = Some(record);
                    work.places[position].is_created = true;
                    return Ok(());
                }
                Err(error) if error.kind == ErrorKind::OutcomeUnknown => {
                    let chain = self.chain(&work.target).await?;
                    if let Some(record) = chain.record(place) {
                        self.done(work, intent, Some(record.id.as_str())).await?;
                        work.places[position].record = Some(record.id.clone());
                        return Ok(());
                    }
                    self.not_done(work, intent, "there was no such record afterwards")
                        .await?;
                }
                Err(error) => return Err(self.refused(work, intent, error).await?),
            }
        }
        Err(Halt::Unanswered(format!(
            "no answer came to the request for a new {place} record, {ATTEMPTS} times"
        )))
    }

    /// Two programs that create a record at the same moment both get one. The one that the target finds first counts;
    /// the other program takes its own back, as long as it is empty.
    async fn make_sure_it_is_the_only_one(
        &self,
        work: &mut Work,
        place: Place,
        record: &RecordId,
    ) -> Result<(), Halt> {
        let chain = self.chain(&work.target).await?;
        match chain.record(place) {
            Some(first) if &first.id != record => {}
            _ => return Ok(()),
        }
        let is_empty = chain
            .records
            .iter()
            .find(|known| &known.id == record)
            .is_some_and(|known| known.pictures.is_empty() && known.column == Column::Empty);
        let mut detail = format!("a {place} record was created at the same moment; it stays");
        if is_empty && let Err(why) = self.withdraw(work, place, record).await? {
            detail = format!("{detail}; ours, {record}, is empty and could not be deleted: {why}");
        }
        Err(changed(detail))
    }

    /// Deletes an empty record that this push has created; if that does not work, says why in words.
    async fn withdraw(
        &self,
        work: &mut Work,
        place: Place,
        record: &RecordId,
    ) -> Result<Result<(), String>, Halt> {
        let subject = Subject {
            kind: WriteKind::Remove,
            place,
            record: Some(record),
            picture: None,
            old_picture: None,
            sha256: None,
            bytes: None,
        };
        let intent = self.announce(work, subject).await?;
        match self.target.withdraw_record(record, place).await {
            Ok(()) => {
                self.done(work, intent, None).await?;
                Ok(Ok(()))
            }
            Err(error) => {
                let why = in_words(&error);
                self.not_done(work, intent, &why).await?;
                Ok(Err(why))
            }
        }
    }

    /// The record that this push has created turned out to be one too many after pictures were stored there: they go,
    /// and it goes. The other one displays the picture.
    pub(super) async fn give_up_record(&self, work: &mut Work, position: usize, mut ended: Ended) -> Ended {
        match self.try_to_give_up(work, position).await {
            Ok(Ok(())) => {
                ended
                    .detail
                    .push_str("; a second record of the same moment was taken back");
                // Without it nobody can tell later whether somebody else has been there since.
                ended.after = self.chain(&work.target).await.ok().map(|chain| chain.stamp());
            }
            Ok(Err(why)) => {
                ended.detail = format!("{}; a second record is left: {why}", ended.detail);
            }
            Err(halt) => ended = ended.leaving("a second record is left", halt, work.open == 0),
        }
        ended
    }

    async fn try_to_give_up(&self, work: &mut Work, position: usize) -> Result<Result<(), String>, Halt> {
        let (place, record, _) = parts(work, position);
        let chain = self.chain(&work.target).await?;
        let Some(known) = chain.records.iter().find(|known| known.id == record) else {
            return Ok(Ok(()));
        };
        let ours = work.places[position].uploaded.clone();
        let is_ours_alone =
            known.column == Column::Empty && known.pictures.iter().all(|row| ours.contains(&row.id));
        if !is_ours_alone {
            return Ok(Err("somebody else has used it".into()));
        }
        for row in known.pictures.clone() {
            self.remove(work, place, &record, &row.id, row.sha256).await?;
        }
        self.withdraw(work, place, &record).await
    }

    /// After an interrupted push has been settled: the second record that it may have created goes; see
    /// [`Pushing::withdraw_doubled`].
    pub(in crate::engine) async fn without_doubled(&self, person: &Unfinished, mut ended: Ended) -> Ended {
        match self.withdraw_doubled(person).await {
            Ok(0) => {}
            Ok(_) => ended
                .detail
                .push_str("; a second record of the same moment was taken back"),
            // Who is gone has no second record.
            Err(Halt::Ended(Outcome::Skipped, _)) => {}
            Err(halt) => ended = ended.leaving("a second record is left", halt, false),
        }
        ended
    }

    /// Records that an interrupted push has created at the same moment as another program: the other one counts, and this
    /// one, which nobody has used since, is one too many. Answers how many were taken back.
    async fn withdraw_doubled(&self, person: &Unfinished) -> Result<usize, Halt> {
        let created: Vec<&WriteRecord> = person
            .writes
            .iter()
            .filter(|write| write.intent.kind == WriteKind::CreateRecord)
            .collect();
        if created.is_empty() {
            return Ok(0);
        }
        let target = target_of(&person.person)?;
        let chain = self.chain(&target).await?;
        let ours = stored_by(&person.writes, &person.kept, &chain);
        let displayed = chain.served.as_ref().map(|served| &served.picture);
        let is_one_too_many = |record: &AvatarRecord| {
            let is_made = created
                .iter()
                .any(|write| write.intent.place == record.place && write.has_made(&record.id));
            let is_second = chain
                .record(record.place)
                .is_some_and(|first| first.id != record.id);
            let is_unused = record.column == Column::Empty
                && record.pictures.iter().all(|row| {
                    ours.contains(&row.id) && displayed != Some(&row.id) && !is_named(&chain, &row.id)
                });
            is_made && is_second && is_unused
        };
        let mut work = Work::new(&person.person, person.change, target, chain.clone(), no_photo());
        let mut withdrawn = 0;
        for record in chain.records.iter().filter(|record| is_one_too_many(record)) {
            for row in &record.pictures {
                self.remove(&mut work, record.place, &record.id, &row.id, row.sha256)
                    .await?;
            }
            match self.withdraw(&mut work, record.place, &record.id).await? {
                Ok(()) => withdrawn += 1,
                Err(why) => {
                    return Err(failed(format!(
                        "a second {} record, {}, could not be deleted: {why}",
                        record.place, record.id
                    )));
                }
            }
        }
        Ok(withdrawn)
    }

    async fn owner(&self, work: &Work) -> Result<TargetPerson, Halt> {
        let wanted = [TargetLookup::Id(work.target.as_str().to_owned())];
        let found = self.target.lookup(&wanted).await?;
        found
            .into_iter()
            .find(|found| found.id == work.target)
            .ok_or_else(|| failed(format!("this person is gone from {}", self.target.name())))
    }
}
