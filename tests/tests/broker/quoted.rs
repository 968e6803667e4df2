//! Figures once quoted: kept by their topic alone, explained part by part when they differ from
//! what the same question answers later, recomputed from Kafka, and told from forged ones.

use laju_kafka::connection::Connection;
use laju_kafka::publish::Record;
use laju_schemas::codec::Encoder;
use laju_schemas::event::{DeactivationReason, RetractionReason};
use laju_schemas::quoted::{FigureContent, FigureReader};
use laju_schemas::raw::RawEvent;
use laju_schemas::topic::FIGURES;
use laju_schemas::{EventId, Fact, FigureId, QuotedFigure};
use laju_tests::broker::{TestBroker, Topics};
use laju_tests::events::{self, activation, now_ms, record};
use laju_tests::generate;
use laju_tests::process::{Ended, Process, command, connect, run, wait_until, worker};
use laju_tests::registry::TestRegistry;
use serde_json::{Value, json};

use crate::LAJU;

const PARTITIONS: u32 = 4;
const DAY_MS: i64 = 86_400_000;

fn denominator(broker: &TestBroker, number: u8, value: u64) {
    let figure = events::denominator(number, value);
    broker.publisher().publish_reference(&figure).unwrap().wait().unwrap();
}

fn publish<'a>(broker: &TestBroker, events: impl IntoIterator<Item = RawEvent<'a>>) {
    let records: Vec<_> = events.into_iter().map(|event| record(&event, PARTITIONS)).collect();
    broker.publish(&records);
}

/// A later fact of a citizen.
fn then<'a>(citizen: u32, at: i64, fact: Fact<&'a str>, home_region: &'a str) -> RawEvent<'a> {
    let mut event = activation(citizen);
    event.event_id.0[11] = 2;
    RawEvent { occurred_at: at, sequence: event.sequence + 10_000, home_region, fact, ..event }
}

fn at(event: RawEvent<'static>, occurred_at: i64) -> RawEvent<'static> {
    RawEvent { occurred_at, ..event }
}

/// What is there before the figure is quoted: 205 active in 18.71, 200 of them of today.
fn first_events() -> Vec<RawEvent<'static>> {
    let now = now_ms();
    let mut events: Vec<_> = (0..200).map(activation).collect();
    events.extend((200..210).map(|citizen| at(activation(citizen), now - 10 * DAY_MS)));
    events.extend((300..305).map(|n| RawEvent { home_region: "18.72", ..activation(n) }));
    let withdrawn = Fact::Deactivated { reason: DeactivationReason::Withdrawn };
    events.extend((0..5).map(|citizen| then(citizen, now - 30_000, withdrawn, "18.71")));
    events
}

/// What comes later: 41 more, for seven reasons.
fn late_events(quoted_ms: i64) -> Vec<RawEvent<'static>> {
    let mut events = Vec::new();
    for (citizens, age) in [(400..411, 0), (500..530, 3 * DAY_MS), (600..607, 40 * DAY_MS)] {
        events.extend(citizens.map(|n| at(activation(n), quoted_ms - 60_000 - age)));
    }
    let lost = Fact::Deactivated { reason: DeactivationReason::DeviceLost };
    events.extend((10..14).map(|n| then(n, quoted_ms - 20_000, lost, "18.71")));
    let moved = Fact::Relocated { from_region: "18.71" };
    events.extend((20..23).map(|n| then(n, quoted_ms - 20_000, moved, "18.72")));
    let moved = Fact::Relocated { from_region: "18.72" };
    events.extend((300..302).map(|n| then(n, quoted_ms - 20_000, moved, "18.71")));
    events.extend((200..202).map(|citizen| {
        let event_id: EventId = activation(citizen).event_id;
        let reason = RetractionReason::WrongPerson;
        then(citizen, quoted_ms, Fact::Retracted { event_id, reason }, "18.71")
    }));
    events
}

