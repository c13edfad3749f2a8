/**
 * The known bugs that `plant.ts` can switch on: what each breaks, the shortest way to make it show, and the test files
 * that should see it too.
 */
import type { FaultName } from "./faults.ts";
import { SHORT_WAY_PLANTS } from "./short_way_plants.ts";
import type { SceneName } from "./scenes/scenes.ts";

/** A known bug. A directed scenario is better than luck. */
export interface Plant {
  readonly breaks: string;
  readonly only: readonly (FaultName | SceneName)[];
  /** As many as `only` has by default. */
  readonly rounds?: number;
  /** None by default: scenes need no load. */
  readonly callers?: number;
  readonly kinds?: readonly string[];
  readonly partitions?: number;
  readonly leaseSeconds?: number;
  /** How far the clock of the first worker is ahead. */
  readonly clock?: { readonly skewMs: number; readonly stepMs: number };
  /** Parts of the paths of the test files that are run with it. */
  readonly tests: readonly string[];
}

const LOAD = { callers: 24 };
const QUICK_LEASE = { leaseSeconds: 2 };

const ALL = {
  ...SHORT_WAY_PLANTS,
  "ack-early": {
    breaks: "work is acknowledged when it is taken, not when it has ended",
    // What the stopped worker held is on no stream any more.
    only: ["kill-worker"],
    ...LOAD,
    kinds: ["delay", "steps"],
    tests: ["storage/execution_log", "storage/dead_letters"],
  },
  "no-fence": {
    breaks: "an append is accepted whatever its epoch and sequence",
    // A worker comes back in the middle of calls that its successor makes again.
    only: ["down-worker"],
    ...LOAD,
    kinds: ["slow"],
    tests: ["storage/timers", "storage/execution_log"],
  },
  "no-epoch": {
    breaks: "an append is accepted whatever its epoch",
    only: ["scene-comeback"],
    ...QUICK_LEASE,
    tests: ["storage/timers", "storage/requeue"],
  },
  "same-epoch": {
    breaks: "a claim after a takeover has the epoch of the one before",
    only: ["scene-stall"],
    ...QUICK_LEASE,
    tests: ["storage/execution_log", "storage/dead_letters"],
  },
  "dollar-cursor": {
    breaks: "the inbox is read from $, so what comes between two reads is missed",
    // Replies come faster than the inbox is read.
    only: ["calm"],
    callers: 48,
    kinds: ["pure"],
    tests: ["storage/redis/inbox", "storage/redis/streams/stream_reader"],
  },
  "plain-trim": {
    breaks: "the feed is trimmed by a plain length, pending entries and all",
    // The feed holds more than its length for longer than the assembler takes to read it.
    only: ["calm"],
    callers: 48,
    kinds: ["pure", "delay"],
    tests: ["storage/projections", "storage/redis/feed"],
  },
  "no-pel-drain": {
    breaks: "what was handed to a dead connection is not read again",
    // The reply that is under way to a worker is lost with its link; the lease is longer than the bound.
    only: ["cut-worker"],
    rounds: 6,
    ...LOAD,
    kinds: ["pure"],
    leaseSeconds: 30,
    tests: ["storage/redis/feed", "storage/execution_log"],
  },
  "no-second-look": {
    breaks: "after a new link, what the old one is handed until its block ends is not looked for",
    only: ["scene-orphan"],
    leaseSeconds: 30,
    tests: ["storage/redis/feed"],
  },
  "log-for-ever": {
    breaks: "a log has no time to live",
    only: ["scene-one-key"],
    tests: ["storage/execution_log"],
  },
  "meta-for-ever": {
    breaks: "what is known of an execution besides its log has no time to live",
    only: ["scene-one-key"],
    tests: ["storage/execution_log"],
  },
  "result-for-ever": {
    breaks: "a result has no time to live",
    only: ["scene-one-key"],
    tests: ["storage/execution_log"],
  },
  "key-for-ever": {
    breaks: "an idempotency key has no time to live",
    only: ["scene-one-key"],
    tests: ["storage/idempotency"],
  },
  "inbox-for-ever": {
    breaks: "an inbox has no time to live",
    only: ["scene-one-key"],
    tests: ["storage/redis/inbox"],
  },
  "key-not-kept": {
    breaks: "an idempotency key is not written down",
    only: ["scene-one-key"],
    tests: ["storage/idempotency"],
  },
  "call-before-start": {
    breaks: "a node with side effects begins before its start is in the log",
    only: ["calm"],
    ...LOAD,
    kinds: ["call", "chain"],
    tests: ["engine/journal", "engine/worker"],
  },
  "hasty-takeover": {
    breaks: "a lease counts as lapsed after a fifth of its time",
    only: ["scene-hold"],
    tests: ["storage/execution_log", "storage/dead_letters", "storage/redis/"],
  },
  "stealing-renewal": {
    breaks: "a lease is renewed whoever has it",
    only: ["scene-stall"],
    ...QUICK_LEASE,
    tests: ["storage/execution_log", "storage/dead_letters", "storage/redis/"],
  },
  "no-renewal": {
    breaks: "no lease is renewed",
    only: ["scene-hold"],
    ...QUICK_LEASE,
    tests: ["storage/execution_log", "storage/dead_letters", "engine/worker"],
  },
  "timer-kept": {
    breaks: "a timer that was due is not removed",
    only: ["scene-park"],
    tests: ["storage/timers", "storage/pause"],
  },
  "timer-of-cancelled": {
    breaks: "what is cancelled while it waits keeps its timer",
    only: ["scene-cancel-parked"],
    tests: ["storage/timers", "storage/pause"],
  },
  "no-parked-deadline": {
    breaks: "what waits is not woken at its deadline",
    only: ["scene-deadline"],
    tests: ["storage/timers"],
  },
  "slot-kept": {
    breaks: "the slot of what has ended is not freed",
    only: ["scene-slots"],
    tests: ["storage/admission"],
  },
  "no-queue-limit": {
    breaks: "requests are accepted however many are queued",
    only: ["scene-full-queue"],
    tests: ["storage/execution_log", "storage/admission"],
  },
  "request-twice": {
    breaks: "a request that is sent twice is appended twice",
    only: ["scene-lost-replies"],
    rounds: 3,
    tests: ["storage/execution_log"],
  },
  "no-lookup": {
    breaks: "after an inbox was lost, the results that its callers wait for are not looked up",
    only: ["scene-lost-inbox"],
    tests: ["storage/redis/inbox"],
  },
  "requeue-forgets-reply": {
    breaks: "what goes back on the work stream forgets who waits for its answer",
    only: ["scene-park"],
    tests: ["storage/timers", "storage/requeue"],
  },
  "early-reply-lost": {
    breaks: "an early answer is not kept for those who ask again",
    only: ["scene-early"],
    tests: ["storage/idempotency", "http/protocol/idempotency"],
  },
  "deliveries-uncounted": {
    breaks: "claims that end without a word are not counted",
    only: ["scene-poison"],
    ...QUICK_LEASE,
    tests: ["storage/dead_letters"],
  },
  "deliveries-kept": {
    breaks: "progress does not reset the count of claims that ended without a word",
    only: ["scene-progress"],
    ...QUICK_LEASE,
    tests: ["storage/dead_letters"],
  },
  "cancel-unheard": {
    breaks: "a worker does not hear that an execution is no longer its own",
    only: ["scene-cancel"],
    tests: ["engine/worker", "storage/execution_log"],
  },
  "pause-forgotten": {
    breaks: "a takeover forgets that an execution is paused",
    only: ["scene-pause"],
    ...QUICK_LEASE,
    tests: ["storage/pause", "storage/requeue"],
  },
  "attempts-forgotten": {
    breaks: "a retry that waited outside its worker counts as the first",
    only: ["scene-retry"],
    tests: ["engine/worker"],
  },
  "feed-ack-early": {
    breaks: "entries of the feed are acknowledged when they are taken, not when they are applied",
    only: ["cut-worker", "kill-worker", "cut-all", "cut-worker", "cut-all"],
    callers: 48,
    kinds: ["pure", "delay"],
    tests: ["storage/redis/feed", "storage/projections"],
  },
  "local-timers": {
    breaks: "timers go by the clock of the worker that looks",
    only: ["scene-park"],
    clock: { skewMs: 20_000, stepMs: 20_000 },
    tests: ["storage/timers"],
  },
} as const satisfies Record<string, Plant>;

/** The name of a plant. */
export type PlantName = keyof typeof ALL;

/** Every plant. */
export const PLANTS: Readonly<Record<PlantName, Plant>> = ALL;

/** All names. */
export const PLANT_NAMES = Object.keys(PLANTS) as PlantName[];
