//! Where the parts are put together: configuration → connectors, store, engine. The only place that knows all of them.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use super::interrupt::on_interrupt;
use super::output::Output;
use super::{GlobalArguments, exit};
use crate::config::values::{EntraValues, ServiceNowValues, SignIn, VaultValues};
use crate::config::{self, Configuration, FlagValues, Values};
use crate::connector::ErrorKind;
use crate::connector::entra::{Concurrency, EntraSettings, EntraSource, PhotoSize};
use crate::connector::http::{Origin, RequestLog, Transport, TransportSettings};
use crate::connector::servicenow::{
    ServiceNowAuth, ServiceNowSettings, ServiceNowTarget, WriteMode, instance_origin,
};
use crate::domain::litter::CleaningOptions;
use crate::domain::plan::{Limits, Plan};
use crate::domain::text::clean;
use crate::domain::tidying::TidyPlan;
use crate::engine::{
    Depth, Engine, EngineError, EngineSettings, FindError, FoundCandidate, Outstanding, ResumeError,
    Resumption, Scan, ScanEvent, ScanObserver, ScanSink, Scanned,
};
use crate::report::progress::{self, Progress};
use crate::report::text::Look;
use crate::store::keys::{self, Encryption, KeySettings, Keys};
use crate::store::{Access, Retention, Store, StoreError, StoreOptions, StorePaths};

/// Reads the configuration with the process's environment.
pub fn configuration(global: &GlobalArguments, flags: FlagValues) -> Result<Configuration, Failure> {
    Ok(config::load(global.profile.as_deref(), flags, &|name| {
        std::env::var(name).ok()
    })?)
}

/// Where a profile's local data is.
pub fn store_paths(configuration: &Configuration) -> StorePaths {
    StorePaths {
        state_dir: configuration.paths.state.clone(),
        cache_dir: configuration.paths.cache.clone(),
        profile: configuration.profile.clone(),
    }
}

/// How a profile's local data is kept. Nothing is read or asked before a store is opened with it.
pub fn store_options(configuration: &Configuration) -> StoreOptions {
    let VaultValues {
        encryption,
        key,
        key_file,
        retention_days,
    } = VaultValues::of(configuration);
    let settings = KeySettings {
        encryption: match encryption.as_str() {
            "required" => Encryption::Required,
            "off" => Encryption::Off,
            _ => Encryption::Auto,
        },
        key: key.map(|key| key.expose().to_owned().into()),
        key_file,
        secret_store: Some(keys::native()),
    };
    StoreOptions {
        keys: Some(Arc::new(Keys::new(settings, configuration.profile.as_str()))),
        retention: Retention { days: retention_days },
    }
}

/// Opens a profile's local data.
pub fn open_store(configuration: &Configuration, access: Access) -> Result<Store, Failure> {
    Store::open_with(&store_paths(configuration), access, &store_options(configuration))
        .map_err(store_failure)
}

/// Local data that cannot be used, with what to do.
pub fn store_failure(error: StoreError) -> Failure {
    match error {
        StoreError::Key(error) => {
            let hint = error.hint();
            Failure::usage(error).with_hint(hint)
        }
        StoreError::Locked { .. } => Failure::new(exit::LOCKED, error)
            .with_hint("wait for it, or look on with --dry-run, `status` or `plan`, which need no lock"),
        error => Failure::new(exit::UNEXPECTED, error),
    }
}

/// An engine for the profile in force, with what the command line needs around it.
pub struct Session {
    /// The engine.
    pub engine: Arc<Engine>,
    /// The administrator's limits.
    pub limits: Limits,
    /// The tenant, for sentences.
    pub tenant: String,
    /// The instance, for sentences.
    pub instance: String,
    /// The requests of both sides.
    pub requests: Vec<RequestLog>,
    profile: String,
    parts: Parts,
}

/// What an engine is made of beside its store: another one shares gates, tokens and pauses with the first.
#[derive(Clone)]
struct Parts {
    source: Arc<EntraSource>,
    target: Arc<ServiceNowTarget>,
    settings: EngineSettings,
    account: String,
    paths: StorePaths,
    options: StoreOptions,
}

