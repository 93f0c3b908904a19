//! The identity platform: `entra.md` 5.

use avatar_sync::sandbox::entra::{DeviceCodeOutcome, FederatedCredential};
use avatar_sync::sandbox::exchange::{Response, Service};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{Answered, BASE, CLIENT, SECRET, TENANT, Tenant, ask, claims, id_of, people, person};

const GRAPH_SCOPE: &str = "https://graph.microsoft.com/.default";

/// The form of a sign-in with a secret, with some values replaced; an empty one is left out.
fn with_secret(changes: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let usual = [
        ("client_id", CLIENT),
        ("client_secret", SECRET),
        ("scope", GRAPH_SCOPE),
        ("grant_type", "client_credentials"),
    ];
    usual
        .into_iter()
        .map(|(name, value)| {
            let change = changes.iter().find(|(changed, _)| *changed == name);
            (name, change.map_or(value, |(_, value)| value))
        })
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

fn assert_refused(answer: &Response, status: u16, error: &str, code: u32) {
    let body = answer.json();
    assert_eq!(body["error_codes"], json!([code]), "{body}");
    assert_eq!(
        (answer.status.as_u16(), body["error"].as_str()),
        (status, Some(error)),
        "{body}"
    );
    let description = body["error_description"].as_str().expect("a description");
    assert!(
        description.starts_with(&format!("AADSTS{code}: ")),
        "{description}"
    );
    assert!(description.contains("\r\nTrace ID: "), "{description}");
    assert!(description.contains("\r\nCorrelation ID: "), "{description}");
    let timestamp = body["timestamp"].as_str().expect("a timestamp");
    assert!(
        description.ends_with(&format!("\r\nTimestamp: {timestamp}")),
        "{description}"
    );
    assert!(timestamp.len() == 20 && timestamp.ends_with('Z'), "{timestamp}");
    assert_eq!(
        body["error_uri"],
        format!("https://login.microsoftonline.com/error?code={code}")
    );
    assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-store, no-cache");
}

#[test]
fn a_secret_gets_a_token_with_the_granted_roles() {
    let tenant = Tenant::with(people(1));
    let answer = tenant.sign_in(&with_secret(&[]));
    assert_eq!(answer.status, 200);
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(
        (&body["expires_in"], &body["ext_expires_in"]),
        (&json!(3599), &json!(3599))
    );
    assert_eq!(body.get("refresh_token"), None);
    let token = body["access_token"].as_str().expect("a token");
    let claims = claims(token);
    assert_eq!(claims["aud"], "https://graph.microsoft.com");
    assert_eq!(claims["iss"], format!("https://sts.windows.net/{TENANT}/"));
    assert_eq!(claims["appid"], CLIENT);
    assert_eq!(claims["appidacr"], "1");
    assert_eq!(claims["idtyp"], "app");
    assert_eq!(claims["tid"], TENANT);
    assert_eq!(claims["ver"], "1.0");
    let lifetime = claims["exp"].as_i64().expect("exp") - claims["iat"].as_i64().expect("iat");
    assert_eq!(lifetime, 3599);
    let roles: Vec<&str> = claims["roles"]
        .as_array()
        .expect("roles")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(roles.contains(&"ProfilePhoto.Read.All") && roles.contains(&"User.Read.All"));
}

#[test]
fn a_secret_may_come_as_http_basic_and_the_tenant_by_its_domain() {
    let tenant = Tenant::with([person("dana")]);
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    for pair in [
        format!("{CLIENT}:{}", encode(SECRET)),
        format!("{CLIENT}:{SECRET}"),
    ] {
        let request = ask(Method::POST, "/northwind.example/oauth2/v2.0/token")
            .header("authorization", &format!("Basic {}", STANDARD.encode(&pair)))
            .body(format!(
                "grant_type=client_credentials&scope={}",
                encode(GRAPH_SCOPE)
            ));
        assert_eq!(tenant.service.answer(&request.request).status, 200, "{pair}");
    }
}

#[test]
fn the_sandboxs_own_address_is_graph() {
    let tenant = Tenant::with(people(1));
    let token = tenant.new_token(&format!("{BASE}/.default"));
    assert_eq!(claims(&token)["aud"], "https://graph.microsoft.com");
}

#[test]
fn e50_to_e53_what_is_wrong_is_told_by_a_number() {
    let tenant = Tenant::with(people(1));
    assert_refused(
        &tenant.sign_in(&with_secret(&[("client_secret", "id")])),
        401,
        "invalid_client",
        7_000_215,
    );
    tenant.switch(|settings| settings.secret_expired = true);
    assert_refused(
        &tenant.sign_in(&with_secret(&[])),
        401,
        "invalid_client",
        7_000_222,
    );
    let unknown = "/00000000-0000-0000-0000-000000000009/oauth2/v2.0/token";
    assert_refused(
        &tenant.post_form(unknown, &with_secret(&[])),
        400,
        "invalid_request",
        90_002,
    );
    let other = with_secret(&[("client_id", "00000000-0000-0000-0000-000000000009")]);
    assert_refused(&tenant.sign_in(&other), 400, "unauthorized_client", 700_016);
}

#[test]
fn other_mistakes_in_a_sign_in() {
    let tenant = Tenant::with(people(1));
    for (changes, status, error, code) in [
        ([("client_secret", "")], 401, "invalid_client", 7_000_216),
        (
            [("scope", "https://graph.microsoft.com/User.Read.All")],
            400,
            "invalid_scope",
            1_002_012,
        ),
        (
            [("scope", "https://graph.microsoft.com/.default openid")],
            400,
            "invalid_scope",
            70_011,
        ),
        (
            [("scope", "https://graph.microsoft.us/.default")],
            400,
            "invalid_resource",
            500_011,
        ),
        ([("scope", "")], 400, "invalid_request", 900_144),
        ([("client_id", "")], 400, "invalid_request", 900_144),
        ([("grant_type", "")], 400, "invalid_request", 900_144),
        (
            [("grant_type", "password")],
            400,
            "unsupported_grant_type",
            70_003,
        ),
    ] {
        assert_refused(&tenant.sign_in(&with_secret(&changes)), status, error, code);
    }
    let nonsense = tenant.post_form("/nonsense/oauth2/v2.0/token", &with_secret(&[]));
    assert_refused(&nonsense, 400, "invalid_request", 900_023);
    let common = tenant.post_form("/common/oauth2/v2.0/token", &with_secret(&[]));
    assert_refused(&common, 400, "invalid_request", 50_194);
    let get = tenant
        .service
        .answer(&ask(Method::GET, &format!("/{TENANT}/oauth2/v2.0/token")).request);
    assert_refused(&get, 400, "invalid_request", 900_561);
}

#[test]
fn any_row_of_the_manuals_table_can_be_had() {
    let tenant = Tenant::with(people(1));
    for (code, status, error) in [
        (53_003, 400, "invalid_grant"),
        (7_000_112, 400, "unauthorized_client"),
        (65_001, 400, "invalid_grant"),
        (50_076, 400, "interaction_required"),
        (90_033, 503, "temporarily_unavailable"),
    ] {
        tenant.switch(|settings| settings.sign_in_error = Some(code));
        assert_refused(&tenant.sign_in(&with_secret(&[])), status, error, code);
    }
}

#[test]
fn a_refusal_never_repeats_the_secret() {
    let tenant = Tenant::with(people(1));
    let answer = tenant.sign_in(&with_secret(&[("client_secret", "canary-secret")]));
    assert!(!String::from_utf8_lossy(&answer.body).contains("canary-secret"));
}

fn assertion(tenant: &Tenant, header: &Value, changes: &Value) -> String {
    let now = tenant.world.clock.now().as_second();
    let mut payload = json!({
        "aud": format!("{BASE}/{TENANT}/oauth2/v2.0/token"),
        "iss": CLIENT, "sub": CLIENT, "jti": "1", "nbf": now, "iat": now, "exp": now + 600,
    });
    for (name, value) in changes.as_object().expect("an object") {
        payload[name] = value.clone();
    }
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}.c2lnbmF0dXJl", encode(header), encode(&payload))
}

