//! What the command line says and how it ends when something is wrong, and what scripts rely on when nothing is.

use crate::common;

use common::{Stage, bare_command, finish};
use serde_json::json;

/// The program alone, with an empty home and environment.
fn bare(arguments: &[&str]) -> common::Ended {
    let home = tempfile::tempdir().expect("a temporary folder");
    finish(&mut bare_command(home.path(), arguments))
}

#[test]
fn without_anything_it_says_how_to_start() {
    let ended = bare(&[]).expect_code(2);
    assert!(ended.stderr.contains("avatar-sync demo"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "", "standard output is for data");
}

#[test]
fn what_is_not_configured_is_named_with_its_variables() {
    let ended = bare(&["status"]).expect_code(2);
    for word in [
        "entra.tenant",
        "AVATAR_SYNC_ENTRA_TENANT",
        "AVATAR_SYNC_SERVICENOW_INSTANCE",
        "demo",
    ] {
        assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
    }
}

#[test]
fn a_mistyped_flag_or_filter_is_a_usage_error() {
    bare(&["status", "--depe"]).expect_code(2);
    let stage = Stage::invented(40);
    let ended = stage.run(&["status", "status:mising"]).expect_code(2);
    assert!(
        ended.stderr.contains("mising") && ended.stderr.contains("missing"),
        "{}",
        ended.stderr
    );
}

#[test]
fn secrets_are_not_taken_from_flags() {
    let ended = bare(&["status", "--client-secret", "x"]).expect_code(2);
    assert!(ended.stderr.contains("unexpected argument"), "{}", ended.stderr);
    common::faults::tried("M3", 1);
}

#[test]
fn an_unknown_configuration_key_names_its_line_and_the_nearest_key() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let folder = home.path().join("avatar_sync_config_dir");
    std::fs::create_dir_all(&folder).expect("writable");
    std::fs::write(
        folder.join("config.toml"),
        "[profiles.default.entra]\ntenat = \"x\"\n",
    )
    .expect("writable");
    let ended = finish(&mut bare_command(home.path(), &["status"])).expect_code(2);
    assert!(ended.stderr.contains("config.toml:2"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("did you mean \"tenant\"?"),
        "{}",
        ended.stderr
    );
}

#[test]
fn effective_settings_are_shown_with_their_origin_and_without_secrets() {
    let stage = Stage::invented(40);
    let ended = stage.run(&["config", "show", "--origin"]).expect_code(0);
    assert!(
        ended
            .stdout
            .contains("client_secret = [hidden]  # environment AVATAR_SYNC_ENTRA_CLIENT_SECRET"),
        "{ended:?}"
    );
    assert!(
        ended.stdout.contains("photo_size = \"360\"  # default"),
        "{ended:?}"
    );
}

#[test]
fn a_wrong_secret_ends_with_code_5_and_says_what_to_do() {
    let stage = Stage::invented(40);
    let wrong = [("AVATAR_SYNC_ENTRA_CLIENT_SECRET", "not-the-secret")];
    let ended = stage.run_with(&wrong, &["status"]).expect_code(5);
    assert!(ended.stderr.contains("7000215"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("Value"),
        "the usual mistake is to paste the secret's id: {}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("not-the-secret"));

    let wrong = [("AVATAR_SYNC_SERVICENOW_CLIENT_SECRET", "not-the-secret")];
    let ended = stage.run_with(&wrong, &["status"]).expect_code(5);
    assert!(ended.stderr.contains("ServiceNow"), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint"), "{}", ended.stderr);
}

#[test]
fn an_unknown_tenant_is_named() {
    let stage = Stage::invented(40);
    let wrong = [("AVATAR_SYNC_ENTRA_TENANT", "00000000-0000-0000-0000-00000000abcd")];
    let ended = stage.run_with(&wrong, &["status"]).expect_code(5);
    assert!(ended.stderr.contains("90002"), "{}", ended.stderr);
}

#[test]
fn a_missing_permission_is_named() {
    let stage = Stage::invented(40);
    stage.request(
        reqwest::Method::PATCH,
        "/settings/entra",
        json!({"roles": ["Directory.Read.All"]}).to_string().into_bytes(),
    );
    let checked = stage.run(&["check"]).expect_code(5);
    assert!(checked.stdout.contains("ProfilePhoto.Read.All"), "{checked:?}");
    let ended = stage.run(&["sync", "--yes"]).expect_code(5);
    assert!(ended.stderr.contains("ProfilePhoto.Read.All"), "{}", ended.stderr);
    assert!(stage.writes().is_empty());
}

#[test]
fn an_instance_that_is_not_there_is_named() {
    let stage = Stage::invented(40);
    // A port that was free a moment ago and that nobody listens on.
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("bound").port()
    };
    let address = format!("http://127.0.0.1:{port}");
    let ended = stage
        .run_with(&[("AVATAR_SYNC_SERVICENOW_INSTANCE", &address)], &["status"])
        .expect_code(1);
    assert!(
        ended.stderr.contains("ServiceNow") && ended.stderr.contains(&port.to_string()),
        "{}",
        ended.stderr
    );
}

#[test]
fn an_instance_over_plain_http_is_refused_unless_it_is_this_machine() {
    let stage = Stage::invented(40);
    for address in [
        "http://dev12345.service-now.com",
        "ftp://x",
        "http://user:secret@127.0.0.1",
    ] {
        let ended = stage
            .run_with(&[("AVATAR_SYNC_SERVICENOW_INSTANCE", address)], &["status"])
            .expect_code(2);
        assert!(ended.stderr.contains("servicenow.instance"), "{}", ended.stderr);
    }
    common::faults::tried("M5", 1);
}

#[test]
fn whoever_answers_instead_of_the_service_is_named() {
    for (page, word) in [
        ("hibernating", "hibernat"),
        ("log-in", "log-in page"),
        ("maintenance", "maintenance"),
    ] {
        let stage = Stage::invented(40);
        stage.post(
            "/faults",
            &json!({"service": "servicenow", "path": "^/api/", "times": null, "do": {"html": page}}),
        );
        let ended = stage.run(&["status"]).expect_code(1);
        assert!(
            ended.stderr.to_lowercase().contains(word),
            "{page}: {}",
            ended.stderr
        );
    }
}

#[test]
fn somebody_who_does_not_exist_or_is_ambiguous_is_a_usage_error_with_candidates() {
    let world = json!({
        "entra": {"users": [
            {"displayName": "Ann One", "userPrincipalName": "ann1@contoso.example", "mail": "ann@contoso.example"},
            {"displayName": "Ann Two", "userPrincipalName": "ann2@contoso.example", "mail": "ann@contoso.example"}]},
        "servicenow": {"users": []}
    });
    let stage = Stage::of_files(&world, &[]);
    let ended = stage.run(&["push", "nobody@contoso.example"]).expect_code(2);
    assert!(
        ended.stderr.contains("nobody@contoso.example"),
        "{}",
        ended.stderr
    );
    let ended = stage.run(&["push", "ann@contoso.example"]).expect_code(2);
    for word in ["2 people", "Ann One", "ann2@contoso.example"] {
        assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
    }
}

#[test]
fn a_world_file_with_a_mistake_says_where_and_what() {
    let home = tempfile::tempdir().expect("a temporary folder");
    for (world, words) in [
        (
            r#"{"entra": {"users": [{"displayNam": "x", "userPrincipalName": "x@x.example"}]}}"#,
            &["displayNam", "displayName", "entra.users[0]"][..],
        ),
        (r#"{"entra": "#, &["world.json"]),
        (
            r#"{"entra": {"users": [{"displayName": "A", "userPrincipalName": "a@x.example", "photo": "gone.jpg"}]}}"#,
            &["gone.jpg"],
        ),
    ] {
        std::fs::write(home.path().join("world.json"), world).expect("writable");
        let folder = home.path().to_str().expect("text");
        let ended = finish(&mut bare_command(home.path(), &["sandbox", "--world", folder])).expect_code(2);
        for word in words {
            assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
        }
    }
}

#[test]
fn differences_are_told_by_the_exit_code_only_when_asked() {
    let stage = Stage::invented(40);
    stage.run(&["status"]).expect_code(0);
    stage.run(&["status", "--exit-code"]).expect_code(3);
    stage
        .run(&["status", "--deep", "--exit-code", "status:in_sync"])
        .expect_code(0);
    stage.run(&["plan", "--exit-code"]).expect_code(3);
}

#[test]
fn readonly_refuses_writers_and_lets_readers_through() {
    let stage = Stage::invented(40);
    let ended = stage.run(&["--readonly", "sync", "--yes"]).expect_code(2);
    assert!(ended.stderr.contains("--readonly"), "{}", ended.stderr);
    stage.run(&["--readonly", "sync", "--dry-run"]).expect_code(0);
    stage.run(&["--readonly", "status"]).expect_code(0);
    assert!(stage.writes().is_empty());
}

#[test]
fn hostile_names_never_reach_the_output_as_they_are() {
    let stage = Stage::crowd(200);
    for arguments in [
        &["status", "--all"][..],
        &["status", "--json"],
        &["plan"],
        &["sync", "--yes"],
        &["history"],
    ] {
        let ended = stage.run(arguments);
        for output in [&ended.stdout, &ended.stderr] {
            let found = output.chars().find(|character| {
                matches!(character, '\u{0}'..='\u{9}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            });
            assert_eq!(found, None, "{arguments:?}");
        }
    }
}

#[test]
fn colour_is_for_terminals_unless_asked_for() {
    let stage = Stage::invented(40);
    assert!(!stage.run(&["status"]).stdout.contains('\u{1b}'));
    assert!(
        stage
            .run(&["status", "--color", "always"])
            .stdout
            .contains('\u{1b}')
    );
    let ascii = stage
        .run(&["status", "--all", "--ascii", "status:in_sync,missing,differs"])
        .expect_code(0);
    assert!(ascii.stdout.contains("+ missing"), "{}", ascii.stdout);
    let without_names: String = ascii
        .stdout
        .lines()
        .take_while(|line| !line.starts_with("NAME"))
        .collect();
    assert!(without_names.is_ascii(), "{without_names}");
}

#[test]
fn the_demo_needs_nothing_and_leaves_nothing_behind() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let ended = finish(&mut bare_command(home.path(), &["demo", "--users", "60"])).expect_code(0);
    assert!(ended.stdout.contains("updated"), "{}", ended.stdout);
    assert_eq!(std::fs::read_dir(home.path()).expect("readable").count(), 0);
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(
            bare(&["completions", shell])
                .expect_code(0)
                .stdout
                .contains("avatar-sync"),
            "{shell}"
        );
    }
}

#[test]
fn check_passes_on_a_well_configured_pair_and_fails_with_the_missing_right() {
    let stage = Stage::invented(40);
    let passed = stage.run(&["check", "--json"]).expect_code(0).events();
    assert!(
        passed.len() >= 8 && passed.iter().all(|probe| probe["result"] != "failed"),
        "{passed:?}"
    );
    let basic = [
        ("AVATAR_SYNC_SERVICENOW_CLIENT_ID", ""),
        ("AVATAR_SYNC_SERVICENOW_CLIENT_SECRET", ""),
        ("AVATAR_SYNC_SERVICENOW_USERNAME", "svc.avatar.sync"),
        ("AVATAR_SYNC_SERVICENOW_PASSWORD", "wrong"),
    ];
    let refused = stage.run_with(&basic, &["check"]).expect_code(5);
    assert!(refused.stdout.contains("failed"), "{refused:?}");
    let (_, tries) = stage.requests(&["servicenow"]);
    assert!(tries < 40, "a wrong password is not tried again and again");
}

#[test]
fn every_way_to_sign_in_to_servicenow_works() {
    let stage = Stage::invented(40);
    let ready = stage.sandbox.ready_line();
    let text = |key: &str| ready[key].as_str().expect("text").to_owned();
    let (user, password) = (text("servicenow_username"), text("servicenow_password"));
    let account = [
        ("AVATAR_SYNC_SERVICENOW_USERNAME", user.as_str()),
        ("AVATAR_SYNC_SERVICENOW_PASSWORD", &password),
    ];
    stage.run_with(&account, &["status"]).expect_code(0);
    let basic = [
        &account[..],
        &[
            ("AVATAR_SYNC_SERVICENOW_CLIENT_ID", ""),
            ("AVATAR_SYNC_SERVICENOW_CLIENT_SECRET", ""),
        ],
    ]
    .concat();
    stage.run_with(&basic, &["status"]).expect_code(0);
}
