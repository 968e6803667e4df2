#!/bin/sh
# Gives events to the kiosk agent with curl. Events come on standard input: a NIK in an argument
# could be read by every user of the machine.
#
#     agent.sh send    < event.json          one event, with an idempotency_key
#     agent.sh batch   < events.ndjson       one event a line, or a JSON array
#     agent.sh fate    EVENT_ID              how far it has come
#     agent.sh retract EVENT_ID REASON       it counts as never happened
#
# LAJU_AGENT is the agent's address, http://127.0.0.1:8470 by default.
set -eu
agent=${LAJU_AGENT:-http://127.0.0.1:8470}

# Asks the agent, with `body` on curl's standard input; sets `status` and `answer`. `printf` is the
# shell's own, so that the body is in no list of processes. A proxy would see the NIK.
ask() { # PATH CURL-OPTIONS...
  path=$1
  shift
  answer=$(printf '%s' "$body" |
    curl -sS --noproxy '*' --max-time 30 -w '\n%{http_code}' "$@" "$agent$path") || true
  status=${answer##*
}
  answer=${answer%
*}
}

# Posts `body` until the agent has it. What it refuses is refused for ever: that is not repeated.
post() { # PATH CONTENT-TYPE
  pause=1
  while :; do
    ask "$1" -H "Content-Type: $2" --data-binary @-
    # No room for some of a batch: what is in is not taken twice.
    case $answer in *'"status":5'*) status=507 ;; esac
    case $status in
      2??) printf '%s\n' "$answer"; return ;;
      000 | 5??) echo "not taken ($status), again in $pause s" >&2 ;;
      *) printf 'refused (%s): %s\n' "$status" "$answer" >&2; exit 1 ;;
    esac
    sleep "$pause"
    pause=$((pause < 30 ? pause * 2 : 60))
  done
}

body=
case ${1:-} in
  send)
    body=$(cat)
    case $body in
      *'"idempotency_key"'*) post /v1/events application/json ;;
      *) echo "without an idempotency_key a repeated request could count twice" >&2; exit 2 ;;
    esac ;;
  batch)
    body=$(cat)
    case $body in
      '['*) post /v1/events application/json ;;
      *) post /v1/events application/x-ndjson ;;
    esac ;;
  fate)
    ask "/v1/events/$2"
    printf '%s\n' "$answer"
    [ "$status" = 200 ] ;;
  retract)
    body="{\"reason\": \"$3\"}"
    post "/v1/events/$2/retract" application/json ;;
  *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
