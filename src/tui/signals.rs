//! Signals: what asks the program to end, and what tells it that it was stopped for a while.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::mailbox::Mailbox;
use super::message::Message;

/// A program that was asked to end is gone after this time, even if its terminal does not take another byte
/// (`reliability.md` K3).
const LAST_MOMENT: Duration = Duration::from_millis(11_500);

/// The exit code of an interrupted program (`cli.md`).
const INTERRUPTED: i32 = 130;

/// Passes on that somebody wants the program to end, and sees to it that it does. A second time ends it at once.
fn end(mailbox: &Mailbox) {
    static ASKED: AtomicBool = AtomicBool::new(false);
    if ASKED.swap(true, Ordering::SeqCst) {
        end_now();
    }
    mailbox.post(Message::Terminate);
    // The journal knows what is in hand; the next start settles it.
    drop(std::thread::Builder::new().name("last moment".into()).spawn(|| {
        std::thread::sleep(LAST_MOMENT);
        end_now();
    }));
}

/// Ends the program without waiting for anybody: whoever writes to the terminal may hold it for ever.
fn end_now() -> ! {
    super::terminal::give_back_without_waiting();
    std::process::exit(INTERRUPTED);
}

/// What a signal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// End.
    Terminate,
    /// The program was stopped and goes on: somebody else may have had the terminal.
    Continued,
}

/// Tells `mailbox` of every signal that asks the program to end, and `continued` of the others.
#[cfg(unix)]
pub fn watch(mailbox: Mailbox, continued: std::sync::Arc<tokio::sync::Notify>) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let kinds = [
        (SignalKind::terminate(), Signal::Terminate),
        (SignalKind::hangup(), Signal::Terminate),
        (SignalKind::interrupt(), Signal::Terminate),
        (SignalKind::quit(), Signal::Terminate),
        (
            SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()),
            Signal::Continued,
        ),
    ];
    for (kind, meaning) in kinds {
        let mut signals = signal(kind)?;
        let (mailbox, continued) = (mailbox.clone(), continued.clone());
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                match meaning {
                    Signal::Terminate => end(&mailbox),
                    Signal::Continued => continued.notify_one(),
                }
            }
        });
    }
    Ok(())
}

/// Windows: the console's window is closed, the user logs off, the machine shuts down.
#[cfg(windows)]
pub fn watch(mailbox: Mailbox, _continued: std::sync::Arc<tokio::sync::Notify>) -> std::io::Result<()> {
    use tokio::signal::windows;
    macro_rules! end_on {
        ($signal:expr) => {{
            let mut signals = $signal?;
            let mailbox = mailbox.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    end(&mailbox);
                }
            });
        }};
    }
    end_on!(windows::ctrl_break());
    end_on!(windows::ctrl_close());
    end_on!(windows::ctrl_logoff());
    end_on!(windows::ctrl_shutdown());
    Ok(())
}
