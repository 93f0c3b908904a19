//! People with faces that nobody mistakes for one another, and the screen opened on them.

use std::io::Cursor;
use std::time::Duration;

use image::{DynamicImage, ImageFormat, Rgba, RgbaImage};
use serde_json::{Value, json};

use crate::common::Stage;
use crate::terminal::pixels::difference;
use crate::terminal::{Area, How, Kind, LIMIT, Picture, Screen, Setup, Terminal};

/// What the services' cleverness and a busy machine are given; a figure that a promise names is stretched by this.
///
/// The promises are for the program as it is shipped. A debug build is several times slower.
pub const PATIENCE: u32 = if cfg!(debug_assertions) { 8 } else { 2 };

/// A portrait of this size: a head before a ground, in colours and a shape that belong to the number alone.
pub fn portrait(number: u8, width: u32, height: u32) -> DynamicImage {
    let tint = |step: u8| number.wrapping_mul(67).wrapping_add(step);
    let head = (
        f64::from(width) * 0.5,
        f64::from(height) * (0.3 + f64::from(number % 4) * 0.1),
    );
    let radius = f64::from(width.min(height)) * (0.2 + f64::from(number % 3) * 0.08);
    DynamicImage::ImageRgba8(RgbaImage::from_fn(width, height, |x, y| {
        let distance = (f64::from(x) - head.0).hypot(f64::from(y) - head.1);
        if distance < radius {
            Rgba([tint(200), tint(90), tint(10), 255])
        } else {
            let shade = (y * 80 / height) as u8;
            Rgba([
                tint(20).wrapping_add(shade),
                tint(140),
                tint(230).wrapping_sub(shade),
                255,
            ])
        }
    }))
}

/// A picture as PNG.
pub fn png(picture: &DynamicImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).expect("encodes");
    bytes.into_inner()
}

/// Somebody with a photo in Entra ID and another picture in ServiceNow.
pub struct Person {
    pub name: &'static str,
    pub source: DynamicImage,
    pub target: DynamicImage,
}

/// Ada, Ben, Cleo and Dora. Ben's photo is upright, Cleo's lies, Dora's avatar is small.
pub fn four() -> Vec<Person> {
    let person = |name, number: u8, source: (u32, u32), target: (u32, u32)| Person {
        name,
        source: portrait(number, source.0, source.1),
        target: portrait(number + 100, target.0, target.1),
    };
    vec![
        person("Ada Byron", 1, (180, 180), (120, 120)),
        person("Ben Tall", 2, (120, 180), (120, 120)),
        person("Cleo Wide", 3, (180, 135), (60, 90)),
        person("Dora Small", 4, (180, 180), (48, 48)),
    ]
}

/// A practice world of these people.
pub fn stage_of(people: &[Person]) -> Stage {
    let (mut entra, mut servicenow) = (Vec::new(), Vec::new());
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for (number, person) in people.iter().enumerate() {
        let address = format!("person{number}@contoso.example");
        let (source, target) = (format!("source{number}.png"), format!("target{number}.png"));
        entra.push(
            json!({"displayName": person.name, "userPrincipalName": address, "mail": address,
            "department": "Research", "photo": source}),
        );
        servicenow.push(
            json!({"user_name": address, "email": address, "name": person.name, "live_profiles": 1,
            "avatars": [{"file": target, "on": "live_profile", "form": "image_field"}]}),
        );
        files.push((source, png(&person.source)));
        files.push((target, png(&person.target)));
    }
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    Stage::of_files(&world(&entra, &servicenow), &files)
}

/// Both sides as a world file.
pub fn world(entra: &[Value], servicenow: &[Value]) -> Value {
    json!({"entra": {"users": entra}, "servicenow": {"users": servicenow}})
}

/// A terminal of this kind with what the program needs to find this stage.
pub fn setup(stage: &Stage, kind: Kind) -> Setup {
    let folders = ["CONFIG", "STATE", "CACHE"].map(|which| {
        let variable = format!("AVATAR_SYNC_{which}_DIR");
        let folder = stage.home().join(variable.to_lowercase());
        (variable, folder.to_str().expect("text").to_owned())
    });
    Setup::new(kind)
        .envs(stage.environment())
        .envs(folders)
        .env("HOME", stage.home())
        .folder(stage.home())
}

/// The program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_avatar-sync");

/// Opens the screen.
pub fn open(setup: Setup) -> Terminal {
    setup.start(PROGRAM, &[])
}

/// Opens the screen on four people and waits until the first one's pictures are there.
pub fn open_on_four(kind: Kind) -> (Stage, Vec<Person>, Terminal) {
    let people = four();
    let stage = stage_of(&people);
    let terminal = open(setup(&stage, kind));
    wait_for_person(&terminal, &people[0]);
    (stage, people, terminal)
}

/// Whether the cursor stands on somebody.
pub fn is_at(screen: &Screen, name: &str) -> bool {
    screen
        .rows()
        .iter()
        .any(|row| row.contains('▌') && row.contains(name))
}

