//! Photos (`entra.md` 1).

use std::fmt::Write as _;

use http::header::{ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Call;
use super::answer::{Failure, PLAIN_JSON, ok, to_json};
use super::groups::find_group;
use super::path::{PhotoPart, UserKey};
use super::permissions::{self, access_denied};
use super::settings::{EtagStyle, NoSize, PhotoFailure, PhotoStyle};
use super::token::unauthorized;
use crate::sandbox::exchange::Response;
use crate::sandbox::world::directory::{DirectoryPhoto, DirectoryUser, Mailbox};
use crate::sandbox::world::picture::Picture;

/// Square sizes that Microsoft 365 serves, in pixels.
const SIZES: [u32; 9] = [48, 64, 96, 120, 240, 360, 432, 504, 648];
/// What is said of a picture whose size nobody can tell, because it is broken.
const NOMINAL_SIZE: u32 = 648;
/// Most bytes of an upload.
const LARGEST_UPLOAD: usize = 4 * 1024 * 1024;
const IMAGE_NOT_FOUND: &str =
    "Exception of type 'Microsoft.Fast.Profile.Core.Exception.ImageNotFoundException' was thrown.";
const PHOTO_NOT_FOUND: &str = "The photo wasn't found.";

/// Everything but letters, digits and `-._~`.
const KEY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Photo metadata (`entra.md` 1.3).
#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(rename = "@odata.context", skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
    #[serde(rename = "@odata.mediaContentType")]
    content_type: &'a str,
    #[serde(rename = "@odata.mediaEtag", skip_serializing_if = "Option::is_none")]
    etag: Option<&'a str>,
    id: &'a str,
    height: u32,
    width: u32,
}

#[derive(Serialize)]
struct Sizes<'a> {
    #[serde(rename = "@odata.context")]
    context: &'a str,
    value: Vec<Metadata<'a>>,
}

/// A user's photo, taken out of the directory.
struct Photo {
    picture: Picture,
    etag: Option<String>,
    /// It is in the directory, not in Exchange.
    is_in_directory: bool,
    width: u32,
    height: u32,
}

impl Photo {
    /// The media type as the service claims it. The directory store writes JPEG with a capital letter.
    fn content_type(&self, picture: &Picture) -> &'static str {
        match picture.content_type() {
            "image/jpeg" if self.is_in_directory => "image/Jpeg",
            other => other,
        }
    }

    /// The sizes that there are.
    fn sizes(&self) -> Vec<(u32, u32)> {
        if self.is_in_directory {
            return vec![(self.width, self.height)];
        }
        let largest = self.width.min(self.height);
        SIZES
            .into_iter()
            .filter(|size| *size <= largest)
            .map(|size| (size, size))
            .collect()
    }

    /// The dimensions that a size such as `240X240` names, if there are any.
    fn find_size(&self, size: &str) -> Option<(u32, u32)> {
        let (width, height) = size.split_once(['x', 'X'])?;
        let size = (width.parse().ok()?, height.parse().ok()?);
        self.sizes().contains(&size).then_some(size)
    }
}

