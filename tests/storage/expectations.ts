/**
 * What the contract suites expect of every driver, in words of their own.
 */
import * as assert from "uvu/assert";
import { MillraceError } from "../../src/lib/errors.ts";
import { isTerminal, type StoredEvent } from "../../src/execution/event.ts";
import type { Store } from "../../src/storage/store.ts";

/** The work ends in an error of this class. */
export async function rejects(work: () => Promise<unknown>, type: new (...args: never[]) => Error): Promise<void> {
  let thrown: unknown;
  try {
    await work();
  } catch (error) {
    thrown = error;
  }
  assert.ok(thrown instanceof type, `expected ${type.name}, got ${thrown}`);
}

/** The work is refused with this code; returns the error. */
export async function refuses(work: () => Promise<unknown>, code: string): Promise<MillraceError> {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof MillraceError, String(error));
    assert.is(error.code, code);
    return error;
  }
  throw new Error(`Nothing was refused with ${code}`);
}

/** The error says to come back in 1 to 5 whole seconds. */
export function hasRetryAfter(error: MillraceError): void {
  assert.match(error.options.headers?.["retry-after"] ?? "", /^[1-5]$/);
}

/** The execution has one terminal event, and nothing follows it; returns its events. */
export async function endsOnce(store: Store, executionId: string): Promise<StoredEvent[]> {
  const events = await store.log.read(executionId);
  const types = events.map(({ type }) => type);
  assert.is(events.filter(isTerminal).length, 1, `one terminal event in ${types}`);
  assert.ok(isTerminal(events.at(-1)!), `a terminal event last in ${types}`);
  return events;
}
