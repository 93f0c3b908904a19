//! Photos: `entra.md` 1.

use avatar_sync::sandbox::entra::{EtagStyle, NoSize, PhotoFailure, PhotoStyle};
use avatar_sync::sandbox::world::directory::Mailbox;
use avatar_sync::sandbox::world::picture::Picture;
use http::Method;
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{Answered, BASE, Tenant, ask, dimensions, id_of, jpeg, person};

const IMAGE_NOT_FOUND: &str =
    "Exception of type 'Microsoft.Fast.Profile.Core.Exception.ImageNotFoundException' was thrown.";

fn photo_of(name: &str) -> String {
    format!("/v1.0/users/{}/photo", id_of(name))
}

#[test]
fn e01_metadata_names_size_type_and_version_and_nothing_else() {
    let tenant = Tenant::with([person("dana").photo(256)]);
    let answer = tenant.get("/v1.0/users/dana@northwind.example/photo");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    let etag = answer.json()["@odata.mediaEtag"].clone();
    assert_eq!(
        answer.json(),
        json!({
            "@odata.context": format!("{BASE}/v1.0/$metadata#users('dana%40northwind.example')/photo/$entity"),
            "@odata.mediaContentType": "image/jpeg",
            "@odata.mediaEtag": etag,
            "id": "default",
            "height": 256,
            "width": 256,
        })
    );
    let etag = etag.as_str().expect("an ETag");
    let hex = etag
        .strip_prefix("W/\"")
        .and_then(|etag| etag.strip_suffix('"'))
        .expect("a weak ETag");
    assert!(
        hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{etag}"
    );
}

#[test]
fn e02_bytes_come_with_the_etag_of_the_metadata() {
    let tenant = Tenant::with([person("dana").photo(256)]);
    let metadata = tenant.get(&photo_of("dana")).json();
    let answer = tenant.get(&format!("{}/$value", photo_of("dana")));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "image/jpeg");
    assert_eq!(answer.header("etag"), metadata["@odata.mediaEtag"]);
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("cache-control"), "no-cache");
    assert!(!answer.headers.contains_key("x-ms-resource-unit"));
    assert!(!answer.headers.contains_key("odata-version"));
    assert_eq!(dimensions(&answer.body), (256, 256));
}

#[test]
fn e03_if_none_match_is_not_honoured() {
    let tenant = Tenant::with([person("dana").photo(256)]);
    let value = format!("{}/$value", photo_of("dana"));
    let etag = tenant.get(&value).header("etag").to_owned();
    let again = tenant.send(ask(Method::GET, &value).header("if-none-match", &etag));
    assert_eq!(again.status, 200);
    assert!(!again.body.is_empty());

    tenant.switch(|settings| settings.photo_304 = true);
    let again = tenant.send(ask(Method::GET, &value).header("if-none-match", &etag));
    assert_eq!(again.status, 304);
    assert!(again.body.is_empty());
}

#[test]
fn e04_e05_e06_no_photo_is_image_not_found_wherever_one_asks() {
    let tenant = Tenant::with([person("kai")]);
    let user = format!("/v1.0/users/{}", id_of("kai"));
    for url in [
        "photo",
        "photo/$value",
        "photos",
        "photos/48x48",
        "photos/48x48/$value",
    ] {
        let answer = tenant.get(&format!("{user}/{url}"));
        assert_eq!(answer.failure(), (404, "ImageNotFound".to_owned()), "{url}");
        assert_eq!(answer.header("content-type"), "application/json", "{url}");
        assert_eq!(answer.message(), IMAGE_NOT_FOUND, "{url}");
    }
}

#[test]
fn errors_have_the_envelope_with_date_and_ids() {
    let tenant = Tenant::with([person("kai")]);
    let answer = tenant.get(&photo_of("kai"));
    let inner = answer.json()["error"]["innerError"].clone();
    let date = inner["date"].as_str().expect("a date");
    assert!(date.len() == 19 && date.as_bytes()[10] == b'T', "{date}");
    assert_eq!(inner["request-id"], answer.header("request-id"));
    assert_eq!(inner["client-request-id"], inner["request-id"]);

    let mine = "9d2e6b1c-4f3a-4c77-8f15-0a6be21d9c44";
    let answer = tenant.send(ask(Method::GET, &photo_of("kai")).header("client-request-id", mine));
    assert_eq!(answer.json()["error"]["innerError"]["client-request-id"], mine);
    assert_eq!(answer.header("client-request-id"), mine);
    assert_ne!(answer.header("request-id"), mine);
}

