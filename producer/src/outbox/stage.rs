//! What a transaction changes in the tables. Nothing of it counts before the commit.

use std::path::Path;

use laju_schemas::codec::Encoder;
use laju_schemas::topic::EVENTS as EVENTS_TOPIC;
use laju_schemas::{ActivationEvent, EventId, KioskId, Sequence};
use redb::{ReadableTable, Table, WriteTransaction};

use super::format::{
    ACKNOWLEDGED, AcknowledgedRow, EVENTS, FORGET, KEYS, META, REJECTED, RejectedRow, Row, STATE,
    State, UNSENT, UnsentRow, accounted,
};
use super::{
    Accepted, Draft, Entry, IdempotencyKey, OutboxError, OutboxSettings, Outcome, Refusal, Retry,
};
use laju_kafka::publish::Receipt;

/// What a message has beside its value: the key, the shipper's headers, Kafka's framing.
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
    rejected: Table<'a, u32, &'static [u8]>,
    acknowledged: Table<'a, u32, &'static [u8]>,
    events: Table<'a, &'static [u8; 16], u32>,
    keys: Table<'a, &'static [u8; 16], u32>,
    forget: Table<'a, (i64, u32), ()>,
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
                rejected: transaction.open_table(REJECTED)?,
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
        OutboxError::damaged_row(self.path, sequence)
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
        let value = self.encode(draft, sequence)?;
        let limit = EVENTS_TOPIC.max_message_bytes as usize - MESSAGE_OVERHEAD;
        if value.len() > limit {
            return Ok(Err(Refusal::TooLarge { bytes: value.len() }));
        }
        let Entry { event_id, accepted_at, key, .. } = draft.entry;
        let row = UnsentRow { entry: draft.entry, value }.to_bytes(number);
        let held = self.state.unsent_bytes + self.state.rejected_bytes;
        let limit_bytes = self.rules.settings.limit_bytes;
        if held + accounted(&row) > limit_bytes {
            return Ok(Err(Refusal::Full { limit_bytes }));
        }
        let failed = self.failed();
        self.unsent.insert(number, row.as_slice()).map_err(&failed)?;
        self.events.insert(&event_id.0, number).map_err(&failed)?;
        if let Some(key) = key {
            self.keys.insert(&key.key, number).map_err(&failed)?;
            self.state.keys += 1;
        }
        self.state.highest_sequence = number;
        self.state.unsent += 1;
        self.state.unsent_bytes += accounted(&row);
        self.state.latest_accepted_at = Some(accepted_at);
        self.changed = true;
        Ok(Ok(Accepted { event_id, sequence, repeated: false }))
    }

    /// The value that a draft of this number is sent as.
    fn encode(&self, draft: &Draft, sequence: Sequence) -> Result<Vec<u8>, OutboxError> {
        let mut value = Vec::with_capacity(160);
        let event = draft.event(&self.rules.kiosk, sequence);
        self.rules
            .encoder
            .event(&event, &mut value)
            .map_err(|error| OutboxError::Encode(error.to_string().into()))?;
        Ok(value)
    }

    /// The answer to a draft whose key or event id is known.
    fn known(&self, draft: &Draft) -> Result<Option<Result<Accepted, Refusal>>, OutboxError> {
        let failed = self.failed();
        if let Some(IdempotencyKey { key, content }) = &draft.entry.key {
            let found = self.keys.get(key).map_err(&failed)?.map(|found| found.value());
            if let Some(number) = found {
                let entry = *self.row(number)?.entry();
                let same = entry.key.is_some_and(|known| known.content == *content);
                return self.repeated(number, entry.event_id, same).map(Some);
            }
        }
        let event_id = draft.entry.event_id;
        let found = self.events.get(&event_id.0).map_err(&failed)?.map(|id| id.value());
        let Some(number) = found else { return Ok(None) };
        let known = self.row(number)?;
        let same = self.is_same(draft, number, &known)?;
        self.repeated(number, event_id, same).map(Some)
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
        let sequence = self.sequence(number)?;
        Ok(Ok(Accepted { event_id, sequence, repeated: true }))
    }

    /// Whether a draft says the same as the event of its id. Of an acknowledged one the fact is
    /// not kept; what is kept has to do.
    fn is_same(&self, draft: &Draft, number: u32, known: &Row) -> Result<bool, OutboxError> {
        let (entry, other) = (&draft.entry, known.entry());
        let alike = entry.subject == other.subject
            && entry.home_region == other.home_region
            && entry.service_region == other.service_region
            && entry.occurred_at == other.occurred_at;
        let value = match known {
            Row::Unsent(row) => &row.value,
            Row::Rejected(row) => &row.value,
            Row::Acknowledged(_) => return Ok(alike),
        };
        Ok(alike && self.encode(draft, self.sequence(number)?)? == *value)
    }

    fn sequence(&self, number: u32) -> Result<Sequence, OutboxError> {
        Sequence::try_from(i64::from(number)).map_err(|_| self.damaged_row(number))
    }

    /// The row of an event that an index names: it must be there.
    fn row(&self, number: u32) -> Result<Row, OutboxError> {
        Row::find(number, [&self.unsent, &self.rejected, &self.acknowledged])
            .map_err(self.failed())?
            .ok_or_else(|| self.damaged_row(number))
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
        if let Some(row) = self.rejected.remove(number).map_err(&failed)? {
            self.state.rejected -= 1;
            self.state.rejected_bytes -= accounted(row.value());
            self.changed = true;
            let row = RejectedRow::from_bytes(number, row.value()).ok_or(damaged)?;
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
            Outcome::Rejected(rejection) => {
                let rejection = rejection.clone();
                let row = RejectedRow { entry, rejection, value }.to_bytes(number);
                self.rejected.insert(number, row.as_slice()).map_err(&failed)?;
                self.state.rejected += 1;
                self.state.rejected_bytes += accounted(&row);
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
        // kept permanently.
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
                    && self.rejected.get(number).map_err(&failed)?.is_some()
                {
                    numbers.push(number);
                }
            }
            Retry::All | Retry::Because(_) => {
                for row in self.rejected.iter().map_err(&failed)? {
                    let (number, row) = row.map_err(&failed)?;
                    let number = number.value();
                    let row = RejectedRow::from_bytes(number, row.value())
                        .ok_or_else(|| self.damaged_row(number))?;
                    if !matches!(which, Retry::Because(reason) if *reason != row.rejection.reason) {
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
    /// The event that a draft becomes.
    pub(super) fn event(&self, kiosk: &KioskId, sequence: Sequence) -> ActivationEvent {
        let Entry { event_id, subject, home_region, service_region, occurred_at, .. } = self.entry;
        ActivationEvent {
            event_id,
            kiosk_id: kiosk.clone(),
            sequence,
            occurred_at,
            subject,
            home_region,
            service_region,
            outreach_id: self.outreach_id.clone(),
            fact: self.fact,
        }
    }
}
