use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::email::Mailer;
use super::message::within_bounds;
use super::webhook::{Kind, shape};
use super::*;
use crate::connector::http::Secret;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Nobody is told; a test names whom.
fn values() -> NotifyValues {
    NotifyValues {
        on: ["failure", "brake", "quarantine", "recovery", "approval"]
            .map(str::to_owned)
            .to_vec(),
        names: false,
        email_to: Vec::new(),
        email_from: None,
        smtp_host: None,
        smtp_port: None,
        smtp_tls: "starttls".into(),
        smtp_username: None,
        smtp_password: None,
        webhook_url: None,
        webhook_kind: "generic".into(),
        ca_file: None,
    }
}

fn mail_values() -> NotifyValues {
    NotifyValues {
        email_to: vec![
            "ops@contoso.example".into(),
            "Avatar People <avatars@contoso.example>".into(),
        ],
        email_from: Some("avatar-sync <noreply@contoso.example>".into()),
        smtp_host: Some("mail.contoso.example".into()),
        ..values()
    }
}

fn notice() -> Notice {
    Notice {
        occasion: Occasion::Failure,
        profile: "production".into(),
        host: "sync01".into(),
        at: at("2026-03-01T03:04:05Z"),
        run: Some(RunId::new("r-20260301-0304")),
        exit_code: 4,
        sentence: "2 of 120 people failed: Ada.Byron@contoso.example was refused".into(),
        summary: Some(Summary {
            selected: 120,
            updated: 3,
            unchanged: 115,
            failed: 2,
            ..Summary::default()
        }),
        next_command: "avatar-sync history r-20260301-0304 --profile production".into(),
        next_run: Some(at("2026-03-02T03:00:00Z")),
        in_a_row: 3,
        people: vec!["Ada Byron (ada@contoso.example): refused".into()],
    }
}

/// The e-mail as it goes over the wire: its headers, unfolded, and its body.
fn email(notice: &Notice) -> (Vec<String>, String) {
    let mailer = Mailer::new(&mail_values()).expect("valid").expect("configured");
    let text = mailer.message(notice).expect("a message").formatted();
    let text = String::from_utf8(text).expect("headers are ASCII and bodies encoded");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let mut headers: Vec<String> = Vec::new();
    for line in head.split("\r\n") {
        assert!(!line.contains(['\r', '\n']), "a bare line break: {line:?}");
        match headers.last_mut() {
            Some(last) if line.starts_with([' ', '\t']) => last.push_str(line),
            _ => headers.push(line.to_owned()),
        }
    }
    (headers, body.to_owned())
}

/// What an e-mail of ours has, once each.
const HEADERS: [&str; 9] = [
    "Auto-Submitted",
    "Content-Transfer-Encoding",
    "Content-Type",
    "Date",
    "From",
    "MIME-Version",
    "Message-ID",
    "Subject",
    "To",
];

