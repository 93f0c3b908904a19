//! The faults of `reliability.md` 4 by number, against the real binary and the sandbox.
//!
//! Every test's name begins with its number, every scenario ends with the checker, and every test says how often it tried
//! what. Long forms are marked `#[ignore]`; `cargo test --test faults -- --include-ignored` runs them too.

// A method that borrows is too special for where any checker is taken; a closure is not.
#![allow(clippy::redundant_closure_for_method_calls)]

#[path = "../common/mod.rs"]
mod common;

mod a_throttling;
mod b_server;
mod c_network;
mod catcher;
mod checking;
mod d_sign_in;
mod document;
mod e_listing;
mod f_photos;
mod j_local;
mod l_content;
mod m_supply;

/// Fails unless everybody of a [`common::people::company`] shows their own photo.
#[track_caller]
fn everybody_shows_their_photo(moment: &common::moment::Moment, people: usize) {
    use common::people::{hash, name, photo};
    let seen = common::replay::Replay::of(&moment.stage.lines("/snapshot"));
    for number in 0..people {
        let world = moment.stage.sandbox.world();
        let user = world.instance.read().user_named(&name(number)).expect("there");
        assert_eq!(
            seen.seen_by(&user.to_string()),
            Some(hash(&photo(number)).as_str()),
            "{}",
            name(number)
        );
    }
}
