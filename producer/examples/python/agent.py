"""Gives events to the kiosk agent. Python's standard library is enough.

    agent.py send  < event.json        one event, with an idempotency_key
    agent.py batch < events.ndjson     one event a line
    agent.py fate EVENT_ID             how far it has come

LAJU_AGENT is the agent's address, http://127.0.0.1:8470 by default.
"""

import http.client
import json
import os
import random
import sys
import time
import urllib.error
import urllib.request

AGENT = os.environ.get("LAJU_AGENT", "http://127.0.0.1:8470")
# A proxy would see the NIK.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Refused(Exception):
    """The agent will never take this: repeating it helps nobody."""


def refusals(answer):
    """What the agent has refused, and why: of a batch item by item, else the one event."""
    for item in answer.get("items", [answer]):
        if item.get("status", 400) >= 400:
            name = f"item {item['item']}: " if "item" in item else ""
            yield f"{name}{item.get('field', 'request')}: {item.get('detail', item)}"


def post(path, body, content_type):
    """Posts until the agent has it: a 202 says that it is on the agent's disk."""
    request = urllib.request.Request(AGENT + path, body, {"Content-Type": content_type})
    pause = 0.5
    while True:
        try:
            with DIRECT.open(request, timeout=30) as reply:
                answer = json.load(reply)
            waiting = [item for item in answer.get("items", []) if item["status"] >= 500]
            if not waiting:
                return answer
            why = waiting[0]["detail"]  # no room for some of a batch: what is in is not taken twice
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise Refused("\n".join(refusals(json.load(error)))) from None
            why = f"HTTP {error.code}"  # 507: the outbox is full until Kafka can be reached
        except (OSError, http.client.HTTPException, json.JSONDecodeError) as error:
            why = type(error).__name__  # the agent is starting, or went away before it answered
        print(f"not taken ({why}), again in {pause:.1f} s", file=sys.stderr)
        time.sleep(pause * random.uniform(0.5, 1))
        pause = min(pause * 2, 60)


def send(event):
    """Sends one event; gives its event_id and sequence, and whether the agent had it already."""
    if "idempotency_key" not in event:
        raise ValueError("without an idempotency_key a repeated request could count twice")
    return post("/v1/events", json.dumps(event).encode(), "application/json")


def send_batch(events):
    """Sends many events: what can be taken is, and `items` says what was refused, and why."""
    if not all("idempotency_key" in event for event in events):
        raise ValueError("without an idempotency_key a repeated request could count twice")
    body = "".join(json.dumps(event) + "\n" for event in events).encode()
    return post("/v1/events", body, "application/x-ndjson")


def fate(event_id):
    """How far an event has come."""
    with DIRECT.open(f"{AGENT}/v1/events/{event_id}", timeout=30) as answer:
        return json.load(answer)


def main(arguments):
    match arguments:
        case ["send"]:
            answer = send(json.load(sys.stdin))
        case ["batch"]:
            answer = send_batch([json.loads(line) for line in sys.stdin if line.strip()])
            for refusal in refusals(answer):
                print(refusal, file=sys.stderr)
        case ["fate", event_id]:
            answer = fate(event_id)
        case _:
            sys.exit(__doc__)
    print(json.dumps(answer))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (Refused, ValueError, urllib.error.HTTPError) as error:
        sys.exit(str(error))
