//! What a transaction changes in the tables. Nothing of it counts before the commit.

use std::path::Path;

use laju_schemas::codec::Encoder;
use laju_schemas::topic::EVENTS as EVENTS_TOPIC;
use laju_schemas::{ActivationEvent, EventId, KioskId, Sequence};
use redb::{ReadableTable, Table, WriteTransaction};

use super::format::{
    ACKNOWLEDGED, AcknowledgedRow, EVENTS, Entry, FORGET, KEYS, META, SET_ASIDE, STATE,
    SetAsideRow, State, UNSENT, UnsentRow, accounted,
};
use super::{Accepted, Draft, OutboxError, OutboxSettings, Outcome, Refusal, Retry};
use laju_kafka::publish::Receipt;

/// What a message has besides its value: the key, headers of the shipper's, Kafka's framing.
const MESSAGE_OVERHEAD: usize = 1 << 10;

/// What does not change from transaction to transaction.
pub(super) struct Rules {
    pub(super) kiosk: KioskId,
    pub(super) settings: OutboxSettings,
    pub(super) encoder: Encoder,
}

/// The tables of one write transaction, and the state as it will be.
pub(super) struct Stage<'a> {
    path: &'a Path,
    rules: &'a Rules,
    pub(super) state: State,
    pub(super) changed: bool,
    meta: Table<'a, &'static str, &'static [u8]>,
    unsent: Table<'a, u32, &'static [u8]>,
    set_aside: Table<'a, u32, &'static [u8]>,
    acknowledged: Table<'a, u32, &'static [u8]>,
    events: Table<'a, &'static [u8; 16], u32>,
    keys: Table<'a, &'static [u8; 16], u32>,
    forget: Table<'a, (i64, u32), ()>,
}

/// Where an event stands.
enum Row {
    Unsent(UnsentRow),
    SetAside(SetAsideRow),
    Acknowledged(AcknowledgedRow),
}

impl Row {
    fn entry(&self) -> &Entry {
        match self {
            Self::Unsent(row) => &row.entry,
            Self::SetAside(row) => &row.entry,
            Self::Acknowledged(row) => &row.entry,
        }
    }
}

impl<'a> Stage<'a> {
    pub(super) fn open(
        transaction: &'a WriteTransaction,
        path: &'a Path,
        rules: &'a Rules,
        state: State,
    ) -> Result<Self, OutboxError> {
        let open = || -> Result<Self, redb::TableError> {
            Ok(Self {
                path,
                rules,
                state,
                changed: false,
                meta: transaction.open_table(META)?,
                unsent: transaction.open_table(UNSENT)?,
                set_aside: transaction.open_table(SET_ASIDE)?,
                acknowledged: transaction.open_table(ACKNOWLEDGED)?,
                events: transaction.open_table(EVENTS)?,
                keys: transaction.open_table(KEYS)?,
                forget: transaction.open_table(FORGET)?,
            })
        };
        open().map_err(|error| OutboxError::database(path, error))
    }

