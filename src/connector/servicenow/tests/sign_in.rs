use super::*;
use crate::connector::ProbeResult;
use crate::connector::http::Secret;

fn client_credentials() -> ServiceNowAuth {
    ServiceNowAuth::ClientCredentials {
        client_id: "client-1".to_owned(),
        client_secret: Secret::new("canary-secret"),
    }
}

fn password_grant() -> ServiceNowAuth {
    ServiceNowAuth::Password {
        client_id: "client-1".to_owned(),
        client_secret: Secret::new("canary-secret"),
        username: "svc".to_owned(),
        password: Secret::new("canary-password"),
    }
}

/// The answer of the token endpoint to everything that is wrong (`servicenow.md` E6).
fn access_denied() -> Reply {
    Reply::json(
        401,
        serde_json::json!({"error_description": "access_denied", "error": "server_error"}),
    )
}

async fn oauth_instance() -> Instance {
    Instance::start(|request| {
        if request.path == "/oauth_token.do" {
            return Reply::json(
                200,
                serde_json::json!({"access_token": "tok-1", "scope": "useraccount", "token_type": "Bearer",
                    "expires_in": 1799}),
            );
        }
        if request
            .headers
            .get("authorization")
            .is_some_and(|value| value == "Bearer tok-1")
        {
            Reply::page(request, &[], |_| false)
        } else {
            envelope(
                401,
                "User Not Authenticated",
                "Required to provide Auth information",
            )
        }
    })
    .await
}

#[tokio::test]
async fn client_credentials_are_exchanged_once_for_a_token() {
    let instance = oauth_instance().await;
    let target = instance.target_with(|settings| settings.auth = client_credentials());
    let (one, two) = tokio::join!(target.count(), target.count());
    assert_eq!((one.unwrap(), two.unwrap()), (0, 0));
    let requests = instance.requests();
    let sign_ins: Vec<_> = requests
        .iter()
        .filter(|request| request.path == "/oauth_token.do")
        .collect();
    assert_eq!(sign_ins.len(), 1);
    assert_eq!(
        sign_ins[0].body,
        "grant_type=client_credentials&client_id=client-1&client_secret=canary-secret"
    );
    assert!(sign_ins[0].query.is_empty(), "secrets never go into an address");
}

#[tokio::test]
async fn the_password_grant_sends_the_account_in_the_body() {
    let instance = oauth_instance().await;
    let target = instance.target_with(|settings| settings.auth = password_grant());
    target.count().await.unwrap();
    assert_eq!(
        instance.requests()[0].body,
        "grant_type=password&client_id=client-1&client_secret=canary-secret&username=svc&password=canary-password"
    );
}

#[tokio::test]
async fn a_refused_token_request_lists_all_its_causes_and_no_secret() {
    for (auth, cause) in [
        (client_credentials(), "OAuth Application User"),
        (password_grant(), "locked out"),
    ] {
        let instance = Instance::start(|_| access_denied()).await;
        let target = instance.target_with(|settings| settings.auth = auth);
        let error = target.count().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::SignInRejected);
        let told = told(&error);
        assert!(told.contains(cause) && told.contains("access_denied"), "{told}");
        assert!(!told.contains("canary"), "{told}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_tried_twice_and_no_more() {
    let instance = Instance::start(|_| {
        envelope(
            401,
            "User Not Authenticated",
            "Required to provide Auth information",
        )
    })
    .await;
    let target = instance.target();
    for _ in 0..5 {
        let error = target.count().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::SignInRejected);
        let told = told(&error);
        assert!(told.contains("snc_basic_auth_api_access"), "{told}");
        assert!(!told.contains("canary"), "{told}");
    }
    assert_eq!(instance.requests().len(), 2);

    let instance = Instance::start(|_| access_denied()).await;
    let target = instance.target_with(|settings| settings.auth = password_grant());
    for _ in 0..5 {
        target.count().await.unwrap_err();
    }
    assert!(instance.requests().len() <= 2, "{}", instance.requests().len());
}

/// An instance on which everything is as it should be.
fn healthy(request: &Request) -> Reply {
    match request.table() {
        "sys_user" => Reply::rows(vec![serde_json::json!({
            "sys_id": id('a', 1), "user_name": "ada", "email": "ada@example.com", "name": "Ada", "photo": "",
            "employee_number": "", "active": "true", "locked_out": "false", "correlation_id": "", "avatar": "",
        })]),
        "live_profile" => Reply::rows(vec![serde_json::json!({
            "sys_id": id('b', 1), "document": id('a', 1), "photo": "", "sys_created_on": "2026-01-01 00:00:00",
        })]),
        "sys_attachment" => Reply::rows(vec![serde_json::json!({
            "sys_id": id('c', 1), "table_name": "ZZ_YYsys_user", "table_sys_id": id('a', 1), "file_name": "photo",
            "content_type": "image/jpeg", "size_bytes": "1", "hash": "", "state": "", "sys_created_by": "admin",
            "sys_created_on": "2026-01-01 00:00:00",
        })]),
        "sys_properties" => Reply::rows(Vec::new()),
        _ => envelope(400, "Requested URI does not represent any resource", ""),
    }
}

