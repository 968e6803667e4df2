//! Which events are on their way: decides what is sent next, and what becomes of an answer.
//!
//! Pure: no clock, no Kafka, no outbox. Events leave in the order of their sequences. One that
//! failed for a while is sent again, so those behind may overtake it, which the fold does not
//! mind. One that was refused permanently together with others in a batch is sent again alone,
//! because a broker refuses a batch as a whole; refused alone, it is rejected.

use std::collections::{BTreeSet, HashSet};

use crate::outbox::RejectionReason;
use laju_kafka::publish::DeliveryError;

/// The sequences that were handed to Kafka, or whose fate is not stored yet.
pub(super) struct Window {
    size: usize,
    /// Every unsent event up to this one is on its way.
    cursor: u32,
    /// On their way.
    in_flight: HashSet<u32>,
    /// The one that is on its way alone, if any.
    alone: Option<u32>,
    /// Come back, but the outbox does not know it yet.
    unsettled: HashSet<u32>,
    /// Passed over as unsettled: if the outbox still offers them afterwards, they are to be sent.
    passed_over: HashSet<u32>,
    /// To be sent alone.
    suspects: BTreeSet<u32>,
}

/// What to do with the next unsent event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Send it now.
    Send,
    /// It is on its way, or its fate is known: go on behind it.
    Skip,
    /// Nothing can be sent before something has come back.
    Wait,
}

impl Window {
    /// An empty window for so many events.
    pub(super) fn new(size: usize) -> Self {
        Self {
            size,
            cursor: 0,
            in_flight: HashSet::new(),
            alone: None,
            unsettled: HashSet::new(),
            passed_over: HashSet::new(),
            suspects: BTreeSet::new(),
        }
    }

    /// Unsent events behind this sequence are to be offered next.
    pub(super) fn cursor(&self) -> u32 {
        self.cursor
    }

    /// How many more may be sent.
    pub(super) fn room(&self) -> usize {
        self.size.saturating_sub(self.in_flight.len() + self.unsettled.len())
    }

    /// How many are on their way.
    pub(super) fn in_flight_count(&self) -> usize {
        self.in_flight.len()
    }

    /// Decides about the next unsent event. After [`Next::Send`] it is on its way.
    pub(super) fn offer(&mut self, sequence: u32) -> Next {
        if self.unsettled.contains(&sequence) {
            self.passed_over.insert(sequence);
            self.cursor = sequence;
            return Next::Skip;
        }
        if self.in_flight.contains(&sequence) {
            self.cursor = sequence;
            return Next::Skip;
        }
        let alone = self.suspects.contains(&sequence);
        let must_wait = if alone { !self.in_flight.is_empty() } else { self.alone.is_some() };
        if must_wait || self.room() == 0 {
            return Next::Wait;
        }
        self.in_flight.insert(sequence);
        if alone {
            self.alone = Some(sequence);
        }
        self.cursor = sequence;
        Next::Send
    }

    /// It was acknowledged, or is rejected: its fate goes to the outbox.
    pub(super) fn completed(&mut self, sequence: u32) {
        self.ended(sequence);
        self.suspects.remove(&sequence);
        self.unsettled.insert(sequence);
    }

    /// The outbox knows its fate. One that was put back among the unsent before this was known
    /// here, and passed over, is offered again.
    pub(super) fn settled(&mut self, sequence: u32) {
        self.unsettled.remove(&sequence);
        if self.passed_over.remove(&sequence) {
            self.rewind(sequence);
        }
    }

    fn ended(&mut self, sequence: u32) {
        self.in_flight.remove(&sequence);
        self.alone.take_if(|alone| *alone == sequence);
    }

    /// Its delivery failed. Gives the reason if it counts as rejected; else it is sent again.
    pub(super) fn failed(
        &mut self,
        sequence: u32,
        error: &DeliveryError,
    ) -> Option<RejectionReason> {
        let reason = rejection(error);
        match reason {
            // It says nothing of the event itself: all of a batch are refused alike.
            Some(RejectionReason::NotAuthorised) => return reason,
            Some(_) if self.alone == Some(sequence) => return reason,
            Some(_) => {
                self.suspects.insert(sequence);
            }
            None => {}
        }
        self.again(sequence);
        None
    }

    /// It was not sent after all, or has to be sent again.
    pub(super) fn again(&mut self, sequence: u32) {
        self.ended(sequence);
        self.rewind(sequence);
    }