    fn failed(&self) -> impl Fn(redb::StorageError) -> OutboxError + use<'a> {
        let path = self.path;
        move |error| OutboxError::database(path, error)
    }

    fn damaged_row(&self, sequence: u32) -> OutboxError {
        OutboxError::damaged(self.path, format!("the row of event {sequence} cannot be read"))
    }

    /// Numbers and stores an event, or says why not.
    pub(super) fn accept(
        &mut self,
        draft: &Draft,
    ) -> Result<Result<Accepted, Refusal>, OutboxError> {
        if let Some(answer) = self.known(draft)? {
            return Ok(answer);
        }
        let Some(number) = self.state.highest_sequence.checked_add(1) else {
            return Ok(Err(Refusal::Numbers));
        };
        let sequence = Sequence::try_from(i64::from(number)).expect("it is at least 1");
        let mut value = Vec::with_capacity(160);
        let event = draft.event(&self.rules.kiosk, sequence);
        self.rules
            .encoder
            .event(&event, &mut value)
            .map_err(|error| OutboxError::Encode(error.to_string().into()))?;
        let limit = EVENTS_TOPIC.max_message_bytes as usize - MESSAGE_OVERHEAD;
        if value.len() > limit {
            return Ok(Err(Refusal::TooLarge { bytes: value.len(), limit_bytes: limit }));
        }
        let row = UnsentRow { entry: draft.entry(), value }.to_bytes(number);
        let held = self.state.unsent_bytes + self.state.set_aside_bytes;
        let limit_bytes = self.rules.settings.limit_bytes;
        if held + accounted(&row) > limit_bytes {
            return Ok(Err(Refusal::Full { limit_bytes }));
        }
        let failed = self.failed();
        self.unsent.insert(number, row.as_slice()).map_err(&failed)?;
        self.events.insert(&draft.event_id.0, number).map_err(&failed)?;
        if let Some(key) = &draft.key {
            self.keys.insert(&key.key, number).map_err(&failed)?;
            self.state.keys += 1;
        }
        self.state.highest_sequence = number;
        self.state.unsent += 1;
        self.state.unsent_bytes += accounted(&row);
        self.state.latest_accepted_at = Some(draft.accepted_at);
        self.changed = true;
        Ok(Ok(Accepted { event_id: draft.event_id, sequence, repeated: false }))
    }

    /// The answer to a draft whose key or event id is known.
    fn known(&self, draft: &Draft) -> Result<Option<Result<Accepted, Refusal>>, OutboxError> {
        let failed = self.failed();
        if let Some(key) = &draft.key {
            let found = self.keys.get(&key.key).map_err(&failed)?.map(|found| found.value());
            if let Some(number) = found {
                let entry = *self.row(number)?.entry();
                let same = entry.key.is_some_and(|known| known.content == key.content);
                return self.repeated(number, entry.event_id, same).map(Some);
            }
        }
        let found = self.events.get(&draft.event_id.0).map_err(&failed)?.map(|id| id.value());
        let Some(number) = found else { return Ok(None) };
        let known = self.row(number)?;
        let same = self.is_same(draft, number, &known)?;
        self.repeated(number, draft.event_id, same).map(Some)
    }

    fn repeated(
        &self,
        number: u32,
        event_id: EventId,
        same: bool,
    ) -> Result<Result<Accepted, Refusal>, OutboxError> {
        if !same {
            return Ok(Err(Refusal::KeyReused { event_id }));
        }
        let sequence =
            Sequence::try_from(i64::from(number)).map_err(|_| self.damaged_row(number))?;
        Ok(Ok(Accepted { event_id, sequence, repeated: true }))
    }

    /// Whether a draft says the same as the event of its id. Of an acknowledged one the fact is
    /// not kept; what is kept has to do.
    fn is_same(&self, draft: &Draft, number: u32, known: &Row) -> Result<bool, OutboxError> {
        let entry = draft.entry();
        let other = known.entry();
        let alike = entry.subject == other.subject
            && entry.home_region == other.home_region
            && entry.service_region == other.service_region
            && entry.occurred_at == other.occurred_at;
        let value = match known {
            Row::Unsent(row) => &row.value,
            Row::SetAside(row) => &row.value,
            Row::Acknowledged(_) => return Ok(alike),
        };
        let sequence =
            Sequence::try_from(i64::from(number)).map_err(|_| self.damaged_row(number))?;
        let mut again = Vec::with_capacity(160);
        self.rules
            .encoder
            .event(&draft.event(&self.rules.kiosk, sequence), &mut again)
            .map_err(|error| OutboxError::Encode(error.to_string().into()))?;
        Ok(alike && again == *value)
    }

    /// The row of an event that an index names: it must be there.
    fn row(&self, number: u32) -> Result<Row, OutboxError> {
        self.find(number)?.ok_or_else(|| self.damaged_row(number))
    }

    fn find(&self, number: u32) -> Result<Option<Row>, OutboxError> {
        let failed = self.failed();
        let damaged = || self.damaged_row(number);
        if let Some(row) = self.unsent.get(number).map_err(&failed)? {
            let row = UnsentRow::from_bytes(number, row.value()).ok_or_else(damaged)?;
            return Ok(Some(Row::Unsent(row)));
        }
        if let Some(row) = self.set_aside.get(number).map_err(&failed)? {
            let row = SetAsideRow::from_bytes(number, row.value()).ok_or_else(damaged)?;
            return Ok(Some(Row::SetAside(row)));
        }
        if let Some(row) = self.acknowledged.get(number).map_err(&failed)? {
            let row = AcknowledgedRow::from_bytes(number, row.value()).ok_or_else(damaged)?;
            return Ok(Some(Row::Acknowledged(row)));
        }
        Ok(None)
    }

    /// Takes an event out of those that wait; `None` if it does not wait.
    fn take(&mut self, number: u32) -> Result<Option<UnsentRow>, OutboxError> {
        let failed = self.failed();
        let damaged = self.damaged_row(number);
        if let Some(row) = self.unsent.remove(number).map_err(&failed)? {
            self.state.unsent -= 1;
            self.state.unsent_bytes -= accounted(row.value());
            self.changed = true;
            return UnsentRow::from_bytes(number, row.value()).ok_or(damaged).map(Some);
        }
        if let Some(row) = self.set_aside.remove(number).map_err(&failed)? {
            self.state.set_aside -= 1;
            self.state.set_aside_bytes -= accounted(row.value());
            self.changed = true;
            let row = SetAsideRow::from_bytes(number, row.value()).ok_or(damaged)?;
            return Ok(Some(UnsentRow { entry: row.entry, value: row.value }));
        }
        Ok(None)
    }

    /// Notes what became of an event. One that does not wait any more has had its outcome.
    pub(super) fn settle(&mut self, number: u32, outcome: &Outcome) -> Result<(), OutboxError> {
        let Some(UnsentRow { entry, value }) = self.take(number)? else { return Ok(()) };
        let failed = self.failed();
        match outcome {
            Outcome::Acknowledged(receipt) => self.acknowledge(number, entry, *receipt),
            Outcome::SetAside { obstacle, detail, at } => {
                let detail = detail.clone();
                let row = SetAsideRow { entry, obstacle: *obstacle, detail, at: *at, value };
                let row = row.to_bytes(number);
                self.set_aside.insert(number, row.as_slice()).map_err(&failed)?;
                self.state.set_aside += 1;
                self.state.set_aside_bytes += accounted(&row);
                Ok(())
            }
        }
    }

    fn acknowledge(
        &mut self,
        number: u32,
        entry: Entry,
        receipt: Receipt,
    ) -> Result<(), OutboxError> {
        let failed = self.failed();
        // Only the broker's clock counts: this kiosk's may jump a year ahead, and all would be
        // forgotten. A receipt without its time counts as the newest; before there is any, it is
        // kept for good.
        let timestamp = receipt.timestamp.filter(|_| receipt.by_broker);
        self.state.newest_receipt = self.state.newest_receipt.max(timestamp);
        let recorded =
            timestamp.or(self.state.newest_receipt).map_or(i64::MAX, |instant| instant.0);
        let row = AcknowledgedRow { entry, receipt, recorded }.to_bytes(number);
        self.acknowledged.insert(number, row.as_slice()).map_err(&failed)?;
        self.forget.insert((recorded, number), ()).map_err(&failed)?;
        self.state.acknowledged += 1;
        Ok(())
    }

    /// Puts events back among the unsent: the lowest number, and how many.
    pub(super) fn retry(&mut self, which: &Retry) -> Result<Option<(u32, u64)>, OutboxError> {
        let failed = self.failed();
        let mut numbers = Vec::new();
        match which {
            Retry::Event(event_id) => {
                let found = self.events.get(&event_id.0).map_err(&failed)?.map(|id| id.value());
                if let Some(number) = found
                    && self.set_aside.get(number).map_err(&failed)?.is_some()
                {
                    numbers.push(number);
                }
            }
            Retry::All | Retry::Because(_) => {
                for row in self.set_aside.iter().map_err(&failed)? {
                    let (number, row) = row.map_err(&failed)?;
                    let number = number.value();
                    let row = SetAsideRow::from_bytes(number, row.value())
                        .ok_or_else(|| self.damaged_row(number))?;
                    if !matches!(which, Retry::Because(obstacle) if *obstacle != row.obstacle) {
                        numbers.push(number);
                    }
                }
            }
        }
        for &number in &numbers {
            let row = self.take(number)?.ok_or_else(|| self.damaged_row(number))?;
            let row = row.to_bytes(number);
            self.unsent.insert(number, row.as_slice()).map_err(&failed)?;
            self.state.unsent += 1;
            self.state.unsent_bytes += accounted(&row);
        }
        Ok(numbers.first().map(|&lowest| (lowest, numbers.len() as u64)))
    }

    /// Goes on numbering above a number that was given before.
    pub(super) fn raise(&mut self, to: u32) {
        if let Some(more @ 1..) = to.checked_sub(self.state.highest_sequence) {
            self.state.highest_sequence = to;
            self.state.passed_over += u64::from(more);
            self.changed = true;
        }
    }

    /// Forgets acknowledged events whose time is over, by the broker's clock; not all at once.
    pub(super) fn forget(&mut self, at_most: usize) -> Result<(), OutboxError> {
        let Some(newest) = self.state.newest_receipt else { return Ok(()) };
        let remember = i64::try_from(self.rules.settings.remember.as_millis()).unwrap_or(i64::MAX);
        self.forget_before((newest.0.saturating_sub(remember), 0), at_most)
    }

    /// Forgets the oldest acknowledged events before their time.
    pub(super) fn forget_oldest(&mut self, at_most: usize) -> Result<(), OutboxError> {
        self.forget_before((i64::MAX, u32::MAX), at_most)
    }

    fn forget_before(&mut self, before: (i64, u32), at_most: usize) -> Result<(), OutboxError> {
        let failed = self.failed();
        let mut over = Vec::new();
        for row in self.forget.range(..before).map_err(&failed)?.take(at_most) {
            over.push(row.map_err(&failed)?.0.value());
        }
        for (recorded, number) in over {
            self.forget.remove((recorded, number)).map_err(&failed)?;
            let damaged = self.damaged_row(number);
            let entry = self
                .acknowledged
                .remove(number)
                .map_err(&failed)?
                .and_then(|row| AcknowledgedRow::from_bytes(number, row.value()))
                .ok_or(damaged)?
                .entry;
            self.events.remove(&entry.event_id.0).map_err(&failed)?;
            if let Some(key) = &entry.key {
                self.keys.remove(&key.key).map_err(&failed)?;
                self.state.keys -= 1;
            }
            self.state.forgotten += 1;
            self.changed = true;
        }
        Ok(())
    }

    /// Writes the state, the last thing before the commit. Gives it, and the first unsent
    /// event.
    pub(super) fn finish(mut self) -> Result<(State, Option<Entry>), OutboxError> {
        let failed = self.failed();
        self.state.generation += 1;
        self.meta.insert(STATE, self.state.to_bytes().as_slice()).map_err(&failed)?;
        let oldest = match self.unsent.first().map_err(&failed)? {
            Some((number, row)) => {
                let number = number.value();
                let row = UnsentRow::from_bytes(number, row.value());
                Some(row.ok_or_else(|| self.damaged_row(number))?.entry)
            }
            None => None,
        };
        Ok((self.state, oldest))
    }
}

impl Draft {
    fn entry(&self) -> Entry {
        Entry {
            event_id: self.event_id,
            subject: self.subject,
            home_region: self.home_region,
            service_region: self.service_region,
            occurred_at: self.occurred_at,
            accepted_at: self.accepted_at,
            key: self.key,
        }
    }

    /// The event that a draft becomes.
    pub(super) fn event(&self, kiosk: &KioskId, sequence: Sequence) -> ActivationEvent {
        ActivationEvent {
            event_id: self.event_id,
            kiosk_id: kiosk.clone(),
            sequence,
            occurred_at: self.occurred_at,
            subject: self.subject,
            home_region: self.home_region,
            service_region: self.service_region,
            outreach_id: self.outreach_id.clone(),
            fact: self.fact,
        }
    }
}
