//! A chunk of facts: column by column, so that what is alike lies together and takes few bytes.
//!
//! | column | what |
//! | --- | --- |
//! | head | day of recording 2 bytes; flags 1 byte; how many facts 2 bytes |
//! | subjects | 16 bytes each |
//! | kind, body and home | 3 bytes each |
//! | when it happened | difference to the fact before, in milliseconds |
//! | context | difference to the fact before |
//! | sequence | difference to the fact before |
//! | time of the event id | only with flag 2: 0 for an id that is not time-ordered; else one more than its difference to when it happened |
//! | event ids | 16 bytes each; of a time-ordered one (UUID v7) those 10 that are not its time |
//!
//! Numbers are little endian. Differences are signed: 0, −1, 1, −2, … become 0, 1, 2, 3, …, in groups of
//! seven bits, the lowest first, with the high bit set in all bytes but the last. Flag 1: the events
//! were released from quarantine.

use laju_schemas::{EventId, SubjectId};

use crate::domain::day::Day;
use crate::domain::fact::CompactFact;
use crate::domain::fold::Arrival;

const RELEASED: u8 = 1;
const TIME_ORDERED: u8 = 2;
/// Bytes of an event id before which its time stands.
const AFTER_TIME: usize = 6;
/// A time further away from when it happened would take as many bytes as it saves.
const FURTHEST_MS: u64 = 1 << 34;

/// Facts on their way into a chunk.
#[derive(Default)]
pub(super) struct FactWriter {
    count: u16,
    subjects: Vec<u8>,
    kinds: Vec<u8>,
    occurred: Vec<u8>,
    contexts: Vec<u8>,
    sequences: Vec<u8>,
    id_times: Vec<u8>,
    ids: Vec<u8>,
    flags: u8,
    last: Last,
}

/// The fact before, of which the next one is a difference.
#[derive(Default)]
struct Last {
    occurred: i64,
    context: u32,
    sequence: u32,
}

impl FactWriter {
    /// About how many bytes the chunk has.
    pub(super) fn len(&self) -> usize {
        let varying = [&self.occurred, &self.contexts, &self.sequences, &self.ids];
        let varying: usize = varying.into_iter().map(Vec::len).sum();
        self.subjects.len() + self.kinds.len() + self.id_times.len() + varying
    }

    pub(super) fn add(&mut self, subject: SubjectId, fact: &CompactFact) {
        let (occurred, rest) = fact.parts();
        self.count += 1;
        self.subjects.extend_from_slice(&subject.0);
        self.kinds.extend_from_slice(&rest.to_le_bytes()[..3]);
        let Last { occurred: before, context, sequence } = &mut self.last;
        write_signed(occurred - *before, &mut self.occurred);
        write_signed(i64::from(fact.context) - i64::from(*context), &mut self.contexts);
        write_signed(i64::from(fact.sequence) - i64::from(*sequence), &mut self.sequences);
        (*before, *context, *sequence) = (occurred, fact.context, fact.sequence);
        match time_of(fact.event_id) {
            Some(time) if (time - fact.occurred_at()).unsigned_abs() < FURTHEST_MS => {
                self.flags |= TIME_ORDERED;
                write(zigzag(time - fact.occurred_at()) + 1, &mut self.id_times);
                self.ids.extend_from_slice(&fact.event_id.0[AFTER_TIME..]);
            }
            _ => {
                self.id_times.push(0);
                self.ids.extend_from_slice(&fact.event_id.0);
            }
        }
    }

    /// Writes what was added, all of which came in in one way, and begins another chunk.
    pub(super) fn finish(&mut self, arrival: Arrival, out: &mut Vec<u8>) {
        let flags = self.flags | if arrival.is_released { RELEASED } else { 0 };
        out.extend_from_slice(&arrival.day.0.to_le_bytes());
        out.push(flags);
        out.extend_from_slice(&self.count.to_le_bytes());
        if flags & TIME_ORDERED == 0 {
            self.id_times.clear();
        }
        let columns = [
            &mut self.subjects,
            &mut self.kinds,
            &mut self.occurred,
            &mut self.contexts,
            &mut self.sequences,
            &mut self.id_times,
            &mut self.ids,
        ];
        columns.into_iter().for_each(|column| out.append(column));
        (self.count, self.flags, self.last) = (0, 0, Last::default());
    }
}

