//! A time as people write it on the command line: at two in the night, two hours ago, ten minutes before
//! the event.

use super::{Failure, Kind};
use anyhow::Result;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// What is said of a text that is no time.
const HOW: &str = "no time; write 2026-11-20T09:12:33Z, 2026-11-20, -2h (two hours ago), \
                   or event-10m (ten minutes before the case's event)";

/// A time, or one from which it is counted.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    /// This very time.
    At(Timestamp),
    /// So long before (negative) or after now.
    FromNow(Span),
    /// So long before (negative) or after the event that opened the case.
    FromEvent(Span),
}

impl Moment {
    /// A time from which on: a date is its beginning (UTC).
    pub fn since(text: &str) -> Result<Self, String> {
        Self::read(text, |date| date.at(0, 0, 0, 0))
    }

    /// A time up to which: a date is its end (UTC).
    pub fn until(text: &str) -> Result<Self, String> {
        Self::read(text, |date| date.at(23, 59, 59, 999_999_999))
    }

    fn read(text: &str, of: impl Fn(Date) -> jiff::civil::DateTime) -> Result<Self, String> {
        if let Ok(time) = text.parse() {
            return Ok(Self::At(time));
        }
        if let (10, Ok(date)) = (text.len(), text.parse::<Date>()) {
            let zoned = of(date).to_zoned(TimeZone::UTC);
            return zoned
                .map(|zoned| Self::At(zoned.timestamp()))
                .map_err(|_| HOW.to_owned());
        }
        if let Some(rest) = text.strip_prefix("event") {
            return match rest {
                "" => Ok(Self::FromEvent(Span::new())),
                _ if rest.starts_with(['+', '-']) => span(rest).map(Self::FromEvent),
                _ => Err(HOW.to_owned()),
            };
        }
        // Without a sign it may be meant either way.
        if text.starts_with(['+', '-']) || text.ends_with("ago") {
            return span(text).map(Self::FromNow);
        }
        Err(HOW.to_owned())
    }

    /// When that is. `event`: when the case's event was; none where there is no case.
    pub fn time(self, now: Timestamp, event: Option<Timestamp>) -> Result<Timestamp> {
        let (from, span) = match (self, event) {
            (Self::At(time), _) => return Ok(time),
            (Self::FromNow(span), _) => (now, span),
            (Self::FromEvent(span), Some(event)) => (event, span),
            (Self::FromEvent(_), None) => {
                return Err(Failure::new(
                    Kind::Usage,
                    "there is no case here, and no event to count from; write a time, or -2h",
                ));
            }
        };
        // Days are counted as 24 hours, as in UTC.
        let counted = from.to_zoned(TimeZone::UTC).checked_add(span);
        counted
            .map(|zoned| zoned.timestamp())
            .map_err(|_| Failure::new(Kind::Usage, "that time is beyond what a calendar holds"))
    }
}

/// Both ends, where they are said.
pub fn between(
    since: Option<Moment>,
    until: Option<Moment>,
    event: Option<Timestamp>,
) -> Result<(Option<Timestamp>, Option<Timestamp>)> {
    let now = Timestamp::now();
    let since = since.map(|since| since.time(now, event)).transpose()?;
    let until = until.map(|until| until.time(now, event)).transpose()?;
    if let (Some(since), Some(until)) = (since, until)
        && since > until
    {
        return Err(Failure::new(
            Kind::Usage,
            format!("--since {since} is later than --until {until}; nothing is in between"),
        ));
    }
    Ok((since, until))
}

fn span(text: &str) -> Result<Span, String> {
    text.parse::<Span>().map_err(|_| HOW.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let now = "2026-11-23T12:00:00Z".parse().unwrap();
        let event = "2026-11-23T03:15:01Z".parse().unwrap();
        match Moment::since(text) {
            Ok(moment) => moment.time(now, Some(event)).unwrap().to_string(),
            Err(_) => "no time".to_owned(),
        }
    }

    #[test]
    fn a_time_is_read_as_people_write_it() {
        for (text, wanted) in [
            ("2026-11-20T09:12:33Z", "2026-11-20T09:12:33Z"),
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("-2h", "2026-11-23T10:00:00Z"),
            ("-1d", "2026-11-22T12:00:00Z"),
            ("90min ago", "2026-11-23T10:30:00Z"),
            ("-1h30m", "2026-11-23T10:30:00Z"),
            ("event", "2026-11-23T03:15:01Z"),
            ("event-10m", "2026-11-23T03:05:01Z"),
            ("event+1h", "2026-11-23T04:15:01Z"),
            ("2h", "no time"),
            ("yesterday", "no time"),
            ("eventually", "no time"),
            ("", "no time"),
        ] {
            assert_eq!(told(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_date_up_to_which_is_wholly_in() {
        let until = Moment::until("2026-11-20").unwrap();
        let until = until.time(Timestamp::now(), None).unwrap();
        assert_eq!(until.to_string(), "2026-11-20T23:59:59.999999999Z");
    }

    #[test]
    fn what_has_no_event_or_no_end_is_refused_not_guessed() {
        assert!(
            Moment::since("event")
                .unwrap()
                .time(Timestamp::now(), None)
                .is_err()
        );
        let far = Moment::since("-30000y").map(|far| far.time(Timestamp::now(), None).is_err());
        assert!(far.unwrap_or(true));
        let late = Moment::At("2026-11-20T00:00:00Z".parse().unwrap());
        let soon = Moment::At("2026-11-19T00:00:00Z".parse().unwrap());
        assert!(between(Some(late), Some(soon), None).is_err());
    }
}
