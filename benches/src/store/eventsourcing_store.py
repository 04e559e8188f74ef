"""eventsourcing (Python): the same events appended one by one and in hundreds, and all of them read in pages of 1,000.

Arguments: a path or a URL of PostgreSQL, how many one by one, how many in hundreds. Prints one line of JSON."""

import json
import sys
import time
import uuid
from urllib.parse import urlparse

from eventsourcing.persistence import StoredEvent

place, single, many = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if place.startswith("postgres"):
    from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

    url = urlparse(place)
    datastore = PostgresDatastore(
        dbname=url.path.lstrip("/"), host=url.hostname, port=str(url.port), user=url.username, password=url.password or ""
    )
    recorder = PostgresApplicationRecorder(datastore, events_table_name=f"bench_{uuid.uuid4().hex}")
else:
    from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

    recorder = SQLiteApplicationRecorder(SQLiteDatastore(place))
recorder.create_table()

state = json.dumps({"text": "x" * 1000}).encode()


def events(count, origin):
    return [
        StoredEvent(originator_id=origin, originator_version=version, topic="orders:Moved", state=state)
        for version in range(count)
    ]


def timed(work):
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return [time.perf_counter() - wall, time.process_time() - cpu]


def one_by_one():
    for _ in range(single):
        recorder.insert_events(events(1, uuid.uuid4()))


def in_hundreds():
    for _ in range(many // 100):
        recorder.insert_events(events(100, uuid.uuid4()))


def read():
    start, seen = 1, 0
    while page := list(recorder.select_notifications(start=start, limit=1000)):
        seen += len(page)
        start = page[-1].id + 1
    assert seen == single + many // 100 * 100, seen


print(json.dumps({"one": timed(one_by_one), "hundreds": timed(in_hundreds), "read": timed(read)}))
