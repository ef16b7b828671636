// BullMQ. Arguments: Redis, receiver, jobs. SENDS_BY: fetch, as most would write it, or http, node's own, which is quicker.
import { createHmac, randomUUID } from "node:crypto";
import { Agent, request } from "node:http";
import { createRequire } from "node:module";

// Installed in a folder of its own.
const load = createRequire(`${process.env.BULLMQ}/`);
const { Queue, Worker } = load("bullmq");
const { Redis } = load("ioredis");

const [redis, receiver, jobs] = process.argv.slice(2);
const AT_ONCE = 100;
const SECRET = "a secret of the load tests, of 32";
const BODY =
  '{"type":"notification.created","timestamp":"2026-11-28T04:00:00.000000Z","data":{"id":"019ac7d2-0000-7000-8000-000000000000",' +
  `"title":"Your export is ready","body":"1,204 rows, 3 MB.","url":"/exports/17","data":{"export":17,"payload":"${"x".repeat(560)}"},` +
  '"category":null,"priority":"normal","collapse_key":null,"expires_at":null,"created_at":"2026-11-28T04:00:00.000000Z","recipients":1}}';

const connect = () => new Redis(redis, { maxRetriesPerRequest: null });
const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });

const signed = ({ identity, body }) => {
  const now = String(Math.floor(Date.now() / 1000));
  const signature = createHmac("sha256", SECRET).update(`${identity}.${now}.${body}`).digest("hex");
  return { "content-type": "application/json", "webhook-id": identity, "webhook-timestamp": now, "webhook-signature": signature };
};

const byFetch = async (job) => {
  const answer = await fetch(receiver, { method: "POST", headers: signed(job), body: job.body, signal: AbortSignal.timeout(15_000) });
  await answer.arrayBuffer();
  if (!answer.ok) throw new Error(String(answer.status));
};

const byHttp = (job) =>
  new Promise((resolve, reject) => {
    const headers = { ...signed(job), "content-length": Buffer.byteLength(job.body) };
    const sent = request(receiver, { method: "POST", agent, headers, timeout: 15_000 }, (answer) => {
      answer.resume();
      answer.on("end", () => (answer.statusCode < 300 ? resolve() : reject(new Error(String(answer.statusCode)))));
    });
    sent.on("error", reject);
    sent.end(job.body);
  });

const queue = new Queue("webhooks", { connection: connect() });
for (let written = 0; written < Number(jobs); written += 1000) {
  const data = Array.from({ length: 1000 }, () => ({ identity: randomUUID(), body: BODY }));
  await queue.addBulk(data.map((one) => ({ name: "webhook", data: one, opts: { removeOnComplete: true } })));
}
new Worker("webhooks", (job) => (process.env.SENDS_BY === "http" ? byHttp : byFetch)(job.data), { connection: connect(), concurrency: AT_ONCE });
