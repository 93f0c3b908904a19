//! What follows a run: the health file and the notifications. Neither ever changes how the run ended.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use crate::cli::brakes::Quarantined;
use crate::cli::connect::store_paths;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::writing::Ending;
use crate::cli::{exit, interrupt};
use crate::config::Configuration;
use crate::config::values::{NotifyValues, ScheduleValues};
use crate::domain::ids::RunId;
use crate::domain::run::Summary;
use crate::domain::text::clean;
use crate::notify::{Notice, Notifier, Occasion, Told, impersonal};
use crate::report::run::stop_sentence;
use crate::schedule::{Health, State};
use crate::store::{Access, host_name};

/// While a run is under way, the health file is touched this often.
const TOUCH: Duration = Duration::from_secs(30);

/// How a run ended, as far as anybody is told.
pub(super) struct Outcome {
    /// The exit code.
    pub code: u8,
    sentence: String,
    run: Option<RunId>,
    summary: Option<Summary>,
    people: Vec<String>,
    /// Why the profile waits for somebody to look at it, if it does.
    quarantine: Option<String>,
    /// Removals that wait for an approval.
    removals_waiting: u64,
}

impl Outcome {
    /// How a run ended.
    pub fn of(ended: &Result<Ending, Failure>) -> Self {
        let ending = match ended {
            Ok(ending) => ending,
            Err(failure) => return Self::of_failure(failure),
        };
        let sentence = match &ending.report {
            None => "nothing was carried out".into(),
            Some(report) => match &report.stopped {
                Some(reason) => stop_sentence(reason),
                None if report.summary.failed > 0 => format!(
                    "{} of {} people failed; their pictures are as they were",
                    report.summary.failed, report.summary.selected
                ),
                None => format!(
                    "{} of {} people were updated",
                    report.summary.updated, report.summary.selected
                ),
            },
        };
        Self {
            code: ending.code,
            sentence,
            run: ending.report.as_ref().map(|report| report.run.clone()),
            summary: ending.report.as_ref().map(|report| report.summary),
            people: ending
                .failed
                .iter()
                .map(|(person, why)| format!("{} ({}): {why}", person.name.shown(), person.upn.shown()))
                .collect(),
            quarantine: None,
            removals_waiting: ending.waiting,
        }
    }

    /// A run that ended before it began.
    pub fn of_failure(failure: &Failure) -> Self {
        let mut sentence = failure.error.to_string();
        let mut cause = failure.error.source();
        while let Some(error) = cause {
            let words = error.to_string();
            if !sentence.contains(&words) {
                sentence.push_str(": ");
                sentence.push_str(&words);
            }
            cause = error.source();
        }
        Self {
            code: failure.code,
            sentence,
            run: None,
            summary: None,
            people: Vec::new(),
            quarantine: failure
                .error
                .downcast_ref::<Quarantined>()
                .map(ToString::to_string),
            removals_waiting: 0,
        }
    }

    /// True if it says something about the services: somebody who ends the program, or another run that holds the
    /// profile, does not.
    fn counts(&self) -> bool {
        !matches!(self.code, exit::INTERRUPTED | exit::LOCKED)
    }

    fn is_good(&self) -> bool {
        self.code == exit::OK && self.quarantine.is_none()
    }

    /// What there is to tell, apart from a recovery.
    fn occasions(&self) -> Vec<Occasion> {
        let mut occasions = Vec::new();
        match self.code {
            _ if self.quarantine.is_some() => occasions.push(Occasion::Quarantine),
            exit::OK => {}
            exit::BRAKE => occasions.push(Occasion::Brake),
            _ => occasions.push(Occasion::Failure),
        }
        if self.removals_waiting > 0 {
            occasions.push(Occasion::ApprovalWanted);
        }
        occasions
    }

    /// What is said about an occasion.
    fn sentence(&self, occasion: Occasion) -> String {
        match (occasion, &self.quarantine) {
            (Occasion::Quarantine, Some(why)) if !self.sentence.starts_with(why.as_str()) => {
                format!("{why}. The last run: {}", self.sentence)
            }
            (Occasion::ApprovalWanted, _) => {
                format!("removals that wait for an approval: {}", self.removals_waiting)
            }
            _ => self.sentence.clone(),
        }
    }

    fn next_command(&self, occasion: Occasion, profile: &str) -> String {
        let command = match (occasion, &self.run, self.code) {
            (Occasion::Brake, _, _) => "avatar-sync plan".to_owned(),
            (Occasion::ApprovalWanted, _, _) => "avatar-sync removals".to_owned(),
            (Occasion::Quarantine, _, _) => "avatar-sync release quarantine".to_owned(),
            (_, _, exit::USAGE) => "avatar-sync config show --origin".to_owned(),
            (_, _, exit::NO_ACCESS) => "avatar-sync check".to_owned(),
            (_, Some(run), _) => format!("avatar-sync history {}", clean(run.as_str())),
            (_, None, _) => "avatar-sync check".to_owned(),
        };
        format!("{command} --profile {profile}")
    }
}

/// Health file and notifications of one profile.
pub(super) struct Aftermath<'a> {
    output: &'a Output,
    notifier: Option<Notifier>,
    told_file: PathBuf,
    health: Health,
    health_file: Option<PathBuf>,
    health_trouble_was_told: bool,
}

