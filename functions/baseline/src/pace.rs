//! How fast AWS is asked: an account's control plane answers 15 requests a second to everybody
//! together, and whoever deploys must not wait for a sweep.

use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Lets so many requests begin in a second, evenly.
pub struct Pace {
    apart: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// `per_second` requests; at least one in ten seconds.
    pub fn of(per_second: f64) -> Self {
        let apart = Duration::try_from_secs_f64(1.0 / per_second);
        Self {
            apart: apart.map_or(SLOWEST, |apart| apart.min(SLOWEST)),
            next: Mutex::default(),
        }
    }

    /// Waits for one's turn.
    pub async fn wait(&self) {
        let turn = {
            let mut next = self.next.lock().await;
            let turn = next.unwrap_or_else(Instant::now).max(Instant::now());
            *next = Some(turn + self.apart);
            turn
        };
        tokio::time::sleep_until(turn).await;
    }
}

const SLOWEST: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_begin_evenly_however_many_ask_at_once() {
        let pace = Pace::of(4.0);
        let began = Instant::now();
        let all: Vec<_> = (0..9).map(|_| pace.wait()).collect();
        futures_util::future::join_all(all).await;
        let took = began.elapsed().as_millis();
        assert!((1990..=2030).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_idle_saves_nothing_up() {
        let pace = Pace::of(1.0);
        pace.wait().await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let began = Instant::now();
        pace.wait().await;
        pace.wait().await;
        assert!(began.elapsed() >= Duration::from_millis(999));
    }
}
