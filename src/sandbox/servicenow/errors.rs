//! The refusals of the instance, word for word as far as they are known (`servicenow.md` 2.8, 9.2).

use serde_json::json;

use super::settings::{AbortRule, Mode};
use crate::sandbox::exchange::Response;
use crate::sandbox::world::instance::Operation;

/// Media type of JSON answers.
pub const JSON: &str = "application/json;charset=UTF-8";
const HTML: &str = "text/html;charset=UTF-8";

/// A refusal in the platform's envelope.
pub fn envelope(status: u16, message: &str, detail: Option<&str>) -> Response {
    let body = json!({"error": {"message": message, "detail": detail}, "status": "failure"});
    Response::json(status, JSON, &body)
}

/// E9.
pub fn invalid_table(name: &str) -> Response {
    envelope(400, &format!("Invalid table {name}"), None)
}

/// E10.
pub fn no_such_resource() -> Response {
    envelope(400, "Requested URI does not represent any resource", None)
}

/// E11: missing, or hidden by an access rule.
pub fn no_record() -> Response {
    envelope(
        404,
        "No Record found",
        Some("Record doesn't exist or ACL restricts the record retrieval"),
    )
}

/// E12: the empty list of version 1.
pub fn no_match() -> Response {
    envelope(
        404,
        "No Record found",
        Some("Records matching query not found. Check query parameter or offset parameter"),
    )
}

/// E17.
pub fn query_refused() -> Response {
    envelope(
        403,
        "Insufficient rights to query records",
        Some("Field(s) present in the query do not have permission to be read"),
    )
}

/// E19.
pub fn api_closed() -> Response {
    envelope(
        403,
        "User Not Authorized",
        Some("Failed API level ACL Validation"),
    )
}

/// E20.
pub fn write_refused(operation: Operation) -> Response {
    let word = match operation {
        Operation::Insert => "Insert",
        Operation::Update => "Update",
        Operation::Delete => "Delete",
    };
    let detail = format!("ACL Exception {word} Failed due to security constraints");
    envelope(403, "Operation Failed", Some(&detail))
}

/// E21.
pub fn aborted(table: &str, rule: &AbortRule) -> Response {
    let detail = format!(
        "Operation against file '{table}' was aborted by Business Rule '{}^{}'. Business Rule Stack:{}",
        rule.name, rule.sys_id, rule.name
    );
    envelope(403, "Operation Failed", Some(&detail))
}

/// E28.
pub fn payload_too_large(bytes: usize, limit: usize) -> Response {
    let detail = format!(
        "Rejected large REST payload with content-length = {bytes} bytes. Max allowed: {limit} bytes."
    );
    envelope(400, "Exception while reading request", Some(&detail))
}

/// E34.
pub fn cancelled() -> Response {
    envelope(
        500,
        "Transaction cancelled: maximum execution time exceeded",
        Some(
            "Transaction cancelled: maximum execution time exceeded. Check logs for error trace or enable \
             glide.rest.debug property to verify REST request processing",
        ),
    )
}

/// E29: Tomcat's own page, or that of another edge.
pub fn header_too_large(status: u16) -> Response {
    let (title, text) = if status == 414 {
        ("414 Request-URI Too Large", "Request-URI Too Large")
    } else {
        ("HTTP Status 400 – Bad Request", "Request header is too large")
    };
    page(
        status,
        title,
        &format!("<h1>{title}</h1><p><b>Message</b> {text}</p>"),
    )
}

/// A page instead of an answer.
pub fn page(status: u16, title: &str, body: &str) -> Response {
    let html = format!("<html><head><title>{title}</title></head><body>{body}</body></html>");
    Response::new(status, HTML, html)
}

/// What an instance that is not at work answers to everything (E37 to E40); `None` if it is at work.
pub fn of_mode(mode: Mode) -> Option<Response> {
    let answer = match mode {
        Mode::Normal => return None,
        Mode::Hibernating => page(
            200,
            "Instance Hibernating page",
            "<h1>Your instance is hibernating</h1><p>To wake it, sign in to the developer site.</p>",
        ),
        Mode::HibernatingRedirect => {
            Response::empty(302).with_header("location", "https://developer.servicenow.com/dev.do")
        }
        Mode::Offline => page(200, "Instance offline", OFFLINE),
        Mode::OfflineUnavailable => page(503, "Instance offline", OFFLINE),
        Mode::LoginPage => login_page(),
        Mode::LoginRedirect => Response::empty(302).with_header("location", "/login.do"),
        Mode::EdgeError(status) => page(status, &format!("{status}"), &format!("<h1>{status}</h1>")),
    };
    Some(answer)
}

const OFFLINE: &str = "<h1>Your instance is currently offline</h1><p>Please try again in a few minutes.</p>";

/// E39.
pub fn login_page() -> Response {
    page(
        200,
        "Log in | ServiceNow",
        "<form action=\"login.do\" method=\"post\"><input name=\"user_name\"/><input name=\"user_password\" \
         type=\"password\"/></form>",
    )
}
