use super::*;

/// A portrait like no other.
fn portrait(number: u64) -> Face {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = mixed ^ (mixed >> 29);
    let tint = |shift: u32| (mixed >> shift) as u8;
    Face {
        bits: mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9),
        colours: std::array::from_fn(|two| tint([8, 24, 40][two % 3]) ^ two as u8),
        shades: 16,
    }
}

/// The same portrait, saved again: some bits and colours are a little different, as far as one step can be.
fn again(face: Face) -> Face {
    Face {
        bits: face.bits ^ 0x0001_0000_0000_0100,
        colours: face.colours.map(|two| {
            let next = |step: u8| if step < 15 { step + 1 } else { step };
            next(two >> 4) << 4 | (two & 15)
        }),
        ..face
    }
}

fn shows(source: Option<Face>, target: Option<Face>) -> Faces {
    Faces { source, target }
}

/// Somebody whose photo and avatar are the same.
fn in_sync(number: u64) -> Faces {
    shows(Some(portrait(number)), Some(again(portrait(number))))
}

const NAMES: [&str; 5] = ["ada byron", "ben tall", "cleo wide", "dora small", "emil short"];

fn suspicions<'a>(people: &[Faces], name: impl Fn(usize) -> Cow<'a, str>) -> Vec<(usize, Suspicion)> {
    let mut gallery = Gallery::default();
    for faces in people {
        gallery.push(*faces);
    }
    gallery.suspicions(name)
}

fn found(people: &[Faces]) -> Vec<(usize, Suspicion)> {
    suspicions(people, |person| Cow::Borrowed(NAMES[person % NAMES.len()]))
}

#[test]
fn people_with_faces_of_their_own_are_not_suspicious() {
    let people: Vec<Faces> = (0..5)
        .map(in_sync)
        .chain([
            shows(None, Some(portrait(90))),
            shows(Some(portrait(91)), None),
            shows(Some(portrait(92)), Some(portrait(93))),
            Faces::default(),
        ])
        .collect();
    assert_eq!(found(&people), []);
}

#[test]
fn one_photo_of_two_people_is_suspicious_of_both() {
    let people = [
        in_sync(0),
        shows(Some(portrait(1)), None),
        shows(Some(again(portrait(1))), None),
    ];
    assert_eq!(
        found(&people),
        [
            (1, Suspicion::Shared { others: 1, one: 2 }),
            (2, Suspicion::Shared { others: 1, one: 1 })
        ]
    );
}

#[test]
fn a_second_account_of_the_same_name_may_use_the_same_photo() {
    let names = ["ann smith", "ann smith (admin)", "smith, ann", "ann jones", "ann"];
    let people = [0, 0, 0, 1, 2].map(|number| shows(Some(portrait(number)), None));
    assert_eq!(suspicions(&people, |person| Cow::Borrowed(names[person])), []);
    // A first name in common is none.
    let people = [0, 9, 9, 0, 9].map(|number| shows(Some(portrait(number)), None));
    let found = suspicions(&people[..4], |person| Cow::Borrowed(names[person]));
    assert_eq!(
        found.iter().map(|(person, _)| *person).collect::<Vec<_>>(),
        [0, 3]
    );
}

#[test]
fn people_whose_pictures_nobody_has_seen_stand_between_the_others_and_count() {
    let unseen = Faces::default();
    let people = [
        unseen,
        shows(Some(portrait(1)), Some(portrait(2))),
        unseen,
        unseen,
        shows(Some(portrait(2)), Some(portrait(1))),
    ];
    assert_eq!(
        found(&people),
        [
            (1, Suspicion::Swapped { with: 4 }),
            (4, Suspicion::Swapped { with: 1 })
        ]
    );
}

#[test]
fn two_people_who_wear_each_others_faces_are_swapped() {
    let people = [
        in_sync(0),
        shows(Some(portrait(1)), Some(again(portrait(2)))),
        shows(Some(portrait(2)), Some(portrait(1))),
    ];
    assert_eq!(
        found(&people),
        [
            (1, Suspicion::Swapped { with: 2 }),
            (2, Suspicion::Swapped { with: 1 })
        ]
    );
}

#[test]
fn a_photo_that_is_shown_for_somebody_else_is_suspicious() {
    let people = [
        shows(Some(portrait(1)), None),
        shows(Some(portrait(2)), Some(portrait(1))),
    ];
    assert_eq!(found(&people), [(0, Suspicion::ShownForAnother { whom: 1 })]);
}

#[test]
fn blank_pictures_and_drawings_are_suspicious_however_many_use_them() {
    let with_shades = |number, shades| {
        let face = Face {
            shades,
            ..portrait(number)
        };
        shows(Some(face), None)
    };
    let people = [
        with_shades(0, 1),
        with_shades(1, FEW_SHADES),
        with_shades(2, FEW_SHADES + 1),
        with_shades(0, 1),
    ];
    assert_eq!(
        found(&people),
        [
            (0, Suspicion::Blank),
            (1, Suspicion::Drawing),
            (3, Suspicion::Blank)
        ]
    );
}

#[test]
fn a_picture_that_everybody_uses_is_found_quickly_and_counted() {
    let people = vec![shows(Some(portrait(1)), None); 10_000];
    let names: Vec<String> = (0..people.len())
        .map(|person| format!("person number{person}"))
        .collect();
    let found = suspicions(&people, |person| Cow::Borrowed(&names[person]));
    assert_eq!(found.len(), people.len());
    assert_eq!(
        found[0],
        (
            0,
            Suspicion::Shared {
                others: 9_999,
                one: 1
            }
        )
    );
    assert_eq!(
        found[9_000].1,
        Suspicion::Shared {
            others: 9_999,
            one: 0
        }
    );
}

#[test]
fn many_different_faces_take_no_time_and_are_not_suspicious() {
    let people: Vec<Faces> = (0..20_000).map(in_sync).collect();
    assert_eq!(found(&people), []);
}

#[test]
fn sentences_name_the_other_one() {
    let sentence = |suspicion: Suspicion| suspicion.sentence(|person| Cow::Borrowed(NAMES[person]));
    assert_eq!(
        sentence(Suspicion::Swapped { with: 1 }),
        "swapped with ben tall: each is shown with the photo that Entra ID has of the other"
    );
    assert_eq!(
        sentence(Suspicion::Shared { others: 1, one: 2 }),
        "the same photo as cleo wide"
    );
    assert_eq!(
        sentence(Suspicion::Shared { others: 12, one: 2 }),
        "the same photo as cleo wide and 11 more: a logo or a placeholder?"
    );
}
