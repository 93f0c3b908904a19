//! The edge cases of `servicenow.md` 9.2, by their numbers.

use avatar_sync::sandbox::servicenow::settings::{AbortRule, Challenge, Mode};
use avatar_sync::sandbox::world::instance::ScanState;
use http::Method;
use serde_json::json;

use crate::instance::{
    A1, A2, ACCOUNT, Answer, Call, NOBODY, P1, PASSWORD, Practice, U1, attachment, five_users, id, profile,
    sha256, user,
};

const LIST: &str = "/api/now/table/sys_user?sysparm_limit=1";
const CLIENT: &str = "grant_type=client_credentials&client_id=c1&client_secret=s1";

#[track_caller]
fn assert_access_denied(answer: &Answer) {
    assert_eq!(answer.status(), 401);
    assert_eq!(
        answer.json(),
        json!({"error_description": "access_denied", "error": "server_error"})
    );
}

#[test]
fn e1_no_credentials() {
    let practice = Practice::new();
    let answer = practice.call(Call::new(Method::GET, LIST).anonymous());
    answer.assert_unauthenticated();
    assert_eq!(answer.header("www-authenticate"), "BASIC realm=\"Service-now\"");
    assert_eq!(answer.header("x-is-logged-in"), "false");
    assert!(answer.session().starts_with("JSESSIONID="));

    practice.set(|settings| settings.new_unauthenticated_wording = true);
    practice
        .call(Call::new(Method::GET, LIST).anonymous())
        .assert_refused(
            401,
            "User is not authenticated",
            "Required to provide Auth information",
        );
}

#[test]
fn e2_a_wrong_password_looks_like_none() {
    let practice = Practice::new();
    practice
        .call(Call::new(Method::GET, LIST).basic(ACCOUNT, "wrong"))
        .assert_unauthenticated();
    practice
        .call(Call::new(Method::GET, LIST).basic("nobody", PASSWORD))
        .assert_unauthenticated();
    practice
        .call(Call::new(Method::GET, LIST).header("authorization", "Basic %%%"))
        .assert_unauthenticated();
}

#[test]
fn e3_the_basic_auth_restriction_stops_interactive_accounts_without_the_role() {
    let practice = Practice::new();
    practice.set(|settings| settings.sign_in.basic_restricted = true);
    assert_eq!(
        practice.get(LIST).status(),
        200,
        "web service access only is spared"
    );
    practice.set(|settings| settings.sign_in.web_service_access_only = false);
    practice.get(LIST).assert_unauthenticated();
    practice.set(|settings| {
        settings
            .sign_in
            .roles
            .insert("snc_basic_auth_api_access".to_owned());
    });
    assert_eq!(practice.get(LIST).status(), 200);
}

#[test]
fn e4_a_missing_one_time_password_shows_in_a_header_only_if_the_password_is_right() {
    let practice = Practice::new();
    practice.set(|settings| settings.sign_in.one_time_password = Some("123456".to_owned()));
    let missing = practice.get(LIST);
    missing.assert_unauthenticated();
    assert_eq!(missing.header("x-mfa_token"), "invalid");
    let wrong = practice.call(Call::new(Method::GET, LIST).basic(ACCOUNT, "wrong"));
    assert!(!wrong.has_header("x-mfa_token"));
    let with = practice.call(Call::new(Method::GET, LIST).basic(ACCOUNT, &format!("{PASSWORD}123456")));
    assert_eq!(with.status(), 200);
}

#[test]
fn e5_an_expired_token_looks_like_none() {
    let practice = Practice::new();
    practice.set(|settings| settings.sign_in.challenge = Challenge::Bearer);
    let answer = practice.token(CLIENT).json();
    let token = answer["access_token"].as_str().expect("a token");
    practice.advance(1_799);
    assert_eq!(
        practice.call(Call::new(Method::GET, LIST).bearer(token)).status(),
        200
    );
    practice.advance(2);
    let expired = practice.call(Call::new(Method::GET, LIST).bearer(token));
    expired.assert_unauthenticated();
    assert_eq!(expired.header("www-authenticate"), "BEARER realm=\"Service-now\"");
}

#[test]
fn e6_the_token_endpoint_has_one_answer_for_every_failure() {
    let practice = Practice::new();
    for form in [
        "",
        "grant_type=client_credentials&client_id=c1&client_secret=wrong",
        "grant_type=client_credentials&client_id=other&client_secret=s1",
        "grant_type=password&client_id=c1&client_secret=s1&username=svc.avatar.sync&password=wrong",
        "grant_type=refresh_token&client_id=c1&client_secret=s1&refresh_token=made-up",
        "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&client_id=c1&client_secret=s1&assertion=e30.e30.e30",
        "grant_type=unheard_of&client_id=c1&client_secret=s1",
    ] {
        assert_access_denied(&practice.token(form));
    }
    practice.set(|settings| settings.sign_in.client_credentials = false);
    assert_access_denied(&practice.token(CLIENT));
}

#[test]
fn e6_parameters_in_the_query_are_not_read_unless_the_instance_allows_it() {
    let practice = Practice::new();
    let call = || {
        Call::new(Method::POST, &format!("/oauth_token.do?{CLIENT}"))
            .anonymous()
            .body("application/x-www-form-urlencoded", b"")
    };
    assert_access_denied(&practice.call(call()));
    practice.set(|settings| settings.sign_in.parameters_in_body_only = false);
    assert_eq!(practice.call(call()).status(), 200);
}

