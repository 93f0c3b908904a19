//! A practice tenant and a practice instance, over real HTTP on loopback.
//!
//! [`world`] is plain state with rules and knows no HTTP; [`entra`] and [`servicenow`] translate between HTTP and the
//! world; [`server`] listens, injects [`control`]led [`faults`], models latency and counts. The sandbox shares no
//! request or response type with the connectors: a shared typo would agree with itself.
//!
//! [`Sandbox`] runs on threads of its own, so that a test, the demo and a benchmark can have one beside whatever
//! runtime they use, and so that dropping it ends everything it has opened.

pub mod clock;
pub mod control;
pub mod counts;
pub mod entra;
pub mod exchange;
pub mod faults;
pub mod portraits;
pub mod random;
pub mod server;
pub mod servicenow;
pub mod world;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use control::Control;
use counts::{Counts, RequestCounts, Traffic};
use entra::{EntraService, EntraSettings};
use exchange::Service;
use faults::FaultRules;
use server::{Front, LatencyModel, ServiceFront, Shared};
use servicenow::{ServiceNowService, ServiceNowSettings};
use world::World;
use world::files::WorldError;
use world::generate::Drawn;

pub use server::{Exchanged, Latency};

/// The most threads that serve requests.
const MOST_WORKERS: usize = 4;
/// The most connections that wait to be accepted.
const MOST_WAITING: u32 = 1_024;
/// The most threads that draw pictures and make long answers.
const MOST_BLOCKING_THREADS: usize = 32;

/// Where a sandbox listens, what is in it, and how it behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxOptions {
    /// Address of log-in and Graph: loopback; port 0 takes a free one.
    pub entra: SocketAddr,
    /// Address of the instance.
    pub servicenow: SocketAddr,
    /// Address of the control interface.
    pub control: SocketAddr,
    /// How many people to invent, unless there is a `world`.
    pub users: usize,
    /// How invented people are drawn.
    pub drawn: Drawn,
    /// Decides who is invented, and what fault rules and latency draw.
    pub seed: u64,
    /// A folder with `world.json` to take the people from.
    pub world: Option<PathBuf>,
    /// How long calls of both services take.
    pub latency: Latency,
    /// The documented limits of both services are enforced.
    pub is_throttled: bool,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Self {
            entra: any,
            servicenow: any,
            control: any,
            users: 200,
            drawn: Drawn::default(),
            seed: 1,
            world: None,
            latency: Latency::None,
            is_throttled: true,
        }
    }
}

/// Why a sandbox cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The sandbox hands out its secrets to whoever asks, so it listens to this machine only.
    #[error(
        "the sandbox cannot listen on {address} for {what}: it serves this machine only, so use a loopback address \
         such as 127.0.0.1:0 or [::1]:0"
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
        /// Whose it was to be: "entra".
        what: &'static str,
    },
    /// The address is taken, or the system refuses it.
    #[error("the sandbox cannot listen on {address} for {what}; is another program using it?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Whose it was to be.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The world's files have a mistake.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The system gives no threads or no event queue.
    #[error("the sandbox cannot start its threads")]
    Runtime(#[source] io::Error),
}

/// What a sandbox is made of.
pub struct Parts {
    /// State of both sides.
    pub world: World,
    /// The practice tenant.
    pub tenant: Arc<EntraService>,
    /// The practice instance.
    pub instance: Arc<ServiceNowService>,
    /// Who answers at the address of log-in and Graph: the tenant, or something in its place.
    pub entra: Arc<dyn Service>,
    /// Who answers at the address of the instance.
    pub servicenow: Arc<dyn Service>,
}

impl Parts {
    /// Both services over a world, each answering at its own address.
    pub fn new(world: World, entra: EntraSettings, servicenow: ServiceNowSettings) -> Self {
        let tenant = Arc::new(EntraService::new(world.clone(), entra));
        let instance = Arc::new(ServiceNowService::new(world.clone(), servicenow));
        Self {
            world,
            entra: Arc::clone(&tenant) as Arc<dyn Service>,
            servicenow: Arc::clone(&instance) as Arc<dyn Service>,
            tenant,
            instance,
        }
    }
}

/// Invents or loads a world and serves it.
///
/// Runs on the calling thread until everything is listening: for 300,000 people that is a few seconds.
pub fn start(options: &SandboxOptions) -> Result<Sandbox, SandboxError> {
    let world = match &options.world {
        Some(folder) => World::load(folder)?,
        None => World::invent_drawn(options.users, options.seed, options.drawn),
    };
    let entra = EntraSettings {
        throttling: options.is_throttled,
        ..EntraSettings::default()
    };
    let mut servicenow = ServiceNowSettings::default();
    servicenow.throttle.enabled = options.is_throttled;
    Sandbox::serve(Parts::new(world, entra, servicenow), options)
}

/// A running sandbox. Dropping it stops it at once; [`Sandbox::shutdown`] lets open requests finish.
pub struct Sandbox {
    world: World,
    tenant: Arc<EntraService>,
    instance: Arc<ServiceNowService>,
    entra_url: String,
    servicenow_url: String,
    control_url: String,
    shared: Arc<Shared>,
    /// Log-in and Graph, and the instance, with everything in front of them.
    fronts: [Arc<Front>; 2],
    stop: CancellationToken,
    tasks: TaskTracker,
    /// `None` only while being dropped.
    runtime: Option<Runtime>,
}

