//! How long a service takes to answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;

use crate::sandbox::faults::unit;

/// The modelled time of one service call, network included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Latency {
    /// As fast as the machine is.
    #[default]
    None,
    /// Always the same.
    Fixed(Duration),
    /// Log-normal: half of the calls take no longer than the median, 99 % no longer than `p99` (`entra.md` 9.1).
    LogNormal {
        /// Middle value.
        median: Duration,
        /// 99th percentile; below the median it counts as the median.
        p99: Duration,
    },
}

impl Latency {
    /// Always the same; none if it is zero.
    pub fn fixed(duration: Duration) -> Self {
        if duration.is_zero() {
            Self::None
        } else {
            Self::Fixed(duration)
        }
    }

    /// A median in milliseconds, with a 99th percentile if calls are to differ.
    pub fn from_millis(median: u64, p99: Option<u64>) -> Self {
        let median = Duration::from_millis(median);
        match p99 {
            Some(p99) if !median.is_zero() => Self::LogNormal {
                median,
                p99: Duration::from_millis(p99),
            },
            _ => Self::fixed(median),
        }
    }
}

/// Draws latencies: the n-th draw of a seed is always the same.
#[derive(Debug)]
pub struct LatencyModel {
    current: RwLock<Latency>,
    seed: u64,
    ordinal: AtomicU64,
}

impl LatencyModel {
    /// Starts a sequence.
    pub fn new(latency: Latency, seed: u64) -> Self {
        Self {
            current: RwLock::new(latency),
            seed,
            ordinal: AtomicU64::new(0),
        }
    }

    /// The distribution in force.
    pub fn current(&self) -> Latency {
        *self.current.read()
    }

    /// Changes the distribution for requests from now on.
    pub fn set(&self, latency: Latency) {
        *self.current.write() = latency;
    }

    /// The latency of the next call.
    pub fn draw(&self) -> Duration {
        match self.current() {
            Latency::None => Duration::ZERO,
            Latency::Fixed(duration) => duration,
            Latency::LogNormal { median, p99 } => {
                let ordinal = self.ordinal.fetch_add(1, Ordering::Relaxed);
                log_normal(median, p99, normal(self.seed, ordinal))
            }
        }
    }
}

/// How many standard deviations above the mean the 99th percentile of a normal distribution lies.
const P99_DEVIATIONS: f64 = 2.326_347_874;
/// No draw is longer than this, however wide the distribution.
const LONGEST: Duration = Duration::from_mins(10);

fn log_normal(median: Duration, p99: Duration, deviation: f64) -> Duration {
    if median.is_zero() {
        return Duration::ZERO;
    }
    let spread = (p99.as_secs_f64() / median.as_secs_f64()).max(1.0).ln() / P99_DEVIATIONS;
    let seconds = median.as_secs_f64() * (spread * deviation).exp();
    Duration::try_from_secs_f64(seconds).map_or(LONGEST, |drawn| drawn.min(LONGEST))
}

/// The `ordinal`-th normally distributed number of a seed (Box and Muller's transformation).
fn normal(seed: u64, ordinal: u64) -> f64 {
    let radius = unit(seed, ordinal.wrapping_mul(2));
    let angle = unit(seed, ordinal.wrapping_mul(2).wrapping_add(1));
    (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRAPH: Latency = Latency::LogNormal {
        median: Duration::from_millis(90),
        p99: Duration::from_millis(400),
    };

    fn draws(seed: u64, count: usize) -> Vec<Duration> {
        let model = LatencyModel::new(GRAPH, seed);
        (0..count).map(|_| model.draw()).collect()
    }

    #[test]
    fn a_log_normal_latency_meets_its_median_and_its_99th_percentile() {
        let mut drawn = draws(1, 20_000);
        drawn.sort();
        let median = drawn[10_000].as_millis();
        let p99 = drawn[19_800].as_millis();

        assert!((87..=93).contains(&median), "median {median} ms");
        assert!((370..=430).contains(&p99), "p99 {p99} ms");
    }

    #[test]
    fn the_same_seed_draws_the_same_latencies() {
        assert_eq!(draws(5, 100), draws(5, 100));
        assert_ne!(draws(5, 100), draws(6, 100));
    }

    #[test]
    fn a_p99_below_the_median_means_no_spread() {
        let model = LatencyModel::new(
            Latency::LogNormal {
                median: Duration::from_millis(50),
                p99: Duration::from_millis(10),
            },
            1,
        );
        assert!((0..100).all(|_| model.draw() == Duration::from_millis(50)));
    }

    #[test]
    fn a_change_holds_for_the_next_call() {
        let model = LatencyModel::new(Latency::None, 1);
        assert_eq!(model.draw(), Duration::ZERO);
        model.set(Latency::Fixed(Duration::from_millis(30)));
        assert_eq!(model.draw(), Duration::from_millis(30));
    }
}
