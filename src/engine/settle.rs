//! Settles what stamps and hashes cannot: downloads the bytes that a verdict needs, and no others.
//!
//! ```text
//! source bytes ─► examine ─► judge ─► still undecided? ─► target bytes ─► examine ─► judge
//! ```
//!
//! Many people are under way at once, because the services' own limits are elsewhere; how many bytes are held at once
//! is bounded here. Whoever could not be looked at because of trouble that may pass is looked at once more at the end, as
//! long as others could be. Nothing is kept but facts, and in the vault a copy of what a run is about to replace.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::decoding::UploadForm;
use super::load::{Assembling, Handing};
use super::memory::{Learning, Lesson, Recalling};
use super::packed::{Records, read_photo, write_photo};
use super::scan::{Looking, ScanEvent};
use super::{Depth, Engine, EngineError, PersonState, ScanSink, in_words};
use crate::connector::{ConnectorError, ErrorKind, Priority};
use crate::domain::comparison::{Content, Judgement, SourceContent, Verdict, judge};
use crate::domain::ids::SourceId;
use crate::domain::packing::{Pool, Reader};
use crate::domain::photo::{AvatarChain, PhotoStamp, Sha256, SourcePhoto};
use crate::domain::picture;
use crate::store::Access;

/// People under way at once.
pub(super) const PEOPLE_IN_FLIGHT: usize = 64;
/// People unpacked at once while others are under way.
const UNPACKED_AT_ONCE: usize = 256;
/// Bytes of pictures held at once, in KiB, going by the sizes that the services state.
const KIB_IN_FLIGHT: u32 = 64 * 1024;
/// A picture counts for at least this much, in KiB.
const LEAST_KIB: u32 = 64;
/// People looked at once more at most.
const LOOKED_AT_AGAIN: usize = 256;
/// So many refusals in a row are a missing right, not a few odd people (`reliability.md` 3).
const REFUSALS_IN_A_ROW: u32 = 20;

/// People whose verdict takes bytes, packed until their turn comes.
#[derive(Default)]
pub(super) struct Open {
    positions: Vec<u32>,
    /// Two records a person: the roster's, and the photo's.
    records: Records,
    texts: Pool,
}

impl Open {
    /// Adds somebody, with what a portion has packed of them.
    pub(super) fn add(&mut self, position: u32, record: &[u8], photo: &[u8], photo_texts: &Pool) {
        self.positions.push(position);
        self.records.add(|writer| writer.bytes(record));
        let photo = read_photo(Reader(photo), photo_texts);
        self.records
            .add(|writer| write_photo(writer, &photo, &mut self.texts));
    }

    fn person(&self, number: usize, assembling: &Assembling) -> (u32, PersonState) {
        let photo = || read_photo(Reader(self.records.get(2 * number + 1)), &self.texts);
        let state = assembling.person(self.records.get(2 * number), photo);
        (self.positions[number], state)
    }
}

