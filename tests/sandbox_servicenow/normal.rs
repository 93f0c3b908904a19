//! The normal calls of `servicenow.md` 9.1, by their numbers.

use http::Method;
use serde_json::json;

use crate::instance::{A1, A2, ACCOUNT, BASE, Call, P1, PASSWORD, Practice, U1, id, sha256};

#[test]
fn n1_client_credentials_give_a_token_without_a_refresh_token() {
    let practice = Practice::new();
    let answer = practice.token("grant_type=client_credentials&client_id=c1&client_secret=s1");
    assert_eq!(answer.status(), 200);
    let body = answer.json();
    assert_eq!(body["scope"], "useraccount");
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 1799);
    assert_eq!(body.get("refresh_token"), None);

    let token = body["access_token"].as_str().expect("a token");
    let call = Call::new(Method::GET, "/api/now/table/sys_user?sysparm_limit=1").bearer(token);
    assert_eq!(practice.call(call).status(), 200);
}

#[test]
fn n2_the_password_grant_gives_a_refresh_token_that_gives_new_tokens() {
    let practice = Practice::new();
    let form =
        "grant_type=password&client_id=c1&client_secret=s1&username=svc.avatar.sync&password=correct+horse";
    let first = practice.token(form).json();
    let refresh = first["refresh_token"].as_str().expect("a refresh token");
    let second = practice.token(&format!(
        "grant_type=refresh_token&client_id=c1&client_secret=s1&refresh_token={refresh}"
    ));
    assert_eq!(second.status(), 200);
    assert_ne!(second.json()["access_token"], first["access_token"]);
    assert_eq!(second.json()["refresh_token"], first["refresh_token"]);
}

#[test]
fn n3_a_page_without_count_says_how_many_rows_it_has() {
    let answer = Practice::new().get(
        "/api/now/table/sys_user?sysparm_query=active=true^ORDERBYsys_id&sysparm_limit=2\
         &sysparm_fields=sys_id,user_name,email,photo&sysparm_no_count=true",
    );
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("x-total-count"), "2");
    assert!(!answer.has_header("link"));
    assert_eq!(
        answer.json()["result"][0],
        json!({"sys_id": U1, "user_name": "ada.okafor", "email": "ada.okafor@example.com", "photo": ""})
    );
    assert_eq!(answer.column("user_name"), ["ada.okafor", "bo"]);
}

#[test]
fn n4_a_page_with_count_links_to_the_others() {
    let practice = Practice::new();
    let target = "/api/now/table/sys_user?sysparm_query=active=true%5EORDERBYsys_id&sysparm_fields=sys_id";
    let link = |relation: &str, offset: u32| {
        format!("<{BASE}{target}&sysparm_limit=2&sysparm_offset={offset}>;rel=\"{relation}\"")
    };

    let first = practice.get(&format!("{target}&sysparm_limit=2"));
    assert_eq!(first.header("x-total-count"), "5");
    let expected = [link("first", 0), link("next", 2), link("last", 4)].join(",");
    assert_eq!(first.header("link"), expected);

    let middle = practice.get(&format!("{target}&sysparm_limit=2&sysparm_offset=2"));
    let expected = [
        link("first", 0),
        link("prev", 0),
        link("next", 4),
        link("last", 4),
    ]
    .join(",");
    assert_eq!(middle.header("link"), expected);

    let last = practice.get(&format!("{target}&sysparm_limit=2&sysparm_offset=4"));
    let expected = [link("first", 0), link("prev", 2), link("last", 4)].join(",");
    assert_eq!(last.header("link"), expected);
    assert_eq!(last.column("sys_id").len(), 1);
}

#[test]
fn n4_links_of_a_request_with_nothing_but_a_limit_begin_with_an_ampersand() {
    let answer = Practice::new().get("/api/now/v2/table/sys_user?sysparm_limit=3");
    let first = format!("<{BASE}/api/now/v2/table/sys_user?&sysparm_limit=3&sysparm_offset=0>;rel=\"first\"");
    assert!(
        answer.header("link").starts_with(&first),
        "{}",
        answer.header("link")
    );
}

#[test]
fn n4_one_page_or_a_suppressed_header_has_no_links() {
    let practice = Practice::new();
    assert!(
        !practice
            .get("/api/now/table/sys_user?sysparm_limit=5")
            .has_header("link")
    );
    let suppressed =
        practice.get("/api/now/table/sys_user?sysparm_limit=2&sysparm_suppress_pagination_header=true");
    assert!(!suppressed.has_header("link"));
    assert_eq!(suppressed.header("x-total-count"), "5");
}

