//! Sessions: one request at a time, a few may wait (`servicenow.md` 5.5, E33).

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::sandbox::exchange::{Request, Response};

/// The sessions of the node, the oldest forgotten first.
#[derive(Debug, Default)]
pub struct Sessions {
    known: HashMap<u128, Session>,
    order: VecDeque<u128>,
    /// Sessions opened since the start.
    pub opened: u64,
    /// Requests that came while another one of their session was under way.
    pub overlapping: u64,
}

#[derive(Debug)]
struct Session {
    used: Timestamp,
    under_way: u32,
    is_signed_in: bool,
}

/// Sessions that are remembered.
const CAPACITY: usize = 50_000;

/// What became of a request's session when the request arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry {
    /// It brought none, or one that has ended.
    None,
    /// Let in, behind this many others.
    Behind(u32),
    /// Too many wait already.
    Full,
}

/// The session a request names in its cookies.
pub fn cookie(request: &Request) -> Option<u128> {
    request
        .headers
        .get_all("cookie")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix("JSESSIONID="))
        .find_map(|value| u128::from_str_radix(value.split('.').next().unwrap_or(value), 16).ok())
}

impl Sessions {
    /// A request with a session arrives.
    pub fn enter(&mut self, id: u128, now: Timestamp, life: SignedDuration, waiters: Option<u32>) -> Entry {
        let Some(session) = self.known.get_mut(&id) else {
            return Entry::None;
        };
        if session.under_way == 0 && now.duration_since(session.used) > life {
            self.known.remove(&id);
            return Entry::None;
        }
        let ahead = session.under_way;
        self.overlapping += u64::from(ahead > 0);
        if waiters.is_some_and(|waiters| ahead > waiters) {
            return Entry::Full;
        }
        session.under_way += 1;
        session.used = now;
        Entry::Behind(ahead)
    }

    /// Such a request is done.
    pub fn leave(&mut self, id: u128) {
        if let Some(session) = self.known.get_mut(&id) {
            session.under_way = session.under_way.saturating_sub(1);
        }
    }

    /// Opens a session.
    pub fn open(&mut self, now: Timestamp, is_signed_in: bool) -> u128 {
        while self.known.len() >= CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        // Ended sessions leave their place in the order behind; it is cleared when it is twice the size.
        if self.order.len() >= 2 * CAPACITY {
            self.order.retain(|id| self.known.contains_key(id));
        }
        let id = Uuid::new_v4().as_u128();
        self.known.insert(
            id,
            Session {
                used: now,
                under_way: 0,
                is_signed_in,
            },
        );
        self.order.push_back(id);
        self.opened += 1;
        id
    }

    /// Whether a session exists and has not ended.
    pub fn is_alive(&self, id: u128, now: Timestamp, life: SignedDuration) -> bool {
        self.known
            .get(&id)
            .is_some_and(|session| session.under_way > 0 || now.duration_since(session.used) <= life)
    }

    /// Whether somebody has signed in within a session.
    pub fn is_signed_in(&self, id: u128, now: Timestamp, life: SignedDuration) -> bool {
        self.is_alive(id, now, life) && self.known.get(&id).is_some_and(|session| session.is_signed_in)
    }

    /// Somebody has signed in within a session.
    pub fn sign_in(&mut self, id: u128) {
        if let Some(session) = self.known.get_mut(&id) {
            session.is_signed_in = true;
        }
    }
}

/// The cookies of a new session.
pub fn with_cookies(response: Response, id: u128, life_s: u32) -> Response {
    let node = (id >> 64) as u64;
    response
        .with_header(
            "set-cookie",
            &format!("JSESSIONID={id:032X}; Path=/; HttpOnly; SameSite=None"),
        )
        .with_header(
            "set-cookie",
            "glide_user=; Max-Age=0; Expires=Thu, 01-Jan-1970 00:00:10 GMT; Path=/; HttpOnly",
        )
        .with_header(
            "set-cookie",
            "glide_user_session=; Max-Age=0; Expires=Thu, 01-Jan-1970 00:00:10 GMT; Path=/; HttpOnly",
        )
        .with_header(
            "set-cookie",
            "glide_user_route=glide.5ab7b1c6a2d84f1e9c3d; Max-Age=2147483647; Path=/; HttpOnly",
        )
        .with_header(
            "set-cookie",
            &format!("glide_session_store={node:016X}; Max-Age={life_s}; Path=/; HttpOnly"),
        )
        .with_header("set-cookie", "BIGipServerpool_sandbox=2b5c8e1f; path=/; HttpOnly")
}
