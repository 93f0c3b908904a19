//! Small companies of people whose faces nobody takes for one another.

use avatar_sync::sandbox::portraits::Portrait;
use avatar_sync::sandbox::world::picture::Picture;
use serde_json::{Value, json};

use super::Stage;

/// The photo of a person as Entra has it: the same bytes for the same number, always.
pub fn photo(number: usize) -> Vec<u8> {
    portrait(number as u32, number as u16 * 2 + 1)
}

/// Another picture, which somebody has put into ServiceNow years ago.
pub fn old_picture(number: usize) -> Vec<u8> {
    portrait(number as u32 + 100_000, number as u16 * 2 + 1_800)
}

fn portrait(person: u32, face: u16) -> Vec<u8> {
    Portrait::new(person, face).with_width(96).bytes().to_vec()
}

/// SHA-256 in hexadecimal digits, as the control address writes it.
pub fn hash(bytes: &[u8]) -> String {
    let picture = Picture::from_bytes(bytes.to_vec());
    picture
        .sha256()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// `person7@contoso.example`, which is the name in both systems.
pub fn name(number: usize) -> String {
    format!("person{number}@contoso.example")
}

/// So many people with a photo each. In turn: an old picture at both records; none and no profile; an old picture at
/// the profile alone; a column that names nothing.
pub fn company(people: usize) -> Stage {
    company_with(people, |_, _, _| {})
}

/// The same, with a last word about everybody: their number, their Entra user and their ServiceNow user.
pub fn company_with(people: usize, change: impl Fn(usize, &mut Value, &mut Value)) -> Stage {
    let (mut entra, mut servicenow) = (Vec::new(), Vec::new());
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for number in 0..people {
        let (new, old) = (format!("new{number}.jpg"), format!("old{number}.jpg"));
        let at = |on: &str, form: &str| json!({"file": old, "on": on, "form": form});
        let avatars = match number % 4 {
            0 => vec![at("live_profile", "image_field"), at("sys_user", "image_field")],
            1 => vec![],
            2 => vec![at("live_profile", "image_field")],
            _ => vec![json!({"on": "live_profile", "form": "dangling"})],
        };
        let mut source = json!({"displayName": format!("Person {number}"), "userPrincipalName": name(number),
            "mail": name(number), "photo": new});
        let mut target = json!({"user_name": name(number), "email": name(number), "name": format!("Person {number}"),
            "live_profiles": usize::from(number % 4 != 1), "avatars": avatars});
        change(number, &mut source, &mut target);
        entra.push(source);
        servicenow.push(target);
        files.push((new, photo(number)));
        files.push((old, old_picture(number)));
    }
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    let world = json!({"entra": {"users": entra}, "servicenow": {"users": servicenow}});
    Stage::of_files(&world, &files)
}
