//! Errors of the token endpoint (`entra.md` 5.10).

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::json;

use crate::sandbox::exchange::Response;

/// A sign-in that was refused.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    error: &'static str,
    /// The AADSTS number; a few errors have none.
    code: Option<u32>,
    text: Cow<'static, str>,
}

impl Refusal {
    /// The row of a code, with a general text.
    pub(super) fn code(code: u32) -> Self {
        let (status, error, text) = row(code);
        Self {
            status,
            error,
            code: Some(code),
            text: text.into(),
        }
    }

    /// The same with particulars.
    pub(super) fn because(mut self, text: String) -> Self {
        self.text = text.into();
        self
    }

    /// A parameter that should be there.
    pub(super) fn missing(name: &str) -> Self {
        Self::code(900_144).because(format!(
            "The request body must contain the following parameter: '{name}'."
        ))
    }

    /// RFC 8628: poll less often.
    pub(super) fn slow_down() -> Self {
        Self {
            status: 400,
            error: "slow_down",
            code: None,
            text: "The client is polling too quickly.".into(),
        }
    }

    /// The user said no.
    pub(super) fn declined() -> Self {
        Self {
            status: 400,
            error: "authorization_declined",
            code: None,
            text: "The end user denied the authorization request.".into(),
        }
    }

    pub(super) fn into_response(self, now: Timestamp, trace: &str, correlation: &str) -> Response {
        let timestamp = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let prefix = self
            .code
            .map_or_else(String::new, |code| format!("AADSTS{code}: "));
        let description = format!(
            "{prefix}{}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {timestamp}",
            self.text
        );
        let mut body = json!({
            "error": self.error,
            "error_description": description,
            "error_codes": self.code.into_iter().collect::<Vec<_>>(),
            "timestamp": timestamp,
            "trace_id": trace,
            "correlation_id": correlation,
        });
        if let Some(code) = self.code {
            body["error_uri"] = json!(format!("https://login.microsoftonline.com/error?code={code}"));
        }
        Response::json(self.status, "application/json; charset=utf-8", &body)
    }
}

/// Status, error and text of a code; codes without a row are bad requests.
fn row(code: u32) -> (u16, &'static str, &'static str) {
    match code {
        7_000_215 => (401, "invalid_client", "Invalid client secret provided."),
        7_000_222 => (
            401,
            "invalid_client",
            "The provided client secret keys are expired.",
        ),
        7_000_218 => (
            401,
            "invalid_client",
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        ),
        7_000_216 => (
            401,
            "invalid_client",
            "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
        ),
        700_025 => (
            401,
            "invalid_client",
            "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
        ),
        700_027 => (
            401,
            "invalid_client",
            "Client assertion failed signature validation.",
        ),
        700_024 => (
            401,
            "invalid_client",
            "Client assertion is not within its valid time range.",
        ),
        700_021 => (
            401,
            "invalid_client",
            "Client assertion application identifier doesn't match 'client_id' parameter.",
        ),
        700_023 => (
            401,
            "invalid_client",
            "Client assertion audience claim does not match Realm issuer.",
        ),
        50_012 => (
            401,
            "invalid_client",
            "Authentication failed: the certificate is not trusted.",
        ),
        50_027 => (401, "invalid_client", "JWT token is invalid or malformed."),
        700_016 => (
            400,
            "unauthorized_client",
            "Application was not found in the directory.",
        ),
        7_000_112 | 70_001 => (400, "unauthorized_client", "Application is disabled."),
        90_002 => (400, "invalid_request", "Tenant not found."),
        900_023 => (
            400,
            "invalid_request",
            "Specified tenant identifier is not valid.",
        ),
        700_213 | 70_021 => (
            400,
            "invalid_request",
            "No matching federated identity record found for presented assertion.",
        ),
        70_011 | 28_002 => (
            400,
            "invalid_scope",
            "The provided value for the scope is not valid.",
        ),
        1_002_012 => (
            400,
            "invalid_scope",
            "Client credential flows must have a scope value with /.default suffixed to the resource identifier.",
        ),
        500_011 | 50_001 => (
            400,
            "invalid_resource",
            "The resource principal was not found in the tenant.",
        ),
        70_003 => (
            400,
            "unsupported_grant_type",
            "The app requested an unsupported grant type.",
        ),
        65_001 => (
            400,
            "invalid_grant",
            "The user or administrator has not consented to use the application.",
        ),
        50_034 => (
            400,
            "invalid_grant",
            "The user account does not exist in the directory.",
        ),
        50_020 => (400, "invalid_grant", "The user account is of another directory."),
        50_126 => (
            400,
            "invalid_grant",
            "Error validating credentials due to invalid username or password.",
        ),
        50_055 => (400, "invalid_grant", "The password is expired."),
        50_057 => (400, "invalid_grant", "The user account is disabled."),
        50_076 | 50_079 | 50_072 | 50_074 => (
            400,
            "interaction_required",
            "Multi-factor authentication is required to access the resource.",
        ),
        50_105 => (
            400,
            "invalid_grant",
            "The signed in user is not assigned to a role for the application.",
        ),
        53_003 => (
            400,
            "invalid_grant",
            "Access has been blocked by Conditional Access policies.",
        ),
        53_000 | 53_001 => (400, "invalid_grant", "The device is not compliant or not joined."),
        530_032 | 530_035 => (
            400,
            "invalid_grant",
            "Blocked by the security policy of the tenant.",
        ),
        70_008 | 700_082 | 70_043 | 50_173 => (400, "invalid_grant", "The token has expired or was revoked."),
        9_002_313 => (
            400,
            "invalid_grant",
            "Invalid request. Request is malformed or invalid.",
        ),
        54_005 => (
            400,
            "invalid_grant",
            "The authorization code was already redeemed.",
        ),
        501_481 => (
            400,
            "invalid_grant",
            "The code verifier does not match the code challenge.",
        ),
        50_194 => (
            400,
            "invalid_request",
            "Application is not configured as a multi-tenant application. Use a tenant-specific endpoint.",
        ),
        70_016 => (
            400,
            "authorization_pending",
            "OAuth 2.0 device flow error. Authorization is pending. Continue polling.",
        ),
        70_018 => (
            400,
            "bad_verification_code",
            "The device code or user code is not recognised.",
        ),
        70_019 => (400, "expired_token", "The device code has expired."),
        90_024 | 90_033 | 50_033 | 90_006 => (
            503,
            "temporarily_unavailable",
            "The service is temporarily unavailable. Please retry later.",
        ),
        50_196 => (
            400,
            "invalid_grant",
            "The server terminated an operation because it encountered a client request loop.",
        ),
        _ => (400, "invalid_request", "The sign-in was refused."),
    }
}
