//! A token bucket.
//!
//! Its own, because the limit that tower has counts in windows, each with a burst, and crates such as governor are made
//! for many callers at once, with queues and locks that a single writer does not need.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// How many Events may be sent at once; client-go allows as many for one object.
const BURST: u32 = 25;

/// After how long there may be one more.
const REFILL: Duration = Duration::from_secs(10);

/// Limits how often something is done.
#[derive(Debug)]
pub(super) struct Bucket {
    tokens: u32,
    /// When the last token was added.
    filled: Instant,
}

// === impl Bucket ===

impl Bucket {
    pub(super) fn full() -> Self {
        Bucket { tokens: BURST, filled: Instant::now() }
    }

    /// Takes a token, and waits for it if there is none.
    pub(super) async fn take(&mut self) {
        self.refill();
        if self.tokens == 0 {
            sleep_until(self.filled + REFILL).await;
            self.refill();
        }
        self.tokens = self.tokens.saturating_sub(1);
    }

    fn refill(&mut self) {
        let now = Instant::now();
        while self.tokens < BURST && self.filled + REFILL <= now {
            self.tokens += 1;
            self.filled += REFILL;
        }
        if self.tokens == BURST {
            self.filled = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long it takes to take `count` tokens.
    async fn time_for(bucket: &mut Bucket, count: u32) -> Duration {
        let start = Instant::now();
        for _ in 0..count {
            bucket.take().await;
        }
        start.elapsed()
    }

    /// The clock runs ahead while everybody waits.
    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_and_the_rest_takes_its_time() {
        let mut bucket = Bucket::full();
        assert_eq!(time_for(&mut bucket, BURST).await, Duration::ZERO);
        assert!(time_for(&mut bucket, 3).await >= 3 * REFILL);
        tokio::time::advance(2 * REFILL).await;
        assert!(time_for(&mut bucket, 2).await < REFILL);
        assert!(time_for(&mut bucket, 2).await >= REFILL);
        tokio::time::advance(10 * BURST * REFILL).await;
        assert_eq!(time_for(&mut bucket, BURST).await, Duration::ZERO);
        assert!(time_for(&mut bucket, 1).await >= REFILL, "no more than a burst is saved up");
    }
}
