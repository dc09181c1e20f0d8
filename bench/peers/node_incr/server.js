// Count likes with INCR in Redis: Fastify and ioredis. Actors are unknown, and nothing is durable.
import Fastify from "fastify";
import { Cluster } from "ioredis";

// Commands of the same turn of the event loop travel together, if `--autopipelining` is given.
const enableAutoPipelining = process.argv.includes("--autopipelining");
const redis = new Cluster([process.env.BENCH_REDIS_URL], { enableAutoPipelining });
// Fastify does not log by default. With a schema it writes the answer without JSON.stringify.
const app = Fastify();
const answer = { type: "object", properties: { post: { type: "string" }, count: { type: "integer" } } };

app.put("/posts/:post/like", { schema: { response: { 200: answer } } }, async (request) => {
  const { post } = request.params;
  return { post, count: await redis.incr(`likes:${post}`) };
});

const [host, port] = process.argv[2].split(":");
await app.listen({ host, port: Number(port) });
