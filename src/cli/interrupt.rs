//! Ctrl-C, SIGTERM and SIGHUP (`reliability.md` I5): the first one stops after what is under way, at the latest after
//! ten seconds; the second one at once.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::exit;

/// What is under way has so long to come to its end. The journal knows what has not; the next start settles it.
const LAST_MOMENT: Duration = Duration::from_secs(10);

/// Cancelled once the program was asked to end. From the first call on signals are listened to, and none is lost
/// between two phases of a command.
pub fn asked() -> CancellationToken {
    static ASKED: OnceLock<CancellationToken> = OnceLock::new();
    ASKED
        .get_or_init(|| {
            let asked = CancellationToken::new();
            let (heard, signals) = mpsc::unbounded_channel();
            // Before anything else is done: a signal that nobody listens to yet ends the program in mid-sentence.
            listen(&heard);
            tokio::spawn(watch(asked.clone(), signals));
            asked
        })
        .clone()
}

/// Calls `stop` when the program is asked to end, or at once if it was.
pub fn on_interrupt(stop: impl Fn() + Send + 'static) -> JoinHandle<()> {
    let asked = asked();
    tokio::spawn(async move {
        asked.cancelled().await;
        anstream::eprintln!("stopping after what is under way; once more to stop at once");
        stop();
    })
}

async fn watch(asked: CancellationToken, mut signals: mpsc::UnboundedReceiver<()>) {
    if signals.recv().await.is_none() {
        // No signal can be listened to here; each of them ends the program by itself.
        return;
    }
    asked.cancel();
    drop(std::thread::Builder::new().name("last moment".into()).spawn(|| {
        std::thread::sleep(LAST_MOMENT);
        end_now();
    }));
    if signals.recv().await.is_some() {
        end_now();
    }
}

fn end_now() -> ! {
    std::process::exit(i32::from(exit::INTERRUPTED));
}

/// Hears every signal that asks the program to end.
#[cfg(unix)]
fn listen(heard: &mpsc::UnboundedSender<()>) {
    use tokio::signal::unix::{SignalKind, signal};
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        let Ok(mut signals) = signal(kind) else { continue };
        let heard = heard.clone();
        tokio::spawn(async move { while signals.recv().await.is_some() && heard.send(()).is_ok() {} });
    }
}

/// Windows: Ctrl-C and Ctrl-Break, the console's window is closed, the user logs off, the machine shuts down.
#[cfg(windows)]
fn listen(heard: &mpsc::UnboundedSender<()>) {
    use tokio::signal::windows;
    macro_rules! hear {
        ($signal:expr) => {
            if let Ok(mut signals) = $signal {
                let heard = heard.clone();
                tokio::spawn(
                    async move { while signals.recv().await.is_some() && heard.send(()).is_ok() {} },
                );
            }
        };
    }
    hear!(windows::ctrl_c());
    hear!(windows::ctrl_break());
    hear!(windows::ctrl_close());
    hear!(windows::ctrl_logoff());
    hear!(windows::ctrl_shutdown());
}
