/**
 * BullMQ as its documentation has it: `queue.add`, `job.waitUntilFinished` with QueueEvents, and a Worker.
 * `node scripts/bench/bullmq.ts front|back`, with REDIS_URL.
 */
import { Queue, QueueEvents, Worker } from "bullmq";
import { serveFront } from "./front.ts";
import { work } from "./work.ts";

const { hostname: host, port } = new URL(process.env.REDIS_URL!);
const connection = { host, port: Number(port), maxRetriesPerRequest: null };
/** How long a caller waits for the end of its job, in milliseconds; without a limit a lost event hangs it for ever. */
const WAIT_MS = 10_000;

if (process.argv[2] === "back") {
  const worker = new Worker<{ body: string }, string>("bench", (job) => work(job.data.body), {
    connection,
    concurrency: 256,
  });
  await worker.waitUntilReady();
  console.log("ready");
} else {
  const queue = new Queue("bench", { connection });
  const events = new QueueEvents("bench", { connection });
  await events.waitUntilReady();
  const options = { removeOnComplete: { age: 60, count: 10_000 }, removeOnFail: true };
  serveFront(async (body) => {
    const job = await queue.add("job", { body }, options);
    return await job.waitUntilFinished(events, WAIT_MS) as string;
  });
}