impl Engine {
    /// Downloads and judges everybody whose verdict needs it at this depth, and hands them on.
    pub(super) async fn settle<S: ScanSink>(
        &self,
        open: Open,
        assembling: &Assembling,
        recalling: &mut Recalling,
        handing: &mut Handing<S>,
        looking: &Looking<'_>,
    ) -> Result<(), EngineError> {
        let total = open.positions.len() as u64;
        if total == 0 {
            return Ok(());
        }
        let kib = Arc::new(Semaphore::new(KIB_IN_FLIGHT as usize));
        let mut learning = Learning::new(self);
        let mut under_way = FuturesUnordered::new();
        let mut unpacked = Vec::new().into_iter();
        let mut next_number = 0;
        let mut done = 0;
        let mut refused_in_a_row = 0;
        let mut again = Vec::new();
        let (mut is_again, mut somebody_was_seen) = (false, false);
        looking.progress.on(ScanEvent::Settling { done, total });
        let result = loop {
            while under_way.len() < PEOPLE_IN_FLIGHT {
                let Some((position, state)) = unpacked.next() else {
                    let end = (next_number + UNPACKED_AT_ONCE).min(open.positions.len());
                    if next_number == end {
                        break;
                    }
                    let (positions, mut people): (Vec<u32>, Vec<PersonState>) = (next_number..end)
                        .map(|number| open.person(number, assembling))
                        .unzip();
                    next_number = end;
                    self.recall(&mut people, recalling, looking).await;
                    unpacked = positions.into_iter().zip(people).collect::<Vec<_>>().into_iter();
                    continue;
                };
                let kib = Arc::clone(&kib);
                under_way.push(async move {
                    let seen = match Case::of(&state) {
                        // The same avatar may have been learnt from somebody else meanwhile.
                        Some(case) if needs_bytes(&state, looking.depth) => {
                            Some(self.settle_one(case, looking.priority, kib).await)
                        }
                        _ => None,
                    };
                    (position, state, seen)
                });
            }
            let Some(next) = looking.cancel.run_until_cancelled(under_way.next()).await else {
                break Err(EngineError::Cancelled);
            };
            let Some((position, mut state, seen)) = next else {
                let held: Vec<(u32, PersonState, Judgement)> = std::mem::take(&mut again);
                if !held.is_empty() && somebody_was_seen {
                    is_again = true;
                    let people = held.into_iter().map(|(position, state, _)| (position, state));
                    unpacked = people.collect::<Vec<_>>().into_iter();
                    continue;
                }
                // What kept everybody from being seen is no bad luck.
                for (position, mut state, judgement) in held {
                    state.judgement = judgement;
                    handing.hand_on(position, state);
                    done += 1;
                    looking.progress.on(ScanEvent::Settling { done, total });
                }
                break Ok(());
            };
            match seen {
                None => {}
                Some(Ok(seen)) => {
                    refused_in_a_row = 0;
                    somebody_was_seen = true;
                    seen.apply(&mut state);
                    for lesson in seen.lessons {
                        learning.add(lesson).await;
                    }
                }
                Some(Err(error)) if error.kind.stops_run() => break Err(error.into()),
                Some(Err(error)) => {
                    if matches!(error.kind, ErrorKind::NotAllowed { .. }) {
                        refused_in_a_row += 1;
                    }
                    if refused_in_a_row >= REFUSALS_IN_A_ROW {
                        break Err(error.into());
                    }
                    let judgement = Judgement {
                        verdict: Verdict::Error,
                        reason: in_words(&error),
                    };
                    let may_pass = matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Throttled);
                    if may_pass && !is_again && again.len() < LOOKED_AT_AGAIN {
                        again.push((position, state, judgement));
                        continue;
                    }
                    state.judgement = judgement;
                }
            }
            handing.hand_on(position, state);
            done += 1;
            looking.progress.on(ScanEvent::Settling { done, total });
        };
        drop(under_way);
        // Whatever the end, what was learnt is kept: the next scan need not download it again.
        if let Err(problem) = learning.finish().await {
            looking.problems.note(problem);
        }
        result
    }

    /// Downloads what one person's verdict needs.
    async fn settle_one(
        &self,
        case: Case,
        priority: Priority,
        kib: Arc<Semaphore>,
    ) -> Result<Seen, ConnectorError> {
        let mut seen = Seen {
            photo: SourcePhoto::Present(case.stamp.clone()),
            content: case.content.clone(),
            displayed: case.displayed.clone(),
            is_gone: false,
            lessons: Vec::new(),
        };
        if seen.content.original == Content::Unseen {
            let pixels = u64::from(case.stamp.width) * u64::from(case.stamp.height);
            let room = reserve(&kib, pixels).await;
            match self.source.photo(&case.source, priority).await? {
                None => {
                    // The photo went away after its stamp was read.
                    seen.photo = SourcePhoto::Absent;
                    return Ok(seen);
                }
                Some(fetched) => {
                    let form = self.upload_form();
                    seen.content = match self.decoding.examine_source(fetched.bytes, form).await {
                        Ok(content) => {
                            seen.lessons.push(Lesson::Source {
                                person: case.source.clone(),
                                // The stamp's own version: other renditions of one photo have other ones
                                // (`entra.md` 8.2).
                                etag: case.stamp.etag.clone(),
                                content: content.clone(),
                            });
                            content
                        }
                        Err(gave_up) => SourceContent {
                            original: Content::Unsound(gave_up.into()),
                            prepared: None,
                        },
                    };
                }
            }
            drop(room);
        }
        let judgement = judge(&seen.photo, &seen.content, Some(&case.chain), &seen.displayed);
        let (Verdict::Undecided, Some(picture)) = (judgement.verdict, case.chain.served_picture()) else {
            return Ok(seen);
        };
        let room = reserve(&kib, picture.bytes).await;
        let Some(bytes) = self.target.download(&picture.id, priority).await? else {
            seen.is_gone = true;
            return Ok(seen);
        };
        let hash = Sha256::of(&bytes);
        let copy = bytes.clone();
        seen.displayed = match self.decoding.examine(bytes).await {
            Ok(content) => {
                seen.lessons.push(Lesson::Target {
                    picture: picture.id.clone(),
                    stated: picture.sha256,
                    hash,
                    content: content.clone(),
                });
                content
            }
            Err(gave_up) => Content::Unsound(gave_up.into()),
        };
        self.keep_for_push(&seen, &case.chain, copy).await;
        drop(room);
        Ok(seen)
    }

    /// The avatar that a run is about to replace goes to the vault while its bytes are at hand, so that its push need
    /// not download them again. If that fails, the push will say so: without a copy it does nothing.
    async fn keep_for_push(&self, seen: &Seen, chain: &AvatarChain, avatar: Bytes) {
        if self.store.access() != Access::Write {
            return;
        }
        let judgement = judge(&seen.photo, &seen.content, Some(chain), &seen.displayed);
        if matches!(judgement.verdict, Verdict::Differs | Verdict::Broken)
            && let Err(error) = self.store.vault().keep(avatar).await
        {
            tracing::warn!(
                error = error.sentence(),
                "an avatar could not be kept ahead of its push"
            );
        }
    }

    /// The form in which this target takes pictures.
    pub(super) fn upload_form(&self) -> UploadForm {
        UploadForm {
            limit: self.target.upload_limit(),
            side: self.settings.picture_side,
        }
    }
}

