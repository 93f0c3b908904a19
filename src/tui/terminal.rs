//! The terminal: taken, given back whatever happens, and written to one whole frame at a time.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::backend::{Backend as _, ClearType, CrosstermBackend};
use ratatui::layout::{Rect, Size};
use ratatui::{Terminal, TerminalOptions, Viewport};

use super::state::State;
use super::view::view;
use crate::graphics::{Canvas, Painter, Placements};

/// True while the terminal is ours, for whoever has to give it back in a hurry.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// A frame being put together; it goes out in one piece.
#[derive(Clone, Default)]
struct Frame(Rc<RefCell<Vec<u8>>>);

impl Write for Frame {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The terminal, while it is ours.
pub struct Screen {
    frame: Frame,
    terminal: Terminal<CrosstermBackend<Frame>>,
    painter: Painter,
    has_mouse: bool,
}

impl Screen {
    /// Takes the terminal: raw mode, alternate screen, paste and mouse.
    pub fn take(has_mouse: bool) -> io::Result<Self> {
        let (width, height) = crossterm::terminal::size()?;
        let frame = Frame::default();
        let terminal = drawing_on(&frame, width, height)?;
        let screen = Self {
            frame,
            terminal,
            painter: Painter::new(&Canvas::words_alone()),
            has_mouse,
        };
        screen.enter()?;
        Ok(screen)
    }

    fn enter(&self) -> io::Result<()> {
        enable_raw_mode()?;
        IS_TAKEN.store(true, Ordering::SeqCst);
        let mut out = io::stdout().lock();
        execute!(out, EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
        if self.has_mouse {
            execute!(out, EnableMouseCapture)?;
        }
        Ok(())
    }

    /// The window in cells; at least one by one.
    #[expect(clippy::unused_self, reason = "there is a size while the terminal is ours")]
    pub fn size(&self) -> Size {
        let (width, height) = crossterm::terminal::size().unwrap_or((80, 24));
        Size {
            width: width.max(1),
            height: height.max(1),
        }
    }

    /// Another way of drawing pictures.
    pub fn set_canvas(&mut self, canvas: &Canvas) -> io::Result<()> {
        self.painter.leave(&mut self.frame)?;
        self.painter = Painter::new(canvas);
        self.clear()
    }

    /// The window has another size.
    pub fn resize(&mut self, size: Size) -> io::Result<()> {
        self.terminal = drawing_on(&self.frame, size.width, size.height)?;
        self.clear()
    }

    /// Everything is drawn anew with the next frame.
    pub fn clear(&mut self) -> io::Result<()> {
        self.painter.forget_shown();
        // ratatui's own clear asks the terminal where the cursor is, which a silent one never says, and whose answer
        // the thread that reads keys would have to give way to.
        self.terminal.backend_mut().clear_region(ClearType::All)?;
        self.terminal.swap_buffers();
        Ok(())
    }

    /// Draws the state: what has changed since the last frame, in one piece.
    pub fn draw(&mut self, state: &State) -> io::Result<()> {
        let pending = !self.frame.0.borrow().is_empty();
        let mut placements = Placements::default();
        self.terminal
            .draw(|frame| view(state, frame.buffer_mut(), &mut placements))?;
        self.painter.paint(&mut self.frame, placements)?;
        let mut frame = self.frame.0.borrow_mut();
        // Nothing but colours put back and a cursor hidden that is hidden.
        if !pending && is_nothing(&frame) {
            frame.clear();
            return Ok(());
        }
        let mut whole = Vec::with_capacity(frame.len() + 16);
        queue!(whole, BeginSynchronizedUpdate)?;
        whole.append(&mut frame);
        queue!(whole, EndSynchronizedUpdate)?;
        drop(frame);
        let mut out = io::stdout().lock();
        out.write_all(&whole)?;
        out.flush()
    }

    /// Puts text on the clipboard through the terminal (OSC 52); it works over SSH too.
    #[expect(clippy::unused_self, reason = "only whoever has the terminal may write to it")]
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        let mut out = io::stdout().lock();
        write!(out, "\x1b]52;c;{encoded}\x07")?;
        out.flush()
    }

