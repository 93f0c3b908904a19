//! Which pictures are wanted, loading, ready, absent or failed; what the cursor needs next.
//!
//! Looks are kept by person and drawables by the hash of their bytes, so that a late answer can never appear under
//! another name. Both are bounded.

use std::num::NonZeroUsize;
use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use lru::LruCache;

use super::looked::{PersonLook, Side};
use super::message::{Effect, PaintKey, Subject};
use crate::domain::ids::SourceId;
use crate::domain::run::PersonRef;
use crate::graphics::Drawable;

/// People whose looks are kept: a few screenfuls of the contact sheet.
const LOOKS: usize = 1_024;
/// Bytes of pictures kept with the looks; older looks keep their words alone.
const LOOK_BYTES: usize = 24 << 20;
/// Drawables kept.
const DRAWABLES: usize = 2_048;
/// Bytes they may hold.
const DRAWABLE_BYTES: usize = 24 << 20;
/// A look counts as fresh for so long.
const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// Looks under way at once; a service that hangs must not gather more.
const UNDER_WAY: usize = 12;
/// The same for a contact sheet, whose people share requests.
const UNDER_WAY_OF_MANY: usize = 60;
/// People who are looked at together: Entra ID takes as many questions in one request (`entra.md` 4).
const TOGETHER: usize = 20;
/// Pictures being made ready at once; what is more waits until one of them is.
const PAINTING: usize = 256;

/// What is known of one person's pictures.
#[derive(Clone, Debug)]
pub enum Looked {
    /// Asked for.
    Loading,
    /// Seen.
    Ready(Arc<PersonLook>),
    /// Could not be had; why, in words.
    Failed(String),
}

/// What is known of one picture in one size.
#[derive(Clone, Debug)]
pub enum Painted {
    /// On its way.
    Loading,
    /// Ready.
    Ready(Arc<Drawable>),
    /// Cannot be drawn; why, in words.
    Failed(String),
}

/// All pictures the screen knows of.
#[derive(Debug)]
pub struct Pictures {
    looks: LruCache<SourceId, Looked>,
    drawables: LruCache<PaintKey, Painted>,
    /// Changes when the terminal's cells do.
    pub generation: u32,
    /// Moves of the cursor so far.
    pub moves: u64,
    /// Cells that one picture may take on the screen that is open; zero if pictures are words alone.
    pub within: (u16, u16),
    /// Something wanted was left for later, because enough was under way.
    is_held_back: bool,
}

impl Pictures {
    /// None yet.
    pub fn new() -> Self {
        Self {
            looks: LruCache::new(NonZeroUsize::new(LOOKS).expect("not zero")),
            drawables: LruCache::new(NonZeroUsize::new(DRAWABLES).expect("not zero")),
            generation: 0,
            moves: 0,
            within: (0, 0),
            is_held_back: false,
        }
    }

    /// What is known of somebody.
    pub fn look(&self, person: &SourceId) -> Option<&Looked> {
        self.looks.peek(person)
    }

    /// What is known of a picture in the size that is shown now.
    pub fn painted(&self, side: &Side) -> Option<&Painted> {
        self.drawable(side.subject()?, self.within)
    }

    /// What is known of something to draw within so many cells.
    pub fn drawable(&self, subject: Subject, within: (u16, u16)) -> Option<&Painted> {
        self.drawables.peek(&self.key(subject, within))
    }

    fn key(&self, subject: Subject, within: (u16, u16)) -> PaintKey {
        PaintKey {
            subject,
            within,
            generation: self.generation,
        }
    }

    /// Somebody has to be looked at again.
    pub fn forget(&mut self, person: &SourceId) {
        self.looks.pop(person);
    }

    /// Everybody has to be looked at again.
    pub fn forget_all(&mut self) {
        // Whoever is being looked at stays so: that answer is as new as what makes the others old, and a service that
        // hangs must not gather more questions.
        let seen: Vec<SourceId> = self
            .looks
            .iter()
            .filter(|(_, looked)| !matches!(looked, Looked::Loading))
            .map(|(person, _)| person.clone())
            .collect();
        for person in seen {
            self.looks.pop(&person);
        }
    }

