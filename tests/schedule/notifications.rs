//! Whom the program tells what: against a mail server and an HTTP server on this machine.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::common::Stage;
use crate::receivers::{Authority, Encryption, HookServer, Mail, MailServer, answer};
use crate::{Running, health_file, picture, small_stage, wait_for_health};

/// Settings as environment variables, without their prefix.
#[derive(Clone, Default)]
struct Settings(Vec<(String, String)>);

impl Settings {
    fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.0
            .push((format!("AVATAR_SYNC_NOTIFY_{name}"), value.to_string()));
        self
    }

    fn mail(self, server: &MailServer) -> Self {
        self.with(
            "EMAIL_TO",
            "ops@contoso.example, Night Shift <night@contoso.example>",
        )
        .with("EMAIL_FROM", "avatar-sync <noreply@contoso.example>")
        .with("SMTP_HOST", "localhost")
        .with("SMTP_PORT", server.port)
    }

    fn plain_mail(self, server: &MailServer) -> Self {
        self.mail(server).with("SMTP_TLS", "none")
    }

    fn hook(self, server: &HookServer, kind: &str) -> Self {
        let url = format!(
            "http://127.0.0.1:{}/hooks/canary-path?sig=canary-signature",
            server.port
        );
        self.with("WEBHOOK_URL", url).with("WEBHOOK_KIND", kind)
    }

    fn pairs(&self) -> Vec<(&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }
}

/// Every secret of these tests begins with this word.
#[track_caller]
fn no_canary(text: &str) {
    assert!(!text.contains("canary"), "{text}");
}

fn plain_mail_server() -> MailServer {
    MailServer::start(Encryption::None, None, 0)
}

/// Every push fails: ServiceNow takes no file.
fn nobody_may_upload(stage: &Stage) {
    stage.post(
        "/faults",
        &json!({"service": "servicenow", "method": "POST", "path": "^/api/now/attachment/file",
                "do": {"status": 400, "body": "{\"error\":{\"message\":\"refused for ada@contoso.example\",\"detail\":\"\"}}",
                       "headers": {"Content-Type": "application/json"}}}),
    );
}

fn subject(mail: &Mail) -> String {
    mail.header("Subject")
}

#[test]
fn a_test_notification_is_sent_each_way_and_says_what_was_answered() {
    let stage = small_stage();
    let mail = plain_mail_server();
    for (kind, reply, words) in [
        ("generic", answer("204 No Content", ""), "204"),
        // What a workflow and what a Slack app answer.
        ("teams", answer("202 Accepted", ""), "202"),
        ("slack", answer("200 OK", "ok"), "200 OK ok"),
    ] {
        let hook = HookServer::start(&[&reply], None);
        let settings = Settings::default().plain_mail(&mail).hook(&hook, kind);
        let ended = stage
            .run_with(&settings.pairs(), &["notify", "test"])
            .expect_code(0);
        assert!(ended.stdout.contains("queued as 42"), "{}", ended.stdout);
        assert!(ended.stdout.contains(words), "{words} in {}", ended.stdout);
        no_canary(&ended.stdout);
        no_canary(&ended.stderr);
        let posted = hook.posted();
        assert_eq!(posted.len(), 1);
        assert_eq!(posted[0].target, "/hooks/canary-path?sig=canary-signature");
        assert!(
            posted[0]
                .head
                .to_lowercase()
                .contains("content-type: application/json")
        );
        let body = &posted[0].body;
        match kind {
            "generic" => assert_eq!(body["occasion"], "test"),
            "teams" => {
                let card = &body["attachments"][0];
                assert_eq!(body["type"], "message");
                assert_eq!(card["contentType"], "application/vnd.microsoft.card.adaptive");
                assert_eq!(card["content"]["type"], "AdaptiveCard");
            }
            _ => {
                assert!(body["text"].as_str().expect("text").contains("a test"));
                assert_eq!(body["blocks"][0]["type"], "header");
            }
        }
    }
    let mails = mail.mails();
    assert_eq!(mails.len(), 3);
    assert_eq!(mails[0].from, "<noreply@contoso.example>");
    assert_eq!(mails[0].to, ["<ops@contoso.example>", "<night@contoso.example>"]);
    assert!(subject(&mails[0]).contains("a test"));
    assert_eq!(mails[0].header("Auto-Submitted"), "auto-generated");
}

