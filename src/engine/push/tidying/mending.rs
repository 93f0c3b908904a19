//! What a tidying does when the target shows something else than was promised, and how one is taken back.

use super::copies::ToStore;
use super::{Tidying, told};
use crate::domain::photo::Column;
use crate::domain::run::Outcome;
use crate::domain::tidying::{Names, StoredForm};
use crate::engine::push::aim::{Wanted, hash_of, is_named};
use crate::engine::push::writes::{column_of, set_known_column, still_there};
use crate::engine::push::{Ended, Halt, Pushing, Turn, in_words};

impl Pushing {
    /// Gives rules of the instance time to act, then looks. If the promised picture is not displayed, its column is
    /// set; if that does not help, everything that was removed is stored again.
    pub(super) async fn look_again_and_mend(
        &self,
        tidying: &mut Tidying<'_>,
        turn: &mut Turn,
    ) -> Result<Ended, Halt> {
        self.rest(turn, self.pace.settling).await;
        for is_second_look in [false, true] {
            let target = tidying.work.target.clone();
            let (chain, displayed) =
                futures::future::join(self.chain(&target), self.displayed(&target)).await;
            let (mut chain, displayed) = (chain?, displayed?);
            let shows = tidying.step.shows;
            let is_as_promised = match (&displayed, shows) {
                (None, None) => true,
                (Some(id), Some(_)) => self.hash_of_shown(tidying, &chain, id).await? == shows,
                (None, Some(_)) | (Some(_), None) => false,
            };
            if is_as_promised {
                let mut ended = told(tidying);
                ended.after = Some(chain.stamp());
                return Ok(ended);
            }
            let is_left = displayed
                .as_ref()
                .is_some_and(|id| tidying.work.left.contains(id));
            if let Some(error) = tidying.work.why_left.as_ref().filter(|_| is_left) {
                return Ok(Ended {
                    hint: error.hint.clone(),
                    after: Some(chain.stamp()),
                    ..Ended::new(
                        Outcome::Failed,
                        format!(
                            "the picture that is displayed could not be removed: {}",
                            in_words(error)
                        ),
                    )
                });
            }
            let is_somebody_elses = displayed
                .as_ref()
                .is_some_and(|id| tidying.work.before.picture(id).is_none() && !tidying.is_ours(id));
            if is_somebody_elses {
                return Ok(Ended::new(
                    Outcome::ChangedMeanwhile,
                    "another picture was stored meanwhile; it stays",
                ));
            }
            let promised = chain.records.iter().find_map(|record| {
                let mut rows = record.image_rows();
                let row = rows.find(|row| shows.is_some() && hash_of(row, &tidying.learned) == shows)?;
                Some((record.place, record.id.clone(), row.id.clone()))
            });
            match promised {
                Some((place, record, row)) if !is_second_look => {
                    self.let_column_name(tidying, &mut chain, place, &record, &Names::Picture(row))
                        .await?;
                }
                _ => break,
            }
        }
        self.put_back(tidying).await?;
        Ok(Ended {
            hint: Some("look for a business rule that copies or deletes pictures".into()),
            ..Ended::new(
                Outcome::Failed,
                format!(
                    "{} displayed another picture afterwards; what was removed has been stored again",
                    self.target.name()
                ),
            )
        })
    }

    /// Stores again what was removed and lets the columns that named it do so again.
    async fn put_back(&self, tidying: &mut Tidying<'_>) -> Result<(), Halt> {
        let chain = self.chain(&tidying.work.target).await?;
        let mut again = Vec::new();
        for removed in std::mem::take(&mut tidying.removed) {
            let (place, record, row) = (removed.place, &removed.record, &removed.row);
            let to_store = ToStore {
                place,
                record,
                copy_of: &row.id,
                wanted: Wanted {
                    sha256: removed.sha256,
                    bytes: row.bytes,
                },
                form: &StoredForm::of(row),
            };
            let stored = self.store_copy(tidying, &chain, &to_store).await?;
            again.push((row.id.clone(), stored));
        }
        let mut chain = self.chain(&tidying.work.target).await?;
        for (place, record, before, after) in std::mem::take(&mut tidying.columns).into_iter().rev() {
            let Column::Names(old) = &before else { continue };
            let old = again
                .iter()
                .find(|(was, _)| was == old)
                .map_or(old, |(_, now)| now)
                .clone();
            if column_of(&chain, &record) == after && chain.picture(&old).is_some() {
                self.let_column_name(tidying, &mut chain, place, &record, &Names::Picture(old))
                    .await?;
            }
        }
        Ok(())
    }

    /// Undoes what was begun while nothing has been removed: columns first, then copies.
    pub(super) async fn take_tidying_back(&self, tidying: &mut Tidying<'_>) -> Result<(), Halt> {
        let has_begun = !tidying.columns.is_empty() || tidying.copies.iter().any(|copy| copy.is_ours);
        if !has_begun {
            return Ok(());
        }
        let mut chain = self.chain(&tidying.work.target).await?;
        for (place, record, before, after) in std::mem::take(&mut tidying.columns).into_iter().rev() {
            if column_of(&chain, &record) != after {
                continue;
            }
            let old = still_there(&chain, &before);
            let hash = old.and_then(|old| hash_of(old, &tidying.learned));
            let old = old.map(|old| old.id.clone());
            let held = self
                .write_column(&mut tidying.work, place, &record, &after, old.as_ref(), hash)
                .await?;
            set_known_column(&mut chain, &record, held);
        }
        for copy in std::mem::take(&mut tidying.copies) {
            if copy.is_ours && chain.picture(&copy.row).is_some() && !is_named(&chain, &copy.row) {
                self.remove(&mut tidying.work, copy.place, &copy.record, &copy.row, None)
                    .await?;
            }
        }
        // A copy of which no answer came is looked for when the program starts again.
        Ok(())
    }
}
