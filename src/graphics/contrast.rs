//! Pictures made of pictures, for whoever compares two of them: where they differ, and what people will see.
//!
//! Pure work on pixels; milliseconds, so it runs on a worker like everything that decodes.

use image::{DynamicImage, Rgb, RgbImage};

use super::canvas::render;

/// The longest side of a difference map, in pixels: enough to see a scratch, little enough for any terminal.
const MAP_SIDE: u32 = 360;
/// Differences up to this are what saving a picture again does to it, of 255.
const NOISE: u32 = 6;
/// A difference of this much is shown as strongly as any larger one, of 255.
const STRONG: u32 = 128;
/// Diameters in which people see an avatar, in pixels: on a card, in a header, in a list.
pub const CIRCLES: [u32; 3] = [64, 32, 16];
/// The light and the dark ground of a portal.
const GROUNDS: [[u8; 3]; 2] = [[250, 250, 250], [26, 28, 34]];
/// Blank pixels around circles.
const MARGIN: u32 = 10;
/// Points of a pixel's side that are looked at for the edge of a circle.
const POINTS: u32 = 4;

/// Where two pictures differ: both scaled to one size, the first one in dark grey, and on it each pixel the lighter and
/// the more of a glow the more it differs.
///
/// The glow goes from red over orange to white and only ever gets lighter, so it is read without colours too. What
/// re-encoding does is no difference. A picture in other proportions is stretched: that is a difference of its own.
pub fn difference(one: &DynamicImage, other: &DynamicImage) -> RgbImage {
    let longest = one.width().max(one.height()).max(1);
    let side = |length: u32| (length * MAP_SIDE.min(longest) / longest).max(1);
    let (width, height) = (side(one.width()), side(one.height()));
    let (Ok(one), Ok(other)) = (render(one, width, height), render(other, width, height)) else {
        // Sizes are never zero, and everything else can be scaled.
        return RgbImage::new(width, height);
    };
    RgbImage::from_fn(width, height, |x, y| {
        let (one, other) = (*one.get_pixel(x, y), *other.get_pixel(x, y));
        glow(lightness(one), distance(one, other))
    })
}

/// The largest difference of a channel, of 255.
fn distance(one: Rgb<u8>, other: Rgb<u8>) -> u32 {
    let channels = one.0.iter().zip(other.0);
    channels
        .map(|(one, other)| u32::from(one.abs_diff(other)))
        .max()
        .unwrap_or(0)
}

/// How light a colour looks, of 255 (Rec. 601).
fn lightness(colour: Rgb<u8>) -> u32 {
    let [red, green, blue] = colour.0.map(u32::from);
    (299 * red + 587 * green + 114 * blue) / 1_000
}

/// A pixel of the map: grey below, a glow above.
fn glow(grey: u32, distance: u32) -> Rgb<u8> {
    // Grey stays in the lower third, so that every glow is lighter than what it lies on.
    let ground = grey / 4;
    let heat = distance.saturating_sub(NOISE).min(STRONG) * 255 / STRONG;
    let rise = |from: u32| heat.saturating_sub(from) * 255 / (255 - from);
    let over = |glow: u32| (ground + (255 - ground) * glow.min(255) / 255) as u8;
    Rgb([over(heat), over(rise(96)), over(rise(176))])
}

/// Width and height of [`circles`] in pixels.
pub fn circles_size() -> (u32, u32) {
    let width = CIRCLES.iter().sum::<u32>() + MARGIN * (CIRCLES.len() as u32 + 1);
    (width, 2 * (CIRCLES[0] + 2 * MARGIN))
}

/// A picture as people will see it: cut to a circle of 64, 32 and 16 pixels, on light ground above and on dark ground
/// below. Pixel for pixel what a browser makes of it, so best drawn in its own size.
pub fn circles(picture: &DynamicImage) -> RgbImage {
    let (width, height) = circles_size();
    let mut sheet = RgbImage::from_fn(width, height, |_, y| Rgb(GROUNDS[usize::from(y >= height / 2)]));
    let side = picture.width().min(picture.height());
    let square = picture.crop_imm(
        (picture.width() - side) / 2,
        (picture.height() - side) / 2,
        side,
        side,
    );
    let mut left = MARGIN;
    for diameter in CIRCLES {
        let Ok(face) = render(&square, diameter, diameter) else {
            continue;
        };
        for half in 0..2 {
            let top = half * height / 2 + (height / 2 - diameter) / 2;
            for (x, y, pixel) in face.enumerate_pixels() {
                let ground = sheet.get_pixel_mut(left + x, top + y);
                *ground = blend(*ground, *pixel, covered(x, y, diameter));
            }
        }
        left += diameter + MARGIN;
    }
    sheet
}

/// How much of a pixel lies in the circle, of [`POINTS`] squared.
fn covered(x: u32, y: u32, diameter: u32) -> u32 {
    // In units of a 2 × POINTS-th of a pixel, from the middle of the circle.
    let from_middle = |pixel: u32, point: u32| {
        let place = i64::from(2 * (pixel * POINTS + point) + 1);
        place - i64::from(diameter * POINTS)
    };
    let radius = i64::from(diameter * POINTS);
    let points = (0..POINTS).flat_map(|down| (0..POINTS).map(move |right| (right, down)));
    let inside = points.filter(|(right, down)| {
        let (x, y) = (from_middle(x, *right), from_middle(y, *down));
        x * x + y * y <= radius * radius
    });
    inside.count() as u32
}

