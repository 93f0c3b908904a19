//! Scenarios: a company, what goes wrong, a command, and what has to come of it. Every one ends with the checker.

use serde_json::{Value, json};

use super::checker::Checker;
use super::people::{company, hash, name, photo};
use super::{Ended, Stage};

/// Says that a fault (`reliability.md` 4) was tried this many times, and every time ended as promised. Called last, when
/// everything has been checked: `docs/reliability.md` is made from these lines.
pub fn tried(fault: &str, times: usize) {
    assert!(times > 0, "nothing was tried for {fault}");
    println!("fault {fault}: tried {times} times");
}

/// A company in which something is about to go wrong.
pub struct Scenario {
    pub stage: Stage,
    environment: Vec<(String, String)>,
}

impl Scenario {
    /// So many people who all have a photo to be brought; see [`company`].
    pub fn of(people: usize) -> Self {
        Self::on(company(people))
    }

    /// On a stage of one's own.
    pub fn on(stage: Stage) -> Self {
        Self {
            stage,
            environment: Vec::new(),
        }
    }

    /// A fault rule of the sandbox (`sandbox.md`, Control).
    pub fn fault(self, rule: Value) -> Self {
        self.stage.post("/faults", &rule);
        self
    }

    /// Switches of a service: `entra`, `servicenow` or `server`.
    pub fn switch(self, service: &str, change: Value) -> Self {
        let path = format!("/settings/{service}");
        self.stage
            .request(reqwest::Method::PATCH, &path, change.to_string().into_bytes());
        self
    }

    /// A setting of the program, by its environment variable.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs the program without checking, for what is about to be checked.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        let environment: Vec<(&str, &str)> = self
            .environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        self.stage.run_with(&environment, arguments)
    }

    /// Runs the program and checks everything.
    #[track_caller]
    pub fn checked(self, arguments: &[&str]) -> Told {
        self.checked_with(arguments, |checker| checker)
    }

    /// The same, with a word to the checker about what this scenario is.
    #[track_caller]
    pub fn checked_with(self, arguments: &[&str], word: impl FnOnce(Checker<'_>) -> Checker<'_>) -> Told {
        let checker = word(Checker::begin(&self.stage));
        let ended = self.run(arguments);
        checker.assert();
        drop(checker);
        Told {
            stage: self.stage,
            ended,
        }
    }

    /// A full run with everything checked.
    #[track_caller]
    pub fn sync(self) -> Told {
        self.checked(&["sync", "--yes", "--json"])
    }
}

/// How a scenario has ended.
pub struct Told {
    pub stage: Stage,
    pub ended: Ended,
}

impl Told {
    /// Fails with everything that was said unless the program ended with this code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        self.ended.clone().expect_code(code);
        self
    }

    /// A number of the summary.
    #[track_caller]
    pub fn count(&self, outcome: &str) -> u64 {
        self.ended.summary()[outcome].as_u64().expect("a number")
    }

    /// Fails unless the messages have these words.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(
            self.ended.stderr.contains(words) || self.ended.stdout.contains(words),
            "{words:?} is not in:\n{}\n{}",
            self.ended.stdout,
            self.ended.stderr
        );
        self
    }

    /// Fails unless every fault rule has acted: what did not happen was not tried.
    #[track_caller]
    pub fn after_the_faults(self) -> Self {
        let rules = self.stage.control("/faults");
        let rules = rules.as_array().expect("a list");
        assert!(!rules.is_empty(), "there was no fault");
        for rule in rules {
            assert!(rule["acted"].as_u64() > Some(0), "did not happen: {rule}");
            assert!(rule["complaint"].is_null(), "{rule}");
        }
        self
    }

    /// What a user sees, as SHA-256.
    pub fn seen(&self, user_name: &str) -> Option<String> {
        let url = format!("/avatars?user_name={user_name}");
        let user = self.stage.control(&url);
        user[0]["effective"]["sha256"].as_str().map(str::to_owned)
    }

    /// Fails unless everybody of a [`company`] but these shows their own photo.
    #[track_caller]
    pub fn everybody_right_but(self, others: &[usize]) -> Self {
        let people = self.stage.sandbox.world().directory.read().users().len();
        for number in (0..people).filter(|number| !others.contains(number)) {
            assert_eq!(
                self.seen(&name(number)),
                Some(hash(&photo(number))),
                "{}:\n{}\n{}",
                name(number),
                self.ended.stdout,
                self.ended.stderr
            );
        }
        self
    }

    /// Fails unless everybody of a [`company`] shows their own photo.
    #[track_caller]
    pub fn everybody_right(self) -> Self {
        self.everybody_right_but(&[])
    }
}

/// A rule for one service: what is asked for, how often, and what happens then.
pub fn rule(service: &str, method: &str, path: &str, times: u64, act: Value) -> Value {
    json!({"service": service, "method": method, "path": path, "times": times, "do": act})
}
