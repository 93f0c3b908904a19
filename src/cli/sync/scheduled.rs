//! Runs again and again: the edge of [`crate::schedule`], where there are clocks, signals and people who read.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::Runner;
use super::aftermath::{Aftermath, Outcome};
use crate::cli::failure::Failure;
use crate::cli::{exit, interrupt};
use crate::schedule::{
    After, Clock as _, First, Jitter, Jump, News, Pacer, Schedule, SystemClock, Work, repeat,
};

/// Runs until somebody ends the program, or until a run ends in a way that no later run can mend.
pub(super) async fn run<'a>(
    runner: &mut Runner<'a>,
    aftermath: &mut Aftermath<'a>,
    schedule: Schedule,
    jitter: Jitter,
    first: First,
) -> Result<u8, Failure> {
    let stop = interrupt::asked();
    let clock = SystemClock::new();
    runner.output.talk(&format!("Runs {schedule}; Ctrl-C ends this."));
    let pacer = Pacer::new(schedule, jitter, first, clock.now());
    let mut work = Scheduled::new(runner, aftermath);
    let code = repeat(pacer, &clock, &stop, &mut work).await;
    work.aftermath.over();
    Ok(code.unwrap_or(exit::INTERRUPTED))
}

pub(super) struct Scheduled<'a, 'b> {
    runner: &'a mut Runner<'b>,
    aftermath: &'a mut Aftermath<'b>,
}

impl<'a, 'b> Scheduled<'a, 'b> {
    pub(super) fn new(runner: &'a mut Runner<'b>, aftermath: &'a mut Aftermath<'b>) -> Self {
        Self { runner, aftermath }
    }
}

#[async_trait(?Send)]
impl Work for Scheduled<'_, '_> {
    async fn run(&mut self, before: Timestamp) -> After {
        self.aftermath.begun();
        let ended = self
            .aftermath
            .touching(Box::pin(self.runner.run(Some(before))))
            .await;
        let outcome = Outcome::of(&ended);
        match &ended {
            Err(failure) if failure.code == exit::LOCKED => {
                self.runner
                    .output
                    .talk(&format!("this run is left out: {}", failure.error));
            }
            Err(failure) => self.runner.output.failure(failure),
            Ok(_) => {}
        }
        self.aftermath.ended(&outcome, Some(before)).await;
        if outcome.code == exit::NO_ACCESS
            && let Err(failure) = self.runner.connection.forget_refusals(self.runner.configuration)
        {
            self.runner.output.failure(&failure);
            return After::End(failure.code);
        }
        match outcome.code {
            // The next run would read the same command line and the same configuration.
            exit::USAGE | exit::INTERRUPTED => After::End(outcome.code),
            _ => After::GoOn,
        }
    }

    fn tell(&mut self, news: News) {
        let output = self.runner.output;
        match news {
            News::Planned(at) => {
                let at_once = at.duration_since(Timestamp::now()) < SignedDuration::from_secs(5);
                if !at_once {
                    let local = at.to_zoned(jiff::tz::TimeZone::system());
                    output.talk(&format!("the next run begins at {}", local.strftime("%F %T %Z")));
                }
                self.aftermath.planned(at);
            }
            News::Awake => self.aftermath.touch(),
            News::Missed(1) => {
                output.talk("one run was due meanwhile; it is left out, not caught up with");
            }
            News::Missed(number) => output.talk(&format!(
                "{number} runs were due meanwhile; they are left out, not caught up with"
            )),
            News::Jumped(Jump(by)) => {
                let shown = SignedDuration::from_secs(by.abs().as_secs());
                output.talk(&if by.is_negative() {
                    format!("the clock was put back by {shown:#}")
                } else {
                    format!("this machine slept or its clock was put ahead: {shown:#}")
                });
            }
        }
    }
}