/// Reads a chunk's facts, in place of those that are there, and how they came in; `None` if the bytes
/// cannot be what was written.
pub(super) fn read(payload: &[u8], facts: &mut Vec<(SubjectId, CompactFact)>) -> Option<Arrival> {
    facts.clear();
    let (head, mut rest) = payload.split_first_chunk::<5>()?;
    let [day_low, day_high, flags, low, high] = *head;
    let count = usize::from(u16::from_le_bytes([low, high]));
    let (subjects, after) = rest.split_at_checked(16 * count)?;
    let (kinds, after) = after.split_at_checked(3 * count)?;
    rest = after;
    if count == 0 || flags & !(RELEASED | TIME_ORDERED) != 0 {
        return None;
    }
    let ((subjects, _), (kinds, _)) = (subjects.as_chunks::<16>(), kinds.as_chunks::<3>());
    let mut occurred = 0_i64;
    for (subject, &[low, middle, high]) in subjects.iter().zip(kinds) {
        occurred = occurred.checked_add(signed(&mut rest)?)?;
        let fact = CompactFact::of_parts(occurred, u32::from_le_bytes([low, middle, high, 0]))?;
        facts.push((SubjectId(*subject), fact));
    }
    let mut context = 0_i64;
    for (_, fact) in &mut *facts {
        context = context.checked_add(signed(&mut rest)?)?;
        fact.context = context.try_into().ok()?;
    }
    let mut sequence = 0_i64;
    for (_, fact) in &mut *facts {
        sequence = sequence.checked_add(signed(&mut rest)?)?;
        fact.sequence = sequence.try_into().ok()?;
    }
    if flags & TIME_ORDERED == 0 {
        let (ids, []) = rest.as_chunks::<16>() else { return None };
        (ids.len() == count).then_some(())?;
        facts.iter_mut().zip(ids).for_each(|((_, fact), id)| fact.event_id = EventId(*id));
    } else {
        // How long the times are is known once they are read: until then they stand in the ids.
        for (_, fact) in &mut *facts {
            fact.event_id.0[..8].copy_from_slice(&number(&mut rest)?.to_le_bytes());
        }
        for (_, fact) in &mut *facts {
            let time = fact.event_id.0.first_chunk().copied().map_or(0, u64::from_le_bytes);
            if let Some(difference) = time.checked_sub(1) {
                let time = fact.occurred_at().checked_add(unzigzag(difference))?;
                let time = u64::try_from(time).ok().filter(|time| time >> 48 == 0)?;
                fact.event_id.0[..AFTER_TIME].copy_from_slice(&time.to_be_bytes()[2..]);
                fact.event_id.0[AFTER_TIME..].copy_from_slice(take::<10>(&mut rest)?);
            } else {
                fact.event_id = EventId(*take::<16>(&mut rest)?);
            }
        }
        rest.is_empty().then_some(())?;
    }
    let day = Day(u16::from_le_bytes([day_low, day_high]));
    Some(Arrival { day, is_released: flags & RELEASED != 0 })
}

/// The time in a time-ordered id, in milliseconds since 1970.
fn time_of(EventId(id): EventId) -> Option<i64> {
    let [a, b, c, d, e, f, version, ..] = id;
    (version >> 4 == 7).then(|| i64::from_be_bytes([0, 0, a, b, c, d, e, f]))
}

fn zigzag(difference: i64) -> u64 {
    (difference << 1 ^ difference >> 63) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

fn write_signed(difference: i64, out: &mut Vec<u8>) {
    write(zigzag(difference), out);
}

fn write(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[inline]
fn signed(bytes: &mut &[u8]) -> Option<i64> {
    number(bytes).map(unzigzag)
}

#[inline]
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let [byte] = *take::<1>(bytes)?;
        let bits = u64::from(byte & 0x7f);
        number |= bits << shift;
        if byte < 0x80 {
            // Of the tenth byte one bit is left.
            return (bits << shift >> shift == bits).then_some(number);
        }
    }
    None
}

