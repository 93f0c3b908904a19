//! Decides whose call comes next when two programs work at once, so that one seed gives one interleaving.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::dice::Dice;

/// Lets one call through at a time, once every program waits for its next one.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Mutex<Inside>>);

struct Inside {
    dice: Dice,
    has_left: [bool; 2],
    waiting: Vec<(usize, oneshot::Sender<()>)>,
    log: Vec<String>,
}

impl Gate {
    /// For two programs.
    pub(crate) fn new(dice: Dice) -> Self {
        Self(Arc::new(Mutex::new(Inside {
            dice,
            has_left: [false; 2],
            waiting: Vec::new(),
            log: Vec::new(),
        })))
    }

    /// Waits for its turn.
    pub(super) async fn pass(&self, program: usize) {
        let (go, gone) = oneshot::channel();
        {
            let mut inside = self.0.lock();
            inside.waiting.push((program, go));
            inside.let_one_through();
        }
        gone.await.expect("the gate outlives who waits at it");
    }

    /// A call has come to its end; what it was and how it left things, for whoever looks into a failure.
    pub(super) fn next(&self, line: String) {
        let mut inside = self.0.lock();
        inside.log.push(line);
        inside.let_one_through();
    }

    /// The calls in the order in which they were let through.
    pub(crate) fn log(&self) -> String {
        self.0.lock().log.join("\n")
    }

    /// A program has come to its end.
    pub(crate) fn leave(&self, program: usize) {
        let mut inside = self.0.lock();
        inside.has_left[program] = true;
        inside.let_one_through();
    }
}

impl Inside {
    fn let_one_through(&mut self) {
        let is_everybody_here = self
            .has_left
            .iter()
            .enumerate()
            .all(|(program, has_left)| *has_left || self.waiting.iter().any(|(who, _)| *who == program));
        if is_everybody_here && !self.waiting.is_empty() {
            let lucky = self.dice.below(self.waiting.len() as u64) as usize;
            let (_, go) = self.waiting.remove(lucky);
            // Whoever waited may have been dropped; then there is nobody to tell.
            let _ = go.send(());
        }
    }
}
