//! Bodies as they go out.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::mpsc;

/// A body that goes out.
#[derive(Debug)]
pub enum Body {
    /// All of it, with its length.
    Whole(Bytes),
    /// All of it, in HTTP chunks and without a length.
    Chunked(Bytes),
    /// Piece by piece, as somebody makes it.
    Stream(mpsc::Receiver<Bytes>),
}

impl Body {
    /// Nothing.
    pub fn empty() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match self.get_mut() {
            Self::Whole(bytes) | Self::Chunked(bytes) => {
                let bytes = std::mem::take(bytes);
                if bytes.is_empty() { None } else { Some(bytes) }
            }
            Self::Stream(pieces) => {
                return pieces
                    .poll_recv(context)
                    .map(|piece| piece.map(Frame::data).map(Ok));
            }
        };
        Poll::Ready(piece.map(Frame::data).map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) | Self::Chunked(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Chunked(_) | Self::Stream(_) => SizeHint::default(),
        }
    }
}
