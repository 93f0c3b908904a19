//! The run: begun with the profile's lock, told to the screen in few words, waited for at the end.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Services;
use crate::domain::ids::RunId;
use crate::domain::plan::Plan;
use crate::domain::run::RunEvent;
use crate::domain::text::clean;
use crate::domain::tidying::TidyPlan;
use crate::engine::{ApplyError, RunControl, in_words};
use crate::store::journal::RunKind;
use crate::tui::mailbox::Mailbox;
use crate::tui::message::{Message, RunEnd, RunNews, RunStarted, StepDone, Trouble, Who};
use crate::tui::screens::tidy::limits_of;

/// Events that may wait for the collector, which never waits for anything.
const WAITING: usize = 1_024;

/// What a run carries out.
enum Work {
    Push(Plan),
    Tidy(TidyPlan),
}

/// The run under way, if there is one.
pub struct Running {
    services: Services,
    mailbox: Mailbox,
    under_way: Option<(RunControl, JoinHandle<()>)>,
}

impl Running {
    /// None yet.
    pub(super) fn new(services: Services, mailbox: Mailbox) -> Self {
        Self {
            services,
            mailbox,
            under_way: None,
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
        let mailbox = self.mailbox.clone();
        let handle = tokio::spawn(async move {
            if let Err(error) = tokio::spawn(running).await
                && error.is_panic()
            {
                mailbox.post(Message::RunEnded(Err(Trouble {
                    what: "the run broke on the way; the next start settles what was in hand".into(),
                    hint: Some("please report this".into()),
                })));
            }
        });
        self.under_way = Some((control, handle));
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
        if let Some((control, _)) = &self.under_way {
            control.cancel();
            // Whoever is paused could not come to an end.
            control.resume();
        }
    }

    /// True while a run is under way.
    pub fn is_under_way(&self) -> bool {
        self.under_way
            .as_ref()
            .is_some_and(|(_, handle)| !handle.is_finished())
    }

    /// Waits for the end of the run, at most this long; false if it is still under way then.
    pub async fn ended_within(&mut self, limit: Duration) -> bool {
        match &mut self.under_way {
            Some((_, handle)) => tokio::time::timeout(limit, handle).await.is_ok(),
            None => true,
        }
    }
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
    let (sender, mut events) = mpsc::channel(WAITING);
    let collector = {
        let mailbox = mailbox.clone();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if let Some(news) = news(event) {
                    mailbox.post(Message::Run(news));
                }
            }
        })
    };
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
        hint: None,
    }
}
