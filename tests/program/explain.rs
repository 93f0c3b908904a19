//! What `explain` says about the pictures of a practice world, asserted against what was put into that world.

use crate::common;

use std::collections::BTreeSet;
use std::sync::Arc;

use avatar_sync::connector::Priority;
use avatar_sync::connector::entra::{EntraSettings, EntraSource};
use avatar_sync::connector::http::{Origin, Secret, Transport, TransportSettings};
use avatar_sync::connector::servicenow::{
    ServiceNowAuth, ServiceNowSettings, ServiceNowTarget, instance_origin,
};
use avatar_sync::domain::explanation::{Cause, Explanation, StepState};
use avatar_sync::engine::{Engine, EngineSettings};
use avatar_sync::report::explanation::document;
use avatar_sync::sandbox::portraits::{Encoding, Portrait};
use avatar_sync::sandbox::world::instance::{AttachmentRow, SysId};
use avatar_sync::sandbox::world::picture::Picture;
use avatar_sync::sandbox::{self, Sandbox, SandboxOptions};
use avatar_sync::store::{Access, Store, StorePaths};
use common::Stage;
use serde_json::{Value, json};

/// An engine on a sandbox, with a store of its own.
struct Bench {
    sandbox: Sandbox,
    engine: Engine,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn on(sandbox: Sandbox, change: impl FnOnce(&mut EngineSettings)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let paths = StorePaths {
            state_dir: folder.path().join("state"),
            cache_dir: folder.path().join("cache"),
            profile: "default".into(),
        };
        let credentials = Arc::clone(&sandbox.world().credentials);
        let transport = || Transport::new(TransportSettings::default());
        let origin = |url: &str| Origin::parse(url).expect("loopback");
        let source = EntraSource::new(
            EntraSettings::new(
                origin(sandbox.entra_url()),
                origin(sandbox.entra_url()),
                credentials.tenant_id.clone(),
                credentials.client_id.clone(),
                Secret::new(credentials.client_secret.clone()),
            ),
            &transport(),
        );
        let target = ServiceNowTarget::new(
            ServiceNowSettings::new(
                instance_origin(sandbox.servicenow_url()).expect("loopback"),
                ServiceNowAuth::ClientCredentials {
                    client_id: credentials.servicenow_client_id.clone(),
                    client_secret: Secret::new(credentials.servicenow_client_secret.clone()),
                },
            ),
            &transport(),
        );
        let mut settings = EngineSettings::usual("default");
        change(&mut settings);
        let engine = Engine::new(
            Arc::new(source.expect("good settings")),
            Arc::new(target.expect("good settings")),
            Arc::new(Store::open(&paths, Access::Write).expect("a fresh store opens")),
            settings,
        );
        Self {
            sandbox,
            engine,
            _folder: folder,
        }
    }

    /// Invented people.
    fn invented(users: usize) -> Self {
        let sandbox = sandbox::start(&SandboxOptions {
            users,
            is_throttled: false,
            ..SandboxOptions::default()
        });
        Self::on(sandbox.expect("a sandbox on loopback"), |_| ())
    }

    /// Ada, described by what matters.
    fn of(ada: &Ada) -> Self {
        Self::on(ada.sandbox(), |_| ())
    }

    async fn explain(&self, person: &str) -> Explanation {
        let explained = self.engine.explain(person, Priority::Foreground).await;
        explained.unwrap_or_else(|error| panic!("{person}: {error}"))
    }
}

const ADA: &str = "ada@contoso.example";

/// A world with Ada in it, whose photo is `photo.jpg`; `other.jpg` shows somebody else.
struct Ada {
    entra: Value,
    servicenow: Value,
}

fn ada() -> Ada {
    Ada {
        entra: json!({"displayName": "Ada Byron", "userPrincipalName": ADA, "mail": ADA, "photo": "photo.jpg"}),
        servicenow: json!({"user_name": ADA, "email": ADA, "name": "Ada Byron", "live_profiles": 1,
                           "avatars": []}),
    }
}

impl Ada {
    fn entra(mut self, key: &str, value: Value) -> Self {
        self.entra[key] = value;
        self
    }

