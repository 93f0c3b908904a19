//! A connection that can stop behaving: what HTTP libraries never send is played byte by byte.
//!
//! hyper writes correct messages. For a reset in the middle of a body, a wrong `Content-Length` or an answer that
//! trickles, the handler puts a [`Script`] into the connection's [`Stage`] and returns any answer at all; the first
//! byte hyper then writes is held back, the script is played in its place, and the connection ends.

use std::io;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// What is written to a connection instead of a well-formed answer.
#[derive(Clone, Debug)]
pub struct Script {
    /// The bytes.
    pub bytes: Bytes,
    /// Where the bytes start over when they are through; `None`: they do not.
    pub repeat_from: Option<usize>,
    /// How many bytes a second; `None`: as fast as they are taken.
    pub rate: Option<NonZeroU32>,
    /// How the connection ends.
    pub ending: Ending,
}

/// How a scripted connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is closed.
    Close,
    /// It is reset.
    Reset,
}

impl Script {
    /// Nothing at all, then the end.
    pub fn silence(ending: Ending) -> Self {
        Self::all(Bytes::new(), ending)
    }

    /// These bytes at once, then the end.
    pub fn all(bytes: Bytes, ending: Ending) -> Self {
        Self {
            bytes,
            repeat_from: None,
            rate: None,
            ending,
        }
    }
}

/// Where a handler leaves a script for its connection.
#[derive(Debug, Default)]
pub struct Stage {
    set: AtomicBool,
    script: Mutex<Option<Script>>,
}

impl Stage {
    /// The next answer on this connection is replaced by the script.
    pub fn play(&self, script: Script) {
        *self.script.lock() = Some(script);
        self.set.store(true, Ordering::Release);
    }

    fn take(&self) -> Option<Script> {
        if self.set.load(Ordering::Acquire) {
            self.script.lock().take()
        } else {
            None
        }
    }
}

/// The connection.
pub struct Wire {
    stream: TcpStream,
    stage: Arc<Stage>,
    playing: Option<Playing>,
}

struct Playing {
    script: Script,
    position: usize,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    /// Wraps a connection.
    pub fn new(stream: TcpStream, stage: Arc<Stage>) -> Self {
        Self {
            stream,
            stage,
            playing: None,
        }
    }

    /// True once a script has taken the connection over.
    fn is_taken(&mut self) -> bool {
        if self.playing.is_none() {
            self.playing = self.stage.take().map(|script| Playing {
                script,
                position: 0,
                pause: None,
            });
        }
        self.playing.is_some()
    }

    /// Plays on; resolves when the connection is over.
    fn poll_script(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let Some(playing) = &mut self.playing else {
            return Poll::Ready(io::ErrorKind::NotConnected.into());
        };
        loop {
            if let Some(pause) = &mut playing.pause {
                ready!(pause.as_mut().poll(context));
                playing.pause = None;
            }
            let script = &playing.script;
            if playing.position >= script.bytes.len() {
                match script.repeat_from {
                    Some(start) if start < script.bytes.len() => playing.position = start,
                    _ => break,
                }
            }
            let (step, pause) = step(script.rate);
            let end = playing.position.saturating_add(step).min(script.bytes.len());
            let chunk = &script.bytes[playing.position..end];
            match ready!(Pin::new(&mut self.stream).poll_write(context, chunk)) {
                Ok(0) => return Poll::Ready(io::ErrorKind::WriteZero.into()),
                Ok(written) => playing.position += written,
                Err(error) => return Poll::Ready(error),
            }
            playing.pause = pause.map(|pause| Box::pin(tokio::time::sleep(pause)));
        }
        match playing.script.ending {
            Ending::Close => {
                if let Err(error) = ready!(Pin::new(&mut self.stream).poll_shutdown(context)) {
                    return Poll::Ready(error);
                }
            }
            Ending::Reset => {
                if let Err(error) = self.stream.set_zero_linger() {
                    return Poll::Ready(error);
                }
            }
        }
        // hyper drops a connection that cannot be written to, and that ends it.
        Poll::Ready(io::ErrorKind::ConnectionAborted.into())
    }
}

/// How many bytes go out at a time, and how long to wait afterwards.
fn step(rate: Option<NonZeroU32>) -> (usize, Option<Duration>) {
    const STEPS_A_SECOND: u32 = 50;
    match rate {
        None => (usize::MAX, None),
        Some(rate) if rate.get() <= STEPS_A_SECOND => (1, Some(Duration::from_secs(1) / rate.get())),
        Some(rate) => (
            (rate.get() / STEPS_A_SECOND) as usize,
            Some(Duration::from_secs(1) / STEPS_A_SECOND),
        ),
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        if wire.is_taken() {
            return wire.poll_script(context).map(Err);
        }
        Pin::new(&mut wire.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        if wire.is_taken() {
            return wire.poll_script(context).map(Err);
        }
        Pin::new(&mut wire.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        if wire.playing.is_some() {
            return wire.poll_script(context).map(Err);
        }
        Pin::new(&mut wire.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let resets = |playing: &Playing| playing.script.ending == Ending::Reset;
        if wire.playing.as_ref().is_some_and(resets) {
            // An orderly end would come before the reset.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut wire.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_keeps_its_rate_with_at_most_fifty_steps_a_second() {
        for rate in [1, 10, 50, 100, 5_000] {
            let (bytes, pause) = step(NonZeroU32::new(rate));
            let pause = pause.expect("a trickle pauses").as_secs_f64();
            let reached = bytes as f64 / pause;
            assert!((reached - f64::from(rate)).abs() < 1.0, "{rate}: {reached}");
            assert!(pause >= 0.0199);
        }
        assert_eq!(step(None), (usize::MAX, None));
    }
}
