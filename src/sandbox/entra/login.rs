//! The Microsoft identity platform: tokens, discovery and managed identity (`entra.md` 5).

mod refusal;

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Method;
use jiff::Timestamp;
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::EntraService;
use super::path::LoginEndpoint;
use super::settings::{DeviceCodeOutcome, EntraSettings};
use super::token::{Claims, GRAPH, GRAPH_APP_ID, claims_of, header_of};
use crate::sandbox::exchange::{Request, Response};
use refusal::Refusal;

/// Lifetime of access tokens, in seconds.
const TOKEN_LIFETIME_S: i64 = 3599;
/// Lifetime of device codes, in seconds.
const DEVICE_CODE_LIFETIME_S: i64 = 900;
/// Device codes that wait for their user; more push the oldest out.
const MOST_DEVICE_CODES: usize = 1_000;

const DEVICE_CODE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Resources other than Graph for which this tenant issues tokens.
const OTHER_RESOURCES: &[&str] = &[
    "https://management.azure.com",
    "https://vault.azure.net",
    "https://graph.windows.net",
];

/// Scopes of OpenID Connect, which are no permissions of Graph.
const OPENID_SCOPES: &[&str] = &["openid", "profile", "email", "offline_access"];

/// Sign-ins that wait for their user.
#[derive(Default)]
pub(super) struct DeviceSignIns {
    by_code: Mutex<HashMap<String, DeviceSignIn>>,
}

struct DeviceSignIn {
    scope: String,
    expires: i64,
    polls: u32,
    slowed_down: bool,
}

/// What a refresh token stands for. It is signed like a token, but opaque to clients.
#[derive(Serialize, Deserialize)]
struct RefreshGrant {
    kind: String,
    user: String,
    scope: String,
    id: String,
}

/// How the application proved who it is: `appidacr` in the token.
#[derive(Clone, Copy)]
enum ProvenBy {
    Nothing,
    Secret,
    Certificate,
}

impl ProvenBy {
    fn as_claim(self) -> &'static str {
        match self {
            Self::Nothing => "0",
            Self::Secret => "1",
            Self::Certificate => "2",
        }
    }
}

/// One request to the token or device-code endpoint.
struct SignIn<'a> {
    service: &'a EntraService,
    request: &'a Request,
    settings: &'a EntraSettings,
    now: Timestamp,
    form: HashMap<String, String>,
}

impl EntraService {
    /// Answers for the identity platform.
    pub(super) fn answer_login(&self, request: &Request, endpoint: &LoginEndpoint<'_>) -> Response {
        let now = self.world.clock.now();
        let settings = self.settings();
        let sign_in = |tenant: &str| SignIn::read(self, request, &settings, now, tenant);
        let result = match endpoint {
            LoginEndpoint::Token { tenant } => sign_in(tenant).and_then(SignIn::token),
            LoginEndpoint::DeviceCode { tenant } => sign_in(tenant).and_then(SignIn::device_code),
            LoginEndpoint::OpenIdConfiguration { tenant } => self.openid_configuration(request, tenant),
            LoginEndpoint::Keys { tenant } => self
                .check_tenant(tenant)
                // Tokens are signed with a key that nobody else knows: there is none to publish.
                .map(|()| json_answer(&json!({"keys": []}))),
            LoginEndpoint::InstanceDiscovery => self.instance_discovery(request),
        };
        let guid = || self.ids.guid().to_string();
        let response = result.unwrap_or_else(|refusal| {
            let correlation = request
                .header("client-request-id")
                .map_or_else(guid, ToOwned::to_owned);
            refusal.into_response(now, &guid(), &correlation)
        });
        response
            .with_header("cache-control", "no-store, no-cache")
            .with_header("pragma", "no-cache")
            .with_header("expires", "-1")
            .with_header("strict-transport-security", "max-age=31536000; includeSubDomains")
            .with_header("x-content-type-options", "nosniff")
            .with_header("p3p", "CP=\"DSP CUR OTPi IND OTRi ONL FIN\"")
            .with_header("x-ms-request-id", &guid())
            .with_header("x-ms-ests-server", "2.1.1 - SIM")
    }

