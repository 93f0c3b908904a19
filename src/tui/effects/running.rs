//! The run: begun with the profile's lock, told to the screen in few words, waited for at the end.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Services, looking_back};
use crate::domain::ids::RunId;
use crate::domain::plan::Plan;
use crate::domain::run::RunEvent;
use crate::domain::text::clean;
use crate::domain::tidying::TidyPlan;
use crate::engine::{ApplyError, RecoverError, RunControl, in_words};
use crate::store::journal::RunKind;
use crate::tui::mailbox::Mailbox;
use crate::tui::message::{Message, RunEnd, RunNews, RunStarted, Settling, StepDone, Trouble, Who};
use crate::tui::screens::tidy::limits_of;

/// Events that may wait for the collector, which never waits for anything.
const WAITING: usize = 1_024;
/// What becomes of those whom a settling that was stopped has not reached.
const GOES_ON: &str = "the next run settles the rest first";

/// What a run carries out.
enum Work {
    Push(Plan),
    Tidy(TidyPlan),
}

/// The run under way, if there is one, and the settling of what an earlier one has left.
pub struct Running {
    services: Services,
    mailbox: Mailbox,
    under_way: Option<(RunControl, JoinHandle<()>)>,
    settling: Option<(RunControl, JoinHandle<()>)>,
}

impl Running {
    /// None yet.
    pub(super) fn new(services: Services, mailbox: Mailbox) -> Self {
        Self {
            services,
            mailbox,
            under_way: None,
            settling: None,
        }
    }

    /// Carries a plan out.
    pub(super) fn apply(&mut self, plan: Plan, who: &Who) {
        let kind = match who {
            Who::Everybody => RunKind::Sync,
            Who::People(_) => RunKind::Push,
            Who::Rest(run) => run.kind,
        };
        let control = RunControl::new().of_kind(kind);
        let control = match who {
            Who::Rest(run) => control.continuing(run.id.clone()),
            Who::Everybody | Who::People(_) => control,
        };
        self.begin(control, Work::Push(plan));
    }

    /// Carries a cleaning or an undo out.
    pub(super) fn tidy(&mut self, plan: TidyPlan, continues: Option<RunId>) {
        let control = RunControl::new();
        let control = match continues {
            Some(run) => control.continuing(run),
            None => control,
        };
        self.begin(control, Work::Tidy(plan));
    }

    fn begin(&mut self, control: RunControl, work: Work) {
        let (services, mailbox) = (self.services.clone(), self.mailbox.clone());
        let running = {
            let control = control.clone();
            async move {
                let result = carry_out(&services, &mailbox, work, &control).await;
                mailbox.post(Message::RunEnded(result));
            }
        };
        let handle = self.spawn(running, |trouble| Message::RunEnded(Err(trouble)));
        self.under_way = Some((control, handle));
    }

    /// Settles what an interrupted run has left, if it has left anything and nobody else is writing; and says whether a
    /// run that was cut short has left something to do.
    pub(super) fn settle_left_over(&mut self) {
        let (services, mailbox) = (self.services.clone(), self.mailbox.clone());
        let control = RunControl::new();
        let settling = {
            let control = control.clone();
            async move {
                let (settled, trouble) = match settle_left_over(&services, &mailbox, &control).await {
                    Ok(settled) => (settled, None),
                    Err(trouble) => (0, Some(trouble)),
                };
                looking_back::tell_unfinished(&services.engine, &mailbox, settled).await;
                // The last word, so that it is what stays at the bottom.
                mailbox.post(Message::SettlingEnded(trouble.map_or(Ok(()), Err)));
            }
        };
        let handle = self.spawn(settling, |trouble| Message::SettlingEnded(Err(trouble)));
        self.settling = Some((control, handle));
    }

    /// Runs something that writes beside the screen. What panics is reported.
    fn spawn(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
        broken: fn(Trouble) -> Message,
    ) -> JoinHandle<()> {
        let mailbox = self.mailbox.clone();
        tokio::spawn(async move {
            if let Err(error) = tokio::spawn(work).await
                && error.is_panic()
            {
                mailbox.post(broken(Trouble {
                    what: "the run broke on the way; the next start settles what was in hand".into(),
                    hint: Some("please report this".into()),
                }));
            }
        })
    }

    pub(super) fn pause(&self) {
        if let Some((control, _)) = &self.under_way {
            control.pause();
        }
    }

    pub(super) fn resume(&self) {
        if let Some((control, _)) = &self.under_way {
            control.resume();
        }
    }

    pub(super) fn cancel(&self) {
        for (control, _) in self.under_way.iter().chain(&self.settling) {
            control.cancel();
            // Whoever is paused could not come to an end.
            control.resume();
        }
    }

