//! The full-screen interface, in one direction:
//!
//! ```text
//! key ──keymap──► Intent ─┐
//! engine, pictures, time ─┴─► Message ──update(&mut State)──► Effects ──effects──► engine
//!                                           │                              │
//!                                        view(&State) ► frame   ◄─ Message ┘
//! ```
//!
//! `update` and `view` are plain functions. Only `effects` knows the engine, and only `terminal` the terminal. Nothing
//! runs while nothing happens: a frame is drawn for an event, never for a clock.

mod dialogs;
mod effects;
mod faces;
mod input;
pub mod intent;
pub mod keymap;
mod layout;
mod looked;
mod mailbox;
mod message;
mod mouse;
mod paged;
mod pen;
mod pictures;
mod screens;
mod sight;
mod signals;
mod state;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;
mod update;
mod view;

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::{Notify, mpsc};

use crate::graphics::{Detected, Ground, Surroundings, Wish, detect};
use effects::Effects;
use keymap::Keymap;
use mailbox::Mailbox;
use message::{Effect, Message};
use state::State;
use terminal::Screen;
use update::update;

pub use effects::Services;
pub use message::Trouble;
pub use state::Setting;
pub use theme::{Palette, Theme};

/// In a burst of messages a frame is drawn at least this often.
const FRAME: Duration = Duration::from_millis(33);
/// How often what depends on the time is brought up to date.
const TICK: Duration = Duration::from_millis(250);
/// How long an ending waits for the writes in hand when nobody can be asked (`reliability.md` K3).
const GRACE: Duration = Duration::from_secs(10);

/// What the screen is opened with.
pub struct Opening {
    /// The engine and what belongs to it.
    pub services: Services,
    /// What does not change.
    pub setting: Setting,
    /// Colours and signs.
    pub theme: Theme,
    /// Whether the terminal's own background decides between the dark and the light colours.
    pub follows_ground: bool,
    /// Which key means what.
    pub keymap: Keymap,
    /// How pictures are to be drawn.
    pub wish: Wish,
    /// Take the mouse; without it the terminal's own selecting works as usual.
    pub has_mouse: bool,
}

/// How the screen was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Somebody quit.
    Quit,
    /// A signal, or a terminal that is gone.
    Terminated,
}

/// Opens the screen and works until it is left. Call it on the main thread: it writes to the terminal.
///
/// # Errors
///
/// If the terminal cannot be taken or written to; it is given back in any case.
pub async fn open(opening: Opening) -> io::Result<Ending> {
    terminal::give_back_on_panic();
    let mailbox = Mailbox::default();
    let continued = Arc::new(Notify::new());
    signals::watch(mailbox.clone(), Arc::clone(&continued))?;
    let mut effects = Effects::new(opening.services, mailbox.clone());
    effects.load_snapshot();

    let mut screen = Screen::take(opening.has_mouse)?;
    let size = screen.size();
    let mut state = State::new(opening.setting, opening.theme, opening.keymap, size);
    state.zone = TimeZone::system();
    state.now = Timestamp::now();
    sight::fit(&mut state);
    // Something to look at before anything is asked or read.
    screen.draw(&state)?;

    let surroundings = Surroundings::of_process();
    let detected = detect(opening.wish, &surroundings);
    let Detected {
        canvas,
        ground,
        why,
        typed,
        answered,
        ..
    } = detected;
    if let Some(ground) = ground.filter(|_| opening.follows_ground) {
        state.theme.palette = match ground {
            Ground::Dark => Palette::Dark,
            Ground::Light => Palette::Light,
        };
    }
    screen.set_canvas(&canvas)?;
    effects.set_canvas(&canvas);
    mailbox.post(Message::Canvas { canvas, why });
    for key in input::keys_in(&typed) {
        mailbox.post(Message::Key(key));
    }
    effects.look_for_unfinished(!state.setting.is_readonly);
    let input = input::listen(!answered)?;
    let mut app = App {
        state,
        screen,
        effects,
        mailbox,
        ending: None,
    };
    let result = app.work(input, &continued).await;
    app.leave(result).await
}

