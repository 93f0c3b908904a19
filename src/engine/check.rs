//! Probes of everything a run needs.

use super::Engine;
use crate::connector::Probe;

impl Engine {
    /// Harmless probes of both services and of this side: the source's, the target's, then our own.
    pub async fn check(&self) -> Vec<Probe> {
        let (mut probes, target) = futures::join!(self.source.check(), self.target.check());
        probes.extend(target);
        probes
    }
}
