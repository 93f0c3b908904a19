//! What a program takes from the system, itself and its children together, as Linux tells it.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

/// Ticks a second in `/proc/…/stat`; a constant of Linux's interface to programs.
const TICKS: f64 = 100.0;

/// What has been used up to now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub cpu: Duration,
    /// How often a thread went to sleep, and so how often it was woken.
    pub sleeps: u64,
    /// The most memory that was ever resident, in bytes.
    pub peak: u64,
    pub threads: u64,
}

/// Reads it; `None` where there is no `/proc`.
pub fn usage(pid: u32) -> Option<Usage> {
    let mut all = Usage::default();
    for process in tree(pid)? {
        let folder = Path::new("/proc").join(process.to_string());
        // A process may end between the listing and the reading.
        let Some((_, stat)) = stat(&folder) else { continue };
        let ticks: f64 = stat[11..13]
            .iter()
            .filter_map(|text| text.parse::<f64>().ok())
            .sum();
        all.cpu += Duration::from_secs_f64(ticks / TICKS);
        let status = std::fs::read_to_string(folder.join("status")).unwrap_or_default();
        all.peak += number(&status, "VmHWM:") * 1_024;
        all.threads += number(&status, "Threads:");
        for thread in std::fs::read_dir(folder.join("task"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let status = std::fs::read_to_string(thread.path().join("status")).unwrap_or_default();
            all.sleeps += number(&status, "voluntary_ctxt_switches:");
        }
    }
    Some(all)
}

fn number(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// The parent and the fields of `stat` from the third on.
fn stat(folder: &Path) -> Option<(u32, Vec<String>)> {
    let text = std::fs::read_to_string(folder.join("stat")).ok()?;
    let fields: Vec<String> = text
        .rsplit_once(')')?
        .1
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    Some((fields.get(1)?.parse().ok()?, fields))
}

/// A process and everything it has started.
fn tree(pid: u32) -> Option<Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        if let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok())
            && let Some((parent, _)) = stat(&entry.path())
        {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut all = vec![pid];
    let mut next = 0;
    while let Some(process) = all.get(next) {
        let more = children.remove(process).unwrap_or_default();
        all.extend(more);
        next += 1;
    }
    Some(all)
}