impl Call<'_> {
    /// Any request below `/users/{id}/photo` or `/users/{id}/photos`.
    pub(super) fn user_photo(&self, key: &UserKey<'_>, part: &PhotoPart<'_>) -> Result<Response, Failure> {
        match self.request.method {
            Method::GET => self.read_photo(key, part),
            Method::PUT | Method::PATCH if matches!(part, PhotoPart::Value(None)) => self.upload_photo(key),
            Method::DELETE if matches!(part, PhotoPart::Value(None) | PhotoPart::Metadata(None)) => {
                self.delete_photo(key)
            }
            _ => Err(self.method_not_allowed()),
        }
    }

    /// Any request below `/groups/{id}/photo`: groups have none here.
    pub(super) fn group_photo(&self, key: &str) -> Result<Response, Failure> {
        self.require_get()?;
        permissions::GROUP_PHOTO.check(self.grant, None)?;
        find_group(&self.service.world.directory.read(), key)?;
        Err(photo_failure(PhotoFailure::ImageNotFound, key))
    }

    fn read_photo(&self, key: &UserKey<'_>, part: &PhotoPart<'_>) -> Result<Response, Failure> {
        let photo = match self.find_photo(key)? {
            Ok(photo) => photo,
            Err(PhotoFailure::OnePixel) => return Ok(self.one_pixel(key, part)),
            Err(failure) => return Err(photo_failure(failure, key_text(key))),
        };
        match part {
            PhotoPart::Sizes => Ok(self.photo_sizes(key, &photo)),
            PhotoPart::Metadata(None) => Ok(self.photo_metadata(key, &photo, None)),
            PhotoPart::Metadata(Some(size)) => {
                let size = photo.find_size(size).ok_or_else(|| self.no_such_size())?;
                Ok(self.photo_metadata(key, &photo, Some(size)))
            }
            PhotoPart::Value(None) => Ok(self.photo_bytes(&photo, &photo.picture)),
            PhotoPart::Value(Some(size)) => {
                let size = photo.find_size(size).ok_or_else(|| self.no_such_size())?;
                let resized = if size == (photo.width, photo.height) {
                    None
                } else {
                    photo.picture.resized(size.0)
                };
                // A picture that nobody can decode is served as it is, whatever the size.
                Ok(self.photo_bytes(&photo, resized.as_ref().unwrap_or(&photo.picture)))
            }
        }
    }

    /// The photo, or the way in which there is none.
    fn find_photo(&self, key: &UserKey<'_>) -> Result<Result<Photo, PhotoFailure>, Failure> {
        let directory = self.service.world.directory.read();
        let found = self.find_user(&directory, key);
        permissions::USER_PHOTO.check(self.grant, self.owner(&found).as_deref())?;
        let has_raw_plus = matches!(
            key,
            UserKey::Key {
                has_raw_plus: true,
                ..
            }
        );
        if has_raw_plus {
            return Ok(Err(PhotoFailure::UnknownError));
        }
        let is_exchange = self.settings.photo_style == PhotoStyle::Exchange2018;
        let user = match found {
            Ok((_, user)) => user,
            Err(_) if is_exchange && !matches!(key, UserKey::Me) => {
                return Ok(Err(PhotoFailure::ErrorInvalidUser));
            }
            Err(failure) => return Err(failure),
        };
        if let Some(failure) = self.planted_failure(user) {
            return Ok(Err(failure));
        }
        match user.mailbox {
            Mailbox::OnPremises => return Ok(Err(PhotoFailure::MailboxNotHostedInExchangeOnline)),
            Mailbox::None if is_exchange => return Ok(Err(PhotoFailure::AuthenticationError)),
            Mailbox::None | Mailbox::ExchangeOnline => {}
        }
        let Some(DirectoryPhoto { picture, version }) = &user.photo else {
            let usual = match self.settings.photo_style {
                PhotoStyle::Current => PhotoFailure::ImageNotFound,
                PhotoStyle::Exchange2018 => PhotoFailure::ErrorItemNotFound,
                PhotoStyle::Doc1x1 => PhotoFailure::OnePixel,
                PhotoStyle::Batch2017 => PhotoFailure::EmptyBody,
            };
            return Ok(Err(self.settings.no_photo.unwrap_or(usual)));
        };
        let (width, height) = picture.dimensions().unwrap_or((NOMINAL_SIZE, NOMINAL_SIZE));
        if (width, height) == (1, 1) {
            return Ok(Err(PhotoFailure::OnePixel));
        }
        Ok(Ok(Photo {
            picture: picture.clone(),
            etag: self.etag(user.id, *version),
            is_in_directory: user.mailbox == Mailbox::None,
            width,
            height,
        }))
    }

    /// A failure that the settings plant at this user.
    fn planted_failure(&self, user: &DirectoryUser) -> Option<PhotoFailure> {
        let planted = &self.settings.photo_failures;
        if planted.is_empty() {
            return None;
        }
        let is_user = |key: &str| {
            key.eq_ignore_ascii_case(&user.principal) || key.eq_ignore_ascii_case(&user.id.to_string())
        };
        let failure = planted.iter().find(|(key, _)| is_user(key));
        failure.map(|(_, failure)| *failure)
    }

    /// Stable, opaque, and not a hash of the picture (`entra.md` 9.1).
    fn etag(&self, user: Uuid, version: u32) -> Option<String> {
        let salt = |purpose: &[u8], number: u64| {
            Sha256::new()
                .chain_update(purpose)
                .chain_update(user.as_bytes())
                .chain_update(number.to_le_bytes())
        };
        let mut hasher = salt(b"photo version\0", u64::from(version));
        if self.settings.etag_churn > 0.0 {
            const DAY_S: i64 = 86_400;
            let day = self.now.as_second().div_euclid(DAY_S) as u64;
            let dice = salt(b"churn\0", day).finalize();
            let percent = f64::from(u16::from_le_bytes([dice[0], dice[1]])) / 655.36;
            if percent < self.settings.etag_churn {
                hasher.update(day.to_le_bytes());
            }
        }
        let digest = hasher.finalize();
        let hex = |bytes: &[u8]| {
            bytes.iter().fold(String::with_capacity(72), |mut hex, byte| {
                // Writing to a string cannot fail.
                let _ = write!(hex, "{byte:02x}");
                hex
            })
        };
        match self.settings.etag_style {
            EtagStyle::Weak64 => Some(format!("W/\"{}\"", hex(&digest))),
            EtagStyle::Strong8 => Some(format!("\"{}\"", hex(&digest[..4]).to_uppercase())),
            EtagStyle::None => None,
        }
    }

    fn photo_metadata(&self, key: &UserKey<'_>, photo: &Photo, size: Option<(u32, u32)>) -> Response {
        let (width, height) = size.unwrap_or((photo.width, photo.height));
        let id = match (self.settings.photo_style, size) {
            (PhotoStyle::Current, None) => "default".to_owned(),
            (PhotoStyle::Exchange2018 | PhotoStyle::Batch2017, _) => format!("{width}X{height}"),
            (PhotoStyle::Current | PhotoStyle::Doc1x1, _) => format!("{width}x{height}"),
        };
        let context = self.photo_context(key, "photo/$entity");
        let body = to_json(&Metadata {
            context: Some(&context),
            content_type: photo.content_type(&photo.picture),
            etag: photo.etag.as_deref(),
            id: &id,
            height,
            width,
        });
        ok(PLAIN_JSON, body)
    }

    fn photo_sizes(&self, key: &UserKey<'_>, photo: &Photo) -> Response {
        let context = self.photo_context(key, "photos");
        let sizes = photo.sizes();
        let ids: Vec<String> = sizes
            .iter()
            .map(|(width, height)| format!("{width}x{height}"))
            .collect();
        let value = sizes
            .iter()
            .zip(&ids)
            .map(|((width, height), id)| Metadata {
                context: None,
                content_type: photo.content_type(&photo.picture),
                etag: photo.etag.as_deref(),
                id,
                height: *height,
                width: *width,
            })
            .collect();
        ok(
            PLAIN_JSON,
            to_json(&Sizes {
                context: &context,
                value,
            }),
        )
    }

    fn photo_bytes(&self, photo: &Photo, picture: &Picture) -> Response {
        let etag = photo.etag.as_deref();
        let is_known = etag.is_some_and(|etag| {
            let known = self.request.headers.get(IF_NONE_MATCH);
            self.settings.photo_304 && known.is_some_and(|known| known.as_bytes() == etag.as_bytes())
        });
        let mut response = if is_known {
            Response::empty(304)
        } else {
            ok(photo.content_type(picture), picture.bytes())
        };
        response
            .headers
            .insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
            response.headers.insert(ETAG, etag);
        }
        response
    }

    /// E10.
    fn one_pixel(&self, key: &UserKey<'_>, part: &PhotoPart<'_>) -> Response {
        if matches!(part, PhotoPart::Value(_)) {
            return ok("image/gif", Picture::single_pixel().bytes());
        }
        let context = self.photo_context(key, "photo/$entity");
        let body = to_json(&Metadata {
            context: Some(&context),
            content_type: "image/gif",
            etag: Some(""),
            id: "1x1",
            height: 1,
            width: 1,
        });
        ok(PLAIN_JSON, body)
    }

    fn photo_context(&self, key: &UserKey<'_>, below: &str) -> String {
        let key = match key {
            UserKey::Key { key, .. } => key.as_ref(),
            UserKey::Me => self.grant.user.as_deref().unwrap_or_default(),
        };
        let key = utf8_percent_encode(key, KEY);
        self.context(&format!("users('{key}')/{below}"))
    }

    fn no_such_size(&self) -> Failure {
        match self.settings.no_size {
            NoSize::Json404 => photo_failure(PhotoFailure::ImageNotFound, ""),
            NoSize::Empty404 => Failure::empty404(),
        }
    }

    fn upload_photo(&self, key: &UserKey<'_>) -> Result<Response, Failure> {
        let user = self.writable_user(key)?;
        let content_type = self.request.header("content-type").unwrap_or_default();
        if !content_type.to_ascii_lowercase().starts_with("image/") || self.request.body.is_empty() {
            return Err(Failure::new(
                400,
                "ErrorInvalidImage",
                "The request body is not an image.",
            ));
        }
        if self.request.body.len() > LARGEST_UPLOAD {
            return Err(Failure::new(
                413,
                "RequestEntityTooLarge",
                "The image is larger than 4 MB.",
            ));
        }
        let picture = Picture::from_bytes(self.request.body.clone());
        self.service
            .world
            .directory
            .write()
            .set_photo(&user, Some(picture));
        Ok(Response::empty(200))
    }

    fn delete_photo(&self, key: &UserKey<'_>) -> Result<Response, Failure> {
        let user = self.writable_user(key)?;
        let mut directory = self.service.world.directory.write();
        let has_photo = directory.find(&user).is_some_and(|user| user.photo.is_some());
        if !has_photo {
            return Err(photo_failure(PhotoFailure::ImageNotFound, &user));
        }
        directory.set_photo(&user, None);
        Ok(Response::empty(204))
    }

    /// The object id of a user whose photo the caller may change.
    fn writable_user(&self, key: &UserKey<'_>) -> Result<String, Failure> {
        let directory = self.service.world.directory.read();
        let found = self.find_user(&directory, key);
        permissions::USER_PHOTO_WRITE.check(self.grant, self.owner(&found).as_deref())?;
        Ok(found?.1.id.to_string())
    }
}

