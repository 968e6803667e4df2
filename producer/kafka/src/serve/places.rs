//! The places that connections take: how many there are, whose they are, and which one gives way.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// The places of one server.
#[derive(Clone)]
pub(super) struct Places(Arc<Mutex<Taken>>);

struct Taken {
    most: usize,
    idle: Duration,
    next: u64,
    connections: HashMap<u64, (IpAddr, Arc<Activity>)>,
}

/// What a connection is doing.
pub(super) struct Activity {
    /// How many answers are under way, and since when there has been none.
    doing: Mutex<(usize, Instant)>,
    give_up: Notify,
}

/// A connection's place; it is free again when this is dropped.
pub(super) struct Place {
    places: Places,
    number: u64,
    activity: Arc<Activity>,
}

/// As long as this is there, the connection is not idle.
pub(super) struct Busy(Arc<Activity>);

impl Places {
    /// So many. A connection gives way only once it has been idle for so long: another's request
    /// may be on its way.
    pub(super) fn new(most: usize, idle: Duration) -> Self {
        Self(Arc::new(Mutex::new(Taken { most, idle, next: 0, connections: HashMap::new() })))
    }

    /// A place for a connection from this address, if there is one. No address takes more than
    /// half of them all, so that nobody alone can lock the others out; those of the machine itself
    /// are its owner's.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Place> {
        let mut taken = self.taken();
        let own = taken.connections.values().filter(|(of, _)| *of == address).count();
        if own >= taken.most / 2 && !address.is_loopback() {
            return None;
        }
        if taken.connections.len() >= taken.most {
            taken.make_room()?;
        }
        let activity =
            Arc::new(Activity { doing: Mutex::new((0, Instant::now())), give_up: Notify::new() });
        let number = taken.next;
        taken.next += 1;
        taken.connections.insert(number, (address, Arc::clone(&activity)));
        Some(Place { places: self.clone(), number, activity })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Nothing that can fail is done under it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// The connection that has been idle longest gives way, if that is long enough.
    fn make_room(&mut self) -> Option<()> {
        let idle_since = |(number, (_, activity)): (&u64, &(IpAddr, Arc<Activity>))| {
            activity.idle_since().map(|since| (since, *number))
        };
        let (since, number) = self.connections.iter().filter_map(idle_since).min()?;
        if since.elapsed() < self.idle {
            return None;
        }
        let (_, activity) = self.connections.remove(&number)?;
        activity.give_up.notify_one();
        Some(())
    }
}

impl Activity {
    fn doing(&self) -> MutexGuard<'_, (usize, Instant)> {
        self.doing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer begins.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.doing().0 += 1;
        Busy(Arc::clone(self))
    }

    fn idle_since(&self) -> Option<Instant> {
        let (answers, since) = *self.doing();
        (answers == 0).then_some(since)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut doing = self.0.doing();
        *doing = (doing.0 - 1, Instant::now());
    }
}

impl Place {
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Waits until the connection has to give way.
    pub(super) async fn given_up(&self) {
        self.activity.give_up.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().connections.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn the_longest_idle_gives_way_and_nobody_who_is_answered() {
        let places = Places::new(2, Duration::ZERO);
        let (first, second) = (places.enter(HERE).unwrap(), places.enter(HERE).unwrap());
        let busy = first.activity().busy();
        let third = places.enter(HERE).unwrap();
        let told = |place: &Place| {
            let mut waiting = std::pin::pin!(place.given_up());
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            waiting.as_mut().poll(&mut context).is_ready()
        };
        assert!(told(&second) && !told(&first));
        // Its place is the third's now, and its end frees no other.
        drop(second);
        let other = third.activity().busy();
        assert!(places.enter(HERE).is_none());
        drop(busy);
        assert!(places.enter(HERE).is_some() && told(&first));
        drop(other);
        let patient = Places::new(1, Duration::from_secs(3_600));
        let only = patient.enter(HERE).unwrap();
        assert!(patient.enter(HERE).is_none(), "a request may be on its way");
        drop(only);
        assert!(patient.enter(HERE).is_some());
    }

    #[test]
    fn nobody_alone_takes_more_than_half_but_the_machine_itself() {
        let places = Places::new(4, Duration::ZERO);
        let there: IpAddr = "192.0.2.1".parse().unwrap();
        let taken: Vec<_> = (0..2).filter_map(|_| places.enter(there)).collect();
        assert_eq!(taken.len(), 2);
        assert!(places.enter(there).is_none());
        let more: Vec<_> = (0..2).filter_map(|_| places.enter(HERE)).collect();
        assert_eq!(more.len(), 2);
    }
}
