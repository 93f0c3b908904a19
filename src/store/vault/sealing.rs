//! How a sealed picture is written: magic and version, the key's id, a random nonce, and the picture sealed with
//! XChaCha20-Poly1305.
//!
//! The nonce has 24 bytes, so that it can be drawn at random for every file under one key. What stands in front and the
//! SHA-256 of the picture are authenticated with it: a file that is cut, changed, or put under another picture's name
//! does not open.

use bytes::Bytes;
use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead as _, Generate as _, Payload};

use crate::domain::photo::Sha256;
use crate::store::keys::{KeyId, VaultKey};

/// Names the format; the last byte is its version.
const MAGIC: [u8; 8] = *b"avsseal\x01";
const KEY_ID: usize = 8;
const NONCE: usize = 24;
const FRONT: usize = MAGIC.len() + KEY_ID;

/// Bytes in front of what is sealed.
pub(super) const HEADER: usize = FRONT + NONCE;

/// Seals a picture.
pub(super) fn seal(key: &VaultKey, picture: &[u8], sha256: &Sha256) -> Vec<u8> {
    let nonce = XNonce::generate();
    let front = front(key.id());
    let payload = Payload {
        msg: picture,
        aad: &associated(&front, sha256),
    };
    let sealed = key
        .cipher()
        .encrypt(&nonce, payload)
        .expect("a picture is far shorter than the cipher's limit of 256 GiB");
    [&front[..], nonce.as_slice(), &sealed].concat()
}

/// Opens what [`seal`] made of this picture; `None` if it is anything else.
pub(super) fn open(key: &VaultKey, file: &[u8], sha256: &Sha256) -> Option<Bytes> {
    let (header, sealed) = file.split_at_checked(HEADER)?;
    let (front, nonce) = header.split_at(FRONT);
    let payload = Payload {
        msg: sealed,
        aad: &associated(front, sha256),
    };
    let nonce = nonce.try_into().ok()?;
    let picture = key.cipher().decrypt(nonce, payload).ok()?;
    (front == self::front(key.id()) && Sha256::of(&picture) == *sha256).then(|| picture.into())
}

/// Which key a file that begins like this was sealed with; `None` if it is not sealed.
pub(super) fn key_of(beginning: &[u8]) -> Option<KeyId> {
    let id = beginning.strip_prefix(&MAGIC)?.first_chunk::<KEY_ID>()?;
    Some(KeyId::from_bytes(*id))
}

fn front(id: KeyId) -> [u8; FRONT] {
    let mut front = [0; FRONT];
    front[..MAGIC.len()].copy_from_slice(&MAGIC);
    front[MAGIC.len()..].copy_from_slice(id.as_bytes());
    front
}

fn associated(front: &[u8], sha256: &Sha256) -> Vec<u8> {
    [front, sha256.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACE: &[u8] = b"\xff\xd8\xff\xe0 a face";

    #[test]
    fn what_is_sealed_opens_with_its_key_alone_and_never_looks_the_same_twice() {
        let (key, other) = (VaultKey::generate(), VaultKey::generate());
        let sha256 = Sha256::of(FACE);
        let sealed = seal(&key, FACE, &sha256);
        assert_eq!(open(&key, &sealed, &sha256).as_deref(), Some(FACE));
        assert_eq!(open(&other, &sealed, &sha256), None);
        assert_eq!(key_of(&sealed), Some(key.id()));
        assert_ne!(seal(&key, FACE, &sha256), sealed);
        assert!(!sealed.windows(4).any(|window| window == &FACE[..4]));
    }

    #[test]
    fn a_changed_cut_or_exchanged_file_does_not_open() {
        let key = VaultKey::generate();
        let sha256 = Sha256::of(FACE);
        let sealed = seal(&key, FACE, &sha256);
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert_eq!(open(&key, &changed, &sha256), None, "byte {position}");
            assert_eq!(
                open(&key, &sealed[..position], &sha256),
                None,
                "cut at {position}"
            );
        }
        let of_another = Sha256::of(b"another face");
        assert_eq!(open(&key, &sealed, &of_another), None);
        let longer = [&sealed[..], b"\0"].concat();
        assert_eq!(open(&key, &longer, &sha256), None);
    }

    #[test]
    fn a_plain_picture_is_not_sealed_and_a_newer_format_is_not_this_one() {
        assert_eq!(key_of(FACE), None);
        assert_eq!(key_of(b"avsseal\x02 12345678"), None);
        assert_eq!(key_of(b"avsseal\x01"), None);
    }
}