#[test]
fn e07_photos_lists_the_sizes_up_to_the_original() {
    let tenant = Tenant::with([person("dana").photo(256)]);
    let answer = tenant.get(&format!("/v1.0/users/{}/photos", id_of("dana")));
    assert_eq!(
        answer.column("id"),
        ["48x48", "64x64", "96x96", "120x120", "240x240"]
    );
    let first = answer.values()[0].clone();
    assert_eq!((&first["width"], &first["height"]), (&json!(48), &json!(48)));
    assert_eq!(first["@odata.mediaContentType"], "image/jpeg");
}

#[test]
fn a_size_is_served_in_that_size_and_its_token_in_any_case() {
    let tenant = Tenant::with([person("dana").photo(504)]);
    let user = format!("/v1.0/users/{}", id_of("dana"));
    for url in [
        "photos/240x240/$value",
        "photos/240X240/$value",
        "photo/240x240/$value",
        "photos('240x240')/$value",
    ] {
        let answer = tenant.get(&format!("{user}/{url}"));
        assert_eq!(dimensions(&answer.body), (240, 240), "{url}");
    }
    assert_eq!(
        tenant.get(&format!("{user}/photos/240x240")).json()["id"],
        "240x240"
    );
    let largest = tenant.get(&format!("{user}/photos/504x504/$value"));
    assert_eq!(largest.body, tenant.get(&format!("{user}/photo/$value")).body);
}

#[test]
fn e08_a_size_above_the_original_does_not_exist() {
    let tenant = Tenant::with([person("dana").photo(504)]);
    let url = format!("/v1.0/users/{}/photos/648x648/$value", id_of("dana"));
    let answer = tenant.get(&url);
    assert_eq!(answer.failure(), (404, "ImageNotFound".to_owned()));
    assert_eq!(answer.message(), IMAGE_NOT_FOUND);

    tenant.switch(|settings| settings.no_size = NoSize::Empty404);
    let answer = tenant.get(&url);
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("content-type"), "text/plain");
    assert!(answer.body.is_empty());
}

#[test]
fn e09_a_photo_of_the_directory_store_has_any_size_and_a_capital_jpeg() {
    let tenant = Tenant::with([person("lee").picture(jpeg(100, 130)).mailbox(Mailbox::None)]);
    let answer = tenant.get(&format!("{}/$value", photo_of("lee")));
    assert_eq!(answer.header("content-type"), "image/Jpeg");
    assert_eq!(dimensions(&answer.body), (100, 130));
    let metadata = tenant.get(&photo_of("lee")).json();
    assert_eq!(
        (&metadata["width"], &metadata["height"]),
        (&json!(100), &json!(130))
    );
    assert_eq!(
        tenant
            .get(&format!("/v1.0/users/{}/photos/48x48/$value", id_of("lee")))
            .status,
        404
    );
}

#[test]
fn e10_the_documentations_sample_for_no_photo_is_one_pixel() {
    let tenant = Tenant::with_settings([person("kai")], |settings| {
        settings.photo_style = PhotoStyle::Doc1x1;
    });
    let answer = tenant.get(&photo_of("kai"));
    assert_eq!(answer.status, 200);
    let metadata = answer.json();
    assert_eq!(metadata["@odata.mediaContentType"], "image/gif");
    assert_eq!(metadata["@odata.mediaEtag"], "");
    assert_eq!(metadata["id"], "1x1");
    assert_eq!((&metadata["width"], &metadata["height"]), (&json!(1), &json!(1)));
    let bytes = tenant.get(&format!("{}/$value", photo_of("kai")));
    assert_eq!(bytes.header("content-type"), "image/gif");
    assert_eq!(dimensions(&bytes.body), (1, 1));
}

