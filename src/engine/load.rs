//! What both sides hold for the people of a roster: stamps and chains side by side, then what is remembered.

use std::collections::HashMap;

use futures::StreamExt;

use super::roster::{Roster, Slot};
use super::scan::{Looking, ScanEvent};
use super::{Engine, EngineError, PersonState, Scan, Standing, in_words, is_access};
use crate::connector::Priority;
use crate::domain::comparison::{
    Content, Judgement, SourceContent, Unpaired, Verdict, judge, judge_unpaired,
};
use crate::domain::ids::{SourceId, TargetId};
use crate::domain::person::TargetPerson;
use crate::domain::photo::{AvatarChain, SourcePhoto};

/// How many stamps are told in one event.
const STAMPS_PER_EVENT: usize = 100;

impl Engine {
    /// Everything about the people of a roster, down to the depth asked for.
    pub(super) async fn look_at(
        &self,
        roster: Roster,
        complete: bool,
        looking: &Looking<'_>,
    ) -> Result<Scan, EngineError> {
        let loading = async {
            tokio::try_join!(
                self.load_stamps(roster.paired_ids(), looking),
                self.load_chains(&roster.targets, looking)
            )
        };
        let (photos, chains) = looking
            .cancel
            .run_until_cancelled(loading)
            .await
            .ok_or(EngineError::Cancelled)??;
        let complete = complete && chains.failure.is_none();
        let target_only = roster.target_only;
        let mut people = assemble(roster, photos, chains, self.target.name());

        looking
            .cancel
            .run_until_cancelled(self.recall(&mut people, looking))
            .await
            .ok_or(EngineError::Cancelled)?;
        self.settle(&mut people, looking).await?;

        let scanned_at = self.now();
        self.record_sightings(&people, scanned_at, looking).await;
        Ok(Scan {
            scanned_at,
            complete,
            problems: Vec::new(),
            people,
            target_only,
        })
    }

    /// The stamps of these people's photos, in their order.
    pub(super) async fn load_stamps(
        &self,
        people: Vec<SourceId>,
        looking: &Looking<'_>,
    ) -> Result<Vec<SourcePhoto>, EngineError> {
        let total = people.len();
        let positions: HashMap<SourceId, usize> = people
            .iter()
            .enumerate()
            .map(|(position, id)| (id.clone(), position))
            .collect();
        let mut photos = vec![SourcePhoto::Unknown; total];
        if total == 0 {
            return Ok(photos);
        }
        let mut stamps = self.source.stamps(people, looking.priority);
        let mut done = 0_usize;
        let mut failure = None;
        while let Some(answer) = stamps.next().await {
            match answer {
                Ok((person, photo)) => {
                    if let Some(&position) = positions.get(&person) {
                        photos[position] = photo;
                        done += 1;
                    }
                    if done.is_multiple_of(STAMPS_PER_EVENT) {
                        looking.progress.on(ScanEvent::Stamps {
                            done: done as u64,
                            total: total as u64,
                        });
                    }
                }
                Err(error) if error.kind.stops_run() || is_access(&error.kind) => return Err(error.into()),
                Err(error) => {
                    failure = Some(in_words(&error));
                    break;
                }
            }
        }
        looking.progress.on(ScanEvent::Stamps {
            done: done as u64,
            total: total as u64,
        });
        let mut unanswered = 0_u64;
        let why = failure.unwrap_or_else(|| format!("{} did not answer for this person", self.source.name()));
        for photo in &mut photos {
            if *photo == SourcePhoto::Unknown {
                *photo = SourcePhoto::Unreadable(why.clone());
                unanswered += 1;
            }
        }
        if unanswered > 0 {
            looking.problems.note(format!(
                "the photos of {unanswered} people could not be asked for: {why}"
            ));
        }
        Ok(photos)
    }

    /// The avatar chains of these people: swept for everybody, read one by one for a few.
    async fn load_chains(
        &self,
        people: &[TargetPerson],
        looking: &Looking<'_>,
    ) -> Result<Chains, EngineError> {
        if people.is_empty() {
            return Ok(Chains::default());
        }
        let answer = match looking.priority {
            Priority::Background => self.target.all_chains(people).await,
            Priority::Foreground => {
                let ids: Vec<TargetId> = people.iter().map(|person| person.id.clone()).collect();
                self.target.chains(&ids, looking.priority).await
            }
        };
        match answer {
            Ok(chains) => {
                looking.progress.on(ScanEvent::Chains {
                    people: chains.len() as u64,
                });
                Ok(Chains {
                    chains,
                    failure: None,
                })
            }
            Err(error) if error.kind.stops_run() || is_access(&error.kind) => Err(error.into()),
            Err(error) => {
                let why = in_words(&error);
                looking.problems.note(format!(
                    "the avatars in {} could not be read: {why}",
                    self.target.name()
                ));
                Ok(Chains {
                    chains: Vec::new(),
                    failure: Some(why),
                })
            }
        }
    }
}

/// The chains that were read, in the order of the people asked for; people who are gone are missing.
#[derive(Default)]
struct Chains {
    chains: Vec<(TargetId, AvatarChain)>,
    failure: Option<String>,
}

/// Puts everything known into one state per person, moving rather than copying.
fn assemble(roster: Roster, photos: Vec<SourcePhoto>, chains: Chains, target_name: &str) -> Vec<PersonState> {
    let why_no_chain = chains.failure.map_or_else(
        || format!("the person is gone from {target_name}"),
        |why| format!("the avatar in {target_name} could not be read: {why}"),
    );
    let mut chains: HashMap<TargetId, AvatarChain> = chains.chains.into_iter().collect();
    let mut paired = roster.targets.into_iter().zip(photos);
    let rules = roster.rules;
    roster
        .sources
        .into_iter()
        .zip(roster.slots)
        .map(|(source, slot)| {
            if let Slot::Paired(rule) = slot {
                let (target, photo) = paired.next().expect("every paired slot has its target");
                let chain = chains.remove(&target.id);
                let content = SourceContent::UNSEEN;
                let displayed = Content::Unseen;
                let judgement = if chain.is_some() {
                    judge(&photo, &content, chain.as_ref(), &displayed)
                } else {
                    Judgement {
                        verdict: Verdict::Error,
                        reason: why_no_chain.clone(),
                    }
                };
                return PersonState {
                    source,
                    standing: Standing::Paired { target, rule },
                    photo,
                    content,
                    chain,
                    displayed,
                    judgement,
                };
            }
            let (standing, why) = slot
                .into_unpaired(&rules)
                .expect("whoever is not paired has a reason");
            let judgement = match &why {
                Unpaired::Unmatched { .. } if roster.targets_cut_short => Judgement {
                    verdict: Verdict::Undecided,
                    reason: format!(
                        "not among those who were listed before the listing of {target_name} was cut short"
                    ),
                },
                why => judge_unpaired(why),
            };
            PersonState {
                source,
                standing,
                photo: SourcePhoto::Unknown,
                content: SourceContent::UNSEEN,
                chain: None,
                displayed: Content::Unseen,
                judgement,
            }
        })
        .collect()
}
