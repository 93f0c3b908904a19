//! Who a drawn face shows: the choices that tell one person from another, made from a number and nothing else.
//!
//! Everything is chosen so that two people stay apart at 20 × 10 character cells: first by what covers much of the
//! square (background, hair, clothing, skin), then by what catches the eye (glasses, beard, covering).

use crate::sandbox::random::{Random, scramble};

/// A colour, red first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colour(pub u8, pub u8, pub u8);

impl Colour {
    pub(crate) const WHITE: Self = Self(255, 255, 255);
    pub(crate) const INK: Self = Self(38, 34, 44);

    const fn hex(value: u32) -> Self {
        Self((value >> 16) as u8, (value >> 8) as u8, value as u8)
    }

    /// This colour with so many of 256 parts of the other one.
    pub(crate) fn towards(self, other: Self, parts: u32) -> Self {
        let mix = |from: u8, to: u8| ((u32::from(from) * (256 - parts) + u32::from(to) * parts) / 256) as u8;
        Self(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }

    pub(crate) fn darker(self, parts: u32) -> Self {
        self.towards(Self(24, 16, 40), parts)
    }

    pub(crate) fn lighter(self, parts: u32) -> Self {
        self.towards(Self::WHITE, parts)
    }

    /// Brightness from 0 to 255, weighted as the eye weighs it.
    pub(crate) fn brightness(self) -> i32 {
        (i32::from(self.0) * 77 + i32::from(self.1) * 151 + i32::from(self.2) * 28) / 256
    }

    /// How far two colours are apart to the eye, roughly; 100 is plainly different.
    fn distance(self, other: Self) -> i32 {
        let red = (i32::from(self.0) - i32::from(other.0)).abs();
        let green = (i32::from(self.1) - i32::from(other.1)).abs();
        let blue = (i32::from(self.2) - i32::from(other.2)).abs();
        (red * 3 + green * 5 + blue * 2) / 8 + (self.brightness() - other.brightness()).abs() / 2
    }
}

/// Whether the person reads as a woman or a man, so that a name can be found that goes with the face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presentation {
    /// Feminine.
    Feminine,
    /// Masculine.
    Masculine,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hair {
    Bald,
    Receding,
    Buzz,
    SidePart,
    Quiff,
    Spikes,
    Bowl,
    Curls,
    Afro,
    Locs,
    Pixie,
    Bob,
    BobFringe,
    Long,
    LongSide,
    Waves,
    TopKnot,
    Ponytail,
    Braids,
}

/// What covers the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Covering {
    None,
    Hijab,
    Turban,
    Beanie,
    Cap,
    Headband,
    Flower,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beard {
    None,
    Stubble,
    Moustache,
    Goatee,
    Full,
    Long,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Glasses {
    None,
    Round,
    Square,
    Browline,
    Dark,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mouth {
    Smile,
    Grin,
    Soft,
    Smirk,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clothes {
    Tee,
    Stripes,
    VNeck,
    Shirt,
    Suit,
    Blazer,
    Hoodie,
    Turtleneck,
    Dungarees,
    Lanyard,
    Scarf,
}

/// What is behind the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backdrop {
    Plain,
    Disc,
    Ring,
    Diagonal,
    Hill,
    Bars,
    Rays,
    Dots,
    Corners,
    Arch,
    Halves,
    Steps,
}

/// Everything that is drawn. Lengths are in hundredths of the square's side.
#[derive(Clone, Debug)]
pub(crate) struct Face {
    pub(crate) skin: Colour,
    pub(crate) head_width: f32,
    pub(crate) head_height: f32,
    pub(crate) jaw: f32,
    pub(crate) hair: Hair,
    pub(crate) hair_colour: Colour,
    /// Of brows and beard: nobody dyes those.
    pub(crate) brow_colour: Colour,
    pub(crate) covering: Covering,
    pub(crate) covering_colour: Colour,
    pub(crate) beard: Beard,
    pub(crate) glasses: Glasses,
    pub(crate) glasses_colour: Colour,
    pub(crate) mouth: Mouth,
    pub(crate) wide_eyes: bool,
    pub(crate) eye_colour: Colour,
    pub(crate) brow_tilt: f32,
    pub(crate) freckles: bool,
    pub(crate) blush: bool,
    pub(crate) lipstick: Option<Colour>,
    pub(crate) earrings: Option<Colour>,
    pub(crate) clothes: Clothes,
    pub(crate) clothes_colour: Colour,
    pub(crate) accent: Colour,
    pub(crate) backdrop: Backdrop,
    pub(crate) back_from: Colour,
    pub(crate) back_to: Colour,
    pub(crate) back_shape: Colour,
    /// 0 to 7: which way the background runs from its first colour to its second, in eighths of a turn.
    pub(crate) back_direction: u8,
    pub(crate) mirrored: bool,
    pub(crate) shift: f32,
    pub(crate) zoom: f32,
}

/// Skin from light to deep; neighbours are a step that shows at a small size.
const SKINS: [Colour; 8] = [
    Colour::hex(0x00fb_dcc8),
    Colour::hex(0x00f3_c9a8),
    Colour::hex(0x00e8_b48c),
    Colour::hex(0x00d3_9a6c),
    Colour::hex(0x00b9_7d50),
    Colour::hex(0x009a_613a),
    Colour::hex(0x0078_482c),
    Colour::hex(0x0058_3424),
];

const BLACK: Colour = Colour::hex(0x0026_2129);
const DARK_BROWN: Colour = Colour::hex(0x0043_2a22);
const BROWN: Colour = Colour::hex(0x006d_4129);
const CHESTNUT: Colour = Colour::hex(0x008c_4a2a);
const GINGER: Colour = Colour::hex(0x00cf_6a2a);
const BLONDE: Colour = Colour::hex(0x00e4_b75a);
const PALE_BLONDE: Colour = Colour::hex(0x00f3_dc9c);
const GREY: Colour = Colour::hex(0x009b_9ca6);
const WHITE_HAIR: Colour = Colour::hex(0x00e9_e8ee);
const BLUE_HAIR: Colour = Colour::hex(0x0034_7fc4);
const PINK_HAIR: Colour = Colour::hex(0x00e2_6a9e);
const VIOLET_HAIR: Colour = Colour::hex(0x0079_4bb0);

const CLOTHES: [Colour; 16] = [
    Colour::hex(0x00d9_4f4a),
    Colour::hex(0x00ef_8354),
    Colour::hex(0x00f4_b93e),
    Colour::hex(0x007f_b069),
    Colour::hex(0x002f_9c8b),
    Colour::hex(0x0028_7fb8),
    Colour::hex(0x003c_52a6),
    Colour::hex(0x007b_4ea3),
    Colour::hex(0x00c9_4f86),
    Colour::hex(0x002b_3047),
    Colour::hex(0x0044_5464),
    Colour::hex(0x00f2_efe6),
    Colour::hex(0x008a_9aa8),
    Colour::hex(0x0081_4a3a),
    Colour::hex(0x001f_5f4e),
    Colour::hex(0x00a8_d5e2),
];

/// Backgrounds, light, middling and dark.
const BACKDROPS: [Colour; 24] = [
    Colour::hex(0x00fd_e2a8),
    Colour::hex(0x00ff_c9b5),
    Colour::hex(0x00c8_e7d0),
    Colour::hex(0x00bf_def2),
    Colour::hex(0x00dd_d0f2),
    Colour::hex(0x00f4_d3e0),
    Colour::hex(0x00ef_ead8),
    Colour::hex(0x00d8_e2e8),
    Colour::hex(0x00f6_ae5b),
    Colour::hex(0x00ef_7d6b),
    Colour::hex(0x0064_b98a),
    Colour::hex(0x004f_a6d1),
    Colour::hex(0x009a_82d6),
    Colour::hex(0x00dd_78a8),
    Colour::hex(0x00b9_c24a),
    Colour::hex(0x004b_bdb4),
    Colour::hex(0x002a_4d6e),
    Colour::hex(0x001f_6a63),
    Colour::hex(0x0054_3a74),
    Colour::hex(0x008a_3350),
    Colour::hex(0x0039_3f57),
    Colour::hex(0x002f_5c3d),
    Colour::hex(0x0095_4a2c),
    Colour::hex(0x001f_4fa0),
];

const METALS: [Colour; 4] = [
    Colour::hex(0x00f2_c14e),
    Colour::hex(0x00e6_e6ee),
    Colour::hex(0x00e0_5a6a),
    Colour::hex(0x0035_c2b0),
];

const FRAMES: [Colour; 6] = [
    Colour::hex(0x0023_2430),
    Colour::hex(0x0023_2430),
    Colour::hex(0x007a_4a2c),
    Colour::hex(0x00b0_3048),
    Colour::hex(0x0022_5a8c),
    Colour::hex(0x00c8_a030),
];

/// Skin tone, 0 (light) to 7 (deep), and other traits a name should go with.
pub(crate) struct Sketch {
    pub(crate) tone: u8,
    pub(crate) covering: Covering,
}

impl Face {
    /// The presentation of a face: even numbers are feminine, odd ones masculine.
    pub(crate) fn presentation(face: u16) -> Presentation {
        if face.is_multiple_of(2) {
            Presentation::Feminine
        } else {
            Presentation::Masculine
        }
    }

    /// The few traits that a name is chosen by.
    pub(crate) fn sketch(face: u16) -> Sketch {
        let lasting = &mut Random::stream(0, "face", u64::from(face));
        let tone = tone(face);
        let light = tone < 3;
        Sketch {
            tone,
            covering: covering(lasting, Self::presentation(face), light),
        }
    }

    /// Makes up a face. `look` 0 is how the person looks now; another number is the same person on another day:
    /// other hair, clothes and surroundings, but the same head.
    pub(crate) fn invent(face: u16, look: u8) -> Self {
        let presentation = Self::presentation(face);
        let feminine = presentation == Presentation::Feminine;
        let lasting = &mut Random::stream(0, "face", u64::from(face));
        let today = &mut Random::stream(1 + u64::from(look), "look", u64::from(face));

        let tone = tone(face);
        let covering = covering(lasting, presentation, tone < 3);
        let skin = SKINS[usize::from(tone)];
        let senior = lasting.percent(16);
        let (hair_colour, brow_colour) = hair_colours(lasting, today, tone, senior);
        let beard = if feminine {
            Beard::None
        } else {
            beard(lasting, today, covering)
        };
        let hair = if feminine {
            long_hair(today, tone)
        } else {
            short_hair(today, tone, senior)
        };
        let glasses = glasses(lasting, today);

        let (clothes, clothes_colour, accent) = clothes(today, feminine);
        let mut back = today.pick(&BACKDROPS);
        for _ in 0..8 {
            let hides_hair = hair != Hair::Bald && back.distance(hair_colour) < 60;
            if !hides_hair && back.distance(skin) >= 45 && back.distance(clothes_colour) >= 45 {
                break;
            }
            back = today.pick(&BACKDROPS);
        }
        let strong = today.between(60, 110) as u32;
        let (back_to, back_shape) = if back.brightness() > 150 {
            (
                back.darker(strong / 3),
                back.lighter(150).towards(back, today.below(60) as u32),
            )
        } else {
            (back.darker(strong / 2), back.lighter(strong))
        };
        let mut covering_colour = today.pick(&CLOTHES);
        for _ in 0..8 {
            if covering_colour.distance(back) >= 60 && covering_colour.distance(skin) >= 60 {
                break;
            }
            covering_colour = today.pick(&CLOTHES);
        }

        Self {
            skin,
            head_width: lasting.between(190, 222) as f32 / 10.0 - if feminine { 0.8 } else { 0.0 },
            head_height: lasting.between(228, 256) as f32 / 10.0,
            jaw: if feminine {
                lasting.between(42, 60) as f32 / 100.0
            } else {
                lasting.between(52, 86) as f32 / 100.0
            },
            hair,
            hair_colour,
            brow_colour,
            covering: if covering == Covering::None {
                fancy(today, feminine)
            } else {
                covering
            },
            covering_colour,
            beard,
            glasses,
            glasses_colour: lasting.pick(&FRAMES),
            mouth: today.pick(&[
                Mouth::Smile,
                Mouth::Smile,
                Mouth::Grin,
                Mouth::Grin,
                Mouth::Soft,
                Mouth::Smirk,
            ]),
            // Small dark eyes would be lost in a dark face.
            wide_eyes: lasting.percent(45) || tone >= 6,
            eye_colour: eye_colour(lasting, tone),
            brow_tilt: lasting.between(0, 16) as f32 / 10.0,
            freckles: tone < 3 && lasting.percent(18),
            blush: lasting.percent(45),
            lipstick: (feminine && today.percent(45)).then(|| {
                today.pick(&[
                    Colour::hex(0x00b8_3048),
                    Colour::hex(0x00d0_5a6e),
                    Colour::hex(0x008f_2f4f),
                ])
            }),
            earrings: today
                .percent(if feminine { 50 } else { 8 })
                .then(|| today.pick(&METALS)),
            clothes,
            clothes_colour,
            accent,
            backdrop: today.pick(&[
                Backdrop::Plain,
                Backdrop::Disc,
                Backdrop::Ring,
                Backdrop::Diagonal,
                Backdrop::Hill,
                Backdrop::Bars,
                Backdrop::Rays,
                Backdrop::Dots,
                Backdrop::Corners,
                Backdrop::Arch,
                Backdrop::Halves,
                Backdrop::Steps,
            ]),
            back_from: back,
            back_to,
            back_shape,
            back_direction: today.below(8) as u8,
            mirrored: today.percent(50),
            shift: today.between(-45, 45) as f32 / 10.0,
            zoom: today.between(98, 107) as f32 / 100.0,
        }
    }
}

/// Spreads the tones evenly over neighbouring faces, so that the first screen of people is already a mixed one.
fn tone(face: u16) -> u8 {
    let group = u64::from(face / 8);
    let turn = scramble(group ^ 0x70_6e65);
    let place = u64::from(face % 8);
    // A walk through all eight tones in a different order for every group of eight faces.
    (((place * (2 * (turn % 4) + 1)) + (turn >> 8)) % 8) as u8
}

fn covering(lasting: &mut Random, presentation: Presentation, light: bool) -> Covering {
    let ticket = lasting.below(100);
    match presentation {
        Presentation::Feminine if ticket < 9 => Covering::Hijab,
        Presentation::Masculine if ticket < 6 && !light => Covering::Turban,
        _ => Covering::None,
    }
}

/// Hats and flowers of the day.
fn fancy(today: &mut Random, feminine: bool) -> Covering {
    if feminine {
        today.weighted(&[
            (Covering::None, 84),
            (Covering::Headband, 7),
            (Covering::Flower, 5),
            (Covering::Beanie, 3),
            (Covering::Cap, 1),
        ])
    } else {
        today.weighted(&[(Covering::None, 88), (Covering::Beanie, 6), (Covering::Cap, 6)])
    }
}

fn hair_colours(lasting: &mut Random, today: &mut Random, tone: u8, senior: bool) -> (Colour, Colour) {
    let natural = match tone {
        0 | 1 => lasting.weighted(&[
            (BLONDE, 20),
            (PALE_BLONDE, 10),
            (GINGER, 14),
            (CHESTNUT, 16),
            (BROWN, 20),
            (DARK_BROWN, 14),
            (BLACK, 6),
        ]),
        2 | 3 => lasting.weighted(&[
            (BLACK, 34),
            (DARK_BROWN, 30),
            (BROWN, 20),
            (CHESTNUT, 10),
            (BLONDE, 6),
        ]),
        _ => lasting.weighted(&[(BLACK, 62), (DARK_BROWN, 30), (CHESTNUT, 8)]),
    };
    if senior {
        let grey = today.pick(&[GREY, WHITE_HAIR, GREY.lighter(70)]);
        return (grey, grey);
    }
    if today.percent(5) {
        return (today.pick(&[BLUE_HAIR, PINK_HAIR, VIOLET_HAIR]), natural);
    }
    (natural, natural)
}

fn beard(lasting: &mut Random, today: &mut Random, covering: Covering) -> Beard {
    if covering == Covering::Turban {
        return lasting.weighted(&[(Beard::Long, 40), (Beard::Full, 50), (Beard::Moustache, 10)]);
    }
    if lasting.percent(50) {
        return Beard::None;
    }
    today.weighted(&[
        (Beard::None, 12),
        (Beard::Stubble, 20),
        (Beard::Moustache, 14),
        (Beard::Goatee, 18),
        (Beard::Full, 28),
        (Beard::Long, 8),
    ])
}

fn glasses(lasting: &mut Random, today: &mut Random) -> Glasses {
    let usual = lasting.weighted(&[
        (Glasses::None, 66),
        (Glasses::Round, 13),
        (Glasses::Square, 12),
        (Glasses::Browline, 7),
        (Glasses::Dark, 2),
    ]);
    // Some days contact lenses.
    if today.percent(15) { Glasses::None } else { usual }
}

fn eye_colour(lasting: &mut Random, tone: u8) -> Colour {
    const BROWN_EYE: Colour = Colour::hex(0x004a_2f22);
    if tone < 3 {
        lasting.pick(&[
            BROWN_EYE,
            Colour::hex(0x002f_6f9c),
            Colour::hex(0x003f_7a52),
            Colour::hex(0x0055_6a7a),
        ])
    } else {
        lasting.pick(&[BROWN_EYE, Colour::INK])
    }
}

fn long_hair(today: &mut Random, tone: u8) -> Hair {
    let coiled = u32::from(tone >= 4);
    today.weighted(&[
        (Hair::Bob, 12),
        (Hair::BobFringe, 11),
        (Hair::Long, 14),
        (Hair::LongSide, 14),
        (Hair::Waves, 14),
        (Hair::TopKnot, 10),
        (Hair::Ponytail, 10),
        (Hair::Pixie, 8),
        (Hair::Curls, 6),
        (Hair::Afro, 3 + 16 * coiled),
        (Hair::Braids, 6 + 8 * coiled),
        (Hair::Buzz, 1 + 3 * coiled),
        (Hair::Locs, 12 * coiled),
    ])
}

fn short_hair(today: &mut Random, tone: u8, senior: bool) -> Hair {
    let coiled = u32::from(tone >= 4);
    let thin = if senior { 18 } else { 4 };
    today.weighted(&[
        (Hair::Bald, thin + 3),
        (Hair::Receding, thin),
        (Hair::Buzz, 10 + 8 * coiled),
        (Hair::SidePart, 18),
        (Hair::Quiff, 15),
        (Hair::Spikes, 10),
        (Hair::Bowl, 7),
        (Hair::Curls, 11),
        (Hair::Long, 4),
        (Hair::TopKnot, 4),
        (Hair::Afro, 2 + 10 * coiled),
        (Hair::Locs, 10 * coiled),
    ])
}

fn clothes(today: &mut Random, feminine: bool) -> (Clothes, Colour, Colour) {
    let kind = if feminine {
        today.pick(&[
            Clothes::Tee,
            Clothes::Stripes,
            Clothes::VNeck,
            Clothes::Shirt,
            Clothes::Blazer,
            Clothes::Blazer,
            Clothes::Turtleneck,
            Clothes::Dungarees,
            Clothes::Lanyard,
            Clothes::Scarf,
            Clothes::Hoodie,
        ])
    } else {
        today.pick(&[
            Clothes::Tee,
            Clothes::Stripes,
            Clothes::VNeck,
            Clothes::Shirt,
            Clothes::Shirt,
            Clothes::Suit,
            Clothes::Suit,
            Clothes::Hoodie,
            Clothes::Turtleneck,
            Clothes::Lanyard,
            Clothes::Scarf,
        ])
    };
    let colour = if kind == Clothes::Suit {
        today.pick(&[
            Colour::hex(0x002b_3047),
            Colour::hex(0x0044_5464),
            Colour::hex(0x0081_6a52),
            Colour::hex(0x003c_5288),
            Colour::hex(0x0032_3a38),
        ])
    } else {
        today.pick(&CLOTHES)
    };
    let mut accent = today.pick(&CLOTHES);
    for _ in 0..8 {
        if accent.distance(colour) >= 70 {
            break;
        }
        accent = today.pick(&CLOTHES);
    }
    (kind, colour, accent)
}