#[test]
fn e7_the_token_endpoint_does_not_read_json() {
    let body = r#"{"grant_type":"client_credentials","client_id":"c1","client_secret":"s1"}"#;
    let call = Call::new(Method::POST, "/oauth_token.do").anonymous().json(body);
    assert_access_denied(&Practice::new().call(call));
}

#[test]
fn e8_the_password_grant_gives_the_running_token_again_with_less_time_left() {
    let practice = Practice::new();
    let form =
        "grant_type=password&client_id=c1&client_secret=s1&username=svc.avatar.sync&password=correct+horse";
    let first = practice.token(form).json();
    practice.advance(600);
    let second = practice.token(form).json();
    assert_eq!(first["access_token"], second["access_token"]);
    let left = second["expires_in"].as_i64().expect("a number");
    assert!((1_190..=1_199).contains(&left), "{left}");
    practice.advance(1_300);
    assert_ne!(practice.token(form).json()["access_token"], first["access_token"]);
}

#[test]
fn e9_unknown_table() {
    let practice = Practice::new();
    practice
        .get("/api/now/table/u_nope")
        .assert_refused(400, "Invalid table u_nope", json!(null));
    practice.set(|settings| {
        settings.missing_tables.insert("live_profile".to_owned());
    });
    practice.get("/api/now/table/live_profile").assert_refused(
        400,
        "Invalid table live_profile",
        json!(null),
    );
}

#[test]
fn e10_unknown_path() {
    for path in [
        "/api/now/nope",
        "/api/now/v3/table/sys_user",
        "/api/elsewhere",
        "/api/now/table/sys_user/a/b",
    ] {
        Practice::new().get(path).assert_refused(
            400,
            "Requested URI does not represent any resource",
            json!(null),
        );
    }
}

#[test]
fn e11_a_missing_record_and_a_hidden_one_look_the_same() {
    let practice = Practice::new();
    practice
        .get(&format!("/api/now/table/sys_user/{NOBODY}"))
        .assert_no_record();
    practice
        .get("/api/now/table/sys_user/not-a-key")
        .assert_no_record();
    practice
        .get(&format!("/api/now/attachment/{NOBODY}/file"))
        .assert_no_record();
    practice.set(|settings| {
        settings
            .access
            .hidden_rows
            .insert("sys_user".to_owned(), format!("sys_id={U1}"));
    });
    practice
        .get(&format!("/api/now/table/sys_user/{U1}"))
        .assert_no_record();
}

#[test]
fn e12_the_first_version_has_a_404_for_an_empty_list() {
    Practice::new()
        .get("/api/now/v1/table/sys_user?sysparm_query=user_name=nobody")
        .assert_refused(
            404,
            "No Record found",
            "Records matching query not found. Check query parameter or offset parameter",
        );
}

#[test]
fn e13_later_versions_have_an_empty_list() {
    for target in [
        "/api/now/v2/table/sys_user?sysparm_query=user_name=nobody",
        "/api/now/table/sys_user?sysparm_query=user_name=nobody",
        "/api/now/table/sys_user?sysparm_offset=100",
    ] {
        let answer = Practice::new().get(target);
        assert_eq!(
            (answer.status(), answer.json()),
            (200, json!({"result": []})),
            "{target}"
        );
    }
}

#[test]
fn e14_a_condition_on_an_unknown_column_is_dropped_and_everything_comes_back() {
    let practice = Practice::new();
    let target = "/api/now/table/sys_user?sysparm_query=emial=ada.okafor@example.com^active=true";
    assert_eq!(practice.get(target).header("x-total-count"), "5");
    practice.set(|settings| settings.invalid_query_returns_no_rows = true);
    let answer = practice.get(target);
    assert_eq!((answer.status(), answer.json()), (200, json!({"result": []})));
}

#[test]
fn e15_an_unknown_field_is_simply_missing() {
    let answer = Practice::new().get(&format!(
        "/api/now/table/sys_user/{U1}?sysparm_fields=sys_id,u_nope,name.x"
    ));
    assert_eq!(answer.json(), json!({"result": {"sys_id": U1}}));
}

#[test]
fn e16_a_column_that_cannot_be_read_is_missing() {
    let practice = Practice::new();
    practice.set(|settings| {
        settings.access.hidden_columns.insert("sys_user.email".to_owned());
    });
    let answer = practice.get(&format!(
        "/api/now/table/sys_user/{U1}?sysparm_fields=sys_id,email"
    ));
    assert_eq!(answer.json(), json!({"result": {"sys_id": U1}}));
    let walked = practice.get(&format!(
        "/api/now/table/live_profile/{P1}?sysparm_fields=sys_id,document.email"
    ));
    assert_eq!(walked.json(), json!({"result": {"sys_id": P1}}));
}