#[test]
fn mail_is_encrypted_before_anything_is_said_and_signs_in() {
    let stage = small_stage();
    let authority = Arc::new(Authority::new());
    let trusted = authority.file(stage.home(), "ca.pem");
    let stranger = Authority::new().file(stage.home(), "stranger.pem");
    for (encryption, word) in [
        (Encryption::StartTls(Arc::clone(&authority)), "starttls"),
        (Encryption::Implicit(Arc::clone(&authority)), "implicit"),
    ] {
        let server = MailServer::start(encryption, Some(("mailer", "canary-password")), 0);
        let settings = Settings::default()
            .mail(&server)
            .with("SMTP_TLS", word)
            .with("SMTP_USERNAME", "mailer")
            .with("SMTP_PASSWORD", "canary-password");
        let trusting = settings.clone().with("CA_FILE", trusted.display());
        let ended = stage
            .run_with(&trusting.pairs(), &["notify", "test"])
            .expect_code(0);
        no_canary(&(ended.stdout + &ended.stderr));
        let mails = server.wait_for(1);
        assert!(mails[0].was_encrypted);
        assert_eq!(
            mails[0].account,
            Some(("mailer".to_owned(), "canary-password".to_owned()))
        );

        // Whoever signs for the server is not known.
        for settings in [
            settings.clone().with("CA_FILE", stranger.display()),
            settings.clone(),
        ] {
            let ended = stage
                .run_with(&settings.pairs(), &["notify", "test"])
                .expect_code(1);
            assert!(ended.stdout.contains("not accepted"), "{}", ended.stdout);
            assert!(ended.stdout.contains("certificate"), "{}", ended.stdout);
        }
        let wrong = trusting.clone().with("SMTP_PASSWORD", "canary-wrong");
        let ended = stage.run_with(&wrong.pairs(), &["notify", "test"]).expect_code(1);
        assert!(ended.stdout.contains("password is wrong"), "{}", ended.stdout);
        no_canary(&(ended.stdout + &ended.stderr));
        assert_eq!(server.mails().len(), 1);
    }
}

#[test]
fn a_server_that_does_not_encrypt_gets_neither_password_nor_mail() {
    let stage = small_stage();
    let server = MailServer::start(Encryption::None, Some(("mailer", "canary-password")), 0);
    let settings = Settings::default()
        .mail(&server)
        .with("SMTP_USERNAME", "mailer")
        .with("SMTP_PASSWORD", "canary-password");
    stage
        .run_with(&settings.pairs(), &["notify", "test"])
        .expect_code(1);
    assert!(server.mails().is_empty());
    for line in server.spoken() {
        assert!(!line.starts_with("AUTH") && !line.starts_with("MAIL"), "{line}");
    }
}

#[test]
fn a_webhook_is_posted_to_over_tls_and_only_to_who_is_trusted() {
    let stage = small_stage();
    let authority = Arc::new(Authority::new());
    let hook = HookServer::start(&[&answer("200 OK", "ok")], Some(Arc::clone(&authority)));
    let url = format!("https://localhost:{}/hooks/canary-path", hook.port);
    let settings = Settings::default().with("WEBHOOK_URL", url);
    let ended = stage
        .run_with(&settings.pairs(), &["notify", "test"])
        .expect_code(1);
    assert!(ended.stdout.contains("not accepted"), "{}", ended.stdout);
    no_canary(&(ended.stdout + &ended.stderr));
    assert!(hook.posted().is_empty());
    let trusting = settings.with("CA_FILE", authority.file(stage.home(), "ca.pem").display());
    stage
        .run_with(&trusting.pairs(), &["notify", "test"])
        .expect_code(0);
    assert_eq!(hook.posted().len(), 1);
}

#[test]
fn what_may_pass_is_tried_once_more_and_what_may_not_is_not() {
    let stage = small_stage();
    let busy = MailServer::start(Encryption::None, None, 1);
    let hook = HookServer::start(
        &[
            &answer("503 Service Unavailable", "busy"),
            &answer("202 Accepted", ""),
        ],
        None,
    );
    let settings = Settings::default().plain_mail(&busy).hook(&hook, "teams");
    stage
        .run_with(&settings.pairs(), &["notify", "test"])
        .expect_code(0);
    assert_eq!((busy.mails().len(), hook.posted().len()), (1, 2));

    let elsewhere = HookServer::start(&[&answer("200 OK", "")], None);
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{}/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        elsewhere.port
    );
    for (reply, words) in [
        (redirect, "not followed"),
        (answer("400 Bad Request", "invalid_payload"), "invalid_payload"),
        (answer("200 OK", &"x".repeat(200_000)), "more than 65536 bytes"),
        (answer("403 Forbidden", "\u{1b}[2Jcleared"), "403"),
    ] {
        let hook = HookServer::start(&[&reply], None);
        let settings = Settings::default().hook(&hook, "slack");
        let ended = stage
            .run_with(&settings.pairs(), &["notify", "test"])
            .expect_code(1);
        assert!(ended.stdout.contains(words), "{words} in {}", ended.stdout);
        assert!(!ended.stdout.contains('\u{1b}'));
        assert_eq!(hook.posted().len(), 1, "{words}");
    }
    assert!(elsewhere.posted().is_empty(), "redirects are not followed");
}

