//! Signals: what asks the program to end, and what tells it that it was stopped for a while.

use super::mailbox::Mailbox;
use super::message::Message;

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
                    Signal::Terminate => mailbox.post(Message::Terminate),
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
                    mailbox.post(Message::Terminate);
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
