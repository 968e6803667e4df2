//! How often a client may ask: so many requests a second on average, twice as many at once.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

/// How many clients are remembered before those that have been quiet are forgotten.
const CLIENTS: usize = 10_000;

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Client {
    /// Those with a token, by its name.
    Token(Arc<str>),
    /// Those without, by the address that they come from; all of them where it is not known.
    Peer(Option<IpAddr>),
}

impl Client {
    /// A client that has one address of a /64 has all of them.
    fn widened(self) -> Self {
        match self {
            Self::Peer(Some(IpAddr::V6(address))) if address.to_ipv4_mapped().is_none() => {
                let bits = address.to_bits() >> 64 << 64;
                Self::Peer(Some(IpAddr::V6(Ipv6Addr::from_bits(bits))))
            }
            other => other,
        }
    }
}

/// Counts requests.
pub(super) struct RateLimit<C: Clock = MonotonicClock> {
    limiter: RateLimiter<Client, HashMapStateStore<Client>, C, NoOpMiddleware<C::Instant>>,
    clock: C,
}

impl RateLimit {
    /// So many requests a second.
    pub(super) fn new(a_second: NonZeroU32) -> Self {
        Self::with_clock(a_second, MonotonicClock)
    }
}

impl<C: Clock + Clone> RateLimit<C>
where
    C::Instant: Reference,
{
    fn with_clock(a_second: NonZeroU32, clock: C) -> Self {
        let quota = Quota::per_second(a_second)
            .allow_burst(a_second.saturating_mul(NonZeroU32::MIN.saturating_add(1)));
        Self { limiter: RateLimiter::hashmap_with_clock(quota, clock.clone()), clock }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The client has used up what it may, and has to wait so long.
    pub(super) fn check(&self, client: Client) -> Result<(), Duration> {
        if self.limiter.len() >= CLIENTS {
            self.limiter.retain_recent();
        }
        let too_many = match self.limiter.check_key(&client.widened()) {
            Ok(()) => return Ok(()),
            Err(too_many) => too_many,
        };
        Err(too_many.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn peer(text: &str) -> Client {
        Client::Peer(Some(text.parse().unwrap()))
    }

    #[test]
    fn a_client_may_ask_so_often_and_others_are_none_of_its_business() {
        let clock = FakeRelativeClock::default();
        let limit = RateLimit::with_clock(NonZeroU32::new(10).unwrap(), clock.clone());
        for _ in 0..20 {
            limit.check(peer("10.0.0.1")).unwrap();
        }
        let wait = limit.check(peer("10.0.0.1")).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        limit.check(peer("10.0.0.2")).unwrap();
        limit.check(Client::Token("10.0.0.1".into())).unwrap();
        clock.advance(wait);
        limit.check(peer("10.0.0.1")).unwrap();
        limit.check(peer("10.0.0.1")).unwrap_err();
    }

    #[test]
    fn the_addresses_of_one_network_are_one_client_and_the_quiet_are_forgotten() {
        let clock = FakeRelativeClock::default();
        let limit = RateLimit::with_clock(NonZeroU32::MIN, clock.clone());
        limit.check(peer("2001:db8::1")).unwrap();
        limit.check(peer("2001:db8::2")).unwrap();
        limit.check(peer("2001:db8::3")).unwrap_err();
        limit.check(peer("2001:db8:0:1::3")).unwrap();
        for number in 0..2 * CLIENTS as u32 {
            clock.advance(Duration::from_secs(1));
            limit.check(Client::Peer(Some(IpAddr::V4(number.into())))).unwrap();
        }
        assert!(limit.limiter.len() <= CLIENTS);
    }
}