fn header_names(headers: &[String]) -> Vec<&str> {
    let mut names: Vec<&str> = headers
        .iter()
        .map(|header| header.split(':').next().expect("a name"))
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn an_email_says_what_happened_and_what_to_type_next() {
    let (headers, body) = email(&within_bounds(&notice(), false));
    assert!(
        headers
            .contains(&"Subject: avatar-sync: 3 runs in a row had trouble (profile production)".to_owned()),
        "{headers:#?}"
    );
    assert!(
        headers
            .iter()
            .any(|header| header == "Auto-Submitted: auto-generated")
    );
    for words in [
        "avatar-sync history r-20260301-0304 --profile production",
        "120 selected, 3 updated, 115 unchanged, 2 failed",
        "2026-03-02 03:00:00 UTC",
        "sync01",
    ] {
        assert!(body.contains(words), "{words} in\n{body}");
    }
}

#[test]
fn nobody_is_named_unless_that_is_wanted() {
    let quiet = within_bounds(&notice(), false);
    let loud = within_bounds(&notice(), true);
    let whole = |notice: &Notice| {
        let mut all = vec![email(notice).1];
        all.extend([Kind::Generic, Kind::Teams, Kind::Slack].map(|kind| shape(kind, notice).to_string()));
        all
    };
    for text in whole(&quiet) {
        let text = text.to_lowercase();
        for name in ["ada.", "ada@", "ada byron"] {
            assert!(!text.contains(name), "{text}");
        }
        assert!(text.contains("[address]"), "{text}");
    }
    for text in whole(&loud) {
        assert!(text.contains("Ada Byron"), "{text}");
    }
    let crowd = Notice {
        people: vec!["somebody".into(); 500],
        ..notice()
    };
    assert_eq!(within_bounds(&crowd, true).people.len(), NAMED);
}

/// Text as somebody would write it who wants to add a header, a recipient, or end the head.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\r\n".to_owned()),
        Just("\n".to_owned()),
        Just("\r".to_owned()),
        Just("\r\n\r\n".to_owned()),
        Just("\u{2028}\u{85}\u{b}\u{c}\0".to_owned()),
        Just("Bcc: evil@example.com".to_owned()),
        Just("=?utf-8?q?=0D=0ABcc:_evil@example.com?=".to_owned()),
        Just("\r\n.\r\nMAIL FROM:<evil@example.com>".to_owned()),
        Just("<!channel> <https://evil.example|here> [x](https://evil.example) **b**".to_owned()),
        "\\PC{0,40}",
        ".{0,300}",
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn nothing_from_outside_begins_a_header(
        profile in hostile(), host in hostile(), sentence in hostile(), command in hostile(), person in hostile(),
    ) {
        let notice = Notice {
            profile, host, sentence, next_command: command, people: vec![person; 30],
            ..notice()
        };
        let (headers, body) = email(&within_bounds(&notice, true));
        prop_assert_eq!(header_names(&headers), HEADERS);
        let to: Vec<&String> = headers.iter().filter(|header| header.starts_with("To:")).collect();
        prop_assert_eq!(to, ["To: ops@contoso.example, \"Avatar People\" <avatars@contoso.example>"]);
        prop_assert!(body.len() < 64 * 1024);
    }

    #[test]
    fn an_address_is_one_address_or_refused(text in hostile()) {
        let values = NotifyValues { email_to: vec![text.clone()], ..mail_values() };
        if let Ok(Some(mailer)) = Mailer::new(&values) {
            let message = mailer.message(&notice()).expect("a message");
            prop_assert_eq!(message.envelope().to().len(), 1);
            let whole = String::from_utf8(message.formatted()).expect("ASCII");
            let head = whole.split("\r\n\r\n").next().expect("a head");
            prop_assert!(!head.contains("\r\nBcc"), "{}", head);
        }
    }

    #[test]
    fn no_text_from_outside_is_read_as_markup(
        profile in hostile(), host in hostile(), sentence in hostile(), person in hostile(),
    ) {
        let notice = within_bounds(&Notice { profile, host, sentence, people: vec![person; 30], ..notice() }, true);
        check_teams(&shape(Kind::Teams, &notice));
        check_slack(&shape(Kind::Slack, &notice));
    }
}

#[test]
fn header_injection_was_tried() {
    // The property above, said once it is known to hold for the plainest of attempts.
    for attempt in [
        "a\r\nBcc: evil@example.com",
        "a\nBcc: evil@example.com",
        "a\rBcc: evil@example.com",
    ] {
        let notice = Notice {
            profile: attempt.into(),
            host: attempt.into(),
            ..notice()
        };
        let (headers, _) = email(&within_bounds(&notice, false));
        assert_eq!(header_names(&headers), HEADERS, "{attempt:?}");
        // Even where nobody has cleaned it before.
        let (headers, _) = email(&notice);
        assert_eq!(header_names(&headers), HEADERS, "{attempt:?}");
    }
    println!(
        "fault L7: tried {} times",
        6 + 2 * ProptestConfig::default().cases
    );
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} is a text of {value}"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key]
        .as_array()
        .unwrap_or_else(|| panic!("{key} is a list of {value}"))
}

