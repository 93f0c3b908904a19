//! People, pictures, switches and mistakes at the control address.

use avatar_sync::sandbox::world::instance::SysId;
use serde_json::{Value, json};

use super::support::{Stand, ada, sha256, whole};

#[tokio::test]
async fn a_person_changes_and_removes_the_photo() {
    let stand = Stand::new();
    ada(&stand);
    let photo = || {
        let directory = stand.sandbox.world().directory.read();
        let photo = directory
            .find("ada@contoso.example")
            .expect("a user")
            .photo
            .clone();
        photo.map(|photo| photo.picture.bytes().to_vec())
    };

    let path = "/entra/users/ada@contoso.example/photo";
    assert_eq!(stand.control_bytes("PUT", path, b"new photo").await.0, 204);
    assert_eq!(photo().as_deref(), Some(&b"new photo"[..]));
    let (status, complaint) = stand.control_bytes("PUT", path, b"").await;
    assert_eq!(status, 400);
    assert!(
        complaint.contains("to remove a picture use DELETE"),
        "{complaint}"
    );
    assert_eq!(stand.control_bytes("DELETE", path, b"").await.0, 204);
    assert_eq!(photo(), None);

    let (status, complaint) = stand
        .control_bytes("PUT", "/entra/users/nobody/photo", b"x")
        .await;
    assert_eq!(status, 404);
    assert_eq!(complaint, r#"{"error":"Entra ID has no user `nobody`."}"#);
}

#[tokio::test]
async fn someone_changes_an_avatar_and_avatars_and_log_tell_it() {
    let stand = Stand::new();
    let sys_id = ada(&stand);
    let path = "/servicenow/users/ada.byron/avatar";
    assert_eq!(
        stand
            .control_bytes("PUT", &format!("{path}?on=sys_user"), b"own")
            .await
            .0,
        204
    );
    assert_eq!(stand.control_bytes("PUT", path, b"profile").await.0, 204);

    let (_, avatars) = stand.control("GET", "/avatars", &Value::Null).await;
    let ada = &avatars[0];
    assert_eq!(ada["sys_id"], sys_id.to_string());
    assert_eq!(ada["user_name"], "ada.byron");
    assert_eq!(ada["email"], "ada@contoso.example");
    assert_eq!(ada["effective"]["from"], "live_profile");
    assert_eq!(ada["effective"]["sha256"], sha256(b"profile"));
    let attachments = ada["attachments"].as_array().expect("a list");
    let own = attachments
        .iter()
        .find(|row| row["table_name"] == "ZZ_YYsys_user")
        .expect("the user's own");
    assert_eq!(
        (&own["file_name"], &own["size_bytes"]),
        (&json!("photo"), &json!(3))
    );
    assert_eq!(
        (&own["sha256"], &own["referenced"]),
        (&json!(sha256(b"own")), &json!(true))
    );

    assert_eq!(stand.control_bytes("DELETE", path, b"").await.0, 204);
    let (_, only) = stand
        .control("GET", "/avatars?user_name=ada.byron", &Value::Null)
        .await;
    assert_eq!(only[0]["effective"]["from"], "sys_user");
    assert_eq!(only.as_array().expect("a list").len(), 1);

    let (_, log) = stand.control_bytes("GET", "/log", b"").await;
    let log: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON lines"))
        .collect();
    let numbers: Vec<u64> = log.iter().filter_map(|entry| entry["seq"].as_u64()).collect();
    assert_eq!(
        numbers,
        (1..=log.len() as u64).collect::<Vec<_>>(),
        "oldest first"
    );
    let inserted = |table: &str| {
        log.iter()
            .any(|entry| entry["op"] == "insert" && entry["table"] == table)
    };
    assert!(inserted("sys_attachment") && inserted("live_profile"), "{log:?}");
    assert!(log.iter().any(|entry| entry["op"] == "delete"));

    let (_, rest) = stand.control_bytes("GET", "/log?after=1", b"").await;
    assert_eq!(rest.lines().count(), log.len() - 1);
}

#[tokio::test]
async fn avatars_of_many_users_arrive_as_one_array_in_order() {
    let stand = Stand::new();
    ada(&stand);
    for number in 0..1_000_u128 {
        let world = stand.sandbox.world();
        let mut instance = world.instance.write();
        let mut row = instance.users().next().expect("Ada");
        row.sys_id = SysId(number);
        row.user_name = format!("user.{number}").into();
        instance.put_user(row);
    }
    let (_, avatars) = stand.control("GET", "/avatars", &Value::Null).await;
    let ids: Vec<&str> = avatars
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|user| user["sys_id"].as_str())
        .collect();
    assert_eq!(ids.len(), 1_001);
    assert!(ids.is_sorted());
    let (status, empty) = Stand::new().control("GET", "/avatars", &Value::Null).await;
    assert_eq!((status, empty), (200, json!([])));
}

