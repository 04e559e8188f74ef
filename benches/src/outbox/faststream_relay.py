# Fills an outbox of faststream-outbox with so many texts of 1 KiB, and then relays them to a Redis stream by so many workers.
# Prints the seconds on the wall and of CPU time from the start of the relay to the last entry.
import asyncio
import os
import sys
import time
import uuid

import redis.asyncio as redis
from faststream.redis import RedisBroker
from faststream_outbox import OutboxBroker, make_outbox_table
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

postgres_url, redis_url, count, workers = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
TEXT = "x" * 1024


async def main():
    metadata = MetaData()
    table = make_outbox_table(metadata, table_name="bench_" + uuid.uuid4().hex)
    url = postgres_url.replace("postgres://", "postgresql+asyncpg://")
    engine = create_async_engine(url, pool_size=workers + 5)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    outbox = OutboxBroker(engine, outbox_table=table, logger=None)
    server = RedisBroker(redis_url, logger=None)
    stream = "bench-" + uuid.uuid4().hex

    @server.publisher(stream=stream)
    @outbox.subscriber("orders", max_workers=workers, fetch_batch_size=100, terminal_flush_batch_size=100)
    async def relay(body: str) -> str:
        return body

    sessions = async_sessionmaker(engine, expire_on_commit=False)
    for start in range(0, count, 100):
        async with sessions() as session, session.begin():
            texts = [TEXT] * min(100, count - start)
            await outbox.publish_batch(*texts, queue="orders", session=session)
    client = redis.from_url(redis_url)
    await server.connect()
    wall, cpu = time.monotonic(), time.process_time()
    await outbox.start()
    while await client.xlen(stream) < count:
        await asyncio.sleep(0.02)
    print(f"figure: {time.monotonic() - wall} {time.process_time() - cpu}", flush=True)
    os._exit(0)


asyncio.run(main())