/// True if a verdict at this depth takes bytes that nobody has looked at.
pub(super) fn needs_bytes(state: &PersonState, depth: Depth) -> bool {
    let is_open = match (depth, state.judgement.verdict) {
        (Depth::Stamps, _) => false,
        (_, Verdict::Undecided) => true,
        // Whether a push would mend anything depends on the photo.
        (_, Verdict::Broken) | (Depth::Deep, Verdict::Missing) => state.content.original == Content::Unseen,
        _ => false,
    };
    is_open && state.chain.is_some() && matches!(state.photo, SourcePhoto::Present(_))
}

/// Waits until there is room for a picture of this size.
async fn reserve(kib: &Arc<Semaphore>, bytes: u64) -> OwnedSemaphorePermit {
    let expected = bytes.min(picture::BYTE_LIMIT as u64).div_ceil(1024) as u32;
    Arc::clone(kib)
        .acquire_many_owned(expected.max(LEAST_KIB))
        .await
        .expect("the semaphore is never closed")
}

/// What settling one person starts from.
struct Case {
    source: SourceId,
    stamp: PhotoStamp,
    content: SourceContent,
    chain: AvatarChain,
    displayed: Content,
}

impl Case {
    /// `None` for somebody whom bytes cannot settle.
    fn of(state: &PersonState) -> Option<Self> {
        match (&state.photo, &state.chain) {
            (SourcePhoto::Present(stamp), Some(chain)) => Some(Self {
                source: state.source.id.clone(),
                stamp: stamp.clone(),
                content: state.content.clone(),
                chain: chain.clone(),
                displayed: state.displayed.clone(),
            }),
            _ => None,
        }
    }
}

/// What was seen of one person's pictures.
struct Seen {
    photo: SourcePhoto,
    content: SourceContent,
    displayed: Content,
    /// The displayed avatar went away between reading its row and its bytes.
    is_gone: bool,
    lessons: Vec<Lesson>,
}

impl Seen {
    fn apply(&self, state: &mut PersonState) {
        state.photo = self.photo.clone();
        state.content = self.content.clone();
        state.displayed = self.displayed.clone();
        state.judgement = judge(
            &state.photo,
            &state.content,
            state.chain.as_ref(),
            &state.displayed,
        );
        if self.is_gone {
            state.judgement.reason = "the avatar changed while it was looked at; scan again".into();
        }
    }
}