impl<'a> Aftermath<'a> {
    /// Reads who is to be told. Nobody is told of a dry run.
    pub fn new(
        output: &'a Output,
        configuration: &Configuration,
        values: &ScheduleValues,
        access: Access,
    ) -> Result<Self, Failure> {
        let notifier = Notifier::new(&NotifyValues::of(configuration)).map_err(Failure::usage)?;
        Ok(Self {
            output,
            notifier: notifier.filter(|_| access == Access::Write),
            told_file: store_paths(configuration).state().join("told.json"),
            health: Health::new(&configuration.profile, Timestamp::now()),
            health_file: values.health_file.clone(),
            health_trouble_was_told: false,
        })
    }

    /// A run begins.
    pub fn begun(&mut self) {
        self.health.state = State::Running;
        self.health.last_run = Some(Timestamp::now());
        self.health.next_run = None;
        self.touch();
    }

    /// Waits for a run and keeps the health file fresh meanwhile.
    pub async fn touching<T>(&mut self, run: impl Future<Output = T>) -> T {
        tokio::pin!(run);
        let mut tick = tokio::time::interval(TOUCH);
        loop {
            tokio::select! {
                ended = &mut run => return ended,
                _ = tick.tick() => self.touch(),
            }
        }
    }

    /// A run has ended: tells whoever is to be told, and writes the health file.
    pub async fn ended(&mut self, outcome: &Outcome, next_run: Option<Timestamp>) {
        let now = Timestamp::now();
        self.health.exit_code = Some(outcome.code);
        self.health.next_run = next_run;
        self.health.sentence = clean(&impersonal(&outcome.sentence)).into_owned();
        if let Some(run) = &outcome.run {
            self.health.run = Some(run.as_str().to_owned());
        }
        if outcome.counts() {
            if outcome.is_good() {
                self.health.last_success = Some(now);
                self.health.failures_in_a_row = 0;
            } else {
                self.health.failures_in_a_row = self.health.failures_in_a_row.saturating_add(1);
            }
        }
        self.health.state = match self.health.failures_in_a_row {
            _ if outcome.quarantine.is_some() => State::Quarantined,
            0 => State::Sleeping,
            _ => State::Failing,
        };
        self.touch();
        if outcome.counts() {
            let stop = interrupt::asked();
            tokio::select! {
                () = self.notify(outcome, next_run, now) => {}
                () = stop.cancelled() => {}
            }
            self.touch();
        }
    }

    /// The next run begins then.
    pub fn planned(&mut self, at: Timestamp) {
        self.health.next_run = Some(at);
        self.touch();
    }

    /// There will be no next run.
    pub fn over(&mut self) {
        self.health.next_run = None;
        self.health.sentence = format!("ended; before that: {}", self.health.sentence);
        self.touch();
    }

    /// Writes the health file anew, if there is to be one.
    pub fn touch(&mut self) {
        let Some(path) = &self.health_file else { return };
        self.health.updated = Timestamp::now();
        match self.health.write(path) {
            Ok(()) => self.health_trouble_was_told = false,
            Err(_) if self.health_trouble_was_told => {}
            Err(error) => {
                self.health_trouble_was_told = true;
                self.output.talk(&format!(
                    "warning: the health file is not up to date: {}",
                    error.sentence()
                ));
            }
        }
    }

    async fn notify(&mut self, outcome: &Outcome, next_run: Option<Timestamp>, now: Timestamp) {
        let Some(notifier) = &self.notifier else { return };
        let mut told = Told::read(&self.told_file).unwrap_or_else(|error| {
            self.output.talk(&format!("warning: {error}"));
            Told::default()
        });
        let is_recovery = outcome.is_good() && told.owes_recovery();
        if outcome.is_good() {
            told.went_well();
        } else {
            told.went_wrong();
        }
        let mut due: Vec<(Occasion, Option<String>)> = Vec::new();
        for occasion in outcome.occasions() {
            let trouble = format!("{}:{}", occasion.code(), outcome.code);
            if notifier.wants(occasion) && told.is_due(&trouble, now) {
                due.push((occasion, Some(trouble)));
            }
        }
        if is_recovery && notifier.wants(Occasion::Recovery) {
            due.push((Occasion::Recovery, None));
        }
        let mut trouble_now = None;
        for (occasion, trouble) in due {
            let notice = Notice {
                occasion,
                profile: self.health.profile.clone(),
                host: host_name(),
                at: now,
                run: outcome.run.clone(),
                exit_code: outcome.code,
                sentence: outcome.sentence(occasion),
                summary: outcome.summary,
                next_command: outcome.next_command(occasion, &self.health.profile),
                next_run,
                in_a_row: told.bad_in_a_row(),
                people: outcome.people.clone(),
            };
            let deliveries = notifier.tell(&notice).await;
            for delivery in &deliveries {
                if let Err(why) = &delivery.result {
                    let words = format!("{} did not get through: {why}", delivery.channel);
                    self.output.talk(&format!("warning: a notification by {words}"));
                    trouble_now = Some(words);
                }
            }
            // If nobody was told, it is tried again after the next run.
            if deliveries.iter().any(|delivery| delivery.result.is_ok()) {
                match trouble {
                    Some(trouble) => {
                        told.told(&trouble, now);
                        // Waiting for an approval is no trouble that ends with the next good run.
                        if occasion != Occasion::ApprovalWanted {
                            told.owe_recovery();
                        }
                    }
                    None => told.told_recovery(),
                }
            }
        }
        self.health.notification = trouble_now;
        if let Err(error) = told.write(&self.told_file) {
            self.output.talk(&format!(
                "warning: it cannot be remembered what was told: {}",
                error.sentence()
            ));
        }
    }
}
