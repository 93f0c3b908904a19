use image::{ImageDecoder, ImageFormat, ImageReader};
use image_hasher::{HashAlg, HasherConfig, ImageHash};
use sha2::Digest;
use std::collections::HashSet;
use std::io::Cursor;

use super::*;

const ENCODINGS: [Encoding; 8] = [
    Encoding::Jpeg,
    Encoding::JpegLow,
    Encoding::JpegProgressive,
    Encoding::JpegCmyk,
    Encoding::JpegTurned,
    Encoding::JpegTruncated,
    Encoding::Png,
    Encoding::Png16,
];

fn small(face: u16) -> Portrait {
    Portrait::new(1, face).with_width(96)
}

fn hex(digest: [u8; 32]) -> String {
    crate::domain::photo::Sha256::from_bytes(digest).to_string()
}

fn has_marker(file: &[u8], marker: u8) -> bool {
    file.windows(2).any(|pair| pair == [0xff, marker])
}

fn upright(file: &[u8]) -> image::DynamicImage {
    let reader = ImageReader::new(Cursor::new(file))
        .with_guessed_format()
        .expect("memory can be read");
    let mut decoder = reader.into_decoder().expect("a header");
    let orientation = decoder.orientation().expect("an orientation or none");
    let mut image = image::DynamicImage::from_decoder(decoder).expect("a whole picture");
    image.apply_orientation(orientation);
    image
}

#[test]
fn hash_and_length_are_those_of_the_bytes() {
    for encoding in ENCODINGS {
        let portrait = small(3).with_encoding(encoding);
        let bytes = portrait.bytes();
        assert_eq!(
            portrait.sha256(),
            <[u8; 32]>::from(sha2::Sha256::digest(&bytes)),
            "{encoding:?}"
        );
        assert_eq!(portrait.len(), bytes.len() as u64, "{encoding:?}");
    }
}

#[test]
fn people_who_share_a_face_do_not_share_bytes() {
    for encoding in ENCODINGS
        .into_iter()
        .filter(|encoding| *encoding != Encoding::JpegTruncated)
    {
        let first = small(3).with_encoding(encoding);
        let second = Portrait { person: 2, ..first };
        let saved_again = first.with_version(2);
        let hashes = HashSet::from([first.sha256(), second.sha256(), saved_again.sha256()]);
        assert_eq!(hashes.len(), 3, "{encoding:?}");
        assert_eq!(upright(&first.bytes()), upright(&second.bytes()), "{encoding:?}");
    }
}

#[test]
fn every_encoding_is_what_it_says() {
    let plain = upright(&small(5).bytes()).to_rgb8();
    for encoding in ENCODINGS
        .into_iter()
        .filter(|encoding| *encoding != Encoding::JpegTruncated)
    {
        let portrait = small(5).with_encoding(encoding);
        let file = portrait.bytes();
        let format = image::guess_format(&file).expect("a known format");
        assert_eq!(format.to_mime_type(), portrait.content_type(), "{encoding:?}");
        let decoded = upright(&file);
        assert_eq!((decoded.width(), decoded.height()), (96, 96), "{encoding:?}");
        let apart: u64 = decoded
            .to_rgb8()
            .iter()
            .zip(plain.iter())
            .map(|(one, other)| u64::from(one.abs_diff(*other)))
            .sum();
        let mean = apart / (96 * 96 * 3);
        assert!(
            mean < 8,
            "{encoding:?} shows another picture: mean difference {mean}"
        );
    }
    let bytes = |encoding| small(5).with_encoding(encoding).bytes();
    assert!(has_marker(&bytes(Encoding::Jpeg), 0xc0) && !has_marker(&bytes(Encoding::Jpeg), 0xc2));
    assert!(has_marker(&bytes(Encoding::JpegProgressive), 0xc2));
    assert!(bytes(Encoding::JpegCmyk).windows(5).any(|word| word == b"Adobe"));
    assert!(
        bytes(Encoding::JpegTurned)
            .windows(6)
            .any(|word| word == b"Exif\0\0")
    );
    assert!(bytes(Encoding::JpegLow).len() < bytes(Encoding::Jpeg).len() * 4 / 5);
    assert_eq!(bytes(Encoding::Png)[24], 8, "bits a channel");
    assert_eq!(bytes(Encoding::Png16)[24], 16, "bits a channel");
}