#[inline]
fn take<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use laju_schemas::event::Channel;
    use laju_schemas::{Fact, RegionIndex};
    use proptest::prelude::*;

    use super::*;
    use crate::domain::day::PROGRAMME_START_MS;

    type Row = (SubjectId, CompactFact);

    /// A fact that happened so many milliseconds after the programme began; `ahead` of it is the time
    /// of its id, or the id is none that is ordered by time.
    fn row(
        subject: [u8; 16],
        mut id: [u8; 16],
        (after, ahead): (i64, Option<i64>),
        (home, first_time_holder): (u16, bool),
        (context, sequence): (u32, u32),
    ) -> Row {
        let fact = Fact::Activated { channel: Channel::Office, venue: None, first_time_holder };
        if let Some(ahead) = ahead {
            let time = PROGRAMME_START_MS + after + ahead;
            id[..6].copy_from_slice(&time.to_be_bytes()[2..]);
            id[6] = 0x70 | id[6] & 15;
        }
        let fact = CompactFact::new(
            EventId(id),
            PROGRAMME_START_MS + after,
            RegionIndex(home),
            &fact,
            context,
            sequence,
        );
        (SubjectId(subject), fact)
    }

    fn written(arrival: Arrival, rows: &[Row]) -> Vec<u8> {
        let (mut writer, mut bytes) = (FactWriter::default(), Vec::new());
        rows.iter().for_each(|(subject, fact)| writer.add(*subject, fact));
        writer.finish(arrival, &mut bytes);
        bytes
    }

    prop_compose! {
        fn rows()(
            subject in any::<[u8; 16]>(),
            id in any::<[u8; 16]>(),
            after in 0..500_000_000_000_i64,
            ahead in prop::option::of(prop_oneof![-3_000..3_000_i64, -1_000_000_000_000..1_i64 << 44]),
            rest in (0..552_u16, any::<bool>()),
            numbers in (any::<u32>(), any::<u32>()),
        ) -> Row {
            row(subject, id, (after, ahead), rest, numbers)
        }
    }

    proptest! {
        #[test]
        fn facts_come_back_as_they_were(
            rows in prop::collection::vec(rows(), 1..120),
            (day, is_released) in (any::<u16>(), any::<bool>()),
        ) {
            let arrival = Arrival { day: Day(day), is_released };
            let bytes = written(arrival, &rows);
            let mut facts = Vec::new();
            prop_assert_eq!(read(&bytes, &mut facts), Some(arrival));
            prop_assert_eq!(&facts, &rows);
            for cut in 0..bytes.len() {
                prop_assert_eq!(read(&bytes[..cut], &mut facts), None);
            }
            prop_assert_eq!(read(&[&bytes[..], &[0]].concat(), &mut facts), None);
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            rows in prop::collection::vec(rows(), 1..9),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut facts = Vec::new();
            read(&bytes, &mut facts);
            let mut changed = written(Arrival::default(), &rows);
            for (place, byte) in changes {
                let place = place.index(changed.len());
                changed[place] = byte;
            }
            read(&changed, &mut facts);
        }
    }

    /// What is stored is read for as long as the format has this version.
    #[test]
    fn the_bytes_are_those_of_the_format() {
        let rows = [
            row([0x11; 16], [0xaa; 16], (1_000, Some(5)), (3, true), (7, 100)),
            row([0x22; 16], [0xbb; 16], (900, None), (4, false), (7, 99)),
        ];
        let arrival = Arrival { day: Day(0x0102), is_released: true };
        let bytes = written(arrival, &rows);
        let expected = [
            "0201 03 0200",
            "11111111111111111111111111111111 22222222222222222222222222222222",
            "030400 040000",
            "d00f c701",
            "0e 00",
            "c801 01",
            "0b 00",
            "7aaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
        ];
        assert_eq!(hex::encode(bytes), expected.concat().replace(' ', ""));
    }

    #[test]
    fn a_time_ordered_id_takes_the_bytes_that_are_random() {
        let rows = |ahead: Option<i64>| -> Vec<Row> {
            let row =
                |n: u8| row([n; 16], [n; 16], (1_000 * i64::from(n), ahead), (3, true), (7, 9));
            (0..80).map(row).collect()
        };
        let [random, ordered] =
            [None, Some(40)].map(|ahead| written(Arrival::default(), &rows(ahead)).len());
        assert_eq!((random, ordered), (5 + 80 * 39 - 1, random - 5 * 80));
    }
}