#[test]
fn a_stored_picture_of_one_pixel_is_that_sample_too() {
    let pixel = Picture::single_pixel().bytes().to_vec();
    let tenant = Tenant::with([person("dana").picture(pixel.clone())]);
    let metadata = tenant.get(&photo_of("dana")).json();
    assert_eq!(
        (&metadata["id"], &metadata["@odata.mediaEtag"]),
        (&json!("1x1"), &json!(""))
    );
    assert_eq!(tenant.get(&format!("{}/$value", photo_of("dana"))).body, pixel);
}

#[test]
fn e11_an_unknown_user_is_named_in_the_error() {
    let tenant = Tenant::with([person("dana")]);
    let unknown = "00000000-0000-0000-0000-000000000001";
    let url = format!("/v1.0/users/{unknown}/photo");
    let answer = tenant.get(&url);
    assert_eq!(answer.failure(), (404, "Request_ResourceNotFound".to_owned()));
    assert_eq!(
        answer.message(),
        format!(
            "Resource '{unknown}' does not exist or one of its queried reference-property objects are not present."
        )
    );

    tenant.switch(|settings| settings.photo_style = PhotoStyle::Exchange2018);
    let answer = tenant.get(&url);
    assert_eq!(answer.failure(), (404, "ErrorInvalidUser".to_owned()));
    assert_eq!(
        answer.message(),
        format!("The requested user '{unknown}' is invalid.")
    );
}

#[test]
fn e12_a_mail_address_is_no_key() {
    let mail = "dana.reyes@mail.northwind.example";
    let dana = person("dreyes")
        .photo(256)
        .with(|user| user.mail = Some(mail.into()));
    let tenant = Tenant::with([dana]);
    let answer = tenant.get(&format!("/v1.0/users/{mail}/photo/$value"));
    assert_eq!(answer.failure(), (404, "Request_ResourceNotFound".to_owned()));
    assert_eq!(
        tenant
            .get("/v1.0/users/DReyes@Northwind.Example/photo/$value")
            .status,
        200
    );
}

#[test]
fn e13_e14_a_guest_is_found_with_an_encoded_hash_and_cut_short_with_a_raw_one() {
    let tenant = Tenant::with([person("kim_partner.example#EXT#@northwind.example")
        .mailbox(Mailbox::None)
        .with(|user| user.guest = true)]);
    let answer = tenant.get("/v1.0/users/kim_partner.example%23EXT%23@northwind.example/photo");
    assert_eq!(answer.failure(), (404, "ImageNotFound".to_owned()));
    // A raw `#` starts the fragment, which is never sent.
    let answer = tenant.get("/v1.0/users/kim_partner.example");
    assert_eq!(answer.failure(), (404, "Request_ResourceNotFound".to_owned()));
    assert!(
        answer.message().contains("'kim_partner.example'"),
        "{}",
        answer.message()
    );
}

#[test]
fn e15_a_raw_plus_confuses_the_photo_service() {
    let tenant = Tenant::with([person("sam+lab").photo(96)]);
    let answer = tenant.get("/v1.0/users/sam+lab@northwind.example/photo");
    assert_eq!(answer.failure(), (404, "UnknownError".to_owned()));
    assert_eq!(answer.message(), "");
    assert_eq!(
        tenant.get("/v1.0/users/sam%2Blab@northwind.example/photo").status,
        200
    );
}

#[test]
fn e16_an_apostrophe_is_plain_in_a_segment_and_doubled_in_parentheses() {
    let tenant = Tenant::with([person("p.o'hara").photo(96)]);
    for user in [
        "users/p.o'hara@northwind.example",
        "users/p.o%27hara@northwind.example",
        "users('p.o''hara@northwind.example')",
        "users('p.o%27%27hara%40northwind.example')",
    ] {
        assert_eq!(tenant.get(&format!("/v1.0/{user}/photo")).status, 200, "{user}");
    }
    assert_eq!(
        tenant
            .get("/v1.0/users('p.o'hara@northwind.example')/photo")
            .status,
        400
    );
}

