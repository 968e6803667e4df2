"""Publishes activation events as a foreign integrator would: from the .avsc alone, with
confluent-kafka and fastavro, once in each of the two framings. It knows nothing of Laju's code.

    publish.py BOOTSTRAP TOPIC AVSC REGISTRY COUNT
"""

import io
import json
import struct
import sys
import time
import urllib.request
import uuid

import fastavro
import fastavro.schema
from confluent_kafka import Producer


def register(registry, subject, text):
    request = urllib.request.Request(
        f"{registry}/subjects/{subject}/versions",
        data=json.dumps({"schema": text}).encode(),
        headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["id"]


def main():
    bootstrap, topic, path, registry, count = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        text = file.read()
    schema = fastavro.parse_schema(json.loads(text))
    canonical = fastavro.schema.to_parsing_canonical_form(json.loads(text))
    fingerprint = fastavro.schema.fingerprint(canonical, "CRC-64-AVRO")
    framings = {
        "single": b"\xc3\x01" + bytes.fromhex(fingerprint),
        "confluent": b"\x00" + struct.pack(">I", register(registry, f"{topic}-value", text)),
    }
    # Without it librdkafka's own partitioner would send a citizen's events elsewhere.
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random",
                         "enable.idempotence": True, "linger.ms": 5})
    failures = []

    def delivered(error, _message):
        if error is not None:
            failures.append(str(error))

    now = int(time.time() * 1000)
    for framing, header in framings.items():
        for number in range(1, int(count) + 1):
            subject = uuid.uuid5(uuid.NAMESPACE_URL, f"{framing}/{number}").bytes
            event = {
                "event_id": uuid.uuid4().bytes,
                "kiosk_id": f"python-{framing}",
                "sequence": number,
                "occurred_at": now - 60_000,
                "subject": subject,
                "home_region": "51.71" if framing == "single" else "91.71",
                "service_region": "51.71",
                "outreach_id": "kampus-udayana",
                "fact": ("id.ikd.events.Activated", {
                    "channel": "outreach", "venue": "campus", "first_time_holder": True}),
            }
            value = io.BytesIO()
            value.write(header)
            fastavro.schemaless_writer(value, schema, event)
            producer.produce(topic, key=subject, value=value.getvalue(), on_delivery=delivered)
            producer.poll(0)
    left = producer.flush(30)
    if left or failures:
        sys.exit(f"{left} not delivered, {len(failures)} refused: {failures[:3]}")


main()
