//! Faces of the past and of now beside them: kept by what they are a face of, so that a late answer can never appear
//! under another name. Bounded.

use std::num::NonZeroUsize;

use bytes::Bytes;
use lru::LruCache;

use super::looked::{Side, SideView};
use super::message::Effect;
use super::pictures::Pictures;
use crate::domain::ids::{RunId, SourceId};
use crate::domain::photo::Sha256;
use crate::domain::run::PersonRef;
use crate::domain::text::clean;
use crate::domain::tidying::TidyStep;
use crate::engine::PastFace;
use crate::report::text::size;
use crate::store::journal::PastStep;

/// Faces that are kept.
const KEPT: usize = 256;
/// Bytes they may hold.
const KEPT_BYTES: usize = 12 << 20;
/// Questions under way at once; a service that hangs must not gather more.
const UNDER_WAY: usize = 12;

/// Which face.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FaceKey {
    /// What somebody was shown before a run.
    Before(RunId, SourceId),
    /// What a run has made of it.
    After(RunId, SourceId),
    /// What somebody is shown now.
    Now(SourceId),
    /// What somebody will be shown again once an undo is done.
    Again(SourceId, Option<Sha256>),
}

impl FaceKey {
    /// Both faces of a step of a run: before and after it.
    pub fn of_step(past: &PastStep) -> [Self; 2] {
        let step = &past.step;
        [
            Self::Before(step.run.clone(), step.person.source.clone()),
            Self::After(step.run.clone(), step.person.source.clone()),
        ]
    }

    fn person(&self) -> &SourceId {
        match self {
            Self::Before(_, person) | Self::After(_, person) | Self::Now(person) | Self::Again(person, _) => {
                person
            }
        }
    }
}

/// Faces to be fetched, with what it takes to find them.
#[derive(Clone, Debug)]
pub enum FaceQuestion {
    /// Before and after a step of a run.
    Past(Box<PastStep>),
    /// See [`FaceKey::Now`].
    Now(PersonRef),
    /// See [`FaceKey::Again`].
    Again(Box<TidyStep>),
}

impl FaceQuestion {
    /// Which faces it asks for.
    pub fn keys(&self) -> Vec<FaceKey> {
        match self {
            Self::Past(past) => FaceKey::of_step(past).into(),
            Self::Now(person) => vec![FaceKey::Now(person.source.clone())],
            Self::Again(step) => vec![FaceKey::Again(step.person.source.clone(), step.shows)],
        }
    }
}

/// All faces that are known or asked for.
#[derive(Debug)]
pub struct Faces {
    sides: LruCache<FaceKey, Option<Side>>,
}

impl Default for Faces {
    fn default() -> Self {
        Self {
            sides: LruCache::new(NonZeroUsize::new(KEPT).expect("not zero")),
        }
    }
}

impl Faces {
    /// What is known of a face; `None` while it is on its way or nobody has asked.
    pub fn get(&self, key: &FaceKey) -> Option<&Side> {
        self.sides.peek(key).and_then(Option::as_ref)
    }

    /// Asks for those that nobody has asked for, the first one first.
    pub fn ask(&mut self, questions: Vec<FaceQuestion>) -> Option<Effect> {
        let under_way = self.sides.iter().filter(|(_, side)| side.is_none()).count();
        let mut new = Vec::new();
        for question in questions {
            let keys = question.keys();
            let is_new = keys.iter().any(|key| self.sides.get(key).is_none());
            if is_new && under_way + new.len() < UNDER_WAY {
                for key in keys {
                    if !self.sides.contains(&key) {
                        self.sides.put(key, None);
                    }
                }
                new.push(question);
            }
        }
        (!new.is_empty()).then_some(Effect::FetchFaces(new))
    }

    /// A face is there; it is dropped if nobody waits for it any more.
    pub fn put(&mut self, key: FaceKey, side: Side) {
        if !matches!(self.sides.peek(&key), Some(None)) {
            return;
        }
        self.sides.put(key, Some(side));
        let held = |sides: &LruCache<FaceKey, Option<Side>>| -> usize {
            let sides = sides.iter().filter_map(|(_, side)| side.as_ref());
            sides.filter_map(Side::bytes).map(Bytes::len).sum()
        };
        while held(&self.sides) > KEPT_BYTES && self.sides.len() > 2 {
            self.sides.pop_lru();
        }
    }

    /// What is known of somebody's face may be so no longer. What was kept before a run stays.
    pub fn outdate(&mut self, person: &SourceId) {
        let old: Vec<FaceKey> = self
            .sides
            .iter()
            .map(|(key, _)| key)
            .filter(|key| key.person() == person && !matches!(key, FaceKey::Before(..)))
            .cloned()
            .collect();
        for key in old {
            self.sides.pop(&key);
        }
    }

    /// Asks for the drawables of these faces.
    pub fn paint(&mut self, keys: &[FaceKey], within: (u16, u16), pictures: &mut Pictures) -> Vec<Effect> {
        let mut effects = Vec::new();
        for key in keys {
            let Some(Some(side)) = self.sides.get(key) else {
                continue;
            };
            let Some(subject) = side.subject() else { continue };
            let bytes = side.bytes().cloned().map(|bytes| vec![bytes]);
            if let Ok(effect) = pictures.want(subject, within, bytes, true) {
                effects.extend(effect);
            }
        }
        effects
    }
}

/// What the screen shows of a face, with a line below it.
pub fn side_of(face: PastFace, words: &str) -> Side {
    let (picture, caption) = match face {
        PastFace::None => (SideView::Absent, vec![words.to_owned()]),
        PastFace::NotKept => {
            let why = "the picture is not kept any more";
            (SideView::Explained(why.to_owned()), vec![words.to_owned()])
        }
        PastFace::Failed(why) => (
            SideView::Explained(clean(&why).into_owned()),
            vec![words.to_owned()],
        ),
        PastFace::Bytes(bytes) => {
            let caption = vec![words.to_owned(), size(bytes.len() as u64)];
            let picture = SideView::Picture {
                hash: Sha256::of(&bytes),
                bytes: Some(bytes),
            };
            (picture, caption)
        }
    };
    Side { picture, caption }
}
