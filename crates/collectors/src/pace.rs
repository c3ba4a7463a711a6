//! How fast a provider may be asked: its rate is for everybody in the account, so a part of it is
//! taken, less where others need it, and nothing while the provider says to wait.

use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Between two LookupEvents where nobody else is asking: one a second of the two that are allowed
/// everybody in the account and Region.
const USUAL: Duration = Duration::from_secs(1);
/// Between two LookupEvents at the most.
const LONGEST: Duration = Duration::from_secs(30);

/// A turn at a time. Every throttled answer doubles the pause, every good one shortens it by a
/// tenth; each pause is up to a fifth longer by chance, so that several responders don't come in
/// step.
pub struct Pace {
    longest: Duration,
    turn: Mutex<Turn>,
}

struct Turn {
    usual: Duration,
    longest: Duration,
    next: Instant,
    pause: Duration,
    /// Nobody asks before: the provider said so.
    held: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        Self::of(USUAL, LONGEST)
    }
}

impl Pace {
    /// A pause of `usual` between two requests where nobody else is asking, of `longest` at the most;
    /// that long is also waited where an answer says that there were too many requests and not for
    /// how long.
    pub fn of(usual: Duration, longest: Duration) -> Self {
        Self {
            longest,
            turn: Mutex::new(Turn::new(usual, longest, Instant::now())),
        }
    }

    /// The longest pause.
    pub fn longest(&self) -> Duration {
        self.longest
    }

    /// Waits for the next turn. Whoever has taken one already waits as well if meanwhile everybody is
    /// made to.
    pub async fn turn(&self) {
        loop {
            let next = self.turn.lock().await.take(Instant::now(), fastrand::f64());
            tokio::time::sleep_until(next).await;
            if !self.turn.lock().await.is_held(Instant::now()) {
                return;
            }
        }
    }

    /// The answer was that others are asking as well.
    pub async fn throttled(&self) {
        self.turn.lock().await.throttled(Instant::now());
    }

    /// The answer was that nobody is to ask for a while: everybody who shares this pace waits.
    pub async fn throttled_for(&self, wait: Duration) {
        self.turn.lock().await.throttled_for(wait, Instant::now());
    }

    /// So long a pause is enough to make do with what is left of the rate; good answers shorten it
    /// again.
    pub async fn slowed(&self, pause: Duration) {
        self.turn.lock().await.slowed(pause, Instant::now());
    }

    /// The answer was good.
    pub async fn answered(&self) {
        self.turn.lock().await.answered();
    }
}

impl Turn {
    fn new(usual: Duration, longest: Duration, now: Instant) -> Self {
        Self {
            usual,
            longest,
            next: now,
            pause: usual,
            held: None,
        }
    }

    /// When the turn is that is taken at `now`; `chance` is between 0 and 1.
    fn take(&mut self, now: Instant, chance: f64) -> Instant {
        let turn = self.next.max(now);
        self.next = turn + self.pause + self.pause.mul_f64(chance / 5.0);
        turn
    }

    fn is_held(&self, now: Instant) -> bool {
        self.held.is_some_and(|held| held > now)
    }

    fn throttled(&mut self, now: Instant) {
        self.pause = (self.pause * 2).min(self.longest);
        self.next = now + self.pause;
    }

    fn throttled_for(&mut self, wait: Duration, now: Instant) {
        // Several who asked at once are told at once: that slows down once.
        if !self.is_held(now) {
            self.pause = (self.pause * 2).min(self.longest);
        }
        let held = self.held.map_or(now + wait, |held| held.max(now + wait));
        self.held = Some(held);
        self.next = self.next.max(held);
    }

    fn slowed(&mut self, pause: Duration, now: Instant) {
        self.pause = self.pause.max(pause.min(self.longest));
        self.next = self.next.max(now + self.pause);
    }

    fn answered(&mut self) {
        self.pause = self.pause.mul_f64(0.9).max(self.usual);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn fresh(now: Instant) -> Turn {
        Turn::new(USUAL, LONGEST, now)
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

    #[test]
    fn what_is_left_of_a_rate_is_spread_over_its_time() {
        let now = Instant::now();
        let mut turn = fresh(now);
        turn.slowed(Duration::from_secs(3), now);
        turn.slowed(Duration::from_secs(2), now);
        assert_eq!(turn.take(now, 0.0), now + Duration::from_secs(3));
        turn.slowed(Duration::from_secs(3000), now);
        assert_eq!(turn.pause, LONGEST);
        (0..100).for_each(|_| turn.answered());
        assert_eq!(turn.pause, USUAL);
    }

    #[test]
    fn several_who_are_made_to_wait_at_once_slow_down_once() {
        let now = Instant::now();
        let mut turn = fresh(now);
        (0..6).for_each(|_| turn.throttled_for(Duration::from_secs(60), now));
        // A shorter wait does not end a longer one.
        turn.throttled_for(Duration::from_secs(1), now);
        assert_eq!(turn.take(now, 0.0), now + Duration::from_secs(60));
        assert_eq!(turn.pause, USUAL * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_taken_a_turn_waits_when_everybody_is_made_to() {
        let pace = Arc::new(Pace::of(Duration::from_secs(10), Duration::from_secs(300)));
        let began = Instant::now();
        pace.turn().await;
        // Its turn is in ten seconds or a little more.
        let other = tokio::spawn({
            let pace = pace.clone();
            async move {
                pace.turn().await;
                began.elapsed()
            }
        });
        tokio::time::sleep(Duration::from_secs(5)).await;
        pace.throttled_for(Duration::from_secs(60)).await;
        let waited = other.await.unwrap();
        assert!(waited >= Duration::from_secs(65), "{waited:?}");
        assert!(waited < Duration::from_secs(90), "{waited:?}");
    }
}
