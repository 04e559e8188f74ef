// `fill URL COUNT` adds so many jobs of 1 KiB, `drain URL COUNT JOBS QUEUE` does them: so many at a time, with a local queue of
// that size, or without one. Prints the seconds on the wall and of CPU time from the start of the worker until no job is left.
import { createRequire } from "node:module";

const require = createRequire(process.cwd() + "/");
const { makeWorkerUtils, run } = require("graphile-worker");
const pg = require("pg");

const [how, url, count, jobs, queue] = process.argv.slice(1).map((word, at) => (at < 2 ? word : Number(word)));
const logger = { scope: () => logger, error() {}, warn() {}, info() {}, debug() {} };
const client = new pg.Client({ connectionString: url });

if (how === "fill") {
  const utils = await makeWorkerUtils({ connectionString: url });
  await utils.migrate();
  await client.connect();
  const add = `SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(
    SELECT json_populate_record(NULL::graphile_worker.job_spec, json_build_object('identifier', 'noop', 'payload', $1::json))
    FROM generate_series(1, $2::int)))`;
  const payload = JSON.stringify({ text: "x".repeat(1024 - 11) });
  for (let added = 0; added < count; added += 500) {
    await client.query(add, [payload, Math.min(500, count - added)]);
  }
  await utils.release();
  await client.end();
} else {
  await client.connect();
  let seen = 0;
  let heard;
  const all = new Promise((resolve) => (heard = resolve));
  const noop = async () => {
    seen += 1;
    if (seen === count) heard();
  };
  const worker = { connectionString: url, concurrentJobs: jobs };
  if (queue > 0) Object.assign(worker, { localQueue: { size: queue }, completeJobBatchDelay: 0, failJobBatchDelay: 0 });
  console.log("begin");
  const [began, cpu] = [process.hrtime.bigint(), process.cpuUsage()];
  const runner = await run({ preset: { worker }, taskList: { noop }, noHandleSignals: true });
  await all;
  const left = "SELECT EXISTS (SELECT 1 FROM graphile_worker._private_jobs) AS left";
  while ((await client.query(left)).rows[0].left) await new Promise((resolve) => setTimeout(resolve, 1));
  const wall = Number(process.hrtime.bigint() - began) / 1e9;
  const { user, system } = process.cpuUsage(cpu);
  console.log(`figure: ${wall} ${(user + system) / 1e6}`);
  await runner.stop();
  process.exit(0);
}