    /// The tenant is named by its GUID, one of its domains, or not at all.
    fn check_tenant(&self, tenant: &str) -> Result<(), Refusal> {
        let is_ours = tenant.eq_ignore_ascii_case(&self.world.credentials.tenant_id)
            || is_shared_tenant(tenant)
            || self
                .world
                .directory
                .read()
                .domains()
                .any(|domain| domain.eq_ignore_ascii_case(tenant));
        if is_ours {
            return Ok(());
        }
        let is_plausible = uuid::Uuid::try_parse(tenant).is_ok() || tenant.contains('.');
        Err(if is_plausible {
            Refusal::code(90_002).because(format!(
                "Tenant '{tenant}' not found. Check that the tenant id is right and that it is in this cloud."
            ))
        } else {
            Refusal::code(900_023).because(format!(
                "Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid external domain."
            ))
        })
    }

    fn openid_configuration(&self, request: &Request, tenant: &str) -> Result<Response, Refusal> {
        self.check_tenant(tenant)?;
        let base = &request.base;
        let host = authority_of(base);
        let (tenant, issuer_tenant) = if is_shared_tenant(tenant) {
            (tenant, "{tenantid}")
        } else {
            let id = self.world.credentials.tenant_id.as_str();
            (id, id)
        };
        Ok(json_answer(&json!({
            "token_endpoint": format!("{base}/{tenant}/oauth2/v2.0/token"),
            "token_endpoint_auth_methods_supported":
                ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "jwks_uri": format!("{base}/{tenant}/discovery/v2.0/keys"),
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["HS256"],
            "response_types_supported": ["code"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": format!("{base}/{issuer_tenant}/v2.0"),
            "request_uri_parameter_supported": false,
            "userinfo_endpoint": format!("{base}/oidc/userinfo"),
            "authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/authorize"),
            "device_authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/devicecode"),
            "http_logout_supported": false,
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "name", "preferred_username", "oid", "tid", "ver"],
            "tenant_region_scope": "EU",
            "cloud_instance_name": host,
            "cloud_graph_host_name": host,
            "msgraph_host": host,
        })))
    }

    /// What MSAL asks before it trusts an authority. There is one cloud here, this one.
    fn instance_discovery(&self, request: &Request) -> Result<Response, Refusal> {
        let base = &request.base;
        let host = authority_of(base);
        let endpoint = request
            .query_value("authorization_endpoint")
            .ok_or_else(|| Refusal::missing("authorization_endpoint"))?;
        let tenant = url::Url::parse(&endpoint)
            .ok()
            .and_then(|endpoint| endpoint.path_segments()?.next().map(ToOwned::to_owned))
            .unwrap_or_default();
        self.check_tenant(&tenant)?;
        Ok(json_answer(&json!({
            "tenant_discovery_endpoint": format!("{base}/{tenant}/v2.0/.well-known/openid-configuration"),
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        })))
    }

    /// The instance metadata service of a virtual machine (`entra.md` 5.5).
    pub(super) fn answer_managed_identity(&self, request: &Request) -> Response {
        let refuse = |error: &str, text: &str| {
            Response::json(
                400,
                "application/json; charset=utf-8",
                &json!({"error": error, "error_description": text}),
            )
        };
        let is_marked = request
            .header("metadata")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if !is_marked {
            return refuse("bad_request_102", "Required metadata header not specified");
        }
        if request.query_value("api-version").is_none() {
            return refuse(
                "invalid_request",
                "Required query variable 'api-version' is missing",
            );
        }
        let Some(resource) = request.query_value("resource") else {
            return refuse("invalid_request", "Required query variable 'resource' is missing");
        };
        let Some(audience) = audience_of(resource.trim_end_matches('/'), request) else {
            return refuse(
                "invalid_resource",
                &format!(
                    "AADSTS500011: The resource principal named {resource} was not found in the tenant."
                ),
            );
        };
        let now = self.world.clock.now();
        let settings = self.settings();
        let token = self.access_token(
            &settings,
            now,
            &audience,
            ProvenBy::Certificate,
            &Identity::Application,
        );
        let expires = now.as_second() + TOKEN_LIFETIME_S;
        Response::json(
            200,
            "application/json; charset=utf-8",
            &json!({
                "access_token": token,
                "client_id": self.world.credentials.client_id,
                "expires_in": TOKEN_LIFETIME_S.to_string(),
                "expires_on": expires.to_string(),
                "ext_expires_in": TOKEN_LIFETIME_S.to_string(),
                "not_before": now.as_second().to_string(),
                "refresh_token": "",
                "resource": resource,
                "token_type": "Bearer",
            }),
        )
    }

    fn access_token(
        &self,
        settings: &EntraSettings,
        now: Timestamp,
        audience: &str,
        proven_by: ProvenBy,
        identity: &Identity<'_>,
    ) -> String {
        let credentials = &self.world.credentials;
        let issued = now.as_second();
        let (oid, roles, scp, upn) = match identity {
            Identity::Application => {
                let roles = if audience == GRAPH {
                    settings.roles.clone()
                } else {
                    Vec::new()
                };
                (self.own_principal.to_string(), roles, None, None)
            }
            Identity::User {
                id,
                principal,
                scopes,
            } => (
                (*id).to_owned(),
                Vec::new(),
                Some(scopes.join(" ")),
                Some((*principal).to_owned()),
            ),
        };
        self.tokens.sign(&Claims {
            aud: audience.to_owned(),
            iss: format!("https://sts.windows.net/{}/", credentials.tenant_id),
            iat: issued,
            nbf: issued,
            exp: issued + TOKEN_LIFETIME_S,
            appid: credentials.client_id.clone(),
            app_displayname: "avatar-sync".to_owned(),
            appidacr: proven_by.as_claim().to_owned(),
            idtyp: if scp.is_some() { "user" } else { "app" }.to_owned(),
            sub: oid.clone(),
            oid,
            roles,
            scp,
            tid: credentials.tenant_id.clone(),
            upn,
            uti: URL_SAFE_NO_PAD.encode(self.ids.guid().as_bytes()),
            ver: "1.0".to_owned(),
        })
    }
}