#[test]
fn nobody_to_tell_is_a_mistake_only_for_the_test() {
    let stage = small_stage();
    let ended = stage.run(&["notify", "test"]).expect_code(2);
    assert!(ended.stderr.contains("tells nobody"), "{}", ended.stderr);
    stage.run(&["sync", "--yes"]).expect_code(0);
    // Half a configuration is found before the run, not after it.
    let half = [("AVATAR_SYNC_NOTIFY_EMAIL_TO", "ops@contoso.example")];
    let ended = stage.run_with(&half, &["sync", "--yes"]).expect_code(2);
    assert!(ended.stderr.contains("notify.email_from"), "{}", ended.stderr);
}

#[test]
fn trouble_is_told_once_with_numbers_alone_and_so_is_its_end() {
    let stage = small_stage();
    let mail = plain_mail_server();
    let hook = HookServer::start(&[&answer("202 Accepted", "")], None);
    let settings = Settings::default().plain_mail(&mail).hook(&hook, "generic");
    let sync = |code| {
        let ended = stage
            .run_with(&settings.pairs(), &["sync", "--yes", "--json"])
            .expect_code(code);
        no_canary(&(ended.stdout.clone() + &ended.stderr));
        ended
    };
    sync(0);
    assert!(mail.mails().is_empty(), "a good run is nobody's news");

    stage.request(
        reqwest::Method::PUT,
        "/entra/users/ada@contoso.example/photo",
        picture(1, 99),
    );
    nobody_may_upload(&stage);
    let failed = sync(4);
    let run = failed.events().pop().expect("events")["run"]
        .as_str()
        .expect("text")
        .to_owned();
    sync(4);
    sync(4);
    let mails = mail.mails();
    assert_eq!(mails.len(), 1, "told once: {mails:#?}");
    let text = &mails[0].text;
    assert!(subject(&mails[0]).contains("a run had trouble"));
    assert!(text.contains(&format!("avatar-sync history {run}")), "{text}");
    assert!(text.contains("1 failed"), "{text}");
    let posted = hook.posted();
    assert_eq!(posted.len(), 1);
    assert_eq!(posted[0].body["exit_code"], 4);
    assert_eq!(posted[0].body["run"].as_str(), Some(run.as_str()));
    for told in [text.clone(), posted[0].body.to_string()] {
        let told = told.to_lowercase();
        assert!(!told.contains("ada@") && !told.contains("byron"), "{told}");
    }

    stage.request(reqwest::Method::DELETE, "/faults", Vec::new());
    sync(0);
    sync(0);
    let mails = mail.mails();
    assert_eq!(mails.len(), 2, "the end of it, once: {mails:#?}");
    assert!(subject(&mails[1]).contains("runs go well again"));
    assert_eq!(hook.posted()[1].body["occasion"], "recovery");
}

#[test]
fn people_are_named_if_that_is_wanted() {
    let stage = small_stage();
    let hook = HookServer::start(&[&answer("200 OK", "ok")], None);
    let settings = Settings::default().hook(&hook, "generic").with("NAMES", true);
    nobody_may_upload(&stage);
    stage
        .run_with(&settings.pairs(), &["sync", "--yes"])
        .expect_code(4);
    let posted = hook.posted();
    let people = posted[0].body["people"].as_array().expect("a list");
    assert_eq!(people.len(), 2);
    assert!(
        people
            .iter()
            .any(|person| person.to_string().contains("Ada Byron")),
        "{people:?}"
    );
}

