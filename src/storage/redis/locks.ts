/**
 * Locks on Redis.
 *
 * A lock, its queue and its fence are changed by one script each time; see `scripts/lock_library.ts` for how they are
 * kept, and `lock_waits.ts` for how those who wait are woken. Leases run by Redis's clock.
 */
import type { Clock } from "../../lib/clock.ts";
import { Deadline } from "../../lib/deadline.ts";
import { pause } from "../../lib/delay.ts";
import { UnavailableError } from "../../lib/errors.ts";
import { LOCK_CROWD, lockCrowded, SHOWN_WAITERS } from "../../locks/lock_rules.ts";
import type { Grant, LockRequest, LockState, LockStore } from "../../locks/lock_store.ts";
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import { lockIndex, lockKeys, lockWakes } from "./lock_keys.ts";
import { lockStateOf } from "./lock_state.ts";
import { LockWait, LockWaits, WAKES_TTL_MS } from "./lock_waits.ts";
import { resend } from "./resend.ts";
import { enterLock, type EnterReply, queueMember } from "./scripts/enter_lock.ts";
import { inspectLock } from "./scripts/inspect_lock.ts";
import { leaveLock } from "./scripts/leave_lock.ts";
import type { LockKeys } from "./scripts/lock_library.ts";
import { renewLock } from "./scripts/renew_lock.ts";
import type { StreamReader } from "./streams/stream_reader.ts";

/** Pause between tries of a waiter while Redis is away, in milliseconds. */
const REST_MS = 250;
/** How long a lock whose grant had no answer is tried to be released, in milliseconds. */
const GIVE_BACK_MS = 30_000;

/** What the locks are made of. */
export interface RedisLocksOptions {
  /** Names of all keys under the prefix of this deployment. */
  readonly keys: Keys;
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** The store's clock. */
  readonly clock: Clock;
  /** Reads the streams by which waiters are woken. */
  readonly reader: StreamReader;
  /** Name of this instance. */
  readonly instance: string;
  /** Called with errors in the background. */
  readonly onError: (error: unknown) => void;
}

/** A request with what the scripts need of it. */
interface Asked extends LockRequest {
  readonly token: string;
  readonly instance: string;
}

/** {@linkcode LockStore} on Redis. */
export class RedisLocks implements LockStore {
  readonly #options: RedisLocksOptions;
  readonly #instance: string;
  readonly #waits: LockWaits;
  readonly #listeners: ((token: string) => void)[] = [];
  readonly #closed = new AbortController();