/// Who a token is for.
enum Identity<'a> {
    Application,
    User {
        id: &'a str,
        principal: &'a str,
        scopes: &'a [String],
    },
}

impl<'a> SignIn<'a> {
    fn read(
        service: &'a EntraService,
        request: &'a Request,
        settings: &'a EntraSettings,
        now: Timestamp,
        tenant: &str,
    ) -> Result<Self, Refusal> {
        if request.method != Method::POST {
            return Err(Refusal::code(900_561).because(format!(
                "The endpoint only accepts POST requests. Received a {} request.",
                request.method
            )));
        }
        service.check_tenant(tenant)?;
        let sign_in = Self {
            service,
            request,
            settings,
            now,
            form: request.form().into_iter().collect(),
        };
        let is_app_only = sign_in.text("grant_type") == Some("client_credentials");
        if is_app_only && is_shared_tenant(tenant) {
            return Err(Refusal::code(50_194));
        }
        Ok(sign_in)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.form
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    fn required(&self, name: &'static str) -> Result<&str, Refusal> {
        self.text(name).ok_or_else(|| Refusal::missing(name))
    }

    /// `POST /{tenant}/oauth2/v2.0/token`.
    fn token(self) -> Result<Response, Refusal> {
        let grant_type = self.required("grant_type")?;
        let basic = self.basic_credentials();
        self.check_client(basic.as_ref().map(|(id, _)| id.as_str()))?;
        match grant_type {
            "client_credentials" => {
                let proven_by = self.prove(basic.as_ref().map(|(_, secret)| secret.as_str()))?;
                if matches!(proven_by, ProvenBy::Nothing) {
                    return Err(Refusal::code(7_000_216));
                }
                let audience = self.application_audience()?;
                self.check_allowed()?;
                let token = self.service.access_token(
                    self.settings,
                    self.now,
                    &audience,
                    proven_by,
                    &Identity::Application,
                );
                Ok(json_answer(&json!({
                    "token_type": "Bearer",
                    "expires_in": TOKEN_LIFETIME_S,
                    "ext_expires_in": TOKEN_LIFETIME_S,
                    "access_token": token,
                })))
            }
            DEVICE_CODE_GRANT => {
                self.prove_or_public(basic.as_ref().map(|(_, secret)| secret.as_str()))?;
                self.redeem_device_code()
            }
            "refresh_token" => {
                self.prove_or_public(basic.as_ref().map(|(_, secret)| secret.as_str()))?;
                self.redeem_refresh_token()
            }
            other => Err(Refusal::code(70_003)
                .because(format!("The app requested an unsupported grant type '{other}'."))),
        }
    }

    /// `POST /{tenant}/oauth2/v2.0/devicecode`.
    fn device_code(self) -> Result<Response, Refusal> {
        self.check_client(None)?;
        let scope = self.required("scope")?.to_owned();
        // Reports an impossible scope now and not to the first poll.
        self.delegated_scopes(&scope)?;
        let code = URL_SAFE_NO_PAD.encode(
            [
                self.service.ids.guid().into_bytes(),
                self.service.ids.guid().into_bytes(),
            ]
            .concat(),
        );
        let user_code = user_code(self.service.ids.guid().as_u64_pair().0);
        let now = self.now.as_second();
        let mut waiting = self.service.device_sign_ins.by_code.lock();
        // An hour later nobody asks any more why a code does not work.
        waiting.retain(|_, sign_in| sign_in.expires + 3600 > now);
        if waiting.len() >= MOST_DEVICE_CODES {
            let oldest = waiting.iter().min_by_key(|(_, sign_in)| sign_in.expires);
            if let Some(oldest) = oldest.map(|(code, _)| code.clone()) {
                waiting.remove(&oldest);
            }
        }
        waiting.insert(
            code.clone(),
            DeviceSignIn {
                scope,
                expires: now + DEVICE_CODE_LIFETIME_S,
                polls: 0,
                slowed_down: false,
            },
        );
        drop(waiting);
        let verification = "https://microsoft.com/devicelogin";
        Ok(json_answer(&json!({
            "user_code": user_code,
            "device_code": code,
            "verification_uri": verification,
            "expires_in": DEVICE_CODE_LIFETIME_S,
            "interval": 5,
            "message": format!(
                "To sign in, use a web browser to open the page {verification} and enter the code {user_code} to authenticate."
            ),
        })))
    }

    fn redeem_device_code(&self) -> Result<Response, Refusal> {
        let code = self.required("device_code")?;
        let script = &self.settings.device_code;
        let mut waiting = self.service.device_sign_ins.by_code.lock();
        let sign_in = waiting.get_mut(code).ok_or_else(|| Refusal::code(70_018))?;
        if sign_in.expires <= self.now.as_second() {
            return Err(Refusal::code(70_019));
        }
        sign_in.polls += 1;
        if sign_in.polls <= script.pending {
            return Err(Refusal::code(70_016));
        }
        match script.outcome {
            DeviceCodeOutcome::SlowDown if !sign_in.slowed_down => {
                sign_in.slowed_down = true;
                return Err(Refusal::slow_down());
            }
            DeviceCodeOutcome::Approved | DeviceCodeOutcome::SlowDown => {}
            DeviceCodeOutcome::AuthorizationDeclined => {
                waiting.remove(code);
                return Err(Refusal::declined());
            }
            DeviceCodeOutcome::ExpiredToken => {
                waiting.remove(code);
                return Err(Refusal::code(70_019));
            }
            DeviceCodeOutcome::BadVerificationCode => {
                waiting.remove(code);
                return Err(Refusal::code(70_018));
            }
        }
        let scope = sign_in.scope.clone();
        waiting.remove(code);
        drop(waiting);
        self.check_allowed()?;
        let user = {
            let directory = self.service.world.directory.read();
            let user = match &script.user {
                Some(key) => directory.find(key),
                None => directory.users().iter().find(|user| user.enabled && !user.guest),
            };
            user.map(|user| user.id.to_string())
        };
        let user = user.ok_or_else(|| Refusal::code(50_034))?;
        self.user_token(&user, &scope)
    }

    fn redeem_refresh_token(&self) -> Result<Response, Refusal> {
        let token = self.required("refresh_token")?;
        let grant: RefreshGrant = token
            .strip_prefix("1.")
            .and_then(|token| self.service.tokens.open(token))
            .filter(|grant: &RefreshGrant| grant.kind == "refresh")
            .ok_or_else(|| Refusal::code(9_002_313))?;
        self.check_allowed()?;
        let scope = self.text("scope").unwrap_or(&grant.scope);
        self.user_token(&grant.user, scope)
    }

    /// Everything that a signed-in user's client gets.
    fn user_token(&self, user: &str, scope: &str) -> Result<Response, Refusal> {
        let (audience, scopes) = self.delegated_scopes(scope)?;
        let (principal, name) = {
            let directory = self.service.world.directory.read();
            let user = directory.find(user).ok_or_else(|| Refusal::code(50_034))?;
            if !user.enabled {
                return Err(Refusal::code(50_057));
            }
            (user.principal.to_string(), user.display_name.to_string())
        };
        let credentials = &self.service.world.credentials;
        let identity = Identity::User {
            id: user,
            principal: &principal,
            scopes: &scopes,
        };
        let token =
            self.service
                .access_token(self.settings, self.now, &audience, ProvenBy::Nothing, &identity);
        let mut answer = json!({
            "token_type": "Bearer",
            "scope": scopes.iter().map(|name| format!("{audience}/{name}")).collect::<Vec<_>>().join(" "),
            "expires_in": TOKEN_LIFETIME_S,
            "ext_expires_in": TOKEN_LIFETIME_S,
            "access_token": token,
        });
        let asks_for = |name: &str| scope.split_whitespace().any(|asked| asked == name);
        if asks_for("offline_access") {
            let refresh = self.service.tokens.sign(&RefreshGrant {
                kind: "refresh".to_owned(),
                user: user.to_owned(),
                scope: scope.to_owned(),
                id: self.service.ids.guid().to_string(),
            });
            answer["refresh_token"] = json!(format!("1.{refresh}"));
        }
        if asks_for("openid") {
            let issued = self.now.as_second();
            answer["id_token"] = json!(self.service.tokens.sign(&json!({
                "aud": credentials.client_id,
                "iss": format!("{}/{}/v2.0", self.request.base, credentials.tenant_id),
                "iat": issued,
                "nbf": issued,
                "exp": issued + TOKEN_LIFETIME_S,
                "name": name,
                "oid": user,
                "preferred_username": principal,
                "sub": user,
                "tid": credentials.tenant_id,
                "ver": "2.0",
            })));
        }
        if self.text("client_info") == Some("1") {
            let info = json!({"uid": user, "utid": credentials.tenant_id}).to_string();
            answer["client_info"] = json!(URL_SAFE_NO_PAD.encode(info));
        }
        Ok(json_answer(&answer))
    }

    /// The application is ours.
    fn check_client(&self, basic: Option<&str>) -> Result<(), Refusal> {
        let client = self
            .text("client_id")
            .or(basic)
            .ok_or_else(|| Refusal::missing("client_id"))?;
        if client.eq_ignore_ascii_case(&self.service.world.credentials.client_id) {
            return Ok(());
        }
        Err(Refusal::code(700_016).because(format!(
            "Application with identifier '{client}' was not found in the directory '{}'.",
            self.service.world.credentials.tenant_id
        )))
    }

    /// Refuses what would have succeeded, if a switch says so.
    fn check_allowed(&self) -> Result<(), Refusal> {
        match self.settings.sign_in_error {
            Some(code) => Err(Refusal::code(code)),
            None => Ok(()),
        }
    }

    /// Client id and secret of HTTP Basic, each form-encoded before it was joined (RFC 6749, 2.3.1).
    fn basic_credentials(&self) -> Option<(String, String)> {
        let (scheme, value) = self.request.header("authorization")?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let pair = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
        let (id, secret) = pair.split_once(':')?;
        let decode = |text: &str| {
            let text = text.replace('+', " ");
            percent_decode_str(&text).decode_utf8_lossy().into_owned()
        };
        // Clients differ in whether they encode; a secret as it is counts as well.
        let is_plain = secret == self.service.world.credentials.client_secret;
        let secret = if is_plain {
            secret.to_owned()
        } else {
            decode(secret)
        };
        Some((decode(id), secret))
    }

    /// Checks the secret or assertion that came along.
    fn prove(&self, basic_secret: Option<&str>) -> Result<ProvenBy, Refusal> {
        let credentials = &self.service.world.credentials;
        if let Some(assertion) = self.text("client_assertion") {
            if self.text("client_assertion_type") != Some(JWT_BEARER) {
                return Err(Refusal::missing("client_assertion_type"));
            }
            self.check_assertion(assertion)?;
            return Ok(ProvenBy::Certificate);
        }
        match self.text("client_secret").or(basic_secret) {
            None => Ok(ProvenBy::Nothing),
            Some(secret) if secret != credentials.client_secret => {
                Err(Refusal::code(7_000_215).because(format!(
                    "Invalid client secret provided. Ensure the secret being sent in the request is the client secret \
                     value, not the client secret ID, for a secret added to app '{}'.",
                    credentials.client_id
                )))
            }
            Some(_) if self.settings.secret_expired => Err(Refusal::code(7_000_222).because(format!(
                "The provided client secret keys for app '{}' are expired.",
                credentials.client_id
            ))),
            Some(_) => Ok(ProvenBy::Secret),
        }
    }

    /// A user signs in with a credential of the application, or with none if it is a public client.
    fn prove_or_public(&self, basic_secret: Option<&str>) -> Result<(), Refusal> {
        let is_proven = !matches!(self.prove(basic_secret)?, ProvenBy::Nothing);
        if is_proven || self.settings.public_client {
            Ok(())
        } else {
            Err(Refusal::code(7_000_218))
        }
    }

    /// An assertion signed with a registered certificate or by a trusted issuer (`entra.md` 5.3, 5.4).
    fn check_assertion(&self, assertion: &str) -> Result<(), Refusal> {
        #[derive(Deserialize)]
        struct Header {
            #[serde(rename = "x5t#S256")]
            sha256: Option<String>,
            #[serde(rename = "x5t")]
            sha1: Option<String>,
        }
        #[derive(Deserialize)]
        struct Assertion {
            aud: String,
            iss: String,
            sub: String,
            exp: i64,
            nbf: Option<i64>,
        }
        let (Some(header), Some(claims)) =
            (header_of::<Header>(assertion), claims_of::<Assertion>(assertion))
        else {
            return Err(Refusal::code(50_027));
        };
        let now = self.now.as_second();
        // The usual allowance for clocks that differ.
        let is_valid_now = claims.exp + 300 > now && claims.nbf.is_none_or(|from| from - 300 <= now);
        let Some(thumbprint) = header.sha256.or(header.sha1) else {
            let is_trusted = self
                .settings
                .federated_credentials
                .iter()
                .any(|trusted| trusted.issuer == claims.iss && trusted.subject == claims.sub);
            return if !is_trusted || claims.aud != "api://AzureADTokenExchange" {
                Err(Refusal::code(700_213).because(format!(
                    "No matching federated identity record found for presented assertion subject '{}'.",
                    claims.sub
                )))
            } else if !is_valid_now {
                Err(Refusal::code(700_024))
            } else {
                Ok(())
            };
        };
        let client = &self.service.world.credentials.client_id;
        if !self.settings.certificates.contains(&thumbprint) {
            return Err(Refusal::code(700_027).because(format!(
                "The certificate with identifier used to sign the client assertion is not registered on application. \
                 The key was not found. Thumbprint of key used by client: '{thumbprint}'."
            )));
        }
        if claims.iss != *client || claims.sub != *client {
            return Err(Refusal::code(700_021));
        }
        if !claims.aud.contains("/oauth2/v2.0/token") {
            return Err(Refusal::code(700_023));
        }
        if !is_valid_now {
            return Err(Refusal::code(700_024));
        }
        Ok(())
    }

    /// The one resource of an application's scope.
    fn application_audience(&self) -> Result<String, Refusal> {
        let scope = self.required("scope")?;
        let mut scopes = scope.split_whitespace();
        let (Some(only), None) = (scopes.next(), scopes.next()) else {
            return Err(
                Refusal::code(70_011).because(format!("The provided value for scope {scope} is not valid."))
            );
        };
        let Some(resource) = only.strip_suffix("/.default") else {
            return Err(Refusal::code(1_002_012).because(format!(
                "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with \
                 /.default suffixed to the resource identifier (application ID URI)."
            )));
        };
        audience_of(resource.trim_end_matches('/'), self.request).ok_or_else(|| unknown_resource(resource))
    }

    /// Resource and permissions of a user's scope.
    fn delegated_scopes(&self, scope: &str) -> Result<(String, Vec<String>), Refusal> {
        let consented = &self.settings.scopes;
        let mut scopes = Vec::new();
        for asked in scope
            .split_whitespace()
            .filter(|asked| !OPENID_SCOPES.contains(asked))
        {
            let (resource, name) = asked.rsplit_once('/').unwrap_or((GRAPH, asked));
            let audience = audience_of(resource.trim_end_matches('/'), self.request);
            if audience.as_deref() != Some(GRAPH) {
                return Err(unknown_resource(resource));
            }
            if name == ".default" {
                scopes.extend(consented.iter().cloned());
            } else if let Some(name) = consented.iter().find(|known| known.eq_ignore_ascii_case(name)) {
                scopes.push(name.clone());
            } else {
                return Err(Refusal::code(65_001));
            }
        }
        let mut seen = std::collections::HashSet::new();
        scopes.retain(|name| seen.insert(name.clone()));
        if scopes.is_empty() {
            scopes.extend(consented.first().cloned());
        }
        Ok((GRAPH.to_owned(), scopes))
    }
}

fn unknown_resource(resource: &str) -> Refusal {
    Refusal::code(500_011).because(format!(
        "The resource principal named {resource} was not found in the tenant."
    ))
}

/// The `aud` of tokens for a resource; `None` if this tenant does not know it. The sandbox's own address is Graph.
fn audience_of(resource: &str, request: &Request) -> Option<String> {
    let is_graph = resource == GRAPH
        || resource == GRAPH_APP_ID
        || resource == request.base
        || authority_of(resource) == authority_of(&request.base);
    if is_graph {
        return Some(GRAPH.to_owned());
    }
    OTHER_RESOURCES.contains(&resource).then(|| resource.to_owned())
}

/// Names that stand for no tenant in particular.
fn is_shared_tenant(tenant: &str) -> bool {
    tenant == "common" || tenant == "organizations"
}

/// Host and port of a base address.
fn authority_of(base: &str) -> &str {
    base.split_once("://").map_or(base, |(_, authority)| authority)
}

fn json_answer(body: &serde_json::Value) -> Response {
    Response::json(200, "application/json; charset=utf-8", body)
}

/// Nine letters and digits that cannot be mistaken for one another.
fn user_code(mut bits: u64) -> String {
    const LETTERS: &[u8; 28] = b"ABCDEFGHJKLMNPQRSTVXYZ345679";
    (0..9)
        .map(|_| {
            let letter = LETTERS[(bits % 28) as usize];
            bits /= 28;
            char::from(letter)
        })
        .collect()
}