impl Parts {
    fn engine(&self, access: Access) -> Result<Engine, StoreError> {
        let store = Store::open_with(&self.paths, access, &self.options)?;
        for note in store.notes() {
            tracing::warn!(note);
        }
        let (source, target) = (Arc::clone(&self.source), Arc::clone(&self.target));
        Ok(
            Engine::new(source, target, Arc::new(store), self.settings.clone())
                .with_account(self.account.clone()),
        )
    }
}

/// Connections and settings without local data: sessions that follow one another share gates, tokens and pauses, and a
/// password that was refused is not tried again.
pub struct Connection {
    limits: Limits,
    tenant: String,
    instance: String,
    requests: Vec<RequestLog>,
    profile: String,
    parts: Parts,
    /// A password that is refused too often locks its account.
    signs_in_with_password: bool,
}

impl Connection {
    /// Puts the parts together; nothing is sent yet.
    pub fn new(configuration: &Configuration) -> Result<Self, Failure> {
        let values = Values::of(configuration)?;
        let mut requests = Vec::new();
        let source = {
            let transport = transport(values.entra.ca_file.as_deref(), values.entra.concurrency.cap);
            requests.push(transport.log().clone());
            EntraSource::new(entra_settings(&values.entra)?, &transport).map_err(connector_failure)?
        };
        let servicenow = servicenow_settings(&values.servicenow)?;
        let instance = servicenow.origin.to_string();
        let target = {
            let transport = transport(
                values.servicenow.ca_file.as_deref(),
                values.servicenow.concurrency.cap,
            );
            requests.push(transport.log().clone());
            ServiceNowTarget::new(servicenow, &transport).map_err(connector_failure)?
        };
        let signs_in_with_password = !matches!(values.servicenow.sign_in, SignIn::Client { .. });
        let account = match &values.servicenow.sign_in {
            SignIn::Client { id, .. } => id.clone(),
            SignIn::PasswordGrant { username, .. } | SignIn::Basic { username, .. } => username.clone(),
        };
        Ok(Self {
            limits: values.limits,
            tenant: clean(&values.entra.tenant).into_owned(),
            instance,
            requests,
            profile: configuration.profile.clone(),
            parts: Parts {
                source: Arc::new(source),
                target: Arc::new(target),
                settings: values.engine,
                account,
                paths: store_paths(configuration),
                options: store_options(configuration),
            },
            signs_in_with_password,
        })
    }

    /// Forgets that a sign-in was refused, so that the next session tries again. A password stays refused: further
    /// tries could lock its account.
    pub fn forget_refusals(&mut self, configuration: &Configuration) -> Result<(), Failure> {
        let mut fresh = Self::new(configuration)?;
        // A key that came through a file descriptor can be read only once.
        fresh.parts.options = self.parts.options.clone();
        if self.signs_in_with_password {
            self.parts.source = fresh.parts.source;
            // Entra's log comes first.
            self.requests.splice(..1, fresh.requests.into_iter().take(1));
        } else {
            *self = fresh;
        }
        Ok(())
    }

    /// Opens the local data.
    pub fn session(&self, access: Access) -> Result<Session, Failure> {
        Ok(Session {
            engine: Arc::new(self.parts.engine(access).map_err(store_failure)?),
            limits: self.limits,
            tenant: self.tenant.clone(),
            instance: self.instance.clone(),
            requests: self.requests.clone(),
            profile: self.profile.clone(),
            parts: self.parts.clone(),
        })
    }
}

impl Session {
    /// Puts the parts together and opens the local data; nothing is sent yet.
    pub fn open(configuration: &Configuration, access: Access) -> Result<Self, Failure> {
        Connection::new(configuration)?.session(access)
    }

    /// Another engine over the same connections, for writing: takes the profile's lock. Blocks for milliseconds.
    pub fn writer(&self) -> impl Fn() -> Result<Arc<Engine>, StoreError> + Send + Sync + use<> {
        let parts = self.parts.clone();
        move || parts.engine(Access::Write).map(Arc::new)
    }

