//! F: photos.

use std::io::Cursor;

use avatar_sync::sandbox::portraits::{Encoding, Portrait};
use image::{DynamicImage, ImageFormat};
use serde_json::json;

use crate::common::Stage;
use crate::common::faults::{Scenario, Told, rule, tried};
use crate::common::people::{company, hash, name, old_picture, photo};

/// Gives somebody this photo in Entra.
fn has_photo(stage: &Stage, number: usize, bytes: Vec<u8>) {
    let path = format!("/entra/users/{}/photo", name(number));
    stage.request(reqwest::Method::PUT, &path, bytes);
}

fn avatar(stage: &Stage, number: usize) -> Option<String> {
    let user = stage.control(&format!("/avatars?user_name={}", name(number)));
    user[0]["effective"]["sha256"].as_str().map(str::to_owned)
}

/// A company in which these are the photos, everybody having a picture in ServiceNow; none of them may be pushed.
fn nobody_pushes(bad: Vec<(&str, Vec<u8>)>) -> Told {
    let stage = company(bad.len() * 4);
    let mut before = Vec::new();
    for (position, (what, bytes)) in bad.iter().enumerate() {
        let number = position * 4;
        has_photo(&stage, number, bytes.clone());
        before.push((number, what.to_string(), avatar(&stage, number)));
    }
    let others: Vec<usize> = before.iter().map(|(number, ..)| *number).collect();
    let told = Scenario::on(stage).sync().everybody_right_but(&others);
    for (number, what, old) in before {
        assert_eq!(
            avatar(&told.stage, number),
            old,
            "{what}: the picture in ServiceNow stays"
        );
        assert!(old.is_some());
    }
    told
}

fn converted(bytes: &[u8], format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    let picture = image::load_from_memory(bytes).expect("a portrait");
    DynamicImage::ImageRgb8(picture.to_rgb8())
        .write_to(&mut out, format)
        .expect("encodes");
    out.into_inner()
}

#[test]
fn f1_photos_that_break_off_are_not_pushed() {
    let whole = photo(900);
    let png = converted(&whole, ImageFormat::Png);
    let cut = |bytes: &[u8], share: usize| bytes[..bytes.len() * share / 100].to_vec();
    let bad = vec![
        ("half a JPEG", cut(&whole, 50)),
        ("nearly a JPEG", cut(&whole, 90)),
        ("half a PNG", cut(&png, 50)),
    ];
    let count = bad.len();
    nobody_pushes(bad);
    tried("F1", count);
}

#[test]
fn f2_what_is_no_picture_is_not_pushed_whatever_it_says_it_is() {
    let bad = vec![
        ("a page", b"<html><body>Sign in</body></html>".repeat(20)),
        ("an error", b"{\"error\":{\"code\":\"x\"}}".repeat(20)),
        ("text", b"hello ".repeat(60)),
        ("an archive", [b"PK\x03\x04".to_vec(), vec![0; 400]].concat()),
        ("a byte", b"\xff".to_vec()),
    ];
    let count = bad.len();
    nobody_pushes(bad);
    tried("F2", count);
}

/// A PNG of so many black pixels, in hardly any bytes.
fn png_bomb(width: u32, height: u32) -> Vec<u8> {
    use std::io::Write as _;
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        png.extend((data.len() as u32).to_be_bytes());
        png.extend(kind);
        png.extend(data);
        png.extend(crc32fast::hash(&[&kind[..], data].concat()).to_be_bytes());
    };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
    chunk(b"IHDR", &header);
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    let row = vec![0; width as usize + 1];
    for _ in 0..height.min(2_000) {
        packed.write_all(&row).expect("memory");
    }
    chunk(b"IDAT", &packed.finish().expect("memory"));
    chunk(b"IEND", &[]);
    png
}

#[test]
fn f3_pictures_made_to_fill_the_memory_are_refused_before_they_are_decoded() {
    let mut bmp = converted(&photo(901), ImageFormat::Bmp);
    bmp[18..22].copy_from_slice(&20_000_u32.to_le_bytes());
    bmp[22..26].copy_from_slice(&20_000_u32.to_le_bytes());
    let bad = vec![
        ("20,000 × 20,000 PNG", png_bomb(20_000, 20_000)),
        ("100,000 × 100,000 PNG", png_bomb(100_000, 100_000)),
        ("20,000 × 20,000 BMP", bmp),
    ];
    let count = bad.len();
    nobody_pushes(bad);
    tried("F3", count);
}

#[test]
fn f4_every_usual_encoding_is_pushed_and_shown() {
    let portrait = |face: u16| Portrait::new(u32::from(face), face).with_width(120);
    let encodings = [
        Encoding::Jpeg,
        Encoding::JpegLow,
        Encoding::JpegProgressive,
        Encoding::JpegCmyk,
        Encoding::JpegTurned,
        Encoding::Png,
        Encoding::Png16,
    ];
    let mut photos: Vec<Vec<u8>> = encodings
        .iter()
        .zip(3_000..)
        .map(|(encoding, face)| portrait(face).with_encoding(*encoding).bytes().to_vec())
        .collect();
    let formats = [ImageFormat::Gif, ImageFormat::WebP, ImageFormat::Bmp]
        .into_iter()
        .zip(3_100..);
    photos.extend(formats.map(|(format, face)| converted(&portrait(face).bytes(), format)));
    let count = photos.len();
    let stage = company(count);
    for (number, bytes) in photos.into_iter().enumerate() {
        has_photo(&stage, number, bytes);
    }
    let told = Scenario::on(stage).sync().code(0);
    assert_eq!(told.count("updated"), count as u64, "{:?}", told.ended);
    // The program itself finds them equal again, in another look at the bytes.
    let again = told
        .stage
        .run(&["status", "--deep", "--json"])
        .expect_code(0)
        .json();
    for person in again["people"].as_array().expect("a list") {
        let verdict = person["verdict"].as_str().expect("text");
        assert!(["in_sync", "same_picture"].contains(&verdict), "{person}");
    }
    tried("F4", count);
}

