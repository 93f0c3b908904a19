//! Deaths, rivals and an instance with a will of its own (`reliability.md` 4, G to I), against the real binary and the
//! sandbox over real HTTP. After each of them the checker looks at every instant and at the end.
//!
//! Long forms are marked `#[ignore]`; docs/testing.md has the commands.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

#[path = "../common/mod.rs"]
mod common;

mod instance;
mod kills;
mod limits;
mod machines;
mod memory;

/// Does a job so many times, some of them side by side: programs wait most of their time. Answers what came of each.
fn side_by_side<T: Send>(at_once: usize, times: usize, job: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= times {
                return done;
            }
            done.push(job(number));
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        let done = workers.into_iter().map(ScopedJoinHandle::join);
        // A worker's own panic has been printed; it goes on here.
        done.flat_map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// What a variable says about a long form.
fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |value| value.parse().expect("a number"))
}