  constructor(options: RedisLocksOptions) {
    this.#options = options;
    this.#instance = encodeURIComponent(options.instance);
    this.#waits = new LockWaits({
      ...options,
      instance: this.#instance,
      onLost: (token) => this.#listeners.forEach((listener) => listener(token)),
    });
  }

  async acquire(request: LockRequest, { signal }: { signal?: AbortSignal } = {}): Promise<Grant | undefined> {
    signal?.throwIfAborted();
    const asked: Asked = { ...request, token: crypto.randomUUID(), instance: this.#instance };
    this.#waits.listen(this.#options.keys.partitionOf(request.name));
    try {
      if (request.steal !== true && request.waitMs > 0) return await this.#waitFor(asked, signal);
      const askedAt = performance.now();
      const reply = await this.#enter(asked, request.steal ? "steal" : "try");
      return reply[0] === "granted" ? grantOf(asked, reply, askedAt) : undefined;
    } catch (error) {
      // Without an answer it may have been granted, and would not be released.
      if (error instanceof UnavailableError) void this.#giveBack(asked).catch(this.#options.onError);
      throw error;
    }
  }

  async renew(name: string, { token, ttlMs }: { token: string; ttlMs: number }): Promise<Grant | undefined> {
    const { commands } = this.#options;
    const askedAt = performance.now();
    const [fence, expiresAt] = await resend(
      commands,
      () => renewLock(commands, { ...this.#place(name), name, token, ttlMs }),
    );
    return fence === undefined ? undefined : { token, fence: Number(fence), expiresAt: Number(expiresAt), askedAt };
  }

  release(name: string, token: string): Promise<boolean> {
    return this.#leave(name, { token, member: "" });
  }

  async inspect(name: string): Promise<LockState> {
    const { commands } = this.#options;
    return lockStateOf(name, await inspectLock(commands, { ...this.#place(name), shownWaiters: SHOWN_WAITERS }));
  }

  async list({ limit }: { limit: number }): Promise<LockState[]> {
    const { keys, commands, clock } = this.#options;
    const found = await Promise.all(
      keys.each((partition) => lockIndex(keys, partition)).map((index) =>
        commands.send<string[]>(["ZRANGEBYSCORE", index, String(clock.now()), "+inf", "LIMIT", "0", String(limit)])
      ),
    );
    const names = found.flat().sort().slice(0, limit);
    const states = await Promise.all(names.map((name) => this.inspect(name)));
    return states.filter(({ holders, waiting }) => holders.length > 0 || waiting > 0);
  }

  onLost(listener: (token: string) => void): void {
    this.#listeners.push(listener);
  }

  /** Ends all waits; what is held lapses. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#waits.close();
  }

  async #waitFor(asked: Asked, signal: AbortSignal | undefined): Promise<Grant | undefined> {
    const { name, token, ttlMs, waitMs } = asked;
    const member = queueMember(asked);
    const partition = this.#options.keys.partitionOf(name);
    const wait = new LockWait({ name, member });
    using _ = this.#waits.add(token, wait);
    const onAbort = () => wait.wake("aborted");
    const deadline = waitMs === Infinity ? undefined : new Deadline(waitMs, () => wait.wake("over"));
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      for (let ticket = "";;) {
        const askedAt = performance.now();
        const reply = await this.#enter(asked, "wait", ticket).catch((error) => this.#restIfAway(error, ticket));
        if (reply?.[0] === "granted" && ticket === "") return grantOf(asked, reply, askedAt);
        if (reply?.[0] === "granted") wait.wake("granted");
        if (reply?.[0] === "queued") {
          ticket = reply[1];
          if (reply[2] >= 0) this.#waits.lookIn(partition, reply[2] + 1);
        }
        const why = reply === undefined ? wait.ended : await wait.next();
        if (why === "granted") {
          // Takes up a grant that a release made; asks again when it has lapsed in the meantime.
          const grant = await this.renew(name, { token, ttlMs }).catch((error) => this.#restIfAway(error, ticket));
          if (grant !== undefined) return grant;
        }
        if (why === "over" || why === "aborted") {
          await this.#leave(name, { token, member });
          if (this.#closed.signal.aborted) throw new UnavailableError("The store was closed");
          signal?.throwIfAborted();
          return undefined;
        }
      }
    } finally {
      deadline?.leave();
      signal?.removeEventListener("abort", onAbort);
    }
  }

  async #enter(asked: Asked, how: "try" | "wait" | "steal", ticket = ""): Promise<EnterReply> {
    const { keys, commands } = this.#options;
    const { keys: lock, base } = this.#place(asked.name);
    const wakes = lockWakes(keys, keys.partitionOf(asked.name), asked.instance);
    const crowd = LOCK_CROWD;
    const options = { ...asked, keys: { ...lock, wakes }, base, how, ticket, crowd, wakesTtlMs: WAKES_TTL_MS };
    const reply = await resend(commands, () => enterLock(commands, options));
    if (reply[0] === "full") throw lockCrowded(asked.name);
    return reply;
  }

  async #leave(name: string, { token, member }: { token: string; member: string }): Promise<boolean> {
    const { commands } = this.#options;
    let sent = 0;
    const left = await resend(commands, () => {
      sent++;
      return leaveLock(commands, { ...this.#place(name), name, token, member });
    });
    // The second sending says of what the first has released that it was no holder's.
    return left === 1 || sent > 1;
  }

  /** A waiter with a place in the queue survives an outage: it pauses and tries again. */
  async #restIfAway(error: unknown, ticket: string): Promise<undefined> {
    if (!(error instanceof UnavailableError) || ticket === "") throw error;
    await pause(REST_MS, this.#closed.signal);
  }

  /** Releases a lock that may have been granted, as soon as Redis answers. */
  async #giveBack(asked: Asked): Promise<void> {
    const { signal } = this.#closed;
    const until = performance.now() + Math.min(asked.ttlMs, GIVE_BACK_MS);
    while (!signal.aborted && performance.now() < until) {
      try {
        await this.#leave(asked.name, { token: asked.token, member: queueMember(asked) });
        return;
      } catch (error) {
        if (!(error instanceof UnavailableError)) throw error;
        await pause(REST_MS, signal);
      }
    }
  }

  #place(name: string): { keys: LockKeys; base: string } {
    const { keys } = this.#options;
    return { keys: lockKeys(keys, name), base: keys.base(keys.partitionOf(name)) };
  }
}

function grantOf(
  { token }: Asked,
  [, fence, expiresAt]: readonly [string, string, string],
  askedAt: number,
): Grant {
  return { token, fence: Number(fence), expiresAt: Number(expiresAt), askedAt };
}
