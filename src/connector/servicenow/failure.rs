//! What an instance's refusals mean, and what to do about them (`servicenow.md` 2.8, 3.4, 5, 7).

use ::http::StatusCode;

use super::SYSTEM;
use super::rows::BadRow;
use super::settings::ServiceNowAuth;
use crate::connector::ErrorKind;
use crate::connector::http::{Answer, Class, Failure};
use crate::domain::text::clean;

/// How we sign in, for the hints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignIn {
    ClientCredentials,
    Password,
    Basic,
}

impl From<&ServiceNowAuth> for SignIn {
    fn from(auth: &ServiceNowAuth) -> Self {
        match auth {
            ServiceNowAuth::ClientCredentials { .. } => Self::ClientCredentials,
            ServiceNowAuth::Password { .. } => Self::Password,
            ServiceNowAuth::Basic { .. } => Self::Basic,
        }
    }
}

impl SignIn {
    /// Everything that the one answer of the token endpoint can mean (`servicenow.md` 5.2).
    pub(super) fn token_hint(self) -> &'static str {
        match self {
            Self::ClientCredentials | Self::Basic => {
                "ServiceNow gives this answer for every cause, so check each: client id and client secret; system \
                 property glide.oauth.inbound.client.credential.grant_type.enabled is true; the OAuth entry is \
                 active and has an OAuth Application User; that user is active and not locked out; the entry's auth \
                 scope allows the Table and Attachment API. The true reason is in the instance's system log"
            }
            Self::Password => {
                "ServiceNow gives this answer for every cause, so check each: user name and password; the account is \
                 active, not locked out and not bound to multi-factor sign-in; client id and client secret; the OAuth \
                 entry is active and allows the password grant. The true reason is in the instance's system log. The \
                 password is not tried more than twice, so that the account is not locked"
            }
        }
    }

    /// What a refused API request means (`servicenow.md` 5.3, 5.4).
    fn refused_hint(self) -> &'static str {
        match self {
            Self::Basic => {
                "check user name and password, and that the account is active and not locked out. Many instances \
                 refuse basic authentication for interactive accounts although the password is right: tick \"Web \
                 service access only\" on the account, give it the role snc_basic_auth_api_access, or use OAuth. The \
                 password is not tried more than twice, so that the account is not locked"
            }
            Self::ClientCredentials | Self::Password => {
                "the token was issued but the API refuses it: check that the account behind it is active and not \
                 locked out, and that REST API access policies let OAuth reach the Table and Attachment API"
            }
        }
    }
}

/// Says what a failure means for whoever administers the instance.
pub(super) fn explain(mut failure: Failure, sign_in: SignIn) -> Failure {
    if failure.kind == ErrorKind::SignInRejected {
        if failure.hint.is_none() {
            failure.hint = Some(sign_in.refused_hint().to_owned());
        }
        return failure;
    }
    let Some(answer) = &failure.answer else {
        return failure;
    };
    if failure.kind == ErrorKind::OutcomeUnknown || matches!(failure.class, Some(Class::WrongSpeaker(_))) {
        return failure;
    }
    let words = Words::of(answer);
    match answer.status.as_u16() {
        403 => explain_forbidden(&mut failure, &words),
        404 | 410 => {
            failure.hint.get_or_insert_with(|| {
                "the record is gone, or an access rule hides it from this account".to_owned()
            });
        }
        413 => {
            let limit = words.limit().unwrap_or_default();
            failure.kind = ErrorKind::TooLarge { limit };
            failure.hint = Some(
                "the instance's limit is smaller: see system properties com.glide.attachment.max_size and \
                 glide.rest.max_content_length, or lower the upload limit"
                    .to_owned(),
            );
        }
        400 => explain_bad_request(&mut failure, &words),
        _ => {}
    }
    failure
}

fn explain_forbidden(failure: &mut Failure, words: &Words) {
    let allow = |needs: &str| {
        (
            ErrorKind::NotAllowed {
                needs: needs.to_owned(),
            },
            format!("grant {needs}, then run `avatar-sync check`"),
        )
    };
    let (kind, hint) = if words.detail.contains("API level ACL")
        || words.message.contains("User Not Authorized")
    {
        allow(
            "the account access to the Table and Attachment API (REST API access policy, machine-identity access \
             control, or role snc_platform_rest_api_access)",
        )
    } else if is_query_refusal(words) {
        allow(
            "the account's role the query_match and query_range rules on the columns used in queries: sys_id, \
             table_name, table_sys_id, file_name, document, type, email, user_name and those of the scope",
        )
    } else if let Some(rule) = words.business_rule() {
        (
            ErrorKind::Refused,
            format!(
                "the instance's business rule \"{rule}\" stopped this; exempt the account in its condition"
            ),
        )
    } else {
        return;
    };
    failure.kind = kind;
    failure.hint = Some(hint);
}

