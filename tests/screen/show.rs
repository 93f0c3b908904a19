//! `avatar-sync show`: both pictures in the scrollback.

use image::{DynamicImage, ImageFormat, Rgba, RgbaImage};
use serde_json::json;

use crate::common::Stage;
use crate::terminal::pixels::{difference, part};
use crate::terminal::{How, Kind, Setup, Terminal};

/// A face nobody mistakes for another one, as PNG.
fn face(tint: u8) -> DynamicImage {
    DynamicImage::ImageRgba8(RgbaImage::from_fn(120, 120, |x, y| {
        let is_inside = (x as i32 - 60).pow(2) + (y as i32 - 50).pow(2) < 40_i32.pow(2);
        if is_inside {
            Rgba([230, 190, tint, 255])
        } else {
            Rgba([tint, (y * 2) as u8, 255 - tint, 255])
        }
    }))
}

fn png(picture: &DynamicImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).expect("encodes");
    bytes.into_inner()
}

/// Ada, with one photo in Entra ID and another one in ServiceNow.
fn ada() -> Stage {
    let world = json!({
        "entra": {"users": [{"displayName": "Ada Byron", "userPrincipalName": "ada@contoso.example",
            "mail": "ada@contoso.example", "photo": "new.png"}]},
        "servicenow": {"users": [{"user_name": "ada@contoso.example", "email": "ada@contoso.example",
            "name": "Ada Byron", "live_profiles": 1,
            "avatars": [{"file": "old.png", "on": "live_profile", "form": "image_field"}]}]}
    });
    Stage::of_files(
        &world,
        &[("new.png", &png(&face(20))), ("old.png", &png(&face(200)))],
    )
}

fn show(stage: &Stage, kind: Kind) -> Terminal {
    let folder = |name: &str| stage.home().join(name);
    let terminal = Setup::new(kind)
        .envs(stage.environment())
        .env("AVATAR_SYNC_CONFIG_DIR", folder("config"))
        .env("AVATAR_SYNC_STATE_DIR", folder("state"))
        .env("AVATAR_SYNC_CACHE_DIR", folder("cache"))
        .env("HOME", stage.home())
        .folder(stage.home())
        .start(
            env!("CARGO_BIN_EXE_avatar-sync"),
            &["show", "ada@contoso.example"],
        );
    assert_eq!(terminal.wait_for_end().code, 0, "{terminal:?}");
    terminal
}

/// Two square pictures of 360 pixels with 24 between them.
const LEFT: (f64, f64) = (0.0, 360.0 / 744.0);
const RIGHT: (f64, f64) = (384.0 / 744.0, 1.0);

#[test]
fn both_photos_are_shown_in_every_terminal_that_shows_pictures() {
    let stage = ada();
    for (kind, how, most) in [
        (Kind::Kitty, How::Kitty, 1.0),
        (Kind::OldKitty, How::Kitty, 1.0),
        (Kind::Iterm2, How::Iterm2, 1.0),
        (Kind::Sixel, How::Sixel, 3.0),
        (Kind::Plain, How::Blocks, 12.0),
    ] {
        let terminal = show(&stage, kind);
        terminal.assert_restored();
        let pictures = terminal.pictures();
        assert_eq!(pictures.len(), 1, "{kind:?} {terminal:?}");
        let sides = [LEFT, RIGHT].map(|(from, to)| part(&pictures[0].pixels, from, to));
        assert!(
            pictures
                .iter()
                .all(|picture| picture.how == how && picture.missing == 0),
            "{pictures:?}"
        );
        for (side, right, wrong) in [(&sides[0], face(20), face(200)), (&sides[1], face(200), face(20))] {
            let (right, wrong) = (difference(side, &right), difference(side, &wrong));
            assert!(right < most, "{kind:?}: {right} from the right photo");
            assert!(wrong > 30.0, "{kind:?}: {wrong} from the wrong photo");
        }
        assert!(
            terminal.look(|screen| screen.complaints.is_empty()),
            "{terminal:?}"
        );
    }
}

#[test]
fn a_terminal_that_does_not_answer_gets_half_blocks_and_a_command_that_ends() {
    let stage = ada();
    for kind in [Kind::Silent, Kind::Nonsense] {
        let terminal = show(&stage, kind);
        terminal.assert_restored();
        assert_eq!(terminal.pictures().len(), 1, "{kind:?} {terminal:?}");
        assert!(terminal.look(|screen| screen.shows("Ada Byron")));
    }
}