    fn servicenow(mut self, key: &str, value: Value) -> Self {
        self.servicenow[key] = value;
        self
    }

    /// A picture in ServiceNow; `more` is merged into the usual keys.
    fn avatar(mut self, file: &str, on: &str, more: Value) -> Self {
        let mut avatar = json!({"file": file, "on": on, "form": "image_field"});
        for (key, value) in more.as_object().expect("an object") {
            avatar[key] = value.clone();
        }
        self.servicenow["avatars"]
            .as_array_mut()
            .expect("a list")
            .push(avatar);
        self
    }

    fn sandbox(&self) -> Sandbox {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write =
            |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("writable");
        let world = json!({"entra": {"users": [self.entra]}, "servicenow": {"users": [self.servicenow]}});
        write("world.json", world.to_string().as_bytes());
        for (name, bytes) in pictures() {
            write(name, &bytes);
        }
        let options = SandboxOptions {
            world: Some(folder.path().to_owned()),
            is_throttled: false,
            ..SandboxOptions::default()
        };
        sandbox::start(&options).expect("a sandbox on loopback")
    }
}

fn photo() -> Portrait {
    Portrait::new(1, 3)
}

fn other() -> Portrait {
    Portrait::new(2, 40)
}

fn pictures() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("photo.jpg", photo().bytes().to_vec()),
        ("again.jpg", photo().with_encoding(Encoding::JpegLow).bytes().to_vec()),
        ("other.jpg", other().bytes().to_vec()),
        (
            "cut.jpg",
            other().with_encoding(Encoding::JpegTruncated).bytes().to_vec(),
        ),
        (
            "error.jpg",
            br#"{"error":{"code":"ImageNotFound","message":"Exception of type ImageNotFoundException was thrown."}}"#
                .to_vec(),
        ),
        ("page.jpg", b"<!DOCTYPE html><html><title>Log in</title></html>".repeat(4)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_planted_kind_gets_its_cause() {
    let bench = Bench::invented(300);
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for planted in bench.sandbox.world().planted() {
        // Ordinary people are most of them; a few will do.
        if !seen.insert((planted.kind.name, planted.principal.len() % 4)) {
            continue;
        }
        let explanation = bench.explain(&planted.principal).await;
        let cause = explanation.cause.code();
        if !planted.kind.causes.contains(&cause) {
            wrong.push(format!(
                "{}: {} instead of {:?}, also {:?} ({})",
                planted.kind.name, cause, planted.kind.causes, explanation.also, planted.principal
            ));
        }
        let verdict = explanation
            .judgement
            .as_ref()
            .map(|judgement| judgement.verdict.code());
        assert_eq!(verdict, Some(planted.kind.verdict), "{}", planted.kind.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let kinds: BTreeSet<&str> = seen.iter().map(|(name, _)| *name).collect();
    assert_eq!(kinds.len(), sandbox::world::kinds::KINDS.len(), "{kinds:?}");
}

/// One situation, the cause it must get, and causes that must be mentioned.
type Situation = (&'static str, Ada, Cause, &'static [Cause]);

fn situations() -> Vec<Situation> {
    let none = || json!({});
    vec![
        (
            "an empty column beside an image row is usual (1.3)",
            ada().avatar("photo.jpg", "live_profile", none()),
            Cause::NothingWrong,
            &[Cause::ProfileOnly],
        ),
        (
            "the user record's picture when there is no profile (1.2)",
            ada()
                .servicenow("live_profiles", json!(0))
                .avatar("photo.jpg", "sys_user", none()),
            Cause::NothingWrong,
            &[Cause::NoProfile, Cause::UserOnly],
        ),
        (
            "a second upload without deleting the first: the older one wins (E41)",
            ada()
                .avatar("other.jpg", "live_profile", none())
                .avatar("photo.jpg", "live_profile", none()),
            Cause::DuplicateImage,
            &[Cause::Outdated],
        ),
        (
            "two profiles: the oldest counts (E42)",
            ada()
                .servicenow("live_profiles", json!(2))
                .avatar("other.jpg", "live_profile", json!({"profile": 1}))
                .avatar("photo.jpg", "live_profile", json!({"profile": 2})),
            Cause::DuplicateProfile,
            &[Cause::Outdated],
        ),
        (
            "the profile's picture removed, the user's left (E43)",
            ada().avatar("photo.jpg", "sys_user", none()),
            Cause::NothingWrong,
            &[Cause::UserOnly],
        ),
        ("both removed (E44)", ada(), Cause::Missing, &[]),
        (
            "a column that names a deleted picture (E45)",
            ada().avatar("photo.jpg", "sys_user", none()).avatar(
                "photo.jpg",
                "live_profile",
                json!({"form": "dangling"}),
            ),
            Cause::DanglingColumn,
            &[Cause::UserOnly],
        ),
        (
            "an ordinary attachment without a column (E46)",
            ada().avatar("photo.jpg", "live_profile", json!({"form": "orphan"})),
            Cause::Unprefixed,
            &[Cause::Missing],
        ),
        (
            "the seed article: one attachment, two columns (E47)",
            ada().avatar("photo.jpg", "live_profile", json!({"form": "article"})),
            Cause::SharedAttachment,
            &[Cause::StoredAsAttachment],
        ),
        (
            "quarantined (E48)",
            ada().avatar("other.jpg", "live_profile", json!({"state": "not_available"})),
            Cause::Quarantined,
            &[],
        ),
        (
            "waits for the virus scan",
            ada().avatar("photo.jpg", "live_profile", json!({"state": "pending"})),
            Cause::NotScanned,
            &[],
        ),
        (
            "a row from before hashes were stored (E49)",
            ada().avatar("photo.jpg", "live_profile", json!({"hash": false, "state": ""})),
            Cause::NothingWrong,
            &[Cause::NoHash],
        ),
        (
            "an old row without a hash that shows somebody else",
            ada().avatar("other.jpg", "live_profile", json!({"hash": false, "state": ""})),
            Cause::Outdated,
            &[Cause::NoHash],
        ),
        (
            "an error message stored as a picture",
            ada().avatar("error.jpg", "live_profile", json!({"content_type": "image/jpeg"})),
            Cause::ErrorBody,
            &[],
        ),
        (
            "a log-in page stored as a picture: the same as one that answers instead of the instance",
            ada().avatar("page.jpg", "sys_user", json!({"content_type": "image/jpeg"})),
            Cause::StoredPictureUnreadable,
            &[],
        ),
        (
            "a stored picture that ends in the middle",
            ada().avatar("cut.jpg", "live_profile", none()),
            Cause::StoredPictureUnsound,
            &[],
        ),
        (
            "a sound picture stored as something else",
            ada().avatar(
                "photo.jpg",
                "live_profile",
                json!({"content_type": "application/octet-stream"}),
            ),
            Cause::BadType,
            &[],
        ),
        (
            "the right picture wins, the user record holds another one",
            ada()
                .avatar("photo.jpg", "live_profile", none())
                .avatar("other.jpg", "sys_user", none()),
            Cause::Split,
            &[],
        ),
        (
            "the user record has the right one, the profile hides it (1.5)",
            ada()
                .avatar("other.jpg", "live_profile", none())
                .avatar("photo.jpg", "sys_user", none()),
            Cause::ShadowedByProfile,
            &[Cause::Split],
        ),
        (
            "the same picture in other bytes",
            ada().avatar("again.jpg", "live_profile", none()),
            Cause::Reencoded,
            &[],
        ),
        (
            "an old picture",
            ada().avatar("other.jpg", "live_profile", none()),
            Cause::Outdated,
            &[],
        ),
        (
            "no photo in Entra ID, an avatar in ServiceNow",
            ada()
                .entra("photo", Value::Null)
                .avatar("other.jpg", "live_profile", none()),
            Cause::OnlyInServiceNow,
            &[],
        ),
        (
            "no picture on either side",
            ada().entra("photo", Value::Null),
            Cause::NoPhoto,
            &[],
        ),
        (
            "the photo in Entra ID is an error message",
            ada().entra("photo", json!("error.jpg")),
            Cause::PhotoUnreadable,
            &[Cause::Missing],
        ),
        (
            "the mailbox is on premises",
            ada().entra("mailbox", json!("on_premises")),
            Cause::MailboxOnPremises,
            &[],
        ),
        (
            "the ServiceNow user is inactive",
            ada().servicenow("active", json!(false)),
            Cause::InactiveUser,
            &[],
        ),
        (
            "the ServiceNow user is locked out",
            ada()
                .servicenow("locked_out", json!(true))
                .avatar("photo.jpg", "live_profile", none()),
            Cause::NothingWrong,
            &[Cause::LockedOut],
        ),
        (
            "the ServiceNow user has no e-mail address, and so is out of scope",
            ada().servicenow("email", json!("")),
            Cause::OutOfScope,
            &[],
        ),
        (
            "nobody in ServiceNow",
            ada()
                .servicenow("user_name", json!("somebody"))
                .servicenow("email", json!("somebody@contoso.example")),
            Cause::Unmatched,
            &[],
        ),
        (
            "a guest",
            ada().entra("userType", json!("Guest")),
            Cause::Guest,
            &[],
        ),
        (
            "a disabled account",
            ada().entra("accountEnabled", json!(false)),
            Cause::Disabled,
            &[],
        ),
        (
            "the sign-in name is not the e-mail address",
            ada().entra("mail", json!("ada.byron@contoso.example")).avatar(
                "photo.jpg",
                "live_profile",
                none(),
            ),
            Cause::NothingWrong,
            &[Cause::MailDiffers],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_situation_of_the_chain_gets_its_cause() {
    let mut wrong = Vec::new();
    for (what, ada, cause, also) in situations() {
        let bench = Bench::of(&ada);
        let explanation = bench.explain(ADA).await;
        let json = document("default", &explanation);
        if json["cause"] != cause.code() || also.iter().any(|other| !explanation.also.contains(other)) {
            wrong.push(format!(
                "{what}: {} and {:?} instead of {} and {also:?}",
                json["cause"],
                json["also"],
                cause.code()
            ));
        }
        assert_eq!(explanation.steps.len(), 5, "{what}");
        let trouble = explanation.steps.iter().find(|step| step.kind == cause.step());
        let is_fine = trouble.is_some_and(|step| step.state == StepState::Ok);
        let is_about_nothing = matches!(cause, Cause::NothingWrong | Cause::Missing);
        assert!(!is_fine || is_about_nothing, "{what}: {trouble:?}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_access_rules_hide_is_unknown_and_never_absent() {
    let whole = || ada().avatar("photo.jpg", "live_profile", json!({}));
    for (column, cause) in [
        // The rest tells enough.
        ("sys_user.avatar", Cause::NothingWrong),
        ("live_profile.photo", Cause::NothingWrong),
        ("sys_attachment.sys_created_by", Cause::NothingWrong),
        // Without these nobody knows what is there.
        ("live_profile.document", Cause::ChainUnreadable),
        ("sys_attachment.table_sys_id", Cause::ChainUnreadable),
    ] {
        let bench = Bench::of(&whole());
        let mut settings = bench.sandbox.instance().settings();
        settings.access.hidden_columns.insert(column.to_owned());
        bench.sandbox.instance().set_settings(settings);
        let explanation = bench.explain(ADA).await;
        assert_eq!(explanation.cause, cause, "{column}");
        let chain = &explanation.steps[3];
        if cause == Cause::ChainUnreadable {
            assert_eq!(chain.state, StepState::Unknown, "{column}");
            assert_eq!(explanation.next.as_deref(), Some("avatar-sync check"));
            assert_eq!(explanation.push.change, None, "{column}");
        } else {
            let xray = explanation.xray.as_ref().expect("an X-ray");
            assert!(xray.served_picture().is_some(), "{column}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_will_not_list_the_sizes_costs_the_sizes_alone() {
    let bench = Bench::of(&ada().avatar("photo.jpg", "live_profile", json!({})));
    let rule = json!({"service": "entra", "method": "GET", "path": "/photos$",
                      "do": {"status": 403, "body": "{}"}});
    let rule = rule.to_string();
    bench.sandbox.faults().add(rule.as_bytes()).expect("a good rule");
    let explanation = bench.explain(ADA).await;
    assert_eq!(explanation.cause, Cause::NothingWrong);
    let sizes = explanation.steps[1]
        .values
        .iter()
        .find(|value| value.label == "sizes");
    assert_eq!(sizes.expect("a line").state, StepState::Unknown);
}

/// The `sys_id` of Ada's displayed picture.
fn displayed(explanation: &Explanation) -> SysId {
    let xray = explanation.xray.as_ref().expect("an X-ray");
    let picture = xray.served_picture().expect("a displayed picture");
    SysId::parse(picture.id.as_str()).expect("an id")
}

/// Stores another row, like the existing one `of` but for what `change` says.
fn store_like(sandbox: &Sandbox, of: SysId, change: impl FnOnce(&mut AttachmentRow)) -> SysId {
    let mut instance = sandbox.world().instance.write();
    let mut row = instance.attachment(of).expect("the row");
    row.sys_id = SysId(of.0 ^ 0xdead_beef);
    change(&mut row);
    let id = row.sys_id;
    instance.put_attachment(row);
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thumbnail_of_the_picture_before_is_stale_and_one_of_this_picture_is_not() {
    let bench = Bench::of(&ada().avatar("photo.jpg", "live_profile", json!({})));
    let picture = displayed(&bench.explain(ADA).await);
    for (small, cause) in [
        (photo().with_width(80), Cause::NothingWrong),
        (other().with_width(80), Cause::StaleThumbnail),
    ] {
        store_like(&bench.sandbox, picture, |row| {
            row.table_name = "sys_attachment".into();
            row.table_sys_id = picture;
            row.file_name = format!("thumb_{picture}").into();
            row.content = Picture::Drawn(small);
        });
        let explanation = bench.explain(ADA).await;
        assert_eq!(explanation.cause, cause);
        let xray = explanation.xray.expect("an X-ray");
        let thumbnails: Vec<_> = xray.pictures().flat_map(|picture| &picture.thumbnails).collect();
        assert_eq!(thumbnails.len(), 1);
        assert_eq!(thumbnails[0].staleness.is_stale(), cause == Cause::StaleThumbnail);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_names_somebody_elses_picture_is_found() {
    let bench = Bench::of(&ada().avatar("photo.jpg", "live_profile", json!({"column": true})));
    let own = displayed(&bench.explain(ADA).await);
    let foreign = store_like(&bench.sandbox, own, |row| {
        row.table_sys_id = SysId(77);
        row.content = Picture::Drawn(other());
    });
    {
        let mut instance = bench.sandbox.world().instance.write();
        let profile = instance.attachment(own).expect("the row").table_sys_id;
        let mut row = instance.profile(profile).expect("the profile");
        row.photo = Some(foreign);
        instance.put_profile(row);
    }
    let explanation = bench.explain(ADA).await;
    assert_eq!(explanation.cause, Cause::ForeignPicture);
    let xray = explanation.xray.expect("an X-ray");
    assert!(xray.served_picture().expect("a picture").is_elsewhere);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_displays_something_else_than_its_precedence_says_is_a_mismatch() {
    let bench = Bench::of(
        &ada()
            .servicenow("live_profiles", json!(2))
            .avatar("photo.jpg", "live_profile", json!({"profile": 1}))
            .avatar("other.jpg", "live_profile", json!({"profile": 2})),
    );
    let mut settings = bench.sandbox.instance().settings();
    settings.avatar.newest_profile_first = true;
    bench.sandbox.instance().set_settings(settings);
    let explanation = bench.explain(ADA).await;
    assert_eq!(explanation.cause, Cause::DuplicateProfile);
    assert!(
        explanation.also.contains(&Cause::AvatarMismatch),
        "{:?}",
        explanation.also
    );
    let xray = explanation.xray.expect("an X-ray");
    assert!(
        xray.links[1].wins,
        "what people see comes from the second profile"
    );
}

// Whole stories of the real binary.

impl Ada {
    fn stage(&self) -> Stage {
        let world = json!({"entra": {"users": [self.entra]}, "servicenow": {"users": [self.servicenow]}});
        let pictures = pictures();
        let named: Vec<(&str, &[u8])> = pictures.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
        Stage::of_files(&world, &named)
    }
}

fn explained(stage: &Stage, person: &str) -> Value {
    let json = stage.run(&["explain", person, "--json"]).expect_code(0).json();
    assert_eq!(json["schema"], "avatar-sync/explain/1");
    json
}

fn cause(stage: &Stage) -> Value {
    explained(stage, ADA)["cause"].clone()
}

fn push(stage: &Stage, more: &[&str]) -> Value {
    let mut arguments = vec!["push", ADA, "--yes", "--json"];
    arguments.extend(more);
    stage.run(&arguments).expect_code(0).summary()
}

#[test]
fn what_explain_proposes_mends_what_it_found() {
    let none = || json!({});
    let cases = [
        (
            "dangling_column",
            ada().avatar("photo.jpg", "live_profile", json!({"form": "dangling"})),
        ),
        (
            "dup_image",
            ada()
                .avatar("other.jpg", "live_profile", none())
                .avatar("photo.jpg", "live_profile", none()),
        ),
        (
            "outdated",
            ada().servicenow("live_profiles", json!(0)).avatar(
                "other.jpg",
                "sys_user",
                json!({"column": true}),
            ),
        ),
        ("missing", ada().servicenow("live_profiles", json!(0))),
        (
            "split",
            ada().avatar("photo.jpg", "live_profile", none()).avatar(
                "other.jpg",
                "sys_user",
                json!({"column": true}),
            ),
        ),
        (
            "shared_attachment",
            ada().avatar("photo.jpg", "live_profile", json!({"form": "article"})),
        ),
        (
            "error_body",
            ada().avatar("error.jpg", "live_profile", json!({"content_type": "image/jpeg"})),
        ),
    ];
    // A push waits for rules of the instance to act; the waits need not follow each other.
    std::thread::scope(|scope| {
        for (what, ada) in &cases {
            scope.spawn(move || mends(what, ada));
        }
    });
}

/// Asserts that Ada's cause is `what`, and that the proposed command leaves nothing to explain.
fn mends(what: &str, ada: &Ada) {
    let stage = ada.stage();
    let json = explained(&stage, ADA);
    assert_eq!(json["cause"], what);
    let next = json["next"].as_str().unwrap_or_else(|| panic!("{what}: {json}"));
    let mut command: Vec<&str> = next.split(' ').skip(1).collect();
    assert_eq!(command[0], "push", "{what}: {next}");
    command.extend(["--yes", "--json"]);
    let summary = stage.run(&command).expect_code(0).summary();
    assert_eq!(summary["updated"], 1, "{what}: {summary}");
    let json = explained(&stage, ADA);
    assert_eq!(json["cause"], "nothing_wrong", "{what}: {json}");
    let remarks = json["also"].as_array().expect("a list");
    let is_left = ["no_profile", "user_only", "profile_only"]
        .iter()
        .any(|left| remarks.contains(&json!(left)));
    assert!(!is_left, "{what}: {remarks:?}");
}

#[test]
fn a_repair_creates_a_missing_profile_and_deletes_a_stale_thumbnail_but_a_plain_push_leaves_both() {
    let stage = ada()
        .servicenow("live_profiles", json!(0))
        .avatar("photo.jpg", "sys_user", json!({}))
        .stage();
    let displayed = explained(&stage, ADA)["xray"]["displayed"].clone();
    let picture = SysId::parse(displayed.as_str().expect("an id")).expect("a sys_id");
    let thumbnail = store_like(&stage.sandbox, picture, |row| {
        row.table_name = "sys_attachment".into();
        row.table_sys_id = picture;
        row.file_name = format!("thumb_{picture}").into();
        row.content = Picture::Drawn(other().with_width(80));
    });
    let json = explained(&stage, ADA);
    assert_eq!(json["cause"], "stale_thumbnail");
    assert_eq!(json["push"]["takes_repair"], true);
    let actions: Vec<&str> = json["push"]["actions"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|action| action["action"].as_str())
        .collect();
    assert_eq!(actions, ["create_record", "upload", "keep", "delete_thumbnail"]);

    assert_eq!(push(&stage, &[])["unchanged"], 1);
    assert!(stage.writes().is_empty());

    assert_eq!(push(&stage, &["--repair"])["updated"], 1);
    assert_eq!(
        stage
            .sandbox
            .world()
            .instance
            .read()
            .attachment(thumbnail)
            .map(|row| row.sys_id),
        None
    );
    let json = explained(&stage, ADA);
    assert_eq!(json["cause"], "nothing_wrong", "{json}");
    assert_eq!(json["also"], json!([]));
    let again = push(&stage, &["--repair"]);
    assert_eq!(again["unchanged"], 1, "a repair leaves nothing to repair");
}

#[test]
fn what_became_of_a_picture_that_we_stored_is_told_with_who_did_it() {
    let stage = ada().stage();
    push(&stage, &[]);
    let json = explained(&stage, ADA);
    assert_eq!(json["cause"], "nothing_wrong");
    assert_eq!(json["xray"]["links"][0]["pictures"][0]["author"], "us");

    let other = other().bytes().to_vec();
    let path = "/servicenow/users/ada%40contoso.example/avatar";
    stage.request(reqwest::Method::PUT, path, other);
    let json = explained(&stage, ADA);
    assert_eq!(json["cause"], "chosen_by_person", "{json}");
    assert!(
        json["also"]
            .as_array()
            .expect("a list")
            .contains(&json!("overwritten"))
    );
    assert_eq!(json["xray"]["links"][0]["pictures"][0]["author"], "person");
    assert!(json["summary"].as_str().expect("text").contains(ADA), "{json}");

    stage.request(reqwest::Method::DELETE, path, Vec::new());
    stage.request(
        reqwest::Method::DELETE,
        &format!("{path}?on=sys_user"),
        Vec::new(),
    );
    assert_eq!(cause(&stage), "removed_meanwhile");
}

#[test]
fn a_rule_that_copies_pictures_between_the_records_is_found_out() {
    let stage = ada().stage();
    let mut settings = stage.sandbox.instance().settings();
    settings.mirror.profile_to_user = true;
    stage.sandbox.instance().set_settings(settings);
    stage.run(&["push", ADA, "--yes", "--json"]);
    let json = explained(&stage, ADA);
    assert_eq!(json["cause"], "mirror_rule", "{json}");
    assert_eq!(json["xray"]["links"][1]["pictures"][0]["author"], "other");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_left_out_is_told_by_which_rule() {
    let reason = "asked for it";
    let sandbox = ada().sandbox();
    let bench = Bench::on(sandbox, |settings| {
        settings.opt_outs = vec![avatar_sync::domain::scope::OptOut {
            person: ADA.into(),
            reason: reason.into(),
            until: None,
        }];
    });
    let explanation = bench.explain(ADA).await;
    assert_eq!(explanation.cause, Cause::OptedOut);
    assert!(explanation.summary.contains(reason), "{}", explanation.summary);
    assert_eq!(explanation.xray, None, "nobody was looked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_of_entra_who_match_one_user_are_both_told_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let world = json!({
        "entra": {"users": [
            {"displayName": "Ada One", "userPrincipalName": "one@contoso.example", "mail": ADA},
            {"displayName": "Ada Two", "userPrincipalName": "two@contoso.example", "mail": ADA}]},
        "servicenow": {"users": [{"user_name": "ada", "email": ADA, "name": "Ada"}]}});
    std::fs::write(folder.path().join("world.json"), world.to_string()).expect("writable");
    let options = SandboxOptions {
        world: Some(folder.path().to_owned()),
        is_throttled: false,
        ..SandboxOptions::default()
    };
    let bench = Bench::on(sandbox::start(&options).expect("a sandbox on loopback"), |_| ());
    for upn in ["one@contoso.example", "two@contoso.example"] {
        let explanation = bench.explain(upn).await;
        assert_eq!(explanation.cause, Cause::ClaimedTwice, "{upn}");
        let step = &explanation.steps[2];
        assert_eq!(step.state, StepState::Broken);
        assert!(
            step.values.iter().any(|value| value.label == "also claimed by"),
            "{step:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn manager_and_reports_are_who_the_directory_says_and_nobody_is_normal() {
    let bench = Bench::invented(300);
    let priority = Priority::Foreground;
    let (mut managed, mut alone, mut leading) = (0, 0, 0);
    let people: Vec<_> = {
        let directory = bench.sandbox.world().directory.read();
        bench
            .sandbox
            .world()
            .planted()
            .take(80)
            .filter_map(|planted| {
                let user = directory.find(&planted.principal)?;
                let reports: BTreeSet<String> = directory
                    .reports_of(user.id)
                    .map(|(_, report)| report.id.to_string())
                    .collect();
                Some((
                    user.id.to_string(),
                    user.manager.map(|id| id.to_string()),
                    reports,
                ))
            })
            .collect()
    };
    for (id, manager, reports) in people {
        let id = avatar_sync::domain::ids::SourceId::new(id);
        let colleagues = bench.engine.colleagues(&id, priority).await.expect("colleagues");
        let found = colleagues.manager.map(|manager| manager.id.to_string());
        assert_eq!(found, manager);
        managed += usize::from(manager.is_some());
        alone += usize::from(manager.is_none());
        leading += usize::from(!reports.is_empty());
        let listed: BTreeSet<String> = colleagues.reports.iter().map(|one| one.id.to_string()).collect();
        assert!(listed.is_subset(&reports));
        assert_eq!(colleagues.has_more_reports, listed.len() < reports.len());
    }
    assert!(
        managed > 0 && alone > 0 && leading > 0,
        "{managed} {alone} {leading}"
    );
}

#[test]
fn a_person_who_exists_in_servicenow_alone_is_explained_as_far_as_it_goes() {
    let stage = ada()
        .servicenow("user_name", json!("svc.robot"))
        .servicenow("email", json!("robot@contoso.example"))
        .avatar("other.jpg", "live_profile", json!({}))
        .stage();
    let json = explained(&stage, "svc.robot");
    assert_eq!(json["cause"], "not_in_entra");
    assert_eq!(json["verdict"], Value::Null);
    assert_eq!(json["person"]["user_name"], "svc.robot");
    assert_eq!(json["xray"]["links"][0]["wins"], true);
    assert_eq!(json["push"]["change"], Value::Null);
}

#[test]
fn nobody_and_several_people_are_usage_errors_that_help() {
    let stage = ada().stage();
    let ended = stage.run(&["explain", "nobody@contoso.example"]).expect_code(2);
    assert!(ended.stderr.contains("nobody is called"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");

    let twice = json!({
        "entra": {"users": [
            {"displayName": "Ada One", "userPrincipalName": "one@contoso.example", "mail": ADA},
            {"displayName": "Ada Two", "userPrincipalName": "two@contoso.example", "mail": ADA}]},
        "servicenow": {"users": []}});
    let ended = Stage::of_files(&twice, &[]).run(&["explain", ADA]).expect_code(2);
    for name in ["one@contoso.example", "two@contoso.example"] {
        assert!(ended.stderr.contains(name), "{}", ended.stderr);
    }
}

#[test]
fn the_text_fits_eighty_columns_in_ascii_and_tells_the_five_steps() {
    use unicode_width::UnicodeWidthStr;
    let stage = ada()
        .servicenow("live_profiles", json!(2))
        .avatar("photo.jpg", "live_profile", json!({"form": "dangling"}))
        .avatar("other.jpg", "live_profile", json!({"profile": 2}))
        .avatar("error.jpg", "sys_user", json!({"content_type": "image/jpeg"}))
        .stage();
    for arguments in [&["explain", ADA][..], &["explain", ADA, "--ascii"]] {
        let text = stage.run(arguments).expect_code(0).stdout;
        for line in text.lines() {
            assert!(line.width() <= 80, "{} cells: {line}", line.width());
        }
        let is_ascii = arguments.contains(&"--ascii");
        assert_eq!(text.is_ascii(), is_ascii, "{text}");
        for words in [
            "1 Found in Entra ID",
            "2 Photo in Entra ID",
            "3 Matched in ServiceNow",
            "4 The chain in ServiceNow",
            "5 What a push would do",
            "dangling_column",
            "WINS",
            "BROKEN",
            "avatar-sync push ada@contoso.example",
        ] {
            assert!(text.contains(words), "{words} is not in\n{text}");
        }
    }
}