fn explain_bad_request(failure: &mut Failure, words: &Words) {
    let message = words.message.to_ascii_lowercase();
    let detail = words.detail.to_ascii_lowercase();
    let hint = if message.starts_with("invalid table") {
        "the instance does not have this table: for live_profile activate Live Feed or choose the write mode sys-user"
    } else if message.contains("does not represent any resource") {
        "the address answers but does not offer this API: check that it is the instance itself"
    } else if message.contains("invalid file type") || detail.contains("invalid file type") {
        "system property glide.attachment.extensions must be empty or tolerate file names without an extension: the \
         platform stores pictures of image fields under the name \"photo\""
    } else if message.contains("mime") || detail.contains("mime") {
        "system property glide.security.file.mime_type.validation compares the type with the file name, and pictures \
         of image fields have no extension"
    } else if detail.contains("large rest payload") {
        failure.kind = ErrorKind::TooLarge {
            limit: words.limit().unwrap_or_default(),
        };
        "the instance's limit is smaller: see system property glide.rest.max_content_length, or lower the upload limit"
    } else {
        return;
    };
    failure.hint = Some(hint.to_owned());
}

/// True if the instance refuses to search or sort by a column (`servicenow.md` 2.5).
pub(super) fn is_query_refused(failure: &Failure) -> bool {
    let answer = failure
        .answer
        .as_ref()
        .filter(|answer| answer.status == StatusCode::FORBIDDEN);
    answer.is_some_and(|answer| is_query_refusal(&Words::of(answer)))
}

fn is_query_refusal(words: &Words) -> bool {
    words.message.contains("Insufficient rights to query") || words.detail.contains("present in the query")
}

/// True if the request target was too long for an edge in between (`servicenow.md` 2.9, E29).
pub(super) fn is_target_too_long(failure: &Failure) -> bool {
    let Some(answer) = &failure.answer else {
        return false;
    };
    match answer.status.as_u16() {
        414 | 431 => true,
        400 => {
            let start = &answer.body[..answer.body.len().min(8 * 1024)];
            let text = String::from_utf8_lossy(start).to_ascii_lowercase();
            text.contains("header is too large")
                || text.contains("uri too long")
                || text.contains("uri is too long")
        }
        _ => false,
    }
}

/// True if the instance gave up because it was asked for too much at once (`servicenow.md` 6.3).
pub(super) fn asked_too_much(failure: &Failure) -> bool {
    failure.class == Some(Class::CutOff) || failure.status() == Some(StatusCode::GATEWAY_TIMEOUT)
}

/// True if a failure of a request for several people may be the doing of one of them.
pub(super) fn may_be_one_rows_fault(failure: &Failure) -> bool {
    match failure.kind {
        ErrorKind::UnexpectedAnswer | ErrorKind::Refused => true,
        ErrorKind::Unavailable => failure.status() == Some(StatusCode::INTERNAL_SERVER_ERROR),
        _ => false,
    }
}

/// True if the instance has no such table.
pub(super) fn is_table_missing(failure: &Failure) -> bool {
    let answer = failure
        .answer
        .as_ref()
        .filter(|answer| matches!(answer.status.as_u16(), 400 | 404));
    answer.is_some_and(|answer| Words::of(answer).message.starts_with("Invalid table"))
}

/// A row that cannot be used, as a failure.
pub(super) fn bad_row(table: &str, operation: &str, row: BadRow) -> Failure {
    let kind = match &row {
        BadRow::Missing { column } => ErrorKind::NotAllowed {
            needs: format!("read access to column {column} of {table}"),
        },
        BadRow::NotAnId { .. } | BadRow::NotAsked(_) => ErrorKind::UnexpectedAnswer,
    };
    Failure::because(SYSTEM, operation, kind, row)
}

/// A good status with something else than the rows asked for.
pub(super) fn unreadable(operation: &str, answer: Answer, error: &serde_json::Error) -> Failure {
    if Words::of(&answer).message.is_empty() {
        Failure::unreadable(SYSTEM, operation, error)
    } else {
        // An error envelope behind a success status: refused for good, in the service's own words.
        Failure::answered(SYSTEM, operation, ErrorKind::Refused, answer)
    }
}

/// Something that makes no sense, in words.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Nonsense(pub(super) String);

/// `error.message` and `error.detail` of an envelope; empty where there is none.
struct Words {
    message: String,
    detail: String,
}

impl Words {
    fn of(answer: &Answer) -> Self {
        let json: serde_json::Value = answer.json().unwrap_or_default();
        let text = |name: &str| json["error"][name].as_str().unwrap_or_default().to_owned();
        Self {
            message: text("message"),
            detail: text("detail"),
        }
    }