    /// True while a run or a settling is under way.
    pub fn is_under_way(&self) -> bool {
        let mut both = self.under_way.iter().chain(&self.settling);
        both.any(|(_, handle)| !handle.is_finished())
    }

    /// Waits for the end of what is under way, at most this long; false if it still is then.
    pub async fn ended_within(&mut self, limit: Duration) -> bool {
        let both = [self.under_way.as_mut(), self.settling.as_mut()];
        let ends = both.into_iter().flatten().map(|(_, handle)| handle);
        let all = futures::future::join_all(ends.filter(|handle| !handle.is_finished()));
        tokio::time::timeout(limit, all).await.is_ok()
    }
}

/// Settles what an interrupted run has left, told as a run is; for how many people.
async fn settle_left_over(
    services: &Services,
    mailbox: &Mailbox,
    control: &RunControl,
) -> Result<u64, Trouble> {
    // Whoever writes next says why, if it cannot be read.
    if !matches!(services.engine.has_left_over().await, Ok(true)) {
        return Ok(0);
    }
    let open = services.writer.clone();
    let Ok(Ok(writer)) = tokio::task::spawn_blocking(move || open()).await else {
        mailbox.post(Message::Said(
            "an interrupted run has left something; the next run settles it".into(),
        ));
        return Ok(0);
    };
    let (sender, collector) = collected(mailbox);
    let settled = writer.recover_watched(control, &sender).await;
    drop(sender);
    // What was collected comes before the end.
    let _ = collector.await;
    settled.map_err(|error| match error {
        RecoverError::Cancelled { .. } => Trouble {
            what: error.to_string(),
            hint: Some(GOES_ON.into()),
        },
        error => Trouble {
            what: format!("what an interrupted run has left is not settled: {error}"),
            hint: Some("the next run tries again".into()),
        },
    })
}

/// Where events go, and who tells the screen of them until the last one.
fn collected(mailbox: &Mailbox) -> (mpsc::Sender<RunEvent>, JoinHandle<()>) {
    let (sender, mut events) = mpsc::channel(WAITING);
    let mailbox = mailbox.clone();
    let collector = tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if let Some(news) = news(event) {
                mailbox.post(Message::Run(news));
            }
        }
    });
    (sender, collector)
}

async fn carry_out(
    services: &Services,
    mailbox: &Mailbox,
    work: Work,
    control: &RunControl,
) -> Result<RunEnd, Trouble> {
    let open = services.writer.clone();
    let engine = tokio::task::spawn_blocking(move || open())
        .await
        .map_err(|_| Trouble {
            what: "the local data could not be opened".into(),
            hint: None,
        })??;
    let (sender, collector) = collected(mailbox);
    let report = match work {
        Work::Push(plan) => engine.apply(plan, &services.limits, control, sender).await,
        Work::Tidy(plan) => {
            let limits = limits_of(&plan.purpose, &services.limits);
            engine.tidy(plan, &limits, control, sender).await
        }
    };
    // What was collected comes before the end.
    let _ = collector.await;
    let report = report.map_err(|error| trouble(&error))?;
    Ok(RunEnd {
        at: report.finished,
        summary: report.summary,
        stopped: report.stopped,
        problems: report.problems,
    })
}

/// What the screen has to know of an event: numbers for those left alone, names for the others.
fn news(event: RunEvent) -> Option<RunNews> {
    match event {
        RunEvent::Settling { total } => Some(RunNews {
            settling: Some(Settling { done: 0, total }),
            ..RunNews::default()
        }),
        RunEvent::Settled { settled, done, total } => Some(RunNews {
            settling: Some(Settling { done, total }),
            settled: vec![StepDone {
                at: Timestamp::now(),
                person: settled.person,
                outcome: settled.outcome,
                detail: settled.detail,
                hint: None,
            }],
            ..RunNews::default()
        }),
        RunEvent::Started {
            run,
            at,
            selected,
            steps,
            ..
        } => Some(RunNews {
            started: Some(RunStarted {
                run,
                at,
                selected,
                steps,
            }),
            ..RunNews::default()
        }),
        RunEvent::Step {
            person,
            outcome,
            detail,
            hint,
        } => {
            let mut news = RunNews::default();
            news.counted.count(outcome);
            if outcome.is_of_a_step() {
                news.steps.push(StepDone {
                    at: Timestamp::now(),
                    person,
                    outcome,
                    detail,
                    hint,
                });
            }
            Some(news)
        }
        RunEvent::Waiting { .. } | RunEvent::Finished { .. } => None,
    }
}

fn trouble(error: &ApplyError) -> Trouble {
    Trouble {
        what: clean(&in_words(error)).into_owned(),
        hint: matches!(error, ApplyError::Recover(RecoverError::Cancelled { .. })).then(|| GOES_ON.into()),
    }
}
