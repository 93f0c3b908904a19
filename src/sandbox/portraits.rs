//! Drawn people, so that a practice tenant has faces and nobody's photograph.
//!
//! A [`Portrait`] is a recipe of 16 bytes. [`Portrait::bytes`] draws it, the same bytes on every platform and for ever;
//! [`Portrait::sha256`] and [`Portrait::len`] answer for 300,000 people without drawing 300,000 pictures: there are
//! [`FACES`] different faces, each is drawn once, and what makes a person's file their own is a comment at its end.
//! The hash of everything before that comment is remembered, so a person's hash costs one block of SHA-256.

mod cache;
mod draw;
mod encode;
mod face;

use bytes::Bytes;

pub(crate) use face::Covering;
pub use face::Presentation;

/// How many different faces there are. In a larger tenant people share faces, though never bytes.
pub const FACES: u16 = 4096;

/// A recipe for a drawn person.
///
/// Two recipes that differ in anything, [`Portrait::person`] included, give different bytes (only truncated files
/// have no room for the person); recipes that differ only in person and version show the very same pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Portrait {
    person: u32,
    face: u16,
    version: u16,
    width: u16,
    look: u8,
    encoding: Encoding,
    shape: Shape,
}

/// How a portrait is stored in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    /// An ordinary baseline JPEG.
    Jpeg,
    /// The same at a much lower quality: other bytes, same picture to the eye.
    JpegLow,
    /// A progressive JPEG.
    JpegProgressive,
    /// A four-colour JPEG in Adobe's inverted form, as print departments make them.
    JpegCmyk,
    /// A JPEG whose pixels lie on their side and whose EXIF orientation (6) says so, as telephones make them.
    JpegTurned,
    /// A JPEG that ends in the middle of the picture.
    JpegTruncated,
    /// A PNG with eight bits a channel.
    Png,
    /// A PNG with sixteen bits a channel.
    Png16,
}

/// The shape of a portrait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Shape {
    Square,
    /// Three wide, four high.
    Tall,
}

impl Portrait {
    /// The usual portrait of a person: an ordinary square JPEG, 360 pixels wide. `face` is taken modulo [`FACES`].
    pub fn new(person: u32, face: u16) -> Self {
        Self {
            person,
            face: face % FACES,
            version: 1,
            width: 360,
            look: 0,
            encoding: Encoding::Jpeg,
            shape: Shape::Square,
        }
    }

    /// In another width in pixels, at least 1 and at most 2,048.
    #[must_use]
    pub fn with_width(self, pixels: u16) -> Self {
        Self {
            width: pixels.clamp(1, 2048),
            ..self
        }
    }

    /// In another encoding.
    #[must_use]
    pub fn with_encoding(self, encoding: Encoding) -> Self {
        Self { encoding, ..self }
    }

    /// The same person on another day: other hair, clothes and surroundings. 0 is today.
    #[must_use]
    pub fn with_look(self, look: u8) -> Self {
        Self { look, ..self }
    }

    /// The same picture saved once more: other bytes.
    #[must_use]
    pub fn with_version(self, version: u16) -> Self {
        Self { version, ..self }
    }

    /// Three wide and four high instead of square.
    #[must_use]
    pub fn tall(self) -> Self {
        Self {
            shape: Shape::Tall,
            ..self
        }
    }

    /// Which of the [`FACES`] it shows.
    pub fn face(&self) -> u16 {
        self.face
    }

    /// The number that makes this person's file their own.
    pub fn person(&self) -> u32 {
        self.person
    }

    /// How it is stored.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The file. Draws it unless it was drawn a short while ago (about a millisecond and a half at 360 pixels).
    pub fn bytes(&self) -> Bytes {
        let prefix = cache::shared().prefix(self.drawing(), || self.draw());
        let tail = self.tail();
        if tail.is_empty() {
            return prefix;
        }
        [prefix.as_ref(), &tail].concat().into()
    }

    /// SHA-256 of [`Portrait::bytes`]; draws the face only if that was never done before.
    pub fn sha256(&self) -> [u8; 32] {
        use sha2::Digest;
        let mut hasher = cache::shared().seal(self.drawing(), || self.draw()).midstate;
        hasher.update(self.tail());
        hasher.finalize().into()
    }

