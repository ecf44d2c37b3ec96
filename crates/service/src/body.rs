//! Reading a request body without trusting its sender: not its length, not its speed, and not that
//! it ends where it said.

use std::error::Error;
use std::io;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;

/// Reads a whole body of at most `bytes_max` bytes within `timeout`.
///
/// A declared length over the cap is refused before the first byte is read.
///
/// # Errors
/// One variant for each way to fail; see [`BodyError`]. Nothing of the body is kept.
pub async fn read_body_capped(
    mut body: Body,
    bytes_max: usize,
    timeout: Duration,
) -> Result<Bytes, BodyError> {
    read_body_metered(&mut body, bytes_max, timeout, |_| true).await
}

/// As [`read_body_capped`], and asks `take` for room before each piece is kept. What was not read
/// is still in `body`, for [`discard_body`].
///
/// # Errors
/// As [`read_body_capped`], and [`BodyError::NoRoom`] when `take` said no.
pub async fn read_body_metered(
    body: &mut Body,
    bytes_max: usize,
    timeout: Duration,
    take: impl FnMut(usize) -> bool,
) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > u64::try_from(bytes_max).unwrap_or(u64::MAX) {
        return Err(BodyError::TooLarge { bytes_max });
    }
    match tokio::time::timeout(timeout, collect(body, bytes_max, take)).await {
        Ok(read) => read,
        Err(_elapsed) => Err(BodyError::Timeout { timeout }),
    }
}

async fn collect(
    body: &mut Body,
    bytes_max: usize,
    mut take: impl FnMut(usize) -> bool,
) -> Result<Bytes, BodyError> {
    let mut body = Limited::new(body, bytes_max);
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| classify(error, bytes_max))?;
        let Ok(data) = frame.into_data() else { continue };
        if !take(data.len()) {
            return Err(BodyError::NoRoom);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// Reads what still comes of a body that was refused, and throws it away, within both limits.
///
/// Closing a connection with unread bytes resets it, and the client never sees why it was refused.
/// Whoever sends more or slower than the limits allow gets the reset.
pub async fn discard_body(body: Body, bytes_max: usize, timeout: Duration) {
    let mut rest = Limited::new(body, bytes_max);
    let discard = async { while let Some(Ok(_)) = rest.frame().await {} };
    // Out of time is one of the limits, no failure.
    let _ = tokio::time::timeout(timeout, discard).await;
}

fn classify(error: Box<dyn Error + Send + Sync>, bytes_max: usize) -> BodyError {
    if error.is::<LengthLimitError>() {
        return BodyError::TooLarge { bytes_max };
    }
    let mut cause: Option<&(dyn Error + 'static)> = Some(&*error);
    while let Some(current) = cause {
        if is_early_end(current) {
            return BodyError::Truncated;
        }
        cause = current.source();
    }
    BodyError::Unreadable(error)
}

/// hyper says it in several ways, depending on where in the message the connection ended.
fn is_early_end(error: &(dyn Error + 'static)) -> bool {
    if let Some(hyper) = error.downcast_ref::<hyper::Error>() {
        return hyper.is_incomplete_message() || hyper.is_closed() || hyper.is_canceled();
    }
    error.downcast_ref::<io::Error>().is_some_and(|io| {
        matches!(io.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
    })
}

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// Whoever bounds what is held at once had no room for more.
    #[error("there is no room for more of the body")]
    NoRoom,
    /// Reject: longer than allowed. Belongs with 413.
    #[error("the body is longer than {bytes_max} bytes")]
    TooLarge {
        /// The cap.
        bytes_max: usize,
    },
    /// Reject: did not arrive in time. Belongs with 408.
    #[error("the body did not arrive within {} ms", timeout.as_millis())]
    Timeout {
        /// The limit.
        timeout: Duration,
    },
    /// Reject: the connection ended before the body did. Nothing of it may be acted on.
    #[error("the body ended before its declared end")]
    Truncated,
    /// Reject: not a body in the sense of HTTP, such as a broken chunk.
    #[error("cannot read the body")]
    Unreadable(#[source] Box<dyn Error + Send + Sync>),
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn chunks(parts: &'static [&'static str]) -> Body {
        Body::from_stream(stream::iter(parts.iter().map(|part| Ok::<_, std::io::Error>(*part))))
    }

    #[tokio::test]
    async fn reads_a_body_up_to_the_cap_and_not_beyond() {
        assert_eq!(read_body_capped(Body::from("1234"), 4, SECOND).await.unwrap(), "1234");
        assert_eq!(read_body_capped(chunks(&["12", "34"]), 4, SECOND).await.unwrap(), "1234");
        assert_eq!(read_body_capped(Body::empty(), 0, SECOND).await.unwrap(), "");
        for body in [Body::from("12345"), chunks(&["1234", "5"]), chunks(&["12345"])] {
            let error = read_body_capped(body, 4, SECOND).await.unwrap_err();
            assert!(matches!(error, BodyError::TooLarge { bytes_max: 4 }), "{error:?}");
        }
    }

    #[tokio::test]
    async fn room_is_asked_for_as_the_bytes_arrive() {
        let mut left = 3;
        let mut take = |bytes: usize| {
            let fits = bytes <= left;
            left = left.saturating_sub(bytes);
            fits
        };
        let read = read_body_metered(&mut chunks(&["12", "3"]), 9, SECOND, &mut take).await;
        assert_eq!(read.unwrap(), "123");
        let error = read_body_metered(&mut chunks(&["4"]), 9, SECOND, &mut take).await.unwrap_err();
        assert!(matches!(error, BodyError::NoRoom), "{error:?}");
    }

    #[tokio::test]
    async fn a_body_that_never_ends_runs_out_of_time() {
        let endless = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let error = read_body_capped(endless, 4, Duration::from_millis(1)).await.unwrap_err();
        assert!(matches!(error, BodyError::Timeout { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn discarding_ends_at_the_body_s_end_the_cap_or_the_time_limit() {
        discard_body(chunks(&["12", "34"]), 100, SECOND).await;
        let endless = || stream::repeat_with(|| Ok::<_, std::io::Error>("1234"));
        discard_body(Body::from_stream(endless()), 100, Duration::from_hours(1)).await;
        let silent = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        discard_body(silent, 100, Duration::from_millis(1)).await;
    }

    #[tokio::test]
    async fn an_error_of_the_transport_is_no_end_of_the_body() {
        let parts = vec![Ok(Bytes::from("12")), Err(std::io::Error::other("torn"))];
        let torn = Body::from_stream(stream::iter(parts));
        let error = read_body_capped(torn, 4, SECOND).await.unwrap_err();
        assert!(matches!(error, BodyError::Unreadable(_)), "{error:?}");
    }
}