#[test]
fn e17_a_column_that_cannot_be_read_cannot_be_queried_either() {
    let practice = Practice::new();
    practice.set(|settings| {
        settings.access.hidden_columns.insert("sys_user.email".to_owned());
        settings
            .access
            .unqueryable_columns
            .insert("sys_user.sys_id".to_owned());
    });
    for query in [
        "emailISNOTEMPTY",
        "active=true^ORDERBYemail",
        "sys_id>0",
        "nameSAMEASemail",
    ] {
        practice
            .get(&format!("/api/now/table/sys_user?sysparm_query={query}"))
            .assert_refused(
                403,
                "Insufficient rights to query records",
                "Field(s) present in the query do not have permission to be read",
            );
    }
    assert_eq!(practice.get("/api/now/table/sys_user").column("sys_id").len(), 5);
}

#[test]
fn e18_hidden_rows_make_pages_short_or_empty_and_later_ones_are_full() {
    let practice = Practice::new();
    practice.set(|settings| {
        let hidden = "user_nameINbo,cy,di".to_owned();
        settings.access.hidden_rows.insert("sys_user".to_owned(), hidden);
    });
    let page = |offset: u32| {
        let target = format!(
            "/api/now/table/sys_user?sysparm_query=ORDERBYsys_id&sysparm_fields=user_name&sysparm_limit=2&sysparm_offset={offset}"
        );
        practice.get(&target)
    };
    assert_eq!(page(0).column("user_name"), ["ada.okafor"]);
    assert_eq!(page(2).column("user_name"), [""; 0]);
    assert_eq!(page(2).header("x-total-count"), "5");
    assert!(page(2).header("link").contains("rel=\"next\""));
    assert_eq!(page(4).column("user_name"), ["ed"]);
}

#[test]
fn e19_an_api_closed_to_the_account() {
    let practice = Practice::new();
    practice.set(|settings| {
        settings.access.closed_apis.insert("table".to_owned());
    });
    practice
        .get(LIST)
        .assert_refused(403, "User Not Authorized", "Failed API level ACL Validation");
    assert_eq!(practice.get("/api/now/attachment").status(), 200);
}

