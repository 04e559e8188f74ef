# Publishes so many tasks of 1 KiB, and then drains them in this process: one after the other in the pool `solo`, or by threads.
# Prints the seconds on the wall and of CPU time from the first to the last.
import os
import sys
import time
import uuid

from celery import Celery

url, count, concurrency = sys.argv[1], int(sys.argv[2]), sys.argv[3]
app = Celery("bench", broker=url)
queue = "bench-" + uuid.uuid4().hex
app.conf.update(
    task_default_queue=queue,
    task_ignore_result=True,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    broker_connection_retry_on_startup=True,
)
seen = 0
began = (0.0, 0.0)


@app.task(name="noop")
def noop(text):
    global seen, began
    seen += 1
    if seen == 1:
        began = (time.monotonic(), time.process_time())
    if seen == count:
        wall, cpu = time.monotonic() - began[0], time.process_time() - began[1]
        print(f"figure: {wall} {cpu}", flush=True)
        os._exit(0)


text = "x" * (1024 - 11)
with app.producer_pool.acquire(block=True) as producer:
    for _ in range(count):
        noop.apply_async((text,), producer=producer)
quiet = ["--loglevel=ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat"]
app.worker_main(["worker", "--pool=" + ("solo" if concurrency == "1" else "threads"), "--concurrency=" + concurrency, "-Q", queue, *quiet])
