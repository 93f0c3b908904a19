//! The figures of one program, and the table and the JSON they go into.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::terminal::Reaction;

/// What came of pressing the same kind of key again and again.
#[derive(Clone, Debug, Default)]
pub struct Presses {
    pub name: &'static str,
    pub reactions: Vec<Reaction>,
    /// Bytes of pictures among those written.
    pub picture_bytes: u64,
}

impl Presses {
    /// Milliseconds until the last byte, at this part of all presses that led to something.
    pub fn last_byte(&self, part: f64) -> Option<f64> {
        percentile(self.reactions.iter().filter_map(|reaction| reaction.last), part)
    }

    /// Milliseconds until what is watched looked as it did in the end, where it changed.
    pub fn settled(&self, part: f64) -> Option<f64> {
        percentile(
            self.reactions.iter().filter_map(|reaction| reaction.settled),
            part,
        )
    }

    /// Milliseconds until the last byte of a picture, where there was one.
    pub fn pictured(&self, part: f64) -> Option<f64> {
        percentile(
            self.reactions.iter().filter_map(|reaction| reaction.pictured),
            part,
        )
    }

    /// Milliseconds until the first byte.
    pub fn first_byte(&self, part: f64) -> Option<f64> {
        percentile(self.reactions.iter().filter_map(|reaction| reaction.first), part)
    }

    /// Bytes of a press, on average.
    pub fn bytes(&self) -> Option<f64> {
        let sum: usize = self.reactions.iter().map(|reaction| reaction.bytes).sum();
        (!self.reactions.is_empty()).then(|| sum as f64 / self.reactions.len() as f64)
    }

    /// Presses that led to nothing.
    pub fn without_output(&self) -> usize {
        self.reactions
            .iter()
            .filter(|reaction| reaction.first.is_none())
            .count()
    }

    fn json(&self) -> Value {
        let of = |figure: &dyn Fn(f64) -> Option<f64>| json!({"p50": round(figure(0.5)), "p95": round(figure(0.95)), "p99": round(figure(0.99)), "max": round(figure(1.0))});
        json!({
            "presses": self.reactions.len(),
            "without_output": self.without_output(),
            "endless": self.reactions.iter().filter(|reaction| reaction.is_endless).count(),
            "first_byte_ms": of(&|part| self.first_byte(part)),
            "list_right_ms": of(&|part| self.settled(part)),
            "pictures_ms": of(&|part| self.pictured(part)),
            "last_byte_ms": of(&|part| self.last_byte(part)),
            "bytes_per_press": round(self.bytes()),
            "picture_bytes_per_press": self.picture_bytes / self.reactions.len().max(1) as u64,
        })
    }
}

/// Everything measured of one program in one situation.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub name: String,
    pub people: usize,
    /// Why there are no figures.
    pub note: Option<String>,
    /// Milliseconds from the start to the first byte, to something to be seen, and to everybody, of every start.
    pub starts: Vec<[Option<f64>; 3]>,
    pub presses: Vec<Presses>,
    /// Milliseconds from the last of many quick presses to the right list.
    pub lag: Option<f64>,
    pub idle_bytes: Option<f64>,
    pub idle_wakes: Option<f64>,
    pub idle_cpu: Option<f64>,
    pub peak_bytes: Option<u64>,
    /// The same when everybody was there for the first time, before anything was pressed or refreshed.
    pub early_peak_bytes: Option<u64>,
    /// Milliseconds from the key that quits to the end.
    pub quit: Option<f64>,
    pub left_behind: Vec<String>,
}

