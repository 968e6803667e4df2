//! Random operations, compared with a model that keeps everything in a list.

use proptest::prelude::*;

use super::*;

const LIMIT_BYTES: u64 = 4_000;
const REMEMBER_MS: i64 = 50;

#[derive(Clone, Debug)]
enum Operation {
    Accept(Vec<(u8, Option<(u8, u8)>)>),
    Settle(Vec<(u32, Settled)>),
    Retry(Which),
    Reopen { closed: bool },
}

#[derive(Clone, Debug)]
enum Settled {
    Acknowledged(Option<i64>),
    Rejected(usize, u8),
}

#[derive(Clone, Debug)]
enum Which {
    All,
    Event(u8),
    Because(usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    let draft = (0..40_u8, proptest::option::of((0..12_u8, 0..2_u8)));
    let settled = prop_oneof![
        3 => proptest::option::weighted(0.8, 0..300_i64).prop_map(Settled::Acknowledged),
        2 => (0..3_usize, 0..30_u8).prop_map(|(reason, detail)| Settled::Rejected(reason, detail)),
    ];
    let which = prop_oneof![
        Just(Which::All),
        (0..40_u8).prop_map(Which::Event),
        (0..3_usize).prop_map(Which::Because)
    ];
    prop_oneof![
        4 => proptest::collection::vec(draft, 0..6).prop_map(Operation::Accept),
        4 => proptest::collection::vec((0..40_u32, settled), 0..6).prop_map(Operation::Settle),
        1 => which.prop_map(Operation::Retry),
        1 => any::<bool>().prop_map(|closed| Operation::Reopen { closed }),
    ]
}

struct Event {
    sequence: u32,
    draft: Draft,
    outcome: Option<Outcome>,
    recorded: i64,
    is_forgotten: bool,
}

impl Event {
    fn waits(&self) -> bool {
        !matches!(self.outcome, Some(Outcome::Acknowledged(_)))
    }

    fn bytes(&self) -> u64 {
        let entry = 4 + 16 + 16 + 2 + 2 + 8 + 8 + 1 + self.draft.entry.key.map_or(0, |_| 32);
        let rejection = match &self.outcome {
            Some(Outcome::Rejected(rejection)) => 1 + 8 + 2 + rejection.detail.len(),
            _ => 0,
        };
        (entry + rejection + value(&self.draft, self.sequence).len()) as u64 + ROW_OVERHEAD
    }
}

#[derive(Default)]
struct Model {
    events: Vec<Event>,
    newest: Option<i64>,
}

impl Model {
    fn remembered(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|event| !event.is_forgotten)
    }

    fn accept(&mut self, draft: &Draft) -> Result<Accepted, Refusal> {
        let again = |event: &Event, same: bool| {
            let event_id = event.draft.entry.event_id;
            let sequence = i64::from(event.sequence).try_into().unwrap();
            if same {
                Ok(Accepted { event_id, sequence, repeated: true })
            } else {
                Err(Refusal::KeyReused { event_id })
            }
        };
        if let Some(key) = draft.entry.key {
            let with_key = self
                .remembered()
                .find(|event| event.draft.entry.key.is_some_and(|k| k.key == key.key));
            if let Some(event) = with_key {
                return again(event, event.draft.entry.key == Some(key));
            }
        }
        let with_id =
            self.remembered().find(|event| event.draft.entry.event_id == draft.entry.event_id);
        if let Some(event) = with_id {
            // An id stands for one content here: see `draft`.
            return again(event, true);
        }
        let sequence = self.events.len() as u32 + 1;
        let event = Event {
            sequence,
            draft: draft.clone(),
            outcome: None,
            recorded: 0,
            is_forgotten: false,
        };
        let held: u64 = self.events.iter().filter(|e| e.waits()).map(Event::bytes).sum();
        if held + event.bytes() > LIMIT_BYTES {
            return Err(Refusal::Full { limit_bytes: LIMIT_BYTES });
        }
        self.events.push(event);
        let sequence = i64::from(sequence).try_into().unwrap();
        Ok(Accepted { event_id: draft.entry.event_id, sequence, repeated: false })
    }

    fn settle(&mut self, sequence: u32, outcome: &Outcome) {
        let event = self.events.iter_mut().find(|event| event.sequence == sequence);
        let Some(event) = event.filter(|event| event.waits()) else { return };
        if let Outcome::Acknowledged(receipt) = outcome {
            let timestamp = receipt.timestamp.map(|timestamp| timestamp.0);
            self.newest = self.newest.max(timestamp);
            event.recorded = timestamp.or(self.newest).unwrap_or(i64::MAX);
        }
        event.outcome = Some(outcome.clone());
    }

    fn forget(&mut self) {
        let Some(newest) = self.newest else { return };
        for event in &mut self.events {
            event.is_forgotten |= !event.waits() && newest - event.recorded > REMEMBER_MS;
        }
    }

    fn retry(&mut self, which: Retry) -> Option<(u32, u64)> {
        let mut back = None;
        for event in &mut self.events {
            let Some(Outcome::Rejected(rejection)) = &event.outcome else { continue };
            let is_meant = match which {
                Retry::All => true,
                Retry::Event(event_id) => event.draft.entry.event_id == event_id,
                Retry::Because(reason) => rejection.reason == reason,
            };
            if is_meant {
                event.outcome = None;
                let (lowest, count) = back.unwrap_or((event.sequence, 0));
                back = Some((lowest, count + 1));
            }
        }
        back
    }