#[test]
fn e17_a_name_that_starts_with_a_dollar_needs_parentheses() {
    let tenant = Tenant::with([person("$ops")]);
    let answer = tenant.get("/v1.0/users/$ops@northwind.example");
    assert_eq!(answer.failure(), (400, "BadRequest".to_owned()));
    assert!(
        answer.message().contains("$ops@northwind.example"),
        "{}",
        answer.message()
    );
    assert_eq!(tenant.get("/v1.0/users('$ops@northwind.example')").status, 200);
}

#[test]
fn e18_e19_mailboxes_elsewhere_in_the_words_of_exchange() {
    let tenant = Tenant::with_settings(
        [
            person("hybrid").photo(96).mailbox(Mailbox::OnPremises),
            person("unlicensed").photo(96).mailbox(Mailbox::None),
            person("kai"),
        ],
        |settings| settings.photo_style = PhotoStyle::Exchange2018,
    );
    for (name, status, code) in [
        ("hybrid", 404, "MailboxNotHostedInExchangeOnline"),
        ("unlicensed", 400, "AuthenticationError"),
        ("kai", 404, "ErrorItemNotFound"),
    ] {
        assert_eq!(
            tenant.get(&photo_of(name)).failure(),
            (status, code.to_owned()),
            "{name}"
        );
    }
}

#[test]
fn e58_a_message_can_hold_another_error() {
    let tenant = Tenant::with([person("dana").photo(96)]);
    tenant.switch(|settings| {
        settings
            .photo_failures
            .insert("dana@northwind.example".to_owned(), PhotoFailure::WrappedMessage);
    });
    let answer = tenant.get(&photo_of("dana"));
    assert_eq!(answer.failure(), (403, "UnknownError".to_owned()));
    let inner: serde_json::Value = serde_json::from_str(&answer.message()).expect("JSON in the message");
    assert_eq!(inner["error"]["code"], "NoPermissionsInAccessToken");
}

#[test]
fn every_failure_ever_seen_can_be_had() {
    use PhotoFailure as P;
    let expected = [
        (P::ImageNotFound, 404, "ImageNotFound"),
        (P::ErrorItemNotFound, 404, "ErrorItemNotFound"),
        (P::GetUserPhoto, 404, "GetUserPhoto"),
        (P::ErrorEntityNotFound, 404, "ErrorEntityNotFound"),
        (P::ConsumerPhotoIsNotSupported, 404, "ConsumerPhotoIsNotSupported"),
        (P::ProfileNotFound, 404, "ErrorEntityNotFound"),
        (P::UnknownError, 404, "UnknownError"),
        (P::RequestResourceNotFound, 404, "Request_ResourceNotFound"),
        (P::ErrorInvalidUser, 404, "ErrorInvalidUser"),
        (P::ResourceNotFound, 404, "ResourceNotFound"),
        (P::AuthenticationError, 400, "AuthenticationError"),
        (
            P::MailboxNotHostedInExchangeOnline,
            404,
            "MailboxNotHostedInExchangeOnline",
        ),
        (P::MailboxNotEnabledForRestApi, 404, "MailboxNotEnabledForRESTAPI"),
        (P::InvalidAuthenticationToken, 401, "InvalidAuthenticationToken"),
        (P::ErrorAccessDenied, 403, "ErrorAccessDenied"),
        (P::AuthorizationRequestDenied, 403, "Authorization_RequestDenied"),
        (P::WrappedMessage, 403, "UnknownError"),
    ];
    let tenant = Tenant::with([person("kai")]);
    for (failure, status, code) in expected {
        tenant.switch(|settings| settings.no_photo = Some(failure));
        assert_eq!(
            tenant.get(&photo_of("kai")).failure(),
            (status, code.to_owned()),
            "{failure:?}"
        );
    }
    tenant.switch(|settings| settings.no_photo = Some(P::EmptyBody));
    let empty = tenant.get(&photo_of("kai"));
    assert_eq!((empty.status.as_u16(), empty.body.len()), (404, 0));
    tenant.switch(|settings| settings.no_photo = Some(P::OnePixel));
    assert_eq!(tenant.get(&photo_of("kai")).json()["id"], "1x1");
}