fn without(mut reply: serde_json::Value, column: &str) -> Reply {
    reply["result"][0].as_object_mut().expect("a row").remove(column);
    Reply::json(200, reply)
}

#[tokio::test]
async fn a_healthy_instance_passes_every_probe_without_a_single_write() {
    let instance = Instance::start(healthy).await;
    let probes = instance.target().check().await;
    for probe in &probes {
        assert!(matches!(probe.result, ProbeResult::Passed(_)), "{probe:?}");
    }
    assert_eq!(probes.len(), 6);
    assert!(instance.requests().iter().all(|request| request.method == "GET"));
    assert!(
        instance
            .requests()
            .iter()
            .all(|request| !request.parameter("sysparm_fields").is_empty())
    );
}

#[tokio::test]
async fn every_missing_right_is_named_with_its_fix() {
    for (case, table, reply, words) in [
        (
            "the photo column is hidden",
            "sys_user",
            without(
                serde_json::json!({"result": [{"sys_id": id('a', 1), "avatar": "", "photo": ""}]}),
                "photo",
            ),
            "photo",
        ),
        (
            "the instance has no profiles",
            "live_profile",
            envelope(400, "Invalid table live_profile", ""),
            "Live Feed",
        ),
        (
            "hashes are hidden",
            "sys_attachment",
            without(
                serde_json::json!({"result": [{"sys_id": id('c', 1), "table_name": "ZZ_YYsys_user", "hash": ""}]}),
                "hash",
            ),
            "hash",
        ),
        (
            "the instance ignores the condition",
            "sys_attachment",
            Reply::rows(vec![
                serde_json::json!({"sys_id": id('c', 1), "table_name": "incident"}),
            ]),
            "incident",
        ),
        (
            "the API is closed to the account",
            "live_profile",
            envelope(403, "User Not Authorized", "Failed API level ACL Validation"),
            "snc_platform_rest_api_access",
        ),
    ] {
        let instance = Instance::start(move |request| {
            if request.table() == table {
                reply.clone()
            } else {
                healthy(request)
            }
        })
        .await;
        let probes = instance.target().check().await;
        let failed: Vec<String> = probes
            .iter()
            .filter_map(|probe| match &probe.result {
                ProbeResult::Failed { seen, hint, .. } => Some(format!("{seen} | {hint}")),
                _ => None,
            })
            .collect();
        assert!(
            failed.iter().any(|said| said.contains(words)),
            "{case}: {failed:?}"
        );
    }
}

#[tokio::test]
async fn a_refused_key_order_is_a_warning_and_an_unreachable_sign_in_ends_the_list() {
    let instance = Instance::start(|request| {
        if request.encoded_query().contains("ORDERBY") {
            query_refused()
        } else {
            healthy(request)
        }
    })
    .await;
    let probes = instance.target().check().await;
    let warned = probes.iter().any(
        |probe| matches!(&probe.result, ProbeResult::Warning { hint, .. } if hint.contains("query_range")),
    );
    assert!(warned, "{probes:?}");

    let instance = Instance::start(|_| envelope(401, "User Not Authenticated", "")).await;
    let probes = instance.target().check().await;
    assert_eq!(probes.len(), 1, "{probes:?}");
    assert!(matches!(
        &probes[0].result,
        ProbeResult::Failed {
            kind: ErrorKind::SignInRejected,
            ..
        }
    ));
}

#[test]
fn settings_that_cannot_work_are_refused_before_anything_is_sent() {
    let origin = instance_origin("dev12345").unwrap();
    let transport = Transport::new(crate::connector::http::TransportSettings::default());
    for (scope, column, words) in [
        ("active=true^ORDERBYname", "correlation_id", "ORDERBY"),
        ("manager=javascript:gs.getUserID()", "correlation_id", "script"),
        ("active=true", "a^b", "not the name of a column"),
    ] {
        let mut settings = ServiceNowSettings::new(origin.clone(), client_credentials());
        settings.scope = scope.to_owned();
        settings.source_key_column = Some(column.to_owned());
        let error = ServiceNowTarget::new(settings, &transport).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Configuration);
        let told = told(&error);
        assert!(told.contains(words), "{told}");
    }
}
