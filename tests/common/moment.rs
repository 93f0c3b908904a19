//! Runs in no time: the engine and the sandbox in one process without sockets, under a clock that jumps to the next
//! thing to happen. Hours of throttling pass in seconds, and nobody depends on how fast the machine is.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use avatar_sync::connector::entra::{EntraSettings, EntraSource};
use avatar_sync::connector::http::{Answer, Fault, FaultKind, Origin, Outgoing, Secret, Transport, Wire};
use avatar_sync::connector::servicenow::{
    ServiceNowAuth, ServiceNowSettings, ServiceNowTarget, instance_origin,
};
use avatar_sync::domain::plan::Limits;
use avatar_sync::engine::{Depth, Engine, EngineSettings, RunControl};
use avatar_sync::sandbox::exchange::Request;
use avatar_sync::sandbox::{Exchanged, Sandbox};
use avatar_sync::store::journal::RunKind;
use avatar_sync::store::{Access, Store, StorePaths};
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::checker::Checker;
use super::{Ended, Stage};

/// A stage whose clock stands still until somebody waits.
pub struct Moment {
    pub stage: Stage,
}

/// How a run has ended, and how long it took by its own clock.
#[derive(Debug)]
pub struct Run {
    pub ended: Ended,
    pub took: Duration,
}

impl Moment {
    /// Stops the clock of a stage.
    pub fn of(stage: Stage) -> Self {
        stage.sandbox.world().clock.stop();
        Self { stage }
    }

    /// A full run, checked in every respect.
    #[track_caller]
    pub fn sync(&self) -> Run {
        self.sync_with(|checker| checker)
    }

    /// The same, with a word to the checker about what this scenario is.
    #[track_caller]
    pub fn sync_with(&self, word: impl FnOnce(Checker<'_>) -> Checker<'_>) -> Run {
        let checker = word(Checker::begin(&self.stage));
        let run = self.run();
        checker.took_minutes(run.took.as_secs_f64() / 60.0).assert();
        run
    }

    /// Scans everybody, plans and applies, as `sync` does.
    fn run(&self) -> Run {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            // The journal writes on a thread of its own, of which the clock knows nothing: it would jump meanwhile.
            .on_thread_park(|| std::thread::sleep(Duration::from_micros(200)))
            .build()
            .expect("a runtime");
        let run = runtime.block_on(async {
            let begun = Instant::now();
            // The sandbox is lent to the connectors for as long as this run; both end with it.
            let engine = self.engine(begun);
            let cancel = CancellationToken::new();
            let scan = engine
                .scan(
                    Depth::Settled,
                    &|_: avatar_sync::engine::ScanEvent<'_>| {},
                    &cancel,
                )
                .await;
            let scan = scan.expect("the scan comes to its end");
            let plan = engine.plan(&scan).await;
            let (events, mut received) = tokio::sync::mpsc::channel(1_024);
            let control = RunControl::new().of_kind(RunKind::Sync);
            let applying = engine.apply(plan, &Limits::NONE, &control, events);
            let listening = async {
                let mut said = Vec::new();
                while let Some(event) = received.recv().await {
                    avatar_sync::report::run::write_json(&mut said, &event).expect("memory");
                }
                said
            };
            let (report, said) = tokio::join!(applying, listening);
            let report = report.expect("the run comes to its end");
            let ended = Ended {
                code: if report.stopped.is_some() {
                    1
                } else if report.summary.failed > 0 {
                    4
                } else {
                    0
                },
                stdout: String::from_utf8(said).expect("JSON is UTF-8"),
                stderr: String::new(),
            };
            Run {
                ended,
                took: begun.elapsed(),
            }
        });
        self.stage.heard(run.ended.clone());
        run
    }

    fn engine(&self, begun: Instant) -> Engine {
        let sandbox = &self.stage.sandbox;
        let credentials = Arc::clone(&sandbox.world().credentials);
        let transport = || {
            Transport::over(Arc::new(Memory {
                sandbox: Arc::clone(sandbox),
                begun,
            }))
        };
        let origin = |url: &str| Origin::parse(url).expect("loopback");
        let source = EntraSource::new(
            EntraSettings::new(
                origin(sandbox.entra_url()),
                origin(sandbox.entra_url()),
                credentials.tenant_id.clone(),
                credentials.client_id.clone(),
                Secret::new(credentials.client_secret.clone()),
            ),
            &transport(),
        );
        let target = ServiceNowTarget::new(
            ServiceNowSettings::new(
                instance_origin(sandbox.servicenow_url()).expect("loopback"),
                ServiceNowAuth::ClientCredentials {
                    client_id: credentials.servicenow_client_id.clone(),
                    client_secret: Secret::new(credentials.servicenow_client_secret.clone()),
                },
            ),
            &transport(),
        );
        let paths = StorePaths {
            state_dir: self.stage.home().join("avatar_sync_state_dir"),
            cache_dir: self.stage.home().join("avatar_sync_cache_dir"),
            profile: "default".into(),
        };
        Engine::new(
            Arc::new(source.expect("good settings")),
            Arc::new(target.expect("good settings")),
            Arc::new(Store::open(&paths, Access::Write).expect("a fresh store opens")),
            EngineSettings::usual("default"),
        )
    }

    /// What `GET /traffic` says of a lane.
    pub fn lane(&self, lane: &str, key: &str) -> u64 {
        let traffic: Value = self.stage.control("/traffic");
        traffic["lanes"][lane][key].as_u64().expect("a number")
    }
}

/// A wire that ends in a sandbox without sockets.
struct Memory {
    sandbox: Arc<Sandbox>,
    begun: Instant,
}

#[async_trait]
impl Wire for Memory {
    async fn exchange(&self, outgoing: Outgoing) -> Result<Answer, Fault> {
        let url = outgoing.address.url();
        let request = Request {
            method: outgoing.method.clone(),
            path: url.path().to_owned(),
            query: url.query().unwrap_or_default().to_owned(),
            headers: outgoing.headers.clone(),
            body: outgoing.body.clone(),
            base: url.origin().ascii_serialization(),
        };
        let elapsed = || self.begun.elapsed();
        let exchanged = tokio::time::timeout(outgoing.total, self.sandbox.exchange(request, &elapsed)).await;
        let fault = |kind, words| Err(Fault::new(kind, words));
        match exchanged {
            Err(_) => fault(FaultKind::TimedOut, "no answer in time"),
            Ok(None) => fault(FaultKind::NotSent, "nobody listens there"),
            Ok(Some(Exchanged::Broken)) => fault(FaultKind::Broken, "the connection broke"),
            Ok(Some(Exchanged::Endless)) => fault(FaultKind::TooLarge(outgoing.body_cap), "no end"),
            Ok(Some(Exchanged::Stalled)) => {
                tokio::time::sleep(outgoing.total).await;
                fault(FaultKind::TimedOut, "not finished")
            }
            Ok(Some(Exchanged::Answered(response))) => Ok(Answer {
                status: response.status,
                headers: response.headers,
                body: response.body,
            }),
        }
    }
}
