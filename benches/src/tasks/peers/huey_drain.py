# `fill FILE COUNT` adds so many tasks of 1 KiB, `drain FILE COUNT THREADS` does them. Huey forgets a task when it is taken.
# Prints the seconds on the wall and of CPU time from the start of the consumer to the last task.
import logging
import os
import sys
import time

from huey import SqliteHuey

how, file, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
huey = SqliteHuey("bench", filename=file, fsync=False, journal_mode="wal")
logging.disable(logging.CRITICAL)
seen = 0
began = (0.0, 0.0)


@huey.task()
def noop(text):
    global seen
    seen += 1
    if seen == count:
        wall, cpu = time.monotonic() - began[0], time.process_time() - began[1]
        print(f"figure: {wall} {cpu}", flush=True)
        os._exit(0)


if how == "fill":
    for _ in range(count):
        noop("x" * (1024 - 11))
else:
    consumer = huey.create_consumer(workers=int(sys.argv[4]), worker_type="thread", periodic=False)
    print("begin", flush=True)
    began = (time.monotonic(), time.process_time())
    consumer.run()
