//! When tokens are fetched, and when they are not.

use std::collections::VecDeque;

use futures::future::join_all;
use tokio::time::{advance, sleep};

use super::*;
use crate::connector::http::call::Reason;

/// A source that does what it is told, in order; the last word is repeated.
struct Scripted {
    words: Mutex<VecDeque<Result<u64, ErrorKind>>>,
    asked: Arc<Mutex<u32>>,
}

fn cache(
    margin: u64,
    words: impl IntoIterator<Item = Result<u64, ErrorKind>>,
) -> (Arc<TokenCache>, Arc<Mutex<u32>>) {
    let asked = Arc::default();
    let source = Scripted {
        words: Mutex::new(words.into_iter().collect()),
        asked: Arc::clone(&asked),
    };
    (TokenCache::new(source, Duration::from_secs(margin)), asked)
}

#[async_trait]
impl TokenSource for Scripted {
    async fn fetch(&self) -> Result<Token, Failure> {
        sleep(Duration::from_millis(100)).await;
        let number = {
            let mut asked = self.asked.lock();
            *asked += 1;
            *asked
        };
        let word = {
            let mut words = self.words.lock();
            if words.len() > 1 {
                words.pop_front().expect("more than one")
            } else {
                words.front().expect("at least one").clone()
            }
        };
        match word {
            Ok(seconds) => Ok(Token {
                value: Secret::new(format!("t{number}")),
                lifetime: Duration::from_secs(seconds),
            }),
            Err(kind) => Err(Failure::because("test", "sign in", kind, Reason("no".into()))),
        }
    }
}

async fn current(cache: &TokenCache) -> String {
    cache.token().await.expect("a token").expose().to_owned()
}

#[tokio::test(start_paused = true)]
async fn everybody_who_waits_shares_one_fetch() {
    let (cache, asked) = cache(300, [Ok(3600)]);
    let tokens = join_all((0..50).map(|_| current(&cache))).await;
    assert!(tokens.iter().all(|token| token == "t1"));
    assert_eq!(*asked.lock(), 1);
    crate::tried("D8", 50);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_five_minutes_before_its_end() {
    let (cache, _) = cache(300, [Ok(3600)]);
    assert_eq!(current(&cache).await, "t1");
    advance(Duration::from_secs(3299)).await;
    assert_eq!(current(&cache).await, "t1");
    advance(Duration::from_secs(2)).await;
    assert_eq!(current(&cache).await, "t2");
}

#[test]
fn long_and_short_lives_are_renewed_at_half() {
    let of = |life, margin| renew_after(Duration::from_secs(life), Duration::from_secs(margin)).as_secs();
    assert_eq!(of(3599, 300), 3299);
    assert_eq!(of(7200, 300), 3600);
    assert_eq!(of(86_400, 300), 43_200);
    assert_eq!(of(1800, 60), 1740);
    assert_eq!(of(60, 300), 30);
    assert_eq!(of(0, 300), 0);
}

#[tokio::test(start_paused = true)]
async fn while_one_renews_the_others_go_on_with_what_there_is() {
    let (cache, asked) = cache(300, [Ok(3600)]);
    assert_eq!(current(&cache).await, "t1");
    advance(Duration::from_secs(3400)).await;
    let tokens = join_all((0..3).map(|_| current(&cache))).await;
    assert_eq!(tokens, ["t2", "t1", "t1"]);
    assert_eq!(*asked.lock(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_log_in_service_that_is_down_does_not_matter_while_the_token_lasts() {
    let (cache, asked) = cache(300, [Ok(3600), Err(ErrorKind::Unavailable), Ok(3600)]);
    assert_eq!(current(&cache).await, "t1");
    advance(Duration::from_secs(3400)).await;
    assert_eq!(current(&cache).await, "t1");
    assert_eq!(current(&cache).await, "t1");
    assert_eq!(*asked.lock(), 2, "not asked again at once");
    advance(Duration::from_secs(30)).await;
    assert_eq!(current(&cache).await, "t3");
    crate::tried("D8", 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_sign_in_is_not_repeated_for_a_minute() {
    let (cache, asked) = cache(300, [Err(ErrorKind::SignInRejected), Ok(3600)]);
    for _ in 0..5 {
        let failure = cache.token().await.expect_err("refused");
        assert_eq!(failure.kind, ErrorKind::SignInRejected);
    }
    assert_eq!(*asked.lock(), 1);
    advance(Duration::from_secs(61)).await;
    assert_eq!(current(&cache).await, "t2");
}

#[tokio::test(start_paused = true)]
async fn trouble_is_not_remembered_as_a_refusal() {
    let (cache, _) = cache(300, [Err(ErrorKind::Unavailable), Ok(3600)]);
    cache.token().await.expect_err("trouble");
    assert_eq!(current(&cache).await, "t2");
}

#[tokio::test(start_paused = true)]
async fn a_password_is_tried_twice_and_then_never_again() {
    let asked = Arc::<Mutex<u32>>::default();
    let source = Scripted {
        words: Mutex::new(VecDeque::from([Err(ErrorKind::SignInRejected)])),
        asked: Arc::clone(&asked),
    };
    let cache = TokenCache::for_password(source, Duration::from_mins(1));
    for _ in 0..10 {
        cache.token().await.expect_err("refused");
        advance(Duration::from_hours(1)).await;
    }
    assert_eq!(*asked.lock(), 2);
    crate::tried("D5", 10);
}

#[tokio::test(start_paused = true)]
async fn only_the_token_that_was_refused_is_dropped() {
    let (cache, asked) = cache(300, [Ok(3600)]);
    let old = cache.bearer().await.expect("a token");
    cache.invalidate(old.generation);
    assert!(!cache.is_current(old.generation));
    let new = cache.bearer().await.expect("a token");
    cache.invalidate(old.generation);
    assert!(cache.is_current(new.generation));
    assert_eq!(*asked.lock(), 2);
}
