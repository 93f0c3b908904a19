//! The Microsoft side: identity platform and Graph v1.0 as `entra.md` describes them, over the [`World`].
//!
//! One request in, one response out: [`EntraService`] opens no socket and never waits. [`Service::admit`] applies the
//! limits of `entra.md` 7 and holds a request's place, [`Service::answer_admitted`] carries it out.
//!
//! The parts, from the outside in: `path` says which resource a request names, `token` and `permissions` whether the
//! caller may, `limits` whether now; `users`, `photos`, `delta`, `groups`, `applications` and `batch` answer, with
//! `query`, `filter` and `user` for what OData adds; `login` is the identity platform.

mod answer;
mod applications;
mod batch;
mod delta;
mod filter;
mod groups;
mod limits;
mod login;
mod path;
mod permissions;
mod photos;
mod query;
mod settings;
mod token;
mod user;
mod users;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::exchange::{Admission, Request, Response, Service};
use super::world::World;
use super::world::directory::{ApplicationRole, EnterpriseApplication, RoleAssignment};
use answer::{Failure, IdSource, add_common_headers, spread};
use limits::{Cost, Limits, Places, Quota, Throttled};
use login::DeviceSignIns;
use path::{ApplicationPart, Endpoint, GroupPart, LoginEndpoint, PhotoPart, Resource, UserPart};
use token::{GRAPH_APP_ID, Grant, TokenDesk};

pub use limits::ThrottleCounters;
pub use settings::{
    DeltaExpired, DeviceCodeOutcome, DeviceCodeScript, EntraSettings, EtagStyle, FederatedCredential,
    Latency, NoSize, OutlookConcurrency, PhotoFailure, PhotoStyle,
};

const LOAD: HeaderName = HeaderName::from_static("x-ms-throttle-limit-percentage");

/// The practice tenant: Microsoft identity platform, Graph and the metadata service of a virtual machine.
pub struct EntraService {
    world: World,
    settings: RwLock<Arc<EntraSettings>>,
    tokens: TokenDesk,
    ids: IdSource,
    limits: Arc<Limits>,
    device_sign_ins: DeviceSignIns,
    /// Object id of the application's own service principal.
    own_principal: Uuid,
}

impl EntraService {
    /// A tenant over a world. Adds the two enterprise applications that every tenant has which uses this program:
    /// Microsoft Graph, and the application itself.
    pub fn new(world: World, settings: EntraSettings) -> Self {
        let own_principal = derived_id("own service principal", &world.credentials.client_id);
        add_own_applications(&world, own_principal, &settings);
        Self {
            tokens: TokenDesk::new(&world.credentials.client_secret),
            ids: IdSource::new(),
            limits: Arc::default(),
            device_sign_ins: DeviceSignIns::default(),
            settings: RwLock::new(Arc::new(settings)),
            own_principal,
            world,
        }
    }

    /// How the tenant behaves at present.
    pub fn settings(&self) -> Arc<EntraSettings> {
        Arc::clone(&self.settings.read())
    }

    /// Changes how the tenant behaves, from the next request on. Granted permissions show in new tokens only.
    pub fn set_settings(&self, settings: EntraSettings) {
        *self.settings.write() = Arc::new(settings);
    }

    /// What throttling has done since the start or the last reset.
    pub fn throttle_counters(&self) -> ThrottleCounters {
        self.limits.counters()
    }

    /// Empties all rate windows, ends all pauses and sets the counters to zero; requests in flight keep their places.
    pub fn reset_throttling(&self) {
        self.limits.reset();
    }

    fn graph(
        &self,
        request: &Request,
        version: &'static str,
        rest: &str,
        decisions: Option<&[Result<(), Throttled>]>,
    ) -> Response {
        let now = self.world.clock.now();
        let ids = self.ids.ids(request);
        let settings = self.settings();
        let answer = || {
            let grant = self.tokens.read(request.header("authorization"), now)?;
            let resource = Resource::parse(rest)?;
            let call = Call {
                service: self,
                request,
                settings: &settings,
                grant: &grant,
                now,
                version,
                base_units: base_units(&resource),
            };
            call.carry_out(&resource, decisions)
        };
        let mut response = answer().unwrap_or_else(|failure: Failure| failure.into_response(&ids, now));
        if response.status == StatusCode::UNAUTHORIZED {
            let challenge = format!(
                "Bearer realm=\"\", authorization_uri=\"{}/common/oauth2/authorize\", client_id=\"{GRAPH_APP_ID}\"",
                request.base
            );
            response = response.with_header("www-authenticate", &challenge);
        }
        add_common_headers(&mut response, &ids);
        if settings.throttling && response.headers.contains_key("x-ms-resource-unit") {
            let load = self
                .limits
                .directory_load(self.quota(&settings), now.as_millisecond());
            let load = load.and_then(|load| HeaderValue::from_str(&format!("{load:.2}")).ok());
            if let Some(load) = load {
                response.headers.insert(LOAD, load);
            }
        }
        response
    }