    /// Where the profile's local data is.
    pub fn paths(&self) -> &StorePaths {
        &self.parts.paths
    }

    /// Which systems, under which profile.
    pub fn headline(&self, look: Look) -> String {
        let arrow = look.arrow();
        format!(
            "{} {arrow} {}{}profile {}",
            self.tenant,
            self.instance,
            look.dot(),
            self.profile
        )
    }

    /// A full scan with progress, everybody kept; Ctrl-C ends it.
    pub async fn scan(&self, output: &Output, depth: Depth) -> Result<Scan, Failure> {
        self.following(output, async |progress, cancel| {
            self.engine.scan(depth, progress, cancel).await
        })
        .await
    }

    /// A full scan with progress, handed to `sink`; Ctrl-C ends it.
    pub async fn scan_into<S: ScanSink>(
        &self,
        output: &Output,
        depth: Depth,
        sink: S,
    ) -> Result<(Scanned, S), Failure> {
        self.following(output, async |progress, cancel| {
            self.engine.scan_into(depth, sink, progress, cancel).await
        })
        .await
    }

    /// A plan for everybody, with progress, and what went wrong without ending the scan; Ctrl-C ends it.
    pub async fn plan(&self, output: &Output) -> Result<(Plan, Vec<String>), Failure> {
        let candidates = self.engine.candidates();
        let (scanned, candidates) = self.scan_into(output, Depth::Settled, candidates).await?;
        let Scanned { listed, problems, .. } = scanned;
        let (scanned_at, complete) = (listed.scanned_at, listed.complete);
        let suspicions = listed.listing.suspicions();
        drop(listed);
        let plan = self
            .engine
            .plan_for(candidates, scanned_at, complete, &suspicions)
            .await;
        Ok((plan, problems))
    }

    async fn following<T>(
        &self,
        output: &Output,
        scan: impl AsyncFnOnce(&dyn ScanObserver, &CancellationToken) -> Result<T, EngineError>,
    ) -> Result<T, Failure> {
        let progress = output.progress(true);
        let cancel = CancellationToken::new();
        let interrupt = on_interrupt({
            let cancel = cancel.clone();
            move || cancel.cancel()
        });
        let is_ascii = output.look.is_ascii;
        let observer = |event: ScanEvent<'_>| show(&progress, &event, is_ascii);
        let scanned = self
            .watching_waits(&progress, is_ascii, scan(&observer, &cancel))
            .await
            .map_err(engine_failure);
        interrupt.abort();
        scanned
    }

    /// The people named by PERSON arguments.
    pub async fn scan_people(&self, people: &[String], depth: Depth) -> Result<Scan, Failure> {
        self.engine
            .scan_people(people, depth)
            .await
            .map_err(engine_failure)
    }

    /// What can be cleared away, with progress; Ctrl-C ends it.
    pub async fn cleaning_plan(
        &self,
        output: &Output,
        people: &[String],
        options: CleaningOptions,
    ) -> Result<TidyPlan, Failure> {
        let progress = output.progress(true);
        let cancel = CancellationToken::new();
        let interrupt = on_interrupt({
            let cancel = cancel.clone();
            move || cancel.cancel()
        });
        let is_ascii = output.look.is_ascii;
        let observer = |event: ScanEvent<'_>| show(&progress, &event, is_ascii);
        let looking = self.engine.cleaning_plan(people, options, &observer, &cancel);
        let planned = self
            .watching_waits(&progress, is_ascii, looking)
            .await
            .map_err(engine_failure);
        interrupt.abort();
        progress.finish();
        planned
    }

