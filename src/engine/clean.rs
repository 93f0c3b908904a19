//! What lies around in the target, as a plan of what can go.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::{StreamExt, TryStreamExt};
use tokio_util::sync::CancellationToken;

use super::scan::{ScanEvent, ScanObserver};
use super::{Depth, Engine, EngineError, in_words, is_access};
use crate::connector::{ConnectorError, Naming, Priority, Stray};
use crate::domain::comparison::Content;
use crate::domain::ids::{PictureId, RecordId, SourceId, TargetId};
use crate::domain::litter::{
    CleaningOptions, Fate, Litter, LitterKind, Looked, Tidying, are_strays_plausible, tidying, to_look_at,
};
use crate::domain::person::TargetPerson;
use crate::domain::photo::{AvatarChain, Place, Scan};
use crate::domain::run::{Outcome, PersonRef};
use crate::domain::tidying::{Left, Purpose, Subject, TIDY_SCHEMA, TidyPlan, TidyStep, Write};

/// How many pictures are looked at side by side; the gates decide how many requests that means.
const LOOKS_ABREAST: usize = 8;

/// The people whose chains have to be kept until it is known whether they are littered; few of many.
#[derive(Default)]
struct Suspects {
    /// Everybody who was considered.
    people: u64,
    /// Rows of image fields that belong to somebody.
    image_rows: u64,
    chains: Vec<(PersonRef, TargetId, AvatarChain)>,
}

impl Suspects {
    fn consider(
        &mut self,
        target: TargetId,
        chain: AvatarChain,
        options: CleaningOptions,
        person: impl FnOnce() -> PersonRef,
    ) {
        self.people += 1;
        let rows = chain
            .records
            .iter()
            .map(|record| record.image_rows().count() as u64);
        self.image_rows += rows.sum::<u64>();
        let is_suspect = !to_look_at(&target, &chain).is_empty()
            || tidying(&target, &chain, &Looked::new(), options).is_some();
        if is_suspect {
            self.chains.push((person(), target, chain));
        }
    }
}

/// Somebody whose chain shows litter.
struct Littered {
    person: PersonRef,
    chain: AvatarChain,
    tidying: Tidying,
}

impl Engine {
    /// What can be cleared away without anybody seeing another picture: of the people named, or of everybody in the
    /// target's scope and of records that are gone. Nothing is written.
    ///
    /// # Errors
    ///
    /// If the target cannot be listed, a PERSON is not found, or on `cancel`. What cannot be told of one person is left
    /// alone and said in the plan.
    pub async fn cleaning_plan(
        &self,
        people: &[String],
        options: CleaningOptions,
        progress: &dyn ScanObserver,
        cancel: &CancellationToken,
    ) -> Result<TidyPlan, EngineError> {
        cancel
            .run_until_cancelled(self.look_for_litter(people, options, progress))
            .await
            .ok_or(EngineError::Cancelled)?
    }

    async fn look_for_litter(
        &self,
        people: &[String],
        options: CleaningOptions,
        progress: &dyn ScanObserver,
    ) -> Result<TidyPlan, EngineError> {
        let mut plan = TidyPlan {
            schema: TIDY_SCHEMA.into(),
            profile: self.settings.profile.clone(),
            made_at: self.now(),
            purpose: Purpose::Clean,
            people: 0,
            steps: Vec::new(),
            left: Vec::new(),
            problems: Vec::new(),
        };
        let (suspects, strays) = if people.is_empty() {
            let suspects = self.suspects_among_everybody(options, progress).await?;
            (suspects, self.strays(&mut plan).await?)
        } else {
            let suspects = self.suspects_among(people, options, &mut plan).await?;
            (suspects, Vec::new())
        };
        plan.people = suspects.people;
        let looked = self.look_at_odd_ones(&suspects.chains, progress).await?;
        let mut littered = Vec::new();
        for (person, target, chain) in suspects.chains {
            if let Some(tidying) = tidying(&target, &chain, &looked, options) {
                littered.push(Littered {
                    person,
                    chain,
                    tidying,
                });
            }
        }
        self.add_people(&mut plan, littered).await?;
        self.add_strays(&mut plan, strays, suspects.image_rows).await?;
        Ok(plan)
    }

    async fn suspects_among_everybody(
        &self,
        options: CleaningOptions,
        progress: &dyn ScanObserver,
    ) -> Result<Suspects, EngineError> {
        let mut people: Vec<TargetPerson> = Vec::new();
        let mut pages = self.target.people();
        while let Some(page) = pages.try_next().await? {
            people.extend(page.iter().cloned());
            progress.on(ScanEvent::TargetPage {
                people: &page,
                listed: people.len() as u64,
            });
        }
        drop(pages);
        let columns = people
            .iter()
            .map(|person| (person.id.clone(), person.column.clone()));
        let swept = self.target.sweep_chains(Box::new(columns)).await?;
        progress.on(ScanEvent::Chains {
            people: people.len() as u64,
        });
        let mut suspects = Suspects::default();
        for person in &people {
            if let Some(chain) = swept.chain(person) {
                suspects.consider(person.id.clone(), chain, options, || PersonRef::of_target(person));
            }
        }
        Ok(suspects)
    }