impl Figures {
    /// Of something that could not be measured.
    pub fn absent(name: &str, people: usize, note: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            people,
            note: Some(note.into()),
            ..Self::default()
        }
    }

    fn start(&self, which: usize) -> Option<f64> {
        let all = self.starts.iter().filter_map(|start| start[which]);
        percentile(all.map(|ms| Duration::from_secs_f64(ms / 1e3)), 0.5)
    }

    fn of(&self, name: &str) -> Option<&Presses> {
        self.presses.iter().find(|presses| presses.name == name)
    }

    /// As the JSON has it.
    pub fn json(&self) -> Value {
        let mut keys = Map::new();
        for presses in &self.presses {
            keys.insert(presses.name.to_owned(), presses.json());
        }
        json!({
            "program": self.name,
            "people": self.people,
            "note": self.note,
            "start_ms": {"first_byte": round(self.start(0)), "first_paint": round(self.start(1)),
                "ready": round(self.start(2)), "starts": self.starts.len()},
            "keys": keys,
            "lag_after_repeat_ms": round(self.lag),
            "idle": {"bytes_per_s": round(self.idle_bytes), "wakes_per_s": round(self.idle_wakes),
                "cpu_percent": round(self.idle_cpu)},
            "peak_mib_at_first": self.early_peak_bytes.map(|bytes| bytes >> 20),
            "peak_mib": self.peak_bytes.map(|bytes| bytes >> 20),
            "quit_ms": round(self.quit),
            "left_behind": self.left_behind,
        })
    }

    /// The lines of the table: what, and how much.
    fn lines(&self) -> Vec<(String, String)> {
        let ms = |figure: Option<f64>| figure.map_or("–".into(), |ms| format!("{ms:.1}"));
        let mut lines = vec![
            ("first paint, ms".to_owned(), ms(self.start(1))),
            ("everybody there, ms".into(), ms(self.start(2))),
        ];
        for name in [
            "down",
            "page",
            "end and home",
            "filter",
            "next pair",
            "pair again",
            "next sheet",
            "sheet again",
        ] {
            let presses = self.of(name);
            let both = |figure: &dyn Fn(&Presses, f64) -> Option<f64>| {
                let of = |part| presses.and_then(|presses| figure(presses, part));
                match (of(0.5), of(0.99)) {
                    (Some(half), Some(most)) => format!("{half:.1} / {most:.1}"),
                    _ => "–".into(),
                }
            };
            let is_pictures = name.contains("pair") || name.contains("sheet");
            if is_pictures {
                lines.push((format!("{name}: p50 / p99, ms"), both(&Presses::pictured)));
            } else {
                lines.push((format!("{name}: p50 / p99, ms"), both(&Presses::settled)));
                lines.push((format!("{name}: first byte"), both(&Presses::first_byte)));
            }
            let bytes = presses.and_then(Presses::bytes);
            lines.push((
                format!("{name}: bytes"),
                bytes.map_or("–".into(), |bytes| format!("{bytes:.0}")),
            ));
        }
        let lost: usize = self.presses.iter().map(Presses::without_output).sum();
        let whole = |figure: Option<f64>, digits: usize| {
            figure.map_or("–".into(), |figure| format!("{figure:.digits$}"))
        };
        lines.extend([
            ("presses without output".to_owned(), lost.to_string()),
            ("behind after key repeat, ms".into(), ms(self.lag)),
            ("idle: bytes a second".into(), whole(self.idle_bytes, 0)),
            ("idle: wakes a second".into(), whole(self.idle_wakes, 1)),
            ("idle: CPU, %".into(), whole(self.idle_cpu, 1)),
            (
                "memory when everybody is there, MiB".into(),
                self.early_peak_bytes
                    .map_or("–".into(), |bytes| (bytes >> 20).to_string()),
            ),
            (
                "memory at the peak, MiB".into(),
                self.peak_bytes
                    .map_or("–".into(), |bytes| (bytes >> 20).to_string()),
            ),
            ("quit, ms".into(), ms(self.quit)),
            (
                "left behind".into(),
                if self.left_behind.is_empty() {
                    "nothing".into()
                } else {
                    self.left_behind.join(", ")
                },
            ),
        ]);
        lines
    }
}

/// Prints programs beside each other, without the lines that say nothing about any of them.
pub fn print_table(title: &str, all: &[Figures]) {
    println!("\n{title}\n");
    let (measured, absent): (Vec<&Figures>, Vec<&Figures>) =
        all.iter().partition(|figures| figures.note.is_none());
    let columns: Vec<Vec<(String, String)>> = measured.iter().map(|figures| figures.lines()).collect();
    let width = |column: usize| {
        let cells = columns[column].iter().map(|(_, cell)| cell.chars().count());
        cells
            .max()
            .unwrap_or(0)
            .max(measured[column].name.chars().count())
            .min(40)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let print = |what: &str, cells: Vec<&str>| {
        print!("{what:<36}");
        for (cell, width) in cells.iter().zip(&widths) {
            print!("  {cell:>width$}");
        }
        println!();
    };
    if !measured.is_empty() {
        print("", measured.iter().map(|figures| figures.name.as_str()).collect());
        for (line, (what, _)) in columns[0].iter().enumerate() {
            let cells: Vec<&str> = columns.iter().map(|column| column[line].1.as_str()).collect();
            if cells.iter().any(|cell| *cell != "–") {
                print(what, cells);
            }
        }
    }
    for figures in absent {
        println!(
            "{}: {}",
            figures.name,
            figures.note.as_deref().unwrap_or_default()
        );
    }
}

fn percentile(all: impl Iterator<Item = Duration>, part: f64) -> Option<f64> {
    let mut all: Vec<f64> = all.map(|time| time.as_secs_f64() * 1e3).collect();
    all.sort_by(f64::total_cmp);
    let last = all.len().checked_sub(1)?;
    let position = last as f64 * part;
    let (below, share) = (position.floor(), position.fract());
    let above = all[last.min(below as usize + 1)];
    let below = all[below as usize];
    Some(below + (above - below) * share)
}

fn round(figure: Option<f64>) -> Option<f64> {
    figure.map(|figure| (figure * 100.0).round() / 100.0)
}
