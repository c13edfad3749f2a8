/**
 * The sample resource that a lock protects, and the referee of who may write to it.
 *
 * What is checked:
 * 1. It takes writes under a fence that is not below the highest it has seen, and so from one holder at a time. A holder
 *    whose write is refused has outlived its lease: only one that was stopped or killed does, or knows it.
 * 2. The next holder is the first of those who waited at the release, those left out whose process was stopped or killed:
 *    whoever comes back takes the turn that it missed, and is before all who came later.
 */
import type { ContenderMessage } from "./messages.ts";

/** What was found in the end. */
export interface ContestCount {
  grants: number;
  /** Grants whose fence is not higher than the one before. */
  fencesThatFell: number;
  /** Writes that were refused for their old fence, to holders that were stopped, or knew; and to all others. */
  lateWritesRefused: number;
  twoHolders: number;
  /** Grants that were checked for their order, and how many places off the worst was. */
  ordered: number;
  worstPlace: number;
  /** From a release to the first line of the next holder, in microseconds. */
  readonly handoversMicros: number[];
}

/** From one holder's entrance to the next one's: longer only where something stood still. */
const STANDSTILL_MS = 1000;

/** The resource. */
export class Resource {
  readonly count: ContestCount = {
    grants: 0,
    fencesThatFell: 0,
    lateWritesRefused: 0,
    twoHolders: 0,
    ordered: 0,
    worstPlace: 0,
    handoversMicros: [],
  };
  /** Processes that were stopped or killed: they may be late. */
  readonly disturbed = new Set<string>();
  /** When each contender asked last, in microseconds. */
  readonly #asked = new Map<string, number>();
  #highest = 0;
  /** When the holder before entered. */
  #enteredAt = -Infinity;
  #left: { queue: readonly string[]; fence: number; releasedAt?: number } | undefined;

  /** A contender has asked for the lock. */
  asked({ owner, askedAt }: ContenderMessage & { type: "ask" }): void {
    this.#asked.set(owner, askedAt);
  }

  /** Takes a write; true when it is accepted. */
  write(message: ContenderMessage & { type: "enter" | "leave" }): boolean {
    const { count } = this;
    if (message.fence < this.#highest) return false;
    if (message.type === "leave") {
      this.#left = { queue: message.queue, fence: message.fence };
      return true;
    }
    count.grants++;
    if (message.fence === this.#highest) count.fencesThatFell++;
    this.#highest = message.fence;
    const now = performance.now();
    // Whoever stood still for so long, which a machine does too, may have been passed over.
    if (this.#left !== undefined && now - this.#enteredAt < STANDSTILL_MS) {
      this.#checkTurn(this.#left.queue, message.owner);
    }
    this.#enteredAt = now;
    const releasedAt = this.#left?.releasedAt;
    if (releasedAt !== undefined) count.handoversMicros.push(message.grantedAt - releasedAt);
    this.#left = undefined;
    return true;
  }

  /** The holder of a fence has released the lock. */
  released({ fence, releasedAt }: ContenderMessage & { type: "release" }): void {
    if (this.#left?.fence === fence) this.#left.releasedAt = releasedAt;
  }

  /** A holder says that its write was refused. */
  refused({ owner, knew }: ContenderMessage & { type: "refused" }): void {
    if (knew || this.disturbed.has(processOf(owner))) this.count.lateWritesRefused++;
    else this.count.twoHolders++;
  }

  #checkTurn(queue: readonly string[], owner: string): void {
    if (this.disturbed.has(processOf(owner))) return;
    const alive = queue.filter((waiter) => !this.disturbed.has(processOf(waiter)));
    // Who came after the release has no place in what was seen before it; then nobody may have been there.
    if (alive.length === 0) return;
    this.count.ordered++;
    // Who was too slow to take its turn has no place either, and takes it before all who asked later.
    const askedAt = (waiter: string) => this.#asked.get(waiter) ?? Infinity;
    const place = alive.includes(owner)
      ? alive.indexOf(owner)
      : alive.filter((waiter) => askedAt(waiter) < askedAt(owner)).length;
    this.count.worstPlace = Math.max(this.count.worstPlace, place);
  }
}

/** The process of a contender. */
export function processOf(owner: string): string {
  return owner.slice(0, owner.lastIndexOf("."));
}
