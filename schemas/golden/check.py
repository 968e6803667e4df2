"""Holds the golden files against fastavro, an implementation of Avro that is not ours.

    pip install fastavro && python schemas/golden/check.py

For each version folder (v1, v2, ...) and each schema in it, every line of the .jsonl beside the
.avsc must be what fastavro says: the value encodes to exactly these bytes, the bytes decode to
exactly this value and leave no rest, and the single-object header carries the fingerprint that
fastavro computes from the .avsc. A
quoted figure's digest must be that of its content. The same files are read by tests/golden.rs. A line is never
changed once it is released: old bytes stay readable for ever.
"""

import datetime
import decimal
import hashlib
import io
import json
import pathlib
import sys
import uuid

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
CONFLUENT_ID = 7
# What of a quoted figure its digest is not over.
BESIDE_THE_DIGEST = {"figure_id", "digest", "bounds", "missing", "quoted_at", "quoted_by", "note"}


def rabin(avsc):
    """The header's fingerprint: 8 bytes, little endian."""
    text = fingerprint(to_parsing_canonical_form(avsc), "CRC-64-AVRO")
    return bytes.fromhex(text)


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def to_json(schema, value):
    """A value as fastavro gives it, in the JSON of the golden files."""
    if isinstance(schema, list):
        if value is None:
            return None
        if isinstance(value, tuple):  # a record of a union, with its name
            name, value = value
            branch = next(b for b in schema if isinstance(b, dict) and b.get("name") == name)
            return {name.rpartition(".")[2]: to_json(branch, value)}
        (branch,) = [b for b in schema if b != "null"]
        return to_json(branch, value)
    if isinstance(schema, dict) and schema["type"] == "record":
        return {f["name"]: to_json(f["type"], value[f["name"]]) for f in schema["fields"]}
    if isinstance(schema, dict) and schema["type"] == "array":
        return [to_json(schema["items"], item) for item in value]
    if isinstance(value, bytes):
        return str(uuid.UUID(bytes=value)) if len(value) == 16 else value.hex()
    if isinstance(value, datetime.datetime):
        return (value - EPOCH) // datetime.timedelta(milliseconds=1)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return format(value.normalize(), "f")
    return value


def from_json(schema, value):
    """A value of the golden files as fastavro takes it."""
    if isinstance(schema, list):
        if value is None:
            return None
        records = {b["name"].rpartition(".")[2]: b for b in schema if isinstance(b, dict) and b["type"] == "record"}
        if len(records) > 1:
            ((name, inner),) = value.items()
            return (records[name]["name"], from_json(records[name], inner))
        (branch,) = [b for b in schema if b != "null"]
        return from_json(branch, value)
    if isinstance(schema, str):  # a primitive, or a fixed or enum defined before
        return uuid.UUID(value).bytes if schema.endswith("Id") else value
    kind = schema.get("logicalType", schema["type"])
    if kind == "record":
        return {f["name"]: from_json(f["type"], value[f["name"]]) for f in schema["fields"]}
    if kind == "array":
        return [from_json(schema["items"], item) for item in value]
    if kind == "fixed":
        return uuid.UUID(value).bytes if schema["size"] == 16 else bytes.fromhex(value)
    if kind == "timestamp-millis":
        return instant(value)
    if kind == "date":
        return datetime.date.fromisoformat(value)
    if kind == "decimal":
        return decimal.Decimal(value)
    return value


def comparable(schema, value):
    """Instants as milliseconds: how many places of a second are written is not the point."""
    return to_json(schema, from_json(schema, value))


def encode(schema, value):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, from_json(schema, value))
    return out.getvalue()


def decode(schema, payload):
    source = io.BytesIO(payload)
    # A record that can only be null otherwise needs no name.
    value = fastavro.schemaless_reader(
        source, schema, None, return_record_name=True, return_record_name_override=True
    )
    rest = source.read()
    assert not rest, f"{len(rest)} bytes are left"
    return to_json(schema, value)


def check_digest(figure):
    """A quoted figure's digest, as schemas/src/quoted.rs says."""
    content = {name: value for name, value in figure.items() if name not in BESIDE_THE_DIGEST}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).digest()
    assert figure["digest"] == digest.hex(), f"digest {digest.hex()}"
    number = int.from_bytes(digest[:16], "big") & ~(0xF << 76) & ~(0x3 << 62) | 0x8 << 76 | 0x2 << 62
    assert figure["figure_id"] == str(uuid.UUID(int=number)), f"id {uuid.UUID(int=number)}"


def check(avsc):
    plain = json.loads(avsc.read_text("utf-8"))
    schema = fastavro.parse_schema(plain)
    single_object = b"\xc3\x01" + rabin(plain)
    confluent = b"\x00" + CONFLUENT_ID.to_bytes(4, "big")
    names = set()
    for line in avsc.with_suffix(".jsonl").read_text("utf-8").splitlines():
        golden = json.loads(line)
        name = golden["name"]
        assert name not in names, f"{name} is there twice"
        names.add(name)
        try:
            payload = encode(schema, golden["value"])
            assert golden["single_object"] == (single_object + payload).hex(), "single-object bytes"
            assert golden["confluent"] == (confluent + payload).hex(), "Confluent bytes"
            assert decode(schema, payload) == comparable(schema, golden["value"]), "value"
            if "digest" in golden["value"]:
                check_digest(golden["value"])
        except Exception as fault:
            sys.exit(f"{avsc.parent.name}/{avsc.stem}, {name}: {type(fault).__name__}: {fault}")
    assert names, f"{avsc} has no golden values"
    number = int.from_bytes(rabin(plain), "little")
    print(f"{avsc.parent.name}/{avsc.stem}: {len(names)} values, fingerprint {number:016x}")


if __name__ == "__main__":
    files = sorted(pathlib.Path(__file__).parent.glob("v*/*.avsc"))
    assert files, "no schemas beside this file"
    for file in files:
        check(file)
