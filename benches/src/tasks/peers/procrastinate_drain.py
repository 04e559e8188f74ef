# `fill URL COUNT` adds so many jobs of 1 KiB, `drain URL COUNT JOBS` does them: so many at a time.
# Prints the seconds on the wall and of CPU time from the start of the worker until all have succeeded.
import asyncio
import logging
import os
import sys
import time

import psycopg
from procrastinate import App, PsycopgConnector

how, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
logging.disable(logging.CRITICAL)
app = App(connector=PsycopgConnector(conninfo=url))
seen = 0
all_seen = None


@app.task(name="noop")
async def noop(text):
    global seen
    seen += 1
    if seen == count:
        all_seen.set()


async def fill():
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        text = "x" * (1024 - 11)
        for added in range(0, count, 500):
            await noop.batch_defer_async(*[{"text": text}] * min(500, count - added))


async def drain(jobs):
    global all_seen
    all_seen = asyncio.Event()
    watcher = await psycopg.AsyncConnection.connect(url, autocommit=True)
    left = "SELECT EXISTS (SELECT 1 FROM procrastinate_jobs WHERE status IN ('todo', 'doing'))"
    async with app.open_async():
        print("begin", flush=True)
        began = (time.monotonic(), time.process_time())
        running = asyncio.create_task(app.run_worker_async(concurrency=jobs, install_signal_handlers=False))
        await all_seen.wait()
        while (await (await watcher.execute(left)).fetchone())[0]:
            await asyncio.sleep(0.001)
        wall, cpu = time.monotonic() - began[0], time.process_time() - began[1]
        print(f"figure: {wall} {cpu}", flush=True)
        del running
        os._exit(0)


asyncio.run(fill() if how == "fill" else drain(int(sys.argv[4])))