    /// The terminal's cells have changed, or the way of drawing: nothing drawn so far fits.
    pub fn redraw_all(&mut self) {
        self.generation += 1;
        self.drawables.clear();
    }

    /// An answer.
    pub fn looked(&mut self, person: SourceId, looked: Looked) {
        self.looks.put(person, looked);
        let mut held = 0;
        // From the newest on: what is beyond the limit keeps its words, and pictures drawn from it stay as they are.
        for (position, (_, looked)) in self.looks.iter_mut().enumerate() {
            let Looked::Ready(look) = looked else { continue };
            held += look.held();
            if held > LOOK_BYTES && position > 0 && look.held() > 0 {
                held -= look.held();
                *look = Arc::new(look.without_bytes());
            }
        }
    }

    /// A picture is ready, failed, or was dropped for newer work.
    pub fn painted_is(&mut self, key: PaintKey, result: Option<Result<Arc<Drawable>, String>>) {
        match result {
            None => {
                self.drawables.pop(&key);
            }
            Some(_) if key.generation != self.generation => {}
            Some(Ok(drawable)) => {
                self.drawables.put(key, Painted::Ready(drawable));
                while self.drawable_bytes() > DRAWABLE_BYTES && self.drawables.len() > 2 {
                    self.drawables.pop_lru();
                }
            }
            Some(Err(why)) => {
                self.drawables.put(key, Painted::Failed(why));
            }
        }
    }

    fn drawable_bytes(&self) -> usize {
        self.drawables
            .iter()
            .map(|(_, painted)| match painted {
                Painted::Ready(drawable) => drawable.cost(),
                _ => 0,
            })
            .sum()
    }

    /// How many looks are under way.
    fn under_way(&self) -> usize {
        self.looks
            .iter()
            .filter(|(_, looked)| matches!(looked, Looked::Loading))
            .count()
    }

    /// What is known of this person is worth another try: it failed, or was seen so long ago that it may be otherwise.
    pub fn is_worth_another_look(&self, person: &SourceId, now: Timestamp) -> bool {
        match self.looks.peek(person) {
            None | Some(Looked::Failed(_)) => true,
            Some(Looked::Loading) => false,
            Some(Looked::Ready(look)) => now.duration_since(look.at) > FRESH,
        }
    }

    /// Asks for those of these people who are not known yet, the first one first.
    pub fn ask(&mut self, people: Vec<PersonRef>) -> Vec<Effect> {
        let room = UNDER_WAY.saturating_sub(self.under_way());
        let missing: Vec<PersonRef> = people
            .into_iter()
            .filter(|person| !self.looks.contains(&person.source))
            .take(room)
            .collect();
        for person in &missing {
            self.looks.put(person.source.clone(), Looked::Loading);
        }
        let mut missing = missing.into_iter();
        // Whoever is waited for does not wait for the others.
        let first: Vec<PersonRef> = missing.by_ref().take(1).collect();
        let rest: Vec<PersonRef> = missing.collect();
        [first, rest]
            .into_iter()
            .filter(|people| !people.is_empty())
            .map(Effect::Look)
            .collect()
    }

    /// Asks for those of these people who are not known yet, many at once: they share requests.
    pub fn ask_many(&mut self, people: impl Iterator<Item = PersonRef>) -> Vec<Effect> {
        let room = UNDER_WAY_OF_MANY.saturating_sub(self.under_way());
        let missing: Vec<PersonRef> = people
            .filter(|person| !self.looks.contains(&person.source))
            .take(room)
            .collect();
        for person in &missing {
            self.looks.put(person.source.clone(), Looked::Loading);
        }
        missing
            .chunks(TOGETHER)
            .map(|people| Effect::Look(people.to_vec()))
            .collect()
    }

