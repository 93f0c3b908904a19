//! Reads that callers who wait at the same time share (`servicenow.md` 2.9, 8).
//!
//! Keys gather while a round is on its way and go out together in the next one. Freshness is exact: a caller joins a
//! round only before its keys are taken, so no answer is older than the question. Nobody owns a round: whoever waits
//! drives it, so a caller may go away at any time, and when all are gone the round is dropped with its requests.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;

use crate::connector::http::Failure;

/// What a round brought: an answer or a failure for every key asked.
pub(super) type Answers<K, V> = HashMap<K, Result<V, Failure>>;

/// Sends one round's keys.
type Fetch<K, V> = dyn Fn(Vec<K>) -> BoxFuture<'static, Answers<K, V>> + Send + Sync;

type Round<K, V> = Shared<Running<K, V>>;

type Running<K, V> = BoxFuture<'static, Arc<Answers<K, V>>>;

/// Gathers keys of one kind of read.
pub(super) struct SharedReads<K: Send + Sync + 'static, V: Send + Sync + 'static> {
    fetch: Arc<Fetch<K, V>>,
    /// A round takes no more keys once it has this many.
    round_limit: usize,
    /// The youngest round, held by its callers alone: when they are gone, so is the round.
    youngest: Mutex<Option<Youngest<K, V>>>,
}

type Youngest<K, V> = (Keys<K>, WeakShared<Running<K, V>>);

/// The keys of a round; `None` once they were taken.
type Keys<K> = Arc<Mutex<Option<HashSet<K>>>>;

