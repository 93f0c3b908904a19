//! Session cookies, one jar for each request in flight (`reliability.md` 3, `servicenow.md` 5.5).
//!
//! Without cookies every request opens a session on the instance; with one shared jar all requests stand in one
//! queue there. So a jar is lent to one request at a time, and the jar used last is lent first: as many sessions as
//! requests in flight, no more.

use ::http::header::SET_COOKIE;
use ::http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;

/// Cookies in a jar, at most.
const COOKIES: usize = 24;
/// Bytes of one cookie's name and value, at most.
const COOKIE_BYTES: usize = 4096;

/// The jars of one service.
#[derive(Debug, Default)]
pub(super) struct Jars {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Jar>,
    /// Jars lent before the last [`Jars::clear`] are not taken back.
    generation: u64,
}

/// The cookies of one session.
#[derive(Default)]
pub(super) struct Jar {
    cookies: Vec<(String, String)>,
    generation: u64,
}

impl Jars {
    /// Lends a jar. One that is dropped instead of given back is gone: its session may still be busy.
    pub fn lend(&self) -> Jar {
        let mut state = self.state.lock();
        let generation = state.generation;
        state.idle.pop().unwrap_or(Jar {
            cookies: Vec::new(),
            generation,
        })
    }

    /// Takes a jar back whose request was answered.
    pub fn give_back(&self, jar: Jar) {
        let mut state = self.state.lock();
        if jar.generation == state.generation {
            state.idle.push(jar);
        }
    }

    /// Forgets all sessions: they belonged to a sign-in that is over.
    pub fn clear(&self) {
        let mut state = self.state.lock();
        state.generation += 1;
        state.idle.clear();
    }
}

impl Jar {
    /// The `Cookie` header, marked sensitive; `None` while the jar is empty.
    pub fn header(&self) -> Option<HeaderValue> {
        if self.cookies.is_empty() {
            return None;
        }
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut value = HeaderValue::from_str(&pairs.join("; ")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Takes over what an answer sets and drops what it expires. Attributes other than the life time do not matter:
    /// a jar belongs to one origin and every path of it.
    pub fn store(&mut self, headers: &HeaderMap) {
        for value in headers.get_all(SET_COOKIE) {
            let Ok(text) = value.to_str() else { continue };
            let mut parts = text.split(';');
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            let (name, value) = (name.trim(), value.trim());
            if name.is_empty() || name.len() + value.len() > COOKIE_BYTES {
                continue;
            }
            self.cookies.retain(|(known, _)| known != name);
            let expired = parts.any(is_over) || value.is_empty() || value == "\"\"";
            if !expired && self.cookies.len() < COOKIES {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }
}

/// True for an attribute that says that the cookie has no life left.
fn is_over(attribute: &str) -> bool {
    let Some((name, value)) = attribute.split_once('=') else {
        return false;
    };
    let value = value.trim();
    match name.trim().to_ascii_lowercase().as_str() {
        "max-age" => value.parse::<i64>().is_ok_and(|seconds| seconds <= 0),
        // Old servers write dashes in the date: `Thu, 01-Jan-1970 00:00:10 GMT`.
        "expires" => httpdate::parse_http_date(&value.replace('-', " "))
            .is_ok_and(|when| when <= std::time::SystemTime::now()),
        _ => false,
    }
}

impl std::fmt::Debug for Jar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Jar({} cookies)", self.cookies.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(cookies: &[&str]) -> HeaderMap {
        cookies
            .iter()
            .map(|cookie| (SET_COOKIE, HeaderValue::from_str(cookie).expect("a cookie")))
            .collect()
    }

    fn sent(jar: &Jar) -> String {
        jar.header()
            .map(|value| value.to_str().expect("text").to_owned())
            .unwrap_or_default()
    }

    #[test]
    fn a_jar_keeps_what_is_set_and_drops_what_is_expired() {
        let mut jar = Jar::default();
        jar.store(&set(&[
            "JSESSIONID=ab12; Path=/; HttpOnly; Secure",
            "glide_user_route=glide.77; Max-Age=2147483647",
            "glide_user=; Max-Age=0; Expires=Thu, 01-Jan-1970 00:00:10 GMT",
            "broken",
            "=nameless",
        ]));
        assert_eq!(sent(&jar), "JSESSIONID=ab12; glide_user_route=glide.77");
        jar.store(&set(&[
            "JSESSIONID=cd34; Path=/",
            "glide_user_route=x; Expires=Thu, 01-Jan-1970 00:00:10 GMT",
        ]));
        assert_eq!(sent(&jar), "JSESSIONID=cd34");
        assert!(!format!("{jar:?}").contains("cd34"));
        assert!(!format!("{:?}", jar.header()).contains("cd34"));
    }

    #[test]
    fn a_flood_of_cookies_is_bounded() {
        let mut jar = Jar::default();
        for number in 0..100 {
            jar.store(&set(&[&format!("c{number}={}", "x".repeat(100))]));
        }
        jar.store(&set(&[&format!("huge={}", "x".repeat(5000))]));
        assert_eq!(jar.cookies.len(), COOKIES);
    }

    #[test]
    fn no_two_requests_share_a_jar_and_the_one_used_last_is_lent_first() {
        let jars = Jars::default();
        let mut first = jars.lend();
        let mut second = jars.lend();
        first.store(&set(&["s=1"]));
        second.store(&set(&["s=2"]));
        jars.give_back(first);
        jars.give_back(second);
        assert_eq!(sent(&jars.lend()), "s=2");
        assert_eq!(sent(&jars.lend()), "s=1");
        assert_eq!(sent(&jars.lend()), "", "both are gone: they were not given back");
    }

    #[test]
    fn sessions_of_an_old_sign_in_are_forgotten() {
        let jars = Jars::default();
        let mut lent = jars.lend();
        lent.store(&set(&["s=1"]));
        jars.clear();
        jars.give_back(lent);
        assert_eq!(sent(&jars.lend()), "");
    }
}
