//! What an answer about a photo means: the table of `entra.md` 1.6, as a pure function.

use serde_json::Value;

/// What was asked for, since an empty 404 means different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The largest photo there is, or its metadata.
    Largest,
    /// One size, which may be missing although there is a photo.
    OneSize,
}

/// What an answer about one person's photo means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PhotoOutcome {
    /// A success; what it holds is still to be checked.
    Delivered,
    /// The person exists and has no photo (P1 to P7).
    NoPhoto,
    /// There is no photo in this size, or none at all: ask for the largest (P7).
    NoSuchSize,
    /// The person is not in the directory (P10, P11).
    UserNotFound,
    /// A 404 that could mean either (P8, P9 and codes nobody knows): ask the directory.
    Ambiguous,
    /// The mailbox is not in Exchange Online (P12 to P15).
    StoreUnreachable,
    /// The token was refused (P16).
    SignIn,
    /// A right is missing (P17, P18).
    NotAllowed,
    /// "Slow down."
    Throttled,
    /// The service is in trouble; worth another try.
    Transient,
    /// It will not get better (P19 and the rest).
    Refused,
}

/// Codes of a 404 that say "no photo" (P1 to P5).
const NO_PHOTO: [&str; 5] = [
    "ImageNotFound",
    "ErrorItemNotFound",
    "GetUserPhoto",
    "ErrorEntityNotFound",
    "ConsumerPhotoIsNotSupported",
];

/// Codes that say that nobody has this key (P10, P11).
const NO_USER: [&str; 2] = ["Request_ResourceNotFound", "ErrorInvalidUser"];

/// Codes that say that the mailbox cannot be asked, whatever the status (P12, P14, P15).
const NO_STORE: [&str; 3] = [
    "ResourceNotFound",
    "MailboxNotHostedInExchangeOnline",
    "MailboxNotEnabledForRESTAPI",
];

/// Decides what an answer about a photo means. `body` is its JSON, or `Null` if it has none.
pub(super) fn photo_outcome(status: u16, body: &Value, asked: Asked) -> PhotoOutcome {
    let code = error_code(body);
    let is = |codes: &[&str]| {
        code.as_deref()
            .is_some_and(|code| codes.iter().any(|known| known.eq_ignore_ascii_case(code)))
    };
    match status {
        200..300 => PhotoOutcome::Delivered,
        401 => PhotoOutcome::SignIn,
        403 => PhotoOutcome::NotAllowed,
        429 => PhotoOutcome::Throttled,
        408 | 500..=599 => PhotoOutcome::Transient,
        400..500 if is(&NO_STORE) => PhotoOutcome::StoreUnreachable,
        400 if is(&["AuthenticationError"]) => PhotoOutcome::StoreUnreachable,
        404 if is(&NO_PHOTO) => PhotoOutcome::NoPhoto,
        404 if is(&NO_USER) => PhotoOutcome::UserNotFound,
        404 if code.is_none() => match asked {
            Asked::Largest => PhotoOutcome::NoPhoto,
            Asked::OneSize => PhotoOutcome::NoSuchSize,
        },
        404 => PhotoOutcome::Ambiguous,
        _ => PhotoOutcome::Refused,
    }
}

/// The code of an error envelope. Where the message is itself an error in JSON, the inner code counts (P19).
pub(super) fn error_code(body: &Value) -> Option<String> {
    let error = body.get("error")?;
    let inner = error["message"]
        .as_str()
        .filter(|message| message.trim_start().starts_with('{'))
        .and_then(|message| serde_json::from_str::<Value>(message).ok());
    let code = inner
        .as_ref()
        .and_then(|inner| inner["error"]["code"].as_str().or(inner["code"].as_str()))
        .or(error["code"].as_str())?;
    Some(code.to_owned())
}