fn verify(broker: &TestBroker, id: &str) -> (Ended, Value) {
    verify_over(&broker.connection(), id)
}

fn verify_over(connection: &Connection, id: &str) -> (Ended, Value) {
    let mut command = command(LAJU, &["verify", "--figure", id, "--json"]);
    connect(&mut command, connection);
    let ended = run(command);
    let report = serde_json::from_str(&ended.stdout);
    let report = report.unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    (ended, report)
}

fn laju(process: &mut Process, args: &[&str]) -> Ended {
    let url = format!("http://{}", process.address());
    run(command(LAJU, &[args, &["--url", &url]].concat()))
}

#[test]
fn a_figure_outlives_its_store_and_every_later_difference_is_explained_and_it_verifies() {
    let broker = TestBroker::start(PARTITIONS);
    denominator(&broker, 1, 1_000);
    publish(&broker, first_events());
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    wait_until("the figures topic is read", || process.get("/v1/figures").0 == 200);
    let quoted_ms = now_ms();
    let body = json!({"region": "18.71", "note": "rilis"});
    let (status, figure) = process.post("/v1/figures", &body);
    assert_eq!(status, 201, "{figure}");
    assert_eq!((&figure["activated"], &figure["deactivations"]), (&json!(205), &json!(5)));
    assert_eq!(figure["denominators"][0]["coverage_percent"], "20.50");
    let link = figure["link"].as_str().unwrap().to_owned();
    let id = figure["figure_id"].as_str().unwrap().to_owned();
    // Stored by itself, not by this answer.
    assert_eq!(broker.read(&FIGURES).len(), 1);
    assert_eq!(process.post("/v1/figures", &body), (200, figure.clone()));
    assert_eq!(broker.read(&FIGURES).len(), 1);
    let (_, same) = process.get(&link);
    assert_eq!(same["figure"], figure);
    assert_eq!(
        (&same["difference"]["activated"], &same["difference"]["parts"]),
        (&json!(0), &json!([]))
    );
    assert!(process.stop().status.success());

    // The store is gone; late events and another denominator come in.
    drop(store);
    publish(&broker, late_events(quoted_ms));
    denominator(&broker, 2, 1_100);
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    wait_until("the figures topic is read", || process.get(&link).0 == 200);
    let (_, answer) = process.get(&link);
    assert_eq!(answer["figure"], figure, "as it was quoted, to the last byte");
    assert_eq!(answer["now"]["activated"], 246);
    let difference = &answer["difference"];
    let part = |kind: &str, age: Option<(u32, Option<u32>)>, reason: Option<&str>, amount: i64| {
        let age =
            age.map(|(from_days, to_days)| json!({"from_days": from_days, "to_days": to_days}));
        json!({"kind": kind, "age": age, "reason": reason, "amount": amount})
    };
    let parts = json!([
        part("activations", Some((0, Some(1))), None, 11),
        part("activations", Some((2, Some(7))), None, 30),
        part("activations", Some((31, None)), None, 7),
        part("moves_in", None, None, 2),
        part("moves_out", None, None, -3),
        part("deactivations", None, Some("device_lost"), -4),
        part("reversed_activations", None, None, -2),
    ]);
    assert_eq!(difference["parts"], parts);
    assert_eq!((&difference["activated"], &difference["late_arrivals"]), (&json!(41), &json!(37)));
    assert_eq!((&difference["same_log"], &difference["same_rules"]), (&json!(true), &json!(true)));
    let row = &difference["denominators"][0];
    assert_eq!((&row["then"]["value"], &row["now"]["value"]), (&json!(1_000), &json!(1_100)));
    assert_eq!((&row["then"]["source"], &row["changed"]), (&json!("letter 1"), &json!(true)));
    assert_eq!(process.get(difference["link"].as_str().unwrap()).0, 200);
    assert_eq!(process.get("/v1/figures?region=18.71").1["rows"], json!([figure]));

    let printed = laju(&mut process, &["query", "figure", &id]);
    assert!(printed.status.success(), "{printed:?}");
    for words in ["rilis", "2 to 7 days late", "device_lost", "1,100", &id] {
        assert!(printed.stdout.contains(words), "{words}: {}", printed.stdout);
    }
    let printed = laju(&mut process, &["quote", "18.71", "--note", "again", "--json"]);
    assert!(printed.status.success(), "{printed:?}");
    let another: Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!((&another["activated"], &another["note"]), (&json!(246), &json!("again")));
    assert!(process.stop().status.success());

    // Neither store nor worker is asked.
    drop(store);
    let (ended, report) = verify(&broker, &id);
    assert_eq!((ended.status.code(), &report["verdict"]), (Some(0), &json!("same")), "{report}");
    assert_eq!(report["records"], first_events().len());
    let (ended, report) = verify(&broker, another["figure_id"].as_str().unwrap());
    assert_eq!(
        (ended.status.code(), &report["records"]),
        (Some(0), &json!(broker.read_log().len()))
    );
    if broker.is_real() {
        broker.cut_events(2, 1);
        let (ended, report) = verify(&broker, &id);
        assert_eq!(ended.status.code(), Some(2), "{report}");
        assert!(report["reason"].as_str().unwrap().contains("the log is cut"), "{report}");
    }
}