#[test]
fn a_turned_file_states_the_size_of_its_pixels() {
    let tall = small(5).tall();
    assert_eq!(tall.dimensions(), (96, 128));
    let turned = tall.with_encoding(Encoding::JpegTurned);
    let header = ImageReader::with_format(Cursor::new(turned.bytes()), ImageFormat::Jpeg);
    assert_eq!(header.into_dimensions().expect("a header"), (128, 96));
    assert_eq!(turned.dimensions(), (128, 96));
}

#[test]
fn a_truncated_file_has_a_header_and_no_end() {
    let file = small(5).with_encoding(Encoding::JpegTruncated).bytes();
    assert!(file.starts_with(&[0xff, 0xd8, 0xff]));
    assert!(has_marker(&file, 0xda), "the picture has begun");
    assert!(!has_marker(&file, 0xd9), "there is no end-of-image mark");
    assert!(file.len() < small(5).bytes().len() * 2 / 3);
    assert_eq!(small(5).with_encoding(Encoding::JpegTruncated).resized(48), None);
}

#[test]
fn drawings_never_change() {
    // A change here changes every practice tenant: screenshots, recordings and benchmarks stop being comparable.
    let hashes: Vec<String> = [
        Portrait::new(1, 0),
        Portrait::new(1, 1),
        Portrait::new(1, 1).with_look(1),
        small(1000).tall(),
        small(4095).with_encoding(Encoding::JpegProgressive),
    ]
    .iter()
    .map(|portrait| hex(portrait.sha256())[..16].to_owned())
    .collect();
    assert_eq!(
        hashes,
        [
            "ad2dda0a7f6e3cc4",
            "8d44adcb432ef8e1",
            "12b242beb5efa803",
            "d6f203197831f41c",
            "b8263b02c3676783"
        ]
    );
}

#[test]
fn another_look_is_another_picture_and_another_size_is_not() {
    // Perceptual hashes as programs of this kind use them: two pictures count as the same at 5 of 64 bits or fewer.
    let hashers = [HashAlg::Gradient, HashAlg::Median].map(|algorithm| {
        HasherConfig::new()
            .hash_size(8, 8)
            .hash_alg(algorithm)
            .preproc_dct()
            .to_hasher()
    });
    let fingerprints = |portrait: Portrait| {
        let image = upright(&portrait.bytes());
        hashers.each_ref().map(|hasher| hasher.hash_image(&image))
    };
    let apart =
        |one: &[ImageHash; 2], other: &[ImageHash; 2]| [one[0].dist(&other[0]), one[1].dist(&other[1])];
    for face in 0..24 {
        let portrait = Portrait::new(1, face).with_width(240);
        let now = fingerprints(portrait);
        let before = apart(&now, &fingerprints(portrait.with_look(1)));
        assert!(
            before.iter().all(|bits| *bits > 5),
            "face {face} looks as before: {before:?}"
        );
        for copy in [portrait.with_width(96), portrait.with_encoding(Encoding::JpegLow)] {
            let copied = apart(&now, &fingerprints(copy));
            assert!(
                copied.iter().all(|bits| *bits <= 5),
                "face {face} and {copy:?}: {copied:?}"
            );
        }
    }
}

#[test]
fn all_faces_differ() {
    let faces: HashSet<String> = (0..FACES)
        .map(|face| format!("{:?}", face::Face::invent(face, 0)))
        .collect();
    assert_eq!(faces.len(), usize::from(FACES));
}

mod perception;
