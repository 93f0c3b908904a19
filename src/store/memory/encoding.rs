//! [`Content`] as bytes: small and quick, because there are hundreds of thousands.

use crate::domain::comparison::Content;
use crate::domain::photo::Sha256;
use crate::domain::picture::{Fingerprint, PictureFacts, PictureFormat, PictureProblem};

const UNSEEN: u8 = 0;
const UNSOUND: u8 = 2;
// 1 was a sound picture without its shades.
const SOUND: u8 = 3;

/// The formats by their number; only ever appended to.
const FORMATS: [PictureFormat; 5] = [
    PictureFormat::Jpeg,
    PictureFormat::Png,
    PictureFormat::Gif,
    PictureFormat::Webp,
    PictureFormat::Bmp,
];

pub(super) fn encode(content: &Content) -> Vec<u8> {
    match content {
        Content::Unseen => vec![UNSEEN],
        Content::Sound(facts) => {
            let mut bytes = Vec::with_capacity(112);
            bytes.push(SOUND);
            bytes.extend(facts.sha256.as_bytes());
            bytes.extend(facts.bytes.to_le_bytes());
            let format = FORMATS.iter().position(|format| *format == facts.format);
            bytes.push(format.expect("every format has a number") as u8);
            bytes.extend(facts.width.to_le_bytes());
            bytes.extend(facts.height.to_le_bytes());
            bytes.extend(facts.fingerprint.bits.to_le_bytes());
            bytes.extend(facts.fingerprint.colours.as_flattened());
            bytes.push(facts.fingerprint.shades);
            bytes
        }
        Content::Unsound(problem) => {
            let mut bytes = vec![UNSOUND];
            serde_json::to_writer(&mut bytes, problem).expect("plain values into memory");
            bytes
        }
    }
}

/// `None` for bytes that [`encode`] did not make.
pub(super) fn decode(bytes: &[u8]) -> Option<Content> {
    let (kind, rest) = bytes.split_first()?;
    match *kind {
        UNSEEN if rest.is_empty() => Some(Content::Unseen),
        SOUND => decode_facts(rest).map(Content::Sound),
        UNSOUND => serde_json::from_slice::<PictureProblem>(rest)
            .ok()
            .map(Content::Unsound),
        _ => None,
    }
}

fn decode_facts(mut rest: &[u8]) -> Option<PictureFacts> {
    let facts = PictureFacts {
        sha256: Sha256::from_bytes(take(&mut rest)?),
        bytes: u64::from_le_bytes(take(&mut rest)?),
        format: *FORMATS.get(usize::from(take::<1>(&mut rest)?[0]))?,
        width: u32::from_le_bytes(take(&mut rest)?),
        height: u32::from_le_bytes(take(&mut rest)?),
        fingerprint: Fingerprint {
            bits: u64::from_le_bytes(take(&mut rest)?),
            colours: {
                let flat: [u8; 48] = take(&mut rest)?;
                let (fields, _) = flat.as_chunks::<3>();
                fields.try_into().ok()?
            },
            shades: take::<1>(&mut rest)?[0],
        },
    };
    rest.is_empty().then_some(facts)
}

fn take<const COUNT: usize>(rest: &mut &[u8]) -> Option<[u8; COUNT]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            digest: [u8; 32], bytes: u64, format in 0_usize..5, width: u32, height: u32, bits: u64,
            colours: [[u8; 3]; 16], shades: u8,
        ) {
            let content = Content::Sound(PictureFacts {
                sha256: Sha256::from_bytes(digest),
                bytes,
                format: FORMATS[format],
                width,
                height,
                fingerprint: Fingerprint { bits, colours, shades },
            });
            prop_assert_eq!(decode(&encode(&content)), Some(content));
        }

        #[test]
        fn nonsense_is_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(content) = decode(&bytes) {
                prop_assert_eq!(decode(&encode(&content)), Some(content));
            }
        }
    }

    #[test]
    fn problems_and_the_unseen_survive_too() {
        for content in [
            Content::Unseen,
            Content::Unsound(PictureProblem::Empty),
            Content::Unsound(PictureProblem::NotAPicture {
                looks_like: "JSON".into(),
            }),
            Content::Unsound(PictureProblem::TooManyPixels { width: 5, height: 6 }),
        ] {
            assert_eq!(decode(&encode(&content)), Some(content));
        }
    }
}
