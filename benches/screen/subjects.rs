//! The programs that are measured, and what they are given to show.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use avatar_sync::sandbox::SandboxOptions;
use regex::Regex;
use serde_json::json;

use crate::common::Stage;
use crate::figures::Figures;
use crate::probe::{Effort, Keys, Subject};
use crate::terminal::{Area, Kind, Setup};

/// A practice world of so many people, seen once by a scan, and the same people as lines.
pub struct Prepared {
    people: usize,
    stage: Stage,
    /// The same people, one a line, for programs that show lines.
    lines: PathBuf,
    /// How long the scan took.
    pub scan_took: Duration,
}

impl Prepared {
    pub fn new(people: usize) -> Self {
        let stage = Stage::with(&SandboxOptions {
            users: people,
            is_throttled: false,
            ..SandboxOptions::default()
        });
        let begun = Instant::now();
        stage.run(&["status"]).expect_code(0);
        let scan_took = begun.elapsed();
        let lines: Vec<String> = {
            let directory = stage.sandbox.world().directory.read();
            let line = |user: &avatar_sync::sandbox::world::directory::DirectoryUser| {
                let department = user.department.as_deref().unwrap_or_default();
                let words = format!("{}  {}  {department}", user.display_name, user.principal);
                words.replace(char::is_control, " ")
            };
            directory.users().iter().map(line).collect()
        };
        let lines = stage.file("people.txt", lines.join("\n") + "\n");
        Self {
            people,
            stage,
            lines,
            scan_took,
        }
    }

    /// Ours beside others.
    pub fn list(&self, effort: Effort) -> Vec<Figures> {
        let mut ours = self.ours("avatar-sync", Kind::Plain);
        // It refreshes what it shows; that is measured with the services.
        ours.rest = Some((Duration::from_secs(3), Duration::from_secs(1_200)));
        let mut all = vec![ours.measure(effort)];
        all.push(self.other("fzf", "fzf", FZF, effort));
        all.push(self.other("television", "tv", TELEVISION, effort));
        all
    }

    /// Ours while the services do not do what they should.
    pub fn services(&self, effort: Effort) -> Vec<Figures> {
        let with_faults = |name: &str, effect: serde_json::Value| {
            for service in ["entra", "servicenow"] {
                let rule = json!({"service": service, "path": ".", "times": null, "do": effect});
                self.stage.post("/faults", &rule);
            }
            let figures = self.ours(name, Kind::Plain).measure(effort);
            self.stage.request(reqwest::Method::DELETE, "/faults", Vec::new());
            figures
        };
        vec![
            self.ours("answering", Kind::Plain).measure(effort),
            with_faults(
                "throttling",
                json!({"status": 429, "headers": {"Retry-After": "2"}, "body": "{}"}),
            ),
            with_faults("hanging", json!({"delay_ms": 600_000})),
        ]
    }

    /// Ours in a terminal with pictures.
    pub fn pictures(&self, effort: Effort) -> Vec<Figures> {
        let mut subject = self.ours("avatar-sync in kitty", Kind::Kitty);
        subject.rest = Some((Duration::from_millis(1_500), Duration::from_secs(300)));
        vec![subject.measure_pictures(effort, |screen| !screen.pictures().is_empty())]
    }

    /// Ours with the contact sheet open: 40 pairs on a screen of 120 columns and 40 rows.
    pub fn sheet(&self, effort: Effort) -> Vec<Figures> {
        let mut all = Vec::new();
        for (name, kind) in [("kitty", Kind::Kitty), ("Sixel", Kind::Sixel)] {
            let mut subject = self.ours(name, kind);
            subject.rest = Some((Duration::from_millis(1_500), Duration::from_secs(300)));
            // While measuring, Sixel is not decoded, so that its pictures have no number but a size: some kilobytes each.
            all.push(subject.measure_sheet(effort, "g", |screen| {
                screen.pictures().len() >= 40 || (kind == Kind::Sixel && screen.picture_bytes > 200_000)
            }));
        }
        all
    }

    fn ours(&self, name: &str, kind: Kind) -> Subject {
        let home = self.stage.home();
        let folders = ["CONFIG", "STATE", "CACHE"].map(|which| {
            let variable = format!("AVATAR_SYNC_{which}_DIR");
            let folder = home.join(variable.to_lowercase());
            (variable, folder.to_str().expect("text").to_owned())
        });
        Subject {
            name: name.to_owned(),
            people: self.people,
            // The table, without what stands beside it, above it and below it.
            setup: Setup::new(kind)
                .watching(area(2, 36, 56))
                .envs(self.stage.environment())
                .envs(folders)
                .env("HOME", home),
            program: env!("CARGO_BIN_EXE_avatar-sync").into(),
            arguments: Vec::new(),
            ready: ready(self.people),
            rest: None,
            keys: Keys {
                down: "<down>",
                page: "<pgdn>",
                end: "<end>",
                home: "<home>",
                open_filter: "/",
                close_filter: "<esc>",
                quit: "q",
            },
        }
    }

    fn other(&self, name: &str, program: &str, how: Other, effort: Effort) -> Figures {
        let Some(found) = installed(program) else {
            return Figures::absent(name, self.people, "is not installed");
        };
        let command = format!(
            "exec {} {} < {}",
            found.display(),
            how.arguments,
            self.lines.display()
        );
        let subject = Subject {
            name: name.to_owned(),
            people: self.people,
            // All but the line that is typed in.
            setup: Setup::new(Kind::Plain)
                .watching(area(1, 39, 120))
                .env("PATH", std::env::var_os("PATH").unwrap_or_default())
                .env("HOME", self.stage.home()),
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), command],
            ready: ready(self.people),
            rest: None,
            keys: how.keys,
        };
        subject.measure(effort)
    }
}

/// So many rows from this one on, so many columns from the left.
fn area(row: u16, rows: u16, columns: u16) -> Area {
    Area {
        row,
        column: 0,
        rows,
        columns,
    }
}

/// How another program is called, and its keys.
struct Other {
    arguments: &'static str,
    keys: Keys,
}

const FZF: Other = Other {
    arguments: "--layout=reverse --bind home:first,end:last",
    keys: Keys {
        down: "<down>",
        page: "<pgdn>",
        end: "<end>",
        home: "<home>",
        open_filter: "",
        close_filter: "<c-u>",
        quit: "<esc>",
    },
};

const TELEVISION: Other = Other {
    arguments: "--no-preview",
    keys: Keys {
        down: "<down>",
        page: "<pgdn>",
        end: "<end>",
        home: "<home>",
        open_filter: "",
        close_filter: "<c-u>",
        quit: "<esc>",
    },
};

/// The number of people as programs write it: 300000, 300,000 or 300 000.
fn ready(people: usize) -> Regex {
    let digits = people.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).expect("digits"))
        .collect();
    Regex::new(&format!(r"\b{}\b", groups.join("[, \u{202f}.']?"))).expect("a number")
}

fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder: PathBuf| folder.join(program))
        .find(|file: &PathBuf| Path::is_file(file))
}