    fn check(&self, outbox: &Outbox) {
        let unsent: Vec<_> = self.events.iter().filter(|e| e.outcome.is_none()).collect();
        let expected: Vec<_> = unsent
            .iter()
            .map(|event| Unsent {
                sequence: event.sequence,
                entry: event.draft.entry,
                value: value(&event.draft, event.sequence),
            })
            .collect();
        assert_eq!(outbox.unsent_after(0, usize::MAX).unwrap(), expected);
        let rejected = self.events.iter().filter_map(|event| match &event.outcome {
            Some(Outcome::Rejected(rejection)) => Some(Rejected {
                event_id: event.draft.entry.event_id,
                sequence: event.sequence,
                rejection: rejection.clone(),
            }),
            _ => None,
        });
        let rejected: Vec<_> = rejected.collect();
        assert_eq!(outbox.rejected(usize::MAX).unwrap(), rejected);
        for number in 0..40 {
            let event = self.remembered().find(|e| e.draft.entry.event_id == event_id(number));
            let expected = event.map(|Event { sequence, draft, outcome, .. }| Known {
                sequence: *sequence,
                entry: draft.entry,
                outcome: outcome.clone(),
            });
            assert_eq!(outbox.find(event_id(number)).unwrap(), expected);
        }
        let bytes = |wanted: fn(&Option<Outcome>) -> bool| {
            self.events.iter().filter(|event| wanted(&event.outcome)).map(Event::bytes).sum()
        };
        let counts = Counts {
            disk_full: false,
            passed_over: 0,
            highest_sequence: self.events.len() as u32,
            unsent: unsent.len() as u64,
            unsent_bytes: bytes(Option::is_none),
            limit_bytes: LIMIT_BYTES,
            rejected: rejected.len() as u64,
            rejected_bytes: bytes(|outcome| matches!(outcome, Some(Outcome::Rejected(_)))),
            acknowledged: self.events.iter().filter(|event| !event.waits()).count() as u64,
            oldest_unsent: unsent.first().map(|event| event.draft.entry.occurred_at),
            waiting_since: unsent.first().map(|event| event.draft.entry.accepted_at),
            latest_accepted_at: self.events.last().map(|event| event.draft.entry.accepted_at),
            newest_receipt: self.newest.map(TimestampMs),
        };
        assert_eq!(outbox.counts(), counts);
    }
}

fn run(operations: Vec<Operation>) {
    let settings = OutboxSettings {
        limit_bytes: LIMIT_BYTES,
        remember: Duration::from_millis(REMEMBER_MS as u64),
        ..OutboxSettings::default()
    };
    let mut directory = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::open(directory.path(), &kiosk(), settings.clone()).unwrap();
    let mut model = Model::default();
    for operation in operations {
        match operation {
            Operation::Accept(drafts) => {
                let drafts: Vec<_> = drafts
                    .into_iter()
                    .map(|(number, key)| match key {
                        Some((key, content)) => keyed(number.into(), key, content),
                        None => draft(number.into()),
                    })
                    .collect();
                let expected: Vec<_> = drafts.iter().map(|draft| model.accept(draft)).collect();
                assert_eq!(outbox.accept(drafts).wait().unwrap(), expected);
            }
            Operation::Settle(outcomes) => {
                let outcomes: Vec<_> = outcomes
                    .into_iter()
                    .map(|(sequence, settled)| {
                        let outcome = match settled {
                            Settled::Acknowledged(timestamp) => Outcome::Acknowledged(Receipt {
                                partition: sequence % 7,
                                offset: (sequence % 3 > 0).then(|| u64::from(sequence) * 5),
                                timestamp: timestamp.map(TimestampMs),
                                by_broker: true,
                            }),
                            Settled::Rejected(reason, length) => Outcome::Rejected(Rejection {
                                reason: RejectionReason::ALL[reason],
                                detail: "é".repeat(length.into()),
                                at: TimestampMs(length.into()),
                            }),
                        };
                        (sequence, outcome)
                    })
                    .collect();
                outcomes.iter().for_each(|(sequence, outcome)| model.settle(*sequence, outcome));
                outbox.settle(outcomes).wait().unwrap();
            }
            Operation::Retry(which) => {
                let which = match which {
                    Which::All => Retry::All,
                    Which::Event(number) => Retry::Event(event_id(number.into())),
                    Which::Because(reason) => Retry::Because(RejectionReason::ALL[reason]),
                };
                assert_eq!(outbox.retry(which).wait().unwrap(), model.retry(which));
            }
            Operation::Reopen { closed: true } => {
                outbox.close().unwrap();
                outbox = Outbox::open(directory.path(), &kiosk(), settings.clone()).unwrap();
            }
            Operation::Reopen { closed: false } => {
                let killed = tempfile::tempdir().unwrap();
                copy(directory.path(), killed.path());
                outbox.close().unwrap();
                directory = killed;
                outbox = Outbox::open(directory.path(), &kiosk(), settings.clone()).unwrap();
            }
        }
        model.forget();
        model.check(&outbox);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn it_does_what_the_model_does(operations in proptest::collection::vec(operation(), 1..25)) {
        run(operations);
    }
}
