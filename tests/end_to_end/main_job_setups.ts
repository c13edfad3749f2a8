/**
 * The ways in which the main job is run.
 */
import { redisVariants, removeKeys, uniquePrefix } from "../support/redis.ts";
import { type Instance, type Runtime, RUNTIMES, startInstance } from "./instance.ts";

/** A way to run it. */
export interface Setup {
  readonly name: string;
  start(): Promise<Instance[]>;
  clean(): Promise<void>;
}

/** One process each, in memory, on every runtime. */
export const embedded = (Object.keys(RUNTIMES) as Runtime[]).map((runtime): Setup => ({
  name: `the memory driver under ${runtime}`,
  start: async () => [await startInstance({ WORKFLOWS_DIR: "examples" }, runtime)],
  clean: () => Promise.resolve(),
}));

const { url } = redisVariants()[0]!;
const prefix = uniquePrefix();
const env = { REDIS_URL: url, REDIS_PREFIX: prefix };
/** Two processes on one Redis. */
export const distributed: Setup = {
  name: "Redis, front and worker in two processes",
  start: () =>
    Promise.all([
      startInstance({ ...env, ROLES: "http", WORKFLOWS_DIR: "examples" }),
      startInstance({ ...env, ROLES: "worker,assembler,scheduler" }),
    ]),
  clean: async () => {
    await removeKeys(url, prefix);
  },
};