#[test]
fn n5_a_document_is_a_reference_that_can_be_walked() {
    let practice = Practice::new();
    let target = format!(
        "/api/now/table/live_profile?sysparm_query=type=user^documentIN{U1}&sysparm_fields=sys_id,document,photo,document.user_name"
    );
    assert_eq!(
        practice.get(&target).json(),
        json!({"result": [{
            "sys_id": P1,
            "document": {"link": format!("{BASE}/api/now/table/sys_user/{U1}"), "value": U1},
            "photo": "",
            "document.user_name": "ada.okafor",
        }]})
    );
    let plain = practice.get(&format!("{target}&sysparm_exclude_reference_link=true"));
    assert_eq!(plain.json()["result"][0]["document"], U1);
}

#[test]
fn n6_a_user_without_photo_column_still_has_an_avatar() {
    let answer = Practice::with_pictures().get(&format!(
        "/api/now/table/sys_user/{U1}?sysparm_fields=sys_id,avatar,photo"
    ));
    assert_eq!(
        answer.json(),
        json!({"result": {"sys_id": U1, "avatar": A1, "photo": ""}})
    );
}

#[test]
fn n7_the_display_value_of_an_image_is_a_file_name() {
    let target =
        format!("/api/now/table/sys_user/{U1}?sysparm_fields=avatar,photo&sysparm_display_value=true");
    let with = Practice::with_pictures().get(&target);
    assert_eq!(
        with.json()["result"],
        json!({"avatar": format!("{A1}.iix"), "photo": format!("{A2}.iix")})
    );
    let without = Practice::new().get(&target);
    assert_eq!(without.json()["result"], json!({"avatar": "", "photo": ""}));
}

#[test]
fn n7_all_gives_both_values_and_references_their_link() {
    let target =
        format!("/api/now/table/live_profile/{P1}?sysparm_fields=document,photo&sysparm_display_value=all");
    let answer = Practice::with_pictures().get(&target);
    assert_eq!(
        answer.json()["result"],
        json!({
            "document": {
                "display_value": "Ada Okafor",
                "value": U1,
                "link": format!("{BASE}/api/now/table/sys_user/{U1}"),
            },
            "photo": {"display_value": format!("{A1}.iix"), "value": ""},
        })
    );
}

#[test]
fn times_are_stored_in_utc_and_displayed_in_the_zone_of_the_account() {
    let practice = Practice::new();
    let target =
        format!("/api/now/table/sys_user/{U1}?sysparm_fields=sys_created_on&sysparm_display_value=all");
    let created = |practice: &Practice| practice.get(&target).json()["result"]["sys_created_on"].clone();
    let utc = created(&practice);
    assert_eq!(utc["display_value"], utc["value"]);
    practice.set(|settings| {
        settings.time_zone = jiff::tz::TimeZone::get("Asia/Kathmandu").expect("a known zone");
    });
    let there = created(&practice);
    assert_eq!(there["value"], utc["value"]);
    let moment = |value: &serde_json::Value| -> jiff::civil::DateTime {
        value.as_str().expect("text").parse().expect("a time")
    };
    let ahead = moment(&there["display_value"]) - moment(&there["value"]);
    assert_eq!((ahead.get_hours(), ahead.get_minutes()), (5, 45));
}

#[test]
fn n8_image_rows_of_a_record_are_listed_with_all_their_metadata() {
    let answer = Practice::with_pictures().get(&format!(
        "/api/now/attachment?sysparm_query=table_name=ZZ_YYsys_user^table_sys_id={U1}^file_name=photo"
    ));
    assert_eq!(answer.header("x-total-count"), "1");
    let row = &answer.json()["result"][0];
    assert_eq!(row["sys_id"], A2);
    assert_eq!(row["hash"], sha256(b"on the user"));
    assert_eq!(row["size_bytes"], "11");
    assert_eq!(
        row["download_link"],
        format!("{BASE}/api/now/attachment/{A2}/file")
    );
    let mut keys: Vec<&str> = row
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "average_image_color",
            "chunk_size_bytes",
            "compressed",
            "content_type",
            "download_link",
            "file_name",
            "hash",
            "image_height",
            "image_width",
            "size_bytes",
            "size_compressed",
            "state",
            "sys_created_by",
            "sys_created_on",
            "sys_id",
            "sys_mod_count",
            "sys_tags",
            "sys_updated_by",
            "sys_updated_on",
            "table_name",
            "table_sys_id",
        ]
    );
    assert!(
        row.as_object()
            .expect("an object")
            .values()
            .all(serde_json::Value::is_string)
    );
}

