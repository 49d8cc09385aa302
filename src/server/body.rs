//! Reading a request's body: bounded in size and time, and all bodies together in memory.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, HttpBody},
    extract::{FromRef, FromRequest, Request},
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::metrics::ListenerMetrics;

/// Bytes of an unread body's beginning that are kept, to tell whose it was.
const HEAD_BYTES: usize = 4096;

/// What bodies may take.
#[derive(Clone, Debug)]
pub struct BodyBudget {
    free: Arc<Semaphore>,
    limit: u32,
    wait: Duration,
    time: Duration,
    metrics: ListenerMetrics,
}

impl BodyBudget {
    /// Bodies of at most `limit` bytes, of at most `total` bytes together until they are dropped.
    pub fn new(limit: u32, total: usize, metrics: ListenerMetrics) -> Self {
        Self {
            free: Arc::new(Semaphore::new(total)),
            limit,
            wait: Duration::from_secs(1),
            time: Duration::from_secs(5),
            metrics,
        }
    }

    /// How long a body waits for memory (default 1 s), and how long its reading may take (5 s).
    #[must_use]
    pub fn with_times(self, wait: Duration, time: Duration) -> Self {
        Self { wait, time, ..self }
    }

    async fn read(&self, body: Body) -> Result<BoundedBody, BodyRejection> {
        let hint = body.size_hint();
        if hint.lower() > u64::from(self.limit) {
            return Err(BodyRejection::TooLarge {
                limit: self.limit,
                head: self.discard(body).await?,
            });
        }
        // Without a length, the most it may be.
        let size = hint
            .exact()
            .and_then(|size| u32::try_from(size).ok())
            .unwrap_or(self.limit);
        let reservation = self.free.clone().acquire_many_owned(size);
        let Ok(Ok(permit)) = timeout(self.wait, reservation).await else {
            return Err(BodyRejection::Overloaded {
                head: self.discard(body).await?,
            });
        };
        let bytes = self.in_time(collect(body, size, self.limit)).await?;
        Ok(BoundedBody {
            bytes,
            _permit: permit,
        })
    }

    /// Reads all of the body and keeps its head: a client that is still writing may not see an answer.
    async fn discard(&self, mut body: Body) -> Result<Bytes, BodyRejection> {
        let reading = async {
            let mut head = BytesMut::with_capacity(HEAD_BYTES);
            while let Some(data) = next(&mut body).await? {
                head.extend(data.iter().take(HEAD_BYTES - head.len()));
            }
            Ok(head.freeze())
        };
        self.in_time(reading).await
    }

    async fn in_time<T>(
        &self,
        reading: impl Future<Output = Result<T, BodyRejection>>,
    ) -> Result<T, BodyRejection> {
        timeout(self.time, reading)
            .await
            .unwrap_or(Err(BodyRejection::TimedOut))
    }
}

