/**
 * Locks in memory: those of one process.
 */
import { processClock } from "../../lib/clock.ts";
import { Deadline } from "../../lib/deadline.ts";
import { MillraceError, UnavailableError } from "../../lib/errors.ts";
import { LOCK_CROWD, lockCrowded, SHOWN_WAITERS } from "../../locks/lock_rules.ts";
import type { Grant, LockMode, LockRequest, LockState, LockStore } from "../../locks/lock_store.ts";
import { Timers } from "./timers.ts";

/** How many locks may be held at once. */
const MAX_LOCKS = 100_000;

interface Holder extends Grant {
  readonly owner: string;
  readonly mode: LockMode;
}

interface Waiter {
  readonly request: LockRequest;
  /** Hears of the grant, or that there will be none. */
  settle(grant: Grant | undefined): void;
}

interface Entry {
  readonly holders: Map<string, Holder>;
  /** In the order of arrival. */
  readonly queue: Set<Waiter>;
}

/** {@linkcode LockStore} in memory. */
export class MemoryLocks implements LockStore {
  readonly #entries = new Map<string, Entry>();
  readonly #timers = new Timers();
  readonly #listeners: ((token: string) => void)[] = [];
  #lastFence = 0;
  #isClosed = false;

  // It is `async`, so that a refusal is a rejection; nothing is awaited before the lock is asked for.
  async acquire(request: LockRequest, { signal }: { signal?: AbortSignal } = {}): Promise<Grant | undefined> {
    signal?.throwIfAborted();
    const { name, mode, steal = false, waitMs } = request;
    const entry = this.#entry(name);
    if (steal) this.#rob(entry);
    if (mode === "shared" && entry.holders.size >= LOCK_CROWD) throw lockCrowded(name);
    if (steal || (entry.queue.size === 0 && isFree(entry, mode))) {
      const grant = this.#grant(entry, request);
      this.#settle(name, entry);
      return grant;
    }
    if (waitMs <= 0) return undefined;
    if (entry.queue.size >= LOCK_CROWD) throw lockCrowded(name);
    const grant = await this.#wait(entry, request, signal);
    if (this.#isClosed) throw new UnavailableError("The store was closed");
    if (grant === undefined) signal?.throwIfAborted();
    return grant;
  }

  renew(name: string, { token, ttlMs }: { token: string; ttlMs: number }): Promise<Grant | undefined> {
    const entry = this.#find(name);
    const holder = entry?.holders.get(token);
    if (entry === undefined || holder === undefined) return Promise.resolve(undefined);
    const grant = { ...grantFor(token, ttlMs), fence: holder.fence };
    entry.holders.set(token, { ...holder, ...grant });
    this.#settle(name, entry);
    return Promise.resolve(grant);
  }

  release(name: string, token: string): Promise<boolean> {
    const entry = this.#find(name);
    const held = entry?.holders.delete(token) ?? false;
    if (entry !== undefined) this.#settle(name, entry);
    return Promise.resolve(held);
  }

  inspect(name: string): Promise<LockState> {
    return Promise.resolve(this.#stateOf(name));
  }

  list({ limit }: { limit: number }): Promise<LockState[]> {
    const states = [...this.#entries.keys()].sort().map((name) => this.#stateOf(name));
    return Promise.resolve(states.filter(({ holders, waiting }) => holders.length + waiting > 0).slice(0, limit));
  }

  onLost(listener: (token: string) => void): void {
    this.#listeners.push(listener);
  }

  /** Ends all waits; nothing lapses any more. */
  close(): void {
    this.#isClosed = true;
    this.#timers.close();
    for (const { queue } of this.#entries.values()) for (const waiter of queue) waiter.settle(undefined);
    this.#entries.clear();
  }

  #wait(entry: Entry, request: LockRequest, signal: AbortSignal | undefined): Promise<Grant | undefined> {
    return new Promise((resolve) => {
      const giveUp = () => {
        // Waiters behind it may be able to share the lock now.
        waiter.settle(undefined);
        this.#settle(request.name, entry);
      };
      const deadline = request.waitMs === Infinity ? undefined : new Deadline(request.waitMs, giveUp);
      const waiter: Waiter = {
        request,
        settle: (grant) => {
          entry.queue.delete(waiter);
          deadline?.leave();
          signal?.removeEventListener("abort", giveUp);
          resolve(grant);
        },
      };
      signal?.addEventListener("abort", giveUp, { once: true });
      entry.queue.add(waiter);
    });
  }

  #grant(entry: Entry, { owner, mode, ttlMs }: LockRequest): Grant {
    this.#lastFence = Math.max(this.#lastFence + 1, Math.floor(1000 * (performance.timeOrigin + performance.now())));
    const token = crypto.randomUUID();
    const grant = { ...grantFor(token, ttlMs), fence: this.#lastFence };
    entry.holders.set(token, { ...grant, owner, mode });
    return grant;
  }

  /** Takes the lock from all its holders. */
  #rob({ holders }: Entry): void {
    for (const token of holders.keys()) this.#listeners.forEach((listener) => listener(token));
    holders.clear();
  }

  /** Hands the lock to those whose turn it is, and looks again when the first lease ends. */
  #settle(name: string, entry: Entry): void {
    for (const waiter of entry.queue) {
      if (!isFree(entry, waiter.request.mode)) break;
      waiter.settle(this.#grant(entry, waiter.request));
    }
    if (entry.holders.size === 0) {
      this.#timers.clear(name);
      if (entry.queue.size === 0) this.#entries.delete(name);
      return;
    }
    let at = Infinity;
    for (const { expiresAt } of entry.holders.values()) at = Math.min(at, expiresAt);
    this.#timers.set(name, { at, work: () => void this.#find(name) });
  }

  /** A lock that is held or waited for, without what has lapsed. */
  #find(name: string): Entry | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    const now = processClock.now();
    let hasLapsed = false;
    for (const [token, { expiresAt }] of entry.holders) {
      if (expiresAt <= now) hasLapsed = entry.holders.delete(token) || hasLapsed;
    }
    if (hasLapsed) this.#settle(name, entry);
    return this.#entries.get(name);
  }

  #entry(name: string): Entry {
    const found = this.#find(name);
    if (found !== undefined) return found;
    if (this.#entries.size >= MAX_LOCKS) {
      throw new MillraceError("storage_full", `${MAX_LOCKS} locks are held already`, {
        headers: { "retry-after": "1" },
      });
    }
    const entry: Entry = { holders: new Map(), queue: new Set() };
    this.#entries.set(name, entry);
    return entry;
  }

  #stateOf(name: string): LockState {
    const entry = this.#find(name);
    const now = processClock.now();
    const holders = [...entry?.holders.values() ?? []].map(({ owner, mode, fence, expiresAt }) => ({
      owner,
      mode,
      fence,
      expiresAt,
      remainingMs: expiresAt - now,
    }));
    const queue = [...entry?.queue ?? []];
    const waiters = queue.slice(0, SHOWN_WAITERS).map(({ request: { owner, mode } }) => ({ owner, mode }));
    return { name, holders, waiting: queue.length, waiters };
  }
}

function isFree({ holders }: Entry, mode: LockMode): boolean {
  if (holders.size === 0) return true;
  if (mode === "exclusive") return false;
  const [first] = holders.values();
  return first!.mode === "shared";
}

function grantFor(token: string, ttlMs: number): Omit<Grant, "fence"> {
  return { token, expiresAt: processClock.now() + ttlMs, askedAt: performance.now() };
}