#[test]
fn e20_writes_refused_by_access_rules_change_nothing() {
    let practice = Practice::with_pictures();
    practice.set(|settings| {
        settings.access.refused_inserts.insert("live_profile".to_owned());
        settings
            .access
            .refused_updates
            .insert("sys_user".to_owned(), "user_name=ada.okafor".to_owned());
        settings
            .access
            .refused_deletes
            .insert("sys_attachment".to_owned(), String::new());
    });
    let detail = |word: &str| format!("ACL Exception {word} Failed due to security constraints");
    practice
        .post(
            "/api/now/table/live_profile",
            &json!({"document": U1}).to_string(),
        )
        .assert_refused(403, "Operation Failed", detail("Insert"));
    practice
        .patch(&format!("/api/now/table/sys_user/{U1}"), r#"{"title":"x"}"#)
        .assert_refused(403, "Operation Failed", detail("Update"));
    practice
        .delete(&format!("/api/now/attachment/{A1}"))
        .assert_refused(403, "Operation Failed", detail("Delete"));
    practice
        .delete(&format!("/api/now/table/sys_attachment/{A1}"))
        .assert_refused(403, "Operation Failed", detail("Delete"));
    assert!(practice.service.log().is_empty());
    let bo = format!("/api/now/table/sys_user/{}", "5".repeat(32));
    assert_eq!(
        practice.patch(&bo, r#"{"title":"x"}"#).status(),
        200,
        "the rule is about Ada only"
    );
}

#[test]
fn e21_a_business_rule_aborts_a_write() {
    let practice = Practice::new();
    practice.set(|settings| {
        settings.business_rules.push(AbortRule {
            table: "live_profile".to_owned(),
            operation: None,
            name: "Lock profiles".to_owned(),
            sys_id: "9b1e".to_owned(),
        });
    });
    practice.patch(&format!("/api/now/table/live_profile/{P1}"), r#"{"name":"x"}"#).assert_refused(
        403,
        "Operation Failed",
        "Operation against file 'live_profile' was aborted by Business Rule 'Lock profiles^9b1e'. Business Rule Stack:Lock profiles",
    );
    assert!(practice.service.log().is_empty());
}

#[test]
fn a_column_that_a_rule_reverts_answers_200_and_keeps_its_value() {
    let practice = Practice::with_pictures();
    practice.set(|settings| {
        settings.reverted_columns.insert("sys_user.photo".to_owned());
    });
    let body = json!({"photo": A2, "title": "Lead"}).to_string();
    let answer = practice.patch(&format!("/api/now/table/sys_user/{U1}"), &body);
    assert_eq!(answer.status(), 200);
    assert_eq!(
        (answer.field("photo").as_str(), answer.field("title").as_str()),
        ("", "Lead")
    );
}

#[test]
fn e22_an_upload_needs_all_three_parameters_and_a_content_type() {
    let practice = Practice::new();
    for query in [
        format!("table_sys_id={U1}&file_name=photo"),
        "table_name=ZZ_YYsys_user&file_name=photo".to_owned(),
        format!("table_name=ZZ_YYsys_user&table_sys_id={U1}"),
    ] {
        let call =
            Call::new(Method::POST, &format!("/api/now/attachment/file?{query}")).body("image/jpeg", b"x");
        assert_eq!(practice.call(call).status(), 400, "{query}");
    }
    let target =
        format!("/api/now/attachment/file?table_name=ZZ_YYsys_user&table_sys_id={U1}&file_name=photo");
    practice.send(Method::POST, &target).assert_refused(
        400,
        "Missing required parameter: Content-Type",
        json!(null),
    );
    assert_eq!(practice.world.instance.read().attachments().count(), 0);
}

#[test]
fn e23_an_upload_to_a_record_that_is_not_there() {
    Practice::new()
        .upload("ZZ_YYsys_user", NOBODY, b"x")
        .assert_no_record();
}

#[test]
fn e24_an_upload_needs_the_right_to_change_the_record() {
    let practice = Practice::new();
    practice.set(|settings| {
        settings
            .access
            .refused_updates
            .insert("sys_user".to_owned(), String::new());
    });
    practice.upload("ZZ_YYsys_user", U1, b"x").assert_refused(
        403,
        "Operation Failed",
        "ACL Exception Insert Failed due to security constraints",
    );
    practice.set(|settings| settings.attachments.strict_image_upload = false);
    assert_eq!(practice.upload("ZZ_YYsys_user", U1, b"x").status(), 201);
}

#[test]
fn e25_a_list_of_extensions_refuses_a_name_without_one() {
    let practice = Practice::new();
    practice.set(|settings| {
        settings.attachments.extensions.insert("jpg".to_owned());
    });
    practice
        .upload("ZZ_YYsys_user", U1, b"x")
        .assert_refused(400, "Invalid file type: photo", json!(null));
    let named = format!("/api/now/attachment/file?table_name=sys_user&table_sys_id={U1}&file_name=face.JPG");
    let call = Call::new(Method::POST, &named).body("image/jpeg", b"x");
    assert_eq!(practice.call(call).status(), 201);
}

#[test]
fn e26_a_media_type_that_does_not_fit_the_content_is_refused_if_validated() {
    let practice = Practice::new();
    let png = b"\x89PNG\r\n\x1a\n";
    assert_eq!(
        practice.upload("ZZ_YYsys_user", U1, png).status(),
        201,
        "not validated by default"
    );
    practice.set(|settings| settings.attachments.mime_validation = true);
    assert_eq!(practice.upload("ZZ_YYsys_user", U1, png).status(), 400);
    assert_eq!(
        practice.upload("ZZ_YYsys_user", U1, b"\xff\xd8\xff\xe0").status(),
        201
    );
}

#[test]
fn e27_a_file_over_the_limit() {
    let practice = Practice::new();
    practice.set(|settings| settings.attachments.max_bytes = 10);
    assert_eq!(practice.upload("ZZ_YYsys_user", U1, b"eleven more").status(), 413);
    assert_eq!(practice.upload("ZZ_YYsys_user", U1, b"ten enough").status(), 201);
    practice.set(|settings| settings.attachments.too_large_status = 400);
    assert_eq!(practice.upload("ZZ_YYsys_user", U1, b"eleven more").status(), 400);
}

#[test]
fn e28_a_json_body_over_the_limit() {
    let practice = Practice::new();
    practice.set(|settings| settings.json_body_limit_bytes = 100);
    let body = json!({"title": "x".repeat(200)}).to_string();
    let detail = format!(
        "Rejected large REST payload with content-length = {} bytes. Max allowed: 100 bytes.",
        body.len()
    );
    practice
        .patch(&format!("/api/now/table/sys_user/{U1}"), &body)
        .assert_refused(400, "Exception while reading request", detail);
}

#[test]
fn e29_a_request_line_that_is_too_long_is_refused_before_the_application() {
    let practice = Practice::new();
    let ids = vec![U1; 250].join("%2C");
    let target = format!("/api/now/table/sys_user?sysparm_query=sys_idIN{ids}");
    let answer = practice.get(&target);
    assert_eq!(
        (answer.status(), answer.header("content-type")),
        (400, "text/html;charset=UTF-8")
    );
    assert!(answer.text().contains("Request header is too large"));
    practice.set(|settings| settings.long_request_is_414 = true);
    assert_eq!(practice.get(&target).status(), 414);
    let fits = vec![U1; 160].join("%2C");
    assert_eq!(
        practice
            .get(&format!("/api/now/table/sys_user?sysparm_query=sys_idIN{fits}"))
            .status(),
        200
    );
}

#[test]
fn e34_a_request_over_its_quota_is_cancelled() {
    let practice = Practice::new();
    practice.set(|settings| settings.quota.max_rows = Some(2));
    let assert_cancelled = |answer: Answer| {
        answer.assert_refused(
            500,
            "Transaction cancelled: maximum execution time exceeded",
            "Transaction cancelled: maximum execution time exceeded. Check logs for error trace or enable glide.rest.debug property to verify REST request processing",
        );
    };
    assert_cancelled(practice.get("/api/now/table/sys_user"));
    assert_eq!(
        practice.get("/api/now/table/sys_user?sysparm_limit=2").status(),
        200
    );

    practice.set(|settings| {
        settings.quota.max_rows = None;
        settings.quota.limit_ms = 100;
        settings.row_cost_us = 50_000;
    });
    assert_cancelled(practice.get("/api/now/table/sys_user"));
    assert_eq!(
        practice.get("/api/now/table/sys_user?sysparm_limit=2").status(),
        200
    );

    practice.set(|settings| settings.quota.cancel_next = 1);
    assert_cancelled(practice.get(LIST));
    assert_eq!(practice.get(LIST).status(), 200, "only the next one");
}

#[test]
fn e35_a_list_may_break_off_in_the_middle_of_a_row() {
    let practice = Practice::new();
    practice.set(|settings| {
        settings.quota.max_rows = Some(3);
        settings.quota.cut_off = true;
    });
    let answer = practice.get("/api/now/table/sys_user?sysparm_fields=sys_id,name");
    assert_eq!(answer.status(), 200);
    assert!(answer.text().starts_with("{\"result\":[{"));
    assert!(
        answer
            .text()
            .contains("Transaction cancelled: maximum execution time exceeded")
    );
    assert!(answer.text().ends_with("\"status\":\"failure\"}"));
    assert!(
        serde_json::from_str::<serde_json::Value>(answer.text()).is_err(),
        "it is not JSON"
    );
}

#[test]
fn e36_an_insert_can_be_carried_out_and_still_answer_500() {
    let practice = Practice::new();
    practice.set(|settings| settings.quota.cancel_after_commit_next = 1);
    assert_eq!(practice.upload("ZZ_YYlive_profile", P1, b"face").status(), 500);
    let rows = practice.get(&format!("/api/now/attachment?sysparm_query=table_sys_id={P1}"));
    assert_eq!(rows.column("hash"), [sha256(b"face")]);
    assert_eq!(practice.upload("ZZ_YYlive_profile", P1, b"face").status(), 201);
}

#[test]
fn e37_a_hibernating_instance_answers_every_path_with_a_page() {
    let practice = Practice::new();
    practice.set(|settings| settings.mode = Mode::Hibernating);
    for answer in [
        practice.get(LIST),
        practice.token(CLIENT),
        practice.get("/anything"),
    ] {
        assert_eq!(
            (answer.status(), answer.header("content-type")),
            (200, "text/html;charset=UTF-8")
        );
        assert!(answer.text().contains("<title>Instance Hibernating page</title>"));
        assert!(answer.text().contains("Your instance is hibernating"));
    }
    practice.set(|settings| settings.mode = Mode::HibernatingRedirect);
    let answer = practice.get(LIST);
    assert_eq!(
        (answer.status(), answer.header("location")),
        (302, "https://developer.servicenow.com/dev.do")
    );
}

#[test]
fn e38_an_instance_that_wakes_is_offline() {
    let practice = Practice::new();
    for (mode, status) in [(Mode::Offline, 200), (Mode::OfflineUnavailable, 503)] {
        practice.set(|settings| settings.mode = mode);
        let answer = practice.get(LIST);
        assert_eq!(answer.status(), status);
        assert!(answer.text().contains("Your instance is currently offline"));
    }
}

#[test]
fn e39_a_log_in_page_or_a_redirect_to_it() {
    let practice = Practice::new();
    practice.set(|settings| settings.mode = Mode::LoginPage);
    assert_eq!(
        practice.get(LIST).header("content-type"),
        "text/html;charset=UTF-8"
    );
    practice.set(|settings| settings.mode = Mode::LoginRedirect);
    assert_eq!(
        (practice.get(LIST).status(), practice.get(LIST).header("location")),
        (302, "/login.do")
    );
    practice.set(|settings| settings.mode = Mode::Normal);
    let wrong_path = practice.get("/sys_user_list.do");
    assert_eq!(
        (wrong_path.status(), wrong_path.header("content-type")),
        (200, "text/html;charset=UTF-8")
    );
}

#[test]
fn e40_an_edge_in_front_answers_with_a_page() {
    let practice = Practice::new();
    for status in [502, 503, 504] {
        practice.set(|settings| settings.mode = Mode::EdgeError(status));
        let answer = practice.get(LIST);
        assert_eq!(
            (answer.status(), answer.header("content-type")),
            (status, "text/html;charset=UTF-8")
        );
    }
}

#[test]
fn e41_a_second_upload_leaves_two_rows_and_the_older_one_shown_until_it_is_deleted() {
    let practice = Practice::new();
    let old = practice.upload("ZZ_YYlive_profile", P1, b"old").field("sys_id");
    let new = practice.upload("ZZ_YYlive_profile", P1, b"new").field("sys_id");
    assert_eq!(practice.avatar(U1), old);
    practice.set(|settings| settings.avatar.newest_image_first = true);
    assert_eq!(practice.avatar(U1), new);
    practice.set(|settings| settings.avatar.newest_image_first = false);
    practice.delete(&format!("/api/now/attachment/{old}"));
    assert_eq!(practice.avatar(U1), new);
}

#[test]
fn e42_of_two_profiles_the_older_one_is_asked_first() {
    let practice = Practice::with_pictures();
    practice.put(|instance| {
        let mut younger = profile(&"9".repeat(32), U1);
        younger.audit.created_on = "2025-01-01T00:00:00Z".parse().expect("a moment");
        instance.put_profile(younger);
        instance.put_attachment(attachment(
            &"e".repeat(32),
            "ZZ_YYlive_profile",
            &"9".repeat(32),
            b"younger",
        ));
    });
    let rows = practice.get(&format!(
        "/api/now/table/live_profile?sysparm_query=document={U1}"
    ));
    assert_eq!(rows.header("x-total-count"), "2");
    assert_eq!(practice.avatar(U1), A1);
    practice.set(|settings| settings.avatar.newest_profile_first = true);
    assert_eq!(practice.avatar(U1), "e".repeat(32));
}

#[test]
fn e43_without_the_profiles_picture_the_users_is_shown() {
    let practice = Practice::with_pictures();
    practice.delete(&format!("/api/now/attachment/{A1}"));
    assert_eq!(practice.avatar(U1), A2);
}

#[test]
fn e44_without_both_there_is_none() {
    let practice = Practice::with_pictures();
    practice.delete(&format!("/api/now/attachment/{A1}"));
    practice.delete(&format!("/api/now/attachment/{A2}"));
    assert_eq!(practice.avatar(U1), "");
}

#[test]
fn e45_a_dangling_column_is_passed_over_or_blocks() {
    let practice = Practice::with_pictures();
    let body = json!({"photo": NOBODY}).to_string();
    practice.patch(&format!("/api/now/table/live_profile/{P1}"), &body);
    assert_eq!(
        practice
            .get(&format!("/api/now/table/live_profile/{P1}"))
            .field("photo"),
        NOBODY
    );
    practice
        .get(&format!("/api/now/attachment/{NOBODY}"))
        .assert_no_record();
    assert_eq!(practice.avatar(U1), A1);
    practice.set(|settings| settings.avatar.dangling_column_blocks = true);
    assert_eq!(practice.avatar(U1), "");
}

#[test]
fn e46_an_attachment_without_prefix_is_no_avatar() {
    let practice = Practice::new();
    practice.upload("live_profile", P1, b"paperclip");
    practice.upload("sys_user", U1, b"paperclip");
    assert_eq!(practice.avatar(U1), "");
}

#[test]
fn e47_an_attachment_without_prefix_is_the_avatar_if_the_column_names_it() {
    let practice = Practice::with_pictures();
    let plain = practice
        .upload("live_profile", P1, b"as the article does")
        .field("sys_id");
    let body = json!({"photo": plain}).to_string();
    practice.patch(&format!("/api/now/table/live_profile/{P1}"), &body);
    assert_eq!(practice.avatar(U1), plain);
    practice.set(|settings| settings.avatar.attachment_before_column = true);
    assert_eq!(practice.avatar(U1), A1);
}

#[test]
fn e48_a_quarantined_file_is_listed_and_shown_and_cannot_be_downloaded() {
    let practice = Practice::new();
    practice.set(|settings| {
        settings.attachments.quarantined_sha256.insert(sha256(b"virus"));
    });
    let sys_id = practice.upload("ZZ_YYlive_profile", P1, b"virus").field("sys_id");
    assert_eq!(
        practice
            .get(&format!("/api/now/attachment/{sys_id}/file"))
            .status(),
        200,
        "not scanned yet"
    );
    practice.advance(2);
    assert_eq!(
        practice
            .get(&format!("/api/now/attachment/{sys_id}"))
            .field("state"),
        "not_available"
    );
    let file = practice.get(&format!("/api/now/attachment/{sys_id}/file"));
    assert_eq!((file.status(), &file.json()["status"]), (403, &json!("failure")));
    assert_eq!(practice.avatar(U1), sys_id);
    practice.upload("ZZ_YYsys_user", U1, b"harmless");
    practice.advance(2);
    let states = practice
        .get("/api/now/table/sys_attachment?sysparm_query=stateNOT INavailable&sysparm_fields=sys_id");
    assert_eq!(states.column("sys_id"), [sys_id]);
}

#[test]
fn e49_an_old_row_has_no_hash_no_chunk_size_and_no_state() {
    let practice = Practice::with(|instance| {
        five_users(instance);
        let mut row = attachment(A2, "ZZ_YYsys_user", U1, b"from 2015");
        row.scan = ScanState::Never;
        row.has_hash = false;
        instance.put_attachment(row);
    });
    let row = practice.get(&format!("/api/now/attachment/{A2}"));
    for name in ["hash", "chunk_size_bytes", "state"] {
        assert_eq!(row.field(name), "", "{name}");
    }
    assert_eq!(row.field("size_bytes"), "9");
    let without =
        practice.get("/api/now/table/sys_attachment?sysparm_query=hashISEMPTY&sysparm_fields=sys_id");
    assert_eq!(without.column("sys_id"), [A2]);
}

#[test]
fn e50_deleting_twice() {
    let practice = Practice::with_pictures();
    assert_eq!(
        practice.delete(&format!("/api/now/attachment/{A1}")).status(),
        204
    );
    practice
        .delete(&format!("/api/now/attachment/{A1}"))
        .assert_no_record();
}

#[test]
fn e51_a_deleted_profile_takes_its_attachments_along_and_leaves_the_users() {
    let practice = Practice::with_pictures();
    practice.put(|instance| {
        instance.put_attachment(attachment(&"d".repeat(32), "live_profile", P1, b"paperclip"));
        instance.put_attachment(attachment(&"e".repeat(32), "sys_attachment", A1, b"thumbnail"));
    });
    assert_eq!(
        practice
            .delete(&format!("/api/now/table/live_profile/{P1}"))
            .status(),
        204
    );
    assert_eq!(practice.get("/api/now/attachment").column("sys_id"), [A2]);
    assert_eq!(practice.avatar(U1), A2);
}

#[test]
fn e52_a_mirror_rule_copies_an_upload_to_the_other_record_a_moment_later() {
    let practice = Practice::with_pictures();
    practice.set(|settings| settings.mirror.profile_to_user = true);
    let uploaded = practice.upload("ZZ_YYlive_profile", P1, b"new").field("sys_id");
    let of_user = || {
        practice.get(&format!(
            "/api/now/attachment?sysparm_query=table_name=ZZ_YYsys_user^table_sys_id={U1}"
        ))
    };
    assert_eq!(of_user().column("sys_id"), [A2], "not yet");
    practice.advance(2);
    assert_eq!(of_user().column("hash"), [sha256(b"new")]);
    assert_ne!(of_user().column("sys_id"), [uploaded]);
    assert_eq!(of_user().column("sys_created_by"), ["system"]);
}

#[test]
fn e52_a_mirror_rule_may_work_the_other_way_and_sets_a_column_that_was_set() {
    let practice = Practice::with_pictures();
    practice.patch(
        &format!("/api/now/table/live_profile/{P1}"),
        &json!({"photo": A1}).to_string(),
    );
    practice.set(|settings| settings.mirror.user_to_profile = true);
    practice.upload("ZZ_YYsys_user", U1, b"new");
    practice.advance(2);
    let profile = practice.get(&format!("/api/now/table/live_profile/{P1}"));
    assert_eq!(profile.field("photo"), practice.avatar(U1));
    assert_ne!(profile.field("photo"), A1);
}

#[test]
fn e53_links_can_name_another_host_than_the_request() {
    let practice = Practice::with_pictures();
    practice.set(|settings| settings.link_base = Some("https://dev00001.service-now.com".to_owned()));
    let profile = practice.get(&format!("/api/now/table/live_profile/{P1}"));
    let link = format!("https://dev00001.service-now.com/api/now/table/sys_user/{U1}");
    assert_eq!(profile.json()["result"]["document"]["link"], link);
    let list = practice.get("/api/now/table/sys_user?sysparm_limit=2");
    assert!(
        list.header("link")
            .starts_with("<https://dev00001.service-now.com/api/now/table/sys_user?")
    );
}

#[test]
fn e54_users_of_other_domains_do_not_exist() {
    let practice = Practice::new();
    practice.set(|settings| {
        settings
            .access
            .foreign_rows
            .insert("sys_user".to_owned(), "user_nameINbo,cy".to_owned());
    });
    let answer = practice.get("/api/now/table/sys_user?sysparm_limit=3&sysparm_fields=user_name");
    assert_eq!(answer.column("user_name"), ["ada.okafor", "di", "ed"]);
    assert_eq!(answer.header("x-total-count"), "3");
    practice
        .get(&format!("/api/now/table/sys_user/{}", "5".repeat(32)))
        .assert_no_record();
}

#[test]
fn e55_a_batch_over_its_limits_leaves_the_rest_unserviced() {
    let practice = Practice::new();
    let item = |id: &str, body: &str| json!({"id": id, "method": "GET", "url": LIST, "body": body});
    let batch = |items: &[serde_json::Value]| {
        let body = json!({"batch_request_id": "b", "rest_requests": items}).to_string();
        practice.post("/api/now/v1/batch", &body).json()
    };
    practice.set(|settings| settings.batch_item_limit_bytes = 8);
    let answer = batch(&[item("1", ""), item("2", "too large a body"), item("3", "")]);
    assert_eq!(answer["unserviced_requests"], json!(["2", "3"]));
    assert_eq!(answer["serviced_requests"].as_array().map(Vec::len), Some(1));

    practice.set(|settings| settings.latency_ms = 12_000);
    let answer = batch(&[item("1", ""), item("2", ""), item("3", "")]);
    assert_eq!(
        answer["unserviced_requests"],
        json!(["3"]),
        "36 seconds are more than 30"
    );
}

#[test]
fn e56_an_item_that_fails_does_so_by_itself() {
    use base64::Engine;
    let practice = Practice::new();
    let body = json!({"batch_request_id": "b", "rest_requests": [
        {"id": "1", "method": "GET", "url": format!("/api/now/table/sys_user/{NOBODY}")},
        {"id": "2", "method": "GET", "url": format!("/api/now/table/sys_user/{U1}")},
    ]});
    let answer = practice.post("/api/now/v1/batch", &body.to_string());
    assert_eq!(answer.status(), 200);
    let items = &answer.json()["serviced_requests"];
    assert_eq!(
        (&items[0]["status_code"], &items[1]["status_code"]),
        (&json!(404), &json!(200))
    );
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(items[0]["body"].as_str().expect("text"))
        .expect("base64");
    let envelope: serde_json::Value = serde_json::from_slice(&decoded).expect("JSON");
    assert_eq!(envelope["error"]["message"], "No Record found");
}

#[test]
fn e57_a_form_needs_its_file_last_and_no_charset() {
    let practice = Practice::new();
    let part = |name: &str, value: &str| {
        format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let file = "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"photo\"\r\nContent-Type: image/png\r\n\r\nface\r\n";
    let fields = part("table_name", "ZZ_YYsys_user") + &part("table_sys_id", U1);
    let send = |content_type: &str, body: String| {
        practice
            .call(Call::new(Method::POST, "/api/now/attachment/upload").body(content_type, body.as_bytes()))
    };
    let good = send(
        "multipart/form-data; boundary=B",
        format!("{fields}{file}--B--\r\n"),
    );
    assert_eq!(good.status(), 201);
    assert_eq!(
        (good.field("content_type").as_str(), good.field("hash")),
        ("image/png", sha256(b"face"))
    );
    for answer in [
        send(
            "multipart/form-data; charset=UTF-8; boundary=B",
            format!("{fields}{file}--B--\r\n"),
        ),
        send(
            "multipart/form-data; boundary=B",
            format!("{file}{fields}--B--\r\n"),
        ),
        send("multipart/form-data; boundary=B", format!("{fields}--B--\r\n")),
    ] {
        assert_eq!(answer.status(), 400);
        let message = answer.json()["error"]["message"].to_string();
        assert!(message.contains("File part might be missing"), "{message}");
    }
}

#[test]
fn e58_an_update_does_not_insert() {
    let practice = Practice::new();
    for method in [Method::PUT, Method::PATCH] {
        let call = Call::new(method, &format!("/api/now/table/sys_user/{NOBODY}")).json(r#"{"name":"x"}"#);
        practice.call(call).assert_no_record();
    }
    assert_eq!(
        practice.get("/api/now/table/sys_user").header("x-total-count"),
        "5"
    );
}

#[test]
fn e59_only_json_is_produced_and_consumed() {
    let practice = Practice::new();
    let xml = Call::new(Method::GET, LIST).header("accept", "application/xml");
    assert_eq!(practice.call(xml).status(), 406);
    let browser = Call::new(Method::GET, LIST).header("accept", "text/html,application/xml;q=0.9,*/*;q=0.8");
    assert_eq!(practice.call(browser).status(), 200);
    let form = Call::new(Method::PATCH, &format!("/api/now/table/sys_user/{U1}"))
        .body("application/x-www-form-urlencoded", b"title=x");
    assert_eq!(practice.call(form).status(), 415);
}

#[test]
fn e60_a_locked_account_can_neither_sign_in_nor_get_a_token() {
    let practice = Practice::new();
    practice.set(|settings| settings.sign_in.locked = true);
    practice.get(LIST).assert_unauthenticated();
    assert_access_denied(&practice.token(CLIENT));
}

#[test]
fn headers_can_be_demanded_as_the_documentation_does() {
    let practice = Practice::new();
    practice.set(|settings| settings.strict_headers = true);
    assert_eq!(practice.get(LIST).status(), 200);
    assert_eq!(
        practice
            .delete(&format!("/api/now/table/live_profile/{P1}"))
            .status(),
        400
    );
}

#[test]
fn an_upload_may_be_kept_wrongly_dropped_or_stored_without_hash() {
    let practice = Practice::new();
    practice.set(|settings| settings.attachments.corrupt_next = 1);
    assert_ne!(
        practice.upload("ZZ_YYsys_user", U1, b"face").field("hash"),
        sha256(b"face")
    );
    let good = practice.upload("ZZ_YYsys_user", U1, b"face");
    assert_eq!(good.field("hash"), sha256(b"face"));

    practice.set(|settings| settings.attachments.drop_identical = true);
    assert_eq!(
        practice.upload("ZZ_YYsys_user", U1, b"face").field("sys_id"),
        good.field("sys_id")
    );

    practice.set(|settings| settings.attachments.store_hash = false);
    assert_eq!(practice.upload("ZZ_YYsys_user", U1, b"other").field("hash"), "");
}

#[test]
fn a_body_that_is_no_record_is_refused() {
    let practice = Practice::new();
    for body in ["{", "7", "\"x\"", "[]"] {
        let answer = practice.patch(&format!("/api/now/table/sys_user/{U1}"), body);
        assert_eq!(answer.status(), 400, "{body}");
        assert_eq!(
            answer.json()["error"]["message"],
            "Exception while reading request"
        );
    }
}

#[test]
fn the_pictures_of_a_deleted_user_go_and_the_profile_keeps_its_name() {
    let practice = Practice::with_pictures();
    practice.delete(&format!("/api/now/table/sys_user/{U1}"));
    assert_eq!(practice.get("/api/now/attachment").column("sys_id"), [A1]);
    let profile = practice.get(&format!("/api/now/table/live_profile/{P1}"));
    assert_eq!(profile.field("name"), "Ada Okafor");
}

#[test]
fn a_renamed_user_takes_the_profile_along() {
    let practice = Practice::new();
    practice.patch(
        &format!("/api/now/table/sys_user/{U1}"),
        r#"{"last_name":"Lovelace"}"#,
    );
    assert_eq!(
        practice
            .get(&format!("/api/now/table/sys_user/{U1}"))
            .field("name"),
        "Ada Lovelace"
    );
    assert_eq!(
        practice
            .get(&format!("/api/now/table/live_profile/{P1}"))
            .field("name"),
        "Ada Lovelace"
    );
}

#[test]
fn rows_can_be_replaced_without_leaving_anything_in_an_index() {
    let practice = Practice::new();
    practice.put(|instance| instance.put_user(user(U1, "renamed", "Ada Okafor")));
    let found = |name: &str| practice.world.instance.read().user_named(name);
    assert_eq!((found("ada.okafor"), found("renamed")), (None, Some(id(U1))));
}
