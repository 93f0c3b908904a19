//! A table's rows, as any bytes (`reliability.md` E11, L8).

use super::client::read_rows;
use crate::connector::http::Answer;

/// A page of any table that is read; what comes of it can be put into a query as it is.
pub(crate) fn table_page(bytes: &[u8]) {
    let answer = Answer {
        status: ::http::StatusCode::OK,
        headers: ::http::HeaderMap::new(),
        body: bytes::Bytes::copy_from_slice(bytes),
    };
    let Ok(page) = read_rows(&answer) else {
        return;
    };
    // Demo data has keys that are words. What must not get in is what the query language would take for its own.
    let is_safe = |id: &str| {
        let is_plain =
            |letter: char| !letter.is_control() && !matches!(letter, '^' | ',' | '/' | '?' | '#' | '%' | ':');
        (1..=32).contains(&id.len()) && id.chars().all(is_plain)
    };
    for row in &page.result {
        if let Ok(id) = row.sys_id() {
            assert!(is_safe(id), "{id:?}");
        }
        for column in ["correlation_id", "email"] {
            if let Ok(person) = row.person(Some(column)) {
                assert!(is_safe(person.id.as_str()), "{person:?}");
            }
        }
        if let Ok(Some(profile)) = row.profile() {
            assert!(is_safe(profile.id.as_str()) && is_safe(profile.user.as_str()));
        }
        if let Ok(attachment) = row.attachment() {
            assert!(is_safe(attachment.picture.id.as_str()), "{attachment:?}");
        }
        let _ = row.column("photo");
    }
}
