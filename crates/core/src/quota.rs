//! A quota: at most so many events in any span of a given length, exactly.
//!
//! Its text is what replicas share: the time of the first event in milliseconds, and the milliseconds from each event to
//! the next, all in base 36.

use std::{collections::VecDeque, fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp};

/// The times of the last events, in milliseconds, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events(VecDeque<i64>);

/// A text that tells of no events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` tells of no events")]
pub struct InvalidEvents(String);

impl Events {
    /// As many as there may be, all of them now.
    pub fn full(now: Timestamp, most: usize) -> Self {
        Self(std::iter::repeat_n(now.as_millisecond(), most).collect())
    }

    /// One event more, unless the span that ends now would hold more than `most` then: in that case how long it takes
    /// until one more fits. A clock that went back counts from the last event.
    pub fn take(mut self, now: Timestamp, most: usize, span: SignedDuration) -> Result<Self, SignedDuration> {
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let now = self
            .0
            .back()
            .map_or(i64::MIN, |last| *last)
            .max(now.as_millisecond());
        while self
            .0
            .front()
            .is_some_and(|first| now.saturating_sub(*first) >= span)
        {
            self.0.pop_front();
        }
        if self.0.len() < most {
            self.0.push_back(now);
            return Ok(self);
        }
        // One more fits when the oldest of the last `most` is out of the span.
        let oldest = self.0.len().checked_sub(most).and_then(|index| self.0.get(index));
        let wait = oldest.map_or(span, |oldest| span.saturating_sub(now.saturating_sub(*oldest)));
        Err(SignedDuration::from_millis(wait))
    }
}

impl fmt::Display for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = 0;
        for time in &self.0 {
            let separator = if before == 0 { "" } else { " " };
            write!(
                f,
                "{separator}{}",
                Base36(time.saturating_sub(before).unsigned_abs())
            )?;
            before = *time;
        }
        Ok(())
    }
}

impl FromStr for Events {
    type Err = InvalidEvents;

    fn from_str(text: &str) -> Result<Self, InvalidEvents> {
        let mut before = 0_i64;
        let mut times = VecDeque::new();
        for digits in text.split(' ').filter(|digits| !digits.is_empty()) {
            let since = i64::from_str_radix(digits, 36).ok().filter(|since| *since >= 0);
            before = since
                .and_then(|since| before.checked_add(since))
                .ok_or_else(|| InvalidEvents(text.to_owned()))?;
            times.push_back(before);
        }
        Ok(Self(times))
    }
}

struct Base36(u64);

impl fmt::Display for Base36 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rest, digit) = (self.0 / 36, self.0 % 36);
        if rest > 0 {
            write!(f, "{}", Self(rest))?;
        }
        let digit = u32::try_from(digit)
            .ok()
            .and_then(|digit| char::from_digit(digit, 36));
        write!(f, "{}", digit.unwrap_or('0'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const SPAN: SignedDuration = SignedDuration::from_millis(100);

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + millisecond).unwrap()
    }

    #[test]
    fn no_span_holds_more_and_what_is_refused_fits_when_it_is_said_to() {
        let mut events = Events::default();
        for time in [0, 10, 20] {
            events = events.take(at(time), 3, SPAN).unwrap();
        }
        assert_eq!(
            events.clone().take(at(50), 3, SPAN),
            Err(SignedDuration::from_millis(50))
        );
        assert_eq!(
            events.clone().take(at(99), 3, SPAN),
            Err(SignedDuration::from_millis(1))
        );
        assert!(events.clone().take(at(100), 3, SPAN).is_ok());
        assert_eq!(
            events.take(at(50), 2, SPAN),
            Err(SignedDuration::from_millis(60)),
            "the limit was lowered"
        );
    }

    #[test]
    fn a_clock_that_goes_back_gives_no_room() {
        let events = Events::default().take(at(1000), 1, SPAN).unwrap();
        assert_eq!(events.take(at(0), 1, SPAN), Err(SPAN));
    }

    #[test]
    fn what_tells_of_no_events_is_refused() {
        for text in ["-1", "1 !", "zzzzzzzzzzzzzzzz", "1 1y2p0ij32e8e7"] {
            assert_eq!(
                text.parse::<Events>(),
                Err(InvalidEvents(text.to_owned())),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_span_holds_as_many_as_there_may_be_at_most_and_the_text_tells_them_all(
            steps in vec(0..60_i64, 1..80), most in 1..6_usize,
        ) {
            let (mut events, mut now, mut taken) = (Events::default(), 0, Vec::<i64>::new());
            for step in steps {
                now += step;
                let fits = taken.iter().filter(|time| now - **time < 100).count() < most;
                match events.clone().take(at(now), most, SPAN) {
                    Ok(more) => {
                        prop_assert!(fits);
                        taken.push(now);
                        prop_assert_eq!(more.to_string().parse::<Events>(), Ok(more.clone()));
                        events = more;
                    }
                    Err(wait) => {
                        prop_assert!(!fits);
                        let then = at(now) + wait;
                        prop_assert!(events.clone().take(then, most, SPAN).is_ok());
                    }
                }
            }
        }
    }
}