#[tokio::test]
async fn the_control_address_tells_who_was_invented_and_changes_switches() {
    let sandbox = whole(50);
    let client = reqwest::Client::new();
    let get = async |path: &str| -> Value {
        let url = format!("{}{path}", sandbox.control_url());
        let response = client.get(url).send().await.expect("answered");
        serde_json::from_str(&response.text().await.expect("text")).expect("JSON")
    };
    let people = get("/people").await;
    assert_eq!(people["people"].as_array().expect("a list").len(), 50);
    let first = &people["people"][0];
    let kinds = people["kinds"].as_array().expect("a list");
    assert!(kinds.iter().any(|kind| kind["name"] == first["kind"]));

    assert_eq!(get("/settings/entra").await["throttling"], false);
    assert_eq!(get("/settings/servicenow").await["throttle"]["enabled"], false);
    let change = async |service: &str, change: Value| -> (u16, Value) {
        let url = format!("{}/settings/{service}", sandbox.control_url());
        let response = client
            .patch(url)
            .body(change.to_string())
            .send()
            .await
            .expect("answered");
        let status = response.status().as_u16();
        (
            status,
            serde_json::from_str(&response.text().await.expect("text")).expect("JSON"),
        )
    };
    let (status, settings) = change("servicenow", json!({"throttle": {"threads": 2}})).await;
    assert_eq!((status, &settings["throttle"]["threads"]), (200, &json!(2)));
    assert_eq!(settings["throttle"]["enabled"], false, "the rest stays");
    let (status, complaint) = change("entra", json!({"photo_stile": "doc1x1"})).await;
    assert_eq!(status, 400);
    assert_eq!(
        complaint["error"],
        "`photo_stile` is not a key of the Entra settings. Did you mean `photo_style`?"
    );
    let avatars = get("/avatars").await;
    assert!(
        avatars
            .as_array()
            .expect("a list")
            .iter()
            .any(|user| user["effective"].is_object())
    );
}

#[tokio::test]
async fn mistakes_at_the_control_address_are_answered_with_a_sentence() {
    let stand = Stand::new();
    let cases = [
        (
            "POST",
            "/faults",
            json!({"servce": "entra", "do": {"status": 500}}),
            400,
            "`servce` is not a key of a fault rule. Did you mean `service`?",
        ),
        (
            "POST",
            "/clock",
            json!({"advance": 5}),
            400,
            "`advance` is not a key of a clock change. Did you mean `advance_s`?",
        ),
        (
            "POST",
            "/clock",
            json!({"advance_s": -5}),
            400,
            "`advance_s` of a clock change must be a whole number from 0 to 3162240000, not -5.",
        ),
        (
            "PATCH",
            "/settings/server",
            json!({"latncy_ms": 5}),
            400,
            "`latncy_ms` is not a key of the server's settings. Did you mean `latency_ms`?",
        ),
        (
            "GET",
            "/traffic?log=all",
            Value::Null,
            400,
            "`log` is `all`, but it must be a whole number.",
        ),
        (
            "PUT",
            "/servicenow/users/ada/avatar?on=photo",
            Value::Null,
            400,
            "`on` is `photo`, but it must be one of `live_profile`, `sys_user`.",
        ),
        (
            "GET",
            "/settings/google",
            Value::Null,
            404,
            "There are no settings of `google`, only of entra, servicenow and server.",
        ),
        (
            "DELETE",
            "/faults/99",
            Value::Null,
            404,
            "There is no fault rule `99`.",
        ),
        (
            "GET",
            "/nowhere",
            Value::Null,
            404,
            "The control address does not know GET /nowhere.",
        ),
    ];
    for (method, path, body, status, sentence) in cases {
        let expected = (status, json!({"error": sentence}));
        assert_eq!(
            stand.control(method, path, &body).await,
            expected,
            "{method} {path}"
        );
    }
}