fn key_text<'a>(key: &'a UserKey<'_>) -> &'a str {
    match key {
        UserKey::Me => "me",
        UserKey::Key { key, .. } => key,
    }
}

/// The rows of `entra.md` 1.6; P6 is not an error.
fn photo_failure(failure: PhotoFailure, key: &str) -> Failure {
    match failure {
        PhotoFailure::ImageNotFound | PhotoFailure::OnePixel => {
            Failure::new(404, "ImageNotFound", IMAGE_NOT_FOUND)
        }
        PhotoFailure::ErrorItemNotFound => Failure::new(404, "ErrorItemNotFound", PHOTO_NOT_FOUND),
        PhotoFailure::GetUserPhoto => Failure::new(404, "GetUserPhoto", PHOTO_NOT_FOUND),
        PhotoFailure::ErrorEntityNotFound => Failure::new(404, "ErrorEntityNotFound", IMAGE_NOT_FOUND),
        PhotoFailure::ConsumerPhotoIsNotSupported => {
            Failure::new(404, "ConsumerPhotoIsNotSupported", PHOTO_NOT_FOUND)
        }
        PhotoFailure::EmptyBody => Failure::empty404(),
        PhotoFailure::ProfileNotFound => Failure::new(
            404,
            "ErrorEntityNotFound",
            "Exception of type 'Microsoft.Fast.Profile.Core.Exception.ProfileNotFoundException' was thrown.",
        ),
        PhotoFailure::UnknownError => Failure::new(404, "UnknownError", ""),
        PhotoFailure::RequestResourceNotFound => Failure::not_found(key),
        PhotoFailure::ErrorInvalidUser => Failure::new(
            404,
            "ErrorInvalidUser",
            format!("The requested user '{key}' is invalid."),
        ),
        PhotoFailure::ResourceNotFound => {
            Failure::new(404, "ResourceNotFound", "Resource could not be discovered.")
        }
        PhotoFailure::AuthenticationError => {
            Failure::new(400, "AuthenticationError", "Error authenticating with resource")
        }
        PhotoFailure::MailboxNotHostedInExchangeOnline => Failure::new(
            404,
            "MailboxNotHostedInExchangeOnline",
            "Mailbox is hosted by an on-premise or non-Exchange server, which is not supported.",
        ),
        PhotoFailure::MailboxNotEnabledForRestApi => Failure::new(
            404,
            "MailboxNotEnabledForRESTAPI",
            "REST API is not yet supported for this mailbox.",
        ),
        PhotoFailure::InvalidAuthenticationToken => {
            unauthorized("Lifetime validation failed, the token is expired.")
        }
        PhotoFailure::ErrorAccessDenied => access_denied(),
        PhotoFailure::AuthorizationRequestDenied => Failure::denied(),
        PhotoFailure::WrappedMessage => Failure::new(
            403,
            "UnknownError",
            r#"{"error":{"code":"NoPermissionsInAccessToken","message":"The token contains no permissions, or permissions can not be understood.","innerError":{"oAuthEventOperationId":"00000000-0000-0000-0000-000000000000"}}}"#,
        ),
    }
}
