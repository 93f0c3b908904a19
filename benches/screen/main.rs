//! The screen, measured from outside through a terminal, beside other programs of its kind.
//!
//! ```sh
//! cargo bench --bench screen                          # 1,000, 100,000 and 300,000 people
//! cargo bench --bench screen -- --people 1000         # one size
//! cargo bench --bench screen -- --only list           # list, services, pictures or sheet
//! cargo bench --bench screen -- --quick --json f.json # fewer presses; the figures as JSON as well
//! ```
//!
//! *list*: the table over a snapshot, with both services answering, beside `fzf` and `tv` (television) over the same
//! people, one a line. *services*: the same while both services throttle, and while both hang. *pictures*: the next
//! pair in a terminal with kitty's graphics. *sheet*: a screenful of 40 pairs of the contact sheet, made ready before,
//! from the key to the last byte, in kitty's graphics and in Sixel. What is not installed is said to be absent.

#[cfg(unix)]
#[path = "../../tests/common/mod.rs"]
mod common;
#[cfg(unix)]
mod figures;
#[cfg(unix)]
mod probe;
#[cfg(unix)]
mod processes;
#[cfg(unix)]
mod subjects;
#[cfg(unix)]
#[path = "../../tests/common/terminal/mod.rs"]
mod terminal;

#[cfg(not(unix))]
fn main() {
    println!("the screen is measured through a pseudo-terminal, which this system does not have");
}

#[cfg(unix)]
fn main() {
    let wanted = Wanted::from_arguments();
    let mut all = Vec::new();
    for &people in &wanted.people {
        let prepared = subjects::Prepared::new(people);
        println!(
            "\n{people} people; one scan before everything took {:.1} s",
            prepared.scan_took.as_secs_f64()
        );
        let mut table = |title: &str, figures: Vec<figures::Figures>| {
            figures::print_table(&format!("{title}, {people} people"), &figures);
            let situation = serde_json::json!(title);
            all.extend(figures.iter().map(|figures| {
                let mut figures = figures.json();
                figures["situation"] = situation.clone();
                figures
            }));
        };
        if wanted.wants("list") {
            table("The list", prepared.list(wanted.effort));
        }
        if wanted.wants("services") {
            table("The services", prepared.services(wanted.effort));
        }
        if wanted.wants("pictures") {
            table("The pictures", prepared.pictures(wanted.effort));
        }
        if wanted.wants("sheet") {
            table("The contact sheet", prepared.sheet(wanted.effort));
        }
    }
    if let Some(path) = wanted.json {
        let document = serde_json::json!({
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "system": std::env::consts::OS,
            "figures": all,
        });
        std::fs::write(&path, format!("{document:#}\n")).expect("the file can be written");
    }
}

/// What the arguments ask for.
#[cfg(unix)]
struct Wanted {
    people: Vec<usize>,
    only: Option<String>,
    json: Option<std::path::PathBuf>,
    effort: probe::Effort,
}

#[cfg(unix)]
impl Wanted {
    fn from_arguments() -> Self {
        let mut wanted = Self {
            people: Vec::new(),
            only: None,
            json: None,
            effort: probe::Effort {
                starts: 5,
                presses: 200,
                words: 8,
                idle: std::time::Duration::from_secs(5),
            },
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .unwrap_or_else(|| panic!("{argument} wants a value"))
            };
            match argument.as_str() {
                "--people" => wanted.people.push(value().parse().expect("a number of people")),
                "--only" => wanted.only = Some(value()),
                "--json" => wanted.json = Some(value().into()),
                "--quick" => {
                    wanted.effort = probe::Effort {
                        starts: 2,
                        presses: 30,
                        words: 2,
                        idle: std::time::Duration::from_secs(2),
                    };
                }
                // Cargo says this to every benchmark.
                "--bench" => {}
                other => panic!("{other} is not known here; see the top of benches/screen/main.rs"),
            }
        }
        if wanted.people.is_empty() {
            wanted.people = vec![1_000, 100_000, 300_000];
        }
        wanted
    }

    fn wants(&self, what: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == what)
    }
}