#[test]
fn an_etag_changes_with_the_photo_and_never_comes_back() {
    let tenant = Tenant::with([person("dana").photo(96)]);
    let etag = || tenant.get(&photo_of("dana")).json()["@odata.mediaEtag"].to_string();
    let set = |picture: Option<Vec<u8>>| {
        let picture = picture.map(Picture::from_bytes);
        assert!(
            tenant
                .world
                .directory
                .write()
                .set_photo("dana@northwind.example", picture)
        );
    };
    let mut seen = vec![etag()];
    for pixels in [120, 96] {
        set(Some(jpeg(pixels, pixels)));
        assert!(!seen.contains(&etag()));
        seen.push(etag());
    }
    set(None);
    assert_eq!(tenant.get(&photo_of("dana")).status, 404);
    set(Some(jpeg(96, 96)));
    assert!(
        !seen.contains(&etag()),
        "a photo that was removed and added again has a new version"
    );
}

#[test]
fn etags_can_be_strong_missing_or_restless() {
    let tenant = Tenant::with([person("dana").photo(96)]);
    let metadata = || tenant.get(&photo_of("dana")).json();
    tenant.switch(|settings| settings.etag_style = EtagStyle::Strong8);
    let strong = metadata()["@odata.mediaEtag"]
        .as_str()
        .expect("an ETag")
        .to_owned();
    assert!(
        strong.len() == 10 && strong.starts_with('"') && strong.ends_with('"'),
        "{strong}"
    );

    tenant.switch(|settings| settings.etag_style = EtagStyle::None);
    assert_eq!(metadata().get("@odata.mediaEtag"), None);
    assert!(
        !tenant
            .get(&format!("{}/$value", photo_of("dana")))
            .headers
            .contains_key("etag")
    );

    tenant.switch(|settings| {
        settings.etag_style = EtagStyle::Weak64;
        settings.etag_churn = 100.0;
    });
    let today = metadata();
    assert_eq!(today, metadata());
    tenant.advance(SignedDuration::from_hours(24));
    let token = tenant.new_token("https://graph.microsoft.com/.default");
    let tenant = Tenant { token, ..tenant };
    assert_ne!(today, tenant.get(&photo_of("dana")).json());
}

#[test]
fn changing_a_photo_needs_the_permission_to_write() {
    let mut tenant = Tenant::with([person("dana")]);
    let value = format!("{}/$value", photo_of("dana"));
    let put = |tenant: &Tenant| {
        tenant.send(
            ask(Method::PUT, &value)
                .header("content-type", "image/jpeg")
                .body(jpeg(240, 240)),
        )
    };
    assert_eq!(put(&tenant).failure(), (403, "ErrorAccessDenied".to_owned()));
    tenant.with_roles(&["ProfilePhoto.ReadWrite.All"]);
    assert_eq!(put(&tenant).status, 200);
    assert_eq!(tenant.get(&photo_of("dana")).json()["width"], 240);
    assert_eq!(tenant.send(ask(Method::DELETE, &value)).status, 204);
    assert_eq!(tenant.get(&photo_of("dana")).status, 404);
}

#[test]
fn a_broken_photo_is_served_as_it_is() {
    let truncated = jpeg(240, 240)[..40].to_vec();
    let tenant = Tenant::with([person("dana").picture(truncated.clone())]);
    assert_eq!(tenant.get(&photo_of("dana")).status, 200);
    for url in ["photo/$value", "photos/240x240/$value"] {
        let answer = tenant.get(&format!("/v1.0/users/{}/{url}", id_of("dana")));
        assert_eq!(answer.body, truncated, "{url}");
    }
}

#[test]
fn the_application_has_no_me_and_a_user_has() {
    let tenant = Tenant::with([person("dana").photo(96)]);
    let answer = tenant.get("/v1.0/me/photo");
    assert_eq!(answer.failure(), (400, "BadRequest".to_owned()));
    assert!(answer.message().contains("delegated"), "{}", answer.message());
}