    fn quota(&self, settings: &EntraSettings) -> Quota {
        Quota::new(settings, self.world.directory.read().users().len())
    }

    /// What a request is counted against.
    fn cost(&self, request: &Request, resource: &Resource<'_>) -> Cost {
        if let Resource::User(path::UserKey::Key { key, .. }, UserPart::Photo(_)) = resource
            && let Some(mailbox) = self.world.directory.read().sequence_of(key)
        {
            return Cost::Mailbox(mailbox);
        }
        Cost::Directory(units(request, base_units(resource)))
    }

    /// Service time of a number of requests of which a few run at a time.
    fn latency(&self, settings: &EntraSettings, requests: usize) -> Duration {
        if settings.latency == Latency::Off {
            return Duration::ZERO;
        }
        let times: Vec<Duration> = (0..requests)
            .map(|_| {
                let bits = self.ids.guid().as_u64_pair();
                settings.latency.at(normal_deviate(bits.0, bits.1))
            })
            .collect();
        times
            .chunks(settings.batch_parallel.max(1) as usize)
            .filter_map(|round| round.iter().max())
            .sum()
    }

    fn admit_batch(&self, request: &Request, version: &str, settings: &EntraSettings, now: i64) -> Admission {
        let Ok(items) = batch::read(request, version) else {
            // It is refused as a whole, at no cost.
            return Admission::free();
        };
        let costs: Vec<Option<Cost>> = items
            .iter()
            .map(|item| {
                let resource = Resource::parse(&item.rest).ok()?;
                Some(self.cost(&item.request, &resource))
            })
            .collect();
        let mailbox_items = costs
            .iter()
            .filter(|cost| matches!(cost, Some(Cost::Mailbox(_))))
            .count();
        let depth = batch::order(&items).map_or(1, |(_, depth)| depth);
        let rounds = mailbox_items.div_ceil(settings.batch_parallel.max(1) as usize);
        let rounds = u32::try_from(rounds).unwrap_or(1).max(depth);
        let queue = self.latency(settings, mailbox_items.max(1));
        if !settings.throttling {
            return Admission {
                rounds,
                queue,
                ..Admission::free()
            };
        }
        let (places, decisions) = self.limits.admit_batch(&costs, self.quota(settings), now);
        Admission {
            permit: Box::new(Permit {
                _places: places,
                decisions,
            }),
            rounds,
            queue,
        }
    }
}

/// What a request holds while it is carried out.
struct Permit {
    _places: Places,
    /// What became of the items of a batch; empty for anything else.
    decisions: Vec<Result<(), Throttled>>,
}