impl PhotoOutcome {
    /// Why nothing can be told about a person's photo, in words for an administrator.
    pub(super) fn reason(self, body: &Value) -> String {
        let code = error_code(body)
            .map(|code| format!(" ({})", crate::domain::text::clean(&code)))
            .unwrap_or_default();
        match self {
            Self::UserNotFound => format!("Entra ID no longer knows this person{code}"),
            Self::StoreUnreachable => {
                format!("the mailbox is not in Exchange Online, so its photo cannot be read{code}")
            }
            Self::NotAllowed => format!("the application may not read this photo{code}"),
            Self::SignIn => format!("the sign-in was refused{code}"),
            Self::Throttled => format!("Entra ID kept asking to slow down{code}"),
            Self::Transient => format!("Entra ID kept failing{code}"),
            Self::Ambiguous => {
                format!("no photo was found, but the answer does not prove that there is none{code}")
            }
            Self::Delivered | Self::NoPhoto | Self::NoSuchSize | Self::Refused => {
                format!("Entra ID gave an answer that makes no sense{code}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(status: u16, code: &str, message: &str) -> PhotoOutcome {
        let body = json!({"error": {"code": code, "message": message}});
        photo_outcome(status, &body, Asked::Largest)
    }

    const NO_IMAGE: &str =
        "Exception of type 'Microsoft.Fast.Profile.Core.Exception.ImageNotFoundException' was thrown.";

    #[test]
    fn p1_image_not_found_is_no_photo() {
        assert_eq!(of(404, "ImageNotFound", NO_IMAGE), PhotoOutcome::NoPhoto);
    }

    #[test]
    fn p2_item_not_found_is_no_photo() {
        assert_eq!(
            of(404, "ErrorItemNotFound", "The photo wasn't found."),
            PhotoOutcome::NoPhoto
        );
    }

    #[test]
    fn p3_get_user_photo_is_no_photo() {
        assert_eq!(
            of(404, "GetUserPhoto", "The photo wasn't found."),
            PhotoOutcome::NoPhoto
        );
    }

    #[test]
    fn p4_entity_not_found_is_no_photo() {
        assert_eq!(of(404, "ErrorEntityNotFound", NO_IMAGE), PhotoOutcome::NoPhoto);
    }

    #[test]
    fn p5_a_consumer_account_has_no_photo() {
        assert_eq!(
            of(404, "ConsumerPhotoIsNotSupported", "The photo wasn't found."),
            PhotoOutcome::NoPhoto
        );
    }

    #[test]
    fn p6_metadata_is_delivered_whatever_it_says() {
        let body = json!({"id": "1x1", "width": 1, "height": 1});
        assert_eq!(photo_outcome(200, &body, Asked::Largest), PhotoOutcome::Delivered);
    }

    #[test]
    fn p7_an_empty_404_is_no_photo_only_for_the_largest() {
        assert_eq!(
            photo_outcome(404, &Value::Null, Asked::Largest),
            PhotoOutcome::NoPhoto
        );
        assert_eq!(
            photo_outcome(404, &Value::Null, Asked::OneSize),
            PhotoOutcome::NoSuchSize
        );
    }

    #[test]
    fn p8_a_profile_that_is_not_there_yet_is_ambiguous() {
        let message = "Exception of type 'ProfileNotFoundException' was thrown.";
        assert_eq!(of(404, "ProfileNotFound", message), PhotoOutcome::Ambiguous);
    }

    #[test]
    fn p9_unknown_error_is_ambiguous() {
        assert_eq!(of(404, "UnknownError", ""), PhotoOutcome::Ambiguous);
        assert_eq!(of(404, "SomethingNew", "?"), PhotoOutcome::Ambiguous);
    }

    #[test]
    fn p10_the_directory_does_not_know_the_person() {
        assert_eq!(
            of(404, "Request_ResourceNotFound", "Resource 'x' does not exist."),
            PhotoOutcome::UserNotFound
        );
    }

    #[test]
    fn p11_the_mailbox_service_does_not_know_the_person() {
        assert_eq!(
            of(404, "ErrorInvalidUser", "The requested user 'x' is invalid."),
            PhotoOutcome::UserNotFound
        );
    }

    #[test]
    fn p12_no_mailbox_to_route_to() {
        assert_eq!(
            of(404, "ResourceNotFound", "Resource could not be discovered."),
            PhotoOutcome::StoreUnreachable
        );
    }

    #[test]
    fn p13_no_mailbox_in_this_tenant() {
        assert_eq!(
            of(400, "AuthenticationError", "Error authenticating with resource"),
            PhotoOutcome::StoreUnreachable
        );
    }

    #[test]
    fn p14_a_mailbox_on_premises() {
        for status in [400, 404] {
            assert_eq!(
                of(
                    status,
                    "MailboxNotHostedInExchangeOnline",
                    "Mailbox is hosted by…"
                ),
                PhotoOutcome::StoreUnreachable
            );
        }
    }

    #[test]
    fn p15_a_mailbox_without_the_interface() {
        assert_eq!(
            of(
                404,
                "MailboxNotEnabledForRESTAPI",
                "REST API is not yet supported for this mailbox."
            ),
            PhotoOutcome::StoreUnreachable
        );
    }

    #[test]
    fn p16_a_refused_token() {
        assert_eq!(
            of(401, "InvalidAuthenticationToken", "Access token is empty."),
            PhotoOutcome::SignIn
        );
    }

    #[test]
    fn p17_no_right_to_photos() {
        assert_eq!(
            of(403, "ErrorAccessDenied", "Access is denied."),
            PhotoOutcome::NotAllowed
        );
    }

    #[test]
    fn p18_no_right_to_the_directory() {
        assert_eq!(
            of(403, "Authorization_RequestDenied", "Insufficient privileges."),
            PhotoOutcome::NotAllowed
        );
    }

    #[test]
    fn p19_an_error_wrapped_in_a_message_is_unwrapped_once() {
        let wrapped = r#"{"error":{"code":"ImageNotFound","message":"…"}}"#;
        assert_eq!(of(404, "UnknownError", wrapped), PhotoOutcome::NoPhoto);
        let refused = r#"{"error":{"code":"NoPermissionsInAccessToken"}}"#;
        assert_eq!(of(403, "UnknownError", refused), PhotoOutcome::NotAllowed);
        assert_eq!(of(400, "UnknownError", refused), PhotoOutcome::Refused);
    }

    #[test]
    fn codes_are_compared_without_case() {
        assert_eq!(of(404, "imagenotfound", ""), PhotoOutcome::NoPhoto);
    }

    #[test]
    fn trouble_is_worth_another_try() {
        for status in [408, 500, 502, 503, 504] {
            assert_eq!(
                photo_outcome(status, &Value::Null, Asked::Largest),
                PhotoOutcome::Transient
            );
        }
        assert_eq!(
            of(429, "ApplicationThrottled", "MailboxConcurrency"),
            PhotoOutcome::Throttled
        );
    }

    #[test]
    fn a_reason_names_the_code() {
        let body = json!({"error": {"code": "MailboxNotHostedInExchangeOnline\u{1b}[31m"}});
        let reason = PhotoOutcome::StoreUnreachable.reason(&body);
        assert!(
            reason.contains("Exchange Online") && reason.contains("MailboxNotHosted"),
            "{reason}"
        );
        assert!(!reason.contains('\u{1b}'));
    }
}
