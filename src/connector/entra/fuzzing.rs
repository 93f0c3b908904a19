//! Graph's answers, as any bytes (`reliability.md` E11, A5).

use super::people;
use super::photos;
use crate::connector::http::Answer;
use crate::domain::ids::SourceId;

/// An answer of this body.
pub(super) fn answer(bytes: &[u8]) -> Answer {
    Answer {
        status: ::http::StatusCode::OK,
        headers: ::http::HeaderMap::new(),
        body: bytes::Bytes::copy_from_slice(bytes),
    }
}

/// An object id can be put into an address as it is.
pub(super) fn is_object_id(id: &SourceId) -> bool {
    let id = id.as_str();
    id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// A page of users.
pub(crate) fn user_page(bytes: &[u8]) {
    people::fuzz_page(bytes);
}

/// A batch of photos' metadata.
pub(crate) fn batch(bytes: &[u8]) {
    photos::fuzz_batch(bytes);
}