impl Sandbox {
    /// Listens and serves until it is shut down or dropped.
    pub fn serve(parts: Parts, options: &SandboxOptions) -> Result<Self, SandboxError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(available_parallelism().map_or(1, |cores| cores.get().min(MOST_WORKERS)))
            .max_blocking_threads(MOST_BLOCKING_THREADS)
            .thread_name("sandbox")
            .enable_all()
            .build()
            .map_err(SandboxError::Runtime)?;
        let registration = runtime.enter();
        let entra = listen(options.entra, "entra")?;
        let servicenow = listen(options.servicenow, "servicenow")?;
        let control = listen(options.control, "control")?;
        drop(registration);

        let shared = Arc::new(Shared {
            clock: Arc::clone(&parts.world.clock),
            faults: Arc::new(FaultRules::new(options.seed)),
            counts: Arc::new(Counts::default()),
            latency: LatencyModel::new(options.latency, options.seed),
        });
        let door = Arc::new(Control::new(
            parts.world.clone(),
            Arc::clone(&shared),
            Arc::clone(&parts.tenant),
            Arc::clone(&parts.instance),
        ));
        let service = |service| {
            Arc::new(Front::Service(ServiceFront {
                service,
                shared: Arc::clone(&shared),
                control: Arc::clone(&door),
            }))
        };
        let fronts = [service(parts.entra), service(parts.servicenow)];
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let urls = [
            (entra, Arc::clone(&fronts[0])),
            (servicenow, Arc::clone(&fronts[1])),
            (control, Arc::new(Front::Control(Arc::clone(&door)))),
        ]
        .map(|((listener, address), front)| {
            let serving = server::serve(listener, address, front, stop.clone(), tasks.clone());
            tasks.spawn_on(serving, runtime.handle());
            format!("http://{address}")
        });
        tasks.close();
        let [entra_url, servicenow_url, control_url] = urls;
        Ok(Self {
            world: parts.world,
            tenant: parts.tenant,
            instance: parts.instance,
            entra_url,
            servicenow_url,
            control_url,
            shared,
            fronts,
            stop,
            tasks,
            runtime: Some(runtime),
        })
    }

    /// Origin of log-in and Graph: `http://127.0.0.1:40001`.
    pub fn entra_url(&self) -> &str {
        &self.entra_url
    }

    /// Origin of the instance.
    pub fn servicenow_url(&self) -> &str {
        &self.servicenow_url
    }

    /// Origin of the control interface.
    pub fn control_url(&self) -> &str {
        &self.control_url
    }

    /// The state of both sides, shared with the services: a test may look and change things without HTTP.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The practice tenant: its switches and counters.
    pub fn tenant(&self) -> &Arc<EntraService> {
        &self.tenant
    }

    /// The practice instance: its switches and counters, the write log, everybody's avatars.
    pub fn instance(&self) -> &Arc<ServiceNowService> {
        &self.instance
    }

    /// Fault rules in force.
    pub fn faults(&self) -> &FaultRules {
        &self.shared.faults
    }

    /// Requests by route since the last reset.
    pub fn requests(&self) -> RequestCounts {
        self.shared.counts.requests()
    }

    /// Requests by lane, sessions, and the latest `log` requests.
    pub fn traffic(&self, log: usize) -> Traffic {
        self.shared.counts.traffic(log)
    }

    /// Forgets the requests so far.
    pub fn reset_requests(&self) {
        self.shared.counts.reset();
    }

    /// Asks a service without sockets, in the caller's own time; the address decides which one. `elapsed` is the time since
    /// the clock of the world was stopped ([`clock::Clock::stop`]). `None` if nobody listens at that address.
    pub async fn exchange(
        &self,
        request: exchange::Request,
        elapsed: &(dyn Fn() -> Duration + Sync),
    ) -> Option<Exchanged> {
        let front = if request.base == self.entra_url {
            &self.fronts[0]
        } else if request.base == self.servicenow_url {
            &self.fronts[1]
        } else {
            return None;
        };
        match &**front {
            Front::Service(front) => Some(front.exchange(request, elapsed).await),
            Front::Control(_) => None,
        }
    }

    /// Changes the latency of both services from now on.
    pub fn set_latency(&self, latency: Latency) {
        self.shared.latency.set(latency);
    }

    /// What the `sandbox` command prints as its first line (`sandbox.md`, Starting it). It holds the invented secrets.
    pub fn ready_line(&self) -> Value {
        let credentials = &self.world.credentials;
        json!({
            "entra_url": self.entra_url,
            "servicenow_url": self.servicenow_url,
            "control_url": self.control_url,
            "tenant_id": credentials.tenant_id,
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret,
            "servicenow_username": credentials.servicenow_username,
            "servicenow_password": credentials.servicenow_password,
            "servicenow_client_id": credentials.servicenow_client_id,
            "servicenow_client_secret": credentials.servicenow_client_secret,
        })
    }

    /// Stops listening, lets open requests finish for a moment, and ends.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(runtime) = self.runtime.take() {
            // Unlike a plain drop this may happen on a thread of another runtime.
            runtime.shutdown_background();
        }
    }
}

/// True if only this machine can reach the address.
pub(crate) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Binds a loopback address, and gives the address it really has.
fn listen(address: SocketAddr, what: &'static str) -> Result<(TcpListener, SocketAddr), SandboxError> {
    if !is_loopback(address) {
        return Err(SandboxError::NotLoopback { address, what });
    }
    let bound = || {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        // Elsewhere this lets a port be taken again right after a restart; on Windows it would let it be stolen.
        #[cfg(not(windows))]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(MOST_WAITING)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bound().map_err(|source| SandboxError::Listen {
        address,
        what,
        source,
    })
}
