//! Whole calls against a scripted service, under a paused clock.

mod attempts;
mod signing;
mod telling;
mod waiting;

use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use futures::future::join_all;
use serde_json::json;

use super::super::lane::LaneSettings;
use super::super::secret::Secret;
use super::super::testing::{Reply, Seen, Service, origin};
use super::super::token::{Token, TokenSource};
use super::*;
use crate::connector::{ConnectorError, PauseReason, Priority, Speaker};

fn caller(service: &Arc<Service>) -> Caller {
    caller_with(service, 4, 4)
}

fn caller_with(service: &Arc<Service>, start: usize, cap: usize) -> Caller {
    let settings = LaneSettings {
        name: "test",
        start,
        cap,
    };
    Caller::new("the service", &service.transport(), origin(), Lane::new(settings))
}

fn read(caller: &Caller) -> Call {
    Call::get(caller.address(&["thing"], &[]), "read the thing")
}

fn write(caller: &Caller) -> Call {
    Call::post(caller.address(&["thing"], &[]), "make the thing").json(&json!({"a": 1}))
}

fn ok() -> Reply {
    Reply::json(json!({"result": []}))
}

fn throttled(seconds: &str) -> Reply {
    Reply::status(429).header("retry-after", seconds)
}

/// A source that issues `t1`, `t2` … and counts.
#[derive(Clone)]
struct Issuer {
    issued: Arc<AtomicU32>,
    lifetime: Duration,
}

impl Default for Issuer {
    fn default() -> Self {
        Self {
            issued: Arc::default(),
            lifetime: Duration::from_hours(1),
        }
    }
}

#[async_trait]
impl TokenSource for Issuer {
    async fn fetch(&self) -> Result<Token, Failure> {
        sleep(Duration::from_millis(50)).await;
        let number = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(Token {
            value: Secret::new(format!("t{number}")),
            lifetime: self.lifetime,
        })
    }
}
