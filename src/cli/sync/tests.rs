//! Many runs in one process.

use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::aftermath::Aftermath;
use super::scheduled::Scheduled;
use super::{Runner, connect::Connection};
use crate::cli::output::Output;
use crate::cli::{WriteArguments, demo};
use crate::config::values::ScheduleValues;
use crate::report::text::Look;
use crate::sandbox::{self, SandboxOptions};
use crate::schedule::{After, Clock, First, Jitter, Moment, News, Pacer, Schedule, Work, repeat};
use crate::store::Access;

/// How many runs.
const RUNS: u32 = 1_000;
/// Caches, pools and the first growth of the journal are behind it by then.
const SETTLED: u32 = 100;

/// A clock whose sleeps are over at once.
struct QuickClock(Mutex<Moment>);

#[async_trait]
impl Clock for QuickClock {
    fn now(&self) -> Moment {
        *self.0.lock()
    }

    async fn sleep(&self, time: Duration) {
        let mut now = self.0.lock();
        now.steady += time;
        now.wall += SignedDuration::try_from(time).expect("a minute at most");
    }
}

/// Ends after so many runs, and notes what the process holds in memory.
struct Counted<'a, 'b> {
    work: Scheduled<'a, 'b>,
    resident: Vec<u64>,
}

#[async_trait(?Send)]
impl Work for Counted<'_, '_> {
    async fn run(&mut self, before: Timestamp) -> After {
        let after = self.work.run(before).await;
        assert_eq!(after, After::GoOn);
        self.resident.push(resident_bytes());
        if self.resident.len() as u32 == RUNS {
            return After::End(0);
        }
        after
    }

    fn tell(&mut self, news: News) {
        self.work.tell(news);
    }
}

/// Bytes of memory that this process holds; 0 where that cannot be asked.
fn resident_bytes() -> u64 {
    let Ok(text) = std::fs::read_to_string("/proc/self/statm") else {
        return 0;
    };
    let pages: u64 = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("the second figure of statm");
    pages * 4_096
}

/// Alone in its process, since it looks at the whole process:
/// `cargo test --lib a_thousand_runs -- --ignored --exact --nocapture cli::sync::tests::a_thousand_runs_take_no_more_memory_than_a_hundred`
#[test]
#[ignore = "takes a minute, and looks at the memory of the whole process"]
fn a_thousand_runs_take_no_more_memory_than_a_hundred() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let resident = runtime.block_on(async {
        let options = SandboxOptions {
            users: 20,
            is_throttled: false,
            ..SandboxOptions::default()
        };
        let sandbox = sandbox::start(&options).expect("a sandbox");
        let home = tempfile::tempdir().expect("a folder");
        let configuration = demo::configuration_for(&sandbox, home.path());
        let output = Output {
            look: Look {
                is_ascii: true,
                width: None,
            },
            can_ask: false,
            shows_progress: false,
        };
        let mut values = ScheduleValues::of(&configuration);
        values.health_file = Some(home.path().join("health.json"));
        let mut aftermath =
            Aftermath::new(&output, &configuration, &values, Access::Write).expect("nobody is told");
        let mut runner = Runner {
            output: &output,
            configuration: &configuration,
            connection: Connection::new(&configuration).expect("a whole configuration"),
            write: WriteArguments {
                yes: true,
                ..WriteArguments::default()
            },
            access: Access::Write,
            waits_for_lock: false,
            is_attended: false,
        };
        let clock = QuickClock(Mutex::new(Moment {
            wall: Timestamp::now(),
            steady: Duration::ZERO,
        }));
        let schedule = Schedule::every(Duration::from_mins(40)).expect("within bounds");
        let pacer = Pacer::new(schedule, Jitter::new(None, &["test"]), First::AtOnce, clock.now());
        let mut work = Counted {
            work: Scheduled::new(&mut runner, &mut aftermath),
            resident: Vec::new(),
        };
        let stop = CancellationToken::new();
        assert_eq!(repeat(pacer, &clock, &stop, &mut work).await, Some(0));
        let resident = work.resident;
        sandbox.shutdown().await;
        resident
    });
    let settled = resident[SETTLED as usize - 1];
    let last = resident[RUNS as usize - 1];
    println!("after {SETTLED} runs {settled} bytes, after {RUNS} runs {last} bytes");
    // The sandbox in this process counts requests, which takes a little.
    assert!(
        last <= settled + settled / 20 + 8 * 1024 * 1024,
        "it grows: {settled} bytes after {SETTLED} runs, {last} after {RUNS}"
    );
}