impl Service for EntraService {
    fn name(&self) -> &'static str {
        "entra"
    }

    fn route(&self, request: &Request) -> String {
        let path = match Endpoint::parse(&request.path) {
            Endpoint::Login(LoginEndpoint::Token { .. }) => "/{tenant}/oauth2/v2.0/token".to_owned(),
            Endpoint::Login(LoginEndpoint::DeviceCode { .. }) => {
                "/{tenant}/oauth2/v2.0/devicecode".to_owned()
            }
            Endpoint::Login(LoginEndpoint::OpenIdConfiguration { .. }) => {
                "/{tenant}/v2.0/.well-known/openid-configuration".to_owned()
            }
            Endpoint::Login(LoginEndpoint::Keys { .. }) => "/{tenant}/discovery/v2.0/keys".to_owned(),
            Endpoint::Login(LoginEndpoint::InstanceDiscovery) => "/common/discovery/instance".to_owned(),
            Endpoint::ManagedIdentity => "/metadata/identity/oauth2/token".to_owned(),
            Endpoint::Graph { version, rest } => match Resource::parse(rest) {
                Ok(resource) => format!("/{version}{}", resource.route()),
                Err(_) => format!("/{version}/{{unknown}}"),
            },
            Endpoint::Unknown => "/{unknown}".to_owned(),
        };
        format!("{} {path}", request.method)
    }

    fn admit(&self, request: &Request) -> Result<Admission, Response> {
        let Endpoint::Graph { version, rest } = Endpoint::parse(&request.path) else {
            return Ok(Admission::free());
        };
        let settings = self.settings();
        let now = self.world.clock.now();
        let authorization = request.header("authorization");
        let (Ok(resource), Ok(_)) = (Resource::parse(rest), self.tokens.read(authorization, now)) else {
            return Ok(Admission::free());
        };
        if matches!(resource, Resource::Batch) {
            return Ok(self.admit_batch(request, version, &settings, now.as_millisecond()));
        }
        let queue = self.latency(&settings, 1);
        if !settings.throttling {
            return Ok(Admission {
                queue,
                ..Admission::free()
            });
        }
        let cost = self.cost(request, &resource);
        match self
            .limits
            .admit(cost, self.quota(&settings), now.as_millisecond())
        {
            Ok(places) => Ok(Admission {
                permit: Box::new(Permit {
                    _places: places,
                    decisions: Vec::new(),
                }),
                rounds: 1,
                queue,
            }),
            Err(throttled) => {
                let credentials = &self.world.credentials;
                let ids = self.ids.ids(request);
                let failure = throttled.into_failure(&credentials.client_id, &credentials.tenant_id);
                let mut response = failure.into_response(&ids, now);
                add_common_headers(&mut response, &ids);
                Err(response)
            }
        }
    }

    fn answer(&self, request: &Request) -> Response {
        match Endpoint::parse(&request.path) {
            Endpoint::Login(endpoint) => self.answer_login(request, &endpoint),
            Endpoint::ManagedIdentity => self.answer_managed_identity(request),
            Endpoint::Graph { version, rest } => self.graph(request, version, rest, None),
            Endpoint::Unknown => Response::new(404, "text/plain", "Not Found"),
        }
    }

    fn answer_admitted(&self, request: &Request, admission: &Admission) -> Response {
        match (
            Endpoint::parse(&request.path),
            admission.permit.downcast_ref::<Permit>(),
        ) {
            (Endpoint::Graph { version, rest }, Some(permit)) if !permit.decisions.is_empty() => {
                self.graph(request, version, rest, Some(&permit.decisions))
            }
            _ => self.answer(request),
        }
    }

    fn is_heavy(&self, request: &Request) -> bool {
        let Endpoint::Graph { rest, .. } = Endpoint::parse(&request.path) else {
            return false;
        };
        match Resource::parse(rest) {
            Ok(Resource::Batch) => {
                let bytes = &request.body;
                bytes.windows(5).any(|window| window == b"value") || bytes.len() > 16 * 1024
            }
            Ok(
                Resource::User(_, UserPart::Photo(PhotoPart::Value(_)))
                | Resource::UserDelta
                | Resource::Group(_, GroupPart::Members { .. }),
            ) => true,
            // A page of a thousand, or a look at everybody.
            Ok(Resource::Users | Resource::UserCount) => !request.query.is_empty(),
            _ => false,
        }
    }
}

/// One authorised request to Graph.
#[derive(Clone, Copy)]
struct Call<'a> {
    service: &'a EntraService,
    request: &'a Request,
    settings: &'a EntraSettings,
    grant: &'a Grant,
    now: Timestamp,
    version: &'static str,
    base_units: u32,
}