    async fn suspects_among(
        &self,
        people: &[String],
        options: CleaningOptions,
        plan: &mut TidyPlan,
    ) -> Result<Suspects, EngineError> {
        let scan = self.scan_people(people, Depth::Stamps).await?;
        let mut suspects = Suspects::default();
        for state in scan.people {
            let person = state.reference();
            match (person.target.clone(), state.chain) {
                (Some(target), Some(chain)) => suspects.consider(target, chain, options, || person),
                _ => plan.left.push(Left {
                    person,
                    outcome: Outcome::Skipped,
                    litter: Vec::new(),
                    reason: state.judgement.reason,
                }),
            }
        }
        Ok(suspects)
    }

    /// Downloads the pictures whose bytes decide something. What cannot be had stays unknown.
    async fn look_at_odd_ones(
        &self,
        chains: &[(PersonRef, TargetId, AvatarChain)],
        progress: &dyn ScanObserver,
    ) -> Result<Looked, EngineError> {
        let wanted: Vec<PictureId> = chains
            .iter()
            .flat_map(|(_, target, chain)| to_look_at(target, chain))
            .collect();
        let total = wanted.len() as u64;
        let mut looks = futures::stream::iter(wanted)
            .map(|id| async move {
                let content = self.content_of(&id).await;
                (id, content)
            })
            .buffer_unordered(LOOKS_ABREAST);
        let mut looked = Looked::new();
        let mut done = 0;
        while let Some((id, content)) = looks.next().await {
            done += 1;
            progress.on(ScanEvent::Settling { done, total });
            match content {
                Ok(Some(content)) => _ = looked.insert(id, content),
                Ok(None) => {}
                Err(error) if error.kind.stops_run() || is_access(&error.kind) => return Err(error.into()),
                Err(error) => tracing::info!(picture = %id, error = %in_words(&error), "not looked at"),
            }
        }
        Ok(looked)
    }

    async fn content_of(&self, picture: &PictureId) -> Result<Option<Content>, ConnectorError> {
        let Some(bytes) = self.target.download(picture, Priority::Background).await? else {
            return Ok(None);
        };
        Ok(self.decoding.examine(bytes).await.ok())
    }

    /// Turns what was found into steps. A picture that the column of somebody else names is not touched
    /// (`reliability.md` G7).
    async fn add_people(&self, plan: &mut TidyPlan, littered: Vec<Littered>) -> Result<(), EngineError> {
        let doomed: Vec<PictureId> = littered
            .iter()
            .flat_map(|littered| doomed_by(&littered.tidying.writes))
            .collect();
        let naming = match self.target.named(&doomed).await {
            Ok(naming) => Some(by_picture(naming)),
            Err(error) if error.kind.stops_run() => return Err(error.into()),
            Err(error) => {
                plan.problems.push(format!(
                    "it cannot be told whether columns of others name a picture, so no picture is removed: {}",
                    in_words(&error)
                ));
                None
            }
        };
        for Littered {
            person,
            chain,
            tidying,
        } in littered
        {
            let own: HashSet<&RecordId> = chain.records.iter().map(|record| &record.id).collect();
            let doomed: Vec<PictureId> = doomed_by(&tidying.writes).collect();
            let why_left = match &naming {
                _ if tidying.left.is_some() => tidying.left.clone(),
                None if !doomed.is_empty() => Some("see the problem above".to_owned()),
                Some(naming)
                    if doomed.iter().any(|id| {
                        naming
                            .get(id)
                            .is_some_and(|records| records.iter().any(|record| !own.contains(record)))
                    }) =>
                {
                    Some("the column of another record names one of the pictures".to_owned())
                }
                _ => None,
            };
            match why_left {
                Some(reason) => plan.left.push(Left {
                    person,
                    outcome: Outcome::Skipped,
                    litter: all_left(tidying.litter),
                    reason,
                }),
                None => plan.steps.push(TidyStep {
                    person,
                    subject: Subject::Person,
                    expected: chain.stamp(),
                    shows: tidying.shows,
                    reason: reason_of(&tidying.litter),
                    litter: tidying.litter,
                    writes: tidying.writes,
                }),
            }
        }
        Ok(())
    }

    /// Everything whose record is gone, each record once.
    async fn strays(&self, plan: &mut TidyPlan) -> Result<Vec<Stray>, EngineError> {
        let mut strays: BTreeMap<(bool, Place, RecordId), Stray> = BTreeMap::new();
        let mut pages = self.target.strays();
        loop {
            match pages.try_next().await {
                Ok(Some(page)) => {
                    for stray in page {
                        let key = (stray.is_odd, stray.place, stray.record.clone());
                        match strays.get_mut(&key) {
                            Some(known) => known.pictures.extend(stray.pictures),
                            None => _ = strays.insert(key, stray),
                        }
                    }
                }
                Ok(None) => return Ok(strays.into_values().collect()),
                Err(error) if error.kind.stops_run() => return Err(error.into()),
                Err(error) => {
                    plan.problems.push(format!(
                        "pictures whose record is gone cannot be listed, so none is removed: {}",
                        in_words(&error)
                    ));
                    return Ok(Vec::new());
                }
            }
        }
    }

