//! A connection whose peer stops reading what it asked for.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Ends a connection on which a blocked write gets fewer than [`PROGRESS_BYTES_MIN`] bytes through
/// within the limit, so that a peer which reads nothing, or a byte at a time, cannot hold the answer
/// in memory. Reading has limits of its own: the header timeout and that of the body.
pub(crate) struct StallGuard<S> {
    stream: S,
    limit: Duration,
    /// Running since a write first had to wait; gone once all is written.
    blocked: Option<Blocked>,
}

struct Blocked {
    deadline: Pin<Box<Sleep>>,
    written_bytes: usize,
}

impl<S> StallGuard<S> {
    pub(crate) fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, blocked: None }
    }

    fn note(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                if let Some(blocked) = &mut self.blocked {
                    blocked.written_bytes = blocked.written_bytes.saturating_add(bytes);
                    if blocked.written_bytes >= PROGRESS_BYTES_MIN {
                        self.blocked = None;
                    }
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let limit = self.limit;
                let blocked = self.blocked.get_or_insert_with(|| Blocked {
                    deadline: Box::pin(tokio::time::sleep(limit)),
                    written_bytes: 0,
                });
                blocked.deadline.as_mut().poll(cx).map(|()| {
                    Err(io::Error::new(io::ErrorKind::TimedOut, "the peer stopped reading"))
                })
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for StallGuard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.note(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes when its own buffer is empty: the peer has taken all there was.
        self.blocked = None;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StallGuard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

const PROGRESS_BYTES_MIN: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn ends_a_connection_whose_peer_reads_nothing() {
        let (near, _far) = duplex(8);
        let mut guarded = StallGuard::new(near, Duration::from_millis(1));
        let error = guarded.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_peer_that_reads_gets_everything() {
        let (near, mut far) = duplex(8);
        let mut guarded = StallGuard::new(near, Duration::from_mins(1));
        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.unwrap();
            all.len()
        });
        guarded.write_all(&vec![7; 40_000]).await.unwrap();
        guarded.flush().await.unwrap();
        assert!(guarded.blocked.is_none());
        drop(guarded);
        assert_eq!(reader.await.unwrap(), 40_000);
    }
}