impl Call<'_> {
    fn carry_out(
        &self,
        resource: &Resource<'_>,
        decisions: Option<&[Result<(), Throttled>]>,
    ) -> Result<Response, Failure> {
        match resource {
            Resource::Batch => return self.batch(decisions),
            Resource::User(key, UserPart::Photo(part)) => return self.user_photo(key, part),
            _ => self.require_get()?,
        }
        match resource {
            Resource::Users => self.list_users(),
            Resource::UserCount => self.count_users(),
            Resource::UserDelta => self.users_delta(),
            Resource::User(key, part) => match part {
                UserPart::Itself => self.get_user(key),
                UserPart::Photo(part) => self.user_photo(key, part),
                UserPart::Manager => self.get_manager(key),
                UserPart::DirectReports { count: false } => self.list_direct_reports(key),
                UserPart::DirectReports { count: true } => self.count_direct_reports(key),
            },
            Resource::Groups => self.list_groups(),
            Resource::GroupCount => self.count_groups(),
            Resource::Group(key, part) => match part {
                GroupPart::Itself => self.get_group(key),
                GroupPart::Photo(_) => self.group_photo(key),
                GroupPart::Members {
                    transitive,
                    cast,
                    count: false,
                } => self.list_members(key, *transitive, *cast),
                GroupPart::Members {
                    transitive,
                    cast,
                    count: true,
                } => self.count_members(key, *transitive, *cast),
            },
            Resource::Applications => self.list_applications(),
            Resource::Application(key, ApplicationPart::Itself) => self.get_application(key),
            Resource::Application(key, ApplicationPart::AssignedTo) => self.list_assignments(key),
            Resource::Organization => self.get_organization(),
            Resource::Batch => self.batch(decisions),
        }
    }

    /// `@odata.context` of an answer.
    fn context(&self, of: &str) -> String {
        format!("{}/{}/$metadata#{of}", self.request.base, self.version)
    }

    /// What the request costs, for `x-ms-resource-unit`.
    fn units(&self) -> u32 {
        units(self.request, self.base_units)
    }

    fn require_get(&self) -> Result<(), Failure> {
        if self.request.method == Method::GET {
            Ok(())
        } else {
            Err(self.method_not_allowed())
        }
    }

    fn method_not_allowed(&self) -> Failure {
        Failure::new(
            405,
            "Request_BadRequest",
            format!(
                "Specified HTTP method '{}' is not allowed for the request target.",
                self.request.method
            ),
        )
    }
}

/// Resource units of a request without options (`entra.md` 7.1).
fn base_units(resource: &Resource<'_>) -> u32 {
    match resource {
        Resource::Users => 2,
        Resource::Group(
            _,
            GroupPart::Members {
                transitive: false, ..
            },
        ) => 3,
        Resource::Group(_, GroupPart::Members { transitive: true, .. }) => 5,
        _ => 1,
    }
}

/// Resource units of a request: `$select` and a small `$top` save one each, `$expand` costs one.
fn units(request: &Request, base: u32) -> u32 {
    let mut units = i64::from(base);
    for (name, value) in url::form_urlencoded::parse(request.query.as_bytes()) {
        match name.strip_prefix('$').unwrap_or(&name) {
            "select" => units -= 1,
            "expand" => units += 1,
            "top" if value.parse().is_ok_and(|top: u32| top < 20) => units -= 1,
            _ => {}
        }
    }
    u32::try_from(units.max(1)).unwrap_or(1)
}

/// A normally distributed number from two evenly distributed ones (Box and Muller).
fn normal_deviate(first: u64, second: u64) -> f64 {
    let unit = |bits: u64| ((spread(bits) >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
    (-2.0 * unit(first).ln()).sqrt() * (std::f64::consts::TAU * unit(second)).cos()
}

/// A GUID that follows from a text.
fn derived_id(purpose: &str, text: &str) -> Uuid {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(purpose)
        .chain_update([0])
        .chain_update(text)
        .finalize()
        .into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

fn add_own_applications(world: &World, own_principal: Uuid, settings: &EntraSettings) {
    let parse = |id: &str| Uuid::try_parse(id).unwrap_or_default();
    let roles: Vec<ApplicationRole> = permissions::GRAPH_ROLES
        .iter()
        .map(|(name, id)| ApplicationRole {
            id: parse(id),
            name: (*name).into(),
            value: Some((*name).into()),
        })
        .collect();
    let assignments = roles
        .iter()
        .filter(|role| settings.roles.iter().any(|granted| **granted == *role.name))
        .map(|role| RoleAssignment {
            principal: own_principal,
            role: role.id,
        })
        .collect();
    let graph = EnterpriseApplication {
        id: derived_id("Graph service principal", &world.credentials.tenant_id),
        app_id: parse(GRAPH_APP_ID),
        name: "Microsoft Graph".into(),
        roles,
        assignments,
    };
    let own = EnterpriseApplication {
        id: own_principal,
        app_id: parse(&world.credentials.client_id),
        name: "avatar-sync".into(),
        roles: Vec::new(),
        assignments: Vec::new(),
    };
    let mut directory = world.directory.write();
    for application in [graph, own] {
        directory
            .applications
            .entry(application.id)
            .or_insert(application);
    }
}