#[test]
fn n9_an_upload_answers_with_the_pending_row() {
    let practice = Practice::new();
    let content = vec![7; 15_366];
    let answer = practice.upload("ZZ_YYlive_profile", P1, &content);
    assert_eq!(answer.status(), 201);
    let sys_id = answer.field("sys_id");
    assert_eq!(
        answer.header("location"),
        format!("{BASE}/api/now/attachment/{sys_id}/file")
    );
    for (name, value) in [
        ("average_image_color", ""),
        ("chunk_size_bytes", "700000"),
        ("compressed", "true"),
        ("content_type", "image/jpeg"),
        ("file_name", "photo"),
        ("hash", &sha256(&content)),
        ("image_height", ""),
        ("size_bytes", "15366"),
        ("state", "pending"),
        ("sys_created_by", ACCOUNT),
        ("sys_mod_count", "0"),
        ("sys_updated_by", ACCOUNT),
        ("table_name", "ZZ_YYlive_profile"),
        ("table_sys_id", P1),
    ] {
        assert_eq!(answer.field(name), value, "{name}");
    }
    assert_eq!(answer.field("sys_created_on"), answer.field("sys_updated_on"));
    assert_eq!(practice.avatar(U1), sys_id);
    let user = practice.get(&format!("/api/now/table/sys_user/{U1}"));
    assert_eq!(
        (user.field("photo").as_str(), user.field("sys_mod_count").as_str()),
        ("", "0")
    );
}

#[test]
fn n10_a_second_later_the_scan_has_made_the_row_available() {
    let practice = Practice::new();
    let created = practice
        .upload("ZZ_YYlive_profile", P1, b"face")
        .field("sys_created_on");
    practice.advance(1);
    let answer = practice.get(&format!("/api/now/attachment?sysparm_query=table_sys_id={P1}"));
    let row = &answer.json()["result"][0];
    assert_eq!(row["state"], "available");
    assert_eq!(row["sys_mod_count"], "1");
    assert_eq!(row["sys_updated_by"], "system");
    assert_eq!(row["sys_created_on"], created);
    assert!(row["sys_updated_on"].as_str() > Some(&created));
}

#[test]
fn n11_a_download_is_the_exact_bytes_with_the_metadata_in_a_header() {
    let answer = Practice::with_pictures().get(&format!("/api/now/attachment/{A1}/file"));
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("content-type"), "image/jpeg");
    assert_eq!(&answer.0.body[..], b"on the profile");
    let metadata: serde_json::Value =
        serde_json::from_str(answer.header("x-attachment-metadata")).expect("JSON in a header");
    assert_eq!(metadata["sys_id"], A1);
    assert_eq!(metadata["hash"], sha256(b"on the profile"));
}

#[test]
fn n11_a_file_name_outside_ascii_still_fits_the_metadata_header() {
    let practice = Practice::with_pictures();
    practice.patch(
        &format!("/api/now/attachment/{A1}"),
        r#"{"file_name":"größe \"🙂\".jpg"}"#,
    );
    let answer = practice.get(&format!("/api/now/attachment/{A1}/file"));
    let metadata: serde_json::Value =
        serde_json::from_str(answer.header("x-attachment-metadata")).expect("JSON in a header");
    assert_eq!(metadata["file_name"], "größe \"🙂\".jpg");
}

#[test]
fn n12_deleting_an_attachment_leaves_nothing_to_say() {
    let practice = Practice::with_pictures();
    let answer = practice.delete(&format!("/api/now/attachment/{A1}"));
    assert_eq!((answer.status(), answer.text()), (204, ""));
    assert_eq!(practice.avatar(U1), A2);
}