    /// The length of [`Portrait::bytes`]; draws the face only if that was never done before.
    #[expect(clippy::len_without_is_empty, reason = "a portrait is never empty")]
    pub fn len(&self) -> u64 {
        let seal = cache::shared().seal(self.drawing(), || self.draw());
        u64::from(seal.length) + self.tail().len() as u64
    }

    /// Width and height in pixels as the file's header states them. Nothing is drawn.
    pub fn dimensions(&self) -> (u32, u32) {
        let (width, height) = self.upright();
        if self.encoding == Encoding::JpegTurned {
            (u32::from(height), u32::from(width))
        } else {
            (u32::from(width), u32::from(height))
        }
    }

    /// The media type of the file.
    pub fn content_type(&self) -> &'static str {
        match self.encoding {
            Encoding::Png | Encoding::Png16 => "image/png",
            Encoding::Jpeg
            | Encoding::JpegLow
            | Encoding::JpegProgressive
            | Encoding::JpegCmyk
            | Encoding::JpegTurned
            | Encoding::JpegTruncated => "image/jpeg",
        }
    }

    /// A square rendition of this width as Graph makes them: an ordinary JPEG, cut from the middle if the original is
    /// not square. `None` if the original is smaller, or cannot be decoded. The original itself if it has that size.
    pub fn resized(&self, size: u32) -> Option<Self> {
        let (width, height) = self.upright();
        let wanted = u16::try_from(size)
            .ok()
            .filter(|wanted| (1..=width).contains(wanted))?;
        if wanted == width && width == height {
            return Some(*self);
        }
        (self.encoding != Encoding::JpegTruncated).then_some(Self {
            width: wanted,
            encoding: Encoding::Jpeg,
            shape: Shape::Square,
            ..*self
        })
    }

    /// True if both show the same person on the same day: to the eye the same picture, whatever its size and form.
    pub fn shows_the_same_as(&self, other: &Self) -> bool {
        (self.face, self.look, self.shape) == (other.face, other.look, other.shape)
    }

    fn upright(&self) -> (u16, u16) {
        match self.shape {
            Shape::Square => (self.width, self.width),
            Shape::Tall => (self.width, self.width / 3 * 4),
        }
    }

    /// Everything that decides the bytes before the comment, packed into one key.
    fn drawing(&self) -> u64 {
        u64::from(self.face)
            | u64::from(self.width) << 16
            | u64::from(self.look) << 32
            | (self.encoding as u64) << 40
            | (self.shape as u64) << 48
    }

    /// Draws and encodes; the file up to where the comment goes.
    fn draw(&self) -> Bytes {
        let (width, height) = self.upright();
        let pixels = draw::draw(&face::Face::invent(self.face, self.look), width, height);
        encode::encode(&pixels, self.encoding)
    }

    /// The comment that only this person's file has, and the end of the file.
    fn tail(&self) -> Vec<u8> {
        let comment = format!("practice portrait {:08x}.{}", self.person, self.version);
        encode::tail(self.encoding, &comment)
    }
}

/// An ordinary JPEG of a square picture; what is transparent becomes white.
pub(crate) fn jpeg_on_white(pixels: &image::RgbaImage, side: u16) -> Vec<u8> {
    let opaque: Vec<u8> = pixels
        .pixels()
        .flat_map(|pixel| {
            let [red, green, blue, alpha] = pixel.0.map(u32::from);
            [red, green, blue].map(|channel| ((channel * alpha + 255 * (255 - alpha)) / 255) as u8)
        })
        .collect();
    encode::jpeg(&opaque, side, side, jpeg_encoder::ColorType::Rgb, |_| {})
}

/// What a name should go with.
pub(crate) struct Appearance {
    pub(crate) presentation: Presentation,
    /// Skin from 0 (light) to 7 (deep).
    pub(crate) tone: u8,
    pub(crate) covering: Covering,
}

/// The traits of a face that a name is chosen by.
pub(crate) fn appearance(face: u16) -> Appearance {
    let sketch = face::Face::sketch(face % FACES);
    Appearance {
        presentation: face::Face::presentation(face % FACES),
        tone: sketch.tone,
        covering: sketch.covering,
    }
}

#[cfg(test)]
mod tests;