    /// The name in "… was aborted by Business Rule 'Lock profiles^9b1e…'".
    fn business_rule(&self) -> Option<String> {
        let (_, rest) = self.detail.split_once("aborted by Business Rule '")?;
        let name = rest.split(['^', '\'']).next()?;
        Some(clean(name).into_owned())
    }

    /// The number in "Max allowed: 10485760 bytes".
    fn limit(&self) -> Option<u64> {
        let (_, rest) = self.detail.split_once("Max allowed: ")?;
        rest.split(' ').next()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::HeaderMap;

    fn failure(status: u16, kind: ErrorKind, message: &str, detail: &str) -> Failure {
        let body = serde_json::json!({"error": {"message": message, "detail": detail}, "status": "failure"});
        let answer = Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::new(),
            body: body.to_string().into(),
        };
        Failure::answered(SYSTEM, "do it", kind, answer)
    }

    #[test]
    fn refusals_name_the_right_the_property_or_the_rule() {
        let forbidden = || ErrorKind::NotAllowed {
            needs: "a right".into(),
        };
        for (status, kind, message, detail, hint) in [
            (
                403,
                forbidden(),
                "User Not Authorized",
                "Failed API level ACL Validation",
                "snc_platform_rest_api_access",
            ),
            (
                403,
                forbidden(),
                "Insufficient rights to query records",
                "Field(s) present in the query do not have permission to be read",
                "query_range",
            ),
            (
                403,
                forbidden(),
                "Operation Failed",
                "Operation against file 'live_profile' was aborted by Business Rule 'Lock profiles^9b1e'. Business \
                 Rule Stack:Lock profiles",
                "business rule \"Lock profiles\"",
            ),
            (
                403,
                forbidden(),
                "Operation Failed",
                "ACL Exception Insert Failed due to security constraints",
                "grant a right",
            ),
            (
                404,
                ErrorKind::NotFound,
                "No Record found",
                "Record doesn't exist or ACL",
                "access rule hides it",
            ),
            (
                400,
                ErrorKind::Refused,
                "Invalid table live_profile",
                "",
                "write mode sys-user",
            ),
            (
                400,
                ErrorKind::Refused,
                "Invalid file type: photo",
                "",
                "glide.attachment.extensions",
            ),
            (
                400,
                ErrorKind::Refused,
                "Requested URI does not represent any resource",
                "",
                "check that it is the instance itself",
            ),
            (413, ErrorKind::Refused, "", "", "com.glide.attachment.max_size"),
        ] {
            let explained = explain(failure(status, kind, message, detail), SignIn::Basic);
            let said = explained.hint.clone().unwrap_or_default();
            assert!(said.contains(hint), "{status} {message} {detail}: {said}");
        }
    }

    #[test]
    fn a_payload_limit_is_read_from_the_refusal() {
        let explained = explain(
            failure(
                400,
                ErrorKind::Refused,
                "Exception while reading request",
                "Rejected large REST payload with content-length = 15105102 bytes. Max allowed: 10485760 bytes.",
            ),
            SignIn::Basic,
        );
        assert_eq!(explained.kind, ErrorKind::TooLarge { limit: 10_485_760 });
    }

    #[test]
    fn a_refused_sign_in_lists_what_can_be_wrong_with_this_kind_of_sign_in() {
        let hint = |sign_in| {
            let refused = failure(401, ErrorKind::SignInRejected, "User Not Authenticated", "");
            explain(refused, sign_in).hint.clone().unwrap_or_default()
        };
        assert!(hint(SignIn::Basic).contains("snc_basic_auth_api_access"));
        assert!(hint(SignIn::ClientCredentials).contains("access policies"));
        assert!(
            SignIn::ClientCredentials
                .token_hint()
                .contains("OAuth Application User")
        );
        assert!(SignIn::Password.token_hint().contains("locked out"));
    }

    #[test]
    fn too_long_targets_are_told_from_other_bad_requests() {
        let page = |status: u16, body: &'static str| {
            let answer = Answer {
                status: StatusCode::from_u16(status).expect("a status"),
                headers: HeaderMap::new(),
                body: body.into(),
            };
            Failure::answered(SYSTEM, "read", ErrorKind::Refused, answer)
        };
        assert!(is_target_too_long(&page(414, "")));
        assert!(is_target_too_long(&page(
            400,
            "<html><h1>Request header is too large</h1></html>"
        )));
        assert!(!is_target_too_long(&page(400, "<html>Bad</html>")));
        assert!(!is_target_too_long(&failure(
            400,
            ErrorKind::Refused,
            "Invalid table x",
            ""
        )));
    }
}