    /// Nobody waits any more for what is being made ready: somebody has moved on.
    pub fn drop_paints(&mut self) -> Option<Effect> {
        let loading: Vec<PaintKey> = self
            .drawables
            .iter()
            .filter(|(_, painted)| matches!(painted, Painted::Loading))
            .map(|(key, _)| *key)
            .collect();
        for key in &loading {
            self.drawables.pop(key);
        }
        self.is_held_back = false;
        (!loading.is_empty()).then_some(Effect::DropPaints)
    }

    /// True once after something wanted was left for later and there is room for it now.
    pub fn has_room_again(&mut self) -> bool {
        self.is_held_back && self.painting() < PAINTING && std::mem::take(&mut self.is_held_back)
    }

    fn painting(&self) -> usize {
        self.drawables
            .iter()
            .filter(|(_, painted)| matches!(painted, Painted::Loading))
            .count()
    }

    /// Asks for the drawables of many people whose looks are ready, the first one first.
    pub fn paint_many(&mut self, people: &[SourceId]) -> Vec<Effect> {
        let mut room = PAINTING.saturating_sub(self.painting());
        let mut effects = Vec::new();
        for person in people {
            if room == 0 {
                self.is_held_back = true;
                break;
            }
            let paints = self.paint(person, true);
            room = room.saturating_sub(paints.len());
            effects.extend(paints);
        }
        // What is wanted now goes before what waits already: the last one asked for is the first one made.
        effects.reverse();
        effects
    }

    /// Asks for the drawables of people who may be in sight next, as far as there is room.
    pub fn paint_ahead(&mut self, people: &[SourceId]) -> Vec<Effect> {
        let mut room = PAINTING.saturating_sub(self.painting());
        let mut effects = Vec::new();
        for person in people {
            if room == 0 {
                break;
            }
            let paints = self.paint(person, false);
            room = room.saturating_sub(paints.len());
            effects.extend(paints);
        }
        effects
    }

    /// Asks for the drawables of somebody whose look is ready.
    pub fn paint(&mut self, person: &SourceId, is_wanted_now: bool) -> Vec<Effect> {
        if self.within.0 == 0 || self.within.1 == 0 {
            return Vec::new();
        }
        let look = match if is_wanted_now {
            self.looks.get(person)
        } else {
            self.looks.peek(person)
        } {
            Some(Looked::Ready(look)) => Arc::clone(look),
            _ => return Vec::new(),
        };
        let mut effects = Vec::new();
        for side in [&look.source, &look.target] {
            let Some(subject) = side.subject() else { continue };
            let bytes = side.bytes().cloned().map(|bytes| vec![bytes]);
            if let Ok(effect) = self.want(subject, self.within, bytes, is_wanted_now) {
                effects.extend(effect);
            } else {
                // Whoever has moved far enough comes back to people whose bytes were let go.
                self.looks.pop(person);
                break;
            }
        }
        effects
    }

    /// Asks for one drawable, unless it is there or on its way. `bytes` are those of its pictures, if they are held.
    pub fn want(
        &mut self,
        subject: Subject,
        within: (u16, u16),
        bytes: Option<Vec<Bytes>>,
        is_wanted_now: bool,
    ) -> Result<Option<Effect>, BytesGone> {
        if within.0 == 0 || within.1 == 0 {
            return Ok(None);
        }
        let key = self.key(subject, within);
        let is_known = if is_wanted_now {
            self.drawables.get(&key).is_some()
        } else {
            self.drawables.contains(&key)
        };
        if is_known {
            return Ok(None);
        }
        let bytes = bytes.ok_or(BytesGone)?;
        self.drawables.put(key, Painted::Loading);
        Ok(Some(Effect::Paint {
            key,
            bytes,
            is_wanted_now,
        }))
    }
}

/// The bytes of a picture were let go; whoever wants to see it has to be looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BytesGone;
