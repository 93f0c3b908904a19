//! Whose turn it is, and for how long a push gives it to somebody else.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Pushing;

/// How long a push waits for others.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Pace {
    /// Between two looks at a virus scan that is not through. It takes about a second (`servicenow.md` 3.2).
    pub(super) scan_interval: Duration,
    /// For a virus scan, in all.
    pub(super) scan_limit: Duration,
    /// For a virus scan once somebody has asked to stop (`reliability.md` I5).
    pub(super) scan_limit_when_stopping: Duration,
    /// Before the last look: rules that copy pictures act a second or two after a write (`servicenow.md` E52).
    pub(in crate::engine) settling: Duration,
    /// Waits end at multiples of this: pushes that wait look again at common moments, so their reads share requests.
    grid: Duration,
}

impl Pace {
    pub(in crate::engine) const USUAL: Self = Self {
        scan_interval: Duration::from_secs(1),
        scan_limit: Duration::from_mins(1),
        scan_limit_when_stopping: Duration::from_secs(5),
        settling: Duration::from_secs(2),
        grid: Duration::from_millis(250),
    };

    #[cfg(test)]
    pub(in crate::engine) const IMPATIENT: Self = Self {
        scan_interval: Duration::from_millis(1),
        scan_limit: Duration::from_millis(50),
        scan_limit_when_stopping: Duration::from_millis(5),
        settling: Duration::from_millis(1),
        grid: Duration::from_millis(1),
    };
}

/// The right to work; given up while waiting.
pub(in crate::engine) struct Turn {
    slots: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Turn {
    /// Waits for a turn; first come, first served.
    pub(in crate::engine) async fn take(slots: &Arc<Semaphore>) -> Self {
        let mut turn = Self {
            slots: Arc::clone(slots),
            permit: None,
        };
        turn.resume().await;
        turn
    }

    async fn resume(&mut self) {
        let permit = Arc::clone(&self.slots).acquire_owned().await;
        self.permit = Some(permit.expect("the semaphore is never closed"));
    }
}

impl Pushing {
    /// Lets others work for a while.
    pub(super) async fn rest(&self, turn: &mut Turn, duration: Duration) {
        turn.permit = None;
        let until = self.began.elapsed() + duration;
        let steps = until.as_nanos().div_ceil(self.pace.grid.as_nanos()) as u32;
        tokio::time::sleep_until(self.began + self.pace.grid * steps).await;
        turn.resume().await;
    }
}
