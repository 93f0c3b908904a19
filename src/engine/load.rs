//! What both sides hold for the people of a roster: stamps and chains side by side, then what is remembered.
//!
//! Stamps come for one portion after the other without a gap. A portion that has its stamps is judged while those of
//! the next ones are under way, and handed on.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::StreamExt;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::memory::Recalling;
use super::packed::{Records, read_photo, write_photo};
use super::roster::Roster;
use super::scan::{Looking, ScanEvent, in_background};
use super::settle::{Open, needs_bytes};
use super::{Engine, EngineError, PersonState, ScanSink, Standing, in_words, is_access};
use crate::connector::{Priority, SweptChains};
use crate::domain::comparison::{
    Content, Judgement, SourceContent, Unpaired, Verdict, judge, judge_unpaired,
};
use crate::domain::ids::{SourceId, TargetId};
use crate::domain::packing::{Pool, Reader};
use crate::domain::person::TargetPerson;
use crate::domain::photo::{AvatarChain, SourcePhoto};
use crate::domain::picture::PictureProblem;

/// How many stamps are told in one event.
const STAMPS_PER_EVENT: usize = 100;

/// What a look at a roster says beside its people.
pub(super) struct Seen {
    pub scanned_at: Timestamp,
    pub complete: bool,
    pub target_only: u64,
}

impl Engine {
    /// Everything about the people of a roster, down to the depth asked for.
    pub(super) async fn look_at<S: ScanSink>(
        &self,
        roster: Roster,
        complete: bool,
        looking: &Looking<'_>,
        sink: S,
    ) -> Result<(Seen, S), EngineError> {
        let roster = Arc::new(roster);
        let handing = Handing::new(sink, self.store.standing().absent().await);
        let (with_stamps, portions) = mpsc::unbounded_channel();
        let loading = Box::pin(async {
            tokio::try_join!(
                self.load_portions(&roster, looking, with_stamps),
                self.judge_portions(&roster, looking, portions, handing)
            )
        });
        let ((), judged) = looking
            .cancel
            .run_until_cancelled(loading)
            .await
            .ok_or(EngineError::Cancelled)??;
        let Judged {
            assembling,
            mut handing,
            open,
            mut recalling,
        } = judged;
        Box::pin(self.settle(open, &assembling, &mut recalling, &mut handing, looking)).await?;

        let scanned_at = self.now();
        let seen = Seen {
            scanned_at,
            complete: complete && assembling.chains.failure.is_none(),
            target_only: roster.target_only,
        };
        let Handing { sink, sightings } = handing;
        let is_evidence = looking.is_everybody && seen.complete;
        self.record_sightings(sightings, is_evidence, scanned_at, looking)
            .await;
        Ok((seen, sink))
    }

