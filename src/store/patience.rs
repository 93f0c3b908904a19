//! Waiting for room on the disk (`reliability.md` J1, J2). Nothing is sent while the journal or the vault cannot be
//! written; what is in hand is kept in memory and tried again every few seconds, until there is room, somebody cancels,
//! or it has taken too long.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rusqlite::ErrorCode;

use super::StoreError;

/// Between two attempts.
const INTERVAL: Duration = if cfg!(test) {
    Duration::from_millis(20)
} else {
    Duration::from_secs(3)
};

/// In all; then the run stops, and what is left is settled by the next start.
const LONGEST: Duration = Duration::from_mins(15);

/// What everybody who writes here shares.
#[derive(Debug, Default)]
pub(super) struct Patience {
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Since when there is no room, and when the next attempt is made.
    trouble: Option<(Instant, Instant)>,
    /// Nobody waits any more.
    is_over: bool,
}

impl Patience {
    /// A new run: whoever waits may wait the whole time.
    pub(super) fn renew(&self) {
        self.state.lock().is_over = false;
    }

    /// Nobody waits any more, until [`Patience::renew`].
    pub(super) fn give_up(&self) {
        self.state.lock().is_over = true;
        self.woken.notify_all();
    }

    /// There is room again.
    pub(super) fn relax(&self) {
        self.state.lock().trouble = None;
    }

    /// How long until the next attempt; `None` while all is well.
    pub(super) fn remaining(&self) -> Option<Duration> {
        let (_, next) = self.state.lock().trouble?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Notes an attempt without room; answers when to make the next one, `None` for never.
    fn note(state: &mut State) -> Option<Instant> {
        let now = Instant::now();
        let (since, _) = state.trouble.unwrap_or((now, now));
        if state.is_over || now.duration_since(since) >= LONGEST {
            state.is_over = true;
            state.trouble = None;
            return None;
        }
        let next = now + INTERVAL;
        state.trouble = Some((since, next));
        Some(next)
    }

    /// Blocks until the next attempt; false if there is to be none.
    pub(super) fn wait(&self) -> bool {
        let mut state = self.state.lock();
        let Some(next) = Self::note(&mut state) else {
            return false;
        };
        while !state.is_over {
            if self.woken.wait_until(&mut state, next).timed_out() {
                return true;
            }
        }
        state.trouble = None;
        false
    }

    /// The same without blocking the thread.
    pub(super) async fn rest(&self) -> bool {
        let next = Self::note(&mut self.state.lock());
        let Some(next) = next else {
            return false;
        };
        tokio::time::sleep_until(next.into()).await;
        !self.state.lock().is_over
    }
}

/// True if the database found no room: a full disk, a quota, a limit on the size of files.
fn is_without_room(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            failure.code == ErrorCode::DiskFull
                // What SQLite says of a quota that is used up (EDQUOT) and of a file that may not grow (EFBIG).
                || failure.extended_code == rusqlite::ffi::SQLITE_IOERR_WRITE
        }
        _ => false,
    }
}

/// True if there was no room for a file.
pub(super) fn has_no_room(error: &StoreError) -> bool {
    match error {
        StoreError::Files { source, .. } => matches!(
            source.kind(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
        ),
        StoreError::Database { source, .. } => is_without_room(source),
        _ => false,
    }
}
