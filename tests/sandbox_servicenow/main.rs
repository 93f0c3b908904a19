//! The practice instance against its manual: every call and every edge case of `servicenow.md` section 9.

mod control;
mod edge;
mod instance;
mod normal;
mod query;
mod throttle;