impl<K, V> SharedReads<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Reads with `fetch`, at most `round_limit` keys a round (more if one caller brings more).
    pub(super) fn new(
        round_limit: usize,
        fetch: impl Fn(Vec<K>) -> BoxFuture<'static, Answers<K, V>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            fetch: Arc::new(fetch),
            round_limit,
            youngest: Mutex::new(None),
        }
    }

    /// Reads these keys, together with those of everybody else who waits. The first failure of a key fails the call.
    pub(super) async fn load(&self, keys: Vec<K>) -> Result<HashMap<K, V>, Failure> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let round = self.join(&keys);
        // Whoever is ready to ask now comes along.
        tokio::task::yield_now().await;
        let answers = round.await;
        let mut own = HashMap::with_capacity(keys.len());
        for key in keys {
            match answers.get(&key) {
                Some(Ok(value)) => _ = own.insert(key, value.clone()),
                Some(Err(failure)) => return Err(failure.clone()),
                None => {}
            }
        }
        Ok(own)
    }

    /// Joins the round that gathers, or opens the next one.
    fn join(&self, keys: &[K]) -> Round<K, V> {
        let mut youngest = self.youngest.lock();
        let before = match youngest.take() {
            Some((gathered, round)) => match round.upgrade() {
                Some(running) => {
                    if let Some(open) = gathered
                        .lock()
                        .as_mut()
                        .filter(|open| open.len() < self.round_limit)
                    {
                        open.extend(keys.iter().cloned());
                        *youngest = Some((Arc::clone(&gathered), round));
                        return running;
                    }
                    Some(running)
                }
                None => None,
            },
            None => None,
        };
        let gathered: Keys<K> = Arc::new(Mutex::new(Some(keys.iter().cloned().collect())));
        let taken = Arc::clone(&gathered);
        let fetch = Arc::clone(&self.fetch);
        let round = async move {
            if let Some(before) = before {
                before.await;
            }
            let keys = taken.lock().take().unwrap_or_default();
            Arc::new(fetch(keys.into_iter().collect()).await)
        }
        .boxed()
        .shared();
        *youngest = round.downgrade().map(|weak| (gathered, weak));
        round
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::ErrorKind;

    /// A service whose rounds wait until the test lets them go.
    struct Service {
        reads: SharedReads<&'static str, usize>,
        rounds: Arc<Mutex<Vec<Vec<&'static str>>>>,
        go: Arc<tokio::sync::Semaphore>,
    }

    fn service(round_limit: usize) -> Service {
        let rounds = Arc::new(Mutex::new(Vec::new()));
        let go = Arc::new(tokio::sync::Semaphore::new(0));
        let (log, gate) = (Arc::clone(&rounds), Arc::clone(&go));
        let reads = SharedReads::new(round_limit, move |mut keys: Vec<&'static str>| {
            let (log, gate) = (Arc::clone(&log), Arc::clone(&gate));
            async move {
                keys.sort_unstable();
                let number = {
                    let mut log = log.lock();
                    log.push(keys.clone());
                    log.len()
                };
                gate.acquire().await.expect("never closed").forget();
                keys.into_iter()
                    .map(|key| {
                        let answer = if key == "bad" {
                            let words = std::io::Error::other("its own words");
                            Err(Failure::because("ServiceNow", "read", ErrorKind::Refused, words))
                        } else {
                            Ok(number)
                        };
                        (key, answer)
                    })
                    .collect()
            }
            .boxed()
        });
        Service { reads, rounds, go }
    }

    /// Lets everything run that can.
    async fn settle() {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn callers_who_ask_at_once_share_one_round_and_one_key() {
        let service = service(10);
        service.go.add_permits(1);
        let (a, b, c) = tokio::join!(
            service.reads.load(vec!["a"]),
            service.reads.load(vec!["b"]),
            service.reads.load(vec!["a", "c"]),
        );
        assert_eq!(*service.rounds.lock(), [vec!["a", "b", "c"]]);
        assert_eq!(a.unwrap(), HashMap::from([("a", 1)]));
        assert_eq!(b.unwrap(), HashMap::from([("b", 1)]));
        assert_eq!(c.unwrap(), HashMap::from([("a", 1), ("c", 1)]));
    }

    #[tokio::test]
    async fn a_caller_who_asks_after_the_keys_were_sent_gets_a_later_answer() {
        let service = Arc::new(service(10));
        let ask = |key| {
            let service = Arc::clone(&service);
            tokio::spawn(async move { service.reads.load(vec![key]).await.unwrap()[key] })
        };
        let first = ask("a");
        settle().await;
        let later = [ask("a"), ask("b"), ask("c")];
        settle().await;
        assert_eq!(
            *service.rounds.lock(),
            [vec!["a"]],
            "the others gather while the first is under way"
        );
        service.go.add_permits(2);
        assert_eq!(first.await.unwrap(), 1);
        for caller in later {
            assert_eq!(caller.await.unwrap(), 2);
        }
        assert_eq!(*service.rounds.lock(), [vec!["a"], vec!["a", "b", "c"]]);
    }

    #[tokio::test]
    async fn a_full_round_leaves_the_rest_to_the_next() {
        let service = service(2);
        service.go.add_permits(2);
        let answers = tokio::join!(
            service.reads.load(vec!["a"]),
            service.reads.load(vec!["b"]),
            service.reads.load(vec!["c"]),
        );
        assert_eq!(answers.0.unwrap()["a"], 1);
        assert_eq!(answers.2.unwrap()["c"], 2);
        assert_eq!(*service.rounds.lock(), [vec!["a", "b"], vec!["c"]]);
    }

    #[tokio::test]
    async fn a_caller_who_goes_away_does_not_take_the_answer_with_him() {
        let service = Arc::new(service(10));
        let ask = |key| {
            let service = Arc::clone(&service);
            tokio::spawn(async move { service.reads.load(vec![key]).await })
        };
        let leader = ask("a");
        let follower = ask("b");
        settle().await;
        leader.abort();
        settle().await;
        service.go.add_permits(1);
        assert_eq!(follower.await.unwrap().unwrap()["b"], 1);
        assert_eq!(service.rounds.lock().len(), 1);
    }

    #[tokio::test]
    async fn a_round_nobody_waits_for_is_dropped_and_holds_up_nobody() {
        let service = Arc::new(service(10));
        let gone = tokio::spawn({
            let service = Arc::clone(&service);
            async move { service.reads.load(vec!["a"]).await }
        });
        settle().await;
        gone.abort();
        settle().await;
        service.go.add_permits(1);
        assert_eq!(service.reads.load(vec!["b"]).await.unwrap()["b"], 2);
    }

    #[tokio::test]
    async fn a_failure_reaches_its_callers_alone_with_the_services_own_words() {
        let service = service(10);
        service.go.add_permits(1);
        let (good, bad) = tokio::join!(service.reads.load(vec!["a"]), service.reads.load(vec!["bad"]));
        assert_eq!(good.unwrap()["a"], 1);
        let error = bad.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused);
        let cause = std::error::Error::source(&error).expect("a cause");
        assert_eq!(cause.to_string(), "its own words");
    }
}