fn sign_in_with(tenant: &Tenant, assertion: &str) -> Response {
    tenant.sign_in(&[
        ("client_id", CLIENT),
        ("scope", GRAPH_SCOPE),
        ("grant_type", "client_credentials"),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", assertion),
    ])
}

#[test]
fn e54_a_certificate_has_to_be_registered() {
    let tenant = Tenant::with(people(1));
    let header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": "dGh1bWI"});
    let good = assertion(&tenant, &header, &json!({}));
    assert_refused(&sign_in_with(&tenant, &good), 401, "invalid_client", 700_027);

    tenant.switch(|settings| settings.certificates = vec!["dGh1bWI".to_owned()]);
    let answer = sign_in_with(&tenant, &good);
    assert_eq!(answer.status, 200);
    let token = answer.json()["access_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    assert_eq!(claims(&token)["appidacr"], "2");

    for (changes, code) in [
        (json!({"exp": 1_000_000}), 700_024),
        (json!({"sub": "somebody"}), 700_021),
        (json!({"aud": "https://elsewhere.example"}), 700_023),
    ] {
        let bad = assertion(&tenant, &header, &changes);
        assert_refused(&sign_in_with(&tenant, &bad), 401, "invalid_client", code);
    }
    assert_refused(&sign_in_with(&tenant, "nonsense"), 401, "invalid_client", 50_027);
}

#[test]
fn a_workload_identity_has_to_be_trusted() {
    let tenant = Tenant::with(people(1));
    let token = assertion(
        &tenant,
        &json!({"alg": "RS256", "kid": "1"}),
        &json!({"iss": "https://cluster.example", "sub": "system:serviceaccount:sync", "aud": "api://AzureADTokenExchange"}),
    );
    assert_refused(&sign_in_with(&tenant, &token), 400, "invalid_request", 700_213);
    tenant.switch(|settings| {
        settings.federated_credentials = vec![FederatedCredential {
            issuer: "https://cluster.example".to_owned(),
            subject: "system:serviceaccount:sync".to_owned(),
        }];
    });
    assert_eq!(sign_in_with(&tenant, &token).status, 200);
}

fn start_device_code(tenant: &Tenant, scope: &str) -> Value {
    let form = [("client_id", CLIENT), ("scope", scope)];
    let answer = tenant.post_form(&format!("/{TENANT}/oauth2/v2.0/devicecode"), &form);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

fn poll(tenant: &Tenant, code: &Value) -> Response {
    tenant.sign_in(&[
        ("client_id", CLIENT),
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", code["device_code"].as_str().expect("a code")),
    ])
}

#[test]
fn e55_a_device_code_is_pending_until_somebody_signs_in() {
    let tenant = Tenant::with([person("dana").photo(96)]);
    let code = start_device_code(
        &tenant,
        "https://graph.microsoft.com/User.Read https://graph.microsoft.com/ProfilePhoto.Read.All openid profile offline_access",
    );
    assert_eq!(code["user_code"].as_str().map(str::len), Some(9));
    assert_eq!(code["verification_uri"], "https://microsoft.com/devicelogin");
    assert_eq!((&code["expires_in"], &code["interval"]), (&json!(900), &json!(5)));
    for _ in 0..2 {
        assert_refused(&poll(&tenant, &code), 400, "authorization_pending", 70_016);
    }
    let answer = poll(&tenant, &code);
    assert_eq!(answer.status, 200);
    let body = answer.json();
    let token = body["access_token"].as_str().expect("a token").to_owned();
    assert_eq!(claims(&token)["scp"], "User.Read ProfilePhoto.Read.All");
    assert_eq!(claims(&token)["oid"], id_of("dana").to_string());
    assert_eq!(
        claims(body["id_token"].as_str().expect("an id token"))["aud"],
        CLIENT
    );
    // A code works once.
    assert_refused(&poll(&tenant, &code), 400, "bad_verification_code", 70_018);

    let refresh = body["refresh_token"].as_str().expect("a refresh token");
    let form = [
        ("client_id", CLIENT),
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh),
    ];
    let renewed = tenant.sign_in(&form).json();
    assert_ne!(renewed["refresh_token"], refresh);
    let tenant = Tenant { token, ..tenant };
    assert_eq!(tenant.get("/v1.0/me").json()["displayName"], "dana");
    assert_eq!(tenant.get("/v1.0/me/photo/$value").status, 200);
    assert_eq!(
        tenant.get("/v1.0/users").status,
        403,
        "User.Read is for one's own data"
    );
}

#[test]
fn e55_a_device_code_can_end_in_every_way() {
    for (outcome, error) in [
        (DeviceCodeOutcome::AuthorizationDeclined, "authorization_declined"),
        (DeviceCodeOutcome::ExpiredToken, "expired_token"),
        (DeviceCodeOutcome::BadVerificationCode, "bad_verification_code"),
    ] {
        let tenant = Tenant::with_settings(people(1), |settings| {
            settings.device_code.pending = 0;
            settings.device_code.outcome = outcome;
        });
        let code = start_device_code(&tenant, GRAPH_SCOPE);
        let answer = poll(&tenant, &code);
        assert_eq!(
            (answer.status.as_u16(), answer.json()["error"].as_str()),
            (400, Some(error))
        );
    }
    let tenant = Tenant::with_settings(people(1), |settings| {
        settings.device_code.pending = 0;
        settings.device_code.outcome = DeviceCodeOutcome::SlowDown;
    });
    let code = start_device_code(&tenant, GRAPH_SCOPE);
    assert_eq!(poll(&tenant, &code).json()["error"], "slow_down");
    assert_eq!(poll(&tenant, &code).status, 200);

    let code = start_device_code(&tenant, GRAPH_SCOPE);
    tenant.advance(SignedDuration::from_secs(901));
    assert_refused(&poll(&tenant, &code), 400, "expired_token", 70_019);
}

#[test]
fn a_confidential_client_has_no_device_code_without_its_secret() {
    let tenant = Tenant::with_settings(people(1), |settings| settings.public_client = false);
    let code = start_device_code(&tenant, GRAPH_SCOPE);
    assert_refused(&poll(&tenant, &code), 401, "invalid_client", 7_000_218);
}

#[test]
fn e56_a_token_without_permissions_opens_nothing() {
    let mut tenant = Tenant::with([person("dana").photo(96)]);
    tenant.with_roles(&[]);
    assert_eq!(claims(&tenant.token).get("roles"), None);
    let photo = format!("/v1.0/users/{}/photo", id_of("dana"));
    assert_eq!(
        tenant.get(&photo).failure(),
        (403, "ErrorAccessDenied".to_owned())
    );
    assert_eq!(
        tenant.get("/v1.0/users").failure(),
        (403, "Authorization_RequestDenied".to_owned())
    );
}

#[test]
fn e57_the_metadata_service_wants_its_header() {
    let tenant = Tenant::with(people(1));
    let url = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://graph.microsoft.com";
    let without = tenant.service.answer(&ask(Method::GET, url).request);
    assert_eq!(without.status, 400);
    assert_eq!(
        without.json(),
        json!({"error": "bad_request_102", "error_description": "Required metadata header not specified"})
    );
    let answer = tenant
        .service
        .answer(&ask(Method::GET, url).header("metadata", "true").request);
    let body = answer.json();
    assert_eq!(body["expires_in"], "3599");
    assert!(
        body["expires_on"]
            .as_str()
            .is_some_and(|seconds| seconds.parse::<i64>().is_ok())
    );
    assert_eq!(body["refresh_token"], "");
    let token = body["access_token"].as_str().expect("a token").to_owned();
    let tenant = Tenant { token, ..tenant };
    assert_eq!(tenant.get("/v1.0/users").status, 200);
    let other = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://nothing.example";
    let answer = tenant
        .service
        .answer(&ask(Method::GET, other).header("metadata", "true").request);
    assert_eq!(
        (answer.status.as_u16(), answer.json()["error"].as_str()),
        (400, Some("invalid_resource"))
    );
}

#[test]
fn discovery_leads_back_to_this_host() {
    let tenant = Tenant::with([person("dana")]);
    let get = |url: &str| tenant.service.answer(&ask(Method::GET, url).request);
    for name in [TENANT, "northwind.example"] {
        let configuration = get(&format!("/{name}/v2.0/.well-known/openid-configuration")).json();
        assert_eq!(configuration["issuer"], format!("{BASE}/{TENANT}/v2.0"));
        assert_eq!(
            configuration["token_endpoint"],
            format!("{BASE}/{TENANT}/oauth2/v2.0/token")
        );
        assert_eq!(
            configuration["device_authorization_endpoint"],
            format!("{BASE}/{TENANT}/oauth2/v2.0/devicecode")
        );
        assert_eq!(
            configuration["jwks_uri"],
            format!("{BASE}/{TENANT}/discovery/v2.0/keys")
        );
    }
    let common = get("/common/v2.0/.well-known/openid-configuration").json();
    assert_eq!(common["issuer"], format!("{BASE}/{{tenantid}}/v2.0"));
    assert_eq!(
        common["token_endpoint"],
        format!("{BASE}/common/oauth2/v2.0/token")
    );
    assert!(get("/common/discovery/v2.0/keys").json()["keys"].is_array());
    let unknown = get("/00000000-0000-0000-0000-000000000009/v2.0/.well-known/openid-configuration");
    assert_refused(&unknown, 400, "invalid_request", 90_002);

    let instance = get(&format!(
        "/common/discovery/instance?api-version=1.1&authorization_endpoint={BASE}/{TENANT}/oauth2/v2.0/authorize"
    ))
    .json();
    assert_eq!(
        instance["tenant_discovery_endpoint"],
        format!("{BASE}/{TENANT}/v2.0/.well-known/openid-configuration")
    );
    assert_eq!(instance["metadata"][0]["aliases"], json!(["127.0.0.1:40001"]));
    assert_eq!(instance["metadata"][0]["preferred_network"], "127.0.0.1:40001");
}