    /// A new plan for those of a run who are outstanding, with progress; Ctrl-C ends it.
    pub async fn resumption(
        &self,
        output: &Output,
        outstanding: &Outstanding,
    ) -> Result<Resumption, ResumeError> {
        let progress = output.progress(true);
        let cancel = CancellationToken::new();
        let interrupt = on_interrupt({
            let cancel = cancel.clone();
            move || cancel.cancel()
        });
        let is_ascii = output.look.is_ascii;
        let observer = |event: ScanEvent<'_>| show(&progress, &event, is_ascii);
        let looking = self.engine.resumption(outstanding, &observer, &cancel);
        // A scan is under way in there, which is more than belongs on a stack.
        let planned = Box::pin(self.watching_waits(&progress, is_ascii, looking)).await;
        interrupt.abort();
        progress.finish();
        planned
    }

    /// Says what is odd about the local data, and finishes what a run that was cut off has left, before anything new is
    /// sent: with progress, in events where they are wanted; Ctrl-C ends it.
    pub async fn recover(&self, output: &Output, is_json: bool) -> Result<(), Failure> {
        for note in self.engine.notes() {
            output.talk(&format!("note: {}", clean(&note)));
        }
        // Pushes are under way in there, which is more than belongs on a stack.
        Box::pin(super::writing::settle(output, self, is_json)).await
    }

    /// Says on the progress line when a service makes us wait, so that nobody takes a pause for a standstill.
    pub async fn watching_waits<T>(
        &self,
        progress: &Progress,
        is_ascii: bool,
        work: impl Future<Output = T>,
    ) -> T {
        tokio::pin!(work);
        let mut tick = tokio::time::interval(std::time::Duration::from_millis(500));
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = tick.tick() => {
                    if let Some(waiting) = progress::waiting(&self.engine.lanes()) {
                        progress.waiting(&waiting, is_ascii);
                    }
                }
            }
        }
    }
}

fn show(progress: &Progress, event: &ScanEvent<'_>, is_ascii: bool) {
    let (what, done, total) = match event {
        ScanEvent::SourcePage { listed, .. } => ("listing people in Entra ID", listed, None),
        ScanEvent::TargetPage { listed, .. } => ("listing people in ServiceNow", listed, None),
        ScanEvent::Paired { paired, .. } => ("matched", paired, None),
        ScanEvent::Stamps { done, total } => ("asking for photo stamps", done, Some(total)),
        ScanEvent::Chains { people } => ("reading avatars", people, None),
        ScanEvent::Settling { done, total } => ("comparing pictures", done, Some(total)),
        ScanEvent::Problem(problem) => {
            progress.line(&format!("warning: {}", clean(problem)));
            return;
        }
    };
    match total {
        Some(total) => progress.measured(what, *done, *total, is_ascii),
        None => progress.counting(what, *done, is_ascii),
    }
}

fn origin(key: &'static str, text: &str) -> Result<Origin, Failure> {
    Origin::parse(text).map_err(|error| {
        Failure::usage(format!("{key}: {error}"))
            .with_hint("an address begins with https://; http:// is for this machine alone")
    })
}

/// Connections of one service's own; no proxy unless one is configured.
fn transport(ca_file: Option<&Path>, connections: usize) -> Transport {
    Transport::new(TransportSettings {
        ca_file: ca_file.map(Path::to_owned),
        connections,
        ..Default::default()
    })
}

fn entra_settings(values: &EntraValues) -> Result<EntraSettings, Failure> {
    let mut settings = EntraSettings::new(
        origin("entra.login_url", &values.login_url)?,
        origin("entra.graph_url", &values.graph_url)?,
        values.tenant.clone(),
        values.client_id.clone(),
        values.client_secret.clone(),
    );
    settings.photo_size = values.photo_size.map_or(PhotoSize::Largest, PhotoSize::Pixels);
    settings.filter.clone_from(&values.filter);
    settings.photos = Concurrency {
        start: values.concurrency.start,
        cap: values.concurrency.cap,
    };
    Ok(settings)
}