#[test]
fn f5_the_one_pixel_picture_counts_as_none() {
    let stage = company(4);
    has_photo(
        &stage,
        0,
        avatar_sync::sandbox::world::picture::Picture::single_pixel()
            .bytes()
            .to_vec(),
    );
    let told = Scenario::on(stage).sync().code(0).everybody_right_but(&[0]);
    assert_eq!(told.seen(&name(0)), Some(hash(&old_picture(0))));
    assert_eq!(
        (told.count("updated"), told.count("no_photo")),
        (3, 1),
        "{:?}",
        told.ended
    );
    tried("F5", 1);
}

#[test]
fn f6_the_same_picture_in_other_bytes_is_not_uploaded() {
    let stage = company(8);
    for number in [0, 4] {
        let picture = image::load_from_memory(&old_picture(number))
            .expect("a portrait")
            .to_rgb8();
        let mut bytes = Vec::new();
        jpeg_encoder::Encoder::new(&mut bytes, 70)
            .encode(picture.as_raw(), 96, 96, jpeg_encoder::ColorType::Rgb)
            .expect("encodes into memory");
        has_photo(&stage, number, bytes);
    }
    let told = Scenario::on(stage).sync().code(0).everybody_right_but(&[0, 4]);
    for number in [0, 4] {
        assert_eq!(told.seen(&name(number)), Some(hash(&old_picture(number))));
    }
    assert_eq!(
        (told.count("updated"), told.count("unchanged")),
        (6, 2),
        "{:?}",
        told.ended
    );
    tried("F6", 2);
}

#[test]
fn f7_a_photo_that_changes_between_plan_and_push_is_pushed_as_it_is_now() {
    let stage = company(4);
    let plan = stage.home().join("plan.json");
    let plan = plan.to_str().expect("text").to_owned();
    stage.run(&["plan", "-o", &plan]).expect_code(0);
    has_photo(&stage, 1, photo(500));
    // Equal to what is in ServiceNow already: nothing is left to do.
    has_photo(&stage, 2, old_picture(2));
    let uploads = stage.requests(&["POST /api/now/attachment/file"]).1;
    assert_eq!(uploads, 0);
    let told = Scenario::on(stage)
        .checked(&["apply", &plan, "--yes", "--json"])
        .code(0);
    assert_eq!(told.seen(&name(1)), Some(hash(&photo(500))));
    assert_eq!(told.seen(&name(2)), Some(hash(&old_picture(2))));
    tried("F7", 2);
}

#[test]
fn f8_a_photo_larger_than_the_target_takes_is_scaled_once_or_fails_with_the_reason() {
    let large = Portrait::new(77, 77)
        .with_width(300)
        .with_encoding(Encoding::Png16)
        .bytes()
        .to_vec();
    let limit = large.len() - 500;
    let stage = company(4);
    has_photo(&stage, 0, large.clone());
    let told = Scenario::on(stage)
        .switch("servicenow", json!({"attachments": {"max_bytes": limit}}))
        .checked_with(&["sync", "--yes", "--json"], |checker| checker.may_convert());
    let told = told.code(0).everybody_right_but(&[0]);
    assert_ne!(
        told.seen(&name(0)),
        Some(hash(&old_picture(0))),
        "the new one is shown, smaller"
    );
    // Not even the smallest fits.
    let told = Scenario::of(2)
        .switch("servicenow", json!({"attachments": {"max_bytes": 100}}))
        .sync()
        .code(4);
    assert_eq!(told.count("failed"), 2, "{:?}", told.ended);
    tried("F8", 3);
}

/// The profile that the first attempt has made is not taken for somebody else's change by the second one.
#[test]
fn f8_a_photo_that_is_too_large_for_somebody_without_a_profile_is_scaled_as_well() {
    let large = Portrait::new(77, 77)
        .with_width(300)
        .with_encoding(Encoding::Png16)
        .bytes()
        .to_vec();
    let limit = large.len() - 500;
    let stage = company(2);
    has_photo(&stage, 1, large);
    let told = Scenario::on(stage)
        .switch("servicenow", json!({"attachments": {"max_bytes": limit}}))
        .checked_with(&["sync", "--yes", "--json"], |checker| checker.may_convert());
    let told = told.code(0);
    assert_eq!(told.count("updated"), 2, "{:?}", told.ended);
    tried("F8", 1);
}

#[test]
fn f10_a_photo_that_is_gone_takes_nothing_along_unless_the_policy_and_the_evidence_say_so() {
    let stage = company(4);
    let path = format!("/entra/users/{}/photo", name(0));
    stage.request(reqwest::Method::DELETE, &path, Vec::new());
    let told = Scenario::on(stage).sync().code(0).everybody_right_but(&[0]);
    assert_eq!(told.seen(&name(0)), Some(hash(&old_picture(0))));
    // A hiccup that looks like an absence, seen for the first time.
    let told = Scenario::on(told.stage)
        .setting("AVATAR_SYNC_POLICY_MIRROR_REMOVALS", "true")
        .fault(rule(
            "entra",
            "GET",
            "nobody asks for this",
            1,
            json!({"status": 404}),
        ))
        .sync();
    assert_eq!(told.seen(&name(0)), Some(hash(&old_picture(0))));
    tried("F10", 2);
}