/// Waits until the cursor stands on somebody and both pictures are there, and nothing more comes.
#[track_caller]
pub fn wait_for_person(terminal: &Terminal, person: &Person) {
    terminal.wait_for(&format!("{} with both pictures", person.name), |screen| {
        is_at(screen, person.name) && screen.pictures().len() == 2
    });
    terminal.wait_quiet();
}

/// How far a picture may be from what it shows: 24 x 24 pixels of it, 0 to 255 a channel.
fn most(how: How) -> f64 {
    match how {
        // JPEG.
        How::Iterm2 => 1.5,
        // A palette, chosen for the picture.
        How::Kitty | How::Sixel => 4.0,
        // A few dozen pixels in all.
        How::Blocks => 12.0,
    }
}

/// The inside of the frame with this title.
#[track_caller]
pub fn pane(screen: &Screen, title: &str) -> Area {
    let (row, title_at) = screen
        .find(&format!("┌ {title} "))
        .or_else(|| screen.find(&format!("┬ {title} ")))
        .unwrap_or_else(|| panic!("no frame is called {title:?}:\n{}", screen.contents()));
    let is = |row: u16, column: u16, signs: &str| {
        let cell = screen.cells().cell(row, column);
        cell.is_some_and(|cell| !cell.contents().is_empty() && signs.contains(cell.contents()))
    };
    let window = screen.window();
    let right = (title_at + 1..window.columns).find(|column| is(row, *column, "┐┬"));
    let bottom = (row + 1..window.rows).find(|below| is(*below, title_at, "└├┴"));
    let (right, bottom) = (right.expect("a right side"), bottom.expect("a lower side"));
    Area {
        row: row + 1,
        column: title_at + 1,
        rows: bottom - row - 1,
        columns: right - title_at - 1,
    }
}

/// The two pictures on the screen, the left one first.
#[track_caller]
pub fn pair(terminal: &Terminal) -> [Picture; 2] {
    let mut pictures = terminal.pictures();
    pictures.sort_by_key(|picture| picture.area.column);
    pictures
        .try_into()
        .unwrap_or_else(|pictures: Vec<Picture>| panic!("not two pictures: {pictures:?}\n{terminal:?}"))
}

/// Fails unless both pictures of somebody are shown: whole, right, in their panes, in their shape.
#[track_caller]
pub fn assert_shows(terminal: &Terminal, person: &Person, others: &[Person]) {
    // On a busy machine words and pictures come in writes of their own; what is asserted is where it ends.
    terminal.is_soon(LIMIT, |screen| {
        let mut pictures = screen.pictures();
        pictures.sort_by_key(|picture| picture.area.column);
        let rights = [&person.source, &person.target];
        let is_right = |(picture, right): (&Picture, &DynamicImage)| {
            picture.missing == 0 && difference(&picture.pixels, right) < most(picture.how)
        };
        pictures.len() == 2 && pictures.iter().zip(rights).all(is_right)
    });
    let pictures = pair(terminal);
    let panes = terminal.look(|screen| [pane(screen, "Entra ID"), pane(screen, "ServiceNow")]);
    let sides = [
        (&pictures[0], &person.source, panes[0]),
        (&pictures[1], &person.target, panes[1]),
    ];
    for (picture, right, pane) in sides {
        assert_is(picture, right, terminal);
        assert!(
            pane.contains(picture.area),
            "{picture:?} in {pane:?}\n{terminal:?}"
        );
        let wrong = others
            .iter()
            .filter(|other| other.name != person.name)
            .flat_map(|other| [&other.source, &other.target]);
        for wrong in wrong {
            let far = difference(&picture.pixels, wrong);
            assert!(far > 10.0, "{picture:?} is only {far} from a wrong picture");
        }
    }
    assert_eq!(terminal.look(Screen::boxes), 0, "{terminal:?}");
    assert!(
        terminal.look(|screen| screen.complaints.is_empty()),
        "{terminal:?}"
    );
}

/// Fails unless this picture is whole, is the right one and has the right shape.
#[track_caller]
pub fn assert_is(picture: &Picture, right: &DynamicImage, terminal: &Terminal) {
    assert_eq!(picture.missing, 0, "{terminal:?}");
    let near = difference(&picture.pixels, right);
    assert!(
        near < most(picture.how),
        "{picture:?} is {near} from the right one\n{terminal:?}"
    );
    let shape = f64::from(right.width()) / f64::from(right.height());
    let (width, height) = seen(picture);
    let distortion = width / height / shape;
    // Sides are whole cells in half blocks and whole pixels elsewhere.
    let most = if picture.how == How::Blocks { 0.12 } else { 0.06 };
    assert!(
        (distortion - 1.0).abs() < most,
        "{picture:?} is distorted by {distortion}"
    );
}

/// Pixels of the screen that the picture's own, not transparent ones take.
fn seen(picture: &Picture) -> (f64, f64) {
    let own = crate::terminal::pixels::trimmed(&picture.pixels);
    let part = |own: u32, of: u32, shown: u32| f64::from(own) / f64::from(of) * f64::from(shown);
    (
        part(own.width(), picture.pixels.width(), picture.shown.0),
        part(own.height(), picture.pixels.height(), picture.shown.1),
    )
}

/// A promised time on this machine.
pub fn stretched(promised: Duration) -> Duration {
    promised * PATIENCE
}