struct App {
    state: State,
    screen: Screen,
    effects: Effects,
    mailbox: Mailbox,
    ending: Option<Ending>,
}

impl App {
    /// Message after message until somebody ends it.
    async fn work(&mut self, mut input: mpsc::Receiver<Message>, continued: &Notify) -> io::Result<()> {
        let mut drawn = Instant::now();
        let mut ticked = Instant::now();
        loop {
            let next_tick = self
                .state
                .depends_on_time()
                .then(|| tokio::time::Instant::from_std(ticked + TICK));
            let message = tokio::select! {
                biased;
                message = input.recv() => match message {
                    Some(message) => message,
                    // The terminal is gone (`reliability.md` K3).
                    None => Message::Terminate,
                },
                () = continued.notified() => {
                    self.screen.take_again()?;
                    let size = self.screen.size();
                    Message::Resized(size)
                }
                message = self.mailbox.next() => message,
                () = at(next_tick) => {
                    ticked = Instant::now();
                    let lanes = self.effects.lanes();
                    self.take(Message::Lanes(lanes))?;
                    Message::Tick
                }
            };
            self.take(message)?;
            if self.ending.is_some() {
                return Ok(());
            }
            // A burst costs one frame, and nobody waits longer than one for it.
            if (input.is_empty() && self.mailbox.is_empty()) || drawn.elapsed() >= FRAME {
                self.screen.draw(&self.state)?;
                drawn = Instant::now();
            }
        }
    }

    /// Works in one message and does what it asks for.
    fn take(&mut self, message: Message) -> io::Result<()> {
        self.state.now = Timestamp::now();
        let is_signal = matches!(message, Message::Terminate);
        if let Message::Resized(size) = &message {
            self.screen.resize(*size)?;
            // Zooming changes the cells: pictures are made anew for them.
            if let Some(canvas) = self.state.canvas.after_resize() {
                self.screen.set_canvas(&canvas)?;
                self.effects.set_canvas(&canvas);
                self.mailbox.post(Message::Canvas {
                    canvas,
                    why: self.state.canvas_why.clone(),
                });
            }
        }
        for effect in update(&mut self.state, message) {
            match effect {
                Effect::Quit => {
                    self.ending = Some(if is_signal {
                        Ending::Terminated
                    } else {
                        Ending::Quit
                    });
                }
                Effect::Redraw => self.screen.clear()?,
                Effect::Suspend => {
                    self.screen.suspend()?;
                    let size = self.screen.size();
                    self.screen.resize(size)?;
                    self.mailbox.post(Message::Resized(size));
                }
                Effect::Copy(text) => {
                    self.screen.copy(&text)?;
                    self.state.say(format!("copied {text}"));
                }
                effect => self.effects.perform(effect),
            }
        }
        Ok(())
    }

    /// Gives the terminal back and waits for the writes in hand.
    async fn leave(mut self, result: io::Result<()>) -> io::Result<Ending> {
        let is_gone = result.is_err();
        let ending = self.ending.unwrap_or(Ending::Terminated);
        let given_back = self.screen.give_back();
        let was_cancelled = self.state.run.is_under_way();
        if self.effects.running().is_under_way() {
            if is_gone || ending == Ending::Terminated {
                self.effects.perform(Effect::CancelRun);
                self.effects.running().ended_within(GRACE).await;
            } else if was_cancelled && self.state.stops_run_at_end {
                // Nobody may be there to read it.
                let _ = writeln!(io::stderr(), "finishing the writes in hand; Ctrl-C ends at once");
                tokio::select! {
                    _ = self.effects.running().ended_within(Duration::from_secs(600)) => {}
                    _ = tokio::signal::ctrl_c() => {}
                }
            }
        }
        result.and(given_back).map(|()| ending)
    }
}

/// At this moment, or never.
async fn at(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
