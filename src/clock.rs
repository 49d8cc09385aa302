//! Whether the operator's clock agrees with that of the API server, whose answers are dated.
//!
//! Objects are dated by the one, and how long they count is measured by the other. Behind the API server there may be
//! others, whose answers it hands on with their own dates.

use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use countersign_core::decision::{Denial, Reason};
use futures::{FutureExt, TryFutureExt, future::BoxFuture};
use http::{Request, Response, header::DATE};
use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use tower::Service;

/// How far the clocks may be apart, in seconds; answers are dated to the second.
const MOST: u64 = 60;

/// What begins the paths that the API server answers itself, and that the operator watches all the time.
const ITS_OWN: [&str; 3] = [
    "/api/",
    "/apis/countersign.dev/",
    "/apis/admissionregistration.k8s.io/",
];

/// What the operator knows of the API server's clock, carried on from its last answer by a clock that nobody sets. Clones
/// know the same.
#[derive(Clone, Debug)]
pub struct Clock {
    started: Instant,
    /// The Unix seconds of the API server when this clock started; `None` before it has answered.
    theirs: Arc<Mutex<Option<i64>>>,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            theirs: Arc::default(),
        }
    }
}

impl Clock {
    /// A client whose answers are taken note of.
    pub fn dating<S>(&self, client: S) -> Dating<S> {
        Dating {
            client,
            clock: self.clone(),
        }
    }

    fn note<B>(&self, answer: &Response<B>) {
        let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
        if let Some(date) = date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok()) {
            let started = date.as_second() - seconds(self.started.elapsed());
            *self.theirs.lock().unwrap_or_else(PoisonError::into_inner) = Some(started);
        }
    }

    /// Denies what would be decided by a wrong clock.
    pub fn check(&self) -> Result<(), Denial> {
        self.check_at(Timestamp::now(), self.started.elapsed())
    }

    fn check_at(&self, now: Timestamp, elapsed: Duration) -> Result<(), Denial> {
        let theirs = *self.theirs.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = theirs.map_or(0, |started| now.as_second() - started - seconds(elapsed));
        if ahead.unsigned_abs() <= MOST {
            return Ok(());
        }
        let side = if ahead > 0 { "ahead of" } else { "behind" };
        let message = format!(
            "the operator's clock is {} s {side} the API server's, so what has expired is not known: set it",
            ahead.unsigned_abs()
        );
        Err(Denial::new(Reason::WrongClock, message))
    }
}

/// A client that takes note of the dates of the API server's own answers.
#[derive(Clone, Debug)]
pub struct Dating<S> {
    client: S,
    clock: Clock,
}

impl<S, A, B> Service<Request<A>> for Dating<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.client.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let path = request.uri().path();
        let is_its_own = ITS_OWN.iter().any(|beginning| path.starts_with(beginning));
        let clock = is_its_own.then(|| self.clock.clone());
        let note = move |answer: &S::Response| clock.iter().for_each(|clock| clock.note(answer));
        self.client.call(request).inspect_ok(note).boxed()
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use jiff::SignedDuration;
    use tower::service_fn;

    use super::*;

    const NOON: &str = "Sun, 06 Nov 1994 12:00:00 GMT";

    /// What is said so many minutes after the last of these answers, by a clock that shows this time.
    fn said(dates: &[&str], minutes: u64, now: &str) -> Option<String> {
        let clock = Clock::default();
        for date in dates {
            clock.note(&Response::builder().header(DATE, *date).body(()).unwrap());
        }
        clock.note(&Response::new(()));
        let denial = clock.check_at(now.parse().unwrap(), Duration::from_mins(minutes));
        denial.err().map(|denial| {
            assert_eq!(denial.reason, Reason::WrongClock);
            denial.message
        })
    }

    #[test]
    fn the_last_date_that_can_be_read_tells_whether_the_clock_is_right() {
        let one = "Sun, 06 Nov 1994 13:00:00 GMT";
        assert_eq!(said(&[], 0, "1994-11-06T12:00:00Z"), None);
        assert_eq!(said(&[NOON], 0, "1994-11-06T12:00:59Z"), None);
        assert_eq!(said(&[NOON], 0, "1994-11-06T11:59:01Z"), None);
        assert_eq!(said(&[one, NOON, "noon"], 0, "1994-11-06T12:00:30Z"), None);
        let ahead = said(&[NOON], 0, "1994-11-06T12:02:00Z").unwrap();
        assert!(ahead.contains("is 120 s ahead of the API server's"), "{ahead}");
        let behind = said(&[NOON, one], 0, "1994-11-06T12:00:00Z").unwrap();
        assert!(behind.contains("is 3600 s behind the API server's"), "{behind}");
    }

    #[test]
    fn a_clock_that_is_set_is_noticed_before_the_next_answer() {
        assert_eq!(said(&[NOON], 10, "1994-11-06T12:10:00Z"), None);
        assert!(said(&[NOON], 10, "1994-11-06T12:12:00Z").is_some());
        assert!(said(&[NOON], 10, "1994-11-06T12:00:00Z").is_some());
    }

    #[tokio::test]
    async fn only_the_api_server_itself_tells_its_time() {
        let clock = Clock::default();
        let answer = async |_: Request<()>| {
            Ok::<_, Infallible>(Response::builder().header(DATE, NOON).body(()).unwrap())
        };
        let mut client = clock.dating(service_fn(answer));
        let noon: Timestamp = "1994-11-06T12:00:00Z".parse().unwrap();
        let one = noon + SignedDuration::from_hours(1);
        for (path, is_noted) in [
            ("/apis/metrics.k8s.io/v1beta1/nodes", false),
            ("/apis/apps/v1/namespaces/api/deployments", false),
            ("/apis/countersign.developers/v1/things", false),
            ("/apis/countersign.dev/v1alpha1/zones", true),
            ("/apis/admissionregistration.k8s.io/v1", true),
            ("/api/v1/namespaces", true),
        ] {
            *clock.theirs.lock().unwrap() = None;
            client.call(Request::get(path).body(()).unwrap()).await.unwrap();
            assert_eq!(clock.check_at(one, Duration::ZERO).is_err(), is_noted, "{path}");
        }
    }
}
