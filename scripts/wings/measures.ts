/**
 * What a read of each wing takes, next to the least that it could take: measured in turns, so that whatever else the
 * machine does falls on all of them.
 *
 * @example
 * ```ts
 * const figures = await measureReads([{ name: "Redis GET", read: () => client.get("key") }], { reads: 1000, rounds: 5 });
 * ```
 */
import { percentile } from "../bench/load.ts";

/** One kind of read. */
export interface Read {
  readonly name: string;
  /** Reads once, and rejects unless what came is right. */
  readonly read: () => Promise<unknown>;
}

/** What reads took, in milliseconds. */
export interface ReadFigures {
  readonly name: string;
  readonly reads: number;
  readonly p50: number;
  readonly p99: number;
}

/** Reads one after the other, every kind of read in each round. */
export async function measureReads(
  kinds: readonly Read[],
  options: { reads: number; rounds: number },
): Promise<ReadFigures[]> {
  const { reads, rounds } = options;
  const took = kinds.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [at, { read }] of kinds.entries()) {
      for (let n = 0; n < reads / rounds; n++) {
        const startedAt = performance.now();
        await read();
        took[at]!.push(performance.now() - startedAt);
      }
    }
  }
  return kinds.map(({ name }, at) => {
    const sorted = took[at]!.sort((a, b) => a - b);
    return { name, reads: sorted.length, p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) };
  });
}
