"""Runs SQL in DuckDB: a JSON list of statements on standard input, for each its rows as JSON lists
on standard output. Dates are text, decimals numbers."""

import datetime
import decimal
import json
import sys

import duckdb


def plain(value):
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return float(value) if value % 1 else int(value)
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


connection = duckdb.connect()
answers = []
for statement in json.load(sys.stdin):
    rows = connection.execute(statement).fetchall()
    answers.append([[plain(value) for value in row] for row in rows])
json.dump(answers, sys.stdout)