#[test]
fn n13_a_profile_is_created_and_returned_whole() {
    let practice = Practice::new();
    let bo = "5".repeat(32);
    let body = json!({"table": "sys_user", "type": "user", "document": bo, "name": "Bo"}).to_string();
    let answer = practice.post("/api/now/table/live_profile", &body);
    assert_eq!(answer.status(), 201);
    let sys_id = answer.field("sys_id");
    assert_eq!(
        answer.header("location"),
        format!("{BASE}/api/now/table/live_profile/{sys_id}")
    );
    assert_eq!(answer.field("name"), "Bo");
    assert_eq!(answer.field("type"), "user");
    assert_eq!(answer.json()["result"]["document"]["value"], bo);
    assert_eq!(answer.field("sys_created_by"), ACCOUNT);
    let image = practice
        .upload("ZZ_YYlive_profile", &sys_id, b"bo")
        .field("sys_id");
    assert_eq!(practice.avatar(&bo), image);
}

#[test]
fn n14_a_changed_column_counts_a_modification_and_an_unchanged_one_does_not() {
    let practice = Practice::with_pictures();
    let target = format!("/api/now/table/sys_user/{U1}?sysparm_fields=sys_id,photo");
    let body = json!({"photo": A2}).to_string();
    let answer = practice.patch(&target, &body);
    assert_eq!(answer.json(), json!({"result": {"sys_id": U1, "photo": A2}}));
    let read = || practice.get(&format!("/api/now/table/sys_user/{U1}"));
    assert_eq!(read().field("sys_mod_count"), "1");
    assert_eq!(read().field("sys_updated_by"), ACCOUNT);

    practice.patch(&target, &body);
    assert_eq!(read().field("sys_mod_count"), "1");
    practice.patch(&target, r#"{"photo":""}"#);
    assert_eq!(
        (
            read().field("photo").as_str(),
            read().field("sys_mod_count").as_str()
        ),
        ("", "2")
    );
}

#[test]
fn n14_put_changes_only_what_it_sends_and_an_override_turns_a_post_into_it() {
    let practice = Practice::new();
    let target = format!("/api/now/table/sys_user/{U1}");
    let put = practice.call(Call::new(Method::PUT, &target).json(r#"{"title":"Lead"}"#));
    assert_eq!(
        (put.field("title").as_str(), put.field("user_name").as_str()),
        ("Lead", "ada.okafor")
    );
    let overridden = Call::new(Method::POST, &target)
        .header("x-http-method-override", "PATCH")
        .json(r#"{"title":"Chief"}"#);
    assert_eq!(practice.call(overridden).field("title"), "Chief");
}

#[test]
fn n14_an_answer_without_body_can_be_asked_for() {
    let call = Call::new(Method::PATCH, &format!("/api/now/table/sys_user/{U1}"))
        .header("x-no-response-body", "true")
        .json(r#"{"title":"Lead"}"#);
    let answer = Practice::new().call(call);
    assert_eq!((answer.status(), answer.text()), (200, ""));
}

#[test]
fn n14_system_columns_and_calculated_ones_cannot_be_written() {
    let practice = Practice::with_pictures();
    let target = format!("/api/now/table/sys_user/{U1}");
    let body = json!({"sys_created_by": "mallory", "avatar": A2, "sys_id": A1, "nonsense": "1"}).to_string();
    let answer = practice.patch(&target, &body);
    assert_eq!(answer.field("sys_created_by"), "admin");
    assert_eq!(answer.field("avatar"), A1);
    assert_eq!(answer.field("sys_mod_count"), "0");
}

#[test]
fn n15_an_attachment_is_renamed() {
    let practice = Practice::with_pictures();
    let answer = practice.patch(
        &format!("/api/now/attachment/{A2}"),
        r#"{"file_name":"photo_old"}"#,
    );
    assert_eq!((answer.status(), answer.text()), (204, ""));
    assert_eq!(
        practice
            .get(&format!("/api/now/attachment/{A2}"))
            .field("file_name"),
        "photo_old"
    );
    practice.delete(&format!("/api/now/attachment/{A1}"));
    assert_eq!(
        practice.avatar(U1),
        "",
        "a renamed row is no image of the field any more"
    );
}

#[test]
fn n15_the_table_api_moves_an_attachment_into_the_image_field() {
    let practice = Practice::new();
    let plain = practice.upload("sys_user", U1, b"paperclip").field("sys_id");
    assert_eq!(practice.avatar(U1), "");
    let body = r#"{"table_name":"ZZ_YYsys_user"}"#;
    let answer = practice.patch(&format!("/api/now/table/sys_attachment/{plain}"), body);
    assert_eq!(answer.field("table_name"), "ZZ_YYsys_user");
    assert_eq!(practice.avatar(U1), plain);
}

#[test]
fn n16_an_image_is_served_whole_and_small_and_the_thumbnail_stays() {
    let mut png = Vec::new();
    image::DynamicImage::new_rgb8(200, 100)
        .write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png)
        .expect("encodes");
    let practice = Practice::new();
    let sys_id = practice.upload("ZZ_YYlive_profile", P1, &png).field("sys_id");
    let whole = practice.get(&format!("/{sys_id}.iix"));
    assert_eq!(
        (whole.status(), whole.header("content-type")),
        (200, "image/jpeg")
    );
    assert_eq!(&whole.0.body[..], &png[..]);

    let small = practice.get(&format!("/{sys_id}.iix?t=small"));
    let decoded = image::load_from_memory(&small.0.body).expect("a picture");
    assert_eq!((decoded.width(), decoded.height()), (80, 80));
    let rows = practice.get(&format!(
        "/api/now/attachment?sysparm_query=table_sys_id={sys_id}"
    ));
    assert_eq!(rows.column("file_name"), [format!("thumb_{sys_id}")]);
    assert_eq!(rows.column("table_name"), ["sys_attachment"]);

    practice.get(&format!("/{sys_id}.iix?t=small"));
    let rows = practice.get(&format!(
        "/api/now/attachment?sysparm_query=table_sys_id={sys_id}"
    ));
    assert_eq!(rows.header("x-total-count"), "1");
}

#[test]
fn n16_images_need_credentials_or_a_signed_in_session_unless_security_is_off() {
    let practice = Practice::with_pictures();
    let image = || Call::new(Method::GET, &format!("/{A1}.iix")).anonymous();
    assert_eq!(practice.call(image()).status(), 401);
    let session = practice.get(&format!("/{A1}.iix")).session();
    assert_eq!(practice.call(image().header("cookie", &session)).status(), 200);
    practice.set(|settings| settings.sign_in.image_security = false);
    assert_eq!(practice.call(image()).status(), 200);
}

#[test]
fn n17_a_batch_serves_its_items_one_after_another() {
    use base64::Engine;
    let base64 = base64::engine::general_purpose::STANDARD;
    let practice = Practice::new();
    let batch = json!({
        "batch_request_id": 7,
        "rest_requests": [
            {
                "id": "up", "method": "POST",
                "url": format!("/api/now/attachment/file?table_name=ZZ_YYsys_user&table_sys_id={U1}&file_name=photo"),
                "headers": [{"name": "Content-Type", "value": "image/png"}],
                "body": base64.encode(b"face"),
                "exclude_response_headers": true,
            },
            {"id": "list", "method": "GET", "url": "/api/now/table/sys_user?sysparm_limit=2",
             "headers": [{"name": "Accept", "value": "application/json"}]},
        ],
    });
    let answer = practice.post("/api/now/v1/batch", &batch.to_string());
    assert_eq!(answer.status(), 200);
    let body = answer.json();
    assert_eq!(body["batch_request_id"], "7");
    assert_eq!(body["unserviced_requests"], json!([]));
    let [upload, list] = body["serviced_requests"].as_array().expect("a list").as_slice() else {
        panic!("two items")
    };
    assert_eq!(
        (&upload["id"], &upload["status_code"]),
        (&json!("up"), &json!(201))
    );
    assert_eq!(upload["headers"], json!([]));
    let decoded = base64
        .decode(upload["body"].as_str().expect("text"))
        .expect("base64");
    let row: serde_json::Value = serde_json::from_slice(&decoded).expect("JSON");
    assert_eq!(row["result"]["content_type"], "image/png");
    assert_eq!(list["status_text"], "OK");
    let headers = list["headers"].as_array().expect("a list");
    assert!(
        headers.contains(&json!({"name": "X-Total-Count", "value": "5"})),
        "{headers:?}"
    );
}

#[test]
fn n18_head_has_the_headers_of_get_and_no_body() {
    let practice = Practice::new();
    let target = "/api/now/table/sys_user?sysparm_limit=2";
    let (head, get) = (practice.send(Method::HEAD, target), practice.get(target));
    assert_eq!(head.status(), get.status());
    assert_eq!(head.header("link"), get.header("link"));
    assert_eq!(head.header("x-total-count"), "5");
    assert_eq!(head.text(), "");
}

#[test]
fn n19_counts_are_strings_and_can_be_grouped() {
    let practice = Practice::with_pictures();
    let answer = practice
        .get("/api/now/stats/sys_attachment?sysparm_count=true&sysparm_query=table_nameINZZ_YYsys_user,ZZ_YYlive_profile");
    assert_eq!(answer.json(), json!({"result": {"stats": {"count": "2"}}}));
    let grouped =
        practice.get("/api/now/stats/sys_attachment?sysparm_count=true&sysparm_group_by=table_name");
    assert_eq!(
        grouped.json()["result"][0],
        json!({
            "stats": {"count": "1"},
            "groupby_fields": [{"field": "table_name", "value": "ZZ_YYlive_profile"}],
        })
    );
}

#[test]
fn n20_a_tiny_url_stands_for_a_long_query() {
    let practice = Practice::with_pictures();
    let url = format!(
        "{BASE}/api/now/table/sys_attachment?sysparm_query=table_name%3DZZ_YYsys_user&sysparm_fields=sys_id"
    );
    let answer = practice.post("/api/now/tinyurl", &json!({"url": url}).to_string());
    let result = answer.json()["result"].as_str().expect("text").to_owned();
    let token = result
        .strip_prefix("sys_attachment_list.do?sysparm_tiny=")
        .expect("the documented form");
    let answer = practice.get(&format!("/api/now/table/sys_attachment?sysparm_tiny={token}"));
    assert_eq!(answer.json(), json!({"result": [{"sys_id": A2}]}));
}

#[test]
fn every_json_answer_has_the_headers_of_the_platform() {
    let answer = Practice::new().get("/api/now/table/sys_user?sysparm_limit=1");
    for (name, value) in [
        ("server", "ServiceNow"),
        ("x-is-logged-in", "true"),
        ("content-type", "application/json;charset=UTF-8"),
        ("cache-control", "no-cache,no-store,must-revalidate,max-age=-1"),
        ("pragma", "no-store,no-cache"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    assert_eq!(answer.header("x-transaction-id").len(), 12);
}

#[test]
fn a_token_can_be_revoked_by_anybody_who_has_it() {
    let practice = Practice::new();
    let answer = practice.token("grant_type=client_credentials&client_id=c1&client_secret=s1");
    let token = answer.json()["access_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let call = || Call::new(Method::GET, "/api/now/table/sys_user?sysparm_limit=1").bearer(&token);
    assert_eq!(practice.call(call()).status(), 200);
    let revoke = Call::new(Method::GET, &format!("/oauth_revoke_token.do?token={token}")).anonymous();
    assert_eq!(practice.call(revoke).status(), 200);
    assert_eq!(practice.call(call()).status(), 401);
}

#[test]
fn the_client_may_name_itself_with_basic_authentication_at_the_token_endpoint() {
    let call = Call::new(Method::POST, "/oauth_token.do").basic("c1", "s1").body(
        "application/x-www-form-urlencoded",
        format!("grant_type=password&username={ACCOUNT}&password={PASSWORD}").as_bytes(),
    );
    assert_eq!(Practice::new().call(call).status(), 200);
}

#[test]
fn a_user_can_be_inserted_with_a_key_of_the_clients_choice_once() {
    let practice = Practice::new();
    let body =
        json!({"sys_id": A1, "user_name": "eve", "first_name": "Eve", "last_name": "Ngata"}).to_string();
    let answer = practice.post("/api/now/table/sys_user", &body);
    assert_eq!((answer.status(), answer.field("sys_id").as_str()), (201, A1));
    assert_eq!(answer.field("name"), "Eve Ngata");
    assert_eq!(answer.field("active"), "true");
    practice.post("/api/now/table/sys_user", &body).assert_refused(
        403,
        "Operation Failed",
        "Unique Key violation detected by database",
    );
    assert_eq!(practice.world.instance.read().user_named("EVE"), Some(id(A1)));
}

#[test]
fn groups_and_their_members_are_tables_too() {
    let practice = Practice::new();
    let group = practice
        .post("/api/now/table/sys_user_group", r#"{"name":"Staff"}"#)
        .field("sys_id");
    let body = json!({"user": U1, "group": group}).to_string();
    practice.post("/api/now/table/sys_user_grmember", &body);
    let answer = practice.get(
        "/api/now/table/sys_user_grmember?sysparm_query=group.name=Staff&sysparm_fields=user.user_name,group&sysparm_display_value=true",
    );
    assert_eq!(answer.json()["result"][0]["user.user_name"], "ada.okafor");
    assert_eq!(answer.json()["result"][0]["group"]["display_value"], "Staff");
}