    /// Gives the terminal back until the program is continued, then takes it again.
    pub fn suspend(&mut self) -> io::Result<()> {
        self.give_back()?;
        stop_here()?;
        self.take_again()
    }

    /// Takes the terminal again after somebody else had it.
    pub fn take_again(&mut self) -> io::Result<()> {
        self.enter()?;
        self.clear()
    }

    /// Gives the terminal back.
    pub fn give_back(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        self.painter.leave(&mut bytes)?;
        self.painter.forget_shown();
        self.frame.0.borrow_mut().clear();
        let written = io::stdout().lock().write_all(&bytes);
        give_back();
        written
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if IS_TAKEN.load(Ordering::SeqCst) {
            // There is nowhere left to say that this did not work.
            let _ = self.give_back();
        }
    }
}

/// Draws into this frame, in a window of this size.
fn drawing_on(frame: &Frame, width: u16, height: u16) -> io::Result<Terminal<CrosstermBackend<Frame>>> {
    let viewport = Viewport::Fixed(Rect::new(0, 0, width, height));
    Terminal::with_options(CrosstermBackend::new(frame.clone()), TerminalOptions { viewport })
}

/// True for bytes that show nothing: colours and the hiding of the cursor.
fn is_nothing(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(sequence) = rest.strip_prefix(b"\x1b[") {
        let Some(end) = sequence.iter().position(|byte| (0x40..=0x7e).contains(byte)) else {
            return false;
        };
        if sequence[end] != b'm' && &sequence[..=end] != b"?25l" {
            return false;
        }
        rest = &sequence[end + 1..];
    }
    rest.is_empty()
}

/// Undoes everything that was done to the terminal; harmless if nothing was. For panics and other hurried endings.
pub fn give_back() {
    if !IS_TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout().lock();
    // A terminal that is gone cannot be given back.
    let _ = execute!(
        out,
        EndSynchronizedUpdate,
        DisableMouseCapture,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = disable_raw_mode();
}

/// The same for an ending that may not wait: standard output may be held by a thread that waits for a terminal which
/// does not read. What it does not take at once is left out.
pub fn give_back_without_waiting() {
    if !IS_TAKEN.load(Ordering::SeqCst) {
        return;
    }
    #[cfg(unix)]
    {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut bytes = Vec::new();
        let queued = queue!(
            bytes,
            EndSynchronizedUpdate,
            DisableMouseCapture,
            DisableBracketedPaste,
            LeaveAlternateScreen,
            cursor::Show
        );
        let out = rustix::stdio::stdout();
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let takes_bytes =
            poll(&mut [PollFd::new(&out, PollFlags::OUT)], Some(&at_once)).is_ok_and(|ready| ready > 0);
        if queued.is_ok() && takes_bytes {
            // A terminal that is gone cannot be given back.
            let _ = rustix::io::write(out, &bytes);
        }
    }
    let _ = disable_raw_mode();
}

/// A panic is reported on a terminal that can show it.
pub fn give_back_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // A decoder that gives up on its own thread is caught there; the screen goes on.
        let on_screen_thread = std::thread::current().name() == Some("main");
        if on_screen_thread {
            give_back();
            report(panic);
        } else if IS_TAKEN.load(Ordering::SeqCst) {
            tracing::error!(%panic, "a background thread panicked");
        } else {
            report(panic);
        }
    }));
}

#[cfg(unix)]
fn stop_here() -> io::Result<()> {
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TSTP)?;
    Ok(())
}

/// Windows has no job control.
#[cfg(not(unix))]
fn stop_here() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_without_a_change_sends_nothing() {
        assert!(is_nothing(b""));
        assert!(is_nothing(b"\x1b[39m\x1b[49m\x1b[59m\x1b[0m\x1b[?25l"));
        for something in [
            &b"\x1b[2;7H"[..],
            b"\x1b[0mx",
            b"x",
            b"\x1b[2J",
            b"\x1b[?25h",
            b"\x1b[",
        ] {
            assert!(!is_nothing(something), "{something:?}");
        }
    }
}