    /// The stamps of everybody who was matched, portion by portion.
    async fn load_portions(
        &self,
        roster: &Roster,
        looking: &Looking<'_>,
        ready: mpsc::UnboundedSender<WithStamps>,
    ) -> Result<(), EngineError> {
        let sizes = roster.paired_by_portion();
        let total: usize = sizes.iter().map(|size| *size as usize).sum();
        let hand_on = |portion: usize, photos: &[SourcePhoto]| {
            // If nobody takes them any more, this future is about to be dropped, too.
            drop(ready.send(WithStamps::new(portion, photos)));
        };
        for (portion, _) in sizes.iter().enumerate().filter(|(_, size)| **size == 0) {
            hand_on(portion, &[]);
        }
        if total == 0 {
            return Ok(());
        }
        // Whoever has been asked about and has not been answered for, with their place.
        let asked: Mutex<HashMap<SourceId, (usize, usize)>> = Mutex::default();
        let people = (0..sizes.len()).flat_map(|portion| {
            let ids = roster.paired_ids(portion).into_iter().enumerate();
            ids.map(move |(place, id)| (portion, place, id))
        });
        let people = people.map(|(portion, place, id)| {
            asked.lock().insert(id.clone(), (portion, place));
            id
        });
        let mut waiting: HashMap<usize, Waiting> = HashMap::new();
        let mut unsent: HashSet<usize> = (0..sizes.len()).filter(|portion| sizes[*portion] > 0).collect();
        let mut stamps = self.source.stamps(Box::new(people), looking.priority);
        let mut done = 0_usize;
        let mut failure = None;
        while let Some(answer) = stamps.next().await {
            match answer {
                Ok((person, photo)) => {
                    let place = asked.lock().remove(&person);
                    if let Some((portion, place)) = place {
                        done += 1;
                        let answered = waiting
                            .entry(portion)
                            .or_insert_with(|| Waiting::of(sizes[portion] as usize));
                        answered.photos[place] = photo;
                        answered.left -= 1;
                        if answered.left == 0 {
                            hand_on(portion, &answered.photos);
                            waiting.remove(&portion);
                            unsent.remove(&portion);
                        }
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
        if unsent.is_empty() {
            return Ok(());
        }
        let why = self.why_unanswered(failure);
        let mut unanswered = 0_u64;
        let mut unsent: Vec<usize> = unsent.into_iter().collect();
        unsent.sort_unstable();
        for portion in unsent {
            let size = sizes[portion] as usize;
            let mut photos = waiting
                .remove(&portion)
                .unwrap_or_else(|| Waiting::of(size))
                .photos;
            unanswered += fill_in(&mut photos, &why);
            hand_on(portion, &photos);
        }
        note_unanswered(unanswered, &why, looking);
        Ok(())
    }

    /// The stamps of a few people's photos, in their order.
    pub(super) async fn load_stamps(
        &self,
        people: Vec<SourceId>,
        looking: &Looking<'_>,
    ) -> Result<Vec<SourcePhoto>, EngineError> {
        let mut photos = vec![SourcePhoto::Unknown; people.len()];
        if people.is_empty() {
            return Ok(photos);
        }
        let positions: HashMap<SourceId, usize> = people
            .iter()
            .enumerate()
            .map(|(position, id)| (id.clone(), position))
            .collect();
        let mut stamps = self.source.stamps(Box::new(people.into_iter()), looking.priority);
        let mut failure = None;
        while let Some(answer) = stamps.next().await {
            match answer {
                Ok((person, photo)) => {
                    if let Some(&position) = positions.get(&person) {
                        photos[position] = photo;
                    }
                }
                Err(error) if error.kind.stops_run() || is_access(&error.kind) => return Err(error.into()),
                Err(error) => {
                    failure = Some(in_words(&error));
                    break;
                }
            }
        }
        let why = self.why_unanswered(failure);
        note_unanswered(fill_in(&mut photos, &why), &why, looking);
        Ok(photos)
    }

    fn why_unanswered(&self, failure: Option<String>) -> String {
        failure.unwrap_or_else(|| format!("{} did not answer for this person", self.source.name()))
    }

    /// The avatar chains of everybody who was matched: swept for everybody, read one by one for a few.
    async fn load_chains(&self, roster: &Roster, looking: &Looking<'_>) -> Result<Chains, EngineError> {
        if roster.paired() == 0 {
            return Ok(Chains::default());
        }
        let answer = match looking.priority {
            Priority::Background => {
                let people = Box::new(roster.paired_targets());
                let swept = self.target.sweep_chains(people).await;
                swept.map(|swept| (Arc::from(swept), roster.paired()))
            }
            Priority::Foreground => {
                let ids: Vec<TargetId> = roster.paired_targets().map(|(id, _)| id).collect();
                let chains = self.target.chains(&ids, looking.priority).await;
                chains.map(|chains| {
                    let people = chains.len() as u64;
                    let read: Arc<dyn SweptChains> = Arc::new(Read(chains.into_iter().collect()));
                    (read, people)
                })
            }
        };
        match answer {
            Ok((chains, people)) => {
                looking.progress.on(ScanEvent::Chains { people });
                Ok(Chains {
                    chains: Some(chains),
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
                    chains: None,
                    failure: Some(why),
                })
            }
        }
    }

    /// Judges one portion after the other, as their stamps come, and hands on whoever needs no bytes.
    async fn judge_portions<S: ScanSink>(
        &self,
        roster: &Arc<Roster>,
        looking: &Looking<'_>,
        mut portions: mpsc::UnboundedReceiver<WithStamps>,
        mut handing: Handing<S>,
    ) -> Result<Judged<S>, EngineError> {
        let chains = self.load_chains(roster, looking).await?;
        let assembling = Arc::new(Assembling::new(Arc::clone(roster), chains, self.target.name()));
        let mut recalling = Recalling::default();
        let mut open = Open::default();
        let depth = looking.depth;
        while let Some(stamped) = portions.recv().await {
            let first = (stamped.portion * super::packed::PORTION) as u32;
            let records = roster.take(stamped.portion);
            let (records, stamped, mut people) = in_background({
                let assembling = Arc::clone(&assembling);
                move || {
                    let people = assembling.portion(&records, &stamped);
                    (records, stamped, people)
                }
            })
            .await;
            self.recall(&mut people, &mut recalling, looking).await;
            (handing, open) = in_background(move || {
                let mut photos = stamped.photos.iter();
                for ((position, state), record) in (first..).zip(people).zip(records.iter()) {
                    let photo = state.target().and_then(|_| photos.next());
                    if needs_bytes(&state, depth)
                        && let Some(photo) = photo
                    {
                        open.add(position, record, photo, &stamped.texts);
                    } else {
                        handing.hand_on(position, state);
                    }
                }
                (handing, open)
            })
            .await;
        }
        Ok(Judged {
            assembling,
            handing,
            open,
            recalling,
        })
    }
}

/// What the first pass over everybody leaves.
struct Judged<S> {
    assembling: Arc<Assembling>,
    handing: Handing<S>,
    open: Open,
    recalling: Recalling,
}

/// A portion whose stamps are coming.
struct Waiting {
    photos: Vec<SourcePhoto>,
    left: usize,
}

impl Waiting {
    fn of(people: usize) -> Self {
        Self {
            photos: vec![SourcePhoto::Unknown; people],
            left: people,
        }
    }
}

/// A portion whose stamps are there. Packed, because chains may take longer than all the stamps.
struct WithStamps {
    portion: usize,
    /// One for each who was matched, in order.
    photos: Records,
    texts: Pool,
}

impl WithStamps {
    fn new(portion: usize, of: &[SourcePhoto]) -> Self {
        let mut texts = Pool::default();
        let mut photos = Records::default();
        for photo in of {
            photos.add(|writer| write_photo(writer, photo, &mut texts));
        }
        photos.shrink();
        Self {
            portion,
            photos,
            texts,
        }
    }
}

/// Says of whoever has no answer that there is none, and counts them.
fn fill_in(photos: &mut [SourcePhoto], why: &str) -> u64 {
    let mut unanswered = 0;
    for photo in photos {
        if *photo == SourcePhoto::Unknown {
            *photo = SourcePhoto::Unreadable(why.to_owned());
            unanswered += 1;
        }
    }
    unanswered
}

fn note_unanswered(people: u64, why: &str, looking: &Looking<'_>) {
    if people > 0 {
        looking.problems.note(format!(
            "the photos of {people} people could not be asked for: {why}"
        ));
    }
}

/// Chains that were read by their keys.
struct Read(HashMap<TargetId, AvatarChain>);

impl SweptChains for Read {
    fn chain(&self, person: &TargetPerson) -> Option<AvatarChain> {
        self.0.get(&person.id).cloned()
    }
}

/// The chains that were read, or why they were not.
#[derive(Default)]
struct Chains {
    chains: Option<Arc<dyn SweptChains>>,
    failure: Option<String>,
}

/// Puts everything known into one state per person.
pub(super) struct Assembling {
    roster: Arc<Roster>,
    chains: Chains,
    why_no_chain: String,
    target_name: &'static str,
}

impl Assembling {
    fn new(roster: Arc<Roster>, chains: Chains, target_name: &'static str) -> Self {
        let why_no_chain = chains.failure.as_ref().map_or_else(
            || format!("the person is gone from {target_name}"),
            |why| format!("the avatar in {target_name} could not be read: {why}"),
        );
        Self {
            roster,
            chains,
            why_no_chain,
            target_name,
        }
    }

    fn portion(&self, records: &Records, stamped: &WithStamps) -> Vec<PersonState> {
        let mut photos = stamped.photos.iter();
        let people = records.iter().map(|record| {
            self.person(record, || {
                let photo = photos.next().expect("there is one for each who was matched");
                read_photo(Reader(photo), &stamped.texts)
            })
        });
        people.collect()
    }

    /// One person; the photo is asked for only if they were matched.
    pub(super) fn person(&self, record: &[u8], photo: impl FnOnce() -> SourcePhoto) -> PersonState {
        let (source, standing) = self.roster.unpack(record);
        let content = SourceContent::UNSEEN;
        let displayed = Content::Unseen;
        let Some(why) = self.roster.why_unpaired(&standing) else {
            let photo = photo();
            let chain = match (&standing, &self.chains.chains) {
                (Standing::Paired { target, .. }, Some(chains)) => chains.chain(target),
                _ => None,
            };
            let judgement = if chain.is_some() {
                judge(&photo, &content, chain.as_ref(), &displayed)
            } else {
                Judgement {
                    verdict: Verdict::Error,
                    reason: self.why_no_chain.clone(),
                }
            };
            return PersonState {
                source,
                standing,
                photo,
                content,
                chain,
                displayed,
                judgement,
            };
        };
        let judgement = match &why {
            Unpaired::Unmatched { .. } if self.roster.targets_cut_short => Judgement {
                verdict: Verdict::Undecided,
                reason: format!(
                    "not among those who were listed before the listing of {} was cut short",
                    self.target_name
                ),
            },
            why => judge_unpaired(why),
        };
        PersonState {
            source,
            standing,
            photo: SourcePhoto::Unknown,
            content,
            chain: None,
            displayed,
            judgement,
        }
    }
}

/// Hands people on to the sink, and notes on the way who was seen without a photo.
pub(super) struct Handing<S> {
    sink: S,
    sightings: Sightings,
}

/// Who was seen without a photo, and who has one again.
pub(super) struct Sightings {
    /// Who was seen without one by earlier scans, or why that cannot be read.
    known: Result<HashSet<SourceId>, crate::store::StoreError>,
    without: Vec<SourceId>,
    with: Vec<SourceId>,
}

impl Sightings {
    /// Those without a photo whose avatar might be removed for it one day, and those who were and have one again.
    pub(super) fn into_lists(self) -> Result<(Vec<SourceId>, Vec<SourceId>), crate::store::StoreError> {
        self.known.map(|_| (self.without, self.with))
    }
}

impl<S: ScanSink> Handing<S> {
    fn new(sink: S, known: Result<HashSet<SourceId>, crate::store::StoreError>) -> Self {
        Self {
            sink,
            sightings: Sightings {
                known,
                without: Vec::new(),
                with: Vec::new(),
            },
        }
    }

    pub(super) fn hand_on(&mut self, position: u32, state: PersonState) {
        let Sightings { known, without, with } = &mut self.sightings;
        if let Ok(known) = known {
            match (state.judgement.verdict, &state.photo, &state.content.original) {
                (Verdict::OnlyInTarget, _, _) => without.push(state.source.id.clone()),
                (_, SourcePhoto::Present(_), content)
                    if *content != Content::Unsound(PictureProblem::Placeholder)
                        && known.contains(&state.source.id) =>
                {
                    with.push(state.source.id.clone());
                }
                _ => {}
            }
        }
        self.sink.take(position, state);
    }
}