    /// Events from this sequence on are to be offered again; those on their way are passed over.
    pub(super) fn rewind(&mut self, sequence: u32) {
        self.cursor = self.cursor.min(sequence.saturating_sub(1));
    }

    /// Nothing that was on its way will ever come back: another producer begins again.
    pub(super) fn forget_in_flight(&mut self) {
        self.in_flight.clear();
        self.alone = None;
        self.cursor = 0;
    }
}

fn rejection(error: &DeliveryError) -> Option<RejectionReason> {
    match error {
        DeliveryError::NotAllowed(_) => Some(RejectionReason::NotAuthorised),
        DeliveryError::TooLarge(_) => Some(RejectionReason::TooLarge),
        DeliveryError::Refused(_) => Some(RejectionReason::Refused),
        DeliveryError::TimedOut(_)
        | DeliveryError::NoTopic(_)
        | DeliveryError::PublisherLost(_)
        | DeliveryError::Closed => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(window: &mut Window, sequences: impl IntoIterator<Item = u32>) {
        for sequence in sequences {
            assert_eq!(window.offer(sequence), Next::Send, "{sequence}");
        }
    }

    #[test]
    fn no_more_are_sent_than_there_is_room_and_settling_makes_room() {
        let mut window = Window::new(3);
        send(&mut window, 1..=3);
        assert_eq!(window.offer(4), Next::Wait);
        window.completed(2);
        assert_eq!(window.offer(4), Next::Wait);
        window.settled(2);
        assert_eq!((window.cursor(), window.room()), (3, 1));
        send(&mut window, [4]);
    }

    #[test]
    fn what_failed_for_a_while_is_offered_again_and_nothing_is_sent_twice() {
        let mut window = Window::new(10);
        send(&mut window, 1..=5);
        window.completed(2);
        assert_eq!(window.failed(3, &DeliveryError::NoTopic(String::new())), None);
        assert_eq!(window.cursor(), 2);
        send(&mut window, [3]);
        assert_eq!((window.offer(4), window.offer(5)), (Next::Skip, Next::Skip));
        window.rewind(1);
        // The outbox has not taken 2 out yet, and must not be asked to send it again.
        let offered: Vec<_> = (1..=5).map(|sequence| window.offer(sequence)).collect();
        assert_eq!(offered, [Next::Skip; 5]);
    }

    /// The outbox may have settled an event and put it back before its settling is known here.
    #[test]
    fn what_was_put_back_before_its_settling_was_known_is_offered_again() {
        let mut window = Window::new(10);
        send(&mut window, 1..=3);
        window.completed(2);
        window.rewind(2);
        assert_eq!((window.offer(2), window.offer(3)), (Next::Skip, Next::Skip));
        window.settled(2);
        assert_eq!(window.cursor(), 1);
        send(&mut window, [2]);
        window.completed(3);
        window.settled(3);
        assert_eq!(window.cursor(), 2, "nothing is read again without need");
    }

    #[test]
    fn only_what_is_refused_alone_is_rejected_and_those_behind_go_on() {
        let too_large = DeliveryError::TooLarge(String::new());
        let mut window = Window::new(10);
        send(&mut window, 1..=3);
        for sequence in 1..=3 {
            assert_eq!(window.failed(sequence, &too_large), None);
        }
        send(&mut window, [1]);
        assert_eq!(window.offer(2), Next::Wait);
        window.completed(1);
        send(&mut window, [2]);
        assert_eq!(window.failed(2, &too_large), Some(RejectionReason::TooLarge));
        window.completed(2);
        send(&mut window, [3]);
        assert_eq!(window.offer(4), Next::Wait);
        window.completed(3);
        send(&mut window, 4..=5);
        let refused = DeliveryError::NotAllowed(String::new());
        assert_eq!(window.failed(4, &refused), Some(RejectionReason::NotAuthorised));
    }

    #[test]
    fn another_producer_begins_again_with_what_is_not_settled() {
        let mut window = Window::new(10);
        send(&mut window, 1..=3);
        window.completed(1);
        window.forget_in_flight();
        assert_eq!((window.cursor(), window.in_flight_count()), (0, 0));
        assert_eq!(window.offer(1), Next::Skip);
        send(&mut window, 2..=3);
    }
}