fn blend(ground: Rgb<u8>, face: Rgb<u8>, covered: u32) -> Rgb<u8> {
    const WHOLE: u32 = POINTS * POINTS;
    let mut mixed = ground;
    for (mixed, face) in mixed.0.iter_mut().zip(face.0) {
        *mixed = ((u32::from(face) * covered + u32::from(*mixed) * (WHOLE - covered)) / WHOLE) as u8;
    }
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(width: u32, height: u32, colour: [u8; 3]) -> RgbImage {
        RgbImage::from_pixel(width, height, Rgb(colour))
    }

    fn dynamic(pixels: RgbImage) -> DynamicImage {
        DynamicImage::ImageRgb8(pixels)
    }

    #[test]
    fn a_picture_does_not_differ_from_itself_nor_from_its_noise() {
        let one = plain(40, 40, [120, 90, 60]);
        let noisy = RgbImage::from_fn(40, 40, |x, y| {
            let more = ((x + y) % 6) as u8;
            Rgb([120 + more, 90, 60 - more])
        });
        for other in [one.clone(), noisy] {
            let map = difference(&dynamic(one.clone()), &dynamic(other));
            let grey = map.get_pixel(0, 0).0[0];
            assert!(grey < 64);
            assert!(
                map.pixels().all(|pixel| pixel.0 == [grey; 3]),
                "all grey, no glow"
            );
        }
    }

    #[test]
    fn what_differs_glows_where_it_differs_and_nowhere_else() {
        let one = plain(60, 60, [100, 100, 100]);
        let mut other = one.clone();
        for (x, y) in (20..40).flat_map(|x| (20..40).map(move |y| (x, y))) {
            other.put_pixel(x, y, Rgb([250, 100, 100]));
        }
        let map = difference(&dynamic(one), &dynamic(other));
        assert_eq!(map.get_pixel(30, 30).0, [255; 3], "as strong as it gets");
        assert_eq!(map.get_pixel(5, 5).0, [25; 3]);
    }

    #[test]
    fn a_larger_difference_is_always_lighter_whatever_the_ground() {
        for grey in [0, 80, 255] {
            let mut before = 0;
            for distance in 0..=255 {
                let now = lightness(glow(grey, distance));
                assert!(now >= before, "grey {grey}, distance {distance}");
                before = now;
            }
            assert!(before > 250);
        }
        let (darkest_strong, lightest_ground) = (lightness(glow(0, 80)), lightness(glow(255, 0)));
        assert!(
            darkest_strong > lightest_ground,
            "{darkest_strong} {lightest_ground}"
        );
    }

    #[test]
    fn pictures_of_other_sizes_are_compared_in_one() {
        let gradient = |side: u32| {
            dynamic(RgbImage::from_fn(side, side, |x, y| {
                Rgb([(x * 255 / side) as u8, (y * 255 / side) as u8, 90])
            }))
        };
        let map = difference(&gradient(720), &gradient(180));
        assert_eq!(map.dimensions(), (MAP_SIDE, MAP_SIDE));
        let glowing = map.pixels().filter(|pixel| pixel.0[0] > 90).count();
        assert_eq!(glowing, 0);
        assert_eq!(difference(&gradient(48), &gradient(720)).dimensions(), (48, 48));
    }

    #[test]
    fn circles_are_round_in_three_sizes_on_both_grounds() {
        let map = circles(&dynamic(plain(90, 60, [200, 30, 30])));
        assert_eq!(map.dimensions(), circles_size());
        let half = map.height() / 2;
        let mut left = MARGIN;
        for diameter in CIRCLES {
            for (ground, middle) in [(GROUNDS[0], half / 2), (GROUNDS[1], half + half / 2)] {
                let radius = diameter / 2;
                assert_eq!(
                    map.get_pixel(left + radius, middle).0,
                    [200, 30, 30],
                    "{diameter}"
                );
                let corner = map.get_pixel(left, middle - radius).0;
                assert_eq!(corner, ground, "the corner of {diameter} is ground");
                let edge = map.get_pixel(left + radius, middle - radius).0;
                assert_ne!(edge, ground, "the circle of {diameter} reaches its edge");
            }
            left += diameter + MARGIN;
        }
    }

    #[test]
    fn the_middle_of_a_picture_is_what_a_circle_shows() {
        let wide = RgbImage::from_fn(300, 100, |x, _| {
            Rgb(if (100..200).contains(&x) {
                [0, 200, 0]
            } else {
                [200, 0, 0]
            })
        });
        let map = circles(&dynamic(wide));
        let middle = map.get_pixel(MARGIN + 32, map.height() / 4).0;
        assert_eq!(middle, [0, 200, 0]);
        assert!(map.pixels().all(|pixel| pixel.0 != [200, 0, 0]));
    }
}