async fn collect(mut body: Body, size: u32, limit: u32) -> Result<Bytes, BodyRejection> {
    let mut bytes = BytesMut::with_capacity(size as usize);
    while let Some(data) = next(&mut body).await? {
        if bytes.len() + data.len() > limit as usize {
            while next(&mut body).await?.is_some() {}
            bytes.truncate(HEAD_BYTES);
            return Err(BodyRejection::TooLarge {
                limit,
                head: bytes.freeze(),
            });
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

async fn next(body: &mut Body) -> Result<Option<Bytes>, BodyRejection> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame
            .map_err(|error| BodyRejection::Broken(error.to_string()))?
            .into_data()
        {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// A whole body; its part of the budget is free again when it is dropped.
#[derive(Debug)]
pub struct BoundedBody {
    /// The bytes.
    pub bytes: Bytes,
    _permit: OwnedSemaphorePermit,
}

/// A body that was not read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyRejection {
    /// It is larger than any may be. In a namespace whose failure policy is `Ignore` an HTTP error would allow the
    /// write, and whoever wants to write is told by the API server where it failed, the secret path included: answer
    /// with a denial for the review whose beginning is here.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The most that is kept.
        limit: u32,
        /// The beginning of the body, at most 4096 bytes.
        head: Bytes,
    },
    /// Too much is being read already: answer likewise.
    #[error("too many requests are being read")]
    Overloaded {
        /// The beginning of the body, at most 4096 bytes.
        head: Bytes,
    },
    /// It came too slowly.
    #[error("the body did not arrive in time")]
    TimedOut,
    /// The connection broke.
    #[error("the body is broken: {0}")]
    Broken(String),
}

impl BodyRejection {
    const fn reason(&self) -> (StatusCode, &'static str) {
        match self {
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::Overloaded { .. } => (StatusCode::TOO_MANY_REQUESTS, "body_overload"),
            Self::TimedOut => (StatusCode::REQUEST_TIMEOUT, "body_timeout"),
            Self::Broken(_) => (StatusCode::BAD_REQUEST, "body_broken"),
        }
    }
}

impl IntoResponse for BodyRejection {
    fn into_response(self) -> Response {
        (self.reason().0, self.to_string()).into_response()
    }
}

impl<S: Send + Sync> FromRequest<S> for BoundedBody
where
    BodyBudget: FromRef<S>,
{
    type Rejection = BodyRejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, BodyRejection> {
        let budget = BodyBudget::from_ref(state);
        let body = budget.read(request.into_body()).await;
        body.inspect_err(|rejection| budget.metrics.reject(rejection.reason().1))
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, stream};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn budget(limit: u32, total: usize) -> BodyBudget {
        BodyBudget::new(limit, total, ListenerMetrics::default()).with_times(SECOND / 100, SECOND / 20)
    }

    fn chunked(chunks: &'static [&'static str]) -> Body {
        Body::from_stream(stream::iter(chunks).map(|chunk| Ok::<_, std::io::Error>(*chunk)))
    }

    #[tokio::test]
    async fn a_body_within_the_limit_is_read_whole() {
        let budget = budget(6, 6);
        assert_eq!(budget.read(Body::from("abcdef")).await.unwrap().bytes, "abcdef");
        assert_eq!(
            budget.read(chunked(&["abc", "", "def"])).await.unwrap().bytes,
            "abcdef"
        );
    }

    #[tokio::test]
    async fn a_larger_body_is_refused_with_and_without_a_length() {
        let budget = budget(5, 100);
        let too_large = |head: &'static str| BodyRejection::TooLarge {
            limit: 5,
            head: head.into(),
        };
        assert_eq!(
            budget.read(Body::from("abcdef")).await.unwrap_err(),
            too_large("abcdef")
        );
        let chunks = chunked(&["abc", "def", "ghi"]);
        assert_eq!(budget.read(chunks).await.unwrap_err(), too_large("abc"));
        let too_large = too_large("");
        assert_eq!(too_large.into_response().status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn bodies_share_their_budget_until_they_are_dropped() {
        let budget = budget(8, 10);
        let first = budget.read(Body::from("abcdef")).await.unwrap();
        let overloaded = budget.read(Body::from("ghijkl")).await.unwrap_err();
        assert_eq!(
            overloaded,
            BodyRejection::Overloaded {
                head: "ghijkl".into()
            }
        );
        drop(first);
        assert_eq!(budget.read(Body::from("ghijkl")).await.unwrap().bytes, "ghijkl");
    }

    #[tokio::test]
    async fn the_head_of_an_unread_body_is_bounded() {
        let budget = budget(1 << 20, 0);
        let BodyRejection::Overloaded { head } =
            budget.read(Body::from(vec![b'x'; 100_000])).await.unwrap_err()
        else {
            panic!()
        };
        assert_eq!(head, vec![b'x'; HEAD_BYTES]);
    }

    #[tokio::test]
    async fn a_slow_body_times_out_and_a_broken_one_says_so() {
        let budget = budget(8, 10);
        let slow = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(budget.read(slow).await.unwrap_err(), BodyRejection::TimedOut);
        let broken = Body::from_stream(stream::iter([Err::<Bytes, _>(std::io::Error::other("cut"))]));
        assert_eq!(
            budget.read(broken).await.unwrap_err(),
            BodyRejection::Broken("cut".to_owned())
        );
        assert_eq!(budget.free.available_permits(), 10);
    }
}
