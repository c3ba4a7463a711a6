//! How fast LookupEvents may be asked: its 2 requests a second are for everybody in the account and
//! Region, so at most half of them is taken, and less where others need them.

use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Between two requests where nobody else is asking: one a second of the two allowed.
const USUAL: Duration = Duration::from_secs(1);
/// Between two requests at the most.
const LONGEST: Duration = Duration::from_secs(30);

/// A turn at a time. Every throttled answer doubles the pause, every good one shortens it by a
/// tenth; each pause is up to a fifth longer by chance, so that several responders don't come in
/// step.
pub struct Pace {
    turn: Mutex<Turn>,
}

struct Turn {
    next: Instant,
    pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            turn: Mutex::new(Turn {
                next: Instant::now(),
                pause: USUAL,
            }),
        }
    }
}

impl Pace {
    /// Waits for the next turn.
    pub async fn turn(&self) {
        let next = self.turn.lock().await.take(Instant::now(), fastrand::f64());
        tokio::time::sleep_until(next).await;
    }

    /// The answer was that others are asking as well.
    pub async fn throttled(&self) {
        self.turn.lock().await.throttled(Instant::now());
    }

    /// The answer was good.
    pub async fn answered(&self) {
        self.turn.lock().await.answered();
    }
}

impl Turn {
    /// When the turn is that is taken at `now`; `chance` is between 0 and 1.
    fn take(&mut self, now: Instant, chance: f64) -> Instant {
        let turn = self.next.max(now);
        self.next = turn + self.pause + self.pause.mul_f64(chance / 5.0);
        turn
    }

    fn throttled(&mut self, now: Instant) {
        self.pause = (self.pause * 2).min(LONGEST);
        self.next = now + self.pause;
    }

    fn answered(&mut self) {
        self.pause = self.pause.mul_f64(0.9).max(USUAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(now: Instant) -> Turn {
        Turn {
            next: now,
            pause: USUAL,
        }
    }

    #[test]
    fn half_of_the_limit_is_left_to_others() {
        let now = Instant::now();
        let mut turn = fresh(now);
        let turns: Vec<Duration> = (0..10).map(|_| turn.take(now, 0.0) - now).collect();
        let seconds: Vec<u64> = turns.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, (0..10).collect::<Vec<_>>());
        // A turn that comes late does not make the next ones come early.
        let late = now + Duration::from_secs(100);
        assert_eq!(turn.take(late, 1.0), late);
        assert_eq!(turn.take(late, 0.0), late + Duration::from_millis(1200));
    }

    #[test]
    fn throttling_slows_down_to_a_limit_and_good_answers_speed_up_again() {
        let now = Instant::now();
        let mut turn = fresh(now);
        turn.throttled(now);
        turn.throttled(now);
        assert_eq!(turn.take(now, 0.0), now + Duration::from_secs(4));
        (0..20).for_each(|_| turn.throttled(now));
        assert_eq!(turn.pause, LONGEST);
        (0..100).for_each(|_| turn.answered());
        assert_eq!(turn.pause, USUAL);
    }
}
