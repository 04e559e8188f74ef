# `fill URL COUNT` adds so many jobs of 1 KiB, `drain URL COUNT BATCH` does them: in batches of that size, or by default.
# Prints the seconds on the wall and of CPU time from the start of the worker until no job is left.
import asyncio
import logging
import os
import sys
import time

import asyncpg
import uvloop
from pgqueuer import PgQueuer, Queries
from pgqueuer.db import AsyncpgDriver

how, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
logging.disable(logging.CRITICAL)


async def fill():
    connection = await asyncpg.connect(url)
    queries = Queries(AsyncpgDriver(connection))
    await queries.install()
    payload = b"x" * 1024
    for added in range(0, count, 500):
        size = min(500, count - added)
        await queries.enqueue(["noop"] * size, [payload] * size, [0] * size)
    await connection.close()


async def drain(batch):
    connection = await asyncpg.connect(url)
    watcher = await asyncpg.connect(url)
    queuer = PgQueuer(AsyncpgDriver(connection))
    seen = 0
    all_seen = asyncio.Event()

    @queuer.entrypoint("noop")
    async def noop(job):
        nonlocal seen
        seen += 1
        if seen == count:
            all_seen.set()

    print("begin", flush=True)
    began = (time.monotonic(), time.process_time())
    running = asyncio.create_task(queuer.run(**({"batch_size": batch} if batch else {})))
    await all_seen.wait()
    while await watcher.fetchval("SELECT EXISTS (SELECT 1 FROM pgqueuer)"):
        await asyncio.sleep(0.001)
    wall, cpu = time.monotonic() - began[0], time.process_time() - began[1]
    print(f"figure: {wall} {cpu}", flush=True)
    del running
    os._exit(0)


uvloop.run(fill() if how == "fill" else drain(int(sys.argv[4])))