fn servicenow_settings(values: &ServiceNowValues) -> Result<ServiceNowSettings, Failure> {
    let origin = instance_origin(&values.instance).map_err(|error| {
        Failure::usage(format!("servicenow.instance: {error}"))
            .with_hint("give the instance's name (dev12345), its host, or its https:// address")
    })?;
    let auth = match values.sign_in.clone() {
        SignIn::Client { id, secret } => ServiceNowAuth::ClientCredentials {
            client_id: id,
            client_secret: secret,
        },
        SignIn::PasswordGrant {
            id,
            secret,
            username,
            password,
        } => ServiceNowAuth::Password {
            client_id: id,
            client_secret: secret,
            username,
            password,
        },
        SignIn::Basic { username, password } => ServiceNowAuth::Basic { username, password },
    };
    let mut settings = ServiceNowSettings::new(origin, auth);
    settings.scope.clone_from(&values.scope);
    settings.source_key_column.clone_from(&values.object_id_column);
    settings.page_size = values.page_size;
    settings.write_mode = WriteMode::ALL
        .into_iter()
        .find(|mode| mode.name() == values.write_target)
        .unwrap_or_default();
    settings.create_live_profile = values.create_live_profile;
    settings.session_cookies = values.session_cookies;
    settings.lane_start = values.concurrency.start;
    settings.lane_cap = values.concurrency.cap;
    settings.upload_limit = values.upload_limit;
    Ok(settings)
}

/// A connector that cannot even be set up: a certificate file that is none, a scope query that cannot be sent.
fn connector_failure(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    Failure::usage(error)
}

/// What a service's failure means for a command that it ended.
pub fn connector_stopped(
    kind: ErrorKind,
    hint: Option<String>,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Failure {
    let code = match kind {
        ErrorKind::SignInRejected | ErrorKind::NotAllowed { .. } => exit::NO_ACCESS,
        ErrorKind::Configuration => exit::USAGE,
        _ => exit::UNEXPECTED,
    };
    Failure {
        hint,
        ..Failure::new(code, error)
    }
}

/// What the engine could not do, with the exit code that scripts rely on.
pub fn engine_failure(error: EngineError) -> Failure {
    let hint = error.hint().map(str::to_owned);
    let code = match &error {
        EngineError::Cancelled => exit::INTERRUPTED,
        EngineError::Find(FindError::Connector(_)) if error.is_access() => exit::NO_ACCESS,
        EngineError::Find(FindError::Connector(_)) => exit::UNEXPECTED,
        EngineError::Find(_) => exit::USAGE,
        error if error.is_access() => exit::NO_ACCESS,
        error if error.kind() == Some(&ErrorKind::Configuration) => exit::USAGE,
        _ => exit::UNEXPECTED,
    };
    let hint = match &error {
        EngineError::Find(find) => find_hint(find).or(hint),
        _ => hint,
    };
    Failure {
        error: error.into(),
        hint,
        code,
    }
}

fn find_hint(error: &FindError) -> Option<String> {
    match error {
        FindError::NotFound { .. } => Some(
            "give a sign-in name, e-mail address, Entra object id, ServiceNow user_name or sys_id".into(),
        ),
        FindError::OnlyInTarget { candidates, .. } => Some(format!(
            "nobody in Entra ID matches:\n{}",
            candidate_lines(candidates)
        )),
        FindError::Ambiguous { candidates, .. } => Some(format!(
            "say which one, by an id:\n{}",
            candidate_lines(candidates)
        )),
        FindError::Connector(_) => None,
    }
}

fn candidate_lines(candidates: &[FoundCandidate]) -> String {
    let lines: Vec<String> = candidates
        .iter()
        .map(|candidate| {
            let mut parts = vec![candidate.name.shown().into_owned()];
            parts.extend(
                candidate
                    .upn
                    .as_ref()
                    .map(|upn| format!("sign-in {}", upn.shown())),
            );
            parts.extend(
                candidate
                    .source
                    .as_ref()
                    .map(|id| format!("Entra {}", clean(id.as_str()))),
            );
            parts.extend(
                candidate
                    .user_name
                    .as_ref()
                    .map(|name| format!("user_name {}", name.shown())),
            );
            parts.extend(
                candidate
                    .target
                    .as_ref()
                    .map(|id| format!("sys_id {}", clean(id.as_str()))),
            );
            parts.join(", ")
        })
        .collect();
    lines.join("\n")
}
