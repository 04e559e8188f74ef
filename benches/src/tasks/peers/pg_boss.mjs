// `fill URL COUNT` adds so many jobs of 1 KiB, `drain URL COUNT BATCH` does them: in batches of that size, or by default.
// Prints the seconds on the wall and of CPU time from the start of the worker until all are completed.
import { createRequire } from "node:module";

const require = createRequire(process.cwd() + "/");
const { PgBoss } = require("pg-boss");
const pg = require("pg");

const [how, url, count, batch] = process.argv.slice(1).map((word, at) => (at < 2 ? word : Number(word)));
const boss = new PgBoss({ connectionString: url, supervise: false, schedule: false });
boss.on("error", () => {});
await boss.start();

if (how === "fill") {
  await boss.createQueue("noop");
  const data = { text: "x".repeat(1024 - 11) };
  for (let added = 0; added < count; added += 500) {
    await boss.insert("noop", Array.from({ length: Math.min(500, count - added) }, () => ({ data })));
  }
  await boss.stop({ graceful: false });
  process.exit(0);
} else {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  let seen = 0;
  let heard;
  const all = new Promise((resolve) => (heard = resolve));
  console.log("begin");
  const [began, cpu] = [process.hrtime.bigint(), process.cpuUsage()];
  const options = batch > 0 ? { batchSize: batch, pollingIntervalSeconds: 0.5, localConcurrency: 16 } : {};
  await boss.work("noop", options, async (jobs) => {
    seen += jobs.length;
    if (seen >= count) heard();
  });
  await all;
  const left = "SELECT EXISTS (SELECT 1 FROM pgboss.job WHERE name = 'noop' AND state < 'completed') AS left";
  while ((await client.query(left)).rows[0].left) await new Promise((resolve) => setTimeout(resolve, 1));
  const wall = Number(process.hrtime.bigint() - began) / 1e9;
  const { user, system } = process.cpuUsage(cpu);
  console.log(`figure: ${wall} ${(user + system) / 1e6}`);
  process.exit(0);
}
