//! The pages that stand in the way of an API: what an instance or a proxy answers to every path instead of JSON.

use crate::sandbox::exchange::Response;

/// Which page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// A log-in page: single sign-on or a proxy in front (`servicenow.md` 6.5, E39).
    LogIn,
    /// A developer instance that sleeps (`servicenow.md` 6.4, E37).
    Hibernating,
    /// An instance that is being patched or woken up (`servicenow.md` 6.4, E38).
    Maintenance,
}

impl Page {
    /// The names fault rules use.
    pub(crate) const WORDS: [(&'static str, Self); 4] = [
        ("login", Self::LogIn),
        ("log-in", Self::LogIn),
        ("hibernating", Self::Hibernating),
        ("maintenance", Self::Maintenance),
    ];

    /// The page with the given status.
    pub fn response(self, status: u16) -> Response {
        let (title, text) = match self {
            Self::LogIn => (
                "Log in | ServiceNow",
                "<form action=\"login.do\" method=\"post\"><label>User name <input name=\"user_name\"></label>\
                 <label>Password <input type=\"password\" name=\"user_password\"></label>\
                 <button>Log in</button></form>",
            ),
            Self::Hibernating => (
                "Instance Hibernating page",
                "<p>Your instance is hibernating. Sign in to the developer site to wake it up.</p>",
            ),
            Self::Maintenance => (
                "Instance offline",
                "<p>Your instance is currently offline. Please try again in a few minutes.</p>",
            ),
        };
        Response::new(
            status,
            "text/html;charset=UTF-8",
            format!("<html><head><title>{title}</title></head><body>{text}</body></html>"),
        )
    }
}