/// Puts a record into the figures topic that nobody quoted.
fn forge(broker: &TestBroker, figure: &QuotedFigure) {
    let value = Encoder::figures(None).value(figure).unwrap();
    let topic = broker.connection().topic(&FIGURES);
    let record = Record {
        topic: &topic,
        key: Some(&figure.figure_id.0),
        value: Some(&value),
        ..Record::default()
    };
    broker.publisher().publish_record(&record).unwrap().wait().unwrap();
}

/// A figure that fits its digest, whatever it says.
fn consistent(figure: &QuotedFigure, change: impl FnOnce(&mut FigureContent)) -> QuotedFigure {
    let mut content = figure.content.clone();
    change(&mut content);
    QuotedFigure::new(content, figure.quoted_at)
}

fn add_people(content: &mut FigureContent) {
    content.activated += 1_000;
    content.activations += 1_000;
    content.activations_by_age[0].count += 1_000;
}

#[test]
fn a_forged_figure_is_told_and_never_shown_as_quoted() {
    let broker = TestBroker::start(PARTITIONS);
    publish(&broker, first_events());
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    wait_until("the figures topic is read", || process.get("/v1/figures").0 == 200);
    let (status, figure) = process.post("/v1/figures", &json!({"region": "18.71"}));
    assert_eq!(status, 201, "{figure}");
    let value = broker.read(&FIGURES)[0].record.value.clone().unwrap();
    let quoted = FigureReader::new().unwrap().read(&value).unwrap();
    assert_eq!(json!(quoted.figure_id), figure["figure_id"]);

    // The whole province's figure, which nobody has quoted yet: changed under its own id.
    let (status, province) = process.post("/v1/figures", &json!({"region": "18"}));
    assert_eq!(status, 201, "{province}");
    let nation = consistent(&quoted, |content| {
        content.region = "ID".parse().unwrap();
        let five = 5 + content.activated;
        content.activations += 5;
        content.activations_by_age[0].count += 5;
        content.activated = five;
    });
    let mut forged = nation.clone();
    add_people(&mut forged.content);
    forge(&broker, &forged);
    let path = format!("/v1/figures/{}", forged.figure_id);
    wait_until("the forged figure is read", || process.get(&path).0 != 404);
    let (status, problem) = process.get(&path);
    assert_eq!((status, &problem["type"]), (500, &json!("/problems/damaged-figure")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("digest"), "{problem}");
    process.wait_for("is not what was quoted");
    let told = process.log().matches("is not what was quoted").count();
    let (_, list) = process.get("/v1/figures");
    assert_eq!((&list["total"], list["damaged"].as_array().unwrap().len()), (&json!(2), 1));
    assert_eq!(process.log().matches("is not what was quoted").count(), told, "told once");
    let (ended, report) = verify(&broker, &forged.figure_id.to_string());
    assert_eq!((ended.status.code(), &report["verdict"]), (Some(1), &json!("differs")), "{report}");
    let fields = |report: &Value| -> Vec<String> {
        let rows = report["differences"].as_array().unwrap();
        rows.iter().map(|row| row["field"].as_str().unwrap().to_owned()).collect()
    };
    let forged_fields = ["activated", "activations", "activations_by_age[0].count"];
    assert_eq!(fields(&report), forged_fields, "{report}");
    let recomputed = &report["recomputed_digest"];
    assert_eq!(*recomputed, json!(nation.digest), "what the log says has the id's own digest");

    // One that fits its own digest is only found out by the log.
    let invented = consistent(&quoted, add_people);
    forge(&broker, &invented);
    let (ended, report) = verify(&broker, &invented.figure_id.to_string());
    assert_eq!((ended.status.code(), &report["reason"]), (Some(1), &Value::Null), "{report}");
    assert_eq!(fields(&report), forged_fields);

    // What cannot be recomputed is neither.
    let cases = [
        (consistent(&quoted, |c| c.evidence.cluster_id.push('x')), "rests on the cluster"),
        (consistent(&quoted, |c| c.evidence.fold_version.push('x')), "by the rules"),
        (consistent(&quoted, |c| c.evidence.partitions[0].next_offset += 1_000), "ends at offset"),
        (consistent(&quoted, |c| c.evidence.reference_next_offset += 7), "ends at offset"),
        (consistent(&quoted, |c| c.evidence.partitions.truncate(3)), "partitions"),
        (consistent(&quoted, |c| c.form = 2), "another version"),
    ];
    for (figure, words) in cases {
        forge(&broker, &figure);
        let (ended, report) = verify(&broker, &figure.figure_id.to_string());
        let reason = report["reason"].as_str().unwrap();
        assert_eq!(ended.status.code(), Some(2), "{report}");
        assert_eq!(report["verdict"], "cannot_be_recomputed");
        assert!(reason.contains(words), "no '{words}': {report}");
    }
    let (ended, report) = verify(&broker, &FigureId([9; 16]).to_string());
    assert_eq!(ended.status.code(), Some(2), "{report}");
    let mut garbage = consistent(&quoted, |content| content.moves_in += 1);
    garbage.figure_id = FigureId([7; 16]);
    forge(&broker, &garbage);
    assert_eq!(verify(&broker, &garbage.figure_id.to_string()).0.status.code(), Some(1));
    assert!(process.stop().status.success());
}

/// With repeats, retractions, what comes late and what cannot be counted.
#[test]
fn a_figure_of_any_log_on_any_day_verifies() {
    let broker = TestBroker::start(PARTITIONS);
    let mut records = generate::seeded(12, PARTITIONS, 50, 1_000).records;
    for record in &mut records {
        record.timestamp_ms = record.timestamp_ms.clamp(-1, now_ms());
    }
    broker.publish(&records);
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    wait_until("the figures topic is read", || process.get("/v1/figures").0 == 200);
    let (first, last) = (generate::day(4), generate::day(9));
    for (region, as_of, known_at) in
        [("ID", None, None), ("ID", Some(first), Some(last)), ("18", Some(last), None)]
    {
        let body = json!({"region": region, "as_of": as_of, "known_at": known_at});
        let (status, figure) = process.post("/v1/figures", &body);
        assert_eq!(status, 201, "{figure}");
        let (_, answer) = process.get(figure["link"].as_str().unwrap());
        assert_eq!(answer["now"]["activated"], figure["activated"]);
        let (ended, report) = verify(&broker, figure["figure_id"].as_str().unwrap());
        assert_eq!(ended.status.code(), Some(0), "{region}: {report}");
        assert_eq!(report["records"], records.len());
    }
    let (_, quarantine) = process.get("/v1/quarantine");
    assert!(quarantine["total"].as_u64().unwrap() > 0, "else nothing was left out");
    assert!(process.stop().status.success());
}

#[test]
fn what_is_not_confirmed_is_not_quoted_and_can_be_quoted_again() {
    let broker = TestBroker::start(PARTITIONS);
    publish(&broker, (0..20).map(activation));
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    wait_until("the figures topic is read", || process.get("/v1/figures").0 == 200);
    let body = json!({"region": "18.71"});
    let Some(outage) = broker.outage() else { return };
    let (status, problem) = process.post("/v1/figures", &body);
    assert_eq!(
        (status, &problem["type"]),
        (503, &json!("/problems/figure-not-stored")),
        "{problem}"
    );
    drop(outage);
    let mut answer = (0, Value::Null);
    wait_until("the figure is quoted", || {
        answer = process.post("/v1/figures", &body);
        answer.0 == 201 || answer.0 == 200
    });
    assert_eq!(answer.1["activated"], 20);
    let (_, found) = process.get(answer.1["link"].as_str().unwrap());
    assert_eq!(found["figure"], answer.1);
    assert!(process.stop().status.success());
}

#[test]
fn an_installation_without_the_figures_topic_answers_all_else() {
    let broker = TestBroker::with(Topics { without: Some(FIGURES.name), ..Topics::of(PARTITIONS) });
    publish(&broker, (0..20).map(activation));
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    assert_eq!(process.get("/v1/regions/18.71/progress").1["activated"], 20);
    process.wait_for("no figures can be quoted");
    let body = json!({"region": "18.71"});
    for (status, problem) in [process.get("/v1/figures"), process.post("/v1/figures", &body)] {
        assert_eq!((status, &problem["type"]), (503, &json!("/problems/not-ready")));
        assert!(problem["detail"].as_str().unwrap().contains("figures topic"), "{problem}");
    }
    // Made later, it is found without a restart.
    broker.create_topic(&FIGURES, 1, FIGURES.max_message_bytes);
    wait_until("the topic is found", || process.get("/v1/figures").0 == 200);
    assert_eq!(process.post("/v1/figures", &body).0, 201);
    assert!(process.stop().status.success());
}

#[test]
fn with_a_registry_a_figure_is_framed_by_it_and_its_outage_is_told() {
    let broker = TestBroker::start(PARTITIONS);
    let registry = TestRegistry::start();
    let mut connection = broker.connection();
    connection.registry = Some(registry.url().to_owned());
    publish(&broker, (0..20).map(activation));
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(worker(LAJU, &connection, store.path()));
    process.wait_ready();
    wait_until("the figures topic is read", || process.get("/v1/figures").0 == 200);
    registry.take_away();
    let (status, problem) = process.post("/v1/figures", &json!({"region": "18.71"}));
    assert_eq!(
        (status, &problem["type"]),
        (503, &json!("/problems/figure-not-stored")),
        "{problem}"
    );
    registry.bring_back();
    let (status, figure) = process.post("/v1/figures", &json!({"region": "18.71"}));
    assert_eq!(status, 201, "{figure}");
    assert_eq!(broker.read(&FIGURES)[0].record.value.as_ref().unwrap()[0], 0, "framed by its id");
    assert!(process.stop().status.success());
    let id = figure["figure_id"].as_str().unwrap();
    let (ended, report) = verify_over(&connection, id);
    assert_eq!((ended.status.code(), &report["verdict"]), (Some(0), &json!("same")), "{report}");
    // Without it the figure's own schema is not known.
    let (ended, report) = verify(&broker, id);
    assert_eq!(ended.status.code(), Some(2), "{report}");
    assert!(report["reason"].as_str().unwrap().contains("cannot be read"), "{report}");
}