    async fn add_strays(
        &self,
        plan: &mut TidyPlan,
        strays: Vec<Stray>,
        others: u64,
    ) -> Result<(), EngineError> {
        let pictures: Vec<PictureId> = strays
            .iter()
            .flat_map(|stray| stray.pictures.iter().map(|row| row.id.clone()))
            .collect();
        if pictures.is_empty() {
            return Ok(());
        }
        let count = strays
            .iter()
            .filter(|stray| stray.place != Place::THUMBNAIL && !stray.is_odd)
            .map(|stray| stray.pictures.len() as u64)
            .sum();
        let is_plausible = are_strays_plausible(count, others);
        if !is_plausible {
            plan.problems.push(format!(
                "{count} pictures seem to have no record, more than have one; this account probably does not see all \
                 records, so none of them is removed"
            ));
        }
        let naming = match self.target.named(&pictures).await {
            Ok(naming) => Some(by_picture(naming)),
            Err(error) if error.kind.stops_run() => return Err(error.into()),
            Err(_) => None,
        };
        for stray in strays {
            let is_named = stray
                .pictures
                .iter()
                .any(|row| naming.as_ref().is_none_or(|naming| naming.contains_key(&row.id)));
            let is_quarantined = stray.pictures.iter().any(|row| row.scan == Scan::Quarantined);
            let why_left = if stray.is_odd {
                Some("no version of the platform stores pictures under this name; look at it by hand")
            } else if !is_plausible {
                Some("too many pictures seem to have no record")
            } else if is_named {
                Some("a column may name it")
            } else if is_quarantined {
                Some("it is quarantined by the virus scan, so no copy can be kept")
            } else {
                None
            };
            let person = nobody(&stray);
            let litter = litter_of(&stray, why_left);
            if let Some(reason) = why_left {
                plan.left.push(Left {
                    person,
                    outcome: Outcome::Skipped,
                    litter,
                    reason: reason.to_owned(),
                });
                continue;
            }
            let removals = stray.pictures.iter().map(|row| Write::Remove {
                place: stray.place,
                record: stray.record.clone(),
                picture: row.id.clone(),
                bytes: row.bytes,
            });
            plan.steps.push(TidyStep {
                person,
                subject: Subject::Stray {
                    place: stray.place,
                    record: stray.record.clone(),
                },
                expected: stray.chain().stamp(),
                shows: None,
                reason: reason_of(&litter),
                litter,
                writes: removals.collect(),
            });
        }
        Ok(())
    }
}

/// How reports name a record that is gone.
fn nobody(stray: &Stray) -> PersonRef {
    PersonRef {
        name: "(record is gone)".into(),
        upn: format!("{} {}", stray.place, stray.record).into(),
        mail: None,
        source: SourceId::not_asked(stray.record.as_str()),
        target: Some(TargetId::new(stray.record.as_str())),
        user_name: None,
    }
}

fn litter_of(stray: &Stray, why_left: Option<&str>) -> Vec<Litter> {
    let (kind, why) = if stray.is_odd {
        (
            LitterKind::DoublePrefix,
            "its table's name has the prefix of image fields twice",
        )
    } else if stray.place == Place::THUMBNAIL {
        (
            LitterKind::OrphanThumbnail,
            "the picture it was made from is gone",
        )
    } else {
        (LitterKind::OrphanImage, "the record it belongs to is gone")
    };
    stray
        .pictures
        .iter()
        .map(|row| Litter {
            kind,
            place: stray.place,
            record: stray.record.clone(),
            picture: Some(row.id.clone()),
            bytes: row.bytes,
            fate: if why_left.is_some() {
                Fate::Left
            } else {
                Fate::Removed
            },
            why: why.to_owned(),
        })
        .collect()
}

fn all_left(mut litter: Vec<Litter>) -> Vec<Litter> {
    for litter in &mut litter {
        litter.fate = Fate::Left;
    }
    litter
}

fn by_picture(naming: Vec<Naming>) -> HashMap<PictureId, Vec<RecordId>> {
    let mut by_picture: HashMap<PictureId, Vec<RecordId>> = HashMap::new();
    for naming in naming {
        by_picture.entry(naming.picture).or_default().push(naming.record);
    }
    by_picture
}

fn doomed_by(writes: &[Write]) -> impl Iterator<Item = PictureId> {
    writes.iter().filter_map(|write| match write {
        Write::Remove { picture, .. } => Some(picture.clone()),
        Write::Store { .. } | Write::SetColumn { .. } => None,
    })
}

/// "2 duplicate pictures, columns that name nothing": in the order of the kinds.
fn reason_of(litter: &[Litter]) -> String {
    let counted: Vec<String> = LitterKind::ALL
        .into_iter()
        .filter_map(|kind| {
            let count = litter
                .iter()
                .filter(|litter| litter.kind == kind && litter.fate != Fate::Left)
                .count();
            (count > 0).then(|| format!("{}: {count}", kind.words()))
        })
        .collect();
    counted.join(", ")
}
