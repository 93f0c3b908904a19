//! Which pictures are wanted, loading, ready, absent or failed; what the cursor needs next.
//!
//! Looks are kept by person and drawables by the hash of their bytes, so that a late answer can never appear under
//! another name. Both are bounded.

use std::num::NonZeroUsize;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use lru::LruCache;

use super::looked::{PersonLook, Side, SideView};
use super::message::{Effect, PaintKey};
use crate::domain::ids::SourceId;
use crate::domain::run::PersonRef;
use crate::graphics::Drawable;

/// People whose looks are kept.
const LOOKS: usize = 64;
/// Bytes of pictures kept with the looks.
const LOOK_BYTES: usize = 24 << 20;
/// Drawables kept.
const DRAWABLES: usize = 48;
/// Bytes they may hold.
const DRAWABLE_BYTES: usize = 24 << 20;
/// A look counts as fresh for so long.
const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// Looks under way at once; a service that hangs must not gather more.
const UNDER_WAY: usize = 12;

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
        }
    }

    /// What is known of somebody.
    pub fn look(&self, person: &SourceId) -> Option<&Looked> {
        self.looks.peek(person)
    }

    /// What is known of a picture in the size that is shown now.
    pub fn painted(&self, side: &Side) -> Option<&Painted> {
        match &side.picture {
            SideView::Picture { hash, .. } => self.drawables.peek(&self.key(*hash)),
            SideView::Absent | SideView::Explained(_) => None,
        }
    }

    fn key(&self, picture: crate::domain::photo::Sha256) -> PaintKey {
        PaintKey {
            picture,
            within: self.within,
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
        while self.look_bytes() > LOOK_BYTES && self.looks.len() > 1 {
            self.looks.pop_lru();
        }
    }

    fn look_bytes(&self) -> usize {
        let bytes = |side: &Side| match &side.picture {
            SideView::Picture { bytes, .. } => bytes.len(),
            _ => 0,
        };
        self.looks
            .iter()
            .map(|(_, looked)| match looked {
                Looked::Ready(look) => bytes(&look.source) + bytes(&look.target),
                _ => 0,
            })
            .sum()
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
            let SideView::Picture { hash, bytes } = &side.picture else {
                continue;
            };
            let key = self.key(*hash);
            let known = if is_wanted_now {
                self.drawables.get(&key).is_some()
            } else {
                self.drawables.contains(&key)
            };
            if !known {
                self.drawables.put(key, Painted::Loading);
                effects.push(Effect::Paint {
                    key,
                    bytes: bytes.clone(),
                    is_wanted_now,
                });
            }
        }
        effects
    }
}
