"""Publishes activations straight to Kafka, without the agent: what an integration has to do itself.

    pip install confluent-kafka==2.16.1 fastavro==1.13.1
    publish.py --brokers kafka:9092 --key-file key --kiosk-id counter-3 --outbox counter-3.outbox \
        --home-region 18.71 < niks

Standard input has one NIK a line. What an earlier run left in the outbox is sent first, with the
event ids and sequences that it has.
"""

import argparse
import hashlib
import hmac
import io
import json
import os
import pathlib
import re
import secrets
import sys
import time
import urllib.request

import fastavro
from confluent_kafka import Producer
from fastavro.schema import fingerprint, to_parsing_canonical_form

AVSC = pathlib.Path(__file__).parents[3] / "schemas/avsc/activation_event.avsc"


def pseudonym(key, nik):
    """The subject: it stands for the citizen everywhere outside this process."""
    return hmac.digest(key, nik.encode("ascii"), hashlib.sha256)[:16]


def uuid7():
    """A UUID ordered by time. An event keeps its own on every retry."""
    number = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    number = number & ~(0xF << 76) | 7 << 76  # version
    return (number & ~(3 << 62) | 2 << 62).to_bytes(16, "big")  # variant


def single_object(avsc):
    """The header of Avro's single-object encoding: a mark, and the schema's fingerprint.

    The package `avro` of Apache computes another fingerprint where a schema has logical types.
    """
    canonical = to_parsing_canonical_form(json.loads(avsc))
    return b"\xc3\x01" + bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))  # little endian


def confluent(avsc, registry, subject):
    """The header of Confluent's framing: a zero, and the schema's id in the registry."""
    request = urllib.request.Request(
        f"{registry}/subjects/{subject}/versions",  # the id it has, or a new one
        json.dumps({"schema": avsc}).encode(),
        {"Content-Type": "application/vnd.schemaregistry.v1+json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return b"\x00" + json.load(answer)["id"].to_bytes(4, "big")


class Outbox:
    """The next sequence, and the records that Kafka has not confirmed: one file, replaced whole.

    Without it a number would be lost or given twice when the machine stops between giving it and
    sending it. One process may use it.
    """

    def __init__(self, path):
        self.path = path
        lines = path.read_text().splitlines() if path.exists() else ["1"]
        self.next_sequence = int(lines[0])
        self.records = [tuple(map(bytes.fromhex, line.split())) for line in lines[1:]]

    def save(self):
        lines = [str(self.next_sequence), *(f"{k.hex()} {v.hex()}" for k, v in self.records)]
        new = self.path.with_name(self.path.name + ".new")
        with open(new, "w") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self.path)
        directory = os.open(self.path.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)


def ship(outbox, brokers, topic, partitioner):
    """Sends what is in the outbox, and keeps what Kafka has not confirmed."""
    producer = Producer({
        "bootstrap.servers": brokers,
        "acks": "all",
        "enable.idempotence": True,
        "partitioner": partitioner,
    })
    confirmed = set()

    def delivered(place):
        def report(error, _message):
            if error is None:
                confirmed.add(place)
            else:
                print(f"not delivered: {error}", file=sys.stderr)
        return report

    for place, (key, value) in enumerate(outbox.records):
        while True:
            try:
                producer.produce(topic, key=key, value=value, on_delivery=delivered(place))
                break
            except BufferError:  # librdkafka's queue is full
                producer.poll(1)
        producer.poll(0)
    producer.flush()
    outbox.records = [r for place, r in enumerate(outbox.records) if place not in confirmed]
    outbox.save()
    return len(confirmed)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--brokers", required=True)
    options.add_argument("--topic", default="ikd.events.v1")
    options.add_argument("--registry", help="a schema registry: use Confluent's framing")
    options.add_argument("--schema", type=pathlib.Path, default=AVSC)
    options.add_argument("--key-file", type=pathlib.Path, required=True)
    options.add_argument("--kiosk-id", required=True)
    options.add_argument("--outbox", type=pathlib.Path, required=True)
    options.add_argument("--home-region", required=True)
    options.add_argument("--service-region", help="the home region by default")
    options.add_argument("--channel", default="office")
    # librdkafka's own default is consistent_random: the worker would quarantine the events.
    options.add_argument("--partitioner", default="murmur2_random")
    options = options.parse_args()

    key = bytes.fromhex(options.key_file.read_text().strip())
    if len(key) != 32:
        sys.exit("the key must have 64 hexadecimal digits")
    avsc = options.schema.read_text("utf-8")
    schema = fastavro.parse_schema(json.loads(avsc))
    if options.registry:
        header = confluent(avsc, options.registry, f"{options.topic}-value")
    else:
        header = single_object(avsc)

    outbox = Outbox(options.outbox)
    for number, nik in enumerate(sys.stdin.read().splitlines(), 1):
        if not re.fullmatch("[0-9]{16}", nik):
            sys.exit(f"line {number} is not a NIK")  # and never the line itself
        subject = pseudonym(key, nik)
        value = io.BytesIO()
        value.write(header)
        fastavro.schemaless_writer(value, schema, {
            "event_id": uuid7(),
            "kiosk_id": options.kiosk_id,
            "sequence": outbox.next_sequence,
            "occurred_at": time.time_ns() // 1_000_000,
            "subject": subject,
            "home_region": options.home_region,
            "service_region": options.service_region or options.home_region,
            "outreach_id": None,
            # A union of records: the branch is named.
            "fact": ("id.ikd.events.Activated", {
                "channel": options.channel, "venue": None, "first_time_holder": False}),
        })
        outbox.records.append((subject, value.getvalue()))
        outbox.next_sequence += 1
    outbox.save()  # on the disk before anything is sent
    print(f"{ship(outbox, options.brokers, options.topic, options.partitioner)} confirmed, "
          f"{len(outbox.records)} left in the outbox")
    if outbox.records:
        sys.exit(1)


if __name__ == "__main__":
    main()