/// A workflow's trigger takes a message with attachments; each is a card of elements that know no markup.
fn check_teams(message: &Value) {
    assert_eq!(message["type"], "message");
    let attachments = list(message, "attachments");
    assert_eq!(attachments.len(), 1);
    assert_eq!(
        attachments[0]["contentType"],
        "application/vnd.microsoft.card.adaptive"
    );
    let card = &attachments[0]["content"];
    assert_eq!(card["type"], "AdaptiveCard");
    assert_eq!(card["version"], "1.4");
    for block in list(card, "body") {
        assert_eq!(block["type"], "RichTextBlock", "a TextBlock would read Markdown");
        for run in list(block, "inlines") {
            assert_eq!(run["type"], "TextRun");
            text(run, "text");
            assert_eq!(run.get("selectAction"), None);
        }
    }
    assert!(message.to_string().len() < 28 * 1024, "the service's limit");
}

/// The limits are those of Slack's reference of blocks.
fn check_slack(message: &Value) {
    let fallback = text(message, "text");
    assert!(!fallback.contains(['<', '>']), "{fallback}");
    let blocks = list(message, "blocks");
    assert!(blocks.len() <= 50);
    let plain = |value: &Value, limit: usize| {
        assert_eq!(value["type"], "plain_text", "mrkdwn would be read as markup");
        let length = text(value, "text").chars().count();
        assert!((1..=limit).contains(&length), "{length} characters: {value}");
    };
    for block in blocks {
        match text(block, "type") {
            "header" => plain(&block["text"], 150),
            "section" if block.get("fields").is_some() => {
                let fields = list(block, "fields");
                assert!((1..=10).contains(&fields.len()));
                for field in fields {
                    plain(field, 2_000);
                }
            }
            "section" => plain(&block["text"], 3_000),
            other => panic!("no such block: {other}"),
        }
    }
}

#[test]
fn every_receiver_gets_its_own_shape() {
    for occasion in [
        Occasion::Failure,
        Occasion::Brake,
        Occasion::Quarantine,
        Occasion::Recovery,
        Occasion::ApprovalWanted,
        Occasion::Test,
    ] {
        let notice = within_bounds(&Notice { occasion, ..notice() }, true);
        check_teams(&shape(Kind::Teams, &notice));
        check_slack(&shape(Kind::Slack, &notice));
        let generic = shape(Kind::Generic, &notice);
        assert_eq!(generic["schema"], "avatar-sync/notice/1");
        assert_eq!(generic["occasion"], occasion.code());
        assert_eq!(generic["summary"]["failed"], json!(2));
        assert_eq!(generic["run"], "r-20260301-0304");
    }
}

#[test]
fn settings_that_cannot_work_are_refused_before_a_run() {
    let refused = |values: NotifyValues| match Notifier::new(&values) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("accepted"),
    };
    assert!(Notifier::new(&values()).expect("nothing wrong").is_none());
    let no_sender = NotifyValues {
        email_from: None,
        ..mail_values()
    };
    assert!(refused(no_sender).contains("notify.email_from"));
    let no_server = NotifyValues {
        smtp_host: None,
        ..mail_values()
    };
    assert!(refused(no_server).contains("notify.smtp_host"));
    let half_an_account = NotifyValues {
        smtp_username: Some("u".into()),
        ..mail_values()
    };
    assert!(refused(half_an_account).contains("notify.smtp_password"));
    let plain = NotifyValues {
        smtp_tls: "none".into(),
        ..mail_values()
    };
    assert!(refused(plain).contains("would not be encrypted"));
    let nobody = NotifyValues {
        email_to: vec!["nobody".into()],
        ..mail_values()
    };
    assert!(refused(nobody).contains("\"nobody\" is not an e-mail address"));
    for url in [
        "http://hooks.example/canary",
        "ftp://127.0.0.1/canary",
        "canary",
        "https://user:canary@hooks.example/",
    ] {
        let webhook = NotifyValues {
            webhook_url: Some(Secret::new(url)),
            ..values()
        };
        assert!(!format!("{webhook:?}").contains("canary"));
        let error = refused(webhook);
        assert!(
            error.contains("notify.webhook_url") && !error.contains("canary"),
            "{error}"
        );
    }
}

