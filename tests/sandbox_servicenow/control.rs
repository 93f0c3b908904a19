//! What the control address shows of the instance, and the changes people make (`sandbox.md`, Control).

use avatar_sync::sandbox::exchange::Service;
use avatar_sync::sandbox::servicenow::ServiceNowSettings;
use avatar_sync::sandbox::world::instance::ImageRecord;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::instance::{A1, A2, ACCOUNT, Call, NOBODY, P1, Practice, U1, attachment, sha256};

fn png() -> Bytes {
    let mut png = Vec::new();
    image::DynamicImage::new_rgb8(100, 100)
        .write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png)
        .expect("encodes");
    png.into()
}

fn ada(practice: &Practice) -> Value {
    let report = serde_json::to_value(practice.service.avatars()).expect("serialises");
    let users = report.as_array().expect("a list");
    users
        .iter()
        .find(|user| user["sys_id"] == U1)
        .expect("she is there")
        .clone()
}

#[test]
fn every_write_is_logged_with_what_it_changed() {
    let practice = Practice::new();
    let uploaded = practice.upload("ZZ_YYlive_profile", P1, b"face").field("sys_id");
    practice.patch(&format!("/api/now/table/sys_user/{U1}"), r#"{"title":"Lead"}"#);
    practice.delete(&format!("/api/now/attachment/{uploaded}"));
    let log = serde_json::to_value(practice.service.log()).expect("serialises");
    let log = log.as_array().expect("a list");
    let brief: Vec<Value> = log
        .iter()
        .map(|entry| {
            json!([
                entry["seq"],
                entry["op"],
                entry["table"],
                entry["sys_id"],
                entry["fields"]
            ])
        })
        .collect();
    assert_eq!(
        brief,
        [
            json!([1, "insert", "sys_attachment", uploaded, {
                "table_name": "ZZ_YYlive_profile", "table_sys_id": P1, "file_name": "photo",
                "size_bytes": "4", "hash": sha256(b"face"),
            }]),
            json!([2, "update", "sys_user", U1, {"title": "Lead"}]),
            json!([3, "delete", "sys_attachment", uploaded, {
                "table_name": "ZZ_YYlive_profile", "table_sys_id": P1, "file_name": "photo",
            }]),
        ]
    );
    assert_eq!(log[0]["by"], ACCOUNT);
    assert!(log[0]["time"].is_string());
}

#[test]
fn refused_writes_reads_and_writes_without_effect_are_not_logged() {
    let practice = Practice::new();
    practice.get("/api/now/table/sys_user");
    practice.upload("ZZ_YYsys_user", NOBODY, b"x");
    practice.patch(
        &format!("/api/now/table/sys_user/{U1}"),
        r#"{"title":"Engineer"}"#,
    );
    practice.delete(&format!("/api/now/attachment/{NOBODY}"));
    assert!(practice.service.log().is_empty());
}

#[test]
fn the_log_can_be_read_in_pieces() {
    let practice = Practice::new();
    for number in 0..5 {
        practice.patch(
            &format!("/api/now/table/sys_user/{U1}"),
            &json!({"title": number}).to_string(),
        );
    }
    let sequence = |after, limit| -> Vec<u64> {
        let entries = practice.service.log_after(after, limit);
        entries.iter().map(|entry| entry.seq).collect()
    };
    assert_eq!(sequence(0, 2), [1, 2]);
    assert_eq!(sequence(2, 10), [3, 4, 5]);
    assert_eq!(sequence(5, 10), [0; 0]);
}

#[test]
fn avatars_show_what_is_displayed_and_every_row_that_concerns_the_user() {
    let practice = Practice::with_pictures();
    practice.put(|instance| {
        instance.put_attachment(attachment(&"c".repeat(32), "ZZ_YYlive_profile", P1, b"second"));
        instance.put_attachment(attachment(&"d".repeat(32), "live_profile", P1, b"paperclip"));
        instance.put_attachment(attachment(&"e".repeat(32), "sys_attachment", A1, b"thumbnail"));
    });
    let ada = ada(&practice);
    assert_eq!(ada["user_name"], "ada.okafor");
    assert_eq!(ada["email"], "ada.okafor@example.com");
    assert_eq!(
        ada["effective"],
        json!({"from": "live_profile", "attachment": A1, "sha256": sha256(b"on the profile")})
    );
    let mut rows: Vec<(String, bool)> = ada["attachments"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| {
            (
                row["sys_id"].as_str().expect("text").to_owned(),
                row["referenced"] == true,
            )
        })
        .collect();
    rows.sort();
    assert_eq!(
        rows,
        [
            (A1.to_owned(), true),
            (A2.to_owned(), true),
            ("c".repeat(32), false),
            ("d".repeat(32), false),
            ("e".repeat(32), true),
        ]
    );
    let everybody = practice.service.avatars();
    assert_eq!(everybody.len(), 5);
    assert_eq!(everybody[1].effective, None);
}

#[test]
fn a_column_makes_a_paperclip_row_referenced() {
    let practice = Practice::new();
    let plain = practice.upload("sys_user", U1, b"article").field("sys_id");
    let is_referenced = || ada(&practice)["attachments"][0]["referenced"] == true;
    assert!(!is_referenced());
    practice.patch(
        &format!("/api/now/table/sys_user/{U1}"),
        &json!({"photo": plain}).to_string(),
    );
    assert!(is_referenced());
}

#[test]
fn a_person_who_changes_the_picture_replaces_the_old_one_with_its_thumbnail() {
    let practice = Practice::with_pictures();
    let new = practice
        .service
        .put_avatar("ADA.okafor", ImageRecord::LiveProfile, png(), "image/png")
        .expect("she exists");
    assert_eq!(practice.avatar(U1), new.to_string());
    practice
        .get(&format!("/api/now/attachment/{A1}"))
        .assert_no_record();
    let profile = practice.get(&format!("/api/now/table/live_profile/{P1}"));
    assert_eq!(profile.field("photo"), new.to_string());
    let rows = practice.get(&format!(
        "/api/now/attachment?sysparm_query=table_sys_idIN{P1},{new}"
    ));
    assert_eq!(rows.header("x-total-count"), "2", "the picture and its thumbnail");

    let again = practice
        .service
        .put_avatar("ada.okafor", ImageRecord::LiveProfile, png(), "image/png")
        .expect("she exists");
    assert_ne!(again, new);
    let rows = practice.get("/api/now/attachment");
    assert_eq!(
        rows.header("x-total-count"),
        "3",
        "two for the profile and the user's own"
    );
}

#[test]
fn a_person_without_a_profile_gets_one() {
    let practice = Practice::new();
    practice
        .service
        .put_avatar("bo", ImageRecord::LiveProfile, png(), "image/png")
        .expect("exists");
    let profiles = practice.get("/api/now/table/live_profile?sysparm_query=document.user_name=bo");
    assert_eq!(profiles.column("name"), ["Bo"]);
    assert_eq!(
        practice
            .service
            .put_avatar("nobody", ImageRecord::SysUser, png(), "image/png"),
        None
    );
}

#[test]
fn a_removed_picture_takes_its_thumbnail_along_and_empties_the_column() {
    let practice = Practice::new();
    practice
        .service
        .put_avatar("ada.okafor", ImageRecord::LiveProfile, png(), "image/png")
        .expect("exists");
    assert_eq!(
        practice
            .service
            .remove_avatar("ada.okafor", ImageRecord::LiveProfile),
        Some(true)
    );
    assert_eq!(practice.avatar(U1), "");
    assert_eq!(practice.get("/api/now/attachment").header("x-total-count"), "0");
    assert_eq!(
        practice
            .get(&format!("/api/now/table/live_profile/{P1}"))
            .field("photo"),
        ""
    );
    assert_eq!(
        practice
            .service
            .remove_avatar("ada.okafor", ImageRecord::LiveProfile),
        Some(false)
    );
    assert_eq!(
        practice.service.remove_avatar("nobody", ImageRecord::SysUser),
        None
    );
}

#[test]
fn settings_survive_a_round_trip_and_refuse_unknown_keys() {
    let settings = Practice::new().service.settings();
    let text = serde_json::to_string(&settings).expect("serialises");
    assert_eq!(
        serde_json::from_str::<ServiceNowSettings>(&text).expect("reads back"),
        settings
    );
    let partial: ServiceNowSettings =
        serde_json::from_str(r#"{"mode":"hibernating","quota":{"max_rows":10}}"#)
            .expect("missing keys have defaults");
    assert_eq!(partial.quota.max_rows, Some(10));
    let error = serde_json::from_str::<ServiceNowSettings>(r#"{"mdoe":"hibernating"}"#).expect_err("a typo");
    assert!(error.to_string().contains("mdoe"), "{error}");
}

#[test]
fn routes_name_the_kind_of_request_without_keys() {
    let practice = Practice::new();
    for (method, target, expected) in [
        (
            Method::GET,
            "/api/now/table/sys_user?sysparm_limit=1".to_owned(),
            "GET /api/now/table/sys_user",
        ),
        (
            Method::GET,
            format!("/api/now/table/sys_user/{U1}"),
            "GET /api/now/table/sys_user/{id}",
        ),
        (
            Method::GET,
            "/api/now/v2/table/sys_user/odd".to_owned(),
            "GET /api/now/v2/table/sys_user/{id}",
        ),
        (
            Method::POST,
            "/api/now/attachment/file?table_name=x".to_owned(),
            "POST /api/now/attachment/file",
        ),
        (
            Method::GET,
            format!("/api/now/attachment/{A1}/file"),
            "GET /api/now/attachment/{id}/file",
        ),
        (
            Method::DELETE,
            format!("/api/now/attachment/{A1}"),
            "DELETE /api/now/attachment/{id}",
        ),
        (Method::GET, format!("/{A1}.iix?t=small"), "GET /{id}.iix"),
        (
            Method::POST,
            "/api/now/v1/batch".to_owned(),
            "POST /api/now/v1/batch",
        ),
        (Method::POST, "/oauth_token.do".to_owned(), "POST /oauth_token.do"),
    ] {
        assert_eq!(
            practice.service.route(&Call::new(method, &target).request()),
            expected
        );
    }
}

#[test]
fn requests_that_may_draw_are_heavy_and_the_small_ones_are_not() {
    let practice = Practice::new();
    let is_heavy = |target: &str| {
        practice
            .service
            .is_heavy(&Call::new(Method::GET, target).request())
    };
    assert!(is_heavy("/api/now/table/sys_user?sysparm_limit=1000"));
    assert!(is_heavy(&format!("/api/now/attachment/{A1}/file")));
    assert!(is_heavy(&format!("/{A1}.iix")));
    assert!(!is_heavy(&format!(
        "/api/now/table/sys_user/{U1}?sysparm_fields=sys_id"
    )));
}
