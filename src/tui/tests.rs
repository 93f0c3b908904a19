//! The screen, tried without a terminal: keys and answers in, effects and frames out.
//!
//! [`kit`] makes people, answers and frames in a few words. The stories are sorted by what somebody is doing; `frames`
//! are pictures of the screen for whoever reviews a change, `cells` what holds for every frame.

mod around;
mod brakes;
mod cells;
mod cleaning;
mod explaining;
mod finding;
mod frames;
mod history;
mod kit;
mod looking;
mod marking;
mod planning;
mod removing;
mod resuming;
mod running;
mod scanning;
mod settling;
mod sheet;
mod undoing;
mod waiting;