#[test]
fn plain_mail_is_for_this_machine_alone() {
    for host in ["localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"] {
        let here = NotifyValues {
            smtp_tls: "none".into(),
            smtp_host: Some(host.into()),
            ..mail_values()
        };
        assert!(Notifier::new(&here).is_ok(), "{host}");
    }
}

#[test]
fn the_same_trouble_is_told_at_widening_intervals_and_another_one_at_once() {
    let begin = at("2026-03-01T00:00:00Z");
    let mut told = Told::default();
    let mut when = Vec::new();
    // A run every 20 minutes for 8 days, all of them bad.
    for run in 0..(8 * 72) {
        let now = begin + SignedDuration::from_mins(20 * run);
        if told.is_due("failure:5", now) {
            told.told("failure:5", now);
            when.push(now.duration_since(begin).as_hours());
        }
    }
    assert_eq!(when, [0, 1, 3, 7, 15, 31, 55, 79, 103, 127, 151, 175]);
    let now = begin + SignedDuration::from_hours(8 * 24);
    assert!(told.is_due("brake:6", now), "another trouble");
}

#[test]
fn a_trouble_that_comes_and_goes_is_no_new_one_until_it_was_away_for_two_days() {
    let begin = at("2026-03-01T00:00:00Z");
    let mut told = Told::default();
    let mut tellings = 0;
    // Good and bad runs in turn, every 20 minutes, for two days.
    for run in 0..144 {
        let now = begin + SignedDuration::from_mins(20 * run);
        if run % 2 == 0 && told.is_due("failure:4", now) {
            told.told("failure:4", now);
            told.owe_recovery();
            tellings += 1;
        } else if run % 2 == 1 && told.owes_recovery() {
            told.told_recovery();
            tellings += 1;
        }
    }
    assert!(tellings <= 12, "{tellings} messages in two days");
    assert!(told.is_due("failure:4", begin + SignedDuration::from_hours(24 * 5)));
}

#[test]
fn a_clock_that_was_put_back_silences_nobody() {
    let now = at("2026-03-01T00:00:00Z");
    let mut told = Told::default();
    told.told("failure:5", now + SignedDuration::from_hours(24 * 365));
    assert!(told.is_due("failure:5", now));
}

#[test]
fn what_was_told_is_remembered_and_a_damaged_memory_is_no_hindrance() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("profile-x").join("told.json");
    assert_eq!(Told::read(&path).expect("none yet"), Told::default());
    let mut told = Told::default();
    for kind in 0..200 {
        told.told(&format!("failure:{kind}"), at("2026-03-01T00:00:00Z"));
    }
    told.went_wrong();
    told.write(&path).expect("writable");
    assert_eq!(Told::read(&path).expect("ours"), told);
    let length = std::fs::metadata(&path).expect("there").len();
    assert!(length < 16 * 1024, "bounded: {length} bytes");
    for damage in ["", "{}", "[1]", "{\"schema\":\"x\"}", &"x".repeat(300_000)] {
        std::fs::write(&path, damage).expect("writable");
        assert!(Told::read(&path).is_err());
    }
}

/// A receiver that takes the connection and never says a word.
#[tokio::test(start_paused = true)]
async fn a_receiver_that_says_nothing_is_given_up_after_two_times_ten_seconds() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("bound").port();
    let values = NotifyValues {
        smtp_host: Some("127.0.0.1".into()),
        smtp_port: Some(port),
        smtp_tls: "none".into(),
        webhook_url: Some(Secret::new(format!("http://127.0.0.1:{port}/"))),
        ..mail_values()
    };
    let notifier = Notifier::new(&values).expect("valid").expect("configured");
    let begun = tokio::time::Instant::now();
    let deliveries = notifier.tell(&notice()).await;
    assert_eq!(deliveries.len(), 2);
    for delivery in deliveries {
        assert!(delivery.result.is_err(), "{delivery:?}");
    }
    assert!(
        begun.elapsed() <= TIME_LIMIT * ATTEMPTS + Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}
