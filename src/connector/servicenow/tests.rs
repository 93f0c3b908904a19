//! The target against small scripted instances on loopback: what goes over the wire, and what comes of it.

mod instance;
mod people;
mod pictures;
mod sign_in;

use super::*;
use instance::{Instance, Reply, Request};

/// A 32-digit id that starts with a letter for its kind: `id('a', 1)`.
fn id(kind: char, number: usize) -> String {
    format!("{kind}{number:031x}")
}

/// The error envelope.
fn envelope(status: u16, message: &str, detail: &str) -> Reply {
    Reply::json(
        status,
        serde_json::json!({"error": {"message": message, "detail": detail}, "status": "failure"}),
    )
}

/// A 403 for conditions on columns that must not be searched (`servicenow.md` E17).
fn query_refused() -> Reply {
    envelope(
        403,
        "Insufficient rights to query records",
        "Field(s) present in the query do not have permission to be read",
    )
}

/// Everything an error says, causes and hint included.
fn told(error: &ConnectorError) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        words.push_str(": ");
        words.push_str(&inner.to_string());
        cause = inner.source();
    }
    if let Some(hint) = &error.hint {
        words.push_str(" | ");
        words.push_str(hint);
    }
    words
}