#[test]
fn brakes_and_refused_sign_ins_have_their_own_words() {
    let stage = small_stage();
    let hook = HookServer::start(&[&answer("200 OK", "ok")], None);
    let settings = Settings::default().hook(&hook, "generic");
    stage
        .run_with(&settings.pairs(), &["sync", "--yes", "--max-changes", "1"])
        .expect_code(6);
    let wrong = settings.clone();
    let mut wrong = wrong.pairs();
    wrong.push(("AVATAR_SYNC_ENTRA_CLIENT_SECRET", "canary-wrong"));
    stage.run_with(&wrong, &["sync", "--yes"]).expect_code(5);
    // A configuration that is not complete is told too: nobody sits beside a schedule.
    let mut incomplete = settings.pairs();
    incomplete.push(("AVATAR_SYNC_SERVICENOW_INSTANCE", ""));
    stage.run_with(&incomplete, &["sync", "--yes"]).expect_code(2);
    let told: Vec<(String, Value, String)> = hook
        .posted()
        .iter()
        .map(|posted| {
            let body = &posted.body;
            let text = |key: &str| body[key].as_str().expect("text").to_owned();
            no_canary(&body.to_string());
            (text("occasion"), body["exit_code"].clone(), text("next_command"))
        })
        .collect();
    let command = |words: &str| format!("avatar-sync {words} --profile default");
    assert_eq!(
        told,
        [
            ("brake".to_owned(), json!(6), command("plan")),
            ("failure".to_owned(), json!(5), command("check")),
            ("failure".to_owned(), json!(2), command("config show --origin")),
        ]
    );
}

#[test]
fn only_what_is_wanted_is_told() {
    let stage = small_stage();
    let hook = HookServer::start(&[&answer("200 OK", "ok")], None);
    let settings = Settings::default()
        .hook(&hook, "generic")
        .with("ON", "brake,recovery");
    nobody_may_upload(&stage);
    stage
        .run_with(&settings.pairs(), &["sync", "--yes"])
        .expect_code(4);
    stage.request(reqwest::Method::DELETE, "/faults", Vec::new());
    stage
        .run_with(&settings.pairs(), &["sync", "--yes"])
        .expect_code(0);
    assert!(hook.posted().is_empty(), "no end of a trouble that was not told");
    stage
        .run_with(
            &settings.pairs(),
            &["sync", "--yes", "--dry-run", "--max-changes", "0"],
        )
        .expect_code(0);
    assert!(hook.posted().is_empty());
}

#[test]
fn a_notification_that_does_not_get_through_changes_no_exit_code_and_is_said() {
    let stage = small_stage();
    let health = health_file(&stage);
    let path = health.to_str().expect("text").to_owned();
    // Nobody listens there any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = gone.local_addr().expect("bound").port();
    drop(gone);
    let settings = Settings::default().with("WEBHOOK_URL", format!("http://127.0.0.1:{port}/canary"));
    nobody_may_upload(&stage);
    let ended = stage
        .run_with(&settings.pairs(), &["sync", "--yes", "--health", &path])
        .expect_code(4);
    assert!(ended.stderr.contains("did not get through"), "{}", ended.stderr);
    let said = wait_for_health(&health, "it says so", |health| health["notification"].is_string());
    no_canary(&(ended.stderr + &said.to_string()));
    assert_eq!(said["exit_code"], 4);

    // Since nobody was told, the next run tells.
    let hook = HookServer::start(&[&answer("200 OK", "ok")], None);
    let settings = Settings::default().hook(&hook, "generic");
    stage
        .run_with(&settings.pairs(), &["sync", "--yes", "--health", &path])
        .expect_code(4);
    assert_eq!(hook.posted()[0].body["failures_in_a_row"], 2);
    let quiet = wait_for_health(&health, "all told", |health| health["notification"].is_null());
    assert_eq!(quiet["exit_code"], 4);
}

#[test]
fn a_schedule_tells_trouble_and_its_end_while_it_goes_on() {
    let stage = small_stage();
    let hook = HookServer::start(&[&answer("202 Accepted", "")], None);
    let settings = Settings::default().hook(&hook, "teams");
    let health = health_file(&stage);
    let path = health.to_str().expect("text").to_owned();
    nobody_may_upload(&stage);
    let program = Running::start(
        &stage,
        &settings.pairs(),
        &["sync", "--every", "1s", "--jitter", "0", "--health", &path],
    );
    wait_for_health(&health, "three bad runs", |health| {
        health["failures_in_a_row"].as_u64() >= Some(3)
    });
    assert_eq!(hook.posted().len(), 1, "told once");
    stage.request(reqwest::Method::DELETE, "/faults", Vec::new());
    wait_for_health(&health, "a good run", |health| {
        health["exit_code"] == 0 && health["state"] != "running"
    });
    let until = std::time::Instant::now() + crate::PATIENCE;
    while hook.posted().len() < 2 {
        assert!(std::time::Instant::now() < until, "the end is told");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(hook.posted()[1].body.to_string().contains("runs go well again"));
    drop(program);
}
