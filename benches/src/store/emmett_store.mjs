// emmett (TypeScript): the same events appended one by one and in hundreds, and all of them read by its consumer.
//
// Arguments: the folder that has it, a URL of PostgreSQL, how many one by one, how many in hundreds. Prints one line of JSON.

import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, url, single, many] = process.argv.slice(1);
const require = createRequire(join(folder, "package.json"));
const { getPostgreSQLEventStore } = require("@event-driven-io/emmett-postgresql");

const store = getPostgreSQLEventStore(url);
await store.schema.migrate();
await store.schema.dangerous.truncate({ resetSequences: true });

const events = (count) =>
  Array.from({ length: count }, () => ({ type: "Moved", data: { order: 7, text: "x".repeat(1000) } }));

async function timed(work) {
  const [wall, cpu] = [process.hrtime.bigint(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return [Number(process.hrtime.bigint() - wall) / 1e9, (user + system) / 1e6];
}

const one = await timed(async () => {
  for (let at = 0; at < single; at++) await store.appendToStream(`order-${randomUUID()}`, events(1));
});
const hundreds = await timed(async () => {
  for (let at = 0; at < many; at += 100) await store.appendToStream(`order-${randomUUID()}`, events(100));
});
const read = await timed(async () => {
  let seen = 0;
  const all = Number(single) + Number(many);
  const consumer = store.consumer({ pulling: { batchSize: 1000 } });
  consumer.reactor({
    processorId: randomUUID(),
    startFrom: "BEGINNING",
    eachMessage: () => void seen++,
    stopAfter: () => seen >= all,
  });
  await consumer.start();
  if (seen !== all) throw new Error(`${seen} were read of ${all}`);
  await consumer.close();
});
await store.close();
console.log(JSON.stringify({ one, hundreds, read }));
