// Adds so many jobs of 1 KiB, and then drains them in this process, so many at a time.
// Prints the seconds on the wall and of CPU time from the start of the worker to the last job.
const { randomUUID } = require("node:crypto");
const { Queue, Worker } = require("bullmq");

const [url, count, concurrency] = [process.argv[1], Number(process.argv[2]), Number(process.argv[3])];
const { hostname: host, port } = new URL(url);
const connection = { host, port: Number(port), maxRetriesPerRequest: null };
const name = "bench-" + randomUUID();

(async () => {
  const queue = new Queue(name, { connection });
  const data = { text: "x".repeat(1024 - 11) };
  for (let added = 0; added < count; added += 100) {
    await queue.addBulk(Array.from({ length: Math.min(100, count - added) }, () => ({ name: "noop", data })));
  }
  let seen = 0;
  const [began, cpu] = [process.hrtime.bigint(), process.cpuUsage()];
  const options = { connection, concurrency, removeOnComplete: { count: 0 } };
  const worker = new Worker(name, async () => {}, options);
  worker.on("completed", () => {
    seen += 1;
    if (seen === count) {
      const wall = Number(process.hrtime.bigint() - began) / 1e9;
      const { user, system } = process.cpuUsage(cpu);
      console.log(`figure: ${wall} ${(user + system) / 1e6}`);
      process.exit(0);
    }
  });
})();
