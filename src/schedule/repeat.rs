//! The loop: look, sleep, run; one after the other, never two at once.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::pacer::{Jump, Moment, Pacer, Turn};

/// Both clocks, and sleeping.
#[async_trait]
pub trait Clock: Send + Sync {
    /// One look at both.
    fn now(&self) -> Moment;

    /// Sleeps by the steady clock.
    async fn sleep(&self, time: Duration);
}

/// This machine's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    since: Instant,
}

impl SystemClock {
    /// The steady clock counts from now.
    #[expect(
        clippy::new_without_default,
        reason = "it reads a clock, which nobody expects of a default"
    )]
    pub fn new() -> Self {
        Self {
            since: Instant::now(),
        }
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment {
            wall: Timestamp::now(),
            steady: self.since.elapsed(),
        }
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// What is done again and again.
#[async_trait(?Send)]
pub trait Work {
    /// One run. `before` is the slot after this one: whoever waits for something gives up by then.
    async fn run(&mut self, before: Timestamp) -> After;

    /// Something to say, or to write into the health file. Called at least once a minute between runs.
    fn tell(&mut self, news: News);
}

/// What happened between runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The next run begins at this time; told once for each.
    Planned(Timestamp),
    /// Awake, and not due yet.
    Awake,
    /// So many slots went by while a run took longer than the interval, or the machine slept.
    Missed(u64),
    /// The clocks have come apart.
    Jumped(Jump),
}

/// How to go on after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// With the next one in its time.
    GoOn,
    /// Not at all; the program ends with this code.
    End(u8),
}

/// Works until `stop` is cancelled or a run says so; `None` if it was stopped while nothing was under way.
pub async fn repeat(
    mut pacer: Pacer,
    clock: &dyn Clock,
    stop: &CancellationToken,
    work: &mut dyn Work,
) -> Option<u8> {
    let mut told = None;
    loop {
        if stop.is_cancelled() {
            return None;
        }
        let look = pacer.look(clock.now());
        if let Some(jump) = look.jump {
            work.tell(News::Jumped(jump));
        }
        match look.turn {
            Turn::Sleep(time) => {
                if told == Some(pacer.start()) {
                    work.tell(News::Awake);
                } else {
                    told = Some(pacer.start());
                    work.tell(News::Planned(pacer.start()));
                }
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return None,
                    () = clock.sleep(time) => {}
                }
            }
            Turn::Start => {
                if let After::End(code) = work.run(pacer.following()).await {
                    return Some(code);
                }
                let missed = pacer.done(clock.now());
                if missed > 0 {
                    work.tell(News::Missed(missed));
                }
            }
        }
    }
}
